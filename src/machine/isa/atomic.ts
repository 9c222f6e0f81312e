import { Op } from '../wasm/opcodes.ts';
import { STATE_RESERVATION } from '../layout.ts';
import type { Emit, Row } from './emit.ts';
import { row } from './integer.ts';

// RV64A (ISA manual, volume I, chapter 13). Harts run one at a time and slices end only at control transfers, so a plain
// read-modify-write is atomic; aq and rl need nothing.

const amoRow = (name: string, funct3: number, funct5: number, emit: (e: Emit) => void) =>
  row(name, 'R', 0xf800707f, 0x2f | (funct3 << 12) | (funct5 << 27), emit);

/** `combine` has the old value in t0 and the operand in t1 (i64), and leaves the new value. */
function amo(size: 4 | 8, combine: (e: Emit) => void) {
  return (e: Emit) => {
    const f = e.f;
    e.amoAddress(size, true);
    f.get(e.a0)
      .mem(size === 4 ? Op.i64_load32_s : Op.i64_load, 0)
      .set(e.t0);
    e.rs2();
    if (size === 4) f.op(Op.i64_extend32_s);
    f.set(e.t1);
    f.get(e.a0);
    combine(e);
    f.mem(size === 4 ? Op.i64_store32 : Op.i64_store, 0);
    f.get(e.t0);
    e.rd();
  };
}
const plain = (op: number) => (e: Emit) => void e.f.get(e.t0).get(e.t1).op(op);
const pick = (compare: number) => (e: Emit) => void e.f.get(e.t0).get(e.t1).get(e.t0).get(e.t1).op(compare).op(Op.select);

// A 32-bit unsigned minimum compares zero-extended values; sign-extended words order the same way as unsigned 64-bit numbers.
const COMBINE: readonly (readonly [string, number, (e: Emit) => void])[] = [
  ['amoadd', 0x00, plain(Op.i64_add)],
  ['amoswap', 0x01, (e) => void e.f.get(e.t1)],
  ['amoxor', 0x04, plain(Op.i64_xor)],
  ['amoor', 0x08, plain(Op.i64_or)],
  ['amoand', 0x0c, plain(Op.i64_and)],
  ['amomin', 0x10, pick(Op.i64_lt_s)],
  ['amomax', 0x14, pick(Op.i64_gt_s)],
  ['amominu', 0x18, pick(Op.i64_lt_u)],
  ['amomaxu', 0x1c, pick(Op.i64_gt_u)],
];

function loadReserved(size: 4 | 8) {
  return (e: Emit) => {
    e.amoAddress(size, false);
    e.f.i32(0).get(e.a0).op(Op.i64_extend_i32_u).mem(Op.i64_store, STATE_RESERVATION);
    e.f.get(e.a0).mem(size === 4 ? Op.i64_load32_s : Op.i64_load, 0);
    e.rd();
  };
}
function storeConditional(size: 4 | 8) {
  return (e: Emit) => {
    const f = e.f;
    e.amoAddress(size, true);
    f.i32(0).mem(Op.i64_load, STATE_RESERVATION).get(e.a0).op(Op.i64_extend_i32_u).op(Op.i64_eq).if();
    f.get(e.a0);
    e.rs2();
    f.mem(size === 4 ? Op.i64_store32 : Op.i64_store, 0);
    f.i64(0).set(e.t0);
    f.else().i64(1).set(e.t0).end();
    f.i32(0).i64(-1).mem(Op.i64_store, STATE_RESERVATION);
    f.get(e.t0);
    e.rd();
  };
}

export const atomicRows: readonly Row[] = [
  row('lr.w', 'R', 0xf9f0707f, 0x1000202f, loadReserved(4)),
  row('lr.d', 'R', 0xf9f0707f, 0x1000302f, loadReserved(8)),
  amoRow('sc.w', 2, 0x03, storeConditional(4)),
  amoRow('sc.d', 3, 0x03, storeConditional(8)),
  ...COMBINE.flatMap(([name, funct5, combine]) => [
    amoRow(`${name}.w`, 2, funct5, amo(4, combine)),
    amoRow(`${name}.d`, 3, funct5, amo(8, combine)),
  ]),
];
