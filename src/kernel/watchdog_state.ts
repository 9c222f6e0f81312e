import type { Task } from './sched/task.ts';

// Settings and state of what looks for tasks and CPUs that do not go on (hung_task.ts, watchdog.ts).

export interface HungTask {
  /** kernel.hung_task_*: seconds (0 = off; up to LONG_MAX / HZ, beyond a number's precision), and counts. */
  timeoutSecs: bigint;
  checkIntervalSecs: bigint;
  /** How many reports are still made; -1 = all. */
  warnings: number;
  checkCount: number;
  panic: number;
  allCpuBacktrace: number;
  /** Virtual ns of the last check, or of the last time for one. */
  lastChecked: number;
  thread: Task | null;
}
export function newHungTask(): HungTask {
  return { timeoutSecs: 120n, checkIntervalSecs: 0n, warnings: 10, checkCount: 4_194_304, panic: 0, allCpuBacktrace: 0, lastChecked: 0, thread: null };
}
export interface Watchdog {
  /** kernel.watchdog and kernel.soft_watchdog, which differ only where there are hard lockups too. */
  enabled: number;
  soft: number;
  /** kernel.watchdog_thresh, seconds; 0 = off. */
  thresh: number;
  softlockupPanic: number;
  softlockupAllCpuBacktrace: number;
}
export function newWatchdog(): Watchdog {
  return { enabled: 1, soft: 1, thresh: 10, softlockupPanic: 0, softlockupAllCpuBacktrace: 0 };
}
