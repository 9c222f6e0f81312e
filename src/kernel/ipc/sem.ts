import { E2BIG, EACCES, EAGAIN, EFAULT, EFBIG, EIDRM, EINTR, EINVAL, ENOSPC, ERANGE } from '../../abi/errno.ts';
import * as IPC from '../../abi/ipc.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser } from '../mm/uaccess.ts';
import { tryToWakeUp } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { BLOCKED, waitInterruptible } from '../sched/wait.ts';
import { type IpcPerm, ipcGet, ipcPerms, mayControl, newPerm, PERM_SIZE, putLong, putPerm, putTime, seconds, updatePerm } from './util.ts';

// System V semaphores (ipc/sem.c, semop(2)).

const SEMVMX = 32767;
const SEMAEM = SEMVMX;
const S_READ = 0o444;
const S_ALTER = 0o222;

interface Semaphore {
  value: number;
  /** Last process that changed it. */
  pid: number;
}
interface Sembuf {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}
/** A sleeper's operations (struct sem_queue). The one who makes them possible does them. */
interface SemQueue {
  readonly task: Task;
  readonly pid: number;
  readonly sops: readonly Sembuf[];
  readonly undo: SemUndo | null;
  /** The operation that could not be done. */
  blocking: Sembuf;
  /** Null while it waits; then its result. */
  status: number | null;
}
export interface SemArray {
  readonly perm: IpcPerm;
  readonly sems: Semaphore[];
  readonly pending: SemQueue[];
  otime: number;
  ctime: number;
}
/** What a process's end does to one array. */
export interface SemUndo {
  readonly array: SemArray;
  readonly adj: number[];
}
export interface SemUndoList {
  users: number;
  readonly undos: Map<SemArray, SemUndo>;
}

export function semget(k: Kernel, key: number, count: number, flags: number): number {
  const { ipc } = k;
  if (count < 0 || count > ipc.semCtls[0]) return -EINVAL;
  return ipcGet(
    k,
    ipc.sems,
    key,
    flags,
    () => newArray(k, key, count, flags),
    (a) => (count > a.sems.length ? -EINVAL : 0),
  );
}
function newArray(k: Kernel, key: number, count: number, flags: number): number {
  const { ipc } = k;
  if (count === 0) return -EINVAL;
  if (ipc.usedSems + count > ipc.semCtls[1]) return -ENOSPC;
  const sems = Array.from({ length: count }, () => ({ value: 0, pid: 0 }));
  const array: SemArray = { perm: newPerm(k, key, flags), sems, pending: [], otime: 0, ctime: seconds(k) };
  const id = ipc.sems.add(array, ipc.semCtls[3]);
  if (id >= 0) ipc.usedSems += count;
  return id;
}

/** Does all of the operations or none: 0, an errno, or the one that has to wait. */
function tryAtomic(array: SemArray, q: { sops: readonly Sembuf[]; undo: SemUndo | null; pid: number }): number | Sembuf {
  const { sems } = array;
  const before: number[] = [];
  const adjBefore: number[] = [];
  const rollBack = (n: number) => {
    for (let i = n - 1; i >= 0; i--) {
      const { num, op, flags } = q.sops[i];
      sems[num].value = before[i];
      if ((flags & IPC.SEM_UNDO) !== 0 && q.undo !== null && op !== 0) q.undo.adj[num] = adjBefore[i];
    }
  };
  for (const [i, sop] of q.sops.entries()) {
    const sem = sems[sop.num];
    before[i] = sem.value;
    const result = sem.value + sop.op;
    let bad: number | Sembuf = 0;
    if ((sop.op === 0 && sem.value !== 0) || result < 0) bad = (sop.flags & IPC.IPC_NOWAIT) !== 0 ? -EAGAIN : sop;
    else if (result > SEMVMX) bad = -ERANGE;
    else if ((sop.flags & IPC.SEM_UNDO) !== 0 && q.undo !== null) {
      adjBefore[i] = q.undo.adj[sop.num];
      const adj = adjBefore[i] - sop.op;
      if (adj < -SEMAEM - 1 || adj > SEMAEM) bad = -ERANGE;
      else if (sop.op !== 0) q.undo.adj[sop.num] = adj;
    }
    if (bad !== 0) {
      rollBack(i);
      return bad;
    }
    sem.value = result;
  }
  for (const { num } of q.sops) sems[num].pid = q.pid;
  return 0;
}
/** After a change: sleepers whose operations are possible now get them done, in their order (update_queue). */
function updateQueue(k: Kernel, array: SemArray): void {
  let changed = true;
  while (changed) {
    changed = false;
    for (const q of [...array.pending]) {
      const r = tryAtomic(array, q);
      if (typeof r !== 'number') {
        q.blocking = r;
        continue;
      }
      finish(k, array, q, r);
      if (r === 0) {
        array.otime = seconds(k);
        if (q.sops.some((s) => s.op !== 0)) {
          // From the start: earlier ones may be possible now.
          changed = true;
          break;
        }
      }
    }
  }
}
function finish(k: Kernel, array: SemArray, q: SemQueue, status: number): void {
  array.pending.splice(array.pending.indexOf(q), 1);
  q.status = status;
  tryToWakeUp(k, q.task);
}

function readSops(k: Kernel, ptr: number, count: number): Sembuf[] | number {
  const bytes = copyFromUser(k, ptr, count * 6);
  if (typeof bytes === 'number') return bytes;
  const v = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => ({
    num: v.getUint16(i * 6, true),
    op: v.getInt16(i * 6 + 2, true),
    flags: v.getInt16(i * 6 + 4, true),
  }));
}
/** The list of the current task's adjustments, made at first use. */
function undoList(k: Kernel): SemUndoList {
  let list = k.ipc.undo.get(k.current);
  if (list === undefined) {
    list = { users: 1, undos: new Map() };
    k.ipc.undo.set(k.current, list);
  }
  return list;
}
function findUndo(k: Kernel, array: SemArray): SemUndo {
  const { undos } = undoList(k);
  let undo = undos.get(array);
  if (undo === undefined) {
    undo = { array, adj: array.sems.map(() => 0) };
    undos.set(array, undo);
  }
  return undo;
}

/** semtimedop after its timeout is known: `timeout` ns, or null for none. */
export function semtimedop(k: Kernel, id: number, ptr: number, count: number, timeout: number | null): number {
  const task = k.current;
  const queued = task.restart?.['sem'] as { array: SemArray; q: SemQueue; deadline: number } | undefined;
  if (queued !== undefined) return stillWaiting(k, queued);
  if (count < 1 || id < 0) return -EINVAL;
  if (count > k.ipc.semCtls[2]) return -E2BIG;
  const sops = readSops(k, ptr, count);
  if (typeof sops === 'number') return sops;
  const array = k.ipc.sems.find(id);
  if (typeof array === 'number') return array;
  if (sops.some((s) => s.num >= array.sems.length)) return -EFBIG;
  const alter = sops.some((s) => s.op !== 0);
  if (ipcPerms(k, array.perm, alter ? S_ALTER : S_READ) < 0) return -EACCES;
  const undo = sops.some((s) => (s.flags & IPC.SEM_UNDO) !== 0) ? findUndo(k, array) : null;
  const r = tryAtomic(array, { sops, undo, pid: task.tgid });
  if (typeof r === 'number') {
    if (r !== 0) return r;
    array.otime = seconds(k);
    if (alter) updateQueue(k, array);
    return 0;
  }
  const q: SemQueue = { task, pid: task.tgid, sops, undo, blocking: r, status: null };
  array.pending.push(q);
  return stillWaiting(k, { array, q, deadline: timeout === null ? Number.POSITIVE_INFINITY : k.time.now() + timeout });
}
function stillWaiting(k: Kernel, wait: { array: SemArray; q: SemQueue; deadline: number }): number {
  const { array, q, deadline } = wait;
  if (q.status !== null) return q.status;
  const leave = (errno: number) => {
    array.pending.splice(array.pending.indexOf(q), 1);
    return errno;
  };
  if (deadline <= k.time.now()) return leave(-EAGAIN);
  const r = waitInterruptible(k, null);
  if (r !== BLOCKED) return leave(-EINTR);
  k.current.restart = { sem: wait };
  if (deadline !== Number.POSITIVE_INFINITY) k.sched.scheduleTimeout(k.current, deadline);
  return BLOCKED;
}

/** A new task shares its parent's list of adjustments (CLONE_SYSVSEM) or has none. */
export function copySemundo(k: Kernel, child: Task, share: boolean): void {
  if (!share) return;
  const list = undoList(k);
  list.users++;
  k.ipc.undo.set(child, list);
}
/** The end of a task: adjustments are made (exit_sem). */
export function exitSem(k: Kernel, task: Task): void {
  const list = k.ipc.undo.get(task);
  if (list === undefined) return;
  k.ipc.undo.delete(task);
  if (--list.users > 0) return;
  for (const { array, adj } of list.undos.values()) {
    if (array.perm.deleted) continue;
    array.sems.forEach((sem, i) => {
      if (adj[i] === 0) return;
      sem.value = Math.min(Math.max(sem.value + adj[i], 0), SEMVMX);
      sem.pid = task.tgid;
    });
    array.otime = seconds(k);
    updateQueue(k, array);
  }
  list.undos.clear();
}
/** SETVAL and SETALL: no one's end adjusts these any more. */
function dropUndos(k: Kernel, array: SemArray, num: number | null): void {
  for (const list of new Set(k.ipc.undo.values())) {
    const undo = list.undos.get(array);
    if (undo === undefined) continue;
    if (num === null) undo.adj.fill(0);
    else undo.adj[num] = 0;
  }
}
function removeArray(k: Kernel, array: SemArray): void {
  const { ipc } = k;
  for (const q of [...array.pending]) finish(k, array, q, -EIDRM);
  for (const list of new Set(ipc.undo.values())) list.undos.delete(array);
  ipc.usedSems -= array.sems.length;
  ipc.sems.remove(array);
}

function semInfo(k: Kernel, ptr: number, now: boolean): number {
  const { ipc } = k;
  const [semmsl, semmns, semopm, semmni] = ipc.semCtls;
  const b = new Uint8Array(40);
  const v = new DataView(b.buffer);
  const semusz = now ? ipc.sems.inUse : 20;
  const semaem = now ? ipc.usedSems : SEMAEM;
  [semmns, semmni, semmns, semmns, semmsl, semopm, semopm, semusz, SEMVMX, semaem].forEach((n, i) => {
    v.setInt32(i * 4, n, true);
  });
  return copyToUser(k, ptr, b) < 0 ? -EFAULT : ipc.sems.maxIndex;
}
function semStat(k: Kernel, id: number, cmd: number, ptr: number): number {
  const byIndex = cmd !== IPC.IPC_STAT;
  const array = byIndex ? (k.ipc.sems.atIndex(id) ?? -EINVAL) : k.ipc.sems.find(id);
  if (typeof array === 'number') return array;
  if (cmd !== IPC.SEM_STAT_ANY && ipcPerms(k, array.perm, S_READ) < 0) return -EACCES;
  const b = new Uint8Array(88);
  const v = new DataView(b.buffer);
  putPerm(v, array.perm);
  putTime(v, PERM_SIZE, array.otime);
  putTime(v, PERM_SIZE + 8, array.ctime);
  putLong(v, PERM_SIZE + 16, array.sems.length);
  if (copyToUser(k, ptr, b) < 0) return -EFAULT;
  return byIndex ? array.perm.id : 0;
}
/** How many wait for a semaphore to grow, or to be zero. */
function countWaiting(array: SemArray, num: number, zero: boolean): number {
  let n = 0;
  for (const { blocking } of array.pending) if (blocking.num === num && (zero ? blocking.op === 0 : blocking.op < 0)) n++;
  return n;
}
function semctlMain(k: Kernel, id: number, num: number, cmd: number, arg: number): number {
  const array = k.ipc.sems.find(id);
  if (typeof array === 'number') return array;
  if (ipcPerms(k, array.perm, cmd === IPC.SETALL ? S_ALTER : S_READ) < 0) return -EACCES;
  const { sems } = array;
  if (cmd === IPC.GETALL) {
    const b = new Uint8Array(sems.length * 2);
    const v = new DataView(b.buffer);
    sems.forEach((s, i) => {
      v.setUint16(i * 2, s.value, true);
    });
    return copyToUser(k, arg, b);
  }
  if (cmd === IPC.SETALL) {
    const b = copyFromUser(k, arg, sems.length * 2);
    if (typeof b === 'number') return b;
    const v = new DataView(b.buffer);
    for (let i = 0; i < sems.length; i++) if (v.getUint16(i * 2, true) > SEMVMX) return -ERANGE;
    sems.forEach((s, i) => {
      s.value = v.getUint16(i * 2, true);
      s.pid = k.current.tgid;
    });
    dropUndos(k, array, null);
    array.ctime = seconds(k);
    updateQueue(k, array);
    return 0;
  }
  if (num < 0 || num >= sems.length) return -EINVAL;
  switch (cmd) {
    case IPC.GETVAL:
      return sems[num].value;
    case IPC.GETPID:
      return sems[num].pid;
    case IPC.GETNCNT:
      return countWaiting(array, num, false);
  }
  return countWaiting(array, num, true);
}
function setVal(k: Kernel, id: number, num: number, value: number): number {
  if (value > SEMVMX || value < 0) return -ERANGE;
  const array = k.ipc.sems.find(id);
  if (typeof array === 'number') return array;
  if (num < 0 || num >= array.sems.length) return -EINVAL;
  if (ipcPerms(k, array.perm, S_ALTER) < 0) return -EACCES;
  dropUndos(k, array, num);
  array.sems[num].value = value;
  array.sems[num].pid = k.current.tgid;
  array.ctime = seconds(k);
  updateQueue(k, array);
  return 0;
}
export function semctl(k: Kernel, id: number, num: number, cmd: number, arg: number): number {
  if (id < 0) return -EINVAL;
  switch (cmd) {
    case IPC.IPC_INFO:
    case IPC.SEM_INFO:
      return semInfo(k, arg, cmd === IPC.SEM_INFO);
    case IPC.IPC_STAT:
    case IPC.SEM_STAT:
    case IPC.SEM_STAT_ANY:
      return semStat(k, id, cmd, arg);
    case IPC.GETALL:
    case IPC.GETVAL:
    case IPC.GETPID:
    case IPC.GETNCNT:
    case IPC.GETZCNT:
    case IPC.SETALL:
      return semctlMain(k, id, num, cmd, arg);
    case IPC.SETVAL:
      return setVal(k, id, num, arg | 0);
    case IPC.IPC_SET:
    case IPC.IPC_RMID: {
      const bytes = cmd === IPC.IPC_SET ? copyFromUser(k, arg, 88) : null;
      if (typeof bytes === 'number') return bytes;
      const array = k.ipc.sems.find(id);
      if (typeof array === 'number') return array;
      const denied = mayControl(k, array.perm);
      if (denied < 0) return denied;
      if (bytes === null) {
        removeArray(k, array);
        return 0;
      }
      const r = updatePerm(array.perm, new DataView(bytes.buffer));
      if (r === 0) array.ctime = seconds(k);
      return r;
    }
  }
  return -EINVAL;
}
