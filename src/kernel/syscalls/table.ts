import type { Kernel } from '../kernel.ts';

/**
 * A system call: arguments are a0..a5 as signed numbers (`| 0` for an int, `>>> 0` for an unsigned int), the result goes to a0:
 * a value, a negative errno, or BLOCKED.
 */
export type SyscallHandler = (k: Kernel, a0: number, a1: number, a2: number, a3: number, a4: number, a5: number) => number;

/** Honest tables (rule 8). */
export interface SyscallRow {
  readonly nr: number;
  readonly name: string;
  readonly handler: SyscallHandler;
  readonly support: 'full' | 'partial';
  /** What is missing when partial. */
  readonly note?: string;
}
