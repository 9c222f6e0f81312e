import assert from 'node:assert/strict';
import test from 'node:test';
import { PTE_A, PTE_D, PTE_R, PTE_V, PTE_W, PTE_X } from '../mmu.ts';
import * as asm from '../testing/assemble.ts';
import { Bare } from '../testing/bare.ts';
import { Trap } from '../trap.ts';
import type { Tier } from './code_cache.ts';

// Kernel code calls functions a gigabyte away, in a page of 2 MiB, as modules call the kernel image: copied to the call site in full regions, and no tier tells.

const TIERS: readonly Tier[] = ['cold', 'auto', 'quick', 'hot', 'eager'];
const CODE = -0x7000_0000;
const FAR = CODE + 0x4060_0000 - (CODE % 0x20_0000);
const DATA = FAR + 0x10_0000;
const MIB2 = 0x20_0000;
const [RA, T0, T1, S0, A0] = [1, 5, 6, 8, 10];

/** Maps the 2 MiB at `va`. */
function mapLarge(bare: Bare, va: number, pa: number): void {
  const { ram } = bare.machine;
  const top = bare.root + (Math.floor((va + 2 ** 39) / 2 ** 30) & 511) * 8;
  if (ram.read64(top) === 0) ram.write64(top, (bare.frame() / 4096) * 1024 + PTE_V);
  const table = Math.floor(ram.read64(top) / 1024) * 4096;
  ram.write64(table + (Math.floor((va + 2 ** 39) / MIB2) & 511) * 8, (pa / 4096) * 1024 + PTE_V + PTE_R + PTE_W + PTE_X + PTE_A + PTE_D);
}
/** `step` more in a0, and in the word at DATA + 8 * (a0 % 512). */
const far = (step: number) => [
  asm.addi(A0, A0, step),
  asm.iType(0x13, 7, T1, A0, 511),
  asm.iType(0x13, 1, T1, T1, 3),
  asm.lui(T0, DATA - FAR),
  asm.rType(0x33, 0, 0, T1, T1, T0),
  asm.auipc(T0, 0),
  asm.rType(0x33, 0, 0, T1, T1, T0),
  asm.ld(T0, T1, -20),
  asm.rType(0x33, 0, 0, T0, T0, A0),
  asm.sd(T0, T1, -20),
  asm.jalr(0, RA, 0),
];
function run(tier: Tier, slice: number): { trace: string[]; entries: number } {
  const bare = new Bare({ tier, memoryBytes: 32 << 20 });
  const { machine } = bare;
  const { regs, ram } = machine;
  const frames = [0x80_0000, 0xa0_0000];
  frames.forEach((pa, i) => {
    mapLarge(bare, FAR, pa);
    for (const [n, word] of far(i + 1).entries()) ram.write32(pa + n * 4, word);
  });
  mapLarge(bare, FAR, frames[0]);
  const distance = FAR - CODE;
  bare.words(
    CODE,
    [asm.auipc(T0, distance), asm.jalr(RA, T0, 0), asm.addi(S0, S0, -1), asm.bType(1, S0, 0, -12), asm.ECALL],
    PTE_R | PTE_X,
  );
  regs.mode = 1;
  const trace: string[] = [];
  let entries = 0;
  // Twice the same function, another one in the same place, and the first again.
  for (const [round, which] of [0, 0, 1, 0].entries()) {
    if (round === 2) entries = machine.translated.entries;
    mapLarge(bare, FAR, frames[which]);
    machine.flushTlb();
    regs.pc = CODE;
    regs.set(S0, 20_000);
    for (;;) {
      const cause = machine.run(slice);
      trace.push(`${cause}@${regs.pc.toString(16)} n=${machine.instret} a0=${regs.get(A0)} t1=${regs.get(T1)}`);
      if (cause === Trap.ECALL_S) break;
      assert.equal(cause, Trap.SLICE_END, trace.at(-1));
    }
  }
  // A wild access in the far function is a fault of its own instruction.
  for (const pa of frames) ram.write32(pa + 4, asm.addi(T1, 0, 0));
  machine.invalidateCode(frames[0], 64);
  for (const pa of frames) ram.write32(pa + 16, asm.addi(T1, 0, 0));
  for (const pa of frames) ram.write32(pa + 24, asm.addi(T1, T1, 20));
  machine.invalidateCode(frames[0], 64);
  regs.pc = CODE;
  regs.set(S0, 20_000);
  const cause = machine.run(1_000_000);
  trace.push(`${cause}@${regs.pc.toString(16)} n=${machine.instret} tval=${machine.tval}`);
  assert.equal(regs.pc, FAR + 28);
  for (const pa of frames) trace.push(Buffer.from(ram.u8.subarray(pa + 0x10_0000, pa + 0x10_2000)).toString('base64'));
  return { trace, entries };
}

for (const slice of [7, 1_000_000])
  test(`far calls in every tier, slices of ${slice}`, () => {
    const cold = run('cold', slice);
    for (const tier of TIERS) {
      const other = run(tier, slice);
      const at = cold.trace.findIndex((s, i) => s !== other.trace[i]);
      assert.equal(at, -1, `${tier}, step ${at}:\ncold ${cold.trace[at]}\n${tier} ${other.trace[at]}`);
      // 40,000 calls: each would leave the region twice.
      if (slice > 7 && tier === 'hot') assert.ok(other.entries < 2000, `${tier}: entered ${other.entries} times`);
    }
  });
