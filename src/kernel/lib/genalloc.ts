import { ENOMEM } from '../../abi/errno.ts';
import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { gen_pool as POOL, gen_pool_chunk as CHUNK } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { askGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { exportAtStub, symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { bugInExport } from '../traps.ts';
import { size } from './access.ts';
import { Bits } from './bitmap.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from './guest_memory.ts';
import { initListHead, listAdd, listNodes } from './list.ts';

// Pools of memory that a driver hands out piece by piece (lib/genalloc.c): chunks with a bit for each 2^order bytes. Where in a chunk a piece goes, the
// pool's algorithm says: one of those below, or the module's.

const bitsOf = (k: Kernel, chunk: number, order: number) =>
  Math.ceil((load64(k, chunk + CHUNK.end_addr) + 1 - load64(k, chunk + CHUNK.start_addr)) / 2 ** order);
const chunksOf = (k: Kernel, pool: number) => listNodes(k, pool + POOL.chunks).map((node) => node - CHUNK.next_chunk);
const orderOf = (k: Kernel, pool: number) => load32(k, pool + POOL.min_alloc_order);
const chunkSize = (k: Kernel, chunk: number) => load64(k, chunk + CHUNK.end_addr) - load64(k, chunk + CHUNK.start_addr) + 1;
const mapAt = (k: Kernel, chunk: number, n: number) => new Bits(loadBytes(k, chunk + CHUNK.bits, Math.ceil(n / 64) * 8), n);

/** gen_pool_first_fit(map, size, start, nr, data, pool, start_addr): the lowest room, aligned in bits. */
function firstFit(k: Kernel, map: number, n: number, start: number, nr: number, alignMask = 0, offset = 0): number {
  const bits = new Bits(loadBytes(k, map, Math.ceil(size(n) / 64) * 8), size(n));
  return bits.zeroArea(start, nr, alignMask, offset);
}
function bestFit(k: Kernel, map: number, n: number, start: number, nr: number): number {
  const bits = new Bits(loadBytes(k, map, Math.ceil(size(n) / 64) * 8), size(n));
  let [best, smallest] = [size(n), size(n) + 1];
  for (let at = bits.zeroArea(start, nr, 0, 0); at < bits.n; ) {
    const end = bits.find(true, at + nr);
    if (end - at < smallest) [best, smallest] = [at, end - at];
    at = bits.zeroArea(end + 1, nr, 0, 0);
  }
  return best;
}

function addOwner(k: Kernel, pool: number, virt: number, phys: number, bytes: number, owner: number): number {
  const n = Math.floor(size(bytes) / 2 ** orderOf(k, pool));
  const chunk = kmalloc(k, CHUNK.sizeof + Math.ceil(n / 64) * 8, GFP_KERNEL | GFP_ZERO);
  if (chunk === 0) return -ENOMEM;
  store64(k, chunk + CHUNK.phys_addr, phys);
  store64(k, chunk + CHUNK.start_addr, virt);
  store64(k, chunk + CHUNK.end_addr, virt + size(bytes) - 1);
  store64(k, chunk + CHUNK.owner, owner);
  store64(k, chunk + CHUNK.avail, size(bytes));
  listAdd(k, chunk + CHUNK.next_chunk, pool + POOL.chunks);
  return 0;
}
/** gen_pool_alloc_algo_owner: from the first chunk with room; 0 when there is none. */
function alloc(k: Kernel, pool: number, bytes: number, algo: number, data: number, owner: number): number {
  const order = orderOf(k, pool);
  if (owner !== 0) store64(k, owner, 0);
  if (bytes === 0) return 0;
  const nr = Math.ceil(size(bytes) / 2 ** order);
  const own = exportAtStub(k, algo);
  const tried = [...((k.current.restart?.['chunks'] as readonly number[] | undefined) ?? [])];
  for (const chunk of chunksOf(k, pool)) {
    if (tried.includes(chunk) || size(bytes) > load64(k, chunk + CHUNK.avail)) continue;
    const n = Math.floor(chunkSize(k, chunk) / 2 ** order);
    const start = load64(k, chunk + CHUNK.start_addr);
    const args = [chunk + CHUNK.bits, n, 0, nr, data, pool] as const;
    let bit: number;
    if (own !== null) bit = Number(own.name.endsWith('align') ? aligned(k, own.name, args, start) : own.call(k, ...args));
    else {
      k.current.restart = { chunks: tried };
      const r = askGuest(k, algo, ...args, start);
      if (r === null) return BLOCKED;
      bit = size(r);
    }
    if (bit >= n || bit + nr > n) {
      tried.push(chunk);
      continue;
    }
    const map = mapAt(k, chunk, n);
    for (let i = bit; i < bit + nr; i++) map.set(i, true);
    storeBytes(k, chunk + CHUNK.bits, map.bytes);
    store64(k, chunk + CHUNK.avail, load64(k, chunk + CHUNK.avail) - nr * 2 ** order);
    if (owner !== 0) store64(k, owner, load64(k, chunk + CHUNK.owner));
    return start + bit * 2 ** order;
  }
  return 0;
}
type FitArgs = readonly [map: number, n: number, start: number, nr: number, data: number, pool: number];
/** Fits with an alignment: genpool_data_align's first member in bytes, or the size's own power of two. */
function aligned(k: Kernel, name: string, [map, n, start, nr, data, pool]: FitArgs, startAddr: number): number {
  if (name === 'gen_pool_first_fit_order_align') return firstFit(k, map, n, start, nr, 2 ** Math.ceil(Math.log2(nr)) - 1);
  const order = orderOf(k, pool);
  const align = load32(k, data);
  const mask = Math.max(0, Math.floor((align + 2 ** order - 1) / 2 ** order) - 1);
  const offset = ((startAddr % align) + align) % align;
  return firstFit(k, map, n, start, nr, mask, Math.floor(offset / 2 ** order));
}
function free(k: Kernel, pool: number, addr: number, bytes: number, owner: number): void {
  const order = orderOf(k, pool);
  if (owner !== 0) store64(k, owner, 0);
  const nr = Math.ceil(size(bytes) / 2 ** order);
  for (const chunk of chunksOf(k, pool)) {
    const start = load64(k, chunk + CHUNK.start_addr);
    if (addr < start || addr > load64(k, chunk + CHUNK.end_addr)) continue;
    const n = Math.floor(chunkSize(k, chunk) / 2 ** order);
    const first = Math.floor((addr - start) / 2 ** order);
    const map = mapAt(k, chunk, n);
    for (let i = first; i < first + nr; i++) {
      if (i >= n || !map.get(i)) {
        bugInExport(k);
        return;
      }
      map.set(i, false);
    }
    storeBytes(k, chunk + CHUNK.bits, map.bytes);
    store64(k, chunk + CHUNK.avail, load64(k, chunk + CHUNK.avail) + nr * 2 ** order);
    if (owner !== 0) store64(k, owner, load64(k, chunk + CHUNK.owner));
    return;
  }
  bugInExport(k);
}
const sum = (k: Kernel, pool: number, of: (chunk: number) => number) => chunksOf(k, pool).reduce((n, chunk) => n + of(chunk), 0);

export const genallocExports: readonly FunctionExport[] = [
  fn('gen_pool_create', (k, order) => {
    const pool = kmalloc(k, POOL.sizeof, GFP_KERNEL);
    if (pool === 0) return 0;
    storeBytes(k, pool, new Uint8Array(POOL.sizeof));
    initListHead(k, pool + POOL.chunks);
    store32(k, pool + POOL.min_alloc_order, order);
    store64(k, pool + POOL.algo, symbolAddress(k, 'gen_pool_first_fit'));
    return pool;
  }),
  fn('gen_pool_add_owner', addOwner),
  fn('gen_pool_virt_to_phys', (k, pool, addr) => {
    for (const chunk of chunksOf(k, pool)) {
      const start = load64(k, chunk + CHUNK.start_addr);
      if (addr >= start && addr <= load64(k, chunk + CHUNK.end_addr)) return load64(k, chunk + CHUNK.phys_addr) + (addr - start);
    }
    return -1;
  }),
  // The owner of a pool gives everything back first: what is still out is a BUG.
  fn('gen_pool_destroy', (k, pool) => {
    for (const chunk of chunksOf(k, pool)) {
      const n = bitsOf(k, chunk, orderOf(k, pool));
      if (mapAt(k, chunk, n).find(true) < n) {
        bugInExport(k);
        return;
      }
      kfree(k, chunk);
    }
    kfree(k, pool);
  }),
  fn('gen_pool_alloc_algo_owner', alloc),
  fn('gen_pool_free_owner', free),
  // gen_pool_for_each_chunk(pool, func, data): void func(pool, chunk, data)
  fn('gen_pool_for_each_chunk', (k, pool, func, data) => {
    const done = [...((k.current.restart?.['chunks'] as readonly number[] | undefined) ?? [])];
    for (const chunk of chunksOf(k, pool)) {
      if (done.includes(chunk)) continue;
      k.current.restart = { chunks: [...done] };
      if (askGuest(k, func, pool, chunk, data) === null) return BLOCKED;
      done.push(chunk);
    }
    return undefined;
  }),
  fn('gen_pool_has_addr', (k, pool, addr, bytes) => {
    const inside = chunksOf(k, pool).some((c) => addr >= load64(k, c + CHUNK.start_addr) && addr + size(bytes) - 1 <= load64(k, c + CHUNK.end_addr));
    return inside ? 1 : 0;
  }),
  fn('gen_pool_avail', (k, pool) => sum(k, pool, (chunk) => load64(k, chunk + CHUNK.avail))),
  fn('gen_pool_size', (k, pool) => sum(k, pool, (chunk) => chunkSize(k, chunk))),
  fn('gen_pool_set_algo', (k, pool, algo, data) => {
    store64(k, pool + POOL.algo, algo === 0 ? symbolAddress(k, 'gen_pool_first_fit') : algo);
    store64(k, pool + POOL.data, data);
  }),
  fn('gen_pool_first_fit', (k, map, n, start, nr) => firstFit(k, map, n, start, nr)),
  fn('gen_pool_first_fit_align', (k, map, n, start, nr, data, pool) => aligned(k, 'gen_pool_first_fit_align', [map, n, start, nr, data, pool], k.machine.regs.get(16))),
  fn('gen_pool_first_fit_order_align', (k, map, n, start, nr, data, pool) =>
    aligned(k, 'gen_pool_first_fit_order_align', [map, n, start, nr, data, pool], 0),
  ),
  fn('gen_pool_best_fit', (k, map, n, start, nr) => bestFit(k, map, n, start, nr)),
];
