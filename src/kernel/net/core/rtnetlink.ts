import * as E from '../../../abi/errno.ts';
import { ARPHRD_LOOPBACK, IFF_UP } from '../../../abi/if.ts';
import * as N from '../../../abi/netlink.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { cstringOf } from '../../lib/bytes.ts';
import { makeIfaddr } from '../ipv4/devinet.ts';
import { addrBytes, addrOf, type IpAddr, isLinkLocal6, isV4, v4Addr } from '../ipv4/ip_addr.ts';
import { routeOutput } from '../ipv4/route.ts';
import type { NetDevice } from '../net.ts';
import { type NetlinkSock, type NlAnswer, netlinkBroadcast } from '../netlink/af_netlink.ts';
import { NlMessage, type NlRequest, parseAttrs, u32Of, viewOf } from '../netlink/message.ts';
import { changeFlags, setMtu } from './dev.ts';
import { userFlags } from './dev_ioctl.ts';

// Interfaces, addresses and routes over netlink (net/core/rtnetlink.c, net/ipv4/devinet.c, fib_frontend.c, net/ipv6/addrconf.c; rtnetlink(7)).

const CAP_NET_ADMIN = 12;
const isUp = (d: NetDevice) => (d.flags & IFF_UP) !== 0;

/** Where an answer goes: sequence number, port, NLM_F_MULTI in a dump. */
interface Reply {
  readonly seq: number;
  readonly portid: number;
  readonly flags: number;
}
const UNASKED: Reply = { seq: 0, portid: 0, flags: 0 };
const start = (type: number, r: Reply) => new NlMessage(type, r.flags, r.seq, r.portid);

// Links.

const NO_ADDRESS = new Uint8Array(6);
/** struct rtnl_link_stats64: 25 numbers, the first four are packets and bytes in and out. */
function linkStats(d: NetDevice): number[] {
  const s = d.stats;
  const all: number[] = Array(25).fill(0);
  all.splice(0, 4, s.rxPackets, s.txPackets, s.rxBytes, s.txBytes);
  all[7] = s.txDropped;
  return all;
}
/** rtnl_fill_ifinfo. */
function linkMessage(d: NetDevice, r: Reply, type = N.RTM_NEWLINK, change = 0): Uint8Array {
  const up = isUp(d);
  const m = start(type, r).u8(AF_UNSPEC, 0, ARPHRD_LOOPBACK & 0xff, ARPHRD_LOOPBACK >> 8).u32(d.index, userFlags(d), change);
  m.attrString(N.IFLA_IFNAME, d.name).attrU32(N.IFLA_TXQLEN, d.txQueueLen).attrU8(N.IFLA_OPERSTATE, up ? 0 : 2).attrU8(N.IFLA_LINKMODE, 0);
  m.attrU32(N.IFLA_MTU, d.mtu).attrU32(N.IFLA_MIN_MTU, 0).attrU32(N.IFLA_MAX_MTU, 0).attrU32(N.IFLA_GROUP, 0);
  m.attrU32(N.IFLA_PROMISCUITY, d.promiscuity).attrU32(N.IFLA_ALLMULTI, 0).attrU32(N.IFLA_NUM_TX_QUEUES, 1);
  m.attrU32(N.IFLA_GSO_MAX_SEGS, 65535).attrU32(N.IFLA_GSO_MAX_SIZE, 65536).attrU32(N.IFLA_GRO_MAX_SIZE, 65536);
  m.attrU32(N.IFLA_GSO_IPV4_MAX_SIZE, 65536).attrU32(N.IFLA_GRO_IPV4_MAX_SIZE, 65536);
  m.attrU32(N.IFLA_TSO_MAX_SIZE, 524280).attrU32(N.IFLA_TSO_MAX_SEGS, 65535).attrU32(N.IFLA_NUM_RX_QUEUES, 1);
  m.attrU8(N.IFLA_CARRIER, 1).attrString(N.IFLA_QDISC, d.wasUp ? 'noqueue' : 'noop');
  m.attrU32(N.IFLA_CARRIER_CHANGES, 0).attrU32(N.IFLA_CARRIER_UP_COUNT, 0).attrU32(N.IFLA_CARRIER_DOWN_COUNT, 0).attrU8(N.IFLA_PROTO_DOWN, 0);
  m.attr(N.IFLA_MAP, new Uint8Array(32)).attr(N.IFLA_ADDRESS, NO_ADDRESS).attr(N.IFLA_BROADCAST, NO_ADDRESS);
  m.attrU64(N.IFLA_STATS64, ...linkStats(d)).attrU32(N.IFLA_STATS, ...linkStats(d));
  m.nest(N.IFLA_AF_SPEC, (spec) =>
    spec.nest(AF_INET6, (six) => six.attrU32(N.IFLA_INET6_FLAGS, up ? 0x8000_0000 : 0).attrU8(N.IFLA_INET6_ADDR_GEN_MODE, 0)),
  );
  return m.finish();
}
/** What IPv6 tells of an interface when it is asked alone (inet6_fill_ifinfo). */
function link6Message(d: NetDevice, r: Reply): Uint8Array {
  const m = start(N.RTM_NEWLINK, r).u8(AF_INET6, 0, ARPHRD_LOOPBACK & 0xff, ARPHRD_LOOPBACK >> 8).u32(d.index, userFlags(d), 0);
  m.attrString(N.IFLA_IFNAME, d.name).attr(N.IFLA_ADDRESS, NO_ADDRESS).attrU32(N.IFLA_MTU, d.mtu).attrU8(N.IFLA_OPERSTATE, isUp(d) ? 0 : 2);
  return m.nest(N.IFLA_PROTINFO, (six) => six.attrU32(N.IFLA_INET6_FLAGS, isUp(d) ? 0x8000_0000 : 0).attrU8(N.IFLA_INET6_ADDR_GEN_MODE, 0)).finish();
}
/** The interface that a struct ifinfomsg and its attributes name. */
function findLink(k: Kernel, body: Uint8Array): NetDevice | number {
  if (body.length < 16) return -E.EINVAL;
  const index = viewOf(body).getInt32(4, true);
  const attrs = parseAttrs(body, 16);
  const name = attrs.get(N.IFLA_IFNAME) ?? attrs.get(N.IFLA_ALT_IFNAME);
  if (index <= 0 && name === undefined) return -E.EINVAL;
  const dev = k.net.devices.find((d) => (index > 0 ? d.index === index : name !== undefined && d.name === cstringOf(name)));
  return dev ?? -E.ENODEV;
}
/** do_setlink: flags, mtu and queue length. */
function setLink(k: Kernel, r: NlRequest): number {
  const dev = findLink(k, r.body);
  if (typeof dev === 'number') return dev === -E.ENODEV && r.type === N.RTM_NEWLINK && (r.flags & N.NLM_F_CREATE) !== 0 ? noNewLinks(k) : dev;
  if (r.type === N.RTM_NEWLINK && (r.flags & N.NLM_F_EXCL) !== 0) return -E.EEXIST;
  const v = viewOf(r.body);
  const attrs = parseAttrs(r.body, 16);
  const mtu = u32Of(attrs.get(N.IFLA_MTU));
  if (mtu !== undefined) {
    const err = setMtu(dev, mtu | 0);
    if (err < 0) return err;
  }
  const queue = u32Of(attrs.get(N.IFLA_TXQLEN));
  if (queue !== undefined) dev.txQueueLen = queue;
  const flags = v.getUint32(8, true);
  const change = v.getUint32(12, true);
  const all = change === 0 ? 0xffff_ffff : change;
  if (flags !== 0 || change !== 0) changeFlags(k, dev, (dev.flags & ~all) | (flags & all));
  return 0;
}
function noNewLinks(k: Kernel): number {
  k.printk.log(4, 'netlink: RTM_NEWLINK: interfaces other than lo are not implemented');
  return -E.EOPNOTSUPP;
}
/** An interface went up or down (netdevice notifiers of rtnetlink). */
export function rtnlUpDown(k: Kernel, dev: NetDevice, up: boolean): void {
  if (up) dev.wasUp = true;
  netlinkBroadcast(k, N.NETLINK_ROUTE, N.RTNLGRP_LINK, linkMessage(dev, UNASKED, N.RTM_NEWLINK, 0xffff_ffff));
  for (const a of up ? addresses(dev, AF_UNSPEC, UNASKED) : []) netlinkBroadcast(k, N.NETLINK_ROUTE, a.v4 ? N.RTNLGRP_IPV4_IFADDR : N.RTNLGRP_IPV6_IFADDR, a.bytes);
}

// Addresses.

const FOREVER = 0xffff_ffff;
/** inet_fill_ifaddr and inet6_fill_ifaddr. */
function addresses(dev: NetDevice, family: number, r: Reply, type = N.RTM_NEWADDR): { v4: boolean; bytes: Uint8Array }[] {
  const out: { v4: boolean; bytes: Uint8Array }[] = [];
  if (family !== AF_INET6) {
    for (const a of dev.inet) {
      const local = addrBytes(v4Addr(a.local));
      const m = start(type, r).u8(AF_INET, a.prefixLen, N.IFA_F_PERMANENT, a.scope).u32(dev.index).attr(N.IFA_ADDRESS, local).attr(N.IFA_LOCAL, local);
      if (a.broadcast !== 0) m.attr(N.IFA_BROADCAST, addrBytes(v4Addr(a.broadcast)));
      m.attrString(N.IFA_LABEL, a.label);
      if (a.proto !== 0) m.attrU8(N.IFA_PROTO, a.proto);
      m.attrU32(N.IFA_FLAGS, N.IFA_F_PERMANENT).attrU32(N.IFA_CACHEINFO, FOREVER, FOREVER, a.stamp, a.stamp);
      out.push({ v4: true, bytes: m.finish() });
    }
  }
  if (family !== AF_INET) {
    for (const a of dev.inet6) {
      const m = start(type, r).u8(AF_INET6, a.prefixLen, a.flags & 0xff, a.scope).u32(dev.index).attr(N.IFA_ADDRESS, a.addr);
      m.attrU32(N.IFA_CACHEINFO, FOREVER, FOREVER, a.stamp, a.stamp).attrU32(N.IFA_FLAGS, a.flags);
      if (a.proto !== 0) m.attrU8(N.IFA_PROTO, a.proto);
      out.push({ v4: false, bytes: m.finish() });
    }
  }
  return out;
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
      dev.inet.splice(at, 1);
      return 0;
    }
    if (at >= 0) return refuse(r, -E.EEXIST, 'ipv4: Address already assigned');
    const label = attrs.get(N.IFA_LABEL);
    const broadcast = attrs.get(N.IFA_BROADCAST);
    const a = makeIfaddr(local, prefixLen, label === undefined ? dev.name : cstringOf(label), broadcast === undefined ? 0 : viewOf(broadcast).getUint32(0), scope);
    dev.inet.push({ ...a, stamp });
    return 0;
  }
  const text = addrOf(bytes);
  const at = dev.inet6.findIndex((a) => addrOf(a.addr) === text);
  if (r.type === N.RTM_DELADDR) {
    if (at < 0) return -E.EADDRNOTAVAIL;
    dev.inet6.splice(at, 1);
    return 0;
  }
  if (at >= 0) return -E.EEXIST;
  const wide = isLinkLocal6(text) ? N.RT_SCOPE_LINK : 0;
  // By scope, the widest first; the newest first among equals (ipv6_link_dev_addr).
  const place = dev.inet6.findIndex((a) => a.scope >= wide);
  dev.inet6.splice(place < 0 ? dev.inet6.length : place, 0, { addr: bytes.slice(), prefixLen, flags: N.IFA_F_PERMANENT, scope: wide, proto: 0, stamp });
  return 0;
}
/** An errno with words (NL_SET_ERR_MSG). */
function refuse(r: NlRequest, errno: number, words: string): number {
  r.extack = words;
  return errno;
}

// Routes: those that the addresses of lo bring.

interface RouteEntry {
  readonly dst: IpAddr;
  readonly length: number;
  readonly type: number;
  readonly scope: number;
  readonly source: IpAddr | null;
  readonly dev: NetDevice;
}
function localRoutes(k: Kernel, family: number): RouteEntry[] {
  const out: RouteEntry[] = [];
  for (const dev of k.net.devices) {
    if (family === AF_INET) {
      for (const a of dev.inet) {
        const source = v4Addr(a.local);
        const mask = a.prefixLen === 0 ? 0 : -1 << (32 - a.prefixLen);
        const host = { source, dev, scope: N.RT_SCOPE_HOST, type: N.RTN_LOCAL };
        if (a.prefixLen < 32) out.push({ ...host, dst: v4Addr(a.local & mask), length: a.prefixLen });
        out.push({ ...host, dst: source, length: 32 });
        if (a.prefixLen < 31) out.push({ dst: v4Addr(a.local | ~mask), length: 32, source, dev, scope: N.RT_SCOPE_LINK, type: N.RTN_BROADCAST });
      }
    } else for (const a of dev.inet6) out.push({ dst: addrOf(a.addr), length: 128, source: null, dev, scope: 0, type: N.RTN_LOCAL });
  }
  return out;
}
/** fib_dump_info, rt6_fill_node. */
function routeMessage(e: RouteEntry, r: Reply): Uint8Array {
  const v4 = isV4(e.dst);
  const m = start(N.RTM_NEWROUTE, r).u8(v4 ? AF_INET : AF_INET6, e.length, 0, 0, N.RT_TABLE_LOCAL, N.RTPROT_KERNEL, e.scope, e.type).u32(0);
  m.attrU32(N.RTA_TABLE, N.RT_TABLE_LOCAL).attr(N.RTA_DST, addrBytes(e.dst));
  if (v4) {
    if (e.source !== null) m.attr(N.RTA_PREFSRC, addrBytes(e.source));
    return m.attrU32(N.RTA_OIF, e.dev.index).finish();
  }
  m.attrU32(N.RTA_PRIORITY, 0).attrU32(N.RTA_OIF, e.dev.index);
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
  const type = route.type === 'broadcast' ? N.RTN_BROADCAST : N.RTN_LOCAL;
  if (v4) {
    // Without rules of one's own the local table is part of the main one, whose number it has (fib_trie_unmerge).
    const m = start(N.RTM_NEWROUTE, reply).u8(AF_INET, 32, 0, 0, N.RT_TABLE_MAIN, 0, 0, type).u32((N.RTM_F_CLONED | N.RTCF_LOCAL) >>> 0);
    m.attrU32(N.RTA_TABLE, N.RT_TABLE_MAIN).attr(N.RTA_DST, addrBytes(route.daddr)).attrU32(N.RTA_OIF, route.dev.index).attr(N.RTA_PREFSRC, addrBytes(route.saddr));
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
  if (filtered && asked !== N.RT_TABLE_LOCAL) return [];
  const how = filtered ? { ...reply, flags: reply.flags | N.NLM_F_DUMP_FILTERED } : reply;
  const families = family === AF_UNSPEC ? [AF_INET, AF_INET6] : [family];
  return families.flatMap((f) => (f === AF_INET || f === AF_INET6 ? localRoutes(k, f).map((e) => routeMessage(e, how)) : []));
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

export function rtnlRequest(k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  // The kind of a message is in its last two bits: new, delete, get, set.
  if ((r.type & 3) !== 2 && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  const dump = (r.flags & N.NLM_F_DUMP) !== 0;
  const reply: Reply = { seq: r.seq, portid: sk.portid, flags: dump ? N.NLM_F_MULTI : 0 };
  switch (r.type) {
    case N.RTM_GETLINK: {
      if (dump) return k.net.devices.map((d) => (r.body[0] === AF_INET6 ? link6Message(d, reply) : linkMessage(d, reply)));
      const dev = findLink(k, r.body);
      return typeof dev === 'number' ? dev : [linkMessage(dev, reply)];
    }
    case N.RTM_NEWLINK:
    case N.RTM_SETLINK:
      return setLink(k, r);
    case N.RTM_DELLINK: {
      const dev = findLink(k, r.body);
      return typeof dev === 'number' ? dev : -E.EOPNOTSUPP;
    }
    case N.RTM_GETADDR: {
      if (!dump) return -E.EOPNOTSUPP;
      const family = r.body[0] ?? AF_UNSPEC;
      const index = sk.strict && r.body.length >= 8 ? viewOf(r.body).getUint32(4, true) : 0;
      const devices = k.net.devices.filter((d) => index === 0 || d.index === index);
      if (index !== 0 && devices.length === 0) return -E.ENODEV;
      return [AF_INET, AF_INET6]
        .filter((f) => family === AF_UNSPEC || f === family)
        .flatMap((f) => devices.flatMap((d) => addresses(d, f, index !== 0 ? { ...reply, flags: reply.flags | N.NLM_F_DUMP_FILTERED } : reply).map((a) => a.bytes)));
    }
    case N.RTM_NEWADDR:
    case N.RTM_DELADDR:
      return changeAddress(k, r);
    case N.RTM_GETROUTE:
      return dump ? dumpRoutes(k, sk, r, reply) : lookupRoute(k, r, reply);
    case N.RTM_GETRULE:
      return dump ? dumpRules(r, reply) : -E.EOPNOTSUPP;
    case N.RTM_GETNEIGH:
      return dump ? [] : -E.ENOENT;
    case N.RTM_GETQDISC:
      return dump ? k.net.devices.filter((d) => d.wasUp).map((d) => start(N.RTM_NEWQDISC, reply).u8(0, 0, 0, 0).u32(d.index, 0, 0xffff_ffff, 2).attrString(1, 'noqueue').finish()) : -E.ENOENT;
  }
  k.printk.log(4, `netlink: rtnetlink message ${r.type} is not implemented`);
  return -E.EOPNOTSUPP;
}
