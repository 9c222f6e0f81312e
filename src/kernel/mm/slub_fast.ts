import { kmem_cache as CACHE, page as PAGE, task_struct as TASK } from '../../abi/layout/structs.ts';
import { GFP_ACCOUNT, GFP_RECLAIMABLE, GFP_ZERO } from '../../abi/gfp.ts';
import type { Kernel } from '../kernel.ts';
import type { ExportText } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, VMEMMAP_START } from './address.ts';
import { writeKernel8 } from './maccess.ts';
import { PGTY_SLAB } from './page.ts';
import { PERCPU_UNIT_SHIFT } from './percpu.ts';
import { KMALLOC_MAX_CACHE_SIZE, kmallocIndex } from './slab.ts';
import { CPU_SLAB } from './slub_cpu.ts';

// The ordinary case of kmalloc and kfree as machine code of the kernel image, so that module code does not leave translated code for it: an object of the slab
// that this CPU was lent, or back to one of two (slub_cpu.ts). Everything else is the ecall at the end, with the arguments as they were: the exported function in TypeScript.
//
// No lock and no masking of interrupts: a task is interrupted only at a backward or an indirect transfer (machine/README.md, "Slices"), and up to the last
// store that belongs to the list there are only forward branches.

const TWO32 = 2 ** 32;

/** t0 = the cache's cpu_slab, a1 = gfp: takes an object. */
const TAKE = `
  lw   t1, cpu(tp)
  slli t1, t1, unit_shift
  add  t0, t0, t1
  lw   t1, count(t0)
  beqz t1, slow
  addi t1, t1, -1
  sw   t1, count(t0)
  slli t1, t1, 2
  add  t1, t1, t0
  lhu  t1, list(t1)
  slli t2, t1, 2
  add  t2, t2, t0
  li   t3, 1
  sb   t3, used(t2)
  lw   t2, size(t0)
  mul  t1, t1, t2
  ld   t2, base(t0)
  add  a0, t1, t2
# From here on the object is the caller's.
  lw   t3, always(t0)
  or   t3, t3, a1
  andi t3, t3, gfp_zero
  beqz t3, done
  lw   t3, clear(t0)
  addi t4, a0, 0
  andi t5, t3, -32
  add  t5, t5, a0
  add  t3, t3, a0
  bgeu t4, t5, rest
four:
  sd   zero, 0(t4)
  sd   zero, 8(t4)
  sd   zero, 16(t4)
  sd   zero, 24(t4)
  addi t4, t4, 32
  bltu t4, t5, four
rest:
  bgeu t4, t3, done
one:
  sd   zero, 0(t4)
  addi t4, t4, 8
  bltu t4, t3, one
done:
  ret
slow:
  ecall`;

/** kmem_cache_alloc(cache, gfp). */
const CACHE_ALLOC = `
  bge  a0, zero, slow
  li   t0, gfp_account
  and  t0, t0, a1
  bnez t0, slow
  ld   t0, cpu_slab(a0)
  beqz t0, slow
${TAKE}`;

/** kmalloc(size, gfp). */
const KMALLOC = `
  beqz a0, slow
  li   t0, max_size
  bltu t0, a0, slow
  li   t0, gfp_other_type
  and  t0, t0, a1
  bnez t0, slow
  addi t0, a0, -1
  srli t0, t0, 3
  la   t1, indices
  add  t0, t0, t1
  lbu  t0, 0(t0)
  slli t0, t0, 3
  la   t1, kmalloc_caches
  add  t0, t0, t1
  ld   t0, 0(t0)
  beqz t0, slow
  ld   t0, cpu_slab(t0)
  beqz t0, slow
${TAKE}`;

/** A free of the object that register `p` has; `check` is what else must hold of t3, its cache. */
const free = (p: string, check = '') => `
  beqz ${p}, done
# The struct page of the slab.
  li   t1, page_offset_high
  slli t1, t1, 32
  sub  t1, ${p}, t1
  srli t1, t1, page_shift
  li   t2, pages
  bgeu t1, t2, slow
  slli t1, t1, 6
  li   t2, vmemmap_high
  slli t2, t2, 32
  add  t1, t1, t2
  ld   t3, compound_head(t1)
  andi t4, t3, 1
  beqz t4, head
  addi t1, t3, -1
  ld   t3, slab_cache(t1)
head:
  lw   t4, page_type(t1)
  srliw t4, t4, 24
  li   t5, slab_type
  bne  t4, t5, slow
${check}
# One of the slabs that are lent to this CPU?
  ld   t0, cpu_slab(t3)
  beqz t0, slow
  lw   t2, cpu(tp)
  slli t2, t2, unit_shift
  add  t0, t0, t2
  ld   t2, slab(t0)
  beq  t2, t1, lent
  lwu  t2, next(t0)
  add  t0, t0, t2
  ld   t2, slab(t0)
  bne  t2, t1, slow
lent:
# Its number, if it is the start of an object in use.
  ld   t1, base(t0)
  sub  t1, ${p}, t1
  lwu  t2, reciprocal(t0)
  mul  t2, t2, t1
  srli t2, t2, 32
  lw   t3, size(t0)
  mul  t4, t2, t3
  bne  t4, t1, slow
  slli t1, t2, 2
  add  t1, t1, t0
  lbu  t4, used(t1)
  beqz t4, slow
  lw   t4, count(t0)
  lw   t5, limit(t0)
  bgeu t4, t5, slow
  sb   zero, used(t1)
  slli t1, t4, 2
  add  t1, t1, t0
  sh   t2, list(t1)
  addi t2, t4, 1
  sw   t2, count(t0)
# The link to the object freed before, scrambled with the key and the place turned around.
  li   t2, 0
  beqz t4, link
  lhu  t2, list_before(t1)
  mul  t2, t2, t3
  ld   t3, base(t0)
  add  t2, t2, t3
link:
  lw   t1, link(t0)
  add  t1, t1, ${p}
  slliw t3, t1, 24
  srliw t4, t1, 24
  or   t3, t3, t4
  li   t5, 0xff00
  srliw t4, t1, 8
  and  t4, t4, t5
  or   t3, t3, t4
  and  t4, t1, t5
  slliw t4, t4, 8
  or   t3, t3, t4
  slli t3, t3, 32
  xor  t2, t2, t3
  ld   t3, key(t0)
  xor  t2, t2, t3
  sd   t2, 0(t1)
done:
  ret
slow:
  ecall`;

const KFREE = free('a0');
const CACHE_FREE = free('a1', '  bne  t3, a0, slow');

function constants(k: Kernel): Readonly<Record<string, number>> {
  return {
    ...CPU_SLAB,
    list_before: CPU_SLAB.list - CPU_SLAB.stride,
    cpu_slab: CACHE.cpu_slab,
    cpu: TASK.thread_info_cpu,
    unit_shift: PERCPU_UNIT_SHIFT,
    gfp_zero: GFP_ZERO,
    gfp_account: GFP_ACCOUNT,
    gfp_other_type: GFP_ACCOUNT | GFP_RECLAIMABLE,
    max_size: KMALLOC_MAX_CACHE_SIZE,
    page_shift: PAGE_SHIFT,
    page_offset_high: PAGE_OFFSET / TWO32,
    vmemmap_high: VMEMMAP_START / TWO32,
    pages: k.ram.size / PAGE_SIZE,
    compound_head: PAGE.compound_head,
    slab_cache: PAGE.compound_head,
    page_type: PAGE.page_type,
    slab_type: PGTY_SLAB,
  };
}
const text = (source: string): ExportText => ({ source, constants });
export const cacheAllocText = text(CACHE_ALLOC);
export const kfreeText = text(KFREE);
export const cacheFreeText = text(CACHE_FREE);
export const kmallocText: ExportText = {
  source: KMALLOC,
  constants(k) {
    // The index of the cache for each size, in words.
    const words = KMALLOC_MAX_CACHE_SIZE / 8;
    const indices = imageObject(k, words, 8);
    for (let i = 0; i < words; i++) writeKernel8(k, indices + i, kmallocIndex((i + 1) * 8));
    return { ...constants(k), indices, kmalloc_caches: k.modules.symbols.get('kmalloc_caches')?.addr ?? 0 };
  },
};
