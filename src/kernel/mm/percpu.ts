import type { Kernel } from '../kernel.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageToVirt, virtToImage } from './address.ts';

// Memory that each CPU has for itself (mm/percpu.c): one unit per CPU side by side in the kernel image, where pc-relative code of modules reaches
// the first. A variable's address is its place in unit 0; __per_cpu_offset[cpu] leads to the others.

export const PERCPU_UNIT_SHIFT = 16;
const UNIT_SIZE = 1 << PERCPU_UNIT_SHIFT;
const NR_CPUS = 128;

interface Piece {
  readonly offset: number;
  readonly size: number;
}
export class PerCpu {
  private readonly k: Kernel;
  /** Physical address of unit 0. */
  private readonly base: number;
  private readonly pieces: Piece[] = [];

  constructor(k: Kernel) {
    this.k = k;
    this.base = k.mm.imageAlloc(UNIT_SIZE * k.cpus, 4096);
  }
  /** A zeroed variable of every CPU: its guest address, or 0. */
  alloc(size: number, align: number): number {
    if (size <= 0 || size > UNIT_SIZE) return 0;
    let offset = 0;
    let index = 0;
    const a = Math.max(1, align);
    for (; index < this.pieces.length; index++) {
      if (this.pieces[index].offset - offset >= size) break;
      offset = Math.ceil((this.pieces[index].offset + this.pieces[index].size) / a) * a;
    }
    if (offset + size > UNIT_SIZE) return 0;
    this.pieces.splice(index, 0, { offset, size });
    for (let cpu = 0; cpu < this.k.cpus; cpu++) this.k.ram.fill(this.pa(offset, cpu), size);
    return imageToVirt(this.base + offset);
  }
  /** The copies of a variable, by CPU. */
  copies(addr: number): number[] {
    return Array.from({ length: this.k.cpus }, (_, cpu) => addr + cpu * UNIT_SIZE);
  }
  /** False when no variable starts at `addr`. */
  free(addr: number): boolean {
    const i = this.pieces.findIndex((p) => p.offset === this.offsetOf(addr));
    if (i < 0) return false;
    this.pieces.splice(i, 1);
    return true;
  }
  private offsetOf(addr: number): number {
    return virtToImage(addr) - this.base;
  }
  private pa(offset: number, cpu: number): number {
    return this.base + cpu * UNIT_SIZE + offset;
  }
  /** Physical address of a CPU's instance of the variable at `addr`. */
  instance(addr: number, cpu: number): number {
    return this.pa(this.offsetOf(addr), cpu);
  }
  static offset(cpu: number): number {
    return cpu * UNIT_SIZE;
  }
}

/** Per-CPU data of a module, filled from its section (percpu_modcopy). Guest address, or 0. */
export function percpuModuleAlloc(k: Kernel, size: number, align: number, contents: Uint8Array): number {
  const addr = k.percpu.alloc(size, align);
  if (addr !== 0) for (let cpu = 0; cpu < k.cpus; cpu++) k.ram.u8.set(contents, k.percpu.instance(addr, cpu));
  return addr;
}
export function percpuModuleFree(k: Kernel, addr: number): void {
  k.percpu.free(addr);
}

export const percpuExports: readonly FunctionExport[] = [
  fn('pcpu_alloc_noprof', (k, size, align) => k.percpu.alloc(size, align)),
  fn('free_percpu', (k, addr) => {
    if (addr !== 0) k.percpu.free(addr);
  }),
];
export const percpuDataExports: readonly DataExport[] = [
  {
    name: '__per_cpu_offset',
    place(k) {
      const pa = k.mm.imageAlloc(NR_CPUS * 8, 8);
      for (let cpu = 0; cpu < k.cpus; cpu++) k.ram.write64(pa + cpu * 8, PerCpu.offset(cpu));
      return imageToVirt(pa);
    },
  },
  // One node: 0 for every CPU.
  { name: 'numa_node', place: (k) => k.percpu.alloc(4, 4) },
  // Every inline spin_unlock touches it (asm-generic/mmiowb.h).
  { name: '__mmiowb_state', place: (k) => k.percpu.alloc(4, 4) },
];
