import { EINVAL } from '../../../abi/errno.ts';
import { S_IFDIR } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { mangle } from '../../lib/seq_file.ts';
import { addDentry, isDir, pathWalk } from '../namei.ts';
import { statfsSizes } from '../stat.ts';
import type { Dentry, Path, SuperBlock } from '../types.ts';
import { type OverlayFs, overlayInodeOf } from './inode.ts';

// Mounting an overlay: options and layers (fs/overlayfs/super.c, params.c).

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
const MAX_LAYERS = 500;

interface Options {
  lower: string[];
  upper: string | null;
  work: string | null;
  /** As /proc/mounts shows them. */
  shown: string[];
}
/** Splits at `separator`; a backslash keeps the next character. */
function split(text: string, separator: string): string[] {
  const out = [''];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) out[out.length - 1] += text[++i];
    else if (text[i] === separator) out.push('');
    else out[out.length - 1] += text[i];
  }
  return out;
}
/** Words whose other values would ask for what is not here. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  index: ['off'],
  metacopy: ['off'],
  redirect_dir: ['off', 'follow', 'nofollow'],
  nfs_export: ['off'],
  xino: ['off', 'auto', 'on'],
  uuid: ['auto', 'null', 'off', 'on'],
};
function parse(text: string): Options | number {
  const o: Options = { lower: [], upper: null, work: null, shown: [] };
  for (const part of text.split(/(?<!\\),/)) {
    if (part === '') continue;
    const eq = part.indexOf('=');
    const [key, value] = eq < 0 ? [part, ''] : [part.slice(0, eq), part.slice(eq + 1)];
    const plain = value.replace(/\\(.)/g, '$1');
    if (key === 'lowerdir') o.lower = value === '' ? [] : split(value, ':');
    else if (key === 'upperdir') o.upper = plain;
    else if (key === 'workdir') o.work = plain;
    else if (key === 'default_permissions') o.shown.push(key);
    else if (key === 'volatile') o.shown.push(key);
    else if (FIXED[key]?.includes(value) !== true) return -EINVAL;
  }
  if (o.lower.length === 0 || o.lower.length > MAX_LAYERS || o.lower.includes('')) return -EINVAL;
  if (o.upper !== null && o.work === null) return -EINVAL;
  // Without an upper directory the work directory has no meaning.
  if (o.upper === null) o.work = null;
  return o;
}
function parameter(_k: Kernel, key: string, value: string | null): 'unknown' | 'bad' | 'ok' {
  if (key === 'default_permissions' || key === 'volatile') return value === null ? 'ok' : 'bad';
  if (key === 'lowerdir' || key === 'upperdir' || key === 'workdir') return value === null || value === '' ? 'bad' : 'ok';
  if (FIXED[key] === undefined) return 'unknown';
  return value !== null && FIXED[key].includes(value) ? 'ok' : 'bad';
}
function directory(k: Kernel, name: string): Path | number {
  const path = pathWalk(k, k.current.fs.pwd, name, true);
  if (typeof path === 'number') return path;
  return isDir(path.dentry.inode) ? path : -EINVAL;
}
const below = (d: Dentry, top: Dentry): boolean => d === top || (d.parent !== d && below(d.parent, top));

function mountOverlay(k: Kernel, text: string): SuperBlock | number {
  const o = parse(text);
  if (typeof o === 'number') return o;
  const upper = o.upper === null ? null : directory(k, o.upper);
  if (typeof upper === 'number') return upper;
  const work = o.work === null ? null : directory(k, o.work);
  if (typeof work === 'number') return work;
  const lowers: Dentry[] = [];
  for (const name of o.lower) {
    const path = directory(k, name);
    if (typeof path === 'number') return path;
    lowers.push(path.dentry);
  }
  // One directory alone is no overlay.
  if (upper === null && lowers.length < 2) return -EINVAL;
  if (upper !== null && work !== null) {
    if (upper.mnt !== work.mnt || below(upper.dentry, work.dentry) || below(work.dentry, upper.dentry)) return -EINVAL;
    // The upper layer must keep whiteouts and attributes.
    const { sb } = upper.dentry.inode;
    if (!sb.hasXattr || sb.volatile || sb.readOnly) return -EINVAL;
    if (work.dentry.children.get('work') === undefined) {
      const made = work.dentry.inode.op.create?.(k, work.dentry.inode, 'work', S_IFDIR, 0) ?? -EINVAL;
      if (typeof made === 'number') return made;
      work.dentry.inode.nlink++;
      addDentry(work.dentry, 'work', made);
    }
  }
  const shown = [`lowerdir=${o.lower.map((l) => mangle(l.replace(/[:\\]/g, '\\$&'), ',')).join(':')}`];
  if (o.upper !== null && o.work !== null) shown.push(`upperdir=${mangle(o.upper, ',')}`, `workdir=${mangle(o.work, ',')}`, 'uuid=on');
  // Where nothing is written redirects are followed.
  else shown.push('redirect_dir=on');
  const sb = k.vfs.newSuperBlock('overlay', OVERLAYFS_SUPER_MAGIC, true, [...shown, ...o.shown].join(','), true);
  if (upper === null) sb.readOnly = true;
  const top = (upper?.dentry ?? lowers[0]).inode.sb;
  sb.statfs = (kk) => statfsSizes(kk, top);
  const fs: OverlayFs = { sb, upper: upper?.dentry ?? null, work: work?.dentry.children.get('work') ?? null, lowers, whiteout: null };
  k.vfs.makeRoot(sb, overlayInodeOf(fs, fs.upper, lowers, null, '/'));
  return sb;
}
export function overlayInit(k: Kernel): void {
  k.vfs.register({ name: 'overlay', nodev: true, mount: (kk, _source, options) => mountOverlay(kk, options), remount: () => 0, parameter });
}
