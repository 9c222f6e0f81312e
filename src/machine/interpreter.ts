import { FAST_NAMES, FAST_TYPES, type FastName, fastBodies } from './fpu/fast.ts';
import type { Emit, Format } from './isa/emit.ts';
import { dispatchGroups } from './isa/table.ts';
import {
  CODE_MAP,
  FUEL,
  HEAT,
  HEAT_ENTRIES,
  kindsBase,
  PAGE_SHIFT,
  shadowBase,
  watchBytes,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  PROFILE,
  PROFILE_ENTRIES,
  RAM_BASE,
  RVC_TABLE,
  SLOW_VALUE,
  STATE_BUDGET,
  STATE_CAUSE,
  STATE_CODE_WRITTEN,
  STATE_DISPATCHES,
  STATE_DISTANCE,
  STATE_F,
  STATE_FAULT,
  STATE_FCSR,
  STATE_HEAT_LIMIT,
  STATE_INSTRET,
  STATE_LIMIT,
  STATE_MODE,
  STATE_PC,
  STATE_REFILLS,
  STATE_ROOT,
  STATE_SITE,
  STATE_SSTATUS,
  STATE_TRANSLATED,
  STATE_TVAL,
  STATE_USER_TLB_USED,
  STATE_X,
  TLB_BASE,
  TLB_BYTES,
  TLB_MODE_STRIDE,
  WATCH_TLB,
} from './layout.ts';
import { PageKind } from './api.ts';
import { Trap } from './trap.ts';
import { F32, F64, FuncBody, I32, I64, ModuleBuilder, Op } from './wasm/encoder.ts';

// The cold tier: a WebAssembly interpreter generated from the table of instruction semantics. It fetches through the execute TLB,
// expands compressed instructions by a table, and dispatches on (funct3, opcode) with one br_table; rows that share a slot are told
// apart by their remaining mask bits.

/** Imports that the machine provides to the interpreter module. */
export interface InterpreterImports {
  readonly m: WebAssembly.Memory;
  /** TLB miss of an instruction fetch at va; 0 = fault (STATE_CAUSE set), else the TLB holds the page. */
  fetchMiss(lo: number, hi: number): number;
  /** The upper halfword of an instruction at the page boundary; -1 = fault. */
  fetchHigh(lo: number, hi: number): number;
  /** The 32-bit instruction for halfword `half`, 0 when illegal; the table has it from then on. */
  expand(half: number): number;
  /** A load or store that missed the TLB: value through SLOW_VALUE; 0 = fault. */
  slowLoad(lo: number, hi: number, size: number): number;
  slowStore(lo: number, hi: number, size: number): number;
  /** Physical address for an atomic access, or -1 = fault. */
  amoAddress(lo: number, hi: number, size: number, write: number): number;
  csr(insn: number): number;
  system(what: number, insn: number): number;
  fpu(op: number, rm: number): void;
  /** A jump target (physical pc | mode, and the pc) became hot; 1 = it has a translation now. */
  promote(tag: number, lo: number, hi: number): number;
  /** The region of a jump target (physical pc | mode, and the pc) has used its fuel: it may be worth a better translation. */
  improve(tag: number, lo: number, hi: number): void;
  /** The region of a jump target does not hold in this address space. */
  guardFailed(tag: number): void;
  /** An indirect transfer (physical pc) went so often that many bytes away. */
  profile(site: number, distance: number): void;
}

interface Shared {
  readonly imports: Readonly<Record<Exclude<keyof InterpreterImports, 'm'>, number>>;
  /** Own functions (va i64) -> i64 by size, and (va i64, value i64). */
  readonly load: Readonly<Record<number, number>>;
  readonly store: Readonly<Record<number, number>>;
  readonly fast: Readonly<Record<FastName, number>>;
  readonly refill: number;
  /** (lo, hi, size, write) -> physical address, or -1. */
  readonly amoAddress: number;
  readonly fused: boolean;
}

class InterpreterEmit implements Emit {
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

/** Pushes what of a result is compared with RESULT_BOUND: exponent and fraction above the sign, less two units of the exponent. */
export function resultShape(f: FuncBody, fmt: 0 | 1, d0: number, s0: number): void {
  if (fmt === 1) {
    f.get(d0).op(Op.i64_reinterpret_f64).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64);
    f.i32(1)
      .op(Op.i32_shl)
      .i32(-(2 << 21))
      .op(Op.i32_add);
  } else
    f.get(s0)
      .op(Op.i32_reinterpret_f32)
      .i32(1)
      .op(Op.i32_shl)
      .i32(-(2 << 24))
      .op(Op.i32_add);
}
/** (as unsigned) Exponents 2 to the last finite one: (2^11 - 3) << 21 of the upper word's bits, (2^8 - 3) << 24. */
export const RESULT_BOUND: Readonly<Record<0 | 1, number>> = { 1: (0x7fd << 21) | 0, 0: (0xfd << 24) | 0 };

/** (va i64) -> i64: through the TLB, refilled when it misses; what faults or crosses a page goes to the slow import. */
function loadFunction(shared: Pick<Shared, 'imports'>, refill: number, op: number, size: number, watch: Watch | null): FuncBody {
  const f = new FuncBody(1);
  throughTlb(f, refill, 0, size, watch, () => f.mem(op, 0, 0).op(Op.return));
  f.get(0).op(Op.i32_wrap_i64).get(0).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).i32(size).call(shared.imports.slowLoad).op(Op.drop);
  f.i32(0).mem(Op.i64_load, SLOW_VALUE, 3);
  return f;
}
/** (va i64, value i64). */
function storeFunction(shared: Pick<Shared, 'imports'>, refill: number, op: number, size: number, watch: Watch | null): FuncBody {
  const f = new FuncBody(2);
  throughTlb(f, refill, 1, size, watch, () => f.get(1).mem(op, 0, 0).op(Op.return));
  f.i32(0).get(1).mem(Op.i64_store, SLOW_VALUE, 3);
  f.get(0).op(Op.i32_wrap_i64).get(0).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).i32(size).call(shared.imports.slowStore).op(Op.drop);
  return f;
}
/** Runs `access` with the physical address of local 0 on the stack, or falls through. */
function throughTlb(f: FuncBody, refill: number, kind: number, size: number, watch: Watch | null, access: () => void): void {
  const entry = f.newLocal(I32);
  tlbEntry(f, entry, kind);
  f.block();
  const slow = f.depth;
  f.loop();
  const again = f.depth;
  f.get(entry).mem(Op.i64_load, TLB_BASE, 3).get(0).i64(-4096).op(Op.i64_and).op(Op.i64_eq).if();
  if (size > 1) {
    f.get(0)
      .op(Op.i32_wrap_i64)
      .i32(4095)
      .op(Op.i32_and)
      .i32(4096 - size)
      .op(Op.i32_gt_u)
      .brIf(slow);
  }
  f.get(0)
    .op(Op.i32_wrap_i64)
    .get(entry)
    .mem(Op.i32_load, TLB_BASE + 8, 2)
    .op(Op.i32_add);
  access();
  f.end();
  if (watch !== null) {
    const pa = f.newLocal(I32);
    f.get(entry).i32(TLB_MODE_STRIDE).op(Op.i32_ge_u).if();
    f.get(entry).mem(Op.i64_load, WATCHED_SET, 3).get(0).i64(-4096).op(Op.i64_and).op(Op.i64_eq).if();
    f.get(0)
      .op(Op.i32_wrap_i64)
      .get(entry)
      .mem(Op.i32_load, WATCHED_SET + 8, 2)
      .op(Op.i32_add)
      .set(pa);
    watchedBytes(f, watch, kind, size, pa, slow);
    f.get(pa);
    access();
    f.end();
    f.end();
  }
  f.get(0).i32(kind).call(refill).brIf(again);
  f.end();
  f.end();
}

/** What the code of a machine with a watcher knows at build time. */
interface Watch {
  readonly shadow: number;
  readonly kinds: number;
}
/** Offset of the TLB of shadowed pages for an entry of the S-mode set. */
const WATCHED_SET = TLB_BASE + TLB_MODE_STRIDE;
/** Asks the shadow of `size` bytes at the physical address in local `pa` (api.ts, WatchedMemory), and marks what is stored to: goes to `slow` when the access is to be shown. */
function watchedBytes(f: FuncBody, watch: Watch, kind: number, size: number, pa: number, slow: number): void {
  const at = f.newLocal(I32);
  const mask = f.newLocal(I32);
  const found = f.newLocal(I32);
  f.block();
  const good = f.depth;
  if (size > 1) {
    f.get(pa)
      .i32(7)
      .op(Op.i32_and)
      .i32(8 - size)
      .op(Op.i32_gt_u)
      .unlikelyIf();
    f.get(pa)
      .i32(4095)
      .op(Op.i32_and)
      .i32(4096 - size)
      .op(Op.i32_gt_u)
      .brIf(slow);
    f.get(pa).i32(3).op(Op.i32_shr_u).i32(1).op(Op.i32_shl).mem(Op.i32_load, watch.shadow, 1).brIf(slow);
    f.br(good).end();
  }
  f.get(pa).i32(3).op(Op.i32_shr_u).i32(1).op(Op.i32_shl).tee(at).mem(Op.i32_load16_u, watch.shadow, 1);
  f.i32((1 << size) - 1);
  if (size < 8) f.get(pa).i32(7).op(Op.i32_and).op(Op.i32_shl);
  f.tee(mask).i32(0x101).op(Op.i32_mul).op(Op.i32_and).set(found);
  if (kind === 0) {
    f.get(found).get(mask).op(Op.i32_ge_u).unlikelyBrIf(slow);
    f.end();
    return;
  }
  f.get(found).i32(0x100).op(Op.i32_ge_u).unlikelyBrIf(slow);
  f.get(found).if();
  f.get(at)
    .get(at)
    .mem(Op.i32_load16_u, watch.shadow, 1)
    .get(mask)
    .i32(-1)
    .op(Op.i32_xor)
    .op(Op.i32_and)
    .mem(Op.i32_store16, watch.shadow, 1);
  f.end();
  f.end();
}
/** (lo, hi, size, write) -> i32: the physical address for an atomic access to shadowed memory; all others are the machine's. */
function watchedAmoFunction(watch: Watch, refill: number, machine: number): FuncBody {
  const f = new FuncBody(4);
  const va = f.newLocal(I64);
  const entry = f.newLocal(I32);
  const pa = f.newLocal(I32);
  f.block();
  const slow = f.depth;
  f.i32(0).mem(Op.i32_load, STATE_MODE, 2).op(Op.i32_eqz).brIf(slow);
  f.get(0).get(2).i32(1).op(Op.i32_sub).op(Op.i32_and).brIf(slow);
  f.get(0).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and);
  f.get(3).i32(TLB_BYTES).op(Op.i32_mul).op(Op.i32_add).tee(entry);
  f.mem(Op.i64_load, WATCH_TLB, 3);
  f.get(0).i32(-4096).op(Op.i32_and).op(Op.i64_extend_i32_u).get(1).op(Op.i64_extend_i32_u).i64(32).op(Op.i64_shl).op(Op.i64_or);
  f.tee(va).op(Op.i64_ne).if();
  f.get(va).get(3).call(refill).i32(2).op(Op.i32_ne).brIf(slow);
  f.end();
  f.get(0)
    .get(entry)
    .mem(Op.i32_load, WATCH_TLB + 8, 2)
    .op(Op.i32_add)
    .set(pa);
  for (const size of [4, 8]) {
    for (const kind of [0, 1]) {
      f.get(2).i32(size).op(Op.i32_eq).get(3).i32(kind).op(Op.i32_eq).op(Op.i32_and).if();
      watchedBytes(f, watch, kind, size, pa, slow);
      f.get(pa).op(Op.return).end();
    }
  }
  f.end();
  return f.get(0).get(1).get(2).get(3).call(machine);
}

// PTE bits (mmu.ts has them for TypeScript).
const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;

/**
 * (va i64, kind i32) -> i32: the ordinary case of a TLB miss, a 4 KiB page or a part of a 2 MiB one whose PTE allows the access with A and D set already. 1 = the TLB
 * holds the page now, 2 = that of shadowed pages does. Everything else, faults too, is for the walk in mmu.ts.
 */
function refillFunction(memoryBytes: number, watch: Watch | null): FuncBody {
  const f = new FuncBody(2);
  const table = f.newLocal(I32);
  const pte = f.newLocal(I64);
  const frame = f.newLocal(I32);
  const entry = f.newLocal(I32);
  const mode = f.newLocal(I32);
  const kindOf = f.newLocal(I32);
  const fail = () => f.unlikelyIf().i32(0).op(Op.return).end();
  // Canonical: bits 63:39 equal bit 38.
  f.get(0).i64(25).op(Op.i64_shl).i64(25).op(Op.i64_shr_s).get(0).op(Op.i64_ne);
  fail();
  f.i32(0).mem(Op.i32_load, STATE_MODE, 2).set(mode);
  f.i32(0).mem(Op.i32_load, STATE_ROOT, 2).set(table);
  f.block();
  const leaf = f.depth;
  for (const shift of [30, 21, 12]) {
    f.get(table)
      .i32(RAM_BASE)
      .op(Op.i32_sub)
      .i32((memoryBytes - RAM_BASE) | 0)
      .op(Op.i32_ge_u);
    fail();
    f.get(table);
    f.get(0).i64(shift).op(Op.i64_shr_u).op(Op.i32_wrap_i64).i32(511).op(Op.i32_and).i32(3).op(Op.i32_shl);
    f.op(Op.i32_add).mem(Op.i64_load, 0, 3).set(pte);
    // The frame number must be below 4 GiB before it is cut to 32 bits.
    f.get(pte).i64(10).op(Op.i64_shl).i64(20).op(Op.i64_shr_u).i64(0xf_ffff).op(Op.i64_gt_u);
    fail();
    f.get(pte).i64(10).op(Op.i64_shr_u).op(Op.i32_wrap_i64).i32(12).op(Op.i32_shl).set(table);
    if (shift === 12) break;
    if (shift === 21) {
      f.get(pte)
        .op(Op.i32_wrap_i64)
        .i32(R | W | X)
        .op(Op.i32_and)
        .if();
      f.get(table).i32(0x1f_ffff).op(Op.i32_and);
      fail();
      f.get(table).get(0).op(Op.i32_wrap_i64).i32(0x1f_f000).op(Op.i32_and).op(Op.i32_or).set(table);
      f.br(leaf).end();
    }
    f.get(pte)
      .op(Op.i32_wrap_i64)
      .i32(V | R | W | X)
      .op(Op.i32_and)
      .i32(V)
      .op(Op.i32_ne);
    fail();
  }
  f.end();
  f.get(table).tee(frame);
  f.i32(RAM_BASE)
    .op(Op.i32_sub)
    .i32((memoryBytes - RAM_BASE) | 0)
    .op(Op.i32_ge_u);
  fail();
  // Needed: V, A, the access's own bits, and U exactly in user mode. A writable page that is not readable is reserved.
  f.get(pte).op(Op.i32_wrap_i64);
  f.i32(V | A | U | R | W | D).i32(V | A | U | X);
  f.get(1).i32(2).op(Op.i32_ne).op(Op.select);
  f.i32(-1)
    .i32(~(W | D))
    .get(1)
    .i32(1)
    .op(Op.i32_eq)
    .op(Op.select);
  f.op(Op.i32_and).op(Op.i32_and);
  f.i32(V | A | R)
    .i32(V | A | X)
    .get(1)
    .i32(2)
    .op(Op.i32_ne)
    .op(Op.select);
  f.i32(W | D)
    .i32(0)
    .get(1)
    .i32(1)
    .op(Op.i32_eq)
    .op(Op.select)
    .op(Op.i32_or);
  f.i32(0).i32(U).get(mode).op(Op.select).op(Op.i32_or);
  f.op(Op.i32_ne);
  fail();
  f.get(pte)
    .op(Op.i32_wrap_i64)
    .i32(R | W)
    .op(Op.i32_and)
    .i32(W)
    .op(Op.i32_eq);
  fail();
  f.get(1).i32(1).op(Op.i32_eq).if();
  f.get(frame).i32(15).op(Op.i32_shr_u).mem(Op.i32_load8_u, CODE_MAP, 0);
  f.get(frame).i32(12).op(Op.i32_shr_u).i32(7).op(Op.i32_and).op(Op.i32_shr_u).i32(1).op(Op.i32_and);
  fail();
  f.end();
  if (watch !== null) {
    f.get(mode).get(1).i32(2).op(Op.i32_ne).op(Op.i32_and).if();
    f.get(frame).i32(PAGE_SHIFT).op(Op.i32_shr_u).mem(Op.i32_load8_u, watch.kinds, 0).tee(kindOf);
    f.i32(PageKind.SHOWN).op(Op.i32_eq);
    fail();
    f.get(mode).get(kindOf).op(Op.i32_add).set(mode);
    f.end();
  }
  f.get(mode).i32(TLB_MODE_STRIDE).op(Op.i32_mul).get(1).i32(TLB_BYTES).op(Op.i32_mul).op(Op.i32_add);
  f.get(0).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and).op(Op.i32_add).tee(entry);
  f.get(0).i64(-4096).op(Op.i64_and).mem(Op.i64_store, TLB_BASE, 3);
  f.get(entry)
    .get(frame)
    .get(0)
    .op(Op.i32_wrap_i64)
    .i32(-4096)
    .op(Op.i32_and)
    .op(Op.i32_sub)
    .mem(Op.i32_store, TLB_BASE + 8, 2);
  f.get(mode).op(Op.i32_eqz).if().i32(0).i32(1).mem(Op.i32_store, STATE_USER_TLB_USED, 2).end();
  f.i32(0).i32(0).mem(Op.i64_load, STATE_REFILLS, 3).i64(1).op(Op.i64_add).mem(Op.i64_store, STATE_REFILLS, 3);
  f.i32(1);
  if (watch !== null) f.get(kindOf).op(Op.i32_add);
  return f;
}
/** Sets `entry` to the byte offset (from TLB_BASE) of the entry for local 0's page: kind 0 read, 1 write, 2 execute. */
function tlbEntry(f: FuncBody, entry: number, kind: number): void {
  f.get(0).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and);
  f.i32(0).mem(Op.i32_load, STATE_MODE, 2).i32(TLB_MODE_STRIDE).op(Op.i32_mul).op(Op.i32_add);
  if (kind > 0) f.i32(kind * TLB_BYTES).op(Op.i32_add);
  f.set(entry);
}

/**
 * (va i64, span i32, kind i32) -> i32: the physical address of `span` bytes at `va` (at most a page) when the ordinary case of a TLB miss gets
 * them (refillFunction) and they follow each other in physical memory; else 0.
 */
function groupPaFunction(refill: number, watch: Watch | null): FuncBody {
  const f = new FuncBody(3);
  const last = f.newLocal(I64);
  const addend = f.newLocal(I32);
  const set = f.newLocal(I32);
  const entry = f.newLocal(I32);
  const shadowed = f.newLocal(I32);
  f.i32(0).mem(Op.i32_load, STATE_MODE, 2).i32(TLB_MODE_STRIDE).op(Op.i32_mul);
  f.get(2).i32(TLB_BYTES).op(Op.i32_mul).op(Op.i32_add).set(set);
  /** Pushes the addend of a page. */
  const page = (va: number) => {
    f.get(va).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and).get(set).op(Op.i32_add).tee(entry);
    f.mem(Op.i64_load, TLB_BASE, 3).get(va).i64(-4096).op(Op.i64_and).op(Op.i64_ne).if();
    if (watch === null) f.get(va).get(2).call(refill).op(Op.i32_eqz).if().i32(0).op(Op.return).end();
    else {
      f.i32(2).set(shadowed);
      f.get(entry).i32(TLB_MODE_STRIDE).op(Op.i32_lt_u);
      f.get(entry).mem(Op.i64_load, WATCHED_SET, 3).get(va).i64(-4096).op(Op.i64_and).op(Op.i64_ne).op(Op.i32_or).if();
      f.get(va).get(2).call(refill).tee(shadowed).op(Op.i32_eqz).if().i32(0).op(Op.return).end();
      f.end();
      f.get(shadowed).i32(2).op(Op.i32_eq).if().get(entry).i32(TLB_MODE_STRIDE).op(Op.i32_add).set(entry).i32(1).set(asked).end();
    }
    f.end();
    f.get(entry).mem(Op.i32_load, TLB_BASE + 8, 2);
  };
  const asked = f.newLocal(I32);
  page(0);
  f.set(addend);
  f.get(0).get(1).i32(1).op(Op.i32_sub).op(Op.i64_extend_i32_u).op(Op.i64_add).tee(last);
  f.get(0).op(Op.i64_xor).i64(-4096).op(Op.i64_and).op(Op.i64_eqz).op(Op.i32_eqz).if();
  page(last);
  f.get(addend).op(Op.i32_ne).if().i32(0).op(Op.return).end();
  f.end();
  f.get(0).op(Op.i32_wrap_i64).get(addend).op(Op.i32_add);
  if (watch === null) return f;
  // All of a group in shadowed pages must be good: nothing is asked of its accesses then.
  f.set(addend).get(asked).if();
  cleanFrom(f, watch, addend, () => f.get(addend).get(1).op(Op.i32_add), entry);
  f.get(entry).get(addend).get(1).op(Op.i32_add).op(Op.i32_lt_u).if().i32(0).op(Op.return).end();
  f.end();
  return f.get(addend);
}
/** Sets `at` to the first 8 bytes from the physical address in local `pa` on with a bit in their shadow; what `end` pushes is enough. */
function cleanFrom(f: FuncBody, watch: Watch, pa: number, end: () => void, at: number): void {
  f.get(pa).i32(-8).op(Op.i32_and).set(at);
  f.block();
  const out = f.depth;
  f.loop();
  const again = f.depth;
  f.get(at);
  end();
  f.op(Op.i32_ge_u).brIf(out);
  f.get(at).i32(2).op(Op.i32_shr_u).mem(Op.i32_load16_u, watch.shadow, 1).brIf(out);
  f.get(at).i32(8).op(Op.i32_add).set(at).br(again);
  f.end();
  f.end();
}
/**
 * (pa i32, down i32) -> i32: how many bytes from `pa` on, or before it, nothing is to be asked of, in its page. Those that share 8 bytes with others at `pa` count as
 * these do.
 */
function cleanBytesFunction(watch: Watch): FuncBody {
  const f = new FuncBody(2);
  const at = f.newLocal(I32);
  const end = f.newLocal(I32);
  f.get(1).if(I32);
  f.get(0).i32(-8).op(Op.i32_and).set(at);
  f.get(0).i32(-4096).op(Op.i32_and).set(end);
  f.block();
  const out = f.depth;
  f.loop();
  const again = f.depth;
  f.get(at).get(end).op(Op.i32_le_u).brIf(out);
  f.get(at).i32(8).op(Op.i32_sub).i32(2).op(Op.i32_shr_u).mem(Op.i32_load16_u, watch.shadow, 1).brIf(out);
  f.get(at).i32(8).op(Op.i32_sub).set(at).br(again);
  f.end();
  f.end();
  f.get(0).get(at).op(Op.i32_sub);
  f.else();
  f.get(0).i32(1).op(Op.i32_sub).i32(-4096).op(Op.i32_and).i32(4096).op(Op.i32_add).set(end);
  f.get(0).i32(7).op(Op.i32_add).set(at);
  cleanFrom(f, watch, at, () => f.get(end), at);
  f.get(at).get(0).op(Op.i32_sub);
  f.end();
  return f;
}

/** The machine's helpers that regions call, too. */
export const HELPERS: readonly (readonly ['amoAddress' | 'fpu', readonly number[], readonly number[]])[] = [
  ['amoAddress', [I32, I32, I32, I32], [I32]],
  ['fpu', [I32, I32], []],
];

/** Builds the interpreter module: exports `run() -> i32` (the cause). `watched`: for a machine with a watcher. */
export function buildInterpreter(memoryBytes: number, fused: boolean, watched: boolean): Uint8Array {
  const watch = watched ? { shadow: shadowBase(memoryBytes), kinds: kindsBase(memoryBytes) } : null;
  const m = new ModuleBuilder();
  const imports = {
    fetchMiss: m.importFunc('fetchMiss', [I32, I32], [I32]),
    fetchHigh: m.importFunc('fetchHigh', [I32, I32], [I32]),
    expand: m.importFunc('expand', [I32], [I32]),
    slowLoad: m.importFunc('slowLoad', [I32, I32, I32], [I32]),
    slowStore: m.importFunc('slowStore', [I32, I32, I32], [I32]),
    amoAddress: m.importFunc('amoAddress', [I32, I32, I32, I32], [I32]),
    csr: m.importFunc('csr', [I32], [I32]),
    system: m.importFunc('system', [I32, I32], [I32]),
    fpu: m.importFunc('fpu', [I32, I32], []),
    promote: m.importFunc('promote', [I32, I32, I32], [I32]),
    improve: m.importFunc('improve', [I32, I32, I32], []),
    guardFailed: m.importFunc('guardFailed', [I32], []),
    profile: m.importFunc('profile', [I32, I32], []),
  };
  const sizes: readonly [number, number, number][] = [
    [1, Op.i64_load8_u, Op.i64_store8],
    [2, Op.i64_load16_u, Op.i64_store16],
    [4, Op.i64_load32_u, Op.i64_store32],
    [8, Op.i64_load, Op.i64_store],
  ];
  const refill = m.func([I64, I32], [I32]);
  m.define(refill, refillFunction(memoryBytes, watch));
  const load: Record<number, number> = {};
  const store: Record<number, number> = {};
  for (const [size, loadOp, storeOp] of sizes) {
    load[size] = m.func([I64], [I64]);
    m.define(load[size], loadFunction({ imports }, refill, loadOp, size, watch));
    m.exportFunc(`load${size}`, load[size]);
    store[size] = m.func([I64, I64], []);
    m.define(store[size], storeFunction({ imports }, refill, storeOp, size, watch));
    m.exportFunc(`store${size}`, store[size]);
  }
  const fast = {} as Record<FastName, number>;
  const bodies = fastBodies(fused, imports.fpu);
  for (const name of FAST_NAMES) {
    fast[name] = m.func(FAST_TYPES[name][0], FAST_TYPES[name][1]);
    m.define(fast[name], bodies[name]);
    m.exportFunc(name, fast[name]);
  }
  // Regions call the machine's helpers through these: an engine compiles a wrapper for each JavaScript import of each module.
  let amoAddress = imports.amoAddress;
  for (const [name, params, results] of HELPERS) {
    const func = m.func(params, results);
    if (watch !== null && name === 'amoAddress') {
      m.define(func, watchedAmoFunction(watch, refill, imports.amoAddress));
      amoAddress = func;
    } else {
      const body = new FuncBody(params.length);
      for (let i = 0; i < params.length; i++) body.get(i);
      m.define(func, body.call(imports[name]));
    }
    m.exportFunc(name, func);
  }
  const checkPage = m.func([I64, I32], [I32]);
  m.define(checkPage, checkPageFunction(refill));
  m.exportFunc('checkPage', checkPage);
  const groupPa = m.func([I64, I32, I32], [I32]);
  m.define(groupPa, groupPaFunction(refill, watch));
  m.exportFunc('groupPa', groupPa);
  if (watch !== null) {
    const cleanBytes = m.func([I32, I32], [I32]);
    m.define(cleanBytes, cleanBytesFunction(watch));
    m.exportFunc('cleanBytes', cleanBytes);
  }
  const run = m.func([], [I32]);
  m.define(run, runBody({ imports, load, store, fast, refill, amoAddress, fused }, m.typeOf(REGION_PARAMS, REGION_RESULTS)));
  m.exportFunc('run', run);
  m.exportTable(1);
  return m.encode((memoryBytes + (watched ? watchBytes(memoryBytes) : 0)) / 65536);
}

/** A region: (va of its page, budget in instructions) -> RegionExit; pc and what is left of the budget are in the state block afterwards. */
export const REGION_PARAMS: readonly number[] = [I64, I32];
export const REGION_RESULTS: readonly number[] = [I32];
export const RegionExit = {
  /** Goes on at pc: reached by a forward transfer, or by a backward or indirect one, where the slice may end. */
  FORWARD: 0,
  BACKWARD: 1,
  /** As BACKWARD, by an indirect transfer that the region does not follow: STATE_SITE says which. */
  INDIRECT: 2,
  /** STATE_CAUSE and STATE_TVAL tell. */
  FAULT: 3,
  /** The instruction at pc is for the interpreter. */
  INTERPRET: 4,
  /** Nothing was done: the region's pages are not mapped as they were when it was made. */
  GUARD: 5,
} as const;
/** Regions are left after so many instructions, for the engine replaces code (by its optimised form) only between calls. */
const REGION_CHUNK = 100_000;

/** An indirect transfer often goes to the same target as before: PROFILE_HOT times, and the translator hears of it. */
const PROFILE_HOT = 500;

/** Counts the pair of STATE_SITE and STATE_DISTANCE. */
function countIndirect(e: InterpreterEmit, shared: Shared): void {
  const f = e.f;
  const [site, target, entry] = [e.a1, e.ilen, e.indirect];
  f.i32(0).mem(Op.i32_load, STATE_SITE, 2).set(site);
  f.i32(0).mem(Op.i32_load, STATE_DISTANCE, 2).set(target);
  f.get(site).i32(5).op(Op.i32_mul).get(target).op(Op.i32_add).i32(1).op(Op.i32_shr_u);
  f.i32(PROFILE_ENTRIES - 1)
    .op(Op.i32_and)
    .i32(4)
    .op(Op.i32_shl)
    .set(entry);
  f.get(entry).mem(Op.i32_load, PROFILE, 2).get(site).op(Op.i32_eq);
  f.get(entry)
    .mem(Op.i32_load, PROFILE + 4, 2)
    .get(target)
    .op(Op.i32_eq)
    .op(Op.i32_and)
    .if();
  f.get(entry)
    .get(entry)
    .mem(Op.i32_load, PROFILE + 8, 2)
    .i32(1)
    .op(Op.i32_add)
    .mem(Op.i32_store, PROFILE + 8, 2);
  f.get(entry)
    .mem(Op.i32_load, PROFILE + 8, 2)
    .i32(PROFILE_HOT)
    .op(Op.i32_eq)
    .unlikelyIf();
  f.get(site).get(target).call(shared.imports.profile);
  f.end();
  f.else();
  f.get(entry).get(site).mem(Op.i32_store, PROFILE, 2);
  f.get(entry)
    .get(target)
    .mem(Op.i32_store, PROFILE + 4, 2);
  f.get(entry)
    .i32(0)
    .mem(Op.i32_store, PROFILE + 8, 2);
  f.end();
}

/** (va i64, pa i32) -> i32: whether the page is mapped there for execution; the TLB holds it then. */
function checkPageFunction(refill: number): FuncBody {
  const f = new FuncBody(2);
  const entry = f.newLocal(I32);
  tlbEntry(f, entry, 2);
  f.get(entry).mem(Op.i64_load, TLB_BASE, 3).get(0).op(Op.i64_ne).if();
  f.get(0).i32(2).call(refill).op(Op.i32_eqz).if().i32(0).op(Op.return).end();
  f.end();
  f.get(0)
    .op(Op.i32_wrap_i64)
    .get(entry)
    .mem(Op.i32_load, TLB_BASE + 8, 2)
    .op(Op.i32_add)
    .get(1)
    .op(Op.i32_eq);
  return f;
}

function runBody(shared: Shared, regionType: number): FuncBody {
  const f = new FuncBody(0);
  const e = new InterpreterEmit(f, shared);
  const page = f.newLocal(I64); // tag of the page that instructions come from
  const addend = f.newLocal(I32);
  const limit = f.newLocal(I64);
  const fuel = f.newLocal(I32); // address of the region's fuel
  const entry = f.newLocal(I32); // physical pc | mode of the region
  const { slots, groups } = dispatchGroups();
  const mode = () => f.i32(0).mem(Op.i32_load, STATE_MODE, 2);

  /** Makes `page` and `addend` those of the pc. */
  const enterPage = () => {
    f.get(e.pcLocal).i64(-4096).op(Op.i64_and).get(page).op(Op.i64_ne).unlikelyIf();
    f.get(e.pcLocal).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and);
    mode()
      .i32(TLB_MODE_STRIDE)
      .op(Op.i32_mul)
      .op(Op.i32_add)
      .i32(2 * TLB_BYTES)
      .op(Op.i32_add)
      .tee(e.a0);
    f.mem(Op.i64_load, TLB_BASE, 3).get(e.pcLocal).i64(-4096).op(Op.i64_and).op(Op.i64_ne).unlikelyIf();
    f.get(e.pcLocal).i32(2).call(shared.refill).op(Op.i32_eqz).if();
    f.get(e.pcLocal).op(Op.i32_wrap_i64).get(e.pcLocal).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).call(shared.imports.fetchMiss);
    f.op(Op.i32_eqz).brIf(e.faultLabel);
    f.end();
    f.end();
    f.get(e.pcLocal).i64(-4096).op(Op.i64_and).set(page);
    f.get(e.a0)
      .mem(Op.i32_load, TLB_BASE + 8, 2)
      .set(addend);
    f.end();
  };

  f.i32(0).mem(Op.i64_load, STATE_PC, 3).set(e.pcLocal);
  f.i32(0).mem(Op.i64_load, STATE_INSTRET, 3).set(e.count);
  f.i32(0).mem(Op.i64_load, STATE_LIMIT, 3).set(limit);
  f.i64(1).set(page);
  f.i32(0).i64(0).mem(Op.i64_store, STATE_FAULT, 3); // and STATE_CODE_WRITTEN

  f.block();
  e.faultLabel = f.depth;
  f.block();
  const sliceEnd = f.depth;
  f.loop();
  const dispatch = f.depth;

  // A jump target: run its translation, or count it.
  enterPage();
  f.block();
  const interpret = f.depth;
  f.get(e.pcLocal).op(Op.i32_wrap_i64).get(addend).op(Op.i32_add).tee(e.a0);
  f.i32(1)
    .op(Op.i32_shr_u)
    .i32(JUMP_CACHE_ENTRIES - 1)
    .op(Op.i32_and)
    .i32(3)
    .op(Op.i32_shl)
    .tee(e.a1);
  f.mem(Op.i32_load, JUMP_CACHE, 2).get(e.a0);
  mode().op(Op.i32_or).tee(e.a0).tee(entry).op(Op.i32_eq).if();
  f.get(e.a1)
    .mem(Op.i32_load, JUMP_CACHE + 4, 2)
    .tee(e.a1)
    .op(Op.i32_eqz)
    .unlikelyBrIf(interpret);
  f.get(e.a1).i32(2).op(Op.i32_shl).set(fuel);
  // The budget: what is left of the slice, at most REGION_CHUNK.
  f.get(limit).get(e.count).op(Op.i64_sub).tee(e.t0).i64(REGION_CHUNK).get(e.t0).i64(REGION_CHUNK).op(Op.i64_lt_s).op(Op.select).tee(e.t0);
  f.i64(0).get(e.t0).i64(0).op(Op.i64_gt_s).op(Op.select).set(e.t0);
  f.get(page).get(e.t0).op(Op.i32_wrap_i64).get(e.a1).callIndirect(regionType).set(e.a0);
  f.i32(0).mem(Op.i64_load, STATE_PC, 3).set(e.pcLocal);
  f.get(e.t0).i32(0).mem(Op.i64_load32_s, STATE_BUDGET, 2).op(Op.i64_sub).tee(e.t0).get(e.count).op(Op.i64_add).set(e.count);
  f.i32(0).i32(0).mem(Op.i64_load, STATE_DISPATCHES, 3).i64(1).op(Op.i64_add).mem(Op.i64_store, STATE_DISPATCHES, 3);
  f.i32(0).i32(0).mem(Op.i64_load, STATE_TRANSLATED, 3).get(e.t0).op(Op.i64_add).mem(Op.i64_store, STATE_TRANSLATED, 3);
  f.get(fuel).get(fuel).mem(Op.i32_load, FUEL, 2).get(e.t0).op(Op.i32_wrap_i64).op(Op.i32_sub).tee(e.a1).mem(Op.i32_store, FUEL, 2);
  f.get(e.a1).i32(0).op(Op.i32_lt_s).unlikelyIf();
  f.get(entry);
  f.get(page).op(Op.i32_wrap_i64).get(entry).i32(0xffe).op(Op.i32_and).op(Op.i32_or);
  f.get(page).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).call(shared.imports.improve);
  f.end();
  f.get(e.a0).i32(RegionExit.INDIRECT).op(Op.i32_le_u).if();
  f.get(e.a0).i32(RegionExit.INDIRECT).op(Op.i32_eq).if();
  countIndirect(e, shared);
  f.end();
  f.get(e.count).get(limit).op(Op.i64_ge_s).get(e.a0).i32(RegionExit.FORWARD).op(Op.i32_ne).op(Op.i32_and).op(Op.i32_eqz).brIf(dispatch);
  f.br(sliceEnd);
  f.end();
  f.get(e.a0).i32(RegionExit.FAULT).op(Op.i32_eq).brIf(e.faultLabel);
  f.get(e.a0).i32(RegionExit.GUARD).op(Op.i32_eq).if();
  f.get(e.pcLocal).op(Op.i32_wrap_i64).get(addend).op(Op.i32_add);
  mode().op(Op.i32_or).call(shared.imports.guardFailed);
  f.end();
  f.br(interpret);
  f.end();
  f.get(e.a0)
    .i32(1)
    .op(Op.i32_shr_u)
    .i32(HEAT_ENTRIES - 1)
    .op(Op.i32_and)
    .i32(2)
    .op(Op.i32_shl)
    .tee(e.a1);
  f.get(e.a1).mem(Op.i32_load, HEAT, 2).i32(1).op(Op.i32_add).tee(e.ilen).mem(Op.i32_store, HEAT, 2);
  f.get(e.ilen).i32(0).mem(Op.i32_load, STATE_HEAT_LIMIT, 2).op(Op.i32_ge_u).unlikelyIf();
  f.get(e.a1).i32(0).mem(Op.i32_store, HEAT, 2);
  f.get(e.a0).get(e.pcLocal).op(Op.i32_wrap_i64).get(e.pcLocal).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64);
  f.call(shared.imports.promote).brIf(dispatch);
  f.end();
  f.end(); // interpret

  f.loop();
  const next = f.depth;
  f.block();
  e.jumpLabel = f.depth;
  f.block();
  const advance = f.depth;

  // Fetch.
  enterPage();
  f.get(e.pcLocal).op(Op.i32_wrap_i64).get(addend).op(Op.i32_add).tee(e.a0).mem(Op.i32_load16_u, 0, 1).tee(e.insn);
  f.i32(3).op(Op.i32_and).i32(3).op(Op.i32_ne).if();
  f.i32(2).set(e.ilen);
  f.get(e.insn).i32(2).op(Op.i32_shl).mem(Op.i32_load, RVC_TABLE, 2).set(e.a1);
  f.get(e.a1).op(Op.i32_eqz).unlikelyIf();
  f.get(e.insn).call(shared.imports.expand).tee(e.a1).op(Op.i32_eqz).if();
  // An illegal compressed instruction keeps its own bits for tval.
  e.trap(Trap.ILLEGAL);
  f.end();
  f.end();
  f.get(e.a1).set(e.insn);
  f.else();
  f.i32(4).set(e.ilen);
  f.get(e.pcLocal).op(Op.i32_wrap_i64).i32(0xfff).op(Op.i32_and).i32(0xffe).op(Op.i32_eq).unlikelyIf();
  f.get(e.pcLocal).op(Op.i32_wrap_i64).get(e.pcLocal).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).call(shared.imports.fetchHigh).tee(e.a1);
  f.i32(-1).op(Op.i32_eq).brIf(e.faultLabel);
  f.get(e.a1).i32(16).op(Op.i32_shl).get(e.insn).op(Op.i32_or).set(e.insn);
  f.else();
  f.get(e.a0).mem(Op.i32_load, 0, 1).set(e.insn);
  f.end();
  f.end();

  // Dispatch: one block per leaf, the last opened is leaf 0 (illegal).
  const labels: number[] = [];
  for (let i = groups.length - 1; i >= 0; i--) {
    f.block();
    labels[i] = f.depth;
  }
  f.get(e.insn).i32(2).op(Op.i32_shr_u).i32(31).op(Op.i32_and).get(e.insn).i32(7).op(Op.i32_shr_u).i32(0xe0).op(Op.i32_and).op(Op.i32_or);
  f.brTable(
    slots.map((g) => labels[g]),
    labels[0],
  );
  for (let i = 0; i < groups.length; i++) {
    f.end();
    const rows = groups[i];
    // All rows of the leaf agree on opcode and funct3 where their masks name them, so only the other bits are tested.
    for (const r of rows) {
      e.format = r.format;
      const rest = r.mask & ~0x707f;
      if (rest === 0 && rows.length === 1) {
        r.emit(e);
        f.br(advance);
        continue;
      }
      f.get(e.insn)
        .i32(rest | 0)
        .op(Op.i32_and)
        .i32((r.match & rest) | 0)
        .op(Op.i32_eq)
        .if();
      r.emit(e);
      f.br(advance);
      f.end();
    }
    e.trap(Trap.ILLEGAL);
  }
  f.end(); // advance
  f.get(e.pcLocal).get(e.ilen).op(Op.i64_extend_i32_u).op(Op.i64_add).set(e.pcLocal);
  f.get(e.count).i64(1).op(Op.i64_add).set(e.count);
  f.br(next);
  f.end(); // jump
  f.get(e.count).i64(1).op(Op.i64_add).set(e.count);
  // The slice ends only at a backward or indirect transfer (api.ts).
  f.get(e.npc).get(e.pcLocal).op(Op.i64_le_s).get(e.indirect).op(Op.i32_or);
  f.get(e.count).get(limit).op(Op.i64_ge_s).op(Op.i32_and);
  f.get(e.npc).set(e.pcLocal);
  f.op(Op.i32_eqz).brIf(dispatch);
  f.br(sliceEnd);
  f.end(); // next
  f.end(); // dispatch
  f.end(); // slice end
  f.i32(0).i32(Trap.SLICE_END).mem(Op.i32_store, STATE_CAUSE, 2);
  f.end(); // fault
  f.i32(0).get(e.pcLocal).mem(Op.i64_store, STATE_PC, 3);
  f.i32(0).get(e.count).mem(Op.i64_store, STATE_INSTRET, 3);
  f.i32(0).mem(Op.i32_load, STATE_CAUSE, 2);
  return f;
}
