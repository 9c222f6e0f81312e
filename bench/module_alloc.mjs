// node bench/module_alloc.mjs [PAIRS]: what an allocation and its free cost module code, in nanoseconds of processor time; what --check=memory makes of it; and
// whether it gets dearer while memory fills.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boot } from '../dist/index.js';
import { buildModules } from '../dist/kmod/build.js';

const pairs = Number(process.argv[2] ?? 2_000_000);
const work = mkdtempSync(join(tmpdir(), 'lintel-alloc.'));
const [built] = await buildModules(fileURLToPath(new URL('guest/alloc', import.meta.url)), {
  progress: () => {},
  diagnostics: () => {},
  output: work,
});
const image = readFileSync(built.path);
rmSync(work, { recursive: true });

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
// Loading and unloading it goes off: an insmod whose module only fails would try a second time.
async function load(vm, parameters, count) {
  const from = cpu();
  await vm.run(['insmod', '/lb_alloc.ko', ...parameters, `count=${count}`], { timeout: 1e9 });
  const took = cpu() - from;
  await vm.run(['rmmod', 'lb_alloc'], { timeout: 1e9 });
  return took;
}
const median = (runs) => runs.sort((a, b) => a - b)[runs.length >> 1];
async function once(vm, parameters, count) {
  const load0 = [];
  for (let i = 0; i < 3; i++) load0.push(await load(vm, parameters, 0));
  return ((await load(vm, parameters, count)) - median(load0)) / count;
}
async function measure(vm, parameters, count) {
  await once(vm, parameters, count); // gets warm
  const runs = [];
  for (let i = 0; i < 5; i++) runs.push(await once(vm, parameters, count));
  return median(runs);
}
for (const check of [[], ['memory']]) {
  const vm = await boot({ seed: 1, memory: '256M', check });
  vm.writeFile('/lb_alloc.ko', image);
  console.log(check.length === 0 ? 'ns of processor time a pair' : 'the same with --check=memory');
  for (const parameters of [['size=64'], ['size=1024'], ['what=touch', 'size=256'], ['what=cache'], ['what=page']])
    console.log(
      `  ${parameters.join(' ').padEnd(22)} ${(await measure(vm, parameters, check.length === 0 ? pairs : Math.ceil(pairs / 20))).toFixed(0)}`,
    );
  vm.close();
}
const vm = await boot({ seed: 1, memory: '256M' });
vm.writeFile('/lb_alloc.ko', image);
const total = vm.kernel.mm.pages.freePages;
console.log('ns for an object of 1 KiB, allocated, linked and freed, while so much of memory is filled');
await once(vm, ['what=hold', 'size=1024'], 20_000);
for (const part of [0.1, 0.3, 0.5, 0.7, 0.9]) {
  const count = Math.floor(total * part) * 4;
  console.log(`  ${String(part * 100).padStart(3)} %  ${(await once(vm, ['what=hold', 'size=1024'], count)).toFixed(0)}`);
}
vm.close();
