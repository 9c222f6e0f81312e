import { EAGAIN, EDEADLK, EINVAL } from '../../abi/errno.ts';
import { majorOf, minorOf } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { hex } from '../lib/seq_file.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import type { Task } from '../sched/task.ts';
import type { FilesStruct } from './file_table.ts';
import type { Lease } from './lease.ts';
import type { File, Inode } from './types.ts';

// POSIX record locks (owner: descriptor table), OFD locks and flock (owner: open file). fs/locks.c.

export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

export interface FileLock {
  readonly owner: FilesStruct | File;
  /** What it was set through. */
  readonly file: File;
  readonly pid: number;
  readonly flock: boolean;
  type: number;
  start: number;
  /** Exclusive; Infinity to the end of the file. */
  end: number;
  /** Order of coming. */
  seq?: number;
}
/** A task that sleeps for a lock, or (want: a type) for a lease to be given up. */
interface LockWaiter {
  readonly task: Task;
  readonly inode: Inode;
  readonly want: FileLock | number;
}
export interface LockTable {
  /** By start; of equal ones the newest last. */
  list: FileLock[];
  readonly leases: Lease[];
  readonly queue: WaitQueueHead;
}
/** All locks of the system, for /proc/locks and deadlock detection (on the Vfs). */
export class FileLocks {
  readonly tables = new Set<Inode>();
  waiters: LockWaiter[] = [];
  nextSeq = 1;
  /** Seconds (/proc/sys/fs/lease-break-time). */
  leaseBreakTime = 45;
}

export function lockTable(k: Kernel, inode: Inode): LockTable {
  inode.locks ??= { list: [], leases: [], queue: new WaitQueueHead() };
  k.vfs.locks.tables.add(inode);
  return inode.locks;
}
function forgetEmpty(k: Kernel, inode: Inode): void {
  if (inode.locks !== null && inode.locks.list.length === 0 && inode.locks.leases.length === 0) k.vfs.locks.tables.delete(inode);
}

function conflicts(l: FileLock, want: FileLock): boolean {
  return (
    l.flock === want.flock &&
    l.owner !== want.owner &&
    l.start < want.end &&
    want.start < l.end &&
    (l.type === F_WRLCK || want.type === F_WRLCK)
  );
}
/** The first lock that keeps `want` out, or null. */
export function conflict(inode: Inode, want: FileLock): FileLock | null {
  return inode.locks?.list.find((l) => conflicts(l, want)) ?? null;
}
/** The first lock of the same owner in the range (F_OFD_GETLK with F_UNLCK). */
export function ownLock(inode: Inode, want: FileLock): FileLock | null {
  return inode.locks?.list.find((l) => !l.flock && l.owner === want.owner && l.start < want.end && want.start < l.end) ?? null;
}
/** Those that really wait still: one that was signalled has left its queue. */
function liveWaiters(k: Kernel): LockWaiter[] {
  const { locks } = k.vfs;
  locks.waiters = locks.waiters.filter((w) => w.task.waitEntries.some((e) => e.queue === w.inode.locks?.queue));
  return locks.waiters;
}
/** Would sleeping for a lock of `holder` close a circle back to `owner`? (posix_locks_deadlock; OFD locks have no part in it) */
function deadlock(k: Kernel, owner: FilesStruct | File, holder: FilesStruct | File): boolean {
  let at = holder;
  for (let i = 0; i <= 10; i++) {
    if (at === owner) return true;
    const w = liveWaiters(k).find((x) => typeof x.want !== 'number' && !x.want.flock && x.want.owner === at);
    const next = w === undefined || typeof w.want === 'number' ? null : conflict(w.inode, w.want);
    if (next === null) return false;
    at = next.owner;
  }
  return false;
}

/** Sets or clears a lock; waits (BLOCKED) when `wait`, else -EAGAIN. */
export function setLock(k: Kernel, inode: Inode, want: FileLock, wait: boolean): number {
  const t = lockTable(k, inode);
  if (k.vfs.locks.waiters.length > 0) k.vfs.locks.waiters = k.vfs.locks.waiters.filter((w) => w.task !== k.current);
  if (want.type !== F_UNLCK) {
    if (want.type !== F_RDLCK && want.type !== F_WRLCK) return -EINVAL;
    const other = conflict(inode, want);
    if (other !== null) {
      // flock's conversion drops the old lock first: it is lost when the new one cannot be had.
      if (!wait) {
        if (want.flock) remove(k, t, want);
        return -EAGAIN;
      }
      if (!want.flock && want.owner !== want.file && deadlock(k, want.owner, other.owner)) return -EDEADLK;
      if (want.flock) remove(k, t, want);
      const r = waitInterruptible(k, t.queue);
      if (r === BLOCKED) k.vfs.locks.waiters.push({ task: k.current, inode, want });
      return r;
    }
  }
  insert(k, t, want);
  forgetEmpty(k, inode);
  wakeUpAll(k, t.queue);
  return 0;
}
/** An equal lock that is held already stays as it is; neighbours of the same type join (posix_lock_inode). */
function insert(k: Kernel, t: LockTable, want: FileLock): void {
  const own = (l: FileLock) => l.flock === want.flock && l.owner === want.owner && l.start <= want.end && l.end >= want.start;
  if (!t.list.some(own)) {
    if (want.type !== F_UNLCK) t.list.splice(indexAfter(t.list, want.start), 0, { ...want, seq: k.vfs.locks.nextSeq++ });
    return;
  }
  let { start, end } = want;
  let seq = 0;
  const kept: FileLock[] = [];
  for (const l of t.list) {
    const own = l.flock === want.flock && l.owner === want.owner;
    if (own && l.type === want.type && l.start <= end && l.end >= start) {
      start = Math.min(start, l.start);
      end = Math.max(end, l.end);
      seq ||= l.seq ?? 0;
      continue;
    }
    if (!own || l.end <= want.start || l.start >= want.end) {
      kept.push(l);
      continue;
    }
    // Of a lock that is split the right part stays the old one.
    if (l.start < want.start) kept.push({ ...l, end: want.start, ...(l.end > want.end ? { seq: k.vfs.locks.nextSeq++ } : {}) });
    if (l.end > want.end) kept.push({ ...l, start: want.end });
  }
  if (want.type !== F_UNLCK) kept.push({ ...want, start, end, seq: seq || k.vfs.locks.nextSeq++ });
  kept.sort((a, b) => a.start - b.start);
  t.list = kept;
}
/** Where a lock that begins at `start` comes. */
function indexAfter(list: readonly FileLock[], start: number): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (list[mid].start > start) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}
function remove(k: Kernel, t: LockTable, want: FileLock): void {
  const i = t.list.findIndex((l) => l.flock === want.flock && l.owner === want.owner);
  if (i < 0) return;
  t.list.splice(i, 1);
  wakeUpAll(k, t.queue);
}

/** On close: POSIX locks of the table `owner` go with any descriptor; with the last reference (owner null) flock locks, OFD locks and leases. */
export function dropLocks(k: Kernel, file: File, owner: FilesStruct | null): void {
  const t = file.inode.locks;
  if (t === null) return;
  const gone = owner ?? file;
  const rest = t.list.filter((l) => l.owner !== gone);
  const leases = owner === null ? t.leases.filter((l) => l.file !== file) : t.leases;
  if (rest.length === t.list.length && leases.length === t.leases.length) return;
  t.list = rest;
  t.leases.splice(0, t.leases.length, ...leases);
  forgetEmpty(k, file.inode);
  wakeUpAll(k, t.queue);
}

const typeName = (type: number) => (type === F_WRLCK ? 'WRITE' : type === F_RDLCK ? 'READ' : 'UNLCK');
const where = (pid: number, inode: Inode) => `${pid} ${hex(majorOf(inode.sb.dev), 2)}:${hex(minorOf(inode.sb.dev), 2)}:${inode.ino}`;
function showLock(l: FileLock, inode: Inode): string {
  if (l.flock) return `FLOCK  ADVISORY  ${typeName(l.type)} ${where(l.pid, inode)} 0 EOF`;
  const kind = l.owner === l.file ? 'OFDLCK' : 'POSIX ';
  return `${kind} ADVISORY  ${typeName(l.type)} ${where(l.pid, inode)} ${l.start} ${l.end === Number.POSITIVE_INFINITY ? 'EOF' : l.end - 1}`;
}
function showLease(l: Lease, inode: Inode): string {
  return `LEASE  ${l.breakTo === null ? 'ACTIVE   ' : 'BREAKING '} ${typeName(l.breakTo ?? l.type)} ${where(l.pid, inode)} 0 EOF`;
}
/** /proc/locks: the newest first, each followed by those who wait for it (locks_show). */
export function showLocks(k: Kernel): string {
  const all: { seq: number; line: string; inode: Inode; lock: FileLock | null }[] = [];
  for (const inode of k.vfs.locks.tables) {
    for (const lock of inode.locks?.list ?? []) all.push({ seq: lock.seq ?? 0, line: showLock(lock, inode), inode, lock });
    for (const lease of inode.locks?.leases ?? []) all.push({ seq: lease.seq, line: showLease(lease, inode), inode, lock: null });
  }
  all.sort((a, b) => b.seq - a.seq);
  const waiters = liveWaiters(k);
  let text = '';
  all.forEach(({ line, inode, lock }, i) => {
    text += `${i + 1}: ${line}\n`;
    for (const { inode: on, want, task } of waiters) {
      if (on !== inode) continue;
      if (typeof want === 'number') {
        if (lock === null) text += `${i + 1}: -> LEASE  BREAKER   ${typeName(want)} ${where(task.tgid, inode)} 0 EOF\n`;
      } else if (lock !== null && conflict(inode, want) === lock) text += `${i + 1}: -> ${showLock(want, inode)}\n`;
    }
  });
  return text;
}
/** The lines of /proc/PID/fdinfo for locks that were set through `file` (show_fd_locks). */
export function showFdLocks(file: File, files: FilesStruct): string {
  const t = file.inode.locks;
  if (t === null) return '';
  const mine = t.list.filter((l) => l.file === file && (l.owner === file || l.owner === files));
  const lines = [...mine.filter((l) => l.flock), ...mine.filter((l) => !l.flock)].map((l) => showLock(l, file.inode));
  for (const l of t.leases) if (l.file === file) lines.push(showLease(l, file.inode));
  return lines.map((line, i) => `lock:\t${i + 1}: ${line}\n`).join('');
}
