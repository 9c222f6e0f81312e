import { FuncBody } from '../wasm/encoder.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { F64, OpSimd } from '../wasm/opcodes.ts';

let answer: boolean | null = null;

/** True when the engine has relaxed SIMD and its multiply-add rounds once (fused): both are optional. */
export function hasFusedMadd(): boolean {
  if (answer !== null) return answer;
  const m = new ModuleBuilder();
  const f = new FuncBody(3);
  for (const x of [0, 1, 2]) f.get(x).simd(OpSimd.f64x2_splat);
  f.simd(OpSimd.f64x2_relaxed_madd).simd(OpSimd.f64x2_extract_lane, 0);
  const func = m.func([F64, F64, F64], [F64]);
  m.define(func, f);
  m.exportFunc('f', func);
  const bytes = m.encode(1) as BufferSource;
  answer = false;
  if (WebAssembly.validate(bytes)) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { m: memory } });
    const madd = instance.exports['f'] as (a: number, b: number, c: number) => number;
    // (1 + 2^-30)^2 - 1 - 2^-29 is 2^-60, which a product rounded by itself loses.
    const x = 1 + 2 ** -30;
    answer = madd(x, x, -(1 + 2 ** -29)) === 2 ** -60;
  }
  return answer;
}
