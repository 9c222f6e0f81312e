import { boot } from '../index.ts';
import { bootOptions } from './run.ts';
import type { CliOptions } from './options.ts';

/** `lintel`: a booted system on this terminal. Ends when the shell exits or the guest powers off. */
export async function shellCommand(options: CliOptions): Promise<number> {
  const { stdin, stdout } = process;
  await using vm = await boot({
    ...bootOptions(options),
    console: true,
    append: `${options.quiet ? 'quiet ' : ''}${options.append ?? ''}`.trim(),
    onConsole: (bytes) => void stdout.write(bytes),
  });
  const resize = () => vm.resize(stdout.columns ?? 80, stdout.rows ?? 24);
  const input = (chunk: Buffer) => vm.type(chunk);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', input);
  stdin.on('end', () => vm.type(Uint8Array.of(4)));
  stdout.on('resize', resize);
  resize();
  try {
    const end = await vm.halted;
    return end === 'panic' ? 1 : 0;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.off('data', input);
    stdin.pause();
  }
}
