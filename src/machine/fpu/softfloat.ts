// IEEE 754 arithmetic for RISC-V F and D, exact in every rounding mode with all flags (ISA manual, volume I, chapters 20 and 21).
// The rare path: the machine's code does ordinary cases in hardware and comes here for flags, odd rounding modes and special values.
// A finite value is sign * sig * 2^exp with an exact BigInt significand; every operation builds the exact result (or one with a
// sticky bit) and rounds once.

/** Accrued exception flags (fflags). */
export const NX = 1;
export const UF = 2;
export const OF = 4;
export const DZ = 8;
export const NV = 16;

/** Rounding modes (frm). */
export const RNE = 0;
export const RTZ = 1;
export const RDN = 2;
export const RUP = 3;
export const RMM = 4;

interface Fmt {
  readonly width: bigint;
  /** Explicit significand bits. */
  readonly frac: bigint;
  readonly expMax: number;
  readonly bias: number;
  readonly qnan: bigint;
}
export const F32: Fmt = { width: 32n, frac: 23n, expMax: 255, bias: 127, qnan: 0x7fc0_0000n };
export const F64: Fmt = { width: 64n, frac: 52n, expMax: 2047, bias: 1023, qnan: 0x7ff8_0000_0000_0000n };

interface Parts {
  readonly kind: 'zero' | 'finite' | 'inf' | 'nan';
  readonly signaling: boolean;
  /** 0n or 1n. */
  readonly sign: bigint;
  readonly sig: bigint;
  readonly exp: number;
}

/** Flags raised by the last operation; the caller accrues them. */
export let flags = 0;
export function clearFlags(): void {
  flags = 0;
}

function unpack(fmt: Fmt, bits: bigint): Parts {
  const sign = (bits >> (fmt.width - 1n)) & 1n;
  const e = Number((bits >> fmt.frac) & BigInt(fmt.expMax));
  const m = bits & ((1n << fmt.frac) - 1n);
  if (e === fmt.expMax) {
    if (m === 0n) return { kind: 'inf', signaling: false, sign, sig: 0n, exp: 0 };
    return { kind: 'nan', signaling: m >> (fmt.frac - 1n) === 0n, sign, sig: 0n, exp: 0 };
  }
  if (e === 0) {
    if (m === 0n) return { kind: 'zero', signaling: false, sign, sig: 0n, exp: 0 };
    return { kind: 'finite', signaling: false, sign, sig: m, exp: 1 - fmt.bias - Number(fmt.frac) };
  }
  return { kind: 'finite', signaling: false, sign, sig: m | (1n << fmt.frac), exp: e - fmt.bias - Number(fmt.frac) };
}

function bitLength(n: bigint): number {
  return n === 0n ? 0 : n.toString(16).length * 4 - Math.clz32(Number.parseInt(n.toString(16)[0], 16)) + 28;
}

/** sig >> shift, rounded by `rm`; `inexact` tells whether bits were lost. */
function shiftRound(sig: bigint, shift: number, sign: bigint, rm: number): { value: bigint; inexact: boolean } {
  if (shift <= 0) return { value: sig << BigInt(-shift), inexact: false };
  const s = BigInt(shift);
  const kept = sig >> s;
  const lost = sig - (kept << s);
  if (lost === 0n) return { value: kept, inexact: false };
  const half = 1n << (s - 1n);
  let up = false;
  if (rm === RNE) up = lost > half || (lost === half && (kept & 1n) === 1n);
  else if (rm === RMM) up = lost >= half;
  else if (rm === RDN) up = sign === 1n;
  else if (rm === RUP) up = sign === 0n;
  return { value: up ? kept + 1n : kept, inexact: true };
}

function infinity(fmt: Fmt, sign: bigint): bigint {
  return (sign << (fmt.width - 1n)) | (BigInt(fmt.expMax) << fmt.frac);
}
function zero(fmt: Fmt, sign: bigint): bigint {
  return sign << (fmt.width - 1n);
}
function invalid(fmt: Fmt): bigint {
  flags |= NV;
  return fmt.qnan;
}

/** Rounds sign * sig * 2^exp (sig > 0; its lowest bit may be a sticky bit far below the precision) into the format. */
function roundPack(fmt: Fmt, sign: bigint, sig: bigint, exp: number, rm: number): bigint {
  const precision = Number(fmt.frac) + 1;
  const minExp = 1 - fmt.bias - Number(fmt.frac);
  const excess = bitLength(sig) - precision;
  // Unbounded exponent first: tininess is detected after rounding.
  let shift = excess;
  let rounded = shiftRound(sig, shift, sign, rm);
  let e = exp + shift;
  if (bitLength(rounded.value) > precision) {
    rounded = { value: rounded.value >> 1n, inexact: rounded.inexact };
    e++;
  }
  const tiny = e < minExp;
  if (tiny) {
    shift = minExp - exp;
    rounded = shiftRound(sig, shift, sign, rm);
    e = minExp;
    if (rounded.inexact) flags |= UF;
  }
  if (rounded.inexact) flags |= NX;
  if (rounded.value === 0n) return zero(fmt, sign);
  const normal = rounded.value >> fmt.frac !== 0n;
  const biased = normal ? e - minExp + 1 : 0;
  if (biased >= fmt.expMax) {
    flags |= OF | NX;
    const toInfinity = rm === RNE || rm === RMM || (rm === RUP && sign === 0n) || (rm === RDN && sign === 1n);
    return toInfinity ? infinity(fmt, sign) : infinity(fmt, sign) - 1n;
  }
  return (sign << (fmt.width - 1n)) | (BigInt(biased) << fmt.frac) | (rounded.value & ((1n << fmt.frac) - 1n));
}

function nanResult(fmt: Fmt, ...operands: readonly Parts[]): bigint | null {
  if (!operands.some((p) => p.kind === 'nan')) return null;
  if (operands.some((p) => p.signaling)) flags |= NV;
  return fmt.qnan;
}

/** Exact sum of two signed values at the smaller exponent. */
function addExact(fmt: Fmt, s1: bigint, m1: bigint, e1: number, s2: bigint, m2: bigint, e2: number, rm: number): bigint {
  const e = Math.min(e1, e2);
  const a = (m1 << BigInt(e1 - e)) * (s1 === 1n ? -1n : 1n);
  const b = (m2 << BigInt(e2 - e)) * (s2 === 1n ? -1n : 1n);
  const sum = a + b;
  if (sum === 0n) return zero(fmt, s1 === s2 ? s1 : rm === RDN ? 1n : 0n);
  return sum < 0n ? roundPack(fmt, 1n, -sum, e, rm) : roundPack(fmt, 0n, sum, e, rm);
}

function addParts(fmt: Fmt, a: Parts, b: Parts, rm: number): bigint {
  const nan = nanResult(fmt, a, b);
  if (nan !== null) return nan;
  if (a.kind === 'inf') return b.kind === 'inf' && a.sign !== b.sign ? invalid(fmt) : infinity(fmt, a.sign);
  if (b.kind === 'inf') return infinity(fmt, b.sign);
  if (a.kind === 'zero' && b.kind === 'zero') return zero(fmt, a.sign === b.sign ? a.sign : rm === RDN ? 1n : 0n);
  if (a.kind === 'zero') return roundPack(fmt, b.sign, b.sig, b.exp, rm);
  if (b.kind === 'zero') return roundPack(fmt, a.sign, a.sig, a.exp, rm);
  return addExact(fmt, a.sign, a.sig, a.exp, b.sign, b.sig, b.exp, rm);
}

export function add(fmt: Fmt, x: bigint, y: bigint, rm: number): bigint {
  return addParts(fmt, unpack(fmt, x), unpack(fmt, y), rm);
}
export function sub(fmt: Fmt, x: bigint, y: bigint, rm: number): bigint {
  const b = unpack(fmt, y);
  return addParts(fmt, unpack(fmt, x), { ...b, sign: 1n - b.sign }, rm);
}
export function mul(fmt: Fmt, x: bigint, y: bigint, rm: number): bigint {
  const a = unpack(fmt, x);
  const b = unpack(fmt, y);
  const nan = nanResult(fmt, a, b);
  if (nan !== null) return nan;
  const sign = a.sign ^ b.sign;
  if (a.kind === 'inf' || b.kind === 'inf') return a.kind === 'zero' || b.kind === 'zero' ? invalid(fmt) : infinity(fmt, sign);
  if (a.kind === 'zero' || b.kind === 'zero') return zero(fmt, sign);
  return roundPack(fmt, sign, a.sig * b.sig, a.exp + b.exp, rm);
}
export function div(fmt: Fmt, x: bigint, y: bigint, rm: number): bigint {
  const a = unpack(fmt, x);
  const b = unpack(fmt, y);
  const nan = nanResult(fmt, a, b);
  if (nan !== null) return nan;
  const sign = a.sign ^ b.sign;
  if (a.kind === 'inf') return b.kind === 'inf' ? invalid(fmt) : infinity(fmt, sign);
  if (b.kind === 'inf') return zero(fmt, sign);
  if (b.kind === 'zero') {
    if (a.kind === 'zero') return invalid(fmt);
    flags |= DZ;
    return infinity(fmt, sign);
  }
  if (a.kind === 'zero') return zero(fmt, sign);
  // 128 extra bits leave more than the precision even for a subnormal dividend; the remainder becomes the sticky bit.
  const n = a.sig << 128n;
  const q = n / b.sig;
  return roundPack(fmt, sign, (q << 1n) | (n % b.sig === 0n ? 0n : 1n), a.exp - b.exp - 129, rm);
}
export function sqrt(fmt: Fmt, x: bigint, rm: number): bigint {
  const a = unpack(fmt, x);
  const nan = nanResult(fmt, a);
  if (nan !== null) return nan;
  if (a.kind === 'zero') return x;
  if (a.sign === 1n) return invalid(fmt);
  if (a.kind === 'inf') return x;
  let sig = a.sig << 130n;
  let exp = a.exp - 130;
  if (exp % 2 !== 0) {
    sig <<= 1n;
    exp--;
  }
  let r = 1n << BigInt((bitLength(sig) + 1) >> 1);
  for (;;) {
    const next = (r + sig / r) >> 1n;
    if (next >= r) break;
    r = next;
  }
  return roundPack(fmt, 0n, (r << 1n) | (r * r === sig ? 0n : 1n), exp / 2 - 1, rm);
}
/** x * y + z with one rounding; `negProduct` and `negAddend` give the four RISC-V forms. */
export function fma(fmt: Fmt, x: bigint, y: bigint, z: bigint, negProduct: boolean, negAddend: boolean, rm: number): bigint {
  const a = unpack(fmt, x);
  const b = unpack(fmt, y);
  const c = unpack(fmt, z);
  const sp = a.sign ^ b.sign ^ (negProduct ? 1n : 0n);
  const sc = c.sign ^ (negAddend ? 1n : 0n);
  // inf * 0 is invalid even with a quiet NaN addend (ISA manual 21.4).
  if ((a.kind === 'inf' && b.kind === 'zero') || (a.kind === 'zero' && b.kind === 'inf')) return invalid(fmt);
  const nan = nanResult(fmt, a, b, c);
  if (nan !== null) return nan;
  if (a.kind === 'inf' || b.kind === 'inf') return c.kind === 'inf' && sc !== sp ? invalid(fmt) : infinity(fmt, sp);
  if (c.kind === 'inf') return infinity(fmt, sc);
  if (a.kind === 'zero' || b.kind === 'zero') {
    if (c.kind === 'zero') return zero(fmt, sp === sc ? sp : rm === RDN ? 1n : 0n);
    return roundPack(fmt, sc, c.sig, c.exp, rm);
  }
  if (c.kind === 'zero') return roundPack(fmt, sp, a.sig * b.sig, a.exp + b.exp, rm);
  return addExact(fmt, sp, a.sig * b.sig, a.exp + b.exp, sc, c.sig, c.exp, rm);
}

const negative = (fmt: Fmt, bits: bigint) => (bits >> (fmt.width - 1n)) & 1n;

function compareParts(a: Parts, b: Parts): number {
  const key = (p: Parts): bigint => (p.kind === 'inf' ? 1n << 3000n : p.sig << BigInt(p.exp + 1100)) * (p.sign === 1n ? -1n : 1n);
  const d = key(a) - key(b);
  return d < 0n ? -1 : d > 0n ? 1 : 0;
}
/** IEEE 754-2019 minimumNumber/maximumNumber: -0 < +0, one NaN yields the other operand, signalling NaNs raise NV. */
export function minMax(fmt: Fmt, x: bigint, y: bigint, max: boolean): bigint {
  const a = unpack(fmt, x);
  const b = unpack(fmt, y);
  if (a.signaling || b.signaling) flags |= NV;
  if (a.kind === 'nan') return b.kind === 'nan' ? fmt.qnan : y;
  if (b.kind === 'nan') return x;
  let c = compareParts(a, b);
  if (c === 0) c = Number(negative(fmt, y)) - Number(negative(fmt, x));
  return c < 0 === max ? y : x;
}
/** 'eq' is quiet, 'lt' and 'le' raise NV for any NaN. */
export function compare(fmt: Fmt, x: bigint, y: bigint, how: 'eq' | 'lt' | 'le'): bigint {
  const a = unpack(fmt, x);
  const b = unpack(fmt, y);
  if (a.kind === 'nan' || b.kind === 'nan') {
    if (how !== 'eq' || a.signaling || b.signaling) flags |= NV;
    return 0n;
  }
  const c = compareParts(a, b);
  return (how === 'eq' ? c === 0 : how === 'lt' ? c < 0 : c <= 0) ? 1n : 0n;
}
/** fclass's ten-bit mask. */
export function classify(fmt: Fmt, x: bigint): bigint {
  const p = unpack(fmt, x);
  const neg = p.sign === 1n;
  if (p.kind === 'nan') return p.signaling ? 0x100n : 0x200n;
  if (p.kind === 'inf') return neg ? 1n : 0x80n;
  if (p.kind === 'zero') return neg ? 8n : 0x10n;
  const subnormal = ((x >> fmt.frac) & BigInt(fmt.expMax)) === 0n;
  if (subnormal) return neg ? 4n : 0x20n;
  return neg ? 2n : 0x40n;
}
/** To a `bits`-wide integer, saturating; the result as a signed 64-bit pattern (32-bit results sign-extended). */
export function toInt(fmt: Fmt, x: bigint, bits: 32 | 64, signed: boolean, rm: number): bigint {
  const p = unpack(fmt, x);
  const width = BigInt(bits);
  const min = signed ? -(1n << (width - 1n)) : 0n;
  const max = signed ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
  const extend = (v: bigint) => BigInt.asIntN(64, BigInt.asIntN(bits, v));
  if (p.kind === 'nan' || (p.kind === 'inf' && p.sign === 0n)) {
    flags |= NV;
    return extend(max);
  }
  if (p.kind === 'inf') {
    flags |= NV;
    return extend(min);
  }
  if (p.kind === 'zero') return 0n;
  // Beyond 2^65 the exact shift would be huge and the answer is saturation anyway.
  if (p.exp + bitLength(p.sig) > 66) {
    flags |= NV;
    return extend(p.sign === 1n ? min : max);
  }
  const r = shiftRound(p.sig, -p.exp, p.sign, rm);
  const v = p.sign === 1n ? -r.value : r.value;
  if (v < min || v > max) {
    flags |= NV;
    return extend(v < min ? min : max);
  }
  if (r.inexact) flags |= NX;
  return extend(v);
}
/** From an integer of any sign. */
export function fromInt(fmt: Fmt, v: bigint, rm: number): bigint {
  if (v === 0n) return 0n;
  return v < 0n ? roundPack(fmt, 1n, -v, 0, rm) : roundPack(fmt, 0n, v, 0, rm);
}
export function convert(from: Fmt, to: Fmt, x: bigint, rm: number): bigint {
  const p = unpack(from, x);
  const nan = nanResult(to, p);
  if (nan !== null) return nan;
  if (p.kind === 'inf') return infinity(to, p.sign);
  if (p.kind === 'zero') return zero(to, p.sign);
  return roundPack(to, p.sign, p.sig, p.exp, rm);
}
