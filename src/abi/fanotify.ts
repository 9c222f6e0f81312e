// fanotify (include/uapi/linux/fanotify.h; fanotify_init(2), fanotify_mark(2), fanotify(7)).
export const FAN_ACCESS = 0x1;
export const FAN_MODIFY = 0x2;
export const FAN_CLOSE_WRITE = 0x8;
export const FAN_CLOSE_NOWRITE = 0x10;
export const FAN_OPEN = 0x20;
export const FAN_OPEN_EXEC = 0x1000;
export const FAN_Q_OVERFLOW = 0x4000;
/** Events that carry a path, and so a descriptor. */
export const FAN_PATH_EVENTS = FAN_ACCESS | FAN_MODIFY | FAN_CLOSE_WRITE | FAN_CLOSE_NOWRITE | FAN_OPEN | FAN_OPEN_EXEC;
/** Those that only groups hear that ask for file handles: ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF, FS_ERROR, RENAME. */
export const FAN_FID_EVENTS = 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x8000 | 0x1000_0000;
export const FAN_PERM_EVENTS = 0x1_0000 | 0x2_0000 | 0x4_0000;
export const FAN_EVENT_ON_CHILD = 0x0800_0000;
export const FAN_ONDIR = 0x4000_0000;

export const FAN_CLOEXEC = 0x1;
export const FAN_NONBLOCK = 0x2;
export const FAN_CLASS = 0xc;
export const FAN_CLASS_NOTIF = 0;
export const FAN_UNLIMITED_QUEUE = 0x10;
export const FAN_UNLIMITED_MARKS = 0x20;
export const FAN_ENABLE_AUDIT = 0x40;
export const FAN_REPORT_PIDFD = 0x80;
export const FAN_REPORT_TID = 0x100;
/** FAN_REPORT_FID, DIR_FID, NAME, TARGET_FID. */
export const FAN_REPORT_FIDS = 0x200 | 0x400 | 0x800 | 0x1000;
export const FAN_REPORT_FD_ERROR = 0x2000;

export const FAN_MARK_ADD = 0x1;
export const FAN_MARK_REMOVE = 0x2;
export const FAN_MARK_DONT_FOLLOW = 0x4;
export const FAN_MARK_ONLYDIR = 0x8;
export const FAN_MARK_MOUNT = 0x10;
export const FAN_MARK_IGNORED_MASK = 0x20;
export const FAN_MARK_IGNORED_SURV_MODIFY = 0x40;
export const FAN_MARK_FLUSH = 0x80;
export const FAN_MARK_FILESYSTEM = 0x100;
export const FAN_MARK_EVICTABLE = 0x200;
export const FAN_MARK_IGNORE = 0x400;

/** struct fanotify_event_metadata. */
export const FAN_METADATA = { sizeof: 24, event_len: 0, vers: 4, metadata_len: 6, mask: 8, fd: 16, pid: 20 } as const;
export const FANOTIFY_METADATA_VERSION = 3;
export const FAN_NOFD = -1;
export const FAN_RESPONSE_SIZE = 8;
export const FAN_ALLOW = 1;
export const FAN_DENY = 2;
