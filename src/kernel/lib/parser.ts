import type { Kernel } from '../kernel.ts';
import { EINVAL, ERANGE } from '../../abi/errno.ts';
import { match_token as TOKEN } from '../../abi/layout/structs.ts';
import { GFP_KERNEL } from '../../abi/gfp.ts';
import { duplicate } from '../mm/slab_exports.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { bytesOf } from './bytes.ts';
import { size, text, writeText } from './access.ts';
import { load32, load64, store32, store64, storeBig } from './guest_memory.ts';
import { fixupRadix, kstrtoUnsigned, parseInteger } from './kstrtox.ts';

// Options of mounts and the like (lib/parser.c): a table of patterns with %s, %d, %u, %o and %x in them, and what stood in their place.

const MAX_OPT_ARGS = 3;
/** Longest table and option. */
const MAX_ROWS = 10_000;
const OPTION_MAX = 65_536;
/** A piece of the option: substring_t holds its first character and the one behind its last. */
interface Piece {
  readonly from: number;
  readonly to: number;
}

/** match_one: the pieces that the conversions of `pattern` took, or null. */
function matchOne(s: string, pattern: string): Piece[] | null {
  const pieces: Piece[] = [];
  let at = 0;
  let p = 0;
  for (;;) {
    const percent = pattern.indexOf('%', p);
    if (percent < 0) return s.slice(at) === pattern.slice(p) ? pieces : null;
    const literal = pattern.slice(p, percent);
    if (s.slice(at, at + literal.length) !== literal) return null;
    at += literal.length;
    p = percent + 1;
    const digits = /^\d+/.exec(pattern.slice(p))?.[0] ?? '';
    p += digits.length;
    if (pattern[p] === '%') {
      if (s[at++] !== '%') return null;
      p++;
      continue;
    }
    if (pieces.length >= MAX_OPT_ARGS) return null;
    let length: number;
    switch (pattern[p++]) {
      case 's': {
        const rest = s.length - at;
        if (rest === 0) return null;
        length = digits === '' || Number(digits) > rest ? rest : Number(digits);
        break;
      }
      case 'd':
        length = signed(s.slice(at), 0);
        break;
      case 'u':
        length = unsigned(s.slice(at), 0);
        break;
      case 'o':
        length = unsigned(s.slice(at), 8);
        break;
      case 'x':
        length = unsigned(s.slice(at), 16);
        break;
      default:
        return null;
    }
    if (length === 0) return null;
    pieces.push({ from: at, to: at + length });
    at += length;
  }
}
/** How many characters simple_strtoul takes. */
function unsigned(s: string, base: number): number {
  const radix = fixupRadix(s, base);
  const { length } = parseInteger(s.slice(radix.at), radix.base);
  return length === 0 ? 0 : radix.at + length;
}
function signed(s: string, base: number): number {
  if (s[0] !== '-') return unsigned(s, base);
  const n = unsigned(s.slice(1), base);
  return n === 0 ? 0 : n + 1;
}
/** match_token(s, table, args): the token of the first row that fits; the last row has no pattern. */
function matchToken(k: Kernel, s: number, table: number, args: number): number {
  const option = s === 0 ? '' : text(k, s, OPTION_MAX);
  for (let i = 0; i < MAX_ROWS; i++) {
    const row = table + i * TOKEN.sizeof;
    const pattern = load64(k, row + TOKEN.pattern);
    const pieces = pattern === 0 ? [] : matchOne(option, text(k, pattern, OPTION_MAX));
    if (pieces === null) continue;
    pieces.forEach((piece, n) => {
      store64(k, args + n * 16, s + piece.from);
      store64(k, args + n * 16 + 8, s + piece.to);
    });
    return load32(k, row + TOKEN.token) | 0;
  }
  return -EINVAL;
}
function pieceText(k: Kernel, arg: number): string {
  const from = load64(k, arg);
  return text(k, from, Math.min(Math.max(0, load64(k, arg + 8) - from), OPTION_MAX));
}
/** match_number: the int in front; what follows it does not count. */
function matchNumber(k: Kernel, arg: number, to: number, base: number): number {
  const s = pieceText(k, arg);
  const n = signed(s, base);
  if (n === 0) return -EINVAL;
  const negative = s[0] === '-';
  const digits = s.slice(negative ? 1 : 0);
  const radix = fixupRadix(digits, base);
  const { value } = parseInteger(digits.slice(radix.at), radix.base);
  const result = negative ? -value : value;
  if (result < -0x8000_0000n || result > 0x7fff_ffffn) return -ERANGE;
  store32(k, to, Number(result));
  return 0;
}
/** match_wildcard(pattern, str): * and ? only. */
function matchWildcard(pattern: string, s: string): boolean {
  let [p, at, star, retry] = [0, 0, -1, 0];
  while (at < s.length) {
    if (pattern[p] === '*') {
      star = p++;
      retry = at;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === s[at])) {
      p++;
      at++;
    } else if (star >= 0) {
      p = star + 1;
      at = ++retry;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(p));
}

export const parserExports: readonly FunctionExport[] = [
  fn('match_token', matchToken),
  fn('match_int', (k, arg, to) => matchNumber(k, arg, to, 0)),
  fn('match_octal', (k, arg, to) => matchNumber(k, arg, to, 8)),
  fn('match_hex', (k, arg, to) => matchNumber(k, arg, to, 16)),
  fn('match_uint', (k, arg, to) => {
    const n = kstrtoUnsigned(pieceText(k, arg), 10, 32);
    if (typeof n === 'number') return n;
    store32(k, to, Number(n));
    return 0;
  }),
  fn('match_u64', (k, arg, to) => {
    const n = kstrtoUnsigned(pieceText(k, arg), 0, 64);
    if (typeof n === 'number') return n;
    storeBig(k, to, n);
    return 0;
  }),
  fn('match_wildcard', (k, pattern, s) => (matchWildcard(text(k, pattern, OPTION_MAX), text(k, s, OPTION_MAX)) ? 1 : 0)),
  fn('match_strlcpy', (k, to, arg, n) => {
    const s = pieceText(k, arg);
    const room = size(n);
    if (room > 0) writeText(k, to, s.slice(0, room - 1));
    return s.length;
  }),
  fn('match_strdup', (k, arg) => duplicate(k, bytesOf(`${pieceText(k, arg)}\0`), GFP_KERNEL)),
];
