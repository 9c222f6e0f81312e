import { EBADF, ENOTDIR } from '../../abi/errno.ts';
import { FAN_MARK_DONT_FOLLOW, FAN_MARK_ONLYDIR } from '../../abi/fanotify.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC } from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { handleToPath, nameToHandle, nameToHandleFlags } from '../fs/exportfs.ts';
import { isDir } from '../fs/namei.ts';
import { fanotifyInit, fanotifyMark } from '../fs/notify/fanotify_user.ts';
import { inotifyAddWatch, inotifyInit, inotifyRmWatch } from '../fs/notify/inotify_user.ts';
import { openPath } from '../fs/open.ts';
import type { Kernel } from '../kernel.ts';
import { fdGet, fdGetRaw, installFile, resolveAt, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// inotify and file handles (fs/notify/inotify/inotify_user.c, fs/fhandle.c).

function sysInotifyAddWatch(k: Kernel, fd: number, ptr: number, mask: number): number {
  const lookup = (flags: number, directory: boolean) => {
    const path = resolveAt(k, AT_FDCWD, ptr, flags, directory);
    return typeof path !== 'number' && directory && !isDir(path.dentry.inode) ? -ENOTDIR : path;
  };
  return inotifyAddWatch(k, fdGet(k, fd), lookup, mask);
}
function sysFanotifyMark(k: Kernel, fd: number, flags: number, mask: number, dfd: number, ptr: number): number {
  const lookup = (how: number) => {
    const directory = (how & FAN_MARK_ONLYDIR) !== 0;
    const path = ptr === 0 ? (fdGet(k, dfd)?.path ?? -EBADF) : resolveAt(k, dfd, ptr, (how & FAN_MARK_DONT_FOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0, directory);
    return typeof path !== 'number' && directory && !isDir(path.dentry.inode) ? -ENOTDIR : path;
  };
  return fanotifyMark(k, fdGet(k, fd), flags >>> 0, BigInt.asUintN(64, BigInt(mask)), lookup);
}
function sysNameToHandleAt(k: Kernel, dirfd: number, ptr: number, handle: number, mountId: number, flags: number): number {
  const lookup = nameToHandleFlags(flags);
  if (lookup < 0) return lookup;
  const path = resolveAt(k, dirfd, ptr, lookup);
  return typeof path === 'number' ? path : nameToHandle(k, path, handle, mountId, flags);
}
function sysOpenByHandleAt(k: Kernel, mountFd: number, handle: number, flags: number): number {
  const path = handleToPath(k, mountFd, fdGetRaw(k, mountFd), handle);
  if (typeof path === 'number') return path;
  const file = openPath(k, path, flags);
  return typeof file === 'number' ? file : installFile(k, file, (flags & O_CLOEXEC) !== 0);
}

export const fsNotifySyscalls: readonly SyscallRow[] = [
  row(NR.NR_inotify_init1, 'inotify_init1', inotifyInit),
  row(NR.NR_inotify_add_watch, 'inotify_add_watch', sysInotifyAddWatch),
  row(NR.NR_inotify_rm_watch, 'inotify_rm_watch', (k, fd, wd) => inotifyRmWatch(k, fdGet(k, fd), wd | 0)),
  row(NR.NR_fanotify_init, 'fanotify_init', (k, flags, how) => fanotifyInit(k, flags >>> 0, how >>> 0), 'no file handles, no pidfds'),
  row(NR.NR_fanotify_mark, 'fanotify_mark', sysFanotifyMark, 'no permission events'),
  row(NR.NR_name_to_handle_at, 'name_to_handle_at', sysNameToHandleAt),
  row(NR.NR_open_by_handle_at, 'open_by_handle_at', sysOpenByHandleAt),
];
