import { STATE_MODE, TLB_BASE, TLB_BYTES, TLB_MODE_STRIDE, WATCH_TLB } from '../layout.ts';
import { FuncBody } from '../wasm/encoder.ts';
import { I32, I64, Op } from '../wasm/opcodes.ts';

// Memory that a watcher looks at: its shadow is asked here (api.ts, WatchedMemory).

/** What the code of a machine with a watcher knows at build time. */
export interface Watch {
  readonly shadow: number;
  readonly kinds: number;
}

/** Offset of the TLB of shadowed pages for an entry of the S-mode set. */
export const WATCHED_SET = TLB_BASE + TLB_MODE_STRIDE;

/** Asks the shadow of `size` bytes at the physical address in local `pa` (api.ts, WatchedMemory), and marks what is stored to: goes to `slow` when the access is to be shown. */
export function watchedBytes(f: FuncBody, watch: Watch, kind: number, size: number, pa: number, slow: number): void {
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
export function watchedAmoFunction(watch: Watch, refill: number, machine: number): FuncBody {
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

/** Sets `at` to the first 8 bytes from the physical address in local `pa` on with a bit in their shadow; what `end` pushes is enough. */
export function cleanFrom(f: FuncBody, watch: Watch, pa: number, end: () => void, at: number): void {
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
export function cleanBytesFunction(watch: Watch): FuncBody {
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
