import { EAFNOSUPPORT, EINVAL, ENODEV, ENOTTY, ESPIPE } from '../../abi/errno.ts';
import { O_NONBLOCK, O_RDWR, S_IFSOCK } from '../../abi/fs.ts';
import * as S from '../../abi/socket.ts';
import type { PollTable } from '../fs/select.ts';
import { getOwnerPid, setOwnerByPid } from '../fs/fasync.ts';
import type { File, FileOperations } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf64 } from '../lib/bytes.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import type { AddressSpace } from '../mm/filemap.ts';
import { getUser32, putUser32 } from '../mm/uaccess.ts';
import { devIoctl } from './core/dev_ioctl.ts';
import { CmsgBuffer } from './core/scm.ts';
import { type Sock, wallAt } from './core/sock.ts';
import type { InetSock } from './ipv4/inet_sock.ts';
import { Net } from './net.ts';

// Sockets as files (net/socket.c, sockfs).

const SOCKFS_MAGIC = 0x534f434b;

/** A message on its way from or to a caller (struct msghdr). */
export interface MsgHdr {
  /** Sender: where to, null for nowhere said. Receiver: the protocol puts the sender's address here. */
  name: Uint8Array | null;
  readonly iter: IovIter;
  /** MSG_* of the call; a receiver's protocol adds MSG_TRUNC and the like to `outFlags`. */
  readonly flags: number;
  outFlags: number;
  /** Sender's control messages. */
  readonly control: Uint8Array;
  /** Where a receiver's control messages go. */
  readonly cmsg: CmsgBuffer;
}

/** What a protocol does (struct proto_ops). Addresses are in the form of user space, sa_family first. */
export interface ProtoOps {
  /** Takes a port of the protocol's for the socket; 0: any that is free. */
  getPort?(k: Kernel, sk: InetSock, port: number): number;
  /** Filters are run on what it receives (SO_ATTACH_FILTER). */
  readonly filters?: boolean;
  /** The pages behind a mapping of the socket, or -errno. */
  mmap?(k: Kernel, sock: Socket, bytes: number, pgoff: number): AddressSpace | number;
  /** SO_PEEK_OFF works. */
  readonly peekOff?: boolean;
  release(k: Kernel, sock: Socket): number;
  bind(k: Kernel, sock: Socket, addr: Uint8Array): number;
  connect(k: Kernel, sock: Socket, addr: Uint8Array, flags: number): number;
  socketpair(k: Kernel, a: Socket, b: Socket): number;
  /** The accepted connection, to which the new socket is joined; -errno or BLOCKED. */
  accept(k: Kernel, sock: Socket, flags: number): Sock | number;
  /** The accepted connection got its socket. */
  grafted?(k: Kernel, sock: Socket): void;
  /** `accepted`: of a connection that was just accepted, and may be over already. */
  getname(k: Kernel, sock: Socket, peer: boolean, accepted?: boolean): Uint8Array | number;
  poll(k: Kernel, sock: Socket, table: PollTable | null): number;
  /** -ENOTTY: not one of the protocol's. */
  ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number;
  listen(k: Kernel, sock: Socket, backlog: number): number;
  shutdown(k: Kernel, sock: Socket, how: number): number;
  setsockopt?(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number;
  /** `at`: where the answer goes; a few options read there what they are asked about. */
  getsockopt?(k: Kernel, sock: Socket, level: number, name: number, len: number, at: number): Uint8Array | number;
  keepaliveChanged?(k: Kernel, sock: Socket): void;
  sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number;
  recvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number;
}
/** Makes the sockets of a family (net_proto_family). */
export type NetProtoFamily = (k: Kernel, type: number, protocol: number) => { sk: Sock; ops: ProtoOps } | number;

export interface Socket {
  readonly ops: ProtoOps;
  readonly sk: Sock;
}

/** __sock_create. */
export function sockCreate(k: Kernel, family: number, type: number, protocol: number): Socket | number {
  if (family < 0 || family >= S.NPROTO) return -EAFNOSUPPORT;
  if (type < 0 || type >= S.SOCK_MAX) return -EINVAL;
  let fam = family;
  if (family === S.AF_INET && type === S.SOCK_PACKET) fam = S.AF_PACKET;
  const create = k.net.families.get(fam);
  if (create === undefined) return -EAFNOSUPPORT;
  const made = create(k, type, protocol);
  if (typeof made === 'number') return made;
  return made;
}
/** An open file for `sock`, not installed yet (sock_alloc_file). */
export function sockAllocFile(k: Kernel, sock: Socket, flags: number): File {
  const inode = k.vfs.newInode(k.net.sockSb, S_IFSOCK | 0o777, {}, socketFileOps);
  inode.uid = k.current.cred.fsuid;
  inode.gid = k.current.cred.fsgid;
  const file = k.vfs.anonFile(inode, `socket:[${inode.ino}]`, O_RDWR | (flags & O_NONBLOCK));
  file.data = sock;
  sock.sk.file = file;
  sock.sk.ino = inode.ino;
  sock.sk.uid = inode.uid;
  k.net.socketsUsed++;
  return file;
}
/** The socket behind a file, or null (sock_from_file). */
export function sockFromFile(file: File): Socket | null {
  return file.op === socketFileOps ? (file.data as Socket) : null;
}

function message(file: File, iter: IovIter, flags: number): MsgHdr {
  const dontwait = (file.flags & O_NONBLOCK) !== 0 ? S.MSG_DONTWAIT : 0;
  return { name: null, iter, flags: flags | dontwait, outFlags: 0, control: new Uint8Array(0), cmsg: new CmsgBuffer(0, 0, 0) };
}
const sockOf = (file: File) => file.data as Socket;

export const socketFileOps: FileOperations = {
  read(k, file, iter, pos) {
    if (pos !== 0) return -ESPIPE;
    if (iter.count === 0) return 0;
    const sock = sockOf(file);
    return sock.ops.recvmsg(k, sock, message(file, iter, 0));
  },
  write(k, file, iter, pos) {
    if (pos !== 0) return -ESPIPE;
    const sock = sockOf(file);
    return sock.ops.sendmsg(k, sock, message(file, iter, sock.sk.type === S.SOCK_SEQPACKET ? S.MSG_EOR : 0));
  },
  poll(k, file, table) {
    const sock = sockOf(file);
    return sock.ops.poll(k, sock, table);
  },
  ioctl: sockIoctl,
  mmap(k, file, vma) {
    const sock = sockOf(file);
    return sock.ops.mmap?.(k, sock, vma.end - vma.start, vma.pgoff) ?? -ENODEV;
  },
  release(k, file) {
    const sock = sockOf(file);
    k.net.socketsUsed--;
    sock.sk.ino = 0;
    sock.sk.file = null;
    sock.ops.release(k, sock);
  },
};

function sockIoctl(k: Kernel, file: File, cmd: number, arg: number): number {
  const sock = sockOf(file);
  switch (cmd) {
    case S.FIOSETOWN:
    case S.SIOCSPGRP: {
      const pid = getUser32(k, arg);
      if (pid < 0) return pid;
      return setOwnerByPid(k, file, pid | 0);
    }
    case S.FIOGETOWN:
    case S.SIOCGPGRP:
      return putUser32(k, arg, getOwnerPid(k, file));
  }
  const r = sock.ops.ioctl(k, sock, cmd, arg);
  return r === -ENOTTY ? devIoctl(k, cmd, arg) : r;
}

/** The time that something arrived, for receivers that asked with SO_TIMESTAMP, and for SIOCGSTAMP (sock_recv_timestamp). */
export function sockTimestamp(k: Kernel, sk: Sock, msg: MsgHdr, at: number): void {
  if (sk.stamp >= 0) sk.stamp = at;
  if (sk.timestamp === 0) return;
  const { sec, nsec } = wallAt(k, at);
  const micro = sk.timestamp === S.SO_TIMESTAMP;
  msg.cmsg.put(k, S.SOL_SOCKET, sk.timestamp, bytesOf64(sec, micro ? Math.floor(nsec / 1000) : nsec));
}

/** Inode numbers of sockets come from their own file system. */
export function sockInit(k: Kernel): void {
  k.net = new Net();
  k.vfs.register({ name: 'sockfs', nodev: true, mount: () => -EINVAL });
  k.net.sockSb = k.vfs.newSuperBlock('sockfs', SOCKFS_MAGIC, false);
}
