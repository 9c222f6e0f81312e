import { EINVAL, EPERM } from '../../../abi/errno.ts';
import { dtypeOf, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import type { HostAttr, HostDirectory, HostTime } from '../../host.ts';
import type { Kernel } from '../../kernel.ts';
import type { AttrChange, DirEntry, FileOperations, Inode, InodeOperations, SuperBlock } from '../types.ts';
import { HostMapping, hostFileOps } from './file.ts';

// Names and attributes of hostfs.

/** Inodes kept beyond those in use. */
const MAX_INODES = 8192;

/** The guest's side of one shared directory (in HostInode). */
export interface HostFs {
  readonly dir: HostDirectory;
  readonly inodes: Map<number, Inode>;
  /** Inode numbers that listings have told, by directory and name. */
  readonly told: Map<string, number>;
}
/** Inode.data. */
export interface HostInode {
  readonly fs: HostFs;
  readonly node: number;
  /** Modification time that the host said last. */
  seen: HostTime;
  /** The guest changed contents: its clock says when, and the host is told at close. */
  timesDirty: boolean;
  blocks: number;
}
export const hostInode = (inode: Inode) => inode.data as HostInode;
export const sameTime = (a: HostTime, b: HostTime) => a.sec === b.sec && a.nsec === b.nsec;

/** FIFOs, sockets and devices of the host can be looked at only. */
const specialOps: FileOperations = { open: () => -EPERM };
const dirOps: FileOperations = {
  fsync: (_k, file) => {
    const { fs, node } = hostInode(file.inode);
    return fs.dir.syncDir(node);
  },
};

export function makeHostInode(k: Kernel, sb: SuperBlock, fs: HostFs, attr: HostAttr, ino: number): Inode {
  const type = attr.mode & S_IFMT;
  const fop = type === S_IFREG ? hostFileOps : type === S_IFDIR ? dirOps : type === S_IFLNK ? {} : specialOps;
  const { nextIno } = sb;
  const inode = k.vfs.newInode(sb, attr.mode & ~0o6000, hostInodeOps, fop);
  (inode as { ino: number }).ino = ino;
  sb.nextIno = nextIno;
  const data: HostInode = { fs, node: attr.node, seen: attr.mtime, timesDirty: false, blocks: attr.blocks };
  inode.data = data;
  if (type === S_IFREG) inode.mapping = new HostMapping(inode);
  [inode.atime, inode.mtime, inode.ctime, inode.btime] = [attr.atime, attr.mtime, attr.ctime, attr.btime];
  takeAttributes(k, inode, attr);
  fs.inodes.set(attr.node, inode);
  return inode;
}
function takeAttributes(k: Kernel, inode: Inode, attr: HostAttr): void {
  const data = hostInode(inode);
  const mapping = inode.mapping as HostMapping | null;
  const changed = !sameTime(attr.mtime, data.seen) || (mapping !== null && mapping.size !== attr.size);
  inode.mode = (inode.mode & S_IFMT) | (attr.mode & 0o1777);
  inode.uid = attr.uid;
  inode.gid = attr.gid;
  inode.nlink = Math.max(1, attr.nlink);
  data.blocks = attr.blocks;
  if (mapping === null) inode.size = attr.size;
  else mapping.size = attr.size;
  data.seen = attr.mtime;
  if (!changed || data.timesDirty) return;
  inode.mtime = attr.mtime;
  inode.ctime = attr.ctime;
  mapping?.invalidate(k);
}
/** Asks the host for the attributes of a known inode; what it cannot say stays as it was. */
export function refresh(k: Kernel, inode: Inode): void {
  const { fs, node } = hostInode(inode);
  const attr = fs.dir.getattr(node);
  if (typeof attr !== 'number') takeAttributes(k, inode, attr);
}

const key = (dir: Inode, name: string) => `${dir.ino}/${name}`;
/** The number of the next new inode; a name that a listing showed keeps what was told. */
function numberFor(dir: Inode, name: string): number {
  const { told } = hostInode(dir).fs;
  return told.get(key(dir, name)) ?? dir.sb.nextIno++;
}
function inodeOf(k: Kernel, dir: Inode, name: string, attr: HostAttr | number): Inode | number {
  if (typeof attr === 'number') return attr;
  const { fs } = hostInode(dir);
  const known = fs.inodes.get(attr.node);
  if (known !== undefined && ((known.mode ^ attr.mode) & S_IFMT) === 0) {
    takeAttributes(k, known, attr);
    fs.told.set(key(dir, name), known.ino);
    return known;
  }
  prune(fs);
  const inode = makeHostInode(k, dir.sb, fs, attr, numberFor(dir, name));
  fs.told.set(key(dir, name), inode.ino);
  return inode;
}
/** The guest made it: its clock says when. */
function made(k: Kernel, dir: Inode, name: string, attr: HostAttr | number): Inode | number {
  const inode = inodeOf(k, dir, name, attr);
  if (typeof inode === 'number') return inode;
  hostInode(inode).timesDirty = hostInode(dir).timesDirty = true;
  inode.atime = inode.mtime = inode.ctime = inode.btime = k.vfs.now();
  return inode;
}
function forget(fs: HostFs, inode: Inode): void {
  const { node } = hostInode(inode);
  if (fs.inodes.get(node) === inode) {
    fs.inodes.delete(node);
    fs.dir.forget(node);
  }
}
/** Directories stay: someone may stand in them. */
function prune(fs: HostFs): void {
  if (fs.inodes.size < MAX_INODES) return;
  let left = MAX_INODES / 4;
  for (const inode of fs.inodes.values()) {
    if (left === 0) break;
    const idle = inode.openCount === 0 && inode.marks === null && (inode.mapping?.areas.size ?? 0) === 0;
    if (!idle || (inode.mode & S_IFMT) === S_IFDIR) continue;
    forget(fs, inode);
    left--;
  }
}

function setattr(k: Kernel, inode: Inode, change: AttrChange): number {
  const { fs, node } = hostInode(inode);
  switch (change.what) {
    case 'mode':
      return fs.dir.setMode(node, change.mode);
    case 'owner':
      return fs.dir.setOwner(node, change.uid, change.gid);
    case 'xattr':
      return -EPERM;
    case 'size':
      hostInode(inode).timesDirty = true;
      return fs.dir.truncate(node, change.size);
    case 'times': {
      const r = fs.dir.setTimes(node, change.atime, change.mtime);
      hostInode(inode).timesDirty = false;
      if (r === 0) refresh(k, inode);
      return r;
    }
  }
}

export const hostInodeOps: InodeOperations = {
  lookup(k, dir, name) {
    const { fs, node } = hostInode(dir);
    const inode = inodeOf(k, dir, name, fs.dir.lookup(node, name));
    return inode === -2 ? null : inode; // ENOENT
  },
  getattr: refresh,
  setattr,
  create(k, dir, name, mode) {
    const { fs, node } = hostInode(dir);
    const { fsuid, fsgid } = k.current.cred;
    const type = mode & S_IFMT;
    if ((mode & 0o6000) !== 0) return -EPERM;
    if (type === S_IFDIR) return made(k, dir, name, fs.dir.mkdir(node, name, mode & 0o7777, fsuid, fsgid));
    if (type === S_IFREG) return made(k, dir, name, fs.dir.create(node, name, mode & 0o7777, fsuid, fsgid));
    return -EPERM;
  },
  symlink(k, dir, name, target) {
    const { fs, node } = hostInode(dir);
    const { fsuid, fsgid } = k.current.cred;
    return made(k, dir, name, fs.dir.symlink(node, name, target, fsuid, fsgid));
  },
  link(_k, inode, dir, name) {
    const to = hostInode(dir);
    to.timesDirty = true;
    return to.fs.dir.link(hostInode(inode).node, to.node, name);
  },
  unlink(_k, dir, name, victim) {
    const { fs, node } = hostInode(dir);
    const directory = (victim.mode & S_IFMT) === S_IFDIR;
    const r = directory ? fs.dir.rmdir(node, name) : fs.dir.unlink(node, name);
    if (r < 0) return r;
    fs.told.delete(key(dir, name));
    hostInode(dir).timesDirty = true;
    if (victim.openCount === 0 && (directory || victim.nlink <= 1)) forget(fs, victim);
    return 0;
  },
  rename(_k, from, to, flags) {
    if (flags !== 0) return -EINVAL;
    const { fs, node } = hostInode(from.dir);
    const r = fs.dir.rename(node, from.name, hostInode(to.dir).node, to.name);
    if (r < 0) return r;
    hostInode(from.dir).timesDirty = hostInode(to.dir).timesDirty = true;
    const ino = fs.told.get(key(from.dir, from.name));
    fs.told.delete(key(from.dir, from.name));
    if (ino !== undefined) fs.told.set(key(to.dir, to.name), ino);
    return 0;
  },
  readlink(_k, inode) {
    const { fs, node } = hostInode(inode);
    return fs.dir.readlink(node);
  },
  entries(_k, dir) {
    const { fs, node } = hostInode(dir);
    const list = fs.dir.readdir(node);
    if (typeof list === 'number') return list;
    return list.map((e): DirEntry => {
      const ino = numberFor(dir, e.name);
      fs.told.set(key(dir, e.name), ino);
      return { name: e.name, ino, type: dtypeOf(e.mode) };
    });
  },
};
