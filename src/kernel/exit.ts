import { ECHILD } from '../abi/errno.ts';
import {
  CLD_CONTINUED,
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  CLD_STOPPED,
  CLD_TRAPPED,
  SA_NOCLDWAIT,
  SI_KERNEL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
  sigBit,
} from '../abi/signal.ts';
import { acctProcess } from './acct.ts';
import { disassociateCtty } from './drivers/tty/jobctl.ts';
import { freeTask, unlinkThread } from './fork.ts';
import { futexWakeAddress } from './futex/core.ts';
import { futexExit } from './futex/robust.ts';
import { exitSem } from './ipc/sem.ts';
import type { Kernel } from './kernel.ts';
import { mmPut } from './mm/memory.ts';
import { putUser32 } from './mm/uaccess.ts';
import { exitNamespaces } from './nsproxy.ts';
import { pidVnr } from './pid.ts';
import { inPidNs } from './pid_namespace.ts';
import { notifyPidfd } from './pidfd.ts';
import { exitPtrace, ptraceExitStop, ptraceThreadEnded, ptraceUnlink } from './ptrace.ts';
import { isOrphanedPgrp, killPgrp, notifyParent, sendSignalTo } from './signal.ts';
import { cgroupExit } from './cgroup/cgroup.ts';
import { setFrozen, tryToWakeUp } from './sched/core.ts';
import { beginExitWork } from './task_work.ts';
import { exitItimers } from './time/posix_timers.ts';
import { EXIT_DEAD, EXIT_ZOMBIE, PF_EXITING, TASK_DEAD, type Task } from './sched/task.ts';
import { finishWait, waitInterruptible, wakeUpAll } from './sched/wait.ts';
import { helperEnded } from './usermode_helper.ts';

// Ends of tasks, and waiting for them (kernel/exit.c, wait4(2)).

/** The whole thread group dies with wait status `code` (exit code << 8, or a signal). The current thread at once, others by SIGKILL. */
export function doGroupExit(k: Kernel, task: Task, code: number): void {
  const { signal } = task;
  if (!signal.groupExit) {
    signal.groupExit = true;
    signal.groupExitCode = code;
    for (const t of task.threads) {
      if (t === task || t.exitState !== 0) continue;
      t.pending.set |= sigBit(SIGKILL);
      setFrozen(k, t, false);
      t.signal.groupStop = 0;
      if (t.state !== 0) {
        t.state = 1;
        tryToWakeUp(k, t);
      }
    }
  }
  doExit(k, task, signal.groupExitCode);
}

/** mm_release: robust waiters, clear_child_tid, and the parent of a vfork. */
export function mmRelease(k: Kernel, task: Task): void {
  const mm = task.mm;
  futexExit(k, task);
  if (mm !== null && task.clearChildTid !== 0 && mm.users > 1) {
    const saved = k.current;
    k.current = task;
    if (putUser32(k, task.clearChildTid, 0) === 0) futexWakeAddress(k, task.clearChildTid, 1);
    k.current = saved;
  }
  task.clearChildTid = 0;
  if (!task.vforkDone) {
    task.vforkDone = true;
    if (task.vforkParent !== null) tryToWakeUp(k, task.vforkParent);
  }
}

/** One task ends with wait status `code`. */
export function doExit(k: Kernel, task: Task, code: number): void {
  if (task.exitState !== 0 || ptraceExitStop(k, task, code)) return;
  if (task.pid === 1 || (task.tgid === 1 && task.signal.live === 1)) {
    k.panic(`Attempted to kill init! exitcode=0x${code.toString(16).padStart(8, '0')}`);
    return;
  }
  task.exitCode = code;
  task.flags |= PF_EXITING;
  const { signal } = task;
  if (signal.live === 1) acctProcess(k, task.groupLeader, signal.groupExit ? signal.groupExitCode : code, task.mm?.totalPages ?? 0);
  giveUpResources(k, task);
  // Drivers whose files went with it are told in its context (exit_task_work).
  if (task.works.length > 0 && task === k.sched.loaded && beginExitWork(k, task)) return;
  finishExit(k, task);
}
/** The rest of do_exit: the task is gone, its parent is told. */
export function finishExit(k: Kernel, task: Task): void {
  const { signal } = task;
  const last = signal.live === 1;
  if (last) exitItimers(k, signal, true);
  markDead(k, task);
  if (last) {
    const leader = task.groupLeader;
    if (signal.groupExit) leader.exitCode = signal.groupExitCode;
    if (leader.signal.sid === leader.pid) disassociateCtty(k, leader, true);
    reparentChildren(k, leader);
    if (leader === task) task.exitState = EXIT_ZOMBIE;
    else {
      task.exitState = EXIT_DEAD;
      leader.exitState = EXIT_ZOMBIE;
      endThread(k, task);
    }
    exitNotify(k, leader);
  } else if (task.isLeader) {
    // A leader that ends first stays as a zombie until its threads are gone.
    task.exitState = EXIT_ZOMBIE;
  } else {
    task.exitState = EXIT_DEAD;
    endThread(k, task);
  }
}
/** A task that faults while it ends: it stops for good, and nobody is told. */
export function abandonTask(k: Kernel, task: Task): void {
  markDead(k, task);
  task.exitState = EXIT_DEAD;
}
function endThread(k: Kernel, task: Task): void {
  if (task.ptrace !== null) ptraceThreadEnded(k, task);
  else releaseThread(k, task);
}

/** Takes a dying task out of the group's count, off all queues, and its share of memory and files away. */
export function dropResources(k: Kernel, task: Task): void {
  giveUpResources(k, task);
  markDead(k, task);
}
function giveUpResources(k: Kernel, task: Task): void {
  finishWait(task);
  if (task.ptraced.length > 0) exitPtrace(k, task);
  k.sched.clearTimeout(task);
  exitSem(k, task);
  mmRelease(k, task);
  const mm = task.mm;
  task.mm = null;
  if (mm !== null) {
    task.signal.maxRss = Math.max(task.signal.maxRss, Math.max(mm.rss, mm.hiwaterRss) * 4);
    k.machine.setPageTable(k.mm.swapperPgDir);
    mmPut(k, mm);
  }
  if (--task.files.users === 0) task.files.closeAll(k, false);
  task.fs.users--;
  exitNamespaces(k, task);
}
function markDead(k: Kernel, task: Task): void {
  k.sched.deactivate(task);
  cgroupExit(task);
  task.signal.live--;
  if (task.kthread !== null) wakeUpAll(k, task.kthread.waiters);
  task.frames.length = 0;
  task.state = TASK_DEAD;
  for (const rq of k.sched.runQueues) if (rq.current === task) rq.current = null;
}
export function releaseThread(k: Kernel, task: Task): void {
  ptraceUnlink(k, task);
  task.groupLeader.utime += task.utime;
  task.groupLeader.stime += task.stime;
  task.groupLeader.minFlt += task.minFlt;
  task.groupLeader.majFlt += task.majFlt;
  task.groupLeader.nvcsw += task.nvcsw;
  task.groupLeader.nivcsw += task.nivcsw;
  unlinkThread(k, task);
  k.sched.unlink(task);
  notifyPidfd(k, task);
  freeTask(k, task);
}

/** The init of a PID namespace ends: so does everyone in it (zap_pid_ns_processes). */
function zapPidNs(k: Kernel, init: Task): void {
  const ns = init.pidNs;
  ns.dead = true;
  for (const t of [...k.sched.tasks.values()])
    if (t !== init && t.isLeader && inPidNs(t.pidNs, ns)) sendSignalTo(k, t, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 }, true);
}

/** Children go to the nearest subreaper or to init; orphaned stopped groups get SIGHUP and SIGCONT. */
function reparentChildren(k: Kernel, leader: Task): void {
  const ns = leader.pidNs;
  if (ns.childReaper === leader) {
    zapPidNs(k, leader);
    if (ns.reboot !== 0) leader.exitCode = ns.reboot;
  }
  if (leader.children.length === 0) return;
  const init = (ns.childReaper !== leader ? ns.childReaper : null) ?? k.sched.find(1) ?? k.sched.initTask;
  let reaper = leader.parent.groupLeader;
  // The nearest subreaper, not past the namespace's init (find_new_reaper).
  while (reaper !== init && reaper.pid > 1 && reaper.pidNs === ns && (!reaper.signal.childSubreaper || reaper.exitState !== 0))
    reaper = reaper.parent.groupLeader;
  if (reaper.pid === 0 || reaper.exitState !== 0 || reaper.pidNs !== ns || !reaper.signal.childSubreaper) reaper = init;
  for (const child of [...leader.children]) {
    k.sched.reparent(child, reaper);
    reaper.children.push(child);
    if (child.pdeathSignal !== 0) sendSignalTo(k, child, { signo: child.pdeathSignal, code: 0, pid: leader.pid, uid: 0 }, true);
    const pgid = child.signal.pgid;
    if (
      child.signal.sid === leader.signal.sid &&
      pgid !== leader.signal.pgid &&
      isOrphanedPgrp(k, pgid, leader) &&
      groupHasStopped(k, pgid)
    ) {
      killPgrp(k, pgid, SIGHUP);
      killPgrp(k, pgid, SIGCONT);
    }
    if (child.exitState === EXIT_ZOMBIE && child.signal.live === 0) exitNotify(k, child);
  }
  leader.children.length = 0;
  const own = leader.signal.pgid;
  const parent = leader.parent.signal;
  if (parent.pgid !== own && parent.sid === leader.signal.sid && isOrphanedPgrp(k, own, leader) && groupHasStopped(k, own)) {
    killPgrp(k, own, SIGHUP);
    killPgrp(k, own, SIGCONT);
  }
}
function groupHasStopped(k: Kernel, pgid: number): boolean {
  for (const t of k.sched.tasks.values()) if (t.isLeader && t.signal.pgid === pgid && t.signal.groupStop !== 0) return true;
  return false;
}

/** Tells the parent of a zombie, or reaps it at once when the parent does not care. */
export function exitNotify(k: Kernel, leader: Task): void {
  const parent = leader.parent;
  const action = parent.sighand.action[SIGCHLD - 1];
  const code = leader.exitCode;
  const tracer = leader.ptrace?.tracer.groupLeader;
  // A tracer that is not the parent waits for it first; then the parent (or the host) is told.
  if (tracer !== undefined && tracer !== parent.groupLeader) {
    ptraceThreadEnded(k, leader);
    return;
  }
  // The host waits for what it started, as Linux's user mode helpers are waited for in the kernel.
  const ignored = tracer === undefined && leader.exitSignal === SIGCHLD && (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0);
  // Who outlives the init of his PID namespace is waited for by nobody.
  const unwaited = leader.watched || leader.isHelper;
  const autoReap = unwaited || parent.pid === 0 || ignored || (leader.pidNs.dead && leader.pidNs.childReaper !== leader);
  if (parent.pid !== 0 && !unwaited)
    notifyParent(
      k,
      leader,
      (code & 0x7f) === 0 ? CLD_EXITED : (code & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED,
      (code & 0x7f) === 0 ? (code >> 8) & 0xff : code & 0x7f,
    );
  notifyPidfd(k, leader);
  if (leader.watched) k.exits.push({ pid: leader.pid, code, oomKilled: leader.signal.oomKilled });
  if (leader.helper !== 0) helperEnded(k, leader.helper, code);
  if (autoReap) reap(k, leader);
}

function addChildUsage(parent: Task, leader: Task): void {
  parent.signal.cutime += leader.utime + leader.signal.cutime;
  parent.signal.cstime += leader.stime + leader.signal.cstime;
  const own = rusageOfChild(leader);
  parent.signal.cminFlt += own.minFlt;
  parent.signal.cmajFlt += own.majFlt;
  parent.signal.cnvcsw += own.nvcsw;
  parent.signal.cnivcsw += own.nivcsw;
  parent.signal.cmaxRss = Math.max(parent.signal.cmaxRss, own.maxRss);
}

/** Removes a zombie for good (release_task). What it used counts as its parent's children's only when it was `waited` for. */
export function reap(k: Kernel, leader: Task, waited = false): void {
  const parent = leader.parent;
  ptraceUnlink(k, leader);
  for (const t of [...leader.threads]) if (t !== leader && t.exitState === EXIT_ZOMBIE) releaseThread(k, t);
  const i = parent.children.indexOf(leader);
  if (i >= 0) parent.children.splice(i, 1);
  if (waited) addChildUsage(parent, leader);
  leader.exitState = EXIT_DEAD;
  unlinkThread(k, leader);
  k.sched.unlink(leader);
  notifyPidfd(k, leader);
  k.mm.slab.cacheFree(k.caches.signal, leader.signal.addr);
  freeTask(k, leader);
}

/** What getrusage counts, of a process and the children that it waited for. */
export interface RusageCounts {
  readonly minFlt: number;
  readonly majFlt: number;
  readonly nvcsw: number;
  readonly nivcsw: number;
  /** KiB. */
  readonly maxRss: number;
}
function rusageOfChild(child: Task): RusageCounts {
  const s = child.signal;
  return {
    minFlt: child.minFlt + s.cminFlt,
    majFlt: child.majFlt + s.cmajFlt,
    nvcsw: child.nvcsw + s.cnvcsw,
    nivcsw: child.nivcsw + s.cnivcsw,
    maxRss: Math.max(s.maxRss, s.cmaxRss, maxRssOf(child)),
  };
}
/** The high water mark of a task's address space, KiB. */
export function maxRssOf(task: Task): number {
  return Math.max(task.mm?.rss ?? 0, task.mm?.hiwaterRss ?? 0) * 4;
}

export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
const WALL = 0x4000_0000;
const WCLONE = 0x8000_0000;
export const WNOWAIT = 0x0100_0000;

export interface WaitResult extends RusageCounts {
  /** As the waiting process sees it. */
  readonly pid: number;
  readonly uid: number;
  /** wait4's status word. */
  readonly status: number;
  /** waitid's si_code and si_status. */
  readonly code: number;
  readonly value: number;
  readonly utime: number;
  readonly stime: number;
}

function exitResult(k: Kernel, child: Task): WaitResult {
  const code = child.exitCode;
  const killed = (code & 0x7f) !== 0;
  return {
    pid: pidVnr(k, child.pid),
    uid: child.cred.uid,
    status: code,
    code: !killed ? CLD_EXITED : (code & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED,
    value: killed ? code & 0x7f : (code >> 8) & 0xff,
    utime: child.utime + child.signal.cutime,
    stime: child.stime + child.signal.cstime,
    ...rusageOfChild(child),
  };
}
/** What a tracee has for its tracer: a stop, or its end; null = nothing now. */
function waitTracee(k: Kernel, t: Task, options: number): WaitResult | null {
  const p = t.ptrace;
  if (p === null) return null;
  if (t.exitState === EXIT_ZOMBIE) {
    const own = p.tracer.groupLeader === t.parent.groupLeader;
    // A leader is waited for when its threads are gone; one's own child as any other child.
    if ((options & WEXITED) === 0 || (t.isLeader && (t.signal.live > 0 || own))) return null;
    const result = exitResult(k, t);
    if ((options & WNOWAIT) !== 0) return result;
    ptraceUnlink(k, t);
    if (t.isLeader) exitNotify(k, t);
    else releaseThread(k, t);
    return result;
  }
  if (t.exitState !== 0 || p.report === 0) return null;
  const code = p.report;
  if ((options & WNOWAIT) === 0) p.report = 0;
  return {
    pid: pidVnr(k, t.pid),
    uid: t.cred.uid,
    status: (code << 8) | 0x7f,
    code: CLD_TRAPPED,
    value: code,
    utime: t.utime,
    stime: t.stime,
    ...rusageOfChild(t),
  };
}

/** Looks for a child in a reportable state: a result, 0 (WNOHANG and none), -ECHILD, -ERESTARTSYS or BLOCKED. */
export function doWait(k: Kernel, match: (t: Task) => boolean, options: number): WaitResult | number {
  const task = k.current;
  let eligible = false;
  const parents = (options & 0x2000_0000) !== 0 ? [task] : task.threads; // __WNOTHREAD
  for (const parent of parents) {
    for (const tracee of parent.ptraced) {
      if (!match(tracee)) continue;
      eligible = true;
      const r = waitTracee(k, tracee, options);
      if (r !== null) return r;
    }
    for (const child of parent.children) {
      if (!match(child)) continue;
      const tracer = child.ptrace?.tracer.groupLeader;
      if (tracer !== undefined && tracer !== task.groupLeader) {
        eligible = true; // the tracer has it first
        continue;
      }
      // Children that do not report with SIGCHLD are "clone" children: __WCLONE waits for them only, __WALL for all.
      if ((options & WALL) === 0 && tracer === undefined && (child.exitSignal !== SIGCHLD) !== ((options & WCLONE) !== 0)) continue;
      eligible = true;
      if (child.exitState === EXIT_ZOMBIE && child.signal.live === 0 && (options & WEXITED) !== 0) {
        const result = exitResult(k, child);
        if ((options & WNOWAIT) === 0) reap(k, child, true);
        return result;
      }
      if (child.exitState !== 0) continue;
      if ((options & WUNTRACED) !== 0 && child.stopReport !== 0 && child.signal.groupStop !== 0) {
        const sig = child.stopReport;
        if ((options & WNOWAIT) === 0) child.stopReport = 0;
        return {
          pid: pidVnr(k, child.pid),
          uid: child.cred.uid,
          status: (sig << 8) | 0x7f,
          code: CLD_STOPPED,
          value: sig,
          utime: child.utime,
          stime: child.stime,
          ...rusageOfChild(child),
        };
      }
      if ((options & WCONTINUED) !== 0 && child.continueReport) {
        if ((options & WNOWAIT) === 0) child.continueReport = false;
        return {
          pid: pidVnr(k, child.pid),
          uid: child.cred.uid,
          status: 0xffff,
          code: CLD_CONTINUED,
          value: SIGCONT,
          utime: child.utime,
          stime: child.stime,
          ...rusageOfChild(child),
        };
      }
    }
  }
  if (!eligible) return -ECHILD;
  if ((options & WNOHANG) !== 0) return 0;
  return waitInterruptible(k, task.signal.childWait);
}
