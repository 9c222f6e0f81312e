import { EAGAIN, EINVAL, EOPNOTSUPP } from '../../abi/errno.ts';
import type { Attribute, KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { EVENT_NAMES, type MemCgroup, memcgEvent, NO_LIMIT, SWAP_EVENT_NAMES } from '../mm/memcontrol.ts';
import { memoryNumaStat, memoryStat } from '../mm/memcontrol_stat.ts';
import { reclaimMemcg } from '../mm/vmscan.ts';
import type { Cgroup } from './cgroup.ts';

// The files of the memory controller (memory_files and swap_files of mm/memcontrol.c; Documentation/admin-guide/cgroup-v2.rst).

/** Rounds of reclaim when a limit is set below what is used (MAX_RECLAIM_RETRIES). */
const RETRIES = 16;
type File = readonly [name: string, mode: number, attr: Attribute];
const memOf = (n: KernfsNode): MemCgroup => (n.data as Cgroup).mem;
const bytes = (pages: number) => (pages === NO_LIMIT ? 'max\n' : `${pages * PAGE_SIZE}\n`);

/** A size in bytes with a suffix, or `max`, as whole pages (page_counter_memparse). Null when it is none. */
function pagesOf(text: string): number | null {
  const word = text.trim();
  if (word === 'max') return NO_LIMIT;
  const n = word === '' ? 0 : sizeOf(word);
  return n === null ? null : Math.floor(n / PAGE_SIZE);
}
function sizeOf(word: string): number | null {
  const m = /^(0[xX][0-9a-fA-F]+|\d+)([kKmMgGtTpPeE]?)$/.exec(word);
  if (m === null) return null;
  const digits = /^0[0-7]+$/.test(m[1]) ? Number.parseInt(m[1], 8) : Number(m[1]);
  return m[2] === '' ? digits : digits * 1024 ** ('kmgtpe'.indexOf(m[2].toLowerCase()) + 1);
}
/** A file with a number of pages. */
function limit(get: (cg: MemCgroup) => number, set: (k: Kernel, cg: MemCgroup, pages: number) => void): Attribute {
  return {
    show: (_k, n) => bytes(get(memOf(n))),
    store(k, n, text) {
      const pages = pagesOf(text);
      if (pages === null) return -EINVAL;
      set(k, memOf(n), pages);
      return 0;
    },
  };
}
/** memory.max: what is over it goes at once, by reclaim or by a kill (memory_max_write). */
function setMax(k: Kernel, cg: MemCgroup, pages: number): void {
  cg.memory.max = pages;
  let tries = RETRIES;
  while (cg.memory.usage > pages) {
    if (tries > 0) {
      if (reclaimMemcg(k, cg, cg.memory.usage - pages, true) === 0) tries--;
      continue;
    }
    memcgEvent(cg, 'oom');
    if (!k.mm.memcg.outOfMemory(k, cg)) return;
  }
}
function setHigh(k: Kernel, cg: MemCgroup, pages: number): void {
  cg.memory.high = pages;
  for (let tries = RETRIES; tries > 0 && cg.memory.usage > pages; ) if (reclaimMemcg(k, cg, cg.memory.usage - pages, true) === 0) tries--;
}
/** memory.reclaim: -EAGAIN when less came free. */
function reclaim(k: Kernel, n: KernfsNode, text: string): number {
  const [amount, option, ...rest] = text.trim().split(/\s+/);
  const size = sizeOf(amount);
  if (size === null || rest.length > 0) return -EINVAL;
  let swappiness: number | undefined;
  if (option !== undefined) {
    const m = /^swappiness=(\d+)$/.exec(option);
    if (m === null || Number(m[1]) > 200) return -EINVAL;
    swappiness = Number(m[1]);
  }
  const want = Math.floor(size / PAGE_SIZE);
  let got = 0;
  for (let tries = RETRIES; got < want; ) {
    const now = reclaimMemcg(k, memOf(n), want - got, true, swappiness);
    if (now === 0 && tries-- === 0) return -EAGAIN;
    got += now;
  }
  return 0;
}
const list = (names: readonly string[], of: Readonly<Record<string, number>>) => names.map((name) => `${name} ${of[name]}\n`).join('');
const peak: Attribute['store'] = () => -EOPNOTSUPP; // a peak of one open file's own is not kept

export const MEMORY_FILES: readonly File[] = [
  ['memory.current', 0o444, { show: (_k, n) => bytes(memOf(n).memory.usage) }],
  ['memory.peak', 0o644, { show: (_k, n) => bytes(memOf(n).memory.peak), store: peak }],
  ['memory.min', 0o644, limit((cg) => cg.min, (_k, cg, pages) => (cg.min = pages))],
  ['memory.low', 0o644, limit((cg) => cg.low, (_k, cg, pages) => (cg.low = pages))],
  ['memory.high', 0o644, limit((cg) => cg.memory.high, setHigh)],
  ['memory.max', 0o644, limit((cg) => cg.memory.max, setMax)],
  ['memory.events', 0o444, { show: (_k, n) => list(EVENT_NAMES, memOf(n).events) }],
  ['memory.events.local', 0o444, { show: (_k, n) => list(EVENT_NAMES, memOf(n).eventsLocal) }],
  ['memory.stat', 0o444, { show: (k, n) => memoryStat(k, memOf(n)) }],
  ['memory.numa_stat', 0o444, { show: (k, n) => memoryNumaStat(k, memOf(n)) }],
  [
    'memory.oom.group',
    0o644,
    {
      show: (_k, n) => (memOf(n).oomGroup ? '1\n' : '0\n'),
      store(_k, n, text) {
        const word = text.trim();
        if (word !== '0' && word !== '1') return -EINVAL;
        memOf(n).oomGroup = word === '1';
        return 0;
      },
    },
  ],
  ['memory.reclaim', 0o200, { store: reclaim }],
  ['memory.swap.current', 0o444, { show: (_k, n) => bytes(memOf(n).swap.usage) }],
  ['memory.swap.high', 0o644, limit((cg) => cg.swap.high, (_k, cg, pages) => (cg.swap.high = pages))],
  ['memory.swap.max', 0o644, limit((cg) => cg.swap.max, (_k, cg, pages) => (cg.swap.max = pages))],
  ['memory.swap.peak', 0o644, { show: (_k, n) => bytes(memOf(n).swap.peak), store: peak }],
  ['memory.swap.events', 0o444, { show: (_k, n) => list(SWAP_EVENT_NAMES, memOf(n).swapEvents) }],
];
/** The root has no limits. */
export const MEMORY_ROOT_FILES = MEMORY_FILES.filter(([name]) => ['memory.stat', 'memory.numa_stat', 'memory.reclaim'].includes(name));
