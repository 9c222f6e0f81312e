import { EACCES, EEXIST, EIO, ENOENT, ENOMEM, EPERM } from '../../../abi/errno.ts';
import { FMODE_WRITE, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import { file_operations as FOPS } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load64 } from '../../lib/guest_memory.ts';
import { lockedDown } from '../../security/lockdown.ts';
import { type FunctionExport, fn, partial } from '../../module/export.ts';
import { addDentry } from '../namei.ts';
import { kfree, makeGuestDentry, openModuleFile } from '../module_file.ts';
import { type TextFile, textFileOps } from '../text_file.ts';
import type { Dentry, File, FileOperations, Inode, InodeOperations, SuperBlock } from '../types.ts';

// The debug file system (fs/debugfs/inode.c).

const DEBUGFS_MAGIC = 0x6462_6720;
/** State of debugfs: its one super block, and the dentries that modules hold, by the address that they have. */
export interface DebugFs {
  readonly sb: SuperBlock;
  readonly handles: Map<number, Dentry>;
  readonly addresses: Map<Dentry, number>;
}
/** What an inode's data holds: operations and i_private of a module's file. */
interface ModuleDebugFile {
  readonly fops: number;
  readonly data: number;
}

const debugInodeOps: InodeOperations = {
  // open with O_CREAT says EACCES where a directory has no create operation; everything else EPERM.
  create: (_k, _dir, _name, mode) => ((mode & S_IFMT) === S_IFREG ? -EACCES : -EPERM),
  readlink: (_k, inode) => (inode.data as { readonly target: string }).target,
  setattr: () => 0,
};
/** debugfs_locked_down: what everybody may read, and only read, is harmless; unless it does more than that (`more`: ioctl, mmap). */
export function lockedFile(k: Kernel, inode: Inode, file: File, more: boolean): number {
  if ((inode.mode & 0o7777 & ~0o444) === 0 && (file.mode & FMODE_WRITE) === 0 && !more) return 0;
  return lockedDown(k, 'debugfs');
}
const debugTextOps: FileOperations = {
  ...textFileOps,
  open: (k, inode, file) => lockedFile(k, inode, file, false) || (textFileOps.open?.(k, inode, file) ?? 0),
};
const moduleDebugOps: FileOperations = {
  open(k, inode, file) {
    const { fops, data } = inode.data as ModuleDebugFile;
    if (inode.nlink === 0) return -ENOENT;
    const more = [FOPS.unlocked_ioctl, FOPS.compat_ioctl, FOPS.mmap].some((member) => load64(k, fops + member) !== 0);
    const locked = lockedFile(k, inode, file, more);
    if (locked < 0) return locked;
    return openModuleFile(k, inode, file, { fops, privateData: 0, cdev: 0, inodePrivate: data });
  },
};
const removedOps: FileOperations = { read: () => -EIO, write: () => -EIO, llseek: () => -EIO };

export function debugfsInit(k: Kernel): void {
  const sb = k.vfs.newSuperBlock('debugfs', DEBUGFS_MAGIC, false);
  k.vfs.makeRoot(sb, k.vfs.newInode(sb, S_IFDIR | 0o700, debugInodeOps, {}));
  k.debugfs = { sb, handles: new Map(), addresses: new Map() };
  k.vfs.register({ name: 'debugfs', nodev: true, mount: (kk) => kk.debugfs.sb });
}

/** A directory of the kernel's own in the root, made when it is not there. */
export function debugDir(k: Kernel, name: string, mode: number): Dentry {
  const { sb } = k.debugfs;
  const found = sb.root.children.get(name);
  if (found !== undefined) return found;
  sb.root.inode.nlink++;
  return addDentry(sb.root, name, k.vfs.newInode(sb, S_IFDIR | mode, debugInodeOps, {}));
}
/** A file of the kernel's own: "directory/name". */
export function debugText(k: Kernel, path: string, mode: number, file: TextFile): void {
  const { sb } = k.debugfs;
  const at = path.lastIndexOf('/');
  const dir = debugDir(k, path.slice(0, at), 0o755);
  addDentry(dir, path.slice(at + 1), { ...k.vfs.newInode(sb, S_IFREG | mode, debugInodeOps, debugTextOps), data: file, size: 0 });
}

/** A new entry below `parent` (0 = the root): its handle, or -errno as a pointer. Errors of a parent are passed on. */
export function debugCreate(k: Kernel, nameAt: number, parent: number, mode: number, fop: FileOperations, data: unknown): number {
  if (parent < 0 && parent >= -4095) return parent;
  const { handles, addresses, sb } = k.debugfs;
  const dir = parent === 0 ? sb.root : handles.get(parent);
  if (dir === undefined || dir.deleted) return -ENOENT;
  const name = text(k, nameAt, 256);
  if (dir.children.has(name)) {
    const what = (mode & S_IFMT) === S_IFDIR ? 'Directory' : 'File';
    k.printk.log(3, `debugfs: ${what} '${name}' with parent '${dir === sb.root ? '/' : dir.name}' already present!`);
    return -EEXIST;
  }
  const inode: Inode = { ...k.vfs.newInode(sb, mode, debugInodeOps, fop), data, size: 0 };
  const addr = makeGuestDentry(k, name, 0);
  if (addr === 0) return -ENOMEM;
  const dentry = addDentry(dir, name, inode);
  if ((mode & S_IFMT) === S_IFDIR) dir.inode.nlink++;
  handles.set(addr, dentry);
  addresses.set(dentry, addr);
  return addr;
}
/** Operations of a module for a file. */
function createFile(k: Kernel, name: number, mode: number, parent: number, data: number, fops: number): number {
  return debugCreate(k, name, parent, (mode & S_IFMT) === 0 ? mode | S_IFREG : mode, moduleDebugOps, { fops, data } satisfies ModuleDebugFile);
}
/** debugfs_remove: an entry with all below it; files that are open give EIO from then on. */
function remove(k: Kernel, addr: number): undefined {
  const dentry = k.debugfs.handles.get(addr);
  if (dentry === undefined) return;
  const drop = (d: Dentry) => {
    for (const child of [...d.children.values()]) drop(child);
    d.deleted = true;
    d.inode.nlink = 0;
    d.parent.children.delete(d.name);
    if ((d.inode.mode & S_IFMT) === S_IFDIR) d.parent.inode.nlink--;
    for (const file of k.drivers.moduleFiles.values()) {
      if (file.inode !== d.inode || file.op.release === undefined) continue;
      (file as { op: FileOperations }).op = { ...removedOps, release: file.op.release };
    }
    const handle = k.debugfs.addresses.get(d);
    if (handle === undefined) return;
    k.debugfs.addresses.delete(d);
    k.debugfs.handles.delete(handle);
    kfree(k, handle);
  };
  drop(dentry);
}
function lookup(k: Kernel, nameAt: number, parent: number): number {
  const dir = parent === 0 ? k.debugfs.sb.root : k.debugfs.handles.get(parent);
  const found = dir?.children.get(text(k, nameAt, 256));
  return found === undefined ? 0 : (k.debugfs.addresses.get(found) ?? 0);
}

export const debugfsExports: readonly FunctionExport[] = [
  fn('debugfs_initialized', () => 1),
  fn('debugfs_create_dir', (k, name, parent) => debugCreate(k, name, parent, S_IFDIR | 0o755, {}, null)),
  fn('debugfs_create_file', createFile),
  fn('debugfs_create_file_unsafe', createFile),
  fn('debugfs_create_file_size', (k, name, mode, parent, data, fops) => {
    const addr = createFile(k, name, mode, parent, data, fops);
    const dentry = k.debugfs.handles.get(addr);
    if (dentry !== undefined) dentry.inode.size = k.machine.regs.get(16);
    return undefined;
  }),
  fn('debugfs_create_symlink', (k, name, parent, target) => debugCreate(k, name, parent, S_IFLNK | 0o777, {}, { target: text(k, target, 4096) })),
  fn('debugfs_remove', remove),
  fn('debugfs_lookup', lookup),
  fn('debugfs_lookup_and_remove', (k, name, parent) => remove(k, lookup(k, name, parent))),
  partial('debugfs_file_get', 'entries are not held while a call runs', () => 0),
  fn('debugfs_file_put', () => undefined),
];
