import { EFAULT, EINVAL, ENXIO } from '../../abi/errno.ts';
import { FMODE_ATOMIC_POS, FMODE_LSEEK, FMODE_PREAD, FMODE_PWRITE, FMODE_STREAM, O_PATH } from '../../abi/fs.ts';
import { file as FILE, inode as INODE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load, size, store, writeText } from '../lib/access.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { readKernel32, readKernel64, writeKernel32, writeKernel64 } from '../mm/maccess.ts';
import { copyFromUserPartial, copyToUserPartial } from '../mm/uaccess.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { dPath } from './d_path.ts';
import { kfree, kzalloc } from './module_file.ts';
import type { File } from './types.ts';

// What fs/ exports to drivers: positions, and buffers handed to readers (fs/read_write.c, fs/open.c, fs/libfs.c, fs/d_path.c).

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** MAX_LFS_FILESIZE. */
const S64_MAX = 2 ** 63;

const positionOf = (k: Kernel, file: number) => readKernel64(k, file + FILE.f_pos) ?? 0;
/** Whence and offset as positions: set, current and end (`eof`) only. */
function seek(k: Kernel, file: number, offset: number, whence: number, max: number, eof: number | null): number {
  let at: number;
  switch (whence) {
    case SEEK_SET:
      at = offset;
      break;
    case SEEK_CUR:
      if (offset === 0) return positionOf(k, file);
      at = positionOf(k, file) + offset;
      break;
    case SEEK_END:
      if (eof === null) return -EINVAL;
      at = eof + offset;
      break;
    case SEEK_DATA:
    case SEEK_HOLE:
      if (eof === null) return -EINVAL;
      if (offset < 0 || offset >= eof) return -ENXIO;
      at = whence === SEEK_DATA ? offset : eof;
      break;
    default:
      return -EINVAL;
  }
  if (at < 0 || at > max) return -EINVAL;
  writeKernel64(k, file + FILE.f_pos, at);
  return at;
}
function inodeSize(k: Kernel, file: number): number {
  return readKernel64(k, (readKernel64(k, file + FILE.f_inode) ?? 0) + INODE.i_size) ?? 0;
}
function clearMode(k: Kernel, file: number, bits: number, set = 0): number {
  writeKernel32(k, file + FILE.f_mode, ((readKernel32(k, file + FILE.f_mode) ?? 0) & ~bits) | set);
  return 0;
}

/** simple_read_from_buffer(to, count, ppos, from, available): bytes, 0 at the end, -EFAULT. */
function readFromBuffer(k: Kernel, to: number, count: number, ppos: number, from: number, available: number, user: boolean): number {
  const pos = readKernel64(k, ppos) ?? 0;
  const [room, total] = [size(count), size(available)];
  if (pos < 0) return -EINVAL;
  if (pos >= total || room === 0) return 0;
  const n = Math.min(room, total - pos);
  const bytes = load(k, from + pos, n);
  let done = n;
  if (!user) store(k, to, bytes);
  else done = to >= 0 && to + n <= TASK_SIZE ? copyToUserPartial(k, to, bytes) : 0;
  if (done === 0) return -EFAULT;
  writeKernel64(k, ppos, pos + done);
  return done;
}
/** simple_write_to_buffer(to, available, ppos, from, count). */
function writeToBuffer(k: Kernel, to: number, available: number, ppos: number, from: number, count: number): number {
  const pos = readKernel64(k, ppos) ?? 0;
  const [total, wanted] = [size(available), size(count)];
  if (pos < 0) return -EINVAL;
  if (pos >= total || wanted === 0) return 0;
  const bytes = new Uint8Array(Math.min(wanted, total - pos));
  const done = from >= 0 && from + bytes.length <= TASK_SIZE ? copyFromUserPartial(k, bytes, from) : 0;
  if (done === 0) return -EFAULT;
  store(k, to + pos, bytes.subarray(0, done));
  writeKernel64(k, ppos, pos + done);
  return done;
}

/** Puts a path at the end of the buffer, as d_path does: where it begins, or -ENAMETOOLONG as a pointer. */
function pathInto(k: Kernel, file: File | undefined, buffer: number, length: number): number {
  const text = file === undefined ? '' : dPath(k, file.path);
  if (text.length + 1 > length) return -36;
  const at = buffer + length - text.length - 1;
  writeText(k, at, text);
  return at;
}

/** FDPUT_FPUT of struct fd: its user gives a reference back. */
const FDPUT_FPUT = 1;
/** fget: the struct file of a descriptor with a reference, 0 = none. A file that is no module's has an empty one, which only its mode and flags are in. */
function fget(k: Kernel, fd: number): number {
  const file = k.current.files.fds[fd >>> 0];
  if (file == null || (file.flags & O_PATH) !== 0) return 0;
  for (const [addr, open] of k.drivers.moduleFiles) {
    if (open !== file) continue;
    file.refs++;
    return addr;
  }
  const addr = kzalloc(k, FILE.sizeof);
  if (addr === 0) return 0;
  writeKernel32(k, addr + FILE.f_mode, file.mode);
  writeKernel32(k, addr + FILE.f_flags, file.flags);
  writeKernel64(k, addr + FILE.f_count, 1);
  k.drivers.plainFiles.add(addr);
  return addr;
}
function fput(k: Kernel, addr: number): void {
  const file = k.drivers.moduleFiles.get(addr);
  if (file !== undefined) k.vfs.fput(file);
  else if (k.drivers.plainFiles.delete(addr)) kfree(k, addr);
}

export const fsExports: readonly FunctionExport[] = [
  partial('fget', 'files that are not a module\'s have no operations', fget),
  partial('fdget', 'files that are not a module\'s have no operations', (k, fd) => {
    const file = fget(k, fd);
    return file === 0 ? 0 : file + FDPUT_FPUT;
  }),
  fn('fput', fput),
  fn('noop_llseek', (k, file) => positionOf(k, file)),
  fn('default_llseek', (k, file, offset, whence) => seek(k, file, offset, whence, S64_MAX, inodeSize(k, file))),
  fn('generic_file_llseek', (k, file, offset, whence) => seek(k, file, offset, whence, S64_MAX, inodeSize(k, file))),
  fn('generic_file_llseek_size', (k, file, offset, whence, max, eof) => seek(k, file, offset, whence, max, eof)),
  fn('fixed_size_llseek', (k, file, offset, whence, length) =>
    whence <= SEEK_END ? seek(k, file, offset, whence, length, length) : -EINVAL,
  ),
  fn('no_seek_end_llseek', (k, file, offset, whence) => seek(k, file, offset, whence, S64_MAX, null)),
  fn('no_seek_end_llseek_size', (k, file, offset, whence, max) => seek(k, file, offset, whence, max, null)),
  fn('nonseekable_open', (k, _inode, file) => clearMode(k, file, FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE)),
  fn('stream_open', (k, _inode, file) => clearMode(k, file, FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS, FMODE_STREAM)),
  fn('simple_open', (k, inode, file) => {
    const data = readKernel64(k, inode + INODE.i_private) ?? 0;
    if (data !== 0) writeKernel64(k, file + FILE.private_data, data);
    return 0;
  }),
  fn('simple_read_from_buffer', (k, to, count, ppos, from, available) => readFromBuffer(k, to, count, ppos, from, available, true)),
  fn('memory_read_from_buffer', (k, to, count, ppos, from, available) => readFromBuffer(k, to, count, ppos, from, available, false)),
  fn('simple_write_to_buffer', writeToBuffer),
  partial('d_path', 'only paths of open files of modules', (k, path, buffer, length) =>
    pathInto(k, k.drivers.moduleFiles.get(path - FILE.f_path), buffer, length),
  ),
  partial('file_path', 'only of files of modules', (k, file, buffer, length) =>
    pathInto(k, k.drivers.moduleFiles.get(file), buffer, length),
  ),
];
