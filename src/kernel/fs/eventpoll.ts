import { EBADF, EEXIST, EINVAL, EINTR, ELOOP, ENOENT, EPERM, ERESTARTSYS } from '../../abi/errno.ts';
import { O_CLOEXEC, O_PATH, O_RDWR, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser } from '../mm/uaccess.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import { installAnon, noopLlseek } from './anon_inodes.ts';
import { endPollRound } from './module_poll.ts';
import { PollTable } from './select.ts';
import type { File, FileOperations } from './types.ts';

// The epoll instance (fs/eventpoll.c, epoll(7)). Files are asked with their poll operation when somebody waits; wait queues count their
// wake-ups, so that an edge is "this queue was woken since the last report".

interface EpItem {
  readonly fd: number;
  readonly file: File;
  events: number;
  data: bigint;
  /** Sum of wake-ups of the file's queues at the last edge-triggered report; -1 = report the present state. */
  seen: number;
}
interface EventPoll {
  readonly items: Map<string, EpItem>;
  /** Waiters of the instance: woken when the interest list changes. */
  readonly queue: WaitQueueHead;
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLEXCLUSIVE = 1 << 28;
const EPOLLWAKEUP = 1 << 29;
const EPOLLONESHOT = 1 << 30;
const EPOLLET = 1 << 31;
/** What an item that is woken alone may ask for (EPOLLEXCLUSIVE_OK_BITS). */
const EXCLUSIVE_OK_BITS = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
const PRIVATE_BITS = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/** EP_MAX_NESTS. */
const MAX_NESTS = 4;
/** struct epoll_event on riscv64 is not packed: events at 0, data at 8. */
const EVENT_SIZE = 16;

/** Gathers the queues that a file's readiness depends on, without sleeping on any. */
class QueueCollector extends PollTable {
  readonly queues: WaitQueueHead[] = [];
  /** For each queue: only one waiter is to be woken (EPOLLEXCLUSIVE). */
  readonly exclusive: boolean[] = [];
  /** Items that are woken alone are not ready. */
  missed = false;
  private wanted = -1;
  private one = false;
  /** The item that is asked now: wake-ups for other events than its own are dropped (ep_poll_callback). */
  begin(item: EpItem): void {
    this.wanted = item.events & ~PRIVATE_BITS;
    this.one = (item.events & EPOLLEXCLUSIVE) !== 0;
  }
  override add(queue: WaitQueueHead, events = -1): void {
    if ((events & this.wanted) === 0) return;
    this.queues.push(queue);
    this.exclusive.push(this.one);
  }
}

const itemKey = (fd: number, file: File) => `${fd} ${file.inode.ino} ${file.inode.sb.dev}`;

/** Drops items whose file was closed. */
function purge(ep: EventPoll): void {
  for (const [key, item] of ep.items) if (item.file.refs <= 0) ep.items.delete(key);
}

interface Ready {
  readonly mask: number;
  readonly wakes: number;
}
/** What of `item` is to be reported now; null: a module's poll function has only been started. */
function itemReady(k: Kernel, item: EpItem, table: QueueCollector): Ready | null {
  const wanted = item.events & ~PRIVATE_BITS;
  if (wanted === 0 || (table.missed && (item.events & EPOLLEXCLUSIVE) !== 0)) return { mask: 0, wakes: 0 };
  const from = table.queues.length;
  table.begin(item);
  const all = item.file.op.poll?.(k, item.file, table) ?? 0;
  if (all === BLOCKED) return null;
  const mask = all & (wanted | POLLERR | POLLHUP);
  let wakes = 0;
  for (let i = from; i < table.queues.length; i++) wakes += table.queues[i].wakes;
  const edge = (item.events & EPOLLET) !== 0;
  return { mask: edge && wakes === item.seen ? 0 : mask, wakes };
}

const eventpollOps: FileOperations = {
  llseek: noopLlseek,
  poll(k, file, table) {
    const ep = file.data as EventPoll;
    purge(ep);
    table?.add(ep.queue);
    const collector = new QueueCollector(k);
    let any = false;
    for (const item of ep.items.values()) {
      const ready = itemReady(k, item, collector);
      if (ready === null) return BLOCKED;
      if (ready.mask !== 0) any = true;
    }
    for (const queue of collector.queues) table?.add(queue);
    return any ? POLLIN | POLLRDNORM : 0;
  },
};
function epollOf(file: File): EventPoll | null {
  return file.op === eventpollOps ? (file.data as EventPoll) : null;
}

export function epollCreate1(k: Kernel, flags: number): number {
  if ((flags & ~O_CLOEXEC) !== 0) return -EINVAL;
  const ep: EventPoll = { items: new Map(), queue: new WaitQueueHead() };
  return installAnon(k, 'anon_inode:[eventpoll]', eventpollOps, ep, O_RDWR, (flags & O_CLOEXEC) !== 0);
}

/** How deep epoll instances nest below `ep`; more than the limit when `target` is among them. */
function depthOf(ep: EventPoll, target: EventPoll, depth: number): number {
  if (ep === target || depth > MAX_NESTS) return MAX_NESTS + 1;
  let deepest = depth;
  for (const item of ep.items.values()) {
    const inner = epollOf(item.file);
    if (inner !== null) deepest = Math.max(deepest, depthOf(inner, target, depth + 1));
  }
  return deepest;
}

export function epollCtl(k: Kernel, epfd: number, op: number, fd: number, event: { events: number; data: bigint } | null): number {
  const { files } = k.current;
  const epFile = files.get(epfd);
  const file = files.get(fd);
  if (epFile === null || file === null || ((epFile.flags | file.flags) & O_PATH) !== 0) return -EBADF;
  if (file.op.poll === undefined) return -EPERM;
  const ep = epollOf(epFile);
  if (ep === null || file === epFile) return -EINVAL;
  if (event !== null && (event.events & EPOLLEXCLUSIVE) !== 0) {
    if (op === EPOLL_CTL_MOD) return -EINVAL;
    if (op === EPOLL_CTL_ADD && (epollOf(file) !== null || (event.events & ~EXCLUSIVE_OK_BITS) !== 0)) return -EINVAL;
  }
  const key = itemKey(fd, file);
  purge(ep);
  const item = ep.items.get(key);
  // EPOLLERR and EPOLLHUP are always asked for.
  const events = (event?.events ?? 0) | POLLERR | POLLHUP;
  switch (op) {
    case EPOLL_CTL_ADD: {
      if (item !== undefined) return -EEXIST;
      const inner = epollOf(file);
      if (inner !== null && depthOf(inner, ep, 1) > MAX_NESTS) return -ELOOP;
      ep.items.set(key, { fd, file, events, data: event?.data ?? 0n, seen: -1 });
      wakeUpAll(k, ep.queue);
      return 0;
    }
    case EPOLL_CTL_DEL:
      return ep.items.delete(key) ? 0 : -ENOENT;
    case EPOLL_CTL_MOD:
      if (item === undefined) return -ENOENT;
      if ((item.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
      item.events = events;
      item.data = event?.data ?? 0n;
      item.seen = -1;
      wakeUpAll(k, ep.queue);
      return 0;
    default:
      return -EINVAL;
  }
}

/** The file that `fd` was when it was added; `skip` of the same number are passed over (get_epoll_tfile_raw_ptr). */
export function epollTarget(epfile: File, fd: number, skip: number): File | number {
  const ep = epollOf(epfile);
  if (ep === null) return -EINVAL;
  purge(ep);
  let left = skip;
  for (const item of ep.items.values()) if (item.fd === fd && left-- === 0) return item.file;
  return -ENOENT;
}

/** Reports up to `max` ready items to `buf`: how many, or -EFAULT. Reported items go to the end of the line. */
function sendEvents(k: Kernel, ep: EventPoll, buf: number, max: number, table: QueueCollector): number {
  purge(ep);
  const found: [string, EpItem, Ready][] = [];
  for (const [key, item] of ep.items) {
    if (found.length >= max) break;
    const ready = itemReady(k, item, table);
    if (ready === null) return BLOCKED;
    if (ready.mask !== 0) found.push([key, item, ready]);
  }
  let n = 0;
  for (const [key, item, { mask, wakes }] of found) {
    const bytes = new Uint8Array(EVENT_SIZE);
    const v = new DataView(bytes.buffer);
    v.setUint32(0, mask >>> 0, true);
    v.setBigInt64(8, item.data, true);
    if (copyToUser(k, buf + n * EVENT_SIZE, bytes) < 0) return n > 0 ? n : -14;
    n++;
    item.seen = wakes;
    if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE_BITS;
    ep.items.delete(key);
    ep.items.set(key, item);
  }
  return n;
}

/** epoll_wait with a deadline in virtual ns (0 = do not sleep). */
export function epollWait(k: Kernel, epfd: number, buf: number, max: number, deadline: number): number {
  if (max <= 0 || max > 0x7fff_ffff / EVENT_SIZE) return -EINVAL;
  const file = k.current.files.get(epfd);
  if (file === null) return -EBADF;
  const ep = epollOf(file);
  if (ep === null) return -EINVAL;
  const table = new QueueCollector(k);
  // Who waited in vain for a wake-up that another one got hears nothing, though the file is ready.
  table.missed = k.current.restart?.['waited'] === true && deadline <= k.time.now();
  const n = sendEvents(k, ep, buf, max, table);
  if (n !== 0 || deadline <= k.time.now()) return n;
  endPollRound(k.current);
  const r = waitInterruptible(k, ep.queue);
  if (r !== BLOCKED) return r === -ERESTARTSYS ? -EINTR : r;
  for (const [i, queue] of table.queues.entries()) addWaitQueue(k, queue, table.exclusive[i]);
  k.sched.scheduleTimeout(k.current, deadline);
  k.current.restart = { ...k.current.restart, waited: true };
  return BLOCKED;
}
