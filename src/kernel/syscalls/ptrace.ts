import { EFAULT, EINVAL, EIO, ENODEV, EPERM, ESRCH } from '../../abi/errno.ts';
import { pt_regs as PT } from '../../abi/layout/structs.ts';
import * as P from '../../abi/ptrace.ts';
import { SIGKILL, SIGSTOP, sigBit } from '../../abi/signal.ts';
import * as NR from '../../abi/syscall_nr.ts';
import type { Kernel } from '../kernel.ts';
import { accessRemote } from '../mm/memory.ts';
import { findTaskByVpid } from '../pid.ts';
import { copyToUser, getUserBig, putUserBig, viewFromUser } from '../mm/uaccess.ts';
import { ptraceAttach, ptraceInterrupt, ptraceLink, ptraceResume, type PtraceState, ptraceTarget, ptraceUnlink } from '../ptrace.ts';
import type { Task } from '../sched/task.ts';
import { encodeSigInfo, sendSignalTo } from '../signal.ts';
import type { SigInfo } from '../signal_types.ts';
import type { SyscallRow } from './table.ts';

/** pc and x1 to x31 (user_regs_struct). */
const REGS_SIZE = 256;
/** f0 to f31, fcsr, padding. */
const FPREGS_SIZE = 264;
const SIGINFO_SIZE = 128;

function sysPtrace(k: Kernel, request: number, pidArg: number, addr: number, data: number): number {
  const pid = pidArg | 0;
  switch (request) {
    case P.PTRACE_TRACEME:
      return traceMe(k);
    case P.PTRACE_ATTACH:
    case P.PTRACE_SEIZE: {
      const task = findTaskByVpid(k, pid);
      if (task === undefined) return -ESRCH;
      const seize = request === P.PTRACE_SEIZE;
      if (seize && (addr !== 0 || (data & ~P.PTRACE_O_MASK) !== 0)) return -EIO;
      return ptraceAttach(k, task, seize, seize ? data : 0);
    }
  }
  const task = ptraceTarget(k, pid, request === P.PTRACE_KILL || request === P.PTRACE_INTERRUPT);
  return typeof task === 'number' ? task : traceeRequest(k, task, task.ptrace as PtraceState, request, addr, data);
}

function traceMe(k: Kernel): number {
  const task = k.current;
  if (task.ptrace !== null || task.groupLeader.parent.pid === 0) return -EPERM;
  const p = ptraceLink(k, task, task.groupLeader.parent, false, 0);
  p.inCall = false;
  return 0;
}

function traceeRequest(k: Kernel, task: Task, p: PtraceState, request: number, addr: number, data: number): number {
  switch (request) {
    case P.PTRACE_PEEKTEXT:
    case P.PTRACE_PEEKDATA: {
      const word = new Uint8Array(8);
      if (task.mm === null || accessRemote(k, task.mm, addr, word, false, true) < 0) return -EIO;
      return copyToUser(k, data, word);
    }
    case P.PTRACE_POKETEXT:
    case P.PTRACE_POKEDATA: {
      const word = new Uint8Array(8);
      // The value is the argument itself, all 64 bits of it.
      new DataView(word.buffer).setBigInt64(0, k.machine.regs.getBig(13), true);
      return task.mm === null || accessRemote(k, task.mm, addr, word, true, true) < 0 ? -EIO : 0;
    }
    case P.PTRACE_CONT:
      return ptraceResume(k, task, p, false, data);
    case P.PTRACE_SYSCALL:
      return ptraceResume(k, task, p, true, data);
    case P.PTRACE_KILL:
      sendSignalTo(k, task, { signo: SIGKILL, code: 0, pid: k.current.tgid, uid: k.current.cred.uid }, false);
      return 0;
    case P.PTRACE_DETACH:
      return detach(k, task, data);
    case P.PTRACE_SETOPTIONS:
      if ((data & ~P.PTRACE_O_MASK) !== 0) return -EINVAL;
      p.options = data;
      return 0;
    case P.PTRACE_GETEVENTMSG:
      return putUserBig(k, data, BigInt(p.message));
    case P.PTRACE_GETSIGINFO:
      return getSigInfo(k, p, data);
    case P.PTRACE_SETSIGINFO:
      return setSigInfo(k, p, data);
    case P.PTRACE_GETREGSET:
    case P.PTRACE_SETREGSET:
      return regSet(k, task, addr, data, request === P.PTRACE_SETREGSET);
    case P.PTRACE_INTERRUPT:
      return ptraceInterrupt(k, task, p);
    case P.PTRACE_LISTEN:
      if (!p.seized || p.stop?.code === undefined || p.stop.code >> 8 !== P.PTRACE_EVENT_STOP) return -EIO;
      p.listening = true;
      return 0;
    case P.PTRACE_GETSIGMASK:
      return addr !== 8 ? -EINVAL : putUserBig(k, data, task.blocked);
    case P.PTRACE_SETSIGMASK: {
      if (addr !== 8) return -EINVAL;
      const mask = getUserBig(k, data);
      if (mask === null) return -EFAULT;
      task.blocked = BigInt.asUintN(64, mask) & ~(sigBit(SIGKILL) | sigBit(SIGSTOP));
      return 0;
    }
    case P.PTRACE_GET_SYSCALL_INFO:
      return syscallInfo(k, task, p, addr, data);
    default:
      // No PEEKUSR, SINGLESTEP or SINGLEBLOCK on RISC-V.
      return -EIO;
  }
}

function detach(k: Kernel, task: Task, sig: number): number {
  if (sig < 0 || sig > 64) return -EIO;
  const stopped = task.ptrace?.stop ?? null;
  if (stopped?.kind === 'signal' && sig !== 0 && sig === stopped.info?.signo) sendSignalTo(k, task, stopped.info, false);
  else if (sig !== 0) sendSignalTo(k, task, { signo: sig, code: 0, pid: k.current.tgid, uid: k.current.cred.uid }, false);
  ptraceUnlink(k, task);
  return 0;
}

function getSigInfo(k: Kernel, p: PtraceState, to: number): number {
  if (p.stop?.info == null) return -EINVAL;
  const out = new Uint8Array(SIGINFO_SIZE);
  encodeSigInfo(p.stop.info, new DataView(out.buffer), 0);
  return copyToUser(k, to, out);
}
function setSigInfo(k: Kernel, p: PtraceState, from: number): number {
  const v = viewFromUser(k, from, SIGINFO_SIZE);
  if (typeof v === 'number') return v;
  if (p.stop?.info == null) return -EINVAL;
  const old = p.stop.info;
  const base = { signo: v.getInt32(0, true), errno: v.getInt32(4, true), code: v.getInt32(8, true) };
  let info: SigInfo;
  if (old.addr !== undefined) info = { ...base, addr: Number(v.getBigInt64(16, true)) };
  else info = { ...base, pid: v.getInt32(16, true), uid: v.getUint32(20, true), value: v.getBigInt64(24, true) };
  p.stop.info = info;
  return 0;
}

/** `iovec` at `data`: where and how much; its length becomes what was moved. */
function regSet(k: Kernel, task: Task, type: number, data: number, set: boolean): number {
  const iov = viewFromUser(k, data, 16);
  if (typeof iov === 'number') return iov;
  const base = Number(iov.getBigInt64(0, true));
  const length = Number(iov.getBigInt64(8, true));
  let at: number;
  let size: number;
  if (type === P.NT_PRSTATUS) [at, size] = [task.ptRegs, REGS_SIZE];
  else if (type === P.NT_PRFPREG) [at, size] = [task.fpState, FPREGS_SIZE];
  else return type === 0x900 ? -ENODEV : -EINVAL; // NT_RISCV_VECTOR: this processor has no V
  if (length < 0 || length % 8 !== 0) return -EINVAL;
  const n = Math.min(length, size);
  if (set) {
    const v = viewFromUser(k, base, n);
    if (typeof v === 'number') return v;
    k.ram.u8.set(new Uint8Array(v.buffer, v.byteOffset, n), at);
  } else {
    const out = k.ram.bytes(at, n).slice();
    // Behind fcsr there is padding.
    if (type === P.NT_PRFPREG && n > 260) out.fill(0, 260);
    if (copyToUser(k, base, out) < 0) return -EFAULT;
  }
  return putUserBig(k, data + 8, BigInt(n));
}

/** PTRACE_GET_SYSCALL_INFO: the size of what there is; at most `size` bytes of it are stored. */
function syscallInfo(k: Kernel, task: Task, p: PtraceState, size: number, to: number): number {
  const { ram } = k;
  const out = new Uint8Array(88);
  const v = new DataView(out.buffer);
  const reg = (offset: number) => ram.readBig(task.ptRegs + offset);
  let n = 24;
  v.setUint32(4, P.AUDIT_ARCH_RISCV64, true);
  v.setBigInt64(8, reg(PT.epc), true);
  v.setBigInt64(16, reg(PT.sp), true);
  if (p.stop?.kind === 'entry') {
    v.setUint8(0, P.PTRACE_SYSCALL_INFO_ENTRY);
    v.setBigInt64(24, reg(PT.a7), true);
    [p.origA0, ...[PT.a1, PT.a2, PT.a3, PT.a4, PT.a5].map(reg)].forEach((a, i) => {
      v.setBigInt64(32 + i * 8, a, true);
    });
    n = 80;
  } else if (p.stop?.kind === 'exit') {
    const value = reg(PT.a0);
    v.setUint8(0, P.PTRACE_SYSCALL_INFO_EXIT);
    v.setBigInt64(24, value, true);
    v.setUint8(32, value < 0n && value >= -4095n ? 1 : 0);
    n = 33;
  }
  const r = copyToUser(k, to, out.subarray(0, Math.min(n, size)));
  return r < 0 ? r : n;
}

export const ptraceSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_ptrace, name: 'ptrace', handler: sysPtrace, support: 'partial', note: 'no PTRACE_PEEKSIGINFO, no seccomp requests' },
];
