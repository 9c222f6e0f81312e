import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { boot, type ExitInfo, type NodeVm } from '../index.ts';
import { ElfObject, ObjectError } from '../kmod/elf_object.ts';
import { type CliOptions, UsageError } from './options.ts';
import { registeredObjects } from '../kernel/module/leftovers.ts';
import { bootOptions, EXIT_ESCAPED, EXIT_TIMEOUT, runForwarded } from './run.ts';

/** The module was not loaded or not unloaded, or the kernel complained. */
const EXIT_COMPLAINT = 1;

interface ModuleFile {
  readonly name: string;
  readonly path: string;
  readonly image: Uint8Array;
}
interface Report {
  module: string;
  /** Loaded before it, because it depends on them. */
  dependencies: string[];
  loaded: boolean;
  unloaded: boolean;
  /** What insmod or rmmod said. */
  error: string;
  /** Exit status of the command, null when none ran. */
  exitCode: number | null;
  timedOut: boolean;
  oops: boolean;
  warnings: number;
  /** Reports of --check. */
  reports: number;
  /** What the module registered (devices, classes, entries of /proc and debugfs...) and left behind when it was unloaded. */
  registered: string[];
  panic: string | null;
  stdout: string;
  stderr: string;
  dmesg: string;
  bootMs: number;
  instructions: number;
}

/** Where the directory of a script of this machine appears in the guest. */
const SCRIPT_DIR = '/mnt/host';
/** A command that is a relative path (./test.sh) and a file here: its directory is mounted, read-only, and it runs there. */
function withOwnScript(options: CliOptions, command: readonly string[]): { options: CliOptions; command: readonly string[] } {
  const script = command[0] ?? '';
  if (!/^\.{1,2}\//.test(script) || !existsSync(script) || !statSync(script).isFile()) return { options, command };
  const mount = { host: resolve(dirname(script)), guest: SCRIPT_DIR, readOnly: true };
  const run = ['sh', '-c', `cd ${SCRIPT_DIR} && exec "$0" "$@"`, `./${basename(script)}`, ...command.slice(1)];
  return { options: { ...options, mount: [...options.mount, mount] }, command: run };
}

/** `lintel kmod run FILE.ko [-- CMD...]`: boot, insmod, CMD, rmmod, the log. */
export async function runModule(given: CliOptions, file: string, argv: readonly string[]): Promise<number> {
  const { options, command } = withOwnScript(given, argv);
  const parameters = options.param.map((p) => {
    const eq = p.indexOf('=');
    if (eq <= 0) throw new UsageError(`--param wants NAME=VALUE, not '${p}'`);
    return /\s/.test(p) ? `${p.slice(0, eq)}="${p.slice(eq + 1)}"` : p;
  });
  const files = withDependencies(file);
  const module = files[files.length - 1];
  await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
  const report: Report = {
    module: module.name,
    dependencies: files.slice(0, -1).map((f) => f.name),
    loaded: false,
    unloaded: false,
    error: '',
    exitCode: null,
    timedOut: false,
    oops: false,
    warnings: 0,
    reports: 0,
    registered: [],
    panic: null,
    stdout: '',
    stderr: '',
    dmesg: '',
    bootMs: vm.bootMilliseconds,
    instructions: 0,
  };
  const before = vm.dmesg().length;
  const known = new Set(registeredObjects(vm.kernel));
  await loadRunUnload(vm, options, files, parameters, command, report);
  report.dmesg = vm.dmesg().slice(before);
  report.panic = vm.kernel.halted?.reason === 'panic' ? (vm.kernel.halted.message ?? 'panic') : null;
  report.oops = /\bOops\b|\bkernel BUG at\b/.test(report.dmesg);
  report.warnings = report.dmesg.split('WARNING: CPU:').length - 1;
  report.reports = vm.kernel.mm.check?.reports ?? 0;
  if (report.unloaded) report.registered = registeredObjects(vm.kernel).filter((line) => !known.has(line));
  report.instructions = vm.instructions;
  show(options, report);
  if (report.timedOut) return EXIT_TIMEOUT;
  if (report.exitCode !== null && report.exitCode !== 0) return report.exitCode;
  return report.loaded && report.unloaded && !report.oops && report.warnings === 0 && report.reports === 0 && report.registered.length === 0 && report.panic === null
    ? 0
    : EXIT_COMPLAINT;
}

async function loadRunUnload(
  vm: NodeVm,
  options: CliOptions,
  files: readonly ModuleFile[],
  parameters: readonly string[],
  command: readonly string[],
  report: Report,
): Promise<void> {
  const { timeout } = options;
  // A step that failed or hung ends the rest; a stopped system ends every step.
  const step = async (argv: readonly string[]): Promise<boolean> => {
    if (vm.kernel.halted !== null) return false;
    const r = await vm.run(argv, { timeout });
    report.timedOut ||= r.timedOut;
    if (r.exitCode !== 0 || r.timedOut)
      report.error = r.timedOut ? `${argv.join(' ')}: timed out` : r.stderr.trim() || `${argv[0]}: status ${r.exitCode}`;
    return r.exitCode === 0 && !r.timedOut;
  };
  const loaded: string[] = [];
  for (const f of files) {
    const path = `/tmp/${basename(f.path)}`;
    vm.writeFile(path, f.image);
    const last = f === files[files.length - 1];
    if (!(await step(['insmod', path, ...(last ? parameters : [])]))) break;
    loaded.unshift(f.name);
    report.loaded = last;
  }
  if (report.loaded && command.length > 0 && vm.kernel.halted === null) {
    let r: ExitInfo | null;
    if (options.json) {
      const all = await vm.run(command, { timeout });
      report.stdout = all.stdout;
      report.stderr = all.stderr;
      r = all;
    } else r = await runForwarded(vm, command, options);
    report.exitCode = r?.exitCode ?? EXIT_ESCAPED;
    report.timedOut ||= r?.timedOut === true;
  }
  for (const name of loaded) {
    const gone = await step(['rmmod', name]);
    if (name === report.module) report.unloaded = gone;
    if (!gone) break;
  }
}

function show(options: CliOptions, report: Report): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  process.stdout.write(report.dmesg);
  if (report.error !== '') process.stderr.write(`lintel: ${report.error}\n`);
  const words = [report.loaded ? 'loaded' : 'NOT loaded'];
  if (report.exitCode !== null) words.push(`command ended with status ${report.exitCode}`);
  if (report.loaded) words.push(report.unloaded ? 'unloaded' : 'NOT unloaded');
  if (report.timedOut) words.push('TIMED OUT');
  if (report.warnings > 0) words.push(`${report.warnings} WARNING${report.warnings > 1 ? 'S' : ''}`);
  if (report.reports > 0) words.push(`${report.reports} report${report.reports > 1 ? 's' : ''} of --check`);
  if (report.registered.length > 0) words.push(`STILL REGISTERED: ${report.registered.join(', ')}`);
  if (report.oops) words.push('OOPS');
  if (report.panic !== null) words.push('PANIC');
  process.stderr.write(`${report.module}: ${words.join(', ')}\n`);
}

/** The module in `file` behind those it depends on, which are looked for beside it. @throws Error */
function withDependencies(file: string): ModuleFile[] {
  const files: ModuleFile[] = [];
  const add = (path: string): void => {
    const image = readFileSync(path);
    let name = basename(path).replace(/\.ko$/, '').replaceAll('-', '_');
    let depends: string[] = [];
    try {
      const elf = new ElfObject(image);
      name = elf.modinfo('name')[0] ?? name;
      depends = elf.modinfo('depends').flatMap((d) => d.split(',').filter((w) => w !== ''));
    } catch (e) {
      // Damaged: the kernel says so in its own words.
      if (!(e instanceof ObjectError)) throw e;
    }
    if (files.some((f) => f.name === name)) return;
    for (const d of depends) {
      const beside = [d, d.replaceAll('_', '-')].map((n) => join(dirname(path), `${n}.ko`)).find(existsSync);
      if (beside !== undefined && beside !== path) add(beside);
    }
    files.push({ name, path, image });
  };
  if (!existsSync(file)) throw new UsageError(`${file}: no such file`);
  add(file);
  return files;
}
