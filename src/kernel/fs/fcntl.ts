import { EBADF, EBUSY, EINVAL, EPERM } from '../../abi/errno.ts';
import { NSIG } from '../../abi/signal.ts';
import { FMODE_READ, FMODE_WRITE, O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME, O_NONBLOCK, O_PATH } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser } from '../mm/uaccess.ts';
import { F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE } from './attr.ts';
import { F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, getOwnerPid, setFasync, setOwner, setOwnerByPid } from './fasync.ts';
import { isAppendOnly } from './fileattr.ts';
import { fcntlDirnotify } from './notify/dnotify.ts';
import { getLease, setLease } from './lease.ts';
import { conflict, F_RDLCK, F_UNLCK, F_WRLCK, type FileLock, ownLock, setLock } from './locks.ts';
import { pipeInfo, pipeSize, setPipeSize } from './pipe.ts';
import { sizeOf } from './stat.ts';
import type { File } from './types.ts';

// fcntl(2) (fs/fcntl.c).

const CAP_FOWNER = 3;
const RLIMIT_NOFILE = 7;
const SETFL_MASK = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
const F_ALL_SEALS = 0x3f;

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_GETLK = 5;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_SETOWN = 8;
const F_GETOWN = 9;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const F_SETSIG = 10;
const F_GETSIG = 11;
const F_SETOWN_EX = 15;
const F_GETOWN_EX = 16;
const F_GETOWNER_UIDS = 17;
const F_NOTIFY = 1026;
const F_SETLEASE = 1024;
const F_GETLEASE = 1025;
const F_DUPFD_QUERY = 1027;
const F_CREATED_QUERY = 1028;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const PATH_COMMANDS = [F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GETFD, F_SETFD, F_GETFL];

/** dup and F_DUPFD: the lowest descriptor from `from` on. */
export function dupFd(k: Kernel, file: File, from: number, cloexec: boolean): number {
  const to = k.current.files.allocFd(from, k.current.signal.rlimit(RLIMIT_NOFILE));
  if (to < 0) return to;
  file.refs++;
  k.current.files.install(to, file, cloexec);
  return to;
}

export function doFcntl(k: Kernel, fd: number, file: File, cmd: number, arg: number): number {
  const { files } = k.current;
  if ((file.flags & O_PATH) !== 0 && !PATH_COMMANDS.includes(cmd)) return -EBADF;
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if ((arg | 0) < 0 || (arg | 0) >= k.current.signal.rlimit(RLIMIT_NOFILE)) return -EINVAL;
      return dupFd(k, file, arg | 0, cmd === F_DUPFD_CLOEXEC);
    case F_DUPFD_QUERY:
      return files.get(arg | 0) === null ? -EBADF : files.get(arg | 0) === file ? 1 : 0;
    case F_GETFD:
      return files.closeOnExec[fd] ? 1 : 0;
    case F_SETFD:
      files.closeOnExec[fd] = (arg & 1) !== 0;
      return 0;
    case F_GETFL:
      return file.flags;
    case F_SETFL:
      if (((arg ^ file.flags) & O_APPEND) !== 0 && isAppendOnly(file.inode)) return -EPERM;
      if ((arg & O_NOATIME & ~file.flags) !== 0 && k.current.cred.fsuid !== file.inode.uid && !k.current.capable(CAP_FOWNER)) return -EPERM;
      if ((arg & O_DIRECT & ~file.flags) !== 0 && file.inode.mapping === null && pipeInfo(file) === null) return -EINVAL;
      if (((file.flags ^ arg) & O_ASYNC) !== 0) {
        const r = setFasync(k, file, fd, (arg & O_ASYNC) !== 0);
        if (r < 0) return r;
      }
      file.flags = (file.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return 0;
    case F_GETLK:
    case F_OFD_GETLK:
      return getLock(k, file, cmd === F_OFD_GETLK, arg);
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return changeLock(k, file, cmd >= F_OFD_SETLK, cmd === F_SETLKW || cmd === F_OFD_SETLKW, arg);
    case F_SETOWN:
      return setOwnerByPid(k, file, arg | 0);
    case F_GETOWN:
      return getOwnerPid(k, file);
    case F_SETOWN_EX:
    case F_GETOWN_EX:
      return ownerEx(k, file, cmd === F_SETOWN_EX, arg);
    case F_GETOWNER_UIDS: {
      const uids = Uint32Array.of(file.owner?.uid ?? 0, file.owner?.euid ?? 0);
      return copyToUser(k, arg, new Uint8Array(uids.buffer));
    }
    case F_SETSIG:
      if (arg < 0 || arg > NSIG) return -EINVAL;
      file.signum = arg;
      return 0;
    case F_GETSIG:
      return file.signum;
    case F_NOTIFY:
      return fcntlDirnotify(k, fd, file, arg);
    case F_SETLEASE:
      return setLease(k, fd, file, arg | 0);
    case F_GETLEASE:
      return getLease(file);
    case F_CREATED_QUERY:
      return file.created ? 1 : 0;
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ: {
      const pipe = pipeInfo(file);
      if (pipe === null) return -EBADF;
      return cmd === F_GETPIPE_SZ ? pipeSize(pipe) : setPipeSize(k, pipe, arg >>> 0);
    }
    case F_GET_SEALS:
      return file.inode.seals >= 0 ? file.inode.seals : -EINVAL;
    case F_ADD_SEALS:
      return addSeals(k, file, arg);
  }
  return -EINVAL;
}
/** struct f_owner_ex: int type, pid_t pid. */
function ownerEx(k: Kernel, file: File, set: boolean, arg: number): number {
  if (!set) {
    const out = Int32Array.of(file.owner?.type ?? F_OWNER_TID, file.owner?.pid ?? 0);
    return copyToUser(k, arg, new Uint8Array(out.buffer));
  }
  const bytes = copyFromUser(k, arg, 8);
  if (typeof bytes === 'number') return bytes;
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const type = v.getInt32(0, true);
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return -EINVAL;
  return setOwner(k, file, v.getInt32(4, true), type);
}
function addSeals(k: Kernel, file: File, seals: number): number {
  const { inode } = file;
  if (inode.seals < 0) return -EINVAL;
  if ((file.mode & FMODE_WRITE) === 0) return -EPERM;
  if ((seals & ~F_ALL_SEALS) !== 0) return -EINVAL;
  if ((inode.seals & F_SEAL_SEAL) !== 0) return -EPERM;
  if ((seals & F_SEAL_WRITE & ~inode.seals) !== 0) {
    // Writable shared mappings keep the seal out.
    for (const task of k.sched.tasks.values()) {
      for (const vma of task.mm?.vmas ?? []) if (vma.mapping === inode.mapping && (vma.flags & 0x28) === 0x28) return -EBUSY;
    }
  }
  // Sealing execution of an executable file makes it unchangeable altogether.
  const more = (seals & 0x20) !== 0 && (inode.mode & 0o111) !== 0 ? F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | 0x10 : 0;
  inode.seals |= seals | more;
  return 0;
}

interface UserLock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}
/** struct flock (32 bytes): short type, whence; long start, len; int pid. */
function readLock(k: Kernel, arg: number): UserLock | number {
  const bytes = copyFromUser(k, arg, 32);
  return typeof bytes === 'number' ? bytes : { bytes, view: new DataView(bytes.buffer) };
}
/** flock64_to_posix_lock: the range a struct flock names, or -EINVAL. */
function lockOf(k: Kernel, file: File, ofd: boolean, v: DataView): FileLock | number {
  const type = v.getInt16(0, true);
  const whence = v.getInt16(2, true);
  let start = Number(v.getBigInt64(8, true));
  const len = Number(v.getBigInt64(16, true));
  if (whence === 1) start += file.pos;
  else if (whence === 2) start += sizeOf(file.path);
  else if (whence !== 0) return -EINVAL;
  if (start < 0) return -EINVAL;
  let end = len > 0 ? start + len : Number.POSITIVE_INFINITY;
  if (len < 0) [start, end] = [start + len, start];
  if (start < 0) return -EINVAL;
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -EINVAL;
  return { owner: ofd ? file : k.current.files, file, pid: ofd ? -1 : k.current.tgid, flock: false, type, start, end };
}
function getLock(k: Kernel, file: File, ofd: boolean, arg: number): number {
  const user = readLock(k, arg);
  if (typeof user === 'number') return user;
  const { view: v, bytes } = user;
  const type = v.getInt16(0, true);
  if (type !== F_RDLCK && type !== F_WRLCK && !(ofd && type === F_UNLCK)) return -EINVAL;
  const want = lockOf(k, file, ofd, v);
  if (typeof want === 'number') return want;
  if (ofd && v.getInt32(24, true) !== 0) return -EINVAL;
  const c = type === F_UNLCK ? ownLock(file.inode, want) : conflict(file.inode, want);
  if (c === null) v.setInt16(0, F_UNLCK, true);
  else {
    v.setInt16(0, c.type, true);
    v.setInt16(2, 0, true);
    v.setBigInt64(8, BigInt(c.start), true);
    v.setBigInt64(16, c.end === Number.POSITIVE_INFINITY ? 0n : BigInt(c.end - c.start), true);
    v.setInt32(24, c.pid, true);
  }
  return copyToUser(k, arg, bytes);
}
function changeLock(k: Kernel, file: File, ofd: boolean, wait: boolean, arg: number): number {
  const user = readLock(k, arg);
  if (typeof user === 'number') return user;
  const want = lockOf(k, file, ofd, user.view);
  if (typeof want === 'number') return want;
  if (want.type === F_RDLCK && (file.mode & FMODE_READ) === 0) return -EBADF;
  if (want.type === F_WRLCK && (file.mode & FMODE_WRITE) === 0) return -EBADF;
  if (ofd && user.view.getInt32(24, true) !== 0) return -EINVAL;
  return setLock(k, file.inode, want, wait);
}
