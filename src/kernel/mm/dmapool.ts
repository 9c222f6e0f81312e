import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { dma_pool as POOL } from '../../abi/layout/structs.ts';
import { dmaAlloc, dmaFree } from '../dma/mapping.ts';
import { addDevres, releaseSteps } from '../drivers/base/devres.ts';
import { deviceLog } from '../drivers/base/dev_printk.ts';
import type { KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { load64, loadString, store32, store64, storeBytes } from '../lib/guest_memory.ts';
import { bytesOf } from '../lib/bytes.ts';
import { type FunctionExport, fn, internal } from '../module/export.ts';
import { runSteps } from '../module/steps.ts';
import { symbolAddress } from '../module/stubs.ts';
import { PAGE_SIZE, virtToPhys } from './address.ts';
import { kfree, kmalloc } from './slab_exports.ts';

// Small pieces of coherent memory (mm/dmapool.c). Free blocks are linked through their first words, as in Linux; what a pool is, is in struct dma_pool.

const NAME_MAX = 32;
const INT_MAX = 0x7fff_ffff;
/** struct dma_block: next free block, device address. */
const MIN_SIZE = 16;

export interface DmaPool {
  readonly dev: number;
  readonly name: string;
  /** Bytes of a block, of one allocation, and the multiple that no block may cross. */
  readonly size: number;
  readonly allocation: number;
  readonly boundary: number;
  /** Kernel addresses of its pages. */
  readonly pages: number[];
  blocks: number;
  active: number;
}
/** The file `pools` of a device while it has any. */
function updateFile(k: Kernel, dev: number): void {
  const dir = k.drivers.model.dirs.get(dev);
  if (dir === undefined) return;
  const file = dir.children.get('pools');
  const any = poolsOf(k, dev).length > 0;
  if (any && file === undefined) k.sysfs.createFile(dir, 'pools', 0o444, { show }, dev);
  else if (!any && file !== undefined) k.sysfs.remove(file);
}
const poolsOf = (k: Kernel, dev: number) => [...k.mm.dmaPools.values()].filter((p) => p.dev === dev).reverse();
function show(k: Kernel, node: KernfsNode): string {
  const pad = (n: number, width: number) => String(n).padStart(width);
  const rows = poolsOf(k, node.data as number).map(
    (p) => `${p.name.padEnd(16)} ${pad(p.active, 4)} ${pad(p.blocks, 4)} ${pad(p.size, 4)} ${pad(p.pages.length, 2)}\n`,
  );
  return `poolinfo - 0.1\n${rows.join('')}`;
}
/** The members of struct dma_pool that say how full it is. */
function publish(k: Kernel, at: number, p: DmaPool): void {
  store64(k, at + POOL.nr_blocks, p.blocks);
  store64(k, at + POOL.nr_active, p.active);
  store64(k, at + POOL.nr_pages, p.pages.length);
}
function create(k: Kernel, nameVa: number, dev: number, bytes: number, alignment: number, boundaryWanted: number): number {
  if (dev === 0) return 0;
  const align = alignment === 0 ? 1 : alignment;
  if ((align & (align - 1)) !== 0 || bytes <= 0 || bytes > INT_MAX) return 0;
  const size = Math.ceil(Math.max(bytes, MIN_SIZE) / align) * align;
  const allocation = Math.max(size, PAGE_SIZE);
  if (boundaryWanted !== 0 && (boundaryWanted < size || (boundaryWanted & (boundaryWanted - 1)) !== 0)) return 0;
  const boundary = boundaryWanted === 0 ? allocation : Math.min(boundaryWanted, allocation);
  const at = kmalloc(k, POOL.sizeof, GFP_KERNEL | GFP_ZERO);
  if (at === 0) return 0;
  const name = loadString(k, nameVa, NAME_MAX).slice(0, NAME_MAX - 1);
  store64(k, at + POOL.dev, dev);
  store32(k, at + POOL.size, size);
  store32(k, at + POOL.allocation, allocation);
  store32(k, at + POOL.boundary, boundary);
  storeBytes(k, at + POOL.name, bytesOf(`${name}\0`));
  k.mm.dmaPools.set(at, { dev, name, size, allocation, boundary, pages: [], blocks: 0, active: 0 });
  updateFile(k, dev);
  return at;
}
/** pool_initialise_page: a page's blocks come before those that are free. */
function addPage(k: Kernel, at: number, p: DmaPool, gfp: number): boolean {
  const handle = at + POOL.page_list;
  const va = dmaAlloc(k, p.dev, p.allocation, handle, gfp, 0);
  if (va === 0) return false;
  let next = p.boundary;
  const blocks: number[] = [];
  for (let offset = 0; offset + p.size <= p.allocation; offset += p.size) {
    if (offset + p.size > next) {
      offset = next;
      next += p.boundary;
      if (offset + p.size > p.allocation) break;
    }
    blocks.push(va + offset);
  }
  const rest = load64(k, at + POOL.next_block);
  blocks.forEach((block, i) => {
    store64(k, block, blocks[i + 1] ?? rest);
    store64(k, block + 8, virtToPhys(block));
  });
  store64(k, at + POOL.next_block, blocks[0]);
  p.pages.push(va);
  p.blocks += blocks.length;
  return true;
}
function alloc(k: Kernel, at: number, gfp: number, handle: number): number {
  const p = k.mm.dmaPools.get(at);
  if (p === undefined) return 0;
  if (load64(k, at + POOL.next_block) === 0 && !addPage(k, at, p, gfp & ~GFP_ZERO)) return 0;
  const block = load64(k, at + POOL.next_block);
  store64(k, at + POOL.next_block, load64(k, block));
  store64(k, handle, load64(k, block + 8));
  p.active++;
  publish(k, at, p);
  if ((gfp & GFP_ZERO) !== 0 || k.mm.slab.slub.initOnAlloc) storeBytes(k, block, new Uint8Array(p.size));
  return block;
}
function free(k: Kernel, at: number, block: number, dma: number): void {
  const p = k.mm.dmaPools.get(at);
  if (p === undefined) return;
  store64(k, block, load64(k, at + POOL.next_block));
  store64(k, block + 8, dma);
  store64(k, at + POOL.next_block, block);
  p.active--;
  publish(k, at, p);
}
function destroy(k: Kernel, at: number): void {
  const p = at === 0 ? undefined : k.mm.dmaPools.get(at);
  if (p === undefined) return;
  k.mm.dmaPools.delete(at);
  updateFile(k, p.dev);
  // Blocks that are in use stay where they are.
  if (p.active !== 0) deviceLog(k, 3, p.dev, `dma_pool_destroy ${p.name} busy`);
  else for (const va of p.pages) dmaFree(k, p.allocation, va);
  kfree(k, at);
}

export const dmaPoolExports: readonly FunctionExport[] = [
  fn('dma_pool_create', create),
  fn('dma_pool_alloc', alloc),
  fn('dma_pool_free', free),
  fn('dma_pool_destroy', destroy),
  fn('dmam_pool_create', (k, name, dev, size, align, boundary) => {
    const pool = create(k, name, dev, size, align, boundary);
    if (pool !== 0) addDevres(k, dev, { data: pool, memory: 0, release: symbolAddress(k, 'dmam_pool_release'), action: false });
    return pool;
  }),
  internal('dmam_pool_release', (k, _dev, pool) => {
    destroy(k, pool);
    return 0;
  }),
  fn('dmam_pool_destroy', (k, pool) =>
    runSteps(k, () => {
      const dev = load64(k, pool + POOL.dev);
      const list = k.drivers.model.devices.get(dev)?.devres ?? [];
      const release = symbolAddress(k, 'dmam_pool_release');
      const i = list.findLastIndex((r) => r.release === release && r.data === pool);
      return i < 0 ? 0 : releaseSteps(dev, list.splice(i, 1)[0]);
    }),
  ),
];
