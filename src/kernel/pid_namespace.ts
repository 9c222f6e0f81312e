import { INIT_INUM, type NsCommon } from './ns_common.ts';
import type { Task } from './sched/task.ts';
import { INIT_USER_NS, type UserNamespace } from './user_namespace.ts';

// PID namespaces (kernel/pid_namespace.c, kernel/pid.c, pid_namespaces(7)). In the kernel a pid is the number in the initial namespace; a task made in a
// namespace below has one more for each level, and calls of such tasks are answered with theirs.

export interface PidNamespace extends NsCommon {
  readonly kind: 'pid';
  readonly owner: UserNamespace;
  readonly level: number;
  readonly parent: PidNamespace | null;
  /** Numbers here by number in the initial namespace: also of groups and sessions whose leader is gone. */
  readonly numbers: Map<number, number>;
  /** The other way, for tasks that exist. */
  readonly tasks: Map<number, Task>;
  lastPid: number;
  /** Its init: adopts orphans, and takes all others with it when it ends. */
  childReaper: Task | null;
  /** Its init has ended: nothing can be made here any more. */
  dead: boolean;
  /** The signal that reboot(2) in it makes its init look killed by; 0 = none. */
  reboot: number;
}
const PID_MAX = 32768;
/** RESERVED_PIDS: a second round starts here. */
const FIRST_PID = 300;
export const MAX_PID_NS_LEVEL = 32;

export function newPidNamespace(parent: PidNamespace | null, owner: UserNamespace, inum: number): PidNamespace {
  return {
    kind: 'pid',
    inum,
    owner,
    level: parent === null ? 0 : parent.level + 1,
    parent,
    numbers: new Map(),
    tasks: new Map(),
    lastPid: 0,
    childReaper: null,
    dead: false,
    reboot: 0,
  };
}
export const initPidNamespace = (): PidNamespace => newPidNamespace(null, INIT_USER_NS, INIT_INUM.pid);

/** Is `ns` `ancestor` or below it? */
export function inPidNs(ns: PidNamespace, ancestor: PidNamespace): boolean {
  for (let at: PidNamespace | null = ns; at !== null; at = at.parent) if (at === ancestor) return true;
  return false;
}

/** Gives `task` its number in `ns` and in those between it and the initial one. `wanted`: set_tid's, innermost first; they are known to be free. */
export function allocPidNumbers(ns: PidNamespace, task: Task, wanted: readonly number[]): void {
  let i = 0;
  for (let at: PidNamespace = ns; at.parent !== null; at = at.parent) {
    const nr = wanted[i++] ?? nextNumber(at);
    at.numbers.set(task.pid, nr);
    at.tasks.set(nr, task);
  }
}
function nextNumber(ns: PidNamespace): number {
  for (let tries = 0; tries < PID_MAX; tries++) {
    ns.lastPid = ns.lastPid + 1 >= PID_MAX ? FIRST_PID : ns.lastPid + 1;
    if (!ns.tasks.has(ns.lastPid)) return ns.lastPid;
  }
  return 0;
}
/** The task is gone. Its number stays known while a group or session may still be named by it. */
export function freePidNumbers(task: Task, named: boolean): void {
  for (let at = task.pidNs; at.parent !== null; at = at.parent) {
    const nr = at.numbers.get(task.pid);
    if (nr !== undefined && at.tasks.get(nr) === task) at.tasks.delete(nr);
    if (!named) at.numbers.delete(task.pid);
  }
}

/** The number that pid `nr` of the initial namespace has in `ns`; 0 = it is not to be seen there (pid_nr_ns). */
export function pidNrNs(nr: number, ns: PidNamespace): number {
  return ns.parent === null ? nr : (ns.numbers.get(nr) ?? 0);
}
/** The pid in the initial namespace of number `nr` in `ns`, or 0. */
export function pidFromNs(nr: number, ns: PidNamespace): number {
  return ns.parent === null ? nr : (ns.tasks.get(nr)?.pid ?? 0);
}
