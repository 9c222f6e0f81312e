import { RAM_BASE } from '../layout.ts';
import { Machine, type MachineOptions } from '../machine.ts';
import { PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from '../mmu.ts';

const PAGE = 4096;

/** A machine with a page table that a test fills by hand: no kernel. */
export class Bare {
  readonly machine: Machine;
  readonly root: number;
  /** Where the next frame is; siblings share it. */
  private readonly free: { next: number };

  constructor(options: Partial<MachineOptions> = {}, sibling?: Bare) {
    this.machine = sibling?.machine ?? Machine.create({ memoryBytes: 8 << 20, ...options });
    this.free = sibling?.free ?? { next: RAM_BASE };
    this.root = this.frame();
    if (sibling !== undefined) return;
    this.machine.setPageTable(this.root);
    this.machine.regs.sstatus = 0x6000;
  }
  /** Another address space of the same machine, empty. */
  sibling(): Bare {
    return new Bare({}, this);
  }
  frame(): number {
    const pa = this.free.next;
    this.free.next += PAGE;
    return pa;
  }
  /** Maps what `other` has at [va, va + length), as user memory that may do everything. */
  share(other: Bare, va: number, length: number): void {
    for (let at = va; at < va + length; at += PAGE) this.map(at, this.machine.translate(other.root, at, 0, 0, false));
  }
  /** The address of the leaf PTE of `va`; makes the tables above it. */
  pte(va: number): number {
    const { ram } = this.machine;
    let table = this.root;
    for (const span of [2 ** 30, 2 ** 21]) {
      const at = table + (Math.floor((va < 0 ? va + 2 ** 39 : va) / span) & 511) * 8;
      if (ram.read64(at) === 0) ram.write64(at, (this.frame() / PAGE) * 1024 + PTE_V);
      table = Math.floor(ram.read64(at) / 1024) * PAGE;
    }
    return table + (Math.floor((va < 0 ? va + 2 ** 39 : va) / PAGE) & 511) * 8;
  }
  map(va: number, pa: number, flags: number = PTE_R | PTE_W | PTE_X | PTE_U): void {
    this.machine.ram.write64(this.pte(va), (pa / PAGE) * 1024 + PTE_V + flags + (PTE_A | PTE_D));
  }
  /** Maps fresh frames (spread, so that neighbours in VA are not neighbours in PA) and copies `bytes` there. */
  load(va: number, bytes: Uint8Array, flags?: number): void {
    const count = Math.ceil(bytes.length / PAGE);
    const frames: number[] = [];
    for (let i = 0; i < count; i++) frames.unshift(this.frame());
    frames.forEach((pa, i) => {
      this.map(va + i * PAGE, pa, flags);
      this.machine.ram.u8.set(bytes.subarray(i * PAGE, (i + 1) * PAGE), pa);
    });
  }
  words(va: number, words: readonly number[], flags?: number): void {
    this.load(va, new Uint8Array(Uint32Array.from(words).buffer), flags);
  }
  /** Copies user memory out. */
  read(va: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.machine.ram.u8[this.machine.translate(this.root, va + i, 0, 0, false)];
    return out;
  }
}
