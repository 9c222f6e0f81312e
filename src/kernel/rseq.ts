import { EBUSY, EFAULT, EINVAL, EPERM } from '../abi/errno.ts';
import { SI_KERNEL, SIGSEGV } from '../abi/signal.ts';
import type { Kernel } from './kernel.ts';
import { TASK_SIZE } from './mm/address.ts';
import { copyToUser, getUser32, getUserBig, putUserBig, viewFromUser } from './mm/uaccess.ts';
import type { Task } from './sched/task.ts';
import { forceSignal } from './signal.ts';

// Restartable sequences (kernel/rseq.c, rseq(2)): a thread that lost its hart, or gets a signal, inside a critical section goes on at the section's
// abort address; and user space reads the number of its hart from memory.

const RSEQ_FLAG_UNREGISTER = 1;
/** sizeof(struct rseq) as first published; also its alignment. */
const ORIG_RSEQ_SIZE = 32;
/** Through mm_cid. */
const RSEQ_END = 28;
const RSEQ_CPU_ID_UNINITIALIZED = 0xffff_ffff;
const CS_SIZE = 32;
/** Old flags that asked not to be restarted: refused. */
const CS_NO_RESTART = 7;

export interface Rseq {
  /** User address of struct rseq. */
  readonly addr: number;
  readonly length: number;
  readonly signature: number;
}

function writeIds(k: Kernel, addr: number, cpuStart: number, cpu: number): number {
  const start = new Uint8Array(8);
  const v = new DataView(start.buffer);
  v.setUint32(0, cpuStart, true);
  v.setUint32(4, cpu, true);
  // node_id, mm_cid: with one node, and no more threads of a process on a hart at a time than one, the hart's number serves.
  const rest = new Uint8Array(8);
  new DataView(rest.buffer).setUint32(4, cpuStart, true);
  return copyToUser(k, addr, start) < 0 || copyToUser(k, addr + 20, rest) < 0 ? -EFAULT : 0;
}

export function rseqRegister(k: Kernel, addr: number, length: number, flags: number, signature: number): number {
  const task = k.current;
  const old = task.rseq;
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) {
    if ((flags & ~RSEQ_FLAG_UNREGISTER) !== 0 || old === null || old.addr !== addr || old.length !== length) return -EINVAL;
    if (old.signature !== signature) return -EPERM;
    if (writeIds(k, addr, 0, RSEQ_CPU_ID_UNINITIALIZED) < 0) return -EFAULT;
    task.rseq = null;
    return 0;
  }
  if (flags !== 0) return -EINVAL;
  if (old !== null) {
    if (old.addr !== addr || old.length !== length) return -EINVAL;
    return old.signature !== signature ? -EPERM : -EBUSY;
  }
  if (length < ORIG_RSEQ_SIZE || addr % ORIG_RSEQ_SIZE !== 0 || length < RSEQ_END) return -EINVAL;
  if (!(addr >= 0 && addr + length <= TASK_SIZE)) return -EFAULT;
  task.rseq = { addr, length, signature };
  task.rseqEvent = true;
  return 0;
}

/** Inside a critical section: on to its abort address. A section that was left is forgotten. False when what user space wrote is wrong. */
function fixup(k: Kernel, rseq: Rseq): boolean {
  const { regs } = k.machine;
  const cs = getUserBig(k, rseq.addr + 8);
  if (cs === null) return false;
  if (cs === 0n) return true;
  const at = Number(cs);
  if (!(at >= 0 && at < TASK_SIZE)) return false;
  const v = viewFromUser(k, at, CS_SIZE);
  if (typeof v === 'number') return false;
  const start = Number(v.getBigInt64(8, true));
  const length = Number(v.getBigInt64(16, true));
  const abort = Number(v.getBigInt64(24, true));
  const inUser = (n: number) => n >= 0 && n < TASK_SIZE;
  if (!inUser(start) || !inUser(start + length) || !inUser(abort) || v.getUint32(0, true) > 0) return false;
  if (abort >= start && abort < start + length) return false;
  const pc = regs.pc;
  const inside = pc >= start && pc < start + length;
  if (inside && getUser32(k, abort - 4) !== rseq.signature) return false;
  if (putUserBig(k, rseq.addr + 8, 0n) < 0) return false;
  if (!inside) return true;
  const flags = getUser32(k, rseq.addr + 16);
  if (flags < 0 || ((flags | v.getUint32(4, true)) & CS_NO_RESTART) !== 0) return false;
  regs.pc = abort;
  return true;
}

/** Before the task's next user instruction after it lost its hart (rseq_handle_notify_resume), with its registers loaded. */
export function rseqResume(k: Kernel, task: Task): void {
  task.rseqEvent = false;
  const { rseq } = task;
  if (rseq === null || task.exitState !== 0) return;
  if (!fixup(k, rseq) || writeIds(k, rseq.addr, k.cpu, k.cpu) < 0) {
    task.rseq = null; // the memory is not a struct rseq: it must not be looked at again on the way to the signal
    forceSignal(k, task, { signo: SIGSEGV, code: SI_KERNEL, addr: 0 });
  }
}
/** A signal's frame is about to be made. */
export function rseqSignalDeliver(k: Kernel, task: Task): void {
  if (task.rseq !== null) rseqResume(k, task);
}
