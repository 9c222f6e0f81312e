import { EFAULT } from '../abi/errno.ts';
import { TAINT_DIE, TAINT_WARN } from '../abi/module.ts';
import { SIGSEGV } from '../abi/signal.ts';
import { bug_entry as BUG, exception_table_entry as EX } from '../abi/layout/structs.ts';
import { Access, type AccessKind } from '../machine/api.ts';
import { Trap } from '../machine/trap.ts';
import { abandonTask, doExit } from './exit.ts';
import { followsChain, notifyDie } from './fatal_chain.ts';
import { sprintSymbol } from './kallsyms.ts';
import type { Kernel } from './kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from './mm/address.ts';
import { inInterrupt } from './irq/interrupt.ts';
import { kernelString, readKernel16, readKernel32 } from './mm/maccess.ts';
import { findModuleAt, listModules, type Module } from './module/module.ts';
import { addTaint } from './panic.ts';
import { showRegs } from './stacktrace.ts';
import { hex64 } from './lib/seq_file.ts';
import { PF_EXITING, type Task } from './sched/task.ts';

// What becomes of a fault in kernel mode: the exception table, BUG and WARN, and the oops (arch/riscv/kernel/traps.c, mm/fault.c, mm/extable.c, lib/bug.c).
// Which trap it was, kernel_trap.ts decides.

const BUGFLAG_WARNING = 1;
const BUGFLAG_ONCE = 2;
const BUGFLAG_DONE = 4;
const BUGFLAG_NO_CUT_HERE = 8;
/** Exception table: a user access that failed sets a register to -EFAULT and perhaps clears another (asm/asm-extable.h). */
const EX_TYPE_FIXUP = 1;
const EX_TYPE_UACCESS_ERR_ZERO = 3;

/** no_context: the oops of an address that kernel code may not touch. */
export function oopsAt(k: Kernel, task: Task, cause: number, addr: number, sum: boolean): void {
  const what =
    addr >= 0 && addr < TASK_SIZE && !sum && task.mm !== null
      ? 'access to user memory without uaccess routines'
      : addr >= 0 && addr < PAGE_SIZE
        ? 'NULL pointer dereference'
        : 'paging request';
  k.printk.log(1, `Unable to handle kernel ${what} at virtual address ${hex64(addr)}`);
  die(k, task, 'Oops', cause, addr, 'task');
}

/** An exported function followed an address that is not there: the fault that its code would have taken, at its own address. */
export function faultInExport(k: Kernel, addr: number, access: AccessKind): void {
  const task = k.current;
  if (task.faulted) return;
  task.faulted = true;
  oopsAt(k, task, access === Access.WRITE ? Trap.STORE_PAGE_FAULT : Trap.LOAD_PAGE_FAULT, addr, false);
}
/** WARN and BUG of an exported function itself. */
export function warnInExport(k: Kernel, text: string): void {
  k.printk.log(4, CUT_HERE);
  k.printk.log(4, text);
  warn(k, k.current, '');
}
/** WARN in the middle of the kernel: `where` is Linux's file, line and function. \`text\` is what a WARN with a format says first. */
export function warnAt(k: Kernel, where: string, text = '', level = 4): void {
  k.printk.log(4, CUT_HERE);
  if (text !== '') k.printk.log(level, text);
  warn(k, k.current, ` at ${where}`);
}
export function bugInExport(k: Kernel): void {
  dieInNmi(k, k.current, 'Kernel BUG', Trap.BREAKPOINT);
}

/** fixup_exception: a listed instruction goes on at its fix-up. */
export function fixupException(k: Kernel, pc: number): boolean {
  const mod = findModuleAt(k, pc);
  if (mod === null) return false;
  const { base, count } = mod.extable;
  for (let i = 0; i < count; i++) {
    const at = base + i * EX.sizeof;
    const insn = readKernel32(k, at);
    const fixup = readKernel32(k, at + EX.fixup);
    const type = readKernel16(k, at + EX.type);
    const data = readKernel16(k, at + EX.data);
    if (insn === null || fixup === null || type === null || data === null || at + (insn | 0) !== pc) continue;
    const { regs } = k.machine;
    if (type === EX_TYPE_UACCESS_ERR_ZERO) {
      const [err, zero] = [data & 31, (data >> 5) & 31];
      if (err !== 0) regs.set(err, -EFAULT);
      if (zero !== 0) regs.set(zero, 0);
    } else if (type !== EX_TYPE_FIXUP) return false;
    regs.pc = at + EX.fixup + (fixup | 0);
    return true;
  }
  return false;
}

/** ebreak: a WARN goes on behind it, anything else is fatal. */
export function breakpoint(k: Kernel, task: Task): void {
  const { regs } = k.machine;
  const bug = findBug(k, regs.pc);
  if (bug === null) {
    dieInNmi(k, task, 'Kernel BUG', Trap.BREAKPOINT);
    return;
  }
  if ((bug.flags & BUGFLAG_WARNING) !== 0) {
    const skip = (bug.flags & (BUGFLAG_ONCE | BUGFLAG_DONE)) === (BUGFLAG_ONCE | BUGFLAG_DONE);
    if (!skip) {
      if ((bug.flags & BUGFLAG_ONCE) !== 0) k.ram.write16(bug.flagsPa, bug.flags | BUGFLAG_DONE);
      if ((bug.flags & BUGFLAG_NO_CUT_HERE) === 0) k.printk.log(4, CUT_HERE);
      warn(k, task, bug.file === null ? '' : ` at ${bug.file}:${bug.line}`);
    }
    // ebreak or c.ebreak.
    const half = readKernel16(k, regs.pc) ?? 0;
    regs.pc += (half & 3) === 3 ? 4 : 2;
    return;
  }
  if ((bug.flags & BUGFLAG_NO_CUT_HERE) === 0) k.printk.log(4, CUT_HERE);
  k.printk.log(2, bug.file === null ? `kernel BUG at ${sprintSymbol(k, regs.pc, 'S')} [verbose debug info unavailable]` : `kernel BUG at ${bug.file}:${bug.line}!`);
  dieInNmi(k, task, 'Kernel BUG', Trap.BREAKPOINT);
}
export const CUT_HERE = '------------[ cut here ]------------';
interface BugEntry {
  readonly file: string | null;
  readonly line: number;
  readonly flags: number;
  readonly flagsPa: number;
}
/** Whether a WARN or BUG of the module stands there. */
export function isBugAddress(k: Kernel, mod: Module, addr: number): boolean {
  const { base, count } = mod.bugTable;
  for (let i = 0; i < count; i++) if (base + i * BUG.sizeof + ((readKernel32(k, base + i * BUG.sizeof) ?? 0) | 0) === addr) return true;
  return false;
}
function findBug(k: Kernel, pc: number): BugEntry | null {
  const mod = findModuleAt(k, pc);
  if (mod === null) return null;
  const { base, count } = mod.bugTable;
  for (let i = 0; i < count; i++) {
    const at = base + i * BUG.sizeof;
    if (at + ((readKernel32(k, at) ?? 0) | 0) !== pc) continue;
    const file = kernelString(k, at + BUG.file_disp + ((readKernel32(k, at + BUG.file_disp) ?? 0) | 0), 256);
    return {
      file,
      line: readKernel16(k, at + BUG.line) ?? 0,
      flags: readKernel16(k, at + BUG.flags) ?? 0,
      flagsPa: k.machine.translate(k.mm.swapperPgDir, at + BUG.flags, Access.READ, 1, false),
    };
  }
  return null;
}

/** __warn. */
function warn(k: Kernel, task: Task, where: string): void {
  const { printk, machine } = k;
  printk.log(4, `WARNING: CPU: ${k.cpu} PID: ${task.pid}${where === '' ? ' at' : where} ${sprintSymbol(k, machine.regs.pc, 'S')}`);
  printModules(k);
  showRegs(k, task, Trap.BREAKPOINT, 0);
  printk.log(4, END_TRACE);
  addTaint(k, TAINT_WARN, true);
  k.warnCount++;
  if (k.panicOnWarn !== 0) k.panic('kernel: panic_on_warn set ...');
}
const END_TRACE = '---[ end trace 0000000000000000 ]---';

/** die: the report of an oops. The taint follows it. */
function die(k: Kernel, task: Task, title: string, cause: number, badaddr: number, ends: 'task' | 'system'): void {
  const { printk, machine } = k;
  k.oopsCount++;
  k.debugLocks = false; // oops_enter: without a word
  printk.log(0, `${title} [#${k.oopsCount}]`);
  printModules(k);
  showRegs(k, task, cause, badaddr);
  printk.log(0, codeLine(k, machine.regs.pc));
  if (!notifyDie(k, task, title, cause, 'die', { ends })) dieEnd(k, task, ends);
}
/** Behind the chain of who wants to hear of it. */
function dieEnd(k: Kernel, task: Task, ends: 'task' | 'system'): void {
  addTaint(k, TAINT_DIE, false);
  k.printk.log(4, END_TRACE);
  if (ends === 'task') makeTaskDead(k, task);
  else k.panic('Fatal exception in interrupt');
}
followsChain('die', (k, task, data) => dieEnd(k, task, data['ends'] as 'task' | 'system'));
/** Exceptions other than page faults enter as NMIs do, so that a fatal one takes the whole kernel with it (irqentry_nmi_enter; die's in_interrupt). */
export function dieInNmi(k: Kernel, task: Task, title: string, cause: number): void {
  if (cause !== Trap.BREAKPOINT && fixupException(k, k.machine.regs.pc)) return;
  die(k, task, title, cause, cause === Trap.BREAKPOINT || cause === Trap.ILLEGAL ? 0 : k.machine.tval, 'system');
}
/** make_task_dead: the task ends where it stands, to its parent by SIGSEGV; what it held stays held. */
function makeTaskDead(k: Kernel, task: Task): void {
  if (inInterrupt(k)) {
    k.panic('Fatal exception in interrupt');
    return;
  }
  if (task.isIdle) {
    k.panic('Attempted to kill the idle task!');
    return;
  }
  if (k.panicOnOops !== 0) {
    k.panic('Fatal exception');
    return;
  }
  task.inKernel = false;
  task.asleep = false;
  if ((task.flags & PF_EXITING) !== 0) {
    // What it held and whom it should have told stays as it is.
    k.printk.log(1, 'Fixing recursive fault but reboot is needed!');
    abandonTask(k, task);
    return;
  }
  doExit(k, task, SIGSEGV);
}

/** The ten halfwords before pc, and its own in brackets (dump_kernel_instr). */
function codeLine(k: Kernel, pc: number): string {
  const words: string[] = [];
  for (let i = -10; i < 2; i++) {
    const half = readKernel16(k, pc + i * 2);
    if (half === null || pc >= 0) return `Code: Unable to access instruction at 0x${hex64(pc + i * 2)}.`;
    const text = half.toString(16).padStart(4, '0');
    words.push(i === 0 ? `(${text})` : text);
  }
  return `Code: ${words.join(' ')} `;
}

/** print_modules. */
export function printModules(k: Kernel): void {
  const list = listModules(k).map((m) => ` ${m.name}${moduleFlags(m)}`);
  const last = k.modules.lastUnloaded;
  k.printk.log(4, `Modules linked in:${list.join('')}${last === '' ? '' : ` [last unloaded: ${last}]`}`);
}
/** module_flags with its state: "(OE+)". */
export function moduleFlags(mod: Module): string {
  const letters = mod.taintLetters;
  const state = mod.stateMark;
  return letters === '' && state === '' ? '' : `(${letters}${state})`;
}

