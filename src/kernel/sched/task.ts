import { pt_regs as PTREGS, task_struct as TASK } from '../../abi/layout/structs.ts';
import { SCHED_DEADLINE } from '../../abi/sched.ts';
import type { Ram } from '../../machine/ram.ts';
import type { Cgroup } from '../cgroup/cgroup.ts';
import { type Cred, publishCred } from '../cred.ts';
import type { FilesStruct, FsStruct } from '../fs/file_table.ts';
import type { File, Inode } from '../fs/types.ts';
import type { PiState } from '../futex/pi.ts';
import type { Kernel } from '../kernel.ts';
import type { ActiveProbe, ProbedCall } from '../kprobes/hit.ts';
import type { HookedCall } from '../kprobes/rethook.ts';
import { objectToVirt, physToVirt } from '../mm/address.ts';
import type { KthreadState } from '../kthread.ts';
import type { MmStruct } from '../mm/mm_struct.ts';
import type { TcpSock } from '../net/ipv4/tcp_sock.ts';
import type { NsProxy } from '../nsproxy.ts';
import type { PidNamespace } from '../pid_namespace.ts';
import type { PtraceState } from '../ptrace.ts';
import type { Rseq } from '../rseq.ts';
import type { TaskKeyrings } from '../security/keys/process_keys.ts';
import type { Seccomp } from '../seccomp.ts';
import { type SigHandStruct, SigPending, type SignalStruct } from '../signal_types.ts';
import { INIT_USER_NS } from '../user_namespace.ts';
import type { WaitEntry, WaitQueueHead } from './wait.ts';

// Task states (include/linux/sched.h).
export const TASK_RUNNING = 0;
export const TASK_INTERRUPTIBLE = 1;
export const TASK_UNINTERRUPTIBLE = 2;
export const TASK_STOPPED = 4;
export const TASK_TRACED = 8;
export const EXIT_DEAD = 16;
export const EXIT_ZOMBIE = 32;
export const TASK_DEAD = 0x80;
export const TASK_WAKEKILL = 0x100;
export const TASK_NOLOAD = 0x400;
export const TASK_KILLABLE = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;

export const PF_EXITING = 4;
export const PF_FORKNOEXEC = 0x40;
export const PF_SUPERPRIV = 0x100;
export const PF_SIGNALED = 0x400;
export const PF_KTHREAD = 0x20_0000;
export const PF_RANDOMIZE = 0x40_0000;

/** THREAD_SIZE: order-2 kernel stack. */
export const THREAD_ORDER = 2;
export const THREAD_SIZE = 4096 << THREAD_ORDER;

/** A call of guest code by the kernel that has returned: its answer for the attempt that made it. */
export interface CallResult {
  readonly fn: number;
  readonly result: bigint;
}
/** A guest function that the kernel called on a task: what it returns to, and who gets the result (module/call.ts). Plain data. */
export interface KernelFrame {
  /** pc and x1..x31 of the context below, or null when that context is user mode (its registers are in pt_regs). */
  readonly regs: BigInt64Array | null;
  readonly mode: number;
  readonly sstatus: number;
  /** Name in the continuation table that receives the function's a0, and its data. */
  readonly continuation: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly fn: number;
  /** The task's members of these names, as the context below has them. */
  readonly calls: CallResult[];
  readonly restart: Readonly<Record<string, unknown>> | null;
  readonly timedOut: boolean;
  readonly inSyscall: boolean;
}

/** What a task does for itself on its way back to user mode (kernel/task_work.c). */
export type TaskWork = ModuleWork | LingerWork;
/** What runs code of a module. */
export type ModuleWork =
  | { readonly kind: 'flush' | 'fasync' | 'fput'; readonly file: File }
  /** vm_ops of a module at a vm_area_struct in guest memory. */
  | { readonly kind: 'vma_open' | 'vma_close'; readonly vma: number }
  /** A function with one argument (dput). */
  | { readonly kind: 'call'; readonly fn: number; readonly arg: number };
/** A closed connection whose data the task waits for until `deadline` (SO_LINGER). */
export interface LingerWork {
  readonly kind: 'linger';
  readonly sk: TcpSock;
  readonly deadline: number;
}

/**
 * View of a task_struct in guest RAM (rule 1), plus what no module can see. Members that modules read (pid, tgid, comm, state,
 * flags, links, cred, mm) are accessors on RAM.
 */
export class Task {
  readonly k: Kernel;
  private readonly ram: Ram;
  /** Physical address of the task_struct, its kernel stack, and the pt_regs at the top of it. */
  readonly addr: number;
  readonly stack: number;
  readonly ptRegs: number;
  private readonly credAddr: number;

  private mmRef: MmStruct | null = null;
  files!: FilesStruct;
  fs!: FsStruct;
  private credRef!: Cred;
  /** Where its own pid counts; fixed for its life. */
  pidNs!: PidNamespace;
  /** Its other namespaces. */
  nsproxy!: NsProxy;
  signal!: SignalStruct;
  sighand!: SigHandStruct;
  readonly pending: SigPending;
  /** Blocked signals: bit n-1 for signal n. */
  blocked = 0n;
  /** Set by sigsuspend and its kin: the mask to restore when the handler's frame is made. */
  savedSigmask: bigint | null = null;
  sigaltstack = { sp: 0, flags: 2, size: 0 };

  readonly groupLeader: Task;
  parent!: Task;
  readonly children: Task[] = [];
  /** How another task traces this one; the tasks that this one traces. */
  ptrace: PtraceState | null = null;
  readonly ptraced: Task[] = [];
  /** All live threads of the group, leader first (shared by the group). */
  readonly threads: Task[];

  /** Progress of a blocked call, plain data; the dispatcher clears it when the call completes. */
  restart: Readonly<Record<string, unknown>> | null = null;
  /** ERESTART* code of the system call that pc still points at, 0 = none. */
  restartCode = 0;
  readonly waitEntries: WaitEntry[] = [];
  /** Virtual ns at which the current wait times out, or Infinity. */
  timeout = Number.POSITIVE_INFINITY;
  /** True when the last wait ended because `timeout` was reached. */
  timedOut = false;

  /** Guest functions that run on this task now, the innermost last. */
  readonly frames: KernelFrame[] = [];
  /** Calls of guest code that the operation being attempted has behind it, and which of them it gets next. */
  calls: CallResult[] = [];
  callIndex = 0;
  /** The exported function that it called last met a wild address: the oops is over, and nothing more is done. */
  faulted = false;
  /** Bytes of the kernel stack that the call to be made next keeps for its arguments. */
  stackBlock = 0;
  /** Files of modules that it closed last: their release functions run before it returns to user mode, or before it ends (task_work). */
  readonly works: TaskWork[] = [];
  /** In kernel code a state other than running counts from the call that gives the hart up (schedule) to the wake-up. */
  asleep = false;
  /** It stopped in kernel code because its turn was over: its hart takes it up again first (kernel code is not preempted). */
  inKernel = false;
  /** Kernel code gives the hart up without sleeping (cond_resched, schedule of a running task). */
  yielding = false;
  /** The interrupted kernel-mode registers of a task that is not in the machine; null when it was in user mode. */
  kernelContext: { readonly regs: BigInt64Array; readonly sstatus: number } | null = null;
  /** Between kernel_fpu_begin and kernel_fpu_end: what user mode had in its FP registers (struct __riscv_d_ext_state). */
  userFpState: Uint8Array | null = null;
  /** The kernel met a page of this task that only vm_ops->fault of a module brings; and the page for which that failed. */
  driverFault: { readonly page: number; readonly write: boolean } | null = null;
  failedFault = -1;
  /** Calls of exported functions that kprobes saw come and that have not returned. */
  /** What khungtaskd saw when it last looked: switches, and since when (virtual ns). */
  lastSwitchCount = 0;
  lastSwitchTime = 0;
  readonly probedCalls: ProbedCall[] = [];
  /** Probes that it deals with now, the innermost last. */
  readonly probed: ActiveProbe[] = [];
  /** Calls of functions with return probes, the innermost last. */
  readonly hooked: HookedCall[] = [];
  /** Blocks of the die or panic chain are being called on it. */
  notifying = false;
  /** The last system call blocked: it is to be made again. */
  inSyscall = false;
  /** Set by calls that replaced the registers themselves (execve, rt_sigreturn). */
  skipResult = false;
  readonly startTime: number;
  /** Which task of the system's life it is: pids come again, this does not. */
  readonly serial: number;
  utime = 0;
  stime = 0;
  /** Bytes and calls of read and write (task_io_accounting). */
  readonly io = { rchar: 0, wchar: 0, syscr: 0, syscw: 0 };
  nvcsw = 0;
  nivcsw = 0;
  exitCode = 0;
  exitSignal = 17;
  clearChildTid = 0;
  setChildTid = 0;
  robustList = 0;
  /** Its restartable sequence area; an event is due to it before the next user instruction. */
  rseq: Rseq | null = null;
  rseqEvent = false;
  /** I/O priority; threads made with CLONE_IO share it. */
  ioContext: { ioprio: number; users: number } | null = null;
  /** Who polls a pidfd of it, and the inode behind those. */
  pidfdWait: WaitQueueHead | null = null;
  pidfsInode: Inode | null = null;
  /** The vfork parent waits for this one's mm to go. */
  vforkParent: Task | null = null;
  vforkDone = true;
  nice = 0;
  policy = 0;
  rtPriority = 0;
  /** SCHED_DEADLINE: ns of running time in each period, to be had before the deadline. */
  deadline = { runtime: 0, deadline: 0, period: 0 };
  /** Its control group; whether it counts as alive there; whether it stands still, and would run if it did not. */
  cgroup: Cgroup;
  inCgroup = false;
  frozen = false;
  held = false;
  /** PI locks that it holds and others wait for, the one that it waits for, and the priority that it is lent (Infinity: none). */
  readonly piOwned = new Set<PiState>();
  piBlockedOn: PiState | null = null;
  piPrio = Number.POSITIVE_INFINITY;
  vruntime = 0;
  affinity = 0xffff_ffff;
  dumpable = true;
  noNewPrivs = false;
  /** Keyrings that it holds, and where request_key would put new keys. */
  keyrings: TaskKeyrings = { thread: null, process: null, session: null };
  requestKeyring = 0;
  /** System calls that it gave up. */
  seccomp: Seccomp | null = null;
  schedResetOnFork = false;
  /** Gives the hart up at the end of this system call (TIF_NEED_RESCHED). */
  needResched = false;
  pdeathSignal = 0;
  timerSlackNs = 50_000;
  /** What PR_SET_TIMERSLACK goes back to: the maker's value. */
  defaultTimerSlackNs = 50_000;
  personality = 0;
  oomScoreAdj = 0;
  /** Stopped or continued and not yet waited for. */
  stopReport = 0;
  continueReport = false;
  /** Last system call, for views: number and name arguments are in pt_regs. */
  syscallNr = -1;
  /** exit_state, which modules only read: it is asked at every entry of the kernel. */
  private exit = 0;
  readonly isKernelThread: boolean;
  /** Of a thread that kthread.ts made. */
  kthread: KthreadState | null = null;
  /** A hart's idle task: runs interrupts while there is nothing else. */
  isIdle = false;
  /** It waits in place for a lock (SPINNING). */
  spinning = false;
  /** The host wants to hear of its end (Kernel.exits). */
  watched = false;
  /** Started by the kernel of its own accord: under this number somebody asks for its end; 0 = nobody. */
  helper = 0;
  isHelper = false;

  constructor(
    k: Kernel,
    where: { addr: number; stack: number; credAddr: number },
    pid: number,
    leader: Task | null,
    kernelThread: boolean,
  ) {
    this.k = k;
    this.cgroup = k.cgroups.root;
    this.ram = k.ram;
    this.addr = where.addr;
    this.stack = where.stack;
    this.credAddr = where.credAddr;
    this.ptRegs = this.stack + THREAD_SIZE - Math.ceil(PTREGS.sizeof / 16) * 16;
    this.pending = new SigPending();
    this.groupLeader = leader ?? this;
    this.threads = leader === null ? [] : leader.threads;
    this.threads.push(this);
    this.startTime = k.time.now();
    this.serial = k.nextTaskSerial++;
    this.isKernelThread = kernelThread;
    const { ram, addr } = this;
    ram.write32(addr + TASK.pid, pid);
    ram.write32(addr + TASK.tgid, leader === null ? pid : leader.tgid);
    ram.write32(addr + TASK.usage, 2);
    ram.write64(addr + TASK.stack, physToVirt(this.stack));
    ram.write64(addr + TASK.group_leader, this.groupLeader.va);
    ram.write32(addr + TASK.prio, 120);
    ram.write32(addr + TASK.static_prio, 120);
    ram.write32(addr + TASK.normal_prio, 120);
    ram.write64(addr + TASK.start_time, this.startTime);
    ram.write64(addr + TASK.cred, physToVirt(this.credAddr));
    ram.write64(addr + TASK.real_cred, physToVirt(this.credAddr));
    // STACK_END_MAGIC at the lowest word, as check_stack_usage looks for.
    ram.write32(this.stack, 0x57ac6e9d);
    if (kernelThread) this.flags = PF_KTHREAD;
  }

  get minFlt(): number {
    return this.ram.read64(this.addr + TASK.min_flt);
  }
  set minFlt(n: number) {
    this.ram.write64(this.addr + TASK.min_flt, n);
  }
  get majFlt(): number {
    return this.ram.read64(this.addr + TASK.maj_flt);
  }
  set majFlt(n: number) {
    this.ram.write64(this.addr + TASK.maj_flt, n);
  }
  /** Guest address of the task_struct: `current`, and where lists of tasks lead. */
  get va(): number {
    return objectToVirt(this.addr);
  }
  get pid(): number {
    return this.ram.readS32(this.addr + TASK.pid);
  }
  get tgid(): number {
    return this.ram.readS32(this.addr + TASK.tgid);
  }
  get comm(): string {
    let s = '';
    for (let i = 0; i < 15; i++) {
      const c = this.ram.u8[this.addr + TASK.comm + i];
      if (c === 0) break;
      s += String.fromCharCode(c);
    }
    return s;
  }
  set comm(text: string) {
    for (let i = 0; i < 16; i++) this.ram.u8[this.addr + TASK.comm + i] = i < 15 && i < text.length ? text.charCodeAt(i) : 0;
  }
  get state(): number {
    return this.ram.u32[(this.addr + TASK.__state) >>> 2];
  }
  set state(value: number) {
    this.ram.write32(this.addr + TASK.__state, value);
  }
  get exitState(): number {
    return this.exit;
  }
  set exitState(value: number) {
    this.exit = value;
    this.ram.write32(this.addr + TASK.exit_state, value);
  }
  get flags(): number {
    return this.ram.read32(this.addr + TASK.flags);
  }
  set flags(value: number) {
    this.ram.write32(this.addr + TASK.flags, value);
  }
  get cpu(): number {
    return this.ram.u32[(this.addr + TASK.thread_info_cpu) >>> 2];
  }
  set cpu(value: number) {
    this.ram.write32(this.addr + TASK.thread_info_cpu, value);
  }
  get mm(): MmStruct | null {
    return this.mmRef;
  }
  set mm(mm: MmStruct | null) {
    this.mmRef = mm;
    const va = mm === null ? 0 : physToVirt(mm.addr);
    this.ram.write64(this.addr + TASK.mm, va);
    if (va !== 0) this.ram.write64(this.addr + TASK.active_mm, va);
  }
  get cred(): Cred {
    return this.credRef;
  }
  set cred(cred: Cred) {
    this.credRef = cred;
    publishCred(this.k, cred, this.credAddr);
  }
  get credPa(): number {
    return this.credAddr;
  }
  /** Physical address of the FP state (thread.fstate). */
  get fpState(): number {
    return this.addr + TASK.thread_fstate;
  }
  /** A capability over what belongs to the whole system (capable): those of a user namespace below count for nothing here. */
  capable(cap: number): boolean {
    return this.credRef.userNs === INIT_USER_NS && ((this.credRef.capEffective >> BigInt(cap)) & 1n) !== 0n;
  }
  /** The init of its PID namespace: gets only signals that it handles (SIGNAL_UNKILLABLE). */
  get isNsInit(): boolean {
    return this.tgid === 1 || this.pidNs.childReaper === this.groupLeader;
  }
  /** Rank among runnable tasks: deadline tasks before real-time ones, and all by what they are lent. */
  get schedRank(): number {
    const own = this.policy === SCHED_DEADLINE ? 100 : this.rtPriority;
    return this.piPrio < 100 ? Math.max(own, 99 - this.piPrio) : own;
  }
  get isLeader(): boolean {
    return this.groupLeader === this;
  }
}
