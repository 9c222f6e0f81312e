import { type Block, edgeKey } from './block.ts';

/** Numbers the blocks reachable from `entry` in reverse postorder and finds their dominators; edges in `without` do not count. */
export function number(entry: Block, without: ReadonlySet<string>): Block[] {
  const order: Block[] = [];
  const stack: { b: Block; i: number }[] = [{ b: entry, i: 0 }];
  const seen = new Set<Block>([entry]);
  entry.preds = [];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.i < top.b.next.length) {
      const s = top.b.next[top.i++];
      if (without.size > 0 && without.has(edgeKey(top.b, s))) continue;
      if (!seen.has(s)) {
        seen.add(s);
        s.preds = [];
        stack.push({ b: s, i: 0 });
      }
      s.preds.push(top.b);
    } else {
      order.push(top.b);
      stack.pop();
    }
  }
  order.reverse();
  order.forEach((b, i) => {
    b.rpo = i;
  });
  findDominators(order);
  return order;
}

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function findDominators(order: readonly Block[]): void {
  const idom: number[] = order.map((_, i) => (i === 0 ? 0 : -1));
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let d = -1;
      for (const p of order[i].preds) {
        if (idom[p.rpo] < 0) continue;
        if (d < 0) {
          d = p.rpo;
          continue;
        }
        let a = p.rpo;
        while (a !== d) {
          while (a > d) a = idom[a];
          while (d > a) d = idom[d];
        }
      }
      if (idom[i] !== d) {
        idom[i] = d;
        changed = true;
      }
    }
  }
  order.forEach((b, i) => {
    b.idom = order[idom[i]];
  });
}

export function dominates(a: Block, b: Block): boolean {
  let x = b;
  while (x.rpo > a.rpo) x = x.idom;
  return x === a;
}
