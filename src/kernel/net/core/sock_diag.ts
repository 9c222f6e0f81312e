import { EINVAL, ENOENT } from '../../../abi/errno.ts';
import * as N from '../../../abi/netlink.ts';
import { AF_INET, AF_INET6, AF_UNIX } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { inetDiag } from '../ipv4/inet_diag.ts';
import type { NetlinkSock, NlAnswer } from '../netlink/af_netlink.ts';
import type { NlRequest } from '../netlink/message.ts';
import { unixDiag } from '../unix/diag.ts';

/** Questions about sockets, by family (net/core/sock_diag.c, sock_diag(7)). */
export function sockDiagRequest(k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  if (r.type !== N.SOCK_DIAG_BY_FAMILY) return r.type === N.TCPDIAG_GETSOCK || r.type === N.DCCPDIAG_GETSOCK ? -ENOENT : -EINVAL;
  if (r.body.length < 2) return -EINVAL;
  const family = r.body[0];
  if (family === AF_INET || family === AF_INET6) return inetDiag(k, sk, r);
  if (family === AF_UNIX) return unixDiag(k, sk, r);
  return -ENOENT;
}
