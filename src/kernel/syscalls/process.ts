import { E2BIG, EACCES, EAGAIN, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, EPERM, ESRCH } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, PATH_MAX } from '../../abi/fs.ts';
import { doExecve } from '../exec.ts';
import { doExit, doGroupExit, doWait, maxRssOf, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WUNTRACED } from '../exit.ts';
import { isLink, pathWalk } from '../fs/namei.ts';
import type { Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, getUser64, putUser32, strncpyFromUser } from '../mm/uaccess.ts';
import { findTaskByVpid, pidOfVnr, pidVnr, taskByVpid } from '../pid.ts';
import { pidfdForWait } from '../pidfd.ts';
import { PF_FORKNOEXEC, type Task } from '../sched/task.ts';
import { fromKidMunged } from '../user_namespace.ts';
import { BLOCKED } from '../sched/wait.ts';
import type { SyscallRow } from './table.ts';

function stringArray(k: Kernel, ptr: number): string[] | number {
  const out: string[] = [];
  if (ptr === 0) return out;
  for (let i = 0; ; i++) {
    if (i > 0x20000) return -E2BIG;
    const p = getUser64(k, ptr + i * 8);
    if (p === null) return -EFAULT;
    if (p === 0) return out;
    const s = strncpyFromUser(k, p, 131072);
    if (typeof s === 'number') return s === -ENAMETOOLONG ? -E2BIG : s;
    out.push(s);
  }
}
function execAt(k: Kernel, dirfd: number, ptr: number, argvPtr: number, envPtr: number, flags: number): number {
  const task = k.current;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  if (typeof name === 'number') return name;
  const argv = stringArray(k, argvPtr);
  if (typeof argv === 'number') return argv;
  const env = stringArray(k, envPtr);
  if (typeof env === 'number') return env;
  let start: Path = task.fs.pwd;
  let direct = null;
  if (name === '' && (dirfd | 0) === AT_FDCWD && (flags & AT_EMPTY_PATH) === 0) return -ENOENT;
  if ((dirfd | 0) !== AT_FDCWD && !name.startsWith('/')) {
    const file = task.files.get(dirfd | 0);
    if (name === '' && (flags & AT_EMPTY_PATH) === 0) return -ENOENT;
    if (file === null) return -EBADF;
    if (name === '') {
      direct = k.vfs.newFile(file.path, file.inode.fop, 0);
    } else start = file.path;
  }
  if ((flags & AT_SYMLINK_NOFOLLOW) !== 0 && direct === null) {
    const path = pathWalk(k, start, name, false);
    if (typeof path === 'number') return path;
    if (isLink(path.dentry.inode)) return -ELOOP;
  }
  const r = doExecve(k, task, start, direct !== null ? `/dev/fd/${dirfd | 0}` : name, argv, env, direct);
  if (r === 0) task.skipResult = true;
  return r;
}

function encodeRusage(t: {
  utime: number;
  stime: number;
  minFlt: number;
  majFlt: number;
  maxRss: number;
  nvcsw: number;
  nivcsw: number;
}): Uint8Array {
  const out = new Uint8Array(144);
  const v = new DataView(out.buffer);
  const time = (at: number, ns: number) => {
    v.setBigInt64(at, BigInt(Math.floor(ns / 1e9)), true);
    v.setBigInt64(at + 8, BigInt(Math.floor((ns % 1e9) / 1e3)), true);
  };
  time(0, t.utime);
  time(16, t.stime);
  v.setBigInt64(32, BigInt(t.maxRss), true);
  v.setBigInt64(64, BigInt(t.minFlt), true);
  v.setBigInt64(72, BigInt(t.majFlt), true);
  v.setBigInt64(128, BigInt(t.nvcsw), true);
  v.setBigInt64(136, BigInt(t.nivcsw), true);
  return out;
}
function rusageOf(k: Kernel, who: number): Uint8Array | number {
  const task = k.current;
  const { signal } = task;
  if (who === -1) {
    return encodeRusage({
      utime: signal.cutime,
      stime: signal.cstime,
      minFlt: signal.cminFlt,
      majFlt: signal.cmajFlt,
      maxRss: signal.cmaxRss,
      nvcsw: signal.cnvcsw,
      nivcsw: signal.cnivcsw,
    });
  }
  if (who !== 0 && who !== 1) return -EINVAL;
  const list = who === 1 ? [task] : task.threads;
  const sum = { utime: 0, stime: 0, minFlt: 0, majFlt: 0, maxRss: 0, nvcsw: 0, nivcsw: 0 };
  for (const t of list) {
    sum.utime += t.utime;
    sum.stime += t.stime;
    sum.minFlt += t.minFlt;
    sum.majFlt += t.majFlt;
    sum.nvcsw += t.nvcsw;
    sum.nivcsw += t.nivcsw;
  }
  sum.maxRss = Math.max(signal.maxRss, maxRssOf(task));
  return encodeRusage(sum);
}

function waitMatch(k: Kernel, pid: number): (t: Task) => boolean {
  if (pid > 0) {
    const global = pidOfVnr(k, pid);
    return (t) => t.pid === global;
  }
  if (pid === 0) {
    const pgid = k.current.signal.pgid;
    return (t) => t.signal.pgid === pgid;
  }
  if (pid === -1) return () => true;
  const group = pidOfVnr(k, -pid);
  return (t) => t.signal.pgid === group;
}
function sysWait4(k: Kernel, pidArg: number, statusPtr: number, options: number, rusage: number): number {
  const pid = pidArg | 0;
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | 0x6000_0000 | 0x8000_0000)) !== 0) return -EINVAL;
  if (pid === -0x8000_0000) return -ESRCH;
  const r = doWait(k, waitMatch(k, pid), options | WEXITED);
  if (typeof r === 'number') return r;
  if (statusPtr !== 0 && putUser32(k, statusPtr, r.status) < 0) return -EFAULT;
  if (rusage !== 0 && copyToUser(k, rusage, encodeRusage(r)) < 0)
    return -EFAULT;
  return r.pid;
}
const P_PIDFD = 3;
function sysWaitid(k: Kernel, which: number, idArg: number, info: number, options: number, rusage: number): number {
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | 0x6000_0000 | 0x8000_0000)) !== 0) return -EINVAL;
  if ((options & (WEXITED | WUNTRACED | WCONTINUED)) === 0) return -EINVAL;
  const id = idArg | 0;
  let match: (t: Task) => boolean;
  let nonblock = false;
  if (which === 0) match = () => true;
  else if (which === 1) {
    if (id <= 0) return -EINVAL;
    const global = pidOfVnr(k, id);
    match = (t) => t.pid === global;
  } else if (which === 2) {
    if (id < 0) return -EINVAL;
    const pgid = id === 0 ? k.current.signal.pgid : pidOfVnr(k, id);
    match = (t) => t.signal.pgid === pgid;
  } else if (which === P_PIDFD) {
    if (id < 0) return -EINVAL;
    const p = pidfdForWait(k.current.files.get(id));
    if (typeof p === 'number') return p;
    match = (t) => t === p.task;
    nonblock = p.nonblock && (options & WNOHANG) === 0;
  } else return -EINVAL;
  const r = doWait(k, match, nonblock ? options | WNOHANG : options);
  if (r === 0 && nonblock) return -EAGAIN;
  if (r === BLOCKED || (typeof r === 'number' && r < 0)) return r as number;
  if (info !== 0) {
    const out = new Uint8Array(128);
    if (typeof r !== 'number') {
      const v = new DataView(out.buffer);
      v.setInt32(0, 17, true);
      v.setInt32(8, r.code, true);
      v.setInt32(16, r.pid, true);
      v.setUint32(20, fromKidMunged(k.current.cred.userNs, 'uid', r.uid), true);
      v.setInt32(24, r.value, true);
    }
    if (copyToUser(k, info, out) < 0) return -EFAULT;
  }
  if (rusage !== 0 && typeof r !== 'number')
    copyToUser(k, rusage, encodeRusage(r));
  return 0;
}

function sysSetpgid(k: Kernel, pidArg: number, pgidArg: number): number {
  if ((pgidArg | 0 || pidArg | 0) < 0) return -EINVAL;
  const target = (pidArg | 0) === 0 ? k.current.groupLeader : findTaskByVpid(k, pidArg | 0);
  const pid = target?.pid ?? 0;
  const pgid = (pgidArg | 0) === 0 ? pid : pidOfVnr(k, pgidArg | 0);
  if (target === undefined || !target.isLeader) return -ESRCH;
  const own = k.current.groupLeader;
  if (target !== own) {
    if (target.parent.groupLeader !== own) return -ESRCH;
    if (target.signal.sid !== own.signal.sid) return -EPERM;
    if ((target.flags & PF_FORKNOEXEC) === 0) return -EACCES;
  }
  if (target.signal.sid === target.pid) return -EPERM;
  if (pgid !== pid) {
    let found = false;
    for (const t of k.sched.tasks.values()) if (t.isLeader && t.signal.pgid === pgid && t.signal.sid === own.signal.sid) found = true;
    if (!found) return -EPERM;
  }
  target.signal.pgid = pgid;
  return 0;
}
function sysSetsid(k: Kernel): number {
  const leader = k.current.groupLeader;
  for (const t of k.sched.tasks.values()) if (t.isLeader && t.signal.pgid === leader.pid) return -EPERM;
  leader.signal.sid = leader.pid;
  leader.signal.pgid = leader.pid;
  leader.signal.tty = null;
  return pidVnr(k, leader.pid);
}
function lookupOrSelf(k: Kernel, pid: number): Task | undefined {
  return taskByVpid(k, pid | 0);
}
const idOf = (k: Kernel, id: number | undefined) => (id === undefined ? -ESRCH : pidVnr(k, id));

const row = (nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow =>
  note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };

export const processSyscalls: readonly SyscallRow[] = [
  row(NR.NR_execve, 'execve', (k, p, a, e) => execAt(k, AT_FDCWD, p, a, e, 0)),
  row(NR.NR_execveat, 'execveat', (k, d, p, a, e, f) => execAt(k, d, p, a, e, f)),
  row(NR.NR_exit, 'exit', (k, code) => {
    doExit(k, k.current, (code & 0xff) << 8);
    return 0;
  }),
  row(NR.NR_exit_group, 'exit_group', (k, code) => {
    doGroupExit(k, k.current, (code & 0xff) << 8);
    return 0;
  }),
  row(NR.NR_wait4, 'wait4', sysWait4),
  row(NR.NR_waitid, 'waitid', sysWaitid),
  row(NR.NR_getpid, 'getpid', (k) => pidVnr(k, k.current.tgid)),
  row(NR.NR_gettid, 'gettid', (k) => pidVnr(k, k.current.pid)),
  row(NR.NR_getppid, 'getppid', (k) => pidVnr(k, k.current.groupLeader.parent.tgid)),
  row(NR.NR_setpgid, 'setpgid', sysSetpgid),
  row(NR.NR_getpgid, 'getpgid', (k, pid) => idOf(k, lookupOrSelf(k, pid)?.signal.pgid)),
  row(NR.NR_getsid, 'getsid', (k, pid) => idOf(k, lookupOrSelf(k, pid)?.signal.sid)),
  row(NR.NR_setsid, 'setsid', sysSetsid),
  row(NR.NR_getrusage, 'getrusage', (k, who, buf) => {
    const r = rusageOf(k, who | 0);
    return typeof r === 'number' ? r : copyToUser(k, buf, r);
  }),
  row(NR.NR_set_tid_address, 'set_tid_address', (k, ptr) => {
    k.current.clearChildTid = ptr;
    return pidVnr(k, k.current.pid);
  }),
];
