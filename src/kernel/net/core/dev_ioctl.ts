import { EFAULT, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP, EPERM } from '../../../abi/errno.ts';
import * as ETH from '../../../abi/ethtool.ts';
import * as IF from '../../../abi/if.ts';
import { ethtool_ops as ETHTOOL_OPS, net_device as ND } from '../../../abi/layout/structs.ts';
import { IF_OPER_UNKNOWN, IF_OPER_UP, LINK_STATE_DORMANT } from '../../../abi/netdevice.ts';
import type { Kernel } from '../../kernel.ts';
import { cstringOf } from '../../lib/bytes.ts';
import { copyFromUser, copyToUser, getUser32, getUser64, putUser32, viewFromUser } from '../../mm/uaccess.ts';
import type { NetDevice } from './net_device.ts';
import { readKernel64 } from '../../mm/maccess.ts';
import { callGuest } from '../../module/call.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { runSteps } from '../../module/steps.ts';
import { addressSteps, changeFlags, changeName, devByIndex, devByName, setMtu, withRtnl } from './dev.ts';

// Calls about interfaces on any socket (net/core/dev_ioctl.c, netdevice(7)).

const CAP_NET_ADMIN = 12;
/** struct ifreq: name[16], union of 24 bytes. */
export const IFREQ = 40;

const GETTERS = [
  IF.SIOCGIFFLAGS,
  IF.SIOCGIFMETRIC,
  IF.SIOCGIFMTU,
  IF.SIOCGIFHWADDR,
  IF.SIOCGIFINDEX,
  IF.SIOCGIFTXQLEN,
  IF.SIOCGIFMAP,
  IF.SIOCGIFSLAVE,
];
const SETTERS = [IF.SIOCSIFFLAGS, IF.SIOCSIFMTU, IF.SIOCSIFTXQLEN, IF.SIOCSIFMETRIC, IF.SIOCSIFHWADDR, IF.SIOCSIFNAME, IF.SIOCADDMULTI, IF.SIOCDELMULTI];

/** The name in a struct ifreq, without the label of an alias. */
export const ifrName = (bytes: Uint8Array) => cstringOf(bytes.subarray(0, 16)).split(':')[0];

export function devIoctl(k: Kernel, cmd: number, arg: number): number {
  if (cmd === IF.SIOCGIFCONF) return ifConf(k, arg);
  if (cmd === IF.SIOCGIFNAME) return ifName(k, arg);
  if (cmd === ETH.SIOCETHTOOL) return devEthtool(k, arg);
  const get = GETTERS.includes(cmd);
  if (!get && !SETTERS.includes(cmd)) return -ENOTTY;
  const bytes = copyFromUser(k, arg, IFREQ);
  if (typeof bytes === 'number') return bytes;
  const dev = devByName(k, ifrName(bytes));
  if (!get) {
    if (!k.current.capable(CAP_NET_ADMIN)) return -EPERM;
    return dev === undefined ? -ENODEV : withRtnl(k, () => setIf(k, dev, cmd, bytes));
  }
  if (dev === undefined) return -ENODEV;
  const r = getIf(dev, cmd, new DataView(bytes.buffer));
  return r < 0 ? r : copyToUser(k, arg, bytes);
}
/** What ethtool may ask: whether there is a link, and which time stamps (loopback_ethtool_ops). */
function devEthtool(k: Kernel, arg: number): number {
  const bytes = copyFromUser(k, arg, IFREQ);
  if (typeof bytes === 'number') return bytes;
  const dev = devByName(k, ifrName(bytes));
  if (dev === undefined) return -ENODEV;
  const at = Number(new DataView(bytes.buffer).getBigInt64(16, true));
  const command = getUser32(k, at);
  if (command < 0) return command;
  if (command === ETH.ETHTOOL_GLINK) return getLink(k, dev, at);
  if (command !== ETH.ETHTOOL_GET_TS_INFO) return -EOPNOTSUPP;
  const info = new DataView(new ArrayBuffer(ETH.EthtoolTsInfo.sizeof));
  info.setUint32(0, command, true);
  info.setUint32(ETH.EthtoolTsInfo.so_timestamping, ETH.SOF_SOFTWARE, true);
  info.setInt32(ETH.EthtoolTsInfo.phc_index, -1, true);
  return copyToUser(k, at, new Uint8Array(info.buffer));
}
/** ethtool_get_link: lo's ethtool_op_get_link, or the driver's. */
function getLink(k: Kernel, dev: NetDevice, at: number): number {
  const ops = dev.pointer(ND.ethtool_ops);
  if (ops === 0) return (dev.flags & IF.IFF_LOOPBACK) === 0 ? -EOPNOTSUPP : putUser32(k, at + 4, dev.up ? 1 : 0);
  const fn = readKernel64(k, ops + ETHTOOL_OPS.get_link) ?? 0;
  if (fn === 0) return -EOPNOTSUPP;
  const link = dev.up ? callGuest(k, fn, dev.addr) : 0;
  return link === null ? BLOCKED : putUser32(k, at + 4, link === 0 ? 0 : 1);
}
function getIf(dev: NetDevice, cmd: number, v: DataView): number {
  switch (cmd) {
    case IF.SIOCGIFFLAGS:
      v.setInt16(16, userFlags(dev), true);
      return 0;
    case IF.SIOCGIFMETRIC:
      v.setInt32(16, 0, true);
      return 0;
    case IF.SIOCGIFMTU:
      v.setInt32(16, dev.mtu, true);
      return 0;
    case IF.SIOCGIFHWADDR:
      for (let i = 16; i < 32; i++) v.setUint8(i, 0);
      v.setUint16(16, dev.type, true);
      dev.hwAddress.subarray(0, 14).forEach((b, i) => {
        v.setUint8(18 + i, b);
      });
      return 0;
    case IF.SIOCGIFINDEX:
      v.setInt32(16, dev.index, true);
      return 0;
    case IF.SIOCGIFTXQLEN:
      v.setInt32(16, dev.txQueueLen, true);
      return 0;
    case IF.SIOCGIFMAP:
      for (let i = 16; i < 40; i++) v.setUint8(i, 0);
      return 0;
  }
  return -EINVAL; // SIOCGIFSLAVE
}
/** dev_get_flags: what user space sees beside the flags kept. */
export function userFlags(dev: NetDevice): number {
  const modes = IF.IFF_PROMISC | IF.IFF_ALLMULTI;
  const flags = (dev.flags & ~(modes | IF.IFF_RUNNING | IF.IFF_LOWER_UP | IF.IFF_DORMANT)) | (dev.gflags & modes);
  if (!dev.up) return flags >>> 0;
  const running = dev.operstate === IF_OPER_UP || dev.operstate === IF_OPER_UNKNOWN;
  return (flags | (running ? IF.IFF_RUNNING : 0) | (dev.carrier ? IF.IFF_LOWER_UP : 0) | ((dev.state & LINK_STATE_DORMANT) !== 0 ? IF.IFF_DORMANT : 0)) >>> 0;
}
function setIf(k: Kernel, dev: NetDevice, cmd: number, bytes: Uint8Array): number {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (cmd) {
    case IF.SIOCSIFFLAGS:
      return changeFlags(k, dev, ((dev.flags & ~0xffff) | v.getUint16(16, true)) >>> 0);
    case IF.SIOCSIFMTU:
      return setMtu(k, dev, v.getInt32(16, true));
    case IF.SIOCSIFHWADDR:
      return runSteps(k, () => addressSteps(k, dev, bytes.slice(18, 32), v.getUint16(16, true)));
    case IF.SIOCSIFNAME:
      return changeName(k, dev, cstringOf(bytes.subarray(16, 32)));
    case IF.SIOCSIFTXQLEN:
      if (v.getInt32(16, true) < 0) return -EINVAL;
      dev.txQueueLen = v.getInt32(16, true);
      return 0;
    case IF.SIOCSIFMETRIC:
      return -EOPNOTSUPP;
  }
  return -EOPNOTSUPP;
}
function ifName(k: Kernel, arg: number): number {
  const bytes = copyFromUser(k, arg, IFREQ);
  if (typeof bytes === 'number') return bytes;
  const index = new DataView(bytes.buffer).getInt32(16, true);
  const dev = devByIndex(k, index);
  if (dev === undefined) return -ENODEV;
  bytes.fill(0, 0, 16);
  [...dev.name].forEach((c, i) => {
    bytes[i] = c.charCodeAt(0);
  });
  return copyToUser(k, arg, bytes);
}
/** SIOCGIFCONF: the IPv4 addresses, one struct ifreq each; struct ifconf is int len, pointer. */
function ifConf(k: Kernel, arg: number): number {
  const v = viewFromUser(k, arg, 16);
  if (typeof v === 'number') return v;
  const room = v.getInt32(0, true);
  const buf = getUser64(k, arg + 8);
  if (buf === null) return -EFAULT;
  let total = 0;
  for (const dev of k.net.devices) {
    for (const a of dev.inet) {
      if (buf === 0) {
        total += IFREQ;
        continue;
      }
      if (room - total < IFREQ) break;
      const b = new Uint8Array(IFREQ);
      [...a.label].forEach((c, i) => {
        b[i] = c.charCodeAt(0);
      });
      b[16] = 2; // AF_INET
      new DataView(b.buffer).setUint32(20, a.local);
      if (copyToUser(k, buf + total, b) < 0) return -EFAULT;
      total += IFREQ;
    }
  }
  const out = new Uint8Array(16);
  new DataView(out.buffer).setInt32(0, total, true);
  new DataView(out.buffer).setBigInt64(8, BigInt(buf), true);
  return copyToUser(k, arg, out);
}
