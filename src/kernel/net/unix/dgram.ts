import { EAGAIN, ECONNREFUSED, ECONNRESET, EFAULT, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE } from '../../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../../abi/fs.ts';
import * as S from '../../../abi/socket.ts';
import type { PollTable } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { type ScmCookie, scmDestroy, scmSend } from '../core/scm.ts';
import { dataReady, POLLWRBAND, pollQueues, rcvTimeout, sndTimeout, sockError, sockWait } from '../core/sock.ts';
import { SKB_MAX_ALLOC, type Skb, skbLength, truesizeOf } from '../core/skbuff.ts';
import type { MsgHdr, Socket } from '../socket.ts';
import { autobind, unixFindOther, validateAddr } from './bind.ts';
import { unixGc } from './garbage.ts';
import { waitForWmem } from './stream.ts';
import {
  credsFor,
  detachFiles,
  peekFiles,
  queueHasRoom,
  recvqFull,
  scmRecv,
  type UnixSock,
  unixDropSkb,
  unixSk,
  unixSkb,
  writable,
} from './unix_sock.ts';

// Packets: SOCK_DGRAM and SOCK_SEQPACKET (unix_dgram_sendmsg, __unix_dgram_recvmsg).

const PAGE = 4096;
/** MAX_SKB_FRAGS. */
const MAX_FRAGS = 17;

export function dgramSendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  unixGc(k);
  const scm = scmSend(k, S.AF_UNIX, msg.control);
  if (typeof scm === 'number') return scm;
  const r = sendPacket(k, unixSk(sock), msg, scm);
  scmDestroy(k, scm);
  return r;
}
function sendPacket(k: Kernel, sk: UnixSock, msg: MsgHdr, scm: ScmCookie): number {
  if ((msg.flags & S.MSG_OOB) !== 0) return -EOPNOTSUPP;
  let other: UnixSock | null = null;
  if (msg.name !== null) {
    const bad = validateAddr(msg.name);
    if (bad < 0) return bad;
  } else {
    other = sk.peer2;
    if (other === null) return -ENOTCONN;
  }
  if ((sk.passcred || sk.passpidfd) && sk.addr === null) {
    const r = autobind(k, sk);
    if (r < 0) return r;
  }
  const length = msg.iter.count;
  if (length > sk.sndbuf - 32) return -EMSGSIZE;
  const timeo = sndTimeout(sk, msg.flags);
  const room = waitForWmem(k, sk, timeo, {});
  if (room !== 0) return room;
  for (;;) {
    if (other === null) {
      if (msg.name === null) return -ECONNRESET;
      const found = unixFindOther(k, msg.name, sk.type);
      if (typeof found === 'number') return found;
      other = found;
    }
    if (other.peer2 !== null && other.peer2 !== sk) return -EPERM;
    if (!other.dead) break;
    if (sk.type !== S.SOCK_SEQPACKET && sk.peer2 === other) {
      sk.peer2 = null;
      sk.state = S.TCP_CLOSE;
      disconnected(k, sk, other);
      return -ECONNREFUSED;
    }
    other = null;
  }
  if ((other.shutdown & S.RCV_SHUTDOWN) !== 0) return -EPIPE;
  if (other !== sk && other.peer2 !== sk && recvqFull(other)) return timeo === 0 ? -EAGAIN : sockWait(k, other.peerWait, timeo);
  const paged = length > SKB_MAX_ALLOC ? Math.min(Math.ceil((length - SKB_MAX_ALLOC) / PAGE), MAX_FRAGS) * PAGE : 0;
  const data = msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -EFAULT;
  const skb = unixSkb(k, sk, data, truesizeOf(Math.max(length - paged, 0), paged, false), scm, credsFor(k, sk, other, scm));
  if (typeof skb === 'number') return skb;
  other.receiveQueue.push(skb);
  dataReady(k, other);
  return length;
}
/** The peer went or another was chosen: what waited from it is gone, and it hears of that (unix_dgram_disconnected). */
export function disconnected(k: Kernel, sk: UnixSock, other: UnixSock): void {
  if (sk.receiveQueue.length === 0) return;
  for (const skb of sk.receiveQueue.splice(0)) unixDropSkb(k, skb);
  queueHasRoom(k, sk);
  if (!other.dead && other.peer2 === sk) other.err = ECONNRESET;
}
export function seqpacketSendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = unixSk(sock);
  const err = sockError(sk);
  if (err < 0) return err;
  if (sk.state !== S.TCP_ESTABLISHED) return -ENOTCONN;
  msg.name = null;
  return dgramSendmsg(k, sock, msg);
}

/** The packet at the peek position and how many of its bytes are past it. */
function peekAt(sk: UnixSock, peek: boolean): { skb: Skb; skip: number } | null {
  let left = peek && sk.peekOff >= 0 ? sk.peekOff : 0;
  for (const skb of sk.receiveQueue) {
    if (left < skbLength(skb) || left === 0) return { skb, skip: left };
    left -= skbLength(skb);
  }
  return null;
}
export function dgramRecvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = unixSk(sock);
  if ((msg.flags & S.MSG_OOB) !== 0) return -EOPNOTSUPP;
  const peek = (msg.flags & S.MSG_PEEK) !== 0;
  const found = peekAt(sk, peek);
  if (found === null) return waitForPacket(k, sk, rcvTimeout(sk, msg.flags));
  const { skb, skip } = found;
  if (!peek) {
    sk.receiveQueue.shift();
    queueHasRoom(k, sk);
  }
  if (skb.from !== null) msg.name = skb.from;
  const whole = skb.data.length - skip;
  const size = Math.min(msg.iter.count, whole);
  if (size < whole) msg.outFlags |= S.MSG_TRUNC;
  const n = size === 0 ? 0 : msg.iter.copyTo(k, skb.data.subarray(skip, skip + size));
  if (n < size) {
    if (!peek) unixDropSkb(k, skb);
    return -EFAULT;
  }
  if (sk.peekOff >= 0) sk.peekOff = peek ? sk.peekOff + size : Math.max(0, sk.peekOff - skb.data.length);
  const files = skb.files === null ? [] : peek ? peekFiles(skb) : detachFiles(k, skb);
  scmRecv(k, sk, msg, skb.creds, files);
  if (!peek) unixDropSkb(k, skb);
  return (msg.flags & S.MSG_TRUNC) !== 0 ? whole : size;
}
/** __skb_wait_for_more_packets. */
function waitForPacket(k: Kernel, sk: UnixSock, timeo: number): number {
  const err = sockError(sk);
  if (err < 0) return err;
  if (timeo === 0) return sk.type === S.SOCK_SEQPACKET && (sk.shutdown & S.RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return 0;
  return sockWait(k, sk.readWait, timeo, {}, true);
}
export function seqpacketRecvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  return unixSk(sock).state !== S.TCP_ESTABLISHED ? -ENOTCONN : dgramRecvmsg(k, sock, msg);
}

export function dgramPoll(_k: Kernel, sock: Socket, table: PollTable | null): number {
  const sk = unixSk(sock);
  pollQueues(sk, table);
  let mask = 0;
  if (sk.err !== 0) mask |= POLLERR;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.shutdown === S.SHUTDOWN_MASK) mask |= POLLHUP;
  if (sk.receiveQueue.length > 0) mask |= POLLIN | POLLRDNORM;
  if (sk.type === S.SOCK_SEQPACKET && sk.state === S.TCP_CLOSE) mask |= POLLHUP;
  const other = sk.peer2;
  if (writable(sk) && !(other !== null && other.peer2 !== sk && recvqFull(other))) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}
