import assert from 'node:assert/strict';
import test from 'node:test';
import { STATE_FCSR, STATE_X } from '../layout.ts';
import { PTE_R, PTE_U, PTE_W } from '../mmu.ts';
import * as asm from '../testing/assemble.ts';
import { Bare } from '../testing/bare.ts';
import { Rng } from '../testing/rng.ts';
import { Trap } from '../trap.ts';
import type { Tier } from './code_cache.ts';

// Small loops that the translator copies, groups and follows in special ways. The interpreter says what is right: every register, the count and the
// place of each stop, and memory.

const TIERS: readonly Tier[] = ['auto', 'quick', 'hot', 'eager'];
const CODE = 0x10000;
const DATA = 0x40000;
const RW = PTE_R | PTE_W | PTE_U;

interface Case {
  readonly words: readonly number[];
  readonly registers: Readonly<Record<number, number>>;
  /** Pages from DATA; `frames` is where they lie, `missing` come at a fault. */
  readonly pages: number;
  readonly frames: (page: number) => number;
  readonly missing: readonly number[];
  readonly slice: number;
  readonly rounds: number;
}

function run(c: Case, tier: Tier, seed: number): string {
  const bare = new Bare({ tier });
  const { machine } = bare;
  const rng = new Rng(seed);
  const first = Array.from({ length: c.pages }, () => bare.frame())[0];
  const pa = (page: number) => first + c.frames(page) * 4096;
  for (let page = 0; page < c.pages; page++) {
    for (let at = 0; at < 4096; at += 4) machine.ram.write32(pa(page) + at, rng.below(0x1_0000_0000));
    if (!c.missing.includes(page)) bare.map(DATA + page * 4096, pa(page), RW);
  }
  // The last element ends the loops.
  machine.ram.u8[pa(c.pages - 1) + 4096 - 8] |= 3;
  bare.words(CODE, c.words);
  const out: string[] = [];
  for (let round = 0; round < c.rounds; round++) {
    machine.regs.pc = CODE;
    for (const [r, value] of Object.entries(c.registers)) machine.regs.set(Number(r), value);
    for (;;) {
      const cause = machine.run(c.slice);
      let sum = 0;
      for (let at = STATE_X; at < STATE_FCSR; at += 4) sum = (Math.imul(sum, 31) + machine.ram.readS32(at)) | 0;
      out.push(`${cause}@${machine.regs.pc.toString(16)} n=${machine.instret} ${sum}`);
      if (cause === Trap.ECALL_U) break;
      if (cause === Trap.SLICE_END) continue;
      assert.ok(cause >= Trap.INSN_PAGE_FAULT, out.at(-1));
      const page = Math.floor((machine.tval - DATA) / 4096);
      assert.ok(c.missing.includes(page), `fault at ${machine.tval.toString(16)}`);
      bare.map(DATA + page * 4096, pa(page), RW);
      machine.flushTlbPage(DATA + page * 4096);
    }
  }
  for (let page = 0; page < c.pages; page++) out.push(Buffer.from(machine.ram.u8.subarray(pa(page), pa(page) + 4096)).toString('base64'));
  return out.join('\n');
}
function sameInAllTiers(c: Case): void {
  for (let seed = 1; seed <= 3; seed++) {
    const cold = run(c, 'cold', seed);
    for (const tier of TIERS) assert.ok(run(c, tier, seed) === cold, `${tier}, seed ${seed}, slices of ${c.slice}`);
  }
}
const PLACEMENTS: readonly ((page: number) => number)[] = [(page) => page, (page) => 3 - page];

// Even elements go back at once, the others by way of a store through a pointer that only they move.
const TWO_LATCHES = [
  asm.ld(5, 10, 0),
  asm.addi(10, 10, 8),
  asm.iType(0x13, 7, 6, 5, 1),
  asm.bType(0, 6, 0, -12),
  asm.rType(0x33, 0, 0, 7, 7, 5),
  asm.sd(7, 12, 0),
  asm.addi(12, 12, 8),
  asm.bType(1, 10, 11, -28),
  asm.ECALL,
];
// Three ways back, one of which skips elements; an outer loop comes back to the same head.
const THREE_LATCHES = [
  asm.ld(5, 10, 0),
  asm.ld(8, 10, -8),
  asm.addi(10, 10, 8),
  asm.iType(0x13, 7, 6, 5, 3),
  asm.bType(0, 6, 0, -16),
  asm.addi(6, 6, -1),
  asm.rType(0x33, 0, 0, 7, 7, 8),
  asm.bType(0, 6, 0, -28),
  asm.sd(7, 10, -16),
  asm.bType(1, 10, 11, -36),
  asm.addi(13, 13, -1),
  asm.rType(0x33, 0, 0, 10, 14, 0),
  asm.bType(1, 13, 0, -48),
  asm.ECALL,
];

for (const slice of [1, 7, 1_000_000]) {
  test(`loops with several latches, slices of ${slice}`, () => {
    for (const frames of PLACEMENTS)
      for (const missing of [[], [1, 2]]) {
        const common = { pages: 4, frames, missing, slice, rounds: slice === 1 ? 2 : 6 };
        // It begins near the end of a page, so that a run ends after a few iterations, too.
        const registers = { 7: 0, 10: DATA + 3896, 11: DATA + 4 * 4096, 12: DATA + 128 };
        sameInAllTiers({ ...common, words: TWO_LATCHES, registers });
        sameInAllTiers({ ...common, words: THREE_LATCHES, registers: { ...registers, 13: 3, 14: DATA + 8 } });
      }
  });
}

// A record of four words that walks over the ends of pages: one look-up for all of it where frames follow each other, by calls elsewhere.
const RECORDS = [
  asm.ld(5, 10, 0),
  asm.ld(6, 10, 24),
  asm.rType(0x33, 0, 0, 7, 7, 5),
  asm.sd(6, 10, 8),
  asm.sd(7, 10, 16),
  asm.sw(5, 10, 30),
  asm.addi(10, 10, 4),
  asm.bType(1, 10, 11, -28),
  asm.ECALL,
];
test('groups of accesses that cross from page to page, to the next frame, to another one, to none', () => {
  for (const slice of [1, 50, 1_000_000])
    for (const frames of PLACEMENTS)
      for (const missing of [[], [1, 3]]) {
        const registers = { 7: 1, 10: DATA + 3500, 11: DATA + 4 * 4096 - 36 };
        sameInAllTiers({ words: RECORDS, registers, pages: 4, frames, missing, slice, rounds: slice === 1 ? 1 : 5 });
      }
});
