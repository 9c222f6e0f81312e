import type { Kernel } from '../kernel.ts';
import { loadBytes, loadString, storeBytes } from './guest_memory.ts';
import { physToVirt, virtToPhys } from '../mm/address.ts';
import { EINVAL, EOVERFLOW, ERANGE } from '../../abi/errno.ts';
import { type FunctionExport, fn } from '../module/export.ts';

// Bit maps in guest memory (lib/bitmap.c, lib/find_bit.c, lib/hweight.c): arrays of 64-bit words, whose bits lie in the order of bytes on this machine.

const bytesFor = (bits: number) => Math.ceil(bits / 64) * 8;
const size = (n: number) => (n < 0 ? 0 : Math.min(n, 2 ** 30));
export class Bits {
  readonly bytes: Uint8Array;
  readonly n: number;
  constructor(bytes: Uint8Array, n: number) {
    this.bytes = bytes;
    this.n = n;
  }
  get(i: number): boolean {
    return ((this.bytes[i >> 3] >> (i & 7)) & 1) !== 0;
  }
  set(i: number, on: boolean): void {
    if (on) this.bytes[i >> 3] |= 1 << (i & 7);
    else this.bytes[i >> 3] &= ~(1 << (i & 7));
  }
  count(from = 0, to = this.n): number {
    let sum = 0;
    for (let i = from; i < to; i++) if (this.get(i)) sum++;
    return sum;
  }
  /** The first bit from `from` on that is `on`; n when there is none. */
  find(on: boolean, from = 0): number {
    for (let i = from; i < this.n; i++) {
      if ((i & 7) === 0 && this.bytes[i >> 3] === (on ? 0 : 0xff)) {
        i += 7;
        continue;
      }
      if (this.get(i) === on) return i;
    }
    return this.n;
  }
  /** `nr` zero bits in a row from `start` on, aligned; a number above n when there is no room. */
  zeroArea(start: number, nr: number, alignMask: number, alignOffset: number): number {
    for (let at = start; ; ) {
      const index = ((this.find(false, at) + alignOffset + alignMask) & ~alignMask) - alignOffset;
      const end = index + nr;
      if (end > this.n) return end;
      let i = index;
      while (i < end && !this.get(i)) i++;
      if (i >= end) return index;
      at = i + 1;
    }
  }
}
const bitsAt = (k: Kernel, at: number, n: number) => new Bits(loadBytes(k, at, bytesFor(size(n))), size(n));
/** Finds in the combination of two maps. */
function findIn(k: Kernel, a: number, b: number, n: number, from: number, combine: (x: number, y: number) => number): number {
  const [x, y] = [loadBytes(k, a, bytesFor(size(n))), loadBytes(k, b, bytesFor(size(n)))];
  return new Bits(
    x.map((v, i) => combine(v, y[i])),
    size(n),
  ).find(true, from);
}
/** dst = a OP b over n bits, whole words; 1 when a bit of the n is set. */
function combineInto(k: Kernel, dst: number, a: number, b: number, n: number, combine: (x: number, y: number) => number): number {
  const [x, y] = [loadBytes(k, a, bytesFor(size(n))), loadBytes(k, b, bytesFor(size(n)))];
  const out = x.map((v, i) => combine(v, y[i]));
  storeBytes(k, dst, out);
  return new Bits(out, size(n)).find(true) < size(n) ? 1 : 0;
}
function setRange(k: Kernel, map: number, start: number, count: number, on: boolean): void {
  const bits = bitsAt(k, map, start + count);
  for (let i = start; i < start + count; i++) bits.set(i, on);
  storeBytes(k, map, bits.bytes);
}
function same(k: Kernel, a: number, b: number, n: number, test: (x: boolean, y: boolean) => boolean): boolean {
  const [x, y] = [bitsAt(k, a, n), bitsAt(k, b, n)];
  for (let i = 0; i < x.n; i++) if (!test(x.get(i), y.get(i))) return false;
  return true;
}
function shift(k: Kernel, dst: number, src: number, by: number, n: number): void {
  const from = bitsAt(k, src, n);
  const to = new Bits(new Uint8Array(bytesFor(n)), n);
  for (let i = 0; i < n; i++) if (i + by >= 0 && i + by < n && from.get(i + by)) to.set(i, true);
  storeBytes(k, dst, to.bytes);
}
/** "0-3,7,9-11:2/4": a list of ranges. 0 or -errno, the bits in `bits`. */
function parseList(text: string, bits: Bits): number {
  for (const part of text.trim().split(/[\s,]+/)) {
    if (part === '') continue;
    const m = /^(\d+|N)(?:-(\d+|N)(?::(\d+)\/(\d+))?)?$/.exec(part === 'all' ? '0-N' : part);
    if (m === null) return -EINVAL;
    const number = (s: string) => (s === 'N' ? bits.n - 1 : Number(s));
    const [from, to] = [number(m[1]), m[2] === undefined ? number(m[1]) : number(m[2])];
    const [used, group] = m[3] === undefined ? [1, 1] : [Number(m[3]), Number(m[4])];
    if (from > to || group === 0 || used > group) return -EINVAL;
    if (to >= bits.n) return -ERANGE;
    for (let i = from; i <= to; i++) if ((i - from) % group < used) bits.set(i, true);
  }
  return 0;
}
function parseListAt(k: Kernel, text: string, map: number, n: number): number {
  const bits = new Bits(new Uint8Array(bytesFor(n)), n);
  const r = parseList(text, bits);
  storeBytes(k, map, bits.bytes);
  return r;
}
/** Hexadecimal words of 32 bits, separated by commas. */
function parseHex(text: string, bits: Bits): number {
  const words = text.trim().split(',');
  let value = 0n;
  for (const w of words) {
    if (!/^[0-9a-fA-F]{1,8}$/.test(w)) return w.length > 8 ? -EOVERFLOW : -EINVAL;
    value = (value << 32n) | BigInt(`0x${w}`);
  }
  for (let i = 0; value >> BigInt(i) !== 0n; i++) {
    if (((value >> BigInt(i)) & 1n) === 0n) continue;
    if (i >= bits.n) return -EOVERFLOW;
    bits.set(i, true);
  }
  return 0;
}
const alloc = (k: Kernel, n: number, zero: boolean) => {
  const pa = k.mm.slab.kmalloc(bytesFor(size(n)), zero);
  return pa === 0 ? 0 : physToVirt(pa);
};
const free = (k: Kernel, map: number) => {
  if (map !== 0) k.mm.slab.kfree(virtToPhys(map));
};
function popcount(x: bigint): number {
  let n = 0;
  for (let v = x; v !== 0n; v &= v - 1n) n++;
  return n;
}
const and = (x: number, y: number) => x & y;
const or = (x: number, y: number) => x | y;
const xor = (x: number, y: number) => x ^ y;
const andnot = (x: number, y: number) => x & ~y & 0xff;

export const bitmapExports: readonly FunctionExport[] = [
  fn('_find_first_bit', (k, map, n) => bitsAt(k, map, n).find(true)),
  fn('_find_first_zero_bit', (k, map, n) => bitsAt(k, map, n).find(false)),
  fn('_find_next_bit', (k, map, n, from) => bitsAt(k, map, n).find(true, from)),
  fn('_find_next_zero_bit', (k, map, n, from) => bitsAt(k, map, n).find(false, from)),
  fn('_find_first_and_bit', (k, a, b, n) => findIn(k, a, b, n, 0, and)),
  fn('_find_next_and_bit', (k, a, b, n, from) => findIn(k, a, b, n, from, and)),
  fn('_find_next_andnot_bit', (k, a, b, n, from) => findIn(k, a, b, n, from, andnot)),
  fn('_find_next_or_bit', (k, a, b, n, from) => findIn(k, a, b, n, from, or)),
  fn('_find_last_bit', (k, map, n) => {
    const bits = bitsAt(k, map, n);
    for (let i = bits.n - 1; i >= 0; i--) if (bits.get(i)) return i;
    return bits.n;
  }),
  fn('__find_nth_bit', (k, map, n, nth) => {
    const bits = bitsAt(k, map, n);
    let left = nth;
    for (let i = 0; i < bits.n; i++) if (bits.get(i) && left-- === 0) return i;
    return bits.n;
  }),
  fn('__bitmap_and', (k, dst, a, b, n) => combineInto(k, dst, a, b, n, and)),
  fn('__bitmap_andnot', (k, dst, a, b, n) => combineInto(k, dst, a, b, n, andnot)),
  fn('__bitmap_or', (k, dst, a, b, n) => {
    combineInto(k, dst, a, b, n, or);
  }),
  fn('__bitmap_xor', (k, dst, a, b, n) => {
    combineInto(k, dst, a, b, n, xor);
  }),
  fn('__bitmap_complement', (k, dst, src, n) => storeBytes(k, dst, loadBytes(k, src, bytesFor(n)).map((x) => ~x & 0xff))),
  fn('__bitmap_weight', (k, map, n) => bitsAt(k, map, n).count()),
  fn('__bitmap_weight_and', (k, a, b, n) => {
    const [x, y] = [bitsAt(k, a, n), bitsAt(k, b, n)];
    let sum = 0;
    for (let i = 0; i < x.n; i++) if (x.get(i) && y.get(i)) sum++;
    return sum;
  }),
  fn('__bitmap_equal', (k, a, b, n) => (same(k, a, b, n, (x, y) => x === y) ? 1 : 0)),
  fn('__bitmap_subset', (k, a, b, n) => (same(k, a, b, n, (x, y) => !x || y) ? 1 : 0)),
  fn('__bitmap_intersects', (k, a, b, n) => (same(k, a, b, n, (x, y) => !(x && y)) ? 0 : 1)),
  fn('__bitmap_set', (k, map, start, count) => setRange(k, map, start, count, true)),
  fn('__bitmap_clear', (k, map, start, count) => setRange(k, map, start, count, false)),
  fn('__bitmap_shift_left', (k, dst, src, by, n) => shift(k, dst, src, -by, n)),
  fn('__bitmap_shift_right', (k, dst, src, by, n) => shift(k, dst, src, by, n)),
  // (map, size, start, nr, align_mask, align_offset)
  fn('bitmap_find_next_zero_area_off', (k, map, n, start, nr, mask, offset) => bitsAt(k, map, n).zeroArea(start, nr, mask, offset)),
  fn('bitmap_alloc', (k, n) => alloc(k, n, false)),
  fn('bitmap_zalloc', (k, n) => alloc(k, n, true)),
  fn('bitmap_free', free),
  fn('bitmap_parselist', (k, text, map, n) => parseListAt(k, loadString(k, text, 4096), map, n)),
  fn('bitmap_parse', (k, text, length, map, n) => {
    const bits = new Bits(new Uint8Array(bytesFor(n)), n);
    const r = parseHex(loadString(k, text, length >>> 0), bits);
    storeBytes(k, map, bits.bytes);
    return r;
  }),
  fn('bitmap_from_arr32', (k, map, words, n) => {
    const out = new Uint8Array(bytesFor(n));
    out.set(loadBytes(k, words, Math.ceil(n / 32) * 4));
    const bits = new Bits(out, n);
    for (let i = n; i < out.length * 8; i++) bits.set(i, false);
    storeBytes(k, map, out);
  }),
  fn('bitmap_to_arr32', (k, words, map, n) => storeBytes(k, words, loadBytes(k, map, bytesFor(n)).subarray(0, Math.ceil(n / 32) * 4))),
  fn('__sw_hweight8', (_k, x) => popcount(BigInt(x & 0xff))),
  fn('__sw_hweight16', (_k, x) => popcount(BigInt(x & 0xffff))),
  fn('__sw_hweight32', (_k, x) => popcount(BigInt(x >>> 0))),
  fn('__sw_hweight64', (k) => popcount(BigInt.asUintN(64, k.machine.regs.getBig(10)))),
];
