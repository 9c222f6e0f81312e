import { mm_struct as MM, vm_area_struct as VMA, vm_operations_struct as OPS } from '../../abi/layout/structs.ts';
import { ENOMEM } from '../../abi/errno.ts';
import { guestResult, kfree, kzalloc } from '../fs/module_file.ts';
import type { Kernel } from '../kernel.ts';
import { asInt, callGuest } from '../module/call.ts';
import { symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { PAGE_SIZE, physToVirt, TASK_SIZE } from './address.ts';
import { AddressSpace } from './filemap.ts';
import { readKernel32, readKernel64, writeKernel32, writeKernel64 } from './maccess.ts';
import { zapRange } from './memory.ts';
import { type MmStruct, VM_ACCESS, VM_EXEC, VM_READ, VM_SHARED, VM_WRITE, type VmArea } from './mm_struct.ts';
import { PTE_A, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from './pgtable.ts';

// Mappings of a module's files: the vm_area_struct that its functions see, and the calls of fops->mmap and of vm_ops->open and close. Pages come into the
// page tables by remap_pfn_range and its kin, or by vm_ops->fault (module_fault.ts).

/** What is known of a vm_area_struct in guest memory. `area` is null while fops->mmap runs. */
export interface ModuleVma {
  readonly mm: MmStruct;
  area: VmArea | null;
}
/** struct rw_semaphore of a vma, which inline vm_flags_set takes. */
const VMA_LOCK_SIZE = 64;
const RWSEM_WRITER_LOCKED = 1;

/** The areas of one mmap call, and what was split or copied off them. */
export class ModuleMapping extends AddressSpace {
  override readonly shmem = false;
  override readonly driver = true;
  /** The vm_area_struct of each area. */
  readonly structs = new Map<VmArea, number>();
  private readonly k: Kernel;
  /** Made for fops->mmap, and not yet an area's. */
  private first: number;

  constructor(k: Kernel, first: number) {
    super();
    this.k = k;
    this.first = first;
    this.size = Number.MAX_SAFE_INTEGER;
  }
  override addArea(vma: VmArea): void {
    super.addArea(vma);
    const { k } = this;
    const fresh = this.first === 0;
    const at = fresh ? makeStruct(k, vma, this.sourceOf(vma)) : this.first;
    this.first = 0;
    if (at === 0) return;
    this.structs.set(vma, at);
    k.drivers.moduleVmas.set(at, { mm: vma.mm, area: vma });
    if (fresh && operation(k, at, OPS.open) !== 0) k.drivers.addWork(k, { kind: 'vma_open', vma: at });
  }
  /** The struct that a new area's is a copy of: of the other half when it was split off, of the parent's area in fork, of the one that moves. */
  private sourceOf(vma: VmArea): number {
    let found = 0;
    for (const [area, at] of this.structs) {
      if (area.mm === vma.mm && area.end === vma.start) return at;
      if (area.pgoff === vma.pgoff && (found === 0 || area.mm === this.k.current.mm)) found = at;
    }
    return found;
  }
  /** __split_vma with new_below: the upper part keeps the struct, the lower one gets what was made for the upper. */
  override splitBelow(lower: VmArea, upper: VmArea): void {
    const { k } = this;
    const [kept, made] = [this.structs.get(lower), this.structs.get(upper)];
    if (kept === undefined || made === undefined) return;
    this.structs.set(lower, made);
    this.structs.set(upper, kept);
    k.drivers.moduleVmas.set(made, { mm: lower.mm, area: lower });
    k.drivers.moduleVmas.set(kept, { mm: upper.mm, area: upper });
  }
  override removeArea(k: Kernel, vma: VmArea): void {
    super.removeArea(k, vma);
    const at = this.structs.get(vma);
    if (at === undefined) return;
    publishArea(k, at, vma);
    this.structs.delete(vma);
    k.drivers.moduleVmas.set(at, { mm: vma.mm, area: null });
    if (operation(k, at, OPS.close) !== 0) k.drivers.addWork(k, { kind: 'vma_close', vma: at });
    else freeStruct(k, at);
  }
}
/** The function at `offset` of vma->vm_ops; 0 = none. */
export function operation(k: Kernel, vma: number, offset: number): number {
  const ops = readKernel64(k, vma + VMA.vm_ops) ?? 0;
  return ops === 0 ? 0 : (readKernel64(k, ops + offset) ?? 0);
}

/** protection_map: PTE bits of vm_flags (asm/pgtable.h). Private writable pages are not: they are copied first. */
export function pageProtection(flags: number): number {
  if ((flags & VM_ACCESS) === 0) return 0;
  const write = (flags & (VM_WRITE | VM_SHARED)) === (VM_WRITE | VM_SHARED);
  const read = (flags & (VM_READ | VM_WRITE)) !== 0;
  return PTE_V | PTE_A | PTE_U | (read ? PTE_R : 0) | (write ? PTE_W : 0) | ((flags & VM_EXEC) !== 0 ? PTE_X : 0);
}
/** A vm_area_struct for `vma`: fresh, or with the operations and data of `like`. 0 = no memory. */
function makeStruct(k: Kernel, vma: VmArea, like: number): number {
  const at = kzalloc(k, VMA.sizeof + VMA_LOCK_SIZE);
  if (at === 0) return 0;
  writeKernel64(k, at + VMA.vm_mm, physToVirt(vma.mm.addr));
  writeKernel64(k, at + VMA.vm_lock, at + VMA.sizeof);
  // As if locked for writing (vma_start_write has nothing to do): its sequence is the mm's.
  writeKernel32(k, at + VMA.vm_lock_seq, readKernel32(k, physToVirt(vma.mm.addr) + MM.mm_lock_seq) ?? 0);
  for (const member of [VMA.vm_ops, VMA.vm_file, VMA.vm_private_data]) writeKernel64(k, at + member, like === 0 ? 0 : (readKernel64(k, like + member) ?? 0));
  publishArea(k, at, vma);
  return at;
}
function freeStruct(k: Kernel, at: number): void {
  k.drivers.moduleVmas.delete(at);
  kfree(k, at);
}
/** Bounds, offset and flags, as they are now. */
function publishArea(k: Kernel, at: number, vma: VmArea): void {
  writeKernel64(k, at + VMA.vm_start, vma.start);
  writeKernel64(k, at + VMA.vm_end, vma.end);
  writeKernel64(k, at + VMA.vm_pgoff, vma.pgoff);
  writeKernel64(k, at + VMA.vm_flags, vma.flags);
  writeKernel64(k, at + VMA.vm_page_prot, pageProtection(vma.flags));
}

/**
 * fops->mmap at `fn` of a module's file for an area that is not linked yet. The mapping, 0 for plain memory (the driver took away vm_ops), what the function
 * returned otherwise, or BLOCKED.
 */
export function mapModuleFile(k: Kernel, file: number, fn: number, draft: VmArea): AddressSpace | number {
  const task = k.current;
  let at = (task.restart?.['vma'] as number | undefined) ?? 0;
  if (at === 0) {
    at = makeStruct(k, draft, 0);
    if (at === 0) return -ENOMEM;
    writeKernel64(k, at + VMA.vm_file, file);
    writeKernel64(k, at + VMA.vm_ops, symbolAddress(k, 'vma_dummy_vm_ops'));
    k.drivers.moduleVmas.set(at, { mm: draft.mm, area: null });
    task.restart = { ...task.restart, vma: at };
  }
  const lock = physToVirt(draft.mm.addr) + MM.mmap_lock_count;
  // Inline vm_flags_set looks whether the mm is locked for writing.
  writeKernel64(k, lock, RWSEM_WRITER_LOCKED);
  const result = callGuest(k, fn, file, at);
  if (result === null) return BLOCKED;
  writeKernel64(k, lock, 0);
  task.restart = { ...task.restart, vma: undefined };
  let r = guestResult(asInt(result));
  // Another thread took the place while the driver slept.
  if ((readKernel64(k, at + VMA.vm_start) ?? 0) !== draft.start) r = -ENOMEM;
  if (r !== 0 || (readKernel64(k, at + VMA.vm_ops) ?? 0) === 0) {
    if (r !== 0) zapRange(k, draft.mm, draft, draft.start, draft.end);
    freeStruct(k, at);
    return r;
  }
  draft.flags = (readKernel64(k, at + VMA.vm_flags) ?? draft.flags) & 0x7fff_ffff;
  draft.pgoff = readKernel64(k, at + VMA.vm_pgoff) ?? draft.pgoff;
  return new ModuleMapping(k, at);
}
/** Before a function of the driver gets it. */
export function publishVma(k: Kernel, at: number): void {
  const area = k.drivers.moduleVmas.get(at)?.area ?? null;
  if (area !== null) publishArea(k, at, area);
}
/** After vm_ops->close. */
export function vmaClosed(k: Kernel, at: number): void {
  freeStruct(k, at);
}
/** The address space and bounds of a vm_area_struct; null when it is none. */
export function moduleVma(k: Kernel, at: number): { mm: MmStruct; area: VmArea | null; start: number; end: number; flags: number } | null {
  const known = k.drivers.moduleVmas.get(at);
  if (known === undefined) return null;
  const { mm, area } = known;
  const start = area?.start ?? readKernel64(k, at + VMA.vm_start) ?? 0;
  const end = area?.end ?? readKernel64(k, at + VMA.vm_end) ?? 0;
  // The driver can write what it likes there.
  const valid = start >= 0 && start % PAGE_SIZE === 0 && end >= start && end <= TASK_SIZE;
  return valid ? { mm, area, start, end, flags: (readKernel64(k, at + VMA.vm_flags) ?? 0) & 0x7fff_ffff } : null;
}
/** vm_flags_set. */
export function setVmaFlags(k: Kernel, at: number, bits: number): void {
  writeKernel64(k, at + VMA.vm_flags, ((readKernel64(k, at + VMA.vm_flags) ?? 0) | bits) >>> 0);
  const area = k.drivers.moduleVmas.get(at)?.area ?? null;
  if (area !== null) area.mm.setFlags(area, area.flags | bits);
}
