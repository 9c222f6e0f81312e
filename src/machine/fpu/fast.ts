import { FPU_A, FPU_B, FPU_C, FPU_R } from '../layout.ts';
import { FuncBody } from '../wasm/encoder.ts';
import { F32, F64, I32, I64, Op, OpSimd } from '../wasm/opcodes.ts';
import { FpuOp } from './ops.ts';

// Floating-point helpers in WebAssembly for the ordinary cases of what hardware does not give: the fused multiply-add, and whether a result is
// exact. Both answer "do not know" for operands near the ends of the exponent range; the soft-float code decides then.

/** Names of the helpers and their types: parameters, results. Singles that a helper looks at bit by bit come as i32 patterns. */
export const FAST_TYPES = {
  /** (a, b, c) -> a * b + c rounded once to nearest, or 0 when the soft-float code must do it. */
  fmaD: [[F64, F64, F64], [F64]],
  fmaS: [[F32, F32, F32], [F32]],
  /** (FpuOp, rounding mode, a, b, hardware's result) -> the right result; flags accrue. */
  arithD: [[I32, I32, F64, F64, F64], [F64]],
  arithS: [[I32, I32, I32, I32, F32], [I32]],
  /** (FpuOp, rounding mode, a, b, c, and for doubles what fmaD or hardware said) -> the right result; flags accrue. */
  fmaSlowD: [[I32, I32, F64, F64, F64, F64], [F64]],
  fmaSlowS: [[I32, I32, I32, I32, I32], [I32]],
} as const satisfies Record<string, readonly [readonly number[], readonly number[]]>;
export type FastName = keyof typeof FAST_TYPES;
export const FAST_NAMES = Object.keys(FAST_TYPES) as readonly FastName[];

/** Sets `s` and `e`: a + b = s + e exactly (Knuth's TwoSum). */
function twoSum(f: FuncBody, a: number, b: number, s: number, e: number, t: number): void {
  f.get(a).get(b).op(Op.f64_add).tee(s).get(a).op(Op.f64_sub).set(t);
  f.get(a).get(s).get(t).op(Op.f64_sub).op(Op.f64_sub);
  f.get(b).get(t).op(Op.f64_sub).op(Op.f64_add).set(e);
}
/** Splits x into high and low halves of 26 bits (Veltkamp). */
function split(f: FuncBody, x: number, high: number, low: number): void {
  f.get(x).f64(134217729).op(Op.f64_mul).tee(high).get(high).get(x).op(Op.f64_sub).op(Op.f64_sub).set(high);
  f.get(x).get(high).op(Op.f64_sub).set(low);
}
/** Sets p and e: a * b = p + e exactly (Dekker), for exponents that `middling` accepts. */
function twoProduct(f: FuncBody, a: number, b: number, p: number, e: number): void {
  const [ah, al, bh, bl] = [f.newLocal(F64), f.newLocal(F64), f.newLocal(F64), f.newLocal(F64)];
  split(f, a, ah, al);
  split(f, b, bh, bl);
  f.get(a).get(b).op(Op.f64_mul).set(p);
  f.get(ah).get(bh).op(Op.f64_mul).get(p).op(Op.f64_sub);
  f.get(ah).get(bl).op(Op.f64_mul).op(Op.f64_add);
  f.get(al).get(bh).op(Op.f64_mul).op(Op.f64_add);
  f.get(al).get(bl).op(Op.f64_mul).op(Op.f64_add).set(e);
}
/** Pushes whether the double pattern's exponent is within 2^-400 .. 2^400. */
function middling(f: FuncBody, pattern: () => void): void {
  pattern();
  f.i64(52)
    .op(Op.i64_shr_u)
    .i64(0x7ff)
    .op(Op.i64_and)
    .i64(1023 - 400)
    .op(Op.i64_sub)
    .i64(801)
    .op(Op.i64_lt_u);
}
/** Sets `v` to v + error rounded to odd: what was lost goes into the last bit (v, error from twoSum). */
function roundToOdd(f: FuncBody, v: number, error: number, bits: number): void {
  f.get(v).op(Op.i64_reinterpret_f64).set(bits);
  f.get(error).f64(0).op(Op.f64_ne).get(bits).op(Op.i32_wrap_i64).i32(1).op(Op.i32_and).op(Op.i32_eqz).op(Op.i32_and).if();
  // One unit towards the error: away from zero when the signs agree.
  f.get(bits).i64(1).i64(-1);
  f.get(error).op(Op.i64_reinterpret_f64).get(bits).op(Op.i64_xor).i64(0).op(Op.i64_ge_s);
  f.op(Op.select).op(Op.i64_add).op(Op.f64_reinterpret_i64).set(v);
  f.end();
}
/** Returns 0 from the function unless the condition on the stack holds. */
function require(f: FuncBody, zero: () => void): void {
  f.op(Op.i32_eqz).unlikelyIf();
  zero();
  f.op(Op.return).end();
}

function fmaD(fused: boolean): FuncBody {
  const f = new FuncBody(3);
  if (fused) {
    for (const x of [0, 1, 2]) f.get(x).simd(OpSimd.f64x2_splat);
    return f.simd(OpSimd.f64x2_relaxed_madd).simd(OpSimd.f64x2_extract_lane, 0);
  }
  const bits = f.newLocal(I64);
  for (const x of [0, 1]) middling(f, () => f.get(x).op(Op.i64_reinterpret_f64));
  f.op(Op.i32_and);
  middling(f, () => f.get(2).op(Op.i64_reinterpret_f64));
  f.get(2).f64(0).op(Op.f64_eq).op(Op.i32_or).op(Op.i32_and);
  require(f, () => f.f64(0));
  // S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE Trans. Computers 57(4), 2008.
  const [p, e, uh, ul, th, tl, vh, vl, t, r] = Array.from({ length: 10 }, () => f.newLocal(F64));
  twoProduct(f, 0, 1, p, e);
  twoSum(f, 2, e, uh, ul, t);
  twoSum(f, p, uh, th, tl, t);
  twoSum(f, tl, ul, vh, vl, t);
  roundToOdd(f, vh, vl, bits);
  f.get(th).get(vh).op(Op.f64_add).set(r);
  // Cancellation to zero or far down is left to the exact code.
  middling(f, () => f.get(r).op(Op.i64_reinterpret_f64));
  require(f, () => f.f64(0));
  return f.get(r);
}
/** Singles: the product is exact in double precision; the sum rounded to odd there rounds correctly to single. */
function fmaS(): FuncBody {
  const f = new FuncBody(3);
  const [p, c, s, e, t] = Array.from({ length: 5 }, () => f.newLocal(F64));
  const bits = f.newLocal(I64);
  f.get(0).op(Op.f64_promote_f32).get(1).op(Op.f64_promote_f32).op(Op.f64_mul).set(p);
  f.get(2).op(Op.f64_promote_f32).set(c);
  twoSum(f, p, c, s, e, t);
  roundToOdd(f, s, e, bits);
  // Infinities and NaNs make e a NaN; every result outside the normal numbers is the exact code's (Emit.untrusted).
  return f.get(s).op(Op.f32_demote_f64);
}
/** Pushes whether a + b is exactly r; NaNs and infinities say no. */
function sumIs(f: FuncBody, a: number, b: number, r: number): void {
  const [s, e, t] = Array.from({ length: 3 }, () => f.newLocal(F64));
  twoSum(f, a, b, s, e, t);
  f.get(s).get(r).op(Op.f64_eq).get(e).f64(0).op(Op.f64_eq).op(Op.i32_and);
}
/** Pushes whether a * b is exactly r; no also means "do not know". Leaves the product in p. */
function productIs(f: FuncBody, a: number, b: number, r: number, p: number): void {
  const e = f.newLocal(F64);
  for (const x of [a, b]) middling(f, () => f.get(x).op(Op.i64_reinterpret_f64));
  f.op(Op.i32_and).if(I32);
  twoProduct(f, a, b, p, e);
  f.get(p).get(r).op(Op.f64_eq).get(e).f64(0).op(Op.f64_eq).op(Op.i32_and);
  f.else().i32(0).end();
}

/** The arithmetic helper on doubles a, b with hardware's result r: brIf's to `done` when r is right and raises nothing. */
function exactCases(f: FuncBody, op: number, rm: number, a: number, b: number, r: number, smallest: number, done: number): void {
  const t = f.newLocal(F64);
  const kind = (k: number) => f.get(op).i32(-2).op(Op.i32_and).i32(k).op(Op.i32_eq);
  const zero = (x: number) => f.get(x).f64(0).op(Op.f64_eq);
  // Normal results: exact ones raise nothing in any rounding mode.
  f.get(r).op(Op.f64_abs).f64(smallest).op(Op.f64_gt).get(r).op(Op.f64_abs).f64(Number.POSITIVE_INFINITY).op(Op.f64_lt).op(Op.i32_and).if();
  kind(FpuOp.ADD).if();
  sumIs(f, a, b, r);
  f.brIf(done).end();
  kind(FpuOp.SUB).if();
  f.get(b).op(Op.f64_neg).set(t);
  sumIs(f, a, t, r);
  f.brIf(done).end();
  kind(FpuOp.MUL).if();
  productIs(f, a, b, r, t);
  f.brIf(done).end();
  kind(FpuOp.DIV).if();
  productIs(f, r, b, a, t);
  f.brIf(done).end();
  kind(FpuOp.SQRT).if();
  productIs(f, r, r, a, t);
  f.brIf(done).end();
  f.else();
  // Zeros: of a sum always, else of a zero operand. The sign of a zero sum depends on the mode.
  zero(r);
  f.get(rm).op(Op.i32_eqz).op(Op.i32_and).if();
  kind(FpuOp.ADD);
  kind(FpuOp.SUB);
  f.op(Op.i32_or).brIf(done);
  zero(a);
  f.brIf(done);
  kind(FpuOp.MUL);
  zero(b);
  f.op(Op.i32_and).brIf(done);
  f.end();
  f.end();
}
/** The soft-float code on the operands that `store` puts into place: fpu(op, rm). */
function callSoft(f: FuncBody, fpu: number, operands: readonly (readonly [number, number])[], wide: boolean): void {
  for (const [at, local] of operands) {
    f.i32(0).get(local);
    if (wide) f.mem(Op.f64_store, at, 3);
    else f.op(Op.i64_extend_i32_u).mem(Op.i64_store, at, 3);
  }
  f.get(0).get(1).call(fpu);
  f.i32(0);
  if (wide) f.mem(Op.f64_load, FPU_R, 3);
  else f.mem(Op.i32_load, FPU_R, 2);
}
/** Results at or below this need a look at tininess: twice the smallest normal number. */
const SMALL_D = 2 ** -1021;
const SMALL_S = 2 ** -125;

function arithD(fpu: number): FuncBody {
  const f = new FuncBody(5);
  f.block();
  exactCases(f, 0, 1, 2, 3, 4, SMALL_D, f.depth);
  callSoft(
    f,
    fpu,
    [
      [FPU_A, 2],
      [FPU_B, 3],
    ],
    true,
  );
  f.op(Op.return).end();
  return f.get(4);
}
function arithS(fpu: number): FuncBody {
  const f = new FuncBody(5);
  const [a, b, r] = Array.from({ length: 3 }, () => f.newLocal(F64));
  f.get(2).op(Op.f32_reinterpret_i32).op(Op.f64_promote_f32).set(a);
  f.get(3).op(Op.f32_reinterpret_i32).op(Op.f64_promote_f32).set(b);
  f.get(4).op(Op.f64_promote_f32).set(r);
  f.block();
  exactCases(f, 0, 1, a, b, r, SMALL_S, f.depth);
  callSoft(
    f,
    fpu,
    [
      [FPU_A, 2],
      [FPU_B, 3],
    ],
    false,
  );
  f.op(Op.return).end();
  return f.get(4).op(Op.i32_reinterpret_f32);
}
function fmaSlowD(fpu: number): FuncBody {
  const f = new FuncBody(6);
  const [a, c, p] = Array.from({ length: 3 }, () => f.newLocal(F64));
  const kind = (...ks: number[]) => {
    f.get(0).i32(-2).op(Op.i32_and).i32(ks[0]).op(Op.i32_eq);
    f.get(0).i32(-2).op(Op.i32_and).i32(ks[1]).op(Op.i32_eq).op(Op.i32_or);
  };
  const signed = (local: number, from: number, first: number, second: number) => {
    f.get(from).op(Op.f64_neg).get(from);
    kind(first, second);
    f.op(Op.select).set(local);
  };
  signed(a, 2, FpuOp.NMSUB, FpuOp.NMADD);
  signed(c, 4, FpuOp.MSUB, FpuOp.NMADD);
  // An exact product and an exact sum that is a middling number: nothing was rounded.
  f.block();
  const soft = f.depth;
  middling(f, () => f.get(5).op(Op.i64_reinterpret_f64));
  f.op(Op.i32_eqz).brIf(soft);
  f.get(a).get(3).op(Op.f64_mul).set(p);
  productIs(f, a, 3, p, p);
  f.op(Op.i32_eqz).brIf(soft);
  sumIs(f, p, c, 5);
  f.op(Op.i32_eqz).brIf(soft);
  f.get(5).op(Op.return).end();
  callSoft(
    f,
    fpu,
    [
      [FPU_A, 2],
      [FPU_B, 3],
      [FPU_C, 4],
    ],
    true,
  );
  return f;
}
function fmaSlowS(fpu: number): FuncBody {
  const f = new FuncBody(5);
  callSoft(
    f,
    fpu,
    [
      [FPU_A, 2],
      [FPU_B, 3],
      [FPU_C, 4],
    ],
    false,
  );
  return f;
}

/** The helpers' bodies. `fused`: the engine's relaxed_madd rounds once. `fpu`: the soft-float import. */
export function fastBodies(fused: boolean, fpu: number): Readonly<Record<FastName, FuncBody>> {
  return {
    fmaD: fmaD(fused),
    fmaS: fmaS(),
    arithD: arithD(fpu),
    arithS: arithS(fpu),
    fmaSlowD: fmaSlowD(fpu),
    fmaSlowS: fmaSlowS(fpu),
  };
}
