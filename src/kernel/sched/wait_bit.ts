import { EAGAIN, EINTR } from '../../abi/errno.ts';
import { wait_bit_key as KEY, wait_bit_queue_entry as WBQ, wait_queue_entry as ENTRY, wait_queue_head as HEAD } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, loadBig, store32, store64, storeBig } from '../lib/guest_memory.ts';
import { initListHead, listDel, listEmpty } from '../lib/list.ts';
import { stackBlock } from '../module/call.ts';
import { type DataExport, type FunctionExport, fn, internal, partial } from '../module/export.ts';
import { imageObject, symbolAddress } from '../module/stubs.ts';
import { writeKernel64 } from '../mm/maccess.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { jiffiesDeadline, jiffiesLeft, scheduleTimeout } from './exports.ts';
import { wakeUpState } from './core.ts';
import { TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE, TASK_WAKEKILL } from './task.ts';
import { addWaitQueue, BLOCKED, wakeUpAll } from './wait.ts';
import { wakeUpCommon } from './waitqueue.ts';

// Waiting for a bit of a word, and for a variable (kernel/sched/wait_bit.c): queues by the address waited for. Whoever waits for a bit sleeps in a queue of
// ours; whoever waits for a variable stands, with an entry that a module made inline, in one of the heads of a table.

const TABLE_BITS = 6;
const TASK_NORMAL = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;

const test = (k: Kernel, word: number, bit: number) => ((loadBig(k, word + (bit >> 6) * 8) >> BigInt(bit & 63)) & 1n) !== 0n;
/** The head that belongs to an address. */
function headFor(k: Kernel, addr: number): number {
  const slot = Math.floor(Math.abs(addr) / 8) % (1 << TABLE_BITS);
  return symbolAddress(k, 'bit_wait_table') + slot * HEAD.sizeof;
}
function interrupted(k: Kernel, mode: number): boolean {
  if ((mode & TASK_INTERRUPTIBLE) !== 0) return signalPending(k.current);
  return (mode & TASK_WAKEKILL) !== 0 && fatalSignalPending(k.current);
}
/** 0 once the bit is clear (with `lock`: and is the caller's); -EINTR, -EAGAIN when the time is over, or BLOCKED. */
function waitOnBit(k: Kernel, word: number, bit: number, mode: number, lock: boolean, timeout: number | null): number {
  const task = k.current;
  const again = task.restart !== null;
  task.state = TASK_RUNNING;
  if (!test(k, word, bit)) {
    if (lock) storeBig(k, word + (bit >> 6) * 8, loadBig(k, word + (bit >> 6) * 8) | (1n << BigInt(bit & 63)));
    return 0;
  }
  if (again && interrupted(k, mode)) return -EINTR;
  const until = (task.restart?.['until'] as number | undefined) ?? (timeout === null ? Number.POSITIVE_INFINITY : jiffiesDeadline(k, timeout));
  if (again && until !== Number.POSITIVE_INFINITY && jiffiesLeft(k, until) <= 0) return -EAGAIN;
  task.restart = { until };
  if (interrupted(k, mode)) return -EINTR;
  addWaitQueue(k, k.locks.at(word), lock);
  task.state = mode;
  if (until !== Number.POSITIVE_INFINITY) k.sched.scheduleTimeout(task, until);
  return BLOCKED;
}
/** __wake_up_bit: sleepers of ours, then entries in the head whose key is that of this word and bit. */
function wakeBit(k: Kernel, head: number, word: number, bit: number): number | undefined {
  if (k.current.restart === null) {
    const waiting = k.locks.waiters(word);
    if (waiting !== null) wakeUpAll(k, waiting);
  }
  if (listEmpty(k, head + HEAD.head)) return undefined;
  const key = stackBlock(k, KEY.sizeof);
  store64(k, key + KEY.flags, word);
  store32(k, key + KEY.bit_nr, bit);
  store64(k, key + KEY.timeout, 0);
  return wakeUpCommon(k, head, TASK_NORMAL, 1, 0, key) === null ? BLOCKED : undefined;
}
/** Whether the entry waits for what the key says; then it is woken and taken off. */
function keyedWake(k: Kernel, entry: number, mode: number, key: number): number {
  const own = entry - WBQ.wq_entry + WBQ.key;
  if (load64(k, own + KEY.flags) !== load64(k, key + KEY.flags) || load32(k, own + KEY.bit_nr) !== load32(k, key + KEY.bit_nr)) return 0;
  if ((load32(k, key + KEY.bit_nr) | 0) >= 0 && test(k, load64(k, key + KEY.flags), load32(k, key + KEY.bit_nr))) return 0;
  const task = k.sched.byAddress(load64(k, entry + ENTRY.private));
  if (task === null || !wakeUpState(k, task, mode)) return 0;
  listDel(k, entry + ENTRY.entry);
  return 1;
}
/** bit_wait and its kin, for a module that waits by hand: one sleep. */
function sleepOnce(k: Kernel, mode: number): number {
  if (k.current.restart !== null) return interrupted(k, mode) ? -EINTR : 0;
  if (k.current.state === TASK_RUNNING) return interrupted(k, mode) ? -EINTR : 0;
  k.current.restart = { slept: true };
  return BLOCKED;
}
/** The same up to key->timeout, which counts in jiffies since the start: -EAGAIN when that is over. */
function sleepUntil(k: Kernel, key: number, mode: number): number {
  const left = load64(k, key + KEY.timeout) - k.time.jiffies;
  if (left <= 0 && k.current.restart === null) return -EAGAIN;
  if (scheduleTimeout(k, left) === BLOCKED) return BLOCKED;
  return interrupted(k, mode) ? -EINTR : 0;
}

const ACTIONS = "sleeps as bit_wait does, whatever the action";
export const waitBitExports: readonly FunctionExport[] = [
  fn('bit_waitqueue', (k, word) => headFor(k, word)),
  fn('__var_waitqueue', (k, addr) => headFor(k, addr)),
  fn('wake_up_bit', (k, word, bit) => wakeBit(k, headFor(k, word), word, bit)),
  fn('__wake_up_bit', (k, head, word, bit) => wakeBit(k, head, word, bit)),
  fn('wake_up_var', (k, addr) => wakeBit(k, headFor(k, addr), addr, -1)),
  fn('wake_bit_function', (k, entry, mode, _sync, key) => keyedWake(k, entry, mode, key)),
  internal('var_wake_function', (k, entry, mode, _sync, key) => keyedWake(k, entry, mode, key)),
  fn('init_wait_var_entry', (k, wbq, addr, flags) => {
    store64(k, wbq + WBQ.key + KEY.flags, addr);
    store32(k, wbq + WBQ.key + KEY.bit_nr, -1);
    const entry = wbq + WBQ.wq_entry;
    store32(k, entry + ENTRY.flags, flags);
    store64(k, entry + ENTRY.private, k.current.va);
    store64(k, entry + ENTRY.func, symbolAddress(k, 'var_wake_function'));
    initListHead(k, entry + ENTRY.entry);
  }),
  // (word, bit, action, mode)
  partial('out_of_line_wait_on_bit', ACTIONS, (k, word, bit, _action, mode) => waitOnBit(k, word, bit, mode, false, null)),
  partial('out_of_line_wait_on_bit_lock', ACTIONS, (k, word, bit, _action, mode) => waitOnBit(k, word, bit, mode, true, null)),
  partial('out_of_line_wait_on_bit_timeout', ACTIONS, (k, word, bit, _action, mode, timeout) => waitOnBit(k, word, bit, mode, false, timeout)),
  fn('bit_wait', (k, _key, mode) => sleepOnce(k, mode)),
  fn('bit_wait_io', (k, _key, mode) => sleepOnce(k, mode)),
  fn('bit_wait_timeout', (k, key, mode) => sleepUntil(k, key, mode)),
  fn('bit_wait_io_timeout', (k, key, mode) => sleepUntil(k, key, mode)),
];
export const waitBitDataExports: readonly DataExport[] = [
  {
    name: 'bit_wait_table',
    internal: true,
    place(k) {
      const at = imageObject(k, HEAD.sizeof << TABLE_BITS, 8);
      for (let i = 0; i < 1 << TABLE_BITS; i++) {
        const list = at + i * HEAD.sizeof + HEAD.head;
        writeKernel64(k, list, list);
        writeKernel64(k, list + 8, list);
      }
      return at;
    },
  },
];
