import { EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_NICE, SCHED_FIFO, SCHED_IDLE, SCHED_RR } from '../abi/sched.ts';
import type { Kernel } from './kernel.ts';
import { pidOfVnr, taskByVpid } from './pid.ts';
import type { Task } from './sched/task.ts';

// I/O priorities (block/ioprio.c, ioprio_set(2)). Nothing here has a queue of requests to order: the value is kept, inherited and told.

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_WHO_PGRP = 2;
const IOPRIO_WHO_USER = 3;
const CLASS_SHIFT = 13;
const CLASS_NONE = 0;
const CLASS_RT = 1;
const CLASS_BE = 2;
const CLASS_IDLE = 3;

function checkCap(k: Kernel, ioprio: number): number {
  // Bits above the level are hints.
  const level = ioprio & 7;
  switch (ioprio >> CLASS_SHIFT) {
    case CLASS_RT:
      return !k.current.capable(CAP_SYS_ADMIN) && !k.current.capable(CAP_SYS_NICE) ? -EPERM : 0;
    case CLASS_BE:
    case CLASS_IDLE:
      return 0;
    case CLASS_NONE:
      return level !== 0 ? -EINVAL : 0;
    default:
      return -EINVAL;
  }
}
function targets(k: Kernel, which: number, who: number): Task[] | number {
  switch (which) {
    case IOPRIO_WHO_PROCESS: {
      const task = taskByVpid(k, who);
      return task === undefined ? [] : [task];
    }
    case IOPRIO_WHO_PGRP: {
      const pgid = who === 0 ? k.current.signal.pgid : pidOfVnr(k, who);
      return [...k.sched.tasks.values()].filter((t) => t.isLeader && !t.isKernelThread && t.signal.pgid === pgid);
    }
    case IOPRIO_WHO_USER: {
      const uid = who === 0 ? k.current.cred.uid : who >>> 0;
      return [...k.sched.tasks.values()].filter((t) => t.pid !== 0 && t.cred.uid === uid);
    }
    default:
      return -EINVAL;
  }
}
export function ioprioSet(k: Kernel, which: number, who: number, ioprio: number): number {
  const denied = checkCap(k, ioprio);
  if (denied < 0) return denied;
  const list = targets(k, which, who);
  if (typeof list === 'number') return list;
  const { uid, euid } = k.current.cred;
  for (const task of list) {
    if (task.cred.uid !== euid && task.cred.uid !== uid && !k.current.capable(CAP_SYS_NICE)) return -EPERM;
    task.ioContext ??= { ioprio: 0, users: 1 };
    task.ioContext.ioprio = ioprio;
  }
  return list.length === 0 ? -ESRCH : 0;
}
/** What a task without a priority of its own is treated as: by its nice value. */
function effective(task: Task): number {
  const set = task.ioContext?.ioprio ?? 0;
  if (set >> CLASS_SHIFT !== CLASS_NONE) return set;
  const kind = task.policy === SCHED_IDLE ? CLASS_IDLE : task.policy === SCHED_FIFO || task.policy === SCHED_RR ? CLASS_RT : CLASS_BE;
  return (kind << CLASS_SHIFT) | Math.floor((task.nice + 20) / 5);
}
export function ioprioGet(k: Kernel, which: number, who: number): number {
  const list = targets(k, which, who);
  if (typeof list === 'number') return list;
  if (list.length === 0) return -ESRCH;
  if (which === IOPRIO_WHO_PROCESS) return list[0].ioContext?.ioprio ?? 0;
  return Math.min(...list.map(effective));
}
