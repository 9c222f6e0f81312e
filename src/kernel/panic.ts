import { TAINT_FLAGS } from '../abi/module.ts';
import type { Kernel } from './kernel.ts';

// What is wrong with this kernel (kernel/panic.c): the taint.

/** add_taint. `lockdepOk` false: lock debugging is said to end, once. */
export function addTaint(k: Kernel, flag: number, lockdepOk: boolean): void {
  if (!lockdepOk && k.debugLocks) {
    k.debugLocks = false;
    k.printk.log(4, 'Disabling lock debugging due to kernel taint');
  }
  k.tainted |= 1 << flag;
}
export function testTaint(k: Kernel, flag: number): boolean {
  return (k.tainted & (1 << flag)) !== 0;
}
/** print_tainted: "Not tainted", or "Tainted: " and a letter or space for each flag. */
export function printTainted(k: Kernel): string {
  if (k.tainted === 0) return 'Not tainted';
  return `Tainted: ${TAINT_FLAGS.map(([set, clear], i) => ((k.tainted >>> i) & 1 ? set : clear)).join('')}`;
}
/** The taints by name: "[O]=OOT_MODULE, [E]=UNSIGNED_MODULE". */
export function printTaintedVerbose(k: Kernel): string {
  return TAINT_FLAGS.filter((_f, i) => (k.tainted >>> i) & 1)
    .map(([set, , name]) => `[${set}]=${name}`)
    .join(', ');
}
