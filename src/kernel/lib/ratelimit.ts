import { ratelimit_state as RS } from '../../abi/layout/structs.ts';
import { KERN_WARNING } from '../../abi/syslog.ts';
import type { Kernel } from '../kernel.ts';
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

/** A struct ratelimit_state in guest RAM at physical address `pa`. */
export class GuestRatelimitState implements RatelimitState {
  private readonly k: Kernel;
  private readonly pa: number;
  constructor(k: Kernel, pa: number) {
    this.k = k;
    this.pa = pa;
  }
  get interval(): number {
    return this.k.ram.readS32(this.pa + RS.interval);
  }
  get burst(): number {
    return this.k.ram.readS32(this.pa + RS.burst);
  }
  get printed(): number {
    return this.k.ram.readS32(this.pa + RS.printed);
  }
  set printed(n: number) {
    this.k.ram.write32(this.pa + RS.printed, n);
  }
  get missed(): number {
    return this.k.ram.readS32(this.pa + RS.missed);
  }
  set missed(n: number) {
    this.k.ram.write32(this.pa + RS.missed, n);
  }
  get flags(): number {
    return this.k.ram.read32(this.pa + RS.flags);
  }
  get begin(): number {
    return this.k.ram.read64(this.pa + RS.begin);
  }
  set begin(n: number) {
    this.k.ram.write64(this.pa + RS.begin, n);
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
