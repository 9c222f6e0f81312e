import { IFF_LOOPBACK, IFF_NOARP, IFF_UP } from '../../../abi/if.ts';
import { ETH_ALEN, ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../../../abi/if_packet.ts';
import type { Kernel } from '../../kernel.ts';
import { neighbourSend } from './arp.ts';
import type { InetSock } from './inet_sock.ts';
import { type IpAddr, isMulticast, isV4 } from './ip_addr.ts';
import { ipLocalDeliver } from './ip_input.ts';
import { checksum, ipBytes, type IpPacket, packetLength } from './packet.ts';
import { linkRoute, localType } from './route.ts';
import { packetTap } from '../packet/af_packet.ts';
import { ethernet } from '../packet/frame.ts';
import type { NetDevice } from '../core/net_device.ts';

// Sending: to a driver, or through the loopback device and back in (net/ipv4/ip_output.c, drivers/net/loopback.c, process_backlog).

/** Puts a packet on lo. It arrives when `netRx` runs: at the latest when the system call or timer that sent it ends. */
export function ipXmit(k: Kernel, p: IpPacket): void {
  const { net } = k;
  net.mib.count(isV4(p.saddr) ? 'IpOutRequests' : 'Ip6OutRequests');
  const lo = net.devices[0];
  const out = outputDevice(k, p.daddr);
  if (out !== null) {
    xmitThrough(k, out.dev, p);
    if (!out.copy) return;
  }
  if ((lo.flags & IFF_UP) === 0) {
    lo.stats.txDropped++;
    return;
  }
  const length = packetLength(p);
  const group = isV4(p.saddr) ? 'IpExt' : 'Ip6';
  net.mib.count(isV4(p.saddr) ? 'IpOutTransmits' : 'Ip6OutTransmits');
  net.mib.count(`${group}OutOctets`, length);
  net.mib.count(`${group}InOctets`, length);
  net.mib.count(`${group}InNoECTPkts`);
  lo.stats.txPackets++;
  lo.stats.txBytes += length;
  lo.stats.rxPackets++;
  lo.stats.rxBytes += length;
  packetTap(k, p, true);
  net.backlog.push(p);
}
/** The device of a driver that leads to `to`, and whether a copy comes back (broadcasts); null: lo. */
function outputDevice(k: Kernel, to: IpAddr): { dev: NetDevice; copy: boolean } | null {
  if (k.net.devices.length === 1 || isMulticast(to)) return null;
  const own = localType(k, to);
  if (own !== null) return own.type === 'broadcast' && own.dev.up && (own.dev.flags & IFF_LOOPBACK) === 0 ? { dev: own.dev, copy: true } : null;
  const dev = linkRoute(k, to)?.dev;
  return dev === undefined ? null : { dev, copy: false };
}
/** ip_finish_output: in pieces that fit, with the header of the link. */
function xmitThrough(k: Kernel, dev: NetDevice, p: IpPacket): void {
  const v4 = isV4(p.saddr);
  const { mib } = k.net;
  const group = v4 ? 'IpExt' : 'Ip6';
  const whole = p.frame === undefined ? ipBytes(p) : p.frame.subarray(ETH_HLEN);
  mib.count(v4 ? 'IpOutTransmits' : 'Ip6OutTransmits');
  mib.count(`${group}OutOctets`, whole.length);
  const broadcast = localType(k, p.daddr)?.type === 'broadcast';
  const resolves = (dev.flags & IFF_NOARP) === 0 && !broadcast;
  if (resolves && !v4) {
    k.printk.log(4, `${dev.name}: neighbour discovery of IPv6 is not implemented`);
    return;
  }
  for (const piece of v4 ? ipFragments(whole, dev.mtu) : [whole]) {
    if (resolves) {
      neighbourSend(k, dev, p.daddr, piece, p);
      continue;
    }
    const frame = ethernet(v4 ? ETH_P_IP : ETH_P_IPV6, piece);
    // A neighbour on a link without ARP has the device's own address (arp_constructor).
    frame.set(broadcast ? dev.broadcast : dev.hwAddress, 0);
    frame.set(dev.hwAddress, ETH_ALEN);
    k.net.xmit(k, dev, frame, null);
  }
}
/** ip_do_fragment of a packet without options. */
function ipFragments(whole: Uint8Array, mtu: number): Uint8Array[] {
  if (whole.length <= mtu) return [whole];
  const head = (whole[0] & 15) * 4;
  const room = Math.floor((mtu - head) / 8) * 8;
  const out: Uint8Array[] = [];
  for (let at = head; room > 0 && at < whole.length; at += room) {
    const end = Math.min(at + room, whole.length);
    const piece = new Uint8Array(head + end - at);
    piece.set(whole.subarray(0, head));
    piece.set(whole.subarray(at, end), head);
    const v = new DataView(piece.buffer);
    v.setUint16(2, piece.length);
    v.setUint16(6, ((at - head) >> 3) | (end < whole.length ? MORE_FRAGMENTS : 0));
    v.setUint16(10, 0);
    v.setUint16(10, ~checksum(piece.subarray(0, head)) & 0xffff);
    out.push(piece);
  }
  return out;
}
const MORE_FRAGMENTS = 0x2000;
/** Handles all packets that are on their way; what they cause to be sent too (net_rx_action). */
export function netRx(k: Kernel): void {
  const { net } = k;
  if (net.receiving) return;
  net.receiving = true;
  for (let i = 0; i < net.backlog.length; i++) {
    if (net.backlog[i].dev === undefined) packetTap(k, net.backlog[i], false);
    ipLocalDeliver(k, net.backlog[i]);
    // Long queues are cut now and then: a whole transfer must not stay in memory.
    if (i >= 256) {
      net.backlog.splice(0, i + 1);
      i = -1;
    }
  }
  net.backlog.length = 0;
  net.receiving = false;
}
/** TTL or hop limit of what `sk` sends to `daddr`. */
export function hopLimit(k: Kernel, sk: InetSock, daddr: IpAddr): number {
  if (isV4(daddr)) return isMulticast(daddr) ? sk.mcTtl : sk.ttl >= 0 ? sk.ttl : k.net.defaultTtl;
  return isMulticast(daddr) ? sk.mcHops : sk.hops >= 0 ? sk.hops : 64;
}
export const tosOf = (sk: InetSock, daddr: IpAddr) => (isV4(daddr) ? sk.tos : sk.tclass);
