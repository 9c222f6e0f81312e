import {
  block_device as BLOCK_DEVICE,
  clk as CLK,
  clk_core as CLK_CORE,
  dentry as DENTRY,
  file as FILE,
  gendisk as GENDISK,
  resource as RESOURCE,
  rtc_time as RTC_TIME,
} from '../../../abi/layout/structs.ts';
import { type FlagNames, GFP_FLAG_NAMES, PAGE_FLAG_FIELDS, PAGE_FLAG_NAMES, VMA_FLAG_NAMES } from '../../../abi/trace_flags.ts';
import { kernelString } from '../../mm/maccess.ts';
import { isDigit } from '../ctype.ts';
import {
  address,
  badPointer,
  type Context,
  DECIMAL,
  DECIMAL2,
  DECIMAL4,
  errorText,
  faultText,
  FLAGS,
  number,
  objectAt,
  plain,
  pointerAt,
  SMALL,
  SPECIAL,
  type Spec,
  stringAt,
  ZEROPAD,
} from './spec.ts';

// Kernel objects by pointer: %pR %pd %pD %pg %pC %pt %pG. Members are read where Linux's headers put them.

const IORESOURCE_IO = 0x100n;
const IORESOURCE_MEM = 0x200n;
const IORESOURCE_IRQ = 0x400n;
const IORESOURCE_DMA = 0x800n;
const IORESOURCE_BUS = 0x1000n;
const IORESOURCE_PREFETCH = 0x2000n;
const IORESOURCE_MEM_64 = 0x10_0000n;
const IORESOURCE_WINDOW = 0x20_0000n;
const IORESOURCE_DISABLED = 0x1000_0000n;
const IORESOURCE_UNSET = 0x2000_0000n;
const padded = (width: number, flags: number): Spec => ({ base: 16, width, precision: -1, flags });
const MEM_SPEC = padded(10, SPECIAL | SMALL | ZEROPAD);
const RESOURCE_TYPES: readonly (readonly [bigint, string, Spec])[] = [
  [IORESOURCE_IO, 'io  ', padded(6, SPECIAL | SMALL | ZEROPAD)],
  [IORESOURCE_MEM, 'mem ', MEM_SPEC],
  [IORESOURCE_IRQ, 'irq ', DECIMAL],
  [IORESOURCE_DMA, 'dma ', DECIMAL],
  [IORESOURCE_BUS, 'bus ', padded(2, SMALL | ZEROPAD)],
];
/** %pR with its flags in words, %pr with the flags as a number. */
export function resource(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, RESOURCE.sizeof, s);
  if (typeof o === 'string') return o;
  const start = o.getBigUint64(RESOURCE.start, true);
  const end = o.getBigUint64(RESOURCE.end, true);
  const flags = o.getBigUint64(RESOURCE.flags, true);
  const type = RESOURCE_TYPES.find(([mask]) => (flags & mask) !== 0n);
  const [, name, form] = type ?? [0n, '??? ', MEM_SPEC];
  const decode = fmt[0] === 'R' && type !== undefined;
  let text = `[${name}`;
  if (decode && (flags & IORESOURCE_UNSET) !== 0n) text += `size ${number(end - start + 1n, form)}`;
  else text += number(start, form) + (start === end ? '' : `-${number(end, form)}`);
  if (!decode) return plain(`${text} flags ${number(flags, FLAGS)}]`, s);
  for (const [mask, word] of [
    [IORESOURCE_MEM_64, '64bit'],
    [IORESOURCE_PREFETCH, 'pref'],
    [IORESOURCE_WINDOW, 'window'],
    [IORESOURCE_DISABLED, 'disabled'],
  ] as const)
    if ((flags & mask) !== 0n) text += ` ${word}`;
  return plain(`${text}]`, s);
}

const NAME_MAX = 256;
/** %pd, %pd2..%pd4: the last components of a dentry's path. */
export function dentryName(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const depth = fmt[1] === '2' || fmt[1] === '3' || fmt[1] === '4' ? Number(fmt[1]) : 1;
  const names: string[] = [];
  for (let d = ptr; names.length < depth; ) {
    const bad = badPointer(d, s);
    if (bad !== null) return bad;
    const parent = pointerAt(ctx, d, DENTRY.d_parent);
    const name = kernelString(ctx.k, address(pointerAt(ctx, d, DENTRY.d_name_name)), NAME_MAX);
    if (name === null) return faultText(ctx, d, s);
    // The root ends it; below it, it is the empty name before the first slash.
    names.push(parent === d && names.length > 0 ? '' : name);
    if (parent === d) break;
    d = parent;
  }
  return plain(names.reverse().join('/'), s);
}
/** %pD: the same of a struct file. */
export function fileName(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  return badPointer(ptr, s) ?? dentryName(ctx, fmt, pointerAt(ctx, ptr, FILE.f_path_dentry), s);
}

/** %pg: disk name and partition number, with a p between two digits. */
export function blockDevice(ctx: Context, _fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, BLOCK_DEVICE.bd_dev, s);
  if (typeof o === 'string') return o;
  const disk = o.getBigUint64(BLOCK_DEVICE.bd_disk, true);
  const name = kernelString(ctx.k, address(disk) + GENDISK.disk_name, 32);
  if (name === null) return faultText(ctx, disk, s);
  // The partition number is the low byte of __bd_flags.
  const part = o.getUint8(BLOCK_DEVICE.__bd_flags);
  if (part === 0) return plain(name, s);
  const separator = isDigit(name.charCodeAt(name.length - 1)) ? 'p' : '';
  return plain(name, s) + separator + number(BigInt(part), s);
}

/** %pC, %pCn: the name of a clock. */
export function clock(ctx: Context, _fmt: string, ptr: bigint, s: Spec): string {
  return badPointer(ptr, s) ?? stringAt(ctx, pointerAt(ctx, pointerAt(ctx, ptr, CLK.core), CLK_CORE.name), s);
}

/** Fields of struct tm and struct rtc_time. */
interface Tm {
  readonly sec: number;
  readonly min: number;
  readonly hour: number;
  readonly mday: number;
  readonly mon: number;
  readonly year: number;
}
const DAY = 86400n;
/** Seconds since 1970 to a date (time64_to_tm; days to civil after Hinnant's "chrono-Compatible Low-Level Date Algorithms"). */
function timeToTm(seconds: bigint): Tm {
  const rest = Number(((seconds % DAY) + DAY) % DAY);
  const days = Number((seconds - BigInt(rest)) / DAY) + 719468;
  const era = Math.floor(days / 146097);
  const doe = days - era * 146097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const mon = mp < 10 ? mp + 2 : mp - 10;
  return {
    sec: rest % 60,
    min: Math.floor(rest / 60) % 60,
    hour: Math.floor(rest / 3600),
    mday: doy - Math.floor((153 * mp + 2) / 5) + 1,
    mon,
    // tm_year is an int.
    year: (yoe + era * 400 + (mon <= 1 ? 1 : 0) - 1900) | 0,
  };
}
/** %ptR (struct rtc_time), %ptT (time64_t): d date only, t time only, r raw members, s a blank instead of the T. */
export function timeAndDate(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (fmt[1] !== 'R' && fmt[1] !== 'T') return badPointer(ptr, s) ?? errorText('(%pt?)', s);
  const o = objectAt(ctx, ptr, fmt[1] === 'R' ? RTC_TIME.sizeof : 8, s);
  if (typeof o === 'string') return o;
  const rtc = (offset: number) => o.getInt32(offset, true);
  const tm: Tm =
    fmt[1] === 'T'
      ? timeToTm(o.getBigInt64(0, true))
      : {
          sec: rtc(RTC_TIME.tm_sec),
          min: rtc(RTC_TIME.tm_min),
          hour: rtc(RTC_TIME.tm_hour),
          mday: rtc(RTC_TIME.tm_mday),
          mon: rtc(RTC_TIME.tm_mon),
          year: rtc(RTC_TIME.tm_year),
        };
  const only = fmt[2] === 'd' || fmt[2] === 't' ? fmt[2] : '';
  const rest = fmt.slice(2 + only.length);
  // r and s in either order.
  const raw = rest[0] === 'r' || (rest[0] === 's' && rest[1] === 'r');
  const blank = rest[0] === 's' || (rest[0] === 'r' && rest[1] === 's');
  const two = (n: number) => number(BigInt(n), DECIMAL2);
  const date = `${number(BigInt((tm.year + (raw ? 0 : 1900)) | 0), DECIMAL4)}-${two((tm.mon + (raw ? 0 : 1)) | 0)}-${two(tm.mday)}`;
  const time = `${two(tm.hour)}:${two(tm.min)}:${two(tm.sec)}`;
  return only === 'd' ? date : only === 't' ? time : date + (blank ? ' ' : 'T') + time;
}

function namedFlags(flags: bigint, names: FlagNames): string {
  const parts: string[] = [];
  for (const [mask, name] of names) {
    if ((flags & mask) !== mask) continue;
    parts.push(name);
    flags &= ~mask;
  }
  if (flags !== 0n) parts.push(number(flags, FLAGS));
  return parts.join('|');
}
/** Bits of the flags proper in page->flags (NR_PAGEFLAGS). */
const NR_PAGEFLAGS = 22;
/** %pGp (page flags), %pGv (VMA flags), %pGg (GFP flags), each passed by reference. */
export function flagNames(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, fmt[1] === 'p' || fmt[1] === 'v' ? 8 : 4, s);
  if (typeof o === 'string') return o;
  if (fmt[1] === 'v') return namedFlags(o.getBigUint64(0, true), VMA_FLAG_NAMES);
  if (fmt[1] === 'g') return namedFlags(BigInt(o.getUint32(0, true)), GFP_FLAG_NAMES);
  if (fmt[1] !== 'p') return errorText('(%pG?)', s);
  const flags = o.getBigUint64(0, true);
  const words = namedFlags(BigInt.asUintN(NR_PAGEFLAGS, flags), PAGE_FLAG_NAMES);
  const fields = PAGE_FLAG_FIELDS.map(
    ([name, shift, width, base]) => `${name}=${number(BigInt.asUintN(width, flags >> BigInt(shift)), base === 10 ? DECIMAL : FLAGS)}`,
  );
  return `${number(flags, FLAGS)}(${[...(words === '' ? [] : [words]), ...fields].join('|')})`;
}
