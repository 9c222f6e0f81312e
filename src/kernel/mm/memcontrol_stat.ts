import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, LRU_UNEVICTABLE } from './lru.ts';
import { type MemCgroup, type MemEvents, Use } from './memcontrol.ts';
import { statValue } from './vmstat_proc.ts';

// memory.stat (memory_stat_format of mm/memcontrol.c): a group and those below it. The root's is what /proc/vmstat says of the whole system.

/** Rows in Linux's order: bytes first, then events. Those without a number here are 0. */
const ROWS = `
anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped file_dirty file_writeback swapcached anon_thp
file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab
workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file
workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgpromote_success pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged
pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero zswpin
zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback numa_pages_migrated numa_pte_updates numa_hint_faults
`
  .trim()
  .split(/\s+/);
/** Rows of memory.numa_stat. */
const NUMA_ROWS = `
anon file kernel_stack pagetables sec_pagetables shmem file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon
inactive_file active_file unevictable slab_reclaimable slab_unreclaimable workingset_refault_anon workingset_refault_file workingset_activate_anon
workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged
pgpromote_success
`
  .trim()
  .split(/\s+/);

function valuesOf(k: Kernel, cg: MemCgroup): ReadonlyMap<string, number> {
  const root = cg.id === 0;
  const stat = (name: string) => statValue(k, name);
  const use = (which: number, name: string) => PAGE_SIZE * (root ? stat(name) : cg.sum((c) => c.uses[which]));
  const list = (which: number) => PAGE_SIZE * (root ? k.mm.lru.size[which] : cg.sum((c) => k.mm.lru.vecs[c.id].size[which]));
  const event = (which: keyof MemEvents, name: string) => (root ? stat(name) : cg.sum((c) => c.vm[which]));
  const reclaimable = root ? PAGE_SIZE * stat('nr_slab_reclaimable') : cg.sum((c) => c.slabReclaimable);
  const unreclaimable = root ? PAGE_SIZE * stat('nr_slab_unreclaimable') : cg.sum((c) => c.slabUnreclaimable);
  const stack = root ? 1024 * stat('nr_kernel_stack') : use(Use.STACK, '');
  const tables = use(Use.TABLES, 'nr_page_table_pages');
  const scanK = event('pgscanKswapd', 'pgscan_kswapd');
  const scanD = event('pgscanDirect', 'pgscan_direct');
  const stealK = event('pgstealKswapd', 'pgsteal_kswapd');
  const stealD = event('pgstealDirect', 'pgsteal_direct');
  return new Map([
    ['anon', use(Use.ANON, 'nr_anon_pages')],
    ['file', root ? PAGE_SIZE * (stat('nr_file_pages') - stat('nr_swapcached')) : use(Use.FILE, '')],
    ['kernel', root ? stack + tables + reclaimable + unreclaimable : PAGE_SIZE * cg.sum((c) => c.kernelPages)],
    ['kernel_stack', stack],
    ['pagetables', tables],
    ['shmem', use(Use.SHMEM, 'nr_shmem')],
    ['file_mapped', use(Use.FILE_MAPPED, 'nr_mapped')],
    ['swapcached', use(Use.SWAPCACHE, 'nr_swapcached')],
    ['inactive_anon', list(LRU_INACTIVE_ANON)],
    ['active_anon', list(LRU_ACTIVE_ANON)],
    ['inactive_file', list(LRU_INACTIVE_FILE)],
    ['active_file', list(LRU_ACTIVE_FILE)],
    ['unevictable', list(LRU_UNEVICTABLE)],
    ['slab_reclaimable', reclaimable],
    ['slab_unreclaimable', unreclaimable],
    ['slab', reclaimable + unreclaimable],
    ['workingset_refault_anon', event('refaultAnon', 'workingset_refault_anon')],
    ['workingset_refault_file', event('refaultFile', 'workingset_refault_file')],
    ['workingset_activate_anon', event('activateAnon', 'workingset_activate_anon')],
    ['workingset_activate_file', event('activateFile', 'workingset_activate_file')],
    ['pgscan', scanK + scanD],
    ['pgsteal', stealK + stealD],
    ['pgscan_kswapd', scanK],
    ['pgscan_direct', scanD],
    ['pgsteal_kswapd', stealK],
    ['pgsteal_direct', stealD],
    ['pgfault', event('pgfault', 'pgfault')],
    ['pgmajfault', event('pgmajfault', 'pgmajfault')],
    ['pgrefill', event('pgrefill', 'pgrefill')],
    ['pgactivate', event('pgactivate', 'pgactivate')],
    ['pgdeactivate', event('pgdeactivate', 'pgdeactivate')],
  ]);
}
export function memoryStat(k: Kernel, cg: MemCgroup): string {
  const now = valuesOf(k, cg);
  return ROWS.map((name) => `${name} ${now.get(name) ?? 0}\n`).join('');
}
/** The one node has it all. */
export function memoryNumaStat(k: Kernel, cg: MemCgroup): string {
  const now = valuesOf(k, cg);
  return NUMA_ROWS.map((name) => `${name} N0=${now.get(name) ?? 0}\n`).join('');
}
