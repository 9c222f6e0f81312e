import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT, SHUTDOWN_MASK } from '../../../abi/socket.ts';
import { TH_ACK, TH_FIN, TH_RST, TH_SYN } from '../../../abi/tcp.ts';
import type { Kernel } from '../../kernel.ts';
import { stateChange } from '../core/sock.ts';
import type { PortTable } from './inet_hashtables.ts';
import type { IpAddr } from './ip_addr.ts';
import type { IpPacket, TcpHeader } from './packet.ts';
import { sendSegment, tsNow } from './tcp_output.ts';
import { after, before, seqAdd, TCP_TIMEWAIT_LEN, type TcpRequest, type TcpSock, TcpTimewait } from './tcp_sock.ts';
import { deleteTimer } from './tcp_timer.ts';

// Beginnings and ends of connections: tables, requests, TIME_WAIT (net/ipv4/tcp_minisocks.c, inet_timewait_sock.c).

export type Connection = TcpSock | TcpRequest | TcpTimewait;

export class TcpTable {
  readonly ports: PortTable<TcpSock | TcpTimewait>;
  /** Connections by both ends. */
  readonly established = new Map<string, Connection>();
  /** Listeners by port, in order of arrival. */
  readonly listeners = new Map<number, TcpSock[]>();
  /** In order of expiry: all wait equally long but for those in FIN_WAIT2. */
  readonly timewaits: TcpTimewait[] = [];
  /** Sockets that are closed but not done. */
  readonly orphans = new Set<TcpSock>();
  constructor(ports: PortTable<TcpSock | TcpTimewait>) {
    this.ports = ports;
  }
}
export const connectionKey = (laddr: IpAddr, lport: number, raddr: IpAddr, rport: number) => `${laddr}:${lport} ${raddr}:${rport}`;
export const keyOf = (c: { readonly rcvSaddr: IpAddr; readonly num: number; readonly daddr: IpAddr; readonly dport: number }) =>
  connectionKey(c.rcvSaddr, c.num, c.daddr, c.dport);

export function hashEstablished(k: Kernel, sk: TcpSock): void {
  k.net.tcp.established.set(keyOf(sk), sk);
}
/** Out of the tables of connections and listeners (inet_unhash). */
export function unhash(k: Kernel, sk: TcpSock): void {
  const { tcp } = k.net;
  if (tcp.established.get(keyOf(sk)) === sk) tcp.established.delete(keyOf(sk));
  const at = tcp.listeners.get(sk.num);
  const i = at?.indexOf(sk) ?? -1;
  if (at !== undefined && i >= 0) {
    at.splice(i, 1);
    if (at.length === 0) tcp.listeners.delete(sk.num);
  }
}
export function putPort(k: Kernel, sk: TcpSock): void {
  if (sk.num === 0) return;
  k.net.tcp.ports.remove(sk, sk.num);
  sk.sport = sk.num;
  sk.num = 0;
}
/** TCP_CLOSE: the connection leaves the tables; a port that the system chose is free again (tcp_set_state). */
export function setClosed(k: Kernel, sk: TcpSock): void {
  if (sk.state === TCP_ESTABLISHED || sk.state === TCP_CLOSE_WAIT) k.net.mib.count('TcpEstabResets');
  sk.state = TCP_CLOSE;
  unhash(k, sk);
  if (!sk.portLocked) putPort(k, sk);
}
/** The connection is over (tcp_done). */
export function tcpDone(k: Kernel, sk: TcpSock): void {
  if (sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV) k.net.mib.count('TcpAttemptFails');
  setClosed(k, sk);
  stopTimers(k, sk);
  sk.shutdown = SHUTDOWN_MASK;
  if (!sk.dead) stateChange(k, sk);
  else destroySock(k, sk);
}
export function stopTimers(k: Kernel, sk: TcpSock): void {
  for (const t of [sk.rtoTimer, sk.delackTimer, sk.keepTimer]) deleteTimer(k, t);
  sk.pending = 'none';
}
/** Frees what a socket holds (inet_csk_destroy_sock). */
export function destroySock(k: Kernel, sk: TcpSock): void {
  stopTimers(k, sk);
  unhash(k, sk);
  putPort(k, sk);
  purgeWrite(sk);
  sk.rcvQueue.length = 0;
  sk.ofoQueue.length = 0;
  sk.rmemAlloc = 0;
  k.net.tcp.orphans.delete(sk);
}
export function purgeWrite(sk: TcpSock): void {
  sk.rtxQueue.length = 0;
  sk.writeQueue.length = 0;
  sk.wmemQueued = 0;
}

/** Leaves a TIME_WAIT (or FIN_WAIT2) behind in the socket's place (tcp_time_wait). */
export function timeWait(k: Kernel, sk: TcpSock, substate: number, timeout: number): void {
  const { tcp } = k.net;
  const length = substate === TCP_TIME_WAIT ? TCP_TIMEWAIT_LEN : timeout;
  const tw = new TcpTimewait(sk, substate, k.time.now() + length);
  const key = keyOf(tw);
  tcp.ports.add(tw, tw.num);
  tcp.established.set(key, tw);
  schedule(k, tw);
  // A port that the user bound stays with the open socket, too.
  tcpDone(k, sk);
}
function schedule(k: Kernel, tw: TcpTimewait): void {
  const { timewaits } = k.net.tcp;
  let i = timewaits.length;
  while (i > 0 && timewaits[i - 1].expires > tw.expires) i--;
  timewaits.splice(i, 0, tw);
  armTimewait(k);
}
function armTimewait(k: Kernel): void {
  const { net } = k;
  const first = net.tcp.timewaits[0];
  if (first === undefined) return;
  if (net.timewaitTimer !== null) {
    if (net.timewaitTimer.at <= first.expires) return;
    k.time.delTimer(net.timewaitTimer);
  }
  net.timewaitTimer = { at: first.expires, kind: 'tcp-timewait', data: {} };
  k.time.addTimer(net.timewaitTimer);
}
export function timewaitExpire(k: Kernel, now: number): void {
  k.net.timewaitTimer = null;
  const { timewaits } = k.net.tcp;
  while (timewaits.length > 0 && timewaits[0].expires <= now) killTimewait(k, timewaits[0]);
  armTimewait(k);
}
export function killTimewait(k: Kernel, tw: TcpTimewait): void {
  const { tcp } = k.net;
  const i = tcp.timewaits.indexOf(tw);
  if (i >= 0) tcp.timewaits.splice(i, 1);
  if (tcp.established.get(keyOf(tw)) === tw) tcp.established.delete(keyOf(tw));
  tcp.ports.remove(tw, tw.num);
}
function reschedule(k: Kernel, tw: TcpTimewait): void {
  const { timewaits } = k.net.tcp;
  const i = timewaits.indexOf(tw);
  if (i >= 0) timewaits.splice(i, 1);
  tw.expires = k.time.now() + TCP_TIMEWAIT_LEN;
  schedule(k, tw);
}
function twAck(k: Kernel, tw: TcpTimewait): void {
  sendSegment(k, {
    saddr: tw.rcvSaddr,
    daddr: tw.daddr,
    sport: tw.num,
    dport: tw.dport,
    seq: tw.sndNxt,
    ack: tw.rcvNxt,
    flags: TH_ACK,
    window: tw.rcvWnd >>> tw.rcvWscale,
    opts: { mss: 0, wscale: -1, sackPermitted: false, ts: tw.tstamp ? [tsNow(k, tw.tsOffset), tw.tsRecent] : null },
  });
}
/** A segment for a TIME_WAIT (tcp_timewait_state_process): what is to be done with it. */
export function timewaitRcv(k: Kernel, tw: TcpTimewait, p: IpPacket, h: TcpHeader): 'done' | 'rst' | 'syn' {
  const syn = (h.flags & TH_SYN) !== 0;
  const rst = (h.flags & TH_RST) !== 0;
  const fin = (h.flags & TH_FIN) !== 0;
  const end = seqAdd(h.seq, p.data.length + (syn ? 1 : 0) + (fin ? 1 : 0));
  const paws = tw.tstamp && h.opts.ts !== null && before(h.opts.ts[0], tw.tsRecent);
  if (tw.substate === TCP_FIN_WAIT2) {
    const inWindow = !paws && !before(end, tw.rcvNxt) && !after(h.seq, seqAdd(tw.rcvNxt, tw.rcvWnd));
    if (!inWindow) {
      if (!rst) twAck(k, tw);
      return 'done';
    }
    if (rst) {
      killTimewait(k, tw);
      return 'done';
    }
    if (syn && !before(h.seq, tw.rcvNxt)) return 'rst';
    if ((h.flags & TH_ACK) === 0 || !after(end, tw.rcvNxt) || end === h.seq) return 'done';
    if (!fin || end !== seqAdd(tw.rcvNxt, 1)) {
      killTimewait(k, tw);
      return 'rst';
    }
    tw.substate = TCP_TIME_WAIT;
    tw.rcvNxt = end;
    if (h.opts.ts !== null) tw.tsRecent = h.opts.ts[0];
    reschedule(k, tw);
    twAck(k, tw);
    return 'done';
  }
  if (!paws && h.seq === tw.rcvNxt && (h.seq === end || rst)) {
    if (rst) killTimewait(k, tw);
    return 'done';
  }
  if (syn && !rst && (h.flags & TH_ACK) === 0 && !paws && (after(h.seq, tw.rcvNxt) || (h.opts.ts !== null && after(h.opts.ts[0], tw.tsRecent)))) {
    killTimewait(k, tw);
    return 'syn';
  }
  if (!rst) {
    if ((h.flags & TH_ACK) !== 0) reschedule(k, tw);
    twAck(k, tw);
  }
  return 'done';
}
/** The next number for a connection in place of a TIME_WAIT. */
export const timewaitIsn = (tw: TcpTimewait) => seqAdd(tw.sndNxt, 65535 + 2) || 1;

export function dropRequest(k: Kernel, req: TcpRequest): void {
  deleteTimer(k, req.timer);
  req.listener.requests.delete(req);
  const key = connectionKey(req.laddr, req.lport, req.raddr, req.rport);
  if (k.net.tcp.established.get(key) === req) k.net.tcp.established.delete(key);
}
