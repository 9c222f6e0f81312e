import type { Tier } from '../translator/code_cache.ts';
import { PTE_R, PTE_U, PTE_W, PTE_X } from '../mmu.ts';
import { Trap } from '../trap.ts';
import * as asm from './assemble.ts';
import { Bare } from './bare.ts';
import { integerValue } from './random_values.ts';
import { Rng } from './rng.ts';

/**
 * Code that changes while it runs, in every way that a kernel and its processes have: stores of all sizes to code (its own, too), through the
 * mapping that it runs from or another one, atomics, writes by the kernel, pages that get new frames, trade places, vanish or lose a
 * permission, and switches between two address spaces that share frames. What every slice ends with is a pure function of the seed.
 */

const CODE = 0x1_0000;
/** The same frames, not executable; and executable in another place. */
const WRITE_ALIAS = 0x50_0000;
const EXEC_ALIAS = 0x60_0000;
const STUBS = 0x2_0000;
const DATA = 0x4_0000;
const TEMPLATES = 0x8_0000;
const PAGES = 3;
const DATA_PAGES = 2;
const PAGE = 4096;
/** A function begins every so many bytes; the odd size puts one across each page boundary. */
const SLOT = 136;
const SLOTS = Math.floor((PAGES * PAGE) / SLOT);
const TEMPLATE_COUNT = 16;

const RWX = PTE_R | PTE_W | PTE_X | PTE_U;
const RW = PTE_R | PTE_W | PTE_U;

// Registers with a meaning: x1 link, x16 data, x17 code, x18 an instruction's bits, x28 count, x29 where to, x30 from, x31 the caller's link.
const [DATA_PTR, CODE_PTR, BITS, COUNT, TO, FROM] = [16, 17, 18, 28, 29, 30];
const rType = asm.rType;

/** A function: arithmetic, accesses, short branches both ways, calls of its neighbours, and stores into code. */
function template(rng: Rng): Uint8Array {
  const halves: number[] = [];
  const word = (w: number) => halves.push(w & 0xffff, w >>> 16);
  const reg = () => 5 + rng.below(10);
  // The caller's link survives in x31 when the function calls others.
  const calls = rng.below(4) === 0;
  if (calls) word(asm.addi(31, 1, 0));
  while (halves.length < SLOT / 2 - 8) {
    switch (rng.below(14)) {
      case 0:
        halves.push(0x0001 | (reg() << 7) | (rng.below(32) << 2)); // c.addi
        break;
      case 1:
        word(rType(0x33, rng.pick([0, 4, 6, 7]), 0, reg(), reg(), reg()));
        break;
      case 2:
        word(asm.ld(reg(), DATA_PTR, rng.below(2000)));
        break;
      case 3:
        word(asm.sType(0x23, rng.below(4), DATA_PTR, reg(), rng.below(2000)));
        break;
      case 4:
        word(asm.bType(rng.pick([0, 1, 4, 6]), reg(), reg(), rng.pick([-12, -8, 8, 8, 12, 16])));
        break;
      case 5:
        if (rng.below(3) === 0) word(asm.sType(0x23, rng.below(4), CODE_PTR, BITS, 2 * rng.below(60) - 60));
        break;
      case 6:
        if (calls) word(asm.jal(1, rng.pick([-2, -1, 1, 1, 2]) * SLOT - halves.length * 2));
        break;
      case 7:
        if (rng.below(6) === 0) word(asm.FENCE_I);
        break;
      case 8:
        if (rng.below(6) === 0) word(rType(0x2f, 2, rng.pick([0x04, 0x00]), reg(), CODE_PTR, BITS));
        break;
      case 9:
        if (rng.below(8) === 0) word(asm.addi(CODE_PTR, CODE_PTR, 4 * (rng.below(40) - 20)));
        break;
      case 10:
        if (rng.below(60) === 0) word(rng.u32());
        break;
      default:
        word(asm.addi(reg(), reg(), rng.below(4096)));
    }
  }
  while (halves.length < SLOT / 2 - 2) halves.push(0x0001);
  word(asm.jalr(0, calls ? 31 : 1, 0));
  return new Uint8Array(Uint16Array.from(halves).buffer, 0, SLOT);
}

/** Guest routines that end with an ecall: call TO, COUNT times; copy COUNT units from FROM to TO; swap one word in. */
const CALL = STUBS;
const COPY: readonly (readonly [number, number, number])[] = [
  [1, 4, 0],
  [2, 5, 1],
  [4, 2, 2],
  [8, 3, 3],
];
const COPY_BYTES = 7 * 4;
const copyStub = (index: number) => STUBS + 64 + index * COPY_BYTES;
const SWAP = STUBS + 64 + COPY.length * COPY_BYTES;
function stubs(): number[] {
  const out = [asm.jalr(1, TO, 0), asm.addi(COUNT, COUNT, -1), asm.bType(1, COUNT, 0, -8), asm.ECALL];
  while (out.length < 16) out.push(0);
  for (const [size, loadFunct3, storeFunct3] of COPY) {
    out.push(asm.iType(0x03, loadFunct3, 15, FROM, 0), asm.sType(0x23, storeFunct3, TO, 15, 0));
    out.push(asm.addi(FROM, FROM, size), asm.addi(TO, TO, size), asm.addi(COUNT, COUNT, -1), asm.bType(1, COUNT, 0, -20), asm.ECALL);
  }
  out.push(asm.lw(15, FROM, 0), rType(0x2f, 2, 0x04, 15, TO, 15), asm.ECALL);
  return out;
}

/** One line for each slice: why it ended, where, the count, and a sum of the registers; then memory. */
export function changingCode(seed: number, tier: Tier, steps: number): string[] {
  const rng = new Rng(seed);
  const bare = new Bare({ tier });
  const other = bare.sibling();
  const { machine } = bare;
  const spaces = [bare, other];
  const frames = Array.from({ length: PAGES }, () => bare.frame());
  const spare = Array.from({ length: 4 }, () => bare.frame());
  const dataFrames = Array.from({ length: DATA_PAGES }, () => bare.frame());
  for (const b of spaces) {
    frames.forEach((pa, i) => {
      for (const va of [CODE, EXEC_ALIAS]) b.map(va + i * PAGE, pa, RWX);
      b.map(WRITE_ALIAS + i * PAGE, pa, RW);
    });
    dataFrames.forEach((pa, i) => {
      b.map(DATA + i * PAGE, pa, RW);
    });
  }
  const templates = Array.from({ length: TEMPLATE_COUNT }, () => template(rng));
  const all = new Uint8Array(TEMPLATE_COUNT * SLOT);
  templates.forEach((t, i) => {
    all.set(t, i * SLOT);
  });
  bare.load(TEMPLATES, all, RW);
  bare.words(STUBS, stubs());
  other.share(bare, TEMPLATES, all.length);
  other.share(bare, STUBS, PAGE);

  const out: string[] = [];
  let space = 0;
  const pageOf = (b: Bare, base: number, i: number) => Math.floor(machine.ram.read64(b.pte(base + i * PAGE)) / 1024) * PAGE;
  const poke = (pa: number, bytes: Uint8Array) => {
    machine.ram.u8.set(bytes, pa);
    machine.invalidateCode(pa, bytes.length);
  };
  const log = (what: string) => {
    let sum = 0;
    for (let x = 1; x < 32; x++) sum = (Math.imul(sum, 31) + machine.regs.getLo(x) + Math.imul(machine.regs.getHi(x), 7)) | 0;
    out.push(`${what} @${machine.regs.pc.toString(16)} n=${machine.instret} ${sum}`);
  };
  /** Lets the guest run until its ecall, a trap or the end of patience. */
  const run = (pc: number, what: string) => {
    machine.regs.pc = pc;
    for (let slices = 0; slices < 12; slices++) {
      const cause = machine.run(rng.pick([1, 5, 40, 300, 3000]));
      log(`${what}: ${cause}${cause > 0 ? ` tval=${machine.tval.toString(16)}` : ''}`);
      if (cause === Trap.SLICE_END) continue;
      const page = Math.floor(machine.tval / PAGE) * PAGE;
      const isCode = page >= CODE && page < CODE + PAGES * PAGE;
      const isData = page >= DATA && page < DATA + DATA_PAGES * PAGE;
      if (cause < Trap.INSN_PAGE_FAULT || !(isCode || isData)) return;
      // As the kernel's fault handler: the page comes back.
      const b = spaces[space];
      b.map(page, isCode ? pageOf(b, EXEC_ALIAS, (page - CODE) / PAGE) : dataFrames[(page - DATA) / PAGE], isCode ? RWX : RW);
      machine.flushTlbPage(page);
    }
  };
  /** The kernel writes a function; its bytes may lie in two frames that are no neighbours. */
  const kernelWrites = (b: Bare, slot: number) => {
    const t = rng.pick(templates);
    for (let i = 0; i < SLOT; i += 2) {
      const at = slot * SLOT + i;
      poke(pageOf(b, EXEC_ALIAS, Math.floor(at / PAGE)) + (at % PAGE), t.subarray(i, i + 2));
    }
  };
  for (let slot = 0; slot < SLOTS; slot++) kernelWrites(bare, slot);
  const slotVa = (base: number) => base + rng.below(SLOTS) * SLOT;
  for (let step = 0; step < steps; step++) {
    const b = spaces[space];
    const { regs } = machine;
    regs.set(DATA_PTR, DATA + rng.below(4096));
    regs.set(CODE_PTR, CODE + 4 * (20 + rng.below(PAGES * 1024 - 40)));
    regs.set(BITS, rng.pick([0x00140413, 0x00130313, 0x0001_0001, 0x0505_0505, 0x0001_0305, 0xffc40413, asm.jal(0, 8)]));
    for (let x = 5; x < 15; x++) regs.setBig(x, BigInt.asIntN(64, integerValue(rng)));
    const page = rng.below(PAGES);
    switch (rng.below(16)) {
      case 0: {
        const kind = rng.below(COPY.length);
        const size = COPY[kind][0];
        regs.set(FROM, TEMPLATES + rng.below(TEMPLATE_COUNT) * SLOT);
        regs.set(TO, slotVa(rng.pick([CODE, WRITE_ALIAS])));
        regs.set(COUNT, SLOT / size);
        run(copyStub(kind), `copy by ${size}`);
        break;
      }
      case 1:
        regs.set(FROM, TEMPLATES + 4 * rng.below((TEMPLATE_COUNT * SLOT) / 4));
        regs.set(TO, slotVa(rng.pick([CODE, WRITE_ALIAS])) + 4 * rng.below(SLOT / 4));
        run(SWAP, 'swap');
        break;
      case 2:
        for (let n = 1 + rng.below(8); n > 0; n--) kernelWrites(b, rng.below(SLOTS));
        log('kernel writes');
        break;
      case 3: {
        // Copy on write in this address space.
        const from = pageOf(b, CODE, page);
        const to = spare.pop();
        if (to === undefined) break;
        machine.ram.u8.copyWithin(to, from, from + PAGE);
        machine.invalidateCode(to, PAGE);
        for (const base of [CODE, EXEC_ALIAS]) {
          b.map(base + page * PAGE, to, RWX);
          machine.flushTlbPage(base + page * PAGE);
        }
        b.map(WRITE_ALIAS + page * PAGE, to, RW);
        machine.flushTlbPage(WRITE_ALIAS + page * PAGE);
        log('new frame');
        break;
      }
      case 4: {
        // Two pages trade places.
        const with2 = rng.below(PAGES);
        const [p, q] = [pageOf(b, CODE, page), pageOf(b, CODE, with2)];
        for (const [base, flags] of [
          [CODE, RWX],
          [EXEC_ALIAS, RWX],
          [WRITE_ALIAS, RW],
        ] as const) {
          b.map(base + page * PAGE, q, flags);
          b.map(base + with2 * PAGE, p, flags);
          machine.flushTlbPage(base + page * PAGE);
          machine.flushTlbPage(base + with2 * PAGE);
        }
        log('pages trade places');
        break;
      }
      case 5:
        machine.ram.write64(b.pte(CODE + page * PAGE), rng.below(2) === 0 ? 0 : machine.ram.read64(b.pte(CODE + page * PAGE)) & ~PTE_X);
        machine.flushTlbPage(CODE + page * PAGE);
        log('no longer executable');
        break;
      case 6:
        machine.ram.write64(b.pte(DATA + (page % DATA_PAGES) * PAGE), 0);
        machine.flushTlbPage(DATA + (page % DATA_PAGES) * PAGE);
        break;
      case 7:
        space = 1 - space;
        machine.setPageTable(spaces[space].root);
        break;
      case 8:
        machine.flushTlb();
        break;
      default:
        regs.set(TO, slotVa(rng.pick([CODE, CODE, EXEC_ALIAS])));
        regs.set(COUNT, rng.pick([1, 3, 20, 700]));
        run(CALL, 'call');
    }
  }
  for (const b of spaces) {
    out.push(Buffer.from(b.read(EXEC_ALIAS, PAGES * PAGE)).toString('base64'));
    for (const pa of dataFrames) out.push(Buffer.from(machine.ram.u8.subarray(pa, pa + PAGE)).toString('base64'));
  }
  return out;
}
