import type { Kernel } from '../kernel.ts';
import { askGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { BLOCKED } from '../sched/wait.ts';
import { load, size } from './access.ts';
import { storeBytes } from './guest_memory.ts';
import { listEmpty, listInsert, initListHead, listNodes } from './list.ts';

// Sorting and searching with a module's comparison (lib/sort.c, lib/list_sort.c, lib/bsearch.c). The comparisons are made in Linux's order, which decides
// where equal elements of an array end up; the progress between two of them is plain data.

/** Most elements of an array. */
const MAX_ELEMENTS = 2 ** 24;

interface HeapSort {
  /** Elements of the heap; what lies above is sorted. */
  n: number;
  /** Root of the part that becomes a heap; 0 once all is one. */
  a: number;
  /** How far to the next root: 1, or 2 from the second of a pair. */
  step: number;
  b: number;
  c: number;
  at: 'round' | 'second' | 'swapSecond' | 'down' | 'up' | 'rotate';
}
interface Elements {
  readonly base: number;
  readonly size: number;
  readonly cmp: number;
  /** A function of the module, or 0 to 2: the kernel's own by words of 8 or 4 bytes or bytes. */
  readonly swap: number;
  readonly priv: readonly number[];
}
const OWN_SWAPS = 2;
const parentOf = (i: number) => (i - 1) >> 1;

/** Exchanges two elements: false while the module's function for it runs. */
function swap(k: Kernel, { base, size: n, swap: func, priv }: Elements, i: number, j: number): boolean {
  const [x, y] = [base + i * n, base + j * n];
  if (func < 0 || func > OWN_SWAPS) return askGuest(k, func, x, y, n, ...priv) !== null;
  const [atX, atY] = [load(k, x, n), load(k, y, n)];
  storeBytes(k, x, atY);
  storeBytes(k, y, atX);
  return true;
}
/** Bottom-up heapsort: down along the larger children to a leaf, then back up to where the root's element belongs. */
function heapSort(k: Kernel, array: Elements, num: number): number | undefined {
  const s = (k.current.restart?.['sort'] as HeapSort | undefined) ?? { n: num, a: num >> 1, step: 1, b: 0, c: 0, at: 'round' };
  if (num < 2 || num > MAX_ELEMENTS) return undefined;
  const compare = (i: number, j: number) => {
    const r = askGuest(k, array.cmp, array.base + i * array.size, array.base + j * array.size, ...array.priv);
    return r === null ? null : r | 0;
  };
  k.current.restart = { sort: s };
  for (;;) {
    if (k.current.faulted) return undefined;
    switch (s.at) {
      case 'round':
        if (s.a > 0) s.a -= s.step;
        else if (s.n <= 1) return undefined;
        else {
          if (!swap(k, array, 0, s.n - 1)) return BLOCKED;
          s.n--;
          // The two largest go at once, while there are enough.
          if (s.n > 2) {
            s.at = 'second';
            break;
          }
        }
        s.b = s.a;
        s.at = 'down';
        break;
      case 'second': {
        const r = compare(1, 2);
        if (r === null) return BLOCKED;
        s.step = r <= 0 ? 2 : 1;
        s.a = s.step;
        s.at = 'swapSecond';
        break;
      }
      case 'swapSecond':
        if (!swap(k, array, s.a, s.n - 1)) return BLOCKED;
        s.n--;
        s.b = s.a;
        s.at = 'down';
        break;
      case 'down': {
        const child = 2 * s.b + 1;
        if (child + 1 < s.n) {
          const r = compare(child, child + 1);
          if (r === null) return BLOCKED;
          s.b = r > 0 ? child : child + 1;
          break;
        }
        if (child + 1 === s.n) s.b = child;
        s.at = 'up';
        break;
      }
      case 'up': {
        if (s.b !== s.a) {
          const r = compare(s.a, s.b);
          if (r === null) return BLOCKED;
          if (r >= 0) {
            s.b = parentOf(s.b);
            break;
          }
        }
        s.c = s.b;
        s.at = 'rotate';
        break;
      }
      default:
        if (s.b === s.a) s.at = 'round';
        else {
          if (!swap(k, array, parentOf(s.b), s.c)) return BLOCKED;
          s.b = parentOf(s.b);
        }
    }
  }
}

interface Merge {
  readonly a: readonly number[];
  i: number;
  readonly b: readonly number[];
  j: number;
  readonly out: number[];
}
interface ListSort {
  rest: number[];
  /** Sorted runs, the youngest first. */
  pending: (readonly number[])[];
  count: number;
  merge: Merge | null;
  /** Which of the pending runs the merge replaces, with the next older one. */
  slot: number;
}
/** The merged run, or null while a comparison runs. Equal elements keep their order. */
function merge(k: Kernel, priv: number, cmp: number, m: Merge): readonly number[] | null {
  while (m.i < m.a.length && m.j < m.b.length) {
    const r = askGuest(k, cmp, priv, m.a[m.i], m.b[m.j]);
    if (r === null) return null;
    m.out.push((r | 0) <= 0 ? m.a[m.i++] : m.b[m.j++]);
  }
  return [...m.out, ...m.a.slice(m.i), ...m.b.slice(m.j)];
}
const mergeOf = (a: readonly number[], b: readonly number[]): Merge => ({ a, i: 0, b, j: 0, out: [] });
/** Merges runs of like size as soon as a third one of it follows. */
function listSort(k: Kernel, priv: number, head: number, cmp: number): number | undefined {
  if (listEmpty(k, head)) return undefined;
  const s = (k.current.restart?.['listSort'] as ListSort | undefined) ?? {
    rest: listNodes(k, head, MAX_ELEMENTS).reverse(),
    pending: [],
    count: 0,
    merge: null,
    slot: 0,
  };
  k.current.restart = { listSort: s };
  for (;;) {
    if (s.merge !== null) {
      const merged = merge(k, priv, cmp, s.merge);
      if (merged === null) return BLOCKED;
      s.merge = null;
      s.pending.splice(s.slot, 2, merged);
      if (s.rest.length > 0) push(s);
    } else if (s.rest.length > 0) {
      let bits = s.count;
      for (s.slot = 0; (bits & 1) !== 0; bits >>= 1) s.slot++;
      if (bits !== 0) {
        s.merge = mergeOf(s.pending[s.slot + 1], s.pending[s.slot]);
        continue;
      }
      push(s);
    } else if (s.pending.length > 1) {
      s.slot = 0;
      s.merge = mergeOf(s.pending[1], s.pending[0]);
    } else break;
  }
  initListHead(k, head);
  let prev = head;
  for (const node of s.pending[0]) {
    listInsert(k, node, prev, head);
    prev = node;
  }
  return undefined;
}
function push(s: ListSort): void {
  s.pending.unshift([s.rest.pop() as number]);
  s.count++;
}

interface Search {
  from: number;
  n: number;
}
function bsearch(k: Kernel, key: number, base: number, num: number, step: number, cmp: number): number {
  const s = (k.current.restart?.['bsearch'] as Search | undefined) ?? { from: base, n: Math.min(size(num), MAX_ELEMENTS) };
  k.current.restart = { bsearch: s };
  while (s.n > 0) {
    const pivot = s.from + (s.n >> 1) * step;
    const r = askGuest(k, cmp, key, pivot);
    if (r === null) return BLOCKED;
    if ((r | 0) === 0) return pivot;
    if ((r | 0) > 0) {
      s.from = pivot + step;
      s.n--;
    }
    s.n >>= 1;
  }
  return 0;
}

export const sortExports: readonly FunctionExport[] = [
  fn('sort', (k, base, num, step, cmp, func) => heapSort(k, { base, size: size(step), cmp, swap: func, priv: [] }, size(num))),
  // sort_r(base, num, size, cmp, swap, priv)
  fn('sort_r', (k, base, num, step, cmp, func) => {
    const priv = k.machine.regs.get(15);
    return heapSort(k, { base, size: size(step), cmp, swap: func, priv: [priv] }, size(num));
  }),
  fn('list_sort', (k, priv, head, cmp) => listSort(k, priv, head, cmp)),
  fn('bsearch', bsearch),
];
