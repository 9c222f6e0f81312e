import * as E from '../../../abi/errno.ts';
import * as IN from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { parseCmsgs } from '../core/scm.ts';
import type { MsgHdr, Socket } from '../socket.ts';
import { sockTimestamp } from '../socket.ts';
import { type InetSock, inetSk } from './inet_sock.ts';
import { addrBytes, addrOf, ANY4, ANY6, type IpAddr, in6Bytes, isMulticast, isV4, sockaddrOf } from './ip_addr.ts';
import { isBroadcast, localType, routeOutput } from './route.ts';
import type { PacketInfo } from './udp.ts';
import { rawGetsockopt, rawSetsockopt } from './raw.ts';

// Options of SOL_IP and SOL_IPV6 and the control messages that go with them (ip_sockglue.c, ipv6_sockglue.c; ip(7), ipv6(7)).

const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

/** What control messages of a sender change for one packet. */
export interface SendInfo {
  readonly oif?: number;
  readonly saddr?: IpAddr;
  readonly ttl?: number;
  readonly tos?: number;
  readonly segment?: number;
}
const viewOf = (b: Uint8Array) => new DataView(b.buffer, b.byteOffset, b.length);
function int(n: number): Uint8Array {
  const b = new Uint8Array(4);
  viewOf(b).setInt32(0, n, true);
  return b;
}

/** ip_cmsg_send, ip6_datagram_send_ctl. */
export function ancillary(k: Kernel, sk: InetSock, msg: MsgHdr): SendInfo | number {
  if (msg.control.length === 0) return {};
  const cmsgs = parseCmsgs(msg.control);
  if (typeof cmsgs === 'number') return cmsgs;
  const out: { -readonly [P in keyof SendInfo]: SendInfo[P] } = {};
  for (const c of cmsgs) {
    const v = viewOf(c.data);
    if (c.level === S.SOL_UDP && c.type === IN.UDP_SEGMENT && sk.protocol === IN.IPPROTO_UDP) {
      if (c.data.length !== 2) return -E.EINVAL;
      out.segment = v.getUint16(0, true);
    } else if (c.level === S.SOL_SOCKET) {
      if (c.type !== S.SO_MARK && c.type !== S.SO_TIMESTAMPING) return -E.EINVAL;
    } else if (c.level === S.SOL_IP && sk.family === S.AF_INET) {
      if (c.type === IN.IP_PKTINFO) {
        if (c.data.length !== 12) return -E.EINVAL;
        if (v.getInt32(0, true) !== 0) out.oif = v.getInt32(0, true);
        const local = addrOf(c.data.subarray(4, 8));
        if (local !== ANY4) out.saddr = local;
      } else if (c.type === IN.IP_TTL) {
        if (c.data.length !== 4) return -E.EINVAL;
        const n = v.getInt32(0, true);
        if (n < 1 || n > 255) return -E.EINVAL;
        out.ttl = n;
      } else if (c.type === IN.IP_TOS) {
        if (c.data.length !== 4 && c.data.length !== 1) return -E.EINVAL;
        const n = c.data.length === 4 ? v.getInt32(0, true) : c.data[0];
        if (n < 0 || n > 255) return -E.EINVAL;
        out.tos = n;
      } else return -E.EINVAL;
    } else if (c.level === S.SOL_IPV6 && sk.family === S.AF_INET6) {
      if (c.type === IN.IPV6_PKTINFO) {
        if (c.data.length < 20) return -E.EINVAL;
        const index = v.getUint32(16, true);
        if (index !== 0) {
          if (!k.net.devices.some((d) => d.index === index)) return -E.ENODEV;
          out.oif = index;
        }
        const local = addrOf(c.data.subarray(0, 16));
        if (local !== ANY6) {
          if (localType(k, local) === null) return -E.EINVAL;
          out.saddr = local;
        }
      } else if (c.type === IN.IPV6_HOPLIMIT) {
        if (c.data.length !== 4) return -E.EINVAL;
        const n = v.getInt32(0, true);
        if (n < -1 || n > 255) return -E.EINVAL;
        if (n >= 0) out.ttl = n;
      } else if (c.type === IN.IPV6_TCLASS) {
        if (c.data.length !== 4) return -E.EINVAL;
        const n = v.getInt32(0, true);
        if (n < -1 || n > 255) return -E.EINVAL;
        if (n >= 0) out.tos = n;
      } else {
        k.printk.log(4, `sendmsg: IPv6 control message ${c.type} is not implemented`);
        return -E.EINVAL;
      }
    }
  }
  return out;
}
const PKTINFO6 = [
  [IN.IPV6_RECVPKTINFO, IN.IPV6_PKTINFO],
  [IN.IPV6_2292PKTINFO, IN.IPV6_2292PKTINFO],
] as const;
/** struct in_pktinfo and the like for a receiver that asked (ip_cmsg_recv_offset, ip6_datagram_recv_ctl). */
export function recvInfo(k: Kernel, sk: InetSock, msg: MsgHdr, p: PacketInfo): void {
  const { cmsg } = msg;
  if (sk.flags4.has(IN.IP_PKTINFO) && isV4(p.daddr) && (sk.family === S.AF_INET || !sk.flags6.has(IN.IPV6_RECVPKTINFO))) {
    const b = new Uint8Array(12);
    viewOf(b).setInt32(0, p.ifindex, true);
    // ipi_spec_dst: where an answer would come from.
    const own = isMulticast(p.daddr) || isBroadcast(k, p.daddr) ? routeOutput(k, p.saddr, ANY4, 0) : null;
    const spec = own !== null && typeof own !== 'number' ? own.saddr : p.daddr;
    b.set(addrBytes(spec), 4);
    b.set(addrBytes(p.daddr), 8);
    cmsg.put(k, S.SOL_IP, IN.IP_PKTINFO, b);
  }
  if (isV4(p.daddr)) {
    if (sk.flags4.has(IN.IP_RECVTTL)) cmsg.put(k, S.SOL_IP, IN.IP_TTL, int(p.ttl));
    if (sk.flags4.has(IN.IP_RECVTOS)) cmsg.put(k, S.SOL_IP, IN.IP_TOS, new Uint8Array([p.tos]));
    if (sk.flags4.has(IN.IP_RECVORIGDSTADDR)) cmsg.put(k, S.SOL_IP, IN.IP_RECVORIGDSTADDR, sockaddrOf(S.AF_INET, p.daddr, p.dport));
  }
  if (sk.family !== S.AF_INET6) return;
  for (const [option, type] of PKTINFO6) {
    if (!sk.flags6.has(option)) continue;
    const b = new Uint8Array(20);
    b.set(in6Bytes(p.daddr), 0);
    viewOf(b).setUint32(16, p.ifindex, true);
    cmsg.put(k, S.SOL_IPV6, type, b);
  }
  if (isV4(p.daddr)) return;
  if (sk.flags6.has(IN.IPV6_2292HOPLIMIT)) cmsg.put(k, S.SOL_IPV6, IN.IPV6_2292HOPLIMIT, int(p.ttl));
  if (sk.flags6.has(IN.IPV6_RECVHOPLIMIT)) cmsg.put(k, S.SOL_IPV6, IN.IPV6_HOPLIMIT, int(p.ttl));
  if (sk.flags6.has(IN.IPV6_RECVTCLASS)) cmsg.put(k, S.SOL_IPV6, IN.IPV6_TCLASS, int(p.tos));
  if (sk.flags6.has(IN.IPV6_RECVORIGDSTADDR)) cmsg.put(k, S.SOL_IPV6, IN.IPV6_RECVORIGDSTADDR, sockaddrOf(S.AF_INET6, p.daddr, p.dport));
}
/** MSG_ERRQUEUE: the oldest queued error with what it is about (ip_recv_error). */
export function recvErrors(k: Kernel, sk: InetSock, msg: MsgHdr): number {
  const e = sk.errorQueue.shift();
  if (e === undefined) return -E.EAGAIN;
  const size = Math.min(msg.iter.count, e.data.length);
  if (size < e.data.length) msg.outFlags |= S.MSG_TRUNC;
  if (size > 0 && msg.iter.copyTo(k, e.data.subarray(0, size)) < size) return -E.EFAULT;
  msg.name = sockaddrOf(sk.family, e.addr, e.port);
  msg.outFlags |= S.MSG_ERRQUEUE;
  sockTimestamp(k, sk, msg, e.time);
  const from = sockaddrOf(isV4(e.offender) ? S.AF_INET : S.AF_INET6, e.offender, 0);
  const b = new Uint8Array(16 + from.length);
  const v = viewOf(b);
  v.setUint32(0, e.errno, true);
  b[4] = e.origin;
  b[5] = e.type;
  b[6] = e.code;
  v.setUint32(8, e.info, true);
  b.set(from, 16);
  const v4 = isV4(e.addr);
  msg.cmsg.put(k, v4 ? S.SOL_IP : S.SOL_IPV6, v4 ? IN.IP_RECVERR : IN.IPV6_RECVERR, b);
  // The next queued error is the socket's error now.
  sk.err = sk.errorQueue.length > 0 ? sk.errorQueue[0].errno : 0;
  return size;
}

/** Truth values that change what arrives or is sent, or that have no subject here and are only kept. */
const BOOL4: readonly number[] = [
  IN.IP_PKTINFO,
  IN.IP_RECVTTL,
  IN.IP_RECVOPTS,
  IN.IP_RECVTOS,
  IN.IP_RETOPTS,
  IN.IP_PASSSEC,
  IN.IP_RECVORIGDSTADDR,
  IN.IP_FREEBIND,
  IN.IP_RECVERR_RFC4884,
  IN.IP_BIND_ADDRESS_NO_PORT,
  IN.IP_RECVFRAGSIZE,
  IN.IP_MULTICAST_ALL,
  IN.IP_MULTICAST_LOOP,
];
const BOOL6: readonly number[] = [
  IN.IPV6_2292PKTINFO,
  IN.IPV6_2292HOPLIMIT,
  IN.IPV6_RECVPKTINFO,
  IN.IPV6_RECVHOPLIMIT,
  IN.IPV6_RECVTCLASS,
  IN.IPV6_RECVORIGDSTADDR,
  IN.IPV6_RECVHOPOPTS,
  IN.IPV6_RECVDSTOPTS,
  IN.IPV6_RECVRTHDR,
  IN.IPV6_RECVPATHMTU,
  IN.IPV6_RECVFRAGSIZE,
  IN.IPV6_FREEBIND,
  IN.IPV6_MULTICAST_ALL,
  IN.IPV6_MULTICAST_LOOP,
  IN.IPV6_DONTFRAG,
  IN.IPV6_AUTOFLOWLABEL,
  IN.IPV6_RECVERR_RFC4884,
  IN.IPV6_FLOWINFO_SEND,
];
function setFlag(set: Set<number>, name: number, on: boolean): number {
  if (on) set.add(name);
  else set.delete(name);
  return 0;
}
/** setsockopt on an internet socket of levels above the protocol's own. */
export function inetSetsockopt(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number {
  const sk = inetSk(sock);
  if (level === S.SOL_RAW || level === S.SOL_ICMPV6) return rawSetsockopt(sk, level, name, value);
  if (level === S.SOL_IP) return setIp(k, sk, name, value);
  if (level === S.SOL_IPV6) return sk.family === S.AF_INET6 ? setIpv6(k, sk, name, value) : -E.ENOPROTOOPT;
  return -E.ENOPROTOOPT;
}
const NEEDS_NET_ADMIN = (k: Kernel) => k.current.capable(CAP_NET_ADMIN) || k.current.capable(CAP_NET_RAW);
function setIp(k: Kernel, sk: InetSock, name: number, value: Uint8Array): number {
  if (name === IN.IP_ADD_MEMBERSHIP || name === IN.IP_DROP_MEMBERSHIP) return membership4(k, sk, name, value);
  if (name === IN.IP_MULTICAST_IF) return multicastIf(k, sk, value);
  if (name === IN.IP_OPTIONS) {
    if (!optionsValid(value)) return -E.EINVAL;
    sk.options = value.slice();
    return 0;
  }
  // One byte is enough for most.
  const val = value.length >= 4 ? viewOf(value).getInt32(0, true) : value.length >= 1 ? value[0] : 0;
  const bool = val !== 0;
  if (BOOL4.includes(name)) {
    if ((name === IN.IP_MULTICAST_LOOP || name === IN.IP_MULTICAST_ALL) && value.length < 1) return -E.EINVAL;
    if (name === IN.IP_FREEBIND && value.length < 1) return -E.EINVAL;
    if ((name === IN.IP_MULTICAST_ALL || name === IN.IP_RECVERR_RFC4884) && val !== 0 && val !== 1) return -E.EINVAL;
    if (name === IN.IP_RECVFRAGSIZE && sk.type === S.SOCK_STREAM) return -E.EINVAL;
    return setFlag(sk.flags4, name, bool);
  }
  switch (name) {
    case IN.IP_RECVERR:
      if (!bool) sk.errorQueue.length = 0;
      return setFlag(sk.flags4, name, bool);
    case IN.IP_TOS:
      // The ECN bits of a stream belong to TCP.
      sk.tos = sk.type === S.SOCK_STREAM ? (val & 0xfc) | (sk.tos & 3) : val & 0xff;
      sk.priority = [0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4][(sk.tos >> 1) & 15];
      return 0;
    case IN.IP_TTL:
      if (value.length < 1 || (val !== -1 && (val < 1 || val > 255))) return -E.EINVAL;
      sk.ttl = val;
      return 0;
    case IN.IP_MTU_DISCOVER:
      if (val < 0 || val > IN.IP_PMTUDISC_OMIT) return -E.EINVAL;
      sk.pmtudisc = val;
      return 0;
    case IN.IP_MULTICAST_TTL: {
      if (sk.type === S.SOCK_STREAM || value.length < 1) return -E.EINVAL;
      const ttl = val === -1 ? 1 : val;
      if (ttl < 0 || ttl > 255) return -E.EINVAL;
      sk.mcTtl = ttl;
      return 0;
    }
    case IN.IP_MINTTL:
      if (value.length < 1 || val < 0 || val > 255) return -E.EINVAL;
      sk.kept.set('minttl', val);
      return 0;
    case IN.IP_NODEFRAG:
      if (sk.type !== S.SOCK_RAW) return -E.ENOPROTOOPT;
      return setFlag(sk.flags4, name, bool);
    case IN.IP_HDRINCL:
      if (sk.type !== S.SOCK_RAW) return -E.ENOPROTOOPT;
      return setFlag(sk.flags4, name, bool);
    case IN.IP_TRANSPARENT:
      if (bool && !NEEDS_NET_ADMIN(k)) return -E.EPERM;
      if (value.length < 1) return -E.EINVAL;
      return setFlag(sk.flags4, name, bool);
    case IN.IP_UNICAST_IF: {
      if (value.length !== 4) return -E.EINVAL;
      const index = viewOf(value).getUint32(0);
      if (index !== 0 && !k.net.devices.some((d) => d.index === index)) return -E.EADDRNOTAVAIL;
      sk.kept.set('unicastIf', index);
      return 0;
    }
    case IN.IP_LOCAL_PORT_RANGE: {
      if (value.length !== 4) return -E.EINVAL;
      const lo = val & 0xffff;
      const hi = val >>> 16;
      if (lo !== 0 && hi !== 0 && lo > hi) return -E.EINVAL;
      sk.portRange = val >>> 0;
      return 0;
    }
  }
  return -E.ENOPROTOOPT;
}
/** Each IP option but END and NOP has a length, and together they fit into a header (ip_options_compile). */
function optionsValid(o: Uint8Array): boolean {
  if (o.length > 40) return false;
  for (let at = 0; at < o.length && o[at] !== 0; ) {
    if (o[at] === 1) {
      at++;
      continue;
    }
    const length = o[at + 1] ?? 0;
    if (length < 2 || at + length > o.length) return false;
    at += length;
  }
  return true;
}
function multicastIf(k: Kernel, sk: InetSock, value: Uint8Array): number {
  if (sk.type === S.SOCK_STREAM || value.length < 4) return -E.EINVAL;
  // struct ip_mreqn: group, address, index; shorter: only an address.
  const address = addrOf(value.length >= 8 ? value.subarray(4, 8) : value.subarray(0, 4));
  let index = value.length >= 12 ? viewOf(value).getInt32(8, true) : 0;
  if (index === 0) {
    if (address === ANY4) {
      sk.mcIndex = 0;
      sk.mcAddr = ANY4;
      return 0;
    }
    const own = localType(k, address);
    if (own === null) return -E.EADDRNOTAVAIL;
    index = own.dev.index;
  } else if (!k.net.devices.some((d) => d.index === index)) return -E.EADDRNOTAVAIL;
  sk.mcIndex = index;
  sk.mcAddr = address;
  return 0;
}
function membership4(k: Kernel, sk: InetSock, name: number, value: Uint8Array): number {
  if (sk.type === S.SOCK_STREAM) return -E.EPROTO;
  if (value.length < 8) return -E.EINVAL;
  const group = addrOf(value.subarray(0, 4));
  const address = addrOf(value.subarray(4, 8));
  const index = value.length >= 12 ? viewOf(value).getInt32(8, true) : 0;
  const add = name === IN.IP_ADD_MEMBERSHIP;
  if (!isMulticast(group)) return add ? -E.EINVAL : -E.EADDRNOTAVAIL;
  let ifindex = index;
  if (ifindex === 0) {
    // By address, else by the route to the group: there is none.
    const own = address === ANY4 ? null : localType(k, address);
    if (own === null) return -E.ENODEV;
    ifindex = own.dev.index;
  } else if (!k.net.devices.some((d) => d.index === ifindex)) return -E.ENODEV;
  return changeMembership(k, sk, group, ifindex, add, index !== 0 || address !== ANY4);
}
const MAX_MEMBERSHIPS = 20;
function changeMembership(k: Kernel, sk: InetSock, group: IpAddr, ifindex: number, add: boolean, exact: boolean): number {
  const at = sk.memberships.findIndex((m) => m.group === group && (!exact || m.ifindex === ifindex));
  if (add) {
    if (at >= 0) return -E.EADDRINUSE;
    if (isV4(group) && sk.memberships.length >= MAX_MEMBERSHIPS) return -E.ENOBUFS;
    sk.memberships.push({ group, ifindex });
    k.net.memberships.push(sk);
    return 0;
  }
  if (at < 0) return -E.EADDRNOTAVAIL;
  sk.memberships.splice(at, 1);
  k.net.memberships.splice(k.net.memberships.indexOf(sk), 1);
  return 0;
}
/** A socket goes: its groups are left. */
export function leaveGroups(k: Kernel, sk: InetSock): void {
  for (let n = sk.memberships.length; n > 0; n--) k.net.memberships.splice(k.net.memberships.indexOf(sk), 1);
  sk.memberships.length = 0;
}

function setIpv6(k: Kernel, sk: InetSock, name: number, value: Uint8Array): number {
  if (name === IN.IPV6_ADD_MEMBERSHIP || name === IN.IPV6_DROP_MEMBERSHIP) {
    if (sk.type === S.SOCK_STREAM) return -E.EPROTO;
    if (value.length < 20) return -E.EINVAL;
    const group = addrOf(value.subarray(0, 16));
    let index = viewOf(value).getInt32(16, true);
    const add = name === IN.IPV6_ADD_MEMBERSHIP;
    if (!isMulticast(group) || isV4(group)) return add ? -E.EINVAL : -E.EINVAL;
    if (index === 0) index = 1;
    if (!k.net.devices.some((d) => d.index === index)) return -E.ENODEV;
    return changeMembership(k, sk, group, index, add, true);
  }
  const val = value.length >= 4 ? viewOf(value).getInt32(0, true) : 0;
  const short = value.length < 4;
  const bool = val !== 0;
  if (BOOL6.includes(name)) {
    if (short) return -E.EINVAL;
    if (name === IN.IPV6_MULTICAST_LOOP && val !== 0 && val !== 1) return -E.EINVAL;
    return setFlag(sk.flags6, name, bool);
  }
  if (short && name !== IN.IPV6_ADDRFORM) return name === IN.IPV6_PKTINFO ? -E.EINVAL : isKnown6(name) ? -E.EINVAL : -E.ENOPROTOOPT;
  switch (name) {
    case IN.IPV6_ADDRFORM:
      return toInet(sk, val);
    case IN.IPV6_V6ONLY:
      if (sk.num !== 0) return -E.EINVAL;
      sk.v6only = bool;
      return 0;
    case IN.IPV6_UNICAST_HOPS:
      if (val < -1 || val > 255) return -E.EINVAL;
      sk.hops = val;
      return 0;
    case IN.IPV6_MULTICAST_HOPS:
      if (sk.type === S.SOCK_STREAM) return -E.ENOPROTOOPT;
      if (val < -1 || val > 255) return -E.EINVAL;
      sk.mcHops = val === -1 ? 1 : val;
      return 0;
    case IN.IPV6_MULTICAST_IF:
      if (sk.type === S.SOCK_STREAM) return -E.ENOPROTOOPT;
      if (val !== 0 && !k.net.devices.some((d) => d.index === val)) return -E.ENODEV;
      sk.mcIndex6 = val;
      return 0;
    case IN.IPV6_TCLASS:
      if (val < -1 || val > 255) return -E.EINVAL;
      sk.tclass = val === -1 ? 0 : sk.type === S.SOCK_STREAM ? val & 0xfc : val;
      return 0;
    case IN.IPV6_MTU_DISCOVER:
      if (val < 0 || val > IN.IP_PMTUDISC_OMIT) return -E.EINVAL;
      sk.pmtudisc6 = val;
      return 0;
    case IN.IPV6_RECVERR:
      if (!bool) sk.errorQueue.length = 0;
      return setFlag(sk.flags6, name, bool);
    case IN.IPV6_TRANSPARENT:
      if (bool && !NEEDS_NET_ADMIN(k)) return -E.EPERM;
      return setFlag(sk.flags6, name, bool);
    case IN.IPV6_HDRINCL:
      return sk.type === S.SOCK_RAW ? setFlag(sk.flags6, name, bool) : -E.ENOPROTOOPT;
    case IN.IPV6_MTU:
      if (val !== 0 && val < 1280) return -E.EINVAL;
      sk.kept.set('mtu6', val);
      return 0;
    case IN.IPV6_ADDR_PREFERENCES:
      sk.kept.set('preferences', val);
      return 0;
    case IN.IPV6_MINHOPCOUNT:
      if (val < 0 || val > 255) return -E.EINVAL;
      sk.kept.set('minhops', val);
      return 0;
    case IN.IPV6_UNICAST_IF: {
      const index = viewOf(value).getUint32(0);
      if (index !== 0 && !k.net.devices.some((d) => d.index === index)) return -E.EADDRNOTAVAIL;
      sk.kept.set('unicastIf6', index);
      return 0;
    }
  }
  return -E.ENOPROTOOPT;
}
/** IPV6_ADDRFORM: a socket connected to an IPv4 address becomes one of AF_INET. */
function toInet(sk: InetSock, val: number): number {
  if (val !== S.AF_INET) return -E.ENOPROTOOPT;
  if (sk.protocol !== IN.IPPROTO_UDP && sk.protocol !== IN.IPPROTO_TCP) return -E.ENOPROTOOPT;
  if (sk.state !== S.TCP_ESTABLISHED) return -E.ENOTCONN;
  if (sk.v6only || !isV4(sk.daddr)) return -E.EADDRNOTAVAIL;
  sk.family = S.AF_INET;
  sk.flags6.clear();
  return 0;
}
const isKnown6 = (name: number) =>
  [IN.IPV6_V6ONLY, IN.IPV6_UNICAST_HOPS, IN.IPV6_MULTICAST_HOPS, IN.IPV6_MULTICAST_IF, IN.IPV6_TCLASS, IN.IPV6_MTU_DISCOVER, IN.IPV6_RECVERR, IN.IPV6_MTU].includes(name);

/** The value: an int, or one byte when that is all the room there is and the value fits (IPv4's habit). */
function int4(val: number, len: number): Uint8Array {
  return len < 4 && len > 0 && val >= 0 && val <= 255 ? new Uint8Array([val]) : int(val);
}
export function inetGetsockopt(k: Kernel, sock: Socket, level: number, name: number, len: number): Uint8Array | number {
  const sk = inetSk(sock);
  if (level === S.SOL_RAW || level === S.SOL_ICMPV6) return rawGetsockopt(sk, level, name);
  if (level === S.SOL_IP) return getIp(k, sk, name, len);
  if (level === S.SOL_IPV6 && sk.family === S.AF_INET6) return getIpv6(k, sk, name);
  return -E.EOPNOTSUPP;
}
const mtuOf = (sk: InetSock) => (sk.dport === 0 && sk.state !== S.TCP_ESTABLISHED ? -E.ENOTCONN : isV4(sk.daddr) ? 65535 : 65536);
function getIp(k: Kernel, sk: InetSock, name: number, len: number): Uint8Array | number {
  if (BOOL4.includes(name) || [IN.IP_RECVERR, IN.IP_TRANSPARENT, IN.IP_NODEFRAG].includes(name)) return int4(Number(sk.flags4.has(name)), len);
  switch (name) {
    case IN.IP_OPTIONS:
      return sk.options;
    case IN.IP_TOS:
      return int4(sk.tos, len);
    case IN.IP_TTL:
      return int4(sk.ttl < 0 ? k.net.defaultTtl : sk.ttl, len);
    case IN.IP_MTU_DISCOVER:
      return int4(sk.pmtudisc, len);
    case IN.IP_MTU: {
      const mtu = mtuOf(sk);
      return mtu < 0 ? mtu : int4(mtu, len);
    }
    case IN.IP_MULTICAST_TTL:
      return int4(sk.mcTtl, len);
    case IN.IP_MULTICAST_IF:
      return addrBytes(sk.mcAddr).subarray(0, len);
    case IN.IP_MINTTL:
      return int4(sk.kept.get('minttl') ?? 0, len);
    case IN.IP_HDRINCL:
      return sk.type === S.SOCK_RAW ? int4(Number(sk.flags4.has(name)), len) : -E.ENOPROTOOPT;
    case IN.IP_UNICAST_IF: {
      const b = new Uint8Array(4);
      viewOf(b).setUint32(0, sk.kept.get('unicastIf') ?? 0);
      return b;
    }
    case IN.IP_LOCAL_PORT_RANGE:
      return int(sk.portRange | 0);
    case IN.IP_PROTOCOL:
      return int4(sk.num, len);
    case IN.IP_PKTOPTIONS:
      return sk.type === S.SOCK_STREAM ? new Uint8Array(0) : -E.ENOPROTOOPT;
  }
  return -E.ENOPROTOOPT;
}
function getIpv6(_k: Kernel, sk: InetSock, name: number): Uint8Array | number {
  if (BOOL6.includes(name) || name === IN.IPV6_RECVERR || name === IN.IPV6_TRANSPARENT) return int(Number(sk.flags6.has(name)));
  switch (name) {
    case IN.IPV6_V6ONLY:
      return int(Number(sk.v6only));
    case IN.IPV6_UNICAST_HOPS:
      return int(sk.hops < 0 ? 64 : sk.hops);
    case IN.IPV6_MULTICAST_HOPS:
      return int(sk.mcHops);
    case IN.IPV6_MULTICAST_IF:
      return int(sk.mcIndex6);
    case IN.IPV6_TCLASS:
      return int(sk.tclass);
    case IN.IPV6_MTU_DISCOVER:
      return int(sk.pmtudisc6);
    case IN.IPV6_MTU: {
      const mtu = mtuOf(sk);
      return mtu < 0 ? mtu : int(65536);
    }
    case IN.IPV6_ADDRFORM:
      return sk.protocol !== IN.IPPROTO_UDP && sk.protocol !== IN.IPPROTO_TCP ? -E.ENOPROTOOPT : sk.state !== S.TCP_ESTABLISHED ? -E.ENOTCONN : int(sk.family);
    case IN.IPV6_HDRINCL:
      return sk.type === S.SOCK_RAW ? int(Number(sk.flags6.has(name))) : -E.ENOPROTOOPT;
    case IN.IPV6_ADDR_PREFERENCES:
      return int(sk.kept.get('preferences') ?? 0x500);
    case IN.IPV6_MINHOPCOUNT:
      return int(sk.kept.get('minhops') ?? 0);
    case IN.IPV6_UNICAST_IF: {
      const b = new Uint8Array(4);
      viewOf(b).setUint32(0, sk.kept.get('unicastIf6') ?? 0);
      return b;
    }
  }
  return -E.ENOPROTOOPT;
}
