import type { Kernel } from '../kernel.ts';
import { imageToVirt, virtToImage } from '../mm/address.ts';
import type { FunctionExport } from './export.ts';

// Addresses in the kernel image: an exported function has a stub of 16 bytes that holds an ecall; some have machine code that ends with it. What lies where is laid out by exports.ts, which knows
// every subsystem; this file knows none of them, so that each can import it.

export const STUB_SIZE = 16;
export const ECALL = 0x00000073;

/** Space for an object in the kernel image, zeroed: its guest address. */
export function imageObject(k: Kernel, size: number, align: number): number {
  const pa = k.mm.imageAlloc(size, align);
  k.ram.fill(pa, size);
  return imageToVirt(pa);
}
export function isReturnStub(k: Kernel, pc: number): boolean {
  return pc === k.modules.returnStub;
}
/** The exported function that begins at `pc`. */
export function exportAtStub(k: Kernel, pc: number): FunctionExport | null {
  const index = (pc - k.modules.firstStub) / STUB_SIZE;
  return Number.isInteger(index) && index >= 0 && index < k.modules.stubs.length
    ? k.modules.stubs[index]
    : (k.modules.texts.get(pc) ?? null);
}
/** The one that an ecall at `pc` calls. */
export function exportAtEcall(k: Kernel, pc: number): FunctionExport | null {
  return exportAtStub(k, pc) ?? k.modules.textEcalls.get(pc) ?? null;
}
/** Whether a function's machine code is called, or the function in TypeScript at once, as a probe at its entry wants it. Stubs have no other way. */
export function trapAtEntry(k: Kernel, addr: number, on: boolean): void {
  const word = k.modules.entryWords.get(addr);
  if (word === undefined) return;
  const pa = virtToImage(addr);
  k.ram.write32(pa, on ? ECALL : word);
  k.machine.invalidateCode(pa, 4);
}
/** Whether `pc` lies in a stub or in the machine code of an exported function, which has no frame: its caller is in ra. */
export function inExportText(k: Kernel, pc: number): boolean {
  return pc >= k.modules.textStart && pc < k.modules.firstStub + k.modules.stubs.length * STUB_SIZE;
}
/** Address of an exported function's stub or of an object. */
export function symbolAddress(k: Kernel, name: string): number {
  const symbol = k.modules.symbols.get(name);
  if (symbol === undefined) throw new Error(`no exported symbol ${name}`);
  return symbol.addr;
}
