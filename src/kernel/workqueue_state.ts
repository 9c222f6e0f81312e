import { WaitQueueHead } from './sched/wait.ts';
import type { Task } from './sched/task.ts';

/** A struct workqueue_struct, which modules know by address only. */
export interface Workqueue {
  readonly addr: number;
  readonly name: string;
  readonly flags: number;
  /** Works that may run at a time: 1 for ordered queues. */
  maxActive: number;
  /** Runs works in order of their coming, one at a time (alloc_ordered_workqueue). */
  readonly ordered: boolean;
  active: number;
  /** Works that wait because max_active run. */
  readonly inactive: PendingWork[];
  destroying: boolean;
}
/** A work that is queued or runs. */
export interface PendingWork {
  readonly work: number;
  readonly wq: Workqueue;
  readonly cpu: number;
}
/** The workers of one CPU, or of none in particular. */
export interface WorkerPool {
  readonly cpu: number;
  readonly high: boolean;
  readonly queue: PendingWork[];
  readonly workers: Worker[];
  made: number;
}
export interface Worker {
  readonly task: Task;
  readonly pool: WorkerPool;
  readonly idle: WaitQueueHead;
  current: PendingWork | null;
}
export class WorkqueueState {
  readonly byAddr = new Map<number, Workqueue>();
  readonly pools = new Map<string, WorkerPool>();
  readonly workers = new Map<Task, Worker>();
  /** Flushers wait here for the ends of works. */
  readonly done = new WaitQueueHead();
  /** Ends so far: what a flush waits to see. */
  finished = 0;
  /** Works that disable_work turned off: how often. */
  readonly disabled = new Map<number, number>();
}
