import assert from 'node:assert/strict';
import test from 'node:test';
import { Access, type AccessKind, PageKind } from './api.ts';
import { PTE_R, PTE_W, PTE_X } from './mmu.ts';
import * as asm from './testing/assemble.ts';
import { Bare } from './testing/bare.ts';
import { Rng } from './testing/rng.ts';
import { Trap } from './trap.ts';
import type { Tier } from './translator/code_cache.ts';

// Which accesses a watcher is shown, and what becomes of the shadow, must be what api.ts says, in every tier.

const TIERS: readonly Tier[] = ['cold', 'quick', 'hot', 'eager'];
const CODE = -0x7000_0000;
const DATA = -0x6000_0000;
const PAGES = 4;
const ROUNDS = 6;
const [S0, S1, T0] = [8, 9, 5];
/** One for each page, at its middle; a pointer and a counter of loops. */
const BASES = [19, 20, 21, 22];
const [POINTER, COUNTER] = [24, 25];
const SEEDS = Number(process.env['LINTEL_SEEDS'] ?? 12);

interface Op {
  readonly kind: AccessKind;
  readonly size: number;
  readonly offset: number;
  /** So many times, so many bytes further each time. */
  readonly times: number;
  readonly stride: number;
  readonly words: readonly number[];
}
function someOps(rng: Rng): Op[] {
  return Array.from({ length: 40 }, () => {
    const size = 1 << rng.below(4);
    const f3 = Math.log2(size);
    const page = rng.below(PAGES) * 4096;
    // Near each other, so that they become groups; now and then misaligned, or across a page's end.
    let offset = page + rng.pick([0, 64, 2000, 4080]) + rng.below(16);
    if (rng.below(8) > 0) offset -= offset % size;
    const high = (offset + 0x800) & ~0xfff;
    const load = (rs: number, at: number) => asm.iType(0x03, f3, 6, rs, at);
    const store = (rs: number, at: number) => asm.sType(0x23, f3, rs, S1, at);
    const base = [asm.lui(T0, high), asm.rType(0x33, 0, 0, T0, T0, S0)];
    const near = offset - high;
    if (size >= 4 && offset % size === 0 && rng.below(6) === 0) {
      const amoadd = asm.rType(0x2f, f3, 0, 6, T0, S1);
      return { kind: Access.WRITE, size, offset, times: 1, stride: 0, words: [...base, asm.addi(T0, T0, near), amoadd] };
    }
    const kind = rng.below(2) === 0 ? Access.READ : Access.WRITE;
    const access = kind === Access.READ ? load : store;
    const what = rng.below(5);
    if (what === 0) {
      // A loop over an array, up or down, which may cross a page's end.
      const times = 2 + rng.below(200);
      const stride = rng.pick([size, size, -size, 2 * size, 24]);
      const end = offset + times * stride;
      if (end >= 0 && end + size <= (PAGES + 1) * 4096) {
        const begin = [...base, asm.addi(POINTER, T0, near), asm.addi(COUNTER, 0, times)];
        const loop = [
          access(POINTER, 0),
          asm.addi(POINTER, POINTER, stride),
          asm.addi(COUNTER, COUNTER, -1),
          asm.bType(1, COUNTER, 0, -12),
        ];
        return { kind, size, offset, times, stride, words: [...begin, ...loop] };
      }
    }
    // Off the register of the page: neighbours share a look-up.
    if (what < 4) return { kind, size, offset, times: 1, stride: 0, words: [access(BASES[page / 4096], offset - page - 2048)] };
    return { kind, size, offset, times: 1, stride: 0, words: [...base, access(T0, near)] };
  });
}
function start(seed: number, tier: Tier) {
  const rng = new Rng(seed);
  const bare = new Bare({ tier, watch: true });
  const { machine } = bare;
  const watched = machine.watched;
  assert.ok(watched !== null);
  const frames = Array.from({ length: PAGES + 1 }, () => bare.frame());
  if (rng.below(2) === 0) frames.reverse();
  frames.forEach((pa, i) => {
    bare.map(DATA + i * 4096, pa, PTE_R | PTE_W);
    watched.kinds[pa / 4096] = rng.pick([PageKind.SHADOWED, PageKind.SHADOWED, PageKind.SHADOWED, PageKind.SHOWN, PageKind.ORDINARY]);
    const dirt = rng.pick([2, 20, 200]);
    for (let g = pa / 8; g < (pa + 4096) / 8; g++)
      watched.shadow[g] = rng.below(dirt) > 0 ? 0 : rng.pick([0xff, rng.below(256), rng.below(0x10000)]);
  });
  const ops = someOps(rng);
  const body = ops.flatMap((o) => o.words);
  // The branch back is too far for one instruction.
  const words = [...body, asm.addi(18, 18, -1), asm.bType(1, 18, 0, 8), asm.ECALL];
  words.push(asm.jal(0, -words.length * 4));
  bare.words(CODE, words, PTE_R | PTE_X);
  const shown: string[] = [];
  const refused = rng.below(100);
  let n = 0;
  machine.watcher = {
    access(va, size, access) {
      shown.push(`${access}:${va - DATA}+${size}`);
      return (n++ * 37) % 100 < refused;
    },
  };
  return { bare, machine, watched, frames, ops, shown };
}
/** The watcher's list and the shadow at the end. */
function run(seed: number, tier: Tier): string[] {
  const { machine, watched, frames, shown } = start(seed, tier);
  const { regs } = machine;
  regs.mode = 1;
  regs.pc = CODE;
  regs.set(S0, DATA);
  regs.set(S1, 0x1234_5678);
  regs.set(18, ROUNDS);
  for (const [page, r] of BASES.entries()) regs.set(r, DATA + page * 4096 + 2048);
  for (;;) {
    const cause = machine.run(1000);
    if (cause === Trap.ECALL_S) break;
    if (cause === Trap.SLICE_END) continue;
    assert.equal(cause, Trap.WATCHED);
    assert.equal(`${machine.tval - DATA}`, /:(\d+)/.exec(shown[shown.length - 1])?.[1]);
    machine.passOnce();
  }
  return [...shown, ...frames.map((pa) => watched.shadow.slice(pa / 8, (pa + 4096) / 8).join())];
}
/** The same by what api.ts says. */
function model(seed: number): string[] {
  const { watched, frames, ops } = start(seed, 'cold');
  const shown: string[] = [];
  const place = (offset: number) => frames[Math.floor(offset / 4096)] + (offset % 4096);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { kind, size, offset: first, times, stride } of ops) {
      for (let i = 0; i < times; i++) {
        const offset = first + i * stride;
        const last = offset + size - 1;
        const kinds = [offset, last].map((o) => watched.kinds[Math.floor(place(o) / 4096)]);
        const groups = [offset, last].map((o) => Math.floor(place(o) / 8));
        const mask = ((1 << size) - 1) << (offset % 8);
        const word = watched.shadow[groups[0]];
        const bad = (word & (mask << 8)) !== 0 || (kind === Access.READ && (word & mask) === mask);
        const inside = (offset % 8) + size <= 8;
        const dirty = inside ? bad : groups.some((g, end) => kinds[end] === PageKind.SHADOWED && watched.shadow[g] !== 0);
        if (kinds.includes(PageKind.SHOWN) || (kinds.includes(PageKind.SHADOWED) && dirty)) shown.push(`${kind}:${offset}+${size}`);
        else if (kind === Access.WRITE && inside && kinds[0] === PageKind.SHADOWED) watched.shadow[groups[0]] = word & ~mask;
      }
    }
  }
  return [...shown, ...frames.map((pa) => watched.shadow.slice(pa / 8, (pa + 4096) / 8).join())];
}

test('a watcher is shown what the shadow says, in every tier', () => {
  let all = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const right = model(seed);
    all += right.length;
    for (const tier of TIERS) {
      const found = run(seed, tier);
      const at = right.findIndex((s, i) => s !== found[i]);
      assert.equal(
        at,
        -1,
        `seed ${seed}, ${tier}, entry ${at}: ${found.slice(at - 2, at + 3)} and not ${right.slice(at - 2, at + 3)}`.slice(0, 500),
      );
      assert.equal(found.length, right.length);
    }
  }
  assert.ok(all > SEEDS * 100);
});

test('user mode is not watched', () => {
  const bare = new Bare({ watch: true });
  const { machine } = bare;
  const pa = bare.frame();
  bare.map(0x4000, pa);
  machine.watched?.kinds.fill(PageKind.SHOWN);
  machine.watcher = { access: () => true };
  bare.words(0x10000, [asm.sd(0, S0, 0), asm.ld(T0, S0, 0), asm.ECALL]);
  machine.regs.pc = 0x10000;
  machine.regs.set(S0, 0x4000);
  assert.equal(machine.run(100), Trap.ECALL_U);
});
