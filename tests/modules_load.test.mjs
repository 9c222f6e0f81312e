// Modules at boot (M25): modules-load.d(5) and modules_load= of the kernel command line, which /init of the images reads, and parameters from the command
// line and modprobe.d on their way into the module. BusyBox's modprobe here; kmod's is compared with real Linux in tests/modules/cases/bootline.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { UTS_RELEASE } from '../dist/abi/kernel_release.js';
import { ensureImage } from '../dist/image/image.js';
import { writeCpio } from '../dist/image/cpio.js';
import { boot } from '../dist/index.js';
import { fixtureFiles } from './modules/suite.mjs';

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
/** Image base with files laid over it. */
async function imageWith(dir, files) {
  const entries = [];
  const seen = new Set();
  for (const [path, data] of files) {
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) {
      const parent = parts.slice(0, i).join('/');
      if (!seen.has(parent)) entries.push({ name: parent, mode: S_IFDIR | 0o755, data: new Uint8Array(0) });
      seen.add(parent);
    }
    entries.push({ name: path, mode: S_IFREG | 0o644, data: Buffer.from(data) });
  }
  const path = join(dir, 'image.cpio');
  writeFileSync(path, Buffer.concat([readFileSync(await ensureImage('base', () => {})), writeCpio(entries)]));
  return path;
}

test('modules-load.d and modules_load= load modules at boot, with their parameters', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-modules-load-'));
  const ko = fixtureFiles('bootline');
  const at = `usr/lib/modules/${UTS_RELEASE}`;
  const modules = ['cl_hello', 'cl_core', 'cl_uses', 'cl_before', 'cl_after', 'cl_black'];
  const image = await imageWith(dir, [
    ...modules.map((m) => [`${at}/extra/${m}.ko`, ko.get(`${m}.ko`)]),
    [`${at}/modules.dep`, modules.map((m) => `extra/${m}.ko:${m === 'cl_uses' ? ' extra/cl_core.ko' : ''}\n`).join('')],
    [`${at}/modules.alias`, 'alias cl-device:* cl_hello\n'],
    [`${at}/modules.symbols`, ''],
    ['etc/modprobe.d/own.conf', 'options cl_hello n=33\nblacklist cl_black\n'],
    // The one in /etc hides the one of the same name in /usr/lib; the last line has no end.
    ['etc/modules-load.d/20-own.conf', '# comment\n; another\n\ncl_hello\ncl_black\ncl_missing'],
    ['usr/lib/modules-load.d/20-own.conf', 'cl_before\n'],
    ['usr/lib/modules-load.d/10-first.conf', 'cl_uses\n'],
  ]);
  const vm = await boot({ seed: 1, image, append: 'modules_load=cl_after cl_hello.who=boot cl_core.level=4' });
  const said = vm.dmesg().split('\n').flatMap((line) => /(cl_\w+: (?:who|level|core|comes).*)$/.exec(line)?.[1] ?? []);
  assert.deepEqual(said, ['cl_after: comes', 'cl_core: level 4', 'cl_uses: core has level 4', 'cl_hello: who boot, n 33, list 0: 0 0, flag 0']);
  assert.equal((await vm.run(['sh', '-c', 'lsmod | grep -c cl_; echo $modules_load'])).stdout, '4\n\n');
  vm.close();
  rmSync(dir, { recursive: true });
});
