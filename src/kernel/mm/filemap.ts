import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';

/** The cached pages of one inode: frames by page index, each holding one reference (struct address_space). */
export class AddressSpace {
  readonly pages = new Map<number, number>();
  /** Bytes of contents; accesses beyond the last page of it are SIGBUS. */
  size = 0;

  /** The frame of page `index`, made (zeroed) when missing. 0 = out of memory. */
  grab(k: Kernel, index: number): number {
    let pa = this.pages.get(index) ?? 0;
    if (pa === 0) {
      pa = k.mm.pages.alloc();
      if (pa !== 0) this.pages.set(index, pa);
    }
    return pa;
  }
  /** Reads at `pos` into `into`; holes are zeros. The caller clips to size. */
  read(k: Kernel, pos: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const at = pos + done;
      const offset = at % PAGE_SIZE;
      const n = Math.min(into.length - done, PAGE_SIZE - offset);
      const pa = this.pages.get((at - offset) / PAGE_SIZE);
      if (pa === undefined) into.fill(0, done, done + n);
      else into.set(k.ram.bytes(pa + offset, n), done);
      done += n;
    }
  }
  /** Writes and grows. Bytes written: fewer when memory ran out. */
  write(k: Kernel, pos: number, from: Uint8Array): number {
    let done = 0;
    while (done < from.length) {
      const at = pos + done;
      const offset = at % PAGE_SIZE;
      const n = Math.min(from.length - done, PAGE_SIZE - offset);
      const pa = this.grab(k, (at - offset) / PAGE_SIZE);
      if (pa === 0) break;
      k.machine.invalidateCode(pa + offset, n);
      k.ram.u8.set(from.subarray(done, done + n), pa + offset);
      done += n;
    }
    if (done > 0 && pos + done > this.size) this.size = pos + done;
    return done;
  }
  /** Sets the size; drops pages beyond it and zeroes the tail of the last one. */
  truncate(k: Kernel, size: number): void {
    if (size < this.size) {
      const last = Math.ceil(size / PAGE_SIZE);
      for (const [index, pa] of [...this.pages]) {
        if (index >= last) {
          this.pages.delete(index);
          k.mm.pages.put(pa);
        }
      }
      const tail = size % PAGE_SIZE;
      const pa = this.pages.get(Math.floor(size / PAGE_SIZE));
      if (tail !== 0 && pa !== undefined) k.ram.fill(pa + tail, PAGE_SIZE - tail);
    }
    this.size = size;
  }
  /** Drops the pages [first, end): they read as zeros again. */
  punchHole(k: Kernel, first: number, end: number): void {
    for (const [index, pa] of [...this.pages]) {
      if (index >= first && index < end) {
        this.pages.delete(index);
        k.mm.pages.put(pa);
      }
    }
  }
  release(k: Kernel): void {
    for (const pa of this.pages.values()) k.mm.pages.put(pa);
    this.pages.clear();
    this.size = 0;
  }
}
