import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../../abi/in.ts';
import type { Kernel } from '../../kernel.ts';
import { icmpRcv, icmpUnreachable } from './icmp.ts';
import { isV4 } from './ip_addr.ts';
import type { IpPacket } from './packet.ts';
import { rawDeliver } from './raw.ts';
import { routeInput } from './route.ts';
import { tcpRcv } from './tcp_ipv4.ts';
import { udpRcv } from './udp.ts';

/** A packet came in through lo (ip_rcv, ip_local_deliver). */
export function ipLocalDeliver(k: Kernel, p: IpPacket): void {
  const v4 = isV4(p.saddr);
  const { mib } = k.net;
  mib.count(v4 ? 'IpInReceives' : 'Ip6InReceives');
  if (routeInput(k, p.daddr) === null) {
    mib.count(v4 ? 'IpInAddrErrors' : 'Ip6InAddrErrors');
    return;
  }
  mib.count(v4 ? 'IpInDelivers' : 'Ip6InDelivers');
  const raw = rawDeliver(k, p);
  const known = deliver(k, p);
  if (known || raw) return;
  mib.count(v4 ? 'IpInUnknownProtos' : 'Ip6InUnknownProtos');
  icmpUnreachable(k, p, 'protocol');
}
function deliver(k: Kernel, p: IpPacket): boolean {
  switch (p.protocol) {
    case IPPROTO_TCP:
      if (p.header?.kind === 'tcp') tcpRcv(k, p, p.header);
      return true;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
      if (p.header?.kind === 'udp') udpRcv(k, p, p.header);
      return true;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      icmpRcv(k, p);
      return true;
  }
  return false;
}
