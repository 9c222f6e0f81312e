import { EINVAL } from '../../abi/errno.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { AddressSpace } from '../mm/filemap.ts';
import { genericFileOps } from './read_write.ts';
import { fifoFileOps } from './pipe.ts';
import { deviceFileOps } from './char_dev.ts';
import type { FileOperations, Inode, InodeOperations, SuperBlock } from './types.ts';

// tmpfs, ramfs and rootfs: names live in the dentry cache, contents in page frames (mm/shmem.c, fs/ramfs).

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

const dirFileOps: FileOperations = {};

/** An inode of any type on a memory file system. */
export function memInode(k: Kernel, sb: SuperBlock, mode: number, rdev: number): Inode {
  let fop: FileOperations = dirFileOps;
  switch (mode & S_IFMT) {
    case S_IFREG:
      fop = genericFileOps;
      break;
    case S_IFIFO:
      fop = fifoFileOps;
      break;
    case S_IFCHR:
    case S_IFBLK:
      fop = deviceFileOps;
      break;
  }
  const inode = k.vfs.newInode(sb, mode, memInodeOps, fop);
  inode.rdev = rdev;
  if ((mode & S_IFMT) === S_IFREG) inode.mapping = new AddressSpace();
  return inode;
}

const memInodeOps: InodeOperations = {
  create: (k, dir, _name, mode, rdev) => memInode(k, dir.sb, mode, rdev),
  symlink: (k, dir, _name, target) => {
    const inode = memInode(k, dir.sb, S_IFLNK | 0o777, 0);
    inode.data = target;
    return inode;
  },
  unlink: () => 0,
  rename: () => 0,
  link: () => 0,
  readlink: (_k, inode) => (typeof inode.data === 'string' ? inode.data : -EINVAL),
  setattr: () => 0,
};

function mountMem(k: Kernel, type: string, magic: number, options: string): SuperBlock {
  const sb = k.vfs.newSuperBlock(type, magic, false, options);
  const mode = /(?:^|,)mode=([0-7]+)/.exec(options);
  const root = memInode(k, sb, S_IFDIR | (mode !== null ? Number.parseInt(mode[1], 8) & 0o7777 : type === 'tmpfs' ? 0o1777 : 0o755), 0);
  k.vfs.makeRoot(sb, root);
  return sb;
}

export function tmpfsInit(k: Kernel): void {
  k.vfs.register({ name: 'tmpfs', nodev: true, mount: (kk, _s, o) => mountMem(kk, 'tmpfs', TMPFS_MAGIC, o) });
  k.vfs.register({ name: 'ramfs', nodev: true, mount: (kk, _s, o) => mountMem(kk, 'ramfs', RAMFS_MAGIC, o) });
  k.vfs.register({ name: 'devtmpfs', nodev: true, mount: (kk) => kk.drivers.devtmpfs });
  // Linux's rootfs is a tmpfs when CONFIG_TMPFS is on; /proc/mounts calls it rootfs.
  const root = mountMem(k, 'rootfs', TMPFS_MAGIC, 'mode=755');
  k.vfs.rootMount = k.vfs.attach(root, root.root, null, 'none', 0);
  const anon = k.vfs.newSuperBlock('anon_inodefs', 0x09041934, false);
  k.vfs.makeRoot(anon, memInode(k, anon, S_IFDIR | 0o555, 0));
  k.vfs.anonSb = anon;
  k.vfs.anonMount = { id: 0, sb: anon, root: anon.root, parent: null, mountpoint: null, source: 'anon_inodefs', flags: 0, covered: null };
  k.vfs.pipeSb = k.vfs.newSuperBlock('pipefs', 0x50495045, false);
}

/** The super block behind /dev. */
export function makeDevtmpfs(k: Kernel): SuperBlock {
  return mountMem(k, 'devtmpfs', TMPFS_MAGIC, 'mode=755');
}
