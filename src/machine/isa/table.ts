import { atomicRows } from './atomic.ts';
import { bitmanipRows } from './bitmanip.ts';
import type { Row } from './emit.ts';
import { floatRows } from './float.ts';
import { integerRows } from './integer.ts';

// The one table of instruction semantics, and how to find a word's row in it.

export const allRows: readonly Row[] = [...integerRows, ...atomicRows, ...floatRows, ...bitmanipRows];

/** Rows by opcode[6:2], and of those that were asked for, by dispatch slot: funct3 << 5 | opcode[6:2]. */
const byOpcode: Row[][] = Array.from({ length: 32 }, () => []);
for (const r of allRows) byOpcode[(r.match >>> 2) & 31].push(r);
const bySlot: (readonly Row[] | undefined)[] = new Array(256).fill(undefined);

function rowsAt(slot: number): readonly Row[] {
  const known = bySlot[slot];
  if (known !== undefined) return known;
  const funct3 = (slot >> 5) << 12;
  const found = byOpcode[slot & 31].filter((r) => ((funct3 ^ r.match) & r.mask & 0x7000) === 0);
  bySlot[slot] = found;
  return found;
}

/** What is in the slots: `slots[slot]` is an index into `groups`; group 0 is empty (illegal). */
export function dispatchGroups(): { slots: number[]; groups: (readonly Row[])[] } {
  const groups: (readonly Row[])[] = [[]];
  const keys = new Map<string, number>([['', 0]]);
  const slots: number[] = [];
  for (let slot = 0; slot < 256; slot++) {
    const rows = rowsAt(slot);
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
  for (const r of rowsAt(((word >>> 2) & 31) | ((word >>> 7) & 0xe0))) if ((word & r.mask) >>> 0 === r.match) return r;
  return null;
}
