import { SI_KERNEL, SIGALRM } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { sendSignalTo } from '../signal.ts';
import type { Task } from '../sched/task.ts';
import type { KernelTimer } from './timekeeping.ts';

/** What a timer of each kind does when its time has come. */
export type TimerHandler = (k: Kernel, timer: KernelTimer, now: number) => void;

const handlers = new Map<string, TimerHandler>([['itimer', realTimerExpired]]);

/** Registers the handler of a kind of timer (subsystem start). */
export function timerKind(kind: string, handler: TimerHandler): void {
  handlers.set(kind, handler);
}

/** Fires timers that are due, in order of time. A handler that wants another round sets `at` and adds it again. */
export function runTimers(k: Kernel, now: number): void {
  const { timers } = k.time;
  if (!timers.some((t) => t.at <= now)) return;
  const due = timers.filter((t) => t.at <= now).sort((a, b) => a.at - b.at);
  for (const timer of due) {
    k.time.delTimer(timer);
    handlers.get(timer.kind)?.(k, timer, now);
  }
}

/** Sets ITIMER_REAL of a process: first expiry and interval in ns from now, 0 disarms. */
export function setRealTimer(k: Kernel, leader: Task, first: number, interval: number): void {
  for (const t of k.time.timers.filter((x) => x.kind === 'itimer' && x.data['pid'] === leader.pid)) k.time.delTimer(t);
  const at = first === 0 ? 0 : k.time.now() + first;
  leader.signal.realTimer = { at, interval };
  if (at !== 0) k.time.addTimer({ at, kind: 'itimer', data: { pid: leader.pid } });
}
function realTimerExpired(k: Kernel, timer: KernelTimer, now: number): void {
  const leader = k.sched.find(timer.data['pid'] as number);
  if (leader === undefined || leader.exitState !== 0) return;
  const t = leader.signal.realTimer;
  sendSignalTo(k, leader, { signo: SIGALRM, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  if (t.interval > 0) {
    t.at = Math.max(timer.at + t.interval, now);
    k.time.addTimer({ at: t.at, kind: 'itimer', data: timer.data });
  } else t.at = 0;
}
