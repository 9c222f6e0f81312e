import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';

// Names of what goes on after a guest function, for frames that hold plain data. Apart from call.ts, so that those who register at start import
// nothing that may import them.

/** What becomes of a guest function's result when it was not called by an attempt that will be repeated. Data is plain. */
export type Continuation = (k: Kernel, task: Task, result: bigint, data: Readonly<Record<string, unknown>>) => void;
export const continuations = new Map<string, Continuation>();
/** Registers a continuation by name (subsystem start). */
export function continuation(name: string, fn: Continuation): void {
  continuations.set(name, fn);
}
