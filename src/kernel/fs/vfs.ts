import { EBUSY, EINVAL, ELOOP, ENODEV, ENOTDIR } from '../../abi/errno.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  O_ACCMODE,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_PATH,
  O_TRUNC,
  S_IFDIR,
  S_IFMT,
} from '../../abi/fs.ts';
import { MS_RDONLY } from '../../abi/mount.ts';
import type { Kernel } from '../kernel.ts';
import type { FilesStruct } from './file_table.ts';
import { setFasync } from './fasync.ts';
import { dropLocks, FileLocks } from './locks.ts';
import { isDir } from './namei.ts';
import { fsnotifyClose, fsnotifyInodeRemove, fsnotifySbDelete, Notify } from './notify/fsnotify.ts';
import type { Dentry, File, FileOperations, Inode, InodeOperations, Mount, Path, SuperBlock, Timespec } from './types.ts';

/** A file system type: `mount` fills a new super block. */
export interface FileSystemType {
  readonly name: string;
  readonly nodev: boolean;
  mount(k: Kernel, source: string, options: string): SuperBlock | number;
  /** New options for a mounted one (MS_REMOUNT); absent = options are ignored. */
  remount?(k: Kernel, sb: SuperBlock, options: string, readOnly: boolean): number;
}

const UNLIMITED = Number.POSITIVE_INFINITY;
/** File times have the resolution of the timer tick (ktime_get_coarse_real_ts64 at HZ 250). */

/** State of the VFS. */
export class Vfs {
  readonly types = new Map<string, FileSystemType>();
  readonly mounts: Mount[] = [];
  rootMount!: Mount;
  private nextAnonDev = 2;
  private nextMountId = 1;
  /** MNT_UNIQUE_ID_OFFSET: apart from the ids that are used again. */
  private nextUniqueId = 2n ** 31n;
  private readonly k: Kernel;
  /** All open file descriptions (for /proc/sys/fs/file-nr). */
  openFiles = 0;
  /** /proc/sys/fs/protected_{hardlinks,symlinks}: on in Debian's kernel. */
  protectedHardlinks = true;
  protectedSymlinks = true;
  readonly notify = new Notify();
  readonly locks = new FileLocks();

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
    return this.k.time.coarseWall();
  }

  newSuperBlock(type: string, magic: number, volatile: boolean, options = '', hasXattr = false): SuperBlock {
    // The root dentry comes with the first directory inode (makeRoot).
    return {
      type,
      dev: this.anonDev(),
      magic,
      root: null as unknown as Dentry,
      volatile,
      nextIno: 1,
      nextOffset: 2,
      options,
      readOnly: false,
      quota: { max: UNLIMITED, used: 0 },
      usedInodes: 0,
      maxInodes: UNLIMITED,
      fixedOwners: false,
      statfs: null,
      hasXattr,
    };
  }
  newInode(sb: SuperBlock, mode: number, op: InodeOperations, fop: FileOperations): Inode {
    const now = this.now();
    return {
      ino: sb.nextIno++,
      sb,
      mode,
      uid: 0,
      gid: 0,
      nlink: (mode & S_IFMT) === S_IFDIR ? 2 : 1,
      rdev: 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: now,
      op,
      fop,
      mapping: null,
      openCount: 0,
      writers: 0,
      readers: 0,
      dead: false,
      linkable: false,
      locks: null,
      marks: null,
      seals: -1,
      xattrs: null,
      overlays: null,
      data: null,
    };
  }
  makeRoot(sb: SuperBlock, inode: Inode): void {
    const root = { name: '/', inode, children: new Map(), mounted: null, deleted: false } as unknown as Dentry;
    root.parent = root;
    sb.root = root;
  }

  /** Mounts `sb` at `at` (null: the root of everything). */
  attach(sb: SuperBlock, root: Dentry, at: Path | null, source: string, flags: number): Mount {
    const mount: Mount = { id: this.nextMountId++, uniqueId: this.nextUniqueId++, sb, root, parent: null, mountpoint: null, source, flags };
    // Ids up to 20 belong to the kernel's own mounts (sockfs, pipefs, bdev...) in Linux.
    if (this.nextMountId === 2) this.nextMountId = 24;
    if (at !== null) this.hang(mount, at);
    this.mounts.push(mount);
    return mount;
  }
  private hang(mount: Mount, at: Path): void {
    mount.parent = at.mnt;
    mount.mountpoint = at.dentry;
    at.dentry.mounted = [...(at.dentry.mounted ?? []), mount];
    // A mount point on a file system whose dentries are not kept stays reachable.
    for (let d = at.dentry; d.inode.sb.volatile && d.parent !== d; d = d.parent) d.parent.children.set(d.name, d);
  }
  private unhang(mount: Mount): void {
    const d = mount.mountpoint;
    if (d === null) return;
    const rest = (d.mounted ?? []).filter((m) => m !== mount);
    d.mounted = rest.length > 0 ? rest : null;
    for (let v = d; v.inode.sb.volatile && v.parent !== v && v.mounted === null && v.children.size === 0; v = v.parent)
      v.parent.children.delete(v.name);
    mount.parent = null;
    mount.mountpoint = null;
  }

  doMount(typeName: string, source: string, at: Path, flags: number, options: string): number {
    const type = this.types.get(typeName);
    if (type === undefined) return -ENODEV;
    const sb = type.mount(this.k, source, options);
    if (typeof sb === 'number') return sb;
    if (!isDir(at.dentry.inode)) return -ENOTDIR;
    if (at.dentry.deleted) return -2; // ENOENT
    // The read-only flag of a new mount goes to its super block as well.
    if ((flags & MS_RDONLY) !== 0) sb.readOnly = true;
    this.attach(sb, sb.root, at, source, flags);
    return 0;
  }
  /** MS_BIND: the tree at `from` also at `at`; with `recursive` the mounts below it too. */
  bind(from: Path, at: Path, recursive: boolean): number {
    if (isDir(from.dentry.inode) !== isDir(at.dentry.inode)) return -ENOTDIR;
    if (at.dentry.deleted) return -2; // ENOENT
    const below = recursive ? this.mounts.filter((m) => this.isBelow(m, from)) : [];
    const copies = new Map<Mount, Mount>();
    copies.set(from.mnt, this.attach(from.mnt.sb, from.dentry, at, from.mnt.source, from.mnt.flags));
    for (const m of below) {
      const parent = copies.get(m.parent as Mount);
      if (parent !== undefined)
        copies.set(m, this.attach(m.sb, m.root, { mnt: parent, dentry: m.mountpoint as Dentry }, m.source, m.flags));
    }
    return 0;
  }
  /** Is `mount` mounted somewhere below `path`? */
  private isBelow(mount: Mount, path: Path): boolean {
    let at = mount;
    while (at.parent !== null && at.parent !== path.mnt) at = at.parent;
    if (at.parent === null) return false;
    for (let d = at.mountpoint as Dentry; ; d = d.parent) {
      if (d === path.dentry) return true;
      if (d === d.parent || d === path.mnt.root) return false;
    }
  }
  /** MS_MOVE. */
  move(from: Path, at: Path): number {
    const { mnt } = from;
    if (from.dentry !== mnt.root || mnt.parent === null) return -EINVAL;
    if (isDir(mnt.root.inode) !== isDir(at.dentry.inode)) return -EINVAL;
    for (let m: Mount | null = at.mnt; m !== null; m = m.parent) if (m === mnt) return -ELOOP;
    this.unhang(mnt);
    this.hang(mnt, at);
    return 0;
  }
  /** pivot_root(2): `next` becomes the root of everything, the old root hangs at `putOld`. */
  pivotRoot(next: Path, putOld: Path): number {
    const oldRoot = this.k.current.fs.root;
    if (next.mnt === oldRoot.mnt || putOld.mnt === oldRoot.mnt) return -EBUSY;
    if (next.dentry !== next.mnt.root || oldRoot.dentry !== oldRoot.mnt.root) return -EINVAL;
    // The initramfs's rootfs has no parent and cannot be pivoted away.
    if (oldRoot.mnt.parent === null || next.mnt.parent === null) return -EINVAL;
    const place: Path = { mnt: oldRoot.mnt.parent, dentry: oldRoot.mnt.mountpoint as Dentry };
    this.unhang(next.mnt);
    this.unhang(oldRoot.mnt);
    this.hang(oldRoot.mnt, putOld);
    this.hang(next.mnt, place);
    for (const task of this.k.sched.tasks.values()) {
      if (task.fs.root.mnt === oldRoot.mnt && task.fs.root.dentry === oldRoot.dentry) task.fs.root = next;
      if (task.fs.pwd.mnt === oldRoot.mnt && task.fs.pwd.dentry === oldRoot.dentry) task.fs.pwd = next;
    }
    return 0;
  }

  umount(mount: Mount, lazy: boolean): number {
    if (mount === this.rootMount || mount.mountpoint === null) return -EINVAL;
    const children = this.mounts.filter((m) => m.parent === mount);
    if (!lazy && (children.length > 0 || this.fileUses(mount))) return -EBUSY;
    for (const child of children) this.umount(child, true);
    this.unhang(mount);
    this.mounts.splice(this.mounts.indexOf(mount), 1);
    if (!this.mounts.some((m) => m.sb === mount.sb) && !this.fileUses(mount)) this.killSuper(mount.sb);
    return 0;
  }
  /** The last mount of a memory file system went: its pages go too. */
  private killSuper(sb: SuperBlock): void {
    const inodes = new Set<Inode>();
    const stack = [sb.root];
    for (let d = stack.pop(); d !== undefined; d = stack.pop()) {
      inodes.add(d.inode);
      stack.push(...d.children.values());
    }
    // The newest inode hears first.
    fsnotifySbDelete(
      this.k,
      sb,
      [...inodes].sort((a, b) => b.ino - a.ino),
    );
    if (sb.type !== 'tmpfs' && sb.type !== 'ramfs') return;
    for (const inode of inodes) if (inode.openCount <= 0) inode.mapping?.release(this.k);
  }
  private fileUses(mount: Mount): boolean {
    for (const task of this.k.sched.tasks.values()) {
      if (task.exitState !== 0) continue;
      if (task.fs.pwd.mnt === mount || task.fs.root.mnt === mount) return true;
      for (const file of task.files.fds) if (file != null && file.path.mnt === mount) return true;
      for (const vma of task.mm?.vmas ?? []) if (vma.file?.path.mnt === mount) return true;
      if (task.mm?.exeFile?.path.mnt === mount) return true;
    }
    return false;
  }

  /** A new open file description; `op.open` has not run. */
  newFile(path: Path, op: FileOperations, flags: number): File {
    const acc = flags & O_ACCMODE;
    const mode = (flags & O_PATH) !== 0 ? 0 : acc === 0 ? FMODE_READ : acc === 1 ? FMODE_WRITE : acc === 2 ? FMODE_READ | FMODE_WRITE : 0;
    this.openFiles++;
    const { inode } = path.dentry;
    inode.openCount++;
    if ((mode & FMODE_WRITE) !== 0) inode.writers++;
    else if (mode !== 0) inode.readers++;
    return {
      op,
      inode,
      path,
      mode,
      flags: flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC),
      pos: 0,
      refs: 1,
      data: null,
      cred: this.k.current?.cred,
      owner: null,
      signum: 0,
    };
  }
  /** Takes back a `newFile` whose open failed. */
  dropNewFile(file: File): void {
    this.openFiles--;
    this.putAccess(file);
    this.iput(file.inode);
  }
  private putAccess(file: File): void {
    if ((file.mode & FMODE_WRITE) !== 0) file.inode.writers--;
    else if (file.mode !== 0) file.inode.readers--;
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
  pidfsSb!: SuperBlock;
  nsfsSb!: SuperBlock;
  /** The kernel's own tmpfs, for memfd_create and shared anonymous memory. */
  shmSb!: SuperBlock;

  /** Drops one reference; the last one releases the file (fput). */
  fput(file: File): void {
    if (--file.refs > 0) return;
    this.openFiles--;
    fsnotifyClose(this.k, file);
    dropLocks(this.k, file, null);
    if ((file.flags & O_ASYNC) !== 0) setFasync(this.k, file, -1, false);
    file.op.release?.(this.k, file);
    this.putAccess(file);
    this.iput(file.inode);
  }
  /** Gives a reference to an inode back. */
  iput(inode: Inode): void {
    inode.openCount--;
    this.evict(inode);
  }
  /** Frees the contents of an inode that has neither names nor users. */
  evict(inode: Inode): void {
    if (inode.openCount > 0 || inode.nlink > 0) return;
    fsnotifyInodeRemove(this.k, inode);
    inode.mapping?.release(this.k);
    if (inode.sb.usedInodes > 0) inode.sb.usedInodes--;
  }
  /** close: releases the owner's POSIX locks, then the reference. */
  filpClose(file: File, owner: FilesStruct): void {
    dropLocks(this.k, file, owner);
    file.op.flush?.(this.k, file);
    this.fput(file);
  }
}
