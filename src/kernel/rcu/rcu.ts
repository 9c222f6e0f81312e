import { callback_head as RCU } from '../../abi/layout/structs.ts';
import { interruptKind, raise } from '../irq/interrupt.ts';
import type { Kernel } from '../kernel.ts';
import { load64, store64 } from '../lib/guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, wakeUpAll } from '../sched/wait.ts';
import { TICK_NSEC } from '../time/timekeeping.ts';
import { timerKind } from '../time/timers.ts';
import { VMALLOC_END, VMALLOC_START, virtToPhys } from '../mm/address.ts';
import { vfree } from '../mm/vmalloc.ts';

// Read-copy-update (kernel/rcu/tree.c without PREEMPT_RCU): readers are code that does not give its CPU up, so a grace period is over when every CPU has
// been seen outside of kernel code or has switched tasks since it began.

interface Callback {
  /** The rcu_head, or for kvfree_call_rcu the object itself. */
  readonly head: number;
  readonly free: boolean;
}
export class RcuState {
  /** Grace periods that have ended. */
  completed = 0;
  /** A grace period runs: what it waits for, by CPU. */
  waitingFor: Set<number> | null = null;
  /** Callbacks of the period that runs, and of the one after it. */
  current: Callback[] = [];
  next: Callback[] = [];
  readonly waiters = new WaitQueueHead();
  /** Callbacks that are out and have not returned: what rcu_barrier waits for. */
  outstanding = 0;
}

/** kvfree. */
function freeKernelMemory(k: Kernel, addr: number): void {
  if (addr >= VMALLOC_START && addr < VMALLOC_END) vfree(k, addr);
  else k.mm.slab.kfree(virtToPhys(addr));
}
function startGracePeriod(k: Kernel): void {
  const { rcu } = k;
  if (rcu.waitingFor !== null) return;
  rcu.current = rcu.next;
  rcu.next = [];
  rcu.waitingFor = new Set(k.sched.runQueues.map((rq) => rq.cpu));
  k.time.addTimer({ at: k.time.now() + TICK_NSEC, kind: 'rcu', data: {} });
}
/** A CPU is between tasks, idle or in user mode: no reader on it (rcu_note_context_switch, rcu_qs). */
export function quiescentState(k: Kernel, cpu: number): void {
  k.rcu.waitingFor?.delete(cpu);
}
timerKind('rcu', (k) => {
  const { rcu } = k;
  if (rcu.waitingFor === null) return;
  if (rcu.waitingFor.size > 0) {
    k.time.addTimer({ at: k.time.now() + TICK_NSEC, kind: 'rcu', data: {} });
    return;
  }
  rcu.waitingFor = null;
  rcu.completed++;
  for (const { head, free } of rcu.current) {
    if (!free) raise(k, k.cpu, 'soft', 'rcu', { head });
    else {
      freeKernelMemory(k, head);
      rcu.outstanding--;
    }
  }
  rcu.current = [];
  wakeUpAll(k, rcu.waiters);
  if (rcu.next.length > 0 || rcu.waiters.entries.length > 0) startGracePeriod(k);
});
interruptKind('rcu', {
  begin(k, data) {
    return { fn: load64(k, data['head'] + RCU.func), args: [data['head']] };
  },
  end(k) {
    k.rcu.outstanding--;
    wakeUpAll(k, k.rcu.waiters);
  },
});
/** call_rcu: `func` is called with `head` after a grace period. */
export function callRcu(k: Kernel, head: number, func: number): void {
  store64(k, head + RCU.func, func);
  k.rcu.next.push({ head, free: false });
  k.rcu.outstanding++;
  startGracePeriod(k);
}
/** Waits for a whole grace period: one that begins now or later. */
function synchronize(k: Kernel): number | undefined {
  const { rcu } = k;
  const task = k.current;
  const target = (task.restart?.['target'] as number | undefined) ?? rcu.completed + (rcu.waitingFor === null ? 1 : 2);
  if (rcu.completed >= target || task.exitState !== 0) return undefined;
  task.restart = { target };
  addWaitQueue(k, rcu.waiters);
  task.state = TASK_UNINTERRUPTIBLE;
  startGracePeriod(k);
  return BLOCKED;
}
function barrier(k: Kernel): number | undefined {
  if (k.rcu.outstanding === 0 || k.current.exitState !== 0) return undefined;
  addWaitQueue(k, k.rcu.waiters);
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}
/** kvfree_call_rcu(head, ptr): kfree_rcu; without a head the caller may sleep, and waits itself. */
function kvfreeCallRcu(k: Kernel, head: number, ptr: number): number | undefined {
  if (head === 0) {
    if (synchronize(k) === BLOCKED) return BLOCKED;
    freeKernelMemory(k, ptr);
    return undefined;
  }
  k.rcu.next.push({ head: ptr, free: true });
  k.rcu.outstanding++;
  startGracePeriod(k);
  return undefined;
}

// Sleepable RCU: struct srcu_struct is opaque to modules; how many readers are inside is kept in its first word by us.
function srcuRead(k: Kernel, srcu: number): number {
  store64(k, srcu, load64(k, srcu) + 1);
  return 0;
}
function srcuUnlock(k: Kernel, srcu: number): void {
  const n = load64(k, srcu) - 1;
  store64(k, srcu, n);
  const waiters = k.locks.waiters(srcu);
  if (n === 0 && waiters !== null) wakeUpAll(k, waiters);
}
function srcuSync(k: Kernel, srcu: number): number | undefined {
  if (load64(k, srcu) !== 0 && k.current.exitState === 0) {
    addWaitQueue(k, k.locks.at(srcu));
    k.current.state = TASK_UNINTERRUPTIBLE;
    return BLOCKED;
  }
  return synchronize(k);
}

export const rcuExports: readonly FunctionExport[] = [
  fn('call_rcu', callRcu),
  fn('call_rcu_hurry', callRcu),
  fn('synchronize_rcu', synchronize),
  fn('synchronize_rcu_expedited', synchronize),
  fn('synchronize_net', synchronize),
  fn('rcu_barrier', barrier),
  fn('kvfree_rcu_barrier', barrier),
  fn('kvfree_call_rcu', kvfreeCallRcu),
  fn('rcu_is_watching', () => 1),
  fn('rcu_all_qs', () => undefined),
  fn('init_srcu_struct', (k, srcu) => {
    store64(k, srcu, 0);
    return 0;
  }),
  fn('cleanup_srcu_struct', () => undefined),
  fn('__srcu_read_lock', srcuRead),
  fn('__srcu_read_unlock', srcuUnlock),
  fn('synchronize_srcu', srcuSync),
  fn('synchronize_srcu_expedited', srcuSync),
  fn('call_srcu', (k, _srcu, head, func) => callRcu(k, head, func)),
  fn('srcu_barrier', barrier),
];
