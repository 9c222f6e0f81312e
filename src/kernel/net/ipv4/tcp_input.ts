import { ECONNREFUSED, ECONNRESET, EPIPE } from '../../../abi/errno.ts';
import * as S from '../../../abi/socket.ts';
import { TCP_MAX_QUICKACKS, TCP_MIN_MSS, TCP_MSS_DEFAULT, TH_ACK, TH_FIN, TH_PSH, TH_RST, TH_SYN, TH_URG } from '../../../abi/tcp.ts';
import { sendSigurg } from '../../fs/fasync.ts';
import type { Kernel } from '../../kernel.ts';
import { dataReady, stateChange } from '../core/sock.ts';
import type { IpPacket, TcpHeader } from './packet.ts';
import { hashEstablished, purgeWrite, tcpDone, timeWait } from './tcp_minisocks.ts';
import * as O from './tcp_output.ts';
import * as T from './tcp_sock.ts';
import { after, before, seqAdd, seqDiff, TcpSkb, type TcpSock } from './tcp_sock.ts';
import { ackProbe, finTime, keepIdle, resetTimer, rtoOf } from './tcp_timer.ts';

// TCP's receiving half (net/ipv4/tcp_input.c).

/** A segment on its way through the code: its numbers, and what is left of its data. */
export interface Arrival {
  readonly h: TcpHeader;
  readonly seq: number;
  readonly endSeq: number;
  readonly data: Uint8Array;
  readonly truesize: number;
}
export function arrivalOf(p: IpPacket, h: TcpHeader): Arrival {
  const extra = ((h.flags & TH_SYN) !== 0 ? 1 : 0) + ((h.flags & TH_FIN) !== 0 ? 1 : 0);
  return { h, seq: h.seq, endSeq: seqAdd(h.seq, p.data.length + extra), data: p.data, truesize: p.truesize };
}

/** tcp_reset: the peer gave the connection up. */
export function tcpReset(k: Kernel, sk: TcpSock): void {
  if (sk.state === S.TCP_CLOSE) return;
  sk.err = sk.state === S.TCP_SYN_SENT ? ECONNREFUSED : sk.state === S.TCP_CLOSE_WAIT ? EPIPE : ECONNRESET;
  purgeWrite(sk);
  tcpDone(k, sk);
  if (!sk.dead) stateChange(k, sk);
}

// Acknowledgements.

function enterQuickack(sk: TcpSock, max: number): void {
  const n = Math.min(Math.floor(sk.rcvWnd / (2 * sk.rcvMss)) || 2, max);
  sk.ackQuick = Math.max(sk.ackQuick, n);
}
const inQuickack = (sk: TcpSock) => sk.ackQuick > 0 && sk.ackPingpong === 0;
/** Answers something that does not fit at once (tcp_send_dupack). */
function sendDupack(k: Kernel, sk: TcpSock, a: Arrival): void {
  if (a.endSeq !== a.seq && before(a.seq, sk.rcvNxt)) enterQuickack(sk, TCP_MAX_QUICKACKS);
  O.sendAck(k, sk);
}
/** Acknowledges what came now or a little later (__tcp_ack_snd_check). */
export function ackSndCheck(k: Kernel, sk: TcpSock): void {
  if ((sk.ackPending & T.ACK_SCHED) === 0) return;
  const unacked = seqDiff(sk.rcvNxt, sk.rcvWup);
  const more = unacked > sk.rcvMss && (seqDiff(sk.rcvNxt, sk.copiedSeq) < sk.rcvlowat || O.selectWindow(sk) >= sk.rcvWnd);
  if (more || inQuickack(sk) || (sk.ackPending & T.ACK_NOW) !== 0) {
    O.sendAck(k, sk);
    return;
  }
  const ato = Math.min(Math.max(sk.ackAto, T.TCP_ATO_MIN), T.TCP_DELACK_MAX);
  if (sk.delackTimer.deadline === 0) resetTimer(k, sk, sk.delackTimer, k.time.now() + ato);
}
/** A measure of the round trip (tcp_rtt_estimator; RFC 6298), in µs. */
export function rttSample(sk: TcpSock, us: number): void {
  const m = Math.max(1, us);
  sk.minRtt = sk.minRtt === 0 ? m : Math.min(sk.minRtt, m);
  if (sk.srtt === 0) {
    sk.srtt = m * 8;
    sk.rttvar = Math.max(m * 2, T.TCP_RTO_MIN / 1000);
  } else {
    const d = m - sk.srtt / 8;
    sk.srtt = Math.max(8, sk.srtt + d);
    sk.rttvar = Math.max(sk.rttvar + (Math.abs(d) - sk.rttvar) / 4, T.TCP_RTO_MIN / 1000);
  }
  sk.rto = rtoOf(sk.srtt, sk.rttvar);
}
/** Takes what is acknowledged off the queue (tcp_clean_rtx_queue). */
function cleanRtx(k: Kernel, sk: TcpSock, ack: number): void {
  const now = k.time.now();
  let acked = 0;
  while (sk.rtxQueue.length > 0 && !after(sk.rtxQueue[0].endSeq, ack)) {
    const skb = sk.rtxQueue.shift()!;
    sk.wmemQueued -= skb.truesize;
    acked++;
    sk.delivered++;
    if (skb.retrans === 0) rttSample(sk, Math.floor((now - skb.sentAt) / 1000));
  }
  if (acked > 0) {
    sk.retransmits = 0;
    sk.backoff = 0;
    if (sk.srtt !== 0) sk.rto = rtoOf(sk.srtt, sk.rttvar);
    // Slow start, then one segment a window (tcp_reno_cong_avoid), only while the window was what held sending up.
    if (sk.cwndLimited || sk.cwnd < sk.ssthresh / 2) sk.cwnd += sk.cwndLimited ? (sk.cwnd < sk.ssthresh ? acked : acked / sk.cwnd) : 0;
  }
  if (sk.rtxQueue.length > 0) O.armRto(k, sk);
  else if (sk.pending === 'retrans') O.clearRto(sk);
}
/** tcp_ack: -1 for an acknowledgement of what was never sent. */
function tcpAck(k: Kernel, sk: TcpSock, a: Arrival): number {
  const { ack } = a.h;
  if (before(ack, sk.sndUna)) return 0;
  if (after(ack, sk.sndNxt)) return -1;
  if (after(ack, sk.sndUna)) {
    sk.bytesAcked += seqDiff(ack, sk.sndUna);
    sk.sndUp = before(sk.sndUp, ack) ? ack : sk.sndUp;
  }
  takeTimestamp(k, sk, a);
  const window = (a.h.flags & TH_SYN) !== 0 ? a.h.window : a.h.window * 2 ** sk.sndWscale;
  const moved = after(ack, sk.sndUna);
  if (moved || after(a.seq, sk.sndWl1) || (a.seq === sk.sndWl1 && (window > sk.sndWnd || window === 0))) {
    sk.sndWl1 = a.seq;
    if (window !== sk.sndWnd) {
      sk.sndWnd = window;
      if (window > sk.maxWindow) {
        sk.maxWindow = window;
        O.syncMss(sk);
      }
    }
  }
  sk.sndUna = ack;
  sk.probesOut = 0;
  sk.lastAckRcv = k.time.now();
  cleanRtx(k, sk, ack);
  if (sk.rtxQueue.length === 0) ackProbe(k, sk);
  return 1;
}
/** tcp_replace_ts_recent. */
function takeTimestamp(k: Kernel, sk: TcpSock, a: Arrival): void {
  if (!sk.tstamp || a.h.opts.ts === null || after(a.seq, sk.rcvWup)) return;
  if (!before(a.h.opts.ts[0], sk.tsRecent)) {
    sk.tsRecent = a.h.opts.ts[0];
    sk.tsRecentStamp = k.time.now();
  }
}

// Data.

/** The window may grow as the peer sends (tcp_grow_window). */
function growWindow(k: Kernel, sk: TcpSock, length: number, truesize: number): void {
  const room = Math.min(sk.windowClamp, O.freeSpace(sk)) - sk.rcvSsthresh;
  if (room <= 0) return;
  let incr = 0;
  if (O.winFromSpace(sk, truesize) <= length) incr = 2 * sk.advmss;
  else {
    let size = O.winFromSpace(sk, truesize) >> 1;
    let window = O.winFromSpace(sk, k.net.tcpRmem[2]) >> 1;
    while (sk.rcvSsthresh <= window && incr === 0) {
      if (size <= length) incr = 2 * sk.rcvMss;
      size >>= 1;
      window >>= 1;
    }
  }
  if (incr === 0) return;
  sk.rcvSsthresh += Math.min(room, Math.max(incr, 2 * length));
  sk.ackQuick |= 1;
}
/** tcp_measure_rcv_mss. */
function measureMss(sk: TcpSock, length: number, truesize: number, flags: number): void {
  if (length >= sk.rcvMss) {
    if (length !== sk.rcvMss) {
      const ratio = Math.floor((length * 256) / truesize) || 1;
      if (ratio !== sk.scalingRatio) {
        sk.scalingRatio = Math.min(ratio, 255);
        sk.windowClamp = Math.min(O.winFromSpace(sk, sk.rcvbuf), sk.windowClamp);
        sk.windowClamp = Math.max(sk.windowClamp, O.winFromSpace(sk, sk.rcvbuf));
        sk.spaceBytes = Math.min(sk.spaceBytes, sk.windowClamp);
      }
    }
    sk.rcvMss = Math.min(length, sk.advmss);
    if ((flags & TH_PSH) !== 0) sk.ackPending |= T.ACK_PUSHED;
    return;
  }
  if ((sk.ackPending & T.ACK_PUSHED) !== 0) sk.ackPending |= T.ACK_PUSHED2;
  sk.ackPending |= T.ACK_PUSHED;
}
/** tcp_event_data_recv. */
function dataReceived(k: Kernel, sk: TcpSock, length: number, truesize: number, flags: number): void {
  const now = k.time.now();
  sk.ackPending |= T.ACK_SCHED;
  measureMss(sk, length, truesize, flags);
  if (sk.tstamp) sk.rcvRtt = 1000;
  if (sk.ackAto === 0) {
    enterQuickack(sk, TCP_MAX_QUICKACKS);
    sk.ackAto = T.TCP_ATO_MIN;
  } else {
    const m = now - sk.lastRcv;
    if (m <= T.TCP_ATO_MIN / 2) sk.ackAto = (sk.ackAto >> 1) + T.TCP_ATO_MIN / 2;
    else if (m < sk.ackAto) sk.ackAto = Math.min((sk.ackAto >> 1) + m, sk.rto);
    else if (m > sk.rto) enterQuickack(sk, TCP_MAX_QUICKACKS);
  }
  sk.lastRcv = now;
  if (length >= 128) growWindow(k, sk, length, truesize);
}
/** Room in the receive buffer for one more piece; with none left the buffer may grow first (tcp_try_rmem_schedule, tcp_clamp_window). */
function rmemFits(k: Kernel, sk: TcpSock): boolean {
  if (sk.rmemAlloc <= sk.rcvbuf) return true;
  sk.ackQuick = 0;
  if (!sk.rcvbufLocked && sk.rcvbuf < k.net.tcpRmem[2]) sk.rcvbuf = Math.min(sk.rmemAlloc, k.net.tcpRmem[2]);
  if (sk.rmemAlloc > sk.rcvbuf) sk.rcvSsthresh = Math.min(sk.windowClamp, 2 * sk.advmss);
  return sk.rmemAlloc <= sk.rcvbuf;
}
const MAX_FRAGS = 17;
/** Appends to the receive queue; what is joined to the last piece costs no head (tcp_queue_rcv, tcp_try_coalesce). */
function queueRcv(sk: TcpSock, skb: TcpSkb): void {
  const frags = Math.max(1, Math.ceil(skb.data.length / 32768));
  const tail = sk.rcvQueue.at(-1);
  if (tail !== undefined && skb.data.length > 0 && tail.data.length > 0 && sk.tailFrags + frags <= MAX_FRAGS && (tail.flags & TH_FIN) === 0) {
    skb.truesize -= O.TX_HEAD;
    sk.tailFrags += frags;
  } else sk.tailFrags = frags;
  sk.rcvQueue.push(skb);
  sk.rmemAlloc += skb.truesize;
  sk.rcvNxt = skb.endSeq;
  sk.bytesReceived += skb.data.length;
}
function skbOf(a: Arrival, from: number): TcpSkb {
  const skip = seqDiff(from, a.seq);
  // A SYN counts before the data.
  return new TcpSkb(from, a.endSeq, a.h.flags, skip > 0 ? a.data.subarray(skip) : a.data, a.truesize);
}
/** tcp_data_queue. */
function dataQueue(k: Kernel, sk: TcpSock, a: Arrival): void {
  if (a.endSeq === a.seq) return;
  const window = O.receiveWindow(sk);
  if (!after(a.endSeq, sk.rcvNxt)) {
    enterQuickack(sk, TCP_MAX_QUICKACKS);
    sk.ackPending |= T.ACK_SCHED;
    return;
  }
  if (!before(a.seq, seqAdd(sk.rcvNxt, window)) || (a.seq === sk.rcvNxt && window === 0)) {
    enterQuickack(sk, TCP_MAX_QUICKACKS);
    sk.ackPending |= T.ACK_SCHED;
    return;
  }
  if (after(a.seq, sk.rcvNxt)) {
    outOfOrder(k, sk, a);
    return;
  }
  if (sk.rcvQueue.length > 0 && !rmemFits(k, sk)) {
    k.net.mib.count('TcpExtTCPRcvQDrop');
    sk.ackPending |= T.ACK_SCHED | T.ACK_NOW;
    return;
  }
  const skb = skbOf(a, sk.rcvNxt);
  queueRcv(sk, skb);
  if (skb.data.length > 0) dataReceived(k, sk, skb.data.length, a.truesize, a.h.flags);
  if ((a.h.flags & TH_FIN) !== 0) tcpFin(k, sk);
  takeOutOfOrder(k, sk);
  if (!sk.dead) readable(k, sk);
}
/** tcp_data_ready: enough for SO_RCVLOWAT. */
function readable(k: Kernel, sk: TcpSock): void {
  const avail = seqDiff(sk.rcvNxt, sk.copiedSeq);
  if (avail < sk.rcvlowat && !sk.fin && sk.shutdown === 0 && O.receiveWindow(sk) > sk.rcvMss) return;
  dataReady(k, sk);
}
function outOfOrder(k: Kernel, sk: TcpSock, a: Arrival): void {
  sk.ackPending |= T.ACK_SCHED | T.ACK_NOW;
  if (!rmemFits(k, sk)) {
    k.net.mib.count('TcpExtTCPOFODrop');
    return;
  }
  sk.rcvOoopack++;
  k.net.mib.count('TcpExtTCPOFOQueue');
  const skb = skbOf(a, a.seq);
  let i = sk.ofoQueue.length;
  while (i > 0 && after(sk.ofoQueue[i - 1].seq, skb.seq)) i--;
  sk.ofoQueue.splice(i, 0, skb);
  sk.rmemAlloc += skb.truesize;
}
/** What waited for the bytes before it goes to the receive queue (tcp_ofo_queue). */
function takeOutOfOrder(k: Kernel, sk: TcpSock): void {
  while (sk.ofoQueue.length > 0 && !after(sk.ofoQueue[0].seq, sk.rcvNxt)) {
    const skb = sk.ofoQueue.shift()!;
    sk.rmemAlloc -= skb.truesize;
    if (!after(skb.endSeq, sk.rcvNxt)) continue;
    skb.data = skb.data.subarray(seqDiff(sk.rcvNxt, skb.seq));
    skb.seq = sk.rcvNxt;
    queueRcv(sk, skb);
    if ((skb.flags & TH_FIN) !== 0) tcpFin(k, sk);
  }
}
/** The peer sends no more (tcp_fin). */
function tcpFin(k: Kernel, sk: TcpSock): void {
  sk.ackPending |= T.ACK_SCHED;
  sk.shutdown |= S.RCV_SHUTDOWN;
  sk.fin = true;
  switch (sk.state) {
    case S.TCP_SYN_RECV:
    case S.TCP_ESTABLISHED:
      sk.state = S.TCP_CLOSE_WAIT;
      sk.ackPingpong = Math.max(sk.ackPingpong, 1);
      break;
    case S.TCP_FIN_WAIT1:
      // Both close at once.
      O.sendAck(k, sk);
      sk.state = S.TCP_CLOSING;
      break;
    case S.TCP_FIN_WAIT2:
      O.sendAck(k, sk);
      timeWait(k, sk, S.TCP_TIME_WAIT, 0);
      break;
  }
  for (const skb of sk.ofoQueue.splice(0)) sk.rmemAlloc -= skb.truesize;
  if (!sk.dead) stateChange(k, sk);
}
/** Urgent data: where it is, and its byte when it is here (tcp_urg). */
function urgent(k: Kernel, sk: TcpSock, a: Arrival): void {
  if ((a.h.flags & TH_URG) !== 0) {
    const at = seqAdd(a.seq, a.h.urgPtr - 1);
    const old = after(sk.copiedSeq, at) || before(at, sk.rcvNxt) || (sk.urg !== -1 && !after(at, sk.urgSeq));
    if (!old) {
      if (sk.urgSeq === sk.copiedSeq && sk.urg !== -1 && !sk.oobinline && sk.copiedSeq !== sk.rcvNxt) {
        // The byte that was urgent before and that nobody read is passed over.
        sk.copiedSeq = seqAdd(sk.copiedSeq, 1);
        const head = sk.rcvQueue[0];
        if (head !== undefined && !before(sk.copiedSeq, head.endSeq)) {
          sk.rcvQueue.shift();
          sk.rmemAlloc -= head.truesize;
        }
      }
      sk.urg = -2;
      sk.urgSeq = at;
      if (sk.file !== null) sendSigurg(k, sk.file);
    }
  }
  if (sk.urg !== -2) return;
  const offset = seqDiff(sk.urgSeq, a.seq);
  if (offset < 0 || offset >= a.data.length) return;
  sk.urg = a.data[offset];
  if (!sk.dead) dataReady(k, sk);
}

/** Checks that come before anything else (tcp_validate_incoming): false when the segment is done with. */
function validate(k: Kernel, sk: TcpSock, a: Arrival): boolean {
  const rst = (a.h.flags & TH_RST) !== 0;
  if (sk.tstamp && a.h.opts.ts !== null && before(a.h.opts.ts[0], sk.tsRecent) && !rst) {
    k.net.mib.count('TcpExtPAWSEstab');
    sendDupack(k, sk, a);
    return false;
  }
  const outside = before(a.endSeq, sk.rcvWup) || after(a.seq, seqAdd(sk.rcvNxt, O.receiveWindow(sk)));
  if (outside) {
    if (!rst) sendDupack(k, sk, a);
    else if (a.seq === seqAdd(sk.rcvNxt, -1) && sk.fin) tcpReset(k, sk);
    return false;
  }
  if (rst) {
    if (a.seq === sk.rcvNxt || (sk.fin && a.seq === seqAdd(sk.rcvNxt, -1))) tcpReset(k, sk);
    else O.sendAck(k, sk);
    return false;
  }
  if ((a.h.flags & TH_SYN) !== 0) {
    k.net.mib.count('TcpExtTCPSYNChallenge');
    O.sendAck(k, sk);
    return false;
  }
  return true;
}
/** A segment for a connection in any state but LISTEN (tcp_rcv_established, tcp_rcv_state_process): true when a RST is the answer. */
export function rcvStateProcess(k: Kernel, sk: TcpSock, a: Arrival): boolean {
  if (sk.state === S.TCP_CLOSE) return (a.h.flags & TH_RST) === 0;
  sk.segsIn++;
  if (a.data.length > 0) sk.dataSegsIn++;
  if (sk.state === S.TCP_SYN_SENT) return synSent(k, sk, a);
  if (!validate(k, sk, a)) return false;
  if ((a.h.flags & TH_ACK) === 0) return false;
  if (tcpAck(k, sk, a) < 0) {
    if (sk.state === S.TCP_SYN_RECV) return true;
    O.sendAck(k, sk);
    return false;
  }
  const next = ackStates(k, sk, a);
  if (next !== 'on') return next === 'rst';
  urgent(k, sk, a);
  switch (sk.state) {
    case S.TCP_CLOSE_WAIT:
    case S.TCP_CLOSING:
    case S.TCP_LAST_ACK:
    case S.TCP_FIN_WAIT1:
    case S.TCP_FIN_WAIT2:
      // Nothing new can come after the peer's FIN.
      if (sk.fin && !before(a.seq, sk.rcvNxt)) break;
      // Data after our side said that it reads no more.
      if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0 && a.endSeq !== a.seq && after(seqAdd(a.endSeq, (a.h.flags & TH_FIN) !== 0 ? -1 : 0), sk.rcvNxt)) {
        k.net.mib.count('TcpExtTCPAbortOnData');
        tcpReset(k, sk);
        return true;
      }
      dataQueue(k, sk, a);
      break;
    case S.TCP_ESTABLISHED:
      dataQueue(k, sk, a);
      break;
  }
  if ((sk.state as number) !== S.TCP_CLOSE) {
    O.dataSndCheck(k, sk);
    ackSndCheck(k, sk);
  }
  return false;
}
/** What an acknowledgement changes in the states after ESTABLISHED: go on with the segment, it is done with, or a RST is the answer. */
function ackStates(k: Kernel, sk: TcpSock, a: Arrival): 'on' | 'done' | 'rst' {
  switch (sk.state) {
    case S.TCP_SYN_RECV:
      // Both sides connected to each other at once.
      sk.state = S.TCP_ESTABLISHED;
      initTransfer(k, sk);
      stateChange(k, sk);
      return 'on';
    case S.TCP_FIN_WAIT1: {
      if (sk.sndUna !== sk.writeSeq) return 'on';
      sk.state = S.TCP_FIN_WAIT2;
      sk.shutdown |= S.SEND_SHUTDOWN;
      if (!sk.dead) {
        stateChange(k, sk);
        return 'on';
      }
      const more = a.endSeq !== a.seq && after(seqAdd(a.endSeq, (a.h.flags & TH_FIN) !== 0 ? -1 : 0), sk.rcvNxt);
      if (sk.linger2 < 0 || more) {
        tcpDone(k, sk);
        if (more) k.net.mib.count('TcpExtTCPAbortOnData');
        return 'rst';
      }
      const tmo = finTime(k, sk);
      if (tmo > T.TCP_TIMEWAIT_LEN) resetTimer(k, sk, sk.keepTimer, k.time.now() + tmo - T.TCP_TIMEWAIT_LEN);
      else if ((a.h.flags & TH_FIN) !== 0) resetTimer(k, sk, sk.keepTimer, k.time.now() + tmo);
      else {
        timeWait(k, sk, S.TCP_FIN_WAIT2, tmo);
        return 'done';
      }
      return 'on';
    }
    case S.TCP_CLOSING:
      if (sk.sndUna !== sk.writeSeq) return 'on';
      timeWait(k, sk, S.TCP_TIME_WAIT, 0);
      return 'done';
    case S.TCP_LAST_ACK:
      if (sk.sndUna !== sk.writeSeq) return 'on';
      tcpDone(k, sk);
      return 'done';
  }
  return 'on';
}
/** Options of a SYN or SYN+ACK from the peer. */
function takeSynOptions(k: Kernel, sk: TcpSock, h: TcpHeader): void {
  sk.tstamp = sk.tstamp && h.opts.ts !== null;
  sk.sackOk = sk.sackOk && h.opts.sackPermitted;
  if (h.opts.ts !== null) {
    sk.tsRecent = h.opts.ts[0];
    sk.tsRecentStamp = k.time.now();
  }
  sk.wscaleOk = h.opts.wscale >= 0;
  if (sk.wscaleOk) sk.sndWscale = h.opts.wscale;
  else {
    sk.sndWscale = sk.rcvWscale = 0;
    sk.windowClamp = Math.min(sk.windowClamp, 65535);
  }
  sk.mssClamp = Math.min(sk.mssClamp === 0 ? 0xffff : sk.mssClamp, h.opts.mss === 0 ? TCP_MSS_DEFAULT : h.opts.mss);
  if (sk.tstamp) sk.advmss -= 12;
}
/** tcp_rcv_synsent_state_process. */
function synSent(k: Kernel, sk: TcpSock, a: Arrival): boolean {
  const { flags } = a.h;
  if ((flags & TH_ACK) !== 0) {
    if (!after(a.h.ack, sk.sndUna) || after(a.h.ack, sk.sndNxt)) return (flags & TH_RST) === 0;
    if ((flags & TH_RST) !== 0) {
      tcpReset(k, sk);
      return false;
    }
    if ((flags & TH_SYN) === 0) return false;
    sk.irs = a.seq;
    sk.rcvNxt = sk.rcvWup = sk.copiedSeq = seqAdd(a.seq, 1);
    takeSynOptions(k, sk, a.h);
    sk.sndWl1 = a.seq;
    tcpAck(k, sk, a);
    sk.sndWnd = a.h.window;
    O.syncMss(sk);
    initializeRcvMss(sk);
    sk.state = S.TCP_ESTABLISHED;
    initTransfer(k, sk);
    if (!sk.dead) stateChange(k, sk);
    O.sendAck(k, sk);
    return false;
  }
  if ((flags & TH_RST) !== 0 || (flags & TH_SYN) === 0) return false;
  // A SYN without ACK: both sides connect at once.
  sk.state = S.TCP_SYN_RECV;
  sk.irs = a.seq;
  sk.rcvNxt = sk.rcvWup = sk.copiedSeq = seqAdd(a.seq, 1);
  takeSynOptions(k, sk, a.h);
  sk.sndWl1 = a.seq;
  sk.sndWnd = sk.maxWindow = a.h.window;
  O.syncMss(sk);
  initializeRcvMss(sk);
  // Our own SYN goes again, now with an ACK.
  const syn = sk.rtxQueue[0];
  if (syn !== undefined) syn.flags |= TH_ACK;
  O.retransmitHead(k, sk);
  return false;
}
export function initializeRcvMss(sk: TcpSock): void {
  const hint = Math.min(sk.advmss, sk.mssCache, Math.floor(sk.rcvWnd / 2), TCP_MSS_DEFAULT);
  sk.rcvMss = Math.max(hint, TCP_MIN_MSS);
}
/** A connection begins to carry data (tcp_init_transfer). */
export function initTransfer(k: Kernel, sk: TcpSock): void {
  const now = k.time.now();
  sk.lastRcv = sk.lastAckRcv = sk.lastDataSent = now;
  if (!sk.sndbufLocked) O.expandSndbuf(k, sk);
  // tcp_init_buffer_space
  const max = O.fullSpace(sk);
  if (sk.windowClamp >= max) sk.windowClamp = max;
  sk.spaceBytes = Math.min(sk.rcvWnd, TCP_INIT_SPACE * sk.advmss);
  sk.spaceSeq = sk.copiedSeq;
  sk.spaceTime = now;
  sk.rcvSsthresh = Math.min(sk.rcvSsthresh, sk.windowClamp);
  if (sk.keepalive) resetTimer(k, sk, sk.keepTimer, now + keepIdle(k, sk));
  hashEstablished(k, sk);
}
const TCP_INIT_SPACE = 10;
/** The receive buffer follows what the reader takes in a round trip (tcp_rcv_space_adjust). */
export function rcvSpaceAdjust(k: Kernel, sk: TcpSock): void {
  const now = k.time.now();
  if (sk.rcvRtt === 0 || (now - sk.spaceTime) / 1000 < sk.rcvRtt >> 3) return;
  const copied = seqDiff(sk.copiedSeq, sk.spaceSeq);
  if (copied > sk.spaceBytes) {
    if (!sk.rcvbufLocked) {
      let window = copied * 2 + 16 * sk.advmss;
      const grow = Math.floor((window * (copied - sk.spaceBytes)) / sk.spaceBytes);
      window += grow * 2;
      const space = Math.min(Math.floor((window * 256) / sk.scalingRatio), k.net.tcpRmem[2]);
      if (space > sk.rcvbuf) {
        sk.rcvbuf = space;
        sk.windowClamp = O.winFromSpace(sk, space);
      }
    }
    sk.spaceBytes = copied;
  }
  sk.spaceSeq = sk.copiedSeq;
  sk.spaceTime = now;
}
/** After a reader took bytes: tells the peer of room, or acknowledges (__tcp_cleanup_rbuf). */
export function cleanupRbuf(k: Kernel, sk: TcpSock, copied: number): void {
  let now = false;
  if ((sk.ackPending & T.ACK_SCHED) !== 0) {
    const pushed = (sk.ackPending & T.ACK_PUSHED2) !== 0 || ((sk.ackPending & T.ACK_PUSHED) !== 0 && sk.ackPingpong === 0);
    if (seqDiff(sk.rcvNxt, sk.rcvWup) > sk.rcvMss || (copied > 0 && pushed && sk.rmemAlloc === 0)) now = true;
  }
  if (copied > 0 && !now && (sk.shutdown & S.RCV_SHUTDOWN) === 0) {
    const window = O.receiveWindow(sk);
    if (2 * window <= sk.windowClamp) {
      const next = O.selectWindow(sk);
      if (next !== 0 && next >= 2 * window) now = true;
    }
  }
  if (now) O.sendAck(k, sk);
}
