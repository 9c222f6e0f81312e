import { PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from '../../machine/mmu.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';

// Sv39 page tables in RAM. A frame number is below 2^20, so a PTE's upper word is always 0.

export const PAGE_KERNEL = PTE_V | PTE_R | PTE_W | PTE_A | PTE_D | PTE_G;
export const PAGE_KERNEL_EXEC = PAGE_KERNEL | PTE_X;
export const PAGE_KERNEL_READ = PTE_V | PTE_R | PTE_A | PTE_G;
export const PAGE_KERNEL_READ_EXEC = PAGE_KERNEL_READ | PTE_X;
/** A user page that nobody may touch: not valid to the hardware, present to us (_PAGE_PROT_NONE is the G bit of an invalid entry). */
export const PTE_PROT_NONE = PTE_G;

export const PMD_SIZE = 2 ** 21;
const PGDIR_SIZE = 2 ** 30;

/** Where tables come from and go to. */
export interface TableAllocator {
  /** A zeroed frame, or 0. */
  allocTable(): number;
  freeTable(pa: number): void;
}

export function makePte(pa: number, prot: number): number {
  return Math.floor(pa / PAGE_SIZE) * 1024 + prot;
}
export function ptePa(pte: number): number {
  return Math.floor(pte / 1024) * PAGE_SIZE;
}
export function pteIsTable(pte: number): boolean {
  return (pte & PTE_V) !== 0 && (pte & (PTE_R | PTE_X)) === 0;
}
export function ptePresent(pte: number): boolean {
  return (pte & (PTE_V | PTE_PROT_NONE)) !== 0;
}
export function setPte(ram: Ram, at: number, pte: number): void {
  ram.write32(at, pte);
  ram.write32(at + 4, 0);
}
export { PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X };

/** 1 / bytes that an entry of each level maps. */
const INVERSE_SPAN = [2 ** -12, 2 ** -21, 2 ** -30];
const indexAt = (va: number, level: number) => Math.floor(va * INVERSE_SPAN[level]) & 511;

/** Physical address of the leaf PTE of `va` (4 KiB level); makes missing tables when `tables` is given. 0 when absent or out of memory. */
export function ptePointer(ram: Ram, root: number, va: number, tables: TableAllocator | null): number {
  let table = root;
  for (let level = 2; level > 0; level--) {
    const at = table + indexAt(va, level) * 8;
    let pte = ram.read32(at);
    if ((pte & PTE_V) === 0) {
      if (tables === null) return 0;
      const fresh = tables.allocTable();
      if (fresh === 0) return 0;
      pte = makePte(fresh, PTE_V);
      setPte(ram, at, pte);
    }
    if (!pteIsTable(pte)) return 0;
    table = ptePa(pte);
  }
  return table + indexAt(va, 0) * 8;
}

/** Maps a 2 MiB or 1 GiB leaf (level 1 or 2). */
export function mapLarge(ram: Ram, root: number, va: number, pa: number, level: 1 | 2, prot: number, tables: TableAllocator): void {
  let table = root;
  if (level === 1) {
    const at = root + indexAt(va, 2) * 8;
    if ((ram.read32(at) & PTE_V) === 0) setPte(ram, at, makePte(tables.allocTable(), PTE_V));
    table = ptePa(ram.read32(at));
  }
  setPte(ram, table + indexAt(va, level) * 8, makePte(pa, prot));
}

/** Calls `visit(pte address, va)` for each non-zero 4 KiB PTE in [start, end). */
export function walkRange(ram: Ram, root: number, start: number, end: number, visit: (at: number, va: number) => void): void {
  let va = start;
  while (va < end) {
    const top = ram.read32(root + indexAt(va, 2) * 8);
    if (!pteIsTable(top)) {
      va = (Math.floor(va / PGDIR_SIZE) + 1) * PGDIR_SIZE;
      continue;
    }
    const mid = ram.read32(ptePa(top) + indexAt(va, 1) * 8);
    const stop = Math.min(end, (Math.floor(va / PMD_SIZE) + 1) * PMD_SIZE);
    if (!pteIsTable(mid)) {
      va = stop;
      continue;
    }
    let at = ptePa(mid) + indexAt(va, 0) * 8;
    for (; va < stop; va += PAGE_SIZE, at += 8) if (ram.u32[at >> 2] !== 0) visit(at, va);
  }
}

/** Frees the last-level tables of [start, end) that lie wholly inside [floor, ceiling), which maps nothing any more (free_pgtables). */
export function freePgtables(
  ram: Ram,
  root: number,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
  tables: TableAllocator,
): void {
  let va = Math.max(Math.floor(start / PMD_SIZE), Math.ceil(floor / PMD_SIZE)) * PMD_SIZE;
  while (va < end && va + PMD_SIZE <= ceiling) {
    const top = ram.read32(root + indexAt(va, 2) * 8);
    if (!pteIsTable(top)) {
      va = (Math.floor(va / PGDIR_SIZE) + 1) * PGDIR_SIZE;
      continue;
    }
    const at = ptePa(top) + indexAt(va, 1) * 8;
    const mid = ram.read32(at);
    if (pteIsTable(mid)) {
      setPte(ram, at, 0);
      tables.freeTable(ptePa(mid));
    }
    va += PMD_SIZE;
  }
}

/** Frees the tables of the user half (not the pages they map) and the root. */
export function freeUserTables(ram: Ram, root: number, tables: TableAllocator): void {
  for (let i = 0; i < 256; i++) {
    const top = ram.read32(root + i * 8);
    if (!pteIsTable(top)) continue;
    const table = ptePa(top);
    for (let j = 0; j < 512; j++) {
      const mid = ram.read32(table + j * 8);
      if (pteIsTable(mid)) tables.freeTable(ptePa(mid));
    }
    tables.freeTable(table);
  }
  tables.freeTable(root);
}

/** Calls `visit` for the root and each table below its first `entries` entries. */
export function eachTable(ram: Ram, root: number, entries: number, visit: (pa: number) => void): void {
  visit(root);
  for (let i = 0; i < entries; i++) {
    const top = ram.read32(root + i * 8);
    if (!pteIsTable(top)) continue;
    visit(ptePa(top));
    for (let j = 0; j < 512; j++) {
      const mid = ram.read32(ptePa(top) + j * 8);
      if (pteIsTable(mid)) visit(ptePa(mid));
    }
  }
}
/** How many table frames the user half has, the root included (pgtables_bytes / 4096). */
export function countUserTables(ram: Ram, root: number): number {
  let n = 1;
  for (let i = 0; i < 256; i++) {
    const top = ram.read32(root + i * 8);
    if (!pteIsTable(top)) continue;
    n++;
    for (let j = 0; j < 512; j++) if (pteIsTable(ram.read32(ptePa(top) + j * 8))) n++;
  }
  return n;
}
