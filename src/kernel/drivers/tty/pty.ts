import { EIO, ENOSPC } from '../../../abi/errno.ts';
import { makeDev, minorOf } from '../../../abi/fs.ts';
import { B38400, CREAD, CS8 } from '../../../abi/termios.ts';
import { devptsAddNode, devptsRemoveNode } from '../../fs/devpts/devpts.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { wakeUpAll } from '../../sched/wait.ts';
import { ttyVhangup } from './jobctl.ts';
import { stdTermios } from './termios.ts';
import { Tty } from './tty.ts';
import { ttyAttach, ttyFileOps } from './tty_io.ts';

// Unix98 pseudoterminals (drivers/tty/pty.c): opening /dev/ptmx makes a pair; the slave appears in devpts.

const PTM_MAJOR = 128;
export const PTS_MAJOR = 136;
/** kernel.pty.max. */
export const PTY_MAX = 4096;

function lowestIndex(k: Kernel): number {
  let n = 0;
  while (k.drivers.ttys.has(makeDev(PTS_MAJOR, n))) n++;
  return n;
}
/** Pseudoterminals in use (kernel.pty.nr). */
export function ptyCount(k: Kernel): number {
  let n = 0;
  for (const tty of k.drivers.ttys.values()) if (tty.kind === 'pts') n++;
  return n;
}

function ptmxOpen(k: Kernel, file: File): number {
  const index = lowestIndex(k);
  if (index >= PTY_MAX) return -ENOSPC;
  const cflag = B38400 | CS8 | CREAD;
  const masterTermios = stdTermios(cflag);
  masterTermios.iflag = masterTermios.oflag = masterTermios.lflag = 0;
  const master = new Tty(k, 'ptm', 'ptmx', PTM_MAJOR, index, index, masterTermios);
  const slave = new Tty(k, 'pts', `pts/${index}`, PTS_MAJOR, index, index, stdTermios(cflag));
  master.link = slave;
  slave.link = master;
  slave.locked = true;
  k.drivers.ttys.set(slave.dev, slave);
  devptsAddNode(k, index, makeDev(PTS_MAJOR, index), k.current.cred.fsuid, k.current.cred.fsgid);
  ttyAttach(master, file, false);
  return 0;
}

/** May this end be opened? Opening the slave again ends the master's end-of-file. */
export function ptyOpenCheck(tty: Tty): number {
  if (tty.kind !== 'pts') return 0;
  if (tty.otherClosed || tty.locked) return -EIO;
  if (tty.link !== null) tty.link.otherClosed = false;
  return 0;
}

/** One open of an end is gone. */
export function ptyRelease(k: Kernel, tty: Tty): void {
  const other = tty.link;
  if (tty.files.length > 0 || other === null) return;
  other.otherClosed = true;
  wakeUpAll(k, other.readWait);
  wakeUpAll(k, other.writeWait);
  if (tty.kind === 'ptm') {
    tty.packet = false;
    devptsRemoveNode(k, tty.index);
    ttyVhangup(k, other);
    if (other.files.length === 0) k.drivers.ttys.delete(other.dev);
  } else if (tty.otherClosed) k.drivers.ttys.delete(tty.dev);
}

/** /dev/ptmx and the ptmx node of devpts. */
export const ptmxFileOps: FileOperations = { ...ttyFileOps, open: (k, _inode, file) => ptmxOpen(k, file) };
/** TIOCGPTN. */
export const ptyNumber = (tty: Tty) => minorOf(tty.dev);
