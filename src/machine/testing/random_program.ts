import { expandCompressed } from '../isa/rvc.ts';
import { allRows, decode } from '../isa/table.ts';
import * as asm from './assemble.ts';
import { Rng } from './rng.ts';

/**
 * Random user-mode programs for comparing this machine with another one. A program is a list of cases; each case loads every register from
 * its own data block, runs random instructions, and stores every register back. At the end one write(2) shows all the blocks.
 */
export interface RandomProgram {
  /** One segment, loaded read-write-executable at IMAGE_VA, entered at its start. */
  readonly image: Uint8Array;
  readonly dataVa: number;
  readonly dataLength: number;
  readonly cases: number;
}

export const IMAGE_VA = 0x10000;
/** Layout of a data block: x0..x31, f0..f31, fcsr, then scratch memory for loads and stores. */
export const BLOCK_F = 256;
export const BLOCK_FCSR = 512;
const SCRATCH = 528;
export const BLOCK_BYTES = 1024;

/** x3 holds the data block throughout; x30 counts loops; x31 addresses atomics. */
const BASE = 3;
const COUNTER = 30;
const POINTER = 31;
const RESERVED = new Set([BASE, COUNTER, POINTER]);

const CSR_FFLAGS = 1;
const CSR_FRM = 2;
const CSR_FCSR = 3;

const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000n,
  0x7fff_ffffn,
  0xffff_ffffn,
];
const DOUBLES: readonly bigint[] = [
  0n,
  0x8000_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x4009_21fb_5444_2d18n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0x0000_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x43e0_0000_0000_0000n,
  0xc1e0_0000_0020_0000n,
  0x3fe0_0000_0000_0000n,
];
const SINGLES: readonly number[] = [
  0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x4049_0fdb, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x007f_ffff, 0x0080_0000,
  0x7f7f_ffff, 0x4f00_0000, 0xcf00_0001, 0x3f00_0000,
];
const BOX = 0xffff_ffff_0000_0000n;

function integerValue(rng: Rng): bigint {
  switch (rng.below(4)) {
    case 0:
      return rng.pick(INTEGERS);
    case 1:
      return BigInt.asUintN(64, BigInt(rng.below(512) - 256));
    case 2:
      return BigInt.asUintN(64, BigInt.asIntN(32, rng.u64()));
    default:
      return rng.u64();
  }
}
function floatValue(rng: Rng): bigint {
  switch (rng.below(7)) {
    case 0:
      return rng.pick(DOUBLES);
    case 1:
      return BOX | BigInt(rng.pick(SINGLES));
    case 2:
      return rng.u64();
    case 3:
      return BOX | BigInt(rng.u32());
    case 4: // a double of moderate size
      return (rng.u64() & 0x800f_ffff_ffff_ffffn) | (BigInt(1000 + rng.below(50)) << 52n);
    case 5: // a single of moderate size
      return BOX | (BigInt((rng.u32() & 0x807f_ffff) | ((115 + rng.below(30)) << 23)) % (1n << 32n));
    default: // a double near the edges of single's range
      return (
        (rng.u64() & 0x800f_ffff_e000_0000n) |
        (BigInt(rng.pick([1023 - 150, 1023 - 127, 1023 + 127, 1023 + 63, 1023 + 31]) + rng.below(3)) << 52n)
      );
  }
}

class CaseBuilder {
  readonly halves: number[] = [];
  private readonly rng: Rng;
  constructor(rng: Rng) {
    this.rng = rng;
  }
  word(w: number): void {
    this.halves.push(w & 0xffff, w >>> 16);
  }
  get bytes(): number {
    return this.halves.length * 2;
  }

  /** A random instruction that neither touches memory nor transfers control, as halfwords. */
  private plain(): number[] {
    const { rng } = this;
    for (;;) {
      if (rng.below(3) === 0) {
        const h = rng.u32() & 0xffff;
        if ((h & 3) === 3) continue;
        const word = expandCompressed(h);
        if (word !== 0 && this.allowed(word)) return [h];
        continue;
      }
      const r = rng.pick(allRows);
      let word = (r.match | (rng.u32() & ~r.mask)) >>> 0;
      const opcode = word & 0x7f;
      const usesRm = (opcode === 0x53 && (r.mask & 0x7000) === 0) || (opcode >= 0x43 && opcode <= 0x4f && (opcode & 3) === 3);
      if (usesRm) word = ((word & ~0x7000) | (rng.pick([0, 1, 2, 3, 4, 7, 7, 7]) << 12)) >>> 0;
      if (decode(word) === r && this.allowed(word)) return [word & 0xffff, word >>> 16];
    }
  }
  private allowed(word: number): boolean {
    const opcode = word & 0x7f;
    if ([0x63, 0x67, 0x6f, 0x73, 0x03, 0x23, 0x07, 0x27, 0x2f, 0x0f].includes(opcode)) return false;
    return !RESERVED.has((word >>> 7) & 31);
  }
  private target(): number {
    for (;;) {
      const rd = this.rng.below(32);
      if (!RESERVED.has(rd)) return rd;
    }
  }
  private memory(): void {
    const { rng } = this;
    const off = SCRATCH + rng.below(BLOCK_BYTES - SCRATCH - 8);
    switch (rng.below(5)) {
      case 0:
        this.word(asm.iType(0x03, rng.below(7), this.target(), BASE, off));
        break;
      case 1:
        this.word(asm.sType(0x23, rng.below(4), BASE, rng.below(32), off));
        break;
      case 2:
        this.word(asm.iType(0x07, 2 + rng.below(2), rng.below(32), BASE, off));
        break;
      case 3:
        this.word(asm.sType(0x27, 2 + rng.below(2), BASE, rng.below(32), off));
        break;
      default: {
        this.word(asm.addi(POINTER, BASE, off & ~7));
        const f3 = 2 + rng.below(2);
        if (rng.below(4) === 0) {
          this.word(asm.rType(0x2f, f3, 0x02 << 2, this.target(), POINTER, 0));
          this.word(asm.rType(0x2f, f3, 0x03 << 2, this.target(), POINTER, rng.below(32)));
        } else {
          const funct5 = rng.pick([0, 1, 4, 8, 12, 16, 20, 24, 28]);
          this.word(asm.rType(0x2f, f3, (funct5 << 2) | rng.below(4), this.target(), POINTER, rng.below(32)));
        }
      }
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
        this.word(asm.iType(0x73, rng.pick([5, 6, 7]), this.target(), rng.below(32), CSR_FFLAGS));
        break;
      default:
        this.word(asm.iType(0x73, rng.pick([1, 2, 3]), this.target(), this.target(), CSR_FFLAGS));
    }
  }
  /** `n` items; branches jump forward over a few items, loops repeat a few. */
  items(n: number, nested: boolean): void {
    const { rng } = this;
    for (let i = 0; i < n; i++) {
      const what = rng.below(20);
      if (what < 4) this.memory();
      else if (what === 4) this.csr();
      else if (what === 5 || what === 6) {
        const inner = new CaseBuilder(rng);
        inner.items(1 + rng.below(3), true);
        if (rng.below(4) === 0) this.word(asm.jal(this.target(), 4 + inner.bytes));
        else this.word(asm.bType(rng.pick([0, 1, 4, 5, 6, 7]), rng.below(32), rng.below(32), 4 + inner.bytes));
        this.halves.push(...inner.halves);
      } else if (what === 7 && !nested) {
        const inner = new CaseBuilder(rng);
        inner.items(2 + rng.below(5), true);
        this.word(asm.addi(COUNTER, 0, 1 + rng.below(6)));
        this.halves.push(...inner.halves);
        this.word(asm.addi(COUNTER, COUNTER, -1));
        this.word(asm.bType(1, COUNTER, 0, -(inner.bytes + 4)));
      } else if (what === 8) {
        // A call and return: jalr to the second word after auipc.
        const rd = this.target() || 1;
        this.word(asm.auipc(rd, 0));
        this.word(asm.jalr(this.target(), rd, 12));
        this.word(asm.addi(0, 0, 0));
      } else this.halves.push(...this.plain());
    }
  }
}

export function randomProgram(seed: number, cases: number, itemsPerCase: number): RandomProgram {
  const rng = new Rng(seed);
  const bodies: CaseBuilder[] = [];
  for (let i = 0; i < cases; i++) {
    const b = new CaseBuilder(rng);
    b.items(itemsPerCase, false);
    bodies.push(b);
  }
  const frame = 4 * (2 + 2 + 32 + 28 + 1 + 31 + 32 + 3);
  let codeBytes = 64;
  for (const b of bodies) codeBytes += b.bytes + frame + 8;
  const dataVa = IMAGE_VA + Math.ceil(codeBytes / 4096) * 4096;
  const halves: number[] = [];
  const word = (w: number) => halves.push(w & 0xffff, w >>> 16);
  bodies.forEach((b, i) => {
    for (const w of asm.li32(BASE, dataVa + i * BLOCK_BYTES)) word(w);
    word(asm.ld(5, BASE, BLOCK_FCSR));
    word(asm.csrrw(0, CSR_FCSR, 5));
    for (let f = 0; f < 32; f++) word(asm.fld(f, BASE, BLOCK_F + f * 8));
    for (let x = 1; x < 32; x++) if (!RESERVED.has(x)) word(asm.ld(x, BASE, x * 8));
    for (const h of b.halves) halves.push(h);
    word(asm.addi(0, 0, 0)); // where a last branch may land
    for (let x = 1; x < 32; x++) word(asm.sd(x, BASE, x * 8));
    for (let f = 0; f < 32; f++) word(asm.fsd(f, BASE, BLOCK_F + f * 8));
    word(asm.csrrs(5, CSR_FCSR, 0));
    word(asm.sd(5, BASE, BLOCK_FCSR));
  });
  const dataLength = cases * BLOCK_BYTES;
  for (const w of [...asm.li32(11, dataVa), ...asm.li32(12, dataLength)]) word(w);
  for (const w of [asm.addi(10, 0, 1), asm.addi(17, 0, 64), asm.ECALL, asm.addi(10, 0, 0), asm.addi(17, 0, 93), asm.ECALL]) word(w);
  const image = new Uint8Array(dataVa - IMAGE_VA + dataLength);
  const view = new DataView(image.buffer);
  halves.forEach((h, i) => {
    view.setUint16(i * 2, h, true);
  });
  for (let i = 0; i < cases; i++) {
    const block = dataVa - IMAGE_VA + i * BLOCK_BYTES;
    for (let x = 0; x < 32; x++) view.setBigUint64(block + x * 8, integerValue(rng), true);
    for (let f = 0; f < 32; f++) view.setBigUint64(block + BLOCK_F + f * 8, floatValue(rng), true);
    view.setBigUint64(block + BLOCK_FCSR, BigInt(rng.below(32) | (rng.pick([0, 0, 0, 1, 2, 3, 4]) << 5)), true);
    for (let b = SCRATCH; b < BLOCK_BYTES; b += 8)
      view.setBigUint64(block + b, rng.below(2) === 0 ? integerValue(rng) : floatValue(rng), true);
  }
  return { image, dataVa, dataLength, cases };
}

/** A static ELF file that loads the program, for another machine. */
export function elfOf(program: RandomProgram): Uint8Array {
  const header = 64 + 56;
  const fileOffset = 0x1000;
  const out = new Uint8Array(fileOffset + program.image.length);
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 243, true); // EM_RISCV
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(IMAGE_VA), true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(48, 5, true); // RVC, double-float ABI
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 7, true);
  view.setBigUint64(72, BigInt(fileOffset), true);
  view.setBigUint64(80, BigInt(IMAGE_VA), true);
  view.setBigUint64(88, BigInt(IMAGE_VA), true);
  view.setBigUint64(96, BigInt(program.image.length), true);
  view.setBigUint64(104, BigInt(program.image.length), true);
  view.setBigUint64(112, 0x1000n, true);
  out.set(program.image, fileOffset);
  return out.subarray(0, Math.max(header, out.length));
}
