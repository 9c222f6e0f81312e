import type { Row } from '../isa/emit.ts';
import { decode } from '../isa/table.ts';
import { PAGE_SIZE, RVC_TABLE } from '../layout.ts';
import type { Ram } from '../ram.ts';

// The control-flow graph of a region: basic blocks reachable from one entry by direct transfers inside one physical page.

export interface Insn {
  /** Offset in the page. */
  readonly off: number;
  readonly word: number;
  readonly length: number;
  readonly row: Row;
}
export interface Block {
  readonly start: number;
  readonly insns: Insn[];
  /** Offset behind the last instruction. */
  end: number;
  /** How the block ends: its last instruction transfers control, or the next one does not belong to the block. */
  ending: 'transfer' | 'fall' | 'interpret';
  /** Successor offsets (in the page or not). */
  next: number[];
  /** Reverse postorder number, immediate dominator (itself for the entry). */
  rpo: number;
  idom: Block;
  preds: Block[];
}
export interface Region {
  readonly entry: Block;
  /** In reverse postorder. */
  readonly blocks: readonly Block[];
  readonly at: ReadonlyMap<number, Block>;
  readonly insns: number;
  /** Bytes of the page that the region was made from: [low, high). */
  readonly low: number;
  readonly high: number;
}

const OP_BRANCH = 0x63;
const OP_JAL = 0x6f;
const OP_JALR = 0x67;
const OP_SYSTEM = 0x73;
const OP_MISC_MEM = 0x0f;

export const immJ = (w: number) => ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
export const immB = (w: number) => ((w >> 31) << 12) | ((w << 4) & 0x800) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);

/** The instruction at `off`, null when only the interpreter can do it (or say what is wrong with it). */
function fetch(ram: Ram, page: number, off: number): Insn | null {
  const half = ram.read16(page + off);
  let word: number;
  let length: number;
  if ((half & 3) !== 3) {
    word = ram.read32(RVC_TABLE + half * 4);
    length = 2;
  } else {
    if (off + 4 > PAGE_SIZE) return null;
    word = ram.read32(page + off);
    length = 4;
  }
  const opcode = word & 0x7f;
  if (opcode === OP_SYSTEM || (opcode === OP_MISC_MEM && (word & 0x7000) !== 0)) return null;
  const row = decode(word);
  return row === null ? null : { off, word: word | 0, length, row };
}

/** Successors of a block's last instruction; calls and indirect jumps have none. */
function successors(i: Insn): number[] {
  switch (i.word & 0x7f) {
    case OP_BRANCH:
      return [i.off + immB(i.word), i.off + i.length];
    case OP_JAL:
      return ((i.word >>> 7) & 31) === 0 ? [i.off + immJ(i.word)] : [];
    default:
      return [];
  }
}

export function buildRegion(ram: Ram, page: number, entryOff: number, maxInsns: number): Region | null {
  const leaders = new Set<number>([entryOff]);
  const insns = new Map<number, Insn>();
  const work = [entryOff];
  // Breadth first, so that a region at its limit keeps what is near the entry.
  for (let w = 0; w < work.length; w++) {
    let off = work[w];
    while (off < PAGE_SIZE && !insns.has(off) && insns.size < maxInsns) {
      const i = fetch(ram, page, off);
      if (i === null) break;
      insns.set(off, i);
      off += i.length;
      const opcode = i.word & 0x7f;
      if (opcode !== OP_BRANCH && opcode !== OP_JAL && opcode !== OP_JALR) continue;
      for (const s of successors(i)) {
        if (s < 0 || s >= PAGE_SIZE || leaders.has(s)) continue;
        leaders.add(s);
        work.push(s);
      }
      break;
    }
  }
  if (!insns.has(entryOff)) return null;

  const at = new Map<number, Block>();
  let low = PAGE_SIZE;
  let high = 0;
  const blockAt = (start: number): Block | null => {
    const known = at.get(start);
    if (known !== undefined) return known;
    if (!insns.has(start)) return null;
    const b = { start, insns: [], end: start, ending: 'fall', next: [], rpo: -1, preds: [] } as unknown as Block;
    b.idom = b;
    at.set(start, b);
    for (let off = start; ; ) {
      const i = insns.get(off);
      if (i === undefined) {
        // Past the limit, the page's end, or something for the interpreter.
        b.ending = off >= PAGE_SIZE || fetch(ram, page, off) !== null ? 'fall' : 'interpret';
        b.next = b.ending === 'fall' ? [off] : [];
        break;
      }
      b.insns.push(i);
      off += i.length;
      b.end = off;
      if (i.row.ends === true) {
        b.ending = 'transfer';
        b.next = successors(i);
        break;
      }
      if (leaders.has(off)) {
        b.next = [off];
        break;
      }
    }
    low = Math.min(low, start);
    high = Math.max(high, b.end);
    return b;
  };

  // Depth-first numbering.
  const order: Block[] = [];
  const entry = blockAt(entryOff) as Block;
  const stack: { b: Block; i: number }[] = [{ b: entry, i: 0 }];
  const seen = new Set<Block>([entry]);
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.i < top.b.next.length) {
      const s = blockAt(top.b.next[top.i++]);
      if (s === null) continue;
      s.preds.push(top.b);
      if (!seen.has(s)) {
        seen.add(s);
        stack.push({ b: s, i: 0 });
      }
    } else {
      order.push(top.b);
      stack.pop();
    }
  }
  order.reverse();
  order.forEach((b, i) => {
    b.rpo = i;
  });
  dominators(order);
  let count = 0;
  for (const b of order) count += b.insns.length;
  return { entry, blocks: order, at, insns: count, low, high };
}

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function dominators(order: readonly Block[]): void {
  const idom: number[] = order.map((_, i) => (i === 0 ? 0 : -1));
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let d = -1;
      for (const p of order[i].preds) {
        if (idom[p.rpo] < 0) continue;
        if (d < 0) {
          d = p.rpo;
          continue;
        }
        let a = p.rpo;
        while (a !== d) {
          while (a > d) a = idom[a];
          while (d > a) d = idom[d];
        }
      }
      if (idom[i] !== d) {
        idom[i] = d;
        changed = true;
      }
    }
  }
  order.forEach((b, i) => {
    b.idom = order[idom[i]];
  });
}

export function dominates(a: Block, b: Block): boolean {
  let x = b;
  while (x.rpo > a.rpo) x = x.idom;
  return x === a;
}
