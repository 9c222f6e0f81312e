import * as E from '../../../abi/errno.ts';
import { ARPHRD_LOOPBACK } from '../../../abi/if.ts';
import { ETH_P_IP, ETH_P_IPV6, PACKET_HOST } from '../../../abi/if_packet.ts';
import * as IN from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { receiveSkb } from '../core/datagram.ts';
import { skFilter } from '../core/filter.ts';
import { dataReady } from '../core/sock.ts';
import { truesizeOf } from '../core/skbuff.ts';
import { type MsgHdr, type ProtoOps, type Socket, sockTimestamp } from '../socket.ts';
import { inetCommon, parseDestination, setDestination, unsetDestination } from './inet_common.ts';
import { withChecksum } from './icmp.ts';
import { boundMatches, InetSock } from './inet_sock.ts';
import { addrOf, type Endpoint, isMulticast, isV4, sockaddrOf } from './ip_addr.ts';
import { hopLimit, ipXmit, netRx, tosOf } from './ip_output.ts';
import { ancillary, inetGetsockopt, inetSetsockopt, leaveGroups, recvErrors, recvInfo } from './ip_sockglue.ts';
import { checksumOk, ipBytes, type IpPacket, parseTransport, transportBytes } from './packet.ts';
import { type Route, routeOutput } from './route.ts';
import { dgramSockPoll, hearsGroup, type PacketInfo, waitForPacket } from './udp.ts';

// Raw sockets: IP packets as they are (net/ipv4/raw.c, net/ipv6/raw.c, raw(7)).

const ICMP_FILTER = 1;
const ICMPV6_FILTER = 1;

export class RawSock extends InetSock {
  /** ICMP_FILTER: types that are not wanted. */
  icmpFilter = 0;
  /** ICMP6_FILTER: the same for 256 types. */
  readonly filter6 = new Uint8Array(32);
  /** IPV6_CHECKSUM: offset of a checksum to make, -1 = none. */
  checksumAt = -1;
}
const rawSk = (sock: Socket) => sock.sk as RawSock;

export function newRawSock(k: Kernel, family: number, protocol: number): { sk: InetSock; ops: ProtoOps } {
  const sk = new RawSock(k, family, S.SOCK_RAW, protocol);
  sk.num = protocol;
  if (protocol === IN.IPPROTO_RAW)
    (family === S.AF_INET ? sk.flags4 : sk.flags6).add(family === S.AF_INET ? IN.IP_HDRINCL : IN.IPV6_HDRINCL);
  k.net.raw.add(sk);
  return { sk, ops: rawOps };
}
function release(k: Kernel, sock: Socket): number {
  const sk = rawSk(sock);
  leaveGroups(k, sk);
  k.net.raw.delete(sk);
  sk.dead = true;
  sk.receiveQueue.length = 0;
  return 0;
}
/** A bound protocol number stands where others have a port, so bind starts from none. */
function bind(k: Kernel, sock: Socket, sa: Uint8Array): number {
  const sk = rawSk(sock);
  if (sk.state !== S.TCP_CLOSE) return -E.EINVAL;
  sk.num = 0;
  const r = inetCommon.bind(k, sock, sa);
  sk.num = sk.protocol;
  return r;
}
function connect(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = rawSk(sock);
  if (addr.length < 2) return -E.EINVAL;
  if (addr[0] !== S.AF_UNSPEC || addr[1] !== 0) return setDestination(k, sk, addr);
  unsetDestination(sk);
  return 0;
}
function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = rawSk(sock);
  const length = msg.iter.count;
  if (length > 0xffff) return -E.EMSGSIZE;
  if ((msg.flags & S.MSG_OOB) !== 0) return -E.EOPNOTSUPP;
  const to: Endpoint | number =
    msg.name !== null
      ? parseDestination(sk, msg.name)
      : sk.state === S.TCP_ESTABLISHED
        ? { addr: sk.daddr, port: 0, scope: sk.scope }
        : -E.EDESTADDRREQ;
  if (typeof to === 'number') return to;
  const info = ancillary(k, sk, msg);
  if (typeof info === 'number') return info;
  const group = isMulticast(to.addr) ? (isV4(to.addr) ? sk.mcIndex : sk.mcIndex6) : 0;
  const route = routeOutput(
    k,
    to.addr,
    info.saddr ?? sk.saddr,
    info.oif ?? (group !== 0 ? group : sk.boundDev !== 0 ? sk.boundDev : to.scope),
  );
  if (typeof route === 'number') return route;
  if (route.type === 'broadcast' && !sk.broadcast) return -E.EACCES;
  const data = length === 0 ? new Uint8Array(0) : msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -E.EFAULT;
  const included = isV4(to.addr) ? sk.flags4.has(IN.IP_HDRINCL) : sk.flags6.has(IN.IPV6_HDRINCL);
  const ttl = info.ttl ?? hopLimit(k, sk, route.daddr);
  const tos = info.tos ?? tosOf(sk, route.daddr);
  const packet = included ? parsePacket(data, route) : makePacket(sk.protocol, data, route, { ttl, tos, id: k.net.nextIpId++ & 0xffff });
  if (packet === null) return -E.EINVAL;
  ipXmit(k, packet);
  netRx(k);
  return length;
}
function makePacket(protocol: number, bytes: Uint8Array, route: Route, h: { ttl: number; tos: number; id: number }): IpPacket | null {
  // What is no packet of its protocol, or has a wrong checksum, still goes out; its handler drops it.
  const parsed = checksumOk(protocol, bytes, route.saddr, route.daddr) ? parseTransport(protocol, bytes) : null;
  const { header, data } = parsed ?? { header: null, data: bytes };
  const truesize = truesizeOf(bytes.length + 64, 0, true);
  const p = { saddr: route.saddr, daddr: route.daddr, protocol, tos: h.tos, ttl: h.ttl, df: false, id: h.id, header, data, truesize };
  if (protocol === IN.IPPROTO_ICMPV6 && data.length >= 4) return withChecksum(p);
  return header === null ? p : { ...p, raw: bytes };
}
/** A packet whose IP header the program made (IP_HDRINCL): the kernel fills in source, id, length and checksum. */
function parsePacket(bytes: Uint8Array, route: Route): IpPacket | null {
  const v4 = isV4(route.daddr);
  const head = v4 ? 20 : 40;
  if (bytes.length < head) return null;
  if (!v4) {
    const r = { ...route, saddr: addrOf(bytes.subarray(8, 24)), daddr: addrOf(bytes.subarray(24, 40)) };
    return makePacket(bytes[6], bytes.subarray(40), r, { ttl: bytes[7], tos: 0, id: 0 });
  }
  const ihl = (bytes[0] & 15) * 4;
  if (ihl < 20 || bytes.length < ihl) return null;
  const source = addrOf(bytes.subarray(12, 16));
  const r = { ...route, saddr: source === '00000000' ? route.saddr : source, daddr: addrOf(bytes.subarray(16, 20)) };
  return makePacket(bytes[9], bytes.subarray(ihl), r, { ttl: bytes[8], tos: bytes[1], id: (bytes[4] << 8) | bytes[5] });
}

/** Hands a packet to all raw sockets that want it; whether there was one (raw_local_deliver). */
export function rawDeliver(k: Kernel, p: IpPacket): boolean {
  if (k.net.raw.size === 0) return false;
  let found = false;
  const v4 = isV4(p.daddr);
  const family = v4 ? S.AF_INET : S.AF_INET6;
  for (const sk of k.net.raw as Set<RawSock>) {
    if (sk.family !== family || sk.protocol !== p.protocol || !boundMatches(sk, p.daddr)) continue;
    if (sk.state === S.TCP_ESTABLISHED && sk.daddr !== p.saddr) continue;
    if (isMulticast(p.daddr) && !hearsGroup(k, sk, p.daddr)) continue;
    found = true;
    const payload = transportBytes(p);
    if (p.protocol === IN.IPPROTO_ICMP && payload[0] < 32 && (sk.icmpFilter & (1 << payload[0])) !== 0) continue;
    if (p.protocol === IN.IPPROTO_ICMPV6 && (sk.filter6[payload[0] >> 3] & (1 << (payload[0] & 7))) !== 0) continue;
    if (sk.rmemAlloc >= sk.rcvbuf) {
      sk.drops++;
      continue;
    }
    const whole = v4 ? ipBytes(p) : payload;
    const snaplen = skFilter(sk, whole, { protocol: v4 ? ETH_P_IP : ETH_P_IPV6, pktType: PACKET_HOST, ifindex: 1, hatype: ARPHRD_LOOPBACK, network: 0 });
    if (snaplen === 0) continue;
    sk.rmemAlloc += p.truesize;
    const info: PacketInfo = { saddr: p.saddr, daddr: p.daddr, ifindex: 1, ttl: p.ttl, tos: p.tos, dport: 0 };
    const data = whole.subarray(0, snaplen);
    sk.receiveQueue.push({
      data,
      consumed: 0,
      truesize: p.truesize,
      owner: null,
      from: sockaddrOf(family, p.saddr, 0, 1),
      creds: null,
      files: null,
      sock: null,
      time: k.time.now(),
      cb: info,
    });
    dataReady(k, sk);
  }
  return found;
}
/** What raw and ping sockets receive: one packet. */
export function recvPacket(k: Kernel, sk: InetSock, msg: MsgHdr): number {
  if ((msg.flags & S.MSG_OOB) !== 0) return -E.EOPNOTSUPP;
  if ((msg.flags & S.MSG_ERRQUEUE) !== 0) return recvErrors(k, sk, msg);
  const skb = sk.receiveQueue[0];
  if (skb === undefined) return waitForPacket(k, sk, msg.flags);
  const size = receiveSkb(k, sk, msg, skb);
  if (size < 0) return size;
  sockTimestamp(k, sk, msg, skb.time);
  recvInfo(k, sk, msg, skb.cb as PacketInfo);
  return (msg.flags & S.MSG_TRUNC) !== 0 ? skb.data.length : size;
}
function ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const sk = rawSk(sock);
  if (cmd === S.SIOCOUTQ) return putUser32(k, arg, sk.wmemAlloc);
  if (cmd === S.SIOCINQ) return putUser32(k, arg, sk.receiveQueue[0]?.data.length ?? 0);
  return inetCommon.ioctl(k, sock, cmd, arg);
}
export function rawSetsockopt(sk: InetSock, level: number, name: number, value: Uint8Array): number {
  if (!(sk instanceof RawSock)) return -E.ENOPROTOOPT;
  if (level === S.SOL_ICMPV6) {
    if (sk.protocol !== IN.IPPROTO_ICMPV6) return -E.EOPNOTSUPP;
    if (name !== ICMPV6_FILTER) return -E.ENOPROTOOPT;
    sk.filter6.set(value.subarray(0, 32));
    return 0;
  }
  const v = new DataView(value.buffer, value.byteOffset, value.length);
  if (sk.family === S.AF_INET) {
    if (name !== ICMP_FILTER) return -E.ENOPROTOOPT;
    if (sk.protocol !== IN.IPPROTO_ICMP) return -E.EOPNOTSUPP;
    if (value.length < 4) return -E.EINVAL;
    sk.icmpFilter = v.getUint32(0, true);
    return 0;
  }
  if (name !== IN.IPV6_CHECKSUM) return -E.ENOPROTOOPT;
  if (value.length < 4 || sk.protocol === IN.IPPROTO_ICMPV6) return -E.EINVAL;
  const at = v.getInt32(0, true);
  if (at > 0 && (at & 1) !== 0) return -E.EINVAL;
  sk.checksumAt = at < 0 ? -1 : at;
  return 0;
}
export function rawGetsockopt(sk: InetSock, level: number, name: number): Uint8Array | number {
  if (!(sk instanceof RawSock)) return -E.ENOPROTOOPT;
  if (level === S.SOL_ICMPV6) return name === ICMPV6_FILTER && sk.protocol === IN.IPPROTO_ICMPV6 ? sk.filter6.slice() : -E.ENOPROTOOPT;
  const out = new Uint8Array(4);
  const v = new DataView(out.buffer);
  if (sk.family === S.AF_INET) {
    if (name !== ICMP_FILTER) return -E.ENOPROTOOPT;
    if (sk.protocol !== IN.IPPROTO_ICMP) return -E.EOPNOTSUPP;
    v.setUint32(0, sk.icmpFilter, true);
    return out;
  }
  if (name !== IN.IPV6_CHECKSUM) return -E.ENOPROTOOPT;
  v.setInt32(0, sk.checksumAt, true);
  return out;
}

export const rawOps: ProtoOps = {
  filters: true,
  ...inetCommon,
  bind,
  release,
  connect,
  accept: () => -E.EOPNOTSUPP,
  listen: () => -E.EOPNOTSUPP,
  poll: (_k, sock, table) => dgramSockPoll(rawSk(sock), table),
  ioctl,
  sendmsg,
  recvmsg: (k, sock, msg) => recvPacket(k, rawSk(sock), msg),
  setsockopt: inetSetsockopt,
  getsockopt: inetGetsockopt,
};
