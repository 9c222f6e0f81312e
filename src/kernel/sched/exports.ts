import { RISCV_TIMEBASE } from '../cpufeature.ts';
import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { writeKernel32, writeKernel64 } from '../mm/maccess.ts';
import { signalPending } from '../signal.ts';
import { dumpStack } from '../stacktrace.ts';
import { HZ, TICK_NSEC } from '../time/timekeeping.ts';
import { EINTR } from '../../abi/errno.ts';
import { load64 } from '../lib/guest_memory.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE } from './task.ts';
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
/** The virtual time at which a wait of so many jiffies from now ends; MAX_SCHEDULE_TIMEOUT is never. */
export function jiffiesDeadline(k: Kernel, jiffies: number): number {
  if (jiffies >= 0x7fff_ffff_ffff_fc00) return Number.POSITIVE_INFINITY;
  // Whole ticks, and the one that has begun (kernel/time/timer.c, calc_index).
  const now = k.time.now();
  return now + jiffies * TICK_NSEC + (TICK_NSEC - (now % TICK_NSEC));
}
/** What is left of it, in jiffies. */
export function jiffiesLeft(k: Kernel, until: number): number {
  return Math.max(0, Math.round(until / TICK_NSEC) - 1 - Math.floor(k.time.now() / TICK_NSEC));
}
/** Sleeps for so many jiffies in the task's state; what is left of them. */
export function scheduleTimeout(k: Kernel, jiffies: number): number {
  const task = k.current;
  const until = task.restart?.['until'];
  if (typeof until === 'number') {
    task.state = TASK_RUNNING;
    return until === Number.POSITIVE_INFINITY ? MAX_SCHEDULE_TIMEOUT : jiffiesLeft(k, until);
  }
  if (jiffies < 0) {
    k.printk.log(3, `schedule_timeout: wrong timeout value ${BigInt.asUintN(64, BigInt(jiffies)).toString(16)}`);
    dumpStack(k, task);
    task.state = TASK_RUNNING;
    return 0;
  }
  const deadline = jiffiesDeadline(k, jiffies);
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
/** schedule_hrtimeout(&ktime, mode): 0 when the time came, -EINTR when something else woke it. */
function hrtimeout(k: Kernel, expires: number, mode: number): number {
  const task = k.current;
  const now = k.time.now();
  const at = task.restart?.['until'];
  if (typeof at === 'number') {
    task.state = TASK_RUNNING;
    return now >= at ? 0 : -EINTR;
  }
  const value = expires === 0 ? Number.POSITIVE_INFINITY : load64(k, expires);
  const until = (mode & 1) !== 0 ? now + value : value;
  if (value === 0 || task.state === TASK_RUNNING) {
    task.state = TASK_RUNNING;
    return value === 0 ? 0 : -EINTR;
  }
  task.restart = { until };
  k.sched.scheduleTimeout(task, until);
  return BLOCKED;
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
  fn('schedule_timeout_killable', (k, n) => sleepIn(k, TASK_KILLABLE, n)),
  fn('schedule_timeout_idle', (k, n) => sleepIn(k, TASK_UNINTERRUPTIBLE | 0x400, n)),
  fn('io_schedule', schedule),
  fn('io_schedule_timeout', scheduleTimeout),
  fn('yield', (k) => {
    if (k.current.restart === null) k.sched.yieldTask(k.current);
    return schedule(k) === BLOCKED ? BLOCKED : undefined;
  }),
  fn('usleep_range_state', (k, min, _max, state) => {
    const task = k.current;
    const until = (task.restart?.['until'] as number | undefined) ?? k.time.now() + min * 1000;
    if (k.time.now() >= until) return undefined;
    task.restart = { until };
    task.state = state;
    k.sched.scheduleTimeout(task, until);
    return BLOCKED;
  }),
  fn('schedule_hrtimeout', (k, expires, mode) => hrtimeout(k, expires, mode)),
  fn('schedule_hrtimeout_range', (k, expires, _delta, mode) => hrtimeout(k, expires, mode)),
  fn('__cond_resched', (k) => {
    const task = k.current;
    if (task.restart?.['scheduled'] === true) return 1;
    if (k.sched.runnableCount <= k.cpus) return 0;
    task.restart = { scheduled: true };
    return BLOCKED;
  }),
];

const SYSTEM_RUNNING = 4;
function cpuMask(name: string, bits: (k: Kernel) => number): DataExport {
  return {
    name,
    place(k) {
      const addr = imageObject(k, 16, 8);
      writeKernel64(k, addr, bits(k));
      return addr;
    },
  };
}
export const schedDataExports: readonly DataExport[] = [
  { name: 'init_task', place: (k) => k.sched.initTask.va },
  ...['__cpu_online_mask', '__cpu_possible_mask', '__cpu_present_mask', '__cpu_active_mask', '__cpu_enabled_mask'].map((name) => cpuMask(name, (k) => 2 ** k.cpus - 1)),
  cpuMask('__cpu_dying_mask', () => 0),
  cpuMask('cpu_all_bits', () => -1),
  {
    name: '__num_online_cpus',
    place(k) {
      const addr = imageObject(k, 4, 4);
      writeKernel32(k, addr, k.cpus);
      return addr;
    },
  },
  {
    name: 'system_state',
    place(k) {
      const addr = imageObject(k, 4, 4);
      writeKernel32(k, addr, SYSTEM_RUNNING);
      return addr;
    },
  },
  {
    name: 'loops_per_jiffy',
    place(k) {
      const addr = imageObject(k, 8, 8);
      writeKernel64(k, addr, RISCV_TIMEBASE / HZ);
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
