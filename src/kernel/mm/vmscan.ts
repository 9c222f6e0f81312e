import type { Kernel } from '../kernel.ts';
import { BLOCKED } from '../sched/wait.ts';
import { reclaimImagePages } from './image_mapping.ts';
import { dropSlab } from './shrinker.ts';

// Giving back memory that can be had again (mm/vmscan.c, fs/drop_caches.c): clean pages of the image's files, and what checks hold back.

const DROP_PAGES = 1;
const DROP_SLAB = 2;
const DROP_QUIETLY = 4;
const KERN_INFO = 6;

/** An allocation found too little: how many pages could be freed. */
export function reclaim(k: Kernel, pages: number): number {
  const before = k.mm.pages.freePages;
  k.mm.check?.drain();
  const drained = k.mm.pages.freePages - before;
  const got = reclaimImagePages(k, pages);
  k.mm.stat.pgstealDirect += got;
  return drained + got;
}
/** /proc/sys/vm/drop_caches: 1 the page cache, 2 what shrinkers and slabs can do without, 3 both; 4 once: say nothing from now on. 0 or BLOCKED. */
export function dropCaches(k: Kernel, what: number): number {
  const task = k.current;
  // Made again when a shrinker's function has returned.
  if (task.restart?.['dropping'] !== true) {
    if ((what & DROP_PAGES) !== 0) {
      reclaimImagePages(k, Number.POSITIVE_INFINITY);
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
