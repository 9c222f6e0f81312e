import type { Kernel } from '../kernel.ts';
import type { Task } from './task.ts';

/** Scheduler state. Owned by the process helper. */
export interface Scheduler {
  readonly tasks: ReadonlyMap<number, Task>;
}
/** Makes a sleeping task runnable. True when it was asleep. */
export function tryToWakeUp(k: Kernel, task: Task): boolean {
  void k; void task;
  return false;
}
