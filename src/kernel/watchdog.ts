import { TAINT_SOFTLOCKUP } from '../abi/module.ts';
import type { Kernel } from './kernel.ts';
import { addTaint } from './panic.ts';
import type { RunQueue } from './sched/core.ts';
import { showRegs } from './stacktrace.ts';
import { printModules } from './traps.ts';

// The soft-lockup detector (kernel/watchdog.c): a CPU that runs kernel code and switches to nothing for more than twice watchdog_thresh.

const NS = 1e9;
/** watchdog_thresh: the timer comes every fifth of twice this. */
const THRESH = 10;
const SAMPLE = (2 * THRESH) / 5;

/** Looks at a hart that is still in kernel code of a module after its turn. */
export function watchdog(k: Kernel, rq: RunQueue): void {
  const task = rq.current;
  if (task === null) return;
  const now = k.time.now();
  const stuck = Math.floor((now - rq.kernelSince) / NS);
  if (stuck <= 2 * THRESH || now - rq.lockupSaid < (2 * THRESH + SAMPLE) * NS) return;
  rq.lockupSaid = now;
  k.printk.log(0, `watchdog: BUG: soft lockup - CPU#${rq.cpu} stuck for ${stuck}s! [${task.comm}:${task.pid}]`);
  printModules(k);
  showRegs(k, task, -1, 0);
  addTaint(k, TAINT_SOFTLOCKUP, true);
  if (k.softlockupPanic) k.panic('softlockup: hung tasks');
}
