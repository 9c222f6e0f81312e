import { SLAB_TYPESAFE_BY_RCU } from '../../abi/slab.ts';
import { type AccessKind, Access, PageKind, type Watcher } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_OFFSET, PAGE_SIZE, pageFloor } from './address.ts';
import { reportAccess, reportFree, reportUninit } from './memcheck_report.ts';
import { Shadow } from './memcheck_shadow.ts';
import { CallStacks, type StackRecord } from './memcheck_stacks.ts';
import type { Slab } from './slab_cache.ts';

// --check=memory: what unmodified modules do with memory that they were given, in the manner of KASAN and KMSAN. Every allocation that module code
// makes is known with its exact size and the stack of its caller. Loads and stores of module code to pages with such memory, to free pages and
// to other slabs are looked at by the machine, with the shadow that is kept here (memcheck_shadow.ts); what it does not let pass comes here. So do the ranges
// that exported functions read and write for a module. Freed objects wait in quarantine before they are used again.

export type ObjectKind = 'slab' | 'large' | 'pages' | 'vmalloc';
/** Memory that module code allocated. The checker uses these again: nobody keeps one. */
export interface CheckedObject {
  va: number;
  /** What was asked for. */
  size: number;
  /** What the allocator gave. */
  room: number;
  kind: ObjectKind;
  /** Name of the cache; '' for pages. */
  cache: string;
  cacheSize: number;
  /** By whom; its owner is the module whose code asked. */
  allocated: StackRecord;
  freed: StackRecord | null;
  /** The shadow says which bytes were written; false when all count as written. */
  unwritten: boolean;
  /** Order of allocations. */
  serial: number;
  /** The next in quarantine. */
  next: CheckedObject | null;
}
/** What a watched access turned out to be. */
export type Finding = {
  readonly what: 'out-of-bounds' | 'use-after-free' | 'uninit-value' | 'page-use-after-free';
  readonly object: CheckedObject | null;
} | null;

/** Gives an object's memory back for good; the quarantine calls it. */
export type Release = (k: Kernel, object: CheckedObject) => void;

/** The quarantine holds a part of memory (mm/kasan/quarantine.c: 1/32). */
const QUARANTINE_FRACTION = 32;
/** Exported functions that say themselves what they read and write; an object that any other function gets is taken as written by it. */
const EXACT = new Set(
  (
    'kfree kvfree kfree_sensitive kfree_const vfree free_pages __free_pages free_pages_exact kmem_cache_free kmem_cache_free_bulk krealloc_noprof ksize memset memcpy memmove memcmp memchr ' +
    'strlen strnlen strcmp strncmp strcpy strncpy strscpy strcat strncat strlcat strchr strrchr strstr strcasecmp strncasecmp kstrdup kstrndup kmemdup_noprof _copy_to_user'
  ).split(' '),
);

/** --check=memory, as the kernel command line carries it. */
export function checksMemory(k: Kernel): boolean {
  return (k.param('lintel.check') ?? '').split(',').includes('memory');
}

export class MemoryCheck implements Watcher {
  private readonly k: Kernel;
  private readonly release: Release;
  private readonly shadow: Shadow;
  readonly stacks: CallStacks;
  /** Large objects and vmalloc areas by page of virtual address; objects of slabs are with their slab (Slab.checked). */
  private readonly byPage = new Map<number, CheckedObject>();
  /** Quarantine: the oldest, the newest, bytes of all. */
  private oldest: CheckedObject | null = null;
  private newest: CheckedObject | null = null;
  private quarantined = 0;
  private readonly limit: number;
  private readonly spare: CheckedObject[] = [];
  private serial = 0;
  /** Places that have been reported: each once. */
  private readonly said = new Set<string>();
  reports = 0;
  /** What the last watched access was; the trap handler reports it. */
  private pending: { finding: NonNullable<Finding>; va: number; size: number; access: AccessKind } | null = null;

  constructor(k: Kernel, release: Release) {
    this.k = k;
    this.release = release;
    this.shadow = new Shadow(k);
    this.stacks = new CallStacks(k);
    this.limit = k.ram.size / QUARANTINE_FRACTION;
    k.mm.pages.eachFree((pa, pages) => this.setFrames(pa, pages, PageKind.SHOWN));
    k.mm.pages.onFrames = (pa, pages, kind) => this.setFrames(pa, pages, kind);
    for (const cache of k.mm.slab.caches)
      if (cache.shared) for (const slab of cache.slabs) this.setFrames(slab.pa, 1 << cache.order, PageKind.SHADOWED);
    k.machine.watcher = this;
  }

  /** The allocator gave frames to somebody or got them back (all accesses are shown then), or made a slab of them (which has no object yet). */
  setFrames(pa: number, pages: number, kind: number): void {
    this.shadow.setKind(pa, pages, kind);
    if (kind === PageKind.SHADOWED) this.shadow.poisonFrames(pa, pages);
  }
  access(va: number, size: number, access: AccessKind): boolean {
    const finding = this.look(va, size, access === Access.WRITE);
    if (finding === null) {
      this.learn(va);
      return false;
    }
    this.pending = { finding, va, size, access };
    return true;
  }
  /** After Trap.WATCHED, with the machine at the instruction: says what is wrong; then the access is made all the same. */
  reportPending(): void {
    const { pending } = this;
    this.pending = null;
    if (pending === null) return;
    this.say(pending.finding, pending.va, pending.size, pending.access === Access.WRITE);
    if (pending.access === Access.WRITE) this.mark(pending.finding.object, pending.va, pending.size);
  }
  /** A range that an exported function reads or writes for its caller. */
  range(va: number, size: number, write: boolean): void {
    if (size <= 0 || va >= 0) return;
    const finding = this.look(va, size, write);
    if (finding !== null) this.say(finding, va, size, write);
  }
  private say(finding: NonNullable<Finding>, va: number, size: number, write: boolean): void {
    const { k } = this;
    const key = `${k.machine.regs.pc}/${k.machine.regs.get(1)}/${finding.what}`;
    if (this.said.has(key)) return;
    this.said.add(key);
    this.reports++;
    if (finding.what === 'uninit-value') reportUninit(k, finding.object, va, size);
    else reportAccess(k, finding.what, finding.object, va, size, write);
  }
  /** The kernel's own code wrote there: it has a value now. */
  stored(va: number, size: number): void {
    if (va < 0) this.mark(this.objectAt(va), va, size);
  }
  private mark(object: CheckedObject | null, va: number, size: number): void {
    if (object === null || !object.unwritten || object.freed !== null) return;
    const from = Math.max(va, object.va);
    const to = Math.min(va + size, object.va + object.size);
    if (from < to) this.shadow.written(from, to - from);
  }
  /** An object of the kernel's own that module code may use, until it is freed: the next access passes. */
  private learn(va: number): void {
    const { slub } = this.k.mm.slab;
    const slab = slub.slabAt(va - PAGE_OFFSET);
    if (slab === null || this.objectAt(va) !== null || !slab.cache.slabs.has(slab) || (slab.cache.flags & SLAB_TYPESAFE_BY_RCU) !== 0)
      return;
    const index = Math.floor((va - PAGE_OFFSET - slab.pa) / slab.cache.size);
    if (slab.used[index] === 1) this.shadow.unpoison(PAGE_OFFSET + slab.cache.objectPa(slab, index), slab.cache.objectSize, true);
  }
  /** An object went back to its slab. */
  onObjectFree(slab: Slab, index: number): void {
    if (slab.checked !== null) slab.checked[index] = null;
    this.shadow.poison(PAGE_OFFSET + slab.cache.objectPa(slab, index), slab.cache.objectSize);
  }

  /** The object that an address lies in, or whose surroundings it touches. */
  objectAt(va: number): CheckedObject | null {
    const slab = this.k.mm.slab.slub.slabAt(va - PAGE_OFFSET);
    if (slab === null) return this.byPage.get(pageFloor(va)) ?? null;
    if (slab.checked === null) return null;
    const index = Math.floor((va - PAGE_OFFSET - slab.pa) / slab.cache.size);
    return slab.checked[Math.min(index, slab.cache.perSlab - 1)];
  }
  /** All objects, the first allocated first. */
  all(): CheckedObject[] {
    const found = new Set(this.byPage.values());
    for (const cache of this.k.mm.slab.caches)
      for (const slab of cache.slabs) for (const o of slab.checked ?? []) if (o !== null) found.add(o);
    return [...found].sort((a, b) => a.serial - b.serial);
  }
  private look(va: number, size: number, write: boolean): Finding {
    const object = this.objectAt(va);
    if (object === null) return this.lookUnknown(va, size);
    const offset = va - object.va;
    if (offset < 0 || offset >= object.size) return { what: 'out-of-bounds', object };
    if (object.freed !== null) return { what: 'use-after-free', object };
    if (offset + size > object.size) return { what: 'out-of-bounds', object };
    if (write) this.mark(object, va, size);
    // A load that takes along padding is no mistake; one of which nothing was ever written is.
    else if (object.unwritten && !this.shadow.anyWritten(va, size)) return { what: 'uninit-value', object };
    return null;
  }
  /** Memory that no module allocated: the kernel's own objects may be used, free ones and the gaps between may not. */
  private lookUnknown(va: number, size: number): Finding {
    const pa = va - PAGE_OFFSET;
    const { slab, pages } = this.k.mm;
    if (pa < 0 || pa >= this.k.ram.size) return null;
    const place = slab.slub.slabAt(pa);
    if (place === null) return pages.isFree(pa) ? { what: 'page-use-after-free', object: null } : null;
    const { cache } = place;
    const index = Math.floor((pa - place.pa) / cache.size);
    // A constructor is at work on a slab that nobody has yet; under RCU freed objects may be looked at.
    if (!cache.slabs.has(place) || (cache.flags & SLAB_TYPESAFE_BY_RCU) !== 0) return null;
    if (index >= cache.perSlab) return { what: 'out-of-bounds', object: null };
    if (place.used[index] === 0) return { what: 'use-after-free', object: null };
    return pa + size > cache.objectPa(place, index) + cache.objectSize ? { what: 'out-of-bounds', object: null } : null;
  }

  /** Module code was given memory. Calls of the kernel's own are not followed. */
  onAlloc(va: number, size: number, room: number, kind: ObjectKind, cache: string, cacheSize: number, zeroed: boolean): void {
    const { k } = this;
    if (k.machine.regs.mode === 0) return;
    const allocated = this.stacks.record();
    const serial = this.serial++;
    let object = this.spare.pop();
    if (object === undefined)
      object = { va, size, room, kind, cache, cacheSize, allocated, freed: null, unwritten: !zeroed, serial, next: null };
    else {
      object.va = va;
      object.size = size;
      object.room = room;
      object.kind = kind;
      object.cache = cache;
      object.cacheSize = cacheSize;
      object.allocated = allocated;
      object.freed = null;
      object.unwritten = !zeroed;
      object.serial = serial;
    }
    if (kind === 'slab') {
      const slab = k.mm.slab.slub.slabAt(va - PAGE_OFFSET) as Slab;
      if (slab.checked === null) slab.checked = new Array<CheckedObject | null>(slab.cache.perSlab).fill(null);
      slab.checked[slab.cache.indexOf(slab, va - PAGE_OFFSET)] = object;
    } else {
      for (let at = va; at < va + room; at += PAGE_SIZE) this.byPage.set(at, object);
      if (kind === 'vmalloc') this.shadow.setKindAt(va, room, PageKind.SHADOWED);
      else this.shadow.setKind(va - PAGE_OFFSET, room / PAGE_SIZE, PageKind.SHADOWED);
      this.shadow.poison(va + size, room - size);
    }
    this.shadow.unpoison(va, size, zeroed);
  }
  /** True: the free is wrong, or the object is in quarantine now, and the caller is not to give it back. */
  onFree(va: number, kinds: readonly ObjectKind[]): boolean {
    const object = this.objectAt(va);
    if (object === null) return false;
    if (object.freed !== null || object.va !== va || !kinds.includes(object.kind)) {
      this.reports++;
      reportFree(this.k, object, va);
      return true;
    }
    object.freed = this.stacks.record();
    object.unwritten = false;
    this.shadow.poison(object.va, object.size);
    this.keep(object);
    this.quarantined += object.room;
    while (this.quarantined > this.limit && this.oldest !== null) {
      const first: CheckedObject = this.oldest;
      this.oldest = first.next;
      this.letGo(first);
    }
    return true;
  }
  /** Puts it behind the others. */
  private keep(object: CheckedObject): void {
    object.next = null;
    if (this.oldest === null || this.newest === null) this.oldest = object;
    else this.newest.next = object;
    this.newest = object;
  }
  private letGo(object: CheckedObject): void {
    this.quarantined -= object.room;
    if (object.kind !== 'slab') for (let at = object.va; at < object.va + object.room; at += PAGE_SIZE) this.byPage.delete(at);
    this.release(this.k, object);
    this.spare.push(object);
  }
  /** Empties the quarantine: all of it, or the objects of a cache that is to go, or when memory is short. Pages that came back. */
  drain(cache: string | null = null): void {
    const go: CheckedObject[] = [];
    let o = this.oldest;
    this.oldest = null;
    while (o !== null) {
      const { next }: CheckedObject = o;
      if (cache === null || o.cache === cache) go.push(o);
      else this.keep(o);
      o = next;
    }
    for (const object of go) this.letGo(object);
  }
  /** The object that begins at `va`. */
  private startingAt(va: number): CheckedObject | null {
    const object = this.objectAt(va);
    return object?.va === va ? object : null;
  }
  /** Memory that grew or shrank in place. */
  onResize(va: number, size: number): void {
    const object = this.startingAt(va);
    if (object === null) return;
    if (size < object.size) this.shadow.poison(va + size, object.size - size);
    else this.shadow.unpoison(va + object.size, size - object.size, !object.unwritten);
    object.size = size;
  }
  /** The kernel filled an object. */
  wrote(va: number): void {
    const object = this.startingAt(va);
    if (object !== null) this.allWritten(object);
  }
  /** An exported function was called: what its arguments point into is the kernel's to write. */
  onCall(name: string, a0: number, a1: number, a2: number, a3: number, a4: number, a5: number): void {
    if (EXACT.has(name)) return;
    this.givenAway(a0);
    this.givenAway(a1);
    this.givenAway(a2);
    this.givenAway(a3);
    this.givenAway(a4);
    this.givenAway(a5);
  }
  private givenAway(va: number): void {
    const object = va < 0 ? this.objectAt(va) : null;
    if (object !== null) this.allWritten(object);
  }
  private allWritten(object: CheckedObject): void {
    if (!object.unwritten || object.freed !== null) return;
    object.unwritten = false;
    this.shadow.written(object.va, object.size);
  }
}
