import { EFAULT, EINTR, EINVAL, ERESTARTSYS } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { ioCancel, ioDestroy, ioGetevents, ioSetup, ioSubmit } from '../fs/aio.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, getUser64, getUserBig, putUser64, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import { setBlocked } from '../signal.ts';
import { nsOf, readTimespec } from '../time/time.ts';
import { importIovec, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// Asynchronous I/O (fs/aio.c).

function sysIoSetup(k: Kernel, events: number, ptr: number): number {
  const before = getUserBig(k, ptr);
  if (before === null) return -EFAULT;
  if (before !== 0n) return -EINVAL;
  const id = ioSetup(k, events >>> 0);
  if (id < 0) return id;
  if (putUser64(k, ptr, id) < 0) {
    ioDestroy(k, id);
    return -EFAULT;
  }
  return 0;
}
function sysIoSubmit(k: Kernel, id: number, count: number, list: number): number {
  return ioSubmit(
    k,
    id,
    count,
    (i) => getUser64(k, list + i * 8),
    (ptr, n) => importIovec(k, ptr, n),
  );
}
function sysIoCancel(k: Kernel, id: number, obj: number): number {
  const key = copyFromUser(k, obj + 8, 4);
  if (typeof key === 'number') return -EFAULT;
  return key.some((b) => b !== 0) ? -EINVAL : ioCancel(k, id, obj);
}
/** The deadline survives in task.restart. */
function deadline(k: Kernel, timeout: number): number {
  const kept = k.current.restart?.['deadline'] as number | undefined;
  if (kept !== undefined) return kept;
  let d = Number.POSITIVE_INFINITY;
  if (timeout !== 0) {
    const t = readTimespec(k, timeout);
    if (typeof t === 'number') return t;
    d = k.time.now() + nsOf(t);
  }
  k.current.restart = { ...k.current.restart, deadline: d };
  return d;
}
function sysIoGetevents(k: Kernel, id: number, min: number, max: number, events: number, timeout: number): number {
  const d = deadline(k, timeout);
  if (d < 0) return d;
  const r = ioGetevents(k, id, min, max, events, d);
  return r === -ERESTARTSYS ? -EINTR : r;
}
/** struct __aio_sigset: const sigset_t *, size_t. */
function sysIoPgetevents(k: Kernel, id: number, min: number, max: number, events: number, timeout: number, sig: number): number {
  const task = k.current;
  if (sig !== 0 && task.restart === null) {
    const v = viewFromUser(k, sig, 16);
    if (typeof v === 'number') return v;
    const ptr = Number(v.getBigUint64(0, true));
    if (ptr !== 0) {
      if (v.getBigUint64(8, true) !== 8n) return -EINVAL;
      const mask = getUserBig(k, ptr);
      if (mask === null) return -EFAULT;
      task.savedSigmask = task.blocked;
      setBlocked(task, BigInt.asUintN(64, mask));
    }
  }
  const r = sysIoGetevents(k, id, min, max, events, timeout);
  // After a signal its handler runs with the given mask first.
  if (r !== BLOCKED && r !== -EINTR && task.savedSigmask !== null) {
    task.blocked = task.savedSigmask;
    task.savedSigmask = null;
  }
  return r;
}

export const aioSyscalls: readonly SyscallRow[] = [
  row(NR.NR_io_setup, 'io_setup', sysIoSetup),
  row(NR.NR_io_destroy, 'io_destroy', ioDestroy),
  row(NR.NR_io_submit, 'io_submit', sysIoSubmit, 'what must wait goes on only when events are asked for'),
  row(NR.NR_io_cancel, 'io_cancel', sysIoCancel),
  row(NR.NR_io_getevents, 'io_getevents', sysIoGetevents),
  row(NR.NR_io_pgetevents, 'io_pgetevents', sysIoPgetevents),
];
