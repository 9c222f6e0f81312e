import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IovIter } from '../kernel/lib/iov_iter.ts';
import type { ImageLayer } from '../kernel/host.ts';
import { graftImage } from '../kernel/init/image_layer.ts';
import { pathWalk } from '../kernel/fs/namei.ts';
import { vfsUnlink, kernelOpen } from '../kernel/fs/open.ts';
import { stubKernel } from '../kernel/fs/testing/stub_kernel.ts';
import { type FileNode, ImageTreeBuilder, newDir } from './tree.ts';

const PAGE = 4096;
/** A layer whose blob holds byte (i * 7 + i / PAGE) at i, and that counts its reads. */
function makeLayer(pages: number) {
  const blob = new Uint8Array(pages * PAGE).map((_x, i) => (i * 7 + Math.floor(i / PAGE)) & 255);
  const tree = new ImageTreeBuilder();
  tree.blob('b', blob.length);
  const file = (offset: number, size: number): FileNode => ({ kind: 'file', mode: 0o644, uid: 0, gid: 5, mtime: 77, at: ['b', offset, size] });
  tree.mkdir('usr', newDir(0o755));
  tree.put('bin', { kind: 'symlink', uid: 0, gid: 0, mtime: 0, target: 'usr/bin' });
  tree.mkdir('usr/bin', newDir(0o711));
  const big = file(10, blob.length - 20);
  tree.put('bin/big', big);
  tree.put('usr/bin/big2', big);
  tree.put('usr/small', file(0, 5));
  let reads = 0;
  const layer: ImageLayer = {
    index: tree.encode(),
    name: () => 'b',
    read(_blob, offset, into) {
      reads++;
      into.set(blob.subarray(offset, offset + into.length));
      return true;
    },
  };
  return { layer, blob, reads: () => reads };
}
function booted(pages = 40, memory?: number) {
  const s = stubKernel(memory);
  const made = makeLayer(pages);
  assert.equal(graftImage(s.k, made.layer), null);
  const root = { mnt: s.k.vfs.rootMount, dentry: s.k.vfs.rootMount.root };
  const inode = (path: string) => {
    const p = pathWalk(s.k, root, path, true);
    assert.notEqual(typeof p, 'number', `${path}: ${p}`);
    return (p as { dentry: { inode: import('../kernel/fs/types.ts').Inode } }).dentry.inode;
  };
  const readAll = (path: string) => {
    const m = inode(path).mapping;
    assert.ok(m);
    const bytes = new Uint8Array(m.size);
    m.read(s.k, 0, bytes);
    return bytes;
  };
  return { ...s, ...made, root, inode, readAll };
}

test('names, attributes and hard links come from the index, contents when they are read', () => {
  const b = booted();
  assert.equal(b.reads(), 0);
  const big = b.inode('/bin/big');
  assert.equal(big, b.inode('/usr/bin/big2'));
  assert.deepEqual([big.nlink, big.mode, big.gid, big.mtime.sec, big.mapping?.size], [2, 0o100644, 5, 77, b.blob.length - 20]);
  assert.deepEqual([b.inode('/usr').nlink, b.inode('/usr/bin').mode], [3, 0o040711]);
  assert.equal(b.reads(), 0);
  assert.deepEqual(b.readAll('/usr/bin/big'), b.blob.slice(10, b.blob.length - 10));
});

test('a file of the image is written, cut and removed as any other', () => {
  const b = booted();
  const { k } = b;
  const file = kernelOpen(k, '/usr/bin/big', 2);
  if (typeof file === 'number') throw new Error(`open: ${file}`);
  file.op.write?.(k, file, IovIter.kernel(new Uint8Array([1, 2, 3])), PAGE * 3 - 1);
  const want = b.blob.slice(10, b.blob.length - 10);
  want.set([1, 2, 3], PAGE * 3 - 1);
  assert.deepEqual(b.readAll('/usr/bin/big2'), want);
  const mapping = b.inode('/usr/bin/big').mapping;
  mapping?.truncate(k, PAGE * 5 + 9);
  mapping?.truncate(k, PAGE * 7);
  const cut = new Uint8Array(PAGE * 7);
  cut.set(want.subarray(0, PAGE * 5 + 9));
  assert.deepEqual(b.readAll('/usr/bin/big'), cut);
  k.vfs.fput(file);
  const dir = pathWalk(k, b.root, '/usr/bin', true);
  if (typeof dir === 'number') throw new Error('walk');
  assert.equal(vfsUnlink(k, dir, 'big'), 0);
  assert.equal(typeof pathWalk(k, b.root, '/usr/bin/big', true), 'number');
  assert.equal(b.inode('/usr/bin/big2').nlink, 1);
});

test('clean pages go when memory is short and come again; written ones stay', () => {
  const b = booted(3000, 24 << 20); // 12 MB of contents
  const { k } = b;
  const mapping = b.inode('/usr/bin/big').mapping;
  assert.equal(mapping?.write(k, 0, new Uint8Array([9, 9])), 2);
  const hog: number[] = [];
  const first = b.readAll('/usr/bin/big');
  for (let pa = k.mm.pages.allocUser(); pa !== 0; pa = k.mm.pages.allocUser()) hog.push(pa);
  assert.equal(mapping?.pages.size, 1);
  for (const pa of hog.splice(0)) k.mm.pages.put(pa);
  assert.deepEqual(b.readAll('/usr/bin/big'), first);
  assert.equal(first[0], 9);
});

test('a broken index is refused', () => {
  const s = stubKernel();
  const index = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const layer = (i: Uint8Array): ImageLayer => ({ index: i, read: () => false, name: () => '' });
  assert.equal(graftImage(s.k, layer(index('nonsense'))), 'not an image');
  assert.equal(graftImage(s.k, layer(index('LNTLIMG1\xff\0\0\0{}'))), 'the image is cut off');
  assert.equal(graftImage(s.k, layer(index('LNTLIMG1\x02\0\0\0{]'))), 'the header cannot be read');
});
