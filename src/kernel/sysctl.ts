import { EINVAL } from '../abi/errno.ts';
import { ctl_table as CTL } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';
import { bytesOf, stringOf } from './lib/bytes.ts';
import { load32, load64, load8, loadBytes, loadString, store32, store64, storeBytes } from './lib/guest_memory.ts';
import { readKernelBig, writeKernel32, writeKernelBig } from './mm/maccess.ts';
import { type DataExport, type FunctionExport, fn } from './module/export.ts';
import { imageObject } from './module/stubs.ts';

// Handlers of sysctls in guest memory: numbers, lists of numbers and strings to and from text (kernel/sysctl.c). A handler has (table, write, buffer,
// &length, &position); it leaves in length what it took or made.

const HZ = 250;
const PAGE_SIZE = 4096;
const INT_MAX = 0x7fff_ffff;
const UINT_MAX = 0xffff_ffff;
/** TMPBUFLEN - 1: longer numbers are none. */
const NUMBER_MAX = 21;
const U64_MAX = (1n << 64n) - 1n;
const SPACES = ' \t\n';

/** The five arguments of a handler, loaded. */
interface Call {
  readonly k: Kernel;
  readonly table: number;
  readonly write: boolean;
  readonly buffer: number;
  readonly lenp: number;
  readonly ppos: number;
  readonly data: number;
  readonly maxlen: number;
  readonly length: number;
  readonly position: number;
}
function callOf(k: Kernel, table: number, write: number, buffer: number, lenp: number, ppos: number): Call {
  const data = load64(k, table + CTL.data);
  const maxlen = load32(k, table + CTL.maxlen) | 0;
  return { k, table, write: write !== 0, buffer, lenp, ppos, data, maxlen, length: load64(k, lenp), position: load64(k, ppos) };
}
/** Nothing to move: no variable, no room, or a read behind the end. */
function nothing(c: Call): boolean {
  if (c.data !== 0 && c.maxlen !== 0 && c.length > 0 && (c.position === 0 || c.write)) return false;
  store64(c.k, c.lenp, 0);
  return true;
}
function finish(c: Call, moved: number): void {
  store64(c.k, c.lenp, moved);
  store64(c.k, c.ppos, c.position + moved);
}

/** One number at `at` of a text, as proc_get_long reads it: sign, digits in any base of C, then a space or the end. Null = none. */
function getLong(text: string, at: number): { value: bigint; negative: boolean; next: number } | null {
  const m = /^(-?)(0[xX][0-9a-fA-F]+|[0-9]+)/.exec(text.slice(at, at + NUMBER_MAX));
  if (m === null) return null;
  const digits = m[2];
  // In octal the digits end at an 8 or a 9.
  const octal = /^0[0-7]*/.exec(digits)?.[0] ?? '';
  const isHex = /^0[xX]/.test(digits);
  const used = isHex || digits[0] !== '0' ? digits : octal;
  const value = isHex ? BigInt(digits) : used.length > 1 && used[0] === '0' ? BigInt(`0o${used.slice(1)}`) : BigInt(used);
  const next = at + m[1].length + used.length;
  if (value > U64_MAX || next - at >= NUMBER_MAX) return null;
  if (next < text.length && !SPACES.includes(text[next])) return null;
  return { value, negative: m[1] === '-', next };
}
function skipSpaces(text: string, at: number): number {
  let i = at;
  while (i < text.length && (SPACES.includes(text[i]) || '\v\f\r'.includes(text[i]))) i++;
  return i;
}
/** The text that is written, as far as it is looked at. */
function written(c: Call): string {
  return stringOf(loadBytes(c.k, c.buffer, Math.min(c.length, PAGE_SIZE - 1))).split('\0')[0];
}
function emit(c: Call, text: string): void {
  const out = text.slice(0, c.length);
  storeBytes(c.k, c.buffer, bytesOf(out));
  finish(c, out.length);
}

/** A kind of number: its size in memory, its text, and what a written value becomes (null = refused). */
interface Kind {
  readonly size: 4 | 8;
  readonly show: (raw: bigint) => string;
  readonly parse: (value: bigint, negative: boolean) => bigint | null;
}
const asInt = (raw: bigint) => BigInt.asIntN(32, raw);
function int(value: bigint, negative: boolean): bigint | null {
  if (negative) return value > BigInt(INT_MAX) + 1n ? null : -value;
  return value > BigInt(INT_MAX) ? null : value;
}
const INT: Kind = { size: 4, show: (raw) => String(asInt(raw)), parse: int };
const UINT: Kind = { size: 4, show: (raw) => String(BigInt.asUintN(32, raw)), parse: (v, negative) => (negative || v > BigInt(UINT_MAX) ? null : v) };
const SECONDS: Kind = {
  size: 4,
  show: (raw) => String(asInt(raw) / BigInt(HZ)),
  parse: (v, negative) => (v > BigInt(Math.floor(INT_MAX / HZ)) ? null : (negative ? -v : v) * BigInt(HZ)),
};
const MILLISECONDS: Kind = {
  size: 4,
  show: (raw) => String((asInt(raw) * 1000n) / BigInt(HZ)),
  parse: (v, negative) => {
    const jiffies = negative ? BigInt(INT_MAX) + 1n : (v * BigInt(HZ) + 999n) / 1000n;
    return jiffies > BigInt(INT_MAX) ? null : jiffies;
  },
};
/** Clock ticks of user space (100 a second). */
const USER_HZ: Kind = {
  size: 4,
  show: (raw) => String((asInt(raw) * 100n) / BigInt(HZ)),
  parse: (v, negative) => (v > BigInt(Math.floor(INT_MAX / HZ)) * 100n ? null : ((negative ? -v : v) * BigInt(HZ)) / 100n),
};
const ULONG: Kind = { size: 8, show: (raw) => String(BigInt.asUintN(64, raw)), parse: (v) => v };
const MS_LONG: Kind = {
  size: 8,
  show: (raw) => String((BigInt.asUintN(64, raw) * 1000n) / BigInt(HZ)),
  parse: (v) => (v * BigInt(HZ)) / 1000n,
};
interface Bounds {
  readonly min: bigint | null;
  readonly max: bigint | null;
}
function boundsOf(k: Kernel, table: number, kind: Kind, signed: boolean): Bounds {
  const bound = (member: number) => {
    const at = load64(k, table + member);
    if (at === 0) return null;
    if (kind.size === 8) return BigInt.asUintN(64, readKernelBig(k, at) ?? 0n);
    const raw = load32(k, at);
    return BigInt(signed ? raw | 0 : raw);
  };
  return { min: bound(CTL.extra1), max: bound(CTL.extra2) };
}
const outside = (v: bigint, b: Bounds) => (b.min !== null && v < b.min) || (b.max !== null && v > b.max);
const NO_BOUNDS: Bounds = { min: null, max: null };
function loadNumber(k: Kernel, at: number, kind: Kind): bigint {
  return kind.size === 8 ? (readKernelBig(k, at) ?? 0n) : BigInt(load32(k, at));
}
function storeNumber(k: Kernel, at: number, kind: Kind, value: bigint): void {
  if (kind.size === 8) writeKernelBig(k, at, BigInt.asIntN(64, value));
  else store32(k, at, Number(BigInt.asUintN(32, value)));
}

/** __do_proc_dointvec and __do_proc_doulongvec_minmax: as many numbers as the variable has, or fewer. */
function vector(c: Call, kind: Kind, bounds: Bounds): number {
  const { k } = c;
  if (nothing(c)) return 0;
  const count = Math.floor(c.maxlen / kind.size);
  if (!c.write) {
    const numbers = Array.from({ length: count }, (_, i) => kind.show(loadNumber(k, c.data + i * kind.size, kind)));
    emit(c, `${numbers.join('\t')}\n`);
    return 0;
  }
  // kernel.sysctl_writes_strict: only what is written at the start counts.
  if (c.position !== 0) {
    finish(c, c.length);
    return 0;
  }
  const text = written(c);
  let at = 0;
  let error = 0;
  let done = 0;
  for (; done < count; done++) {
    at = skipSpaces(text, at);
    if (at >= text.length) break;
    const n = getLong(text, at);
    const value = n === null ? null : kind.parse(n.value, n.negative);
    if (n === null || value === null || outside(value, bounds)) {
      error = -EINVAL;
      break;
    }
    at = n.next;
    if (kind.size === 8 && n.negative) done--; // passed over
    else storeNumber(k, c.data + done * kind.size, kind, value);
  }
  if (error === 0) at = skipSpaces(text, at);
  if (done === 0) return error || -EINVAL;
  finish(c, at);
  return error;
}
/** do_proc_douintvec: one number, all or nothing. */
function single(c: Call, kind: Kind, bounds: Bounds): number {
  const { k } = c;
  if (nothing(c)) return 0;
  if (Math.floor(c.maxlen / 4) !== 1) {
    store64(k, c.lenp, 0);
    return -EINVAL;
  }
  if (!c.write) {
    emit(c, `${kind.show(loadNumber(k, c.data, kind))}\n`);
    return 0;
  }
  if (c.position !== 0) {
    finish(c, c.length);
    return 0;
  }
  const text = written(c);
  const n = getLong(text, skipSpaces(text, 0));
  const value = n === null ? null : kind.parse(n.value, n.negative);
  if (value === null || outside(value, bounds)) return -EINVAL;
  storeNumber(k, c.data, kind, value);
  return 0;
}
/** A variable of one byte through an unsigned int. */
function byte(c: Call, bounds: Bounds, stored: (value: bigint) => number = (value) => Number(value & 255n)): number {
  const { k } = c;
  if (c.maxlen !== 1) return -EINVAL;
  const box = load64(k, c.table + CTL.data);
  if (!c.write) {
    if (nothing(c)) return 0;
    emit(c, `${load8(k, box)}\n`);
    return 0;
  }
  if (nothing(c)) return 0;
  if (c.position !== 0) {
    finish(c, c.length);
    return 0;
  }
  const text = written(c);
  const n = getLong(text, skipSpaces(text, 0));
  const value = n === null ? null : UINT.parse(n.value, n.negative);
  if (value === null || outside(value, bounds)) return -EINVAL;
  storeBytes(k, box, Uint8Array.of(stored(value)));
  return 0;
}
function string(c: Call): number {
  const { k } = c;
  if (c.data === 0 || c.maxlen === 0 || c.length === 0) {
    store64(k, c.lenp, 0);
    return 0;
  }
  const had = loadString(k, c.data, c.maxlen);
  if (!c.write) {
    if (c.position > had.length) {
      store64(k, c.lenp, 0);
      return 0;
    }
    const rest = had.slice(c.position, c.position + c.length);
    emit(c, rest.length < c.length ? `${rest}\n` : rest);
    return 0;
  }
  // Writes go on where the last one ended, not past the end.
  const from = Math.min(had.length, c.maxlen - 1);
  if (c.position > from) return 0;
  const text = written(c).split('\n')[0].slice(0, c.maxlen - 1 - c.position);
  storeBytes(k, c.data + c.position, bytesOf(`${text}\0`));
  store64(k, c.ppos, c.position + c.length);
  return 0;
}

type Handler = (c: Call) => number;
const handler = (name: string, run: Handler) =>
  fn(name, (k, table, write, buffer, lenp, ppos) => run(callOf(k, table, write, buffer, lenp, ppos)));
export const sysctlExports: readonly FunctionExport[] = [
  handler('proc_dointvec', (c) => vector(c, INT, NO_BOUNDS)),
  handler('proc_dointvec_minmax', (c) => vector(c, INT, boundsOf(c.k, c.table, INT, true))),
  handler('proc_dointvec_jiffies', (c) => vector(c, SECONDS, NO_BOUNDS)),
  handler('proc_dointvec_ms_jiffies', (c) => vector(c, MILLISECONDS, NO_BOUNDS)),
  handler('proc_dointvec_userhz_jiffies', (c) => vector(c, USER_HZ, NO_BOUNDS)),
  handler('proc_doulongvec_minmax', (c) => vector(c, ULONG, boundsOf(c.k, c.table, ULONG, false))),
  handler('proc_doulongvec_ms_jiffies_minmax', (c) => vector(c, MS_LONG, boundsOf(c.k, c.table, MS_LONG, false))),
  handler('proc_douintvec', (c) => single(c, UINT, NO_BOUNDS)),
  handler('proc_douintvec_minmax', (c) => single(c, UINT, boundsOf(c.k, c.table, UINT, false))),
  handler('proc_dou8vec_minmax', (c) => {
    const b = boundsOf(c.k, c.table, UINT, false);
    return byte(c, { min: b.min ?? 0n, max: b.max ?? 255n });
  }),
  handler('proc_dobool', (c) => byte(c, NO_BOUNDS, (value) => (value === 0n ? 0 : 1))),
  handler('proc_dostring', string),
];
/** sysctl_vals: 0 to 4, 100, 200, 1000, 3000, INT_MAX, 65535, -1. */
const VALUES = [0, 1, 2, 3, 4, 100, 200, 1000, 3000, INT_MAX, 65535, -1];
export const sysctlDataExports: readonly DataExport[] = [
  {
    name: 'sysctl_vals',
    place(k) {
      const at = imageObject(k, VALUES.length * 4, 8);
      VALUES.forEach((v, i) => {
        writeKernel32(k, at + i * 4, v);
      });
      return at;
    },
  },
  {
    name: 'sysctl_long_vals',
    place(k) {
      const at = imageObject(k, 24, 8);
      [0n, 1n, (1n << 63n) - 1n].forEach((v, i) => {
        writeKernelBig(k, at + i * 8, v);
      });
      return at;
    },
  },
];
