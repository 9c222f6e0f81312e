import type { Kernel } from '../kernel.ts';
import { addPreemptCount, SOFTIRQ_DISABLE_OFFSET, SR_SIE } from '../irq/interrupt.ts';
import { load32, load8, store32, storeBytes } from '../lib/guest_memory.ts';
import { type ExportedCall, type FunctionExport, fn } from '../module/export.ts';
import { SPINNING } from '../sched/wait.ts';

// Spinlocks and reader-writer locks (kernel/locking/spinlock.c). riscv without QUEUED_SPINLOCKS: a ticket lock, next ticket in the upper half of the word
// and the one being served in the lower; modules take part in it inline when they unlock.

/** Takes the lock, or SPINNING: the hart stays at the call, and comes back to it when others have run. */
function spinLock(k: Kernel, lock: number): number | undefined {
  const task = k.current;
  const word = load32(k, lock);
  let ticket = task.restart?.['ticket'] as number | undefined;
  if (ticket === undefined) {
    ticket = word >>> 16;
    store32(k, lock, ((((ticket + 1) & 0xffff) << 16) | (word & 0xffff)) >>> 0);
  }
  if ((word & 0xffff) === ticket) return undefined;
  task.restart = { ticket };
  return SPINNING;
}
function spinTrylock(k: Kernel, lock: number): number {
  const word = load32(k, lock);
  if (word >>> 16 !== (word & 0xffff)) return 0;
  store32(k, lock, ((((word >>> 16) + 1) << 16) | (word & 0xffff)) >>> 0);
  return 1;
}
function spinUnlock(k: Kernel, lock: number): void {
  const word = load32(k, lock);
  storeBytes(k, lock, Uint8Array.of((word + 1) & 0xff, (((word & 0xffff) + 1) >> 8) & 0xff));
}

/** struct qrwlock: a writer holds the whole lowest byte, bit 8 says that one waits, readers count from bit 9. */
const QW_LOCKED = 0xff;
const QW_WAITING = 0x100;
const QR_BIAS = 0x200;
function readLock(k: Kernel, lock: number): number | undefined {
  const count = load32(k, lock);
  if ((count & (QW_LOCKED | QW_WAITING)) !== 0) return SPINNING;
  store32(k, lock, count + QR_BIAS);
  return undefined;
}
function readTrylock(k: Kernel, lock: number): number {
  return readLock(k, lock) === undefined ? 1 : 0;
}
function readUnlock(k: Kernel, lock: number): void {
  store32(k, lock, load32(k, lock) - QR_BIAS);
}
function writeLock(k: Kernel, lock: number): number | undefined {
  const count = load32(k, lock);
  if ((count & ~QW_WAITING) !== 0) {
    store32(k, lock, count | QW_WAITING);
    return SPINNING;
  }
  store32(k, lock, QW_LOCKED);
  return undefined;
}
function writeTrylock(k: Kernel, lock: number): number {
  if (load32(k, lock) !== 0) return 0;
  store32(k, lock, QW_LOCKED);
  return 1;
}
function writeUnlock(k: Kernel, lock: number): void {
  store32(k, lock, load32(k, lock) - load8(k, lock));
}

/** local_irq_save and _restore, on the registers of the task that calls. */
function irqSave(k: Kernel): number {
  const { regs } = k.machine;
  const flags = regs.sstatus & SR_SIE;
  regs.sstatus &= ~SR_SIE;
  return flags;
}
export function irqRestore(k: Kernel, flags: number): void {
  k.machine.regs.sstatus |= flags & SR_SIE;
}
const bhDisable = (k: Kernel) => addPreemptCount(k, k.current, SOFTIRQ_DISABLE_OFFSET);
const bhEnable = (k: Kernel) => addPreemptCount(k, k.current, -SOFTIRQ_DISABLE_OFFSET);

type Lock = (k: Kernel, lock: number) => number | undefined;
/** The first attempt disables; a later one of the same call finds it done, and the state it had in the task's restart data. */
function withIrqSave(lock: Lock): ExportedCall {
  return (k, at) => {
    const flags = (k.current.restart?.['flags'] as number | undefined) ?? irqSave(k);
    const r = lock(k, at);
    if (r !== SPINNING) return flags;
    k.current.restart = { ...k.current.restart, flags };
    return SPINNING;
  };
}
function withIrqOff(lock: Lock): ExportedCall {
  return (k, at) => {
    irqSave(k);
    return lock(k, at);
  };
}
function withBhOff(lock: Lock): ExportedCall {
  return (k, at) => {
    if (k.current.restart?.['bh'] !== 1) bhDisable(k);
    const r = lock(k, at);
    if (r === SPINNING) k.current.restart = { ...k.current.restart, bh: 1 };
    return r;
  };
}
const family = (name: string, lock: Lock): FunctionExport[] => [
  fn(`_raw_${name}_lock`, lock),
  fn(`_raw_${name}_lock_irqsave`, withIrqSave(lock)),
  fn(`_raw_${name}_lock_irq`, withIrqOff(lock)),
  fn(`_raw_${name}_lock_bh`, withBhOff(lock)),
];
const unlocks = (name: string, unlock: (k: Kernel, lock: number) => void): FunctionExport[] => [
  fn(`_raw_${name}_unlock_irqrestore`, (k, lock, flags) => {
    unlock(k, lock);
    irqRestore(k, flags);
  }),
  fn(`_raw_${name}_unlock_bh`, (k, lock) => {
    unlock(k, lock);
    bhEnable(k);
  }),
];
export const spinlockExports: readonly FunctionExport[] = [
  ...family('spin', spinLock),
  ...unlocks('spin', spinUnlock),
  fn('_raw_spin_trylock', spinTrylock),
  fn('_raw_spin_trylock_bh', (k, lock) => {
    if (spinTrylock(k, lock) === 0) return 0;
    bhDisable(k);
    return 1;
  }),
  ...family('read', readLock),
  ...unlocks('read', readUnlock),
  fn('_raw_read_trylock', readTrylock),
  ...family('write', writeLock),
  ...unlocks('write', writeUnlock),
  fn('_raw_write_lock_nested', writeLock),
  fn('_raw_write_trylock', writeTrylock),
];
