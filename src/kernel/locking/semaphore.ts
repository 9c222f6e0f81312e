import { EINTR, ETIME } from '../../abi/errno.ts';
import { semaphore as SEM } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, store32 } from '../lib/guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { jiffiesDeadline } from '../sched/exports.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, wakeUp } from '../sched/wait.ts';

// Counting semaphores (kernel/locking/semaphore.c). up() gives to the first waiter what it came for: the count does not rise, and nobody can take it first.

function down(k: Kernel, sem: number, state: number, jiffies = Number.POSITIVE_INFINITY): number {
  const task = k.current;
  if (task.restart?.['given'] === true) return 0;
  if (task.restart === null && load32(k, sem + SEM.count) > 0) {
    store32(k, sem + SEM.count, load32(k, sem + SEM.count) - 1);
    return 0;
  }
  if (state === TASK_INTERRUPTIBLE && signalPending(task)) return -EINTR;
  if (state === TASK_KILLABLE && fatalSignalPending(task)) return -EINTR;
  const until = (task.restart?.['until'] as number | undefined) ?? jiffiesDeadline(k, jiffies);
  if (k.time.now() >= until) return -ETIME;
  if (task.exitState !== 0) return 0;
  task.restart = { until };
  addWaitQueue(k, k.locks.at(sem), true);
  k.sched.scheduleTimeout(task, until);
  task.state = state;
  return BLOCKED;
}
function up(k: Kernel, sem: number): void {
  const first = k.locks.waiters(sem)?.entries[0];
  if (first === undefined) {
    store32(k, sem + SEM.count, load32(k, sem + SEM.count) + 1);
    return;
  }
  first.task.restart = { given: true };
  wakeUp(k, first.queue, 1);
}
export const semaphoreExports: readonly FunctionExport[] = [
  fn('down', (k, sem) => (down(k, sem, TASK_UNINTERRUPTIBLE) === BLOCKED ? BLOCKED : undefined)),
  fn('down_interruptible', (k, sem) => down(k, sem, TASK_INTERRUPTIBLE)),
  fn('down_killable', (k, sem) => down(k, sem, TASK_KILLABLE)),
  fn('down_timeout', (k, sem, jiffies) => down(k, sem, TASK_UNINTERRUPTIBLE, jiffies)),
  // 0 when it was taken.
  fn('down_trylock', (k, sem) => {
    const count = load32(k, sem + SEM.count);
    if (count === 0) return 1;
    store32(k, sem + SEM.count, count - 1);
    return 0;
  }),
  fn('up', up),
];
