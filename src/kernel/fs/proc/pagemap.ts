import { EINVAL } from '../../../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../../mm/address.ts';
import { isAnon, mapCount } from '../../mm/page.ts';
import { entrySlot, entryType } from '../../mm/swap_slots.ts';
import { ptePa, ptePointer, ptePresent } from '../../mm/pgtable.ts';
import type { Kernel } from '../../kernel.ts';
import type { MmStruct } from '../../mm/mm_struct.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import type { File } from '../types.ts';

// /proc/PID/pagemap: 8 bytes for each page of the address space (fs/proc/task_mmu.c, Documentation/admin-guide/mm/pagemap.rst).

const CAP_SYS_ADMIN = 21;
const ENTRY = 8;
const PM_MMAP_EXCLUSIVE = 1n << 56n;
const PM_FILE = 1n << 61n;
const PM_SWAP = 1n << 62n;
const PM_PRESENT = 1n << 63n;
/** How much one read walks. */
const CHUNK = 65536;

function entryOf(k: Kernel, mm: MmStruct, va: number, showPfn: boolean): bigint {
  const vma = mm.find(va);
  if (vma === undefined) return 0n;
  const at = ptePointer(k.ram, mm.pgd, va, null);
  const pte = at === 0 ? 0 : k.ram.read32(at);
  if (pte !== 0 && !ptePresent(pte)) {
    const exclusive = k.mm.swap.users(pte) === 1 ? PM_MMAP_EXCLUSIVE : 0n;
    return PM_SWAP | exclusive | (showPfn ? BigInt(entryType(pte)) | (BigInt(entrySlot(pte)) << 5n) : 0n);
  }
  if (pte === 0) return 0n;
  const pa = ptePa(pte);
  let e = PM_PRESENT | (showPfn ? BigInt(pa / PAGE_SIZE) : 0n);
  const struct = k.mm.pages.pageStruct(pa);
  if (!isAnon(k.ram, struct)) e |= PM_FILE;
  if (mapCount(k.ram, struct) === 1) e |= PM_MMAP_EXCLUSIVE;
  return e; // riscv64 has no soft-dirty bits
}
/** Entries from `pos` on, as far as `iter` has room; frame numbers are for those who may administer the system. */
export function readPagemap(k: Kernel, file: File, mm: MmStruct, iter: IovIter, pos: number): number {
  if (pos % ENTRY !== 0 || iter.count % ENTRY !== 0) return -EINVAL;
  const showPfn = ((file.cred.capEffective >> BigInt(CAP_SYS_ADMIN)) & 1n) !== 0n;
  const from = (pos / ENTRY) * PAGE_SIZE;
  const n = Math.min(iter.count, CHUNK, Math.max(0, ((TASK_SIZE - from) / PAGE_SIZE) * ENTRY));
  const bytes = new Uint8Array(n);
  const v = new DataView(bytes.buffer);
  for (let i = 0; i < n; i += ENTRY) v.setBigUint64(i, entryOf(k, mm, from + (i / ENTRY) * PAGE_SIZE, showPfn), true);
  return iter.copyTo(k, bytes);
}
