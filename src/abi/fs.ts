// File types, modes and flags (include/uapi/linux/stat.h, asm-generic/fcntl.h, include/linux/fs.h).
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;

export const O_ACCMODE = 3;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
// Flags of an inode (FS_IOC_GETFLAGS).
export const FS_IMMUTABLE_FL = 0x10;
export const FS_APPEND_FL = 0x20;
export const FS_NODUMP_FL = 0x40;
export const FS_NOATIME_FL = 0x80;

export const O_ASYNC = 0o20000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_TMPFILE = 0o20200000;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

export const FMODE_READ = 1;
export const FMODE_WRITE = 2;
// Bits of file->f_mode that drivers see (include/linux/fs.h).
export const FMODE_LSEEK = 4;
export const FMODE_PREAD = 8;
export const FMODE_PWRITE = 0x10;
export const FMODE_ATOMIC_POS = 0x8000;
export const FMODE_CAN_READ = 0x2_0000;
export const FMODE_CAN_WRITE = 0x4_0000;
export const FMODE_OPENED = 0x8_0000;
export const FMODE_STREAM = 0x20_0000;

export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;
export const POLLRDNORM = 64;
export const POLLWRNORM = 256;
export const POLLRDHUP = 0x2000;

export const PATH_MAX = 4096;
export const NAME_MAX = 255;

/** d_type of a mode (DT_*). */
export function dtypeOf(mode: number): number {
  return (mode & S_IFMT) >> 12;
}
/** dev_t as userland sees it (new_encode_dev). */
export function makeDev(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}
export const majorOf = (dev: number) => (dev >>> 8) & 0xfff;
export const minorOf = (dev: number) => (dev & 0xff) | ((dev >>> 12) & 0xfff00);
