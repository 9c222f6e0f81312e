// The pages that are generated from the kernel's tables are what the tables say; every export that Linux has carries Linux's checksum.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SYMVERS } from '../dist/abi/symvers.js';
import { allDataExports, allFunctionExports } from '../dist/kernel/module/exports.js';
import { exportsPage, syscallsPage } from '../scripts/gen-docs.mjs';

const page = (name) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

test('docs/syscalls.md and docs/exports.md are up to date (npm run docs)', () => {
  assert.equal(page('syscalls.md'), syscallsPage());
  assert.equal(page('exports.md'), exportsPage());
});
// Removed from Linux's exports in 5.7 and 5.17; modules for older kernels still ask.
const NOT_IN_LINUX = ['_start', '_end', 'do_exit', 'kallsyms_lookup_name'];
test('exports have the checksum of Debian (scripts/gen-symvers.mjs)', () => {
  const names = [...allFunctionExports().filter((r) => r.internal !== true), ...allDataExports().filter((r) => r.internal !== true)].map(
    (r) => r.name,
  );
  const without = names.filter((n) => SYMVERS[n] === undefined && !NOT_IN_LINUX.includes(n));
  assert.deepEqual(without, []);
});
