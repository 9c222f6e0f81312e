import { _ddebug as DD } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { callArguments, vaListArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { kernelString, readKernel32, readKernel64, readKernel8 } from '../mm/maccess.ts';
import { type FunctionExport, fn } from '../module/export.ts';

// What kernel/printk exports.

/** A format in guest memory; Linux would oops on a wild one, here the call prints what can be read of it. */
const FORMAT_MAX = 4096;
const formatAt = (k: Kernel, fmt: number) => kernelString(k, fmt, FORMAT_MAX) ?? '';

/** _DPRINTK_FLAGS_INCL_* in front of a pr_debug message (dynamic_emit_prefix). */
export function debugPrefix(k: Kernel, descriptor: number): string {
  const flags = readKernel8(k, descriptor + DD.flags) ?? 0;
  const string = (offset: number) => kernelString(k, readKernel64(k, descriptor + offset) ?? 0, 256) ?? '';
  let prefix = '';
  if ((flags & 0x10) !== 0) prefix += `[${k.current.pid}] `;
  if ((flags & 0x02) !== 0) prefix += `${string(DD.modname)}:`;
  if ((flags & 0x20) !== 0) prefix += `${string(DD.filename)}:`;
  if ((flags & 0x04) !== 0) prefix += `${string(DD.function)}:`;
  if ((flags & 0x08) !== 0) prefix += `${(readKernel32(k, descriptor + DD.lineno) ?? 0) & 0x3ffff}:`;
  return (flags & 0x2e) !== 0 ? `${prefix} ` : prefix;
}
export const printkExports: readonly FunctionExport[] = [
  fn('_printk', (k, fmt) => k.printk.vprintk(formatAt(k, fmt), callArguments(k, 1))),
  fn('__dynamic_pr_debug', (k, descriptor, fmt) => {
    const text = `${debugPrefix(k, descriptor)}${vsnprintf(k, formatAt(k, fmt), callArguments(k, 2))}`;
    k.printk.log(7, text.replace(/\n$/, ''));
    return undefined;
  }),
  fn('vprintk', (k, fmt, args) => k.printk.vprintk(formatAt(k, fmt), vaListArguments(k, args))),
];
