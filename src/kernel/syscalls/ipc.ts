import { EFAULT, EINVAL, ENOENT } from '../../abi/errno.ts';
import { O_NONBLOCK, PATH_MAX } from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { CLOCK_REALTIME } from '../../abi/time.ts';
import { type MqAttr, mqAttr, mqCheck, mqFile, mqNotify, mqOpen, mqReceive, mqSend, mqUnlink } from '../ipc/mqueue.ts';
import { msgctl, msgget, msgrcv, msgsnd } from '../ipc/msg.ts';
import { semctl, semget, semtimedop } from '../ipc/sem.ts';
import { shmat, shmctl, shmdt, shmget } from '../ipc/shm.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, putUser32, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import { deadlineOf, nsOf, readTimespec } from '../time/time.ts';
import { RLIMIT_NOFILE } from '../../abi/sched.ts';
import { installFile, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// System V IPC and POSIX message queues.

const PRIO_MAX = 32768;
/** struct mq_attr: flags, maxmsg, msgsize, curmsgs and four words in reserve. */
const MQ_ATTR = 64;

function sysSemtimedop(k: Kernel, id: number, ptr: number, count: number, timeout: number): number {
  let ns: number | null = null;
  if (timeout !== 0) {
    const t = readTimespec(k, timeout);
    if (typeof t === 'number') return t;
    ns = nsOf(t);
  }
  return semtimedop(k, id | 0, ptr, count >>> 0, ns);
}

/** An absolute timeout on the wall clock, as virtual ns. */
function readDeadline(k: Kernel, ptr: number): number | string {
  if (ptr === 0) return Number.POSITIVE_INFINITY;
  const t = readTimespec(k, ptr);
  return typeof t === 'number' ? (t === -EFAULT ? 'fault' : 'invalid') : deadlineOf(k, CLOCK_REALTIME, t, true);
}
const deadlineError = (d: string) => (d === 'fault' ? -EFAULT : -EINVAL);
function mqName(k: Kernel, ptr: number): string | number {
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  return name === '' ? -ENOENT : name;
}
function sysMqOpen(k: Kernel, namePtr: number, flags: number, mode: number, attrPtr: number): number {
  let attr: MqAttr | null = null;
  if (attrPtr !== 0) {
    const v = viewFromUser(k, attrPtr, MQ_ATTR);
    if (typeof v === 'number') return v;
    attr = { maxMsg: Number(v.getBigInt64(8, true)), msgSize: Number(v.getBigInt64(16, true)) };
  }
  const name = mqName(k, namePtr);
  if (typeof name === 'number') return name;
  // No queue is made for whom has no descriptor left.
  const free = k.current.files.allocFd(0, k.current.signal.rlimit(RLIMIT_NOFILE));
  if (free < 0) return free;
  const file = mqOpen(k, name, flags | 0, mode, attr);
  // A queue's descriptor is always closed by exec.
  return typeof file === 'number' ? file : installFile(k, file, true);
}
function sysMqUnlink(k: Kernel, namePtr: number): number {
  const name = mqName(k, namePtr);
  return typeof name === 'number' ? name : mqUnlink(k, name);
}
function sysMqTimedsend(k: Kernel, fd: number, ptr: number, length: number, prio: number, timeout: number): number {
  const deadline = readDeadline(k, timeout);
  if (typeof deadline === 'string') return deadlineError(deadline);
  if (prio >>> 0 >= PRIO_MAX) return -EINVAL;
  const file = mqCheck(k, fd | 0, true, length < 0 ? Number.MAX_SAFE_INTEGER : length);
  if (typeof file === 'number') return file;
  const data = copyFromUser(k, ptr, length);
  return typeof data === 'number' ? data : mqSend(k, file, data, prio >>> 0, deadline);
}
function sysMqTimedreceive(k: Kernel, fd: number, ptr: number, length: number, prioPtr: number, timeout: number): number {
  const deadline = readDeadline(k, timeout);
  if (typeof deadline === 'string') return deadlineError(deadline);
  const file = mqCheck(k, fd | 0, false, length < 0 ? Number.MAX_SAFE_INTEGER : length);
  if (typeof file === 'number') return file;
  const m = mqReceive(k, file, deadline);
  if (m === BLOCKED || typeof m === 'number') return m;
  if (prioPtr !== 0 && putUser32(k, prioPtr, m.priority) < 0) return -EFAULT;
  return copyToUser(k, ptr, m.data) < 0 ? -EFAULT : m.data.length;
}
/** struct sigevent: value, signo, notify. */
function sysMqNotify(k: Kernel, fd: number, ptr: number): number {
  if (ptr === 0) return mqNotify(k, fd | 0, null);
  const v = viewFromUser(k, ptr, 64);
  if (typeof v === 'number') return v;
  return mqNotify(k, fd | 0, { value: v.getBigInt64(0, true), signo: v.getInt32(8, true), kind: v.getInt32(12, true) });
}
function sysMqGetsetattr(k: Kernel, fd: number, next: number, old: number): number {
  let flags: number | null = null;
  if (next !== 0) {
    const v = viewFromUser(k, next, MQ_ATTR);
    if (typeof v === 'number') return v;
    flags = Number(v.getBigInt64(0, true));
    if ((flags & ~O_NONBLOCK) !== 0) return -EINVAL;
  }
  const file = mqFile(k, fd | 0);
  if (typeof file === 'number') return file;
  const attr = mqAttr(file);
  if (flags !== null) file.flags = (file.flags & ~O_NONBLOCK) | flags;
  if (old === 0) return 0;
  const b = new Uint8Array(MQ_ATTR);
  attr.forEach((n, i) => {
    new DataView(b.buffer).setBigInt64(i * 8, BigInt(n), true);
  });
  return copyToUser(k, old, b);
}

export const ipcSyscalls: readonly SyscallRow[] = [
  row(NR.NR_semget, 'semget', (k, key, n, flags) => semget(k, key | 0, n | 0, flags | 0)),
  row(NR.NR_semctl, 'semctl', (k, id, num, cmd, arg) => semctl(k, id | 0, num | 0, cmd | 0, arg)),
  row(NR.NR_semop, 'semop', (k, id, ptr, n) => semtimedop(k, id | 0, ptr, n >>> 0, null)),
  row(NR.NR_semtimedop, 'semtimedop', sysSemtimedop),
  row(NR.NR_shmget, 'shmget', (k, key, size, flags) => shmget(k, key | 0, size, flags | 0), 'no huge pages'),
  row(NR.NR_shmctl, 'shmctl', (k, id, cmd, arg) => shmctl(k, id | 0, cmd | 0, arg)),
  row(NR.NR_shmat, 'shmat', (k, id, addr, flags) => shmat(k, id | 0, addr, flags | 0)),
  row(NR.NR_shmdt, 'shmdt', shmdt),
  row(NR.NR_msgget, 'msgget', (k, key, flags) => msgget(k, key | 0, flags | 0)),
  row(NR.NR_msgctl, 'msgctl', (k, id, cmd, arg) => msgctl(k, id | 0, cmd | 0, arg)),
  row(NR.NR_msgsnd, 'msgsnd', (k, id, ptr, size, flags) => msgsnd(k, id | 0, ptr, size, flags | 0)),
  row(NR.NR_msgrcv, 'msgrcv', (k, id, ptr, size, type, flags) => msgrcv(k, id | 0, ptr, size, type, flags | 0)),
  row(NR.NR_mq_open, 'mq_open', sysMqOpen),
  row(NR.NR_mq_unlink, 'mq_unlink', sysMqUnlink),
  row(NR.NR_mq_timedsend, 'mq_timedsend', sysMqTimedsend),
  row(NR.NR_mq_timedreceive, 'mq_timedreceive', sysMqTimedreceive),
  row(NR.NR_mq_notify, 'mq_notify', sysMqNotify, 'no SIGEV_THREAD'),
  row(NR.NR_mq_getsetattr, 'mq_getsetattr', sysMqGetsetattr),
];
