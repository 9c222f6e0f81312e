import { inode as INODE } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { virtToPhys } from '../../mm/address.ts';
import type { LockTable } from '../locks.ts';
import type { NotifyMark } from '../notify/fsnotify.ts';
import type { AddressSpace } from '../../mm/filemap.ts';
import type { Dentry, DirEntry, FileOperations, Inode, InodeOperations, Mount, SuperBlock, Timespec } from '../types.ts';

// File systems of modules: what the VFS knows of their super blocks, dentries and inodes, which live in guest memory.

export interface ModuleSuper {
  readonly sb: SuperBlock;
  /** struct file_system_type. */
  readonly type: number;
  /** s_active: mounts, and pins of the module's own. */
  active: number;
  /** Of those, mounts in the tree. */
  mounts: number;
}
export class ModuleFsState {
  /** struct super_block. */
  readonly supers = new Map<number, ModuleSuper>();
  /** struct dentry, hashed and with an inode; and back. */
  readonly dentries = new Map<number, Dentry>();
  readonly addresses = new Map<Dentry, number>();
  /** struct inode. */
  readonly inodes = new Map<number, ModuleInode>();
  /** struct vfsmount of simple_pin_fs, by its address; who holds it. */
  readonly pins = new Map<number, number>();
  /** Dentries made for paths of other file systems (kern_path). */
  readonly foreign = new Set<number>();
  /** Entries that a directory's iterate_shared hands over, by its struct dir_context. */
  readonly listings = new Map<number, DirEntry[]>();
  /** What was read of open directories, by their struct file. */
  readonly read = new Map<number, readonly DirEntry[]>();
  nextIno = 1;
  /** iunique's counter. */
  nextUnique = 0;
  /** A vfsmount that stands for mounts of other file systems. */
  readonly mountAddresses = new Map<Mount, number>();
}

/** A view of a struct inode. When that is freed it keeps what it last was, for who still stands there. */
export class ModuleInode implements Inode {
  readonly addr: number;
  readonly sb: SuperBlock;
  readonly op: InodeOperations;
  fop: FileOperations;
  readonly mapping: AddressSpace | null = null;
  private view: DataView;
  openCount = 0;
  writers = 0;
  readers = 0;
  dead = false;
  linkable = false;
  locks: LockTable | null = null;
  marks: NotifyMark[] | null = null;
  seals = -1;
  xattrs: Map<string, Uint8Array> | null = null;
  flags = 0;
  overlays: Inode[] | null = null;
  data: unknown = null;
  btime: Timespec;

  constructor(k: Kernel, addr: number, sb: SuperBlock, op: InodeOperations, fop: FileOperations) {
    this.addr = addr;
    this.sb = sb;
    this.op = op;
    this.fop = fop;
    this.view = new DataView(k.ram.u8.buffer, virtToPhys(addr), INODE.sizeof);
    this.btime = this.ctime;
  }
  /** Its memory goes. */
  freeze(): void {
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset, INODE.sizeof).slice();
    this.view = new DataView(bytes.buffer);
  }
  private u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  private time(sec: number, nsec: number): Timespec {
    return { sec: Number(this.view.getBigInt64(sec, true)), nsec: this.u32(nsec) };
  }
  private setTime(sec: number, nsec: number, t: Timespec): void {
    this.view.setBigInt64(sec, BigInt(t.sec), true);
    this.view.setUint32(nsec, t.nsec, true);
  }
  /** struct file_operations. */
  get fops(): number {
    return Number(this.view.getBigInt64(INODE.i_fop, true));
  }
  get ino(): number {
    return Number(this.view.getBigUint64(INODE.i_ino, true));
  }
  get mode(): number {
    return this.view.getUint16(INODE.i_mode, true);
  }
  set mode(v: number) {
    this.view.setUint16(INODE.i_mode, v, true);
  }
  get uid(): number {
    return this.u32(INODE.i_uid);
  }
  set uid(v: number) {
    this.view.setUint32(INODE.i_uid, v, true);
  }
  get gid(): number {
    return this.u32(INODE.i_gid);
  }
  set gid(v: number) {
    this.view.setUint32(INODE.i_gid, v, true);
  }
  get nlink(): number {
    return this.u32(INODE.i_nlink);
  }
  set nlink(v: number) {
    this.view.setUint32(INODE.i_nlink, v, true);
  }
  get rdev(): number {
    return this.u32(INODE.i_rdev);
  }
  set rdev(v: number) {
    this.view.setUint32(INODE.i_rdev, v, true);
  }
  get size(): number {
    return Number(this.view.getBigInt64(INODE.i_size, true));
  }
  get atime(): Timespec {
    return this.time(INODE.i_atime_sec, INODE.i_atime_nsec);
  }
  set atime(t: Timespec) {
    this.setTime(INODE.i_atime_sec, INODE.i_atime_nsec, t);
  }
  get mtime(): Timespec {
    return this.time(INODE.i_mtime_sec, INODE.i_mtime_nsec);
  }
  set mtime(t: Timespec) {
    this.setTime(INODE.i_mtime_sec, INODE.i_mtime_nsec, t);
  }
  get ctime(): Timespec {
    return this.time(INODE.i_ctime_sec, INODE.i_ctime_nsec);
  }
  set ctime(t: Timespec) {
    this.setTime(INODE.i_ctime_sec, INODE.i_ctime_nsec, t);
  }
}
