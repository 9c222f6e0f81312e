import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { EEXIST, EINVAL, ENOENT, ENOTEMPTY, EPERM, EROFS, ESTALE } from '../../abi/errno.ts';
import type { HostAttr } from '../../kernel/host.ts';
import { NodeDirectory } from './directory.ts';

const text = (s: string) => new TextEncoder().encode(s);

function share(t: TestContext, viaProc: boolean, readOnly = false): { root: string; outside: string; d: NodeDirectory } {
  const base = fs.mkdtempSync(join(tmpdir(), 'lintel-dir-'));
  const root = join(base, 'shared');
  const outside = join(base, 'outside');
  fs.mkdirSync(root);
  fs.mkdirSync(outside);
  fs.writeFileSync(join(outside, 'secret'), 'secret');
  const d = new NodeDirectory(root, readOnly, { viaProc });
  t.after(() => {
    d.dispose();
    fs.rmSync(base, { recursive: true, force: true });
  });
  return { root, outside, d };
}
function ok<T>(r: T | number): T {
  assert.notEqual(typeof r, 'number', `errno ${String(r)}`);
  return r as T;
}
const rootOf = (d: NodeDirectory) => ok<HostAttr>(d.root()).node;
const read = (d: NodeDirectory, node: number) => {
  const handle = d.open(node, false);
  if (handle < 0) return handle;
  const into = new Uint8Array(100);
  const n = d.read(handle, 0, into);
  d.close(handle);
  return new TextDecoder().decode(into.subarray(0, n));
};

for (const viaProc of process.platform === 'linux' ? [true, false] : [false]) {
  describe(`a shared directory (${viaProc ? 'descriptors' : 'checked paths'})`, () => {
    it('takes single names only', (t) => {
      const { d } = share(t, viaProc);
      const root = rootOf(d);
      for (const name of ['', '.', '..', 'a/b', '/etc', '../outside', 'a\0b']) {
        assert.equal(d.lookup(root, name), -EINVAL, name);
        assert.equal(d.create(root, name, 0o644, 0, 0), -EINVAL, name);
        assert.equal(d.mkdir(root, name, 0o755, 0, 0), -EINVAL, name);
        assert.equal(d.symlink(root, name, 'x', 0, 0), -EINVAL, name);
        assert.equal(d.unlink(root, name), -EINVAL, name);
        assert.equal(d.rmdir(root, name), -EINVAL, name);
        assert.equal(d.rename(root, name, root, 'x'), -EINVAL, name);
      }
      assert.equal(d.lookup(root, 'none'), -ENOENT);
      assert.equal(d.lookup(999, 'x'), -ESTALE);
    });
    it('never follows a link', (t) => {
      const { root, outside, d } = share(t, viaProc);
      fs.symlinkSync(join(outside, 'secret'), join(root, 'file'));
      fs.symlinkSync(outside, join(root, 'dir'));
      const top = rootOf(d);
      const file = ok<HostAttr>(d.lookup(top, 'file'));
      const dir = ok<HostAttr>(d.lookup(top, 'dir'));
      assert.equal(file.mode & 0o170000, 0o120000);
      assert.equal(d.readlink(file.node), join(outside, 'secret'));
      assert.equal(d.open(file.node, false), -EINVAL);
      assert.equal(d.truncate(file.node, 0), -EINVAL);
      for (const r of [
        d.lookup(dir.node, 'secret'),
        d.unlink(dir.node, 'secret'),
        d.create(dir.node, 'x', 0o644, 0, 0),
        d.readdir(dir.node),
      ])
        assert.ok(typeof r === 'number' && r < 0);
      assert.equal(d.create(top, 'file', 0o644, 0, 0), -EEXIST);
      assert.equal(fs.readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
      assert.deepEqual(fs.readdirSync(outside), ['secret']);
    });
    it('is not fooled by a directory that becomes a link', (t) => {
      const { root, outside, d } = share(t, viaProc);
      fs.mkdirSync(join(root, 'a'));
      const a = ok<HostAttr>(d.lookup(rootOf(d), 'a')).node;
      fs.renameSync(join(root, 'a'), join(root, 'b'));
      fs.symlinkSync(outside, join(root, 'a'));
      // What was found is the directory itself, or nothing any more; never what the link leads to.
      assert.ok([-ENOENT, -ESTALE].includes(d.lookup(a, 'secret') as number));
      d.create(a, 'x', 0o644, 0, 0);
      d.unlink(a, 'secret');
      assert.deepEqual(fs.readdirSync(outside), ['secret']);
    });
    it('does not open devices, FIFOs and sockets', (t) => {
      const { root, d } = share(t, viaProc);
      if (process.platform === 'win32') return;
      execFileSync('mkfifo', [join(root, 'fifo')]);
      const fifo = ok<HostAttr>(d.lookup(rootOf(d), 'fifo'));
      assert.equal(fifo.mode & 0o170000, 0o010000);
      assert.equal(d.open(fifo.node, true), -EINVAL);
    });
    it('reads, writes, renames, links and removes', (t) => {
      const { root, d } = share(t, viaProc);
      const top = rootOf(d);
      const sub = ok<HostAttr>(d.mkdir(top, 'sub', 0o750, 0, 0));
      assert.equal(fs.statSync(join(root, 'sub')).mode & 0o7777, 0o750);
      const f = ok<HostAttr>(d.create(sub.node, 'f\xff\n', 0o640, 0, 0));
      const handle = d.open(f.node, true);
      assert.equal(d.write(handle, 3, text('hello')), 5);
      assert.equal(d.sync(handle), 0);
      d.close(handle);
      assert.equal(read(d, f.node), '\0\0\0hello');
      assert.equal(d.rename(sub.node, 'f\xff\n', top, 'g'), 0);
      assert.equal(read(d, f.node), '\0\0\0hello');
      assert.equal(d.link(f.node, sub.node, 'h'), 0);
      assert.equal(ok<HostAttr>(d.getattr(f.node)).nlink, 2);
      assert.equal(ok<HostAttr>(d.lookup(sub.node, 'h')).node, f.node);
      assert.equal(d.rmdir(top, 'sub'), -ENOTEMPTY);
      assert.equal(d.unlink(sub.node, 'h'), 0);
      assert.equal(d.rmdir(top, 'sub'), 0);
      assert.equal(d.setMode(ok<HostAttr>(d.lookup(top, 'g')).node, 0o4755), -EPERM);
      assert.deepEqual(ok(d.readdir(top)), [{ name: 'g', mode: 0o100000 }]);
      assert.equal(d.setTimes(f.node, { sec: 5, nsec: 4000 }, { sec: 7, nsec: 8_004_000 }), 0);
      const attr = ok<HostAttr>(d.getattr(f.node));
      assert.deepEqual(
        [attr.atime, attr.mtime],
        [
          { sec: 5, nsec: 4000 },
          { sec: 7, nsec: 8_004_000 },
        ],
      );
    });
    it('holds many objects with few descriptors', (t) => {
      const { root, d } = share(t, viaProc);
      for (let i = 0; i < 700; i++) fs.writeFileSync(join(root, `f${i}`), String(i));
      const top = rootOf(d);
      const nodes = Array.from({ length: 700 }, (_, i) => ok<HostAttr>(d.lookup(top, `f${i}`)).node);
      fs.renameSync(join(root, 'f5'), join(root, 'f0'));
      assert.equal(d.getattr(nodes[0]), -ESTALE); // another file has its name now
      for (let i = 10; i < 700; i++) assert.equal(read(d, nodes[i]), String(i));
    });
    it('refuses every change when read-only', (t) => {
      const { root, d } = share(t, viaProc, true);
      fs.writeFileSync(join(root, 'f'), 'x');
      const top = rootOf(d);
      const f = ok<HostAttr>(d.lookup(top, 'f')).node;
      const changes = [
        d.create(top, 'x', 0o644, 0, 0),
        d.mkdir(top, 'x', 0o755, 0, 0),
        d.symlink(top, 'x', 'y', 0, 0),
        d.link(f, top, 'x'),
        d.unlink(top, 'f'),
        d.rename(top, 'f', top, 'g'),
        d.setMode(f, 0o600),
        d.setOwner(f, 1, 1),
        d.setTimes(f, { sec: 0, nsec: 0 }, { sec: 0, nsec: 0 }),
        d.truncate(f, 0),
        d.open(f, true),
      ];
      assert.deepEqual(
        changes,
        changes.map(() => -EROFS),
      );
      assert.equal(read(d, f), 'x');
    });
  });
}
