import type { FuncBody } from '../wasm/encoder.ts';
import { Op } from '../wasm/opcodes.ts';

// Whether hardware's result of an operation is the right one, with all its flags.

/** Pushes what of a result is compared with RESULT_BOUND: exponent and fraction above the sign, less two units of the exponent. */
export function resultShape(f: FuncBody, fmt: 0 | 1, d0: number, s0: number): void {
  if (fmt === 1) {
    f.get(d0).op(Op.i64_reinterpret_f64).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64);
    f.i32(1)
      .op(Op.i32_shl)
      .i32(-(2 << 21))
      .op(Op.i32_add);
  } else
    f.get(s0)
      .op(Op.i32_reinterpret_f32)
      .i32(1)
      .op(Op.i32_shl)
      .i32(-(2 << 24))
      .op(Op.i32_add);
}
/** (as unsigned) Exponents 2 to the last finite one: (2^11 - 3) << 21 of the upper word's bits, (2^8 - 3) << 24. */
export const RESULT_BOUND: Readonly<Record<0 | 1, number>> = { 1: (0x7fd << 21) | 0, 0: (0xfd << 24) | 0 };
