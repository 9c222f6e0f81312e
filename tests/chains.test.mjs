// The ends of a system, as modules hear of them: what ld_chains logs when the kernel panics and when it restarts, against real Linux's console
// (tests/fixtures/modules/chains.json says how it was recorded). The chain of oopses is a case of the set `services`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { boot } from '../dist/index.js';
import { fixtureFiles } from './modules/suite.mjs';

const fixture = JSON.parse(readFileSync(new URL('fixtures/modules/chains.json', import.meta.url), 'utf8'));
for (const what of ['panic', 'reboot']) {
  for (const cpus of [1, 2])
    test(`notifiers of a ${what}, ${cpus} CPUs`, async () => {
      const { script, lines } = fixture[what];
      const vm = await boot({ seed: 1, cpus });
      await vm.run(['mkdir', '-p', '/ko']);
      vm.writeFile('/ko/ld_chains.ko', fixtureFiles('services').get('ld_chains.ko'));
      await vm.run(['sh', '-c', script]);
      assert.notEqual(vm.kernel.halted, null);
      const said = vm.dmesg().split('\n').map((l) => l.replace(/^\[ *[0-9.]+\] /, ''));
      assert.deepEqual(said.filter((l) => /notifier|panic - not syncing|shutdown|Restarting/.test(l) && !l.includes('end Kernel')), lines);
    });
}
