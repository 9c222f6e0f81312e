import { EINVAL } from '../../abi/errno.ts';
import type { IntRow } from '../fs/proc/proc_sysctl.ts';
import { parseSysctlInt, sysctlLive } from '../fs/proc/proc_sysctl.ts';
import type { Kernel } from '../kernel.ts';
import { watermarksFor } from './page_alloc.ts';
import { dropCaches, wakeKswapd } from './vmscan.ts';

// Settings of memory management: /proc/sys/vm (mm/util.c, mm/oom_kill.c, fs/drop_caches.c).

const INT_MAX = 0x7fff_ffff;
const LONG_MAX = Number.MAX_SAFE_INTEGER;

const ROWS: readonly (readonly [string, IntRow])[] = [
  ['overcommit_memory', { get: (k) => k.mm.overcommit.memory, set: (k, n) => (k.mm.overcommit.memory = n), min: 0, max: 2 }],
  [
    'overcommit_ratio',
    {
      get: (k) => k.mm.overcommit.ratio,
      set: (k, n) => {
        k.mm.overcommit.ratio = n;
        k.mm.overcommit.kbytes = 0;
      },
      min: -INT_MAX - 1,
      max: INT_MAX,
    },
  ],
  [
    'overcommit_kbytes',
    {
      get: (k) => k.mm.overcommit.kbytes,
      set: (k, n) => {
        k.mm.overcommit.kbytes = n;
        k.mm.overcommit.ratio = 0;
      },
      min: 0,
      max: LONG_MAX,
    },
  ],
  [
    'admin_reserve_kbytes',
    { get: (k) => k.mm.overcommit.adminReserveKbytes, set: (k, n) => (k.mm.overcommit.adminReserveKbytes = n), min: 0, max: LONG_MAX },
  ],
  [
    'user_reserve_kbytes',
    { get: (k) => k.mm.overcommit.userReserveKbytes, set: (k, n) => (k.mm.overcommit.userReserveKbytes = n), min: 0, max: LONG_MAX },
  ],
  ['swappiness', { get: (k) => k.mm.reclaim.swappiness, set: (k, n) => (k.mm.reclaim.swappiness = n), min: 0, max: 200 }],
  [
    'min_free_kbytes',
    {
      get: (k) => k.mm.reclaim.minFreeKb || k.mm.pages.watermarks.min * 4,
      set: (k, n) => {
        k.mm.reclaim.minFreeKb = n;
        setWatermarks(k);
      },
      min: 0,
      max: INT_MAX,
    },
  ],
  [
    'watermark_scale_factor',
    {
      get: (k) => k.mm.reclaim.watermarkScale,
      set: (k, n) => {
        k.mm.reclaim.watermarkScale = n;
        setWatermarks(k);
      },
      min: 1,
      max: 3000,
    },
  ],
  ['max_map_count', { get: (k) => k.mm.maxMapCount, set: (k, n) => (k.mm.maxMapCount = n), min: 0, max: INT_MAX }],
  ['oom_dump_tasks', { get: (k) => k.mm.oom.dumpTasks, set: (k, n) => (k.mm.oom.dumpTasks = n), min: -INT_MAX - 1, max: INT_MAX }],
  ['oom_kill_allocating_task', { get: (k) => k.mm.oom.killAsker, set: (k, n) => (k.mm.oom.killAsker = n), min: -INT_MAX - 1, max: INT_MAX }],
  ['panic_on_oom', { get: (k) => k.mm.oom.panic, set: (k, n) => (k.mm.oom.panic = n), min: 0, max: 2 }],
];

function setWatermarks(k: Kernel): void {
  const { pages, reclaim } = k.mm;
  pages.watermarks = watermarksFor(pages.managedPages, reclaim.minFreeKb, reclaim.watermarkScale);
  wakeKswapd(k);
}

export function mmSysctlInit(k: Kernel): void {
  for (const [name, row] of ROWS) sysctlLive(k, `vm/${name}`, row);
  k.procfs.create('sys/vm/drop_caches', null, {
    strict: true,
    mode: 0o200,
    store(kk, text) {
      const n = parseSysctlInt(text, 1, 4);
      if (n === null) return -EINVAL;
      return dropCaches(kk, n);
    },
  });
}
