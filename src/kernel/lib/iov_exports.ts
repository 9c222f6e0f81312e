import { iov_iter as ITER } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { readKernel64, readKernel8, writeKernel64, writeKernel8 } from '../mm/maccess.ts';
import { copyFromUserPartial, copyToUserPartial } from '../mm/uaccess.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { load, size, store } from './access.ts';

// struct iov_iter in guest memory, as read_iter and write_iter get it (lib/iov_iter.c): one user buffer, or a vector of user or kernel segments.

const ITER_UBUF = 0;
const ITER_IOVEC = 1;
const ITER_KVEC = 3;
const SEGMENT = 16;

interface Piece {
  readonly base: number;
  readonly length: number;
}
const word = (k: Kernel, at: number) => readKernel64(k, at) ?? 0;
const typeOf = (k: Kernel, iter: number) => readKernel8(k, iter + ITER.iter_type) ?? ITER_UBUF;

/** The next piece of at most `max` bytes; null at the end. Empty segments are passed over. */
function piece(k: Kernel, iter: number, max: number): Piece | null {
  const left = Math.min(word(k, iter + ITER.count), max);
  if (left <= 0) return null;
  const skip = word(k, iter + ITER.iov_offset);
  const type = typeOf(k, iter);
  if (type === ITER_UBUF) return { base: word(k, iter + ITER.ubuf) + skip, length: left };
  if (type !== ITER_IOVEC && type !== ITER_KVEC) return null;
  const vector = word(k, iter + ITER.__iov);
  const length = word(k, vector + 8) - skip;
  if (word(k, iter + ITER.nr_segs) <= 0) return null;
  return { base: word(k, vector) + skip, length: Math.min(left, Math.max(length, 0)) };
}
function advance(k: Kernel, iter: number, bytes: number): void {
  let left = Math.min(bytes, word(k, iter + ITER.count));
  writeKernel64(k, iter + ITER.count, word(k, iter + ITER.count) - left);
  if (typeOf(k, iter) === ITER_UBUF) {
    writeKernel64(k, iter + ITER.iov_offset, word(k, iter + ITER.iov_offset) + left);
    return;
  }
  left += word(k, iter + ITER.iov_offset);
  let vector = word(k, iter + ITER.__iov);
  let segments = word(k, iter + ITER.nr_segs);
  while (segments > 0 && left >= word(k, vector + 8)) {
    left -= word(k, vector + 8);
    vector += SEGMENT;
    segments--;
  }
  writeKernel64(k, iter + ITER.__iov, vector);
  writeKernel64(k, iter + ITER.nr_segs, segments);
  writeKernel64(k, iter + ITER.iov_offset, left);
}
function revert(k: Kernel, iter: number, bytes: number): void {
  writeKernel64(k, iter + ITER.count, word(k, iter + ITER.count) + bytes);
  let offset = word(k, iter + ITER.iov_offset) - bytes;
  if (typeOf(k, iter) !== ITER_UBUF) {
    let vector = word(k, iter + ITER.__iov);
    let segments = word(k, iter + ITER.nr_segs);
    while (offset < 0) {
      vector -= SEGMENT;
      segments++;
      const length = readKernel64(k, vector + 8);
      if (length === null) break;
      offset += length;
    }
    writeKernel64(k, iter + ITER.__iov, vector);
    writeKernel64(k, iter + ITER.nr_segs, segments);
  }
  writeKernel64(k, iter + ITER.iov_offset, Math.max(offset, 0));
}
/** Moves up to `bytes` between the iterator and `addr` (null: zeros); what was moved. */
function move(k: Kernel, iter: number, addr: number | null, bytes: number, toIter: boolean): number {
  const kernel = typeOf(k, iter) === ITER_KVEC;
  let done = 0;
  while (done < bytes) {
    const next = piece(k, iter, bytes - done);
    if (next === null) break;
    if (next.length === 0) {
      // An empty segment: over it.
      const vector = word(k, iter + ITER.__iov);
      writeKernel64(k, iter + ITER.__iov, vector + SEGMENT);
      writeKernel64(k, iter + ITER.nr_segs, word(k, iter + ITER.nr_segs) - 1);
      writeKernel64(k, iter + ITER.iov_offset, 0);
      continue;
    }
    let n = next.length;
    if (!kernel && (next.base < 0 || next.base + n > TASK_SIZE)) break;
    if (toIter) {
      const from = addr === null ? new Uint8Array(n) : load(k, addr + done, n);
      if (kernel) store(k, next.base, from);
      else n = copyToUserPartial(k, next.base, from);
    } else {
      const into = kernel ? load(k, next.base, n) : new Uint8Array(n);
      if (!kernel) n = copyFromUserPartial(k, into, next.base);
      store(k, (addr ?? 0) + done, into.subarray(0, n));
    }
    if (k.current.faulted) break;
    advance(k, iter, n);
    done += n;
    if (n < next.length) break;
  }
  return done;
}
/** copy_to_iter of bytes of our own: how many went. */
export function moveIter(k: Kernel, iter: number, bytes: Uint8Array): number {
  let done = 0;
  while (done < bytes.length) {
    const next = piece(k, iter, bytes.length - done);
    if (next === null) break;
    if (typeOf(k, iter) === ITER_KVEC) store(k, next.base, bytes.subarray(done, done + next.length));
    const n =
      typeOf(k, iter) === ITER_KVEC
        ? next.length
        : next.base < 0 || next.base + next.length > TASK_SIZE
          ? 0
          : copyToUserPartial(k, next.base, bytes.subarray(done, done + next.length));
    advance(k, iter, n);
    done += n;
    if (n < next.length) break;
  }
  return done;
}
const bound = (k: Kernel, n: number) => Math.min(size(n), k.ram.size);

export const iovExports: readonly FunctionExport[] = [
  partial('_copy_to_iter', 'user buffers, vectors and kernel vectors', (k, addr, n, iter) => move(k, iter, addr, bound(k, n), true)),
  partial('_copy_from_iter', 'user buffers, vectors and kernel vectors', (k, addr, n, iter) => move(k, iter, addr, bound(k, n), false)),
  fn('iov_iter_zero', (k, n, iter) => move(k, iter, null, bound(k, n), true)),
  fn('iov_iter_advance', (k, iter, n) => {
    advance(k, iter, size(n));
    return undefined;
  }),
  fn('iov_iter_revert', (k, iter, n) => {
    if (n > 0) revert(k, iter, n);
    return undefined;
  }),
  fn('iov_iter_single_seg_count', (k, iter) => piece(k, iter, Number.MAX_SAFE_INTEGER)?.length ?? 0),
  fn('iov_iter_kvec', (k, iter, direction, vector, segments, count) => {
    writeKernel8(k, iter + ITER.iter_type, ITER_KVEC);
    writeKernel8(k, iter + ITER.nofault, 0);
    writeKernel8(k, iter + ITER.data_source, direction);
    writeKernel64(k, iter + ITER.iov_offset, 0);
    writeKernel64(k, iter + ITER.__iov, vector);
    writeKernel64(k, iter + ITER.nr_segs, segments);
    writeKernel64(k, iter + ITER.count, count);
    return undefined;
  }),
];
