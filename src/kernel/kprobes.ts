import { EINVAL, ENOENT, ENOMEM, EOPNOTSUPP } from '../abi/errno.ts';
import { kprobe as KP, kretprobe as KRP, kretprobe_instance as RI, pt_regs as REGS } from '../abi/layout/structs.ts';
import { kfree, kzalloc } from './fs/module_file.ts';
import { symbolByName } from './kallsyms.ts';
import type { Kernel } from './kernel.ts';
import { load32, load64, loadString, store32, store64 } from './lib/guest_memory.ts';
import { readKernelBig, writeKernel64, writeKernelBig } from './mm/maccess.ts';
import { enterGuest } from './module/call.ts';
import { continuation } from './module/continuation.ts';
import { type FunctionExport, partial } from './module/export.ts';
import { findModuleAt } from './module/module.ts';
import { exportAtStub } from './module/stubs.ts';
import type { Task } from './sched/task.ts';

// Probes on functions (kernel/kprobes.c). On Debian's riscv64 kernel a function that can be traced cannot be probed at its entry (KPROBES_ON_FTRACE is off): all of
// a module and most of the kernel answer -EINVAL; functions of lib/ are built without tracing. Those, when modules call them, are what can be probed here.

const FLAG_DISABLED = 2;
/** Offsets in struct rethook_node: the rethook, whose first member is the kretprobe; the return address. */
const NODE_RETHOOK = 24;
const NODE_RET_ADDR = 32;
const NAME_MAX = 512;
const PROBES_MAX = 1000;

export interface Kprobes {
  /** Registered kprobes by address of the function, the newest first. */
  readonly points: Map<number, number[]>;
  /** Return probes among them: the block that stands for its struct rethook. */
  readonly returns: Map<number, number>;
  /** Functions that can be probed at their entry. */
  readonly untraced: Set<string>;
}
export function newKprobes(): Kprobes {
  return { points: new Map(), returns: new Map(), untraced: new Set() };
}

/** kprobe_addr and check_kprobe_address_safe: the address, or -errno. */
function target(k: Kernel, p: number): number {
  const [symbol, addr] = [load64(k, p + KP.symbol_name), load64(k, p + KP.addr)];
  if ((symbol === 0) === (addr === 0)) return -EINVAL;
  const base = symbol === 0 ? addr : symbolByName(k, loadString(k, symbol, NAME_MAX));
  if (base === 0) return -ENOENT;
  const offset = load32(k, p + KP.offset);
  const row = exportAtStub(k, base + offset);
  if (row !== null) return k.kprobes.untraced.has(row.name) ? base + offset : -EINVAL;
  const mod = findModuleAt(k, base + offset);
  if (mod === null && exportAtStub(k, base) === null) return -EINVAL;
  if (mod?.symbols.some((s) => s.value === base + offset) === true) return -EINVAL;
  k.printk.log(4, 'kprobes: inside functions there are none here');
  return -EOPNOTSUPP;
}
function register(k: Kernel, p: number): number {
  const addr = target(k, p);
  if (addr < 0 && addr > -4096) return addr;
  const list = k.kprobes.points.get(addr) ?? [];
  if (list.includes(p) || list.length >= PROBES_MAX) return -EINVAL;
  store64(k, p + KP.addr, addr);
  store32(k, p + KP.flags, load32(k, p + KP.flags) & FLAG_DISABLED);
  // The newest is asked first.
  k.kprobes.points.set(addr, [p, ...list]);
  return 0;
}
function unregister(k: Kernel, p: number): void {
  for (const [addr, list] of k.kprobes.points) {
    if (!list.includes(p)) continue;
    const rest = list.filter((x) => x !== p);
    if (rest.length > 0) k.kprobes.points.set(addr, rest);
    else k.kprobes.points.delete(addr);
  }
  kfree(k, k.kprobes.returns.get(p) ?? 0);
  k.kprobes.returns.delete(p);
}
function registerReturn(k: Kernel, rp: number): number {
  const rethook = kzalloc(k, 64);
  if (rethook === 0) return -ENOMEM;
  const r = register(k, rp);
  if (r < 0) {
    kfree(k, rethook);
    return r;
  }
  store64(k, rethook, rp);
  store64(k, rp + KRP.rh, rethook);
  store32(k, rp + KRP.nmissed, 0);
  k.kprobes.returns.set(rp, rethook);
  return 0;
}
function able(k: Kernel, p: number, on: boolean): number {
  if (![...k.kprobes.points.values()].some((list) => list.includes(p))) return -EINVAL;
  const flags = load32(k, p + KP.flags);
  store32(k, p + KP.flags, on ? flags & ~FLAG_DISABLED : flags | FLAG_DISABLED);
  return 0;
}

/** A hit on its way: probes still to be asked, in this order; instances of return probes that wait for the function to return. */
interface Hit {
  readonly pc: number;
  readonly regs: number;
  readonly todo: readonly { readonly p: number; readonly post: boolean }[];
  readonly instances: readonly number[];
}
/** A call of an exported function that was probed at its entry, until it returns. */
export interface ProbedCall {
  readonly pc: number;
  /** Frames under it: the same function called from a callback is another call. */
  readonly depth: number;
  readonly instances: readonly number[];
}
function saveTo(k: Kernel, at: number): void {
  const { regs } = k.machine;
  writeKernel64(k, at, regs.pc);
  for (let i = 1; i < 32; i++) writeKernelBig(k, at + i * 8, regs.getBig(i));
}
function loadFrom(k: Kernel, at: number): void {
  for (let i = 1; i < 32; i++) k.machine.regs.setBig(i, readKernelBig(k, at + i * 8) ?? 0n);
}

/** At the entry of an exported function: true when handlers of modules run first. */
export function kprobeEntry(k: Kernel, task: Task): boolean {
  const { pc } = k.machine.regs;
  const probes = k.kprobes.points.get(pc)?.filter((p) => (load32(k, p + KP.flags) & FLAG_DISABLED) === 0);
  if (probes === undefined || probes.length === 0) return false;
  if (task.probed.some((c) => c.pc === pc && c.depth === task.frames.length)) return false;
  const regs = kzalloc(k, REGS.sizeof);
  if (regs === 0) return false;
  saveTo(k, regs);
  const todo = [...probes.map((p) => ({ p, post: false })), ...probes.filter((p) => !k.kprobes.returns.has(p)).map((p) => ({ p, post: true }))];
  step(k, task, { pc, regs, todo, instances: [] });
  return true;
}
function step(k: Kernel, task: Task, hit: Hit): void {
  let at = 0;
  for (; at < hit.todo.length; at++) {
    const { p, post } = hit.todo[at];
    const rest = hit.todo.slice(at + 1);
    if (k.kprobes.returns.has(p)) {
      const ri = kzalloc(k, RI.sizeof + load64(k, p + KRP.data_size));
      if (ri === 0) continue;
      store64(k, ri + NODE_RETHOOK, k.kprobes.returns.get(p) ?? 0);
      store64(k, ri + NODE_RET_ADDR, load64(k, hit.regs + REGS.ra));
      const entry = load64(k, p + KRP.entry_handler);
      if (entry === 0) {
        step(k, task, { ...hit, todo: rest, instances: [...hit.instances, ri] });
        return;
      }
      enterGuest(k, task, entry, [ri, hit.regs], 'kretprobe_entry', { hit: { ...hit, todo: rest }, ri });
      return;
    }
    const fn = load64(k, p + (post ? KP.post_handler : KP.pre_handler));
    if (fn === 0) continue;
    // After the first instruction, which is not there.
    writeKernel64(k, hit.regs, post ? hit.pc + 2 : hit.pc);
    enterGuest(k, task, fn, post ? [p, hit.regs, 0] : [p, hit.regs], 'kprobe', { hit: { ...hit, todo: rest }, post });
    return;
  }
  loadFrom(k, hit.regs);
  kfree(k, hit.regs);
  task.probed.push({ pc: hit.pc, depth: task.frames.length, instances: hit.instances });
}
continuation('kprobe', (k, task, result, data) => {
  const hit = data['hit'] as Hit;
  // A handler that changed the pc has dealt with the call itself.
  if (data['post'] !== true && Number(result) !== 0) {
    loadFrom(k, hit.regs);
    k.machine.regs.pc = Number(BigInt.asIntN(64, readKernelBig(k, hit.regs) ?? 0n));
    kfree(k, hit.regs);
    return;
  }
  step(k, task, hit);
});
continuation('kretprobe_entry', (k, task, result, data) => {
  const [hit, ri] = [data['hit'] as Hit, data['ri'] as number];
  if ((Number(result) | 0) !== 0) kfree(k, ri);
  step(k, task, (Number(result) | 0) === 0 ? { ...hit, instances: [...hit.instances, ri] } : hit);
});

/** The exported function at `pc` has returned: its result is in a0, and pc is where it returns to. */
export function kprobeReturn(k: Kernel, task: Task, pc: number): void {
  const i = task.probed.findIndex((c) => c.pc === pc && c.depth === task.frames.length);
  if (i < 0) return;
  const [call] = task.probed.splice(i, 1);
  returnStep(k, task, call.instances);
}
function returnStep(k: Kernel, task: Task, instances: readonly number[]): void {
  const [ri, ...rest] = instances;
  if (ri === undefined) return;
  const rp = load64(k, load64(k, ri + NODE_RETHOOK));
  const handler = load64(k, rp + KRP.handler);
  const regs = kzalloc(k, REGS.sizeof);
  if (handler === 0 || regs === 0 || !k.kprobes.returns.has(rp)) {
    kfree(k, regs);
    kfree(k, ri);
    returnStep(k, task, rest);
    return;
  }
  saveTo(k, regs);
  enterGuest(k, task, handler, [ri, regs], 'kretprobe_return', { ri, regs, rest });
}
continuation('kretprobe_return', (k, task, _result, data) => {
  loadFrom(k, data['regs'] as number);
  kfree(k, data['regs'] as number);
  kfree(k, data['ri'] as number);
  returnStep(k, task, data['rest'] as number[]);
});

const LIB_ONLY = 'functions of lib/ at their entry, called by modules (others -EINVAL, as on Debian)';
export const kprobeExports: readonly FunctionExport[] = [
  partial('register_kprobe', LIB_ONLY, register),
  partial('register_kretprobe', LIB_ONLY, registerReturn),
  partial('unregister_kprobe', LIB_ONLY, unregister),
  partial('unregister_kretprobe', LIB_ONLY, unregister),
  partial('enable_kprobe', LIB_ONLY, (k, p) => able(k, p, true)),
  partial('disable_kprobe', LIB_ONLY, (k, p) => able(k, p, false)),
];
