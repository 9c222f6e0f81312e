import { I32, Op } from '../wasm/opcodes.ts';
import { TLB_BASE, TLB_BYTES, TLB_MODE_STRIDE } from '../layout.ts';
import { Accesses } from './accesses.ts';
import type { Block } from './block.ts';
import { BUDGET } from './operands.ts';
import type { PageRun } from './page_runs.ts';

// The code of page runs (page_runs.ts): what goes before the iterations of a copied loop, and at the end of each.

export abstract class Runs extends Accesses {
  protected readonly loopLabels = new Map<Block, number>();
  protected abstract go(source: Block, target: Block): void;

  /** Goes into a run's copy for iterations that need no look-ups: the first few, or as many as there are when those are through. */
  protected attemptRun(b: Block): void {
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
        .op(Op.i64_ne);
      const limited = all && g.stride !== 0;
      const watched = this.mode === 1 ? this.imports.cleanBytes : null;
      if (watched === null) f.brIf(no);
      else {
        // The page may be a shadowed one: bytes that nothing is to be asked of.
        f.if();
        f.get(this.va)
          .i32(span)
          .i32(g.stores ? 1 : 0)
          .call(this.imports.groupPa)
          .tee(this.a0)
          .op(Op.i32_eqz)
          .brIf(no);
        f.get(this.a0);
        if (below !== 0) f.i32(below).op(Op.i32_add);
        f.set(g.local);
        if (limited) {
          f.get(this.a0);
          if (g.stride > 0) f.i32(span).op(Op.i32_add);
          f.i32(g.stride > 0 ? 0 : 1)
            .call(watched)
            .set(this.ix);
        }
        f.else();
      }
      f.get(this.va)
        .op(Op.i32_wrap_i64)
        .get(this.ix)
        .mem(Op.i32_load, tlb + 8, 2)
        .op(Op.i32_add);
      if (below !== 0) f.i32(below).op(Op.i32_add);
      f.set(g.local);
      if (limited) {
        // Bytes between the span and the end of the page that it moves towards.
        f.get(this.va).op(Op.i32_wrap_i64).i32(4095).op(Op.i32_and).set(this.ix);
        if (g.stride > 0)
          f.i32(4096 - span)
            .get(this.ix)
            .op(Op.i32_sub)
            .set(this.ix);
      }
      if (watched !== null) f.end();
      if (!limited) continue;
      f.get(this.ix);
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
  protected runAgain(b: Block): void {
    const f = this.f;
    const run = b.run as PageRun;
    for (const g of run.groups) if (g.stride !== 0) f.get(g.local).i32(g.stride).op(Op.i32_add).set(g.local);
    if (run.even) f.get(BUDGET).get(run.local).op(Op.i32_gt_s);
    else f.get(run.local).i32(1).op(Op.i32_sub).tee(run.local);
    f.likelyBrIf(this.loopLabels.get(run.fast) as number);
    this.go(b, run.more);
  }
}
