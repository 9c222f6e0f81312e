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
import type { Kernel } from '../kernel.ts';
import { WaitQueueHead, wakeUpAll } from '../sched/wait.ts';
import type { FilesStruct } from './file_table.ts';
import { setFasync } from './fasync.ts';
import { dropLocks, FileLocks } from './locks.ts';
import { MNT_UNIQUE_ID_OFFSET } from '../../abi/mount_api.ts';
import { dnotifyFlush } from './notify/dnotify.ts';
import { fsnotifyClose, fsnotifyInodeRemove, fsnotifySbDelete, Notify } from './notify/fsnotify.ts';
import type { Dentry, File, FileOperations, Inode, InodeOperations, Mount, Path, SuperBlock, Timespec } from './types.ts';

/** A file system type: `mount` fills a new super block. */
export interface FileSystemType {
  readonly name: string;
  readonly nodev: boolean;
  mount(k: Kernel, source: string, options: string): SuperBlock | number;
  /** What fsconfig(2) thinks of one option; absent = there are none. A null value: only the key was given. */
  parameter?(k: Kernel, key: string, value: string | null): 'unknown' | 'bad' | 'ok';
  /** New options for a mounted one (MS_REMOUNT); absent = options are ignored. */
  remount?(k: Kernel, sb: SuperBlock, options: string, readOnly: boolean): number;
}

const UNLIMITED = Number.POSITIVE_INFINITY;
/** File times have the resolution of the timer tick (ktime_get_coarse_real_ts64 at HZ 250). */

/** A mount that hangs nowhere and propagates nothing. */
export const unattached = () => ({
  parent: null,
  mountpoint: null,
  group: 0,
  master: null,
  unbindable: false,
  detached: false,
  expiry: false,
});

/** State of the VFS. */
export class Vfs {
  readonly types = new Map<string, FileSystemType>();
  readonly mounts: Mount[] = [];
  rootMount!: Mount;
  private nextAnonDev = 2;
  private nextMountId = 1;
  /** MNT_UNIQUE_ID_OFFSET: apart from the ids that are used again. */
  private nextUniqueId = MNT_UNIQUE_ID_OFFSET + 1n;
  private readonly k: Kernel;
  /** All open file descriptions (for /proc/sys/fs/file-nr). */
  openFiles = 0;
  /** /proc/sys/fs/nr_open: the most that RLIMIT_NOFILE may be. */
  nrOpen = 1048576;
  /** /proc/sys/fs/protected_{hardlinks,symlinks}: on in Debian's kernel. */
  protectedHardlinks = true;
  protectedSymlinks = true;
  readonly notify = new Notify();
  readonly locks = new FileLocks();
  /** Woken when mounts change; how often they did (poll of /proc/mounts). */
  readonly mountQueue = new WaitQueueHead();
  /** Requests that contexts of asynchronous I/O may hold, in all and at most (/proc/sys/fs/aio-nr, aio-max-nr). */
  aioNr = 0;
  aioMaxNr = 65536;
  /** /proc/sys/fs/pipe-max-size. */
  pipeMaxSize = 1048576;

  /** fs/modfs: the mounts of a module's file system are gone. */
  putModuleMounts: (k: Kernel, sb: SuperBlock) => void = () => {};

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
      flags: 0,
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
    const mount: Mount = { id: this.nextMountId++, uniqueId: this.nextUniqueId++, sb, root, source, flags, ...unattached() };
    // Ids up to 20 belong to the kernel's own mounts (sockfs, pipefs, bdev...) in Linux.
    if (this.nextMountId === 2) this.nextMountId = 24;
    if (at !== null) this.hang(mount, at);
    this.mounts.push(mount);
    return mount;
  }
  /** Puts a mount at its place. */
  hang(mount: Mount, at: Path): void {
    wakeUpAll(this.k, this.mountQueue);
    mount.parent = at.mnt;
    mount.mountpoint = at.dentry;
    at.dentry.mounted ??= new Map();
    const here = at.dentry.mounted.get(at.mnt);
    if (here === undefined) at.dentry.mounted.set(at.mnt, [mount]);
    else here.push(mount);
    // A mount point on a file system whose dentries are not kept stays reachable.
    for (let d = at.dentry; d.inode.sb.volatile && d.parent !== d; d = d.parent) d.parent.children.set(d.name, d);
  }
  /** Takes it from there. */
  unhang(mount: Mount): void {
    const d = mount.mountpoint;
    if (d === null) return;
    wakeUpAll(this.k, this.mountQueue);
    const parent = mount.parent as Mount;
    const rest = (d.mounted?.get(parent) ?? []).filter((m) => m !== mount);
    if (rest.length > 0) d.mounted?.set(parent, rest);
    else d.mounted?.delete(parent);
    if (d.mounted?.size === 0) d.mounted = null;
    for (let v = d; v.inode.sb.volatile && v.parent !== v && v.mounted === null && v.children.size === 0; v = v.parent)
      v.parent.children.delete(v.name);
    mount.parent = null;
    mount.mountpoint = null;
  }

  /** `m` was taken away: with the last mount of a file system that nobody uses any more the file system goes. */
  putSuper(m: Mount): void {
    if (this.mounts.some((x) => x.sb === m.sb) || this.isBusy(m)) return;
    if (m.sb.ofModule === true) this.putModuleMounts(this.k, m.sb);
    else this.killSuper(m.sb);
  }
  /** The last mount of a memory file system went: its pages go too. */
  private killSuper(sb: SuperBlock): void {
    const inodes = new Set<Inode>();
    const stack = [sb.root];
    for (let d = stack.pop(); d !== undefined; d = stack.pop()) {
      inodes.add(d.inode);
      for (const child of d.children.values()) stack.push(child);
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
  /** Is something open, running or standing on it? */
  isBusy(mount: Mount): boolean {
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
      silent: false,
      created: false,
      pollEvent: 0,
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
    if ((file.flags & O_ASYNC) !== 0 && file.op.fasync === undefined) setFasync(this.k, file, -1, false);
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
    if (file.inode.marks !== null) dnotifyFlush(this.k, file);
    file.op.flush?.(this.k, file);
    this.fput(file);
  }
}
