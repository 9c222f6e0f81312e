import { EAGAIN, EBUSY, EOPNOTSUPP } from '../../abi/errno.ts';
import type { KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { setFrozen } from '../sched/core.ts';
import type { MemCgroup } from '../mm/memcontrol.ts';
import type { Task } from '../sched/task.ts';

// Control groups: the tree, who is in it, and what that limits (kernel/cgroup/cgroup.c, pids.c, freezer.c; cgroups(7)). One hierarchy, version 2.

/** Controllers that there are, in Linux's order. Those of domains count what cannot be told apart by thread. */
export const CONTROLLERS = ['memory', 'pids'] as const;
export type Controller = (typeof CONTROLLERS)[number];
/** A control group. */
export class Cgroup {
  readonly parent: Cgroup | null;
  readonly name: string;
  readonly level: number;
  readonly children = new Map<string, Cgroup>();
  /** Its directory, once the file system is there. */
  node: KernfsNode | null = null;
  /** Tasks in it itself that have not ended. */
  alive = 0;
  /** Controllers that its children have. */
  readonly subtree = new Set<Controller>();
  /** What pays for memory of its tasks: its own controller, or the next one above. */
  mem: MemCgroup;
  /** Tasks in it and below, until they are waited for; the most there were, what may be, and how often that was too few (here, and here or below). */
  pids = 0;
  pidsPeak = 0;
  pidsMax = Number.POSITIVE_INFINITY;
  pidsEventsLocal = 0;
  pidsEvents = 0;
  /** cgroup.freeze: it and all below stand still. */
  freeze = false;
  maxDepth = Number.POSITIVE_INFINITY;
  maxDescendants = Number.POSITIVE_INFINITY;
  dead = false;
  constructor(parent: Cgroup | null, name: string, mem: MemCgroup) {
    this.mem = mem;
    this.parent = parent;
    this.name = name;
    this.level = parent === null ? 0 : parent.level + 1;
  }
  get populated(): boolean {
    return this.alive > 0 || [...this.children.values()].some((c) => c.populated);
  }
  get descendants(): number {
    let n = 0;
    for (const c of this.children.values()) n += 1 + c.descendants;
    return n;
  }
  /** Has it or one above been told to stand still? */
  get frozen(): boolean {
    for (let at: Cgroup | null = this; at !== null; at = at.parent) if (at.freeze) return true;
    return false;
  }
}

/** `cg` and those above it, itself first. */
function* upwards(cg: Cgroup): Generator<Cgroup> {
  for (let at: Cgroup | null = cg; at !== null; at = at.parent) yield at;
}
function charge(cg: Cgroup, n: number): void {
  for (const at of upwards(cg)) {
    at.pids += n;
    if (at.pids > at.pidsPeak) at.pidsPeak = at.pids;
  }
}
/** May one more task come into `cg`? 0 or -EAGAIN (pids_can_fork). */
export function cgroupCanFork(cg: Cgroup): number {
  for (const at of upwards(cg)) {
    if (at.pids + 1 <= at.pidsMax) continue;
    at.pidsEventsLocal++;
    for (const above of upwards(at)) above.pidsEvents++;
    return -EAGAIN;
  }
  return 0;
}
/** A new task is in its group. */
export function cgroupPostFork(k: Kernel, task: Task): void {
  const cg = task.cgroup;
  charge(cg, 1);
  cg.alive++;
  task.inCgroup = true;
  if (cg.frozen && !task.isKernelThread) setFrozen(k, task, true);
}
/** It has ended: it no longer counts as one of those in it. */
export function cgroupExit(task: Task): void {
  if (!task.inCgroup) return;
  task.inCgroup = false;
  task.cgroup.alive--;
}
/** It was waited for: its number is free again. */
export function cgroupRelease(task: Task): void {
  cgroupExit(task);
  charge(task.cgroup, -1);
}

/** May tasks be in `cg`, beside the groups below it? 0 or -errno (cgroup_migrate_vet_dst; pids can be given out by tasks and groups alike, memory cannot). */
export function cgroupMayHost(cg: Cgroup): number {
  if (cg.dead) return -EOPNOTSUPP;
  if (cg.parent === null || cg.subtree.size === 0) return 0;
  if (cg.subtree.has('memory')) return -EBUSY;
  return [...cg.children.values()].some((c) => c.populated) ? -EBUSY : 0;
}
/** Moves tasks that live (cgroup_migrate). */
export function cgroupMove(k: Kernel, tasks: readonly Task[], to: Cgroup): void {
  for (const task of tasks) {
    if (task.exitState !== 0 || task.cgroup === to) continue;
    charge(task.cgroup, -1);
    task.cgroup.alive--;
    task.cgroup = to;
    charge(to, 1);
    to.alive++;
    if (!task.isKernelThread) setFrozen(k, task, to.frozen);
  }
}
/** All tasks in `cg`, or in it and below. */
export function tasksOf(k: Kernel, cg: Cgroup, below: boolean): Task[] {
  return [...k.sched.tasks.values()].filter(
    (t) => t.exitState === 0 && (t.cgroup === cg || (below && [...upwards(t.cgroup)].includes(cg))),
  );
}
/** cgroup.freeze was written (cgroup_freeze). */
export function cgroupFreeze(k: Kernel, cg: Cgroup, on: boolean): void {
  cg.freeze = on;
  for (const task of tasksOf(k, cg, true)) if (!task.isKernelThread) setFrozen(k, task, task.cgroup.frozen);
}

/** The path of `cg` as a namespace whose root is `root` shows it (cgroup_path_ns). */
export function cgroupPath(cg: Cgroup, root: Cgroup): string {
  const names = (of: Cgroup) =>
    [...upwards(of)]
      .reverse()
      .map((c) => c.name)
      .slice(1);
  const [to, from] = [names(cg), names(root)];
  let common = 0;
  while (common < to.length && common < from.length && to[common] === from[common]) common++;
  const parts = [...from.slice(common).map(() => '..'), ...to.slice(common)];
  return `/${parts.join('/')}${cg.dead ? ' (deleted)' : ''}`;
}
