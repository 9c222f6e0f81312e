import type { Kernel } from '../kernel.ts';
import { Access } from '../../machine/api.ts';
import { faultInExport } from '../traps.ts';
import { fillKernel, kernelBytes, kernelString, writeKernelBytes } from '../mm/maccess.ts';
import { bytesOf } from './bytes.ts';

// How an exported function reads and writes what its caller pointed to.

/** Longest text that is read from guest memory. */
export const STRING_MAX = 2 ** 22;

/** Unsigned lengths come as signed numbers. */
export const size = (n: number) => (n < 0 ? n + 2 ** 64 : n);
/** Bytes that Linux's function would load: a wild address is an oops in it, after which the task is no more and nothing is stored. */
export function load(k: Kernel, at: number, n: number): Uint8Array {
  k.mm.check?.range(at, n, false);
  const bytes = kernelBytes(k, at, n);
  if (bytes === null) faultInExport(k, at, Access.READ);
  return bytes ?? new Uint8Array(0);
}
export function store(k: Kernel, at: number, bytes: Uint8Array): void {
  k.mm.check?.range(at, bytes.length, true);
  if (!k.current.faulted && bytes.length > 0 && !writeKernelBytes(k, at, bytes)) faultInExport(k, at, Access.WRITE);
}
/** The same with `n` times one byte. */
export function storeFill(k: Kernel, at: number, value: number, n: number): void {
  k.mm.check?.range(at, n, true);
  if (!k.current.faulted && n > 0 && !fillKernel(k, at, value, n)) faultInExport(k, at, Access.WRITE);
}
export function text(k: Kernel, at: number, max = STRING_MAX): string {
  const s = max > 0 ? kernelString(k, at, Math.min(max, STRING_MAX)) : '';
  if (s === null) faultInExport(k, at, Access.READ);
  else if (max > 0) k.mm.check?.range(at, Math.min(s.length + 1, max), false);
  return s ?? '';
}
export function writeText(k: Kernel, at: number, value: string): void {
  store(k, at, bytesOf(`${value}\0`));
}
