import { EINVAL, ENETUNREACH, ENODEV } from '../../../abi/errno.ts';
import { IFF_LOOPBACK, IFF_UP } from '../../../abi/if.ts';
import type { Kernel } from '../../kernel.ts';
import type { NetDevice } from '../core/net_device.ts';
import { addrOf, ANY4, ANY6, type IpAddr, inPrefix, isAny, isMulticast, isV4, LOOPBACK4, LOOPBACK6, v4Addr } from './ip_addr.ts';

// Where packets go (net/ipv4/route.c, fib_frontend.c; net/ipv6/route.c). Routes are those that addresses bring: the prefixes of lo are local, those of
// other interfaces lie on their links.

export type RouteType = 'local' | 'broadcast' | 'multicast' | 'unicast';
export interface Route {
  readonly dev: NetDevice;
  readonly saddr: IpAddr;
  readonly daddr: IpAddr;
  readonly type: RouteType;
}
const isUp = (dev: NetDevice) => (dev.flags & IFF_UP) !== 0;
const LIMITED_BROADCAST: IpAddr = 'ffffffff';

/** What an address is to this machine; null: not its own (inet_addr_type, ipv6_chk_addr). */
export function localType(k: Kernel, a: IpAddr): { type: RouteType; dev: NetDevice; source: IpAddr } | null {
  for (const dev of k.net.devices) {
    // An interface that goes down keeps its IPv4 addresses, and they stay local.
    if (isV4(a)) {
      for (const i of dev.inet) {
        const source = v4Addr(i.local);
        if (a === source) return { type: 'local', dev, source };
        const host = 2 ** (32 - i.prefixLen) - 1;
        const last = v4Addr((i.local | host) >>> 0);
        if (i.prefixLen < 31 && a === last) return { type: 'broadcast', dev, source };
        if (i.broadcast !== 0 && a === v4Addr(i.broadcast)) return { type: 'broadcast', dev, source };
        if ((dev.flags & IFF_LOOPBACK) !== 0 && inPrefix(a, source, i.prefixLen)) return { type: 'local', dev, source };
      }
    } else for (const i of dev.inet6) if (addrOf(i.addr) === a) return { type: 'local', dev, source: a };
  }
  return null;
}
/** The interface on whose link `a` lies, by the longest prefix, and the address that goes with it (fib_lookup in the main table). */
export function linkRoute(k: Kernel, a: IpAddr): { dev: NetDevice; source: IpAddr } | null {
  let best: { dev: NetDevice; source: IpAddr; length: number } | null = null;
  for (const dev of k.net.devices) {
    if (!isUp(dev) || (dev.flags & IFF_LOOPBACK) !== 0) continue;
    const own = isV4(a)
      ? dev.inet.map((i) => ({ source: v4Addr(i.local), length: i.prefixLen }))
      : dev.inet6.map((i) => ({ source: addrOf(i.addr), length: i.prefixLen }));
    for (const { source, length } of own) if (inPrefix(a, source, length) && length > (best?.length ?? -1)) best = { dev, source, length };
  }
  return best;
}
/** A source address for packets that leave through `dev` (inet_select_addr). */
export function selectAddr(dev: NetDevice, v4: boolean): IpAddr {
  if (v4) return dev.inet.length > 0 ? v4Addr(dev.inet[0].local) : ANY4;
  return dev.inet6.length > 0 ? addrOf(dev.inet6[0].addr) : ANY6;
}
export const deviceByIndex = (k: Kernel, index: number): NetDevice | undefined => k.net.devices.find((d) => d.index === index);

/** The way to `to` (0: this machine) from `from` (any: whatever fits), through interface `oif` when not 0; -errno. */
export function routeOutput(k: Kernel, to: IpAddr, from: IpAddr, oif: number): Route | number {
  return isV4(to) ? routeOutput4(k, to, isV4(from) ? from : ANY4, oif) : routeOutput6(k, to, from, oif);
}
function routeOutput4(k: Kernel, to: IpAddr, from: IpAddr, oif: number): Route | number {
  let dev: NetDevice | undefined;
  const group = isMulticast(to);
  if (from !== ANY4) {
    if (isMulticast(from) || from === LIMITED_BROADCAST) return -EINVAL;
    const own = localType(k, from);
    if (own === null || own.type !== 'local') return -EINVAL;
    if (oif === 0 && (group || to === LIMITED_BROADCAST)) dev = own.dev;
  }
  if (oif !== 0) {
    dev = deviceByIndex(k, oif);
    if (dev === undefined) return -ENODEV;
    if (!isUp(dev)) return -ENETUNREACH;
  }
  let daddr = to;
  if (daddr === ANY4) daddr = from === ANY4 ? LOOPBACK4 : from;
  if (group || daddr === LIMITED_BROADCAST) {
    if (dev === undefined) return -ENETUNREACH;
    return { dev, saddr: from === ANY4 ? selectAddr(dev, true) : from, daddr, type: group ? 'multicast' : 'broadcast' };
  }
  const own = localType(k, daddr);
  if (own !== null) return { dev: own.dev, saddr: from === ANY4 ? own.source : from, daddr, type: own.type };
  const link = linkRoute(k, daddr);
  if (link !== null && (dev === undefined || dev === link.dev)) return { dev: link.dev, saddr: from === ANY4 ? link.source : from, daddr, type: 'unicast' };
  if (dev === undefined) return -ENETUNREACH;
  // An interface was named: the destination is taken to be on its link.
  return { dev, saddr: from === ANY4 ? selectAddr(dev, true) : from, daddr, type: 'unicast' };
}
function routeOutput6(k: Kernel, to: IpAddr, from: IpAddr, oif: number): Route | number {
  if (oif !== 0 && deviceByIndex(k, oif) === undefined) return -ENODEV;
  const daddr = to === ANY6 ? (isAny(from) ? LOOPBACK6 : from) : to;
  const own = localType(k, daddr);
  const link = own === null ? linkRoute(k, daddr) : null;
  if (link !== null && (oif === 0 || link.dev.index === oif))
    return { dev: link.dev, saddr: isAny(from) || isV4(from) ? link.source : from, daddr, type: 'unicast' };
  if (own === null || (oif !== 0 && own.dev.index !== oif)) return -ENETUNREACH;
  return { dev: own.dev, saddr: isAny(from) || isV4(from) ? own.source : from, daddr, type: own.type };
}
/** Whether a packet that came in is for this machine. */
export function routeInput(k: Kernel, daddr: IpAddr): RouteType | null {
  if (isMulticast(daddr)) return 'multicast';
  if (daddr === LIMITED_BROADCAST) return 'broadcast';
  return localType(k, daddr)?.type ?? null;
}
export const isBroadcast = (k: Kernel, a: IpAddr) => a === LIMITED_BROADCAST || localType(k, a)?.type === 'broadcast';
