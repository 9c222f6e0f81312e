import { mem_section as SECTION, page as PAGE, sysinfo as SYSINFO } from '../../abi/layout/structs.ts';
import { GFP_ACCOUNT, GFP_COMP, GFP_DIRECT_RECLAIM, GFP_HIGH, GFP_HIGHMEM, GFP_MOVABLE_BIT, GFP_NOWARN, GFP_RECLAIMABLE, GFP_ZERO } from '../../abi/gfp.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { faultInExport, warnAt } from '../traps.ts';
import { Access } from '../../machine/api.ts';
import { PAGE_OFFSET, PAGE_SIZE, physToVirt, virtToPhys, VMEMMAP_START } from './address.ts';
import { writeKernel64, writeKernelBytes } from './maccess.ts';
import { MAX_ORDER, Migrate } from './page_alloc.ts';
import { chargeKernel } from './memcontrol.ts';
import { warnAlloc } from './show_mem.ts';
import { wakeKswapd } from './vmscan.ts';
import { availableMemory } from './vmstat_proc.ts';
import { getOrder } from './slab_cache.ts';

// What mm/page_alloc.c and its neighbours export: whole pages.

/** 2^27 bytes (SECTION_SIZE_BITS of riscv). */
const SECTION_SIZE = 2 ** 27;
/** present, with a memory map, online, from boot (enum of mmzone.h). */
const SECTION_FLAGS = 0xf;
/** Roots of mem_section that addresses of an Sv39 kernel can name. */
const SECTION_ROOTS = 64;

/** __alloc_pages: physical address of 2^order pages, or 0. Says in the log why there are none, unless asked not to. */
export function allocPages(k: Kernel, gfp: number, order: number): number {
  const { pages, slab } = k.mm;
  if (order > MAX_ORDER || order < 0) {
    if ((gfp & GFP_NOWARN) === 0 && !k.mm.warnedOrder) {
      k.mm.warnedOrder = true;
      warnAt(k, 'mm/page_alloc.c:4817');
    }
    return 0;
  }
  const zero = (gfp & GFP_ZERO) !== 0 || slab.slub.initOnAlloc;
  // __GFP_HIGH and callers that cannot wait go deeper into the reserve.
  const reserve = (gfp & (GFP_HIGH | GFP_DIRECT_RECLAIM)) === GFP_DIRECT_RECLAIM;
  if ((gfp & GFP_DIRECT_RECLAIM) !== 0) pages.relieve();
  else wakeKswapd(k);
  const type = (gfp & GFP_MOVABLE_BIT) !== 0 ? Migrate.MOVABLE : (gfp & GFP_RECLAIMABLE) !== 0 ? Migrate.RECLAIMABLE : Migrate.UNMOVABLE;
  const pa = reserve ? pages.allocUser(order, zero, type) : pages.alloc(order, zero, type);
  if (pa !== 0 && (gfp & GFP_ACCOUNT) !== 0) chargeKernel(k, pa, 1 << order, -1);
  if (pa === 0) warnAlloc(k, gfp, order);
  else if ((gfp & GFP_COMP) !== 0) pages.makeCompound(pa, order);
  return pa;
}
function pageOf(k: Kernel, pa: number): number {
  return pa === 0 ? 0 : k.mm.pages.pageStructVa(pa);
}
/** Pages for module code. */
function pagesFor(k: Kernel, gfp: number, order: number): number {
  const pa = allocPages(k, gfp, order);
  if (pa !== 0) k.mm.check?.onAlloc(physToVirt(pa), PAGE_SIZE << order, PAGE_SIZE << order, 'pages', '', 0, (gfp & GFP_ZERO) !== 0);
  return pa;
}
/** Physical address of the frame that a struct page stands for, or -1 (the fault of a wild pointer has been taken). */
function frameOf(k: Kernel, page: number): number {
  const index = (page - VMEMMAP_START) / PAGE.sizeof;
  if (Number.isInteger(index) && index >= 0 && index * PAGE_SIZE < k.ram.size) return index * PAGE_SIZE;
  faultInExport(k, page, Access.READ);
  return -1;
}
/** __free_pages: gives up one reference; the last frees 2^order pages. A page that others still hold keeps its first frame only. */
function freePages(k: Kernel, pa: number, order: number): void {
  const { pages } = k.mm;
  const head = (k.ram.read32(pages.pageStruct(pa)) & 0x40) !== 0;
  const count = pages.refCount(pa);
  if (count === 1 || count <= 0) {
    if (k.mm.check?.onFree(physToVirt(pa), ['pages']) !== true) pages.free(pa, order);
  }
  else {
    pages.put(pa);
    if (!head) for (let o = order; o-- > 0; ) pages.free(pa + (PAGE_SIZE << o), o);
  }
}
function linear(k: Kernel, va: number): number {
  const pa = virtToPhys(va);
  if (pa >= RAM_BASE && pa < k.ram.size) return pa;
  faultInExport(k, va, Access.READ);
  return -1;
}
/** alloc_pages and __free_pages: a struct page in vmemmap, or 0. */
export function allocPagesFor(k: Kernel, gfp: number, order: number): number {
  return pageOf(k, pagesFor(k, gfp, order));
}
export function freePagesAt(k: Kernel, page: number, order: number): void {
  const pa = frameOf(k, page);
  if (pa >= 0) freePages(k, pa, order);
}
function getFreePages(k: Kernel, gfp: number, order: number): number {
  const pa = pagesFor(k, gfp & ~GFP_HIGHMEM, order);
  return pa === 0 ? 0 : physToVirt(pa);
}
/** alloc_pages_exact: a block of the next order, of which the rest is given back at once. */
function allocExact(k: Kernel, size: number, gfp: number): number {
  const order = size <= 0 ? MAX_ORDER + 1 : getOrder(size);
  const pa = allocPages(k, gfp & ~(GFP_COMP | GFP_HIGHMEM), order);
  if (pa === 0) return 0;
  k.mm.pages.split(pa, order);
  for (let at = pa + Math.ceil(size / PAGE_SIZE) * PAGE_SIZE; at < pa + (PAGE_SIZE << order); at += PAGE_SIZE) k.mm.pages.put(at);
  return physToVirt(pa);
}

export const pageExports: readonly FunctionExport[] = [
  fn('__alloc_pages_noprof', allocPagesFor),
  fn('alloc_pages_noprof', allocPagesFor),
  fn('get_free_pages_noprof', getFreePages),
  fn('get_zeroed_page_noprof', (k, gfp) => getFreePages(k, gfp | GFP_ZERO, 0)),
  fn('__free_pages', freePagesAt),
  fn('free_pages', (k, va, order) => {
    if (va === 0) return;
    const pa = linear(k, va);
    if (pa >= 0) freePages(k, pa, order);
  }),
  fn('__folio_put', (k, folio) => {
    const pa = frameOf(k, folio);
    if (pa >= 0 && k.mm.check?.onFree(physToVirt(pa), ['pages']) !== true) k.mm.pages.free(pa, k.mm.pages.compoundOrder(pa));
  }),
  fn('__put_devmap_managed_folio_refs', () => 0),
  fn('alloc_pages_exact_noprof', allocExact),
  fn('free_pages_exact', (k, va, size) => {
    for (let at = va; at < va + size; at += PAGE_SIZE) {
      const pa = linear(k, at);
      if (pa < 0) return;
      k.mm.pages.put(pa);
    }
  }),
  fn('si_mem_available', (k) => availableMemory(k)),
  fn('si_meminfo', (k, at) => {
    const out = new Uint8Array(SYSINFO.sizeof);
    const v = new DataView(out.buffer);
    const put = (offset: number, n: number) => v.setBigUint64(offset, BigInt(n), true);
    put(SYSINFO.totalram, k.mm.pages.managedPages);
    put(SYSINFO.freeram, k.mm.pages.buddyPages);
    put(SYSINFO.sharedram, k.mm.stat.shmemPages);
    v.setUint32(SYSINFO.mem_unit, PAGE_SIZE, true);
    // The caller's uptime, loads, swap and process count are not si_meminfo's: only these members are written.
    for (const [from, to] of [
      [SYSINFO.totalram, SYSINFO.totalswap],
      [SYSINFO.totalhigh, SYSINFO.mem_unit + 4],
    ])
      if (!writeKernelBytes(k, at + from, out.subarray(from, to))) {
        faultInExport(k, at + from, Access.WRITE);
        return;
      }
  }),
];

function long(k: Kernel, value: number): number {
  const addr = imageObject(k, 8, 8);
  writeKernel64(k, addr, value);
  return addr;
}
export const pageDataExports: readonly DataExport[] = [
  { name: 'vmemmap_start_pfn', place: (k) => long(k, 0) },
  { name: '_totalram_pages', place: (k) => long(k, k.mm.pages.managedPages) },
  { name: 'high_memory', place: (k) => long(k, PAGE_OFFSET + k.ram.size) },
  // Static keys that are off: 16 bytes of zeros.
  { name: 'devmap_managed_key', place: (k) => imageObject(k, 16, 8) },
  { name: 'hugetlb_optimize_vmemmap_key', place: (k) => imageObject(k, 16, 8) },
  {
    // What pfn_valid looks at: a table of tables of sections, one for every 128 MiB of RAM.
    name: 'mem_section',
    place(k) {
      const perRoot = PAGE_SIZE / SECTION.sizeof;
      const roots = imageObject(k, SECTION_ROOTS * 8, 8);
      const sections = Math.ceil(k.ram.size / SECTION_SIZE);
      for (let root = 0; root * perRoot < sections; root++) {
        const table = imageObject(k, PAGE_SIZE, 8);
        writeKernel64(k, roots + root * 8, table);
        for (let i = 0; i < perRoot && root * perRoot + i < sections; i++) writeKernel64(k, table + i * SECTION.sizeof, SECTION_FLAGS);
      }
      return long(k, roots);
    },
  },
];
