import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { page as PAGE } from '../../abi/layout/structs.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { KERN_ERR } from '../../abi/syslog.ts';
import { slotArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { faultInExport, warnAt } from '../traps.ts';
import { MODULES_END, MODULES_VADDR, PAGE_SIZE, pageFloor, VMEMMAP_START } from './address.ts';
import { readKernel64 } from './maccess.ts';
import { PTE_V } from './pgtable.ts';
import { isVmallocAddress, kernelToPhys, type VmKind, vfree, vmallocFor } from './vmalloc.ts';

// What mm/vmalloc.c exports.

/** VM_MAP and the page protection bits of a riscv PTE. */
const PROT_MASK = 0xff;

/** Where the call came from, for /proc/vmallocinfo. */
function caller(k: Kernel): number {
  return k.machine.regs.get(1);
}
function allocate(k: Kernel, size: number, gfp: number = GFP_KERNEL, kind: VmKind = 'vmalloc'): number {
  if (size === 0) {
    if (!k.mm.warnedVmallocZero) warnAt(k, 'mm/vmalloc.c:3838');
    k.mm.warnedVmallocZero = true;
    return 0;
  }
  const bytes = size < 0 ? size + 2 ** 64 : size;
  const zero = (gfp & GFP_ZERO) !== 0;
  const va = vmallocFor(k, bytes, gfp, { caller: caller(k), zero, kind });
  if (va !== 0) k.mm.check?.onAlloc(va, bytes, Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE, 'vmalloc', '', 0, zero);
  return va;
}
const zeroed = (k: Kernel, size: number) => allocate(k, size, GFP_KERNEL | GFP_ZERO);
const times = (n: number, size: number) => (n < 0 || size < 0 || n * size >= 2 ** 53 ? 2 ** 53 : n * size);

function free(k: Kernel, va: number): undefined {
  if (va === 0 || k.mm.check?.onFree(va, ['vmalloc']) === true || vfree(k, va)) return;
  if (va % PAGE_SIZE !== 0) warnAt(k, 'mm/vmalloc.c:3291', vsnprintf(k, 'Trying to vfree() bad address (%p)', slotArguments([BigInt(va)])));
  const text = vsnprintf(k, 'Trying to vfree() nonexistent vm area (%p)', slotArguments([BigInt(va)]));
  warnAt(k, 'mm/vmalloc.c:3426', text, KERN_ERR);
}
/** vmap: pages that the caller has, side by side. */
function vmap(k: Kernel, array: number, count: number, _flags: number, prot: number): number {
  const frames: number[] = [];
  for (let i = 0; i < count; i++) {
    const page = readKernel64(k, array + i * 8);
    if (page === null) {
      faultInExport(k, array + i * 8, Access.READ);
      return 0;
    }
    frames.push(((page - VMEMMAP_START) / PAGE.sizeof) * PAGE_SIZE);
  }
  if (frames.some((pa) => !Number.isInteger(pa / PAGE_SIZE) || pa < 0 || pa >= k.ram.size)) return 0;
  return k.mm.vmalloc.mapFrames(k, frames, { caller: caller(k), kind: 'vmap', prot: (prot & PROT_MASK) | PTE_V });
}
/** Physical address of the page behind `va`, or -1. */
function toPhys(k: Kernel, va: number): number {
  const pa = kernelToPhys(k, va);
  return pa < 0 ? -1 : pageFloor(pa);
}

export const vmallocExports: readonly FunctionExport[] = [
  fn('vmalloc_noprof', (k, size) => allocate(k, size)),
  fn('vzalloc_noprof', zeroed),
  fn('vmalloc_node_noprof', (k, size) => allocate(k, size)),
  fn('vzalloc_node_noprof', zeroed),
  fn('__vmalloc_noprof', (k, size, gfp) => allocate(k, size, gfp)),
  fn('vmalloc_huge_noprof', (k, size, gfp) => allocate(k, size, gfp)),
  fn('vmalloc_user_noprof', (k, size) => allocate(k, size, GFP_KERNEL | GFP_ZERO, 'user')),
  fn('vmalloc_32_noprof', (k, size) => allocate(k, size)),
  fn('vmalloc_32_user_noprof', (k, size) => allocate(k, size, GFP_KERNEL | GFP_ZERO, 'user')),
  fn('vmalloc_array_noprof', (k, n, size) => allocate(k, times(n, size))),
  fn('__vmalloc_array_noprof', (k, n, size, gfp) => allocate(k, times(n, size), gfp)),
  fn('vcalloc_noprof', (k, n, size) => zeroed(k, times(n, size))),
  fn('__vcalloc_noprof', (k, n, size, gfp) => allocate(k, times(n, size), gfp | GFP_ZERO)),
  fn('vfree', free),
  fn('vmap', vmap),
  fn('vunmap', (k, va) => {
    if (va !== 0) free(k, va);
  }),
  fn('vmalloc_to_page', (k, va) => {
    const pa = toPhys(k, va);
    return pa < 0 ? 0 : k.mm.pages.pageStructVa(pa);
  }),
  fn('vmalloc_to_pfn', (k, va) => toPhys(k, va) / PAGE_SIZE),
  fn('is_vmalloc_addr', (_k, va) => (isVmallocAddress(va) ? 1 : 0)),
  fn('is_vmalloc_or_module_addr', (_k, va) => (isVmallocAddress(va) || (va >= MODULES_VADDR && va < MODULES_END) ? 1 : 0)),
  partial('vm_unmap_aliases', 'no lazily unmapped ranges are kept', () => undefined),
];
