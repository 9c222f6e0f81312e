import { E2BIG, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ESRCH } from '../../../abi/errno.ts';
import { majorOf, minorOf, PATH_MAX } from '../../../abi/fs.ts';
import {
  ProcmapQuery as Q,
  PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
  PROCMAP_QUERY_FILE_BACKED_VMA,
  PROCMAP_QUERY_VMA_EXECUTABLE,
  PROCMAP_QUERY_VMA_READABLE,
  PROCMAP_QUERY_VMA_SHARED,
  PROCMAP_QUERY_VMA_WRITABLE,
} from '../../../abi/procmap.ts';
import type { Kernel } from '../../kernel.ts';
import { buildIdOf } from '../../lib/buildid.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { type MmStruct, VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, type VmArea } from '../../mm/mm_struct.ts';
import { copyFromUser, copyToUser, getUserBig } from '../../mm/uaccess.ts';
import { dPath } from '../d_path.ts';
import { areaFile, areaName } from './task_mmu.ts';

// ioctl PROCMAP_QUERY: one area of /proc/PID/maps in binary form (do_procmap_query in fs/proc/task_mmu.c).

/** offsetofend(struct procmap_query, query_addr). */
const MIN_SIZE = 24;
const PERMISSIONS: readonly (readonly [number, number])[] = [
  [PROCMAP_QUERY_VMA_READABLE, VM_READ],
  [PROCMAP_QUERY_VMA_WRITABLE, VM_WRITE],
  [PROCMAP_QUERY_VMA_EXECUTABLE, VM_EXEC],
  [PROCMAP_QUERY_VMA_SHARED, VM_MAYSHARE],
];
const VALID_FLAGS =
  PROCMAP_QUERY_VMA_READABLE |
  PROCMAP_QUERY_VMA_WRITABLE |
  PROCMAP_QUERY_VMA_EXECUTABLE |
  PROCMAP_QUERY_VMA_SHARED |
  PROCMAP_QUERY_COVERING_OR_NEXT_VMA |
  PROCMAP_QUERY_FILE_BACKED_VMA;

/** query_matching_vma. */
function matching(mm: MmStruct, addr: number, flags: number): VmArea | undefined {
  const next = (flags & PROCMAP_QUERY_COVERING_OR_NEXT_VMA) !== 0;
  for (let i = mm.indexAbove(addr); i < mm.vmas.length; i++) {
    const v = mm.vmas[i];
    const fits =
      ((flags & PROCMAP_QUERY_FILE_BACKED_VMA) === 0 || areaFile(v) !== null) &&
      PERMISSIONS.every(([query, vm]) => (flags & query) === 0 || (v.flags & vm) !== 0);
    if (fits && (next || v.start <= addr)) return v;
    if (!next) return undefined;
  }
  return undefined;
}

/** `mm`: null when nobody runs in it any more. */
export function procmapQuery(k: Kernel, mm: MmStruct | null, arg: number): number {
  const wide = getUserBig(k, arg);
  if (wide === null) return -EFAULT;
  if (wide < 0n || wide > BigInt(PAGE_SIZE)) return -E2BIG;
  const size = Number(wide);
  if (size < MIN_SIZE) return -EINVAL;
  const bytes = copyFromUser(k, arg, size);
  if (typeof bytes === 'number') return bytes;
  if (bytes.subarray(Q.sizeof).some((b) => b !== 0)) return -E2BIG;
  const q = new Uint8Array(Q.sizeof);
  q.set(bytes.subarray(0, Q.sizeof));
  const v = new DataView(q.buffer);
  const flags = v.getBigUint64(Q.query_flags, true);
  if ((flags & ~BigInt(VALID_FLAGS)) !== 0n) return -EINVAL;
  const nameRoom = v.getUint32(Q.vma_name_size, true);
  const nameAddr = Number(v.getBigInt64(Q.vma_name_addr, true));
  const idRoom = v.getUint32(Q.build_id_size, true);
  const idAddr = Number(v.getBigInt64(Q.build_id_addr, true));
  if ((nameRoom !== 0) !== (nameAddr !== 0) || (idRoom !== 0) !== (idAddr !== 0)) return -EINVAL;
  if (mm === null) return -ESRCH;
  const vma = matching(mm, Number(v.getBigUint64(Q.query_addr, true)), Number(flags));
  if (vma === undefined) return -ENOENT;

  const file = areaFile(vma);
  const put = (at: number, n: number) => v.setBigUint64(at, BigInt(n), true);
  put(Q.vma_start, vma.start);
  put(Q.vma_end, vma.end);
  put(
    Q.vma_flags,
    PERMISSIONS.reduce((sum, [query, vm]) => sum | ((vma.flags & vm) !== 0 ? query : 0), 0),
  );
  put(Q.vma_page_size, PAGE_SIZE);
  put(Q.vma_offset, file === null ? 0 : vma.pgoff * PAGE_SIZE);
  put(Q.inode, file?.ino ?? 0);
  v.setUint32(Q.dev_major, file === null ? 0 : majorOf(file.dev), true);
  v.setUint32(Q.dev_minor, file === null ? 0 : minorOf(file.dev), true);
  let id: Uint8Array | null = null;
  if (idRoom !== 0) {
    id = vma.file === null || vma.mapping === null ? null : buildIdOf(k, vma.mapping);
    if (id !== null && id.length > idRoom) return -ENAMETOOLONG;
    v.setUint32(Q.build_id_size, id?.length ?? 0, true);
  }
  let name: Uint8Array | null = null;
  if (nameRoom !== 0) {
    // The name as it is: maps escapes newlines.
    const text = vma.file !== null ? dPath(k, vma.file.path) : areaName(k, mm, vma);
    if (text !== '') name = bytesOf(`${text}\0`);
    if (name !== null && name.length > Math.min(nameRoom, PATH_MAX)) return -ENAMETOOLONG;
    v.setUint32(Q.vma_name_size, name?.length ?? 0, true);
  }
  if (name !== null && copyToUser(k, nameAddr, name) < 0) return -EFAULT;
  if (id !== null && copyToUser(k, idAddr, id) < 0) return -EFAULT;
  return copyToUser(k, arg, q.subarray(0, Math.min(size, Q.sizeof)));
}
