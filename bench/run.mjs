// The same workloads on every system that this machine has, in turns, and how they compare.
//
// Usage: node bench/run.mjs [--rounds N] [--secs S] [--warm S] [--peers native,qemu-user,qemu-system,lintel] [--json FILE]
//                           [--source FILE.c] [WORKLOAD...]
//
// The figure is operations per second of processor time that the whole peer used (an emulator and its compiler threads too), read from
// /proc when the workload says that it begins and ends: on a machine that does other things as well, wall time says little.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile, peers } from './peers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const COMPUTE = ['int', 'interp', 'sort', 'memcpy', 'wordcopy', 'chase', 'fp'];
const KERNEL = [
  'pipe1',
  'stat',
  'openclose',
  'signal',
  'yield',
  'pingpong',
  'unixepoll',
  'fork',
  'forkexec',
  'thread',
  'fault',
  'cow',
  'mmap',
  'futex',
].concat(['tmpfs', 'fread', 'hackbench']);
const ALL = [...COMPUTE, 'getpid', ...KERNEL];

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    secs: { type: 'string', default: '0.5' },
    warm: { type: 'string' },
    peers: { type: 'string', default: 'native,qemu-user,qemu-system,lintel' },
    json: { type: 'string' },
    source: { type: 'string', default: join(here, 'workloads.c') },
  },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : ALL;
const warm = values.warm ?? values.secs;

function readText(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
/** Adds the processor time of a process, its threads, and the children it waited for; then of the living children. */
function addTimes(pid, into) {
  const children = readText(`/proc/${pid}/task/${pid}/children`).split(' ');
  const fields = readText(`/proc/${pid}/stat`).split(') ')[1]?.split(' ');
  if (fields === undefined) return;
  into.pids.push(pid);
  into.seconds += (Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])) / 100;
  for (const child of children) if (child !== '') addTimes(child, into);
}
/** Seconds of processor time of a tree of processes that stood still while it was read (one that ends moves its time to its parent). */
function cpuSeconds(pid) {
  let before = null;
  for (;;) {
    const now = { pids: [], seconds: 0 };
    addTimes(pid, now);
    if (before !== null && before.pids.join() === now.pids.join()) return now.seconds;
    before = now;
  }
}

/** Runs one peer once: {workload: {ops, cpu, wall}}. */
function runPeer(peer) {
  const [command, ...args] = peer.command([values.secs, ...names], warm);
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, MB_WARM: warm } });
    const results = {};
    let begin = null;
    let rest = '';
    let errors = '';
    child.stderr.on('data', (d) => {
      errors += d;
    });
    child.stdout.on('data', (d) => {
      const cpu = cpuSeconds(child.pid);
      const wall = performance.now();
      const lines = (rest + d.toString('latin1')).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const words = line.trim().split(' ');
        if (words[0] === '@@B') begin = { cpu, wall };
        else if (words[0] === '@@F') errors += `${line}\n`;
        else if (words[0] === '@@W' && begin !== null)
          results[words[1]] = { ops: Number(words[2]), cpu: cpu - begin.cpu, wall: (wall - begin.wall) / 1000 };
      }
    });
    child.on('error', (e) => {
      errors += e.message;
    });
    child.on('close', () => resolve({ results, errors }));
  });
}

const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const mid = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[mid] : (sorted[mid - 1] + sorted[mid]) / 2;
};
const geomean = (list) => Math.exp(list.reduce((s, x) => s + Math.log(x), 0) / list.length);
const show = (x) => (x === undefined || Number.isNaN(x) ? '' : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

// What users import, of the modules as tsc wrote them last.
const changed = (path) => statSync(join(here, '../dist', path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (changed('esm/index.js') < changed('index.js')) {
  const r = spawnSync(process.execPath, ['scripts/bundle.mjs'], { cwd: join(here, '..'), stdio: 'inherit' });
  if (r.status !== 0) process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), 'lintel-bench-'));
try {
  for (const [compiler, name] of [
    ['gcc', 'native'],
    ['riscv64-linux-gnu-gcc', 'riscv64'],
  ]) {
    const trouble = compile(compiler, values.source, join(work, `workloads-${name}`));
    if (trouble !== null) console.log(`(${name}: ${trouble})`);
  }
  const wanted = values.peers.split(',');
  const all = peers(work).filter((p) => wanted.includes(p.name));
  for (const p of all) console.log(p.missing === null ? `${p.name}: ${p.title}` : `${p.name}: missing (${p.missing})`);
  const present = all.filter((p) => p.missing === null);
  /** rates[peer][workload]: one figure a round. */
  const rates = Object.fromEntries(present.map((p) => [p.name, {}]));
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const p of present) {
      const { results, errors } = await runPeer(p);
      for (const [w, r] of Object.entries(results)) {
        rates[p.name][w] ??= [];
        rates[p.name][w].push(r.ops / Math.max(r.cpu, 0.01));
      }
      const absent = names.filter((w) => results[w] === undefined && w !== 'all');
      if (absent.length > 0)
        console.log(`round ${round}, ${p.name}: no result for ${absent.join(', ')}: ${errors.trim().split('\n').slice(-3).join(' / ')}`);
    }
    process.stderr.write(`round ${round} done, load ${loadavg()[0].toFixed(1)}\n`);
  }

  const others = present.map((p) => p.name).filter((n) => n !== 'lintel');
  const rows = names.map((w) => {
    const rate = Object.fromEntries(present.map((p) => [p.name, rates[p.name][w] === undefined ? Number.NaN : median(rates[p.name][w])]));
    const ratio = Object.fromEntries(others.map((n) => [n, rate.lintel / rate[n]]));
    const runs = rates.lintel?.[w] ?? [];
    return { workload: w, rate, ratio, spread: runs.length > 1 ? Math.max(...runs) / Math.min(...runs) : Number.NaN };
  });
  console.log(`\nLintel's speed in multiples of each peer's: operations per second of processor time, medians of ${values.rounds} rounds.`);
  console.log(`| workload | ${others.map((n) => `/ ${n}`).join(' | ')} | Lintel's best / worst round |`);
  console.log(`|---|${others.map(() => '---|').join('')}---|`);
  for (const r of rows) console.log(`| ${r.workload} | ${others.map((n) => show(r.ratio[n])).join(' | ')} | ${show(r.spread)} |`);
  const summary = {};
  for (const [title, group] of [
    ['computing', COMPUTE],
    ['kernel', KERNEL],
  ]) {
    const some = rows.filter((r) => group.includes(r.workload));
    if (some.length === 0) continue;
    summary[title] = Object.fromEntries(others.map((n) => [n, geomean(some.map((r) => r.ratio[n]))]));
    console.log(`| **${title}, geometric mean of ${some.length}** | ${others.map((n) => show(summary[title][n])).join(' | ')} | |`);
  }
  if (values.json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node };
    const titles = Object.fromEntries(all.map((p) => [p.name, p.missing === null ? p.title : `missing: ${p.missing}`]));
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, peers: titles, secs: values.secs, rounds: values.rounds, rows, means: summary, rates }, null, 1)}\n`,
    );
  }
} finally {
  rmSync(work, { recursive: true });
}
