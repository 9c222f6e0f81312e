import { CAP_SYSLOG } from '../abi/sched.ts';
import type { Kernel } from './kernel.ts';
import { hex64 } from './lib/seq_file.ts';
import { findModuleAt, listModules, type Module } from './module/module.ts';

// Names of kernel addresses (kernel/kallsyms.c, kernel/module/kallsyms.c).

/** `S` name+0xoffset/0xsize, `s` the name only, `B` as for a return address: the call before it. */
export type SymbolStyle = 'S' | 's' | 'B';

interface Named {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly module: string | null;
}

/** The symbol at or before `addr`, of the kernel image or of a module. */
export function lookupSymbol(k: Kernel, addr: number): Named | null {
  if (k.modules === undefined) return null;
  const mod = findModuleAt(k, addr);
  if (mod !== null) return lookupInModule(mod, addr);
  const { byAddress } = k.modules;
  let [low, high] = [0, byAddress.length];
  while (low < high) {
    const mid = (low + high) >> 1;
    if (byAddress[mid].addr <= addr) low = mid + 1;
    else high = mid;
  }
  const symbol = low === 0 ? undefined : byAddress[low - 1];
  if (symbol === undefined || !symbol.isFunction || addr >= symbol.addr + symbol.size) return null;
  return { name: symbol.name, offset: addr - symbol.addr, size: symbol.size, module: null };
}
/** Labels of assembler and mapping symbols name nothing. */
function isMappingSymbol(name: string): boolean {
  return name.startsWith('.L') || name.startsWith('L0') || name.startsWith('$');
}
/** find_kallsyms_symbol: the last one before; its size reaches to the next one or to the end of the memory. */
function lookupInModule(mod: Module, addr: number): Named | null {
  const memory = mod.memory[mod.memoryAt(addr)];
  let best: { name: string; value: number } | null = null;
  let next = memory.base + memory.size;
  for (const s of mod.symbols) {
    if (s.name === '' || isMappingSymbol(s.name) || s.value < memory.base || s.value >= memory.base + memory.size) continue;
    if (s.value <= addr && (best === null || s.value > best.value)) best = s;
    if (s.value > addr && s.value < next) next = s.value;
  }
  return best === null ? null : { name: best.name, offset: addr - best.value, size: next - best.value, module: mod.name };
}

/** The text of %pS and its kin: an address without a name in hexadecimal. */
export function sprintSymbol(k: Kernel, va: number, style: SymbolStyle): string {
  const found = lookupSymbol(k, style === 'B' ? va - 1 : va);
  if (found === null) return `0x${BigInt.asUintN(64, BigInt(va)).toString(16)}`;
  const offset = found.offset + (style === 'B' ? 1 : 0);
  const place = style === 's' ? '' : `+0x${offset.toString(16)}/0x${found.size.toString(16)}`;
  return `${found.name}${place}${found.module === null ? '' : ` [${found.module}]`}`;
}
/** kallsyms_lookup_name: the kernel's own first; "module:name" asks one module. 0 when there is none. */
export function symbolByName(k: Kernel, name: string): number {
  const own = k.modules.symbols.get(name);
  if (own !== undefined) return own.addr;
  const [module, symbol] = name.includes(':') ? name.split(':') : [null, name];
  for (const mod of listModules(k)) {
    if (module !== null && mod.name !== module) continue;
    const found = mod.symbols.find((s) => s.name === symbol);
    if (found !== undefined) return found.value;
  }
  return 0;
}
/** kallsyms_show_value: may this task see where the kernel is? kernel.kptr_restrict 2 hides it from everybody. */
export function kallsymsShowValue(k: Kernel): boolean {
  return k.pointers.kptrRestrict < 2 && k.current.capable(CAP_SYSLOG);
}
/** /proc/kallsyms. */
export function showKallsyms(k: Kernel): string {
  const show = kallsymsShowValue(k);
  const address = (n: number) => (show ? hex64(n) : '0'.repeat(16));
  const lines = k.modules.byAddress.map((s) => `${address(s.addr)} ${letter(s.isFunction ? 't' : 'd', s.exported)} ${s.name}\n`);
  for (const mod of listModules(k))
    for (const s of mod.symbols)
      // Only __ksymtab is looked at (is_exported): symbols for GPL modules keep a small letter.
      lines.push(`${address(s.value)} ${letter(s.type, mod.exports.get(s.name)?.gpl === false)} ${s.name}\t[${mod.name}]\n`);
  return lines.join('');
}
const letter = (type: string, exported: boolean) => (exported ? type.toUpperCase() : type);
