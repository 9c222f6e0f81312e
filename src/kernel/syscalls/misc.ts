import { EFAULT, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME, UTS_VERSION } from '../../abi/kernel_release.ts';
import { PATH_MAX } from '../../abi/fs.ts';
import * as S from '../../abi/sched.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { acct } from '../acct.ts';
import { capget, capset } from '../capability.ts';
import { controllingTty, ttyVhangup } from '../drivers/tty/jobctl.ts';
import type { Kernel } from '../kernel.ts';
import { publishUts } from '../sched/task_exports.ts';
import { bytesOf, stringOf } from '../lib/bytes.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { copyFromUser, copyToUser, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { nsCapable } from '../nsproxy.ts';
import { taskByVpid } from '../pid.ts';
import { reboot } from '../reboot.ts';
import { addKey, keyctl, requestKey } from '../security/keys/keyctl.ts';
import { doSeccomp } from '../seccomp.ts';
import { prctl } from '../sys.ts';
import type { Task } from '../sched/task.ts';
import type { SyscallRow } from './table.ts';

// System information, limits, capabilities and the other small calls of kernel/sys.c.

// --- resource limits ---

/** RLIM_INFINITY is all ones; numbers beyond 2^53 are as good as that. */
function limitIn(v: DataView, at: number): number {
  const big = v.getBigUint64(at, true);
  return big > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(big);
}
const limitOut = (n: number) => (n === Number.POSITIVE_INFINITY ? 0xffff_ffff_ffff_ffffn : BigInt(n));

function mayLimit(k: Kernel, task: Task): boolean {
  const c = k.current.cred;
  const t = task.cred;
  const same = c.uid === t.euid && c.uid === t.suid && c.uid === t.uid && c.gid === t.egid && c.gid === t.sgid && c.gid === t.gid;
  return task === k.current || same || k.current.capable(S.CAP_SYS_RESOURCE);
}
function doPrlimit(k: Kernel, task: Task, which: number, next: { soft: number; hard: number } | null): number {
  if (next === null) return 0;
  const limit = task.signal.rlimits[which];
  if (next.soft > next.hard) return -EINVAL;
  if (which === S.RLIMIT_NOFILE && next.hard > k.vfs.nrOpen) return -EPERM;
  if (next.hard > limit.hard && !k.current.capable(S.CAP_SYS_RESOURCE)) return -EPERM;
  // A CPU limit of 0 would be none: it becomes one second.
  limit.soft = which === S.RLIMIT_CPU && next.soft === 0 ? 1 : next.soft;
  limit.hard = next.hard;
  return 0;
}
function readLimit(k: Kernel, ptr: number): { soft: number; hard: number } | number {
  const v = viewFromUser(k, ptr, 16);
  return typeof v === 'number' ? v : { soft: limitIn(v, 0), hard: limitIn(v, 8) };
}
function writeLimit(k: Kernel, ptr: number, limit: { soft: number; hard: number }): number {
  const bytes = new Uint8Array(16);
  const v = new DataView(bytes.buffer);
  v.setBigUint64(0, limitOut(limit.soft), true);
  v.setBigUint64(8, limitOut(limit.hard), true);
  return copyToUser(k, ptr, bytes);
}
function sysPrlimit64(k: Kernel, pid: number, whichArg: number, newPtr: number, oldPtr: number): number {
  const which = whichArg >>> 0;
  let next: { soft: number; hard: number } | null = null;
  if (newPtr !== 0) {
    const r = readLimit(k, newPtr);
    if (typeof r === 'number') return r;
    next = r;
  }
  const task = taskByVpid(k, pid | 0);
  if (task === undefined) return -ESRCH;
  if (!mayLimit(k, task)) return -EPERM;
  if (which >= S.RLIM_NLIMITS) return -EINVAL;
  const old = { ...task.signal.rlimits[which] };
  const r = doPrlimit(k, task, which, next);
  if (r < 0) return r;
  return oldPtr !== 0 && writeLimit(k, oldPtr, old) < 0 ? -EFAULT : 0;
}
function sysGetrlimit(k: Kernel, which: number, ptr: number): number {
  if (which >>> 0 >= S.RLIM_NLIMITS) return -EINVAL;
  return writeLimit(k, ptr, k.current.signal.rlimits[which >>> 0]);
}
function sysSetrlimit(k: Kernel, which: number, ptr: number): number {
  const next = readLimit(k, ptr);
  if (typeof next === 'number') return next;
  return which >>> 0 >= S.RLIM_NLIMITS ? -EINVAL : doPrlimit(k, k.current, which >>> 0, next);
}

// --- names of the system ---

const NEW_UTS_LEN = 64;
function sysUname(k: Kernel, buf: number): number {
  // personality(UNAME26) and PER_LINUX32 change nothing here: riscv64 has no compat mode.
  const { uts } = k.current.nsproxy;
  const bytes = new Uint8Array(6 * (NEW_UTS_LEN + 1));
  [UTS_SYSNAME, uts.hostname, UTS_RELEASE, UTS_VERSION, UTS_MACHINE, uts.domainname].forEach((text, i) => {
    bytes.set(bytesOf(text.slice(0, NEW_UTS_LEN)), i * (NEW_UTS_LEN + 1));
  });
  return copyToUser(k, buf, bytes);
}
function readName(k: Kernel, ptr: number, lengthArg: number): string | number {
  if (!nsCapable(k.current, k.current.nsproxy.uts.owner, S.CAP_SYS_ADMIN)) return -EPERM;
  const length = lengthArg | 0;
  if (length < 0 || length > NEW_UTS_LEN) return -EINVAL;
  const bytes = copyFromUser(k, ptr, length);
  return typeof bytes === 'number' ? bytes : stringOf(bytes);
}
function sysSethostname(k: Kernel, ptr: number, length: number): number {
  const name = readName(k, ptr, length);
  if (typeof name === 'number') return name;
  k.current.nsproxy.uts.hostname = name;
  publishUts(k, k.current.nsproxy.uts);
  return 0;
}
function sysSetdomainname(k: Kernel, ptr: number, length: number): number {
  const name = readName(k, ptr, length);
  if (typeof name === 'number') return name;
  k.current.nsproxy.uts.domainname = name;
  publishUts(k, k.current.nsproxy.uts);
  return 0;
}

/** struct sysinfo: 112 bytes, sizes in units of one byte. */
function sysSysinfo(k: Kernel, buf: number): number {
  const bytes = new Uint8Array(112);
  const v = new DataView(bytes.buffer);
  const { managedPages, buddyPages } = k.mm.pages;
  v.setBigInt64(0, BigInt(Math.ceil((k.time.now() + k.current.nsproxy.time.offsets.boottime) / 1e9)), true);
  k.sched.loadAvg.forEach((load, i) => {
    v.setBigUint64(8 + i * 8, BigInt(Math.round(load * 65536)), true);
  });
  v.setBigUint64(32, BigInt(managedPages * PAGE_SIZE), true);
  v.setBigUint64(40, BigInt(buddyPages * PAGE_SIZE), true);
  v.setBigUint64(48, BigInt(k.mm.stat.shmemPages * PAGE_SIZE), true);
  v.setBigUint64(64, BigInt(k.mm.swap.total * PAGE_SIZE), true);
  v.setBigUint64(72, BigInt(k.mm.swap.free * PAGE_SIZE), true);
  v.setUint16(80, k.sched.tasks.size - 1, true);
  v.setUint32(104, 1, true);
  return copyToUser(k, buf, bytes);
}

// --- the rest ---

const CAP_SYS_PACCT = 20;
const CAP_SYS_TTY_CONFIG = 26;

const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
function sysGetrandom(k: Kernel, buf: number, count: number, flags: number): number {
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) return -EINVAL;
  if ((flags & GRND_RANDOM) !== 0 && (flags & GRND_INSECURE) !== 0) return -EINVAL;
  if (count < 0) return -EFAULT;
  const want = Math.min(count, 0x7fff_f000);
  let done = 0;
  while (done < want) {
    // A page at a time: a bad length must not allocate it all first.
    const chunk = new Uint8Array(Math.min(PAGE_SIZE, want - done));
    k.host.entropy(chunk);
    if (copyToUser(k, buf + done, chunk) < 0) return done > 0 ? done : -EFAULT;
    done += chunk.length;
  }
  return done;
}
function sysPersonality(k: Kernel, persona: number): number {
  const old = k.current.personality;
  if (persona >>> 0 !== 0xffff_ffff) k.current.personality = persona >>> 0;
  return old;
}
function sysReboot(k: Kernel, magic1: number, magic2: number, cmd: number, arg: number): number {
  return reboot(k, magic1 >>> 0, magic2 >>> 0, cmd >>> 0, arg);
}
function sysAcct(k: Kernel, ptr: number): number {
  const name = ptr === 0 ? null : strncpyFromUser(k, ptr, PATH_MAX);
  if (typeof name === 'number') return k.current.capable(CAP_SYS_PACCT) ? name : -EPERM;
  return acct(k, name);
}
function sysVhangup(k: Kernel): number {
  if (!k.current.capable(CAP_SYS_TTY_CONFIG)) return -EPERM;
  const tty = controllingTty(k, k.current);
  if (tty !== null) ttyVhangup(k, tty);
  return 0;
}
function sysPrctl(k: Kernel, option: number, a2: number, a3: number, a4: number, a5: number): number {
  return prctl(k, option | 0, a2, a3, a4, a5);
}

export const miscSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_prlimit64, name: 'prlimit64', handler: sysPrlimit64, support: 'full' },
  { nr: NR.NR_getrlimit, name: 'getrlimit', handler: sysGetrlimit, support: 'full' },
  { nr: NR.NR_setrlimit, name: 'setrlimit', handler: sysSetrlimit, support: 'full' },
  { nr: NR.NR_uname, name: 'uname', handler: sysUname, support: 'full' },
  { nr: NR.NR_sethostname, name: 'sethostname', handler: sysSethostname, support: 'full' },
  { nr: NR.NR_setdomainname, name: 'setdomainname', handler: sysSetdomainname, support: 'full' },
  { nr: NR.NR_sysinfo, name: 'sysinfo', handler: sysSysinfo, support: 'full' },
  { nr: NR.NR_getrandom, name: 'getrandom', handler: sysGetrandom, support: 'full' },
  { nr: NR.NR_personality, name: 'personality', handler: sysPersonality, support: 'full' },
  { nr: NR.NR_reboot, name: 'reboot', handler: sysReboot, support: 'partial', note: 'no kexec, no suspend' },
  { nr: NR.NR_prctl, name: 'prctl', handler: sysPrctl, support: 'partial', note: 'no PR_SET_MM, PR_SET_VMA' },
  { nr: NR.NR_seccomp, name: 'seccomp', handler: (k, op, flags, arg) => doSeccomp(k, op >>> 0, flags >>> 0, arg), support: 'partial', note: 'no user notification, no PTRACE_O_TRACESECCOMP' },
  { nr: NR.NR_add_key, name: 'add_key', handler: (k, t, d, p, n, r) => addKey(k, t, d, p, n, r | 0), support: 'partial', note: 'types user, logon, keyring, big_key' },
  { nr: NR.NR_request_key, name: 'request_key', handler: (k, t, d, c, r) => requestKey(k, t, d, c, r | 0), support: 'partial', note: 'no upcall' },
  { nr: NR.NR_keyctl, name: 'keyctl', handler: (k, op, a, b, c, d) => keyctl(k, op | 0, a, b, c, d), support: 'partial', note: 'no instantiation, no cryptographic operations' },
  { nr: NR.NR_acct, name: 'acct', handler: sysAcct, support: 'full' },
  { nr: NR.NR_vhangup, name: 'vhangup', handler: sysVhangup, support: 'full' },
  { nr: NR.NR_capget, name: 'capget', handler: capget, support: 'full' },
  { nr: NR.NR_capset, name: 'capset', handler: capset, support: 'full' },
];
