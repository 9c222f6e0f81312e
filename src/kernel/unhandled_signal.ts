import { SIG_IGN } from '../abi/signal.ts';
import { Access } from '../machine/api.ts';
import type { Kernel } from './kernel.ts';
import { hex64 } from './lib/seq_file.ts';
import { PAGE_SIZE } from './mm/address.ts';
import { forceSignal } from './signal.ts';
import type { Task } from './sched/task.ts';
import { showUserRegs } from './stacktrace.ts';

// What the log says of an exception that ends a process (arch/riscv/kernel/traps.c, do_trap).

const KERN_INFO = 6;

/** Forces the signal of an exception, and says so when nothing will catch it. */
export function doTrap(k: Kernel, task: Task, signo: number, code: number, addr: number, cause: number): void {
  const { handler } = task.sighand.action[signo - 1];
  const unhandled = task.pid === 1 || (task.ptrace === null && (handler === 0 || handler === SIG_IGN));
  if (k.showUnhandledSignals && unhandled && k.printk.ratelimit('do_trap')) {
    k.printk.log(KERN_INFO, `${task.comm}[${task.pid}]: unhandled signal ${signo} code 0x${code.toString(16)} at 0x${hex64(addr)}${place(task, k.machine.regs.pc)}`);
    showUserRegs(k, task, cause, k.machine.tval);
    k.printk.log(KERN_INFO, codeLine(k, task, k.machine.regs.pc));
  }
  forceSignal(k, task, { signo, code, addr });
}
/** print_vma_addr: the file that holds the instruction, the place in it, and the area. */
function place(task: Task, pc: number): string {
  const vma = task.mm?.vmas.find((v) => pc >= v.start && pc < v.end);
  if (vma === undefined || vma.file === null) return '';
  const hex = (n: number) => n.toString(16);
  return ` in ${vma.file.path.dentry.name}[${hex(pc - vma.start + vma.pgoff * PAGE_SIZE)},${hex(vma.start)}+${hex(vma.end - vma.start)}]`;
}
/** dump_instr: ten halfwords before the instruction, and its own in brackets. */
function codeLine(k: Kernel, task: Task, pc: number): string {
  let out = 'Code: ';
  for (let i = -10; i < 2; i++) {
    const at = pc + i * 2;
    const pa = task.mm === null || at < 0 ? -1 : k.machine.translate(task.mm.pgd, at, Access.READ, 0, false);
    if (pa < 0) return `Code: Unable to access instruction at 0x${hex64(at)}.`;
    const text = k.ram.read16(pa).toString(16).padStart(4, '0');
    out += i === 0 ? `(${text}) ` : `${text} `;
  }
  return out;
}
