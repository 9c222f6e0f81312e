import * as T from '../../../abi/termios.ts';

/** Settings of a terminal (struct ktermios). */
export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  readonly cc: Uint8Array;
  ispeed: number;
  ospeed: number;
}

/** INIT_C_CC: ^C ^\ DEL ^U ^D, TIME 0, MIN 1, ^Q ^S ^Z, ^R ^O ^W ^V. */
const INIT_CC = [3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0, 0, 0];

/** tty_std_termios: 38400 baud, cooked. */
export function stdTermios(cflag = T.B38400 | T.CS8 | T.CREAD | T.HUPCL, speed = 38400): Termios {
  return {
    iflag: T.ICRNL | T.IXON,
    oflag: T.OPOST | T.ONLCR,
    cflag,
    lflag: T.ISIG | T.ICANON | T.ECHO | T.ECHOE | T.ECHOK | T.ECHOCTL | T.ECHOKE | T.IEXTEN,
    line: 0,
    cc: Uint8Array.from(INIT_CC),
    ispeed: speed,
    ospeed: speed,
  };
}
/** All zero. */
export function noTermios(): Termios {
  return { iflag: 0, oflag: 0, cflag: 0, lflag: 0, line: 0, cc: new Uint8Array(T.NCCS), ispeed: 0, ospeed: 0 };
}
export function cloneTermios(t: Termios): Termios {
  return { ...t, cc: t.cc.slice() };
}

/** Bits per second for the CBAUD codes 0..15 and 0x1001..0x100f (tty_baudrate.c). */
const BAUD = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const BAUD_EXT = [
  0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
];

function baudRate(code: number, other: number): number {
  const cbaud = code & T.CBAUD;
  if (cbaud === T.BOTHER) return other;
  return (cbaud & T.BOTHER) !== 0 ? BAUD_EXT[cbaud & 15] : BAUD[cbaud & 15];
}

/** struct termios or termios2 as user space sees it. */
export function encodeTermios(t: Termios, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const v = new DataView(bytes.buffer);
  v.setUint32(0, t.iflag, true);
  v.setUint32(4, t.oflag, true);
  v.setUint32(8, t.cflag, true);
  v.setUint32(12, t.lflag, true);
  v.setUint8(16, t.line);
  bytes.set(t.cc, 17);
  if (size >= T.TERMIOS2_SIZE) {
    v.setUint32(36, t.ispeed, true);
    v.setUint32(40, t.ospeed, true);
  }
  return bytes;
}
export function encodeTermio(t: Termios): Uint8Array {
  const bytes = new Uint8Array(T.TERMIO_SIZE);
  const v = new DataView(bytes.buffer);
  [t.iflag, t.oflag, t.cflag, t.lflag].forEach((flags, i) => {
    v.setUint16(i * 2, flags, true);
  });
  v.setUint8(8, t.line);
  bytes.set(t.cc.subarray(0, T.NCC), 9);
  return bytes;
}
/** System V's struct termio says the lower half of the flags (user_termio_to_kernel_termios). */
export function decodeTermio(bytes: Uint8Array, old: Termios): Termios {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const full = encodeTermios(old, T.TERMIOS_SIZE);
  const out = new DataView(full.buffer);
  for (let i = 0; i < 4; i++) out.setUint16(i * 4, v.getUint16(i * 2, true), true);
  full[16] = bytes[8];
  full.set(bytes.subarray(9, 9 + T.NCC), 17);
  return decodeTermios(full, old);
}
/** What is locked (set in `locked`) stays as it was (unset_locked_termios). */
export function keepLocked(next: Termios, old: Termios, locked: Termios): Termios {
  const mix = (now: number, before: number, mask: number) => ((now & ~mask) | (before & mask)) >>> 0;
  return {
    ...next,
    iflag: mix(next.iflag, old.iflag, locked.iflag),
    oflag: mix(next.oflag, old.oflag, locked.oflag),
    cflag: mix(next.cflag, old.cflag, locked.cflag),
    lflag: mix(next.lflag, old.lflag, locked.lflag),
    line: locked.line !== 0 ? old.line : next.line,
    cc: next.cc.map((c, i) => (locked.cc[i] !== 0 ? old.cc[i] : c)),
  };
}
/** The settings that `bytes` ask for; speeds follow c_cflag unless BOTHER gives them. */
export function decodeTermios(bytes: Uint8Array, old: Termios): Termios {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cflag = v.getUint32(8, true);
  const two = bytes.length >= T.TERMIOS2_SIZE;
  const ospeed = baudRate(cflag, two ? v.getUint32(40, true) : old.ospeed);
  const icode = (cflag >>> T.IBSHIFT) & T.CBAUD;
  return {
    iflag: v.getUint32(0, true),
    oflag: v.getUint32(4, true),
    cflag,
    lflag: v.getUint32(12, true),
    line: v.getUint8(16),
    cc: bytes.slice(17, 17 + T.NCCS),
    ispeed: icode === T.B0 ? ospeed : baudRate(icode, two ? v.getUint32(36, true) : old.ispeed),
    ospeed,
  };
}
