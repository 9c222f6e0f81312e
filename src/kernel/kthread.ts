import { EINTR, EINVAL, ENOMEM, ENOSYS, ESRCH } from '../abi/errno.ts';
import { task_struct as TASK } from '../abi/layout/structs.ts';
import { SIG_IGN } from '../abi/signal.ts';
import { SCHED_FIFO, SCHED_NORMAL } from '../abi/sched.ts';
import { doExit } from './exit.ts';
import { freeTaskMemory, kernelProcess } from './fork.ts';
import type { Kernel } from './kernel.ts';
import { callArguments } from './lib/va_list.ts';
import { load32, loadString, store32, storeBytes } from './lib/guest_memory.ts';
import { vsnprintf } from './lib/vsprintf.ts';
import { physToVirt } from './mm/address.ts';
import { callGuestBig, SSTATUS_KERNEL } from './module/call.ts';
import { type FunctionExport, fn } from './module/export.ts';
import { findModuleAt, modulePut } from './module/module.ts';
import { symbolAddress } from './module/stubs.ts';
import { publishPriority, wakeUpState } from './sched/core.ts';
import { complete } from './sched/completion.ts';
import { TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, type Task } from './sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, wakeUpAll } from './sched/wait.ts';

// Kernel threads (kernel/kthread.c). A thread's lowest frame is the call of an exported function of the kernel's own ("kthread", "worker_thread"): it never
// returns, but is made again whenever the thread runs; the module's function is called from it.

/** What the kernel remembers of a kernel thread. Plain data. */
export interface KthreadState {
  /** Guest address of its function and the argument; 0 for threads whose work is TypeScript. */
  readonly fn: number;
  readonly data: number;
  shouldStop: boolean;
  shouldPark: boolean;
  parked: boolean;
  /** What kthread_stop gives. */
  result: number;
  /** kthread_stop and kthread_park wait here. */
  readonly waiters: WaitQueueHead;
}

const PF_NO_SETAFFINITY = 0x0400_0000;
const TASK_IDLE = TASK_UNINTERRUPTIBLE | 0x400;
const TASK_PARKED = 0x40;
const COMM_MAX = 15;

/** A new thread that begins at the stub of the kernel's function `entry` when it is woken; or -errno. */
export function kernelThread(k: Kernel, comm: string, entry: string, fnAddr = 0, data = 0): Task | number {
  const parent = k.sched.find(2) ?? k.sched.initTask;
  const task = kernelProcess(k, parent, undefined, true);
  if (typeof task === 'number') return task;
  task.comm = comm.slice(0, COMM_MAX);
  // ignore_signals: until the thread asks for some (allow_signal).
  ignoreSignals(task);
  task.kthread = { fn: fnAddr, data, shouldStop: false, shouldPark: false, parked: false, result: 0, waiters: new WaitQueueHead() };
  beginAt(k, task, symbolAddress(k, entry));
  return task;
}
function ignoreSignals(task: Task): void {
  const { action } = task.sighand;
  for (let i = 0; i < action.length; i++) action[i] = { ...action[i], handler: SIG_IGN };
}
/** Sets the context of a task that has not run: at `pc` in kernel mode, on an empty stack. */
export function beginAt(k: Kernel, task: Task, pc: number): void {
  const regs = new BigInt64Array(32);
  regs[0] = BigInt(pc);
  regs[1] = BigInt(k.modules.returnStub);
  regs[2] = BigInt(physToVirt(task.ptRegs));
  regs[4] = BigInt(task.va);
  task.kernelContext = { regs, sstatus: SSTATUS_KERNEL };
}
/** pid 2, parent of all kernel threads. It has nothing to do: threads are made at once. */
export function kthreaddInit(k: Kernel): void {
  const task = kernelProcess(k, k.sched.initTask, undefined, true);
  if (typeof task === 'number') return;
  task.comm = 'kthreadd';
  task.signal.pgid = 0;
  task.signal.sid = 0;
  task.state = TASK_INTERRUPTIBLE;
  ignoreSignals(task);
  beginAt(k, task, symbolAddress(k, 'kthreadd'));
}

/** The lowest frame of a thread of a module. */
function kthread(k: Kernel): number {
  const task = k.current;
  const self = task.kthread;
  if (self === null) return -EINVAL;
  if (task.callIndex === 0 && task.calls.length === 0) {
    if (self.shouldStop) return kthreadExit(k, -EINTR);
    if (self.shouldPark && park(k) === BLOCKED) return BLOCKED;
  }
  const r = callGuestBig(k, self.fn, self.data);
  return r === null ? BLOCKED : kthreadExit(k, Number(BigInt.asIntN(32, r)));
}
function kthreadExit(k: Kernel, result: number): number {
  const task = k.current;
  if (task.kthread !== null) task.kthread.result = result;
  doExit(k, task, 0);
  return 0;
}
/** __kthread_parkme: until it need not any more. */
function park(k: Kernel): number {
  const task = k.current;
  const self = task.kthread;
  if (self === null) return -ENOSYS;
  if (!self.shouldPark) {
    self.parked = false;
    return 0;
  }
  self.parked = true;
  wakeUpAll(k, self.waiters);
  task.state = TASK_PARKED;
  return BLOCKED;
}
function threadAt(k: Kernel, addr: number): Task | null {
  const task = k.sched.byAddress(addr);
  return task?.kthread === undefined || task.kthread === null ? null : task;
}
/** kthread_stop: tells it, wakes it, waits for its end; what its function returned. */
export function kthreadStop(k: Kernel, addr: number): number {
  const task = threadAt(k, addr);
  const self = task?.kthread;
  if (task === null || self === undefined || self === null) return -ESRCH;
  // A reference keeps the task_struct over its end.
  const held = k.current.restart?.['held'] === true;
  if (task.exitState !== 0) {
    if (held) putTask(k, addr);
    return self.result;
  }
  if (!held) store32(k, addr + TASK.usage, load32(k, addr + TASK.usage) + 1);
  k.current.restart = { ...k.current.restart, held: true };
  self.shouldStop = true;
  unpark(k, task);
  wakeUpState(k, task, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
  addWaitQueue(k, self.waiters);
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}

/** put_task_struct. */
function putTask(k: Kernel, addr: number): void {
  const usage = (load32(k, addr + TASK.usage) | 0) - 1;
  store32(k, addr + TASK.usage, usage);
  const task = k.sched.byAddress(addr);
  if (usage === 0 && task !== null && task.exitState !== 0) freeTaskMemory(k, task);
}
function unpark(k: Kernel, task: Task): void {
  const self = task.kthread;
  if (self === null) return;
  self.shouldPark = false;
  if (self.parked) wakeUpState(k, task, TASK_PARKED);
}
function kthreadPark(k: Kernel, addr: number): number {
  const task = threadAt(k, addr);
  const self = task?.kthread;
  if (task === null || self === undefined || self === null || task.exitState !== 0) return -ENOSYS;
  if (self.parked) return 0;
  self.shouldPark = true;
  if (task === k.current) return 0;
  wakeUpState(k, task, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
  addWaitQueue(k, self.waiters);
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}
function create(k: Kernel, fnAddr: number, data: number, name: string): number {
  const task = kernelThread(k, name, 'kthread', fnAddr, data);
  return typeof task === 'number' ? -ENOMEM : task.va;
}
/** Bound to one CPU; ps shows it so. */
function bind(k: Kernel, addr: number, cpu: number): void {
  const task = k.sched.byAddress(addr);
  if (task === null) return;
  task.affinity = 1 << cpu;
  task.flags |= PF_NO_SETAFFINITY;
}
function setPolicy(k: Kernel, addr: number, policy: number, priority: number, nice: number): void {
  const task = k.sched.byAddress(addr);
  if (task === null) return;
  task.policy = policy;
  task.rtPriority = priority;
  task.nice = nice;
  publishPriority(k, task);
}

export const kthreadExports: readonly FunctionExport[] = [
  { ...fn('kthread', kthread), internal: true },
  { ...fn('kthreadd', (k) => sleepForEver(k)), internal: true },
  fn('kthread_create_on_node', (k, fnAddr, data, _node, fmt) => create(k, fnAddr, data, vsnprintf(k, loadString(k, fmt, 256), callArguments(k, 4)))),
  // The name's only argument is the CPU.
  fn('kthread_create_on_cpu', (k, fnAddr, data, cpu, fmt) => {
    const args = vsnprintf(k, loadString(k, fmt, 256), { next: () => BigInt(cpu >>> 0), fault: null });
    const addr = create(k, fnAddr, data, args);
    if (addr < -4095) bind(k, addr, cpu);
    return addr;
  }),
  fn('kthread_stop', kthreadStop),
  fn('kthread_stop_put', (k, addr) => {
    const r = kthreadStop(k, addr);
    if (r !== BLOCKED) putTask(k, addr);
    return r;
  }),
  fn('kthread_should_stop', (k) => (k.current.kthread?.shouldStop ? 1 : 0)),
  fn('kthread_should_park', (k) => (k.current.kthread?.shouldPark ? 1 : 0)),
  // Nothing freezes.
  fn('kthread_freezable_should_stop', (k, frozen) => {
    if (frozen !== 0) storeBytes(k, frozen, Uint8Array.of(0));
    return k.current.kthread?.shouldStop ? 1 : 0;
  }),
  fn('kthread_parkme', (k) => (park(k) === BLOCKED ? BLOCKED : undefined)),
  fn('kthread_park', kthreadPark),
  fn('kthread_unpark', (k, addr) => {
    const task = threadAt(k, addr);
    if (task !== null) unpark(k, task);
  }),
  fn('kthread_bind', bind),
  fn('kthread_data', (k, addr) => threadAt(k, addr)?.kthread?.data ?? 0),
  fn('kthread_func', (k, addr) => threadAt(k, addr)?.kthread?.fn ?? 0),
  fn('kthread_exit', (k, code) => kthreadExit(k, code | 0)),
  fn('kthread_complete_and_exit', (k, completion, code) => {
    if (completion !== 0) complete(k, completion);
    return kthreadExit(k, code | 0);
  }),
  fn('__module_put_and_kthread_exit', (k, mod, code) => {
    const m = k.modules.byAddr.get(mod) ?? findModuleAt(k, mod);
    if (m !== null) modulePut(m);
    return kthreadExit(k, code | 0);
  }),
  // Modules for kernels before 5.17 ask for it.
  fn('do_exit', (k, code) => {
    doExit(k, k.current, code);
    return 0;
  }),
  fn('set_user_nice', (k, addr, nice) => {
    const task = k.sched.byAddress(addr);
    if (task === null || nice < -20 || nice > 19) return;
    task.nice = nice;
    publishPriority(k, task);
  }),
  fn('sched_set_fifo', (k, addr) => setPolicy(k, addr, SCHED_FIFO, 50, 0)),
  fn('sched_set_fifo_low', (k, addr) => setPolicy(k, addr, SCHED_FIFO, 1, 0)),
  fn('sched_set_normal', (k, addr, nice) => setPolicy(k, addr, SCHED_NORMAL, 0, nice)),
];
/** A thread that only has to be there. */
function sleepForEver(k: Kernel): number {
  k.current.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}
export function idleSleep(k: Kernel, queue: WaitQueueHead): number {
  addWaitQueue(k, queue);
  k.current.state = TASK_IDLE;
  return BLOCKED;
}
