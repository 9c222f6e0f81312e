import { FPU_A, FPU_B, FPU_C, FPU_R, STATE_FCSR } from '../layout.ts';
import type { Ram } from '../ram.ts';
import * as soft from './softfloat.ts';

/** Operation numbers of the helper; the low bit selects D over S. */
export const FpuOp = {
  ADD: 0,
  SUB: 2,
  MUL: 4,
  DIV: 6,
  SQRT: 8,
  MADD: 10,
  MSUB: 12,
  NMSUB: 14,
  NMADD: 16,
  MIN: 18,
  MAX: 20,
  EQ: 22,
  LT: 24,
  LE: 26,
  CLASS: 28,
  TO_W: 30,
  TO_WU: 32,
  TO_L: 34,
  TO_LU: 36,
  FROM_W: 38,
  FROM_WU: 40,
  FROM_L: 42,
  FROM_LU: 44,
  /** To the format of the low bit, from the other one. */
  CVT: 46,
} as const;

/** Does one operation on the scratch operands, accrues its flags in fcsr. Operands of S are 32-bit patterns. */
export function fpuExecute(ram: Ram, op: number, rm: number): void {
  const view = ram.view;
  const fmt = (op & 1) !== 0 ? soft.F64 : soft.F32;
  const width = (op & 1) !== 0 ? 64 : 32;
  const operand = (pa: number) => BigInt.asUintN(width, view.getBigUint64(pa, true));
  soft.clearFlags();
  const a = operand(FPU_A);
  let r: bigint;
  switch (op & ~1) {
    case FpuOp.ADD:
      r = soft.add(fmt, a, operand(FPU_B), rm);
      break;
    case FpuOp.SUB:
      r = soft.sub(fmt, a, operand(FPU_B), rm);
      break;
    case FpuOp.MUL:
      r = soft.mul(fmt, a, operand(FPU_B), rm);
      break;
    case FpuOp.DIV:
      r = soft.div(fmt, a, operand(FPU_B), rm);
      break;
    case FpuOp.SQRT:
      r = soft.sqrt(fmt, a, rm);
      break;
    case FpuOp.MADD:
      r = soft.fma(fmt, a, operand(FPU_B), operand(FPU_C), false, false, rm);
      break;
    case FpuOp.MSUB:
      r = soft.fma(fmt, a, operand(FPU_B), operand(FPU_C), false, true, rm);
      break;
    case FpuOp.NMSUB:
      r = soft.fma(fmt, a, operand(FPU_B), operand(FPU_C), true, false, rm);
      break;
    case FpuOp.NMADD:
      r = soft.fma(fmt, a, operand(FPU_B), operand(FPU_C), true, true, rm);
      break;
    case FpuOp.MIN:
      r = soft.minMax(fmt, a, operand(FPU_B), false);
      break;
    case FpuOp.MAX:
      r = soft.minMax(fmt, a, operand(FPU_B), true);
      break;
    case FpuOp.EQ:
      r = soft.compare(fmt, a, operand(FPU_B), 'eq');
      break;
    case FpuOp.LT:
      r = soft.compare(fmt, a, operand(FPU_B), 'lt');
      break;
    case FpuOp.LE:
      r = soft.compare(fmt, a, operand(FPU_B), 'le');
      break;
    case FpuOp.CLASS:
      r = soft.classify(fmt, a);
      break;
    case FpuOp.TO_W:
      r = soft.toInt(fmt, a, 32, true, rm);
      break;
    case FpuOp.TO_WU:
      r = soft.toInt(fmt, a, 32, false, rm);
      break;
    case FpuOp.TO_L:
      r = soft.toInt(fmt, a, 64, true, rm);
      break;
    case FpuOp.TO_LU:
      r = soft.toInt(fmt, a, 64, false, rm);
      break;
    case FpuOp.FROM_W:
      r = soft.fromInt(fmt, BigInt(view.getInt32(FPU_A, true)), rm);
      break;
    case FpuOp.FROM_WU:
      r = soft.fromInt(fmt, BigInt(view.getUint32(FPU_A, true)), rm);
      break;
    case FpuOp.FROM_L:
      r = soft.fromInt(fmt, view.getBigInt64(FPU_A, true), rm);
      break;
    case FpuOp.FROM_LU:
      r = soft.fromInt(fmt, view.getBigUint64(FPU_A, true), rm);
      break;
    default: {
      const from = (op & 1) !== 0 ? soft.F32 : soft.F64;
      r = soft.convert(from, fmt, BigInt.asUintN((op & 1) !== 0 ? 32 : 64, view.getBigUint64(FPU_A, true)), rm);
    }
  }
  view.setBigInt64(FPU_R, r, true);
  view.setUint32(STATE_FCSR, view.getUint32(STATE_FCSR, true) | soft.flags, true);
}
