import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, wakeUp } from '../sched/wait.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { type FunctionExport, fn } from './export.ts';

// The lock of a module's parameters (param_lock of struct module; one for all that is built in): one of them is read or set at a time (kernel_param_lock).

export interface ParamLock {
  owner: Task | null;
  readonly queue: WaitQueueHead;
}
export function newParamLock(): ParamLock {
  return { owner: null, queue: new WaitQueueHead() };
}
/** 'taken' now, 'held' by the same task since an earlier attempt of its operation, or BLOCKED. */
export function lockParams(k: Kernel, lock: ParamLock): 'taken' | 'held' | typeof BLOCKED {
  if (lock.owner === k.current) return 'held';
  if (lock.owner !== null) {
    addWaitQueue(k, lock.queue, true);
    k.current.state = TASK_UNINTERRUPTIBLE;
    return BLOCKED;
  }
  lock.owner = k.current;
  return 'taken';
}
export function unlockParams(k: Kernel, lock: ParamLock): void {
  lock.owner = null;
  wakeUp(k, lock.queue);
}
const of = (k: Kernel, module: number) => k.modules.byAddr.get(module)?.paramLock ?? k.modules.builtinParams;
export const paramLockExports: readonly FunctionExport[] = [
  fn('kernel_param_lock', (k, module) => (lockParams(k, of(k, module)) === BLOCKED ? BLOCKED : undefined)),
  fn('kernel_param_unlock', (k, module) => unlockParams(k, of(k, module))),
];
