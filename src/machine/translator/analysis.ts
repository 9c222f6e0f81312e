import type { Block } from './block.ts';
import type { Region } from './cfg.ts';

// What the translator wants to know about registers and memory accesses of a region before it emits code.

const OP = {
  LOAD: 0x03,
  LOAD_FP: 0x07,
  MISC_MEM: 0x0f,
  STORE: 0x23,
  STORE_FP: 0x27,
  MADD: 0x43,
  NMADD: 0x4f,
  OP_FP: 0x53,
  BRANCH: 0x63,
  IMM: 0x13,
  IMM_32: 0x1b,
  REG: 0x33,
  REG_32: 0x3b,
} as const;

/** The register that a word writes: 1..31 = x, 32..63 = f, 0 = none. */
export function destination(word: number): number {
  const opcode = word & 0x7f;
  const rd = (word >>> 7) & 31;
  switch (opcode) {
    case OP.STORE:
    case OP.STORE_FP:
    case OP.BRANCH:
    case OP.MISC_MEM:
      return 0;
    case OP.LOAD_FP:
    case OP.MADD:
    case 0x47:
    case 0x4b:
    case OP.NMADD:
      return 32 + rd;
    case OP.OP_FP: {
      // Comparisons (0x50), conversions to integers (0x60), moves to x and fclass (0x70); the low two bits are the format.
      const funct5 = (word >>> 25) & 0x7c;
      return funct5 === 0x50 || funct5 === 0x60 || funct5 === 0x70 ? rd : 32 + rd;
    }
    default:
      return rd;
  }
}

export interface RegSet {
  x: number;
  f: number;
}

/** The registers that the block's instructions write. */
export function writtenBy(b: Block): RegSet {
  let x = 0;
  let f = 0;
  for (const i of b.insns) {
    const d = destination(i.word);
    if (d >= 32) f |= 1 << (d - 32);
    else if (d > 0) x |= 1 << d;
  }
  return { x, f };
}

/** For each block (by its number), the registers that may have been written on some way to it. */
export function mayBeDirty(region: Region): RegSet[] {
  const own: RegSet[] = [];
  const into: RegSet[] = [];
  for (const b of region.blocks) {
    own.push(writtenBy(b));
    into.push({ x: 0, f: 0 });
  }
  if (region.cases.length > 0) {
    // Edges to the switch are not in the graph.
    const all = into[region.entry.rpo];
    for (const set of own) {
      all.x |= set.x;
      all.f |= set.f;
    }
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const b of region.blocks) {
      const set = into[b.rpo];
      let { x, f } = set;
      for (const p of b.preds) {
        const before = into[p.rpo];
        const there = own[p.rpo];
        x |= before.x | there.x;
        f |= before.f | there.f;
      }
      if (x === set.x && f === set.f) continue;
      set.x = x;
      set.f = f;
      changed = true;
    }
  }
  return into;
}

/** Registers (bits) that hold what a load fetched, or were computed from it, after an instruction. */
export function stepLoaded(loaded: number, word: number): number {
  const d = destination(word);
  if (d <= 0 || d >= 32) return loaded;
  const rs1 = (loaded >>> ((word >>> 15) & 31)) & 1;
  const rs2 = (loaded >>> ((word >>> 20) & 31)) & 1;
  let from = 0;
  switch (word & 0x7f) {
    case OP.LOAD:
      from = 1;
      break;
    case OP.IMM:
    case OP.IMM_32:
      from = rs1;
      break;
    case OP.REG:
    case OP.REG_32:
      from = rs1 | rs2;
      break;
  }
  return from === 1 ? loaded | (1 << d) : loaded & ~(1 << d);
}

/** For each block, the registers that may hold such values at its beginning. */
export function mayBeLoaded(region: Region): Map<Block, number> {
  const into = new Map<Block, number>();
  for (const b of region.blocks) into.set(b, 0);
  for (let changed = true; changed; ) {
    changed = false;
    for (const b of region.blocks) {
      let loaded = into.get(b) as number;
      for (const i of b.insns) loaded = stepLoaded(loaded, i.word);
      for (const t of b.next) {
        const before = into.get(t) as number;
        if ((before | loaded) === before) continue;
        into.set(t, before | loaded);
        changed = true;
      }
    }
  }
  return into;
}
