import { EINVAL, ENOENT, EOVERFLOW, EPERM } from '../../abi/errno.ts';
import { majorOf, minorOf } from '../../abi/fs.ts';
import * as M from '../../abi/mount.ts';
import * as A from '../../abi/mount_api.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { dentryPath, dPath } from './d_path.ts';
import { checkMnt } from './namespace.ts';
import { isSubdir } from './pnode.ts';
import type { Mount, Path } from './types.ts';

// What one mount is, and which there are, in binary form (fs/namespace.c, statmount(2), listmount(2)).

const CAP_SYS_ADMIN = 21;

/** MOUNT_ATTR_* of a mount's flags. */
export function mountAttributes(flags: number): number {
  let a = 0;
  if ((flags & M.MS_RDONLY) !== 0) a |= A.MOUNT_ATTR_RDONLY;
  if ((flags & M.MS_NOSUID) !== 0) a |= A.MOUNT_ATTR_NOSUID;
  if ((flags & M.MS_NODEV) !== 0) a |= A.MOUNT_ATTR_NODEV;
  if ((flags & M.MS_NOEXEC) !== 0) a |= A.MOUNT_ATTR_NOEXEC;
  if ((flags & M.MS_NODIRATIME) !== 0) a |= A.MOUNT_ATTR_NODIRATIME;
  if ((flags & M.MS_NOSYMFOLLOW) !== 0) a |= A.MOUNT_ATTR_NOSYMFOLLOW;
  if ((flags & M.MS_NOATIME) !== 0) a |= A.MOUNT_ATTR_NOATIME;
  else if ((flags & M.MS_RELATIME) === 0) a |= A.MOUNT_ATTR_STRICTATIME;
  return a;
}
/** The other way. */
export function flagsOfAttributes(a: number): number {
  let f = 0;
  if ((a & A.MOUNT_ATTR_RDONLY) !== 0) f |= M.MS_RDONLY;
  if ((a & A.MOUNT_ATTR_NOSUID) !== 0) f |= M.MS_NOSUID;
  if ((a & A.MOUNT_ATTR_NODEV) !== 0) f |= M.MS_NODEV;
  if ((a & A.MOUNT_ATTR_NOEXEC) !== 0) f |= M.MS_NOEXEC;
  if ((a & A.MOUNT_ATTR_NODIRATIME) !== 0) f |= M.MS_NODIRATIME;
  if ((a & A.MOUNT_ATTR_NOSYMFOLLOW) !== 0) f |= M.MS_NOSYMFOLLOW;
  const atime = a & A.MOUNT_ATTR__ATIME;
  if (atime === A.MOUNT_ATTR_NOATIME) f |= M.MS_NOATIME;
  else if (atime === 0) f |= M.MS_RELATIME;
  return f;
}
function propagationBits(m: Mount): number {
  if (m.unbindable) return M.MS_UNBINDABLE;
  let bits = m.group !== 0 ? M.MS_SHARED : 0;
  if (m.master !== null) bits |= M.MS_SLAVE;
  return bits === 0 ? M.MS_PRIVATE : bits;
}
/** Is `m` mounted below `root`? (is_path_reachable) */
function reachable(m: Mount, root: Path): boolean {
  let at = m;
  let dentry = m.root;
  while (at !== root.mnt) {
    if (at.parent === null || at.mountpoint === null) return false;
    dentry = at.mountpoint;
    at = at.parent;
  }
  return isSubdir(dentry, root.dentry);
}
function findMount(k: Kernel, id: bigint): Mount | undefined {
  return k.vfs.mounts.find((m) => m.uniqueId === id && checkMnt(k, m));
}

/** struct statmount with its strings, or -errno. */
export function statMount(k: Kernel, id: bigint, mask: bigint, room: number): Uint8Array | number {
  const m = findMount(k, id);
  if (m === undefined) return -ENOENT;
  const { root } = k.current.fs;
  if (!reachable(m, root) && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const wants = (bit: number) => (mask & BigInt(bit)) !== 0n;
  const head = new Uint8Array(A.STATMOUNT_SIZE);
  const v = new DataView(head.buffer);
  let got = 0;
  // Offset 0 is the empty string.
  let strings = '\0';
  const text = (bit: number, at: number, s: string) => {
    if (!wants(bit)) return;
    v.setUint32(at, strings.length, true);
    strings += `${s}\0`;
    got |= bit;
  };
  if (wants(A.STATMOUNT_SB_BASIC)) {
    got |= A.STATMOUNT_SB_BASIC;
    v.setUint32(16, majorOf(m.sb.dev), true);
    v.setUint32(20, minorOf(m.sb.dev), true);
    v.setBigUint64(24, BigInt(m.sb.magic), true);
    v.setUint32(32, m.sb.readOnly ? M.MS_RDONLY : 0, true);
  }
  if (wants(A.STATMOUNT_MNT_BASIC)) {
    got |= A.STATMOUNT_MNT_BASIC;
    v.setBigUint64(40, m.uniqueId, true);
    v.setBigUint64(48, (m.parent ?? m).uniqueId, true);
    v.setUint32(56, m.id, true);
    v.setUint32(60, (m.parent ?? m).id, true);
    v.setBigUint64(64, BigInt(mountAttributes(m.flags)), true);
    v.setBigUint64(72, BigInt(propagationBits(m)), true);
    v.setBigUint64(80, BigInt(m.group), true);
    v.setBigUint64(88, BigInt(m.master?.group ?? 0), true);
  }
  if (wants(A.STATMOUNT_PROPAGATE_FROM)) got |= A.STATMOUNT_PROPAGATE_FROM;
  if (wants(A.STATMOUNT_MNT_NS_ID)) {
    got |= A.STATMOUNT_MNT_NS_ID;
    v.setBigUint64(112, BigInt(k.current.nsproxy.mnt.inum), true);
  }
  text(A.STATMOUNT_FS_TYPE, 36, m.sb.type);
  text(A.STATMOUNT_MNT_ROOT, 104, dentryPath(m.root));
  text(A.STATMOUNT_MNT_POINT, 108, dPath(k, { mnt: m, dentry: m.root }, root));
  if (m.sb.options !== '') text(A.STATMOUNT_MNT_OPTS, 4, m.sb.options);
  const tail = strings.length > 1 ? strings.length : 0;
  if (tail > 0 && A.STATMOUNT_SIZE + tail > room) return -EOVERFLOW;
  v.setUint32(0, A.STATMOUNT_SIZE + tail, true);
  v.setBigUint64(8, BigInt(got), true);
  const out = new Uint8Array(A.STATMOUNT_SIZE + tail);
  out.set(head);
  if (tail > 0) out.set(bytesOf(strings), A.STATMOUNT_SIZE);
  return out.subarray(0, room);
}
/** Unique ids of the mounts below mount `id`, after `last`, up to `count`. */
export function listMount(k: Kernel, id: bigint, last: bigint, count: number, reverse: boolean): bigint[] | number {
  const { root } = k.current.fs;
  let top: Path = root;
  if (id !== A.LSMT_ROOT) {
    const m = findMount(k, id);
    if (m === undefined) return -ENOENT;
    top = { mnt: m, dentry: m.root };
    if (!reachable(m, root) && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  } else if (!checkMnt(k, root.mnt)) return -EINVAL;
  const all = k.vfs.mounts.filter((m) => m !== top.mnt && checkMnt(k, m) && reachable(m, top)).map((m) => m.uniqueId);
  all.sort((a, b) => (a < b ? -1 : 1));
  if (reverse) all.reverse();
  return all.filter((x) => last === 0n || (reverse ? x < last : x > last)).slice(0, count);
}
