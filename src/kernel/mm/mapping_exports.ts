import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO } from '../../abi/errno.ts';
import { page as PAGE, vm_area_struct as VMA, vm_operations_struct as OPS } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn, partial } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { faultInExport, warnAt } from '../traps.ts';
import { Access } from '../../machine/api.ts';
import { PAGE_SIZE, pageAlign, VMEMMAP_START } from './address.ts';
import { readKernel64, writeKernel64 } from './maccess.ts';
import { moduleVma, pageProtection, setVmaFlags } from './module_mapping.ts';
import { VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MAYWRITE, VM_MIXEDMAP, VM_PFNMAP, VM_SHARED } from './mm_struct.ts';
import { isAnon, mapCount, pageTypeOf } from './page.ts';
import { makePte, PTE_D, PTE_PROT_NONE, PTE_W, ptePointer, ptePresent, setPte } from './pgtable.ts';
import { pageAddMapping } from './rmap.ts';
import { kernelToPhys } from './vmalloc.ts';

// What drivers put into page tables of programs (mm/memory.c, mm/vmalloc.c).

const VM_FAULT_OOM = 1;
const VM_FAULT_SIGBUS = 2;
const VM_FAULT_NOPAGE = 0x100;
const PROT_BITS = 0xff;
/** Types of pages (enum pagetype) begin here. */
const PGTY_FIRST = 0xf0;

function isRam(k: Kernel, pfn: number): boolean {
  return Number.isInteger(pfn) && pfn >= 0 && (pfn + 1) * PAGE_SIZE <= k.ram.size;
}
/** Puts a frame that nobody counts into the page table. 0, -EBUSY or -ENOMEM. */
function insertPfn(k: Kernel, pgd: number, addr: number, pfn: number, prot: number): number {
  const at = ptePointer(k.ram, pgd, addr, k.mm);
  if (at === 0) return -ENOMEM;
  if (ptePresent(k.ram.read32(at))) return -EBUSY;
  // Nobody asks whether it was written: as if it were.
  setPte(k.ram, at, makePte(pfn * PAGE_SIZE, (prot & PROT_BITS) | ((prot & PTE_W) !== 0 ? PTE_D : 0)));
  return 0;
}
/** remap_pfn_range(vma, addr, pfn, size, prot). */
function remapPfnRange(k: Kernel, at: number, addr: number, pfn: number, size: number, prot: number): number {
  const vma = moduleVma(k, at);
  if (vma === null) return -EINVAL;
  const length = pageAlign(size);
  const end = addr + length;
  if (addr % PAGE_SIZE !== 0) {
    warnAt(k, 'mm/memory.c:2853');
    return -EINVAL;
  }
  // Private writable: the whole area at once, so that vm_pgoff tells originals from copies.
  if ((vma.flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE) {
    if (addr !== vma.start || end !== vma.end) return -EINVAL;
    writeKernel64(k, at + VMA.vm_pgoff, pfn);
  }
  setVmaFlags(k, at, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
  for (let i = 0; i < length / PAGE_SIZE; i++) {
    if (addr + i * PAGE_SIZE >= vma.end || addr < vma.start || !isRam(k, pfn + i)) return -EINVAL;
    const r = insertPfn(k, vma.mm.pgd, addr + i * PAGE_SIZE, pfn + i, prot);
    if (r < 0) return r === -EBUSY ? -EINVAL : r;
  }
  return 0;
}
/** vmf_insert_pfn_prot. */
function vmfInsertPfn(k: Kernel, at: number, addr: number, pfn: number, prot: number): number {
  const vma = moduleVma(k, at);
  if (vma === null || addr < vma.start || addr >= vma.end || !isRam(k, pfn)) return VM_FAULT_SIGBUS;
  const r = insertPfn(k, vma.mm.pgd, addr - (addr % PAGE_SIZE), pfn, prot);
  return r === -ENOMEM ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}
/** vm_insert_page: a page of one's own, counted. */
function insertPage(k: Kernel, at: number, addr: number, page: number): number {
  const vma = moduleVma(k, at);
  const index = (page - VMEMMAP_START) / PAGE.sizeof;
  if (vma === null || addr < vma.start || addr >= vma.end) return -EFAULT;
  if (!isRam(k, index)) {
    faultInExport(k, page, Access.READ);
    return -EFAULT;
  }
  const pa = index * PAGE_SIZE;
  const struct = k.mm.pages.pageStruct(pa);
  if (k.mm.pages.refCount(pa) === 0) return -EINVAL;
  // Private memory, and pages with a use of their own (slab), are not for programs.
  if (isAnon(k.ram, struct) || (mapCount(k.ram, struct) < 0 && pageTypeOf(k.ram, struct) >= PGTY_FIRST)) return -EINVAL;
  if ((vma.flags & VM_MIXEDMAP) === 0) setVmaFlags(k, at, VM_MIXEDMAP);
  const pte = ptePointer(k.ram, vma.mm.pgd, addr, k.mm);
  if (pte === 0) return -ENOMEM;
  if (ptePresent(k.ram.read32(pte))) return -EBUSY;
  pageAddMapping(k, vma, pa);
  setPte(k.ram, pte, makePte(pa, (readKernel64(k, at + VMA.vm_page_prot) ?? 0) & PROT_BITS));
  return 0;
}
/** vm_map_pages(vma, pages, num): from page vm_pgoff of the array on, or all of it. */
function mapPages(k: Kernel, at: number, array: number, count: number, offset: number): number {
  const vma = moduleVma(k, at);
  if (vma === null) return -EINVAL;
  const wanted = (vma.end - vma.start) / PAGE_SIZE;
  if (offset >= count || wanted > count - offset) return -ENXIO;
  for (let i = 0; i < wanted; i++) {
    const r = insertPage(k, at, vma.start + i * PAGE_SIZE, readKernel64(k, array + (offset + i) * 8) ?? 0);
    if (r < 0) return r;
  }
  return 0;
}
/** remap_vmalloc_range(vma, addr, pgoff): memory of vmalloc_user. */
function remapVmalloc(k: Kernel, at: number, from: number, pgoff: number): number {
  const vma = moduleVma(k, at);
  if (vma === null) return -EINVAL;
  const struct = k.mm.vmalloc.areas.find((a) => a.addr === from);
  if (struct === undefined || struct.kind !== 'user') return -EINVAL;
  const size = vma.end - vma.start;
  if ((pgoff + size / PAGE_SIZE) * PAGE_SIZE > struct.pages * PAGE_SIZE) return -EINVAL;
  for (let done = 0; done < size; done += PAGE_SIZE) {
    const pa = kernelToPhys(k, from + pgoff * PAGE_SIZE + done);
    const r = pa < 0 ? -EINVAL : insertPage(k, at, vma.start + done, k.mm.pages.pageStructVa(pa));
    if (r < 0) return r;
  }
  setVmaFlags(k, at, VM_DONTEXPAND | VM_DONTDUMP);
  return 0;
}
const protOf = (k: Kernel, vma: number) => readKernel64(k, vma + VMA.vm_page_prot) ?? 0;
const offsetOf = (k: Kernel, vma: number) => readKernel64(k, vma + VMA.vm_pgoff) ?? 0;

export const mappingExports: readonly FunctionExport[] = [
  partial('remap_pfn_range', 'of RAM only: there are no devices', remapPfnRange),
  partial('vmf_insert_pfn', 'of RAM only', (k, vma, addr, pfn) => vmfInsertPfn(k, vma, addr, pfn, protOf(k, vma))),
  partial('vmf_insert_pfn_prot', 'of RAM only', vmfInsertPfn),
  fn('vm_insert_page', insertPage),
  fn('vm_map_pages', (k, vma, pages, count) => mapPages(k, vma, pages, count, offsetOf(k, vma))),
  fn('vm_map_pages_zero', (k, vma, pages, count) => mapPages(k, vma, pages, count, 0)),
  partial('vm_iomap_memory', 'of RAM only', (k, vma, start, length) => {
    const area = moduleVma(k, vma);
    if (area === null || start < 0 || start + length < start) return -EINVAL;
    const size = length + (start % PAGE_SIZE);
    const pages = Math.floor((size + PAGE_SIZE - 1) / PAGE_SIZE);
    const offset = offsetOf(k, vma);
    if (offset > pages || area.end - area.start > (pages - offset) * PAGE_SIZE) return -EINVAL;
    return remapPfnRange(k, vma, area.start, Math.floor(start / PAGE_SIZE) + offset, area.end - area.start, protOf(k, vma));
  }),
  fn('remap_vmalloc_range', remapVmalloc),
  fn('vm_get_page_prot', (_k, flags) => pageProtection(flags) || PTE_PROT_NONE),
];
export const mappingDataExports: readonly DataExport[] = [
  { name: 'vma_dummy_vm_ops', internal: true, place: (k) => imageObject(k, OPS.sizeof, 8) },
];
