import type { File } from '../../fs/types.ts';
import type { Sock } from './sock.ts';

// Packets in queues (net/core/skbuff.c).

/** Who sent something: as the receiver's SCM_CREDENTIALS says it. */
export interface Ucred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** One packet or piece of a stream. */
export interface Skb {
  readonly data: Uint8Array;
  /** Bytes taken from the front. */
  consumed: number;
  /** What it counts against buffer limits (skb->truesize). */
  readonly truesize: number;
  /** Whose send buffer holds it, until it is freed. */
  owner: Sock | null;
  /** Sender's address in the protocol's form; null = none to tell. */
  readonly from: Uint8Array | null;
  readonly creds: Ucred | null;
  /** Open files on their way (SCM_RIGHTS). */
  files: File[] | null;
  /** A connection that waits to be accepted. */
  readonly sock: Sock | null;
  /** Virtual ns of arrival. */
  readonly time: number;
  /** The protocol's own, plain data. */
  readonly cb: unknown;
}
export const skbLength = (skb: Skb) => skb.data.length - skb.consumed;

const PAGE = 4096;
/** sizeof(struct skb_shared_info), and of struct sk_buff, both rounded up to a cache line. */
const SHARED_INFO = 320;
const SK_BUFF = 256;
/** skbuff_small_head's object: what a header with MAX_TCP_HEADER needs. */
export const SMALL_HEAD = 704;
const KMALLOC_MIN = 512;
export const SKB_MAX_HEAD = PAGE - SHARED_INFO;
/** SKB_MAX_ALLOC: data of one order-2 allocation. */
export const SKB_MAX_ALLOC = PAGE * 4 - SHARED_INFO;
const align = (n: number, to: number) => Math.ceil(n / to) * to;

/** truesize of a linear part of `head` bytes and `paged` bytes in pages; `smallHead`: from the cache of small heads when it fits. */
export function truesizeOf(head: number, paged: number, smallHead: boolean): number {
  const object = align(head, 64) + SHARED_INFO;
  if (smallHead && object <= SMALL_HEAD) return SK_BUFF + SMALL_HEAD + paged;
  let size = KMALLOC_MIN;
  while (size < object) size *= 2;
  return SK_BUFF + size + paged;
}
