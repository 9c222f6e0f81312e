import type { KernelTimer } from './timekeeping.ts';

/** Timers of modules that are pending: the object in guest memory to the place in the clock's queue. */
export class TimerState {
  /** struct timer_list by address. */
  readonly wheel = new Map<number, KernelTimer>();
  /** struct hrtimer by address. */
  readonly high = new Map<number, KernelTimer>();
  /** Guest addresses in the kernel image: what a pending timer is linked to, and the bases of hrtimers, by clock. */
  wheelHead = 0;
  hrtimerBases = 0;
  /** What a CPU's function runs now: address of the timer, 0 = none. */
  readonly running = new Map<number, number>();
}
