import * as E from '../../../abi/errno.ts';
import * as F from '../../../abi/fs.ts';
import * as S from '../../../abi/socket.ts';
import { runsWork } from '../../fs/module_file.ts';
import type { PollTable } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { type LingerWork, PF_EXITING, type Task } from '../../sched/task.ts';
import { BLOCKED, waitInterruptible } from '../../sched/wait.ts';
import { dataReady, pollQueues, rcvTimeout, type Sock, sndTimeout, sockError, sockWait, stateChange } from '../core/sock.ts';
import { type MsgHdr, type ProtoOps, type Socket, sockTimestamp } from '../socket.ts';
import { inetCommon } from './inet_common.ts';
import { inetSk, SS_CONNECTED, SS_CONNECTING, SS_DISCONNECTING, SS_UNCONNECTED } from './inet_sock.ts';
import { isAny } from './ip_addr.ts';
import { netRx } from './ip_output.ts';
import { leaveGroups, recvErrors } from './ip_sockglue.ts';
import { cleanupRbuf, rcvSpaceAdjust } from './tcp_input.ts';
import { listenStart, listenStop, tcpConnect, tcpGetPort } from './tcp_ipv4.ts';
import { destroySock, purgeWrite, setClosed, stopTimers, timeWait } from './tcp_minisocks.ts';
import * as O from './tcp_output.ts';
import * as T from './tcp_sock.ts';
import { after, seqAdd, seqDiff, type TcpSock } from './tcp_sock.ts';
import { keepaliveChanged, tcpGetsockopt, tcpSetsockopt } from './tcp_sockopt.ts';
import { finTime, resetTimer } from './tcp_timer.ts';

// TCP sockets as programs use them (net/ipv4/tcp.c, inet_stream_connect; tcp(7)).

const SIGPIPE = 13;
const MSG_FASTOPEN = 0x2000_0000;
export const tcpSk = (sock: Socket) => sock.sk as TcpSock;

// Connecting and accepting.

function connect(k: Kernel, sock: Socket, addr: Uint8Array, flags: number): number {
  const sk = tcpSk(sock);
  let err = -E.EINPROGRESS;
  if (k.current.restart?.['connecting'] !== true) {
    if (addr.length < 2) return -E.EINVAL;
    if (addr[0] === S.AF_UNSPEC && addr[1] === 0) {
      disconnect(k, sk);
      sk.ss = SS_UNCONNECTED;
      netRx(k);
      return 0;
    }
    if (sk.ss === SS_CONNECTED) return -E.EISCONN;
    if (sk.ss === SS_CONNECTING) err = -E.EALREADY;
    else if (sk.ss !== SS_UNCONNECTED) return -E.EINVAL;
    else {
      if (sk.state !== S.TCP_CLOSE) return -E.EISCONN;
      const r = tcpConnect(k, sk, addr);
      if (r < 0) return r;
      sk.ss = SS_CONNECTING;
      netRx(k);
      // The answer is there already, but a caller that does not wait looks for it later, as when the socket was locked.
      if (sndTimeout(sk, flags) === 0) return err;
    }
  }
  if (sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_SYN_RECV) {
    const timeo = sndTimeout(sk, flags);
    if (timeo === 0) return err;
    const r = sockWait(k, sk.writeWait, timeo, { connecting: true });
    return r === -E.EAGAIN ? err : r;
  }
  if (sk.state === S.TCP_CLOSE) {
    const failed = sockError(sk);
    sk.ss = SS_UNCONNECTED;
    disconnect(k, sk);
    return failed < 0 ? failed : -E.ECONNABORTED;
  }
  sk.ss = SS_CONNECTED;
  return 0;
}
/** tcp_need_reset. */
const needsReset = (state: number) =>
  state === S.TCP_ESTABLISHED || state === S.TCP_CLOSE_WAIT || state === S.TCP_FIN_WAIT1 || state === S.TCP_FIN_WAIT2 || state === S.TCP_SYN_RECV;
/** Back to a fresh socket (tcp_disconnect). */
function disconnect(k: Kernel, sk: TcpSock): number {
  const old = sk.state;
  if (needsReset(old) || (sk.sndNxt !== sk.writeSeq && (old === S.TCP_CLOSING || old === S.TCP_LAST_ACK))) {
    O.sendActiveReset(k, sk);
    sk.err = E.ECONNRESET;
  } else if (old === S.TCP_SYN_SENT) sk.err = E.ECONNRESET;
  if (old !== S.TCP_CLOSE) setClosed(k, sk);
  if (old === S.TCP_LISTEN) listenStop(k, sk, abortChild);
  stopTimers(k, sk);
  purgeWrite(sk);
  sk.rcvQueue.length = sk.ofoQueue.length = 0;
  sk.rmemAlloc = 0;
  sk.urg = -1;
  sk.dport = 0;
  if (!sk.addrLocked) sk.rcvSaddr = sk.saddr = sk.any;
  sk.daddr = sk.any;
  sk.shutdown = 0;
  sk.fin = false;
  sk.srtt = sk.rttvar = sk.minRtt = 0;
  sk.cwnd = 10;
  sk.ssthresh = 0x7fff_ffff;
  sk.backoff = sk.retransmits = sk.probesOut = 0;
  sk.ackPending = sk.ackQuick = sk.ackPingpong = sk.ackAto = 0;
  sk.tsRecent = 0;
  sk.windowClamp = 0;
  sk.scalingRatio = 128;
  sk.sndWnd = sk.maxWindow = 0;
  sk.errSoft = 0;
  if (sk.err !== 0) stateChange(k, sk);
  return 0;
}
function listen(k: Kernel, sock: Socket, backlog: number): number {
  const sk = tcpSk(sock);
  if (sk.ss !== SS_UNCONNECTED || (sk.state !== S.TCP_CLOSE && sk.state !== S.TCP_LISTEN)) return -E.EINVAL;
  sk.maxAckBacklog = backlog;
  return sk.state === S.TCP_LISTEN ? 0 : listenStart(k, sk);
}
function accept(k: Kernel, sock: Socket, flags: number): Sock | number {
  const sk = tcpSk(sock);
  if (sk.state !== S.TCP_LISTEN) return -E.EINVAL;
  const child = sk.acceptQueue.shift();
  if (child === undefined) {
    const err = sockError(sk);
    if (err < 0) return err;
    const timeo = rcvTimeout(sk, flags);
    return timeo === 0 ? -E.EAGAIN : sockWait(k, sk.readWait, timeo, {}, true);
  }
  child.listener = null;
  child.ss = SS_CONNECTED;
  return child;
}

// Closing.

/** tcp_close_state: what a close of our side leads to; true when a FIN goes out. */
function closeState(k: Kernel, sk: TcpSock): boolean {
  switch (sk.state) {
    case S.TCP_SYN_SENT:
      setClosed(k, sk);
      return false;
    case S.TCP_SYN_RECV:
    case S.TCP_ESTABLISHED:
      sk.state = S.TCP_FIN_WAIT1;
      return true;
    case S.TCP_CLOSE_WAIT:
      sk.state = S.TCP_LAST_ACK;
      return true;
  }
  return false;
}
function shutdown(k: Kernel, sock: Socket, how: number): number {
  if (how < S.SHUT_RD || how > S.SHUT_RDWR) return -E.EINVAL;
  const sk = tcpSk(sock);
  const mode = how + 1;
  if (sk.ss === SS_CONNECTING)
    sk.ss = sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_SYN_RECV || sk.state === S.TCP_CLOSE ? SS_DISCONNECTING : SS_CONNECTED;
  let err = 0;
  if (sk.state === S.TCP_LISTEN) {
    if ((mode & S.RCV_SHUTDOWN) !== 0) {
      disconnect(k, sk);
      sk.ss = SS_UNCONNECTED;
    }
  } else if (sk.state === S.TCP_SYN_SENT) {
    disconnect(k, sk);
    sk.ss = SS_UNCONNECTED;
  } else {
    if (sk.state === S.TCP_CLOSE) err = -E.ENOTCONN;
    sk.shutdown |= mode;
    const sends = sk.state === S.TCP_ESTABLISHED || sk.state === S.TCP_SYN_RECV || sk.state === S.TCP_CLOSE_WAIT;
    if ((mode & S.SEND_SHUTDOWN) !== 0 && sends && closeState(k, sk)) O.sendFin(k, sk);
  }
  stateChange(k, sk);
  netRx(k);
  return err;
}
/** A connection that nobody accepted goes with a reset. */
function abortChild(k: Kernel, sk: TcpSock): void {
  O.sendActiveReset(k, sk);
  setClosed(k, sk);
  destroySock(k, sk);
}
/** The file is closed (tcp_close). */
function release(k: Kernel, sock: Socket): number {
  const sk = tcpSk(sock);
  leaveGroups(k, sk);
  sk.shutdown = S.SHUTDOWN_MASK;
  if (sk.state === S.TCP_LISTEN) {
    setClosed(k, sk);
    listenStop(k, sk, abortChild);
  } else if (sk.state !== S.TCP_CLOSE) {
    const unread = seqDiff(sk.rcvNxt, sk.copiedSeq) - (sk.fin ? 1 : 0) > 0;
    if (unread) {
      k.net.mib.count('TcpExtTCPAbortOnClose');
      setClosedAfter(k, sk);
    } else if (sk.linger === 0) {
      k.net.mib.count('TcpExtTCPAbortOnData');
      disconnect(k, sk);
    } else if (closeState(k, sk)) O.sendFin(k, sk);
  }
  sk.rcvQueue.length = sk.ofoQueue.length = 0;
  sk.rmemAlloc = 0;
  const { current } = k;
  if (sk.linger > 0 && runsWork(k) && (current.flags & PF_EXITING) === 0) {
    netRx(k);
    if (CLOSING_STATES.has(sk.state)) {
      current.works.push({ kind: 'linger', sk, deadline: k.time.now() + sk.linger });
      return 0;
    }
  }
  orphan(k, sk);
  return 0;
}
/** What sk_stream_wait_close waits for the end of: our FIN is not acknowledged yet. */
const CLOSING_STATES: ReadonlySet<number> = new Set([S.TCP_FIN_WAIT1, S.TCP_CLOSING, S.TCP_LAST_ACK]);
/** Waits as SO_LINGER says; true while the task has to sleep. */
export function lingerWait(k: Kernel, task: Task, { sk, deadline }: LingerWork): boolean {
  const exiting = (task.flags & PF_EXITING) !== 0;
  if (!exiting && CLOSING_STATES.has(sk.state) && k.time.now() < deadline && waitInterruptible(k, sk.writeWait) === BLOCKED) {
    k.sched.scheduleTimeout(task, deadline);
    return true;
  }
  orphan(k, sk);
  return false;
}
/** From here on no file belongs to the connection (adjudge_to_death). */
function orphan(k: Kernel, sk: TcpSock): void {
  sk.dead = true;
  k.net.tcp.orphans.add(sk);
  // What the FIN led to so far was for an open socket; from here on it is an orphan.
  netRx(k);
  if (sk.state === S.TCP_FIN_WAIT2) orphanFinWait2(k, sk);
  if (sk.state === S.TCP_CLOSE) destroySock(k, sk);
  netRx(k);
}
function setClosedAfter(k: Kernel, sk: TcpSock): void {
  O.sendActiveReset(k, sk);
  setClosed(k, sk);
}
function orphanFinWait2(k: Kernel, sk: TcpSock): void {
  if (sk.linger2 < 0) {
    O.sendActiveReset(k, sk);
    setClosed(k, sk);
    return;
  }
  const tmo = finTime(k, sk);
  if (tmo > T.TCP_TIMEWAIT_LEN) resetTimer(k, sk, sk.keepTimer, k.time.now() + tmo - T.TCP_TIMEWAIT_LEN);
  else timeWait(k, sk, S.TCP_FIN_WAIT2, tmo);
}

// Sending.

/** Whether the connection can carry data: 0, -errno or BLOCKED while it is still being made (sk_stream_wait_connect). */
function waitConnect(k: Kernel, sk: TcpSock, timeo: number): number {
  if (sk.state === S.TCP_ESTABLISHED || sk.state === S.TCP_CLOSE_WAIT) return 0;
  const err = sockError(sk);
  if (err < 0) return err;
  if (sk.state !== S.TCP_SYN_SENT && sk.state !== S.TCP_SYN_RECV) return -E.EPIPE;
  return timeo === 0 ? -E.EAGAIN : sockWait(k, sk.writeWait, timeo);
}
function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = tcpSk(sock);
  const { current } = k;
  const done = { bytes: (current.restart?.['done'] as number | undefined) ?? 0 };
  msg.iter.skip(done.bytes);
  let err = 0;
  if ((msg.flags & MSG_FASTOPEN) !== 0 && done.bytes === 0 && sk.state === S.TCP_CLOSE) {
    // No cookie is known for the peer: the data follow the handshake.
    if (msg.name === null) return -E.EINVAL;
    err = connect(k, sock, msg.name, msg.flags);
    if (err < 0) return err;
  }
  err = sendData(k, sk, msg, done);
  netRx(k);
  if (err === BLOCKED) return BLOCKED;
  if (done.bytes > 0 || err === 0) return done.bytes;
  // An edge for epoll when room comes.
  if (err === -E.EPIPE) {
    const pending = sockError(sk);
    if (pending < 0) err = pending;
    if (err === -E.EPIPE && (msg.flags & S.MSG_NOSIGNAL) === 0) k.sched.sendSignal(current, SIGPIPE);
  }
  return err;
}
function sendData(k: Kernel, sk: TcpSock, msg: MsgHdr, done: { bytes: number }): number {
  const timeo = sndTimeout(sk, msg.flags);
  const wait = waitConnect(k, sk, timeo);
  if (wait !== 0) return wait;
  if (sk.err !== 0 || (sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -E.EPIPE;
  const oob = (msg.flags & S.MSG_OOB) !== 0;
  while (msg.iter.count > 0) {
    if (!O.memoryFree(k, sk)) {
      // What is queued goes out, and acknowledgements that come at once make room.
      O.markPush(sk);
      O.pushPending(k, sk, sk.nonagle);
      netRx(k);
      if (sk.err !== 0 || (sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -E.EPIPE;
      if (!O.memoryFree(k, sk)) {
        sk.noSpace = true;
        return sockWait(k, sk.writeWait, timeo, { done: done.bytes });
      }
    }
    const goal = oob ? sk.mssCache : O.sizeGoal(sk);
    const tail = sk.writeQueue.at(-1);
    const room = tail !== undefined && tail.data.length < goal ? goal - tail.data.length : goal;
    const bytes = msg.iter.copyFrom(k, Math.min(room, msg.iter.count));
    if (typeof bytes === 'number') return bytes;
    O.queueBytes(sk, bytes, goal);
    done.bytes += bytes.length;
    if (msg.iter.count === 0) break;
    if (bytes.length < room && bytes.length === 0) return -E.EFAULT;
    // A piece that is full goes out at once; more than half of the largest window forces a push (forced_push).
    const forced = after(sk.writeSeq, seqAdd(sk.pushedSeq, sk.maxWindow >>> 1));
    if (forced) O.markPush(sk);
    if (forced || sk.writeQueue.length === 1) {
      O.pushPending(k, sk, T.NAGLE_PUSH);
      netRx(k);
    }
    if (sk.err !== 0 || (sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -E.EPIPE;
  }
  if (done.bytes > 0) {
    const more = (msg.flags & S.MSG_MORE) !== 0;
    if (!more) O.markPush(sk);
    if (oob) sk.sndUp = sk.writeSeq;
    O.pushPending(k, sk, more ? T.NAGLE_CORK : sk.nonagle);
  }
  return 0;
}

// Receiving.

/** MSG_OOB: the urgent byte (tcp_recv_urg). */
function recvUrg(k: Kernel, sk: TcpSock, msg: MsgHdr): number {
  if (sk.oobinline || sk.urg === -1 || sk.urg === -3) return -E.EINVAL;
  if (sk.state === S.TCP_CLOSE && !sk.fin) return -E.ENOTCONN;
  if (sk.urg >= 0) {
    const c = new Uint8Array([sk.urg]);
    if ((msg.flags & S.MSG_PEEK) === 0) sk.urg = -3;
    msg.outFlags |= S.MSG_OOB;
    if (msg.iter.count === 0) {
      msg.outFlags |= S.MSG_TRUNC;
      return 0;
    }
    if ((msg.flags & S.MSG_TRUNC) === 0 && msg.iter.copyTo(k, c) < 1) return -E.EFAULT;
    return 1;
  }
  return sk.state === S.TCP_CLOSE || (sk.shutdown & S.RCV_SHUTDOWN) !== 0 ? 0 : -E.EAGAIN;
}
function recvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = tcpSk(sock);
  if ((msg.flags & S.MSG_ERRQUEUE) !== 0) return recvErrors(k, sk, msg);
  if (sk.state === S.TCP_LISTEN) return -E.ENOTCONN;
  if ((msg.flags & S.MSG_OOB) !== 0) return recvUrg(k, sk, msg);
  const { restart } = k.current;
  const state = { copied: (restart?.['copied'] as number | undefined) ?? 0, peeked: (restart?.['peeked'] as number | undefined) ?? 0, time: 0 };
  const err = receive(k, sk, msg, state);
  netRx(k);
  if (err === BLOCKED) return BLOCKED;
  if (state.copied === 0 && err < 0) return err;
  if (state.copied > 0) sockTimestamp(k, sk, msg, state.time);
  if (sk.inq) msg.cmsg.putInt(k, S.SOL_TCP, 36, seqDiff(sk.rcvNxt, sk.copiedSeq)); // TCP_CM_INQ
  return state.copied;
}
/** tcp_recvmsg_locked. */
function receive(k: Kernel, sk: TcpSock, msg: MsgHdr, state: { copied: number; peeked: number; time: number }): number {
  const peek = (msg.flags & S.MSG_PEEK) !== 0;
  const trunc = (msg.flags & S.MSG_TRUNC) !== 0;
  msg.iter.skip(state.copied);
  const size = msg.iter.count + state.copied;
  const target = (msg.flags & S.MSG_WAITALL) !== 0 ? size : Math.min(sk.rcvlowat, size) || 1;
  const timeo = rcvTimeout(sk, msg.flags);
  const offset = peek ? Math.max(sk.peekOff, 0) : 0;
  let at = peek ? seqAdd(sk.copiedSeq, offset + state.peeked) : sk.copiedSeq;
  const begin = state.copied;
  let result = 0;
  do {
    if (sk.urg !== -1 && sk.urgSeq === at && state.copied > 0) break;
    const skb = pieceAt(sk, at);
    if (skb === null) {
      if (state.copied >= target) break;
      const dry = whenDry(sk, state.copied, timeo);
      if (dry !== null) {
        result = dry;
        break;
      }
      if (!peek) finishRead(k, sk, state.copied - begin);
      netRx(k);
      if (pieceAt(sk, at) !== null) continue;
      const r = sockWait(k, sk.readWait, timeo, { copied: state.copied, peeked: state.peeked });
      if (r === BLOCKED && peek && sk.peekOff >= 0) return BLOCKED;
      return state.copied > 0 && r !== BLOCKED ? 0 : r;
    }
    let from = seqDiff(at, skb.seq);
    let used = Math.min(msg.iter.count, skb.data.length - from);
    if (sk.urg !== -1) {
      const mark = seqDiff(sk.urgSeq, at);
      if (mark === 0 && !sk.oobinline) {
        // The urgent byte is no part of the stream.
        at = seqAdd(at, 1);
        from++;
        used = Math.min(msg.iter.count, skb.data.length - from);
        if (!peek) sk.copiedSeq = at;
      } else if (mark > 0 && mark < used) used = mark;
    }
    if (used > 0) {
      if (trunc) msg.iter.skip(used);
      else {
        const n = msg.iter.copyTo(k, skb.data.subarray(from, from + used));
        if (n < used) {
          result = -E.EFAULT;
          break;
        }
      }
      at = seqAdd(at, used);
      state.copied += used;
      if (peek) state.peeked += used;
    }
    if (sk.urg !== -1 && after(at, sk.urgSeq) && !peek) sk.urg = -1;
    if (peek) {
      if (sk.peekOff >= 0) sk.peekOff += used;
      continue;
    }
    sk.copiedSeq = at;
    if (sk.peekOff > 0) sk.peekOff = Math.max(0, sk.peekOff - used);
    rcvSpaceAdjust(k, sk);
    dropRead(sk);
  } while (msg.iter.count > 0);
  if (!peek) finishRead(k, sk, state.copied - begin);
  return result;
}
/** The piece that holds the byte with number `at`. */
function pieceAt(sk: TcpSock, at: number): T.TcpSkb | null {
  for (const skb of sk.rcvQueue) if (seqDiff(at, skb.seq) < skb.data.length && seqDiff(at, skb.seq) >= 0) return skb;
  return null;
}
function dropRead(sk: TcpSock): void {
  while (sk.rcvQueue.length > 0) {
    const skb = sk.rcvQueue[0];
    if (seqDiff(sk.copiedSeq, skb.seq) < skb.data.length) return;
    sk.rcvQueue.shift();
    sk.rmemAlloc -= skb.truesize;
  }
}
function finishRead(k: Kernel, sk: TcpSock, copied: number): void {
  if (sk.state === S.TCP_CLOSE || sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_LISTEN) return;
  // The FIN after the last byte is read with it.
  if (sk.fin && sk.rcvQueue.every((s) => s.data.length === 0) && seqDiff(sk.rcvNxt, sk.copiedSeq) === 1) sk.copiedSeq = sk.rcvNxt;
  cleanupRbuf(k, sk, copied);
}
/** Nothing more is here: the end, an error, or null when it is worth waiting. */
function whenDry(sk: TcpSock, copied: number, timeo: number): number | null {
  if (copied > 0) return sk.err !== 0 || sk.state === S.TCP_CLOSE || (sk.shutdown & S.RCV_SHUTDOWN) !== 0 || timeo === 0 ? 0 : null;
  if (sk.fin) return 0;
  if (sk.err !== 0) return sockError(sk);
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return 0;
  if (sk.state === S.TCP_CLOSE) return -E.ENOTCONN;
  return timeo === 0 ? -E.EAGAIN : null;
}

/** tcp_poll. */
function poll(k: Kernel, sock: Socket, table: PollTable | null): number {
  const sk = tcpSk(sock);
  pollQueues(sk, table);
  if (sk.state === S.TCP_LISTEN) return sk.acceptQueue.length > 0 ? F.POLLIN | F.POLLRDNORM : 0;
  let mask = 0;
  if (sk.shutdown === S.SHUTDOWN_MASK || sk.state === S.TCP_CLOSE) mask |= F.POLLHUP;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) mask |= F.POLLIN | F.POLLRDNORM | F.POLLRDHUP;
  if (sk.state !== S.TCP_SYN_SENT && sk.state !== S.TCP_SYN_RECV) {
    const extra = sk.urgSeq === sk.copiedSeq && sk.urg !== -1 && !sk.oobinline ? 1 : 0;
    const avail = seqDiff(sk.rcvNxt, sk.copiedSeq) - (sk.fin ? 1 : 0);
    if (avail > 0 && (avail >= sk.rcvlowat + extra || (extra === 0 && O.receiveWindow(sk) <= sk.rcvMss))) mask |= F.POLLIN | F.POLLRDNORM;
    if ((sk.shutdown & S.SEND_SHUTDOWN) !== 0 || O.streamWriteable(k, sk)) mask |= F.POLLOUT | F.POLLWRNORM;
    else sk.noSpace = true;
    if (sk.urg >= 0) mask |= F.POLLPRI;
  }
  if (sk.err !== 0 || sk.errorQueue.length > 0) mask |= F.POLLERR;
  return mask;
}
function ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const sk = tcpSk(sock);
  switch (cmd) {
    case S.SIOCINQ: {
      if (sk.state === S.TCP_LISTEN) return -E.EINVAL;
      return putUser32(k, arg, inq(sk));
    }
    case S.SIOCATMARK:
      return putUser32(k, arg, sk.urg !== -1 && sk.urgSeq === sk.copiedSeq ? 1 : 0);
    case S.SIOCOUTQ:
      if (sk.state === S.TCP_LISTEN) return -E.EINVAL;
      return putUser32(k, arg, sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_SYN_RECV ? 0 : seqDiff(sk.writeSeq, sk.sndUna));
    case SIOCOUTQNSD:
      if (sk.state === S.TCP_LISTEN) return -E.EINVAL;
      return putUser32(k, arg, sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_SYN_RECV ? 0 : seqDiff(sk.writeSeq, sk.sndNxt));
  }
  return inetCommon.ioctl(k, sock, cmd, arg);
}
const SIOCOUTQNSD = 0x894b;
/** tcp_inq: what can be read, up to the urgent byte. */
function inq(sk: TcpSock): number {
  if (sk.state === S.TCP_SYN_SENT || sk.state === S.TCP_SYN_RECV) return 0;
  const all = seqDiff(sk.rcvNxt, sk.copiedSeq) - (sk.fin && seqDiff(sk.rcvNxt, sk.copiedSeq) > 0 ? 1 : 0);
  if (sk.oobinline || sk.urg === -1 || after(sk.copiedSeq, sk.urgSeq) || !after(sk.rcvNxt, sk.urgSeq)) return all;
  return seqDiff(sk.urgSeq, sk.copiedSeq);
}
function bind(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const r = inetCommon.bind(k, sock, addr);
  const sk = inetSk(sock);
  if (r === 0 && isAny(sk.rcvSaddr)) sk.saddr = sk.rcvSaddr;
  return r;
}

export const tcpOps: ProtoOps = {
  ...inetCommon,
  bind,
  peekOff: true,
  release,
  connect,
  getPort: tcpGetPort,
  accept,
  listen,
  shutdown,
  poll,
  ioctl,
  keepaliveChanged: (k, sock) => keepaliveChanged(k, tcpSk(sock)),
  sendmsg,
  recvmsg,
  setsockopt: tcpSetsockopt,
  getsockopt: tcpGetsockopt,
};
export { dataReady };
