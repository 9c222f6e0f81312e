import { RegionExit } from '../region_exit.ts';
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
  STATE_PC,
  STATE_SITE,
  STATE_SSTATUS,
  STATE_X,
} from '../layout.ts';
import type { FuncBody } from '../wasm/encoder.ts';
import { I32, Op } from '../wasm/opcodes.ts';
import { mayBeDirty, type RegSet, stepLoaded, writtenBy } from './analysis.ts';
import { type Block, type Context, edgeKey } from './block.ts';
import { isReturn, type Region } from './cfg.ts';
import { dominates } from './dominators.ts';
import type { Check, Group } from './groups.ts';
import { BASE, BUDGET, type RegionImports, SSTATUS_FS } from './operands.ts';
import { Runs } from './run_code.ts';

// A region as one WebAssembly function with structured control flow (N. Ramsey, "Beyond Relooper", ICFP 2022): the dominator tree gives the
// nesting, loop headers become loops, merge nodes follow blocks. Registers live in locals; so does what is left of the slice, in instructions.
const OP_BRANCH = 0x63;

class RegionEmit extends Runs {
  private label = 0;
  private readonly labels = new Map<Block, number>();
  private readonly loopHeaders = new Set<Block>();
  private readonly merges = new Set<Block>();
  private readonly children = new Map<Block, Block[]>();
  /** Null in quick regions: they store all that they write, at one place for all exits. That is less to make, here and in the engine. */
  private readonly dirtyIn: readonly RegSet[] | null;
  private readonly slot: number;

  constructor(region: Region, imports: RegionImports, mode: number, slot: number) {
    super(region, imports, mode);
    this.slot = slot;
    this.dirtyIn = region.full ? mayBeDirty(region) : null;
    if (region.cases.length > 0) {
      this.loopHeaders.add(region.entry);
      for (const c of region.cases) this.merges.add(c);
      this.label = this.f.newLocal(I32);
    }
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
    f.get(BASE).get(this.site).i64(10).op(Op.i64_shr_s).op(Op.i64_add).set(this.npc);
    f.get(BUDGET).get(this.site).op(Op.i32_wrap_i64).i32(1).op(Op.i32_shr_u).i32(0x1ff).op(Op.i32_and).op(Op.i32_sub).set(BUDGET);
    f.i32(RegionExit.FAULT).set(this.status);
    f.i32(0).mem(Op.i32_load, STATE_FAULT, 2).op(Op.i32_eqz).if();
    f.get(this.npc)
      .get(this.site)
      .op(Op.i32_wrap_i64)
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
  /** Stores what may be dirty behind the block, when that is known. Returns the label to leave by. */
  private storeDirty(): number {
    if (this.dirtyIn === null) return this.fullExitLabel;
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
    return this.exitLabel;
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
    const plan = this.plans.get(b);
    this.plan = plan;
    if (plan === undefined) {
      this.instructions(b, 0, to);
      return;
    }
    const { checks } = plan;
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
    const follow = this.loadedIn !== null;
    for (let i = from; i < to; i++) {
      const insn = b.insns[i];
      this.straightInsn(insn, i);
      if (follow) this.loaded = stepLoaded(this.loaded, insn.word);
    }
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
  protected go(source: Block, target: Block): void {
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
    this.leave(to, status, this.storeDirty());
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
    const label = this.storeDirty();
    if (isReturn(insn.word)) f.i32(RegionExit.BACKWARD);
    else {
      f.i32(0).i32(this.physical(insn.off)).mem(Op.i32_store, STATE_SITE, 2);
      f.i32(0).get(this.npc).get(BASE).op(Op.i64_sub).op(Op.i32_wrap_i64).i32(insn.off).op(Op.i32_sub).mem(Op.i32_store, STATE_DISTANCE, 2);
      f.i32(RegionExit.INDIRECT);
    }
    f.set(this.status).br(label);
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
