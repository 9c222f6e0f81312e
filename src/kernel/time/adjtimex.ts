import { EINVAL, EPERM } from '../../abi/errno.ts';
import { CAP_SYS_TIME } from '../../abi/sched.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC } from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, viewFromUser } from '../mm/uaccess.ts';
import { updateVsyscall } from '../vdso/datapage.ts';
import { NTP_PHASE_LIMIT, type NtpData, ntpUpdate, STA_UNSYNC, USER_HZ } from './ntp.ts';

// adjtimex(2), clock_adjtime(2): struct timex and its modes (kernel/time/ntp.c, timekeeping.c).

const TIMEX_SIZE = 208;
const ADJ_OFFSET = 0x0001;
const ADJ_FREQUENCY = 0x0002;
const ADJ_MAXERROR = 0x0004;
const ADJ_ESTERROR = 0x0008;
const ADJ_STATUS = 0x0010;
const ADJ_TIMECONST = 0x0020;
const ADJ_TAI = 0x0080;
const ADJ_SETOFFSET = 0x0100;
const ADJ_MICRO = 0x1000;
const ADJ_NANO = 0x2000;
const ADJ_TICK = 0x4000;
const ADJ_ADJTIME = 0x8000;
const ADJ_OFFSET_SINGLESHOT = 0x0001;
const ADJ_OFFSET_READONLY = 0x2000;

const STA_PLL = 0x0001;
const STA_INS = 0x0010;
const STA_DEL = 0x0020;
const STA_CLOCKERR = 0x1000;
const STA_NANO = 0x2000;
const STA_MODE = 0x4000;
const STA_RONLY = 0xff00;

const TIME_OK = 0;
const TIME_INS = 1;
const TIME_DEL = 2;
const TIME_ERROR = 5;

const MAXPHASE = 500_000_000;
/** MAXFREQ in units of 2^-16 ppm: 500 ppm. */
const MAXFREQ = 500 * 65536;
const MAXTC = 10;
/** What a frequency may be before it is clamped: LLONG_MAX / PPM_SCALE. */
const FREQ_LIMIT = 2 ** 63 / (1000 * 65536);
const MAX_TAI_OFFSET = 100_000;

const clamp = (n: number, most: number) => Math.max(-most, Math.min(most, n));

function validate(k: Kernel, v: DataView): number {
  const modes = v.getUint32(0, true);
  const may = k.current.capable(CAP_SYS_TIME);
  if ((modes & ADJ_ADJTIME) !== 0) {
    if ((modes & ADJ_OFFSET_SINGLESHOT) === 0) return -EINVAL;
    if ((modes & ADJ_OFFSET_READONLY) === 0 && !may) return -EPERM;
  } else {
    if (modes !== 0 && !may) return -EPERM;
    const tick = Number(v.getBigInt64(88, true));
    if ((modes & ADJ_TICK) !== 0 && (tick < 900_000 / USER_HZ || tick > 1_100_000 / USER_HZ)) return -EINVAL;
  }
  if ((modes & ADJ_FREQUENCY) !== 0 && Math.abs(Number(v.getBigInt64(16, true))) > FREQ_LIMIT) return -EINVAL;
  if ((modes & ADJ_SETOFFSET) !== 0) {
    if (!may) return -EPERM;
    const part = Number(v.getBigInt64(80, true));
    if (part < 0 || part >= ((modes & ADJ_NANO) !== 0 ? 1e9 : 1e6)) return -EINVAL;
  }
  return 0;
}

function setModes(ntp: NtpData, v: DataView, modes: number): void {
  const long = (at: number) => Number(v.getBigInt64(at, true));
  if ((modes & ADJ_STATUS) !== 0) {
    const asked = v.getInt32(40, true);
    ntp.status = (ntp.status & STA_RONLY) | (asked & ~STA_RONLY);
  }
  if ((modes & ADJ_NANO) !== 0) ntp.status |= STA_NANO;
  if ((modes & ADJ_MICRO) !== 0) ntp.status &= ~STA_NANO;
  if ((modes & ADJ_FREQUENCY) !== 0) ntp.freq = clamp(long(16), MAXFREQ);
  if ((modes & ADJ_MAXERROR) !== 0) ntp.maxError = Math.max(0, Math.min(NTP_PHASE_LIMIT, long(24)));
  if ((modes & ADJ_ESTERROR) !== 0) ntp.estError = Math.max(0, Math.min(NTP_PHASE_LIMIT, long(32)));
  if ((modes & ADJ_TIMECONST) !== 0) {
    const asked = long(48) + ((ntp.status & STA_NANO) === 0 ? 4 : 0);
    ntp.constant = Math.max(0, Math.min(MAXTC, asked));
  }
  if ((modes & ADJ_TAI) !== 0 && long(48) >= 0 && long(48) <= MAX_TAI_OFFSET) ntp.tai = long(48);
  if ((modes & ADJ_OFFSET) !== 0 && (ntp.status & STA_PLL) !== 0) {
    const unit = (ntp.status & STA_NANO) !== 0 ? 1 : NSEC_PER_USEC;
    ntp.offset = clamp(clamp(long(8), NSEC_PER_SEC) * unit, MAXPHASE);
  }
  if ((modes & ADJ_TICK) !== 0) ntp.tick = long(88);
}

/** do_adjtimex: the clock's state, or -errno. The structure at `ptr` is read and written. */
export function doAdjtimex(k: Kernel, ptr: number): number {
  const v = viewFromUser(k, ptr, TIMEX_SIZE);
  if (typeof v === 'number') return v;
  const bad = validate(k, v);
  if (bad < 0) return bad;
  const modes = v.getUint32(0, true);
  const { ntp } = k.time;
  ntpUpdate(k);
  if ((modes & ADJ_SETOFFSET) !== 0) {
    const part = Number(v.getBigInt64(80, true)) * ((modes & ADJ_NANO) !== 0 ? 1 : NSEC_PER_USEC);
    k.time.wallOffset += Number(v.getBigInt64(72, true)) * NSEC_PER_SEC + part;
  }
  let shown: number;
  if ((modes & ADJ_ADJTIME) !== 0) {
    shown = Math.trunc(ntp.adjust);
    if ((modes & ADJ_OFFSET_READONLY) === 0) {
      ntp.adjust = Number(v.getBigInt64(8, true));
      ntp.at = k.time.now();
    }
  } else {
    if (modes !== 0) {
      setModes(ntp, v, modes);
      ntp.at = k.time.now();
    }
    shown = Math.trunc(ntp.offset / ((ntp.status & STA_NANO) !== 0 ? 1 : NSEC_PER_USEC));
  }
  fill(k, v, shown);
  updateVsyscall(k);
  if (copyToUser(k, ptr, new Uint8Array(v.buffer)) < 0) return -14; // EFAULT
  if ((ntp.status & (STA_UNSYNC | STA_CLOCKERR)) !== 0) return TIME_ERROR;
  return (ntp.status & STA_INS) !== 0 ? TIME_INS : (ntp.status & STA_DEL) !== 0 ? TIME_DEL : TIME_OK;
}
function fill(k: Kernel, v: DataView, offset: number): void {
  const { ntp } = k.time;
  const long = (at: number, n: number) => v.setBigInt64(at, BigInt(Math.trunc(n)), true);
  const wall = k.time.wall();
  const nano = (ntp.status & STA_NANO) !== 0;
  long(8, offset);
  long(16, ntp.freq);
  long(24, ntp.maxError);
  long(32, ntp.estError);
  v.setInt32(40, ntp.status & ~STA_MODE, true);
  long(48, ntp.constant);
  long(56, 1);
  long(64, MAXFREQ);
  long(72, wall.sec);
  long(80, nano ? wall.nsec : wall.nsec / NSEC_PER_USEC);
  long(88, ntp.tick);
  for (let at = 96; at < 160; at += 8) long(at, 0);
  v.setInt32(160, ntp.tai, true);
}
