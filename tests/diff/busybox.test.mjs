// The differential suite: BusyBox command lines (cases/*.txt) answer here byte for byte as they did in real Linux
// (tests/fixtures/diff/expected.json, made by record.mjs). exceptions.json says of each case that may differ why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, expectations, readCases, Session } from './suite.mjs';

test('BusyBox command lines answer as in real Linux', async (t) => {
  const session = await Session.start();
  let checked = 0;
  for (const c of readCases()) {
    assert.notEqual(expectations().cases[c.name], undefined, `${c.name} was never recorded`);
    const verdict = compare(c.name, await session.run(c));
    checked++;
    if (verdict.reason === null) await t.test(c.name, () => assert.ok(verdict.same, `\n${c.script}\n${verdict.text}`));
  }
  await session.close();
  assert.ok(checked >= 150, `${checked} cases`);
});

test('exceptions name cases that exist', () => {
  const names = new Set(readCases().map((c) => c.name));
  for (const [name, reason] of Object.entries(expectations().exceptions)) {
    assert.ok(names.has(name), name);
    assert.ok(typeof reason === 'string' && reason.length > 10, `${name} has no reason`);
  }
});
