import { finishExit } from './exit.ts';
import { fputModuleFile } from './fs/module_file.ts';
import type { Kernel } from './kernel.ts';
import { file_operations as FOPS, vm_operations_struct as OPS } from '../abi/layout/structs.ts';
import { NR_close } from '../abi/syscall_nr.ts';
import { enterGuest } from './module/call.ts';
import { continuation } from './module/continuation.ts';
import { fileOperation, moduleFile } from './fs/module_file.ts';
import { operation, publishVma, vmaClosed } from './mm/module_mapping.ts';
import { lingerWait } from './net/ipv4/tcp.ts';
import { type ModuleWork, PF_EXITING, TASK_RUNNING, type Task } from './sched/task.ts';

// Work that a task does on its way back to user mode or at its end (kernel/task_work.c): flush and release of files that belong to modules, open and close
// of their mappings. It runs code of the module and may sleep. And waiting for what a closed connection still has to send.

/** Takes over what came up where no task could do it. */
export function takeDelayedWorks(k: Kernel, task: Task): void {
  if (k.drivers.delayedWorks.length > 0) task.works.push(...k.drivers.delayedWorks.splice(0));
}

/** The module's function and its arguments. */
function callOf(k: Kernel, work: ModuleWork): readonly [fn: number, ...args: number[]] {
  switch (work.kind) {
    case 'vma_open':
      publishVma(k, work.vma);
      return [operation(k, work.vma, OPS.open), work.vma];
    case 'vma_close':
      return [operation(k, work.vma, OPS.close), work.vma];
    // flush(file, id): the table of descriptors stands for the owner; only its identity counts.
    case 'flush':
      return [fileOperation(k, work.file, FOPS.flush), moduleFile(work.file).addr, 0];
    // fasync(-1, file, 0): no more signals.
    case 'fasync':
      return [fileOperation(k, work.file, FOPS.fasync), -1, moduleFile(work.file).addr, 0];
    case 'call':
      return [work.fn, work.arg];
    case 'fput':
      return [fileOperation(k, work.file, FOPS.release), moduleFile(work.file).inode, moduleFile(work.file).addr];
  }
}
/** What follows the module's function. */
function afterwards(k: Kernel, work: ModuleWork): void {
  if (work.kind === 'fput') fputModuleFile(k, work.file);
  else if (work.kind === 'vma_close') vmaClosed(k, work.vma);
}
/** Starts the next piece of work. False when none was left that runs code of a module or sleeps. */
export function runTaskWork(k: Kernel, task: Task): boolean {
  for (;;) {
    const work = task.works.shift();
    if (work === undefined) return false;
    if (work.kind === 'linger') {
      if (lingerWait(k, task, work)) {
        task.works.unshift(work);
        return true;
      }
      continue;
    }
    const [fn, ...args] = callOf(k, work);
    if (fn === 0) {
      afterwards(k, work);
      continue;
    }
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
  const work = data['work'] as ModuleWork;
  afterwards(k, work);
  // What flush finds wrong is close's result.
  if (work.kind === 'flush' && task.syscallNr === NR_close && Number(result) < 0) k.machine.regs.set(10, Number(BigInt.asIntN(32, result)));
  if ((task.flags & PF_EXITING) !== 0 && !runTaskWork(k, task)) finishExit(k, task);
}
continuation('task_work', workDone);
