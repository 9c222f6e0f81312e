import { isAlpha } from '../ctype.ts';
import { hex2 } from './bytes.ts';
import { type Context, errorText, number, objectAt, plain, type Spec } from './spec.ts';

// Hardware and internet addresses: %pM %pm %pI %pi.

/** %pM (colons; MF dashes), %pm (nothing between); R in reverse order. */
export function macAddress(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, 6, s);
  if (typeof o === 'string') return o;
  const bytes = Array.from({ length: 6 }, (_, i) => hex2(o.getUint8(fmt[1] === 'R' ? 5 - i : i)));
  return plain(bytes.join(fmt[0] !== 'M' ? '' : fmt[1] === 'F' ? '-' : ':'), s);
}

/** Four decimals; `order` h and l say that the first byte is the last. */
function ip4(o: DataView, at: number, leadingZeros: boolean, order: string): string {
  const bytes = [0, 1, 2, 3].map((i) => String(o.getUint8(at + (order === 'h' || order === 'l' ? 3 - i : i))));
  return (leadingZeros ? bytes.map((b) => b.padStart(3, '0')) : bytes).join('.');
}
function ip6Plain(o: DataView, at: number, separator: string): string {
  return Array.from({ length: 8 }, (_, i) => hex2(o.getUint8(at + 2 * i)) + hex2(o.getUint8(at + 2 * i + 1))).join(separator);
}
/** RFC 5952: the longest run of zeros (the first of equals, at least two words) becomes `::`; mapped and ISATAP addresses end as IPv4. */
function ip6Compressed(o: DataView, at: number): string {
  const words = Array.from({ length: 8 }, (_, i) => o.getUint16(at + 2 * i));
  const mapped = words.slice(0, 5).every((w) => w === 0) && words[5] === 0xffff;
  const isatap = (words[4] | 0x200) === 0x200 && words[5] === 0x5efe;
  const tail = mapped || isatap ? [ip4(o, at + 12, false, '')] : [];
  const head = tail.length > 0 ? words.slice(0, 6) : words;
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < head.length; i++) {
    let n = 0;
    while (i + n < head.length && head[i + n] === 0) n++;
    if (n > bestLength) {
      best = i;
      bestLength = n;
    }
  }
  const text = (from: number, to: number) => head.slice(from, to).map((w) => w.toString(16));
  if (best < 0) return [...text(0, 8), ...tail].join(':');
  return `${text(0, best).join(':')}::${[...text(best + bestLength, 8), ...tail].join(':')}`;
}

const AF_INET = 2;
const AF_INET6 = 10;
const FLOWINFO_MASK = 0x0fff_ffff;
/** Size of struct sockaddr_in6. */
const SOCKADDR_IN6 = 28;
/** %pIS, %piS: a socket address with its port (p), flow (f) and scope (s); c compresses, hnbl order IPv4. */
function socketAddress(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const family = objectAt(ctx, ptr, 2, s);
  if (typeof family === 'string') return family;
  const af = family.getUint16(0, true);
  if (af !== AF_INET && af !== AF_INET6) return errorText('(einval)', s);
  const o = objectAt(ctx, ptr, af === AF_INET ? 8 : SOCKADDR_IN6, s);
  if (typeof o === 'string') return o;
  let options = '';
  for (let i = 2; i < fmt.length && isAlpha(fmt.charCodeAt(i)); i++) options += fmt[i];
  const has = (letter: string) => options.includes(letter);
  const port = has('p') ? `:${number(BigInt(o.getUint16(2)), s)}` : '';
  if (af === AF_INET) {
    const order = /[hlnb](?!.*[hlnb])/.exec(options)?.[0] ?? '';
    return plain(ip4(o, 4, fmt[0] === 'i', order) + port, s);
  }
  const flow = has('f') ? `/${number(BigInt(o.getUint32(4) & FLOWINFO_MASK), s)}` : '';
  const scope = has('s') ? `%${number(BigInt(o.getUint32(24, true)), s)}` : '';
  const text = fmt[0] === 'I' && has('c') ? ip6Compressed(o, 8) : ip6Plain(o, 8, fmt[0] === 'I' ? ':' : '');
  return plain(has('p') || has('f') || has('s') ? `[${text}]${port}${flow}${scope}` : text, s);
}

/** %pI4, %pI6, %pIS and their plain forms %pi. */
export function internetAddress(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  if (fmt[1] === 'S') return socketAddress(ctx, fmt, ptr, s);
  const size = fmt[1] === '6' ? 16 : fmt[1] === '4' ? 4 : 0;
  const o = objectAt(ctx, ptr, size, s);
  if (typeof o === 'string') return o;
  if (size === 4) return plain(ip4(o, 0, fmt[0] === 'i', fmt[2] ?? ''), s);
  if (size === 0) return errorText(`(%p${fmt[0]}?)`, s);
  if (fmt[0] === 'i') return plain(ip6Plain(o, 0, ''), s);
  return plain(fmt[2] === 'c' ? ip6Compressed(o, 0) : ip6Plain(o, 0, ':'), s);
}
