import { EBUSY, EINVAL, ENODEV } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_ACCMODE, O_PATH, S_IFDIR } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { FilesStruct } from './file_table.ts';
import { dropLocks } from './locks.ts';
import type { Dentry, File, FileOperations, Inode, InodeOperations, Mount, Path, SuperBlock, Timespec } from './types.ts';

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_RELATIME = 1 << 21;

/** A file system type: `mount` fills a new super block. */
export interface FileSystemType {
  readonly name: string;
  readonly nodev: boolean;
  mount(k: Kernel, source: string, options: string): SuperBlock | number;
}

/** State of the VFS. */
export class Vfs {
  readonly types = new Map<string, FileSystemType>();
  readonly mounts: Mount[] = [];
  rootMount!: Mount;
  private nextAnonDev = 1;
  private nextMountId = 21;
  private readonly k: Kernel;
  /** All open file descriptions (for /proc/sys/fs/file-nr). */
  openFiles = 0;

  constructor(k: Kernel) {
    this.k = k;
  }
  register(type: FileSystemType): void {
    this.types.set(type.name, type);
  }
  anonDev(): number {
    return this.nextAnonDev++;
  }
  now(): Timespec {
    return this.k.time.wall();
  }

  newSuperBlock(type: string, magic: number, volatile: boolean, options = ''): SuperBlock {
    // The root dentry comes with the first directory inode (makeRoot).
    return { type, dev: this.anonDev(), magic, root: null as unknown as Dentry, volatile, nextIno: 1, options, readOnly: false };
  }
  newInode(sb: SuperBlock, mode: number, op: InodeOperations, fop: FileOperations): Inode {
    const now = this.now();
    return {
      ino: sb.nextIno++, sb, mode, uid: 0, gid: 0, nlink: (mode & 0o170000) === S_IFDIR ? 2 : 1, rdev: 0,
      atime: now, mtime: now, ctime: now, btime: now, op, fop, mapping: null, openCount: 0, data: null,
    };
  }
  makeRoot(sb: SuperBlock, inode: Inode): void {
    const root = { name: '/', inode, children: new Map(), mounted: null, deleted: false } as unknown as Dentry;
    root.parent = root;
    sb.root = root;
  }

  /** Mounts `sb` at `at` (null: the root of everything). */
  attach(sb: SuperBlock, root: Dentry, at: Path | null, source: string, flags: number): Mount {
    const mount: Mount = {
      id: this.nextMountId++, sb, root, parent: at?.mnt ?? null, mountpoint: at?.dentry ?? null, source, flags,
      covered: at?.dentry.mounted ?? null,
    };
    if (at !== null) at.dentry.mounted = mount;
    this.mounts.push(mount);
    return mount;
  }
  doMount(typeName: string, source: string, at: Path, flags: number, options: string): number {
    const type = this.types.get(typeName);
    if (type === undefined) return -ENODEV;
    const sb = type.mount(this.k, source, options);
    if (typeof sb === 'number') return sb;
    if ((at.dentry.inode.mode & 0o170000) !== S_IFDIR) return -20;
    this.attach(sb, sb.root, at, source, flags);
    return 0;
  }
  umount(mount: Mount, lazy: boolean): number {
    if (mount === this.rootMount) return -EBUSY;
    if (mount.mountpoint === null) return -EINVAL;
    const busy = this.mounts.some((m) => m.parent === mount) || this.fileUses(mount);
    if (busy && !lazy) return -EBUSY;
    mount.mountpoint.mounted = mount.covered;
    this.mounts.splice(this.mounts.indexOf(mount), 1);
    return 0;
  }
  private fileUses(mount: Mount): boolean {
    for (const task of this.k.sched.tasks.values()) {
      if (task.exitState !== 0) continue;
      if (task.fs.pwd.mnt === mount || task.fs.root.mnt === mount) return true;
      for (const file of task.files.fds) if (file != null && file.path.mnt === mount) return true;
    }
    return false;
  }

  /** A new open file description; `op.open` has not run. */
  newFile(path: Path, op: FileOperations, flags: number): File {
    const acc = flags & O_ACCMODE;
    const mode = (flags & O_PATH) !== 0 ? 0 : acc === 0 ? FMODE_READ : acc === 1 ? FMODE_WRITE : acc === 2 ? FMODE_READ | FMODE_WRITE : 0;
    this.openFiles++;
    path.dentry.inode.openCount++;
    return { op, inode: path.dentry.inode, path, mode, flags, pos: 0, refs: 1, data: null, owner: 0 };
  }
  /** An open file without a name in the tree (pipes, eventfd, memfd). */
  anonFile(inode: Inode, name: string, flags: number): File {
    const dentry = { name, inode, children: new Map(), mounted: null, deleted: false } as unknown as Dentry;
    dentry.parent = dentry;
    return this.newFile({ mnt: this.anonMount, dentry }, inode.fop, flags);
  }
  anonMount!: Mount;
  pipeSb!: SuperBlock;
  anonSb!: SuperBlock;

  /** Drops one reference; the last one releases the file (fput). */
  fput(file: File): void {
    if (--file.refs > 0) return;
    this.openFiles--;
    file.op.release?.(this.k, file);
    this.iput(file.inode);
  }
  private iput(inode: Inode): void {
    inode.openCount--;
    if (inode.openCount <= 0 && inode.nlink <= 0) this.evict(inode);
  }
  /** Frees the contents of an inode that has neither names nor users. */
  evict(inode: Inode): void {
    if (inode.openCount <= 0 && inode.nlink <= 0 && inode.mapping !== null) inode.mapping.release(this.k);
  }
  /** close: releases the owner's POSIX locks, then the reference. */
  filpClose(file: File, owner: FilesStruct): void {
    dropLocks(this.k, file, owner);
    this.fput(file);
  }
}
