import type { Kernel } from './kernel.ts';

// Names of kernel addresses (kernel/kallsyms.c).

/** `S` name+0xoffset/0xsize, `s` the name only, `B` as for a return address: the call before it. */
export type SymbolStyle = 'S' | 's' | 'B';

/** The text of %pS and its kin: an address without a name in hexadecimal. */
export function sprintSymbol(_k: Kernel, va: number, _style: SymbolStyle): string {
  return `0x${BigInt.asUintN(64, BigInt(va)).toString(16)}`;
}
