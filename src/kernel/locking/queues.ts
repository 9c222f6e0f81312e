import { WaitQueueHead } from '../sched/wait.ts';

/**
 * Tasks that wait for something at an address of guest memory: a mutex, a semaphore, a completion, a wait_queue_head. The object's own state (owner, count,
 * done) is in guest memory; only the queue of waiters is here.
 */
export class LockQueues {
  private readonly queues = new Map<number, WaitQueueHead>();

  /** The queue at `addr`, made on first use. */
  at(addr: number): WaitQueueHead {
    let queue = this.queues.get(addr);
    if (queue === undefined) {
      queue = new WaitQueueHead();
      this.queues.set(addr, queue);
    }
    return queue;
  }
  /** The same when anyone waits there. */
  waiters(addr: number): WaitQueueHead | null {
    const queue = this.queues.get(addr);
    if (queue === undefined) return null;
    if (queue.entries.length > 0) return queue;
    this.queues.delete(addr);
    return null;
  }
}
