import { EINVAL, ENOENT, EPERM } from '../../abi/errno.ts';
import { O_EXCL, O_LARGEFILE, O_RDWR } from '../../abi/fs.ts';
import { filpOpen } from '../fs/open.ts';
import type { Kernel } from '../kernel.ts';

// swapon(2), swapoff(2): there is nothing that could be swapped to. Memory file systems cannot hold swap in Linux either (mm/swapfile.c: no read_folio).

const CAP_SYS_ADMIN = 21;
const SWAP_FLAGS_VALID = 0x71fff;
const MEMORY: readonly string[] = ['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'proc', 'sysfs', 'cgroup2'];

export function swapon(k: Kernel, name: string, flags: number): number {
  if ((flags & ~SWAP_FLAGS_VALID) !== 0) return -EINVAL;
  if (!k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const file = filpOpen(k, k.current.fs.pwd, name, O_RDWR | O_LARGEFILE | O_EXCL, 0);
  if (typeof file === 'number') return file;
  const { type } = file.inode.sb;
  const gone = file.path.dentry.deleted;
  k.vfs.fput(file);
  if (gone) return -ENOENT;
  if (!MEMORY.includes(type)) k.printk.log(4, `swapon: swap to ${type} is not implemented`);
  return -EINVAL;
}
export function swapoff(k: Kernel, name: string): number {
  if (!k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const file = filpOpen(k, k.current.fs.pwd, name, O_RDWR | O_LARGEFILE, 0);
  if (typeof file === 'number') return file;
  k.vfs.fput(file);
  // It is not swapped to.
  return -EINVAL;
}
