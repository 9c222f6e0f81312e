import { timerfdExpired } from '../fs/timerfd.ts';
import type { Kernel } from '../kernel.ts';
import { itimerExpired, posixTimerExpired } from './posix_timers.ts';
import type { KernelTimer } from './timekeeping.ts';

/** What a timer of each kind does when its time has come. */
export type TimerHandler = (k: Kernel, timer: KernelTimer, now: number) => void;

const handlers = new Map<string, TimerHandler>([
  ['itimer', itimerExpired],
  ['posix-timer', posixTimerExpired],
  ['timerfd', timerfdExpired],
]);

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
