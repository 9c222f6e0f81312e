import * as E from '../../../abi/errno.ts';
import * as IN from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { dataReady } from '../core/sock.ts';
import { truesizeOf } from '../core/skbuff.ts';
import type { MsgHdr, ProtoOps, Socket } from '../socket.ts';
import { inetCommon, parseDestination, setDestination, unsetDestination } from './inet_common.ts';
import { withChecksum } from './icmp.ts';
import { boundMatches, InetSock, inetSk } from './inet_sock.ts';
import { isV4, sockaddrOf } from './ip_addr.ts';
import { hopLimit, ipXmit, netRx, tosOf } from './ip_output.ts';
import { ancillary, inetGetsockopt, inetSetsockopt, leaveGroups } from './ip_sockglue.ts';
import type { IpPacket } from './packet.ts';
import { recvPacket } from './raw.ts';
import { routeOutput } from './route.ts';
import { dgramSockPoll, type PacketInfo } from './udp.ts';

// Echo requests without privilege (net/ipv4/ping.c, icmp(7)); the port is the identifier.

export function newPingSock(k: Kernel, family: number, protocol: number): { sk: InetSock; ops: ProtoOps } | number {
  const [low, high] = k.net.pingGroupRange;
  const { egid, groups } = k.current.cred;
  if (![egid, ...groups].some((g) => g >= low && g <= high)) return -E.EACCES;
  return { sk: new InetSock(k, family, S.SOCK_DGRAM, protocol), ops: pingOps };
}
function getPort(k: Kernel, sk: InetSock, port: number): number {
  const { ping } = k.net;
  let chosen = port;
  for (let tries = 0; chosen === 0 && tries < 65536; tries++) {
    const ident = (k.net.nextPing = (k.net.nextPing + 1) & 0xffff);
    if (ident !== 0 && ping.at(ident).length === 0) chosen = ident;
  }
  if (chosen === 0 || ping.at(chosen).some((o) => !(o.reuse && sk.reuse))) return -E.EADDRINUSE;
  sk.num = chosen;
  ping.add(sk, chosen);
  return 0;
}
function release(k: Kernel, sock: Socket): number {
  const sk = inetSk(sock);
  leaveGroups(k, sk);
  k.net.ping.remove(sk, sk.num);
  sk.dead = true;
  sk.receiveQueue.length = 0;
  return 0;
}
function connect(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = inetSk(sock);
  if (addr.length < 2) return -E.EINVAL;
  if (addr[0] === S.AF_UNSPEC && addr[1] === 0) {
    unsetDestination(sk);
    return 0;
  }
  if (sk.num === 0 && getPort(k, sk, 0) < 0) return -E.EAGAIN;
  return setDestination(k, sk, addr);
}
function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = inetSk(sock);
  const length = msg.iter.count;
  if (length > 0xffff) return -E.EMSGSIZE;
  if (length < 8) return -E.EINVAL;
  if ((msg.flags & S.MSG_OOB) !== 0) return -E.EOPNOTSUPP;
  const to = msg.name !== null ? parseDestination(sk, msg.name) : sk.state === S.TCP_ESTABLISHED ? { addr: sk.daddr, port: 0, scope: sk.scope } : -E.EDESTADDRREQ;
  if (typeof to === 'number') return to;
  if (sk.num === 0 && getPort(k, sk, 0) < 0) return -E.EAGAIN;
  const info = ancillary(k, sk, msg);
  if (typeof info === 'number') return info;
  const data = msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -E.EFAULT;
  const v4 = sk.family === S.AF_INET;
  if (data[0] !== (v4 ? IN.ICMP_ECHO : IN.ICMPV6_ECHO_REQUEST) || data[1] !== 0) return -E.EINVAL;
  const route = routeOutput(k, to.addr, info.saddr ?? sk.saddr, info.oif ?? sk.boundDev);
  if (typeof route === 'number') return route;
  if (route.type === 'broadcast' && !sk.broadcast) return -E.EACCES;
  data[4] = sk.num >> 8;
  data[5] = sk.num & 0xff;
  const p: IpPacket = {
    saddr: route.saddr,
    daddr: route.daddr,
    protocol: sk.protocol,
    tos: info.tos ?? tosOf(sk, route.daddr),
    ttl: info.ttl ?? hopLimit(k, sk, route.daddr),
    df: false,
    id: k.net.nextIpId++ & 0xffff,
    header: null,
    data,
    truesize: truesizeOf(length + 64, 0, true),
  };
  ipXmit(k, withChecksum(p));
  netRx(k);
  return length;
}
/** An echo reply came (ping_rcv). */
export function pingRcv(k: Kernel, p: IpPacket, bytes: Uint8Array): void {
  const ident = (bytes[4] << 8) | bytes[5];
  for (const sk of k.net.ping.at(ident)) {
    if (isV4(p.daddr) !== (sk.family === S.AF_INET) || !boundMatches(sk, p.daddr)) continue;
    if (sk.rmemAlloc > sk.rcvbuf) {
      sk.drops++;
      return;
    }
    sk.rmemAlloc += p.truesize;
    const info: PacketInfo = { saddr: p.saddr, daddr: p.daddr, ifindex: 1, ttl: p.ttl, tos: p.tos, dport: 0 };
    sk.receiveQueue.push({
      data: bytes,
      consumed: 0,
      truesize: p.truesize,
      owner: null,
      from: sockaddrOf(sk.family, p.saddr, 0, 1),
      creds: null,
      files: null,
      sock: null,
      time: k.time.now(),
      cb: info,
    });
    dataReady(k, sk);
    return;
  }
}
export const pingOps: ProtoOps = {
  ...inetCommon,
  release,
  connect,
  getPort,
  accept: () => -E.EOPNOTSUPP,
  listen: () => -E.EOPNOTSUPP,
  poll: (_k, sock, table) => dgramSockPoll(inetSk(sock), table),
  sendmsg,
  recvmsg: (k, sock, msg) => recvPacket(k, inetSk(sock), msg),
  setsockopt: inetSetsockopt,
  getsockopt: inetGetsockopt,
};
