import { TAINT_WARN } from '../../abi/module.ts';
import { addPreemptCount, preemptCount } from '../irq/interrupt.ts';
import type { Kernel } from '../kernel.ts';
import { printModules } from '../traps.ts';
import { addTaint } from '../panic.ts';
import { dumpStack } from '../stacktrace.ts';

/**
 * __schedule_bug: code that may not sleep (interrupts, softirqs, between local_bh_disable and _enable) gives its CPU up. True when that was so; the count is
 * gone then, as in Linux. Without CONFIG_PREEMPT_COUNT a spinlock that is held does not show.
 */
export function complainIfAtomic(k: Kernel): boolean {
  const task = k.current;
  const count = preemptCount(k, task);
  if (count === 0) return false;
  k.printk.log(3, `BUG: scheduling while atomic: ${task.comm}/${task.pid}/0x${(count >>> 0).toString(16).padStart(8, '0')}`);
  printModules(k);
  dumpStack(k, task);
  addTaint(k, TAINT_WARN, true);
  addPreemptCount(k, task, -count);
  return true;
}
