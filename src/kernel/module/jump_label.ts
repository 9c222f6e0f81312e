import { jump_entry as JE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { readKernel32, readKernel64, writeKernel32 } from '../mm/maccess.ts';
import { warnInExport } from '../traps.ts';
import { type FunctionExport, fn } from './export.ts';
import { listModules, type Module } from './module.ts';
import { patchText } from './patch.ts';

// Static keys of modules (kernel/jump_label.c, arch/riscv/kernel/jump_label.c): each site is a nop or a jump of four bytes, which is rewritten when its key
// changes.

const RISCV_INSN_NOP = 0x13;
/** jal x0, offset: the offset's bits lie about as the J format has them. */
function jumpTo(offset: number): number {
  const bits = (from: number, count: number) => (offset >> from) & ((1 << count) - 1);
  return ((bits(20, 1) << 31) | (bits(1, 10) << 21) | (bits(11, 1) << 20) | (bits(12, 8) << 12) | 0x6f) >>> 0;
}

/** Turns a key on or off, and rewrites all sites of it. False when it was so already. */
export function setStaticKey(k: Kernel, key: number, on: boolean): boolean {
  const was = (readKernel32(k, key) ?? 0) !== 0;
  if (was === on) return false;
  writeKernel32(k, key, on ? 1 : 0);
  updateSites(k, key);
  return true;
}
/** jump_label_update: sites of the key in every module. */
function updateSites(k: Kernel, key: number): void {
  for (const mod of listModules(k)) rewrite(k, mod, key);
}
/** Rewrites the module's sites of a key, or of all keys. */
function rewrite(k: Kernel, mod: Module, key: number | null): void {
  const table = mod.sections.find((s) => s.name === '__jump_table');
  if (table === undefined) return;
  for (let at = table.addr; at + JE.sizeof <= table.addr + table.size; at += JE.sizeof) {
    const field = at + JE.key;
    const raw = readKernel64(k, field) ?? 0;
    // Bit 0 of the entry: the likely branch is the one that the key turns on. Bit 1: in init code.
    const branch = (((raw % 4) + 4) % 4 & 1) !== 0;
    const of = field + raw - (((raw % 4) + 4) % 4);
    if (key !== null && of !== key) continue;
    const on = ((readKernel32(k, of) ?? 0) | 0) > 0;
    const code = at + JE.code + ((readKernel32(k, at + JE.code) ?? 0) | 0);
    const target = at + JE.target + ((readKernel32(k, at + JE.target) ?? 0) | 0);
    if (mod.memoryAt(code) >= 0) patchText(k, code, on !== branch ? jumpTo(target - code) : RISCV_INSN_NOP);
  }
}
/** jump_label_add_module: its sites say what their keys say now (a key of another module may have been turned on before). */
export function addModuleSites(k: Kernel, mod: Module): void {
  rewrite(k, mod, null);
}

/** jump_label_text_reserved: is the instruction at `addr` one that a static key rewrites? */
export function isJumpLabel(k: Kernel, mod: Module, addr: number): boolean {
  const table = mod.sections.find((s) => s.name === '__jump_table');
  if (table === undefined) return false;
  for (let at = table.addr; at + JE.sizeof <= table.addr + table.size; at += JE.sizeof) {
    const code = at + JE.code + ((readKernel32(k, at + JE.code) ?? 0) | 0);
    if (addr >= code && addr < code + 4) return true;
  }
  return false;
}

const enabled = (k: Kernel, key: number) => (readKernel32(k, key) ?? 0) | 0;
/** static_key_slow_inc and _dec: sites change with the first user and the last. */
function count(k: Kernel, key: number, by: number): void {
  const was = enabled(k, key);
  if (by < 0 && was < 1) {
    warnInExport(k, 'jump label: negative count!');
    return;
  }
  writeKernel32(k, key, was + by);
  if (was === 0 || was + by === 0) updateSites(k, key);
}
/** static_key_enable and _disable: WARN when counting users use the key too. */
function turn(k: Kernel, key: number, on: boolean): void {
  const was = enabled(k, key);
  if (was !== 0 && was !== 1) warnInExport(k, '');
  else setStaticKey(k, key, on);
}
export const jumpLabelExports: readonly FunctionExport[] = [
  fn('static_key_count', (k, key) => enabled(k, key)),
  fn('static_key_slow_inc', (k, key) => {
    count(k, key, 1);
    return 1;
  }),
  fn('static_key_slow_dec', (k, key) => count(k, key, -1)),
  fn('static_key_fast_inc_not_disabled', (k, key) => {
    const was = enabled(k, key);
    if (was <= 0) return 0;
    writeKernel32(k, key, was + 1);
    return 1;
  }),
  fn('static_key_enable', (k, key) => turn(k, key, true)),
  fn('static_key_disable', (k, key) => turn(k, key, false)),
  fn('static_key_enable_cpuslocked', (k, key) => turn(k, key, true)),
  fn('static_key_disable_cpuslocked', (k, key) => turn(k, key, false)),
];
