import { I32, I64 } from './wasm/opcodes.ts';

// What the interpreter and regions agree on.

/** A region: (va of its page, budget in instructions) -> RegionExit; pc and what is left of the budget are in the state block afterwards. */
export const REGION_PARAMS: readonly number[] = [I64, I32];
export const REGION_RESULTS: readonly number[] = [I32];
export const RegionExit = {
  /** Goes on at pc: reached by a forward transfer, or by a backward or indirect one, where the slice may end. */
  FORWARD: 0,
  BACKWARD: 1,
  /** As BACKWARD, by an indirect transfer that the region does not follow: STATE_SITE says which. */
  INDIRECT: 2,
  /** STATE_CAUSE and STATE_TVAL tell. */
  FAULT: 3,
  /** The instruction at pc is for the interpreter. */
  INTERPRET: 4,
  /** Nothing was done: the region's pages are not mapped as they were when it was made. */
  GUARD: 5,
} as const;
