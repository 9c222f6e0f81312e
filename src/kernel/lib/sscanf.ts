import type { Kernel } from '../kernel.ts';
import { writeKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBig, writeKernelBytes } from '../mm/maccess.ts';
import { bytesOf } from './bytes.ts';
import type { VaList } from './va_list.ts';

// vsscanf (lib/vsprintf.c): formats as in C, without floating point; %n, %c, %s and whole numbers with widths and sizes.

const isSpace = (c: string | undefined) => c !== undefined && /[\t-\r \xa0]/.test(c);
const SPEC = /^(\*?)(\d*)(hh|h|ll|l|L|z|t|j)?([ncsdiuxXop[])/;
/** Bytes of an integer by its length modifier. */
const SIZES: Readonly<Record<string, number>> = { hh: 1, h: 2, '': 4, l: 8, ll: 8, L: 8, z: 8, t: 8, j: 8 };

function storeInteger(k: Kernel, at: number, value: bigint, bytes: number): void {
  if (bytes === 1) writeKernel8(k, at, Number(BigInt.asUintN(8, value)));
  else if (bytes === 2) writeKernel16(k, at, Number(BigInt.asUintN(16, value)));
  else if (bytes === 4) writeKernel32(k, at, Number(BigInt.asIntN(32, value)));
  else writeKernelBig(k, at, BigInt.asIntN(64, value));
}
/** Digits of a number at the start of `s` in `base` (0: as its prefix says); null when there is none. */
function scanNumber(s: string, base: number, signed: boolean): { value: bigint; length: number } | null {
  const sign = signed && s[0] === '-' ? 1 : 0;
  const rest = s.slice(sign);
  const prefixed = /^0[xX]/.test(rest) && (base === 0 || base === 16);
  const radix = base !== 0 ? base : prefixed ? 16 : rest.startsWith('0') ? 8 : 10;
  const set = '0123456789abcdef'.slice(0, radix);
  const from = prefixed && set.includes((rest[2] ?? '?').toLowerCase()) ? 2 : 0;
  let value = 0n;
  let n = from;
  for (; n < rest.length && set.includes(rest[n].toLowerCase()); n++) value = value * BigInt(radix) + BigInt(set.indexOf(rest[n].toLowerCase()));
  if (n === from) return null;
  return { value: sign === 1 ? -value : value, length: sign + n };
}

/** How many conversions were made. */
export function vsscanf(k: Kernel, text: string, fmt: string, args: VaList): number {
  let at = 0;
  let done = 0;
  for (let i = 0; i < fmt.length; ) {
    if (isSpace(fmt[i])) {
      while (isSpace(fmt[i])) i++;
      while (isSpace(text[at])) at++;
      continue;
    }
    if (fmt[i] !== '%' || fmt[i + 1] === '%') {
      if (fmt[i] === '%') i++;
      if (text[at] !== fmt[i]) return done;
      at++;
      i++;
      continue;
    }
    const m = SPEC.exec(fmt.slice(i + 1));
    if (m === null) return done;
    i += 1 + m[0].length;
    const skip = m[1] === '*';
    const width = m[2] === '' ? 0 : Number(m[2]);
    const kind = m[4];
    const target = () => Number(BigInt.asIntN(64, args.next()));
    if (kind === 'n') {
      writeKernel32(k, target(), at);
      continue;
    }
    if (at >= text.length) return done;
    if (kind === 'c') {
      const n = width || 1;
      const bytes = bytesOf(text.slice(at, at + n));
      if (!skip) writeKernelBytes(k, target(), bytes);
      at += n;
      if (!skip) done++;
      continue;
    }
    while (isSpace(text[at])) at++;
    if (kind === 's') {
      let end = at;
      while (end < text.length && !isSpace(text[end]) && (width === 0 || end - at < width)) end++;
      if (!skip) {
        writeKernelBytes(k, target(), bytesOf(`${text.slice(at, end)}\0`));
        done++;
      }
      at = end;
      continue;
    }
    if (kind === '[') return done;
    const base = kind === 'x' || kind === 'X' || kind === 'p' ? 16 : kind === 'o' ? 8 : kind === 'i' ? 0 : 10;
    const number = scanNumber(width > 0 ? text.slice(at, at + width) : text.slice(at), base, kind === 'd' || kind === 'i');
    if (number === null) return done;
    at += number.length;
    if (skip) continue;
    if (kind === 'p') writeKernel64(k, target(), Number(number.value));
    else storeInteger(k, target(), number.value, SIZES[m[3] ?? '']);
    done++;
  }
  return done;
}
