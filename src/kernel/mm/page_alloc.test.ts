import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Machine } from '../../machine/machine.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { PAGE_SIZE } from './address.ts';
import { mapCount } from './page.ts';
import { MAX_ORDER, PageAllocator, watermarksFor } from './page_alloc.ts';

const machine = Machine.create({ memoryBytes: 24 * 2 ** 20 });
const fresh = () => new PageAllocator(machine, RAM_BASE + 0x40_0000);

test('blocks never overlap, are aligned, and everything comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(MAX_ORDER), fc.nat(1000)), { maxLength: 300 }), (steps) => {
      const pages = fresh();
      const before = [...pages.freeCount];
      const held: { pa: number; order: number }[] = [];
      const owner = new Map<number, number>();
      for (const [take, order, which] of steps) {
        if (take || held.length === 0) {
          const pa = pages.alloc(order, false);
          if (pa === 0) {
            for (let o = order; o <= MAX_ORDER; o++) assert.equal(pages.freeCount[o], 0);
            continue;
          }
          assert.equal(pa % (PAGE_SIZE << order), 0);
          assert.equal(pages.refCount(pa), 1);
          for (let i = 0; i < 1 << order; i++) {
            const frame = pa + i * PAGE_SIZE;
            assert.ok(!owner.has(frame), 'frame handed out twice');
            assert.ok(!pages.isFree(frame));
            owner.set(frame, pa);
          }
          held.push({ pa, order });
        } else {
          const [block] = held.splice(which % held.length, 1);
          pages.free(block.pa, block.order);
          for (let i = 0; i < 1 << block.order; i++) owner.delete(block.pa + i * PAGE_SIZE);
        }
        assert.equal(pages.freePages, pages.managedPages - owner.size);
        assert.equal(
          pages.freeCount.reduce((n, c, o) => n + (c << o), 0),
          pages.freePages,
        );
      }
      for (const block of held) pages.free(block.pa, block.order);
      assert.deepEqual(pages.freeCount, before);
    }),
    { numRuns: 40 },
  );
});

test('a fresh allocator keeps memory in blocks as large as they come', () => {
  const pages = fresh();
  const rest = pages.freeCount.slice(0, MAX_ORDER).reduce((n, c, o) => n + (c << o), 0);
  assert.ok(rest < 4 << MAX_ORDER);
  assert.ok(pages.freeCount[MAX_ORDER] >= 2);
});

test('freeing twice is reported and changes nothing', () => {
  const pages = fresh();
  const complaints: string[] = [];
  pages.onBadPage = (_pa, reason) => complaints.push(reason);
  const pa = pages.alloc();
  pages.free(pa);
  const free = pages.freePages;
  pages.free(pa);
  pages.put(pa);
  assert.equal(pages.freePages, free);
  assert.equal(complaints.length, 2);
});

test('struct page: reference counts, no mapping, and frames are zeroed', () => {
  const pages = fresh();
  const pa = pages.alloc(0, true);
  assert.ok(machine.ram.bytes(pa, PAGE_SIZE).every((b) => b === 0));
  assert.equal(mapCount(machine.ram, pages.pageStruct(pa)), 0);
  pages.get(pa);
  pages.put(pa);
  assert.equal(pages.refCount(pa), 1);
  const free = pages.freePages;
  pages.put(pa);
  assert.equal(pages.freePages, free + 1);
});

test('watermarks are those of real Linux for 241255 managed pages', () => {
  // /proc/zoneinfo of Debian 6.12 with 1 GiB: min 5632, low 7040, high 8448, promo 9856.
  assert.deepEqual(watermarksFor(241255), { min: 5632, low: 7040, high: 8448, promo: 9856 });
});
