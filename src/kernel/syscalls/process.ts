import { EFAULT, EINVAL, EPERM, ESRCH, EACCES, E2BIG, ENAMETOOLONG } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { AT_EMPTY_PATH, AT_FDCWD, PATH_MAX } from '../../abi/fs.ts';
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME, UTS_VERSION } from '../../abi/kernel_release.ts';
import { NSIG } from '../../abi/signal.ts';
import { type Cred, fixCaps } from '../cred.ts';
import { doExecve } from '../exec.ts';
import { doExit, doGroupExit, doWait, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WUNTRACED, type WaitResult } from '../exit.ts';
import { doClone } from '../fork.ts';
import type { Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
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
  sum.maxRss = ((task.mm?.rssAnon ?? 0) + (task.mm?.rssFile ?? 0)) * 4;
  return encodeRusage(sum);
}

function waitMatch(k: Kernel, pid: number): (t: Task) => boolean {
  if (pid > 0) return (t) => t.tgid === pid;
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
    match = (t) => t.tgid === id;
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
  const merged = fixCaps(old, { ...old, ...next });
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

function utsField(s: string): Uint8Array {
  const out = new Uint8Array(65);
  out.set(bytesOf(s.slice(0, 64)));
  return out;
}
function sysUname(k: Kernel, buf: number): number {
  const out = new Uint8Array(390);
  [UTS_SYSNAME, k.hostname, UTS_RELEASE, UTS_VERSION, UTS_MACHINE, k.domainname].forEach((s, i) => {
    out.set(utsField(s), i * 65);
  });
  return copyToUser(k, buf, out);
}
function sysSethostname(k: Kernel, ptr: number, len: number, which: 'hostname' | 'domainname'): number {
  if (!k.current.capable(21)) return -EPERM;
  if (len < 0 || len > 64) return -EINVAL;
  const v = viewFromUser(k, ptr, len);
  if (typeof v === 'number') return v;
  let s = '';
  for (let i = 0; i < len; i++) s += String.fromCharCode(v.getUint8(i));
  k[which] = s;
  return 0;
}
function sysPrlimit64(k: Kernel, pid: number, resource: number, newPtr: number, oldPtr: number): number {
  const target = lookupOrSelf(k, pid);
  if (target === undefined) return -ESRCH;
  if (resource < 0 || resource > 15) return -EINVAL;
  const limit = target.signal.rlimits[resource];
  const fromUser = (b: bigint) => (b >= 2n ** 63n ? Number.POSITIVE_INFINITY : Number(b));
  const toUser = (n: number) => (n === Number.POSITIVE_INFINITY ? 0xffff_ffff_ffff_ffffn : BigInt(n));
  const old = { ...limit };
  if (newPtr !== 0) {
    const v = viewFromUser(k, newPtr, 16);
    if (typeof v === 'number') return v;
    const soft = fromUser(v.getBigUint64(0, true));
    const hard = fromUser(v.getBigUint64(8, true));
    if (soft > hard) return -EINVAL;
    if (hard > limit.hard && !k.current.capable(24)) return -EPERM;
    if (resource === 7 && hard > 1048576) return -EPERM;
    limit.soft = soft;
    limit.hard = hard;
  }
  if (oldPtr !== 0) {
    const out = new Uint8Array(16);
    const v = new DataView(out.buffer);
    v.setBigUint64(0, toUser(old.soft), true);
    v.setBigUint64(8, toUser(old.hard), true);
    return copyToUser(k, oldPtr, out);
  }
  return 0;
}
function sysPrctl(k: Kernel, option: number, a2: number, a3: number): number {
  const task = k.current;
  switch (option) {
    case 1: // PR_SET_PDEATHSIG
      if (a2 < 0 || a2 > NSIG) return -EINVAL;
      task.pdeathSignal = a2;
      return 0;
    case 2:
      return putUser32(k, a2, task.pdeathSignal);
    case 3: // PR_GET_DUMPABLE
      return task.dumpable ? 1 : 0;
    case 4:
      if (a2 !== 0 && a2 !== 1) return -EINVAL;
      task.dumpable = a2 === 1;
      return 0;
    case 15: {
      // PR_SET_NAME
      const v = viewFromUser(k, a2, 16);
      const s =
        typeof v === 'number'
          ? strncpyFromUser(k, a2, 16)
          : Array.from({ length: 16 }, (_x, i) => String.fromCharCode(v.getUint8(i)))
              .join('')
              .split('\0')[0];
      if (typeof s === 'number') return s;
      task.comm = s;
      return 0;
    }
    case 16: {
      const out = new Uint8Array(16);
      out.set(bytesOf(task.comm));
      return copyToUser(k, a2, out);
    }
    case 23: // PR_CAPBSET_READ
      return a2 < 0 || a2 > 40 ? -EINVAL : Number((task.cred.capBounding >> BigInt(a2)) & 1n);
    case 24:
      if (!task.capable(8)) return -EPERM;
      if (a2 < 0 || a2 > 40) return -EINVAL;
      return commit(k, { capBounding: task.cred.capBounding & ~(1n << BigInt(a2)) });
    case 29: // PR_SET_TIMERSLACK
      task.timerSlackNs = a2 > 0 ? a2 : 50_000;
      return 0;
    case 30:
      return task.timerSlackNs;
    case 36: // PR_SET_CHILD_SUBREAPER
      task.signal.childSubreaper = a2 !== 0;
      return 0;
    case 37:
      return putUser32(k, a2, task.signal.childSubreaper ? 1 : 0);
    case 38: // PR_SET_NO_NEW_PRIVS
      if (a2 !== 1 || a3 !== 0) return -EINVAL;
      task.noNewPrivs = true;
      return 0;
    case 39:
      return task.noNewPrivs ? 1 : 0;
    case 8: // PR_GET_KEEPCAPS
      return 0;
    default:
      return -EINVAL;
  }
}
function sysSysinfo(k: Kernel, buf: number): number {
  const out = new Uint8Array(112);
  const v = new DataView(out.buffer);
  const set = (at: number, n: number) => v.setBigInt64(at, BigInt(Math.floor(n)), true);
  set(0, k.time.now() / 1e9);
  k.sched.loadAvg.forEach((l, i) => {
    set(8 + i * 8, l * 65536);
  });
  set(32, k.mm.pages.managedPages * 4096);
  set(40, k.mm.pages.freePages * 4096);
  v.setUint16(80, k.sched.tasks.size - 1, true);
  v.setUint32(104, 1, true);
  return copyToUser(k, buf, out);
}
function sysGetrandom(k: Kernel, buf: number, count: number, flags: number): number {
  if ((flags & ~7) !== 0 || (flags & 6) === 6) return -EINVAL;
  const n = Math.min(Math.max(count, 0), 0x1ff_ffff);
  for (let done = 0; done < n; ) {
    const part = new Uint8Array(Math.min(65536, n - done));
    k.host.entropy(part);
    if (copyToUser(k, buf + done, part) < 0) return done > 0 ? done : -EFAULT;
    done += part.length;
  }
  return n;
}
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
function sysCapget(k: Kernel, head: number, data: number): number {
  const version = getUser32(k, head);
  if (version < 0) return version;
  if (version !== LINUX_CAPABILITY_VERSION_3)
    return putUser32(k, head, LINUX_CAPABILITY_VERSION_3) < 0 ? -EFAULT : data === 0 ? 0 : -EINVAL;
  const pid = getUser32(k, head + 4);
  const target = lookupOrSelf(k, pid | 0);
  if (target === undefined) return -ESRCH;
  if (data === 0) return 0;
  const out = new Uint8Array(24);
  const v = new DataView(out.buffer);
  const c = target.cred;
  [c.capEffective, c.capPermitted, c.capInheritable].forEach((set, i) => {
    v.setUint32(i * 4, Number(set & 0xffff_ffffn), true);
    v.setUint32(12 + i * 4, Number(set >> 32n), true);
  });
  return copyToUser(k, data, out);
}
function sysCapset(k: Kernel, head: number, data: number): number {
  if (getUser32(k, head) !== LINUX_CAPABILITY_VERSION_3) return -EINVAL;
  const pid = getUser32(k, head + 4) | 0;
  if (pid !== 0 && pid !== k.current.pid) return -EPERM;
  const v = viewFromUser(k, data, 24);
  if (typeof v === 'number') return v;
  const [e, p, i] = [0, 1, 2].map((n) => BigInt(v.getUint32(n * 4, true)) | (BigInt(v.getUint32(12 + n * 4, true)) << 32n));
  const c = k.current.cred;
  if ((p & ~c.capPermitted) !== 0n || (e & ~p) !== 0n || (i & ~(c.capInheritable | c.capPermitted)) !== 0n) return -EPERM;
  return commit(k, { capEffective: e, capPermitted: p, capInheritable: i });
}
function sysReboot(k: Kernel, m1: number, m2: number, cmd: number): number {
  if (!k.current.capable(22)) return -EPERM;
  if (m1 >>> 0 !== 0xfee1dead || ![672274793, 85072278, 369367448, 537993216].includes(m2 >>> 0)) return -EINVAL;
  switch (cmd >>> 0) {
    case 0x4321fedc:
      k.printk.log(6, 'reboot: Power down');
      k.halted = { reason: 'poweroff', message: '' };
      return 0;
    case 0xcdef0123:
      k.printk.log(6, 'reboot: System halted');
      k.halted = { reason: 'halt', message: '' };
      return 0;
    case 0x01234567:
    case 0xa1b2c3d4:
      k.printk.log(6, 'reboot: Restarting system');
      k.halted = { reason: 'restart', message: '' };
      return 0;
    case 0:
    case 0x89abcdef:
      return 0;
    default:
      return -EINVAL;
  }
}
function niceOf(k: Kernel, which: number, who: number): Task[] | number {
  if (which < 0 || which > 2) return -EINVAL;
  const list = [...k.sched.tasks.values()].filter((t) =>
    which === 0
      ? t.pid === (who || k.current.pid)
      : which === 1
        ? t.signal.pgid === (who || k.current.signal.pgid)
        : t.cred.uid === (who || k.current.cred.uid),
  );
  return list.length === 0 ? -ESRCH : list;
}
function sysSetpriority(k: Kernel, which: number, who: number, nice: number): number {
  const list = niceOf(k, which, who | 0);
  if (typeof list === 'number') return list;
  const n = Math.max(-20, Math.min(19, nice | 0));
  for (const t of list) {
    if (n < t.nice && !k.current.capable(23)) return -EACCES;
    t.nice = n;
  }
  return 0;
}
function sysGetpriority(k: Kernel, which: number, who: number): number {
  const list = niceOf(k, which, who | 0);
  return typeof list === 'number' ? list : Math.max(...list.map((t) => 20 - t.nice));
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
  row(NR.NR_uname, 'uname', sysUname),
  row(NR.NR_sethostname, 'sethostname', (k, p, n) => sysSethostname(k, p, n, 'hostname')),
  row(NR.NR_setdomainname, 'setdomainname', (k, p, n) => sysSethostname(k, p, n, 'domainname')),
  row(NR.NR_prlimit64, 'prlimit64', sysPrlimit64),
  row(NR.NR_getrlimit, 'getrlimit', (k, r, p) => sysPrlimit64(k, 0, r, 0, p)),
  row(NR.NR_setrlimit, 'setrlimit', (k, r, p) => sysPrlimit64(k, 0, r, p, 0)),
  row(NR.NR_getrusage, 'getrusage', (k, who, buf) => {
    const r = rusageOf(k, who | 0);
    return typeof r === 'number' ? r : copyToUser(k, buf, r);
  }),
  row(NR.NR_prctl, 'prctl', sysPrctl, 'names, death signals, subreapers, bounding set'),
  row(NR.NR_sysinfo, 'sysinfo', sysSysinfo),
  row(NR.NR_getrandom, 'getrandom', sysGetrandom),
  row(NR.NR_set_tid_address, 'set_tid_address', (k, ptr) => {
    k.current.clearChildTid = ptr;
    return k.current.pid;
  }),
  row(
    NR.NR_set_robust_list,
    'set_robust_list',
    (k, head, len) => {
      if (len !== 24) return -EINVAL;
      k.current.robustList = head;
      return 0;
    },
    'the list is kept, not walked',
  ),
  row(NR.NR_personality, 'personality', (k, p) => {
    const old = k.current.personality;
    if (p >>> 0 !== 0xffff_ffff) k.current.personality = p >>> 0;
    return old;
  }),
  row(NR.NR_capget, 'capget', sysCapget),
  row(NR.NR_capset, 'capset', sysCapset),
  row(NR.NR_reboot, 'reboot', sysReboot, 'power off, halt, restart'),
  row(NR.NR_setpriority, 'setpriority', sysSetpriority),
  row(NR.NR_getpriority, 'getpriority', sysGetpriority),
  row(NR.NR_sched_yield, 'sched_yield', (k) => {
    k.current.vruntime += 1_000_000;
    return 0;
  }),
  row(NR.NR_sched_getaffinity, 'sched_getaffinity', (k, pid, len, ptr) => {
    const t = lookupOrSelf(k, pid);
    if (t === undefined) return -ESRCH;
    if (len < 8 || len % 8 !== 0) return -EINVAL;
    const out = new Uint8Array(Math.min(len, 16));
    new DataView(out.buffer).setUint32(0, (t.affinity & (2 ** k.cpus - 1)) >>> 0, true);
    return copyToUser(k, ptr, out) < 0 ? -EFAULT : out.length;
  }),
  row(NR.NR_sched_setaffinity, 'sched_setaffinity', (k, pid, len, ptr) => {
    const t = lookupOrSelf(k, pid);
    if (t === undefined) return -ESRCH;
    if (len < 4) return -EINVAL;
    const m = getUser32(k, ptr);
    if (m < 0) return m;
    const mask = m & (2 ** k.cpus - 1);
    if (mask === 0) return -EINVAL;
    t.affinity = mask;
    return 0;
  }),
  row(NR.NR_sched_getscheduler, 'sched_getscheduler', (k, pid) => lookupOrSelf(k, pid)?.policy ?? -ESRCH),
  row(NR.NR_sched_getparam, 'sched_getparam', (k, pid, ptr) => {
    const t = lookupOrSelf(k, pid);
    return t === undefined ? -ESRCH : putUser32(k, ptr, t.rtPriority);
  }),
  row(
    NR.NR_sched_setscheduler,
    'sched_setscheduler',
    (k, pid, policy, ptr) => {
      const t = lookupOrSelf(k, pid);
      if (t === undefined) return -ESRCH;
      const prio = getUser32(k, ptr);
      if (prio < 0) return prio;
      const rt = (policy & 0xff) === 1 || (policy & 0xff) === 2;
      if (![0, 1, 2, 3, 5].includes(policy & 0xff) || rt !== (prio >= 1 && prio <= 99)) return -EINVAL;
      if (rt && !k.current.capable(23)) return -EPERM;
      t.policy = policy & 0xff;
      t.rtPriority = prio;
      return 0;
    },
    'FIFO and RR by priority only',
  ),
  row(NR.NR_sched_get_priority_max, 'sched_get_priority_max', (_k, p) =>
    p === 1 || p === 2 ? 99 : [0, 3, 5, 6].includes(p) ? 0 : -EINVAL,
  ),
  row(NR.NR_sched_get_priority_min, 'sched_get_priority_min', (_k, p) => (p === 1 || p === 2 ? 1 : [0, 3, 5, 6].includes(p) ? 0 : -EINVAL)),
  row(NR.NR_getcpu, 'getcpu', (k, cpu, node) => {
    if (cpu !== 0 && putUser32(k, cpu, k.cpu) < 0) return -EFAULT;
    return node !== 0 ? putUser32(k, node, 0) : 0;
  }),
  row(NR.NR_membarrier, 'membarrier', (_k, cmd) => (cmd === 0 ? 0x7f : [1, 2, 4, 8, 16, 32, 64].includes(cmd) ? 0 : -EINVAL)),
];
