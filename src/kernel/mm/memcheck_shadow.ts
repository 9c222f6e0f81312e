import { Access, type WatchedMemory } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_OFFSET, PAGE_SIZE } from './address.ts';
import { isVmallocAddress } from './vmalloc.ts';

// The shadow of --check=memory: what the machine may let pass without a question (machine/api.ts, WatchedMemory). KASAN keeps a byte for 8 bytes of memory;
// here two bits for each byte, since values that were never written are found, too. Bits are set more often than need be, never less: then the checker is asked.

const GROUP = 8;
/** Factors of a mask of bytes. */
const BAD = 0x100;
const UNWRITTEN = 1;

export class Shadow {
  private readonly k: Kernel;
  private readonly watched: WatchedMemory;

  constructor(k: Kernel) {
    const { watched } = k.machine;
    if (watched === null) throw new Error('--check=memory needs a machine that was made for a watcher');
    this.k = k;
    this.watched = watched;
  }
  /** How accesses to frames are looked at from now on. */
  setKind(pa: number, pages: number, kind: number): void {
    const { kinds } = this.watched;
    if (pages === 1) kinds[pa / PAGE_SIZE] = kind;
    else kinds.fill(kind, pa / PAGE_SIZE, pa / PAGE_SIZE + pages);
    for (let i = 0; i < pages; i++) this.k.machine.flushTlbPage(PAGE_OFFSET + pa + i * PAGE_SIZE);
  }
  /** The same for mapped pages. */
  setKindAt(va: number, size: number, kind: number): void {
    for (let at = va; at < va + size; at += PAGE_SIZE) {
      const pa = this.paOf(at);
      if (pa < 0) continue;
      this.setKind(pa, 1, kind);
      this.k.machine.flushTlbPage(at);
    }
  }
  private paOf(va: number): number {
    return isVmallocAddress(va) ? this.k.machine.translate(this.k.mm.swapperPgDir, va, Access.READ, 1, false) : va - PAGE_OFFSET;
  }
  /** Physical pieces of [va, va + size). */
  private pieces(va: number, size: number, visit: (pa: number, size: number) => void): void {
    if (!isVmallocAddress(va)) {
      visit(va - PAGE_OFFSET, size);
      return;
    }
    for (let at = va; at < va + size; ) {
      const end = Math.min(va + size, at - (((at % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE) + PAGE_SIZE);
      const pa = this.paOf(at);
      if (pa >= 0) visit(pa, end - at);
      at = end;
    }
  }
  /** In the words of [pa, pa + size), for each byte: clears the bits of `clear`, then sets those of `set` (BAD, UNWRITTEN). */
  private change(pa: number, size: number, clear: number, set: number): void {
    const { shadow } = this.watched;
    const end = pa + size;
    let at = pa;
    while (at < end) {
      const offset = at % GROUP;
      if (offset === 0 && end - at >= GROUP && clear === (BAD | UNWRITTEN)) {
        const groups = Math.floor((end - at) / GROUP);
        const word = 0xff * set;
        // Small ranges by hand: calling fill costs more.
        if (groups > 32) shadow.fill(word, at / GROUP, at / GROUP + groups);
        else for (let i = at / GROUP, last = i + groups; i < last; i++) shadow[i] = word;
        at += groups * GROUP;
        continue;
      }
      const n = Math.min(GROUP - offset, end - at);
      const mask = ((1 << n) - 1) << offset;
      const i = (at - offset) / GROUP;
      shadow[i] = (shadow[i] & ~(mask * clear)) | (mask * set);
      at += n;
    }
  }
  /** May not be touched. */
  poison(va: number, size: number): void {
    this.pieces(va, size, (pa, n) => this.change(pa, n, BAD | UNWRITTEN, BAD));
  }
  poisonFrames(pa: number, pages: number): void {
    this.change(pa, pages * PAGE_SIZE, BAD | UNWRITTEN, BAD);
  }
  /** May be touched; `written`: has a value already. */
  unpoison(va: number, size: number, written: boolean): void {
    this.pieces(va, size, (pa, n) => this.change(pa, n, BAD | UNWRITTEN, written ? 0 : UNWRITTEN));
  }
  /** Has a value now. */
  written(va: number, size: number): void {
    this.pieces(va, size, (pa, n) => this.change(pa, n, UNWRITTEN, 0));
  }
  /** Whether any byte of [va, va + size) was ever written. */
  anyWritten(va: number, size: number): boolean {
    const { shadow } = this.watched;
    let any = false;
    this.pieces(va, size, (pa, n) => {
      for (let at = pa; at < pa + n && !any; at++) any = ((shadow[Math.floor(at / GROUP)] >> (at % GROUP)) & 1) === 0;
    });
    return any;
  }
}
