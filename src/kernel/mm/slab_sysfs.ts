import { EINVAL } from '../../abi/errno.ts';
import * as S from '../../abi/slab.ts';
import type { Attribute, KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { sprintSymbol } from '../kallsyms.ts';
import type { CpuSlabs, KmemCache } from './slab_cache.ts';
import { recallFreed } from './slub_cpu.ts';
import { validateCache } from './slub_debug.ts';

// /sys/kernel/slab (mm/slub.c): a directory for each cache that shares nothing with others, else one that the names link to.

const cacheOf = (node: KernfsNode) => node.data as KmemCache;
const number = (get: (c: KmemCache) => number): Attribute => ({ show: (_k, n) => `${get(cacheOf(n))}\n` });
const flag = (bit: number) => number((c) => ((c.flags & bit) !== 0 ? 1 : 0));
/** A count, and the same by node (show_slab_objects). */
const counted = (get: (c: KmemCache) => number): Attribute => ({
  show: (k, n) => {
    recallFreed(k.mm.slab.slub, cacheOf(n));
    const count = get(cacheOf(n));
    return `${count}${count > 0 ? ` N0=${count}` : ''}\n`;
  },
});
const sum = (cpus: readonly CpuSlabs[], get: (c: CpuSlabs) => number) => cpus.reduce((total, c) => total + get(c), 0);
function parse(text: string): number {
  const s = text.replace(/\n$/, '');
  return /^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(s) ? Number(s) : -1;
}
const onlyOne = (run: (k: Kernel, c: KmemCache) => void): Attribute => ({
  show: () => '',
  store: (k, n, text) => {
    if (!text.startsWith('1')) return -EINVAL;
    run(k, cacheOf(n));
    return 0;
  },
});
const cpuPartialObjects = (slabs: number, c: KmemCache) => Math.floor((slabs * c.perSlab) / 2);

const ATTRIBUTES: readonly (readonly [string, number, Attribute])[] = [
  ['aliases', 0o400, number((c) => c.refcount - 1)],
  ['align', 0o400, number((c) => c.align)],
  [
    'cpu_partial',
    0o600,
    {
      show: (_k, n) => `${cacheOf(n).cpuPartial}\n`,
      store: (k, n, text) => {
        const objects = parse(text);
        const c = cacheOf(n);
        if (objects < 0 || (objects > 0 && c.debug)) return -EINVAL;
        c.setCpuPartial(objects);
        k.mm.slab.slub.flush(c);
        return 0;
      },
    },
  ],
  ['cpu_slabs', 0o400, counted((c) => sum(c.cpus, (p) => (p.slab === null ? 0 : 1) + p.partial.length))],
  ['ctor', 0o400, { show: (k, n) => (cacheOf(n).ctor === 0 ? '' : `${sprintSymbol(k, cacheOf(n).ctor, 'S')}\n`) }],
  ['destroy_by_rcu', 0o400, flag(S.SLAB_TYPESAFE_BY_RCU)],
  ['hwcache_align', 0o400, flag(S.SLAB_HWCACHE_ALIGN)],
  [
    'min_partial',
    0o600,
    {
      show: (_k, n) => `${cacheOf(n).minPartial}\n`,
      store: (_k, n, text) => {
        const min = parse(text);
        if (min < 0) return -EINVAL;
        cacheOf(n).minPartial = min;
        return 0;
      },
    },
  ],
  ['object_size', 0o400, number((c) => c.objectSize)],
  ['objects', 0o400, counted((c) => c.totalObjects - c.partialFree)],
  ['objects_partial', 0o400, counted((c) => c.partial.size * c.perSlab - c.partialFree)],
  ['objs_per_slab', 0o400, number((c) => c.perSlab)],
  ['order', 0o400, number((c) => c.order)],
  ['partial', 0o400, counted((c) => c.partial.size)],
  ['poison', 0o400, flag(S.SLAB_POISON)],
  ['reclaim_account', 0o400, flag(S.SLAB_RECLAIM_ACCOUNT)],
  ['red_zone', 0o400, flag(S.SLAB_RED_ZONE)],
  ['remote_node_defrag_ratio', 0o600, { show: () => '100\n', store: () => 0 }],
  ['sanity_checks', 0o400, flag(S.SLAB_CONSISTENCY_CHECKS)],
  ['shrink', 0o600, onlyOne((k, c) => k.mm.slab.slub.shrink(c))],
  ['skip_kfence', 0o600, flag(S.SLAB_SKIP_KFENCE)],
  ['slab_size', 0o400, number((c) => c.size)],
  ['slabs', 0o400, counted((c) => c.slabs.size)],
  [
    'slabs_cpu_partial',
    0o400,
    {
      show: (_k, n) => {
        const c = cacheOf(n);
        const all = sum(c.cpus, (p) => p.partial.length);
        const each = c.cpus.map((p, cpu) => (p.partial.length === 0 ? '' : ` C${cpu}=${cpuPartialObjects(p.partial.length, c)}(${p.partial.length})`));
        return `${cpuPartialObjects(all, c)}(${all})${each.join('')}\n`;
      },
    },
  ],
  ['store_user', 0o400, flag(S.SLAB_STORE_USER)],
  ['total_objects', 0o400, counted((c) => c.totalObjects)],
  ['trace', 0o400, flag(S.SLAB_TRACE)],
  ['usersize', 0o400, number((c) => c.usersize)],
  ['validate', 0o600, onlyOne((k, c) => validateCache(k.mm.slab.slub, c))],
];
/** Only caches that user memory may be copied to and from say how much; DMA is a zone of its own where it exists. */
function addCache(k: Kernel, cache: KmemCache): void {
  const root = k.sysfs.mkdirs('kernel/slab');
  const unique = cache.uniqueId;
  let dir = root.children.get(unique);
  if (cache.refcount === 1) {
    if (dir !== undefined) k.sysfs.remove(dir);
    const made = k.sysfs.mkdir(root, unique, 0o755, cache);
    if (typeof made === 'number') return;
    dir = made;
    for (const [name, mode, attr] of ATTRIBUTES) k.sysfs.createFile(dir, name, mode, attr, cache);
  }
  const name = cache.lastAlias === '' ? cache.name : cache.lastAlias;
  if (dir === undefined || name === unique) return;
  const old = root.children.get(name);
  if (old !== undefined) k.sysfs.remove(old);
  k.sysfs.createLink(root, name, dir);
}
function removeCache(k: Kernel, cache: KmemCache): void {
  const root = k.sysfs.mkdirs('kernel/slab');
  for (const name of [cache.uniqueId, cache.name]) {
    const node = root.children.get(name);
    if (node !== undefined) k.sysfs.remove(node);
  }
}
/** slab_sysfs_init: the caches that are there, and from now on those that come and go. */
export function slabSysfsInit(k: Kernel): void {
  for (const cache of k.mm.slab.caches) addCache(k, cache);
  k.mm.slab.onCache = (cache, there) => (there ? addCache(k, cache) : removeCache(k, cache));
}
