import { accessSync, constants, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachePath } from '../image/cache.ts';
import { boot, type NodeVm } from '../index.ts';
import { type BuiltModule, buildModules } from '../kmod/build.ts';
import { BuildError } from '../kmod/error.ts';
import { versionText } from './help.ts';
import type { CliOptions } from './options.ts';
import { progressLine } from './progress.ts';
import { bootOptions } from './run.ts';
import { shellCommand } from './shell.ts';

/** `lintel start` (npm start): a shell on a terminal, the demonstration elsewhere. */
export async function startCommand(options: CliOptions): Promise<number> {
  return process.stdin.isTTY ? await shellCommand(options) : await demonstrate(options);
}

const example = fileURLToPath(new URL('../../examples/hello', import.meta.url));
const print = (text: string) => void process.stdout.write(text);
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(2)} s`;

function writable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Builds examples/hello, boots, loads it, looks around, unloads it. Status 0 when every step did what it should. */
async function demonstrate(options: CliOptions): Promise<number> {
  const started = performance.now();
  print(`${versionText().trim()}: a Linux kernel in TypeScript, real programs, real modules\n\n`);
  const progress = progressLine(options.quiet);
  const shown = relative(process.cwd(), example) || '.';
  print(`$ lintel kmod build ${shown}\n`);
  let built: BuiltModule;
  try {
    // Where Lintel is installed for all users, its directory is not ours to write in.
    const output = writable(shown) ? undefined : cachePath('hello');
    [built] = await buildModules(shown, { progress: progress.report, diagnostics: print, output });
  } catch (e) {
    progress.done();
    if (!(e instanceof BuildError)) throw e;
    process.stderr.write(`${e.diagnostics}lintel: ${e.message}\n`);
    return 1;
  }
  progress.done();
  print(`${built.path}\n\n`);
  const buildTime = seconds(started);

  const bootStarted = performance.now();
  await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
  const bootTime = seconds(bootStarted);
  const before = vm.dmesg().split('\n').length - 1;
  const guest = new GuestShell(vm);
  await guest.run('uname -srm');
  const loadStarted = performance.now();
  vm.writeFile('/root/hello.ko', readFileSync(built.path));
  await guest.run('insmod /root/hello.ko who=Ada times=2');
  const loadTime = seconds(loadStarted);
  await guest.run('lsmod');
  await guest.run('cat /sys/module/hello/parameters/who /sys/module/hello/parameters/times');
  await guest.run('rmmod hello');
  await guest.run(`dmesg | tail -n +${before + 1}`);
  const lines = [
    '',
    `in all ${seconds(started)}: module built in ${buildTime} (${(built.size / 1024).toFixed(1)} KiB); system up in ${bootTime}, of which the kernel's boot ${vm.bootMilliseconds.toFixed(0)} ms;`,
    `module loaded in ${loadTime}; ${(vm.instructions / 1e6).toFixed(1)} million guest instructions`,
    '',
    'Next:  npm start                            on a terminal: a shell in the booted system',
    '       npx lintel run -- ps                 one command in a system of its own',
    `       npx lintel kmod run ${built.path} --param who=you`,
    `       docs/modules.md                      change ${join(shown, 'hello.c')}, build it, write your own`,
  ];
  print(`${lines.join('\n')}\n`);
  return guest.failed ? 1 : 0;
}

/** Runs command lines in the guest and shows them as a session. */
class GuestShell {
  failed = false;
  private readonly vm: NodeVm;

  constructor(vm: NodeVm) {
    this.vm = vm;
  }
  async run(line: string): Promise<void> {
    print(`# ${line}\n`);
    const r = await this.vm.run(['sh', '-c', line]);
    print(r.stdout);
    process.stderr.write(r.stderr);
    if (r.exitCode !== 0) this.failed = true;
  }
}
