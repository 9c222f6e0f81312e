import { BUS_ADRERR, SEGV_ACCERR, SIGBUS, SIGSEGV } from '../../abi/signal.ts';
import { page as PAGE, vm_fault as VMF, vm_operations_struct as OPS } from '../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../fs/module_file.ts';
import type { Kernel } from '../kernel.ts';
import { enterGuest } from '../module/call.ts';
import { continuation } from '../module/continuation.ts';
import type { Task } from '../sched/task.ts';
import { forceSignal } from '../signal.ts';
import { PAGE_SIZE, VMEMMAP_START } from './address.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { readKernel64, writeKernel32, writeKernel64 } from './maccess.ts';
import { ModuleMapping, operation, pageProtection, publishVma } from './module_mapping.ts';
import { VM_SHARED, VM_WRITE } from './mm_struct.ts';
import { frameForUser } from './memcontrol.ts';
import { outOfMemory } from './oom_kill.ts';
import { makePte, PTE_D, PTE_W, ptePointer, ptePresent, setPte } from './pgtable.ts';
import { pageAddMapping, pageAddNewAnon } from './rmap.ts';

// vm_ops->fault of a module: called for a page that a user program touched, or that the kernel touched for a system call (do_fault of mm/memory.c).

const FAULT_FLAG_WRITE = 1;
/** FAULT_FLAG_DEFAULT (ALLOW_RETRY, KILLABLE, INTERRUPTIBLE) and USER. */
const FAULT_FLAGS = 0x254;
const GFP_KERNEL = 0xcc0;
const VM_FAULT_OOM = 1;
const VM_FAULT_SIGBUS = 2;
const VM_FAULT_SIGSEGV = 0x40;
const VM_FAULT_NOPAGE = 0x100;
const VM_FAULT_LOCKED = 0x200;
const VM_FAULT_RETRY = 0x400;
const VM_FAULT_ERROR = 0x873;
const PG_LOCKED = 1;

interface FaultData {
  readonly vmf: number;
  readonly addr: number;
  readonly write: boolean;
  /** The kernel met it in a system call, which gets -EFAULT when it fails; otherwise the program a signal. */
  readonly forCall: boolean;
}

/** Calls the driver's fault function for `addr`. False when it has none (SIGBUS). */
export function startDriverFault(k: Kernel, task: Task, addr: number, write: boolean, forCall: boolean): boolean {
  const vma = task.mm?.find(addr);
  const mapping = vma?.mapping;
  if (vma === undefined || !(mapping instanceof ModuleMapping)) return false;
  const at = mapping.structs.get(vma) ?? 0;
  const fn = at === 0 ? 0 : operation(k, at, OPS.fault);
  const vmf = fn === 0 ? 0 : kzalloc(k, VMF.sizeof);
  if (vmf === 0) return false;
  publishVma(k, at);
  const page = addr - (addr % PAGE_SIZE);
  writeKernel64(k, vmf + VMF.vma, at);
  writeKernel32(k, vmf + VMF.gfp_mask, GFP_KERNEL);
  writeKernel64(k, vmf + VMF.pgoff, vma.pgoff + (page - vma.start) / PAGE_SIZE);
  writeKernel64(k, vmf + VMF.address, page);
  writeKernel64(k, vmf + VMF.real_address, addr);
  writeKernel32(k, vmf + VMF.flags, FAULT_FLAGS | (write ? FAULT_FLAG_WRITE : 0));
  const data: FaultData = { vmf, addr, write, forCall };
  enterGuest(k, task, fn, [vmf], 'vm_fault', { ...data });
  return true;
}

/** finish_fault: the page that the driver gave goes into the page table; the driver's reference is the mapping's. False = no memory. */
function finishFault(k: Kernel, task: Task, addr: number, page: number, write: boolean): boolean {
  const { mm } = task;
  const { pages } = k.mm;
  const pa = ((page - VMEMMAP_START) / PAGE.sizeof) * PAGE_SIZE;
  const vma = mm?.find(addr);
  const at = mm === null || vma === undefined ? 0 : ptePointer(k.ram, mm.pgd, addr, k.mm);
  if (mm === null || vma === undefined || at === 0 || ptePresent(k.ram.read32(at))) {
    pages.put(pa);
    return vma === undefined || at !== 0;
  }
  const prot = pageProtection(vma.flags);
  if (write && (vma.flags & VM_SHARED) === 0) {
    const copy = frameForUser(k, false);
    if (copy !== 0) {
      k.ram.u8.copyWithin(copy, pa, pa + PAGE_SIZE);
      anonVmaPrepare(k, vma);
      pageAddNewAnon(k, vma, addr - (addr % PAGE_SIZE), copy);
      setPte(k.ram, at, makePte(copy, prot | PTE_W | PTE_D));
    }
    pages.put(pa);
    return copy !== 0;
  }
  pageAddMapping(k, vma, pa);
  pages.put(pa);
  const writable = (vma.flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE);
  setPte(k.ram, at, makePte(pa, prot | (writable ? PTE_W : 0) | (write ? PTE_D : 0)));
  return true;
}
function isFrame(k: Kernel, page: number): boolean {
  const index = (page - VMEMMAP_START) / PAGE.sizeof;
  return Number.isInteger(index) && index >= 0 && index * PAGE_SIZE < k.ram.size;
}
continuation('vm_fault', (k, task, result, data) => {
  const { vmf, addr, write, forCall } = data as unknown as FaultData;
  const page = readKernel64(k, vmf + VMF.page) ?? 0;
  kfree(k, vmf);
  let bits = Number(BigInt.asIntN(32, result));
  if ((bits & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) === 0) {
    if (!isFrame(k, page)) bits = VM_FAULT_SIGBUS;
    else {
      const at = k.mm.pages.pageStruct(((page - VMEMMAP_START) / PAGE.sizeof) * PAGE_SIZE);
      if ((bits & VM_FAULT_LOCKED) !== 0) k.ram.write32(at, k.ram.read32(at) & ~PG_LOCKED);
      if (!finishFault(k, task, addr, page, write)) bits = VM_FAULT_OOM;
    }
  }
  if ((bits & VM_FAULT_ERROR) === 0) return;
  if (forCall) task.failedFault = addr;
  else if ((bits & VM_FAULT_OOM) !== 0) outOfMemory(k, task);
  else if ((bits & VM_FAULT_SIGSEGV) !== 0) forceSignal(k, task, { signo: SIGSEGV, code: SEGV_ACCERR, addr });
  else forceSignal(k, task, { signo: SIGBUS, code: BUS_ADRERR, addr });
});
