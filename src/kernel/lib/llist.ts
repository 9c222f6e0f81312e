import { type FunctionExport, fn } from '../module/export.ts';
import { load64, store64 } from './guest_memory.ts';

// Lists that need no lock (lib/llist.c): a head and one link a node.

/** Longest list that is turned round. */
const MAX_NODES = 1_000_000;

export const llistExports: readonly FunctionExport[] = [
  fn('llist_add_batch', (k, first, last, head) => {
    const old = load64(k, head);
    store64(k, last, old);
    store64(k, head, first);
    return old === 0 ? 1 : 0;
  }),
  fn('llist_del_first', (k, head) => {
    const first = load64(k, head);
    if (first !== 0) store64(k, head, load64(k, first));
    return first;
  }),
  fn('llist_del_first_this', (k, head, wanted) => {
    if (load64(k, head) !== wanted || wanted === 0) return 0;
    store64(k, head, load64(k, wanted));
    return 1;
  }),
  fn('llist_reverse_order', (k, head) => {
    let [at, done] = [head, 0];
    for (let n = 0; at !== 0 && n < MAX_NODES; n++) {
      const next = load64(k, at);
      store64(k, at, done);
      done = at;
      at = next;
    }
    return done;
  }),
];
