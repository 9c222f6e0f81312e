import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, ROBUST_LIST_LIMIT } from '../../abi/futex.ts';
import type { Kernel } from '../kernel.ts';
import { getUser64, getUserBig } from '../mm/uaccess.ts';
import { pidNrNs } from '../pid_namespace.ts';
import type { Task } from '../sched/task.ts';
import { futexWake, unqueue, wordForWrite } from './core.ts';
import { exitPiStates } from './pi.ts';

// Locks whose owners die (kernel/futex/core.c; Documentation/locking/robust-futexes.rst).

/** A lock whose owner dies: marks it and wakes one waiter (handle_futex_death). False stops the walk. */
function futexDeath(k: Kernel, task: Task, uaddr: number, pi: boolean, pending: boolean): boolean {
  if (!(uaddr >= 0) || uaddr % 4 !== 0) return false;
  const pa = wordForWrite(k, uaddr);
  if (pa === 0) return false;
  const word = k.ram.read32(pa);
  const owner = word & FUTEX_TID_MASK;
  if (pending && !pi && owner === 0) {
    // Unlocked already, but its waiter may have been missed.
    futexWake(k, uaddr, true, 1, 0xffff_ffff);
    return true;
  }
  if (owner !== pidNrNs(task.pid, task.pidNs)) return true;
  k.ram.write32(pa, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
  // The waiters of a PI lock are those of exitPiStates.
  if (!pi && (word & FUTEX_WAITERS) !== 0) futexWake(k, uaddr, true, 1, 0xffff_ffff);
  return true;
}

/** Walks the robust list of the current task as it dies or execs (exit_robust_list). Hostile lists end at a fault or the limit. */
function exitRobustList(k: Kernel, task: Task): void {
  const head = task.robustList;
  if (head === 0) return;
  task.robustList = 0;
  const fetch = (at: number): { entry: number; pi: boolean } | null => {
    const raw = getUserBig(k, at);
    return raw === null ? null : { entry: Number(raw & ~1n), pi: (raw & 1n) !== 0n };
  };
  let next = fetch(head);
  const offset = getUser64(k, head + 8);
  const pending = fetch(head + 16);
  if (next === null || offset === null || pending === null) return;
  for (let i = 0; i < ROBUST_LIST_LIMIT && next !== null && next.entry !== head; i++) {
    const { entry, pi } = next;
    next = fetch(entry);
    // The entry may be the one whose list operation was cut short: that one comes last.
    if (entry !== pending.entry && !futexDeath(k, task, entry + offset, pi, false)) return;
  }
  if (pending.entry !== 0) futexDeath(k, task, pending.entry + offset, pending.pi, true);
}

/** The current task leaves its address space (exit or exec): called while that is still mapped (futex_exit_release, mm_release). */
export function futexExit(k: Kernel, task: Task): void {
  for (const q of k.futexes.waitsOf(task)) unqueue(k, q);
  if (task === k.current && task.mm !== null) exitRobustList(k, task);
  exitPiStates(k, task);
}
