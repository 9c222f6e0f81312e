import { unattached } from './vfs.ts';
import { EINVAL, ENOSPC } from '../../abi/errno.ts';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import { NSFS_MAGIC } from '../../abi/nsfs.ts';
import { PIDFS_MAGIC } from '../../abi/pidfd.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { AddressSpace, ShmemMapping } from '../mm/filemap.ts';
import { F_SEAL_SEAL } from './attr.ts';
import { deviceFileOps } from './char_dev.ts';
import { pipeFifoOps } from './pipe.ts';
import { genericFileOps } from './read_write.ts';
import type { FileOperations, Inode, InodeOperations, SuperBlock } from './types.ts';

// tmpfs, ramfs and rootfs: names live in the dentry cache, contents in page frames (mm/shmem.c, fs/ramfs).

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;
const ANON_INODE_MAGIC = 0x09041934;
const PIPEFS_MAGIC = 0x50495045;

const dirFileOps: FileOperations = { fsync: () => 0 };
const noFileOps: FileOperations = {};

/** An inode of any type on a memory file system. */
export function memInode(k: Kernel, sb: SuperBlock, mode: number, rdev: number): Inode {
  let fop: FileOperations = noFileOps;
  switch (mode & S_IFMT) {
    case S_IFDIR:
      fop = dirFileOps;
      break;
    case S_IFREG:
      fop = genericFileOps;
      break;
    case S_IFIFO:
      fop = pipeFifoOps;
      break;
    case S_IFCHR:
    case S_IFBLK:
      fop = deviceFileOps;
      break;
  }
  const inode = k.vfs.newInode(sb, mode, memInodeOps, fop);
  inode.rdev = rdev;
  sb.usedInodes++;
  if ((mode & S_IFMT) === S_IFREG) {
    inode.mapping = sb.type === 'ramfs' || sb.options.split(',').includes('noswap') ? new AddressSpace(sb.quota) : new ShmemMapping(sb.quota);
    if (sb.type !== 'ramfs') inode.seals = F_SEAL_SEAL;
  }
  return inode;
}
function newMemInode(k: Kernel, sb: SuperBlock, mode: number, rdev: number): Inode | number {
  return sb.usedInodes >= sb.maxInodes ? -ENOSPC : memInode(k, sb, mode, rdev);
}

const memInodeOps: InodeOperations = {
  create: (k, dir, _name, mode, rdev) => newMemInode(k, dir.sb, mode, rdev),
  tmpfile: (k, dir, mode) => newMemInode(k, dir.sb, mode, 0),
  symlink: (k, dir, _name, target) => {
    const inode = newMemInode(k, dir.sb, S_IFLNK | 0o777, 0);
    if (typeof inode !== 'number') inode.data = target;
    return inode;
  },
  unlink: () => 0,
  rename: () => 0,
  link: () => 0,
  readlink: (_k, inode) => (typeof inode.data === 'string' ? inode.data : -EINVAL),
  setattr: () => 0,
};

interface MemOptions {
  mode: number;
  uid: number;
  gid: number;
  /** Pages and inodes; null = not given. */
  pages: number | null;
  inodes: number | null;
  /** Pages stay in memory (since 6.4). */
  noswap: boolean;
}
/** A size with k, m, g, or % of memory (memparse). Null when it is none. */
function parseSize(k: Kernel, text: string): number | null {
  const m = /^(0x[0-9a-f]+|\d+)([kmgt%]?)$/i.exec(text);
  if (m === null) return null;
  const n = Number(m[1]);
  if (m[2] === '%') return Math.floor((n * k.mm.pages.managedPages) / 100) * PAGE_SIZE;
  return m[2] === '' ? n : n * 1024 ** ('kmgt'.indexOf(m[2].toLowerCase()) + 1);
}
/** Mount options of tmpfs (shmem_parse_one) and ramfs, which only knows mode. */
function parseOptions(k: Kernel, type: string, text: string, into: MemOptions): number {
  for (const part of text.split(',')) {
    if (part === '') continue;
    const eq = part.indexOf('=');
    const key = eq < 0 ? part : part.slice(0, eq);
    const value = eq < 0 ? '' : part.slice(eq + 1);
    if (key === 'mode') {
      if (!/^[0-7]+$/.test(value)) return -EINVAL;
      into.mode = Number.parseInt(value, 8) & 0o7777;
      continue;
    }
    if (type === 'ramfs') continue; // ramfs has always ignored what it does not know
    const size = parseSize(k, value);
    switch (key) {
      case 'size':
        if (size === null) return -EINVAL;
        into.pages = Math.ceil(size / PAGE_SIZE);
        break;
      case 'nr_blocks':
        if (size === null) return -EINVAL;
        into.pages = size;
        break;
      case 'nr_inodes':
        if (size === null) return -EINVAL;
        into.inodes = size;
        break;
      case 'uid':
      case 'gid':
        if (!/^\d+$/.test(value)) return -EINVAL;
        into[key] = Number(value);
        break;
      case 'inode32':
      case 'inode64':
      case 'huge':
      case 'mpol':
        break;
      case 'noswap':
        into.noswap = true;
        break;
      default:
        return -EINVAL;
    }
  }
  return 0;
}
/** The text of /proc/mounts (shmem_show_options). */
function showOptions(type: string, o: MemOptions): string {
  const parts: string[] = [];
  if (type === 'ramfs') return o.mode !== 0o755 ? `mode=${o.mode.toString(8)}` : '';
  if (o.pages !== null) parts.push(`size=${o.pages * 4}k`);
  if (o.inodes !== null) parts.push(`nr_inodes=${o.inodes}`);
  if (o.mode !== 0o1777) parts.push(`mode=${o.mode.toString(8).padStart(3, '0')}`);
  if (o.uid !== 0) parts.push(`uid=${o.uid}`);
  if (o.gid !== 0) parts.push(`gid=${o.gid}`);
  parts.push('inode64');
  if (o.noswap) parts.push('noswap');
  return parts.join(',');
}
function applyOptions(k: Kernel, sb: SuperBlock, type: string, o: MemOptions): void {
  // By default half of memory (shmem_default_max_blocks); 0 = no limit.
  const half = Math.floor(k.mm.pages.managedPages / 2);
  const limit = (n: number | null) => (n === null ? half : n === 0 ? Number.POSITIVE_INFINITY : n);
  if (type !== 'ramfs') {
    sb.quota.max = limit(o.pages);
    sb.maxInodes = limit(o.inodes);
  }
  sb.options = showOptions(type, o);
}

function mountMem(k: Kernel, type: string, magic: number, options: string): SuperBlock | number {
  const o: MemOptions = { mode: type === 'tmpfs' ? 0o1777 : 0o755, uid: 0, gid: 0, pages: null, inodes: null, noswap: false };
  if (type === 'tmpfs' && k.current?.cred !== undefined) {
    o.uid = k.current.cred.fsuid;
    o.gid = k.current.cred.fsgid;
  }
  const bad = parseOptions(k, type, options, o);
  if (bad < 0) return bad;
  const sb = k.vfs.newSuperBlock(type, magic, false, '', type !== 'ramfs');
  applyOptions(k, sb, type, o);
  const root = memInode(k, sb, S_IFDIR | o.mode, 0);
  root.uid = o.uid;
  root.gid = o.gid;
  k.vfs.makeRoot(sb, root);
  return sb;
}
function remountMem(k: Kernel, sb: SuperBlock, options: string): number {
  const root = sb.root.inode;
  const o: MemOptions = { mode: root.mode & 0o7777, uid: root.uid, gid: root.gid, pages: null, inodes: null, noswap: false };
  const bad = parseOptions(k, sb.type, options, o);
  if (bad < 0) return bad;
  if (sb.type === 'ramfs' || options === '') return 0;
  if (o.pages !== null && o.pages !== 0 && o.pages < sb.quota.used) return -EINVAL;
  if (o.inodes !== null && o.inodes !== 0 && o.inodes < sb.usedInodes) return -EINVAL;
  applyOptions(k, sb, sb.type, o);
  return 0;
}
/** A kernel's own file system of memory inodes; its options are right by construction. */
function kernelMem(k: Kernel, type: string, magic: number, options: string): SuperBlock {
  const sb = mountMem(k, type, magic, options);
  if (typeof sb === 'number') throw new Error(`${type} options`);
  return sb;
}

const TMPFS_KEYS = ['size', 'nr_blocks', 'nr_inodes', 'mode', 'uid', 'gid', 'inode32', 'inode64', 'huge', 'mpol', 'noswap'];
const FLAG_KEYS = ['inode32', 'inode64', 'noswap'];
function checkParameter(k: Kernel, type: string, key: string, value: string | null): 'unknown' | 'bad' | 'ok' {
  if (!(type === 'tmpfs' ? TMPFS_KEYS : ['mode']).includes(key)) return 'unknown';
  if ((value === null) !== FLAG_KEYS.includes(key)) return 'bad';
  const o: MemOptions = { mode: 0, uid: 0, gid: 0, pages: null, inodes: null, noswap: false };
  return parseOptions(k, type, value === null ? key : `${key}=${value}`, o) < 0 ? 'bad' : 'ok';
}

export function tmpfsInit(k: Kernel): void {
  k.vfs.register({
    name: 'tmpfs',
    nodev: true,
    mount: (kk, _s, o) => mountMem(kk, 'tmpfs', TMPFS_MAGIC, o),
    remount: remountMem,
    parameter: (kk, key, v) => checkParameter(kk, 'tmpfs', key, v),
  });
  k.vfs.register({
    name: 'ramfs',
    nodev: true,
    mount: (kk, _s, o) => mountMem(kk, 'ramfs', RAMFS_MAGIC, o),
    remount: remountMem,
    parameter: (kk, key, v) => checkParameter(kk, 'ramfs', key, v),
  });
  k.vfs.register({ name: 'devtmpfs', nodev: true, mount: (kk) => kk.drivers.devtmpfs });
  // Linux's rootfs is a tmpfs when CONFIG_TMPFS is on; /proc/mounts calls it rootfs.
  const half = Math.floor(k.mm.pages.managedPages / 2);
  const root = kernelMem(k, 'rootfs', TMPFS_MAGIC, `mode=755,size=${half * 4}k,nr_inodes=${half}`);
  root.options = `size=${half * 4}k,nr_inodes=${half},inode64`;
  k.vfs.rootMount = k.vfs.attach(root, root.root, null, 'rootfs', 0);
  const anon = k.vfs.newSuperBlock('anon_inodefs', ANON_INODE_MAGIC, false);
  k.vfs.makeRoot(anon, memInode(k, anon, S_IFDIR | 0o555, 0));
  k.vfs.anonSb = anon;
  k.vfs.anonMount = { id: 0, uniqueId: 0n, sb: anon, root: anon.root, source: 'anon_inodefs', flags: 0, ...unattached() };
  k.vfs.pidfsSb = k.vfs.newSuperBlock('pidfs', PIDFS_MAGIC, false);
  k.vfs.nsfsSb = k.vfs.newSuperBlock('nsfs', NSFS_MAGIC, false);
  k.vfs.register({ name: 'pipefs', nodev: true, mount: () => -EINVAL });
  k.vfs.pipeSb = k.vfs.newSuperBlock('pipefs', PIPEFS_MAGIC, false);
  // Linux mounts it before anything else: device 0:1.
  k.vfs.shmSb = Object.assign(kernelMem(k, 'tmpfs', TMPFS_MAGIC, 'size=0,nr_inodes=0'), { dev: 1 });
}

/** The super block behind /dev. */
export function makeDevtmpfs(k: Kernel): SuperBlock {
  const half = Math.floor(k.mm.pages.managedPages / 2);
  return kernelMem(k, 'devtmpfs', TMPFS_MAGIC, `size=${half * 4}k,nr_inodes=${half},mode=755`);
}
