import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import type { MmStruct } from './mm_struct.ts';

// Where a process's parts lie, and how far chance moves them (mm/util.c, arch/riscv; vm.mmap_rnd_bits = 18).

const GIB = 2 ** 30;
/** STACK_RND_MASK: the stack moves by up to 2^18 pages, as do mmap_base and the load address. */
const RND_PAGES = 2 ** 18;
const STACK_GUARD_GAP = 256 * PAGE_SIZE;
const GAP_MIN = 128 * 1024 * 1024;
const GAP_MAX = Math.floor(TASK_SIZE / 6) * 5;
/** TASK_UNMAPPED_BASE: where the bottom-up layout starts. */
const UNMAPPED_BASE = pageAlign(2 ** 39 / 3);
/** Where programs with an interpreter are loaded: 2/3 of the address space. */
export const ELF_ET_DYN_BASE = Math.floor(TASK_SIZE / 3) * 2;

/** 0..n-1. */
function below(k: Kernel, n: number): number {
  return k.random32() % n;
}

export function randomStackTop(k: Kernel, randomize: boolean): number {
  return TASK_SIZE - (randomize ? below(k, RND_PAGES) * PAGE_SIZE : 0);
}
/** 16-byte alignment, and up to a page of chance (arch_align_stack). */
export function alignStack(k: Kernel, sp: number, randomize: boolean): number {
  const moved = randomize ? sp - below(k, PAGE_SIZE) : sp;
  return moved - (moved % 16);
}
export function mmapRandom(k: Kernel, randomize: boolean): number {
  return randomize ? below(k, RND_PAGES) * PAGE_SIZE : 0;
}
/** Start of the heap: within 1 GiB above the program (arch_randomize_brk). */
export function randomBrk(k: Kernel, brk: number): number {
  return pageAlign(brk) + below(k, GIB / PAGE_SIZE) * PAGE_SIZE;
}

/** arch_pick_mmap_layout. */
export function pickMmapLayout(k: Kernel, mm: MmStruct, stackLimit: number, randomize: boolean, legacy: boolean): void {
  const rnd = mmapRandom(k, randomize);
  mm.legacyLayout = legacy || stackLimit === Number.POSITIVE_INFINITY;
  if (mm.legacyLayout) {
    mm.mmapBase = UNMAPPED_BASE + rnd;
    return;
  }
  const pad = STACK_GUARD_GAP + (randomize ? (RND_PAGES - 1) * PAGE_SIZE : 0);
  const gap = Math.min(GAP_MAX, Math.max(GAP_MIN, stackLimit + pad));
  mm.mmapBase = pageAlign(TASK_SIZE - gap - rnd);
}
