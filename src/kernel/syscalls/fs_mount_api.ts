import { E2BIG, EBADF, EBUSY, EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_PATH } from '../../abi/fs.ts';
import { MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../../abi/mount.ts';
import * as A from '../../abi/mount_api.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { contextOf, fsConfig, fsMount, fsOpen, fsPick, openDetached } from '../fs/fscontext.ts';
import { cloneForBind, mountsBelow, moveBeneath, moveMount } from '../fs/namespace.ts';
import { changePropagation } from '../fs/pnode.ts';
import { flagsOfAttributes, listMount, mountAttributes, statMount } from '../fs/statmount.ts';
import type { Mount } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { fdGet, installFile, resolveAt, row } from './fs_args.ts';
import { hasWriters, mayMount, propagationOf } from './fs_mount.ts';
import type { SyscallRow } from './table.ts';

// Mounting through descriptors, and mounts in binary form (fs/fsopen.c, fs/namespace.c).

const PAGE = 4096;
const KEY_MAX = 256;
const AT_NO_AUTOMOUNT = 0x800;

function sysFsopen(k: Kernel, namePtr: number, flags: number): number {
  if (!mayMount(k)) return -EPERM;
  if ((flags & ~A.FSOPEN_CLOEXEC) !== 0) return -EINVAL;
  const name = strncpyFromUser(k, namePtr, PAGE);
  return typeof name === 'number' ? name : fsOpen(k, name, (flags & A.FSOPEN_CLOEXEC) !== 0);
}
function sysFspick(k: Kernel, dirfd: number, ptr: number, flags: number): number {
  if (!mayMount(k)) return -EPERM;
  const known = A.FSPICK_CLOEXEC | A.FSPICK_SYMLINK_NOFOLLOW | A.FSPICK_NO_AUTOMOUNT | A.FSPICK_EMPTY_PATH;
  if ((flags & ~known) !== 0) return -EINVAL;
  const lookup =
    ((flags & A.FSPICK_SYMLINK_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0) | ((flags & A.FSPICK_EMPTY_PATH) !== 0 ? AT_EMPTY_PATH : 0);
  const path = resolveAt(k, dirfd, ptr, lookup);
  return typeof path === 'number' ? path : fsPick(k, path, (flags & A.FSPICK_CLOEXEC) !== 0);
}
/** Which arguments a command takes: 0 or -errno. */
function checkConfig(cmd: number, key: number, value: number, aux: number): number {
  switch (cmd) {
    case A.FSCONFIG_SET_FLAG:
      return key === 0 || value !== 0 || aux !== 0 ? -EINVAL : 0;
    case A.FSCONFIG_SET_STRING:
      return key === 0 || value === 0 || aux !== 0 ? -EINVAL : 0;
    case A.FSCONFIG_SET_BINARY:
      return key === 0 || value === 0 || aux <= 0 || aux > 1024 * 1024 ? -EINVAL : 0;
    case A.FSCONFIG_SET_PATH:
    case A.FSCONFIG_SET_PATH_EMPTY:
      return key === 0 || value === 0 || (aux !== AT_FDCWD && aux < 0) ? -EINVAL : 0;
    case A.FSCONFIG_SET_FD:
      return key === 0 || value !== 0 || aux < 0 ? -EINVAL : 0;
    case A.FSCONFIG_CMD_CREATE:
    case A.FSCONFIG_CMD_CREATE_EXCL:
    case A.FSCONFIG_CMD_RECONFIGURE:
      return key !== 0 || value !== 0 || aux !== 0 ? -EINVAL : 0;
  }
  return -EOPNOTSUPP;
}
function sysFsconfig(k: Kernel, fd: number, cmd: number, keyPtr: number, valuePtr: number, auxArg: number): number {
  if ((fd | 0) < 0) return -EINVAL;
  const bad = checkConfig(cmd >>> 0, keyPtr, valuePtr, auxArg | 0);
  if (bad < 0) return bad;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const fc = contextOf(file);
  if (typeof fc === 'number') return fc;
  const key = keyPtr === 0 ? '' : strncpyFromUser(k, keyPtr, KEY_MAX);
  if (typeof key === 'number') return key === -EFAULT ? key : -EINVAL;
  const text = cmd === A.FSCONFIG_SET_STRING ? strncpyFromUser(k, valuePtr, KEY_MAX) : null;
  if (typeof text === 'number') return text === -EFAULT ? text : -EINVAL;
  return fsConfig(k, fc, cmd, { key, text });
}
function sysFsmount(k: Kernel, fd: number, flags: number, attr: number): number {
  if (!mayMount(k)) return -EPERM;
  const known = 0xf | A.MOUNT_ATTR__ATIME | A.MOUNT_ATTR_NODIRATIME | A.MOUNT_ATTR_NOSYMFOLLOW;
  if ((flags & ~A.FSMOUNT_CLOEXEC) !== 0 || (attr & ~known) !== 0) return -EINVAL;
  const atime = attr & A.MOUNT_ATTR__ATIME;
  if (atime !== 0 && atime !== A.MOUNT_ATTR_NOATIME && atime !== A.MOUNT_ATTR_STRICTATIME) return -EINVAL;
  const context = fdGet(k, fd);
  if (context === null) return -EBADF;
  const fc = contextOf(context);
  if (typeof fc === 'number') return fc;
  const file = fsMount(k, fc, flagsOfAttributes(attr));
  return typeof file === 'number' ? file : installFile(k, file, (flags & A.FSMOUNT_CLOEXEC) !== 0);
}
function sysOpenTree(k: Kernel, dirfd: number, ptr: number, flags: number): number {
  const known = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | A.AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | A.OPEN_TREE_CLONE | O_CLOEXEC;
  if ((flags & ~known) !== 0) return -EINVAL;
  const clone = (flags & A.OPEN_TREE_CLONE) !== 0;
  if ((flags & A.AT_RECURSIVE) !== 0 && !clone) return -EINVAL;
  if (clone && !mayMount(k)) return -EPERM;
  const path = resolveAt(k, dirfd, ptr, flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
  if (typeof path === 'number') return path;
  const cloexec = (flags & O_CLOEXEC) !== 0;
  if (!clone) return installFile(k, k.vfs.newFile(path, {}, O_PATH), cloexec);
  const copy = cloneForBind(k, path, (flags & A.AT_RECURSIVE) !== 0);
  return typeof copy === 'number' ? copy : installFile(k, openDetached(k, copy), cloexec);
}
function sysMoveMount(k: Kernel, fromFd: number, fromPtr: number, toFd: number, toPtr: number, flags: number): number {
  if (!mayMount(k)) return -EPERM;
  if ((flags & ~A.MOVE_MOUNT_MASK) !== 0) return -EINVAL;
  const both = A.MOVE_MOUNT_BENEATH | A.MOVE_MOUNT_SET_GROUP;
  if ((flags & both) === both) return -EINVAL;
  if ((flags & A.MOVE_MOUNT_SET_GROUP) !== 0) return -EOPNOTSUPP;
  const lookup = (links: number, empty: number) =>
    ((flags & links) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW) | ((flags & empty) !== 0 ? AT_EMPTY_PATH : 0);
  const from = resolveAt(k, fromFd, fromPtr, lookup(A.MOVE_MOUNT_F_SYMLINKS, A.MOVE_MOUNT_F_EMPTY_PATH));
  if (typeof from === 'number') return from;
  const to = resolveAt(k, toFd, toPtr, lookup(A.MOVE_MOUNT_T_SYMLINKS, A.MOVE_MOUNT_T_EMPTY_PATH));
  if (typeof to === 'number') return to;
  return (flags & A.MOVE_MOUNT_BENEATH) !== 0 ? moveBeneath(k, from, to) : moveMount(k, from, to);
}

const SETTABLE =
  BigInt(A.MOUNT_ATTR_RDONLY | A.MOUNT_ATTR_NOSUID | A.MOUNT_ATTR_NODEV | A.MOUNT_ATTR_NOEXEC | A.MOUNT_ATTR__ATIME) |
  BigInt(A.MOUNT_ATTR_NODIRATIME | A.MOUNT_ATTR_NOSYMFOLLOW | A.MOUNT_ATTR_IDMAP);
/** struct mount_attr as numbers, or -errno (copy_struct_from_user, build_mount_kattr). */
function readAttr(k: Kernel, ptr: number, size: number): { set: number; clear: number; propagation: number } | number {
  if (size < A.MOUNT_ATTR_SIZE_VER0) return -EINVAL;
  if (size > PAGE) return -E2BIG;
  const bytes = copyFromUser(k, ptr, size);
  if (typeof bytes === 'number') return bytes;
  if (bytes.subarray(A.MOUNT_ATTR_SIZE_VER0).some((b) => b !== 0)) return -E2BIG;
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const [set, clear, propagation] = [v.getBigUint64(0, true), v.getBigUint64(8, true), v.getBigUint64(16, true)];
  const kinds = BigInt(MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE);
  if ((propagation & ~kinds) !== 0n || (propagation & (propagation - 1n)) > 0n) return -EINVAL;
  if (((set | clear) & ~SETTABLE) !== 0n) return -EINVAL;
  const [s, c] = [Number(set), Number(clear)];
  // Access times are one field: whoever sets it clears all of it first.
  const field = A.MOUNT_ATTR__ATIME;
  if ((c & field) !== 0 ? (c & field) !== field : (s & field) !== 0) return -EINVAL;
  if ((s & field) !== 0 && (s & field) !== A.MOUNT_ATTR_NOATIME && (s & field) !== A.MOUNT_ATTR_STRICTATIME) return -EINVAL;
  // Mapped mounts are for file systems that allow them (FS_ALLOW_IDMAP): none does here.
  if (((s | c) & A.MOUNT_ATTR_IDMAP) !== 0) return -EINVAL;
  return { set: s, clear: c, propagation: Number(propagation) };
}
function sysMountSetattr(k: Kernel, dirfd: number, ptr: number, flags: number, attrPtr: number, size: number): number {
  if ((flags & ~(AT_EMPTY_PATH | A.AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) !== 0) return -EINVAL;
  if (size > PAGE) return -E2BIG;
  if (size < A.MOUNT_ATTR_SIZE_VER0) return -EINVAL;
  if (!mayMount(k)) return -EPERM;
  const attr = readAttr(k, attrPtr, size);
  if (typeof attr === 'number') return attr;
  if (attr.set === 0 && attr.clear === 0 && attr.propagation === 0) return 0;
  const path = resolveAt(k, dirfd, ptr, flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
  if (typeof path === 'number') return path;
  if (path.dentry !== path.mnt.root) return -EINVAL;
  const mounts = (flags & A.AT_RECURSIVE) !== 0 ? mountsBelow(k, path.mnt) : [path.mnt];
  const after = (m: Mount) => (mountAttributes(m.flags) & ~attr.clear) | attr.set;
  // All or none: a writer on one of them keeps them all as they are.
  for (const m of mounts) {
    const becomesReadOnly = (after(m) & A.MOUNT_ATTR_RDONLY) !== 0 && (mountAttributes(m.flags) & A.MOUNT_ATTR_RDONLY) === 0;
    if (becomesReadOnly && hasWriters(k, { mnt: m, dentry: m.root })) return -EBUSY;
  }
  for (const m of mounts) {
    m.flags = flagsOfAttributes(after(m));
    if (attr.propagation !== 0) changePropagation(k, m, propagationOf(attr.propagation));
  }
  return 0;
}

/** struct mnt_id_req: the mount and the parameter, or -errno. */
function readIdRequest(k: Kernel, ptr: number): { id: bigint; param: bigint } | number {
  const head = viewFromUser(k, ptr, 8);
  if (typeof head === 'number') return head;
  const size = head.getUint32(0, true);
  if (size > PAGE) return -E2BIG;
  if (size < A.MNT_ID_REQ_SIZE_VER0) return -EINVAL;
  const bytes = copyFromUser(k, ptr, size);
  if (typeof bytes === 'number') return bytes;
  if (bytes.subarray(A.MNT_ID_REQ_SIZE_VER1).some((b) => b !== 0)) return -E2BIG;
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const id = v.getBigUint64(8, true);
  if (v.getUint32(4, true) !== 0 || id <= A.MNT_UNIQUE_ID_OFFSET) return -EINVAL;
  // Another namespace than one's own would be named here.
  if (size >= A.MNT_ID_REQ_SIZE_VER1 && v.getBigUint64(24, true) !== 0n) return -EOPNOTSUPP;
  return { id, param: v.getBigUint64(16, true) };
}
function sysStatmount(k: Kernel, reqPtr: number, buf: number, size: number, flags: number): number {
  if (flags !== 0) return -EINVAL;
  const req = readIdRequest(k, reqPtr);
  if (typeof req === 'number') return req;
  const out = statMount(k, req.id, req.param, size);
  if (typeof out === 'number') return out;
  return copyToUser(k, buf, out) < 0 ? -EFAULT : 0;
}
function sysListmount(k: Kernel, reqPtr: number, ids: number, count: number, flags: number): number {
  if ((flags & ~A.LISTMOUNT_REVERSE) !== 0) return -EINVAL;
  if (count < 0 || count > 1_000_000) return -EOPNOTSUPP;
  const req = readIdRequest(k, reqPtr);
  if (typeof req === 'number') return req;
  if (req.param !== 0n && req.param <= A.MNT_UNIQUE_ID_OFFSET) return -EINVAL;
  const list = listMount(k, req.id, req.param, count, (flags & A.LISTMOUNT_REVERSE) !== 0);
  if (typeof list === 'number') return list;
  const bytes = new Uint8Array(BigUint64Array.from(list).buffer);
  return copyToUser(k, ids, bytes) < 0 ? -EFAULT : list.length;
}

export const fsMountApiSyscalls: readonly SyscallRow[] = [
  row(NR.NR_fsopen, 'fsopen', sysFsopen),
  row(NR.NR_fsconfig, 'fsconfig', sysFsconfig, 'options are strings and flags only'),
  row(NR.NR_fsmount, 'fsmount', sysFsmount),
  row(NR.NR_fspick, 'fspick', sysFspick),
  row(NR.NR_open_tree, 'open_tree', sysOpenTree),
  row(NR.NR_move_mount, 'move_mount', sysMoveMount, 'no MOVE_MOUNT_SET_GROUP'),
  row(NR.NR_mount_setattr, 'mount_setattr', sysMountSetattr, 'no ID-mapped mounts'),
  row(NR.NR_statmount, 'statmount', sysStatmount, 'own namespace only'),
  row(NR.NR_listmount, 'listmount', sysListmount, 'own namespace only'),
];
