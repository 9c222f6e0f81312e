import { IP_MULTICAST_ALL, IP_MULTICAST_LOOP, IP_PMTUDISC_WANT, IPV6_AUTOFLOWLABEL, IPV6_MULTICAST_ALL, IPV6_MULTICAST_LOOP } from '../../../abi/in.ts';
import { AF_INET, AF_INET6 } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { Sock } from '../core/sock.ts';
import type { Socket } from '../socket.ts';
import { ANY4, ANY6, type IpAddr, isV4 } from './ip_addr.ts';

// What sockets of the internet protocols have (struct inet_sock, struct ipv6_pinfo).

/** How far a stream socket's file is with connecting (socket->state). */
export const SS_UNCONNECTED = 1;
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;

/** A group joined on an interface. */
export interface Membership {
  readonly group: IpAddr;
  readonly ifindex: number;
}
/** An error with the packet that it is about, for MSG_ERRQUEUE (struct sock_exterr_skb). */
export interface QueuedError {
  readonly errno: number;
  readonly origin: number;
  readonly type: number;
  readonly code: number;
  readonly info: number;
  /** Who said so. */
  readonly offender: IpAddr;
  /** Where the packet was to go, and its payload. */
  readonly addr: IpAddr;
  readonly port: number;
  readonly data: Uint8Array;
  readonly ifindex: number;
  readonly time: number;
}

export class InetSock extends Sock {
  /** Local port, 0 = none (inet_num). */
  num = 0;
  /** The port it had before it was closed: what getsockname still says (inet_sport). */
  sport = 0;
  /** Bound address, and the source address of packets. */
  rcvSaddr: IpAddr;
  saddr: IpAddr;
  daddr: IpAddr;
  dport = 0;
  v6only = false;
  /** The user chose address or port himself (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK). */
  addrLocked = false;
  portLocked = false;
  viaConnect = false;
  ss = SS_UNCONNECTED;
  scope = 0;

  tos = 0;
  tclass = 0;
  /** IP_TTL, IPV6_UNICAST_HOPS; -1 = the system's. */
  ttl = -1;
  hops = -1;
  mcTtl = 1;
  mcHops = 1;
  mcIndex = 0;
  mcAddr: IpAddr = ANY4;
  mcIndex6 = 0;
  pmtudisc = IP_PMTUDISC_WANT;
  pmtudisc6 = IP_PMTUDISC_WANT;
  /** IP_LOCAL_PORT_RANGE: high half, low half; 0 = the system's. */
  portRange = 0;
  /** Truth values that are set, by option number, of SOL_IP and of SOL_IPV6; numbers that are only kept. */
  readonly flags4 = new Set<number>([IP_MULTICAST_LOOP]);
  readonly flags6 = new Set<number>([IPV6_MULTICAST_LOOP, IPV6_MULTICAST_ALL, IPV6_AUTOFLOWLABEL]);
  readonly kept = new Map<string, number>();
  options: Uint8Array = new Uint8Array(0);
  readonly memberships: Membership[] = [];
  readonly errorQueue: QueuedError[] = [];

  constructor(k: Kernel, family: number, type: number, protocol: number) {
    super(k, family, type, protocol);
    this.rcvSaddr = this.saddr = this.daddr = family === AF_INET6 ? ANY6 : ANY4;
    this.sndbuf = k.net.wmemDefault;
    this.rcvbuf = k.net.rmemDefault;
    if (family === AF_INET) this.flags4.add(IP_MULTICAST_ALL);
    this.v6only = family === AF_INET6 && k.net.bindv6only !== 0;
  }
  get any(): IpAddr {
    return this.family === AF_INET6 ? ANY6 : ANY4;
  }
}
export const inetSk = (sock: Socket) => sock.sk as InetSock;

/** Whether a packet to `daddr` may be for a socket bound to `bound`: its own, or a wildcard that covers the family. */
export function boundMatches(sk: InetSock, daddr: IpAddr): boolean {
  if (sk.rcvSaddr === daddr) return true;
  if (sk.rcvSaddr === ANY6) return !isV4(daddr) || (!sk.v6only && sk.family === AF_INET6);
  return sk.rcvSaddr === ANY4 && isV4(daddr);
}
interface Bound {
  readonly rcvSaddr: IpAddr;
  readonly v6only: boolean;
}
/** Whether two sockets of one port would get the same packets (inet_rcv_saddr_equal with wildcards). */
export function saddrOverlap(a: Bound, b: Bound): boolean {
  const x = a.rcvSaddr;
  const y = b.rcvSaddr;
  if (isV4(x) && isV4(y)) return x === y || x === ANY4 || y === ANY4;
  if (x === ANY6) return !isV4(y) || !a.v6only;
  if (y === ANY6) return !isV4(x) || !b.v6only;
  return x === y;
}
/** Bound to interfaces that differ. */
export const devDiffers = (a: { readonly boundDev: number }, b: { readonly boundDev: number }) =>
  a.boundDev !== 0 && b.boundDev !== 0 && a.boundDev !== b.boundDev;
