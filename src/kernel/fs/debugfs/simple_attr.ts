import { EACCES, EFAULT, ENOMEM } from '../../../abi/errno.ts';
import { FMODE_LSEEK, FMODE_PREAD, FMODE_PWRITE } from '../../../abi/fs.ts';
import { file as FILE, inode as INODE } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { size, text } from '../../lib/access.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { kstrtoSigned, kstrtoUnsigned } from '../../lib/kstrtox.ts';
import { slotArguments } from '../../lib/va_list.ts';
import { vsnprintf } from '../../lib/vsprintf.ts';
import { TASK_SIZE } from '../../mm/address.ts';
import { readKernel32, readKernel64, readKernelBig, writeKernel32, writeKernel64, writeKernelBytes } from '../../mm/maccess.ts';
import { copyFromUserPartial, copyToUserPartial } from '../../mm/uaccess.ts';
import { callAnswered, callGuest, stackBlock } from '../../module/call.ts';
import { type FunctionExport, fn } from '../../module/export.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { kfree, kzalloc } from '../module_file.ts';

// Files that show and set one number through functions of the module (fs/libfs.c, DEFINE_SIMPLE_ATTRIBUTE).

/** Our struct simple_attr: no module looks into it. */
const GET = 0;
const SET = 8;
const TEXT = 16;
const TEXT_SIZE = 24;
const DATA = 40;
const FORMAT = 48;
const SIZEOF = 56;

const word = (k: Kernel, at: number) => readKernel64(k, at) ?? 0;

function open(k: Kernel, inode: number, file: number, get: number, set: number, format: number): number {
  const attr = kzalloc(k, SIZEOF);
  if (attr === 0) return -ENOMEM;
  writeKernel64(k, attr + GET, get);
  writeKernel64(k, attr + SET, set);
  writeKernel64(k, attr + DATA, word(k, inode + INODE.i_private));
  writeKernel64(k, attr + FORMAT, format);
  writeKernel64(k, file + FILE.private_data, attr);
  const mode = readKernel32(k, file + FILE.f_mode) ?? 0;
  writeKernel32(k, file + FILE.f_mode, mode & ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE));
  return 0;
}
function read(k: Kernel, file: number, to: number, count: number, ppos: number): number {
  const attr = word(k, file + FILE.private_data);
  const get = word(k, attr + GET);
  if (get === 0) return -EACCES;
  const pos = word(k, ppos);
  let shown = '';
  if (pos > 0 && (readKernelBig(k, attr + TEXT) ?? 0n) !== 0n) shown = text(k, attr + TEXT, TEXT_SIZE);
  else {
    const value = stackBlock(k, 8);
    if (!callAnswered(k)) writeKernel64(k, value, 0);
    const r = callGuest(k, get, word(k, attr + DATA), value);
    if (r === null) return BLOCKED;
    if ((r | 0) !== 0) return r | 0;
    shown = vsnprintf(k, text(k, word(k, attr + FORMAT), 256), slotArguments([BigInt.asUintN(64, readKernelBig(k, value) ?? 0n)])).slice(0, TEXT_SIZE - 1);
    writeKernelBytes(k, attr + TEXT, bytesOf(`${shown}\0`));
  }
  const bytes = bytesOf(shown).subarray(pos, pos + size(count));
  if (bytes.length === 0) return 0;
  const n = to < 0 || to + bytes.length > TASK_SIZE ? 0 : copyToUserPartial(k, to, bytes);
  if (n === 0) return -EFAULT;
  writeKernel64(k, ppos, pos + n);
  return n;
}
function write(k: Kernel, file: number, from: number, count: number, signed: boolean): number {
  const attr = word(k, file + FILE.private_data);
  const set = word(k, attr + SET);
  if (set === 0) return -EACCES;
  const bytes = new Uint8Array(Math.min(size(count), TEXT_SIZE - 1));
  if (from < 0 || from + bytes.length > TASK_SIZE || copyFromUserPartial(k, bytes, from) < bytes.length) return -EFAULT;
  const s = String.fromCharCode(...bytes).replace(/\0.*/s, '');
  const n = signed ? kstrtoSigned(s, 0, 64) : kstrtoUnsigned(s, 0, 64);
  if (typeof n === 'number') return n;
  const r = callGuest(k, set, word(k, attr + DATA), n);
  if (r === null) return BLOCKED;
  return (r | 0) === 0 ? size(count) : r | 0;
}
function release(k: Kernel, file: number): number {
  kfree(k, word(k, file + FILE.private_data));
  return 0;
}
export const simpleAttrExports: readonly FunctionExport[] = [
  fn('simple_attr_open', open),
  fn('simple_attr_release', (k, _inode, file) => release(k, file)),
  fn('simple_attr_read', read),
  fn('simple_attr_write', (k, file, from, count) => write(k, file, from, count, false)),
  fn('simple_attr_write_signed', (k, file, from, count) => write(k, file, from, count, true)),
  fn('debugfs_attr_read', read),
  fn('debugfs_attr_write', (k, file, from, count) => write(k, file, from, count, false)),
  fn('debugfs_attr_write_signed', (k, file, from, count) => write(k, file, from, count, true)),
];
