import assert from 'node:assert/strict';
import test from 'node:test';
import * as T from '../../../abi/termios.ts';
import { NTty, type TtyPort } from './n_tty.ts';
import { stdTermios, type Termios } from './termios.ts';

class FakePort implements TtyPort {
  termios: Termios = stdTermios();
  out = '';
  signals: number[] = [];
  stopped = false;
  ready = 0;
  flushes = 0;
  put(bytes: readonly number[]): void {
    this.out += String.fromCharCode(...bytes);
  }
  signalForeground(sig: number): void {
    this.signals.push(sig);
  }
  flushOutput(): void {
    this.flushes++;
  }
  stop(): void {
    this.stopped = true;
  }
  start(): void {
    this.stopped = false;
  }
  inputReady(): void {
    this.ready++;
  }
  inputFlushed(): void {}
}
const bytes = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const text = (b: Uint8Array | number[]) => String.fromCharCode(...b);
function make(): { port: FakePort; tty: NTty; type: (s: string) => string } {
  const port = new FakePort();
  const tty = new NTty(port);
  /** Feeds input and returns what was echoed. */
  const type = (s: string) => {
    port.out = '';
    assert.equal(tty.receive(bytes(s)), s.length);
    return port.out;
  };
  return { port, tty, type };
}

test('canonical mode delivers lines, one a read, and echoes them', () => {
  const { port, tty, type } = make();
  assert.equal(type('ab'), 'ab');
  assert.equal(tty.inputAvailable(false), false);
  assert.equal(port.ready, 0);
  assert.equal(type('c\rdef\n'), 'c\r\ndef\r\n');
  assert.equal(port.ready, 1);
  assert.equal(tty.inputCount(), 8);
  assert.equal(text(tty.read(100)), 'abc\n');
  assert.equal(text(tty.read(2)), 'de');
  assert.equal(text(tty.read(100)), 'f\n');
  assert.equal(tty.inputAvailable(false), false);
});

test('erase, word erase and kill rub out on the screen', () => {
  const { tty, type } = make();
  assert.equal(type('abc\x7f'), 'abc\b \b');
  assert.equal(type('\x7f\x7f\x7f'), '\b \b\b \b');
  assert.equal(type('foo bar\x17'), 'foo bar\b \b\b \b\b \b');
  assert.equal(type('\x15'), '\b \b\b \b\b \b\b \b');
  assert.equal(type('ok\n'), 'ok\r\n');
  assert.equal(text(tty.read(100)), 'ok\n');
});

test('kill without ECHOKE goes to the next line', () => {
  const { port, tty, type } = make();
  port.termios.lflag &= ~T.ECHOKE;
  assert.equal(type('abc\x15'), 'abc^U\r\n');
  type('x\n');
  assert.equal(text(tty.read(100)), 'x\n');
});

test('ECHOPRT prints what is erased between a backslash and a slash', () => {
  const { port, type } = make();
  port.termios.lflag |= T.ECHOPRT;
  assert.equal(type('abc\x7f\x7fd'), 'abc\\cb/d');
});

test('a tab is erased back to the column where it began', () => {
  const { type } = make();
  assert.equal(type('ab\t\x7f'), 'ab\t\b\b\b\b\b\b');
  const second = make();
  // After a prompt of three columns that the program wrote.
  second.tty.process(bytes('$> '));
  assert.equal(second.type('a\t\x7f'), 'a\t\b\b\b\b');
});

test('control characters echo as ^X and are erased as two columns', () => {
  const { type } = make();
  assert.equal(type('\x01\x7f'), '^A\b \b\b \b');
});

test('multi-byte characters are erased as one with IUTF8', () => {
  const { port, tty, type } = make();
  port.termios.iflag |= T.IUTF8;
  assert.equal(type('\xc3\xa4\x7f'), '\xc3\xa4\b \b');
  type('z\n');
  assert.equal(text(tty.read(10)), 'z\n');
});

test('end of file ends a read with what was typed, or with nothing', () => {
  const { tty, type } = make();
  assert.equal(type('\x04'), '');
  assert.equal(tty.inputAvailable(false), true);
  assert.equal(tty.read(10).length, 0);
  assert.equal(tty.inputAvailable(false), false);
  type('abc\x04');
  assert.equal(tty.inputCount(), 3);
  assert.equal(text(tty.read(10)), 'abc');
  assert.equal(tty.inputAvailable(false), false);
});

test('literal next keeps the next character from acting', () => {
  const { port, tty, type } = make();
  assert.equal(type('\x16\x03'), '^\b^C');
  assert.deepEqual(port.signals, []);
  type('\n');
  assert.equal(text(tty.read(10)), '\x03\n');
});

test('reprint shows the line again', () => {
  const { type } = make();
  assert.equal(type('hello\x12'), 'hello^R\r\nhello');
});

test('signal characters flush input unless NOFLSH', () => {
  const { port, tty, type } = make();
  type('abc');
  assert.equal(type('d\x03'), '^C');
  assert.deepEqual(port.signals, [2]);
  assert.equal(port.flushes, 1);
  type('\x1c\x1a');
  assert.deepEqual(port.signals, [2, 3, 20]);
  port.termios.lflag |= T.NOFLSH;
  type('de\x03f\n');
  assert.equal(text(tty.read(10)), 'def\n');
});

test('XON and XOFF stop and start, and do not show', () => {
  const { port, tty, type } = make();
  assert.equal(type('a\x13'), 'a');
  assert.equal(port.stopped, true);
  type('\x11');
  assert.equal(port.stopped, false);
  type('\n');
  assert.equal(text(tty.read(10)), 'a\n');
});

test('raw mode hands every byte over; MIN decides for poll', () => {
  const { port, tty } = make();
  const old = { ...port.termios };
  port.termios.iflag = port.termios.oflag = port.termios.lflag = 0;
  tty.settingsChanged(old.lflag, old.iflag);
  port.termios.cc[T.VMIN] = 3;
  tty.receive(bytes('\x03\r'));
  assert.equal(tty.inputAvailable(true), false);
  assert.equal(tty.inputAvailable(false), true);
  tty.receive(bytes('\x7f'));
  assert.equal(tty.inputAvailable(true), true);
  assert.equal(text(tty.read(10)), '\x03\r\x7f');
});

test('leaving canonical mode hands over the unfinished line; entering it makes a line of what is there', () => {
  const { port, tty, type } = make();
  type('abc');
  const cooked = port.termios.lflag;
  port.termios.lflag &= ~T.ICANON;
  tty.settingsChanged(cooked, port.termios.iflag);
  assert.equal(tty.inputAvailable(false), true);
  const raw = port.termios.lflag;
  port.termios.lflag |= T.ICANON;
  tty.settingsChanged(raw, port.termios.iflag);
  assert.equal(tty.inputAvailable(false), true);
  assert.equal(text(tty.read(10)), 'abc');
  assert.equal(tty.inputAvailable(false), false);
});

test('a line holds 4096 bytes; more overwrite its end', () => {
  const { port, tty } = make();
  port.termios.lflag &= ~T.ECHO;
  const long = `${'a'.repeat(5000)}\n`;
  assert.equal(tty.receive(bytes(long)), 5001);
  const line = text(tty.read(10000));
  assert.equal(line.length, 4096);
  assert.equal(line.endsWith('\n'), true);
});

test('a full buffer of finished lines holds the device back', () => {
  const { port, tty } = make();
  port.termios.lflag &= ~T.ECHO;
  const many = bytes('0123456789\n'.repeat(500));
  const taken = tty.receive(many);
  assert.equal(taken, 4095);
  assert.equal(tty.receiveRoom(), 0);
  assert.equal(text(tty.read(100)), '0123456789\n');
  assert.equal(tty.receiveRoom(), 11);
});

test('output processing', () => {
  const { port, tty } = make();
  assert.equal(text(tty.process(bytes('a\nb\tc'))), 'a\r\nb\tc');
  port.termios.oflag = T.OPOST | T.XTABS;
  assert.equal(text(tty.process(bytes('\r'))), '\r');
  assert.equal(text(tty.process(bytes('ab\tc\n'))), `ab${' '.repeat(6)}c\n`);
  port.termios.oflag = T.OPOST | T.OLCUC | T.OCRNL;
  assert.equal(text(tty.process(bytes('xyz\r'))), 'XYZ\n');
  port.termios.oflag = 0;
  assert.equal(text(tty.process(bytes('x\ny'))), 'x\ny');
});

test('input mapping: INLCR, IGNCR, ISTRIP, PARMRK', () => {
  const { port, tty } = make();
  const old = port.termios.lflag;
  port.termios.lflag = 0;
  tty.settingsChanged(old, port.termios.iflag);
  port.termios.iflag = T.IGNCR | T.INLCR;
  tty.receive(bytes('a\r\nb'));
  assert.equal(text(tty.read(10)), 'a\rb');
  port.termios.iflag = T.ISTRIP;
  tty.receive(Uint8Array.of(0xe1));
  assert.equal(text(tty.read(10)), 'a');
  port.termios.iflag = T.PARMRK;
  tty.receive(Uint8Array.of(0xff, 0x41));
  assert.deepEqual([...tty.read(10)], [0xff, 0xff, 0x41]);
});

test('arbitrary input never breaks the buffer', () => {
  const { port, tty } = make();
  let seed = 1;
  const next = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (let round = 0; round < 400; round++) {
    const before = { ...port.termios };
    if (next(8) === 0) {
      port.termios.lflag = next(1 << 17);
      port.termios.iflag = next(1 << 15);
      port.termios.oflag = next(64);
      tty.settingsChanged(before.lflag, before.iflag);
    }
    const chunk = Uint8Array.from({ length: next(600) }, () => next(256));
    assert.ok(tty.receive(chunk) <= chunk.length);
    tty.process(chunk);
    const count = tty.inputCount();
    assert.ok(count >= 0 && count <= 4096);
    if (tty.inputAvailable(false)) assert.ok(tty.read(next(5000) + 1).length <= 4096);
  }
});
