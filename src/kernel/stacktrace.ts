import { UTS_RELEASE, UTS_VERSION } from '../abi/kernel_release.ts';
import { task_struct as TASK } from '../abi/layout/structs.ts';
import { HARDIRQ_MASK, preemptCount } from './irq/interrupt.ts';
import { taskState } from './sched/task_state.ts';
import type { Kernel } from './kernel.ts';
import { sprintSymbol } from './kallsyms.ts';
import { hex64 } from './lib/seq_file.ts';
import { virtToPhys } from './mm/address.ts';
import { readKernel64 } from './mm/maccess.ts';
import { onKernelStack } from './module/call.ts';
import { exportAtEcall, inExportText, isReturnStub } from './module/stubs.ts';
import { printTainted, printTaintedVerbose } from './panic.ts';
import type { Task } from './sched/task.ts';

// Registers and frames of kernel code in the log (arch/riscv/kernel/{process,stacktrace}.c). A trace ends at the function that the kernel called:
// below it there is TypeScript, which has no guest frames.

const NAMES: readonly (readonly [string, number])[] = [
  ['epc ', -1],
  ['ra ', 1],
  ['sp ', 2],
  ['gp ', 3],
  ['tp ', 4],
  ['t0 ', 5],
  ['t1 ', 6],
  ['t2 ', 7],
  ['s0 ', 8],
  ['s1 ', 9],
  ['a0 ', 10],
  ['a1 ', 11],
  ['a2 ', 12],
  ['a3 ', 13],
  ['a4 ', 14],
  ['a5 ', 15],
  ['a6 ', 16],
  ['a7 ', 17],
  ['s2 ', 18],
  ['s3 ', 19],
  ['s4 ', 20],
  ['s5 ', 21],
  ['s6 ', 22],
  ['s7 ', 23],
  ['s8 ', 24],
  ['s9 ', 25],
  ['s10', 26],
  ['s11', 27],
  ['t3 ', 28],
  ['t4 ', 29],
  ['t5 ', 30],
  ['t6 ', 31],
];

/** show_regs: who, the registers in the machine, and the frames. */
export function showRegs(k: Kernel, task: Task, cause: number, badaddr: number): void {
  const { printk, machine } = k;
  const { regs } = machine;
  printStackInfo(k, task);
  printk.log(4, `epc : ${sprintSymbol(k, regs.pc, 'S')}`);
  printk.log(4, ` ra : ${sprintSymbol(k, regs.get(1), 'S')}`);
  registerLines(k);
  // UXL = 2 (64 bits), SPP and SPIE as on entry from S mode with interrupts on.
  const status = (2n << 32n) | BigInt((regs.sstatus & ~2) | ((regs.sstatus & 2) !== 0 ? 0x20 : 0) | 0x100);
  printk.log(4, `status: ${hex64(status)} badaddr: ${hex64(badaddr)} cause: ${hex64(cause)}`);
  printFrame(k, regs.pc);
  // An exported function has no frame of its own: its caller is in ra.
  const inExport = inExportText(k, regs.pc);
  if (inExport) printFrame(k, regs.get(1));
  walkFrames(k, task, !inExport, (pc) => printFrame(k, pc));
}
/** The same for a program. What it did with floating point is not known: FS says "clean". */
export function showUserRegs(k: Kernel, task: Task, cause: number, badaddr: number): void {
  printStackInfo(k, task);
  registerLines(k);
  const status = (2n << 32n) | 0x4020n;
  k.printk.log(4, `status: ${hex64(status)} badaddr: ${hex64(badaddr)} cause: ${hex64(cause)}`);
}
function registerLines(k: Kernel): void {
  const { regs } = k.machine;
  const value = (i: number) => hex64(i < 0 ? regs.pc : regs.getBig(i));
  for (let i = 0; i < NAMES.length; i += 3) {
    const cells = NAMES.slice(i, i + 3).map(([name, x]) => `${name}: ${value(x)}`);
    k.printk.log(4, `${i === 0 ? '' : ' '}${cells.join(' ')}`);
  }
}
function printFrame(k: Kernel, pc: number): void {
  k.printk.log(4, `[<${hex64(pc)}>] ${sprintSymbol(k, pc, 'S')}`);
}
/** The frames above the exported function that is being called, first its caller; or those of module code, which the machine is in. */
export function dumpBacktrace(k: Kernel, task: Task): void {
  const { regs } = k.machine;
  if (regs.mode === 0) return;
  const inExport = inExportText(k, regs.pc);
  // An interrupt of the kernel's own has a stack of its own, and no frames here; what it interrupted is not on it.
  if (!inExport && (preemptCount(k, task) & HARDIRQ_MASK) !== 0) return;
  printFrame(k, inExport ? regs.get(1) : regs.pc);
  walkFrames(k, task, !inExport, (pc) => printFrame(k, pc));
}
/** Return addresses of the call of an exported function, from the function itself outwards (stack_trace_save). */
export function stackEntries(k: Kernel, task: Task): number[] {
  const pcs: number[] = [];
  visitStack(k, task, (pc) => void pcs.push(pc));
  return pcs;
}
export function visitStack(k: Kernel, task: Task, visit: (pc: number) => void): void {
  const { regs } = k.machine;
  visit(regs.pc);
  visit(regs.get(1));
  walkFrames(k, task, false, visit);
}
/** Follows the frame pointers: at s0-16 the caller's s0, at s0-8 the return address (walk_stackframe). */
function walkFrames(k: Kernel, task: Task, leaf: boolean, visit: (pc: number) => void): void {
  let fp = k.machine.regs.get(8);
  let low = k.machine.regs.get(2);
  if (leaf) {
    // A leaf function saves s0 alone, where others have the return address; its own is in ra.
    const saved = readKernel64(k, fp - 8) ?? 0;
    if (onKernelStack(task, saved - 8) && saved >= low && saved % 8 === 0) {
      visit(k.machine.regs.get(1));
      low = fp;
      fp = saved;
    }
  }
  walkFrom(k, task, fp, low, visit);
}
function walkFrom(k: Kernel, task: Task, from: number, lowest: number, visit: (pc: number) => void): void {
  let fp = from;
  let low = lowest;
  for (let depth = 0; depth < 64; depth++) {
    if (!onKernelStack(task, fp - 8) || fp < low || fp % 8 !== 0) return;
    // Stacks lie in the linear map.
    const ra = k.ram.read64(virtToPhys(fp) - 8);
    if (isReturnStub(k, ra)) return;
    visit(ra);
    low = fp;
    fp = k.ram.read64(virtToPhys(fp) - 16);
  }
}

/**
 * Where a task that does not run stands in the kernel, the innermost first: code of modules with offsets, then the functions that have no code here by name
 * (proc_pid_stack). `wchan`: where it sleeps in a call without code of modules.
 */
export function sleepingStack(k: Kernel, task: Task, wchan: string): string[] {
  const lines: string[] = [];
  const context = task.kernelContext;
  if (context !== null && task !== k.sched.loaded) {
    const add = (pc: number) => {
      if (!isReturnStub(k, pc)) lines.push(sprintSymbol(k, pc, 'B'));
    };
    const pc = Number(context.regs[0]);
    const row = exportAtEcall(k, pc);
    if (row === null) add(pc);
    else if (row.internal !== true) lines.push(row.name);
    add(Number(context.regs[1]));
    walkFrom(k, task, Number(context.regs[8]), Number(context.regs[2]), add);
  } else if (wchan !== '0') lines.push(wchan);
  if (task.isKernelThread) lines.push('kthread', 'ret_from_fork');
  else if (lines.length > 0) lines.push('do_trap_ecall_u', 'handle_exception');
  return lines;
}
/** sched_show_task: a task in one line, and where it stands in the kernel; of what has no code here there are no frames. */
export function schedShowTask(k: Kernel, task: Task): void {
  const state = taskState(task)[0];
  const flags = k.ram.read32(task.addr + TASK.thread_info_flags);
  const number = (n: number, width: number) => String(n).padEnd(width);
  const ppid = task.groupLeader.parent?.tgid ?? 0;
  k.printk.log(
    6,
    `task:${task.comm.padEnd(15)} state:${state}${state === 'R' ? '  running task    ' : ''} stack:0     pid:${number(task.pid, 5)} tgid:${number(task.tgid, 5)} ppid:${number(ppid, 6)} flags:0x${flags.toString(16).padStart(8, '0')}`,
  );
  k.printk.log(6, 'Call Trace:');
  const context = task.kernelContext;
  if (context === null || task === k.sched.loaded) return;
  const print = (pc: number) => {
    if (!isReturnStub(k, pc)) k.printk.log(6, `[<${hex64(pc)}>] ${sprintSymbol(k, pc, 'S')}`);
  };
  print(Number(context.regs[0]));
  print(Number(context.regs[1]));
  walkFrom(k, task, Number(context.regs[8]), Number(context.regs[2]), print);
}
/** dump_stack_print_info. */
export function printStackInfo(k: Kernel, task: Task): void {
  const { printk } = k;
  const build = UTS_VERSION.split(' ')[0];
  const package_ = UTS_VERSION.split(' ').slice(2, 4).join(' ');
  printk.log(
    4,
    `CPU: ${k.cpu} UID: ${task.cred.uid} PID: ${task.pid} Comm: ${task.comm} ${printTainted(k)} ${UTS_RELEASE} ${build}  ${package_}`,
  );
  if (k.tainted !== 0) printk.log(4, `Tainted: ${printTaintedVerbose(k)}`);
  printk.log(4, 'Hardware name: lintel (DT)');
}
/** dump_stack of the task that called, in module code. */
export function dumpStack(k: Kernel, task: Task): void {
  printStackInfo(k, task);
  k.printk.log(4, 'Call Trace:');
  dumpBacktrace(k, task);
}
