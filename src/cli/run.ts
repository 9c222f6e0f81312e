import { boot } from '../index.ts';
import { progressLine } from './progress.ts';
import { type CliOptions, UsageError } from './options.ts';

const EXIT_TIMEOUT = 124;

/** Boot options that the command line gives, shared by every verb that boots. */
export function bootOptions(options: CliOptions) {
  const progress = progressLine(options.quiet);
  return {
    memory: options.memory,
    cpus: options.cpus,
    image: options.image,
    append: options.append,
    seed: options.seed,
    onProgress: progress.report,
    onConsole: options.quiet ? undefined : (bytes: Uint8Array) => void process.stderr.write(bytes),
  };
}

/** `lintel run [options] -- CMD [ARG...]` */
export async function runCommand(options: CliOptions, words: readonly string[], command: readonly string[] | null): Promise<number> {
  const argv = command ?? words;
  if (command !== null && words.length > 0) throw new UsageError(`unexpected '${words[0]}' before --`);
  if (argv.length === 0) throw new UsageError('run wants a command: lintel run -- CMD [ARG...]');
  const started = performance.now();
  await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
  if (options.json) {
    const r = await vm.run(argv, { timeout: options.timeout, stdin: process.stdin.isTTY ? undefined : await readAll(process.stdin) });
    const report = { ...r, instructions: vm.instructions, bootMs: vm.bootMilliseconds, totalMs: performance.now() - started };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return r.timedOut ? EXIT_TIMEOUT : r.exitCode;
  }
  const child = vm.spawn(argv, {
    timeout: options.timeout,
    onStdout: (bytes) => void process.stdout.write(bytes),
    onStderr: (bytes) => void process.stderr.write(bytes),
  });
  const forward = (name: NodeJS.Signals, nr: number) => {
    const handler = () => child.kill(nr);
    process.on(name, handler);
    return () => process.off(name, handler);
  };
  const undo = [forward('SIGINT', 2), forward('SIGTERM', 15), forward('SIGHUP', 1)];
  const onData = (chunk: Buffer) => child.write(chunk);
  const onEnd = () => child.end();
  process.stdin.on('data', onData);
  process.stdin.on('end', onEnd);
  process.stdin.on('error', onEnd);
  try {
    const r = await child.done;
    if (r.timedOut) process.stderr.write(`lintel: timed out after ${options.timeout} ms\n`);
    return r.timedOut ? EXIT_TIMEOUT : r.exitCode;
  } finally {
    process.stdin.off('data', onData);
    process.stdin.off('end', onEnd);
    process.stdin.off('error', onEnd);
    process.stdin.pause();
    process.stdin.unref?.();
    for (const f of undo) f();
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}
