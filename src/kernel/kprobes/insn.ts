import type { Kernel } from '../kernel.ts';

// Instructions under a probe (arch/riscv/kernel/probes): those that depend on where they stand are done here, the others run in a slot of their own, and a few
// cannot be probed. Formats: RISC-V unprivileged ISA, chapters "RV32I" and "C".

export type ProbeInsn = 'rejected' | 'simulate' | 'slot';

/** Bytes of an instruction by its first halfword. */
export function insnLength(half: number): 2 | 4 {
  return (half & 3) === 3 ? 4 : 2;
}

const OPCODE = 0x7f;
const SYSTEM = 0x73;
const FENCE = 0x0f;
const JAL = 0x6f;
const JALR = 0x67;
const AUIPC = 0x17;
const BRANCH = 0x63;
const C_EBREAK = 0x9002;
/** Compressed formats: mask and value. */
const C_J = [0xe003, 0xa001] as const;
const C_BEQZ = [0xe003, 0xc001] as const;
const C_BNEZ = [0xe003, 0xe001] as const;
const C_JR = [0xf07f, 0x8002] as const;
const C_JALR = [0xf07f, 0x9002] as const;
const is = (insn: number, [mask, value]: readonly [number, number]) => (insn & mask) === value;

/** riscv_probe_decode_insn. */
export function decodeProbe(insn: number): ProbeInsn {
  const half = insn & 0xffff;
  if (insnLength(half) === 4) {
    const opcode = insn & OPCODE;
    if (opcode === SYSTEM || opcode === FENCE) return 'rejected';
    return opcode === JAL || opcode === JALR || opcode === AUIPC || opcode === BRANCH ? 'simulate' : 'slot';
  }
  if (half === C_EBREAK) return 'rejected';
  return [C_J, C_JR, C_JALR, C_BEQZ, C_BNEZ].some((format) => is(half, format)) ? 'simulate' : 'slot';
}

const bit = (insn: number, from: number, count: number) => (insn >>> from) & ((1 << count) - 1);
const signed = (value: number, bits: number) => (value << (32 - bits)) >> (32 - bits);

/** Does in the machine's registers what the instruction at `addr` does: its pc included. */
export function simulate(k: Kernel, insn: number, addr: number): void {
  const { regs } = k.machine;
  const half = insn & 0xffff;
  if (insnLength(half) === 2) {
    simulateCompressed(k, half, addr);
    return;
  }
  const rd = bit(insn, 7, 5);
  const rs1 = bit(insn, 15, 5);
  const link = () => {
    if (rd !== 0) regs.set(rd, addr + 4);
  };
  switch (insn & OPCODE) {
    case AUIPC:
      if (rd !== 0) regs.set(rd, addr + ((insn & ~0xfff) | 0));
      regs.pc = addr + 4;
      return;
    case JAL: {
      const offset = signed((bit(insn, 31, 1) << 20) | (bit(insn, 12, 8) << 12) | (bit(insn, 20, 1) << 11) | (bit(insn, 21, 10) << 1), 21);
      link();
      regs.pc = addr + offset;
      return;
    }
    case JALR: {
      const target = regs.getBig(rs1) + BigInt(signed(bit(insn, 20, 12), 12));
      link();
      jumpTo(k, target);
      return;
    }
    default: {
      const offset = signed((bit(insn, 31, 1) << 12) | (bit(insn, 7, 1) << 11) | (bit(insn, 25, 6) << 5) | (bit(insn, 8, 4) << 1), 13);
      const [a, b] = [regs.getBig(rs1), regs.getBig(bit(insn, 20, 5))];
      const [ua, ub] = [BigInt.asUintN(64, a), BigInt.asUintN(64, b)];
      const taken = [a === b, a !== b, false, false, a < b, a >= b, ua < ub, ua >= ub][bit(insn, 12, 3)];
      regs.pc = addr + (taken ? offset : 4);
    }
  }
}
function jumpTo(k: Kernel, target: bigint): void {
  k.machine.regs.pc = Number(BigInt.asIntN(64, target & ~1n));
}
function simulateCompressed(k: Kernel, insn: number, addr: number): void {
  const { regs } = k.machine;
  if (is(insn, C_J)) {
    const offset =
      (bit(insn, 12, 1) << 11) |
      (bit(insn, 11, 1) << 4) |
      (bit(insn, 9, 2) << 8) |
      (bit(insn, 8, 1) << 10) |
      (bit(insn, 7, 1) << 6) |
      (bit(insn, 6, 1) << 7) |
      (bit(insn, 3, 3) << 1) |
      (bit(insn, 2, 1) << 5);
    regs.pc = addr + signed(offset, 12);
    return;
  }
  if (is(insn, C_BEQZ) || is(insn, C_BNEZ)) {
    const offset = (bit(insn, 12, 1) << 8) | (bit(insn, 10, 2) << 3) | (bit(insn, 5, 2) << 6) | (bit(insn, 3, 2) << 1) | (bit(insn, 2, 1) << 5);
    const zero = regs.getBig(8 + bit(insn, 7, 3)) === 0n;
    regs.pc = addr + (zero === is(insn, C_BEQZ) ? signed(offset, 9) : 2);
    return;
  }
  const target = regs.getBig(bit(insn, 7, 5));
  if (is(insn, C_JALR)) regs.set(1, addr + 2);
  jumpTo(k, target);
}
