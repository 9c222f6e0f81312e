import { EINVAL, EIO, ENOIOCTLCMD, ENOMEM, ENOTTY, ENXIO } from '../../abi/errno.ts';
import {
  dentry as DENTRY,
  file as FILE,
  file_operations as FOPS,
  inode as INODE,
  iov_iter as ITER,
  kiocb as KIOCB,
} from '../../abi/layout/structs.ts';
import { FMODE_CAN_READ, FMODE_CAN_WRITE, FMODE_LSEEK, FMODE_OPENED, FMODE_PREAD, FMODE_PWRITE, FMODE_STREAM, O_ASYNC } from '../../abi/fs.ts';
import { publishCred } from '../cred.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { initListHead } from '../lib/list.ts';
import type { IovIter, Segment } from '../lib/iov_iter.ts';
import { physToVirt, virtToPhys } from '../mm/address.ts';
import type { AddressSpace } from '../mm/filemap.ts';
import { mapModuleFile } from '../mm/module_mapping.ts';
import type { VmArea } from '../mm/mm_struct.ts';
import { readKernel32, readKernel64, writeKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../mm/maccess.ts';
import { asInt, callAnswered, callGuest, stackBlock } from '../module/call.ts';
import { modulePut, tryModuleGet } from '../module/module.ts';
import { symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { dropPollQueues, type GuestPollQueue, modulePoll } from './module_poll.ts';
import type { File, FileOperations, Inode } from './types.ts';

// Open files whose operations are a module's: the struct file, inode and dentry that its functions see, and the calls of them. Position, mode and
// private_data of such a file live in guest memory; the File is their keeper. Operations are found through file->f_op at each call, because open may
// have put others there.

/** What File.data holds for them. Plain data. */
export interface ModuleFile {
  /** Guest addresses of its struct file, dentry, cred and (shared by all opens of it) inode. */
  readonly addr: number;
  readonly dentry: number;
  readonly cred: number;
  readonly inode: number;
  /** The module that runs it is held; 0 = none (try_module_get of fops->owner). */
  readonly owner: number;
  /** Struct cdev whose reference the file has, 0 = none. */
  readonly cdev: number;
  /** Position after the last read or write. */
  end: number;
  /** Wait queues that its poll function named. */
  readonly queues: GuestPollQueue[];
}
/** What an open leads to. */
export interface OpenTarget {
  readonly fops: number;
  /** Private data that is there before open runs (misc devices). */
  readonly privateData: number;
  readonly cdev: number;
  /** i_private of the inode. */
  readonly inodePrivate?: number;
}
interface GuestInode {
  readonly addr: number;
  users: number;
}
/** Guest inodes of the files that are open. */
export type GuestInodes = Map<Inode, GuestInode>;

/** Longest name that a dentry holds itself (DNAME_INLINE_LEN - 1). */
const INLINE_NAME = 39;
/** UIO_FASTIOV: so many segments lie on the stack. */
const FAST_IOV = 8;
const IOVEC_SIZE = 16;
const ITER_UBUF = 0;
const ITER_IOVEC = 1;
const S64_MAX = 0x7fff_ffff_ffff_ffffn;

export function moduleFile(file: File): ModuleFile {
  return file.data as ModuleFile;
}
/** kzalloc: guest address, 0 = no memory. */
export function kzalloc(k: Kernel, size: number): number {
  const pa = k.mm.slab.kmalloc(size);
  return pa === 0 ? 0 : physToVirt(pa);
}
export function kfree(k: Kernel, addr: number): void {
  if (addr !== 0) k.mm.slab.kfree(virtToPhys(addr));
}
/** A number that means "not finished" to our callers cannot come from a module. */
export function guestResult(result: number): number {
  return result === BLOCKED ? -EIO : result;
}
/** The function at `offset` of the file's operations now; 0 = none. */
export function fileOperation(k: Kernel, file: File, offset: number): number {
  const fops = readKernel64(k, moduleFile(file).addr + FILE.f_op) ?? 0;
  return fops === 0 ? 0 : (readKernel64(k, fops + offset) ?? 0);
}

function getInode(k: Kernel, inode: Inode, target: OpenTarget): number {
  const { guestInodes } = k.drivers;
  const known = guestInodes.get(inode);
  if (known !== undefined) {
    known.users++;
    if (target.cdev !== 0) writeKernel64(k, known.addr + INODE.i_cdev, target.cdev);
    return known.addr;
  }
  const addr = kzalloc(k, INODE.sizeof);
  if (addr === 0) return 0;
  writeKernel16(k, addr + INODE.i_mode, inode.mode);
  writeKernel32(k, addr + INODE.i_uid, inode.uid);
  writeKernel32(k, addr + INODE.i_gid, inode.gid);
  writeKernel64(k, addr + INODE.i_ino, inode.ino);
  writeKernel32(k, addr + INODE.i_nlink, inode.nlink);
  // dev_t of the kernel: major in the upper 12 bits, minor in the lower 20.
  writeKernel32(k, addr + INODE.i_rdev, kernelDev(inode.rdev));
  writeKernel64(k, addr + INODE.i_mapping, addr + INODE.i_data);
  writeKernel64(k, addr + INODE.i_fop, target.fops);
  writeKernel64(k, addr + INODE.i_cdev, target.cdev);
  writeKernel64(k, addr + INODE.i_private, target.inodePrivate ?? 0);
  writeKernel32(k, addr + INODE.i_count, 1);
  initListHead(k, addr + INODE.i_devices);
  guestInodes.set(inode, { addr, users: 1 });
  return addr;
}
function putInode(k: Kernel, inode: Inode): void {
  const known = k.drivers.guestInodes.get(inode);
  if (known === undefined || --known.users > 0) return;
  k.drivers.guestInodes.delete(inode);
  kfree(k, known.addr);
}
/** MKDEV of a device number as stat has it. */
export function kernelDev(dev: number): number {
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  return ((major << 20) | minor) >>> 0;
}

export function makeGuestDentry(k: Kernel, name: string, inode: number): number {
  const addr = kzalloc(k, DENTRY.sizeof + (name.length > INLINE_NAME ? name.length + 1 : 0));
  if (addr === 0) return 0;
  const text = name.length > INLINE_NAME ? addr + DENTRY.sizeof : addr + DENTRY.d_iname;
  writeKernelBytes(k, text, bytesOf(`${name}\0`));
  writeKernel32(k, addr + DENTRY.d_name_len, name.length);
  writeKernel64(k, addr + DENTRY.d_name_name, text);
  writeKernel64(k, addr + DENTRY.d_inode, inode);
  writeKernel64(k, addr + DENTRY.d_parent, addr);
  writeKernel32(k, addr + DENTRY.d_lockref_count, 1);
  return addr;
}

/** do_dentry_open and chrdev_open: the structures, then the module's open function. `file` gets the operations when it succeeds. */
export function openModuleFile(k: Kernel, inode: Inode, file: File, target: OpenTarget): number {
  // Module code runs on a task that is in the machine; the host's own opens have none.
  if (k.sched.loaded !== k.current) return -ENXIO;
  const ownerAddr = readKernel64(k, target.fops + FOPS.owner);
  if (ownerAddr === null) return -ENXIO;
  const owner = k.modules.byAddr.get(ownerAddr) ?? null;
  if (owner !== null && !tryModuleGet(owner)) return -ENXIO;
  const made = makeFile(k, inode, file, target, owner?.addr ?? 0);
  if (made === null) {
    if (owner !== null) modulePut(owner);
    k.drivers.putCdev(target.cdev);
    return -ENOMEM;
  }
  file.data = made;
  k.drivers.moduleFiles.set(made.addr, file);
  (file as { op: FileOperations }).op = openingOps;
  return continueOpen(k, inode, file);
}
function makeFile(k: Kernel, inode: Inode, file: File, target: OpenTarget, owner: number): ModuleFile | null {
  const guestInode = getInode(k, inode, target);
  const addr = guestInode === 0 ? 0 : kzalloc(k, FILE.sizeof);
  const shared = k.drivers.modfs.addresses.get(file.path.dentry) ?? 0;
  if (shared !== 0) writeKernel32(k, shared + DENTRY.d_lockref_count, (readKernel32(k, shared + DENTRY.d_lockref_count) ?? 0) + 1);
  const dentry = addr === 0 ? 0 : shared !== 0 ? shared : makeGuestDentry(k, file.path.dentry.name, guestInode);
  const cred = dentry === 0 ? 0 : k.mm.slab.cacheAlloc(k.caches.cred);
  if (cred === 0) {
    kfree(k, dentry);
    kfree(k, addr);
    if (guestInode !== 0) putInode(k, inode);
    return null;
  }
  publishCred(k, file.cred, cred);
  writeKernel64(k, addr + FILE.f_count, 1);
  const read = (readKernel64(k, target.fops + FOPS.read) ?? 0) !== 0 || (readKernel64(k, target.fops + FOPS.read_iter) ?? 0) !== 0;
  const write = (readKernel64(k, target.fops + FOPS.write) ?? 0) !== 0 || (readKernel64(k, target.fops + FOPS.write_iter) ?? 0) !== 0;
  const mode =
    file.mode | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_OPENED | (read ? FMODE_CAN_READ : 0) | (write ? FMODE_CAN_WRITE : 0);
  writeKernel32(k, addr + FILE.f_mode, mode);
  writeKernel64(k, addr + FILE.f_op, target.fops);
  writeKernel64(k, addr + FILE.f_mapping, guestInode + INODE.i_data);
  writeKernel64(k, addr + FILE.private_data, target.privateData);
  writeKernel64(k, addr + FILE.f_inode, guestInode);
  writeKernel64(k, addr + FILE.f_cred, physToVirt(cred));
  writeKernel64(k, addr + FILE.f_path_dentry, dentry);
  return { addr, dentry, cred: physToVirt(cred), inode: guestInode, owner, cdev: target.cdev, end: 0, queues: [] };
}
function continueOpen(k: Kernel, inode: Inode, file: File): number {
  const open = fileOperation(k, file, FOPS.open);
  if (open !== 0) {
    k.current.restart = { ...k.current.restart, opening: file };
    syncFlags(k, file);
    const result = callGuest(k, open, moduleFile(file).inode, moduleFile(file).addr);
    if (result === null) return BLOCKED;
    k.current.restart = null;
    const r = guestResult(asInt(result));
    if (r !== 0) {
      // Positive numbers of an open function are a mistake that Linux reports and turns into an error.
      if (r > 0) k.printk.log(4, `open() of ${inode.ino} returned ${r}`);
      freeModuleFile(k, file);
      return r > 0 ? -EINVAL : r;
    }
  }
  const { addr } = moduleFile(file);
  let mode = readKernel32(k, addr + FILE.f_mode) ?? 0;
  if (fileOperation(k, file, FOPS.llseek) === 0) mode &= ~FMODE_LSEEK;
  writeKernel32(k, addr + FILE.f_mode, mode);
  (file as { op: FileOperations }).op = operationsFor(k, file, mode);
  return 0;
}
/** While open runs; made again, it goes on where it was. */
const openingOps: FileOperations = { open: continueOpen };

/** What the file can do: programs are told by what is missing. */
function operationsFor(k: Kernel, file: File, mode: number): FileOperations {
  const has = (...offsets: number[]) => offsets.some((offset) => fileOperation(k, file, offset) !== 0);
  return {
    release,
    advance,
    pread: (mode & FMODE_PREAD) !== 0,
    ioctl: has(FOPS.unlocked_ioctl) ? ioctl : noIoctl,
    ...(has(FOPS.flush) ? { flush } : {}),
    ...(has(FOPS.read, FOPS.read_iter) ? { read } : {}),
    ...(has(FOPS.write, FOPS.write_iter) ? { write } : {}),
    ...((mode & FMODE_LSEEK) !== 0 ? { llseek } : {}),
    ...(has(FOPS.poll) ? { poll: modulePoll } : {}),
    ...(has(FOPS.fsync) ? { fsync } : {}),
    ...(has(FOPS.mmap) ? { mmap } : {}),
    fasync: has(FOPS.fasync) ? fasync : noFasync,
  };
}
function syncFlags(k: Kernel, file: File): void {
  writeKernel32(k, moduleFile(file).addr + FILE.f_flags, file.flags);
}

function read(k: Kernel, file: File, iter: IovIter, pos: number): number {
  return transfer(k, file, iter, pos, false);
}
function write(k: Kernel, file: File, iter: IovIter, pos: number): number {
  return transfer(k, file, iter, pos, true);
}
function transfer(k: Kernel, file: File, iter: IovIter, pos: number, isWrite: boolean): number {
  // rw_verify_area: positions end before 2^63.
  if (pos < 0 || pos + iter.count >= 2 ** 63) return -EINVAL;
  const segments = iter.userSegments;
  // The kernel's own buffers (splice, sendfile) reach files with read_iter and splice_read only.
  if (segments === null) return -EINVAL;
  const plain = fileOperation(k, file, isWrite ? FOPS.write : FOPS.read);
  const vector = fileOperation(k, file, isWrite ? FOPS.write_iter : FOPS.read_iter);
  if (vector !== 0 && (plain === 0 || segments.length > 1)) return callIter(k, file, vector, segments, iter.count, pos, isWrite);
  return plain === 0 ? -EINVAL : loopReadWrite(k, file, plain, segments, pos);
}
/** do_loop_readv_writev: one call a segment. */
function loopReadWrite(k: Kernel, file: File, fn: number, segments: readonly Readonly<Segment>[], pos: number): number {
  const task = k.current;
  const mf = moduleFile(file);
  const stream = ((readKernel32(k, mf.addr + FILE.f_mode) ?? 0) & FMODE_STREAM) !== 0;
  let at = (task.restart?.['segment'] as number | undefined) ?? 0;
  let done = (task.restart?.['done'] as number | undefined) ?? 0;
  let position = (task.restart?.['position'] as number | undefined) ?? pos;
  for (;;) {
    const segment = segments[at];
    const ppos = stackBlock(k, 8);
    if (!callAnswered(k)) {
      syncFlags(k, file);
      writeKernel64(k, ppos, position);
    }
    const result = callGuest(k, fn, mf.addr, segment.base, segment.length, stream ? 0 : ppos);
    if (result === null) return BLOCKED;
    const r = guestResult(result);
    if (!stream) position = readKernel64(k, ppos) ?? position;
    mf.end = position;
    if (r < 0) return done > 0 ? done : r;
    done += r;
    if (r !== segment.length || ++at === segments.length) return done;
    task.restart = { segment: at, done, position };
    task.calls = [];
    task.callIndex = 0;
  }
}
/** new_sync_read, do_iter_readv_writev: a kiocb and an iov_iter for the whole. */
function callIter(
  k: Kernel,
  file: File,
  fn: number,
  segments: readonly Readonly<Segment>[],
  count: number,
  pos: number,
  isWrite: boolean,
): number {
  const mf = moduleFile(file);
  const many = segments.length > FAST_IOV;
  const iocb = stackBlock(k, KIOCB.sizeof + ITER.sizeof + FAST_IOV * IOVEC_SIZE);
  const iter = iocb + KIOCB.sizeof;
  const saved = k.current.restart?.['iovec'] as number | undefined;
  const vector = saved ?? (many ? kzalloc(k, segments.length * IOVEC_SIZE) : iter + ITER.sizeof);
  if (vector === 0) return -ENOMEM;
  if (!callAnswered(k)) {
    syncFlags(k, file);
    writeKernelBytes(k, iocb, new Uint8Array(KIOCB.sizeof + ITER.sizeof));
    writeKernel64(k, iocb + KIOCB.ki_filp, mf.addr);
    writeKernel64(k, iocb + KIOCB.ki_pos, pos);
    const single = segments.length === 1;
    writeKernel8(k, iter + ITER.iter_type, single ? ITER_UBUF : ITER_IOVEC);
    writeKernel8(k, iter + ITER.data_source, isWrite ? 1 : 0);
    writeKernel64(k, iter + ITER.count, count);
    writeKernel64(k, iter + ITER.nr_segs, segments.length);
    writeKernel64(k, iter + ITER.ubuf, single ? segments[0].base : vector);
    if (!single)
      segments.forEach((s, i) => {
        writeKernel64(k, vector + i * IOVEC_SIZE, s.base);
        writeKernel64(k, vector + i * IOVEC_SIZE + 8, s.length);
      });
    if (many) k.current.restart = { iovec: vector };
  }
  const result = callGuest(k, fn, iocb, iter);
  if (result === null) return BLOCKED;
  mf.end = readKernel64(k, iocb + KIOCB.ki_pos) ?? pos;
  if (many) kfree(k, vector);
  return guestResult(result);
}
/** After read(2) and write(2): the position is where the module left it. */
function advance(k: Kernel, file: File): void {
  const mf = moduleFile(file);
  if (((readKernel32(k, mf.addr + FILE.f_mode) ?? 0) & FMODE_STREAM) !== 0) return;
  writeKernel64(k, mf.addr + FILE.f_pos, mf.end);
  file.pos = mf.end;
}
function llseek(k: Kernel, file: File, offset: number, whence: number): number {
  const { addr } = moduleFile(file);
  const result = callGuest(k, fileOperation(k, file, FOPS.llseek), addr, offset, whence);
  if (result === null) return BLOCKED;
  file.pos = readKernel64(k, addr + FILE.f_pos) ?? 0;
  return guestResult(result);
}
function ioctl(k: Kernel, file: File, cmd: number, arg: number): number {
  syncFlags(k, file);
  const result = callGuest(k, fileOperation(k, file, FOPS.unlocked_ioctl), moduleFile(file).addr, cmd | 0, arg);
  if (result === null) return BLOCKED;
  const r = guestResult(asInt(result));
  return r === -ENOIOCTLCMD ? -ENOTTY : r;
}
function noIoctl(): number {
  return -ENOTTY;
}
function fsync(k: Kernel, file: File): number {
  const result = callGuest(k, fileOperation(k, file, FOPS.fsync), moduleFile(file).addr, 0, S64_MAX, 0);
  return result === null ? BLOCKED : guestResult(asInt(result));
}
function mmap(k: Kernel, file: File, draft: VmArea): AddressSpace | number {
  syncFlags(k, file);
  return mapModuleFile(k, moduleFile(file).addr, fileOperation(k, file, FOPS.mmap), draft);
}

function fasync(k: Kernel, file: File, fd: number, on: boolean): number {
  syncFlags(k, file);
  const result = callGuest(k, fileOperation(k, file, FOPS.fasync), fd, moduleFile(file).addr, on ? 1 : 0);
  return result === null ? BLOCKED : guestResult(asInt(result));
}
/** The flag alone. */
function noFasync(): number {
  return 0;
}

function flush(k: Kernel, file: File): void {
  if (runsWork(k)) k.current.works.push({ kind: 'flush', file });
}
function release(k: Kernel, file: File): void {
  if ((file.flags & O_ASYNC) !== 0) k.drivers.addWork(k, { kind: 'fasync', file });
  k.drivers.addWork(k, { kind: 'fput', file });
}
/** Whether the current task comes to its task work. */
export function runsWork(k: Kernel): boolean {
  const task = k.current;
  return task === k.sched.loaded && !task.isKernelThread && task.exitState === 0;
}
/** __fput behind the module's release function. */
export function fputModuleFile(k: Kernel, file: File): void {
  freeModuleFile(k, file);
}
function freeModuleFile(k: Kernel, file: File): void {
  const mf = moduleFile(file);
  dropPollQueues(k, mf.queues);
  k.drivers.moduleFiles.delete(mf.addr);
  k.mm.slab.cacheFree(k.caches.cred, virtToPhys(mf.cred));
  // A dentry of a module's file system was held only.
  k.drivers.modfs.read.delete(mf.addr);
  if (k.drivers.modfs.dentries.has(mf.dentry)) k.drivers.addWork(k, { kind: 'call', fn: symbolAddress(k, 'dput'), arg: mf.dentry });
  else kfree(k, mf.dentry);
  kfree(k, mf.addr);
  putInode(k, file.inode);
  // The last file of a module's file system that was unmounted lazily.
  if (file.inode.sb.ofModule === true && file.path.mnt.parent === null) k.vfs.putSuper(file.path.mnt);
  const owner = k.modules.byAddr.get(mf.owner);
  if (owner !== undefined) modulePut(owner);
  const parent = k.drivers.putCdev(mf.cdev);
  if (parent !== 0) k.drivers.addWork(k, { kind: 'call', fn: symbolAddress(k, 'kobject_put'), arg: parent });
}
