import { Access } from '../machine/api.ts';
import { Trap } from '../machine/trap.ts';
import type { Kernel } from './kernel.ts';
import { TASK_SIZE } from './mm/address.ts';
import { Fault, handleMmFault } from './mm/memory.ts';
import { kprobeBreakpoint, kprobeEntry, kprobeFault, kprobeReturn } from './kprobes/hit.ts';
import { rethookRow, rethookTrampoline } from './kprobes/rethook.ts';
import { publishThreadFlags, returnFromGuest } from './module/call.ts';
import { exportAtEcall, isReturnStub } from './module/stubs.ts';
import { complainIfAtomic } from './sched/atomic.ts';
import { TASK_RUNNING, type Task } from './sched/task.ts';
import { BLOCKED, finishWait, SPINNING } from './sched/wait.ts';
import { breakpoint, dieInNmi, fixupException, oopsAt } from './traps.ts';
import { workerSleeps } from './workqueue.ts';

// Traps taken in S mode, by module code: calls of exported functions, faults, breakpoints (arch/riscv/kernel/entry.S, mm/fault.c).

const SSTATUS_SUM = 1 << 18;

/** What a trap in kernel code means for the run loop. */
export type KernelTrap = 'run' | 'syscall';

/** Handles it; 'syscall' when the call of module code under a system call has returned and the system call is to be made again. */
export function handleKernelTrap(k: Kernel, task: Task, cause: number): KernelTrap {
  const { machine } = k;
  switch (cause) {
    case Trap.ECALL_S:
      return callFromKernel(k, task);
    case Trap.INSN_PAGE_FAULT:
    case Trap.LOAD_PAGE_FAULT:
    case Trap.STORE_PAGE_FAULT:
      kernelFault(k, task, cause);
      return 'run';
    case Trap.BREAKPOINT:
      if (!kprobeBreakpoint(k, task)) breakpoint(k, task);
      return 'run';
    case Trap.WATCHED:
      k.mm.check?.reportPending();
      machine.passOnce();
      return 'run';
    case Trap.ILLEGAL:
      dieInNmi(k, task, 'Oops - illegal instruction', cause);
      return 'run';
    case Trap.INSN_MISALIGNED:
      dieInNmi(k, task, 'Oops - instruction address misaligned', cause);
      return 'run';
    case Trap.LOAD_MISALIGNED:
      dieInNmi(k, task, 'Oops - load address misaligned', cause);
      return 'run';
    case Trap.STORE_MISALIGNED:
      dieInNmi(k, task, 'Oops - store (or AMO) address misaligned', cause);
      return 'run';
    default:
      if (!fixupException(k, machine.regs.pc)) dieInNmi(k, task, `Oops - access fault (cause ${cause})`, cause);
      return 'run';
  }
}

/** An ecall in S mode: at a stub it is a call of that exported function, or the return of a function that the kernel called. */
function callFromKernel(k: Kernel, task: Task): KernelTrap {
  const { regs } = k.machine;
  const { pc } = regs;
  if (isReturnStub(k, pc)) {
    const done = returnFromGuest(k, task);
    return done !== null && done.mode === 0 && done.inSyscall ? 'syscall' : 'run';
  }
  const row = exportAtEcall(k, pc);
  if (row === null) {
    // Real hardware would enter the firmware, which answers an unknown call with SBI_ERR_NOT_SUPPORTED.
    regs.set(10, -2);
    regs.set(11, 0);
    regs.pc += 4;
    return 'run';
  }
  if (k.kprobes.entries > 0 && task.restart === null && kprobeEntry(k, task)) return 'run';
  if (row === rethookRow) {
    rethookTrampoline(k, task);
    return 'run';
  }
  const { frames } = task;
  const frame = frames[frames.length - 1];
  task.callIndex = 0;
  task.faulted = false;
  task.timedOut = task.timedOut && task.restart !== null;
  const a0 = regs.get(10);
  const a1 = regs.get(11);
  const a2 = regs.get(12);
  const a3 = regs.get(13);
  const a4 = regs.get(14);
  const a5 = regs.get(15);
  if (k.mm.check !== null) k.mm.check.onCall(row.name, a0, a1, a2, a3, a4, a5);
  const result = row.call(k, a0, a1, a2, a3, a4, a5);
  if (task.faulted || task.exitState !== 0 || k.halted !== null || frames[frames.length - 1] !== frame) return 'run';
  if (result === SPINNING) {
    task.spinning = true;
    return 'run';
  }
  if (result === BLOCKED) {
    if (complainIfAtomic(k) && task.isIdle) {
      // There is nothing to switch to: the call comes back without having slept.
      finishWait(task);
      k.sched.clearTimeout(task);
      task.state = TASK_RUNNING;
      task.restart = null;
      regs.set(10, 0);
      regs.pc = regs.get(1);
      return 'run';
    }
    if (task.state !== TASK_RUNNING) {
      task.asleep = true;
      workerSleeps(k, task);
    } else task.yielding = true;
    return 'run';
  }
  task.restart = null;
  task.timedOut = false;
  if (task.calls.length > 0) task.calls = [];
  if (typeof result === 'bigint') regs.setBig(10, BigInt.asIntN(64, result));
  else if (result !== undefined) regs.set(10, result);
  publishThreadFlags(k, task);
  const entry = regs.pc;
  regs.pc = regs.get(1);
  if (task.probedCalls.length > 0) kprobeReturn(task, entry);
  return 'run';
}

/** do_page_fault in kernel mode. */
function kernelFault(k: Kernel, task: Task, cause: number): void {
  const { machine } = k;
  const addr = machine.tval;
  if (task.probed.length > 0) kprobeFault(k, task);
  const access = cause === Trap.INSN_PAGE_FAULT ? Access.EXEC : cause === Trap.LOAD_PAGE_FAULT ? Access.READ : Access.WRITE;
  const user = addr >= 0 && addr < TASK_SIZE;
  const sum = (machine.regs.sstatus & SSTATUS_SUM) !== 0;
  if (user && sum && task.mm !== null && access !== Access.EXEC && handleMmFault(k, task.mm, addr, access) === Fault.DONE) return;
  if (fixupException(k, machine.regs.pc)) return;
  oopsAt(k, task, cause, addr, sum);
}
