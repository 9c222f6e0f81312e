import type { Row } from '../isa/emit.ts';
import { expandCompressed } from '../isa/rvc.ts';
import { allRows, decode } from '../isa/table.ts';
import { destination } from '../translator/analysis.ts';
import * as asm from './assemble.ts';
import { floatValue, integerValue } from './random_values.ts';
import { Rng } from './rng.ts';

/**
 * Random user-mode programs for comparing this machine with another one. A program is a list of cases; each case loads every register from
 * its own data block, runs random instructions, and stores every register back. At the end one write(2) shows all the blocks and the arena,
 * which the cases share.
 */
export interface RandomProgram {
  /** One segment, loaded read-write-executable at IMAGE_VA, entered at its start. */
  readonly image: Uint8Array;
  readonly dataVa: number;
  readonly dataLength: number;
  readonly cases: number;
  /** Random instructions in the image, and those that frame a case when it runs. */
  readonly insns: number;
  readonly frame: number;
}
export interface RandomOptions {
  readonly cases: number;
  readonly items: number;
  /** Instructions to leave out (which the other machine does not know, or does wrong). */
  readonly without?: readonly string[];
}

export const IMAGE_VA = 0x10000;
/** Layout of a data block: x0..x31, f0..f31, fcsr, then scratch memory. Blocks are no divisor of a page, so scratch lies across pages, too. */
export const BLOCK_F = 256;
export const BLOCK_FCSR = 512;
export const BLOCK_SCRATCH = 528;
export const BLOCK_BYTES = 1032;
/** Memory that loops walk through. */
export const ARENA_BYTES = 3 * 4096;

/** x3 holds the data block throughout, x4 the arena; x30 counts loops; x31 addresses atomics; x1 is the link of calls. */
const BASE = 3;
const ARENA = 4;
const LINK = 1;
const COUNTER = 30;
const POINTER = 31;
const RESERVED = new Set([LINK, BASE, ARENA, COUNTER, POINTER]);
const FREE = Array.from({ length: 32 }, (_, r) => r).filter((r) => !RESERVED.has(r));

const CSR_FFLAGS = 1;
const CSR_FRM = 2;
const CSR_FCSR = 3;

const OP = {
  LOAD: 0x03,
  LOAD_FP: 0x07,
  MISC_MEM: 0x0f,
  STORE: 0x23,
  STORE_FP: 0x27,
  AMO: 0x2f,
  OP_FP: 0x53,
  BRANCH: 0x63,
  JALR: 0x67,
  JAL: 0x6f,
  SYSTEM: 0x73,
} as const;
const NOT_PLAIN: ReadonlySet<number> = new Set(Object.values(OP).filter((o) => o !== OP.OP_FP));
/** Bytes that branches and calls reach over. */
const MAX_INNER = 1800;
const BRANCH_FUNCT3 = [0, 1, 4, 5, 6, 7];
const AMO_FUNCT5 = [0, 1, 4, 8, 12, 16, 20, 24, 28];

class CaseBuilder {
  readonly halves: number[] = [];
  count = 0;
  private readonly rng: Rng;
  private readonly rows: readonly Row[];
  constructor(rng: Rng, rows: readonly Row[]) {
    this.rng = rng;
    this.rows = rows;
  }
  word(w: number): void {
    this.halves.push(w & 0xffff, w >>> 16);
    this.count++;
  }
  half(h: number): void {
    this.halves.push(h);
    this.count++;
  }
  get bytes(): number {
    return this.halves.length * 2;
  }
  private inner(items: number): CaseBuilder {
    for (;;) {
      const b = new CaseBuilder(this.rng, this.rows);
      b.items(items, true);
      if (b.bytes < MAX_INNER) return b;
    }
  }
  private add(b: CaseBuilder): void {
    for (const h of b.halves) this.halves.push(h);
    this.count += b.count;
  }

  /** A random instruction that neither touches memory nor transfers control. */
  private plain(): void {
    const { rng } = this;
    for (;;) {
      if (rng.below(3) === 0) {
        const h = rng.u32() & 0xffff;
        if ((h & 3) === 3) continue;
        const word = expandCompressed(h);
        if (word === 0 || !this.allowed(word)) continue;
        this.half(h);
        return;
      }
      const r = rng.pick(this.rows);
      let word = (r.match | (rng.u32() & ~r.mask)) >>> 0;
      const opcode = word & 0x7f;
      const usesRm = (opcode === OP.OP_FP && (r.mask & 0x7000) === 0) || (opcode >= 0x43 && opcode <= 0x4f && (opcode & 3) === 3);
      if (usesRm) word = ((word & ~0x7000) | (rng.pick([0, 1, 2, 3, 4, 7, 7, 7]) << 12)) >>> 0;
      if (decode(word) !== r || !this.allowed(word)) continue;
      this.word(word);
      return;
    }
  }
  private allowed(word: number): boolean {
    return !NOT_PLAIN.has(word & 0x7f) && !RESERVED.has(destination(word));
  }
  private target(): number {
    return this.rng.pick(FREE);
  }
  /** A register that may be given an address. */
  private pointer(): number {
    for (;;) {
      const r = this.target();
      if (r !== 0) return r;
    }
  }

  private access(base: number, displacement: number): void {
    const { rng } = this;
    switch (rng.below(4)) {
      case 0:
        this.word(asm.iType(OP.LOAD, rng.below(7), this.target(), base, displacement));
        break;
      case 1:
        this.word(asm.sType(OP.STORE, rng.below(4), base, rng.below(32), displacement));
        break;
      case 2:
        this.word(asm.iType(OP.LOAD_FP, 2 + rng.below(2), rng.below(32), base, displacement));
        break;
      default:
        this.word(asm.sType(OP.STORE_FP, 2 + rng.below(2), base, rng.below(32), displacement));
    }
  }
  private scratchOffset(): number {
    return BLOCK_SCRATCH + this.rng.below(BLOCK_BYTES - BLOCK_SCRATCH - 8);
  }
  /** A few accesses near each other: off the block, or off a pointer into the arena that a load may replace. */
  private accesses(): void {
    const { rng } = this;
    if (rng.below(2) === 0) {
      this.access(BASE, this.scratchOffset());
      return;
    }
    const p = this.pointer();
    this.arenaPointer(p, 300);
    for (let n = 1 + rng.below(5); n > 0; n--) this.accessKeeping(p, rng.below(500) - 250);
  }
  /** As `access`, but a load does not write the base. */
  private accessKeeping(base: number, displacement: number): void {
    const b = new CaseBuilder(this.rng, this.rows);
    b.keeping(new Set([base]), () => b.access(base, displacement));
    this.add(b);
  }
  /** p = arena + something at least `margin` from its ends, often near the end of a page. */
  private arenaPointer(p: number, margin: number): void {
    const { rng } = this;
    const at = rng.below(3) === 0 ? 4096 * (1 + rng.below(2)) - rng.below(40) : margin + rng.below(ARENA_BYTES - 2 * margin);
    for (const w of asm.li32(p, at)) this.word(w);
    this.word(asm.rType(0x33, 0, 0, p, p, ARENA));
  }
  private atomic(): void {
    const { rng } = this;
    const f3 = 2 + rng.below(2);
    this.word(asm.addi(POINTER, BASE, (BLOCK_SCRATCH + 8 + rng.below(BLOCK_BYTES - BLOCK_SCRATCH - 24)) & ~7));
    if (f3 === 2 && rng.below(2) === 0) this.word(asm.addi(POINTER, POINTER, 4));
    if (rng.below(4) !== 0) {
      this.word(asm.rType(OP.AMO, f3, (rng.pick(AMO_FUNCT5) << 2) | rng.below(4), this.target(), POINTER, rng.below(32)));
      return;
    }
    // The store-conditional goes to the reserved place, or elsewhere, or finds no reservation.
    this.word(asm.rType(OP.AMO, f3, (0x02 << 2) | rng.below(4), this.target(), POINTER, 0));
    for (let n = rng.below(3); n > 0; n--) this.plain();
    if (rng.below(4) === 0) this.word(asm.addi(POINTER, POINTER, -8));
    const sc = () => this.word(asm.rType(OP.AMO, f3, (0x03 << 2) | rng.below(4), this.target(), POINTER, rng.below(32)));
    sc();
    if (rng.below(3) === 0) sc();
  }
  /** A compressed load or store, off a register that is made to fit. */
  private compressedAccess(): void {
    const { rng } = this;
    for (;;) {
      const h = rng.u32() & 0xffff;
      if ((h & 3) === 3) continue;
      const word = expandCompressed(h);
      const opcode = word & 0x7f;
      if (word === 0 || ![OP.LOAD, OP.LOAD_FP, OP.STORE, OP.STORE_FP].includes(opcode as 0x03)) continue;
      if (opcode === OP.LOAD && RESERVED.has((word >>> 7) & 31)) continue;
      const displacement = opcode === OP.STORE || opcode === OP.STORE_FP ? ((word >>> 7) & 31) | ((word >>> 20) & 0xfe0) : word >>> 20;
      if (displacement < 8 || displacement > BLOCK_BYTES - BLOCK_SCRATCH - 8) continue;
      // The base may lie a little before the scratch memory, the access not.
      this.word(asm.addi((word >>> 15) & 31, BASE, BLOCK_SCRATCH - rng.below(4)));
      this.half(h);
      return;
    }
  }
  private csr(): void {
    const { rng } = this;
    switch (rng.below(4)) {
      case 0:
        this.word(asm.csrrs(this.target(), rng.pick([CSR_FFLAGS, CSR_FRM, CSR_FCSR]), 0));
        break;
      case 1:
        this.word(asm.csrrwi(this.target(), CSR_FRM, rng.below(5)));
        break;
      case 2:
        this.word(asm.iType(OP.SYSTEM, rng.pick([5, 6, 7]), this.target(), rng.below(32), CSR_FFLAGS));
        break;
      default:
        this.word(asm.iType(OP.SYSTEM, rng.pick([1, 2, 3]), this.target(), this.target(), CSR_FFLAGS));
    }
  }
  private forwardBranch(): void {
    const { rng } = this;
    const inner = this.inner(1 + rng.below(3));
    const over = inner.bytes;
    const kind = rng.below(5);
    if (kind === 0) this.word(asm.jal(this.target(), 4 + over));
    else if (kind > 1 || over + 2 > 250) this.word(asm.bType(rng.pick(BRANCH_FUNCT3), rng.below(32), rng.below(32), 4 + over));
    else if (rng.below(3) === 0) this.half(asm.cj(2 + over));
    else this.half(asm.cbz(rng.below(2) === 0, 8 + rng.below(8), 2 + over));
    this.add(inner);
  }
  private loop(): void {
    const inner = this.inner(2 + this.rng.below(5));
    this.word(asm.addi(COUNTER, 0, 1 + this.rng.below(6)));
    this.add(inner);
    this.word(asm.addi(COUNTER, COUNTER, -1));
    this.word(asm.bType(1, COUNTER, 0, -(inner.bytes + 4)));
  }
  /** A loop whose pointers step through the arena, over the ends of its pages: themselves, and others that are made from them. */
  private walk(): void {
    const { rng } = this;
    const pointers: number[] = [];
    while (pointers.length < 3) {
      const p = this.pointer();
      if (!pointers.includes(p)) pointers.push(p);
    }
    const [p, q, made] = pointers;
    const keep = new Set(pointers);
    this.arenaPointer(p, 2600);
    this.arenaPointer(q, 2600);
    this.word(asm.addi(made, p, 0));
    this.word(asm.addi(COUNTER, 0, 2 + rng.below(26)));
    const start = this.bytes;
    const steps = new Map([
      [p, 2],
      [q, 2],
    ]);
    for (let n = 3 + rng.below(6); n > 0; n--) {
      const which = rng.pick([p, q]);
      const inner = new CaseBuilder(rng, this.rows);
      switch (rng.below(8)) {
        case 0:
        case 1:
          if ((steps.get(which) as number) > 0) {
            inner.word(asm.addi(which, which, rng.pick([1, 2, 4, 8, 8, 8, 16, 24, -1, -8, -8, -16, 40])));
            steps.set(which, (steps.get(which) as number) - 1);
          }
          break;
        case 2:
          if (rng.below(2) === 0) inner.word(asm.addi(made, which, rng.below(120) - 60));
          else inner.word(asm.rType(0x33, 0, 0, made, 0, which)); // mv
          break;
        case 3:
          inner.keeping(keep, () => inner.plain());
          break;
        default:
          inner.keeping(keep, () => inner.access(rng.pick(pointers), rng.below(40) - 20));
      }
      if (rng.below(6) === 0) this.word(asm.bType(rng.pick(BRANCH_FUNCT3), rng.below(32), rng.below(32), 4 + inner.bytes));
      this.add(inner);
    }
    this.word(asm.addi(COUNTER, COUNTER, -1));
    this.word(asm.bType(1, COUNTER, 0, start - this.bytes));
  }
  /** One instruction from `make` that writes none of these registers. */
  private keeping(registers: ReadonlySet<number>, make: () => void): void {
    for (;;) {
      make();
      const [low, high] = this.halves;
      const word = high === undefined ? expandCompressed(low) : low | (high << 16);
      if (!registers.has(destination(word))) return;
      this.halves.length = 0;
      this.count = 0;
    }
  }
  /** A function and two calls of it, the second through a register. */
  private call(): void {
    const body = this.inner(1 + this.rng.below(4));
    const p = this.pointer();
    this.word(asm.jal(0, 8 + body.bytes));
    this.add(body);
    this.word(asm.jalr(0, LINK, 0));
    this.word(asm.jal(LINK, -(body.bytes + 4)));
    this.word(asm.auipc(p, 0));
    this.word(asm.jalr(LINK, p, -(body.bytes + 8)));
  }
  /** `n` items; branches jump forward over a few, loops repeat a few. */
  items(n: number, nested: boolean): void {
    const { rng } = this;
    for (let i = 0; i < n; i++) {
      const what = rng.below(26);
      if (what < 3) this.accesses();
      else if (what === 3) this.csr();
      else if (what < 6) this.forwardBranch();
      else if (what === 6) this.atomic();
      else if (what === 7) this.compressedAccess();
      else if (what === 8 && rng.below(4) === 0) this.word(rng.pick([0x0ff0000f, 0x8330000f, 0x0100000f, asm.FENCE_I]));
      else if (what === 9 && !nested) this.loop();
      else if (what === 10 && !nested) this.walk();
      else if (what === 11 && !nested) this.call();
      else if (what === 12) {
        // jalr to the second word after an auipc.
        const rd = this.pointer();
        this.word(asm.auipc(rd, 0));
        this.word(asm.jalr(this.target(), rd, 12));
        this.word(asm.addi(0, 0, 0));
      } else this.plain();
    }
  }
}

/** Instructions before and after each case's own. */
function prologue(blockVa: number, arenaVa: number): number[] {
  const out = [...asm.li32(BASE, blockVa), ...asm.li32(ARENA, arenaVa), asm.ld(5, BASE, BLOCK_FCSR), asm.csrrw(0, CSR_FCSR, 5)];
  for (let f = 0; f < 32; f++) out.push(asm.fld(f, BASE, BLOCK_F + f * 8));
  for (let x = 1; x < 32; x++) if (!RESERVED.has(x)) out.push(asm.ld(x, BASE, x * 8));
  return out;
}
function epilogue(): number[] {
  const out = [asm.addi(0, 0, 0)]; // where a last branch may land
  for (let x = 1; x < 32; x++) out.push(asm.sd(x, BASE, x * 8));
  for (let f = 0; f < 32; f++) out.push(asm.fsd(f, BASE, BLOCK_F + f * 8));
  out.push(asm.csrrs(5, CSR_FCSR, 0), asm.sd(5, BASE, BLOCK_FCSR));
  return out;
}

export function randomProgram(seed: number, options: RandomOptions): RandomProgram {
  const { cases, items } = options;
  const rng = new Rng(seed);
  const rows = allRows.filter((r) => options.without?.includes(r.name) !== true);
  const bodies: CaseBuilder[] = [];
  for (let i = 0; i < cases; i++) {
    const b = new CaseBuilder(rng, rows);
    b.items(items, false);
    bodies.push(b);
  }
  const frame = prologue(0, 0).length + epilogue().length;
  let codeBytes = 64;
  let insns = 0;
  for (const b of bodies) {
    codeBytes += b.bytes + frame * 4;
    insns += b.count;
  }
  const dataVa = IMAGE_VA + Math.ceil(codeBytes / 4096) * 4096;
  const arenaVa = dataVa + cases * BLOCK_BYTES;
  const halves: number[] = [];
  const word = (w: number) => halves.push(w & 0xffff, w >>> 16);
  bodies.forEach((b, i) => {
    for (const w of prologue(dataVa + i * BLOCK_BYTES, arenaVa)) word(w);
    for (const h of b.halves) halves.push(h);
    for (const w of epilogue()) word(w);
  });
  const dataLength = cases * BLOCK_BYTES + ARENA_BYTES;
  for (const w of [...asm.li32(11, dataVa), ...asm.li32(12, dataLength)]) word(w);
  for (const w of [asm.addi(10, 0, 1), asm.addi(17, 0, 64), asm.ECALL, asm.addi(10, 0, 0), asm.addi(17, 0, 93), asm.ECALL]) word(w);
  const image = new Uint8Array(dataVa - IMAGE_VA + dataLength);
  const view = new DataView(image.buffer);
  halves.forEach((h, i) => {
    view.setUint16(i * 2, h, true);
  });
  const fill = (from: number, to: number) => {
    for (let b = from; b < to; b += 8) view.setBigUint64(b, rng.below(2) === 0 ? integerValue(rng) : floatValue(rng), true);
  };
  for (let i = 0; i < cases; i++) {
    const block = dataVa - IMAGE_VA + i * BLOCK_BYTES;
    for (let x = 0; x < 32; x++) view.setBigUint64(block + x * 8, integerValue(rng), true);
    for (let f = 0; f < 32; f++) view.setBigUint64(block + BLOCK_F + f * 8, floatValue(rng), true);
    view.setBigUint64(block + BLOCK_FCSR, BigInt(rng.below(32) | (rng.pick([0, 0, 0, 1, 2, 3, 4]) << 5)), true);
    fill(block + BLOCK_SCRATCH, block + BLOCK_BYTES);
  }
  fill(arenaVa - IMAGE_VA, image.length);
  return { image, dataVa, dataLength, cases, insns, frame };
}
