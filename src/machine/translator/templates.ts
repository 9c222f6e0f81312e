import type { Row } from '../isa/emit.ts';

// An instruction's code differs from that of the last one of its kind in a few bytes: locals, immediates, where it is. The code of the first one
// is kept with its holes, and the next ones are copies: a fifth of the work.

/** What differs, and the bytes that it takes: these numbers have that width always (LEB128 may be longer than it need be). */
export const Hole = {
  RS1: 0,
  RS2: 1,
  RD: 2,
  IMM: 3,
  UPPER: 4,
  SHAMT: 5,
  SHAMTW: 6,
  PC: 7,
  NEXT_PC: 8,
  SITE: 9,
  FAULT: 10,
  GROUP: 11,
  GROUP_OFFSET: 12,
} as const;
export type Hole = (typeof Hole)[keyof typeof Hole];
/** Of a 12-bit immediate, of a 32-bit number, of an offset of a region, of where it stopped (operands.ts: siteOf), and of an offset in a group. */
export const WIDTH = { IMM: 2, WORD: 5, OFFSET: 5, SITE: 6, GROUP_OFFSET: 2 } as const;

export interface Template {
  readonly bytes: Uint8Array;
  /** Three numbers each: the hole, where it is in the bytes, and how many blocks are open there. */
  readonly holes: readonly number[];
  /** Where branches are that are rarely taken. */
  readonly hints: readonly number[];
}
/** By row and variant (templateVariant). */
export type Templates = Map<Row, (Template | undefined)[]>;

/** How an access is done: by a look-up of its own, by a call, in a group whose look-up hit, in a page run, by a look-up whose result is guessed. */
export const Way = { LOOK_UP: 0, CALL: 1, GROUP: 2, UNCHECKED: 3, GUESS: 4 } as const;
export type Way = (typeof Way)[keyof typeof Way];

const [OP_LOAD, OP_IMM, OP_AUIPC, OP_IMM_32, OP_STORE, OP_REG, OP_LUI, OP_REG_32] = [0x03, 0x13, 0x17, 0x1b, 0x23, 0x33, 0x37, 0x3b];
const VARIANTS = 8;

/** Which of a row's templates is the word's: x0 as an operand has code of its own; -1 = none. */
export function templateVariant(word: number, mode: number, way: Way): number {
  if (way > Way.GROUP) return -1;
  const rd = (word & 0xf80) === 0 ? 1 : 0;
  const rs1 = (word & 0xf8000) === 0 ? 2 : 0;
  const rs2 = (word & 0x1f00000) === 0 ? 4 : 0;
  switch (word & 0x7f) {
    case OP_IMM:
    case OP_IMM_32:
      return rd | rs1;
    case OP_REG:
    case OP_REG_32:
      return rd | rs1 | rs2;
    case OP_LUI:
    case OP_AUIPC:
      return rd;
    case OP_LOAD:
      return (rd | rs1 | (word >>> 20 === 0 ? 4 : 0)) + VARIANTS * (way * 2 + mode);
    case OP_STORE:
      return (((word & 0xfe000f80) === 0 ? 1 : 0) | rs1 | rs2) + VARIANTS * (way * 2 + mode);
    default:
      return -1;
  }
}
