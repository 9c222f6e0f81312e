import { kretprobe as KRP, kretprobe_instance as RI, pt_regs as REGS } from '../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../fs/module_file.ts';
import type { Kernel } from '../kernel.ts';
import { load64, store64 } from '../lib/guest_memory.ts';
import { enterGuest } from '../module/call.ts';
import { continuation } from '../module/continuation.ts';
import { type FunctionExport, internal } from '../module/export.ts';
import { symbolAddress } from '../module/stubs.ts';
import type { Task } from '../sched/task.ts';
import { loadFrom, saveTo } from './hit.ts';

// Return probes (kernel/trace/rethook.c): at the entry of a function its return address is replaced by that of the trampoline; when the function returns there,
// the handlers run, and the task goes on where the function was called.

/** Offsets in struct rethook_node: the rethook, whose first member is the kretprobe; the return address; the frame pointer. */
const NODE_RETHOOK = 24;
const NODE_RET_ADDR = 32;
const NODE_FRAME = 40;
const RETHOOK_SIZE = 64;

/** A call whose return is waited for. */
export interface HookedCall {
  readonly rp: number;
  readonly ri: number;
}
const trampoline = (k: Kernel) => symbolAddress(k, 'arch_rethook_trampoline');
/** Its stub is never called as a function: kernel_trap.ts looks for it first. */
export const rethookRow: FunctionExport = internal('arch_rethook_trampoline', () => 0);

/** rethook_alloc: instances of `rp` as many as it wants. False without memory. */
export function allocReturns(k: Kernel, rp: number, maxactive: number): boolean {
  const rethook = kzalloc(k, RETHOOK_SIZE);
  if (rethook === 0) return false;
  store64(k, rethook, rp);
  const free: number[] = [];
  for (let i = 0; i < maxactive; i++) {
    const ri = kzalloc(k, RI.sizeof + load64(k, rp + KRP.data_size));
    if (ri === 0) {
      for (const made of free) kfree(k, made);
      kfree(k, rethook);
      return false;
    }
    store64(k, ri + NODE_RETHOOK, rethook);
    free.push(ri);
  }
  store64(k, rp + KRP.rh, rethook);
  k.kprobes.returns.set(rp, { rethook, free, dead: false });
  return true;
}
/** rethook_stop and rethook_free: no new calls; those that go on return as they would, without its handler. */
export function freeReturns(k: Kernel, rp: number): void {
  const back = k.kprobes.returns.get(rp);
  if (back === undefined) return;
  for (const ri of back.free.splice(0)) kfree(k, ri);
  back.dead = true;
  k.kprobes.returns.delete(rp);
  const waiting = [...k.sched.tasks.values()].some((t) => t.hooked.some((h) => h.rp === rp));
  if (!waiting) kfree(k, back.rethook);
}
/** rethook_recycle. */
export function recycle(k: Kernel, rp: number, ri: number): void {
  const back = k.kprobes.returns.get(rp);
  if (back !== undefined && back.rethook === load64(k, ri + NODE_RETHOOK)) back.free.push(ri);
  else kfree(k, ri);
}
/** rethook_hook: the function whose registers at its entry are in `regs` will return to the trampoline. */
export function hook(k: Kernel, task: Task, rp: number, ri: number, regs: number): void {
  store64(k, ri + NODE_RET_ADDR, load64(k, regs + REGS.ra));
  store64(k, ri + NODE_FRAME, load64(k, regs + REGS.s0));
  store64(k, regs + REGS.ra, trampoline(k));
  task.hooked.push({ rp, ri });
}
/** rethook_flush_task: a task that ends has no calls that return. */
export function flushHooked(k: Kernel, task: Task): void {
  for (const { rp, ri } of task.hooked.splice(0)) recycle(k, rp, ri);
}

/** arch_rethook_trampoline: all return probes of one function, the newest first. */
export function rethookTrampoline(k: Kernel, task: Task): void {
  const calls: HookedCall[] = [];
  let to = trampoline(k);
  while (to === trampoline(k)) {
    const call = task.hooked.pop();
    if (call === undefined) {
      k.panic('rethook: Return address not found! A module may have jumped to arch_rethook_trampoline');
      return;
    }
    calls.push(call);
    to = load64(k, call.ri + NODE_RET_ADDR);
  }
  k.machine.regs.pc = to;
  const regs = kzalloc(k, REGS.sizeof);
  if (regs !== 0) {
    saveTo(k, regs);
    task.probed.push({ addr: 0, opcode: 0, kind: 'entry', slot: 0, state: 'return', sie: 0 });
  }
  next(k, task, { regs, to, todo: calls, done: [] });
}
interface Returning {
  readonly regs: number;
  readonly to: number;
  readonly todo: readonly HookedCall[];
  readonly done: readonly HookedCall[];
}
function next(k: Kernel, task: Task, state: Returning): void {
  const { regs, to, todo, done } = state;
  const [call, ...rest] = todo;
  if (call !== undefined) {
    const handler = k.kprobes.returns.has(call.rp) && regs !== 0 ? load64(k, call.rp + KRP.handler) : 0;
    const then: Returning = { regs, to, todo: rest, done: [...done, call] };
    if (handler === 0) next(k, task, then);
    else enterGuest(k, task, handler, [call.ri, regs], 'kretprobe_return', { ...then });
    return;
  }
  if (regs !== 0) {
    loadFrom(k, regs);
    kfree(k, regs);
    task.probed.pop();
  }
  k.machine.regs.set(1, to);
  k.machine.regs.pc = to;
  for (const { rp, ri } of done) recycle(k, rp, ri);
}
continuation('kretprobe_return', (k, task, _result, data) => next(k, task, data as unknown as Returning));
