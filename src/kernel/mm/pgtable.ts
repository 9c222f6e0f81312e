import { PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from '../../machine/mmu.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';
import type { PageAllocator } from './page_alloc.ts';

// Sv39 page tables in RAM. A frame number is below 2^20, so a PTE's upper word is always 0.

export const PAGE_KERNEL = PTE_V | PTE_R | PTE_W | PTE_A | PTE_D | PTE_G;
export const PAGE_KERNEL_EXEC = PAGE_KERNEL | PTE_X;
export const PAGE_KERNEL_READ = PTE_V | PTE_R | PTE_A | PTE_G;
export const PAGE_KERNEL_READ_EXEC = PAGE_KERNEL_READ | PTE_X;

export function makePte(pa: number, prot: number): number {
  return Math.floor(pa / PAGE_SIZE) * 1024 + prot;
}
export function ptePa(pte: number): number {
  return Math.floor(pte / 1024) * PAGE_SIZE;
}
export function pteIsTable(pte: number): boolean {
  return (pte & PTE_V) !== 0 && (pte & (PTE_R | PTE_X)) === 0;
}
export { PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X };

const indexAt = (va: number, level: number) => Math.floor(va / 2 ** (12 + 9 * level)) & 511;

/** Physical address of the leaf PTE of `va` (4 KiB level); makes missing tables when `pages` is given. 0 when absent or out of memory. */
export function ptePointer(ram: Ram, root: number, va: number, pages: PageAllocator | null): number {
  let table = root;
  for (let level = 2; level > 0; level--) {
    const at = table + indexAt(va, level) * 8;
    let pte = ram.read32(at);
    if ((pte & PTE_V) === 0) {
      if (pages === null) return 0;
      const fresh = pages.alloc();
      if (fresh === 0) return 0;
      pte = makePte(fresh, PTE_V);
      ram.write32(at, pte);
      ram.write32(at + 4, 0);
    }
    if (!pteIsTable(pte)) return 0;
    table = ptePa(pte);
  }
  return table + indexAt(va, 0) * 8;
}

/** Maps a 2 MiB or 1 GiB leaf (level 1 or 2). */
export function mapLarge(ram: Ram, root: number, va: number, pa: number, level: 1 | 2, prot: number, pages: PageAllocator): void {
  let table = root;
  if (level === 1) {
    const at = root + indexAt(va, 2) * 8;
    if ((ram.read32(at) & PTE_V) === 0) ram.write32(at, makePte(pages.alloc(), PTE_V));
    table = ptePa(ram.read32(at));
  }
  ram.write32(table + indexAt(va, level) * 8, makePte(pa, prot));
}

/** Calls `visit(pte address, va)` for each 4 KiB PTE slot in [start, end) whose table exists. */
export function walkRange(ram: Ram, root: number, start: number, end: number, visit: (at: number, va: number) => void): void {
  let va = start;
  while (va < end) {
    const top = ram.read32(root + indexAt(va, 2) * 8);
    if (!pteIsTable(top)) {
      va = (Math.floor(va / 2 ** 30) + 1) * 2 ** 30;
      continue;
    }
    const mid = ram.read32(ptePa(top) + indexAt(va, 1) * 8);
    const stop = Math.min(end, (Math.floor(va / 2 ** 21) + 1) * 2 ** 21);
    if (!pteIsTable(mid)) {
      va = stop;
      continue;
    }
    const table = ptePa(mid);
    for (; va < stop; va += PAGE_SIZE) {
      const at = table + indexAt(va, 0) * 8;
      if (ram.u32[at >> 2] !== 0) visit(at, va);
    }
  }
}

/** Frees the tables of the user half (not the pages they map) and the root. */
export function freeUserTables(ram: Ram, root: number, pages: PageAllocator): void {
  for (let i = 0; i < 256; i++) {
    const top = ram.read32(root + i * 8);
    if (!pteIsTable(top)) continue;
    const table = ptePa(top);
    for (let j = 0; j < 512; j++) {
      const mid = ram.read32(table + j * 8);
      if (pteIsTable(mid)) pages.free(ptePa(mid));
    }
    pages.free(table);
  }
  pages.free(root);
}
