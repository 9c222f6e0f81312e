import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { elfOf, explain, runHere } from './testing/differential.ts';
import { BLOCK_BYTES, type RandomProgram, randomProgram } from './testing/random_program.ts';

// Random programs, compared with what qemu-riscv64 makes of them: one hash per data block, and one for the arena. Recorded by
//   LINTEL_RECORD=1 QEMU=... node --test dist/machine/differential.test.js   (a qemu-riscv64 that knows Zicond: 8.0 or newer)
// `npm run isa-random` runs many more against the qemu that is installed.

interface Fixture {
  readonly qemu: string;
  readonly cases: number;
  readonly items: number;
  /** Seed to hashes. */
  readonly blocks: Record<string, string[]>;
}
const path = 'tests/fixtures/machine/differential.json';
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

function recordWith(qemu: string): Fixture {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-diff-'));
  const version = String(spawnSync(qemu, ['--version']).stdout).split('\n')[0];
  const made: Fixture = { qemu: version, cases: 60, items: 40, blocks: {} };
  for (const seed of SEEDS) {
    const program = randomProgram(seed, made);
    const elf = join(dir, 'p');
    writeFileSync(elf, elfOf(program));
    chmodSync(elf, 0o755);
    const r = spawnSync(qemu, ['-cpu', 'max', elf], { maxBuffer: 1 << 28 });
    assert.equal(r.status, 0, `qemu: status ${r.status} signal ${r.signal} ${r.stderr}`);
    made.blocks[seed] = hashes(program, new Uint8Array(r.stdout));
  }
  rmSync(dir, { recursive: true });
  return made;
}
const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('base64').slice(0, 12);
function hashes(program: RandomProgram, data: Uint8Array): string[] {
  const out: string[] = [];
  for (let i = 0; i < program.cases; i++) out.push(hash(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)));
  out.push(hash(data.subarray(program.cases * BLOCK_BYTES)));
  return out;
}

const { QEMU, LINTEL_RECORD } = process.env;
if (LINTEL_RECORD !== undefined) writeFileSync(path, `${JSON.stringify(recordWith(QEMU ?? 'qemu-riscv64'))}\n`);
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;

for (const seed of SEEDS) {
  test(`random instructions, seed ${seed}: as recorded from qemu, in every tier`, () => {
    const program = randomProgram(seed, fixture);
    const cold = runHere(program, 1_000_000, 'cold');
    for (const tier of ['quick', 'hot', 'eager'] as const) {
      const translated = runHere(program, 1_000_000, tier);
      assert.equal(translated.instret, cold.instret);
      assert.equal(explain(program, translated.data, cold.data, 'cold'), '', tier);
    }
    const ours = hashes(program, cold.data);
    const wrong = fixture.blocks[seed].findIndex((h, i) => h !== ours[i]);
    assert.equal(wrong, -1, `block ${wrong} differs`);
  });
}
