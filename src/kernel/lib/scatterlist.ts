import { EINVAL, ENOMEM } from '../../abi/errno.ts';
import { GFP_KERNEL } from '../../abi/gfp.ts';
import { page as PAGE, scatterlist as SG, sg_mapping_iter as MITER, sg_page_iter as PITER, sg_table as TABLE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, VMEMMAP_START } from '../mm/address.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { size } from './access.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from './guest_memory.ts';

// Memory in pieces (lib/scatterlist.c): an array of entries, each a page, an offset and a length. The lowest bits of a page's address say that the entry
// is a link to another array, or the last.

const SG_CHAIN = 1;
const SG_END = 2;
/** Entries of one array (SG_MAX_SINGLE_ALLOC): what fits in a page, with the last a link when there are more. */
const MAX_SINGLE = Math.floor(PAGE_SIZE / SG.sizeof);
/** Longest list, in case a module tied a knot into one. */
const MAX_ENTRIES = 1_000_000;

const linkBits = (k: Kernel, sg: number) => load64(k, sg + SG.page_link) & 3;
const linkOf = (k: Kernel, sg: number) => load64(k, sg + SG.page_link) - linkBits(k, sg);
const isLast = (k: Kernel, sg: number) => (linkBits(k, sg) & SG_END) !== 0;
export const sgLength = (k: Kernel, sg: number) => load32(k, sg + SG.length);
/** Kernel address of a struct page's frame. */
export const pageToVirt = (page: number) => PAGE_OFFSET + ((page - VMEMMAP_START) / PAGE.sizeof) * PAGE_SIZE;
export const virtToPage = (va: number) => VMEMMAP_START + Math.floor((va - PAGE_OFFSET) / 2 ** PAGE_SHIFT) * PAGE.sizeof;
/** sg_virt. */
export const sgVirt = (k: Kernel, sg: number) => pageToVirt(linkOf(k, sg)) + load32(k, sg + SG.offset);

export function sgNext(k: Kernel, sg: number): number {
  if (isLast(k, sg)) return 0;
  const next = sg + SG.sizeof;
  return (linkBits(k, next) & SG_CHAIN) !== 0 ? linkOf(k, next) : next;
}
/** All entries from `sg` on. */
export function sgEntries(k: Kernel, first: number, max = MAX_ENTRIES): number[] {
  const out: number[] = [];
  for (let sg = first; sg !== 0 && out.length < max && !k.current.faulted; sg = sgNext(k, sg)) out.push(sg);
  return out;
}
function markEnd(k: Kernel, sg: number): void {
  const raw = load64(k, sg + SG.page_link);
  store64(k, sg + SG.page_link, raw - (raw & 3) + SG_END);
}
export function sgInitTable(k: Kernel, sg: number, n: number): void {
  storeBytes(k, sg, new Uint8Array(Math.min(n >>> 0, MAX_ENTRIES) * SG.sizeof));
  if (n > 0) markEnd(k, sg + (n - 1) * SG.sizeof);
}
export function sgSet(k: Kernel, sg: number, va: number, length: number): void {
  const inPage = va & (PAGE_SIZE - 1);
  store64(k, sg + SG.page_link, virtToPage(va - inPage) + linkBits(k, sg));
  store32(k, sg + SG.offset, inPage);
  store32(k, sg + SG.length, length);
}

/** sg_alloc_table: arrays of at most a page, linked. */
function allocTable(k: Kernel, table: number, n: number, gfp: number): number {
  for (const at of [TABLE.sgl, TABLE.nents]) store64(k, table + at, 0);
  if (n <= 0) return -EINVAL;
  let left = n;
  let link = 0;
  while (left > 0) {
    const entries = Math.min(left, MAX_SINGLE);
    const used = entries < left ? entries - 1 : entries;
    const array = kmalloc(k, entries * SG.sizeof, gfp);
    if (array === 0) {
      freeTable(k, table);
      return -ENOMEM;
    }
    sgInitTable(k, array, entries);
    left -= used;
    if (link === 0) store64(k, table + TABLE.sgl, array);
    else store64(k, link + SG.page_link, array + SG_CHAIN);
    for (const at of [TABLE.nents, TABLE.orig_nents]) store32(k, table + at, load32(k, table + at) + used);
    if (left > 0) store64(k, array + (entries - 1) * SG.sizeof + SG.page_link, 0);
    link = array + (entries - 1) * SG.sizeof;
  }
  return 0;
}
function freeTable(k: Kernel, table: number): void {
  let array = load64(k, table + TABLE.sgl);
  let left = load32(k, table + TABLE.orig_nents);
  while (array !== 0 && left > 0) {
    const chained = left > MAX_SINGLE;
    const next = chained ? linkOf(k, array + (MAX_SINGLE - 1) * SG.sizeof) : 0;
    kfree(k, array);
    left -= chained ? MAX_SINGLE - 1 : left;
    array = next;
  }
  store64(k, table + TABLE.sgl, 0);
  store32(k, table + TABLE.nents, 0);
  store32(k, table + TABLE.orig_nents, 0);
}
/** The pieces of memory from byte `skip` on, `length` of them at most: address and bytes of each. */
function* pieces(k: Kernel, sgl: number, nents: number, skip: number, length: number): Generator<readonly [number, number]> {
  let [over, left] = [skip, length];
  for (const sg of sgEntries(k, sgl, nents)) {
    const all = sgLength(k, sg);
    const begin = Math.min(over, all);
    over -= begin;
    const n = Math.min(all - begin, left);
    if (n > 0) yield [sgVirt(k, sg) + begin, n];
    left -= n;
    if (left <= 0) return;
  }
}
/** sg_copy_buffer: how many bytes. */
function copyBuffer(k: Kernel, sgl: number, nents: number, buffer: number, length: number, skip: number, toBuffer: boolean): number {
  let done = 0;
  for (const [at, n] of pieces(k, sgl, nents >>> 0, size(skip), size(length))) {
    if (toBuffer) storeBytes(k, buffer + done, loadBytes(k, at, n));
    else storeBytes(k, at, loadBytes(k, buffer + done, n));
    done += n;
  }
  return done;
}

/** sg_miter_next: the next piece that lies in one page. */
function miterNext(k: Kernel, miter: number): number {
  miterStop(k, miter);
  const piter = miter + MITER.piter;
  if (load32(k, miter + MITER.__remaining) === 0) {
    // On to the next entry, or the next page of it.
    let sg = load64(k, piter + PITER.sg);
    for (let n = 0; n < MAX_ENTRIES; n++) {
      if (load32(k, piter + PITER.__nents) === 0 || sg === 0) return 0;
      const advance = load32(k, piter + PITER.__pg_advance);
      const at = load32(k, piter + PITER.sg_pgoffset) + advance;
      store32(k, piter + PITER.sg_pgoffset, at);
      store32(k, piter + PITER.__pg_advance, 1);
      const pages = Math.ceil((load32(k, sg + SG.offset) + sgLength(k, sg)) / PAGE_SIZE);
      if (at < pages) break;
      store32(k, piter + PITER.sg_pgoffset, 0);
      store32(k, piter + PITER.__pg_advance, 0);
      sg = sgNext(k, sg);
      store64(k, piter + PITER.sg, sg);
      store32(k, piter + PITER.__nents, load32(k, piter + PITER.__nents) - 1);
    }
    const at = load32(k, piter + PITER.sg_pgoffset);
    const offset = at > 0 ? 0 : load32(k, sg + SG.offset);
    const whole = load32(k, sg + SG.offset) + sgLength(k, sg) - at * PAGE_SIZE - offset;
    store32(k, miter + MITER.__offset, offset);
    store32(k, miter + MITER.__remaining, Math.min(whole, PAGE_SIZE - offset));
  }
  const sg = load64(k, piter + PITER.sg);
  const page = linkOf(k, sg) + load32(k, piter + PITER.sg_pgoffset) * PAGE.sizeof;
  const n = load32(k, miter + MITER.__remaining);
  store64(k, miter + MITER.page, page);
  store64(k, miter + MITER.consumed, n);
  store64(k, miter + MITER.length, n);
  store64(k, miter + MITER.addr, pageToVirt(page) + load32(k, miter + MITER.__offset));
  return 1;
}
/** sg_miter_stop: what was consumed is behind us; nothing stays mapped. */
function miterStop(k: Kernel, miter: number): void {
  if (load64(k, miter + MITER.addr) === 0) return;
  const consumed = load64(k, miter + MITER.consumed);
  store32(k, miter + MITER.__offset, load32(k, miter + MITER.__offset) + consumed);
  store32(k, miter + MITER.__remaining, load32(k, miter + MITER.__remaining) - consumed);
  for (const at of [MITER.page, MITER.addr, MITER.length, MITER.consumed]) store64(k, miter + at, 0);
}

export const scatterlistExports: readonly FunctionExport[] = [
  fn('sg_next', sgNext),
  fn('sg_nents', (k, sg) => sgEntries(k, sg).length),
  fn('sg_nents_for_len', (k, sg, length) => {
    let total = 0;
    const wanted = size(length);
    if (wanted === 0) return 0;
    let n = 0;
    for (const at of sgEntries(k, sg)) {
      n++;
      total += sgLength(k, at);
      if (total >= wanted) return n;
    }
    return -EINVAL;
  }),
  fn('sg_last', (k, sg, n) => sgEntries(k, sg, n >>> 0).at(-1) ?? 0),
  fn('sg_init_table', sgInitTable),
  fn('sg_init_one', (k, sg, buffer, length) => {
    sgInitTable(k, sg, 1);
    sgSet(k, sg, buffer, length);
  }),
  fn('sg_alloc_table', allocTable),
  fn('sg_free_table', freeTable),
  // sg_alloc_table_from_pages_segment(table, pages, n, offset, size, max_segment, gfp): neighbours become one entry.
  partial('sg_alloc_table_from_pages_segment', 'the longest entry is not limited', (k, table, pages, n, offset, bytes) => {
    const list: number[] = [];
    for (let i = 0; i < n >>> 0 && i < MAX_ENTRIES; i++) list.push(load64(k, pages + i * 8));
    const runs = list.map((page, i) => (i === 0 || list[i - 1] + PAGE.sizeof !== page ? i : -1)).filter((i) => i >= 0);
    const r = allocTable(k, table, runs.length, GFP_KERNEL);
    if (r < 0) return r;
    let left = size(bytes);
    let begin = offset;
    sgEntries(k, load64(k, table + TABLE.sgl)).forEach((sg, i) => {
      const span = ((runs[i + 1] ?? list.length) - runs[i]) * PAGE_SIZE - begin;
      store64(k, sg + SG.page_link, list[runs[i]] + linkBits(k, sg));
      store32(k, sg + SG.offset, begin);
      store32(k, sg + SG.length, Math.min(left, span));
      left -= Math.min(left, span);
      begin = 0;
    });
    return 0;
  }),
  fn('sg_copy_from_buffer', (k, sgl, n, buffer, length) => copyBuffer(k, sgl, n, buffer, length, 0, false)),
  fn('sg_copy_to_buffer', (k, sgl, n, buffer, length) => copyBuffer(k, sgl, n, buffer, length, 0, true)),
  fn('sg_pcopy_from_buffer', (k, sgl, n, buffer, length, skip) => copyBuffer(k, sgl, n, buffer, length, skip, false)),
  fn('sg_pcopy_to_buffer', (k, sgl, n, buffer, length, skip) => copyBuffer(k, sgl, n, buffer, length, skip, true)),
  fn('sg_copy_buffer', (k, sgl, n, buffer, length, skip) => copyBuffer(k, sgl, n, buffer, length, skip, k.machine.regs.getLo(16) !== 0)),
  fn('sg_zero_buffer', (k, sgl, n, length, skip) => {
    let done = 0;
    for (const [at, bytes] of pieces(k, sgl, n >>> 0, size(skip), size(length))) {
      storeBytes(k, at, new Uint8Array(bytes));
      done += bytes;
    }
    return done;
  }),
  fn('sg_miter_start', (k, miter, sgl, n, flags) => {
    storeBytes(k, miter, new Uint8Array(MITER.sizeof));
    store64(k, miter + MITER.piter + PITER.sg, sgl);
    store32(k, miter + MITER.piter + PITER.__nents, n);
    store32(k, miter + MITER.__flags, flags);
  }),
  fn('sg_miter_next', miterNext),
  fn('sg_miter_stop', miterStop),
];
