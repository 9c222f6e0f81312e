import { EINVAL, ENOTTY, ESRCH } from '../../abi/errno.ts';
import { O_ASYNC, POLLERR, POLLHUP, POLLIN, POLLOUT } from '../../abi/fs.ts';
import { POLL_ERR, POLL_HUP, POLL_IN, POLL_MSG, POLL_OUT, SI_KERNEL, SI_SIGIO, SIGIO, SIGURG } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { addFasyncQueue, type WaitQueueHead } from '../sched/wait.ts';
import type { Task } from '../sched/task.ts';
import { sendSignalTo } from '../signal.ts';
import { PollTable } from './select.ts';
import type { File } from './types.ts';

// Signals for I/O: F_SETOWN, F_SETSIG, O_ASYNC (fs/fcntl.c: f_setown, send_sigio, fasync_helper).

export const F_OWNER_TID = 0;
export const F_OWNER_PID = 1;
export const F_OWNER_PGRP = 2;

/** Who gets the signals of a file (struct fown_struct). */
export interface FileOwner {
  readonly type: number;
  readonly pid: number;
  /** Of the one who set it. */
  readonly uid: number;
  readonly euid: number;
}
/** A file with O_ASYNC on a wait queue (struct fasync_struct). */
export interface Fasync {
  readonly file: File;
  readonly fd: number;
}

/** f_setown: pid 0 is nobody. */
export function setOwner(k: Kernel, file: File, pid: number, type: number): number {
  const tasks = [...k.sched.tasks.values()];
  const exists = pid === 0 || (type === F_OWNER_PGRP ? tasks.some((t) => t.signal.pgid === pid) : k.sched.tasks.has(pid));
  if (!exists) return -ESRCH;
  const { uid, euid } = k.current.cred;
  file.owner = { type, pid, uid, euid };
  return 0;
}
/** F_SETOWN: a negative number is a process group. */
export function setOwnerByPid(k: Kernel, file: File, who: number): number {
  if (who === -0x8000_0000) return -EINVAL;
  return setOwner(k, file, Math.abs(who), who < 0 ? F_OWNER_PGRP : F_OWNER_PID);
}
export function getOwnerPid(k: Kernel, file: File): number {
  const { owner } = file;
  if (owner === null) return 0;
  if (owner.type === F_OWNER_PGRP) return 0 - owner.pid;
  return k.sched.tasks.has(owner.pid) ? owner.pid : 0;
}

const BANDS: Readonly<Record<number, number>> = {
  [POLL_IN]: 0x41,
  [POLL_OUT]: 0x304,
  [POLL_MSG]: 0x441,
  [POLL_ERR]: POLLERR,
  [POLL_HUP]: POLLHUP | POLLERR,
};
/** Signals whose si_code has meanings of its own. */
const SPECIFIC = [4, 5, 7, 8, 11, 17, 31];
/** sigio_perm: who set the owner could have sent the signal himself. */
function mayGetSigio({ owner }: File, task: Task): boolean {
  if (owner === null) return false;
  const { uid, suid } = task.cred;
  return owner.euid === 0 || owner.euid === uid || owner.euid === suid || owner.uid === uid || owner.uid === suid;
}
function sigioTo(k: Kernel, task: Task, file: File, fd: number, reason: number): void {
  const owner = file.owner;
  if (owner === null || !mayGetSigio(file, task)) return;
  const group = owner.type !== F_OWNER_TID;
  if (file.signum === 0) sendSignalTo(k, task, { signo: SIGIO, code: SI_KERNEL, pid: 0, uid: 0 }, group);
  else {
    const code = SPECIFIC.includes(file.signum) ? SI_SIGIO : reason;
    sendSignalTo(k, task, { signo: file.signum, code, band: BANDS[reason] ?? 0, fd }, group);
  }
}
function ownersOf(k: Kernel, file: File): Task[] {
  const { owner } = file;
  if (owner === null || owner.pid === 0) return [];
  return [...k.sched.tasks.values()].filter((t) =>
    owner.type === F_OWNER_PGRP ? t.isLeader && t.signal.pgid === owner.pid : t.pid === owner.pid,
  );
}
/** send_sigio. */
export function sendSigio(k: Kernel, file: File, fd: number, reason: number): void {
  for (const task of ownersOf(k, file)) sigioTo(k, task, file, fd, reason);
}
/** send_sigurg: urgent data came. */
export function sendSigurg(k: Kernel, file: File): void {
  for (const task of ownersOf(k, file)) {
    if (mayGetSigio(file, task))
      sendSignalTo(k, task, { signo: SIGURG, code: SI_KERNEL, pid: 0, uid: 0 }, file.owner?.type !== F_OWNER_TID);
  }
}

/** Gathers the queues that `file` would sleep on. */
class FasyncTable extends PollTable {
  readonly queues: WaitQueueHead[] = [];
  override add(queue: WaitQueueHead): void {
    this.queues.push(queue);
  }
}
/** O_ASYNC goes on or off for a file. 0 or -errno. */
export function setFasync(k: Kernel, file: File, fd: number, on: boolean): number {
  if (file.op.fasync !== undefined) return Math.min(0, file.op.fasync(k, file, fd, on));
  const table = new FasyncTable(k);
  file.op.poll?.(k, file, table);
  for (const queue of table.queues) addFasyncQueue(queue, file, on ? { file, fd } : null);
  return 0;
}
/** ioctl(FIOASYNC): files that have nothing to tell have no such switch. */
export function ioctlFasync(k: Kernel, file: File, fd: number, on: boolean): number {
  if (on === ((file.flags & O_ASYNC) !== 0)) return 0;
  if (file.op.fasync === undefined && file.op.poll === undefined) return -ENOTTY;
  const r = setFasync(k, file, fd, on);
  if (r === 0) file.flags = on ? file.flags | O_ASYNC : file.flags & ~O_ASYNC;
  return r;
}
/** Something happened on a queue that files with O_ASYNC wait on (kill_fasync). */
export function killFasync(k: Kernel, list: readonly Fasync[]): void {
  for (const { file, fd } of [...list]) {
    const mask = file.op.poll?.(k, file, null) ?? 0;
    if ((mask & POLLIN) !== 0) sendSigio(k, file, fd, POLL_IN);
    else if ((mask & POLLHUP) !== 0) sendSigio(k, file, fd, POLL_HUP);
    else if ((mask & POLLOUT) !== 0) sendSigio(k, file, fd, POLL_OUT);
  }
}
