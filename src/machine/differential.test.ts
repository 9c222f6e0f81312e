import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { Bare } from './testing/bare.ts';
import { BLOCK_BYTES, elfOf, IMAGE_VA, type RandomProgram, randomProgram } from './testing/random_program.ts';
import type { Tier } from './translator/code_cache.ts';
import { Trap } from './trap.ts';

// Random programs, compared with what qemu-riscv64 makes of them. The fixture holds one hash per data block, recorded by
//   LINTEL_RECORD=1 node --test dist/machine/differential.test.js   (needs qemu-riscv64-static)

interface Fixture {
  readonly qemu: string;
  readonly cases: number;
  readonly items: number;
  /** Seed to the hashes of its blocks. */
  readonly blocks: Record<string, string[]>;
}
const path = 'tests/fixtures/machine/differential.json';
const QEMU = 'qemu-riscv64-static';

function runHere(program: RandomProgram, slice: number, tier: Tier = 'auto'): { data: Uint8Array; instret: number; slices: number } {
  const bare = new Bare({ tier });
  bare.load(IMAGE_VA, program.image);
  const { machine } = bare;
  machine.regs.pc = IMAGE_VA;
  let slices = 0;
  let cause: number;
  while ((cause = machine.run(slice)) === Trap.SLICE_END) slices++;
  assert.equal(cause, Trap.ECALL_U, `trap ${cause} at 0x${machine.regs.pc.toString(16)} tval 0x${machine.tval.toString(16)}`);
  assert.equal(machine.regs.get(17), 64);
  return { data: bare.read(program.dataVa, program.dataLength), instret: machine.instret, slices };
}
function runQemu(program: RandomProgram): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-diff-'));
  try {
    const elf = join(dir, 'p');
    writeFileSync(elf, elfOf(program));
    chmodSync(elf, 0o755);
    const r = spawnSync(QEMU, [elf], { maxBuffer: 1 << 28 });
    assert.equal(r.status, 0, `qemu: status ${r.status} signal ${r.signal} ${r.stderr}`);
    return new Uint8Array(r.stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('base64').slice(0, 12);
const blocksOf = (data: Uint8Array) => {
  const out: string[] = [];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) out.push(hash(data.subarray(at, at + BLOCK_BYTES)));
  return out;
};
const registerName = (offset: number) =>
  offset < 256 ? `x${offset >> 3}` : offset < 512 ? `f${(offset - 256) >> 3}` : offset < 520 ? 'fcsr' : `scratch+${offset - 528}`;

/** First difference in words for a message. */
function explain(ours: Uint8Array, theirs: Uint8Array): string {
  const a = new DataView(ours.buffer, ours.byteOffset);
  const b = new DataView(theirs.buffer, theirs.byteOffset);
  const lines: string[] = [];
  for (let at = 0; at + 8 <= ours.length && lines.length < 12; at += 8) {
    const x = a.getBigUint64(at, true);
    const y = b.getBigUint64(at, true);
    if (x !== y)
      lines.push(`case ${Math.floor(at / BLOCK_BYTES)} ${registerName(at % BLOCK_BYTES)}: here ${x.toString(16)}, qemu ${y.toString(16)}`);
  }
  return lines.join('\n');
}

const haveQemu = spawnSync(QEMU, ['--version']).status === 0;

if (process.env['LINTEL_RECORD'] !== undefined) {
  const version = String(spawnSync(QEMU, ['--version']).stdout).split('\n')[0];
  const fixture: Fixture = { qemu: version, cases: 60, items: 40, blocks: {} };
  for (let seed = 1; seed <= 12; seed++) fixture.blocks[seed] = blocksOf(runQemu(randomProgram(seed, fixture.cases, fixture.items)));
  writeFileSync(path, `${JSON.stringify(fixture)}\n`);
}
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;

for (const [seed, blocks] of Object.entries(fixture.blocks)) {
  test(`random instructions, seed ${seed}: as recorded from qemu`, () => {
    const program = randomProgram(Number(seed), fixture.cases, fixture.items);
    const cold = runHere(program, 1_000_000, 'cold');
    const hot = runHere(program, 1_000_000, 'hot');
    assert.deepEqual(hot.instret, cold.instret);
    assert.equal(explain(hot.data, cold.data), '', 'tiers differ');
    const { data } = cold;
    const ours = blocksOf(data);
    const wrong = blocks.findIndex((h, i) => h !== ours[i]);
    if (wrong < 0) return;
    assert.fail(haveQemu ? explain(data, runQemu(program)) : `block ${wrong} differs`);
  });
}

const extra = (process.env['LINTEL_SEEDS'] ?? '1001,1002').split(',').map(Number);
for (const seed of extra) {
  test(`random instructions, seed ${seed}: as qemu says now`, { skip: !haveQemu }, () => {
    const program = randomProgram(seed, fixture.cases, fixture.items);
    const { data } = runHere(program, 1_000_000);
    const theirs = runQemu(program);
    assert.equal(explain(data, theirs), '');
  });
}
