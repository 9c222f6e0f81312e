import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { KERN_INFO, LOG_KERN, LOG_USER, LOGLEVEL_DEFAULT } from '../../abi/syslog.ts';
import type { Kernel } from '../kernel.ts';
import { hexDump } from '../lib/hexdump.ts';
import { ratelimit, ratelimitInit } from '../lib/ratelimit.ts';
import { mmTestKit } from '../mm/testkit.ts';
import { HZ, Timekeeper } from '../time/timekeeping.ts';
import { extendedText, recordText, recordTextSize } from './format.ts';
import { Printk } from './printk.ts';
import { RingBuffer } from './ringbuffer.ts';

// What real Linux's log shows after the same steps (tests/guest/printk/record.mjs).
type Step =
  | { do: 'printk'; text: string }
  | { do: 'dev'; level: number; text: string }
  | { do: 'hexdump'; prefix: string; type: number; row: number; group: number; length: number; ascii: boolean }
  | { do: 'ratelimit'; calls: number; msleep: number };
interface Fixture {
  dump: number[];
  steps: Step[];
  kmsg: string[];
  raw: string[];
}
const fixture = JSON.parse(readFileSync('tests/fixtures/printk/printk.json', 'utf8')) as Fixture;

function kit(commandLine = 'norandmaps'): { k: Kernel; console: () => string } {
  const { k } = mmTestKit(32, commandLine);
  let shown = '';
  k.host.consoleWrite = (bytes) => void (shown += Buffer.from(bytes).toString('latin1'));
  k.time = new Timekeeper(k);
  k.printk = new Printk(k);
  return { k, console: () => shown };
}

test('a module says to the log what it says in real Linux', () => {
  const { k } = kit();
  const limit = ratelimitInit(0, HZ, 3);
  for (const s of fixture.steps) {
    if (s.do === 'printk') k.printk.emit(LOG_KERN, LOGLEVEL_DEFAULT, s.text);
    else if (s.do === 'dev') k.printk.emit(LOG_KERN, s.level, s.text, { subsystem: 'platform', device: '+platform:lintelprobe' });
    else if (s.do === 'hexdump') {
      const bytes = Uint8Array.from(fixture.dump.slice(0, s.length));
      const how = { prefix: s.prefix, prefixType: s.type, rowSize: s.row, groupSize: s.group, ascii: s.ascii };
      for (const line of hexDump(bytes, how, String)) k.printk.log(KERN_INFO, line);
    } else {
      for (let i = 0; i < s.calls; i++) if (ratelimit(k, limit, 'probe')) k.printk.emit(LOG_KERN, LOGLEVEL_DEFAULT, `allowed ${i}\n`);
      k.time.advanceTo(k.time.now() + s.msleep * 1e6);
    }
  }
  const records = k.printk.ring.records();
  const kmsg = records.map((r) => extendedText(r).replace(/^(\d+,\d+),\d+,/, '$1,T,')).join('');
  // How much of an overlong line is shown depends on the digits of its time.
  const start = (line: string) => line.slice(0, 2015);
  const raw = records.map((r) => recordText(r, true, true).replace(/^(<\d+>)\[ *\d+\.\d+\]/gm, '$1[T]')).join('');
  assert.deepEqual(kmsg.split('\n').map(start), fixture.kmsg.map(start));
  assert.deepEqual(raw.split('\n'), fixture.raw);
});

test('an overlong line of /dev/kmsg still ends', () => {
  const { k } = kit();
  k.printk.log(6, '\x02'.repeat(900));
  const text = extendedText(k.printk.ring.records()[0]);
  assert.equal(text.length, 2048);
  assert.match(text, /x02\\x?0?\n$/);
});

test('the console shows what its level lets through', () => {
  for (const [commandLine, shown] of [
    ['', '0123456'],
    ['quiet', '0123'],
    ['debug', '01234567'],
    ['loglevel=2', '01'],
    ['quiet loglevel=6', '012345'],
    ['loglevel=6 quiet', '0123'],
    ['loglevel=x', '0123456'],
    ['quiet ignore_loglevel', '01234567'],
    ['quiet -- debug', '0123'],
  ]) {
    const { k, console } = kit(commandLine);
    for (let level = 0; level < 8; level++) k.printk.log(level, String(level));
    const seen = console().replace(/\[ *\d+\.\d{6}\] (\d)\r\n/g, '$1');
    assert.equal(seen, shown, commandLine);
  }
  const { k, console } = kit('printk.time=0');
  k.printk.log(3, 'two\nlines');
  assert.equal(console(), 'two\r\nlines\r\n');
});

test('an open message is seen when it ends, and belongs to its writer', () => {
  const { k, console } = kit('printk.time=0');
  const say = (text: string) => k.printk.emit(LOG_KERN, LOGLEVEL_DEFAULT, text);
  say('\x016begin');
  assert.equal(console(), '');
  assert.equal(k.printk.ring.read(0), null);
  say('\x01c, end\n');
  assert.equal(console(), 'begin, end\r\n');
  say('\x016mine');
  (k.current as unknown as { pid: number }).pid = 2;
  say('\x01cnot mine\n');
  assert.equal(console(), 'begin, end\r\nmine\r\nnot mine\r\n');
  assert.deepEqual(
    k.printk.ring.records().map((r) => [r.seq, r.caller, r.text]),
    [
      [0, 1, 'begin, end'],
      [1, 1, 'mine'],
      [2, 2, 'not mine'],
    ],
  );
});

test('the ring keeps what fits: bytes and records are counted as in Linux', () => {
  const { k } = kit();
  assert.equal(k.printk.ring.size, 131072);
  // 4096 descriptors; a short record takes 16 bytes of text, so these run out first.
  for (let i = 0; i < 5000; i++) k.printk.log(6, 'x');
  assert.equal(k.printk.ring.firstSeq, 5000 - 4096);
  // 8 + 1000 + NUL + newline, rounded up to 8: 1016 bytes each, 129 of them in a ring of 131072.
  for (let i = 0; i < 1000; i++) k.printk.log(6, 'y'.repeat(1000));
  assert.equal(k.printk.ring.records().length, 129);
  assert.equal(kit('log_buf_len=1M').k.printk.ring.size, 2 ** 20);
  assert.equal(kit('log_buf_len=300000').k.printk.ring.size, 2 ** 19);
  assert.equal(kit('log_buf_len=4k').k.printk.ring.size, 131072);
});

test('random records never overlap in the ring, and the sequence has no holes', () => {
  const step = fc.record({
    size: fc.integer({ min: 1, max: 300 }),
    complete: fc.boolean(),
    more: fc.boolean(),
    caller: fc.integer({ min: 1, max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ring = new RingBuffer(2048);
      let written = 0;
      for (const { size, complete, more, caller } of steps) {
        const last = more ? ring.continued(caller, size, 400) : null;
        if (last !== null) {
          last.text += 'c'.repeat(size - 1);
          if (complete) ring.complete();
        } else {
          const rest = { facility: 0, level: 6, time: 0, continuation: false, subsystem: '', device: '' };
          ring.append({ ...rest, caller, text: 'a'.repeat(size - 1) }, size, complete);
          written++;
        }
        const records = ring.records();
        assert.equal(ring.firstSeq + records.length, ring.nextSeq);
        assert.ok(written - ring.nextSeq <= 1);
        assert.ok(records.length <= 64);
        records.forEach((r, i) => {
          assert.equal(r.seq, ring.firstSeq + i);
          assert.equal(ring.read(r.seq), r);
          assert.ok(r.next - r.begin >= r.text.length + 8);
        });
        if (records.length > 1) assert.ok(records[records.length - 1].next - records[0].begin <= ring.size + 400);
      }
    }),
    { numRuns: 200 },
  );
});

test('sizes of records as text are those of the text', () => {
  const line = fc.string({ maxLength: 60 });
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), fc.boolean(), fc.boolean(), (lines, syslog, time) => {
      const { k } = kit();
      k.printk.emit(LOG_USER, 5, lines.join('\n').replace(/[^\n -~]/g, '?'));
      k.printk.log(6, '');
      const r = k.printk.ring.records()[0];
      assert.equal(recordText(r, syslog, time).length, recordTextSize(r, syslog, time));
    }),
    { numRuns: 100 },
  );
});

test('the time runs with the virtual clock', () => {
  const { k } = kit();
  k.time.advanceTo(12_345_678_901);
  k.printk.log(6, 'late');
  assert.equal(k.printk.dmesg(), '[   12.345678] late\n');
});
