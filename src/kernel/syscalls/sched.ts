import { E2BIG, EACCES, EBUSY, EFAULT, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import * as S from '../../abi/sched.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { adjustPi } from '../futex/pi.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, getUser32, putUser32, viewFromUser } from '../mm/uaccess.ts';
import { pidOfVnr, taskByVpid } from '../pid.ts';
import { publishPriority, setCpusAllowed } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { writeTimespec } from '../time/time.ts';
import type { SyscallRow } from './table.ts';

// Scheduling parameters (sched(7), kernel/sched/syscalls.c).

const isRealTime = (policy: number) => policy === S.SCHED_FIFO || policy === S.SCHED_RR;
/** Round-robin slice: RR_TIMESLICE, 100 ms. */
const RR_TIMESLICE_NS = 100_000_000;
/** The base slice of the fair class on a machine of up to 8 harts: 0.75 ms times 1 + log2(harts), at most 3 ms. */
const baseSlice = (cpus: number) => Math.min(3_000_000, 750_000 * (1 + Math.floor(Math.log2(Math.min(cpus, 8)))));
/** sizeof(cpumask_t) of Debian's configuration. */
const CPUMASK_BYTES = 16;

function taskByPid(k: Kernel, pid: number): Task | null {
  return taskByVpid(k, pid | 0) ?? null;
}
function sameOwner(k: Kernel, task: Task): boolean {
  const { euid } = k.current.cred;
  return euid === task.cred.euid || euid === task.cred.uid;
}

export function setUserNice(k: Kernel, task: Task, nice: number): void {
  task.nice = Math.max(-20, Math.min(19, nice));
  publishPriority(k, task);
}

function setScheduler(k: Kernel, pid: number, policyArg: number, priority: number): number {
  if ((pid | 0) < 0) return -EINVAL;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  const resetOnFork = policyArg >= 0 && (policyArg & S.SCHED_RESET_ON_FORK) !== 0;
  const policy = policyArg < 0 ? task.policy : policyArg & ~S.SCHED_RESET_ON_FORK;
  const known = isRealTime(policy) || policy === S.SCHED_NORMAL || policy === S.SCHED_BATCH || policy === S.SCHED_IDLE;
  if (!known || priority < 0 || priority > 99 || isRealTime(policy) !== (priority !== 0)) return -EINVAL;
  if (!k.current.capable(S.CAP_SYS_NICE)) {
    if (isRealTime(policy)) {
      const limit = task.signal.rlimit(S.RLIMIT_RTPRIO);
      if (policy !== task.policy && limit === 0) return -EPERM;
      if (priority > task.rtPriority && priority > limit) return -EPERM;
    }
    if (!sameOwner(k, task)) return -EPERM;
  }
  task.policy = policy;
  task.rtPriority = priority;
  task.schedResetOnFork = resetOnFork;
  publishPriority(k, task);
  adjustPi(k, task);
  return 0;
}
function sysSchedSetscheduler(k: Kernel, pid: number, policy: number, param: number): number {
  if ((policy | 0) < 0 || param === 0) return -EINVAL;
  const priority = getUser32(k, param);
  return priority < 0 ? -EFAULT : setScheduler(k, pid, policy | 0, priority | 0);
}
function sysSchedSetparam(k: Kernel, pid: number, param: number): number {
  if (param === 0) return -EINVAL;
  const priority = getUser32(k, param);
  return priority < 0 ? -EFAULT : setScheduler(k, pid, -1, priority | 0);
}
function sysSchedGetscheduler(k: Kernel, pid: number): number {
  if ((pid | 0) < 0) return -EINVAL;
  const task = taskByPid(k, pid);
  return task === null ? -ESRCH : task.policy | (task.schedResetOnFork ? S.SCHED_RESET_ON_FORK : 0);
}
function sysSchedGetparam(k: Kernel, pid: number, param: number): number {
  if (param === 0 || (pid | 0) < 0) return -EINVAL;
  const task = taskByPid(k, pid);
  return task === null ? -ESRCH : putUser32(k, param, task.rtPriority);
}

/** Shortest runtime, ns (DL_SCALE). */
const DL_MIN_RUNTIME = 1024;
/** Share of the harts that deadline tasks may have together (sched_rt_runtime_us of sched_rt_period_us). */
const DL_BANDWIDTH = 0.95;
/** SCHED_DEADLINE of sched_setattr: checked and admitted by bandwidth; it runs before all other classes (__checkparam_dl, sched_dl_overflow). */
function setDeadline(k: Kernel, pid: number, policy: number, v: DataView): number {
  const [runtime, deadline, declared] = [24, 32, 40].map((at) => Number(v.getBigInt64(at, true)));
  const period = declared === 0 ? deadline : declared;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  if (deadline <= 0 || runtime < DL_MIN_RUNTIME || period < 0 || period < deadline || deadline < runtime) return -EINVAL;
  if (v.getUint32(20, true) !== 0) return -EINVAL;
  if (!k.current.capable(S.CAP_SYS_NICE)) return -EPERM;
  const everywhere = 2 ** k.cpus - 1;
  if (((task.affinity & everywhere) >>> 0) !== everywhere) return -EPERM;
  let used = runtime / period;
  for (const t of k.sched.tasks.values()) if (t !== task && t.policy === S.SCHED_DEADLINE) used += t.deadline.runtime / t.deadline.period;
  if (used > DL_BANDWIDTH * k.cpus) return -EBUSY;
  task.policy = S.SCHED_DEADLINE;
  task.rtPriority = 0;
  task.deadline = { runtime, deadline, period };
  task.schedResetOnFork = (policy & S.SCHED_RESET_ON_FORK) !== 0;
  publishPriority(k, task);
  adjustPi(k, task);
  return 0;
}
/** struct sched_attr, version 0: 48 bytes. */
const SCHED_ATTR_SIZE = 48;
function sysSchedSetattr(k: Kernel, pid: number, uattr: number, flags: number): number {
  if (uattr === 0 || (pid | 0) < 0 || flags !== 0) return -EINVAL;
  const size = getUser32(k, uattr);
  if (size < 0) return -EFAULT;
  if (size !== 0 && size < SCHED_ATTR_SIZE) {
    putUser32(k, uattr, 56);
    return -E2BIG;
  }
  const v = viewFromUser(k, uattr, SCHED_ATTR_SIZE);
  if (typeof v === 'number') return v;
  const attrFlags = v.getUint32(8, true);
  const policy = v.getUint32(4, true) | ((attrFlags & 1) !== 0 ? S.SCHED_RESET_ON_FORK : 0);
  if ((policy | 0) < 0 || (attrFlags & ~0x7f) !== 0) return -EINVAL;
  if ((policy & ~S.SCHED_RESET_ON_FORK) === S.SCHED_DEADLINE) return setDeadline(k, pid, policy, v);
  const nice = v.getInt32(16, true);
  const r = setScheduler(k, pid, policy, v.getUint32(20, true));
  const task = taskByPid(k, pid);
  if (r < 0 || task === null) return r;
  if (!isRealTime(task.policy)) {
    if (nice < task.nice && !mayRaise(k, task, nice)) return -EPERM;
    setUserNice(k, task, nice);
  }
  return 0;
}
function sysSchedGetattr(k: Kernel, pid: number, uattr: number, size: number, flags: number): number {
  if (uattr === 0 || (pid | 0) < 0 || size < SCHED_ATTR_SIZE || size > 4096 || flags !== 0) return -EINVAL;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  const bytes = new Uint8Array(Math.min(size, 56));
  const v = new DataView(bytes.buffer);
  v.setUint32(0, bytes.length, true);
  v.setUint32(4, task.policy, true);
  v.setBigUint64(8, task.schedResetOnFork ? 1n : 0n, true);
  if (task.policy === S.SCHED_DEADLINE) {
    const { runtime, deadline, period } = task.deadline;
    [runtime, deadline, period].forEach((ns, i) => {
      v.setBigUint64(24 + i * 8, BigInt(ns), true);
    });
  } else if (isRealTime(task.policy)) v.setUint32(20, task.rtPriority, true);
  else {
    v.setInt32(16, task.nice, true);
    v.setBigUint64(24, BigInt(baseSlice(k.cpus)), true);
  }
  if (bytes.length >= 56) v.setUint32(52, 1024, true); // sched_util_max
  return copyToUser(k, uattr, bytes);
}

function sysSchedSetaffinity(k: Kernel, pid: number, length: number, umask: number): number {
  const bytes = copyFromUser(k, umask, Math.min(length >>> 0, CPUMASK_BYTES));
  if (typeof bytes === 'number') return bytes;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  if (!sameOwner(k, task) && !k.current.capable(S.CAP_SYS_NICE)) return -EPERM;
  let mask = 0;
  for (let cpu = 0; cpu < k.cpus; cpu++) if (((bytes[cpu >> 3] ?? 0) >> (cpu & 7)) & 1) mask |= 1 << cpu;
  if (mask === 0) return -EINVAL;
  setCpusAllowed(k, task, mask >>> 0);
  return 0;
}
function sysSchedGetaffinity(k: Kernel, pid: number, lengthArg: number, umask: number): number {
  const length = lengthArg >>> 0;
  if (length * 8 < k.cpus || length % 8 !== 0) return -EINVAL;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  const bytes = new Uint8Array(Math.min(length, CPUMASK_BYTES));
  for (let cpu = 0; cpu < k.cpus; cpu++) if ((task.affinity >>> cpu) & 1) bytes[cpu >> 3] |= 1 << (cpu & 7);
  const r = copyToUser(k, umask, bytes);
  return r < 0 ? r : bytes.length;
}

function sysSchedYield(k: Kernel): number {
  k.sched.yieldTask(k.current);
  return 0;
}
function priorityMax(_k: Kernel, policy: number): number {
  if (isRealTime(policy | 0)) return 99;
  return [S.SCHED_NORMAL, S.SCHED_BATCH, S.SCHED_IDLE, S.SCHED_DEADLINE, S.SCHED_EXT].includes(policy | 0) ? 0 : -EINVAL;
}
function priorityMin(k: Kernel, policy: number): number {
  return isRealTime(policy | 0) ? 1 : priorityMax(k, policy);
}
function sysSchedRrGetInterval(k: Kernel, pid: number, interval: number): number {
  if ((pid | 0) < 0) return -EINVAL;
  const task = taskByPid(k, pid);
  if (task === null) return -ESRCH;
  const ns = task.policy === S.SCHED_RR ? RR_TIMESLICE_NS : task.policy === S.SCHED_FIFO ? 0 : baseSlice(k.cpus);
  return writeTimespec(k, interval, ns);
}

function mayRaise(k: Kernel, task: Task, nice: number): boolean {
  return k.current.capable(S.CAP_SYS_NICE) || 20 - nice <= task.signal.rlimit(S.RLIMIT_NICE);
}
/** The tasks that setpriority(2) and getpriority(2) name, or -EINVAL. */
function priorityTargets(k: Kernel, which: number, whoArg: number): Task[] | number {
  const who = whoArg | 0;
  switch (which | 0) {
    case S.PRIO_PROCESS: {
      const task = taskByPid(k, who);
      return task === null ? [] : [task];
    }
    case S.PRIO_PGRP: {
      const pgid = who === 0 ? k.current.signal.pgid : pidOfVnr(k, who);
      return [...k.sched.tasks.values()].filter((t) => !t.isKernelThread && t.signal.pgid === pgid);
    }
    case S.PRIO_USER: {
      const uid = who === 0 ? k.current.cred.uid : who >>> 0;
      return [...k.sched.tasks.values()].filter((t) => t.cred.uid === uid && t.pid !== 0);
    }
    default:
      return -EINVAL;
  }
}
function sysSetpriority(k: Kernel, which: number, who: number, niceArg: number): number {
  const targets = priorityTargets(k, which, who);
  if (typeof targets === 'number') return targets;
  const nice = Math.max(-20, Math.min(19, niceArg | 0));
  let result = -ESRCH;
  const { uid, euid } = k.current.cred;
  for (const task of targets) {
    if (task.cred.uid !== euid && task.cred.euid !== euid && task.cred.uid !== uid && !k.current.capable(S.CAP_SYS_NICE)) {
      result = -EPERM;
    } else if (nice < task.nice && !mayRaise(k, task, nice)) {
      result = -EACCES;
    } else {
      if (result === -ESRCH) result = 0;
      setUserNice(k, task, nice);
    }
  }
  return result;
}
/** Answers 20 - nice, so that the value is positive; the C library turns it around. */
function sysGetpriority(k: Kernel, which: number, who: number): number {
  const targets = priorityTargets(k, which, who);
  if (typeof targets === 'number') return targets;
  let best = -ESRCH;
  for (const task of targets) best = Math.max(best, 20 - task.nice);
  return best;
}

function sysGetcpu(k: Kernel, cpu: number, node: number): number {
  if (cpu !== 0 && putUser32(k, cpu, k.cpu) < 0) return -EFAULT;
  if (node !== 0 && putUser32(k, node, 0) < 0) return -EFAULT;
  return 0;
}

/**
 * Harts are interleaved on one thread at instruction boundaries and see one memory: every barrier holds already. What remains is the
 * protocol of registering first.
 */
function sysMembarrier(k: Kernel, cmd: number, flags: number): number {
  const { mm } = k.current;
  if (flags !== 0 || mm === null) return -EINVAL;
  switch (cmd | 0) {
    case S.MEMBARRIER_CMD_QUERY:
      return 0x7f;
    case S.MEMBARRIER_CMD_GLOBAL:
    case S.MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return 0;
    case S.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case S.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case S.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
      mm.membarrier |= cmd;
      return 0;
    case S.MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case S.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
      return (mm.membarrier & (cmd << 1)) !== 0 ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
}

export const schedSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_sched_setparam, name: 'sched_setparam', handler: sysSchedSetparam, support: 'full' },
  {
    nr: NR.NR_sched_setscheduler,
    name: 'sched_setscheduler',
    handler: sysSchedSetscheduler,
    support: 'partial',
    note: 'no SCHED_EXT',
  },
  { nr: NR.NR_sched_getscheduler, name: 'sched_getscheduler', handler: sysSchedGetscheduler, support: 'full' },
  { nr: NR.NR_sched_getparam, name: 'sched_getparam', handler: sysSchedGetparam, support: 'full' },
  {
    nr: NR.NR_sched_setattr,
    name: 'sched_setattr',
    handler: sysSchedSetattr,
    support: 'partial',
    note: 'SCHED_DEADLINE has first call on the harts, without throttling; no utilization clamps',
  },
  { nr: NR.NR_sched_getattr, name: 'sched_getattr', handler: sysSchedGetattr, support: 'full' },
  { nr: NR.NR_sched_setaffinity, name: 'sched_setaffinity', handler: sysSchedSetaffinity, support: 'full' },
  { nr: NR.NR_sched_getaffinity, name: 'sched_getaffinity', handler: sysSchedGetaffinity, support: 'full' },
  { nr: NR.NR_sched_yield, name: 'sched_yield', handler: sysSchedYield, support: 'full' },
  { nr: NR.NR_sched_get_priority_max, name: 'sched_get_priority_max', handler: priorityMax, support: 'full' },
  { nr: NR.NR_sched_get_priority_min, name: 'sched_get_priority_min', handler: priorityMin, support: 'full' },
  { nr: NR.NR_sched_rr_get_interval, name: 'sched_rr_get_interval', handler: sysSchedRrGetInterval, support: 'full' },
  { nr: NR.NR_setpriority, name: 'setpriority', handler: sysSetpriority, support: 'full' },
  { nr: NR.NR_getpriority, name: 'getpriority', handler: sysGetpriority, support: 'full' },
  { nr: NR.NR_getcpu, name: 'getcpu', handler: sysGetcpu, support: 'full' },
  { nr: NR.NR_membarrier, name: 'membarrier', handler: sysMembarrier, support: 'partial', note: 'no rseq commands' },
];
