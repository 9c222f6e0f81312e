import type { Uploads } from './base/firmware_upload.ts';
import { InputState } from './input/state.ts';
import { ModuleFsState } from '../fs/modfs/state.ts';
import { addDentry } from '../fs/namei.ts';
import { EBUSY, EINVAL } from '../../abi/errno.ts';
import { majorOf, makeDev, minorOf, S_IFCHR, S_IFDIR } from '../../abi/fs.ts';
import { memInode, makeDevtmpfs } from '../fs/tmpfs.ts';
import type { Devpts } from '../fs/devpts/devpts.ts';
import { cdev as CDEV, miscdevice as MISC } from '../../abi/layout/structs.ts';
import { type GuestInodes, kfree, kernelDev, type OpenTarget } from '../fs/module_file.ts';
import type { GuestPollQueue } from '../fs/module_poll.ts';
import type { Dentry, File, FileOperations, SuperBlock } from '../fs/types.ts';
import { readKernel32, readKernel64, writeKernel32 } from '../mm/maccess.ts';
import type { Kernel } from '../kernel.ts';
import type { ModuleVma } from '../mm/module_mapping.ts';
import type { TaskWork } from '../sched/task.ts';
import { DeviceModel } from './base/model.ts';
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
  /** Of a device of the kernel's own; null: a module's, whose struct miscdevice is at `addr`. */
  readonly ops: FileOperations | null;
  readonly addr: number;
}
/** A range of device numbers that a module's struct cdev serves (kobj_map). */
export interface CdevRange {
  /** dev_t of the kernel: major << 20 | minor. */
  readonly dev: number;
  readonly count: number;
  readonly addr: number;
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
  readonly cdevs: CdevRange[] = [];
  /** Struct cdevs that cdev_alloc made: freed with their last reference. */
  readonly dynamicCdevs = new Set<number>();
  /** What modules see of open files (fs/module_file.ts): inodes, and files by the address of their struct file. */
  readonly guestInodes: GuestInodes = new Map();
  readonly moduleFiles = new Map<number, File>();
  readonly modfs = new ModuleFsState();
  readonly input = new InputState();
  /** struct fw_upload by address. */
  readonly uploads: Uploads = new Map();
  /** Struct files that stand for what is no module's (fget). */
  readonly plainFiles = new Set<number>();
  readonly model = new DeviceModel();
  /** Work of modules that no task could do when it came up (fput in interrupt context, by a kernel thread, by the host). */
  readonly delayedWorks: TaskWork[] = [];
  /** vm_area_structs in guest memory, by address (mm/module_mapping.ts). */
  /** firmware_class.path, and which firmware each device asked for (their cache). */
  firmwarePath = '';
  readonly firmwareNames = new Map<number, ReadonlySet<string>>();
  readonly moduleVmas = new Map<number, ModuleVma>();
  /** Wait queues of modules that somebody polls, by address (fs/module_poll.ts). */
  readonly pollQueues = new Map<number, GuestPollQueue>();
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

  /** Where an open of a module's device leads: the range of fewest numbers that holds it (kobj_lookup), or a misc device. */
  openTarget(rdev: number): OpenTarget | null {
    const { k } = this;
    if (majorOf(rdev) === MISC_MAJOR) {
      const device = this.misc.find((d) => d.minor === minorOf(rdev));
      if (device === undefined) return null;
      const fops = readKernel64(k, device.addr + MISC.fops) ?? 0;
      return fops === 0 ? null : { fops, privateData: device.addr, cdev: 0 };
    }
    const dev = kernelDev(rdev);
    let best: CdevRange | null = null;
    for (const c of this.cdevs) if (dev >= c.dev && dev < c.dev + c.count && (best === null || c.count < best.count)) best = c;
    if (best === null) return null;
    const fops = readKernel64(k, best.addr + CDEV.ops) ?? 0;
    if (fops === 0) return null;
    this.getCdev(best.addr);
    return { fops, privateData: 0, cdev: best.addr };
  }
  /** task_work_add: done by the current task on its way to user mode, or by the next that gets there. */
  addWork(k: Kernel, work: TaskWork): void {
    const task = k.current;
    if (task === k.sched.loaded && !task.isKernelThread && task.exitState === 0) task.works.push(work);
    else this.delayedWorks.push(work);
  }
  getCdev(addr: number): void {
    const count = readKernel32(this.k, addr + CDEV.kobj_kref) ?? 0;
    writeKernel32(this.k, addr + CDEV.kobj_kref, count + 1);
  }
  /** kobject_put of a cdev, 0 = none. When it was the last: the parent, which the caller puts; else 0. */
  putCdev(addr: number): number {
    if (addr === 0) return 0;
    const parent = readKernel64(this.k, addr + CDEV.kobj_parent) ?? 0;
    const count = (readKernel32(this.k, addr + CDEV.kobj_kref) ?? 0) - 1;
    writeKernel32(this.k, addr + CDEV.kobj_kref, count);
    if (count === 0 && this.dynamicCdevs.delete(addr)) kfree(this.k, addr);
    return count === 0 ? parent : 0;
  }

  /** misc_register: `minor` 255 asks for a dynamic one. The minor, or -EBUSY. Makes /dev/NAME. */
  registerMisc(minor: number, name: string, ops: FileOperations | null, addr = 0, mode = 0o600): number {
    let m = minor;
    if (m === MISC_DYNAMIC_MINOR) {
      m = MISC_DYNAMIC_MINOR + 1;
      while (this.misc.some((d) => d.minor === m)) m++;
    } else if (this.misc.some((d) => d.minor === m)) return -EBUSY;
    this.misc.push({ minor: m, name, ops, addr });
    if (ops !== null) this.createNode(name, mode, makeDev(MISC_MAJOR, m));
    return m;
  }
  unregisterMisc(minor: number): void {
    const i = this.misc.findIndex((d) => d.minor === minor);
    if (i < 0) return;
    if (this.misc[i].ops !== null) this.removeNode(this.misc[i].name);
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
