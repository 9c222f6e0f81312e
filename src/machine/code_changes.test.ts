import assert from 'node:assert/strict';
import test from 'node:test';
import { Access } from './api.ts';
import * as asm from './testing/assemble.ts';
import { Bare } from './testing/bare.ts';
import { changingCode } from './testing/changing_code.ts';
import { Trap } from './trap.ts';

// Code that changes: the interpreter fetches every instruction from memory, so what it does is right; translated code must do the same.

const SEEDS = Number(process.env['LINTEL_SEEDS'] ?? 8);

test('changing code: every tier does what the interpreter does', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cold = changingCode(seed, 'cold', 250);
    for (const tier of ['hot', 'quick', 'eager'] as const) {
      const other = changingCode(seed, tier, 250);
      const at = cold.findIndex((s, i) => s !== other[i]);
      assert.equal(at, -1, `seed ${seed}, ${tier}, step ${at}:\n${cold[at - 1]}\ncold ${cold[at]}\n${tier} ${other[at]}`);
    }
  }
});

const CODE = 0x1_0000;
const DATA = 0x4_0000;

test('a load that needs help gives its value after the interpreter wrote code', () => {
  const words = [
    /* 00 */ asm.FENCE_I, // for the interpreter, and what follows it up to a jump
    /* 04 */ asm.sw(14, 15, 0), // over translated code
    /* 08 */ asm.jal(0, 16), // -> 24
    /* 12 */ asm.addi(5, 5, 1),
    /* 16 */ asm.jalr(0, 1, 0),
    /* 20 */ asm.ECALL,
    /* 24 */ asm.ld(6, 10, 1), // misaligned
    /* 28 */ asm.addi(7, 6, 1),
    /* 32 */ asm.ECALL,
    /* 36 */ asm.jal(1, -24), // -> 12
    /* 40 */ asm.jal(0, -16), // -> 24
  ];
  for (const tier of ['cold', 'quick', 'hot'] as const) {
    const bare = new Bare({ tier });
    const { machine } = bare;
    bare.words(CODE, words);
    bare.load(DATA, new Uint8Array(4096).fill(0x11));
    const { regs } = machine;
    regs.set(10, DATA);
    regs.pc = CODE + 36;
    assert.equal(machine.run(100), Trap.ECALL_U);
    assert.equal(regs.getBig(6), 0x1111_1111_1111_1111n);
    regs.set(6, 0);
    regs.set(14, asm.addi(5, 5, 2));
    regs.set(15, CODE + 12);
    regs.pc = CODE;
    assert.equal(machine.run(100), Trap.ECALL_U);
    assert.equal(regs.getBig(6), 0x1111_1111_1111_1111n, tier);
    assert.equal(regs.getBig(7), 0x1111_1111_1111_1112n, tier);
  }
});

test('an atomic that writes the code it runs in is seen by the next instruction', () => {
  for (const tier of ['cold', 'quick', 'hot'] as const) {
    const bare = new Bare({ tier });
    const { machine } = bare;
    const { regs } = machine;
    // The first pass writes what is there already.
    bare.words(CODE, [asm.rType(0x2f, 2, 0x04, 0, 15, 14), asm.addi(5, 5, 1), asm.addi(28, 28, -1), asm.bType(1, 28, 0, -12), asm.ECALL]);
    regs.set(15, CODE + 4);
    const results: number[] = [];
    for (const step of [1, 100, 7]) {
      regs.set(14, asm.addi(5, 5, step));
      regs.set(5, 0);
      regs.set(28, 10);
      regs.pc = CODE;
      assert.equal(machine.run(1000), Trap.ECALL_U);
      results.push(regs.get(5));
    }
    assert.deepEqual(results, [10, 1000, 70], tier);
  }
});

test('a jump below address 0 goes backward, as everywhere', () => {
  for (const tier of ['cold', 'quick', 'hot'] as const) {
    const bare = new Bare({ tier });
    const { machine } = bare;
    bare.words(CODE, [asm.jal(0, -0x2_0000)]);
    machine.regs.pc = CODE;
    assert.equal(machine.run(1), Trap.SLICE_END, tier);
    assert.equal(machine.regs.pc, -0x1_0000, tier);
    assert.equal(machine.run(1), Trap.INSN_PAGE_FAULT, tier);
  }
});

test('3000 regions live at once, each in a module of its own, and go with their code; what is dropped is used again', () => {
  const bare = new Bare({ tier: 'quick' });
  const { machine } = bare;
  const count = 3000;
  bare.words(
    CODE,
    Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? asm.addi(5, 5, 1) : asm.ECALL)),
  );
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < count; i++) {
      machine.regs.pc = CODE + i * 8;
      assert.equal(machine.run(10), Trap.ECALL_U);
    }
    assert.equal(machine.regs.get(5), count * (round + 1));
    assert.equal(machine.statistics.liveRegions, count);
    assert.ok(machine.statistics.codeBytes > 0);
    for (let page = 0; page < count * 8; page += 4096)
      machine.invalidateCode(machine.translate(bare.root, CODE + page, Access.READ, 0, false), 4096);
    assert.equal(machine.statistics.liveRegions, 0);
    assert.equal(machine.statistics.codeBytes, 0);
  }
  assert.equal(machine.statistics.regions, 2 * count);
});
