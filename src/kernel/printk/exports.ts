import type { Kernel } from '../kernel.ts';
import { callArguments, vaListArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { kernelString } from '../mm/maccess.ts';
import { type FunctionExport, fn } from '../module/export.ts';

// What kernel/printk exports.

/** A format in guest memory; Linux would oops on a wild one, here the call prints what can be read of it. */
const FORMAT_MAX = 4096;
const formatAt = (k: Kernel, fmt: number) => kernelString(k, fmt, FORMAT_MAX) ?? '';

export const printkExports: readonly FunctionExport[] = [
  fn('_printk', (k, fmt) => k.printk.emit(0, null, vsnprintf(k, formatAt(k, fmt), callArguments(k, 1)))),
  fn('vprintk', (k, fmt, args) => k.printk.emit(0, null, vsnprintf(k, formatAt(k, fmt), vaListArguments(k, args)))),
];
