import { mm_struct as MM, page as PAGE } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { ratelimitInit } from '../lib/ratelimit.ts';
import { HZ } from '../time/timekeeping.ts';
import {
  KERNEL_IMAGE_SIZE,
  KERNEL_LINK_ADDR,
  MODULES_END,
  MODULES_VADDR,
  PAGE_OFFSET,
  PAGE_SIZE,
  VMALLOC_END,
  VMALLOC_START,
  VMEMMAP_START,
} from './address.ts';
import type { FrameRun } from './frame_runs.ts';
import { memcgOutOfMemory } from './oom_kill.ts';
import type { ImageMapping } from './image_mapping.ts';
import { type OvercommitSettings, overcommitDefaults } from './overcommit.ts';
import type { File } from '../fs/types.ts';
import type { AddressSpace } from './filemap.ts';
import { LruLists } from './lru.ts';
import { chargeKernel, MemCgroups, unchargeFrames, unchargeKernel, unchargeSwap, Use } from './memcontrol.ts';
import type { AnonRoot } from './rmap.ts';
import { Swap } from './swap_slots.ts';
import { ReclaimState, reclaimQuick, relieve, relieveMemcg } from './vmscan.ts';
import { NO_TYPE, PGTY_TABLE, setPageType } from './page.ts';
import { PageAllocator } from './page_alloc.ts';
import { makePte, mapLarge, PAGE_KERNEL, PAGE_KERNEL_EXEC, PTE_V, setPte } from './pgtable.ts';
import { SLAB_ACCOUNT, SLAB_HWCACHE_ALIGN, SLAB_PANIC } from '../../abi/slab.ts';
import { checksMemory, MemoryCheck } from './memcheck.ts';
import { releaseChecked } from './memcheck_release.ts';
import { SlabAllocator } from './slab.ts';
import type { KmemCache } from './slab_cache.ts';
import { hashed, StackDepot } from './slub_debug.ts';
import type { SlabComplaint } from './slub.ts';
import { bugInExport, CUT_HERE, warnAt } from '../traps.ts';
import type { DmaPool } from './dmapool.ts';
import type { Shrinkers } from './shrinker.ts';
import type { WaitQueueHead } from '../sched/wait.ts';
import { VmapArea } from './vmalloc.ts';
import { VmStat } from './vmstat.ts';

/** The first part of the kernel image holds the stubs of exported functions. */
export const IMAGE_TEXT_SIZE = 0x10_0000;
const MIB2 = 0x20_0000;
/** An mm_struct is followed by its CPU masks. */
const MM_STRUCT_SIZE = MM.sizeof + 64;

/** Memory management of one kernel: frames, slabs, the kernel's page table. */
export class MemoryManager {
  private readonly k: Kernel;
  readonly pages: PageAllocator;
  readonly slab: SlabAllocator;
  readonly stackDepot = new StackDepot();
  /** --check=memory; null = off. */
  check: MemoryCheck | null = null;
  readonly stat = new VmStat();
  readonly memcg: MemCgroups;
  readonly lru: LruLists;
  readonly swap: Swap;
  /** Open files of swap areas, by number of the area. */
  readonly swapFiles = new Map<number, File>();
  /** What the pages of files and the private ones belong to, by frame. */
  readonly ownerOf: (AddressSpace | AnonRoot | null)[];
  readonly reclaim = new ReclaimState();
  /** Files of memory file systems with pages in swap. */
  readonly swappedMappings = new Set<AddressSpace>();
  nextFutexId = 1;
  readonly vmalloc = new VmapArea(VMALLOC_START, VMALLOC_END);
  readonly modules = new VmapArea(MODULES_VADDR, MODULES_END);
  readonly mmCache: KmemCache;
  /** Physical address of the kernel's root page table; user tables copy its upper half. */
  readonly swapperPgDir: number;
  /** The frame of zeros behind every read of untouched private memory. */
  readonly zeroPage: number;
  /** Runs whose room others leave alone. */
  readonly runs = new Set<FrameRun>();
  nextShmIno = 1;
  nextAnonVma = 1;
  /** WARN_ON_ONCE of __alloc_pages has been said. */
  warnedOrder = false;
  warnedVmallocZero = false;
  warnedLargeFree = false;
  /** Places of kernel/dma whose WARN_ON_ONCE has been said. */
  readonly warnedDma = new Set<string>();
  /** nopage_rs of mm/page_alloc.c: one report of a failure in ten seconds. */
  readonly noPageLimit = ratelimitInit(0, 10 * HZ, 1);
  /** Files of the boot image with pages in memory, in the order in which they came. */
  readonly imageMappings = new Set<ImageMapping>();
  /** Caches of modules that can give memory back; who waits for an element of a pool, by the pool's address. */
  readonly shrinkers: Shrinkers = new Map();
  readonly mempoolWaiters = new Map<number, WaitQueueHead>();
  /** Pools of DMA memory by address. */
  readonly dmaPools = new Map<number, DmaPool>();
  /** /proc/sys/kernel/randomize_va_space and settings of /proc/sys/vm. */
  randomizeVaSpace = 2;
  overcommit!: OvercommitSettings;
  maxMapCount = 65530;
  /** oom_dump_tasks, oom_kill_allocating_task, panic_on_oom. */
  readonly oom = { dumpTasks: 1, killAsker: 0, panic: 0 };
  /** drop_caches says nothing any more. */
  dropQuietly = false;

  /** Next free byte of the kernel image's data part: objects that symbols name, within reach of pc-relative code. */
  private imageNext = RAM_BASE + IMAGE_TEXT_SIZE;

  /** Space in the kernel image for an exported object; physical address. */
  imageAlloc(size: number, align: number): number {
    const at = Math.ceil(this.imageNext / align) * align;
    if (at + size > RAM_BASE + KERNEL_IMAGE_SIZE) throw new Error('the kernel image area is full');
    this.imageNext = at + size;
    return at;
  }

  constructor(k: Kernel) {
    const { ram, machine } = k;
    this.k = k;
    this.memcg = new MemCgroups(k.cgroups.root.mem);
    this.pages = new PageAllocator(machine, RAM_BASE + KERNEL_IMAGE_SIZE);
    this.lru = new LruLists(ram, this.pages);
    this.swap = new Swap(ram);
    this.ownerOf = new Array<AddressSpace | AnonRoot | null>(ram.size / PAGE_SIZE).fill(null);
    this.pages.onFree = (pa, n) => this.forgetFrame(pa, n);
    this.slab = new SlabAllocator(k, this.pages, this.stat);
    this.mmCache = this.slab.createCache('mm_struct', MM_STRUCT_SIZE, 8, SLAB_HWCACHE_ALIGN | SLAB_PANIC | SLAB_ACCOUNT);
    const root = this.allocTable();
    this.swapperPgDir = root;
    this.zeroPage = this.pages.alloc();
    // Linear map: RAM_BASE up, in 2 MiB leaves (RAM may end inside a gigapage).
    for (let pa = RAM_BASE; pa < ram.size; pa += MIB2) mapLarge(ram, root, PAGE_OFFSET + pa, pa, 1, PAGE_KERNEL, this);
    for (let off = 0; off < KERNEL_IMAGE_SIZE; off += MIB2)
      mapLarge(ram, root, KERNEL_LINK_ADDR + off, RAM_BASE + off, 1, PAGE_KERNEL_EXEC, this);
    const memMapBytes = (ram.size / PAGE_SIZE) * PAGE.sizeof;
    for (let off = 0; off < memMapBytes; off += MIB2)
      mapLarge(ram, root, VMEMMAP_START + off, this.pages.memMap + off, 1, PAGE_KERNEL, this);
    // Top-level entries of the growing areas exist from the start, so that every user table has them.
    for (const [va, gigabytes] of [
      [VMALLOC_START, 64],
      [MODULES_VADDR, 2],
    ]) {
      for (let gig = 0; gig < gigabytes; gig++) {
        const at = root + ((Math.floor(va / 2 ** 30) + gig) & 511) * 8;
        if ((ram.read32(at) & PTE_V) === 0) setPte(ram, at, makePte(this.allocTable(), PTE_V));
      }
    }
  }

  /** A frame goes back: it is on no list any more, and belongs to nothing. */
  private forgetFrame(pa: number, pages: number): void {
    const pfn = pa / PAGE_SIZE;
    const listed = this.lru.unlink(pfn) >= 0;
    if (this.memcg.active) unchargeFrames(this.k, pa, pages, !listed);
    if (listed) this.ownerOf[pfn] = null;
  }

  /** A zeroed frame for a page table, or 0. */
  allocTable(): number {
    const pa = this.pages.alloc();
    if (pa === 0) return 0;
    setPageType(this.k.ram, this.pages.pageStruct(pa), PGTY_TABLE);
    this.stat.pageTablePages++;
    if (this.memcg.active) chargeKernel(this.k, pa, 1, Use.TABLES);
    return pa;
  }
  freeTable(pa: number): void {
    setPageType(this.k.ram, this.pages.pageStruct(pa), NO_TYPE);
    this.stat.pageTablePages--;
    if (this.memcg.active) unchargeKernel(this.k, pa, 1, Use.TABLES);
    this.pages.free(pa);
  }
}

export function mmInit(k: Kernel): void {
  k.mm = new MemoryManager(k);
  if (/(?:^| )norandmaps(?: |$)/.test(k.commandLine)) k.mm.randomizeVaSpace = 0;
  k.mm.pages.onBadPage = (pa, reason) => {
    k.printk.log(1, `BUG: Bad page state in process ${k.current.comm}  pfn:${(pa / PAGE_SIZE).toString(16).padStart(5, '0')}`);
    k.printk.log(1, `page dumped because: ${reason}`);
  };
  k.mm.pages.onShort = (pages) => reclaimQuick(k, pages);
  k.mm.pages.onLow = () => relieve(k);
  k.mm.swap.onRelease = (entry) => unchargeSwap(k, entry);
  k.mm.memcg.outOfMemory = memcgOutOfMemory;
  k.mm.memcg.relieve = () => relieveMemcg(k);
  k.mm.pages.enablePerCpu(k.cpus, () => k.cpu);
  k.mm.overcommit = overcommitDefaults(k.mm.pages.freePages);
  if (k.mm.slab.tracksUsers) k.mm.stackDepot.earlyInit(k);
  if (checksMemory(k)) k.mm.check = new MemoryCheck(k, releaseChecked);
  k.mm.slab.onComplaint = (cache, pa, what) => badFree(k, cache, pa, what);
  k.machine.setPageTable(k.mm.swapperPgDir);
}

/**
 * A wrong kfree in a cache without checks. Linux notices two kinds: the object that was freed last once more, and a page that is no slab. The rest
 * ruins its free lists silently; here it is refused and said.
 */
function badFree(k: Kernel, cache: KmemCache | null, pa: number, what: SlabComplaint): void {
  const fromModule = k.machine.regs.mode !== 0;
  const slab = k.mm.slab.slub.slabAt(pa);
  if (cache === null && fromModule) {
    if (k.mm.warnedLargeFree) return;
    k.mm.warnedLargeFree = true;
    warnAt(k, 'mm/slub.c:4779');
    k.printk.log(4, `object pointer: 0x${hashed(k, pa)}`);
  } else if (slab !== null && fromModule && slab.freeCount > 0 && slab.cache.objectPa(slab, slab.free[slab.freeCount - 1]) === pa) {
    k.printk.log(4, CUT_HERE);
    k.printk.log(2, 'kernel BUG at mm/slub.c:547!');
    bugInExport(k);
  } else k.printk.log(3, `BUG ${cache?.name ?? 'kfree'}: ${what} @ 0x${BigInt.asUintN(64, BigInt(PAGE_OFFSET + pa)).toString(16)}`);
}
