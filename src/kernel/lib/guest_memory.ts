import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { kernelBytes, kernelString, readKernel16, readKernel32, readKernel64, readKernel8, readKernelBig, writeKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBig, writeKernelBytes } from '../mm/maccess.ts';
import { faultInExport } from '../traps.ts';

// Loads and stores of exported functions: a wild address is the oops that Linux's code would have had there, after which the task is no more. The
// function goes on with zeros then, and nothing is stored.

export function load8(k: Kernel, at: number): number {
  return readKernel8(k, at) ?? fault(k, at);
}
export function load16(k: Kernel, at: number): number {
  return readKernel16(k, at) ?? fault(k, at);
}
/** Unsigned. */
export function load32(k: Kernel, at: number): number {
  return readKernel32(k, at) ?? fault(k, at);
}
export function load64(k: Kernel, at: number): number {
  return readKernel64(k, at) ?? fault(k, at);
}
/** Signed, exact. */
export function loadBig(k: Kernel, at: number): bigint {
  const n = readKernelBig(k, at);
  if (n === null) fault(k, at);
  return n ?? 0n;
}
export function loadString(k: Kernel, at: number, max: number): string {
  const s = kernelString(k, at, max);
  if (s === null) fault(k, at);
  return s ?? '';
}
export function loadBytes(k: Kernel, at: number, length: number): Uint8Array {
  const b = kernelBytes(k, at, length);
  if (b === null) fault(k, at);
  return b ?? new Uint8Array(0);
}
function fault(k: Kernel, at: number): number {
  faultInExport(k, at, Access.READ);
  return 0;
}
export function store16(k: Kernel, at: number, value: number): void {
  k.mm.check?.stored(at, 2);
  if (alive(k) && !writeKernel16(k, at, value)) faultInExport(k, at, Access.WRITE);
}
export function store32(k: Kernel, at: number, value: number): void {
  k.mm.check?.stored(at, 4);
  if (alive(k) && !writeKernel32(k, at, value)) faultInExport(k, at, Access.WRITE);
}
export function store64(k: Kernel, at: number, value: number): void {
  k.mm.check?.stored(at, 8);
  if (alive(k) && !writeKernel64(k, at, value)) faultInExport(k, at, Access.WRITE);
}
export function storeBig(k: Kernel, at: number, value: bigint): void {
  k.mm.check?.stored(at, 8);
  if (alive(k) && !writeKernelBig(k, at, BigInt.asIntN(64, value))) faultInExport(k, at, Access.WRITE);
}
export function store8(k: Kernel, at: number, value: number): void {
  k.mm.check?.stored(at, 1);
  if (alive(k) && !writeKernel8(k, at, value)) faultInExport(k, at, Access.WRITE);
}
export function storeBytes(k: Kernel, at: number, bytes: Uint8Array): void {
  k.mm.check?.stored(at, bytes.length);
  if (alive(k) && bytes.length > 0 && !writeKernelBytes(k, at, bytes)) faultInExport(k, at, Access.WRITE);
}
const alive = (k: Kernel) => k.current.exitState === 0 && !k.current.faulted;
