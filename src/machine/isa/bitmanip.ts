import { Op } from '../wasm/opcodes.ts';
import type { Emit, Row } from './emit.ts';
import { byFunct7, row } from './integer.ts';

// Zba, Zbb, Zbs (ISA manual, volume I, chapter "B" Extension for Bit Manipulation) and Zicond (chapter "Zicond").

const OP = 0x33;
const OP_32 = 0x3b;

/** Rows whose operand is a 6-bit shift amount; `funct6` is bits 31:26. */
const shift6 = (name: string, opcode: number, funct3: number, funct6: number, emit: (e: Emit) => void) =>
  row(name, 'I', 0xfc00707f, opcode | (funct3 << 12) | (funct6 << 26), emit);
/** Rows of one operand: bits 31:20 are part of the opcode. */
const unary = (name: string, opcode: number, funct3: number, imm: number, emit: (e: Emit) => void) =>
  row(name, 'I', 0xfff0707f, opcode | (funct3 << 12) | (imm << 20), emit);

/** rs2 + (rs1 << n), rs1 perhaps as an unsigned word. */
function shiftAdd(n: number, word: boolean) {
  return (e: Emit) => {
    const f = e.f;
    if (word) {
      e.rs1w();
      f.op(Op.i64_extend_i32_u);
    } else e.rs1();
    if (n > 0) f.i64(n).op(Op.i64_shl);
    e.rs2();
    f.op(Op.i64_add);
    e.rd();
  };
}
/** rs1 op ~rs2. */
function withInverted(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.rs2();
    e.f.i64(-1).op(Op.i64_xor).op(op);
    e.rd();
  };
}
function ofOne(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.f.op(op);
    e.rd();
  };
}
function ofOneWord(op: number) {
  return (e: Emit) => {
    e.rs1w();
    e.f.op(op);
    e.rdw();
  };
}
/** rs1 when it compares so with rs2, else rs2. */
function choose(compare: number) {
  return (e: Emit) => {
    e.rs1();
    e.rs2();
    e.rs1();
    e.rs2();
    e.f.op(compare).op(Op.select);
    e.rd();
  };
}
function rotate(op: number, amount: 'rs2' | 'imm') {
  return (e: Emit) => {
    e.rs1();
    if (amount === 'imm') e.shamt();
    else e.rs2();
    e.f.op(op);
    e.rd();
  };
}
function rotateW(op: number, amount: 'rs2' | 'imm') {
  return (e: Emit) => {
    e.rs1w();
    if (amount === 'imm') e.shamtw();
    else e.rs2w();
    e.f.op(op);
    e.rdw();
  };
}

/** Every byte that is not zero becomes all ones. */
function orCombine(e: Emit): void {
  const f = e.f;
  // Bit 7 of each byte tells: set itself, or by the carry out of the lower seven bits.
  e.rs1();
  f.tee(e.t0).i64Big(0x7f7f_7f7f_7f7f_7f7fn).op(Op.i64_and).i64Big(0x7f7f_7f7f_7f7f_7f7fn).op(Op.i64_add);
  f.get(e.t0).op(Op.i64_or).i64(7).op(Op.i64_shr_u).i64Big(0x0101_0101_0101_0101n).op(Op.i64_and);
  f.i64(255).op(Op.i64_mul);
  e.rd();
}
function reverseBytes(e: Emit): void {
  const f = e.f;
  e.rs1();
  f.set(e.t0);
  for (const [bits, mask] of [
    [8, 0x00ff_00ff_00ff_00ffn],
    [16, 0x0000_ffff_0000_ffffn],
  ] as const) {
    f.get(e.t0).i64(bits).op(Op.i64_shr_u).i64Big(mask).op(Op.i64_and);
    f.get(e.t0).i64Big(mask).op(Op.i64_and).i64(bits).op(Op.i64_shl).op(Op.i64_or).set(e.t0);
  }
  f.get(e.t0).i64(32).op(Op.i64_rotl);
  e.rd();
}

type BitOp = (e: Emit) => void;
/** The bit's mask, 1 << (amount mod 64), is on the stack above rs1. */
const BITS: readonly (readonly [string, number, BitOp])[] = [
  ['bclr', 0x24, (e) => void e.f.i64(-1).op(Op.i64_xor).op(Op.i64_and)],
  ['binv', 0x34, (e) => void e.f.op(Op.i64_xor)],
  ['bset', 0x14, (e) => void e.f.op(Op.i64_or)],
];
function singleBit(op: BitOp, amount: 'rs2' | 'imm') {
  return (e: Emit) => {
    e.rs1();
    e.f.i64(1);
    if (amount === 'imm') e.shamt();
    else e.rs2();
    e.f.op(Op.i64_shl);
    op(e);
    e.rd();
  };
}
function extractBit(amount: 'rs2' | 'imm') {
  return (e: Emit) => {
    e.rs1();
    if (amount === 'imm') e.shamt();
    else e.rs2();
    e.f.op(Op.i64_shr_u).i64(1).op(Op.i64_and);
    e.rd();
  };
}

/** 0 when rs2 is zero (eqz) or is not (nez), else rs1. */
function zeroIf(nonzero: boolean) {
  return (e: Emit) => {
    const f = e.f;
    if (nonzero) {
      f.i64(0);
      e.rs1();
    } else {
      e.rs1();
      f.i64(0);
    }
    e.rs2();
    f.i64(0).op(Op.i64_ne).op(Op.select);
    e.rd();
  };
}

export const bitmanipRows: readonly Row[] = [
  byFunct7('add.uw', OP_32, 0, 0x04, shiftAdd(0, true)),
  ...[1, 2, 3].flatMap((n) => [
    byFunct7(`sh${n}add`, OP, 2 * n, 0x10, shiftAdd(n, false)),
    byFunct7(`sh${n}add.uw`, OP_32, 2 * n, 0x10, shiftAdd(n, true)),
  ]),
  shift6('slli.uw', 0x1b, 1, 0x02, (e) => {
    e.rs1w();
    e.f.op(Op.i64_extend_i32_u);
    e.shamt();
    e.f.op(Op.i64_shl);
    e.rd();
  }),

  byFunct7('andn', OP, 7, 0x20, withInverted(Op.i64_and)),
  byFunct7('orn', OP, 6, 0x20, withInverted(Op.i64_or)),
  byFunct7('xnor', OP, 4, 0x20, withInverted(Op.i64_xor)),
  unary('clz', 0x13, 1, 0x600, ofOne(Op.i64_clz)),
  unary('ctz', 0x13, 1, 0x601, ofOne(Op.i64_ctz)),
  unary('cpop', 0x13, 1, 0x602, ofOne(Op.i64_popcnt)),
  unary('sext.b', 0x13, 1, 0x604, ofOne(Op.i64_extend8_s)),
  unary('sext.h', 0x13, 1, 0x605, ofOne(Op.i64_extend16_s)),
  unary('clzw', 0x1b, 1, 0x600, ofOneWord(Op.i32_clz)),
  unary('ctzw', 0x1b, 1, 0x601, ofOneWord(Op.i32_ctz)),
  unary('cpopw', 0x1b, 1, 0x602, ofOneWord(Op.i32_popcnt)),
  row('zext.h', 'R', 0xfff0707f, 0x0800403b, (e) => {
    e.rs1();
    e.f.i64(0xffff).op(Op.i64_and);
    e.rd();
  }),
  byFunct7('min', OP, 4, 0x05, choose(Op.i64_lt_s)),
  byFunct7('minu', OP, 5, 0x05, choose(Op.i64_lt_u)),
  byFunct7('max', OP, 6, 0x05, choose(Op.i64_gt_s)),
  byFunct7('maxu', OP, 7, 0x05, choose(Op.i64_gt_u)),
  byFunct7('rol', OP, 1, 0x30, rotate(Op.i64_rotl, 'rs2')),
  byFunct7('ror', OP, 5, 0x30, rotate(Op.i64_rotr, 'rs2')),
  shift6('rori', 0x13, 5, 0x18, rotate(Op.i64_rotr, 'imm')),
  byFunct7('rolw', OP_32, 1, 0x30, rotateW(Op.i32_rotl, 'rs2')),
  byFunct7('rorw', OP_32, 5, 0x30, rotateW(Op.i32_rotr, 'rs2')),
  row('roriw', 'I', 0xfe00707f, 0x6000501b, rotateW(Op.i32_rotr, 'imm')),
  unary('orc.b', 0x13, 5, 0x287, orCombine),
  unary('rev8', 0x13, 5, 0x6b8, reverseBytes),

  ...BITS.flatMap(([name, funct7, op]) => [
    byFunct7(name, OP, 1, funct7, singleBit(op, 'rs2')),
    shift6(`${name}i`, 0x13, 1, funct7 >> 1, singleBit(op, 'imm')),
  ]),
  byFunct7('bext', OP, 5, 0x24, extractBit('rs2')),
  shift6('bexti', 0x13, 5, 0x12, extractBit('imm')),

  byFunct7('czero.eqz', OP, 5, 0x07, zeroIf(false)),
  byFunct7('czero.nez', OP, 7, 0x07, zeroIf(true)),
];
