// The differential suite of Debian's programs (debian-cases/*.txt) in image `dev`, whose packages are pinned by hash (src/image/pins_dev.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, expectations, readCases, Session, SUITES } from './suite.mjs';

const suite = SUITES.debian;
/** Take seconds each, and what they look at is looked at by others too: only `node tests/diff/run.mjs --debian` runs them. */
const SLOW = new Set([
  'gdb-segfault',
  'gdb-watch-attach',
  'ps-threads',
  'py-version',
  'py-modules',
  'py-multiprocessing',
  'py-asyncio',
  'py-files',
  'py-errors',
  'perl-modules',
  'net-py-http',
  'net-py-asyncio',
  'net-ss-listen',
  'mm-of-open-exit',
  'packet-auxdata-stats',
  'gcc-project',
  'gcc-threads-libs',
]);

test('Debian command lines answer as in real Linux', async (t) => {
  const session = await Session.start(suite);
  let checked = 0;
  for (const c of readCases(suite)) {
    assert.notEqual(expectations(suite).cases[c.name], undefined, `${c.name} was never recorded`);
    if (SLOW.has(c.name)) continue;
    const verdict = compare(c.name, await session.run(c), suite);
    checked++;
    if (verdict.reason === null) await t.test(c.name, () => assert.ok(verdict.same, `\n${c.script}\n${verdict.text}`));
  }
  await session.close();
  assert.ok(checked >= 340, `${checked} cases`);
});

test('exceptions name cases that exist', () => {
  const names = new Set(readCases(suite).map((c) => c.name));
  for (const [name, reason] of Object.entries(expectations(suite).exceptions)) {
    assert.ok(names.has(name), name);
    assert.ok(typeof reason === 'string' && reason.length > 10, `${name} has no reason`);
  }
});
