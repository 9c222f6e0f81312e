import assert from 'node:assert/strict';
import test from 'node:test';
import { FAST_NAMES, type FastName } from '../fpu/fast.ts';
import { Machine } from '../machine.ts';
import { randomProgram } from '../testing/random_program.ts';
import { buildRegion, REACH, type RegionSource } from './cfg.ts';
import type { RegionImports } from './operands.ts';
import { emitRegion } from './region.ts';
import type { Templates } from './templates.ts';

const PAGE = 4096;
const CODE = 1 << 20;

/** Every instruction is the first of its kind. */
class NoTemplates extends Map {
  override get(): undefined {
    return undefined;
  }
}
/** Any indices will do. */
function importsWith(templates: Templates): RegionImports {
  const fast = Object.fromEntries(FAST_NAMES.map((name, i) => [name, 20 + i])) as Record<FastName, number>;
  const sizes = { 1: 1, 2: 2, 4: 4, 8: 8 };
  return { load: sizes, store: sizes, amoAddress: 9, fpu: 10, checkPage: 11, groupPa: 12, cleanBytes: null, fast, fused: false, templates };
}

test('code that was copied from templates is the code that instructions have without', () => {
  const { ram } = Machine.create({ memoryBytes: 32 << 20 });
  const warm = importsWith(new Map());
  const none = importsWith(new NoTemplates());
  let copied = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const program = randomProgram(seed, { cases: 4, items: 60 });
    ram.u8.set(program.image.subarray(0, 16 * PAGE), CODE);
    for (const full of [false, true]) {
      const source: RegionSource = {
        ram,
        pageAt: (delta) => (delta < 0 || delta >= 16 ? -1 : CODE + delta * PAGE),
        targetsOf: () => [],
        reach: REACH.user,
        full,
        maxInsns: full ? 400 : 60,
      };
      for (const mode of [0, 1]) {
        for (let start = 0; start < 1200; start += 100) {
          const emit = (with_: RegionImports) => {
            const region = buildRegion(source, start);
            if (region === null) return null;
            const f = emitRegion(region, with_, mode, 1);
            return { code: Buffer.from(f.bytes.subarray(0, f.length)).toString('hex'), hints: f.hints };
          };
          const before = [...warm.templates.values()].flat().length;
          const alone = emit(none);
          assert.deepEqual(emit(warm), alone);
          if (alone !== null && [...warm.templates.values()].flat().length === before) copied++;
        }
      }
    }
  }
  assert.ok(copied > 100, `${copied} regions were made of known templates only`);
});
