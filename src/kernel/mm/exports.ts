import { kernel_mapping as MAP } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import type { DataExport, FunctionExport } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { KERNEL_IMAGE_SIZE, KERNEL_LINK_ADDR, PAGE_OFFSET } from './address.ts';
import { writeKernel64, writeKernel8 } from './maccess.ts';
import { mappingDataExports, mappingExports } from './mapping_exports.ts';
import { dmaExports } from '../dma/mapping.ts';
import { dmaPoolExports } from './dmapool.ts';
import { mempoolExports } from './mempool.ts';
import { vmscanExports } from './vmscan.ts';
import { shrinkerExports } from './shrinker.ts';
import { pageDataExports, pageExports } from './page_exports.ts';
import { slabDataExports, slabExports } from './slab_exports.ts';
import { vmallocExports } from './vmalloc_exports.ts';

// What mm/ exports, and the map of the kernel half that inline functions look at.

export const mmExports: readonly FunctionExport[] = [...mappingExports, ...pageExports, ...slabExports, ...vmallocExports, ...shrinkerExports, ...mempoolExports, ...dmaPoolExports, ...dmaExports, ...vmscanExports];

export const mmDataExports: readonly DataExport[] = [
  ...mappingDataExports,
  ...pageDataExports,
  ...slabDataExports,
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
  // Where the kernel image begins and ends; modules lie between _end - 2 GiB and _start (asm/pgtable.h).
  { name: '_text', place: () => KERNEL_LINK_ADDR, internal: true },
  { name: '_stext', place: () => KERNEL_LINK_ADDR, internal: true },
  { name: '_start', place: () => KERNEL_LINK_ADDR },
  { name: '_end', place: () => KERNEL_LINK_ADDR + KERNEL_IMAGE_SIZE },
  { name: 'pgtable_l4_enabled', place: (k) => flag(k, 0) },
  { name: 'pgtable_l5_enabled', place: (k) => flag(k, 0) },
];
function flag(k: Kernel, value: number): number {
  const addr = imageObject(k, 1, 1);
  writeKernel8(k, addr, value);
  return addr;
}
