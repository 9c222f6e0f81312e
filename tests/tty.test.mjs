// Programs on terminals must see here what they saw in real Linux (tests/guest/tty, tests/fixtures/tty). Needs the RISC-V cross compiler, the second
// test a BusyBox initramfs too (LINTEL_SMOKE_INITRAMFS, or the lab's); skipped without them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

const busybox = process.env.LINTEL_SMOKE_INITRAMFS ?? join(homedir(), '.cache/lintel-lab/oracle/initrd-min.cpio');

/** A newc archive of executable files and, before them, the directories they need. */
function cpio(files) {
  const parts = [];
  let ino = 1_000_000;
  const entry = (name, mode, data) => {
    const fields = [ino++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((x) => x.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(head, Buffer.alloc((4 - (head.length % 4)) % 4), data, Buffer.alloc((4 - (data.length % 4)) % 4));
  };
  for (const [name, data] of files) entry(name, data === null ? 0o40755 : 0o100755, data ?? Buffer.alloc(0));
  entry('TRAILER!!!', 0, Buffer.alloc(0));
  return Buffer.concat(parts);
}

/** Builds a guest program; null without a compiler. */
function compile(t, name) {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-tty-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const binary = join(dir, name);
  const r = spawnSync('riscv64-linux-gnu-gcc', ['-static', '-O1', '-w', '-o', binary, `tests/guest/tty/${name}.c`]);
  return r.error === undefined && r.status === 0 ? readFileSync(binary) : null;
}

/** Boots, runs until power off, and returns what the console showed. */
function run(initramfs, memoryMiB) {
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
  const machine = Machine.create({ memoryBytes: memoryMiB << 20 });
  const k = startKernel(machine, host, { commandLine: 'console=ttyS0 quiet', cpus: 1, seed: 1, initramfs: new Uint8Array(initramfs) });
  for (let i = 0; i < 5000; i++) {
    const state = runKernel(k, 10_000_000);
    if (state === 'halted') break;
    assert.ok(state === 'running' || state.idleUntil !== Number.POSITIVE_INFINITY, `nothing left to run after: ${out.slice(-500)}`);
  }
  return out.replace(/\[.*reboot: Power down\r\n/, '').replaceAll('\r', '');
}

test('terminals answer a program as real Linux does', (t) => {
  const binary = compile(t, 'ttycheck');
  if (binary === null) {
    t.skip('no riscv64-linux-gnu-gcc here');
    return;
  }
  assert.equal(run(cpio([['init', binary]]), 64), readFileSync('tests/fixtures/tty/ttycheck.txt', 'latin1'));
});

test('job control, line editing and vi in an interactive shell look as in real Linux', (t) => {
  const binary = compile(t, 'ptydrive');
  if (binary === null || !existsSync(busybox)) {
    t.skip('no riscv64-linux-gnu-gcc or no BusyBox initramfs here');
    return;
  }
  const init = '#!/bin/sh\nsh /t/jobcontrol.sh\npoweroff -f\n';
  const files = cpio([
    ['t', null],
    ['t/ptydrive', binary],
    ['t/jobcontrol.sh', readFileSync('tests/guest/tty/jobcontrol.sh')],
    ['t/jobcontrol.keys', readFileSync('tests/fixtures/tty/jobcontrol.keys')],
    ['init', Buffer.from(init)],
  ]);
  assert.equal(run(Buffer.concat([readFileSync(busybox), files]), 128), readFileSync('tests/fixtures/tty/jobcontrol.txt', 'latin1'));
});

test('random calls on terminals, devices, procfs and sysfs break nothing', (t) => {
  const binary = compile(t, 'ttyfuzz');
  if (binary === null || !existsSync(busybox)) {
    t.skip('no riscv64-linux-gnu-gcc or no BusyBox initramfs here');
    return;
  }
  const init = `#!/bin/sh
mkdir -p /proc /sys /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
for s in 1 2 3; do setsid /ttyfuzz $s 5000 </dev/null; done >/out; sleep 1; sort /out | uniq -c; poweroff -f
`;
  const files = cpio([
    ['ttyfuzz', binary],
    ['init', Buffer.from(init)],
  ]);
  assert.match(run(Buffer.concat([readFileSync(busybox), files]), 128), /^ *6 survived$/m);
});
