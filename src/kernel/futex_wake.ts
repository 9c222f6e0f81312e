import { Access } from '../machine/api.ts';
import type { Kernel } from './kernel.ts';
import { userPage } from './mm/uaccess.ts';
import { tryToWakeUp } from './sched/core.ts';

/** Wakes up to `count` waiters on the futex word at `uaddr` of the current task whose bitset meets `mask`. How many. */
export function futexWakeAddress(k: Kernel, uaddr: number, count: number, mask = 0xffff_ffff): number {
  const pa = userPage(k, uaddr, Access.READ);
  return pa === 0 ? 0 : futexWakeKey(k, pa, count, mask);
}
/** Futexes are known by the physical address of their word: any mapping of it is the same futex. */
export function futexWakeKey(k: Kernel, key: number, count: number, mask = 0xffff_ffff): number {
  const queue = k.futexes.get(key);
  if (queue === undefined) return 0;
  let woken = 0;
  for (const entry of [...queue.entries]) {
    if (woken >= count) break;
    if ((entry.key & mask) === 0) continue;
    entry.task.restart = { ...entry.task.restart, futexWoken: true };
    if (tryToWakeUp(k, entry.task)) woken++;
  }
  if (queue.entries.length === 0) k.futexes.delete(key);
  return woken;
}
