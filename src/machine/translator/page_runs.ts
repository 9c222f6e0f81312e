import { destination } from './analysis.ts';
import { type Block, newBlock } from './block.ts';
import { dominates } from './dominators.ts';

// Page runs: an innermost loop whose accesses move through memory by a constant step an iteration (or not at all) gets a copy without look-ups
// in the TLB. At the end of an iteration the loop asks how many more iterations stay within the pages that they are in now (and within the
// budget); if there are some, the copy does that many and comes back.

/** All accesses off one base register: bytes [low, high) from its value at the loop's head, which grows by `stride` an iteration. */
export interface RunGroup {
  readonly base: number;
  readonly stride: number;
  low: number;
  high: number;
  stores: boolean;
  /** The smallest displacement that an instruction names. */
  least: number;
  /** WebAssembly local: physical address of base + least, less base. Set when code is emitted. */
  local: number;
}
export interface RunAccess {
  readonly group: RunGroup;
  readonly displacement: number;
}
export interface PageRun {
  readonly header: Block;
  readonly fast: Block;
  readonly groups: readonly RunGroup[];
  /** Instructions that an iteration has at most. */
  readonly iteration: number;
  /** WebAssembly local: iterations left. */
  local: number;
}

const MAX_ITERATION = 120;
const MAX_STRIDE = 512;
const MAX_SPAN = 1024;
const MAX_GROUPS = 6;

const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;
const OP_IMM = 0x13;

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
  }
  return insns <= MAX_ITERATION ? body : null;
}

/** How a register changes in an iteration: not at all, by a constant once, or in another way (null). */
function stepOf(reg: number, body: readonly Block[], latch: Block): { stride: number; block: Block | null; index: number } | null {
  let step: { stride: number; block: Block | null; index: number } = { stride: 0, block: null, index: 0 };
  for (const b of body) {
    for (let i = 0; i < b.insns.length; i++) {
      const w = b.insns[i].word;
      if (destination(w) !== reg) continue;
      const isAddi = (w & 0x707f) === OP_IMM && ((w >>> 15) & 31) === reg;
      const stride = w >> 20;
      if (step.block !== null || !isAddi || stride === 0 || Math.abs(stride) > MAX_STRIDE || !dominates(b, latch)) return null;
      step = { stride, block: b, index: i };
    }
  }
  return step;
}

function planGroups(body: readonly Block[], latch: Block): { groups: RunGroup[]; accesses: Map<Block, Map<number, RunAccess>> } {
  const groups = new Map<number, RunGroup | null>();
  const accesses = new Map<Block, Map<number, RunAccess>>();
  for (const b of body) {
    const here = new Map<number, RunAccess>();
    accesses.set(b, here);
    b.insns.forEach((insn, index) => {
      const w = insn.word;
      const opcode = w & 0x7f;
      const isStore = opcode === OP_STORE || opcode === OP_STORE_FP;
      const base = (w >>> 15) & 31;
      if (base === 0 || !(isStore || opcode === OP_LOAD || opcode === OP_LOAD_FP)) return;
      let group = groups.get(base);
      if (group === null) return;
      const step = stepOf(base, body, latch);
      if (step === null) {
        groups.set(base, null);
        return;
      }
      const displacement = isStore ? ((w >> 20) & ~31) | ((w >>> 7) & 31) : w >> 20;
      const after = step.block !== null && (step.block === b ? index > step.index : dominates(step.block, b));
      const low = displacement + (after ? step.stride : 0);
      const high = low + (1 << ((w >>> 12) & 3));
      if (group === undefined) {
        group = { base, stride: step.stride, low, high, stores: isStore, least: displacement, local: 0 };
        groups.set(base, group);
      } else if (Math.max(group.high, high) - Math.min(group.low, low) <= MAX_SPAN) {
        group.low = Math.min(group.low, low);
        group.high = Math.max(group.high, high);
        group.stores ||= isStore;
        group.least = Math.min(group.least, displacement);
      } else return;
      here.set(index, { group, displacement });
    });
  }
  return { groups: [...groups.values()].filter((g) => g !== null), accesses };
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
  let found = false;
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
    const { groups, accesses } = planGroups(body, latch);
    if (groups.length === 0 || groups.length > MAX_GROUPS) continue;
    found = true;
    const copies = new Map<Block, Block>();
    for (const b of body) {
      const c = newBlock(b.ctx, b.start);
      Object.assign(c, { insns: b.insns, end: b.end, ending: b.ending, callee: b.callee, unchecked: accesses.get(b) });
      copies.set(b, c);
    }
    const fast = copies.get(header) as Block;
    const iteration = body.reduce((n, b) => n + b.insns.length, 0);
    const run: PageRun = { header, fast, groups, iteration, local: 0 };
    const attempt = newBlock(header.ctx, header.start);
    const again = newBlock(header.ctx, header.start);
    Object.assign(attempt, { ending: 'attempt', run, next: [fast, header] });
    Object.assign(again, { ending: 'again', run, next: [fast, header] });
    const via = new Map(copies);
    via.set(header, again);
    for (const [b, c] of copies) {
      c.via = via;
      c.next = b.next.map((t) => via.get(t) ?? t);
    }
    latch.via = new Map([[header, attempt]]);
    latch.next = latch.next.map((t) => (t === header ? attempt : t));
  }
  return found;
}
