// A system whose init is one program, as real Linux ran it for the fixtures of tests/guest: for tests that compare what it prints.
// At its end every frame must be free, or be held by what its struct page and the counters say (frame_audit.ts): a leak fails the test.
import assert from 'node:assert/strict';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

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

/** Boots with `init` as pid 1 (`tier`: when its code is translated) and runs until it powers off. */
export function boot(init, { cpus, seed, args = '', tier = 'auto', megabytes = 64 }) {
  const machine = Machine.create({ memoryBytes: megabytes * 1024 * 1024, tier });
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
  // Frames that belong to nobody are a leak, whatever the test is about.
  assert.deepEqual(auditFrames(k), []);
  const stuck = run === 'halted' ? '' : `not finished: ${JSON.stringify(run)}\n`;
  return { text: text.replaceAll('\r', '').replace(/^\[.*\n/gm, '') + stuck, halted: k.halted?.reason, instret: machine.instret, k };
}

/** Compares line by line; shows the first differences only. */
export function sameLines(text, expected, mask = (line) => line) {
  const got = text.split('\n').map(mask);
  const want = expected.split('\n').map(mask);
  const diff = [];
  for (let i = 0; i < Math.max(got.length, want.length) && diff.length < 5; i++)
    if (got[i] !== want[i]) diff.push({ linux: want[i], here: got[i] });
  assert.deepEqual(diff, []);
}
