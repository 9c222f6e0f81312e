import { FpuOp } from '../fpu/ops.ts';
import { FPU_A, FPU_B, FPU_R, STATE_FCSR } from '../layout.ts';
import { Op, OpSat, OpSimd } from '../wasm/opcodes.ts';
import type { Emit, Row } from './emit.ts';
import { byFunct3, row } from './integer.ts';

// RV64F and RV64D (ISA manual, volume I, chapters 20 and 21). Ordinary cases run on the host's hardware; the helpers of fpu/fast.ts and the
// soft-float code behind them do the rest. The hardware gives the right bits for round-to-nearest; what it cannot give is the flags. When NX
// is already set and the result is a normal number well above the subnormals, no flag can change, so hardware suffices (`Emit.untrusted`).

type Fmt = 0 | 1; // S, D
const dbl = (fmt: Fmt) => fmt === 1;

/** Pushes an operand as a hardware number. */
function push1(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs1d();
  else e.frs1f();
}
function push2(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs2d();
  else e.frs2f();
}
function push3(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs3d();
  else e.frs3f();
}
/** Pushes the first operand as a double. */
function wide1(e: Emit, fmt: Fmt): void {
  push1(e, fmt);
  if (!dbl(fmt)) e.f.op(Op.f64_promote_f32);
}
/** Pushes an operand's pattern as the helpers take it: f64, or the i32 pattern of a single. */
function raw(e: Emit, fmt: Fmt, which: 1 | 2 | 3): void {
  if (dbl(fmt)) {
    if (which === 1) e.frs1d();
    else if (which === 2) e.frs2d();
    else e.frs3d();
  } else if (which === 1) e.frs1s();
  else if (which === 2) e.frs2s();
  else e.frs3s();
}
const scratchOf = (e: Emit, fmt: Fmt) => (dbl(fmt) ? e.d0 : e.s0);
/** Pops a hardware number into f[rd]. */
function dest(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frdd();
  else e.frdf();
}
/** Pops a helper's result (f64, or the i32 pattern of a single) into the scratch local. */
function setScratch(e: Emit, fmt: Fmt): void {
  if (!dbl(fmt)) e.f.op(Op.f32_reinterpret_i32);
  e.f.set(scratchOf(e, fmt));
}
/** Pushes an operand's pattern as an i64. */
function pattern1(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs1();
  else {
    e.frs1s();
    e.f.op(Op.i64_extend_i32_u);
  }
}
function pattern2(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frs2();
  else {
    e.frs2s();
    e.f.op(Op.i64_extend_i32_u);
  }
}
function scratch(e: Emit, at: number, push: () => void): void {
  e.f.i32(0);
  push();
  e.f.mem(Op.i64_store, at);
}
function result(e: Emit): void {
  e.f.i32(0).mem(Op.i64_load, FPU_R);
}
/** Pops an i64 pattern into f[rd]. */
function destPattern(e: Emit, fmt: Fmt): void {
  if (dbl(fmt)) e.frd();
  else {
    e.f.op(Op.i32_wrap_i64);
    e.frds();
  }
}
/** Pushes whether the rounding mode in a1 is to nearest and NX has accrued already. */
function nearestAndInexact(e: Emit): void {
  e.f.get(e.a1).op(Op.i32_eqz).i32(0).mem(Op.i32_load, STATE_FCSR).i32(1).op(Op.i32_and).op(Op.i32_and);
}

/** rs1 op rs2 (or of rs1 alone), through hardware when that gives the right bits and flags. */
function arith(fmt: Fmt, operands: 1 | 2, hard: number, soft: number) {
  return (e: Emit) => {
    const f = e.f;
    const r = scratchOf(e, fmt);
    e.needFp();
    push1(e, fmt);
    if (operands === 2) push2(e, fmt);
    f.op(hard).set(r);
    e.untrusted(fmt);
    f.unlikelyIf();
    f.i32(soft + fmt);
    e.rm();
    raw(e, fmt, 1);
    raw(e, fmt, operands);
    f.get(r);
    e.slow(dbl(fmt) ? 'arithD' : 'arithS');
    setScratch(e, fmt);
    f.end();
    f.get(r);
    dest(e, fmt);
  };
}

/** The four fused forms; `negProduct` and `negAddend` flip signs. */
function fused(fmt: Fmt, soft: number, negProduct: boolean, negAddend: boolean) {
  const neg = dbl(fmt) ? Op.f64_neg : Op.f32_neg;
  return (e: Emit) => {
    const f = e.f;
    const r = scratchOf(e, fmt);
    const operands = () => {
      push1(e, fmt);
      if (negProduct) f.op(neg);
      push2(e, fmt);
      push3(e, fmt);
      if (negAddend) f.op(neg);
    };
    e.needFp();
    if (dbl(fmt) && e.fused) {
      push1(e, fmt);
      if (negProduct) f.op(neg);
      f.simd(OpSimd.f64x2_splat);
      push2(e, fmt);
      f.simd(OpSimd.f64x2_splat);
      push3(e, fmt);
      if (negAddend) f.op(neg);
      f.simd(OpSimd.f64x2_splat).simd(OpSimd.f64x2_relaxed_madd).simd(OpSimd.f64x2_extract_lane, 0);
    } else {
      operands();
      e.fast(dbl(fmt) ? 'fmaD' : 'fmaS');
    }
    f.set(r);
    e.untrusted(fmt);
    f.unlikelyIf();
    f.i32(soft + fmt);
    e.rm();
    raw(e, fmt, 1);
    raw(e, fmt, 2);
    raw(e, fmt, 3);
    // The helper looks whether this is exact.
    if (dbl(fmt)) f.get(r);
    e.slow(dbl(fmt) ? 'fmaSlowD' : 'fmaSlowS');
    setScratch(e, fmt);
    f.end();
    f.get(r);
    dest(e, fmt);
  };
}

/** Pushes whether an operand is a NaN. */
function unordered(e: Emit, fmt: Fmt): void {
  const differs = dbl(fmt) ? Op.f64_ne : Op.f32_ne;
  push1(e, fmt);
  push1(e, fmt);
  e.f.op(differs);
  push2(e, fmt);
  push2(e, fmt);
  e.f.op(differs).op(Op.i32_or);
}
/** The soft-float code on both operands, rounding mode 0: leaves the result's pattern (i64). */
function helperOnBoth(e: Emit, op: number): void {
  scratch(e, FPU_A, () => pattern1(e, 1));
  scratch(e, FPU_B, () => pattern2(e, 1));
  e.f.i32(0);
  e.fpu(op);
  result(e);
}
function helperOnSingles(e: Emit, op: number): void {
  scratch(e, FPU_A, () => pattern1(e, 0));
  scratch(e, FPU_B, () => pattern2(e, 0));
  e.f.i32(0);
  e.fpu(op);
  result(e);
}

/** fmin and fmax: hardware agrees unless an operand is a NaN. */
function minMax(fmt: Fmt, hard: number, soft: number) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    push1(e, fmt);
    push2(e, fmt);
    f.op(hard).set(scratchOf(e, fmt));
    unordered(e, fmt);
    f.unlikelyIf();
    if (dbl(fmt)) {
      helperOnBoth(e, soft + fmt);
      f.op(Op.f64_reinterpret_i64).set(e.d0);
    } else {
      helperOnSingles(e, soft + fmt);
      f.op(Op.i32_wrap_i64);
      setScratch(e, fmt);
    }
    f.end();
    f.get(scratchOf(e, fmt));
    dest(e, fmt);
  };
}
/** Comparisons: hardware unless an operand is a NaN; a true one has none. */
function compareOp(fmt: Fmt, hard: number, soft: number) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    push1(e, fmt);
    push2(e, fmt);
    f.op(hard).op(Op.i64_extend_i32_u).set(e.t0);
    unordered(e, fmt);
    f.unlikelyIf();
    if (dbl(fmt)) helperOnBoth(e, soft + fmt);
    else helperOnSingles(e, soft + fmt);
    f.set(e.t0);
    f.end();
    f.get(e.t0);
    e.rd();
  };
}
/** Through the soft-float code always. */
function helper(fmt: Fmt, soft: number, toInt: boolean, usesRm: boolean) {
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    if (usesRm) {
      e.rm();
      f.set(e.a1);
    } else f.i32(0).set(e.a1);
    scratch(e, FPU_A, () => pattern1(e, fmt));
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    if (toInt) e.rd();
    else destPattern(e, fmt);
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
    wide1(e, fmt);
    f.tee(e.d0);
    f.sat(signed ? OpSat.i64_trunc_sat_f64_s : OpSat.i64_trunc_sat_f64_u).set(e.t2);
    // low - 1 < x < high chops into the range; that bound itself is no double for 64 bits, where low is allowed.
    f.get(e.d0);
    if (bits === 64 && signed) f.f64(low).op(Op.f64_ge);
    else f.f64(low - 1).op(Op.f64_gt);
    f.get(e.d0).f64(high).op(Op.f64_lt).op(Op.i32_and);
    f.get(e.t2).op(signed ? Op.f64_convert_i64_s : Op.f64_convert_i64_u);
    f.get(e.d0).op(Op.f64_eq);
    f.get(e.a1).i32(1).op(Op.i32_eq).i32(0).mem(Op.i32_load, STATE_FCSR).i32(1).op(Op.i32_and).op(Op.i32_and);
    f.op(Op.i32_or).op(Op.i32_and).op(Op.i32_eqz).unlikelyIf();
    scratch(e, FPU_A, () => pattern1(e, fmt));
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
    const f = e.f;
    const signed = soft === FpuOp.FROM_W || soft === FpuOp.FROM_L;
    e.needFp();
    e.rm();
    f.set(e.a1);
    // A 32-bit integer is exact in double precision: no flags, no rounding.
    if (narrow && dbl(fmt)) {
      e.rs1w();
      f.op(signed ? Op.f64_convert_i32_s : Op.f64_convert_i32_u);
      e.frdd();
      return;
    }
    // Small integers are exact; others round to nearest in hardware, and NX is all that could be raised.
    e.rs1();
    if (narrow) f.op(signed ? Op.i64_extend32_s : Op.i32_wrap_i64);
    if (narrow && !signed) f.op(Op.i64_extend_i32_u);
    f.tee(e.t0);
    if (dbl(fmt)) f.op(signed ? Op.f64_convert_i64_s : Op.f64_convert_i64_u);
    else f.op(signed ? Op.f32_convert_i64_s : Op.f32_convert_i64_u);
    f.set(scratchOf(e, fmt));
    const exactLimit = dbl(fmt) ? 2 ** 53 : 2 ** 24;
    f.get(e.t0);
    if (signed) f.i64(exactLimit).op(Op.i64_add);
    f.i64(signed ? 2 * exactLimit : exactLimit).op(Op.i64_le_u);
    nearestAndInexact(e);
    f.op(Op.i32_or).op(Op.i32_eqz).unlikelyIf();
    scratch(e, FPU_A, () => f.get(e.t0));
    f.get(e.a1);
    e.fpu(soft + fmt);
    result(e);
    if (dbl(fmt)) f.op(Op.f64_reinterpret_i64).set(e.d0);
    else {
      f.op(Op.i32_wrap_i64);
      setScratch(e, fmt);
    }
    f.end();
    f.get(scratchOf(e, fmt));
    dest(e, fmt);
  };
}

/** fsgnj, fsgnjn, fsgnjx: on bits, NaNs too. */
function signInject(fmt: Fmt, how: 0 | 1 | 2) {
  const neg = dbl(fmt) ? Op.f64_neg : Op.f32_neg;
  return (e: Emit) => {
    const f = e.f;
    e.needFp();
    if (how === 2) {
      pattern1(e, fmt);
      pattern2(e, fmt);
      f.i64Big(dbl(fmt) ? -(2n ** 63n) : 0x8000_0000n)
        .op(Op.i64_and)
        .op(Op.i64_xor);
      destPattern(e, fmt);
      return;
    }
    push1(e, fmt);
    if (e.sameSources()) {
      if (how === 1) f.op(neg);
    } else {
      push2(e, fmt);
      if (how === 1) f.op(neg);
      f.op(dbl(fmt) ? Op.f64_copysign : Op.f32_copysign);
    }
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
    fp7(`fadd.${s}`, 0x00 | fmt, arith(fmt, 2, h(Op.f32_add, Op.f64_add), FpuOp.ADD)),
    fp7(`fsub.${s}`, 0x04 | fmt, arith(fmt, 2, h(Op.f32_sub, Op.f64_sub), FpuOp.SUB)),
    fp7(`fmul.${s}`, 0x08 | fmt, arith(fmt, 2, h(Op.f32_mul, Op.f64_mul), FpuOp.MUL)),
    fp7(`fdiv.${s}`, 0x0c | fmt, arith(fmt, 2, h(Op.f32_div, Op.f64_div), FpuOp.DIV)),
    fp7r2(`fsqrt.${s}`, 0x2c | fmt, 0, arith(fmt, 1, h(Op.f32_sqrt, Op.f64_sqrt), FpuOp.SQRT)),
    fp7f3(`fsgnj.${s}`, 0x10 | fmt, 0, signInject(fmt, 0)),
    fp7f3(`fsgnjn.${s}`, 0x10 | fmt, 1, signInject(fmt, 1)),
    fp7f3(`fsgnjx.${s}`, 0x10 | fmt, 2, signInject(fmt, 2)),
    fp7f3(`fmin.${s}`, 0x14 | fmt, 0, minMax(fmt, h(Op.f32_min, Op.f64_min), FpuOp.MIN)),
    fp7f3(`fmax.${s}`, 0x14 | fmt, 1, minMax(fmt, h(Op.f32_max, Op.f64_max), FpuOp.MAX)),
    fp7f3(`fle.${s}`, 0x50 | fmt, 0, compareOp(fmt, h(Op.f32_le, Op.f64_le), FpuOp.LE)),
    fp7f3(`flt.${s}`, 0x50 | fmt, 1, compareOp(fmt, h(Op.f32_lt, Op.f64_lt), FpuOp.LT)),
    fp7f3(`feq.${s}`, 0x50 | fmt, 2, compareOp(fmt, h(Op.f32_eq, Op.f64_eq), FpuOp.EQ)),
    fp7r2f3(`fclass.${s}`, 0x70 | fmt, 0, 1, helper(fmt, FpuOp.CLASS, true, false)),
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
    e.load(Op.f64_load, 8);
    e.frdd();
  }),
  byFunct3('fsw', 'S', 0x27, 2, (e) => {
    e.needFp();
    e.store(Op.i64_store32, 4, () => e.frs2());
  }),
  byFunct3('fsd', 'S', 0x27, 3, (e) => {
    e.needFp();
    e.store(Op.f64_store, 8, () => e.frs2d());
  }),
  ...rowsOf(0),
  ...rowsOf(1),
  fp7r2('fcvt.s.d', 0x20, 1, (e) => {
    const f = e.f;
    e.needFp();
    e.frs1d();
    f.op(Op.f32_demote_f64).set(e.s0);
    e.untrusted(0);
    f.unlikelyIf();
    e.rm();
    f.set(e.a1);
    // What comes back unchanged was exact, zeros and infinities too.
    f.get(e.s0).op(Op.f64_promote_f32);
    e.frs1d();
    f.op(Op.f64_eq).op(Op.i32_eqz).if();
    scratch(e, FPU_A, () => e.frs1());
    f.get(e.a1);
    e.fpu(FpuOp.CVT);
    result(e);
    f.op(Op.i32_wrap_i64).op(Op.f32_reinterpret_i32).set(e.s0);
    f.end();
    f.end();
    f.get(e.s0);
    e.frdf();
  }),
  fp7r2('fcvt.d.s', 0x21, 0, (e) => {
    const f = e.f;
    e.needFp();
    e.rm();
    f.op(Op.drop);
    // Exact for every number; NaNs become canonical and may signal.
    e.frs1f();
    f.op(Op.f64_promote_f32).tee(e.d0).get(e.d0).op(Op.f64_ne).unlikelyIf();
    scratch(e, FPU_A, () => pattern1(e, 0));
    f.i32(0);
    e.fpu(FpuOp.CVT + 1);
    result(e);
    f.op(Op.f64_reinterpret_i64).set(e.d0);
    f.end();
    f.get(e.d0);
    e.frdd();
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
