// Encoders for the few instructions that test programs are framed with (ISA manual, volume I, chapter 34).

const u = (n: number) => n >>> 0;
export const iType = (opcode: number, f3: number, rd: number, rs1: number, imm: number) =>
  u(((imm & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode);
export const rType = (opcode: number, f3: number, f7: number, rd: number, rs1: number, rs2: number) =>
  u((f7 << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode);
export const sType = (opcode: number, f3: number, rs1: number, rs2: number, imm: number) =>
  u((((imm >> 5) & 0x7f) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | ((imm & 31) << 7) | opcode);
export const bType = (f3: number, rs1: number, rs2: number, off: number) =>
  u(
    (((off >> 12) & 1) << 31) |
      (((off >> 5) & 63) << 25) |
      (rs2 << 20) |
      (rs1 << 15) |
      (f3 << 12) |
      (((off >> 1) & 15) << 8) |
      (((off >> 11) & 1) << 7) |
      0x63,
  );
export const jal = (rd: number, off: number) =>
  u((((off >> 20) & 1) << 31) | (((off >> 1) & 0x3ff) << 21) | (((off >> 11) & 1) << 20) | (((off >> 12) & 0xff) << 12) | (rd << 7) | 0x6f);
export const jalr = (rd: number, rs1: number, imm: number) => iType(0x67, 0, rd, rs1, imm);
export const addi = (rd: number, rs1: number, imm: number) => iType(0x13, 0, rd, rs1, imm);
export const lui = (rd: number, value: number) => u((value & 0xfffff000) | (rd << 7) | 0x37);
export const auipc = (rd: number, value: number) => u((value & 0xfffff000) | (rd << 7) | 0x17);
export const ld = (rd: number, rs1: number, imm: number) => iType(0x03, 3, rd, rs1, imm);
export const lw = (rd: number, rs1: number, imm: number) => iType(0x03, 2, rd, rs1, imm);
export const sd = (rs2: number, rs1: number, imm: number) => sType(0x23, 3, rs1, rs2, imm);
export const sw = (rs2: number, rs1: number, imm: number) => sType(0x23, 2, rs1, rs2, imm);
export const fld = (rd: number, rs1: number, imm: number) => iType(0x07, 3, rd, rs1, imm);
export const fsd = (rs2: number, rs1: number, imm: number) => sType(0x27, 3, rs1, rs2, imm);
export const csrrw = (rd: number, csr: number, rs1: number) => iType(0x73, 1, rd, rs1, csr);
export const csrrs = (rd: number, csr: number, rs1: number) => iType(0x73, 2, rd, rs1, csr);
export const csrrwi = (rd: number, csr: number, imm: number) => iType(0x73, 5, rd, imm, csr);
export const ECALL = 0x73;
export const EBREAK = 0x100073;
export const FENCE_I = 0x100f;
/** The two words that set rd to the address `value` (below 2^31). */
export const li32 = (rd: number, value: number): [number, number] => {
  const high = (value + 0x800) & ~0xfff;
  return [lui(rd, high), iType(0x1b, 0, rd, rd, value - high)];
};
const bit = (off: number, from: number, to: number) => ((off >> from) & 1) << to;
/** c.j, and c.beqz (or c.bnez) of x8..x15. */
export const cj = (off: number) =>
  0xa001 |
  bit(off, 11, 12) |
  bit(off, 4, 11) |
  (((off >> 8) & 3) << 9) |
  bit(off, 10, 8) |
  bit(off, 6, 7) |
  bit(off, 7, 6) |
  (((off >> 1) & 7) << 3) |
  bit(off, 5, 2);
export const cbz = (zero: boolean, rs1: number, off: number) =>
  (zero ? 0xc001 : 0xe001) |
  ((rs1 - 8) << 7) |
  bit(off, 8, 12) |
  (((off >> 3) & 3) << 10) |
  (((off >> 6) & 3) << 5) |
  (((off >> 1) & 3) << 3) |
  bit(off, 5, 2);
