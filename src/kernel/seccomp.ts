import { EACCES, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, ESRCH } from '../abi/errno.ts';
import { AUDIT_ARCH_RISCV64 } from '../abi/ptrace.ts';
import { CAP_SYS_ADMIN } from '../abi/sched.ts';
import * as B from '../abi/bpf.ts';
import * as S from '../abi/seccomp.ts';
import { SIGKILL, SIGSYS } from '../abi/signal.ts';
import * as NR from '../abi/syscall_nr.ts';
import { doExit, doGroupExit } from './exit.ts';
import type { Kernel } from './kernel.ts';
import { viewFromUser } from './mm/uaccess.ts';
import { nsCapable } from './nsproxy.ts';
import { readFprog, runClassic, type SockFilter } from './net/core/filter.ts';
import type { Task } from './sched/task.ts';
import { forceSignal } from './signal.ts';

// Secure computing: a process gives system calls up (kernel/seccomp.c, seccomp(2)). Filters are classic BPF programs over the call's number and
// arguments; a child inherits them, and they stay for good.

export interface Seccomp {
  readonly mode: number;
  /** The newest first; all are run. */
  readonly filters: readonly (readonly SockFilter[])[];
}

const SYS_SECCOMP = 1;
/** What strict mode leaves (mode1_syscalls). */
const STRICT_CALLS: readonly number[] = [NR.NR_read, NR.NR_write, NR.NR_exit, NR.NR_rt_sigreturn];

/** Every instruction known and within bounds, jumps forward and inside, a return at the end (bpf_check_classic, seccomp_check_filter). */
function checkFilter(prog: readonly SockFilter[]): boolean {
  return prog.every((f, i) => checkInsn(f, i, prog.length)) && (prog[prog.length - 1].code & 7) === B.BPF_RET;
}
function checkInsn(f: SockFilter, at: number, length: number): boolean {
  const after = length - at - 1;
  switch (f.code & 7) {
    case B.BPF_LD:
      if (f.code === (B.BPF_LD | B.BPF_W | B.BPF_ABS)) return f.k < S.SECCOMP_DATA_SIZE && f.k % 4 === 0;
      if (f.code === (B.BPF_LD | B.BPF_MEM)) return f.k < B.BPF_MEMWORDS;
      return f.code === (B.BPF_LD | B.BPF_IMM) || f.code === (B.BPF_LD | B.BPF_W | B.BPF_LEN);
    case B.BPF_LDX:
      if (f.code === (B.BPF_LDX | B.BPF_MEM)) return f.k < B.BPF_MEMWORDS;
      return f.code === (B.BPF_LDX | B.BPF_IMM) || f.code === (B.BPF_LDX | B.BPF_W | B.BPF_LEN);
    case B.BPF_ST:
    case B.BPF_STX:
      return (f.code & ~7) === 0 && f.k < B.BPF_MEMWORDS;
    case B.BPF_ALU: {
      const op = f.code & 0xf0;
      if (op === B.BPF_NEG) return f.code === (B.BPF_ALU | B.BPF_NEG);
      if (op > B.BPF_XOR || op === 0x90) return false;
      const constant = (f.code & B.BPF_X) === 0;
      if (op === B.BPF_DIV && constant && f.k === 0) return false;
      return !((op === B.BPF_LSH || op === B.BPF_RSH) && constant && f.k >= 32);
    }
    case B.BPF_JMP: {
      const op = f.code & 0xf0;
      if (op === B.BPF_JA) return f.code === (B.BPF_JMP | B.BPF_JA) && f.k < after;
      return op <= B.BPF_JSET && f.jt < after && f.jf < after;
    }
    case B.BPF_RET:
      return f.code === B.BPF_RET || f.code === (B.BPF_RET | B.BPF_A);
    default:
      return f.code === (B.BPF_MISC | B.BPF_TAX) || f.code === (B.BPF_MISC | B.BPF_TXA);
  }
}
/** The call that the task is about to make: true when it may, else it is settled already (its result is in place, or the task dies). */
export function secureComputing(k: Kernel, task: Task, seccomp: Seccomp): { readonly result: number } | 'allow' | 'gone' {
  const { regs } = k.machine;
  const nr = regs.get(17) | 0;
  if (seccomp.mode === S.SECCOMP_MODE_STRICT) {
    if (STRICT_CALLS.includes(nr)) return 'allow';
    doExit(k, task, SIGKILL);
    return 'gone';
  }
  const data = new DataView(new ArrayBuffer(S.SECCOMP_DATA_SIZE));
  data.setInt32(0, nr, true);
  data.setUint32(4, AUDIT_ARCH_RISCV64, true);
  data.setBigInt64(8, BigInt(regs.pc + 4), true);
  for (let i = 0; i < 6; i++) data.setBigInt64(16 + i * 8, regs.getBig(10 + i), true);
  const load = (at: number) => data.getUint32(at, true);
  let verdict: number = S.SECCOMP_RET_ALLOW;
  for (const filter of seccomp.filters) {
    // What fails in a filter returns 0: SECCOMP_RET_KILL_THREAD.
    const r = runClassic(filter, S.SECCOMP_DATA_SIZE, load) | 0;
    if ((r & S.SECCOMP_RET_ACTION_FULL) < (verdict & S.SECCOMP_RET_ACTION_FULL)) verdict = r;
  }
  const value = verdict & S.SECCOMP_RET_DATA;
  switch (verdict & S.SECCOMP_RET_ACTION_FULL) {
    case S.SECCOMP_RET_ALLOW:
      return 'allow';
    case S.SECCOMP_RET_LOG:
      k.printk.log(5, `seccomp: ${task.comm}[${task.pid}] syscall=${nr} action=log`);
      return 'allow';
    case S.SECCOMP_RET_ERRNO:
      return { result: -Math.min(value, 4095) };
    case S.SECCOMP_RET_TRACE:
      return { result: -ENOSYS }; // no tracer asked for PTRACE_O_TRACESECCOMP
    case S.SECCOMP_RET_TRAP:
      forceSignal(k, task, { signo: SIGSYS, code: SYS_SECCOMP, errno: value, call: { addr: regs.pc + 4, nr, arch: AUDIT_ARCH_RISCV64 } });
      return { result: Number(regs.getBig(10)) };
    case S.SECCOMP_RET_KILL_THREAD:
      if (task.signal.live > 1) {
        doExit(k, task, SIGSYS);
        return 'gone';
      }
  }
  doGroupExit(k, task, SIGSYS | (task.signal.rlimit(4) > 0 ? 0x80 : 0));
  return 'gone';
}

function setFilter(k: Kernel, flags: number, ptr: number): number {
  const task = k.current;
  const known = S.SECCOMP_FILTER_FLAG_TSYNC | S.SECCOMP_FILTER_FLAG_LOG | S.SECCOMP_FILTER_FLAG_SPEC_ALLOW | S.SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  if ((flags & ~known) !== 0) return -EINVAL;
  const prog = readFprog(k, ptr);
  if (typeof prog === 'number') return prog;
  if (!task.noNewPrivs && !nsCapable(task, task.cred.userNs, CAP_SYS_ADMIN)) return -EACCES;
  if (!checkFilter(prog)) return -EINVAL;
  if (task.seccomp !== null && task.seccomp.mode !== S.SECCOMP_MODE_FILTER) return -EINVAL;
  const next: Seccomp = { mode: S.SECCOMP_MODE_FILTER, filters: [prog, ...(task.seccomp?.filters ?? [])] };
  if ((flags & S.SECCOMP_FILTER_FLAG_TSYNC) !== 0) {
    // Only threads whose filters are a beginning of the caller's follow.
    const own = task.seccomp?.filters ?? [];
    const follows = (t: Task) => (t.seccomp?.filters ?? []).every((f) => own.includes(f)) && t.seccomp?.mode !== S.SECCOMP_MODE_STRICT;
    const other = task.threads.find((t) => t.exitState === 0 && !follows(t));
    if (other !== undefined) return (flags & S.SECCOMP_FILTER_FLAG_TSYNC_ESRCH) !== 0 ? -ESRCH : other.pid;
    for (const t of task.threads) {
      t.seccomp = next;
      if (task.noNewPrivs) t.noNewPrivs = true;
    }
  } else task.seccomp = next;
  return 0;
}
const ACTIONS: readonly number[] = [
  S.SECCOMP_RET_KILL_PROCESS,
  S.SECCOMP_RET_KILL_THREAD,
  S.SECCOMP_RET_TRAP,
  S.SECCOMP_RET_ERRNO,
  S.SECCOMP_RET_TRACE,
  S.SECCOMP_RET_LOG,
  S.SECCOMP_RET_ALLOW,
];
/** do_seccomp, for seccomp(2) and prctl(PR_SET_SECCOMP). */
export function doSeccomp(k: Kernel, op: number, flags: number, arg: number): number {
  const task = k.current;
  switch (op) {
    case S.SECCOMP_SET_MODE_STRICT:
      if (flags !== 0 || arg !== 0 || (task.seccomp !== null && task.seccomp.mode !== S.SECCOMP_MODE_STRICT)) return -EINVAL;
      task.seccomp = { mode: S.SECCOMP_MODE_STRICT, filters: [] };
      return 0;
    case S.SECCOMP_SET_MODE_FILTER:
      return setFilter(k, flags, arg);
    case S.SECCOMP_GET_ACTION_AVAIL: {
      if (flags !== 0) return -EINVAL;
      const v = viewFromUser(k, arg, 4);
      if (typeof v === 'number') return -EFAULT;
      return ACTIONS.includes(v.getInt32(0, true)) ? 0 : -EOPNOTSUPP;
    }
    default:
      return -EINVAL;
  }
}
