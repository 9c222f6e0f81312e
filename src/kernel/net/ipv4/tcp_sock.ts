import { TCP_INIT_CWND, TCP_MSS_DEFAULT } from '../../../abi/tcp.ts';
import { AF_INET6, SOCK_STREAM, TCP_TIME_WAIT } from '../../../abi/socket.ts';
import { IPPROTO_TCP } from '../../../abi/in.ts';
import type { Kernel } from '../../kernel.ts';
import type { KernelTimer } from '../../time/timekeeping.ts';
import type { PortOwner } from './inet_hashtables.ts';
import { InetSock } from './inet_sock.ts';
import type { IpAddr } from './ip_addr.ts';

// The state of TCP connections (include/linux/tcp.h, struct tcp_sock).

/** Differences of 32-bit sequence numbers. */
export const before = (a: number, b: number) => ((a - b) | 0) < 0;
export const after = (a: number, b: number) => ((a - b) | 0) > 0;
export const seqAdd = (a: number, n: number) => (a + n) >>> 0;
export const seqDiff = (a: number, b: number) => (a - b) | 0;

export const MSEC = 1e6;
export const SEC = 1e9;
export const TCP_RTO_MIN = 200 * MSEC;
export const TCP_RTO_MAX = 120 * SEC;
export const TCP_TIMEOUT_INIT = SEC;
export const TCP_TIMEWAIT_LEN = 60 * SEC;
export const TCP_ATO_MIN = 40 * MSEC;
export const TCP_DELACK_MAX = 200 * MSEC;
/** TCP_NAGLE_*: why small segments go out or not. */
export const NAGLE_OFF = 1;
export const NAGLE_CORK = 2;
export const NAGLE_PUSH = 4;
/** inet_csk_ack_state_t. */
export const ACK_SCHED = 1;
export const ACK_PUSHED = 4;
export const ACK_PUSHED2 = 8;
export const ACK_NOW = 16;

/** A piece of a stream in a queue, sent or received. */
export class TcpSkb {
  seq: number;
  endSeq: number;
  /** TH_*. */
  flags: number;
  data: Uint8Array;
  /** The piece's own buffer, with room for more behind `data`. */
  room: Uint8Array | null = null;
  truesize: number;
  sentAt = 0;
  retrans = 0;
  constructor(seq: number, endSeq: number, flags: number, data: Uint8Array, truesize: number) {
    this.seq = seq;
    this.endSeq = endSeq;
    this.flags = flags;
    this.data = data;
    this.truesize = truesize;
  }
}
/** A timer of a socket. It is not taken back when its time changes: it looks at `deadline` when it fires. */
export interface SockTimer {
  readonly what: 'rto' | 'delack' | 'keep' | 'synack';
  /** 0: off. */
  deadline: number;
  queued: KernelTimer | null;
}
export const newTimer = (what: SockTimer['what']): SockTimer => ({ what, deadline: 0, queued: null });

export class TcpSock extends InetSock {
  // Sending.
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  writeSeq = 0;
  pushedSeq = 0;
  sndSml = 0;
  sndUp = 0;
  sndWnd = 0;
  sndWl1 = 0;
  maxWindow = 0;
  sndWscale = 0;
  /** Sent and not acknowledged; not sent yet. */
  readonly rtxQueue: TcpSkb[] = [];
  readonly writeQueue: TcpSkb[] = [];
  wmemQueued = 0;
  noSpace = false;
  cwnd = TCP_INIT_CWND;
  ssthresh = 0x7fff_ffff;
  cwndLimited = false;
  nonagle = 0;
  mssCache = TCP_MSS_DEFAULT;
  mssClamp = 0;
  userMss = 0;
  notsentLowat = 0;

  // Receiving.
  irs = 0;
  rcvNxt = 0;
  copiedSeq = 0;
  rcvWup = 0;
  rcvWnd = 0;
  rcvSsthresh = 0;
  windowClamp = 0;
  rcvWscale = 0;
  advmss = 0;
  rcvMss = TCP_MSS_DEFAULT;
  scalingRatio = 128;
  readonly rcvQueue: TcpSkb[] = [];
  readonly ofoQueue: TcpSkb[] = [];
  /** Frags in the last piece of the queue, for what may be joined to it. */
  tailFrags = 0;
  urgSeq = 0;
  /** The urgent byte; -1 = none, -2 = told of but not here yet, -3 = read. */
  urg = -1;
  fin = false;
  ackPending = 0;
  ackQuick = 0;
  ackPingpong = 0;
  ackAto = 0;
  lastRcv = 0;
  spaceSeq = 0;
  spaceBytes = 0;
  spaceTime = 0;
  rcvRtt = 0;

  // Options agreed on.
  tstamp = true;
  sackOk = false;
  wscaleOk = true;
  tsRecent = 0;
  tsRecentStamp = 0;
  tsOffset = 0;

  // Timers.
  readonly rtoTimer = newTimer('rto');
  readonly delackTimer = newTimer('delack');
  readonly keepTimer = newTimer('keep');
  /** What the retransmission timer is for. */
  pending: 'none' | 'retrans' | 'probe0' = 'none';
  rto = TCP_TIMEOUT_INIT;
  /** µs, 0 = not measured. */
  srtt = 0;
  rttvar = 0;
  minRtt = 0;
  backoff = 0;
  retransmits = 0;
  totalRto = 0;
  probesOut = 0;
  retransStamp = 0;
  probesStamp = 0;
  synRetries = 0;
  /** Keepalive: ns, ns, count; 0 = the system's. */
  keepIdle = 0;
  keepIntvl = 0;
  keepCnt = 0;
  lastAckRcv = 0;
  lastDataSent = 0;
  userTimeout = 0;
  /** TCP_LINGER2: ns; -1 = no FIN_WAIT2; 0 = the system's. */
  linger2 = 0;
  deferAccept = 0;
  inq = false;
  saveSyn = 0;
  congestion = 'cubic';
  errSoft = 0;

  // A listener.
  readonly acceptQueue: TcpSock[] = [];
  readonly requests = new Set<TcpRequest>();
  listener: TcpSock | null = null;

  /** Counts for TCP_INFO. */
  segsIn = 0;
  segsOut = 0;
  dataSegsIn = 0;
  dataSegsOut = 0;
  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  totalRetrans = 0;
  bytesRetrans = 0;
  delivered = 0;
  rcvOoopack = 0;

  constructor(k: Kernel, family: number) {
    super(k, family, SOCK_STREAM, IPPROTO_TCP);
    this.sndbuf = k.net.tcpWmem[1];
    this.rcvbuf = k.net.tcpRmem[1];
  }
}

/** A connection before its last ACK (struct tcp_request_sock). */
export class TcpRequest {
  readonly listener: TcpSock;
  readonly laddr: IpAddr;
  readonly lport: number;
  readonly raddr: IpAddr;
  readonly rport: number;
  readonly irs: number;
  readonly iss: number;
  readonly mss: number;
  readonly wscale: number;
  readonly rcvWscale: number;
  readonly rcvWnd: number;
  readonly sackOk: boolean;
  /** Timestamp of the peer; -1 = no timestamps. */
  readonly tsRecent: number;
  readonly family: number;
  readonly timer = newTimer('synack');
  retries = 0;
  /** The last ACK came, but the listener's queue was full. */
  acked = false;
  constructor(init: Omit<TcpRequest, 'timer' | 'retries' | 'acked'>) {
    this.listener = init.listener;
    this.laddr = init.laddr;
    this.lport = init.lport;
    this.raddr = init.raddr;
    this.rport = init.rport;
    this.irs = init.irs;
    this.iss = init.iss;
    this.mss = init.mss;
    this.wscale = init.wscale;
    this.rcvWscale = init.rcvWscale;
    this.rcvWnd = init.rcvWnd;
    this.sackOk = init.sackOk;
    this.tsRecent = init.tsRecent;
    this.family = init.family;
  }
}

/** What remains of a closed connection for a minute (struct tcp_timewait_sock). */
export class TcpTimewait implements PortOwner {
  readonly family: number;
  readonly num: number;
  readonly rcvSaddr: IpAddr;
  readonly daddr: IpAddr;
  readonly dport: number;
  readonly v6only: boolean;
  readonly reuse: boolean;
  readonly reuseport: boolean;
  readonly state = TCP_TIME_WAIT;
  readonly uid: number;
  readonly boundDev: number;
  readonly viaConnect: boolean;
  readonly cookie: number;
  readonly sndNxt: number;
  readonly rcvWnd: number;
  readonly rcvWscale: number;
  readonly tstamp: boolean;
  readonly tsOffset: number;
  rcvNxt: number;
  tsRecent: number;
  tsRecentStamp: number;
  /** TCP_FIN_WAIT2 while the peer's FIN is not here. */
  substate: number;
  expires: number;
  constructor(sk: TcpSock, substate: number, expires: number) {
    this.family = sk.family;
    this.num = sk.num;
    this.rcvSaddr = sk.rcvSaddr;
    this.daddr = sk.daddr;
    this.dport = sk.dport;
    this.v6only = sk.v6only;
    this.reuse = sk.reuse;
    this.reuseport = sk.reuseport;
    this.uid = sk.uid;
    this.boundDev = sk.boundDev;
    this.viaConnect = sk.viaConnect;
    this.cookie = sk.cookie;
    this.sndNxt = sk.sndNxt;
    this.rcvNxt = sk.rcvNxt;
    this.rcvWnd = Math.max(0, seqDiff(seqAdd(sk.rcvWup, sk.rcvWnd), sk.rcvNxt));
    this.rcvWscale = sk.rcvWscale;
    this.tstamp = sk.tstamp;
    this.tsOffset = sk.tsOffset;
    this.tsRecent = sk.tsRecent;
    this.tsRecentStamp = sk.tsRecentStamp;
    this.substate = substate;
    this.expires = expires;
  }
}
export const isV6Sock = (sk: { readonly family: number }) => sk.family === AF_INET6;
