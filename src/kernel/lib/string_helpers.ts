import { ENOMEM } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { duplicate, kfree, kmalloc } from '../mm/slab_exports.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { size, store, text, writeText } from './access.ts';
import { bytesOf } from './bytes.ts';
import { load64, loadBytes, store32, store64, storeBytes } from './guest_memory.ts';
import { fixupRadix, parseInteger } from './kstrtox.ts';

// Helpers for text (lib/string_helpers.c, lib/argv_split.c, lib/cmdline.c, lib/glob.c, lib/memweight.c, lib/base64.c).

const MAX_WORDS = 10_000;
/** enum string_size_units; the two bits above it leave the space and the B out. */
const UNITS_10 = 0;
const UNITS_MASK = 1;
const NO_SPACE = 1 << 30;
const NO_BYTES = 1 << 31;
const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const PREFIXES_2 = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];

/** "4.00 KiB": three figures of blocks times their size; the full length. */
function getSize(k: Kernel, blocks: bigint, blockSize: bigint, units: number, buffer: number, room: number): number {
  const divisor = (units & UNITS_MASK) === UNITS_10 ? 1000n : 1024n;
  let [bytes, i, remainder] = [blocks * blockSize, 0, 0n];
  while (bytes >= divisor && i < PREFIXES.length - 1) {
    remainder = bytes % divisor;
    bytes /= divisor;
    i++;
  }
  // As many figures behind the point as make three in all, rounded by half of the last.
  let fraction = '';
  if (bytes > 0n) {
    const figures = bytes >= 100n ? 0 : bytes >= 10n ? 1 : 2;
    let thousandths = (remainder * 1000n) / divisor + [500n, 50n, 5n][figures];
    if (thousandths >= 1000n) {
      thousandths -= 1000n;
      bytes++;
    }
    if (figures > 0) fraction = `.${String(thousandths).padStart(3, '0').slice(0, figures)}`;
  }
  const unit = `${((units & UNITS_MASK) === UNITS_10 ? PREFIXES : PREFIXES_2)[i]}${(units & NO_BYTES) !== 0 ? '' : 'B'}`;
  const out = `${bytes}${fraction}${(units & NO_SPACE) !== 0 || unit === '' ? '' : ' '}${unit}`;
  if (room > 0) writeText(k, buffer, out.slice(0, room - 1));
  return out.length;
}

const UNESCAPE_SPACE = 1;
const UNESCAPE_OCTAL = 2;
const UNESCAPE_HEX = 4;
const UNESCAPE_SPECIAL = 8;
const SPACES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', v: '\v', f: '\f' };
const SPECIALS: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', a: '\x07', e: '\x1b' };
/** string_unescape(src, dst, size, flags): the length of what was written, without its NUL. */
function unescapeText(s: string, room: number, flags: number): string {
  let out = '';
  for (let i = 0; i < s.length && out.length < room - 1; ) {
    if (s[i] !== '\\' || i + 1 >= s.length) {
      out += s[i++];
      continue;
    }
    const rest = s.slice(i + 1);
    // As many digits as make a byte.
    const octal = /^([0-3][0-7]{0,2}|[4-7][0-7]?)/.exec(rest)?.[0];
    const hex = /^x([0-9a-fA-F]{1,2})/.exec(rest)?.[1];
    if ((flags & UNESCAPE_SPACE) !== 0 && rest[0] in SPACES) {
      out += SPACES[rest[0]];
      i += 2;
    } else if ((flags & UNESCAPE_OCTAL) !== 0 && octal !== undefined) {
      out += String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      i += 1 + octal.length;
    } else if ((flags & UNESCAPE_HEX) !== 0 && hex !== undefined) {
      out += String.fromCharCode(Number.parseInt(hex, 16));
      i += 2 + hex.length;
    } else if ((flags & UNESCAPE_SPECIAL) !== 0 && rest[0] in SPECIALS) {
      out += SPECIALS[rest[0]];
      i += 2;
    } else out += s[i++];
  }
  return out;
}

/** argv_split(gfp, text, &argc): an array of pointers into one copy of the text, ended by NULL. In front of it stands the copy's address. */
function argvSplit(k: Kernel, gfp: number, from: number, argc: number): number {
  const s = text(k, from);
  const words = [...s.matchAll(/[^\t-\r \xa0]+/g)].slice(0, MAX_WORDS);
  const copy = duplicate(k, bytesOf(`${s}\0`), gfp);
  const array = kmalloc(k, (words.length + 2) * 8, gfp);
  if (copy === 0 || array === 0) return 0;
  store64(k, array, copy);
  words.forEach((w, i) => {
    store64(k, array + 8 + i * 8, copy + w.index);
    if (w.index + w[0].length < s.length) store(k, copy + w.index + w[0].length, Uint8Array.of(0));
  });
  store64(k, array + 8 + words.length * 8, 0);
  if (argc !== 0) store32(k, argc, words.length);
  return array + 8;
}
/** memparse: a number and perhaps a suffix of powers of 1024. */
function memparse(k: Kernel, at: number, retptr: number): bigint {
  const s = text(k, at);
  const radix = fixupRadix(s, 0);
  const { value, length } = parseInteger(s.slice(radix.at), radix.base);
  const digits = length === 0 ? 0 : radix.at + length;
  const suffix = 'KMGTPE'.indexOf((s[digits] ?? ' ').toUpperCase());
  if (retptr !== 0) store64(k, retptr, at + digits + (suffix >= 0 ? 1 : 0));
  return BigInt.asUintN(64, value << BigInt((suffix + 1) * 10));
}
/** get_option(&s, &n): 0 no number, 1 a number, 2 a comma follows, 3 a range follows. */
function getOption(k: Kernel, at: number, to: number): number {
  const from = load64(k, at);
  if (from === 0) return 0;
  const s = text(k, from);
  if (s === '') return 0;
  const negative = s[0] === '-';
  const body = negative ? s.slice(1) : s;
  const radix = fixupRadix(body, 0);
  const { value, length } = parseInteger(body.slice(radix.at), radix.base);
  if (to !== 0) store32(k, to, Number(BigInt.asIntN(32, negative ? -value : value)));
  const end = (negative ? 1 : 0) + (length === 0 ? 0 : radix.at + length);
  if (length === 0) return 0;
  const comma = s[end] === ',';
  store64(k, at, from + end + (comma ? 1 : 0));
  return comma ? 2 : s[end] === '-' ? 3 : 1;
}
/** get_options(s, n, ints): numbers and ranges; how many goes to ints[0]. Where it stopped. */
function getOptions(k: Kernel, at: number, n: number, ints: number): number {
  const s = text(k, at);
  let [pos, count] = [0, 1];
  const room = n | 0;
  while (room === 0 || count < room) {
    const m = /^(-?(?:0[xX][0-9a-fA-F]+|\d+))/.exec(s.slice(pos));
    if (m === null) break;
    const from = Number(BigInt.asIntN(32, numberOf(m[1])));
    if (room !== 0) store32(k, ints + count * 4, from);
    count++;
    pos += m[1].length;
    const range = /^-(\d+|0[xX][0-9a-fA-F]+)/.exec(s.slice(pos));
    if (range !== null) {
      const to = Number(BigInt.asIntN(32, numberOf(range[1])));
      if (to < from) {
        // Downwards is no range: nothing of it counts.
        count--;
        pos++;
        break;
      }
      for (let v = from + 1; v <= to && (room === 0 || count < room) && count < MAX_WORDS; v++) {
        if (room !== 0) store32(k, ints + count * 4, v);
        count++;
      }
      pos += range[0].length;
    }
    if (s[pos] !== ',') break;
    pos++;
  }
  store32(k, ints, count - 1);
  return at + pos;
}
function numberOf(s: string): bigint {
  const negative = s[0] === '-';
  const body = negative ? s.slice(1) : s;
  const radix = fixupRadix(body, 0);
  const { value } = parseInteger(body.slice(radix.at), radix.base);
  return negative ? -value : value;
}

/** glob_match: *, ?, [classes] with ranges and !, and backslash; the whole text. */
function globMatch(pattern: string, s: string): boolean {
  let [p, i, starP, starI] = [0, 0, -1, 0];
  for (;;) {
    const c = pattern[p];
    let ok = false;
    let width = 1;
    if (c === '*') {
      if (p + 1 === pattern.length) return true;
      starP = ++p;
      starI = i;
      continue;
    }
    if (c === '?') ok = i < s.length;
    else if (c === '[' && i < s.length) {
      const set = classMatch(pattern.slice(p), s.charCodeAt(i));
      if (set === null) ok = s[i] === '[';
      else {
        ok = set.ok;
        width = set.width;
      }
    } else if (c === '\\' && p + 1 < pattern.length) {
      ok = i < s.length && s[i] === pattern[p + 1];
      width = 2;
    } else if (c === undefined) {
      if (i === s.length) return true;
    } else ok = i < s.length && s[i] === c;
    if (ok) {
      p += width;
      i++;
      continue;
    }
    if (starP < 0 || i >= s.length) return false;
    p = starP;
    i = ++starI;
  }
}
/** A class at the start of `p`; null when it has no end, and [ is a character. */
function classMatch(p: string, c: number): { readonly ok: boolean; readonly width: number } | null {
  let at = 1;
  const inverted = p[at] === '!';
  if (inverted) at++;
  let found = false;
  const first = at;
  for (; at === first || p[at] !== ']'; ) {
    if (at >= p.length) return null;
    const low = p.charCodeAt(at++);
    let high = low;
    if (p[at] === '-' && at + 1 < p.length && p[at + 1] !== ']') {
      high = p.charCodeAt(at + 1);
      at += 2;
    }
    found ||= low <= c && c <= high;
  }
  return { ok: found !== inverted, width: at + 1 };
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
function base64Encode(bytes: Uint8Array): string {
  let [out, acc, bits] = ['', 0, 0];
  for (const b of bytes) {
    acc = (acc << 8) | b;
    bits += 8;
    for (; bits >= 6; acc &= (1 << bits) - 1) {
      bits -= 6;
      out += BASE64[acc >> bits];
    }
  }
  if (bits > 0) {
    out += BASE64[(acc << (6 - bits)) & 63];
    bits -= 6;
  }
  for (; bits < 0; bits += 2) out += '=';
  return out;
}
function base64Decode(s: string): Uint8Array | null {
  const out: number[] = [];
  let [acc, bits] = [0, 0];
  for (const c of s) {
    if (c === '=') {
      acc <<= 6;
      bits += 6;
      if (bits >= 8) bits -= 8;
      continue;
    }
    const v = BASE64.indexOf(c);
    if (v < 0) return null;
    acc = ((acc << 6) | v) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push((acc >> bits) & 0xff);
    }
  }
  return (acc & ((1 << bits) - 1)) !== 0 ? null : Uint8Array.from(out);
}
const big = (k: Kernel, i: number) => BigInt.asUintN(64, k.machine.regs.getBig(10 + i));
function freeStrings(k: Kernel, array: number, n: number): void {
  if (array === 0) return;
  for (let i = 0; i < Math.min(size(n), MAX_WORDS); i++) {
    const at = load64(k, array + i * 8);
    if (at === 0) break;
    kfree(k, at);
  }
  kfree(k, array);
}

export const stringHelperExports: readonly FunctionExport[] = [
  fn('string_get_size', (k, _n, _size, units, buffer, room) => getSize(k, big(k, 0), big(k, 1), units, buffer, room | 0)),
  fn('string_unescape', (k, from, to, room, flags) => {
    const s = text(k, from);
    const out = unescapeText(s, size(room) === 0 ? Number.POSITIVE_INFINITY : size(room), flags);
    writeText(k, to, out);
    return out.length;
  }),
  fn('kasprintf_strarray', (k, gfp, prefix, n) => {
    const array = kmalloc(k, (Math.min(size(n), MAX_WORDS) + 1) * 8, gfp);
    if (array === 0) return -ENOMEM;
    for (let i = 0; i < size(n); i++) store64(k, array + i * 8, duplicate(k, bytesOf(`${text(k, prefix)}-${i}\0`), gfp));
    store64(k, array + size(n) * 8, 0);
    return array;
  }),
  fn('kfree_strarray', freeStrings),
  // memcpy_and_pad(dest, dest_len, src, count, pad)
  fn('memcpy_and_pad', (k, to, room, from, n, pad) => {
    const bytes = new Uint8Array(Math.min(size(room), k.ram.size)).fill(pad);
    bytes.set(loadBytes(k, from, Math.min(size(n), bytes.length)));
    storeBytes(k, to, bytes);
  }),
  fn('kstrdup_and_replace', (k, from, old, to, gfp) => {
    const s = text(k, from).replaceAll(String.fromCharCode(old & 0xff), String.fromCharCode(to & 0xff));
    return duplicate(k, bytesOf(`${s}\0`), gfp);
  }),
  fn('kmemdup_array', (k, from, n, each, gfp) => duplicate(k, loadBytes(k, from, size(n) * size(each)), gfp)),
  fn('argv_split', argvSplit),
  fn('argv_free', (k, argv) => {
    kfree(k, load64(k, argv - 8));
    kfree(k, argv - 8);
  }),
  fn('memparse', memparse),
  fn('get_option', getOption),
  fn('get_options', getOptions),
  fn('glob_match', (k, pattern, s) => (globMatch(text(k, pattern), text(k, s)) ? 1 : 0)),
  fn('memweight', (k, at, n) => {
    let sum = 0;
    for (const b of loadBytes(k, at, size(n))) for (let v = b; v !== 0; v &= v - 1) sum++;
    return sum;
  }),
  fn('base64_encode', (k, from, n, to) => {
    const s = base64Encode(loadBytes(k, from, n | 0));
    storeBytes(k, to, bytesOf(s));
    return s.length;
  }),
  fn('base64_decode', (k, from, n, to) => {
    const bytes = base64Decode(text(k, from, n | 0));
    if (bytes === null) return -1;
    storeBytes(k, to, bytes);
    return bytes.length;
  }),
];
