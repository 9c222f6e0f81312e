import { EINVAL, EPERM } from '../abi/errno.ts';
import * as S from '../abi/sched.ts';
import type { Kernel } from './kernel.ts';
import { doExit } from './exit.ts';
import { strncpyFromUser } from './mm/uaccess.ts';
import { nsCapable } from './nsproxy.ts';
import type { PidNamespace } from './pid_namespace.ts';
import { SIGHUP, SIGINT, SIGKILL, SI_KERNEL } from '../abi/signal.ts';
import { sendSignalTo } from './signal.ts';

// reboot(2) (kernel/reboot.c): the run loop stops when `halted` is set.

export function reboot(k: Kernel, magic1: number, magic2: number, cmd: number, arg: number): number {
  const ns = k.current.pidNs;
  if (!nsCapable(k.current, ns.owner, S.CAP_SYS_BOOT)) return -EPERM;
  if (magic1 !== S.LINUX_REBOOT_MAGIC1 || !S.LINUX_REBOOT_MAGIC2.includes(magic2)) return -EINVAL;
  if (ns.parent !== null) return rebootPidNs(k, ns, cmd);
  switch (cmd) {
    case S.LINUX_REBOOT_CMD_RESTART:
      k.printk.log(0, 'reboot: Restarting system');
      k.halted = { reason: 'restart', message: '' };
      return 0;
    case S.LINUX_REBOOT_CMD_RESTART2: {
      const message = strncpyFromUser(k, arg, 256);
      if (typeof message === 'number') return message;
      k.printk.log(0, `reboot: Restarting system with command '${message}'`);
      k.halted = { reason: 'restart', message };
      return 0;
    }
    case S.LINUX_REBOOT_CMD_HALT:
      k.printk.log(0, 'reboot: System halted');
      k.halted = { reason: 'halt', message: '' };
      return 0;
    case S.LINUX_REBOOT_CMD_POWER_OFF:
      k.printk.log(0, 'reboot: Power down');
      k.halted = { reason: 'poweroff', message: '' };
      return 0;
    case S.LINUX_REBOOT_CMD_CAD_ON:
      k.ctrlAltDel = true;
      return 0;
    case S.LINUX_REBOOT_CMD_CAD_OFF:
      k.ctrlAltDel = false;
      return 0;
    default:
      return -EINVAL;
  }
}

/** In a PID namespace below the first it ends that namespace; who waits for its init sees which way (reboot_pid_ns, reboot(2)). */
function rebootPidNs(k: Kernel, ns: PidNamespace, cmd: number): number {
  switch (cmd) {
    case S.LINUX_REBOOT_CMD_RESTART:
    case S.LINUX_REBOOT_CMD_RESTART2:
      ns.reboot = SIGHUP;
      break;
    case S.LINUX_REBOOT_CMD_HALT:
    case S.LINUX_REBOOT_CMD_POWER_OFF:
      ns.reboot = SIGINT;
      break;
    default:
      return -EINVAL;
  }
  if (ns.childReaper !== null) sendSignalTo(k, ns.childReaper, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  doExit(k, k.current, 0);
  return 0;
}
