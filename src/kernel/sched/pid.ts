import { pid as PID, task_struct as TASK, upid as UPID } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { objectToVirt, physToVirt, virtToPhys } from '../mm/address.ts';
import { readKernel32 } from '../mm/maccess.ts';
import type { Task } from './task.ts';

// struct pid: the number that a task goes by, which outlives it while references are held (kernel/pid.c). One namespace.

/** Gives a new task its struct pid. False when memory is out. */
export function attachPid(k: Kernel, task: Task): boolean {
  const pa = k.mm.slab.kmalloc(PID.sizeof + UPID.sizeof, true);
  if (pa === 0) return false;
  const { ram } = k;
  ram.write32(pa + PID.count, 1);
  // hlist of the tasks with this number; PIDTYPE_PID comes first.
  const node = task.addr + TASK.pid_links;
  ram.write64(pa + PID.tasks, objectToVirt(node));
  ram.write64(node, 0);
  ram.write64(node + 8, physToVirt(pa + PID.tasks));
  ram.write32(pa + PID.numbers + UPID.nr, task.pid);
  ram.write64(task.addr + TASK.thread_pid, physToVirt(pa));
  return true;
}
/** The task is gone: its number lives on with the references that are left. */
export function detachPid(k: Kernel, task: Task): void {
  const va = k.ram.read64(task.addr + TASK.thread_pid);
  if (va === 0) return;
  const pa = virtToPhys(va);
  k.ram.write64(task.addr + TASK.thread_pid, 0);
  k.ram.write64(pa + PID.tasks, 0);
  const count = k.ram.read32(pa + PID.count) - 1;
  k.ram.write32(pa + PID.count, count);
  if (count === 0) k.mm.slab.kfree(pa);
}
/** The number of a struct pid. */
export function pidOf(k: Kernel, pid: number): number {
  return (readKernel32(k, pid + PID.numbers + UPID.nr) ?? 0) | 0;
}
