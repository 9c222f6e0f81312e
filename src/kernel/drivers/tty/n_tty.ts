import * as T from '../../../abi/termios.ts';
import type { Termios } from './termios.ts';

/** Size of the read buffer: the longest line with its newline. */
export const N_TTY_BUF_SIZE = 4096;
const MASK = N_TTY_BUF_SIZE - 1;
/** What an end-of-file character leaves in the buffer, and the value of a disabled control character. */
const DISABLED = 0;

const SIGINT = 2;
const SIGQUIT = 3;
const SIGTSTP = 20;

/** Echoes go out in blocks of this size at the latest (ECHO_COMMIT_WATERMARK). */
const ECHO_BLOCK = 256;

const NL = 10;
const CR = 13;
const BS = 8;
const TAB = 9;
const SPACE = 32;
const CARET = 0x5e;

/** What the line discipline needs of its terminal. */
export interface TtyPort {
  readonly termios: Termios;
  /** Sends bytes to the device; echoes are never refused. */
  put(bytes: readonly number[]): void;
  /** To the foreground process group. */
  signalForeground(sig: number): void;
  /** Throws away what the device has not sent yet. */
  flushOutput(): void;
  stop(): void;
  start(): void;
  readonly stopped: boolean;
  /** Input arrived that a reader could take. */
  inputReady(): void;
  /** Bytes of input were thrown away (packet mode tells the master). */
  inputFlushed(): void;
}

const isCntrl = (c: number) => c < 32 || c === 127;
const isAlnum = (c: number) =>
  (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || (c >= 0xc0 && c !== 0xd7 && c !== 0xf7);
const toUpper = (c: number) => ((c >= 97 && c <= 122) || (c >= 0xe0 && c !== 0xf7 && c !== 0xff) ? c - 32 : c);
const toLower = (c: number) => ((c >= 65 && c <= 90) || (c >= 0xc0 && c <= 0xde && c !== 0xd7) ? c + 32 : c);

/**
 * The standard line discipline (drivers/tty/n_tty.c): editing of lines, echo, signals, flow control, output processing. Positions in the
 * read buffer only grow and are used modulo its size. Knows neither tasks nor time: reads that must wait are the caller's.
 */
export class NTty {
  private readonly port: TtyPort;
  private readonly buf = new Uint8Array(N_TTY_BUF_SIZE);
  /** Marks ends of lines in `buf`. */
  private readonly eol = new Uint8Array(N_TTY_BUF_SIZE);
  private readHead = 0;
  private readTail = 0;
  private canonHead = 0;
  private commitHead = 0;
  /** Column of the cursor, and where the line being typed began. */
  private column = 0;
  private canonColumn = 0;
  /** Echoes not yet sent, and the column before them. */
  private echoes: number[] = [];
  private echoColumn = 0;
  private erasing = false;
  private lnext = false;
  /** Set by a switch to canonical mode with input pending: that input counts as a line. */
  private push = false;
  private icanon: boolean;

  constructor(port: TtyPort) {
    this.port = port;
    this.icanon = (port.termios.lflag & T.ICANON) !== 0;
  }

  private l(flag: number): boolean {
    return (this.port.termios.lflag & flag) !== 0;
  }
  private i(flag: number): boolean {
    return (this.port.termios.iflag & flag) !== 0;
  }
  private o(flag: number): boolean {
    return (this.port.termios.oflag & flag) !== 0;
  }
  private cc(index: number): number {
    return this.port.termios.cc[index];
  }
  private isContinuation(c: number): boolean {
    return this.i(T.IUTF8) && (c & 0xc0) === 0x80;
  }

  // ---- output ----

  /** Appends `c` after output processing (do_output_char). */
  private outputChar(c0: number, out: number[]): void {
    let c = c0;
    switch (c) {
      case NL:
        if (this.o(T.ONLRET)) this.column = 0;
        if (this.o(T.ONLCR)) {
          this.canonColumn = this.column = 0;
          out.push(CR, NL);
          return;
        }
        this.canonColumn = this.column;
        break;
      case CR:
        if (this.o(T.ONOCR) && this.column === 0) return;
        if (this.o(T.OCRNL)) {
          c = NL;
          if (this.o(T.ONLRET)) this.canonColumn = this.column = 0;
          break;
        }
        this.canonColumn = this.column = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((this.port.termios.oflag & T.TABDLY) === T.XTABS) {
          for (let n = 0; n < spaces; n++) out.push(SPACE);
          return;
        }
        break;
      }
      case BS:
        if (this.column > 0) this.column--;
        break;
      default:
        if (!isCntrl(c)) {
          if (this.o(T.OLCUC)) c = toUpper(c);
          if (!this.isContinuation(c)) this.column++;
        }
    }
    out.push(c);
  }
  /** What a write of `bytes` sends to the device. */
  process(bytes: Uint8Array): number[] | Uint8Array {
    if (!this.o(T.OPOST)) return bytes;
    const out: number[] = [];
    for (const c of bytes) this.outputChar(c, out);
    return out;
  }

  // ---- echo ----

  /** Echoes wait for the end of the input that came together, so that a signal character takes those before it along. */
  private echo(bytes: readonly number[]): void {
    this.echoes.push(...bytes);
    if (this.echoes.length >= ECHO_BLOCK) this.flushEchoes();
  }
  private flushEchoes(): void {
    if (this.echoes.length > 0) this.port.put(this.echoes);
    this.echoes = [];
    this.echoColumn = this.column;
  }
  private echoRaw(c: number): void {
    const out: number[] = [];
    if (this.o(T.OPOST)) this.outputChar(c, out);
    else out.push(c);
    this.echo(out);
  }
  /** Control characters show as ^X. */
  private echoChar(c: number): void {
    if (this.l(T.ECHOCTL) && isCntrl(c) && c !== TAB) {
      this.column += 2;
      this.echo([CARET, c ^ 0o100]);
    } else this.echoRaw(c);
  }
  private setCanonCol(): void {
    this.canonColumn = this.column;
  }
  private finishErasing(): void {
    if (!this.erasing) return;
    this.echoRaw(0x2f);
    this.erasing = false;
  }

  // ---- the read buffer ----

  private at(pos: number): number {
    return this.buf[pos & MASK];
  }
  private putQueue(c: number): void {
    this.buf[this.readHead & MASK] = c;
    this.eol[this.readHead & MASK] = 0;
    this.readHead++;
  }
  /** Throws pending input away. */
  flushInput(): void {
    this.readHead = this.readTail = this.canonHead = this.commitHead = 0;
    this.eol.fill(0);
    this.erasing = false;
    this.push = false;
    this.port.inputFlushed();
  }
  /** Bytes that may come in now; 0 holds the device back. In canonical mode an overlong line goes on, its last byte overwritten. */
  receiveRoom(): number {
    return this.room().room;
  }
  private room(): { room: number; overflow: boolean } {
    let room = N_TTY_BUF_SIZE - (this.readHead - this.readTail);
    if (this.i(T.PARMRK)) room = Math.floor((room + 2) / 3);
    room--;
    if (room > 0) return { room, overflow: false };
    const overflow = this.icanon && this.canonHead === this.readTail;
    return { room: overflow ? 1 : 0, overflow };
  }
  /** Input from the device. Bytes taken. */
  receive(bytes: Uint8Array): number {
    let done = 0;
    const before = this.commitHead;
    const canonBefore = this.canonHead;
    this.echoColumn = this.column;
    while (done < bytes.length) {
      const { room, overflow } = this.room();
      if (room === 0) break;
      if (overflow && this.readHead - this.readTail >= N_TTY_BUF_SIZE) this.readHead--;
      this.receiveChar(bytes[done++]);
      if (!this.icanon) this.commitHead = this.readHead;
    }
    this.flushEchoes();
    if (this.icanon ? this.canonHead !== canonBefore : this.commitHead !== before) this.port.inputReady();
    return done;
  }

  private receiveChar(c0: number): void {
    let c = c0;
    const raw =
      !this.l(T.ISIG | T.ICANON | T.ECHO | T.IEXTEN) && !this.i(T.IXON | T.ISTRIP | T.IUCLC | T.IGNCR | T.ICRNL | T.INLCR | T.PARMRK);
    if (raw && !this.lnext) {
      this.putQueue(c);
      return;
    }
    if (this.i(T.ISTRIP)) c &= 0x7f;
    if (this.i(T.IUCLC) && this.l(T.IEXTEN)) c = toLower(c);
    if (this.l(T.EXTPROC)) {
      this.putQueue(c);
      return;
    }
    if (this.lnext) {
      this.lnext = false;
      this.receiveOrdinary(c);
      return;
    }
    if (this.i(T.IXON)) {
      if (c === this.cc(T.VSTART) && c !== DISABLED) {
        this.port.start();
        return;
      }
      if (c === this.cc(T.VSTOP) && c !== DISABLED) {
        this.port.stop();
        return;
      }
    }
    if (this.l(T.ISIG) && c !== DISABLED) {
      const sig = c === this.cc(T.VINTR) ? SIGINT : c === this.cc(T.VQUIT) ? SIGQUIT : c === this.cc(T.VSUSP) ? SIGTSTP : 0;
      if (sig !== 0) {
        this.receiveSignal(sig, c);
        return;
      }
    }
    if (this.port.stopped && this.i(T.IXON) && this.i(T.IXANY)) this.port.start();
    if (c === CR) {
      if (this.i(T.IGNCR)) return;
      if (this.i(T.ICRNL)) c = NL;
    } else if (c === NL && this.i(T.INLCR)) c = CR;
    if (this.icanon && this.receiveCanon(c)) return;
    this.receiveOrdinary(c);
  }
  private receiveSignal(sig: number, c: number): void {
    this.port.signalForeground(sig);
    if (!this.l(T.NOFLSH)) {
      this.echoes = [];
      this.column = this.echoColumn;
      this.port.flushOutput();
      this.flushInput();
    }
    if (this.i(T.IXON)) this.port.start();
    if (this.l(T.ECHO)) this.echoChar(c);
  }
  /** The characters that edit or end a line. False: it is an ordinary one. */
  private receiveCanon(c: number): boolean {
    const special = (index: number) => c !== DISABLED && c === this.cc(index);
    const ext = this.l(T.IEXTEN);
    if (special(T.VERASE) || special(T.VKILL) || (special(T.VWERASE) && ext)) {
      this.eraser(c);
      return true;
    }
    if (special(T.VLNEXT) && ext) {
      this.lnext = true;
      if (this.l(T.ECHO)) {
        this.finishErasing();
        if (this.l(T.ECHOCTL)) {
          this.echoRaw(CARET);
          this.echoRaw(BS);
        }
      }
      return true;
    }
    if (special(T.VREPRINT) && this.l(T.ECHO) && ext) {
      this.finishErasing();
      this.echoChar(c);
      this.echoRaw(NL);
      for (let p = this.canonHead; p !== this.readHead; p++) this.echoChar(this.at(p));
      return true;
    }
    if (c === NL) {
      if (this.l(T.ECHO | T.ECHONL)) this.echoRaw(NL);
      this.endLine(NL);
      return true;
    }
    if (special(T.VEOF)) {
      this.endLine(DISABLED);
      return true;
    }
    if (special(T.VEOL) || (special(T.VEOL2) && ext)) {
      if (this.l(T.ECHO)) {
        if (this.canonHead === this.readHead) this.setCanonCol();
        this.echoChar(c);
      }
      if (c === 0xff && this.i(T.PARMRK)) this.putQueue(c);
      this.endLine(c);
      return true;
    }
    return false;
  }
  private endLine(c: number): void {
    this.putQueue(c);
    this.eol[(this.readHead - 1) & MASK] = 1;
    this.canonHead = this.readHead;
  }
  private receiveOrdinary(c: number): void {
    if (this.l(T.ECHO)) {
      this.finishErasing();
      if (c === NL) this.echoRaw(NL);
      else {
        if (this.canonHead === this.readHead) this.setCanonCol();
        this.echoChar(c);
      }
    }
    if (c === 0xff && this.i(T.PARMRK)) this.putQueue(c);
    this.putQueue(c);
  }

  /** Erase, word erase and kill, with the echo that each setting asks for. */
  private eraser(c: number): void {
    if (this.readHead === this.canonHead) return;
    const word = c === this.cc(T.VWERASE) && c !== this.cc(T.VERASE);
    const kill = c === this.cc(T.VKILL) && !word && c !== this.cc(T.VERASE);
    const echo = this.l(T.ECHO);
    if (kill) {
      if (!echo) {
        this.readHead = this.canonHead;
        return;
      }
      if (!this.l(T.ECHOK) || !this.l(T.ECHOKE) || !this.l(T.ECHOE)) {
        this.readHead = this.canonHead;
        this.finishErasing();
        this.echoChar(this.cc(T.VKILL));
        if (this.l(T.ECHOK)) this.echoRaw(NL);
        return;
      }
    }
    let seenAlnum = false;
    while (this.readHead !== this.canonHead) {
      let head = this.readHead;
      let ch: number;
      // A multi-byte character goes as a whole.
      do {
        head--;
        ch = this.at(head);
      } while (this.isContinuation(ch) && head !== this.canonHead);
      if (this.isContinuation(ch)) break;
      if (word) {
        if (isAlnum(ch) || ch === 0x5f) seenAlnum = true;
        else if (seenAlnum) break;
      }
      const end = this.readHead;
      this.readHead = head;
      if (echo) this.echoErased(ch, head, end, word || kill);
      if (!word && !kill) break;
    }
    if (this.readHead === this.canonHead && echo) this.finishErasing();
  }
  private echoErased(ch: number, head: number, end: number, many: boolean): void {
    if (this.l(T.ECHOPRT)) {
      if (!this.erasing) {
        this.echoRaw(0x5c);
        this.erasing = true;
      }
      this.echoChar(ch);
      for (let p = head + 1; p < end; p++) {
        this.echoRaw(this.at(p));
        if (this.column > 0) this.column--;
      }
    } else if (!many && !this.l(T.ECHOE)) {
      this.echoChar(this.cc(T.VERASE));
    } else if (ch === TAB) {
      // As wide as the characters since the last tab, or since the line began, leave it.
      let chars = 0;
      let afterTab = false;
      for (let p = head; p !== this.canonHead; ) {
        p--;
        const prev = this.at(p);
        if (prev === TAB) {
          afterTab = true;
          break;
        }
        if (isCntrl(prev)) chars += this.l(T.ECHOCTL) ? 2 : 0;
        else if (!this.isContinuation(prev)) chars++;
      }
      if (!afterTab) chars += this.canonColumn;
      for (let n = 8 - (chars & 7); n > 0; n--) {
        this.echo([BS]);
        if (this.column > 0) this.column--;
      }
    } else {
      if (isCntrl(ch) && this.l(T.ECHOCTL)) for (const b of [BS, SPACE, BS]) this.echoRaw(b);
      if (!isCntrl(ch) || this.l(T.ECHOCTL)) for (const b of [BS, SPACE, BS]) this.echoRaw(b);
    }
  }

  // ---- reading ----

  /** Is there something a read would return? With `poll`, MIN counts when TIME is 0. */
  inputAvailable(poll: boolean): boolean {
    if (this.icanon && !this.l(T.EXTPROC)) return this.canonHead !== this.readTail;
    const least = poll && this.cc(T.VTIME) === 0 && this.cc(T.VMIN) > 0 ? this.cc(T.VMIN) : 1;
    return this.commitHead - this.readTail >= least;
  }
  /** Bytes available to a non-canonical read. */
  get pending(): number {
    return this.commitHead - this.readTail;
  }
  get canonical(): boolean {
    return this.icanon;
  }
  /** Takes up to `max` bytes: in canonical mode of one line; an end-of-file mark ends it and does not show. */
  read(max: number): Uint8Array {
    if (!this.icanon || this.l(T.EXTPROC)) {
      const n = Math.min(max, this.commitHead - this.readTail);
      const out = this.slice(n);
      this.readTail += n;
      return out;
    }
    const limit = Math.min(max, this.canonHead - this.readTail);
    let n = 0;
    let found = false;
    while (n < limit && !found) {
      found = this.eol[(this.readTail + n) & MASK] !== 0;
      n++;
    }
    const last = this.readTail + n - 1;
    const hidden = found && !this.push && this.at(last) === DISABLED;
    const out = this.slice(hidden ? n - 1 : n);
    if (found) {
      this.eol[last & MASK] = 0;
      this.push = false;
    }
    this.readTail += n;
    return out;
  }
  private slice(n: number): Uint8Array {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i++) out[i] = this.at(this.readTail + i);
    return out;
  }
  /** FIONREAD. */
  inputCount(): number {
    if (!this.icanon || this.l(T.EXTPROC)) return this.commitHead - this.readTail;
    let n = 0;
    for (let p = this.readTail; p !== this.canonHead; p++) if (!(this.eol[p & MASK] !== 0 && this.at(p) === DISABLED)) n++;
    return n;
  }

  /** After the settings changed from `oldLflag`/`oldIflag`. */
  settingsChanged(oldLflag: number, oldIflag: number): void {
    const { lflag } = this.port.termios;
    if (((oldLflag ^ lflag) & (T.ICANON | T.EXTPROC)) !== 0) {
      this.eol.fill(0);
      if ((lflag & T.ICANON) === 0 || this.readHead === this.readTail) {
        this.canonHead = this.readTail;
        this.push = false;
      } else {
        this.eol[(this.readHead - 1) & MASK] = 1;
        this.canonHead = this.readHead;
        this.push = true;
      }
      this.commitHead = this.readHead;
      this.erasing = false;
      this.lnext = false;
    }
    this.icanon = (lflag & T.ICANON) !== 0;
    if ((oldIflag & T.IXON) !== 0 && !this.i(T.IXON)) this.port.start();
    this.port.inputReady();
  }
}
