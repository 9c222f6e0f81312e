import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { callArguments, type VaList, vaListArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { SYMBOL_BEGIN, SYMBOL_END, traceWrite } from './trace.ts';

// trace_printk and its kin (kernel/trace/trace_printk.c).

/** TRACE_BUF_SIZE. */
const TEXT_MAX = 1024;
const FORMAT_MAX = 4096;

const BANNER = `
**********************************************************
**   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE   **
**                                                      **
** trace_printk() being used. Allocating extra memory.  **
**                                                      **
** This means that this is a DEBUG kernel and it is     **
** unsafe for production use.                           **
**                                                      **
** If you see this message and you are not debugging    **
** the kernel, report this immediately to your vendor!  **
**                                                      **
**   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE   **
**********************************************************`;
/** trace_printk_init_buffers: at the first module that has formats of trace_printk. */
export function tracePrintkModule(k: Kernel): void {
  if (k.trace.bannerSaid) return;
  k.trace.bannerSaid = true;
  for (const line of BANNER.split('\n')) k.printk.log(4, line);
}

function write(k: Kernel, ip: number, out: string): number {
  const cut = out.slice(0, TEXT_MAX - 1);
  return traceWrite(k, ip, cut) ? cut.length : 0;
}
const formatted = (k: Kernel, ip: number, fmt: number, args: VaList) => write(k, ip, vsnprintf(k, text(k, fmt, FORMAT_MAX), args));
/** trace_vbprintk keeps the arguments: names of addresses are looked up when the entry is read. */
function binary(k: Kernel, ip: number, fmt: number, args: VaList): number {
  const late = text(k, fmt, FORMAT_MAX).replace(/%%|%p([Ss])/g, (m, style) => (m === '%%' ? m : `${SYMBOL_BEGIN}${style}%llx${SYMBOL_END}`));
  return write(k, ip, vsnprintf(k, late, args));
}
/** __trace_puts: one newline at its end. */
function puts(k: Kernel, ip: number, str: number, size: number): number {
  const out = text(k, str, FORMAT_MAX).slice(0, size | 0);
  return traceWrite(k, ip, out.endsWith('\n') ? out : `${out}\n`) ? size | 0 : 0;
}
export const traceExports: readonly FunctionExport[] = [
  fn('__trace_bprintk', (k, ip, fmt) => binary(k, ip, fmt, callArguments(k, 2))),
  fn('__ftrace_vbprintk', (k, ip, fmt, ap) => binary(k, ip, fmt, vaListArguments(k, ap))),
  fn('__trace_printk', (k, ip, fmt) => formatted(k, ip, fmt, callArguments(k, 2))),
  fn('__ftrace_vprintk', (k, ip, fmt, ap) => formatted(k, ip, fmt, vaListArguments(k, ap))),
  fn('__trace_bputs', (k, ip, str) => write(k, ip, text(k, str, FORMAT_MAX))),
  fn('__trace_puts', puts),
  fn('tracing_on', (k) => {
    k.trace.on = true;
  }),
  fn('tracing_off', (k) => {
    k.trace.on = false;
  }),
  fn('tracing_is_on', (k) => (k.trace.on ? 1 : 0)),
];
