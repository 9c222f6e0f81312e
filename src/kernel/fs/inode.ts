import type { Kernel } from '../kernel.ts';
import type { File, Inode, Path, Timespec } from './types.ts';
import { FS_NOATIME_FL } from '../../abi/fs.ts';
import { MNT_NOATIME, MNT_NODIRATIME, MNT_RELATIME } from '../../abi/mount.ts';

// Time stamps (fs/inode.c).

const DAY = 24 * 60 * 60;
const O_NOATIME = 0o1000000;
const S_IFDIR = 0o040000;

export function timeBefore(a: Timespec, b: Timespec): boolean {
  return a.sec < b.sec || (a.sec === b.sec && a.nsec < b.nsec);
}
/** Sets the access time after a read, as the mount's relatime or noatime allows (touch_atime). */
export function touchAtime(k: Kernel, path: Path): void {
  const { inode } = path.dentry;
  const { flags } = path.mnt;
  if (inode.sb.readOnly || (inode.flags & FS_NOATIME_FL) !== 0 || (flags & (1 | MNT_NOATIME)) !== 0) return;
  if ((flags & MNT_NODIRATIME) !== 0 && (inode.mode & 0o170000) === S_IFDIR) return;
  const now = k.vfs.now();
  if (
    (flags & MNT_RELATIME) !== 0 &&
    timeBefore(inode.mtime, inode.atime) &&
    timeBefore(inode.ctime, inode.atime) &&
    now.sec - inode.atime.sec < DAY
  )
    return;
  inode.atime = now;
}
export function fileAccessed(k: Kernel, file: File): void {
  if ((file.flags & O_NOATIME) === 0) touchAtime(k, file.path);
}
/** Contents changed. */
export function touchModified(k: Kernel, inode: Inode): void {
  inode.mtime = inode.ctime = k.vfs.now();
}
