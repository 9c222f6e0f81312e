import {
  file_operations as FOPS,
  poll_table_struct as PT,
  wait_queue_entry as WQE,
  wait_queue_head as WQH,
} from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { listAdd, listDel } from '../lib/list.ts';
import { readKernel64, writeKernel32, writeKernel64 } from '../mm/maccess.ts';
import { asInt, callAnswered, callGuest, stackBlock } from '../module/call.ts';
import { type FunctionExport, internal } from '../module/export.ts';
import { symbolAddress } from '../module/stubs.ts';
import type { Task } from '../sched/task.ts';
import { BLOCKED, finishWait, WaitQueueHead, wakeUpAll } from '../sched/wait.ts';
import { fileOperation, guestResult, kfree, kzalloc, moduleFile } from './module_file.ts';
import type { PollTable } from './select.ts';
import type { File } from './types.ts';

// poll of a module's files. Its function names wait queues in guest memory with poll_wait; an entry of ours stays in each of them until the file is
// released, and passes wake-ups on to a queue of this side, on which select, poll and epoll sleep.

export interface GuestPollQueue {
  /** struct wait_queue_head in guest memory, and our entry in it. */
  readonly head: number;
  readonly entry: number;
  readonly queue: WaitQueueHead;
  users: number;
}

/** FileOperations.poll. BLOCKED when the module's function has only been started. */
export function modulePoll(k: Kernel, file: File, table: PollTable | null): number {
  const mf = moduleFile(file);
  const pt = stackBlock(k, PT.sizeof);
  const task = k.current;
  const before = task.restart?.['pollWakes'] ?? wakes(k);
  if (!callAnswered(k)) {
    writeKernel64(k, pt + PT._qproc, symbolAddress(k, '__pollwait'));
    writeKernel32(k, pt + PT._key, -1);
    task.restart = { ...task.restart, pollWakes: before };
  }
  const result = callGuest(k, fileOperation(k, file, FOPS.poll), mf.addr, pt);
  if (result === null || before !== wakes(k)) {
    finishWait(task);
    // A wake-up came after the module looked: what it said is not true any more, and all files are asked again.
    if (result !== null) endPollRound(task);
    return BLOCKED;
  }
  for (const q of mf.queues) table?.add(q.queue);
  return guestResult(asInt(result)) & 0xffff;
}
/** The task is about to sleep, or starts over: answers of poll functions count no longer. */
export function endPollRound(task: Task): void {
  task.calls = [];
  task.callIndex = 0;
  if (task.restart?.['pollWakes'] !== undefined) task.restart = { ...task.restart, pollWakes: undefined };
}
/** Wake-ups of all polled queues so far. */
function wakes(k: Kernel): number {
  let sum = 0;
  for (const q of k.drivers.pollQueues.values()) sum += q.queue.wakes;
  return sum;
}

/** __pollwait(file, queue, table): our entry goes into the queue. */
function pollWait(k: Kernel, fileAddr: number, head: number): undefined {
  const file = k.drivers.moduleFiles.get(fileAddr);
  if (file === undefined || head === 0) return;
  const { queues } = moduleFile(file);
  if (queues.some((q) => q.head === head)) return;
  let q = k.drivers.pollQueues.get(head);
  if (q === undefined) {
    const entry = kzalloc(k, WQE.sizeof);
    if (entry === 0) return;
    writeKernel64(k, entry + WQE.func, symbolAddress(k, 'pollwake'));
    writeKernel64(k, entry + WQE.private, head);
    listAdd(k, entry + WQE.entry, head + WQH.head);
    q = { head, entry, queue: new WaitQueueHead(), users: 0 };
    k.drivers.pollQueues.set(head, q);
  }
  q.users++;
  queues.push(q);
}
/** The file is gone. */
export function dropPollQueues(k: Kernel, queues: GuestPollQueue[]): void {
  for (const q of queues) {
    if (--q.users > 0) continue;
    k.drivers.pollQueues.delete(q.head);
    listDel(k, q.entry + WQE.entry);
    kfree(k, q.entry);
  }
  queues.length = 0;
}

export const pollExports: readonly FunctionExport[] = [
  internal('__pollwait', pollWait),
  // pollwake(entry, mode, sync, key)
  internal('pollwake', (k, entry) => {
    const q = k.drivers.pollQueues.get(readKernel64(k, entry + WQE.private) ?? 0);
    return q === undefined ? 0 : Math.min(1, wakeUpAll(k, q.queue));
  }),
];
