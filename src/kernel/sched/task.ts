import type { FilesStruct, FsStruct } from '../fs/file_table.ts';
import type { MmStruct } from '../mm/mm_struct.ts';
import type { SigHandStruct, SignalStruct, SigPending } from '../signal.ts';
import type { WaitEntry } from './wait.ts';
import type { Cred } from '../cred.ts';

// Task states (include/linux/sched.h).
export const TASK_RUNNING = 0;
export const TASK_INTERRUPTIBLE = 1;
export const TASK_UNINTERRUPTIBLE = 2;
export const TASK_STOPPED = 4;
export const TASK_TRACED = 8;
export const EXIT_DEAD = 16;
export const EXIT_ZOMBIE = 32;
export const TASK_WAKEKILL = 0x100;
export const TASK_KILLABLE = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;

/** A saved kernel-mode activation: module code that the kernel called, or that was interrupted. Plain data. */
export interface KernelFrame {
  /** 32 u64 pc, x1..x31 of the context to return to, as a hexadecimal-free plain copy. */
  readonly regs: BigInt64Array;
  readonly mode: number;
  readonly sstatus: number;
  /** Name in the continuation table (module/continuations) that receives the function's a0, and its data. */
  readonly continuation: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * View of a task_struct in guest RAM (rule 1), plus what no module can see. Members that modules read (pid, tgid, comm, state,
 * flags, links, cred, mm) are accessors on RAM; owned by the process helper.
 */
export interface Task {
  /** Physical address of the task_struct. */
  readonly addr: number;
  readonly pid: number;
  readonly tgid: number;
  /** At most 15 bytes. */
  comm: string;
  /** __state. */
  state: number;
  /** EXIT_ZOMBIE, EXIT_DEAD or 0. */
  exitState: number;
  /** PF_* flags. */
  flags: number;
  /** Nice-independent index of the hart it last ran on (thread_info.cpu). */
  cpu: number;

  mm: MmStruct | null;
  files: FilesStruct;
  fs: FsStruct;
  cred: Cred;
  /** Holds capability CAP_n effectively (capable()). */
  capable(cap: number): boolean;
  signal: SignalStruct;
  sighand: SigHandStruct;
  readonly pending: SigPending;
  /** Blocked signals: bit n-1 for signal n. */
  blocked: bigint;

  readonly groupLeader: Task;
  /** Parent by fork (real_parent) and the one that receives SIGCHLD (parent). */
  parent: Task;
  readonly children: Task[];
  /** All threads of the group, leader first. */
  readonly threads: Task[];

  /** Progress of a blocked call, plain data; the dispatcher clears it when the call completes. */
  restart: Readonly<Record<string, unknown>> | null;
  readonly waitEntries: WaitEntry[];
  /** Virtual time in ns at which the current wait times out, or Infinity. Set through `scheduleTimeout`. */
  timeout: number;
  /** True when the last wait ended because `timeout` was reached. */
  timedOut: boolean;

  readonly frames: KernelFrame[];
  /** Virtual ns at which it was created, since boot. */
  readonly startTime: number;
  /** User and system CPU time, ns. */
  utime: number;
  stime: number;
  minFlt: number;
  majFlt: number;
  exitCode: number;
}
