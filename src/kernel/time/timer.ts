import { hrtimer as HRTIMER, hrtimer_clock_base as BASE, timer_list as TIMER } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { interruptKind, raise, retract } from '../irq/interrupt.ts';
import { load32, load64, load8, store32, store64, storeBytes } from '../lib/guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { imageObject, symbolAddress } from '../module/stubs.ts';
import { writeKernel64, writeKernelBig } from '../mm/maccess.ts';
import { bugInExport, warnInExport } from '../traps.ts';
import { SPINNING } from '../sched/wait.ts';
import { INITIAL_JIFFIES, type KernelTimer, TICK_NSEC } from './timekeeping.ts';
import { timerKind } from './timers.ts';

// Timers of modules: the wheel in jiffies, whose functions run as softirqs (kernel/time/timer.c), and high-resolution ones, which run in the interrupt
// (kernel/time/hrtimer.c). timer_pending() and hrtimer_is_queued() look at members that are kept here.

const TIMER_CPUMASK = 0x3ffff;
const TIMER_PINNED = 0x0010_0000;
const TIMER_IRQSAFE = 0x0020_0000;
const HRTIMER_STATE_ENQUEUED = 1;

// Granularity grows eightfold from level to level of the wheel, 64 places each.
const LVL_CLK_SHIFT = 3;
const LVL_SIZE = 64;
const LVL_DEPTH = 9;

/** calc_wheel_index: the jiffy at which a timer is looked at that shall expire at `expires`. */
function bucketExpiry(expires: number, clk: number): number {
  const delta = expires - clk;
  if (delta < 0) return clk;
  for (let level = 0; level < LVL_DEPTH; level++) {
    const gran = 8 ** level;
    // LVL_START of the next level: (64 - 1) << (level * 3).
    if (delta < (LVL_SIZE - 1) * 2 ** (level * LVL_CLK_SHIFT) || level === LVL_DEPTH - 1) return Math.floor((expires + gran) / gran) * gran;
  }
  return expires;
}

function isPending(k: Kernel, timer: number): boolean {
  return load64(k, timer + TIMER.entry + 8) !== 0;
}
function detach(k: Kernel, timer: number): void {
  const queued = k.timers.wheel.get(timer);
  if (queued !== undefined) {
    k.time.delTimer(queued);
    k.timers.wheel.delete(timer);
  }
  retract(k, 'timer', (data) => data['timer'] === timer);
  writeKernelBig(k, timer + TIMER.entry, LIST_POISON2);
  store64(k, timer + TIMER.entry + 8, 0);
}
/** What pending timers are linked to. */
export function timersInit(k: Kernel): void {
  k.timers.wheelHead = imageObject(k, 8, 8);
  k.timers.hrtimerBases = imageObject(k, 16 * BASE.sizeof, 64);
  // hrtimer_cb_get_time() calls the base's function.
  for (let clock = 0; clock < 16; clock++) {
    const now = clock === CLOCK_REALTIME || clock === CLOCK_TAI ? 'ktime_get_real' : 'ktime_get';
    writeKernel64(k, k.timers.hrtimerBases + clock * BASE.sizeof + BASE.get_time, symbolAddress(k, now));
  }
}
/** As a signed number. */
const LIST_POISON2 = BigInt.asIntN(64, 0xdead_0000_0000_0122n);
function enqueue(k: Kernel, timer: number, expires: number, cpu: number): void {
  store64(k, timer + TIMER.expires, expires);
  const flags = load32(k, timer + TIMER.flags);
  store32(k, timer + TIMER.flags, ((flags & ~TIMER_CPUMASK) | cpu) >>> 0);
  const jiffy = bucketExpiry(expires, k.time.jiffies + 1);
  const queued: KernelTimer = { at: (jiffy - INITIAL_JIFFIES) * TICK_NSEC, kind: 'timer_list', data: { timer, cpu } };
  k.timers.wheel.set(timer, queued);
  k.time.addTimer(queued);
  // hlist: pprev says that it is on a list.
  store64(k, timer + TIMER.entry, 0);
  store64(k, timer + TIMER.entry + 8, k.timers.wheelHead);
}
/** __mod_timer: 1 when it was pending. */
export function modTimer(k: Kernel, timer: number, expires: number, onlyPending = false): number {
  const pending = isPending(k, timer);
  if (!pending && onlyPending) return 0;
  // A timer that was shut down has no function any more, and stays dead.
  if (load64(k, timer + TIMER.function) === 0) return 0;
  if (pending && load64(k, timer + TIMER.expires) === expires && k.timers.wheel.has(timer)) return 1;
  const cpu = pending && (load32(k, timer + TIMER.flags) & TIMER_PINNED) !== 0 ? load32(k, timer + TIMER.flags) & TIMER_CPUMASK : k.cpu;
  if (pending) detach(k, timer);
  enqueue(k, timer, expires, cpu);
  return pending ? 1 : 0;
}
function addTimer(k: Kernel, timer: number, cpu: number): void {
  if (isPending(k, timer)) {
    warnInExport(k, '');
    return;
  }
  if (load64(k, timer + TIMER.function) !== 0) enqueue(k, timer, load64(k, timer + TIMER.expires), cpu);
}
export function timerDelete(k: Kernel, timer: number): number {
  if (!isPending(k, timer)) return 0;
  detach(k, timer);
  return 1;
}
const isRunning = (k: Kernel, timer: number) => [...k.timers.running.values()].includes(timer);
/** timer_delete_sync: also waits for the function, which runs on another CPU then. */
function deleteSync(k: Kernel, timer: number): number {
  const was = timerDelete(k, timer);
  if (!isRunning(k, timer) || k.timers.running.get(k.cpu) === timer) return was || (k.current.restart?.['was'] === 1 ? 1 : 0);
  k.current.restart = { was: was || (k.current.restart?.['was'] === 1 ? 1 : 0) };
  return SPINNING;
}
function shutdown(k: Kernel, timer: number, r: number): number {
  if (r !== SPINNING) store64(k, timer + TIMER.function, 0);
  return r;
}

timerKind('timer_list', (k, { data }) => {
  const { timer, cpu } = data as { timer: number; cpu: number };
  raise(k, cpu, 'soft', 'timer', { timer });
});
interruptKind('timer', {
  begin(k, data) {
    const timer = data['timer'];
    k.timers.wheel.delete(timer);
    const call = load64(k, timer + TIMER.function);
    store64(k, timer + TIMER.entry + 8, 0);
    if (call === 0) return null;
    k.timers.running.set(k.cpu, timer);
    return { fn: call, args: [timer] };
  },
  end(k) {
    k.timers.running.delete(k.cpu);
  },
});

// --- high resolution ---

/** HRTIMER_MODE_SOFT and _HARD; clock IDs of the bases. */
const HRTIMER_MODE_REL = 1;
const HRTIMER_MODE_SOFT = 4;
const CLOCK_REALTIME = 0;
const CLOCK_TAI = 11;
const KTIME_MAX = 2 ** 63;

function hrtimerInit(k: Kernel, timer: number, clock: number, mode: number): void {
  storeBytes(k, timer, new Uint8Array(HRTIMER.sizeof));
  store64(k, timer, timer); // RB_CLEAR_NODE
  // The base is where modules see one, so it only has to differ from NULL; the clock is kept with it.
  store64(k, timer + HRTIMER.base, k.timers.hrtimerBases + clock * BASE.sizeof);
  storeBytes(k, timer + HRTIMER.is_soft, Uint8Array.of((mode & HRTIMER_MODE_SOFT) !== 0 ? 1 : 0, (mode & HRTIMER_MODE_SOFT) !== 0 ? 0 : 1));
}
const clockOf = (k: Kernel, timer: number) => Math.round((load64(k, timer + HRTIMER.base) - k.timers.hrtimerBases) / BASE.sizeof);
/** Nanoseconds on the clock of a timer's base. */
function clockNow(k: Kernel, clock: number): number {
  if (clock !== CLOCK_REALTIME && clock !== CLOCK_TAI) return k.time.now();
  const w = k.time.wall();
  return w.sec * 1e9 + w.nsec;
}
function isQueued(k: Kernel, timer: number): boolean {
  return load8(k, timer + HRTIMER.state) === HRTIMER_STATE_ENQUEUED;
}
function setExpires(k: Kernel, timer: number, at: number): void {
  store64(k, timer + HRTIMER.node + 24, Math.min(at, KTIME_MAX));
  store64(k, timer + HRTIMER._softexpires, Math.min(at, KTIME_MAX));
}
function enqueueHrtimer(k: Kernel, timer: number): void {
  const expires = load64(k, timer + HRTIMER.node + 24);
  const clock = clockOf(k, timer);
  const queued: KernelTimer = { at: k.time.now() + Math.max(0, expires - clockNow(k, clock)), kind: 'hrtimer', data: { timer, cpu: k.cpu } };
  k.timers.high.set(timer, queued);
  k.time.addTimer(queued);
  storeBytes(k, timer + HRTIMER.state, Uint8Array.of(HRTIMER_STATE_ENQUEUED));
}
function removeHrtimer(k: Kernel, timer: number): boolean {
  const queued = k.timers.high.get(timer);
  if (queued !== undefined) {
    k.time.delTimer(queued);
    k.timers.high.delete(timer);
  }
  retract(k, 'hrtimer', (data) => data['timer'] === timer);
  const was = isQueued(k, timer);
  storeBytes(k, timer + HRTIMER.state, Uint8Array.of(0));
  return was;
}
/** -1: its function runs on another CPU. */
function tryCancel(k: Kernel, timer: number): number {
  if (isRunning(k, timer) && k.timers.running.get(k.cpu) !== timer) return -1;
  return removeHrtimer(k, timer) ? 1 : 0;
}
/** hrtimer_forward: by whole intervals past `now`; how many. */
function forward(k: Kernel, timer: number, now: number, interval: number): number {
  const expires = load64(k, timer + HRTIMER.node + 24);
  const delta = now - expires;
  if (delta < 0) return 0;
  if (isQueued(k, timer)) {
    warnInExport(k, '');
    return 0;
  }
  const step = Math.max(1, interval);
  const n = Math.floor(delta / step) + 1;
  setExpires(k, timer, expires + n * step);
  return n;
}

timerKind('hrtimer', (k, { data }) => {
  const { timer, cpu } = data as { timer: number; cpu: number };
  const soft = load8(k, timer + HRTIMER.is_soft) !== 0;
  raise(k, cpu, soft ? 'soft' : 'hard', 'hrtimer', { timer });
});
interruptKind('hrtimer', {
  begin(k, data) {
    const timer = data['timer'];
    k.timers.high.delete(timer);
    storeBytes(k, timer + HRTIMER.state, Uint8Array.of(0));
    k.timers.running.set(k.cpu, timer);
    return { fn: load64(k, timer + HRTIMER.function), args: [timer] };
  },
  end(k, data, result) {
    k.timers.running.delete(k.cpu);
    // HRTIMER_RESTART, unless it was started again meanwhile.
    if ((Number(result) | 0) === 1 && !isQueued(k, data['timer'])) enqueueHrtimer(k, data['timer']);
  },
});

const HZ_MS = TICK_NSEC / 1e6;
function roundJiffies(k: Kernel, j: number, up: boolean): number {
  // To whole seconds, a little later on each further CPU.
  const skewed = j + k.cpu * 3;
  const rem = skewed % 250;
  const rounded = (rem < 62 && !up ? skewed - rem : skewed - rem + 250) - k.cpu * 3;
  return rounded <= k.time.jiffies ? j : rounded;
}
export const timerExports: readonly FunctionExport[] = [
  fn('init_timer_key', (k, timer, func, flags) => {
    store64(k, timer + TIMER.entry, 0);
    store64(k, timer + TIMER.entry + 8, 0);
    store64(k, timer + TIMER.function, func);
    store32(k, timer + TIMER.flags, ((flags & (TIMER_PINNED | TIMER_IRQSAFE | 0x8_0000)) | k.cpu) >>> 0);
  }),
  fn('mod_timer', (k, timer, expires) => modTimer(k, timer, expires)),
  fn('mod_timer_pending', (k, timer, expires) => modTimer(k, timer, expires, true)),
  fn('timer_reduce', (k, timer, expires) =>
    isPending(k, timer) && load64(k, timer + TIMER.expires) <= expires ? 1 : modTimer(k, timer, expires),
  ),
  fn('add_timer', (k, timer) => addTimer(k, timer, k.cpu)),
  fn('add_timer_local', (k, timer) => addTimer(k, timer, k.cpu)),
  fn('add_timer_global', (k, timer) => addTimer(k, timer, k.cpu)),
  fn('add_timer_on', (k, timer, cpu) => addTimer(k, timer, cpu)),
  fn('timer_delete', timerDelete),
  fn('timer_delete_sync', deleteSync),
  fn('try_to_del_timer_sync', (k, timer) => (isRunning(k, timer) ? -1 : timerDelete(k, timer))),
  fn('timer_shutdown', (k, timer) => shutdown(k, timer, timerDelete(k, timer))),
  fn('timer_shutdown_sync', (k, timer) => shutdown(k, timer, deleteSync(k, timer))),
  fn('__round_jiffies', (k, j) => roundJiffies(k, j, false)),
  fn('round_jiffies', (k, j) => roundJiffies(k, j, false)),
  fn('round_jiffies_up', (k, j) => roundJiffies(k, j, true)),
  fn('round_jiffies_relative', (k, j) => roundJiffies(k, j + k.time.jiffies, false) - k.time.jiffies),
  fn('round_jiffies_up_relative', (k, j) => roundJiffies(k, j + k.time.jiffies, true) - k.time.jiffies),

  fn('hrtimer_init', hrtimerInit),
  fn('hrtimer_start_range_ns', (k, timer, time, _delta, mode) => {
    if (load64(k, timer + HRTIMER.function) === 0) {
      bugInExport(k);
      return;
    }
    removeHrtimer(k, timer);
    setExpires(k, timer, (mode & HRTIMER_MODE_REL) !== 0 ? clockNow(k, clockOf(k, timer)) + Math.max(0, time) : time);
    enqueueHrtimer(k, timer);
  }),
  fn('hrtimer_try_to_cancel', tryCancel),
  fn('hrtimer_cancel', (k, timer) => {
    const r = tryCancel(k, timer);
    return r < 0 ? SPINNING : r;
  }),
  fn('hrtimer_forward', forward),
  fn('hrtimer_active', (k, timer) => (isQueued(k, timer) || isRunning(k, timer) ? 1 : 0)),
  fn('__hrtimer_get_remaining', (k, timer) => load64(k, timer + HRTIMER.node + 24) - clockNow(k, clockOf(k, timer))),
  fn('__msecs_to_jiffies', (_k, ms) => ((ms | 0) < 0 ? 0x3fff_ffff_ffff_fffen : Math.ceil((ms >>> 0) / HZ_MS))),
  fn('__usecs_to_jiffies', (_k, us) => Math.ceil((us >>> 0) / (HZ_MS * 1000))),
];
