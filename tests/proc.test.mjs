// Processes, signals, futexes, time and event files against real Linux: proctest (tests/guest/proc) runs as init; tests/fixtures/proc/proctest.txt
// is what it printed in Linux 6.12 (tests/guest/proc/build.sh made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

const fixture = (name) => readFileSync(new URL(`fixtures/proc/${name}`, import.meta.url));
const program = gunzipSync(fixture('proctest.gz'));
const expected = fixture('proctest.txt').toString('latin1');

/** A newc archive of executable files. */
function cpio(entries) {
  const parts = [];
  const pad = (n) => Buffer.alloc((4 - (n % 4)) % 4);
  let ino = 1;
  for (const [name, data] of [...entries, ['TRAILER!!!', Buffer.alloc(0)]]) {
    const fields = [ino++, 0o100755, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(head, pad(head.length), data, pad(data.length));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Boots with `init` as pid 1 and runs until it powers off. */
function boot(init, { cpus, seed, args = '' }) {
  const machine = Machine.create({ memoryBytes: 64 * 1024 * 1024 });
  let state = seed;
  let text = '';
  const host = {
    consoleWrite: (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
    },
    entropy: (into) => {
      for (let i = 0; i < into.length; i++) into[i] = (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
    },
    bootTime: () => ({ sec: 1_782_000_000, nsec: 0 }),
    elapsed: null,
  };
  const k = startKernel(machine, host, { commandLine: `console=ttyS0 quiet ${args}`, cpus, seed, initramfs: cpio([['init', init]]) });
  const end = performance.now() + 60_000;
  let run = 'running';
  while (run === 'running' && performance.now() < end) run = runKernel(k, 20_000_000);
  return { text: text.replaceAll('\r', '').replace(/^\[.*\n/gm, ''), instret: machine.instret, halted: k.halted?.reason, k };
}

/** Compares line by line; shows the first differences only. */
function same(text) {
  const got = text.split('\n');
  const want = expected.split('\n');
  const diff = [];
  for (let i = 0; i < Math.max(got.length, want.length) && diff.length < 5; i++)
    if (got[i] !== want[i]) diff.push({ linux: want[i], here: got[i] });
  assert.deepEqual(diff, []);
}

test('every call answers as in real Linux', () => {
  const { text, halted } = boot(program, { cpus: 1, seed: 1 });
  assert.equal(halted, 'poweroff');
  same(text);
});
for (const seed of [2, 3]) {
  test(`the same with four harts, seed ${seed}`, () => {
    const { text } = boot(program, { cpus: 4, seed });
    same(text);
  });
}
test('one seed gives one run: instructions, clock, log', () => {
  const options = { cpus: 4, seed: 9, args: '-- threads futex epoll signal' };
  const a = boot(program, options);
  const b = boot(program, options);
  assert.equal(a.instret, b.instret);
  assert.equal(a.text, b.text);
  assert.equal(a.k.time.now(), b.k.time.now());
});
test('another seed gives another interleaving', () => {
  const args = '-- threads';
  const runs = [1, 2, 3].map((seed) => boot(program, { cpus: 4, seed, args }).instret);
  assert.ok(new Set(runs).size > 1);
});
test('all memory comes back when processes end', () => {
  const { k } = boot(program, { cpus: 2, seed: 4, args: '-- wait clone threads' });
  assert.equal(k.futexes.size, 0);
  assert.equal([...k.sched.tasks.values()].filter((t) => !t.isKernelThread && t.pid !== 1).length, 0);
});

test('random system calls never throw out of the kernel', () => {
  let calls = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const { text, halted } = boot(program, { cpus: 1 + (seed % 3), seed, args: `-- sysfuzz ${seed} 2000 60` });
    assert.equal(halted, 'poweroff', `seed ${seed}: ${text.slice(-500)}`);
    calls += Number(/^fuzz done: (\d+) calls$/m.exec(text)?.[1]);
  }
  assert.ok(calls >= 10_000, `${calls} calls`);
});
