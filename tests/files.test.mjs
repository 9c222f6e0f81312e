// Files and mounts against real Linux: filestest (tests/guest/files) runs as init; tests/fixtures/files/filestest.txt is what it printed in
// Linux 6.12 (tests/guest/files/build.sh made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot, sameLines } from './boot_init.mjs';

const fixture = (name) => readFileSync(new URL(`fixtures/files/${name}`, import.meta.url));
const program = gunzipSync(fixture('filestest.gz'));
const parts = fixture('filestest.txt').toString('latin1').split(/^(?=== )/m);

for (const part of parts) {
  const name = /^== (\w+)$/m.exec(part)[1];
  test(`${name}: every call answers as in real Linux`, () => {
    const { text, halted } = boot(program, { cpus: 1, seed: 1, args: `-- ${name}` });
    assert.equal(halted, 'poweroff');
    sameLines(text, part);
  });
}
test('all parts with four harts and another seed', () => {
  const { text } = boot(program, { cpus: 4, seed: 5 });
  sameLines(text, parts.join(''));
});
