import { FpuOp } from '../fpu/ops.ts';
import { FPU_A, FPU_B, FPU_C, FPU_R, STATE_FCSR } from '../layout.ts';
import { I64, Op, OpSat } from '../wasm/encoder.ts';
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

/** Pushes a local's pattern as a hardware number. */
function hardware(e: Emit, fmt: Fmt, local: number): void {
  e.f.get(local);
  if (dbl(fmt)) e.f.op(Op.f64_reinterpret_i64);
  else e.f.op(Op.i32_wrap_i64).op(Op.f32_reinterpret_i32);
}
/** Pushes a local's pattern as a double. */
function widened(e: Emit, fmt: Fmt, local: number): void {
  hardware(e, fmt, local);
  if (!dbl(fmt)) e.f.op(Op.f64_promote_f32);
}
function toPattern(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.f.op(Op.i64_reinterpret_f64);
  else e.f.op(Op.i32_reinterpret_f32).op(Op.i64_extend_i32_u);
}
/** Pushes whether the pattern in `local` is a normal number, not the smallest binade (where tininess would have to be looked at). */
function isNormal(e: Emit, fmt: Fmt, local: number): void {
  e.f
    .get(local)
    .i64(dbl(fmt) ? 52 : 23)
    .op(Op.i64_shr_u)
    .op(Op.i32_wrap_i64)
    .i32(dbl(fmt) ? 0x7ff : 0xff)
    .op(Op.i32_and)
    .i32(2)
    .op(Op.i32_sub)
    .i32(dbl(fmt) ? 0x7fd : 0xfd)
    .op(Op.i32_lt_u);
}
/** Pushes whether the pattern is +0 or -0. */
function isZero(e: Emit, fmt: Fmt, local: number): void {
  if (dbl(fmt)) e.f.get(local).i64(1).op(Op.i64_shl).op(Op.i64_eqz);
  else e.f.get(local).op(Op.i32_wrap_i64).i32(1).op(Op.i32_shl).op(Op.i32_eqz);
}
/** Pushes whether the rounding mode in a1 is to nearest and NX has accrued already. */
function nearestAndInexact(e: Emit): void {
  e.f.get(e.a1).op(Op.i32_eqz).i32(0).mem(Op.i32_load, STATE_FCSR).i32(1).op(Op.i32_and).op(Op.i32_and);
}

type Arith = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';
/** Pushes whether the hardware result in t2 is exact (operands in t0, t1). */
function exact(e: Emit, fmt: Fmt, kind: Arith): void {
  const [a, b, r] = [e.t0, e.t1, e.t2];
  const order = kind === 'div' ? [r, b, a] : kind === 'sqrt' ? [r, r, a] : [a, b, r];
  widened(e, fmt, order[0]);
  widened(e, fmt, order[1]);
  if (kind === 'sub') e.f.op(Op.f64_neg);
  widened(e, fmt, order[2]);
  e.fast(kind === 'add' || kind === 'sub' ? 'sumIs' : 'productIs');
}

/** rs1 op rs2 (or of rs1 alone), through hardware when that gives the right bits and flags. */
function arith(fmt: Fmt, kind: Arith, hard: number, soft: number) {
  const operands = kind === 'sqrt' ? 1 : 2;
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
    hardware(e, fmt, e.t0);
    if (operands === 2) hardware(e, fmt, e.t1);
    f.op(hard);
    toPattern(e, fmt);
    f.set(e.t2);
    nearestAndInexact(e);
    isNormal(e, fmt, e.t2);
    f.op(Op.i32_and).op(Op.i32_eqz).unlikelyIf();
    {
      // Exact results raise nothing in any rounding mode; so do zeros, of a sum always, else of a zero operand (the sign of a
      // zero sum depends on the mode).
      f.block();
      const done = f.depth;
      isNormal(e, fmt, e.t2);
      f.if();
      exact(e, fmt, kind);
      f.brIf(done);
      f.else();
      isZero(e, fmt, e.t2);
      f.get(e.a1).op(Op.i32_eqz).op(Op.i32_and);
      if (kind !== 'add' && kind !== 'sub') {
        isZero(e, fmt, e.t0);
        if (kind === 'mul') {
          isZero(e, fmt, e.t1);
          f.op(Op.i32_or);
        }
        f.op(Op.i32_and);
      }
      f.brIf(done);
      f.end();
      scratch(e, FPU_A, e.t0);
      if (operands === 2) scratch(e, FPU_B, e.t1);
      f.get(e.a1);
      e.fpu(soft + fmt);
      result(e);
      f.set(e.t2);
      f.end();
    }
    f.end();
    f.get(e.t2);
    dest(e, fmt);
  };
}

/** The four fused forms; `negProduct` and `negAddend` flip signs. */
function fused(fmt: Fmt, soft: number, negProduct: boolean, negAddend: boolean) {
  return (e: Emit) => {
    const f = e.f;
    const sign = dbl(fmt) ? -(2n ** 63n) : 0x8000_0000n;
    e.needFp();
    e.rm();
    f.set(e.a1);
    source1(e, fmt);
    f.set(e.t0);
    source2(e, fmt);
    f.set(e.t1);
    source3(e, fmt);
    f.set(e.t2);
    scratch(e, FPU_A, e.t0);
    scratch(e, FPU_B, e.t1);
    scratch(e, FPU_C, e.t2);
    f.block();
    const done = f.depth;
    nearestAndInexact(e);
    f.if();
    f.get(e.t0);
    if (negProduct) f.i64Big(sign).op(Op.i64_xor);
    f.get(e.t1).get(e.t2);
    if (negAddend) f.i64Big(sign).op(Op.i64_xor);
    e.fast(dbl(fmt) ? 'fmaD' : 'fmaS');
    f.tee(e.t0).i64(0).op(Op.i64_ne).brIf(done);
    f.end();
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    f.set(e.t0);
    f.end();
    f.get(e.t0);
    dest(e, fmt);
  };
}

/** fmin and fmax: hardware agrees unless an operand is a NaN. */
function minMax(fmt: Fmt, hard: number, soft: number) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    source1(e, fmt);
    f.set(e.t0);
    source2(e, fmt);
    f.set(e.t1);
    bothOrdered(e, fmt);
    f.if();
    hardware(e, fmt, e.t0);
    hardware(e, fmt, e.t1);
    f.op(hard);
    toPattern(e, fmt);
    f.set(e.t2);
    f.else();
    helperCore(e, soft + fmt, 2);
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

/** Pushes whether neither t0 nor t1 is a NaN. */
function bothOrdered(e: Emit, fmt: Fmt): void {
  const same = dbl(fmt) ? Op.f64_eq : Op.f32_eq;
  for (const local of [e.t0, e.t1]) {
    hardware(e, fmt, local);
    hardware(e, fmt, local);
    e.f.op(same);
  }
  e.f.op(Op.i32_and);
}
/** The soft-float helper on t0 (and t1), rounding mode 0: leaves the result's pattern. */
function helperCore(e: Emit, op: number, operands: 1 | 2): void {
  scratch(e, FPU_A, e.t0);
  if (operands === 2) scratch(e, FPU_B, e.t1);
  e.f.i32(0);
  e.fpu(op);
  result(e);
}

/** Comparisons: hardware unless an operand is a NaN. */
function compareOp(fmt: Fmt, hard: number, soft: number) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    source1(e, fmt);
    f.set(e.t0);
    source2(e, fmt);
    f.set(e.t1);
    bothOrdered(e, fmt);
    f.if(I64);
    hardware(e, fmt, e.t0);
    hardware(e, fmt, e.t1);
    f.op(hard).op(Op.i64_extend_i32_u);
    f.else();
    helperCore(e, soft + fmt, 2);
    f.end();
    e.rd();
  };
}

/** To an integer of `bits`: hardware when the value fits and is whole, or when it is chopped and NX has accrued already. */
function toInteger(fmt: Fmt, soft: number, bits: 32 | 64, signed: boolean) {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = signed ? 2 ** (bits - 1) : 2 ** bits;
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    e.rm();
    f.set(e.a1);
    source1(e, fmt);
    f.set(e.t0);
    widened(e, fmt, e.t0);
    f.op(Op.i64_reinterpret_f64).set(e.t1);
    const wide = () => f.get(e.t1).op(Op.f64_reinterpret_i64);
    wide();
    f.sat(signed ? OpSat.i64_trunc_sat_f64_s : OpSat.i64_trunc_sat_f64_u).set(e.t2);
    // low - 1 < x < high chops into the range; that bound itself is no double for 64 bits, where low is allowed.
    wide();
    if (bits === 64 && signed) f.f64(low).op(Op.f64_ge);
    else f.f64(low - 1).op(Op.f64_gt);
    wide();
    f.f64(high).op(Op.f64_lt).op(Op.i32_and);
    f.get(e.t2).op(signed ? Op.f64_convert_i64_s : Op.f64_convert_i64_u);
    wide();
    f.op(Op.f64_eq);
    f.get(e.a1).i32(1).op(Op.i32_eq).i32(0).mem(Op.i32_load, STATE_FCSR).i32(1).op(Op.i32_and).op(Op.i32_and);
    f.op(Op.i32_or).op(Op.i32_and).op(Op.i32_eqz).if();
    scratch(e, FPU_A, e.t0);
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    f.set(e.t2);
    f.end();
    f.get(e.t2);
    if (bits === 32) f.op(Op.i64_extend32_s);
    e.rd();
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
    // Small integers are exact; others round to nearest in hardware, and NX is all that could be raised.
    const f = e.f;
    const signed = soft === FpuOp.FROM_W || soft === FpuOp.FROM_L;
    e.rs1();
    if (narrow) f.op(signed ? Op.i64_extend32_s : Op.i32_wrap_i64);
    if (narrow && !signed) f.op(Op.i64_extend_i32_u);
    f.set(e.t0);
    const exactLimit = dbl(fmt) ? 2 ** 53 : 2 ** 24;
    f.get(e.t0);
    if (signed) f.i64(exactLimit).op(Op.i64_add);
    f.i64(signed ? 2 * exactLimit : exactLimit).op(Op.i64_le_u);
    nearestAndInexact(e);
    f.op(Op.i32_or).if();
    f.get(e.t0);
    if (dbl(fmt)) f.op(signed ? Op.f64_convert_i64_s : Op.f64_convert_i64_u);
    else f.op(signed ? Op.f32_convert_i64_s : Op.f32_convert_i64_u);
    toPattern(e, fmt);
    f.set(e.t2);
    f.else();
    scratch(e, FPU_A, e.t0);
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    f.set(e.t2);
    f.end();
    f.get(e.t2);
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
const fma = (name: string, opcode: number, fmt: Fmt, soft: number, negProduct: boolean, negAddend: boolean) =>
  row(name, 'R', 0x0600007f, opcode | (fmt << 25), fused(fmt, soft, negProduct, negAddend));

function rowsOf(fmt: Fmt): readonly Row[] {
  const s = dbl(fmt) ? 'd' : 's';
  const h = (single: number, double: number) => (dbl(fmt) ? double : single);
  return [
    fma(`fmadd.${s}`, 0x43, fmt, FpuOp.MADD, false, false),
    fma(`fmsub.${s}`, 0x47, fmt, FpuOp.MSUB, false, true),
    fma(`fnmsub.${s}`, 0x4b, fmt, FpuOp.NMSUB, true, false),
    fma(`fnmadd.${s}`, 0x4f, fmt, FpuOp.NMADD, true, true),
    fp7(`fadd.${s}`, 0x00 | fmt, arith(fmt, 'add', h(Op.f32_add, Op.f64_add), FpuOp.ADD)),
    fp7(`fsub.${s}`, 0x04 | fmt, arith(fmt, 'sub', h(Op.f32_sub, Op.f64_sub), FpuOp.SUB)),
    fp7(`fmul.${s}`, 0x08 | fmt, arith(fmt, 'mul', h(Op.f32_mul, Op.f64_mul), FpuOp.MUL)),
    fp7(`fdiv.${s}`, 0x0c | fmt, arith(fmt, 'div', h(Op.f32_div, Op.f64_div), FpuOp.DIV)),
    fp7r2(`fsqrt.${s}`, 0x2c | fmt, 0, arith(fmt, 'sqrt', h(Op.f32_sqrt, Op.f64_sqrt), FpuOp.SQRT)),
    fp7f3(`fsgnj.${s}`, 0x10 | fmt, 0, signInject(fmt, 0)),
    fp7f3(`fsgnjn.${s}`, 0x10 | fmt, 1, signInject(fmt, 1)),
    fp7f3(`fsgnjx.${s}`, 0x10 | fmt, 2, signInject(fmt, 2)),
    fp7f3(`fmin.${s}`, 0x14 | fmt, 0, minMax(fmt, h(Op.f32_min, Op.f64_min), FpuOp.MIN)),
    fp7f3(`fmax.${s}`, 0x14 | fmt, 1, minMax(fmt, h(Op.f32_max, Op.f64_max), FpuOp.MAX)),
    fp7f3(`fle.${s}`, 0x50 | fmt, 0, compareOp(fmt, h(Op.f32_le, Op.f64_le), FpuOp.LE)),
    fp7f3(`flt.${s}`, 0x50 | fmt, 1, compareOp(fmt, h(Op.f32_lt, Op.f64_lt), FpuOp.LT)),
    fp7f3(`feq.${s}`, 0x50 | fmt, 2, compareOp(fmt, h(Op.f32_eq, Op.f64_eq), FpuOp.EQ)),
    fp7r2f3(`fclass.${s}`, 0x70 | fmt, 0, 1, helper(fmt, FpuOp.CLASS, 1, true, false)),
    fp7r2(`fcvt.w.${s}`, 0x60 | fmt, 0, toInteger(fmt, FpuOp.TO_W, 32, true)),
    fp7r2(`fcvt.wu.${s}`, 0x60 | fmt, 1, toInteger(fmt, FpuOp.TO_WU, 32, false)),
    fp7r2(`fcvt.l.${s}`, 0x60 | fmt, 2, toInteger(fmt, FpuOp.TO_L, 64, true)),
    fp7r2(`fcvt.lu.${s}`, 0x60 | fmt, 3, toInteger(fmt, FpuOp.TO_LU, 64, false)),
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
    const f = e.f;
    e.needFp();
    e.rm();
    f.set(e.a1);
    e.frs1();
    f.tee(e.t0).op(Op.f64_reinterpret_i64).op(Op.f32_demote_f64);
    toPattern(e, 0);
    f.set(e.t2);
    // Right when normal and either exact or inexact in the usual way; or a zero.
    nearestAndInexact(e);
    widened(e, 0, e.t2);
    hardware(e, 1, e.t0);
    f.op(Op.f64_eq).op(Op.i32_or);
    isNormal(e, 0, e.t2);
    f.op(Op.i32_and);
    isZero(e, 1, e.t0);
    f.op(Op.i32_or).op(Op.i32_eqz).if();
    scratch(e, FPU_A, e.t0);
    f.get(e.a1);
    e.fpu(FpuOp.CVT);
    result(e);
    f.set(e.t2);
    f.end();
    f.get(e.t2);
    dest(e, 0);
  }),
  fp7r2('fcvt.d.s', 0x21, 0, (e) => {
    const f = e.f;
    e.needFp();
    e.rm();
    f.set(e.a1);
    source1(e, 0);
    f.set(e.t0);
    // Exact for every number; NaNs become canonical and may signal.
    hardware(e, 0, e.t0);
    hardware(e, 0, e.t0);
    f.op(Op.f32_eq).if(I64);
    widened(e, 0, e.t0);
    f.op(Op.i64_reinterpret_f64);
    f.else();
    helperCore(e, FpuOp.CVT + 1, 1);
    f.end();
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
