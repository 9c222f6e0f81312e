import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RAM_BASE } from '../../machine/layout.ts';
import { KERNEL_LINK_ADDR, PAGE_OFFSET, PAGE_SIZE } from './address.ts';
import {
  kernelBytes,
  kernelString,
  readKernel8,
  readKernel16,
  readKernel32,
  readKernel64,
  readKernelBig,
  writeKernel32,
  writeKernel64,
  writeKernelBytes,
} from './maccess.ts';
import { PAGE_KERNEL_READ } from './pgtable.ts';
import { mmTestKit } from './testkit.ts';
import { vfree, vmallocFor } from './vmalloc.ts';

test('kernel memory of every kind is read, wrong addresses are refused', () => {
  const { k } = mmTestKit();
  const pa = k.mm.pages.alloc();
  const linear = PAGE_OFFSET + pa;
  k.ram.writeBig(pa + 8, 0x8877665544332211n);
  assert.equal(readKernel8(k, linear + 8), 0x11);
  assert.equal(readKernel16(k, linear + 9), 0x3322);
  assert.equal(readKernel32(k, linear + 12), 0x88776655);
  assert.equal(readKernelBig(k, linear + 8), -0x778899aabbccddefn);
  k.ram.write64(pa + 16, linear);
  assert.equal(readKernel64(k, linear + 16), linear);
  // The image is also below the linear map.
  assert.equal(writeKernel32(k, KERNEL_LINK_ADDR + 0x100, 0x12345678), true);
  assert.equal(readKernel32(k, PAGE_OFFSET + RAM_BASE + 0x100), 0x12345678);
  for (const bad of [0, 8, -8, 0x1000, 2 ** 37, PAGE_OFFSET, PAGE_OFFSET + k.ram.size, -(2 ** 40), -(2 ** 63), Number.NaN]) {
    assert.equal(readKernel64(k, bad), null, String(bad));
    assert.equal(kernelBytes(k, bad, 1), null);
    assert.equal(kernelString(k, bad, 4), null);
    assert.equal(writeKernel64(k, bad, 1), false);
  }
});

test('the vmalloc area is walked page by page', () => {
  const { k } = mmTestKit();
  const va = vmallocFor(k, 2 * PAGE_SIZE);
  const seam = va + PAGE_SIZE - 3;
  assert.equal(writeKernel64(k, seam, -2), true);
  assert.equal(readKernel64(k, seam), -2);
  assert.equal(readKernel32(k, seam + 1), 0xffffffff);
  assert.equal(readKernel16(k, seam + 2), 0xffff);
  assert.deepEqual(kernelBytes(k, seam, 8), Uint8Array.of(254, 255, 255, 255, 255, 255, 255, 255));
  writeKernelBytes(k, seam, Uint8Array.from([...'lintel\0'].map((c) => c.charCodeAt(0))));
  assert.equal(kernelString(k, seam, 100), 'lintel');
  assert.equal(kernelString(k, seam, 4), 'lint');
  // The guard page ends it: reads fail, a string that ends before is whole, and a write across it changes nothing.
  const last = va + 2 * PAGE_SIZE - 4;
  assert.equal(writeKernel32(k, last, 0x00636261), true);
  assert.equal(kernelString(k, last, 100), 'abc');
  assert.equal(kernelBytes(k, last, 5), null);
  assert.equal(writeKernel64(k, last, 0), false);
  assert.equal(readKernel32(k, last), 0x00636261);
  k.mm.vmalloc.protect(k, va, va + PAGE_SIZE, PAGE_KERNEL_READ);
  assert.equal(writeKernel32(k, va, 1), false);
  assert.equal(readKernel32(k, va), 0);
  vfree(k, va);
  assert.equal(readKernel8(k, va), null);
});
