import type { Kernel } from '../kernel.ts';
import { readKernelBig } from '../mm/maccess.ts';

// Variable arguments of RISC-V C functions (RISC-V ELF psABI, "Integer Calling Convention"): named arguments count first, then the rest goes
// on in registers and from there on the stack, one 8-byte slot each; a va_list is a pointer to the next slot.

/** Slots read one after the other. */
export interface VaList {
  /** The next 8-byte slot, unsigned. 0 when its memory cannot be read (then `fault` says where). */
  next(): bigint;
  /** Address of the first slot that could not be read, or null. */
  readonly fault: number | null;
}

const A0 = 10;
const SP = 2;
const ARGUMENT_REGISTERS = 8;

class MemoryArguments implements VaList {
  fault: number | null = null;
  private readonly k: Kernel;
  private at: number;
  constructor(k: Kernel, at: number) {
    this.k = k;
    this.at = at;
  }
  next(): bigint {
    const slot = readKernelBig(this.k, this.at);
    if (slot === null) this.fault ??= this.at;
    this.at += 8;
    return slot === null ? 0n : BigInt.asUintN(64, slot);
  }
}

class RegisterArguments implements VaList {
  private readonly k: Kernel;
  private index: number;
  private readonly stack: MemoryArguments;
  constructor(k: Kernel, first: number) {
    this.k = k;
    this.index = first;
    this.stack = new MemoryArguments(k, k.machine.regs.get(SP));
  }
  get fault(): number | null {
    return this.stack.fault;
  }
  next(): bigint {
    return this.index < ARGUMENT_REGISTERS ? BigInt.asUintN(64, this.k.machine.regs.getBig(A0 + this.index++)) : this.stack.next();
  }
}

/** The variable arguments of the call that the loaded hart makes: from argument register a`first` (the number of named arguments), then from sp. */
export function callArguments(k: Kernel, first: number): VaList {
  return new RegisterArguments(k, first);
}
/** The arguments of a va_list: `ap` is its value, the address of the next slot. */
export function vaListArguments(k: Kernel, ap: number): VaList {
  return new MemoryArguments(k, ap);
}
/** Slots given one by one. */
export function slotArguments(slots: readonly bigint[]): VaList {
  let i = 0;
  return { next: () => (i < slots.length ? BigInt.asUintN(64, slots[i++]) : 0n), fault: null };
}
