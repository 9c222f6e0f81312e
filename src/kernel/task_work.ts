import { finishExit } from './exit.ts';
import { fputModuleFile } from './fs/module_file.ts';
import type { Kernel } from './kernel.ts';
import { file_operations as FOPS } from '../abi/layout/structs.ts';
import { NR_close } from '../abi/syscall_nr.ts';
import { enterGuest } from './module/call.ts';
import { continuation } from './module/continuation.ts';
import { fileOperation, moduleFile } from './fs/module_file.ts';
import { PF_EXITING, TASK_RUNNING, type Task, type TaskWork } from './sched/task.ts';

// Work that a task does on its way back to user mode or at its end (kernel/task_work.c): flush and release of files that belong to modules, which run
// code of the module and may sleep.

/** Last references that went where no task could do the rest (fput in interrupt context, by a kernel thread, by the host). */
export function takeDelayedFputs(k: Kernel, task: Task): void {
  if (k.drivers.delayedFputs.length === 0) return;
  for (const file of k.drivers.delayedFputs.splice(0)) task.works.push({ kind: 'fput', file });
}

/** Starts the next piece of work. False when none was left that runs code of a module. */
export function runTaskWork(k: Kernel, task: Task): boolean {
  for (;;) {
    const work = task.works.shift();
    if (work === undefined) return false;
    const { addr, inode } = moduleFile(work.file);
    const fn = fileOperation(k, work.file, work.kind === 'flush' ? FOPS.flush : FOPS.release);
    if (fn === 0) {
      if (work.kind === 'fput') fputModuleFile(k, work.file);
      continue;
    }
    // flush(file, id): the table of descriptors stands for the owner; only its identity counts.
    const args = work.kind === 'flush' ? [addr, 0] : [inode, addr];
    enterGuest(k, task, fn, args, 'task_work', { work });
    return true;
  }
}
/** do_exit's part. False when there was nothing to run. */
export function beginExitWork(k: Kernel, task: Task): boolean {
  // Whatever it was doing in the kernel is over: its stack is empty.
  k.machine.regs.mode = 0;
  task.frames.length = 0;
  task.calls = [];
  task.restart = null;
  task.timedOut = false;
  task.inSyscall = false;
  task.state = TASK_RUNNING;
  return runTaskWork(k, task);
}

function workDone(k: Kernel, task: Task, result: bigint, data: Readonly<Record<string, unknown>>): void {
  const work = data['work'] as TaskWork;
  if (work.kind === 'fput') fputModuleFile(k, work.file);
  // What flush finds wrong is close's result.
  else if (task.syscallNr === NR_close && Number(result) < 0) k.machine.regs.set(10, Number(BigInt.asIntN(32, result)));
  if ((task.flags & PF_EXITING) !== 0 && !runTaskWork(k, task)) finishExit(k, task);
}
continuation('task_work', workDone);
