import type { FastName } from '../fpu/fast.ts';
import type { FuncBody } from '../wasm/encoder.ts';

/** What an instruction's semantics are written against: one implementation fetches operands from the instruction word (the
 * interpreter), another has them as constants and registers in locals (the translator). Values on the WebAssembly stack. */
export interface Emit {
  readonly f: FuncBody;
  /** Scratch locals that semantics may use freely within one instruction. */
  readonly t0: number; // i64
  readonly t1: number; // i64
  readonly t2: number; // i64
  readonly a0: number; // i32
  readonly a1: number; // i32
  readonly d0: number; // f64
  readonly s0: number; // f32
  /** The engine has a fused multiply-add for doubles. */
  readonly fused: boolean;

  /** Push x[rs1], x[rs2] (i64). */
  rs1(): void;
  rs2(): void;
  /** Push the low 32 bits (i32). */
  rs1w(): void;
  rs2w(): void;
  /** Pop an i64 (or an i32, sign-extended) into x[rd]. */
  rd(): void;
  rdw(): void;
  /** Push the immediate of the row's format (i64; i32 for the w form). */
  imm(): void;
  immw(): void;
  /** Push the shift amount: bits 25:20 (i64), bits 24:20 (i32). */
  shamt(): void;
  shamtw(): void;

  /** Push f[rs1..3] as 64 raw bits; as the 32 bits of a single (canonical NaN when not boxed). */
  frs1(): void;
  frs2(): void;
  frs3(): void;
  frs1s(): void;
  frs2s(): void;
  frs3s(): void;
  /** The same as hardware numbers: f64; f32. */
  frs1d(): void;
  frs2d(): void;
  frs3d(): void;
  frs1f(): void;
  frs2f(): void;
  frs3f(): void;
  /** Pop 64 bits into f[rd]; pop 32 bits (i32), boxed; pop an f64, an f32. */
  frd(): void;
  frds(): void;
  frdd(): void;
  frdf(): void;
  /** True when it is known that rs1 and rs2 are the same register. */
  sameSources(): boolean;
  /**
   * Push whether hardware's result in d0 (format 1) or s0 (format 0) may differ from the right one, or raise a flag that has not accrued: unless
   * rounding is to nearest, NX has accrued, and the result is a normal number above the smallest binade (where tininess counts).
   */
  untrusted(fmt: 0 | 1): void;
  /** Raises ILLEGAL unless sstatus.FS is on. Rows of F and D start with it. */
  needFp(): void;
  /** Push the rounding mode (i32) of the rm field or frm; raises ILLEGAL on a reserved one. */
  rm(): void;

  /** Push the pc of this instruction, or of the next one (i64). */
  pc(): void;
  nextPc(): void;
  /** Goes to pc + imm. */
  jump(): void;
  /** Pops the target (i64). */
  jumpIndirect(): void;
  /** Pops a condition (i32): to pc + imm when it is not 0. */
  branchIf(): void;

  /** Push rs1 + imm, load with `op` of `size` bytes: leaves the op's result. Faults end the instruction. */
  load(op: number, size: number): void;
  /** Store: `value` pushes what `op` stores, at rs1 + imm. */
  store(op: number, size: number, value: () => void): void;
  /** AMO: translates x[rs1] for writing (or reading), leaves the physical address in a0. Misaligned ones trap. */
  amoAddress(size: number, write: boolean): void;

  /** Raises an exception; tval 0, or the instruction word for ILLEGAL. */
  trap(cause: number): void;
  /** Calls the machine's CSR helper with the instruction word; traps ILLEGAL when it returns 0. Ends the slice-invariant part: registers are in memory. */
  csr(): void;
  /** Calls the machine's system helper (fence.i, sfence.vma, wfi, sret...). */
  system(what: number): void;
  /** Calls one of the helpers of fpu/fast.ts: operands and result on the stack. */
  fast(name: FastName): void;
  /** The same for one that may raise flags. */
  slow(name: FastName): void;
  /** Softfloat: operands in FPU_A.. scratch; op number; uses rm on the stack (i32). Result in FPU_R. */
  fpu(op: number): void;
}

export type Format = 'R' | 'I' | 'S' | 'B' | 'U' | 'J';

/** One instruction: `(word & mask) === match` recognises it; `emit` is its meaning. */
export interface Row {
  readonly name: string;
  readonly mask: number;
  readonly match: number;
  readonly format: Format;
  readonly emit: (e: Emit) => void;
  /** True for rows that can transfer control. */
  readonly ends?: boolean;
}
