import { Access, type AccessKind } from '../../machine/api.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { Kernel } from '../kernel.ts';
import { KERNEL_IMAGE_SIZE, KERNEL_LINK_ADDR, PAGE_OFFSET, PAGE_SIZE, virtToImage } from './address.ts';

// Reading and writing kernel virtual addresses that may be wrong (mm/maccess.c, copy_from_kernel_nofault): null or false where the hardware
// would fault. User addresses are not kernel memory: they are refused.

/** Addresses of Sv39's upper half start here; below (and above 0) nothing is the kernel's. */
const KERNEL_HALF = -(2 ** 38);

/** Physical address of `va` for `access`, or -1. */
function physOf(k: Kernel, va: number, access: AccessKind): number {
  const pa = va - PAGE_OFFSET;
  if (pa >= RAM_BASE && pa < k.ram.size) return pa;
  const off = va - KERNEL_LINK_ADDR;
  if (off >= 0 && off < KERNEL_IMAGE_SIZE) return virtToImage(va);
  return va >= KERNEL_HALF && va < 0 ? k.machine.translate(k.mm.swapperPgDir, va, access, 1, false) : -1;
}
/** Physical address of an object of `size` bytes (a power of two) that lies in one page, or -1. */
function physOfObject(k: Kernel, va: number, size: number, access: AccessKind): number {
  return va % size === 0 || (va & (PAGE_SIZE - 1)) <= PAGE_SIZE - size ? physOf(k, va, access) : -1;
}
/** Bytes up to the end of the page. */
const pageRest = (pa: number) => PAGE_SIZE - (pa & (PAGE_SIZE - 1));

/** A copy of `length` bytes at `va`, or null when any of them is not mapped. */
export function kernelBytes(k: Kernel, va: number, length: number): Uint8Array | null {
  if (!(length >= 0 && length <= k.ram.size)) return null;
  const out = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const pa = physOf(k, va + done, Access.READ);
    if (pa < 0) return null;
    const n = Math.min(length - done, pageRest(pa));
    out.set(k.ram.bytes(pa, n), done);
    done += n;
  }
  return out;
}
/** The byte string (latin1) at `va` up to its NUL, or its first `max` bytes; null when a byte of it is not mapped. */
export function kernelString(k: Kernel, va: number, max: number): string | null {
  let text = '';
  for (let at = va; text.length < max; ) {
    const pa = physOf(k, at, Access.READ);
    if (pa < 0) return null;
    const end = pa + Math.min(pageRest(pa), max - text.length);
    for (let i = pa; i < end; i++) {
      const c = k.ram.u8[i];
      if (c === 0) return text;
      text += String.fromCharCode(c);
    }
    at += end - pa;
  }
  return text;
}

/** Objects that cross a page go through a copy. */
function viewOf(k: Kernel, va: number, length: number): DataView | null {
  const bytes = kernelBytes(k, va, length);
  return bytes === null ? null : new DataView(bytes.buffer);
}
export function readKernel8(k: Kernel, va: number): number | null {
  const pa = physOf(k, va, Access.READ);
  return pa < 0 ? null : k.ram.read8(pa);
}
export function readKernel16(k: Kernel, va: number): number | null {
  const pa = physOfObject(k, va, 2, Access.READ);
  return pa >= 0 ? k.ram.read16(pa) : (viewOf(k, va, 2)?.getUint16(0, true) ?? null);
}
/** Unsigned. */
export function readKernel32(k: Kernel, va: number): number | null {
  const pa = physOfObject(k, va, 4, Access.READ);
  return pa >= 0 ? k.ram.read32(pa) : (viewOf(k, va, 4)?.getUint32(0, true) ?? null);
}
/** A signed number: exact for addresses and below 2^53. */
export function readKernel64(k: Kernel, va: number): number | null {
  const pa = physOfObject(k, va, 8, Access.READ);
  if (pa >= 0) return k.ram.read64(pa);
  const big = readKernelBig(k, va);
  return big === null ? null : Number(big);
}
/** Signed, exact. */
export function readKernelBig(k: Kernel, va: number): bigint | null {
  const pa = physOfObject(k, va, 8, Access.READ);
  return pa >= 0 ? k.ram.readBig(pa) : (viewOf(k, va, 8)?.getBigInt64(0, true) ?? null);
}

/** Writes where the kernel may write (module text may be read-only). False, with nothing written, when a byte cannot be. */
export function writeKernelBytes(k: Kernel, va: number, bytes: Uint8Array): boolean {
  const runs: number[] = [];
  for (let done = 0; done < bytes.length; ) {
    const pa = physOf(k, va + done, Access.WRITE);
    if (pa < 0) return false;
    runs.push(pa);
    done += Math.min(bytes.length - done, pageRest(pa));
  }
  let done = 0;
  for (const pa of runs) {
    const n = Math.min(bytes.length - done, pageRest(pa));
    k.machine.invalidateCode(pa, n);
    k.ram.u8.set(bytes.subarray(done, done + n), pa);
    done += n;
  }
  return true;
}
/** Physical address to write an object of `size` bytes at, its code forgotten; -1: not in one page, or not to be written. */
function writableObject(k: Kernel, va: number, size: number): number {
  const pa = physOfObject(k, va, size, Access.WRITE);
  if (pa >= 0) k.machine.invalidateCode(pa, size);
  return pa;
}
/** memset: false, with nothing written, when a byte cannot be. */
export function fillKernel(k: Kernel, va: number, value: number, n: number): boolean {
  if (n > 0 && pageRest(va) >= n) {
    const pa = physOf(k, va, Access.WRITE);
    if (pa < 0) return false;
    k.machine.invalidateCode(pa, n);
    k.ram.u8.fill(value, pa, pa + n);
    return true;
  }
  return writeKernelBytes(k, va, new Uint8Array(n).fill(value));
}
export function writeKernel8(k: Kernel, va: number, value: number): boolean {
  return writeKernelBytes(k, va, Uint8Array.of(value));
}
export function writeKernel16(k: Kernel, va: number, value: number): boolean {
  return writeKernelBytes(k, va, Uint8Array.of(value, value >> 8));
}
export function writeKernel32(k: Kernel, va: number, value: number): boolean {
  const pa = writableObject(k, va, 4);
  if (pa >= 0) {
    k.ram.write32(pa, value);
    return true;
  }
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, value, true);
  return writeKernelBytes(k, va, new Uint8Array(view.buffer));
}
export function writeKernel64(k: Kernel, va: number, value: number): boolean {
  if (!Number.isSafeInteger(value)) return writeKernelBig(k, va, BigInt(value));
  const pa = writableObject(k, va, 8);
  if (pa < 0) return writeKernelBig(k, va, BigInt(value));
  k.ram.write64(pa, value);
  return true;
}
export function writeKernelBig(k: Kernel, va: number, value: bigint): boolean {
  const pa = writableObject(k, va, 8);
  if (pa >= 0) {
    k.ram.writeBig(pa, BigInt.asIntN(64, value));
    return true;
  }
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, value, true);
  return writeKernelBytes(k, va, new Uint8Array(view.buffer));
}
