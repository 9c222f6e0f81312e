import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { LruVec } from './lru.ts';
import { Migrate } from './page_alloc.ts';

// What memory cgroups pay for (mm/memcontrol.c, page_counter.c). A frame or an object is charged to the group of the task that asked for it, and to all groups above;
// it is given back when it is freed, wherever the task is by then. The root has no limits and is not counted.

export const NO_LIMIT = Number.POSITIVE_INFINITY;

/** Pages by use (enum node_stat_item, of a group itself). */
export const Use = { ANON: 0, FILE: 1, SHMEM: 2, FILE_MAPPED: 3, STACK: 4, TABLES: 5, SWAPCACHE: 6 } as const;
const USES = 7;
/** Events of a group itself (vm_event_item). */
export interface MemEvents {
  pgfault: number;
  pgmajfault: number;
  pgscanKswapd: number;
  pgscanDirect: number;
  pgstealKswapd: number;
  pgstealDirect: number;
  pgrefill: number;
  pgactivate: number;
  pgdeactivate: number;
  refaultAnon: number;
  refaultFile: number;
  activateAnon: number;
  activateFile: number;
  zeroIn: number;
  zeroOut: number;
}
const noEvents = (): MemEvents => ({
  pgfault: 0,
  pgmajfault: 0,
  pgscanKswapd: 0,
  pgscanDirect: 0,
  pgstealKswapd: 0,
  pgstealDirect: 0,
  pgrefill: 0,
  pgactivate: 0,
  pgdeactivate: 0,
  refaultAnon: 0,
  refaultFile: 0,
  activateAnon: 0,
  activateFile: 0,
  zeroIn: 0,
  zeroOut: 0,
});
/** What memory.events counts, in its order. */
export const EVENT_NAMES = ['low', 'high', 'max', 'oom', 'oom_kill', 'oom_group_kill'] as const;
export type EventName = (typeof EVENT_NAMES)[number];
export const SWAP_EVENT_NAMES = ['high', 'max', 'fail'] as const;
type Counts<Name extends string> = Record<Name, number>;
const noCounts = (): Counts<EventName> => ({ low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0 });

/** A count of pages with a limit (struct page_counter). */
export class PageCounter {
  usage = 0;
  peak = 0;
  max = NO_LIMIT;
  high = NO_LIMIT;
  /** Charges that the limit refused. */
  failures = 0;
}
/** The memory controller of a cgroup. */
export class MemCgroup {
  /** Number of its LRU lists, and in the array of owners of frames; 0 = the root. */
  readonly id: number;
  readonly parent: MemCgroup | null;
  readonly children = new Set<MemCgroup>();
  /** Its cgroup's path, for the log. */
  readonly path: string;
  readonly memory = new PageCounter();
  readonly swap = new PageCounter();
  min = 0;
  low = 0;
  oomGroup = false;
  readonly uses: number[] = new Array<number>(USES).fill(0);
  readonly vm = noEvents();
  readonly events = noCounts();
  readonly eventsLocal = noCounts();
  readonly swapEvents: Counts<'high' | 'max' | 'fail'> = { high: 0, max: 0, fail: 0 };
  /** Pages of the kernel's own that are charged, those of objects among them. */
  kernelPages = 0;
  /** Bytes of objects that are charged, reclaimable or not. */
  slabReclaimable = 0;
  slabUnreclaimable = 0;
  /** Bytes charged as objects that do not fill a page yet (struct obj_stock). */
  spareBytes = 0;
  /** Its cgroup is there, with the controller on. */
  online = true;
  constructor(id: number, parent: MemCgroup | null, path: string) {
    this.id = id;
    this.parent = parent;
    this.path = path;
    parent?.children.add(this);
  }
  /** The sum of something over it and the groups below. */
  sum(of: (cg: MemCgroup) => number): number {
    let n = of(this);
    for (const child of this.children) n += child.sum(of);
    return n;
  }
}
/** All groups with the controller. */
export class MemCgroups {
  readonly root: MemCgroup;
  readonly byId: (MemCgroup | undefined)[];
  /** Any besides the root: without, nothing is counted. */
  active = false;
  /** Objects of caches that are charged, by physical address. */
  readonly objects = new Map<number, { readonly cg: MemCgroup; readonly bytes: number; readonly reclaimable: boolean }>();
  /** Kills for a group that is over its limit; made by mm/oom_kill.ts. True: memory may be free now. */
  outOfMemory: (k: Kernel, cg: MemCgroup) => boolean = () => false;
  /** Reclaims where the current task's group is at its limit (mm/vmscan.ts). */
  relieve: () => void = () => {};
  constructor(root: MemCgroup) {
    this.root = root;
    this.byId = [root];
  }
}

/** `cg` and the groups above it, without the root. */
function* upwards(cg: MemCgroup): Generator<MemCgroup> {
  for (let at: MemCgroup | null = cg; at !== null && at.id !== 0; at = at.parent) yield at;
}
export function memcgOnline(k: Kernel, parent: MemCgroup, path: string): MemCgroup {
  const { memcg, lru } = k.mm;
  let id = 1;
  while (memcg.byId[id] !== undefined) id++;
  const cg = new MemCgroup(id, parent, path);
  memcg.byId[id] = cg;
  lru.vecs[id] ??= new LruVec();
  memcg.active = true;
  k.mm.pages.onGroup = memcg.relieve;
  return cg;
}
/** The cgroup went, or its controller was turned off; what is still charged keeps it (a dying group). */
export function memcgOffline(k: Kernel, cg: MemCgroup): void {
  cg.online = false;
  reparentObjects(k, cg);
  forgetIfEmpty(k, cg);
}
/** Objects are the parent's from now on, and what is left of their pages (memcg_reparent_objcgs). It has paid for them all along. */
function reparentObjects(k: Kernel, cg: MemCgroup): void {
  const to = cg.parent as MemCgroup;
  for (const [pa, object] of k.mm.memcg.objects) {
    if (object.cg !== cg) continue;
    if (to.id === 0) k.mm.memcg.objects.delete(pa);
    else k.mm.memcg.objects.set(pa, { ...object, cg: to });
  }
  const bytes = cg.spareBytes + cg.slabReclaimable + cg.slabUnreclaimable;
  const pages = Math.round(bytes / PAGE_SIZE);
  cg.memory.usage -= pages;
  cg.kernelPages -= pages;
  if (to.id !== 0) {
    to.kernelPages += pages;
    to.spareBytes += cg.spareBytes;
    to.slabReclaimable += cg.slabReclaimable;
    to.slabUnreclaimable += cg.slabUnreclaimable;
  }
  cg.spareBytes = cg.slabReclaimable = cg.slabUnreclaimable = 0;
}
function forgetIfEmpty(k: Kernel, cg: MemCgroup): void {
  const { memcg } = k.mm;
  if (cg.online || cg.id === 0 || cg.memory.usage > 0 || cg.swap.usage > 0 || cg.children.size > 0 || memcg.byId[cg.id] !== cg) return;
  memcg.byId[cg.id] = undefined;
  cg.parent?.children.delete(cg);
  if (cg.parent !== null) forgetIfEmpty(k, cg.parent);
  memcg.active = memcg.root.children.size > 0;
  if (!memcg.active) k.mm.pages.onGroup = null;
}
/** The group that pays for what the current task asks for; null = none does. */
export function currentMemcg(k: Kernel): MemCgroup | null {
  if (!k.mm.memcg.active) return null;
  const cg = k.current.cgroup?.mem;
  return cg === undefined || cg.id === 0 ? null : cg;
}
export function memcgEvent(cg: MemCgroup, name: EventName, n = 1): void {
  cg.eventsLocal[name] += n;
  for (const at of upwards(cg)) at.events[name] += n;
}
function add(counter: PageCounter, n: number): void {
  counter.usage += n;
  if (counter.usage > counter.peak) counter.peak = counter.usage;
}
function charge(cg: MemCgroup, pages: number): void {
  for (const at of upwards(cg)) add(at.memory, pages);
}
export function uncharge(k: Kernel, cg: MemCgroup, pages: number): void {
  for (const at of upwards(cg)) at.memory.usage -= pages;
  if (!cg.online) forgetIfEmpty(k, cg);
}
/** The lowest group that `pages` more would take past its limit. */
function overLimit(cg: MemCgroup, pages: number): MemCgroup | null {
  for (const at of upwards(cg)) if (at.memory.usage + pages > at.memory.max) return at;
  return null;
}
/** Tries that a charge makes before it asks for a kill, and after one (MAX_RECLAIM_RETRIES): each is an event of memory.events. */
const TRIES_BEFORE_KILL = 18;
const TRIES_AFTER_KILL = 17;
/**
 * Charges one page (try_charge_memcg). Reclaim was made before the fault or the call began (relieveMemcg), so what is over the limit now ends in a kill. False: the
 * current task is to die.
 */
function tryCharge(k: Kernel, cg: MemCgroup): boolean {
  const over = overLimit(cg, 1);
  if (over !== null) {
    over.memory.failures += TRIES_BEFORE_KILL;
    memcgEvent(over, 'max', TRIES_BEFORE_KILL);
    memcgEvent(over, 'oom');
    if (!k.mm.memcg.outOfMemory(k, over) || overLimit(cg, 1) !== null) {
      over.memory.failures += TRIES_AFTER_KILL;
      memcgEvent(over, 'max', TRIES_AFTER_KILL);
      return false;
    }
  }
  charge(cg, 1);
  return true;
}
/** A frame for user memory or a file has been found: whoever asks pays. False: it may have no more; the frame is given back. */
export function chargeFrame(k: Kernel, pa: number, payer: MemCgroup | null = currentMemcg(k)): boolean {
  if (payer === null) return true;
  if (!tryCharge(k, payer)) {
    k.mm.pages.put(pa);
    return false;
  }
  k.mm.lru.owner[pa / PAGE_SIZE] = payer.id;
  return true;
}
/** A frame for user memory or a file, charged. 0 = no memory, or the group may have no more. */
export function frameForUser(k: Kernel, zero: boolean, payer: MemCgroup | null = currentMemcg(k)): number {
  const pa = k.mm.pages.allocUser(0, zero, Migrate.MOVABLE);
  return pa !== 0 && !chargeFrame(k, pa, payer) ? 0 : pa;
}
/** Memory of the kernel for a task: pages from `pa` on. Its limit is not asked: so little does not decide. */
export function chargeKernel(k: Kernel, pa: number, pages: number, use: number): void {
  const cg = currentMemcg(k);
  if (cg === null) return;
  charge(cg, pages);
  cg.kernelPages += pages;
  if (use >= 0) cg.uses[use] += pages;
  for (let i = 0; i < pages; i++) k.mm.lru.owner[pa / PAGE_SIZE + i] = cg.id;
}
export function unchargeKernel(k: Kernel, pa: number, pages: number, use: number): void {
  const cg = ownerOf(k, pa);
  if (cg !== null) cg.uses[use] -= pages;
}
/** The group that pays for a frame; null = none does. */
export function ownerOf(k: Kernel, pa: number): MemCgroup | null {
  const id = k.mm.lru.owner[pa / PAGE_SIZE];
  return id === 0 ? null : (k.mm.memcg.byId[id] ?? null);
}
/** A page is used as `use` from now on, or (-1) is not any more. */
export function countUse(k: Kernel, pa: number, use: number, n: 1 | -1): void {
  const id = k.mm.lru.owner[pa / PAGE_SIZE];
  if (id === 0) return;
  const cg = k.mm.memcg.byId[id];
  if (cg !== undefined) cg.uses[use] += n;
}
/** Frames go back: who paid does so no longer. `kernel`: they were the kernel's own. */
export function unchargeFrames(k: Kernel, pa: number, pages: number, kernel: boolean): void {
  const { owner } = k.mm.lru;
  for (let pfn = pa / PAGE_SIZE; pfn < pa / PAGE_SIZE + pages; pfn++) {
    if (owner[pfn] === 0) continue;
    const cg = k.mm.memcg.byId[owner[pfn]];
    owner[pfn] = 0;
    if (cg === undefined) continue;
    if (kernel) cg.kernelPages--;
    uncharge(k, cg, 1);
  }
}

// --- objects of slabs ---

/** An object of a cache with SLAB_ACCOUNT: groups pay for whole pages, so what is left of one is kept for the next (obj_cgroup_charge). */
export function chargeObject(k: Kernel, pa: number, bytes: number, reclaimable: boolean): void {
  const cg = currentMemcg(k);
  if (cg === null) return;
  const size = bytes + 8;
  if (cg.spareBytes < size) {
    const pages = Math.ceil((size - cg.spareBytes) / PAGE_SIZE);
    charge(cg, pages);
    cg.kernelPages += pages;
    cg.spareBytes += pages * PAGE_SIZE;
  }
  cg.spareBytes -= size;
  if (reclaimable) cg.slabReclaimable += size;
  else cg.slabUnreclaimable += size;
  k.mm.memcg.objects.set(pa, { cg, bytes: size, reclaimable });
}
export function unchargeObject(k: Kernel, pa: number): void {
  const object = k.mm.memcg.objects.get(pa);
  if (object === undefined) return;
  const { cg, bytes, reclaimable } = object;
  k.mm.memcg.objects.delete(pa);
  if (reclaimable) cg.slabReclaimable -= bytes;
  else cg.slabUnreclaimable -= bytes;
  cg.spareBytes += bytes;
  const pages = Math.floor(cg.spareBytes / PAGE_SIZE);
  cg.spareBytes -= pages * PAGE_SIZE;
  if (pages === 0) return;
  cg.kernelPages -= pages;
  uncharge(k, cg, pages);
}

// --- swap ---

/** May the owner of a page have one more in swap? (mem_cgroup_try_charge_swap) */
export function chargeSwap(k: Kernel, pa: number, entry: number): boolean {
  const cg = ownerOf(k, pa);
  if (cg === null) return true;
  for (const at of upwards(cg))
    if (at.swap.usage + 1 > at.swap.max) {
      at.swap.failures++;
      for (const above of upwards(at)) above.swapEvents.max++;
      for (const above of upwards(at)) above.swapEvents.fail++;
      return false;
    }
  for (const at of upwards(cg)) add(at.swap, 1);
  k.mm.swap.owners.set(entry, cg.id);
  return true;
}
export function unchargeSwap(k: Kernel, entry: number): void {
  const { owners } = k.mm.swap;
  const id = owners.get(entry);
  if (id === undefined) return;
  owners.delete(entry);
  const cg = k.mm.memcg.byId[id];
  if (cg === undefined) return;
  for (const at of upwards(cg)) at.swap.usage--;
  if (!cg.online) forgetIfEmpty(k, cg);
}
/** Who pays for a page that comes back: the group that it went out from, while that is there. */
export function payerOfEntry(k: Kernel, entry: number): MemCgroup | null {
  const id = k.mm.swap.owners.get(entry);
  const cg = id === undefined ? undefined : k.mm.memcg.byId[id];
  return cg?.online === true ? cg : currentMemcg(k);
}

// --- reclaim ---

/** `target` and the groups below it, each before its children; null = all. */
export function memcgsBelow(k: Kernel, target: MemCgroup | null): MemCgroup[] {
  const out: MemCgroup[] = [];
  const visit = (cg: MemCgroup) => {
    out.push(cg);
    for (const child of cg.children) visit(child);
  };
  visit(target ?? k.mm.memcg.root);
  return out;
}
/** What memory.min or memory.low of a group comes to below its parent's (effective_protection, for one sibling that uses all of it). */
function effective(cg: MemCgroup, target: MemCgroup | null, which: 'min' | 'low'): number {
  if (cg === target || cg.id === 0) return 0;
  const own = Math.min(cg[which], cg.memory.usage);
  const { parent } = cg;
  if (parent === null || parent === target || parent.id === 0) return own;
  const above = effective(parent, target, which);
  let siblings = 0;
  for (const child of parent.children) siblings += Math.min(child[which], child.memory.usage);
  return siblings > above ? Math.floor((own * above) / siblings) : own;
}
/** What may be scanned of a list with so many pages; null: nothing. `low`: memory.low is not kept any more, for nothing else is left. */
export function memcgProtection(cg: MemCgroup, target: MemCgroup | null, low: boolean): ((size: number) => number) | null {
  if (cg.id === 0 || (cg.min === 0 && cg.low === 0)) return (size) => size;
  const { usage } = cg.memory;
  const min = effective(cg, target, 'min');
  const soft = effective(cg, target, 'low');
  if (usage <= min) return null;
  if (usage <= soft) {
    if (!low) return null;
    memcgEvent(cg, 'low');
  }
  const kept = low ? min : Math.max(min, soft);
  return (size) => size - Math.floor((size * kept) / (Math.max(usage, kept) + 1));
}
/** The group, or one above, that has reached its limit or is past memory.high; with the pages to reclaim. */
export function memcgToReclaim(cg: MemCgroup): { readonly cg: MemCgroup; readonly pages: number; readonly high: boolean } | null {
  for (const at of upwards(cg)) {
    if (at.memory.usage >= at.memory.max) return { cg: at, pages: 1 + at.memory.usage - at.memory.max, high: false };
    if (at.memory.usage > at.memory.high) return { cg: at, pages: at.memory.usage - at.memory.high, high: true };
  }
  return null;
}
