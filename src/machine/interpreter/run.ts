import { dispatchGroups } from '../isa/table.ts';
import { FUEL, HEAT, HEAT_ENTRIES, JUMP_CACHE, JUMP_CACHE_ENTRIES, PROFILE, PROFILE_ENTRIES, RVC_TABLE, STATE_BUDGET, STATE_CAUSE, STATE_DISPATCHES, STATE_DISTANCE, STATE_FAULT, STATE_HEAT_LIMIT, STATE_INSTRET, STATE_LIMIT, STATE_MODE, STATE_PC, STATE_SITE, STATE_TRANSLATED, TLB_BASE, TLB_BYTES, TLB_MODE_STRIDE } from '../layout.ts';
import { RegionExit } from '../region_exit.ts';
import { Trap } from '../trap.ts';
import { FuncBody } from '../wasm/encoder.ts';
import { I32, I64, Op } from '../wasm/opcodes.ts';
import { InterpreterEmit } from './emit.ts';
import type { Shared } from './functions.ts';

// The cold tier: a WebAssembly interpreter generated from the table of instruction semantics. It fetches through the execute TLB,
// expands compressed instructions by a table, and dispatches on (funct3, opcode) with one br_table; rows that share a slot are told
// apart by their remaining mask bits.

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

export function runBody(shared: Shared, regionType: number): FuncBody {
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
