import assert from 'node:assert/strict';
import test from 'node:test';
import { Access } from './api.ts';
import { STATE_FCSR, STATE_X } from './layout.ts';
import type { Machine } from './machine.ts';
import { PTE_R, PTE_U, PTE_W, PTE_X } from './mmu.ts';
import * as asm from './testing/assemble.ts';
import { Bare } from './testing/bare.ts';
import { explain, runHere } from './testing/differential.ts';
import { IMAGE_VA, randomProgram } from './testing/random_program.ts';
import { Rng } from './testing/rng.ts';
import type { Tier } from './translator/code_cache.ts';
import { Trap } from './trap.ts';

// What ends a slice, what is counted and what a fault leaves behind must not depend on the tier that ran the code.

const TIERS: readonly Tier[] = ['cold', 'auto', 'quick', 'hot', 'eager'];
const CODE = 0x10000;
const DATA = 0x40000;
const RW = PTE_R | PTE_W | PTE_U;
const PAGED_SEEDS = Number(process.env['LINTEL_SEEDS'] ?? 8);

/** Of x, f, fcsr and sstatus. */
function registerSum({ ram, regs }: Machine): number {
  let sum = regs.sstatus;
  for (let at = STATE_X; at < STATE_FCSR + 4; at += 4) sum = (Math.imul(sum, 31) + ram.readS32(at)) | 0;
  return sum;
}

/** pc and count at the end of every slice, and all of user memory at the end. */
function trace(seed: number, tier: Tier, slice: number): string {
  const program = randomProgram(seed, { cases: 30, items: 30 });
  const bare = new Bare({ tier });
  const { machine } = bare;
  bare.load(IMAGE_VA, program.image);
  machine.regs.pc = IMAGE_VA;
  const out: string[] = [];
  let cause: number;
  do {
    cause = machine.run(slice);
    out.push(`${cause}@${machine.regs.pc.toString(16)}:${machine.instret}`);
  } while (cause === Trap.SLICE_END);
  return `${out.join(' ')} ${Buffer.from(bare.read(program.dataVa, program.dataLength)).toString('base64')}`;
}

for (const slice of [1, 7, 100]) {
  test(`slices of ${slice}: every tier ends them at the same places`, () => {
    for (let seed = 1; seed <= 3; seed++) {
      const cold = trace(seed, 'cold', slice);
      assert.equal(trace(seed, 'hot', slice), cold);
      assert.equal(trace(seed, 'quick', slice), cold);
      assert.equal(trace(seed, 'eager', slice), cold);
    }
  });
}

// sum += a[i] over an array whose pages appear one by one
const LOOP = [
  asm.addi(5, 0, 0),
  asm.ld(6, 10, 0),
  asm.rType(0x33, 0, 0, 5, 5, 6),
  asm.sd(5, 10, 0),
  asm.addi(10, 10, 8),
  asm.bType(1, 10, 11, -16),
  asm.ECALL,
];

function demandPaged(tier: Tier, slice: number): string {
  const bare = new Bare({ tier });
  const { machine } = bare;
  bare.words(CODE, LOOP);
  machine.regs.pc = CODE;
  machine.regs.set(10, DATA);
  machine.regs.set(11, DATA + 4 * 4096);
  const out: string[] = [];
  for (;;) {
    const cause = machine.run(slice);
    out.push(`${cause}@${machine.regs.pc}:${machine.instret}:${cause > 0 ? machine.tval : ''}:${machine.regs.get(5)}`);
    if (cause === Trap.ECALL_U) return out.join(' ');
    const page = Math.floor(machine.tval / 4096) * 4096;
    if (cause === Trap.LOAD_PAGE_FAULT) {
      const pa = bare.frame();
      bare.map(page, pa, PTE_R | PTE_U);
      for (let i = 0; i < 4096; i += 8) machine.ram.write64(pa + i, i + page);
    } else if (cause === Trap.STORE_PAGE_FAULT) {
      bare.map(page, machine.translate(bare.root, page, Access.READ, 0, false), PTE_R | PTE_W | PTE_U);
      machine.flushTlbPage(page);
    } else assert.equal(cause, Trap.SLICE_END);
  }
}

test('page faults in a loop are precise in every tier', () => {
  for (const slice of [1, 1000, 1_000_000]) {
    const cold = demandPaged('cold', slice);
    for (const tier of TIERS) assert.equal(demandPaged(tier, slice), cold, `${tier}, slices of ${slice}`);
  }
});

test('code that changes is translated again', () => {
  // a function that returns a constant, called in a loop; the constant is then rewritten by the program itself, with fence.i
  const body = (value: number) => asm.addi(12, 0, value);
  const words = [
    /* 00 */ asm.addi(5, 0, 300),
    /* 04 */ asm.jal(1, 32), // -> 36
    /* 08 */ asm.rType(0x33, 0, 0, 13, 13, 12),
    /* 12 */ asm.addi(5, 5, -1),
    /* 16 */ asm.bType(1, 5, 0, -12),
    /* 20 */ asm.ECALL,
    /* 24 */ asm.sw(14, 15, 0),
    /* 28 */ asm.FENCE_I,
    /* 32 */ asm.jal(0, -32),
    /* 36 */ body(1),
    /* 40 */ asm.jalr(0, 1, 0),
  ];
  for (const tier of TIERS) {
    const bare = new Bare({ tier });
    const { machine } = bare;
    bare.words(CODE, words);
    machine.regs.pc = CODE;
    const sums: number[] = [];
    for (let round = 0; round < 4; round++) {
      assert.equal(machine.run(1e6), Trap.ECALL_U);
      sums.push(machine.regs.get(13));
      machine.regs.set(13, 0);
      machine.regs.set(14, body(10 * (round + 1)));
      machine.regs.set(15, CODE + 36);
      machine.regs.pc = CODE + 24;
    }
    assert.deepEqual(sums, [300, 3000, 6000, 9000], tier);
    // And by the kernel, behind the MMU's back.
    const pa = machine.translate(bare.root, CODE + 36, Access.READ, 0, false);
    machine.ram.write32(pa, body(7));
    machine.invalidateCode(pa, 4);
    machine.regs.pc = CODE;
    assert.equal(machine.run(1e6), Trap.ECALL_U);
    assert.equal(machine.regs.get(13), 2100, tier);
    if (tier === 'hot') assert.ok(machine.code.stats.regions > 0 && machine.code.stats.dropped > 0);
  }
});

test('a translation serves every address space that maps its page', () => {
  const words = [asm.auipc(5, 0), asm.addi(6, 6, 1), asm.bType(1, 6, 7, -4), asm.ECALL];
  const bare = new Bare({ tier: 'hot' });
  const { machine } = bare;
  bare.words(CODE, words);
  const pa = machine.translate(bare.root, CODE, Access.READ, 0, false);
  bare.map(0x7000_0000, pa);
  for (const va of [CODE, 0x7000_0000]) {
    machine.regs.pc = va;
    machine.regs.set(6, 0);
    machine.regs.set(7, 1000);
    assert.equal(machine.run(1e6), Trap.ECALL_U);
    assert.equal(machine.regs.get(5), va);
    assert.equal(machine.regs.pc, va + 12);
  }
  assert.equal(machine.code.stats.regions, 1);
});

/** Random halfwords as code: overlapping instructions, wild jumps, faults of every kind. A trap skips a halfword. */
function wild(seed: number, tier: Tier, steps: number): string {
  const rng = new Rng(seed);
  const bare = new Bare({ tier });
  const { machine } = bare;
  const pages = 3;
  const code = new Uint16Array(pages * 2048);
  for (let i = 0; i < code.length; i++) {
    const r = rng.below(10);
    // Favour branches, jumps, loads and stores, which random bits rarely make.
    if (r < 2) code[i] = rng.pick([0xa001, 0xc001, 0xe001]) | (rng.u32() & 0x1ffc);
    else if (r < 3) code[i] = rng.pick([0x4000, 0x6000, 0xc000, 0xe000]) | (rng.u32() & 0x1ffc);
    else if (r < 4) code[i] = (rng.u32() & 0xff80) | rng.pick([0x63, 0x6f, 0x67, 0x03, 0x23, 0x2f, 0x53, 0x07, 0x27]);
    else code[i] = rng.u32() & 0xffff;
  }
  bare.load(CODE, new Uint8Array(code.buffer));
  bare.load(DATA, new Uint8Array(8192), RW);
  machine.regs.pc = CODE;
  const out: string[] = [];
  for (let i = 0; i < steps; i++) {
    const cause = machine.run(1 + rng.below(300));
    const { regs } = machine;
    out.push(`${cause}@${regs.pc}:${machine.instret}:${cause > 0 ? machine.tval : ''}:${registerSum(machine)}`);
    if (cause !== Trap.SLICE_END) {
      let pc = regs.pc + 2;
      if (pc < CODE || pc >= CODE + pages * 4096) pc = CODE + 2 * rng.below(code.length);
      regs.pc = pc;
      // Point some registers at memory again.
      for (let n = 0; n < 6; n++) regs.set(8 + rng.below(8), rng.pick([DATA, CODE]) + rng.below(8192));
    }
  }
  return `${out.join(' ')} ${Buffer.from(bare.read(CODE, code.byteLength)).toString('base64')} ${Buffer.from(bare.read(DATA, 8192)).toString('base64')}`;
}

test('random bytes as code: nothing throws and every tier does the same', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cold = wild(seed, 'cold', 3000).split(' ');
    for (const tier of ['hot', 'quick', 'eager'] as const) {
      const other = wild(seed, tier, 3000).split(' ');
      const at = cold.findIndex((s, i) => s !== other[i]);
      assert.equal(at, -1, `seed ${seed}, ${tier}: step ${at}: cold ${cold[at - 1]} then ${cold[at]}, ${tier} ${other[at]}`);
    }
  }
});

/**
 * A random program whose pages come and go: at every fault the page comes (for reading first, or at once for writing), and others vanish or
 * become read-only. So every access of translated code faults at some time. All registers are looked at after each slice and fault.
 */
function paged(seed: number, tier: Tier): string[] {
  const program = randomProgram(seed, { cases: 12, items: 40 });
  const rng = new Rng(seed);
  const bare = new Bare({ tier });
  const { machine } = bare;
  bare.load(IMAGE_VA, program.image);
  // Every third program is the kernel's.
  const mode = seed % 3 === 0 ? 1 : 0;
  const user = mode === 0 ? PTE_U : 0;
  machine.regs.mode = mode;
  const pages = Math.ceil(program.image.length / 4096);
  const frames = Array.from({ length: pages }, (_, i) => machine.translate(bare.root, IMAGE_VA + i * 4096, Access.READ, 0, false));
  const set = (page: number, flags: number) => {
    if (flags === 0) machine.ram.write64(bare.pte(IMAGE_VA + page * 4096), 0);
    else bare.map(IMAGE_VA + page * 4096, frames[page], flags);
    machine.flushTlbPage(IMAGE_VA + page * 4096);
  };
  for (let page = 0; page < pages; page++) set(page, 0);
  machine.regs.pc = IMAGE_VA;
  const out: string[] = [];
  for (;;) {
    const cause = machine.run(rng.pick([1, 5, 20, 60, 100_000]));
    const { regs } = machine;
    out.push(
      `${cause}@${regs.pc.toString(16)} n=${machine.instret} tval=${cause > 0 ? machine.tval.toString(16) : ''} ${registerSum(machine)}`,
    );
    if (cause === Trap.ECALL_U || cause === Trap.ECALL_S) break;
    if (cause === Trap.SLICE_END) {
      for (let n = rng.below(4); n > 0; n--) set(rng.below(pages), 0);
      continue;
    }
    assert.ok(cause >= Trap.INSN_PAGE_FAULT, out.at(-1));
    for (let n = rng.below(5); n > 0; n--) set(rng.below(pages), rng.pick([0, 0, PTE_R | PTE_X | user]));
    const page = Math.floor((machine.tval - IMAGE_VA) / 4096);
    set(page, cause === Trap.STORE_PAGE_FAULT || rng.below(3) === 0 ? PTE_R | PTE_W | PTE_X | user : PTE_R | PTE_X | user);
  }
  for (const pa of frames) out.push(Buffer.from(machine.ram.u8.subarray(pa, pa + 4096)).toString('base64'));
  return out;
}

test('pages come and go: faults are the same ones, with the same registers, in every tier', () => {
  let faults = 0;
  for (let seed = 1; seed <= PAGED_SEEDS; seed++) {
    const cold = paged(seed, 'cold');
    faults += cold.filter((s) => /^1[235]@/.test(s)).length;
    for (const tier of ['hot', 'quick', 'eager'] as const) {
      const other = paged(seed, tier);
      const at = cold.findIndex((s, i) => s !== other[i]);
      assert.equal(at, -1, `seed ${seed}, ${tier}, step ${at}:\n${cold[at - 1]}\ncold ${cold[at]}\n${tier} ${other[at]}`);
    }
  }
  assert.ok(faults > 40 * PAGED_SEEDS, `${faults} faults`);
});

test('turns of one instruction and turns without end come to the same state', () => {
  for (let seed = 21; seed <= 22; seed++) {
    const program = randomProgram(seed, { cases: 20, items: 40 });
    const whole = runHere(program, 100_000_000, 'cold');
    for (const tier of TIERS) {
      for (const slice of [1, 13]) {
        const turns = runHere(program, slice, tier);
        assert.equal(explain(program, turns.data, whole.data, 'one turn'), '', `seed ${seed}, ${tier}, turns of ${slice}`);
        assert.equal(turns.instret, whole.instret);
        assert.ok(turns.slices > 100);
      }
    }
  }
});
