import { makeDev } from '../../../abi/fs.ts';
import { TIOCPKT_DOSTOP, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_START, TIOCPKT_STOP } from '../../../abi/termios.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { WaitQueueHead, wakeUpAll } from '../../sched/wait.ts';
import { killPgrp } from '../../signal.ts';
import type { ControllingTty } from '../../signal_types.ts';
import { NTty, type TtyPort } from './n_tty.ts';
import { cloneTermios, noTermios, type Termios } from './termios.ts';

/** serial: the host's terminal; vt: a virtual terminal without a display (Linux's dummy console); pts, ptm: the ends of a pseudoterminal. */
export type TtyKind = 'serial' | 'vt' | 'pts' | 'ptm';

export interface Winsize {
  row: number;
  col: number;
  xpixel: number;
  ypixel: number;
}
/** What `file.data` of an open terminal holds. */
export interface TtyFile {
  readonly tty: Tty;
  /** Opened through /dev/console: exempt from job control and hangups. */
  readonly console: boolean;
  hungUp: boolean;
}

/** Flip buffer limit of a pseudoterminal: a writer waits beyond it (tty_buffer_set_limit in pty.c). */
const PTY_BUFFER_LIMIT = 8192;
const UNLIMITED = 1 << 30;

/** A terminal (struct tty_struct with its port). */
export class Tty implements TtyPort, ControllingTty {
  readonly k: Kernel;
  readonly kind: TtyKind;
  /** As /proc/PID/fd and tty(1) would name it below /dev. */
  readonly name: string;
  readonly dev: number;
  readonly index: number;
  termios: Termios;
  /** Bits that are set here cannot be changed in `termios` (TIOCSLCKTRMIOS). */
  termiosLocked: Termios = noTermios();
  /** What a pseudoterminal goes back to. */
  readonly initTermios: Termios;
  winsize: Winsize = { row: 0, col: 0, xpixel: 0, ypixel: 0 };
  readonly ldisc: NTty;
  /** Session that it controls and its foreground process group; 0 = none. */
  session = 0;
  pgrp = 0;
  readonly files: File[] = [];
  /** Stopped by ^S or TCOOFF. */
  stopped = false;
  exclusive = false;
  /** The other end of a pseudoterminal. */
  link: Tty | null = null;
  otherClosed = false;
  /** Slave: the master has not called unlockpt yet. Master: TIOCPKT is on. */
  locked = false;
  packet = false;
  packetStatus = 0;
  /** Received and not yet taken by the line discipline (the flip buffer). */
  private readonly incoming: Uint8Array[] = [];
  private incomingBytes = 0;
  /** Output held back while stopped. */
  private held: number[] = [];
  readonly readWait = new WaitQueueHead();
  readonly writeWait = new WaitQueueHead();
  rx = 0;
  tx = 0;

  constructor(k: Kernel, kind: TtyKind, name: string, major: number, minor: number, index: number, termios: Termios) {
    this.k = k;
    this.kind = kind;
    this.name = name;
    this.dev = makeDev(major, minor);
    this.index = index;
    this.termios = termios;
    this.initTermios = cloneTermios(termios);
    this.ldisc = new NTty(this);
  }
  get isPty(): boolean {
    return this.kind === 'pts' || this.kind === 'ptm';
  }

  // ---- input ----

  /** Bytes from the device: the host's keyboard, the other end. */
  deliver(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.rx += bytes.length;
    this.incoming.push(bytes);
    this.incomingBytes += bytes.length;
    this.flushToLdisc();
  }
  /** Lets the line discipline take what it has room for; called again when a reader made room. */
  flushToLdisc(): void {
    const before = this.incomingBytes;
    while (this.incoming.length > 0) {
      const chunk = this.incoming[0];
      const n = this.ldisc.receive(chunk);
      this.incomingBytes -= n;
      if (n === chunk.length) this.incoming.shift();
      else {
        this.incoming[0] = chunk.subarray(n);
        break;
      }
    }
    if (this.incomingBytes < before && this.link !== null) wakeUpAll(this.k, this.link.writeWait);
  }
  /** TCFLSH of input. */
  flushInput(): void {
    this.incoming.length = 0;
    this.incomingBytes = 0;
    this.ldisc.flushInput();
    if (this.link !== null) wakeUpAll(this.k, this.link.writeWait);
  }
  inputReady(): void {
    wakeUpAll(this.k, this.readWait);
  }
  inputFlushed(): void {
    this.tellMaster(TIOCPKT_FLUSHREAD);
  }

  // ---- output ----

  /** Bytes that a write may send now. */
  writeRoom(): number {
    if (this.stopped) return 0;
    return this.link === null ? UNLIMITED : Math.max(0, PTY_BUFFER_LIMIT - this.link.incomingBytes);
  }
  put(bytes: readonly number[] | Uint8Array): void {
    if (this.stopped) {
      for (const b of bytes) this.held.push(b);
      return;
    }
    this.tx += bytes.length;
    if (this.kind === 'serial') this.k.host.consoleWrite(bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes));
    else if (this.link !== null && !(this.kind === 'pts' && this.otherClosed)) this.link.deliver(Uint8Array.from(bytes));
  }
  /** Bytes not yet read by the other end (TIOCOUTQ). */
  outputQueued(): number {
    return this.held.length + (this.link?.incomingBytes ?? 0);
  }
  flushOutput(): void {
    this.held = [];
    if (this.link !== null) {
      this.link.incoming.length = 0;
      this.link.incomingBytes = 0;
      this.tellMaster(TIOCPKT_FLUSHWRITE);
      wakeUpAll(this.k, this.writeWait);
    }
  }
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.tellMaster(TIOCPKT_STOP, TIOCPKT_START);
  }
  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    const held = this.held;
    this.held = [];
    if (held.length > 0) this.put(held);
    this.tellMaster(TIOCPKT_START, TIOCPKT_STOP);
    wakeUpAll(this.k, this.writeWait);
  }
  /** Packet mode: the master's next read reports `status`. */
  tellMaster(status: number, clear = 0): void {
    const master = this.link;
    if (this.kind !== 'pts' || master === null || !master.packet) return;
    master.packetStatus = (master.packetStatus & ~clear) | status;
    wakeUpAll(this.k, master.readWait);
  }

  signalForeground(sig: number): void {
    if (this.pgrp !== 0) killPgrp(this.k, this.pgrp, sig);
  }
  /** New settings, as TCSETS or a driver gives them. */
  setTermios(next: Termios): void {
    const old = this.termios;
    if (this.kind === 'pts') next.cflag = (next.cflag & ~0x130) | 0xb0; // always 8 bits, no parity, receiver on
    this.termios = next;
    this.ldisc.settingsChanged(old.lflag, old.iflag);
    const flow = (t: Termios) => (t.iflag & 0x400) !== 0 && t.cc[9] === 0x13 && t.cc[8] === 0x11;
    if (this.kind === 'pts' && flow(old) !== flow(next))
      this.tellMaster(flow(next) ? TIOCPKT_DOSTOP : 16, flow(next) ? 16 : TIOCPKT_DOSTOP);
  }
}
