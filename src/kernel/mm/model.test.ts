import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  SLAB_ACCOUNT,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_HWCACHE_ALIGN,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
} from '../../abi/slab.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { MAX_ORDER } from './page_alloc.ts';
import type { KmemCache } from './slab_cache.ts';
import { mmTestKit } from './testkit.ts';
import { vfree, vmallocFor } from './vmalloc.ts';

// Allocators against simple models under random operations (M54): no frame twice, buddies merged, counters exact, contents kept, everything back at the
// end. LINTEL_MODEL_STEPS sets how many operations each makes (npm run model: 10 million).

const STEPS = Number(process.env['LINTEL_MODEL_STEPS'] ?? 60_000);

/** mulberry32. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** What must hold of the free lists at any time. */
function checkBuddies(k: Kernel): void {
  const { pages } = k.mm;
  pages.pcp?.drain();
  const orderAt = new Map<number, number>();
  let total = 0;
  const count = new Array<number>(MAX_ORDER + 1).fill(0);
  pages.eachFree((pa, n) => {
    const order = Math.log2(n);
    assert.ok(!orderAt.has(pa));
    assert.equal(pa % (n * PAGE_SIZE), 0, 'blocks are aligned to their size');
    orderAt.set(pa, order);
    count[order]++;
    total += n;
  });
  assert.equal(total, pages.freePages);
  assert.deepEqual(count, pages.freeCount);
  for (const [pa, order] of orderAt) {
    if (order < MAX_ORDER) assert.notEqual(orderAt.get(pa ^ (PAGE_SIZE << order)), order, 'a free block and its free buddy are one');
  }
}

interface Block {
  readonly pa: number;
  readonly order: number;
  refs: number;
}
/** Random allocations, frees, references and splits; `owner` says for each frame whose it is. */
function pageSteps(k: Kernel, steps: number, next: (below: number) => number): void {
  const { pages } = k.mm;
  const owner = new Int32Array(k.ram.size / PAGE_SIZE);
  const held: Block[] = [];
  let mine = 0;
  let tag = 0;
  const start = pages.freePages;
  const drop = (i: number) => {
    const b = held[i];
    held[i] = held[held.length - 1];
    held.pop();
    for (let f = 0; f < 1 << b.order; f++) owner[b.pa / PAGE_SIZE + f] = 0;
    mine -= 1 << b.order;
  };
  for (let step = 0; step < steps; step++) {
    const what = next(100);
    if (what < 52 || held.length === 0) {
      const order = Math.min(next(MAX_ORDER + 1), next(MAX_ORDER + 1), next(MAX_ORDER + 1));
      const at = next(k.ram.size / PAGE_SIZE) * PAGE_SIZE;
      const wasFree = pages.isFree(at);
      const exact = order === 0 && what % 4 === 1;
      const pa = exact ? pages.allocUserAt(at, false) : what % 2 === 0 ? pages.alloc(order, false) : pages.allocUser(order, false);
      if (exact && pa !== 0 && (pa !== at || !wasFree)) assert.fail('not the frame that was asked for');
      if (exact && pa === 0 && wasFree && pages.freePages > pages.watermarks.min) assert.fail('a free frame was refused');
      if (pa === 0) {
        if (held.length > 0) {
          // Full: gives back half of all.
          while (held.length > 1 && next(2) === 0) {
            const i = next(held.length);
            pages.free(held[i].pa, held[i].order);
            drop(i);
          }
        }
        continue;
      }
      tag++;
      for (let f = 0; f < 1 << order; f++) {
        if (owner[pa / PAGE_SIZE + f] !== 0) assert.fail(`frame ${pa / PAGE_SIZE + f} was given out twice`);
        owner[pa / PAGE_SIZE + f] = tag;
      }
      if (pa % (PAGE_SIZE << order) !== 0 || pages.refCount(pa) !== 1) assert.fail('alignment or count');
      held.push({ pa, order, refs: 1 });
      mine += 1 << order;
    } else {
      const i = next(held.length);
      const b = held[i];
      if (what < 92) {
        if (b.refs > 1) {
          pages.put(b.pa);
          b.refs--;
        } else {
          pages.free(b.pa, b.order);
          drop(i);
        }
      } else if (what < 96 && b.order === 0) {
        pages.get(b.pa);
        b.refs++;
      } else if (b.order > 0 && b.refs === 1) {
        pages.split(b.pa, b.order);
        held[i] = { pa: b.pa, order: 0, refs: 1 };
        for (let f = 1; f < 1 << b.order; f++) held.push({ pa: b.pa + f * PAGE_SIZE, order: 0, refs: 1 });
      }
    }
    if (pages.freePages !== start - mine) assert.fail(`${pages.freePages} free, ${start - mine} expected at step ${step}`);
    if (step % 20_000 === 0) checkBuddies(k);
  }
  for (const b of held) pages.free(b.pa, b.order);
  checkBuddies(k);
  assert.equal(pages.freePages, start);
}

test('the buddy system against a model: a long random run', () => {
  const { k } = mmTestKit(64);
  k.mm.pages.pcp?.drain();
  const fresh = [...k.mm.pages.freeCount];
  pageSteps(k, STEPS, generator(7));
  assert.deepEqual(k.mm.pages.freeCount, fresh, 'all blocks are as large again as they were');
});
test('the buddy system against a model: many short runs, to be shrunk', () => {
  const { k } = mmTestKit(16);
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 120 }), (seed, steps) => pageSteps(k, steps, generator(seed))),
    { numRuns: 60 },
  );
});

interface Held {
  readonly pa: number;
  readonly size: number;
  readonly byte: number;
  readonly cache: KmemCache | null;
}
function slabSteps(k: Kernel, steps: number, next: (below: number) => number): void {
  const { slab, pages, stat } = k.mm;
  const base = pages.freePages;
  const flags = [0, SLAB_HWCACHE_ALIGN, SLAB_ACCOUNT, SLAB_RECLAIM_ACCOUNT, SLAB_RED_ZONE | SLAB_POISON | SLAB_CONSISTENCY_CHECKS];
  const caches = flags
    .map((f, i) => slab.create(`model-${i}`, 40 + next(900), { flags: f, align: 1 << next(7) }))
    .filter((c) => c !== null);
  const before = new Map(slab.caches.map((c) => [c, c.activeObjects]));
  const expected = new Map<KmemCache, number>();
  const held: Held[] = [];
  let byte = 1;
  const give = (i: number) => {
    const o = held[i];
    held[i] = held[held.length - 1];
    held.pop();
    for (const at of [o.pa, o.pa + o.size - 1, o.pa + (o.size >> 1)]) if (k.ram.u8[at] !== o.byte) assert.fail('an object was overwritten');
    if (o.cache !== null) expected.set(o.cache, (expected.get(o.cache) ?? 0) - 1);
    if (o.cache === null || next(2) === 0) assert.ok(slab.kfree(o.pa));
    else assert.ok(slab.cacheFree(o.cache, o.pa));
  };
  for (let step = 0; step < steps; step++) {
    (k as { cpu: number }).cpu = next(k.cpus);
    const what = next(100);
    if (what < 52 || held.length === 0) {
      const own = what < 20 ? caches[next(caches.length)] : null;
      const size = own?.objectSize ?? 1 + (next(3) === 0 ? next(20_000) : next(300));
      const pa = own === null ? slab.kmalloc(size, false) : slab.cacheAlloc(own, false);
      if (pa === 0) {
        while (held.length > 10) give(next(held.length));
        continue;
      }
      byte = (byte % 250) + 1;
      k.ram.fill(pa, size, byte);
      const cache = own ?? slab.cacheOf(pa);
      if (cache !== null) expected.set(cache, (expected.get(cache) ?? 0) + 1);
      held.push({ pa, size, byte, cache });
    } else if (what < 99 || step % 50 !== 0) give(next(held.length));
    else slab.slub.shrink(slab.caches[next(slab.caches.length)]);
    if (step % 5000 === 0) {
      let frames = 0;
      for (const c of slab.caches) {
        assert.equal(c.activeObjects - (before.get(c) ?? 0), expected.get(c) ?? 0, `objects of ${c.name}`);
        frames += c.slabs.size << c.order;
        for (const s of c.partial) assert.ok(s.freeCount > 0 && c.slabs.has(s));
        for (const s of c.slabs) assert.equal(s.freeCount + s.used.reduce((sum, u) => sum + u, 0), c.perSlab);
      }
      for (const o of held) if (o.cache === null) frames += slab.ksize(o.pa) / PAGE_SIZE;
      assert.equal(frames, stat.slabReclaimable + stat.slabUnreclaimable);
    }
  }
  while (held.length > 0) give(held.length - 1);
  for (const c of caches) assert.ok(slab.destroyCache(c));
  for (const c of slab.caches) slab.slub.shrink(c);
  assert.ok(pages.freePages >= base, `${base - pages.freePages} frames were lost`);
}
test('slabs against a model: objects of every kind on two CPUs', () => {
  const { k } = mmTestKit(64, 'norandmaps', 2);
  const { slab } = k.mm;
  for (const c of slab.caches) slab.slub.shrink(c);
  slabSteps(k, STEPS, generator(11));
});

test('vmalloc against a model: areas do not overlap, keep what is in them, and give every frame back', () => {
  const { k } = mmTestKit(64);
  const next = generator(3);
  const areas: { va: number; pages: number; byte: number }[] = [];
  vfree(k, vmallocFor(k, PAGE_SIZE));
  const base = k.mm.pages.freePages + k.mm.stat.pageTablePages;
  for (let step = 0; step < STEPS / 20; step++) {
    if (next(100) < 55 || areas.length === 0) {
      const pages = 1 + next(40);
      const va = vmallocFor(k, pages * PAGE_SIZE - next(PAGE_SIZE), 0x2cc0);
      if (va === 0) {
        while (areas.length > 5) vfree(k, areas.splice(next(areas.length), 1)[0].va);
        continue;
      }
      for (const a of areas) assert.ok(va + (pages + 1) * PAGE_SIZE <= a.va || a.va + (a.pages + 1) * PAGE_SIZE <= va);
      const byte = 1 + next(250);
      for (let p = 0; p < pages; p++) k.ram.write8(k.machine.translate(k.mm.swapperPgDir, va + p * PAGE_SIZE, 1, 1, false), byte);
      areas.push({ va, pages, byte });
    } else {
      const [a] = areas.splice(next(areas.length), 1);
      for (let p = 0; p < a.pages; p++)
        assert.equal(k.ram.read8(k.machine.translate(k.mm.swapperPgDir, a.va + p * PAGE_SIZE, 0, 1, false)), a.byte);
      assert.equal(k.machine.translate(k.mm.swapperPgDir, a.va + a.pages * PAGE_SIZE, 0, 1, false), -1, 'a guard page is behind it');
      assert.ok(vfree(k, a.va));
      assert.ok(!vfree(k, a.va));
    }
    assert.equal(
      k.mm.stat.vmallocPages,
      areas.reduce((sum, a) => sum + a.pages, 0),
    );
  }
  for (const a of areas) vfree(k, a.va);
  assert.equal(k.mm.pages.freePages + k.mm.stat.pageTablePages, base);
});
