import { ratelimit_state as RS } from '../../abi/layout/structs.ts';
import { KERN_WARNING } from '../../abi/syslog.ts';
import type { Kernel } from '../kernel.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { load32, load64, loadString, store32, store64 } from './guest_memory.ts';
import { HZ } from '../time/timekeeping.ts';

// Not more than `burst` callbacks in an interval (lib/ratelimit.c).

/** struct ratelimit_state, in guest RAM or as an object. Times in jiffies. */
export interface RatelimitState {
  interval: number;
  burst: number;
  printed: number;
  missed: number;
  flags: number;
  /** 0: not started. */
  begin: number;
}
export const DEFAULT_RATELIMIT_INTERVAL = 5 * HZ;
export const DEFAULT_RATELIMIT_BURST = 10;
/** RATELIMIT_MSG_ON_RELEASE: the owner says at the end how many were suppressed. */
export const RATELIMIT_MSG_ON_RELEASE = 1;

export function ratelimitInit(flags = 0, interval = DEFAULT_RATELIMIT_INTERVAL, burst = DEFAULT_RATELIMIT_BURST): RatelimitState {
  return { interval, burst, printed: 0, missed: 0, flags, begin: 0 };
}

/** A struct ratelimit_state at guest address `at`. */
export class GuestRatelimitState implements RatelimitState {
  private readonly k: Kernel;
  private readonly at: number;
  constructor(k: Kernel, at: number) {
    this.k = k;
    this.at = at;
  }
  get interval(): number {
    return load32(this.k, this.at + RS.interval) | 0;
  }
  get burst(): number {
    return load32(this.k, this.at + RS.burst) | 0;
  }
  get printed(): number {
    return load32(this.k, this.at + RS.printed) | 0;
  }
  set printed(n: number) {
    store32(this.k, this.at + RS.printed, n);
  }
  get missed(): number {
    return load32(this.k, this.at + RS.missed) | 0;
  }
  set missed(n: number) {
    store32(this.k, this.at + RS.missed, n);
  }
  get flags(): number {
    return load32(this.k, this.at + RS.flags);
  }
  get begin(): number {
    return load64(this.k, this.at + RS.begin);
  }
  set begin(n: number) {
    store64(this.k, this.at + RS.begin, n);
  }
}

/** May the caller `who` do it once more (___ratelimit)? Says after an interval how often it might not. */
export function ratelimit(k: Kernel, rs: RatelimitState, who: string): boolean {
  if (rs.interval === 0) return true;
  const { jiffies } = k.time;
  if (rs.begin === 0) rs.begin = jiffies;
  if (jiffies > rs.begin + rs.interval) {
    if (rs.missed !== 0 && (rs.flags & RATELIMIT_MSG_ON_RELEASE) === 0) {
      k.printk.log(KERN_WARNING, `${who}: ${rs.missed} callbacks suppressed`);
      rs.missed = 0;
    }
    rs.begin = jiffies;
    rs.printed = 0;
  }
  if (rs.burst > rs.printed) {
    rs.printed++;
    return true;
  }
  rs.missed++;
  return false;
}
/** The end of a state that says so itself (ratelimit_state_exit). */
export function ratelimitExit(k: Kernel, rs: RatelimitState, who: string): void {
  if ((rs.flags & RATELIMIT_MSG_ON_RELEASE) === 0 || rs.missed === 0) return;
  k.printk.log(KERN_WARNING, `${who}: ${rs.missed} output lines suppressed due to ratelimiting`);
  rs.missed = 0;
}

export const ratelimitExports: readonly FunctionExport[] = [
  // (state, function): 1 when the message may go out.
  fn('___ratelimit', (k, rs, func) => (ratelimit(k, new GuestRatelimitState(k, rs), loadString(k, func, 256)) ? 1 : 0)),
];
