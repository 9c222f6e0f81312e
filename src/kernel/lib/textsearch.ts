import { EEXIST, EINVAL, ENOENT } from '../../abi/errno.ts';
import { ts_config as CONFIG, ts_ops as OPS, ts_state as STATE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kfree } from '../mm/slab_exports.ts';
import { askGuest, callGuest } from '../module/call.ts';
import { type DataExport, type FunctionExport, fn, internal } from '../module/export.ts';
import { requestModule } from '../module/kmod.ts';
import { modulePut, tryModuleGet } from '../module/module.ts';
import { symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { text } from './access.ts';
import { load32, load64, store32, store64, storeBytes } from './guest_memory.ts';
import { imageListHead, listAddTail, listDel, listNodes } from './list.ts';

// Search for a pattern in text that comes in pieces (lib/textsearch.c): algorithms that modules register (Knuth-Morris-Pratt, Boyer-Moore, an automaton).

const TS_AUTOLOAD = 1;
const NAME_MAX = 16;
/** struct ts_linear_state in ts_state.cb: length, then the text. */
const LINEAR_LENGTH = STATE.cb;
const LINEAR_DATA = STATE.cb + 8;

const list = (k: Kernel) => symbolAddress(k, 'ts_ops');
const allOps = (k: Kernel) => listNodes(k, list(k)).map((node) => node - OPS.list);
const nameOf = (k: Kernel, ops: number) => text(k, load64(k, ops + OPS.name), NAME_MAX);
const ownerOf = (k: Kernel, ops: number) => k.modules.byAddr.get(load64(k, ops + OPS.owner)) ?? null;
const isError = (addr: number) => addr < 0 && addr >= -4095;

function register(k: Kernel, ops: number): number {
  if ([OPS.name, OPS.find, OPS.init, OPS.get_pattern, OPS.get_pattern_len].some((at) => load64(k, ops + at) === 0)) return -EINVAL;
  if (allOps(k).some((o) => nameOf(k, o) === nameOf(k, ops))) return -EEXIST;
  listAddTail(k, ops + OPS.list, list(k));
  return 0;
}
function unregister(k: Kernel, ops: number): number {
  if (!allOps(k).includes(ops)) return -ENOENT;
  listDel(k, ops + OPS.list);
  return 0;
}
function lookup(k: Kernel, name: string): number {
  for (const ops of allOps(k)) {
    if (nameOf(k, ops) !== name) continue;
    const owner = ownerOf(k, ops);
    return owner !== null && !tryModuleGet(owner) ? 0 : ops;
  }
  return 0;
}
/** textsearch_prepare(algo, pattern, len, gfp, flags): a struct ts_config that the algorithm made. */
function prepare(k: Kernel, algo: number, pattern: number, length: number, gfp: number, flags: number): number {
  if (length === 0) return -EINVAL;
  const name = text(k, algo, NAME_MAX);
  let ops = (k.current.restart?.['ops'] as number | undefined) ?? 0;
  if (ops === 0) {
    ops = k.current.restart === null ? lookup(k, name) : 0;
    if (ops === 0 && (flags & TS_AUTOLOAD) !== 0) {
      if (requestModule(k, `ts_${name}`) === BLOCKED) return BLOCKED;
      ops = lookup(k, name);
    }
    if (ops === 0) return -ENOENT;
  }
  k.current.restart = { ops };
  const config = askGuest(k, load64(k, ops + OPS.init), pattern, length, gfp, flags);
  if (config === null) return BLOCKED;
  if (isError(config)) {
    const owner = ownerOf(k, ops);
    if (owner !== null) modulePut(owner);
    return config;
  }
  store64(k, config + CONFIG.ops, ops);
  return config;
}
function find(k: Kernel, config: number, state: number): number {
  const { restart } = k.current;
  if (restart?.['finishing'] === undefined) {
    if (restart === null) store32(k, state + STATE.offset, 0);
    k.current.restart = { finding: true };
    const r = askGuest(k, load64(k, load64(k, config + CONFIG.ops) + OPS.find), config, state);
    if (r === null) return BLOCKED;
    k.current.restart = { finishing: r | 0 };
  }
  const found = k.current.restart?.['finishing'] as number;
  const finish = load64(k, config + CONFIG.finish);
  return finish !== 0 && callGuest(k, finish, config, state) === null ? BLOCKED : found;
}

export const textsearchExports: readonly FunctionExport[] = [
  fn('textsearch_register', register),
  fn('textsearch_unregister', unregister),
  fn('textsearch_prepare', prepare),
  fn('textsearch_find_continuous', (k, config, state, data, length) => {
    if (k.current.restart === null) {
      store64(k, config + CONFIG.get_next_block, symbolAddress(k, 'get_linear_data'));
      store32(k, state + LINEAR_LENGTH, length);
      const address = new DataView(new ArrayBuffer(8));
      address.setBigInt64(0, BigInt(data), true);
      storeBytes(k, state + LINEAR_DATA, new Uint8Array(address.buffer));
    }
    return find(k, config, state);
  }),
  fn('textsearch_destroy', (k, config) => {
    const ops = load64(k, config + CONFIG.ops);
    if (ops !== 0) {
      const destroy = load64(k, ops + OPS.destroy);
      if (destroy !== 0 && callGuest(k, destroy, config) === null) return BLOCKED;
      const owner = ownerOf(k, ops);
      if (owner !== null) modulePut(owner);
    }
    kfree(k, config);
    return undefined;
  }),
  // (consumed, dst, conf, state): the rest of the one piece.
  internal('get_linear_data', (k, consumed, dst, _config, state) => {
    const length = load32(k, state + LINEAR_LENGTH);
    if (consumed >>> 0 >= length) return 0;
    store64(k, dst, load64(k, state + LINEAR_DATA) + (consumed >>> 0));
    return length - (consumed >>> 0);
  }),
];
export const textsearchDataExports: readonly DataExport[] = [
  {
    name: 'ts_ops',
    internal: true,
    place: imageListHead,
  },
];
