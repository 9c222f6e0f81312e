import { EEXIST, ENODEV, ENOENT, EROFS } from '../../../abi/errno.ts';
import { S_IFDIR } from '../../../abi/fs.ts';
import { MNT_RELATIME, MS_NODEV, MS_NOSUID, MS_RDONLY } from '../../../abi/mount.ts';
import type { HostDirectory } from '../../host.ts';
import type { Kernel } from '../../kernel.ts';
import { pathWalk } from '../namei.ts';
import { newMount } from '../namespace.ts';
import { vfsMknod } from '../open.ts';
import type { Path, SuperBlock } from '../types.ts';
import { type HostFs, makeHostInode } from './inode.ts';

// The file system type hostfs, and mounts that the host asks for.

/** HOSTFS_SUPER_MAGIC (include/uapi/linux/magic.h). */
const HOSTFS_MAGIC = 0x00c0ffee;

function newSuper(k: Kernel, dir: HostDirectory): SuperBlock | number {
  const attr = dir.root();
  if (typeof attr === 'number') return attr;
  const sb = k.vfs.newSuperBlock('hostfs', HOSTFS_MAGIC, true);
  sb.readOnly = dir.readOnly;
  sb.fixedOwners = true;
  sb.statfs = () => {
    const s = dir.space();
    if (typeof s === 'number') return s;
    const { blockSize, blocks, free, available, files, freeFiles } = s;
    return { blockSize, blocks, free, available, files, freeFiles };
  };
  const fs: HostFs = { dir, inodes: new Map(), told: new Map() };
  k.vfs.makeRoot(sb, makeHostInode(k, sb, fs, attr, sb.nextIno++));
  return sb;
}
/** One super block for each shared directory, however often it is mounted. */
function mountSource(k: Kernel, source: string): SuperBlock | number {
  const dir = k.host.directories?.get(source);
  if (dir === undefined) return -ENODEV;
  const known = k.vfs.mounts.find((m) => m.sb.type === 'hostfs' && m.source === source);
  return known?.sb ?? newSuper(k, dir);
}
export function hostfsInit(k: Kernel): void {
  k.vfs.register({
    name: 'hostfs',
    nodev: true,
    mount: (kk, source) => mountSource(kk, source),
    remount: (_k, sb, _options, readOnly) => (sb.readOnly && !readOnly ? -EROFS : 0),
  });
}
/** Mounts shared directory `source` at `place`, an absolute name below `root`; missing directories are made. 0 or -errno. */
export function mountHostDirectory(k: Kernel, root: Path, source: string, place: string): number {
  let at = '';
  for (const part of place.split('/')) {
    if (part === '') continue;
    const parent = pathWalk(k, root, `.${at}`, true, true);
    if (typeof parent === 'number') return parent;
    at = `${at}/${part}`;
    if (pathWalk(k, root, `.${at}`, true) !== -ENOENT) continue;
    const made = vfsMknod(k, parent, part, S_IFDIR | 0o755, 0);
    if (typeof made === 'number' && made !== -EEXIST) return made;
  }
  const path = pathWalk(k, root, `.${at}`, true, true);
  if (typeof path === 'number') return path;
  const readOnly = k.host.directories?.get(source)?.readOnly === true;
  return newMount(k, 'hostfs', source, path, MS_NOSUID | MS_NODEV | MNT_RELATIME | (readOnly ? MS_RDONLY : 0), '');
}
