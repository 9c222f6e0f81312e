import { ERESTARTSYS } from '../../abi/errno.ts';
import { wait_queue_entry as ENTRY, wait_queue_head as HEAD } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { initListHead, listAdd, listAddTail, listDel, listInsert, listNodes } from '../lib/list.ts';
import { askGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { exportAtStub, symbolAddress } from '../module/stubs.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { scheduleTimeout } from './exports.ts';
import { wakeUpState } from './core.ts';
import { TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE, TASK_WAKEKILL, type Task } from './task.ts';
import { BLOCKED, wakeUp } from './wait.ts';

// Wait queues in guest memory (kernel/sched/wait.c): the list of entries is real, modules put entries on it inline; an entry's function is one of the
// kernel's or the module's own.

const WQ_FLAG_EXCLUSIVE = 1;
const WQ_FLAG_WOKEN = 2;
const WQ_FLAG_PRIORITY = 0x10;
/** Longest walk of one wake-up. */
const MAX_ENTRIES = 10_000;
const taskOf = (k: Kernel, entry: number) => k.sched.byAddress(load64(k, entry + ENTRY.private));

export function initEntry(k: Kernel, entry: number, flags: number): void {
  store32(k, entry + ENTRY.flags, flags);
  store64(k, entry + ENTRY.private, k.current.va);
  store64(k, entry + ENTRY.func, symbolAddress(k, 'autoremove_wake_function'));
  initListHead(k, entry + ENTRY.entry);
}
const isQueued = (k: Kernel, entry: number) => load64(k, entry + ENTRY.entry) !== entry + ENTRY.entry;
function addHead(k: Kernel, head: number, entry: number): void {
  // Entries with priority stay in front.
  let prev = head + HEAD.head;
  for (const node of listNodes(k, prev, MAX_ENTRIES)) {
    if ((load32(k, node - ENTRY.entry + ENTRY.flags) & WQ_FLAG_PRIORITY) === 0) break;
    prev = node;
  }
  listInsert(k, entry + ENTRY.entry, prev, load64(k, prev));
}
function addTail(k: Kernel, head: number, entry: number): void {
  listAddTail(k, entry + ENTRY.entry, head + HEAD.head);
}
const setFlag = (k: Kernel, entry: number, set: number, clear = 0) =>
  store32(k, entry + ENTRY.flags, ((load32(k, entry + ENTRY.flags) | set) & ~clear) >>> 0);

function signalled(k: Kernel, state: number): boolean {
  const task = k.current;
  if ((state & TASK_INTERRUPTIBLE) !== 0) return signalPending(task);
  return (state & TASK_WAKEKILL) !== 0 && fatalSignalPending(task);
}
function prepare(k: Kernel, head: number, entry: number, state: number, exclusive: boolean): void {
  setFlag(k, entry, exclusive ? WQ_FLAG_EXCLUSIVE : 0, exclusive ? 0 : WQ_FLAG_EXCLUSIVE);
  if (!isQueued(k, entry)) (exclusive ? addTail : addHead)(k, head, entry);
  k.current.state = state;
}
/** prepare_to_wait_event: 0, or -ERESTARTSYS and off the queue. */
function prepareEvent(k: Kernel, head: number, entry: number, state: number): number {
  if (signalled(k, state)) {
    listDel(k, entry + ENTRY.entry);
    return -ERESTARTSYS;
  }
  if (!isQueued(k, entry)) ((load32(k, entry + ENTRY.flags) & WQ_FLAG_EXCLUSIVE) !== 0 ? addTail : addHead)(k, head, entry);
  k.current.state = state;
  return 0;
}
export function finishGuestWait(k: Kernel, _head: number, entry: number): void {
  k.current.state = TASK_RUNNING;
  if (isQueued(k, entry)) listDel(k, entry + ENTRY.entry);
}

/** default_wake_function: 1 when the task was asleep in one of the states of `mode`. */
function defaultWake(k: Kernel, entry: number, mode: number): number {
  const task = taskOf(k, entry);
  return task !== null && wakeUpState(k, task, mode) ? 1 : 0;
}
function autoremoveWake(k: Kernel, entry: number, mode: number): number {
  const woken = defaultWake(k, entry, mode);
  if (woken !== 0) listDel(k, entry + ENTRY.entry);
  return woken;
}
function wokenWake(k: Kernel, entry: number, mode: number): number {
  setFlag(k, entry, WQ_FLAG_WOKEN);
  return defaultWake(k, entry, mode);
}
/**
 * __wake_up_common: all entries up to the nr-th exclusive one that was woken. Null: a function of a module is running, and the call will be made again;
 * it goes on behind the entry that was asked last.
 */
export function wakeUpCommon(k: Kernel, head: number, mode: number, nr: number, flags: number, key: number): number | null {
  const queue = k.locks.waiters(head);
  const progress = k.current.restart;
  let left = (progress?.['left'] as number | undefined) ?? (nr === 0 ? Number.POSITIVE_INFINITY : nr);
  const done = new Set((progress?.['done'] as readonly number[] | undefined) ?? []);
  // Waiters of the kernel's own (poll) stand in a queue of TypeScript.
  if (progress === null && queue !== null) wakeUp(k, queue, left);
  for (const node of listNodes(k, head + HEAD.head, MAX_ENTRIES)) {
    if (done.has(node)) continue;
    const entry = node - ENTRY.entry;
    const entryFlags = load32(k, entry + ENTRY.flags);
    const func = load64(k, entry + ENTRY.func);
    const own = exportAtStub(k, func);
    let woken: number;
    if (own !== null) woken = Number(own.call(k, entry, mode, flags, key, 0, 0) ?? 0);
    else {
      // Before the call: what is kept after it would belong to the module's function.
      k.current.restart = { ...progress, left, done: [...done] };
      const r = askGuest(k, func, entry, mode, flags, key);
      if (r === null) return null;
      woken = r | 0;
    }
    done.add(node);
    if (woken < 0) break;
    if (woken !== 0 && (entryFlags & WQ_FLAG_EXCLUSIVE) !== 0 && --left <= 0) break;
  }
  return 0;
}
const wake = (k: Kernel, head: number, mode: number, nr: number, key: number) => (wakeUpCommon(k, head, mode, nr, 0, key) === null ? BLOCKED : undefined);

/** wait_woken(entry, mode, timeout): sleeps unless somebody has woken it since. */
function waitWoken(k: Kernel, entry: number, mode: number, timeout: number): number {
  let left = timeout;
  if (k.current.restart !== null || ((load32(k, entry + ENTRY.flags) & WQ_FLAG_WOKEN) === 0 && !k.current.kthread?.shouldStop)) {
    if (k.current.restart === null) k.current.state = mode;
    left = scheduleTimeout(k, timeout);
    if (left === BLOCKED) return BLOCKED;
  }
  k.current.state = TASK_RUNNING;
  setFlag(k, entry, 0, WQ_FLAG_WOKEN);
  return left;
}

export const waitExports: readonly FunctionExport[] = [
  fn('__init_waitqueue_head', (k, head) => {
    store32(k, head + HEAD.lock, 0);
    initListHead(k, head + HEAD.head);
  }),
  fn('init_wait_entry', (k, entry, flags) => initEntry(k, entry, flags)),
  fn('add_wait_queue', (k, head, entry) => {
    setFlag(k, entry, 0, WQ_FLAG_EXCLUSIVE);
    addHead(k, head, entry);
  }),
  fn('add_wait_queue_exclusive', (k, head, entry) => {
    setFlag(k, entry, WQ_FLAG_EXCLUSIVE);
    addTail(k, head, entry);
  }),
  fn('add_wait_queue_priority', (k, head, entry) => {
    setFlag(k, entry, WQ_FLAG_PRIORITY);
    listAdd(k, entry + ENTRY.entry, head + HEAD.head);
  }),
  // list_del: the entry keeps poison in its links.
  fn('remove_wait_queue', (k, _head, entry) => {
    const node = entry + ENTRY.entry;
    const [next, prev] = [load64(k, node), load64(k, node + 8)];
    store64(k, next + 8, prev);
    store64(k, prev, next);
  }),
  fn('prepare_to_wait', (k, head, entry, state) => prepare(k, head, entry, state, false)),
  fn('prepare_to_wait_exclusive', (k, head, entry, state) => {
    const first = load64(k, head + HEAD.head) === head + HEAD.head;
    prepare(k, head, entry, state, true);
    return first ? 1 : 0;
  }),
  fn('prepare_to_wait_event', prepareEvent),
  fn('finish_wait', finishGuestWait),
  fn('default_wake_function', (k, entry, mode) => defaultWake(k, entry, mode)),
  fn('autoremove_wake_function', (k, entry, mode) => autoremoveWake(k, entry, mode)),
  fn('woken_wake_function', (k, entry, mode) => wokenWake(k, entry, mode)),
  fn('wait_woken', waitWoken),
  fn('__wake_up', (k, head, mode, nr, key) => wake(k, head, mode, nr, key)),
  fn('__wake_up_locked', (k, head, mode, nr) => wake(k, head, mode, nr, 0)),
  fn('__wake_up_locked_key', (k, head, mode, key) => wake(k, head, mode, 1, key)),
  fn('__wake_up_sync', (k, head, mode) => wake(k, head, mode, 1, 0)),
  fn('__wake_up_sync_key', (k, head, mode, key) => wake(k, head, mode, 1, key)),
  fn('__wake_up_locked_sync_key', (k, head, mode, key) => wake(k, head, mode, 1, key)),
  fn('wake_up_process', (k, addr) => {
    const task = k.sched.byAddress(addr);
    return task !== null && wakeTask(k, task) ? 1 : 0;
  }),
];
/** try_to_wake_up of a task in a normal sleep. */
function wakeTask(k: Kernel, task: Task): boolean {
  return wakeUpState(k, task, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
}
