import * as E from '../../../abi/errno.ts';
import { IFF_LOOPBACK, IFF_UP } from '../../../abi/if.ts';
import { IF_OPER_DOWN } from '../../../abi/netdevice.ts';
import * as N from '../../../abi/netlink.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf, cstringOf } from '../../lib/bytes.ts';
import { requestModule } from '../../module/kmod.ts';
import { runSteps } from '../../module/steps.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { addAddress6, delAddress4, isSecondary, makeIfaddr } from '../ipv4/devinet.ts';
import type { Inet6Ifaddr, InIfaddr } from '../net.ts';
import { addrBytes, addrOf, type IpAddr, isLinkLocal6, isV4, v4Addr } from '../ipv4/ip_addr.ts';
import { neighbourState, NUD_REACHABLE, NUD_STALE } from '../ipv4/arp.ts';
import { routeOutput } from '../ipv4/route.ts';
import { LINK_STATS, type NetDevice } from './net_device.ts';
import { type NetlinkSock, type NlAnswer, netlinkBroadcast } from '../netlink/af_netlink.ts';
import { NlMessage, type NlRequest, parseAttrs, u32Of, viewOf } from '../netlink/message.ts';
import { allStats, devGetStats, withRtnl } from './dev.ts';
import { type AddressChange, addressNotify, type NetdevEvent } from './dev_chain.ts';
import { userFlags } from './dev_ioctl.ts';
import { dellinkSteps, findLink, kindKnown, linkInfoKind, linkKind, type LinkRequest, newlinkSteps, setlinkSteps } from './link_ops.ts';

// Interfaces, addresses and routes over netlink (net/core/rtnetlink.c, net/ipv4/devinet.c, fib_frontend.c, net/ipv6/addrconf.c; rtnetlink(7)).

const CAP_NET_ADMIN = 12;

/** Where an answer goes: sequence number, port, NLM_F_MULTI in a dump. */
interface Reply {
  readonly seq: number;
  readonly portid: number;
  readonly flags: number;
}
const UNASKED: Reply = { seq: 0, portid: 0, flags: 0 };
const start = (type: number, r: Reply) => new NlMessage(type, r.flags, r.seq, r.portid);

// Links.

/** rtnl_fill_ifinfo. The statistics are those that devGetStats found. */
function linkMessage(k: Kernel, d: NetDevice, r: Reply, type = N.RTM_NEWLINK, change = 0): Uint8Array {
  const kind = linkKind(k, d);
  const m = start(type, r).u8(AF_UNSPEC, 0, d.type & 0xff, d.type >> 8).u32(d.index, userFlags(d), change);
  m.attrString(N.IFLA_IFNAME, d.name).attrU32(N.IFLA_TXQLEN, d.txQueueLen).attrU8(N.IFLA_OPERSTATE, d.up ? d.operstate : IF_OPER_DOWN).attrU8(N.IFLA_LINKMODE, 0);
  m.attrU32(N.IFLA_MTU, d.mtu).attrU32(N.IFLA_MIN_MTU, d.minMtu).attrU32(N.IFLA_MAX_MTU, d.maxMtu).attrU32(N.IFLA_GROUP, d.group);
  m.attrU32(N.IFLA_PROMISCUITY, d.promiscuity).attrU32(N.IFLA_ALLMULTI, d.allmulti).attrU32(N.IFLA_NUM_TX_QUEUES, d.txQueues);
  m.attrU32(N.IFLA_GSO_MAX_SEGS, 65535).attrU32(N.IFLA_GSO_MAX_SIZE, 65536).attrU32(N.IFLA_GRO_MAX_SIZE, 65536);
  m.attrU32(N.IFLA_GSO_IPV4_MAX_SIZE, 65536).attrU32(N.IFLA_GRO_IPV4_MAX_SIZE, 65536);
  m.attrU32(N.IFLA_TSO_MAX_SIZE, d.tsoMaxSize).attrU32(N.IFLA_TSO_MAX_SEGS, 65535).attrU32(N.IFLA_NUM_RX_QUEUES, d.rxQueues);
  m.attrU8(N.IFLA_CARRIER, d.carrier ? 1 : 0).attrString(N.IFLA_QDISC, d.qdisc);
  if (d.alias !== '') m.attr(N.IFLA_IFALIAS, bytesOf(d.alias));
  m.attrU32(N.IFLA_CARRIER_CHANGES, d.carrierUps + d.carrierDowns).attrU32(N.IFLA_CARRIER_UP_COUNT, d.carrierUps).attrU32(N.IFLA_CARRIER_DOWN_COUNT, d.carrierDowns);
  m.attrU8(N.IFLA_PROTO_DOWN, 0).attr(N.IFLA_MAP, new Uint8Array(32));
  if (d.addrLen > 0) m.attr(N.IFLA_ADDRESS, d.hwAddress).attr(N.IFLA_BROADCAST, d.broadcast);
  m.attrU64(N.IFLA_STATS64, ...d.totals).attrU32(N.IFLA_STATS, ...d.totals.slice(0, LINK_STATS - 1));
  if (kind !== '') m.nest(N.IFLA_LINKINFO, (info) => info.attrString(N.IFLA_INFO_KIND, kind));
  m.nest(N.IFLA_AF_SPEC, (spec) =>
    spec.nest(AF_INET6, (six) => six.attrU32(N.IFLA_INET6_FLAGS, d.up ? IF_READY : 0).attrU8(N.IFLA_INET6_ADDR_GEN_MODE, d.addrGenMode)),
  );
  return m.finish();
}
const IF_READY = 0x8000_0000;
/** What IPv6 tells of an interface when it is asked alone (inet6_fill_ifinfo). */
function link6Message(d: NetDevice, r: Reply): Uint8Array {
  const m = start(N.RTM_NEWLINK, r).u8(AF_INET6, 0, d.type & 0xff, d.type >> 8).u32(d.index, userFlags(d), 0);
  m.attrString(N.IFLA_IFNAME, d.name).attr(N.IFLA_ADDRESS, d.hwAddress).attrU32(N.IFLA_MTU, d.mtu).attrU8(N.IFLA_OPERSTATE, d.up ? d.operstate : IF_OPER_DOWN);
  return m.nest(N.IFLA_PROTINFO, (six) => six.attrU32(N.IFLA_INET6_FLAGS, d.up ? IF_READY : 0).attrU8(N.IFLA_INET6_ADDR_GEN_MODE, d.addrGenMode)).finish();
}
/** A struct ifinfomsg with its attributes; null: too short. */
function linkRequest(body: Uint8Array): LinkRequest | null {
  if (body.length < 16) return null;
  const v = viewOf(body);
  return { index: v.getInt32(4, true), flags: v.getUint32(8, true), change: v.getUint32(12, true), attrs: parseAttrs(body, 16) };
}
/** rtnl_newlink and rtnl_setlink. */
function changeLink(k: Kernel, r: NlRequest): number {
  const link = linkRequest(r.body);
  if (link === null) return -E.EINVAL;
  const kind = linkInfoKind(link.attrs);
  const started = k.current.restart?.['rtnl'] !== undefined;
  if (!started && r.type === N.RTM_NEWLINK && kind !== '' && !kindKnown(k, kind) && k.current.restart?.['asked'] !== true) {
    // The lock is not held while user space looks for the module.
    if (requestModule(k, `rtnl-link-${kind}`) === BLOCKED) return BLOCKED;
    k.current.restart = { ...k.current.restart, asked: true };
  }
  const change = () => {
    if (r.type === N.RTM_NEWLINK) return newlinkSteps(k, link, r.flags);
    const dev = findLink(k, link.index, link.attrs);
    return typeof dev === 'number' ? dev : setlinkSteps(k, dev, link);
  };
  return told(k, r, withRtnl(k, () => runSteps(k, change)));
}
/** The words of a module for its errno go to the sender. */
function told(k: Kernel, r: NlRequest, result: number): number {
  if (result === BLOCKED) return BLOCKED;
  if (result < 0 && k.net.extack !== '') r.extack = k.net.extack;
  k.net.extack = '';
  return result;
}
function deleteLink(k: Kernel, r: NlRequest): number {
  const link = linkRequest(r.body);
  if (link === null) return -E.EINVAL;
  return withRtnl(k, () => runSteps(k, () => {
    const dev = findLink(k, link.index, link.attrs);
    if (typeof dev === 'number') return dev;
    return linkKind(k, dev) === '' ? -E.EOPNOTSUPP : dellinkSteps(k, dev);
  }));
}
/** What listeners hear of an interface (rtmsg_ifinfo): before the protocols act on it, but of its end after them. */
export function rtnlEvent(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  if (event === 'unregister') return;
  const change = event === 'register' ? 0xffff_ffff : event === 'up' || event === 'down' ? IFF_UP : 0;
  if (event === 'up' && dev.carrier) dev.wasUp = true;
  netlinkBroadcast(k, N.NETLINK_ROUTE, N.RTNLGRP_LINK, linkMessage(k, dev, UNASKED, N.RTM_NEWLINK, change));
}
export function rtnlGone(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  if (event === 'unregister') netlinkBroadcast(k, N.NETLINK_ROUTE, N.RTNLGRP_LINK, linkMessage(k, dev, UNASKED, N.RTM_DELLINK, 0xffff_ffff));
}
/** The same of an address. */
export function rtnlAddress(k: Kernel, { dev, inet, inet6, added }: AddressChange): void {
  const type = added ? N.RTM_NEWADDR : N.RTM_DELADDR;
  if (inet !== undefined) netlinkBroadcast(k, N.NETLINK_ROUTE, N.RTNLGRP_IPV4_IFADDR, address4(dev, inet, UNASKED, type));
  if (inet6 !== undefined) netlinkBroadcast(k, N.NETLINK_ROUTE, N.RTNLGRP_IPV6_IFADDR, address6(dev, inet6, UNASKED, type));
}

// Addresses.

const FOREVER = 0xffff_ffff;
/** inet_fill_ifaddr. */
function address4(dev: NetDevice, a: InIfaddr, r: Reply, type = N.RTM_NEWADDR): Uint8Array {
  const local = addrBytes(v4Addr(a.local));
  const flags = N.IFA_F_PERMANENT | (a.secondary ? N.IFA_F_SECONDARY : 0);
  const m = start(type, r).u8(AF_INET, a.prefixLen, flags, a.scope).u32(dev.index).attr(N.IFA_ADDRESS, local).attr(N.IFA_LOCAL, local);
  if (a.broadcast !== 0) m.attr(N.IFA_BROADCAST, addrBytes(v4Addr(a.broadcast)));
  m.attrString(N.IFA_LABEL, a.label);
  if (a.proto !== 0) m.attrU8(N.IFA_PROTO, a.proto);
  return m.attrU32(N.IFA_FLAGS, flags).attrU32(N.IFA_CACHEINFO, FOREVER, FOREVER, a.stamp, a.stamp).finish();
}
/** inet6_fill_ifaddr. */
function address6(dev: NetDevice, a: Inet6Ifaddr, r: Reply, type = N.RTM_NEWADDR): Uint8Array {
  const m = start(type, r).u8(AF_INET6, a.prefixLen, a.flags & 0xff, a.scope).u32(dev.index).attr(N.IFA_ADDRESS, a.addr);
  m.attrU32(N.IFA_CACHEINFO, FOREVER, FOREVER, a.stamp, a.stamp).attrU32(N.IFA_FLAGS, a.flags);
  if (a.proto !== 0) m.attrU8(N.IFA_PROTO, a.proto);
  return m.finish();
}
function addresses(dev: NetDevice, family: number, r: Reply): Uint8Array[] {
  return [...(family === AF_INET6 ? [] : dev.inet.map((a) => address4(dev, a, r))), ...(family === AF_INET ? [] : dev.inet6.map((a) => address6(dev, a, r)))];
}
/** inet_rtm_newaddr, inet6_rtm_newaddr and their opposites. */
function changeAddress(k: Kernel, r: NlRequest): number {
  if (r.body.length < 8) return -E.EINVAL;
  const [family, prefixLen, , scope] = r.body;
  const dev = k.net.devices.find((d) => d.index === viewOf(r.body).getUint32(4, true));
  if (dev === undefined) return -E.ENODEV;
  const attrs = parseAttrs(r.body, 8);
  const bytes = attrs.get(N.IFA_LOCAL) ?? attrs.get(N.IFA_ADDRESS);
  const v4 = family === AF_INET;
  if (!v4 && family !== AF_INET6) return -E.EOPNOTSUPP;
  if (bytes === undefined || bytes.length !== (v4 ? 4 : 16) || prefixLen > (v4 ? 32 : 128)) return -E.EINVAL;
  const stamp = Math.floor(k.time.now() / 1e7);
  if (v4) {
    const local = viewOf(bytes).getUint32(0);
    const at = dev.inet.findIndex((a) => a.local === local && (r.type === N.RTM_DELADDR || a.prefixLen === prefixLen));
    if (r.type === N.RTM_DELADDR) {
      if (at < 0) return refuse(r, -E.EADDRNOTAVAIL, 'ipv4: Address not found');
      delAddress4(k, dev, dev.inet[at]);
      return 0;
    }
    if (at >= 0) return refuse(r, -E.EEXIST, 'ipv4: Address already assigned');
    const label = attrs.get(N.IFA_LABEL);
    const broadcast = attrs.get(N.IFA_BROADCAST);
    const a = makeIfaddr(local, prefixLen, label === undefined ? dev.name : cstringOf(label), broadcast === undefined ? 0 : viewOf(broadcast).getUint32(0), scope);
    const inet = { ...a, stamp, secondary: isSecondary(dev, a) };
    dev.inet.push(inet);
    addressNotify(k, { dev, inet, added: true });
    return 0;
  }
  const text = addrOf(bytes);
  const at = dev.inet6.findIndex((a) => addrOf(a.addr) === text);
  if (r.type === N.RTM_DELADDR) {
    if (at < 0) return -E.EADDRNOTAVAIL;
    addressNotify(k, { dev, inet6: dev.inet6.splice(at, 1)[0], added: false });
    return 0;
  }
  if (at >= 0) return -E.EEXIST;
  const wide = isLinkLocal6(text) ? N.RT_SCOPE_LINK : 0;
  addAddress6(k, dev, { addr: bytes.slice(), prefixLen, flags: N.IFA_F_PERMANENT, scope: wide, proto: 0, stamp });
  return 0;
}
/** An errno with words (NL_SET_ERR_MSG). */
function refuse(r: NlRequest, errno: number, words: string): number {
  r.extack = words;
  return errno;
}

// Routes: those that addresses bring.

interface RouteEntry {
  readonly dst: IpAddr;
  readonly length: number;
  readonly type: number;
  readonly scope: number;
  readonly source: IpAddr | null;
  readonly dev: NetDevice;
  readonly table: number;
  /** Of IPv6; 0 for local addresses. */
  readonly metric: number;
}
/** fib_add_ifaddr of every address. */
function routes4(k: Kernel): RouteEntry[] {
  const local: RouteEntry[] = [];
  const main: RouteEntry[] = [];
  for (const dev of k.net.devices) {
    const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
    for (const a of dev.inet) {
      const source = v4Addr(a.local);
      const mask = a.prefixLen === 0 ? 0 : -1 << (32 - a.prefixLen);
      const host = { source, dev, table: N.RT_TABLE_LOCAL, metric: 0, scope: N.RT_SCOPE_HOST, type: N.RTN_LOCAL };
      if (a.prefixLen < 32 && !a.secondary) {
        const prefix = { ...host, dst: v4Addr(a.local & mask), length: a.prefixLen };
        if (loopback) local.push(prefix);
        else if (dev.up) main.push({ ...prefix, table: N.RT_TABLE_MAIN, scope: N.RT_SCOPE_LINK, type: N.RTN_UNICAST });
      }
      local.push({ ...host, dst: source, length: 32 });
      // An interface that is down has its addresses only.
      if (a.prefixLen < 31 && dev.up && !a.secondary) local.push({ ...host, dst: v4Addr(a.local | ~mask), length: 32, scope: N.RT_SCOPE_LINK, type: N.RTN_BROADCAST });
    }
  }
  const order = (a: RouteEntry, b: RouteEntry) => (a.dst === b.dst ? a.length - b.length : a.dst < b.dst ? -1 : 1);
  return [...main.sort(order), ...local.sort(order)];
}
/** addrconf_prefix_route, __ipv6_ifa_notify and addrconf_add_mroute. */
function routes6(k: Kernel): RouteEntry[] {
  const local: RouteEntry[] = [];
  const main: RouteEntry[] = [];
  const groups: RouteEntry[] = [];
  for (const dev of k.net.devices) {
    const common = { source: null, dev, scope: 0 };
    for (const a of dev.inet6) {
      local.push({ ...common, dst: addrOf(a.addr), length: 128, type: N.RTN_LOCAL, table: N.RT_TABLE_LOCAL, metric: 0 });
      if ((dev.flags & IFF_LOOPBACK) !== 0 || a.prefixLen >= 128) continue;
      const dst = addrOf(a.addr.map((b, i) => b & (0xff00 >> Math.min(8, Math.max(0, a.prefixLen - i * 8)))));
      if (!main.some((e) => e.dev === dev && e.dst === dst && e.length === a.prefixLen))
        main.push({ ...common, dst, length: a.prefixLen, type: N.RTN_UNICAST, table: N.RT_TABLE_MAIN, metric: IP6_RT_PRIO_ADDRCONF });
    }
    if (dev.up && (dev.flags & IFF_LOOPBACK) === 0)
      groups.push({ ...common, dst: `ff${'0'.repeat(30)}`, length: 8, type: N.RTN_MULTICAST, table: N.RT_TABLE_LOCAL, metric: IP6_RT_PRIO_ADDRCONF });
  }
  const order = (a: RouteEntry, b: RouteEntry) => (a.dst < b.dst ? -1 : a.dst > b.dst ? 1 : a.length - b.length);
  return [...main.sort(order), ...local.sort(order), ...groups];
}
const IP6_RT_PRIO_ADDRCONF = 256;
/** fib_dump_info, rt6_fill_node. */
function routeMessage(e: RouteEntry, r: Reply): Uint8Array {
  const v4 = isV4(e.dst);
  const m = start(N.RTM_NEWROUTE, r).u8(v4 ? AF_INET : AF_INET6, e.length, 0, 0, e.table, N.RTPROT_KERNEL, e.scope, e.type).u32(0);
  m.attrU32(N.RTA_TABLE, e.table).attr(N.RTA_DST, addrBytes(e.dst));
  if (v4) {
    if (e.source !== null) m.attr(N.RTA_PREFSRC, addrBytes(e.source));
    return m.attrU32(N.RTA_OIF, e.dev.index).finish();
  }
  m.attrU32(N.RTA_PRIORITY, e.metric).attrU32(N.RTA_OIF, e.dev.index);
  return m.attr(N.RTA_CACHEINFO, new Uint8Array(32)).attrU8(N.RTA_PREF, 0).finish();
}
/** `ip route get`: how a packet would go (inet_rtm_getroute). */
function lookupRoute(k: Kernel, r: NlRequest, reply: Reply): NlAnswer {
  if (r.body.length < 12) return -E.EINVAL;
  const family = r.body[0];
  const attrs = parseAttrs(r.body, 12);
  const dst = attrs.get(N.RTA_DST);
  const v4 = family !== AF_INET6;
  const src = attrs.get(N.RTA_SRC);
  for (const a of [dst, src]) if (a !== undefined && a.length !== (v4 ? 4 : 16)) return -E.EINVAL;
  const to = dst === undefined ? (v4 ? '00000000' : '0'.repeat(32)) : addrOf(dst);
  const from = src === undefined ? (v4 ? '00000000' : '0'.repeat(32)) : addrOf(src);
  const route = routeOutput(k, to, from, u32Of(attrs.get(N.RTA_OIF)) ?? 0);
  if (typeof route === 'number') return route;
  const type = route.type === 'broadcast' ? N.RTN_BROADCAST : route.type === 'unicast' ? N.RTN_UNICAST : N.RTN_LOCAL;
  const flags = N.RTM_F_CLONED | (type === N.RTN_UNICAST ? 0 : N.RTCF_LOCAL) | (type === N.RTN_BROADCAST ? N.RTCF_BROADCAST : 0);
  // What is for this machine goes through lo.
  const oif = type === N.RTN_LOCAL ? k.net.devices[0].index : route.dev.index;
  if (v4) {
    // Without rules of one's own the local table is part of the main one, whose number it has (fib_trie_unmerge).
    const m = start(N.RTM_NEWROUTE, reply).u8(AF_INET, 32, 0, 0, N.RT_TABLE_MAIN, 0, 0, type).u32(flags >>> 0);
    m.attrU32(N.RTA_TABLE, N.RT_TABLE_MAIN).attr(N.RTA_DST, addrBytes(route.daddr)).attrU32(N.RTA_OIF, oif).attr(N.RTA_PREFSRC, addrBytes(route.saddr));
    return [m.attrU32(N.RTA_UID, k.current.cred.uid).attr(N.RTA_CACHEINFO, new Uint8Array(32)).finish()];
  }
  const m = start(N.RTM_NEWROUTE, reply).u8(AF_INET6, 128, 128, 0, N.RT_TABLE_LOCAL, N.RTPROT_KERNEL, 0, type).u32(0);
  m.attrU32(N.RTA_TABLE, N.RT_TABLE_LOCAL).attr(N.RTA_DST, addrBytes(route.daddr)).attr(N.RTA_SRC, addrBytes(from)).attrU32(N.RTA_OIF, route.dev.index).attr(N.RTA_PREFSRC, addrBytes(route.saddr));
  return [m.attrU32(N.RTA_PRIORITY, 0).attr(N.RTA_CACHEINFO, new Uint8Array(32)).attrU8(N.RTA_PREF, 0).finish()];
}
function dumpRoutes(k: Kernel, sk: NetlinkSock, r: NlRequest, reply: Reply): NlAnswer {
  const family = r.body[0] ?? AF_UNSPEC;
  const asked = r.body.length >= 12 ? (u32Of(parseAttrs(r.body, 12).get(N.RTA_TABLE)) ?? r.body[4]) : 0;
  // With strict checking the kernel filters by table; otherwise the program does.
  const filtered = sk.strict && asked !== 0;
  const how = filtered ? { ...reply, flags: reply.flags | N.NLM_F_DUMP_FILTERED } : reply;
  const families = family === AF_UNSPEC ? [AF_INET, AF_INET6] : [family];
  return families.flatMap((f) => (f === AF_INET ? routes4(k) : f === AF_INET6 ? routes6(k) : []).filter((e) => !filtered || e.table === asked).map((e) => routeMessage(e, how)));
}

// Rules: the three that every table of rules begins with.

function dumpRules(r: NlRequest, reply: Reply): NlAnswer {
  const family = r.body[0] ?? AF_UNSPEC;
  const out: Uint8Array[] = [];
  for (const f of family === AF_UNSPEC ? [AF_INET6, AF_INET] : [family]) {
    if (f !== AF_INET && f !== AF_INET6) continue;
    const rules: [number, number][] = [
      [0, N.RT_TABLE_LOCAL],
      [32766, N.RT_TABLE_MAIN],
    ];
    if (f === AF_INET) rules.push([32767, N.RT_TABLE_DEFAULT]);
    for (const [priority, table] of rules) {
      const m = start(N.RTM_NEWRULE, reply).u8(f, 0, 0, 0, table, 0, 0, 1).u32(0);
      m.attrU32(N.FRA_TABLE, table).attrU32(N.FRA_SUPPRESS_PREFIXLEN, -1).attrU8(N.FRA_PROTOCOL, N.RTPROT_KERNEL);
      if (priority !== 0) m.attrU32(N.FRA_PRIORITY, priority);
      out.push(m.finish());
    }
  }
  return out;
}

/** neigh_dump_info; struct ndmsg is family, interface, state, flags, type. */
function neighbours(k: Kernel, family: number, r: Reply): Uint8Array[] {
  if (family !== AF_UNSPEC && family !== AF_INET) return [];
  return [...k.net.neighbours.values()].map((n) => {
    const state = neighbourState(k, n);
    const m = start(N.RTM_NEWNEIGH, r).u8(AF_INET, 0, 0, 0).u32(n.ifindex).u8(state, 0, 0, N.RTN_UNICAST).attr(N.NDA_DST, addrBytes(n.addr));
    if (state === NUD_REACHABLE || state === NUD_STALE) m.attr(N.NDA_LLADDR, n.mac);
    const age = Math.floor((k.time.now() - n.confirmed) / 1e7);
    return m.attrU32(N.NDA_CACHEINFO, age, age, age, 0).attrU32(N.NDA_PROBES, n.probes).finish();
  });
}
/** Dumps for one kind of interfaces only (link_kind_filtered), when the program checks strictly. */
function asksFor(k: Kernel, sk: NetlinkSock, link: LinkRequest | null, dev: NetDevice): boolean {
  if (!sk.strict || link === null) return true;
  const kind = linkInfoKind(link.attrs);
  return kind === '' || kind === linkKind(k, dev);
}
export function rtnlRequest(k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  // The kind of a message is in its last two bits: new, delete, get, set.
  if ((r.type & 3) !== 2 && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  const dump = (r.flags & N.NLM_F_DUMP) !== 0;
  const reply: Reply = { seq: r.seq, portid: sk.portid, flags: dump ? N.NLM_F_MULTI : 0 };
  switch (r.type) {
    case N.RTM_GETLINK: {
      const link = linkRequest(r.body);
      const dev = dump || link === null ? null : findLink(k, link.index, link.attrs);
      if (!dump && dev === null) return -E.EINVAL;
      if (typeof dev === 'number') return dev;
      if (dev === null ? r.body[0] !== AF_INET6 && !allStats(k) : !devGetStats(k, dev)) return BLOCKED;
      if (dev !== null) return [linkMessage(k, dev, reply)];
      return k.net.devices.filter((d) => asksFor(k, sk, link, d)).map((d) => (r.body[0] === AF_INET6 ? link6Message(d, reply) : linkMessage(k, d, reply)));
    }
    case N.RTM_NEWLINK:
    case N.RTM_SETLINK:
      return changeLink(k, r);
    case N.RTM_DELLINK:
      return deleteLink(k, r);
    case N.RTM_GETADDR: {
      if (!dump) return -E.EOPNOTSUPP;
      const family = r.body[0] ?? AF_UNSPEC;
      const index = sk.strict && r.body.length >= 8 ? viewOf(r.body).getUint32(4, true) : 0;
      const devices = k.net.devices.filter((d) => index === 0 || d.index === index);
      if (index !== 0 && devices.length === 0) return -E.ENODEV;
      return [AF_INET, AF_INET6]
        .filter((f) => family === AF_UNSPEC || f === family)
        .flatMap((f) => devices.flatMap((d) => addresses(d, f, index !== 0 ? { ...reply, flags: reply.flags | N.NLM_F_DUMP_FILTERED } : reply)));
    }
    case N.RTM_NEWADDR:
    case N.RTM_DELADDR:
      return changeAddress(k, r);
    case N.RTM_GETROUTE:
      return dump ? dumpRoutes(k, sk, r, reply) : lookupRoute(k, r, reply);
    case N.RTM_GETRULE:
      return dump ? dumpRules(r, reply) : -E.EOPNOTSUPP;
    case N.RTM_GETNEIGH:
      return dump ? neighbours(k, r.body[0] ?? AF_UNSPEC, reply) : -E.ENOENT;
    case N.RTM_GETQDISC:
      return dump ? k.net.devices.filter((d) => d.wasUp).map((d) => start(N.RTM_NEWQDISC, reply).u8(0, 0, 0, 0).u32(d.index, 0, 0xffff_ffff, 2).attrString(1, d.qdisc).finish()) : -E.ENOENT;
  }
  k.printk.log(4, `netlink: rtnetlink message ${r.type} is not implemented`);
  return -E.EOPNOTSUPP;
}
