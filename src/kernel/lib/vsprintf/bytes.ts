import { isPrint } from '../ctype.ts';
import { type Context, DECIMAL, errorText, hexNumber, number, objectAt, plain, SMALL, type Spec, ZEROPAD } from './spec.ts';

// Raw bytes in several dresses: %ph %pb %pE %pU %pa %pN %p4cc.

export const hex2 = (n: number) => n.toString(16).padStart(2, '0');
/** Bytes that %ph shows at most. */
const HEX_MAX = 64;

/** %ph, %phC, %phD, %phN: the field width is the number of bytes. */
export function hexString(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (s.width === 0) return '';
  const length = s.width > 0 ? Math.min(s.width, HEX_MAX) : 1;
  const o = objectAt(ctx, ptr, length, s);
  if (typeof o === 'string') return o;
  const separator = fmt[1] === 'C' ? ':' : fmt[1] === 'D' ? '-' : fmt[1] === 'N' ? '' : ' ';
  return Array.from({ length }, (_, i) => hex2(o.getUint8(i))).join(separator);
}

const CHUNK = 32;
/** %*pb (32-bit groups in hexadecimal, highest first) and %*pbl (list of ranges): the field width is the number of bits. */
export function bitmap(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const bits = Math.max(s.width, 0);
  const o = objectAt(ctx, ptr, Math.ceil(bits / 64) * 8, s);
  if (typeof o === 'string') return o;
  const parts: string[] = [];
  if (fmt[1] === 'l') {
    const set = (i: number) => i < bits && (o.getUint8(i >> 3) & (1 << (i & 7))) !== 0;
    for (let i = 0; i < bits; i++) {
      if (!set(i)) continue;
      const from = i;
      while (set(i + 1)) i++;
      parts.push(number(BigInt(from), DECIMAL) + (i > from ? `-${number(BigInt(i), DECIMAL)}` : ''));
    }
    return parts.join(',');
  }
  for (let group = Math.ceil(bits / CHUNK) - 1; group >= 0; group--) {
    const size = Math.min(CHUNK, bits - group * CHUNK);
    const value = BigInt.asUintN(size, BigInt(o.getUint32(group * 4, true)));
    // The precision is 0 and the flags are those of a fresh spec.
    parts.push(number(value, { flags: SMALL | ZEROPAD, base: 16, precision: 0, width: Math.ceil(size / 4) }));
  }
  return parts.join(',');
}

const NUMBERED_SPACES: Readonly<Record<number, string>> = { 10: '\\n', 13: '\\r', 9: '\\t', 11: '\\v', 12: '\\f' };
const SPECIALS: Readonly<Record<number, string>> = { 92: '\\\\', 7: '\\a', 27: '\\e', 34: '\\"' };
/** %*pE (lib/string_helpers.c, string_escape_mem): letters choose what is escaped, the field width is the length. */
export function escapedString(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (s.width === 0) return '';
  const length = s.width < 0 ? 1 : s.width;
  const o = objectAt(ctx, ptr, length, s);
  if (typeof o === 'string') return o;
  const chosen = /^[achnops]*/.exec(fmt.slice(1))?.[0] || 'ap';
  const has = (letter: string) => chosen.includes(letter);
  const any = has('a');
  let out = '';
  for (let i = 0; i < length; i++) {
    const c = o.getUint8(i);
    if (has('p') && isPrint(c)) out += String.fromCharCode(c);
    else if ((any || has('s')) && c in NUMBERED_SPACES) out += NUMBERED_SPACES[c];
    else if ((any || has('c')) && c in SPECIALS) out += SPECIALS[c];
    else if ((any || has('n')) && c === 0) out += '\\0';
    else if (any || has('o')) out += `\\${c.toString(8).padStart(3, '0')}`;
    else if (has('h')) out += `\\x${hex2(c)}`;
    else out += String.fromCharCode(c);
  }
  return out;
}

const UUID_ORDER = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/** The first three fields of a GUID are little-endian. */
const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
/** %pU with b, B, l, L: byte order and case. */
export function uuid(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, 16, s);
  if (typeof o === 'string') return o;
  const order = fmt[1] === 'l' || fmt[1] === 'L' ? GUID_ORDER : UUID_ORDER;
  const h = order.map((i) => hex2(o.getUint8(i))).join('');
  const text = `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
  return plain(fmt[1] === 'B' || fmt[1] === 'L' ? text.toUpperCase() : text, s);
}

/** %pa, %pap, %pad: an address passed by reference. */
export function addressValue(ctx: Context, _fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, 8, s);
  return typeof o === 'string' ? o : hexNumber(o.getBigUint64(0, true), 8);
}
/** %pNF: netdev_features_t. */
export function netdevBits(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, 8, s);
  if (typeof o === 'string') return o;
  return fmt[1] === 'F' ? hexNumber(o.getBigUint64(0, true), 8) : errorText('(%pN?)', s);
}

/** %p4cc: a V4L2 or DRM format code; bit 31 says big-endian. */
export function fourcc(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (fmt[1] !== 'c' || fmt[2] !== 'c') return errorText('(%p4?)', s);
  const o = objectAt(ctx, ptr, 4, s);
  if (typeof o === 'string') return o;
  const code = o.getUint32(0, true);
  let text = '';
  for (let i = 0; i < 4; i++) {
    const c = ((code & 0x7fff_ffff) >>> (8 * i)) & 255;
    text += c < 128 && isPrint(c) ? String.fromCharCode(c) : '.';
  }
  const order = code >= 0x8000_0000 ? 'big' : 'little';
  return plain(`${text} ${order}-endian (0x${code.toString(16).padStart(8, '0')})`, s);
}
