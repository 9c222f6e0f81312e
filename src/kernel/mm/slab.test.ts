import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kmem_cache as CACHE } from '../../abi/layout/structs.ts';
import { SLAB_ACCOUNT, SLAB_CONSISTENCY_CHECKS, SLAB_HWCACHE_ALIGN, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from '../../abi/slab.ts';
import { KMALLOC_MAX_SIZE } from './slab.ts';
import { calculateOrder } from './slab_cache.ts';
import { mmTestKit } from './testkit.ts';

test('slab orders and objects per slab are those of real Linux with one CPU', () => {
  // Rows of /proc/slabinfo of Debian 6.12: size, objects per slab, pages per slab.
  const rows = [
    [8192, 4, 8],
    [4096, 8, 8],
    [2048, 8, 4],
    [1024, 8, 2],
    [512, 8, 1],
    [256, 16, 1],
    [192, 21, 1],
    [96, 42, 1],
    [8, 512, 1],
    [3648, 8, 8],
    [1152, 14, 4],
    [1344, 12, 4],
    [760, 21, 4],
    [832, 19, 4],
    [2624, 12, 8],
    [664, 12, 2],
    [1664, 19, 8],
    [584, 14, 2],
  ];
  for (const [size, objects, pages] of rows) {
    const order = calculateOrder(size, 1);
    assert.equal(1 << order, pages, `pages of ${size}`);
    assert.equal(Math.floor((4096 << order) / size), objects, `objects of ${size}`);
  }
});

test('kmalloc: objects do not overlap, keep their contents, are aligned, and memory comes back', () => {
  const { k } = mmTestKit();
  const { slab } = k.mm;
  const before = slab.caches.map((c) => c.activeObjects);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 20000 }), fc.nat(1000)), { maxLength: 200 }), (steps) => {
      const held: { pa: number; size: number; tag: number }[] = [];
      let tag = 1;
      const check = (o: { pa: number; size: number; tag: number }) =>
        assert.ok(
          k.ram.bytes(o.pa, o.size).every((b) => b === o.tag),
          `object at ${o.pa} was overwritten`,
        );
      for (const [take, size, which] of steps) {
        if (take || held.length === 0) {
          const pa = slab.kmalloc(size);
          assert.notEqual(pa, 0);
          assert.ok(slab.ksize(pa) >= size);
          assert.equal(pa % Math.min(4096, size & -size), 0);
          assert.ok(k.ram.bytes(pa, size).every((b) => b === 0));
          tag = (tag % 255) + 1;
          k.ram.fill(pa, size, tag);
          held.push({ pa, size, tag });
        } else {
          const [o] = held.splice(which % held.length, 1);
          check(o);
          assert.ok(slab.kfree(o.pa));
        }
      }
      for (const o of held) {
        check(o);
        assert.ok(slab.kfree(o.pa));
      }
    }),
    { numRuns: 30 },
  );
  assert.deepEqual(
    slab.caches.map((c) => c.activeObjects),
    before,
  );
});

test('kmalloc limits and wrong frees', () => {
  const { k, log } = mmTestKit();
  const { slab } = k.mm;
  assert.equal(slab.kmalloc(KMALLOC_MAX_SIZE + 1), 0);
  const pa = slab.kmalloc(100);
  assert.equal(slab.ksize(pa), 128);
  assert.ok(slab.kfree(pa));
  assert.ok(!slab.kfree(pa));
  assert.ok(!slab.kfree(pa + 8));
  assert.ok(!slab.kfree(0x1234));
  assert.match(log[0], /^BUG kmalloc-128: Object already free @ 0xffffffd6/);
});

test('a named cache has its struct kmem_cache in RAM and goes away when empty', () => {
  const { k } = mmTestKit();
  const cache = k.mm.slab.createCache('lkp_ctx', 328, 0, SLAB_HWCACHE_ALIGN);
  assert.equal(k.ram.read32(cache.addr + CACHE.object_size), 328);
  assert.equal(k.ram.read32(cache.addr + CACHE.size), 384);
  assert.equal(k.mm.slab.cacheAt(cache.addr), cache);
  const pa = k.mm.slab.cacheAlloc(cache);
  assert.deepEqual(k.mm.slab.objectAt(pa + 100), { start: pa, size: 328, cache: 'lkp_ctx', allocated: true });
  k.mm.slab.cacheFree(cache, pa);
  assert.ok(k.mm.slab.destroyCache(cache));
  assert.equal(k.mm.slab.cacheAt(cache.addr), null);
});

test('caches are merged by the rules of SLUB, and caches with a constructor, checks or a name of their own are not', () => {
  const { k } = mmTestKit();
  const { slab } = k.mm;
  const make = (name: string, size: number, options = {}) => {
    const cache = slab.create(name, size, options);
    assert.ok(cache !== null);
    return cache;
  };
  const a = make('a', 1000);
  assert.equal(a.uniqueId, ':0001000');
  assert.equal(make('b', 996), a); // the same size in words
  assert.equal(a.refcount, 2);
  assert.notEqual(make('c', 992), a); // a word less
  assert.notEqual(make('d', 1000, { flags: SLAB_ACCOUNT }), a);
  assert.notEqual(make('e', 1000, { ctor: -4096 }), a);
  assert.notEqual(make('f', 1000, { flags: SLAB_POISON }), a);
  assert.notEqual(make('g', 1000, { align: 512 }), a);
  assert.equal(make('h', 1000, { flags: SLAB_ACCOUNT }).uniqueId, ':A-0001000');
  assert.ok(slab.destroyCache(a));
  assert.ok(slab.caches.includes(a));
  assert.ok(slab.destroyCache(a));
  assert.ok(!slab.caches.includes(a));
});

test('sizes of caches with red zones, poison, tracks and constructors are those of real Linux', () => {
  // Rows of /proc/slabinfo of Debian 6.12 for modules of the book and of tests/guest/memory.
  const { k } = mmTestKit();
  const size = (name: string, bytes: number, options: object) => k.mm.slab.create(name, bytes, options)?.size;
  const debug = SLAB_POISON | SLAB_RED_ZONE;
  assert.equal(size('our_ctx', 328, { flags: debug | SLAB_HWCACHE_ALIGN, ctor: -4096 }), 448);
  assert.equal(size('poison_test', 152, { flags: debug | SLAB_HWCACHE_ALIGN }), 256);
  assert.equal(size('lt_slub', 100, { flags: debug | SLAB_CONSISTENCY_CHECKS | SLAB_STORE_USER }), 192);
  assert.equal(size('lt_ctor', 80, { ctor: -4096 }), 88);
});
