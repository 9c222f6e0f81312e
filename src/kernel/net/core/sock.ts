import { EAGAIN, EINTR, ERESTARTSYS } from '../../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../../../abi/fs.ts';
import { MSG_DONTWAIT, TCP_CLOSE } from '../../../abi/socket.ts';
import type { Cred } from '../../cred.ts';
import type { PollTable } from '../../fs/select.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUp, wakeUpAll } from '../../sched/wait.ts';
import type { SockFilter } from './filter.ts';
import type { Skb } from './skbuff.ts';

// What all sockets have (net/core/sock.c, struct sock).

export const POLLWRBAND = 0x200;
export const READ_EVENTS = POLLIN | POLLRDNORM | POLLRDHUP | POLLPRI | POLLERR | POLLHUP;
export const WRITE_EVENTS = POLLOUT | POLLWRNORM | POLLWRBAND;
const FOREVER = Number.POSITIVE_INFINITY;
/** net.core.{r,w}mem_default and _max. */
export const MEM_DEFAULT = 212992;

export class Sock {
  /** Changes only with IPV6_ADDRFORM. */
  family: number;
  readonly type: number;
  protocol: number;
  state = TCP_CLOSE;
  /** RCV_SHUTDOWN | SEND_SHUTDOWN. */
  shutdown = 0;
  /** Pending error, positive; reported once. */
  err = 0;
  sndbuf = MEM_DEFAULT;
  rcvbuf = MEM_DEFAULT;
  rmemAlloc = 0;
  wmemAlloc = 0;
  readonly receiveQueue: Skb[] = [];
  readonly readWait = new WaitQueueHead();
  readonly writeWait = new WaitQueueHead();
  maxAckBacklog = 0;
  /** The user chose the size: it does not grow by itself (SOCK_SNDBUF_LOCK, SOCK_RCVBUF_LOCK). */
  sndbufLocked = false;
  rcvbufLocked = false;
  rcvtimeo = FOREVER;
  sndtimeo = FOREVER;
  rcvlowat = 1;
  drops = 0;
  /** The open file, null while there is none (a connection that waits to be accepted) or no more. */
  file: File | null = null;
  /** The file is closed (SOCK_DEAD). */
  dead = false;
  /** Inode of the file, 0 while there is none; owner of that. */
  ino = 0;
  uid = 0;
  readonly cookie: number;

  /** What it runs on each packet to come (SO_ATTACH_FILTER), and whether that stays (SO_LOCK_FILTER). */
  filter: readonly SockFilter[] | null = null;
  filterLocked = false;

  debug = false;
  reuse = false;
  reuseport = false;
  keepalive = false;
  broadcast = false;
  dontroute = false;
  oobinline = false;
  noCheck = false;
  /** ns, or -1 when off. */
  linger = -1;
  priority = 0;
  mark = 0;
  boundDev = 0;
  passcred = false;
  passpidfd = false;
  passsec = false;
  rxqOvfl = false;
  /** SO_PEEK_OFF, -1 = off. */
  peekOff = -1;
  /** SO_TIMESTAMP or SO_TIMESTAMPNS (that option number), 0 = off. */
  timestamp = 0;
  zerocopy = false;
  busyPoll = 0;
  incomingCpu = -1;
  /** Other options that only hold a value, by number. */
  readonly values = new Map<number, number>();
  stamp = -1;
  peer: { readonly pid: number; readonly cred: Cred } | null = null;

  constructor(k: Kernel, family: number, type: number, protocol: number) {
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.cookie = k.net.nextCookie++;
  }
}

/** Takes the pending error (sock_error): negative, or 0. */
export function sockError(sk: Sock): number {
  const { err } = sk;
  sk.err = 0;
  return -err;
}
/** sk_data_ready. */
export function dataReady(k: Kernel, sk: Sock): void {
  wakeUp(k, sk.readWait);
}
export function writeSpace(k: Kernel, sk: Sock): void {
  wakeUpAll(k, sk.writeWait);
}
/** sk_state_change and sk_error_report: everybody looks again. */
export function stateChange(k: Kernel, sk: Sock): void {
  wakeUpAll(k, sk.readWait);
  wakeUpAll(k, sk.writeWait);
}
export function pollQueues(sk: Sock, table: PollTable | null): void {
  table?.add(sk.readWait, READ_EVENTS);
  table?.add(sk.writeWait, WRITE_EVENTS);
}

/** How long a call may wait: ns, 0 for not at all. */
export const rcvTimeout = (sk: Sock, flags: number) => ((flags & MSG_DONTWAIT) !== 0 ? 0 : sk.rcvtimeo);
export const sndTimeout = (sk: Sock, flags: number) => ((flags & MSG_DONTWAIT) !== 0 ? 0 : sk.sndtimeo);

/**
 * Sleeps on `queue` for at most `timeo` ns since the call began; `keep` is what the call needs to know when it is made again.
 * BLOCKED, -EAGAIN when time is over, or what a signal makes of the call (sock_intr_errno).
 */
export function sockWait(k: Kernel, queue: WaitQueueHead, timeo: number, keep: Readonly<Record<string, unknown>> = {}, exclusive = false): number {
  const task = k.current;
  if (timeo === 0) return -EAGAIN;
  const now = k.time.now();
  const deadline = (task.restart?.['deadline'] as number | undefined) ?? now + timeo;
  if (deadline <= now) return -EAGAIN;
  const r = waitInterruptible(k, queue, exclusive);
  if (r !== BLOCKED) return r === -ERESTARTSYS && timeo !== FOREVER ? -EINTR : r;
  task.restart = { ...task.restart, ...keep, deadline };
  if (deadline !== FOREVER) k.sched.scheduleTimeout(task, deadline);
  return BLOCKED;
}

/** Takes `skb` off its sender's account (sock_wfree). */
export function freeSkb(k: Kernel, skb: Skb): void {
  const { owner } = skb;
  skb.owner = null;
  if (owner === null) return;
  owner.wmemAlloc -= skb.truesize;
  if (owner.wmemAlloc << 2 <= owner.sndbuf) writeSpace(k, owner);
}
/** Sets the peer's identity from the current task (init_peercred). */
export function initPeercred(k: Kernel, sk: Sock): void {
  sk.peer = { pid: k.current.tgid, cred: k.current.cred };
}
/** The wall clock at the moment `at` of k.time.now(). */
export function wallAt(k: Kernel, at: number): { sec: number; nsec: number } {
  const { sec, nsec } = k.time.wall();
  const ns = nsec - (k.time.now() - at);
  const carry = Math.floor(ns / 1e9);
  return { sec: sec + carry, nsec: Math.floor(ns - carry * 1e9) };
}
