import { EACCES, EFBIG, EINVAL, EISDIR, EOPNOTSUPP, EPERM, EROFS } from '../../abi/errno.ts';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../../abi/fs.ts';
import { IN_ACCESS, IN_ATTRIB, IN_MODIFY } from '../../abi/inotify.ts';
import { MS_RDONLY } from '../../abi/mount.ts';
import { isAppendOnly, isImmutable } from './fileattr.ts';
import type { Kernel } from '../kernel.ts';
import { makeKid } from '../user_namespace.ts';
import { capableWrtInode, inGroup, inodePermission, isDir, isLink, MAY_WRITE } from './namei.ts';
import { fsnotifyAttrib, fsnotifyDentry } from './notify/fsnotify.ts';
import type { Dentry, Inode, Path, Timespec } from './types.ts';

// Changes of an inode's mode, owner, times and size (fs/attr.c, fs/open.c, fs/utimes.c).

const CAP_CHOWN = 0;
const CAP_FOWNER = 3;
const CAP_FSETID = 4;
const S_IXGRP = 0o10;
const SIGXFSZ = 25;
const RLIMIT_FSIZE = 1;
/** F_SEAL_* (include/uapi/linux/fcntl.h). */
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
export const F_SEAL_FUTURE_WRITE = 16;
export const F_SEAL_EXEC = 32;

const isOwner = (k: Kernel, inode: Inode) => k.current.cred.fsuid === inode.uid || capableWrtInode(k.current, inode, CAP_FOWNER);
const groupOrCap = (k: Kernel, inode: Inode) => inGroup(k.current, inode.gid) || capableWrtInode(k.current, inode, CAP_FSETID);
const isUnchangeable = (inode: Inode) => isImmutable(inode) || isAppendOnly(inode);
const readOnly = (path: Path) => (path.mnt.flags & MS_RDONLY) !== 0 || path.dentry.inode.sb.readOnly;

export function changeMode(k: Kernel, path: Path, mode: number): number {
  const { inode } = path.dentry;
  if (readOnly(path)) return -EROFS;
  if (isLink(inode)) return -EOPNOTSUPP;
  if (isUnchangeable(inode)) return -EPERM;
  if (!isOwner(k, inode)) return -EPERM;
  let bits = mode & 0o7777;
  if (inode.seals >= 0 && (inode.seals & F_SEAL_EXEC) !== 0 && ((bits ^ inode.mode) & 0o111) !== 0) return -EPERM;
  if (!groupOrCap(k, inode)) bits &= ~S_ISGID;
  const r = inode.op.setattr?.(k, inode, { what: 'mode', mode: bits }) ?? 0;
  if (r < 0) return r;
  inode.mode = (inode.mode & S_IFMT) | bits;
  inode.ctime = k.vfs.now();
  fsnotifyAttrib(k, path.dentry);
  return 0;
}
/** Set-ID bits that a change of owner or contents drops (setattr_should_drop_suidgid). */
function droppedBits(k: Kernel, inode: Inode): number {
  let bits = inode.mode & S_ISUID;
  if ((inode.mode & S_ISGID) !== 0 && ((inode.mode & S_IXGRP) !== 0 || !groupOrCap(k, inode))) bits |= S_ISGID;
  return bits;
}
/** A write by someone without CAP_FSETID takes set-ID bits away (file_remove_privs). */
export function removePrivs(k: Kernel, inode: Inode): void {
  if ((inode.mode & 0o6000) !== 0 && (inode.mode & S_IFMT) === S_IFREG && !capableWrtInode(k.current, inode, CAP_FSETID))
    inode.mode &= ~droppedBits(k, inode);
}

export function changeOwner(k: Kernel, path: Path, uid: number, gid: number): number {
  const { inode } = path.dentry;
  if (readOnly(path)) return -EROFS;
  const { userNs } = k.current.cred;
  if (isUnchangeable(inode)) return -EPERM;
  const newUid = (uid | 0) === -1 ? null : makeKid(userNs, 'uid', uid >>> 0);
  const newGid = (gid | 0) === -1 ? null : makeKid(userNs, 'gid', gid >>> 0);
  if ((newUid ?? 0) < 0 || (newGid ?? 0) < 0) return -EINVAL;
  const mine = k.current.cred.fsuid === inode.uid;
  const any = capableWrtInode(k.current, inode, CAP_CHOWN);
  if (newUid !== null && !any && !(mine && newUid === inode.uid)) return -EPERM;
  if (newGid !== null && !any && !(mine && (newGid === inode.gid || inGroup(k.current, newGid)))) return -EPERM;
  const dropped = isDir(inode) ? 0 : droppedBits(k, inode);
  if (dropped !== 0 && !isOwner(k, inode)) return -EPERM;
  const r = inode.op.setattr?.(k, inode, { what: 'owner', uid: newUid ?? inode.uid, gid: newGid ?? inode.gid }) ?? 0;
  if (r < 0) return r;
  inode.mode &= ~dropped;
  if (newUid !== null) inode.uid = newUid;
  if (newGid !== null) inode.gid = newGid;
  inode.ctime = k.vfs.now();
  fsnotifyAttrib(k, path.dentry);
  return 0;
}

/** utimensat's change: null leaves a time alone, 'now' is the current time. Both 'now' is what a writer may do, too. */
export function changeTimes(k: Kernel, path: Path, atime: Timespec | 'now' | null, mtime: Timespec | 'now' | null): number {
  const { inode } = path.dentry;
  if (readOnly(path)) return -EROFS;
  // The current time may be set on what can only grow.
  if (isImmutable(inode) || (isAppendOnly(inode) && (atime !== 'now' || mtime !== 'now'))) return -EPERM;
  if (!isOwner(k, inode)) {
    if (atime !== 'now' || mtime !== 'now') return -EPERM;
    const denied = inodePermission(k.current, inode, MAY_WRITE);
    if (denied < 0) return denied === -EROFS ? denied : -EACCES;
  }
  const now = k.vfs.now();
  const change = {
    what: 'times' as const,
    atime: atime === 'now' ? now : (atime ?? inode.atime),
    mtime: mtime === 'now' ? now : (mtime ?? inode.mtime),
  };
  const r = inode.op.setattr?.(k, inode, change) ?? 0;
  if (r < 0) return r;
  if (atime !== null) inode.atime = change.atime;
  if (mtime !== null) inode.mtime = change.mtime;
  inode.ctime = now;
  // One time alone counts as the access or change that it stands for (fsnotify_change).
  if (atime !== null || mtime !== null) fsnotifyDentry(k, path.dentry, atime === null ? IN_MODIFY : mtime === null ? IN_ACCESS : IN_ATTRIB);
  return 0;
}

/** Sets the size of a regular file; the times change even when the size does not. */
export function vfsTruncate(k: Kernel, dentry: Dentry, size: number): number {
  const { inode } = dentry;
  if (isDir(inode)) return -EISDIR;
  const { mapping } = inode;
  if ((inode.mode & S_IFMT) !== S_IFREG) return -EINVAL;
  if (mapping === null) return inode.op.setattr?.(k, inode, { what: 'size', size }) ?? 0;
  if (isAppendOnly(inode)) return -EPERM;
  if (size > mapping.size && size > k.current.signal.rlimit(RLIMIT_FSIZE)) {
    k.sched.sendSignal(k.current, SIGXFSZ);
    return -EFBIG;
  }
  if (inode.seals > 0) {
    if ((inode.seals & F_SEAL_SHRINK) !== 0 && size < mapping.size) return -EPERM;
    if ((inode.seals & F_SEAL_GROW) !== 0 && size > mapping.size) return -EPERM;
  }
  const r = inode.op.setattr?.(k, inode, { what: 'size', size }) ?? 0;
  if (r < 0) return r;
  removePrivs(k, inode);
  inode.mtime = inode.ctime = k.vfs.now();
  // An overlay's contents are another inode's by now.
  if (size !== inode.mapping?.size) inode.mapping?.truncate(k, size);
  fsnotifyDentry(k, dentry, IN_MODIFY);
  return 0;
}
