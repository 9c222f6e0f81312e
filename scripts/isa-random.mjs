// npm run isa-random -- [--count N] [--seed S] [--qemu FILE]: N random instructions (1,000,000) in programs from seed S on (1), run by qemu's
// user mode and by this machine, interpreted and translated, must leave the same registers, flags and memory. Exit status 0 when all agree.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { enableEngineFeatures } from '../dist/host/node/v8_flags.js';
import { elfOf, explain, runHere } from '../dist/machine/testing/differential.js';
import { randomProgram } from '../dist/machine/testing/random_program.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    qemu: { type: 'string', default: 'qemu-riscv64-static' },
  },
});
const count = Number(values.count);
const firstSeed = Number(values.seed);
if (!(count > 0) || !Number.isInteger(firstSeed)) {
  console.error('usage: npm run isa-random -- [--count N] [--seed S] [--qemu FILE]');
  process.exit(2);
}
/** Of one program: some 25,000 random instructions. */
const CASES = 250;
const ITEMS = 50;
const SLICE = 1_000_000;

const version = spawnSync(values.qemu, ['--version'], { encoding: 'utf8' });
if (version.status !== 0) {
  console.error(`${values.qemu}: ${version.error?.message ?? version.stderr} (Debian: apt install qemu-user-static)`);
  process.exit(2);
}
enableEngineFeatures();
const dir = mkdtempSync(join(tmpdir(), 'lintel-isa-random-'));

/** czero.eqz x0, x0, x0; then exit(0). QEMU before 8.0 takes the first for illegal. */
function knowsZicond() {
  const image = new Uint8Array(new Uint32Array([0x0e005033, 0x00000513, 0x05d00893, 0x00000073]).buffer);
  const elf = join(dir, 'probe');
  writeFileSync(elf, elfOf({ image }));
  chmodSync(elf, 0o755);
  return spawnSync(values.qemu, ['-cpu', 'max', elf]).status === 0;
}
const hasMax = !/unable to find CPU/.test(spawnSync(values.qemu, ['-cpu', 'max', '/dev/null'], { encoding: 'utf8' }).stderr);
const cpu = hasMax ? ['-cpu', 'max'] : [];
// QEMU 7.2 also says 63 for ctzw of a word that is 0, in some blocks; 10.0 says 32 as the manual does.
const without = hasMax && knowsZicond() ? [] : ['czero.eqz', 'czero.nez', 'ctzw'];

function runQemu(program, seed) {
  const elf = join(dir, `p${seed}`);
  writeFileSync(elf, elfOf(program));
  chmodSync(elf, 0o755);
  return new Promise((resolve, reject) => {
    const child = spawn(values.qemu, [...cpu, elf], { stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks = [];
    child.stdout.on('data', (c) => chunks.push(c));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      rmSync(elf);
      if (code === 0) resolve(new Uint8Array(Buffer.concat(chunks)));
      else reject(new Error(`seed ${seed}: qemu ended with ${code ?? signal}`));
    });
  });
}
/** The program of a seed, and what qemu will say. */
function start(seed) {
  const program = randomProgram(seed, { cases: CASES, items: ITEMS, without });
  const qemu = runQemu(program, seed);
  qemu.catch(() => {}); // reported where it is awaited
  return { seed, program, qemu };
}

console.log(`${version.stdout.split('\n')[0]}${without.length > 0 ? `; left out: ${without.join(' ')} (they need QEMU 8 or newer)` : ''}`);
const began = performance.now();
let [programs, different, retired] = [0, 0, 0];
let failed = false;
try {
  let next = start(firstSeed);
  while (different < count) {
    const { seed, program, qemu } = next;
    different += program.insns;
    programs++;
    if (different < count) next = start(seed + 1);
    let problem = '';
    try {
      const cold = runHere(program, SLICE, 'cold');
      // Small quick regions as warm code has, full ones, or the one after the other.
      const hot = runHere(program, SLICE, ['quick', 'hot', 'eager'][seed % 3]);
      retired += cold.instret - program.cases * program.frame;
      if (hot.instret !== cold.instret) problem = `${cold.instret} instructions interpreted, ${hot.instret} translated`;
      problem ||= explain(program, hot.data, cold.data, 'interpreted');
      problem ||= explain(program, cold.data, await qemu);
    } catch (error) {
      problem = error.message;
    }
    if (problem !== '') {
      console.log(`seed ${seed} differs:\n${problem}`);
      failed = true;
      break;
    }
    if (programs % 50 === 0) console.log(`${different} random instructions agree ...`);
    if (programs % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0)); // lets dead machines be collected
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
const seconds = (performance.now() - began) / 1000;
console.log(
  `seeds ${firstSeed} to ${firstSeed + programs - 1}: ${different} random instructions, ${retired} executed, ` +
    `${failed ? 'a difference' : 'all agree'}; ${seconds.toFixed(1)} s`,
);
process.exit(failed ? 1 : 0);
