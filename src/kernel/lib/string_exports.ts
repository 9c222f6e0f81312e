import { EFAULT, EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { readKernel64, writeKernel16, writeKernel32, writeKernel64, writeKernelBig } from '../mm/maccess.ts';
import { copyFromUserPartial } from '../mm/uaccess.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { load, size, store, STRING_MAX, text, writeText } from './access.ts';
import { kstrtobool, kstrtoSigned, kstrtoUnsigned } from './kstrtox.ts';
import { vsscanf } from './sscanf.ts';
import { callArguments, type VaList, vaListArguments } from './va_list.ts';

// More of what lib/ exports: pieces of strings, choices from lists, numbers from user memory, scanning.

const SPACE = /^[\t-\r \xa0]*/;
const spaces = (s: string) => (SPACE.exec(s) as RegExpExecArray)[0].length;
/** Index of the first character of `s` that is (or is not) in `set`. */
function span(s: string, set: string, inside: boolean): number {
  let i = 0;
  while (i < s.length && set.includes(s[i]) === inside) i++;
  return i;
}
/** strsep(s, ct): cuts the token at *s off; NULL at the end. */
function strsep(k: Kernel, at: number, set: number): number {
  const s = readKernel64(k, at) ?? 0;
  if (s === 0) return 0;
  const all = text(k, s);
  const n = span(all, text(k, set), false);
  if (n === all.length) writeKernel64(k, at, 0);
  else {
    store(k, s + n, Uint8Array.of(0));
    writeKernel64(k, at, s + n + 1);
  }
  return s;
}
/** Index of a string in an array of pointers that ends with NULL or after `n`; -EINVAL. */
function matchString(k: Kernel, array: number, n: number, wanted: string, loose: boolean): number {
  const max = n < 0 ? 10_000 : Math.min(n, 10_000);
  for (let i = 0; i < max; i++) {
    const item = readKernel64(k, array + i * 8) ?? 0;
    if (item === 0) break;
    const s = text(k, item);
    if (s === wanted || (loose && s === wanted.replace(/\n$/, ''))) return i;
  }
  return -EINVAL;
}
/** Text of a number from user memory: at most what a number of 64 bits in base 2 needs. */
function numberFromUser(k: Kernel, from: number, count: number): string | null {
  const bytes = new Uint8Array(Math.min(size(count), 67));
  if (from < 0 || from + bytes.length > TASK_SIZE || copyFromUserPartial(k, bytes, from) < bytes.length) return null;
  let s = '';
  for (const b of bytes) {
    if (b === 0) break;
    s += String.fromCharCode(b);
  }
  return s;
}
function fromUser(signed: boolean, bits: 8 | 16 | 32 | 64) {
  return (k: Kernel, from: number, count: number, base: number, to: number): number => {
    const s = numberFromUser(k, from, count);
    if (s === null) return -EFAULT;
    const n = signed ? kstrtoSigned(s, base, bits) : kstrtoUnsigned(s, base, bits);
    if (typeof n === 'number') return n;
    if (bits === 64) writeKernelBig(k, to, BigInt.asIntN(64, n));
    else if (bits === 32) writeKernel32(k, to, Number(BigInt.asIntN(32, n)));
    else if (bits === 16) writeKernel16(k, to, Number(BigInt.asIntN(16, n)));
    else store(k, to, Uint8Array.of(Number(BigInt.asUintN(8, n))));
    return 0;
  };
}
function scan(k: Kernel, buffer: number, fmt: number, args: VaList): number {
  return vsscanf(k, text(k, buffer), text(k, fmt), args);
}
/** memset16 and its kin. */
function fill(unit: number) {
  return (k: Kernel, to: number, value: number, count: number): number => {
    const n = Math.min(size(count), Math.floor(k.ram.size / unit));
    const bytes = new Uint8Array(n * unit);
    const word = new Uint8Array(8);
    new DataView(word.buffer).setBigInt64(0, BigInt.asIntN(64, BigInt(value)), true);
    for (let i = 0; i < bytes.length; i++) bytes[i] = word[i % unit];
    store(k, to, bytes);
    return to;
  };
}
function hexDigit(c: number): number {
  const n = Number.parseInt(String.fromCharCode(c & 0xff), 16);
  return Number.isNaN(n) ? -1 : n;
}

export const stringExports: readonly FunctionExport[] = [
  fn('strspn', (k, s, set) => span(text(k, s), text(k, set), true)),
  fn('strcspn', (k, s, set) => span(text(k, s), text(k, set), false)),
  fn('strpbrk', (k, s, set) => {
    const all = text(k, s);
    const n = span(all, text(k, set), false);
    return n < all.length ? s + n : 0;
  }),
  fn('strsep', strsep),
  fn('strlcat', (k, to, from, n) => {
    const room = size(n);
    const had = text(k, to, Math.min(room, STRING_MAX));
    const more = text(k, from);
    if (had.length < room) writeText(k, to + had.length, more.slice(0, Math.max(0, room - had.length - 1)));
    return had.length + more.length;
  }),
  fn('strncasecmp', (k, a, b, n) => {
    const [x, y] = [text(k, a, size(n)).toLowerCase(), text(k, b, size(n)).toLowerCase()];
    for (let i = 0; i < Math.max(x.length, y.length); i++) {
      const d = (x.charCodeAt(i) || 0) - (y.charCodeAt(i) || 0);
      if (d !== 0) return d;
    }
    return 0;
  }),
  fn('strnstr', (k, s, what, n) => {
    const at = text(k, s, size(n)).indexOf(text(k, what));
    return at < 0 ? 0 : s + at;
  }),
  fn('strnchr', (k, s, n, c) => {
    const at = `${text(k, s, size(n))}\0`.slice(0, Math.min(size(n), STRING_MAX)).indexOf(String.fromCharCode(c & 0xff));
    return at < 0 ? 0 : s + at;
  }),
  fn('strchrnul', (k, s, c) => {
    const all = text(k, s);
    const at = all.indexOf(String.fromCharCode(c & 0xff));
    return s + (at < 0 ? all.length : at);
  }),
  fn('skip_spaces', (k, s) => s + spaces(text(k, s))),
  fn('strim', (k, s) => {
    const all = text(k, s);
    const kept = all.replace(/[\t-\r \xa0]+$/, '');
    if (kept.length < all.length) store(k, s + kept.length, Uint8Array.of(0));
    return s + spaces(kept);
  }),
  fn('strreplace', (k, s, from, to) => {
    const all = text(k, s);
    writeText(k, s, all.replaceAll(String.fromCharCode(from & 0xff), String.fromCharCode(to & 0xff)));
    return s;
  }),
  fn('memscan', (k, s, c, n) => {
    const at = load(k, s, size(n)).indexOf(c & 0xff);
    return s + (at < 0 ? size(n) : at);
  }),
  fn('memchr_inv', (k, s, c, n) => {
    const at = load(k, s, size(n)).findIndex((b) => b !== (c & 0xff));
    return at < 0 ? 0 : s + at;
  }),
  fn('memset16', fill(2)),
  fn('memset32', fill(4)),
  fn('memset64', fill(8)),
  fn('match_string', (k, array, n, s) => matchString(k, array, n, text(k, s), false)),
  fn('__sysfs_match_string', (k, array, n, s) => matchString(k, array, n, text(k, s), true)),
  fn('hex_to_bin', (_k, c) => hexDigit(c)),
  fn('hex2bin', (k, to, from, n) => {
    const bytes = new Uint8Array(Math.min(size(n), STRING_MAX));
    const digits = load(k, from, bytes.length * 2);
    for (let i = 0; i < bytes.length; i++) {
      const [hi, lo] = [hexDigit(digits[i * 2]), hexDigit(digits[i * 2 + 1])];
      if (hi < 0 || lo < 0) return -EINVAL;
      bytes[i] = (hi << 4) | lo;
    }
    store(k, to, bytes);
    return 0;
  }),
  fn('bin2hex', (k, to, from, n) => {
    const digits = [...load(k, from, size(n))].map((b) => b.toString(16).padStart(2, '0')).join('');
    store(k, to, Uint8Array.from(digits, (c) => c.charCodeAt(0)));
    return to + digits.length;
  }),
  fn('kstrtoint_from_user', fromUser(true, 32)),
  fn('kstrtouint_from_user', fromUser(false, 32)),
  fn('kstrtol_from_user', fromUser(true, 64)),
  fn('kstrtoul_from_user', fromUser(false, 64)),
  fn('kstrtoll_from_user', fromUser(true, 64)),
  fn('kstrtoull_from_user', fromUser(false, 64)),
  fn('kstrtou8_from_user', fromUser(false, 8)),
  fn('kstrtos8_from_user', fromUser(true, 8)),
  fn('kstrtou16_from_user', fromUser(false, 16)),
  fn('kstrtobool_from_user', (k, from, count, to) => {
    const s = numberFromUser(k, from, Math.min(size(count), 3));
    if (s === null) return -EFAULT;
    const value = kstrtobool(s);
    if (typeof value === 'number') return value;
    store(k, to, Uint8Array.of(value ? 1 : 0));
    return 0;
  }),
  partial('sscanf', 'no %[set]', (k, buffer, fmt) => scan(k, buffer, fmt, callArguments(k, 2))),
  partial('vsscanf', 'no %[set]', (k, buffer, fmt, args) => scan(k, buffer, fmt, vaListArguments(k, args))),
];
