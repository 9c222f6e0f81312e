import { net as NET, net_device as ND, netdev_hw_addr as HA, netdev_queue as QUEUE } from '../../../abi/layout/structs.ts';
import { IFF_UP } from '../../../abi/if.ts';
import * as D from '../../../abi/netdevice.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { initListHead, listAdd, listAddTail, listDel, listNodes } from '../../lib/list.ts';
import type { Ram } from '../../../machine/ram.ts';
import { virtToPhys } from '../../mm/address.ts';
import { kernelBytes, readKernel32, readKernel64, writeKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../../mm/maccess.ts';
import { symbolAddress } from '../../module/stubs.ts';
import type { Inet6Ifaddr, InIfaddr } from '../net.ts';

// A network interface: a view of its struct net_device in guest memory, which drivers read and write inline (include/linux/netdevice.h), and what the
// protocols keep about it, which no module sees.

/** Counters of struct rtnl_link_stats64. */
export const LINK_STATS = 25;

export class NetDevice {
  readonly addr: number;
  private readonly k: Kernel;
  private readonly ram: Ram;
  private readonly pa: number;
  /** It was up once: it has a queueing discipline. */
  wasUp = false;
  alias = '';
  /** Its directory below /proc/sys/net/ipv4/conf. */
  confName = '';
  /** Counted by the kernel: all of lo's packets, and of others what it dropped (struct net_device_core_stats). */
  readonly stats = { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0, rxDropped: 0, txDropped: 0 };
  /** struct rtnl_link_stats64 as devGetStats found it last. */
  totals: readonly number[] = Array<number>(LINK_STATS).fill(0);
  /** struct rtnl_link_stats64 that the driver's ndo_get_stats64 fills. */
  readonly statsBuffer: number;
  /** struct sk_buff that wait to be sent (the queueing discipline). */
  readonly queue: number[] = [];
  /** Calls of ndo_set_rx_mode that changes of the group list want (__dev_set_rx_mode). */
  rxModeDue = 0;
  /** A call of ndo_start_xmit is due or runs. */
  sending = false;
  readonly inet: InIfaddr[] = [];
  readonly inet6: Inet6Ifaddr[] = [];
  /** IPv6 addresses are not made of the hardware's (IN6_ADDR_GEN_MODE_NONE). */
  addrGenMode = 0;

  constructor(k: Kernel, addr: number, statsBuffer: number) {
    this.addr = addr;
    this.k = k;
    this.ram = k.ram;
    this.pa = virtToPhys(addr);
    this.statsBuffer = statsBuffer;
  }
  get name(): string {
    let s = '';
    for (let i = 0; i < D.IFNAMSIZ; i++) {
      const c = this.ram.read8(this.pa + ND.name + i);
      if (c === 0) break;
      s += String.fromCharCode(c);
    }
    return s;
  }
  set name(name: string) {
    this.ram.fill(this.pa + ND.name, D.IFNAMSIZ);
    this.ram.u8.set(bytesOf(name), this.pa + ND.name);
  }
  private get32(at: number): number {
    return this.ram.read32(this.pa + at) >>> 0;
  }
  private set32(at: number, value: number): void {
    this.ram.write32(this.pa + at, value);
  }
  /** A pointer member. */
  pointer(at: number): number {
    return this.ram.read64(this.pa + at);
  }
  get index(): number {
    return this.get32(ND.ifindex);
  }
  set index(v: number) {
    this.set32(ND.ifindex, v);
  }
  /** IFF_*. */
  get flags(): number {
    return this.get32(ND.flags);
  }
  set flags(v: number) {
    this.set32(ND.flags, v);
  }
  /** Flags that users set (dev->gflags). */
  get gflags(): number {
    return this.ram.read16(this.pa + ND.gflags);
  }
  set gflags(v: number) {
    this.ram.write16(this.pa + ND.gflags, v);
  }
  get privFlags(): number {
    return this.get32(ND.priv_flags);
  }
  get state(): number {
    return this.get32(ND.state);
  }
  set state(v: number) {
    this.set32(ND.state, v);
  }
  get mtu(): number {
    return this.get32(ND.mtu);
  }
  set mtu(v: number) {
    this.set32(ND.mtu, v);
  }
  get minMtu(): number {
    return this.get32(ND.min_mtu);
  }
  get maxMtu(): number {
    return this.get32(ND.max_mtu);
  }
  get txQueueLen(): number {
    return this.get32(ND.tx_queue_len);
  }
  set txQueueLen(v: number) {
    this.set32(ND.tx_queue_len, v);
  }
  /** How many want it promiscuous. */
  get promiscuity(): number {
    return this.get32(ND.promiscuity);
  }
  set promiscuity(v: number) {
    this.set32(ND.promiscuity, v);
  }
  get allmulti(): number {
    return this.get32(ND.allmulti);
  }
  set allmulti(v: number) {
    this.set32(ND.allmulti, v);
  }
  get group(): number {
    return this.get32(ND.group);
  }
  set group(v: number) {
    this.set32(ND.group, v);
  }
  get carrierUps(): number {
    return this.get32(ND.carrier_up_count);
  }
  get carrierDowns(): number {
    return this.get32(ND.carrier_down_count);
  }
  get operstate(): number {
    return this.get32(ND.operstate);
  }
  set operstate(v: number) {
    this.set32(ND.operstate, v);
  }
  get type(): number {
    return this.ram.read16(this.pa + ND.type);
  }
  get addrLen(): number {
    return this.ram.read8(this.pa + ND.addr_len);
  }
  get txQueues(): number {
    return this.get32(ND.num_tx_queues);
  }
  get rxQueues(): number {
    return this.get32(ND.num_rx_queues);
  }
  get tsoMaxSize(): number {
    return this.get32(ND.tso_max_size);
  }
  get pcpuStatType(): number {
    return this.ram.read8(this.pa + ND.pcpu_stat_type);
  }
  get addrAssignType(): number {
    return this.ram.read8(this.pa + ND.addr_assign_type);
  }
  get nameAssignType(): number {
    return this.ram.read8(this.pa + ND.name_assign_type);
  }
  set nameAssignType(v: number) {
    this.ram.write8(this.pa + ND.name_assign_type, v);
  }
  get regState(): number {
    return this.ram.read8(this.pa + ND.reg_state);
  }
  set regState(v: number) {
    this.ram.write8(this.pa + ND.reg_state, v);
  }
  get hwAddress(): Uint8Array {
    return this.addressAt(this.pointer(ND.dev_addr));
  }
  get broadcast(): Uint8Array {
    return this.addressAt(this.addr + ND.broadcast);
  }
  private addressAt(at: number): Uint8Array {
    const length = Math.min(this.addrLen, D.MAX_ADDR_LEN);
    return kernelBytes(this.k, at, length)?.slice() ?? new Uint8Array(length);
  }
  get up(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }
  get carrier(): boolean {
    return (this.state & D.LINK_STATE_NOCARRIER) === 0;
  }
  get qdisc(): string {
    return !this.wasUp ? 'noop' : (this.privFlags & D.IFF_NO_QUEUE) !== 0 ? 'noqueue' : 'fq_codel';
  }
  /** A function of its struct net_device_ops; 0 = none. */
  ndo(offset: number): number {
    const ops = this.pointer(ND.netdev_ops);
    return ops === 0 ? 0 : (readKernel64(this.k, ops + offset) ?? 0);
  }
  /** The groups whose packets it takes: hardware address and users. */
  groups(k: Kernel): { address: Uint8Array; users: number }[] {
    return listNodes(k, this.addr + ND.mc).map((node) => ({
      address: kernelBytes(k, node - HA.list + HA.addr, this.addrLen)?.slice() ?? new Uint8Array(0),
      users: readKernel32(k, node - HA.list + HA.refcount) ?? 0,
    }));
  }
  /** netdev_uses_bql. */
  get queueLimits(): boolean {
    return (this.privFlags & D.IFF_NO_QUEUE) === 0 && (this.ram.read8(this.pa + ND.lltx) & 1) === 0;
  }
  /** References that dev_hold counts, per CPU. */
  get references(): number {
    const at = this.pointer(ND.pcpu_refcnt);
    return at === 0 ? 1 : this.k.percpu.copies(at).reduce((sum, copy) => (sum + (readKernel32(this.k, copy) ?? 0)) | 0, 0);
  }
}
/** Interfaces by the address of their struct net_device, registered or not. */
export const netdevAt = (k: Kernel, addr: number): NetDevice | null => k.net.byAddr.get(addr) ?? null;

function allocQueues(k: Kernel, dev: number, count: number): number {
  const queues = kzalloc(k, count * QUEUE.sizeof);
  for (let i = 0; queues !== 0 && i < count; i++) {
    const q = queues + i * QUEUE.sizeof;
    writeKernel64(k, q + QUEUE.dev, dev);
    writeKernel32(k, q + QUEUE.xmit_lock_owner, -1);
    writeKernel32(k, q + QUEUE.numa_node, -1);
  }
  return queues;
}
/** sizeof(struct netdev_rx_queue). */
const RX_QUEUE_SIZE = 256;

/** alloc_netdev_mqs up to the call of its setup function; null = no memory. */
export function allocNetdev(k: Kernel, privSize: number): NetDevice | null {
  const addr = kzalloc(k, Math.ceil(ND.sizeof / D.NETDEV_ALIGN) * D.NETDEV_ALIGN + privSize);
  const stats = addr === 0 ? 0 : kzalloc(k, LINK_STATS * 8);
  const ha = stats === 0 ? 0 : kzalloc(k, HA.sizeof);
  const refs = ha === 0 ? 0 : k.percpu.alloc(4, 4);
  if (refs === 0) {
    for (const at of [addr, stats, ha]) kfree(k, at);
    return null;
  }
  const dev = new NetDevice(k, addr, stats);
  writeKernel32(k, addr + ND.priv_len, privSize);
  writeKernel64(k, addr + ND.pcpu_refcnt, refs);
  writeKernel32(k, refs, 1);
  for (const list of [ND.uc, ND.mc, ND.dev_addrs]) initListHead(k, addr + list);
  // dev_addr_init: the first entry of the list is the address.
  writeKernel8(k, ha + HA.type, 1);
  writeKernel32(k, ha + HA.refcount, 1);
  listAdd(k, ha + HA.list, addr + ND.dev_addrs);
  writeKernel32(k, addr + ND.dev_addrs_count, 1);
  writeKernel64(k, addr + ND.dev_addr, ha + HA.addr);
  writeKernel64(k, addr + ND.nd_net, symbolAddress(k, 'init_net'));
  for (const at of [ND.gso_max_size, ND.gso_ipv4_max_size, ND.gro_max_size, ND.gro_ipv4_max_size]) writeKernel32(k, addr + at, D.GSO_LEGACY_MAX_SIZE);
  writeKernel16(k, addr + ND.gso_max_segs, D.GSO_MAX_SEGS);
  writeKernel32(k, addr + ND.tso_max_size, D.TSO_LEGACY_MAX_SIZE);
  writeKernel16(k, addr + ND.tso_max_segs, D.GSO_MAX_SEGS);
  for (const list of [ND.napi_list, ND.unreg_list, ND.close_list, ND.link_watch_list, ND.adj_list_upper, ND.adj_list_lower, ND.ptype_all, ND.ptype_specific])
    initListHead(k, addr + list);
  writeKernel32(k, addr + ND.priv_flags, D.IFF_XMIT_DST_RELEASE | D.IFF_XMIT_DST_RELEASE_PERM);
  k.net.byAddr.set(addr, dev);
  return dev;
}
/** The rest, behind the setup function. False: no memory. */
export function finishAlloc(k: Kernel, dev: NetDevice, name: string, assign: number, txqs: number, rxqs: number): boolean {
  const { addr } = dev;
  if (dev.txQueueLen === 0) {
    writeKernel32(k, addr + ND.priv_flags, dev.privFlags | D.IFF_NO_QUEUE);
    dev.txQueueLen = D.DEFAULT_TX_QUEUE_LEN;
  }
  const tx = allocQueues(k, addr, txqs);
  const rx = kzalloc(k, rxqs * RX_QUEUE_SIZE);
  writeKernel64(k, addr + ND._tx, tx);
  writeKernel64(k, addr + ND._rx, rx);
  for (const at of [ND.num_tx_queues, ND.real_num_tx_queues]) writeKernel32(k, addr + at, txqs);
  for (const at of [ND.num_rx_queues, ND.real_num_rx_queues]) writeKernel32(k, addr + at, rxqs);
  dev.name = name.slice(0, D.IFNAMSIZ - 1);
  dev.nameAssignType = assign;
  return tx !== 0 && rx !== 0;
}
/** dev_mc_add: one user more of a group's hardware address. */
export function devMcAdd(k: Kernel, dev: NetDevice, address: Uint8Array): void {
  const head = dev.addr + ND.mc;
  const known = mcEntry(k, dev, address);
  if (known !== 0) {
    writeKernel32(k, known + HA.refcount, (readKernel32(k, known + HA.refcount) ?? 0) + 1);
    return;
  }
  const ha = kzalloc(k, HA.sizeof);
  if (ha === 0) return;
  writeKernelBytes(k, ha + HA.addr, address);
  writeKernel8(k, ha + HA.type, HW_ADDR_MULTICAST);
  writeKernel32(k, ha + HA.refcount, 1);
  listAddTail(k, ha + HA.list, head);
  writeKernel32(k, dev.addr + ND.mc_count, dev.groups(k).length);
  if (dev.up) dev.rxModeDue++;
}
export function devMcDel(k: Kernel, dev: NetDevice, address: Uint8Array): void {
  const ha = mcEntry(k, dev, address);
  if (ha === 0) return;
  const left = (readKernel32(k, ha + HA.refcount) ?? 1) - 1;
  writeKernel32(k, ha + HA.refcount, left);
  if (left > 0) return;
  listDel(k, ha + HA.list);
  kfree(k, ha);
  writeKernel32(k, dev.addr + ND.mc_count, dev.groups(k).length);
  if (dev.up) dev.rxModeDue++;
}
const HW_ADDR_MULTICAST = 4;
function mcEntry(k: Kernel, dev: NetDevice, address: Uint8Array): number {
  const node = listNodes(k, dev.addr + ND.mc).find((n) => kernelBytes(k, n - HA.list + HA.addr, address.length)?.every((b, i) => b === address[i]) === true);
  return node === undefined ? 0 : node - HA.list;
}
/** What free_netdev frees before the last reference of its struct device goes. */
export function freeParts(k: Kernel, dev: NetDevice): void {
  const { addr } = dev;
  for (const at of [ND._tx, ND._rx]) {
    kfree(k, dev.pointer(at));
    writeKernel64(k, addr + at, 0);
  }
  for (const list of [ND.uc, ND.mc, ND.dev_addrs]) {
    for (const node of listNodes(k, addr + list)) {
      listDel(k, node);
      kfree(k, node - HA.list);
    }
  }
  const refs = dev.pointer(ND.pcpu_refcnt);
  if (refs !== 0) k.percpu.free(refs);
  writeKernel64(k, addr + ND.pcpu_refcnt, 0);
}
/** netdev_release: the memory itself. */
export function freeNetdevMemory(k: Kernel, dev: NetDevice): void {
  k.net.byAddr.delete(dev.addr);
  kfree(k, dev.statsBuffer);
  kfree(k, dev.addr);
}
/** list_netdevice: on init_net's list and in the kernel's own. */
export function listNetdevice(k: Kernel, dev: NetDevice): void {
  k.net.devices.push(dev);
  listAddTail(k, dev.addr + ND.dev_list, symbolAddress(k, 'init_net') + NET.dev_base_head);
}
export function unlistNetdevice(k: Kernel, dev: NetDevice): void {
  k.net.devices.splice(k.net.devices.indexOf(dev), 1);
  listDel(k, dev.addr + ND.dev_list);
}
