import { F64, FuncBody, I32, I64, Op, OpSimd } from '../wasm/encoder.ts';

// Floating-point helpers in WebAssembly for the ordinary cases of what hardware does not give: the fused multiply-add, and whether a result is
// exact. Both answer "do not know" for operands near the ends of the exponent range; the soft-float code decides then.

/** Names of the helpers and their types: parameters, results. */
export const FAST_TYPES = {
  /** (a, b, c) as patterns -> a * b + c rounded once to nearest, or 0 when the soft-float code must do it. */
  fmaD: [[I64, I64, I64], [I64]],
  fmaS: [[I64, I64, I64], [I64]],
  /** (a, b, r): a + b is exactly r; a * b is exactly r. 0 also means "do not know". */
  sumIs: [[F64, F64, F64], [I32]],
  productIs: [[F64, F64, F64], [I32]],
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
  const c = f.newLocal(F64);
  const r = f.newLocal(F64);
  for (const x of [0, 1]) middling(f, () => f.get(x));
  f.op(Op.i32_and);
  middling(f, () => f.get(2));
  f.get(2).i64(1).op(Op.i64_shl).op(Op.i64_eqz).op(Op.i32_or).op(Op.i32_and);
  require(f, () => f.i64(0));
  if (fused) {
    for (const x of [0, 1, 2]) f.get(x).op(Op.f64_reinterpret_i64).simd(OpSimd.f64x2_splat);
    f.simd(OpSimd.f64x2_relaxed_madd).simd(OpSimd.f64x2_extract_lane, 0).set(r);
  } else {
    // S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE Trans. Computers 57(4), 2008.
    const [a, b, p, e, uh, ul, th, tl, vh, vl, t] = Array.from({ length: 11 }, () => f.newLocal(F64));
    const bits = f.newLocal(I64);
    f.get(0).op(Op.f64_reinterpret_i64).set(a).get(1).op(Op.f64_reinterpret_i64).set(b).get(2).op(Op.f64_reinterpret_i64).set(c);
    twoProduct(f, a, b, p, e);
    twoSum(f, c, e, uh, ul, t);
    twoSum(f, p, uh, th, tl, t);
    twoSum(f, tl, ul, vh, vl, t);
    roundToOdd(f, vh, vl, bits);
    f.get(th).get(vh).op(Op.f64_add).set(r);
  }
  // Cancellation to zero or far down is left to the exact code.
  middling(f, () => f.get(r).op(Op.i64_reinterpret_f64));
  require(f, () => f.i64(0));
  f.get(r).op(Op.i64_reinterpret_f64);
  return f;
}
/** Singles: the product is exact in double precision; the sum rounded to odd there rounds correctly to single. */
function fmaS(): FuncBody {
  const f = new FuncBody(3);
  const [p, c, s, e, t] = Array.from({ length: 5 }, () => f.newLocal(F64));
  const bits = f.newLocal(I64);
  const single = (x: number) => f.get(x).op(Op.i32_wrap_i64).op(Op.f32_reinterpret_i32).op(Op.f64_promote_f32);
  single(0);
  single(1);
  f.op(Op.f64_mul).set(p);
  single(2);
  f.set(c);
  twoSum(f, p, c, s, e, t);
  roundToOdd(f, s, e, bits);
  // Infinities and NaNs make e a NaN, and every result outside the normal numbers is the exact code's.
  f.get(s).op(Op.f32_demote_f64).op(Op.i32_reinterpret_f32).op(Op.i64_extend_i32_u).tee(bits);
  f.i64(23).op(Op.i64_shr_u).i64(0xff).op(Op.i64_and).i64(2).op(Op.i64_sub).i64(0xfd).op(Op.i64_lt_u);
  require(f, () => f.i64(0));
  f.get(bits);
  return f;
}
function sumIs(): FuncBody {
  const f = new FuncBody(3);
  const [s, e, t] = Array.from({ length: 3 }, () => f.newLocal(F64));
  twoSum(f, 0, 1, s, e, t);
  f.get(s).get(2).op(Op.f64_eq).get(e).f64(0).op(Op.f64_eq).op(Op.i32_and);
  return f;
}
function productIs(): FuncBody {
  const f = new FuncBody(3);
  const [p, e] = [f.newLocal(F64), f.newLocal(F64)];
  for (const x of [0, 1]) middling(f, () => f.get(x).op(Op.i64_reinterpret_f64));
  f.op(Op.i32_and);
  require(f, () => f.i32(0));
  twoProduct(f, 0, 1, p, e);
  f.get(p).get(2).op(Op.f64_eq).get(e).f64(0).op(Op.f64_eq).op(Op.i32_and);
  return f;
}

/** The helpers' bodies. `fused`: the engine's relaxed_madd rounds once. */
export function fastBodies(fused: boolean): Readonly<Record<FastName, FuncBody>> {
  return { fmaD: fmaD(fused), fmaS: fmaS(), sumIs: sumIs(), productIs: productIs() };
}
