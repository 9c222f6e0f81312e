import { kprobe as KP, kretprobe as KRP, pt_regs as REGS } from '../../abi/layout/structs.ts';
import { Trap } from '../../machine/trap.ts';
import { kfree, kzalloc } from '../fs/module_file.ts';
import { addPreemptCount, HARDIRQ_OFFSET, NMI_OFFSET, SR_SIE } from '../irq/interrupt.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { readKernelBig, writeKernel64, writeKernelBig } from '../mm/maccess.ts';
import { enterGuest } from '../module/call.ts';
import { continuation } from '../module/continuation.ts';
import type { Task } from '../sched/task.ts';
import { insnLength, type ProbeInsn, simulate } from './insn.ts';
import type { ProbePoint } from './points.ts';
import { hook, recycle } from './rethook.ts';

// A probe is hit (kprobe_breakpoint_handler, setup_singlestep, kprobe_single_step_handler of arch/riscv/kernel/probes/kprobes.c): its handlers run as in
// an NMI with interrupts off, then the instruction, then the handlers of what follows.

export const FLAG_DISABLED = 2;
const SR_SPIE = 0x20;
const SR_SPP = 0x100;
const UXL_64 = 2n << 32n;

/** What a task does for a probe: Linux's current_kprobe and its status. Hits while there is one are only counted. */
export interface ActiveProbe {
  readonly addr: number;
  readonly opcode: number;
  readonly kind: ProbeInsn | 'entry';
  readonly slot: number;
  /** Its handlers run; its instruction runs; the same for a hit that was only counted; a return probe's handlers run. */
  state: 'handlers' | 'step' | 'missed' | 'return';
  /** SR_SIE of the code that is probed, while the instruction runs without. */
  sie: number;
}
/** A call of an exported function whose entry was probed, until it returns. */
export interface ProbedCall {
  readonly pc: number;
  /** Frames under it: the same function called from a callback is another call. */
  readonly depth: number;
}

/** Registers of the machine in a struct pt_regs, as a trap leaves them. */
export function saveTo(k: Kernel, at: number): void {
  const { regs } = k.machine;
  writeKernel64(k, at, regs.pc);
  for (let i = 1; i < 32; i++) writeKernelBig(k, at + i * 8, regs.getBig(i));
  const status = (regs.sstatus & ~(SR_SIE | SR_SPIE)) | ((regs.sstatus & SR_SIE) !== 0 ? SR_SPIE : 0) | SR_SPP;
  writeKernelBig(k, at + REGS.status, UXL_64 | BigInt(status));
  writeKernel64(k, at + REGS.cause, Trap.BREAKPOINT);
}
/** And back; all but the pc. */
export function loadFrom(k: Kernel, at: number): void {
  for (let i = 1; i < 32; i++) k.machine.regs.setBig(i, readKernelBig(k, at + i * 8) ?? 0n);
}
const pcOf = (k: Kernel, regs: number) => Number(BigInt.asIntN(64, readKernelBig(k, regs) ?? 0n));

/** Handlers of a hit that are still to be called. */
interface Calls {
  /** Guest address of the registers. */
  readonly regs: number;
  readonly todo: readonly number[];
}
const enabled = (k: Kernel, p: number) => (load32(k, p + KP.flags) & FLAG_DISABLED) === 0;

/** An ebreak of kernel code: true when it was a probe's. */
export function kprobeBreakpoint(k: Kernel, task: Task): boolean {
  const { pc } = k.machine.regs;
  const top = task.probed[task.probed.length - 1];
  if (top !== undefined && (top.state === 'step' || top.state === 'missed') && pc === top.slot + insnLength(top.opcode)) {
    k.machine.regs.sstatus |= top.sie;
    k.machine.regs.pc = top.addr + insnLength(top.opcode);
    after(k, task, top);
    return true;
  }
  const point = k.kprobes.points.get(pc);
  if (point === undefined || point.entry || point.gone) return false;
  hit(k, task, point);
  return true;
}
function hit(k: Kernel, task: Task, point: ProbePoint): void {
  const { addr, opcode, slot } = point;
  const kind = point.entry ? 'entry' : point.kind;
  const running = task.probed.length > 0;
  const active: ActiveProbe = { addr, opcode, kind, slot, state: running ? 'missed' : 'handlers', sie: 0 };
  task.probed.push(active);
  if (running) {
    for (const p of point.probes) store64(k, p + KP.nmissed, load64(k, p + KP.nmissed) + 1);
    execute(k, task, active);
    return;
  }
  const regs = kzalloc(k, REGS.sizeof);
  if (regs === 0) {
    execute(k, task, active);
    return;
  }
  saveTo(k, regs);
  addPreemptCount(k, task, NMI_OFFSET + HARDIRQ_OFFSET);
  before(k, task, { regs, todo: point.probes.filter((p) => enabled(k, p)) });
}
/** A call of the kernel into a handler: interrupts are off in it. */
function callHandler(k: Kernel, task: Task, fn: number, args: readonly number[], then: string, data: Readonly<Record<string, unknown>>): void {
  enterGuest(k, task, fn, args, then, data);
  k.machine.regs.sstatus &= ~SR_SIE;
}
/** pre_handler of each probe (aggr_pre_handler; pre_handler_kretprobe for return probes), then the instruction. */
function before(k: Kernel, task: Task, { regs, todo }: Calls): void {
  const [p, ...rest] = todo;
  if (p === undefined) {
    loadFrom(k, regs);
    endHandlers(k, task, regs);
    execute(k, task, task.probed[task.probed.length - 1]);
    return;
  }
  const back = k.kprobes.returns.get(p);
  if (back === undefined) {
    const fn = load64(k, p + KP.pre_handler);
    if (fn === 0) before(k, task, { regs, todo: rest });
    else callHandler(k, task, fn, [p, regs], 'kprobe_pre', { regs, todo: rest });
    return;
  }
  const ri = back.free.pop();
  if (ri === undefined) {
    store32(k, p + KRP.nmissed, load32(k, p + KRP.nmissed) + 1);
    before(k, task, { regs, todo: rest });
    return;
  }
  const fn = load64(k, p + KRP.entry_handler);
  if (fn !== 0) {
    callHandler(k, task, fn, [ri, regs], 'kretprobe_entry', { regs, todo: rest, ri, rp: p });
    return;
  }
  hook(k, task, p, ri, regs);
  before(k, task, { regs, todo: rest });
}
function endHandlers(k: Kernel, task: Task, regs: number): void {
  addPreemptCount(k, task, -(NMI_OFFSET + HARDIRQ_OFFSET));
  kfree(k, regs);
}
continuation('kprobe_pre', (k, task, result, data) => {
  const calls = data as unknown as Calls;
  if (BigInt.asIntN(32, result) === 0n) {
    before(k, task, calls);
    return;
  }
  // The handler has dealt with the instruction itself, and says where to go on.
  loadFrom(k, calls.regs);
  k.machine.regs.pc = pcOf(k, calls.regs);
  endHandlers(k, task, calls.regs);
  task.probed.pop();
});
continuation('kretprobe_entry', (k, task, result, data) => {
  const { regs, todo, ri, rp } = data as unknown as Calls & { readonly ri: number; readonly rp: number };
  if (BigInt.asIntN(32, result) === 0n) hook(k, task, rp, ri, regs);
  else recycle(k, rp, ri);
  before(k, task, { regs, todo });
});

/** The instruction itself: in the registers, in its slot, or nothing where a call of an exported function begins. */
function execute(k: Kernel, task: Task, active: ActiveProbe): void {
  const { regs } = k.machine;
  if (active.kind === 'slot') {
    if (active.state === 'handlers') active.state = 'step';
    active.sie = regs.sstatus & SR_SIE;
    regs.sstatus &= ~SR_SIE;
    regs.pc = active.slot;
    return;
  }
  if (active.kind === 'simulate') simulate(k, active.opcode, active.addr);
  else regs.pc = active.addr + 2;
  after(k, task, active);
}
/** post_kprobe_handler. */
function after(k: Kernel, task: Task, active: ActiveProbe): void {
  const probes = active.state === 'missed' ? [] : (k.kprobes.points.get(active.addr)?.probes ?? []);
  active.state = 'handlers';
  const todo = probes.filter((p) => enabled(k, p) && !k.kprobes.returns.has(p) && load64(k, p + KP.post_handler) !== 0);
  const regs = todo.length === 0 ? 0 : kzalloc(k, REGS.sizeof);
  if (regs === 0) {
    finish(k, task);
    return;
  }
  saveTo(k, regs);
  addPreemptCount(k, task, NMI_OFFSET + HARDIRQ_OFFSET);
  afterNext(k, task, { regs, todo });
}
function afterNext(k: Kernel, task: Task, { regs, todo }: Calls): void {
  const [p, ...rest] = todo;
  if (p !== undefined) {
    callHandler(k, task, load64(k, p + KP.post_handler), [p, regs, 0], 'kprobe_post', { regs, todo: rest });
    return;
  }
  loadFrom(k, regs);
  k.machine.regs.pc = pcOf(k, regs);
  endHandlers(k, task, regs);
  finish(k, task);
}
continuation('kprobe_post', (k, task, _result, data) => afterNext(k, task, data as unknown as Calls));
/** reset_current_kprobe. */
function finish(k: Kernel, task: Task): void {
  const active = task.probed.pop();
  if (active?.kind !== 'entry' || k.machine.regs.pc !== active.addr + 2) return;
  k.machine.regs.pc = active.addr;
  task.probedCalls.push({ pc: active.addr, depth: task.frames.length });
}

/** At the entry of an exported function: true when handlers of modules run first. */
export function kprobeEntry(k: Kernel, task: Task): boolean {
  const { pc } = k.machine.regs;
  const point = k.kprobes.points.get(pc);
  if (point === undefined || !point.armed) return false;
  if (task.probedCalls.some((c) => c.pc === pc && c.depth === task.frames.length)) return false;
  hit(k, task, point);
  return true;
}
/** The exported function at `pc` has returned. */
export function kprobeReturn(task: Task, pc: number): void {
  const i = task.probedCalls.findIndex((c) => c.pc === pc && c.depth === task.frames.length);
  if (i >= 0) task.probedCalls.splice(i, 1);
}
/** kprobe_fault_handler: an instruction that faults in its slot has faulted where it stands. */
export function kprobeFault(k: Kernel, task: Task): void {
  const top = task.probed[task.probed.length - 1];
  if (top === undefined || (top.state !== 'step' && top.state !== 'missed') || k.machine.regs.pc !== top.slot) return;
  k.machine.regs.pc = top.addr;
  k.machine.regs.sstatus |= top.sie;
  task.probed.pop();
}
