import { IFF_UP } from '../../../abi/if.ts';
import type { Kernel } from '../../kernel.ts';
import type { InetSock } from './inet_sock.ts';
import { type IpAddr, isMulticast, isV4 } from './ip_addr.ts';
import { ipLocalDeliver } from './ip_input.ts';
import { type IpPacket, packetLength } from './packet.ts';
import { packetTap } from '../packet/af_packet.ts';

// Sending: through the loopback device and back in (net/ipv4/ip_output.c, drivers/net/loopback.c, process_backlog).

/** Puts a packet on lo. It arrives when `netRx` runs: at the latest when the system call or timer that sent it ends. */
export function ipXmit(k: Kernel, p: IpPacket): void {
  const { net } = k;
  net.mib.count(isV4(p.saddr) ? 'IpOutRequests' : 'Ip6OutRequests');
  const lo = net.devices[0];
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
/** Handles all packets that are on their way; what they cause to be sent too (net_rx_action). */
export function netRx(k: Kernel): void {
  const { net } = k;
  if (net.receiving) return;
  net.receiving = true;
  for (let i = 0; i < net.backlog.length; i++) {
    packetTap(k, net.backlog[i], false);
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
