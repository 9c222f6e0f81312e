import type { Kernel } from '../kernel.ts';
import { EINVAL } from '../../abi/errno.ts';
import { linear_range as RANGE } from '../../abi/layout/structs.ts';
import { writeKernelBytes } from '../mm/maccess.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { bytesOf } from './bytes.ts';
import { isAlpha, isDigit } from './ctype.ts';
import { load32, store32, storeBig } from './guest_memory.ts';

// Numbers (lib/math/*.c, lib/linear_ranges.c), and the table of character classes that inline code reads.

const u64 = (k: Kernel, i: number) => BigInt.asUintN(64, k.machine.regs.getBig(10 + i));
function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
const lcm = (a: bigint, b: bigint) => (a !== 0n && b !== 0n ? BigInt.asUintN(64, (a / gcd(a, b)) * b) : 0n);
/** The largest integer whose square is not above `n`. */
function intSqrt(n: bigint): bigint {
  let x = BigInt(Math.floor(Math.sqrt(Number(n))));
  while (x * x > n) x--;
  while ((x + 1n) * (x + 1n) <= n) x++;
  return x;
}

/** log2 of 1 + i/256, in 16 bits behind the point. */
const LOG_TABLE = Array.from({ length: 256 }, (_, i) => Math.round(Math.log2(1 + i / 256) * 65536));
/** log2 of a 32-bit number with 24 bits behind the point: the table, and straight lines between its entries. */
function intlog2(value: number): number {
  const n = value >>> 0;
  if (n === 0) return 0;
  const msb = 31 - Math.clz32(n);
  const significand = (n << (31 - msb)) >>> 0;
  const entry = (significand >>> 23) & 0xff;
  const step = (LOG_TABLE[(entry + 1) & 0xff] - LOG_TABLE[entry]) & 0xffff;
  return msb * 2 ** 24 + LOG_TABLE[entry] * 256 + Math.floor(((significand & 0x7f_ffff) * step) / 32768);
}
/** log10(2) in 31 bits behind the point. */
const LOG10_2 = 646_456_993n;

/** The best fraction for n/d whose parts are not above the limits: convergents of the continued fraction, then a semiconvergent where it is nearer. */
function bestFraction(n0: bigint, d0: bigint, maxN: bigint, maxD: bigint): [bigint, bigint] {
  let [n, d] = [n0, d0];
  let [n2, d2, n1, d1] = [0n, 1n, 1n, 0n];
  while (d !== 0n) {
    const rest = d;
    const a = n / d;
    d = n % d;
    n = rest;
    const nextN = n2 + a * n1;
    const nextD = d2 + a * d1;
    if (nextN > maxN || nextD > maxD) {
      const limits: bigint[] = [];
      if (d1 !== 0n) limits.push((maxD - d2) / d1);
      if (n1 !== 0n) limits.push((maxN - n2) / n1);
      const [first, second] = limits;
      const t = second !== undefined && second < first ? second : first;
      // Half the term or more: the semiconvergent beats the convergent before it.
      if (d1 === 0n || 2n * t > a || (2n * t === a && d2 * rest > d1 * d)) return [n2 + t * n1, d2 + t * d1];
      break;
    }
    [n2, n1] = [n1, nextN];
    [d2, d1] = [d1, nextD];
  }
  return [n1, d1];
}
/** reciprocal_value(d): a multiplier and two shifts that divide by d (Granlund and Montgomery), as struct reciprocal_value in a register. */
function reciprocal(d: number): bigint {
  const divisor = BigInt(d >>> 0);
  if (divisor === 0n) return 0n;
  const l = BigInt(divisor === 1n ? 0 : 32 - Math.clz32(Number(divisor - 1n)));
  const m = BigInt.asUintN(32, ((1n << 32n) * ((1n << l) - divisor)) / divisor + 1n);
  const sh1 = l < 1n ? l : 1n;
  const sh2 = l > 1n ? l - 1n : 0n;
  return m | (sh1 << 32n) | (sh2 << 40n);
}

interface Range {
  readonly min: number;
  readonly minSel: number;
  readonly maxSel: number;
  readonly step: number;
}
function rangeAt(k: Kernel, at: number): Range {
  const field = (offset: number) => load32(k, at + offset);
  return { min: field(RANGE.min), minSel: field(RANGE.min_sel), maxSel: field(RANGE.max_sel), step: field(RANGE.step) };
}
const valuesIn = (r: Range) => (r.maxSel - r.minSel + 1) >>> 0;
const maxValue = (r: Range) => r.min + (r.maxSel - r.minSel) * r.step;

const U = 1;
const L = 2;
const D = 4;
const C = 8;
const P = 16;
const S = 32;
const X = 64;
const SP = 128;
/** The mask of a character (include/linux/ctype.h). */
function classOf(c: number): number {
  const upper = (c >= 65 && c <= 90) || (c >= 0xc0 && c <= 0xde && c !== 0xd7);
  if (isAlpha(c)) return (upper ? U : L) | ((c >= 65 && c <= 70) || (c >= 97 && c <= 102) ? X : 0);
  if (isDigit(c)) return D;
  if (c === 32) return S | SP;
  if (c === 0xa0) return S | SP;
  if (c >= 9 && c <= 13) return C | S;
  if (c < 32 || c === 127) return C;
  return c < 127 || c > 0xa0 ? P : 0;
}

export const mathExports: readonly FunctionExport[] = [
  fn('gcd', (k) => gcd(u64(k, 0), u64(k, 1))),
  fn('lcm', (k) => lcm(u64(k, 0), u64(k, 1))),
  fn('lcm_not_zero', (k) => {
    const l = lcm(u64(k, 0), u64(k, 1));
    return l !== 0n ? l : u64(k, 1) !== 0n ? u64(k, 1) : u64(k, 0);
  }),
  fn('int_pow', (k, _base, exponent) => {
    let result = 1n;
    let base = u64(k, 0);
    for (let e = exponent >>> 0; e !== 0; e >>>= 1) {
      if ((e & 1) !== 0) result = BigInt.asUintN(64, result * base);
      base = BigInt.asUintN(64, base * base);
    }
    return result;
  }),
  fn('int_sqrt', (k) => intSqrt(u64(k, 0))),
  fn('intlog2', (_k, value) => intlog2(value) | 0),
  fn('intlog10', (_k, value) => Number(BigInt.asIntN(32, (BigInt(intlog2(value)) * LOG10_2) >> 31n))),
  fn('rational_best_approximation', (k, _n, _d, _maxN, _maxD, toN, toD) => {
    const [n, d] = bestFraction(u64(k, 0), u64(k, 1), u64(k, 2), u64(k, 3));
    storeBig(k, toN, n);
    storeBig(k, toD, d);
  }),
  fn('reciprocal_value', (_k, d) => reciprocal(d)),
  fn('linear_range_values_in_range', (k, r) => valuesIn(rangeAt(k, r)) | 0),
  fn('linear_range_get_max_value', (k, r) => maxValue(rangeAt(k, r)) | 0),
  fn('linear_range_get_value', (k, r, selector, to) => {
    const range = rangeAt(k, r);
    const s = selector >>> 0;
    if (range.minSel > s || range.maxSel < s) return -EINVAL;
    store32(k, to, range.min + (s - range.minSel) * range.step);
    return 0;
  }),
];
export const mathDataExports: readonly DataExport[] = [
  { name: '_ctype', place: (k) => placeBytes(k, Uint8Array.from({ length: 256 }, (_, c) => classOf(c))) },
  { name: 'hex_asc', place: (k) => placeBytes(k, bytesOf('0123456789abcdef\0')) },
  { name: 'hex_asc_upper', place: (k) => placeBytes(k, bytesOf('0123456789ABCDEF\0')) },
  { name: 'fips_enabled', place: (k) => placeBytes(k, new Uint8Array(4)) },
];
function placeBytes(k: Kernel, bytes: Uint8Array): number {
  const at = imageObject(k, bytes.length, 8);
  writeKernelBytes(k, at, bytes);
  return at;
}
