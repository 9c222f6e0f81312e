import { GFP_NOWARN, gfpNames } from '../../abi/gfp.ts';
import type { Kernel } from '../kernel.ts';
import { ratelimit } from '../lib/ratelimit.ts';
import { dumpStack } from '../stacktrace.ts';
import { PAGE_SIZE } from './address.ts';
import { MAX_ORDER } from './page_alloc.ts';
import { allUnreclaimable } from './vmscan.ts';

// What memory is used for, as the log says it when there is none (mm/show_mem.c, warn_alloc). One node, one zone with memory: DMA32.

const KB = PAGE_SIZE / 1024;
const KERN_WARNING = 4;

/** __show_mem. */
export function showMem(k: Kernel): void {
  const say = (text: string) => k.printk.log(KERN_WARNING, text);
  const { pages, stat, lru, swap } = k.mm;
  const { watermarks: wm } = pages;
  const kb = (n: number) => `${n * KB}kB`;
  const [inactiveAnon, activeAnon, inactiveFile, activeFile, unevictable] = lru.size;
  const stacks = k.sched.tasks.size * 16;
  say('Mem-Info:');
  say(
    `active_anon:${activeAnon} inactive_anon:${inactiveAnon} isolated_anon:0\n active_file:${activeFile} inactive_file:${inactiveFile} isolated_file:0\n unevictable:${unevictable} dirty:0 writeback:0\n` +
      ` slab_reclaimable:${stat.slabReclaimable} slab_unreclaimable:${stat.slabUnreclaimable}\n mapped:${stat.fileMapped} shmem:${stat.shmemPages} pagetables:${stat.pageTablePages}\n` +
      ` sec_pagetables:0 bounce:0\n kernel_misc_reclaimable:0\n free:${pages.buddyPages} free_pcp:${pages.freePages - pages.buddyPages} free_cma:0`,
  );
  const lists = `active_anon:${kb(activeAnon)} inactive_anon:${kb(inactiveAnon)} active_file:${kb(activeFile)} inactive_file:${kb(inactiveFile)} unevictable:${kb(unevictable)}`;
  const reclaimable = allUnreclaimable(k) ? 'yes' : 'no';
  say(
    `Node 0 ${lists} isolated(anon):0kB isolated(file):0kB mapped:${kb(stat.fileMapped)} dirty:0kB writeback:0kB shmem:${kb(stat.shmemPages)} shmem_thp:0kB shmem_pmdmapped:0kB anon_thp:0kB ` +
      `writeback_tmp:0kB kernel_stack:${stacks}kB pagetables:${kb(stat.pageTablePages)} sec_pagetables:0kB all_unreclaimable? ${reclaimable}`,
  );
  say(
    `Node 0 DMA32 free:${kb(pages.buddyPages)} boost:0kB min:${kb(wm.min)} low:${kb(wm.low)} high:${kb(wm.high)} reserved_highatomic:0KB ${lists} writepending:0kB ` +
      `present:${kb(pages.totalPages)} managed:${kb(pages.managedPages)} mlocked:${kb(lru.mlocked)} bounce:0kB free_pcp:${kb(pages.freePages - pages.buddyPages)} local_pcp:${kb(pages.pcp?.count[k.cpu] ?? 0)} free_cma:0kB`,
  );
  say('lowmem_reserve[]: 0 0 0 0');
  let blocks = '';
  let total = 0;
  for (let o = 0; o <= MAX_ORDER; o++) {
    const n = pages.freeCount[o];
    const types = [...'UME'].filter((_, t) => pages.freeByType[t * (MAX_ORDER + 1) + o] > 0).join('');
    blocks += ` ${n}*${KB << o}kB${types === '' ? '' : ` (${types})`}`;
    total += n << o;
  }
  say(`Node 0 DMA32:${blocks} = ${kb(total)}`);
  for (const size of [1048576, 2048]) say(`Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=${size}kB`);
  say(`${stat.filePages + swap.cache.size} total pagecache pages`);
  say(`${swap.cache.size} pages in swap cache`);
  say(`Free swap  = ${kb(swap.free)}`);
  say(`Total swap = ${kb(swap.total)}`);
  say(`${pages.totalPages} pages RAM`);
  say('0 pages HighMem/MovableOnly');
  say(`${pages.totalPages - pages.managedPages} pages reserved`);
}

/** warn_alloc: an allocation failed. `what` replaces Linux's usual words. */
export function warnAlloc(k: Kernel, gfp: number, order: number, what = `page allocation failure: order:${order}`): void {
  if ((gfp & GFP_NOWARN) !== 0 || !ratelimit(k, k.mm.noPageLimit, 'warn_alloc')) return;
  const mode = `0x${(gfp >>> 0).toString(16)}(${gfpNames(gfp)})`;
  k.printk.log(KERN_WARNING, `${k.current.comm}: ${what}, mode:${mode}, nodemask=(null),cpuset=/,mems_allowed=0`);
  dumpStack(k, k.current);
  showMem(k);
}
