import { EACCES, EFBIG, EINVAL, EIO, ENODEV, ENOMEM } from '../../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE } from '../../../abi/fs.ts';
import { attribute as ATTR, bin_attribute as BIN, kobj_type as KTYPE, kobject as KOBJ, sysfs_ops as OPS } from '../../../abi/layout/structs.ts';
import { guestResult, kfree, kzalloc } from '../../fs/module_file.ts';
import { kernfsRemoved, type KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { File, FileOperations, Inode } from '../../fs/types.ts';
import { sprintSymbol } from '../../kallsyms.ts';
import type { Kernel } from '../../kernel.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { seqLseek } from '../../lib/seq_file.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { kernelBytes, kernelString, readKernel16, readKernel64, writeKernelBytes } from '../../mm/maccess.ts';
import { callGuest } from '../../module/call.ts';
import { BLOCKED } from '../../sched/wait.ts';

// Files of sysfs whose show and store are functions of a module (fs/sysfs/file.c). They are called as Linux calls them: through the sysfs_ops of the
// object's type, in guest memory.

interface GuestAttribute {
  readonly kobj: number;
  readonly attr: number;
}
const attributeOf = (file: File) => (file.inode.data as KernfsNode).data as GuestAttribute;
/** sysfs_ops of the object's type; 0 = none. */
function sysfsOps(k: Kernel, kobj: number): number {
  const ktype = readKernel64(k, kobj + KOBJ.ktype) ?? 0;
  return ktype === 0 ? 0 : (readKernel64(k, ktype + KTYPE.sysfs_ops) ?? 0);
}

/** sysfs_add_file_mode_ns, sysfs_add_bin_file_mode_ns: the file of an attribute. 0 or -errno. */
export function createAttribute(k: Kernel, dir: KernfsNode, kobj: number, attr: number, binary = false, visible: number | null = null): number {
  const name = kernelString(k, readKernel64(k, attr + ATTR.name) ?? 0, 256);
  const mode = readKernel16(k, attr + ATTR.mode);
  if (name === null || name === '' || mode === null) return -EINVAL;
  const data: GuestAttribute = { kobj, attr };
  const size = binary ? (readKernel64(k, attr + BIN.size) ?? 0) : PAGE_SIZE;
  const node = k.sysfs.createFile(dir, name, (visible ?? mode) & 0o777, { size }, data, binary ? binaryOps : attributeOps);
  return typeof node === 'number' ? node : 0;
}

function open(k: Kernel, inode: Inode, file: File): number {
  const mode = inode.mode;
  const { kobj } = attributeOf(file);
  const ops = sysfsOps(k, kobj);
  const has = (offset: number) => ops !== 0 && (readKernel64(k, ops + offset) ?? 0) !== 0;
  if ((file.mode & FMODE_WRITE) !== 0 && ((mode & 0o222) === 0 || !has(OPS.store))) return -EACCES;
  return (file.mode & FMODE_READ) !== 0 && ((mode & 0o444) === 0 || !has(OPS.show)) ? -EACCES : 0;
}
function read(k: Kernel, file: File, iter: IovIter, pos: number): number {
  const task = k.current;
  if (file.data === null || pos === 0) {
    if (kernfsRemoved(file)) return -ENODEV;
    const { kobj, attr } = attributeOf(file);
    const show = readKernel64(k, sysfsOps(k, kobj) + OPS.show) ?? 0;
    if (show === 0) return -EIO;
    const page = (task.restart?.['page'] as number | undefined) ?? kzalloc(k, PAGE_SIZE);
    if (page === 0) return -ENOMEM;
    task.restart = { ...task.restart, page };
    const result = callGuest(k, show, kobj, attr, page);
    if (result === null) return BLOCKED;
    task.restart = null;
    let n = guestResult(result);
    if (n >= PAGE_SIZE) {
      k.printk.log(4, `fill_read_buffer: ${sprintSymbol(k, show, 'S')} returned bad count`);
      n = PAGE_SIZE - 1;
    }
    const bytes = n > 0 ? kernelBytes(k, page, n) : new Uint8Array(0);
    kfree(k, page);
    if (n < 0) return n;
    file.data = bytes ?? new Uint8Array(0);
  }
  const text = file.data as Uint8Array;
  return pos >= text.length ? 0 : iter.copyTo(k, text.subarray(pos, pos + iter.count));
}
function write(k: Kernel, file: File, iter: IovIter): number {
  const task = k.current;
  if (kernfsRemoved(file)) return -ENODEV;
  const { kobj, attr } = attributeOf(file);
  const store = readKernel64(k, sysfsOps(k, kobj) + OPS.store) ?? 0;
  if (store === 0) return -EIO;
  let buffer = task.restart?.['buffer'] as number | undefined;
  const count = buffer === undefined ? Math.min(iter.count, PAGE_SIZE) : (task.restart?.['count'] as number);
  if (buffer === undefined) {
    const bytes = iter.copyFrom(k, count);
    if (typeof bytes === 'number') return bytes;
    buffer = kzalloc(k, count + 1);
    if (buffer === 0) return -ENOMEM;
    writeKernelBytes(k, buffer, bytes);
    task.restart = { ...task.restart, buffer, count };
  }
  const result = callGuest(k, store, kobj, attr, buffer, count);
  if (result === null) return BLOCKED;
  task.restart = null;
  kfree(k, buffer);
  return guestResult(result);
}
const attributeOps: FileOperations = { open, read, write, llseek: seqLseek };

function openBinary(k: Kernel, inode: Inode, file: File): number {
  const { attr } = attributeOf(file);
  const has = (offset: number) => (readKernel64(k, attr + offset) ?? 0) !== 0;
  if ((file.mode & FMODE_WRITE) !== 0 && ((inode.mode & 0o222) === 0 || !has(BIN.write))) return -EACCES;
  return (file.mode & FMODE_READ) !== 0 && ((inode.mode & 0o444) === 0 || !has(BIN.read)) ? -EACCES : 0;
}
/** sysfs_kf_bin_read and write: a piece of at most a page, within the attribute's size. */
function transferBinary(k: Kernel, file: File, iter: IovIter, pos: number, isWrite: boolean): number {
  const task = k.current;
  if (kernfsRemoved(file)) return -ENODEV;
  const { kobj, attr } = attributeOf(file);
  const fn = readKernel64(k, attr + (isWrite ? BIN.write : BIN.read)) ?? 0;
  if (fn === 0) return -EIO;
  const size = readKernel64(k, attr + BIN.size) ?? 0;
  if (size > 0 && pos >= size) return isWrite ? -EFBIG : 0;
  let count = Math.min(iter.count, PAGE_SIZE);
  if (size > 0) count = Math.min(count, size - pos);
  if (count === 0) return 0;
  let buffer = task.restart?.['buffer'] as number | undefined;
  if (buffer === undefined) {
    const bytes = isWrite ? iter.copyFrom(k, count) : null;
    if (typeof bytes === 'number') return bytes;
    buffer = kzalloc(k, PAGE_SIZE);
    if (buffer === 0) return -ENOMEM;
    if (bytes !== null) writeKernelBytes(k, buffer, bytes);
    task.restart = { ...task.restart, buffer };
  }
  // What a write took from the user was taken in the first attempt: `count` comes out the same.
  const result = callGuest(k, fn, 0, kobj, attr, buffer, pos, count);
  if (result === null) return BLOCKED;
  task.restart = null;
  const n = guestResult(result);
  const bytes = !isWrite && n > 0 ? kernelBytes(k, buffer, Math.min(n, PAGE_SIZE)) : null;
  kfree(k, buffer);
  return bytes === null ? n : iter.copyTo(k, bytes);
}
const binaryOps: FileOperations = {
  open: openBinary,
  read: (k, file, iter, pos) => transferBinary(k, file, iter, pos, false),
  write: (k, file, iter, pos) => transferBinary(k, file, iter, pos, true),
  llseek: seqLseek,
};
