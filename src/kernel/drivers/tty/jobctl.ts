import { EIO, ERESTARTSYS } from '../../../abi/errno.ts';
import { SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, sigBit } from '../../../abi/signal.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import type { Task } from '../../sched/task.ts';
import { isOrphanedPgrp, killPgrp } from '../../signal.ts';
import { wakeUpAll } from '../../sched/wait.ts';
import type { Tty, TtyFile } from './tty.ts';

// Sessions, foreground groups and hangups (drivers/tty/tty_jobctrl.c).

/** The controlling terminal of a task, or null. */
export function controllingTty(k: Kernel, task: Task): Tty | null {
  const { tty } = task.signal;
  return tty === null ? null : (k.drivers.ttys.get(tty.dev) ?? null);
}
function isIgnored(task: Task, sig: number): boolean {
  return (task.blocked & sigBit(sig)) !== 0n || task.sighand.action[sig - 1].handler === SIG_IGN;
}

/** May the caller, perhaps in a background group, read (`sig` SIGTTIN) or change (SIGTTOU) the terminal? 0, -EIO, or -ERESTARTSYS after the signal. */
export function ttyCheckChange(k: Kernel, tty: Tty, sig = SIGTTOU): number {
  const task = k.current;
  if (controllingTty(k, task) !== tty) return 0;
  const { pgid } = task.signal;
  if (tty.pgrp === 0 || tty.pgrp === pgid) return 0;
  if (isIgnored(task, sig)) return sig === SIGTTIN ? -EIO : 0;
  if (isOrphanedPgrp(k, pgid, null)) return -EIO;
  killPgrp(k, pgid, sig);
  return -ERESTARTSYS;
}

export function isSessionLeader(task: Task): boolean {
  return task.signal.sid === task.tgid;
}
/** Makes `tty` the controlling terminal of the caller's session. */
export function procSetTty(k: Kernel, tty: Tty): void {
  tty.session = k.current.signal.sid;
  tty.pgrp = k.current.signal.pgid;
  k.current.signal.tty = tty;
}
/** No process keeps `tty` as its controlling terminal (session_clear_tty). */
function sessionClearTty(k: Kernel, tty: Tty): void {
  for (const task of k.sched.tasks.values()) if (task.signal.tty === tty) task.signal.tty = null;
  tty.session = 0;
  tty.pgrp = 0;
}

/** Ends every open of the terminal but those of /dev/console: reads give end of file, writes EIO. The session hears SIGHUP and SIGCONT. */
export function ttyVhangup(k: Kernel, tty: Tty, exitSession = false): void {
  for (const file of tty.files as File[]) {
    const data = file.data as TtyFile;
    if (!data.console) data.hungUp = true;
  }
  const { session, pgrp } = tty;
  const leader = session !== 0 ? k.sched.tasks.get(session) : undefined;
  if (leader !== undefined && leader.exitState === 0) {
    k.sched.sendSignal(leader, SIGHUP);
    k.sched.sendSignal(leader, SIGCONT);
  }
  if (exitSession && pgrp !== 0) killPgrp(k, pgrp, SIGHUP);
  sessionClearTty(k, tty);
  tty.stopped = false;
  wakeUpAll(k, tty.readWait);
  wakeUpAll(k, tty.writeWait);
}

/** A session leader gives its terminal up: TIOCNOTTY, or its exit (do_exit calls this with `onExit`). */
export function disassociateCtty(k: Kernel, task: Task, onExit: boolean): void {
  const tty = controllingTty(k, task);
  if (tty === null) return;
  if (!isSessionLeader(task)) {
    task.signal.tty = null;
    return;
  }
  if (onExit && !tty.isPty) ttyVhangup(k, tty, true);
  else if (tty.pgrp !== 0) {
    killPgrp(k, tty.pgrp, SIGHUP);
    if (!onExit) killPgrp(k, tty.pgrp, SIGCONT);
  }
  sessionClearTty(k, tty);
}
/** Nobody has the terminal open any more. */
export function ttyForget(k: Kernel, tty: Tty): void {
  sessionClearTty(k, tty);
}
