import { unattached } from '../fs/vfs.ts';
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENOENT,
  ENOSPC,
  ENOTSOCK,
  ERESTARTSYS,
  ETIMEDOUT,
} from '../../abi/errno.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  O_ACCMODE,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from '../../abi/fs.ts';
import { CAP_SYS_RESOURCE } from '../../abi/sched.ts';
import { NSIG, SI_MESGQ } from '../../abi/signal.ts';
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from '../../abi/time.ts';
import { inodePermission, lookupOne, MAY_READ, MAY_WRITE } from '../fs/namei.ts';
import { vfsMknod, vfsUnlink } from '../fs/open.ts';
import type { File, FileOperations, Inode, InodeOperations, Mount, Path, SuperBlock } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { seqLseek, seqRead } from '../lib/seq_file.ts';
import { copyFromUser } from '../mm/uaccess.ts';
import { deliverTo, NetlinkSock } from '../net/netlink/af_netlink.ts';
import { sockFromFile } from '../net/socket.ts';
import { tryToWakeUp } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import { sendSignalTo } from '../signal.ts';

// POSIX message queues: files of the file system mqueue (ipc/mqueue.c, mq_overview(7)).

const MQUEUE_MAGIC = 0x19800202;
const RLIMIT_MSGQUEUE = 12;
const HARD_MSGMAX = 65536;
const HARD_MSGSIZEMAX = 16 * 1024 * 1024;
/** FILENT_SIZE. */
const FILE_SIZE = 80;
/** sizeof(struct msg_msg) and struct posix_msg_tree_node: a queue's cost per message (RLIMIT_MSGQUEUE). */
const MSG_COST = 48;
const NODE_COST = 48;
const PRIO_MAX = 32768;

interface MqMessage {
  readonly priority: number;
  readonly data: Uint8Array;
}
/** Somebody who waits (struct ext_wait_queue): with a message to send, or for one, which the other side hands over. */
interface MqWaiter {
  readonly task: Task;
  message: MqMessage | null;
  done: boolean;
}
interface MqNotify {
  readonly owner: Task;
  readonly kind: number;
  readonly signo: number;
  readonly value: bigint;
  /** SIGEV_THREAD: the C library's thread waits at a netlink socket for its cookie. */
  readonly thread: { readonly sk: NetlinkSock; readonly cookie: Uint8Array } | null;
}
/** NOTIFY_COOKIE_LEN; its last byte says what happened. */
const COOKIE_LENGTH = 32;
const NOTIFY_WOKENUP = 1;
const NOTIFY_REMOVED = 2;
/** struct mqueue_inode_info. */
interface Mqueue {
  maxMsg: number;
  msgSize: number;
  readonly messages: MqMessage[];
  readonly senders: MqWaiter[];
  readonly receivers: MqWaiter[];
  readonly wait: WaitQueueHead;
  notify: MqNotify | null;
  readonly user: number;
  readonly cost: number;
}
export class MqueueState {
  readonly sb: SuperBlock;
  readonly mount: Mount;
  queues = 0;
  queuesMax = 256;
  msgMax = 10;
  msgSizeMax = 8192;
  msgDefault = 10;
  msgSizeDefault = 8192;
  /** RLIMIT_MSGQUEUE's count by user. */
  readonly bytes = new Map<number, number>();
  constructor(sb: SuperBlock, mount: Mount) {
    this.sb = sb;
    this.mount = mount;
  }
}
export interface MqAttr {
  readonly maxMsg: number;
  readonly msgSize: number;
}
const infoOf = (inode: Inode) => inode.data as Mqueue;

function costOf(maxMsg: number, msgSize: number): number {
  return maxMsg * MSG_COST + Math.min(maxMsg, PRIO_MAX) * NODE_COST + maxMsg * msgSize;
}
function attrOk(k: Kernel, a: MqAttr): boolean {
  const { mqueue } = k.ipc;
  if (a.maxMsg <= 0 || a.msgSize <= 0) return false;
  const hard = k.current.capable(CAP_SYS_RESOURCE);
  return a.maxMsg <= (hard ? HARD_MSGMAX : mqueue.msgMax) && a.msgSize <= (hard ? HARD_MSGSIZEMAX : mqueue.msgSizeMax);
}
/** The inode of a new queue, or -errno (mqueue_create_attr). */
function newQueue(k: Kernel, mode: number, attr: MqAttr | null): Inode | number {
  const { mqueue } = k.ipc;
  const { current } = k;
  if (mqueue.queues >= mqueue.queuesMax && !current.capable(CAP_SYS_RESOURCE)) return -ENOSPC;
  const maxMsg = attr?.maxMsg ?? Math.min(mqueue.msgMax, mqueue.msgDefault);
  const msgSize = attr?.msgSize ?? Math.min(mqueue.msgSizeMax, mqueue.msgSizeDefault);
  const user = current.cred.uid;
  const cost = costOf(maxMsg, msgSize);
  const used = mqueue.bytes.get(user) ?? 0;
  if (used + cost > current.signal.rlimit(RLIMIT_MSGQUEUE)) return -EMFILE;
  mqueue.bytes.set(user, used + cost);
  mqueue.queues++;
  const inode = k.vfs.newInode(mqueue.sb, mode, mqInodeOps, mqFileOps);
  inode.size = FILE_SIZE;
  const info: Mqueue = {
    maxMsg,
    msgSize,
    messages: [],
    senders: [],
    receivers: [],
    wait: new WaitQueueHead(),
    notify: null,
    user,
    cost,
  };
  inode.data = info;
  return inode;
}
const dirOps: InodeOperations = {
  create: (k, _dir, _name, mode) => ((mode & S_IFMT) === S_IFREG ? newQueue(k, mode, k.ipc.mqAttr) : -EACCES),
  unlink: () => 0,
};
const mqInodeOps: InodeOperations = { setattr: (_k, _inode, { what }) => (what === 'size' ? -EINVAL : 0) };

/** The queue went: its user's count too (mqueue_evict_inode). */
function dropIfUnused(k: Kernel, inode: Inode): void {
  if (inode.openCount > 1 || inode.nlink > 0) return;
  const { mqueue } = k.ipc;
  const q = infoOf(inode);
  mqueue.bytes.set(q.user, (mqueue.bytes.get(q.user) ?? 0) - q.cost);
  mqueue.queues--;
}
function showQueue(_k: Kernel, file: File): string {
  const q = infoOf(file.inode);
  let bytes = 0;
  for (const m of q.messages) bytes += m.data.length;
  const n = q.notify;
  const signo = n !== null && n.kind === SIGEV_SIGNAL ? n.signo : 0;
  return `QSIZE:${String(bytes).padEnd(10)} NOTIFY:${String(n?.kind ?? 0).padEnd(5)} SIGNO:${String(signo).padEnd(5)} NOTIFY_PID:${String(n?.owner.tgid ?? 0).padEnd(6)}\n`;
}
const mqFileOps: FileOperations = {
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, showQueue),
  llseek: seqLseek,
  poll(_k, file, table) {
    const q = infoOf(file.inode);
    table?.add(q.wait);
    let mask = 0;
    if (q.messages.length > 0) mask |= POLLIN | POLLRDNORM;
    if (q.messages.length < q.maxMsg) mask |= POLLOUT | POLLWRNORM;
    return mask;
  },
  flush(k, file) {
    const q = infoOf(file.inode);
    if (q.notify !== null && q.notify.owner.tgid === k.current.tgid) removeNotification(k, q);
  },
  release: (k, file) => dropIfUnused(k, file.inode),
};

/** The descriptor's file, or -EBADF. */
export function mqFile(k: Kernel, fd: number): File | number {
  const file = k.current.files.get(fd);
  return file === null || file.op !== mqFileOps ? -EBADF : file;
}
const rootOf = (k: Kernel): Path => ({ mnt: k.ipc.mqueue.mount, dentry: k.ipc.mqueue.sb.root });

export function mqOpen(k: Kernel, name: string, flags: number, mode: number, attr: MqAttr | null): File | number {
  const root = rootOf(k);
  if (name.includes('/') || name === '.' || name === '..') return -EACCES;
  const access = [MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE][flags & O_ACCMODE];
  let dentry = lookupOne(k, root.dentry, name);
  if (dentry === -ENOENT && (flags & O_CREAT) !== 0) {
    if (attr !== null && !attrOk(k, attr)) return -EINVAL;
    k.ipc.mqAttr = attr;
    dentry = vfsMknod(k, root, name, S_IFREG | (mode & 0o777), 0, false, k.current.fs.umask);
    k.ipc.mqAttr = null;
    if (typeof dentry === 'number') return dentry;
    if (access === undefined) return -EINVAL;
  } else {
    if (typeof dentry === 'number') return dentry;
    if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
    if (access === undefined) return -EINVAL;
    const denied = inodePermission(k.current, dentry.inode, access);
    if (denied < 0) return denied;
  }
  return k.vfs.newFile({ mnt: root.mnt, dentry }, mqFileOps, flags);
}
export function mqUnlink(k: Kernel, name: string): number {
  const root = rootOf(k);
  if (name.includes('/')) return -EACCES;
  const dentry = lookupOne(k, root.dentry, name);
  if (typeof dentry === 'number') return dentry;
  const r = vfsUnlink(k, root, name);
  if (r === 0 && dentry.inode.openCount === 0) dropIfUnused(k, dentry.inode);
  return r;
}

/** Keeps the queue in order: highest priority first, oldest first among equals. */
function insert(q: Mqueue, m: MqMessage): void {
  let i = q.messages.length;
  while (i > 0 && q.messages[i - 1].priority < m.priority) i--;
  q.messages.splice(i, 0, m);
}
/** __do_notify: the queue was empty, nobody waits, and somebody wants to know. */
function notify(k: Kernel, q: Mqueue): void {
  const n = q.notify;
  if (n === null || q.messages.length !== 1) return;
  q.notify = null;
  tellThread(k, n, NOTIFY_WOKENUP);
  if (n.kind === SIGEV_SIGNAL) {
    const { current } = k;
    sendSignalTo(k, n.owner, { signo: n.signo, code: SI_MESGQ, pid: current.tgid, uid: current.cred.uid, value: n.value }, true);
  }
}
function tellThread(k: Kernel, n: MqNotify, what: number): void {
  if (n.thread === null) return;
  const cookie = n.thread.cookie.slice();
  cookie[COOKIE_LENGTH - 1] = what;
  // The socket may be closed.
  if (k.net.netlink.has(n.thread.sk)) deliverTo(k, n.thread.sk, cookie, 0);
}
function removeNotification(k: Kernel, q: Mqueue): void {
  if (q.notify !== null) tellThread(k, q.notify, NOTIFY_REMOVED);
  q.notify = null;
}
function sleep(k: Kernel, list: MqWaiter[], w: MqWaiter, deadline: number): number {
  const leave = (errno: number) => {
    list.splice(list.indexOf(w), 1);
    return errno;
  };
  if (deadline <= k.time.now()) return leave(-ETIMEDOUT);
  const r = waitInterruptible(k, null);
  if (r !== BLOCKED) return leave(-ERESTARTSYS);
  k.current.restart = { mq: w };
  if (deadline !== Number.POSITIVE_INFINITY) k.sched.scheduleTimeout(k.current, deadline);
  return BLOCKED;
}
const waiting = (k: Kernel) => k.current.restart?.['mq'] as MqWaiter | undefined;

/** `deadline`: virtual ns, Infinity for none. */
export function mqSend(k: Kernel, file: File, data: Uint8Array, priority: number, deadline: number): number {
  const q = infoOf(file.inode);
  const again = waiting(k);
  if (again !== undefined) return again.done ? 0 : sleep(k, q.senders, again, deadline);
  const m: MqMessage = { priority, data };
  if (q.messages.length >= q.maxMsg) {
    if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN;
    const w: MqWaiter = { task: k.current, message: m, done: false };
    q.senders.push(w);
    return sleep(k, q.senders, w, deadline);
  }
  const receiver = q.receivers.shift();
  if (receiver !== undefined) {
    receiver.message = m;
    receiver.done = true;
    tryToWakeUp(k, receiver.task);
  } else {
    insert(q, m);
    notify(k, q);
    wakeUpAll(k, q.wait);
  }
  file.inode.atime = file.inode.mtime = file.inode.ctime = k.vfs.now();
  return 0;
}
/** The message, or -errno or BLOCKED. */
export function mqReceive(k: Kernel, file: File, deadline: number): MqMessage | number {
  const q = infoOf(file.inode);
  const again = waiting(k);
  if (again !== undefined) return again.done ? (again.message as MqMessage) : sleep(k, q.receivers, again, deadline);
  const m = q.messages.shift();
  if (m === undefined) {
    if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN;
    const w: MqWaiter = { task: k.current, message: null, done: false };
    q.receivers.push(w);
    return sleep(k, q.receivers, w, deadline);
  }
  const sender = q.senders.shift();
  if (sender !== undefined) {
    insert(q, sender.message as MqMessage);
    sender.done = true;
    tryToWakeUp(k, sender.task);
  }
  wakeUpAll(k, q.wait);
  file.inode.atime = file.inode.ctime = k.vfs.now();
  return m;
}
/** The size that a sender's message may have and a receiver's buffer must have, once the descriptor allows the direction. */
export function mqCheck(k: Kernel, fd: number, write: boolean, length: number): File | number {
  const file = mqFile(k, fd);
  if (typeof file === 'number') return file;
  if ((file.mode & (write ? FMODE_WRITE : FMODE_READ)) === 0) return -EBADF;
  const { msgSize } = infoOf(file.inode);
  return (write ? length > msgSize : length < msgSize) ? -EMSGSIZE : file;
}
/** SIGEV_THREAD as the C library asks for it: `signo` is a netlink socket, `value` points to a cookie. */
function cookieOf(k: Kernel, event: { signo: number; value: bigint }): MqNotify['thread'] | number {
  const cookie = copyFromUser(k, Number(event.value), COOKIE_LENGTH);
  if (typeof cookie === 'number') return cookie;
  const file = k.current.files.get(event.signo);
  if (file === null) return -EBADF;
  const sk = sockFromFile(file)?.sk;
  if (sk === undefined) return -ENOTSOCK;
  return sk instanceof NetlinkSock ? { sk, cookie: cookie.slice() } : -EINVAL;
}
/** mq_notify with the caller's sigevent, null to stop. */
export function mqNotify(k: Kernel, fd: number, event: { kind: number; signo: number; value: bigint } | null): number {
  if (event !== null) {
    if (event.kind !== SIGEV_NONE && event.kind !== SIGEV_SIGNAL && event.kind !== SIGEV_THREAD) return -EINVAL;
    if (event.kind === SIGEV_SIGNAL && (event.signo < 0 || event.signo > NSIG)) return -EINVAL;
  }
  const thread = event?.kind === SIGEV_THREAD ? cookieOf(k, event) : null;
  if (typeof thread === 'number') return thread;
  const file = mqFile(k, fd);
  if (typeof file === 'number') return file;
  const q = infoOf(file.inode);
  if (event === null) {
    if (q.notify !== null && q.notify.owner.tgid === k.current.tgid) removeNotification(k, q);
    return 0;
  }
  if (q.notify !== null) return -EBUSY;
  q.notify = { ...event, thread, owner: k.current.groupLeader };
  return 0;
}
/** What mq_getattr tells: flags, maximum, size, messages. */
export function mqAttr(file: File): [number, number, number, number] {
  const q = infoOf(file.inode);
  return [file.flags & O_NONBLOCK, q.maxMsg, q.msgSize, q.messages.length];
}

/** The file system of one IPC namespace. */
export function newMqueueState(k: Kernel): MqueueState {
  const sb = k.vfs.newSuperBlock('mqueue', MQUEUE_MAGIC, false);
  const root = k.vfs.newInode(sb, S_IFDIR | 0o1777, dirOps, { fsync: () => 0 });
  k.vfs.makeRoot(sb, root);
  const mount: Mount = { id: 0, uniqueId: 0n, sb, root: sb.root, source: 'mqueue', flags: 0, ...unattached() };
  return new MqueueState(sb, mount);
}
export function mqueueInit(k: Kernel): void {
  k.ipc.mqueue = newMqueueState(k);
  k.vfs.register({ name: 'mqueue', nodev: true, mount: (kk) => kk.ipc.mqueue.sb });
}
