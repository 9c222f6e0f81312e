import { ETIMEDOUT } from '../../../abi/errno.ts';
import { TCP_CLOSE, TCP_FIN_WAIT2, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { timerKind } from '../../time/timers.ts';
import type { KernelTimer } from '../../time/timekeeping.ts';
import { stateChange } from '../core/sock.ts';
import { netRx } from './ip_output.ts';
import { dropRequest, tcpDone, timeWait, timewaitExpire } from './tcp_minisocks.ts';
import { armRto, clearRto, probe0Time, retransmitHead, sendAck, sendActiveReset, sendSynack, wndEnd, writeWakeup } from './tcp_output.ts';
import { ACK_SCHED, after, SEC, type SockTimer, TCP_ATO_MIN, TCP_RTO_MAX, TCP_RTO_MIN, TCP_TIMEOUT_INIT, TCP_TIMEWAIT_LEN, TcpRequest, type TcpSock } from './tcp_sock.ts';

// TCP's timers (net/ipv4/tcp_timer.c).

type Owner = TcpSock | TcpRequest;

export function resetTimer(k: Kernel, owner: Owner, t: SockTimer, at: number): void {
  t.deadline = at;
  if (t.queued !== null) {
    if (t.queued.at <= at) return;
    k.time.delTimer(t.queued);
  }
  t.queued = { at, kind: 'tcp', data: { owner, timer: t } };
  k.time.addTimer(t.queued);
}
export function stopTimer(t: SockTimer): void {
  t.deadline = 0;
}
/** The owner goes. */
export function deleteTimer(k: Kernel, t: SockTimer): void {
  t.deadline = 0;
  if (t.queued !== null) k.time.delTimer(t.queued);
  t.queued = null;
}
function fired(k: Kernel, timer: KernelTimer, now: number): void {
  const { owner, timer: t } = timer.data as { owner: Owner; timer: SockTimer };
  t.queued = null;
  if (t.deadline === 0) return;
  if (t.deadline > now) {
    resetTimer(k, owner, t, t.deadline);
    return;
  }
  t.deadline = 0;
  if (owner instanceof TcpRequest) synackTimer(k, owner);
  else if (owner.state !== TCP_CLOSE) {
    if (t.what === 'rto') writeTimer(k, owner);
    else if (t.what === 'delack') delackTimer(k, owner);
    else keepaliveTimer(k, owner);
  }
  netRx(k);
}
export function tcpTimersInit(): void {
  timerKind('tcp', fired);
  timerKind('tcp-timewait', (k, _timer, now) => timewaitExpire(k, now));
}

/** tcp_write_err. */
function writeErr(k: Kernel, sk: TcpSock): void {
  sk.err = sk.errSoft !== 0 ? sk.errSoft : ETIMEDOUT;
  tcpDone(k, sk);
  if (!sk.dead) stateChange(k, sk);
}
function writeTimer(k: Kernel, sk: TcpSock): void {
  const what = sk.pending;
  sk.pending = 'none';
  if (what === 'probe0') probeTimer(k, sk);
  else if (what === 'retrans') retransmitTimer(k, sk);
}
/** tcp_retransmit_timer. */
function retransmitTimer(k: Kernel, sk: TcpSock): void {
  const { net } = k;
  if (sk.rtxQueue.length === 0) return;
  const syn = sk.state === TCP_SYN_SENT;
  if (sk.retransmits === 0) sk.retransStamp = sk.rtxQueue[0].sentAt;
  const limit = syn ? (sk.synRetries !== 0 ? sk.synRetries : net.tcpSynRetries) : sk.dead ? 8 : net.tcpRetries2;
  const tooLong = sk.userTimeout !== 0 && !syn && k.time.now() - sk.retransStamp >= sk.userTimeout;
  // With linear timeouts for SYN the count is that of doublings.
  const tries = syn ? sk.retransmits - Math.min(sk.retransmits, net.tcpSynLinear) : sk.retransmits;
  if (tooLong || (syn ? sk.retransmits >= limit + net.tcpSynLinear : tries >= limit)) {
    writeErr(k, sk);
    return;
  }
  net.mib.count('TcpExtTCPTimeouts');
  sk.ssthresh = Math.max(sk.cwnd >> 1, 2);
  sk.cwnd = 1;
  sk.retransmits++;
  if (syn) sk.totalRto++;
  retransmitHead(k, sk);
  if (!syn || sk.totalRto > net.tcpSynLinear) {
    sk.backoff++;
    sk.rto = Math.min(sk.rto * 2, TCP_RTO_MAX);
  }
  armRto(k, sk);
}
/** The window is shut: ask whether it opened (tcp_probe_timer). */
function probeTimer(k: Kernel, sk: TcpSock): void {
  if (sk.rtxQueue.length > 0 || sk.writeQueue.length === 0) {
    sk.probesOut = 0;
    return;
  }
  const now = k.time.now();
  if (sk.probesStamp === 0) sk.probesStamp = now;
  const limit = sk.dead ? 8 : k.net.tcpRetries2;
  if (sk.probesOut >= limit || (sk.userTimeout !== 0 && now - sk.probesStamp >= sk.userTimeout)) {
    writeErr(k, sk);
    return;
  }
  writeWakeup(k, sk);
  if (sk.rtxQueue.length > 0 || sk.writeQueue.length === 0) {
    // What was held back for more went out.
    sk.probesOut = 0;
    sk.backoff = 0;
    armRto(k, sk);
    return;
  }
  sk.probesOut++;
  if (sk.backoff < k.net.tcpRetries2) sk.backoff++;
  sk.pending = 'probe0';
  resetTimer(k, sk, sk.rtoTimer, now + probe0Time(sk));
}
/** Something was acknowledged while nothing is on its way (tcp_ack_probe). */
export function ackProbe(k: Kernel, sk: TcpSock): void {
  const head = sk.writeQueue[0];
  if (head === undefined) return;
  if (!after(head.endSeq, wndEnd(sk))) {
    sk.backoff = 0;
    sk.probesStamp = 0;
    if (sk.pending === 'probe0') clearRto(sk);
  } else {
    sk.pending = 'probe0';
    resetTimer(k, sk, sk.rtoTimer, k.time.now() + probe0Time(sk));
  }
}
function delackTimer(k: Kernel, sk: TcpSock): void {
  if ((sk.ackPending & ACK_SCHED) === 0) return;
  if (sk.ackPingpong === 0) sk.ackAto = Math.min(sk.ackAto * 2, sk.rto);
  else {
    sk.ackPingpong = 0;
    sk.ackAto = TCP_ATO_MIN;
  }
  k.net.mib.count('TcpExtDelayedACKs');
  sendAck(k, sk);
}
export const keepIdle = (k: Kernel, sk: TcpSock) => (sk.keepIdle !== 0 ? sk.keepIdle : k.net.tcpKeepaliveTime * SEC);
const keepIntvl = (k: Kernel, sk: TcpSock) => (sk.keepIntvl !== 0 ? sk.keepIntvl : k.net.tcpKeepaliveIntvl * SEC);
const keepCnt = (k: Kernel, sk: TcpSock) => (sk.keepCnt !== 0 ? sk.keepCnt : k.net.tcpKeepaliveProbes);
export const finTime = (k: Kernel, sk: TcpSock) => (sk.linger2 > 0 ? sk.linger2 : k.net.tcpFinTimeout * SEC);
/** tcp_keepalive_timer, which also ends FIN_WAIT2 of closed sockets. */
function keepaliveTimer(k: Kernel, sk: TcpSock): void {
  if (sk.state === TCP_LISTEN) return;
  if (sk.state === TCP_FIN_WAIT2 && sk.dead) {
    if (sk.linger2 >= 0) {
      const left = finTime(k, sk) - TCP_TIMEWAIT_LEN;
      if (left > 0) {
        timeWait(k, sk, TCP_FIN_WAIT2, left);
        return;
      }
    }
    sendActiveReset(k, sk);
    tcpDone(k, sk);
    return;
  }
  if (!sk.keepalive || sk.state === TCP_CLOSE || sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV) return;
  const now = k.time.now();
  let again = keepIdle(k, sk);
  if (sk.rtxQueue.length === 0 && sk.writeQueue.length === 0) {
    const idle = now - Math.max(sk.lastRcv, sk.lastAckRcv);
    if (idle >= again) {
      const over = sk.userTimeout !== 0 ? idle >= sk.userTimeout && sk.probesOut > 0 : sk.probesOut >= keepCnt(k, sk);
      if (over) {
        sendActiveReset(k, sk);
        writeErr(k, sk);
        return;
      }
      writeWakeup(k, sk);
      sk.probesOut++;
      again = keepIntvl(k, sk);
    } else again -= idle;
  }
  resetTimer(k, sk, sk.keepTimer, now + again);
}
/** reqsk_timer_handler: the last ACK of a handshake does not come, or the accept queue was full. */
function synackTimer(k: Kernel, req: TcpRequest): void {
  const { listener } = req;
  const limit = listener.synRetries !== 0 ? listener.synRetries : k.net.tcpSynackRetries;
  if (listener.state !== TCP_LISTEN || req.retries >= limit) {
    dropRequest(k, req);
    return;
  }
  req.retries++;
  k.net.mib.count('TcpRetransSegs');
  sendSynack(k, req);
  resetTimer(k, req, req.timer, k.time.now() + Math.min(TCP_TIMEOUT_INIT * 2 ** req.retries, TCP_RTO_MAX));
}
export const rtoOf = (srtt: number, rttvar: number) => {
  // Whole ticks of 4 ms, as usecs_to_jiffies rounds.
  const ns = (srtt / 8 + Math.max(rttvar, TCP_RTO_MIN / 1000)) * 1000;
  return Math.min(Math.ceil(ns / 4e6) * 4e6, TCP_RTO_MAX);
};
