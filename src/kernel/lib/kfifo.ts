import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { __kfifo as KFIFO } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { copyFromUserPartial, copyToUserPartial } from '../mm/uaccess.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from './guest_memory.ts';

// First in, first out (lib/kfifo.c): a buffer whose size is a power of two, and two counters that only grow. A fifo of records (_r) keeps each record's
// length in front of it, in `recsize` bytes (1 or 2).

interface Fifo {
  readonly at: number;
  readonly in: number;
  readonly out: number;
  readonly mask: number;
  readonly esize: number;
  readonly data: number;
}
function fifoAt(k: Kernel, at: number): Fifo {
  const [i, out] = [load32(k, at + KFIFO.in), load32(k, at + KFIFO.out)];
  return { at, in: i, out, mask: load32(k, at + KFIFO.mask), esize: load32(k, at + KFIFO.esize), data: load64(k, at + KFIFO.data) };
}
const used = (f: Fifo) => (f.in - f.out) >>> 0;
const unused = (f: Fifo) => (f.mask + 1 - used(f)) >>> 0;
const setIn = (k: Kernel, f: Fifo, n: number) => store32(k, f.at + KFIFO.in, n >>> 0);
const setOut = (k: Kernel, f: Fifo, n: number) => store32(k, f.at + KFIFO.out, n >>> 0);

/** The two parts of the buffer that `n` elements from counter `off` on lie in. */
function parts(f: Fifo, off: number, n: number): readonly (readonly [at: number, bytes: number, skip: number])[] {
  const begin = (off & f.mask) >>> 0;
  const whole = f.esize === 0 ? 1 : f.esize;
  const first = Math.min(n, f.mask + 1 - begin);
  return [
    [f.data + begin * whole, first * whole, 0],
    [f.data, (n - first) * whole, first * whole],
  ];
}
function put(k: Kernel, f: Fifo, off: number, from: number, n: number): void {
  for (const [at, bytes, skip] of parts(f, off, n)) if (bytes > 0) storeBytes(k, at, loadBytes(k, from + skip, bytes));
}
function take(k: Kernel, f: Fifo, off: number, to: number, n: number): void {
  for (const [at, bytes, skip] of parts(f, off, n)) if (bytes > 0) storeBytes(k, to + skip, loadBytes(k, at, bytes));
}
/** Bytes that could not be copied. */
function putFromUser(k: Kernel, f: Fifo, off: number, from: number, n: number): number {
  let missing = 0;
  for (const [at, bytes, skip] of parts(f, off, n)) {
    if (bytes === 0) continue;
    const copy = new Uint8Array(bytes);
    const user = from + skip;
    const done = missing > 0 || user < 0 || user + bytes > TASK_SIZE ? 0 : copyFromUserPartial(k, copy, user);
    storeBytes(k, at, copy.subarray(0, done));
    missing += bytes - done;
  }
  return missing;
}
function takeToUser(k: Kernel, f: Fifo, off: number, to: number, n: number): number {
  let missing = 0;
  for (const [at, bytes, skip] of parts(f, off, n)) {
    if (bytes === 0) continue;
    const user = to + skip;
    missing += bytes - (missing > 0 || user < 0 || user + bytes > TASK_SIZE ? 0 : copyToUserPartial(k, user, loadBytes(k, at, bytes)));
  }
  return missing;
}
const whole = (f: Fifo) => (f.esize === 0 ? 1 : f.esize);

function init(k: Kernel, at: number, buffer: number, size: number, esize: number): number {
  const step = esize === 0 ? 1 : esize >>> 0;
  let n = Math.floor((size >>> 0) / step);
  if (n > 0) n = 2 ** Math.floor(Math.log2(n));
  store32(k, at + KFIFO.in, 0);
  store32(k, at + KFIFO.out, 0);
  store32(k, at + KFIFO.esize, esize);
  store64(k, at + KFIFO.data, buffer);
  store32(k, at + KFIFO.mask, n < 2 ? 0 : n - 1);
  return n < 2 ? -EINVAL : 0;
}
function alloc(k: Kernel, at: number, size: number, esize: number, gfp: number): number {
  const n = (size >>> 0) < 2 ? size >>> 0 : 2 ** Math.ceil(Math.log2(size >>> 0));
  if (n < 2) {
    for (const field of [KFIFO.in, KFIFO.out, KFIFO.mask]) store32(k, at + field, 0);
    store32(k, at + KFIFO.esize, esize);
    store64(k, at + KFIFO.data, 0);
    return -EINVAL;
  }
  const data = kmalloc(k, n * Math.max(1, esize >>> 0), gfp);
  for (const field of [KFIFO.in, KFIFO.out]) store32(k, at + field, 0);
  store32(k, at + KFIFO.esize, esize);
  store32(k, at + KFIFO.mask, data === 0 ? 0 : n - 1);
  store64(k, at + KFIFO.data, data);
  return data === 0 ? -ENOMEM : 0;
}
function peek(k: Kernel, at: number, to: number, wanted: number): number {
  const f = fifoAt(k, at);
  const n = Math.min(wanted >>> 0, used(f));
  take(k, f, f.out, to, n);
  return n;
}
/** The part of the wanted elements that lies in one piece; where it lies goes to *tail. */
function linear(k: Kernel, at: number, tail: number, wanted: number): number {
  const f = fifoAt(k, at);
  const begin = (f.out & f.mask) >>> 0;
  if (tail !== 0) store32(k, tail, begin);
  return Math.min(wanted >>> 0, used(f), f.mask + 1 - begin);
}

/** Length of the record at the head. */
function recordLength(k: Kernel, f: Fifo, recsize: number): number {
  const byte = (n: number) => loadBytes(k, f.data + (((f.out + n) & f.mask) >>> 0), 1)[0];
  return byte(0) | (recsize > 1 ? byte(1) << 8 : 0);
}
function pokeLength(k: Kernel, f: Fifo, n: number, recsize: number): void {
  for (let i = 0; i < recsize; i++) storeBytes(k, f.data + (((f.in + i) & f.mask) >>> 0), Uint8Array.of((n >> (8 * i)) & 0xff));
}
function recordPeek(k: Kernel, f: Fifo, to: number, wanted: number, recsize: number): number {
  const n = Math.min(wanted >>> 0, recordLength(k, f, recsize));
  take(k, f, f.out + recsize, to, n);
  return n;
}
const skipRecord = (k: Kernel, f: Fifo, recsize: number) => setOut(k, f, f.out + recordLength(k, f, recsize) + recsize);

export const kfifoExports: readonly FunctionExport[] = [
  fn('__kfifo_init', init),
  fn('__kfifo_alloc', alloc),
  fn('__kfifo_free', (k, at) => {
    kfree(k, load64(k, at + KFIFO.data));
    for (const field of [KFIFO.in, KFIFO.out, KFIFO.esize, KFIFO.mask]) store32(k, at + field, 0);
    store64(k, at + KFIFO.data, 0);
  }),
  fn('__kfifo_in', (k, at, from, wanted) => {
    const f = fifoAt(k, at);
    const n = Math.min(wanted >>> 0, unused(f));
    put(k, f, f.in, from, n);
    setIn(k, f, f.in + n);
    return n;
  }),
  fn('__kfifo_out_peek', peek),
  fn('__kfifo_out_linear', linear),
  fn('__kfifo_out', (k, at, to, wanted) => {
    const n = peek(k, at, to, wanted);
    const f = fifoAt(k, at);
    setOut(k, f, f.out + n);
    return n;
  }),
  fn('__kfifo_from_user', (k, at, from, bytes, copied) => {
    const f = fifoAt(k, at);
    const n = Math.min(Math.floor((bytes >>> 0) / whole(f)), unused(f));
    const missing = putFromUser(k, f, f.in, from, n);
    const lost = Math.ceil(missing / whole(f));
    store32(k, copied, (n - lost) * whole(f));
    setIn(k, f, f.in + n - lost);
    return lost > 0 ? -EFAULT : 0;
  }),
  fn('__kfifo_to_user', (k, at, to, bytes, copied) => {
    const f = fifoAt(k, at);
    const n = Math.min(Math.floor((bytes >>> 0) / whole(f)), used(f));
    const lost = Math.ceil(takeToUser(k, f, f.out, to, n) / whole(f));
    store32(k, copied, (n - lost) * whole(f));
    setOut(k, f, f.out + n - lost);
    return lost > 0 ? -EFAULT : 0;
  }),
  fn('__kfifo_max_r', (_k, length, recsize) => Math.min(length >>> 0, recsize === 1 ? 0xff : 0xffff)),
  fn('__kfifo_len_r', (k, at, recsize) => recordLength(k, fifoAt(k, at), recsize)),
  fn('__kfifo_in_r', (k, at, from, length, recsize) => {
    const f = fifoAt(k, at);
    const n = length >>> 0;
    if (n + recsize > unused(f)) return 0;
    pokeLength(k, f, n, recsize);
    put(k, f, f.in + recsize, from, n);
    setIn(k, f, f.in + n + recsize);
    return n;
  }),
  fn('__kfifo_out_peek_r', (k, at, to, wanted, recsize) => {
    const f = fifoAt(k, at);
    return f.in === f.out ? 0 : recordPeek(k, f, to, wanted, recsize);
  }),
  fn('__kfifo_out_linear_r', (k, at, tail, wanted, recsize) => {
    const f = fifoAt(k, at);
    if (f.in === f.out) return 0;
    if (tail !== 0) store32(k, tail, ((f.out + recsize) & f.mask) >>> 0);
    return Math.min(wanted >>> 0, recordLength(k, f, recsize));
  }),
  fn('__kfifo_out_r', (k, at, to, wanted, recsize) => {
    const f = fifoAt(k, at);
    if (f.in === f.out) return 0;
    const n = recordPeek(k, f, to, wanted, recsize);
    skipRecord(k, f, recsize);
    return n;
  }),
  fn('__kfifo_skip_r', (k, at, recsize) => skipRecord(k, fifoAt(k, at), recsize)),
  // __kfifo_from_user_r(fifo, from, len, copied, recsize)
  fn('__kfifo_from_user_r', (k, at, from, bytes, copied, recsize) => {
    const f = fifoAt(k, at);
    const n = Math.min(bytes >>> 0, recsize === 1 ? 0xff : 0xffff);
    if (n + recsize > unused(f)) {
      store32(k, copied, 0);
      return 0;
    }
    pokeLength(k, f, n, recsize);
    if (putFromUser(k, f, f.in + recsize, from, n) > 0) {
      store32(k, copied, 0);
      return -EFAULT;
    }
    store32(k, copied, n);
    setIn(k, f, f.in + n + recsize);
    return 0;
  }),
  fn('__kfifo_to_user_r', (k, at, to, bytes, copied, recsize) => {
    const f = fifoAt(k, at);
    if (f.in === f.out) {
      store32(k, copied, 0);
      return 0;
    }
    const n = Math.min(bytes >>> 0, recordLength(k, f, recsize));
    if (takeToUser(k, f, f.out + recsize, to, n) > 0) {
      store32(k, copied, 0);
      return -EFAULT;
    }
    store32(k, copied, n);
    skipRecord(k, f, recsize);
    return 0;
  }),
];
