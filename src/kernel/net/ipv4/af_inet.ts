import * as E from '../../../abi/errno.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_MAX, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../../abi/in.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import type { NetProtoFamily } from '../socket.ts';
import { inetdevEvent } from './devinet.ts';
import { newPingSock } from './ping.ts';
import { newRawSock } from './raw.ts';
import { newTcpSock } from './tcp_ipv4.ts';
import { tcpTimersInit } from './tcp_timer.ts';
import { newUdpSock } from './udp.ts';

// The families AF_INET and AF_INET6 (inet_create, inet6_create).

const CAP_NET_RAW = 13;

function inetCreate(family: number): NetProtoFamily {
  return (k, type, protocol) => {
    if (protocol < 0 || protocol >= IPPROTO_MAX) return -E.EINVAL;
    if (type === S.SOCK_RAW) {
      if (protocol === IPPROTO_IP) return -E.EPROTONOSUPPORT;
      return k.current.capable(CAP_NET_RAW) ? newRawSock(k, family, protocol) : -E.EPERM;
    }
    if (type === S.SOCK_STREAM) {
      if (protocol === IPPROTO_IP || protocol === IPPROTO_TCP) return newTcpSock(k, family);
      return -E.EPROTONOSUPPORT;
    }
    if (type !== S.SOCK_DGRAM) return -E.ESOCKTNOSUPPORT;
    if (protocol === IPPROTO_IP || protocol === IPPROTO_UDP) return newUdpSock(k, family, IPPROTO_UDP);
    if (protocol === IPPROTO_UDPLITE) return newUdpSock(k, family, protocol);
    if (protocol === (family === S.AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) return newPingSock(k, family, protocol);
    return -E.EPROTONOSUPPORT;
  };
}

export function inetInit(k: Kernel): void {
  tcpTimersInit();
  k.net.notifiers.push(inetdevEvent);
  k.net.families.set(S.AF_INET, inetCreate(S.AF_INET));
  k.net.families.set(S.AF_INET6, inetCreate(S.AF_INET6));
}
