import { parseCli, splitCommand, UsageError } from './options.ts';
import { SizeError } from '../sizes.ts';
import { HELP, versionText } from './help.ts';

/** Exit status when Lintel itself fails (not the guest). */
const EXIT_LINTEL = 125;

/** Exit status, and whether a system was booted. */
interface End {
  status: number;
  booted: boolean;
}

async function main(argv: readonly string[]): Promise<End> {
  const { own, command } = splitCommand(argv);
  const { options, words } = parseCli(own);
  if (options.help) {
    process.stdout.write(HELP);
    return { status: 0, booted: false };
  }
  if (options.version) {
    process.stdout.write(versionText());
    return { status: 0, booted: false };
  }
  if (options.record !== undefined || options.replay !== undefined) throw new UsageError('--record and --replay are not implemented yet');
  const verb = words.shift();
  switch (verb) {
    case undefined:
      if (command !== null) throw new UsageError('a command after -- wants a verb: lintel run -- CMD');
      return { status: await (await import('./shell.ts')).shellCommand(options), booted: true };
    case 'start':
      return { status: await (await import('./start.ts')).startCommand(options), booted: true };
    case 'run':
      return { status: await (await import('./run.ts')).runCommand(options, words, command), booted: true };
    case 'image':
      return { status: await (await import('./image.ts')).imageCommand(options, words), booted: false };
    case 'kmod':
      return { status: await (await import('./kmod.ts')).kmodCommand(options, words, command), booted: false };
    default:
      throw new UsageError(`unknown command '${verb}'`);
  }
}

/** Settles when the command has ended (launch.ts waits for it); true when it booted a system. */
export const finished: Promise<boolean> = main(process.argv.slice(2)).then(
  ({ status, booted }) => {
    process.exitCode = status;
    return booted;
  },
  (e: unknown) => {
    if (e instanceof UsageError || e instanceof SizeError) process.stderr.write(`lintel: ${e.message}\nTry 'lintel --help'.\n`);
    else process.stderr.write(`lintel: ${e instanceof Error ? (process.env['LINTEL_DEBUG'] ? e.stack : e.message) : String(e)}\n`);
    process.exitCode = EXIT_LINTEL;
    return false;
  },
);
