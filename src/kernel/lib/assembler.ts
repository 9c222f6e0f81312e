// An assembler for what the kernel has as machine code (the vDSO, the fast paths of exported functions): a line is a label, an instruction of the table below, or empty; # begins a comment.
// Encodings: RISC-V ISA manual, volume I, "RV32/64G Instruction Set Listings"; names of registers: RISC-V psABI.

const REGISTERS = 'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');

/** Opcode, funct3 and (register forms) funct7 of an instruction. */
type Code = readonly [opcode: number, funct3: number, funct7?: number];
const IMMEDIATE: Readonly<Record<string, Code>> = {
  addi: [0x13, 0],
  slli: [0x13, 1],
  srli: [0x13, 5],
  sltiu: [0x13, 3],
  andi: [0x13, 7],
  slliw: [0x1b, 1],
  srliw: [0x1b, 5],
};
const REGISTER: Readonly<Record<string, Code>> = {
  add: [0x33, 0, 0],
  sub: [0x33, 0, 0x20],
  xor: [0x33, 4, 0],
  or: [0x33, 6, 0],
  and: [0x33, 7, 0],
  mul: [0x33, 0, 1],
  divu: [0x33, 5, 1],
  remu: [0x33, 7, 1],
};
const LOAD: Readonly<Record<string, Code>> = { lw: [0x03, 2], ld: [0x03, 3], lbu: [0x03, 4], lhu: [0x03, 5], lwu: [0x03, 6] };
const STORE: Readonly<Record<string, Code>> = { sb: [0x23, 0], sh: [0x23, 1], sw: [0x23, 2], sd: [0x23, 3] };
const BRANCH: Readonly<Record<string, number>> = { beq: 0, bne: 1, bge: 5, bltu: 6, bgeu: 7 };
const FIXED: Readonly<Record<string, number>> = { ecall: 0x73, nop: 0x13, ret: 0x8067, 'fence r,r': 0x0220000f };
const CSR_TIME = 0xc01;

const iType = ([opcode, funct3]: Code, rd: number, rs1: number, imm: number) =>
  (((imm & 0xfff) << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;
const uType = (opcode: number, rd: number, imm: number) => ((imm & 0xfffff000) | (rd << 7) | opcode) >>> 0;
const sType = ([opcode, funct3]: Code, rs1: number, rs2: number, imm: number) =>
  ((((imm >> 5) & 0x7f) << 25) | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | ((imm & 31) << 7) | opcode) >>> 0;
const bType = (funct3: number, rs1: number, rs2: number, off: number) =>
  ((((off >> 12) & 1) << 31) |
    (((off >> 5) & 63) << 25) |
    (rs2 << 20) |
    (rs1 << 15) |
    (funct3 << 12) |
    (((off >> 1) & 15) << 8) |
    (((off >> 11) & 1) << 7) |
    0x63) >>>
  0;
const jal = (rd: number, off: number) =>
  ((((off >> 20) & 1) << 31) |
    (((off >> 1) & 0x3ff) << 21) |
    (((off >> 11) & 1) << 20) |
    (((off >> 12) & 0xff) << 12) |
    (rd << 7) |
    0x6f) >>>
  0;
/** What lui or auipc takes of `value`, so that a signed 12-bit immediate makes up the rest. */
const high = (value: number) => (value + 0x800) & ~0xfff;

export interface Assembled {
  readonly words: readonly number[];
  /** Address of each label. */
  readonly labels: ReadonlyMap<string, number>;
}

/** Assembles `source` for address `base`. `constants` are what it may write instead of a number; `la` takes one as an address. */
export function assemble(source: string, base: number, constants: Readonly<Record<string, number>>): Assembled {
  const labels = new Map<string, number>();
  const lines: string[] = [];
  for (const raw of source.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    if (line.endsWith(':')) labels.set(line.slice(0, -1), base + 4 * lines.length);
    else if (line !== '') {
      lines.push(line);
      // Two words: the second is made with the first.
      if (isLong(line, constants)) lines.push('');
    }
  }
  const words = lines.flatMap((line, i) => (line === '' ? [] : encode(line, base + 4 * i, labels, constants)));
  return { words, labels };
}
const isLong = (line: string, constants: Readonly<Record<string, number>>) =>
  line.startsWith('la ') || (line.startsWith('li ') && Math.abs(numberOf(line.split(',')[1], constants)) >= 2048);
const numberOf = (text: string, constants: Readonly<Record<string, number>>) => constants[text.trim()] ?? Number(text);

function encode(line: string, pc: number, labels: ReadonlyMap<string, number>, constants: Readonly<Record<string, number>>): number[] {
  const fixed = FIXED[line];
  if (fixed !== undefined) return [fixed];
  const space = line.indexOf(' ');
  const name = line.slice(0, space);
  const args = line.slice(space).split(',');
  const register = (i: number) => {
    const n = REGISTERS.indexOf((args[i] ?? '').trim());
    if (n < 0) throw new Error(`assembler: no register: ${line}`);
    return n;
  };
  const number = (i: number) => numberOf(args[i], constants);
  /** offset(register) */
  const place = () => {
    const [, offset, base] = /^\s*(\w+)\((\w+)\)$/.exec(args[1]) ?? ['', '', ''];
    return { offset: numberOf(offset, constants), base: REGISTERS.indexOf(base) };
  };
  const target = (i: number) => {
    const at = labels.get(args[i].trim());
    if (at === undefined) throw new Error(`assembler: no label: ${line}`);
    return at - pc;
  };
  if (name in IMMEDIATE) return [iType(IMMEDIATE[name], register(0), register(1), number(2))];
  if (name in REGISTER) {
    const [opcode, funct3, funct7 = 0] = REGISTER[name];
    return [iType([opcode, funct3], register(0), register(1), (funct7 << 5) | register(2))];
  }
  if (name in LOAD) return [iType(LOAD[name], register(0), place().base, place().offset)];
  if (name in STORE) return [sType(STORE[name], place().base, register(0), place().offset)];
  if (name in BRANCH) return [bType(BRANCH[name], register(0), register(1), target(2))];
  switch (name) {
    case 'beqz':
      return [bType(BRANCH['beq'], register(0), 0, target(1))];
    case 'bnez':
      return [bType(BRANCH['bne'], register(0), 0, target(1))];
    case 'j':
      return [jal(0, target(0))];
    case 'li': {
      const value = number(1);
      if (Math.abs(value) < 2048) return [iType(IMMEDIATE['addi'], register(0), 0, value)];
      return [uType(0x37, register(0), high(value)), iType([0x1b, 0], register(0), register(0), value - high(value))];
    }
    case 'la': {
      const offset = number(1) - pc;
      return [uType(0x17, register(0), high(offset)), iType(IMMEDIATE['addi'], register(0), register(0), offset - high(offset))];
    }
    case 'sext.w':
      return [iType([0x1b, 0], register(0), register(1), 0)];
    case 'rdtime':
      return [iType([0x73, 2], register(0), 0, CSR_TIME)];
    default:
      throw new Error(`assembler: no instruction: ${line}`);
  }
}
