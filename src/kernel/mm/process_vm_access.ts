import { EFAULT, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { findTaskByVpid } from '../pid.ts';
import { ptraceMayAccess } from '../ptrace.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import { accessRemote } from './memory.ts';
import { viewFromUser } from './uaccess.ts';

// process_vm_readv(2), process_vm_writev(2) (mm/process_vm_access.c).

const UIO_MAXIOV = 1024;

interface Segment {
  readonly base: number;
  readonly length: number;
}
function readIovec(k: Kernel, ptr: number, count: number): Segment[] | number {
  if (count < 0 || count > UIO_MAXIOV) return -EINVAL;
  const v = viewFromUser(k, ptr, count * 16);
  if (typeof v === 'number') return v;
  const out: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const length = Number(v.getBigInt64(i * 16 + 8, true));
    if (length < 0) return -EINVAL;
    out.push({ base: Number(v.getBigInt64(i * 16, true)), length });
  }
  return out;
}

export function processVmRw(k: Kernel, pid: number, lvec: number, lcount: number, rvec: number, rcount: number, flags: number, write: boolean): number {
  if (flags !== 0) return -EINVAL;
  const local = readIovec(k, lvec, lcount);
  if (typeof local === 'number') return local;
  if (local.some((s) => s.length > 0 && !(s.base >= 0 && s.base + s.length <= TASK_SIZE))) return -EFAULT;
  const iter = IovIter.vector(local);
  if (iter.count === 0) return 0;
  const remote = readIovec(k, rvec, rcount);
  if (typeof remote === 'number') return remote;
  if (remote.every((s) => s.length === 0)) return 0;
  const task = findTaskByVpid(k, pid);
  if (task === undefined) return -ESRCH;
  if (!ptraceMayAccess(k, task, true)) return -EPERM;
  const { mm } = task;
  if (mm === null) return -EPERM;
  let moved = 0;
  for (const { base, length } of remote) {
    for (let at = 0; at < length && iter.count > 0; ) {
      const n = Math.min(length - at, iter.count, PAGE_SIZE - ((base + at) % PAGE_SIZE));
      if (!(base + at >= 0 && base + at < TASK_SIZE)) return moved > 0 ? moved : -EFAULT;
      const bytes = write ? iter.copyFrom(k, n) : new Uint8Array(n);
      if (typeof bytes === 'number') return moved > 0 ? moved : bytes;
      if (accessRemote(k, mm, base + at, bytes, write) < 0) return moved > 0 ? moved : -EFAULT;
      const done = write ? bytes.length : iter.copyTo(k, bytes);
      if (done < 0) return moved > 0 ? moved : done;
      moved += done;
      at += done;
      if (done < n) return moved;
    }
  }
  return moved;
}
