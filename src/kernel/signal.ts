import { EAGAIN, EINTR, EINVAL, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS, ESRCH } from '../abi/errno.ts';
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  NSIG,
  SA_NOCLDSTOP,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SI_KERNEL,
  SI_TKILL,
  SI_USER,
  SIG_DFL,
  SIG_IGN,
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGQUIT,
  sigBit,
  SIGRTMIN,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGWINCH,
  SIGXCPU,
  SIGXFSZ,
  SS_DISABLE,
  SS_ONSTACK,
} from '../abi/signal.ts';
import { doGroupExit } from './exit.ts';
import type { Kernel } from './kernel.ts';
import { copyFromUserPartial, copyToUser } from './mm/uaccess.ts';
import { TASK_INTERRUPTIBLE, TASK_RUNNING, TASK_STOPPED, TASK_TRACED, TASK_WAKEKILL, type Task } from './sched/task.ts';
import { wakeUpAll } from './sched/wait.ts';
import { setFrozen, wakeUpState } from './sched/core.ts';
import { nsCapable } from './nsproxy.ts';
import { inPidNs, pidNrNs } from './pid_namespace.ts';
import { fromKidMunged, INIT_USER_NS } from './user_namespace.ts';
import { ptraceBeforeUser, ptraceGroupContinued, ptraceInjected, ptraceJoinGroupStop, ptraceSignal } from './ptrace.ts';
import { rseqSignalDeliver } from './rseq.ts';
import type { SigAction, SigInfo, SigPending } from './signal_types.ts';

export type { SigAction, SigHandStruct, SigInfo, SigPending, SignalStruct } from './signal_types.ts';

// Sending, queueing and delivering signals (kernel/signal.c, arch/riscv/kernel/signal.c, signal(7)).

const UNBLOCKABLE = sigBit(SIGKILL) | sigBit(SIGSTOP);
const STOP_SIGNALS = sigBit(SIGSTOP) | sigBit(SIGTSTP) | sigBit(SIGTTIN) | sigBit(SIGTTOU);
const IGNORED_BY_DEFAULT = sigBit(SIGCHLD) | sigBit(SIGCONT) | sigBit(SIGURG) | sigBit(SIGWINCH);
const CORE_DUMPING = [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ];
/** Raised by the instruction itself: delivered before others. */
const SYNCHRONOUS = sigBit(SIGSEGV) | sigBit(SIGBUS) | sigBit(SIGILL) | sigBit(SIGTRAP) | sigBit(SIGFPE) | sigBit(SIGSYS);

export const DEFAULT_ACTION: SigAction = { handler: SIG_DFL, flags: 0, mask: 0n };

/** Handler of a signal that a kernel thread asked for with allow_signal. */
const SIG_KTHREAD = 2;
/** A kernel thread hears only what it asked for. */
function deafThread(task: Task, sig: number): boolean {
  return task.isKernelThread && handlerOf(task, sig) !== SIG_KTHREAD;
}
export function signalPending(task: Task): boolean {
  const own = task.pending;
  const group = task.signal.pending;
  if ((own.any || group.any) && ((own.set | group.set) & ~task.blocked) !== 0n) return true;
  // kthread_stop sets TIF_NOTIFY_SIGNAL.
  return task.ptrace?.trap === true || task.kthread?.shouldStop === true;
}
export function fatalSignalPending(task: Task): boolean {
  return (task.pending.set & sigBit(SIGKILL)) !== 0n;
}

function handlerOf(task: Task, sig: number): number {
  return task.sighand.action[sig - 1].handler;
}
/** True when the signal would be dropped on delivery (sig_ignored). */
function ignored(task: Task, sig: number): boolean {
  if (((task.blocked >> BigInt(sig - 1)) & 1n) !== 0n) return false;
  // A tracer hears of ignored signals too.
  if (task.ptrace !== null && sig !== SIGKILL) return false;
  const h = handlerOf(task, sig);
  // An init gets only what it asked for.
  if (h === SIG_DFL && task.isNsInit) return true;
  return h === SIG_IGN || (h === SIG_DFL && (IGNORED_BY_DEFAULT & sigBit(sig)) !== 0n);
}
function flushFrom(pending: SigPending, mask: bigint): void {
  if ((pending.set & mask) === 0n) return;
  pending.set &= ~mask;
  for (let i = pending.queue.length - 1; i >= 0; i--) if ((sigBit(pending.queue[i].signo) & mask) !== 0n) pending.queue.splice(i, 1);
}
function flushGroup(task: Task, mask: bigint): void {
  flushFrom(task.signal.pending, mask);
  for (const t of task.threads) flushFrom(t.pending, mask);
}

/** As many signals wait for processes of the task's user as RLIMIT_SIGPENDING allows. */
function userQueueFull(k: Kernel, task: Task): boolean {
  const limit = task.signal.rlimit(11);
  if (limit === Number.POSITIVE_INFINITY) return false;
  const { uid } = task.cred;
  let queued = 0;
  for (const t of k.sched.tasks.values())
    if (t.cred.uid === uid) queued += t.pending.queue.length + (t.isLeader ? t.signal.pending.queue.length : 0);
  return queued >= limit;
}
/** The sender is in the PID namespace of `task`, or below it. */
function fromInside(k: Kernel, task: Task): boolean {
  return task.pidNs.parent === null || inPidNs(k.current.pidNs, task.pidNs);
}
/** The sender's numbers as the receiver's namespaces have them: of what the kernel filled in itself (send_signal_locked). */
function localInfo(task: Task, info: SigInfo): SigInfo {
  const { userNs } = task.cred;
  const filled = info.code === SI_USER || info.code === SI_TKILL || info.status !== undefined;
  if (!filled || info.pid === undefined || (task.pidNs.parent === null && userNs === INIT_USER_NS)) return info;
  return { ...info, pid: pidNrNs(info.pid, task.pidNs), uid: fromKidMunged(userNs, 'uid', info.uid ?? 0) };
}

/** Queues a signal for one thread, or for its group. 0 or -EAGAIN (real-time queue full). */
export function sendSignalTo(k: Kernel, task: Task, info: SigInfo, group: boolean): number {
  const sig = info.signo;
  if (sig < 1 || sig > NSIG) return -EINVAL;
  // A leader that ended before its threads still stands for the group.
  if ((group ? task.signal.live === 0 : task.exitState !== 0) || deafThread(task, info.signo)) return 0;
  // Stop and continue cancel each other (prepare_signal).
  if ((STOP_SIGNALS & sigBit(sig)) !== 0n) flushGroup(task, sigBit(SIGCONT));
  else if (sig === SIGCONT) {
    flushGroup(task, STOP_SIGNALS);
    continueGroup(k, task);
  }
  if (ignored(task, sig) && sig !== SIGKILL && sig !== SIGSTOP) return 0;
  // An init is unkillable for all but the kernel itself and those in namespaces above.
  if (task.isNsInit && (sig === SIGKILL || sig === SIGSTOP) && info.code !== SI_KERNEL && fromInside(k, task)) return 0;
  const pending = group ? task.signal.pending : task.pending;
  if (sig < SIGRTMIN && (pending.set & sigBit(sig)) !== 0n) return 0;
  // The queue of a user is full: kill(2) still gets through, without its details; who sends more is told (__sigqueue_alloc).
  if (sig >= SIGRTMIN && userQueueFull(k, task)) {
    if (info.code !== SI_USER && info.code !== SI_KERNEL) return -EAGAIN;
    pending.set |= sigBit(sig);
    completeSignal(k, task, sig, group);
    return 0;
  }
  pending.set |= sigBit(sig);
  pending.queue.push(localInfo(task, info));
  completeSignal(k, task, sig, group);
  return 0;
}

/** sig_fatal, without those that dump core. */
function isFatal(task: Task, sig: number): boolean {
  return handlerOf(task, sig) === SIG_DFL && ((STOP_SIGNALS | IGNORED_BY_DEFAULT) & sigBit(sig)) === 0n && !CORE_DUMPING.includes(sig);
}

/** Picks a thread to tell, and wakes it. */
function completeSignal(k: Kernel, task: Task, sig: number, group: boolean): void {
  if (sig === SIGKILL) {
    // Death comes to every thread at once.
    for (const t of task.threads) {
      t.pending.set |= sigBit(SIGKILL);
      setFrozen(k, t, false);
      wakeUpState(k, t, TASK_INTERRUPTIBLE | TASK_WAKEKILL | TASK_STOPPED | TASK_TRACED);
    }
    return;
  }
  const wants = (t: Task) => (t.blocked & sigBit(sig)) === 0n && t.exitState === 0;
  const target = wants(task) || !group ? task : task.threads.find(wants);
  if (target !== undefined && wants(target)) {
    // What would kill it does so even where its control group is frozen.
    if (target.frozen && isFatal(target, sig)) setFrozen(k, target, false);
    wakeUpState(k, target, TASK_INTERRUPTIBLE);
  }
  // sigwait looks at blocked signals too.
  for (const t of group ? task.threads : [task]) if (t.restart?.['sigwait'] === true) wakeUpState(k, t, TASK_INTERRUPTIBLE);
  wakeUpAll(k, k.sched.signalfdQueue);
}

function continueGroup(k: Kernel, task: Task): void {
  if (task.signal.groupStop === 0) return;
  task.signal.groupStop = 0;
  for (const t of task.threads) {
    t.stopReport = 0;
    if (t.ptrace !== null) ptraceGroupContinued(k, t, t.ptrace);
    wakeUpState(k, t, TASK_STOPPED);
  }
  task.groupLeader.continueReport = true;
  notifyParent(k, task.groupLeader, CLD_CONTINUED, SIGCONT);
}

/** SIGCHLD to the parent of a group, and a wake-up for wait4 (do_notify_parent). */
export function notifyParent(k: Kernel, leader: Task, code: number, status: number): void {
  const parent = leader.parent;
  const action = parent.sighand.action[SIGCHLD - 1];
  const stopping = code === CLD_STOPPED || code === CLD_CONTINUED;
  if (!stopping || (action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0)) {
    const sig = stopping ? SIGCHLD : leader.exitSignal;
    // clone(2) takes any number below 256 as the exit signal; only real ones are sent.
    if (sig > 0 && sig <= NSIG) {
      sendSignalTo(
        k,
        parent,
        {
          signo: sig,
          code,
          pid: leader.pid,
          uid: leader.cred.uid,
          status,
          utime: Math.floor(leader.utime / 1e7),
          stime: Math.floor(leader.stime / 1e7),
        },
        true,
      );
    }
  }
  wakeUpAll(k, parent.signal.childWait);
}

/** A fault of the current task: cannot be blocked or ignored (force_sig_fault). */
export function forceSignal(k: Kernel, task: Task, info: SigInfo): void {
  const bit = sigBit(info.signo);
  const action = task.sighand.action[info.signo - 1];
  if ((task.blocked & bit) !== 0n || action.handler === SIG_IGN) {
    task.sighand.action[info.signo - 1] = { ...action, handler: SIG_DFL };
    task.blocked &= ~bit;
  }
  task.pending.set |= bit;
  task.pending.queue.unshift(info);
  void k;
}

function dequeueFrom(pending: SigPending, mask: bigint): SigInfo | null {
  if (pending.set === 0n) return null;
  const candidates = pending.set & mask;
  if (candidates === 0n) return null;
  let sig = 1;
  if ((candidates & SYNCHRONOUS) !== 0n) while ((candidates & SYNCHRONOUS & sigBit(sig)) === 0n) sig++;
  else while ((candidates & sigBit(sig)) === 0n) sig++;
  const i = pending.queue.findIndex((q) => q.signo === sig);
  const info = i < 0 ? { signo: sig, code: SI_USER, pid: 0, uid: 0 } : pending.queue.splice(i, 1)[0];
  if (!pending.queue.some((q) => q.signo === sig)) pending.set &= ~sigBit(sig);
  return info;
}
/** Takes the next pending signal of `mask`: the thread's own before the group's. */
export function dequeueSignal(task: Task, mask: bigint): SigInfo | null {
  return dequeueFrom(task.pending, mask) ?? dequeueFrom(task.signal.pending, mask);
}

/** May the caller signal `target` (kill(2))? */
export function mayKill(k: Kernel, target: Task, sig: number): boolean {
  const c = k.current.cred;
  const t = target.cred;
  if (c.euid === t.suid || c.euid === t.uid || c.uid === t.suid || c.uid === t.uid || nsCapable(k.current, t.userNs, 5)) return true;
  return sig === SIGCONT && k.current.signal.sid === target.signal.sid;
}
/** The caller's PID namespace shows `task`. */
const fromAbove = (k: Kernel, task: Task) => k.current.pidNs.parent === null || inPidNs(task.pidNs, k.current.pidNs);
/** kill(2) for every process that `match` picks. */
export function killMatching(k: Kernel, sig: number, match: (t: Task) => boolean, info: SigInfo | null = null): number {
  let result = -ESRCH;
  for (const task of [...k.sched.tasks.values()]) {
    if (!task.isLeader || !match(task) || !fromAbove(k, task)) continue;
    const r = killProcess(k, sig, task, info);
    if (r === 0 || result !== 0) result = r;
  }
  return result;
}
/** The same for one process, by its leader: 0, -EPERM or -ESRCH. */
export function killProcess(k: Kernel, sig: number, leader: Task, info: SigInfo | null = null): number {
  if (!mayKill(k, leader, sig)) return -EPERM;
  if (sig !== 0) sendSignalTo(k, leader, info ?? { signo: sig, code: SI_USER, pid: k.current.tgid, uid: k.current.cred.uid }, true);
  return 0;
}
/** From the kernel (tty) to a process group. */
export function killPgrp(k: Kernel, pgid: number, sig: number): void {
  for (const task of [...k.sched.tasks.values()]) {
    if (task.isLeader && !task.isKernelThread && task.signal.pgid === pgid)
      sendSignalTo(k, task, { signo: sig, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  }
}

/** A process group without a parent outside it in the same session: tty stops are ignored (kill_orphaned_pgrp). */
export function isOrphanedPgrp(k: Kernel, pgid: number, except: Task | null): boolean {
  for (const task of k.sched.tasks.values()) {
    if (!task.isLeader || task.signal.pgid !== pgid || task === except || task.exitState !== 0) continue;
    const p = task.parent.groupLeader;
    if (p.pid !== 1 && p.signal.pgid !== pgid && p.signal.sid === task.signal.sid) return false;
  }
  return true;
}

function stopGroup(k: Kernel, task: Task, sig: number): void {
  task.signal.groupStop = sig;
  for (const t of task.threads) {
    if (t.exitState !== 0) continue;
    if (t.ptrace !== null) {
      ptraceJoinGroupStop(k, t, t.ptrace, sig);
      continue;
    }
    t.stopReport = sig;
    if (t === task || t.state === TASK_INTERRUPTIBLE || t.state === TASK_RUNNING) t.state = TASK_STOPPED;
  }
  const leader = task.groupLeader;
  // A tracer that is the parent hears of the tracee's own stop.
  if (leader.ptrace?.tracer.groupLeader === leader.parent.groupLeader) return;
  leader.stopReport = sig;
  notifyParent(k, leader, CLD_STOPPED, sig);
}

const FRAME_SIZE = 1088;
const UC = 128;
const SIGMASK_AT = UC + 40;
const REGS_AT = UC + 176;
const FP_AT = UC + 432;
const REGS_SIZE = 256;
const FP_SIZE = 260;
/** Where a frame is built and taken apart; nothing rests here between calls. */
const frameBytes = new Uint8Array(FRAME_SIZE);
const frameView = new DataView(frameBytes.buffer);

export function encodeSigInfo(info: SigInfo, into: DataView, at: number): void {
  into.setInt32(at, info.signo, true);
  into.setInt32(at + 4, info.errno ?? 0, true);
  into.setInt32(at + 8, info.code, true);
  if (info.call !== undefined) {
    into.setBigInt64(at + 16, BigInt(info.call.addr), true);
    into.setInt32(at + 24, info.call.nr, true);
    into.setUint32(at + 28, info.call.arch, true);
  } else if (info.addr !== undefined) into.setBigInt64(at + 16, BigInt(Math.trunc(info.addr)), true);
  else if (info.band !== undefined) {
    into.setBigInt64(at + 16, BigInt(info.band), true);
    into.setInt32(at + 24, info.fd ?? 0, true);
  } else {
    into.setInt32(at + 16, info.pid ?? 0, true);
    into.setInt32(at + 20, info.uid ?? 0, true);
    if (info.status !== undefined) {
      into.setInt32(at + 24, info.status, true);
      into.setBigInt64(at + 32, BigInt(info.utime ?? 0), true);
      into.setBigInt64(at + 40, BigInt(info.stime ?? 0), true);
    } else if (info.value !== undefined) into.setBigInt64(at + 24, info.value, true);
  }
}

function onAltStack(task: Task, sp: number): boolean {
  const s = task.sigaltstack;
  return (s.flags & SS_DISABLE) === 0 && sp > s.sp && sp - s.sp <= s.size;
}

/** Builds the frame and points the registers at the handler. False when the stack is not writable. */
function setupFrame(k: Kernel, task: Task, info: SigInfo, action: SigAction): boolean {
  rseqSignalDeliver(k, task);
  const { regs } = k.machine;
  let sp = regs.get(2);
  const alt = task.sigaltstack;
  if ((action.flags & SA_ONSTACK) !== 0 && (alt.flags & SS_DISABLE) === 0 && !onAltStack(task, sp)) sp = alt.sp + alt.size;
  const frame = Math.floor((sp - FRAME_SIZE) / 16) * 16;
  const v = frameView;
  frameBytes.fill(0, 0, REGS_AT);
  encodeSigInfo(info, v, 0);
  v.setBigInt64(UC + 16, BigInt(alt.sp), true);
  v.setInt32(UC + 24, onAltStack(task, regs.get(2)) ? SS_ONSTACK : alt.flags, true);
  v.setBigInt64(UC + 32, BigInt(alt.size), true);
  v.setBigUint64(SIGMASK_AT, BigInt.asUintN(64, task.savedSigmask ?? task.blocked), true);
  // sc_regs has the order of pt_regs: both pass through the task's save areas.
  regs.save(task.ptRegs);
  frameBytes.set(k.ram.bytes(task.ptRegs, REGS_SIZE), REGS_AT);
  regs.saveFp(task.fpState);
  frameBytes.set(k.ram.bytes(task.fpState, FP_SIZE), FP_AT);
  if (frame < 0 || copyToUser(k, frame, frameBytes) < 0) return false;
  regs.pc = action.handler;
  regs.set(1, (task.mm?.vdso ?? 0) + (k.vdso?.sigreturn ?? 0));
  regs.set(2, frame);
  regs.set(10, info.signo);
  regs.set(11, frame);
  regs.set(12, frame + UC);
  task.savedSigmask = null;
  let mask = action.mask;
  if ((action.flags & SA_NODEFER) === 0) mask |= sigBit(info.signo);
  task.blocked = (task.blocked | mask) & ~UNBLOCKABLE;
  return true;
}

/** rt_sigreturn: everything back from the frame at sp. */
export function sigReturn(k: Kernel): void {
  const task = k.current;
  const { regs } = k.machine;
  const read = copyFromUserPartial(k, frameBytes, regs.get(2));
  task.restart = null;
  task.restartCode = 0;
  if (read < FRAME_SIZE) {
    forceSignal(k, task, { signo: SIGSEGV, code: SI_KERNEL, addr: 0 });
    return;
  }
  const v = frameView;
  task.blocked = v.getBigUint64(SIGMASK_AT, true) & ~UNBLOCKABLE;
  k.ram.u8.set(frameBytes.subarray(REGS_AT, REGS_AT + REGS_SIZE), task.ptRegs);
  regs.load(task.ptRegs);
  k.ram.u8.set(frameBytes.subarray(FP_AT, FP_AT + FP_SIZE), task.fpState);
  regs.loadFp(task.fpState);
  const flags = v.getInt32(UC + 24, true);
  const altSp = Number(v.getBigInt64(UC + 16, true));
  const altSize = Number(v.getBigInt64(UC + 32, true));
  if ((flags & ~3) === 0) task.sigaltstack = { sp: altSp, flags: flags & SS_DISABLE, size: altSize };
}

/**
 * Runs before the current task goes back to user mode with registers loaded: settles an interrupted system call and delivers one
 * signal after another until a handler is set up, the task stops or dies, or nothing is left (do_signal).
 */
export function doSignal(k: Kernel): void {
  const task = k.current;
  const { regs } = k.machine;
  for (;;) {
    if ((task.pending.set & sigBit(SIGKILL)) !== 0n) {
      task.signal.groupExit ? doGroupExit(k, task, task.signal.groupExitCode) : doGroupExit(k, task, SIGKILL);
      return;
    }
    const p = task.ptrace;
    if (task.signal.groupStop !== 0 && task.state !== TASK_STOPPED && p === null) {
      task.state = TASK_STOPPED;
      return;
    }
    const injected = p === null ? null : ptraceInjected(task, p);
    if (injected === 0) continue;
    const info = injected ?? dequeueSignal(task, ~task.blocked);
    if (info === null) break;
    if (p !== null && injected === null && info.signo !== SIGKILL) {
      ptraceSignal(k, task, p, info);
      return;
    }
    const sig = info.signo;
    const action = task.sighand.action[sig - 1];
    if (action.handler === SIG_IGN) continue;
    if (action.handler === SIG_DFL) {
      if ((IGNORED_BY_DEFAULT & sigBit(sig)) !== 0n) continue;
      if (task.isNsInit && info.code <= 0 && sig !== SIGKILL && sig !== SIGSTOP) continue;
      if ((STOP_SIGNALS & sigBit(sig)) !== 0n) {
        if (sig !== SIGSTOP && isOrphanedPgrp(k, task.signal.pgid, null)) continue;
        stopGroup(k, task, sig);
        if (p !== null) ptraceBeforeUser(k, task, p);
        return;
      }
      doGroupExit(k, task, sig | (CORE_DUMPING.includes(sig) && task.signal.rlimit(4) > 0 ? 0x80 : 0));
      return;
    }
    // A handler: the interrupted call fails with EINTR, or is made again afterwards.
    if (task.restartCode !== 0) {
      const code = task.restartCode;
      task.restartCode = 0;
      const again = code === ERESTARTSYS ? (action.flags & SA_RESTART) !== 0 : code !== ERESTARTNOHAND && code !== ERESTART_RESTARTBLOCK;
      if (!again) {
        regs.set(10, -EINTR);
        regs.pc += 4;
        task.restart = null;
      }
    }
    // Flags and mask stay.
    if ((action.flags & SA_RESETHAND) !== 0) task.sighand.action[sig - 1] = { ...action, handler: SIG_DFL };
    if (!setupFrame(k, task, info, action)) {
      if (sig === SIGSEGV) task.sighand.action[sig - 1] = DEFAULT_ACTION;
      forceSignal(k, task, { signo: SIGSEGV, code: SI_KERNEL, addr: 0 });
    }
    // Further signals that are pending and not blocked now stack their frames on top: the last one's handler runs first.
  }
  // No handler ran: the call (pc still at its ecall) is simply made again.
  task.restartCode = 0;
  if (task.savedSigmask !== null) {
    task.blocked = task.savedSigmask;
    task.savedSigmask = null;
  }
}

/** sigaction(2) without the copying: what changing to ignore discards. */
export function setAction(k: Kernel, task: Task, sig: number, action: SigAction): number {
  if (sig < 1 || sig > NSIG || sig === SIGKILL || sig === SIGSTOP) return -EINVAL;
  task.sighand.action[sig - 1] = action;
  if (action.handler === SIG_IGN || (action.handler === SIG_DFL && (IGNORED_BY_DEFAULT & sigBit(sig)) !== 0n))
    flushGroup(task, sigBit(sig));
  void k;
  return 0;
}
export function setBlocked(task: Task, mask: bigint): void {
  task.blocked = mask & ~UNBLOCKABLE;
}
