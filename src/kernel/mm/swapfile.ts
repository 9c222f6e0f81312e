import { EBUSY, EINVAL, ENOENT, ENOMEM, EPERM } from '../../abi/errno.ts';
import { O_EXCL, O_LARGEFILE, O_RDWR, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import { dPath } from '../fs/d_path.ts';
import { hostInode } from '../fs/hostfs/inode.ts';
import { filpOpen } from '../fs/open.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { mangle } from '../lib/seq_file.ts';
import { PAGE_SIZE } from './address.ts';
import { unuseArea } from './memory.ts';
import type { MmStruct } from './mm_struct.ts';
import { enoughMemory } from './overcommit.ts';
import { entryType, MAX_SWAPFILES, SwapArea } from './swap_slots.ts';
import { freeSwapOf } from './swap_state.ts';

// swapon(2), swapoff(2), /proc/swaps (mm/swapfile.c). Swap lies in files of host directories; memory file systems cannot hold it in Linux either (they have no read_folio).

const CAP_SYS_ADMIN = 21;
const SWAP_FLAG_PREFER = 0x8000;
const SWAP_FLAG_PRIO_MASK = 0x7fff;
const SWAP_FLAGS_VALID = 0x7ffff;
const MEMORY: readonly string[] = ['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'proc', 'sysfs', 'cgroup2'];
/** union swap_header: the magic in the last ten bytes of the first page, version, last page and number of bad ones from byte 1024 on. */
const MAGIC = 'SWAPSPACE2';
const HEADER_INFO = 1024;
/** Slots that an entry can name: 20 bits of the page table entry's word. */
const MAX_SLOTS = 2 ** 20;
const KB = PAGE_SIZE / 1024;

/** The slots that the header promises; 0 when it is none, or the file does not hold them (read_swap_header). */
function readHeader(k: Kernel, header: Uint8Array, size: number): number {
  let magic = '';
  for (const b of header.subarray(PAGE_SIZE - MAGIC.length)) magic += String.fromCharCode(b);
  const v = new DataView(header.buffer);
  const say = (level: number, text: string) => {
    k.printk.log(level, text);
    return 0;
  };
  if (magic !== MAGIC) return say(3, 'Unable to find swap-space signature');
  const version = v.getUint32(HEADER_INFO, true);
  const last = v.getUint32(HEADER_INFO + 4, true);
  if (version !== 1) return say(4, `Unable to handle swap header version ${version}`);
  if (last === 0) return say(4, 'Empty swap-file');
  if (last > MAX_SLOTS) say(4, `Truncating oversized swap area, only using ${MAX_SLOTS * KB}k out of ${last * KB}k`);
  const slots = Math.min(MAX_SLOTS, last + 1);
  if (slots > Math.floor(size / PAGE_SIZE)) return say(4, 'Swap area shorter than signature indicates');
  // Files have no bad pages.
  return v.getUint32(HEADER_INFO + 8, true) === 0 ? slots : 0;
}
/** What is open for an area. */
function fileOf(k: Kernel, area: SwapArea): File {
  return k.mm.swapFiles.get(area.type) as File;
}
export function swapon(k: Kernel, name: string, flags: number): number {
  if ((flags & ~SWAP_FLAGS_VALID) !== 0) return -EINVAL;
  if (!k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const { swap } = k.mm;
  let type = 0;
  while (swap.areas.has(type)) type++;
  if (type >= MAX_SWAPFILES) return -EPERM;
  const file = filpOpen(k, k.current.fs.pwd, name, O_RDWR | O_LARGEFILE | O_EXCL, 0);
  if (typeof file === 'number') return file;
  const r = start(k, file, type, flags);
  if (r < 0) k.vfs.fput(file);
  return r;
}
function start(k: Kernel, file: File, type: number, flags: number): number {
  const { swap } = k.mm;
  const { inode } = file;
  if (file.path.dentry.deleted) return -ENOENT;
  if ((inode.mode & S_IFMT) !== S_IFREG) return -EINVAL;
  if (swap.isSwapFile(inode)) return -EBUSY;
  if (inode.sb.type !== 'hostfs') {
    if (!MEMORY.includes(inode.sb.type)) k.printk.log(4, `swapon: swap to ${inode.sb.type} is not implemented`);
    return -EINVAL;
  }
  const { fs, node } = hostInode(inode);
  const handle = fs.dir.open(node, true);
  if (handle < 0) return handle;
  const header = new Uint8Array(PAGE_SIZE);
  const size = inode.mapping?.size ?? 0;
  const slots = fs.dir.read(handle, 0, header) === PAGE_SIZE ? readHeader(k, header, size) : 0;
  const attr = fs.dir.getattr(node);
  const holes = typeof attr !== 'number' && attr.blocks * 512 < slots * PAGE_SIZE;
  if (slots > 0 && holes) k.printk.log(3, 'swapon: swapfile has holes');
  if (slots === 0 || holes) {
    fs.dir.close(handle);
    return -EINVAL;
  }
  const prio = (flags & SWAP_FLAG_PREFER) !== 0 ? flags & SWAP_FLAG_PRIO_MASK : swap.nextPrio--;
  const area = new SwapArea(type, prio, { dir: fs.dir, handle }, slots, [], inode);
  swap.areas.set(type, area);
  k.mm.swapFiles.set(type, file);
  swap.total += area.pages;
  swap.free += area.pages;
  k.printk.log(6, `Adding ${area.pages * KB}k swap on ${dPath(k, file.path)}.  Priority:${prio} extents:1 across:${area.pages * KB}k `);
  return 0;
}
export function swapoff(k: Kernel, name: string): number {
  if (!k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const file = filpOpen(k, k.current.fs.pwd, name, O_RDWR | O_LARGEFILE, 0);
  if (typeof file === 'number') return file;
  const area = [...k.mm.swap.areas.values()].find((a) => a.inode === file.inode);
  k.vfs.fput(file);
  if (area === undefined) return -EINVAL;
  const { swap, reclaim } = k.mm;
  // All that is there must find room in memory.
  if (!enoughMemory(k, area.pages)) return -ENOMEM;
  area.closing = true;
  swap.total -= area.pages;
  swap.free -= area.pages - area.inUse;
  // What this brings in is not to push out the rest of itself.
  const r = tryToUnuse(k, area.type);
  if (r < 0) {
    area.closing = false;
    swap.total += area.pages;
    swap.free += area.pages - area.inUse;
    return r;
  }
  if (area.prio < 0) {
    for (const other of swap.areas.values()) if (other.prio < area.prio) other.prio++;
    swap.nextPrio++;
  }
  swap.areas.delete(area.type);
  area.device.dir.close(area.device.handle);
  const open = k.mm.swapFiles.get(area.type);
  k.mm.swapFiles.delete(area.type);
  if (open !== undefined) k.vfs.fput(open);
  reclaim.kswapdFailures = 0;
  return 0;
}
/** Brings back all that lies in an area (try_to_unuse). 0 or -ENOMEM. */
function tryToUnuse(k: Kernel, type: number): number {
  const { swap } = k.mm;
  const spaces = new Set<MmStruct>();
  for (const task of k.sched.tasks.values()) if (task.mm !== null) spaces.add(task.mm);
  for (const mm of spaces) for (const vma of mm.vmas) if (!unuseArea(k, vma, type)) return -ENOMEM;
  for (const mapping of [...k.mm.swappedMappings]) {
    for (const [index, entry] of [...mapping.swapped]) if (entryType(entry) === type && mapping.grab(k, index) === 0) return -ENOMEM;
    if (mapping.swapped.size === 0) k.mm.swappedMappings.delete(mapping);
  }
  for (const [entry, pa] of [...swap.cache]) if (entryType(entry) === type) freeSwapOf(k, pa);
  return 0;
}

/** /proc/swaps. */
export function showSwaps(k: Kernel): string {
  let out = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';
  for (const area of k.mm.swap.areas.values()) {
    const path = mangle(dPath(k, fileOf(k, area).path));
    const [size, used] = [area.pages * KB, area.inUse * KB];
    const tab = (n: number) => (n < 10_000_000 ? '\t' : '');
    out += `${path}${' '.repeat(path.length < 40 ? 40 - path.length : 1)}file\t\t${size}\t${tab(size)}${used}\t${tab(used)}${area.prio}\n`;
  }
  return out;
}
