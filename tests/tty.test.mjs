// ttycheck (tests/guest/tty/ttycheck.c) must print here what it printed in real Linux. Needs the RISC-V cross compiler; skipped without it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

/** A newc archive of one executable. */
function cpio(name, data) {
  const parts = [];
  for (const [n, d] of [
    [name, data],
    ['TRAILER!!!', Buffer.alloc(0)],
  ]) {
    const fields = [1, 0o100755, 0, 0, 1, 0, d.length, 0, 0, 0, 0, n.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((x) => x.toString(16).padStart(8, '0')).join('')}${n}\0`);
    parts.push(head, Buffer.alloc((4 - (head.length % 4)) % 4), d, Buffer.alloc((4 - (d.length % 4)) % 4));
  }
  return new Uint8Array(Buffer.concat(parts));
}

test('terminals answer a program as real Linux does', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-tty-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const binary = join(dir, 'ttycheck');
  const r = spawnSync('riscv64-linux-gnu-gcc', ['-static', '-O1', '-w', '-o', binary, 'tests/guest/tty/ttycheck.c']);
  if (r.error !== undefined || r.status !== 0) {
    t.skip('no riscv64-linux-gnu-gcc here');
    return;
  }
  let out = '';
  const host = {
    consoleWrite(bytes) {
      out += Buffer.from(bytes).toString('latin1');
    },
    entropy(into) {
      into.forEach((_, i) => {
        into[i] = (i * 37) & 255;
      });
    },
    bootTime: () => ({ sec: 1_795_000_000, nsec: 0 }),
    elapsed: null,
  };
  const machine = Machine.create({ memoryBytes: 64 << 20 });
  const k = startKernel(machine, host, {
    commandLine: 'console=ttyS0 quiet',
    cpus: 1,
    seed: 1,
    initramfs: cpio('init', readFileSync(binary)),
  });
  for (let i = 0; i < 1000; i++) {
    const state = runKernel(k, 10_000_000);
    if (state === 'halted') break;
    assert.ok(state === 'running' || state.idleUntil !== Number.POSITIVE_INFINITY, `nothing left to run after: ${out.slice(-500)}`);
  }
  const expected = readFileSync('tests/fixtures/tty/ttycheck.txt', 'latin1');
  assert.equal(out.replaceAll('\r\n', '\n').replace(/\[.*reboot: Power down\n/, ''), expected);
});
