// One loop, entered once, for many seconds: the speed of each 100 ms of the guest thread's processor time, in million instructions a second, and when
// the final speed (the median of the last quarter) was reached. Linux only (/proc/self/task).
// Usage: node bench/long_loop.mjs [--secs 20] [int] [fp] [calls]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile, writeInitramfs } from './peers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({
  options: { secs: { type: 'string', default: '20' }, image: { type: 'string' } },
  allowPositionals: true,
});
const STEP = 0.1;

/** Seconds of processor time of this thread: the engine's compiler threads are not in it. */
const spent = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e9;
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** In a process of its own: boots and samples. */
async function measure(image, what, secs) {
  const { boot } = await import('../dist/index.js');
  let at = 0;
  const onConsole = (bytes) => {
    if (new TextDecoder().decode(bytes).includes('@@B')) at = spent();
  };
  const vm = await boot({ image, append: `-- ${what}`, console: true, memory: '64M', onConsole });
  let insns = 0;
  const speeds = [];
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (at === 0) continue;
    const now = spent();
    if (now - at < STEP) continue;
    const { instructions } = vm.statistics;
    speeds.push((instructions - insns) / (now - at) / 1e6);
    at = now;
    insns = instructions;
    if (speeds.length * STEP >= secs) break;
  }
  const last = median(speeds.slice(-Math.ceil(speeds.length / 4)));
  const reached = speeds.findIndex((s) => s >= 0.9 * last);
  console.log(`${what}: final ${last.toFixed(0)}; 90 % of it in interval ${reached + 1} of 100 ms`);
  console.log(
    `  first ten: ${speeds
      .slice(0, 10)
      .map((s) => s.toFixed(0))
      .join(' ')}`,
  );
  console.log(
    `  median of each second: ${Array.from({ length: Math.floor(speeds.length * STEP) }, (_, i) => median(speeds.slice(i * 10, i * 10 + 10)).toFixed(0)).join(' ')}`,
  );
  process.exit(0);
}

const names = positionals.length > 0 ? positionals : ['int', 'fp', 'calls'];
if (values.image !== undefined) await measure(values.image, names[0], Number(values.secs));
else {
  const work = mkdtempSync(join(tmpdir(), 'lintel-long-'));
  const file = join(work, 'long-loop');
  const wrong = compile('riscv64-linux-gnu-gcc', join(here, 'guest', 'long_loop.c'), file);
  try {
    if (wrong !== null) throw new Error(wrong);
    writeInitramfs(file, join(work, 'initramfs.cpio'));
    for (const name of names) {
      const args = [fileURLToPath(import.meta.url), '--secs', values.secs, '--image', join(work, 'initramfs.cpio'), name];
      const r = spawnSync(process.execPath, args, { stdio: 'inherit' });
      if (r.status !== 0) process.exitCode = 1;
    }
  } finally {
    rmSync(work, { recursive: true });
  }
}
