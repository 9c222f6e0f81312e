import { write } from 'node:fs';

const RETRY_MS = 5;

/**
 * A descriptor that is written in order, without blocking the event loop: a slow reader holds back the guest's stream, nothing else.
 * (`process.stdout` writes to pipes and terminals synchronously.)
 */
export class HostOutput {
  private readonly fd: number;
  private readonly onClosed: () => void;
  private tail: Promise<void> = Promise.resolve();
  private closed = false;

  /** @param onClosed called once when nobody reads the descriptor any more or it cannot be written. */
  constructor(fd: number, onClosed: () => void = () => {}) {
    this.fd = fd;
    this.onClosed = onClosed;
  }
  /** Settles when the bytes are out (or can never be). */
  write(bytes: Uint8Array): Promise<void> {
    this.tail = this.tail.then(() => this.writeNow(bytes));
    return this.tail;
  }
  private async writeNow(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.closed; ) {
      try {
        at += await writeSome(this.fd, bytes.subarray(at));
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'EAGAIN') await new Promise((r) => setTimeout(r, RETRY_MS));
        else this.fail(e as NodeJS.ErrnoException);
      }
    }
  }
  private fail(e: NodeJS.ErrnoException): void {
    this.closed = true;
    if (e.code !== 'EPIPE') process.stderr.write(`lintel: cannot write to descriptor ${this.fd}: ${e.message}\n`);
    this.onClosed();
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (e, n) => (e === null ? resolve(n) : reject(e)));
  });
}
