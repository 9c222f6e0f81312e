import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { KERNEL_IMAGE_SIZE, KERNEL_LINK_ADDR, MODULES_VADDR, PAGE_OFFSET, PAGE_SIZE, VMALLOC_START, VMEMMAP_START } from './address.ts';
import { page as PAGE } from '../../abi/layout/structs.ts';
import { PageAllocator } from './page_alloc.ts';
import { makePte, mapLarge, PAGE_KERNEL, PAGE_KERNEL_EXEC, PTE_V } from './pgtable.ts';
import { SlabAllocator } from './slab.ts';

/** The first part of the kernel image holds the stubs of exported functions. */
export const IMAGE_TEXT_SIZE = 0x10_0000;

/** Memory management of one kernel: frames, slabs, the kernel's page table. */
export class MemoryManager {
  readonly pages: PageAllocator;
  readonly slab: SlabAllocator;
  /** Physical address of the kernel's root page table; user tables copy its upper half. */
  readonly swapperPgDir: number;
  /** Next free address of the vmalloc area and of the module area (bump, with free lists in vmalloc.ts). */
  vmallocNext = VMALLOC_START;
  moduleNext = MODULES_VADDR;
  /** /proc/sys/vm/overcommit_memory and kernel/randomize_va_space. */
  randomizeVaSpace = 2;
  overcommitMemory = 0;

  /** Next free byte of the kernel image's data part: objects that symbols name, within reach of pc-relative code. */
  private imageNext = RAM_BASE + IMAGE_TEXT_SIZE;

  /** Space in the kernel image for an exported object; physical address. */
  imageAlloc(size: number, align: number): number {
    const at = Math.ceil(this.imageNext / align) * align;
    if (at + size > RAM_BASE + KERNEL_IMAGE_SIZE) throw new Error('the kernel image area is full');
    this.imageNext = at + size;
    return at;
  }

  constructor(k: Kernel) {
    const { ram, machine } = k;
    this.pages = new PageAllocator(machine, RAM_BASE + KERNEL_IMAGE_SIZE);
    this.slab = new SlabAllocator(ram, this.pages);
    const root = this.pages.alloc();
    this.swapperPgDir = root;
    // Linear map: RAM_BASE up, in 2 MiB leaves (RAM may end inside a gigapage).
    for (let pa = RAM_BASE; pa < ram.size; pa += 0x20_0000) mapLarge(ram, root, PAGE_OFFSET + pa, pa, 1, PAGE_KERNEL, this.pages);
    for (let off = 0; off < KERNEL_IMAGE_SIZE; off += 0x20_0000) {
      mapLarge(ram, root, KERNEL_LINK_ADDR + off, RAM_BASE + off, 1, PAGE_KERNEL_EXEC, this.pages);
    }
    const memMapBytes = (ram.size / PAGE_SIZE) * PAGE.sizeof;
    for (let off = 0; off < memMapBytes; off += 0x20_0000)
      mapLarge(ram, root, VMEMMAP_START + off, this.pages.memMap + off, 1, PAGE_KERNEL, this.pages);
    // Top-level entries of the growing areas exist from the start, so that every user table has them.
    for (const va of [VMALLOC_START, MODULES_VADDR]) {
      for (let gig = 0; gig < (va === VMALLOC_START ? 64 : 2); gig++) {
        const at = root + ((Math.floor(va / 2 ** 30) + gig) & 511) * 8;
        if ((ram.read32(at) & PTE_V) === 0) ram.write32(at, makePte(this.pages.alloc(), PTE_V));
      }
    }
  }
}

export function mmInit(k: Kernel): void {
  k.mm = new MemoryManager(k);
  k.machine.setPageTable(k.mm.swapperPgDir);
}
