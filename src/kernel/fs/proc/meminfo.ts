import { commitLimit } from '../../mm/overcommit.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, LRU_UNEVICTABLE } from '../../mm/lru.ts';
import { showSlabinfo } from '../../mm/slab_proc.ts';
import { availableMemory, showBuddyinfo, showPagetypeinfo, showVmstat, showZoneinfo } from '../../mm/vmstat_proc.ts';
import { showVmallocinfo } from '../../mm/vmalloc_proc.ts';
import { kernelStackKb } from './array.ts';

// /proc/meminfo (fs/proc/meminfo.c) and the registration of the other texts about memory.

const KB = PAGE_SIZE / 1024;
/** VMALLOC_SIZE of Sv39: 64 GiB. */
const VMALLOC_TOTAL_KB = 2 ** 36 / 1024;

export function showMeminfo(k: Kernel): string {
  const { pages, stat, lru, swap } = k.mm;
  const line = (name: string, kb: number) => `${`${name}:`.padEnd(16)}${String(kb).padStart(8)} kB\n`;
  const page = (name: string, n: number) => line(name, n * KB);
  const zero = (...names: string[]) => names.map((name) => line(name, 0)).join('');
  const stacks = kernelStackKb(k.sched.tasks.size);
  return (
    page('MemTotal', pages.managedPages) +
    page('MemFree', pages.buddyPages) +
    page('MemAvailable', availableMemory(k)) +
    zero('Buffers') +
    page('Cached', stat.filePages) +
    page('SwapCached', swap.cache.size) +
    page('Active', lru.size[LRU_ACTIVE_ANON] + lru.size[LRU_ACTIVE_FILE]) +
    page('Inactive', lru.size[LRU_INACTIVE_ANON] + lru.size[LRU_INACTIVE_FILE]) +
    page('Active(anon)', lru.size[LRU_ACTIVE_ANON]) +
    page('Inactive(anon)', lru.size[LRU_INACTIVE_ANON]) +
    page('Active(file)', lru.size[LRU_ACTIVE_FILE]) +
    page('Inactive(file)', lru.size[LRU_INACTIVE_FILE]) +
    page('Unevictable', lru.size[LRU_UNEVICTABLE]) +
    page('Mlocked', lru.mlocked) +
    page('SwapTotal', swap.total) +
    page('SwapFree', swap.free) +
    zero('Zswap', 'Zswapped', 'Dirty', 'Writeback') +
    page('AnonPages', stat.anonPages) +
    page('Mapped', stat.fileMapped) +
    page('Shmem', stat.shmemPages) +
    page('KReclaimable', stat.slabReclaimable) +
    page('Slab', stat.slabReclaimable + stat.slabUnreclaimable) +
    page('SReclaimable', stat.slabReclaimable) +
    page('SUnreclaim', stat.slabUnreclaimable) +
    line('KernelStack', stacks) +
    page('PageTables', stat.pageTablePages) +
    zero('SecPageTables', 'NFS_Unstable', 'Bounce', 'WritebackTmp') +
    page('CommitLimit', commitLimit(k)) +
    page('Committed_AS', stat.committed) +
    line('VmallocTotal', VMALLOC_TOTAL_KB) +
    line('VmallocUsed', stat.vmallocPages * KB + stacks) +
    zero('VmallocChunk', 'Percpu', 'AnonHugePages', 'ShmemHugePages', 'ShmemPmdMapped', 'FileHugePages', 'FilePmdMapped') +
    'HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n' +
    line('Hugepagesize', 2048) +
    zero('Hugetlb')
  );
}

export function procMemInit(k: Kernel): void {
  const { procfs } = k;
  procfs.create('meminfo', showMeminfo);
  procfs.create('buddyinfo', showBuddyinfo);
  procfs.create('slabinfo', showSlabinfo, { mode: 0o400 });
  procfs.create('vmallocinfo', showVmallocinfo, { mode: 0o400 });
  procfs.create('vmstat', showVmstat);
  procfs.create('zoneinfo', showZoneinfo);
  procfs.create('pagetypeinfo', showPagetypeinfo, { mode: 0o400 });
}
