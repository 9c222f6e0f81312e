// node --expose-gc bench/module_cycles.mjs [FILE.ko] [CYCLES]: loads and unloads a module over and over; host time of a pair, and what is left of memory.
// The cycles are made by one program in the guest (a shell with insmod and rmmod built in), so each pair includes two forks.
import { readFileSync } from 'node:fs';
import { boot } from '../dist/index.js';
import { fixtureFiles } from '../tests/modules/suite.mjs';

const [file, cycles = '1000'] = process.argv.slice(2);
const image = file === undefined || file === '' ? fixtureFiles('base').get('lt_bare.ko') : readFileSync(file);
const vm = await boot({ seed: 1, memory: '128M' });
vm.writeFile('/tmp/m.ko', image);
const free = () => vm.kernel.mm.pages.freePages;
const round = (n) => vm.run(['sh', '-c', `i=0; while [ $i -lt ${n} ]; do insmod /tmp/m.ko; rmmod lt_bare; i=$((i+1)); done`], { timeout: 1e9 });
await round(300);
globalThis.gc?.();
const [before, heap] = [free(), process.memoryUsage()];
const [from, cpu] = [performance.now(), process.cpuUsage()];
const r = await round(Number(cycles));
const took = performance.now() - from;
const used = process.cpuUsage(cpu);
if (r.exitCode !== 0) throw new Error(r.stderr);
globalThis.gc?.();
const after = process.memoryUsage();
const mib = (n) => (n / 2 ** 20).toFixed(1);
const each = (ms) => (ms / Number(cycles)).toFixed(2);
// The processor's time counts less what other programs do on the machine.
const busy = each((used.user + used.system) / 1000);
console.log(`${cycles} pairs of insmod and rmmod: ${each(took)} ms each, ${busy} ms of the host's processor, with the two programs that do it`);
console.log(`free pages of the guest ${before} -> ${free()}; host heap ${mib(heap.heapUsed)} -> ${mib(after.heapUsed)} MiB, resident ${mib(heap.rss)} -> ${mib(after.rss)} MiB`);
vm.close();
