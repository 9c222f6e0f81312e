// Translations are bounded and shared: programs that start again and again add none, whatever their number (LINTEL_CYCLES; npm run code-cycles
// does 10,000). Counts only: nothing here is timed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from '../dist/index.js';

const CYCLES = Number(process.env.LINTEL_CYCLES ?? '200');

test(`${CYCLES} cycles of fork and exec do not grow the code cache`, async (t) => {
  // All code that runs a few times is translated, so that there is as much of it as there can be.
  const vm = await boot({ seed: 1, memory: '64M', tier: 'eager' });
  t.after(() => vm[Symbol.asyncDispose]());
  const loop = (n) => vm.run(['sh', '-c', `i=0; while [ $i -lt ${n} ]; do /bin/busybox true; i=$((i+1)); done`]);
  await loop(300);
  const before = vm.statistics;
  assert.ok(before.liveRegions > 1000, `${before.liveRegions} regions`);
  await loop(CYCLES);
  const after = vm.statistics;
  assert.ok(after.instructions > before.instructions);
  // Rare paths may add a few, each cycle none.
  assert.ok(after.liveRegions < before.liveRegions * 1.15, `${before.liveRegions} regions, then ${after.liveRegions}`);
  assert.ok(after.codeBytes < before.codeBytes * 1.15, `${before.codeBytes} bytes, then ${after.codeBytes}`);
});
