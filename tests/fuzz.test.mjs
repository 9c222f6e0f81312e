// Hostile input from outside and inside: whatever it is, no exception leaves the kernel and the shell still answers.
// `npm test` takes a fast sample; `npm run fuzz` sets LINTEL_FUZZ, a factor for the number of tries. Seeds are fixed: a failure repeats.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { boot } from '../dist/index.js';

const FACTOR = Number(process.env.LINTEL_FUZZ ?? 1);
const MEGABYTE = 1 << 20;

/** Bytes from a seed (xorshift). */
function randomBytes(length, seed) {
  const bytes = new Uint8Array(length);
  let x = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x & 255;
  }
  return bytes;
}

/** A system that is replaced when a program stops it (as root it may). */
class Patient {
  constructor(options) {
    this.options = options;
  }
  async start() {
    this.vm = await boot({ seed: 1, memory: '96M', ...this.options });
    return this;
  }
  /** Runs the file as a program; it may do what it likes to itself. */
  async exec(image, args = []) {
    this.vm.writeFile('/tmp/victim', image);
    await this.vm.run(['chmod', '755', '/tmp/victim']);
    const r = await this.vm.run(['/tmp/victim', ...args], { timeout: 500 });
    await this.check();
    return r;
  }
  async check() {
    const { kernel } = this.vm;
    assert.doesNotMatch(kernel.halted?.message ?? '', /internal error/);
    assert.notEqual(kernel.halted?.reason, 'panic', kernel.halted?.message);
    if (kernel.halted !== null) {
      this.stop();
      await this.start();
    }
    const r = await this.vm.run(['sh', '-c', 'echo alive; rm -f /tmp/victim'], { timeout: 60_000 });
    assert.deepEqual([r.stdout, r.exitCode], ['alive\n', 0], this.vm.dmesg().split('\n').slice(-20).join('\n'));
  }
  stop() {
    this.vm.close();
  }
}

let base;
let glibc;
before(async () => {
  base = await new Patient({}).start();
  glibc = await new Patient({ image: 'glibc', cpus: 2 }).start();
});
after(() => {
  base.stop();
  glibc.stop();
});

test('a megabyte of random bytes as a program', async () => {
  for (let seed = 1; seed <= 3 * FACTOR; seed++) {
    const bytes = randomBytes(MEGABYTE, seed);
    // ENOEXEC: the kernel knows no such format (a shell would take it for a script).
    assert.equal((await base.exec(bytes)).exitCode, 126);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
    await base.exec(bytes);
    // A header that is right up to the random program headers and code.
    const v = new DataView(bytes.buffer);
    v.setUint16(16, 2, true);
    v.setUint16(18, 243, true);
    v.setBigUint64(32, 64n, true);
    v.setUint16(54, 56, true);
    v.setUint16(56, 1 + (seed % 8), true);
    for (let i = 0; i < 8; i++) v.setUint32(64 + i * 56, [1, 1, 2, 3, 6, 7, 0x6474e551, 0x70000003][i], true);
    await base.exec(bytes);
  }
});

const interesting = [
  0n,
  1n,
  2n,
  3n,
  0xffn,
  0xfffn,
  0x1000n,
  0x1001n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x3ffffff000n,
  0x4000000000n,
].concat([0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn, 0xfffffffffffff000n, 0xffffffd600000000n]);
/** Places in the ELF header, in a program header, or anywhere; values that sit at limits, or random ones. */
const mutation = fc.record({
  at: fc.oneof(
    { weight: 2, arbitrary: fc.nat(63).map((n) => ['header', n]) },
    { weight: 5, arbitrary: fc.nat(56 * 12).map((n) => ['header', 64 + n]) },
    { weight: 1, arbitrary: fc.nat(MEGABYTE).map((n) => ['body', n]) },
  ),
  width: fc.constantFrom(1, 2, 4, 8),
  value: fc.oneof(fc.constantFrom(...interesting), fc.bigInt(0n, (1n << 64n) - 1n)),
});
const mutations = fc.record({
  changes: fc.array(mutation, { minLength: 1, maxLength: 4 }),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 10 }),
});
function mutate(original, { changes, cut }) {
  const bytes = Uint8Array.from(cut === null ? original : original.subarray(0, Math.floor(original.length * cut)));
  const view = new DataView(bytes.buffer);
  for (const { at, width, value } of changes) {
    let where = at[0] === 'header' ? at[1] : at[1] % Math.max(1, bytes.length);
    where -= where % width;
    if (where + width > bytes.length) continue;
    for (let i = 0; i < width; i++) view.setUint8(where + i, Number((value >> BigInt(8 * i)) & 0xffn));
  }
  return bytes;
}
const tries = (numRuns, seed) => ({ numRuns: numRuns * FACTOR, seed, endOnFailure: true, errorWithCause: false });

test('a static program with changed headers', async () => {
  const original = base.vm.readFile('/bin/busybox');
  await fc.assert(
    fc.asyncProperty(mutations, async (m) => void (await base.exec(mutate(original, m), ['echo', 'hi']))),
    tries(60, 20251),
  );
});
test('a dynamic program, and its loader, with changed headers', async () => {
  const program = glibc.vm.readFile('/usr/bin/true');
  const loader = glibc.vm.readFile('/usr/lib/riscv64-linux-gnu/ld-linux-riscv64-lp64d.so.1');
  await fc.assert(
    fc.asyncProperty(mutations, async (m) => void (await glibc.exec(mutate(program, m)))),
    tries(40, 20252),
  );
  await fc.assert(
    fc.asyncProperty(mutations, async (m) => void (await glibc.exec(mutate(loader, m), ['/usr/bin/true']))),
    tries(30, 20253),
  );
});
test('scripts that name themselves, nothing, or nonsense', async () => {
  const scripts = [
    '#!',
    '#!\n',
    '#! \n',
    '#!/tmp/victim\n',
    '#!/bin/sh',
    '#!/no/such arg\n',
    `#!${'/x'.repeat(3000)}\n`,
    '#!/bin/sh \0\n',
    '#!/bin/sh -c\nx',
    '',
  ];
  for (const script of scripts) await base.exec(Buffer.from(script));
});

test('random bytes as an image', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-fuzz-'));
  const path = join(dir, 'random.cpio');
  try {
    for (let seed = 1; seed <= 3 * FACTOR; seed++) {
      const bytes = randomBytes(MEGABYTE, seed);
      for (const start of ['', '070701', '070701'.padEnd(110, '0'), '\x1f\x8b\x08\x00']) {
        bytes.set(Buffer.from(start, 'latin1'));
        writeFileSync(path, bytes);
        await assert.rejects(
          boot({ image: path, memory: '32M' }),
          /cannot be unpacked|No working init found|not a whole gzip file/,
          `${seed} ${start}`,
        );
      }
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('random system calls leave a shell that answers', async () => {
  const program = gunzipSync(readFileSync(new URL('fixtures/proc/proctest.gz', import.meta.url)));
  let calls = 0;
  for (let seed = 11; seed <= 10 + 3 * FACTOR; seed++) {
    const patient = await new Patient({ seed, cpus: 1 + (seed % 4), memory: '128M' }).start();
    patient.vm.writeFile('/tmp/proctest', program);
    await patient.vm.run(['chmod', '755', '/tmp/proctest']);
    const r = await patient.vm.run(['/tmp/proctest', 'sysfuzz', String(seed), '4000', '80'], { timeout: 3_600_000 });
    calls += Number(/^fuzz done: (\d+) calls$/m.exec(r.stdout)?.[1] ?? 0);
    await patient.check();
    patient.stop();
  }
  assert.ok(calls >= 10_000 * FACTOR, `${calls} calls`);
});
