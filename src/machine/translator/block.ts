import type { Row } from '../isa/emit.ts';
import type { PageRun, RunAccess } from './page_runs.ts';

export interface Insn {
  readonly off: number;
  readonly word: number;
  readonly length: number;
  readonly row: Row;
}
/** Which call site a block's function was inlined at; the region's own function has no parent. */
export interface Context {
  readonly id: number;
  readonly parent: Context | null;
  /** Where the function returns to, in the parent. */
  readonly returnTo: number;
  /** Where it begins. */
  readonly target: number;
  readonly depth: number;
}
export interface Block {
  readonly ctx: Context;
  readonly start: number;
  readonly insns: Insn[];
  /** Offset behind the last instruction. */
  end: number;
  /** How the block ends: its last instruction transfers control, the next one belongs to another block or region, or to the interpreter. */
  ending: 'transfer' | 'fall' | 'interpret' | 'attempt' | 'again';
  /** Successors in the region. */
  next: Block[];
  /** Reverse postorder number, immediate dominator (itself for the entry). */
  rpo: number;
  idom: Block;
  preds: Block[];
  /** The context of a function that the block's last instruction calls. */
  callee: Context | null;
  /** Observed targets of the indirect transfer at the end that the region follows, most frequent first. */
  targets: readonly number[];
  /** Blocks that stand in for others when control comes from this one. */
  via: ReadonlyMap<Block, Block> | null;
  /** The run (page_runs.ts) that this block belongs to or decides about, and its accesses that need no look-up, by index. */
  run: PageRun | null;
  unchecked: ReadonlyMap<number, RunAccess> | null;
}
/** Names an edge; a loop's copy (page_runs.ts) has the same names as the loop. */
export const edgeKey = (from: Block, to: Block) => `${from.ctx.id}:${from.start}>${to.ctx.id}:${to.start}`;

export function newBlock(ctx: Context, start: number): Block {
  const b = {
    ctx,
    start,
    end: start,
    insns: [],
    ending: 'fall',
    next: [],
    rpo: -1,
    preds: [],
    callee: null,
    targets: [],
    via: null,
    run: null,
    unchecked: null,
  };
  const made = b as unknown as Block;
  made.idom = made;
  return made;
}
