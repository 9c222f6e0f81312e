import { Trap } from '../trap.ts';
import { I64, Op } from '../wasm/opcodes.ts';
import type { Emit, Format, Row } from './emit.ts';

// RV64I and M (The RISC-V Instruction Set Manual, Volume I, chapters 2, 4, 12), Zifencei, Zicsr.

export function row(name: string, format: Format, mask: number, match: number, emit: (e: Emit) => void, ends = false): Row {
  return { name, format, mask: mask >>> 0, match: match >>> 0, emit, ends };
}
/** Rows distinguished by opcode and funct3. */
export const byFunct3 = (name: string, format: Format, opcode: number, funct3: number, emit: (e: Emit) => void, ends = false) =>
  row(name, format, 0x707f, opcode | (funct3 << 12), emit, ends);
/** ... and funct7. */
export const byFunct7 = (name: string, opcode: number, funct3: number, funct7: number, emit: (e: Emit) => void) =>
  row(name, 'R', 0xfe00707f, opcode | (funct3 << 12) | (funct7 << 25), emit);

function binary(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.rs2();
    e.f.op(op);
    e.rd();
  };
}
function binaryW(op: number) {
  return (e: Emit) => {
    e.rs1w();
    e.rs2w();
    e.f.op(op);
    e.rdw();
  };
}
function immediate(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.imm();
    e.f.op(op);
    e.rd();
  };
}
function shiftImm(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.shamt();
    e.f.op(op);
    e.rd();
  };
}
function shiftImmW(op: number) {
  return (e: Emit) => {
    e.rs1w();
    e.shamtw();
    e.f.op(op);
    e.rdw();
  };
}
function setIf(op: number, immediateForm: boolean) {
  return (e: Emit) => {
    e.rs1();
    if (immediateForm) e.imm();
    else e.rs2();
    e.f.op(op).op(Op.i64_extend_i32_u);
    e.rd();
  };
}
function branch(op: number) {
  return (e: Emit) => {
    e.rs1();
    e.rs2();
    e.f.op(op);
    e.branchIf();
  };
}
function loadX(op: number, size: number) {
  return (e: Emit) => {
    e.load(op, size);
    e.rd();
  };
}
function storeX(op: number, size: number) {
  return (e: Emit) => e.store(op, size, () => e.rs2());
}

// Division never traps: by zero gives -1 (quotient) and the dividend (remainder); overflow gives the dividend and 0 (section 12.2).
function divide(op: number, signed: boolean, remainder: boolean) {
  return (e: Emit) => {
    const f = e.f;
    e.rs1();
    f.set(e.t0);
    e.rs2();
    f.tee(e.t1).op(Op.i64_eqz).if(I64);
    if (remainder) f.get(e.t0);
    else f.i64(-1);
    f.else();
    if (signed) {
      f.get(e.t1).i64(-1).op(Op.i64_eq).if(I64);
      if (remainder) f.i64(0);
      else f.i64(0).get(e.t0).op(Op.i64_sub);
      f.else();
    }
    f.get(e.t0).get(e.t1).op(op);
    if (signed) f.end();
    f.end();
    e.rd();
  };
}
function divideW(op: number, signed: boolean, remainder: boolean) {
  return (e: Emit) => {
    const f = e.f;
    e.rs1w();
    f.set(e.a0);
    e.rs2w();
    f.tee(e.a1).op(Op.i32_eqz).if(0x7f);
    if (remainder) f.get(e.a0);
    else f.i32(-1);
    f.else();
    if (signed) {
      f.get(e.a1).i32(-1).op(Op.i32_eq).if(0x7f);
      if (remainder) f.i32(0);
      else f.i32(0).get(e.a0).op(Op.i32_sub);
      f.else();
    }
    f.get(e.a0).get(e.a1).op(op);
    if (signed) f.end();
    f.end();
    e.rdw();
  };
}

/** Upper 64 bits of t0 * t1 (both i64 locals, as unsigned) by four 32-bit products; leaves it on the stack. */
function mulHighUnsigned(e: Emit): void {
  const f = e.f;
  const lo = (local: number) => f.get(local).i64(0xffff_ffff).op(Op.i64_and);
  const hi = (local: number) => f.get(local).i64(32).op(Op.i64_shr_u);
  // t2 = hi(a)*lo(b) + (lo(a)*lo(b) >> 32)
  hi(e.t0);
  lo(e.t1);
  f.op(Op.i64_mul);
  lo(e.t0);
  lo(e.t1);
  f.op(Op.i64_mul).i64(32).op(Op.i64_shr_u).op(Op.i64_add).set(e.t2);
  // hi(a)*hi(b) + (t2 >> 32) + ((lo(a)*hi(b) + lo(t2)) >> 32)
  hi(e.t0);
  hi(e.t1);
  f.op(Op.i64_mul).get(e.t2).i64(32).op(Op.i64_shr_u).op(Op.i64_add);
  lo(e.t0);
  hi(e.t1);
  f.op(Op.i64_mul);
  lo(e.t2);
  f.op(Op.i64_add).i64(32).op(Op.i64_shr_u).op(Op.i64_add);
}
function mulHigh(signed1: boolean, signed2: boolean) {
  return (e: Emit) => {
    const f = e.f;
    e.rs1();
    f.set(e.t0);
    e.rs2();
    f.set(e.t1);
    mulHighUnsigned(e);
    // A negative signed operand counts 2^64 too much of the other one.
    if (signed1) f.get(e.t0).i64(63).op(Op.i64_shr_s).get(e.t1).op(Op.i64_and).op(Op.i64_sub);
    if (signed2) f.get(e.t1).i64(63).op(Op.i64_shr_s).get(e.t0).op(Op.i64_and).op(Op.i64_sub);
    e.rd();
  };
}

/** What `Emit.system` does (the machine's helper). */
export const SystemOp = { FENCE_I: 0, SFENCE_VMA: 1, WFI: 2 } as const;

export const integerRows: readonly Row[] = [
  row('lui', 'U', 0x7f, 0x37, (e) => {
    e.imm();
    e.rd();
  }),
  row('auipc', 'U', 0x7f, 0x17, (e) => {
    e.pc();
    e.imm();
    e.f.op(Op.i64_add);
    e.rd();
  }),
  row(
    'jal',
    'J',
    0x7f,
    0x6f,
    (e) => {
      e.nextPc();
      e.rd();
      e.jump();
    },
    true,
  ),
  byFunct3(
    'jalr',
    'I',
    0x67,
    0,
    (e) => {
      e.rs1();
      e.imm();
      e.f.op(Op.i64_add).i64(-2).op(Op.i64_and).set(e.t0);
      e.nextPc();
      e.rd();
      e.f.get(e.t0);
      e.jumpIndirect();
    },
    true,
  ),
  byFunct3('beq', 'B', 0x63, 0, branch(Op.i64_eq), true),
  byFunct3('bne', 'B', 0x63, 1, branch(Op.i64_ne), true),
  byFunct3('blt', 'B', 0x63, 4, branch(Op.i64_lt_s), true),
  byFunct3('bge', 'B', 0x63, 5, branch(Op.i64_ge_s), true),
  byFunct3('bltu', 'B', 0x63, 6, branch(Op.i64_lt_u), true),
  byFunct3('bgeu', 'B', 0x63, 7, branch(Op.i64_ge_u), true),
  byFunct3('lb', 'I', 0x03, 0, loadX(Op.i64_load8_s, 1)),
  byFunct3('lh', 'I', 0x03, 1, loadX(Op.i64_load16_s, 2)),
  byFunct3('lw', 'I', 0x03, 2, loadX(Op.i64_load32_s, 4)),
  byFunct3('ld', 'I', 0x03, 3, loadX(Op.i64_load, 8)),
  byFunct3('lbu', 'I', 0x03, 4, loadX(Op.i64_load8_u, 1)),
  byFunct3('lhu', 'I', 0x03, 5, loadX(Op.i64_load16_u, 2)),
  byFunct3('lwu', 'I', 0x03, 6, loadX(Op.i64_load32_u, 4)),
  byFunct3('sb', 'S', 0x23, 0, storeX(Op.i64_store8, 1)),
  byFunct3('sh', 'S', 0x23, 1, storeX(Op.i64_store16, 2)),
  byFunct3('sw', 'S', 0x23, 2, storeX(Op.i64_store32, 4)),
  byFunct3('sd', 'S', 0x23, 3, storeX(Op.i64_store, 8)),
  byFunct3('addi', 'I', 0x13, 0, immediate(Op.i64_add)),
  byFunct3('slti', 'I', 0x13, 2, setIf(Op.i64_lt_s, true)),
  byFunct3('sltiu', 'I', 0x13, 3, setIf(Op.i64_lt_u, true)),
  byFunct3('xori', 'I', 0x13, 4, immediate(Op.i64_xor)),
  byFunct3('ori', 'I', 0x13, 6, immediate(Op.i64_or)),
  byFunct3('andi', 'I', 0x13, 7, immediate(Op.i64_and)),
  row('slli', 'I', 0xfc00707f, 0x1013, shiftImm(Op.i64_shl)),
  row('srli', 'I', 0xfc00707f, 0x5013, shiftImm(Op.i64_shr_u)),
  row('srai', 'I', 0xfc00707f, 0x40005013, shiftImm(Op.i64_shr_s)),
  byFunct7('add', 0x33, 0, 0, binary(Op.i64_add)),
  byFunct7('sub', 0x33, 0, 0x20, binary(Op.i64_sub)),
  byFunct7('sll', 0x33, 1, 0, binary(Op.i64_shl)),
  byFunct7('slt', 0x33, 2, 0, setIf(Op.i64_lt_s, false)),
  byFunct7('sltu', 0x33, 3, 0, setIf(Op.i64_lt_u, false)),
  byFunct7('xor', 0x33, 4, 0, binary(Op.i64_xor)),
  byFunct7('srl', 0x33, 5, 0, binary(Op.i64_shr_u)),
  byFunct7('sra', 0x33, 5, 0x20, binary(Op.i64_shr_s)),
  byFunct7('or', 0x33, 6, 0, binary(Op.i64_or)),
  byFunct7('and', 0x33, 7, 0, binary(Op.i64_and)),
  byFunct3('addiw', 'I', 0x1b, 0, (e) => {
    e.rs1w();
    e.immw();
    e.f.op(Op.i32_add);
    e.rdw();
  }),
  row('slliw', 'I', 0xfe00707f, 0x101b, shiftImmW(Op.i32_shl)),
  row('srliw', 'I', 0xfe00707f, 0x501b, shiftImmW(Op.i32_shr_u)),
  row('sraiw', 'I', 0xfe00707f, 0x4000501b, shiftImmW(Op.i32_shr_s)),
  byFunct7('addw', 0x3b, 0, 0, binaryW(Op.i32_add)),
  byFunct7('subw', 0x3b, 0, 0x20, binaryW(Op.i32_sub)),
  byFunct7('sllw', 0x3b, 1, 0, binaryW(Op.i32_shl)),
  byFunct7('srlw', 0x3b, 5, 0, binaryW(Op.i32_shr_u)),
  byFunct7('sraw', 0x3b, 5, 0x20, binaryW(Op.i32_shr_s)),
  byFunct7('mul', 0x33, 0, 1, binary(Op.i64_mul)),
  byFunct7('mulh', 0x33, 1, 1, mulHigh(true, true)),
  byFunct7('mulhsu', 0x33, 2, 1, mulHigh(true, false)),
  byFunct7('mulhu', 0x33, 3, 1, mulHigh(false, false)),
  byFunct7('div', 0x33, 4, 1, divide(Op.i64_div_s, true, false)),
  byFunct7('divu', 0x33, 5, 1, divide(Op.i64_div_u, false, false)),
  byFunct7('rem', 0x33, 6, 1, divide(Op.i64_rem_s, true, true)),
  byFunct7('remu', 0x33, 7, 1, divide(Op.i64_rem_u, false, true)),
  byFunct7('mulw', 0x3b, 0, 1, binaryW(Op.i32_mul)),
  byFunct7('divw', 0x3b, 4, 1, divideW(Op.i32_div_s, true, false)),
  byFunct7('divuw', 0x3b, 5, 1, divideW(Op.i32_div_u, false, false)),
  byFunct7('remw', 0x3b, 6, 1, divideW(Op.i32_rem_s, true, true)),
  byFunct7('remuw', 0x3b, 7, 1, divideW(Op.i32_rem_u, false, true)),
  // One hart runs at a time, so memory is sequentially consistent; every fence (and pause, a fence hint) is a no-op.
  byFunct3('fence', 'I', 0x0f, 0, () => {}),
  byFunct3('fence.i', 'I', 0x0f, 1, (e) => e.system(SystemOp.FENCE_I)),
  row('ecall', 'I', 0xffffffff, 0x73, (e) => e.trap(Trap.ECALL_U), true),
  row('ebreak', 'I', 0xffffffff, 0x100073, (e) => e.trap(Trap.BREAKPOINT), true),
  row('wfi', 'I', 0xffffffff, 0x10500073, (e) => e.system(SystemOp.WFI)),
  row('sfence.vma', 'R', 0xfe007fff, 0x12000073, (e) => e.system(SystemOp.SFENCE_VMA)),
  byFunct3('csrrw', 'I', 0x73, 1, (e) => e.csr()),
  byFunct3('csrrs', 'I', 0x73, 2, (e) => e.csr()),
  byFunct3('csrrc', 'I', 0x73, 3, (e) => e.csr()),
  byFunct3('csrrwi', 'I', 0x73, 5, (e) => e.csr()),
  byFunct3('csrrsi', 'I', 0x73, 6, (e) => e.csr()),
  byFunct3('csrrci', 'I', 0x73, 7, (e) => e.csr()),
];
