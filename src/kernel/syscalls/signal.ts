import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ERESTARTNOHAND, ESRCH } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { NSIG, SI_TKILL, SIGKILL, SIGSTOP, SS_DISABLE, SS_ONSTACK, sigBit } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, getUserBig, viewFromUser } from '../mm/uaccess.ts';
import {
  dequeueSignal,
  encodeSigInfo,
  killMatching,
  killProcess,
  mayKill,
  sendSignalTo,
  setAction,
  setBlocked,
  signalPending,
  sigReturn,
} from '../signal.ts';
import type { SigInfo } from '../signal_types.ts';
import { findTaskByVpid, pidOfVnr, pidVnr } from '../pid.ts';
import { BLOCKED, waitInterruptible } from '../sched/wait.ts';
import type { SyscallRow } from './table.ts';

const U64 = (b: bigint) => BigInt.asUintN(64, b);

function sysRtSigaction(k: Kernel, sig: number, act: number, oact: number, size: number): number {
  if (size !== 8 || sig < 1 || sig > NSIG || (act !== 0 && (sig === SIGKILL || sig === SIGSTOP))) return -EINVAL;
  const task = k.current;
  const old = task.sighand.action[sig - 1];
  if (act !== 0) {
    const v = viewFromUser(k, act, 24);
    if (typeof v === 'number') return v;
    const r = setAction(k, task, sig, {
      handler: Number(v.getBigInt64(0, true)),
      flags: v.getUint32(8, true),
      mask: v.getBigUint64(16, true) & ~(sigBit(SIGKILL) | sigBit(SIGSTOP)),
    });
    if (r < 0) return r;
  }
  if (oact !== 0) {
    const out = new Uint8Array(24);
    const v = new DataView(out.buffer);
    v.setBigInt64(0, BigInt(old.handler), true);
    v.setBigUint64(8, BigInt(old.flags), true);
    v.setBigUint64(16, old.mask, true);
    return copyToUser(k, oact, out);
  }
  return 0;
}
function putMask(k: Kernel, ptr: number, mask: bigint): number {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, U64(mask), true);
  return copyToUser(k, ptr, out);
}
function sysRtSigprocmask(k: Kernel, how: number, set: number, oset: number, size: number): number {
  if (size !== 8) return -EINVAL;
  const task = k.current;
  const old = task.blocked;
  if (set !== 0) {
    const b = getUserBig(k, set);
    if (b === null) return -EFAULT;
    const mask = U64(b);
    if (how === 0) setBlocked(task, old | mask);
    else if (how === 1) setBlocked(task, old & ~mask);
    else if (how === 2) setBlocked(task, mask);
    else return -EINVAL;
  }
  return oset !== 0 ? putMask(k, oset, old) : 0;
}
function sysRtSigsuspend(k: Kernel, set: number, size: number): number {
  if (size !== 8) return -EINVAL;
  const task = k.current;
  if (task.savedSigmask === null) {
    const b = getUserBig(k, set);
    if (b === null) return -EFAULT;
    task.savedSigmask = task.blocked;
    setBlocked(task, U64(b));
    task.restart = { sigsuspend: true };
  }
  if (signalPending(task)) return -ERESTARTNOHAND;
  return waitInterruptible(k, null);
}
function sysRtSigtimedwait(k: Kernel, set: number, info: number, timeout: number, size: number): number {
  if (size !== 8) return -EINVAL;
  const task = k.current;
  const b = getUserBig(k, set);
  if (b === null) return -EFAULT;
  const mask = U64(b) & ~(sigBit(SIGKILL) | sigBit(SIGSTOP));
  const got = dequeueSignal(task, mask);
  if (got !== null) {
    if (info !== 0) {
      const out = new Uint8Array(128);
      encodeSigInfo(got, new DataView(out.buffer), 0);
      if (copyToUser(k, info, out) < 0) return -EFAULT;
    }
    return got.signo;
  }
  if (task.timedOut) return -EAGAIN;
  let deadline = (task.restart?.['deadline'] as number | undefined) ?? Number.POSITIVE_INFINITY;
  if (timeout !== 0 && task.restart === null) {
    const v = viewFromUser(k, timeout, 16);
    if (typeof v === 'number') return v;
    const sec = Number(v.getBigInt64(0, true));
    const nsec = Number(v.getBigInt64(8, true));
    if (sec < 0 || nsec < 0 || nsec > 999_999_999) return -EINVAL;
    if (sec === 0 && nsec === 0) return -EAGAIN;
    deadline = k.time.now() + sec * 1e9 + nsec;
  }
  if (signalPending(task)) return -EINTR;
  const r = waitInterruptible(k, null);
  if (r === BLOCKED) {
    task.restart = { sigwait: true, deadline };
    k.sched.scheduleTimeout(task, deadline);
  }
  return r;
}
function sysKill(k: Kernel, pidArg: number, sig: number): number {
  const pid = pidArg | 0;
  if (sig < 0 || sig > NSIG) return -EINVAL;
  if (pid > 0) {
    const t = findTaskByVpid(k, pid);
    if (t === undefined) return -ESRCH;
    return killProcess(k, sig, t.groupLeader);
  }
  if (pid === -1) return killMatching(k, sig, (t) => pidVnr(k, t.pid) > 1 && t.tgid !== k.current.tgid);
  if (pid === -0x8000_0000) return -ESRCH;
  const pgid = pid === 0 ? k.current.signal.pgid : pidOfVnr(k, -pid);
  return killMatching(k, sig, (t) => t.signal.pgid === pgid);
}
function threadKill(k: Kernel, tgid: number, tid: number, sig: number, info?: SigInfo): number {
  if (tid <= 0 || sig < 0 || sig > NSIG) return -EINVAL;
  const t = findTaskByVpid(k, tid);
  if (t === undefined || (tgid > 0 && t.tgid !== tgid)) return -ESRCH;
  if (!mayKill(k, t, sig)) return -EPERM;
  if (sig === 0) return 0;
  return sendSignalTo(k, t, info ?? { signo: sig, code: SI_TKILL, pid: k.current.tgid, uid: k.current.cred.uid }, false);
}
function queueInfo(k: Kernel, ptr: number, sig: number): SigInfo | number {
  const v = viewFromUser(k, ptr, 128);
  return typeof v === 'number' ? v : querySigInfo(v, sig);
}
/** A siginfo that user space made up, as signal `sig`. */
export function querySigInfo(v: DataView, sig: number): SigInfo {
  return {
    signo: sig,
    code: v.getInt32(8, true),
    errno: v.getInt32(4, true),
    pid: v.getInt32(16, true),
    uid: v.getUint32(20, true),
    value: v.getBigInt64(24, true),
  };
}
function sysRtSigqueueinfo(k: Kernel, pid: number, sig: number, ptr: number): number {
  const info = queueInfo(k, ptr, sig);
  if (typeof info === 'number') return info;
  if (sig < 0 || sig > NSIG) return -EINVAL;
  const t = findTaskByVpid(k, pid | 0);
  if (t === undefined) return -ESRCH;
  if ((info.code >= 0 || info.code === SI_TKILL) && t.tgid !== k.current.tgid) return -EPERM;
  if (!mayKill(k, t, sig)) return -EPERM;
  return sig === 0 ? 0 : sendSignalTo(k, t, info, true);
}
function sysSigaltstack(k: Kernel, ss: number, oss: number): number {
  const task = k.current;
  const old = task.sigaltstack;
  const sp = k.machine.regs.get(2);
  const on = (old.flags & SS_DISABLE) === 0 && sp > old.sp && sp - old.sp <= old.size;
  if (ss !== 0) {
    const v = viewFromUser(k, ss, 24);
    if (typeof v === 'number') return v;
    if (on) return -EPERM;
    const flags = v.getInt32(8, true);
    const size = Number(v.getBigUint64(16, true));
    if ((flags & ~(SS_DISABLE | SS_ONSTACK)) !== 0) return -EINVAL;
    if ((flags & SS_DISABLE) === 0 && size < 2048) return -ENOMEM;
    task.sigaltstack =
      (flags & SS_DISABLE) !== 0 ? { sp: 0, flags: SS_DISABLE, size: 0 } : { sp: Number(v.getBigInt64(0, true)), flags: 0, size };
  }
  if (oss !== 0) {
    const out = new Uint8Array(24);
    const v = new DataView(out.buffer);
    v.setBigInt64(0, BigInt(old.sp), true);
    v.setInt32(8, on ? SS_ONSTACK : old.flags, true);
    v.setBigInt64(16, BigInt(old.size), true);
    return copyToUser(k, oss, out);
  }
  return 0;
}

const row = (nr: number, name: string, handler: SyscallRow['handler']): SyscallRow => ({ nr, name, handler, support: 'full' });

export const signalSyscalls: readonly SyscallRow[] = [
  row(NR.NR_rt_sigaction, 'rt_sigaction', sysRtSigaction),
  row(NR.NR_rt_sigprocmask, 'rt_sigprocmask', sysRtSigprocmask),
  row(NR.NR_rt_sigreturn, 'rt_sigreturn', (k) => {
    k.current.skipResult = true;
    sigReturn(k);
    return 0;
  }),
  row(NR.NR_rt_sigpending, 'rt_sigpending', (k, ptr, size) =>
    size > 8 ? -EINVAL : putMask(k, ptr, (k.current.pending.set | k.current.signal.pending.set) & k.current.blocked),
  ),
  row(NR.NR_rt_sigsuspend, 'rt_sigsuspend', sysRtSigsuspend),
  row(NR.NR_rt_sigtimedwait, 'rt_sigtimedwait', sysRtSigtimedwait),
  row(NR.NR_rt_sigqueueinfo, 'rt_sigqueueinfo', sysRtSigqueueinfo),
  row(NR.NR_rt_tgsigqueueinfo, 'rt_tgsigqueueinfo', (k, tgid, tid, sig, ptr) => {
    const info = queueInfo(k, ptr, sig);
    if (typeof info === 'number') return info;
    if ((tgid | 0) <= 0) return -EINVAL;
    // Only to itself may a process claim that a signal came from the kernel or from tkill.
    if ((info.code >= 0 || info.code === SI_TKILL) && findTaskByVpid(k, tid | 0) !== k.current) return -EPERM;
    return threadKill(k, tgid | 0, tid | 0, sig, info);
  }),
  row(NR.NR_kill, 'kill', sysKill),
  row(NR.NR_tkill, 'tkill', (k, tid, sig) => threadKill(k, 0, tid | 0, sig)),
  row(NR.NR_tgkill, 'tgkill', (k, tgid, tid, sig) => ((tgid | 0) <= 0 ? -EINVAL : threadKill(k, tgid | 0, tid | 0, sig))),
  row(NR.NR_sigaltstack, 'sigaltstack', sysSigaltstack),
];
