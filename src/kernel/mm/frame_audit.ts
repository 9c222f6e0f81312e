import { page as PAGE } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { THREAD_ORDER } from '../sched/task.ts';
import { PAGE_SIZE } from './address.ts';
import { isSpecial } from './memory.ts';
import type { MmStruct } from './mm_struct.ts';
import { isAnon, mapCount, PG_LRU, PG_RESERVED, PGTY_SLAB, PGTY_TABLE, pageFlags, pageTypeOf } from './page.ts';
import { entrySlot } from './swap_slots.ts';
import { eachTable, ptePa, ptePresent, walkRange } from './pgtable.ts';

// Is every frame accounted for? Between two steps of the kernel each is free, reserved, or held by exactly what its struct page and the counters say. Tests ask
// at the end of every system that they run: what nobody holds and is not free has leaked.

/** Frames of a kind, counted from their struct pages. */
interface Census {
  anon: number;
  /** Anonymous and mapped by nobody: in the swap cache only. */
  cached: number;
  readonly lists: number[];
  file: number;
  mappedFile: number;
  slab: number;
  table: number;
  /** What no struct page explains. */
  readonly other: Set<number>;
}

/** What is wrong, in words; empty = nothing. `modulePages`: pages that modules hold. */
export function auditFrames(k: Kernel, modulePages = 0): string[] {
  const wrong: string[] = [];
  const { pages, stat, slab } = k.mm;
  const expect = (what: string, found: number, counted: number) => {
    if (found !== counted) wrong.push(`${what}: ${found} found, ${counted} counted`);
  };
  const mapped = mappings(k);
  const free = new Uint8Array(k.ram.size / PAGE_SIZE);
  let freePages = 0;
  pages.eachFree((pa, n) => {
    free.fill(1, pa / PAGE_SIZE, pa / PAGE_SIZE + n);
    freePages += n;
  });
  expect('free frames', freePages, pages.freePages);

  const c: Census = { anon: 0, cached: 0, lists: [0, 0, 0, 0, 0], file: 0, mappedFile: 0, slab: 0, table: 0, other: new Set() };
  for (let pa = RAM_BASE; pa < k.ram.size; pa += PAGE_SIZE) {
    const at = pages.pageStruct(pa);
    const flags = pageFlags(k.ram, at);
    const here = mapped.get(pa) ?? 0;
    if (free[pa / PAGE_SIZE] === 1) {
      if (here > 0) wrong.push(`frame ${pa.toString(16)} is free and mapped`);
    } else if ((flags & PG_RESERVED) !== 0) {
      if (here > 0 && k.mm.ownerOf[pa / PAGE_SIZE] !== null) c.mappedFile++; // the vDSO
    } else classify(k, pa, at, flags, here, c, wrong);
  }
  expect('anonymous frames', c.anon, stat.anonPages);
  for (const [list, n] of c.lists.entries()) expect(`frames on LRU list ${list}`, n, k.mm.lru.size[list]);
  auditSwap(k, expect);
  expect('frames of files', c.file, stat.filePages);
  expect('mapped frames of files', c.mappedFile, stat.fileMapped);
  expect('frames of slabs and large objects', c.slab, stat.slabReclaimable + stat.slabUnreclaimable);
  expect('page tables', c.table, stat.pageTablePages);
  expect('page tables in use', tablesInUse(k), stat.pageTablePages);

  c.other.delete(k.mm.zeroPage);
  for (const task of [...k.sched.tasks.values(), ...k.sched.idle, ...k.sched.dead]) for (let i = 0; i < 1 << THREAD_ORDER; i++) c.other.delete(task.stack + i * PAGE_SIZE);
  for (const area of [k.mm.vmalloc, k.mm.modules])
    for (const { addr, size } of area.areas) walkRange(k.ram, k.mm.swapperPgDir, addr, addr + size, (at) => c.other.delete(ptePa(k.ram.read32(at))));
  const unexplained = c.other.size - stat.pipePages;
  if (unexplained !== modulePages) {
    const some = [...c.other].slice(0, 8).map((pa) => pa.toString(16));
    wrong.push(`${unexplained} frames belong to nobody (modules may hold ${modulePages}): ${some.join(' ')}`);
  }
  if (slab.caches.some((cache) => cache.activeObjects < 0)) wrong.push('a cache has fewer than no objects');
  return wrong;
}
function classify(k: Kernel, pa: number, at: number, flags: number, here: number, c: Census, wrong: string[]): void {
  const type = pageTypeOf(k.ram, at);
  const list = k.mm.lru.listOf(pa);
  if (list >= 0) c.lists[list]++;
  if (list >= 0 !== ((flags & PG_LRU) !== 0)) wrong.push(`frame ${pa.toString(16)}: on LRU list ${list}, flags ${flags.toString(16)}`);
  const head = k.mm.slab.slub.slabAt(pa) !== null;
  if (head || type === PGTY_SLAB || k.mm.slab.largeAt(pa)) c.slab++;
  else if (type === PGTY_TABLE) c.table++;
  else if (isAnon(k.ram, at) || k.mm.swap.entryOf[pa / PAGE_SIZE] !== 0) {
    if (here === 0) c.cached++;
    else c.anon++;
    if (mapCount(k.ram, at) !== here) wrong.push(`anonymous frame ${pa.toString(16)}: mapped ${here} times, counted ${mapCount(k.ram, at)}`);
    if (here === 0 && k.mm.swap.entryOf[pa / PAGE_SIZE] === 0) wrong.push(`anonymous frame ${pa.toString(16)} belongs to no process`);
  } else if ((flags & PG_LRU) !== 0) {
    c.file++;
    if (here > 0) c.mappedFile++;
    if (mapCount(k.ram, at) !== here) wrong.push(`frame ${pa.toString(16)} of a file: mapped ${here} times, counted ${mapCount(k.ram, at)}`);
    if (k.ram.readS32(at + PAGE._refcount) < 1 + here) wrong.push(`frame ${pa.toString(16)} of a file: fewer references than mappings`);
  } else c.other.add(pa);
}
/** Each user of a slot is an entry of a page table or of a file in memory, each slot in use has users or a page in the cache. */
function auditSwap(k: Kernel, expect: (what: string, found: number, counted: number) => void): void {
  const { swap } = k.mm;
  const users = new Map<number, number>();
  const use = (entry: number) => users.set(entry, (users.get(entry) ?? 0) + 1);
  for (const mm of processes(k)) {
    let n = 0;
    for (const vma of mm.vmas)
      walkRange(k.ram, mm.pgd, vma.start, vma.end, (at) => {
        if (ptePresent(k.ram.read32(at))) return;
        n++;
        use(k.ram.read32(at));
      });
    expect('entries of pages in swap', n, mm.swapents);
  }
  for (const mapping of k.mm.swappedMappings) for (const entry of mapping.swapped.values()) use(entry);
  for (const [entry, n] of users) expect(`users of slot ${entrySlot(entry)}`, n, swap.users(entry));
  for (const entry of swap.cache.keys()) if (!users.has(entry)) users.set(entry, 0);
  expect('slots in use', users.size, [...swap.areas.values()].reduce((sum, area) => sum + area.inUse, 0));
  expect('free slots', swap.total - swap.free, users.size);
}
function processes(k: Kernel): Set<MmStruct> {
  const all = new Set<MmStruct>();
  for (const task of k.sched.tasks.values()) if (task.mm !== null) all.add(task.mm);
  return all;
}
/** How many entries of page tables of processes name each frame. */
function mappings(k: Kernel): Map<number, number> {
  const n = new Map<number, number>();
  for (const mm of processes(k))
    for (const vma of mm.vmas)
      walkRange(k.ram, mm.pgd, vma.start, vma.end, (at) => {
        const pte = k.ram.read32(at);
        if (ptePresent(pte) && !isSpecial(k, vma, ptePa(pte))) n.set(ptePa(pte), (n.get(ptePa(pte)) ?? 0) + 1);
      });
  return n;
}
/** Tables of the kernel, and of the user halves of processes. */
function tablesInUse(k: Kernel): number {
  let n = 0;
  eachTable(k.ram, k.mm.swapperPgDir, 512, () => n++);
  for (const mm of processes(k)) eachTable(k.ram, mm.pgd, 256, () => n++);
  return n;
}
