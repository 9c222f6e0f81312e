import { PageKind } from '../api.ts';
import { CODE_MAP, PAGE_SHIFT, RAM_BASE, SLOW_VALUE, STATE_MODE, STATE_REFILLS, STATE_ROOT, STATE_USER_TLB_USED, TLB_BASE, TLB_BYTES, TLB_MODE_STRIDE } from '../layout.ts';
import { PTE_A as A, PTE_D as D, PTE_R as R, PTE_U as U, PTE_V as V, PTE_W as W, PTE_X as X } from '../mmu.ts';
import { FuncBody } from '../wasm/encoder.ts';
import { I32, I64, Op } from '../wasm/opcodes.ts';
import type { Shared } from './functions.ts';
import { cleanFrom, type Watch, WATCHED_SET, watchedBytes } from './watch.ts';

// Memory through the TLB, which translated code calls, too.

/**
 * (va i64, kind i32) -> i32: the ordinary case of a TLB miss, a 4 KiB page or a part of a 2 MiB one whose PTE allows the access with A and D set already. 1 = the TLB
 * holds the page now, 2 = that of shadowed pages does. Everything else, faults too, is for the walk in mmu.ts.
 */
export function refillFunction(memoryBytes: number, watch: Watch | null): FuncBody {
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

/** (va i64) -> i64: through the TLB, refilled when it misses; what faults or crosses a page goes to the slow import. */
export function loadFunction(shared: Pick<Shared, 'imports'>, refill: number, op: number, size: number, watch: Watch | null): FuncBody {
  const f = new FuncBody(1);
  throughTlb(f, refill, 0, size, watch, () => f.mem(op, 0, 0).op(Op.return));
  f.get(0).op(Op.i32_wrap_i64).get(0).i64(32).op(Op.i64_shr_u).op(Op.i32_wrap_i64).i32(size).call(shared.imports.slowLoad).op(Op.drop);
  f.i32(0).mem(Op.i64_load, SLOW_VALUE, 3);
  return f;
}

/** (va i64, value i64). */
export function storeFunction(shared: Pick<Shared, 'imports'>, refill: number, op: number, size: number, watch: Watch | null): FuncBody {
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
export function groupPaFunction(refill: number, watch: Watch | null): FuncBody {
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

/** (va i64, pa i32) -> i32: whether the page is mapped there for execution; the TLB holds it then. */
export function checkPageFunction(refill: number): FuncBody {
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
