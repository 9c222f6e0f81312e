import { pt_regs as PT } from '../../../abi/layout/structs.ts';
import { S_IFIFO, S_IFMT } from '../../../abi/fs.ts';
import * as NR from '../../../abi/syscall_nr.ts';
import type { Kernel } from '../../kernel.ts';
import { lookupSymbol } from '../../kallsyms.ts';
import { exportAtStub } from '../../module/stubs.ts';
import type { Task } from '../../sched/task.ts';
import { ttyFileOps } from '../../drivers/tty/tty_io.ts';
import { ptmxFileOps } from '../../drivers/tty/pty.ts';

// /proc/PID/wchan: the function of Linux's kernel in which a task sleeps, as 6.12 names it for the call that the task is in.

const BY_CALL: Readonly<Record<number, string>> = {
  [NR.NR_nanosleep]: 'hrtimer_nanosleep',
  [NR.NR_clock_nanosleep]: 'hrtimer_nanosleep',
  [NR.NR_wait4]: 'do_wait',
  [NR.NR_waitid]: 'do_wait',
  [NR.NR_ppoll]: 'do_sys_poll',
  [NR.NR_pselect6]: 'do_select',
  [NR.NR_rt_sigsuspend]: '__riscv_sys_rt_sigsuspend',
  [NR.NR_rt_sigtimedwait]: '__riscv_sys_rt_sigtimedwait',
  [NR.NR_futex]: 'futex_wait_queue',
  [NR.NR_epoll_pwait]: 'do_epoll_wait',
  [NR.NR_flock]: 'locks_lock_inode_wait',
  [NR.NR_fcntl]: 'do_lock_file_wait',
  [NR.NR_openat]: 'wait_for_partner',
  [NR.NR_clone]: 'kernel_clone',
  [NR.NR_clone3]: 'kernel_clone',
};
/** Anonymous files by the name of their inode. */
const BY_ANON: readonly (readonly [string, string])[] = [
  ['[eventfd]', 'do_wait_intr_irq'],
  ['[timerfd]', 'do_wait_intr_irq'],
  ['[signalfd]', 'signalfd_read_iter'],
  ['inotify', 'wait_woken'],
];

/** Functions of the scheduler's own section, which a sleeper's place leaves out (in_sched_functions). */
const SCHED_FUNCTIONS =
  /^(_?_?schedule|io_schedule|schedule_(timeout|hrtimeout)(_.*)?|wait_for_completion(_.*)?|_?_?mutex_lock(_.*)?|down(_.*)?|ww_mutex_lock.*|rt_mutex_lock.*|usleep_range.*|yield|__cond_resched|out_of_line_wait_on_bit.*|__wait_on_bit.*)$/;
/** Threads of the kernel's own, whose only function is that in which they sleep. */
const THREADS: Readonly<Record<string, string>> = { watchdog: 'watchdog', kthreadd: 'kthreadd', worker_thread: 'worker_thread', run_ksoftirqd: 'smpboot_thread_fn' };
/** The same for a task that sleeps in a call from code of a module. */
function moduleWchan(k: Kernel, task: Task): string | null {
  const context = task.kernelContext;
  if (context === null || task === k.sched.loaded) return null;
  const row = exportAtStub(k, Number(context.regs[0]));
  if (row === null) return null;
  if (row.internal === true) return THREADS[row.name] ?? null;
  return SCHED_FUNCTIONS.test(row.name) ? (lookupSymbol(k, Number(context.regs[1]) - 1)?.name ?? null) : row.name;
}

/** '0' for a task that does not sleep. */
export function showWchan(k: Kernel, task: Task): string {
  if (task.exitState !== 0) return '0';
  if (task.signal.groupStop !== 0) return 'do_signal_stop';
  if (task.state === 0) return '0';
  const inModule = moduleWchan(k, task);
  if (inModule !== null) return inModule;
  if (!task.inSyscall) return '0';
  const nr = task.syscallNr;
  const reads = nr === NR.NR_read || nr === NR.NR_readv;
  if (!reads && nr !== NR.NR_write && nr !== NR.NR_writev) return BY_CALL[nr] ?? '0';
  const file = task.files.get(k.ram.readS32(task.ptRegs + PT.a0));
  if (file === null) return '0';
  if ((file.inode.mode & S_IFMT) === S_IFIFO) return reads ? 'pipe_read' : 'pipe_write';
  if (file.op === ttyFileOps || file.op === ptmxFileOps) return 'wait_woken';
  const anon = BY_ANON.find(([name]) => file.path.dentry.name.includes(name));
  if (anon !== undefined) return anon[1];
  return file.path.dentry.name === 'kmsg' ? 'devkmsg_read' : '0';
}
