import { atomicRows } from './atomic.ts';
import { bitmanipRows } from './bitmanip.ts';
import type { Row } from './emit.ts';
import { floatRows } from './float.ts';
import { integerRows } from './integer.ts';

// The one table of instruction semantics, and how to find a word's row in it.

export const allRows: readonly Row[] = [...integerRows, ...atomicRows, ...floatRows, ...bitmanipRows];

/** Rows by dispatch slot funct3 << 5 | opcode[6:2]: `slots[slot]` is an index into `groups`; group 0 is empty (illegal). */
export function dispatchGroups(): { slots: number[]; groups: Row[][] } {
  const groups: Row[][] = [[]];
  const keys = new Map<string, number>([['', 0]]);
  const slots: number[] = [];
  for (let slot = 0; slot < 256; slot++) {
    const word = ((slot & 31) << 2) | 3 | ((slot >> 5) << 12);
    const rows = allRows.filter((r) => ((word ^ r.match) & r.mask & 0x707f) === 0);
    const key = rows.map((r) => r.name).join();
    let group = keys.get(key);
    if (group === undefined) {
      group = groups.push(rows) - 1;
      keys.set(key, group);
    }
    slots.push(group);
  }
  return { slots, groups };
}

let bySlot: readonly (readonly Row[])[] | null = null;
/** The words decoded last, by a hash, for programs use few different ones. */
const CACHED = 4096;
const words = new Int32Array(CACHED);
const rows: (Row | null)[] = new Array(CACHED).fill(null);

/** The row of a 32-bit instruction word, null when it is illegal. */
export function decode(word: number): Row | null {
  if ((word & 3) !== 3) return null;
  const at = (Math.imul(word, 0x9e3779b1) >>> 20) & (CACHED - 1);
  if (words[at] === (word | 0)) return rows[at];
  const row = find(word);
  words[at] = word;
  rows[at] = row;
  return row;
}
function find(word: number): Row | null {
  if (bySlot === null) {
    const { slots, groups } = dispatchGroups();
    bySlot = slots.map((g) => groups[g]);
  }
  for (const r of bySlot[((word >>> 2) & 31) | ((word >>> 7) & 0xe0)]) if ((word & r.mask) >>> 0 === r.match) return r;
  return null;
}
