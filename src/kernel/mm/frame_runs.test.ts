import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../abi/mman.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { dupMm, handleMmFault, mmPut } from './memory.ts';
import { doMmap } from './mmap.ts';
import type { MmStruct } from './mm_struct.ts';
import { mmTestKit } from './testkit.ts';

// Areas get frames at one distance from their pages, whatever else takes frames meanwhile and however scattered small blocks are.

const PAGES = 1024;
const map = (k: Kernel, mm: MmStruct, pages: number, at = 0) =>
  doMmap(k, mm, null, at, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
const touch = (k: Kernel, mm: MmStruct, va: number) => assert.equal(handleMmFault(k, mm, va, Access.WRITE), 0);
/** How many of the pages are at the distance that most are at. */
function together(k: Kernel, mm: MmStruct, va: number, pages: number): number {
  const count = new Map<number, number>();
  for (let i = 0; i < pages; i++) {
    const pa = k.machine.translate(mm.pgd, va + i * PAGE_SIZE, Access.READ, 0, false);
    if (pa < 0) continue;
    const distance = pa - va - i * PAGE_SIZE;
    count.set(distance, (count.get(distance) ?? 0) + 1);
  }
  return Math.max(...count.values());
}
/** Frees every other one of many frames. */
function scatter(k: Kernel): number[] {
  const { pages } = k.mm;
  const all = Array.from({ length: 1000 }, () => pages.alloc());
  for (let i = 0; i < all.length; i += 2) pages.free(all[i]);
  return all.filter((_, i) => i % 2 === 1);
}

test('a large area is one run, though the kernel takes frames between its faults', () => {
  const { k, mm } = mmTestKit(64);
  const held = scatter(k);
  const va = map(k, mm, PAGES);
  for (let i = 0; i < PAGES; i++) {
    touch(k, mm, va + i * PAGE_SIZE);
    if (i % 20 === 0) held.push(k.mm.pages.alloc());
  }
  // What the kernel took is a hole in the run, no more.
  assert.ok(together(k, mm, va, PAGES) > PAGES - 20 - PAGES / 20);
  assert.equal(k.mm.runs.size, 1);
  mmPut(k, mm);
  assert.equal(k.mm.runs.size, 0);
  for (const pa of held) k.mm.pages.free(pa);
});
test('two areas that are touched in turns, and in any order, are a run each', () => {
  const { k, mm } = mmTestKit(64);
  scatter(k);
  const a = map(k, mm, PAGES, 0x1000_0000);
  const b = map(k, mm, PAGES, 0x2000_0000);
  for (let i = 0; i < PAGES; i++) {
    const page = (i * 405) % PAGES;
    touch(k, mm, a + page * PAGE_SIZE);
    touch(k, mm, b + i * PAGE_SIZE);
  }
  for (const va of [a, b]) assert.ok(together(k, mm, va, PAGES) > PAGES - 20);
});
test('copies after a fork are a run of their own; small areas begin none', () => {
  const { k, mm } = mmTestKit(64);
  const va = map(k, mm, PAGES);
  for (let i = 0; i < PAGES; i++) touch(k, mm, va + i * PAGE_SIZE);
  const child = dupMm(k, mm);
  assert.ok(typeof child !== 'number');
  for (let i = 0; i < PAGES; i++) touch(k, child, va + i * PAGE_SIZE);
  assert.ok(together(k, child, va, PAGES) > PAGES - 20);
  assert.ok(together(k, mm, va, PAGES) > PAGES - 20);
  mmPut(k, child);
  const { size } = k.mm.runs;
  const small = map(k, mm, 8);
  for (let i = 0; i < 8; i++) touch(k, mm, small + i * PAGE_SIZE);
  assert.equal(k.mm.runs.size, size);
});
test('when memory is nearly out, runs take what there is', () => {
  const { k, mm } = mmTestKit(24);
  const pages = k.mm.pages.freePages;
  const va = map(k, mm, pages);
  let got = 0;
  while (got < pages && handleMmFault(k, mm, va + got * PAGE_SIZE, Access.WRITE) === 0) got++;
  assert.ok(got > pages - k.mm.pages.watermarks.min - 200 && got < pages, `${got} of ${pages}`);
});
