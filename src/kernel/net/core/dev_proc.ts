import { EINVAL, EOPNOTSUPP, EPERM } from '../../../abi/errno.ts';
import { IFF_UP } from '../../../abi/if.ts';
import { deviceCreate } from '../../drivers/base/core.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import type { NetDevice } from '../net.ts';
import { changeFlags, setMtu } from './dev.ts';

// Interfaces in /proc/net/dev and /sys/class/net (net/core/net-procfs.c, net-sysfs.c).

const CAP_NET_ADMIN = 12;
const HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
function showDev(k: Kernel): string {
  let text = HEAD;
  for (const d of k.net.devices) {
    const s = d.stats;
    const n = (v: number, width: number) => String(v).padStart(width);
    const rx = `${n(s.rxBytes, 7)} ${n(s.rxPackets, 7)} ${n(0, 4)} ${n(0, 4)} ${n(0, 4)} ${n(0, 5)} ${n(0, 10)} ${n(0, 9)}`;
    const tx = `${n(s.txBytes, 8)} ${n(s.txPackets, 7)} ${n(0, 4)} ${n(s.txDropped, 4)} ${n(0, 4)} ${n(0, 5)} ${n(0, 7)} ${n(0, 10)}`;
    text += `${`${d.name}:`.padStart(7)} ${rx} ${tx}\n`;
  }
  return text;
}

const devOf = (node: KernfsNode) => node.data as NetDevice;
const up = (d: NetDevice) => (d.flags & IFF_UP) !== 0;
function number(text: string): number | null {
  const n = Number(text.trim());
  return text.trim() !== '' && Number.isInteger(n) ? n : null;
}
/** A setting from text, by who may change interfaces. */
function store(apply: (k: Kernel, d: NetDevice, n: number) => number): Attribute['store'] {
  return (k, node, text) => {
    if (!k.current.capable(CAP_NET_ADMIN)) return -EPERM;
    const n = number(text);
    return n === null ? -EINVAL : apply(k, devOf(node), n);
  };
}
const fixed = (text: string): Attribute => ({ show: () => text });
/** Attributes of a device of net, with Linux's modes (net/core/net-sysfs.c). */
const ATTRIBUTES: readonly (readonly [string, number, Attribute])[] = [
  ['addr_assign_type', 0o444, fixed('0\n')],
  ['addr_len', 0o444, fixed('6\n')],
  ['address', 0o444, fixed('00:00:00:00:00:00\n')],
  ['broadcast', 0o444, fixed('00:00:00:00:00:00\n')],
  ['carrier', 0o644, { show: (_k, n) => (up(devOf(n)) ? '1\n' : -EINVAL), store: () => -EOPNOTSUPP }],
  ['carrier_changes', 0o444, fixed('0\n')],
  ['carrier_down_count', 0o444, fixed('0\n')],
  ['carrier_up_count', 0o444, fixed('0\n')],
  ['dev_id', 0o444, fixed('0x0\n')],
  ['dev_port', 0o444, fixed('0\n')],
  ['dormant', 0o444, { show: (_k, n) => (up(devOf(n)) ? '0\n' : -EINVAL) }],
  ['duplex', 0o444, { show: () => -EINVAL }],
  [
    'flags',
    0o644,
    { show: (_k, n) => `0x${devOf(n).flags.toString(16)}\n`, store: store((k, d, v) => changeFlags(k, d, v)) },
  ],
  ['gro_flush_timeout', 0o644, fixed('0\n')],
  ['ifalias', 0o644, fixed('')],
  ['ifindex', 0o444, { show: (_k, n) => `${devOf(n).index}\n` }],
  ['iflink', 0o444, { show: (_k, n) => `${devOf(n).index}\n` }],
  ['link_mode', 0o444, fixed('0\n')],
  ['mtu', 0o644, { show: (_k, n) => `${devOf(n).mtu}\n`, store: store((_k, d, v) => setMtu(d, v)) }],
  ['name_assign_type', 0o444, fixed('2\n')],
  ['napi_defer_hard_irqs', 0o644, fixed('0\n')],
  ['netdev_group', 0o644, fixed('0\n')],
  ['operstate', 0o444, { show: (_k, n) => (up(devOf(n)) ? 'unknown\n' : 'down\n') }],
  ['phys_port_id', 0o444, { show: () => -EOPNOTSUPP }],
  ['phys_port_name', 0o444, { show: () => -EOPNOTSUPP }],
  ['phys_switch_id', 0o444, { show: () => -EOPNOTSUPP }],
  ['proto_down', 0o644, fixed('0\n')],
  ['speed', 0o444, { show: () => -EINVAL }],
  ['testing', 0o444, { show: (_k, n) => (up(devOf(n)) ? '0\n' : -EINVAL) }],
  ['threaded', 0o644, fixed('0\n')],
  [
    'tx_queue_len',
    0o644,
    {
      show: (_k, n) => `${devOf(n).txQueueLen}\n`,
      store: store((_k, d, v) => {
        if (v < 0) return -EINVAL;
        d.txQueueLen = v;
        return 0;
      }),
    },
  ],
  ['type', 0o444, { show: (_k, n) => `${devOf(n).type}\n` }],
];
/** rtnl_link_stats64 in the order of `ip -s -s link`; those that lo counts. */
const COUNTED: Readonly<Record<string, keyof NetDevice['stats']>> = {
  rx_bytes: 'rxBytes',
  rx_packets: 'rxPackets',
  tx_bytes: 'txBytes',
  tx_packets: 'txPackets',
  tx_dropped: 'txDropped',
};
const STATISTICS = (
  'collisions multicast rx_bytes rx_compressed rx_crc_errors rx_dropped rx_errors rx_fifo_errors rx_frame_errors rx_length_errors rx_missed_errors ' +
  'rx_nohandler rx_over_errors rx_packets tx_aborted_errors tx_bytes tx_carrier_errors tx_compressed tx_dropped tx_errors tx_fifo_errors ' +
  'tx_heartbeat_errors tx_packets tx_window_errors'
).split(' ');
const showStat: Attribute = {
  show: (_k, n) => {
    const field = COUNTED[n.name];
    return `${field === undefined ? 0 : devOf(n).stats[field]}\n`;
  },
};

export function devProcInit(k: Kernel): void {
  k.procfs.createNet('dev', showDev);
  k.procfs.createNet('dev_mcast', () => '');
  k.procfs.createNet('softnet_stat', () => `${Array(15).fill('00000000').join(' ')}\n`);
  k.procfs.createNet('psched', () => '000003e8 00000040 000f4240 3b9aca00\n');
  k.procfs.createNet('ptype', () => 'Type Device      Function\n0800          ip_rcv\n86dd          ipv6_rcv\n');
}
/** /sys/class/net, once there is a /sys (net_class_init). */
export function netSysfsInit(k: Kernel): void {
  for (const dev of k.net.devices) {
    const dir = deviceCreate(k, { class: 'net', name: dev.name, dev: 0, uevent: `INTERFACE=${dev.name}\nIFINDEX=${dev.index}\n` });
    if (typeof dir === 'number') continue;
    for (const [name, mode, attr] of ATTRIBUTES) k.sysfs.createFile(dir, name, mode, attr, dev);
    const statistics = k.sysfs.mkdir(dir, 'statistics');
    if (typeof statistics !== 'number') for (const name of STATISTICS) k.sysfs.createFile(statistics, name, 0o444, showStat, dev);
  }
}
