import { dtypeOf, S_IFMT } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import type { Dentry, DirEntry } from '../types.ts';
import { isWhiteout, type OverlayInode, overlayLookup, realChild } from './inode.ts';

// Listings of overlay directories.

/** Entries of a real directory in its own order. */
function realEntries(k: Kernel, dir: Dentry): DirEntry[] | number {
  const { inode } = dir;
  if (inode.op.entries !== undefined) return inode.op.entries(k, inode);
  return [...dir.children.values()].reverse().map((d) => ({ name: d.name, ino: d.inode.ino, type: dtypeOf(d.inode.mode) }));
}
const hidden = (k: Kernel, layer: Dentry, e: DirEntry): boolean => {
  if (e.type !== 2) return false; // DT_CHR
  const d = realChild(k, layer, e.name);
  return d !== null && typeof d !== 'number' && isWhiteout(d.inode);
};
/** The merged list: what the lowest layer has comes first, in its order, then what the others add, from the top (ovl_dir_read_merged). */
export function overlayEntries(k: Kernel, dir: OverlayInode): DirEntry[] | number {
  const layers = dir.upper === null ? [...dir.lowers] : [dir.upper, ...dir.lowers];
  const seen = new Map<string, boolean>();
  const order: string[] = [];
  const lowest: string[] = [];
  for (const [i, layer] of layers.entries()) {
    const list = realEntries(k, layer);
    if (typeof list === 'number') return list;
    for (const e of list) {
      const last = i === layers.length - 1 && i > 0;
      const before = seen.get(e.name);
      if (before === undefined) seen.set(e.name, !hidden(k, layer, e));
      if (last) lowest.push(e.name);
      else if (before === undefined) order.push(e.name);
    }
  }
  const first = new Set(lowest);
  const out: DirEntry[] = [];
  for (const name of [...lowest, ...order.filter((n) => !first.has(n))]) {
    if (seen.get(name) !== true) continue;
    const inode = overlayLookup(k, dir, name);
    if (inode === null || typeof inode === 'number') continue;
    out.push({ name, ino: inode.ino, type: dtypeOf(inode.mode & S_IFMT) });
  }
  return out;
}
