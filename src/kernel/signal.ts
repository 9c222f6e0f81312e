import type { Task } from './sched/task.ts';

/** Shared by the threads of a process (signal_struct). Owned by the process helper. */
export interface SignalStruct {
  readonly pending: SigPending;
  pgid: number;
  sid: number;
  /** Soft limit RLIMIT_n; Infinity when unlimited. */
  rlimit(resource: number): number;
}
export interface SigHandStruct {
  readonly action: unknown[];
}
export interface SigPending {
  /** bit n-1 for signal n. */
  set: bigint;
}
export function signalPending(task: Task): boolean {
  return ((task.pending.set | task.signal.pending.set) & ~task.blocked) !== 0n;
}
export function fatalSignalPending(task: Task): boolean {
  return ((task.pending.set | task.signal.pending.set) & (1n << 8n)) !== 0n;
}
