import * as E from '../../../abi/errno.ts';
import * as IF from '../../../abi/if.ts';
import { ARPHRD_ETHER } from '../../../abi/netdevice.ts';
import { IFA_F_PERMANENT, IFAPROT_KERNEL_LL, IFAPROT_KERNEL_LO } from '../../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { copyFromUser, copyToUser } from '../../mm/uaccess.ts';
import { changeFlags, devByName, withRtnl } from '../core/dev.ts';
import { addressNotify, type NetdevEvent } from '../core/dev_chain.ts';
import { IFREQ, ifrName } from '../core/dev_ioctl.ts';
import { disableIpv6 } from '../core/sysctl_net.ts';
import { devMcAdd, devMcDel, type NetDevice } from '../core/net_device.ts';
import { forgetNeighbours } from './arp.ts';
import type { Inet6Ifaddr, InIfaddr } from '../net.ts';
import type { Socket } from '../socket.ts';

// IPv4 addresses of interfaces (net/ipv4/devinet.c, netdevice(7)).

const CAP_NET_ADMIN = 12;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_HOST = 254;
const maskOf = (length: number) => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0);

export function makeIfaddr(local: number, prefixLen: number, label: string, broadcast = 0, scope?: number, proto = 0): InIfaddr {
  return { local, prefixLen, broadcast, label, proto, secondary: false, stamp: 0, scope: scope ?? (local >>> 24 === 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE) };
}
/** ipv6_add_addr: by scope, the widest first; the newest first among equals (ipv6_link_dev_addr). */
export function addAddress6(k: Kernel, dev: NetDevice, inet6: Inet6Ifaddr): void {
  const place = dev.inet6.findIndex((a) => a.scope >= inet6.scope);
  dev.inet6.splice(place < 0 ? dev.inet6.length : place, 0, inet6);
  addressNotify(k, { dev, inet6, added: true });
}
/** The link-local address that the hardware's makes (addrconf_addr_gen, addrconf_ifid_eui48). */
function linkLocal(mac: Uint8Array): Uint8Array {
  const a = new Uint8Array(16);
  a.set([0xfe, 0x80]);
  a.set([mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]], 8);
  return a;
}
/** ff02::1 and 224.0.0.1, which every interface hears that is up (ipv6_mc_up, ip_mc_up). */
const ALL_NODES = new Uint8Array([0x33, 0x33, 0, 0, 0, 1]);
const ALL_HOSTS = new Uint8Array([1, 0, 0x5e, 0, 0, 1]);
/** What an interface's life means for its addresses (inetdev_event, addrconf_notify). */
export function inetdevEvent(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  if (event === 'up') inetUp(k, dev);
  if (event === 'down') {
    forgetNeighbours(k, dev);
    for (const inet6 of dev.inet6.splice(0)) addressNotify(k, { dev, inet6, added: false });
    for (const group of [ALL_NODES, ALL_HOSTS]) devMcDel(k, dev, group);
  }
  if (event === 'rename') {
    // inetdev_changename: labels follow the name, with what stood behind a colon or a number.
    dev.inet.forEach((a, i) => {
      const colon = a.label.indexOf(':');
      const label = i === 0 ? dev.name : `${dev.name}${colon < 0 ? `:${i}` : a.label.slice(colon)}`;
      dev.inet[i] = { ...a, label };
    });
  }
  if (event === 'unregister') for (const inet of dev.inet.splice(0)) addressNotify(k, { dev, inet, added: false });
}
function inetUp(k: Kernel, dev: NetDevice): void {
  const loopback = (dev.flags & IF.IFF_LOOPBACK) !== 0;
  if (!loopback && !disableIpv6(k, dev)) devMcAdd(k, dev, ALL_NODES);
  if (!loopback) devMcAdd(k, dev, ALL_HOSTS);
  const stamp = Math.floor(k.time.now() / 1e7);
  const own = { prefixLen: 64, flags: IFA_F_PERMANENT, stamp };
  if (loopback) {
    // 127.0.0.1/8, and ::1/128 (init_loopback).
    if (dev.inet.length === 0) {
      const inet = { ...makeIfaddr(0x7f00_0001, 8, dev.name, 0, undefined, IFAPROT_KERNEL_LO), stamp };
      dev.inet.push(inet);
      addressNotify(k, { dev, inet, added: true });
    }
    const addr = new Uint8Array(16);
    addr[15] = 1;
    if (dev.inet6.length === 0) addAddress6(k, dev, { ...own, addr, prefixLen: 128, scope: RT_SCOPE_HOST, proto: IFAPROT_KERNEL_LO });
    return;
  }
  if (dev.type !== ARPHRD_ETHER || dev.addrGenMode !== 0 || disableIpv6(k, dev)) return;
  addAddress6(k, dev, { ...own, addr: linkLocal(dev.hwAddress), scope: RT_SCOPE_LINK, proto: IFAPROT_KERNEL_LL });
}

/** Of the same net as an address that was there before (IFA_F_SECONDARY). */
export function isSecondary(dev: NetDevice, a: InIfaddr): boolean {
  return dev.inet.some((o) => !o.secondary && sameNet(o, a));
}
const sameNet = (a: InIfaddr, b: InIfaddr) => a.prefixLen === b.prefixLen && ((a.local ^ b.local) & maskOf(a.prefixLen)) === 0;
/** __inet_del_ifa: with the first address of a net its others go. */
export function delAddress4(k: Kernel, dev: NetDevice, inet: InIfaddr): void {
  const gone = inet.secondary ? [inet] : [...dev.inet.filter((o) => o.secondary && sameNet(o, inet)), inet];
  for (const a of gone) {
    dev.inet.splice(dev.inet.indexOf(a), 1);
    addressNotify(k, { dev, inet: a, added: false });
  }
}

const GETTERS = [IF.SIOCGIFADDR, IF.SIOCGIFBRDADDR, IF.SIOCGIFDSTADDR, IF.SIOCGIFNETMASK];
const SETTERS = [IF.SIOCSIFADDR, IF.SIOCSIFBRDADDR, IF.SIOCSIFDSTADDR, IF.SIOCSIFNETMASK];

/** -ENOTTY: not one of these. */
export function devinetIoctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const get = GETTERS.includes(cmd);
  const flags = cmd === IF.SIOCSIFFLAGS;
  if (!get && !flags && !SETTERS.includes(cmd)) return cmd === IF.SIOCADDRT || cmd === IF.SIOCDELRT ? routeIoctl(k, cmd) : -E.ENOTTY;
  if (sock.sk.family === AF_INET6 && !flags) return get ? -E.ENOTTY : -E.EINVAL;
  const bytes = copyFromUser(k, arg, IFREQ);
  if (typeof bytes === 'number') return bytes;
  if (!get && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const dev = devByName(k, ifrName(bytes));
  if (dev === undefined) return -E.ENODEV;
  // Sixteen bits are said; the others stay.
  if (flags) return withRtnl(k, () => changeFlags(k, dev, ((dev.flags & ~0xffff) | v.getUint16(16, true)) >>> 0));
  const a = dev.inet[0] as InIfaddr | undefined;
  if (get) {
    if (a === undefined) return -E.EADDRNOTAVAIL;
    bytes.fill(0, 16, 32);
    v.setUint16(16, AF_INET, true);
    v.setUint32(20, cmd === IF.SIOCGIFNETMASK ? maskOf(a.prefixLen) : cmd === IF.SIOCGIFBRDADDR ? a.broadcast : a.local);
    return copyToUser(k, arg, bytes);
  }
  if (v.getUint16(16, true) !== AF_INET) return -E.EINVAL;
  return setAddress(k, dev, a, cmd, v.getUint32(20));
}
function setAddress(k: Kernel, dev: NetDevice, a: InIfaddr | undefined, cmd: number, value: number): number {
  if (cmd === IF.SIOCSIFADDR) {
    // Class of the address gives the mask; setting an address takes the interface up.
    const top = value >>> 24;
    const length = value === 0 ? 0 : top < 128 ? 8 : top < 192 ? 16 : 24;
    dev.inet.splice(0, 1, makeIfaddr(value, length, dev.name));
    return withRtnl(k, () => changeFlags(k, dev, (dev.flags | IF.IFF_UP) >>> 0));
  }
  if (a === undefined) return -E.EADDRNOTAVAIL;
  if (cmd === IF.SIOCSIFNETMASK) {
    const inverse = ~value >>> 0;
    if ((inverse & (inverse + 1)) !== 0) return -E.EINVAL;
    const length = 32 - Math.round(Math.log2(inverse + 1));
    dev.inet.splice(0, 1, { ...a, prefixLen: length });
  } else if (cmd === IF.SIOCSIFBRDADDR) dev.inet.splice(0, 1, { ...a, broadcast: value });
  return 0;
}
function routeIoctl(k: Kernel, cmd: number): number {
  if (!k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  k.printk.log(4, `ioctl ${cmd === IF.SIOCADDRT ? 'SIOCADDRT' : 'SIOCDELRT'}: routes are those that addresses bring; others are not implemented`);
  return cmd === IF.SIOCADDRT ? -E.EOPNOTSUPP : -E.ESRCH;
}
