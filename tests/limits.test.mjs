// Many of everything against real Linux (tests/guest/limits/limits.c; what Linux 6.12 said is tests/fixtures/limits/limits.txt), and that all memory
// comes back. Needs the RISC-V cross compiler.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { boot } from '../dist/index.js';

const expected = new Map(
  readFileSync(new URL('fixtures/limits/limits.txt', import.meta.url), 'utf8')
    .split(/^@@ /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
);
let dir;
let program;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'lintel-limits-'));
  program = join(dir, 'limits');
  const source = 'tests/guest/limits/limits.c';
  const r = spawnSync('riscv64-linux-gnu-gcc', ['-static', '-O1', '-w', '-pthread', '-o', program, source], { encoding: 'utf8' });
  assert.equal(r.error, undefined, 'this test needs riscv64-linux-gnu-gcc');
  assert.equal(r.status, 0, r.stderr);
});
after(() => rmSync(dir, { recursive: true }));

async function start(memory) {
  const vm = await boot({ image: 'base', memory, seed: 1 });
  vm.writeFile('/limits', readFileSync(program));
  await vm.run(['chmod', '+x', '/limits']);
  return vm;
}
/** Free memory in kB: MemFree, and the pages that CPUs keep to hand. */
async function memFree(vm) {
  const text = (await vm.run(['cat', '/proc/meminfo', '/proc/zoneinfo'])).stdout;
  const kept = [...text.matchAll(/^ +count: (\d+)/gm)].reduce((n, m) => n + Number(m[1]) * 4, 0);
  return Number(/MemFree: +(\d+) kB/.exec(text)[1]) + kept;
}

test('2,000 processes, 2,000 threads, 10,000 open files, a file of 1 GiB; then the memory is free again', async (t) => {
  const vm = await start('2G');
  assert.deepEqual([...expected.keys()], ['processes', 'nproc', 'threads', 'files', 'bigfile']);
  for (const [what, answer] of expected)
    await t.test(what, async () => {
      const free = await memFree(vm);
      const r = await vm.run(['/limits', what]);
      assert.equal(r.stdout, answer);
      assert.equal(r.stderr, '');
      const now = await memFree(vm);
      assert.ok(Math.abs(free - now) <= free / 100, `MemFree was ${free} kB and is ${now} kB`);
    });
  await vm[Symbol.asyncDispose]();
});

test('where memory does not suffice the greediest is killed, its memory comes back, and the system goes on', async () => {
  const vm = await start('48M');
  const free = await memFree(vm);
  for (const what of ['eat', 'processes', 'eat', 'threads', 'files']) {
    const r = await vm.run(['/limits', what]);
    if (what === 'eat') assert.ok(r.oomKilled);
    assert.equal((await vm.run(['echo', 'alive'])).stdout, 'alive\n');
  }
  assert.match(vm.dmesg(), /Out of memory: Killed process \d+ \(limits\)/);
  const now = await memFree(vm);
  assert.ok(Math.abs(free - now) <= free / 50, `MemFree was ${free} kB and is ${now} kB`);
  await vm[Symbol.asyncDispose]();
});
