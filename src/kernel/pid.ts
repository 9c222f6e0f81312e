import type { Kernel } from './kernel.ts';
import { pidFromNs, pidNrNs } from './pid_namespace.ts';
import type { Task } from './sched/task.ts';

// Pids as the current task sees them (kernel/pid.c).

/** The task of number `nr` in the caller's PID namespace (find_task_by_vpid). */
export function findTaskByVpid(k: Kernel, nr: number): Task | undefined {
  const ns = k.current.pidNs;
  return ns.parent === null ? k.sched.tasks.get(nr) : ns.tasks.get(nr);
}
/** The same, with 0 for the caller. */
export function taskByVpid(k: Kernel, nr: number): Task | undefined {
  return nr === 0 ? k.current : findTaskByVpid(k, nr);
}
/** A pid, group or session as the caller sees it; 0 = not at all (pid_vnr). */
export function pidVnr(k: Kernel, nr: number): number {
  return pidNrNs(nr, k.current.pidNs);
}
/** The other way; 0 = there is none. */
export function pidOfVnr(k: Kernel, nr: number): number {
  return pidFromNs(nr, k.current.pidNs);
}
