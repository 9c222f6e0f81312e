import { EAGAIN, ECONNRESET, EFAULT, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPIPE } from '../../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../../abi/fs.ts';
import * as S from '../../../abi/socket.ts';
import type { PollTable } from '../../fs/select.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { scmDestroy, scmSend } from '../core/scm.ts';
import { dataReady, POLLWRBAND, pollQueues, rcvTimeout, sndTimeout, sockError, sockWait } from '../core/sock.ts';
import { SKB_MAX_HEAD, type Skb, skbLength, truesizeOf, type Ucred } from '../core/skbuff.ts';
import type { MsgHdr, Socket } from '../socket.ts';
import { unixGc } from './garbage.ts';
import { credsFor, detachFiles, peekFiles, scmRecv, type UnixSock, unixDropSkb, unixSk, unixSkb, writable } from './unix_sock.ts';

// Byte streams (unix_stream_sendmsg, unix_stream_read_generic).

const PAGE = 4096;
/** UNIX_SKB_FRAGS_SZ: pages of one piece beside its linear part. */
const FRAGS = 32768;
const SIGPIPE = 13;

/** How a piece of `size` bytes is kept: its truesize. */
function pieceTruesize(size: number): number {
  const paged = Math.min(size, Math.ceil(Math.max(0, size - SKB_MAX_HEAD) / PAGE) * PAGE);
  return truesizeOf(size - paged, Math.ceil(paged / PAGE) * PAGE, false);
}
/** Room for a message: 0, -errno or BLOCKED (sock_alloc_send_pskb). */
export function waitForWmem(k: Kernel, sk: UnixSock, timeo: number, keep: Readonly<Record<string, unknown>>): number {
  const err = sockError(sk);
  if (err < 0) return err;
  if ((sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -EPIPE;
  return sk.wmemAlloc < sk.sndbuf ? 0 : sockWait(k, sk.writeWait, timeo, keep);
}

interface SendProgress {
  done: number;
  filesSent: boolean;
}
export function streamSendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = unixSk(sock);
  unixGc(k);
  const { restart } = k.current;
  const progress: SendProgress = { done: (restart?.['done'] as number | undefined) ?? 0, filesSent: restart?.['filesSent'] === true };
  const scm = scmSend(k, S.AF_UNIX, progress.filesSent ? new Uint8Array(0) : msg.control);
  if (typeof scm === 'number') return scm;
  msg.iter.skip(progress.done);
  const oob = (msg.flags & S.MSG_OOB) !== 0;
  let err: number;
  if (oob && msg.iter.count === 0) err = -EOPNOTSUPP;
  else if (msg.name !== null) err = sk.state === S.TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
  else err = sk.peer2 === null ? -ENOTCONN : sendPieces(k, sk, sk.peer2, msg, scm, progress, oob);
  scmDestroy(k, scm);
  if (err === BLOCKED || err === 0 || progress.done > 0) return err === BLOCKED ? err : progress.done;
  if (err === -EPIPE && (msg.flags & S.MSG_NOSIGNAL) === 0) k.sched.sendSignal(k.current, SIGPIPE);
  return err;
}
function sendPieces(
  k: Kernel,
  sk: UnixSock,
  other: UnixSock,
  msg: MsgHdr,
  scm: { files: File[] | null; creds: Ucred | null },
  progress: SendProgress,
  oob: boolean,
): number {
  const timeo = sndTimeout(sk, msg.flags);
  if ((sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -EPIPE;
  const tail = oob ? 1 : 0;
  while (msg.iter.count > 0) {
    const last = msg.iter.count === tail;
    const size = last && oob ? 1 : Math.min(msg.iter.count - tail, Math.floor(sk.sndbuf / 2) - 64, SKB_MAX_HEAD + FRAGS);
    const room = waitForWmem(k, sk, timeo, { done: progress.done, filesSent: progress.filesSent });
    if (room !== 0) return room;
    const data = msg.iter.copyFrom(k, size);
    if (typeof data === 'number' || data.length < size) return -EFAULT;
    const skb = unixSkb(k, sk, data, pieceTruesize(size), scm, credsFor(k, sk, other, scm));
    if (typeof skb === 'number') return skb;
    progress.filesSent = true;
    if (other.dead || (other.shutdown & S.RCV_SHUTDOWN) !== 0) {
      unixDropSkb(k, skb);
      return -EPIPE;
    }
    other.receiveQueue.push(skb);
    if (last && oob) other.oob = skb;
    dataReady(k, other);
    progress.done += size;
  }
  return 0;
}

interface ReadState {
  copied: number;
  creds: Ucred | null;
  checkCreds: boolean;
  files: File[];
}
/** MSG_OOB: the one byte that was sent last as urgent. */
function recvOob(k: Kernel, sk: UnixSock, msg: MsgHdr): number {
  const { oob } = sk;
  if (oob === null || sk.oobinline) return -EINVAL;
  const n = msg.iter.copyTo(k, oob.data.subarray(0, 1));
  if (n < 0) return -EFAULT;
  if ((msg.flags & S.MSG_PEEK) === 0) {
    sk.oob = null;
    const i = sk.receiveQueue.indexOf(oob);
    if (i >= 0) sk.receiveQueue.splice(i, 1);
    unixDropSkb(k, oob);
  }
  msg.outFlags |= S.MSG_OOB;
  return 1;
}
export function streamRecvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = unixSk(sock);
  if (sk.state !== S.TCP_ESTABLISHED) return -EINVAL;
  if ((msg.flags & S.MSG_OOB) !== 0) return recvOob(k, sk, msg);
  const { restart } = k.current;
  const state: ReadState = {
    copied: (restart?.['copied'] as number | undefined) ?? 0,
    creds: (restart?.['creds'] as Ucred | null | undefined) ?? null,
    checkCreds: restart?.['checkCreds'] === true,
    files: [],
  };
  msg.iter.skip(state.copied);
  const err = readPieces(k, sk, msg, state);
  if (err === BLOCKED) return err;
  if (err < 0 && state.copied === 0) {
    for (const file of state.files) k.vfs.fput(file);
    return err;
  }
  scmRecv(k, sk, msg, state.creds, state.files);
  return state.copied;
}
/** The next piece at or after the peek position, and what to leave out of it. */
function nextPiece(sk: UnixSock, skip: number): { skb: Skb; skip: number } | null {
  let left = skip;
  for (const skb of sk.receiveQueue) {
    if (left < skbLength(skb)) return { skb, skip: left };
    left -= skbLength(skb);
  }
  return null;
}
function readPieces(k: Kernel, sk: UnixSock, msg: MsgHdr, state: ReadState): number {
  const peek = (msg.flags & S.MSG_PEEK) !== 0;
  const size = msg.iter.count + state.copied;
  const target = (msg.flags & S.MSG_WAITALL) !== 0 ? size : Math.min(sk.rcvlowat, size) || 1;
  const timeo = rcvTimeout(sk, msg.flags);
  const peeking = peek && sk.peekOff >= 0;
  let skip = peeking ? sk.peekOff : 0;
  if (peek && state.copied > 0) skip += state.copied;
  while (msg.iter.count > 0 || state.copied === 0) {
    const found = nextPiece(sk, skip);
    if (found === null) {
      if (state.copied >= target && state.copied > 0) return 0;
      const err = sockError(sk);
      if (err < 0) return err;
      if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return 0;
      if (timeo === 0) return -EAGAIN;
      return sockWait(k, sk.readWait, timeo, { copied: state.copied, creds: state.creds, checkCreds: state.checkCreds });
    }
    const { skb } = found;
    if (skb === sk.oob && !sk.oobinline) {
      // Reading stops before the mark; what is read later begins after it.
      if (state.copied > 0) return 0;
      if (peek) {
        skip += skbLength(skb);
        continue;
      }
      sk.oob = null;
      sk.receiveQueue.splice(sk.receiveQueue.indexOf(skb), 1);
      unixDropSkb(k, skb);
      continue;
    }
    if (state.checkCreds) {
      const a = state.creds;
      const b = skb.creds;
      if (a?.pid !== b?.pid || a?.uid !== b?.uid || a?.gid !== b?.gid) return 0;
    } else if (sk.passcred || sk.passpidfd) {
      state.creds = skb.creds;
      state.checkCreds = true;
    }
    if (state.copied === 0 && skb.from !== null) msg.name = skb.from;
    const at = skb.consumed + found.skip;
    const chunk = Math.min(skb.data.length - at, msg.iter.count);
    const n = chunk === 0 ? 0 : msg.iter.copyTo(k, skb.data.subarray(at, at + chunk));
    if (n < chunk) return -EFAULT;
    state.copied += chunk;
    if (peek) {
      if (peeking) sk.peekOff += chunk;
      skip += chunk;
      if (skb.files !== null) {
        state.files.push(...peekFiles(skb));
        return 0;
      }
      if (chunk === 0) return 0;
      continue;
    }
    skb.consumed += chunk;
    if (sk.peekOff > 0) sk.peekOff = Math.max(0, sk.peekOff - chunk);
    if (skb.files !== null) state.files.push(...detachFiles(k, skb));
    if (skbLength(skb) > 0) return 0;
    sk.receiveQueue.shift();
    if (sk.oob === skb) sk.oob = null;
    unixDropSkb(k, skb);
    if (state.files.length > 0 || chunk === 0) return 0;
  }
  return 0;
}

export function streamPoll(_k: Kernel, sock: Socket, table: PollTable | null): number {
  const sk = unixSk(sock);
  pollQueues(sk, table);
  let mask = 0;
  if (sk.err !== 0) mask |= POLLERR;
  if (sk.shutdown === S.SHUTDOWN_MASK) mask |= POLLHUP;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.receiveQueue.length > 0) mask |= POLLIN | POLLRDNORM;
  if (sk.oob !== null) mask |= POLLPRI;
  if (sk.state === S.TCP_CLOSE) mask |= POLLHUP;
  if (writable(sk)) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}
/** The other side goes while something is unread: that is a reset. */
export const unreadReset = (sk: UnixSock) => (sk.receiveQueue.length > 0 ? ECONNRESET : 0);
