import { E2BIG, EACCES, EAGAIN, EFAULT, EIDRM, EINVAL, ENOMSG, EPERM, ERESTARTNOHAND } from '../../abi/errno.ts';
import * as IPC from '../../abi/ipc.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, getUser64, putUser64 } from '../mm/uaccess.ts';
import { tryToWakeUp } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { BLOCKED, WaitQueueHead, waitInterruptible, wakeUpAll } from '../sched/wait.ts';
import { type IpcPerm, ipcGet, ipcPerms, mayControl, newPerm, PERM_SIZE, putLong, putPerm, putTime, seconds, updatePerm } from './util.ts';

// System V message queues (ipc/msg.c, msgop(2)).

const CAP_SYS_RESOURCE = 24;
const S_READ = 0o444;
const S_WRITE = 0o222;
type Mode = 'any' | 'equal' | 'not' | 'lesseq' | 'number';

interface Msg {
  readonly type: number;
  readonly data: Uint8Array;
}
/** A receiver that sleeps (struct msg_receiver). A sender hands the message over. */
interface Receiver {
  readonly task: Task;
  readonly mode: Mode;
  readonly type: number;
  readonly size: number;
  /** Null while it waits; then a message or an errno. */
  result: Msg | number | null;
}
export interface MsgQueue {
  readonly perm: IpcPerm;
  readonly messages: Msg[];
  readonly receivers: Receiver[];
  /** Senders that found no room. */
  readonly senders: WaitQueueHead;
  stime: number;
  rtime: number;
  ctime: number;
  cbytes: number;
  qbytes: number;
  lspid: number;
  lrpid: number;
}

export function msgget(k: Kernel, key: number, flags: number): number {
  const { ipc } = k;
  const make = () => {
    const q: MsgQueue = {
      perm: newPerm(k, key, flags),
      messages: [],
      receivers: [],
      senders: new WaitQueueHead(),
      stime: 0,
      rtime: 0,
      ctime: seconds(k),
      cbytes: 0,
      qbytes: ipc.msgMnb,
      lspid: 0,
      lrpid: 0,
    };
    return ipc.msgs.add(q, ipc.msgMni);
  };
  return ipcGet(k, ipc.msgs, key, flags, make, () => 0);
}

function matches(m: Msg, mode: Mode, type: number): boolean {
  switch (mode) {
    case 'equal':
      return m.type === type;
    case 'not':
      return m.type !== type;
    case 'lesseq':
      return m.type <= type;
  }
  return true;
}
/** The message that a receiver gets, or undefined (find_msg). */
function findMsg(q: MsgQueue, mode: Mode, type: number): Msg | undefined {
  if (mode === 'number') return q.messages[type];
  let best: Msg | undefined;
  for (const m of q.messages) {
    if (!matches(m, mode, type)) continue;
    if (mode !== 'lesseq') return m;
    if (best === undefined || m.type < best.type) best = m;
  }
  return best;
}
/** Gives `m` to the first receiver that takes it (pipelined_send); one whose buffer is too small hears of that and is gone. */
function handOver(k: Kernel, q: MsgQueue, m: Msg): boolean {
  for (const r of [...q.receivers]) {
    if (!matches(m, r.mode, r.type)) continue;
    q.receivers.splice(q.receivers.indexOf(r), 1);
    const fits = m.data.length <= r.size;
    r.result = fits ? m : -E2BIG;
    tryToWakeUp(k, r.task);
    if (!fits) continue;
    q.lrpid = r.task.tgid;
    q.rtime = seconds(k);
    return true;
  }
  return false;
}

export function msgsnd(k: Kernel, id: number, ptr: number, size: number, flags: number): number {
  const type = getUser64(k, ptr);
  if (type === null) return -EFAULT;
  if (size > k.ipc.msgMax || size < 0 || id < 0 || type < 1) return -EINVAL;
  const data = copyFromUser(k, ptr + 8, size);
  if (typeof data === 'number') return data;
  const waited = k.current.restart?.['msq'] as MsgQueue | undefined;
  const q = waited ?? k.ipc.msgs.find(id);
  if (typeof q === 'number') return q;
  if (q.perm.deleted) return -EIDRM;
  if (ipcPerms(k, q.perm, S_WRITE) < 0) return -EACCES;
  if (size + q.cbytes > q.qbytes || 1 + q.messages.length > q.qbytes) {
    if ((flags & IPC.IPC_NOWAIT) !== 0) return -EAGAIN;
    const r = waitInterruptible(k, q.senders);
    if (r !== BLOCKED) return -ERESTARTNOHAND;
    k.current.restart = { msq: q };
    return BLOCKED;
  }
  const m: Msg = { type, data };
  q.lspid = k.current.tgid;
  q.stime = seconds(k);
  if (!handOver(k, q, m)) {
    q.messages.push(m);
    q.cbytes += size;
  }
  return 0;
}

function deliver(k: Kernel, ptr: number, size: number, m: Msg): number {
  const n = Math.min(size, m.data.length);
  if (putUser64(k, ptr, m.type) < 0 || copyToUser(k, ptr + 8, m.data.subarray(0, n)) < 0) return -EFAULT;
  return n;
}
export function msgrcv(k: Kernel, id: number, ptr: number, size: number, type: number, flags: number): number {
  const waited = k.current.restart?.['rcv'] as { q: MsgQueue; r: Receiver } | undefined;
  if (waited !== undefined) return stillReceiving(k, waited, ptr, size);
  if (id < 0 || size < 0) return -EINVAL;
  const copy = (flags & IPC.MSG_COPY) !== 0;
  if (copy && ((flags & IPC.MSG_EXCEPT) !== 0 || (flags & IPC.IPC_NOWAIT) === 0)) return -EINVAL;
  let mode: Mode = 'equal';
  if (copy) mode = 'number';
  else if (type === 0) mode = 'any';
  else if (type < 0) mode = 'lesseq';
  else if ((flags & IPC.MSG_EXCEPT) !== 0) mode = 'not';
  const want = mode === 'lesseq' ? -type : type;
  const q = k.ipc.msgs.find(id);
  if (typeof q === 'number') return q;
  if (ipcPerms(k, q.perm, S_READ) < 0) return -EACCES;
  const m = findMsg(q, mode, want);
  if (m !== undefined) {
    if (size < m.data.length && (flags & IPC.MSG_NOERROR) === 0) return -E2BIG;
    if (!copy) {
      q.messages.splice(q.messages.indexOf(m), 1);
      q.rtime = seconds(k);
      q.lrpid = k.current.tgid;
      q.cbytes -= m.data.length;
      wakeUpAll(k, q.senders);
    }
    return deliver(k, ptr, size, m);
  }
  if ((flags & IPC.IPC_NOWAIT) !== 0) return -ENOMSG;
  const limit = (flags & IPC.MSG_NOERROR) !== 0 ? Number.POSITIVE_INFINITY : size;
  const r: Receiver = { task: k.current, mode, type: want, size: limit, result: null };
  q.receivers.push(r);
  return stillReceiving(k, { q, r }, ptr, size);
}
function stillReceiving(k: Kernel, wait: { q: MsgQueue; r: Receiver }, ptr: number, size: number): number {
  const { q, r } = wait;
  if (typeof r.result === 'number') return r.result;
  if (r.result !== null) return deliver(k, ptr, size, r.result);
  const b = waitInterruptible(k, null);
  if (b !== BLOCKED) {
    q.receivers.splice(q.receivers.indexOf(r), 1);
    return -ERESTARTNOHAND;
  }
  k.current.restart = { rcv: wait };
  return BLOCKED;
}

function removeQueue(k: Kernel, q: MsgQueue): void {
  for (const r of q.receivers.splice(0)) {
    r.result = -EIDRM;
    tryToWakeUp(k, r.task);
  }
  k.ipc.msgs.remove(q);
  wakeUpAll(k, q.senders);
  q.messages.length = 0;
}
function msgInfo(k: Kernel, ptr: number, now: boolean): number {
  const { ipc } = k;
  let headers = 0;
  let bytes = 0;
  for (const q of ipc.msgs.all()) {
    headers += q.messages.length;
    bytes += q.cbytes;
  }
  const b = new Uint8Array(32);
  const v = new DataView(b.buffer);
  // msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql, then a short, msgseg.
  const pool = now ? [ipc.msgs.inUse, headers] : [512000, 16384];
  [...pool, ipc.msgMax, ipc.msgMnb, ipc.msgMni, 16, now ? bytes : 16384].forEach((n, i) => {
    v.setInt32(i * 4, n, true);
  });
  v.setUint16(28, 0xffff, true);
  return copyToUser(k, ptr, b) < 0 ? -EFAULT : ipc.msgs.maxIndex;
}
function msgStat(k: Kernel, id: number, cmd: number, ptr: number): number {
  const byIndex = cmd !== IPC.IPC_STAT;
  const q = byIndex ? (k.ipc.msgs.atIndex(id) ?? -EINVAL) : k.ipc.msgs.find(id);
  if (typeof q === 'number') return q;
  if (cmd !== IPC.MSG_STAT_ANY && ipcPerms(k, q.perm, S_READ) < 0) return -EACCES;
  const b = new Uint8Array(120);
  const v = new DataView(b.buffer);
  putPerm(v, q.perm);
  putTime(v, PERM_SIZE, q.stime);
  putTime(v, PERM_SIZE + 8, q.rtime);
  putTime(v, PERM_SIZE + 16, q.ctime);
  putLong(v, PERM_SIZE + 24, q.cbytes);
  putLong(v, PERM_SIZE + 32, q.messages.length);
  putLong(v, PERM_SIZE + 40, q.qbytes);
  v.setInt32(PERM_SIZE + 48, q.lspid, true);
  v.setInt32(PERM_SIZE + 52, q.lrpid, true);
  if (copyToUser(k, ptr, b) < 0) return -EFAULT;
  return byIndex ? q.perm.id : 0;
}
export function msgctl(k: Kernel, id: number, cmd: number, arg: number): number {
  if (id < 0 || cmd < 0) return -EINVAL;
  switch (cmd) {
    case IPC.IPC_INFO:
    case IPC.MSG_INFO:
      return msgInfo(k, arg, cmd === IPC.MSG_INFO);
    case IPC.IPC_STAT:
    case IPC.MSG_STAT:
    case IPC.MSG_STAT_ANY:
      return msgStat(k, id, cmd, arg);
    case IPC.IPC_SET:
    case IPC.IPC_RMID: {
      const bytes = cmd === IPC.IPC_SET ? copyFromUser(k, arg, 120) : null;
      if (typeof bytes === 'number') return bytes;
      const q = k.ipc.msgs.find(id);
      if (typeof q === 'number') return q;
      const denied = mayControl(k, q.perm);
      if (denied < 0) return denied;
      if (bytes === null) {
        removeQueue(k, q);
        return 0;
      }
      const v = new DataView(bytes.buffer);
      const qbytes = Number(v.getBigUint64(PERM_SIZE + 40, true));
      if (qbytes > k.ipc.msgMnb && !k.current.capable(CAP_SYS_RESOURCE)) return -EPERM;
      const r = updatePerm(q.perm, v);
      if (r < 0) return r;
      q.qbytes = qbytes;
      q.ctime = seconds(k);
      // Receivers look again, for their rights may be gone; senders for the room.
      wakeUpAll(k, q.senders);
      return 0;
    }
  }
  return -EINVAL;
}
