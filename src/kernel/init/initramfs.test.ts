import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pathWalk } from '../fs/namei.ts';
import { stubKernel } from '../fs/testing/stub_kernel.ts';
import type { Kernel } from '../kernel.ts';
import { gunzip } from '../lib/inflate.ts';
import { unpackToRootfs } from './initramfs.ts';

interface Entry {
  name: string;
  mode: number;
  data?: string;
  ino?: number;
  nlink?: number;
  rdev?: [number, number];
}
function newc(entries: readonly Entry[]): Uint8Array {
  const parts: Buffer[] = [];
  const pad = (n: number) => Buffer.alloc((4 - (n % 4)) % 4);
  let next = 1000;
  for (const e of [...entries, { name: 'TRAILER!!!', mode: 0 } as Entry]) {
    const data = Buffer.from(e.data ?? '', 'latin1');
    const [major, minor] = e.rdev ?? [0, 0];
    const fields = [e.ino ?? next++, e.mode, 5, 6, e.nlink ?? 1, 1_600_000_000, data.length, 0, 1, major, minor, e.name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${e.name}\0`, 'latin1');
    parts.push(head, pad(head.length), data, pad(data.length));
  }
  return new Uint8Array(Buffer.concat(parts));
}
function inodeAt(k: Kernel, name: string) {
  const path = pathWalk(k, { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root }, name, false);
  return typeof path === 'number' ? path : path.dentry.inode;
}
function contents(k: Kernel, name: string): string {
  const inode = inodeAt(k, name);
  if (typeof inode === 'number' || inode.mapping === null) return `error ${inode}`;
  const bytes = new Uint8Array(inode.mapping.size);
  inode.mapping.read(k, 0, bytes);
  return Buffer.from(bytes).toString('latin1');
}
const TREE: readonly Entry[] = [
  { name: '.', mode: 0o40755 },
  { name: 'etc', mode: 0o40755 },
  { name: './etc/motd', mode: 0o100644, data: 'hello\n' },
  { name: '/bin', mode: 0o120777, data: 'usr/bin' },
  { name: 'usr', mode: 0o40755 },
  { name: 'usr/bin', mode: 0o40711 },
  { name: 'bin/tool', mode: 0o104755, data: 'x'.repeat(10000) },
  { name: 'null', mode: 0o20666, rdev: [1, 3] },
  { name: 'big', mode: 0o60600, rdev: [259, 70000] },
  { name: 'fifo', mode: 0o10600 },
  { name: 'h1', mode: 0o100600, ino: 7, nlink: 2 },
  { name: 'h2', mode: 0o100600, ino: 7, nlink: 2, data: 'linked' },
  { name: 'missing/file', mode: 0o100644, data: 'lost' },
  { name: '../../up', mode: 0o100644, data: 'stays inside' },
];

describe('initramfs', () => {
  it('makes the tree of an archive', () => {
    const { k } = stubKernel(32 << 20);
    assert.equal(unpackToRootfs(k, newc(TREE)), null);
    assert.equal(contents(k, '/etc/motd'), 'hello\n');
    assert.equal(contents(k, '/usr/bin/tool').length, 10000);
    assert.equal(contents(k, '/h1'), 'linked');
    assert.equal(inodeAt(k, '/h1'), inodeAt(k, '/h2'));
    assert.equal(inodeAt(k, '/missing'), -2);
    assert.equal(contents(k, '/up'), 'stays inside');
    const tool = inodeAt(k, '/bin/tool');
    const big = inodeAt(k, '/big');
    assert.ok(typeof tool !== 'number' && typeof big !== 'number');
    assert.deepEqual([tool.mode, tool.uid, tool.gid, tool.mtime.sec], [0o104755, 5, 6, 1_600_000_000]);
    assert.equal(big.rdev, (70000 & 0xff) | (259 << 8) | ((70000 & ~0xff) << 12));
    const usr = inodeAt(k, '/usr');
    assert.ok(typeof usr !== 'number');
    assert.deepEqual([usr.mtime.sec, usr.nlink], [1_600_000_000, 3]);
  });
  it('takes archives one after another, packed or not; the later one wins', () => {
    const { k } = stubKernel(32 << 20);
    const second = gzipSync(
      newc([
        { name: 'etc', mode: 0o100600, data: 'a file now' },
        { name: 'motd', mode: 0o100600, data: 'two' },
      ]),
    );
    const both = Buffer.concat([newc([{ name: 'etc', mode: 0o40755 }]), Buffer.alloc(512), second, second]);
    assert.equal(unpackToRootfs(k, both), null);
    assert.equal(contents(k, '/etc'), 'a file now');
    assert.equal(contents(k, '/motd'), 'two');
  });
  it('says what is wrong', () => {
    const { k } = stubKernel(32 << 20);
    assert.equal(unpackToRootfs(k, new Uint8Array([1, 2, 3])), 'invalid magic at start of compressed archive');
    assert.equal(unpackToRootfs(k, Buffer.from('070707'.padEnd(200, '0'))), 'incorrect cpio method used: use -H newc option');
    assert.equal(unpackToRootfs(k, Buffer.from('079999'.padEnd(200, '0'))), 'no cpio magic');
    assert.equal(unpackToRootfs(k, newc(TREE).subarray(0, 900)), 'unexpected end of archive');
  });
  it('survives damaged archives', () => {
    let s = 99;
    const next = (n: number) => {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      return (s >>> 8) % n;
    };
    const { k } = stubKernel(32 << 20);
    const plain = newc(TREE);
    const packed = new Uint8Array(gzipSync(plain));
    for (let i = 0; i < 1500; i++) {
      const bad = (i % 2 === 0 ? plain : packed).slice();
      for (let j = next(6) + 1; j > 0; j--) bad[next(bad.length)] = next(2) === 0 ? next(256) : 48 + next(10);
      const r = unpackToRootfs(k, next(4) === 0 ? bad.subarray(0, next(bad.length)) : bad);
      assert.ok(r === null || typeof r === 'string');
    }
  });
});

describe('inflate', () => {
  it('undoes gzip at every level', () => {
    let s = 3;
    for (const length of [0, 1, 100, 5000, 70000, 300000]) {
      const data = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        s = (Math.imul(s, 1103515245) + 12345) >>> 0;
        data[i] = i % 1000 < 500 ? (s >>> 16) & 15 : i & 63;
      }
      for (const level of [0, 1, 6, 9]) {
        const packed = new Uint8Array(gzipSync(data, { level }));
        const r = gunzip(packed, 0, 1 << 20);
        assert.ok(r !== null);
        assert.equal(r.end, packed.length);
        assert.deepEqual(r.data, data);
      }
    }
    assert.equal(gunzip(new Uint8Array(gzipSync(new Uint8Array(5000))), 0, 4999), null);
  });
});
