import { setFlagsFromString } from 'node:v8';

/** Engine switches that speed translated code up where the engine has them (shared facts on RISC-V to WebAssembly, section 2). */
export function enableEngineFeatures(): void {
  for (const flag of ['--experimental-wasm-branch-hinting', '--experimental-wasm-relaxed-simd']) {
    try {
      setFlagsFromString(flag);
    } catch {
      // An engine without the flag runs the same code without the hint.
    }
  }
}
