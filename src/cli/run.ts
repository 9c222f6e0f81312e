import { type ExitInfo, type GuestProcess, type NodeVm, boot } from '../index.ts';
import { HostOutput } from './output.ts';
import { progressLine } from './progress.ts';
import { forwardSignals } from './signals.ts';
import { attachTerminal } from './terminal.ts';
import { type CliOptions, UsageError } from './options.ts';

export const EXIT_TIMEOUT = 124;
/** The user left with Ctrl-] twice: as if by SIGINT. */
export const EXIT_ESCAPED = 130;

/** Boot options that the command line gives, shared by every verb that boots. */
export function bootOptions(options: CliOptions) {
  const progress = progressLine(options.quiet);
  return {
    memory: options.memory,
    cpus: options.cpus,
    image: options.image,
    append: options.append,
    check: options.check,
    mounts: options.mount,
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
  const { stdin, stdout } = process;
  const started = performance.now();
  const timeout = options.timeout;
  if (options.json) {
    await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
    const input = stdin.isTTY ? undefined : await readAll(stdin);
    const r = await vm.run(argv, { timeout, stdin: input });
    const report = {
      ...r,
      instructions: vm.instructions,
      translator: vm.statistics,
      dmesg: vm.dmesg(),
      bootMs: vm.bootMilliseconds,
      totalMs: performance.now() - started,
    };
    stdout.write(`${JSON.stringify(report)}\n`);
    return statusOf(r, vm, timeout);
  }
  await using vm = await boot({ ...bootOptions(options), onConsole: undefined });
  const end = await runForwarded(vm, argv, options);
  return end === null ? EXIT_ESCAPED : statusOf(end, vm, timeout);
}

/** Runs a guest command on this process's standard streams; signals sent to this process go to the command. Null when the user left it. */
export async function runForwarded(vm: NodeVm, argv: readonly string[], options: CliOptions): Promise<ExitInfo | null> {
  const { stdin, stdout } = process;
  const out = new HostOutput(1, () => child.closeOutput(1));
  const err = new HostOutput(2, () => child.closeOutput(2));
  const terminal = stdin.isTTY && stdout.isTTY ? { columns: stdout.columns || 80, rows: stdout.rows || 24 } : undefined;
  // A seeded run is a function of its input: all of it is there before the command starts.
  const early = options.seed !== undefined && !stdin.isTTY ? await readAll(stdin) : null;
  const child = vm.spawn(argv, {
    timeout: options.timeout,
    terminal,
    env: terminal !== undefined && process.env['TERM'] ? { TERM: process.env['TERM'] } : {},
    onStdout: (bytes) => out.write(bytes),
    onStderr: (bytes) => err.write(bytes),
  });
  let leave: () => void = () => {};
  const escaped = new Promise<null>((resolve) => {
    leave = () => resolve(null);
  });
  let detach: () => void = () => {};
  if (terminal !== undefined) {
    const input = (bytes: Uint8Array) => void child.write(bytes);
    detach = attachTerminal({ input, resize: child.resize, ended: leave });
  } else if (early !== null) {
    void child.write(early);
    child.end();
  } else detach = pump(stdin, child);
  const undo = forwardSignals(child.kill, detach);
  try {
    return await Promise.race([child.done, escaped]);
  } finally {
    undo();
    detach();
  }
}

/** The exit status; says on standard error what is not the command's own. */
function statusOf(r: ExitInfo, vm: NodeVm, timeout: number | undefined): number {
  if (r.timedOut) {
    process.stderr.write(`lintel: timed out after ${timeout} ms\n`);
    return EXIT_TIMEOUT;
  }
  if (r.oomKilled) process.stderr.write('lintel: the guest ran out of memory and killed the command (--memory gives more)\n');
  if (r.halted !== undefined)
    process.stderr.write(`lintel: the system stopped before the command ended (${r.halted}): ${vm.kernel.halted?.message ?? ''}\n`);
  return r.exitCode;
}

/** Feeds a stream to the command, no faster than it reads. Returns a function that stops it. */
function pump(stream: NodeJS.ReadStream, child: GuestProcess): () => void {
  const onData = (chunk: Buffer) => {
    stream.pause();
    child.write(chunk).then(() => {
      if (attached) stream.resume();
    });
  };
  let attached = true;
  const onEnd = () => child.end();
  stream.on('data', onData);
  stream.on('end', onEnd);
  stream.on('error', onEnd);
  return () => {
    attached = false;
    stream.off('data', onData);
    stream.off('end', onEnd);
    stream.off('error', onEnd);
    stream.pause();
    stream.unref?.();
  };
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}
