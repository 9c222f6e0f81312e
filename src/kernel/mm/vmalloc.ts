import { GFP_KERNEL, GFP_NOWARN } from '../../abi/gfp.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, VMALLOC_END, VMALLOC_START } from './address.ts';
import { makePte, PAGE_KERNEL, ptePa, ptePointer, ptePresent, setPte, walkRange } from './pgtable.ts';
import { warnAlloc } from './show_mem.ts';

// Virtually contiguous kernel memory (mm/vmalloc.c): single frames mapped in the vmalloc area or the module area, each allocation followed
// by an unmapped guard page.

/** What an area is for, as /proc/vmallocinfo names it. */
export type VmKind = 'vmalloc' | 'vmap' | 'ioremap' | 'user' | 'dma-coherent';

export interface VmStruct {
  readonly addr: number;
  /** Bytes, guard page included. */
  readonly size: number;
  readonly pages: number;
  /** Who asked: the text of /proc/vmallocinfo ("load_module+0x..."), or an address that gets its name when it is shown. */
  readonly caller: string | number;
  readonly kind: VmKind;
}
export interface VmRequest {
  readonly prot?: number;
  readonly caller?: string | number;
  readonly zero?: boolean;
  readonly kind?: VmKind;
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
  /** Maps `size` bytes (rounded up to pages) of new frames. The kernel virtual address, or 0. */
  alloc(k: Kernel, size: number, request: VmRequest = {}): number {
    const pages = pageAlign(size) / PAGE_SIZE;
    if (!(size > 0) || pages > k.mm.pages.managedPages) return 0;
    return this.map(k, pages, request, () => k.mm.pages.allocUser(0, request.zero ?? true));
  }
  /** Maps frames that others own (vmap). */
  mapFrames(k: Kernel, frames: readonly number[], request: VmRequest): number {
    return this.map(k, frames.length, request, (i) => {
      k.mm.pages.get(frames[i]);
      return frames[i];
    });
  }
  private map(k: Kernel, pages: number, request: VmRequest, frame: (i: number) => number): number {
    const bytes = (pages + 1) * PAGE_SIZE;
    let at = this.start;
    let index = 0;
    for (; index < this.areas.length; index++) {
      if (this.areas[index].addr - at >= bytes) break;
      at = this.areas[index].addr + this.areas[index].size;
    }
    if (at + bytes > this.end) return 0;
    for (let i = 0; i < pages; i++) {
      const pa = frame(i);
      const pte = pa === 0 ? 0 : ptePointer(k.ram, k.mm.swapperPgDir, at + i * PAGE_SIZE, k.mm);
      if (pte === 0) {
        if (pa !== 0) k.mm.pages.put(pa);
        unmap(k, at, at + i * PAGE_SIZE);
        return 0;
      }
      setPte(k.ram, pte, makePte(pa, request.prot ?? PAGE_KERNEL));
    }
    const kind = request.kind ?? 'vmalloc';
    this.areas.splice(index, 0, { addr: at, size: bytes, pages, caller: request.caller ?? 'unknown', kind });
    if (kind !== 'vmap') k.mm.stat.vmallocPages += pages;
    return at;
  }
  /** False when no allocation starts at `addr`. */
  free(k: Kernel, addr: number): boolean {
    const i = this.indexOf(addr);
    if (i < 0 || this.areas[i].addr !== addr) return false;
    const [area] = this.areas.splice(i, 1);
    unmap(k, area.addr, area.addr + area.pages * PAGE_SIZE);
    if (area.kind !== 'vmap') k.mm.stat.vmallocPages -= area.pages;
    return true;
  }
  /** Index of the area that contains `addr`, or -1. */
  private indexOf(addr: number): number {
    let low = 0;
    let high = this.areas.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.areas[mid].addr <= addr) low = mid + 1;
      else high = mid;
    }
    const area = this.areas[low - 1];
    return area !== undefined && addr < area.addr + area.size ? low - 1 : -1;
  }
  /** The allocation that contains `addr` (guard page included). */
  find(addr: number): VmStruct | null {
    return this.areas[this.indexOf(addr)] ?? null;
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
/** is_vmalloc_addr. */
export function isVmallocAddress(va: number): boolean {
  return va >= VMALLOC_START && va < VMALLOC_END;
}

/** __vmalloc: says why when there is no memory, unless asked not to. */
export function vmallocFor(k: Kernel, size: number, gfp: number = GFP_KERNEL, request: VmRequest = {}): number {
  const va = k.mm.vmalloc.alloc(k, size, { ...request, zero: (request.zero ?? false) || k.mm.slab.slub.initOnAlloc });
  if (va !== 0 || (gfp & GFP_NOWARN) !== 0) return va;
  const tooMany = pageAlign(size) / PAGE_SIZE > k.mm.pages.managedPages;
  warnAlloc(k, gfp, 0, `vmalloc error: size ${size}, ${tooMany ? 'exceeds total pages' : 'failed to allocate pages'}`);
  return 0;
}
export function vfree(k: Kernel, addr: number): boolean {
  return k.mm.vmalloc.free(k, addr);
}
