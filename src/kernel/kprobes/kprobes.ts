import { E2BIG, EILSEQ, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP } from '../../abi/errno.ts';
import { kprobe as KP, kretprobe as KRP } from '../../abi/layout/structs.ts';
import { MOD_INIT_TEXT, MOD_TEXT, MODULE_STATE_COMING } from '../../abi/module.ts';
import { lookupSymbol, symbolByName } from '../kallsyms.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, loadString, store32, store64 } from '../lib/guest_memory.ts';
import { readKernel16, readKernel64 } from '../mm/maccess.ts';
import { type FunctionExport, partial } from '../module/export.ts';
import { isJumpLabel } from '../module/jump_label.ts';
import { findModuleAt, type Module } from '../module/module.ts';
import { exportAtStub, trapAtEntry } from '../module/stubs.ts';
import { isBugAddress, warnAt } from '../traps.ts';
import { FLAG_DISABLED } from './hit.ts';
import { decodeProbe, insnLength } from './insn.ts';
import { arm, type ProbePoint, readInsn, takeSlot } from './points.ts';
import { allocReturns, freeReturns, rethookRow } from './rethook.ts';

// Registering probes (kernel/kprobes.c). On Debian's riscv64 kernel a function that can be traced cannot be probed at its entry (KPROBES_ON_FTRACE is off): that
// is every function of a module but those marked notrace, and most of the kernel; functions of lib/ are built without tracing.

const FLAG_GONE = 1;
const FLAG_ON_FUNC_ENTRY = 16;
const NAME_MAX = 512;
/** KRETPROBE_MAX_DATA_SIZE. */
const DATA_MAX = 4096;
const DEFAULT_ACTIVE = 10;

interface Place {
  readonly addr: number;
  readonly onEntry: boolean;
}
/** _kprobe_addr: where a probe goes by its name and offset, or by its address. -errno. */
function place(k: Kernel, p: number): Place | number {
  const [symbol, addr] = [load64(k, p + KP.symbol_name), load64(k, p + KP.addr)];
  if ((symbol === 0) === (addr === 0)) return -EINVAL;
  const base = symbol === 0 ? addr : symbolByName(k, loadString(k, symbol, NAME_MAX));
  if (base === 0) return -ENOENT;
  const at = base + load32(k, p + KP.offset);
  if (k.modules.byAddress.some((s) => !s.isFunction && s.addr === at)) return { addr: at, onEntry: true };
  const found = lookupSymbol(k, at);
  return found === null ? -ENOENT : { addr: at, onEntry: found.offset === 0 };
}
/** Addresses in a section of a module that is an array of pointers. */
function sectionHas(k: Kernel, mod: Module, name: string, test: (value: number) => boolean): boolean {
  const s = mod.sections.find((x) => x.name === name);
  if (s === undefined) return false;
  for (let at = s.addr; at + 8 <= s.addr + s.size; at += 8) if (test(readKernel64(k, at) ?? 0)) return true;
  return false;
}
/** NOKPROBE_SYMBOL, and sections whose code is not to be probed. */
function isBlacklisted(k: Kernel, mod: Module, addr: number): boolean {
  const inside = (fn: number) => {
    const symbol = lookupSymbol(k, fn);
    return symbol !== null && addr >= fn && addr < fn - symbol.offset + symbol.size;
  };
  if (sectionHas(k, mod, '_kprobe_blacklist', inside)) return true;
  return mod.sections.some((s) => (s.name === '.kprobes.text' || s.name === '.noinstr.text') && addr >= s.addr && addr < s.addr + s.size);
}
/** check_kprobe_address_safe: 0 or -errno. */
function checkAddress(k: Kernel, addr: number): number {
  const row = exportAtStub(k, addr);
  if (row !== null) return k.kprobes.untraced.has(row.name) ? 0 : -EINVAL;
  const inKernel = lookupSymbol(k, addr);
  const mod = findModuleAt(k, addr);
  if (mod === null && inKernel !== null) {
    k.printk.log(4, `kprobes: ${inKernel.name} has no instructions here: it can be probed at its entry only`);
    return -EOPNOTSUPP;
  }
  const type = mod?.memoryAt(addr);
  if (mod === null || (type !== MOD_TEXT && type !== MOD_INIT_TEXT)) return -EINVAL;
  if (sectionHas(k, mod, '__patchable_function_entries', (at) => at === addr)) return -EINVAL;
  if (isBlacklisted(k, mod, addr) || isJumpLabel(k, mod, addr) || isBugAddress(k, mod, addr)) return -EINVAL;
  if (type === MOD_INIT_TEXT && mod.state !== MODULE_STATE_COMING) return -ENOENT;
  return 0;
}
/** arch_prepare_kprobe: the point with its instruction, or -errno. */
function prepare(k: Kernel, p: number, addr: number): ProbePoint | number {
  const point: ProbePoint = {
    addr,
    probes: [],
    entry: exportAtStub(k, addr) !== null,
    opcode: 0,
    kind: 'slot',
    slot: 0,
    armed: false,
    gone: false,
  };
  if (point.entry) return point;
  if (addr % 2 !== 0) return -EILSEQ;
  // arch_check_kprobe: an instruction begins there, counted from the symbol before it.
  let at = addr - (lookupSymbol(k, addr)?.offset ?? 0);
  while (at < addr) at += insnLength(readKernel16(k, at) ?? 0);
  const opcode = readInsn(k, addr);
  if (at !== addr || opcode === null) return -EILSEQ;
  store32(k, p + KP.opcode, opcode);
  point.opcode = opcode;
  point.kind = decodeProbe(opcode);
  if (point.kind === 'rejected') return -EINVAL;
  if (point.kind === 'slot') {
    point.slot = takeSlot(k, opcode);
    if (point.slot === 0) return -ENOMEM;
  }
  return point;
}
const pointOf = (k: Kernel, p: number): ProbePoint | undefined => [...k.kprobes.points.values()].find((point) => point.probes.includes(p));

/** warn_kprobe_rereg: said once. */
function registeredAgain(k: Kernel, p: number): boolean {
  if (pointOf(k, p) === undefined) return false;
  if (!k.kprobes.againSaid) warnAt(k, 'kernel/kprobes.c:1533');
  k.kprobes.againSaid = true;
  return true;
}

function register(k: Kernel, p: number): number {
  const found = place(k, p);
  if (typeof found === 'number') return found;
  const { addr, onEntry } = found;
  store64(k, p + KP.addr, addr);
  if (registeredAgain(k, p)) return -EINVAL;
  store32(k, p + KP.flags, load32(k, p + KP.flags) & FLAG_DISABLED);
  store64(k, p + KP.nmissed, 0);
  const safe = checkAddress(k, addr);
  if (safe < 0) return safe;
  if (onEntry) store32(k, p + KP.flags, load32(k, p + KP.flags) | FLAG_ON_FUNC_ENTRY);
  let point = k.kprobes.points.get(addr);
  if (point === undefined || point.gone) {
    const made = prepare(k, p, addr);
    if (typeof made === 'number') return made;
    // Probes of a module that was there before stay with the place, gone as they are.
    made.probes.push(...(point?.probes ?? []));
    point = made;
    k.kprobes.points.set(addr, point);
    if (point.entry) k.kprobes.entries++;
  } else store32(k, p + KP.opcode, point.opcode);
  point.probes.unshift(p);
  rearm(k, point);
  return 0;
}
/** A place is armed while one of its probes wants it, and all of them may. */
function rearm(k: Kernel, point: ProbePoint): void {
  const wanted = point.probes.some((p) => (load32(k, p + KP.flags) & (FLAG_DISABLED | FLAG_GONE)) === 0);
  const on = wanted && !k.kprobes.allDisarmed;
  if (point.entry) {
    point.armed = on;
    trapAtEntry(k, point.addr, on);
  } else arm(k, point, on);
}
function unregister(k: Kernel, p: number): void {
  const point = pointOf(k, p);
  if (point === undefined) return;
  point.probes.splice(point.probes.indexOf(p), 1);
  if (point.probes.length > 0) {
    rearm(k, point);
    return;
  }
  if (point.entry) trapAtEntry(k, point.addr, false);
  else arm(k, point, false);
  k.kprobes.points.delete(point.addr);
  if (point.entry) k.kprobes.entries--;
}
function registerReturn(k: Kernel, rp: number): number {
  const found = place(k, rp);
  if (typeof found === 'number') return found;
  if (!found.onEntry || (load64(k, rp + KP.addr) !== 0 && registeredAgain(k, rp))) return -EINVAL;
  if (load64(k, rp + KRP.data_size) > DATA_MAX) return -E2BIG;
  store64(k, rp + KRP.kp_post_handler, 0);
  if ((load32(k, rp + KRP.maxactive) | 0) <= 0) store32(k, rp + KRP.maxactive, Math.max(DEFAULT_ACTIVE, 2 * k.cpus));
  store32(k, rp + KRP.nmissed, 0);
  if (!allocReturns(k, rp, load32(k, rp + KRP.maxactive))) return -ENOMEM;
  const r = register(k, rp);
  if (r !== 0) freeReturns(k, rp);
  return r;
}
function unregisterReturn(k: Kernel, rp: number): void {
  unregister(k, rp);
  freeReturns(k, rp);
}
function able(k: Kernel, p: number, on: boolean): number {
  const point = pointOf(k, p);
  if (point === undefined || (on && point.gone)) return -EINVAL;
  const flags = load32(k, p + KP.flags);
  store32(k, p + KP.flags, on ? flags & ~FLAG_DISABLED : flags | FLAG_DISABLED);
  rearm(k, point);
  return 0;
}
/** arm_all_kprobes and disarm_all_kprobes. */
export function ableAll(k: Kernel, on: boolean): void {
  if (k.kprobes.allDisarmed === !on) return;
  k.kprobes.allDisarmed = !on;
  for (const point of k.kprobes.points.values()) rearm(k, point);
  k.printk.log(6, `kprobes: Kprobes globally ${on ? 'enabled' : 'disabled'}`);
}
/** kprobes_module_callback: probes in a module that goes, or in its init code that is freed, are gone for good. */
export function kprobesModuleGone(k: Kernel, mod: Module, initOnly: boolean): void {
  for (const point of k.kprobes.points.values()) {
    const type = mod.memoryAt(point.addr);
    if (point.gone || type < 0 || (initOnly && type !== MOD_INIT_TEXT)) continue;
    point.gone = true;
    point.armed = false;
    for (const p of point.probes) store32(k, p + KP.flags, load32(k, p + KP.flags) | FLAG_GONE);
  }
}
export function showKprobes(k: Kernel, show: boolean): string {
  const lines: string[] = [];
  for (const point of k.kprobes.points.values()) {
    const symbol = lookupSymbol(k, point.addr);
    for (const p of point.probes) {
      const addr = show ? BigInt.asUintN(64, BigInt(point.addr)).toString(16).padStart(16, '0') : '0'.repeat(16);
      const name =
        symbol === null ? `0x${BigInt.asUintN(64, BigInt(point.addr)).toString(16)}` : `${symbol.name}+0x${symbol.offset.toString(16)}`;
      const module = symbol === null ? '' : `  ${symbol.module ?? ' '}`;
      const flags = load32(k, p + KP.flags);
      const marks = `${(flags & FLAG_GONE) !== 0 ? '[GONE]' : ''}${(flags & (FLAG_DISABLED | FLAG_GONE)) === FLAG_DISABLED ? '[DISABLED]' : ''}`;
      lines.push(`${addr}  ${k.kprobes.returns.has(p) ? 'r' : 'k'}  ${name}${module} ${marks}\n`);
    }
  }
  return lines.join('');
}

const WHERE =
  "in modules, and functions of lib/ at their entry (other entries -EINVAL, as on Debian); the kernel's own functions have no instructions here";
/** register_kprobes and its kin: all or none. */
function several(
  k: Kernel,
  array: number,
  count: number,
  one: (k: Kernel, p: number) => number,
  undo: (k: Kernel, p: number) => void,
): number {
  if ((count | 0) <= 0) return -EINVAL;
  for (let i = 0; i < count; i++) {
    const r = one(k, load64(k, array + i * 8));
    if (r === 0) continue;
    for (let j = 0; j < i; j++) undo(k, load64(k, array + j * 8));
    return r;
  }
  return 0;
}
function each(k: Kernel, array: number, count: number, undo: (k: Kernel, p: number) => void): void {
  for (let i = 0; i < (count | 0); i++) undo(k, load64(k, array + i * 8));
}
export const kprobeExports: readonly FunctionExport[] = [
  partial('register_kprobe', WHERE, register),
  partial('register_kretprobe', WHERE, registerReturn),
  partial('register_kprobes', WHERE, (k, array, count) => several(k, array, count, register, unregister)),
  partial('register_kretprobes', WHERE, (k, array, count) => several(k, array, count, registerReturn, unregisterReturn)),
  partial('unregister_kprobe', WHERE, unregister),
  partial('unregister_kretprobe', WHERE, unregisterReturn),
  partial('unregister_kprobes', WHERE, (k, array, count) => each(k, array, count, unregister)),
  partial('unregister_kretprobes', WHERE, (k, array, count) => each(k, array, count, unregisterReturn)),
  partial('enable_kprobe', WHERE, (k, p) => able(k, p, true)),
  partial('disable_kprobe', WHERE, (k, p) => able(k, p, false)),
  rethookRow,
];
