import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sourceVersion } from './srcversion.ts';

// What modpost of linux-kbuild-6.12.107+deb13 (riscv64) writes for a module whose only source holds the text.
const SUMS: readonly (readonly [string, string])[] = [
  ['', '533BB7E5866E52F63B9ACCB'],
  ['abc', 'C719445509BC140AF62F422'],
  ['a b\n', '5699E538772AD1BC97DD19F'],
  ['a"b c"d', '8DEF38E12A4176D9146DEA3'],
  ['a/*x*/b', '5699E538772AD1BC97DD19F'],
  ['a\\\\\nb', 'AC61CE1D88853E8A1B06897'],
];
// And for two sources that share a header, by make in the guest (image kdev).
const MAIN = `// a line comment's "quote" stays
#include <linux/module.h>
#include "sv.h"
/* a block
 * comment */
static int __init sv_init(void)
{
	pr_info("text with \\"quotes\\" and  two spaces /* no comment */\\n");
	return sv_help(1) \\
		- 1;
}
static void __exit sv_exit(void) { }
module_init(sv_init);
module_exit(sv_exit);
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
`;
const HELP = '#include "sv.h"\nint sv_help(int x)\t{ return x; /**/ }\n';
const HEADER = 'int sv_help(int x); /* shared */\n';

test('srcversion is what modpost makes of the sources', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-srcversion-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  for (const [text, sum] of SUMS) assert.equal(sourceVersion([file('x.c', text)]), sum, JSON.stringify(text));
  const header = file('sv.h', HEADER);
  assert.equal(sourceVersion([file('sv_main.c', MAIN), header, file('sv_help.c', HELP), header]), 'ADE667D608D274D9E5778D7');
  rmSync(dir, { recursive: true });
});
