import * as E from '../../../abi/errno.ts';
import * as IF from '../../../abi/if.ts';
import { IFA_F_PERMANENT, IFAPROT_KERNEL_LO } from '../../../abi/netlink.ts';
import { AF_INET, AF_INET6 } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { copyFromUser, copyToUser } from '../../mm/uaccess.ts';
import { changeFlags } from '../core/dev.ts';
import { deviceByName, IFREQ, ifrName } from '../core/dev_ioctl.ts';
import type { InIfaddr, NetDevice } from '../net.ts';
import type { Socket } from '../socket.ts';

// IPv4 addresses of interfaces (net/ipv4/devinet.c, netdevice(7)).

const CAP_NET_ADMIN = 12;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_HOST = 254;
const maskOf = (length: number) => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0);

export function makeIfaddr(local: number, prefixLen: number, label: string, broadcast = 0, scope?: number, proto = 0): InIfaddr {
  return { local, prefixLen, broadcast, label, proto, stamp: 0, scope: scope ?? (local >>> 24 === 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE) };
}
/** lo that goes up without an address gets 127.0.0.1/8 (inetdev_event), and ::1/128 (addrconf's init_loopback). */
export function inetUpDown(k: Kernel, dev: NetDevice, up: boolean): void {
  if ((dev.flags & IF.IFF_LOOPBACK) === 0) return;
  const stamp = Math.floor(k.time.now() / 1e7);
  if (up && dev.inet.length === 0) dev.inet.push({ ...makeIfaddr(0x7f00_0001, 8, dev.name, 0, undefined, IFAPROT_KERNEL_LO), stamp });
  const one = new Uint8Array(16);
  one[15] = 1;
  if (!up) dev.inet6.length = 0;
  else if (dev.inet6.length === 0) dev.inet6.push({ addr: one, prefixLen: 128, flags: IFA_F_PERMANENT, scope: RT_SCOPE_HOST, proto: IFAPROT_KERNEL_LO, stamp });
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
  const dev = deviceByName(k, ifrName(bytes));
  if (dev === undefined) return -E.ENODEV;
  if (flags) return changeFlags(k, dev, v.getUint16(16, true));
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
    return changeFlags(k, dev, dev.flags | IF.IFF_UP);
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
  k.printk.log(4, `ioctl ${cmd === IF.SIOCADDRT ? 'SIOCADDRT' : 'SIOCDELRT'}: routes are those of lo's addresses; others are not implemented`);
  return cmd === IF.SIOCADDRT ? -E.EOPNOTSUPP : -E.ESRCH;
}
