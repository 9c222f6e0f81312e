import { EACCES, EINVAL, EIO, ENOTTY, ESRCH } from '../../../abi/errno.ts';
import { PROCMAP_QUERY } from '../../../abi/procmap.ts';
import type { Kernel } from '../../kernel.ts';
import { stringOf } from '../../lib/bytes.ts';
import { seqLseek, seqRead, type SeqText } from '../../lib/seq_file.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { accessRemote } from '../../mm/memory.ts';
import type { MmStruct } from '../../mm/mm_struct.ts';
import { ptraceMayAccess } from '../../ptrace.ts';
import type { File, FileOperations, Inode } from '../types.ts';
import { isAlive, pidOf } from './base.ts';
import { readPagemap } from './pagemap.ts';
import { procmapQuery } from './procmap_query.ts';
import { showMaps, showSmapsRollup } from './task_mmu.ts';

// Files of /proc/PID that show an address space. They keep the one that the process had when they were opened (proc_mem_open): after an execve they
// show nothing, not the new program.

interface MmFile extends SeqText {
  readonly mm: MmStruct | null;
}
function procMapsOpen(k: Kernel, inode: Inode, file: File): number {
  const { task } = pidOf(inode);
  if (!isAlive(k, task)) return -ESRCH;
  if (!ptraceMayAccess(k, task)) return -EACCES;
  file.data = { mm: task.exitState === 0 ? task.mm : null, text: null } satisfies MmFile;
  return 0;
}
/** The same for what makes no sense without an address space: kernel threads and zombies have none. */
function procMemOpen(k: Kernel, inode: Inode, file: File): number {
  const r = procMapsOpen(k, inode, file);
  return r === 0 && (file.data as MmFile).mm === null ? -ESRCH : r;
}
/** The address space while somebody still runs in it (mmget_not_zero). */
function mmOf(file: File): MmStruct | null {
  const { mm } = file.data as MmFile;
  return mm !== null && mm.users > 0 ? mm : null;
}
type ShowMm = (k: Kernel, mm: MmStruct) => string;

/** Text that only wants the address space. */
export function mmTextOps(show: ShowMm): FileOperations {
  const text = (k: Kernel, file: File) => {
    const mm = mmOf(file);
    return mm === null ? '' : show(k, mm);
  };
  return { open: procMemOpen, read: (k, file, iter, pos) => seqRead(k, file, iter, pos, text), llseek: seqLseek };
}
/** Text about its areas, which asks that the process is there. */
export function vmaTextOps(show: ShowMm): FileOperations {
  const text = (k: Kernel, file: File) => {
    if (!isAlive(k, pidOf(file.inode).task)) return -ESRCH;
    const mm = mmOf(file);
    return mm === null ? '' : show(k, mm);
  };
  return { open: procMapsOpen, read: (k, file, iter, pos) => seqRead(k, file, iter, pos, text), llseek: seqLseek };
}
export const mapsOps: FileOperations = {
  ...vmaTextOps(showMaps),
  ioctl: (k, file, cmd, arg) => (cmd === PROCMAP_QUERY ? procmapQuery(k, mmOf(file), arg) : -ENOTTY),
};
/** The auxiliary vector outlives the address space: it is in the structure itself. */
export const auxvOps: FileOperations = {
  open: procMemOpen,
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, (_k, f) => stringOf((f.data as MmFile).mm?.auxv ?? new Uint8Array(0))),
  llseek: seqLseek,
};
export const smapsRollupOps: FileOperations = {
  open: procMemOpen,
  read: (k, file, iter, pos) =>
    seqRead(k, file, iter, pos, (kk, f) => {
      const mm = isAlive(kk, pidOf(f.inode).task) ? mmOf(f) : null;
      return mm === null ? -ESRCH : showSmapsRollup(kk, mm);
    }),
  llseek: seqLseek,
};
export const pagemapOps: FileOperations = {
  open: procMemOpen,
  llseek: seqLseek,
  read(k, file, iter, pos) {
    const mm = mmOf(file);
    return mm === null ? 0 : readPagemap(k, file, mm, iter, pos);
  },
};
export const memOps: FileOperations = {
  open: procMemOpen,
  read: (k, file, iter, pos) => memTransfer(k, file, iter, pos, false),
  write: (k, file, iter, pos) => memTransfer(k, file, iter, pos, true),
  llseek(_k, file, offset, whence) {
    if (whence !== 0 && whence !== 1) return -EINVAL;
    file.pos = whence === 1 ? file.pos + offset : offset;
    return file.pos;
  },
};
function memTransfer(k: Kernel, file: File, iter: Parameters<NonNullable<FileOperations['read']>>[2], pos: number, write: boolean): number {
  const mm = mmOf(file);
  if (mm === null) return 0;
  const want = Math.min(iter.count, 16 * PAGE_SIZE);
  if (write) {
    const bytes = iter.copyFrom(k, want);
    if (typeof bytes === 'number') return bytes;
    return accessRemote(k, mm, pos, bytes, true, true) < 0 ? -EIO : bytes.length;
  }
  const bytes = new Uint8Array(want);
  return accessRemote(k, mm, pos, bytes, false, true) < 0 ? -EIO : iter.copyTo(k, bytes);
}
