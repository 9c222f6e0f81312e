import { pointerText, restrictedPointer, errorPointer, hiddenPointer, symbol, userOrKernelString } from './address.ts';
import { addressValue, bitmap, escapedString, fourcc, hexString, netdevBits, uuid } from './bytes.ts';
import { deviceNode, fwnode } from './device_node.ts';
import { internetAddress, macAddress } from './network.ts';
import { blockDevice, clock, dentryName, fileName, flagNames, resource, timeAndDate } from './objects.ts';
import { type Context, errorText, type Spec } from './spec.ts';
import { vaFormat } from './va_format.ts';

/** A kind of %p: `fmt` is what follows the p (letters and digits only), `ptr` the argument. */
type PointerKind = (ctx: Context, fmt: string, ptr: bigint, s: Spec) => string;

/** By the first letter after %p (Documentation/core-api/printk-formats.rst). */
const KINDS: Readonly<Record<string, PointerKind>> = {
  S: symbol,
  s: symbol,
  B: symbol,
  R: resource,
  r: resource,
  h: hexString,
  b: bitmap,
  M: macAddress,
  m: macAddress,
  I: internetAddress,
  i: internetAddress,
  E: escapedString,
  U: uuid,
  V: vaFormat,
  K: (ctx, _fmt, ptr, s) => restrictedPointer(ctx, ptr, s),
  N: netdevBits,
  '4': fourcc,
  a: addressValue,
  d: dentryName,
  t: timeAndDate,
  C: clock,
  D: fileName,
  g: blockDevice,
  G: flagNames,
  O: (ctx, fmt, ptr, s) => (fmt[1] === 'F' ? deviceNode(ctx, fmt, ptr, s) : errorText('(%pO?)', s)),
  f: fwnode,
  A: (_ctx, _fmt, _ptr, s) => errorText('(%pA?)', s),
  x: (_ctx, _fmt, ptr, s) => pointerText(ptr, s),
  e: (ctx, _fmt, ptr, s) => errorPointer(ctx, ptr, s),
  u: userOrKernelString,
  k: userOrKernelString,
};

/** The text of a %p conversion. */
export function pointer(ctx: Context, fmt: string, ptr: bigint, s: Spec): string {
  const kind = fmt === '' ? undefined : KINDS[fmt[0]];
  return kind === undefined ? hiddenPointer(ctx, ptr, s) : kind(ctx, fmt, ptr, s);
}
