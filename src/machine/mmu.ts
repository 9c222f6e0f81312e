import { Access, type AccessKind } from './api.ts';
import { RAM_BASE } from './layout.ts';
import type { Ram } from './ram.ts';

// Sv39 (The RISC-V Instruction Set Manual, Volume II, section "Sv39: Page-Based 39-bit Virtual-Memory System").

export const PTE_V = 1;
export const PTE_R = 2;
export const PTE_W = 4;
export const PTE_X = 8;
export const PTE_U = 16;
export const PTE_G = 32;
export const PTE_A = 64;
export const PTE_D = 128;

/** Canonical Sv39 addresses have bits 63:39 equal to bit 38: as signed numbers they lie in [-2^38, 2^38). */
const SV39_LIMIT = 2 ** 38;

/** Walk results that are not addresses. */
export const PAGE_FAULT = -1;
export const ACCESS_FAULT = -2;

/** A physical frame that the guest may use. */
export function isRam(ram: Ram, pa: number): boolean {
  return pa >= RAM_BASE && pa < ram.size;
}

/** Walks the table at `rootPa`; sets A and D. The physical address of `va`, PAGE_FAULT or ACCESS_FAULT. */
export function walk(ram: Ram, rootPa: number, va: number, access: AccessKind, mode: number, sum: boolean): number {
  if (!(va < SV39_LIMIT && va >= -SV39_LIMIT)) return PAGE_FAULT;
  const { u32 } = ram;
  // 27 bits of page number: three indices of 9.
  const page = Math.floor((va < 0 ? va + 2 * SV39_LIMIT : va) / 4096) | 0;
  let table = rootPa;
  for (let shift = 18; shift >= 0; shift -= 9) {
    const at = table + ((page >>> shift) & 511) * 8;
    if (!isRam(ram, at)) return ACCESS_FAULT;
    const lo = u32[at / 4];
    if ((lo & PTE_V) === 0 || (lo & (PTE_R | PTE_W)) === PTE_W) return PAGE_FAULT;
    // PPN in bits 53:10; anything above 4 GiB is not RAM.
    const high = u32[at / 4 + 1] & 0x3f_ffff;
    const frame = (lo >>> 10) * 4096 + (high === 0 ? 0 : high * 2 ** 34);
    if ((lo & (PTE_R | PTE_X)) === 0) {
      table = frame;
      continue;
    }
    const need = access === Access.READ ? PTE_R : access === Access.WRITE ? PTE_W : PTE_X;
    if ((lo & need) === 0) return PAGE_FAULT;
    if ((lo & PTE_U) !== 0 ? mode === 1 && (!sum || access === Access.EXEC) : mode === 0) return PAGE_FAULT;
    const inLeaf = page & ((1 << shift) - 1);
    if (frame % (4096 << shift) !== 0) return PAGE_FAULT; // misaligned superpage
    const update = PTE_A | (access === Access.WRITE ? PTE_D : 0);
    if ((lo & update) !== update) u32[at / 4] = lo | update;
    const pa = frame + inLeaf * 4096 + (va & 4095);
    return isRam(ram, pa) ? pa : ACCESS_FAULT;
  }
  return PAGE_FAULT;
}

/** The physical page that an instruction fetch at `va` would come from, if it was accessed before (A is set); else -1. Sets nothing. */
export function peekCode(ram: Ram, rootPa: number, va: number, mode: number): number {
  if (va >= SV39_LIMIT || va < -SV39_LIMIT) return -1;
  const v = va < 0 ? va + 2 * SV39_LIMIT : va;
  let table = rootPa;
  let span = 2 ** 30;
  for (let level = 2; level >= 0; level--) {
    const at = table + (Math.floor(v / span) & 511) * 8;
    if (!isRam(ram, at)) return -1;
    const lo = ram.read32(at);
    if ((lo & PTE_V) === 0) return -1;
    const frame = ((lo >>> 10) + (ram.read32(at + 4) & 0x3f_ffff) * 2 ** 22) * 4096;
    if ((lo & (PTE_R | PTE_X)) !== 0) {
      const fits = (lo & PTE_X) !== 0 && (lo & PTE_A) !== 0 && ((lo & PTE_U) !== 0) === (mode === 0) && frame % span === 0;
      const pa = frame + (v % span);
      return fits && isRam(ram, pa) ? pa - (pa % 4096) : -1;
    }
    table = frame;
    span /= 512;
  }
  return -1;
}
