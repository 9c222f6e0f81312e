import type { Kernel } from '../../kernel.ts';
import { kernelBytes, kernelString, readKernelBig } from '../../mm/maccess.ts';

// What one conversion asks for, and the two texts that all of them are made of: numbers and strings (lib/vsprintf.c).

export const SIGN = 1;
export const LEFT = 2;
export const PLUS = 4;
export const SPACE = 8;
export const ZEROPAD = 16;
export const SMALL = 32;
export const SPECIAL = 64;

/** Fields are as wide as those of struct printf_spec: width 24 bits, precision 16, both signed. */
export interface Spec {
  readonly flags: number;
  /** -1: none given. */
  readonly width: number;
  readonly precision: number;
  /** 8, 10 or 16. */
  readonly base: number;
}
const spec = (base: number, flags = 0, width = 0): Spec => ({ flags, width, precision: -1, base });
export const STRING: Spec = { flags: 0, width: -1, precision: -1, base: 10 };
export const DECIMAL = spec(10);
export const DECIMAL2 = spec(10, ZEROPAD, 2);
export const DECIMAL4 = spec(10, ZEROPAD, 4);
export const FLAGS = spec(16, SPECIAL | SMALL);

/** One run of vsnprintf: where pointers lead, and how much work is left. */
export interface Context {
  readonly k: Kernel;
  /** Conversions that may still be made: %pV can nest itself. */
  budget: number;
  depth: number;
  /** Address of the first object that could not be read: real hardware would have faulted there. */
  fault: number | null;
  /** The first conversion that is none. */
  unsupported: string | null;
}

/** A 64-bit number (unsigned, as its bits) in the form of `s`. */
export function number(bits: bigint, s: Spec): string {
  let { width, flags } = s;
  let n = BigInt.asUintN(64, bits);
  if ((flags & LEFT) !== 0) flags &= ~ZEROPAD;
  let sign = '';
  if ((flags & SIGN) !== 0) {
    if (n >> 63n === 1n) {
      sign = '-';
      n = BigInt.asUintN(64, -n);
    } else if ((flags & PLUS) !== 0) sign = '+';
    else if ((flags & SPACE) !== 0) sign = ' ';
  }
  let prefix = '';
  // Zero in hexadecimal keeps its prefix, unlike in C.
  if ((flags & SPECIAL) !== 0 && s.base === 16) prefix = (flags & SMALL) !== 0 ? '0x' : '0X';
  else if ((flags & SPECIAL) !== 0 && s.base === 8 && n !== 0n) prefix = '0';
  let digits = n.toString(s.base);
  if ((flags & SMALL) === 0 && s.base === 16) digits = digits.toUpperCase();
  if (digits.length < s.precision) digits = digits.padStart(s.precision, '0');
  width -= sign.length + prefix.length + digits.length;
  if (width <= 0) return sign + prefix + digits;
  if ((flags & LEFT) !== 0) return sign + prefix + digits + ' '.repeat(width);
  if ((flags & ZEROPAD) !== 0) return sign + prefix + '0'.repeat(width) + digits;
  return ' '.repeat(width) + sign + prefix + digits;
}
/** 0x and all digits of a value of `size` bytes. */
export function hexNumber(bits: bigint, size: number): string {
  return number(bits, spec(16, SPECIAL | SMALL | ZEROPAD, 2 + 2 * size));
}

/** Pads a text to the field. */
export function widen(text: string, s: Spec): string {
  if (text.length >= s.width) return text;
  return (s.flags & LEFT) !== 0 ? text.padEnd(s.width) : text.padStart(s.width);
}
/** A text that is known to be good: cut to the precision, padded. */
export function plain(text: string, s: Spec): string {
  return widen(s.precision >= 0 ? text.slice(0, s.precision) : text, s);
}
/** A message in the place of a value: never more than 16 characters unless the precision says so. */
export function errorText(text: string, s: Spec): string {
  return plain(text, s.precision === -1 ? { ...s, precision: 16 } : s);
}

const U64 = 1n << 64n;
const PAGE = 4096n;
const MAX_ERRNO = 4095n;
/** ERR_PTR: an error number in a pointer. */
export function isErr(ptr: bigint): boolean {
  return ptr >= U64 - MAX_ERRNO;
}
/** What is printed for a pointer that cannot be one, or null (check_pointer). */
export function badPointer(ptr: bigint, s: Spec): string | null {
  if (ptr === 0n) return errorText('(null)', s);
  return ptr < PAGE || isErr(ptr) ? errorText('(efault)', s) : null;
}

/** A pointer as an address. What no kernel address is stays none, though not exactly the same. */
export function address(ptr: bigint): number {
  return Number(BigInt.asIntN(64, ptr));
}
/** Where the hardware would have faulted: remembered, and a text in its place. */
export function faultText(ctx: Context, ptr: bigint, s: Spec): string {
  ctx.fault ??= address(ptr);
  return errorText('(efault)', s);
}
/** Longest string that is read without a precision. */
const STRING_MAX = 0x10_0000;
/** The string at `ptr` in the form of `s`. */
export function stringAt(ctx: Context, ptr: bigint, s: Spec): string {
  const bad = badPointer(ptr, s);
  if (bad !== null) return bad;
  const text = kernelString(ctx.k, address(ptr), s.precision < 0 ? STRING_MAX : s.precision);
  if (text === null) return faultText(ctx, ptr, s);
  ctx.k.mm.check?.range(address(ptr), s.precision < 0 ? text.length + 1 : Math.min(s.precision, text.length + 1), false);
  return plain(text, s);
}
/** A copy of an object for reading its members; the text to print instead when there is none. */
export function objectAt(ctx: Context, ptr: bigint, size: number, s: Spec): DataView | string {
  const bad = badPointer(ptr, s);
  if (bad !== null) return bad;
  const bytes = kernelBytes(ctx.k, address(ptr), size);
  return bytes === null ? faultText(ctx, ptr, s) : new DataView(bytes.buffer);
}
/** The pointer stored at `ptr + offset`; 0 with a fault when it cannot be read. */
export function pointerAt(ctx: Context, ptr: bigint, offset: number): bigint {
  const at = address(ptr) + offset;
  const value = readKernelBig(ctx.k, at);
  if (value === null) ctx.fault ??= at;
  return value === null ? 0n : BigInt.asUintN(64, value);
}
