import { destination } from './analysis.ts';
import type { Block } from './block.ts';
import type { Region } from './cfg.ts';
import { distanceOf, movedFrom } from './values.ts';

// Accesses near each other share one TLB look-up: those whose addresses are constant distances from one value, in a block and in the blocks
// that only follow it (an extended basic block). Where a block needs groups, it asks once whether their look-ups hit; if so, the rest of the
// block goes without any test, else a copy of it does each access with a call.

/** The bytes [low, high) from a value. */
export interface Group {
  /** The block that looks up. */
  readonly block: Block;
  /** Number of the value. */
  readonly value: number;
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
/** Before an instruction: groups to look up, their value being x[reg] - distance, and all groups that hold in the rest of the block then. */
export interface Check {
  readonly opens: readonly { readonly group: Group; readonly reg: number; readonly distance: number }[];
  readonly groups: readonly Group[];
}
export interface BlockPlan {
  readonly members: ReadonlyMap<number, Member>;
  readonly checks: ReadonlyMap<number, Check>;
}

/** A longer span would cross pages too often. */
const MAX_SPAN = 512;
const MAX_DISTANCE = 1 << 14;
/** Each check of a block copies the rest of it. */
const MAX_CHECKS = 3;
const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;

const NO_DISTANCES: readonly number[] = new Array<number>(32).fill(0);

/** Which value each register holds, and how far from it. */
class Names {
  private static next = 32;
  readonly values: number[];
  readonly more: number[];

  private constructor(values: number[], more: number[]) {
    this.values = values;
    this.more = more;
  }
  static fresh(): Names {
    const values = NO_DISTANCES.slice();
    for (let r = 0; r < 32; r++) values[r] = Names.next + r;
    Names.next += 32;
    return new Names(values, NO_DISTANCES.slice());
  }
  copy(): Names {
    return new Names(this.values.slice(), this.more.slice());
  }
  /** `made`: the numbers of new values, so that a second walk gives the same ones. */
  step(word: number, made: Map<number, number>, index: number): void {
    const rd = destination(word);
    if (rd <= 0 || rd >= 32) return;
    const from = movedFrom(word);
    const sum = from > 0 ? this.more[from] + distanceOf(word) : 0;
    if (from > 0 && Math.abs(sum) < MAX_DISTANCE) {
      this.values[rd] = this.values[from];
      this.more[rd] = sum;
      return;
    }
    let value = made.get(index);
    if (value === undefined) made.set(index, (value = Names.next++));
    this.values[rd] = value;
    this.more[rd] = 0;
  }
}

interface Walked {
  readonly begin: Names;
  readonly end: Names;
  readonly open: Map<number, Group>;
  readonly slots: number;
  readonly made: Map<number, number>;
  readonly members: Map<number, Member>;
}

/** The groups of a region; single accesses have none. */
export function planGroups(region: Region): Map<Block, BlockPlan> {
  const walked = new Map<Block, Walked>();
  for (const b of region.blocks) {
    const only = b.preds.length === 1 && b !== region.entry ? walked.get(b.preds[0]) : undefined;
    walked.set(b, walk(b, only));
  }
  const plans = new Map<Block, BlockPlan>();
  const opened = new Set<Group>();
  // A block comes after the one that it follows.
  for (const [b, w] of walked) {
    for (const [index, { group }] of w.members) if (group.members === 1 || (group.block !== b && !opened.has(group))) w.members.delete(index);
    const checks = planChecks(b, w);
    for (const { opens } of checks.values()) for (const { group } of opens) opened.add(group);
    plans.set(b, { members: w.members, checks });
  }
  return plans;
}

function walk(b: Block, only: Walked | undefined): Walked {
  const names = only?.end.copy() ?? Names.fresh();
  const begin = names.copy();
  const open = new Map(only?.open);
  let slots = only?.slots ?? 0;
  const made = new Map<number, number>();
  const members = new Map<number, Member>();
  for (let index = 0; index < b.insns.length; index++) {
    const w = b.insns[index].word;
    const opcode = w & 0x7f;
    const base = (w >>> 15) & 31;
    const isStore = opcode === OP_STORE || opcode === OP_STORE_FP;
    if (base !== 0 && (isStore || opcode === OP_LOAD || opcode === OP_LOAD_FP) && b.unchecked?.has(index) !== true) {
      const value = names.values[base];
      const low = (isStore ? ((w >> 20) & ~31) | ((w >>> 7) & 31) : w >> 20) + names.more[base];
      const high = low + (1 << ((w >>> 12) & 3));
      let g = open.get(value);
      // A store that may not happen must not make loads depend on a page that can be written.
      const fits = g !== undefined && Math.max(g.high, high) - Math.min(g.low, low) <= MAX_SPAN && (!isStore || g.stores || g.block === b);
      if (g === undefined || !fits) {
        g = { block: b, value, slot: slots++, low, high, stores: isStore, members: 0 };
        open.set(value, g);
      }
      g.low = Math.min(g.low, low);
      g.high = Math.max(g.high, high);
      g.stores ||= isStore;
      g.members++;
      members.set(index, { group: g, displacement: low });
    }
    names.step(w, made, index);
  }
  return { begin, end: names, open, slots, made, members };
}

function planChecks(b: Block, w: Walked): Map<number, Check> {
  const checks = new Map<number, Check>();
  if (w.members.size === 0) return checks;
  const names = w.begin.copy();
  const held = new Set<Group>();
  for (let index = 0; index < b.insns.length && checks.size < MAX_CHECKS; index++) {
    const member = w.members.get(index);
    if (member !== undefined && !held.has(member.group)) {
      const opens: { group: Group; reg: number; distance: number }[] = [];
      const groups: Group[] = [];
      for (const [at, { group }] of w.members) {
        if (at < index || held.has(group) || groups.includes(group)) continue;
        if (group.block === b) {
          const reg = names.values.indexOf(group.value, 1);
          if (reg < 0) continue;
          opens.push({ group, reg, distance: names.more[reg] });
        }
        groups.push(group);
      }
      for (const g of groups) held.add(g);
      checks.set(index, { opens, groups });
    }
    names.step(b.insns[index].word, w.made, index);
  }
  // What is left is looked up one by one.
  for (const [index, m] of w.members) if (m.group.block === b && !held.has(m.group)) w.members.delete(index);
  return checks;
}
