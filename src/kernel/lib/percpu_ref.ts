import { ENOMEM } from '../../abi/errno.ts';
import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { percpu_ref as REF, percpu_ref_data as DATA } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { callGuest } from '../module/call.ts';
import { type FunctionExport, fn, internal } from '../module/export.ts';
import { symbolAddress } from '../module/stubs.ts';
import { callRcu } from '../rcu/rcu.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, wakeUpAll } from '../sched/wait.ts';
import { load64, load8, loadBig, store64, store8, storeBig } from './guest_memory.ts';

// Reference counts with a part on each CPU (lib/percpu-refcount.c). Modules count inline: on their CPU's part while the low bits of the pointer to the parts
// are clear, on the one counter otherwise. From many parts to one it goes after a grace period, when nobody counts on the parts any more.

const ATOMIC = 1;
const DEAD = 2;
const FLAGS = ATOMIC | DEAD;
/** percpu_ref_init's flags. */
const INIT_ATOMIC = 1;
const INIT_DEAD = 2;
const ALLOW_REINIT = 4;
/** Bits of the byte at force_atomic. */
const BIT_FORCE_ATOMIC = 1;
const BIT_ALLOW_REINIT = 2;
/** Keeps the one counter from zero while the parts are in use. */
const BIAS = 1n << 63n;
const LONG = 8;

const pointer = (k: Kernel, ref: number) => load64(k, ref + REF.percpu_count_ptr);
const flagsOf = (k: Kernel, ref: number) => pointer(k, ref) & FLAGS;
const partsOf = (k: Kernel, ref: number) => pointer(k, ref) - flagsOf(k, ref);
const dataOf = (k: Kernel, ref: number) => load64(k, ref + REF.data);
const setFlags = (k: Kernel, ref: number, flags: number) => store64(k, ref + REF.percpu_count_ptr, partsOf(k, ref) + flags);
const count = (k: Kernel, ref: number) => BigInt.asUintN(64, loadBig(k, dataOf(k, ref) + DATA.count));
const addCount = (k: Kernel, ref: number, n: bigint) => storeBig(k, dataOf(k, ref) + DATA.count, count(k, ref) + n);

function init(k: Kernel, ref: number, release: number, flags: number): number {
  const parts = k.percpu.alloc(LONG, LONG);
  const data = kmalloc(k, DATA.sizeof, GFP_KERNEL | GFP_ZERO);
  store64(k, ref + REF.percpu_count_ptr, parts);
  if (parts === 0 || data === 0) return -ENOMEM;
  const one = (flags & (INIT_ATOMIC | INIT_DEAD)) !== 0;
  store64(k, ref + REF.data, data);
  store8(k, data + DATA.force_atomic, ((flags & INIT_ATOMIC) !== 0 ? BIT_FORCE_ATOMIC : 0) | (one || (flags & ALLOW_REINIT) !== 0 ? BIT_ALLOW_REINIT : 0));
  setFlags(k, ref, (one ? ATOMIC : 0) | ((flags & INIT_DEAD) !== 0 ? DEAD : 0));
  storeBig(k, data + DATA.count, (one ? 0n : BIAS) + ((flags & INIT_DEAD) !== 0 ? 0n : 1n));
  store64(k, data + DATA.release, release);
  store64(k, data + DATA.ref, ref);
  return 0;
}
/** percpu_ref_put on the one counter: BLOCKED while the release function runs. */
function putOne(k: Kernel, ref: number): number | undefined {
  if (k.current.restart?.['released'] !== true) {
    addCount(k, ref, -1n);
    if (count(k, ref) !== 0n) return undefined;
    k.current.restart = { ...k.current.restart, released: true };
  }
  return callGuest(k, load64(k, dataOf(k, ref) + DATA.release), ref) === null ? BLOCKED : undefined;
}
/** __percpu_ref_switch_to_atomic: `confirm` is called once the parts are in the counter. */
function toAtomic(k: Kernel, ref: number, confirm: number): number | undefined {
  if ((flagsOf(k, ref) & ATOMIC) !== 0) {
    return confirm !== 0 && callGuest(k, confirm, ref) === null ? BLOCKED : undefined;
  }
  setFlags(k, ref, flagsOf(k, ref) | ATOMIC);
  store64(k, dataOf(k, ref) + DATA.confirm_switch, confirm === 0 ? symbolAddress(k, 'percpu_ref_noop_confirm_switch') : confirm);
  addCount(k, ref, 1n); // for the callback
  callRcu(k, dataOf(k, ref) + DATA.rcu, symbolAddress(k, 'percpu_ref_switch_to_atomic_rcu'));
  return undefined;
}
function toPercpu(k: Kernel, ref: number): void {
  if ((flagsOf(k, ref) & ATOMIC) === 0) return;
  addCount(k, ref, BIAS);
  const parts = partsOf(k, ref);
  for (const at of k.percpu.copies(parts)) store64(k, at, 0);
  setFlags(k, ref, flagsOf(k, ref) & ~ATOMIC);
}
const switching = (k: Kernel, ref: number) => load64(k, dataOf(k, ref) + DATA.confirm_switch) !== 0;
/** Until no switch is under way. */
function waitForSwitch(k: Kernel, ref: number): number | undefined {
  if (!switching(k, ref)) return undefined;
  addWaitQueue(k, k.locks.at(ref));
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}
/** __percpu_ref_switch_mode. */
function switchMode(k: Kernel, ref: number, confirm: number): number | undefined {
  const force = (load8(k, dataOf(k, ref) + DATA.force_atomic) & BIT_FORCE_ATOMIC) !== 0;
  if (force || (flagsOf(k, ref) & DEAD) !== 0) return toAtomic(k, ref, confirm);
  toPercpu(k, ref);
  return undefined;
}
function forceAtomic(k: Kernel, ref: number, on: boolean): void {
  const at = dataOf(k, ref) + DATA.force_atomic;
  store8(k, at, on ? load8(k, at) | BIT_FORCE_ATOMIC : load8(k, at) & ~BIT_FORCE_ATOMIC);
}
/** After the grace period: the parts go into the counter; whoever waits is told; the reference for this goes. */
function switched(k: Kernel, head: number): number | undefined {
  const data = head - DATA.rcu;
  const ref = load64(k, data + DATA.ref);
  const confirm = load64(k, data + DATA.confirm_switch);
  if (k.current.restart === null) {
    let total = 0n;
    for (const at of k.percpu.copies(partsOf(k, ref))) total += loadBig(k, at);
    addCount(k, ref, total - BIAS);
    k.current.restart = { summed: true };
  }
  if (k.current.restart['confirmed'] !== true) {
    if (confirm !== symbolAddress(k, 'percpu_ref_noop_confirm_switch') && callGuest(k, confirm, ref) === null) return BLOCKED;
    k.current.calls = [];
    k.current.callIndex = 0;
    store64(k, data + DATA.confirm_switch, 0);
    const waiting = k.locks.waiters(ref);
    if (waiting !== null) wakeUpAll(k, waiting);
    k.current.restart = { ...k.current.restart, confirmed: true };
  }
  return putOne(k, ref);
}

export const percpuRefExports: readonly FunctionExport[] = [
  fn('percpu_ref_init', init),
  fn('percpu_ref_exit', (k, ref) => {
    const parts = partsOf(k, ref);
    if (parts !== 0) k.percpu.free(parts);
    const data = dataOf(k, ref);
    store64(k, ref + REF.percpu_count_ptr, ATOMIC | DEAD);
    store64(k, ref + REF.data, 0);
    kfree(k, data);
  }),
  fn('percpu_ref_switch_to_atomic', (k, ref, confirm) => {
    if (waitForSwitch(k, ref) === BLOCKED) return BLOCKED;
    forceAtomic(k, ref, true);
    return switchMode(k, ref, confirm);
  }),
  fn('percpu_ref_switch_to_atomic_sync', (k, ref) => {
    if (k.current.restart === null) {
      forceAtomic(k, ref, true);
      switchMode(k, ref, 0);
      k.current.restart = { switched: true };
    }
    return waitForSwitch(k, ref);
  }),
  fn('percpu_ref_switch_to_percpu', (k, ref) => {
    if (waitForSwitch(k, ref) === BLOCKED) return BLOCKED;
    forceAtomic(k, ref, false);
    return switchMode(k, ref, 0);
  }),
  fn('percpu_ref_kill_and_confirm', (k, ref, confirm) => {
    if (k.current.restart === null) {
      if (switching(k, ref)) return waitForSwitch(k, ref);
      setFlags(k, ref, flagsOf(k, ref) | DEAD);
      k.current.restart = { killed: true };
    }
    if (k.current.restart['switched'] !== true) {
      if (switchMode(k, ref, confirm) === BLOCKED) return BLOCKED;
      k.current.calls = [];
      k.current.callIndex = 0;
      k.current.restart = { ...k.current.restart, switched: true };
    }
    return putOne(k, ref);
  }),
  fn('percpu_ref_is_zero', (k, ref) => {
    if ((flagsOf(k, ref) & FLAGS) === 0) return 0;
    return dataOf(k, ref) === 0 || count(k, ref) === 0n ? 1 : 0;
  }),
  fn('percpu_ref_reinit', (k, ref) => resurrect(k, ref)),
  fn('percpu_ref_resurrect', (k, ref) => resurrect(k, ref)),
  internal('percpu_ref_switch_to_atomic_rcu', switched as FunctionExport['call']),
  internal('percpu_ref_noop_confirm_switch', () => 0),
];
/** Alive again, with a first reference. */
function resurrect(k: Kernel, ref: number): number | undefined {
  if (waitForSwitch(k, ref) === BLOCKED) return BLOCKED;
  setFlags(k, ref, flagsOf(k, ref) & ~DEAD);
  addCount(k, ref, 1n);
  return switchMode(k, ref, 0);
}
