import { EPERM } from '../../../abi/errno.ts';
import { SI_KERNEL, SIGKILL, SIGTERM } from '../../../abi/signal.ts';
import type { Kernel } from '../../kernel.ts';
import { manualOom } from '../../mm/oom_kill.ts';
import { showMem } from '../../mm/show_mem.ts';
import { forceSignal } from '../../signal.ts';

// Keys for emergencies (drivers/tty/sysrq.c), by way of /proc/sysrq-trigger.

const KERN_INFO = 6;

interface SysrqKey {
  readonly keys: string;
  readonly help: string;
  /** What is said before it is done. */
  readonly action: string;
  readonly run: (k: Kernel, key: string) => void;
}
const say = (k: Kernel, text: string) => k.printk.log(KERN_INFO, text);
/** send_sig_all: every process but the first one and the kernel's own. */
function signalAll(k: Kernel, signo: number): void {
  for (const t of [...k.sched.tasks.values()]) {
    if (t.isLeader && t.pid !== 1 && !t.isKernelThread) forceSignal(k, t, { signo, code: SI_KERNEL, pid: 0, uid: 0 });
  }
}
/** The table by key; Linux has more. */
const KEYS: readonly SysrqKey[] = [
  {
    keys: '0123456789',
    help: 'loglevel(0-9)',
    action: 'Changing Loglevel',
    run(k, key) {
      k.printk.options.consoleLevel = Number(key);
      say(k, `sysrq: Loglevel set to ${key}`);
    },
  },
  {
    keys: 'b',
    help: 'reboot(b)',
    action: 'Resetting',
    run(k) {
      k.halted = { reason: 'restart', message: '' };
    },
  },
  { keys: 'c', help: 'crash(c)', action: 'Trigger a crash', run: (k) => k.panic('sysrq triggered crash') },
  { keys: 'e', help: 'terminate-all-tasks(e)', action: 'Terminate All Tasks', run: (k) => signalAll(k, SIGTERM) },
  { keys: 'f', help: 'memory-full-oom-kill(f)', action: 'Manual OOM execution', run: manualOom },
  { keys: 'i', help: 'kill-all-tasks(i)', action: 'Kill All Tasks', run: (k) => signalAll(k, SIGKILL) },
  { keys: 'm', help: 'show-memory-usage(m)', action: 'Show Memory', run: showMem },
  {
    keys: 'o',
    help: 'poweroff(o)',
    action: 'Power Off',
    run(k) {
      say(k, 'reboot: Power down');
      k.halted = { reason: 'poweroff', message: '' };
    },
  },
  {
    keys: 's',
    help: 'sync(s)',
    action: 'Emergency Sync',
    run: (k) => say(k, 'Emergency Sync complete'),
  },
];

/** __handle_sysrq. */
export function handleSysrq(k: Kernel, key: string): void {
  const row = KEYS.find((r) => r.keys.includes(key));
  if (row === undefined) {
    say(k, `sysrq: HELP : ${KEYS.map((r) => r.help).join(' ')} `);
    return;
  }
  say(k, `sysrq: ${row.action}`);
  row.run(k, key);
}
export function sysrqInit(k: Kernel): void {
  k.procfs.create('sysrq-trigger', null, {
    mode: 0o200,
    store(kk, text) {
      if (kk.current.cred.euid !== 0) return -EPERM;
      // The first character, or all of them behind an underscore.
      for (const key of text.startsWith('_') ? text.slice(1).replace(/\n$/, '') : text.slice(0, 1)) handleSysrq(kk, key);
      return 0;
    },
  });
}
