import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import type { MmStruct } from '../../mm/mm_struct.ts';
import { MAX_ORDER } from '../../mm/page_alloc.ts';
import type { Dentry } from '../types.ts';
import { kernelStackKb } from './array.ts';

// /proc/meminfo, buddyinfo, slabinfo, vmstat, zoneinfo, iomem.

const KB = PAGE_SIZE / 1024;
/** 2^38 bytes less the guard: the vmalloc area (VMALLOC_SIZE), kB. */
const VMALLOC_TOTAL_KB = 2 ** 36 / 1024;

/** Pages of file contents on file systems in memory. */
function cachedPages(k: Kernel): number {
  let n = 0;
  const seen = new Set<unknown>();
  const visit = (d: Dentry) => {
    const { mapping } = d.inode;
    if (mapping !== null && !seen.has(d.inode)) {
      seen.add(d.inode);
      n += mapping.pages.size;
    }
    for (const child of d.children.values()) visit(child);
  };
  const roots = new Set<Dentry>();
  for (const m of k.vfs.mounts) if (!m.sb.volatile) roots.add(m.sb.root);
  for (const root of roots) visit(root);
  return n;
}
interface Numbers {
  readonly total: number;
  readonly free: number;
  readonly cached: number;
  readonly anon: number;
  readonly mapped: number;
  readonly slab: number;
  readonly stackKb: number;
  readonly committed: number;
}
function gather(k: Kernel): Numbers {
  const { pages, slab } = k.mm;
  const seen = new Set<MmStruct>();
  let anon = 0;
  let mapped = 0;
  let committed = 0;
  for (const t of k.sched.tasks.values()) {
    if (t.mm === null || seen.has(t.mm)) continue;
    seen.add(t.mm);
    anon += t.mm.rssAnon;
    mapped += t.mm.rssFile;
    committed += t.mm.totalPages;
  }
  let slabPages = 0;
  for (const c of slab.caches) slabPages += c.slabCount;
  return {
    total: pages.managedPages,
    free: pages.freePages,
    cached: cachedPages(k),
    anon,
    mapped,
    slab: slabPages,
    stackKb: kernelStackKb(k.sched.tasks.size),
    committed,
  };
}
export function meminfoText(n: Numbers): string {
  const line = (name: string, kb: number) => `${`${name}:`.padEnd(16)}${String(kb).padStart(8)} kB\n`;
  const zero = (...names: string[]) => names.map((name) => line(name, 0)).join('');
  const active = (n.cached + n.anon) * KB;
  return (
    line('MemTotal', n.total * KB) +
    line('MemFree', n.free * KB) +
    line('MemAvailable', n.free * KB) +
    line('Buffers', 0) +
    line('Cached', n.cached * KB) +
    line('SwapCached', 0) +
    line('Active', active) +
    line('Inactive', 0) +
    line('Active(anon)', active) +
    zero('Inactive(anon)', 'Active(file)', 'Inactive(file)', 'Unevictable', 'Mlocked') +
    zero('SwapTotal', 'SwapFree', 'Zswap', 'Zswapped', 'Dirty', 'Writeback') +
    line('AnonPages', n.anon * KB) +
    line('Mapped', n.mapped * KB) +
    line('Shmem', n.cached * KB) +
    line('KReclaimable', 0) +
    line('Slab', n.slab * KB) +
    line('SReclaimable', 0) +
    line('SUnreclaim', n.slab * KB) +
    line('KernelStack', n.stackKb) +
    zero('PageTables', 'SecPageTables') +
    zero('NFS_Unstable', 'Bounce', 'WritebackTmp') +
    line('CommitLimit', Math.floor(n.total / 2) * KB) +
    line('Committed_AS', n.committed * KB) +
    line('VmallocTotal', VMALLOC_TOTAL_KB) +
    zero('VmallocUsed', 'VmallocChunk', 'Percpu')
  );
}
function buddyinfo(k: Kernel): string {
  let out = 'Node 0, zone    DMA32 ';
  for (let o = 0; o <= MAX_ORDER; o++) out += `${String(k.mm.pages.freeCount[o]).padStart(6)} `;
  return `${out}\n`;
}
function slabinfo(k: Kernel): string {
  let out =
    'slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n';
  const pad = (n: number, w: number) => String(n).padStart(w);
  // Newest first, as Linux lists them.
  for (const c of [...k.mm.slab.caches].reverse()) {
    const slabs = c.slabCount / (1 << c.order);
    out += `${c.name.padEnd(17)} ${pad(c.activeObjects, 6)} ${pad(slabs * c.perSlab, 6)} ${pad(c.size, 6)} ${pad(c.perSlab, 4)} ${pad(1 << c.order, 4)}`;
    out += ` : tunables ${pad(0, 4)} ${pad(0, 4)} ${pad(0, 4)} : slabdata ${pad(slabs, 6)} ${pad(slabs, 6)} ${pad(0, 6)}\n`;
  }
  return out;
}
function vmstat(k: Kernel): string {
  const n = gather(k);
  let faults = 0;
  let major = 0;
  for (const t of k.sched.tasks.values()) {
    faults += t.minFlt + t.majFlt + t.signal.cminFlt;
    major += t.majFlt;
  }
  const rows: readonly (readonly [string, number])[] = [
    ['nr_free_pages', n.free],
    ['nr_zone_active_anon', n.anon + n.cached],
    ['nr_mlock', 0],
    ['nr_active_anon', n.anon + n.cached],
    ['nr_slab_unreclaimable', n.slab],
    ['nr_anon_pages', n.anon],
    ['nr_mapped', n.mapped],
    ['nr_file_pages', n.cached],
    ['nr_dirty', 0],
    ['nr_writeback', 0],
    ['nr_shmem', n.cached],
    ['nr_kernel_stack', n.stackKb],
    ['pgpgin', 0],
    ['pgpgout', 0],
    ['pswpin', 0],
    ['pswpout', 0],
    ['pgfault', faults],
    ['pgmajfault', major],
  ];
  return rows.map(([name, value]) => `${name} ${value}\n`).join('');
}

export function procMemInit(k: Kernel): void {
  const { procfs } = k;
  procfs.create('meminfo', (kk) => meminfoText(gather(kk)));
  procfs.create('buddyinfo', buddyinfo);
  procfs.create('slabinfo', slabinfo, { mode: 0o400 });
  procfs.create('vmstat', vmstat);
}
