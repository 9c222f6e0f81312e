// Memory as programs see it against real Linux (M53, M68, M70 to M73; J7-9.22 to J7-9.26): memtest (tests/guest/mm) runs as init; tests/fixtures/mm/memtest.txt is what it
// printed in Linux 6.12 (tests/guest/mm/build.sh made both): overcommit, scores, the log of the OOM killer, drop_caches, SysRq, texts that agree.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot as bootImage } from '../dist/index.js';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';
import { boot, sameLines } from './boot_init.mjs';

const fixture = (name) => readFileSync(new URL(`fixtures/mm/${name}`, import.meta.url));
const program = gunzipSync(fixture('memtest.gz'));
const expected = fixture('memtest.txt').toString('latin1');

for (const [cpus, seed] of [
  [1, 1],
  [4, 2],
]) {
  test(`every answer as in real Linux, ${cpus} harts`, () => {
    const { text, halted, k } = boot(program, { cpus, seed, megabytes: 256 });
    assert.equal(halted, 'poweroff');
    sameLines(text, `${expected}ended: exit 0\n`);
    // Only the first process is left, and what it holds.
    assert.equal([...k.sched.tasks.values()].filter((t) => !t.isKernelThread && t.pid !== 1).length, 0);
    assert.ok(k.mm.stat.anonPages < 200, `${k.mm.stat.anonPages} anonymous pages are left`);
  });
}

// vmaops makes random calls of mmap, munmap, mprotect, mremap, madvise, mlock and fork from fifteen seeds, with stores in between: after each of 8,600 steps the
// same answer, the same areas (lines of /proc/self/maps) and the same contents as in Linux.
for (const [cpus, megabytes] of [
  [1, 64],
  [2, 256],
])
  test(`random operations on areas as in real Linux, ${cpus} harts`, () => {
    const { text, halted, k } = boot(gunzipSync(fixture('vmaops.gz')), { cpus, seed: 1, megabytes });
    assert.equal(halted, 'poweroff');
    const linux = gunzipSync(fixture('vmaops.txt.gz')).toString();
    assert.ok(linux.split('\n').length > 4000);
    sameLines(text, linux);
    assert.ok(k.mm.stat.anonPages < 100, `${k.mm.stat.anonPages} anonymous pages are left`);
  });

test('frames that nobody holds are found', () => {
  const { k } = boot(program, { cpus: 1, seed: 1, megabytes: 128, args: '-- policy' });
  assert.deepEqual(auditFrames(k), []);
  const lost = k.mm.pages.alloc();
  assert.match(auditFrames(k).join(), new RegExp(`^1 frames belong to nobody .*: ${lost.toString(16)}$`));
  k.mm.pages.free(lost);
  k.mm.stat.anonPages++;
  assert.match(auditFrames(k).join(), /^anonymous frames: \d+ found, \d+ counted$/);
});

test('numa_maps of BusyBox as in real Linux', async (t) => {
  // Recorded with: echo 'cat /proc/self/numa_maps' | run-linux.sh -m -M 256M - -   How many processes share the program's pages, where chance put
  // areas, and which of the stack's pages were used of late, differ.
  const mask = (text) =>
    text
      .replace(/^[0-9a-f]{9,}/gm, 'ADDRESS')
      .replace(/^[0-9a-f]{8} default heap/gm, 'ADDRESS default heap')
      .replace(/ mapmax=\d+/g, ' mapmax=N')
      .replace(/(stack.*) active=\d+/g, '$1');
  const vm = await bootImage({ seed: 1 });
  t.after(() => vm.close());
  const r = await vm.run(['cat', '/proc/self/numa_maps']);
  assert.equal(mask(r.stdout), mask(fixture('numa_maps.txt').toString()));
});
