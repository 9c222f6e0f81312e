import { EAGAIN } from './abi/errno.ts';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from './abi/fs.ts';
import { VEOF } from './abi/termios.ts';
import { ttyOf } from './kernel/drivers/tty/tty_io.ts';
import { resizeTty } from './kernel/drivers/tty/tty_ioctl.ts';
import type { Tty } from './kernel/drivers/tty/tty.ts';
import { createPipe, pipeInfo } from './kernel/fs/pipe.ts';
import { kernelOpen } from './kernel/fs/open.ts';
import { pathWalk } from './kernel/fs/namei.ts';
import type { File } from './kernel/fs/types.ts';
import type { Kernel } from './kernel/kernel.ts';
import { IovIter } from './kernel/lib/iov_iter.ts';

// The host's ends of a guest command's streams. Between turns of the kernel `feed` pushes input in and `drain` takes output out.

const CHUNK = 65536;

/** Takes output. A promise that it returns holds back the stream (and in a seeded run the machine) until it settles. */
export type OutputSink = (bytes: Uint8Array) => void | Promise<void>;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What the guest gets as descriptors 0, 1 and 2: three pipes, or a pseudoterminal that it opens itself. */
export interface GuestEnds {
  readonly files: readonly File[];
  readonly terminal: string | null;
}

interface Output {
  file: File | null;
  readonly sink: OutputSink;
  /** The sink's promise while it has not settled. */
  held: Promise<void> | null;
}
interface Input {
  bytes: Uint8Array;
  readonly taken: () => void;
}

/** Runs `fn` as the idle task, so that no guest task's restart state or signals are touched by what the host does. */
export function asHost<T>(k: Kernel, fn: () => T): T {
  const saved = k.current;
  k.current = k.sched.initTask;
  try {
    return fn();
  } finally {
    k.current = saved;
  }
}

/** A pseudoterminal of the guest, unlocked; null when it has no devpts. */
function openPty(k: Kernel): { master: File; slave: string } | null {
  return asHost(k, () => {
    const master = kernelOpen(k, '/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (typeof master === 'number') return null;
    const slave = ttyOf(master).link as Tty;
    slave.locked = false;
    const path = `/dev/pts/${slave.index}`;
    if (typeof pathWalk(k, k.current.fs.root, path, true) !== 'number') return { master, slave: path };
    k.vfs.fput(master);
    return null;
  });
}

export class CommandStreams {
  private readonly k: Kernel;
  private readonly wake: () => void;
  private stdin: File | null;
  private readonly outputs: Output[];
  private readonly pending: Input[] = [];
  private ending = false;
  private readonly tty: Tty | null;
  readonly guest: GuestEnds;

  /**
   * Makes the streams. `terminal` asks for a pseudoterminal; without devpts in the guest there are pipes all the same.
   * @param wake called when something can move that could not before.
   */
  constructor(k: Kernel, sinks: { stdout: OutputSink; stderr: OutputSink }, terminal: TerminalSize | null, wake: () => void) {
    this.k = k;
    this.wake = wake;
    const output = (file: File, sink: OutputSink): Output => ({ file, sink, held: null });
    const pty = terminal === null ? null : openPty(k);
    if (terminal !== null && pty !== null) {
      this.tty = ttyOf(pty.master);
      this.stdin = pty.master;
      this.outputs = [output(pty.master, sinks.stdout)];
      this.guest = { files: [], terminal: pty.slave };
      this.resize(terminal);
      return;
    }
    const [inRead, inWrite] = createPipe(k, 0);
    const [outRead, outWrite] = createPipe(k, 0);
    const [errRead, errWrite] = createPipe(k, 0);
    for (const f of [inWrite, outRead, errRead]) f.flags |= O_NONBLOCK;
    this.tty = null;
    this.stdin = inWrite;
    this.outputs = [output(outRead, sinks.stdout), output(errRead, sinks.stderr)];
    this.guest = { files: [inRead, outWrite, errWrite], terminal: null };
  }

  /** Settles when the guest has taken the bytes, or can take none any more. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.stdin === null || bytes.length === 0) return Promise.resolve();
    return new Promise((taken) => {
      this.pending.push({ bytes: bytes.slice(), taken });
      this.wake();
    });
  }
  end(): void {
    this.ending = true;
    this.wake();
  }
  resize(size: TerminalSize): void {
    if (this.tty === null) return;
    resizeTty(this.k, this.tty.link as Tty, { row: size.rows & 0xffff, col: size.columns & 0xffff, xpixel: 0, ypixel: 0 });
    this.wake();
  }
  /** Nobody takes the output of stream `fd` any more: the command's further writes get SIGPIPE. */
  closeOutput(fd: 1 | 2): void {
    const o = this.outputs[fd - 1];
    if (o === undefined || this.tty !== null) return;
    this.closeFile(o);
    this.wake();
  }
  /** A sink holds output back. */
  get held(): boolean {
    return this.outputs.some((o) => o.held !== null);
  }

  /** Pushes waiting input in. True when something moved. */
  feed(): boolean {
    const { k, pending } = this;
    let moved = false;
    asHost(k, () => {
      while (this.stdin !== null && pending.length > 0) {
        // Nobody can read it any more (a write would only earn SIGPIPE).
        if (pipeInfo(this.stdin)?.readers === 0) {
          this.dropInput();
          moved = true;
          break;
        }
        const next = pending[0];
        const n = this.stdin.op.write?.(k, this.stdin, IovIter.kernel(next.bytes), 0) ?? -1;
        if (n === -EAGAIN) return;
        moved = true;
        if (n < 0) this.dropInput();
        else if (n < next.bytes.length) next.bytes = next.bytes.subarray(n);
        else {
          pending.shift();
          next.taken();
        }
      }
      if (this.ending && pending.length === 0 && this.stdin !== null) {
        this.finishInput(this.stdin);
        moved = true;
      }
    });
    return moved;
  }
  /** The end of input: closing the pipe, or the terminal's end-of-file character. */
  private finishInput(file: File): void {
    this.ending = false;
    if (this.tty !== null) {
      const eof = (this.tty.link as Tty).termios.cc[VEOF];
      file.op.write?.(this.k, file, IovIter.kernel(Uint8Array.of(eof)), 0);
      return;
    }
    this.k.vfs.fput(file);
    this.stdin = null;
  }
  private dropInput(): void {
    for (const i of this.pending.splice(0)) i.taken();
  }

  /** Takes output out. True when something moved. `last`: all that is there, whatever the sinks hold back. */
  drain(last: boolean): boolean {
    return asHost(this.k, () => {
      let moved = false;
      for (const o of this.outputs) if (this.drainOne(o, last)) moved = true;
      return moved;
    });
  }
  private drainOne(o: Output, last: boolean): boolean {
    const { k } = this;
    let moved = false;
    while (o.file !== null && (last || o.held === null)) {
      const buffer = new Uint8Array(CHUNK);
      const n = o.file.op.read?.(k, o.file, IovIter.kernel(buffer), 0) ?? 0;
      if (n === -EAGAIN) break;
      if (n <= 0) {
        // End of file; a pseudoterminal says EIO once its last user is gone, and may be opened again.
        if (this.tty === null) this.closeFile(o);
        break;
      }
      moved = true;
      const taken = o.sink(buffer.subarray(0, n));
      if (taken instanceof Promise) this.hold(o, taken);
    }
    return moved;
  }
  private hold(o: Output, taken: Promise<void>): void {
    const settled = () => {};
    const held: Promise<void> = Promise.all([o.held, taken.then(settled, settled)]).then(() => {
      if (o.held === held) o.held = null;
      this.wake();
    });
    o.held = held;
  }
  private closeFile(o: Output): void {
    if (o.file === null) return;
    this.k.vfs.fput(o.file);
    o.file = null;
  }

  /** Closes what is open. Settles when the sinks have taken everything. */
  close(): Promise<unknown> {
    this.dropInput();
    asHost(this.k, () => {
      if (this.stdin !== null && this.tty === null) this.k.vfs.fput(this.stdin);
      this.stdin = null;
      for (const o of this.outputs) this.closeFile(o);
    });
    return Promise.all(this.outputs.map((o) => o.held));
  }
}
