import { irq_work as IRQ_WORK, tasklet_struct as TASKLET } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kernelThread } from '../kthread.ts';
import { load32, load64, load8, store32, store64 } from '../lib/guest_memory.ts';
import { callGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { wakeUpState } from '../sched/core.ts';
import { TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, SPINNING, WaitQueueHead, wakeUp } from '../sched/wait.ts';
import { timerKind } from '../time/timers.ts';
import { addPreemptCount, inInterrupt, interruptKind, raise, retract, SOFTIRQ_DISABLE_OFFSET, SOFTIRQ_OFFSET } from './interrupt.ts';

// Tasklets, and the switching of softirqs (kernel/softirq.c). What is raised from an interrupt runs when that has ended; what a process raises runs on
// ksoftirqd/CPU, as Linux wakes it then.

const TASKLET_STATE_SCHED = 1;
const TASKLET_STATE_RUN = 2;

function scheduleTasklet(k: Kernel, tasklet: number): void {
  if (inInterrupt(k)) raise(k, k.cpu, 'soft', 'tasklet', { tasklet });
  else ksoftirqd(k, k.cpu).queue.push(tasklet);
}
/** One CPU's thread for softirqs, made when it is first wanted. */
export interface Ksoftirqd {
  readonly queue: number[];
  readonly idle: WaitQueueHead;
  running: number;
}
function ksoftirqd(k: Kernel, cpu: number): Ksoftirqd {
  let state = k.softirqThreads.get(cpu);
  if (state === undefined) {
    state = { queue: [], idle: new WaitQueueHead(), running: 0 };
    k.softirqThreads.set(cpu, state);
    const task = kernelThread(k, `ksoftirqd/${cpu}`, 'run_ksoftirqd');
    if (typeof task !== 'number') {
      task.affinity = 1 << cpu;
      wakeUpState(k, task, TASK_UNINTERRUPTIBLE);
    }
  }
  wakeUp(k, state.idle);
  return state;
}
/** Its lowest frame. */
function runKsoftirqd(k: Kernel): number {
  const state = [...k.softirqThreads].find(([cpu]) => k.current.comm === `ksoftirqd/${cpu}`)?.[1];
  if (state === undefined) return 0;
  const task = k.current;
  for (;;) {
    if (state.running !== 0) {
      const call = task.restart as { func: number; arg: number };
      if (callGuest(k, call.func, call.arg) === null) return BLOCKED;
      addPreemptCount(k, task, -SOFTIRQ_OFFSET);
      endTasklet(k, state.running);
      state.running = 0;
      task.restart = null;
      task.calls = [];
      task.callIndex = 0;
    }
    const tasklet = state.queue.shift();
    if (tasklet === undefined) break;
    const call = beginTasklet(k, tasklet);
    if (call === null) continue;
    state.running = tasklet;
    task.restart = call;
    addPreemptCount(k, task, SOFTIRQ_OFFSET);
  }
  addWaitQueue(k, state.idle);
  task.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}
/** tasklet_action_common: null when it is disabled (it stays scheduled and is tried again). */
function beginTasklet(k: Kernel, tasklet: number): { func: number; arg: number } | null {
  if ((load32(k, tasklet + TASKLET.count) | 0) !== 0) {
    raise(k, k.cpu, 'soft', 'tasklet', { tasklet });
    return null;
  }
  store64(k, tasklet + TASKLET.state, TASKLET_STATE_RUN);
  const callback = load8(k, tasklet + TASKLET.use_callback) !== 0;
  return { func: load64(k, tasklet + TASKLET.func), arg: callback ? tasklet : load64(k, tasklet + TASKLET.data) };
}
function endTasklet(k: Kernel, tasklet: number): void {
  store64(k, tasklet + TASKLET.state, load64(k, tasklet + TASKLET.state) & ~TASKLET_STATE_RUN);
}
interruptKind('tasklet', {
  begin(k, data) {
    // A disabled one is not turned round and round here: it waits for the next tick.
    if ((load32(k, data['tasklet'] + TASKLET.count) | 0) !== 0) {
      k.time.addTimer({ at: k.time.now() + 4e6, kind: 'tasklet', data: { tasklet: data['tasklet'], cpu: k.cpu } });
      return null;
    }
    const call = beginTasklet(k, data['tasklet']);
    return call === null ? null : { fn: call.func, args: [call.arg] };
  },
  end: (k, data) => endTasklet(k, data['tasklet']),
});
timerKind('tasklet', (k, { data }) => raise(k, data['cpu'] as number, 'soft', 'tasklet', { tasklet: data['tasklet'] as number }));
interruptKind('irq_work', {
  begin(k, data) {
    store32(k, data['work'] + 8, load32(k, data['work'] + 8) & ~1);
    return { fn: load64(k, data['work'] + IRQ_WORK.func), args: [data['work']] };
  },
  end(k, data) {
    store32(k, data['work'] + 8, load32(k, data['work'] + 8) & ~2);
  },
});
const scheduled = (k: Kernel, t: number) => (load64(k, t + TASKLET.state) & TASKLET_STATE_SCHED) !== 0;

export const softirqExports: readonly FunctionExport[] = [
  { ...fn('run_ksoftirqd', runKsoftirqd), internal: true },
  fn('__tasklet_schedule', scheduleTasklet),
  fn('__tasklet_hi_schedule', scheduleTasklet),
  fn('tasklet_setup', (k, t, callback) => {
    for (const at of [TASKLET.next, TASKLET.state, TASKLET.data]) store64(k, t + at, 0);
    store32(k, t + TASKLET.count, 0);
    store64(k, t + TASKLET.func, callback);
    store32(k, t + TASKLET.use_callback, 1);
  }),
  fn('tasklet_init', (k, t, func, data) => {
    for (const at of [TASKLET.next, TASKLET.state]) store64(k, t + at, 0);
    store64(k, t + TASKLET.data, data);
    store32(k, t + TASKLET.count, 0);
    store64(k, t + TASKLET.func, func);
    store32(k, t + TASKLET.use_callback, 0);
  }),
  // Waits until it is neither scheduled nor runs.
  fn('tasklet_kill', (k, t) => {
    const state = load64(k, t + TASKLET.state);
    if (state === 0 || k.current.exitState !== 0) return undefined;
    if (scheduled(k, t) && (load32(k, t + TASKLET.count) | 0) === 0 && inInterrupt(k)) retract(k, 'tasklet', (d) => d['tasklet'] === t);
    k.current.state = TASK_UNINTERRUPTIBLE;
    k.sched.scheduleTimeout(k.current, k.time.now() + 4e6);
    return BLOCKED;
  }),
  fn('tasklet_unlock_spin_wait', (k, t) => ((load64(k, t + TASKLET.state) & TASKLET_STATE_RUN) !== 0 ? SPINNING : undefined)),
  fn('tasklet_unlock_wait', (k, t) => ((load64(k, t + TASKLET.state) & TASKLET_STATE_RUN) !== 0 ? SPINNING : undefined)),
  fn('tasklet_unlock', endTasklet),
  fn('__local_bh_enable_ip', (k, _ip, count) => addPreemptCount(k, k.current, -count)),
  fn('_local_bh_enable', (k) => addPreemptCount(k, k.current, -SOFTIRQ_DISABLE_OFFSET)),
  // struct irq_work: its flags lie behind the list node.
  fn('irq_work_queue', (k, work) => {
    const flags = load32(k, work + 8);
    if ((flags & 1) !== 0) return 0;
    store32(k, work + 8, flags | 3);
    raise(k, k.cpu, 'hard', 'irq_work', { work });
    return 1;
  }),
  fn('irq_work_sync', (k, work) => ((load32(k, work + 8) & 2) !== 0 ? SPINNING : undefined)),
];
