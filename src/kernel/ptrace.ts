import { EIO, EPERM, ESRCH } from '../abi/errno.ts';
import { pt_regs as PT, task_struct as TASK } from '../abi/layout/structs.ts';
import {
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_EXIT,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_STOP,
  PTRACE_EVENT_VFORK,
  PTRACE_EVENT_VFORK_DONE,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACESYSGOOD,
} from '../abi/ptrace.ts';
import { CLD_TRAPPED, SI_KERNEL, SI_USER, SIGCHLD, SIGKILL, SIGSTOP, SIGTRAP, sigBit } from '../abi/signal.ts';
import { doExit, exitNotify, releaseThread } from './exit.ts';
import { findTaskByVpid } from './pid.ts';
import type { Kernel } from './kernel.ts';
import { physToVirt } from './mm/address.ts';
import { sendSignalTo } from './signal.ts';
import type { SigInfo } from './signal_types.ts';
import { wakeUpState } from './sched/core.ts';
import { EXIT_ZOMBIE, TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_STOPPED, TASK_TRACED, type Task } from './sched/task.ts';
import { wakeUpAll } from './sched/wait.ts';

// Tracing one task from another (kernel/ptrace.c, ptrace(2)). A tracee stops only on its own way to or from user mode; a stop is plain data on it
// (rule 3), and what has to happen after the stop is told by the stop's kind.

export interface PtraceStop {
  readonly kind: 'signal' | 'entry' | 'exit' | 'event' | 'group';
  /** Bits 0-7 the signal that the tracer sees, above them the event: the wait status is this << 8 | 0x7f. */
  readonly code: number;
  /** PTRACE_GETEVENTMSG. */
  readonly message: number;
  /** PTRACE_GETSIGINFO; null = there is none (a group stop). */
  info: SigInfo | null;
}
/** What a traced task carries. */
export interface PtraceState {
  readonly tracer: Task;
  options: number;
  /** Attached with PTRACE_SEIZE. */
  readonly seized: boolean;
  /** Runs to the next entry to or exit from a system call (PTRACE_SYSCALL). */
  syscalls: boolean;
  /** Stops to come before it goes back to user mode. */
  readonly queue: PtraceStop[];
  /** Where it is stopped. */
  stop: PtraceStop | null;
  /** The stop it was let go from, until its consequences are drawn. */
  resumed: PtraceStop | null;
  /** The signal that the tracer let it go with. */
  data: number;
  /** Not yet waited for. */
  report: number;
  message: number;
  /** Between entry to and exit from a system call. */
  inCall: boolean;
  /** a0 at the ecall, which the call's result replaces (orig_a0). */
  origA0: bigint;
  /** Must stop with PTRACE_EVENT_STOP. */
  trap: boolean;
  /** Must take part in a group stop by this signal. */
  groupStop: number;
  /** PTRACE_LISTEN: stays in its group stop, and tells when that ends. */
  listening: boolean;
  /** Stopped with PTRACE_EVENT_EXIT; the exit code to die with. */
  dying: number | null;
  exitSeen: boolean;
}

/** ptrace_may_access: same user and dumpable, or CAP_SYS_PTRACE. `real`: the caller's real ids count, not the file system ones. */
export function ptraceMayAccess(k: Kernel, task: Task, real = false): boolean {
  const me = k.current;
  if (me.tgid === task.tgid) return true;
  const c = me.cred;
  const t = task.cred;
  const [uid, gid] = real ? [c.uid, c.gid] : [c.fsuid, c.fsgid];
  const same = uid === t.uid && uid === t.euid && uid === t.suid && gid === t.gid && gid === t.egid && gid === t.sgid;
  const capable = me.capable(19); // CAP_SYS_PTRACE
  return (same || capable) && (task.dumpable || capable);
}

/** Makes `tracer` the tracer of `task` (ptrace_link). */
export function ptraceLink(k: Kernel, task: Task, tracer: Task, seized: boolean, options: number): PtraceState {
  const p: PtraceState = {
    tracer,
    options,
    seized,
    syscalls: false,
    queue: [],
    stop: null,
    resumed: null,
    data: 0,
    report: 0,
    message: 0,
    inCall: task.inSyscall,
    origA0: 0n,
    trap: false,
    groupStop: 0,
    listening: false,
    dying: null,
    exitSeen: false,
  };
  if (task.inSyscall) p.origA0 = k.ram.readBig(task.ptRegs + PT.a0);
  task.ptrace = p;
  tracer.ptraced.push(task);
  k.ram.write64(task.addr + TASK.parent, physToVirt(tracer.addr));
  k.ram.write32(task.addr + TASK.ptrace, 1);
  return p;
}
/** The task is traced no more; it goes on, or stays stopped with its group. */
export function ptraceUnlink(k: Kernel, task: Task): void {
  const p = task.ptrace;
  if (p === null) return;
  const i = p.tracer.ptraced.indexOf(task);
  if (i >= 0) p.tracer.ptraced.splice(i, 1);
  k.ram.write64(task.addr + TASK.parent, task.parent.va);
  k.ram.write32(task.addr + TASK.ptrace, 0);
  if (task.exitState !== 0) {
    task.ptrace = null;
    return;
  }
  if ((task.state & TASK_TRACED) !== 0) {
    letGo(p, 0);
    settleStop(k, task, p);
    task.ptrace = null;
    if (task.signal.groupStop !== 0) task.state = TASK_STOPPED;
    else wakeUpState(k, task, TASK_TRACED);
  } else task.ptrace = null;
}
/** What must be put right in the registers of a task that will not come through its stop as a tracee: the call it stands before or behind. */
function settleStop(k: Kernel, task: Task, p: PtraceState): void {
  const { ram } = k;
  const at = p.resumed;
  if (at === null) return;
  if (at.kind === 'entry') {
    ram.write64(task.ptRegs, ram.read64(task.ptRegs) - 4);
    ram.writeBig(task.ptRegs + PT.a0, p.origA0);
  } else if (at.kind === 'exit' && task.restartCode !== 0 && ram.read64(task.ptRegs + PT.a0) === -task.restartCode) {
    ram.write64(task.ptRegs, ram.read64(task.ptRegs) - 4);
    ram.writeBig(task.ptRegs + PT.a0, p.origA0);
  }
}

/** The current task stops for its tracer (ptrace_stop). */
function takeStop(k: Kernel, task: Task, p: PtraceState, stop: PtraceStop): void {
  p.stop = stop;
  p.resumed = null;
  p.report = stop.code;
  p.message = stop.message;
  p.listening = false;
  task.state = TASK_TRACED;
  tellTracer(k, task, CLD_TRAPPED, stop.code & 0x7f);
}
/** SIGCHLD to the tracer, and a wake-up for its wait4 (do_notify_parent_cldstop for a tracee). */
function tellTracer(k: Kernel, task: Task, code: number, status: number): void {
  const tracer = task.ptrace?.tracer;
  if (tracer === undefined) return;
  const { uid } = task.cred;
  const times = { utime: Math.floor(task.utime / 1e7), stime: Math.floor(task.stime / 1e7) };
  sendSignalTo(k, tracer, { signo: SIGCHLD, code, pid: task.pid, uid, status, ...times }, true);
  wakeUpAll(k, tracer.signal.childWait);
}
/** Marks a stop as left with signal `data`. */
export function letGo(p: PtraceState, data: number): void {
  p.resumed = p.stop;
  p.stop = null;
  p.report = 0;
  p.data = data;
  p.listening = false;
}

function trapInfo(task: Task, code: number): SigInfo {
  return { signo: SIGTRAP, code, pid: task.pid, uid: task.cred.uid };
}
export function eventStop(task: Task, event: number, message: number, sig = SIGTRAP): PtraceStop {
  const code = sig | (event << 8);
  return { kind: 'event', code, message, info: trapInfo(task, code) };
}
function syscallStop(task: Task, p: PtraceState, kind: 'entry' | 'exit'): PtraceStop {
  const code = SIGTRAP | ((p.options & PTRACE_O_TRACESYSGOOD) !== 0 ? 0x80 : 0);
  return { kind, code, message: kind === 'entry' ? 1 : 2, info: trapInfo(task, code) };
}
export function tracesEvent(task: Task, event: number): boolean {
  return task.ptrace !== null && (task.ptrace.options & (1 << event)) !== 0;
}

/**
 * A traced task stands at its ecall. True when it has stopped before the call; when it comes here again the call is made, with what the tracer
 * left in the registers.
 */
export function ptraceSyscallEnter(k: Kernel, task: Task, p: PtraceState): boolean {
  const { regs } = k.machine;
  if (p.inCall) return false;
  if (p.resumed?.kind === 'entry') {
    p.resumed = null;
    regs.pc -= 4;
    if ((task.pending.set & sigBit(SIGKILL)) !== 0n) {
      task.inSyscall = false;
      return true;
    }
    // a7 = -1 skips the call; its result is then what the tracer put into a0.
    if (regs.get(17) !== -1) regs.setBig(10, p.origA0);
    p.inCall = true;
    return false;
  }
  p.origA0 = regs.getBig(10);
  if (!p.syscalls) {
    p.inCall = true;
    return false;
  }
  // As Linux shows it: behind the ecall, a0 preset to -ENOSYS.
  regs.pc += 4;
  regs.set(10, -38);
  task.inSyscall = true;
  takeStop(k, task, p, syscallStop(task, p, 'entry'));
  return true;
}
/** A traced task's call has its result: a stop is due behind it. */
export function ptraceSyscallExit(k: Kernel, task: Task, p: PtraceState): void {
  if (!p.inCall) return;
  p.inCall = false;
  if (!p.syscalls) return;
  p.queue.push(syscallStop(task, p, 'exit'));
  if (task.restartCode === 0) return;
  // An interrupted call shows its restart code; the stop's end takes that back.
  k.machine.regs.pc += 4;
  k.machine.regs.set(10, -task.restartCode);
}

/** Before a traced task goes back to user mode. True when it has stopped (or died) instead. */
export function ptraceBeforeUser(k: Kernel, task: Task, p: PtraceState): boolean {
  const { regs } = k.machine;
  if (p.resumed?.kind === 'exit') {
    p.resumed = null;
    if (task.restartCode !== 0 && regs.get(10) === -task.restartCode) {
      regs.pc -= 4;
      regs.setBig(10, p.origA0);
    }
    if (p.data !== 0) sendSignalTo(k, task, { signo: p.data, code: SI_KERNEL, pid: 0, uid: 0 }, false);
  } else if (p.resumed !== null && p.resumed.kind !== 'signal') p.resumed = null;
  if ((task.pending.set & sigBit(SIGKILL)) !== 0n) return false;
  if (p.dying !== null) {
    const code = p.dying;
    p.dying = null;
    doExit(k, task, code);
    return true;
  }
  // The exit stop is the last before user mode.
  const next = p.queue.findIndex((s) => s.kind !== 'exit');
  const stop = p.queue.splice(Math.max(next, 0), 1)[0];
  if (stop !== undefined) {
    takeStop(k, task, p, stop);
    return true;
  }
  if (p.groupStop !== 0) {
    const sig = p.groupStop;
    p.groupStop = 0;
    p.trap = false;
    takeStop(k, task, p, groupStop(task, p, sig));
    return true;
  }
  if (p.trap) {
    p.trap = false;
    takeStop(k, task, p, eventStop(task, PTRACE_EVENT_STOP, 0));
    return true;
  }
  return false;
}
function groupStop(task: Task, p: PtraceState, sig: number): PtraceStop {
  return p.seized ? { ...eventStop(task, PTRACE_EVENT_STOP, 0, sig), kind: 'group' } : { kind: 'group', code: sig, message: 0, info: null };
}
/** The group of a traced task stops: it does so as a tracee, once. */
export function ptraceJoinGroupStop(k: Kernel, task: Task, p: PtraceState, sig: number): void {
  p.groupStop = sig;
  p.trap = true;
  wakeUpState(k, task, TASK_INTERRUPTIBLE);
}
/** The end of a group stop. */
export function ptraceGroupContinued(k: Kernel, task: Task, p: PtraceState): void {
  p.groupStop = 0;
  if (!p.listening) return;
  p.trap = true;
  letGo(p, 0);
  wakeUpState(k, task, TASK_TRACED);
}

/** A signal was taken from the queue of a traced task: it stops, and the tracer decides (ptrace_signal). */
export function ptraceSignal(k: Kernel, task: Task, p: PtraceState, info: SigInfo): void {
  takeStop(k, task, p, { kind: 'signal', code: info.signo, message: 0, info });
}
/** What the tracer made of the signal that the task stopped for: a signal to deliver, 0 = none, null = there was no such stop. */
export function ptraceInjected(task: Task, p: PtraceState): SigInfo | 0 | null {
  const at = p.resumed;
  if (at?.kind !== 'signal' || at.info === null) return null;
  p.resumed = null;
  if (p.data === 0) return 0;
  const info: SigInfo =
    p.data === at.info.signo ? at.info : { signo: p.data, code: SI_USER, pid: p.tracer.tgid, uid: p.tracer.cred.uid };
  if ((task.blocked & sigBit(info.signo)) === 0n) return info;
  task.pending.set |= sigBit(info.signo);
  task.pending.queue.push(info);
  return 0;
}

/** Which event a clone is to its tracer (kernel_clone), 0 = none. */
export function cloneEvent(task: Task, vfork: boolean, exitSignal: number, untraced: boolean): number {
  if (untraced || task.ptrace === null) return 0;
  const event = vfork ? PTRACE_EVENT_VFORK : exitSignal !== SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
  return tracesEvent(task, event) ? event : 0;
}
/** A new task whose maker is traced with that event is traced from its first instruction (ptrace_init_task). */
export function ptraceInitTask(k: Kernel, child: Task, parent: Task): void {
  const p = parent.ptrace;
  if (p === null) return;
  const c = ptraceLink(k, child, p.tracer, p.seized, p.options);
  c.inCall = false;
  if (p.seized) c.trap = true;
  else {
    child.pending.set |= sigBit(SIGSTOP);
    child.pending.queue.push({ signo: SIGSTOP, code: SI_USER, pid: 0, uid: 0 });
  }
}
export function ptraceQueueEvent(task: Task, event: number, message: number): void {
  task.ptrace?.queue.push(eventStop(task, event, message));
}
/** Between making a vfork child and waiting for it the parent stops. */
export function ptraceVforkStop(k: Kernel, task: Task, child: number): void {
  if (task.ptrace !== null) takeStop(k, task, task.ptrace, eventStop(task, PTRACE_EVENT_VFORK, child));
}
export function ptraceVforkDone(task: Task, child: number): void {
  if (tracesEvent(task, PTRACE_EVENT_VFORK_DONE)) ptraceQueueEvent(task, PTRACE_EVENT_VFORK_DONE, child);
}
/** A traced task has a new program: an event, or the old SIGTRAP (begin_new_exec). */
export function ptraceExec(k: Kernel, task: Task, formerTid: number): void {
  const p = task.ptrace;
  if (p === null) return;
  if (tracesEvent(task, PTRACE_EVENT_EXEC)) ptraceQueueEvent(task, PTRACE_EVENT_EXEC, formerTid);
  else if (!p.seized) sendSignalTo(k, task, { signo: SIGTRAP, code: SI_USER, pid: task.tgid, uid: task.cred.uid }, false);
}
/** A traced task is about to end. True when it stops first; it ends when it is let go. */
export function ptraceExitStop(k: Kernel, task: Task, code: number): boolean {
  const p = task.ptrace;
  if (p === null || p.exitSeen || k.current !== task || !tracesEvent(task, PTRACE_EVENT_EXIT)) return false;
  if ((task.pending.set & sigBit(SIGKILL)) !== 0n) return false;
  p.exitSeen = true;
  p.dying = code;
  takeStop(k, task, p, eventStop(task, PTRACE_EVENT_EXIT, code));
  return true;
}

/** A traced thread that is not its group's leader has ended: it stays as a zombie until its tracer has waited for it. */
export function ptraceThreadEnded(k: Kernel, task: Task): void {
  task.exitState = EXIT_ZOMBIE;
  const code = task.exitCode;
  tellTracer(k, task, (code & 0x7f) === 0 ? 1 : 2, (code & 0x7f) === 0 ? (code >> 8) & 0xff : code & 0x7f);
}
/** A task that traces others ends (exit_ptrace). */
export function exitPtrace(k: Kernel, task: Task): void {
  for (const t of [...task.ptraced]) {
    if (t.ptrace !== null && (t.ptrace.options & PTRACE_O_EXITKILL) !== 0) sendSignalTo(k, t, { signo: SIGKILL, code: SI_KERNEL }, false);
    const theirs = t.parent.groupLeader !== task.groupLeader;
    ptraceUnlink(k, t);
    if (t.exitState !== EXIT_ZOMBIE) continue;
    if (!t.isLeader) releaseThread(k, t);
    else if (theirs && t.signal.live === 0) exitNotify(k, t);
  }
}

/** Lets a stopped tracee run on (ptrace_resume). */
export function ptraceResume(k: Kernel, task: Task, p: PtraceState, syscalls: boolean, data: number): number {
  if (data < 0 || data > 64) return -EIO;
  p.syscalls = syscalls;
  letGo(p, data);
  task.state = TASK_RUNNING;
  k.sched.activate(task);
  return 0;
}

/** The tracee that `pid` names, when the caller traces it and (unless `running`) it is stopped (ptrace_check_attach). */
export function ptraceTarget(k: Kernel, pid: number, running: boolean): Task | number {
  const task = findTaskByVpid(k, pid);
  const p = task?.ptrace ?? null;
  if (task === undefined || p === null || p.tracer.groupLeader !== k.current.groupLeader) return -ESRCH;
  if (!running && ((task.state & TASK_TRACED) === 0 || p.stop === null || p.listening)) return -ESRCH;
  return task;
}
/** PTRACE_ATTACH and PTRACE_SEIZE. */
export function ptraceAttach(k: Kernel, task: Task, seize: boolean, options: number): number {
  if (task.isKernelThread || task.tgid === k.current.tgid || !ptraceMayAccess(k, task, true)) return -EPERM;
  if (task.ptrace !== null || task.exitState !== 0) return -EPERM;
  const p = ptraceLink(k, task, k.current, seize, options);
  if (!seize) sendSignalTo(k, task, { signo: SIGSTOP, code: SI_KERNEL, pid: 0, uid: 0 }, false);
  // One that is stopped already becomes a stopped tracee.
  if ((task.state & TASK_STOPPED) !== 0) {
    p.groupStop = task.signal.groupStop;
    p.trap = true;
    task.state = TASK_RUNNING;
    k.sched.activate(task);
  }
  return 0;
}
/** PTRACE_INTERRUPT. */
export function ptraceInterrupt(k: Kernel, task: Task, p: PtraceState): number {
  if (!p.seized) return -EIO;
  if (p.listening) {
    p.trap = true;
    letGo(p, 0);
    wakeUpState(k, task, TASK_TRACED);
  } else if (p.stop === null) {
    p.trap = true;
    wakeUpState(k, task, TASK_INTERRUPTIBLE);
  }
  return 0;
}
