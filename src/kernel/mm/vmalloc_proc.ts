import type { Kernel } from '../kernel.ts';
import { sprintSymbol } from '../kallsyms.ts';
import { slotArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';

/** /proc/vmallocinfo: what lies in the vmalloc and module areas, by address. */
export function showVmallocinfo(k: Kernel): string {
  const text = (va: number) => vsnprintf(k, '0x%pK', slotArguments([BigInt(va)]));
  let out = '';
  for (const a of [...k.mm.vmalloc.areas, ...k.mm.modules.areas].sort((x, y) => x.addr - y.addr)) {
    out += `${text(a.addr)}-${text(a.addr + a.size)} ${String(a.size).padStart(7)} ${typeof a.caller === 'string' ? a.caller : sprintSymbol(k, a.caller, 'S')}`;
    if (a.kind === 'vmalloc' || a.kind === 'user' || a.kind === 'vmap') out += a.kind === 'vmap' ? '' : ` pages=${a.pages}`;
    out += a.kind === 'user' ? ' vmalloc user' : ` ${a.kind}`;
    if (a.kind === 'vmalloc' || a.kind === 'user') out += ` N0=${a.pages}`;
    out += '\n';
  }
  return out;
}
