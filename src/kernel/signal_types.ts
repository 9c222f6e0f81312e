import type { Task } from './sched/task.ts';
import type { ProcessTimers } from './time/posix_timers.ts';
import type { WaitQueueHead } from './sched/wait.ts';

/** siginfo_t as plain data. */
export interface SigInfo {
  readonly signo: number;
  readonly code: number;
  readonly errno?: number;
  readonly pid?: number;
  readonly uid?: number;
  /** SIGCHLD. */
  readonly status?: number;
  readonly utime?: number;
  readonly stime?: number;
  /** Faults. */
  readonly addr?: number;
  /** Signals for I/O (F_SETSIG). */
  readonly band?: number;
  readonly fd?: number;
  /** SIGSYS: the call that was refused, and where. */
  readonly call?: { readonly addr: number; readonly nr: number; readonly arch: number };
  /** sigqueue's value, timers' value. */
  readonly value?: bigint;
}
export class SigPending {
  private bits = 0n;
  /** Whether the set has any: it is asked at each entry of the kernel, and arithmetic on sets costs. */
  any = false;
  /** Guest RAM says otherwise, or nothing yet. */
  unpublished = true;
  /** Standard signals queue once, real-time ones each time. */
  readonly queue: SigInfo[] = [];
  /** bit n-1 for signal n. */
  get set(): bigint {
    return this.bits;
  }
  set set(bits: bigint) {
    this.bits = bits;
    this.any = bits !== 0n;
    this.unpublished = true;
  }
}
export interface SigAction {
  readonly handler: number;
  readonly flags: number;
  readonly mask: bigint;
}
/** Shared by CLONE_SIGHAND. */
export interface SigHandStruct {
  readonly action: SigAction[];
  users: number;
}
/** What a tty is to a session; the driver's class implements it. */
export interface ControllingTty {
  readonly dev: number;
  readonly name: string;
  session: number;
  pgrp: number;
}
/** Shared by the threads of a process (signal_struct). */
export interface SignalStruct {
  /** Physical address of the signal_struct. */
  readonly addr: number;
  readonly pending: SigPending;
  pgid: number;
  sid: number;
  tty: ControllingTty | null;
  /** Threads still alive. */
  live: number;
  /** Set when the whole group is dying; its wait status. */
  groupExit: boolean;
  groupExitCode: number;
  /** Stopped by this signal, 0 = running. */
  groupStop: number;
  /** Parents in wait4 sleep here. */
  readonly childWait: WaitQueueHead;
  readonly rlimits: { soft: number; hard: number }[];
  rlimit(which: number): number;
  /** CPU time and faults of waited-for children. */
  cutime: number;
  cstime: number;
  cminFlt: number;
  cmajFlt: number;
  cnvcsw: number;
  cnivcsw: number;
  /** The most memory that one of them had, KiB; the same of this process before execve. */
  cmaxRss: number;
  maxRss: number;
  /** Interval timers and POSIX timers. */
  readonly timers: ProcessTimers;
  childSubreaper: boolean;
  oomScoreAdj: number;
  /** The least that a task without CAP_SYS_RESOURCE may set. */
  oomScoreAdjMin: number;
  oomKilled: boolean;
  leader: Task;
}
