import type { Kernel } from '../kernel.ts';
import { readKernel16 } from '../mm/maccess.ts';
import { PAGE_KERNEL_READ_EXEC } from '../mm/pgtable.ts';
import { patchText } from '../module/patch.ts';
import { insnLength, type ProbeInsn } from './insn.ts';

// Places that are probed: one for each address, with all its probes; and the slots in which instructions run out of line (kernel/kprobes.c).

/** Bytes of a slot: MAX_INSN_SIZE (2) words, an instruction and the ebreak behind it. */
const SLOT_SIZE = 8;
const SLOTS = 4096 / SLOT_SIZE;
const EBREAK = 0x0010_0073;
const C_EBREAK = 0x9002;

export interface ProbePoint {
  readonly addr: number;
  /** Guest addresses of struct kprobe, the newest first. */
  readonly probes: number[];
  /** The entry of an exported function, which has no code: its call is what is looked at, and nothing is patched. */
  readonly entry: boolean;
  /** The instruction that stood there. */
  opcode: number;
  kind: ProbeInsn;
  /** Where a copy of it runs; 0 = nowhere. */
  slot: number;
  /** An ebreak stands there. */
  armed: boolean;
  /** The module that it was in has gone. */
  gone: boolean;
}
/** The return probe of a struct kretprobe: its instances. */
export interface ReturnProbe {
  /** Guest address of what stands for its struct rethook. */
  readonly rethook: number;
  /** Instances that wait for a call. */
  readonly free: number[];
  /** Unregistered: instances of calls that go on are freed when they return. */
  dead: boolean;
}
export interface Kprobes {
  readonly points: Map<number, ProbePoint>;
  /** How many of them are entries of exported functions. */
  entries: number;
  /** By struct kretprobe. */
  readonly returns: Map<number, ReturnProbe>;
  /** Exported functions that can be probed at their entry. */
  readonly untraced: Set<string>;
  /** Guest address of the page of slots; 0 until it is wanted. */
  slotPage: number;
  /** /sys/kernel/debug/kprobes/enabled. */
  allDisarmed: boolean;
  /** A probe was registered twice, and the log says so. */
  againSaid: boolean;
}
export function newKprobes(): Kprobes {
  return { points: new Map(), entries: 0, returns: new Map(), untraced: new Set(), slotPage: 0, allDisarmed: false, againSaid: false };
}

/** The instruction at `addr`, or null where there is no memory. */
export function readInsn(k: Kernel, addr: number): number | null {
  const low = readKernel16(k, addr);
  if (low === null || insnLength(low) === 2) return low;
  const high = readKernel16(k, addr + 2);
  return high === null ? null : (low | (high << 16)) >>> 0;
}
/** get_insn_slot: a place that no probe has and no task runs in. 0 = none left. */
export function takeSlot(k: Kernel, insn: number): number {
  const state = k.kprobes;
  if (state.slotPage === 0) {
    state.slotPage = k.mm.vmalloc.alloc(k, SLOTS * SLOT_SIZE, { prot: PAGE_KERNEL_READ_EXEC, caller: 'alloc_insn_page' });
    if (state.slotPage === 0) return 0;
  }
  const used = new Set<number>();
  for (const point of state.points.values()) used.add(point.slot);
  for (const task of k.sched.tasks.values()) for (const hit of task.probed) used.add(hit.slot);
  for (let i = 0; i < SLOTS; i++) {
    const slot = state.slotPage + i * SLOT_SIZE;
    if (used.has(slot)) continue;
    const length = insnLength(insn);
    patchText(k, slot, insn, length);
    patchText(k, slot + length, EBREAK, 4);
    return slot;
  }
  return 0;
}
/** arm_kprobe and disarm_kprobe: an ebreak of the instruction's own length, or the instruction again. */
export function arm(k: Kernel, point: ProbePoint, on: boolean): void {
  if (point.entry || point.gone || point.armed === on) return;
  const length = insnLength(point.opcode);
  patchText(k, point.addr, on ? (length === 4 ? EBREAK : C_EBREAK) : point.opcode, length);
  point.armed = on;
}
