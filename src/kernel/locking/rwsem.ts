import { EINTR } from '../../abi/errno.ts';
import { rw_semaphore as RWSEM } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load64, store32, store64 } from '../lib/guest_memory.ts';
import { initListHead } from '../lib/list.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, wakeUpAll } from '../sched/wait.ts';

// Reader-writer semaphores (kernel/locking/rwsem.c). count: bit 0 a writer holds it, bit 1 somebody waits, readers from bit 8. A reader that comes after a
// waiting writer waits behind it.

const WRITER_LOCKED = 1;
const FLAG_WAITERS = 2;
const READER_BIAS = 256;
const KEY_READ = 0;
const KEY_WRITE = 1;

const countOf = (k: Kernel, sem: number) => load64(k, sem + RWSEM.count);
function setCount(k: Kernel, sem: number, count: number): void {
  const held = count - (count & FLAG_WAITERS);
  store64(k, sem + RWSEM.count, held + (k.locks.waiters(sem) === null ? 0 : FLAG_WAITERS));
}
function writerWaits(k: Kernel, sem: number): boolean {
  return k.locks.waiters(sem)?.entries.some((e) => e.key === KEY_WRITE) === true;
}
function tryRead(k: Kernel, sem: number, steal: boolean): boolean {
  const count = countOf(k, sem);
  if ((count & WRITER_LOCKED) !== 0 || (!steal && writerWaits(k, sem))) return false;
  setCount(k, sem, count + READER_BIAS);
  return true;
}
function tryWrite(k: Kernel, sem: number): boolean {
  const count = countOf(k, sem);
  if (count - (count & FLAG_WAITERS) !== 0) return false;
  setCount(k, sem, count + WRITER_LOCKED);
  store64(k, sem + RWSEM.owner, k.current.va);
  return true;
}
/** 0, -EINTR or BLOCKED. A task that has waited already does not stand behind writers that came later. */
function lock(k: Kernel, sem: number, write: boolean, state: number): number {
  const task = k.current;
  const waited = task.restart?.['waited'] === true;
  if (write ? tryWrite(k, sem) : tryRead(k, sem, waited)) return 0;
  if (state === TASK_INTERRUPTIBLE && signalPending(task)) return -EINTR;
  if (state === TASK_KILLABLE && fatalSignalPending(task)) return -EINTR;
  if (task.exitState !== 0) return 0;
  task.restart = { waited: true };
  addWaitQueue(k, k.locks.at(sem), false, write ? KEY_WRITE : KEY_READ);
  setCount(k, sem, countOf(k, sem));
  task.state = state;
  return BLOCKED;
}
function wakeWaiters(k: Kernel, sem: number): void {
  const waiters = k.locks.waiters(sem);
  if (waiters !== null) wakeUpAll(k, waiters);
}
function upRead(k: Kernel, sem: number): void {
  const count = countOf(k, sem) - READER_BIAS;
  setCount(k, sem, count);
  if (count < READER_BIAS) wakeWaiters(k, sem);
}
function upWrite(k: Kernel, sem: number): void {
  const count = countOf(k, sem);
  setCount(k, sem, count - (count & WRITER_LOCKED));
  store64(k, sem + RWSEM.owner, 0);
  wakeWaiters(k, sem);
}
const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);
export const rwsemExports: readonly FunctionExport[] = [
  fn('__init_rwsem', (k, sem) => {
    store64(k, sem + RWSEM.count, 0);
    store64(k, sem + RWSEM.owner, 0);
    store32(k, sem + RWSEM.osq, 0);
    store32(k, sem + RWSEM.wait_lock, 0);
    initListHead(k, sem + RWSEM.wait_list);
  }),
  fn('down_read', (k, sem) => quiet(lock(k, sem, false, TASK_UNINTERRUPTIBLE))),
  fn('down_read_interruptible', (k, sem) => lock(k, sem, false, TASK_INTERRUPTIBLE)),
  fn('down_read_killable', (k, sem) => lock(k, sem, false, TASK_KILLABLE)),
  fn('down_read_trylock', (k, sem) => (tryRead(k, sem, true) ? 1 : 0)),
  fn('up_read', upRead),
  fn('down_write', (k, sem) => quiet(lock(k, sem, true, TASK_UNINTERRUPTIBLE))),
  fn('down_write_killable', (k, sem) => lock(k, sem, true, TASK_KILLABLE)),
  fn('down_write_trylock', (k, sem) => (tryWrite(k, sem) ? 1 : 0)),
  fn('up_write', upWrite),
  fn('downgrade_write', (k, sem) => {
    setCount(k, sem, countOf(k, sem) - WRITER_LOCKED + READER_BIAS);
    store64(k, sem + RWSEM.owner, 0);
    wakeWaiters(k, sem);
  }),
];
