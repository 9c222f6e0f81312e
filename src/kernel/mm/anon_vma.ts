import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { VM_ACCESS, type VmArea } from './mm_struct.ts';

// Which areas share the pages that were made for them (mm/rmap.c, vma.c). Linux finds the areas of an anonymous page by its anon_vma; pages here need no such
// thing, but it decides which neighbours may become one area, which /proc/PID/maps shows.

/** anon_vma_prepare: before the first private page of an area. A neighbour that could be one with it lends its own (find_mergeable_anon_vma). */
export function anonVmaPrepare(k: Kernel, vma: VmArea): void {
  if (vma.anon !== 0) return;
  const { vmas } = vma.mm;
  const i = vma.mm.indexAbove(vma.start);
  const next = vmas[i + 1];
  const prev = vmas[i - 1];
  if (next !== undefined && singular(next) && compatible(vma, next)) vma.anon = next.anon;
  else if (prev !== undefined && singular(prev) && compatible(prev, vma)) vma.anon = prev.anon;
  else vma.anon = k.mm.nextAnonVma++;
}
/** list_is_singular(&vma->anon_vma_chain): it has pages of its own, and none can come from a parent. */
function singular(vma: VmArea): boolean {
  return vma.anon !== 0 && !vma.anonInherited;
}
/** anon_vma_compatible: the protections may differ. */
function compatible(a: VmArea, b: VmArea): boolean {
  return (
    a.end === b.start && a.file === b.file && ((a.flags ^ b.flags) & ~VM_ACCESS) === 0 && b.pgoff === a.pgoff + (b.start - a.start) / PAGE_SIZE
  );
}
/** is_mergeable_anon_vma: may a range with `anon` join the area `to`? */
export function anonMergeable(anon: number, to: VmArea): boolean {
  return (anon === 0 && singular(to)) || anon === to.anon;
}
/** The same of two areas that a range between them would join. */
export function anonJoinable(a: VmArea, b: VmArea): boolean {
  return a.anon === 0 || b.anon === 0 || a.anon === b.anon;
}
