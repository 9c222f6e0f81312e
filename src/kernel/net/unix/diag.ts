import { ECONNREFUSED, EINVAL, ENOENT } from '../../../abi/errno.ts';
import * as N from '../../../abi/netlink.ts';
import { AF_UNIX, TCP_LISTEN } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import type { NetlinkSock, NlAnswer } from '../netlink/af_netlink.ts';
import { NlMessage, type NlRequest, viewOf } from '../netlink/message.ts';
import { queueBytes, type UnixSock } from './unix_sock.ts';

// What `ss -x` asks (net/unix/diag.c).

function message(sk: UnixSock, show: number, seq: number, portid: number, flags: number): Uint8Array {
  const m = new NlMessage(N.SOCK_DIAG_BY_FAMILY, flags, seq, portid).u8(AF_UNIX, sk.type, sk.state, 0).u32(sk.ino, sk.cookie, 0);
  // A path is told without its NUL, an abstract name with the one it begins with.
  if ((show & N.UDIAG_SHOW_NAME) !== 0 && sk.addr !== null) m.attr(N.UNIX_DIAG_NAME, sk.addr[0] === 0 ? sk.addr : sk.addr.subarray(0, -1));
  if ((show & N.UDIAG_SHOW_VFS) !== 0 && sk.path !== null) m.attrU32(N.UNIX_DIAG_VFS, sk.path.dentry.inode.ino, sk.path.dentry.inode.sb.dev);
  if ((show & N.UDIAG_SHOW_PEER) !== 0 && sk.peer2 !== null) m.attrU32(N.UNIX_DIAG_PEER, sk.peer2.ino);
  const listen = sk.state === TCP_LISTEN;
  if ((show & N.UDIAG_SHOW_ICONS) !== 0 && listen) m.attrU32(N.UNIX_DIAG_ICONS, ...sk.receiveQueue.map((s) => (s.sock as UnixSock).peer2?.ino ?? 0));
  if ((show & N.UDIAG_SHOW_RQLEN) !== 0) m.attrU32(N.UNIX_DIAG_RQLEN, listen ? sk.receiveQueue.length : queueBytes(sk), listen ? sk.maxAckBacklog : sk.wmemAlloc);
  if ((show & N.UDIAG_SHOW_MEMINFO) !== 0) m.attrU32(N.UNIX_DIAG_MEMINFO, sk.rmemAlloc, sk.rcvbuf, sk.wmemAlloc, sk.sndbuf, 0, 0, 0, 0, sk.drops);
  m.attrU8(N.UNIX_DIAG_SHUTDOWN, sk.shutdown);
  if ((show & N.UDIAG_SHOW_UID) !== 0) m.attrU32(N.UNIX_DIAG_UID, sk.uid);
  return m.finish();
}
/** struct unix_diag_req: family, protocol, states, inode, what to show, cookie. */
export function unixDiag(k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  if (r.body.length < 24) return -EINVAL;
  const v = viewOf(r.body);
  const states = v.getUint32(4, true);
  const ino = v.getUint32(8, true);
  const show = v.getUint32(12, true);
  const { socks } = k.net.unix;
  if ((r.flags & N.NLM_F_DUMP) === N.NLM_F_DUMP)
    return [...socks].filter((s) => (states & (1 << s.state)) !== 0).map((s) => message(s, show, r.seq, sk.portid, N.NLM_F_MULTI));
  if (ino === 0) return -EINVAL;
  for (const s of socks) if (s.ino === ino) return [message(s, show, r.seq, sk.portid, 0)];
  return states === 0 ? -ENOENT : -ECONNREFUSED;
}
