import { EINVAL, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import { dtypeOf } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { fileAccessed } from './inode.ts';
import { moduleEntries } from './modfs/operations.ts';
import { isDir } from './namei.ts';
import { fsnotifyAccess } from './notify/fsnotify.ts';
import type { Dentry, DirEntry, File } from './types.ts';

// Reading directories (fs/readdir.c, fs/libfs.c).

const DT_DIR = 4;
/** Position after the last entry of a memory directory (libfs DIR_OFFSET_EOD). */
const DIR_OFFSET_EOD = 0x7fff_ffff;
const FIRST_ENTRY = 2;

/** Takes one entry; false when there is no room for it. */
export type FillDir = (name: string, ino: number, type: number, pos: number) => boolean;

/** Hands the entries from file.pos on to `fill` until it declines; file.pos is then that entry's. */
export function iterateDir(k: Kernel, file: File, fill: FillDir): number {
  const { dentry } = file.path;
  const dir = dentry.inode;
  if (!isDir(dir)) return -ENOTDIR;
  if (dir.dead) return -ENOENT;
  const r = dir.sb.ofModule === true ? iterateModule(k, file, fill) : dir.op.entries !== undefined || dir.sb.volatile ? iterateList(k, file, fill) : iterateChildren(file, fill);
  if (r === 0) {
    fileAccessed(k, file);
    fsnotifyAccess(k, file);
  }
  return r;
}
function dots(file: File, fill: FillDir): boolean {
  const { dentry } = file.path;
  if (file.pos === 0) {
    if (!fill('.', dentry.inode.ino, DT_DIR, 0)) return false;
    file.pos = 1;
  }
  if (file.pos === 1) {
    if (!fill('..', dentry.parent.inode.ino, DT_DIR, 1)) return false;
    file.pos = FIRST_ENTRY;
  }
  return true;
}
/** Memory file systems: the dentries themselves, the newest first. A position is the directory offset of the entry to come. */
function iterateChildren(file: File, fill: FillDir): number {
  if (!dots(file, fill) || file.pos === DIR_OFFSET_EOD) return 0;
  const children: Dentry[] = [...file.path.dentry.children.values()];
  let i = children.length - 1;
  if (file.pos > FIRST_ENTRY) {
    i = children.findIndex((d) => (d.offset ?? 0) >= file.pos);
    // Past all offsets Linux starts over (offset_dir_lookup finds no child and takes the first).
    if (i < 0) i = children.length - 1;
  }
  for (; i >= 0; i--) {
    const child = children[i];
    file.pos = child.offset ?? 0;
    if (!fill(child.name, child.inode.ino, dtypeOf(child.inode.mode), file.pos)) return 0;
  }
  file.pos = DIR_OFFSET_EOD;
  return 0;
}
/** Directories of modules' file systems: what iterate_shared lists, `.` and `..` too; a position is an index into it. */
function iterateModule(k: Kernel, file: File, fill: FillDir): number {
  const list = moduleEntries(k, file);
  if (typeof list === 'number') return list;
  for (; file.pos < list.length; file.pos++) {
    const e = list[file.pos];
    if (!fill(e.name, e.ino, e.type, file.pos)) return 0;
  }
  return 0;
}
/** Directories that make their list: taken anew when reading starts at the beginning, a position is an index into it. */
function iterateList(k: Kernel, file: File, fill: FillDir): number {
  const { dentry } = file.path;
  if (file.pos === 0 || !Array.isArray(file.data)) {
    const own = dentry.inode.op.entries?.(k, dentry.inode) ?? [];
    if (typeof own === 'number') return own;
    file.data = own;
  }
  if (!dots(file, fill)) return 0;
  const list = file.data as readonly DirEntry[];
  while (file.pos - FIRST_ENTRY < list.length) {
    const e = list[file.pos - FIRST_ENTRY];
    if (!fill(e.name, e.ino, e.type, file.pos)) return 0;
    file.pos++;
  }
  return 0;
}

/** lseek on a directory. */
export function dirLlseek(file: File, offset: number, whence: number): number {
  let pos = offset;
  if (whence === 1) pos += file.pos;
  else if (whence !== 0) return -EINVAL;
  if (pos < 0) return -EINVAL;
  file.pos = pos;
  return pos;
}
