import { EFAULT } from '../../abi/errno.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUserPartial, copyPageFromUser, copyPageToUser, copyToUserPartial, userPage } from '../mm/uaccess.ts';

export interface Segment {
  base: number;
  length: number;
}

/** Where a read puts its bytes or a write takes them: user segments or a kernel buffer (struct iov_iter). */
export class IovIter {
  private readonly segments: Segment[] | null;
  private readonly buffer: Uint8Array | null;
  private at = 0;
  /** Bytes left. */
  count: number;
  /** Bytes moved so far. */
  done = 0;

  private constructor(segments: Segment[] | null, buffer: Uint8Array | null, count: number) {
    this.segments = segments;
    this.buffer = buffer;
    this.count = count;
  }
  static user(base: number, length: number): IovIter {
    return new IovIter([{ base, length }], null, length);
  }
  static vector(segments: readonly Segment[]): IovIter {
    return new IovIter(
      segments.map((s) => ({ ...s })),
      null,
      segments.reduce((n, s) => n + s.length, 0),
    );
  }
  static kernel(buffer: Uint8Array): IovIter {
    return new IovIter(null, buffer, buffer.length);
  }

  /** What is left of the user's segments; null for a kernel buffer. */
  get userSegments(): readonly Readonly<Segment>[] | null {
    return this.segments?.slice(this.at) ?? null;
  }
  private advance(n: number): void {
    this.count -= n;
    this.done += n;
  }
  /** Leaves the next `n` bytes as they are (iov_iter_advance). */
  skip(n: number): void {
    let left = Math.min(n, this.count);
    this.advance(left);
    if (this.segments === null) {
      this.at += left;
      return;
    }
    for (; left > 0; this.at++) {
      const s = this.segments[this.at];
      const part = Math.min(left, s.length);
      s.base += part;
      s.length -= part;
      left -= part;
      if (s.length > 0) break;
    }
  }
  /** Takes from `bytes` what fits. Bytes moved, or -EFAULT when not even one could be. */
  copyTo(k: Kernel, bytes: Uint8Array): number {
    const want = Math.min(bytes.length, this.count);
    if (this.buffer !== null) {
      this.buffer.set(bytes.subarray(0, want), this.at);
      this.at += want;
      this.advance(want);
      return want;
    }
    return this.moveUser(k, want, 0, (_k, base, at, length) => copyToUserPartial(k, base, bytes.subarray(at, at + length)));
  }
  /** The next `n` bytes (fewer when a fault cuts them), or -EFAULT. */
  copyFrom(k: Kernel, n: number): Uint8Array | number {
    const want = Math.min(n, this.count);
    if (this.buffer !== null) {
      const out = this.buffer.slice(this.at, this.at + want);
      this.at += want;
      this.advance(want);
      return out;
    }
    const out = new Uint8Array(want);
    const moved = this.moveUser(k, want, 0, (_k, base, at, length) => copyFromUserPartial(k, out.subarray(at, at + length), base));
    return moved < 0 ? moved : moved < want ? out.subarray(0, moved) : out;
  }

  /** The segment that comes next; there is one while count > 0. */
  private segment(): Segment {
    const segments = this.segments as Segment[];
    while (segments[this.at].length === 0) this.at++;
    return segments[this.at];
  }
  /**
   * Moves `want` bytes (at most `count`) through the user segments. `move` gets a user address, the place on the kernel's side (`at` and what moved already)
   * and a length, and says how much of it it could move. Bytes moved, or -EFAULT when not even one could be.
   */
  private moveUser(k: Kernel, want: number, at: number, move: (k: Kernel, base: number, at: number, length: number) => number): number {
    let moved = 0;
    while (moved < want) {
      const s = this.segment();
      const length = Math.min(s.length, want - moved);
      const got = move(k, s.base, at + moved, length);
      s.base += got;
      s.length -= got;
      moved += got;
      this.advance(got);
      if (got < length) return moved > 0 ? moved : -EFAULT;
    }
    return moved;
  }
  /** Can the next byte be read (fault_in_iov_iter_readable)? */
  faultIn(k: Kernel): boolean {
    return this.buffer !== null || this.count === 0 || userPage(k, this.segment().base, Access.READ) !== 0;
  }
  /** Takes what fits of `n` bytes of RAM at `pa` without a copy in between (copy_page_to_iter). Bytes moved, or -EFAULT when not even one could be. */
  copyPageTo(k: Kernel, pa: number, n: number): number {
    const want = Math.min(n, this.count);
    if (this.buffer !== null) return this.copyTo(k, k.ram.bytes(pa, want));
    return this.moveUser(k, want, pa, copyPageToUser);
  }
  /** Fills RAM at `pa` with the next `n` bytes (copy_page_from_iter). Bytes moved, or -EFAULT when not even one could be. */
  copyPageFrom(k: Kernel, pa: number, n: number): number {
    const want = Math.min(n, this.count);
    if (this.buffer !== null) {
      k.machine.invalidateCode(pa, want);
      k.ram.u8.set(this.buffer.subarray(this.at, this.at + want), pa);
      this.at += want;
      this.advance(want);
      return want;
    }
    return this.moveUser(k, want, pa, copyPageFromUser);
  }
}
