import type { FastName } from '../fpu/fast.ts';
import { RESULT_BOUND, RegionExit, resultShape } from '../interpreter.ts';
import type { Emit } from '../isa/emit.ts';
import {
  GUARDS,
  PAGE_SHIFT,
  PAGE_SIZE,
  STATE_BUDGET,
  STATE_CODE_WRITTEN,
  STATE_DISTANCE,
  STATE_EXEC_GENERATION,
  STATE_F,
  STATE_FAULT,
  STATE_FCSR,
  STATE_PC,
  STATE_SITE,
  STATE_SSTATUS,
  STATE_X,
  TLB_BASE,
  TLB_BYTES,
  TLB_MODE_STRIDE,
} from '../layout.ts';
import { F32, F64, FuncBody, I32, I64, Op } from '../wasm/encoder.ts';
import { mayBeDirty, mayBeLoaded, type RegSet, stepLoaded, writtenBy } from './analysis.ts';
import { type Block, type Context, edgeKey, type Insn } from './block.ts';
import { immB, immJ, isFpCsr, isReturn, type Region } from './cfg.ts';
import { dominates } from './dominators.ts';
import { type BlockPlan, type Check, type Group, planGroups } from './groups.ts';
import type { PageRun } from './page_runs.ts';

// A region as one WebAssembly function with structured control flow (N. Ramsey, "Beyond Relooper", ICFP 2022): the dominator tree gives the
// nesting, loop headers become loops, merge nodes follow blocks. Registers live in locals; so does what is left of the slice, in instructions.

/** Function indices of what regions import. */
export interface RegionImports {
  readonly load: Readonly<Record<number, number>>;
  readonly store: Readonly<Record<number, number>>;
  readonly amoAddress: number;
  readonly fpu: number;
  readonly checkPage: number;
  readonly groupPa: number;
  readonly fast: Readonly<Record<FastName, number>>;
  readonly fused: boolean;
}

const ALIGN: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };
const SSTATUS_FS = 0x6000;
const OP_BRANCH = 0x63;
const MAX_GUESSES = 8;

/** Parameters of a region function (interpreter.ts: REGION_PARAMS). */
const BASE = 0;
const BUDGET = 1;

/** Packs where a region stopped: offset (21 bits, biased), index in its block (9 bits), whether the instruction has 4 bytes. */
const SITE_BIAS = 1 << 20;
const siteOf = (off: number, index: number, length: number) => ((off + SITE_BIAS) << 10) | (index << 1) | (length === 4 ? 1 : 0);

class RegionEmit implements Emit {
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
  private readonly boxed = new Set<number>();
  /** Where the region stopped at a fault (siteOf). */
  readonly site = this.f.newLocal(I32);
  readonly status = this.f.newLocal(I32);
  private label = 0;

  /** Local of each register, 0 = not used. */
  readonly x: number[] = new Array(32).fill(0);
  readonly fx: number[] = new Array(32).fill(0);
  readonly written: boolean[] = new Array(64).fill(false);
  usesFp = false;
  readonly dirtyFs = new Set<Block>();

  private readonly region: Region;
  private readonly imports: RegionImports;
  private readonly mode: number;
  private readonly labels = new Map<Block, number>();
  private readonly loopLabels = new Map<Block, number>();
  private readonly loopHeaders = new Set<Block>();
  private readonly merges = new Set<Block>();
  private readonly children = new Map<Block, Block[]>();
  private block: Block;
  private insn: Insn;
  private index = 0;
  /** Ways out: registers already stored, or all that the region writes still to store. */
  private exitLabel = 0;
  private fullExitLabel = 0;
  private readonly dirtyIn: readonly RegSet[];
  private readonly plans: ReadonlyMap<Block, BlockPlan>;
  private readonly groupLocals: number[] = [];
  /** Groups whose look-ups have hit where code is being emitted; null in the copy for when one did not. */
  private held: Set<Group> | null = new Set();
  /** Registers that may hold what a load fetched, where code is being emitted (bits). */
  private readonly loadedIn: ReadonlyMap<Block, number> | null;
  private loaded = 0;
  private readonly guesses: number[] = [];
  private nextGuess = 0;
  private faultLabel = 0;
  private readonly slot: number;

  constructor(region: Region, imports: RegionImports, mode: number, slot: number) {
    this.region = region;
    this.slot = slot;
    this.imports = imports;
    this.fused = imports.fused;
    this.mode = mode;
    this.dirtyIn = mayBeDirty(region);
    this.plans = planGroups(region);
    this.loadedIn = region.full ? mayBeLoaded(region) : null;
    this.block = region.entry;
    this.insn = (region.entry.insns[0] ?? region.cases[0].insns[0]) as Insn;
    if (region.cases.length > 0) {
      this.loopHeaders.add(region.entry);
      for (const c of region.cases) this.merges.add(c);
      this.label = this.f.newLocal(I32);
    }
    // What writes flags refreshes every bound that the region has, so all must be known before.
    if (region.blocks.some((b) => b.insns.some((i) => isFpCsr(i.word)))) for (const fmt of [0, 1] as const) this.boundLocal(fmt);
    for (const b of region.blocks) {
      let forward = 0;
      for (const p of b.preds) {
        if (p.rpo >= b.rpo) {
          if (dominates(b, p)) this.loopHeaders.add(b);
        } else forward++;
      }
      if (b === region.entry) continue;
      const list = this.children.get(b.idom);
      if (list === undefined) this.children.set(b.idom, [b]);
      else list.push(b);
      // A node with one forward edge is emitted in place, if that edge comes from its dominator.
      if (forward > 1 || !b.preds.includes(b.idom)) this.merges.add(b);
    }
  }

  body(): void {
    const f = this.f;
    f.block();
    this.exitLabel = f.depth;
    f.block();
    this.fullExitLabel = f.depth;
    f.block();
    this.faultLabel = f.depth;
    this.tree(this.region.entry);
    f.end();
    // A fault, or a store that changed code: pc and count of the instruction.
    f.get(BASE).get(this.site).i32(10).op(Op.i32_shr_u).op(Op.i64_extend_i32_u).op(Op.i64_add).i64(SITE_BIAS).op(Op.i64_sub).set(this.npc);
    f.get(BUDGET).get(this.site).i32(1).op(Op.i32_shr_u).i32(0x1ff).op(Op.i32_and).op(Op.i32_sub).set(BUDGET);
    f.i32(RegionExit.FAULT).set(this.status);
    f.i32(0).mem(Op.i32_load, STATE_FAULT, 2).op(Op.i32_eqz).if();
    f.get(this.npc)
      .get(this.site)
      .i32(1)
      .op(Op.i32_and)
      .i32(1)
      .op(Op.i32_shl)
      .i32(2)
      .op(Op.i32_add)
      .op(Op.i64_extend_i32_u)
      .op(Op.i64_add)
      .set(this.npc);
    f.get(BUDGET).i32(1).op(Op.i32_sub).set(BUDGET);
    f.i32(RegionExit.FORWARD).set(this.status);
    f.i32(0).i32(0).mem(Op.i32_store, STATE_CODE_WRITTEN, 2);
    f.end();
    f.end(); // full exit
    for (let r = 1; r < 64; r++) if (this.written[r]) this.storeRegister(r);
    f.end(); // exit
  }
  private storeRegister(r: number): void {
    const f = this.f.i32(0);
    if (r < 32) f.get(this.x[r]).mem(Op.i64_store, STATE_X + r * 8, 3);
    else f.get(this.fx[r - 32]).mem(Op.f64_store, STATE_F + (r - 32) * 8, 3);
  }
  /** Stores what may be dirty behind the block. */
  private storeDirty(): void {
    const before = this.dirtyIn[this.block.rpo];
    const here = writtenBy(this.block);
    for (let rest = before.x | here.x; rest !== 0; rest &= rest - 1) {
      const r = 31 - Math.clz32(rest & -rest);
      this.xLocal(r);
      this.storeRegister(r);
    }
    for (let rest = before.f | here.f; rest !== 0; rest &= rest - 1) {
      const r = 31 - Math.clz32(rest & -rest);
      this.fLocal(r);
      this.storeRegister(32 + r);
    }
  }

  private tree(b: Block): void {
    const f = this.f;
    const isLoop = this.loopHeaders.has(b);
    if (isLoop) {
      f.loop();
      this.loopLabels.set(b, f.depth);
    }
    const merges = (this.children.get(b) ?? []).filter((c) => this.merges.has(c)).sort((p, q) => q.rpo - p.rpo);
    for (const m of merges) {
      f.block();
      this.labels.set(m, f.depth);
    }
    this.emitBlock(b);
    for (let i = merges.length - 1; i >= 0; i--) {
      f.end();
      this.tree(merges[i]);
    }
    if (isLoop) f.end();
  }

  private emitBlock(b: Block): void {
    this.block = b;
    this.boxed.clear();
    if (b !== b.idom && this.dirtyFs.has(b.idom)) this.dirtyFs.add(b);
    if (b === this.region.entry && this.region.cases.length > 0) {
      const labels = this.region.cases.map((c) => this.labels.get(c) as number);
      this.f.get(this.label).brTable(labels, labels[0]);
      return;
    }
    if (b.ending === 'attempt') {
      this.attemptRun(b);
      return;
    }
    if (b.ending === 'again') {
      this.runAgain(b);
      return;
    }
    const last = b.insns.length - 1;
    this.held = new Set();
    this.loaded = this.loadedIn?.get(b) ?? 0;
    this.straight(b, b.ending === 'transfer' ? last : last + 1);
    if (b.ending === 'transfer') {
      this.insn = b.insns[last];
      this.index = last;
      this.spend(b.insns.length);
      this.insn.row.emit(this);
      if ((this.insn.word & 0x7f) === OP_BRANCH) this.transfer(b, b.ctx, b.end, this.insn.off);
    }
    if (b.ending === 'transfer') return;
    this.spend(b.insns.length);
    if (b.ending === 'interpret') this.exit(b.end, RegionExit.INTERPRET);
    else this.transfer(b, b.ctx, b.end, b.end - 1);
  }
  /**
   * Instructions that only go on to the next one. From the first check on there is a second copy of them, which does each access by a call: a check
   * whose groups are not to be had goes on there.
   */
  private straight(b: Block, to: number): void {
    const { checks } = this.plans.get(b) as BlockPlan;
    const places = [...checks.keys()].filter((i) => i < to);
    if (places.length === 0) {
      this.instructions(b, 0, to);
      return;
    }
    const f = this.f;
    this.instructions(b, 0, places[0]);
    const loaded = this.loaded;
    const boxed = [...this.boxed];
    const dirty = this.dirtyFs.has(b);
    const held = this.held as Set<Group>;
    f.block();
    const join = f.depth;
    for (let k = places.length - 1; k >= 0; k--) f.block();
    const first = f.depth;
    places.forEach((at, k) => {
      const check = checks.get(at) as Check;
      this.lookUp(check, first - k);
      for (const g of check.groups) held.add(g);
      this.instructions(b, at, places[k + 1] ?? to);
    });
    f.br(join);
    this.boxed.clear();
    for (const r of boxed) this.boxed.add(r);
    if (!dirty) this.dirtyFs.delete(b);
    this.loaded = loaded;
    this.held = null;
    places.forEach((at, k) => {
      f.end();
      // Later blocks see that these groups, and those of further checks, were not found.
      for (const { group } of (checks.get(at) as Check).opens) f.i32(0).set(this.groupLocal(group));
      this.instructions(b, at, places[k + 1] ?? to);
    });
    f.end();
    this.held = held;
  }
  private instructions(b: Block, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.insn = b.insns[i];
      this.index = i;
      this.insn.row.emit(this);
      this.loaded = stepLoaded(this.loaded, this.insn.word);
    }
  }
  private spend(n: number): void {
    if (n > 0) this.f.get(BUDGET).i32(n).op(Op.i32_sub).set(BUDGET);
  }

  /** Control goes from instruction `from` to offset `to` of a function; the block's instructions are counted. */
  private transfer(source: Block, ctx: Context, to: number, from: number): void {
    const f = this.f;
    const backward = to <= from;
    const found = this.region.find(ctx, to);
    if (found === undefined) {
      this.exit(to, backward ? RegionExit.BACKWARD : RegionExit.FORWARD);
      return;
    }
    const target = source.via?.get(found) ?? found;
    // A run knows that the budget lasts for its iterations.
    if (backward && target.ending !== 'again') {
      f.get(BUDGET).i32(0).op(Op.i32_le_s).unlikelyIf();
      this.leave(to, RegionExit.BACKWARD, this.fullExitLabel);
      f.end();
    }
    this.go(source, target);
  }
  private go(source: Block, target: Block): void {
    const f = this.f;
    const { cases, switched } = this.region;
    if (switched.size > 0 && switched.has(edgeKey(source, target))) {
      f.i32(cases.indexOf(target))
        .set(this.label)
        .br(this.loopLabels.get(this.region.entry) as number);
    } else if (target.rpo <= source.rpo) f.br(this.loopLabels.get(target) as number);
    else if (this.merges.has(target)) f.br(this.labels.get(target) as number);
    else {
      const { block, insn, index } = this;
      this.tree(target);
      this.block = block;
      this.insn = insn;
      this.index = index;
    }
  }
  /** Leaves behind the block. */
  private exit(to: number, status: number): void {
    this.storeDirty();
    this.leave(to, status, this.exitLabel);
  }
  private leave(to: number, status: number, label: number): void {
    this.f.get(BASE);
    if (to !== 0) this.f.i64(to).op(Op.i64_add);
    this.f.set(this.npc).i32(status).set(this.status).br(label);
  }
  /** Leaves this instruction to the interpreter. */
  private interpretHere(): void {
    this.spend(this.index);
    this.leave(this.insn.off, RegionExit.INTERPRET, this.fullExitLabel);
  }
  private fault(): void {
    this.f
      .i32(siteOf(this.insn.off, this.index, this.insn.length))
      .set(this.site)
      .br(this.faultLabel);
  }

  /** Goes into a run's copy for iterations that need no look-ups: the first few, or as many as there are when those are through. */
  private attemptRun(b: Block): void {
    const f = this.f;
    const run = b.run as PageRun;
    const all = b === run.more;
    if (run.local === 0) {
      run.local = f.newLocal(I32);
      for (const g of run.groups) g.local = f.newLocal(I32);
    }
    const n = run.local;
    f.block();
    const no = f.depth;
    if (all) f.get(BUDGET).i32(1).op(Op.i32_sub).i32(run.iteration).op(Op.i32_div_s).set(n);
    else
      f.get(BUDGET)
        .i32(run.iteration * run.first)
        .op(Op.i32_le_s)
        .brIf(no);
    for (const a of run.aliases) {
      f.get(this.xLocal(a.reg)).get(this.xLocal(a.base));
      if (a.distance !== 0) f.i64(a.distance).op(Op.i64_add);
      f.op(Op.i64_ne).brIf(no);
    }
    for (const g of run.groups) {
      // What the iterations touch, below the group's first span and from its beginning on.
      const steps = all ? 0 : (run.first - 1) * g.stride;
      const below = Math.max(-steps, 0);
      const span = g.high - g.low + Math.abs(steps);
      const tlb = TLB_BASE + this.mode * TLB_MODE_STRIDE + (g.stores ? TLB_BYTES : 0);
      f.get(this.xLocal(g.base));
      if (g.low !== below) f.i64(g.low - below).op(Op.i64_add);
      f.tee(this.va).op(Op.i32_wrap_i64).i32(8).op(Op.i32_shr_u).i32(0x3ff0).op(Op.i32_and).tee(this.ix);
      // The index is that of the first byte's page, so the last byte's page matches the tag only when it is the same page.
      f.mem(Op.i64_load, tlb, 3).get(this.va);
      f.i64(span - 1)
        .op(Op.i64_add)
        .i64(-4096)
        .op(Op.i64_and)
        .op(Op.i64_ne)
        .brIf(no);
      f.get(this.va)
        .op(Op.i32_wrap_i64)
        .get(this.ix)
        .mem(Op.i32_load, tlb + 8, 2)
        .op(Op.i32_add);
      if (below !== 0) f.i32(below).op(Op.i32_add);
      f.set(g.local);
      if (!all || g.stride === 0) continue;
      // Bytes between the span and the end of the page that it moves towards.
      f.get(this.va).op(Op.i32_wrap_i64).i32(4095).op(Op.i32_and).set(this.ix);
      if (g.stride > 0)
        f.i32(4096 - span)
          .get(this.ix)
          .op(Op.i32_sub);
      else f.get(this.ix);
      f.i32(Math.abs(g.stride)).op(Op.i32_div_u).i32(1).op(Op.i32_add).tee(this.a0);
      f.get(n).get(this.a0).get(n).op(Op.i32_lt_s).op(Op.select).set(n);
    }
    if (all) f.get(n).i32(2).op(Op.i32_lt_s).brIf(no);
    // An iteration that always counts alike needs no counter of its own.
    if (run.even) {
      f.get(BUDGET);
      if (all) f.get(n).i32(run.iteration).op(Op.i32_mul);
      else f.i32(run.iteration * run.first);
      f.op(Op.i32_sub).set(n);
    } else if (!all) f.i32(run.first).set(n);
    this.go(b, run.fast);
    f.end();
    this.go(b, run.header);
  }
  /** The end of an iteration of a run. */
  private runAgain(b: Block): void {
    const f = this.f;
    const run = b.run as PageRun;
    for (const g of run.groups) if (g.stride !== 0) f.get(g.local).i32(g.stride).op(Op.i32_add).set(g.local);
    if (run.even) f.get(BUDGET).get(run.local).op(Op.i32_gt_s);
    else f.get(run.local).i32(1).op(Op.i32_sub).tee(run.local);
    f.likelyBrIf(this.loopLabels.get(run.fast) as number);
    this.go(b, run.more);
  }

  private get rs1n(): number {
    return (this.insn.word >>> 15) & 31;
  }
  private get rs2n(): number {
    return (this.insn.word >>> 20) & 31;
  }
  private get rdn(): number {
    return (this.insn.word >>> 7) & 31;
  }
  private xLocal(r: number): number {
    if (this.x[r] === 0) this.x[r] = this.f.newLocal(I64);
    return this.x[r];
  }
  private fLocal(r: number): number {
    this.usesFp = true;
    if (this.fx[r] === 0) this.fx[r] = this.f.newLocal(F64);
    return this.fx[r];
  }
  private pushX(r: number): void {
    if (r === 0) this.f.i64(0);
    else this.f.get(this.xLocal(r));
  }
  private pushXw(r: number): void {
    if (r === 0) this.f.i32(0);
    else this.f.get(this.xLocal(r)).op(Op.i32_wrap_i64);
  }
  rs1(): void {
    this.pushX(this.rs1n);
  }
  rs2(): void {
    this.pushX(this.rs2n);
  }
  rs1w(): void {
    this.pushXw(this.rs1n);
  }
  rs2w(): void {
    this.pushXw(this.rs2n);
  }
  rd(): void {
    const r = this.rdn;
    if (r === 0) this.f.op(Op.drop);
    else {
      this.f.set(this.xLocal(r));
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
  private immediate(): number {
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
  imm(): void {
    this.f.i64(this.immediate());
  }
  immw(): void {
    this.f.i32(this.immediate());
  }
  shamt(): void {
    this.f.i64((this.insn.word >>> 20) & 63);
  }
  shamtw(): void {
    this.f.i32((this.insn.word >>> 20) & 31);
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
  private readBounds(f: FuncBody): void {
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

  pc(): void {
    this.f.get(BASE).i64(this.insn.off).op(Op.i64_add);
  }
  nextPc(): void {
    this.f
      .get(BASE)
      .i64(this.insn.off + this.insn.length)
      .op(Op.i64_add);
  }
  jump(): void {
    const { off } = this.insn;
    const to = off + this.immediate();
    const { block } = this;
    if (this.rdn === 0) this.transfer(block, block.ctx, to, off);
    else if (block.callee !== null) this.transfer(block, block.callee, to, off);
    else this.exit(to, to <= off ? RegionExit.BACKWARD : RegionExit.FORWARD);
  }
  jumpIndirect(): void {
    const f = this.f;
    const { block, insn } = this;
    const { ctx } = block;
    f.set(this.npc);
    const inner = ctx.parent !== null && isReturn(insn.word) ? [{ ctx: ctx.parent, off: ctx.returnTo }] : [];
    const edges = inner.length > 0 ? inner : block.targets.map((off) => ({ ctx: block.callee ?? ctx, off }));
    if (edges.length > 0) {
      f.get(BUDGET).i32(0).op(Op.i32_le_s).unlikelyIf();
      f.i32(RegionExit.BACKWARD).set(this.status).br(this.fullExitLabel);
      f.end();
      for (const e of edges) {
        const found = this.region.find(e.ctx, e.off);
        if (found === undefined) continue;
        f.get(this.npc).get(BASE).i64(e.off).op(Op.i64_add).op(Op.i64_eq).if();
        this.go(block, block.via?.get(found) ?? found);
        f.end();
      }
    }
    this.storeDirty();
    if (isReturn(insn.word)) f.i32(RegionExit.BACKWARD);
    else {
      f.i32(0).i32(this.physical(insn.off)).mem(Op.i32_store, STATE_SITE, 2);
      f.i32(0).get(this.npc).get(BASE).op(Op.i64_sub).op(Op.i32_wrap_i64).i32(insn.off).op(Op.i32_sub).mem(Op.i32_store, STATE_DISTANCE, 2);
      f.i32(RegionExit.INDIRECT);
    }
    f.set(this.status).br(this.exitLabel);
  }
  private physical(off: number): number {
    return (this.region.pages.get(off >> PAGE_SHIFT) as number) + (off & (PAGE_SIZE - 1));
  }
  branchIf(): void {
    const { block, insn } = this;
    this.f.if();
    this.transfer(block, block.ctx, insn.off + this.immediate(), insn.off);
    this.f.end();
  }

  /** Pushes whether x[rs1] + imm misses the TLB or is misaligned; leaves va and ix. */
  private lookup(access: number, size: number, displacement: number): number {
    const f = this.f;
    const tlb = TLB_BASE + this.mode * TLB_MODE_STRIDE + access * TLB_BYTES;
    this.rs1();
    if (displacement !== 0) f.i64(displacement).op(Op.i64_add);
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
  /** Pushes the physical address of what was looked up; `reg` is the base of the address. */
  private pa(tlb: number, reg: number): void {
    const f = this.f;
    if (((this.loaded >>> reg) & 1) === 0) {
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
  private setVa(displacement: number): void {
    this.rs1();
    if (displacement !== 0) this.f.i64(displacement).op(Op.i64_add);
    this.f.set(this.va);
  }
  private groupLocal(g: Group): number {
    while (this.groupLocals.length <= g.slot) this.groupLocals.push(this.f.newLocal(I32));
    return this.groupLocals[g.slot];
  }
  /**
   * Looks groups up: their locals become physical addresses. Goes to `missed` when one is not to be had (a page crossed to a frame elsewhere, a fault),
   * or one that was looked up earlier was not.
   */
  private lookUp(check: Check, missed: number): void {
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
      this.pa(tlb, g.stores ? 0 : reg);
      f.set(this.groupLocal(g)).end();
    }
    for (const g of check.groups)
      if (!check.opens.some((o) => o.group === g)) f.get(this.groupLocal(g)).op(Op.i32_eqz).unlikelyBrIf(missed);
  }
  /** The physical address of an access in a group that is known to be mapped: pushes it and returns the offset to add, or -1. */
  private inGroup(): number {
    const member = this.held === null ? undefined : this.plans.get(this.block)?.members.get(this.index);
    if (member === undefined || this.held?.has(member.group) !== true) return -1;
    this.f.get(this.groupLocal(member.group));
    return member.displacement - member.group.low;
  }
  load(op: number, size: number): void {
    const f = this.f;
    const displacement = this.immediate();
    const unchecked = this.block.unchecked?.get(this.index);
    if (unchecked !== undefined) {
      f.get(unchecked.group.local).mem(op, unchecked.displacement - unchecked.group.low, 0);
      return;
    }
    if (this.held === null) {
      this.setVa(displacement);
      this.slowLoad(op, size);
      return;
    }
    const offset = this.inGroup();
    if (offset >= 0) {
      f.mem(op, offset, 0);
      return;
    }
    const tlb = this.lookup(0, size, displacement);
    f.unlikelyIf(op === Op.i32_load ? I32 : op === Op.f64_load ? F64 : I64);
    this.slowLoad(op, size);
    f.else();
    this.pa(tlb, this.rs1n);
    f.mem(op, 0, ALIGN[size]);
    f.end();
  }
  store(op: number, size: number, value: () => void): void {
    const f = this.f;
    const displacement = this.immediate();
    const unchecked = this.block.unchecked?.get(this.index);
    if (unchecked !== undefined) {
      f.get(unchecked.group.local);
      value();
      f.mem(op, unchecked.displacement - unchecked.group.low, 0);
      return;
    }
    if (this.held === null) {
      this.setVa(displacement);
      this.slowStore(op, size, value);
      return;
    }
    const offset = this.inGroup();
    if (offset >= 0) {
      value();
      f.mem(op, offset, 0);
      return;
    }
    const tlb = this.lookup(1, size, displacement);
    f.unlikelyIf();
    this.slowStore(op, size, value);
    f.else();
    this.pa(tlb, 0);
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
    this.pa(tlb, 0);
    f.end().set(this.a0);
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

  /** The whole function: guards, registers in, the body, written registers out. */
  finish(): FuncBody {
    const f = this.f;
    f.i32(0).get(this.npc).mem(Op.i64_store, STATE_PC, 3);
    f.i32(0).get(BUDGET).mem(Op.i32_store, STATE_BUDGET, 2);
    f.get(this.status);
    const whole = f.withoutCode();
    this.guards(whole);
    if (this.usesFp) {
      whole.i32(0).mem(Op.i32_load, STATE_SSTATUS, 2).i32(SSTATUS_FS).op(Op.i32_and).op(Op.i32_eqz).unlikelyIf();
      this.refuse(whole, RegionExit.INTERPRET);
      whole.end();
    }
    for (let r = 1; r < 32; r++)
      if (this.x[r] !== 0)
        whole
          .i32(0)
          .mem(Op.i64_load, STATE_X + r * 8, 3)
          .set(this.x[r]);
    for (let r = 0; r < 32; r++)
      if (this.fx[r] !== 0)
        whole
          .i32(0)
          .mem(Op.f64_load, STATE_F + r * 8, 3)
          .set(this.fx[r]);
    this.readBounds(whole);
    whole.append(f);
    return whole;
  }
  /** Returns before anything was done. */
  private refuse(f: FuncBody, status: number): void {
    f.i32(0).get(BASE).i64(this.region.start).op(Op.i64_add).mem(Op.i64_store, STATE_PC, 3);
    f.i32(0).get(BUDGET).mem(Op.i32_store, STATE_BUDGET, 2);
    f.i32(status).op(Op.return);
  }
  /**
   * A region of several pages holds only where they are mapped in the same order. That is looked at once for each base and state of the
   * execute TLB (STATE_EXEC_GENERATION).
   */
  private guards(f: FuncBody): void {
    if (this.region.pages.size < 2) return;
    const stamp = () => f.get(BASE).i64(24).op(Op.i64_shl).i32(0).mem(Op.i64_load32_u, STATE_EXEC_GENERATION, 2).op(Op.i64_or);
    f.i32(0).mem(Op.i64_load, GUARDS + this.slot * 8, 3);
    stamp();
    f.op(Op.i64_ne).unlikelyIf();
    for (const [delta, pa] of this.region.pages) {
      if (delta === 0) continue;
      f.get(BASE)
        .i64(delta * PAGE_SIZE)
        .op(Op.i64_add)
        .i32(pa)
        .call(this.imports.checkPage)
        .op(Op.i32_eqz)
        .if();
      this.refuse(f, RegionExit.GUARD);
      f.end();
    }
    f.i32(0);
    stamp();
    f.mem(Op.i64_store, GUARDS + this.slot * 8, 3);
    f.end();
  }
}

/** The function of a region; `slot` is its index in the function table. */
export function emitRegion(region: Region, imports: RegionImports, mode: number, slot: number): FuncBody {
  const e = new RegionEmit(region, imports, mode, slot);
  e.body();
  return e.finish();
}
