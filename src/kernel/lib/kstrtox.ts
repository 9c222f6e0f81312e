import { EINVAL, ERANGE } from '../../abi/errno.ts';

// Text to numbers as the kernel reads them (lib/kstrtox.c). Results are exact; an errno is a negative number.

const digit = (c: string) => {
  const d = Number.parseInt(c, 36);
  return Number.isNaN(d) ? 99 : d;
};
/** _parse_integer_fixup_radix: what base 0 and prefixes mean. */
export function fixupRadix(text: string, base: number): { base: number; at: number } {
  let b = base;
  if (b === 0) b = text[0] === '0' ? (/^0[xX][0-9a-fA-F]/.test(text) ? 16 : 8) : 10;
  return { base: b, at: b === 16 && /^0[xX]/.test(text) ? 2 : 0 };
}
/** Leading digits of `text`: value (unbounded) and how many characters. */
export function parseInteger(text: string, base: number): { value: bigint; length: number } {
  let value = 0n;
  let length = 0;
  while (length < text.length && digit(text[length]) < base) value = value * BigInt(base) + BigInt(digit(text[length++]));
  return { value, length };
}
/** An unsigned number of `bits` bits; one newline may follow. */
export function kstrtoUnsigned(text: string, base: number, bits: number): bigint | number {
  return unsignedUpTo(text, base, 2n ** BigInt(bits) - 1n);
}
export function kstrtoSigned(text: string, base: number, bits: number): bigint | number {
  const limit = 2n ** BigInt(bits - 1);
  if (text[0] !== '-') return unsignedUpTo(text, base, limit - 1n);
  const n = parseUnsigned(text.slice(1), base, limit);
  return typeof n === 'number' ? n : -n;
}
function unsignedUpTo(text: string, base: number, max: bigint): bigint | number {
  return parseUnsigned(text[0] === '+' ? text.slice(1) : text, base, max);
}
function parseUnsigned(text: string, base: number, max: bigint): bigint | number {
  const radix = fixupRadix(text, base);
  const digits = text.slice(radix.at);
  const { value, length } = parseInteger(digits, radix.base);
  if (length === 0) return -EINVAL;
  if (value > 0xffff_ffff_ffff_ffffn) return -ERANGE;
  const rest = digits.slice(length);
  if (rest !== '' && rest !== '\n') return -EINVAL;
  return value > max ? -ERANGE : value;
}
/** kstrtobool: only the first characters count. */
export function kstrtobool(text: string): boolean | number {
  if (/^([yYtT1]|[oO][nN])/.test(text)) return true;
  return /^([nNfF0]|[oO][fF])/.test(text) ? false : -EINVAL;
}
