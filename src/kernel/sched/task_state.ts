import {
  EXIT_DEAD,
  EXIT_ZOMBIE,
  TASK_INTERRUPTIBLE,
  TASK_NOLOAD,
  TASK_RUNNING,
  TASK_STOPPED,
  TASK_TRACED,
  TASK_UNINTERRUPTIBLE,
  type Task,
} from './task.ts';

/** The letter of stat and the word of status (task_state_array). */
export function taskState(task: Task): string {
  if ((task.exitState & EXIT_ZOMBIE) !== 0) return 'Z (zombie)';
  if ((task.exitState & EXIT_DEAD) !== 0) return 'X (dead)';
  const s = task.state;
  if (task.frozen && s === TASK_RUNNING) return 'S (sleeping)';
  if ((s & TASK_TRACED) !== 0) return 't (tracing stop)';
  if ((task.signal.groupStop !== 0 && task.ptrace === null) || (s & TASK_STOPPED) !== 0) return 'T (stopped)';
  if ((s & TASK_NOLOAD) !== 0) return 'I (idle)';
  if ((s & TASK_UNINTERRUPTIBLE) !== 0) return 'D (disk sleep)';
  if ((s & TASK_INTERRUPTIBLE) !== 0) return 'S (sleeping)';
  return 'R (running)';
}
