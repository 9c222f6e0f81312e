import { EINVAL, ENOENT, EOPNOTSUPP, EPERM } from '../../../abi/errno.ts';
import { class_struct as CLASS, net_device as ND, rtnl_link_stats64 as STATS64 } from '../../../abi/layout/structs.ts';
import { IF_OPER_DOWN, LINK_STATE_DORMANT, LINK_STATE_TESTING } from '../../../abi/netdevice.ts';
import { deviceCreate } from '../../drivers/base/core.ts';
import { classRegister } from '../../drivers/base/device.ts';
import { kobjectSetName, kobjectUevent } from '../../drivers/base/kobject.ts';
import { imageString } from '../../drivers/base/objects.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { sysfsText } from '../../fs/sysfs/sysfs.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { writeKernel64 } from '../../mm/maccess.ts';
import type { DataExport } from '../../module/export.ts';
import { runSteps } from '../../module/steps.ts';
import { imageObject, symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import type { NetDevice } from './net_device.ts';
import { allStats, carrierSteps, changeFlags, devGetStats, setMtu, withRtnl } from './dev.ts';
import type { NetdevEvent } from './dev_chain.ts';

// Interfaces in /proc/net/dev and /sys/class/net (net/core/net-procfs.c, net-sysfs.c).

const CAP_NET_ADMIN = 12;
const HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
/** dev_seq_printf_stats. */
function showDev(k: Kernel): string | number {
  if (!allStats(k)) return BLOCKED;
  let text = HEAD;
  for (const d of k.net.devices) {
    const n = (width: number, ...at: readonly number[]) => String(at.reduce((sum, i) => sum + d.totals[i], 0)).padStart(width);
    const rx = `${n(7, 2)} ${n(7, 0)} ${n(4, 4)} ${n(4, 6, 15)} ${n(4, 14)} ${n(5, 10, 11, 12, 13)} ${n(10, 21)} ${n(9, 8)}`;
    const tx = `${n(8, 3)} ${n(7, 1)} ${n(4, 5)} ${n(4, 7)} ${n(4, 18)} ${n(5, 9)} ${n(7, 16, 17, 20, 19)} ${n(10, 22)}`;
    text += `${`${d.name}:`.padStart(7)} ${rx} ${tx}\n`;
  }
  return text;
}

/** dev_mc_seq_show. */
function showGroups(k: Kernel): string {
  const line = (d: NetDevice, users: number, address: Uint8Array) =>
    `${String(d.index).padEnd(4)} ${d.name.padEnd(15)} ${String(users).padEnd(5)} ${'0'.padEnd(5)} ${octets(address).replaceAll(':', '')}\n`;
  return k.net.devices.flatMap((d) => d.groups(k).map((g) => line(d, g.users, g.address))).join('');
}
const devOf = (node: KernfsNode) => node.data as NetDevice;
/** A number as kstrtoul takes it. */
function number(text: string): number | null {
  const t = text.trim();
  return /^(0x[0-9a-f]+|[0-9]+)$/i.test(t) ? Number(t.length > 1 && /^0[0-7]+$/.test(t) ? `0o${t.slice(1)}` : t) : null;
}
/** A setting from text, by who may change interfaces (netdev_store). */
function store(apply: (k: Kernel, d: NetDevice, n: number) => number): Attribute['store'] {
  return (k, node, text) => {
    if (!k.current.capable(CAP_NET_ADMIN)) return -EPERM;
    const n = number(text);
    return n === null ? -EINVAL : withRtnl(k, () => apply(k, devOf(node), n));
  };
}
const fixed = (text: string): Attribute => ({ show: () => text });
const show = (value: (d: NetDevice) => string | number): Attribute => ({
  show(_k, node) {
    const v = value(devOf(node));
    return typeof v === 'number' && v < 0 ? v : `${v}\n`;
  },
});
const octets = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':');
/** RFC 2863's words (operstates). */
const OPERSTATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];
/** What only a running interface answers. */
const running = (value: (d: NetDevice) => number) => show((d) => (d.up ? value(d) : -EINVAL));
/** Attributes of a device of net, with Linux's modes (net/core/net-sysfs.c). */
const ATTRIBUTES: readonly (readonly [string, number, Attribute])[] = [
  ['addr_assign_type', 0o444, show((d) => String(d.addrAssignType))],
  ['addr_len', 0o444, show((d) => String(d.addrLen))],
  ['address', 0o444, show((d) => octets(d.hwAddress))],
  ['broadcast', 0o444, show((d) => octets(d.broadcast))],
  ['carrier', 0o644, { ...running((d) => (d.carrier ? 1 : 0)), store: store((k, d, v) => (d.up ? runSteps(k, () => carrierSteps(d, v !== 0)) : -EINVAL)) }],
  ['carrier_changes', 0o444, show((d) => d.carrierUps + d.carrierDowns)],
  ['carrier_down_count', 0o444, show((d) => d.carrierDowns)],
  ['carrier_up_count', 0o444, show((d) => d.carrierUps)],
  ['dev_id', 0o444, fixed('0x0\n')],
  ['dev_port', 0o444, fixed('0\n')],
  ['dormant', 0o444, running((d) => ((d.state & LINK_STATE_DORMANT) !== 0 ? 1 : 0))],
  ['duplex', 0o444, { show: () => -EINVAL }],
  ['flags', 0o644, { ...show((d) => `0x${d.flags.toString(16)}`), store: store((k, d, v) => changeFlags(k, d, v)) }],
  ['gro_flush_timeout', 0o644, fixed('0\n')],
  [
    'ifalias',
    0o644,
    {
      show: (_k, n) => (devOf(n).alias === '' ? '' : `${devOf(n).alias}\n`),
      store(k, n, text) {
        if (!k.current.capable(CAP_NET_ADMIN)) return -EPERM;
        devOf(n).alias = text.replace(/\n$/, '');
        return 0;
      },
    },
  ],
  ['ifindex', 0o444, show((d) => d.index)],
  ['iflink', 0o444, show((d) => d.index)],
  ['link_mode', 0o444, fixed('0\n')],
  ['mtu', 0o644, { ...show((d) => d.mtu), store: store((k, d, v) => setMtu(k, d, v)) }],
  ['name_assign_type', 0o444, show((d) => (d.nameAssignType === 0 ? -EINVAL : d.nameAssignType))],
  ['napi_defer_hard_irqs', 0o644, fixed('0\n')],
  [
    'netdev_group',
    0o644,
    {
      ...show((d) => d.group),
      store: store((_k, d, v) => {
        d.group = v;
        return 0;
      }),
    },
  ],
  ['operstate', 0o444, show((d) => OPERSTATES[d.up ? d.operstate : IF_OPER_DOWN] ?? '')],
  ['phys_port_id', 0o444, { show: () => -EOPNOTSUPP }],
  ['phys_port_name', 0o444, { show: () => -EOPNOTSUPP }],
  ['phys_switch_id', 0o444, { show: () => -EOPNOTSUPP }],
  ['proto_down', 0o644, fixed('0\n')],
  ['speed', 0o444, { show: () => -EINVAL }],
  ['testing', 0o444, running((d) => ((d.state & LINK_STATE_TESTING) !== 0 ? 1 : 0))],
  ['threaded', 0o644, fixed('0\n')],
  [
    'tx_queue_len',
    0o644,
    {
      ...show((d) => d.txQueueLen),
      store: store((_k, d, v) => {
        d.txQueueLen = v;
        return 0;
      }),
    },
  ],
  ['type', 0o444, show((d) => d.type)],
];
/** Of each queue (rx_queue_default_attrs, netdev_queue_default_attrs). */
const RX_QUEUE: readonly (readonly [string, number, Attribute])[] = [
  ['rps_cpus', 0o644, { show: (k) => `${hex(0, Math.ceil(k.cpus / 4))}\n` }],
  ['rps_flow_cnt', 0o644, fixed('0\n')],
];
const TX_QUEUE: readonly (readonly [string, number, Attribute])[] = [
  ['traffic_class', 0o444, { show: () => -ENOENT }],
  ['tx_maxrate', 0o644, fixed('0\n')],
  ['tx_timeout', 0o444, fixed('0\n')],
  ['xps_cpus', 0o644, { show: () => -ENOENT }],
  ['xps_rxqs', 0o644, { show: (k) => `${hex(0, Math.ceil(k.cpus / 4))}\n` }],
];
/** Byte queue limits (dql_group): nothing is limited yet. */
const QUEUE_LIMITS: readonly (readonly [string, number, string])[] = [
  ['hold_time', 0o644, '1000\n'],
  ['inflight', 0o444, '0\n'],
  ['limit', 0o644, '0\n'],
  ['limit_max', 0o644, '1879048192\n'],
  ['limit_min', 0o644, '0\n'],
  ['stall_cnt', 0o644, '0\n'],
  ['stall_max', 0o644, '0\n'],
  ['stall_thrs', 0o644, '0\n'],
];
/** Counters of statistics/, in the order of struct rtnl_link_stats64. */
const COUNTERS = Object.keys(STATS64).filter((name) => name !== 'sizeof');
const STATISTICS = (
  'collisions multicast rx_bytes rx_compressed rx_crc_errors rx_dropped rx_errors rx_fifo_errors rx_frame_errors rx_length_errors rx_missed_errors ' +
  'rx_nohandler rx_over_errors rx_packets tx_aborted_errors tx_bytes tx_carrier_errors tx_compressed tx_dropped tx_errors tx_fifo_errors ' +
  'tx_heartbeat_errors tx_packets tx_window_errors'
).split(' ');
const showStat: Attribute = {
  show: (k, n) => (devGetStats(k, devOf(n)) ? `${devOf(n).totals[COUNTERS.indexOf(n.name)]}\n` : BLOCKED),
};

export function devProcInit(k: Kernel): void {
  k.procfs.createNet('dev', showDev);
  k.procfs.createNet('dev_mcast', showGroups);
  k.procfs.createNet('softnet_stat', () => `${Array(15).fill('00000000').join(' ')}\n`);
  k.procfs.createNet('psched', () => '000003e8 00000040 000f4240 3b9aca00\n');
  k.procfs.createNet('ptype', () => 'Type Device      Function\n0800          ip_rcv\n86dd          ipv6_rcv\n');
}
function fill(k: Kernel, dir: KernfsNode, dev: NetDevice): void {
  for (const [name, mode, attr] of ATTRIBUTES) k.sysfs.createFile(dir, name, mode, attr, dev);
  const statistics = k.sysfs.mkdir(dir, 'statistics');
  if (typeof statistics !== 'number') for (const name of STATISTICS) k.sysfs.createFile(statistics, name, 0o444, showStat, dev);
  const queues = k.sysfs.mkdir(dir, 'queues');
  if (typeof queues === 'number') return;
  for (const [kind, count, rows] of [['rx', dev.rxQueues, RX_QUEUE], ['tx', dev.txQueues, TX_QUEUE]] as const) {
    for (let i = 0; i < count; i++) {
      const queue = k.sysfs.mkdir(queues, `${kind}-${i}`);
      if (typeof queue === 'number') continue;
      for (const [name, mode, attr] of rows) k.sysfs.createFile(queue, name, mode, attr, dev);
      const limits = kind === 'tx' && dev.queueLimits ? k.sysfs.mkdir(queue, 'byte_queue_limits') : -ENOENT;
      if (typeof limits !== 'number') for (const [name, mode, value] of QUEUE_LIMITS) sysfsText(k, limits, name, value, mode);
    }
  }
}
/** netdev_register_kobject's files, and device_rename. */
function sysfsEvent(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  const device = dev.addr + ND.dev;
  const dir = k.drivers.model.dirs.get(device);
  if (dir === undefined) return;
  if (event === 'register') fill(k, dir, dev);
  if (event !== 'rename') return;
  const old = dir.name;
  k.sysfs.rename(dir, dev.name);
  const link = k.sysfs.find(`class/net/${old}`);
  if (link !== null) k.sysfs.rename(link, dev.name);
  kobjectSetName(k, device, dev.name);
  kobjectUevent(k, device, 'move', null);
}
/** /sys/class/net, once there is a /sys (net_class_init). */
export function netSysfsInit(k: Kernel): void {
  classRegister(k, symbolAddress(k, 'net_class'));
  k.net.notifiers.unshift(sysfsEvent);
  for (const dev of k.net.devices) {
    const dir = deviceCreate(k, { class: 'net', name: dev.name, dev: 0, uevent: `INTERFACE=${dev.name}\nIFINDEX=${dev.index}\n` });
    if (typeof dir !== 'number') fill(k, dir, dev);
  }
}
/** `struct class net_class`. */
export const netClassExports: readonly DataExport[] = [
  {
    name: 'net_class',
    internal: true,
    place(k) {
      const at = imageObject(k, CLASS.sizeof, 8);
      writeKernel64(k, at + CLASS.name, imageString(k, 'net'));
      writeKernel64(k, at + CLASS.dev_release, symbolAddress(k, 'netdev_release'));
      return at;
    },
  },
];
