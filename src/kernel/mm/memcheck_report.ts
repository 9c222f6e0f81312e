import { TAINT_BAD_PAGE } from '../../abi/module.ts';
import type { Kernel } from '../kernel.ts';
import { hex64 } from '../lib/seq_file.ts';
import { addTaint } from '../panic.ts';
import { dumpStack } from '../stacktrace.ts';
import { PAGE_OFFSET, PAGE_SIZE } from './address.ts';
import type { CheckedObject, Finding } from './memcheck.ts';
import type { StackRecord } from './memcheck_stacks.ts';

// Reports of --check=memory in the form of KASAN's (mm/kasan/report.c), KMSAN's and kmemleak's. Addresses are shown plainly, as there.

const KERN_ERR = 3;
const KERN_WARNING = 4;
const RULE = '='.repeat(66);
const ROW = 128; // bytes of memory in a row of the state
const GRANULE = 8;
/** Values of KASAN's shadow (mm/kasan/kasan.h). */
const SHADOW_FREE_PAGE = 0xff;
const SHADOW_PAGE_REDZONE = 0xfe;
const SHADOW_SLAB_REDZONE = 0xfc;
const SHADOW_SLAB_FREE = 0xfb;
const SHADOW_VMALLOC_INVALID = 0xf8;

const err = (k: Kernel, text: string) => k.printk.log(KERN_ERR, text);

/** The place that is to blame: the instruction, or the caller of an exported function. */
function place(k: Kernel): string {
  const { regs } = k.machine;
  const check = k.mm.check;
  return check === null ? '' : check.stacks.nameOf(regs.pc);
}
function printStack(k: Kernel, title: string, record: StackRecord): void {
  err(k, `${title} by task ${record.pid}:`);
  for (const frame of record.stack) k.printk.log(KERN_WARNING, ` ${frame}`);
  err(k, '');
}
/** One byte of shadow for 8 bytes of memory. */
function shadow(k: Kernel, va: number): number {
  const { check, pages, slab } = k.mm;
  const object = check?.objectAt(va) ?? null;
  const pa = va - PAGE_OFFSET;
  if (object === null) {
    if (pa < 0 || pa >= k.ram.size) return SHADOW_VMALLOC_INVALID;
    const known = slab.objectAt(pa);
    if (known === null) return slab.slub.slabAt(pa) !== null ? SHADOW_SLAB_REDZONE : pages.isFree(pa) ? SHADOW_FREE_PAGE : 0;
    if (pa < known.start || pa >= known.start + known.size) return SHADOW_SLAB_REDZONE;
    if (!known.allocated) return SHADOW_SLAB_FREE;
    return 0;
  }
  const offset = va - object.va;
  const redZone = object.kind === 'slab' ? SHADOW_SLAB_REDZONE : object.kind === 'vmalloc' ? SHADOW_VMALLOC_INVALID : SHADOW_PAGE_REDZONE;
  if (offset < 0 || offset >= object.size) return redZone;
  if (object.freed !== null) return object.kind === 'slab' ? SHADOW_SLAB_FREE : SHADOW_FREE_PAGE;
  const left = object.size - offset;
  return left >= GRANULE ? 0 : left;
}
function printState(k: Kernel, va: number): void {
  err(k, 'Memory state around the buggy address:');
  const middle = Math.floor(va / ROW) * ROW;
  for (let row = middle - 2 * ROW; row <= middle + 2 * ROW; row += ROW) {
    const bytes: string[] = [];
    for (let at = row; at < row + ROW; at += GRANULE) bytes.push(shadow(k, at).toString(16).padStart(2, '0'));
    err(k, `${row === middle ? '>' : ' '}${hex64(row)}: ${bytes.join(' ')}`);
    if (row === middle) err(k, `${' '.repeat(19 + Math.floor((va - row) / GRANULE) * 3)}^`);
  }
}
/** describe_object_addr. */
function describe(k: Kernel, object: CheckedObject, va: number): void {
  const { kind, cacheSize } = object;
  if (kind === 'slab') {
    err(k, `The buggy address belongs to the object at ${hex64(object.va)}`);
    err(k, ` which belongs to the cache ${object.cache} of size ${cacheSize}`);
  } else if (kind === 'vmalloc')
    err(k, `The buggy address belongs to the virtual mapping at\n [${hex64(object.va)}, ${hex64(object.va + object.room)})`);
  const offset = va - object.va;
  const where =
    offset < 0
      ? `${-offset} bytes to the left of`
      : offset >= object.size
        ? `${offset - object.size} bytes to the right of`
        : `${offset} bytes inside of`;
  err(k, `The buggy address is located ${where}`);
  const state = object.freed !== null ? 'freed' : 'allocated';
  err(k, ` ${state} ${object.size}-byte region [${hex64(object.va)}, ${hex64(object.va + object.size)})\n`);
}
function begin(k: Kernel, title: string): void {
  err(k, RULE);
  err(k, title);
}
function end(k: Kernel): void {
  err(k, RULE);
  addTaint(k, TAINT_BAD_PAGE, false);
}
function body(k: Kernel, object: CheckedObject | null, va: number): void {
  err(k, '');
  dumpStack(k, k.current);
  err(k, '');
  if (object !== null) {
    printStack(k, 'Allocated', object.allocated);
    if (object.freed !== null) printStack(k, 'Freed', object.freed);
    describe(k, object, va);
  }
  const pa = va - PAGE_OFFSET;
  if (pa >= 0 && pa < k.ram.size) {
    err(k, 'The buggy address belongs to the physical page:');
    err(
      k,
      `page: refcount:${k.mm.pages.refCount(pa)} mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x${Math.floor(pa / PAGE_SIZE).toString(16)}\n`,
    );
  }
  printState(k, va);
}
const KIND: Readonly<Record<string, string>> = { slab: 'slab', large: 'slab', pages: 'slab', vmalloc: 'vmalloc' };

/** An access that is out of bounds or comes after the free. */
export function reportAccess(
  k: Kernel,
  what: NonNullable<Finding>['what'],
  object: CheckedObject | null,
  va: number,
  size: number,
  write: boolean,
): void {
  const prefix = what === 'page-use-after-free' ? '' : object === null ? 'slab-' : object.kind === 'pages' ? '' : `${KIND[object.kind]}-`;
  const name = what === 'page-use-after-free' ? 'use-after-free' : what;
  begin(k, `BUG: KASAN: ${prefix}${name} in ${place(k)}`);
  err(k, `${write ? 'Write' : 'Read'} of size ${size} at addr ${hex64(va)} by task ${k.current.comm}/${k.current.pid}`);
  body(k, object, va);
  end(k);
}
/** kasan_report_invalid_free: of something that is free already, or not the start of what was allocated. */
export function reportFree(k: Kernel, object: CheckedObject, va: number): void {
  begin(k, `BUG: KASAN: ${object.freed !== null && object.va === va ? 'double-free' : 'invalid-free'} in ${place(k)}`);
  err(k, `Free of addr ${hex64(va)} by task ${k.current.comm}/${k.current.pid}`);
  body(k, object, va);
  end(k);
}
/** KMSAN: a value that was never written is used. */
export function reportUninit(k: Kernel, object: CheckedObject | null, va: number, size: number): void {
  err(k, '='.repeat(53));
  err(k, `BUG: KMSAN: uninit-value in ${place(k)}`);
  dumpStack(k, k.current);
  if (object !== null) {
    err(k, '\nUninit was created at:');
    for (const frame of object.allocated.stack) k.printk.log(KERN_WARNING, ` ${frame}`);
    const from = va - object.va;
    err(k, `\nBytes ${from}-${from + size - 1} of ${object.size} are uninitialized\nMemory access of size ${size} starts at ${hex64(va)}`);
  }
  err(k, '='.repeat(53));
  addTaint(k, TAINT_BAD_PAGE, false);
}
/** kmemleak: memory that a module left behind and that nothing points to. */
export function reportLeaks(k: Kernel, objects: readonly CheckedObject[]): void {
  const say = (text: string) => k.printk.log(KERN_WARNING, text);
  say(`kmemleak: ${objects.length} new suspected memory leak${objects.length === 1 ? '' : 's'}`);
  for (const o of objects) {
    say(`unreferenced object 0x${hex64(o.va)} (size ${o.size}):`);
    say(`  comm "${o.allocated.comm}", pid ${o.allocated.pid}`);
    say('  backtrace:');
    for (const frame of o.allocated.stack) say(`    ${frame}`);
  }
}
