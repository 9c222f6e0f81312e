import { E2BIG, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, EOPNOTSUPP, ESRCH } from '../../../abi/errno.ts';
import { majorOf, minorOf, PATH_MAX } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { SharedAnon } from '../../mm/filemap.ts';
import { type MmStruct, VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, type VmArea } from '../../mm/mm_struct.ts';
import { copyFromUser, copyToUser } from '../../mm/uaccess.ts';
import { dPath } from '../d_path.ts';
import { areaName } from './task_mmu.ts';

// ioctl PROCMAP_QUERY on /proc/PID/maps: one area as a structure instead of text (fs/proc/task_mmu.c, struct procmap_query in linux/fs.h).

/** _IOWR('f', 17, struct procmap_query) */
export const PROCMAP_QUERY = 0xc068_6611;
const SIZE = 104;
/** Up to query_addr. */
const LEAST = 24;
const COVERING_OR_NEXT_VMA = 0x10;
const FILE_BACKED_VMA = 0x20;
const VALID_FLAGS = 0x3f;
/** PROCMAP_QUERY_VMA_*, bits 0 to 3. */
const PERMISSIONS = [VM_READ, VM_WRITE, VM_EXEC, VM_MAYSHARE];

/** What a file would tell of it; shared anonymous memory is a file of the kernel's own tmpfs, device 0:1. */
function backing(v: VmArea): { dev: number; ino: number } | null {
  if (v.file !== null) return { dev: v.file.inode.sb.dev, ino: v.file.inode.ino };
  return v.mapping instanceof SharedAnon ? { dev: 1, ino: v.mapping.ino } : null;
}
/** query_matching_vma. */
function matching(mm: MmStruct, addr: number, flags: number): VmArea | null {
  const wanted = PERMISSIONS.reduce((bits, bit, i) => ((flags >> i) & 1 ? bits | bit : bits), 0);
  for (let i = mm.indexAbove(addr); i < mm.vmas.length; i++) {
    const v = mm.vmas[i];
    const fits = ((flags & FILE_BACKED_VMA) === 0 || backing(v) !== null) && (v.flags & wanted) === wanted;
    if (fits && ((flags & COVERING_OR_NEXT_VMA) !== 0 || v.start <= addr)) return v;
    if ((flags & COVERING_OR_NEXT_VMA) === 0) return null;
  }
  return null;
}

export function procmapQuery(k: Kernel, mm: MmStruct | null, arg: number): number {
  const head = copyFromUser(k, arg, 8);
  if (typeof head === 'number') return -EFAULT;
  const usize = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true));
  if (usize > PAGE_SIZE) return -E2BIG;
  if (usize < LEAST) return -EINVAL;
  const given = copyFromUser(k, arg, usize);
  if (typeof given === 'number') return -EFAULT;
  if (given.subarray(SIZE).some((b) => b !== 0)) return -E2BIG;
  const bytes = new Uint8Array(SIZE);
  bytes.set(given.subarray(0, Math.min(usize, SIZE)));
  const q = new DataView(bytes.buffer);
  const flags = q.getBigUint64(8, true);
  const nameSize = q.getUint32(80, true);
  const nameAddr = Number(q.getBigInt64(88, true));
  const buildIdSize = q.getUint32(84, true);
  if (flags > BigInt(VALID_FLAGS)) return -EINVAL;
  if ((nameSize === 0) !== (nameAddr === 0) || (buildIdSize === 0) !== (q.getBigUint64(96, true) === 0n)) return -EINVAL;
  if (mm === null) return -ESRCH;
  const addr = Number(q.getBigUint64(16, true));
  const v = matching(mm, addr, Number(flags));
  if (v === null) return -ENOENT;
  if (buildIdSize !== 0) {
    k.printk.log(4, 'PROCMAP_QUERY: build IDs are not implemented');
    return -EOPNOTSUPP;
  }
  const file = backing(v);
  q.setBigUint64(24, BigInt(v.start), true);
  q.setBigUint64(32, BigInt(v.end), true);
  q.setBigUint64(40, BigInt(PERMISSIONS.reduce((bits, bit, i) => bits | ((v.flags & bit) !== 0 ? 1 << i : 0), 0)), true);
  q.setBigUint64(48, BigInt(PAGE_SIZE), true);
  q.setBigUint64(56, BigInt(file === null ? 0 : v.pgoff * PAGE_SIZE), true);
  q.setBigUint64(64, BigInt(file?.ino ?? 0), true);
  q.setUint32(72, majorOf(file?.dev ?? 0), true);
  q.setUint32(76, minorOf(file?.dev ?? 0), true);
  if (nameSize !== 0) {
    const text = v.file !== null ? dPath(k, v.file.path) : areaName(k, mm, v);
    const name = text === '' ? new Uint8Array(0) : bytesOf(`${text}\0`);
    if (name.length > Math.min(PATH_MAX, nameSize)) return -ENAMETOOLONG;
    q.setUint32(80, name.length, true);
    if (name.length > 0 && copyToUser(k, nameAddr, name) < 0) return -EFAULT;
  }
  return copyToUser(k, arg, bytes.subarray(0, Math.min(usize, SIZE))) < 0 ? -EFAULT : 0;
}
