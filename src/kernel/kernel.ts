import type { MachineApi } from '../machine/api.ts';
import type { Ram } from '../machine/ram.ts';
import type { DriverCore } from './drivers/core.ts';
import type { TaskCaches } from './fork.ts';
import { Cgroups } from './cgroup/cgroupfs.ts';
import { followsChain, notifyPanic } from './fatal_chain.ts';
import { FutexTable } from './futex/core.ts';
import type { ProcFs } from './fs/proc/generic.ts';
import type { DebugFs } from './fs/debugfs/debugfs.ts';
import type { Kernfs } from './fs/sysfs/kernfs.ts';
import type { File, Inode } from './fs/types.ts';
import type { Vfs } from './fs/vfs.ts';
import type { HostDoors } from './host.ts';
import { newLockdown } from './security/lockdown.ts';
import { newTrace } from './trace/trace.ts';
import { newHungTask, newWatchdog } from './watchdog_state.ts';
import { newKprobes } from './kprobes/points.ts';
import { ObjectOrder } from './lib/object_order.ts';
import { PointerPolicy } from './lib/pointers.ts';
import type { IpcNamespace } from './ipc/namespace.ts';
import type { MemoryManager } from './mm/mm.ts';
import type { Vdso } from './vdso/vdso.ts';
import { InterruptState } from './irq/interrupt.ts';
import type { Ksoftirqd } from './irq/softirq.ts';
import { LockQueues } from './locking/queues.ts';
import type { PerCpu } from './mm/percpu.ts';
import { RcuState } from './rcu/rcu.ts';
import { TimerState } from './time/timer_state.ts';
import { WorkqueueState } from './workqueue_state.ts';
import type { ModuleState } from './module/state.ts';
import { testTaint } from './panic.ts';
import { dumpStack } from './stacktrace.ts';
import { TAINT_DIE } from '../abi/module.ts';
import type { Net } from './net/net.ts';
import type { NsCommon } from './ns_common.ts';
import type { Printk } from './printk/printk.ts';
import { KeyTable } from './security/keys/key.ts';
import type { Scheduler } from './sched/core.ts';
import { WaitQueueHead } from './sched/wait.ts';
import type { Task } from './sched/task.ts';
import type { Timekeeper } from './time/timekeeping.ts';
import { UserCounts } from './ucount.ts';

/** The end of a process that the host asked to hear of. */
export interface ExitReport {
  readonly pid: number;
  /** wait(2) status. */
  readonly code: number;
  readonly oomKilled: boolean;
}

/**
 * One booted system: the composition of the subsystems' state. Functions of the kernel take it as their first argument
 * where Linux uses globals. `startKernel` (init/main.ts) fills the fields in the order of Linux's start_kernel.
 */
export class Kernel {
  readonly machine: MachineApi;
  readonly ram: Ram;
  readonly host: HostDoors;
  /** The kernel command line, as /proc/cmdline shows it (without the newline). */
  readonly commandLine: string;
  readonly cpus: number;
  /** Seed of everything that is random or scheduled; every run with the same seed and input is the same. */
  readonly seed: number;

  printk!: Printk;
  time!: Timekeeper;
  mm!: MemoryManager;
  sched!: Scheduler;
  vfs!: Vfs;
  drivers!: DriverCore;
  procfs!: ProcFs;
  sysfs!: Kernfs;
  debugfs!: DebugFs;
  net!: Net;
  modules!: ModuleState;
  percpu!: PerCpu;
  caches!: TaskCaches;
  readonly cgroups = new Cgroups();
  readonly futexes = new FutexTable();
  /** The order that kcmp(2) tells. */
  readonly kcmp = new ObjectOrder();
  readonly interrupts: InterruptState;
  readonly softirqThreads = new Map<number, Ksoftirqd>();
  /** Who waits for locks, completions and wait queues that lie in guest memory. */
  readonly locks = new LockQueues();
  readonly rcu = new RcuState();
  /** Notifier chains of the kernel: guest addresses of the pointers to their first blocks. */
  readonly notifiers = new Map<string, number>();
  readonly kprobes = newKprobes();
  readonly timers = new TimerState();
  readonly workqueues = new WorkqueueState();
  /** How pointers are printed. */
  readonly pointers: PointerPolicy;
  /** The shared pages of [vvar] and [vdso], once made. */
  vdso: Vdso | null = null;
  /** When the host wants to be asked again, on its own clock (HostDoors.elapsed), whatever of the budget is left. */
  turnEnds = Number.POSITIVE_INFINITY;
  /** reboot(2)'s CAD switch: whether Ctrl-Alt-Del reboots at once. */
  ctrlAltDel = true;
  readonly lockdown = newLockdown();
  readonly trace = newTrace();
  readonly watchdog = newWatchdog();
  readonly hungTask = newHungTask();

  /** The task on the hart that executes now (Linux's `current`). */
  current!: Task;
  /** Index of that hart. */
  cpu = 0;
  /** Set by reboot(2) or panic: the run loop stops. */
  halted: { reason: 'poweroff' | 'halt' | 'restart' | 'panic'; message: string } | null = null;
  /** Ends of watched processes, for the host to collect. */
  readonly exits: ExitReport[] = [];
  /** Programs that the kernel started itself and whose end somebody waits for: wait status by number. */
  readonly helperRuns = new Map<number, number>();
  readonly helperWait = new WaitQueueHead();
  nextHelper = 0;
  /** kernel.modprobe: the program that loads modules; '' = none. */
  modprobePath = '/sbin/modprobe';
  /** System calls that answered ENOSYS, said once each in the log. */
  readonly missingSyscalls = new Set<number>();
  /** debug.exception-trace: say so in the log when a program dies of a fault. */
  showUnhandledSignals = true;
  /** TAINT_* bits (/proc/sys/kernel/tainted). */
  tainted = 0;
  /** Lock debugging counts as on until the first serious taint. */
  debugLocks = true;
  /** Oopses and WARNs so far (/sys/kernel/oops_count, warn_count), and whether one of them is the end. */
  oopsCount = 0;
  warnCount = 0;
  /** Kinds of refcount reports that were made. */
  warnedOnce = 0;
  /** A format with a conversion that the kernel has not was reported. */
  formatWarned = false;
  /** panic= and kernel.panic: seconds until the machine starts anew; negative: at once, 0: never. */
  panicTimeout = 0;
  panicOnOops = 0;
  /** The CPU that panics: the others stand still. */
  panickingCpu = -1;
  panicOnWarn = 0;
  readonly keys = new KeyTable();
  nextTaskSerial = 0;
  /** Where process accounting goes. */
  acctFile: File | null = null;
  /** Inode number of the next namespace, after those of the initial ones. */
  nextNsInum = 0xf000_0100;
  /** Tasks and open files that hold a namespace, and the inodes of namespaces that have one. */
  readonly nsUsers = new Map<NsCommon, number>();
  readonly nsInodes = new WeakMap<NsCommon, Inode>();
  readonly ucounts = new UserCounts();
  private randomState: number;

  constructor(machine: MachineApi, host: HostDoors, options: { commandLine: string; cpus: number; seed: number }) {
    this.machine = machine;
    this.ram = machine.ram;
    this.host = host;
    this.commandLine = options.commandLine;
    this.cpus = options.cpus;
    this.seed = options.seed;
    const panic = Number(this.param('panic') ?? 0);
    this.panicTimeout = Number.isInteger(panic) ? panic : 0;
    if (this.param('oops') === 'panic') this.panicOnOops = 1;
    if (this.param('panic_on_warn') !== null) this.panicOnWarn = 1;
    this.interrupts = new InterruptState(options.cpus);
    this.randomState = options.seed >>> 0;
    this.pointers = new PointerPolicy(this.param('no_hash_pointers') !== null);
  }

  /** The next 32 bits of the schedule's own generator (mulberry32): interleavings and layout, never secrets. */
  random32(): number {
    this.randomState = (this.randomState + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.randomState ^ (this.randomState >>> 15), this.randomState | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  /** Stops everything (panic). */
  panic(message: string): void {
    if (this.panickingCpu !== -1) return;
    this.printk.log(0, `Kernel panic - not syncing: ${message}`);
    this.panickingCpu = this.cpu;
    if (!testTaint(this, TAINT_DIE)) dumpStack(this, this.current);
    if (!notifyPanic(this, message)) this.panicEnd(message);
  }
  /** Behind the chain of who wants to hear of it. */
  panicEnd(message: string): void {
    // With panic= the machine starts anew, after seconds or at once: here it stops all the same.
    if (this.panicTimeout > 0) this.printk.log(0, `Rebooting in ${this.panicTimeout} seconds..`);
    if (this.panicTimeout === 0) this.printk.log(0, `---[ end Kernel panic - not syncing: ${message} ]---`);
    this.halted = { reason: 'panic', message };
  }
  /** IPC objects that the current task can name. */
  get ipc(): IpcNamespace {
    return this.current.nsproxy.ipc;
  }
  /** A parameter of the kernel command line: its value, '' for a bare word, null when absent. */
  param(name: string): string | null {
    let found: string | null = null;
    for (const word of this.commandLine.split(/\s+/)) {
      if (word === name) found = '';
      else if (word.startsWith(`${name}=`)) found = word.slice(name.length + 1);
    }
    return found;
  }
}
followsChain('panic', (k, _task, data) => k.panicEnd(data['message'] as string));
