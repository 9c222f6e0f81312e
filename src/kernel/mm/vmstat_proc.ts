import type { Kernel } from '../kernel.ts';
import { MAX_ORDER, type PageAllocator } from './page_alloc.ts';

// Texts of /proc/vmstat, zoneinfo, buddyinfo and pagetypeinfo (mm/vmstat.c). One node, one populated zone: DMA32.

/** Rows of /proc/vmstat in Linux's order. Those that have no number here are 0: there is no huge page and no other node. */
const ROWS = `
nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable
nr_zone_write_pending nr_mlock nr_bounce nr_zspages nr_free_cma numa_hit numa_miss numa_foreign numa_interleave
numa_local numa_other nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable
nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon
workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback
nr_writeback_temp nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped
nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written nr_throttled_written
nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack nr_page_table_pages
nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate pgdemote_kswapd
pgdemote_direct pgdemote_khugepaged nr_dirty_threshold nr_dirty_background_threshold nr_memmap_pages
nr_memmap_boot_pages pgpgin pgpgout pswpin pswpout pgalloc_dma32 pgalloc_normal pgalloc_movable pgalloc_device
allocstall_dma32 allocstall_normal allocstall_movable allocstall_device pgskip_dma32 pgskip_normal pgskip_movable
pgskip_device pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd
pgsteal_direct pgsteal_khugepaged pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_direct_throttle pgscan_anon
pgscan_file pgsteal_anon pgsteal_file zone_reclaim_success zone_reclaim_failed pginodesteal slabs_scanned
kswapd_inodesteal kswapd_low_wmark_hit_quickly kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache
drop_slab oom_kill numa_pte_updates numa_huge_pte_updates numa_hint_faults numa_hint_faults_local numa_pages_migrated
pgmigrate_success pgmigrate_fail thp_migration_success thp_migration_fail thp_migration_split compact_migrate_scanned
compact_free_scanned compact_isolated compact_stall compact_fail compact_success compact_daemon_wake
compact_daemon_migrate_scanned compact_daemon_free_scanned htlb_buddy_alloc_success htlb_buddy_alloc_fail
unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked
unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded thp_fault_alloc thp_fault_fallback
thp_fault_fallback_charge thp_collapse_alloc thp_collapse_alloc_failed thp_file_alloc thp_file_fallback
thp_file_fallback_charge thp_file_mapped thp_split_page thp_split_page_failed thp_deferred_split_page
thp_underused_split_page thp_split_pmd thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte
thp_zero_page_alloc thp_zero_page_alloc_failed thp_swpout thp_swpout_fallback balloon_inflate balloon_deflate
balloon_migrate swap_ra swap_ra_hit swpin_zero swpout_zero ksm_swpin_copy cow_ksm zswpin zswpout zswpwb nr_unstable
`
  .trim()
  .split(/\s+/);

/** Names of the LRU lists. */
const LISTS = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'] as const;

/** Rows of zoneinfo's `per-node stats`. */
const NODE_ROWS = `
nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable
nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon
workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback
nr_writeback_temp nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped
nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written nr_throttled_written
nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack nr_page_table_pages
nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate pgdemote_kswapd
pgdemote_direct pgdemote_khugepaged
`
  .trim()
  .split(/\s+/);

/** Pages that no promise may touch: the high watermark (totalreserve_pages). */
export function availablePages(pages: PageAllocator): number {
  return Math.max(0, pages.buddyPages - pages.watermarks.high);
}

/** MemAvailable, in pages (si_mem_available). */
export function availableMemory(k: Kernel): number {
  const { pages, stat } = k.mm;
  const cache = stat.filePages - stat.shmemPages;
  const reclaimable = stat.slabReclaimable;
  const { low } = pages.watermarks;
  return availablePages(pages) + cache - Math.min(Math.floor(cache / 2), low) + reclaimable - Math.min(Math.floor(reclaimable / 2), low);
}
/** Current values by name. */
function values(k: Kernel): ReadonlyMap<string, number> {
  const { pages, stat, lru, swap } = k.mm;
  const files = stat.filePages - stat.shmemPages;
  // vm.dirty_ratio and dirty_background_ratio: 20 and 10 % of what could hold dirty pages.
  const dirtyable = availablePages(pages) + files;
  return new Map([
    ['nr_free_pages', pages.buddyPages],
    ...LISTS.flatMap((name, list) => [
      [`nr_zone_${name}`, lru.size[list]] as const,
      [`nr_${name}`, lru.size[list]] as const,
    ]),
    ['nr_mlock', lru.mlocked],
    ['numa_hit', pages.allocated],
    ['numa_local', pages.allocated],
    ['nr_slab_reclaimable', stat.slabReclaimable],
    ['nr_slab_unreclaimable', stat.slabUnreclaimable],
    ['nr_anon_pages', stat.anonPages],
    ['nr_mapped', stat.fileMapped],
    ['nr_file_pages', stat.filePages + swap.cache.size],
    ['nr_swapcached', swap.cache.size],
    ['nr_shmem', stat.shmemPages],
    ['nr_kernel_stack', k.sched.tasks.size * 16],
    ['nr_page_table_pages', stat.pageTablePages],
    ['nr_dirty_threshold', Math.floor(dirtyable / 5)],
    ['nr_dirty_background_threshold', Math.floor(dirtyable / 10)],
    ['nr_memmap_boot_pages', Math.ceil((pages.totalPages * 64) / 4096)],
    ['pgalloc_dma32', pages.allocated],
    ['pgfree', pages.freed],
    ['pgfault', stat.pgfault],
    ['pgmajfault', stat.pgmajfault],
    ['pgreuse', stat.pgreuse],
    ['oom_kill', stat.oomKill],
    ['pgscan_kswapd', stat.pgscanKswapd],
    ['pgscan_direct', stat.pgscanDirect],
    ['pgsteal_kswapd', stat.pgstealKswapd],
    ['pgsteal_direct', stat.pgstealDirect],
    ['pgscan_anon', stat.pgscanAnon],
    ['pgscan_file', stat.pgscanFile],
    ['pgsteal_anon', stat.pgstealAnon],
    ['pgsteal_file', stat.pgstealFile],
    ['pgactivate', stat.pgactivate],
    ['pgdeactivate', stat.pgdeactivate],
    ['pgrefill', stat.pgrefill],
    ['allocstall_dma32', stat.allocstall],
    ['pageoutrun', stat.pageoutrun],
    ['kswapd_high_wmark_hit_quickly', stat.kswapdHighQuickly],
    ['unevictable_pgs_culled', stat.unevictableCulled],
    ['workingset_refault_file', stat.refaultFile],
    ['workingset_refault_anon', stat.refaultAnon],
    ['workingset_activate_file', stat.activateFile],
    ['workingset_activate_anon', stat.activateAnon],
    ['pswpin', swap.swpin],
    ['pswpout', swap.swpout],
    ['swpin_zero', swap.zeroIn],
    ['swpout_zero', swap.zeroOut],
    ['nr_vmscan_write', swap.swpout + swap.zeroOut],
    ['drop_pagecache', stat.dropPagecache],
    ['drop_slab', stat.dropSlab],
    ['slabs_scanned', stat.slabsScanned],
  ]);
}

export function showVmstat(k: Kernel): string {
  const now = values(k);
  return ROWS.map((name) => `${name} ${now.get(name) ?? 0}\n`).join('');
}

/** One counter of /proc/vmstat. */
export function statValue(k: Kernel, name: string): number {
  return values(k).get(name) ?? 0;
}
/** node0/vmstat: the rows of zones, then those of nodes. */
export function showNodeVmstat(k: Kernel): string {
  const now = values(k);
  const rows = [...ROWS.slice(0, ROWS.indexOf('numa_other') + 1), ...NODE_ROWS];
  return rows.map((name) => `${name} ${now.get(name) ?? 0}\n`).join('');
}

export function showBuddyinfo(k: Kernel): string {
  let out = 'Node 0, zone    DMA32 ';
  for (let o = 0; o <= MAX_ORDER; o++) out += `${String(k.mm.pages.freeCount[o]).padStart(6)} `;
  return `${out}\n`;
}

export function showPagetypeinfo(k: Kernel): string {
  const { pages } = k.mm;
  const types = ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic', 'Isolate'];
  const pad = (n: number, w: number) => String(n).padStart(w);
  let out = 'Page block order: 9\nPages per block:  512\n\n';
  out += `${'Free pages count per migrate type at order '.padEnd(43)}`;
  for (let o = 0; o <= MAX_ORDER; o++) out += `${pad(o, 6)} `;
  out += '\n';
  for (const type of types) {
    out += `Node    0, zone ${'DMA32'.padStart(8)}, type ${type.padStart(12)} `;
    for (let o = 0; o <= MAX_ORDER; o++) out += `${pad(pages.freeByType[types.indexOf(type) * (MAX_ORDER + 1) + o] ?? 0, 6)} `;
    out += '\n';
  }
  out += `\n${'Number of blocks type '.padEnd(23)}${types.map((t) => `${t.padStart(12)} `).join('')}\n`;
  const blocks = pages.countBlocks();
  const counts = types.map((_, t) => blocks[t] ?? 0);
  return `${out}Node 0, zone ${'DMA32'.padStart(8)} ${counts.map((n) => `${pad(n, 12)} `).join('')}\n`;
}

/** A zone that exists in the kernel's configuration and has no memory. */
function emptyZone(name: string, low: number): string {
  const row = (label: string, n: number) => `        ${label.padEnd(8)} ${n}\n`;
  const marks = ['min', 'low', 'high', 'promo'].map((l) => row(l, low)).join('');
  return (
    `Node 0, zone ${name.padStart(8)}\n  pages free     0\n${row('boost', 0)}${marks}` +
    `${['spanned', 'present', 'managed', 'cma'].map((l) => row(l, 0)).join('')}        protection: (0, 0, 0, 0)\n`
  );
}
export function showZoneinfo(k: Kernel): string {
  const now = values(k);
  const { pages } = k.mm;
  const wm = pages.watermarks;
  const stat = (name: string) => `      ${name.padEnd(12)} ${now.get(name) ?? 0}\n`;
  const row = (label: string, n: number) => `        ${label.padEnd(8)} ${n}\n`;
  let out = `Node 0, zone ${'DMA32'.padStart(8)}\n  per-node stats\n${NODE_ROWS.map(stat).join('')}  pages free     ${pages.buddyPages}\n`;
  out += row('boost', 0) + row('min', wm.min) + row('low', wm.low) + row('high', wm.high) + row('promo', wm.promo);
  out += row('spanned', pages.totalPages) + row('present', pages.totalPages) + row('managed', pages.managedPages) + row('cma', 0);
  out += '        protection: (0, 0, 0, 0)\n';
  const zoneRows = ROWS.slice(0, ROWS.indexOf('numa_other') + 1);
  out += `${zoneRows.map(stat).join('')}  pagesets\n`;
  for (let cpu = 0; cpu < k.cpus; cpu++)
    out += `    cpu: ${cpu}\n              count: ${pages.pcp?.count[cpu] ?? 0}\n              high:  ${pages.pcp?.high ?? 0}\n              batch: ${pages.pcp?.batch ?? 1}\n  vm stats threshold: 8\n`;
  out += `  node_unreclaimable:  0\n  start_pfn:           0\n`;
  return out + emptyZone('Normal', 0) + emptyZone('Movable', 32) + emptyZone('Device', 0);
}
