import { FpuOp } from '../fpu/ops.ts';
import { FPU_A, FPU_B, FPU_C, FPU_R, STATE_FCSR } from '../layout.ts';
import { Op } from '../wasm/encoder.ts';
import type { Emit, Row } from './emit.ts';
import { byFunct3, row } from './integer.ts';

// RV64F and RV64D (ISA manual, volume I, chapters 20 and 21). Ordinary cases run on the host's hardware; the soft-float helper
// does the rest. The hardware gives the right bits for round-to-nearest; what it cannot give is the flags. When NX is already
// set and the result is a normal number well above the subnormals, no flag can change, so hardware suffices.

type Fmt = 0 | 1; // S, D
const dbl = (fmt: Fmt) => fmt === 1;

function source1(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs1();
  else {
    e.frs1s();
    e.f.op(Op.i64_extend_i32_u);
  }
}
function source2(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs2();
  else {
    e.frs2s();
    e.f.op(Op.i64_extend_i32_u);
  }
}
function source3(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs3();
  else {
    e.frs3s();
    e.f.op(Op.i64_extend_i32_u);
  }
}
/** Pops an i64 pattern into f[rd]. */
function dest(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frd();
  else {
    e.f.op(Op.i32_wrap_i64);
    e.frds();
  }
}
function scratch(e: Emit, at: number, local: number): void {
  e.f.i32(0).get(local).mem(Op.i64_store, at);
}
function result(e: Emit): void {
  e.f.i32(0).mem(Op.i64_load, FPU_R);
}

/** rs1 op rs2 (or of rs1 alone), through hardware when that is exact. */
function arith(fmt: Fmt, hard: number, soft: number, operands: 1 | 2) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    e.rm();
    f.set(e.a1);
    source1(e, fmt);
    f.set(e.t0);
    if (operands === 2) {
      source2(e, fmt);
      f.set(e.t1);
    }
    const load = (local: number) => {
      f.get(local);
      if (dbl(fmt)) f.op(Op.f64_reinterpret_i64);
      else f.op(Op.i32_wrap_i64).op(Op.f32_reinterpret_i32);
    };
    load(e.t0);
    if (operands === 2) load(e.t1);
    f.op(hard);
    if (dbl(fmt)) f.op(Op.i64_reinterpret_f64);
    else f.op(Op.i32_reinterpret_f32).op(Op.i64_extend_i32_u);
    f.set(e.t2);
    // rm == RNE, NX set, 2 <= biased exponent < max
    f.get(e.a1).op(Op.i32_eqz);
    f.i32(0).mem(Op.i32_load, STATE_FCSR).i32(1).op(Op.i32_and).op(Op.i32_and);
    f.get(e.t2)
      .i64(dbl(fmt) ? 52 : 23)
      .op(Op.i64_shr_u)
      .op(Op.i32_wrap_i64)
      .i32(dbl(fmt) ? 0x7ff : 0xff)
      .op(Op.i32_and);
    f.i32(2)
      .op(Op.i32_sub)
      .i32(dbl(fmt) ? 0x7fd : 0xfd)
      .op(Op.i32_lt_u)
      .op(Op.i32_and)
      .op(Op.i32_eqz)
      .if();
    scratch(e, FPU_A, e.t0);
    if (operands === 2) scratch(e, FPU_B, e.t1);
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    f.set(e.t2);
    f.end();
    f.get(e.t2);
    dest(e, fmt);
  };
}

/** Through the helper always; `wide` says whether rd is an integer register. */
function helper(fmt: Fmt, soft: number, operands: 1 | 2 | 3, toInt: boolean, usesRm: boolean) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    if (usesRm) {
      e.rm();
      f.set(e.a1);
    } else f.i32(0).set(e.a1);
    source1(e, fmt);
    f.set(e.t0);
    scratch(e, FPU_A, e.t0);
    if (operands >= 2) {
      source2(e, fmt);
      f.set(e.t0);
      scratch(e, FPU_B, e.t0);
    }
    if (operands === 3) {
      source3(e, fmt);
      f.set(e.t0);
      scratch(e, FPU_C, e.t0);
    }
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    if (toInt) e.rd();
    else dest(e, fmt);
  };
}

/** Comparisons: hardware unless an operand is a NaN. */
function compareOp(fmt: Fmt, hard: number, soft: number) {
  const slow = helper(fmt, soft, 2, true, false);
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    source1(e, fmt);
    f.set(e.t0);
    source2(e, fmt);
    f.set(e.t1);
    const load = (local: number) => {
      f.get(local);
      if (dbl(fmt)) f.op(Op.f64_reinterpret_i64);
      else f.op(Op.i32_wrap_i64).op(Op.f32_reinterpret_i32);
    };
    const same = dbl(fmt) ? Op.f64_eq : Op.f32_eq;
    load(e.t0);
    load(e.t0);
    f.op(same);
    load(e.t1);
    load(e.t1);
    f.op(same).op(Op.i32_and).if();
    load(e.t0);
    load(e.t1);
    f.op(hard).op(Op.i64_extend_i32_u);
    e.rd();
    f.else();
    slow(e);
    f.end();
  };
}

function fromInteger(fmt: Fmt, soft: number, narrow: boolean) {
  return (e: Emit) => {
    e.needFp();
    e.rm();
    e.f.set(e.a1);
    // A 32-bit integer is exact in double precision: no flags, no rounding.
    if (narrow && dbl(fmt)) {
      e.rs1w();
      e.f.op(soft === FpuOp.FROM_W ? 0xb7 : 0xb8).op(Op.i64_reinterpret_f64); // f64.convert_i32_s / _u
      e.frd();
      return;
    }
    e.rs1();
    e.f.set(e.t0);
    scratch(e, FPU_A, e.t0);
    e.f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    dest(e, fmt);
  };
}

/** fsgnj, fsgnjn, fsgnjx on patterns. */
function signInject(fmt: Fmt, how: 0 | 1 | 2) {
  return (e: Emit) => {
    const f = e.f;
    const sign = dbl(fmt) ? -(2n ** 63n) : 0x8000_0000n;
    e.needFp();
    source1(e, fmt);
    if (how !== 2) f.i64Big(~sign).op(Op.i64_and);
    source2(e, fmt);
    if (how === 1) f.i64(-1).op(Op.i64_xor);
    f.i64Big(sign)
      .op(Op.i64_and)
      .op(how === 2 ? Op.i64_xor : Op.i64_or);
    dest(e, fmt);
  };
}

const fp7 = (name: string, funct7: number, emit: (e: Emit) => void) => row(name, 'R', 0xfe00007f, 0x53 | (funct7 << 25), emit);
const fp7f3 = (name: string, funct7: number, funct3: number, emit: (e: Emit) => void) =>
  row(name, 'R', 0xfe00707f, 0x53 | (funct7 << 25) | (funct3 << 12), emit);
const fp7r2 = (name: string, funct7: number, rs2: number, emit: (e: Emit) => void) =>
  row(name, 'R', 0xfff0007f, 0x53 | (funct7 << 25) | (rs2 << 20), emit);
const fp7r2f3 = (name: string, funct7: number, rs2: number, funct3: number, emit: (e: Emit) => void) =>
  row(name, 'R', 0xfff0707f, 0x53 | (funct7 << 25) | (rs2 << 20) | (funct3 << 12), emit);
const fma = (name: string, opcode: number, fmt: Fmt, soft: number) =>
  row(name, 'R', 0x0600007f, opcode | (fmt << 25), helper(fmt, soft, 3, false, true));

function rowsOf(fmt: Fmt): readonly Row[] {
  const s = dbl(fmt) ? 'd' : 's';
  const h = (single: number, double: number) => (dbl(fmt) ? double : single);
  return [
    fma(`fmadd.${s}`, 0x43, fmt, FpuOp.MADD),
    fma(`fmsub.${s}`, 0x47, fmt, FpuOp.MSUB),
    fma(`fnmsub.${s}`, 0x4b, fmt, FpuOp.NMSUB),
    fma(`fnmadd.${s}`, 0x4f, fmt, FpuOp.NMADD),
    fp7(`fadd.${s}`, 0x00 | fmt, arith(fmt, h(Op.f32_add, Op.f64_add), FpuOp.ADD, 2)),
    fp7(`fsub.${s}`, 0x04 | fmt, arith(fmt, h(Op.f32_sub, Op.f64_sub), FpuOp.SUB, 2)),
    fp7(`fmul.${s}`, 0x08 | fmt, arith(fmt, h(Op.f32_mul, Op.f64_mul), FpuOp.MUL, 2)),
    fp7(`fdiv.${s}`, 0x0c | fmt, arith(fmt, h(Op.f32_div, Op.f64_div), FpuOp.DIV, 2)),
    fp7r2(`fsqrt.${s}`, 0x2c | fmt, 0, arith(fmt, h(Op.f32_sqrt, Op.f64_sqrt), FpuOp.SQRT, 1)),
    fp7f3(`fsgnj.${s}`, 0x10 | fmt, 0, signInject(fmt, 0)),
    fp7f3(`fsgnjn.${s}`, 0x10 | fmt, 1, signInject(fmt, 1)),
    fp7f3(`fsgnjx.${s}`, 0x10 | fmt, 2, signInject(fmt, 2)),
    fp7f3(`fmin.${s}`, 0x14 | fmt, 0, helper(fmt, FpuOp.MIN, 2, false, false)),
    fp7f3(`fmax.${s}`, 0x14 | fmt, 1, helper(fmt, FpuOp.MAX, 2, false, false)),
    fp7f3(`fle.${s}`, 0x50 | fmt, 0, compareOp(fmt, h(Op.f32_le, Op.f64_le), FpuOp.LE)),
    fp7f3(`flt.${s}`, 0x50 | fmt, 1, compareOp(fmt, h(Op.f32_lt, Op.f64_lt), FpuOp.LT)),
    fp7f3(`feq.${s}`, 0x50 | fmt, 2, compareOp(fmt, h(Op.f32_eq, Op.f64_eq), FpuOp.EQ)),
    fp7r2f3(`fclass.${s}`, 0x70 | fmt, 0, 1, helper(fmt, FpuOp.CLASS, 1, true, false)),
    fp7r2(`fcvt.w.${s}`, 0x60 | fmt, 0, helper(fmt, FpuOp.TO_W, 1, true, true)),
    fp7r2(`fcvt.wu.${s}`, 0x60 | fmt, 1, helper(fmt, FpuOp.TO_WU, 1, true, true)),
    fp7r2(`fcvt.l.${s}`, 0x60 | fmt, 2, helper(fmt, FpuOp.TO_L, 1, true, true)),
    fp7r2(`fcvt.lu.${s}`, 0x60 | fmt, 3, helper(fmt, FpuOp.TO_LU, 1, true, true)),
    fp7r2(`fcvt.${s}.w`, 0x68 | fmt, 0, fromInteger(fmt, FpuOp.FROM_W, true)),
    fp7r2(`fcvt.${s}.wu`, 0x68 | fmt, 1, fromInteger(fmt, FpuOp.FROM_WU, true)),
    fp7r2(`fcvt.${s}.l`, 0x68 | fmt, 2, fromInteger(fmt, FpuOp.FROM_L, false)),
    fp7r2(`fcvt.${s}.lu`, 0x68 | fmt, 3, fromInteger(fmt, FpuOp.FROM_LU, false)),
  ];
}

export const floatRows: readonly Row[] = [
  byFunct3('flw', 'I', 0x07, 2, (e) => {
    e.needFp();
    e.load(Op.i32_load, 4);
    e.frds();
  }),
  byFunct3('fld', 'I', 0x07, 3, (e) => {
    e.needFp();
    e.load(Op.i64_load, 8);
    e.frd();
  }),
  byFunct3('fsw', 'S', 0x27, 2, (e) => {
    e.needFp();
    e.store(Op.i64_store32, 4, () => e.frs2());
  }),
  byFunct3('fsd', 'S', 0x27, 3, (e) => {
    e.needFp();
    e.store(Op.i64_store, 8, () => e.frs2());
  }),
  ...rowsOf(0),
  ...rowsOf(1),
  fp7r2('fcvt.s.d', 0x20, 1, (e) => {
    e.needFp();
    e.rm();
    e.f.set(e.a1);
    e.frs1();
    e.f.set(e.t0);
    scratch(e, FPU_A, e.t0);
    e.f.get(e.a1);
    e.fpu(FpuOp.CVT);
    result(e);
    dest(e, 0);
  }),
  fp7r2('fcvt.d.s', 0x21, 0, (e) => {
    e.needFp();
    e.rm();
    e.f.set(e.a1);
    source1(e, 0);
    e.f.set(e.t0);
    scratch(e, FPU_A, e.t0);
    e.f.get(e.a1);
    e.fpu(FpuOp.CVT + 1);
    result(e);
    e.frd();
  }),
  fp7r2f3('fmv.x.w', 0x70, 0, 0, (e) => {
    e.needFp();
    e.frs1();
    e.f.op(Op.i64_extend32_s);
    e.rd();
  }),
  fp7r2f3('fmv.w.x', 0x78, 0, 0, (e) => {
    e.needFp();
    e.rs1w();
    e.frds();
  }),
  fp7r2f3('fmv.x.d', 0x71, 0, 0, (e) => {
    e.needFp();
    e.frs1();
    e.rd();
  }),
  fp7r2f3('fmv.d.x', 0x79, 0, 0, (e) => {
    e.needFp();
    e.rs1();
    e.frd();
  }),
];
