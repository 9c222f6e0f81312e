import { ETOOMANYREFS } from '../../../abi/errno.ts';
import { AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM, TCP_ESTABLISHED, TCP_LISTEN } from '../../../abi/socket.ts';
import type { File, Inode, Path } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WaitQueueHead, wakeUpAll } from '../../sched/wait.ts';
import { type ScmCookie, ucredBytes, OVERFLOW_ID } from '../core/scm.ts';
import { freeSkb, Sock } from '../core/sock.ts';
import { type Skb, skbLength, type Ucred } from '../core/skbuff.ts';
import { type MsgHdr, type Socket, sockFromFile } from '../socket.ts';
import { SCM_CREDENTIALS, SOL_SOCKET } from '../../../abi/socket.ts';

// What UNIX sockets of all types share (net/unix/af_unix.c, struct unix_sock; unix(7)).

const RLIMIT_NOFILE = 7;
const CAP_SYS_ADMIN = 21;
const CAP_SYS_RESOURCE = 24;

export class UnixSock extends Sock {
  /** The bound name: sun_path, with its NUL for a path, from a NUL on for an abstract name; null = unbound. */
  addr: Uint8Array | null = null;
  /** The inode of a bound path. */
  path: Path | null = null;
  peer2: UnixSock | null = null;
  /** The listener whose queue this connection waits in. */
  listener: UnixSock | null = null;
  /** Senders that found the queue full. */
  readonly peerWait = new WaitQueueHead();
  /** References to its file that are on their way in messages. */
  inflight = 0;
  /** The out-of-band byte in the receive queue, null = none. */
  oob: Skb | null = null;

  constructor(k: Kernel, type: number) {
    super(k, AF_UNIX, type, 0);
    this.maxAckBacklog = k.net.unix.maxDgramQlen;
    this.sndbuf = k.net.wmemDefault;
    this.rcvbuf = k.net.rmemDefault;
  }
  /** Connections rather than packets to anybody. */
  get connected(): boolean {
    return this.type === SOCK_STREAM || this.type === SOCK_SEQPACKET;
  }
}
export const unixSk = (sock: Socket) => sock.sk as UnixSock;

/** net->unx and what is in flight. */
export class UnixState {
  /** Abstract names by type and name. */
  readonly abstract = new Map<string, UnixSock>();
  readonly byInode = new Map<Inode, UnixSock>();
  /** In order of creation, for /proc/net/unix. */
  readonly socks = new Set<UnixSock>();
  maxDgramQlen = 10;
  /** References in flight in all, and by the user who sent them. */
  inflight = 0;
  readonly inflightByUser = new Map<number, number>();
  nextAutobind = 0;
  collecting = false;
  /** Files of dropped messages that are still to be closed. */
  readonly dropped: File[] = [];
  dropping = false;
}

export const recvqFull = (sk: UnixSock) => sk.receiveQueue.length > sk.maxAckBacklog;
export const writable = (sk: UnixSock) => sk.state !== TCP_LISTEN && sk.wmemAlloc << 2 <= sk.sndbuf;
/** Sockets that this user's address structure names: sa_family and the name. */
export function sockaddr(sk: UnixSock): Uint8Array {
  const name = sk.addr ?? new Uint8Array(0);
  const out = new Uint8Array(2 + name.length);
  out[0] = AF_UNIX;
  out.set(name, 2);
  return out;
}

/** Gives a message's references back, counts them out of flight. */
export function unixDropSkb(k: Kernel, skb: Skb): void {
  freeSkb(k, skb);
  const { files } = skb;
  skb.files = null;
  if (files === null) return;
  notInflight(k, skb, files);
  dropFiles(k, files);
}
/** Closes files one after the other: a socket that goes may drop messages with further files (Linux leaves it to a work queue). */
function dropFiles(k: Kernel, files: readonly File[]): void {
  const { unix } = k.net;
  unix.dropped.push(...files);
  if (unix.dropping) return;
  unix.dropping = true;
  for (let file = unix.dropped.shift(); file !== undefined; file = unix.dropped.shift()) k.vfs.fput(file);
  unix.dropping = false;
}
const userOf = (skb: Skb) => (skb.cb as { user: number }).user;
function countUser(k: Kernel, user: number, n: number): void {
  const { inflightByUser } = k.net.unix;
  const count = (inflightByUser.get(user) ?? 0) + n;
  if (count > 0) inflightByUser.set(user, count);
  else inflightByUser.delete(user);
}
function notInflight(k: Kernel, skb: Skb, files: readonly File[]): void {
  countUser(k, userOf(skb), -files.length);
  for (const file of files) {
    const s = sockFromFile(file);
    if (s === null || s.sk.family !== AF_UNIX) continue;
    unixSk(s).inflight--;
    k.net.unix.inflight--;
  }
}
/** Takes the files out of a message for its receiver (unix_detach_fds). */
export function detachFiles(k: Kernel, skb: Skb): File[] {
  const files = skb.files ?? [];
  skb.files = null;
  notInflight(k, skb, files);
  return files;
}
/** Another reference to each, for a receiver that only peeks. */
export function peekFiles(skb: Skb): File[] {
  for (const file of skb.files ?? []) file.refs++;
  return [...(skb.files ?? [])];
}

/** A message of `data`; the cookie's files go into it (unix_scm_to_skb). */
export function unixSkb(k: Kernel, sk: UnixSock, data: Uint8Array, truesize: number, scm: ScmCookie, creds: Ucred | null): Skb | number {
  const { files } = scm;
  if (files !== null) {
    const { current } = k;
    const many = (k.net.unix.inflightByUser.get(current.cred.uid) ?? 0) > current.signal.rlimit(RLIMIT_NOFILE);
    if (many && !current.capable(CAP_SYS_RESOURCE) && !current.capable(CAP_SYS_ADMIN)) return -ETOOMANYREFS;
    for (const file of files) {
      const s = sockFromFile(file);
      if (s === null || s.sk.family !== AF_UNIX) continue;
      unixSk(s).inflight++;
      k.net.unix.inflight++;
    }
    countUser(k, current.cred.uid, files.length);
    scm.files = null;
  }
  sk.wmemAlloc += truesize;
  return {
    data,
    consumed: 0,
    truesize,
    owner: sk,
    from: sk.addr === null ? null : sockaddr(sk),
    creds,
    files,
    sock: null,
    time: k.time.now(),
    cb: { user: k.current.cred.uid },
  };
}
/** Who a message says it is from: what the sender gave, or the sender itself when one side asked (unix_maybe_add_creds). */
export function credsFor(k: Kernel, sk: UnixSock, other: UnixSock, scm: ScmCookie): Ucred | null {
  if (scm.creds !== null) return scm.creds;
  const asked = sk.passcred || sk.passpidfd || other.ino === 0 || other.passcred || other.passpidfd;
  return asked ? selfCreds(k) : null;
}
export function selfCreds(k: Kernel): Ucred {
  const { tgid, cred } = k.current;
  return { pid: tgid, uid: cred.euid, gid: cred.egid };
}

/** Tells a receiver what came with the bytes (scm_recv_unix). */
export function scmRecv(k: Kernel, sk: UnixSock, msg: MsgHdr, creds: Ucred | null, files: File[]): void {
  if (msg.cmsg.base === 0) {
    if (sk.passcred || sk.passpidfd || files.length > 0) msg.cmsg.flags |= 8; // MSG_CTRUNC
    for (const file of files) k.vfs.fput(file);
    return;
  }
  if (sk.passcred) msg.cmsg.put(k, SOL_SOCKET, SCM_CREDENTIALS, ucredBytes(creds ?? { pid: 0, uid: OVERFLOW_ID, gid: OVERFLOW_ID }));
  if (files.length > 0) msg.cmsg.putFiles(k, files);
}

export function queueBytes(sk: UnixSock): number {
  let n = 0;
  for (const skb of sk.receiveQueue) n += skbLength(skb);
  return n;
}
/** Somebody took from the queue: senders may go on. */
export function queueHasRoom(k: Kernel, sk: UnixSock): void {
  wakeUpAll(k, sk.peerWait);
  // Senders that poll wait on their own queues (unix_dgram_peer_wake_relay).
  for (const other of k.net.unix.socks) if (other.peer2 === sk && other.writeWait.entries.length > 0) wakeUpAll(k, other.writeWait);
}
export const isEstablished = (sk: UnixSock) => sk.state === TCP_ESTABLISHED;
