import { EBADF, EINVAL } from '../../abi/errno.ts';
import { S_IFDIR, S_IFMT } from '../../abi/fs.ts';
import { PIDFD_SIGNAL_PROCESS_GROUP, PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP } from '../../abi/pidfd.ts';
import * as NR from '../../abi/syscall_nr.ts';
import type { ProcPid } from '../fs/proc/base.ts';
import type { File } from '../fs/types.ts';
import { ioprioGet, ioprioSet } from '../ioprio.ts';
import { kcmp } from '../kcmp.ts';
import type { Kernel } from '../kernel.ts';
import { processVmRw } from '../mm/process_vm_access.ts';
import { viewFromUser } from '../mm/uaccess.ts';
import { pidfdGetfd, pidfdOpen, pidfdSendSignal, pidfdTask } from '../pidfd.ts';
import type { Task } from '../sched/task.ts';
import { rseqRegister } from '../rseq.ts';
import { querySigInfo } from './signal.ts';
import type { SyscallRow } from './table.ts';

// Calls on other processes by descriptor or by number: pidfds, kcmp, their memory, their I/O priority.

const SIGNAL_SCOPES = [0, PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_SIGNAL_PROCESS_GROUP];

/** The process whose directory in /proc `file` is, or null. */
function procPidOf(k: Kernel, file: File): Task | null {
  const { inode } = file;
  if (inode.sb !== k.procfs.sb || (inode.mode & S_IFMT) !== S_IFDIR) return null;
  const { task, entry, thread } = inode.data as Partial<ProcPid>;
  return task !== undefined && entry === null && thread === false ? task : null;
}
function sysPidfdSendSignal(k: Kernel, fd: number, sig: number, ptr: number, flags: number): number {
  if (!SIGNAL_SCOPES.includes(flags >>> 0)) return -EINVAL;
  const file = k.current.files.get(fd | 0);
  if (file === null) return -EBADF;
  let p = pidfdTask(file);
  if (typeof p === 'number') {
    // The directory of a process in /proc will do as well.
    const task = procPidOf(k, file);
    if (task === null) return -EBADF;
    p = { task, thread: false };
  }
  if (ptr === 0) return pidfdSendSignal(k, p, sig | 0, null, flags >>> 0);
  const v = viewFromUser(k, ptr, 128);
  if (typeof v === 'number') return v;
  if (v.getInt32(0, true) !== (sig | 0)) return -EINVAL;
  return pidfdSendSignal(k, p, sig | 0, querySigInfo(v, sig | 0), flags >>> 0);
}
function sysPidfdGetfd(k: Kernel, pidfd: number, fd: number, flags: number): number {
  if (flags >>> 0 !== 0) return -EINVAL;
  const p = pidfdTask(k.current.files.get(pidfd | 0));
  return typeof p === 'number' ? p : pidfdGetfd(k, p, fd | 0);
}

const row = (nr: number, name: string, handler: SyscallRow['handler']): SyscallRow => ({ nr, name, handler, support: 'full' });

export const pidfdSyscalls: readonly SyscallRow[] = [
  row(NR.NR_pidfd_open, 'pidfd_open', (k, pid, flags) => pidfdOpen(k, pid | 0, flags >>> 0)),
  row(NR.NR_pidfd_send_signal, 'pidfd_send_signal', sysPidfdSendSignal),
  row(NR.NR_pidfd_getfd, 'pidfd_getfd', sysPidfdGetfd),
  row(NR.NR_kcmp, 'kcmp', (k, a, b, type, i, j) => kcmp(k, a | 0, b | 0, type | 0, i, j)),
  row(NR.NR_process_vm_readv, 'process_vm_readv', (k, pid, l, ln, r, rn, f) => processVmRw(k, pid | 0, l, ln, r, rn, f, false)),
  row(NR.NR_process_vm_writev, 'process_vm_writev', (k, pid, l, ln, r, rn, f) => processVmRw(k, pid | 0, l, ln, r, rn, f, true)),
  row(NR.NR_ioprio_set, 'ioprio_set', (k, which, who, value) => ioprioSet(k, which | 0, who | 0, value & 0xffff)),
  row(NR.NR_ioprio_get, 'ioprio_get', (k, which, who) => ioprioGet(k, which | 0, who | 0)),
  row(NR.NR_rseq, 'rseq', (k, addr, length, flags, sig) => rseqRegister(k, addr, length >>> 0, flags >>> 0, sig >>> 0)),
];
