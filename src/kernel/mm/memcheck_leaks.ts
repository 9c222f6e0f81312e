import { page as PAGE } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { listModules, type Module } from '../module/module.ts';
import { THREAD_SIZE } from '../sched/task.ts';
import { KERNEL_IMAGE_SIZE, PAGE_OFFSET, PAGE_SIZE, VMEMMAP_START } from './address.ts';
import type { CheckedObject, MemoryCheck } from './memcheck.ts';
import { reportLeaks } from './memcheck_report.ts';
import { kernelToPhys } from './vmalloc.ts';

// What a module left behind when it went (mm/kmemleak.c): its allocations that no word of kernel memory points to, directly or over others of them.

/** Upper half of every kernel address of Sv39: at least this, as an unsigned number. */
const KERNEL_UPPER = 0xffff_ff80;

/** Visits the kernel pointers in `length` bytes at physical address `pa`. */
function eachPointer(k: Kernel, pa: number, length: number, visit: (va: number) => void): void {
  const { u32 } = k.ram;
  const end = (pa + length) >> 2;
  for (let i = Math.ceil(pa / 8) * 2; i + 1 < end; i += 2) {
    const upper = u32[i + 1];
    if (upper >= KERNEL_UPPER) visit((upper - 2 ** 32) * 2 ** 32 + u32[i]);
  }
}
function eachMapped(k: Kernel, va: number, length: number, visit: (va: number) => void): void {
  for (let at = va; at < va + length; at += PAGE_SIZE) {
    const pa = kernelToPhys(k, at);
    if (pa >= 0) eachPointer(k, pa, Math.min(PAGE_SIZE - (pa % PAGE_SIZE), va + length - at), visit);
  }
}
/** The kernel itself may have freed what a module gave it. */
function stillThere(k: Kernel, o: CheckedObject): boolean {
  const pa = o.va - PAGE_OFFSET;
  if (o.kind === 'vmalloc') return k.mm.vmalloc.find(o.va) !== null;
  return o.kind === 'pages' ? !k.mm.pages.isFree(pa) : k.mm.slab.objectAt(pa)?.allocated === true;
}
/** Says which allocations of a module that is gone nobody knows any more. */
export function scanForLeaks(k: Kernel, check: MemoryCheck, mod: Module): void {
  const suspects = check.all().filter((o) => o.allocated.owner === mod && o.freed === null && stillThere(k, o));
  if (suspects.length === 0) return;
  const reached = new Set<CheckedObject>();
  const queue: CheckedObject[] = [];
  const visit = (va: number) => {
    // A struct page stands for its page.
    const at =
      va >= VMEMMAP_START && va < VMEMMAP_START + 2 ** 32 ? PAGE_OFFSET + Math.floor((va - VMEMMAP_START) / PAGE.sizeof) * PAGE_SIZE : va;
    const object = check.objectAt(at);
    if (
      object === null ||
      object.freed !== null ||
      object.allocated.owner !== mod ||
      at < object.va ||
      at >= object.va + object.size ||
      reached.has(object)
    )
      return;
    reached.add(object);
    queue.push(object);
  };
  eachPointer(k, RAM_BASE, KERNEL_IMAGE_SIZE, visit);
  for (const other of listModules(k)) for (const m of other.memory) if (other !== mod && m.size > 0) eachMapped(k, m.base, m.size, visit);
  for (const task of k.sched.tasks.values()) if (task.stack !== 0 && task !== k.current) eachPointer(k, task.stack, THREAD_SIZE, visit);
  for (const cache of k.mm.slab.caches)
    for (const slab of cache.slabs)
      for (let i = 0; i < cache.perSlab; i++) {
        if (slab.used[i] === 0) continue;
        const pa = cache.objectPa(slab, i);
        const own = slab.checked?.[i] ?? null;
        if (own === null || (own.freed === null && own.allocated.owner !== mod)) eachPointer(k, pa, cache.objectSize, visit);
      }
  for (const o of check.all()) if (o.kind !== 'slab' && o.freed === null && o.allocated.owner !== mod) eachMapped(k, o.va, o.size, visit);
  for (let o = queue.pop(); o !== undefined; o = queue.pop()) eachMapped(k, o.va, o.size, visit);
  const lost = suspects.filter((o) => !reached.has(o));
  if (lost.length === 0) return;
  check.reports += lost.length;
  reportLeaks(k, lost);
}
