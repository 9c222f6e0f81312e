import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';

// Changing code that is there (arch/riscv/kernel/patch.c): it is read-only for those who run it, and written through its frames.

/** Writes `length` bytes (2 or 4) of an instruction at a kernel address, halfword by halfword: it may lie across two pages. */
export function patchText(k: Kernel, at: number, insn: number, length: 2 | 4 = 4): void {
  for (let i = 0; i < length; i += 2) {
    const pa = k.machine.translate(k.mm.swapperPgDir, at + i, Access.READ, 1, false);
    if (pa < 0) return;
    k.machine.invalidateCode(pa, 2);
    k.ram.write16(pa, (insn >>> (i * 8)) & 0xffff);
  }
}
