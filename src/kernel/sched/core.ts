import { sched_entity as SE, task_struct as TASK } from '../../abi/layout/structs.ts';
import { SCHED_DEADLINE, SCHED_FIFO, SCHED_RR } from '../../abi/sched.ts';
import { SI_KERNEL } from '../../abi/signal.ts';
import { cgroupPostFork, cgroupRelease } from '../cgroup/cgroup.ts';
import type { Kernel } from '../kernel.ts';
import { freePidNumbers } from '../pid_namespace.ts';
import { virtToObject } from '../mm/address.ts';
import { sendSignalTo } from '../signal.ts';
import { finishWait, WaitQueueHead } from './wait.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_RUNNING, TASK_UNINTERRUPTIBLE, type Task } from './task.ts';

// A first fair scheduler (kernel/sched/core.c, fair.c): the runnable task with the least virtual runtime goes next; weights follow
// nice levels. One queue serves all harts.

/** sched_prio_to_weight: each nice level is about 1.25 times the next; nice 0 is 1024. */
export const PRIO_TO_WEIGHT = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277, 1024,
  820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
] as const;

/** What one hart does. */
export interface RunQueue {
  readonly cpu: number;
  current: Task | null;
  idleNs: number;
  userNs: number;
  systemNs: number;
  switches: number;
  /** Virtual time since which it runs kernel code of modules without giving the CPU up, and when the watchdog last said so. */
  kernelSince: number;
  lockupSaid: number;
}

export class Scheduler {
  private readonly k: Kernel;
  /** All tasks by pid, in order of creation. */
  readonly tasks = new Map<number, Task>();
  readonly runQueues: RunQueue[] = [];
  /** Per hart: what runs interrupts when nothing else runs. */
  readonly idle: Task[] = [];
  /** Guest address of the one struct nsproxy; 0 until it is made. */
  nsproxy = 0;
  private readonly addresses = new Map<number, Task>();
  /** pid 0; its task_struct is the exported init_task. */
  initTask!: Task;
  /** The task whose registers are in the machine. */
  loaded: Task | null = null;
  /** signalfd readers. */
  readonly signalfdQueue = new WaitQueueHead();
  private readonly runnable: Task[] = [];
  private lastPid = 0;
  minVruntime = 0;
  /** Earliest deadline among sleepers, or a lower bound. */
  nextTimeout = Number.POSITIVE_INFINITY;
  private readonly sleepers = new Set<Task>();
  totalForks = 0;
  /** Released tasks whose memory is not given back yet. */
  readonly dead: Task[] = [];
  switches = 0;
  /** Exponential load averages (fixed point avoided: plain numbers), and when they were last brought up to date. */
  readonly loadAvg = [0, 0, 0];
  loadAt = 0;
  pidMax = 32768;

  constructor(k: Kernel) {
    this.k = k;
    for (let cpu = 0; cpu < k.cpus; cpu++) this.runQueues.push({ cpu, current: null, idleNs: 0, userNs: 0, systemNs: 0, switches: 0, kernelSince: 0, lockupSaid: 0 });
  }

  allocPid(): number {
    for (let tries = 0; tries < this.pidMax; tries++) {
      this.lastPid = this.lastPid + 1 >= this.pidMax ? 300 : this.lastPid + 1;
      if (!this.tasks.has(this.lastPid)) return this.lastPid;
    }
    return -1;
  }
  get lastAllocatedPid(): number {
    return this.lastPid;
  }
  set lastAllocatedPid(pid: number) {
    this.lastPid = pid % this.pidMax;
  }
  /** The task whose task_struct lies at a guest address; also one that has ended while references are held. */
  byAddress(addr: number): Task | null {
    return this.addresses.get(addr) ?? null;
  }
  remember(task: Task): void {
    this.addresses.set(task.va, task);
  }
  forget(task: Task): void {
    this.addresses.delete(task.va);
  }
  find(pid: number): Task | undefined {
    return this.tasks.get(pid);
  }
  get runnableCount(): number {
    return this.runnable.length;
  }

  /** Puts a task on the queue of runnable ones. */
  activate(task: Task): void {
    if (this.runnable.includes(task)) return;
    if (task.frozen) {
      task.held = true;
      return;
    }
    // A sleeper comes back near the front, but not with all it missed.
    task.vruntime = Math.max(task.vruntime, this.minVruntime - 3_000_000);
    this.runnable.push(task);
  }
  isRunnable(task: Task): boolean {
    return this.runnable.includes(task);
  }
  deactivate(task: Task): void {
    const i = this.runnable.indexOf(task);
    if (i >= 0) this.runnable.splice(i, 1);
  }
  /** The best runnable task for `cpu`: real-time first, then least vruntime; not one that another hart runs. */
  pickNextTask(cpu: number): Task | null {
    let best: Task | null = null;
    for (const t of this.runnable) {
      if (((t.affinity >>> cpu) & 1) === 0) continue;
      if (this.runQueues.some((rq) => rq.cpu !== cpu && rq.current === t)) continue;
      if (best === null || t.schedRank > best.schedRank || (t.schedRank === best.schedRank && t.vruntime < best.vruntime)) best = t;
    }
    return best;
  }
  /** Accounts `ns` of running. */
  account(task: Task, ns: number): void {
    task.vruntime += (ns * 1024) / PRIO_TO_WEIGHT[task.nice + 20];
    const rq = this.runQueues[task.cpu];
    if (rq !== undefined) rq.userNs += ns;
    let min = Number.POSITIVE_INFINITY;
    for (const t of this.runnable) if (t.vruntime < min) min = t.vruntime;
    if (min !== Number.POSITIVE_INFINITY) this.minVruntime = Math.max(this.minVruntime, min);
  }

  /** Lets every other runnable task of its weight go first (sched_yield). */
  yieldTask(task: Task): void {
    let last = task.vruntime;
    for (const t of this.runnable) if (t.vruntime > last) last = t.vruntime;
    task.vruntime = last + 1;
    task.needResched = true;
  }

  /** The current wait of `task` ends at `deadline` (virtual ns) at the latest. */
  scheduleTimeout(task: Task, deadline: number): void {
    task.timeout = deadline;
    if (deadline !== Number.POSITIVE_INFINITY) {
      this.sleepers.add(task);
      if (deadline < this.nextTimeout) this.nextTimeout = deadline;
    }
  }
  clearTimeout(task: Task): void {
    task.timeout = Number.POSITIVE_INFINITY;
    this.sleepers.delete(task);
  }
  /** Wakes sleepers whose time has come. */
  expireTimeouts(now: number): void {
    if (now < this.nextTimeout) return;
    let next = Number.POSITIVE_INFINITY;
    for (const task of [...this.sleepers]) {
      if (task.timeout <= now) {
        task.timedOut = true;
        tryToWakeUp(this.k, task);
      } else if (task.timeout < next) next = task.timeout;
    }
    this.nextTimeout = next;
  }
  sendSignal(task: Task, sig: number): void {
    sendSignalTo(this.k, task, { signo: sig, code: SI_KERNEL, pid: 0, uid: 0 }, false);
  }

  /** Links a new task into the lists that modules walk: init_task.tasks for leaders, children/sibling, thread_node. */
  link(task: Task): void {
    const { ram } = this.k;
    const at = (t: Task, off: number) => t.va + off;
    const pa = virtToObject;
    const addTail = (head: number, node: number) => {
      const prev = ram.read64(pa(head) + 8);
      ram.write64(pa(node), head);
      ram.write64(pa(node) + 8, prev);
      ram.write64(pa(prev), node);
      ram.write64(pa(head) + 8, node);
    };
    const initList = (node: number) => {
      ram.write64(pa(node), node);
      ram.write64(pa(node) + 8, node);
    };
    initList(at(task, TASK.children));
    initList(at(task, TASK.sibling));
    initList(at(task, TASK.tasks));
    if (task === this.initTask) {
      ram.write64(task.addr + TASK.real_parent, task.va);
      ram.write64(task.addr + TASK.parent, task.va);
    } else {
      if (task.isLeader) {
        addTail(at(this.initTask, TASK.tasks), at(task, TASK.tasks));
        addTail(at(task.parent, TASK.children), at(task, TASK.sibling));
      }
      ram.write64(task.addr + TASK.real_parent, task.parent.va);
      ram.write64(task.addr + TASK.parent, task.parent.va);
    }
    ram.write64(task.addr + TASK.nsproxy, this.nsproxy);
    this.tasks.set(task.pid, task);
    this.remember(task);
    cgroupPostFork(this.k, task);
  }
  unlink(task: Task): void {
    const { ram } = this.k;
    const del = (off: number) => {
      const node = task.addr + off;
      const next = ram.read64(node);
      const prev = ram.read64(node + 8);
      if (next === 0 || prev === 0) return;
      ram.write64(virtToObject(prev), next);
      ram.write64(virtToObject(next) + 8, prev);
    };
    if (task.isLeader) {
      del(TASK.tasks);
      del(TASK.sibling);
    }
    this.tasks.delete(task.pid);
    cgroupRelease(task);
    if (task.pidNs?.parent != null) freePidNumbers(task, this.isNamed(task.pid));
  }
  /** A group or session of that number is left. */
  private isNamed(pid: number): boolean {
    for (const t of this.tasks.values()) if (t.signal.pgid === pid || t.signal.sid === pid) return true;
    return false;
  }
  reparent(task: Task, parent: Task): void {
    const { ram } = this.k;
    if (task.isLeader) {
      const node = task.addr + TASK.sibling;
      const next = ram.read64(node);
      const prev = ram.read64(node + 8);
      ram.write64(virtToObject(prev), next);
      ram.write64(virtToObject(next) + 8, prev);
      const head = parent.va + TASK.children;
      const last = ram.read64(virtToObject(head) + 8);
      ram.write64(node, head);
      ram.write64(node + 8, last);
      ram.write64(virtToObject(last), task.va + TASK.sibling);
      ram.write64(virtToObject(head) + 8, task.va + TASK.sibling);
    }
    task.parent = parent;
    ram.write64(task.addr + TASK.real_parent, parent.va);
    ram.write64(task.addr + TASK.parent, parent.va);
  }
}

export function isRealTime(task: Task): boolean {
  return task.policy === SCHED_FIFO || task.policy === SCHED_RR;
}
/** Priorities below this are real-time ones; nice 0 is DEFAULT_PRIO (include/linux/sched/prio.h). Lower is better. */
export const MAX_RT_PRIO = 100;
export const DEFAULT_PRIO = 120;
/** The priority that its policy gives a task; a deadline task's is -1 (MAX_DL_PRIO - 1). */
export function normalPrio(task: Task): number {
  if (task.policy === SCHED_DEADLINE) return -1;
  return isRealTime(task) ? MAX_RT_PRIO - 1 - task.rtPriority : DEFAULT_PRIO + task.nice;
}
/** The same, or what a waiter for a PI lock lends it. */
export function effectivePrio(task: Task): number {
  return Math.min(normalPrio(task), task.piPrio);
}
/** Brings the members that modules read in line: prio = 120 + nice, or 99 - rt_priority, or what is lent (__setscheduler_prio). */
export function publishPriority(k: Kernel, task: Task): void {
  const { ram } = k;
  ram.write32(task.addr + TASK.static_prio, 120 + task.nice);
  ram.write32(task.addr + TASK.prio, effectivePrio(task));
  ram.write32(task.addr + TASK.normal_prio, normalPrio(task));
  ram.write32(task.addr + TASK.rt_priority, task.rtPriority);
  ram.write32(task.addr + TASK.policy, task.policy);
  ram.write64(task.addr + TASK.se + SE.load_weight, PRIO_TO_WEIGHT[task.nice + 20] * 1024);
}

/** Makes a task stand still, or go on (cgroup freezer). What it waits for may happen meanwhile. */
export function setFrozen(k: Kernel, task: Task, on: boolean): void {
  if (task.frozen === on || task.exitState !== 0) return;
  task.frozen = on;
  if (on) {
    if (!k.sched.isRunnable(task)) return;
    k.sched.deactivate(task);
    task.held = true;
    task.needResched = true;
  } else if (task.held) {
    task.held = false;
    if (task.state === TASK_RUNNING) k.sched.activate(task);
  }
}

/** The CPUs that `task` may run on; when it runs on another one now, that ends before its next instruction (set_cpus_allowed_ptr). */
export function setCpusAllowed(k: Kernel, task: Task, mask: number): void {
  task.affinity = mask;
  k.ram.write64(task.addr + TASK.cpus_mask, mask);
  if (task === k.current && ((mask >>> k.cpu) & 1) === 0) task.needResched = true;
}

/** Makes a sleeping task runnable, whatever it sleeps as (not a stopped one). True when it was asleep. */
export function tryToWakeUp(k: Kernel, task: Task): boolean {
  return wakeUpState(k, task, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE | TASK_KILLABLE);
}
/** The same for the given states only. */
export function wakeUpState(k: Kernel, task: Task, states: number): boolean {
  if ((task.state & states) === 0 || task.exitState !== 0) return false;
  task.state = TASK_RUNNING;
  finishWait(task);
  k.sched.clearTimeout(task);
  k.sched.activate(task);
  return true;
}
