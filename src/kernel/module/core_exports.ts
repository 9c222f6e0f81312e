import type { Kernel } from '../kernel.ts';
import { kernelString, readKernel64, writeKernelBytes } from '../mm/maccess.ts';
import { bytesOf } from '../lib/bytes.ts';
import { listAddText, listDelText } from '../lib/list_text.ts';
import { hex64 } from '../lib/seq_file.ts';
import { callArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { sprintSymbol, symbolByName } from '../kallsyms.ts';
import { dumpStack } from '../stacktrace.ts';
import { CUT_HERE } from '../traps.ts';
import { type FunctionExport, fast, fn, partial } from './export.ts';
import { modulePut, tryModuleGet } from './module.ts';

// Exports of kernel/module, kernel/panic.c, kernel/kallsyms.c and lib/list_debug.c: references on modules, reports, and the checks that inline code
// calls when something is wrong.

const KSYM_SYMBOL_LEN = 600;
const LIST_POISON1 = hexAddress('dead000000000100');
const LIST_POISON2 = hexAddress('dead000000000122');
function hexAddress(digits: string): bigint {
  return BigInt.asIntN(64, BigInt(`0x${digits}`));
}
const moduleAt = (k: Kernel, addr: number) => k.modules.byAddr.get(addr) ?? null;

/** What CHECK_DATA_CORRUPTION prints before its WARN. */
function listCorruption(k: Kernel, text: string): number {
  k.printk.log(4, CUT_HERE);
  k.printk.log(1, text);
  return 0;
}
/** __list_add_valid_or_report(new, prev, next): 1 when the neighbours know each other. */
function listAddValid(k: Kernel, node: number, prev: number, next: number): number {
  const p = () => hex64(prev);
  const n = () => hex64(next);
  if (prev === 0) return listCorruption(k, 'list_add corruption. prev is NULL.');
  if (next === 0) return listCorruption(k, 'list_add corruption. next is NULL.');
  const back = readKernel64(k, next + 8);
  if (back !== prev) return listCorruption(k, `list_add corruption. next->prev should be prev (${p()}), but was ${hex64(back ?? 0)}. (next=${n()}).`);
  const forward = readKernel64(k, prev);
  if (forward !== next) return listCorruption(k, `list_add corruption. prev->next should be next (${n()}), but was ${hex64(forward ?? 0)}. (prev=${p()}).`);
  if (node === prev || node === next) return listCorruption(k, `list_add double add: new=${hex64(node)}, prev=${p()}, next=${n()}.`);
  return 1;
}
function listDelValid(k: Kernel, entry: number): number {
  const next = readKernel64(k, entry);
  const prev = readKernel64(k, entry + 8);
  const e = () => hex64(entry);
  if (next === 0) return listCorruption(k, `list_del corruption, ${e()}->next is NULL`);
  if (prev === 0) return listCorruption(k, `list_del corruption, ${e()}->prev is NULL`);
  if (next === Number(LIST_POISON1)) return listCorruption(k, `list_del corruption, ${e()}->next is LIST_POISON1 (dead000000000100)`);
  if (prev === Number(LIST_POISON2)) return listCorruption(k, `list_del corruption, ${e()}->prev is LIST_POISON2 (dead000000000122)`);
  const forward = readKernel64(k, prev ?? 0);
  if (forward !== entry) return listCorruption(k, `list_del corruption. prev->next should be ${e()}, but was ${hex64(forward ?? 0)}. (prev=${hex64(prev ?? 0)})`);
  const back = readKernel64(k, (next ?? 0) + 8);
  if (back !== entry) return listCorruption(k, `list_del corruption. next->prev should be ${e()}, but was ${hex64(back ?? 0)}. (next=${hex64(next ?? 0)})`);
  return 1;
}

export const coreExports: readonly FunctionExport[] = [
  fn('try_module_get', (k, mod) => {
    const m = moduleAt(k, mod);
    return mod === 0 || (m !== null && tryModuleGet(m)) ? 1 : 0;
  }),
  fn('__module_get', (k, mod) => {
    const m = moduleAt(k, mod);
    if (m !== null) m.refcount += 1;
  }),
  fn('module_put', (k, mod) => {
    const m = moduleAt(k, mod);
    if (m !== null) modulePut(m);
  }),
  fn('module_refcount', (k, mod) => moduleAt(k, mod)?.refcount ?? -1),
  fn('dump_stack', (k) => {
    dumpStack(k, k.current);
    return undefined;
  }),
  fn('panic', (k, fmt) => {
    k.panic(vsnprintf(k, kernelString(k, fmt, 1024) ?? '', callArguments(k, 1)).replace(/\n$/, ''));
  }),
  fn('__stack_chk_fail', (k) => {
    k.panic(`stack-protector: Kernel stack is corrupted in: ${sprintSymbol(k, k.machine.regs.get(1), 'B')}`);
  }),
  // The text before the WARN that follows as an ebreak in the module.
  fn('__warn_printk', (k, fmt) => {
    k.printk.log(4, CUT_HERE);
    k.printk.vprintk(kernelString(k, fmt, 1024) ?? '', callArguments(k, 1));
  }),
  fast('__list_add_valid_or_report', listAddText, listAddValid),
  fast('__list_del_entry_valid_or_report', listDelText, listDelValid),
  // Linux stopped exporting it in 5.7; modules for older kernels still ask.
  fn('kallsyms_lookup_name', (k, name) => symbolByName(k, kernelString(k, name, 512) ?? '')),
  fn('sprint_symbol', (k, buffer, addr) => {
    const text = sprintSymbol(k, addr, 'S').slice(0, KSYM_SYMBOL_LEN);
    writeKernelBytes(k, buffer, bytesOf(`${text}\0`));
    return text.length;
  }),
  partial('add_taint', 'always leaves lock debugging on', (k, flag) => {
    k.tainted |= 1 << flag;
  }),
];
