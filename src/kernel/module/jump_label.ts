import { jump_entry as JE } from '../../abi/layout/structs.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { readKernel32, readKernel64, writeKernel32 } from '../mm/maccess.ts';
import type { Module } from './module.ts';

// Static keys of modules (kernel/jump_label.c, arch/riscv/kernel/jump_label.c): each site is a nop or a jump of four bytes, which is rewritten when its key
// changes.

const RISCV_INSN_NOP = 0x13;
/** jal x0, offset: the offset's bits lie about as the J format has them. */
function jumpTo(offset: number): number {
  const bits = (from: number, count: number) => (offset >> from) & ((1 << count) - 1);
  return ((bits(20, 1) << 31) | (bits(1, 10) << 21) | (bits(11, 1) << 20) | (bits(12, 8) << 12) | 0x6f) >>> 0;
}

/** Turns a key on or off, and rewrites the module's sites of it. False when it was so already. */
export function setStaticKey(k: Kernel, mod: Module, key: number, on: boolean): boolean {
  const was = (readKernel32(k, key) ?? 0) !== 0;
  if (was === on) return false;
  writeKernel32(k, key, on ? 1 : 0);
  const table = mod.sections.find((s) => s.name === '__jump_table');
  if (table === undefined) return true;
  for (let at = table.addr; at + JE.sizeof <= table.addr + table.size; at += JE.sizeof) {
    const field = at + JE.key;
    const raw = readKernel64(k, field) ?? 0;
    // Bit 0 of the entry: the likely branch is the one that the key turns on. Bit 1: in init code.
    const branch = (((raw % 4) + 4) % 4 & 1) !== 0;
    const of = field + raw - (((raw % 4) + 4) % 4);
    if (of !== key) continue;
    const code = at + JE.code + ((readKernel32(k, at + JE.code) ?? 0) | 0);
    const target = at + JE.target + ((readKernel32(k, at + JE.target) ?? 0) | 0);
    if (mod.memoryAt(code) >= 0) patchText(k, code, on !== branch ? jumpTo(target - code) : RISCV_INSN_NOP);
  }
  return true;
}
/** Code is read-only for those who run it: written through its frame. */
function patchText(k: Kernel, at: number, insn: number): void {
  const pa = k.machine.translate(k.mm.swapperPgDir, at, Access.READ, 1, false);
  if (pa < 0) return;
  k.machine.invalidateCode(pa, 4);
  k.ram.write32(pa, insn);
}
