import { makeDev } from '../../../abi/fs.ts';
import { B9600, CLOCAL, CREAD, CS8, HUPCL } from '../../../abi/termios.ts';
import { devptsInit } from '../../fs/devpts/devpts.ts';
import type { Kernel } from '../../kernel.ts';
import { ptmxFileOps, PTS_MAJOR, PTY_MAX } from './pty.ts';
import { stdTermios } from './termios.ts';
import { Tty } from './tty.ts';
import { TTY_MAJOR, TTYAUX_MAJOR, ttyFileOps } from './tty_io.ts';
import { resizeTty } from './tty_ioctl.ts';

/** Minor of ttyS0; virtual terminals lie below. */
const SERIAL_MINOR = 64;
const VT_ROWS = 25;
const VT_COLUMNS = 80;
const PTM_MAJOR = 128;
const MISC_MAJOR = 10;

/** Registers the terminal drivers and makes their device nodes. /dev/console is ttyS0, the host's terminal; tty1 is a dummy console. */
export function ttyInit(k: Kernel): void {
  const { drivers } = k;
  const serial = new Tty(k, 'serial', 'ttyS0', TTY_MAJOR, SERIAL_MINOR, 0, stdTermios(B9600 | CS8 | CREAD | HUPCL | CLOCAL, 9600));
  drivers.ttys.set(serial.dev, serial);
  drivers.console = serial;
  const vt = new Tty(k, 'vt', 'tty1', TTY_MAJOR, 1, 1, stdTermios());
  vt.winsize = { row: VT_ROWS, col: VT_COLUMNS, xpixel: 0, ypixel: 0 };
  drivers.ttys.set(vt.dev, vt);

  drivers.registerChrdev(TTY_MAJOR, 0, 1, '/dev/vc/0', ttyFileOps);
  drivers.registerChrdev(TTY_MAJOR, 1, 63, 'tty', ttyFileOps);
  drivers.registerChrdev(TTY_MAJOR, SERIAL_MINOR, 4, 'ttyS', ttyFileOps);
  drivers.registerChrdev(TTYAUX_MAJOR, 0, 1, '/dev/tty', ttyFileOps);
  drivers.registerChrdev(TTYAUX_MAJOR, 1, 1, '/dev/console', ttyFileOps);
  drivers.registerChrdev(TTYAUX_MAJOR, 2, 1, '/dev/ptmx', ptmxFileOps);
  drivers.registerRegion(MISC_MAJOR, 0, 256, 'misc');
  drivers.registerRegion(PTM_MAJOR, 0, PTY_MAX, 'ptm');
  drivers.registerChrdev(PTS_MAJOR, 0, PTY_MAX, 'pts', ttyFileOps);

  drivers.createNode('console', 0o600, makeDev(TTYAUX_MAJOR, 1));
  drivers.createNode('tty', 0o666, makeDev(TTYAUX_MAJOR, 0));
  drivers.createNode('ptmx', 0o666, makeDev(TTYAUX_MAJOR, 2));
  drivers.createNode('tty0', 0o600, makeDev(TTY_MAJOR, 0));
  drivers.createNode('tty1', 0o600, makeDev(TTY_MAJOR, 1));
  drivers.createNode('ttyS0', 0o600, makeDev(TTY_MAJOR, SERIAL_MINOR));
  devptsInit(k);
}

/** Bytes that were typed at the host's terminal. */
export function consoleInput(k: Kernel, bytes: Uint8Array): void {
  k.drivers.console.deliver(bytes.slice());
}
/** The host's terminal has this size now. */
export function consoleResize(k: Kernel, columns: number, rows: number): void {
  resizeTty(k, k.drivers.console, { row: rows & 0xffff, col: columns & 0xffff, xpixel: 0, ypixel: 0 });
}
