import { signal_struct as SIGNAL, task_struct as TASK } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { physToVirt } from '../mm/address.ts';
import { signalPending } from '../signal.ts';
import type { SigPending } from '../signal_types.ts';
import { continuations } from './continuation.ts';
import { type CallResult, type KernelFrame, type Task, THREAD_SIZE } from '../sched/task.ts';

// Calls of module code by the kernel.
//
// For the caller in TypeScript such a call is one that sleeps (design rule 3): the first attempt starts the guest's function and comes back
// empty-handed, the kernel operation above it is given up as "blocked", and made again when the function has returned; then the same call
// answers at once with the result. An attempt may make several calls: results are kept in order and handed out again from the first.

/** sstatus in kernel code: interrupts on, FP off (an FP instruction of a module is an illegal one), came from S mode. */
export const SSTATUS_KERNEL = 0x102;

const AGAIN = 'again';

/**
 * The result of the guest function at `fn`, or null: not yet, and the caller returns BLOCKED. Arguments are numbers as the kernel has them
 * (addresses, int) or bigint for what a number cannot hold.
 */
export function callGuest(k: Kernel, fn: number, ...args: readonly (number | bigint)[]): number | null {
  const r = callGuestBig(k, fn, ...args);
  return r === null ? null : Number(r);
}
/**
 * The same for an operation that keeps its own progress in task.restart (a sort, a walk): answers that it had are forgotten. What it keeps it must have put
 * there before the call: after it task.restart is the called function's.
 */
export function askGuest(k: Kernel, fn: number, ...args: readonly (number | bigint)[]): number | null {
  const r = callGuestBig(k, fn, ...args);
  if (r === null) return null;
  k.current.calls = [];
  k.current.callIndex = 0;
  return Number(r);
}
/** The same with all 64 bits, signed. */
export function callGuestBig(k: Kernel, fn: number, ...args: readonly (number | bigint)[]): bigint | null {
  const task = k.current;
  if (task.callIndex < task.calls.length) {
    const made = task.calls[task.callIndex++];
    task.stackBlock = 0;
    if (made.fn === fn) return made.result;
    // The attempt took another way than before: kernel state changed in between. What it asked for is not what was answered.
    task.calls.length = task.callIndex - 1;
  }
  enterGuest(k, task, fn, args, AGAIN, {});
  return null;
}
/** Whether the next callGuest has its answer already: what was written for it to read must stay as it is. */
export function callAnswered(k: Kernel): boolean {
  return k.current.callIndex < k.current.calls.length;
}
/**
 * Guest address of `size` bytes on the kernel stack for what the next callGuest hands over by pointer: below everything that the task has there,
 * above the function's own frame, and at the same place in every attempt.
 */
export function stackBlock(k: Kernel, size: number): number {
  k.current.stackBlock = Math.ceil(size / 16) * 16;
  return stackPointer(k, k.current) - k.current.stackBlock;
}
function stackPointer(k: Kernel, task: Task): number {
  if (k.machine.regs.mode === 0) return physToVirt(task.ptRegs);
  const sp = k.machine.regs.get(2);
  return sp - (((sp % 16) + 16) % 16);
}
/** The low 32 bits of a result, as a C int. */
export function asInt(result: number): number {
  return result | 0;
}

/** Puts a call of `fn` on top of what `task` does now; it runs when the task does. The task is loaded in the machine. */
export function enterGuest(
  k: Kernel,
  task: Task,
  fn: number,
  args: readonly (number | bigint)[],
  then: string,
  data: Readonly<Record<string, unknown>>,
): void {
  const { regs } = k.machine;
  const user = regs.mode === 0;
  const frame: KernelFrame = {
    regs: user ? null : saveRegs(k),
    mode: regs.mode,
    sstatus: regs.sstatus,
    continuation: then,
    data,
    fn,
    calls: task.calls,
    restart: task.restart,
    timedOut: task.timedOut,
    inSyscall: task.inSyscall,
  };
  if (user) regs.save(task.ptRegs);
  const sp = stackPointer(k, task) - task.stackBlock;
  task.stackBlock = 0;
  task.frames.push(frame);
  task.calls = [];
  task.callIndex = 0;
  task.restart = null;
  task.timedOut = false;
  startGuest(k, task, fn, args, sp);
}
const TIF_SIGPENDING = 1 << 2;
const TIF_NEED_RESCHED = 1 << 3;
/** task->pending.signal and signal->shared_pending.signal, the sets that modules test (behind a list head each): only what has changed is written. */
function publishPending(k: Kernel, task: Task): void {
  const { pending, signal } = task;
  if (pending.unpublished) publishSet(k, pending, task.addr + TASK.pending + 16);
  if (signal.pending.unpublished) publishSet(k, signal.pending, signal.addr + SIGNAL.shared_pending + 16);
}
function publishSet(k: Kernel, pending: SigPending, at: number): void {
  pending.unpublished = false;
  k.ram.writeBig(at, BigInt.asIntN(64, pending.set));
}
/** Brings thread_info.flags up to date, which signal_pending() and need_resched() of modules read inline. */
export function publishThreadFlags(k: Kernel, task: Task): void {
  const at = task.addr + TASK.thread_info_flags;
  const old = k.ram.u32[at >>> 2];
  const rest = old & ~(TIF_SIGPENDING | TIF_NEED_RESCHED);
  const resched = k.sched.runnableCount > k.cpus;
  publishPending(k, task);
  const now = rest | (signalPending(task) ? TIF_SIGPENDING : 0) | (resched ? TIF_NEED_RESCHED : 0);
  if (now !== old) k.ram.write32(at, now);
}
function startGuest(k: Kernel, task: Task, fn: number, args: readonly (number | bigint)[], sp: number): void {
  const { regs } = k.machine;
  regs.mode = 1;
  regs.sstatus = SSTATUS_KERNEL;
  for (let i = 1; i < 32; i++) regs.set(i, 0);
  regs.set(1, k.modules.returnStub);
  regs.set(2, sp);
  regs.set(4, task.va);
  args.forEach((a, i) => {
    if (typeof a === 'bigint') regs.setBig(10 + i, BigInt.asIntN(64, a));
    else regs.set(10 + i, a);
  });
  regs.pc = fn;
  publishThreadFlags(k, task);
}
/** The guest function that was entered last has returned: goes back to what was under it. The machine is at the return stub. */
export function returnFromGuest(k: Kernel, task: Task): KernelFrame | null {
  const frame = task.frames.pop();
  if (frame === undefined) return null;
  const { regs } = k.machine;
  const result: CallResult = { fn: frame.fn, result: regs.getBig(10) };
  dropFrame(k, task, frame);
  if (frame.continuation === AGAIN) task.calls = [...frame.calls, result];
  else continuations.get(frame.continuation)?.(k, task, result.result, frame.data);
  return frame;
}
/** Restores what lay under `frame`, which is off the stack of frames. */
function dropFrame(k: Kernel, task: Task, frame: KernelFrame): void {
  const { regs } = k.machine;
  if (frame.regs === null) regs.load(task.ptRegs);
  else loadRegs(k, frame.regs);
  regs.mode = frame.mode;
  regs.sstatus = frame.sstatus;
  task.calls = frame.calls;
  task.callIndex = 0;
  task.restart = frame.restart;
  task.timedOut = frame.timedOut;
  task.inSyscall = frame.inSyscall;
}
/** pc and x1..x31 of kernel code, which has no pt_regs of its own. */
export function saveRegs(k: Kernel): BigInt64Array {
  const { regs } = k.machine;
  const saved = new BigInt64Array(32);
  saved[0] = BigInt(regs.pc);
  for (let i = 1; i < 32; i++) saved[i] = regs.getBig(i);
  return saved;
}
export function loadRegs(k: Kernel, saved: BigInt64Array): void {
  const { regs } = k.machine;
  regs.pc = Number(saved[0]);
  for (let i = 1; i < 32; i++) regs.setBig(i, saved[i]);
}
/** Whether `sp` lies in the task's kernel stack. */
export function onKernelStack(task: Task, sp: number): boolean {
  const low = physToVirt(task.stack);
  return sp >= low && sp < low + THREAD_SIZE;
}
