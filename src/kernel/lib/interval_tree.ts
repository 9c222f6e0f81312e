import { interval_tree_node as NODE, rb_root_cached as ROOT } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { stepAction } from '../module/steps.ts';
import { load64, loadBig, store64, storeBig } from './guest_memory.ts';
import { type EraseAugment, leftOf, linkNode, parentOf, rbErase, rbInsert, rbNext, rightOf } from './rbtree.ts';

// Intervals in a tree by their start (lib/interval_tree.c): each node knows the last end that is below it, so that a search passes over what ends too early.
// `rb` is the node's first member.

const MAX_WAY = 1_000_000;
const unsigned = (n: bigint) => BigInt.asUintN(64, n);
const start = (k: Kernel, node: number) => unsigned(loadBig(k, node + NODE.start));
const last = (k: Kernel, node: number) => unsigned(loadBig(k, node + NODE.last));
const subtreeLast = (k: Kernel, node: number) => unsigned(loadBig(k, node + NODE.__subtree_last));
function latest(k: Kernel, node: number): bigint {
  let max = last(k, node);
  for (const below of [leftOf(k, node), rightOf(k, node)]) {
    if (below === 0) continue;
    const end = subtreeLast(k, below);
    if (end > max) max = end;
  }
  return max;
}
const augment: EraseAugment = {
  copy: (k, from, to) => storeBig(k, to + NODE.__subtree_last, subtreeLast(k, from)),
  propagate(k, from, stop) {
    for (let node = from, n = 0; node !== stop && node !== 0 && n < MAX_WAY; node = parentOf(k, node), n++) {
      const max = latest(k, node);
      if (subtreeLast(k, node) === max) return;
      storeBig(k, node + NODE.__subtree_last, max);
    }
  },
};
stepAction('intervalRotate', (k, data) => {
  const [from, to] = [data['old'] as number, data['new'] as number];
  augment.copy(k, from, to);
  storeBig(k, from + NODE.__subtree_last, latest(k, from));
});

function insert(k: Kernel, node: number, root: number): void {
  const [from, to] = [start(k, node), last(k, node)];
  let [link, parent, leftmost] = [root + ROOT.rb_root, 0, true];
  for (let at = load64(k, link), n = 0; at !== 0 && n < MAX_WAY; at = load64(k, link), n++) {
    parent = at;
    if (subtreeLast(k, at) < to) storeBig(k, at + NODE.__subtree_last, to);
    if (from < start(k, at)) link = at + 16;
    else {
      link = at + 8;
      leftmost = false;
    }
  }
  storeBig(k, node + NODE.__subtree_last, to);
  linkNode(k, node, parent, link);
  if (leftmost) store64(k, root + ROOT.rb_leftmost, node);
  rbInsert(k, node, root + ROOT.rb_root, 'intervalRotate');
}
function remove(k: Kernel, node: number, root: number): void {
  if (load64(k, root + ROOT.rb_leftmost) === node) store64(k, root + ROOT.rb_leftmost, rbNext(k, node));
  rbErase(k, node, root + ROOT.rb_root, 'intervalRotate', augment);
}
/** The leftmost node under `top` that meets [from, to], where something below ends late enough; 0. */
function search(k: Kernel, top: number, from: bigint, to: bigint): number {
  let node = top;
  for (let n = 0; n < MAX_WAY; n++) {
    const left = leftOf(k, node);
    if (left !== 0 && from <= subtreeLast(k, left)) {
      node = left;
      continue;
    }
    if (start(k, node) > to) return 0;
    if (from <= last(k, node)) return node;
    node = rightOf(k, node);
    if (node === 0 || subtreeLast(k, node) < from) return 0;
  }
  return 0;
}
function first(k: Kernel, root: number, from: bigint, to: bigint): number {
  const top = load64(k, root + ROOT.rb_root);
  if (top === 0 || subtreeLast(k, top) < from) return 0;
  return start(k, load64(k, root + ROOT.rb_leftmost)) > to ? 0 : search(k, top, from, to);
}
function next(k: Kernel, at: number, from: bigint, to: bigint): number {
  let node = at;
  let right = rightOf(k, node);
  for (let n = 0; n < MAX_WAY; n++) {
    if (right !== 0 && from <= subtreeLast(k, right)) return search(k, right, from, to);
    let below: number;
    do {
      const parent = parentOf(k, node);
      if (parent === 0) return 0;
      below = node;
      node = parent;
      right = rightOf(k, node);
    } while (below === right && !k.current.faulted);
    if (to < start(k, node)) return 0;
    if (from <= last(k, node)) return node;
  }
  return 0;
}
const argument = (k: Kernel, i: number) => unsigned(k.machine.regs.getBig(10 + i));

export const intervalTreeExports: readonly FunctionExport[] = [
  fn('interval_tree_insert', insert),
  fn('interval_tree_remove', remove),
  fn('interval_tree_iter_first', (k, root) => first(k, root, argument(k, 1), argument(k, 2))),
  fn('interval_tree_iter_next', (k, node) => next(k, node, argument(k, 1), argument(k, 2))),
];
