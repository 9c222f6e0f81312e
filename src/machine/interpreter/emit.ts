import type { FastName } from '../fpu/fast.ts';
import { RESULT_BOUND, resultShape } from '../fpu/result.ts';
import type { Emit, Format } from '../isa/emit.ts';
import { STATE_CAUSE, STATE_CODE_WRITTEN, STATE_F, STATE_FAULT, STATE_FCSR, STATE_INSTRET, STATE_SSTATUS, STATE_TVAL, STATE_X } from '../layout.ts';
import { Trap } from '../trap.ts';
import type { FuncBody } from '../wasm/encoder.ts';
import { F32, F64, I32, I64, Op } from '../wasm/opcodes.ts';
import type { Shared } from './functions.ts';

// The semantics of instructions in the interpreter: operands come from the instruction word.

export class InterpreterEmit implements Emit {
  readonly f: FuncBody;
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly a0: number;
  readonly a1: number;
  readonly d0: number;
  readonly s0: number;
  readonly fused: boolean;
  readonly insn: number;
  readonly pcLocal: number;
  readonly ilen: number;
  readonly npc: number;
  readonly indirect: number;
  readonly count: number;
  private readonly shared: Shared;
  private readonly va: number;
  private readonly v: number;
  format: Format = 'R';
  /** Labels, set while the loop is being built. */
  jumpLabel = 0;
  faultLabel = 0;

  constructor(f: FuncBody, shared: Shared) {
    this.f = f;
    this.fused = shared.fused;
    this.shared = shared;
    this.pcLocal = f.newLocal(I64);
    this.npc = f.newLocal(I64);
    this.count = f.newLocal(I64);
    this.t0 = f.newLocal(I64);
    this.t1 = f.newLocal(I64);
    this.t2 = f.newLocal(I64);
    this.va = f.newLocal(I64);
    this.v = f.newLocal(I64);
    this.insn = f.newLocal(I32);
    this.ilen = f.newLocal(I32);
    this.indirect = f.newLocal(I32);
    this.a0 = f.newLocal(I32);
    this.a1 = f.newLocal(I32);
    this.d0 = f.newLocal(F64);
    this.s0 = f.newLocal(F32);
  }

  /** Address of register field `shift` times 8, on the stack. */
  private reg(shift: number): void {
    const f = this.f;
    f.get(this.insn);
    if (shift > 3) f.i32(shift - 3).op(Op.i32_shr_u);
    f.i32(0xf8).op(Op.i32_and);
  }
  rs1(): void {
    this.reg(15);
    this.f.mem(Op.i64_load, STATE_X, 3);
  }
  rs2(): void {
    this.reg(20);
    this.f.mem(Op.i64_load, STATE_X, 3);
  }
  rs1w(): void {
    this.reg(15);
    this.f.mem(Op.i32_load, STATE_X, 2);
  }
  rs2w(): void {
    this.reg(20);
    this.f.mem(Op.i32_load, STATE_X, 2);
  }
  rd(): void {
    const f = this.f;
    f.set(this.v);
    this.reg(7);
    f.get(this.v).mem(Op.i64_store, STATE_X, 3);
    f.i32(0).i64(0).mem(Op.i64_store, STATE_X, 3); // x0 stays zero
  }
  rdw(): void {
    this.f.op(Op.i64_extend_i32_s);
    this.rd();
  }
  immw(): void {
    const f = this.f;
    const field = (hi: number, lo: number, to: number) => {
      f.get(this.insn)
        .i32(lo)
        .op(Op.i32_shr_u)
        .i32((1 << (hi - lo + 1)) - 1)
        .op(Op.i32_and);
      if (to > 0) f.i32(to).op(Op.i32_shl);
    };
    switch (this.format) {
      case 'I':
        f.get(this.insn).i32(20).op(Op.i32_shr_s);
        break;
      case 'S':
        f.get(this.insn).i32(20).op(Op.i32_shr_s).i32(-32).op(Op.i32_and);
        field(11, 7, 0);
        f.op(Op.i32_or);
        break;
      case 'U':
        f.get(this.insn).i32(-4096).op(Op.i32_and);
        break;
      case 'B':
        f.get(this.insn).i32(31).op(Op.i32_shr_s).i32(12).op(Op.i32_shl);
        field(7, 7, 11);
        f.op(Op.i32_or);
        field(30, 25, 5);
        f.op(Op.i32_or);
        field(11, 8, 1);
        f.op(Op.i32_or);
        break;
      case 'J':
        f.get(this.insn).i32(31).op(Op.i32_shr_s).i32(20).op(Op.i32_shl);
        f.get(this.insn).i32(0xff000).op(Op.i32_and).op(Op.i32_or);
        field(20, 20, 11);
        f.op(Op.i32_or);
        field(30, 21, 1);
        f.op(Op.i32_or);
        break;
      default:
        f.i32(0);
    }
  }
  imm(): void {
    this.immw();
    this.f.op(Op.i64_extend_i32_s);
  }
  shamt(): void {
    this.f.get(this.insn).i32(20).op(Op.i32_shr_u).i32(63).op(Op.i32_and).op(Op.i64_extend_i32_u);
  }
  shamtw(): void {
    this.f.get(this.insn).i32(20).op(Op.i32_shr_u).i32(31).op(Op.i32_and);
  }
  frs1(): void {
    this.reg(15);
    this.f.mem(Op.i64_load, STATE_F, 3);
  }
  frs2(): void {
    this.reg(20);
    this.f.mem(Op.i64_load, STATE_F, 3);
  }
  frs3(): void {
    this.reg(27);
    this.f.mem(Op.i64_load, STATE_F, 3);
  }
  private unbox(shift: number): void {
    const f = this.f;
    this.reg(shift);
    f.mem(Op.i32_load, STATE_F, 2).i32(0x7fc00000);
    this.reg(shift);
    f.mem(Op.i32_load, STATE_F + 4, 2)
      .i32(-1)
      .op(Op.i32_eq)
      .op(Op.select);
  }
  frs1s(): void {
    this.unbox(15);
  }
  frs2s(): void {
    this.unbox(20);
  }
  frs3s(): void {
    this.unbox(27);
  }
  private double(shift: number): void {
    this.reg(shift);
    this.f.mem(Op.f64_load, STATE_F, 3);
  }
  frs1d(): void {
    this.double(15);
  }
  frs2d(): void {
    this.double(20);
  }
  frs3d(): void {
    this.double(27);
  }
  frs1f(): void {
    this.unbox(15);
    this.f.op(Op.f32_reinterpret_i32);
  }
  frs2f(): void {
    this.unbox(20);
    this.f.op(Op.f32_reinterpret_i32);
  }
  frs3f(): void {
    this.unbox(27);
    this.f.op(Op.f32_reinterpret_i32);
  }
  frdd(): void {
    this.f.op(Op.i64_reinterpret_f64);
    this.frd();
  }
  frdf(): void {
    this.f.op(Op.i32_reinterpret_f32);
    this.frds();
  }
  sameSources(): boolean {
    return false;
  }
  untrusted(fmt: 0 | 1): void {
    const f = this.f;
    resultShape(f, fmt, this.d0, this.s0);
    // The bound is 0, which nothing is below, unless the mode is to nearest and NX has accrued.
    f.i32(RESULT_BOUND[fmt]).i32(0);
    f.get(this.insn).i32(12).op(Op.i32_shr_u).i32(7).op(Op.i32_and).tee(this.a0).op(Op.i32_eqz);
    f.i32(0).mem(Op.i32_load, STATE_FCSR, 2).i32(0xe0).op(Op.i32_and).op(Op.i32_eqz).get(this.a0).i32(7).op(Op.i32_eq).op(Op.i32_and);
    f.op(Op.i32_or).i32(0).mem(Op.i32_load, STATE_FCSR, 2).op(Op.i32_and).i32(1).op(Op.i32_and);
    f.op(Op.select).op(Op.i32_ge_u);
  }
  frd(): void {
    const f = this.f;
    f.set(this.v);
    this.reg(7);
    f.get(this.v).mem(Op.i64_store, STATE_F, 3);
    f.i32(0).i32(0).mem(Op.i32_load, STATE_SSTATUS, 2).i32(0x6000).op(Op.i32_or).mem(Op.i32_store, STATE_SSTATUS, 2);
  }
  frds(): void {
    this.f.op(Op.i64_extend_i32_u).i64(-0x1_0000_0000).op(Op.i64_or);
    this.frd();
  }
  needFp(): void {
    const f = this.f;
    f.i32(0).mem(Op.i32_load, STATE_SSTATUS, 2).i32(0x6000).op(Op.i32_and).op(Op.i32_eqz).unlikelyIf();
    this.trap(Trap.ILLEGAL);
    f.end();
  }
  rm(): void {
    const f = this.f;
    f.get(this.insn).i32(12).op(Op.i32_shr_u).i32(7).op(Op.i32_and).tee(this.a0).i32(7).op(Op.i32_eq).if();
    f.i32(0).mem(Op.i32_load, STATE_FCSR, 2).i32(5).op(Op.i32_shr_u).i32(7).op(Op.i32_and).set(this.a0);
    f.end();
    f.get(this.a0).i32(4).op(Op.i32_gt_u).unlikelyIf();
    this.trap(Trap.ILLEGAL);
    f.end();
    f.get(this.a0);
  }
  pc(): void {
    this.f.get(this.pcLocal);
  }
  nextPc(): void {
    this.f.get(this.pcLocal).get(this.ilen).op(Op.i64_extend_i32_u).op(Op.i64_add);
  }
  jump(): void {
    const f = this.f;
    f.get(this.pcLocal);
    this.imm();
    f.op(Op.i64_add).set(this.npc).i32(0).set(this.indirect).br(this.jumpLabel);
  }
  jumpIndirect(): void {
    this.f.set(this.npc).i32(1).set(this.indirect).br(this.jumpLabel);
  }
  branchIf(): void {
    this.f.if();
    this.jump();
    this.f.end();
  }
  private address(): void {
    this.rs1();
    this.imm();
    this.f.op(Op.i64_add);
  }
  private checkFault(): void {
    this.f.i32(0).mem(Op.i32_load, STATE_FAULT, 2).unlikelyBrIf(this.faultLabel);
  }
  load(op: number, size: number): void {
    const f = this.f;
    this.address();
    f.call(this.shared.load[size]);
    this.checkFault();
    // The helper zero-extends; finish the extension that `op` means.
    if (op === Op.i64_load8_s) f.op(Op.i64_extend8_s);
    else if (op === Op.i64_load16_s) f.op(Op.i64_extend16_s);
    else if (op === Op.i64_load32_s) f.op(Op.i64_extend32_s);
    else if (op === Op.i32_load) f.op(Op.i32_wrap_i64);
    else if (op === Op.f64_load) f.op(Op.f64_reinterpret_i64);
  }
  store(op: number, size: number, value: () => void): void {
    this.address();
    value();
    if (op === Op.f64_store) this.f.op(Op.i64_reinterpret_f64);
    this.f.call(this.shared.store[size]);
    this.checkStored();
  }
  /** After a store: a fault, or code was written, which matters to regions only. */
  private checkStored(): void {
    const f = this.f;
    f.i32(0).mem(Op.i64_load, STATE_FAULT, 3).op(Op.i64_eqz).op(Op.i32_eqz).unlikelyIf();
    this.checkFault();
    this.forgetCodeWritten();
    f.end();
  }
  private forgetCodeWritten(): void {
    this.f.i32(0).i32(0).mem(Op.i32_store, STATE_CODE_WRITTEN, 2);
  }
  amoAddress(size: number, write: boolean): void {
    const f = this.f;
    this.rs1();
    f.tee(this.va).op(Op.i32_wrap_i64).get(this.va).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64);
    f.i32(size)
      .i32(write ? 1 : 0)
      .call(this.shared.amoAddress)
      .tee(this.a0)
      .i32(-1)
      .op(Op.i32_eq)
      .unlikelyBrIf(this.faultLabel);
    this.forgetCodeWritten();
  }
  trap(cause: number): void {
    const f = this.f;
    f.i32(0).i32(cause).mem(Op.i32_store, STATE_CAUSE, 2);
    f.i32(0);
    if (cause === Trap.ILLEGAL) f.get(this.insn).op(Op.i64_extend_i32_u);
    else if (cause === Trap.BREAKPOINT) f.get(this.pcLocal);
    else f.i64(0);
    f.mem(Op.i64_store, STATE_TVAL, 3).br(this.faultLabel);
  }
  csr(): void {
    const f = this.f;
    f.i32(0).get(this.count).mem(Op.i64_store, STATE_INSTRET, 3);
    f.get(this.insn).call(this.shared.imports.csr).op(Op.i32_eqz).if();
    this.trap(Trap.ILLEGAL);
    f.end();
    f.i32(0).i64(0).mem(Op.i64_store, STATE_X, 3);
  }
  system(what: number): void {
    const f = this.f;
    f.i32(what).get(this.insn).call(this.shared.imports.system).op(Op.i32_eqz).if();
    this.trap(Trap.ILLEGAL);
    f.end();
  }
  fast(name: FastName): void {
    this.f.call(this.shared.fast[name]);
  }
  slow(name: FastName): void {
    this.fast(name);
  }
  fpu(op: number): void {
    const f = this.f;
    f.set(this.a1).i32(op).get(this.a1).call(this.shared.imports.fpu);
    f.i32(0).i32(0).mem(Op.i32_load, STATE_SSTATUS, 2).i32(0x6000).op(Op.i32_or).mem(Op.i32_store, STATE_SSTATUS, 2);
  }
}
