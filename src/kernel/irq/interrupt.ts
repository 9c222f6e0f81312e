import { task_struct as TASK } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { readKernel32, writeKernel32 } from '../mm/maccess.ts';
import { enterGuest } from '../module/call.ts';
import { continuation } from '../module/continuation.ts';
import type { Task } from '../sched/task.ts';

// Interrupts and softirqs, as far as they run code of modules (kernel/softirq.c): what is due on a CPU waits in a queue, and is called on top of whatever
// that CPU does when its interrupts are on. The kernel's own work in interrupts is TypeScript and happens at once, in the run loop.

/** Fields of thread_info.preempt_count (include/linux/preempt.h). */
export const PREEMPT_MASK = 0xff;
export const SOFTIRQ_OFFSET = 0x100;
export const SOFTIRQ_DISABLE_OFFSET = 0x200;
export const SOFTIRQ_MASK = 0xff00;
export const HARDIRQ_OFFSET = 0x1_0000;
export const HARDIRQ_MASK = 0xf_0000;
export const NMI_OFFSET = 0x10_0000;
/** sstatus.SIE. */
export const SR_SIE = 2;

/** Call of a guest function that an interrupt wants. */
export interface InterruptCall {
  readonly fn: number;
  readonly args: readonly (number | bigint)[];
}
export type InterruptLevel = 'hard' | 'soft';
type Data = Readonly<Record<string, number>>;
interface Pending {
  readonly level: InterruptLevel;
  readonly kind: string;
  readonly data: Data;
}
/** What a kind of interrupt calls (null: nothing any more), and what becomes of the result. */
export interface InterruptKind {
  readonly begin: (k: Kernel, data: Data) => InterruptCall | null;
  readonly end?: (k: Kernel, data: Data, result: bigint) => void;
}
const kinds = new Map<string, InterruptKind>();
export function interruptKind(name: string, kind: InterruptKind): void {
  kinds.set(name, kind);
}

export class InterruptState {
  /** Per CPU, in order. */
  readonly pending: Pending[][] = [];
  /** Softirqs served, per CPU and kind. */
  readonly served = new Map<string, number>();
  constructor(cpus: number) {
    for (let cpu = 0; cpu < cpus; cpu++) this.pending.push([]);
  }
}
export function raise(k: Kernel, cpu: number, level: InterruptLevel, kind: string, data: Data): void {
  k.interrupts.pending[Math.min(cpu, k.cpus - 1)].push({ level, kind, data });
}
/** Takes back what has been raised and not begun. */
export function retract(k: Kernel, kind: string, match: (data: Data) => boolean): boolean {
  let found = false;
  for (const queue of k.interrupts.pending) {
    for (let i = queue.length - 1; i >= 0; i--) {
      if (queue[i].kind !== kind || !match(queue[i].data)) continue;
      queue.splice(i, 1);
      found = true;
    }
  }
  return found;
}

const countAt = (task: Task) => task.va + TASK.thread_info_preempt_count;
export function preemptCount(k: Kernel, task: Task): number {
  return readKernel32(k, countAt(task)) ?? 0;
}
export function addPreemptCount(k: Kernel, task: Task, n: number): void {
  writeKernel32(k, countAt(task), preemptCount(k, task) + n);
}

/** Begins what is due on this CPU and may interrupt `task`, which is loaded in the machine. */
export function deliverInterrupts(k: Kernel, task: Task): void {
  const queue = k.interrupts.pending[k.cpu];
  const { regs } = k.machine;
  while (queue.length > 0) {
    if (regs.mode !== 0 && (regs.sstatus & SR_SIE) === 0) return;
    const count = preemptCount(k, task);
    if ((count & HARDIRQ_MASK) !== 0) return;
    const i = queue.findIndex((p) => p.level === 'hard' || (count & SOFTIRQ_MASK) === 0);
    if (i < 0) return;
    const [{ level, kind, data }] = queue.splice(i, 1);
    const call = kinds.get(kind)?.begin(k, data) ?? null;
    if (call === null) continue;
    const offset = level === 'hard' ? HARDIRQ_OFFSET : SOFTIRQ_OFFSET;
    k.interrupts.served.set(kind, (k.interrupts.served.get(kind) ?? 0) + 1);
    enterGuest(k, task, call.fn, call.args, 'interrupt', { offset, kind, of: data, count });
    addPreemptCount(k, task, offset);
    if (level === 'hard') regs.sstatus &= ~SR_SIE;
    return;
  }
}
continuation('interrupt', (k, task, result, data) => {
  const { offset, kind, of, count } = data as { offset: number; kind: string; of: Data; count: number };
  addPreemptCount(k, task, -offset);
  const now = preemptCount(k, task);
  if (now !== count) {
    // handle_softirqs: what a handler left behind is told and undone.
    k.printk.log(3, `huh, entered softirq ${kind} with preempt_count ${hex(count + offset)}, exited with ${hex(now + offset)}?`);
    addPreemptCount(k, task, count - now);
  }
  kinds.get(kind)?.end?.(k, of, result);
});
const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');

export function inInterrupt(k: Kernel): boolean {
  return (preemptCount(k, k.current) & (HARDIRQ_MASK | SOFTIRQ_MASK)) !== 0;
}
/** Code that may not sleep: interrupts, softirqs, and between local_bh_disable and _enable. Without CONFIG_PREEMPT_COUNT a spinlock does not show here. */
export function inAtomic(k: Kernel): boolean {
  return preemptCount(k, k.current) !== 0;
}
