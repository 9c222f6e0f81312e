import { parseArgs } from 'node:util';
import type { HostMount } from '../index.ts';
import { parseDuration, parseMemory } from '../sizes.ts';

/** A mistake of the person at the command line: shown without a stack, exit status 125. */
export class UsageError extends Error {}

export interface CliOptions {
  memory?: string;
  cpus?: number;
  image?: string;
  mount: HostMount[];
  append?: string;
  seed?: number;
  record?: string;
  replay?: string;
  /** Milliseconds. */
  timeout?: number;
  quiet: boolean;
  json: boolean;
  help: boolean;
  version: boolean;
  packages?: string;
  param: string[];
  /** What is checked in module code: memory. */
  check: string[];
  book: boolean;
}

const CHECKS = ['memory'];

const OPTIONS = {
  memory: { type: 'string', short: 'm' },
  cpus: { type: 'string' },
  image: { type: 'string' },
  mount: { type: 'string', multiple: true },
  append: { type: 'string' },
  seed: { type: 'string' },
  record: { type: 'string' },
  replay: { type: 'string' },
  timeout: { type: 'string' },
  packages: { type: 'string' },
  param: { type: 'string', multiple: true },
  check: { type: 'string', multiple: true },
  book: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const;

/** Splits an argument vector into Lintel's part and the guest command after `--` (null when there is no `--`). */
export function splitCommand(argv: readonly string[]): { own: string[]; command: string[] | null } {
  const i = argv.indexOf('--');
  return i < 0 ? { own: [...argv], command: null } : { own: argv.slice(0, i), command: argv.slice(i + 1) };
}

/** Parses Lintel's own arguments. @throws UsageError for an unknown option or a bad value. */
export function parseCli(own: readonly string[]): { options: CliOptions; words: string[] } {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(own);
  } catch (e) {
    // The first sentence says what is wrong; node's second is advice on parseArgs.
    throw new UsageError((e instanceof Error ? e.message : String(e)).split('. ')[0]);
  }
  const v = parsed.values;
  const options: CliOptions = {
    mount: (v.mount ?? []).map(parseMount),
    param: v.param ?? [],
    check: (v.check ?? []).flatMap((list) => list.split(',')),
    book: v.book ?? false,
    quiet: v.quiet ?? false,
    json: v.json ?? false,
    help: v.help ?? false,
    version: v.version ?? false,
  };
  for (const what of options.check) if (!CHECKS.includes(what)) throw new UsageError(`--check wants ${CHECKS.join(' or ')}, not '${what}'`);
  if (v.memory !== undefined) {
    parseMemory(v.memory);
    options.memory = v.memory;
  }
  if (v.cpus !== undefined) options.cpus = wholeNumber('--cpus', v.cpus, 1, 8);
  if (v.seed !== undefined) options.seed = wholeNumber('--seed', v.seed, 0, 0xffff_ffff);
  if (v.image !== undefined) options.image = v.image;
  if (v.append !== undefined) options.append = v.append;
  if (v.record !== undefined) options.record = v.record;
  if (v.replay !== undefined) options.replay = v.replay;
  if (v.timeout !== undefined) options.timeout = parseDuration(v.timeout);
  if (v.packages !== undefined) options.packages = v.packages;
  return { options, words: parsed.positionals };
}

function parse(own: readonly string[]) {
  return parseArgs({ args: [...own], options: OPTIONS, allowPositionals: true, strict: true });
}

/** HOST:GUEST[:ro]; HOST may contain colons. */
function parseMount(text: string): HostMount {
  const m = /^(.+?)(?::(ro|rw))?$/.exec(text);
  const at = m?.[1].lastIndexOf(':') ?? -1;
  if (m === null || at < 1) throw new UsageError(`--mount wants HOST:GUEST or HOST:GUEST:ro, not '${text}'`);
  const [host, guest] = [m[1].slice(0, at), m[1].slice(at + 1)];
  if (!guest.startsWith('/')) throw new UsageError(`--mount: the guest's directory must begin with /, not '${guest}'`);
  return { host, guest, readOnly: m[2] === 'ro' };
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < min || n > max) throw new UsageError(`${name} wants a whole number from ${min} to ${max}, not '${text}'`);
  return n;
}
