import type { Kernel } from '../kernel.ts';
import { addWaitQueue, type WaitQueueHead } from '../sched/wait.ts';

/** Collects the queues that a poll must sleep on; only the first pass of a call that will sleep queues anything. */
export class PollTable {
  private readonly k: Kernel;
  constructor(k: Kernel) {
    this.k = k;
  }
  /** `events`: what wake-ups of this queue tell of; epoll leaves queues out whose events nobody asked for. */
  add(queue: WaitQueueHead, _events?: number): void {
    addWaitQueue(this.k, queue);
  }
}
