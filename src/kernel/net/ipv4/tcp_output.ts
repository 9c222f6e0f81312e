import { IPPROTO_TCP } from '../../../abi/in.ts';
import { TCP_CLOSE } from '../../../abi/socket.ts';
import { TCP_INIT_CWND, TCP_MSS_DEFAULT, TH_ACK, TH_FIN, TH_PSH, TH_RST, TH_SYN, TH_URG } from '../../../abi/tcp.ts';
import type { Kernel } from '../../kernel.ts';
import { truesizeOf } from '../core/skbuff.ts';
import { writeSpace } from '../core/sock.ts';
import { hopLimit, ipXmit } from './ip_output.ts';
import { type IpAddr, isV4 } from './ip_addr.ts';
import type { TcpHeader, TcpOptions } from './packet.ts';
import { resetTimer, stopTimer } from './tcp_timer.ts';
import * as T from './tcp_sock.ts';
import { after, before, seqAdd, seqDiff, TcpSkb, type TcpSock } from './tcp_sock.ts';

// TCP's sending half (net/ipv4/tcp_output.c).

/** sizeof of TCP's header with the timestamps of every segment. */
const TS_LENGTH = 12;
/** Sending needs a small head for the headers; the bytes are in page fragments. */
export const TX_HEAD = truesizeOf(320, 0, true);
const MTU = 65536;
const headerOf = (v4: boolean) => (v4 ? 40 : 60);
/** tcp_mtu_to_mss for lo; the MTU of IPv4 ends at 65535. */
export const mtuMss = (v4: boolean) => (v4 ? 65535 - 40 : MTU - 60);
/** The MSS that is announced (ipv4_default_advmss: of lo's 65536 bytes, to what the header can hold). */
export const advmssOf = (v4: boolean) => Math.min(MTU - headerOf(v4), v4 ? 65495 : 65476);
export const tsNow = (k: Kernel, offset: number) => (Math.floor(k.time.now() / T.MSEC) + offset) >>> 0;

export const fullSpace = (sk: TcpSock) => winFromSpace(sk, sk.rcvbuf);
export const winFromSpace = (sk: TcpSock, space: number) => Math.floor((space * sk.scalingRatio) / 256);
export const freeSpace = (sk: TcpSock) => winFromSpace(sk, sk.rcvbuf - sk.rmemAlloc);
/** What the peer may still send (tcp_receive_window). */
export const receiveWindow = (sk: TcpSock) => Math.max(0, seqDiff(seqAdd(sk.rcvWup, sk.rcvWnd), sk.rcvNxt));
export const wndEnd = (sk: TcpSock) => seqAdd(sk.sndUna, sk.sndWnd);

/** tcp_bound_to_half_wnd: never more than half of the largest window seen. */
function boundToHalf(sk: TcpSock, n: number): number {
  const cutoff = sk.maxWindow > TCP_MSS_DEFAULT ? sk.maxWindow >>> 1 : sk.maxWindow;
  return cutoff !== 0 && n > cutoff ? Math.max(cutoff, 68 - 20) : n;
}
const optionsLength = (sk: TcpSock) => (sk.tstamp ? TS_LENGTH : 0);
export function syncMss(sk: TcpSock): void {
  const v4 = isV4(sk.daddr);
  let mss = mtuMss(v4) - optionsLength(sk);
  if (sk.mssClamp !== 0) mss = Math.min(mss, sk.mssClamp - optionsLength(sk));
  sk.mssCache = Math.max(boundToHalf(sk, mss), 48);
}
/** How long one piece in the queue gets (tcp_xmit_size_goal): lo takes one segment of at most 64 KiB. */
export function sizeGoal(sk: TcpSock): number {
  const goal = boundToHalf(sk, 65215);
  return Math.max(Math.floor(goal / sk.mssCache), 1) * sk.mssCache;
}

/** What to announce (__tcp_select_window). */
export function selectWindow(sk: TcpSock): number {
  const allowed = fullSpace(sk);
  let free = freeSpace(sk);
  const full = Math.min(sk.windowClamp, allowed);
  let mss = sk.rcvMss;
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  if (free < full >> 1) {
    sk.ackQuick = 0;
    free = (free >> sk.rcvWscale) << sk.rcvWscale;
    if (free < allowed >> 4 || free < mss) return 0;
  }
  free = Math.min(free, sk.rcvSsthresh);
  if (sk.rcvWscale !== 0) {
    const unit = 1 << sk.rcvWscale;
    return Math.ceil(free / unit) * unit;
  }
  let window = sk.rcvWnd;
  if (window <= free - mss || window > free) window = Math.floor(free / mss) * mss;
  else if (mss === full && free > window + (full >> 1)) window = free;
  return window;
}
/** tcp_select_window: never less than was announced. */
function announceWindow(sk: TcpSock): number {
  const current = receiveWindow(sk);
  let window = selectWindow(sk);
  if (window < current) window = Math.ceil(current / (1 << sk.rcvWscale)) * (1 << sk.rcvWscale);
  sk.rcvWnd = window;
  sk.rcvWup = sk.rcvNxt;
  if (sk.rcvWscale === 0) return Math.min(window, 65535);
  return Math.min(window, 65535 * (1 << sk.rcvWscale)) >>> sk.rcvWscale;
}

const NO_OPTIONS: TcpOptions = { mss: 0, wscale: -1, sackPermitted: false, ts: null };
interface Segment {
  readonly saddr: IpAddr;
  readonly daddr: IpAddr;
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgPtr?: number;
  readonly opts?: TcpOptions;
  readonly data?: Uint8Array;
  readonly truesize?: number;
  readonly ttl?: number;
  readonly tos?: number;
}
const EMPTY = new Uint8Array(0);
export function sendSegment(k: Kernel, s: Segment): void {
  const header: TcpHeader = {
    kind: 'tcp',
    sport: s.sport,
    dport: s.dport,
    seq: s.seq,
    ack: s.ack,
    flags: s.flags,
    window: s.window,
    urgPtr: s.urgPtr ?? 0,
    opts: s.opts ?? NO_OPTIONS,
  };
  k.net.mib.count('TcpOutSegs');
  if ((s.flags & TH_RST) !== 0) k.net.mib.count('TcpOutRsts');
  ipXmit(k, {
    saddr: s.saddr,
    daddr: s.daddr,
    protocol: IPPROTO_TCP,
    tos: s.tos ?? 0,
    ttl: s.ttl ?? 64,
    df: true,
    id: k.net.nextIpId++ & 0xffff,
    header,
    data: s.data ?? EMPTY,
    truesize: s.truesize ?? TX_HEAD,
  });
}
const tsOption = (k: Kernel, sk: TcpSock): TcpOptions['ts'] => (sk.tstamp ? [tsNow(k, sk.tsOffset), sk.tsRecent] : null);

/** Sends a segment of a connection (__tcp_transmit_skb). */
function transmit(k: Kernel, sk: TcpSock, seq: number, flags: number, data: Uint8Array, truesize: number): void {
  let f = flags;
  let urgPtr = 0;
  if (after(sk.sndUp, sk.sndUna) && before(seq, sk.sndUp)) {
    const up = seqDiff(sk.sndUp, seq);
    if (up < 0x10000) {
      urgPtr = up;
      f |= TH_URG;
    }
  }
  const syn = (flags & TH_SYN) !== 0;
  const window = syn ? Math.min(sk.rcvWnd, 65535) : announceWindow(sk);
  const opts: TcpOptions = syn
    ? { mss: sk.advmss, wscale: sk.wscaleOk ? sk.rcvWscale : -1, sackPermitted: sk.sackOk, ts: tsOption(k, sk) }
    : { mss: 0, wscale: -1, sackPermitted: false, ts: tsOption(k, sk) };
  sk.segsOut++;
  if ((f & TH_ACK) !== 0) ackSent(sk);
  if (data.length > 0) {
    sk.dataSegsOut++;
    sk.bytesSent += data.length;
    const now = k.time.now();
    // Data soon after data: a conversation, in which acknowledgements ride along (tcp_event_data_sent).
    if (now - sk.lastRcv < sk.ackAto) sk.ackPingpong = Math.min(sk.ackPingpong + 1, 255);
    sk.lastDataSent = now;
  }
  sendSegment(k, {
    saddr: sk.saddr,
    daddr: sk.daddr,
    sport: sk.num,
    dport: sk.dport,
    seq,
    ack: (f & TH_ACK) !== 0 ? sk.rcvNxt : 0,
    flags: f,
    window,
    urgPtr,
    opts,
    data,
    truesize,
    ttl: hopLimit(k, sk, sk.daddr),
    tos: isV4(sk.daddr) ? sk.tos : sk.tclass,
  });
}
/** tcp_event_ack_sent. */
function ackSent(sk: TcpSock): void {
  if (sk.ackQuick > 0) sk.ackQuick--;
  sk.ackPending = 0;
  stopTimer(sk.delackTimer);
}
export function sendAck(k: Kernel, sk: TcpSock): void {
  if (sk.state === TCP_CLOSE) return;
  transmit(k, sk, sk.sndNxt, TH_ACK, EMPTY, TX_HEAD);
}
/** tcp_send_active_reset. */
export function sendActiveReset(k: Kernel, sk: TcpSock): void {
  transmit(k, sk, before(wndEnd(sk), sk.sndNxt) ? wndEnd(sk) : sk.sndNxt, TH_ACK | TH_RST, EMPTY, TX_HEAD);
}
function transmitSkb(k: Kernel, sk: TcpSock, skb: TcpSkb): void {
  skb.sentAt = k.time.now();
  transmit(k, sk, skb.seq, skb.flags, skb.data, skb.truesize);
}

/** Bytes for the end of the stream: joined to the last unsent piece while it has room. Returns how many were taken. */
export function queueBytes(sk: TcpSock, bytes: Uint8Array, goal: number): number {
  const tail = sk.writeQueue.at(-1);
  if (tail !== undefined && (tail.flags & TH_FIN) === 0 && tail.data.length < goal) {
    const n = Math.min(bytes.length, goal - tail.data.length);
    appendTo(tail, bytes.subarray(0, n), goal);
    tail.endSeq = seqAdd(tail.endSeq, n);
    tail.truesize += n;
    sk.wmemQueued += n;
    sk.writeSeq = seqAdd(sk.writeSeq, n);
    return n;
  }
  const n = Math.min(bytes.length, goal);
  const end = seqAdd(sk.writeSeq, n);
  const skb = new TcpSkb(sk.writeSeq, end, TH_ACK, bytes.subarray(0, n), TX_HEAD + n);
  sk.writeQueue.push(skb);
  sk.wmemQueued += skb.truesize;
  sk.writeSeq = end;
  return n;
}
function appendTo(skb: TcpSkb, bytes: Uint8Array, goal: number): void {
  const used = skb.data.length;
  if (skb.room === null || skb.room.length < used + bytes.length) {
    skb.room = new Uint8Array(Math.min(goal, Math.max(2 * (used + bytes.length), 1024)));
    skb.room.set(skb.data);
  }
  skb.room.set(bytes, used);
  skb.data = skb.room.subarray(0, used + bytes.length);
}

/** Cuts `skb` (first of the write queue) after `length` bytes (tcp_fragment). */
function fragment(sk: TcpSock, skb: TcpSkb, length: number): void {
  const rest = new TcpSkb(seqAdd(skb.seq, length), skb.endSeq, skb.flags, skb.data.subarray(length), TX_HEAD + skb.data.length - length);
  sk.wmemQueued += TX_HEAD;
  skb.truesize -= skb.data.length - length;
  skb.data = skb.data.subarray(0, length);
  skb.room = null;
  skb.endSeq = rest.seq;
  skb.flags &= ~(TH_FIN | TH_PSH);
  sk.writeQueue.splice(1, 0, rest);
}
/** tcp_nagle_check: a small segment waits for the acknowledgement of the one before. */
function nagleHolds(sk: TcpSock, partial: boolean, nonagle: number): boolean {
  if (!partial) return false;
  if ((nonagle & T.NAGLE_CORK) !== 0) return true;
  return nonagle === 0 && sk.rtxQueue.length > 0 && after(sk.sndSml, sk.sndUna) && !after(sk.sndSml, sk.sndNxt);
}
/** Sends what windows allow; whether data waits with nothing on its way (tcp_write_xmit). */
function writeXmit(k: Kernel, sk: TcpSock, nonagle: number): boolean {
  const mss = sk.mssCache;
  sk.cwndLimited = false;
  for (let skb = sk.writeQueue[0] as TcpSkb | undefined; skb !== undefined; skb = sk.writeQueue[0]) {
    if (sk.rtxQueue.length >= sk.cwnd) {
      sk.cwndLimited = true;
      break;
    }
    const end = wndEnd(sk);
    const first = skb.data.length > mss ? seqAdd(skb.seq, mss) : skb.endSeq;
    if (after(first, end)) break;
    const fin = (skb.flags & TH_FIN) !== 0;
    if (skb.data.length <= mss) {
      const push = (nonagle & T.NAGLE_PUSH) !== 0 || fin || after(sk.sndUp, sk.sndUna);
      if (!push && nagleHolds(sk, skb.data.length < mss, nonagle)) break;
    } else {
      const window = seqDiff(end, skb.seq);
      let n = Math.min(skb.data.length, window);
      const partial = n % mss;
      if (n > mss && partial !== 0 && nagleHolds(sk, true, nonagle)) n -= partial;
      if (n < skb.data.length) fragment(sk, skb, n);
    }
    sk.writeQueue.shift();
    sk.rtxQueue.push(skb);
    sk.sndNxt = skb.endSeq;
    if (skb.data.length < mss) sk.sndSml = skb.endSeq;
    transmitSkb(k, sk, skb);
    if (sk.pending !== 'retrans') armRto(k, sk);
  }
  return sk.rtxQueue.length === 0 && sk.writeQueue.length > 0;
}
export function armRto(k: Kernel, sk: TcpSock): void {
  sk.pending = 'retrans';
  resetTimer(k, sk, sk.rtoTimer, k.time.now() + Math.min(sk.rto, T.TCP_RTO_MAX));
}
export function clearRto(sk: TcpSock): void {
  sk.pending = 'none';
  stopTimer(sk.rtoTimer);
}
export const probe0Time = (sk: TcpSock) => Math.min(Math.max(sk.rto, T.TCP_RTO_MIN) * 2 ** sk.backoff, T.TCP_RTO_MAX);
/** __tcp_push_pending_frames. */
export function pushPending(k: Kernel, sk: TcpSock, nonagle = sk.nonagle): void {
  if (sk.state === TCP_CLOSE || sk.writeQueue.length === 0) return;
  if (writeXmit(k, sk, nonagle) && sk.pending === 'none') {
    sk.pending = 'probe0';
    resetTimer(k, sk, sk.rtoTimer, k.time.now() + probe0Time(sk));
  }
}
export function sendFin(k: Kernel, sk: TcpSock): void {
  const tail = sk.writeQueue.at(-1);
  if (tail !== undefined) {
    tail.flags |= TH_FIN;
    tail.endSeq = seqAdd(tail.endSeq, 1);
    sk.writeSeq = seqAdd(sk.writeSeq, 1);
  } else {
    const skb = new TcpSkb(sk.writeSeq, seqAdd(sk.writeSeq, 1), TH_ACK | TH_FIN, EMPTY, TX_HEAD);
    sk.writeQueue.push(skb);
    sk.wmemQueued += skb.truesize;
    sk.writeSeq = skb.endSeq;
  }
  pushPending(k, sk, T.NAGLE_OFF);
}
export function markPush(sk: TcpSock): void {
  const tail = sk.writeQueue.at(-1);
  if (tail !== undefined) tail.flags |= TH_PSH;
  sk.pushedSeq = sk.writeSeq;
}

/** Sends the first unacknowledged piece again (tcp_retransmit_skb). */
export function retransmitHead(k: Kernel, sk: TcpSock): void {
  const skb = sk.rtxQueue[0];
  if (skb === undefined) return;
  if (before(skb.seq, sk.sndUna)) {
    const n = Math.min(seqDiff(sk.sndUna, skb.seq), skb.data.length);
    skb.data = skb.data.subarray(n);
    skb.seq = seqAdd(skb.seq, n);
  }
  skb.retrans++;
  sk.totalRetrans++;
  sk.bytesRetrans += skb.data.length;
  k.net.mib.count('TcpRetransSegs');
  transmitSkb(k, sk, skb);
}
/** A segment that makes the peer answer: what is next, as far as its window reaches, else an old sequence number (tcp_write_wakeup). */
export function writeWakeup(k: Kernel, sk: TcpSock): void {
  const skb = sk.writeQueue[0];
  if (skb !== undefined && before(skb.seq, wndEnd(sk))) {
    const n = Math.min(seqDiff(wndEnd(sk), skb.seq), sk.mssCache);
    if (n < skb.data.length) fragment(sk, skb, n);
    skb.flags |= TH_PSH;
    sk.writeQueue.shift();
    sk.rtxQueue.push(skb);
    sk.sndNxt = skb.endSeq;
    if (skb.data.length < sk.mssCache) sk.sndSml = skb.endSeq;
    transmitSkb(k, sk, skb);
    return;
  }
  transmit(k, sk, seqAdd(sk.sndUna, -1), TH_ACK, EMPTY, TX_HEAD);
}

/** The first window and its scale (tcp_select_initial_window). */
export function initialWindow(k: Kernel, rcvbuf: number, mss: number, clamp: number): { window: number; wscale: number } {
  const max = clamp === 0 ? 65535 << 14 : clamp;
  let space = Math.min(rcvbuf >> 1, max);
  if (space > mss) space -= space % mss;
  const window = Math.min(space, 65535);
  const largest = Math.min(Math.max(space, k.net.tcpRmem[2], k.net.rmemMax), max);
  return { window, wscale: Math.min(Math.max(31 - Math.clz32(largest) - 15, 0), 14) };
}
/** tcp_connect_init and tcp_connect. */
export function sendSyn(k: Kernel, sk: TcpSock): void {
  const v4 = isV4(sk.daddr);
  sk.tstamp = true;
  sk.sackOk = true;
  sk.wscaleOk = true;
  sk.mssClamp = sk.userMss !== 0 ? Math.min(sk.userMss, 65535) : 0xffff;
  sk.maxWindow = 0;
  sk.advmss = sk.userMss !== 0 ? Math.min(sk.userMss, advmssOf(v4)) : advmssOf(v4);
  syncMss(sk);
  const { window, wscale } = initialWindow(k, sk.rcvbuf, sk.advmss, sk.windowClamp);
  if (sk.windowClamp === 0) sk.windowClamp = 65535 << 14;
  sk.rcvWnd = window;
  sk.rcvWscale = wscale;
  sk.rcvSsthresh = window;
  sk.tsOffset = k.random32();
  sk.iss = k.random32();
  sk.sndUna = sk.sndSml = sk.sndUp = sk.sndNxt = sk.writeSeq = sk.iss;
  sk.rcvNxt = sk.rcvWup = sk.copiedSeq = 0;
  sk.rto = T.TCP_TIMEOUT_INIT;
  sk.retransmits = sk.totalRto = sk.backoff = 0;
  const skb = new TcpSkb(sk.iss, seqAdd(sk.iss, 1), TH_SYN, EMPTY, TX_HEAD);
  sk.writeSeq = sk.sndNxt = skb.endSeq;
  sk.rtxQueue.push(skb);
  sk.wmemQueued += skb.truesize;
  sk.retransStamp = k.time.now();
  k.net.mib.count('TcpActiveOpens');
  transmitSkb(k, sk, skb);
  armRto(k, sk);
}
/** SYN+ACK for a request (tcp_v4_send_synack). */
export function sendSynack(k: Kernel, req: T.TcpRequest): void {
  const { listener } = req;
  const v4 = isV4(req.laddr);
  const mss = listener.userMss !== 0 ? Math.min(listener.userMss, advmssOf(v4)) : advmssOf(v4);
  sendSegment(k, {
    saddr: req.laddr,
    daddr: req.raddr,
    sport: req.lport,
    dport: req.rport,
    seq: req.iss,
    ack: seqAdd(req.irs, 1),
    flags: TH_SYN | TH_ACK,
    window: Math.min(req.rcvWnd, 65535),
    opts: { mss, wscale: req.wscale >= 0 ? req.rcvWscale : -1, sackPermitted: req.sackOk, ts: req.tsRecent >= 0 ? [tsNow(k, req.iss), req.tsRecent] : null },
  });
}
/** The window may have opened or data came along with nothing to carry its acknowledgement (tcp_data_snd_check). */
export function dataSndCheck(k: Kernel, sk: TcpSock): void {
  pushPending(k, sk);
  checkSpace(k, sk);
}
/** Room was made: the buffer grows with the congestion window, and writers go on (tcp_check_space). */
export function checkSpace(k: Kernel, sk: TcpSock): void {
  if (!sk.noSpace) return;
  if (!sk.sndbufLocked && sk.rtxQueue.length < sk.cwnd) expandSndbuf(k, sk);
  if (!streamWriteable(k, sk)) return;
  sk.noSpace = false;
  writeSpace(k, sk);
}
/** tcp_sndbuf_expand: room for two congestion windows of segments. */
export function expandSndbuf(k: Kernel, sk: TcpSock): void {
  let perMss = 1;
  while (perMss < Math.max(sk.mssClamp, sk.mssCache) + 320 + 320) perMss *= 2;
  const bytes = 2 * Math.max(TCP_INIT_CWND, sk.cwnd) * (perMss + 256);
  if (bytes > sk.sndbuf) sk.sndbuf = Math.min(bytes, k.net.tcpWmem[2]);
}
const notsent = (sk: TcpSock) => Math.max(0, seqDiff(sk.writeSeq, sk.sndNxt));
const lowat = (k: Kernel, sk: TcpSock) => (sk.notsentLowat !== 0 ? sk.notsentLowat : k.net.tcpNotsentLowat);
/** A writer may queue more (sk_stream_memory_free). */
export const memoryFree = (k: Kernel, sk: TcpSock) => sk.wmemQueued < sk.sndbuf && notsent(sk) < lowat(k, sk);
/** A poller hears of room (__sk_stream_is_writeable). */
export function streamWriteable(k: Kernel, sk: TcpSock): boolean {
  if (sk.wmemQueued >= sk.sndbuf || notsent(sk) * 2 >= lowat(k, sk)) return false;
  return sk.sndbuf - sk.wmemQueued >= sk.wmemQueued >> 1;
}
