import * as E from '../../../abi/errno.ts';
import * as F from '../../../abi/fs.ts';
import * as IN from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { PollTable } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { dataReady, POLLWRBAND, pollQueues, rcvTimeout, sockError, sockWait, stateChange } from '../core/sock.ts';
import { SKB_MAX_ALLOC, type Skb, skbLength, truesizeOf } from '../core/skbuff.ts';
import { type MsgHdr, type ProtoOps, type Socket, sockTimestamp } from '../socket.ts';
import { inetCommon, parseDestination, setDestination, unsetDestination } from './inet_common.ts';
import { icmpUnreachable } from './icmp.ts';
import { flowHash, listenScore, udpConflict, udpEphemeral } from './inet_hashtables.ts';
import { boundMatches, InetSock } from './inet_sock.ts';
import { type Endpoint, familyOf, type IpAddr, isMulticast, isV4, sockaddrOf } from './ip_addr.ts';
import { hopLimit, ipXmit, netRx, tosOf } from './ip_output.ts';
import { ancillary, inetGetsockopt, inetSetsockopt, leaveGroups, recvErrors, recvInfo, type SendInfo } from './ip_sockglue.ts';
import type { IpPacket, UdpHeader } from './packet.ts';
import { isBroadcast, type Route, routeOutput } from './route.ts';

// UDP over IPv4 and IPv6 (net/ipv4/udp.c, net/ipv6/udp.c, udp(7)).

/** The longest payload: 65535 less the headers that the length field counts. */
const MAX4 = 65507;
const MAX6 = 65527;

export class UdpSock extends InetSock {
  /** Data that waits for the end of UDP_CORK or MSG_MORE, and where it goes. */
  pending: Uint8Array[] | null = null;
  pendingTo: Route | null = null;
  pendingPort = 0;
  corked = false;
  /** UDP_SEGMENT. */
  gsoSize = 0;
  gro = false;
  noCheck6Tx = false;
  noCheck6Rx = false;
}
const udpSk = (sock: Socket) => sock.sk as UdpSock;

/** What a received packet's receiver may ask for. */
export interface PacketInfo {
  readonly saddr: IpAddr;
  readonly daddr: IpAddr;
  readonly ifindex: number;
  readonly ttl: number;
  readonly tos: number;
  readonly dport: number;
}

export function newUdpSock(k: Kernel, family: number, protocol: number): { sk: InetSock; ops: ProtoOps } {
  const sk = new UdpSock(k, family, S.SOCK_DGRAM, protocol);
  return { sk, ops: udpOps };
}
/** UDP-Lite (RFC 3828) is the same with ports of its own. */
const tableOf = (k: Kernel, protocol: number) => (protocol === IN.IPPROTO_UDPLITE ? k.net.udplite : k.net.udp);
/** The name of a counter of the packet's protocol and family. */
function count(k: Kernel, protocol: number, v4: boolean, name: string): void {
  k.net.mib.count(`${protocol === IN.IPPROTO_UDPLITE ? 'UdpLite' : 'Udp'}${v4 ? '' : '6'}${name}`);
}
/** udp_v4_get_port. */
function getPort(k: Kernel, sk: InetSock, port: number): number {
  const udp = tableOf(k, sk.protocol);
  const chosen = port === 0 ? udpEphemeral(k, udp, sk) : port;
  if (chosen < 0) return chosen;
  if (port !== 0 && udpConflict(sk, udp.at(port))) return -E.EADDRINUSE;
  sk.num = chosen;
  udp.add(sk, chosen);
  return 0;
}
function release(k: Kernel, sock: Socket): number {
  const sk = udpSk(sock);
  leaveGroups(k, sk);
  tableOf(k, sk.protocol).remove(sk, sk.num);
  sk.dead = true;
  sk.receiveQueue.length = 0;
  sk.rmemAlloc = 0;
  sk.errorQueue.length = 0;
  sk.pending = null;
  return 0;
}

function connect(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = udpSk(sock);
  if (addr.length < 2) return -E.EINVAL;
  if (addr[0] === S.AF_UNSPEC && addr[1] === 0) {
    unsetDestination(sk);
    if (!sk.portLocked) {
      tableOf(k, sk.protocol).remove(sk, sk.num);
      sk.num = 0;
    }
    return 0;
  }
  if (sk.num === 0 && getPort(k, sk, 0) < 0) return -E.EAGAIN;
  return setDestination(k, sk, addr);
}

/** Sends one datagram, or adds to the one that is being made. */
function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = udpSk(sock);
  const length = msg.iter.count;
  if (length > 0xffff) return -E.EMSGSIZE;
  if ((msg.flags & S.MSG_OOB) !== 0 && sk.family === S.AF_INET) return -E.EOPNOTSUPP;
  const more = sk.corked || (msg.flags & S.MSG_MORE) !== 0;
  let route: Route;
  let port: number;
  let info: SendInfo = {};
  if (sk.pending !== null && sk.pendingTo !== null) {
    route = sk.pendingTo;
    port = sk.pendingPort;
  } else {
    const to = destination(sk, msg);
    if (typeof to === 'number') return to;
    if (sk.num === 0) {
      const r = getPort(k, sk, 0);
      if (r < 0) return -E.EAGAIN;
    }
    const err = sockError(sk);
    if (err < 0) return err;
    const extra = ancillary(k, sk, msg);
    if (typeof extra === 'number') return extra;
    info = extra;
    if ((sk.shutdown & S.SEND_SHUTDOWN) !== 0) return -E.EPIPE;
    const oif = extra.oif ?? (isMulticast(to.addr) ? (isV4(to.addr) ? sk.mcIndex : sk.mcIndex6) : 0);
    const from = extra.saddr ?? (isMulticast(to.addr) && isV4(to.addr) && sk.mcAddr !== '00000000' ? sk.mcAddr : sk.saddr);
    const found = routeOutput(k, to.addr, from, oif !== 0 ? oif : sk.boundDev !== 0 ? sk.boundDev : to.scope);
    if (typeof found === 'number') {
      if (found === -E.ENETUNREACH) k.net.mib.count(isV4(to.addr) ? 'IpOutNoRoutes' : 'Ip6OutNoRoutes');
      return found;
    }
    if (found.type === 'broadcast' && !sk.broadcast) return -E.EACCES;
    route = found;
    port = to.port;
  }
  const max = isV4(route.daddr) ? MAX4 : MAX6;
  const before = sk.pending?.reduce((n, b) => n + b.length, 0) ?? 0;
  if (before + length > max) {
    sk.pending = null;
    return -E.EMSGSIZE;
  }
  const data = length === 0 ? new Uint8Array(0) : msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -E.EFAULT;
  if (more) {
    sk.pending ??= [];
    sk.pending.push(data);
    sk.pendingTo = route;
    sk.pendingPort = port;
    return length;
  }
  const whole = sk.pending === null ? data : join([...sk.pending, data]);
  sk.pending = null;
  transmit(k, sk, route, port, whole, info);
  netRx(k);
  return length;
}
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, b) => n + b.length, 0));
  let at = 0;
  for (const b of parts) {
    out.set(b, at);
    at += b.length;
  }
  return out;
}
function destination(sk: UdpSock, msg: MsgHdr): Endpoint | number {
  if (msg.name === null) return sk.state === S.TCP_ESTABLISHED ? { addr: sk.daddr, port: sk.dport, scope: sk.scope } : -E.EDESTADDRREQ;
  const to = parseDestination(sk, msg.name);
  if (typeof to === 'number') return to === -E.EAFNOSUPPORT && sk.family === S.AF_INET6 && familyOf(msg.name) !== S.AF_INET6 ? -E.EINVAL : to;
  return to.port === 0 ? -E.EINVAL : to;
}
function transmit(k: Kernel, sk: UdpSock, route: Route, dport: number, data: Uint8Array, info: SendInfo): void {
  const segment = info.segment ?? sk.gsoSize;
  const step = segment > 0 ? segment : data.length;
  const v4 = isV4(route.daddr);
  for (let at = 0; at === 0 || at < data.length; at += step) {
    const part = segment > 0 ? data.subarray(at, at + step) : data;
    count(k, sk.protocol, v4, 'OutDatagrams');
    ipXmit(k, {
      saddr: route.saddr,
      daddr: route.daddr,
      protocol: sk.protocol,
      tos: info.tos ?? tosOf(sk, route.daddr),
      ttl: info.ttl ?? hopLimit(k, sk, route.daddr),
      df: sk.pmtudisc === IN.IP_PMTUDISC_WANT,
      id: k.net.nextIpId++ & 0xffff,
      header: { kind: 'udp', sport: sk.num, dport },
      data: part,
      truesize: udpTruesize(part.length, v4),
    });
    if (step === 0) break;
  }
}
/** How __ip_append_data builds a datagram: in one linear piece with head room and alignment, or, when that would be long, with the data in pages. */
function udpTruesize(length: number, v4: boolean): number {
  const head = 16 + (v4 ? 20 : 40) + 8 + length + 15;
  return head < SKB_MAX_ALLOC ? truesizeOf(head, 0, true) : truesizeOf(64, length, true);
}

/** __udp4_lib_lookup: the socket that a packet is for. */
function lookup(k: Kernel, protocol: number, saddr: IpAddr, sport: number, daddr: IpAddr, dport: number): UdpSock | null {
  let best: UdpSock[] = [];
  let bestScore = -1;
  for (const sk of tableOf(k, protocol).at(dport)) {
    let score = listenScore(sk, daddr, 1);
    if (score < 0) continue;
    if (sk.state === S.TCP_ESTABLISHED) {
      if (sk.daddr !== saddr || (sk.dport !== 0 && sk.dport !== sport)) continue;
      score += 16;
    }
    if (score > bestScore) {
      best = [sk as UdpSock];
      bestScore = score;
    } else if (score === bestScore) best.push(sk as UdpSock);
  }
  if (best.length === 0) return null;
  const group = best.filter((s) => s.reuseport);
  if (group.length > 1 && best[best.length - 1].reuseport && best[0].state !== S.TCP_ESTABLISHED)
    return group[flowHash(saddr, sport, daddr, dport) % group.length];
  // The latest one comes first in Linux's chain.
  return best[best.length - 1];
}
export function udpRcv(k: Kernel, p: IpPacket, h: UdpHeader): void {
  const v4 = isV4(p.daddr);
  if (isMulticast(p.daddr) || (v4 && isBroadcast(k, p.daddr))) {
    multicastDeliver(k, p, h);
    return;
  }
  const sk = lookup(k, p.protocol, p.saddr, h.sport, p.daddr, h.dport);
  if (sk !== null) {
    queueRcv(k, sk, p, h);
    return;
  }
  count(k, p.protocol, v4, 'NoPorts');
  icmpUnreachable(k, p, 'port');
}
function multicastDeliver(k: Kernel, p: IpPacket, h: UdpHeader): void {
  for (const sk of [...tableOf(k, p.protocol).at(h.dport)]) {
    if (!boundMatches(sk, p.daddr)) continue;
    if (sk.state === S.TCP_ESTABLISHED && (sk.daddr !== p.saddr || sk.dport !== h.sport)) continue;
    if (isMulticast(p.daddr) && !hearsGroup(k, sk, p.daddr)) continue;
    queueRcv(k, sk as UdpSock, p, h);
  }
}
/** ip_mc_sf_allow: joined itself, or takes what any socket joined (IP_MULTICAST_ALL). */
export function hearsGroup(k: Kernel, sk: InetSock, group: IpAddr): boolean {
  if (sk.memberships.some((m) => m.group === group)) return true;
  const all = isV4(group) ? sk.flags4.has(IN.IP_MULTICAST_ALL) : sk.flags6.has(IN.IPV6_MULTICAST_ALL);
  return all && k.net.groupJoined(group);
}
function queueRcv(k: Kernel, sk: UdpSock, p: IpPacket, h: UdpHeader): void {
  const v4 = isV4(p.daddr);
  if (sk.rmemAlloc > sk.rcvbuf) {
    sk.drops++;
    count(k, p.protocol, v4, 'RcvbufErrors');
    count(k, p.protocol, v4, 'InErrors');
    return;
  }
  sk.rmemAlloc += p.truesize;
  const info: PacketInfo = { saddr: p.saddr, daddr: p.daddr, ifindex: 1, ttl: p.ttl, tos: p.tos, dport: h.dport };
  const skb: Skb = {
    data: p.data,
    consumed: 0,
    truesize: p.truesize,
    owner: null,
    from: sockaddrOf(sk.family, p.saddr, h.sport, 1),
    creds: null,
    files: null,
    sock: null,
    time: k.time.now(),
    cb: info,
  };
  sk.receiveQueue.push(skb);
  count(k, p.protocol, v4, 'InDatagrams');
  dataReady(k, sk);
}

/** Where reading begins: the packet at the peek position. */
function packetAt(sk: UdpSock, peek: boolean): { skb: Skb; skip: number; at: number } | null {
  let left = peek && sk.peekOff >= 0 ? sk.peekOff : 0;
  for (let at = 0; at < sk.receiveQueue.length; at++) {
    const skb = sk.receiveQueue[at];
    if (left < skbLength(skb) || left === 0) return { skb, skip: left, at };
    left -= skbLength(skb);
  }
  return null;
}
/** Waits for a packet: what datagram sockets of all kinds say when there is none (__skb_wait_for_more_packets). */
export function waitForPacket(k: Kernel, sk: InetSock, flags: number): number {
  const err = sockError(sk);
  if (err < 0) return err;
  const timeo = rcvTimeout(sk, flags);
  if (timeo === 0) return -E.EAGAIN;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return 0;
  return sockWait(k, sk.readWait, timeo, {}, true);
}
function recvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = udpSk(sock);
  if ((msg.flags & S.MSG_ERRQUEUE) !== 0) return recvErrors(k, sk, msg);
  const peek = (msg.flags & S.MSG_PEEK) !== 0;
  const err = sockError(sk);
  if (err < 0) return err;
  const found = packetAt(sk, peek);
  if (found === null) return waitForPacket(k, sk, msg.flags);
  const { skb, skip } = found;
  const whole = skb.data.length - skip;
  const size = Math.min(msg.iter.count, whole);
  if (!peek) {
    sk.receiveQueue.shift();
    sk.rmemAlloc -= skb.truesize;
    if (sk.peekOff > 0) sk.peekOff = Math.max(0, sk.peekOff - skb.data.length);
  }
  if (size < whole) msg.outFlags |= S.MSG_TRUNC;
  if (size > 0 && msg.iter.copyTo(k, skb.data.subarray(skip, skip + size)) < size) return -E.EFAULT;
  if (peek && sk.peekOff >= 0) sk.peekOff += size;
  msg.name = skb.from;
  sockTimestamp(k, sk, msg, skb.time);
  recvInfo(k, sk, msg, skb.cb as PacketInfo);
  return (msg.flags & S.MSG_TRUNC) !== 0 ? whole : size;
}

/** datagram_poll. */
export function dgramSockPoll(sk: InetSock, table: PollTable | null): number {
  pollQueues(sk, table);
  let mask = 0;
  if (sk.err !== 0 || sk.errorQueue.length > 0) mask |= F.POLLERR;
  if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) mask |= F.POLLRDHUP | F.POLLIN | F.POLLRDNORM;
  if (sk.shutdown === S.SHUTDOWN_MASK) mask |= F.POLLHUP;
  if (sk.receiveQueue.length > 0) mask |= F.POLLIN | F.POLLRDNORM;
  return mask | F.POLLOUT | F.POLLWRNORM | POLLWRBAND;
}
function ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const sk = udpSk(sock);
  if (cmd === S.SIOCOUTQ) return putUser32(k, arg, sk.wmemAlloc);
  if (cmd === S.SIOCINQ) return putUser32(k, arg, sk.receiveQueue.length === 0 ? 0 : skbLength(sk.receiveQueue[0]));
  return inetCommon.ioctl(k, sock, cmd, arg);
}

/** An ICMP error about a packet that a socket of ours sent (__udp4_lib_err). */
export function udpIcmpError(k: Kernel, about: IpPacket, h: UdpHeader, e: { errno: number; type: number; code: number; from: IpAddr }): void {
  const sk = lookup(k, about.protocol, about.daddr, h.dport, about.saddr, h.sport);
  if (sk === null) return;
  const v4 = isV4(about.daddr);
  const queue = v4 ? sk.flags4.has(IN.IP_RECVERR) : sk.flags6.has(IN.IPV6_RECVERR);
  if (queue)
    sk.errorQueue.push({
      errno: e.errno,
      origin: v4 ? IN.SO_EE_ORIGIN_ICMP : IN.SO_EE_ORIGIN_ICMP6,
      type: e.type,
      code: e.code,
      info: 0,
      offender: e.from,
      addr: about.daddr,
      port: h.dport,
      data: about.data,
      ifindex: 1,
      time: k.time.now(),
    });
  else if (sk.state !== S.TCP_ESTABLISHED) return;
  sk.err = e.errno;
  stateChange(k, sk);
}

function setsockopt(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number {
  const sk = udpSk(sock);
  if (level !== S.SOL_UDP && !(level === S.SOL_UDPLITE && sk.protocol === level)) return inetSetsockopt(k, sock, level, name, value);
  if (value.length < 4) return -E.EINVAL;
  const val = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  switch (name) {
    case IN.UDP_CORK:
      sk.corked = val !== 0;
      if (!sk.corked && sk.pending !== null && sk.pendingTo !== null) {
        const whole = join(sk.pending);
        sk.pending = null;
        transmit(k, sk, sk.pendingTo, sk.pendingPort, whole, {});
        netRx(k);
      }
      return 0;
    case IN.UDP_NO_CHECK6_TX:
      sk.noCheck6Tx = val !== 0;
      return 0;
    case IN.UDP_NO_CHECK6_RX:
      sk.noCheck6Rx = val !== 0;
      return 0;
    case IN.UDP_SEGMENT:
      if (val < 0 || val > 0xffff) return -E.EINVAL;
      sk.gsoSize = val;
      return 0;
    case IN.UDPLITE_SEND_CSCOV:
    case IN.UDPLITE_RECV_CSCOV:
      if (sk.protocol !== IN.IPPROTO_UDPLITE) return -E.ENOPROTOOPT;
      // How much the checksum covers: at least the header, and nothing here gets damaged.
      sk.kept.set(`coverage${name}`, val !== 0 && val < 8 ? 8 : Math.min(val & 0xffff_ffff, 65535));
      return 0;
    case IN.UDP_GRO:
      sk.gro = val !== 0;
      return 0;
  }
  return -E.ENOPROTOOPT;
}
function getsockopt(k: Kernel, sock: Socket, level: number, name: number, len: number): Uint8Array | number {
  const sk = udpSk(sock);
  if (level !== S.SOL_UDP && !(level === S.SOL_UDPLITE && sk.protocol === level)) return inetGetsockopt(k, sock, level, name, len);
  const values = new Map<number, number>([
    [IN.UDP_CORK, Number(sk.corked)],
    [IN.UDPLITE_SEND_CSCOV, sk.kept.get(`coverage${IN.UDPLITE_SEND_CSCOV}`) ?? 0],
    [IN.UDPLITE_RECV_CSCOV, sk.kept.get(`coverage${IN.UDPLITE_RECV_CSCOV}`) ?? 0],
    [IN.UDP_NO_CHECK6_TX, Number(sk.noCheck6Tx)],
    [IN.UDP_NO_CHECK6_RX, Number(sk.noCheck6Rx)],
    [IN.UDP_SEGMENT, sk.gsoSize],
    [IN.UDP_GRO, Number(sk.gro)],
  ]);
  const v = values.get(name);
  if (v === undefined) return -E.ENOPROTOOPT;
  const out = new Uint8Array(4);
  new DataView(out.buffer).setInt32(0, v, true);
  return out;
}

export const udpOps: ProtoOps = {
  ...inetCommon,
  peekOff: true,
  release,
  connect,
  getPort,
  accept: () => -E.EOPNOTSUPP,
  listen: () => -E.EOPNOTSUPP,
  poll: (_k, sock, table) => dgramSockPoll(udpSk(sock), table),
  ioctl,
  sendmsg,
  recvmsg,
  setsockopt,
  getsockopt,
};
