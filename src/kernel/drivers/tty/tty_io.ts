import { EAGAIN, EBUSY, EFAULT, EIO, ENXIO, ERESTARTSYS } from '../../../abi/errno.ts';
import {
  FMODE_READ,
  majorOf,
  makeDev,
  minorOf,
  O_NOCTTY,
  O_NONBLOCK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from '../../../abi/fs.ts';
import { OPOST, TOSTOP, VMIN, VTIME } from '../../../abi/termios.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { BLOCKED, waitInterruptible, wakeUpAll } from '../../sched/wait.ts';
import { signalPending } from '../../signal.ts';
import { SIGTTIN, SIGTTOU } from '../../../abi/signal.ts';
import { controllingTty, isSessionLeader, procSetTty, ttyCheckChange, ttyForget } from './jobctl.ts';
import { ptyRelease, ptyOpenCheck } from './pty.ts';
import type { Tty, TtyFile } from './tty.ts';
import { ttyIoctl } from './tty_ioctl.ts';

// Open, read, write and poll of terminals (drivers/tty/tty_io.c and the reading half of n_tty.c).

const CAP_SYS_ADMIN = 21;
export const TTY_MAJOR = 4;
export const TTYAUX_MAJOR = 5;
/** Tenths of a second, the unit of VTIME, in ns. */
const DECISECOND = 100_000_000;
/** Input is processed at most this many bytes at a time. */
const CHUNK = 4096;
/** An output character becomes up to 8 (a tab). */
const MAX_EXPANSION = 8;

const dataOf = (file: File) => file.data as TtyFile;
export const ttyOf = (file: File) => dataOf(file).tty;

/** Attaches an open file to a terminal. */
export function ttyAttach(tty: Tty, file: File, console: boolean): void {
  file.data = { tty, console, hungUp: false } satisfies TtyFile;
  tty.files.push(file);
}

function ttyOpen(k: Kernel, dev: number, file: File): number {
  const { drivers } = k;
  let tty: Tty | undefined;
  let console = false;
  let noctty = (file.flags & O_NOCTTY) !== 0;
  if (dev === makeDev(TTYAUX_MAJOR, 0)) {
    tty = controllingTty(k, k.current) ?? undefined;
    noctty = true;
  } else if (dev === makeDev(TTYAUX_MAJOR, 1)) {
    tty = drivers.console;
    console = noctty = true;
  } else if (dev === makeDev(TTY_MAJOR, 0)) {
    tty = drivers.ttys.get(makeDev(TTY_MAJOR, 1));
    noctty = true;
  } else tty = drivers.ttys.get(dev);
  if (tty === undefined) return majorOf(dev) === TTYAUX_MAJOR || majorOf(dev) === TTY_MAJOR ? -ENXIO : -EIO;
  if (tty.exclusive && !k.current.capable(CAP_SYS_ADMIN)) return -EBUSY;
  const refused = ptyOpenCheck(tty);
  if (refused < 0) return refused;
  ttyAttach(tty, file, console);
  const leader = k.current;
  if (
    !noctty &&
    tty.kind !== 'ptm' &&
    isSessionLeader(leader) &&
    tty.session === 0 &&
    controllingTty(k, leader) === null &&
    (file.mode & FMODE_READ) !== 0
  ) {
    procSetTty(k, tty);
  }
  return 0;
}

function ttyRelease(k: Kernel, file: File): void {
  const data = dataOf(file);
  if (data === null) return;
  const { tty } = data;
  const i = tty.files.indexOf(file);
  if (i >= 0) tty.files.splice(i, 1);
  if (tty.isPty) ptyRelease(k, tty);
  else if (tty.files.length === 0) {
    // The last close: nobody's controlling terminal any more.
    ttyForget(k, tty);
    tty.stopped = false;
    tty.exclusive = false;
  }
}

type Iter = Parameters<NonNullable<FileOperations['read']>>[2];

/** Waits for input, with the time limit `deadline` (ns, or Infinity). */
function waitForInput(k: Kernel, file: File, tty: Tty, deadline: number): number {
  if (tty.otherClosed) return -EIO;
  if (dataOf(file).hungUp) return 0;
  if ((file.flags & O_NONBLOCK) !== 0) return -EAGAIN;
  const w = waitInterruptible(k, tty.readWait);
  if (w === BLOCKED && deadline !== Number.POSITIVE_INFINITY) k.sched.scheduleTimeout(k.current, deadline);
  return w;
}

function ttyRead(k: Kernel, file: File, iter: Iter): number {
  const data = dataOf(file);
  const { tty } = data;
  if (data.hungUp) return 0;
  if (iter.count === 0) return 0;
  if (!data.console) {
    const r = ttyCheckChange(k, tty, SIGTTIN);
    if (r < 0) return r;
  }
  const { ldisc } = tty;
  if (tty.packet && tty.packetStatus !== 0) {
    const status = tty.packetStatus;
    tty.packetStatus = 0;
    return iter.copyTo(k, Uint8Array.of(status));
  }
  if (ldisc.canonical) {
    if (!ldisc.inputAvailable(false)) return waitForInput(k, file, tty, Number.POSITIVE_INFINITY);
  } else {
    const r = rawReady(k, file, tty, iter.count);
    if (r !== 1) return r;
  }
  const head = tty.packet ? iter.copyTo(k, Uint8Array.of(0)) : 0;
  if (head < 0) return head;
  const bytes = ldisc.read(iter.count);
  tty.flushToLdisc();
  if (bytes.length === 0) return head;
  const n = iter.copyTo(k, bytes);
  return n < 0 ? -EFAULT : head + n;
}
/** Non-canonical mode: 1 when a read may return now; else what it returns (0, -errno, BLOCKED). MIN and TIME as termios(3) says. */
function rawReady(k: Kernel, file: File, tty: Tty, count: number): number {
  const { ldisc } = tty;
  const min = tty.termios.cc[VMIN];
  const time = tty.termios.cc[VTIME] * DECISECOND;
  const { pending } = ldisc;
  const task = k.current;
  const state = task.restart as { ttyDeadline?: number; ttySeen?: number } | null;
  if (min === 0) {
    if (pending > 0) return 1;
    if (tty.otherClosed) return -EIO;
    const now = k.time.now();
    const deadline = state?.ttyDeadline ?? now + time;
    if (now >= deadline) return 0;
    const w = waitForInput(k, file, tty, deadline);
    if (w === BLOCKED) task.restart = { ttyDeadline: deadline };
    return w;
  }
  if (pending >= Math.min(min, count)) return 1;
  // Bytes that are too few go out all the same when waiting ends for another reason.
  if (pending > 0 && ((file.flags & O_NONBLOCK) !== 0 || tty.otherClosed || dataOf(file).hungUp || signalPending(task))) return 1;
  let deadline = Number.POSITIVE_INFINITY;
  if (time > 0 && pending > 0) {
    const now = k.time.now();
    deadline = state?.ttyDeadline !== undefined && state.ttySeen === pending ? state.ttyDeadline : now + time;
    if (now >= deadline) return 1;
  }
  const w = waitForInput(k, file, tty, deadline);
  if (w === BLOCKED && deadline !== Number.POSITIVE_INFINITY) task.restart = { ttyDeadline: deadline, ttySeen: pending };
  return w;
}

function ttyWrite(k: Kernel, file: File, iter: Iter): number {
  const data = dataOf(file);
  const { tty } = data;
  if (data.hungUp) return -EIO;
  if (!data.console && (tty.termios.lflag & TOSTOP) !== 0) {
    const r = ttyCheckChange(k, tty, SIGTTOU);
    if (r < 0) return r;
  }
  let done = (k.current.restart?.['ttyDone'] as number | undefined) ?? 0;
  if (done > 0) iter.copyFrom(k, done);
  const expansion = (tty.termios.oflag & OPOST) !== 0 ? MAX_EXPANSION : 1;
  while (iter.count > 0) {
    if (data.hungUp || (tty.kind === 'pts' && tty.otherClosed)) return done > 0 ? done : -EIO;
    const room = Math.floor(tty.writeRoom() / expansion);
    if (room <= 0) {
      if ((file.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -EAGAIN;
      const w = waitInterruptible(k, tty.writeWait);
      if (w !== BLOCKED) return done > 0 ? done : -ERESTARTSYS;
      k.current.restart = { ttyDone: done };
      return BLOCKED;
    }
    const bytes = iter.copyFrom(k, Math.min(room, iter.count, CHUNK));
    if (typeof bytes === 'number') return done > 0 ? done : bytes;
    tty.put(tty.ldisc.process(bytes));
    done += bytes.length;
  }
  return done;
}

function ttyPoll(_k: Kernel, file: File, table: { add(q: Tty['readWait']): void } | null): number {
  const data = dataOf(file);
  const { tty } = data;
  if (data.hungUp) return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
  table?.add(tty.readWait);
  table?.add(tty.writeWait);
  let mask = 0;
  if (tty.ldisc.inputAvailable(true)) mask |= POLLIN | POLLRDNORM;
  if (tty.packet && tty.packetStatus !== 0) mask |= POLLPRI | POLLIN | POLLRDNORM;
  if (tty.otherClosed) mask |= POLLHUP;
  if (tty.writeRoom() > 0) mask |= POLLOUT | POLLWRNORM;
  return mask;
}

/** Every terminal but /dev/ptmx. */
export const ttyFileOps: FileOperations = {
  open: (k, inode, file) => ttyOpen(k, inode.rdev, file),
  release: ttyRelease,
  read: ttyRead,
  write: ttyWrite,
  poll: ttyPoll,
  ioctl: (k, file, cmd, arg) => ttyIoctl(k, file, cmd, arg),
};

/** For a listing: the name below /dev of a terminal's number, as `ps` would show it. */
export function ttyDevName(dev: number): string {
  const minor = minorOf(dev);
  if (majorOf(dev) === TTY_MAJOR) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return `pts/${minor}`;
}
/** Wakes everybody who waits on a terminal. */
export function ttyWake(k: Kernel, tty: Tty): void {
  wakeUpAll(k, tty.readWait);
  wakeUpAll(k, tty.writeWait);
}
