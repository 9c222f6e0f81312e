import { destination } from './analysis.ts';
import type { Block } from './block.ts';
import type { Region } from './cfg.ts';
import { distanceOf, movedFrom } from './values.ts';

// Accesses near each other share one TLB look-up: those whose addresses are constant distances from one value, in a block and in the blocks
// that only follow it (an extended basic block).

/** The bytes [low, high) from a value. */
export interface Group {
  /** Where the first access is, which looks up. */
  readonly block: Block;
  readonly index: number;
  /** Locals are shared by groups that are never open together. */
  readonly slot: number;
  low: number;
  high: number;
  stores: boolean;
  members: number;
}
export interface Member {
  readonly group: Group;
  /** From the group's value. */
  readonly displacement: number;
}

/** A longer span would cross pages too often. */
const MAX_SPAN = 512;
const MAX_DISTANCE = 1 << 14;
const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;

/** At the end of a block: which value each register holds, how far from it, and the groups that later blocks may join. */
interface State {
  readonly values: Int32Array;
  readonly more: Int32Array;
  readonly open: Map<number, Group>;
  slots: number;
}

/** The groups of a region by block and instruction index; single accesses have none. */
export function planGroups(region: Region): Map<Block, Map<number, Member>> {
  const planned = new Map<Block, Map<number, Member>>();
  const ends = new Map<Block, State>();
  let fresh = 32;
  const begin = (b: Block): State => {
    const only = b.preds.length === 1 ? ends.get(b.preds[0]) : undefined;
    if (only !== undefined && b !== region.entry) {
      return { values: only.values.slice(), more: only.more.slice(), open: new Map(only.open), slots: only.slots };
    }
    const values = new Int32Array(32);
    for (let r = 0; r < 32; r++) values[r] = fresh++;
    return { values, more: new Int32Array(32), open: new Map(), slots: 0 };
  };
  for (const b of region.blocks) {
    const state = begin(b);
    const { values, more, open } = state;
    const here = new Map<number, Member>();
    for (let index = 0; index < b.insns.length; index++) {
      const w = b.insns[index].word;
      const opcode = w & 0x7f;
      const base = (w >>> 15) & 31;
      const isStore = opcode === OP_STORE || opcode === OP_STORE_FP;
      if (base !== 0 && (isStore || opcode === OP_LOAD || opcode === OP_LOAD_FP) && b.unchecked?.has(index) !== true) {
        const low = (isStore ? ((w >> 20) & ~31) | ((w >>> 7) & 31) : w >> 20) + more[base];
        const high = low + (1 << ((w >>> 12) & 3));
        let g = open.get(values[base]);
        // A store that may not happen must not make loads depend on a page that can be written.
        const fits =
          g !== undefined && Math.max(g.high, high) - Math.min(g.low, low) <= MAX_SPAN && (!isStore || g.stores || g.block === b);
        if (g === undefined || !fits) {
          g = { block: b, index, slot: state.slots++, low, high, stores: isStore, members: 0 };
          open.set(values[base], g);
        }
        g.low = Math.min(g.low, low);
        g.high = Math.max(g.high, high);
        g.stores ||= isStore;
        g.members++;
        here.set(index, { group: g, displacement: low });
      }
      const rd = destination(w);
      if (rd <= 0 || rd >= 32) continue;
      const from = movedFrom(w);
      const sum = from > 0 ? more[from] + distanceOf(w) : 0;
      if (from > 0 && Math.abs(sum) < MAX_DISTANCE) {
        values[rd] = values[from];
        more[rd] = sum;
      } else {
        values[rd] = fresh++;
        more[rd] = 0;
      }
    }
    planned.set(b, here);
    ends.set(b, state);
  }
  for (const here of planned.values()) for (const [index, m] of here) if (m.group.members === 1) here.delete(index);
  return planned;
}
