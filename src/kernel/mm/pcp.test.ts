import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine } from '../../machine/machine.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { PAGE_SIZE } from './address.ts';
import { MAX_ORDER, Migrate, PAGEBLOCK_PAGES, PageAllocator } from './page_alloc.ts';
import { batchSize } from './pcp.ts';

// Lists of CPUs and migrate types.

const ORDERS = MAX_ORDER + 1;
const machine = Machine.create({ memoryBytes: 48 * 2 ** 20 });
function fresh(cpus: number): { pages: PageAllocator; on: { cpu: number } } {
  const pages = new PageAllocator(machine, RAM_BASE + 0x40_0000);
  const on = { cpu: 0 };
  pages.enablePerCpu(cpus, () => on.cpu);
  return { pages, on };
}
const blockOf = (pages: PageAllocator, pa: number) => pages.typeOf(pa / PAGE_SIZE);
const inLists = (pages: PageAllocator, type: number) =>
  pages.freeByType.slice(type * ORDERS, (type + 1) * ORDERS).reduce((n, count, o) => n + (count << o), 0);

test('batches are those of real Linux', () => {
  // /proc/zoneinfo of Debian 6.12 with 256 MiB and 1 GiB.
  assert.equal(batchSize(48007), 15);
  assert.equal(batchSize(241255), 63);
});
test('a CPU gets back what it freed last, another its own; all pages are counted once', () => {
  const { pages, on } = fresh(2);
  const { pcp } = pages;
  assert.ok(pcp !== null);
  const a = pages.alloc(0, false, Migrate.MOVABLE);
  assert.equal(pcp.count[0], pcp.batch - 1);
  pages.free(a);
  assert.ok(pages.isFree(a));
  on.cpu = 1;
  assert.notEqual(pages.alloc(0, false, Migrate.MOVABLE), a);
  on.cpu = 0;
  assert.equal(pages.alloc(0, false, Migrate.MOVABLE), a);
  assert.equal(pages.buddyPages + pcp.count[0] + pcp.count[1], pages.freePages);
  assert.equal(pcp.total, pcp.count[0] + pcp.count[1]);
  // The very frame, from such a list.
  pages.free(a);
  assert.equal(pages.allocUserAt(a, false), a);
});
test('too many go back to the blocks; the last pages are found wherever they are', () => {
  const { pages, on } = fresh(2);
  const { pcp } = pages;
  assert.ok(pcp !== null);
  const held: number[] = [];
  for (;;) {
    on.cpu = held.length % 2;
    const pa = pages.alloc(0, false, Migrate.MOVABLE);
    if (pa === 0) break;
    held.push(pa);
  }
  assert.equal(held.length, pages.managedPages);
  assert.equal(pages.freePages, 0);
  for (const pa of held) {
    on.cpu = (pa / PAGE_SIZE) % 2;
    pages.free(pa);
    assert.ok(pcp.count[on.cpu] <= pcp.high);
  }
  assert.equal(pages.freePages, pages.managedPages);
  pcp.drain();
  assert.equal(pages.buddyPages, pages.freePages);
  assert.ok(pages.freeCount[MAX_ORDER] >= 8);
});
test('pages of a kind lie together: a page block of its own, from the largest block', () => {
  const { pages } = fresh(1);
  assert.ok(pages.mobility);
  const before = pages.countBlocks();
  assert.deepEqual([before[Migrate.UNMOVABLE], before[Migrate.RECLAIMABLE]], [0, 0]);
  const kernel = Array.from({ length: 300 }, () => pages.alloc(0, false, Migrate.UNMOVABLE));
  const slab = pages.alloc(2, false, Migrate.RECLAIMABLE);
  const user = Array.from({ length: 300 }, () => pages.alloc(0, false, Migrate.MOVABLE));
  for (const pa of kernel) assert.equal(blockOf(pages, pa), Migrate.UNMOVABLE);
  assert.equal(blockOf(pages, slab), Migrate.RECLAIMABLE);
  for (const pa of user) assert.equal(blockOf(pages, pa), Migrate.MOVABLE);
  // What was taken is a block of the largest order.
  const now = pages.countBlocks();
  assert.equal(now[Migrate.UNMOVABLE], 2);
  assert.equal(now[Migrate.UNMOVABLE] + now[Migrate.MOVABLE] + now[Migrate.RECLAIMABLE], before[Migrate.MOVABLE]);
  assert.equal([0, 1, 2].reduce((n, type) => n + inLists(pages, type), 0), pages.buddyPages);
});
test('a type without a block takes from another; most of a page block free changes its type', () => {
  const { pages } = fresh(1);
  const held: number[] = [];
  for (let pa = pages.alloc(0, false, Migrate.MOVABLE); pa !== 0; pa = pages.alloc(0, false, Migrate.MOVABLE)) held.push(pa);
  const block = held.find((pa) => (pa / PAGE_SIZE) % PAGEBLOCK_PAGES === 0) as number;
  // Three quarters of a page block come free.
  for (let i = 0; i < (PAGEBLOCK_PAGES * 3) / 4; i++) pages.free(block + i * PAGE_SIZE);
  pages.pcp?.drain();
  assert.equal(inLists(pages, Migrate.MOVABLE), pages.freePages);
  const pa = pages.alloc(0, false, Migrate.UNMOVABLE);
  assert.ok(pa >= block && pa < block + PAGEBLOCK_PAGES * PAGE_SIZE);
  assert.equal(blockOf(pages, pa), Migrate.UNMOVABLE);
  assert.equal(inLists(pages, Migrate.MOVABLE), 0);
});
