import { IFF_NOARP } from '../../../abi/if.ts';
import { ETH_ALEN, ETH_HLEN, ETH_P_ARP, ETH_P_IP } from '../../../abi/if_packet.ts';
import type { Kernel } from '../../kernel.ts';
import { timerKind } from '../../time/timers.ts';
import type { NetDevice } from '../core/net_device.ts';
import { addrBytes, addrOf, formatAddr, type IpAddr, v4Addr } from './ip_addr.ts';
import { icmpUnreachable } from './icmp.ts';
import type { IpPacket } from './packet.ts';

// Neighbours on Ethernet links (net/ipv4/arp.c, net/core/neighbour.c): who has an IPv4 address, asked for when a packet goes there, three times a second apart.

/** NUD_*. */
export const NUD_INCOMPLETE = 1;
export const NUD_REACHABLE = 2;
export const NUD_STALE = 4;
export const NUD_FAILED = 0x20;
/** mcast_solicit and retrans_time. */
const PROBES = 3;
const RETRANS = 1e9;
/** How long an answer counts: between half and one and a half of base_reachable_time in Linux. */
const REACHABLE_TIME = 30e9;
/** Packets that wait for one neighbour: unres_qlen_bytes of the smallest. */
const QUEUE_MAX = 101;
const ARPHRD_ETHER = 1;
const ARPOP_REQUEST = 1;
const ARPOP_REPLY = 2;
const ARP_LENGTH = 28;

export interface Neighbour {
  readonly ifindex: number;
  readonly addr: IpAddr;
  state: number;
  mac: Uint8Array;
  probes: number;
  /** When it was confirmed last. */
  confirmed: number;
  /** IP packets that wait, and what they were made of. */
  readonly queue: { readonly bytes: Uint8Array; readonly packet: IpPacket }[];
}
const keyOf = (dev: NetDevice, addr: IpAddr) => `${dev.index}/${addr}`;

/** Its state now: what was confirmed long ago is only believed. */
export function neighbourState(k: Kernel, n: Neighbour): number {
  return n.state === NUD_REACHABLE && k.time.now() - n.confirmed > REACHABLE_TIME ? NUD_STALE : n.state;
}
function frame(dev: NetDevice, to: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ETH_HLEN + payload.length);
  bytes.set(to.subarray(0, ETH_ALEN));
  bytes.set(dev.hwAddress.subarray(0, ETH_ALEN), ETH_ALEN);
  bytes[12] = protocol >> 8;
  bytes[13] = protocol & 0xff;
  bytes.set(payload, ETH_HLEN);
  return bytes;
}
/** arp_create and arp_xmit. */
function arpSend(k: Kernel, dev: NetDevice, op: number, to: Uint8Array, from: IpAddr, target: IpAddr, targetMac: Uint8Array): void {
  const p = new Uint8Array(ARP_LENGTH);
  p.set([0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4, 0, op]);
  p.set(dev.hwAddress.subarray(0, ETH_ALEN), 8);
  p.set(addrBytes(from), 14);
  p.set(targetMac.subarray(0, ETH_ALEN), 18);
  p.set(addrBytes(target), 24);
  k.net.xmit(k, dev, frame(dev, to, ETH_P_ARP, p), null);
}
/** arp_solicit: from the address that the waiting packet has. */
function solicit(k: Kernel, dev: NetDevice, n: Neighbour): void {
  const from = n.queue[0]?.packet.saddr ?? v4Addr(dev.inet[0]?.local ?? 0);
  n.probes++;
  arpSend(k, dev, ARPOP_REQUEST, dev.broadcast, from, n.addr, new Uint8Array(ETH_ALEN));
  k.time.addTimer({ at: k.time.now() + RETRANS, kind: 'neighbour', data: { key: keyOf(dev, n.addr), probes: n.probes } });
}
/** neigh_output of an IPv4 packet to a neighbour. */
export function neighbourSend(k: Kernel, dev: NetDevice, addr: IpAddr, bytes: Uint8Array, packet: IpPacket): void {
  const key = keyOf(dev, addr);
  let n = k.net.neighbours.get(key);
  if (n === undefined) {
    n = { ifindex: dev.index, addr, state: NUD_FAILED, mac: new Uint8Array(ETH_ALEN), probes: 0, confirmed: 0, queue: [] };
    k.net.neighbours.set(key, n);
  }
  if (n.state !== NUD_INCOMPLETE && n.state !== NUD_FAILED) {
    k.net.xmit(k, dev, frame(dev, n.mac, ETH_P_IP, bytes), null);
    return;
  }
  if (n.queue.length >= QUEUE_MAX) n.queue.shift();
  n.queue.push({ bytes, packet });
  if (n.state === NUD_INCOMPLETE) return;
  n.state = NUD_INCOMPLETE;
  n.probes = 0;
  solicit(k, dev, n);
}
/** neigh_timer_handler: asks again, or gives up and tells the senders. */
timerKind('neighbour', (k, { data }) => {
  const n = k.net.neighbours.get(data['key'] as string);
  if (n === undefined || n.state !== NUD_INCOMPLETE || n.probes !== data['probes']) return;
  const dev = k.net.devices.find((d) => d.index === n.ifindex);
  if (dev !== undefined && n.probes < PROBES) {
    solicit(k, dev, n);
    return;
  }
  n.state = NUD_FAILED;
  for (const { packet } of n.queue.splice(0)) icmpUnreachable(k, packet, 'host');
  k.net.receiveBacklog(k);
});
function learn(k: Kernel, dev: NetDevice, addr: IpAddr, mac: Uint8Array, state: number, create: boolean): void {
  const key = keyOf(dev, addr);
  let n = k.net.neighbours.get(key);
  if (n === undefined) {
    if (!create) return;
    n = { ifindex: dev.index, addr, state, mac, probes: 0, confirmed: 0, queue: [] };
    k.net.neighbours.set(key, n);
  }
  n.mac = mac;
  n.state = state;
  n.confirmed = k.time.now();
  for (const { bytes } of n.queue.splice(0)) k.net.xmit(k, dev, frame(dev, mac, ETH_P_IP, bytes), null);
}
/** arp_rcv: requests for an address of ours are answered, answers to what we asked are kept. */
export function arpReceive(k: Kernel, dev: NetDevice, payload: Uint8Array): void {
  if ((dev.flags & IFF_NOARP) !== 0 || payload.length < ARP_LENGTH) return;
  const v = new DataView(payload.buffer, payload.byteOffset, payload.length);
  if (v.getUint16(0) !== ARPHRD_ETHER || v.getUint16(2) !== ETH_P_IP || payload[4] !== ETH_ALEN || payload[5] !== 4) return;
  const op = v.getUint16(6);
  const [mac, sender, target] = [payload.slice(8, 14), addrOf(payload.subarray(14, 18)), addrOf(payload.subarray(24, 28))];
  const own = k.net.devices.some((d) => d.inet.some((a) => v4Addr(a.local) === target));
  if (op === ARPOP_REQUEST && own) {
    learn(k, dev, sender, mac, NUD_STALE, true);
    arpSend(k, dev, ARPOP_REPLY, mac, target, sender, mac);
  } else if (op === ARPOP_REPLY) learn(k, dev, sender, mac, NUD_REACHABLE, false);
}
/** arp_seq_show: what has an answer, and what waits for one. */
export function showArp(k: Kernel): string {
  let out = 'IP address       HW type     Flags       HW address            Mask     Device\n';
  for (const n of k.net.neighbours.values()) {
    const dev = k.net.devices.find((d) => d.index === n.ifindex);
    if (dev === undefined) continue;
    const known = n.state !== NUD_INCOMPLETE && n.state !== NUD_FAILED;
    const mac = [...n.mac].map((b) => b.toString(16).padStart(2, '0')).join(':');
    out += `${formatAddr(n.addr).padEnd(16)} 0x${(1).toString(16).padEnd(10)}0x${(known ? 2 : 0).toString(16).padEnd(10)}${mac.padEnd(17)}     *        ${dev.name}\n`;
  }
  return out;
}
/** neigh_ifdown: a link that goes takes its neighbours along. */
export function forgetNeighbours(k: Kernel, dev: NetDevice): void {
  for (const [key, n] of k.net.neighbours) if (n.ifindex === dev.index) k.net.neighbours.delete(key);
}
