import { EBADF, EFAULT, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, EOVERFLOW, EPERM, ESPIPE } from '../../abi/errno.ts';
import { FMODE_READ, FMODE_WRITE, O_APPEND, O_NONBLOCK, S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import { SIGXFSZ } from '../../abi/signal.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { isAppendOnly, isImmutable } from '../fs/fileattr.ts';
import { isDir } from '../fs/namei.ts';
import { fsnotifyAccess, fsnotifyModify } from '../fs/notify/fsnotify.ts';
import { pipeFifoOps, pipeInfo } from '../fs/pipe.ts';
import { mayPread, RLIMIT_FSIZE, vfsRead, vfsWrite } from '../fs/read_write.ts';
import { dirLlseek } from '../fs/readdir.ts';
import { checkCopy, copyFile, type CopyRange, doSplice, pipeToPipe, SPLICE_F_NONBLOCK, userToPipe } from '../fs/splice.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { TASK_SIZE } from '../mm/address.ts';
import { getUser64, putUser64 } from '../mm/uaccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import { fdGet, importIovec, MAX_RW, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// Reading, writing and moving bytes (fs/read_write.c, fs/splice.c, fs/sync.c).

/** A user buffer, or -EFAULT when the range cannot be the user's (access_ok). */
function userBuffer(buf: number, count: number): IovIter | number {
  if (count < 0 || buf < 0 || buf + count > TASK_SIZE) return -EFAULT;
  return IovIter.user(buf, Math.min(count, MAX_RW));
}
function sysRead(k: Kernel, fd: number, buf: number, count: number): number {
  const file = fdGet(k, fd);
  if (file === null || (file.mode & FMODE_READ) === 0) return -EBADF;
  if (isDir(file.inode)) return -EISDIR;
  if (file.op.read === undefined) return -EINVAL;
  const iter = userBuffer(buf, count);
  return typeof iter === 'number' ? iter : vfsRead(k, file, iter);
}
function sysWrite(k: Kernel, fd: number, buf: number, count: number): number {
  const file = fdGet(k, fd);
  if (file === null || (file.mode & FMODE_WRITE) === 0) return -EBADF;
  if (file.op.write === undefined) return -EINVAL;
  const iter = userBuffer(buf, count);
  return typeof iter === 'number' ? iter : vfsWrite(k, file, iter);
}
function vectored(k: Kernel, fd: number, iov: number, count: number, write: boolean): number {
  const file = fdGet(k, fd);
  if (file === null || (file.mode & (write ? FMODE_WRITE : FMODE_READ)) === 0) return -EBADF;
  if (isDir(file.inode)) return -EISDIR;
  const iter = importIovec(k, iov, count);
  if (typeof iter === 'number') return iter;
  if (iter.count === 0) return 0;
  return write ? vfsWrite(k, file, iter) : vfsRead(k, file, iter);
}
/** pread and pwrite and their vectored kin: at `pos`, the file's own position stays. */
function positioned(k: Kernel, fd: number, write: boolean, pos: number, import_: (k: Kernel) => IovIter | number, vector: boolean): number {
  if (pos < 0) return -EINVAL;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if (!mayPread(file) && !isDir(file.inode)) return -ESPIPE;
  if ((file.mode & (write ? FMODE_WRITE : FMODE_READ)) === 0) return -EBADF;
  if (isDir(file.inode)) return -EISDIR;
  const op = write ? file.op.write : file.op.read;
  if (op === undefined) return -EINVAL;
  const iter = import_(k);
  if (typeof iter === 'number') return iter;
  if (vector && iter.count === 0) return 0;
  const saved = file.pos;
  const n = op(k, file, iter, pos);
  file.pos = saved;
  if (n > 0) (write ? fsnotifyModify : fsnotifyAccess)(k, file);
  return n;
}
const RWF_NOWAIT = 8;
const RWF_APPEND = 16;
const RWF_SUPPORTED = 0x7f;
function vectored2(k: Kernel, fd: number, iov: number, count: number, pos: number, flags: number, write: boolean): number {
  if ((flags & ~RWF_SUPPORTED) !== 0) return -EOPNOTSUPP;
  const file = fdGet(k, fd);
  if (
    file !== null &&
    (flags & RWF_NOWAIT) !== 0 &&
    (file.flags & O_NONBLOCK) === 0 &&
    file.inode.mapping === null &&
    pipeInfo(file) === null
  )
    return -EOPNOTSUPP;
  const saved = file?.flags ?? 0;
  if (file !== null && (flags & RWF_NOWAIT) !== 0) file.flags |= O_NONBLOCK;
  if (file !== null && (flags & RWF_APPEND) !== 0 && write) file.flags |= O_APPEND;
  const r = pos === -1 ? vectored(k, fd, iov, count, write) : positioned(k, fd, write, pos, (kk) => importIovec(kk, iov, count), true);
  if (file !== null) file.flags = saved;
  return r;
}

function sysLseek(k: Kernel, fd: number, offset: number, whenceArg: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const whence = whenceArg >>> 0;
  if (whence > 4) return -EINVAL;
  if (file.op.llseek === undefined) return isDir(file.inode) ? dirLlseek(file, offset, whence) : -ESPIPE;
  return file.op.llseek(k, file, offset, whence);
}

/** Reads a position from user space; `fallback` when there is no pointer. */
function userPosition(k: Kernel, ptr: number, fallback: number): number | null {
  return ptr === 0 ? fallback : getUser64(k, ptr);
}
function notifyCopy(k: Kernel, input: File, output: File, n: number): void {
  if (n <= 0) return;
  fsnotifyAccess(k, input);
  fsnotifyModify(k, output);
}
function sysSendfile(k: Kernel, outFd: number, inFd: number, offsetPtr: number, count: number): number {
  const inPos = userPosition(k, offsetPtr, 0);
  if (inPos === null) return -EFAULT;
  const input = fdGet(k, inFd);
  if (input === null || (input.mode & FMODE_READ) === 0) return -EBADF;
  if (offsetPtr !== 0 && input.op.llseek === undefined && !isDir(input.inode)) return -ESPIPE;
  const range: CopyRange = { inPos: offsetPtr === 0 ? input.pos : inPos, outPos: 0 };
  if (range.inPos < 0 || count < 0) return -EINVAL;
  const output = fdGet(k, outFd);
  if (output === null || (output.mode & FMODE_WRITE) === 0) return -EBADF;
  // The check is do_splice_direct's: a pipe takes another way.
  if ((output.flags & O_APPEND) !== 0 && pipeInfo(output) === null) return -EINVAL;
  range.outPos = output.pos;
  const n = copyFile(k, input, output, range, Math.min(count, MAX_RW));
  if (n < 0) return n;
  if (offsetPtr === 0) input.pos = range.inPos;
  else if (putUser64(k, offsetPtr, range.inPos) < 0) return -EFAULT;
  if (output.op.llseek !== undefined) output.pos = range.outPos;
  notifyCopy(k, input, output, n);
  return n;
}
function sysCopyFileRange(k: Kernel, inFd: number, inPtr: number, outFd: number, outPtr: number, count: number, flags: number): number {
  const input = fdGet(k, inFd);
  const output = fdGet(k, outFd);
  if (input === null || output === null) return -EBADF;
  const inPos = userPosition(k, inPtr, input.pos);
  const outPos = userPosition(k, outPtr, output.pos);
  if (inPos === null || outPos === null) return -EFAULT;
  if (flags !== 0) return -EINVAL;
  const bad = checkCopy(input, output);
  if (bad < 0) return bad;
  if (inPos < 0 || outPos < 0) return -EINVAL;
  if (count < 0) return -EOVERFLOW;
  const n = Math.min(count, MAX_RW, Math.max(0, (input.inode.mapping?.size ?? 0) - inPos));
  if (input.inode === output.inode && outPos + n > inPos && outPos < inPos + n) return -EINVAL;
  if (n === 0) return 0;
  const range: CopyRange = { inPos, outPos };
  const done = copyFile(k, input, output, range, n);
  if (done < 0) return done;
  if (inPtr === 0) input.pos = range.inPos;
  else putUser64(k, inPtr, range.inPos);
  if (outPtr === 0) output.pos = range.outPos;
  else putUser64(k, outPtr, range.outPos);
  notifyCopy(k, input, output, done);
  return done;
}
function sysSplice(k: Kernel, inFd: number, inPtr: number, outFd: number, outPtr: number, length: number, flags: number): number {
  if (length === 0) return 0;
  if ((flags & ~0xf) !== 0) return -EINVAL;
  const input = fdGet(k, inFd);
  const output = fdGet(k, outFd);
  if (input === null || output === null) return -EBADF;
  if ((inPtr !== 0 && pipeInfo(input) !== null) || (outPtr !== 0 && pipeInfo(output) !== null)) return -ESPIPE;
  const inPos = userPosition(k, inPtr, input.pos);
  const outPos = userPosition(k, outPtr, output.pos);
  if (inPos === null || outPos === null) return -EFAULT;
  if ((inPtr !== 0 && input.op.llseek === undefined) || (outPtr !== 0 && output.op.llseek === undefined)) return -EINVAL;
  if (inPos < 0 || outPos < 0 || length < 0) return -EINVAL;
  const range: CopyRange = { inPos, outPos };
  const n = doSplice(k, input, output, range, Math.min(length, MAX_RW), flags);
  const store = (file: File, ptr: number, pos: number) => {
    if (ptr !== 0) putUser64(k, ptr, pos);
    else if (file.op.llseek !== undefined) file.pos = pos;
  };
  if (n >= 0 || n === BLOCKED) {
    store(input, inPtr, range.inPos);
    store(output, outPtr, range.outPos);
  }
  notifyCopy(k, input, output, n);
  return n;
}
function sysTee(k: Kernel, inFd: number, outFd: number, length: number, flags: number): number {
  if ((flags & ~0xf) !== 0) return -EINVAL;
  if (length === 0) return 0;
  const input = fdGet(k, inFd);
  const output = fdGet(k, outFd);
  if (input === null || output === null) return -EBADF;
  if ((input.mode & FMODE_READ) === 0 || (output.mode & FMODE_WRITE) === 0) return -EBADF;
  const from = pipeInfo(input);
  const to = pipeInfo(output);
  if (from === null || to === null || from === to) return -EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || ((input.flags | output.flags) & O_NONBLOCK) !== 0;
  return pipeToPipe(k, from, to, Math.min(Math.max(length, 0), MAX_RW), nonblock, false);
}
function sysVmsplice(k: Kernel, fd: number, iov: number, count: number, flags: number): number {
  if ((flags & ~0xf) !== 0) return -EINVAL;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const iter = importIovec(k, iov, count);
  if (typeof iter === 'number') return iter;
  if (pipeInfo(file) === null) return -EBADF;
  if (iter.count === 0) return 0;
  const pipe = pipeInfo(file);
  if (pipe !== null && (file.mode & FMODE_WRITE) !== 0)
    return userToPipe(k, file, pipe, iter, (flags & SPLICE_F_NONBLOCK) !== 0 || (file.flags & O_NONBLOCK) !== 0);
  const op = pipeFifoOps.read;
  if ((flags & SPLICE_F_NONBLOCK) === 0 || (file.flags & O_NONBLOCK) !== 0) return op?.(k, file, iter, 0) ?? -EBADF;
  file.flags |= O_NONBLOCK;
  const n = op?.(k, file, iter, 0) ?? -EBADF;
  file.flags &= ~O_NONBLOCK;
  return n;
}

const FALLOC_KEEP_SIZE = 1;
function sysFallocate(k: Kernel, fd: number, mode: number, offset: number, length: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  if ((mode & ~0x7b) !== 0) return -EOPNOTSUPP;
  const what = mode & ~FALLOC_KEEP_SIZE;
  const keep = (mode & FALLOC_KEEP_SIZE) !== 0;
  // PUNCH_HOLE needs KEEP_SIZE; COLLAPSE and INSERT exclude it; one at a time.
  if (what === 2 ? !keep : what === 8 || what === 0x20 ? keep : what !== 0 && what !== 0x10 && what !== 0x40) return -EOPNOTSUPP;
  if ((file.mode & FMODE_WRITE) === 0) return -EBADF;
  if (isImmutable(file.inode) || (isAppendOnly(file.inode) && what !== 0)) return -EPERM;
  const type = file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return -ESPIPE;
  if (type === S_IFDIR) return -EISDIR;
  if (type !== S_IFREG && type !== S_IFBLK) return -ENODEV;
  if (offset + length > Number.MAX_SAFE_INTEGER) {
    // Linux's files can be larger still: there the limit of the process says it.
    if (what === 0 && !keep && offset + length > k.current.signal.rlimit(RLIMIT_FSIZE)) k.sched.sendSignal(k.current, SIGXFSZ);
    return -EFBIG;
  }
  if (file.op.fallocate === undefined) return -EOPNOTSUPP;
  const r = file.op.fallocate(k, file, mode, offset, length);
  if (r === 0) fsnotifyModify(k, file);
  return r;
}
function sysFsync(k: Kernel, fd: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  return file.op.fsync?.(k, file) ?? -EINVAL;
}
function sysFadvise(k: Kernel, fd: number, _offset: number, length: number, advice: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if ((file.inode.mode & S_IFMT) === S_IFIFO) return -ESPIPE;
  return length < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}
const SYNC_FILE_RANGE_FLAGS = 7;
/** What has no copy elsewhere has nothing to write; the rest writes all (fs/sync.c). */
function sysSyncFileRange(k: Kernel, fd: number, offset: number, length: number, flags: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if ((flags & ~SYNC_FILE_RANGE_FLAGS) !== 0 || offset < 0 || length < 0 || offset + length > 2 ** 63) return -EINVAL;
  const type = file.inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK && type !== S_IFDIR && type !== S_IFLNK) return -ESPIPE;
  return file.inode.mapping?.writeback(k) ?? 0;
}
function sysReadahead(k: Kernel, fd: number): number {
  const file = fdGet(k, fd);
  if (file === null || (file.mode & FMODE_READ) === 0) return -EBADF;
  return file.inode.mapping === null ? -EINVAL : 0;
}

export const fsRwSyscalls: readonly SyscallRow[] = [
  row(NR.NR_read, 'read', sysRead),
  row(NR.NR_write, 'write', sysWrite),
  row(NR.NR_readv, 'readv', (k, fd, iov, n) => vectored(k, fd, iov, n, false)),
  row(NR.NR_writev, 'writev', (k, fd, iov, n) => vectored(k, fd, iov, n, true)),
  row(NR.NR_pread64, 'pread64', (k, fd, buf, n, pos) => positioned(k, fd, false, pos, () => userBuffer(buf, n), false)),
  row(NR.NR_pwrite64, 'pwrite64', (k, fd, buf, n, pos) => positioned(k, fd, true, pos, () => userBuffer(buf, n), false)),
  row(NR.NR_preadv, 'preadv', (k, fd, iov, n, pos) => positioned(k, fd, false, pos, (kk) => importIovec(kk, iov, n), true)),
  row(NR.NR_pwritev, 'pwritev', (k, fd, iov, n, pos) => positioned(k, fd, true, pos, (kk) => importIovec(kk, iov, n), true)),
  row(
    NR.NR_preadv2,
    'preadv2',
    (k, fd, iov, n, pos, _hi, flags) => vectored2(k, fd, iov, n, pos, flags, false),
    'RWF_DSYNC, RWF_SYNC and RWF_HIPRI change nothing',
  ),
  row(
    NR.NR_pwritev2,
    'pwritev2',
    (k, fd, iov, n, pos, _hi, flags) => vectored2(k, fd, iov, n, pos, flags, true),
    'RWF_DSYNC, RWF_SYNC and RWF_HIPRI change nothing',
  ),
  row(NR.NR_lseek, 'lseek', sysLseek),
  row(NR.NR_sendfile, 'sendfile', sysSendfile),
  row(NR.NR_copy_file_range, 'copy_file_range', sysCopyFileRange),
  row(NR.NR_splice, 'splice', sysSplice, 'copies; pages do not move'),
  row(NR.NR_tee, 'tee', sysTee),
  row(NR.NR_vmsplice, 'vmsplice', sysVmsplice, 'copies; pages are not gifted'),
  row(NR.NR_fallocate, 'fallocate', sysFallocate),
  row(NR.NR_sync, 'sync', () => 0),
  row(NR.NR_fsync, 'fsync', sysFsync),
  row(NR.NR_fdatasync, 'fdatasync', sysFsync),
  row(NR.NR_syncfs, 'syncfs', (k, fd) => (fdGet(k, fd) === null ? -EBADF : 0)),
  row(NR.NR_sync_file_range, 'sync_file_range', sysSyncFileRange),
  row(NR.NR_fadvise64, 'fadvise64', sysFadvise),
  row(NR.NR_readahead, 'readahead', sysReadahead),
];
