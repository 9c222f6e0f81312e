import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP } from '../../abi/errno.ts';
import { NSIG, SI_KERNEL, SI_TIMER, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from '../../abi/signal.ts';
import * as T from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { viewFromUser } from '../mm/uaccess.ts';
import { sendSignalTo } from '../signal.ts';
import type { SigInfo, SignalStruct } from '../signal_types.ts';
import type { Task } from '../sched/task.ts';
import { deadlineOf, type TimeValue } from './time.ts';
import type { KernelTimer } from './timekeeping.ts';

// Interval timers and POSIX timers of processes (kernel/time/itimer.c, posix-timers.c, posix-cpu-timers.c). Timers on clocks are kernel timers
// whose data names the owner; timers on CPU time are looked at after each turn of a task.

/** CPU times that a timer can count: user time, user + system. */
type CpuKind = 'virt' | 'prof';

export interface PosixTimer {
  readonly id: number;
  readonly clock: number;
  /** SIGEV_* and what goes with it. */
  readonly notify: number;
  readonly signo: number;
  readonly value: bigint;
  /** SIGEV_THREAD_ID's thread, 0 = the process. */
  readonly tid: number;
  /** The thread whose CPU time counts, 0 = the process; null = no CPU clock. */
  readonly cpuOf: { readonly tid: number; readonly kind: CpuKind } | null;
  interval: number;
  /** Next expiry: virtual ns, or ns of CPU time. Infinity = disarmed. */
  expires: number;
  overrun: number;
  /** The signal that is still queued. */
  queued: SigInfo | null;
  timer: KernelTimer | null;
}

/** All timers of one process. */
export interface ProcessTimers {
  readonly posix: Map<number, PosixTimer>;
  nextId: number;
  /** ITIMER_REAL. */
  real: { timer: KernelTimer | null; interval: number };
  /** ITIMER_VIRTUAL and ITIMER_PROF: expiry in ns of CPU time, Infinity = disarmed. */
  readonly virt: { expires: number; interval: number };
  readonly prof: { expires: number; interval: number };
  /** CPU time at which RLIMIT_CPU's next SIGXCPU is due, ns. */
  nextXcpu: number;
}
export function newProcessTimers(): ProcessTimers {
  const none = () => ({ expires: Number.POSITIVE_INFINITY, interval: 0 });
  return { posix: new Map(), nextId: 0, real: { timer: null, interval: 0 }, virt: none(), prof: none(), nextXcpu: 0 };
}

/** CPU time of a whole process, ns. Threads that ended are counted in their leader. */
export function groupCpuTime(leader: Task, kind: CpuKind): number {
  let ns = 0;
  for (const t of leader.threads) ns += t.utime + (kind === 'prof' ? t.stime : 0);
  return ns;
}
const cpuTime = (task: Task, kind: CpuKind) => task.utime + (kind === 'prof' ? task.stime : 0);

// --- interval timers ---

export interface ItimerValue {
  readonly value: number;
  readonly interval: number;
}
export function getItimer(k: Kernel, signal: SignalStruct, which: number): ItimerValue | number {
  const { timers } = signal;
  if (which === T.ITIMER_REAL) {
    const { timer, interval } = timers.real;
    // An expired timer that has not fired yet is never shown as disarmed.
    return { value: timer === null ? 0 : Math.max(T.NSEC_PER_USEC, timer.at - k.time.now()), interval };
  }
  if (which !== T.ITIMER_VIRTUAL && which !== T.ITIMER_PROF) return -EINVAL;
  const kind: CpuKind = which === T.ITIMER_VIRTUAL ? 'virt' : 'prof';
  const { expires, interval } = timers[kind];
  const left = expires - groupCpuTime(signal.leader, kind);
  return { value: expires === Number.POSITIVE_INFINITY ? 0 : Math.max(T.NSEC_PER_USEC, left), interval };
}
/** Arms with `next` (value 0 disarms); answers what was set before. */
export function setItimer(k: Kernel, signal: SignalStruct, which: number, next: ItimerValue): ItimerValue | number {
  const old = getItimer(k, signal, which);
  if (typeof old === 'number') return old;
  const { timers } = signal;
  if (which === T.ITIMER_REAL) {
    if (timers.real.timer !== null) k.time.delTimer(timers.real.timer);
    const timer: KernelTimer | null =
      next.value === 0 ? null : { at: k.time.now() + next.value, kind: 'itimer', data: { pid: signal.leader.pid } };
    if (timer !== null) k.time.addTimer(timer);
    timers.real = { timer, interval: next.value === 0 ? 0 : next.interval };
    return old;
  }
  const kind: CpuKind = which === T.ITIMER_VIRTUAL ? 'virt' : 'prof';
  timers[kind].expires = next.value === 0 ? Number.POSITIVE_INFINITY : groupCpuTime(signal.leader, kind) + next.value;
  timers[kind].interval = next.interval;
  return old;
}

function processOf(k: Kernel, data: Readonly<Record<string, unknown>>): Task | null {
  const task = k.sched.tasks.get(data['pid'] as number);
  return task === undefined || task.exitState !== 0 ? null : task;
}
/** it_real_fn. */
export function itimerExpired(k: Kernel, { data }: KernelTimer): void {
  const task = processOf(k, data);
  if (task === null) return;
  const { real } = task.signal.timers;
  const at = real.timer?.at ?? k.time.now();
  real.timer = null;
  sendSignalTo(k, task, { signo: SIGALRM, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  if (real.interval > 0) {
    // Expiries that were missed are dropped, the phase is kept.
    const missed = Math.max(0, Math.floor((k.time.now() - at) / real.interval));
    real.timer = { at: at + (missed + 1) * real.interval, kind: 'itimer', data };
    k.time.addTimer(real.timer);
  }
}

// --- POSIX timers ---

const WALL_OR_MONOTONIC: readonly number[] = [
  T.CLOCK_REALTIME,
  T.CLOCK_MONOTONIC,
  T.CLOCK_BOOTTIME,
  T.CLOCK_TAI,
  T.CLOCK_REALTIME_ALARM,
  T.CLOCK_BOOTTIME_ALARM,
];

/** The CPU clock that `clock` names for the caller (clock_getcpuclockid(3)): null = not a CPU clock, -EINVAL = of nobody. */
export function cpuClock(
  k: Kernel,
  clock: number,
): { readonly tid: number; readonly thread: boolean; readonly kind: CpuKind } | null | number {
  if (clock === T.CLOCK_PROCESS_CPUTIME_ID) return { tid: k.current.tgid, thread: false, kind: 'prof' };
  if (clock === T.CLOCK_THREAD_CPUTIME_ID) return { tid: k.current.pid, thread: true, kind: 'prof' };
  if (clock >= 0) return null;
  const which = clock & 3;
  if (which === 3) return -EINVAL; // a clock given by a file descriptor
  const thread = (clock & 4) !== 0;
  const pid = ~(clock >> 3);
  const tid = pid === 0 ? (thread ? k.current.pid : k.current.tgid) : pid;
  const task = k.sched.tasks.get(tid);
  if (task === undefined || task.pid === 0 || (thread ? task.groupLeader !== k.current.groupLeader : !task.isLeader)) return -EINVAL;
  return { tid, thread, kind: which === 1 ? 'virt' : 'prof' };
}
/** Reads a CPU clock, ns. */
export function readCpuClock(k: Kernel, clock: { readonly tid: number; readonly thread: boolean; readonly kind: CpuKind }): number {
  const task = k.sched.tasks.get(clock.tid);
  if (task === undefined) return 0;
  return clock.thread ? cpuTime(task, clock.kind) : groupCpuTime(task, clock.kind);
}

/** timer_create: the id, or -errno. `sevp` 0 = SIGALRM with the id as its value. */
export function timerCreate(k: Kernel, clock: number, sevp: number): number {
  const { timers } = k.current.signal;
  const cpu = cpuClock(k, clock);
  if (typeof cpu === 'number') return cpu;
  if (cpu === null && !WALL_OR_MONOTONIC.includes(clock)) {
    return clock === T.CLOCK_MONOTONIC_RAW || clock === T.CLOCK_REALTIME_COARSE || clock === T.CLOCK_MONOTONIC_COARSE
      ? -EOPNOTSUPP
      : -EINVAL;
  }
  // They wake a sleeping machine by its real-time clock device: there is none.
  if (clock === T.CLOCK_REALTIME_ALARM || clock === T.CLOCK_BOOTTIME_ALARM) return -EOPNOTSUPP;
  const id = timers.nextId;
  let notify: number = T.SIGEV_SIGNAL;
  let signo: number = SIGALRM;
  let value = BigInt(id);
  let tid = 0;
  if (sevp !== 0) {
    const v = viewFromUser(k, sevp, T.SIGEVENT_SIZE);
    if (typeof v === 'number') return -EFAULT;
    value = v.getBigInt64(0, true);
    signo = v.getInt32(8, true);
    notify = v.getInt32(12, true);
    if (notify === T.SIGEV_THREAD_ID) {
      tid = v.getInt32(16, true);
      if (k.sched.tasks.get(tid)?.groupLeader !== k.current.groupLeader) return -EINVAL;
    } else if (notify !== T.SIGEV_SIGNAL && notify !== T.SIGEV_NONE && notify !== T.SIGEV_THREAD) return -EINVAL;
    if (notify !== T.SIGEV_NONE && (signo <= 0 || signo > NSIG)) return -EINVAL;
  }
  if (timers.posix.size >= k.current.signal.rlimit(11)) return -EAGAIN; // RLIMIT_SIGPENDING
  timers.nextId++;
  timers.posix.set(id, {
    id,
    clock,
    notify,
    signo,
    value,
    tid,
    cpuOf: cpu === null ? null : { tid: cpu.thread ? cpu.tid : 0, kind: cpu.kind },
    interval: 0,
    expires: Number.POSITIVE_INFINITY,
    overrun: 0,
    queued: null,
    timer: null,
  });
  return id;
}

function clockNow(k: Kernel, signal: SignalStruct, t: PosixTimer): number {
  if (t.cpuOf === null) return k.time.now();
  if (t.cpuOf.tid === 0) return groupCpuTime(signal.leader, t.cpuOf.kind);
  const task = k.sched.tasks.get(t.cpuOf.tid);
  return task === undefined ? 0 : cpuTime(task, t.cpuOf.kind);
}
export function timerGettime(k: Kernel, signal: SignalStruct, t: PosixTimer): ItimerValue {
  if (t.expires === Number.POSITIVE_INFINITY) return { value: 0, interval: t.interval };
  const now = clockNow(k, signal, t);
  let left = t.expires - now;
  if (left <= 0) {
    if (t.notify === T.SIGEV_NONE && t.interval === 0) left = 0;
    else left = t.interval > 0 ? t.interval - (-left % t.interval) : 1;
  }
  return { value: left, interval: t.interval };
}
function arm(k: Kernel, signal: SignalStruct, t: PosixTimer): void {
  if (t.timer !== null) k.time.delTimer(t.timer);
  t.timer = null;
  if (t.cpuOf !== null || t.expires === Number.POSITIVE_INFINITY || t.notify === T.SIGEV_NONE) return;
  t.timer = { at: t.expires, kind: 'posix-timer', data: { pid: signal.leader.pid, id: t.id } };
  k.time.addTimer(t.timer);
}
export function timerSettime(
  k: Kernel,
  signal: SignalStruct,
  t: PosixTimer,
  absolute: boolean,
  value: TimeValue,
  interval: number,
): ItimerValue {
  const old = timerGettime(k, signal, t);
  t.overrun = 0;
  t.interval = interval;
  if (value.sec === 0 && value.nsec === 0) {
    t.expires = Number.POSITIVE_INFINITY;
    t.interval = 0;
  } else if (t.cpuOf === null) {
    t.expires = deadlineOf(k, t.clock, value, absolute);
  } else {
    t.expires = (absolute ? 0 : clockNow(k, signal, t)) + value.sec * T.NSEC_PER_SEC + value.nsec;
  }
  arm(k, signal, t);
  return old;
}
export function timerDelete(k: Kernel, signal: SignalStruct, t: PosixTimer): void {
  t.expires = Number.POSITIVE_INFINITY;
  arm(k, signal, t);
  signal.timers.posix.delete(t.id);
}

/** Sends the timer's signal, or counts an overrun when the last one is still queued. */
function notifyTimer(k: Kernel, signal: SignalStruct, t: PosixTimer, missed: number): void {
  if (t.notify === T.SIGEV_NONE) return;
  const target = t.tid === 0 ? signal.leader : k.sched.tasks.get(t.tid);
  if (target === undefined) return;
  const group = t.tid === 0;
  const { queue } = group ? signal.pending : target.pending;
  const at = t.queued === null ? -1 : queue.indexOf(t.queued);
  t.overrun = Math.min(0x7fff_ffff, at >= 0 ? t.overrun + 1 + missed : missed);
  // si_timerid and si_overrun lie where si_pid and si_uid are.
  const info: SigInfo = { signo: t.signo, code: SI_TIMER, pid: t.id, uid: t.overrun, value: t.value };
  if (at >= 0) queue[at] = info;
  else sendSignalTo(k, target, info, group);
  t.queued = info;
}
/** Expires a timer at time `now` of its clock: notifies, and moves on by whole intervals. */
function fire(k: Kernel, signal: SignalStruct, t: PosixTimer, now: number): void {
  let missed = 0;
  if (t.interval > 0) {
    missed = Math.max(0, Math.floor((now - t.expires) / t.interval));
    t.expires += (missed + 1) * t.interval;
  } else t.expires = Number.POSITIVE_INFINITY;
  notifyTimer(k, signal, t, missed);
}
export function posixTimerExpired(k: Kernel, { data }: KernelTimer): void {
  const task = processOf(k, data);
  const t = task?.signal.timers.posix.get(data['id'] as number);
  if (task === null || t === undefined) return;
  t.timer = null;
  fire(k, task.signal, t, k.time.now());
  arm(k, task.signal, t);
}

// --- CPU time ---

/** Looks at everything that counts CPU time of `task`'s process (run_posix_cpu_timers): after each turn it had. */
export function runPosixCpuTimers(k: Kernel, task: Task): void {
  const { signal } = task;
  const { timers } = signal;
  for (const kind of ['virt', 'prof'] as const) {
    const it = timers[kind];
    if (it.expires === Number.POSITIVE_INFINITY) continue;
    const now = groupCpuTime(signal.leader, kind);
    if (now < it.expires) continue;
    sendSignalTo(k, task, { signo: kind === 'virt' ? SIGVTALRM : SIGPROF, code: SI_KERNEL, pid: 0, uid: 0 }, true);
    it.expires = it.interval > 0 ? it.expires + Math.ceil((now - it.expires + 1) / it.interval) * it.interval : Number.POSITIVE_INFINITY;
  }
  for (const t of timers.posix.values()) {
    if (t.cpuOf === null || t.expires === Number.POSITIVE_INFINITY) continue;
    const now = clockNow(k, signal, t);
    if (now >= t.expires) fire(k, signal, t, now);
  }
  checkCpuLimit(k, task);
}
/** RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one. */
function checkCpuLimit(k: Kernel, task: Task): void {
  const { signal } = task;
  const { soft, hard } = signal.rlimits[0];
  if (soft === Number.POSITIVE_INFINITY && hard === Number.POSITIVE_INFINITY) return;
  const used = groupCpuTime(signal.leader, 'prof');
  if (used >= hard * T.NSEC_PER_SEC) {
    sendSignalTo(k, task, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  } else if (used >= soft * T.NSEC_PER_SEC && used >= signal.timers.nextXcpu) {
    signal.timers.nextXcpu = used + T.NSEC_PER_SEC;
    sendSignalTo(k, task, { signo: SIGXCPU, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  }
}

/** execve drops POSIX timers and keeps interval timers; the end of a process drops all (exit_itimers). */
export function exitItimers(k: Kernel, signal: SignalStruct, all: boolean): void {
  for (const t of [...signal.timers.posix.values()]) timerDelete(k, signal, t);
  if (!all) return;
  const { timers } = signal;
  if (timers.real.timer !== null) k.time.delTimer(timers.real.timer);
  timers.real = { timer: null, interval: 0 };
  timers.virt.expires = Number.POSITIVE_INFINITY;
  timers.prof.expires = Number.POSITIVE_INFINITY;
}
