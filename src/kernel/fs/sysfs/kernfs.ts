import { EACCES, EEXIST, EINVAL, EIO, ENODEV, EPERM } from '../../../abi/errno.ts';
import { dtypeOf, FMODE_READ, FMODE_WRITE, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { seqLseek, seqRead, seqWrite } from '../../lib/seq_file.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import type { File, FileOperations, Inode, InodeOperations, SuperBlock } from '../types.ts';

// The tree behind sysfs (fs/kernfs). Directories stand for kernel objects, files for their attributes, links for relations.

export interface KernfsNode {
  readonly fs: Kernfs;
  name: string;
  readonly mode: number;
  readonly ino: number;
  readonly parent: KernfsNode | null;
  readonly children: Map<string, KernfsNode>;
  readonly attr: Attribute | null;
  /** Operations of its own instead of an attribute's: files whose reads and writes run code of modules. */
  readonly fop: FileOperations | null;
  readonly target: KernfsNode | null;
  /** What show, store and fop work on. Plain data. */
  data: unknown;
  /** Taken out of the tree: open files answer ENODEV. */
  removed: boolean;
  inode: Inode | null;
}
/** show returns the whole text, at most a page; a number is its errno. */
export interface Attribute {
  readonly show?: (k: Kernel, node: KernfsNode) => string | number;
  readonly store?: (k: Kernel, node: KernfsNode, text: string) => number;
  /** What stat says; a page unless told. */
  readonly size?: number;
}

export interface KernfsDirOps {
  mkdir(k: Kernel, parent: KernfsNode, name: string): KernfsNode | number;
  rmdir(k: Kernel, node: KernfsNode): number;
}

export class Kernfs {
  readonly root: KernfsNode;
  sb!: SuperBlock;
  /** What mkdir(2) and rmdir(2) do; null: they are refused. */
  dirOps: KernfsDirOps | null = null;
  /** Root needs the mode bits, too, and what is missing is missed at open (KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK). */
  checksOpen = true;
  private nextIno = 1;

  constructor() {
    this.root = this.node(null, '', S_IFDIR | 0o555, {});
  }
  private node(parent: KernfsNode | null, name: string, mode: number, rest: Partial<KernfsNode>): KernfsNode {
    const n: KernfsNode = {
      fs: this,
      name,
      mode,
      ino: this.nextIno++,
      parent,
      children: new Map(),
      attr: null,
      fop: null,
      target: null,
      data: null,
      removed: false,
      inode: null,
      ...rest,
    };
    parent?.children.set(name, n);
    if (parent?.inode != null && (mode & S_IFMT) === S_IFDIR) parent.inode.nlink++;
    return n;
  }
  /** A directory in `parent`, or -EEXIST. */
  mkdir(parent: KernfsNode, name: string, mode = 0o755, data: unknown = null): KernfsNode | number {
    return parent.children.has(name) ? -EEXIST : this.node(parent, name, S_IFDIR | mode, { data });
  }
  /** The directory of this path, made as far as it is missing. */
  mkdirs(path: string): KernfsNode {
    let at = this.root;
    for (const part of path.split('/')) if (part !== '') at = at.children.get(part) ?? this.node(at, part, S_IFDIR | 0o755, {});
    return at;
  }
  createFile(
    parent: KernfsNode,
    name: string,
    mode: number,
    attr: Attribute | null,
    data: unknown = null,
    fop: FileOperations | null = null,
  ): KernfsNode | number {
    return parent.children.has(name) ? -EEXIST : this.node(parent, name, S_IFREG | mode, { attr, data, fop });
  }
  createLink(parent: KernfsNode, name: string, target: KernfsNode): KernfsNode | number {
    return parent.children.has(name) ? -EEXIST : this.node(parent, name, S_IFLNK | 0o777, { target });
  }
  /** kernfs_rename in the same directory. */
  rename(node: KernfsNode, name: string): void {
    node.parent?.children.delete(node.name);
    node.name = name;
    node.parent?.children.set(name, node);
  }
  /** Takes a node out with all below it. */
  remove(node: KernfsNode): void {
    if (node.parent === null || node.removed) return;
    node.parent.children.delete(node.name);
    if (node.parent.inode !== null && (node.mode & S_IFMT) === S_IFDIR) node.parent.inode.nlink--;
    const mark = (n: KernfsNode) => {
      n.removed = true;
      for (const c of n.children.values()) mark(c);
    };
    mark(node);
  }
  find(path: string): KernfsNode | null {
    let at: KernfsNode | undefined = this.root;
    for (const part of path.split('/')) if (part !== '') at = at?.children.get(part);
    return at ?? null;
  }
}

/** Names from the root down to `node`. */
function pathOf(node: KernfsNode): string[] {
  const names: string[] = [];
  for (let at: KernfsNode | null = node; at !== null && at.parent !== null; at = at.parent) names.unshift(at.name);
  return names;
}
/** Path below the root of sysfs, as messages show it. */
export function nodePath(node: KernfsNode): string {
  return `/${pathOf(node).join('/')}`;
}
/** The text of a link: up from its directory to the common ancestor, then down (kernfs_get_target_path). */
export function linkText(link: KernfsNode): string {
  const from = pathOf(link.parent as KernfsNode);
  const to = pathOf(link.target as KernfsNode);
  let common = 0;
  // The target itself is named, though the link lies below it.
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++;
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/');
}

const nodeOf = (inode: Inode) => inode.data as KernfsNode;
function show(k: Kernel, file: File): string | number {
  const n = nodeOf(file.inode);
  if (n.removed) return -ENODEV;
  const text = n.attr?.show?.(k, n) ?? (n.fs.checksOpen ? -EIO : -EINVAL);
  return typeof text === 'string' ? text.slice(0, PAGE_SIZE - 1) : text;
}
function store(k: Kernel, file: File, text: string): number {
  const n = nodeOf(file.inode);
  if (n.removed) return -ENODEV;
  return n.attr?.store?.(k, n, text) ?? (n.fs.checksOpen ? -EIO : -EINVAL);
}
/** kernfs_fop_open: unlike elsewhere, root needs the mode bits too, and the operation behind them. */
export function kernfsCheckOpen(_k: Kernel, inode: Inode, file: File): number {
  const n = nodeOf(inode);
  if (!n.fs.checksOpen) return 0;
  if ((file.mode & FMODE_WRITE) !== 0 && ((inode.mode & 0o222) === 0 || n.attr?.store === undefined)) return -EACCES;
  if ((file.mode & FMODE_READ) !== 0 && ((inode.mode & 0o444) === 0 || n.attr?.show === undefined)) return -EACCES;
  return 0;
}
const kernfsFileOps: FileOperations = {
  open: kernfsCheckOpen,
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, show),
  write: (k, file, iter) => seqWrite(k, file, iter, store),
  llseek: seqLseek,
};
const kernfsOps: InodeOperations = {
  lookup(k, dir, name) {
    const n = nodeOf(dir).children.get(name);
    return n === undefined ? null : kernfsInode(k, n);
  },
  entries: (_k, dir) => [...nodeOf(dir).children.values()].map((n) => ({ name: n.name, ino: n.ino, type: dtypeOf(n.mode) })),
  readlink: (_k, inode) => (nodeOf(inode).target === null ? -EINVAL : linkText(nodeOf(inode))),
  create(k, dir, name, mode) {
    if ((mode & S_IFMT) !== S_IFDIR) return -EACCES;
    const parent = nodeOf(dir);
    const node = parent.fs.dirOps?.mkdir(k, parent, name) ?? -EPERM;
    if (typeof node === 'number') return node;
    // The caller counts the link as well.
    dir.nlink--;
    return kernfsInode(k, node);
  },
  unlink(k, dir, _name, victim) {
    const node = nodeOf(victim);
    const r = (node.mode & S_IFMT) === S_IFDIR ? (node.fs.dirOps?.rmdir(k, node) ?? -EPERM) : -EPERM;
    if (r === 0) dir.nlink++;
    return r;
  },
  symlink: () => -EPERM,
  setattr: () => 0,
};
/** Open files of a node that was taken out. */
export function kernfsRemoved(file: File): boolean {
  return nodeOf(file.inode).removed;
}
export function kernfsInode(k: Kernel, n: KernfsNode): Inode {
  if (n.inode !== null) return n.inode;
  const base = k.vfs.newInode(n.fs.sb, n.mode, kernfsOps, (n.mode & S_IFMT) === S_IFREG ? (n.fop ?? kernfsFileOps) : {});
  const inode: Inode = { ...base, ino: n.ino, data: n };
  if ((n.mode & S_IFMT) === S_IFREG) inode.size = n.attr?.size ?? PAGE_SIZE;
  if ((n.mode & S_IFMT) === S_IFDIR) {
    inode.nlink = 2;
    for (const c of n.children.values()) if ((c.mode & S_IFMT) === S_IFDIR) inode.nlink++;
  }
  n.inode = inode;
  return inode;
}
