import { EFAULT } from '../../../abi/errno.ts';
import { MSG_PEEK, MSG_TRUNC } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import type { MsgHdr } from '../socket.ts';
import type { Skb } from './skbuff.ts';
import type { Sock } from './sock.ts';

/**
 * Hands the first packet of the queue to a reader: its bytes as far as they fit, the sender's name, MSG_TRUNC (net/core/datagram.c). Bytes copied, or
 * -EFAULT with the packet still queued.
 */
export function receiveSkb(k: Kernel, sk: Sock, msg: MsgHdr, skb: Skb): number {
  const size = Math.min(msg.iter.count, skb.data.length);
  if (size < skb.data.length) msg.outFlags |= MSG_TRUNC;
  if (size > 0 && msg.iter.copyTo(k, skb.data.subarray(0, size)) < size) return -EFAULT;
  if ((msg.flags & MSG_PEEK) === 0) {
    sk.receiveQueue.shift();
    sk.rmemAlloc -= skb.truesize;
  }
  msg.name = skb.from;
  return size;
}
