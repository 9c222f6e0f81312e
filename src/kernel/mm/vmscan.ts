import { GFP_KERNEL } from '../../abi/gfp.ts';
import type { Kernel } from '../kernel.ts';
import { type FunctionExport, internal } from '../module/export.ts';
import { kernelThread } from '../kthread.ts';
import { wakeUpState } from '../sched/core.ts';
import { TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, waitUninterruptible, wakeUp, wakeUpAll } from '../sched/wait.ts';
import { PAGE_SIZE } from './address.ts';
import type { AddressSpace } from './filemap.ts';
import { reclaimImagePages } from './image_mapping.ts';
import { LRU_ACTIVE, LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, LRU_UNEVICTABLE, type LruVec } from './lru.ts';
import { chargeSwap, currentMemcg, type MemCgroup, memcgEvent, memcgProtection, memcgsBelow, memcgToReclaim } from './memcontrol.ts';
import type { VmArea } from './mm_struct.ts';
import { isAnon, mapCount, PG_DIRTY, PG_REFERENCED, pageFlags, setPageFlags } from './page.ts';
import { PTE_A, ptePa, ptePresent, setPte, walkRange } from './pgtable.ts';
import { mappingOf, pageIndex, pageReferenced, tryToUnmap } from './rmap.ts';
import { dropSlab, shrinkSlab } from './shrinker.ts';
import { addToSwapCache, deleteFromSwapCache, freeSwapOf } from './swap_state.ts';
import { workingsetEviction } from './workingset.ts';

// Giving back memory that can be had again (mm/vmscan.c, fs/drop_caches.c): pages of files are dropped, private ones and those of tmpfs go to swap, caches of
// modules are asked. kswapd does it when less than the low watermark is free, until the high one is; below the min watermark whoever wants memory does it.

const SWAP_CLUSTER_MAX = 32;
const DEF_PRIORITY = 12;
/** From here on a pass without success goes on to what memory.low protects. */
const LOW_PRIORITY = 0;
/** Passes of kswapd without any success after which it does not try again by itself (MAX_RECLAIM_RETRIES). */
const MAX_RETRIES = 16;
const MAX_SWAPPINESS = 200;
const DROP_PAGES = 1;
const DROP_SLAB = 2;
const DROP_QUIETLY = 4;
const KERN_INFO = 6;

/** What reclaim remembers between its passes. */
export class ReclaimState {
  /** /proc/sys/vm/swappiness: 0..200. */
  swappiness = 60;
  /** min_free_kbytes that was written, 0 = as computed; watermark_scale_factor. */
  minFreeKb = 0;
  watermarkScale = 10;
  /** kswapd sleeps here, and who waits for what shrinkers give. */
  readonly kswapdWait = new WaitQueueHead();
  readonly throttled = new WaitQueueHead();
  kswapdAwake = false;
  kswapdFailures = 0;
  /** There is the thread. */
  kswapdRuns = false;
  /** A pass is going on: memory that it asks for itself must not begin another. */
  busy = false;
}
/** struct scan_control. */
interface ScanControl {
  readonly target: MemCgroup | null;
  readonly want: number;
  readonly kswapd: boolean;
  readonly mayUnmap: boolean;
  readonly maySwap: boolean;
  readonly swappiness: number;
  priority: number;
  scanned: number;
  reclaimed: number;
}
const newControl = (k: Kernel, want: number, more: Partial<ScanControl> = {}): ScanControl => ({
  target: null,
  want,
  kswapd: false,
  mayUnmap: true,
  maySwap: true,
  swappiness: k.mm.reclaim.swappiness,
  priority: DEF_PRIORITY,
  scanned: 0,
  reclaimed: 0,
  ...more,
});

// --- one page ---

/** What becomes of an inactive page (enum folio_references). */
const Verdict = { RECLAIM: 0, KEEP: 1, ACTIVATE: 2, LOCKED: 3 } as const;
/** folio_check_references: used since the last look? The first use is let pass, the second makes it active. */
function checkReferences(k: Kernel, pa: number, file: boolean): number {
  const at = k.mm.pages.pageStruct(pa);
  const refs = pageReferenced(k, pa);
  const again = (pageFlags(k.ram, at) & PG_REFERENCED) !== 0;
  setPageFlags(k.ram, at, 0, PG_REFERENCED);
  if (refs.locked || k.mm.lru.locks[pa / PAGE_SIZE] > 0) return Verdict.LOCKED;
  if (refs.young === 0) return Verdict.RECLAIM;
  setPageFlags(k.ram, at, PG_REFERENCED);
  if (again || refs.young > 1 || (refs.exec && file)) return Verdict.ACTIVATE;
  return Verdict.KEEP;
}
/** Frees one page. False: it must stay. */
function reclaimPage(k: Kernel, pa: number): boolean {
  const { pages, swap } = k.mm;
  const at = pages.pageStruct(pa);
  const anon = isAnon(k.ram, at);
  const mapping = anon ? null : mappingOf(k, pa);
  // Somebody else holds it: I/O, a pipe, a module.
  const held = mapCount(k.ram, at) + (mapping !== null || swap.entryOf[pa / PAGE_SIZE] !== 0 ? 1 : 0);
  if (pages.refCount(pa) !== held) return false;
  if (mapping !== null) {
    if (mapping.swappable && swap.free === 0) return false;
    tryToUnmap(k, pa, 0);
    return mapCount(k.ram, at) === 0 && mapping.evict(k, pageIndex(k, pa), pa);
  }
  let entry = swap.entryOf[pa / PAGE_SIZE];
  const fresh = entry === 0;
  if (fresh) {
    entry = swap.alloc();
    if (entry === 0) return false;
    if (!chargeSwap(k, pa, entry)) {
      swap.release(entry);
      return false;
    }
    addToSwapCache(k, pa, entry);
    setPageFlags(k.ram, at, PG_DIRTY);
  }
  // Its own reference keeps it while the last entry goes.
  pages.get(pa);
  swap.dup(entry);
  tryToUnmap(k, pa, entry);
  let ok = mapCount(k.ram, at) === 0;
  if (ok && (pageFlags(k.ram, at) & PG_DIRTY) !== 0) {
    ok = swap.write(entry, pa);
    if (ok) setPageFlags(k.ram, at, 0, PG_DIRTY);
  }
  swap.drop(entry);
  if (ok) {
    shadowAnon(k, entry, pa);
    deleteFromSwapCache(k, pa);
  }
  pages.put(pa);
  return ok;
}
/** A private page went: its slot remembers when. */
function shadowAnon(k: Kernel, entry: number, pa: number): void {
  const gone = workingsetEviction(k, pa);
  k.mm.swap.shadows.set(entry, gone);
}

// --- lists ---

/** inactive_is_low: the active list may be so many times as long as the inactive one; more for larger memories. */
function inactiveIsLow(vec: LruVec, inactive: number): boolean {
  const total = vec.size[inactive] + vec.size[inactive + LRU_ACTIVE];
  const gb = Math.floor((total * PAGE_SIZE) / 2 ** 30);
  const ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1;
  return vec.size[inactive] * ratio < vec.size[inactive + LRU_ACTIVE];
}
/** lru_note_cost: what reclaiming a kind cost in I/O and in pages that turned out to be in use. */
function noteCost(vec: LruVec, file: boolean, io: number, rotated: number): void {
  const cost = io * SWAP_CLUSTER_MAX + rotated;
  if (file) vec.fileCost += cost;
  else vec.anonCost += cost;
  const size = vec.size[LRU_INACTIVE_ANON] + vec.size[LRU_ACTIVE_ANON] + vec.size[LRU_INACTIVE_FILE] + vec.size[LRU_ACTIVE_FILE];
  if (vec.anonCost + vec.fileCost > size / 4) {
    vec.anonCost = Math.floor(vec.anonCost / 2);
    vec.fileCost = Math.floor(vec.fileCost / 2);
  }
}
/** Moves pages that were used longest ago from the active list to the inactive one (shrink_active_list). */
function shrinkActiveList(k: Kernel, vec: LruVec, list: number, count: number): void {
  const { lru, stat } = k.mm;
  const file = list === LRU_ACTIVE_FILE;
  let rotated = 0;
  for (let i = Math.min(count, vec.size[list]); i > 0; i--) {
    const pa = lru.tail(vec, list);
    if (pa < 0) break;
    stat.pgrefill++;
    const refs = pageReferenced(k, pa);
    if (refs.locked) {
      lru.move(pa, LRU_UNEVICTABLE);
      stat.unevictableCulled++;
    } else if (file && refs.exec && refs.young > 0) {
      rotated++;
      lru.move(pa, list);
    } else {
      stat.pgdeactivate++;
      lru.move(pa, list - LRU_ACTIVE);
    }
  }
  noteCost(vec, file, 0, rotated);
}
/** Frees what it can of the pages at the end of an inactive list (shrink_inactive_list). How many. */
function shrinkInactiveList(k: Kernel, vec: LruVec, list: number, count: number, sc: ScanControl): number {
  const { lru, stat } = k.mm;
  const file = list === LRU_INACTIVE_FILE;
  let scanned = 0;
  let reclaimed = 0;
  for (let i = Math.min(count, vec.size[list]); i > 0; i--) {
    const pa = lru.tail(vec, list);
    if (pa < 0) break;
    scanned++;
    const at = k.mm.pages.pageStruct(pa);
    let verdict: number = !sc.mayUnmap && mapCount(k.ram, at) > 0 ? Verdict.KEEP : checkReferences(k, pa, file);
    if (verdict === Verdict.RECLAIM) {
      if (reclaimPage(k, pa)) {
        reclaimed++;
        continue;
      }
      if (k.mm.swap.isFull) freeSwapOf(k, pa);
      verdict = Verdict.ACTIVATE;
    }
    if (verdict === Verdict.LOCKED) {
      lru.move(pa, LRU_UNEVICTABLE);
      stat.unevictableCulled++;
    } else if (verdict === Verdict.ACTIVATE) {
      lru.move(pa, list + LRU_ACTIVE);
      stat.pgactivate++;
    } else lru.move(pa, list);
  }
  sc.scanned += scanned;
  sc.reclaimed += reclaimed;
  if (sc.kswapd) {
    stat.pgscanKswapd += scanned;
    stat.pgstealKswapd += reclaimed;
  } else {
    stat.pgscanDirect += scanned;
    stat.pgstealDirect += reclaimed;
  }
  if (file) {
    stat.pgscanFile += scanned;
    stat.pgstealFile += reclaimed;
  } else {
    stat.pgscanAnon += scanned;
    stat.pgstealAnon += reclaimed;
  }
  noteCost(vec, file, 0, scanned - reclaimed);
  return reclaimed;
}
/** There is room in swap, or pages that have their place there already (Linux asks for room only, and ends in OOM sooner). */
const mayReclaimAnon = (k: Kernel, sc: ScanControl) => sc.maySwap && (k.mm.swap.free > 0 || k.mm.swap.cache.size > 0);

/** How many pages of each list this pass looks at (get_scan_count). */
function scanCounts(k: Kernel, vec: LruVec, sc: ScanControl, protect: (size: number) => number): number[] {
  const anon = vec.size[LRU_INACTIVE_ANON] + vec.size[LRU_ACTIVE_ANON];
  const file = vec.size[LRU_INACTIVE_FILE] + vec.size[LRU_ACTIVE_FILE];
  const total = anon + file;
  const costs = total + vec.anonCost + vec.fileCost;
  let ap = (sc.swappiness * (costs + 1)) / (total + vec.anonCost + 1);
  let fp = ((MAX_SWAPPINESS - sc.swappiness) * (costs + 1)) / (total + vec.fileCost + 1);
  // Hardly any pages of files are left: free them all and memory is still short.
  const tiny =
    sc.target === null &&
    file + k.mm.pages.freePages <= k.mm.pages.watermarks.high &&
    !inactiveIsLow(vec, LRU_INACTIVE_ANON) &&
    Math.floor(vec.size[LRU_INACTIVE_ANON] / 2 ** sc.priority) > 0;
  const trimCache = Math.floor(vec.size[LRU_INACTIVE_FILE] / 2 ** sc.priority) > 0 && !inactiveIsLow(vec, LRU_INACTIVE_FILE);
  if (!mayReclaimAnon(k, sc) || (sc.target !== null && sc.swappiness === 0)) ap = 0;
  else if (sc.priority === 0 && sc.swappiness > 0) ap = fp = 1;
  else if (tiny) fp = 0;
  else if (trimCache) ap = 0;
  const equal = sc.priority === 0 && ap === fp;
  return vec.size.slice(0, LRU_UNEVICTABLE).map((size, list) => {
    const isFile = list >= LRU_INACTIVE_FILE;
    const mine = isFile ? fp : ap;
    const other = isFile ? ap : fp;
    if (mine === 0) return 0;
    const scan = Math.floor(protect(size) / 2 ** sc.priority);
    return equal || other === 0 ? scan : Math.floor((scan * mine) / (ap + fp));
  });
}
/** shrink_lruvec. */
function shrinkLruvec(k: Kernel, vec: LruVec, sc: ScanControl, protect: (size: number) => number): void {
  const left = scanCounts(k, vec, sc, protect);
  let got = 0;
  while (left[LRU_INACTIVE_ANON] > 0 || left[LRU_ACTIVE_FILE] > 0 || left[LRU_INACTIVE_FILE] > 0) {
    for (let list = 0; list < LRU_UNEVICTABLE; list++) {
      if (left[list] <= 0) continue;
      const n = Math.min(left[list], SWAP_CLUSTER_MAX);
      left[list] -= n;
      const isActive = list === LRU_ACTIVE_ANON || list === LRU_ACTIVE_FILE;
      if (!isActive) got += shrinkInactiveList(k, vec, list, n, sc);
      else if (inactiveIsLow(vec, list - LRU_ACTIVE)) shrinkActiveList(k, vec, list, n);
    }
    if (got >= sc.want && sc.priority < DEF_PRIORITY) break;
  }
  if (mayReclaimAnon(k, sc) && inactiveIsLow(vec, LRU_INACTIVE_ANON)) shrinkActiveList(k, vec, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX);
}
/** All groups below the target get their share of the pass (shrink_node). */
function shrinkNode(k: Kernel, sc: ScanControl): void {
  // What memory.low protects is next when there is nothing else.
  for (const low of [false, true]) {
    const before = sc.reclaimed;
    let skipped = false;
    for (const cg of memcgsBelow(k, sc.target)) {
      const protect = memcgProtection(cg, sc.target, low);
      if (protect === null) {
        skipped = true;
        continue;
      }
      const { scanned, reclaimed } = sc;
      shrinkLruvec(k, k.mm.lru.vecs[cg.id], sc, protect);
      if (sc.kswapd) {
        cg.vm.pgscanKswapd += sc.scanned - scanned;
        cg.vm.pgstealKswapd += sc.reclaimed - reclaimed;
      } else {
        cg.vm.pgscanDirect += sc.scanned - scanned;
        cg.vm.pgstealDirect += sc.reclaimed - reclaimed;
      }
    }
    if (!skipped || sc.reclaimed > before || sc.priority > LOW_PRIORITY) break;
  }
}

/** MADV_PAGEOUT: frees the pages of a range that are this area's alone; MADV_COLD: they are the next to go. */
export function adviseOut(k: Kernel, vma: VmArea, from: number, to: number, pageout: boolean): void {
  const { lru, pages } = k.mm;
  const found: number[] = [];
  walkRange(k.ram, vma.mm.pgd, from, to, (at, va) => {
    const pte = k.ram.read32(at);
    const pa = ptePa(pte);
    if (!ptePresent(pte) || lru.listOf(pa) < 0 || mapCount(k.ram, pages.pageStruct(pa)) !== 1) return;
    setPte(k.ram, at, pte & ~PTE_A);
    k.machine.flushTlbPage(va);
    found.push(pa);
  });
  for (const pa of found) {
    const list = lru.listOf(pa);
    if (list < 0 || list === LRU_UNEVICTABLE) continue;
    setPageFlags(k.ram, pages.pageStruct(pa), 0, PG_REFERENCED);
    const inactive = list === LRU_ACTIVE_ANON || list === LRU_ACTIVE_FILE ? list - LRU_ACTIVE : list;
    if (!pageout) {
      if (inactive !== list) {
        lru.move(pa, inactive);
        k.mm.stat.pgdeactivate++;
      }
      continue;
    }
    reclaimPage(k, pa);
  }
}

// --- passes ---

/** Reclaims until `want` pages are free, trying harder each time (do_try_to_free_pages). How many came. */
function tryToFree(k: Kernel, sc: ScanControl): number {
  const { reclaim } = k.mm;
  if (reclaim.busy) return 0;
  reclaim.busy = true;
  for (; sc.priority >= 0; sc.priority--) {
    shrinkNode(k, sc);
    if (sc.reclaimed >= sc.want) break;
  }
  reclaim.busy = false;
  return sc.reclaimed;
}
/** A place where it may be waited for memory, and less than the low watermark is free: kswapd is told; below the min one the caller reclaims. */
export function relieve(k: Kernel): void {
  const { pages, reclaim, stat } = k.mm;
  wakeKswapd(k);
  if (pages.freePages > pages.watermarks.min + SWAP_CLUSTER_MAX || reclaim.busy) return;
  stat.allocstall++;
  k.mm.check?.drain();
  if (tryToFree(k, newControl(k, SWAP_CLUSTER_MAX)) > 0) reclaim.kswapdFailures = 0;
}
/** An allocation found too little at a place where only what nobody maps may go: how many pages could be freed. */
export function reclaimQuick(k: Kernel, pages: number): number {
  const before = k.mm.pages.freePages;
  k.mm.check?.drain();
  const drained = k.mm.pages.freePages - before;
  const got = reclaimImagePages(k, pages);
  const { stat } = k.mm;
  stat.pgscanDirect += got;
  stat.pgscanFile += got;
  stat.pgstealDirect += got;
  stat.pgstealFile += got;
  return drained + got;
}
/** The same for the group of the current task: at its limit, or past memory.high, some of its own pages go first. */
export function relieveMemcg(k: Kernel): void {
  const own = currentMemcg(k);
  const over = own === null ? null : memcgToReclaim(own);
  if (over === null) return;
  if (over.high) memcgEvent(over.cg, 'high');
  if (reclaimMemcg(k, over.cg, over.pages, true) > 0 && !over.high) memcgEvent(over.cg, 'max');
}
/** Reclaims from a cgroup and those below it (try_to_free_mem_cgroup_pages). */
export function reclaimMemcg(k: Kernel, target: MemCgroup, want: number, maySwap: boolean, swappiness = k.mm.reclaim.swappiness): number {
  return tryToFree(k, newControl(k, Math.max(want, SWAP_CLUSTER_MAX), { target: target.id === 0 ? null : target, maySwap, swappiness }));
}

// --- kswapd ---

/** kswapd has given up. */
export const allUnreclaimable = (k: Kernel) => k.mm.reclaim.kswapdFailures >= MAX_RETRIES;
/** The thread, when the first processes start. */
export function kswapdInit(k: Kernel): void {
  const task = kernelThread(k, 'kswapd0', 'kswapd');
  if (typeof task === 'number') return;
  k.mm.reclaim.kswapdRuns = true;
  wakeUpState(k, task, TASK_UNINTERRUPTIBLE);
}
export function wakeKswapd(k: Kernel): void {
  const { reclaim, pages } = k.mm;
  if (reclaim.kswapdAwake || reclaim.kswapdFailures >= MAX_RETRIES || pages.freePages >= pages.watermarks.low) return;
  reclaim.kswapdAwake = true;
  wakeUp(k, reclaim.kswapdWait);
}
/** Its lowest frame: passes (balance_pgdat), and to sleep again. A pass is made again from where it was when a shrinker's function has returned. */
function kswapd(k: Kernel): number {
  const task = k.current;
  const { reclaim, pages, stat } = k.mm;
  while (reclaim.kswapdAwake) {
    let sc = task.restart?.['sc'] as ScanControl | undefined;
    if (sc === undefined) {
      stat.pageoutrun++;
      sc = newControl(k, Math.max(pages.watermarks.high, SWAP_CLUSTER_MAX), { kswapd: true });
    }
    while (sc.priority > 0) {
      if (task.restart?.['shrink'] === undefined) {
        if (pages.freePages > pages.watermarks.high) break;
        reclaim.busy = true;
        shrinkNode(k, sc);
        reclaim.busy = false;
      }
      task.restart = { ...task.restart, sc };
      const freed = shrinkSlab(k, GFP_KERNEL, sc.priority);
      if (freed === BLOCKED) return BLOCKED;
      sc.reclaimed += freed;
      sc.priority--;
    }
    if (sc.reclaimed === 0) reclaim.kswapdFailures++;
    if (pages.freePages > pages.watermarks.high) {
      stat.kswapdHighQuickly += sc.priority === DEF_PRIORITY ? 1 : 0;
      reclaim.kswapdFailures = 0;
    }
    task.restart = null;
    // Those who wait for it have nothing yet.
    reclaim.kswapdAwake = reclaim.throttled.entries.length > 0 && sc.reclaimed === 0 && !allUnreclaimable(k) && pages.freePages < pages.watermarks.low;
    if (!reclaim.kswapdAwake) wakeUpAll(k, reclaim.throttled);
  }
  addWaitQueue(k, reclaim.kswapdWait);
  task.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}
export const vmscanExports: readonly FunctionExport[] = [internal('kswapd', kswapd)];

/**
 * Nothing was found for the current task: it waits for kswapd, which can also call the shrinkers of modules, until that has tried MAX_RETRIES times in vain
 * (should_reclaim_retry). False: all was tried.
 */
export function waitForKswapd(k: Kernel): boolean {
  const { reclaim } = k.mm;
  if (!reclaim.kswapdRuns || allUnreclaimable(k)) return false;
  wakeKswapd(k);
  if (!reclaim.kswapdAwake) return false;
  waitUninterruptible(k, reclaim.throttled);
  return true;
}

/** /proc/sys/vm/drop_caches: 1 the page cache, 2 what shrinkers and slabs can do without, 3 both; 4 once: say nothing from now on. 0 or BLOCKED. */
export function dropCaches(k: Kernel, what: number): number {
  const task = k.current;
  // Made again when a shrinker's function has returned.
  if (task.restart?.['dropping'] !== true) {
    if ((what & DROP_PAGES) !== 0) {
      dropPageCache(k);
      k.mm.stat.dropPagecache++;
    }
    task.restart = { ...task.restart, dropping: true };
  }
  if ((what & DROP_SLAB) !== 0) {
    if (dropSlab(k) === BLOCKED) return BLOCKED;
    for (const cache of k.mm.slab.caches) k.mm.slab.slub.shrink(cache);
    k.mm.stat.dropSlab++;
  }
  if (!k.mm.dropQuietly) k.printk.log(KERN_INFO, `${k.current.comm} (${k.current.pid}): drop_caches: ${what}`);
  if ((what & DROP_QUIETLY) !== 0) k.mm.dropQuietly = true;
  return 0;
}
/** invalidate_mapping_pages of every file: clean pages that nobody maps. */
function dropPageCache(k: Kernel): void {
  reclaimImagePages(k, Number.POSITIVE_INFINITY);
  const { lru, pages } = k.mm;
  const files = new Set<AddressSpace>();
  for (const owner of k.mm.ownerOf) if (owner !== null && 'shmem' in owner && !owner.shmem) files.add(owner);
  for (const mapping of files)
    for (const [index, pa] of [...mapping.pages]) {
      const list = lru.listOf(pa);
      if (list < 0 || list === LRU_UNEVICTABLE || pages.refCount(pa) !== 1) continue;
      mapping.evict(k, index, pa);
    }
}
