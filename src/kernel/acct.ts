import { EACCES, EPERM } from '../abi/errno.ts';
import { O_APPEND, O_LARGEFILE, O_WRONLY, S_IFMT, S_IFREG } from '../abi/fs.ts';
import { filpOpen } from './fs/open.ts';
import type { File } from './fs/types.ts';
import type { Kernel } from './kernel.ts';
import { IovIter } from './lib/iov_iter.ts';
import { fromKidMunged } from './user_namespace.ts';
import type { Task } from './sched/task.ts';

// Process accounting: one record for each process that ends (kernel/acct.c, acct(2), acct(5)).

const CAP_SYS_PACCT = 20;
const RECORD_SIZE = 64;
const ACCT_VERSION = 3;
/** Ran, but did not execve; had superuser rights; dumped core; died by a signal. */
const AFORK = 1;
const ASU = 2;
const ACORE = 8;
const AXSIG = 16;
/** AHZ: times are in hundredths of a second. */
const NSEC_PER_AHZ = 10_000_000;
const PF_FORKNOEXEC = 0x40;
const PF_SUPERPRIV = 0x100;

/** acct(2): from now on to the file `name`; null = to none. */
export function acct(k: Kernel, name: string | null): number {
  if (!k.current.capable(CAP_SYS_PACCT)) return -EPERM;
  let file: File | number | null = null;
  if (name !== null) {
    file = filpOpen(k, k.current.fs.pwd, name, O_WRONLY | O_APPEND | O_LARGEFILE, 0);
    if (typeof file === 'number') return file;
    if ((file.inode.mode & S_IFMT) !== S_IFREG) {
      k.vfs.fput(file);
      return -EACCES;
    }
  }
  if (k.acctFile !== null) k.vfs.fput(k.acctFile);
  k.acctFile = file;
  return 0;
}

/** comp_t: a mantissa of 13 bits and an exponent of 3 to the base 8. */
function encodeComp(value: number): number {
  let mantissa = Math.floor(value);
  let exponent = 0;
  let round = 0;
  while (mantissa > 0x1fff) {
    round = mantissa & 4;
    mantissa = Math.floor(mantissa / 8);
    exponent++;
  }
  if (round !== 0 && ++mantissa > 0x1fff) {
    mantissa = Math.floor(mantissa / 8);
    exponent++;
  }
  return exponent > 7 ? 0xffff : (exponent << 13) + mantissa;
}
/** The last thread of `leader`'s process ends (acct_process). `pages`: its address space then. */
export function acctProcess(k: Kernel, leader: Task, exitCode: number, pages: number): void {
  const file = k.acctFile;
  if (file === null) return;
  const bytes = new Uint8Array(RECORD_SIZE);
  const v = new DataView(bytes.buffer);
  const elapsed = k.time.now() - leader.startTime;
  const { userNs } = file.cred;
  const sum = (of: (t: Task) => number) => leader.threads.reduce((n, t) => n + of(t), 0);
  let flags = 0;
  if ((leader.flags & PF_FORKNOEXEC) !== 0) flags |= AFORK;
  if ((leader.flags & PF_SUPERPRIV) !== 0) flags |= ASU;
  if ((exitCode & 0x80) !== 0) flags |= ACORE;
  if ((exitCode & 0x7f) !== 0) flags |= AXSIG;
  v.setUint8(0, flags);
  v.setUint8(1, ACCT_VERSION);
  v.setUint16(2, leader.signal.tty?.dev ?? 0, true);
  v.setUint32(4, exitCode, true);
  v.setUint32(8, fromKidMunged(userNs, 'uid', leader.cred.uid), true);
  v.setUint32(12, fromKidMunged(userNs, 'gid', leader.cred.gid), true);
  v.setUint32(16, leader.tgid, true);
  v.setUint32(20, leader.parent.tgid, true);
  v.setUint32(24, k.time.wall().sec - Math.floor(elapsed / 1e9), true);
  v.setFloat32(28, Math.floor(elapsed / NSEC_PER_AHZ), true);
  v.setUint16(32, encodeComp(sum((t) => t.utime) / NSEC_PER_AHZ), true);
  v.setUint16(34, encodeComp(sum((t) => t.stime) / NSEC_PER_AHZ), true);
  v.setUint16(36, encodeComp(pages * 4), true);
  v.setUint16(42, encodeComp(sum((t) => t.minFlt)), true);
  v.setUint16(44, encodeComp(sum((t) => t.majFlt)), true);
  for (let i = 0; i < Math.min(15, leader.comm.length); i++) bytes[48 + i] = leader.comm.charCodeAt(i);
  const size = file.inode.mapping?.size ?? 0;
  file.op.write?.(k, file, IovIter.kernel(bytes), size);
}
