import type { Kernel } from '../kernel.ts';
import { addWaitQueue, type WaitQueueHead } from '../sched/wait.ts';

/** Collects the queues that a poll must sleep on; only the first pass of a call that will sleep queues anything. */
export class PollTable {
  private readonly k: Kernel;
  constructor(k: Kernel) {
    this.k = k;
  }
  add(queue: WaitQueueHead): void {
    addWaitQueue(this.k, queue);
  }
}
