import { page as PAGE } from '../../abi/layout/structs.ts';
import type { Ram } from '../../machine/ram.ts';

// struct page as it lies in the vmemmap array (include/linux/mm_types.h, page-flags.h). `at` is the physical address of a struct page.

/** Upper half of `flags`: no last CPU (15 bits of ones from bit 45); zone and node are 0 (page-flags-layout.h). */
export const FLAGS_HIGH = 0x0fff_e000;
export const PG_LOCKED = 1 << 0;
export const PG_REFERENCED = 1 << 2;
export const PG_UPTODATE = 1 << 3;
export const PG_DIRTY = 1 << 4;
export const PG_LRU = 1 << 5;
export const PG_HEAD = 1 << 6;
export const PG_ACTIVE = 1 << 8;
export const PG_SWAPCACHE = 1 << 10;
export const PG_RESERVED = 1 << 13;
export const PG_SWAPBACKED = 1 << 17;
export const PG_UNEVICTABLE = 1 << 18;

/** page_type in the word of _mapcount: the type in the top byte; all ones = no type, nothing maps it (enum pagetype of 6.12). */
export const PGTY_BUDDY = 0xf0;
export const PGTY_TABLE = 0xf2;
export const PGTY_SLAB = 0xf5;
export const NO_TYPE = 0xffff_ffff;

/** PAGE_MAPPING_ANON: bit 0 of `mapping`. */
export const MAPPING_ANON = 1;

export const pageFlags = (ram: Ram, at: number) => ram.read32(at + PAGE.flags);
export function setPageFlags(ram: Ram, at: number, set: number, clear = 0): void {
  ram.write32(at + PAGE.flags, (ram.read32(at + PAGE.flags) & ~clear) | set);
}
export function setPageType(ram: Ram, at: number, type: number): void {
  ram.write32(at + PAGE.page_type, type === NO_TYPE ? type : type << 24);
}
export const pageTypeOf = (ram: Ram, at: number) => ram.read32(at + PAGE.page_type) >>> 24;
/** How many page table entries map it. */
export const mapCount = (ram: Ram, at: number) => ram.readS32(at + PAGE._mapcount) + 1;
export function addMapCount(ram: Ram, at: number, n: number): void {
  ram.write32(at + PAGE._mapcount, ram.readS32(at + PAGE._mapcount) + n);
}
export const isAnon = (ram: Ram, at: number) => (ram.read32(at + PAGE.mapping) & MAPPING_ANON) !== 0;
