import { addDentry } from '../fs/namei.ts';
import { EBUSY, EINVAL } from '../../abi/errno.ts';
import { majorOf, makeDev, minorOf, S_IFCHR, S_IFDIR } from '../../abi/fs.ts';
import { memInode, makeDevtmpfs } from '../fs/tmpfs.ts';
import type { Devpts } from '../fs/devpts/devpts.ts';
import type { Dentry, FileOperations, SuperBlock } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import type { Tty } from './tty/tty.ts';

/** A range of minors of one major (struct char_device_struct), with the operations once a cdev was added. */
export interface ChrdevRegion {
  readonly major: number;
  readonly baseMinor: number;
  readonly count: number;
  readonly name: string;
  ops: FileOperations | null;
  /** Operations of single minors, which go before `ops`. */
  readonly minors: Map<number, FileOperations>;
}
/** struct miscdevice. */
export interface MiscDevice {
  readonly minor: number;
  readonly name: string;
  readonly ops: FileOperations;
}

const MAX_MAJOR = 511;
const MISC_MAJOR = 10;
/** First of the dynamic minors (MISC_DYNAMIC_MINOR + 1). */
const MISC_DYNAMIC_MINOR = 255;

/** Character devices by major and minor, the device file system, and the terminals (fs/char_dev.c, drivers/base/devtmpfs.c). */
export class DriverCore {
  private readonly k: Kernel;
  readonly regions: ChrdevRegion[] = [];
  readonly misc: MiscDevice[] = [];
  /** The super block behind /dev: one, whatever the number of mounts. */
  readonly devtmpfs: SuperBlock;
  /** Open and permanent terminals by device number. */
  readonly ttys = new Map<number, Tty>();
  /** The terminal that is the system console (ttyS0). */
  console!: Tty;
  devpts!: Devpts;

  constructor(k: Kernel) {
    this.k = k;
    this.devtmpfs = makeDevtmpfs(k);
  }

  /** register_chrdev_region / alloc_chrdev_region (`major` 0): the major, or -EBUSY. */
  registerRegion(major: number, baseMinor: number, count: number, name: string): number {
    const m = major === 0 ? this.findDynamicMajor() : major;
    if (m < 0) return m;
    if (m > MAX_MAJOR || count <= 0) return -EINVAL;
    const taken = this.regions.some((r) => r.major === m && r.baseMinor < baseMinor + count && baseMinor < r.baseMinor + r.count);
    if (taken) return -EBUSY;
    this.regions.push({ major: m, baseMinor, count, name: name.slice(0, 63), ops: null, minors: new Map() });
    return m;
  }
  /** Dynamic majors are 254 down to 234, then 511 down to 384 (CHRDEV_MAJOR_DYN_*). */
  private findDynamicMajor(): number {
    const used = (m: number) => this.regions.some((r) => r.major === m);
    for (let m = 254; m >= 234; m--) if (!used(m)) return m;
    for (let m = 511; m >= 384; m--) if (!used(m)) return m;
    return -EBUSY;
  }
  unregisterRegion(major: number, baseMinor: number, count: number): void {
    const i = this.regions.findIndex((r) => r.major === major && r.baseMinor === baseMinor && r.count === count);
    if (i >= 0) this.regions.splice(i, 1);
  }
  /** cdev_add: from now on opens of these numbers reach `ops`; null takes them away (cdev_del). */
  cdevAdd(major: number, baseMinor: number, count: number, ops: FileOperations | null): number {
    const region = this.regions.find((r) => r.major === major && r.baseMinor <= baseMinor && baseMinor + count <= r.baseMinor + r.count);
    if (region === undefined) return -EINVAL;
    region.ops = ops;
    return 0;
  }
  /** Operations of one minor of a registered region. */
  setMinorOps(major: number, minor: number, ops: FileOperations): void {
    const region = this.regions.find((r) => r.major === major && minor >= r.baseMinor && minor < r.baseMinor + r.count);
    region?.minors.set(minor, ops);
  }
  /** Region and operations at once (__register_chrdev). */
  registerChrdev(major: number, baseMinor: number, count: number, name: string, ops: FileOperations): number {
    const m = this.registerRegion(major, baseMinor, count, name);
    if (m < 0) return m;
    this.cdevAdd(m, baseMinor, count, ops);
    return major === 0 ? m : 0;
  }

  /** What an open of device number `dev` gets, or null (-ENXIO). */
  chrdevOps(dev: number): FileOperations | null {
    const major = majorOf(dev);
    const minor = minorOf(dev);
    if (major === MISC_MAJOR) return this.misc.find((d) => d.minor === minor)?.ops ?? null;
    for (const r of this.regions) {
      if (r.major !== major || minor < r.baseMinor || minor >= r.baseMinor + r.count) continue;
      const ops = r.minors.get(minor) ?? r.ops;
      if (ops !== null) return ops;
    }
    return null;
  }

  /** misc_register: `minor` 255 asks for a dynamic one. The minor, or -EBUSY. Makes /dev/NAME. */
  registerMisc(minor: number, name: string, ops: FileOperations, mode = 0o600): number {
    let m = minor;
    if (m === MISC_DYNAMIC_MINOR) {
      m = MISC_DYNAMIC_MINOR + 1;
      while (this.misc.some((d) => d.minor === m)) m++;
    } else if (this.misc.some((d) => d.minor === m)) return -EBUSY;
    this.misc.push({ minor: m, name, ops });
    this.createNode(name, mode, makeDev(MISC_MAJOR, m));
    return m;
  }
  unregisterMisc(minor: number): void {
    const i = this.misc.findIndex((d) => d.minor === minor);
    if (i < 0) return;
    this.removeNode(this.misc[i].name);
    this.misc.splice(i, 1);
  }

  /** devtmpfs: makes /dev/`name` (directories on the way too) for a character device. */
  createNode(name: string, mode: number, dev: number, type = S_IFCHR): void {
    const { dir, last } = this.nodeParent(name);
    if (dir.children.has(last)) return;
    const inode = memInode(this.k, this.devtmpfs, type | mode, dev);
    addDentry(dir, last, inode);
    dir.inode.mtime = dir.inode.ctime = this.k.vfs.now();
  }
  removeNode(name: string): void {
    const { dir, last } = this.nodeParent(name);
    const dentry = dir.children.get(last);
    if (dentry === undefined) return;
    dir.children.delete(last);
    dentry.deleted = true;
    dentry.inode.nlink = 0;
    dir.inode.mtime = dir.inode.ctime = this.k.vfs.now();
  }
  private nodeParent(name: string): { dir: Dentry; last: string } {
    const parts = name.split('/');
    const last = parts.pop() ?? '';
    let dir = this.devtmpfs.root;
    for (const part of parts) {
      let next = dir.children.get(part);
      if (next === undefined) {
        const inode = memInode(this.k, this.devtmpfs, S_IFDIR | 0o755, 0);
        next = addDentry(dir, part, inode);
        dir.inode.nlink++;
      }
      dir = next;
    }
    return { dir, last };
  }
}
