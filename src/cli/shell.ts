import { boot } from '../index.ts';
import { bootOptions } from './run.ts';
import { HostOutput } from './output.ts';
import { forwardSignals } from './signals.ts';
import { attachTerminal, ESCAPE_HINT } from './terminal.ts';
import type { CliOptions } from './options.ts';

const EOT = 4;

/** `lintel`: a booted system on this terminal. Ends when the shell exits or the guest powers off. */
export async function shellCommand(options: CliOptions): Promise<number> {
  const { stdin } = process;
  let stopped: () => void = () => {};
  const ended = new Promise<'ended'>((resolve) => {
    stopped = () => resolve('ended');
  });
  const output = new HostOutput(1, stopped);
  const env = stdin.isTTY && process.env['TERM'] ? `TERM=${process.env['TERM']}` : '';
  await using vm = await boot({
    ...bootOptions(options),
    console: true,
    append: [options.quiet ? 'quiet' : '', env, options.append ?? ''].filter((w) => w !== '').join(' '),
    onConsole: (bytes) => void output.write(bytes),
  });
  const input = (chunk: Uint8Array) => vm.type(chunk);
  let detach: () => void;
  if (stdin.isTTY) {
    if (!options.quiet) process.stderr.write(`lintel: ${ESCAPE_HINT}\n`);
    detach = attachTerminal({ input, resize: (columns, rows) => vm.resize(columns, rows), ended: stopped });
  } else {
    const onEnd = () => vm.type(Uint8Array.of(EOT));
    stdin.on('data', input);
    stdin.on('end', onEnd);
    detach = () => {
      stdin.off('data', input);
      stdin.off('end', onEnd);
      stdin.pause();
    };
  }
  const undo = forwardSignals(stopped, detach);
  try {
    const end = await Promise.race([vm.halted, ended]);
    if (end === 'panic') process.stderr.write(`lintel: the system stopped: ${vm.kernel.halted?.message ?? 'panic'}\n`);
    await output.write(new Uint8Array(0));
    return end === 'panic' ? 1 : 0;
  } finally {
    undo();
    detach();
  }
}
