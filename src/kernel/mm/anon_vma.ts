import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { VM_ACCESS, type VmArea } from './mm_struct.ts';
import { AnonRoot } from './rmap.ts';

// Which areas share the pages that were made for them (mm/rmap.c, vma.c). The areas of an anonymous page are found by its anon_vma: here the root's (rmap.ts),
// and each area has the number of its own, which decides which neighbours may become one area, as /proc/PID/maps shows.

/** anon_vma_prepare: before the first private page of an area. A neighbour that could be one with it lends its own (find_mergeable_anon_vma). */
export function anonVmaPrepare(k: Kernel, vma: VmArea): void {
  if (vma.anon !== 0) return;
  const { vmas } = vma.mm;
  const i = vma.mm.indexAbove(vma.start);
  const next = vmas[i + 1];
  const prev = vmas[i - 1];
  if (next !== undefined && singular(next) && compatible(vma, next)) takeAnon(vma, next);
  else if (prev !== undefined && singular(prev) && compatible(prev, vma)) takeAnon(vma, prev);
  else {
    vma.anon = k.mm.nextAnonVma++;
    vma.root = new AnonRoot();
    vma.root.areas.add(vma);
  }
}
/** An area without private pages gets the anon_vma of another. */
export function takeAnon(vma: VmArea, from: VmArea): void {
  vma.anon = from.anon;
  vma.root = from.root;
  vma.root?.areas.add(vma);
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
