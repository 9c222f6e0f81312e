import { EAGAIN, EBADF, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, ENOTSOCK, EOPNOTSUPP } from '../../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../abi/fs.ts';
import * as S from '../../abi/socket.ts';
import * as NR from '../../abi/syscall_nr.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { copyFromUser, copyToUser, getUser32, putUser32, viewFromUser } from '../mm/uaccess.ts';
import { CmsgBuffer } from '../net/core/scm.ts';
import { sockGetsockopt, sockSetsockopt } from '../net/core/sockopt.ts';
import { type MsgHdr, type Socket, sockAllocFile, sockCreate, sockFromFile } from '../net/socket.ts';
import { BLOCKED } from '../sched/wait.ts';
import { nsOf, readTimespec, writeTimespec } from '../time/time.ts';
import { fdGet, importIovec, installFile, MAX_RW, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// System calls on sockets (the second half of net/socket.c).

const INT_MAX = 0x7fff_ffff;
const UIO_MAXIOV = 1024;
const RLIMIT_NOFILE = 7;
/** struct user_msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
const MSGHDR = 56;
/** struct mmsghdr. */
const MMSGHDR = 64;

function lookup(k: Kernel, fd: number): Socket | number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  return sockFromFile(file) ?? -ENOTSOCK;
}
/** O_NONBLOCK of the file counts as MSG_DONTWAIT. */
function withNonblock(sock: Socket, flags: number): number {
  const nonblock = ((sock.sk.file?.flags ?? 0) & O_NONBLOCK) !== 0;
  return nonblock ? flags | S.MSG_DONTWAIT : flags;
}
/** move_addr_to_kernel. */
function readAddr(k: Kernel, ptr: number, len: number): Uint8Array | number {
  if (len < 0 || len > S.SOCKADDR_STORAGE) return -EINVAL;
  return len === 0 ? new Uint8Array(0) : copyFromUser(k, ptr, len);
}
/** move_addr_to_user: as much as fits; *lenPtr gets the true length. */
function writeAddr(k: Kernel, addr: Uint8Array, ptr: number, lenPtr: number): number {
  const room = getUser32(k, lenPtr);
  if (room < 0) return room;
  const len = Math.min(room | 0, addr.length);
  if (len < 0) return -EINVAL;
  if (len > 0 && copyToUser(k, ptr, addr.subarray(0, len)) < 0) return -EFAULT;
  return putUser32(k, lenPtr, addr.length);
}
const fileFlags = (flags: number) => ((flags & S.SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0);

function sysSocket(k: Kernel, family: number, typeArg: number, protocol: number): number {
  const type = typeArg | 0;
  const flags = type & ~S.SOCK_TYPE_MASK;
  if ((flags & ~(S.SOCK_CLOEXEC | S.SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const sock = sockCreate(k, family | 0, type & S.SOCK_TYPE_MASK, protocol | 0);
  if (typeof sock === 'number') return sock;
  return installFile(k, sockAllocFile(k, sock, fileFlags(flags)), (flags & O_CLOEXEC) !== 0);
}
function sysSocketpair(k: Kernel, family: number, typeArg: number, protocol: number, ptr: number): number {
  const flags = (typeArg | 0) & ~S.SOCK_TYPE_MASK;
  const type = typeArg & S.SOCK_TYPE_MASK;
  if ((flags & ~(S.SOCK_CLOEXEC | S.SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const { files, signal } = k.current;
  const fd1 = files.allocFd(0, signal.rlimit(RLIMIT_NOFILE));
  if (fd1 < 0) return fd1;
  const fd2 = files.allocFd(fd1 + 1, signal.rlimit(RLIMIT_NOFILE));
  if (fd2 < 0) return fd2;
  if (putUser32(k, ptr, fd1) < 0 || putUser32(k, ptr + 4, fd2) < 0) return -EFAULT;
  const a = sockCreate(k, family | 0, type, protocol | 0);
  if (typeof a === 'number') return a;
  const b = sockCreate(k, family | 0, type, protocol | 0);
  if (typeof b === 'number') {
    a.ops.release(k, a);
    return b;
  }
  const r = a.ops.socketpair(k, a, b);
  if (r < 0) {
    a.ops.release(k, a);
    b.ops.release(k, b);
    return r;
  }
  const cloexec = (flags & O_CLOEXEC) !== 0;
  files.install(fd1, sockAllocFile(k, a, fileFlags(flags)), cloexec);
  files.install(fd2, sockAllocFile(k, b, fileFlags(flags)), cloexec);
  return 0;
}
function sysBind(k: Kernel, fd: number, ptr: number, len: number): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  const addr = readAddr(k, ptr, len | 0);
  return typeof addr === 'number' ? addr : sock.ops.bind(k, sock, addr);
}
function sysListen(k: Kernel, fd: number, backlog: number): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  // As an unsigned number, a negative backlog is the largest.
  const n = (backlog | 0) >>> 0 > k.net.somaxconn ? k.net.somaxconn : backlog | 0;
  return sock.ops.listen(k, sock, n);
}
function sysConnect(k: Kernel, fd: number, ptr: number, len: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const addr = readAddr(k, ptr, len | 0);
  if (typeof addr === 'number') return addr;
  const sock = sockFromFile(file);
  return sock === null ? -ENOTSOCK : sock.ops.connect(k, sock, addr, withNonblock(sock, 0));
}
function accept4(k: Kernel, fd: number, ptr: number, lenPtr: number, flags: number): number {
  if ((flags & ~(S.SOCK_CLOEXEC | S.SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const sock = sockFromFile(file);
  if (sock === null) return -ENOTSOCK;
  const { files, signal } = k.current;
  const newFd = files.allocFd(0, signal.rlimit(RLIMIT_NOFILE));
  if (newFd < 0) return newFd;
  const sk = sock.ops.accept(k, sock, withNonblock(sock, 0));
  if (typeof sk === 'number') return sk;
  const made: Socket = { ops: sock.ops, sk };
  const newFile = sockAllocFile(k, made, fileFlags(flags));
  sock.ops.grafted?.(k, made);
  if (ptr !== 0) {
    const peer = made.ops.getname(k, made, true, true);
    // The other side may be gone already.
    const r = typeof peer === 'number' ? -103 : writeAddr(k, peer, ptr, lenPtr); // ECONNABORTED
    if (r < 0) {
      k.vfs.fput(newFile);
      return r;
    }
  }
  files.install(newFd, newFile, (flags & O_CLOEXEC) !== 0);
  return newFd;
}
function sysGetname(k: Kernel, fd: number, ptr: number, lenPtr: number, peer: boolean): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  const addr = sock.ops.getname(k, sock, peer);
  return typeof addr === 'number' ? addr : writeAddr(k, addr, ptr, lenPtr);
}

function newMsg(iter: IovIter, flags: number, name: Uint8Array | null, control: Uint8Array, cmsg: CmsgBuffer): MsgHdr {
  return { name, iter, flags, outFlags: 0, control, cmsg };
}
const NONE = new Uint8Array(0);
function userBuffer(buf: number, len: number): IovIter | number {
  const n = len < 0 ? MAX_RW : Math.min(len, MAX_RW);
  return buf < 0 || buf + n > TASK_SIZE ? -EFAULT : IovIter.user(buf, n);
}
function sysSendto(k: Kernel, fd: number, buf: number, len: number, flags: number, ptr: number, addrLen: number): number {
  const iter = userBuffer(buf, len);
  if (typeof iter === 'number') return iter;
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  let name: Uint8Array | null = null;
  if (ptr !== 0) {
    const addr = readAddr(k, ptr, addrLen | 0);
    if (typeof addr === 'number') return addr;
    name = addr.length > 0 ? addr : null;
  }
  return sock.ops.sendmsg(k, sock, newMsg(iter, withNonblock(sock, flags & ~S.MSG_INTERNAL), name, NONE, new CmsgBuffer(0, 0, 0)));
}
function sysRecvfrom(k: Kernel, fd: number, buf: number, len: number, flags: number, ptr: number, lenPtr: number): number {
  const iter = userBuffer(buf, len);
  if (typeof iter === 'number') return iter;
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  const msg = newMsg(iter, withNonblock(sock, flags | 0), null, NONE, new CmsgBuffer(0, 0, 0));
  const n = sock.ops.recvmsg(k, sock, msg);
  if (n >= 0 && ptr !== 0) {
    const r = writeAddr(k, msg.name ?? NONE, ptr, lenPtr);
    if (r < 0) return r;
  }
  return n;
}

interface UserMsg {
  readonly namePtr: number;
  readonly nameLen: number;
  readonly iter: IovIter;
  readonly control: number;
  readonly controlLen: number;
}
/** copy_msghdr_from_user. */
function readMsghdr(k: Kernel, ptr: number): UserMsg | number {
  const v = viewFromUser(k, ptr, MSGHDR);
  if (typeof v === 'number') return v;
  const word = (at: number) => Number(v.getBigInt64(at, true));
  const namePtr = word(0);
  const nameLen = v.getInt32(8, true);
  if (namePtr !== 0 && nameLen < 0) return -EINVAL;
  const iovLen = word(24);
  if (iovLen < 0 || iovLen > UIO_MAXIOV) return -EMSGSIZE;
  const iter = importIovec(k, word(16), iovLen);
  if (typeof iter === 'number') return iter;
  return { namePtr, nameLen: namePtr === 0 ? 0 : Math.min(nameLen, S.SOCKADDR_STORAGE), iter, control: word(32), controlLen: word(40) };
}
function sendmsg(k: Kernel, sock: Socket, ptr: number, flags: number): number {
  const u = readMsghdr(k, ptr);
  if (typeof u === 'number') return u;
  let name: Uint8Array | null = null;
  if (u.namePtr !== 0 && u.nameLen > 0) {
    const addr = readAddr(k, u.namePtr, u.nameLen);
    if (typeof addr === 'number') return addr;
    name = addr;
  }
  if (u.controlLen > INT_MAX || u.controlLen < 0) return -ENOBUFS;
  let control: Uint8Array = NONE;
  if (u.controlLen > 0) {
    if (u.controlLen > k.net.optmemMax) return -ENOBUFS;
    const bytes = copyFromUser(k, u.control, u.controlLen);
    if (typeof bytes === 'number') return bytes;
    control = bytes;
  }
  return sock.ops.sendmsg(k, sock, newMsg(u.iter, withNonblock(sock, flags & ~S.MSG_INTERNAL), name, control, new CmsgBuffer(0, 0, 0)));
}
function recvmsg(k: Kernel, sock: Socket, ptr: number, flags: number): number {
  const u = readMsghdr(k, ptr);
  if (typeof u === 'number') return u;
  const msg = newMsg(u.iter, withNonblock(sock, flags), null, NONE, new CmsgBuffer(u.control, Math.max(0, u.controlLen), flags));
  const n = sock.ops.recvmsg(k, sock, msg);
  if (n < 0) return n;
  const name = msg.name ?? NONE;
  if (u.namePtr !== 0) {
    const len = Math.min(u.nameLen, name.length);
    if (len > 0 && copyToUser(k, u.namePtr, name.subarray(0, len)) < 0) return -EFAULT;
    if (putUser32(k, ptr + 8, name.length) < 0) return -EFAULT;
  }
  const outFlags = msg.outFlags | msg.cmsg.flags | (flags & S.MSG_CMSG_CLOEXEC);
  if (putUser32(k, ptr + 48, outFlags) < 0) return -EFAULT;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(msg.cmsg.used), true);
  return copyToUser(k, ptr + 40, length) < 0 ? -EFAULT : n;
}
function sysSendmsg(k: Kernel, fd: number, ptr: number, flags: number): number {
  const sock = lookup(k, fd);
  return typeof sock === 'number' ? sock : sendmsg(k, sock, ptr, flags | 0);
}
function sysRecvmsg(k: Kernel, fd: number, ptr: number, flags: number): number {
  const sock = lookup(k, fd);
  return typeof sock === 'number' ? sock : recvmsg(k, sock, ptr, flags | 0);
}
/** Several messages, one after the other; those done before a block are remembered (task.restart: `messages`). */
function sysSendmmsg(k: Kernel, fd: number, ptr: number, count: number, flags: number): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  const n = Math.min(count >>> 0, UIO_MAXIOV);
  const { current } = k;
  let done = (current.restart?.['messages'] as number | undefined) ?? 0;
  for (; done < n; done++) {
    const at = ptr + done * MMSGHDR;
    const r = sendmsg(k, sock, at, flags | 0);
    if (r === BLOCKED) current.restart = { ...current.restart, messages: done };
    if (r === BLOCKED || (r < 0 && done === 0)) return r;
    if (r < 0) break;
    current.restart = null;
    if (putUser32(k, at + 56, r) < 0) return done > 0 ? done : -EFAULT;
  }
  return done;
}
function sysRecvmmsg(k: Kernel, fd: number, ptr: number, count: number, flagsArg: number, timeout: number): number {
  const { current } = k;
  let end = current.restart?.['end'] as number | undefined;
  if (end === undefined) {
    end = Number.POSITIVE_INFINITY;
    if (timeout !== 0) {
      const t = readTimespec(k, timeout);
      if (typeof t === 'number') return t;
      end = k.time.now() + nsOf(t);
    }
  }
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  let done = (current.restart?.['messages'] as number | undefined) ?? 0;
  if (done === 0) {
    const err = sock.sk.err;
    sock.sk.err = 0;
    if (err !== 0) return -err;
  }
  const n = count >>> 0;
  let result = 0;
  for (; done < n; done++) {
    const at = ptr + done * MMSGHDR;
    const later = done > 0 && (flagsArg & S.MSG_WAITFORONE) !== 0 ? S.MSG_DONTWAIT : 0;
    result = recvmsg(k, sock, at, (flagsArg & ~S.MSG_WAITFORONE) | later);
    if (result === BLOCKED) {
      current.restart = { ...current.restart, messages: done, end };
      return BLOCKED;
    }
    if (result < 0) break;
    current.restart = null;
    if (putUser32(k, at + 56, result) < 0) {
      result = -EFAULT;
      break;
    }
    if (k.time.now() >= end) {
      done++;
      break;
    }
  }
  if (timeout !== 0 && done > 0 && writeTimespec(k, timeout, Math.max(0, end - k.time.now())) < 0) return -EFAULT;
  if (done === 0) return n === 0 ? 0 : result;
  // An error after some messages is kept for the next call.
  if (result < 0 && result !== -EAGAIN) sock.sk.err = -result;
  return done;
}
function sysShutdown(k: Kernel, fd: number, how: number): number {
  const sock = lookup(k, fd);
  return typeof sock === 'number' ? sock : sock.ops.shutdown(k, sock, how | 0);
}
const MAX_OPTION = 65536;
function sysSetsockopt(k: Kernel, fd: number, level: number, name: number, ptr: number, len: number): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  if ((len | 0) < 0) return -EINVAL;
  const bytes = copyFromUser(k, ptr, Math.min(len | 0, MAX_OPTION));
  if (typeof bytes === 'number') {
    // What is too short is said before what cannot be read.
    return (len | 0) < 4 ? -EINVAL : bytes;
  }
  if ((level | 0) === S.SOL_SOCKET) return sockSetsockopt(k, sock, name | 0, bytes);
  return sock.ops.setsockopt?.(k, sock, level | 0, name | 0, bytes) ?? -EOPNOTSUPP;
}
function sysGetsockopt(k: Kernel, fd: number, level: number, name: number, ptr: number, lenPtr: number): number {
  const sock = lookup(k, fd);
  if (typeof sock === 'number') return sock;
  if ((level | 0) !== S.SOL_SOCKET && sock.ops.getsockopt === undefined) return -EOPNOTSUPP;
  const room = getUser32(k, lenPtr);
  if (room < 0) return room;
  const len = room | 0;
  if (len < 0) return -EINVAL;
  const v =
    (level | 0) === S.SOL_SOCKET
      ? sockGetsockopt(k, sock, name | 0, len)
      : (sock.ops.getsockopt?.(k, sock, level | 0, name | 0, len, ptr) ?? -EOPNOTSUPP);
  if (typeof v === 'number') return v;
  const out = v.subarray(0, Math.min(len, v.length));
  if (out.length > 0 && copyToUser(k, ptr, out) < 0) return -EFAULT;
  return putUser32(k, lenPtr, out.length);
}

export const netSyscalls: readonly SyscallRow[] = [
  row(NR.NR_socket, 'socket', sysSocket, 'families unix, inet, inet6, netlink, packet'),
  row(NR.NR_socketpair, 'socketpair', sysSocketpair),
  row(NR.NR_bind, 'bind', sysBind),
  row(NR.NR_listen, 'listen', sysListen),
  row(NR.NR_accept, 'accept', (k, fd, ptr, len) => accept4(k, fd, ptr, len, 0)),
  row(NR.NR_accept4, 'accept4', (k, fd, ptr, len, flags) => accept4(k, fd, ptr, len, flags | 0)),
  row(NR.NR_connect, 'connect', sysConnect),
  row(NR.NR_getsockname, 'getsockname', (k, fd, ptr, len) => sysGetname(k, fd, ptr, len, false)),
  row(NR.NR_getpeername, 'getpeername', (k, fd, ptr, len) => sysGetname(k, fd, ptr, len, true)),
  row(NR.NR_sendto, 'sendto', sysSendto),
  row(NR.NR_recvfrom, 'recvfrom', sysRecvfrom),
  row(NR.NR_sendmsg, 'sendmsg', sysSendmsg),
  row(NR.NR_recvmsg, 'recvmsg', sysRecvmsg),
  row(NR.NR_sendmmsg, 'sendmmsg', sysSendmmsg),
  row(NR.NR_recvmmsg, 'recvmmsg', sysRecvmmsg),
  row(NR.NR_setsockopt, 'setsockopt', sysSetsockopt, 'socket filters of packet and raw sockets only'),
  row(NR.NR_getsockopt, 'getsockopt', sysGetsockopt, 'no SO_GET_FILTER'),
  row(NR.NR_shutdown, 'shutdown', sysShutdown),
];
