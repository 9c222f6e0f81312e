import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/exports.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { KERNEL_IMAGE_SIZE, KERNEL_LINK_ADDR, PAGE_OFFSET, physToVirt, virtToPhys } from './address.ts';
import { kernel_mapping as MAP } from '../../abi/layout/structs.ts';
import { writeKernel64, writeKernel8 } from './maccess.ts';
import { KMALLOC_SIZES } from './slab.ts';

// What mm/ exports: kmalloc and what its inline parts look at.

const GFP_ZERO = 0x100;
/** Above all objects of a slab, below the struct pages: the address that kmalloc(0) gives (ZERO_SIZE_PTR). */
const ZERO_SIZE_PTR = 16;
/** kmalloc_caches[type][index] of include/linux/slab.h: normal, reclaimable, DMA and cgroup (1 << index bytes, with 96 and 192 at 1 and 2). */
const KMALLOC_INDICES = 14;

function kmalloc(k: Kernel, size: number, flags: number): number {
  if (size === 0) return ZERO_SIZE_PTR;
  const pa = k.mm.slab.kmalloc(size < 0 ? Number.POSITIVE_INFINITY : size, (flags & GFP_ZERO) !== 0);
  return pa === 0 ? 0 : physToVirt(pa);
}
function cacheAlloc(k: Kernel, cacheVa: number, flags: number): number {
  const cache = k.mm.slab.cacheAt(virtToPhys(cacheVa));
  if (cache === null) return 0;
  const pa = k.mm.slab.cacheAlloc(cache, (flags & GFP_ZERO) !== 0);
  return pa === 0 ? 0 : physToVirt(pa);
}

export const mmExports: readonly FunctionExport[] = [
  fn('__kmalloc_noprof', kmalloc),
  fn('__kmalloc_large_noprof', kmalloc),
  fn('__kmalloc_cache_noprof', cacheAlloc),
  fn('kfree', (k, addr) => {
    if (addr !== 0 && addr !== ZERO_SIZE_PTR) k.mm.slab.kfree(virtToPhys(addr));
  }),
  fn('ksize', (k, addr) => (addr === 0 || addr === ZERO_SIZE_PTR ? 0 : k.mm.slab.ksize(virtToPhys(addr)))),
];

export const mmDataExports: readonly DataExport[] = [
  {
    name: 'kmalloc_caches',
    place(k) {
      const types = 4;
      const addr = imageObject(k, types * KMALLOC_INDICES * 8, 8);
      for (const size of KMALLOC_SIZES) {
        const index = size === 96 ? 1 : size === 192 ? 2 : Math.log2(size);
        const cache = k.mm.slab.kmallocCache(size);
        if (cache === null) continue;
        for (let type = 0; type < types; type++) writeKernel64(k, addr + (type * KMALLOC_INDICES + index) * 8, physToVirt(cache.addr));
      }
      return addr;
    },
  },
  {
    name: 'kernel_map',
    place(k) {
      const addr = imageObject(k, MAP.sizeof, 8);
      writeKernel64(k, addr + MAP.page_offset, PAGE_OFFSET);
      writeKernel64(k, addr + MAP.virt_addr, KERNEL_LINK_ADDR);
      writeKernel64(k, addr + MAP.phys_addr, RAM_BASE);
      writeKernel64(k, addr + MAP.size, KERNEL_IMAGE_SIZE);
      writeKernel64(k, addr + MAP.va_pa_offset, PAGE_OFFSET);
      writeKernel64(k, addr + MAP.va_kernel_pa_offset, KERNEL_LINK_ADDR - RAM_BASE);
      return addr;
    },
  },
  { name: 'pgtable_l4_enabled', place: (k) => flag(k, 0) },
  { name: 'pgtable_l5_enabled', place: (k) => flag(k, 0) },
];
function flag(k: Kernel, value: number): number {
  const addr = imageObject(k, 1, 1);
  writeKernel8(k, addr, value);
  return addr;
}
