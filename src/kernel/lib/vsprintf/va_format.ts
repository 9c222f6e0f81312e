import { va_format as VA_FORMAT } from '../../../abi/layout/structs.ts';
import { kernelString } from '../../mm/maccess.ts';
import { vaListArguments } from '../va_list.ts';
import { formatInto } from '../vsprintf.ts';
import { address, type Context, faultText, objectAt, pointerAt, type Spec } from './spec.ts';

const FORMAT_MAX = 0x1_0000;
/** How deep %pV may stand in %pV. The kernel stack would end not much later. */
const DEPTH_MAX = 16;

/** %pV: a format and a pointer to its va_list, formatted in place. */
export function vaFormat(ctx: Context, _fmt: string, ptr: bigint, s: Spec): string {
  const o = objectAt(ctx, ptr, VA_FORMAT.sizeof, s);
  if (typeof o === 'string') return o;
  const fmt = kernelString(ctx.k, address(o.getBigUint64(VA_FORMAT.fmt, true)), FORMAT_MAX);
  if (fmt === null || ctx.depth >= DEPTH_MAX) return faultText(ctx, ptr, s);
  const args = vaListArguments(ctx.k, address(pointerAt(ctx, o.getBigUint64(VA_FORMAT.va, true), 0)));
  ctx.depth++;
  const text = formatInto(ctx, fmt, args);
  ctx.depth--;
  ctx.fault ??= args.fault;
  return text;
}
