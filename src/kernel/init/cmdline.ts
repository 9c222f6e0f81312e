import type { Kernel } from '../kernel.ts';
import { BOOT_PARAMETERS } from './sysctl_words.ts';

// The kernel command line (init/main.c, Documentation/admin-guide/kernel-parameters.rst).

/** Parameters that this kernel acts on, or that ask for what is so anyway. */
const KNOWN: readonly string[] = [
  'console',
  'quiet',
  'debug',
  'loglevel',
  'ignore_loglevel',
  'init',
  'rdinit',
  'norandmaps',
  'panic',
  'panic_on_warn',
  'ro',
  'rw',
  'root',
  'rootfstype',
  'maxcpus',
  'nr_cpus',
  'mem',
  'earlycon',
  'oops',
  'log_buf_len',
  'no_hash_pointers',
  'printk',
  'dyndbg',
  'initcall_debug',
  'nokaslr',
  'audit',
  'security',
  'lsm',
  'apparmor',
  'module_blacklist',
  'lockdown',
  ...BOOT_PARAMETERS,
  'selinux',
];
/** argv_init[0] and the environment that init always gets. */
const INIT_ENV: readonly string[] = ['HOME=/', 'TERM=linux'];

/** Words, with double quotes around what may hold blanks (next_arg). */
export function splitCommandLine(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quoted = false;
  for (const c of line) {
    if (c === '"') quoted = !quoted;
    else if (!quoted && /\s/.test(c)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += c;
  }
  if (word !== '') words.push(word);
  return words;
}

export interface InitArguments {
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** What the kernel itself did not know, for the note in the log. */
  readonly unknown: readonly string[];
}
/** Words that the kernel does not know go to init: name=value into its environment, others as arguments; so does all after `--`. */
export function initArguments(k: Kernel): InitArguments {
  const args: string[] = [];
  const env = [...INIT_ENV];
  const passed: string[] = [];
  const words = splitCommandLine(k.commandLine);
  const dashes = words.indexOf('--');
  for (const word of dashes < 0 ? words : words.slice(0, dashes)) {
    const name = /^[^=]*/.exec(word)?.[0] ?? '';
    // A dot makes it a parameter of a module.
    if (KNOWN.includes(name.replaceAll('-', '_')) || name.includes('.')) continue;
    if (!word.includes('=')) {
      args.push(word);
      continue;
    }
    passed.push(word);
    const i = env.findIndex((e) => e.startsWith(`${name}=`));
    if (i >= 0) env[i] = word;
    else env.push(word);
  }
  const unknown = [...args, ...passed];
  if (dashes >= 0) args.push(...words.slice(dashes + 1));
  return { args, env, unknown };
}
