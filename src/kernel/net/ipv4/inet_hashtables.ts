import { EADDRINUSE, EADDRNOTAVAIL } from '../../../abi/errno.ts';
import { TCP_LISTEN, TCP_TIME_WAIT } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { boundMatches, devDiffers, type InetSock, saddrOverlap } from './inet_sock.ts';
import { ANY4, ANY6, type IpAddr, isV4 } from './ip_addr.ts';

// Who has which port (net/ipv4/inet_hashtables.c, inet_connection_sock.c, udp.c).

/** What stands in the way of others on a port: a socket, or what is left of one (struct inet_timewait_sock). */
export interface PortOwner {
  readonly family: number;
  readonly num: number;
  readonly rcvSaddr: IpAddr;
  readonly v6only: boolean;
  readonly reuse: boolean;
  readonly reuseport: boolean;
  readonly state: number;
  readonly uid: number;
  readonly boundDev: number;
  /** connect chose the port, so it may serve other connections too. */
  readonly viaConnect: boolean;
}
/** Owners of a protocol's ports, in order of arrival. */
export class PortTable<T extends PortOwner> {
  readonly byPort = new Map<number, T[]>();
  add(owner: T, port: number): void {
    const owners = this.byPort.get(port);
    if (owners === undefined) this.byPort.set(port, [owner]);
    else owners.push(owner);
  }
  remove(owner: T, port: number): void {
    const owners = this.byPort.get(port);
    const i = owners?.indexOf(owner) ?? -1;
    if (owners === undefined || i < 0) return;
    owners.splice(i, 1);
    if (owners.length === 0) this.byPort.delete(port);
  }
  at(port: number): readonly T[] {
    return this.byPort.get(port) ?? [];
  }
  /** All owners, by port. */
  all(): T[] {
    return [...this.byPort.values()].flat();
  }
}

/** The ports that the system hands out to `sk`: ip_local_port_range, narrowed by IP_LOCAL_PORT_RANGE. */
export function portRange(k: Kernel, sk: InetSock): { low: number; high: number } {
  let [low, high] = k.net.portRange;
  const own = sk.portRange;
  if (own !== 0) {
    const lo = own & 0xffff;
    const hi = own >>> 16;
    if (lo !== 0 && lo >= low && lo <= high) low = lo;
    if (hi !== 0 && hi <= high && hi >= low) high = hi;
  }
  return { low, high };
}

/** inet_csk_bind_conflict: another socket of the port stands in the way of `sk`. */
export function tcpConflict(sk: InetSock, others: readonly PortOwner[], relax = true): boolean {
  return others.some((o) => {
    if (o === sk || devDiffers(sk, o)) return false;
    if (sk.reuse && o.reuse && o.state !== TCP_LISTEN) return !relax && saddrOverlap(sk, o);
    const share = relax && sk.reuseport && o.reuseport && (o.state === TCP_TIME_WAIT || o.uid === sk.uid);
    return !share && saddrOverlap(sk, o);
  });
}
/** udp_lib_lport_inuse. */
export function udpConflict(sk: InetSock, others: readonly PortOwner[]): boolean {
  return others.some((o) => {
    if (o === sk || (sk.reuse && o.reuse) || devDiffers(sk, o) || !saddrOverlap(sk, o)) return false;
    return !(sk.reuseport && o.reuseport && o.uid === sk.uid);
  });
}

/** A port that the system chooses for bind (odd ones of the range first, as Linux leaves the even ones to connect), or -EADDRINUSE. */
export function tcpEphemeral(k: Kernel, table: PortTable<PortOwner>, sk: InetSock): number {
  const { low, high } = portRange(k, sk);
  const count = high - low + 1;
  const start = (k.random32() % count) | 1;
  for (const parity of [0, 1]) {
    for (let i = 0; i < count; i += 2) {
      const port = low + ((start + parity + i) % count);
      if (!tcpConflict(sk, table.at(port), false)) return port;
    }
  }
  return -EADDRINUSE;
}
export function udpEphemeral(k: Kernel, table: PortTable<PortOwner>, sk: InetSock): number {
  const { low, high } = portRange(k, sk);
  const count = high - low + 1;
  const start = k.random32() % count;
  for (let i = 0; i < count; i++) {
    const port = low + ((start + i) % count);
    if (!udpConflict(sk, table.at(port))) return port;
  }
  return -EADDRINUSE;
}
/** A port for connect: even ones first; `taken` says whether the connection would be a second one. -EADDRNOTAVAIL (__inet_hash_connect). */
export function connectPort(k: Kernel, table: PortTable<PortOwner>, sk: InetSock, taken: (port: number) => boolean): number {
  const { low, high } = portRange(k, sk);
  const count = high - low + 1;
  const start = (k.random32() % count) & ~1;
  for (const parity of [0, 1]) {
    for (let i = 0; i < count; i += 2) {
      const port = low + ((start + parity + i) % count);
      const others = table.at(port);
      // A port that somebody bound is left alone; one of other connections can serve another destination.
      if (others.some((o) => !o.viaConnect)) continue;
      if (others.length > 0 && taken(port)) continue;
      return port;
    }
  }
  return -EADDRNOTAVAIL;
}

/** How well an unconnected socket fits a packet, -1 = not (compute_score). */
export function listenScore(sk: InetSock, daddr: IpAddr, ifindex: number): number {
  if (!boundMatches(sk, daddr)) return -1;
  if (sk.boundDev !== 0 && sk.boundDev !== ifindex) return -1;
  const exact = sk.rcvSaddr !== ANY4 && sk.rcvSaddr !== ANY6 ? 8 : 0;
  return exact + (sk.boundDev !== 0 ? 2 : 0) + (isV4(daddr) && sk.family === 2 ? 1 : 0);
}
/** Spreads packets over the sockets that share a port with SO_REUSEPORT (reuseport_select_sock). */
export function flowHash(...parts: readonly (string | number)[]): number {
  let h = 0x811c_9dc5;
  for (const c of parts.join(' ')) h = Math.imul(h ^ c.charCodeAt(0), 0x0100_0193);
  h ^= h >>> 15;
  return Math.imul(h, 0x2c1b_3c6d) >>> 0;
}
