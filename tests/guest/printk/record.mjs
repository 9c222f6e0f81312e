// node tests/guest/printk/record.mjs RUN_LINUX HEADERS: lets a module do steps.mjs in real Linux and writes what /dev/kmsg and `dmesg -r` show
// of it to tests/fixtures/printk/printk.json. Arguments as in ../vsprintf/record.mjs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModule, cString } from '../ko.mjs';
import { DUMP, STEPS } from './steps.mjs';

const [runLinux, headers] = process.argv.slice(2);
if (headers === undefined) {
  console.error('usage: node tests/guest/printk/record.mjs RUN_LINUX HEADERS');
  process.exit(2);
}
const LEVEL = ['KERN_EMERG', 'KERN_ALERT', 'KERN_CRIT', 'KERN_ERR', 'KERN_WARNING', 'KERN_NOTICE', 'KERN_INFO', 'KERN_DEBUG'];
function statement(s) {
  if (s.do === 'printk') return `_printk("%s", ${cString(s.text)});`;
  if (s.do === 'dev') return `dev_printk_emit(LOGLEVEL_${LEVEL[s.level].slice(5)}, &pdev->dev, "%s", ${cString(s.text)});`;
  if (s.do === 'hexdump')
    return `print_hex_dump(KERN_INFO, "${s.prefix}", ${s.type}, ${s.row}, ${s.group}, bytes, ${s.length}, ${s.ascii});`;
  return `for (i = 0; i < ${s.calls}; i++) if (___ratelimit(&rs, "probe")) _printk("allowed %d\\n", i);\n  msleep(${s.msleep});`;
}
const dir = mkdtempSync(join(tmpdir(), 'lintel-printk.'));
const source = `#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/ratelimit.h>
#include <linux/delay.h>
static const u8 bytes[] = { ${DUMP.join(',')} };
static struct ratelimit_state rs = RATELIMIT_STATE_INIT(rs, HZ, 3);
static int __init start(void) {
  struct platform_device *pdev = platform_device_register_simple("lintelprobe", PLATFORM_DEVID_NONE, NULL, 0);
  int i;
  _printk("the start\\n");
  ${STEPS.map(statement).join('\n  ')}
  platform_device_unregister(pdev);
  return 0;
}
static void __exit stop(void) {}
module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
`;
mkdirSync(join(dir, 'o'));
const { ko, release } = buildModule(headers, source, dir);
renameSync(ko, join(dir, 'o/x.ko'));
writeFileSync(
  join(dir, 'script'),
  'dmesg -n 8\ninsmod /x.ko\ntimeout 1 cat /dev/kmsg > /kmsg\nbase64 -w 0 /kmsg; echo\ndmesg -r -s 131072 > /raw; base64 -w 0 /raw; echo\n',
);
const console_ = join(dir, 'console');
const out = execFileSync(runLinux, ['-m', '-l', console_, join(dir, 'o'), join(dir, 'script')], { encoding: 'utf8', maxBuffer: 1 << 28 });
const [kmsg, raw] = out
  .split('\n')
  .filter((l) => l.length > 100)
  .map((l) => Buffer.from(l, 'base64').toString('latin1'));
const between = (text, from, to) => text.slice(text.indexOf('\n', text.indexOf(from)) + 1, text.indexOf('\n', text.indexOf(to)) + 1);
const fixture = {
  release,
  dump: DUMP,
  steps: STEPS,
  // Sequence numbers count from the first; times go.
  kmsg: between(kmsg, ';the start', ';the end')
    .replace(/^(\d+),(\d+),\d+,/gm, '$1,$2,T,')
    .split('\n'),
  raw: between(raw, '] the start', '] the end')
    .replace(/^(<\d+>)\[ *\d+\.\d+\]/gm, '$1[T]')
    .split('\n'),
};
const first = Number(/^\d+,(\d+),/.exec(fixture.kmsg[0])[1]);
fixture.kmsg = fixture.kmsg.map((l) => l.replace(/^(\d+),(\d+),T,/, (_, p, n) => `${p},${n - first},T,`));
mkdirSync('tests/fixtures/printk', { recursive: true });
writeFileSync('tests/fixtures/printk/printk.json', `${JSON.stringify(fixture, null, 1)}\n`);
console.log(`${STEPS.length} steps, ${fixture.kmsg.length} lines`);
rmSync(dir, { recursive: true });
