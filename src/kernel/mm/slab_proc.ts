import type { Kernel } from '../kernel.ts';

// Text of /proc/slabinfo (mm/slab_common.c).

export function showSlabinfo(k: Kernel): string {
  let out =
    'slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n';
  const pad = (n: number, w: number) => String(n).padStart(w);
  // Newest first, as Linux lists them.
  for (const c of [...k.mm.slab.caches].reverse()) {
    const slabs = c.slabs.size;
    out += `${c.name.padEnd(17)} ${pad(c.totalObjects - k.mm.slab.slub.partialFree(c), 6)} ${pad(slabs * c.perSlab, 6)} ${pad(c.size, 6)} ${pad(c.perSlab, 4)} ${pad(1 << c.order, 4)}`;
    out += ` : tunables ${pad(0, 4)} ${pad(0, 4)} ${pad(0, 4)} : slabdata ${pad(slabs, 6)} ${pad(slabs, 6)} ${pad(0, 6)}\n`;
  }
  return out;
}
