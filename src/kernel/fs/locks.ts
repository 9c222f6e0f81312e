import { EAGAIN, EDEADLK, EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import type { FilesStruct } from './file_table.ts';
import type { File, Inode } from './types.ts';

// POSIX record locks (owner: descriptor table), OFD locks and flock (owner: open file). fs/locks.c.

export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

export interface FileLock {
  readonly owner: FilesStruct | File;
  readonly pid: number;
  readonly flock: boolean;
  type: number;
  start: number;
  /** Exclusive; Infinity to the end of the file. */
  end: number;
}
export interface LockTable {
  readonly list: FileLock[];
  readonly queue: WaitQueueHead;
  /** POSIX locks that tasks sleep for: deadlock detection looks here. */
  readonly waiting: { owner: FilesStruct | File; want: FileLock }[];
}

function table(inode: Inode): LockTable {
  inode.locks ??= { list: [], queue: new WaitQueueHead(), waiting: [] };
  return inode.locks;
}

/** The first lock that keeps `want` out, or null. */
export function conflict(inode: Inode, want: FileLock): FileLock | null {
  return (
    inode.locks?.list.find(
      (l) =>
        l.flock === want.flock &&
        l.owner !== want.owner &&
        l.start < want.end &&
        want.start < l.end &&
        (l.type === F_WRLCK || want.type === F_WRLCK),
    ) ?? null
  );
}
/** The first lock of the same owner in the range (F_OFD_GETLK with F_UNLCK). */
export function ownLock(inode: Inode, want: FileLock): FileLock | null {
  return inode.locks?.list.find((l) => !l.flock && l.owner === want.owner && l.start < want.end && want.start < l.end) ?? null;
}
/** Would sleeping for a lock of `holder` close a circle back to `owner`? (posix_locks_deadlock; one inode at a time) */
function deadlock(t: LockTable, inode: Inode, owner: FilesStruct | File, holder: FilesStruct | File, depth = 0): boolean {
  if (holder === owner) return true;
  if (depth > 10) return false;
  const wait = t.waiting.find((w) => w.owner === holder);
  const next = wait === undefined ? null : conflict(inode, wait.want);
  return next !== null && deadlock(t, inode, owner, next.owner, depth + 1);
}

/** Sets or clears a lock; waits (BLOCKED) when `wait`, else -EAGAIN. */
export function setLock(k: Kernel, inode: Inode, want: FileLock, wait: boolean): number {
  const t = table(inode);
  const mine = t.waiting.findIndex((w) => w.owner === want.owner);
  if (mine >= 0) t.waiting.splice(mine, 1);
  if (want.type !== F_UNLCK) {
    if (want.type !== F_RDLCK && want.type !== F_WRLCK) return -EINVAL;
    const other = conflict(inode, want);
    if (other !== null) {
      if (!wait) {
        // flock's conversion drops the old lock first: it is lost when the new one cannot be had.
        if (want.flock) remove(k, t, want);
        return -EAGAIN;
      }
      if (!want.flock && deadlock(t, inode, want.owner, other.owner)) return -EDEADLK;
      if (want.flock) remove(k, t, want);
      const r = waitInterruptible(k, t.queue);
      if (r === BLOCKED && !want.flock) t.waiting.push({ owner: want.owner, want });
      return r;
    }
  }
  // An equal lock that is held already stays as it is; neighbours of the same type join.
  let { start, end } = want;
  const kept: FileLock[] = [];
  for (const l of t.list) {
    const own = l.flock === want.flock && l.owner === want.owner;
    const joins = own && l.type === want.type && l.start <= end && l.end >= start;
    if (joins) {
      start = Math.min(start, l.start);
      end = Math.max(end, l.end);
      continue;
    }
    if (!own || l.end <= want.start || l.start >= want.end) {
      kept.push(l);
      continue;
    }
    if (l.start < want.start) kept.push({ ...l, end: want.start });
    if (l.end > want.end) kept.push({ ...l, start: want.end });
  }
  if (want.type !== F_UNLCK) kept.push({ ...want, start, end });
  kept.sort((a, b) => a.start - b.start);
  t.list.splice(0, t.list.length, ...kept);
  wakeUpAll(k, t.queue);
  return 0;
}
function remove(k: Kernel, t: LockTable, want: FileLock): void {
  const i = t.list.findIndex((l) => l.flock === want.flock && l.owner === want.owner);
  if (i < 0) return;
  t.list.splice(i, 1);
  wakeUpAll(k, t.queue);
}

/** On close: POSIX locks of the table `owner` go with any descriptor; with the last reference (owner null) flock and OFD locks. */
export function dropLocks(k: Kernel, file: File, owner: FilesStruct | null): void {
  const t = file.inode.locks;
  if (t === null) return;
  const gone = owner ?? file;
  const rest = t.list.filter((l) => l.owner !== gone);
  if (rest.length === t.list.length) return;
  t.list.splice(0, t.list.length, ...rest);
  wakeUpAll(k, t.queue);
}
