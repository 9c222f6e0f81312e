import { ECONNREFUSED, EHOSTUNREACH, ENOPROTOOPT, EPROTO } from '../../../abi/errno.ts';
import * as IN from '../../../abi/in.ts';
import type { Kernel } from '../../kernel.ts';
import { ANY4, isMulticast, isV4 } from './ip_addr.ts';
import { ipXmit } from './ip_output.ts';
import { checksum, icmpProtocol, type IpPacket, transportBytes } from './packet.ts';
import { pingRcv } from './ping.ts';
import { isBroadcast } from './route.ts';
import { tcpIcmpError } from './tcp_ipv4.ts';
import { udpIcmpError } from './udp.ts';

// ICMP: echo, and errors about packets that nobody takes (net/ipv4/icmp.c, net/ipv6/icmp.c).

/** Answers a packet with "destination unreachable". */
export function icmpUnreachable(k: Kernel, about: IpPacket, what: 'port' | 'protocol' | 'host'): void {
  const v4 = isV4(about.saddr);
  if (isMulticast(about.daddr) || isBroadcast(k, about.daddr) || about.saddr === ANY4) return;
  // No errors about errors.
  if (about.header?.kind === 'error') return;
  const type = v4 ? IN.ICMP_DEST_UNREACH : what === 'port' ? IN.ICMPV6_DEST_UNREACH : IN.ICMPV6_PARAMPROB;
  const port = v4 ? IN.ICMP_PORT_UNREACH : IN.ICMPV6_PORT_UNREACH;
  const code = what === 'port' ? port : what === 'host' ? IN.ICMP_HOST_UNREACH : v4 ? IN.ICMP_PROT_UNREACH : IN.ICMPV6_UNK_NEXTHDR;
  k.net.mib.count(v4 ? 'IcmpOutMsgs' : 'Icmp6OutMsgs');
  k.net.mib.count(v4 ? 'IcmpOutDestUnreachs' : 'Icmp6OutDestUnreachs');
  k.net.mib.count(v4 ? 'IcmpMsgOutType3' : `Icmp6OutType${type}`);
  ipXmit(k, {
    // That a neighbour does not answer this machine tells itself.
    saddr: what === 'host' ? about.saddr : about.daddr,
    daddr: about.saddr,
    protocol: icmpProtocol(about.saddr),
    tos: v4 ? 0xc0 : 0,
    ttl: 64,
    df: false,
    id: 0,
    header: { kind: 'error', type, code, about },
    data: new Uint8Array(0),
    truesize: 768,
  });
}
/** What the error means to the socket that sent the packet: errno, and whether only a connected socket without IP_RECVERR hears of it. */
function errnoOf(v4: boolean, type: number, code: number): number {
  if (!v4) return type === IN.ICMPV6_PARAMPROB ? EPROTO : ECONNREFUSED;
  return code === IN.ICMP_PORT_UNREACH ? ECONNREFUSED : code === IN.ICMP_PROT_UNREACH ? ENOPROTOOPT : EHOSTUNREACH;
}
export function icmpRcv(k: Kernel, p: IpPacket): void {
  const v4 = isV4(p.saddr);
  const { mib } = k.net;
  mib.count(v4 ? 'IcmpInMsgs' : 'Icmp6InMsgs');
  if (p.header?.kind === 'error') {
    mib.count(v4 ? 'IcmpInDestUnreachs' : 'Icmp6InDestUnreachs');
    const { about, type, code } = p.header;
    mib.count(v4 ? 'IcmpMsgInType3' : `Icmp6InType${type}`);
    const errno = errnoOf(v4, type, code);
    if (about.header?.kind === 'udp') udpIcmpError(k, about, about.header, { errno, type, code, from: p.saddr });
    else if (about.header?.kind === 'tcp') tcpIcmpError(k, about, about.header, errno);
    return;
  }
  const bytes = transportBytes(p);
  if (bytes.length < 8) return;
  const request = v4 ? IN.ICMP_ECHO : IN.ICMPV6_ECHO_REQUEST;
  if (bytes[0] === request) {
    if (v4 && (isMulticast(p.daddr) || isBroadcast(k, p.daddr))) return; // icmp_echo_ignore_broadcasts
    mib.count(v4 ? 'IcmpInEchos' : 'Icmp6InEchos');
    mib.count(v4 ? 'IcmpMsgInType8' : 'Icmp6InType128');
    echoReply(k, p, bytes);
  } else if (bytes[0] === (v4 ? IN.ICMP_ECHOREPLY : IN.ICMPV6_ECHO_REPLY)) {
    mib.count(v4 ? 'IcmpInEchoReps' : 'Icmp6InEchoReplies');
    mib.count(v4 ? 'IcmpMsgInType0' : 'Icmp6InType129');
    pingRcv(k, p, bytes);
  }
}
function echoReply(k: Kernel, p: IpPacket, request: Uint8Array): void {
  const v4 = isV4(p.saddr);
  const data = request.slice();
  data[0] = v4 ? IN.ICMP_ECHOREPLY : IN.ICMPV6_ECHO_REPLY;
  k.net.mib.count(v4 ? 'IcmpOutMsgs' : 'Icmp6OutMsgs');
  k.net.mib.count(v4 ? 'IcmpOutEchoReps' : 'Icmp6OutEchoReplies');
  k.net.mib.count(v4 ? 'IcmpMsgOutType0' : 'Icmp6OutType129');
  ipXmit(k, withChecksum({ ...p, saddr: p.daddr, daddr: p.saddr, ttl: 64, df: false, id: 0, data }));
}
/** The packet with the right checksum in its ICMP message. */
export function withChecksum(p: IpPacket): IpPacket {
  const { data } = p;
  data[2] = data[3] = 0;
  // ICMPv6 counts addresses, length and protocol too; transportBytes of an error shows how.
  let sum = checksum(data);
  if (!isV4(p.saddr)) {
    const pseudo = `${p.saddr}${p.daddr}`;
    for (let i = 0; i < pseudo.length; i += 4) sum += Number.parseInt(pseudo.slice(i, i + 4), 16);
    sum = checksum(new Uint8Array(0), sum + data.length + p.protocol);
  }
  const c = ~sum & 0xffff;
  data[2] = c >> 8;
  data[3] = c & 0xff;
  return p;
}
