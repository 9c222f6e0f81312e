import { dtypeOf, majorOf, minorOf } from '../../abi/fs.ts';
import {
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  MS_SYNCHRONOUS,
} from '../../abi/mount.ts';
import type { Kernel } from '../kernel.ts';
import { fromKidMunged, type UserNamespace } from '../user_namespace.ts';
import { isDir } from './namei.ts';
import type { Inode, Path, StatfsSizes, SuperBlock, Timespec } from './types.ts';

// What stat, statx and statfs tell (fs/stat.c, fs/statfs.c).

const PAGE = 4096;
const DT_LNK = 10;
/** What an entry adds to the size of a tmpfs directory (BOGO_DIRENT_SIZE). */
const BOGO_DIRENT_SIZE = 20;
/** Longer link targets take a page (SHORT_SYMLINK_LEN). */
const SHORT_SYMLINK = 128;
const ST_VALID = 0x20;

export function inodeSize(inode: Inode): number {
  if (inode.mapping !== null) return inode.mapping.size;
  if (typeof inode.data === 'string' && dtypeOf(inode.mode) === DT_LNK) return inode.data.length;
  return inode.size ?? 0;
}
/** i_size of what a path names. */
export function sizeOf(path: Path): number {
  const { inode, children } = path.dentry;
  if (!isDir(inode) || inode.sb.volatile) return inodeSize(inode);
  if (inode.sb.ofModule === true) return inode.size ?? 0;
  return inode.sb.type === 'ramfs' || inode.sb.type === 'debugfs' ? 0 : inode.dead ? 2 * BOGO_DIRENT_SIZE : (children.size + 2) * BOGO_DIRENT_SIZE;
}
/** 512-byte units. */
function blocksOf(inode: Inode): number {
  if (inode.mapping !== null) return inode.mapping.allocatedPages * 8;
  return typeof inode.data === 'string' && dtypeOf(inode.mode) === DT_LNK && !inode.sb.volatile && inode.data.length >= SHORT_SYMLINK
    ? 8
    : 0;
}

const statBytes = new Uint8Array(128);
const statView = new DataView(statBytes.buffer);
/** struct stat (asm-generic/stat.h), 128 bytes that hold until the next call. */
export function encodeStat(path: Path, viewer: UserNamespace): Uint8Array {
  const { inode } = path.dentry;
  const v = statView;
  putWord(v, 0, inode.sb.dev);
  putWord(v, 8, inode.ino);
  v.setUint32(16, inode.mode, true);
  v.setUint32(20, inode.nlink, true);
  v.setUint32(24, fromKidMunged(viewer, 'uid', inode.uid), true);
  v.setUint32(28, fromKidMunged(viewer, 'gid', inode.gid), true);
  putWord(v, 32, inode.rdev);
  putWord(v, 48, sizeOf(path));
  v.setInt32(56, blockSize(inode), true);
  putWord(v, 64, blocksOf(inode));
  putTime(v, 72, inode.atime);
  putTime(v, 88, inode.mtime);
  putTime(v, 104, inode.ctime);
  return statBytes;
}
/** A number as 64-bit two's complement, without a BigInt on the way. */
function putWord(v: DataView, at: number, value: number): void {
  v.setInt32(at, value | 0, true);
  v.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
function putTime(v: DataView, at: number, t: Timespec): void {
  putWord(v, at, t.sec);
  putWord(v, at + 8, t.nsec);
}
const blockSize = (inode: Inode) => (inode.sb.type === 'proc' ? 1024 : PAGE);

const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const STATX_MNT_ID_UNIQUE = 0x4000;
const STATX_ATTR_IMMUTABLE = 0x10;
const STATX_ATTR_APPEND = 0x20;
const STATX_ATTR_NODUMP = 0x40;
const STATX_ATTR_AUTOMOUNT = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000;
const STATX_ATTR_DAX = 0x20_0000;

/** struct statx, 256 bytes. */
export function encodeStatx(path: Path, mask: number, viewer: UserNamespace): Uint8Array {
  const { inode } = path.dentry;
  const bytes = new Uint8Array(256);
  const v = new DataView(bytes.buffer);
  const memory = inode.sb.hasXattr;
  let result = STATX_BASIC_STATS | ((mask & STATX_MNT_ID_UNIQUE) !== 0 ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID);
  if (memory && (mask & STATX_BTIME) !== 0) result |= STATX_BTIME;
  v.setUint32(0, result, true);
  v.setUint32(4, blockSize(inode), true);
  let known = STATX_ATTR_AUTOMOUNT | STATX_ATTR_MOUNT_ROOT | STATX_ATTR_DAX;
  if (memory) known |= STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
  // STATX_ATTR_IMMUTABLE, APPEND and NODUMP are the bits of the flags.
  const attributes = (inode.flags & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)) | (path.dentry === path.mnt.root ? STATX_ATTR_MOUNT_ROOT : 0);
  v.setBigUint64(8, BigInt(attributes), true);
  v.setBigUint64(56, BigInt(known), true);
  v.setUint32(16, inode.nlink, true);
  v.setUint32(20, fromKidMunged(viewer, 'uid', inode.uid), true);
  v.setUint32(24, fromKidMunged(viewer, 'gid', inode.gid), true);
  v.setUint16(28, inode.mode, true);
  v.setBigUint64(32, BigInt(inode.ino), true);
  v.setBigUint64(40, BigInt(sizeOf(path)), true);
  v.setBigUint64(48, BigInt(blocksOf(inode)), true);
  const time = (at: number, t: Timespec) => {
    v.setBigInt64(at, BigInt(t.sec), true);
    v.setUint32(at + 8, t.nsec, true);
  };
  time(64, inode.atime);
  if ((result & STATX_BTIME) !== 0) time(80, inode.btime);
  time(96, inode.ctime);
  time(112, inode.mtime);
  v.setUint32(128, majorOf(inode.rdev), true);
  v.setUint32(132, minorOf(inode.rdev), true);
  v.setUint32(136, majorOf(inode.sb.dev), true);
  v.setUint32(140, minorOf(inode.sb.dev), true);
  v.setBigUint64(144, (mask & STATX_MNT_ID_UNIQUE) !== 0 ? path.mnt.uniqueId : BigInt(path.mnt.id), true);
  return bytes;
}

/** ST_* of a mount's flags (flags_by_mnt, flags_by_sb). */
function statfsFlags(path: Path): number {
  const { flags } = path.mnt;
  let f = ST_VALID | (flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_SYNCHRONOUS | MS_MANDLOCK));
  if ((flags & MS_RELATIME) !== 0) f |= 0x1000;
  if (path.dentry.inode.sb.readOnly) f |= MS_RDONLY;
  return f & ~MS_LAZYTIME;
}
/** What there is and what is left on a file system; 0 where it has no limits. */
export function statfsSizes(k: Kernel, sb: SuperBlock): StatfsSizes | number {
  if (sb.statfs !== null) return sb.statfs(k);
  const blocks = Number.isFinite(sb.quota.max) ? sb.quota.max : 0;
  const free = blocks === 0 ? 0 : Math.min(sb.quota.max - sb.quota.used, k.mm.pages.freePages);
  const files = Number.isFinite(sb.maxInodes) ? sb.maxInodes : 0;
  return { blockSize: PAGE, blocks, free, available: free, files, freeFiles: files === 0 ? 0 : files - sb.usedInodes };
}
/** struct statfs, 120 bytes. */
export function encodeStatfs(k: Kernel, path: Path): Uint8Array {
  const { sb } = path.dentry.inode;
  const bytes = new Uint8Array(120);
  const v = new DataView(bytes.buffer);
  const set = (i: number, n: number) => v.setBigInt64(i * 8, BigInt(n), true);
  set(0, sb.magic);
  const sizes = statfsSizes(k, sb);
  if (typeof sizes !== 'number') {
    set(1, sizes.blockSize);
    set(2, sizes.blocks);
    set(3, sizes.free);
    set(4, sizes.available);
    set(5, sizes.files);
    set(6, sizes.freeFiles);
    set(9, sizes.blockSize);
  }
  v.setInt32(56, sb.dev, true);
  set(8, 255);
  set(10, statfsFlags(path));
  return bytes;
}
