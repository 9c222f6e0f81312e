// Sockets and IPC against real Linux: each program of tests/guest/net runs as init; tests/fixtures/net holds what it printed in Linux 6.12
// (tests/guest/net/build.sh made both).
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

const fixture = (name) => new URL(`fixtures/net/${name}`, import.meta.url);

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
export function boot(init, { cpus, seed, args = '' }) {
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
  const stuck = run === 'halted' ? '' : `not finished: ${JSON.stringify(run)}\n`;
  return { text: text.replaceAll('\r', '').replace(/^\[.*\n/gm, '') + stuck, halted: k.halted?.reason, instret: machine.instret, k };
}

/** /proc/sysvipc shows when a set was made, by the wall clock. */
const lines = (text) => text.split('\n').map((l) => l.replace(/^(sem: .*) \d+ (len \d+)$/, '$1 TIME $2'));

/** Compares line by line; shows the first differences only. */
function same(text, expected) {
  const got = lines(text);
  const want = lines(expected);
  const diff = [];
  for (let i = 0; i < Math.max(got.length, want.length) && diff.length < 5; i++)
    if (got[i] !== want[i]) diff.push({ linux: want[i], here: got[i] });
  assert.deepEqual(diff, []);
}

for (const name of ['unixtest', 'ipctest']) {
  if (!existsSync(fixture(`${name}.gz`))) continue;
  const program = gunzipSync(readFileSync(fixture(`${name}.gz`)));
  const expected = readFileSync(fixture(`${name}.txt`), 'latin1');
  for (const [cpus, seed] of [
    [1, 1],
    [3, 2],
  ]) {
    test(`${name} answers as in real Linux with ${cpus} harts`, () => {
      const { text, halted } = boot(program, { cpus, seed });
      same(text, expected);
      assert.equal(halted, 'poweroff');
    });
  }
}
