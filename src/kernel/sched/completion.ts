import { ERESTARTSYS } from '../../abi/errno.ts';
import { completion as COMPLETION, swait_queue_head as SWAIT } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, store32 } from '../lib/guest_memory.ts';
import { initListHead } from '../lib/list.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { jiffiesDeadline, jiffiesLeft } from './exports.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_UNINTERRUPTIBLE, TASK_WAKEKILL } from './task.ts';
import { addWaitQueue, BLOCKED, wakeUp, wakeUpAll } from './wait.ts';

// Completions (kernel/sched/completion.c): done counts the ends that nobody has waited for yet; UINT_MAX is "for all, for ever".

const UINT_MAX = 0xffff_ffff;

function take(k: Kernel, done: number, c: number): void {
  if (done !== UINT_MAX) store32(k, c + COMPLETION.done, done - 1);
}
/** What is left of the time (at least 1), 0 when it ran out, -ERESTARTSYS, or BLOCKED. */
export function waitForCompletion(k: Kernel, c: number, jiffies: number, state: number): number {
  const task = k.current;
  const until = (task.restart?.['until'] as number | undefined) ?? jiffiesDeadline(k, jiffies);
  const done = load32(k, c + COMPLETION.done);
  if (done !== 0) {
    take(k, done, c);
    return until === Number.POSITIVE_INFINITY ? jiffies : Math.max(1, jiffiesLeft(k, until));
  }
  if ((state & TASK_INTERRUPTIBLE) !== 0 && signalPending(task)) return -ERESTARTSYS;
  if ((state & TASK_WAKEKILL) !== 0 && fatalSignalPending(task)) return -ERESTARTSYS;
  if (k.time.now() >= until || task.exitState !== 0) return 0;
  task.restart = { until };
  addWaitQueue(k, k.locks.at(c), true);
  k.sched.scheduleTimeout(task, until);
  task.state = state;
  return BLOCKED;
}
export function complete(k: Kernel, c: number): void {
  const done = load32(k, c + COMPLETION.done);
  if (done !== UINT_MAX) store32(k, c + COMPLETION.done, done + 1);
  const waiters = k.locks.waiters(c);
  if (waiters !== null) wakeUp(k, waiters, 1);
}
const FOREVER = Number.POSITIVE_INFINITY;
const untimed = (k: Kernel, c: number, state: number) => {
  const r = waitForCompletion(k, c, FOREVER, state);
  return r === BLOCKED || r < 0 ? r : 0;
};
const quiet = (k: Kernel, c: number) => (untimed(k, c, TASK_UNINTERRUPTIBLE) === BLOCKED ? BLOCKED : undefined);

export const completionExports: readonly FunctionExport[] = [
  fn('complete', complete),
  fn('complete_all', (k, c) => {
    store32(k, c + COMPLETION.done, UINT_MAX);
    const waiters = k.locks.waiters(c);
    if (waiters !== null) wakeUpAll(k, waiters);
  }),
  fn('wait_for_completion', quiet),
  fn('wait_for_completion_io', quiet),
  fn('wait_for_completion_timeout', (k, c, t) => waitForCompletion(k, c, t, TASK_UNINTERRUPTIBLE)),
  fn('wait_for_completion_io_timeout', (k, c, t) => waitForCompletion(k, c, t, TASK_UNINTERRUPTIBLE)),
  fn('wait_for_completion_interruptible', (k, c) => untimed(k, c, TASK_INTERRUPTIBLE)),
  fn('wait_for_completion_interruptible_timeout', (k, c, t) => waitForCompletion(k, c, t, TASK_INTERRUPTIBLE)),
  fn('wait_for_completion_killable', (k, c) => untimed(k, c, TASK_KILLABLE)),
  fn('wait_for_completion_killable_timeout', (k, c, t) => waitForCompletion(k, c, t, TASK_KILLABLE)),
  fn('wait_for_completion_state', (k, c, state) => untimed(k, c, state)),
  fn('try_wait_for_completion', (k, c) => {
    const done = load32(k, c + COMPLETION.done);
    if (done === 0) return 0;
    take(k, done, c);
    return 1;
  }),
  fn('completion_done', (k, c) => (load32(k, c + COMPLETION.done) !== 0 ? 1 : 0)),
  fn('__init_swait_queue_head', (k, q) => {
    store32(k, q + SWAIT.lock, 0);
    initListHead(k, q + SWAIT.task_list);
  }),
];
