import { EINVAL } from '../abi/errno.ts';
import { TAINT_SOFTLOCKUP } from '../abi/module.ts';
import type { ProcEntry } from './fs/proc/generic.ts';
import { sysctlLive } from './fs/proc/proc_sysctl.ts';
import { hungTaskChanged } from './hung_task.ts';
import { addPreemptCount, HARDIRQ_OFFSET } from './irq/interrupt.ts';
import type { Kernel } from './kernel.ts';
import { addTaint } from './panic.ts';
import type { RunQueue } from './sched/core.ts';
import { showRegs } from './stacktrace.ts';
import { printModules } from './traps.ts';
import type { Watchdog } from './watchdog_state.ts';

// The soft-lockup detector (kernel/watchdog.c): a CPU that runs kernel code and switches to nothing for more than twice watchdog_thresh. A timer looks five times
// in that time; its clock counts 2^30 ns.

const NS = 1e9;
const UNIT = 2 ** 30; // ns
const INT_MAX = 0x7fff_ffff;

/** watchdog_timer_fn: looks at a hart that is still in kernel code of a module after its turn. */
export function watchdog(k: Kernel, rq: RunQueue): void {
  const task = rq.current;
  const { enabled, soft, thresh, softlockupPanic } = k.watchdog;
  if (task === null || enabled === 0 || soft === 0 || thresh === 0) return;
  const period = (2 * thresh * NS) / 5;
  const sample = (ns: number) => Math.floor(ns / period) * period;
  const unit = (ns: number) => Math.floor(ns / UNIT);
  const now = sample(k.time.now());
  // The CPU was seen to switch when the timer came last before this. A report has the time counted anew from the look after it.
  const touched = sample(rq.kernelSince);
  const since = rq.lockupSaid > rq.kernelSince ? rq.lockupSaid + period : touched;
  if (unit(now) <= unit(since) + 2 * thresh) return;
  rq.lockupSaid = now;
  // The timer that looks is an interrupt.
  addPreemptCount(k, task, HARDIRQ_OFFSET);
  k.printk.log(0, `watchdog: BUG: soft lockup - CPU#${rq.cpu} stuck for ${unit(now) - unit(touched)}s! [${task.comm}:${task.pid}]`);
  printModules(k);
  showRegs(k, task, -1, 0);
  addTaint(k, TAINT_SOFTLOCKUP, true);
  if (softlockupPanic !== 0) k.panic('softlockup: hung tasks');
  else addPreemptCount(k, task, -HARDIRQ_OFFSET);
}

/** LONG_MAX / HZ: seconds that jiffies can count. */
const SECONDS_MAX = 0x7fff_ffff_ffff_ffffn / 250n;
type SecondsField = 'timeoutSecs' | 'checkIntervalSecs';
const showSeconds = (k: Kernel, e: ProcEntry) => `${k.hungTask[e.data as SecondsField]}\n`;
/** proc_dohung_task_timeout_secs. */
function storeSeconds(k: Kernel, text: string, e: ProcEntry): number {
  const m = /^\s*\+?(\d+)(?:\s|\0|$)/.exec(text);
  if (m === null || BigInt(m[1]) > SECONDS_MAX) return -EINVAL;
  k.hungTask[e.data as SecondsField] = BigInt(m[1]);
  hungTaskChanged(k);
  return 0;
}
/** The settings of both detectors, below /proc/sys/kernel. */
export function watchdogSysctlInit(k: Kernel): void {
  for (const [name, field] of [
    ['hung_task_timeout_secs', 'timeoutSecs'],
    ['hung_task_check_interval_secs', 'checkIntervalSecs'],
  ] as const)
    k.procfs.create(`sys/kernel/${name}`, showSeconds, { strict: true, mode: 0o644, store: storeSeconds, data: field });
  const hung = (name: string, field: 'warnings' | 'checkCount' | 'panic' | 'allCpuBacktrace', min: number, max: number) =>
    sysctlLive(k, `kernel/${name}`, { get: (kk) => kk.hungTask[field], set: (kk, n) => (kk.hungTask[field] = n), min, max });
  hung('hung_task_warnings', 'warnings', -1, INT_MAX);
  hung('hung_task_check_count', 'checkCount', 0, INT_MAX);
  hung('hung_task_panic', 'panic', 0, 1);
  hung('hung_task_all_cpu_backtrace', 'allCpuBacktrace', 0, 1);
  const row = (name: string, field: keyof Watchdog, max: number) =>
    sysctlLive(k, `kernel/${name}`, { get: (kk) => kk.watchdog[field], set: (kk, n) => (kk.watchdog[field] = n), min: 0, max });
  row('watchdog', 'enabled', 1);
  row('soft_watchdog', 'soft', 1);
  row('watchdog_thresh', 'thresh', 60);
  row('softlockup_panic', 'softlockupPanic', 1);
  row('softlockup_all_cpu_backtrace', 'softlockupAllCpuBacktrace', 1);
}
