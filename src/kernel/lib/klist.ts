import { klist as KLIST, klist_iter as ITER, klist_node as NODE } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { callGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { BLOCKED, addWaitQueue, wakeUpAll } from '../sched/wait.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { load32, load64, store32, store64 } from './guest_memory.ts';
import { initListHead, listAdd, listAddTail, listDel, listInsert } from './list.ts';

// Lists whose nodes are counted (lib/klist.c): one that is taken off while somebody stands on it stays, marked dead, until he goes on.

const DEAD = 1;
/** n_klist: the list, and the mark in its lowest bit. */
const raw = (k: Kernel, node: number) => load64(k, node + NODE.n_klist);
const listOf = (k: Kernel, node: number) => raw(k, node) - (isDead(k, node) ? 1 : 0);
const isDead = (k: Kernel, node: number) => (raw(k, node) & DEAD) !== 0;
const refs = (k: Kernel, node: number) => load32(k, node + NODE.n_ref) | 0;
const linkOf = (node: number) => node + NODE.n_node;
const nodeAt = (link: number) => link - NODE.n_node;
const headOf = (list: number) => list + KLIST.k_list;

function initNode(k: Kernel, list: number, node: number): void {
  initListHead(k, linkOf(node));
  store64(k, node + NODE.n_klist, list);
  store32(k, node + NODE.n_ref, 1);
}
/** After the node is linked: the owner's get function. */
function got(k: Kernel, list: number, node: number): number | undefined {
  const get = load64(k, list + KLIST.get);
  return get !== 0 && callGuest(k, get, node) === null ? BLOCKED : undefined;
}
const first = (k: Kernel) => k.current.callIndex === 0 && k.current.calls.length === 0;
function add(k: Kernel, node: number, list: number, link: (k: Kernel) => void): number | undefined {
  if (first(k)) {
    initNode(k, list, node);
    link(k);
  }
  return got(k, list, node);
}
/** klist_dec_and_del: the last reference takes it off its list and wakes klist_remove. */
function dropRef(k: Kernel, node: number): boolean {
  const left = refs(k, node) - 1;
  store32(k, node + NODE.n_ref, left);
  if (left !== 0) return false;
  listDel(k, linkOf(node));
  const waiting = k.locks.waiters(node);
  if (waiting !== null) wakeUpAll(k, waiting);
  store64(k, node + NODE.n_klist, 0);
  return true;
}
/** klist_put(node, kill): with its owner's put function when it goes. */
function put(k: Kernel, node: number, kill: boolean): number | undefined {
  const state = k.current.restart?.['put'] as number | undefined;
  let func = state;
  if (func === undefined) {
    const list = listOf(k, node);
    func = load64(k, list + KLIST.put);
    if (kill) store64(k, node + NODE.n_klist, list + DEAD);
    if (!dropRef(k, node)) return undefined;
    k.current.restart = { ...k.current.restart, put: func };
  }
  return func !== 0 && callGuest(k, func, node) === null ? BLOCKED : undefined;
}
/** klist_next and klist_prev: on to a node that is not dead; the one that is left may go with that. */
function step(k: Kernel, iter: number, direction: 0 | 8): number {
  const kept = k.current.restart?.['step'] as { next: number } | undefined;
  if (kept !== undefined) return put(k, load64(k, iter + ITER.i_cur), false) === BLOCKED ? BLOCKED : arrive(k, iter, kept.next);
  const list = load64(k, iter + ITER.i_klist);
  const last = load64(k, iter + ITER.i_cur);
  let link = last !== 0 ? load64(k, linkOf(last) + direction) : load64(k, headOf(list) + direction);
  let next = 0;
  while (link !== headOf(list) && !k.current.faulted) {
    if (!isDead(k, nodeAt(link))) {
      next = nodeAt(link);
      store32(k, next + NODE.n_ref, refs(k, next) + 1);
      break;
    }
    link = load64(k, link + direction);
  }
  if (last === 0) return arrive(k, iter, next);
  k.current.restart = { step: { next } };
  return put(k, last, false) === BLOCKED ? BLOCKED : arrive(k, iter, next);
}
function arrive(k: Kernel, iter: number, next: number): number {
  store64(k, iter + ITER.i_cur, next);
  return next;
}

export const klistExports: readonly FunctionExport[] = [
  fn('klist_init', (k, list, get, putFn) => {
    store32(k, list + KLIST.k_lock, 0);
    initListHead(k, headOf(list));
    store64(k, list + KLIST.get, get);
    store64(k, list + KLIST.put, putFn);
  }),
  fn('klist_add_head', (k, node, list) => add(k, node, list, (kk) => listAdd(kk, linkOf(node), headOf(list)))),
  fn('klist_add_tail', (k, node, list) => add(k, node, list, (kk) => listAddTail(kk, linkOf(node), headOf(list)))),
  fn('klist_add_behind', (k, node, at) => add(k, node, listOf(k, at), (kk) => listInsert(kk, linkOf(node), linkOf(at), load64(kk, linkOf(at))))),
  fn('klist_add_before', (k, node, at) => add(k, node, listOf(k, at), (kk) => listInsert(kk, linkOf(node), load64(kk, linkOf(at) + 8), linkOf(at)))),
  fn('klist_del', (k, node) => put(k, node, true)),
  // As klist_del, and waits until the last who stands on it has gone on.
  fn('klist_remove', (k, node) => {
    if (k.current.restart?.['removed'] !== true) {
      if (put(k, node, true) === BLOCKED) return BLOCKED;
      k.current.restart = { removed: true };
    }
    if (raw(k, node) === 0) return undefined;
    addWaitQueue(k, k.locks.at(node), false);
    k.current.state = TASK_UNINTERRUPTIBLE;
    return BLOCKED;
  }),
  fn('klist_node_attached', (k, node) => (raw(k, node) !== 0 ? 1 : 0)),
  fn('klist_iter_init', (k, list, iter) => {
    store64(k, iter + ITER.i_klist, list);
    store64(k, iter + ITER.i_cur, 0);
  }),
  fn('klist_iter_init_node', (k, list, iter, node) => {
    store64(k, iter + ITER.i_klist, list);
    store64(k, iter + ITER.i_cur, 0);
    // kref_get_unless_zero
    if (node === 0 || refs(k, node) === 0) return;
    store32(k, node + NODE.n_ref, refs(k, node) + 1);
    store64(k, iter + ITER.i_cur, node);
  }),
  fn('klist_iter_exit', (k, iter) => {
    const node = load64(k, iter + ITER.i_cur);
    if (node === 0) return undefined;
    if (put(k, node, false) === BLOCKED) return BLOCKED;
    store64(k, iter + ITER.i_cur, 0);
    return undefined;
  }),
  fn('klist_next', (k, iter) => step(k, iter, 0)),
  fn('klist_prev', (k, iter) => step(k, iter, 8)),
];
