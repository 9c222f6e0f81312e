import type { Kernel } from '../kernel.ts';
import { virtToImage } from '../mm/address.ts';
import { updateVsyscall } from '../vdso/datapage.ts';
import { NtpData, ntpUpdate } from './ntp.ts';

/** Virtual nanoseconds that one retired instruction takes (docs/architecture.md, Time). */
export const NSEC_PER_INSN = 1;
export const NSEC_PER_SEC = 1e9;
/** CONFIG_HZ. */
export const HZ = 250;
export const TICK_NSEC = NSEC_PER_SEC / HZ;
/** jiffies start five minutes before they overflow 32 bits (include/linux/jiffies.h). */
export const INITIAL_JIFFIES = 2 ** 32 - 300 * HZ;

/** A timer on virtual time; `kind` names its handler in time/timers.ts. Plain data. */
export interface KernelTimer {
  at: number;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The clock: instructions retired, plus what idle jumps and pacing added. */
export class Timekeeper {
  private readonly k: Kernel;
  private readonly bootSec: number;
  private readonly bootNsec: number;
  /** Nanoseconds added by jumps. */
  private skipped = 0;
  /** clock_settime's offset, ns. */
  wallOffset = 0;
  /** adjtimex's corrections. */
  readonly ntp = new NtpData();
  /** Nanoseconds that all harts together were idle. */
  idle = 0;
  readonly timers: KernelTimer[] = [];
  private jiffiesPa = 0;
  private coarse = { sec: 0, nsec: 0 };
  private coarseTick = Number.NaN;

  constructor(k: Kernel) {
    this.k = k;
    const t = k.host.bootTime();
    this.bootSec = t.sec;
    this.bootNsec = t.nsec;
  }
  /** Nanoseconds since boot (CLOCK_MONOTONIC = CLOCK_BOOTTIME). */
  now(): number {
    return this.k.machine.instret * NSEC_PER_INSN + this.skipped;
  }
  /** Ticks since boot, from INITIAL_JIFFIES. */
  get jiffies(): number {
    return INITIAL_JIFFIES + Math.floor(this.now() / TICK_NSEC);
  }
  /** From now on the 64-bit tick counter that modules read lies at this address of the kernel image. */
  publishJiffies(addr: number): void {
    this.jiffiesPa = virtToImage(addr);
    this.updateJiffies();
  }
  /** Brings the tick counter in RAM up to date: every turn of the run loop is at most a tick long. */
  updateJiffies(): void {
    if (this.jiffiesPa !== 0) this.k.ram.write64(this.jiffiesPa, this.jiffies);
  }
  /** Wall clock since the epoch. */
  wall(): { sec: number; nsec: number } {
    ntpUpdate(this.k);
    const total = this.bootNsec + this.now() + this.wallOffset;
    const sec = Math.floor(total / NSEC_PER_SEC);
    return { sec: this.bootSec + sec, nsec: Math.floor(total - sec * NSEC_PER_SEC) };
  }
  /** International atomic time, as far as adjtimex(2) said how far it is from the wall clock. */
  tai(): { sec: number; nsec: number } {
    const { sec, nsec } = this.wall();
    return { sec: sec + this.ntp.tai, nsec };
  }
  /** The wall clock at the last tick (ktime_get_coarse_real_ts64); one object for all who ask within it. */
  coarseWall(): { readonly sec: number; readonly nsec: number } {
    const tick = Math.floor((this.bootNsec + this.now() + this.wallOffset) / TICK_NSEC);
    if (tick !== this.coarseTick) {
      const total = tick * TICK_NSEC;
      const sec = Math.floor(total / NSEC_PER_SEC);
      this.coarse = { sec: this.bootSec + sec, nsec: total - sec * NSEC_PER_SEC };
      this.coarseTick = tick;
    }
    return this.coarse;
  }
  /** The time zone that settimeofday(2) was told: kept for those who ask, and for a real-time clock that keeps local time. */
  zone: { readonly minutesWest: number; readonly dstTime: number } | null = null;
  /** The first one, when it comes without a time, says that the wall clock was set from local time (timekeeping_warp_clock). */
  setZone(minutesWest: number, dstTime: number, warp: boolean): void {
    if (warp && this.zone === null) this.wallOffset += minutesWest * 60 * NSEC_PER_SEC;
    this.zone = { minutesWest, dstTime };
    updateVsyscall(this.k);
  }
  setWall(sec: number, nsec: number): void {
    const w = this.wall();
    this.wallOffset += (sec - w.sec) * NSEC_PER_SEC + (nsec - w.nsec);
    updateVsyscall(this.k);
  }
  /** What the wall clock shows at time 0 of the others, with the corrections made so far. */
  wallAtZero(): { sec: number; nsec: number } {
    const total = Math.floor(this.bootNsec + this.wallOffset);
    const sec = Math.floor(total / NSEC_PER_SEC);
    return { sec: this.bootSec + sec, nsec: total - sec * NSEC_PER_SEC };
  }
  /** Jumps forward to `at` when that lies ahead. The clock shows whole nanoseconds. */
  advanceTo(at: number): void {
    const ahead = Math.ceil(at) - this.now();
    if (ahead > 0) {
      this.skipped += ahead;
      this.idle += ahead;
    }
  }
  /** Nanoseconds that CPUs spent waiting in place (udelay, spinning), which no instruction shows. */
  burnt = 0;
  burn(ns: number): void {
    const whole = Math.ceil(ns);
    this.skipped += whole;
    this.burnt += whole;
  }
  addTimer(timer: KernelTimer): void {
    this.timers.push(timer);
    // The turn of the running task was measured without it.
    if (this.k.current !== undefined) this.k.current.needResched = true;
  }
  delTimer(timer: KernelTimer): void {
    const i = this.timers.indexOf(timer);
    if (i >= 0) this.timers.splice(i, 1);
  }
}
