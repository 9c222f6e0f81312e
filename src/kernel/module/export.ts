import type { Kernel } from '../kernel.ts';

// Rows of the table of exported symbols: what modules can import. Each subsystem lists its own beside its code; module/exports.ts gathers them.

/**
 * An exported function: arguments a0..a5 as signed numbers (exact for addresses and below 2^53; machine.regs has the exact values and a6, a7), the
 * result goes to a0: a value, a negative errno, undefined for void, or BLOCKED: not finished, to be called again after the wake-up.
 */
export type ExportedCall = (
  k: Kernel,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
) => number | bigint | undefined;

/** The same without a result. */
export type ExportedAction = (k: Kernel, a0: number, a1: number, a2: number, a3: number, a4: number, a5: number) => void;

/** How much of Linux's function is there (rule 8). */
export type SupportLevel = 'full' | 'partial';

/** Machine code of an exported function for its ordinary case; what it does not do it leaves to an ecall at its end, with all arguments in place. */
export interface ExportText {
  /** lib/assembler.ts. */
  readonly source: string;
  readonly constants: (k: Kernel) => Readonly<Record<string, number>>;
}
export interface FunctionExport {
  readonly name: string;
  readonly call: ExportedCall;
  readonly level: SupportLevel;
  /** What is missing when partial. */
  readonly note?: string;
  readonly text?: ExportText;
  /** Has an address (a table of operations points to it) but no module can import it. */
  readonly internal?: boolean;
}
/** An exported object: lives in the kernel image, at Linux's layout. */
export interface DataExport {
  readonly name: string;
  /** Makes the object; guest address of it. */
  readonly place: (k: Kernel) => number;
  /** Structures of the kernel point to it, but no module can import it. */
  readonly internal?: boolean;
}
export interface ExportedSymbol {
  readonly name: string;
  /** Guest address: a stub or an object. */
  readonly addr: number;
  readonly size: number;
  readonly isFunction: boolean;
  /** EXPORT_SYMBOL_GPL. */
  readonly gpl: boolean;
  /** Of Module.symvers; null where Linux does not export it. */
  readonly crc: number | null;
  /** False for functions that only have an address. */
  readonly exported: boolean;
}

/** A row for a function that is all there. */
export function fn(name: string, call: ExportedCall | ExportedAction): FunctionExport {
  return { name, call: call as ExportedCall, level: 'full' };
}
/** The same with machine code for the ordinary case. */
export function fast(name: string, text: ExportText, call: ExportedCall | ExportedAction): FunctionExport {
  return { ...fn(name, call), text };
}
/** A row for one with a gap. */
export function partial(name: string, note: string, call: ExportedCall | ExportedAction): FunctionExport {
  return { name, call: call as ExportedCall, level: 'partial', note };
}
/** A function that has an address, which guest structures hold, but that no module can import. */
export function internal(name: string, call: ExportedCall): FunctionExport {
  return { name, call, level: 'full', internal: true };
}
