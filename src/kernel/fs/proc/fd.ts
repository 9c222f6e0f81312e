import { EACCES, ENOENT } from '../../../abi/errno.ts';
import {
  dtypeOf,
  FMODE_READ,
  FMODE_WRITE,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_LARGEFILE,
  O_NOCTTY,
  O_TRUNC,
  S_IFLNK,
  S_IFREG,
} from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { seqLseek, seqRead } from '../../lib/seq_file.ts';
import type { Task } from '../../sched/task.ts';
import { showFdLocks } from '../locks.ts';
import { dPath } from '../d_path.ts';
import type { DirEntry, File, FileOperations, Inode, InodeOperations } from '../types.ts';
import { mayAccess, newPidInode, pidOf, type ProcPid } from './base.ts';

// /proc/PID/fd and fdinfo (fs/proc/fd.c).

/** proc_pid_instantiate's links of descriptors say 64. */
const LINK_SIZE = 64;

interface ProcFd extends ProcPid {
  readonly fd: number;
}
function fileAt(inode: Inode): File | null {
  const { task, fd } = inode.data as ProcFd;
  return task.exitState !== 0 ? null : task.files.get(fd);
}
export function openFds(task: Task): number[] {
  const out: number[] = [];
  if (task.exitState !== 0) return out;
  for (const [fd, file] of task.files.fds.entries()) if (file != null) out.push(fd);
  return out;
}
const fdNumber = (name: string) => (/^(0|[1-9][0-9]*)$/.test(name) ? Number(name) : -1);

const fdLinkOps: InodeOperations = {
  cantMount: true,
  magicLink: (k, inode) => {
    if (!mayAccess(k, pidOf(inode).task)) return -EACCES;
    return fileAt(inode)?.path ?? -ENOENT;
  },
  readlink: (k, inode) => {
    if (!mayAccess(k, pidOf(inode).task)) return -EACCES;
    const file = fileAt(inode);
    return file === null ? -ENOENT : dPath(k, file.path);
  },
};
function fdEntries(k: Kernel, dir: Inode, type: number): DirEntry[] | number {
  const { task } = pidOf(dir);
  if (!mayAccess(k, task)) return -EACCES;
  return openFds(task).map((fd) => ({ name: String(fd), ino: dir.ino * 4096 + fd, type: dtypeOf(type) }));
}
export const fdDirOps: InodeOperations = {
  lookup(k, dir, name) {
    const { task, thread } = pidOf(dir);
    const file = task.exitState !== 0 ? null : task.files.get(fdNumber(name));
    if (file === null) return null;
    const mode = S_IFLNK | ((file.mode & FMODE_READ) !== 0 ? 0o500 : 0) | ((file.mode & FMODE_WRITE) !== 0 ? 0o300 : 0);
    const data: ProcFd = { task, entry: null, thread, fd: Number(name) };
    const inode = newPidInode(k, task, mode, data, fdLinkOps, {}, dir.ino * 4096 + Number(name));
    inode.size = LINK_SIZE;
    return inode;
  },
  entries: (k, dir) => fdEntries(k, dir, S_IFLNK),
};

function showFdinfo(k: Kernel, file: File): string | number {
  const target = fileAt(file.inode);
  if (target === null) return -ENOENT;
  const { task, fd } = file.inode.data as ProcFd;
  const kept = target.flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
  const flags = kept | O_LARGEFILE | (task.files.closeOnExec[fd] ? O_CLOEXEC : 0);
  const more = target.op.showFdinfo?.(k, target) ?? '';
  return `pos:\t${target.pos}\nflags:\t0${(flags >>> 0).toString(8)}\nmnt_id:\t${target.path.mnt.id}\nino:\t${target.inode.ino}\n${showFdLocks(target, task.files)}${more}`;
}
const fdinfoOps: FileOperations = {
  open: (k, inode) => (mayAccess(k, pidOf(inode).task) ? 0 : -EACCES),
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, showFdinfo),
  llseek: seqLseek,
};
const fdinfoInodeOps: InodeOperations = { cantMount: true };
export const fdinfoDirOps: InodeOperations = {
  lookup(k, dir, name) {
    const { task, thread } = pidOf(dir);
    if (task.exitState !== 0 || task.files.get(fdNumber(name)) === null) return null;
    const data: ProcFd = { task, entry: null, thread, fd: Number(name) };
    return newPidInode(k, task, S_IFREG | 0o444, data, fdinfoInodeOps, fdinfoOps, dir.ino * 4096 + Number(name));
  },
  entries: (k, dir) => fdEntries(k, dir, S_IFREG),
};
