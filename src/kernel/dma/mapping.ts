import { EIO } from '../../abi/errno.ts';
import { GFP_COMP, GFP_DMA, GFP_DMA32, GFP_HIGHMEM, GFP_NOWARN, GFP_ZERO } from '../../abi/gfp.ts';
import { device as DEV, scatterlist as SG } from '../../abi/layout/structs.ts';
import { addDevres, releaseSteps } from '../drivers/base/devres.ts';
import { driverString, deviceName } from '../drivers/base/dev_printk.ts';
import type { Kernel } from '../kernel.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { load32, load64, loadBig, store32, store64, storeBig } from '../lib/guest_memory.ts';
import { pageToVirt, sgEntries, sgLength, sgVirt, virtToPage } from '../lib/scatterlist.ts';
import { PAGE_SIZE, virtToPhys } from '../mm/address.ts';
import { allocPagesFor, freePagesAt } from '../mm/page_exports.ts';
import { getOrder } from '../mm/slab_cache.ts';
import { type FunctionExport, fn, internal } from '../module/export.ts';
import { symbolAddress } from '../module/stubs.ts';
import { runSteps } from '../module/steps.ts';
import { bugInExport, warnAt } from '../traps.ts';

// DMA as on a machine whose devices are coherent (kernel/dma/mapping.c, direct.c): addresses for devices are physical ones.

/** DMA_MAPPING_ERROR: all ones. */
const MAPPING_ERROR = -1;
const DMA_NONE = 3;
const MASK_32 = 0xffff_ffffn;
const DMA_ATTR_NO_WARN = 1 << 8;
/** struct dma_devres: size, cpu address, device address, attributes. */
const DEVRES = { size: 0, vaddr: 8, handle: 16, attrs: 24, sizeof: 32 } as const;

const lastByte = (k: Kernel) => BigInt(k.ram.size - PAGE_SIZE);
const coherentMask = (k: Kernel, dev: number) => BigInt.asUintN(64, loadBig(k, dev + DEV.coherent_dma_mask));
function streamingMask(k: Kernel, dev: number): bigint {
  const at = load64(k, dev + DEV.dma_mask);
  return at === 0 ? 0n : BigInt.asUintN(64, loadBig(k, at));
}
/** dma_direct_supported: 32 bits always do, for there is memory below. */
const supported = (k: Kernel, mask: bigint) => mask >= MASK_32 || mask >= lastByte(k);
/** WARN_ON_ONCE by place. */
function warnOnce(k: Kernel, where: string, text = ''): void {
  if (k.mm.warnedDma.has(where)) return;
  k.mm.warnedDma.add(where);
  warnAt(k, where, text);
}

/** dma_alloc_attrs: kernel address of zeroed pages, or 0; the device's address goes to `handle`. */
export function dmaAlloc(k: Kernel, dev: number, size: number, handle: number, gfpMask: number, attrs: number): number {
  const mask = coherentMask(k, dev);
  if (mask === 0n) warnOnce(k, 'kernel/dma/mapping.c:596');
  let gfp = gfpMask & ~(GFP_DMA | GFP_DMA32 | GFP_HIGHMEM);
  if ((gfp & GFP_COMP) !== 0) {
    warnOnce(k, 'kernel/dma/mapping.c:605');
    return 0;
  }
  if ((attrs & DMA_ATTR_NO_WARN) !== 0) gfp |= GFP_NOWARN;
  if (mask <= MASK_32) gfp |= GFP_DMA32;
  if (mask < lastByte(k)) return 0;
  const page = allocPagesFor(k, gfp | GFP_ZERO, getOrder(size));
  if (page === 0) return 0;
  const va = pageToVirt(page);
  store64(k, handle, virtToPhys(va));
  return va;
}
export function dmaFree(k: Kernel, size: number, va: number): void {
  if (va !== 0) freePagesAt(k, virtToPage(va), getOrder(size));
}
/** Whether the device reaches [addr, addr + size); says so when not. */
function reaches(k: Kernel, dev: number, addr: number, size: number): boolean {
  const mask = streamingMask(k, dev);
  const limit = BigInt.asUintN(64, loadBig(k, dev + DEV.bus_dma_limit));
  const reach = limit !== 0n && limit < mask ? limit : mask;
  if (BigInt(addr + size - 1) <= reach) return true;
  const where = `${driverString(k, dev)} ${deviceName(k, dev)}`;
  warnOnce(
    k,
    'kernel/dma/direct.h:125',
    `${where}: DMA addr 0x${addr.toString(16).padStart(16, '0')}+${size} overflow (mask ${mask.toString(16)}, bus limit ${limit.toString(16)}).`,
  );
  return false;
}
function badDirection(k: Kernel, dir: number): boolean {
  if (dir >= 0 && dir < DMA_NONE) return false;
  bugInExport(k);
  return true;
}
function mapPage(k: Kernel, dev: number, page: number, offset: number, size: number, dir: number): number {
  if (badDirection(k, dir)) return MAPPING_ERROR;
  if (load64(k, dev + DEV.dma_mask) === 0) {
    warnOnce(k, 'kernel/dma/mapping.c:157');
    return MAPPING_ERROR;
  }
  const addr = virtToPhys(pageToVirt(page)) + offset;
  return reaches(k, dev, addr, size) ? addr : MAPPING_ERROR;
}
/** Entries mapped, or 0. */
function mapSg(k: Kernel, dev: number, sg: number, nents: number, dir: number): number {
  if (badDirection(k, dir)) return 0;
  if (load64(k, dev + DEV.dma_mask) === 0) {
    warnOnce(k, 'kernel/dma/mapping.c:192');
    return 0;
  }
  for (const entry of sgEntries(k, sg, nents)) {
    const addr = virtToPhys(sgVirt(k, entry));
    if (!reaches(k, dev, addr, sgLength(k, entry))) return 0;
    store64(k, entry + SG.dma_address, addr);
  }
  return nents;
}
function setMask(k: Kernel, dev: number, mask: bigint): number {
  const at = load64(k, dev + DEV.dma_mask);
  if (at === 0 || !supported(k, mask)) return -EIO;
  storeBig(k, at, mask);
  return 0;
}
const argument = (k: Kernel, n: number) => BigInt.asUintN(64, k.machine.regs.getBig(10 + n));

// --- managed ---

function dmamAlloc(k: Kernel, dev: number, size: number, handle: number, gfp: number, attrs: number): number {
  const res = kmalloc(k, DEVRES.sizeof, gfp);
  if (res === 0) return 0;
  const va = dmaAlloc(k, dev, size, handle, gfp, attrs);
  if (va === 0) {
    kfree(k, res);
    return 0;
  }
  store64(k, res + DEVRES.size, size);
  store64(k, res + DEVRES.vaddr, va);
  store64(k, res + DEVRES.handle, load64(k, handle));
  store64(k, res + DEVRES.attrs, attrs);
  addDevres(k, dev, { data: res, memory: res, release: symbolAddress(k, 'dmam_release'), action: false });
  return va;
}
function dmamFree(k: Kernel, dev: number, _size: number, va: number): number {
  return runSteps(k, () => {
    const list = k.drivers.model.devices.get(dev)?.devres ?? [];
    const release = symbolAddress(k, 'dmam_release');
    const i = list.findLastIndex((r) => r.release === release && load64(k, r.data + DEVRES.vaddr) === va);
    if (i < 0) {
      warnAt(k, 'kernel/dma/mapping.c:75');
      return 0;
    }
    return releaseSteps(dev, list.splice(i, 1)[0]);
  });
}

export const dmaExports: readonly FunctionExport[] = [
  fn('dma_alloc_attrs', dmaAlloc),
  fn('dma_free_attrs', (k, _dev, size, va) => dmaFree(k, size, va)),
  fn('dmam_alloc_attrs', dmamAlloc),
  fn('dmam_free_coherent', dmamFree),
  internal('dmam_release', (k, _dev, res) => {
    dmaFree(k, load64(k, res + DEVRES.size), load64(k, res + DEVRES.vaddr));
    return 0;
  }),
  fn('dma_alloc_pages', (k, dev, size, handle, _dir, gfp) => {
    const va = dmaAlloc(k, dev, size, handle, gfp, 0);
    return va === 0 ? 0 : virtToPage(va);
  }),
  fn('dma_free_pages', (k, _dev, size, page) => freePagesAt(k, page, getOrder(size))),
  fn('dma_map_page_attrs', mapPage),
  fn('dma_unmap_page_attrs', (k, _dev, _addr, _size, dir) => void badDirection(k, dir)),
  fn('dma_map_sg_attrs', mapSg),
  fn('dma_unmap_sg_attrs', (k, _dev, _sg, _nents, dir) => void badDirection(k, dir)),
  fn('dma_map_sgtable', (k, dev, table, dir) => {
    const nents = mapSg(k, dev, load64(k, table), load32(k, table + 12), dir);
    if (nents === 0) return -EIO;
    store32(k, table + 8, nents);
    return 0;
  }),
  fn('dma_map_resource', (k, _dev, phys, _size, dir) => (badDirection(k, dir) ? MAPPING_ERROR : phys)),
  fn('dma_unmap_resource', (k, _dev, _addr, _size, dir) => void badDirection(k, dir)),
  // Coherent: there is nothing to write back or to forget.
  fn('__dma_sync_single_for_cpu', (k, _dev, _addr, _size, dir) => void badDirection(k, dir)),
  fn('__dma_sync_single_for_device', (k, _dev, _addr, _size, dir) => void badDirection(k, dir)),
  fn('__dma_sync_sg_for_cpu', (k, _dev, _sg, _nents, dir) => void badDirection(k, dir)),
  fn('__dma_sync_sg_for_device', (k, _dev, _sg, _nents, dir) => void badDirection(k, dir)),
  fn('__dma_need_sync', () => 0),
  fn('dma_set_mask', (k, dev) => setMask(k, dev, argument(k, 1))),
  fn('dma_set_coherent_mask', (k, dev) => {
    const mask = argument(k, 1);
    if (!supported(k, mask)) return -EIO;
    storeBig(k, dev + DEV.coherent_dma_mask, mask);
    return 0;
  }),
  // All bits up to the highest of the last page.
  fn('dma_get_required_mask', (k) => 2 ** Math.ceil(Math.log2(k.ram.size - PAGE_SIZE + 1)) - 1),
  // SIZE_MAX: nothing bounces.
  fn('dma_max_mapping_size', () => -1),
  fn('dma_get_merge_boundary', () => 0),
];
