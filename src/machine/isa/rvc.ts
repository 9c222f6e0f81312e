// RV64C (ISA manual, volume I, chapter 26): every 16-bit instruction stands for one 32-bit instruction.
import { RVC_TABLE } from '../layout.ts';
import type { Ram } from '../ram.ts';

const bits = (w: number, hi: number, lo: number) => (w >> lo) & ((1 << (hi - lo + 1)) - 1);
const sign = (v: number, width: number) => (v << (32 - width)) >> (32 - width);

const iType = (op: number, f3: number, rd: number, rs1: number, imm: number) =>
  ((imm & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
const rType = (op: number, f3: number, f7: number, rd: number, rs1: number, rs2: number) =>
  (f7 << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
const sType = (op: number, f3: number, rs1: number, rs2: number, imm: number) =>
  (bits(imm, 11, 5) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (bits(imm, 4, 0) << 7) | op;
const bType = (f3: number, rs1: number, rs2: number, imm: number) =>
  (bits(imm, 12, 12) << 31) |
  (bits(imm, 10, 5) << 25) |
  (rs2 << 20) |
  (rs1 << 15) |
  (f3 << 12) |
  (bits(imm, 4, 1) << 8) |
  (bits(imm, 11, 11) << 7) |
  0x63;
const jType = (rd: number, imm: number) =>
  (bits(imm, 20, 20) << 31) | (bits(imm, 10, 1) << 21) | (bits(imm, 11, 11) << 20) | (bits(imm, 19, 12) << 12) | (rd << 7) | 0x6f;

/** The 32-bit equivalent of halfword `w` (low two bits not 3), as an unsigned number; 0 when reserved or illegal. */
export function expandCompressed(w: number): number {
  return expand(w) >>> 0;
}

/** The same out of the machine's table, which fills as halfwords are met: programs use a few hundred of the 49,152. */
export function expandedAt(ram: Ram, w: number): number {
  const at = (RVC_TABLE >> 2) + w;
  const known = ram.u32[at];
  return known !== 0 ? known : (ram.u32[at] = expandCompressed(w));
}

function expand(w: number): number {
  const f3 = bits(w, 15, 13);
  const rdp = 8 + bits(w, 4, 2);
  const rs1p = 8 + bits(w, 9, 7);
  const rd = bits(w, 11, 7);
  const rs2 = bits(w, 6, 2);
  const imm6 = sign((bits(w, 12, 12) << 5) | bits(w, 6, 2), 6);
  switch (w & 3) {
    case 0: {
      const offD = (bits(w, 12, 10) << 3) | (bits(w, 6, 5) << 6);
      const offW = (bits(w, 12, 10) << 3) | (bits(w, 6, 6) << 2) | (bits(w, 5, 5) << 6);
      switch (f3) {
        case 0: {
          const imm = (bits(w, 12, 11) << 4) | (bits(w, 10, 7) << 6) | (bits(w, 6, 6) << 2) | (bits(w, 5, 5) << 3);
          return imm === 0 ? 0 : iType(0x13, 0, rdp, 2, imm); // c.addi4spn
        }
        case 1:
          return iType(0x07, 3, rdp, rs1p, offD); // c.fld
        case 2:
          return iType(0x03, 2, rdp, rs1p, offW); // c.lw
        case 3:
          return iType(0x03, 3, rdp, rs1p, offD); // c.ld
        case 5:
          return sType(0x27, 3, rs1p, rdp, offD); // c.fsd
        case 6:
          return sType(0x23, 2, rs1p, rdp, offW); // c.sw
        case 7:
          return sType(0x23, 3, rs1p, rdp, offD); // c.sd
        default:
          return 0;
      }
    }
    case 1:
      switch (f3) {
        case 0:
          return iType(0x13, 0, rd, rd, imm6); // c.addi, c.nop
        case 1:
          return rd === 0 ? 0 : iType(0x1b, 0, rd, rd, imm6); // c.addiw
        case 2:
          return iType(0x13, 0, rd, 0, imm6); // c.li
        case 3: {
          if (rd === 2) {
            const imm = sign(
              (bits(w, 12, 12) << 9) | (bits(w, 6, 6) << 4) | (bits(w, 5, 5) << 6) | (bits(w, 4, 3) << 7) | (bits(w, 2, 2) << 5),
              10,
            );
            return imm === 0 ? 0 : iType(0x13, 0, 2, 2, imm); // c.addi16sp
          }
          return imm6 === 0 ? 0 : ((imm6 << 12) & 0xfffff000) | (rd << 7) | 0x37; // c.lui
        }
        case 4: {
          const sh = imm6 & 63;
          switch (bits(w, 11, 10)) {
            case 0:
              return iType(0x13, 5, rs1p, rs1p, sh); // c.srli
            case 1:
              return iType(0x13, 5, rs1p, rs1p, sh | 0x400); // c.srai
            case 2:
              return iType(0x13, 7, rs1p, rs1p, imm6); // c.andi
            default:
              switch ((bits(w, 12, 12) << 2) | bits(w, 6, 5)) {
                case 0:
                  return rType(0x33, 0, 0x20, rs1p, rs1p, rdp); // c.sub
                case 1:
                  return rType(0x33, 4, 0, rs1p, rs1p, rdp); // c.xor
                case 2:
                  return rType(0x33, 6, 0, rs1p, rs1p, rdp); // c.or
                case 3:
                  return rType(0x33, 7, 0, rs1p, rs1p, rdp); // c.and
                case 4:
                  return rType(0x3b, 0, 0x20, rs1p, rs1p, rdp); // c.subw
                case 5:
                  return rType(0x3b, 0, 0, rs1p, rs1p, rdp); // c.addw
                default:
                  return 0;
              }
          }
        }
        case 5: {
          const imm = sign(
            (bits(w, 12, 12) << 11) |
              (bits(w, 11, 11) << 4) |
              (bits(w, 10, 9) << 8) |
              (bits(w, 8, 8) << 10) |
              (bits(w, 7, 7) << 6) |
              (bits(w, 6, 6) << 7) |
              (bits(w, 5, 3) << 1) |
              (bits(w, 2, 2) << 5),
            12,
          );
          return jType(0, imm); // c.j
        }
        default: {
          const imm = sign(
            (bits(w, 12, 12) << 8) | (bits(w, 11, 10) << 3) | (bits(w, 6, 5) << 6) | (bits(w, 4, 3) << 1) | (bits(w, 2, 2) << 5),
            9,
          );
          return bType(f3 === 6 ? 0 : 1, rs1p, 0, imm); // c.beqz, c.bnez
        }
      }
    default:
      switch (f3) {
        case 0:
          return iType(0x13, 1, rd, rd, imm6 & 63); // c.slli
        case 1:
          return iType(0x07, 3, rd, 2, (bits(w, 12, 12) << 5) | (bits(w, 6, 5) << 3) | (bits(w, 4, 2) << 6)); // c.fldsp
        case 2:
          return rd === 0 ? 0 : iType(0x03, 2, rd, 2, (bits(w, 12, 12) << 5) | (bits(w, 6, 4) << 2) | (bits(w, 3, 2) << 6)); // c.lwsp
        case 3:
          return rd === 0 ? 0 : iType(0x03, 3, rd, 2, (bits(w, 12, 12) << 5) | (bits(w, 6, 5) << 3) | (bits(w, 4, 2) << 6)); // c.ldsp
        case 4:
          if (bits(w, 12, 12) === 0) {
            if (rs2 === 0) return rd === 0 ? 0 : iType(0x67, 0, 0, rd, 0); // c.jr
            return rType(0x33, 0, 0, rd, 0, rs2); // c.mv
          }
          if (rs2 === 0) return rd === 0 ? 0x100073 : iType(0x67, 0, 1, rd, 0); // c.ebreak, c.jalr
          return rType(0x33, 0, 0, rd, rd, rs2); // c.add
        case 5:
          return sType(0x27, 3, 2, rs2, (bits(w, 12, 10) << 3) | (bits(w, 9, 7) << 6)); // c.fsdsp
        case 6:
          return sType(0x23, 2, 2, rs2, (bits(w, 12, 9) << 2) | (bits(w, 8, 7) << 6)); // c.swsp
        default:
          return sType(0x23, 3, 2, rs2, (bits(w, 12, 10) << 3) | (bits(w, 9, 7) << 6)); // c.sdsp
      }
  }
}
