import type { Kernel } from '../kernel.ts';
import { CAP_SYS_ADMIN } from '../../abi/sched.ts';
import { PAGE_SIZE } from './address.ts';

// Promises of memory (mm/util.c): what may be mapped private and writable before a page of it is touched.

const OVERCOMMIT_GUESS = 0;
const OVERCOMMIT_ALWAYS = 1;
const KB = PAGE_SIZE / 1024;
const pagesOf = (kb: number) => Math.floor(kb / KB);

/** The settings of /proc/sys/vm. */
export interface OvercommitSettings {
  /** 0: refuse only what can never be; 1: never refuse; 2: keep within the limit. */
  memory: number;
  /** Percent of memory; 0 when kbytes counts. */
  ratio: number;
  kbytes: number;
  /** Kept for root, and for one's own recovery, in mode 2. */
  adminReserveKbytes: number;
  userReserveKbytes: number;
}
/** init_user_reserve, init_admin_reserve: 3 % of what is free, at most 128 MiB and 8 MiB. */
export function overcommitDefaults(freePages: number): OvercommitSettings {
  const share = Math.floor((freePages * KB) / 32);
  return { memory: OVERCOMMIT_GUESS, ratio: 50, kbytes: 0, adminReserveKbytes: Math.min(share, 8192), userReserveKbytes: Math.min(share, 131072) };
}
/** vm_commit_limit, in pages. */
export function commitLimit(k: Kernel): number {
  const { overcommit: o, pages, swap } = k.mm;
  return (o.kbytes !== 0 ? pagesOf(o.kbytes) : Math.trunc((pages.managedPages * o.ratio) / 100)) + swap.total;
}
/** __vm_enough_memory: may `pages` more be promised? */
export function enoughMemory(k: Kernel, pages: number): boolean {
  const { overcommit: o, stat } = k.mm;
  if (o.memory === OVERCOMMIT_ALWAYS) return true;
  if (o.memory === OVERCOMMIT_GUESS) return pages <= k.mm.pages.managedPages + k.mm.swap.total;
  let allowed = commitLimit(k);
  if (!k.current.capable(CAP_SYS_ADMIN)) allowed -= pagesOf(o.adminReserveKbytes);
  const { mm } = k.current;
  if (mm !== null) allowed -= Math.min(Math.floor(mm.totalPages / 32), pagesOf(o.userReserveKbytes));
  return stat.committed + pages < allowed;
}
