import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { chargeFrame } from './memcontrol.ts';
import type { VmArea } from './mm_struct.ts';
import { Migrate } from './page_alloc.ts';

// Which frame a private page gets. Nothing in Linux's interface says (only /proc/PID/pagemap shows it), but translated code guesses that pages
// and their frames are equally far apart as last time (machine/translator), and loops over memory gain when that is right. So an area that
// grows large gets its frames in the order of its pages: a *run* of them, with one distance between virtual and physical addresses.

export interface FrameRun {
  /** Physical minus virtual address of its pages. */
  distance: number;
  /** The physical range that it may grow into; other runs begin elsewhere. */
  from: number;
  to: number;
  /** Frames, one after another, that somebody else had already. */
  misses: number;
}

/** Smaller areas, and the first pages of large ones (stacks of threads), take what comes. */
const MIN_AREA = 64 * PAGE_SIZE;
const FIRST_PAGES = 8;
/** A run asks for no more room than this. */
const MAX_ROOM = 16 << 20;
/** So often in a row the frame may be taken before the run ends. */
const MAX_MISSES = 8;
/** Runs whose room is kept free of others. */
const MAX_RUNS = 64;

/** A frame for the private page at `va` of an area, 0 when memory is out (allocUser). */
export function anonFrame(k: Kernel, vma: VmArea, va: number, zero = true): number {
  const pa = anyFrame(k, vma, va, zero);
  return pa !== 0 && k.mm.memcg.active && !chargeFrame(k, pa) ? 0 : pa;
}
function anyFrame(k: Kernel, vma: VmArea, va: number, zero: boolean): number {
  const { pages } = k.mm;
  let { run } = vma;
  if (run === null) {
    if (vma.end - vma.start < MIN_AREA || ++vma.touched <= FIRST_PAGES) return pages.allocUser(0, zero, Migrate.MOVABLE);
    run = beginRun(k, vma, va);
  } else if (run.misses === MAX_MISSES) {
    endRun(k, vma);
    run = beginRun(k, vma, va);
  }
  if (run === null) return pages.allocUser(0, zero, Migrate.MOVABLE);
  const pa = pages.allocUserAt(va + run.distance, zero);
  if (pa !== 0) {
    run.misses = 0;
    return pa;
  }
  run.misses++;
  // The next frames are for the next pages.
  const other = pages.frameOutside(run.from, run.to);
  return (other < 0 ? 0 : pages.allocUserAt(other, zero)) || pages.allocUser(0, zero, Migrate.MOVABLE);
}

/**
 * A run for the whole area, in the first stretch of free memory that holds it; else for what is behind `va`, where pages are touched in order; else as
 * much of that as the longest stretch holds.
 */
function beginRun(k: Kernel, vma: VmArea, va: number): FrameRun | null {
  const { pages, runs } = k.mm;
  const whole = Math.min(vma.end - vma.start, MAX_ROOM);
  const rest = Math.min(vma.end - va, MAX_ROOM);
  let from = 0;
  let longest = 0;
  pages.eachStretch((begin, end) => {
    for (let at = begin; at < end; ) {
      // Up to the next run that has room in the stretch, and on behind it.
      let limit = end;
      let next = end;
      for (const r of runs) {
        if (r.to <= at || r.from >= limit) continue;
        limit = Math.max(r.from, at);
        next = r.to;
      }
      if (limit - at > longest && (longest < rest || limit - at >= whole)) {
        from = at;
        longest = limit - at;
      }
      if (longest >= whole) return true;
      at = next;
    }
    return false;
  });
  vma.touched = 0;
  if (longest === 0) return null;
  const all = longest >= whole && vma.end - vma.start === whole;
  const run = { distance: from - (all ? vma.start : va), from, to: from + Math.min(longest, all ? whole : rest), misses: 0 };
  vma.run = run;
  if (runs.size < MAX_RUNS) runs.add(run);
  return run;
}

/** The area goes, or its run does: others may have the room. */
export function endRun(k: Kernel, vma: VmArea): void {
  if (vma.run !== null) k.mm.runs.delete(vma.run);
  vma.run = null;
}
