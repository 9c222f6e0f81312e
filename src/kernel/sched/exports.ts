import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/exports.ts';
import { writeKernel32, writeKernel64 } from '../mm/maccess.ts';
import { imageToVirt } from '../mm/address.ts';
import { signalPending } from '../signal.ts';
import { TICK_NSEC } from '../time/timekeeping.ts';
import { TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE } from './task.ts';
import { BLOCKED } from './wait.ts';

// What kernel/sched exports, and sleeping by time (kernel/time/sleep_timeout.c).

const MAX_SCHEDULE_TIMEOUT = 2 ** 63;

/** schedule(): gives the hart up as the task's state says; once it has run again the call is over. */
function schedule(k: Kernel): number {
  const task = k.current;
  if (task.restart?.['scheduled'] === true) return 0;
  task.restart = { scheduled: true };
  if (task.state === TASK_INTERRUPTIBLE && signalPending(task)) task.state = TASK_RUNNING;
  return BLOCKED;
}
/** Sleeps for so many jiffies in the task's state; what is left of them. */
export function scheduleTimeout(k: Kernel, jiffies: number): number {
  const task = k.current;
  const until = task.restart?.['until'];
  const now = k.time.now();
  if (typeof until === 'number') {
    task.state = TASK_RUNNING;
    return until === Number.POSITIVE_INFINITY ? MAX_SCHEDULE_TIMEOUT : Math.max(0, Math.ceil((until - now) / TICK_NSEC));
  }
  if (jiffies < 0) {
    k.printk.log(3, `schedule_timeout: wrong timeout value ${BigInt.asUintN(64, BigInt(jiffies)).toString(16)}`);
    task.state = TASK_RUNNING;
    return 0;
  }
  const deadline = jiffies >= 0x7fff_ffff_ffff_fc00 ? Number.POSITIVE_INFINITY : now + jiffies * TICK_NSEC;
  if (task.state === TASK_INTERRUPTIBLE && signalPending(task)) task.state = TASK_RUNNING;
  if (task.state === TASK_RUNNING) return Math.max(0, jiffies);
  task.restart = { until: deadline };
  k.sched.scheduleTimeout(task, deadline);
  return BLOCKED;
}
function sleepIn(k: Kernel, state: number, jiffies: number): number {
  if (k.current.restart === null) k.current.state = state;
  return scheduleTimeout(k, jiffies);
}
const msecsToJiffies = (ms: number) => Math.ceil((ms >>> 0) / 4);

export const schedExports: readonly FunctionExport[] = [
  fn('schedule', schedule),
  fn('schedule_timeout', scheduleTimeout),
  fn('schedule_timeout_interruptible', (k, n) => sleepIn(k, TASK_INTERRUPTIBLE, n)),
  fn('schedule_timeout_uninterruptible', (k, n) => sleepIn(k, TASK_UNINTERRUPTIBLE, n)),
  fn('msleep', (k, ms) => {
    const r = sleepIn(k, TASK_UNINTERRUPTIBLE, msecsToJiffies(ms));
    return r === BLOCKED ? BLOCKED : undefined;
  }),
  // Milliseconds that were left when a signal came.
  fn('msleep_interruptible', (k, ms) => {
    const r = sleepIn(k, TASK_INTERRUPTIBLE, msecsToJiffies(ms));
    return r === BLOCKED ? BLOCKED : r * 4;
  }),
  fn('__cond_resched', (k) => {
    const task = k.current;
    if (task.restart?.['scheduled'] === true) return 1;
    if (k.sched.runnableCount <= k.cpus) return 0;
    task.restart = { scheduled: true };
    return BLOCKED;
  }),
];

export const schedDataExports: readonly DataExport[] = [
  { name: 'init_task', place: (k) => imageToVirt(k.sched.initTask.addr) },
  {
    name: '__cpu_online_mask',
    place(k) {
      const addr = imageObject(k, 16, 8);
      writeKernel64(k, addr, 2 ** k.cpus - 1);
      return addr;
    },
  },
  {
    name: 'nr_cpu_ids',
    place(k) {
      const addr = imageObject(k, 4, 4);
      writeKernel32(k, addr, k.cpus);
      return addr;
    },
  },
];
