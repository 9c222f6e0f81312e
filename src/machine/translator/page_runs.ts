import { type Block, newBlock } from './block.ts';
import { dominates } from './dominators.ts';
import { atHead, join, step, type Values } from './values.ts';

// Page runs: an innermost loop whose accesses move through memory by a constant step an iteration (or not at all) gets a copy without look-ups
// in the TLB. Before an iteration the loop asks whether the next few stay within the pages that they are in now (and within the budget); if so,
// the copy does them. Then it is asked how many more do, and so on. The copy walks with physical pointers of its own, one a group.

/** Accesses near each other: bytes [low, high) from the value of register `base` at the loop's head, which grows by `stride` an iteration. */
export interface RunGroup {
  readonly base: number;
  readonly stride: number;
  low: number;
  high: number;
  stores: boolean;
  /** WebAssembly local: physical address of base + low. Set when code is emitted. */
  local: number;
}
export interface RunAccess {
  readonly group: RunGroup;
  /** From the base's value at the loop's head. */
  readonly displacement: number;
}
/** What a run takes for granted and the attempt asks: x[reg] = x[base] + distance at the loop's head. */
export interface RunAlias {
  readonly reg: number;
  readonly base: number;
  readonly distance: number;
}
export interface PageRun {
  readonly header: Block;
  readonly fast: Block;
  /** Where a run that is through asks for more. */
  readonly more: Block;
  readonly groups: readonly RunGroup[];
  readonly aliases: readonly RunAlias[];
  /** Instructions that an iteration has at most; whether it always has so many. */
  readonly iteration: number;
  readonly even: boolean;
  /** Iterations that the first attempt asks for. */
  readonly first: number;
  /** WebAssembly local: iterations left, or what the budget must stay above when iterations are even. */
  local: number;
}

const MAX_ITERATION = 120;
const MAX_STRIDE = 1024;
const MAX_SPAN = 1024;
const MAX_GROUPS = 8;
/** The first attempt asks for at most so many iterations, within so many bytes of each group: a few, so that short loops gain. */
const FIRST = 8;
const FIRST_SPAN = 512;

const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;

/** The loop of a header and one back edge: its blocks, the header first; null when it is not an innermost one or not simple. */
function loopOf(header: Block, latch: Block, headers: ReadonlySet<Block>): Block[] | null {
  const body = [header];
  const work = header === latch ? [] : [latch];
  let insns = 0;
  while (work.length > 0) {
    const b = work.pop() as Block;
    if (body.includes(b)) continue;
    if (headers.has(b)) return null;
    body.push(b);
    work.push(...b.preds);
  }
  for (const b of body) {
    insns += b.insns.length;
    if (b.ending === 'interpret' || b.targets.length > 0) return null;
    // Every iteration ends at the latch, where the steps are known.
    if (b !== latch && b.next.includes(header)) return null;
  }
  return insns <= MAX_ITERATION ? body : null;
}

interface Plan {
  readonly groups: readonly RunGroup[];
  readonly aliases: readonly RunAlias[];
  readonly accesses: ReadonlyMap<Block, Map<number, RunAccess>>;
}

function plan(body: readonly Block[], latch: Block): Plan {
  const order = [...body].sort((p, q) => p.rpo - q.rpo);
  const before = new Map<Block, Values>();
  const after = new Map<Block, Values>();
  for (const b of order) {
    const values = b === order[0] ? atHead() : join(b.preds.map((p) => after.get(p)));
    before.set(b, { roots: values.roots.slice(), more: values.more.slice() });
    for (const i of b.insns) step(values, i.word);
    after.set(b, values);
  }
  const end = after.get(latch) as Values;
  const groups: RunGroup[] = [];
  const aliases = new Map<number, RunAlias>();
  /** Where register `root`'s value at the head is, as a base that has a stride. */
  const place = (root: number): RunAlias | null => {
    if (end.roots[root] === root) return { reg: root, base: root, distance: 0 };
    const base = end.roots[root];
    return base > 0 && end.roots[base] === base ? { reg: root, base, distance: end.more[root] - end.more[base] } : null;
  };
  const accesses = new Map<Block, Map<number, RunAccess>>();
  for (const b of order) {
    const here = new Map<number, RunAccess>();
    accesses.set(b, here);
    const values = before.get(b) as Values;
    b.insns.forEach((insn, index) => {
      const w = insn.word;
      const opcode = w & 0x7f;
      const isStore = opcode === OP_STORE || opcode === OP_STORE_FP;
      const root = values.roots[(w >>> 15) & 31];
      const more = values.more[(w >>> 15) & 31];
      step(values, w);
      if (root <= 0 || !(isStore || opcode === OP_LOAD || opcode === OP_LOAD_FP)) return;
      const at = place(root);
      if (at === null || Math.abs(end.more[at.base]) > MAX_STRIDE) return;
      const low = (isStore ? ((w >> 20) & ~31) | ((w >>> 7) & 31) : w >> 20) + more + at.distance;
      const high = low + (1 << ((w >>> 12) & 3));
      let group = groups.find((g) => g.base === at.base && Math.max(g.high, high) - Math.min(g.low, low) <= MAX_SPAN);
      if (group === undefined) {
        if (groups.length === MAX_GROUPS) return;
        group = { base: at.base, stride: end.more[at.base], low, high, stores: isStore, local: 0 };
        groups.push(group);
      }
      if (at.reg !== at.base) aliases.set(at.reg, at);
      group.low = Math.min(group.low, low);
      group.high = Math.max(group.high, high);
      group.stores ||= isStore;
      here.set(index, { group, displacement: low });
    });
  }
  return { groups, aliases: [...aliases.values()], accesses };
}

function firstOf(groups: readonly RunGroup[]): number {
  let n = FIRST;
  for (const g of groups) if (g.stride !== 0) n = Math.min(n, Math.floor((FIRST_SPAN - (g.high - g.low)) / Math.abs(g.stride)) + 1);
  return Math.max(n, 2);
}

/** Gives loops their copies; true when there were any (the graph is to be numbered again). */
export function addPageRuns(blocks: readonly Block[]): boolean {
  const latches = new Map<Block, Block[]>();
  for (const b of blocks)
    for (const p of b.preds)
      if (p.rpo >= b.rpo && dominates(b, p)) {
        const list = latches.get(b);
        if (list === undefined) latches.set(b, [p]);
        else list.push(p);
      }
  const headers = new Set(latches.keys());
  const made: { header: Block; again: Block; copies: Map<Block, Block> }[] = [];
  for (const [header, list] of latches) {
    if (header.insns.length === 0) continue;
    // An outer loop may come back to the same head (where a region starts within it): the inner one is the shortest.
    let latch = list[0];
    let body: Block[] | null = null;
    for (const l of list) {
      const other = loopOf(header, l, headers);
      if (other === null || (body !== null && other.length >= body.length)) continue;
      latch = l;
      body = other;
    }
    if (body === null) continue;
    const { groups, aliases, accesses } = plan(body, latch);
    if (groups.length === 0) continue;
    const copies = new Map<Block, Block>();
    for (const b of body) {
      const c = newBlock(b.ctx, b.start);
      Object.assign(c, { insns: b.insns, end: b.end, ending: b.ending, callee: b.callee, unchecked: accesses.get(b) ?? null });
      copies.set(b, c);
    }
    const fast = copies.get(header) as Block;
    const iteration = body.reduce((n, b) => n + b.insns.length, 0);
    const end = latch;
    const even = body.every((b) => dominates(b, end));
    const attempt = newBlock(header.ctx, header.start);
    const again = newBlock(header.ctx, header.start);
    const more = newBlock(header.ctx, header.start);
    const run: PageRun = { header, fast, more, groups, aliases, iteration, even, first: firstOf(groups), local: 0 };
    Object.assign(attempt, { ending: 'attempt', run, next: [fast, header] });
    Object.assign(again, { ending: 'again', run, next: [fast, more] });
    Object.assign(more, { ending: 'attempt', run, next: [fast, header] });
    made.push({ header, again, copies });
    // The loop is entered by an attempt, too, when the attempt can stand before all ways to the head.
    const all = header !== blocks[0] && header.preds.every((p) => p.insns.length > 0);
    for (const p of all ? header.preds : [latch]) {
      p.via = new Map([...(p.via ?? []), [header, attempt]]);
      p.next = p.next.map((t) => (t === header ? attempt : t));
    }
  }
  // When all loops have their attempts: a copy's ways out go to those of other loops.
  for (const { header, again, copies } of made) {
    for (const [b, c] of copies) {
      const via = new Map([...(b.via ?? []), ...copies]);
      via.set(header, again);
      c.via = via;
      c.next = b.next.map((t) => copies.get(t) ?? t);
    }
    const { run } = again;
    for (const c of copies.values())
      c.next = c.next.map((t) => (t.run === run && t.ending === 'attempt' ? again : t === header ? again : t));
  }
  return made.length > 0;
}
