import type { Cred } from '../cred.ts';
import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import type { NotifyMark } from './notify/fsnotify.ts';
import type { AddressSpace, Quota } from '../mm/filemap.ts';
import type { VmArea } from '../mm/mm_struct.ts';
import type { FileOwner } from './fasync.ts';
import type { LockTable } from './locks.ts';
import type { PollTable } from './select.ts';

export interface Timespec {
  sec: number;
  nsec: number;
}

/** A directory entry as readdir reports it. */
export interface DirEntry {
  readonly name: string;
  readonly ino: number;
  /** DT_*. */
  readonly type: number;
}

/** What setattr is asked to change: the new values. */
export type AttrChange =
  | { readonly what: 'size'; readonly size: number }
  | { readonly what: 'mode'; readonly mode: number }
  | { readonly what: 'owner'; readonly uid: number; readonly gid: number }
  | { readonly what: 'xattr' }
  | { readonly what: 'times'; readonly atime: Timespec; readonly mtime: Timespec };
/** A name in a directory. */
export interface NameIn {
  readonly dir: Inode;
  readonly name: string;
}

/** What a file system does with its inodes. A missing operation is -EPERM (or -ENOTDIR for lookup). */
export interface InodeOperations {
  /** Finds `name` in directory `dir` when the dentry cache does not hold it. Null = no such entry. */
  lookup?(k: Kernel, dir: Inode, name: string): Inode | null | number;
  /** Makes a file of `mode`'s type in `dir`; the caller made the dentry. */
  create?(k: Kernel, dir: Inode, name: string, mode: number, rdev: number): Inode | number;
  symlink?(k: Kernel, dir: Inode, name: string, target: string): Inode | number;
  unlink?(k: Kernel, dir: Inode, name: string, victim: Inode): number;
  /** Before the dentries move: `from` (of `source`) becomes `to` (which may be `target`). */
  rename?(k: Kernel, from: NameIn, to: NameIn, flags: number, source: Inode, target: Inode | null): number;
  link?(k: Kernel, inode: Inode, dir: Inode, name: string): number;
  readlink?(k: Kernel, inode: Inode): string | number;
  /** A link that leads to an object, not to a name (/proc/PID/exe, fd/N). */
  magicLink?(k: Kernel, inode: Inode): Path | number;
  /** Brings attributes up to date that live elsewhere. */
  getattr?(k: Kernel, inode: Inode): void;
  /** Before size, mode, owner or times change; negative errno refuses. Absent: allowed, except the size. */
  setattr?(k: Kernel, inode: Inode, change: AttrChange): number;
  /** Nothing can be mounted on it (DCACHE_CANT_MOUNT): /proc/PID/fd/N. */
  readonly cantMount?: boolean;
  /** An inode without a name (O_TMPFILE). */
  tmpfile?(k: Kernel, dir: Inode, mode: number): Inode | number;
  /** Entries besides . and .. of a directory whose dentries are not its truth (procfs). */
  entries?(k: Kernel, dir: Inode): DirEntry[] | number;
}

/** What an open file does (struct file_operations). Reads and writes return bytes, -errno or BLOCKED. */
export interface FileOperations {
  open?(k: Kernel, inode: Inode, file: File): number;
  release?(k: Kernel, file: File): void;
  /** Each close(2) of a descriptor, before the reference goes. */
  flush?(k: Kernel, file: File): void;
  read?(k: Kernel, file: File, iter: IovIter, pos: number): number;
  write?(k: Kernel, file: File, iter: IovIter, pos: number): number;
  /** Files that keep their position themselves: called after read(2) and write(2) instead of adding the bytes to it. */
  advance?(k: Kernel, file: File): void;
  /** Whether pread(2) and pwrite(2) work; absent = where lseek(2) does. */
  readonly pread?: boolean;
  /** Absent: pipes and devices that cannot seek answer ESPIPE. */
  llseek?(k: Kernel, file: File, offset: number, whence: number): number;
  poll?(k: Kernel, file: File, table: PollTable | null): number;
  ioctl?(k: Kernel, file: File, cmd: number, arg: number): number;
  /** fsync(2); absent = EINVAL. */
  fsync?(k: Kernel, file: File): number;
  /** O_ASYNC goes on or off; absent = by the queues that poll names (fs/fasync.ts). */
  fasync?(k: Kernel, file: File, fd: number, on: boolean): number;
  /** fallocate(2); absent = EOPNOTSUPP. */
  fallocate?(k: Kernel, file: File, mode: number, offset: number, length: number): number;
  /** More lines of /proc/PID/fdinfo. */
  showFdinfo?(k: Kernel, file: File): string;
  /** The pages behind a mapping, or -errno. */
  mmap?(k: Kernel, file: File, vma: VmArea): AddressSpace | number;
}

export interface Inode {
  readonly ino: number;
  readonly sb: SuperBlock;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  rdev: number;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  btime: Timespec;
  readonly op: InodeOperations;
  fop: FileOperations;
  /** File contents; null for inodes without any. */
  mapping: AddressSpace | null;
  /** What stat says of an inode without a mapping (sysfs attributes, links of procfs). */
  size?: number;
  /** Open files, plus one while it has names: contents go when both are gone. */
  openCount: number;
  /** Of those, open for writing; and for reading only (i_writecount, i_readcount). */
  writers: number;
  readers: number;
  /** A directory that was removed (S_DEAD): nothing can be made in it. */
  dead: boolean;
  /** O_TMPFILE without O_EXCL: may get a name though nlink is 0 (I_LINKABLE). */
  linkable: boolean;
  /** POSIX, OFD and flock locks; null until the first one. */
  locks: LockTable | null;
  /** Who watches it (inotify); null = nobody. */
  marks: NotifyMark[] | null;
  /** F_SEAL_* of a memory file (memfd_create, tmpfs); -1 where sealing does not exist. */
  seals: number;
  /** Extended attributes by full name, null until the first one. */
  xattrs: Map<string, Uint8Array> | null;
  /** FS_*_FL: immutable, append-only (chattr). */
  flags: number;
  /** Overlay inodes that show this one. */
  overlays: Inode[] | null;
  /** What the file system or driver keeps: symlink target, pipe, device state. Plain data. */
  data: unknown;
}

export interface Dentry {
  name: string;
  parent: Dentry;
  inode: Inode;
  readonly children: Map<string, Dentry>;
  /** Mounts on this dentry, of all parent mounts, in the order they were made; null = none. */
  mounted: Map<Mount, Mount[]> | null;
  /** Unlinked. */
  deleted: boolean;
  /** Place in a memory file system's directory: readdir's d_off (libfs simple_offset). */
  offset?: number;
}

export interface StatfsSizes {
  readonly blockSize: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly freeFiles: number;
}

export interface SuperBlock {
  readonly type: string;
  /** Device number (anonymous). */
  readonly dev: number;
  readonly magic: number;
  root: Dentry;
  /** Dentries are not kept: each lookup asks the file system (procfs). */
  readonly volatile: boolean;
  nextIno: number;
  /** Next directory offset (a counter for the whole file system keeps every directory ascending). */
  nextOffset: number;
  /** As /proc/mounts shows them, without ro/rw. */
  options: string;
  readOnly: boolean;
  /** Frames of contents and number of inodes that it may hold and holds now. */
  readonly quota: Quota;
  usedInodes: number;
  maxInodes: number;
  /** New inodes keep the owner that the file system gave them. */
  fixedOwners: boolean;
  /** Of a module (fs/modfs): it keeps dentries, link counts and times itself. */
  ofModule?: boolean;
  /** Sizes for statfs(2); null: those of the quota. */
  statfs: ((k: Kernel) => StatfsSizes | number) | null;
  /** The file system type keeps user.* and trusted.* attributes. */
  readonly hasXattr: boolean;
}

export interface Mount {
  readonly id: number;
  /** Never used again (STATX_MNT_ID_UNIQUE). */
  readonly uniqueId: bigint;
  readonly sb: SuperBlock;
  readonly root: Dentry;
  parent: Mount | null;
  mountpoint: Dentry | null;
  readonly source: string;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_RELATIME... */
  flags: number;
  /** Peer group (mnt_group_id); 0 = not shared. */
  group: number;
  /** Whose slave it is. */
  master: Mount | null;
  unbindable: boolean;
  /** Root of a tree that is in no namespace yet (fsmount, open_tree). */
  detached: boolean;
  /** umount2(MNT_EXPIRE) saw it unused. */
  expiry: boolean;
}

export interface Path {
  readonly mnt: Mount;
  readonly dentry: Dentry;
}

/** An open file description. */
export interface File {
  readonly op: FileOperations;
  readonly inode: Inode;
  readonly path: Path;
  /** FMODE_READ | FMODE_WRITE. */
  readonly mode: number;
  /** O_APPEND, O_NONBLOCK and the rest of the open flags. */
  flags: number;
  pos: number;
  refs: number;
  /** What its poll operation saw last (seq_file's poll_event). */
  pollEvent: number;
  /** What is done with it is told to nobody (FMODE_NONOTIFY). */
  silent: boolean;
  /** This open made the file. */
  created: boolean;
  /** The driver's or file system's own, plain data. */
  data: unknown;
  /** Of the opener (f_cred). */
  readonly cred: Cred;
  /** Who gets its signals (F_SETOWN), and which (F_SETSIG; 0 = SIGIO). */
  owner: FileOwner | null;
  signum: number;
}
