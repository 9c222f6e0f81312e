import { AF_UNIX } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import type { Skb } from '../core/skbuff.ts';
import { sockFromFile } from '../socket.ts';
import { type UnixSock, unixDropSkb, unixSk } from './unix_sock.ts';

// Sockets that are only in flight, in messages to each other, are reachable by nobody and go (net/unix/garbage.c).

/** The sockets whose files are in the messages that `sk` or connections in its queue hold. */
function* heldBy(sk: UnixSock): Generator<UnixSock> {
  for (const skb of sk.receiveQueue) {
    if (skb.sock !== null) yield* heldBy(skb.sock as UnixSock);
    for (const file of skb.files ?? []) {
      const s = sockFromFile(file);
      if (s !== null && s.sk.family === AF_UNIX) yield unixSk(s);
    }
  }
}
/** Counts what is held from outside; the rest is garbage, and its messages are dropped. */
export function unixGc(k: Kernel): void {
  const { unix } = k.net;
  if (unix.inflight === 0 || unix.collecting) return;
  const candidates = new Map<UnixSock, number>();
  for (const sk of unix.socks) if (sk.inflight > 0 && sk.file?.refs === sk.inflight) candidates.set(sk, sk.inflight);
  if (candidates.size === 0) return;
  for (const sk of candidates.keys()) {
    for (const held of heldBy(sk)) {
      const left = candidates.get(held);
      if (left !== undefined) candidates.set(held, left - 1);
    }
  }
  const live = [...candidates].filter(([, left]) => left > 0).map(([sk]) => sk);
  for (let sk = live.pop(); sk !== undefined; sk = live.pop()) {
    if (!candidates.delete(sk)) continue;
    for (const held of heldBy(sk)) if (candidates.has(held)) live.push(held);
  }
  unix.collecting = true;
  const doomed: Skb[] = [];
  for (const sk of candidates.keys()) takeMessages(sk, doomed);
  for (const skb of doomed) unixDropSkb(k, skb);
  unix.collecting = false;
}
/** Messages with files out of the queue of `sk` and of connections that wait in it. */
function takeMessages(sk: UnixSock, into: Skb[]): void {
  const keep: Skb[] = [];
  for (const skb of sk.receiveQueue) {
    if (skb.sock !== null) takeMessages(skb.sock as UnixSock, into);
    if (skb.files !== null) into.push(skb);
    else keep.push(skb);
  }
  sk.receiveQueue.length = 0;
  sk.receiveQueue.push(...keep);
}
