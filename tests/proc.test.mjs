// Processes, signals, futexes, time and event files against real Linux: proctest (tests/guest/proc) runs as init; tests/fixtures/proc/proctest.txt
// is what it printed, and the same of nstest (namespaces, pidfds, seccomp and more), vdsotest, pitest, stresstest and cgrouptest, in Linux 6.12 (tests/guest/proc/build.sh made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot, sameLines } from './boot_init.mjs';

const fixture = (name) => readFileSync(new URL(`fixtures/proc/${name}`, import.meta.url));
const program = gunzipSync(fixture('proctest.gz'));
const nstest = gunzipSync(fixture('nstest.gz'));
const nsExpected = fixture('nstest.txt').toString('latin1');
const expected = fixture('proctest.txt').toString('latin1');

test('every call answers as in real Linux', () => {
  const { text, halted } = boot(program, { cpus: 1, seed: 1 });
  assert.equal(halted, 'poweroff');
  sameLines(text, expected);
});
for (const seed of [2, 3]) {
  test(`the same with four harts, seed ${seed}`, () => {
    const { text } = boot(program, { cpus: 4, seed });
    sameLines(text, expected);
  });
}
for (const [cpus, seed] of [
  [1, 1],
  [4, 2],
]) {
  test(`namespaces, pidfds, seccomp and calls on other processes, ${cpus} harts`, () => {
    const { text, halted } = boot(nstest, { cpus, seed });
    assert.equal(halted, 'poweroff');
    sameLines(text, nsExpected);
  });
}
for (const [cpus, seed, tier] of [
  [1, 1, 'auto'],
  [2, 2, 'eager'],
]) {
  test(`the vDSO: its image, its functions, its mappings, ${tier}`, () => {
    const { text, halted } = boot(gunzipSync(fixture('vdsotest.gz')), { cpus, seed, tier });
    assert.equal(halted, 'poweroff');
    sameLines(text, fixture('vdsotest.txt').toString('latin1'));
  });
}
for (const seed of [1, 2]) {
  test(`futexes with priority inheritance, seed ${seed}`, () => {
    const { text, halted } = boot(gunzipSync(fixture('pitest.gz')), { cpus: 1, seed });
    assert.equal(halted, 'poweroff');
    sameLines(text, fixture('pitest.txt').toString('latin1'));
  });
}
for (const [cpus, seed] of [
  [1, 1],
  [3, 2],
]) {
  test(`control groups, ${cpus} harts`, () => {
    const { text, halted } = boot(gunzipSync(fixture('cgrouptest.gz')), { cpus, seed });
    assert.equal(halted, 'poweroff');
    sameLines(text, fixture('cgrouptest.txt').toString('latin1'));
  });
}
test('what stress-ng found wrong stays right', () => {
  const { text, halted } = boot(gunzipSync(fixture('stresstest.gz')), { cpus: 1, seed: 1 });
  assert.equal(halted, 'poweroff');
  sameLines(text, fixture('stresstest.txt').toString('latin1'));
});
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
