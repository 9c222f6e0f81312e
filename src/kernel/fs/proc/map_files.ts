import { EACCES, ENOENT, EPERM } from '../../../abi/errno.ts';
import { dtypeOf, FMODE_READ, FMODE_WRITE, S_IFLNK } from '../../../abi/fs.ts';
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from '../../../abi/sched.ts';
import { hex } from '../../lib/seq_file.ts';
import { VM_MAYWRITE, VM_SHARED, type VmArea } from '../../mm/mm_struct.ts';
import { ptraceMayAccess } from '../../ptrace.ts';
import { dPath } from '../d_path.ts';
import type { Inode, InodeOperations } from '../types.ts';
import { newPidInode, pidOf, type ProcPid } from './base.ts';
import { areaFile } from './task_mmu.ts';

// /proc/PID/map_files: a link START-END to the file of each mapping (fs/proc/base.c).

/** What stat says of the length of such a link, whatever it leads to. */
const LINK_SIZE = 64;

interface ProcMapping extends ProcPid {
  readonly start: number;
  readonly end: number;
}
/** Two numbers without leading zeros (dname_to_vma_addr). */
const NAME = /^(0|[1-9a-f][0-9a-f]{0,15})-(0|[1-9a-f][0-9a-f]{0,15})$/i;

function areaAt(inode: Inode): VmArea | null {
  const { task, start, end } = inode.data as ProcMapping;
  const vma = task.exitState === 0 ? task.mm?.find(start) : undefined;
  return vma !== undefined && vma.start === start && vma.end === end ? vma : null;
}
const linkOps: InodeOperations = {
  cantMount: true,
  // Opening wants more than reading the link: it gives a file that no name may lead to.
  magicLink(k, inode) {
    if (!k.current.capable(CAP_CHECKPOINT_RESTORE) && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
    if (!ptraceMayAccess(k, pidOf(inode).task)) return -EACCES;
    return areaAt(inode)?.file?.path ?? -ENOENT;
  },
  readlink(k, inode) {
    if (!ptraceMayAccess(k, pidOf(inode).task)) return -EACCES;
    const vma = areaAt(inode);
    if (vma === null || areaFile(vma) === null) return -ENOENT;
    return vma.file === null ? '/dev/zero (deleted)' : dPath(k, vma.file.path);
  },
};
export const mapFilesDirOps: InodeOperations = {
  lookup(k, dir, name) {
    const { task, thread } = pidOf(dir);
    if (!ptraceMayAccess(k, task)) return -EACCES;
    const m = NAME.exec(name);
    if (m === null || task.exitState !== 0) return null;
    const [start, end] = [Number.parseInt(m[1], 16), Number.parseInt(m[2], 16)];
    const vma = task.mm?.find(start);
    if (vma === undefined || vma.start !== start || vma.end !== end || areaFile(vma) === null) return null;
    const data: ProcMapping = { task, entry: null, thread, start, end };
    const inode = newPidInode(k, task, S_IFLNK | modeOf(vma), data, linkOps, {}, dir.ino * 4096 + (start % 4093));
    inode.size = LINK_SIZE;
    return inode;
  },
  entries(k, dir) {
    const { task } = pidOf(dir);
    if (!ptraceMayAccess(k, task)) return -EACCES;
    if (task.exitState !== 0 || task.mm === null) return [];
    return task.mm.vmas
      .filter((v) => areaFile(v) !== null)
      .map((v) => ({ name: `${hex(v.start)}-${hex(v.end)}`, ino: dir.ino * 4096 + (v.start % 4093), type: dtypeOf(S_IFLNK) }));
  },
};
/** How the file was opened. */
function modeOf(vma: VmArea): number {
  const mode = vma.file?.mode ?? FMODE_READ | ((vma.flags & (VM_SHARED | VM_MAYWRITE)) !== 0 ? FMODE_WRITE : 0);
  return ((mode & FMODE_READ) !== 0 ? 0o400 : 0) | ((mode & FMODE_WRITE) !== 0 ? 0o200 : 0);
}
