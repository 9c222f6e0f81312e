import type { Kernel } from '../kernel.ts';
import { E2BIG, EINVAL } from '../../abi/errno.ts';
import { Access } from '../../machine/api.ts';
import { load, size, store, storeFill, STRING_MAX, text, writeText } from './access.ts';
import { LOGLEVEL_DEFAULT } from '../../abi/syslog.ts';
import { bugInExport, faultInExport, warnInExport } from '../traps.ts';
import { readKernel8, writeKernel32, writeKernel64, writeKernelBig } from '../mm/maccess.ts';
import { type FunctionExport, fast, fn } from '../module/export.ts';
import { bytesOf } from './bytes.ts';
import { hexDump } from './hexdump.ts';
import { fixupRadix, kstrtobool, kstrtoSigned, kstrtoUnsigned, parseInteger } from './kstrtox.ts';
import { callArguments, slotArguments, type VaList, vaListArguments } from './va_list.ts';
import { memcmpText, memmoveText, memsetText, strcmpText, strlenText } from './string_text.ts';
import { vsnprintf } from './vsprintf.ts';

// What lib/ exports: memory and string functions, numbers from text, formatted text.

/** The sign of the first difference, as lib/string.c returns it. */
function compare(a: string, b: string): number {
  for (let i = 0; ; i++) {
    const [x, y] = [i < a.length ? a.charCodeAt(i) : 0, i < b.length ? b.charCodeAt(i) : 0];
    if (x !== y) return x < y ? -1 : 1;
    if (x === 0) return 0;
  }
}
function copyBytes(k: Kernel, to: number, from: number, n: number): number {
  store(k, to, load(k, from, size(n)));
  return to;
}
/** vsnprintf into a buffer: the length that the whole text has. */
function printInto(k: Kernel, buffer: number, room: number, fmt: number, args: VaList): number {
  const out = vsnprintf(k, text(k, fmt), args);
  if (room > 0) writeText(k, buffer, out.slice(0, Math.min(room, STRING_MAX) - 1));
  return out.length;
}
const scn = (n: number, room: number) => (room === 0 ? 0 : Math.min(n, room - 1));

function storeSigned(k: Kernel, at: number, n: bigint | number, bytes: 4 | 8): number {
  if (typeof n === 'number') return n;
  if (bytes === 4) writeKernel32(k, at, Number(n));
  else writeKernelBig(k, at, BigInt.asIntN(64, n));
  return 0;
}
function storeBytes(k: Kernel, at: number, n: bigint | number, bytes: 1 | 2): number {
  if (typeof n === 'number') return n;
  store(k, at, Uint8Array.of(Number(n & 0xffn), Number((n >> 8n) & 0xffn)).subarray(0, bytes));
  return 0;
}
/** simple_strtoull and its kin: leading digits, no complaint. */
function simpleNumber(k: Kernel, s: number, endp: number, base: number): bigint {
  const all = text(k, s);
  const radix = fixupRadix(all, base);
  const { value, length } = parseInteger(all.slice(radix.at), radix.base);
  if (endp !== 0) writeKernel64(k, endp, s + (length === 0 ? 0 : radix.at + length));
  return BigInt.asIntN(64, value);
}
function simpleSigned(k: Kernel, s: number, endp: number, base: number): bigint {
  if (readKernel8(k, s) !== 0x2d) return simpleNumber(k, s, endp, base);
  return -simpleNumber(k, s + 1, endp, base);
}

/** Functions that FORTIFY_SOURCE knows, by number (enum fortify_func). */
const FORTIFY_FUNCTIONS =
  'strncpy strnlen strlen strscpy strlcat strcat strncat memset memcpy memmove memscan memcmp memchr memchr_inv kmemdup strcpy UNKNOWN'.split(' ');
/** __fortify_panic(reason, avail, size): what overflowed, and the end (lib/string_helpers.c). */
function fortifyPanic(k: Kernel, reason: number, avail: number, wanted: number): undefined {
  const name = FORTIFY_FUNCTIONS[(reason >> 1) & 0x7f] ?? 'UNKNOWN';
  const text = `${name}: detected buffer overflow: ${size(wanted)} byte ${(reason & 1) !== 0 ? 'write' : 'read'} of buffer size ${size(avail)}`;
  warnInExport(k, text);
  bugInExport(k);
  return undefined;
}

export const libExports: readonly FunctionExport[] = [
  fast('memset', memsetText, (k, to, value, n) => {
    // A length that RAM cannot have ends at the first page that is not mapped.
    if (size(n) > k.ram.size) faultInExport(k, to, Access.WRITE);
    else storeFill(k, to, value, size(n));
    return to;
  }),
  fast('memcpy', memmoveText, copyBytes),
  fast('memmove', memmoveText, copyBytes),
  fast('memcmp', memcmpText, (k, a, b, n) => {
    const [x, y] = [load(k, a, size(n)), load(k, b, size(n))];
    for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
    return 0;
  }),
  fn('memchr', (k, s, c, n) => {
    const at = load(k, s, size(n)).indexOf(c & 0xff);
    return at < 0 ? 0 : s + at;
  }),
  fast('strlen', strlenText, (k, s) => text(k, s).length),
  fn('strnlen', (k, s, n) => text(k, s, size(n)).length),
  fast('strcmp', strcmpText, (k, a, b) => compare(text(k, a), text(k, b))),
  fn('strncmp', (k, a, b, n) => compare(text(k, a, size(n)), text(k, b, size(n)))),
  fn('strcasecmp', (k, a, b) => {
    const [x, y] = [`${text(k, a).toLowerCase()}\0`, `${text(k, b).toLowerCase()}\0`];
    let i = 0;
    while (i < x.length - 1 && x[i] === y[i]) i++;
    return x.charCodeAt(i) - y.charCodeAt(i);
  }),
  fn('strcpy', (k, to, from) => {
    writeText(k, to, text(k, from));
    return to;
  }),
  fn('strncpy', (k, to, from, n) => {
    const room = size(n);
    store(k, to, bytesOf(text(k, from, room).padEnd(Math.min(room, STRING_MAX), '\0')));
    return to;
  }),
  fn('sized_strscpy', (k, to, from, n) => {
    const room = size(n);
    if (room === 0 || room > 0x7fff_ffff) return -E2BIG;
    const s = text(k, from, room);
    writeText(k, to, s.slice(0, room - 1));
    return s.length < room ? s.length : -E2BIG;
  }),
  fn('strcat', (k, to, from) => {
    writeText(k, to + text(k, to).length, text(k, from));
    return to;
  }),
  fn('strncat', (k, to, from, n) => {
    writeText(k, to + text(k, to).length, text(k, from, size(n)));
    return to;
  }),
  fn('strchr', (k, s, c) => {
    const at = `${text(k, s)}\0`.indexOf(String.fromCharCode(c & 0xff));
    return at < 0 ? 0 : s + at;
  }),
  fn('strrchr', (k, s, c) => {
    const at = `${text(k, s)}\0`.lastIndexOf(String.fromCharCode(c & 0xff));
    return at < 0 ? 0 : s + at;
  }),
  fn('strstr', (k, s, what) => {
    const at = text(k, s).indexOf(text(k, what));
    return at < 0 ? 0 : s + at;
  }),

  fn('__fortify_panic', fortifyPanic),
  // print_hex_dump(level, prefix, type, row, group, buffer, length, ascii)
  fn('print_hex_dump', (k, level, prefix, prefixType, rowSize, groupSize, buffer) => {
    const { regs } = k.machine;
    const bytes = load(k, buffer, size(regs.get(16)));
    const how = { prefix: text(k, prefix), prefixType, rowSize, groupSize, ascii: (regs.getLo(17) & 0xff) !== 0 };
    const lines = hexDump(bytes, how, (offset) => vsnprintf(k, '%p', slotArguments([BigInt(buffer + offset)])));
    const head = text(k, level);
    for (const line of lines) k.printk.emit(0, LOGLEVEL_DEFAULT, `${head}${line}\n`);
    return undefined;
  }),
  fn('vsnprintf', (k, buffer, n, fmt, args) => printInto(k, buffer, size(n), fmt, vaListArguments(k, args))),
  fn('vscnprintf', (k, buffer, n, fmt, args) => scn(printInto(k, buffer, size(n), fmt, vaListArguments(k, args)), size(n))),
  fn('vsprintf', (k, buffer, fmt, args) => printInto(k, buffer, 0x7fff_ffff, fmt, vaListArguments(k, args))),
  fn('snprintf', (k, buffer, n, fmt) => printInto(k, buffer, size(n), fmt, callArguments(k, 3))),
  fn('scnprintf', (k, buffer, n, fmt) => scn(printInto(k, buffer, size(n), fmt, callArguments(k, 3)), size(n))),
  fn('sprintf', (k, buffer, fmt) => printInto(k, buffer, 0x7fff_ffff, fmt, callArguments(k, 2))),

  fn('kstrtoint', (k, s, base, to) => storeSigned(k, to, kstrtoSigned(text(k, s), base, 32), 4)),
  fn('kstrtouint', (k, s, base, to) => storeSigned(k, to, kstrtoUnsigned(text(k, s), base, 32), 4)),
  fn('kstrtoll', (k, s, base, to) => storeSigned(k, to, kstrtoSigned(text(k, s), base, 64), 8)),
  fn('kstrtoull', (k, s, base, to) => storeSigned(k, to, kstrtoUnsigned(text(k, s), base, 64), 8)),
  fn('_kstrtol', (k, s, base, to) => storeSigned(k, to, kstrtoSigned(text(k, s), base, 64), 8)),
  fn('_kstrtoul', (k, s, base, to) => storeSigned(k, to, kstrtoUnsigned(text(k, s), base, 64), 8)),
  fn('kstrtou8', (k, s, base, to) => storeBytes(k, to, kstrtoUnsigned(text(k, s), base, 8), 1)),
  fn('kstrtos8', (k, s, base, to) => storeBytes(k, to, kstrtoSigned(text(k, s), base, 8), 1)),
  fn('kstrtou16', (k, s, base, to) => storeBytes(k, to, kstrtoUnsigned(text(k, s), base, 16), 2)),
  fn('kstrtos16', (k, s, base, to) => storeBytes(k, to, kstrtoSigned(text(k, s), base, 16), 2)),
  fn('kstrtobool', (k, s, to) => {
    const value = s === 0 ? -EINVAL : kstrtobool(text(k, s));
    if (typeof value === 'number') return value;
    store(k, to, Uint8Array.of(value ? 1 : 0));
    return 0;
  }),
  fn('simple_strtoull', simpleNumber),
  fn('simple_strtoul', simpleNumber),
  fn('simple_strtoll', simpleSigned),
  fn('simple_strtol', simpleSigned),
];
