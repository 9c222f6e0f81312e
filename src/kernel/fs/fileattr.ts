import { EACCES, EFAULT, EOPNOTSUPP, EPERM, EROFS } from '../../abi/errno.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NOATIME_FL, FS_NODUMP_FL } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { getUser32, putUser32 } from '../mm/uaccess.ts';
import { isDir, isReg } from './namei.ts';
import { readOnlyFs } from './open.ts';
import type { File, Inode } from './types.ts';

// Flags of an inode that lsattr shows and chattr sets (fs/ioctl.c, FS_IOC_GETFLAGS in ioctl_iflags(2)). Memory file systems keep those below.

const KNOWN = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;
/** On riscv64 a long is 8 bytes, the flags are an int all the same. */
const FS_IOC_GETFLAGS = 0x8008_6601;
const FS_IOC_SETFLAGS = 0x4008_6602;
const CAP_FOWNER = 3;
const CAP_LINUX_IMMUTABLE = 9;

export const isImmutable = (inode: Inode) => (inode.flags & FS_IMMUTABLE_FL) !== 0;
export const isAppendOnly = (inode: Inode) => (inode.flags & FS_APPEND_FL) !== 0;

/** The ioctls on flags: null when it is another one, or the file has none. */
export function flagsIoctl(k: Kernel, file: File, cmd: number, arg: number): number | null {
  const { inode } = file;
  if ((cmd !== FS_IOC_GETFLAGS && cmd !== FS_IOC_SETFLAGS) || inode.sb.type === 'overlay') return null;
  if (!inode.sb.hasXattr || (!isReg(inode) && !isDir(inode))) return null;
  if (cmd === FS_IOC_GETFLAGS) return putUser32(k, arg, inode.flags);
  const wanted = getUser32(k, arg);
  if (wanted < 0) return -EFAULT;
  if (readOnlyFs(file.path)) return -EROFS;
  if (inode.uid !== k.current.cred.fsuid && !k.current.capable(CAP_FOWNER)) return -EACCES;
  const changed = wanted ^ inode.flags;
  if ((changed & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0 && !k.current.capable(CAP_LINUX_IMMUTABLE)) return -EPERM;
  if ((wanted & ~KNOWN) !== 0) return -EOPNOTSUPP;
  inode.flags = wanted;
  inode.ctime = k.vfs.now();
  return 0;
}
