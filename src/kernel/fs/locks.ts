import { EAGAIN, EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
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

const locksOf = new WeakMap<Inode, { list: FileLock[]; queue: WaitQueueHead }>();
function table(inode: Inode) {
  let t = locksOf.get(inode);
  if (t === undefined) {
    t = { list: [], queue: new WaitQueueHead() };
    locksOf.set(inode, t);
  }
  return t;
}

/** The first lock that keeps `want` out, or null. */
export function conflict(inode: Inode, want: FileLock): FileLock | null {
  return (
    table(inode).list.find(
      (l) => l.flock === want.flock && l.owner !== want.owner && l.start < want.end && want.start < l.end && (l.type === F_WRLCK || want.type === F_WRLCK),
    ) ?? null
  );
}

/** Sets or clears a lock; waits (BLOCKED) when `wait`, else -EAGAIN. */
export function setLock(k: Kernel, inode: Inode, want: FileLock, wait: boolean): number {
  const t = table(inode);
  if (want.type !== F_UNLCK) {
    if (want.type !== F_RDLCK && want.type !== F_WRLCK) return -EINVAL;
    if (conflict(inode, want) !== null) return wait ? waitInterruptible(k, t.queue) : -EAGAIN;
  }
  const kept: FileLock[] = [];
  for (const l of t.list) {
    if (l.flock !== want.flock || l.owner !== want.owner || l.end <= want.start || l.start >= want.end) {
      kept.push(l);
      continue;
    }
    if (l.start < want.start) kept.push({ ...l, end: want.start });
    if (l.end > want.end) kept.push({ ...l, start: want.end });
  }
  if (want.type !== F_UNLCK) kept.push(want);
  t.list.splice(0, t.list.length, ...kept);
  wakeUpAll(k, t.queue);
  return 0;
}

/** On close: POSIX locks of the table go with any descriptor, flock and OFD locks with the last reference. */
export function dropLocks(k: Kernel, file: File, owner: FilesStruct): void {
  const t = locksOf.get(file.inode);
  if (t === undefined) return;
  const before = t.list.length;
  const rest = t.list.filter((l) => l.owner !== owner && !(l.owner === file && file.refs <= 1));
  t.list.splice(0, t.list.length, ...rest);
  if (rest.length !== before) wakeUpAll(k, t.queue);
}
