// --mount and the API's mounts: directories of the host in the guest.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot, MountError } from '../dist/index.js';

const LINTEL = join(import.meta.dirname, '../bin/lintel.js');
function scratch(t) {
  const dir = fs.mkdtempSync(join(tmpdir(), 'lintel-mount-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}
function lintel(args, node = []) {
  const r = spawnSync(process.execPath, [...node, LINTEL, 'run', ...args], { encoding: 'utf8', timeout: 60_000, input: '' });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}
const read = (...parts) => fs.readFileSync(join(...parts), 'utf8');

test('a directory of the host is read and written', (t) => {
  const dir = scratch(t);
  fs.mkdirSync(join(dir, 'sub'));
  fs.writeFileSync(join(dir, 'sub/in'), 'from the host\n');
  fs.chmodSync(join(dir, 'sub/in'), 0o640);
  const script = `set -e; cd /work; cat sub/in; stat -c '%a %U %s' sub/in; echo 'from the guest' > out; chmod 600 out; mv sub/in sub/moved
    ln out out2; ln -s sub/moved link; cat link; mkdir made; cp /bin/busybox made/; made/busybox true; grep -c hostfs /proc/mounts`;
  const r = lintel(['--mount', `${dir}:/work`, '--', 'sh', '-c', script]);
  assert.deepEqual(r, { status: 0, stdout: 'from the host\n640 root 14\nfrom the host\n1\n', stderr: '' });
  assert.equal(read(dir, 'out'), 'from the guest\n');
  assert.equal(fs.statSync(join(dir, 'out')).mode & 0o777, 0o600);
  assert.equal(fs.statSync(join(dir, 'out')).nlink, 2);
  assert.equal(fs.readlinkSync(join(dir, 'link')), 'sub/moved');
  assert.ok(!fs.existsSync(join(dir, 'sub/in')));
  assert.ok(fs.statSync(join(dir, 'made/busybox')).size > 100_000);
});
test("read-only means read-only, also for the guest's root", (t) => {
  const dir = scratch(t);
  fs.writeFileSync(join(dir, 'f'), 'x');
  const script = `cd /a/b; cat f; for c in 'touch f' 'touch n' 'rm f' 'mkdir d' 'mv f g' 'ln f g' 'chmod 777 f' 'mount -o remount,rw /a/b'; do $c && echo "$c worked"; done; :`;
  const r = lintel(['--mount', `${dir}:/a/b:ro`, '--', 'sh', '-c', script]);
  assert.equal(r.stdout, 'x');
  assert.equal(r.stderr.match(/Read-only file system|Permission denied/gi)?.length, 8, r.stderr);
  assert.deepEqual(fs.readdirSync(dir), ['f']);
});
test('links do not lead out of the directory, whoever made them', (t) => {
  const dir = scratch(t);
  const shared = join(dir, 'shared');
  fs.mkdirSync(shared);
  fs.writeFileSync(join(dir, 'secret'), 'host secret');
  fs.symlinkSync(join(dir, 'secret'), join(shared, 'absolute'));
  fs.symlinkSync('../secret', join(shared, 'relative'));
  fs.symlinkSync('..', join(shared, 'up'));
  const script = `cd /s; cat absolute relative up/secret; ln -s ${dir} mine; cat mine/secret; echo x > mine/made; echo x > relative
    mkdir a b; cd a; mv ../a ../c; ln -s ${dir} ../a; echo y > made; cat ../a/secret; cd ..; ls`;
  const r = lintel(['--mount', `${shared}:/s`, '--', 'sh', '-c', script]);
  assert.ok(!r.stdout.includes('host secret'), r.stdout);
  assert.equal(r.stdout, 'a\nabsolute\nb\nc\nmine\nrelative\nup\n');
  assert.deepEqual(fs.readdirSync(dir).sort(), ['secret', 'shared']);
  assert.equal(read(dir, 'secret'), 'host secret');
  assert.equal(read(shared, 'c/made'), 'y\n');
});
test('a full disk is ENOSPC, and what was written stays', (t) => {
  const dir = scratch(t);
  const full = join(import.meta.dirname, 'full_disk.mjs');
  const script =
    'dd if=/dev/zero of=/w/big bs=4096 count=50 2>&1 | grep -c "No space left on device"; stat -c %s /w/big; echo more >> /w/big; rm /w/big; echo end';
  const r = lintel(['--mount', `${dir}:/w`, '--', 'sh', '-c', script], ['--import', full]);
  assert.equal(r.stdout, '1\n100000\nend\n');
  assert.match(r.stderr, /^sh: write error: No space left on device$/m);
});
test('hostile names come and go as bytes', (t) => {
  const dir = scratch(t);
  const names = ['a b', 'quote\'"', 'new\nline', '-rf', '$(reboot)', 'ünï', '\\', 'x..', '*'];
  for (const n of names) fs.writeFileSync(join(dir, n), n);
  const bytes = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe, 0x01])]);
  fs.writeFileSync(bytes, 'bytes');
  const r = lintel([
    '--mount',
    `${dir}:/w`,
    '--',
    'sh',
    '-c',
    `cd /w; ls | wc -l; for f in *; do cat "./$f"; done; for f in *; do mv "./$f" "./$f~"; done`,
  ]);
  assert.equal(r.stdout.split('\n')[0], String(names.length + 1));
  for (const n of names) assert.equal(read(dir, `${n}~`), n);
  assert.equal(fs.readFileSync(Buffer.concat([bytes, Buffer.from('~')]), 'utf8'), 'bytes');
});
test('with a seed a run is a function of the directory', (t) => {
  const outputs = [1, 2].map(() => {
    const dir = scratch(t);
    for (const n of ['b', 'a', 'c']) fs.writeFileSync(join(dir, n), n);
    const times = new Date(1_700_000_000_000);
    for (const n of ['b', 'a', 'c', '.']) fs.utimesSync(join(dir, n), times, times);
    const script = `cd /w; ls -lai --full-time | grep -v ' \\.$'; echo x > new; ln -s a l; mkdir d; stat -c '%n %i %Y %Z %s' new l d .; cat /proc/uptime`;
    return lintel(['--seed', '4', '--mount', `${dir}:/w`, '--', 'sh', '-c', script]);
  });
  assert.equal(outputs[0].status, 0);
  assert.match(outputs[0].stdout, /^new \d+ 17672256\d\d/m);
  assert.deepEqual(outputs[0], outputs[1]);
});
test('a mount that cannot be is refused before anything runs', (t) => {
  const dir = scratch(t);
  fs.writeFileSync(join(dir, 'file'), '');
  for (const [mount, message] of [
    [`${dir}/none:/w`, /cannot share .*ENOENT/],
    [`${dir}/file:/w`, /cannot share .*ENOTDIR/],
    [`${dir}:w`, /must begin with \//],
    [dir, /HOST:GUEST/],
    [`${dir}:/etc/passwd`, /cannot mount .* at \/etc\/passwd: ENOTDIR/],
    [`${dir}:/etc/passwd/x`, /cannot mount .*: ENOTDIR/],
  ]) {
    const r = lintel(['--mount', mount, '--', 'true']);
    assert.equal(r.status, 125, mount);
    assert.match(r.stderr, message);
    assert.equal(r.stdout, '');
  }
});
test('API: files change on both sides; mappings, locks and appends work', async (t) => {
  const dir = scratch(t);
  fs.writeFileSync(join(dir, 'f'), 'one\n');
  await assert.rejects(boot({ mounts: [{ host: join(dir, 'f'), guest: '/w' }] }), MountError);
  const vm = await boot({
    mounts: [
      { host: dir, guest: '/tmp/w' },
      { host: dir, guest: '/ro', readOnly: true },
    ],
  });
  t.after(() => vm.close());
  const sh = async (line) => {
    const r = await vm.run(['sh', '-c', line]);
    return r.stdout + r.stderr;
  };
  assert.equal(await sh('cat /tmp/w/f'), 'one\n');
  fs.writeFileSync(join(dir, 'f'), 'two, longer\n');
  assert.equal(await sh('cat /tmp/w/f; wc -c < /ro/f'), 'two, longer\n12\n');
  const program = gunzipSync(fs.readFileSync(join(import.meta.dirname, 'fixtures/files/mapping.gz')));
  fs.writeFileSync(join(dir, 'mapping'), program);
  fs.chmodSync(join(dir, 'mapping'), 0o755);
  assert.equal(await sh('cd /tmp/w; ./mapping shared'), 'mapped, stored, synced, appended\n');
  assert.equal(read(dir, 'shared'), `STORED${'x'.repeat(4994)}tail`);
  // The program itself is replaced on the host while its pages are cached.
  assert.equal(await sh('/tmp/w/mapping shared'), 'mapped, stored, synced, appended\n');
  fs.rmSync(join(dir, 'mapping'));
  fs.writeFileSync(join(dir, 'mapping'), '#!/bin/sh\necho replaced\n', { mode: 0o755 });
  assert.equal(await sh('/tmp/w/mapping'), 'replaced\n');
  assert.match(
    await sh('mkfifo /tmp/w/p; chmod 4755 /tmp/w/f; mknod /tmp/w/n c 1 3; ln /tmp/w/f /tmp/f'),
    /not permitted[\s\S]*not permitted[\s\S]*not permitted[\s\S]*Invalid cross-device link/,
  );
  assert.equal(
    await sh('cd /tmp/w; exec 3>gone; rm gone; echo text >&3; cat /proc/self/fd/3; ls gone'),
    'text\nls: gone: No such file or directory\n',
  );
  assert.match(await sh('unshare -Urm sh -c "mount -t tmpfs t /mnt && echo tmpfs; mount -t hostfs host0 /mnt"'), /^tmpfs\n.*(not permitted|denied)/);
  assert.equal(await sh('umount /tmp/w && ls /tmp/w | wc -l; mount -t hostfs host0 /tmp/w && ls /tmp/w | wc -l'), '0\n3\n');
});
