import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { load, size } from './access.ts';
import { writeKernelBytes } from '../mm/maccess.ts';

// Cyclic redundancy checks (lib/crc32.c, lib/crc64.c, lib/crc-ccitt.c, lib/crc-t10dif.c). None of them inverts its input or result.

const POLY_LE = 0xedb8_8320; // CRC-32 (IEEE 802.3), bits reversed
const POLY_BE = 0x04c1_1db7;
const POLY_C = 0x82f6_3b78; // Castagnoli, bits reversed
const POLY_CCITT = 0x8408; // x^16 + x^12 + x^5 + 1, bits reversed
const POLY_T10DIF = 0x8bb7;
const POLY_64_BE = 0x42f0_e1eb_a9ea_3693n; // ECMA-182
const POLY_64_ROCKSOFT = 0x9a6c_9329_ac4b_c9b5n; // NVMe, bits reversed

/** Remainders of all bytes, lowest bit first. */
function tableOf(poly: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) !== 0 ? (c >>> 1) ^ poly : c >>> 1;
    table[i] = c;
  }
  return table;
}
const TABLE_LE = tableOf(POLY_LE);
const TABLE_C = tableOf(POLY_C);
const TABLE_CCITT = tableOf(POLY_CCITT);

function reflected(table: Uint32Array, crc: number, bytes: Uint8Array): number {
  let c = crc >>> 0;
  for (const b of bytes) c = (c >>> 8) ^ table[(c ^ b) & 0xff];
  return c;
}
export const crc32c = (crc: number, bytes: Uint8Array) => reflected(TABLE_C, crc, bytes);

/** Highest bit first; `bits` is 16 or 32. */
function straight(poly: number, bits: number, crc: number, bytes: Uint8Array): number {
  const top = 2 ** (bits - 1);
  const mask = bits === 32 ? 0xffff_ffff : 0xffff;
  let c = (crc & mask) >>> 0;
  for (const b of bytes) {
    c = (c ^ (b << (bits - 8))) >>> 0;
    for (let i = 0; i < 8; i++) c = (((c << 1) ^ (c >= top ? poly : 0)) & mask) >>> 0;
  }
  return c;
}
function straight64(crc: bigint, bytes: Uint8Array): bigint {
  let c = BigInt.asUintN(64, crc);
  for (const b of bytes) {
    c ^= BigInt(b) << 56n;
    for (let i = 0; i < 8; i++) c = BigInt.asUintN(64, c << 1n) ^ (c >> 63n === 1n ? POLY_64_BE : 0n);
  }
  return c;
}
function rocksoft(crc: bigint, bytes: Uint8Array): bigint {
  let c = ~BigInt.asUintN(64, crc) & 0xffff_ffff_ffff_ffffn;
  for (const b of bytes) {
    c ^= BigInt(b);
    for (let i = 0; i < 8; i++) c = (c & 1n) === 1n ? (c >> 1n) ^ POLY_64_ROCKSOFT : c >> 1n;
  }
  return ~c & 0xffff_ffff_ffff_ffffn;
}
/** What `length` bytes of zero make of a remainder: x^(8 length) times it, by squaring. */
function shift(poly: number, crc: number, length: number): number {
  const times = (a: number, b: number) => {
    let sum = 0;
    let x = b >>> 0;
    for (let bit = 31; bit >= 0; bit--) {
      if (((a >>> bit) & 1) !== 0) sum ^= x;
      x = (x & 1) !== 0 ? (x >>> 1) ^ poly : x >>> 1;
    }
    return sum >>> 0;
  };
  let result = crc >>> 0;
  let power = 0x0080_0000; // x^8
  for (let n = size(length); n >= 1; n = Math.floor(n / 2)) {
    if (n % 2 === 1) result = times(result, power);
    power = times(power, power);
  }
  return result;
}
/** The register of argument `i` with all its bits. */
const big = (k: Kernel, i: number) => k.machine.regs.getBig(10 + i);

// Results of 32 bits are sign-extended in their register (RISC-V psABI); those of 16 are not.
export const crcExports: readonly FunctionExport[] = [
  fn('crc32_le', (k, crc, p, n) => reflected(TABLE_LE, crc, load(k, p, size(n))) | 0),
  fn('__crc32c_le', (k, crc, p, n) => crc32c(crc, load(k, p, size(n))) | 0),
  fn('crc32_be', (k, crc, p, n) => straight(POLY_BE, 32, crc, load(k, p, size(n))) | 0),
  fn('crc32_le_shift', (_k, crc, n) => shift(POLY_LE, crc, n) | 0),
  fn('__crc32c_le_shift', (_k, crc, n) => shift(POLY_C, crc, n) | 0),
  fn('crc_ccitt', (k, crc, p, n) => reflected(TABLE_CCITT, crc & 0xffff, load(k, p, size(n)))),
  fn('crc_t10dif', (k, p, n) => straight(POLY_T10DIF, 16, 0, load(k, p, size(n)))),
  fn('crc_t10dif_update', (k, crc, p, n) => straight(POLY_T10DIF, 16, crc, load(k, p, size(n)))),
  fn('crc_t10dif_generic', (k, crc, p, n) => straight(POLY_T10DIF, 16, crc, load(k, p, size(n)))),
  fn('crc64_be', (k, _crc, p, n) => straight64(big(k, 0), load(k, p, size(n)))),
  fn('crc64_rocksoft_generic', (k, _crc, p, n) => rocksoft(big(k, 0), load(k, p, size(n)))),
  fn('crc64_rocksoft', (k, p, n) => rocksoft(0n, load(k, p, size(n)))),
  fn('crc64_rocksoft_update', (k, _crc, p, n) => rocksoft(big(k, 0), load(k, p, size(n)))),
];
export const crcDataExports: readonly DataExport[] = [
  {
    name: 'crc_ccitt_table',
    place(k) {
      const at = imageObject(k, 512, 8);
      writeKernelBytes(k, at, Uint8Array.from({ length: 512 }, (_, i) => TABLE_CCITT[i >> 1] >>> ((i & 1) * 8)));
      return at;
    },
  },
  {
    name: 'byte_rev_table',
    place(k) {
      const at = imageObject(k, 256, 8);
      writeKernelBytes(
        k,
        at,
        Uint8Array.from({ length: 256 }, (_, i) => reverse(i)),
      );
      return at;
    },
  },
];
function reverse(byte: number): number {
  let out = 0;
  for (let i = 0; i < 8; i++) out |= ((byte >> i) & 1) << (7 - i);
  return out;
}
