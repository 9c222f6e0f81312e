import { EINVAL, EPERM, EBUSY } from '../../abi/errno.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../abi/fs.ts';
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MNT_NOATIME,
  MNT_NODIRATIME,
  MNT_RELATIME,
  MS_BIND,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from '../../abi/mount.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { pathWalk } from '../fs/namei.ts';
import { bindMount, checkMnt, doUmount, moveMount, newMount, pivotRoot, setPropagation } from '../fs/namespace.ts';
import type { Propagation } from '../fs/pnode.ts';
import type { Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { strncpyFromUser } from '../mm/uaccess.ts';
import { nsCapable } from '../nsproxy.ts';
import { resolveAt, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// mount(2) and kin (fs/namespace.c).

const CAP_SYS_ADMIN = 21;
const PAGE = 4096;
const MS_MGC_VAL = 0xc0ed;
const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/** Per-mount flags of mount(2)'s flags: relatime unless told otherwise. */
function mountFlags(flags: number, before: number | null): number {
  let own = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_NOSYMFOLLOW);
  // A remount that does not speak of access times keeps them.
  if (before !== null && (flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)) === 0) {
    return own | (before & (MNT_NOATIME | MNT_NODIRATIME | MNT_RELATIME));
  }
  if ((flags & MS_NOATIME) === 0 && (flags & MS_STRICTATIME) === 0) own |= MNT_RELATIME;
  return own;
}
function remount(k: Kernel, path: Path, flags: number, options: string): number {
  const { mnt } = path;
  if (path.dentry !== mnt.root || !checkMnt(k, mnt)) return -EINVAL;
  const own = mountFlags(flags, mnt.flags);
  if ((flags & MS_BIND) === 0) {
    const readOnly = (flags & MS_RDONLY) !== 0;
    const r = k.vfs.types.get(mnt.sb.type)?.remount?.(k, mnt.sb, options, readOnly) ?? 0;
    if (r < 0) return r;
    if (readOnly && !mnt.sb.readOnly && hasWriters(k, path)) return -EBUSY;
    mnt.sb.readOnly = readOnly;
  } else if ((flags & MS_RDONLY) !== 0 && hasWriters(k, path)) return -EBUSY;
  mnt.flags = own;
  return 0;
}
export function hasWriters(k: Kernel, path: Path): boolean {
  for (const task of k.sched.tasks.values()) {
    for (const file of task.files?.fds ?? [])
      if (file != null && file.path.mnt === path.mnt && (file.mode & 2) !== 0 && file.inode.mapping !== null) return true;
    for (const { file } of task.mm?.vmas ?? []) if (file?.path.mnt === path.mnt && (file.mode & 2) !== 0) return true;
  }
  return false;
}
/** may_mount: the capability over the mount namespace. */
export const mayMount = (k: Kernel) => nsCapable(k.current, k.current.nsproxy.mnt.owner, CAP_SYS_ADMIN);
/** The kind that one of the MS_* bits names. */
export function propagationOf(bit: number): Propagation {
  return bit === MS_SHARED ? 'shared' : bit === MS_SLAVE ? 'slave' : bit === MS_UNBINDABLE ? 'unbindable' : 'private';
}
/** mount(2) moves only what is mounted. */
function attachedMove(k: Kernel, from: Path, to: Path): number {
  return from.mnt.parent === null ? -EINVAL : moveMount(k, from, to);
}
function sysMount(k: Kernel, source: number, target: number, typePtr: number, flagsArg: number, dataPtr: number): number {
  const typeName = typePtr === 0 ? null : strncpyFromUser(k, typePtr, PAGE);
  if (typeof typeName === 'number') return typeName;
  const src = source === 0 ? null : strncpyFromUser(k, source, PAGE);
  if (typeof src === 'number') return src;
  const options = dataPtr === 0 ? '' : strncpyFromUser(k, dataPtr, PAGE);
  if (typeof options === 'number') return options;
  const path = resolveAt(k, AT_FDCWD, target, 0);
  if (typeof path === 'number') return path;
  if (!mayMount(k)) return -EPERM;
  let flags = flagsArg | 0;
  if (flags >>> 16 === MS_MGC_VAL) flags &= 0xffff;
  if ((flags & MS_REMOUNT) !== 0) return remount(k, path, flags, options);
  if ((flags & MS_BIND) !== 0) {
    if (src === null || src === '') return -EINVAL;
    const from = pathWalk(k, k.current.fs.pwd, src, true);
    if (typeof from === 'number') return from;
    return bindMount(k, from, path, (flags & MS_REC) !== 0);
  }
  if ((flags & PROPAGATION) !== 0) {
    const kinds = flags & PROPAGATION;
    // Nothing but the kind and MS_REC may be asked for (flags_to_propagation_type).
    if ((flags & ~(MS_REC | MS_SILENT | PROPAGATION)) !== 0 || (kinds & (kinds - 1)) !== 0) return -EINVAL;
    return setPropagation(k, path, propagationOf(kinds), (flags & MS_REC) !== 0);
  }
  if ((flags & MS_MOVE) !== 0) {
    if (src === null || src === '') return -EINVAL;
    const from = pathWalk(k, k.current.fs.pwd, src, true);
    return typeof from === 'number' ? from : attachedMove(k, from, path);
  }
  if (typeName === null) return -EINVAL;
  return newMount(k, typeName, src === null || src === '' ? 'none' : src, path, mountFlags(flags, null), options);
}
function sysUmount2(k: Kernel, target: number, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  const path = resolveAt(k, AT_FDCWD, target, (flags & UMOUNT_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0);
  if (typeof path === 'number') return path;
  if (!mayMount(k)) return -EPERM;
  if (path.dentry !== path.mnt.root) return -EINVAL;
  if ((flags & MNT_EXPIRE) !== 0 && (flags & (MNT_FORCE | MNT_DETACH)) !== 0) return -EINVAL;
  return doUmount(k, path.mnt, { detach: (flags & MNT_DETACH) !== 0, expire: (flags & MNT_EXPIRE) !== 0 });
}
function sysPivotRoot(k: Kernel, newRoot: number, putOld: number): number {
  if (!mayMount(k)) return -EPERM;
  const next = resolveAt(k, AT_FDCWD, newRoot, 0, true);
  if (typeof next === 'number') return next;
  const old = resolveAt(k, AT_FDCWD, putOld, 0, true);
  if (typeof old === 'number') return old;
  return pivotRoot(k, next, old);
}
export const fsMountSyscalls: readonly SyscallRow[] = [
  row(NR.NR_mount, 'mount', sysMount),
  row(NR.NR_umount2, 'umount2', sysUmount2),
  row(NR.NR_pivot_root, 'pivot_root', sysPivotRoot),
];
