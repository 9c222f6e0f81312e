import { majorOf, minorOf } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { hex, mangle } from '../../lib/seq_file.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import {
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_IO,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type MmStruct,
  type VmArea,
} from '../../mm/mm_struct.ts';
import { SharedAnon } from '../../mm/filemap.ts';
import { mapCount, PG_DIRTY, PG_RESERVED, pageFlags } from '../../mm/page.ts';
import { PTE_D, ptePa, ptePresent, walkRange } from '../../mm/pgtable.ts';
import { kindOf } from '../../mm/rmap.ts';
import { dPath } from '../d_path.ts';

// Text about address spaces: maps, smaps, smaps_rollup, numa_maps (fs/proc/task_mmu.c).

/** Column at which the name of an area begins (seq_pad in show_map_vma). */
const NAME_COLUMN = 73;

/** What /proc shows as the name of an area (get_vma_name). */
export function areaName(k: Kernel, mm: MmStruct, v: VmArea): string {
  if (v.file !== null) return mangle(dPath(k, v.file.path), '').replace(/\\040/g, ' ');
  if (v.name !== '') return v.name;
  if (v.start < mm.brk && v.end > mm.startBrk && v.mapping === null) return '[heap]';
  if (v.start <= mm.startStack && v.end >= mm.startStack) return '[stack]';
  return v.mapping !== null ? '/dev/zero (deleted)' : '';
}
export function mapsLine(start: number, end: number, flags: number, offset: number, dev: number, ino: number, name: string): string {
  const perms = `${(flags & VM_READ) !== 0 ? 'r' : '-'}${(flags & VM_WRITE) !== 0 ? 'w' : '-'}${(flags & VM_EXEC) !== 0 ? 'x' : '-'}${(flags & VM_MAYSHARE) !== 0 ? 's' : 'p'}`;
  const head = `${hex(start, 8)}-${hex(end, 8)} ${perms} ${hex(offset, 8)} ${hex(majorOf(dev), 2)}:${hex(minorOf(dev), 2)} ${ino} `;
  return name === '' ? `${head}\n` : `${head.padEnd(NAME_COLUMN)}${name}\n`;
}
/** Device and inode number of what Linux has a file for: files, and shared anonymous memory, an unlinked file on the kernel's own tmpfs (device 0:1). */
export function areaFile(v: VmArea): { readonly dev: number; readonly ino: number } | null {
  if (v.file !== null) return { dev: v.file.inode.sb.dev, ino: v.file.inode.ino };
  return v.mapping instanceof SharedAnon ? { dev: 1, ino: v.mapping.ino } : null;
}
function areaLine(k: Kernel, mm: MmStruct, v: VmArea): string {
  const file = areaFile(v);
  const offset = file === null ? 0 : v.pgoff * PAGE_SIZE;
  return mapsLine(v.start, v.end, v.flags, offset, file?.dev ?? 0, file?.ino ?? 0, areaName(k, mm, v));
}
export function showMaps(k: Kernel, mm: MmStruct): string {
  return mm.vmas.map((v) => areaLine(k, mm, v)).join('');
}

/** Resident bytes of one area by kind. */
interface Usage {
  rss: number;
  pss: number;
  pssDirty: number;
  pssAnon: number;
  pssFile: number;
  pssShmem: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  anonymous: number;
  swap: number;
  swapPss: number;
}
const noUsage = (): Usage => ({
  rss: 0,
  pss: 0,
  pssDirty: 0,
  pssAnon: 0,
  pssFile: 0,
  pssShmem: 0,
  sharedClean: 0,
  sharedDirty: 0,
  privateClean: 0,
  privateDirty: 0,
  anonymous: 0,
  swap: 0,
  swapPss: 0,
});

function gather(k: Kernel, mm: MmStruct, v: VmArea, into: Usage): void {
  // What a shared or never written area has in the swap of its file.
  if (v.mapping !== null && v.mapping.swapped.size > 0)
    for (let i = v.pgoff; i < v.pgoff + (v.end - v.start) / PAGE_SIZE; i++) if (v.mapping.swapped.has(i)) into.swap += PAGE_SIZE;
  walkRange(k.ram, mm.pgd, v.start, v.end, (at) => {
    const pte = k.ram.read32(at);
    if (!ptePresent(pte)) {
      into.swap += PAGE_SIZE;
      into.swapPss += PAGE_SIZE / Math.max(1, k.mm.swap.users(pte));
      return;
    }
    const pa = ptePa(pte);
    if (!ptePresent(pte) || pa === k.mm.zeroPage || (v.flags & VM_PFNMAP) !== 0) return;
    const page = k.mm.pages.pageStruct(pa);
    const kind = kindOf(k, pa);
    const users = mapCount(k.ram, page);
    // Pages of file systems in memory have no clean copy anywhere: they are dirty.
    const dirty = (pte & PTE_D) !== 0 || (pageFlags(k.ram, page) & PG_DIRTY) !== 0;
    const share = PAGE_SIZE / Math.max(1, users);
    into.rss += PAGE_SIZE;
    into.pss += share;
    if (dirty) into.pssDirty += share;
    if (kind === 'anon') {
      into.pssAnon += share;
      into.anonymous += PAGE_SIZE;
    } else if (kind === 'shmem') into.pssShmem += share;
    else into.pssFile += share;
    if (users > 1) {
      if (dirty) into.sharedDirty += PAGE_SIZE;
      else into.sharedClean += PAGE_SIZE;
    } else if (dirty) into.privateDirty += PAGE_SIZE;
    else into.privateClean += PAGE_SIZE;
  });
}
const kbLine = (name: string, bytes: number) => `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
function usageLines(u: Usage, rollup: boolean, locked: number): string {
  return (
    kbLine('Rss', u.rss) +
    kbLine('Pss', u.pss) +
    kbLine('Pss_Dirty', u.pssDirty) +
    (rollup ? kbLine('Pss_Anon', u.pssAnon) + kbLine('Pss_File', u.pssFile) + kbLine('Pss_Shmem', u.pssShmem) : '') +
    kbLine('Shared_Clean', u.sharedClean) +
    kbLine('Shared_Dirty', u.sharedDirty) +
    kbLine('Private_Clean', u.privateClean) +
    kbLine('Private_Dirty', u.privateDirty) +
    kbLine('Referenced', u.rss) +
    kbLine('Anonymous', u.anonymous) +
    ['KSM', 'LazyFree', 'AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped', 'Shared_Hugetlb', 'Private_Hugetlb'].map((n) => kbLine(n, 0)).join('') +
    kbLine('Swap', u.swap) +
    kbLine('SwapPss', u.swapPss) +
    kbLine('Locked', locked)
  );
}
/** In the order of the bits. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [VM_READ, 'rd'],
  [VM_WRITE, 'wr'],
  [VM_EXEC, 'ex'],
  [VM_SHARED, 'sh'],
  [VM_MAYREAD, 'mr'],
  [VM_MAYWRITE, 'mw'],
  [VM_MAYEXEC, 'me'],
  [VM_MAYSHARE, 'ms'],
  [VM_GROWSDOWN, 'gd'],
  [VM_PFNMAP, 'pf'],
  [VM_LOCKED, 'lo'],
  [VM_IO, 'io'],
  [VM_SEQ_READ, 'sr'],
  [VM_RAND_READ, 'rr'],
  [VM_DONTCOPY, 'dc'],
  [VM_DONTEXPAND, 'de'],
  [VM_LOCKONFAULT, 'lf'],
  [VM_ACCOUNT, 'ac'],
  [VM_NORESERVE, 'nr'],
  [VM_WIPEONFORK, 'wf'],
  [VM_DONTDUMP, 'dd'],
];
function flagText(v: VmArea): string {
  return FLAG_NAMES.filter(([bit]) => (v.flags & bit) !== 0)
    .map(([, name]) => `${name} `)
    .join('');
}
export function showSmaps(k: Kernel, mm: MmStruct): string {
  let out = '';
  for (const v of mm.vmas) {
    const u = noUsage();
    gather(k, mm, v, u);
    out += areaLine(k, mm, v) + kbLine('Size', v.end - v.start) + kbLine('KernelPageSize', PAGE_SIZE) + kbLine('MMUPageSize', PAGE_SIZE);
    out += `${usageLines(u, false, (v.flags & VM_LOCKED) !== 0 ? u.pss : 0)}THPeligible:           0\nVmFlags: ${flagText(v)}\n`;
  }
  return out;
}
export function showSmapsRollup(k: Kernel, mm: MmStruct): string {
  if (mm.vmas.length === 0) return '';
  const u = noUsage();
  for (const v of mm.vmas) gather(k, mm, v, u);
  return mapsLine(mm.vmas[0].start, mm.vmas[mm.vmas.length - 1].end, 0, 0, 0, 0, '[rollup]') + usageLines(u, true, 0);
}

/** numa_maps: what of each area is in memory, all of it on the one node. Anonymous pages count as active, those of files as inactive. */
export function showNumaMaps(k: Kernel, mm: MmStruct): string {
  let out = '';
  for (const v of mm.vmas) {
    const n = { pages: 0, anon: 0, dirty: 0, active: 0, mapmax: 0 };
    walkRange(k.ram, mm.pgd, v.start, v.end, (at) => {
      const pte = k.ram.read32(at);
      const pa = ptePa(pte);
      if (!ptePresent(pte) || pa === k.mm.zeroPage || (v.flags & VM_PFNMAP) !== 0) return;
      const page = k.mm.pages.pageStruct(pa);
      if ((pageFlags(k.ram, page) & PG_RESERVED) !== 0) return;
      const anon = kindOf(k, pa) === 'anon';
      n.pages++;
      if (anon) n.anon++;
      if (anon) n.active++;
      if ((pte & PTE_D) !== 0 || (pageFlags(k.ram, page) & PG_DIRTY) !== 0) n.dirty++;
      n.mapmax = Math.max(n.mapmax, mapCount(k.ram, page));
    });
    const name = areaName(k, mm, v);
    const what = v.file !== null ? ` file=${name}` : name === '[heap]' || name === '[stack]' ? ` ${name.slice(1, -1)}` : '';
    const field = (label: string, value: number, show = value > 0) => (show ? ` ${label}=${value}` : '');
    const counts =
      field('anon', n.anon) +
      field('dirty', n.dirty) +
      field('mapped', n.pages, n.pages !== n.anon && n.pages !== n.dirty) +
      field('mapmax', n.mapmax, n.mapmax > 1) +
      field('active', n.active, n.active < n.pages) +
      field('N0', n.pages) +
      field('kernelpagesize_kB', PAGE_SIZE / 1024);
    out += `${hex(v.start, 8)} default${what}${n.pages > 0 ? counts : ''}\n`;
  }
  return out;
}
