import { kmodCommand } from './kmod.ts';
import { imageCommand } from './image.ts';
import { parseCli, splitCommand, UsageError } from './options.ts';
import { SizeError } from '../sizes.ts';
import { runCommand } from './run.ts';
import { shellCommand } from './shell.ts';
import { startCommand } from './start.ts';
import { HELP, versionText } from './help.ts';

/** Exit status when Lintel itself fails (not the guest). */
const EXIT_LINTEL = 125;

async function main(argv: readonly string[]): Promise<number> {
  const { own, command } = splitCommand(argv);
  const { options, words } = parseCli(own);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (options.version) {
    process.stdout.write(versionText());
    return 0;
  }
  if (options.record !== undefined || options.replay !== undefined) throw new UsageError('--record and --replay are not implemented yet');
  const verb = words.shift();
  switch (verb) {
    case undefined:
      if (command !== null) throw new UsageError('a command after -- wants a verb: lintel run -- CMD');
      return await shellCommand(options);
    case 'start':
      return await startCommand(options);
    case 'run':
      return await runCommand(options, words, command);
    case 'image':
      return await imageCommand(options, words);
    case 'kmod':
      return await kmodCommand(options, words, command);
    default:
      throw new UsageError(`unknown command '${verb}'`);
  }
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (e: unknown) => {
    if (e instanceof UsageError || e instanceof SizeError) process.stderr.write(`lintel: ${e.message}\nTry 'lintel --help'.\n`);
    else process.stderr.write(`lintel: ${e instanceof Error ? (process.env['LINTEL_DEBUG'] ? e.stack : e.message) : String(e)}\n`);
    process.exitCode = EXIT_LINTEL;
  },
);
