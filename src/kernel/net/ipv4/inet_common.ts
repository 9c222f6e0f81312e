import * as E from '../../../abi/errno.ts';
import { IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND, IP_TRANSPARENT, IPV6_FREEBIND, IPV6_TRANSPARENT } from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf64 } from '../../lib/bytes.ts';
import { copyToUser } from '../../mm/uaccess.ts';
import { stateChange, wallAt } from '../core/sock.ts';
import type { Socket } from '../socket.ts';
import { devinetIoctl } from './devinet.ts';
import { type InetSock, inetSk } from './inet_sock.ts';
import { ANY4, ANY6, type Endpoint, familyOf, isAny, isLinkLocal6, isMulticast, isV4, LOOPBACK4, LOOPBACK6, parseSin, parseSin6, sockaddrOf } from './ip_addr.ts';
import { isBroadcast, localType, routeOutput } from './route.ts';

// What sockets of AF_INET and AF_INET6 share, whatever their protocol (net/ipv4/af_inet.c, net/ipv6/af_inet6.c).

const CAP_NET_BIND_SERVICE = 10;

/** An address that the user gives to send or connect to, as the socket's family reads it. */
export function parseDestination(sk: InetSock, name: Uint8Array): Endpoint | number {
  const family = familyOf(name);
  if (sk.family === S.AF_INET) {
    const to = parseSin(name);
    if (typeof to === 'number') return to;
    return family === S.AF_INET || family === S.AF_UNSPEC ? to : -E.EAFNOSUPPORT;
  }
  if (family === S.AF_INET) {
    // An IPv4 address on an IPv6 socket: taken as mapped by datagrams.
    const to = parseSin(name);
    return typeof to === 'number' ? to : sk.v6only ? -E.ENETUNREACH : to;
  }
  if (family === S.AF_UNSPEC) return -E.EDESTADDRREQ;
  const to = parseSin6(name);
  if (typeof to === 'number') return to;
  if (isV4(to.addr)) return sk.v6only ? -E.ENETUNREACH : to;
  // "Any" means this machine; in IPv4 when the socket is bound there.
  if (to.addr === ANY6) return { ...to, addr: isV4(sk.rcvSaddr) ? LOOPBACK4 : LOOPBACK6 };
  if (isV4(sk.rcvSaddr)) return -E.EAFNOSUPPORT;
  if (isLinkLocal6(to.addr) && to.scope === 0 && sk.boundDev === 0) return -E.EINVAL;
  return to;
}
/** connect of a datagram or raw socket (__ip4_datagram_connect, __ip6_datagram_connect). */
export function setDestination(k: Kernel, sk: InetSock, name: Uint8Array): number {
  const family = familyOf(name);
  if (sk.family === S.AF_INET && name.length >= 16 && family !== S.AF_INET) return -E.EAFNOSUPPORT;
  const to = parseDestination(sk, name);
  if (typeof to === 'number') return to;
  const oif = sk.boundDev !== 0 ? sk.boundDev : isMulticast(to.addr) ? (isV4(to.addr) ? sk.mcIndex : sk.mcIndex6) : to.scope;
  const route = routeOutput(k, to.addr, sk.saddr, oif);
  if (typeof route === 'number') return route;
  if (route.type === 'broadcast' && !sk.broadcast) return -E.EACCES;
  if (isAny(sk.saddr)) sk.saddr = route.saddr;
  if (isAny(sk.rcvSaddr)) sk.rcvSaddr = route.saddr;
  sk.daddr = route.daddr;
  sk.dport = to.port;
  sk.scope = to.scope;
  sk.state = S.TCP_ESTABLISHED;
  return 0;
}
/** Back to nobody (__udp_disconnect). */
export function unsetDestination(sk: InetSock): void {
  sk.state = S.TCP_CLOSE;
  sk.daddr = sk.any;
  sk.dport = 0;
  sk.boundDev = 0;
  if (!sk.addrLocked) sk.rcvSaddr = sk.saddr = sk.any;
}

/** The address in a bind call: allowed for this socket? */
function bindAddress(k: Kernel, sk: InetSock, sa: Uint8Array): Endpoint | number {
  const family = familyOf(sa);
  const foreign = sk.flags4.has(IP_FREEBIND) || sk.flags4.has(IP_TRANSPARENT) || sk.flags6.has(IPV6_FREEBIND) || sk.flags6.has(IPV6_TRANSPARENT);
  if (sk.family === S.AF_INET) {
    const at = parseSin(sa);
    if (typeof at === 'number') return at;
    // Old programs left the family out.
    if (family !== S.AF_INET && (family !== S.AF_UNSPEC || at.addr !== ANY4)) return -E.EAFNOSUPPORT;
    const own = isAny(at.addr) || foreign || isMulticast(at.addr) || at.addr === 'ffffffff' || localType(k, at.addr) !== null;
    return own ? at : -E.EADDRNOTAVAIL;
  }
  const at = parseSin6(sa);
  if (typeof at === 'number') return at;
  if (isMulticast(at.addr) && !isV4(at.addr) && sk.type === S.SOCK_STREAM) return -E.EINVAL;
  if (isV4(at.addr)) {
    if (sk.v6only) return -E.EINVAL;
    return at.addr === ANY4 || foreign || localType(k, at.addr) !== null ? at : -E.EADDRNOTAVAIL;
  }
  if (isLinkLocal6(at.addr)) {
    const dev = at.scope !== 0 ? at.scope : sk.boundDev;
    if (dev === 0) return -E.EINVAL;
    if (!k.net.devices.some((d) => d.index === dev)) return -E.ENODEV;
  }
  return at.addr === ANY6 || foreign || isMulticast(at.addr) || localType(k, at.addr) !== null ? at : -E.EADDRNOTAVAIL;
}
/** __inet_bind, __inet6_bind. */
export function inetBind(k: Kernel, sock: Socket, sa: Uint8Array): number {
  const sk = inetSk(sock);
  // IPv6 looks at the state before the address.
  const busy = sk.state !== S.TCP_CLOSE || sk.num !== 0;
  if (busy && sk.family === S.AF_INET6 && sa.length >= 24 && familyOf(sa) === S.AF_INET6) return -E.EINVAL;
  const at = bindAddress(k, sk, sa);
  if (typeof at === 'number') return at;
  if (at.port !== 0 && at.port < k.net.unprivilegedPortStart && sock.ops.getPort !== undefined && !k.current.capable(CAP_NET_BIND_SERVICE)) return -E.EACCES;
  if (busy) return -E.EINVAL;
  const before = { rcvSaddr: sk.rcvSaddr, saddr: sk.saddr, v6only: sk.v6only };
  sk.rcvSaddr = at.addr;
  sk.saddr = isMulticast(at.addr) || (isV4(at.addr) && isBroadcast(k, at.addr)) ? sk.any : at.addr;
  if (sk.family === S.AF_INET6 && !isV4(at.addr) && at.addr !== ANY6) sk.v6only = true;
  if (sock.ops.getPort !== undefined && (at.port !== 0 || !sk.flags4.has(IP_BIND_ADDRESS_NO_PORT))) {
    const r = sock.ops.getPort(k, sk, at.port);
    if (r < 0) {
      Object.assign(sk, before);
      return r;
    }
  }
  sk.addrLocked = !isAny(at.addr);
  sk.portLocked = at.port !== 0;
  sk.daddr = isV4(at.addr) ? ANY4 : sk.any;
  sk.dport = 0;
  return 0;
}
function getname(_k: Kernel, sock: Socket, peer: boolean, accepted = false): Uint8Array | number {
  const sk = inetSk(sock);
  if (!peer) return sockaddrOf(sk.family, isAny(sk.rcvSaddr) ? sk.saddr : sk.rcvSaddr, sk.num !== 0 ? sk.num : sk.sport, sk.scope);
  if (sk.dport === 0 || (!accepted && (sk.state === S.TCP_CLOSE || sk.state === S.TCP_SYN_SENT))) return -E.ENOTCONN;
  return sockaddrOf(sk.family, sk.daddr, sk.dport, sk.scope);
}
/** inet_shutdown of datagram sockets. */
function shutdown(k: Kernel, sock: Socket, how: number): number {
  if (how < S.SHUT_RD || how > S.SHUT_RDWR) return -E.EINVAL;
  const sk = inetSk(sock);
  sk.shutdown |= how + 1;
  stateChange(k, sk);
  return sk.state === S.TCP_CLOSE ? -E.ENOTCONN : 0;
}
function ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  if (cmd === S.SIOCGSTAMP || cmd === S.SIOCGSTAMPNS) {
    const { sk } = sock;
    if (sk.stamp < 0) {
      // The first call only asks that time be taken from now on.
      sk.values.set(S.SO_TIMESTAMP, 1);
      sk.stamp = 0;
      return -E.ENOENT;
    }
    if (sk.stamp === 0) return -E.ENOENT;
    const at = wallAt(k, sk.stamp);
    return copyToUser(k, arg, bytesOf64(at.sec, cmd === S.SIOCGSTAMP ? Math.floor(at.nsec / 1000) : at.nsec));
  }
  return devinetIoctl(k, sock, cmd, arg);
}

/** What the protocols' operations have in common. */
export const inetCommon = {
  bind: inetBind,
  socketpair: () => -E.EOPNOTSUPP,
  getname,
  shutdown,
  ioctl,
};

