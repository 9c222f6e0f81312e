// --check=memory (row M64's job without a rebuild): every planted mistake of tests/guest/memcheck is found at its function, with the stacks, and
// nothing is said of code that makes none.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boot } from '../dist/index.js';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';
import { buildModules } from '../dist/kmod/build.js';
import { allSets, fixtureFiles } from './modules/suite.mjs';

const KASAN = (kind) => new RegExp(`BUG: KASAN: ${kind} in `);
const OOB = KASAN('slab-out-of-bounds');
const UAF = KASAN('slab-use-after-free');
const PAGE_UAF = KASAN('use-after-free');
const DOUBLE = KASAN('double-free');
const INVALID = KASAN('invalid-free');
const UNINIT = /BUG: KMSAN: uninit-value in /;
const LEAK = /kmemleak: [12] new suspected memory leak/;
const CATALOGUE = {
  read_right: OOB,
  write_right: OOB,
  read_left: OOB,
  write_left: OOB,
  straddle: OOB,
  slack: OOB,
  full_class: OOB,
  far_right: OOB,
  memset_over: OOB,
  memcpy_from: OOB,
  memcpy_to: OOB,
  strcpy_over: OOB,
  unterminated: OOB,
  large_right: OOB,
  vmalloc_tail: KASAN('vmalloc-out-of-bounds'),
  shrunk: OOB,
  cache_right: OOB,
  hot_loop: OOB,
  print_string: OOB,
  sprintf_over: OOB,
  index_n: OOB,
  uaf_read: UAF,
  uaf_write: UAF,
  uaf_realloc: UAF,
  uaf_cache: UAF,
  uaf_large: UAF,
  uaf_vmalloc: KASAN('vmalloc-use-after-free'),
  uaf_page: PAGE_UAF,
  uaf_pages: PAGE_UAF,
  uaf_list: UAF,
  uaf_memcpy: UAF,
  uaf_print: UAF,
  uaf_later: UAF,
  double_free: DOUBLE,
  double_later: DOUBLE,
  double_cache: DOUBLE,
  double_large: DOUBLE,
  double_vfree: DOUBLE,
  double_page: DOUBLE,
  inside_free: INVALID,
  kfree_vmalloc: INVALID,
  vfree_kmalloc: INVALID,
  kfree_page: INVALID,
  uninit_int: UNINIT,
  uninit_cache: UNINIT,
  uninit_page: UNINIT,
  uninit_vmalloc: UNINIT,
  uninit_grown: UNINIT,
  leak: LEAK,
  leak_large: LEAK,
  leak_vmalloc: LEAK,
  leak_pages: LEAK,
  leak_ring: LEAK,
  leak_kept: LEAK,
  leak_string: LEAK,
};
/** Modules of other suites that do look at memory that was never written, or at red zones, to show what is there. */
const KNOWN = new Set(['lt_pages', 'lt_slab', 'lt_vmalloc', 'lt_slub', 'lt_free', 'lj_poison']);
/** Its init never comes back. */
const ENDLESS = new Set(['kc_deadlock']);

const work = mkdtempSync(join(tmpdir(), 'lintel-memcheck.'));
test.after(() => rmSync(work, { recursive: true, force: true }));
const [built] = await buildModules(join(import.meta.dirname, 'guest/memcheck'), {
  progress: () => {},
  diagnostics: (text) => process.stderr.write(text),
  output: work,
});

/** Loads and unloads a module: the reports, and what the log says of it. */
async function once(vm, path, name, parameters = '') {
  await vm.run(['dmesg', '-c']);
  const before = vm.kernel.mm.check?.reports ?? 0;
  const r = await vm.run(['sh', '-c', `insmod ${path} ${parameters}; echo $?; rmmod ${name} 2>&1; dmesg`]);
  return { reports: (vm.kernel.mm.check?.reports ?? 0) - before, log: r.stdout, loaded: r.stdout.startsWith('0\n') };
}

test('the catalogue of planted mistakes', async (t) => {
  assert.ok(Object.keys(CATALOGUE).length >= 40);
  const vm = await boot({ seed: 1, check: ['memory'] });
  t.after(() => vm.close());
  vm.writeFile('/lt_bugs.ko', readFileSync(built.path));
  for (const [bug, expected] of Object.entries(CATALOGUE)) {
    await t.test(bug, async () => {
      const { log, reports, loaded } = await once(vm, '/lt_bugs.ko', 'lt_bugs', `bug=${bug}`);
      assert.ok(loaded && log.includes(`${bug} is done`), log);
      const first = log.split('\n').find((line) => /BUG: |kmemleak: /.test(line)) ?? 'nothing was reported';
      assert.match(first, expected);
      assert.ok(reports >= 1);
      if (expected === LEAK)
        assert.match(log, new RegExp(`unreferenced object 0x[0-9a-f]{16} \\(size \\d+\\):\n.*\n.*backtrace:\n.*\n.* (get|${bug})\\+0x`));
      else {
        // The function that did it is in the trace, and where the memory came from.
        assert.match(log, new RegExp(`${bug}(\\.\\w+)*\\+0x[0-9a-f]+/0x[0-9a-f]+ \\[lt_bugs\\]`));
        assert.match(log, expected === UNINIT ? /Uninit was created at:/ : /Allocated by task \d+:|physical page:/);
      }
      if (expected === UAF || expected === DOUBLE)
        assert.match(log, /Freed by task \d+:\n.* k(vfree|free|mem_cache_free|realloc_noprof|free_pages)?|Freed by/);
    });
  }
});

test('a report has the parts of KASAN: access, stacks, object, state of memory', async (t) => {
  const vm = await boot({ seed: 1, check: ['memory'] });
  t.after(() => vm.close());
  vm.writeFile('/lt_bugs.ko', readFileSync(built.path));
  const { log } = await once(vm, '/lt_bugs.ko', 'lt_bugs', 'bug=uaf_write');
  for (const part of [
    /Write of size 1 at addr [0-9a-f]{16} by task insmod\/\d+/,
    /Call Trace:\n.*\] uaf_write\+0x/,
    /Allocated by task \d+:\n.*__kmalloc_noprof/,
    /Freed by task \d+:\n.* kfree\+0x.*\n.* uaf_write\+0x/,
    /which belongs to the cache kmalloc-64 of size 64/,
    /located 3 bytes inside of\n.*freed 33-byte region \[[0-9a-f]{16}, [0-9a-f]{16}\)/,
    /Memory state around the buggy address:/,
    /\n\S* *\S*\] >[0-9a-f]{16}: .*fb fb fb fb fb/,
  ])
    assert.match(log, part);
});

test('no report where there is no mistake', async (t) => {
  const vm = await boot({ seed: 1, check: ['memory'] });
  t.after(() => vm.close());
  vm.writeFile('/lt_bugs.ko', readFileSync(built.path));
  const clean = await once(vm, '/lt_bugs.ko', 'lt_bugs', 'bug=clean');
  assert.equal(clean.reports, 0, clean.log);
  let loaded = 0;
  for (const set of allSets()) {
    for (const [file, bytes] of fixtureFiles(set)) {
      const name = file.replace(/\.ko$/, '').replaceAll('-', '_');
      if (file.startsWith('x_') || name === 'lt_noexit' || KNOWN.has(name) || ENDLESS.has(name)) continue;
      vm.writeFile(`/${file}`, bytes);
      const r = await once(vm, `/${file}`, name);
      assert.equal(r.reports, 0, `${set}/${file}: ${r.log}`);
      if (r.loaded) loaded++;
      assert.equal(vm.kernel.halted, null);
    }
  }
  assert.ok(loaded >= 10, `${loaded} modules were loaded`);
  // What checks held back goes home; every frame is accounted for, as without them.
  vm.kernel.mm.check.drain();
  assert.deepEqual(auditFrames(vm.kernel), []);
});

test('switched off, nothing is watched and nothing is said', async (t) => {
  const vm = await boot({ seed: 1 });
  t.after(() => vm.close());
  assert.equal(vm.kernel.machine.watcher, null);
  vm.writeFile('/lt_bugs.ko', readFileSync(built.path));
  const { log } = await once(vm, '/lt_bugs.ko', 'lt_bugs', 'bug=far_right');
  assert.doesNotMatch(log, /BUG:/);
});
