// The instruction set and the kernel's handling of it, against real Linux: isatest (tests/guest/isa) runs as init in every tier of the machine;
// tests/fixtures/isa/isatest.txt is what it printed in Linux 6.12 (tests/guest/isa/build.sh made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot, sameLines } from './boot_init.mjs';

const fixture = (name) => readFileSync(new URL(`fixtures/isa/${name}`, import.meta.url));
const program = gunzipSync(fixture('isatest.gz'));
const expected = fixture('isatest.txt').toString('latin1');

/** What the parts of this name print. */
const partOf = (name) => new RegExp(`^== ${name}\n(?:(?!== ).*\n)*`, 'm').exec(expected)[0];

test('which instructions exist, as in real Linux', () => {
  // Every instruction is written anew, so translating them would only take time.
  const { text } = boot(program, { cpus: 1, seed: 1, tier: 'cold', args: '-- decode' });
  sameLines(text, partOf('decode'));
});
test('as in real Linux, and the same number of instructions in every tier', () => {
  const counts = [];
  const parts = ['machine', 'traps', 'faults', 'codechange', 'steps', 'atomics'];
  for (const tier of ['cold', 'quick', 'hot', 'eager']) {
    const { text, halted, instret } = boot(program, { cpus: 1, seed: 1, tier, args: `-- ${parts.join(' ')}` });
    assert.equal(halted, 'poweroff', tier);
    sameLines(text, parts.map(partOf).join(''));
    counts.push(instret);
  }
  assert.equal(new Set(counts).size, 1, String(counts));
});
test('threads on four harts lose no update, whatever the turns, and every tier takes the same ones', () => {
  for (const seed of [2, 3, 4]) {
    const counts = [];
    for (const tier of ['cold', 'quick', 'hot', 'eager']) {
      const { text, instret } = boot(program, { cpus: 4, seed, tier, args: '-- atomics' });
      sameLines(text, partOf('atomics'));
      counts.push(instret);
    }
    assert.equal(new Set(counts).size, 1, `seed ${seed}: ${counts}`);
  }
});
