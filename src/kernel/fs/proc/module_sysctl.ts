import { EACCES, EINVAL, ENOENT, ENOMEM } from '../../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE } from '../../../abi/fs.ts';
import { ctl_table as CTL, ctl_table_header as HEADER } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, loadString } from '../../lib/guest_memory.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { seqLseek } from '../../lib/seq_file.ts';
import { kernelBytes, readKernel64, writeKernel64, writeKernelBytes } from '../../mm/maccess.ts';
import { asInt, callAnswered, callGuest, stackBlock } from '../../module/call.ts';
import { type FunctionExport, fn, partial } from '../../module/export.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { guestResult, kfree, kzalloc } from '../module_file.ts';
import type { File, FileOperations } from '../types.ts';
import type { ProcEntry } from './generic.ts';

// Tables of modules below /proc/sys (fs/proc/proc_sysctl.c): each file calls the handler of its row with a buffer of the kernel.

const NAME_MAX = 256;
/** KMALLOC_MAX_SIZE, the longest transfer. */
const TRANSFER_MAX = 2 ** 22;
const ROWS_MAX = 4096;

/** Files of a registered table, by the address of its header. */
export interface SysctlTable {
  readonly entries: readonly ProcEntry[];
}
interface RowData {
  readonly row: number;
  readonly header: number;
}
const rowOf = (file: File) => (file.inode.data as ProcEntry).data as RowData;

function open(_k: Kernel, inode: { readonly mode: number }, file: File): number {
  if ((file.mode & FMODE_WRITE) !== 0 && (inode.mode & 0o222) === 0) return -EACCES;
  return (file.mode & FMODE_READ) !== 0 && (inode.mode & 0o444) === 0 ? -EACCES : 0;
}
/** proc_sys_call_handler. */
function transfer(k: Kernel, file: File, iter: IovIter, pos: number, write: boolean): number {
  const task = k.current;
  const { row, header } = rowOf(file);
  if (!k.procfs.sysctlTables.has(header)) return -ENOENT;
  const handler = readKernel64(k, row + CTL.proc_handler) ?? 0;
  if (handler === 0) return -EINVAL;
  let buffer = task.restart?.['buffer'] as number | undefined;
  const count = buffer === undefined ? iter.count : (task.restart?.['count'] as number);
  if (count >= TRANSFER_MAX) return -ENOMEM;
  if (buffer === undefined) {
    const bytes = write ? iter.copyFrom(k, count) : null;
    if (typeof bytes === 'number') return bytes;
    buffer = kzalloc(k, count + 1);
    if (buffer === 0) return -ENOMEM;
    if (bytes !== null) writeKernelBytes(k, buffer, bytes);
    task.restart = { ...task.restart, buffer, count };
  }
  const lenp = stackBlock(k, 16);
  if (!callAnswered(k)) {
    writeKernel64(k, lenp, count);
    writeKernel64(k, lenp + 8, pos);
  }
  const result = callGuest(k, handler, row, write ? 1 : 0, buffer, lenp, lenp + 8);
  if (result === null) return BLOCKED;
  task.restart = null;
  const r = guestResult(asInt(result));
  const moved = readKernel64(k, lenp) ?? 0;
  file.pos = readKernel64(k, lenp + 8) ?? pos;
  const bytes = !write && r === 0 && moved > 0 ? kernelBytes(k, buffer, Math.min(moved, count)) : null;
  kfree(k, buffer);
  if (r !== 0) return r;
  return bytes === null ? moved : iter.copyTo(k, bytes);
}
const sysctlOps: FileOperations = {
  open,
  read: (k, file, iter, pos) => transfer(k, file, iter, pos, false),
  write: (k, file, iter, pos) => transfer(k, file, iter, pos, true),
  // The handler moves the position.
  advance: () => undefined,
  pread: true,
  llseek: seqLseek,
};

/** __register_sysctl_table: the header, 0 when it cannot be. */
function register(k: Kernel, path: string, table: number, rows: number): number {
  const { procfs } = k;
  const header = kzalloc(k, HEADER.sizeof);
  if (header === 0) return 0;
  const dir = `sys/${path.split('/').filter((p) => p !== '').join('/')}`;
  const entries: ProcEntry[] = [];
  for (let i = 0; i < Math.min(rows, ROWS_MAX) && !k.current.faulted; i++) {
    const row = table + i * CTL.sizeof;
    const at = load64(k, row + CTL.procname);
    if (at === 0) break;
    const name = loadString(k, at, NAME_MAX);
    const mode = load32(k, row + CTL.mode) & 0o777;
    const data: RowData = { row, header };
    const entry = procfs.create(`${dir}/${name}`, null, { strict: true, mode, fop: sysctlOps, data });
    if (entry === null) {
      k.printk.log(3, `sysctl duplicate entry: /${path}/${name}`);
      drop(k, entries);
      kfree(k, header);
      return 0;
    }
    // Files in /proc/sys have no size.
    entry.size = 0;
    entries.push(entry);
  }
  procfs.sysctlTables.set(header, { entries });
  return header;
}
/** Files go, and directories that are empty then. */
function drop(k: Kernel, entries: readonly ProcEntry[]): void {
  for (const entry of entries) {
    k.procfs.detach(entry);
    for (let dir = entry.parent; dir !== null && dir.children.size === 0 && dir.name !== 'sys'; dir = dir.parent) k.procfs.detach(dir);
  }
}
function unregister(k: Kernel, header: number): void {
  const table = k.procfs.sysctlTables.get(header);
  if (header === 0 || table === undefined) return;
  k.procfs.sysctlTables.delete(header);
  drop(k, table.entries);
  kfree(k, header);
}
export const sysctlTableExports: readonly FunctionExport[] = [
  fn('register_sysctl_sz', (k, path, table, rows) => register(k, loadString(k, path, NAME_MAX), table, rows)),
  fn('unregister_sysctl_table', unregister),
  partial('register_net_sysctl_sz', 'there is one network', (k, _net, path, table, rows) => register(k, loadString(k, path, NAME_MAX), table, rows)),
  fn('unregister_net_sysctl_table', unregister),
];
