import * as T from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { TICK_NSEC } from '../time/timekeeping.ts';
import { HWPROBE_VALUES } from '../cpufeature.ts';
import { ntpActive } from '../time/ntp.ts';

// What the kernel tells the functions of the vDSO (vdso/datapage.h). Nobody else reads this page, so its layout is ours.

/** Offsets. Clocks 0 to CLOCK_TAI lie at its start, then numbers that are one each. */
export const VVAR = {
  clock: { sizeof: 32, sec: 0, nsec: 8, granule: 16, resolution: 24 },
  seq: 0x200,
  minuteswest: 0x208,
  dsttime: 0x20c,
  hwprobe: 0x210,
} as const;

const FINE: readonly number[] = [T.CLOCK_REALTIME, T.CLOCK_MONOTONIC, T.CLOCK_MONOTONIC_RAW, T.CLOCK_BOOTTIME, T.CLOCK_TAI];
const COARSE: readonly number[] = [T.CLOCK_REALTIME_COARSE, T.CLOCK_MONOTONIC_COARSE];
const WALL: readonly number[] = [T.CLOCK_REALTIME, T.CLOCK_REALTIME_COARSE, T.CLOCK_TAI];

/** Writes what never changes into a data page; its clocks are left to the kernel. */
export function initDataPage(k: Kernel, page: number): void {
  const { ram } = k;
  for (const clock of FINE) ram.write64(page + clock * VVAR.clock.sizeof + VVAR.clock.resolution, 1);
  for (const clock of COARSE) ram.write64(page + clock * VVAR.clock.sizeof + VVAR.clock.resolution, TICK_NSEC);
  for (const [key, value] of HWPROBE_VALUES) ram.writeBig(page + VVAR.hwprobe + Number(key) * 8, value);
}

/** The wall clock or the time zone was set, or what disciplines the clock has changed (update_vsyscall, update_vsyscall_tz). */
export function updateVsyscall(k: Kernel): void {
  if (k.vdso === null) return;
  const { ram } = k;
  const { zone } = k.time;
  for (const at of k.vdso.dataPages) {
    ram.write32(at + VVAR.minuteswest, zone?.minutesWest ?? 0);
    ram.write32(at + VVAR.dsttime, zone?.dstTime ?? 0);
  }
  const page = k.vdso.dataPages[0];
  const wall = k.time.wallAtZero();
  // While it is slewed, CLOCK_REALTIME does not keep the time CSR's pace.
  const slewed = ntpActive(k.time.ntp);
  for (const clock of [...FINE, ...COARSE]) {
    const at = page + clock * VVAR.clock.sizeof;
    const isWall = WALL.includes(clock);
    ram.write64(at + VVAR.clock.sec, (isWall ? wall.sec : 0) + (clock === T.CLOCK_TAI ? k.time.ntp.tai : 0));
    ram.write64(at + VVAR.clock.nsec, isWall ? wall.nsec : 0);
    ram.write64(at + VVAR.clock.granule, isWall && slewed ? 0 : COARSE.includes(clock) ? TICK_NSEC : 1);
  }
  ram.write32(page + VVAR.seq, (ram.read32(page + VVAR.seq) + 2) >>> 0);
}
