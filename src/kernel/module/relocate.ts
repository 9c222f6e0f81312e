import { EINVAL, ENOEXEC } from '../../abi/errno.ts';
import * as R from '../../abi/elf.ts';
import type { Kernel } from '../kernel.ts';
import { hex64 } from '../lib/seq_file.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { kernelToPhys } from '../mm/vmalloc.ts';
import type { ElfSymbol, ModuleElf, Section } from './elf.ts';

// Relocations of a module (arch/riscv/kernel/module.c, RISC-V psABI). Symbols carry final addresses.

type Complain = (text: string) => void;

/** One place to patch: up to 8 bytes in RAM, which may cross a page. */
class Place {
  private readonly k: Kernel;
  readonly va: number;
  private readonly first: number;
  /** Bytes up to the end of the page. */
  private readonly rest: number;
  constructor(k: Kernel, va: number) {
    this.k = k;
    this.va = va;
    this.first = kernelToPhys(k, va);
    this.rest = PAGE_SIZE - (va & (PAGE_SIZE - 1));
  }
  private pa(offset: number): number {
    return offset < this.rest ? this.first + offset : kernelToPhys(this.k, this.va + offset);
  }
  get(bytes: number): bigint {
    let n = 0n;
    for (let i = bytes - 1; i >= 0; i--) n = (n << 8n) | BigInt(this.k.ram.u8[this.pa(i)]);
    return n;
  }
  set(bytes: number, value: bigint): void {
    let n = BigInt.asUintN(64, value);
    for (let i = 0; i < bytes; i++, n >>= 8n) this.k.ram.u8[this.pa(i)] = Number(n & 0xffn);
  }
  get insn(): number {
    return Number(this.get(4)) | 0;
  }
  set insn(value: number) {
    this.set(4, BigInt(value >>> 0));
  }
}

const bits = (value: number, from: number, count: number) => (Math.floor(value / 2 ** from) >>> 0) & (2 ** count - 1);
function encodeB(imm: number): number {
  return (bits(imm, 12, 1) << 31) | (bits(imm, 5, 6) << 25) | (bits(imm, 1, 4) << 8) | (bits(imm, 11, 1) << 7);
}
function encodeJ(imm: number): number {
  return (bits(imm, 20, 1) << 31) | (bits(imm, 1, 10) << 21) | (bits(imm, 11, 1) << 20) | (bits(imm, 12, 8) << 12);
}
function encodeCB(imm: number): number {
  return (bits(imm, 8, 1) << 12) | (bits(imm, 3, 2) << 10) | (bits(imm, 6, 2) << 5) | (bits(imm, 1, 2) << 3) | (bits(imm, 5, 1) << 2);
}
function encodeCJ(imm: number): number {
  return (
    (bits(imm, 11, 1) << 12) |
    (bits(imm, 4, 1) << 11) |
    (bits(imm, 8, 2) << 9) |
    (bits(imm, 10, 1) << 8) |
    (bits(imm, 6, 1) << 7) |
    (bits(imm, 7, 1) << 6) |
    (bits(imm, 1, 3) << 3) |
    (bits(imm, 5, 1) << 2)
  );
}
const hi20 = (offset: number) => Math.floor((offset + 0x800) / 4096) * 4096;
const fits = (offset: number, width: number) => offset >= -(2 ** (width - 1)) && offset < 2 ** (width - 1);

/** Applies the relocations in section `rel` to the section it names. 0, or -errno after a line in the log. */
export function applyRelocateAdd(k: Kernel, elf: ModuleElf, rel: Section, complain: Complain): number {
  const { view, sections, symbols } = elf;
  const target = sections[rel.info];
  const count = Math.floor(rel.size / R.Rela.sizeof);
  const at = (i: number) => rel.offset + i * R.Rela.sizeof;
  /** Offset from each auipc to its target, by the auipc's address: what PCREL_LO12 looks up. */
  const hi20s = new Map<number, number>();
  const entries: { place: Place; type: number; symbol: ElfSymbol; value: number; big: bigint }[] = [];
  for (let i = 0; i < count; i++) {
    const offset = Number(view.getBigUint64(at(i) + R.Rela.r_offset, true));
    const type = view.getUint32(at(i) + R.Rela.r_type, true);
    const index = view.getUint32(at(i) + R.Rela.r_sym, true);
    const addend = view.getBigInt64(at(i) + R.Rela.r_addend, true);
    if (index >= symbols.length || offset < 0 || offset >= target.size) return -ENOEXEC;
    const symbol = symbols[index];
    // IS_ERR_VALUE: weak symbols that nothing defined stay 0.
    const big = BigInt(symbol.value) + addend;
    const place = new Place(k, target.addr + offset);
    const width = widthOf(type);
    if (width < 0) {
      complain(`Unknown relocation type ${type}`);
      return -EINVAL;
    }
    if (offset + width > target.size) return -ENOEXEC;
    const value = Number(big);
    if (type === R.R_RISCV_PCREL_HI20) hi20s.set(place.va, value - place.va);
    entries.push({ place, type, symbol, value, big });
  }
  for (const { place, type, symbol, value, big } of entries) {
    const offset = value - place.va;
    const far = (name: string, width: number) => {
      if (fits(offset, width)) return false;
      complain(`target ${hex64(value)} can not be addressed by the 32-bit offset from PC = ${hex64(place.va)} (${name})`);
      return true;
    };
    switch (type) {
      case R.R_RISCV_NONE:
      case R.R_RISCV_RELAX:
        break;
      case R.R_RISCV_ALIGN:
        complain(`The unexpected relocation type 'R_RISCV_ALIGN' from PC = ${hex64(place.va)}`);
        return -EINVAL;
      case R.R_RISCV_32:
        if (value !== (value | 0)) {
          complain(`value ${hex64(value)} out of range for 32-bit field`);
          return -EINVAL;
        }
        place.set(4, big);
        break;
      case R.R_RISCV_64:
        place.set(8, big);
        break;
      case R.R_RISCV_32_PCREL:
        place.set(4, BigInt(offset));
        break;
      case R.R_RISCV_BRANCH:
        place.insn = (place.insn & ~encodeB(-1)) | encodeB(offset);
        break;
      case R.R_RISCV_JAL:
        place.insn = (place.insn & ~encodeJ(-1)) | encodeJ(offset);
        break;
      case R.R_RISCV_RVC_BRANCH:
        place.set(2, BigInt((Number(place.get(2)) & ~encodeCB(-1)) | encodeCB(offset)));
        break;
      case R.R_RISCV_RVC_JUMP:
        place.set(2, BigInt((Number(place.get(2)) & ~encodeCJ(-1)) | encodeCJ(offset)));
        break;
      case R.R_RISCV_CALL:
      case R.R_RISCV_CALL_PLT: {
        if (far('CALL', 32)) return -EINVAL;
        const second = new Place(k, place.va + 4);
        place.insn = (place.insn & 0xfff) | hi20(offset);
        second.insn = (second.insn & 0xfffff) | ((offset - hi20(offset)) << 20);
        break;
      }
      case R.R_RISCV_PCREL_HI20:
        if (far('PCREL_HI20', 32)) return -EINVAL;
        place.insn = (place.insn & 0xfff) | hi20(offset);
        break;
      case R.R_RISCV_PCREL_LO12_I:
      case R.R_RISCV_PCREL_LO12_S: {
        // The symbol is the label of the auipc (psABI, "PC-Relative Symbol Addresses").
        const from = hi20s.get(symbol.value);
        if (from === undefined) {
          complain('Can not find HI20 relocation information');
          return -EINVAL;
        }
        setLo12(place, type === R.R_RISCV_PCREL_LO12_I, from - hi20(from));
        break;
      }
      case R.R_RISCV_HI20:
        if (value !== (value | 0)) {
          complain(`target ${hex64(value)} can not be addressed by the 32-bit offset from PC = ${hex64(place.va)}`);
          return -EINVAL;
        }
        place.insn = (place.insn & 0xfff) | hi20(value);
        break;
      case R.R_RISCV_LO12_I:
      case R.R_RISCV_LO12_S:
        setLo12(place, type === R.R_RISCV_LO12_I, value - hi20(value));
        break;
      case R.R_RISCV_ADD8:
      case R.R_RISCV_ADD16:
      case R.R_RISCV_ADD32:
      case R.R_RISCV_ADD64:
        place.set(widthOf(type), place.get(widthOf(type)) + big);
        break;
      case R.R_RISCV_SUB8:
      case R.R_RISCV_SUB16:
      case R.R_RISCV_SUB32:
      case R.R_RISCV_SUB64:
        place.set(widthOf(type), place.get(widthOf(type)) - big);
        break;
      case R.R_RISCV_SUB6:
        place.set(1, (place.get(1) & 0xc0n) | ((place.get(1) - big) & 0x3fn));
        break;
      case R.R_RISCV_SET6:
        place.set(1, (place.get(1) & 0xc0n) | (big & 0x3fn));
        break;
      case R.R_RISCV_SET8:
      case R.R_RISCV_SET16:
      case R.R_RISCV_SET32:
        place.set(widthOf(type), big);
        break;
    }
  }
  return 0;
}
/** Replaces the 12-bit immediate of an I- or S-type instruction. */
function setLo12(place: Place, itype: boolean, lo: number): void {
  place.insn = itype
    ? (place.insn & 0xfffff) | (lo << 20)
    : (place.insn & 0x01fff07f) | (((lo >> 5) & 0x7f) << 25) | ((lo & 0x1f) << 7);
}
/** Bytes that a relocation patches; -1 for types that modules do not have. */
function widthOf(type: number): number {
  switch (type) {
    case R.R_RISCV_NONE:
    case R.R_RISCV_RELAX:
    case R.R_RISCV_ALIGN:
      return 0;
    case R.R_RISCV_ADD8:
    case R.R_RISCV_SUB8:
    case R.R_RISCV_SUB6:
    case R.R_RISCV_SET6:
    case R.R_RISCV_SET8:
      return 1;
    case R.R_RISCV_ADD16:
    case R.R_RISCV_SUB16:
    case R.R_RISCV_SET16:
    case R.R_RISCV_RVC_BRANCH:
    case R.R_RISCV_RVC_JUMP:
      return 2;
    case R.R_RISCV_64:
    case R.R_RISCV_ADD64:
    case R.R_RISCV_SUB64:
    case R.R_RISCV_CALL:
    case R.R_RISCV_CALL_PLT:
      return 8;
    case R.R_RISCV_32:
    case R.R_RISCV_BRANCH:
    case R.R_RISCV_JAL:
    case R.R_RISCV_PCREL_HI20:
    case R.R_RISCV_PCREL_LO12_I:
    case R.R_RISCV_PCREL_LO12_S:
    case R.R_RISCV_HI20:
    case R.R_RISCV_LO12_I:
    case R.R_RISCV_LO12_S:
    case R.R_RISCV_ADD32:
    case R.R_RISCV_SUB32:
    case R.R_RISCV_SET32:
    case R.R_RISCV_32_PCREL:
      return 4;
    default:
      return -1;
  }
}
