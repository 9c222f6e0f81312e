import { EFAULT, ENOSYS, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK } from '../abi/errno.ts';
import {
  BUS_ADRALN,
  BUS_ADRERR,
  ILL_ILLOPC,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SIGBUS,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  TRAP_BRKPT,
} from '../abi/signal.ts';
import { Access } from '../machine/api.ts';
import { Trap } from '../machine/trap.ts';
import { putDeadTasks } from './fork.ts';
import type { Kernel } from './kernel.ts';
import { TASK_SIZE } from './mm/address.ts';
import { Fault, handleMmFault } from './mm/memory.ts';
import { startDriverFault } from './mm/module_fault.ts';
import { outOfMemory } from './mm/oom_kill.ts';
import { waitForKswapd } from './mm/vmscan.ts';
import { loadRegs, publishThreadFlags, saveRegs } from './module/call.ts';
import { hungTaskTick, nextHungCheck } from './hung_task.ts';
import { deliverInterrupts } from './irq/interrupt.ts';
import { quiescentState } from './rcu/rcu.ts';
import { doSignal, forceSignal, signalPending } from './signal.ts';
import { ptraceBeforeUser, ptraceSyscallEnter, ptraceSyscallExit } from './ptrace.ts';
import { rseqResume } from './rseq.ts';
import { TASK_RUNNING, type Task } from './sched/task.ts';
import { secureComputing } from './seccomp.ts';
import { BLOCKED } from './sched/wait.ts';
import { syscallName, syscallTable } from './syscalls/index.ts';
import { runTaskWork, takeDelayedWorks } from './task_work.ts';
import { runPosixCpuTimers } from './time/posix_timers.ts';
import { runTimers } from './time/timers.ts';
import { handleKernelTrap } from './kernel_trap.ts';
import { TICK_NSEC } from './time/timekeeping.ts';
import { doTrap } from './unhandled_signal.ts';
import { watchdog } from './watchdog.ts';

// The way into the kernel and back: the run loop over harts, traps, system calls (arch/riscv/kernel/entry.S, traps.c, and the idle loop).

/** What `runKernel` came back for. */
export type RunState = 'running' | 'halted' | { readonly idleUntil: number };

const SSTATUS_FS_INITIAL = 0x2000;

/** Puts a task's context into the machine. */
function switchTo(k: Kernel, task: Task): void {
  const { machine, sched } = k;
  const prev = sched.loaded;
  if (prev !== task) {
    if (prev !== null) saveContext(k, prev);
    loadContext(k, task);
    machine.clearReservation();
    sched.loaded = task;
    sched.switches++;
    task.nvcsw++;
    if (task.rseq !== null) task.rseqEvent = true;
  }
  k.current = task;
  machine.setPageTable(task.mm?.pgd ?? k.mm.swapperPgDir);
}
/** User contexts rest in pt_regs, kernel ones in task.kernelContext. */
function saveContext(k: Kernel, task: Task): void {
  const { regs } = k.machine;
  if (regs.mode === 0) regs.save(task.ptRegs);
  else task.kernelContext = { regs: saveRegs(k), sstatus: regs.sstatus };
  regs.saveFp(task.fpState);
}
function loadContext(k: Kernel, task: Task): void {
  const { regs } = k.machine;
  const context = task.kernelContext;
  if (context === null) {
    regs.mode = 0;
    regs.sstatus = SSTATUS_FS_INITIAL;
    regs.load(task.ptRegs);
  } else {
    regs.mode = 1;
    regs.sstatus = context.sstatus;
    loadRegs(k, context.regs);
    task.kernelContext = null;
  }
  regs.loadFp(task.fpState);
}

/**
 * Runs the system for about `budget` instructions, or until nothing is left to run now. In virtual time it then jumps to the next timer and goes on,
 * unless `jump` says that the caller has something to do first.
 */
export function runKernel(k: Kernel, budget: number, jump = true): RunState {
  const { machine, sched, time } = k;
  // What CPUs spend waiting in place counts as if they had run.
  const end = machine.instret + time.burnt + budget;
  while (machine.instret + time.burnt < end) {
    if (k.halted !== null) return 'halted';
    putDeadTasks(k);
    const now = time.now();
    time.updateJiffies();
    sched.expireTimeouts(now);
    runTimers(k, now);
    hungTaskTick(k, now);
    let ran = false;
    let spinning = true;
    for (const rq of sched.runQueues) {
      if (k.panickingCpu !== -1 && rq.cpu !== k.panickingCpu) continue;
      const inKernel = stillInKernel(rq.current);
      if (!inKernel) quiescentState(k, rq.cpu);
      const task = inKernel ? rq.current : (sched.pickNextTask(rq.cpu) ?? interruptedIdle(k, rq.cpu));
      if (task === null) {
        rq.current = null;
        continue;
      }
      ran = true;
      if (!inKernel || rq.current !== task) rq.kernelSince = now;
      if (rq.current !== task) rq.switches++;
      rq.current = task;
      k.cpu = rq.cpu;
      task.cpu = rq.cpu;
      runTask(k, task, Math.min(slice(k), Math.max(1, end - machine.instret - time.burnt)));
      if (!task.spinning) spinning = false;
      if (stillInKernel(task)) watchdog(k, rq);
      if (k.halted !== null) return 'halted';
    }
    // Every hart that does anything waits for another: nothing changes before the next timer.
    if (ran && spinning) time.burn(Math.max(100, Math.min(TICK_NSEC, nextEvent(k) - time.now())));
    if (turnIsOver(k)) return 'running';
    // A task whose hart changed is taken up in the next round.
    if (!ran && sched.runnableCount === 0) {
      const next = Math.min(nextEvent(k), nextHungCheck(k));
      if (!jump || k.host.elapsed !== null || next === Number.POSITIVE_INFINITY) return { idleUntil: next };
      time.advanceTo(next);
    }
  }
  return 'running';
}

/** Kernel code keeps its hart until it gives it up (PREEMPT_VOLUNTARY). */
function stillInKernel(task: Task | null): task is Task {
  return task?.inKernel === true && task.exitState === 0;
}

/** The idle task of a hart, when an interrupt has to run on it. */
function interruptedIdle(k: Kernel, cpu: number): Task | null {
  const idle = k.sched.idle[cpu];
  return idle.frames.length > 0 || k.interrupts.pending[cpu].length > 0 ? idle : null;
}
function nextEvent(k: Kernel): number {
  let next = k.sched.nextTimeout;
  for (const t of k.time.timers) if (t.at < next) next = t.at;
  return next;
}

/** Instructions until the next thing that must happen: the tick, a timer; short seeded turns when harts interleave. */
function slice(k: Kernel): number {
  if (k.cpus > 1) return 500 + (k.random32() % 20_000);
  const next = nextEvent(k) - k.time.now();
  return Math.max(100, Math.min(TICK_NSEC, next));
}

/** Has the host's time for this turn passed? Seeded runs have no host's time. */
function turnIsOver(k: Kernel): boolean {
  return k.host.elapsed !== null && k.host.elapsed() >= k.turnEnds;
}

/** Runs one task until its slice ends, it blocks, or it dies. */
function runTask(k: Kernel, task: Task, insns: number): void {
  const { machine } = k;
  switchTo(k, task);
  const begin = machine.instret;
  const end = begin + insns;
  task.asleep = false;
  task.yielding = false;
  task.inKernel = false;
  task.spinning = false;
  const burnt = k.time.burnt;
  deliverInterrupts(k, task);
  if (machine.regs.mode === 1) publishThreadFlags(k, task);
  if (machine.regs.mode === 0) {
    takeDelayedWorks(k, task);
    // A call that blocked is made again before any signal is looked at: it settles its own result (rule 3).
    if (task.inSyscall) doSyscall(k, task);
    // The call may have gone into code of a module.
    if (task.state === TASK_RUNNING && machine.regs.mode === 0) returnToUser(k, task);
  }
  // Only machine.run() retires instructions.
  let now = begin;
  let traps = 0;
  let wasOutside = false;
  while (now < end && mayRun(task, machine.regs.mode) && k.halted === null) {
    if (k.interrupts.pending[k.cpu].length > 0) deliverInterrupts(k, task);
    if (task.isIdle && task.frames.length === 0) break;
    const before = now;
    const wasUser = machine.regs.mode === 0;
    const cause = machine.runTo(end);
    now = machine.instret;
    if (wasUser) {
      task.utime += now - before;
      wasOutside = true;
    } else task.stime += now - before;
    if (cause !== Trap.SLICE_END) {
      if (!wasUser) {
        if (handleKernelTrap(k, task, cause) === 'syscall') doSyscall(k, task);
      } else handleUserTrap(k, task, cause);
    }
    if (task.state === TASK_RUNNING && machine.regs.mode === 0 && task.exitState === 0) returnToUser(k, task);
    if (task.yielding || task.spinning || (task.needResched && machine.regs.mode === 0)) break;
    // Few instructions can be much work for the kernel, and the host has a clock to keep.
    if ((++traps & 31) === 0 && turnIsOver(k)) break;
    // udelay took the rest of the turn.
    if (k.time.burnt - burnt >= insns) break;
  }
  // The watchdog counts from here: what kernel code is under way has begun in this turn.
  if (wasOutside) k.sched.runQueues[k.cpu].kernelSince = k.time.now();
  task.needResched = false;
  if (task.exitState === 0) {
    task.inKernel = machine.regs.mode === 1 && !task.asleep && !task.yielding && (!task.isIdle || task.frames.length > 0);
    if (!task.isKernelThread) runPosixCpuTimers(k, task);
    k.sched.account(task, now - begin + 100);
    if (!mayRun(task, machine.regs.mode) || task.isIdle) k.sched.deactivate(task);
    else if (now >= end) task.nivcsw++;
  }
}

/** Kernel code runs on whatever its task's state says, until it calls schedule(). */
function mayRun(task: Task, mode: number): boolean {
  return task.exitState === 0 && (mode === 1 ? !task.asleep : task.state === TASK_RUNNING);
}

/** exit_to_user_mode: work and signals first. */
function returnToUser(k: Kernel, task: Task): void {
  if (task.works.length > 0 && runTaskWork(k, task)) return;
  if (task.rseqEvent) rseqResume(k, task);
  const p = task.ptrace;
  if (p !== null) {
    if (ptraceBeforeUser(k, task, p)) return;
    if (p.resumed !== null) {
      doSignal(k);
      return;
    }
  }
  if (signalPending(task) || task.restartCode !== 0 || task.savedSigmask !== null || task.signal.groupStop !== 0) doSignal(k);
}

function handleUserTrap(k: Kernel, task: Task, cause: number): void {
  const { machine } = k;
  switch (cause) {
    case Trap.ECALL_U:
      doSyscall(k, task);
      return;
    case Trap.INSN_PAGE_FAULT:
    case Trap.LOAD_PAGE_FAULT:
    case Trap.STORE_PAGE_FAULT:
      userFault(k, task, machine.tval, cause);
      return;
    case Trap.BREAKPOINT:
      forceSignal(k, task, { signo: SIGTRAP, code: TRAP_BRKPT, addr: machine.regs.pc });
      return;
    case Trap.ILLEGAL:
      doTrap(k, task, SIGILL, ILL_ILLOPC, machine.regs.pc, cause);
      return;
    case Trap.INSN_MISALIGNED:
    case Trap.LOAD_MISALIGNED:
    case Trap.STORE_MISALIGNED:
      // The address is the instruction's (arch/riscv/kernel/traps.c: do_trap_error with epc).
      doTrap(k, task, SIGBUS, BUS_ADRALN, machine.regs.pc, cause);
      return;
    default:
      doTrap(k, task, SIGSEGV, SEGV_ACCERR, machine.tval, cause);
  }
}

function userFault(k: Kernel, task: Task, addr: number, cause: number): void {
  const mm = task.mm;
  const access = cause === Trap.INSN_PAGE_FAULT ? Access.EXEC : cause === Trap.LOAD_PAGE_FAULT ? Access.READ : Access.WRITE;
  const r = mm === null || addr < 0 || addr >= TASK_SIZE ? Fault.MAPERR : handleMmFault(k, mm, addr, access);
  switch (r) {
    case Fault.DONE:
      return;
    case Fault.DRIVER:
      task.driverFault = null;
      if (!startDriverFault(k, task, addr, access === Access.WRITE, false)) forceSignal(k, task, { signo: SIGBUS, code: BUS_ADRERR, addr });
      return;
    case Fault.SIGBUS:
      doTrap(k, task, SIGBUS, BUS_ADRERR, addr, cause);
      return;
    case Fault.OOM:
      if (task.signal.oomKilled || !waitForKswapd(k)) outOfMemory(k, task);
      return;
    default:
      doTrap(k, task, SIGSEGV, r === Fault.ACCERR ? SEGV_ACCERR : SEGV_MAPERR, addr, cause);
  }
}

/** Decode, one call, encode. */
function doSyscall(k: Kernel, task: Task): void {
  const { regs } = k.machine;
  if (task.ptrace !== null && ptraceSyscallEnter(k, task, task.ptrace)) return;
  const nr = regs.get(17);
  task.syscallNr = nr;
  task.timedOut = task.timedOut && task.restart !== null;
  task.callIndex = 0;
  if (task.seccomp !== null && task.restart === null) {
    const verdict = secureComputing(k, task, task.seccomp);
    if (verdict === 'gone') return;
    if (verdict !== 'allow') {
      finishSyscall(k, task, verdict.result);
      return;
    }
  }
  task.driverFault = null;
  const row = syscallTable[nr];
  let result: number;
  if (row === undefined) {
    // -1 is a call that a tracer skips.
    result = nr === -1 && task.ptrace !== null ? regs.get(10) : -ENOSYS;
    if (nr !== -1 && !k.missingSyscalls.has(nr)) {
      k.missingSyscalls.add(nr);
      k.printk.log(4, `${task.comm}[${task.pid}]: system call ${syscallName(nr)} is not implemented`);
    }
  } else {
    // Code of modules that it calls comes back to this call, not behind the ecall.
    task.inSyscall = true;
    result = row.handler(k, regs.get(10), regs.get(11), regs.get(12), regs.get(13), regs.get(14), regs.get(15));
  }
  finishSyscall(k, task, result);
}

/** The call met a page that a driver's fault function has to bring: it is made again afterwards. False when that has failed before. */
function startCallFault(k: Kernel, task: Task, fault: { readonly page: number; readonly write: boolean }): boolean {
  task.driverFault = null;
  if (task.failedFault === fault.page) return false;
  task.inSyscall = true;
  if (startDriverFault(k, task, fault.page, fault.write, true)) return true;
  task.inSyscall = false;
  return false;
}

/** Settles a call's result: blocked and interrupted ones leave pc at the ecall. */
export function finishSyscall(k: Kernel, task: Task, result: number): void {
  task.inSyscall = result === BLOCKED;
  if (result === BLOCKED || task.exitState !== 0 || k.sched.loaded !== task || task.frames.length > 0) return;
  if (result === -EFAULT && task.driverFault !== null && startCallFault(k, task, task.driverFault)) return;
  task.failedFault = -1;
  const { regs } = k.machine;
  if (result === -ERESTARTSYS || result === -ERESTARTNOINTR || result === -ERESTARTNOHAND || result === -ERESTART_RESTARTBLOCK) {
    // Without a pending signal nothing makes the call again, and the program sees the number (only a module's init can do that).
    if (signalPending(task) || task.signal.groupStop !== 0) {
      task.restartCode = -result;
      task.calls = [];
      if (task.ptrace !== null) ptraceSyscallExit(k, task, task.ptrace);
      return;
    }
  }
  task.restart = null;
  task.timedOut = false;
  if (task.calls.length > 0) task.calls = [];
  if (task.skipResult) {
    task.skipResult = false;
  } else {
    regs.set(10, result);
    regs.pc += 4;
  }
  if (task.ptrace !== null) ptraceSyscallExit(k, task, task.ptrace);
}
