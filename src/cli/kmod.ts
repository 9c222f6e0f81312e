import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { boot } from '../index.ts';
import { buildModules } from '../kmod/build.ts';
import { type CliOptions, UsageError } from './options.ts';
import { progressLine } from './progress.ts';
import { bootOptions } from './run.ts';

const EXIT_TIMEOUT = 124;

/** `lintel kmod build DIR` and `lintel kmod run FILE.ko [-- CMD...]` */
export async function kmodCommand(options: CliOptions, words: readonly string[], command: readonly string[] | null): Promise<number> {
  const [verb, target] = words;
  if (verb === 'build') {
    const progress = progressLine(options.quiet);
    const modules = await buildModules(target ?? '.', { progress: progress.report });
    progress.done();
    for (const m of modules) process.stdout.write(`${m}\n`);
    return 0;
  }
  if (verb !== 'run' || target === undefined) throw new UsageError('kmod wants: build DIR, or run FILE.ko [-- CMD...]');
  return await runModule(options, target, command);
}

async function runModule(options: CliOptions, file: string, command: readonly string[] | null): Promise<number> {
  const image = readFileSync(file);
  const parameters: Record<string, string> = {};
  for (const p of options.param) {
    const eq = p.indexOf('=');
    if (eq <= 0) throw new UsageError(`--param wants NAME=VALUE, not '${p}'`);
    parameters[p.slice(0, eq)] = p.slice(eq + 1);
  }
  await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
  const before = vm.dmesg().length;
  const report = { loaded: false, error: '', exitCode: 0, unloaded: false, dmesg: '', oops: false, warnings: 0 };
  try {
    const module = await vm.insmodBytes(basename(file).replace(/\.ko$/, ''), image, parameters);
    report.loaded = true;
    if (command !== null && command.length > 0) {
      const r = await vm.run(command, { timeout: options.timeout });
      process.stdout.write(r.stdout);
      process.stderr.write(r.stderr);
      report.exitCode = r.timedOut ? EXIT_TIMEOUT : r.exitCode;
    }
    await module.rmmod();
    report.unloaded = true;
  } catch (e) {
    report.error = e instanceof Error ? e.message : String(e);
  }
  report.dmesg = vm.dmesg().slice(before);
  report.oops = /Oops|BUG:|kernel BUG at/.test(report.dmesg);
  report.warnings = report.dmesg.split('WARNING: CPU:').length - 1;
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    process.stdout.write(report.dmesg);
    if (report.error !== '') process.stderr.write(`lintel: ${report.error}\n`);
    process.stderr.write(
      `${report.loaded ? 'loaded' : 'NOT loaded'}, ${report.unloaded ? 'unloaded' : 'NOT unloaded'}${report.oops ? ', OOPS' : ''}${report.warnings > 0 ? `, ${report.warnings} warnings` : ''}\n`,
    );
  }
  if (report.exitCode !== 0) return report.exitCode;
  return report.loaded && report.unloaded && !report.oops && report.warnings === 0 ? 0 : 1;
}
