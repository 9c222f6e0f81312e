import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_FILES,
  CLONE_FS,
  CLONE_IO,
  CLONE_NEWIPC,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_PTRACE,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_UNTRACED,
  CLONE_VFORK,
  CLONE_VM,
} from '../abi/clone.ts';
import { EAGAIN, EEXIST, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import { cred as CRED, signal_struct as SIGNAL, task_struct as TASK } from '../abi/layout/structs.ts';
import { PIDFD_THREAD } from '../abi/pidfd.ts';
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, SCHED_DEADLINE } from '../abi/sched.ts';
import { NSIG, SIG_IGN } from '../abi/signal.ts';
import { SLAB_ACCOUNT, SLAB_HWCACHE_ALIGN, SLAB_PANIC } from '../abi/slab.ts';
import { FilesStruct, FsStruct } from './fs/file_table.ts';
import type { File } from './fs/types.ts';
import type { MntNamespace } from './fs/mnt_namespace.ts';
import { IpcNamespace } from './ipc/namespace.ts';
import { copySemundo } from './ipc/sem.ts';
import { chargeKernel, unchargeKernel, Use } from './mm/memcontrol.ts';
import type { Kernel } from './kernel.ts';
import { objectToVirt, physToVirt, virtToObject } from './mm/address.ts';
import { dupMm, mmPut } from './mm/memory.ts';
import { putUser32 } from './mm/uaccess.ts';
import type { KmemCache } from './mm/slab_cache.ts';
import { type Cred, ROOT_CRED } from './cred.ts';
import { CLONE_NS_ALL, INIT_INUM } from './ns_common.ts';
import { createNamespaces, createUserNs, forkTimeNs, initNsProxy, nsCapable, type NsProxy, switchNamespaces } from './nsproxy.ts';
import { allocPidNumbers, type PidNamespace, pidNrNs } from './pid_namespace.ts';
import { INIT_USER_NS } from './user_namespace.ts';
import { pidfdFile } from './pidfd.ts';
import { cloneEvent, ptraceInitTask, ptraceQueueEvent, ptraceVforkDone, ptraceVforkStop } from './ptrace.ts';
import { DEFAULT_ACTION } from './signal.ts';
import { SigPending } from './signal_types.ts';
import type { SigHandStruct, SignalStruct } from './signal_types.ts';
import { newProcessTimers } from './time/posix_timers.ts';
import { publishPriority } from './sched/core.ts';
import { attachPid, detachPid } from './sched/pid.ts';
import { PF_FORKNOEXEC, TASK_UNINTERRUPTIBLE, Task, THREAD_ORDER } from './sched/task.ts';
import { BLOCKED, WaitQueueHead } from './sched/wait.ts';
import { type Cgroup, cgroupCanFork } from './cgroup/cgroup.ts';
import { vdsoJoinTimens } from './vdso/vdso.ts';

// Making tasks (kernel/fork.c, clone(2)).

const INFINITY = Number.POSITIVE_INFINITY;
/** Initial limits by RLIMIT_ number (INIT_RLIMITS). */
const INIT_RLIMITS: readonly (readonly [number, number])[] = [
  [INFINITY, INFINITY],
  [INFINITY, INFINITY],
  [INFINITY, INFINITY],
  [8 * 1024 * 1024, INFINITY],
  [0, INFINITY],
  [INFINITY, INFINITY],
  [0, 0],
  [1024, 4096],
  [8 * 1024 * 1024, 8 * 1024 * 1024],
  [INFINITY, INFINITY],
  [INFINITY, INFINITY],
  [0, 0],
  [819200, 819200],
  [0, 0],
  [0, 0],
  [INFINITY, INFINITY],
];

/** Slab caches of the objects that every task has. */
export interface TaskCaches {
  readonly task: KmemCache;
  readonly signal: KmemCache;
  readonly cred: KmemCache;
}
export function taskCachesInit(k: Kernel): TaskCaches {
  return {
    task: k.mm.slab.createCache('task_struct', TASK.sizeof, 64, SLAB_PANIC | SLAB_ACCOUNT),
    signal: k.mm.slab.createCache('signal_cache', SIGNAL.sizeof, 0, SLAB_HWCACHE_ALIGN | SLAB_PANIC | SLAB_ACCOUNT),
    cred: k.mm.slab.createCache('cred', CRED.sizeof, 0, SLAB_HWCACHE_ALIGN | SLAB_PANIC | SLAB_ACCOUNT),
  };
}

export function newSignalStruct(k: Kernel, from: SignalStruct | null): SignalStruct | null {
  const addr = k.mm.slab.cacheAlloc(k.caches.signal);
  if (addr === 0) return null;
  const rlimits = from === null ? INIT_RLIMITS.map(([soft, hard]) => ({ soft, hard })) : from.rlimits.map((r) => ({ ...r }));
  if (from === null) {
    const threads = Math.floor(k.mm.pages.totalPages / 8 / 2);
    rlimits[6] = { soft: threads, hard: threads };
    rlimits[11] = { soft: threads, hard: threads };
  }
  return {
    addr,
    pending: new SigPending(),
    pgid: from?.pgid ?? 0,
    sid: from?.sid ?? 0,
    tty: from?.tty ?? null,
    live: 0,
    groupExit: false,
    groupExitCode: 0,
    groupStop: 0,
    childWait: new WaitQueueHead(),
    rlimits,
    rlimit(which: number) {
      return this.rlimits[which].soft;
    },
    cutime: 0,
    cstime: 0,
    cminFlt: 0,
    cmajFlt: 0,
    cnvcsw: 0,
    cnivcsw: 0,
    cmaxRss: 0,
    maxRss: 0,
    timers: newProcessTimers(),
    childSubreaper: false,
    oomScoreAdj: from?.oomScoreAdj ?? 0,
    oomScoreAdjMin: from?.oomScoreAdjMin ?? 0,
    oomKilled: false,
    leader: null as unknown as Task,
  };
}
export function newSigHand(from: SigHandStruct | null): SigHandStruct {
  return { action: from === null ? new Array(NSIG).fill(DEFAULT_ACTION) : [...from.action], users: 1 };
}

/** Handlers give way to the default; what is ignored stays ignored. */
function clearSighand(sighand: SigHandStruct): void {
  const { action } = sighand;
  for (let i = 0; i < action.length; i++) if (action[i].handler !== SIG_IGN) action[i] = DEFAULT_ACTION;
}

/** Frames and slabs of a task; null when memory is out. */
export function allocTask(k: Kernel): { addr: number; stack: number; credAddr: number } | null {
  const addr = k.mm.slab.cacheAlloc(k.caches.task);
  const stack = addr === 0 ? 0 : k.mm.pages.alloc(THREAD_ORDER);
  const credAddr = stack === 0 ? 0 : k.mm.slab.cacheAlloc(k.caches.cred);
  if (credAddr !== 0) {
    chargeKernel(k, stack, 1 << THREAD_ORDER, Use.STACK);
    return { addr, stack, credAddr };
  }
  if (addr !== 0) k.mm.slab.cacheFree(k.caches.task, addr);
  if (stack !== 0) k.mm.pages.free(stack, THREAD_ORDER);
  return null;
}
/** The last reference is gone. The memory goes back a little later: the run loop may still look at the task that just ended (delayed_put_task_struct). */
export function freeTask(k: Kernel, task: Task): void {
  if (k.sched.loaded === task) k.sched.loaded = null;
  k.sched.dead.push(task);
}
export function putDeadTasks(k: Kernel): void {
  for (const task of k.sched.dead.splice(0)) {
    // One reference is the task's own, one the scheduler's; modules may hold more (get_task_struct).
    const usage = (k.ram.read32(task.addr + TASK.usage) | 0) - 2;
    k.ram.write32(task.addr + TASK.usage, usage);
    if (usage <= 0) freeTaskMemory(k, task);
  }
}
/** The last reference on a task_struct is gone (__put_task_struct). */
export function freeTaskMemory(k: Kernel, task: Task): void {
  k.sched.forget(task);
  unchargeKernel(k, task.stack, 1 << THREAD_ORDER, Use.STACK);
  k.mm.pages.free(task.stack, THREAD_ORDER);
  k.mm.slab.cacheFree(k.caches.cred, task.credPa);
  k.mm.slab.cacheFree(k.caches.task, task.addr);
}

/** Links thread_node under signal->thread_head, and counts, as for_each_thread expects. */
export function linkThread(k: Kernel, task: Task): void {
  attachPid(k, task);
  const { ram } = k;
  const head = task.signal.addr + SIGNAL.thread_head;
  if (task.isLeader) {
    ram.write64(head, physToVirt(head));
    ram.write64(head + 8, physToVirt(head));
  }
  const node = task.addr + TASK.thread_node;
  const last = ram.read64(head + 8);
  ram.write64(node, physToVirt(head));
  ram.write64(node + 8, last);
  ram.write64(virtToObject(last), objectToVirt(node));
  ram.write64(head + 8, objectToVirt(node));
  ram.write64(task.addr + TASK.signal, physToVirt(task.signal.addr));
  task.signal.live++;
  ram.write32(task.signal.addr + SIGNAL.nr_threads, task.signal.live);
}
export function unlinkThread(k: Kernel, task: Task): void {
  detachPid(k, task);
  const { ram } = k;
  const node = task.addr + TASK.thread_node;
  const next = ram.read64(node);
  const prev = ram.read64(node + 8);
  if (next !== 0) {
    ram.write64(virtToObject(prev), next);
    ram.write64(virtToObject(next) + 8, prev);
  }
  ram.write32(task.signal.addr + SIGNAL.nr_threads, task.signal.live);
  const i = task.threads.indexOf(task);
  if (i >= 0) task.threads.splice(i, 1);
}

/** The idle task of another CPU: pid 0 as well, on no list. */
export function forkIdle(k: Kernel, cpu: number): Task {
  const where = allocTask(k);
  if (where === null) throw new Error('not enough memory for an idle task');
  const task = new Task(k, where, 0, null, true);
  task.comm = `swapper/${cpu}`;
  task.cred = ROOT_CRED;
  const first = k.sched.initTask;
  task.signal = first.signal;
  task.sighand = first.sighand;
  task.files = first.files;
  task.fs = first.fs;
  task.parent = first;
  task.cpu = cpu;
  return task;
}
/** Makes the pid 0 task, whose task_struct lies where the symbol init_task points. */
export function makeInitTask(k: Kernel): Task {
  const where = allocTask(k);
  if (where === null) throw new Error('not enough memory for init_task');
  const addr = k.mm.imageAlloc(TASK.sizeof, 64);
  const task = new Task(k, { ...where, addr }, 0, null, true);
  task.comm = 'swapper/0';
  task.cred = ROOT_CRED;
  task.signal = newSignalStruct(k, null) as SignalStruct;
  task.signal.leader = task;
  task.sighand = newSigHand(null);
  task.files = new FilesStruct();
  const root = { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root };
  task.fs = new FsStruct(root, root, 0o022);
  const mnt: MntNamespace = { kind: 'mnt', inum: INIT_INUM.mnt, owner: INIT_USER_NS, root: k.vfs.rootMount };
  switchNamespaces(k, task, initNsProxy(mnt, new IpcNamespace(INIT_USER_NS, INIT_INUM.ipc)));
  task.pidNs = task.nsproxy.pidForChildren;
  task.parent = task;
  return task;
}

export interface CloneArgs {
  readonly flags: number;
  readonly exitSignal: number;
  readonly stack: number;
  readonly tls: number;
  readonly parentTid: number;
  readonly childTid: number;
  /** Where a pidfd of the child is stored, 0 = nowhere. */
  readonly pidfd: number;
  /** The pids that it is to have, innermost namespace first; none = any. */
  readonly setTid: readonly number[];
  /** CLONE_CLEAR_SIGHAND. */
  readonly clearSighand: boolean;
  /** CLONE_INTO_CGROUP; null: the parent's. */
  readonly cgroup?: Cgroup | null;
}

/** Index of RLIMIT_NPROC (asm-generic/resource.h). */
const RLIMIT_NPROC = 6;

/** clone: the child's tid in the parent, or -errno. The parent's registers are loaded in the machine. */
export function doClone(k: Kernel, args: CloneArgs): number {
  const parent = k.current;
  if (parent.restart?.['vforkChild'] !== undefined) return vforkWait(k);
  const { flags } = args;
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return -EINVAL;
  if ((flags & CLONE_THREAD) !== 0 && (flags & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((flags & CLONE_FS) !== 0 && (flags & (CLONE_NEWNS | CLONE_NEWUSER)) !== 0) return -EINVAL;
  // Children of an init would be nobody's to wait for.
  if ((flags & CLONE_PARENT) !== 0 && parent.isNsInit) return -EINVAL;
  const ownPids = parent.nsproxy.pidForChildren === parent.pidNs;
  if ((flags & CLONE_THREAD) !== 0 && ((flags & (CLONE_NEWUSER | CLONE_NEWPID)) !== 0 || !ownPids)) return -EINVAL;
  if ((flags & CLONE_VM) !== 0 && parent.nsproxy.time !== parent.nsproxy.timeForChildren && (flags & CLONE_VFORK) === 0) return -EINVAL;
  if (parent.policy === SCHED_DEADLINE && !parent.schedResetOnFork) return -EAGAIN;
  const thread = (flags & CLONE_THREAD) !== 0;
  if (parent.cred.uid !== 0) {
    let count = 0;
    for (const t of k.sched.tasks.values()) if (t.cred.uid === parent.cred.uid) count++;
    if (count >= parent.signal.rlimit(RLIMIT_NPROC)) return -EAGAIN;
  }
  const room = cgroupCanFork(args.cgroup ?? parent.cgroup);
  if (room < 0) return room;
  const fd = (flags & CLONE_PIDFD) !== 0 ? parent.files.allocFd(0, parent.signal.rlimit(7)) : 0;
  if (fd < 0) return fd;
  if ((flags & CLONE_PIDFD) !== 0 && putUser32(k, args.pidfd, fd) < 0) return -EFAULT;
  const child = copyProcess(k, parent, thread, args);
  if (typeof child === 'number') return child;
  if ((flags & CLONE_PIDFD) !== 0) parent.files.install(fd, pidfdFile(k, child, thread ? PIDFD_THREAD : 0) as File, true);
  const { regs } = k.machine;
  regs.save(child.ptRegs);
  k.ram.write64(child.ptRegs, regs.pc + 4);
  k.ram.write64(child.ptRegs + 80, 0);
  if (args.stack !== 0) k.ram.write64(child.ptRegs + 16, args.stack);
  if ((flags & CLONE_SETTLS) !== 0) k.ram.write64(child.ptRegs + 32, args.tls);
  regs.saveFp(child.fpState);
  if ((flags & CLONE_PARENT_SETTID) !== 0) putUser32(k, args.parentTid, pidNrNs(child.pid, parent.pidNs));
  if ((flags & CLONE_CHILD_CLEARTID) !== 0) child.clearChildTid = args.childTid;
  if ((flags & CLONE_CHILD_SETTID) !== 0) {
    const tid = pidNrNs(child.pid, child.pidNs);
    if ((flags & CLONE_VM) !== 0) putUser32(k, args.childTid, tid);
    else {
      k.current = child;
      putUser32(k, args.childTid, tid);
      k.current = parent;
    }
  }
  k.sched.totalForks++;
  const vfork = (flags & CLONE_VFORK) !== 0;
  const event = cloneEvent(parent, vfork, args.exitSignal, (flags & CLONE_UNTRACED) !== 0);
  if (event !== 0 || (flags & CLONE_PTRACE) !== 0) ptraceInitTask(k, child, parent);
  if (event !== 0 && !vfork) ptraceQueueEvent(parent, event, child.pid);
  k.sched.activate(child);
  if ((flags & CLONE_VFORK) !== 0) {
    child.vforkParent = parent;
    child.vforkDone = false;
    parent.restart = { vforkChild: child.pid, vforkTid: child.pid };
    parent.state = TASK_UNINTERRUPTIBLE;
    if (event !== 0) ptraceVforkStop(k, parent, child.pid);
    return BLOCKED;
  }
  return pidNrNs(child.pid, parent.pidNs);
}
function vforkWait(k: Kernel): number {
  const tid = k.current.restart?.['vforkTid'] as number;
  const child = k.sched.find(tid);
  if (child !== undefined && child.vforkParent === k.current && !child.vforkDone) {
    k.current.state = TASK_UNINTERRUPTIBLE;
    return BLOCKED;
  }
  ptraceVforkDone(k.current, tid);
  return pidNrNs(tid, k.current.pidNs);
}

/** The pid of a child that is to be made: any, or the one that clone3's set_tid asks for. */
function chosenPid(k: Kernel, parent: Task, args: CloneArgs): number {
  const { setTid, flags } = args;
  if (setTid.length === 0) {
    const pid = k.sched.allocPid();
    return pid < 0 ? -EAGAIN : pid;
  }
  let ns: PidNamespace = parent.nsproxy.pidForChildren;
  const own = (flags & CLONE_NEWPID) !== 0 ? 1 : 0; // in a new one only 1 is free to choose
  if (setTid.length > ns.level + 1 + own) return -EINVAL;
  if (own === 1 && setTid[0] !== 1) return -EINVAL;
  let global = 0;
  for (const nr of setTid.slice(own)) {
    if (nr < 1 || nr >= k.sched.pidMax || (ns.parent !== null && ns.childReaper === null && nr !== 1)) return -EINVAL;
    if (!nsCapable(parent, ns.owner, CAP_SYS_ADMIN) && !nsCapable(parent, ns.owner, CAP_CHECKPOINT_RESTORE)) return -EPERM;
    if (ns.parent === null ? k.sched.tasks.has(nr) : ns.tasks.has(nr)) return -EEXIST;
    if (ns.parent === null) global = nr;
    else ns = ns.parent;
  }
  return global !== 0 ? global : k.sched.allocPid();
}
/** copy_namespaces: shared, or made new in the (new) user namespace. */
function childNamespaces(k: Kernel, parent: Task, child: Task, cred: Cred, flags: number): NsProxy | number {
  if ((flags & CLONE_NS_ALL) === 0)
    return (flags & CLONE_VM) === 0 ? forkTimeNs(parent.nsproxy) : parent.nsproxy;
  if (((cred.capEffective >> BigInt(CAP_SYS_ADMIN)) & 1n) === 0n) return -EPERM;
  if ((flags & CLONE_NEWIPC) !== 0 && (flags & CLONE_SYSVSEM) !== 0) return -EINVAL;
  const made = createNamespaces(k, flags, parent, cred.userNs, child.fs);
  return typeof made === 'number' ? made : forkTimeNs(made);
}
function copyIo(parent: Task, child: Task, share: boolean): void {
  const io = parent.ioContext;
  if (io === null) return;
  if (share) io.users++;
  child.ioContext = share ? io : { ioprio: io.ioprio, users: 1 };
}

function copyProcess(k: Kernel, parent: Task, thread: boolean, args: CloneArgs): Task | number {
  const { flags } = args;
  const cred = (flags & CLONE_NEWUSER) !== 0 ? createUserNs(k, parent.cred) : parent.cred;
  if (typeof cred === 'number') return cred;
  const pid = chosenPid(k, parent, args);
  if (pid < 0) return pid;
  const where = allocTask(k);
  if (where === null) return -ENOMEM;
  const child = new Task(k, where, pid, thread ? parent.groupLeader : null, false);
  const fail = (errno: number): number => {
    // What it has by now, the last first.
    const { fs, files, sighand, signal } = child as Partial<Task>;
    if (fs !== undefined) fs.users--;
    if (files !== undefined && --files.users === 0) files.closeAll(k, false);
    if (sighand !== undefined) sighand.users--;
    if (signal !== undefined && !thread) k.mm.slab.cacheFree(k.caches.signal, signal.addr);
    if (child.mm !== null) mmPut(k, child.mm);
    child.threads.splice(child.threads.indexOf(child), 1);
    freeTask(k, child);
    return errno;
  };
  if ((flags & CLONE_VM) !== 0) {
    if (parent.mm !== null) parent.mm.users++;
    child.mm = parent.mm;
  } else if (parent.mm !== null) {
    const mm = dupMm(k, parent.mm);
    if (typeof mm === 'number') return fail(mm);
    child.mm = mm;
  }
  if (thread) child.signal = parent.signal;
  else {
    const signal = newSignalStruct(k, parent.signal);
    if (signal === null) return fail(-ENOMEM);
    child.signal = signal;
    signal.leader = child;
  }
  if ((flags & CLONE_SIGHAND) !== 0) {
    child.sighand = parent.sighand;
    child.sighand.users++;
  } else {
    child.sighand = newSigHand(parent.sighand);
    if (args.clearSighand) clearSighand(child.sighand);
  }
  if ((flags & CLONE_FILES) !== 0) {
    child.files = parent.files;
    child.files.users++;
  } else child.files = parent.files.dup();
  if ((flags & CLONE_FS) !== 0) {
    child.fs = parent.fs;
    child.fs.users++;
  } else child.fs = parent.fs.dup();
  const proxy = childNamespaces(k, parent, child, cred, flags);
  if (typeof proxy === 'number') return fail(proxy);
  const pidNs = thread ? parent.pidNs : proxy.pidForChildren;
  if (pidNs.dead) return fail(-ENOMEM);
  child.pidNs = pidNs;
  switchNamespaces(k, child, proxy);
  if (child.mm !== null && child.mm !== parent.mm && proxy.time !== parent.nsproxy.time) vdsoJoinTimens(k, child.mm, proxy.time);
  allocPidNumbers(pidNs, child, args.setTid);
  if (pidNs.parent !== null && pidNs.childReaper === null) pidNs.childReaper = child;
  copySemundo(k, child, (flags & CLONE_SYSVSEM) !== 0);
  child.comm = parent.comm;
  child.cred = cred;
  child.blocked = parent.blocked;
  child.nice = parent.nice;
  child.policy = parent.policy;
  child.rtPriority = parent.rtPriority;
  if (parent.schedResetOnFork) {
    child.policy = 0;
    child.rtPriority = 0;
    child.nice = Math.max(0, child.nice);
  }
  publishPriority(k, child);
  if ((flags & CLONE_VM) === 0) {
    child.rseq = parent.rseq;
    child.rseqEvent = true;
  }
  copyIo(parent, child, (flags & CLONE_IO) !== 0);
  child.timerSlackNs = parent.timerSlackNs;
  child.defaultTimerSlackNs = parent.timerSlackNs;
  child.affinity = parent.affinity;
  child.vruntime = parent.vruntime;
  child.personality = parent.personality;
  child.noNewPrivs = parent.noNewPrivs;
  child.seccomp = parent.seccomp;
  // Only threads share the process's keyring, and nobody the thread's.
  child.keyrings = { ...parent.keyrings, thread: null, process: thread ? parent.keyrings.process : null };
  child.requestKeyring = parent.requestKeyring;
  child.dumpable = parent.dumpable;
  child.flags = (parent.flags & ~0x200000) | PF_FORKNOEXEC;
  child.cpu = parent.cpu;
  if ((flags & CLONE_VM) === 0 || (flags & CLONE_VFORK) !== 0) child.sigaltstack = { ...parent.sigaltstack };
  child.exitSignal = thread ? -1 : args.exitSignal;
  child.parent = (flags & (CLONE_PARENT | CLONE_THREAD)) !== 0 ? parent.parent : parent.groupLeader;
  if (!thread) child.parent.children.push(child);
  child.cgroup = args.cgroup ?? parent.cgroup;
  k.sched.link(child);
  linkThread(k, child);
  child.state = 0;
  return child;
}

/** A process made by the kernel, without memory or files yet: child of `parent` (user mode helper, pid 1). */
export function kernelProcess(k: Kernel, parent: Task, pid?: number, kernelThread = false): Task | number {
  const id = pid ?? k.sched.allocPid();
  if (id < 0) return -EAGAIN;
  const where = allocTask(k);
  if (where === null) return -ENOMEM;
  const task = new Task(k, where, id, null, kernelThread);
  const signal = newSignalStruct(k, k.sched.initTask.signal);
  if (signal === null) {
    freeTask(k, task);
    return -ENOMEM;
  }
  task.signal = signal;
  signal.leader = task;
  signal.tty = null;
  task.sighand = newSigHand(null);
  task.files = new FilesStruct();
  task.fs = k.sched.initTask.fs.dup();
  task.cred = ROOT_CRED;
  task.pidNs = k.sched.initTask.pidNs;
  switchNamespaces(k, task, parent.nsproxy);
  task.parent = parent;
  task.exitSignal = 17;
  parent.children.push(task);
  k.sched.link(task);
  linkThread(k, task);
  task.state = TASK_UNINTERRUPTIBLE;
  return task;
}
