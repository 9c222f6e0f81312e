import { page as PAGE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import type { AddressSpace } from './filemap.ts';
import { listFlags, LRU_ACTIVE_ANON } from './lru.ts';
import { countUse, Use } from './memcontrol.ts';
import { type MmStruct, VM_EXEC, VM_LOCKED, type VmArea } from './mm_struct.ts';
import { addMapCount, isAnon, MAPPING_ANON, mapCount, PG_DIRTY, PG_SWAPBACKED, PG_UPTODATE, pageFlags, setPageFlags } from './page.ts';
import { PTE_A, PTE_D, ptePa, ptePointer, ptePresent, setPte } from './pgtable.ts';
import { deleteFromSwapCache } from './swap_state.ts';

// Who maps a page (mm/rmap.c): counts, resident pages by kind, and the way back from a page to the page table entries that name it. The shared page of zeros
// is counted nowhere.

export type PageKind = 'anon' | 'shmem' | 'file';

/** Areas that may map the same private pages: those that came from one by fork, split or move (struct anon_vma of the root). */
export class AnonRoot {
  readonly areas = new Set<VmArea>();
}

export function kindOf(k: Kernel, pa: number): PageKind {
  const at = k.mm.pages.pageStruct(pa);
  if (isAnon(k.ram, at)) return 'anon';
  return (pageFlags(k.ram, at) & PG_SWAPBACKED) !== 0 ? 'shmem' : 'file';
}
function addRss(mm: MmStruct, kind: PageKind, n: number): void {
  if (kind === 'anon') mm.rssAnon += n;
  else if (kind === 'shmem') mm.rssShmem += n;
  else mm.rssFile += n;
}
/** Makes a page with a reference that nobody maps the private page at `va` of an area. */
function becomeAnon(k: Kernel, vma: VmArea, va: number, pa: number): void {
  const { ram } = k;
  const at = k.mm.pages.pageStruct(pa);
  ram.write64(at + PAGE.mapping, physToVirt(vma.mm.addr) + MAPPING_ANON);
  ram.write32(at + PAGE.index, vma.pgoff + (va - vma.start) / PAGE_SIZE);
  ram.write32(at + PAGE._mapcount, 0);
  k.mm.ownerOf[pa / PAGE_SIZE] = vma.root;
  vma.mm.rssAnon++;
  k.mm.stat.anonPages++;
  countUse(k, pa, Use.ANON, 1);
  if ((vma.flags & VM_LOCKED) !== 0) k.mm.lru.lock(pa, 1, false);
}
/** Flags of a page that has just been made. */
const NEW_ANON = PG_UPTODATE | PG_SWAPBACKED | listFlags(LRU_ACTIVE_ANON);
/** A fresh frame becomes a private page of an area, which maps it once. The allocation's reference is the mapping's. */
export function pageAddNewAnon(k: Kernel, vma: VmArea, va: number, pa: number): void {
  k.ram.write32(k.mm.pages.pageStruct(pa) + PAGE.flags, NEW_ANON);
  k.mm.lru.link(pa / PAGE_SIZE, LRU_ACTIVE_ANON);
  becomeAnon(k, vma, va, pa);
}
/** A page of the swap cache is mapped at `va`: takes a reference. */
export function pageAddSwapped(k: Kernel, vma: VmArea, va: number, pa: number): void {
  if (mapCount(k.ram, k.mm.pages.pageStruct(pa)) > 0) {
    pageAddMapping(k, vma, pa);
    return;
  }
  k.mm.pages.get(pa);
  becomeAnon(k, vma, va, pa);
}
/** One more page table entry maps a page: takes a reference. */
export function pageAddMapping(k: Kernel, vma: Pick<VmArea, 'mm' | 'flags'>, pa: number): void {
  if (pa === k.mm.zeroPage) return;
  const at = k.mm.pages.pageStruct(pa);
  k.mm.pages.get(pa);
  const kind = kindOf(k, pa);
  if (kind !== 'anon' && mapCount(k.ram, at) === 0) {
    k.mm.stat.fileMapped++;
    countUse(k, pa, Use.FILE_MAPPED, 1);
  }
  addMapCount(k.ram, at, 1);
  addRss(vma.mm, kind, 1);
  if ((vma.flags & VM_LOCKED) !== 0) k.mm.lru.lock(pa, 1, kind === 'file');
}
/** A page table entry that mapped it is gone: gives its reference back. */
export function pageRemoveMapping(k: Kernel, vma: VmArea, pa: number): void {
  if (pa === k.mm.zeroPage) return;
  const { mm } = vma;
  const at = k.mm.pages.pageStruct(pa);
  const kind = kindOf(k, pa);
  if (mm.rss > mm.hiwaterRss) mm.hiwaterRss = mm.rss;
  if ((vma.flags & VM_LOCKED) !== 0) k.mm.lru.lock(pa, -1, kind === 'file');
  addMapCount(k.ram, at, -1);
  addRss(mm, kind, -1);
  const last = mapCount(k.ram, at) === 0;
  if (last) {
    if (kind === 'anon') k.mm.stat.anonPages--;
    else k.mm.stat.fileMapped--;
    countUse(k, pa, kind === 'anon' ? Use.ANON : Use.FILE_MAPPED, -1);
  }
  const entry = kind === 'anon' ? k.mm.swap.entryOf[pa / PAGE_SIZE] : 0;
  k.mm.pages.put(pa);
  // Nobody has it, neither in memory nor in swap.
  if (last && entry !== 0 && k.mm.swap.users(entry) === 0) deleteFromSwapCache(k, pa);
}

/** Calls `visit` for each page table entry that maps a page (rmap_walk). */
function eachMapping(k: Kernel, pa: number, visit: (vma: VmArea, va: number, at: number) => void): void {
  const { ram } = k;
  const page = k.mm.pages.pageStruct(pa);
  let left = mapCount(ram, page);
  if (left === 0) return;
  const index = pageIndex(k, pa);
  for (const vma of k.mm.ownerOf[pa / PAGE_SIZE]?.areas ?? []) {
    const va = vma.start + (index - vma.pgoff) * PAGE_SIZE;
    if (va < vma.start || va >= vma.end) continue;
    const at = ptePointer(ram, vma.mm.pgd, va, null);
    if (at === 0) continue;
    const pte = ram.read32(at);
    if (!ptePresent(pte) || ptePa(pte) !== pa) continue;
    visit(vma, va, at);
    if (--left === 0) return;
  }
}
/** What the entries of a page say of its use since the last look. */
export interface References {
  /** Entries whose A bit was set; it is clear now. */
  young: number;
  /** Some area that maps it is executable, or locks its pages. */
  exec: boolean;
  locked: boolean;
}
/** folio_referenced. */
export function pageReferenced(k: Kernel, pa: number): References {
  const r: References = { young: 0, exec: false, locked: false };
  eachMapping(k, pa, (vma, va, at) => {
    const pte = k.ram.read32(at);
    if ((vma.flags & VM_LOCKED) !== 0) r.locked = true;
    if ((pte & PTE_A) === 0) return;
    if ((vma.flags & VM_EXEC) !== 0) r.exec = true;
    r.young++;
    setPte(k.ram, at, pte & ~PTE_A);
    k.machine.flushTlbPage(va);
  });
  return r;
}
/** try_to_unmap: takes a page out of every page table. Entries of private pages become `entry`, each a user of the slot. */
export function tryToUnmap(k: Kernel, pa: number, entry: number): void {
  const page = k.mm.pages.pageStruct(pa);
  eachMapping(k, pa, (vma, va, at) => {
    const pte = k.ram.read32(at);
    if ((pte & PTE_D) !== 0) setPageFlags(k.ram, page, PG_DIRTY);
    setPte(k.ram, at, entry);
    if (entry !== 0) {
      k.mm.swap.dup(entry);
      vma.mm.swapents++;
    }
    k.machine.flushTlbPage(va);
    pageRemoveMapping(k, vma, pa);
  });
}
/** What a page of a file belongs to. */
export function mappingOf(k: Kernel, pa: number): AddressSpace | null {
  const owner = k.mm.ownerOf[pa / PAGE_SIZE];
  return owner === null || owner instanceof AnonRoot ? null : owner;
}
/** Its place there, or in the areas that have it as a private page. */
export const pageIndex = (k: Kernel, pa: number) => k.ram.read64(k.mm.pages.pageStruct(pa) + PAGE.index);
