import { NSEC_PER_SEC, NSEC_PER_USEC } from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { updateVsyscall } from '../vdso/datapage.ts';

// The discipline of the wall clock (kernel/time/ntp.c). Corrections of phase and frequency (adjtimex.ts) move CLOCK_REALTIME as time passes;
// CLOCK_MONOTONIC keeps the machine's own pace.

export const STA_UNSYNC = 0x0040;
/** Microseconds. */
export const NTP_PHASE_LIMIT = 16_000_000;
/** User ticks in a second; a tick of 10 ms may be 10 % off. */
export const USER_HZ = 100;
/** An adjtime() correction moves the clock by at most this much a second. */
const SLEW_NS = 500 * NSEC_PER_USEC;
const SHIFT_PLL = 2;
/** The maximum error grows by MAXFREQ a second: 500 us. */
const ERROR_GROWTH = 500;

export class NtpData {
  /** Phase still to correct, ns. */
  offset = 0;
  /** 2^-16 ppm. */
  freq = 0;
  maxError = NTP_PHASE_LIMIT;
  estError = NTP_PHASE_LIMIT;
  status = STA_UNSYNC;
  constant = 2;
  /** Microseconds in a user tick. */
  tick = 1e6 / USER_HZ;
  tai = 0;
  /** adjtime(3)'s correction still to be made, us. */
  adjust = 0;
  /** Virtual time up to which the corrections were made. */
  at = 0;
}

/** Is the wall clock being moved against the others? */
export function ntpActive(ntp: NtpData): boolean {
  return ntp.freq !== 0 || ntp.offset !== 0 || ntp.adjust !== 0 || ntp.tick !== 1e6 / USER_HZ;
}

/** Corrects the wall clock for the time since the last look. Called by whoever reads or sets that clock. */
export function ntpUpdate(k: Kernel): void {
  const { ntp } = k.time;
  const now = k.time.now();
  const elapsed = now - ntp.at;
  if (elapsed <= 0) return;
  const active = ntpActive(ntp);
  if (!active && elapsed < NSEC_PER_SEC) return;
  let moved = elapsed * (ntp.freq / 65536 / 1e6 + (ntp.tick * USER_HZ) / 1e6 - 1);
  if (ntp.adjust !== 0) {
    const most = (SLEW_NS * elapsed) / NSEC_PER_SEC / NSEC_PER_USEC;
    const part = Math.sign(ntp.adjust) * Math.min(Math.abs(ntp.adjust), most);
    ntp.adjust -= part;
    moved += part * NSEC_PER_USEC;
  }
  if (ntp.offset !== 0) {
    const left = ntp.offset * (1 - 2 ** -(SHIFT_PLL + ntp.constant)) ** (elapsed / NSEC_PER_SEC);
    moved += ntp.offset - left;
    ntp.offset = Math.abs(left) < 1 ? 0 : left;
  }
  ntp.maxError = Math.min(NTP_PHASE_LIMIT, ntp.maxError + (ERROR_GROWTH * elapsed) / NSEC_PER_SEC);
  if (ntp.maxError >= NTP_PHASE_LIMIT) ntp.status |= STA_UNSYNC;
  ntp.at = now;
  k.time.wallOffset += moved;
  if (active && !ntpActive(ntp)) updateVsyscall(k);
}

