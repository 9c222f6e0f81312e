import type { Kernel } from '../kernel.ts';
import { readKernel64 } from '../mm/maccess.ts';
import { imageObject } from '../module/stubs.ts';
import { load64, store64 } from './guest_memory.ts';

// Lists in guest memory (include/linux/list.h). A wild link is the oops that Linux would have had there; one that does not lead back is left alone.

/** Longest walk: a list that a module tore apart may have no end. */
const MAX_NODES = 100_000;

export function initListHead(k: Kernel, head: number): void {
  store64(k, head, head);
  store64(k, head + 8, head);
}
/** An empty list in the kernel image: the place of an exported list head. */
export function imageListHead(k: Kernel): number {
  const head = imageObject(k, 16, 8);
  initListHead(k, head);
  return head;
}
export function listEmpty(k: Kernel, head: number): boolean {
  return load64(k, head) === head;
}
/** __list_add: `node` between two neighbours. */
export function listInsert(k: Kernel, node: number, prev: number, next: number): void {
  store64(k, next + 8, node);
  store64(k, node, next);
  store64(k, node + 8, prev);
  store64(k, prev, node);
}
/** list_add: behind the head. */
export function listAdd(k: Kernel, node: number, head: number): void {
  listInsert(k, node, head, load64(k, head));
}
/** list_add_tail: in front of the head. */
export function listAddTail(k: Kernel, node: number, head: number): void {
  listInsert(k, node, load64(k, head + 8), head);
}
/** list_del_init. False when the node's neighbours do not know it. */
export function listDel(k: Kernel, node: number): boolean {
  const next = load64(k, node);
  const prev = load64(k, node + 8);
  if (k.current.faulted || load64(k, prev) !== node || load64(k, next + 8) !== node) return false;
  store64(k, prev, next);
  store64(k, next + 8, prev);
  initListHead(k, node);
  return true;
}
/** Addresses of the nodes, read before the first of them is touched. */
export function listNodes(k: Kernel, head: number, max = MAX_NODES): number[] {
  const nodes: number[] = [];
  for (let at = load64(k, head); at !== head && at !== 0 && nodes.length < max; at = load64(k, at)) nodes.push(at);
  return nodes;
}

/** Pointers of an array that are followed. */
const ARRAY_MAX = 256;
/** The addresses of a NULL-terminated array of pointers. */
export function pointerArray(k: Kernel, at: number): number[] {
  const found: number[] = [];
  for (let i = 0; at !== 0 && i < ARRAY_MAX; i++) {
    const p = readKernel64(k, at + i * 8) ?? 0;
    if (p === 0) break;
    found.push(p);
  }
  return found;
}
