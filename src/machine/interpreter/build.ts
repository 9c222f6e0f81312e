import { FAST_NAMES, FAST_TYPES, fastBodies, type FastName } from '../fpu/fast.ts';
import { kindsBase, shadowBase, watchBytes } from '../layout.ts';
import { REGION_PARAMS, REGION_RESULTS } from '../region_exit.ts';
import { FuncBody } from '../wasm/encoder.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64, Op } from '../wasm/opcodes.ts';
import { runBody } from './run.ts';
import { checkPageFunction, groupPaFunction, loadFunction, refillFunction, storeFunction } from './tlb.ts';
import { cleanBytesFunction, watchedAmoFunction } from './watch.ts';

// The module of the interpreter, for a machine's memory.

/** The machine's helpers that regions call, too. */
export const HELPERS: readonly (readonly ['amoAddress' | 'fpu', readonly number[], readonly number[]])[] = [
  ['amoAddress', [I32, I32, I32, I32], [I32]],
  ['fpu', [I32, I32], []],
];

/** Builds the interpreter module: exports `run() -> i32` (the cause). `watched`: for a machine with a watcher. */
export function buildInterpreter(memoryBytes: number, fused: boolean, watched: boolean): Uint8Array {
  const watch = watched ? { shadow: shadowBase(memoryBytes), kinds: kindsBase(memoryBytes) } : null;
  const m = new ModuleBuilder();
  const imports = {
    fetchMiss: m.importFunc('fetchMiss', [I32, I32], [I32]),
    fetchHigh: m.importFunc('fetchHigh', [I32, I32], [I32]),
    expand: m.importFunc('expand', [I32], [I32]),
    slowLoad: m.importFunc('slowLoad', [I32, I32, I32], [I32]),
    slowStore: m.importFunc('slowStore', [I32, I32, I32], [I32]),
    amoAddress: m.importFunc('amoAddress', [I32, I32, I32, I32], [I32]),
    csr: m.importFunc('csr', [I32], [I32]),
    system: m.importFunc('system', [I32, I32], [I32]),
    fpu: m.importFunc('fpu', [I32, I32], []),
    promote: m.importFunc('promote', [I32, I32, I32], [I32]),
    improve: m.importFunc('improve', [I32, I32, I32], []),
    guardFailed: m.importFunc('guardFailed', [I32], []),
    profile: m.importFunc('profile', [I32, I32], []),
  };
  const sizes: readonly [number, number, number][] = [
    [1, Op.i64_load8_u, Op.i64_store8],
    [2, Op.i64_load16_u, Op.i64_store16],
    [4, Op.i64_load32_u, Op.i64_store32],
    [8, Op.i64_load, Op.i64_store],
  ];
  const refill = m.func([I64, I32], [I32]);
  m.define(refill, refillFunction(memoryBytes, watch));
  const load: Record<number, number> = {};
  const store: Record<number, number> = {};
  for (const [size, loadOp, storeOp] of sizes) {
    load[size] = m.func([I64], [I64]);
    m.define(load[size], loadFunction({ imports }, refill, loadOp, size, watch));
    m.exportFunc(`load${size}`, load[size]);
    store[size] = m.func([I64, I64], []);
    m.define(store[size], storeFunction({ imports }, refill, storeOp, size, watch));
    m.exportFunc(`store${size}`, store[size]);
  }
  const fast = {} as Record<FastName, number>;
  const bodies = fastBodies(fused, imports.fpu);
  for (const name of FAST_NAMES) {
    fast[name] = m.func(FAST_TYPES[name][0], FAST_TYPES[name][1]);
    m.define(fast[name], bodies[name]);
    m.exportFunc(name, fast[name]);
  }
  // Regions call the machine's helpers through these: an engine compiles a wrapper for each JavaScript import of each module.
  let amoAddress = imports.amoAddress;
  for (const [name, params, results] of HELPERS) {
    const func = m.func(params, results);
    if (watch !== null && name === 'amoAddress') {
      m.define(func, watchedAmoFunction(watch, refill, imports.amoAddress));
      amoAddress = func;
    } else {
      const body = new FuncBody(params.length);
      for (let i = 0; i < params.length; i++) body.get(i);
      m.define(func, body.call(imports[name]));
    }
    m.exportFunc(name, func);
  }
  const checkPage = m.func([I64, I32], [I32]);
  m.define(checkPage, checkPageFunction(refill));
  m.exportFunc('checkPage', checkPage);
  const groupPa = m.func([I64, I32, I32], [I32]);
  m.define(groupPa, groupPaFunction(refill, watch));
  m.exportFunc('groupPa', groupPa);
  if (watch !== null) {
    const cleanBytes = m.func([I32, I32], [I32]);
    m.define(cleanBytes, cleanBytesFunction(watch));
    m.exportFunc('cleanBytes', cleanBytes);
  }
  const run = m.func([], [I32]);
  m.define(run, runBody({ imports, load, store, fast, refill, amoAddress, fused }, m.typeOf(REGION_PARAMS, REGION_RESULTS)));
  m.exportFunc('run', run);
  m.exportTable(1);
  return m.encode((memoryBytes + (watched ? watchBytes(memoryBytes) : 0)) / 65536);
}
