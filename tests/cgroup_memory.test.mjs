// Memory cgroups (M61): limits, events, what is charged, kills and their log, swap and reclaim of a group, as a shell script sees them in real Linux
// (tests/guest/mm/cgmem.sh; tests/guest/mm/build.sh recorded it), and accounting that Linux keeps per CPU, which is exact here.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot } from '../dist/index.js';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';

const fixture = (name) => readFileSync(new URL(`fixtures/mm/${name}`, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'lintel-cgroup.'));
let vm;
const sh = async (script) => {
  const r = await vm.run(['sh', '-c', script], { timeout: 600e9 });
  assert.deepEqual(auditFrames(vm.kernel), []);
  return r.stdout;
};
before(async () => {
  vm = await boot({ seed: 1, memory: '128M', cpus: 2, mounts: [{ host: dir, guest: '/host' }] });
  vm.writeFile('/hog', gunzipSync(fixture('hog.gz')));
  vm.writeFile('/cgmem.sh', readFileSync(new URL('guest/mm/cgmem.sh', import.meta.url)));
  await sh('chmod 755 /hog; mount -t tmpfs tmpfs /tmp; dd if=/dev/zero of=/host/swap bs=1M count=64 2> /dev/null; chmod 600 /host/swap');
  await sh('busybox mkswap /host/swap > /dev/null; swapon /host/swap');
});
after(() => {
  vm.close();
  rmSync(dir, { recursive: true });
});

test('every line as in real Linux', async () => {
  assert.equal(await sh('sh /cgmem.sh 2>&1'), fixture('cgmem.txt').toString());
});
test('what a group pays for adds up, and all of it comes back', async () => {
  const text = await sh(`mkdir -p /cg; mount -t cgroup2 none /cg; cd /cg; echo +memory > cgroup.subtree_control; mkdir a
    sh -c 'echo $$ > a/cgroup.procs; /hog 5 x 3 > /dev/null & dd if=/dev/zero of=/tmp/f bs=1M count=2 2> /dev/null; sleep 1; cat a/memory.current a/memory.stat; wait'
    echo after; rm /tmp/f; cat a/memory.current a/memory.swap.current; rmdir a; grep dying_subsys_memory cgroup.stat`);
  const [current] = text.split('\n').map(Number);
  const of = (name) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)[1]);
  assert.equal(current, of('anon') + of('file') + of('kernel'));
  assert.equal(of('file'), 2 << 20);
  assert.ok(of('anon') > 5 << 20 && of('anon') < 6 << 20, text);
  assert.ok(of('kernel') >= of('kernel_stack') + of('pagetables') + of('slab'));
  assert.ok(of('kernel_stack') >= 2 * 16384 && of('pagetables') > 0 && of('slab') > 0);
  assert.equal(of('inactive_anon') + of('active_anon'), of('anon') + of('shmem'));
  assert.match(text, /after\n0\n0\nnr_dying_subsys_memory 0\n$/);
});
test('memory.min keeps a group from global reclaim, memory.low while there is something else', async () => {
  const text = await sh(`cd /cg; mkdir min low other; for g in min low other; do sh -c "echo \\$\\$ > $g/cgroup.procs; exec /hog 20 $g 200 > /dev/null" & done; sleep 1
    echo 30M > min/memory.min; echo 30M > low/memory.low; /hog 75 > /dev/null; for g in min low other; do echo $g $(cat $g/memory.swap.current); done
    for g in min low other; do echo 1 > $g/cgroup.kill; done; wait; rmdir min low other; echo -memory > cgroup.subtree_control; cd /; umount /cg`);
  const out = Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
  assert.equal(out.min, '0');
  assert.ok(Number(out.other) > Number(out.low), text);
});
