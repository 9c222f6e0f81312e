import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../../../abi/errno.ts';
import { AF_INET, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_SENT } from '../../../abi/socket.ts';
import { TH_ACK, TH_FIN, TH_RST, TH_SYN } from '../../../abi/tcp.ts';
import type { Kernel } from '../../kernel.ts';
import { dataReady, stateChange } from '../core/sock.ts';
import type { ProtoOps } from '../socket.ts';
import { connectPort, flowHash, listenScore, tcpConflict, tcpEphemeral } from './inet_hashtables.ts';
import type { InetSock } from './inet_sock.ts';
import { familyOf, type IpAddr, isAny, isLinkLocal6, isMulticast, isV4, LOOPBACK4, LOOPBACK6, ANY6, parseSin, parseSin6 } from './ip_addr.ts';
import type { IpPacket, TcpHeader } from './packet.ts';
import { routeOutput } from './route.ts';
import { tcpOps } from './tcp.ts';
import { arrivalOf, initializeRcvMss, initTransfer, rcvStateProcess, rttSample } from './tcp_input.ts';
import { connectionKey, dropRequest, hashEstablished, killTimewait, keyOf, putPort, tcpDone, timewaitIsn, timewaitRcv, unhash } from './tcp_minisocks.ts';
import { advmssOf, initialWindow, sendSegment, sendSyn, sendSynack, syncMss } from './tcp_output.ts';
import { before, after, SEC, seqAdd, TCP_TIMEOUT_INIT, TcpRequest, TcpSock, TcpTimewait } from './tcp_sock.ts';
import { deleteTimer, resetTimer } from './tcp_timer.ts';

// TCP between the network and its sockets: finding them, connecting, accepting (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c).

export function newTcpSock(k: Kernel, family: number): { sk: InetSock; ops: ProtoOps } {
  return { sk: new TcpSock(k, family), ops: tcpOps };
}
/** inet_csk_get_port. */
export function tcpGetPort(k: Kernel, sock: InetSock, port: number): number {
  const sk = sock as TcpSock;
  const { ports } = k.net.tcp;
  if (port !== 0) {
    if (tcpConflict(sk, ports.at(port))) return -EADDRINUSE;
    sk.num = port;
  } else {
    const chosen = tcpEphemeral(k, ports, sk);
    if (chosen < 0) return chosen;
    sk.num = chosen;
  }
  sk.viaConnect = false;
  ports.add(sk, sk.num);
  return 0;
}

// Connecting.

/** Whether the connection exists already; one in TIME_WAIT may be taken over after a second (__inet_check_established). */
function isTaken(k: Kernel, key: string): boolean {
  const other = k.net.tcp.established.get(key);
  if (other === undefined) return false;
  return !(other instanceof TcpTimewait && mayReuse(k, other));
}
/** tcp_tw_reuse = 2: on loopback. */
const mayReuse = (k: Kernel, tw: TcpTimewait) => k.net.tcpTwReuse !== 0 && tw.tsRecentStamp !== 0 && k.time.now() - tw.tsRecentStamp >= SEC;

function connectAddress(sk: TcpSock, sa: Uint8Array): { addr: IpAddr; port: number; scope: number } | number {
  if (sk.family === AF_INET) {
    const to = parseSin(sa);
    if (typeof to === 'number') return to;
    return familyOf(sa) === AF_INET ? to : -EAFNOSUPPORT;
  }
  const to = parseSin6(sa);
  if (typeof to === 'number') return to;
  if (to.addr === ANY6) return { ...to, addr: isV4(sk.rcvSaddr) ? LOOPBACK4 : LOOPBACK6 };
  if (isV4(to.addr)) return sk.v6only ? -ENETUNREACH : to;
  if (isMulticast(to.addr)) return -ENETUNREACH;
  if (isV4(sk.rcvSaddr)) return -EAFNOSUPPORT;
  if (isLinkLocal6(to.addr) && to.scope === 0 && sk.boundDev === 0) return -EINVAL;
  return to;
}
/** tcp_v4_connect, tcp_v6_connect: to SYN_SENT, or -errno. */
export function tcpConnect(k: Kernel, sk: TcpSock, sa: Uint8Array): number {
  const to = connectAddress(sk, sa);
  if (typeof to === 'number') return to;
  const route = routeOutput(k, to.addr, sk.saddr, sk.boundDev !== 0 ? sk.boundDev : to.scope);
  if (typeof route === 'number') {
    if (route === -ENETUNREACH) k.net.mib.count(isV4(to.addr) ? 'IpOutNoRoutes' : 'Ip6OutNoRoutes');
    return route;
  }
  if (route.type !== 'local' && route.type !== 'unicast') return -ENETUNREACH;
  const before = { saddr: sk.saddr, rcvSaddr: sk.rcvSaddr };
  if (isAny(sk.saddr)) sk.saddr = route.saddr;
  if (isAny(sk.rcvSaddr)) sk.rcvSaddr = sk.saddr;
  sk.daddr = route.daddr;
  sk.dport = to.port;
  sk.scope = to.scope;
  const key = (port: number) => connectionKey(sk.rcvSaddr, port, sk.daddr, sk.dport);
  const { tcp } = k.net;
  let err = 0;
  if (sk.num !== 0) {
    if (isTaken(k, key(sk.num))) err = -EADDRNOTAVAIL;
  } else {
    const port = connectPort(k, tcp.ports, sk, (p) => isTaken(k, key(p)));
    if (port < 0) err = port;
    else {
      sk.num = port;
      sk.viaConnect = true;
      tcp.ports.add(sk, port);
    }
  }
  if (err < 0) {
    Object.assign(sk, before, { daddr: sk.any, dport: 0 });
    return err;
  }
  const old = tcp.established.get(keyOf(sk));
  if (old instanceof TcpTimewait) killTimewait(k, old);
  sk.state = TCP_SYN_SENT;
  hashEstablished(k, sk);
  sendSyn(k, sk);
  return 0;
}

// Receiving.

/** The listener that a SYN is for (__inet_lookup_listener). */
function lookupListener(k: Kernel, p: IpPacket, h: TcpHeader): TcpSock | null {
  let best: TcpSock[] = [];
  let bestScore = -1;
  for (const sk of k.net.tcp.listeners.get(h.dport) ?? []) {
    const score = listenScore(sk, p.daddr, 1);
    if (score > bestScore) {
      best = [sk];
      bestScore = score;
    } else if (score >= 0 && score === bestScore) best.push(sk);
  }
  if (best.length === 0 || bestScore < 0) return null;
  return best.length === 1 ? best[0] : best[flowHash(p.saddr, h.sport, p.daddr, h.dport) % best.length];
}
export function tcpRcv(k: Kernel, p: IpPacket, h: TcpHeader): void {
  const { tcp, mib } = k.net;
  mib.count('TcpInSegs');
  const found = tcp.established.get(connectionKey(p.daddr, h.dport, p.saddr, h.sport));
  if (found instanceof TcpSock) {
    if (rcvStateProcess(k, found, arrivalOf(p, h))) sendReset(k, p, h);
    return;
  }
  if (found instanceof TcpRequest) {
    checkRequest(k, found, p, h);
    return;
  }
  let isn = 0;
  if (found !== undefined) {
    const what = timewaitRcv(k, found, p, h);
    if (what === 'rst') sendReset(k, p, h);
    if (what !== 'syn') return;
    isn = timewaitIsn(found);
  }
  const listener = lookupListener(k, p, h);
  if (listener === null || !listenRcv(k, listener, p, h, isn)) sendReset(k, p, h);
}
/** tcp_v4_send_reset. */
function sendReset(k: Kernel, p: IpPacket, h: TcpHeader): void {
  if ((h.flags & TH_RST) !== 0) return;
  const extra = ((h.flags & TH_SYN) !== 0 ? 1 : 0) + ((h.flags & TH_FIN) !== 0 ? 1 : 0);
  const acked = (h.flags & TH_ACK) !== 0;
  sendSegment(k, {
    saddr: p.daddr,
    daddr: p.saddr,
    sport: h.dport,
    dport: h.sport,
    seq: acked ? h.ack : 0,
    ack: acked ? 0 : seqAdd(h.seq, p.data.length + extra),
    flags: acked ? TH_RST : TH_RST | TH_ACK,
    window: 0,
  });
}
/** sk_acceptq_is_full. */
const queueFull = (sk: TcpSock) => sk.acceptQueue.length > sk.maxAckBacklog;
/** A segment for a listener: false when a RST is the answer (tcp_rcv_state_process in TCP_LISTEN, tcp_conn_request). */
function listenRcv(k: Kernel, sk: TcpSock, p: IpPacket, h: TcpHeader, isn: number): boolean {
  if ((h.flags & TH_ACK) !== 0) return false;
  if ((h.flags & TH_RST) !== 0) return true;
  if ((h.flags & TH_SYN) === 0 || (h.flags & TH_FIN) !== 0) return true;
  if (queueFull(sk)) {
    k.net.mib.count('TcpExtListenOverflows');
    k.net.mib.count('TcpExtListenDrops');
    return true;
  }
  const v4 = isV4(p.daddr);
  const mss = Math.min(h.opts.mss === 0 ? 536 : h.opts.mss, sk.userMss !== 0 ? sk.userMss : 0xffff);
  const adv = advmssOf(v4) - (h.opts.ts !== null ? 12 : 0);
  const { window, wscale } = initialWindow(k, sk.rcvbuf, adv, sk.windowClamp);
  const req = new TcpRequest({
    listener: sk,
    laddr: p.daddr,
    lport: h.dport,
    raddr: p.saddr,
    rport: h.sport,
    irs: h.seq,
    iss: isn !== 0 ? isn : k.random32(),
    mss,
    wscale: h.opts.wscale,
    rcvWscale: h.opts.wscale >= 0 ? wscale : 0,
    rcvWnd: window,
    sackOk: h.opts.sackPermitted,
    tsRecent: h.opts.ts !== null ? h.opts.ts[0] : -1,
    family: sk.family,
  });
  sk.requests.add(req);
  k.net.tcp.established.set(connectionKey(p.daddr, h.dport, p.saddr, h.sport), req);
  sendSynack(k, req);
  resetTimer(k, req, req.timer, k.time.now() + TCP_TIMEOUT_INIT);
  return true;
}
/** A segment for a request (tcp_check_req). */
function checkRequest(k: Kernel, req: TcpRequest, p: IpPacket, h: TcpHeader): void {
  const { listener } = req;
  if ((h.flags & TH_SYN) !== 0 && h.seq === req.irs) {
    sendSynack(k, req);
    return;
  }
  if ((h.flags & TH_ACK) !== 0 && h.ack !== seqAdd(req.iss, 1)) {
    sendReset(k, p, h);
    return;
  }
  const next = seqAdd(req.irs, 1);
  if (before(seqAdd(h.seq, p.data.length), next) || after(h.seq, seqAdd(next, req.rcvWnd))) return;
  if ((h.flags & (TH_RST | TH_SYN)) !== 0) {
    k.net.mib.count('TcpAttemptFails');
    dropRequest(k, req);
    return;
  }
  if ((h.flags & TH_ACK) === 0) return;
  if (listener.deferAccept !== 0 && p.data.length === 0 && (h.flags & TH_FIN) === 0 && req.retries < listener.deferAccept) {
    req.acked = true;
    return;
  }
  if (queueFull(listener)) {
    k.net.mib.count('TcpExtListenOverflows');
    k.net.mib.count('TcpExtListenDrops');
    req.acked = true;
    return;
  }
  const child = makeChild(k, req, h);
  dropRequest(k, req);
  child.state = TCP_ESTABLISHED;
  initTransfer(k, child);
  listener.acceptQueue.push(child);
  k.net.mib.count('TcpPassiveOpens');
  if (rcvStateProcess(k, child, arrivalOf(p, h))) sendReset(k, p, h);
  dataReady(k, listener);
}
/** The connection of a finished handshake, with the listener's settings (tcp_create_openreq_child, sk_clone_lock). */
function makeChild(k: Kernel, req: TcpRequest, h: TcpHeader): TcpSock {
  const { listener: l } = req;
  const sk = new TcpSock(k, l.family);
  for (const name of INHERITED) (sk as unknown as Record<string, unknown>)[name] = l[name];
  for (const f of l.flags4) sk.flags4.add(f);
  for (const f of l.flags6) sk.flags6.add(f);
  for (const [name, v] of l.values) sk.values.set(name, v);
  sk.listener = l;
  sk.num = req.lport;
  k.net.tcp.ports.add(sk, sk.num);
  sk.saddr = sk.rcvSaddr = req.laddr;
  sk.daddr = req.raddr;
  sk.dport = req.rport;
  sk.addrLocked = l.addrLocked;
  sk.irs = req.irs;
  sk.rcvNxt = sk.rcvWup = sk.copiedSeq = seqAdd(req.irs, 1);
  sk.iss = req.iss;
  sk.sndUna = sk.sndNxt = sk.writeSeq = sk.pushedSeq = sk.sndSml = sk.sndUp = seqAdd(req.iss, 1);
  sk.tstamp = req.tsRecent >= 0;
  sk.tsRecent = Math.max(0, req.tsRecent);
  sk.tsRecentStamp = k.time.now();
  sk.tsOffset = req.iss;
  sk.sackOk = req.sackOk;
  sk.wscaleOk = req.wscale >= 0;
  sk.sndWscale = Math.max(0, req.wscale);
  sk.rcvWscale = req.rcvWscale;
  sk.rcvWnd = sk.rcvSsthresh = req.rcvWnd;
  if (sk.windowClamp === 0) sk.windowClamp = sk.wscaleOk ? 65535 << 14 : 65535;
  sk.mssClamp = req.mss;
  sk.advmss = advmssOf(isV4(req.laddr)) - (sk.tstamp ? 12 : 0);
  sk.sndWnd = h.window * 2 ** sk.sndWscale;
  sk.maxWindow = sk.sndWnd;
  sk.sndWl1 = req.irs;
  syncMss(sk);
  initializeRcvMss(sk);
  rttSample(sk, 1);
  return sk;
}
const INHERITED = [
  'sndbuf', 'rcvbuf', 'sndbufLocked', 'rcvbufLocked', 'rcvlowat', 'rcvtimeo', 'sndtimeo', 'debug', 'reuse', 'reuseport', 'keepalive', 'broadcast',
  'dontroute', 'oobinline', 'linger', 'priority', 'mark', 'boundDev', 'timestamp', 'zerocopy', 'v6only', 'tos', 'tclass', 'ttl', 'hops', 'pmtudisc',
  'pmtudisc6', 'uid', 'nonagle', 'userMss', 'notsentLowat', 'windowClamp', 'keepIdle', 'keepIntvl', 'keepCnt', 'userTimeout', 'linger2', 'synRetries',
  'inq', 'congestion',
] as const;

/** Ends a listener's connections that nobody accepted (inet_csk_listen_stop). */
export function listenStop(k: Kernel, sk: TcpSock, reset: (k: Kernel, child: TcpSock) => void): void {
  for (const req of [...sk.requests]) dropRequest(k, req);
  for (const child of sk.acceptQueue.splice(0)) {
    child.listener = null;
    child.dead = true;
    reset(k, child);
  }
}
/** An ICMP error about a segment of ours (tcp_v4_err): it ends a connection that is not up yet. */
export function tcpIcmpError(k: Kernel, about: IpPacket, h: TcpHeader, errno: number): void {
  const sk = k.net.tcp.established.get(connectionKey(about.saddr, h.sport, about.daddr, h.dport));
  if (!(sk instanceof TcpSock)) return;
  if (sk.state !== TCP_SYN_SENT) {
    sk.errSoft = errno;
    return;
  }
  sk.err = errno;
  tcpDone(k, sk);
  stateChange(k, sk);
}
/** inet_csk_listen_start. */
export function listenStart(k: Kernel, sk: TcpSock): number {
  sk.state = TCP_LISTEN;
  const { tcp } = k.net;
  if (sk.num === 0) {
    const r = tcpGetPort(k, sk, 0);
    if (r < 0) {
      sk.state = TCP_CLOSE;
      return r;
    }
  } else if (tcpConflict(sk, tcp.ports.at(sk.num))) {
    sk.state = TCP_CLOSE;
    return -EADDRINUSE;
  }
  const at = tcp.listeners.get(sk.num);
  if (at === undefined) tcp.listeners.set(sk.num, [sk]);
  else at.push(sk);
  return 0;
}
export { deleteTimer, putPort, unhash };
