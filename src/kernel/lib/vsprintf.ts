import type { Kernel } from '../kernel.ts';
import { warnAt } from '../traps.ts';
import { isAlnum, isDigit } from './ctype.ts';
import type { VaList } from './va_list.ts';
import { pointer } from './vsprintf/pointer.ts';
import { type Context, LEFT, number, PLUS, SIGN, SMALL, SPACE, SPECIAL, type Spec, stringAt, ZEROPAD } from './vsprintf/spec.ts';

// vsnprintf for kernel code (lib/vsprintf.c; Documentation/core-api/printk-formats.rst). Formats and results are byte strings (latin1).

/** Bytes after which a result stops growing; no caller has room for more. */
const OUTPUT_MAX = 2 ** 25;
/** Conversions in one call, nested formats included. */
const BUDGET = 100_000;
const WIDTH_MAX = 2 ** 23 - 1;
const PRECISION_MAX = 2 ** 15 - 1;

export interface Formatted {
  readonly text: string;
  /** Address of the first argument or object that could not be read, where real hardware would have faulted; null when all was well. */
  readonly fault: number | null;
  /** The first conversion that the kernel has not (%f, %n), which ended the text; null when all are known. */
  readonly unsupported: string | null;
}

/** The text of a format and its arguments, as long as it gets: callers cut it to their buffer. The kernel says once that a conversion is unknown. */
export function vsnprintf(k: Kernel, fmt: string, args: VaList): string {
  const { text, unsupported } = vsnprintfChecked(k, fmt, args);
  if (unsupported !== null && !k.formatWarned && k.modules !== undefined) {
    k.formatWarned = true;
    warnAt(k, 'lib/vsprintf.c:2659', `Please remove unsupported %${unsupported} in format string`);
  }
  return text;
}
/** The same, and whether a bad pointer was followed. */
export function vsnprintfChecked(k: Kernel, fmt: string, args: VaList): Formatted {
  const ctx: Context = { k, budget: BUDGET, depth: 0, fault: null, unsupported: null };
  const text = formatInto(ctx, fmt, args);
  return { text, fault: ctx.fault ?? args.fault, unsupported: ctx.unsupported };
}

/** A C bit-field's value of an int. */
const field = (n: number, bits: number) => (n << (32 - bits)) >> (32 - bits);
const intOf = (slot: bigint) => Number(BigInt.asIntN(32, slot));
const clamp = (n: number, lo: number, hi: number) => Math.min(hi, Math.max(lo, n));

const FLAG_OF: Readonly<Record<string, number>> = { '-': LEFT, '+': PLUS, ' ': SPACE, '#': SPECIAL, '0': ZEROPAD };
/** Value of an integer argument for a qualifier: its bits as a 64-bit number. */
function integer(slot: bigint, qualifier: string, signed: boolean): bigint {
  const bits = qualifier === 'hh' ? 8 : qualifier === 'h' ? 16 : qualifier === '' ? 32 : 64;
  return signed ? BigInt.asIntN(bits, slot) : BigInt.asUintN(bits, slot);
}

/** One vsnprintf within a run. */
export function formatInto(ctx: Context, fmt: string, args: VaList): string {
  let out = '';
  let at = 0;
  const code = () => fmt.charCodeAt(at);
  const isDigitHere = () => at < fmt.length && isDigit(code());
  /** An int with C's wrap-around. */
  const digits = () => {
    let n = 0;
    for (; isDigitHere(); at++) n = (Math.imul(n, 10) + code() - 48) | 0;
    return n;
  };
  for (;;) {
    const percent = fmt.indexOf('%', at);
    out += percent < 0 ? fmt.slice(at) : fmt.slice(at, percent);
    if (percent < 0 || out.length > OUTPUT_MAX || ctx.budget-- <= 0) return out;
    at = percent + 1;
    let flags = 0;
    for (; at < fmt.length && fmt[at] in FLAG_OF; at++) flags |= FLAG_OF[fmt[at]];
    let width = -1;
    if (isDigitHere()) width = field(digits(), 24);
    else if (fmt[at] === '*') {
      at++;
      const n = clamp(intOf(args.next()), -WIDTH_MAX, WIDTH_MAX);
      if (at === fmt.length) return out;
      width = Math.abs(n);
      if (n < 0) flags |= LEFT;
    }
    let precision = -1;
    if (fmt[at] === '.') {
      at++;
      if (isDigitHere()) precision = Math.max(0, field(digits(), 16));
      else if (fmt[at] === '*') {
        at++;
        precision = clamp(intOf(args.next()), 0, PRECISION_MAX);
        if (at === fmt.length) return out;
      }
    }
    const qualifier = /(?:hh|h|ll|l|L|z|t)?/y;
    qualifier.lastIndex = at;
    const q = qualifier.exec(fmt)?.[0] ?? '';
    at += q.length;
    const conversion = fmt[at++];
    const s: Spec = { flags, width, precision, base: 10 };
    switch (conversion) {
      case 'c': {
        const c = String.fromCharCode(Number(args.next() & 0xffn));
        out += (flags & LEFT) !== 0 ? c.padEnd(width) : c.padStart(width);
        break;
      }
      case 's':
        out += stringAt(ctx, args.next(), s);
        break;
      case 'p': {
        let end = at;
        while (end < fmt.length && isAlnum(fmt.charCodeAt(end))) end++;
        out += pointer(ctx, fmt.slice(at, end), args.next(), s);
        at = end;
        break;
      }
      case '%':
        out += '%';
        break;
      case 'd':
      case 'i':
        out += number(integer(args.next(), q, true), { ...s, flags: flags | SIGN });
        break;
      case 'u':
        out += number(integer(args.next(), q, false), s);
        break;
      case 'o':
        out += number(integer(args.next(), q, false), { ...s, base: 8 });
        break;
      case 'x':
        out += number(integer(args.next(), q, false), { ...s, base: 16, flags: flags | SMALL });
        break;
      case 'X':
        out += number(integer(args.next(), q, false), { ...s, base: 16 });
        break;
      default:
        // %n and what is no conversion end the format: the arguments would be out of step.
        ctx.unsupported ??= conversion ?? '\0';
        return out;
    }
  }
}
