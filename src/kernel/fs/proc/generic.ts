import { EACCES, EINVAL, EIO, ENOENT } from '../../../abi/errno.ts';
import { dtypeOf, FMODE_READ, FMODE_WRITE, S_IFDIR, S_IFLNK, S_IFREG } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import type { PidNamespace } from '../../pid_namespace.ts';
import { seqLseek, seqRead, seqWrite } from '../../lib/seq_file.ts';
import type { DirEntry, File, FileOperations, Inode, InodeOperations, SuperBlock } from '../types.ts';

import type { ModuleProcEntry } from './module_entries.ts';
import type { SysctlTable } from './module_sysctl.ts';

// Entries that are not processes: a tree that subsystems and modules add to (fs/proc/generic.c).

/** The first inode number of dynamic entries (PROC_DYNAMIC_FIRST). */
const FIRST_INO = 0xf000_0000;

export interface ProcEntry {
  readonly name: string;
  readonly mode: number;
  readonly ino: number;
  readonly parent: ProcEntry | null;
  readonly children: Map<string, ProcEntry>;
  /** The text of a file. A number is an errno. */
  readonly show: ((k: Kernel, entry: ProcEntry) => string | number) | null;
  readonly store: ((k: Kernel, text: string, entry: ProcEntry) => number) | null;
  /** Instead of show and store: operations of its own (proc_ops). */
  readonly fop: FileOperations | null;
  readonly target: ((k: Kernel) => string) | null;
  /** For show, store and fop: plain data. */
  readonly data: unknown;
  /** /proc/sys: even root needs the mode bits (sysctl_perm). */
  readonly strict: boolean;
  inode: Inode | null;
  uid: number;
  gid: number;
  /** What stat says (proc_set_size). */
  size?: number;
}
export interface ProcFile {
  readonly mode?: number;
  readonly store?: (k: Kernel, text: string, entry: ProcEntry) => number;
  readonly fop?: FileOperations;
  readonly data?: unknown;
  readonly strict?: boolean;
}

/** The proc file system of a kernel: one super block for all mounts. */
export class ProcFs {
  readonly root: ProcEntry;
  /** What /proc/PID/net shows: of the one network namespace (fs/proc/proc_net.c). */
  readonly net: ProcEntry;
  sb!: SuperBlock;
  /** Super blocks of other PID namespaces than the first. */
  readonly namespaces = new WeakMap<SuperBlock, PidNamespace>();
  /** Entries of modules by the address of their handle. */
  readonly moduleEntries = new Map<number, ModuleProcEntry>();
  /** Tables of sysctls of modules by the address of their header. */
  readonly sysctlTables = new Map<number, SysctlTable>();
  private nextIno = FIRST_INO;

  constructor() {
    this.root = this.entry(null, '', S_IFDIR | 0o555, {});
    this.net = this.entry(null, '', S_IFDIR | 0o555, {});
  }
  /** null = the initial one. */
  pidNsOf(sb: SuperBlock): PidNamespace | null {
    return this.namespaces.get(sb) ?? null;
  }
  private entry(parent: ProcEntry | null, name: string, mode: number, rest: Partial<ProcEntry>): ProcEntry {
    const e: ProcEntry = {
      name,
      mode,
      ino: parent === null ? 1 : this.nextIno++,
      parent,
      children: new Map(),
      show: null,
      store: null,
      fop: null,
      target: null,
      data: null,
      strict: false,
      inode: null,
      uid: 0,
      gid: 0,
      ...rest,
    };
    parent?.children.set(name, e);
    return e;
  }
  find(path: string): ProcEntry | null {
    let at: ProcEntry | undefined = this.root;
    for (const part of path.split('/')) {
      if (part === '') continue;
      at = at?.children.get(part);
      if (at === undefined) return null;
    }
    return at;
  }
  /** proc_mkdir; directories on the way are made too. */
  mkdir(path: string, mode = 0o555, from = this.root): ProcEntry {
    let at = from;
    for (const part of path.split('/')) if (part !== '') at = at.children.get(part) ?? this.entry(at, part, S_IFDIR | mode, {});
    return at;
  }
  /** proc_create: a file whose text `show` makes. Null when the name is taken. */
  create(
    path: string,
    show: ((k: Kernel, entry: ProcEntry) => string | number) | null,
    file: ProcFile = {},
    from = this.root,
  ): ProcEntry | null {
    const i = path.lastIndexOf('/');
    const dir = this.mkdir(path.slice(0, Math.max(i, 0)), 0o555, from);
    const name = path.slice(i + 1);
    if (name === '' || dir.children.has(name)) return null;
    const mode = S_IFREG | (file.mode ?? (file.store !== undefined ? 0o644 : 0o444));
    return this.entry(dir, name, mode, {
      show,
      store: file.store ?? null,
      fop: file.fop ?? null,
      data: file.data ?? null,
      strict: file.strict ?? false,
    });
  }
  /** proc_create_net: below /proc/PID/net. */
  createNet(path: string, show: (k: Kernel, entry: ProcEntry) => string | number, file: ProcFile = {}): ProcEntry | null {
    return this.create(path, show, file, this.net);
  }
  /** `size`: what lstat says; a link to a fixed name has the name's length. */
  symlink(path: string, target: (k: Kernel) => string, size = 0): ProcEntry {
    const i = path.lastIndexOf('/');
    return this.entry(this.mkdir(path.slice(0, Math.max(i, 0))), path.slice(i + 1), S_IFLNK | 0o777, { target, data: size });
  }
  /** An entry that a module registers. */
  add(dir: ProcEntry, name: string, mode: number, fop: FileOperations | null, data: unknown): ProcEntry {
    const e = this.entry(dir, name, mode, { fop, data });
    if ((mode & S_IFDIR) !== 0 && dir.inode !== null) dir.inode.nlink++;
    return e;
  }
  /** Takes an entry out of the tree with all below it. */
  detach(e: ProcEntry): void {
    if (e.parent === null || e.parent.children.get(e.name) !== e) return;
    e.parent.children.delete(e.name);
    if ((e.mode & S_IFDIR) !== 0 && e.parent.inode !== null) e.parent.inode.nlink--;
  }
  /** remove_proc_subtree. False when there is nothing of that name. */
  remove(path: string): boolean {
    const e = this.find(path);
    if (e === null || e.parent === null) return false;
    return e.parent.children.delete(e.name);
  }
}

const entryOf = (inode: Inode) => inode.data as ProcEntry;
/** Entries that left the tree while open give nothing more. */
function isLive(e: ProcEntry): boolean {
  for (let at = e; at.parent !== null; at = at.parent) if (at.parent.children.get(at.name) !== at) return false;
  return true;
}

function showEntry(k: Kernel, file: File): string | number {
  const e = entryOf(file.inode);
  if (!isLive(e)) return -EIO;
  return e.show === null ? -EINVAL : e.show(k, e);
}
function storeEntry(k: Kernel, file: File, text: string): number {
  const e = entryOf(file.inode);
  if (!isLive(e)) return -EIO;
  return e.store === null ? -EINVAL : e.store(k, text, e);
}
function checkOpen(_k: Kernel, inode: Inode, file: File): number {
  if (!entryOf(inode).strict) return 0;
  if ((file.mode & FMODE_WRITE) !== 0 && (inode.mode & 0o222) === 0) return -EACCES;
  return (file.mode & FMODE_READ) !== 0 && (inode.mode & 0o444) === 0 ? -EACCES : 0;
}
const procFileOps: FileOperations = {
  open: checkOpen,
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, showEntry),
  write: (k, file, iter) => (entryOf(file.inode).store === null ? -EIO : seqWrite(k, file, iter, storeEntry)),
  llseek: seqLseek,
};
export const procDirOps: FileOperations = {};

/** What a directory of this tree does; the root of /proc adds the processes. */
export const procInodeOps: InodeOperations = {
  lookup(k, dir, name) {
    const e = entryOf(dir).children.get(name);
    return e === undefined ? null : procInode(k, e);
  },
  entries(_k, dir) {
    return procEntries(entryOf(dir));
  },
  readlink: (k, inode) => entryOf(inode).target?.(k) ?? -EINVAL,
  // Names that are not there cannot be made: the look-up itself fails.
  create: () => -ENOENT,
  symlink: () => -ENOENT,
  setattr: () => 0,
};
export function procEntries(dir: ProcEntry): DirEntry[] {
  return [...dir.children.values()].map((e) => ({ name: e.name, ino: e.ino, type: dtypeOf(e.mode) }));
}
/** The inode of an entry, made at first sight. */
export function procInode(k: Kernel, e: ProcEntry, op: InodeOperations = procInodeOps): Inode {
  if (e.inode !== null) return e.inode;
  const isDir = (e.mode & S_IFDIR) !== 0;
  const base = k.vfs.newInode(k.procfs.sb, e.mode, op, isDir ? procDirOps : (e.fop ?? procFileOps));
  const inode: Inode = { ...base, ino: e.ino, uid: e.uid, gid: e.gid, data: e };
  if (isDir) {
    inode.nlink = 2;
    for (const child of e.children.values()) if ((child.mode & S_IFDIR) !== 0) inode.nlink++;
  }
  if (e.size !== undefined) inode.size = e.size;
  if (e.target !== null) inode.size = e.data as number;
  e.inode = inode;
  return inode;
}
