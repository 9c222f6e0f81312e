// Kernel modules against real Linux (rows 4.21 to 4.33, 4.36 to 4.38, 5.34 to 5.51 of the book): the .ko files that the fixture keeps, in the same cases
// as in Linux 6.12. tests/modules/README.md says how it was recorded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allSets, expectations, runAll } from './modules/suite.mjs';

for (const set of allSets()) {
  test(`modules behave as in real Linux: ${set}`, async (t) => {
    const { cases, exceptions } = expectations(set);
    let checked = 0;
    for await (const { name, ...actual } of runAll(set)) {
      if (cases[name] === undefined || exceptions[name] !== undefined) continue;
      checked++;
      await t.test(name, () => assert.deepEqual(actual, cases[name]));
    }
    assert.equal(checked, Object.keys(cases).filter((name) => exceptions[name] === undefined).length);
  });
}
