// The kernel's half of the address space as riscv64's macros name it (M48, M52): a module built with --book, because MODULES_VADDR and MODULES_END expand
// to symbols that Debian's kernel does not export.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boot } from '../dist/index.js';
import { buildModules } from '../dist/kmod/build.js';

const SOURCE = `
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/io.h>
#include <asm/fixmap.h>
#include <asm/sections.h>
static int data = 5;
static int inside(unsigned long a, unsigned long from, unsigned long to) { return a >= from && a < to; }
static int __init segment_init(void)
{
	void *p = kmalloc(100, GFP_KERNEL), *v = vmalloc(100);
	unsigned long low = PAGE_OFFSET, high = (unsigned long)high_memory;

	pr_info("code %d, data %d\\n", inside((unsigned long)segment_init, MODULES_VADDR, MODULES_END), inside((unsigned long)&data, MODULES_VADDR, MODULES_END));
	pr_info("kmalloc in lowmem %d, vmalloc in its area %d\\n", inside((unsigned long)p, low, high), inside((unsigned long)v, VMALLOC_START, VMALLOC_END));
	pr_info("fixmap < vmemmap %d, vmalloc ends at the direct map %d\\n", FIXADDR_START < VMEMMAP_START, VMALLOC_END == PAGE_OFFSET);
	pr_info("lowmem %lu MB, user space %lu GB\\n", (high - low) >> 20, TASK_SIZE >> 30);
	pr_info("round trip %d, struct page %d\\n", phys_to_virt(virt_to_phys(p)) == p, page_to_virt(virt_to_page(p)) == (void *)((unsigned long)p & PAGE_MASK));
	kfree(p);
	vfree(v);
	return 0;
}
static void __exit segment_exit(void) {}
module_init(segment_init);
module_exit(segment_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test");
`;
test('a module finds itself and its memory where the macros say', async (t) => {
  const work = mkdtempSync(join(tmpdir(), 'lintel-segment.'));
  t.after(() => rmSync(work, { recursive: true, force: true }));
  writeFileSync(join(work, 'segment.c'), SOURCE);
  writeFileSync(join(work, 'Makefile'), 'obj-m := segment.o\n');
  const how = { progress: () => {}, diagnostics: (text) => process.stderr.write(text), output: work };
  await assert.rejects(buildModules(work, how), /segment\.ko: cannot be linked/);
  const [built] = await buildModules(work, { ...how, book: true });
  const vm = await boot({ seed: 1, memory: '256M' });
  t.after(() => vm.close());
  vm.writeFile('/segment.ko', readFileSync(built.path));
  const r = await vm.run([
    'sh',
    '-c',
    'dmesg -c > /dev/null; insmod /segment.ko; dmesg | tail -5; set -- $(grep segment /proc/modules); echo $6; rmmod segment',
  ]);
  const lines = r.stdout
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\[[^\]]*\] /, ''));
  assert.deepEqual(lines.slice(0, 5), [
    'code 1, data 1',
    'kmalloc in lowmem 1, vmalloc in its area 1',
    'fixmap < vmemmap 1, vmalloc ends at the direct map 1',
    'lowmem 256 MB, user space 256 GB',
    'round trip 1, struct page 1',
  ]);
  assert.match(lines[5], /^0xffffffff[0-7]/);
});
