import { putWide } from '../wasm/encoder.ts';
import { F64, I32, I64, Op } from '../wasm/opcodes.ts';
import { STATE_CODE_WRITTEN, STATE_FAULT, TLB_BASE, TLB_BYTES, TLB_MODE_STRIDE } from '../layout.ts';
import { mayBeLoaded } from './analysis.ts';
import type { Block, Insn } from './block.ts';
import type { Region } from './cfg.ts';
import { type BlockPlan, type Check, type Group, type Member, planGroups } from './groups.ts';
import { Operands, type RegionImports } from './operands.ts';
import type { RunAccess } from './page_runs.ts';
import { Hole, templateVariant, Way, WIDTH } from './templates.ts';

// Loads, stores and atomics: through a look-up of their own, through one that a group shares, by a call, or unchecked in a page run.

const ALIGN: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };
const MAX_GUESSES = 8;
const NO_PLANS: ReadonlyMap<Block, BlockPlan> = new Map();
/** Bits of opcodes: loads and stores of x and f registers have 3 in these, stores this. */
const OP_IS_ACCESS = 0x5b;
const OP_IS_STORE = 0x20;

export abstract class Accesses extends Operands {
  protected readonly mode: number;
  protected readonly plans: ReadonlyMap<Block, BlockPlan>;
  private readonly groupLocals: number[] = [];
  /** Groups whose look-ups have hit where code is being emitted; null in the copy for when one did not. */
  protected held: Set<Group> | null = new Set();
  /** Registers that may hold what a load fetched, where code is being emitted (bits). */
  protected readonly loadedIn: ReadonlyMap<Block, number> | null;
  protected loaded = 0;
  /** The block's plan; how the instruction does its access, and its place in a group (Way.GROUP) or run (Way.UNCHECKED). */
  protected plan: BlockPlan | undefined;
  private way: Way = Way.LOOK_UP;
  private member: Member | null = null;
  private runAccess: RunAccess | null = null;
  private readonly guesses: number[] = [];
  private nextGuess = 0;

  constructor(region: Region, imports: RegionImports, mode: number) {
    super(region, imports);
    this.mode = mode;
    this.plans = region.full ? planGroups(region) : NO_PLANS;
    this.loadedIn = region.full ? mayBeLoaded(region) : null;
  }

  /** Pushes whether x[rs1] + imm misses the TLB or is misaligned; leaves va and ix. */
  private lookup(access: number, size: number, displacement: number): number {
    const f = this.f;
    const tlb = TLB_BASE + this.mode * TLB_MODE_STRIDE + access * TLB_BYTES;
    this.address(displacement);
    f.tee(this.va).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and).tee(this.ix);
    f.mem(Op.i64_load, tlb, 3)
      .get(this.va)
      .i64(-4096 + (size - 1))
      .op(Op.i64_and)
      .op(Op.i64_ne);
    return tlb;
  }
  /** After a slow access: 0 in both words means that all is well. */
  private checkSlow(): void {
    this.f.i32(0).mem(Op.i64_load, STATE_FAULT, 3).op(Op.i64_eqz).op(Op.i32_eqz).unlikelyIf();
    this.fault();
    this.f.end();
  }
  /** Pushes the physical address of what was looked up, guessing the entry or not. */
  private pa(tlb: number, guessing: boolean): void {
    const f = this.f;
    if (!guessing) {
      f.get(this.va)
        .op(Op.i32_wrap_i64)
        .get(this.ix)
        .mem(Op.i32_load, tlb + 8, 2)
        .op(Op.i32_add);
      return;
    }
    // The next address may come from what is loaded here (lists, trees). Frames mostly follow each other as their pages do: with the last
    // distance, and a branch that finds it right, the processor need not wait for the TLB entry before it loads.
    const guess = this.guess();
    f.get(this.ix)
      .mem(Op.i32_load, tlb + 8, 2)
      .tee(this.ix)
      .get(guess)
      .op(Op.i32_ne)
      .unlikelyIf();
    f.get(this.ix).set(guess);
    f.end();
    f.get(this.va).op(Op.i32_wrap_i64).get(guess).op(Op.i32_add);
  }
  /** A local for the distance at one access; accesses share them when there are many. */
  private guess(): number {
    const at = this.nextGuess++ % MAX_GUESSES;
    if (at === this.guesses.length) this.guesses.push(this.f.newLocal(I32));
    return this.guesses[at];
  }
  /** The slow way of a load, from the address in va: leaves the op's result. */
  private slowLoad(op: number, size: number): void {
    const f = this.f;
    f.get(this.va).call(this.imports.load[size]);
    this.checkSlow();
    if (op === Op.i64_load8_s) f.op(Op.i64_extend8_s);
    else if (op === Op.i64_load16_s) f.op(Op.i64_extend16_s);
    else if (op === Op.i64_load32_s) f.op(Op.i64_extend32_s);
    else if (op === Op.i32_load) f.op(Op.i32_wrap_i64);
    else if (op === Op.f64_load) f.op(Op.f64_reinterpret_i64);
  }
  private slowStore(op: number, size: number, value: () => void): void {
    this.f.get(this.va);
    value();
    if (op === Op.f64_store) this.f.op(Op.i64_reinterpret_f64);
    this.f.call(this.imports.store[size]);
    this.checkSlow();
  }
  private address(displacement: number): void {
    this.rs1();
    if (displacement === 0) return;
    this.imm();
    this.f.op(Op.i64_add);
  }
  protected groupLocal(g: Group): number {
    while (this.groupLocals.length <= g.slot) this.groupLocals.push(this.f.newLocal(I32));
    return this.groupLocals[g.slot];
  }
  /**
   * Looks groups up: their locals become physical addresses. Goes to `missed` when one is not to be had (a page crossed to a frame elsewhere, a fault),
   * or one that was looked up earlier was not.
   */
  protected lookUp(check: Check, missed: number): void {
    const f = this.f;
    for (const { group: g, reg, distance } of check.opens) {
      const tlb = TLB_BASE + this.mode * TLB_MODE_STRIDE + (g.stores ? TLB_BYTES : 0);
      f.get(this.xLocal(reg));
      if (g.low !== distance) f.i64(g.low - distance).op(Op.i64_add);
      f.tee(this.va).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and).tee(this.ix);
      // The index is that of the first byte's page, so the last byte's page matches the tag only when it is the same page.
      f.mem(Op.i64_load, tlb, 3).get(this.va);
      f.i64(g.high - g.low - 1)
        .op(Op.i64_add)
        .i64(-4096)
        .op(Op.i64_and)
        .op(Op.i64_ne)
        .unlikelyIf();
      f.get(this.va)
        .i32(g.high - g.low)
        .i32(g.stores ? 1 : 0)
        .call(this.imports.groupPa)
        .tee(this.groupLocal(g))
        .op(Op.i32_eqz)
        .unlikelyBrIf(missed);
      f.else();
      this.pa(tlb, !g.stores && this.mayGuess(reg));
      f.set(this.groupLocal(g)).end();
    }
    for (const g of check.groups)
      if (!check.opens.some((o) => o.group === g)) f.get(this.groupLocal(g)).op(Op.i32_eqz).unlikelyBrIf(missed);
  }
  /** The address comes from what a load fetched. */
  private mayGuess(reg: number): boolean {
    return ((this.loaded >>> reg) & 1) !== 0;
  }
  /** How the instruction does its access. */
  private wayOf(word: number): Way {
    const unchecked = this.block.unchecked?.get(this.index);
    if (unchecked !== undefined) {
      this.runAccess = unchecked;
      return Way.UNCHECKED;
    }
    if (this.held === null) return Way.CALL;
    const member = this.plan?.members.get(this.index);
    if (member !== undefined && this.held.has(member.group)) {
      this.member = member;
      return Way.GROUP;
    }
    return (word & OP_IS_STORE) === 0 && this.mayGuess((word >>> 15) & 31) ? Way.GUESS : Way.LOOK_UP;
  }
  /** The instruction's code, but for one that transfers control. */
  protected straightInsn(insn: Insn, index: number): void {
    this.insn = insn;
    this.index = index;
    const w = insn.word;
    if ((w & OP_IS_ACCESS) === 3) this.way = this.wayOf(w);
    else this.way = Way.LOOK_UP;
    this.emitInsn(templateVariant(w, this.mode, this.way));
  }
  /** The access in a page run; `value` pushes what is stored. */
  private inRun(op: number, value: (() => void) | null): void {
    const { group, displacement } = this.runAccess as RunAccess;
    this.f.get(group.local);
    value?.();
    this.f.mem(op, displacement - group.low, 0);
  }
  /** The access in a group that is known to be mapped; `value` pushes what is stored. */
  private inGroup(op: number, value: (() => void) | null): void {
    const f = this.f;
    const { group, displacement } = this.member as Member;
    f.get(this.groupLocal(group));
    this.hole(Hole.GROUP, 1);
    value?.();
    f.memWide(op, displacement - group.low, WIDTH.GROUP_OFFSET);
    this.hole(Hole.GROUP_OFFSET, WIDTH.GROUP_OFFSET);
  }
  protected fillGroup(bytes: Uint8Array, at: number, hole: number): void {
    const { group, displacement } = this.member as Member;
    if (hole === Hole.GROUP) bytes[at] = this.groupLocal(group);
    else putWide(bytes, at, displacement - group.low, WIDTH.GROUP_OFFSET);
  }
  load(op: number, size: number): void {
    const f = this.f;
    const displacement = this.immediate();
    switch (this.way) {
      case Way.UNCHECKED:
        this.inRun(op, null);
        return;
      case Way.CALL:
        this.address(displacement);
        f.set(this.va);
        this.slowLoad(op, size);
        return;
      case Way.GROUP:
        this.inGroup(op, null);
        return;
    }
    const tlb = this.lookup(0, size, displacement);
    f.unlikelyIf(op === Op.i32_load ? I32 : op === Op.f64_load ? F64 : I64);
    this.slowLoad(op, size);
    f.else();
    this.pa(tlb, this.way === Way.GUESS);
    f.mem(op, 0, ALIGN[size]);
    f.end();
  }
  store(op: number, size: number, value: () => void): void {
    const f = this.f;
    const displacement = this.immediate();
    switch (this.way) {
      case Way.UNCHECKED:
        this.inRun(op, value);
        return;
      case Way.CALL:
        this.address(displacement);
        f.set(this.va);
        this.slowStore(op, size, value);
        return;
      case Way.GROUP:
        this.inGroup(op, value);
        return;
    }
    const tlb = this.lookup(1, size, displacement);
    f.unlikelyIf();
    this.slowStore(op, size, value);
    f.else();
    this.pa(tlb, false);
    value();
    f.mem(op, 0, ALIGN[size]);
    f.end();
  }
  amoAddress(size: number, write: boolean): void {
    const f = this.f;
    const tlb = this.lookup(write ? 1 : 0, size, 0);
    f.unlikelyIf(I32);
    f.get(this.va).op(Op.i32_wrap_i64).get(this.va).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64);
    f.i32(size)
      .i32(write ? 1 : 0)
      .call(this.imports.amoAddress)
      .tee(this.a0)
      .i32(-1)
      .op(Op.i32_eq)
      .unlikelyIf();
    this.fault();
    f.end();
    // The atomic writes code: this region may be it. The interpreter does it.
    f.i32(0).mem(Op.i32_load, STATE_CODE_WRITTEN, 2).unlikelyIf();
    f.i32(0).i32(0).mem(Op.i32_store, STATE_CODE_WRITTEN, 2);
    this.interpretHere();
    f.end().get(this.a0);
    f.else();
    this.pa(tlb, false);
    f.end().set(this.a0);
  }
}
