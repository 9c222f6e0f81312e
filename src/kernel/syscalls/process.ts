import { EFAULT, EINVAL, EPERM, ESRCH, EACCES, E2BIG, ENAMETOOLONG } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { AT_EMPTY_PATH, AT_FDCWD, PATH_MAX } from '../../abi/fs.ts';
import { NSIG } from '../../abi/signal.ts';
import { type Cred, fixCaps } from '../cred.ts';
import { doExecve } from '../exec.ts';
import { doExit, doGroupExit, doWait, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WUNTRACED, type WaitResult } from '../exit.ts';
import { doClone } from '../fork.ts';
import type { Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, getUser32, getUser64, putUser32, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { PF_FORKNOEXEC, type Task } from '../sched/task.ts';
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
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  if (typeof name === 'number') return name;
  const argv = stringArray(k, argvPtr);
  if (typeof argv === 'number') return argv;
  const env = stringArray(k, envPtr);
  if (typeof env === 'number') return env;
  let start: Path = task.fs.pwd;
  let direct = null;
  if ((dirfd | 0) !== AT_FDCWD && !name.startsWith('/')) {
    const file = task.files.get(dirfd | 0);
    if (file === null) return -9; // EBADF
    if (name === '') {
      if ((flags & AT_EMPTY_PATH) === 0) return -2; // ENOENT
      direct = k.vfs.newFile(file.path, file.inode.fop, 0);
    } else start = file.path;
  }
  const r = doExecve(k, task, start, direct !== null ? `/dev/fd/${dirfd | 0}` : name, argv, env, direct);
  if (r === 0) task.skipResult = true;
  return r;
}

const CSIGNAL = 0xff;
function sysClone(k: Kernel, flags: number, stack: number, parentTid: number, tls: number, childTid: number): number {
  return doClone(k, { flags: (flags & ~CSIGNAL) | 0, exitSignal: flags & CSIGNAL, stack, tls, parentTid, childTid });
}
function sysClone3(k: Kernel, ptr: number, size: number): number {
  if (size < 64 || size > 4096) return -EINVAL;
  const v = viewFromUser(k, ptr, 64);
  if (typeof v === 'number') return v;
  const word = (i: number) => Number(v.getBigInt64(i * 8, true));
  const flags = word(0);
  const exitSignal = word(4);
  if (exitSignal < 0 || exitSignal > NSIG || (flags & CSIGNAL) !== 0) return -EINVAL;
  const stack = word(5);
  const stackSize = word(6);
  if ((stack === 0) !== (stackSize === 0)) return -EINVAL;
  if (flags >= 2 ** 32) return -EINVAL;
  return doClone(k, { flags: flags | 0, exitSignal, stack: stack + stackSize, tls: word(7), parentTid: word(3), childTid: word(2) });
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
      maxRss: 0,
      nvcsw: 0,
      nivcsw: 0,
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
  sum.maxRss = Math.max(task.mm?.rss ?? 0, task.mm?.hiwaterRss ?? 0) * 4;
  return encodeRusage(sum);
}

function waitMatch(k: Kernel, pid: number): (t: Task) => boolean {
  if (pid > 0) return (t) => t.pid === pid;
  if (pid === 0) {
    const pgid = k.current.signal.pgid;
    return (t) => t.signal.pgid === pgid;
  }
  return pid === -1 ? () => true : (t) => t.signal.pgid === -pid;
}
function sysWait4(k: Kernel, pidArg: number, statusPtr: number, options: number, rusage: number): number {
  const pid = pidArg | 0;
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | 0x6000_0000 | 0x8000_0000)) !== 0) return -EINVAL;
  if (pid === -0x8000_0000) return -ESRCH;
  const r = doWait(k, waitMatch(k, pid), options | WEXITED);
  if (typeof r === 'number') return r;
  if (statusPtr !== 0 && putUser32(k, statusPtr, r.status) < 0) return -EFAULT;
  if (rusage !== 0 && copyToUser(k, rusage, encodeRusage({ ...r, minFlt: 0, majFlt: 0, maxRss: 0, nvcsw: 0, nivcsw: 0 })) < 0)
    return -EFAULT;
  return r.pid;
}
function sysWaitid(k: Kernel, which: number, idArg: number, info: number, options: number, rusage: number): number {
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | 0x6000_0000 | 0x8000_0000)) !== 0) return -EINVAL;
  if ((options & (WEXITED | WUNTRACED | WCONTINUED)) === 0) return -EINVAL;
  const id = idArg | 0;
  let match: (t: Task) => boolean;
  if (which === 0) match = () => true;
  else if (which === 1) {
    if (id <= 0) return -EINVAL;
    match = (t) => t.pid === id;
  } else if (which === 2) {
    if (id < 0) return -EINVAL;
    const pgid = id === 0 ? k.current.signal.pgid : id;
    match = (t) => t.signal.pgid === pgid;
  } else return -EINVAL;
  const r = doWait(k, match, options);
  if (r === BLOCKED || (typeof r === 'number' && r < 0)) return r as number;
  if (info !== 0) {
    const out = new Uint8Array(128);
    if (typeof r !== 'number') {
      const v = new DataView(out.buffer);
      v.setInt32(0, 17, true);
      v.setInt32(8, r.code, true);
      v.setInt32(16, r.pid, true);
      v.setUint32(20, r.uid, true);
      v.setInt32(24, r.value, true);
    }
    if (copyToUser(k, info, out) < 0) return -EFAULT;
  }
  if (rusage !== 0 && typeof r !== 'number')
    copyToUser(k, rusage, encodeRusage({ ...(r as WaitResult), minFlt: 0, majFlt: 0, maxRss: 0, nvcsw: 0, nivcsw: 0 }));
  return 0;
}

function sysSetpgid(k: Kernel, pidArg: number, pgidArg: number): number {
  const pid = pidArg | 0 || k.current.tgid;
  const pgid = pgidArg | 0 || pid;
  if (pgid < 0) return -EINVAL;
  const target = k.sched.find(pid);
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
  return leader.pid;
}
function lookupOrSelf(k: Kernel, pid: number): Task | undefined {
  return (pid | 0) === 0 ? k.current : k.sched.find(pid | 0);
}

/** prepare_creds, change, commit_creds. */
function commit(k: Kernel, next: Partial<Cred>): number {
  const old = k.current.cred;
  const merged = fixCaps(old, { ...old, ...next }, k.current.keepCaps);
  if (merged.euid !== old.euid || merged.egid !== old.egid) k.current.dumpable = false;
  k.current.cred = merged;
  return 0;
}
const CAP_SETGID = 6;
const CAP_SETUID = 7;
function sysSetuid(k: Kernel, uid: number): number {
  const id = uid >>> 0;
  const c = k.current.cred;
  if (id === 0xffff_ffff) return -EINVAL;
  if (k.current.capable(CAP_SETUID)) return commit(k, { uid: id, euid: id, suid: id, fsuid: id });
  return id === c.uid || id === c.suid ? commit(k, { euid: id, fsuid: id }) : -EPERM;
}
function sysSetgid(k: Kernel, gid: number): number {
  const id = gid >>> 0;
  const c = k.current.cred;
  if (id === 0xffff_ffff) return -EINVAL;
  if (k.current.capable(CAP_SETGID)) return commit(k, { gid: id, egid: id, sgid: id, fsgid: id });
  return id === c.gid || id === c.sgid ? commit(k, { egid: id, fsgid: id }) : -EPERM;
}
function sysSetresuid(k: Kernel, r: number, e: number, s: number): number {
  const c = k.current.cred;
  const [uid, euid, suid] = [r | 0, e | 0, s | 0].map((v, i) => (v === -1 ? [c.uid, c.euid, c.suid][i] : v >>> 0));
  const ok = (v: number) => v === c.uid || v === c.euid || v === c.suid;
  if (!k.current.capable(CAP_SETUID) && !(ok(uid) && ok(euid) && ok(suid))) return -EPERM;
  return commit(k, { uid, euid, suid, fsuid: euid });
}
function sysSetresgid(k: Kernel, r: number, e: number, s: number): number {
  const c = k.current.cred;
  const [gid, egid, sgid] = [r | 0, e | 0, s | 0].map((v, i) => (v === -1 ? [c.gid, c.egid, c.sgid][i] : v >>> 0));
  const ok = (v: number) => v === c.gid || v === c.egid || v === c.sgid;
  if (!k.current.capable(CAP_SETGID) && !(ok(gid) && ok(egid) && ok(sgid))) return -EPERM;
  return commit(k, { gid, egid, sgid, fsgid: egid });
}
function sysSetreuid(k: Kernel, r: number, e: number): number {
  const c = k.current.cred;
  const uid = (r | 0) === -1 ? c.uid : r >>> 0;
  const euid = (e | 0) === -1 ? c.euid : e >>> 0;
  if (!k.current.capable(CAP_SETUID)) {
    if (uid !== c.uid && uid !== c.euid) return -EPERM;
    if (euid !== c.uid && euid !== c.euid && euid !== c.suid) return -EPERM;
  }
  const suid = (r | 0) !== -1 || ((e | 0) !== -1 && euid !== c.uid) ? euid : c.suid;
  return commit(k, { uid, euid, suid, fsuid: euid });
}
function sysSetregid(k: Kernel, r: number, e: number): number {
  const c = k.current.cred;
  const gid = (r | 0) === -1 ? c.gid : r >>> 0;
  const egid = (e | 0) === -1 ? c.egid : e >>> 0;
  if (!k.current.capable(CAP_SETGID)) {
    if (gid !== c.gid && gid !== c.egid) return -EPERM;
    if (egid !== c.gid && egid !== c.egid && egid !== c.sgid) return -EPERM;
  }
  const sgid = (r | 0) !== -1 || ((e | 0) !== -1 && egid !== c.gid) ? egid : c.sgid;
  return commit(k, { gid, egid, sgid, fsgid: egid });
}
function putIds(k: Kernel, ptrs: readonly number[], ids: readonly number[]): number {
  for (let i = 0; i < ptrs.length; i++) if (putUser32(k, ptrs[i], ids[i]) < 0) return -EFAULT;
  return 0;
}
function sysGetgroups(k: Kernel, size: number, ptr: number): number {
  const { groups } = k.current.cred;
  if ((size | 0) < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (size < groups.length) return -EINVAL;
  for (let i = 0; i < groups.length; i++) if (putUser32(k, ptr + i * 4, groups[i]) < 0) return -EFAULT;
  return groups.length;
}
function sysSetgroups(k: Kernel, size: number, ptr: number): number {
  if (!k.current.capable(CAP_SETGID)) return -EPERM;
  if (size < 0 || size > 65536) return -EINVAL;
  const groups: number[] = [];
  for (let i = 0; i < size; i++) {
    const g = getUser32(k, ptr + i * 4);
    if (g < 0) return g;
    groups.push(g);
  }
  return commit(k, { groups: groups.sort((a, b) => a - b) });
}

const row = (nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow =>
  note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };

export const processSyscalls: readonly SyscallRow[] = [
  row(NR.NR_clone, 'clone', sysClone, 'no namespaces'),
  row(NR.NR_clone3, 'clone3', sysClone3, 'no namespaces, no pidfd, no cgroup'),
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
  row(NR.NR_waitid, 'waitid', sysWaitid, 'no P_PIDFD'),
  row(NR.NR_getpid, 'getpid', (k) => k.current.tgid),
  row(NR.NR_gettid, 'gettid', (k) => k.current.pid),
  row(NR.NR_getppid, 'getppid', (k) => k.current.groupLeader.parent.tgid),
  row(NR.NR_getuid, 'getuid', (k) => k.current.cred.uid),
  row(NR.NR_geteuid, 'geteuid', (k) => k.current.cred.euid),
  row(NR.NR_getgid, 'getgid', (k) => k.current.cred.gid),
  row(NR.NR_getegid, 'getegid', (k) => k.current.cred.egid),
  row(NR.NR_setuid, 'setuid', sysSetuid),
  row(NR.NR_setgid, 'setgid', sysSetgid),
  row(NR.NR_setreuid, 'setreuid', sysSetreuid),
  row(NR.NR_setregid, 'setregid', sysSetregid),
  row(NR.NR_setresuid, 'setresuid', sysSetresuid),
  row(NR.NR_setresgid, 'setresgid', sysSetresgid),
  row(NR.NR_getresuid, 'getresuid', (k, r, e, s) => putIds(k, [r, e, s], [k.current.cred.uid, k.current.cred.euid, k.current.cred.suid])),
  row(NR.NR_getresgid, 'getresgid', (k, r, e, s) => putIds(k, [r, e, s], [k.current.cred.gid, k.current.cred.egid, k.current.cred.sgid])),
  row(NR.NR_setfsuid, 'setfsuid', (k, id) => {
    const old = k.current.cred.fsuid;
    const c = k.current.cred;
    if (k.current.capable(CAP_SETUID) || [c.uid, c.euid, c.suid, c.fsuid].includes(id >>> 0)) commit(k, { fsuid: id >>> 0 });
    return old;
  }),
  row(NR.NR_setfsgid, 'setfsgid', (k, id) => {
    const old = k.current.cred.fsgid;
    const c = k.current.cred;
    if (k.current.capable(CAP_SETGID) || [c.gid, c.egid, c.sgid, c.fsgid].includes(id >>> 0)) commit(k, { fsgid: id >>> 0 });
    return old;
  }),
  row(NR.NR_getgroups, 'getgroups', sysGetgroups),
  row(NR.NR_setgroups, 'setgroups', sysSetgroups),
  row(NR.NR_setpgid, 'setpgid', sysSetpgid),
  row(NR.NR_getpgid, 'getpgid', (k, pid) => lookupOrSelf(k, pid)?.signal.pgid ?? -ESRCH),
  row(NR.NR_getsid, 'getsid', (k, pid) => lookupOrSelf(k, pid)?.signal.sid ?? -ESRCH),
  row(NR.NR_setsid, 'setsid', sysSetsid),
  row(NR.NR_getrusage, 'getrusage', (k, who, buf) => {
    const r = rusageOf(k, who | 0);
    return typeof r === 'number' ? r : copyToUser(k, buf, r);
  }),
  row(NR.NR_set_tid_address, 'set_tid_address', (k, ptr) => {
    k.current.clearChildTid = ptr;
    return k.current.pid;
  }),
];
