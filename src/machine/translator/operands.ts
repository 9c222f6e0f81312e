import type { FastName } from '../fpu/fast.ts';
import { RESULT_BOUND, resultShape } from '../fpu/result.ts';
import { RegionExit } from '../region_exit.ts';
import type { Emit } from '../isa/emit.ts';
import { STATE_F, STATE_FCSR, STATE_SSTATUS, STATE_X } from '../layout.ts';
import { FuncBody, putWide } from '../wasm/encoder.ts';
import { F32, F64, I32, I64, Op } from '../wasm/opcodes.ts';
import type { Block, Insn } from './block.ts';
import { immB, immJ, type Region } from './cfg.ts';
import { Hole, type Template, type Templates, WIDTH } from './templates.ts';

// Operands and results of instructions: registers in locals, constants, fcsr; and how an instruction leaves the region when it cannot go on.

/** Function indices of what regions import. */
export interface RegionImports {
  readonly load: Readonly<Record<number, number>>;
  readonly store: Readonly<Record<number, number>>;
  readonly amoAddress: number;
  readonly fpu: number;
  readonly checkPage: number;
  readonly groupPa: number;
  /** Of a machine with a watcher (interpreter/watch.ts, cleanBytesFunction); null in others. */
  readonly cleanBytes: number | null;
  readonly fast: Readonly<Record<FastName, number>>;
  readonly fused: boolean;
  /** With these indices. */
  readonly templates: Templates;
}
/** Parameters of a region function (region_exit.ts: REGION_PARAMS). */
export const BASE = 0;
export const BUDGET = 1;
export const SSTATUS_FS = 0x6000;

/** Locals of a region with templates: their indices have one byte, with those that an instruction may add. */
const MAX_LOCALS = 0x80 - 4;

/** Packs where a region stopped: offset, index in its block (9 bits), whether the instruction has 4 bytes. */
const siteOf = (off: number, index: number, length: number) => off * 1024 + index * 2 + (length === 4 ? 1 : 0);

export abstract class Operands implements Emit {
  readonly f = new FuncBody(2);
  readonly t0 = this.f.newLocal(I64);
  readonly t1 = this.f.newLocal(I64);
  readonly t2 = this.f.newLocal(I64);
  readonly va = this.f.newLocal(I64);
  readonly npc = this.f.newLocal(I64);
  readonly a0 = this.f.newLocal(I32);
  readonly a1 = this.f.newLocal(I32);
  readonly ix = this.f.newLocal(I32);
  readonly d0 = this.f.newLocal(F64);
  readonly s0 = this.f.newLocal(F32);
  readonly fused: boolean;
  /** RESULT_BOUND while hardware's results can be trusted with the dynamic rounding mode, else 0; locals made when they are needed. */
  private readonly bound: [number, number] = [0, 0];
  /** Registers of the block that are known to hold a boxed single. */
  protected readonly boxed = new Set<number>();
  /** Where the region stopped at a fault (siteOf). */
  readonly site = this.f.newLocal(I64);
  readonly status = this.f.newLocal(I32);

  /** Local of each register, 0 = not used. */
  readonly x: number[] = new Array(32).fill(0);
  readonly fx: number[] = new Array(32).fill(0);
  readonly written: boolean[] = new Array(64).fill(false);
  usesFp = false;
  readonly dirtyFs = new Set<Block>();

  protected readonly region: Region;
  protected readonly imports: RegionImports;
  /** What is being emitted. */
  protected block: Block;
  protected insn: Insn;
  protected index = 0;
  /** Holes of the template that is being made, where its code begins, and how many blocks were open there; null when none is. */
  private holes: number[] | null = null;
  private templateStart = 0;
  private templateDepth = 0;
  /** Ways out: registers already stored, or all that the region writes still to store; a fault. */
  protected exitLabel = 0;
  protected fullExitLabel = 0;
  protected faultLabel = 0;

  constructor(region: Region, imports: RegionImports) {
    this.region = region;
    this.imports = imports;
    this.fused = imports.fused;
    this.block = region.entry;
    this.insn = (region.entry.insns[0] ?? region.cases[0].insns[0]) as Insn;
    // What writes flags refreshes every bound that the region has, so all must be known before.
    if (region.hasFpCsr) for (const fmt of [0, 1] as const) this.boundLocal(fmt);
  }
  abstract jump(): void;
  abstract jumpIndirect(): void;
  abstract branchIf(): void;
  abstract load(op: number, size: number): void;
  abstract store(op: number, size: number, value: () => void): void;
  abstract amoAddress(size: number, write: boolean): void;

  protected spend(n: number): void {
    if (n > 0) this.f.get(BUDGET).i32(n).op(Op.i32_sub).set(BUDGET);
  }
  protected leave(to: number, status: number, label: number): void {
    this.f.get(BASE);
    if (to !== 0) this.f.i64(to).op(Op.i64_add);
    this.f.set(this.npc).i32(status).set(this.status).br(label);
  }
  /** Leaves this instruction to the interpreter. */
  protected interpretHere(): void {
    this.spend(this.index);
    this.leave(this.insn.off, RegionExit.INTERPRET, this.fullExitLabel);
  }
  protected fault(): void {
    this.f.constant(Op.i64_const, siteOf(this.insn.off, this.index, this.insn.length), WIDTH.SITE);
    this.hole(Hole.SITE, WIDTH.SITE);
    this.f.set(this.site).br(this.faultLabel);
    this.hole(Hole.FAULT, 1);
  }

  /** The last `width` bytes of code differ between instructions of a kind. */
  protected hole(kind: Hole, width: number): void {
    if (this.holes !== null) this.holes.push(kind, this.f.length - width - this.templateStart, this.f.depth - this.templateDepth);
  }
  /** The instruction's code, from its row's template when there is one; the first of its kind makes it. `variant`: templateVariant, or -1. */
  protected emitInsn(variant: number): void {
    const { f } = this;
    const { row } = this.insn;
    if (variant < 0 || f.localCount > MAX_LOCALS) {
      row.emit(this);
      return;
    }
    const { templates } = this.imports;
    let list = templates.get(row);
    if (list === undefined) templates.set(row, (list = []));
    const known = list[variant];
    if (known !== undefined) {
      this.copy(known);
      return;
    }
    const holes: number[] = [];
    const hints = f.hints.length;
    this.templateStart = f.length;
    this.templateDepth = f.depth;
    this.holes = holes;
    row.emit(this);
    this.holes = null;
    const start = this.templateStart;
    list[variant] = { bytes: f.bytes.slice(start, f.length), holes, hints: f.hints.slice(hints).map((h) => h.at - start) };
  }
  /** GROUP and GROUP_OFFSET. */
  protected abstract fillGroup(bytes: Uint8Array, at: number, hole: number): void;
  private copy(t: Template): void {
    const { f } = this;
    const w = this.insn.word;
    const start = f.copyOf(t.bytes, t.hints);
    const { bytes } = f;
    const { holes } = t;
    for (let i = 0; i < holes.length; i += 3) {
      const at = start + holes[i + 1];
      switch (holes[i]) {
        case Hole.RS1:
          bytes[at] = this.xLocal((w >>> 15) & 31);
          break;
        case Hole.RS2:
          bytes[at] = this.xLocal((w >>> 20) & 31);
          break;
        case Hole.RD:
          bytes[at] = this.xLocal((w >>> 7) & 31);
          this.written[(w >>> 7) & 31] = true;
          break;
        case Hole.IMM: {
          const imm = this.immediate();
          bytes[at] = (imm & 0x7f) | 0x80;
          bytes[at + 1] = (imm >> 7) & 0x7f;
          break;
        }
        case Hole.UPPER:
          putWide(bytes, at, w & -4096, WIDTH.WORD);
          break;
        case Hole.SHAMT:
          bytes[at] = (w >>> 20) & 63;
          break;
        case Hole.SHAMTW:
          bytes[at] = (w >>> 20) & 31;
          break;
        case Hole.PC:
          putWide(bytes, at, this.insn.off, WIDTH.OFFSET);
          break;
        case Hole.NEXT_PC:
          putWide(bytes, at, this.insn.off + this.insn.length, WIDTH.OFFSET);
          break;
        case Hole.SITE:
          putWide(bytes, at, siteOf(this.insn.off, this.index, this.insn.length), WIDTH.SITE);
          break;
        case Hole.FAULT:
          bytes[at] = f.depth + holes[i + 2] - this.faultLabel;
          break;
        default:
          this.fillGroup(bytes, at, holes[i]);
      }
    }
  }

  protected storeRegister(r: number): void {
    const f = this.f.i32(0);
    if (r < 32) f.get(this.x[r]).mem(Op.i64_store, STATE_X + r * 8, 3);
    else f.get(this.fx[r - 32]).mem(Op.f64_store, STATE_F + (r - 32) * 8, 3);
  }
  protected get rs1n(): number {
    return (this.insn.word >>> 15) & 31;
  }
  private get rs2n(): number {
    return (this.insn.word >>> 20) & 31;
  }
  protected get rdn(): number {
    return (this.insn.word >>> 7) & 31;
  }
  protected xLocal(r: number): number {
    if (this.x[r] === 0) this.x[r] = this.f.newLocal(I64);
    return this.x[r];
  }
  protected fLocal(r: number): number {
    this.usesFp = true;
    if (this.fx[r] === 0) this.fx[r] = this.f.newLocal(F64);
    return this.fx[r];
  }
  private pushX(r: number, hole: Hole): void {
    if (r === 0) this.f.i64(0);
    else {
      this.f.get(this.xLocal(r));
      this.hole(hole, 1);
    }
  }
  private pushXw(r: number, hole: Hole): void {
    if (r === 0) this.f.i32(0);
    else {
      this.pushX(r, hole);
      this.f.op(Op.i32_wrap_i64);
    }
  }
  rs1(): void {
    this.pushX(this.rs1n, Hole.RS1);
  }
  rs2(): void {
    this.pushX(this.rs2n, Hole.RS2);
  }
  rs1w(): void {
    this.pushXw(this.rs1n, Hole.RS1);
  }
  rs2w(): void {
    this.pushXw(this.rs2n, Hole.RS2);
  }
  rd(): void {
    const r = this.rdn;
    if (r === 0) this.f.op(Op.drop);
    else {
      this.f.set(this.xLocal(r));
      this.hole(Hole.RD, 1);
      this.written[r] = true;
    }
  }
  rdw(): void {
    if (this.rdn === 0) this.f.op(Op.drop);
    else {
      this.f.op(Op.i64_extend_i32_s);
      this.rd();
    }
  }
  protected immediate(): number {
    const w = this.insn.word;
    switch (this.insn.row.format) {
      case 'I':
        return w >> 20;
      case 'S':
        return ((w >> 20) & ~31) | ((w >>> 7) & 31);
      case 'U':
        return w & -4096;
      case 'B':
        return immB(w);
      case 'J':
        return immJ(w);
      default:
        return 0;
    }
  }
  private pushImm(code: number): void {
    const upper = this.insn.row.format === 'U';
    const width = upper ? WIDTH.WORD : WIDTH.IMM;
    this.f.constant(code, this.immediate(), width);
    this.hole(upper ? Hole.UPPER : Hole.IMM, width);
  }
  imm(): void {
    this.pushImm(Op.i64_const);
  }
  immw(): void {
    this.pushImm(Op.i32_const);
  }
  shamt(): void {
    this.f.i64((this.insn.word >>> 20) & 63);
    this.hole(Hole.SHAMT, 1);
  }
  shamtw(): void {
    this.f.i32((this.insn.word >>> 20) & 31);
    this.hole(Hole.SHAMTW, 1);
  }

  private pushF(r: number): void {
    this.f.get(this.fLocal(r)).op(Op.i64_reinterpret_f64);
  }
  private pushD(r: number): void {
    this.f.get(this.fLocal(r));
  }
  /** The low word when the upper one is all ones, else the canonical NaN. */
  private pushSingle(r: number): void {
    const f = this.f;
    this.pushF(r);
    f.op(Op.i32_wrap_i64);
    if (this.boxed.has(r)) return;
    f.i32(0x7fc00000);
    this.pushF(r);
    f.i64(32).op(Op.i64_shr_s).i64(-1).op(Op.i64_eq).op(Op.select);
  }
  private get rs3n(): number {
    return this.insn.word >>> 27;
  }
  frs1(): void {
    this.pushF(this.rs1n);
  }
  frs2(): void {
    this.pushF(this.rs2n);
  }
  frs3(): void {
    this.pushF(this.rs3n);
  }
  frs1s(): void {
    this.pushSingle(this.rs1n);
  }
  frs2s(): void {
    this.pushSingle(this.rs2n);
  }
  frs3s(): void {
    this.pushSingle(this.rs3n);
  }
  frs1d(): void {
    this.pushD(this.rs1n);
  }
  frs2d(): void {
    this.pushD(this.rs2n);
  }
  frs3d(): void {
    this.pushD(this.rs3n);
  }
  frs1f(): void {
    this.pushSingle(this.rs1n);
    this.f.op(Op.f32_reinterpret_i32);
  }
  frs2f(): void {
    this.pushSingle(this.rs2n);
    this.f.op(Op.f32_reinterpret_i32);
  }
  frs3f(): void {
    this.pushSingle(this.rs3n);
    this.f.op(Op.f32_reinterpret_i32);
  }
  sameSources(): boolean {
    return this.rs1n === this.rs2n;
  }
  private boundLocal(fmt: 0 | 1): number {
    if (this.bound[fmt] === 0) this.bound[fmt] = this.f.newLocal(I32);
    return this.bound[fmt];
  }
  /** Sets the bounds in use from fcsr. */
  protected readBounds(f: FuncBody): void {
    for (const fmt of [0, 1] as const) {
      if (this.bound[fmt] === 0) continue;
      f.i32(RESULT_BOUND[fmt]).i32(0);
      f.i32(0).mem(Op.i32_load, STATE_FCSR, 2).i32(0xe1).op(Op.i32_and).i32(1).op(Op.i32_eq).op(Op.select).set(this.bound[fmt]);
    }
  }
  untrusted(fmt: 0 | 1): void {
    const f = this.f;
    const rm = (this.insn.word >>> 12) & 7;
    resultShape(f, fmt, this.d0, this.s0);
    if (rm === 7) f.get(this.boundLocal(fmt));
    else if (rm === 0) f.i32(RESULT_BOUND[fmt]).i32(0).i32(0).mem(Op.i32_load, STATE_FCSR, 2).i32(1).op(Op.i32_and).op(Op.select);
    else f.i32(0);
    f.op(Op.i32_ge_u);
  }
  private setFsDirty(): void {
    this.f.i32(0).i32(0).mem(Op.i32_load, STATE_SSTATUS, 2).i32(SSTATUS_FS).op(Op.i32_or).mem(Op.i32_store, STATE_SSTATUS, 2);
  }
  frd(): void {
    this.f.op(Op.f64_reinterpret_i64);
    this.frdd();
  }
  frdd(): void {
    this.f.set(this.fLocal(this.rdn));
    this.boxed.delete(this.rdn);
    this.written[32 + this.rdn] = true;
    if (this.dirtyFs.has(this.block)) return;
    this.setFsDirty();
    this.dirtyFs.add(this.block);
  }
  frds(): void {
    this.f.op(Op.i64_extend_i32_u).i64(-0x1_0000_0000).op(Op.i64_or);
    this.frd();
    this.boxed.add(this.rdn);
  }
  frdf(): void {
    this.f.op(Op.i32_reinterpret_f32);
    this.frds();
  }
  needFp(): void {
    this.usesFp = true; // tested once, at the region's entry
  }
  rm(): void {
    const f = this.f;
    const rm = (this.insn.word >>> 12) & 7;
    if (rm < 5) f.i32(rm);
    else if (rm < 7) {
      this.interpretHere();
      f.i32(0);
    } else {
      f.i32(0).mem(Op.i32_load, STATE_FCSR, 2).i32(5).op(Op.i32_shr_u).i32(7).op(Op.i32_and).tee(this.a0);
      f.i32(4).op(Op.i32_gt_u).unlikelyIf();
      this.interpretHere();
      f.end();
      f.get(this.a0);
    }
  }

  private pushPc(off: number, hole: Hole): void {
    this.f.get(BASE).constant(Op.i64_const, off, WIDTH.OFFSET);
    this.hole(hole, WIDTH.OFFSET);
    this.f.op(Op.i64_add);
  }
  pc(): void {
    this.pushPc(this.insn.off, Hole.PC);
  }
  nextPc(): void {
    this.pushPc(this.insn.off + this.insn.length, Hole.NEXT_PC);
  }
  trap(_cause: number): void {
    this.interpretHere();
  }
  /** fflags, frm and fcsr; the others are the interpreter's (cfg.ts). */
  csr(): void {
    const f = this.f;
    const w = this.insn.word;
    const number = w >>> 20;
    const [shift, mask] = number === 1 ? [0, 31] : number === 2 ? [5, 7] : [0, 255];
    const how = (w >>> 12) & 3;
    this.needFp();
    const old = () => {
      f.i32(0).mem(Op.i32_load, STATE_FCSR, 2);
      if (shift > 0) f.i32(shift).op(Op.i32_shr_u);
      f.i32(mask).op(Op.i32_and);
    };
    old();
    f.set(this.a0);
    if (how === 1 || this.rs1n !== 0) {
      f.i32(0);
      f.i32(0)
        .mem(Op.i32_load, STATE_FCSR, 2)
        .i32(~(mask << shift) & 255)
        .op(Op.i32_and);
      if (how !== 1) f.get(this.a0);
      if ((w & 0x4000) !== 0) f.i32(this.rs1n);
      else this.rs1w();
      if (how === 3) f.i32(-1).op(Op.i32_xor);
      if (how !== 1) f.op(how === 2 ? Op.i32_or : Op.i32_and);
      f.i32(mask).op(Op.i32_and);
      if (shift > 0) f.i32(shift).op(Op.i32_shl);
      f.op(Op.i32_or).mem(Op.i32_store, STATE_FCSR, 2);
      this.flagsAccrued();
    }
    f.get(this.a0).op(Op.i64_extend_i32_u);
    this.rd();
  }
  system(_what: number): void {
    this.interpretHere();
  }
  fast(name: FastName): void {
    this.f.call(this.imports.fast[name]);
  }
  fpu(op: number): void {
    const f = this.f;
    f.set(this.a1).i32(op).get(this.a1).call(this.imports.fpu);
    this.flagsAccrued();
  }
  slow(name: FastName): void {
    this.fast(name);
    this.flagsAccrued();
  }
  private flagsAccrued(): void {
    if (!this.dirtyFs.has(this.block)) this.setFsDirty();
    this.readBounds(this.f);
  }
}
