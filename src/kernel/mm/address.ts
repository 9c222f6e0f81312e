import { RAM_BASE } from '../../machine/layout.ts';

/** Where things lie in the kernel half of an Sv39 address space (Documentation/arch/riscv/vm-layout.rst), as signed numbers. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;

/** 0xffffffd600000000: the linear map of all of RAM; phys_ram_base is 0. */
export const PAGE_OFFSET = -0x2a_0000_0000;
/** 0xffffffc600000000: vmalloc and ioremap, 64 GiB. */
export const VMALLOC_START = PAGE_OFFSET - 2 ** 36;
export const VMALLOC_END = PAGE_OFFSET - 1;
/** 0xffffffc500000000: the struct page array. */
export const VMEMMAP_START = VMALLOC_START - 2 ** 32;
/** 0xffffffff80000000: the kernel image (stubs of exported functions, data symbols). */
export const KERNEL_LINK_ADDR = -0x8000_0000;
export const KERNEL_IMAGE_SIZE = 0x40_0000;
/** Modules lie in [_end - 2 GiB, _start). */
export const MODULES_VADDR = KERNEL_LINK_ADDR + KERNEL_IMAGE_SIZE - 2 ** 31;
export const MODULES_END = KERNEL_LINK_ADDR;

/** 2^38: the end of user addresses (TASK_SIZE with Sv39). */
export const TASK_SIZE = 2 ** 38;

/** Physical address to its place in the linear map, and back. */
export function physToVirt(pa: number): number {
  return PAGE_OFFSET + pa;
}
/** Only for linear-map addresses. */
export function virtToPhys(va: number): number {
  return va - PAGE_OFFSET;
}
/** The same for the kernel image, which is mapped a second time where it is linked. */
export function imageToVirt(pa: number): number {
  return KERNEL_LINK_ADDR + pa - RAM_BASE;
}
export function virtToImage(va: number): number {
  return va - KERNEL_LINK_ADDR + RAM_BASE;
}
/** The address by which kernel code knows an object: of the image where it is linked, of other memory in the linear map; and back. */
export function objectToVirt(pa: number): number {
  return pa < RAM_BASE + KERNEL_IMAGE_SIZE ? imageToVirt(pa) : physToVirt(pa);
}
export function virtToObject(va: number): number {
  return va >= KERNEL_LINK_ADDR ? virtToImage(va) : virtToPhys(va);
}
export function pageAlign(n: number): number {
  return Math.ceil(n / PAGE_SIZE) * PAGE_SIZE;
}
export function pageFloor(n: number): number {
  return Math.floor(n / PAGE_SIZE) * PAGE_SIZE;
}
