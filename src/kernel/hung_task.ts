import { UTS_RELEASE, UTS_VERSION } from '../abi/kernel_release.ts';
import { TAINT_DIE } from '../abi/module.ts';
import type { Kernel } from './kernel.ts';
import { kernelThread } from './kthread.ts';
import { type FunctionExport, internal } from './module/export.ts';
import { printTainted, testTaint } from './panic.ts';
import { tryToWakeUp, wakeUpState } from './sched/core.ts';
import { TASK_INTERRUPTIBLE, TASK_NOLOAD, TASK_UNINTERRUPTIBLE, TASK_WAKEKILL, type Task } from './sched/task.ts';
import { BLOCKED } from './sched/wait.ts';
import { schedShowTask } from './stacktrace.ts';
import type { HungTask } from './watchdog_state.ts';

// khungtaskd (kernel/hung_task.c): says which tasks have slept without being scheduled for too long where no signal reaches them. The thread's turns come at
// Linux's times, but only while there is such a task: a system that has none sleeps on undisturbed.

const NS = 1e9;
const JIFFY = 4_000_000; // ns

/** ns between two checks. */
function interval(h: HungTask): number {
  if (h.timeoutSecs === 0n) return Number.POSITIVE_INFINITY;
  const secs = h.checkIntervalSecs === 0n || h.checkIntervalSecs > h.timeoutSecs ? h.timeoutSecs : h.checkIntervalSecs;
  return Number(secs) * NS;
}
/** Sleeps where neither a signal reaches it nor idleness is meant. */
function sleepsHard(task: Task): boolean {
  const { state } = task;
  return task.exitState === 0 && !task.isIdle && (state & TASK_UNINTERRUPTIBLE) !== 0 && (state & (TASK_WAKEKILL | TASK_NOLOAD)) === 0;
}
function anySleepsHard(k: Kernel): boolean {
  for (const task of k.sched.tasks.values()) if (sleepsHard(task)) return true;
  return false;
}
/** When an idle system must wake for the next check. One that would report for ever, or nothing any more, need not. */
export function nextHungCheck(k: Kernel): number {
  const h = k.hungTask;
  if ((h.warnings <= 0 && h.panic === 0) || h.timeoutSecs === 0n || !anySleepsHard(k)) return Number.POSITIVE_INFINITY;
  return h.lastChecked + interval(h);
}
/** In every round of the run loop: the thread's time has come. */
export function hungTaskTick(k: Kernel, now: number): void {
  const h = k.hungTask;
  const step = interval(h);
  if (now < h.lastChecked + step || h.thread === null) return;
  if (anySleepsHard(k)) wakeUpState(k, h.thread, TASK_INTERRUPTIBLE);
  else h.lastChecked += Math.floor((now - h.lastChecked) / step) * step;
}
/** A new hung_task_timeout_secs wakes the thread. */
export function hungTaskChanged(k: Kernel): void {
  if (k.hungTask.thread !== null) tryToWakeUp(k, k.hungTask.thread);
}

/** The thread: a check when it is time, then sleep. */
function watchdogThread(k: Kernel): number {
  const h = k.hungTask;
  const now = k.time.now();
  if (now >= h.lastChecked + interval(h)) {
    checkTasks(k, h, now);
    h.lastChecked = now;
    if (k.halted !== null) return BLOCKED;
  }
  k.current.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}
/** check_hung_uninterruptible_tasks. */
function checkTasks(k: Kernel, h: HungTask, now: number): void {
  if (testTaint(k, TAINT_DIE)) return;
  let left = h.checkCount;
  let callPanic = false;
  for (const task of [...k.sched.tasks.values()]) {
    if (left-- <= 0) break;
    if (sleepsHard(task) && checkTask(k, h, task, now)) callPanic = true;
  }
  if (callPanic) k.panic('hung_task: blocked tasks');
}
/** check_hung_task: true when it is to be the end. */
function checkTask(k: Kernel, h: HungTask, task: Task, now: number): boolean {
  // A thread that was made and not woken has been scheduled in Linux, to say so to its maker.
  const switches = task.nvcsw + task.nivcsw + (task.isKernelThread ? 1 : 0);
  if (switches === 0) return false;
  if (switches !== task.lastSwitchCount) {
    task.lastSwitchCount = switches;
    task.lastSwitchTime = now;
    return false;
  }
  const jiffies = Math.floor(now / JIFFY) - Math.floor(task.lastSwitchTime / JIFFY);
  if (BigInt(jiffies) < h.timeoutSecs * 250n) return false;
  if (h.warnings !== 0 || h.panic !== 0) {
    if (h.warnings > 0) h.warnings--;
    const { printk } = k;
    printk.log(3, `INFO: task ${task.comm}:${task.pid} blocked for more than ${Math.floor(jiffies / 250)} seconds.`);
    printk.log(3, `      ${printTainted(k)} ${UTS_RELEASE} ${UTS_VERSION.split(' ')[0]} ${UTS_VERSION.split(' ').slice(2, 4).join(' ')}`);
    printk.log(3, '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.');
    schedShowTask(k, task);
    if (h.warnings === 0) printk.log(6, 'Future hung task reports are suppressed, see sysctl kernel.hung_task_warnings');
  }
  return h.panic !== 0;
}

export const hungTaskExports: readonly FunctionExport[] = [internal('watchdog', watchdogThread)];
/** The thread, behind kthreadd. */
export function hungTaskInit(k: Kernel): void {
  const task = kernelThread(k, 'khungtaskd', 'watchdog');
  if (typeof task === 'number') return;
  task.state = TASK_INTERRUPTIBLE;
  k.hungTask.thread = task;
}
