import * as E from '../../../abi/errno.ts';
import * as IF from '../../../abi/if.ts';
import { device as DEV, net as NET, net_device as ND, net_device_ops as NDO } from '../../../abi/layout/structs.ts';
import * as D from '../../../abi/netdevice.ts';
import { deviceInitialize } from '../../drivers/base/device.ts';
import { kobjectGet, kobjectSetName, putStep } from '../../drivers/base/kobject.ts';
import type { Kernel } from '../../kernel.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import { load64 } from '../../lib/guest_memory.ts';
import { readKernel32, readKernel8, readKernelBig, writeKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../../mm/maccess.ts';
import { callAnswered, callGuest } from '../../module/call.ts';
import { before, runSteps, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { TASK_UNINTERRUPTIBLE } from '../../sched/task.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { netdevNotify } from './dev_chain.ts';
import { allocNetdev, finishAlloc, freeNetdevMemory, freeParts, LINK_STATS, listNetdevice, type NetDevice, netdevAt, unlistNetdevice } from './net_device.ts';
import { rtnlLock, rtnlRelease } from './rtnl_lock.ts';
import { freeSkb } from './skb_alloc.ts';

// Interfaces: their life and settings (net/core/dev.c). Each change is a list of steps, because functions of the driver are called between them.

type Data = Readonly<Record<string, number | string>>;
const devOf = (k: Kernel, data: Data) => netdevAt(k, data['dev'] as number);
/** An action on a struct net_device that is still there. */
function devAction(name: string, action: (k: Kernel, dev: NetDevice, state: StepState, data: Data) => void): void {
  stepAction(name, (k, data, state) => {
    const dev = devOf(k, data);
    if (dev === null) state.value = -E.ENODEV;
    else action(k, dev, state, data);
  });
}
/** A call of one of the driver's operations; passed over when it has none. */
const ndo = (dev: NetDevice, offset: number, ...args: readonly number[]): Step => ({ call: dev.ndo(offset), args: [dev.addr, ...args] });
const act = (name: string, dev: NetDevice, more: Data = {}): Step => ({ act: name, data: { dev: dev.addr, ...more } });

/** Waits for the references of what was unregistered, and frees it (netdev_run_todo): 0 or BLOCKED. */
function runTodo(k: Kernel): number {
  const task = k.current;
  for (let dev = k.net.todo[0]; dev !== undefined; dev = k.net.todo[0]) {
    const refs = dev.references;
    if (refs !== 1 && dev.regState === D.NETREG_UNREGISTERING) {
      const warnAt = (task.restart?.['warnAt'] as number | undefined) ?? k.time.now() + WAIT_WARN;
      const due = k.time.now() >= warnAt;
      if (due) k.printk.log(0, `unregister_netdevice: waiting for ${dev.name} to become free. Usage count = ${refs}`);
      task.restart = { ...task.restart, warnAt: due ? k.time.now() + WAIT_WARN : warnAt };
      task.state = TASK_UNINTERRUPTIBLE;
      k.sched.scheduleTimeout(task, k.time.now() + WAIT_STEP);
      return BLOCKED;
    }
    const gone = dev;
    const r = runSteps(k, () => {
      gone.regState = D.NETREG_UNREGISTERED;
      const free: Step[] = (readKernel8(k, gone.addr + ND.needs_free_netdev) ?? 0) !== 0 ? [act('free_netdev', gone)] : [];
      return [{ call: gone.pointer(ND.priv_destructor), args: [gone.addr] }, ...free, putStep(gone.addr + ND.dev)];
    });
    if (r === BLOCKED) return BLOCKED;
    k.net.todo.splice(k.net.todo.indexOf(gone), 1);
  }
  return 0;
}
/** netdev_wait_allrefs_any: how often it looks, and when it complains. */
const WAIT_STEP = 250e6;
const WAIT_WARN = 10e9;

/** rtnl_unlock: 0 or BLOCKED. */
export function rtnlUnlock(k: Kernel): number {
  const task = k.current;
  if (k.net.todo.length === 0 && task.restart?.['unlocked'] !== true) {
    rtnlRelease(k);
    return 0;
  }
  if (task.restart?.['unlocked'] !== true) {
    rtnlRelease(k);
    task.restart = { ...task.restart, unlocked: true };
  }
  if (runTodo(k) === BLOCKED) return BLOCKED;
  task.restart = { ...task.restart, unlocked: undefined };
  return 0;
}
/** `change` with the lock held: its result, or BLOCKED; what it did must be remembered in task.restart or be made by steps. */
export function withRtnl(k: Kernel, change: () => number): number {
  const task = k.current;
  const progress = task.restart?.['rtnl'] as { readonly result: number | null } | undefined;
  if (progress === undefined) {
    if (rtnlLock(k) === BLOCKED) return BLOCKED;
    task.restart = { ...task.restart, rtnl: { result: null } };
  }
  let result = progress?.result ?? null;
  if (result === null) {
    result = change();
    if (result === BLOCKED) return BLOCKED;
    task.calls = [];
    task.callIndex = 0;
    task.restart = { ...task.restart, rtnl: { result } };
  }
  if (rtnlUnlock(k) === BLOCKED) return BLOCKED;
  task.restart = { ...task.restart, rtnl: undefined };
  return result;
}

// Names.

export const devByName = (k: Kernel, name: string): NetDevice | undefined => k.net.devices.find((d) => d.name === name);
export const devByIndex = (k: Kernel, index: number): NetDevice | undefined => k.net.devices.find((d) => d.index === index);
/** dev_valid_name. */
export function devValidName(name: string): boolean {
  return name !== '' && name.length < D.IFNAMSIZ && name !== '.' && name !== '..' && !/[/:\s]/.test(name);
}
/** dev_prep_valid_name: the name, with a number for its "%d"; or -errno. */
export function chooseName(k: Kernel, name: string, busy = -E.EEXIST): string | number {
  if (!devValidName(name)) return -E.EINVAL;
  if (!name.includes('%')) return devByName(k, name) === undefined ? name : busy;
  if (!/^[^%]*%d[^%]*$/.test(name)) return -E.EINVAL;
  for (let i = 0; i < 8 * 4096; i++) {
    const tried = name.replace('%d', String(i));
    if (tried.length >= D.IFNAMSIZ) break;
    if (devByName(k, tried) === undefined) return tried;
  }
  return -E.ENFILE;
}

// Statistics.

/** dev_get_stats into dev.totals; false: a function of the driver was called first, and the caller returns BLOCKED. */
export function devGetStats(k: Kernel, dev: NetDevice): boolean {
  const { stats } = dev;
  if (dev.pointer(ND.netdev_ops) === 0) {
    const own = [stats.rxPackets, stats.txPackets, stats.rxBytes, stats.txBytes, 0, 0, stats.rxDropped, stats.txDropped];
    dev.totals = [...own, ...Array<number>(LINK_STATS - own.length).fill(0)];
    return true;
  }
  let totals: number[];
  const [get64, get] = [dev.ndo(NDO.ndo_get_stats64), dev.ndo(NDO.ndo_get_stats)];
  if (get64 !== 0) {
    if (!callAnswered(k)) writeKernelBytes(k, dev.statsBuffer, new Uint8Array(LINK_STATS * 8));
    if (callGuest(k, get64, dev.addr, dev.statsBuffer) === null) return false;
    totals = counters(k, dev.statsBuffer, LINK_STATS);
  } else {
    const at = get === 0 ? dev.addr + ND.stats : callGuest(k, get, dev.addr);
    if (at === null) return false;
    // struct net_device_stats has the same counters in the same order, but for the last two.
    totals = [...counters(k, at, LINK_STATS - 2), 0, 0];
    if (get === 0 && dev.pcpuStatType === D.NETDEV_PCPU_STAT_TSTATS) for (const [i, n] of softwareStats(k, dev.pointer(ND.tstats)).entries()) totals[STAT_ORDER[i]] += n;
  }
  totals[6] += stats.rxDropped;
  totals[7] += stats.txDropped;
  dev.totals = totals;
  return true;
}
/** rx_packets, rx_bytes, tx_packets, tx_bytes of a struct pcpu_sw_netstats, summed over the CPUs; and their places in rtnl_link_stats64. */
export function softwareStats(k: Kernel, percpu: number): number[] {
  return [0, 8, 16, 24].map((at) => percpuSum(k, percpu, at));
}
const STAT_ORDER = [0, 2, 1, 3];
export function percpuSum(k: Kernel, percpu: number, at: number): number {
  return percpu === 0 ? 0 : k.percpu.copies(percpu).reduce((sum, copy) => sum + Number(readKernelBig(k, copy + at) ?? 0n), 0);
}
function counters(k: Kernel, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number(BigInt.asUintN(64, readKernelBig(k, at + i * 8) ?? 0n)));
}
/** The same of every interface. */
export function allStats(k: Kernel): boolean {
  return k.net.devices.every((dev) => devGetStats(k, dev));
}

// Up and down, and the flags.

/** dev_set_rx_mode. */
function rxMode(dev: NetDevice): Step[] {
  return dev.up && (dev.state & D.LINK_STATE_PRESENT) !== 0 ? [ndo(dev, NDO.ndo_set_rx_mode)] : [];
}
devAction('dev_open', (_k, dev, state) => {
  state.value = 0;
  if (dev.up) return;
  if ((dev.state & D.LINK_STATE_PRESENT) === 0) {
    state.value = -E.ENODEV;
    return;
  }
  dev.state |= D.LINK_STATE_START;
  before(state, ndo(dev, NDO.ndo_validate_addr), act('dev_open_driver', dev));
});
devAction('dev_open_driver', (_k, dev, state) => {
  if (state.result === 0) before(state, ndo(dev, NDO.ndo_open), act('dev_opened', dev));
  else openFailed(dev, state);
});
function openFailed(dev: NetDevice, state: StepState): void {
  dev.state &= ~D.LINK_STATE_START;
  state.value = state.result;
}
devAction('dev_opened', (_k, dev, state) => {
  if (state.result !== 0) {
    openFailed(dev, state);
    return;
  }
  dev.flags |= IF.IFF_UP;
  if (dev.carrier) dev.wasUp = true;
  before(state, ...rxMode(dev));
});
devAction('dev_close', (k, dev, state) => {
  if (!dev.up) return;
  dev.state &= ~D.LINK_STATE_START;
  dropQueue(k, dev);
  before(state, ndo(dev, NDO.ndo_stop), act('dev_closed', dev));
});
devAction('dev_closed', (_k, dev) => {
  dev.flags &= ~IF.IFF_UP;
});
/** What waits to be sent is dropped. */
function dropQueue(k: Kernel, dev: NetDevice): void {
  for (const skb of dev.queue.splice(0)) freeSkb(k, skb);
}
/** Flags that users set as they are. */
const SETTABLE = IF.IFF_DEBUG | IF.IFF_NOTRAILERS | IF.IFF_NOARP | IF.IFF_DYNAMIC | IF.IFF_MULTICAST | IF.IFF_PORTSEL | IF.IFF_AUTOMEDIA;

/** dev_change_flags as steps: the value is 0 or -errno. */
export function changeFlagsSteps(dev: NetDevice, flags: number): Step[] {
  const old = dev.flags;
  return [act('dev_flags_begin', dev, { flags }), act('dev_flags_up', dev, { flags, old }), act('dev_flags_modes', dev, { flags }), act('dev_flags_told', dev, { old, gold: dev.gflags })];
}
devAction('dev_flags_begin', (_k, dev, state, data) => {
  const flags = data['flags'] as number;
  const old = dev.flags;
  // Bits above 16 are the kernel's own (IFF_VOLATILE), as are those between the two sets.
  dev.flags = ((flags & SETTABLE) | (old & ~SETTABLE)) >>> 0;
  const steps: Step[] = ((old ^ flags) & IF.IFF_MULTICAST) !== 0 ? [ndo(dev, NDO.ndo_change_rx_flags, IF.IFF_MULTICAST)] : [];
  before(state, ...steps, ...rxMode(dev));
});
devAction('dev_flags_up', (_k, dev, state, data) => {
  const [flags, old] = [data['flags'] as number, data['old'] as number];
  state.value = 0;
  if (((flags ^ old) & IF.IFF_UP) !== 0) before(state, act((flags & IF.IFF_UP) !== 0 ? 'dev_open' : 'dev_close', dev));
});
devAction('dev_flags_modes', (k, dev, state, data) => {
  const flags = data['flags'] as number;
  for (const [bit, member] of [[IF.IFF_PROMISC, 'promiscuity'], [IF.IFF_ALLMULTI, 'allmulti']] as const) {
    if (((flags ^ dev.gflags) & bit) === 0) continue;
    dev.gflags ^= bit;
    before(state, ...countMode(k, dev, member, bit, (dev.gflags & bit) !== 0 ? 1 : -1));
  }
});
/** __dev_set_promiscuity and __dev_set_allmulti: the driver hears of it when the count leaves or reaches 0. */
function countMode(k: Kernel, dev: NetDevice, member: 'promiscuity' | 'allmulti', bit: number, by: number): Step[] {
  const count = Math.max(0, dev[member] + by);
  dev[member] = count;
  const on = count > 0;
  if (on === ((dev.flags & bit) !== 0)) return [];
  dev.flags = (on ? dev.flags | bit : dev.flags & ~bit) >>> 0;
  k.printk.log(6, `${dev.name}: ${on ? 'entered' : 'left'} ${member === 'promiscuity' ? 'promiscuous' : 'allmulticast'} mode`);
  return dev.up ? [ndo(dev, NDO.ndo_change_rx_flags, bit), ...rxMode(dev)] : [];
}
devAction('dev_flags_told', (k, dev, state, data) => {
  if (state.value < 0) return;
  const old = data['old'] as number;
  const gold = data['gold'] as number;
  const changed = ((old ^ dev.flags) | (gold ^ dev.gflags)) >>> 0;
  if (changed === 0) return;
  if ((changed & IF.IFF_UP) !== 0) netdevNotify(k, dev, dev.up ? 'up' : 'down');
  else netdevNotify(k, dev, 'change');
  for (; dev.rxModeDue > 0; dev.rxModeDue--) before(state, ...rxMode(dev));
});
/** The flags as SIOCSIFFLAGS and RTM_SETLINK give them: 0, -errno or BLOCKED. */
export function changeFlags(k: Kernel, dev: NetDevice, flags: number): number {
  return runSteps(k, () => changeFlagsSteps(dev, flags));
}
/** dev_set_promiscuity for a packet socket; the driver's functions are not called from here. */
export function devSetPromiscuity(k: Kernel, dev: NetDevice, by: number): void {
  countMode(k, dev, 'promiscuity', IF.IFF_PROMISC, by);
}

// Other settings.

/** dev_set_mtu as steps. */
export function mtuSteps(k: Kernel, dev: NetDevice, mtu: number): Step[] | number {
  if (mtu === dev.mtu) return 0;
  const less = mtu < 0 || mtu < dev.minMtu;
  if (less || (dev.maxMtu > 0 && mtu > dev.maxMtu)) {
    k.net.extack = less ? 'mtu less than device minimum' : 'mtu greater than device maximum';
    return -E.EINVAL;
  }
  if ((dev.state & D.LINK_STATE_PRESENT) === 0) return -E.ENODEV;
  return [ndo(dev, NDO.ndo_change_mtu, mtu), act('mtu_changed', dev, { mtu, own: dev.ndo(NDO.ndo_change_mtu) === 0 ? 1 : 0 })];
}
devAction('mtu_changed', (k, dev, state, data) => {
  state.value = state.result;
  if (state.value < 0) return;
  if (data['own'] === 1) dev.mtu = data['mtu'] as number;
  netdevNotify(k, dev, 'change');
});
export function setMtu(k: Kernel, dev: NetDevice, mtu: number): number {
  const r = runSteps(k, () => mtuSteps(k, dev, mtu));
  if (k.net.extack !== '') k.printk.log(3, `${dev.name}: ${k.net.extack}`);
  k.net.extack = '';
  return r;
}
/** dev_set_mac_address as steps: the driver gets a struct sockaddr. */
export function addressSteps(k: Kernel, dev: NetDevice, address: Uint8Array, family: number): Step[] | number {
  const fn = dev.ndo(NDO.ndo_set_mac_address);
  if (fn === 0) return -E.EOPNOTSUPP;
  if (family !== dev.type) return -E.EINVAL;
  if (address.length < dev.addrLen) return -E.EINVAL;
  if ((dev.state & D.LINK_STATE_PRESENT) === 0) return -E.ENODEV;
  if (dev.hwAddress.every((b, i) => b === address[i])) return [act('address_changed', dev, { sa: 0 })];
  const sa = kzalloc(k, 2 + D.MAX_ADDR_LEN);
  if (sa === 0) return -E.ENOMEM;
  writeKernel16(k, sa, family);
  writeKernelBytes(k, sa + 2, address.slice(0, D.MAX_ADDR_LEN));
  return [{ call: fn, args: [dev.addr, sa] }, act('address_changed', dev, { sa })];
}
devAction('address_changed', (k, dev, state, data) => {
  const sa = data['sa'] as number;
  state.value = sa === 0 ? 0 : state.result;
  kfree(k, sa);
  if (state.value < 0) return;
  writeKernel8(k, dev.addr + ND.addr_assign_type, D.NET_ADDR_SET);
  netdevNotify(k, dev, 'change');
});
/** dev_change_name. 0 or -errno. */
export function changeName(k: Kernel, dev: NetDevice, wanted: string): number {
  const old = dev.name;
  if (wanted === old) return 0;
  const name = chooseName(k, wanted);
  if (typeof name === 'number') return name;
  k.printk.log(6, `${name}: renamed from ${old}${dev.up ? ' (while UP)' : ''}`);
  dev.name = name;
  dev.nameAssignType = D.NET_NAME_RENAMED;
  netdevNotify(k, dev, 'rename');
  return 0;
}
/** dev_change_carrier as steps. */
export function carrierSteps(dev: NetDevice, on: boolean): Step[] | number {
  const fn = dev.ndo(NDO.ndo_change_carrier);
  if (fn === 0) return -E.EOPNOTSUPP;
  return [{ call: fn, args: [dev.addr, on ? 1 : 0] }, act('carrier_changed', dev)];
}
devAction('carrier_changed', (_k, _dev, state) => {
  state.value = state.result;
});
/** netif_carrier_on and _off, and what the link watch makes of it (net/core/link_watch.c). */
export function netifCarrier(k: Kernel, addr: number, on: boolean): void {
  const dev = netdevAt(k, addr);
  if (dev === null || dev.carrier === on) return;
  dev.state ^= D.LINK_STATE_NOCARRIER;
  if (dev.regState === D.NETREG_UNINITIALIZED) return;
  const counter = dev.addr + (on ? ND.carrier_up_count : ND.carrier_down_count);
  writeKernel32(k, counter, (readKernel32(k, counter) ?? 0) + 1);
  linkState(dev);
  if (!dev.up) return;
  if (on) dev.wasUp = true;
  else dropQueue(k, dev);
  netdevNotify(k, dev, 'change');
}
/** rfc2863_policy. */
function linkState(dev: NetDevice): void {
  dev.operstate = !dev.carrier ? D.IF_OPER_DOWN : (dev.state & D.LINK_STATE_DORMANT) !== 0 ? D.IF_OPER_DORMANT : D.IF_OPER_UP;
}

/** netdev_uevent. */
export function netdevVariables(k: Kernel, device: number): string[] {
  const dev = netdevAt(k, device - ND.dev);
  return dev === null ? [] : [`INTERFACE=${dev.name}`, `IFINDEX=${dev.index}`];
}

// Registration.

/** register_netdevice as steps: the value is 0 or -errno. The lock is held. */
export function registerSteps(k: Kernel, dev: NetDevice): Step[] | number {
  if (dev.regState !== D.NETREG_UNINITIALIZED) return -E.EINVAL;
  const name = chooseName(k, dev.name);
  if (typeof name === 'number') return name;
  dev.name = name;
  return [ndo(dev, NDO.ndo_init), act('netdev_initialised', dev)];
}
devAction('netdev_initialised', (k, dev, state) => {
  state.value = state.result > 0 ? -E.EIO : state.result;
  if (state.value < 0) return;
  const { addr } = dev;
  const type = dev.pcpuStatType;
  if (type !== 0) {
    const size = D.PCPU_STATS_SIZE[type] ?? 0;
    const stats = size === 0 ? 0 : k.percpu.alloc(size, size);
    writeKernel64(k, addr + ND.lstats, stats);
    if (stats === 0) {
      state.value = size === 0 ? -E.EINVAL : -E.ENOMEM;
      before(state, ndo(dev, NDO.ndo_uninit));
      return;
    }
  }
  if (dev.index === 0) {
    while (devByIndex(k, k.net.nextIfindex) !== undefined) k.net.nextIfindex++;
    dev.index = k.net.nextIfindex++;
  } else if (devByIndex(k, dev.index) !== undefined) {
    state.value = -E.EBUSY;
    before(state, ndo(dev, NDO.ndo_uninit), act('netdev_stats_free', dev));
    return;
  }
  // Features that every device has in software.
  const soft = D.NETIF_F_GSO | D.NETIF_F_GRO;
  const features = load64(k, addr + ND.features) | soft;
  writeKernel64(k, addr + ND.hw_features, load64(k, addr + ND.hw_features) | soft);
  writeKernel64(k, addr + ND.features, features);
  writeKernel64(k, addr + ND.wanted_features, features & load64(k, addr + ND.hw_features));
  const device = addr + ND.dev;
  deviceInitialize(k, device);
  writeKernel64(k, device + DEV.class, symbolAddress(k, 'net_class'));
  writeKernel64(k, device + DEV.platform_data, addr);
  writeKernel64(k, device + DEV.groups, addr + ND.sysfs_groups);
  kobjectSetName(k, device, dev.name);
  before(state, { act: 'device_add', data: { dev: device } }, act('netdev_added', dev));
});
devAction('netdev_stats_free', (k, dev) => {
  const stats = dev.pointer(ND.lstats);
  if (stats !== 0 && dev.pcpuStatType !== 0) k.percpu.free(stats);
  writeKernel64(k, dev.addr + ND.lstats, 0);
});
devAction('netdev_added', (k, dev, state) => {
  if (state.value < 0) {
    before(state, ndo(dev, NDO.ndo_uninit), act('netdev_stats_free', dev));
    return;
  }
  dev.regState = D.NETREG_REGISTERED;
  dev.state |= D.LINK_STATE_PRESENT;
  if (!dev.carrier) linkState(dev);
  if (dev.addrAssignType === D.NET_ADDR_PERM) writeKernelBytes(k, dev.addr + ND.perm_addr, dev.hwAddress);
  listNetdevice(k, dev);
  netdevNotify(k, dev, 'register');
});
/** unregister_netdevice as steps: the lock is held; what is left to do is done when it is given back. */
export function unregisterSteps(dev: NetDevice): Step[] {
  if (dev.regState !== D.NETREG_REGISTERED) return [];
  return [act('netdev_down', dev), act('netdev_gone', dev)];
}
devAction('netdev_down', (_k, dev, state) => {
  if (dev.up) before(state, act('dev_close', dev), act('netdev_closed', dev));
});
devAction('netdev_closed', (k, dev) => netdevNotify(k, dev, 'down'));
devAction('netdev_gone', (k, dev, state) => {
  if (dev.regState !== D.NETREG_REGISTERED) return;
  unlistNetdevice(k, dev);
  dev.regState = D.NETREG_UNREGISTERING;
  dev.wasUp = false;
  netdevNotify(k, dev, 'unregister');
  // Its memory stays until the last of what is to do has been done.
  kobjectGet(k, dev.addr + ND.dev);
  k.net.todo.push(dev);
  before(state, ndo(dev, NDO.ndo_uninit), act('netdev_stats_free', dev), { act: 'device_del', data: { dev: dev.addr + ND.dev } });
});
/** free_netdev: a device that is being unregistered is freed when that is done. */
devAction('free_netdev', (k, dev, state) => {
  if (dev.regState === D.NETREG_UNREGISTERING) {
    writeKernel8(k, dev.addr + ND.needs_free_netdev, 1);
    return;
  }
  dropQueue(k, dev);
  freeParts(k, dev);
  if (dev.regState === D.NETREG_UNINITIALIZED) {
    freeNetdevMemory(k, dev);
    return;
  }
  dev.regState = D.NETREG_RELEASED;
  before(state, putStep(dev.addr + ND.dev));
});
/** alloc_netdev_mqs as steps: the value is the address or 0. */
export function allocSteps(k: Kernel, privSize: number, name: string, assign: number, setup: number, txqs: number, rxqs: number): Step[] | number {
  if (name.length >= D.IFNAMSIZ || txqs < 1 || rxqs < 1) return 0;
  const dev = allocNetdev(k, privSize);
  if (dev === null) return 0;
  return [{ call: setup, args: [dev.addr] }, act('netdev_allocated', dev, { name, assign, txqs, rxqs })];
}
devAction('netdev_allocated', (k, dev, state, data) => {
  const ok = finishAlloc(k, dev, data['name'] as string, data['assign'] as number, data['txqs'] as number, data['rxqs'] as number);
  state.value = ok ? dev.addr : 0;
  if (ok) return;
  freeParts(k, dev);
  freeNetdevMemory(k, dev);
});

/** drivers/net/loopback.c: an interface without functions. */
export function loopbackInit(k: Kernel): void {
  const dev = allocNetdev(k, 0);
  if (dev === null) throw new Error('no memory for lo');
  writeKernel16(k, dev.addr + ND.type, IF.ARPHRD_LOOPBACK);
  writeKernel8(k, dev.addr + ND.addr_len, D.ETH_ALEN);
  writeKernel16(k, dev.addr + ND.hard_header_len, D.ETH_HLEN);
  writeKernel32(k, dev.addr + ND.priv_flags, dev.privFlags | D.IFF_LIVE_ADDR_CHANGE | D.IFF_NO_QUEUE);
  writeKernel32(k, dev.addr + ND.tso_max_size, D.GSO_MAX_SIZE);
  dev.flags = IF.IFF_LOOPBACK;
  dev.mtu = 65536;
  finishAlloc(k, dev, 'lo', 2, 1, 1);
  dev.index = k.net.nextIfindex++;
  dev.regState = D.NETREG_REGISTERED;
  dev.state = D.LINK_STATE_PRESENT;
  listNetdevice(k, dev);
  writeKernel64(k, symbolAddress(k, 'init_net') + NET.loopback_dev, dev.addr);
}
