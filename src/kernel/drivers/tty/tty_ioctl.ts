import { EFAULT, EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from '../../../abi/errno.ts';
import { FMODE_READ } from '../../../abi/fs.ts';
import * as T from '../../../abi/termios.ts';
import { sysctlValue } from '../../fs/proc/proc_sysctl.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { copyFromUser, copyToUser, getUser32, putUser32 } from '../../mm/uaccess.ts';
import { waitInterruptible } from '../../sched/wait.ts';
import { SIGWINCH } from '../../../abi/signal.ts';
import { killPgrp } from '../../signal.ts';
import { controllingTty, disassociateCtty, isSessionLeader, procSetTty, ttyCheckChange, ttyVhangup } from './jobctl.ts';
import { ptyNumber } from './pty.ts';
import { decodeTermio, decodeTermios, encodeTermio, encodeTermios, keepLocked } from './termios.ts';
import type { Tty, TtyFile } from './tty.ts';

const CAP_SYS_ADMIN = 21;
const CAP_SYS_TTY_CONFIG = 26;
const CAP_CHECKPOINT_RESTORE = 40;
const N_TTY = 0;

/** ioctl of an open terminal (tty_io.c, tty_ioctl.c, tty_jobctrl.c, pty.c). Unknown commands are ENOTTY. */
export function ttyIoctl(k: Kernel, file: File, cmd: number, arg: number): number {
  const data = file.data as TtyFile;
  const { tty } = data;
  const c = cmd >>> 0;
  if (data.hungUp) return c === T.TIOCSPGRP ? -ENOTTY : -EIO;
  // Settings of a pseudoterminal are the slave's, whichever end asks.
  const real = tty.kind === 'ptm' ? (tty.link as Tty) : tty;
  if (tty.isPty) {
    const r = ptyIoctl(k, tty, c, arg);
    if (r !== -ENOTTY) return r;
  }
  switch (c) {
    case T.TCGETS:
      return copyToUser(k, arg, encodeTermios(real.termios, T.TERMIOS_SIZE));
    case T.TCGETS2:
      return copyToUser(k, arg, encodeTermios(real.termios, T.TERMIOS2_SIZE));
    case T.TCSETS:
    case T.TCSETSW:
    case T.TCSETSF:
      return setTermios(k, tty, real, arg, T.TERMIOS_SIZE, c === T.TCSETSF, c !== T.TCSETS);
    case T.TCSETS2:
    case T.TCSETSW2:
    case T.TCSETSF2:
      return setTermios(k, tty, real, arg, T.TERMIOS2_SIZE, c === T.TCSETSF2, c !== T.TCSETS2);
    case T.TCGETA:
      return copyToUser(k, arg, encodeTermio(real.termios));
    case T.TCSETA:
    case T.TCSETAW:
    case T.TCSETAF:
      return setTermios(k, tty, real, arg, T.TERMIO_SIZE, c === T.TCSETAF, c !== T.TCSETA);
    case T.TIOCGLCKTRMIOS:
      return copyToUser(k, arg, encodeTermios(real.termiosLocked, T.TERMIOS_SIZE));
    case T.TIOCSLCKTRMIOS: {
      if (!k.current.capable(CAP_SYS_ADMIN) && !k.current.capable(CAP_CHECKPOINT_RESTORE)) return -EPERM;
      const bytes = copyFromUser(k, arg, T.TERMIOS_SIZE);
      if (typeof bytes === 'number') return -EFAULT;
      real.termiosLocked = decodeTermios(bytes, real.termiosLocked);
      return 0;
    }
    case T.TCFLSH:
      return flush(k, tty, arg | 0);
    case T.TCXONC:
      return flowControl(k, tty, arg | 0);
    case T.TCSBRK:
    case T.TCSBRKP: {
      const r = ttyCheckChange(k, tty);
      return r < 0 ? r : drained(k, tty);
    }
    case T.TIOCSBRK:
    case T.TIOCCBRK:
      return tty.kind === 'serial' ? 0 : -ENOTTY;
    case T.TIOCOUTQ:
      return putUser32(k, arg, tty.outputQueued());
    case T.FIONREAD:
      return putUser32(k, arg, tty.ldisc.inputCount());
    case T.TIOCGWINSZ:
      return getWinsize(k, real, arg);
    case T.TIOCSWINSZ:
      return setWinsizeFromUser(k, tty, arg);
    case T.TIOCEXCL:
      tty.exclusive = true;
      return 0;
    case T.TIOCNXCL:
      tty.exclusive = false;
      return 0;
    case T.TIOCGEXCL:
      return putUser32(k, arg, tty.exclusive ? 1 : 0);
    case T.TIOCSCTTY:
      return setControlling(k, real, file, arg | 0);
    case T.TIOCNOTTY:
      if (controllingTty(k, k.current) !== tty) return -ENOTTY;
      disassociateCtty(k, k.current, false);
      return 0;
    case T.TIOCGPGRP:
      if (tty === real && controllingTty(k, k.current) !== real) return -ENOTTY;
      return putUser32(k, arg, real.pgrp);
    case T.TIOCSPGRP:
      return setForeground(k, real, arg);
    case T.TIOCGSID:
      if ((tty === real && controllingTty(k, k.current) !== real) || real.session === 0) return -ENOTTY;
      return putUser32(k, arg, real.session);
    case T.TIOCGETD:
      return putUser32(k, arg, N_TTY);
    case T.TIOCSETD: {
      const n = getUser32(k, arg);
      if (n === -EFAULT) return n;
      return n === N_TTY ? 0 : -EINVAL;
    }
    case T.TIOCSTI: {
      const admin = k.current.capable(CAP_SYS_ADMIN);
      if (sysctlValue(k, 'dev/tty/legacy_tiocsti', 0) === 0 && !admin) return -EIO;
      if (controllingTty(k, k.current) !== tty && !admin) return -EPERM;
      const b = copyFromUser(k, arg, 1);
      if (typeof b === 'number') return b;
      tty.deliver(b.slice());
      return 0;
    }
    case T.TIOCVHANGUP:
      if (!k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
      ttyVhangup(k, tty);
      return 0;
    case T.TIOCGDEV:
      return putUser32(k, arg, real.dev);
    case T.TIOCMGET:
      if (tty.kind !== 'serial') return -ENOTTY;
      return putUser32(k, arg, T.TIOCM_DTR | T.TIOCM_RTS | T.TIOCM_CTS | T.TIOCM_CAR | T.TIOCM_DSR | T.TIOCM_OUT2);
    case T.TIOCMSET:
    case T.TIOCMBIS:
    case T.TIOCMBIC:
      return tty.kind === 'serial' ? (getUser32(k, arg) === -EFAULT ? -EFAULT : 0) : -ENOTTY;
    case T.TIOCGSOFTCAR:
      return putUser32(k, arg, (real.termios.cflag & T.CLOCAL) !== 0 ? 1 : 0);
    case T.TIOCSSOFTCAR: {
      const on = getUser32(k, arg);
      if (on === -EFAULT) return on;
      real.termios.cflag = on !== 0 ? real.termios.cflag | T.CLOCAL : real.termios.cflag & ~T.CLOCAL;
      return 0;
    }
    default:
      return -ENOTTY;
  }
}

function ptyIoctl(k: Kernel, tty: Tty, cmd: number, arg: number): number {
  if (tty.kind !== 'ptm') return -ENOTTY;
  const slave = tty.link as Tty;
  switch (cmd) {
    case T.TIOCSPTLCK: {
      const v = getUser32(k, arg);
      if (v === -EFAULT) return v;
      slave.locked = v !== 0;
      return 0;
    }
    case T.TIOCGPTLCK:
      return putUser32(k, arg, slave.locked ? 1 : 0);
    case T.TIOCPKT: {
      const v = getUser32(k, arg);
      if (v === -EFAULT) return v;
      if (v !== 0 && !tty.packet) tty.packetStatus = 0;
      tty.packet = v !== 0;
      return 0;
    }
    case T.TIOCGPKT:
      return putUser32(k, arg, tty.packet ? 1 : 0);
    case T.TIOCGPTN:
      return putUser32(k, arg, ptyNumber(tty));
    case T.TIOCSIG:
      if (arg < 1 || arg > 64) return -EINVAL;
      if (slave.pgrp !== 0) killPgrp(k, slave.pgrp, arg);
      return 0;
    default:
      return -ENOTTY;
  }
}

/** TCSADRAIN: output is with the device at once, unless it is stopped. */
function drained(k: Kernel, tty: Tty): number {
  if (tty.isPty || !tty.stopped || tty.outputQueued() === 0) return 0;
  const w = waitInterruptible(k, tty.writeWait);
  return w === -ERESTARTSYS ? -ERESTARTSYS : w;
}

function setTermios(k: Kernel, tty: Tty, real: Tty, arg: number, size: number, flushIn: boolean, wait: boolean): number {
  const allowed = ttyCheckChange(k, real);
  if (allowed < 0) return allowed;
  const bytes = copyFromUser(k, arg, size);
  if (typeof bytes === 'number') return bytes;
  if (wait) {
    const r = drained(k, tty);
    if (r < 0) return r;
  }
  if (flushIn) real.flushInput();
  const next = size === T.TERMIO_SIZE ? decodeTermio(bytes, real.termios) : decodeTermios(bytes, real.termios);
  real.setTermios(keepLocked(next, real.termios, real.termiosLocked));
  return 0;
}
function flush(k: Kernel, tty: Tty, which: number): number {
  const allowed = ttyCheckChange(k, tty);
  if (allowed < 0) return allowed;
  if (which !== T.TCIFLUSH && which !== T.TCOFLUSH && which !== T.TCIOFLUSH) return -EINVAL;
  if (which !== T.TCOFLUSH) tty.flushInput();
  if (which !== T.TCIFLUSH) tty.flushOutput();
  return 0;
}
function flowControl(k: Kernel, tty: Tty, action: number): number {
  const allowed = ttyCheckChange(k, tty);
  if (allowed < 0) return allowed;
  switch (action) {
    case T.TCOOFF:
      tty.stop();
      return 0;
    case T.TCOON:
      tty.start();
      return 0;
    case T.TCIOFF:
    case T.TCION: {
      const c = tty.termios.cc[action === T.TCIOFF ? T.VSTOP : T.VSTART];
      if (c !== 0) tty.put([c]);
      return 0;
    }
    default:
      return -EINVAL;
  }
}

function getWinsize(k: Kernel, tty: Tty, arg: number): number {
  const w = tty.winsize;
  return copyToUser(k, arg, new Uint8Array(Uint16Array.of(w.row, w.col, w.xpixel, w.ypixel).buffer));
}
function setWinsizeFromUser(k: Kernel, tty: Tty, arg: number): number {
  const bytes = copyFromUser(k, arg, 8);
  if (typeof bytes === 'number') return bytes;
  const v = new DataView(bytes.buffer, bytes.byteOffset, 8);
  resizeTty(k, tty, { row: v.getUint16(0, true), col: v.getUint16(2, true), xpixel: v.getUint16(4, true), ypixel: v.getUint16(6, true) });
  return 0;
}
/** A new window size: SIGWINCH to the foreground group when it differs (tty_do_resize, pty_resize). */
export function resizeTty(k: Kernel, tty: Tty, size: Tty['winsize']): void {
  const old = tty.winsize;
  if (old.row === size.row && old.col === size.col && old.xpixel === size.xpixel && old.ypixel === size.ypixel) return;
  const groups = new Set([tty.pgrp, tty.link?.pgrp ?? 0]);
  for (const pgrp of groups) if (pgrp !== 0) killPgrp(k, pgrp, SIGWINCH);
  tty.winsize = size;
  if (tty.link !== null) tty.link.winsize = size;
}

function setControlling(k: Kernel, tty: Tty, file: File, arg: number): number {
  const task = k.current;
  const leader = isSessionLeader(task);
  if (leader && tty.session === task.signal.sid) return 0;
  if (!leader || controllingTty(k, task) !== null) return -EPERM;
  // Stealing another session's terminal is root's, and asked for explicitly.
  if (tty.session !== 0 && !(arg === 1 && task.capable(CAP_SYS_ADMIN))) return -EPERM;
  if ((file.mode & FMODE_READ) === 0 && !task.capable(CAP_SYS_ADMIN) && !task.capable(CAP_SYS_TTY_CONFIG)) return -EPERM;
  procSetTty(k, tty);
  return 0;
}
function setForeground(k: Kernel, tty: Tty, arg: number): number {
  const allowed = ttyCheckChange(k, tty);
  if (allowed < 0) return allowed === -EIO ? -ENOTTY : allowed;
  const task = k.current;
  if (controllingTty(k, task) !== tty) return -ENOTTY;
  const v = getUser32(k, arg);
  if (v === -EFAULT) return v;
  const pgrp = v | 0;
  if (pgrp < 0) return -EINVAL;
  // A process that leads no group counts by its own session (session_of_pgrp).
  const member = [...k.sched.tasks.values()].find((t) => t.signal.pgid === pgrp) ?? k.sched.tasks.get(pgrp);
  if (member === undefined) return -ESRCH;
  if (member.signal.sid !== task.signal.sid) return -EPERM;
  tty.pgrp = pgrp;
  return 0;
}
