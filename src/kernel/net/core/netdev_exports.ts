import * as E from '../../../abi/errno.ts';
import { IFF_BROADCAST, IFF_MULTICAST } from '../../../abi/if.ts';
import { kernel_ethtool_ts_info as TS_INFO, net as NET, net_device as ND, rtnl_link_stats64 as STATS64, rw_semaphore as RWSEM } from '../../../abi/layout/structs.ts';
import { SOF_SOFTWARE } from '../../../abi/ethtool.ts';
import * as D from '../../../abi/netdevice.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, loadBytes, store32, store64, store8, storeBytes } from '../../lib/guest_memory.ts';
import { initListHead, listAddTail, listDel } from '../../lib/list.ts';
import { callArguments } from '../../lib/va_list.ts';
import { vsnprintf } from '../../lib/vsprintf.ts';
import { writeKernel16, writeKernel64 } from '../../mm/maccess.ts';
import { type DataExport, type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { runSteps } from '../../module/steps.ts';
import { imageObject } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { deviceLog } from '../../drivers/base/dev_printk.ts';
import { debugPrefix } from '../../printk/exports.ts';
import { pointer } from '../../drivers/base/kobject.ts';
import { allocSteps, devByIndex, devByName, devGetStats, netifCarrier, percpuSum, registerSteps, rtnlUnlock, softwareStats, unregisterSteps, withRtnl } from './dev.ts';
import { ethTypeTrans, netifRx, wakeQueue } from './dev_xmit.ts';
import { linkRegister, linkUnregisterSteps, unregisterManySteps } from './link_ops.ts';
import { freeNetdevMemory, netdevAt } from './net_device.ts';
import { rtnlLock } from './rtnl_lock.ts';

// What drivers of interfaces import (net/core/dev.c, rtnetlink.c, net/ethernet/eth.c).

const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);
/** A name that the kernel keeps: at most IFNAMSIZ with its end. */
const nameAt = (k: Kernel, at: number) => text(k, at, D.IFNAMSIZ + 1);

function etherSetup(k: Kernel, dev: number): void {
  writeKernel16(k, dev + ND.type, D.ARPHRD_ETHER);
  writeKernel16(k, dev + ND.hard_header_len, D.ETH_HLEN);
  store8(k, dev + ND.min_header_len, D.ETH_HLEN);
  store32(k, dev + ND.mtu, D.ETH_DATA_LEN);
  store32(k, dev + ND.min_mtu, D.ETH_MIN_MTU);
  store32(k, dev + ND.max_mtu, D.ETH_DATA_LEN);
  store8(k, dev + ND.addr_len, D.ETH_ALEN);
  store32(k, dev + ND.tx_queue_len, D.DEFAULT_TX_QUEUE_LEN);
  store32(k, dev + ND.flags, IFF_BROADCAST | IFF_MULTICAST);
  store32(k, dev + ND.priv_flags, load32(k, dev + ND.priv_flags) | D.IFF_TX_SKB_SHARING);
  storeBytes(k, dev + ND.broadcast, new Uint8Array(D.ETH_ALEN).fill(0xff));
}
/** is_valid_ether_addr: of one station, and not all zeros. */
const validAddress = (a: Uint8Array) => (a[0] & 1) === 0 && a.some((b) => b !== 0);
/** dev_addr_mod(dev, offset, addr, len). */
function addrMod(k: Kernel, dev: number, offset: number, from: number, length: number): void {
  const bytes = loadBytes(k, from, length).slice();
  storeBytes(k, load64(k, dev + ND.dev_addr) + offset, bytes);
  storeBytes(k, dev + ND.dev_addr_shadow + offset, bytes);
}
function ethMacAddr(k: Kernel, dev: number, sockaddr: number): number {
  const live = (load32(k, dev + ND.priv_flags) & D.IFF_LIVE_ADDR_CHANGE) !== 0;
  if (!live && (load32(k, dev + ND.state) & D.LINK_STATE_START) !== 0) return -E.EBUSY;
  if (!validAddress(loadBytes(k, sockaddr + 2, D.ETH_ALEN))) return -E.EADDRNOTAVAIL;
  addrMod(k, dev, 0, sockaddr + 2, D.ETH_ALEN);
  return 0;
}
function registerNetdevice(k: Kernel, addr: number): number {
  return runSteps(k, () => {
    const dev = netdevAt(k, addr);
    return dev === null ? -E.EINVAL : registerSteps(k, dev);
  });
}
/** unregister_netdevice_queue(dev, head): with a list it only goes on it. */
function unregisterQueue(k: Kernel, addr: number, head: number): number {
  if (head !== 0) {
    listDel(k, addr + ND.unreg_list);
    listAddTail(k, addr + ND.unreg_list, head);
    return 0;
  }
  return runSteps(k, () => {
    const dev = netdevAt(k, addr);
    return dev === null ? 0 : unregisterSteps(dev);
  });
}
function freeNetdev(k: Kernel, addr: number): number {
  return runSteps(k, () => [{ act: 'free_netdev', data: { dev: addr } }]);
}
/** ether_setup as a function of the kernel's own that alloc_etherdev_mqs names. */
function allocEtherdev(k: Kernel, size: number, txqs: number, rxqs: number): number {
  const setup = k.modules.symbols.get('ether_setup')?.addr ?? 0;
  return runSteps(k, () => allocSteps(k, size | 0, 'eth%d', D.NET_NAME_ENUM, setup, txqs >>> 0, rxqs >>> 0));
}
/** netdev_printk: the driver and the bus of the device it hangs on, if any, then its own name. */
function netdevLog(k: Kernel, level: number, addr: number, message: string, prefix = ''): void {
  const dev = netdevAt(k, addr);
  if (dev === null) {
    k.printk.emit(0, level, `${prefix}(NULL net_device): ${message}`);
    return;
  }
  const name = dev.name === '' || dev.name.includes('%') ? '(unnamed net_device)' : dev.name;
  const state = [' (uninitialized)', '', ' (unregistering)', ' (unregistered)', ' (released)'][dev.regState] ?? ' (unknown)';
  const parent = pointer(k, addr + ND.dev_parent);
  if (parent !== 0) deviceLog(k, level, parent, `${name}${state}: ${message}`, prefix);
  else k.printk.emit(0, level, `${prefix}${name}${state}: ${message}`);
}
const FORMAT_MAX = 4096;
const log = (level: number) => (k: Kernel, dev: number, fmt: number) => netdevLog(k, level, dev, vsnprintf(k, text(k, fmt, FORMAT_MAX), callArguments(k, 2)));
/** sizeof(struct net_device_stats), whose counters begin struct rtnl_link_stats64. */
const NET_DEVICE_STATS = 23 * 8;
function addSoftwareStats(k: Kernel, stats: number, percpu: number): void {
  const [rxPackets, rxBytes, txPackets, txBytes] = softwareStats(k, percpu);
  for (const [i, n] of [rxPackets, txPackets, rxBytes, txBytes].entries()) store64(k, stats + i * 8, load64(k, stats + i * 8) + n);
}
/** dev_get_stats(dev, storage). */
function getStats(k: Kernel, addr: number, storage: number): number {
  const dev = netdevAt(k, addr);
  if (dev === null) return storage;
  if (!devGetStats(k, dev)) return BLOCKED;
  dev.totals.forEach((n, i) => {
    store64(k, storage + i * 8, n);
  });
  return storage;
}

export const netdevExports: readonly FunctionExport[] = [
  partial('alloc_netdev_mqs', 'no network namespaces', (k, size, name, assign, setup, txqs) =>
    runSteps(k, () => allocSteps(k, size | 0, nameAt(k, name), assign & 0xff, setup, txqs >>> 0, k.machine.regs.get(15) >>> 0)),
  ),
  fn('alloc_etherdev_mqs', allocEtherdev),
  fn('free_netdev', (k, dev) => quiet(freeNetdev(k, dev))),
  fn('register_netdevice', (k, dev) => registerNetdevice(k, dev)),
  fn('register_netdev', (k, dev) => withRtnl(k, () => registerNetdevice(k, dev))),
  fn('unregister_netdevice_queue', (k, dev, head) => quiet(unregisterQueue(k, dev, head))),
  fn('unregister_netdevice_many', (k, head) => quiet(runSteps(k, () => unregisterManySteps(k, head)))),
  fn('unregister_netdev', (k, dev) => quiet(withRtnl(k, () => unregisterQueue(k, dev, 0)))),
  fn('ether_setup', etherSetup),
  fn('eth_mac_addr', ethMacAddr),
  fn('eth_validate_addr', (k, dev) => (validAddress(loadBytes(k, load64(k, dev + ND.dev_addr), D.ETH_ALEN)) ? 0 : -E.EADDRNOTAVAIL)),
  fn('eth_type_trans', (k, skb, dev) => ethTypeTrans(k, skb, dev)),
  fn('dev_addr_mod', (k, dev, offset, from, length) => addrMod(k, dev, offset >>> 0, from, length >>> 0)),
  fn('netif_rx', (k, skb) => netifRx(k, skb)),
  partial('netif_receive_skb', 'no receive handlers, no generic receive offload', (k, skb) => netifRx(k, skb)),
  fn('netif_tx_wake_queue', wakeQueue),
  fn('netif_carrier_on', (k, dev) => netifCarrier(k, dev, true)),
  fn('netif_carrier_off', (k, dev) => netifCarrier(k, dev, false)),
  fn('dev_lstats_read', (k, dev, packets, bytes) => {
    const stats = load64(k, dev + ND.lstats);
    store64(k, packets, percpuSum(k, stats, 0));
    store64(k, bytes, percpuSum(k, stats, 8));
  }),
  fn('dev_fetch_sw_netstats', addSoftwareStats),
  fn('dev_get_tstats64', (k, dev, stats) => {
    storeBytes(k, stats, loadBytes(k, dev + ND.stats, NET_DEVICE_STATS).slice());
    storeBytes(k, stats + NET_DEVICE_STATS, new Uint8Array(STATS64.sizeof - NET_DEVICE_STATS));
    addSoftwareStats(k, stats, load64(k, dev + ND.tstats));
  }),
  fn('netdev_refcnt_read', (k, dev) => netdevAt(k, dev)?.references ?? 0),
  fn('dev_get_stats', getStats),
  // Both leave alone what belongs to no socket, and no buffer that a driver gets does.
  partial('skb_tstamp_tx', 'buffers do not know their socket: no SO_TIMESTAMPING of what drivers send', () => undefined),
  partial('skb_clone_tx_timestamp', 'no time stamps by a PHY', () => undefined),
  fn('ethtool_op_get_link', (k, dev) => ((load32(k, dev + ND.state) & D.LINK_STATE_NOCARRIER) === 0 ? 1 : 0)),
  fn('ethtool_op_get_ts_info', (k, _dev, info) => {
    store32(k, info + TS_INFO.so_timestamping, SOF_SOFTWARE);
    store32(k, info + TS_INFO.phc_index, -1);
    return 0;
  }),
  fn('__dev_get_by_name', (k, _net, name) => devByName(k, nameAt(k, name))?.addr ?? 0),
  fn('__dev_get_by_index', (k, _net, index) => devByIndex(k, index)?.addr ?? 0),
  fn('dev_get_by_index_rcu', (k, _net, index) => devByIndex(k, index)?.addr ?? 0),
  fn('dev_get_by_name_rcu', (k, _net, name) => devByName(k, nameAt(k, name))?.addr ?? 0),
  // With a reference for the caller, which its dev_put gives back.
  fn('dev_get_by_name', (k, _net, name) => hold(k, devByName(k, nameAt(k, name))?.addr ?? 0)),
  fn('dev_get_by_index', (k, _net, index) => hold(k, devByIndex(k, index)?.addr ?? 0)),
  partial('do_trace_netlink_extack', 'no trace point', () => undefined),
  fn('rtnl_lock', (k) => quiet(rtnlLock(k))),
  fn('rtnl_unlock', (k) => quiet(rtnlUnlock(k))),
  fn('rtnl_is_locked', (k) => (load64(k, k.modules.symbols.get('rtnl_mutex')?.addr ?? 0) === 0 ? 0 : 1)),
  partial('__rtnl_link_register', 'policies are not checked; fill_info and changelink are not called', linkRegister),
  partial('rtnl_link_register', 'policies are not checked; fill_info and changelink are not called', (k, ops) => withRtnl(k, () => linkRegister(k, ops))),
  fn('__rtnl_link_unregister', (k, ops) => quiet(runSteps(k, () => linkUnregisterSteps(k, ops)))),
  fn('rtnl_link_unregister', (k, ops) => quiet(withRtnl(k, () => runSteps(k, () => linkUnregisterSteps(k, ops))))),
  fn('netdev_emerg', log(0)),
  fn('netdev_alert', log(1)),
  fn('netdev_crit', log(2)),
  fn('netdev_err', log(3)),
  fn('netdev_warn', log(4)),
  fn('netdev_notice', log(5)),
  fn('netdev_info', log(6)),
  fn('netdev_printk', (k, level, dev, fmt) => {
    netdevLog(k, text(k, level, 8).charCodeAt(1) & 7, dev, vsnprintf(k, text(k, fmt, FORMAT_MAX), callArguments(k, 3)));
  }),
  fn('__dynamic_netdev_dbg', (k, descriptor, dev, fmt) => {
    netdevLog(k, 7, dev, vsnprintf(k, text(k, fmt, FORMAT_MAX), callArguments(k, 3)), debugPrefix(k, descriptor));
  }),
  internal('netdev_release', (k, device) => {
    const dev = netdevAt(k, device - ND.dev);
    if (dev !== null) freeNetdevMemory(k, dev);
    return undefined;
  }),
];
function hold(k: Kernel, dev: number): number {
  if (dev === 0) return 0;
  const count = k.percpu.copies(load64(k, dev + ND.pcpu_refcnt))[k.cpu];
  store32(k, count, load32(k, count) + 1);
  return dev;
}
export const netdevDataExports: readonly DataExport[] = [
  {
    name: 'init_net',
    place(k) {
      const at = imageObject(k, NET.sizeof, 64);
      initListHead(k, at + NET.dev_base_head);
      // What stands for /proc/net: only its identity is looked at.
      writeKernel64(k, at + NET.proc_net, imageObject(k, 8, 8));
      return at;
    },
  },
  {
    name: 'pernet_ops_rwsem',
    place(k) {
      const at = imageObject(k, RWSEM.sizeof, 8);
      initListHead(k, at + RWSEM.wait_list);
      return at;
    },
  },
];
