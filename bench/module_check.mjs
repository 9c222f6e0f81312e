// node bench/module_check.mjs [ROUNDS]: what --check=memory costs code of modules: microseconds of processor time for a round of some works, without and with it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boot } from '../dist/index.js';
import { buildModules } from '../dist/kmod/build.js';

const rounds = Number(process.argv[2] ?? 1000);
const WORKS = ['list', 'tree', 'buffer', 'array', 'device', 'objects'];
const work = mkdtempSync(join(tmpdir(), 'lintel-check.'));
const [built] = await buildModules(fileURLToPath(new URL('guest/check', import.meta.url)), {
  progress: () => {},
  diagnostics: () => {},
  output: work,
});
const image = readFileSync(built.path);
rmSync(work, { recursive: true });

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
async function load(vm, what, count) {
  const from = process.cpuUsage();
  const { exitCode } = await vm.run(['insmod', '/lb_check.ko', `what=${what}`, `rounds=${count}`], { timeout: 1e9 });
  const { user, system } = process.cpuUsage(from);
  if (exitCode !== 0) throw new Error(`${what} does not load`);
  await vm.run(['rmmod', 'lb_check'], { timeout: 1e9 });
  return user + system;
}
async function measure(vm, what, count) {
  await load(vm, what, count); // gets warm
  const empty = [];
  for (let i = 0; i < 3; i++) empty.push(await load(vm, what, 0));
  const runs = [];
  for (let i = 0; i < 3; i++) runs.push(await load(vm, what, count));
  return (median(runs) - median(empty)) / count;
}
const found = { plain: {}, check: {} };
for (const [kind, check] of [
  ['plain', []],
  ['check', ['memory']],
]) {
  const vm = await boot({ seed: 1, memory: '256M', check });
  vm.writeFile('/lb_check.ko', image);
  for (const what of WORKS) found[kind][what] = await measure(vm, what, rounds);
  if (check.length > 0 && vm.kernel.mm.check.reports > 0) throw new Error('a report where there is no mistake');
  vm.close();
}
console.log('us a round          plain    check  times');
let product = 1;
for (const what of WORKS) {
  const [plain, check] = [found.plain[what], found.check[what]];
  product *= check / plain;
  console.log(
    `  ${what.padEnd(14)}${plain.toFixed(1).padStart(9)}${check.toFixed(1).padStart(9)}${(check / plain).toFixed(2).padStart(7)}`,
  );
}
console.log(`  geometric mean ${(product ** (1 / WORKS.length)).toFixed(2)}`);
