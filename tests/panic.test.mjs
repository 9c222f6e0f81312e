// Panics in every context, with the chains that are told of them, against real Linux (tests/panics): in a call, a timer, a kernel thread, a process that ends; by
// panic(), by an oops with panic_on_oops, by the watchdogs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from '../dist/index.js';
import { CASES, fixture, masked, script } from './panics/suite.mjs';

const { module, cases } = fixture();
for (const name of Object.keys(CASES)) {
  test(`a panic is reported as in real Linux: ${name}`, async () => {
    const vm = await boot({ seed: 1, append: CASES[name][1] });
    await vm.run(['mkdir', '/ko']);
    vm.writeFile('/ko/pn_panic.ko', module);
    // The run ends with the system, whichever is told first.
    const run = vm.run(['sh', '-c', script(name)], { timeout: 60_000 }).catch(() => null);
    assert.equal(await Promise.race([vm.halted, run.then(() => vm.halted)]), 'panic');
    assert.deepEqual(masked(vm.dmesg()), cases[name]);
    vm.close();
  });
}
