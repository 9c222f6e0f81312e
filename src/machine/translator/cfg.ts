import { decode } from '../isa/table.ts';
import { expandedAt } from '../isa/rvc.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../layout.ts';
import type { Ram } from '../ram.ts';
import { type Block, type Context, edgeKey, type Insn, newBlock } from './block.ts';
import { dominates, number } from './dominators.ts';
import { addPageRuns } from './page_runs.ts';

// The control-flow graph of a region: basic blocks reachable from one entry by direct transfers, by indirect ones whose targets were observed,
// and through calls of small functions, which get blocks of their own for each call site (a Context), so that their returns are edges, too.
// Offsets count from the start of the entry's page; other pages belong to the region as long as the entry's guards hold.

export interface Region {
  /** Root of the graph; starts at offset `start`. A root without instructions is the switch of irreducible edges. */
  readonly entry: Block;
  readonly start: number;
  /** In reverse postorder. */
  blocks: readonly Block[];
  readonly find: (ctx: Context, off: number) => Block | undefined;
  /** Where the switch goes, by label; empty without one. Edges to these blocks that `switched` has go through it. */
  readonly cases: readonly Block[];
  readonly switched: ReadonlySet<string>;
  readonly insns: number;
  readonly full: boolean;
  /** Some instruction is an isFpCsr. */
  readonly hasFpCsr: boolean;
  /** Physical pages by page number relative to the entry's page. */
  readonly pages: ReadonlyMap<number, number>;
  /** Physical byte ranges [low, high) that the region was made from, one for each page. */
  readonly ranges: readonly (readonly [number, number])[];
}

export interface RegionSource {
  readonly ram: Ram;
  /** Physical address of the page at this distance (in pages) from the entry's, or -1. */
  readonly pageAt: (delta: number) => number;
  /** Observed targets (distances in bytes) of the indirect transfer at a physical address. */
  readonly targetsOf: (pa: number) => readonly number[];
  /** For hot code: follow calls and indirect transfers, copy loops. */
  readonly full: boolean;
  /** REACH. */
  readonly reach: number;
  readonly maxInsns: number;
}

const OP_BRANCH = 0x63;
const OP_JAL = 0x6f;
const OP_JALR = 0x67;
const OP_SYSTEM = 0x73;
const OP_MISC_MEM = 0x0f;
/**
 * How far from the entry's page code of a region may lie, in bytes. Kernel code has one address space, and modules lie up to 2 GiB from the kernel image (offsets
 * must fit in 32 bits); programs and libraries lie otherwise to each other in each process, where regions that reach from one to another would not hold.
 */
export const REACH = { user: 1 << 19, kernel: 2 ** 31 - 2 ** 21 } as const;
const MAX_PAGES = 8;
const MAX_DEPTH = 4;
/** Instructions of a function that is worth a copy at its call site. */
const MAX_CALLEE = 80;
const MAX_BLOCK = 200;

export const immJ = (w: number) => ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
export const immB = (w: number) => ((w >> 31) << 12) | ((w << 4) & 0x800) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
/** An access of fflags, frm or fcsr (ISA manual, volume I, section 20.2): compilers put them around comparisons that must not raise flags. */
export const isFpCsr = (w: number) => (w & 0x7f) === OP_SYSTEM && (w & 0x3000) !== 0 && w >>> 20 >= 1 && w >>> 20 <= 3;
/** `jalr x0, 0(ra)`. */
export const isReturn = (w: number) => (w & 0xfffff) === (OP_JALR | (1 << 15));

class RegionBuilder {
  private readonly source: RegionSource;
  /** Physical pages: those that were looked at (-1: none), and those that the region consists of, with what it covers of them. */
  private readonly known = new Map<number, number>();
  readonly pages = new Map<number, number>();
  private readonly covered = new Map<number, [number, number]>();
  /** The page that was decoded from last, and the one claimed last (`covered`): most instructions follow each other. */
  private nearDelta = Number.NaN;
  private nearPage = -1;
  private lastDelta = Number.NaN;
  private last: [number, number] = [0, 0];
  private readonly contexts: Context[] = [];
  /** By context. */
  private readonly made: Block[][] = [];
  private readonly decoded = new Map<number, Insn | 'interpret' | 'away'>();
  readonly blocks = new Map<number, Block>();
  count = 0;
  hasFpCsr = false;

  constructor(source: RegionSource) {
    this.source = source;
    this.context(null, 0, -1);
  }
  private context(parent: Context | null, returnTo: number, target: number): Context {
    const ctx: Context = { id: this.contexts.length, parent, returnTo, target, depth: parent === null ? 0 : parent.depth + 1 };
    this.contexts.push(ctx);
    this.made.push([]);
    return ctx;
  }
  private page(off: number): number {
    if (Math.abs(off) >= this.source.reach) return -1;
    const delta = off >> PAGE_SHIFT;
    if (delta === this.nearDelta) return this.nearPage;
    let pa = this.known.get(delta);
    if (pa === undefined) {
      pa = this.source.pageAt(delta);
      this.known.set(delta, pa);
    }
    this.nearDelta = delta;
    this.nearPage = pa;
    return pa;
  }
  /** Makes the instruction's pages the region's; false when it would get too many. */
  private claim(i: Insn): boolean {
    const last = i.off + i.length - 2;
    const delta = i.off >> PAGE_SHIFT;
    if (delta !== last >> PAGE_SHIFT) return this.cover(i.off, last) && this.cover(last, last + 2);
    if (delta !== this.lastDelta) return this.cover(i.off, last + 2);
    const r = this.last;
    if (i.off < r[0]) r[0] = i.off;
    if (last + 2 > r[1]) r[1] = last + 2;
    return true;
  }
  /** Adds [low, high), which lies in one page. */
  private cover(low: number, high: number): boolean {
    const delta = low >> PAGE_SHIFT;
    const r = this.covered.get(delta);
    if (r !== undefined) {
      this.lastDelta = delta;
      this.last = r;
      if (low < r[0]) r[0] = low;
      if (high > r[1]) r[1] = high;
      return true;
    }
    if (this.pages.size >= MAX_PAGES) return false;
    this.pages.set(delta, this.page(low));
    this.covered.set(delta, [low, high]);
    return true;
  }
  private half(off: number): number {
    const page = this.page(off);
    return page < 0 ? -1 : this.source.ram.read16(page + (off & (PAGE_SIZE - 1)));
  }
  /** The instruction at `off`, 'interpret' when only the interpreter can do it (or say what is wrong with it), 'away' when its page is not at hand. */
  fetch(off: number): Insn | 'interpret' | 'away' {
    // Only full regions look at an instruction again.
    if (!this.source.full) return this.decode(off);
    const known = this.decoded.get(off);
    if (known !== undefined) return known;
    const made = this.decode(off);
    this.decoded.set(off, made);
    return made;
  }
  private decode(off: number): Insn | 'interpret' | 'away' {
    const page = off >> PAGE_SHIFT === this.nearDelta ? this.nearPage : this.page(off);
    if (page < 0) return 'away';
    const { ram } = this.source;
    const at = page + (off & (PAGE_SIZE - 1));
    const half = ram.u16[at >> 1];
    let word: number;
    let length = 2;
    if ((half & 3) !== 3) word = expandedAt(ram, half);
    else {
      const high = (off & (PAGE_SIZE - 1)) === PAGE_SIZE - 2 ? this.half(off + 2) : ram.u16[(at + 2) >> 1];
      if (high < 0) return 'interpret';
      word = half | (high << 16);
      length = 4;
    }
    const opcode = word & 0x7f;
    if (opcode === OP_SYSTEM) {
      if (!isFpCsr(word)) return 'interpret';
      this.hasFpCsr = true;
    } else if (opcode === OP_MISC_MEM && (word & 0x7000) !== 0) return 'interpret';
    const row = decode(word);
    return row === null ? 'interpret' : { off, word: word | 0, length, row };
  }
  private targetsOf(i: Insn): readonly number[] {
    const page = this.page(i.off);
    return this.source.targetsOf(page + (i.off & (PAGE_SIZE - 1))).map((d) => d + i.off);
  }

  /** Whether a function is small enough to be copied: all that direct branches reach. */
  private isSmall(target: number): boolean {
    const seen = new Set<number>();
    const work = [target];
    while (work.length > 0) {
      let off = work.pop() as number;
      while (!seen.has(off)) {
        const i = this.fetch(off);
        if (typeof i === 'string') break;
        seen.add(off);
        if (seen.size > MAX_CALLEE) return false;
        const opcode = i.word & 0x7f;
        const linked = ((i.word >>> 7) & 31) !== 0;
        if (opcode === OP_BRANCH) work.push(off + immB(i.word));
        else if (opcode === OP_JAL && !linked) {
          off += immJ(i.word);
          continue;
        } else if (opcode === OP_JALR && !linked) break;
        off += i.length;
      }
    }
    return seen.size > 0;
  }
  private calls(ctx: Context, target: number): boolean {
    for (let c: Context | null = ctx; c !== null; c = c.parent) if (c.target === target) return true;
    return false;
  }
  private canInline(ctx: Context, target: number): boolean {
    return this.source.full && ctx.depth < MAX_DEPTH && !this.calls(ctx, target) && this.isSmall(target);
  }

  /** Where a block whose last instruction is `i` goes on. Makes the context of a call that is followed. */
  private successors(b: Block, i: Insn): { ctx: Context; off: number }[] {
    const { ctx } = b;
    const linked = ((i.word >>> 7) & 31) !== 0;
    const back = i.off + i.length;
    const enter = (target: number) => {
      if (!this.canInline(ctx, target)) return [];
      b.callee = this.context(ctx, back, target);
      return [{ ctx: b.callee, off: target }];
    };
    switch (i.word & 0x7f) {
      case OP_BRANCH:
        return [
          { ctx, off: i.off + immB(i.word) },
          { ctx, off: back },
        ];
      case OP_JAL: {
        const target = i.off + immJ(i.word);
        return linked ? enter(target) : [{ ctx, off: target }];
      }
      case OP_JALR: {
        if (isReturn(i.word)) return ctx.parent === null ? [] : [{ ctx: ctx.parent, off: ctx.returnTo }];
        const targets = this.source.full ? this.targetsOf(i) : [];
        if (!linked) {
          b.targets = targets;
          return targets.map((off) => ({ ctx, off }));
        }
        if (targets.length === 0) return [];
        const found = enter(targets[0]);
        b.targets = found.map((t) => t.off);
        return found;
      }
      default:
        return [];
    }
  }

  private static key(ctx: Context, off: number): number {
    return ctx.id * 2 ** 32 + off;
  }
  readonly find = (ctx: Context, off: number): Block | undefined => this.blocks.get(RegionBuilder.key(ctx, off));

  /** The block that has an instruction at `off` that is not its first. */
  private around(ctx: Context, off: number): Block | undefined {
    for (const b of this.made[ctx.id]) if (b.start < off && off < b.end && b.insns.some((i) => i.off === off)) return b;
    return undefined;
  }
  /** Where the next block behind `off` begins. */
  private nextStart(ctx: Context, off: number): number {
    let next = Number.MAX_SAFE_INTEGER;
    for (const b of this.made[ctx.id]) if (b.start > off && b.start < next) next = b.start;
    return next;
  }
  /** Fills a block from its first instruction on; returns where it goes on. */
  private fill(b: Block, first: Insn | 'interpret'): { ctx: Context; off: number }[] {
    const { ctx } = b;
    let off = b.start;
    let limit = this.nextStart(ctx, off);
    for (let i: Insn | 'interpret' | 'away' = first; ; i = this.fetch(off)) {
      b.end = off;
      if (i === 'interpret') {
        b.ending = 'interpret';
        return [];
      }
      if (i === 'away' || !this.claim(i)) return [];
      b.insns.push(i);
      this.count++;
      off += i.length;
      b.end = off;
      if (i.row.ends === true) {
        b.ending = 'transfer';
        return this.successors(b, i);
      }
      // Code may also be entered in the middle of an instruction: then its halves belong to two blocks.
      if (off > limit) limit = this.nextStart(ctx, off - 1);
      if (off === limit || b.insns.length >= MAX_BLOCK || this.count >= this.source.maxInsns) return [{ ctx, off }];
    }
  }

  private open(ctx: Context, off: number, key: number): Block {
    const b = newBlock(ctx, off);
    this.blocks.set(key, b);
    this.made[ctx.id].push(b);
    return b;
  }

  /** All blocks, breadth first, so that a region at its limit keeps what is near the entry. Null when the entry is not for it. */
  build(start: number): Block | null {
    const root = this.contexts[0];
    const wanted: { ctx: Context; off: number }[] = [{ ctx: root, off: start }];
    const to = new Map<Block, { ctx: Context; off: number }[]>();
    for (let w = 0; w < wanted.length; w++) {
      const { ctx, off } = wanted[w];
      const key = RegionBuilder.key(ctx, off);
      if (this.blocks.has(key)) continue;
      const inside = this.around(ctx, off);
      if (inside !== undefined) {
        // A jump into a block: split it.
        const b = this.open(ctx, off, key);
        b.insns.push(...inside.insns.splice(inside.insns.findIndex((i) => i.off === off)));
        b.end = inside.end;
        inside.end = off;
        b.ending = inside.ending;
        b.callee = inside.callee;
        b.targets = inside.targets;
        to.set(b, to.get(inside) ?? []);
        inside.ending = 'fall';
        inside.callee = null;
        inside.targets = [];
        to.set(inside, [{ ctx, off }]);
        continue;
      }
      if (this.count >= this.source.maxInsns) continue;
      const first = this.fetch(off);
      if (first === 'away' || (first !== 'interpret' && !this.claim(first))) continue;
      const b = this.open(ctx, off, key);
      const out = this.fill(b, first);
      to.set(b, out);
      for (const t of out) wanted.push(t);
    }
    for (const [b, out] of to) {
      for (const t of out) {
        const target = this.find(t.ctx, t.off);
        if (target !== undefined) b.next.push(target);
      }
    }
    const entry = this.find(root, start) as Block;
    return entry.insns.length === 0 ? null : entry;
  }

  /** What the region covers of each page, as physical addresses. */
  ranges(): [number, number][] {
    return [...this.covered].map(([delta, [low, high]]) => {
      const less = (this.pages.get(delta) as number) - delta * PAGE_SIZE;
      return [low + less, high + less];
    });
  }
}

/**
 * The region that starts at `start` in the page at delta 0. Where an edge would enter a loop sideways (irreducible flow), a switch becomes the
 * root: such edges set a label and go through it.
 */
export function buildRegion(source: RegionSource, start: number, runs = true): Region | null {
  const builder = new RegionBuilder(source);
  const first = builder.build(start);
  if (first === null) return null;
  let entry = first;
  let blocks = number(entry, new Set());
  const switched = new Set<string>();
  const cases: Block[] = [];
  for (;;) {
    const found: Block[] = [];
    for (const b of blocks) {
      for (const t of b.next) {
        if (t.rpo > b.rpo || dominates(t, b) || switched.has(edgeKey(b, t))) continue;
        switched.add(edgeKey(b, t));
        if (!cases.includes(t) && !found.includes(t)) found.push(t);
      }
    }
    if (found.length === 0) break;
    if (cases.length === 0) {
      const ctx: Context = { id: -1, parent: null, returnTo: 0, target: -1, depth: 0 };
      entry = newBlock(ctx, start);
      cases.push(first);
    }
    cases.push(...found.filter((t) => !cases.includes(t)));
    entry.next = [...cases];
    blocks = number(entry, switched);
  }
  if (source.full && runs && addPageRuns(blocks)) {
    blocks = number(entry, switched);
    // Copies must not have made the flow irreducible.
    const sideways = (b: Block) => b.next.some((t) => t.rpo <= b.rpo && !dominates(t, b) && !switched.has(edgeKey(b, t)));
    if (blocks.some(sideways)) return buildRegion(source, start, false);
  }
  let insns = 0;
  for (const b of blocks) insns += b.insns.length;
  return {
    entry,
    start,
    blocks,
    find: builder.find,
    cases,
    switched,
    insns,
    full: source.full,
    hasFpCsr: builder.hasFpCsr,
    pages: builder.pages,
    ranges: builder.ranges(),
  };
}
