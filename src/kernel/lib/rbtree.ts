import { rb_node as RB } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { before, runSteps, type StepState, stepAction } from '../module/steps.ts';
import { load64, store64 } from './guest_memory.ts';

// Red-black trees in guest memory (lib/rbtree.c): modules walk them inline and link new nodes themselves; colouring, balancing and the order are ours.
// A node's colour is the lowest bit of its parent's address. A tree whose nodes know something about what is below them has a function that is told of
// each rotation, in the middle of the work: a module's (by its address), or one of ours (a step by its name).

const RED = 0;
const BLACK = 1;
const RIGHT = RB.rb_right;
const LEFT = RB.rb_left;
type Side = typeof RIGHT | typeof LEFT;
const other = (side: Side): Side => (side === RIGHT ? LEFT : RIGHT);
/** Longest way in a tree, in case a module tied it into a knot. */
const MAX_WAY = 1_000_000;

const parentColor = (k: Kernel, node: number) => load64(k, node + RB.__rb_parent_color);
export const parentOf = (k: Kernel, node: number) => {
  const raw = parentColor(k, node);
  return raw - (raw & 3);
};
const isBlack = (k: Kernel, node: number) => (parentColor(k, node) & 1) === BLACK;
const isRed = (k: Kernel, node: number) => node !== 0 && !isBlack(k, node);
const child = (k: Kernel, node: number, side: Side) => load64(k, node + side);
export const leftOf = (k: Kernel, node: number) => child(k, node, LEFT);
export const rightOf = (k: Kernel, node: number) => child(k, node, RIGHT);
const setChild = (k: Kernel, node: number, side: Side, to: number) => store64(k, node + side, to);
const setParentColor = (k: Kernel, node: number, parent: number, color: number) => store64(k, node + RB.__rb_parent_color, parent + color);
const setParent = (k: Kernel, node: number, parent: number) => setParentColor(k, node, parent, parentColor(k, node) & 1);
const setBlack = (k: Kernel, node: number) => setParentColor(k, node, parentOf(k, node), BLACK);
/** Puts `to` in `from`'s place under `parent`, or at the root. */
function changeChild(k: Kernel, from: number, to: number, parent: number, root: number): void {
  if (parent === 0) store64(k, root, to);
  else setChild(k, parent, leftOf(k, parent) === from ? LEFT : RIGHT, to);
}
/** `to` takes over parent and colour of `from`, which becomes its child of colour `color`. */
function rotateParents(k: Kernel, from: number, to: number, root: number, color: number): void {
  const parent = parentOf(k, from);
  store64(k, to + RB.__rb_parent_color, parentColor(k, from));
  setParentColor(k, from, to, color);
  changeChild(k, from, to, parent, root);
}
/** rb_link_node. */
export function linkNode(k: Kernel, node: number, parent: number, link: number): void {
  store64(k, node + RB.__rb_parent_color, parent);
  store64(k, node + RIGHT, 0);
  store64(k, node + LEFT, 0);
  store64(k, link, node);
}

/** Who is told of rotations: 0 or '' nobody. */
type Told = number | string;
interface Work extends Record<string, number | string> {
  readonly node: number;
  readonly parent: number;
  readonly root: number;
  readonly told: Told;
}
function tell(state: StepState, told: Told, from: number, to: number, act: string, next: Work | null): void {
  const after = next === null ? [] : [{ act, data: next }];
  if (typeof told === 'number') before(state, { call: told, args: [from, to] }, ...after);
  else if (told === '') before(state, ...after);
  else before(state, { act: told, data: { old: from, new: to } }, ...after);
}

/** Up from a red node with a red parent, until the colours are right. */
function insertColor(k: Kernel, { node: start, root, told }: Work, state: StepState): void {
  let node = start;
  for (let n = 0; n < MAX_WAY; n++) {
    const parent = parentOf(k, node);
    if (parent === 0) {
      setParentColor(k, node, 0, BLACK);
      return;
    }
    if (isBlack(k, parent)) return;
    const grand = parentOf(k, parent);
    const side: Side = rightOf(k, grand) === parent ? RIGHT : LEFT;
    const uncle = child(k, grand, other(side));
    if (isRed(k, uncle)) {
      setParentColor(k, uncle, grand, BLACK);
      setParentColor(k, parent, grand, BLACK);
      node = grand;
      setParentColor(k, node, parentOf(k, node), RED);
      continue;
    }
    if (child(k, parent, other(side)) === node) {
      // The node stands inside: it first takes its parent's place.
      const inner = child(k, node, side);
      setChild(k, parent, other(side), inner);
      setChild(k, node, side, parent);
      if (inner !== 0) setParentColor(k, inner, parent, BLACK);
      setParentColor(k, parent, node, RED);
      tell(state, told, parent, node, 'rbInsertOuter', { node: parent, parent: node, root, told, grand, side });
    } else insertOuter(k, { node, parent, root, told, grand, side }, state);
    return;
  }
}
/** The parent takes the grandparent's place. */
function insertOuter(k: Kernel, work: Work, state: StepState): void {
  const { parent, root, told } = work;
  const grand = work['grand'] as number;
  const side = work['side'] as Side;
  const inner = child(k, parent, other(side));
  setChild(k, grand, side, inner);
  setChild(k, parent, other(side), grand);
  if (inner !== 0) setParentColor(k, inner, grand, BLACK);
  rotateParents(k, grand, parent, root, RED);
  tell(state, told, grand, parent, '', null);
}

/** One black node too few under `parent` on the side where `node` is. */
function eraseColor(k: Kernel, { node: start, parent: from, root, told }: Work, state: StepState): void {
  let [node, parent] = [start, from];
  for (let n = 0; n < MAX_WAY; n++) {
    // The side of the sibling.
    const side: Side = rightOf(k, parent) !== node ? RIGHT : LEFT;
    const sibling = child(k, parent, side);
    if (sibling === 0) return;
    if (isRed(k, sibling)) {
      const inner = child(k, sibling, other(side));
      setChild(k, parent, side, inner);
      setChild(k, sibling, other(side), parent);
      if (inner !== 0) setParentColor(k, inner, parent, BLACK);
      rotateParents(k, parent, sibling, root, RED);
      tell(state, told, parent, sibling, 'rbErase', { node, parent, root, told });
      return;
    }
    if (!isRed(k, child(k, sibling, side))) {
      const inner = child(k, sibling, other(side));
      if (!isRed(k, inner)) {
        setParentColor(k, sibling, parent, RED);
        if (isRed(k, parent)) setBlack(k, parent);
        else {
          node = parent;
          parent = parentOf(k, node);
          if (parent !== 0) continue;
        }
        return;
      }
      // The inner nephew is red: it takes the sibling's place.
      const far = child(k, inner, side);
      setChild(k, sibling, other(side), far);
      setChild(k, inner, side, sibling);
      setChild(k, parent, side, inner);
      if (far !== 0) setParentColor(k, far, sibling, BLACK);
      tell(state, told, sibling, inner, 'rbEraseOuter', { node: sibling, parent, root, told, sibling: inner, side });
    } else eraseOuter(k, { node: child(k, sibling, side), parent, root, told, sibling, side }, state);
    return;
  }
}
/** The sibling takes the parent's place; `node` is its child on the outside. */
function eraseOuter(k: Kernel, work: Work, state: StepState): void {
  const { node, parent, root, told } = work;
  const sibling = work['sibling'] as number;
  const side = work['side'] as Side;
  const inner = child(k, sibling, other(side));
  setChild(k, parent, side, inner);
  setChild(k, sibling, other(side), parent);
  setParentColor(k, node, sibling, BLACK);
  if (inner !== 0) setParent(k, inner, parent);
  rotateParents(k, parent, sibling, root, BLACK);
  tell(state, told, parent, sibling, '', null);
}
stepAction('rbInsert', (k, data, state) => insertColor(k, data as Work, state));
stepAction('rbInsertOuter', (k, data, state) => insertOuter(k, data as Work, state));
stepAction('rbErase', (k, data, state) => eraseColor(k, data as Work, state));
stepAction('rbEraseOuter', (k, data, state) => eraseOuter(k, data as Work, state));

/** rb_insert_color, for a tree that is told of rotations too. BLOCKED while it is told. */
export function rbInsert(k: Kernel, node: number, root: number, told: Told): number {
  return runSteps(k, () => [{ act: 'rbInsert', data: { node, parent: 0, root, told } }]);
}
function rbRebalance(k: Kernel, parent: number, root: number, told: Told): number {
  return runSteps(k, () => [{ act: 'rbErase', data: { node: 0, parent, root, told } }]);
}
/** What a tree of ours with knowledge about its nodes does while one is taken out. */
export interface EraseAugment {
  readonly copy: (k: Kernel, from: number, to: number) => void;
  /** From a node up to `stop`, not included. */
  readonly propagate: (k: Kernel, node: number, stop: number) => void;
}
/** Takes the node out of its place: where a black one is missing now, or 0. */
function unlink(k: Kernel, node: number, root: number, augment: EraseAugment | null): number {
  const [left, right] = [leftOf(k, node), rightOf(k, node)];
  const raw = parentColor(k, node);
  const parent = parentOf(k, node);
  if (left === 0 || right === 0) {
    const only = left === 0 ? right : left;
    changeChild(k, node, only, parent, root);
    augment?.propagate(k, parent, 0);
    if (only === 0) return (raw & 1) === BLACK ? parent : 0;
    store64(k, only + RB.__rb_parent_color, raw);
    return 0;
  }
  // The next node in order takes its place.
  let [successor, above, below] = [right, right, rightOf(k, right)];
  if (leftOf(k, right) !== 0) {
    for (let n = 0; leftOf(k, successor) !== 0 && n < MAX_WAY; n++) {
      above = successor;
      successor = leftOf(k, successor);
    }
    below = rightOf(k, successor);
    setChild(k, above, LEFT, below);
    setChild(k, successor, RIGHT, right);
    setParent(k, right, successor);
    augment?.copy(k, node, successor);
    augment?.propagate(k, above, successor);
  } else {
    above = successor;
    augment?.copy(k, node, successor);
  }
  setChild(k, successor, LEFT, left);
  setParent(k, left, successor);
  changeChild(k, node, successor, parent, root);
  const wasBlack = isBlack(k, successor);
  store64(k, successor + RB.__rb_parent_color, raw);
  let rebalance = 0;
  if (below !== 0) setParentColor(k, below, above, BLACK);
  else if (wasBlack) rebalance = above;
  augment?.propagate(k, successor, 0);
  return rebalance;
}
/** rb_erase. */
export function rbErase(k: Kernel, node: number, root: number, told: string, augment: EraseAugment | null): void {
  const parent = unlink(k, node, root, augment);
  if (parent !== 0) rbRebalance(k, parent, root, told);
}

/** The last node on `side`. */
function farthest(k: Kernel, from: number, side: Side): number {
  let node = from;
  for (let n = 0; node !== 0 && n < MAX_WAY; n++) {
    const next = child(k, node, side);
    if (next === 0) return node;
    node = next;
  }
  return 0;
}
/** The neighbour in order on `side`. */
function neighbour(k: Kernel, start: number, side: Side): number {
  if (parentOf(k, start) === start) return 0; // RB_EMPTY_NODE
  const below = child(k, start, side);
  if (below !== 0) return farthest(k, below, other(side));
  let node = start;
  for (let n = 0; n < MAX_WAY; n++) {
    const parent = parentOf(k, node);
    if (parent === 0 || child(k, parent, side) !== node) return parent;
    node = parent;
  }
  return 0;
}
/** The node under which nothing is, leftmost. */
function leftDeepest(k: Kernel, start: number): number {
  let node = start;
  for (let n = 0; n < MAX_WAY; n++) {
    const next = leftOf(k, node) !== 0 ? leftOf(k, node) : rightOf(k, node);
    if (next === 0) return node;
    node = next;
  }
  return 0;
}
function replaceNode(k: Kernel, victim: number, to: number, root: number): void {
  const parent = parentOf(k, victim);
  for (const at of [RB.__rb_parent_color, RIGHT, LEFT]) store64(k, to + at, load64(k, victim + at));
  for (const below of [leftOf(k, victim), rightOf(k, victim)]) if (below !== 0) setParent(k, below, to);
  changeChild(k, victim, to, parent, root);
}
export const rbNext = (k: Kernel, node: number) => neighbour(k, node, RIGHT);

export const rbtreeExports: readonly FunctionExport[] = [
  fn('rb_insert_color', (k, node, root) => rbInsert(k, node, root, 0)),
  fn('__rb_insert_augmented', (k, node, root, rotate) => rbInsert(k, node, root, rotate)),
  fn('rb_erase', (k, node, root) => rbErase(k, node, root, '', null)),
  fn('__rb_erase_color', (k, parent, root, rotate) => rbRebalance(k, parent, root, rotate)),
  fn('rb_first', (k, root) => farthest(k, load64(k, root), LEFT)),
  fn('rb_last', (k, root) => farthest(k, load64(k, root), RIGHT)),
  fn('rb_next', rbNext),
  fn('rb_prev', (k, node) => neighbour(k, node, LEFT)),
  fn('rb_replace_node', replaceNode),
  fn('rb_replace_node_rcu', replaceNode),
  fn('rb_first_postorder', (k, root) => {
    const top = load64(k, root);
    return top === 0 ? 0 : leftDeepest(k, top);
  }),
  fn('rb_next_postorder', (k, node) => {
    if (node === 0) return 0;
    const parent = parentOf(k, node);
    if (parent === 0 || node !== leftOf(k, parent) || rightOf(k, parent) === 0) return parent;
    return leftDeepest(k, rightOf(k, parent));
  }),
];
