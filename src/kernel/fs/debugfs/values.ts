import { E2BIG, EACCES, EFAULT, EINVAL, ENOMEM } from '../../../abi/errno.ts';
import { S_IFREG } from '../../../abi/fs.ts';
import { debugfs_blob_wrapper as BLOB } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { kstrtobool, kstrtoSigned, kstrtoUnsigned } from '../../lib/kstrtox.ts';
import { kfreeConst } from '../../drivers/base/kobject.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { kernelBytes, kernelString, readKernel64, writeKernel64, writeKernelBytes } from '../../mm/maccess.ts';
import { type FunctionExport, fn } from '../../module/export.ts';
import { kzalloc } from '../module_file.ts';
import { genericLlseek } from '../read_write.ts';
import type { File, FileOperations } from '../types.ts';
import { debugCreate, lockedFile } from './debugfs.ts';

// Single values of a driver as files (fs/debugfs/file.c): debugfs_create_u32 and its kin, bool, atomic_t, str, blob.

/** How a number is kept and shown. */
interface Kind {
  readonly bytes: number;
  readonly signed: boolean;
  /** Hexadecimal with so many digits; 0 = decimal. */
  readonly digits: number;
}
interface Value {
  readonly at: number;
  readonly kind: Kind | 'bool' | 'str' | 'blob';
}
const valueIn = (file: File) => file.inode.data as Value;

function readNumber(k: Kernel, { at, kind }: Value): bigint | null {
  if (typeof kind === 'string') return null;
  const bytes = kernelBytes(k, at, kind.bytes);
  if (bytes === null) return null;
  let n = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) n = (n << 8n) | BigInt(bytes[i]);
  return kind.signed ? BigInt.asIntN(kind.bytes * 8, n) : n;
}
/** The whole contents, or null where the driver's memory is gone. */
function contents(k: Kernel, value: Value): Uint8Array | null {
  const { at, kind } = value;
  if (kind === 'bool') {
    const b = kernelBytes(k, at, 1);
    return b === null ? null : bytesOf(b[0] !== 0 ? 'Y\n' : 'N\n');
  }
  if (kind === 'str') {
    const s = kernelString(k, readKernel64(k, at) ?? 0, 4096);
    return s === null ? null : bytesOf(`${s}\n`);
  }
  if (kind === 'blob') {
    const size = readKernel64(k, at + BLOB.size) ?? 0;
    return kernelBytes(k, readKernel64(k, at + BLOB.data) ?? 0, Math.max(0, size));
  }
  const n = readNumber(k, value);
  if (n === null) return null;
  return bytesOf(kind.digits > 0 ? `0x${n.toString(16).padStart(kind.digits, '0')}\n` : `${n}\n`);
}
function read(k: Kernel, file: File, iter: IovIter, pos: number): number {
  if ((file.inode.mode & 0o444) === 0) return -EACCES;
  const bytes = contents(k, valueIn(file));
  if (bytes === null) return -EFAULT;
  return pos >= bytes.length ? 0 : iter.copyTo(k, bytes.subarray(pos, pos + iter.count));
}
/** Longest text of a number (simple_attr_write's buffer, less its NUL). */
const NUMBER_MAX = 23;
function write(k: Kernel, file: File, iter: IovIter, pos: number): number {
  const { at, kind } = valueIn(file);
  const readOnly = (file.inode.mode & 0o222) === 0;
  if (kind === 'blob') return writeBlob(k, at, iter, pos);
  if (kind === 'str') return readOnly ? -EINVAL : writeString(k, at, iter, pos);
  if (readOnly) return -EACCES;
  const count = iter.count;
  const bytes = iter.copyFrom(k, Math.min(count, NUMBER_MAX));
  if (typeof bytes === 'number') return bytes;
  let s = '';
  for (const b of bytes) {
    if (b === 0) break;
    s += String.fromCharCode(b);
  }
  if (kind === 'bool') {
    // What is no boolean changes nothing, and nobody is told.
    const b = kstrtobool(s);
    if (typeof b === 'boolean') writeKernelBytes(k, at, Uint8Array.of(b ? 1 : 0));
    return count;
  }
  const n = kind.signed ? kstrtoSigned(s, 0, 64) : kstrtoUnsigned(s, 0, 64);
  if (typeof n === 'number') return n;
  const out = new Uint8Array(kind.bytes);
  for (let i = 0, left = BigInt.asUintN(64, n); i < out.length; i++, left >>= 8n) out[i] = Number(left & 0xffn);
  writeKernelBytes(k, at, out);
  return count;
}
/** Into the driver's bytes, at the file's position (simple_write_to_buffer). */
function writeBlob(k: Kernel, at: number, iter: IovIter, pos: number): number {
  const size = readKernel64(k, at + BLOB.size) ?? 0;
  if (pos >= size) return 0;
  const bytes = iter.copyFrom(k, Math.min(iter.count, size - pos));
  if (typeof bytes === 'number') return bytes;
  return writeKernelBytes(k, (readKernel64(k, at + BLOB.data) ?? 0) + pos, bytes) ? bytes.length : -EFAULT;
}
/** A new string takes the old one's place, without blanks around it; the old one is freed. */
function writeString(k: Kernel, at: number, iter: IovIter, pos: number): number {
  const count = iter.count;
  if (pos !== 0) return -EINVAL;
  if (count + 1 > PAGE_SIZE) return -E2BIG;
  const bytes = iter.copyFrom(k, count);
  if (typeof bytes === 'number') return bytes;
  const copy = kzalloc(k, count + 1);
  if (copy === 0) return -ENOMEM;
  const s = String.fromCharCode(...bytes).replace(/\0.*/s, '').replace(/^[\t-\r \xa0]+|[\t-\r \xa0]+$/g, '');
  writeKernelBytes(k, copy, bytesOf(`${s}\0`));
  kfreeConst(k, readKernel64(k, at) ?? 0);
  writeKernel64(k, at, copy);
  return count;
}
const valueOps: FileOperations = {
  open: (k, inode, file) => lockedFile(k, inode, file, false),
  read,
  write,
  llseek: (k, file, offset, whence) => genericLlseek(file, offset, whence, contents(k, valueIn(file))?.length ?? 0),
};

function create(kind: Kind | 'bool' | 'str' | 'blob', handle: boolean) {
  return (k: Kernel, name: number, mode: number, parent: number, at: number): number | undefined => {
    const r = debugCreate(k, name, parent, S_IFREG | (mode & 0o777), valueOps, { at, kind } satisfies Value);
    return handle ? r : undefined;
  };
}
const decimal = (bytes: number): Kind => ({ bytes, signed: false, digits: 0 });
const hexadecimal = (bytes: number): Kind => ({ bytes, signed: false, digits: bytes * 2 });

export const debugValueExports: readonly FunctionExport[] = [
  fn('debugfs_create_u8', create(decimal(1), false)),
  fn('debugfs_create_u16', create(decimal(2), false)),
  fn('debugfs_create_u32', create(decimal(4), false)),
  fn('debugfs_create_u64', create(decimal(8), false)),
  fn('debugfs_create_ulong', create(decimal(8), false)),
  fn('debugfs_create_size_t', create(decimal(8), false)),
  fn('debugfs_create_x8', create(hexadecimal(1), false)),
  fn('debugfs_create_x16', create(hexadecimal(2), false)),
  fn('debugfs_create_x32', create(hexadecimal(4), false)),
  fn('debugfs_create_x64', create(hexadecimal(8), false)),
  fn('debugfs_create_atomic_t', create({ bytes: 4, signed: true, digits: 0 }, false)),
  fn('debugfs_create_bool', create('bool', false)),
  fn('debugfs_create_str', create('str', false)),
  fn('debugfs_create_blob', create('blob', true)),
];
