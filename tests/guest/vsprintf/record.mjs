// node tests/guest/vsprintf/record.mjs RUN_LINUX HEADERS: asks real Linux what it makes of cases.mjs and writes
// tests/fixtures/printk/vsprintf.json. RUN_LINUX is the oracle's script run-linux.sh; HEADERS a directory where Debian's packages
// linux-headers-VERSION-common and -riscv64 are unpacked (its usr/src has both). Needs riscv64-linux-gnu-gcc.
// A module with the block of data and one snprintf for each case writes the results to /proc/vsprintf. Two boots: with no_hash_pointers, where
// %p is exact, and without, where a fixture keeps only the shape.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModule, cString } from '../ko.mjs';
import { BLOCK, CASES, FIXUPS, NODES } from './cases.mjs';

const [runLinux, headers] = process.argv.slice(2);
if (headers === undefined) {
  console.error('usage: node tests/guest/vsprintf/record.mjs RUN_LINUX HEADERS');
  process.exit(2);
}
const dir = mkdtempSync(join(tmpdir(), 'lintel-vsprintf.'));

const slot = (a) => (typeof a === 'object' ? `(unsigned long)(block + ${a.at})` : `0x${BigInt.asUintN(64, BigInt(a)).toString(16)}UL`);
const CHUNK = 40;
const chunks = [];
for (let i = 0; i < CASES.length; i += CHUNK)
  chunks.push(
    `static noinline void chunk${i}(void) {\n${CASES.slice(i, i + CHUNK)
      .map((c, j) => `  out(${i + j}, snprintf(buf, sizeof(buf), ${[cString(c.fmt), ...c.args.map(slot)].join(', ')}));`)
      .join('\n')}\n}`,
  );
const source = `#pragma GCC diagnostic ignored "-Wformat"
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/vmalloc.h>
#include <linux/of.h>
#include <linux/uaccess.h>
static u8 block[${BLOCK.length}] __aligned(4096) = { ${[...BLOCK].join(',')} };
static char buf[40000];
static char *text; static size_t used; static const size_t room = 8 << 20;
static void out(int n, int ret) {
  size_t i, len = min_t(size_t, ret, sizeof(buf) - 1);
  used += scnprintf(text + used, room - used, "%d %d ", n, ret);
  for (i = 0; i < len; i++) used += scnprintf(text + used, room - used, "%02x", (u8)buf[i]);
  used += scnprintf(text + used, room - used, "\\n");
}
${chunks.join('\n')}
static ssize_t show(struct file *f, char __user *u, size_t n, loff_t *pos) { return simple_read_from_buffer(u, n, pos, text, used); }
static const struct proc_ops ops = { .proc_read = show };
static int __init start(void) {
  text = vmalloc(room);
  used = scnprintf(text, room, "block %px\\n", block);
${FIXUPS.map(([at, to]) => `  *(u64 *)(block + ${at}) = (unsigned long)(block + ${to});`).join('\n')}
${NODES.map((n) => `  *(const void **)(block + ${n.at + 32}) = &of_fwnode_ops;`).join('\n')}
${chunks.map((_, i) => `  chunk${i * CHUNK}();`).join('\n')}
  proc_create("vsprintf", 0444, NULL, &ops);
  return 0;
}
static void __exit stop(void) { remove_proc_entry("vsprintf", NULL); vfree(text); }
module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
`;
mkdirSync(join(dir, 'o'));
const { ko, release } = buildModule(headers, source, dir);
renameSync(ko, join(dir, 'o/x.ko'));
writeFileSync(
  join(dir, 'script'),
  'insmod /x.ko || { dmesg | grep -B2 -A12 Unable; exit 1; }\ncat /proc/vsprintf\ndmesg | grep -i -A3 warn >&2\n',
);
function boot(...words) {
  const text = execFileSync(runLinux, ['-m', join(dir, 'o'), join(dir, 'script'), ...words], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const results = [];
  let block = '';
  for (const line of text.split('\n')) {
    const [n, ret, hex] = line.split(' ');
    if (n === 'block') block = ret;
    else if (/^\d+$/.test(n)) results[n] = { ret: Number(ret), text: Buffer.from(hex, 'hex').toString('latin1') };
  }
  return { results, block };
}
const exact = boot('no_hash_pointers', 'nokaslr');
const hashed = boot('nokaslr');
const cases = CASES.map((c, n) => {
  const { ret, text } = exact.results[n];
  const args = c.args.map((a) => (typeof a === 'object' ? `@${a.at}` : `0x${BigInt.asUintN(64, BigInt(a)).toString(16)}`)).join(' ');
  const row = [c.fmt, args, ret === text.length ? text : { ret, text: text.slice(0, 64) }];
  if (hashed.results[n].text !== text && !text.includes(exact.block.slice(0, 12)))
    console.error(`differs between boots: ${c.fmt}: ${text} / ${hashed.results[n].text}`);
  if (hashed.results[n].text !== text) row.push(hashed.results[n].text.replace(/[0-9a-f]{8}(?![0-9a-f])/g, 'HHHHHHHH'));
  return row;
});
const fixture = { release, block: exact.block, data: Buffer.from(BLOCK).toString('base64'), fixups: FIXUPS, cases: [] };
const head = JSON.stringify(fixture).slice(0, -2);
mkdirSync('tests/fixtures/printk', { recursive: true });
writeFileSync('tests/fixtures/printk/vsprintf.json', `${head}\n${cases.map((c) => JSON.stringify(c)).join(',\n')}\n]}\n`);
console.log(`${cases.length} cases, block at ${exact.block}`);
rmSync(dir, { recursive: true });
