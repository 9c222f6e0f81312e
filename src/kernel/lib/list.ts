import type { Kernel } from '../kernel.ts';
import { readKernel64, writeKernel64 } from '../mm/maccess.ts';

// Lists in guest memory (include/linux/list.h). What a module made of them is looked at before anything is written: a link that does not lead back
// is left alone.

export function initListHead(k: Kernel, head: number): void {
  writeKernel64(k, head, head);
  writeKernel64(k, head + 8, head);
}
/** __list_add: `node` between two neighbours. */
function insert(k: Kernel, node: number, prev: number, next: number): void {
  writeKernel64(k, next + 8, node);
  writeKernel64(k, node, next);
  writeKernel64(k, node + 8, prev);
  writeKernel64(k, prev, node);
}
/** list_add: behind the head. */
export function listAdd(k: Kernel, node: number, head: number): void {
  insert(k, node, head, readKernel64(k, head) ?? head);
}
/** list_add_tail: in front of the head. */
export function listAddTail(k: Kernel, node: number, head: number): void {
  insert(k, node, readKernel64(k, head + 8) ?? head, head);
}
/** list_del_init. False when the node's neighbours do not know it. */
export function listDel(k: Kernel, node: number): boolean {
  const next = readKernel64(k, node);
  const prev = readKernel64(k, node + 8);
  if (next === null || prev === null || readKernel64(k, prev) !== node || readKernel64(k, next + 8) !== node) return false;
  writeKernel64(k, prev, next);
  writeKernel64(k, next + 8, prev);
  initListHead(k, node);
  return true;
}
/** Addresses of the nodes, up to `max` (a list that a module tore apart may have no end). */
export function listNodes(k: Kernel, head: number, max = 100_000): number[] {
  const nodes: number[] = [];
  for (let at = readKernel64(k, head); at !== null && at !== head && at !== 0 && nodes.length < max; at = readKernel64(k, at)) nodes.push(at);
  return nodes;
}
