import { buildModules } from '../kmod/build.ts';
import { BuildError } from '../kmod/error.ts';
import { runModule } from './kmod_run.ts';
import { type CliOptions, UsageError } from './options.ts';
import { progressLine } from './progress.ts';

/** The fault is in the module's own directory. */
const EXIT_BUILD = 1;

/** `lintel kmod build DIR` and `lintel kmod run FILE.ko [-- CMD...]` */
export async function kmodCommand(options: CliOptions, words: readonly string[], command: readonly string[] | null): Promise<number> {
  const [verb, target, ...rest] = words;
  if (rest.length > 0) throw new UsageError(`unexpected '${rest[0]}' after kmod ${verb} ${target}`);
  if (verb === 'build') return await buildCommand(options, target ?? '.');
  if (verb !== 'run' || target === undefined) throw new UsageError('kmod wants: build DIR, or run FILE.ko [-- CMD...]');
  return await runModule(options, target, command ?? []);
}

async function buildCommand(options: CliOptions, dir: string): Promise<number> {
  const progress = progressLine(options.quiet);
  const diagnostics = (text: string) => {
    progress.done();
    process.stderr.write(text);
  };
  try {
    const modules = await buildModules(dir, { progress: progress.report, diagnostics, book: options.book });
    progress.done();
    if (options.json) process.stdout.write(`${JSON.stringify({ modules })}\n`);
    else for (const m of modules) process.stdout.write(`${m.path}\n`);
    return 0;
  } catch (e) {
    progress.done();
    if (!(e instanceof BuildError)) throw e;
    process.stderr.write(e.diagnostics);
    process.stderr.write(`lintel: ${e.message}\n`);
    return EXIT_BUILD;
  }
}
