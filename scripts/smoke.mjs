// Boots an initramfs with BusyBox in it, runs a script and compares its output (see smoke.sh).
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runKernel } from '../dist/kernel/entry.js';
import { startKernel } from '../dist/kernel/init/main.js';
import { Machine } from '../dist/machine/machine.js';

const archive = process.env.LINTEL_SMOKE_INITRAMFS ?? join(homedir(), '.cache/lintel-lab/oracle/initrd-min.cpio');
if (!existsSync(archive)) {
  console.log('smoke: no BusyBox initramfs here; skipped');
  process.exit(0);
}

const SCRIPT = `echo hi; echo a b c | wc -w
for i in 1 2 3; do echo $i; done | sort -r | tr '\\n' ' '; echo
echo data >/tmp/f; cat /tmp/f | sed s/data/text/; rm /tmp/f; ls /tmp
(exit 7); echo status $?
sh -c 'kill -TERM $$'; echo status $?
sleep 1; echo slept
trap 'echo usr1' USR1; kill -USR1 $$
uname -sm
`;
const EXPECTED = `hi
3
3 2 1 
text
status 7
Terminated
status 143
slept
usr1
Linux riscv64
`;

/** A newc archive of a few executable files. */
function cpio(entries) {
  const parts = [];
  const pad = (n) => Buffer.alloc((4 - (n % 4)) % 4);
  let ino = 1_000_000;
  for (const [name, text] of [...entries, ['TRAILER!!!', '']]) {
    const data = Buffer.from(text);
    const fields = [ino++, 0o100755, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(head, pad(head.length), data, pad(data.length));
  }
  return Buffer.concat(parts);
}

function boot(cpus, seed) {
  const init =
    '#!/bin/sh\nmkdir -p /tmp /proc\nmount -t proc proc /proc\necho @BEGIN\nsh /script </dev/null 2>&1\necho @END\npoweroff -f\n';
  const initramfs = new Uint8Array(
    Buffer.concat([
      readFileSync(archive),
      cpio([
        ['script', SCRIPT],
        ['init', init],
      ]),
    ]),
  );
  const machine = Machine.create({ memoryBytes: 128 * 1024 * 1024 });
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
  const k = startKernel(machine, host, { commandLine: 'console=ttyS0', cpus, seed, initramfs });
  const begin = performance.now();
  while (runKernel(k, 5_000_000) === 'running' && performance.now() - begin < 20_000);
  return { text: text.replaceAll('\r', ''), instret: machine.instret, halted: k.halted?.reason };
}

const first = boot(1, 1);
const output = /@BEGIN\n([^]*?)@END\n/.exec(first.text)?.[1];
if (output !== EXPECTED || first.halted !== 'poweroff') {
  console.error(`smoke: wrong output (halted: ${first.halted})\n--- expected\n${EXPECTED}--- got\n${output ?? first.text}`);
  process.exit(1);
}
const again = boot(1, 1);
if (again.text !== first.text || again.instret !== first.instret) {
  console.error(`smoke: two runs with one seed differ (${first.instret} and ${again.instret} instructions)`);
  process.exit(1);
}
const smp = boot(4, 7);
if (/@BEGIN\n([^]*?)@END\n/.exec(smp.text)?.[1] !== EXPECTED) {
  console.error(`smoke: wrong output with 4 harts\n${smp.text}`);
  process.exit(1);
}
console.log(`smoke: ok (${first.instret} instructions)`);
process.exit(0);
