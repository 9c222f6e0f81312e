import type { FastName } from '../fpu/fast.ts';

// What the code of the interpreter calls.

/** Imports that the machine provides to the interpreter module. */
export interface InterpreterImports {
  readonly m: WebAssembly.Memory;
  /** TLB miss of an instruction fetch at va; 0 = fault (STATE_CAUSE set), else the TLB holds the page. */
  fetchMiss(lo: number, hi: number): number;
  /** The upper halfword of an instruction at the page boundary; -1 = fault. */
  fetchHigh(lo: number, hi: number): number;
  /** The 32-bit instruction for halfword `half`, 0 when illegal; the table has it from then on. */
  expand(half: number): number;
  /** A load or store that missed the TLB: value through SLOW_VALUE; 0 = fault. */
  slowLoad(lo: number, hi: number, size: number): number;
  slowStore(lo: number, hi: number, size: number): number;
  /** Physical address for an atomic access, or -1 = fault. */
  amoAddress(lo: number, hi: number, size: number, write: number): number;
  csr(insn: number): number;
  system(what: number, insn: number): number;
  fpu(op: number, rm: number): void;
  /** A jump target (physical pc | mode, and the pc) became hot; 1 = it has a translation now. */
  promote(tag: number, lo: number, hi: number): number;
  /** The region of a jump target (physical pc | mode, and the pc) has used its fuel: it may be worth a better translation. */
  improve(tag: number, lo: number, hi: number): void;
  /** The region of a jump target does not hold in this address space. */
  guardFailed(tag: number): void;
  /** An indirect transfer (physical pc) went so often that many bytes away. */
  profile(site: number, distance: number): void;
}

/** Function indices in the module. */
export interface Shared {
  readonly imports: Readonly<Record<Exclude<keyof InterpreterImports, 'm'>, number>>;
  /** Own functions (va i64) -> i64 by size, and (va i64, value i64). */
  readonly load: Readonly<Record<number, number>>;
  readonly store: Readonly<Record<number, number>>;
  readonly fast: Readonly<Record<FastName, number>>;
  readonly refill: number;
  /** (lo, hi, size, write) -> physical address, or -1. */
  readonly amoAddress: number;
  readonly fused: boolean;
}
