import { EFAULT } from '../../../abi/errno.ts';
import { sk_buff as SKB, skb_shared_info as SHARED } from '../../../abi/layout/structs.ts';
import { NET_SKB_PAD, SKB_PKT_TYPE_MASK } from '../../../abi/netdevice.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, load8, loadBytes, store32, store64, store8, storeBytes } from '../../lib/guest_memory.ts';
import { hex64 } from '../../lib/seq_file.ts';
import { writeKernel16, writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { callGuest } from '../../module/call.ts';
import { type FunctionExport, fn, partial } from '../../module/export.ts';
import { BLOCKED } from '../../sched/wait.ts';

// struct sk_buff: buffers that modules see (net/core/skbuff.c). Data is linear: no fragments in pages.

const DATA_MAX = 2 ** 22;
const ALIGN = 64;
/** Bits of the byte at SKB.cloned. */
const CLONED = 1;
/** skb_shared_info.dataref: so much for the data, and from this bit on for holders of the payload only. */
const DATAREF_MASK = 0xffff;
const align = (n: number) => Math.ceil(n / ALIGN) * ALIGN;
/** skb_reset_mac_header has not been called. */
const NO_HEADER = 0xffff;

/** __alloc_skb: an empty buffer with room for `size` bytes; 0 = no memory. */
export function allocSkb(k: Kernel, size: number): number {
  if (size < 0 || size > DATA_MAX) return 0;
  const skb = kzalloc(k, SKB.sizeof);
  const room = align(size);
  const head = skb === 0 ? 0 : kzalloc(k, room + SHARED.sizeof);
  if (head === 0) {
    kfree(k, skb);
    return 0;
  }
  writeKernel64(k, skb + SKB.head, head);
  writeKernel64(k, skb + SKB.data, head);
  writeKernel32(k, skb + SKB.end, room);
  writeKernel32(k, skb + SKB.truesize, room + align(SHARED.sizeof) + align(SKB.sizeof));
  writeKernel32(k, skb + SKB.users, 1);
  writeKernel16(k, skb + SKB.mac_header, NO_HEADER);
  writeKernel16(k, skb + SKB.transport_header, NO_HEADER);
  writeKernel32(k, head + room + SHARED.dataref, 1);
  return skb;
}
/** __netdev_alloc_skb: with room in front for the headers of other layers. */
export function netdevAllocSkb(k: Kernel, dev: number, length: number): number {
  const skb = allocSkb(k, length + NET_SKB_PAD);
  if (skb === 0) return 0;
  store64(k, skb + SKB.data, load64(k, skb + SKB.data) + NET_SKB_PAD);
  store32(k, skb + SKB.tail, NET_SKB_PAD);
  store64(k, skb + SKB.dev, dev);
  return skb;
}
const datarefAt = (k: Kernel, skb: number) => load64(k, skb + SKB.head) + load32(k, skb + SKB.end) + SHARED.dataref;

/** kfree_skb and consume_skb: one reference less; the last frees it, without its destructor. */
export function freeSkb(k: Kernel, skb: number): void {
  if (skb === 0) return;
  const users = load32(k, skb + SKB.users);
  if (users > 1) {
    store32(k, skb + SKB.users, users - 1);
    return;
  }
  const at = datarefAt(k, skb);
  const left = (load32(k, at) & DATAREF_MASK) - 1;
  if (left > 0) store32(k, at, left);
  else kfree(k, load64(k, skb + SKB.head));
  kfree(k, skb);
}
/** The same as a call of a module: its destructor runs before. */
function releaseSkb(k: Kernel, skb: number): number | undefined {
  if (skb === 0) return undefined;
  const destructor = load32(k, skb + SKB.users) > 1 ? 0 : load64(k, skb + SKB.destructor);
  if (destructor !== 0 && callGuest(k, destructor, skb) === null) return BLOCKED;
  freeSkb(k, skb);
  return undefined;
}
/** skb_panic. */
function skbPanic(k: Kernel, skb: number, what: string, length: number): number {
  const [head, data] = [load64(k, skb + SKB.head), load64(k, skb + SKB.data)];
  const hex = (n: number) => `0x${n.toString(16)}`;
  k.panic(
    `${what}: text:${hex64(k.machine.regs.get(1))} len:${load32(k, skb + SKB.len)} put:${length} head:${hex64(head)} data:${hex64(data)} tail:${hex(load32(k, skb + SKB.tail))} end:${hex(load32(k, skb + SKB.end))}`,
  );
  return 0;
}
/** skb_put: room at the end. */
export function skbPut(k: Kernel, skb: number, length: number): number {
  const tail = load32(k, skb + SKB.tail);
  store32(k, skb + SKB.len, load32(k, skb + SKB.len) + length);
  if (tail + length > load32(k, skb + SKB.end)) return skbPanic(k, skb, 'skb_over_panic', length);
  store32(k, skb + SKB.tail, tail + length);
  return load64(k, skb + SKB.head) + tail;
}
export function skbPush(k: Kernel, skb: number, length: number): number {
  const data = load64(k, skb + SKB.data) - length;
  store32(k, skb + SKB.len, load32(k, skb + SKB.len) + length);
  if (data < load64(k, skb + SKB.head)) return skbPanic(k, skb, 'skb_under_panic', length);
  store64(k, skb + SKB.data, data);
  return data;
}
/** skb_pull: the new start of the data, or 0 when there is less. */
export function skbPull(k: Kernel, skb: number, length: number): number {
  const len = load32(k, skb + SKB.len);
  if (length > len) return 0;
  store32(k, skb + SKB.len, len - length);
  const data = load64(k, skb + SKB.data) + length;
  store64(k, skb + SKB.data, data);
  return data;
}
function skbTrim(k: Kernel, skb: number, length: number): void {
  if (load32(k, skb + SKB.len) <= length) return;
  store32(k, skb + SKB.len, length);
  store32(k, skb + SKB.tail, load64(k, skb + SKB.data) - load64(k, skb + SKB.head) + length);
}
/** The bytes that a buffer holds now. */
export function skbBytes(k: Kernel, skb: number): Uint8Array {
  return loadBytes(k, load64(k, skb + SKB.data), Math.min(load32(k, skb + SKB.len), DATA_MAX)).slice();
}
export function pktType(k: Kernel, skb: number): number {
  return load8(k, skb + SKB.pkt_type) & SKB_PKT_TYPE_MASK;
}
export function setPktType(k: Kernel, skb: number, type: number): void {
  store8(k, skb + SKB.pkt_type, (load8(k, skb + SKB.pkt_type) & ~SKB_PKT_TYPE_MASK) | type);
}
/** skb_clone: the header anew, the data shared. */
function skbClone(k: Kernel, skb: number): number {
  const copy = kzalloc(k, SKB.sizeof);
  if (copy === 0) return 0;
  storeBytes(k, copy, loadBytes(k, skb, SKB.sizeof).slice());
  for (const at of [SKB.next, SKB.prev, SKB.destructor, SKB.sk]) store64(k, copy + at, 0);
  store32(k, copy + SKB.users, 1);
  for (const s of [skb, copy]) store8(k, s + SKB.cloned, load8(k, s + SKB.cloned) | CLONED);
  const at = datarefAt(k, skb);
  store32(k, at, load32(k, at) + 1);
  return copy;
}
/** skb_copy_bits(skb, offset, to, length). */
function skbCopyBits(k: Kernel, skb: number, offset: number, to: number, length: number): number {
  if (offset < 0 || length < 0 || offset + length > load32(k, skb + SKB.len)) return -EFAULT;
  storeBytes(k, to, loadBytes(k, load64(k, skb + SKB.data) + offset, length));
  return 0;
}

export const skbExports: readonly FunctionExport[] = [
  partial('__alloc_skb', 'linear buffers', (k, size) => allocSkb(k, size >>> 0)),
  fn('__netdev_alloc_skb', (k, dev, length) => netdevAllocSkb(k, dev, length >>> 0)),
  fn('skb_put', (k, skb, length) => skbPut(k, skb, length >>> 0)),
  fn('skb_push', (k, skb, length) => skbPush(k, skb, length >>> 0)),
  fn('skb_pull', (k, skb, length) => skbPull(k, skb, length >>> 0)),
  fn('skb_trim', (k, skb, length) => skbTrim(k, skb, length >>> 0)),
  fn('skb_clone', (k, skb) => skbClone(k, skb)),
  fn('skb_copy_bits', (k, skb, offset, to, length) => skbCopyBits(k, skb, offset | 0, to, length | 0)),
  fn('consume_skb', releaseSkb),
  fn('sk_skb_reason_drop', (k, _sk, skb) => releaseSkb(k, skb)),
  fn('dev_kfree_skb_any_reason', (k, skb) => releaseSkb(k, skb)),
  fn('dev_kfree_skb_irq_reason', (k, skb) => releaseSkb(k, skb)),
];
