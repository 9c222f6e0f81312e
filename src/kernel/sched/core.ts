import type { Kernel } from '../kernel.ts';
import type { Task } from './task.ts';

/** Scheduler state. Owned by the process helper. */
export interface Scheduler {
  readonly tasks: ReadonlyMap<number, Task>;
  /** Sends a signal to a task from the kernel. */
  sendSignal(task: Task, sig: number): void;
}
/** Makes a sleeping task runnable. True when it was asleep. */
export function tryToWakeUp(k: Kernel, task: Task): boolean {
  void k; void task;
  return false;
}
