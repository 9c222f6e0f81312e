import { EBADF, EFAULT, EINVAL, ENAMETOOLONG, ENOTTY, EAGAIN, E2BIG, EMFILE } from '../../abi/errno.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  O_CLOEXEC,
  O_DIRECT,
  O_DIRECTORY,
  O_LARGEFILE,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  S_IFREG,
} from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { F_SEAL_EXEC, F_SEAL_SEAL } from '../fs/attr.ts';
import { ioctlFasync } from '../fs/fasync.ts';
import { doFcntl, dupFd } from '../fs/fcntl.ts';
import { flagsIoctl } from '../fs/fileattr.ts';
import { F_UNLCK, setLock } from '../fs/locks.ts';
import { checkOpenFlags, filpOpen } from '../fs/open.ts';
import { createPipe } from '../fs/pipe.ts';
import { memInode } from '../fs/tmpfs.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, getUser32, strncpyFromUser } from '../mm/uaccess.ts';
import { fdGet, fdGetRaw, getName, installFile, row, startDir } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// Descriptors: open, close, dup, fcntl, ioctl, pipes (fs/open.c, fs/file.c, fs/ioctl.c).

const RLIMIT_NOFILE = 7;
const O_CREAT_OR_TMPFILE = 0o20000100;
/** VALID_OPEN_FLAGS (include/linux/fcntl.h). */
const VALID_OPEN_FLAGS = 0o37777703;
const RESOLVE_VALID = 0x3f;
const RESOLVE_CACHED = 0x20;

function openFd(k: Kernel, dirfd: number, ptr: number, flags: number, mode: number, resolve: number): number {
  const effective = (flags & O_PATH) !== 0 && resolve === 0 ? flags & (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC) : flags;
  const bad = checkOpenFlags({ flags: effective, mode: (effective & O_CREAT_OR_TMPFILE) !== 0 ? mode & 0o7777 : 0, resolve });
  if (bad < 0) return bad;
  const name = getName(k, ptr);
  if (typeof name === 'number') return name;
  if (k.current.files.allocFd(0, k.current.signal.rlimit(RLIMIT_NOFILE)) < 0) return -EMFILE;
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  const file = filpOpen(k, start, name, effective, mode, resolve);
  return typeof file === 'number' ? file : installFile(k, file, (flags & O_CLOEXEC) !== 0);
}
function sysOpenat(k: Kernel, dirfd: number, ptr: number, flags: number, mode: number): number {
  return openFd(k, dirfd, ptr, flags & VALID_OPEN_FLAGS, mode, 0);
}
/** struct open_how: u64 flags, mode, resolve. */
function sysOpenat2(k: Kernel, dirfd: number, ptr: number, how: number, size: number): number {
  if (size < 24) return -EINVAL;
  if (size > 4096) return -E2BIG;
  const bytes = copyFromUser(k, how, size);
  if (typeof bytes === 'number') return bytes;
  if (bytes.subarray(24).some((b) => b !== 0)) return -E2BIG;
  const v = new DataView(bytes.buffer);
  const flags = v.getBigUint64(0, true);
  const mode = v.getBigUint64(8, true);
  const resolve = v.getBigUint64(16, true);
  if ((flags & ~BigInt(VALID_OPEN_FLAGS)) !== 0n || (resolve & ~BigInt(RESOLVE_VALID)) !== 0n || (resolve & 0x18n) === 0x18n)
    return -EINVAL;
  if (mode > 0o7777n) return -EINVAL;
  if (checkOpenFlags({ flags: Number(flags), mode: Number(mode), resolve: Number(resolve) }) < 0) return -EINVAL;
  if ((resolve & BigInt(RESOLVE_CACHED)) !== 0n && (flags & 0o20001100n) !== 0n) return -EAGAIN;
  return openFd(k, dirfd, ptr, Number(flags), Number(mode), Number(resolve));
}
function sysCloseRange(k: Kernel, firstArg: number, lastArg: number, flags: number): number {
  const first = firstArg >>> 0;
  const last = lastArg >>> 0;
  const CLOSE_RANGE_UNSHARE = 2;
  const CLOSE_RANGE_CLOEXEC = 4;
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return -EINVAL;
  const task = k.current;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && task.files.users > 1) {
    const own = task.files.dup();
    task.files.users--;
    task.files = own;
  }
  const { files } = task;
  for (let fd = first; fd <= last && fd < files.fds.length; fd++) {
    if (files.get(fd) === null) continue;
    if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) files.closeOnExec[fd] = true;
    else files.close(k, fd);
  }
  return 0;
}
function sysDup3(k: Kernel, oldfd: number, newfd: number, flags: number): number {
  const o = oldfd | 0;
  const n = newfd | 0;
  if ((flags & ~O_CLOEXEC) !== 0 || o === n) return -EINVAL;
  if (n < 0 || n >= k.current.signal.rlimit(RLIMIT_NOFILE)) return -EBADF;
  const file = fdGetRaw(k, o);
  if (file === null) return -EBADF;
  file.refs++;
  if (k.current.files.get(n) !== null) k.current.files.close(k, n);
  k.current.files.install(n, file, (flags & O_CLOEXEC) !== 0);
  return n;
}
function sysFcntl(k: Kernel, fd: number, cmd: number, arg: number): number {
  const file = fdGetRaw(k, fd);
  return file === null ? -EBADF : doFcntl(k, fd | 0, file, cmd | 0, arg);
}
const LOCK_MAND = 32;
const LOCK_NB = 4;
function sysFlock(k: Kernel, fd: number, op: number): number {
  if ((op & LOCK_MAND) !== 0) return 0; // removed in 5.17: warned about, then ignored
  const kind = op & ~LOCK_NB;
  const type = kind === 1 ? 0 : kind === 2 ? 1 : kind === 8 ? F_UNLCK : -1;
  if (type < 0) return -EINVAL;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if (type !== F_UNLCK && (file.mode & (FMODE_READ | FMODE_WRITE)) === 0) return -EBADF;
  return setLock(
    k,
    file.inode,
    { owner: file, file, pid: k.current.tgid, flock: true, type, start: 0, end: Number.POSITIVE_INFINITY },
    (op & LOCK_NB) === 0,
  );
}
const FIONBIO = 0x5421;
const FIONCLEX = 0x5450;
const FIOCLEX = 0x5451;
const FIOASYNC = 0x5452;
function sysIoctl(k: Kernel, fd: number, cmdArg: number, arg: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const cmd = cmdArg >>> 0;
  switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
      k.current.files.closeOnExec[fd | 0] = cmd === FIOCLEX;
      return 0;
    case FIONBIO: {
      const on = getUser32(k, arg);
      if (on < 0) return on;
      file.flags = on !== 0 ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
      return 0;
    }
    case FIOASYNC: {
      const on = getUser32(k, arg);
      return on < 0 ? on : ioctlFasync(k, file, fd | 0, on !== 0);
    }
  }
  return flagsIoctl(k, file, cmd, arg) ?? file.op.ioctl?.(k, file, cmd, arg) ?? -ENOTTY;
}
function sysPipe2(k: Kernel, fds: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -EINVAL;
  const [r, w] = createPipe(k, flags);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const a = installFile(k, r, cloexec);
  if (a < 0) {
    k.vfs.fput(w);
    return a;
  }
  const b = installFile(k, w, cloexec);
  if (b < 0) {
    k.current.files.close(k, a);
    return b;
  }
  const out = new Uint8Array(8);
  const v = new DataView(out.buffer);
  v.setInt32(0, a, true);
  v.setInt32(4, b, true);
  if (copyToUser(k, fds, out) < 0) {
    k.current.files.close(k, a);
    k.current.files.close(k, b);
    return -EFAULT;
  }
  return 0;
}
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_NAME_MAX = 249;
function sysMemfdCreate(k: Kernel, ptr: number, flags: number): number {
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) !== 0) return -EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -EINVAL;
  const name = strncpyFromUser(k, ptr, MFD_NAME_MAX + 1);
  if (typeof name === 'number') return name === -ENAMETOOLONG ? -EINVAL : name;
  const inode = memInode(k, k.vfs.shmSb, S_IFREG | 0o777, 0);
  inode.nlink = 0;
  inode.uid = k.current.cred.fsuid;
  inode.gid = k.current.cred.fsgid;
  inode.seals = F_SEAL_SEAL;
  if ((flags & MFD_NOEXEC_SEAL) !== 0) {
    inode.mode &= ~0o111;
    inode.seals = F_SEAL_EXEC;
  } else if ((flags & MFD_ALLOW_SEALING) !== 0) inode.seals = 0;
  return installFile(k, k.vfs.anonFile(inode, `/memfd:${name} (deleted)`, O_RDWR | O_LARGEFILE), (flags & MFD_CLOEXEC) !== 0);
}

export const fsOpenSyscalls: readonly SyscallRow[] = [
  row(NR.NR_openat, 'openat', sysOpenat),
  row(NR.NR_openat2, 'openat2', sysOpenat2),
  row(NR.NR_close, 'close', (k, fd) => k.current.files.close(k, fd | 0)),
  row(NR.NR_close_range, 'close_range', sysCloseRange),
  row(NR.NR_dup, 'dup', (k, fd) => {
    const file = fdGetRaw(k, fd);
    return file === null ? -EBADF : dupFd(k, file, 0, false);
  }),
  row(NR.NR_dup3, 'dup3', sysDup3),
  row(NR.NR_fcntl, 'fcntl', sysFcntl),
  row(NR.NR_flock, 'flock', sysFlock),
  row(NR.NR_ioctl, 'ioctl', sysIoctl),
  row(NR.NR_pipe2, 'pipe2', sysPipe2),
  row(NR.NR_memfd_create, 'memfd_create', sysMemfdCreate, 'no huge pages'),
];
