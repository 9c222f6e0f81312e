import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign } from './address.ts';
import { makePte, PAGE_KERNEL, ptePa, ptePointer, ptePresent, setPte, walkRange } from './pgtable.ts';

// Virtually contiguous kernel memory (mm/vmalloc.c): single frames mapped in the vmalloc area or the module area, each allocation followed
// by an unmapped guard page.

export interface VmStruct {
  readonly addr: number;
  /** Bytes, guard page included. */
  readonly size: number;
  readonly pages: number;
  /** Who asked, as /proc/vmallocinfo shows it ("load_module+0x..."). */
  readonly caller: string;
}

/** One range of kernel addresses that is handed out in pieces, lowest fit first. */
export class VmapArea {
  private readonly start: number;
  private readonly end: number;
  /** By address. */
  readonly areas: VmStruct[] = [];

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
  /** Maps `size` bytes (rounded up to pages) with page protection `prot`. The kernel virtual address, or 0. */
  alloc(k: Kernel, size: number, prot = PAGE_KERNEL, caller = 'unknown', zero = true): number {
    const pages = pageAlign(size) / PAGE_SIZE;
    if (!(size > 0) || pages > k.mm.pages.managedPages) return 0;
    const bytes = (pages + 1) * PAGE_SIZE;
    let at = this.start;
    let index = 0;
    for (; index < this.areas.length; index++) {
      if (this.areas[index].addr - at >= bytes) break;
      at = this.areas[index].addr + this.areas[index].size;
    }
    if (at + bytes > this.end) return 0;
    for (let i = 0; i < pages; i++) {
      const pa = k.mm.pages.allocUser(0, zero);
      const pte = pa === 0 ? 0 : ptePointer(k.ram, k.mm.swapperPgDir, at + i * PAGE_SIZE, k.mm);
      if (pte === 0) {
        if (pa !== 0) k.mm.pages.put(pa);
        unmap(k, at, at + i * PAGE_SIZE);
        return 0;
      }
      setPte(k.ram, pte, makePte(pa, prot));
    }
    this.areas.splice(index, 0, { addr: at, size: bytes, pages, caller });
    k.mm.stat.vmallocPages += pages;
    return at;
  }
  /** False when no allocation starts at `addr`. */
  free(k: Kernel, addr: number): boolean {
    const i = this.areas.findIndex((a) => a.addr === addr);
    if (i < 0) return false;
    const [area] = this.areas.splice(i, 1);
    unmap(k, area.addr, area.addr + area.pages * PAGE_SIZE);
    k.mm.stat.vmallocPages -= area.pages;
    return true;
  }
  /** The allocation that contains `addr` (guard page included). */
  find(addr: number): VmStruct | null {
    return this.areas.find((a) => addr >= a.addr && addr < a.addr + a.size) ?? null;
  }
  /** Changes the protection of whole pages (set_memory_ro and its kin). */
  protect(k: Kernel, start: number, end: number, prot: number): void {
    walkRange(k.ram, k.mm.swapperPgDir, start, end, (at) => {
      setPte(k.ram, at, makePte(ptePa(k.ram.read32(at)), prot));
    });
    k.machine.flushTlb();
  }
}

function unmap(k: Kernel, start: number, end: number): void {
  walkRange(k.ram, k.mm.swapperPgDir, start, end, (at) => {
    const pte = k.ram.read32(at);
    setPte(k.ram, at, 0);
    if (ptePresent(pte)) k.mm.pages.put(ptePa(pte));
  });
  k.machine.flushTlb();
}

/** Physical address behind any kernel virtual address that the page table maps, or -1 (vmalloc_to_page, and views). */
export function kernelToPhys(k: Kernel, va: number): number {
  return k.machine.translate(k.mm.swapperPgDir, va, 0, 1, false);
}

export function vmalloc(k: Kernel, size: number, caller = 'unknown'): number {
  return k.mm.vmalloc.alloc(k, size, PAGE_KERNEL, caller);
}
export function vfree(k: Kernel, addr: number): boolean {
  return k.mm.vmalloc.free(k, addr);
}
