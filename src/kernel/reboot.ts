import { EINVAL, EPERM } from '../abi/errno.ts';
import * as S from '../abi/sched.ts';
import type { Kernel } from './kernel.ts';
import { doExit } from './exit.ts';
import { strncpyFromUser } from './mm/uaccess.ts';
import { nsCapable } from './nsproxy.ts';
import type { PidNamespace } from './pid_namespace.ts';
import { SIGHUP, SIGINT, SIGKILL, SI_KERNEL } from '../abi/signal.ts';
import { sendSignalTo } from './signal.ts';
import { device as DEV, device_driver as DRIVER, platform_device as PDEV, platform_driver as PDRV } from '../abi/layout/structs.ts';
import { kzalloc } from './fs/module_file.ts';
import { writeText } from './lib/access.ts';
import { readKernel64 } from './mm/maccess.ts';
import { callGuest } from './module/call.ts';
import { callChain } from './notifier.ts';
import { BLOCKED } from './sched/wait.ts';

// reboot(2) (kernel/reboot.c): the run loop stops when `halted` is set.

/** SYS_RESTART, SYS_HALT and SYS_POWER_OFF of the reboot notifiers. */
const EVENTS: ReadonlyMap<number, number> = new Map([
  [S.LINUX_REBOOT_CMD_RESTART, 1],
  [S.LINUX_REBOOT_CMD_RESTART2, 1],
  [S.LINUX_REBOOT_CMD_HALT, 2],
  [S.LINUX_REBOOT_CMD_POWER_OFF, 3],
]);
/** kernel_restart_prepare and kin: the reboot notifiers, then the shutdown functions of drivers, the device registered last first. 0, -errno or BLOCKED. */
function tellModules(k: Kernel, event: number, command: number): number {
  let text = 0;
  if (command !== 0) {
    const words = strncpyFromUser(k, command, 256);
    if (typeof words === 'number') return words;
    text = (k.current.restart?.['command'] as number | undefined) ?? kzalloc(k, 256);
    k.current.restart = { ...k.current.restart, command: text };
    writeText(k, text, words);
  }
  if (callChain(k, k.notifiers.get('reboot') ?? 0, event, text) === null) return BLOCKED;
  const { devices, objects } = k.drivers.model;
  for (const dev of [...devices.keys()].reverse()) {
    const drv = readKernel64(k, dev + DEV.driver) ?? 0;
    if (drv === 0) continue;
    const platform = readKernel64(k, dev + DEV.bus) === objects.platformBusType;
    const fn = readKernel64(k, platform ? drv - PDRV.driver + PDRV.shutdown : drv + DRIVER.shutdown) ?? 0;
    if (fn !== 0 && callGuest(k, fn, platform ? dev - PDEV.dev : dev) === null) return BLOCKED;
  }
  return 0;
}

export function reboot(k: Kernel, magic1: number, magic2: number, cmd: number, arg: number): number {
  const ns = k.current.pidNs;
  if (!nsCapable(k.current, ns.owner, S.CAP_SYS_BOOT)) return -EPERM;
  if (magic1 !== S.LINUX_REBOOT_MAGIC1 || !S.LINUX_REBOOT_MAGIC2.includes(magic2)) return -EINVAL;
  if (ns.parent !== null) return rebootPidNs(k, ns, cmd);
  const event = EVENTS.get(cmd);
  if (event !== undefined) {
    const r = tellModules(k, event, cmd === S.LINUX_REBOOT_CMD_RESTART2 ? arg : 0);
    if (r < 0) return r;
  }
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
