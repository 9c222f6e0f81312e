import { EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, EISDIR, EMFILE, ENOENT, ENOSPC, ENOTTY, EPERM } from '../../../abi/errno.ts';
import * as N from '../../../abi/fanotify.ts';
import * as F from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { pidVnr } from '../../pid.ts';
import { WaitQueueHead, waitInterruptible } from '../../sched/wait.ts';
import { installAnon, noopLlseek } from '../anon_inodes.ts';
import { fileHandleOf } from '../exportfs.ts';
import { inodePermission, isDir, MAY_READ } from '../namei.ts';
import { openPath } from '../open.ts';
import type { File, FileOperations, Inode, Mount, Path, SuperBlock } from '../types.ts';
import { type FanEvent, type FanGroup, type FanMark, putEvent } from './fanotify.ts';

// The fanotify calls and reads of their descriptor (fs/notify/fanotify/fanotify_user.c).

const CAP_SYS_ADMIN = 21;
const CAP_AUDIT_WRITE = 29;
const FIONREAD = 0x541b;
const INIT_FLAGS =
  N.FAN_CLOEXEC |
  N.FAN_NONBLOCK |
  N.FAN_CLASS |
  N.FAN_UNLIMITED_QUEUE |
  N.FAN_UNLIMITED_MARKS |
  N.FAN_ENABLE_AUDIT |
  N.FAN_REPORT_PIDFD |
  N.FAN_REPORT_TID |
  N.FAN_REPORT_FIDS |
  N.FAN_REPORT_FD_ERROR;
/** __O_SYNC. */
const O_SYNC_BIT = 0o4000000;
const EVENT_F_FLAGS = F.O_ACCMODE | F.O_APPEND | F.O_NONBLOCK | O_SYNC_BIT | F.O_DSYNC | F.O_CLOEXEC | F.O_LARGEFILE | F.O_NOATIME;
const MARK_FLAGS = 0x7ff;
const MARK_TYPE = N.FAN_MARK_MOUNT | N.FAN_MARK_FILESYSTEM;
const MARK_CMD = N.FAN_MARK_ADD | N.FAN_MARK_REMOVE | N.FAN_MARK_FLUSH;
const EVENT_FLAGS = N.FAN_EVENT_ON_CHILD | N.FAN_ONDIR;

function notThere(k: Kernel, what: string): number {
  k.printk.log(4, `fanotify: ${what} not implemented`);
  return -EINVAL;
}

/** fanotify_init(2). */
export function fanotifyInit(k: Kernel, flags: number, eventFlags: number): number {
  const task = k.current;
  const { notify } = k.vfs;
  if (!task.capable(CAP_SYS_ADMIN) && ((flags & ~(N.FAN_CLOEXEC | N.FAN_NONBLOCK | N.FAN_REPORT_FIDS)) !== 0 || (flags & N.FAN_REPORT_FIDS) === 0))
    return -EPERM;
  if ((flags & ~INIT_FLAGS) !== 0 || ((flags & N.FAN_REPORT_PIDFD) !== 0 && (flags & N.FAN_REPORT_TID) !== 0)) return -EINVAL;
  if ((eventFlags & ~EVENT_F_FLAGS) !== 0 || (eventFlags & F.O_ACCMODE) === F.O_ACCMODE) return -EINVAL;
  if ((flags & N.FAN_REPORT_FIDS) !== 0) return notThere(k, 'reports of file handles (FAN_REPORT_FID) are');
  if ((flags & N.FAN_REPORT_PIDFD) !== 0) return notThere(k, 'FAN_REPORT_PIDFD is');
  if ((flags & N.FAN_CLASS) === N.FAN_CLASS) return -EINVAL;
  if ((flags & N.FAN_ENABLE_AUDIT) !== 0 && !task.capable(CAP_AUDIT_WRITE)) return -EPERM;
  const { uid } = task.cred;
  if (notify.fanotify.filter((g) => g.uid === uid).length >= notify.maxFanotifyGroups) return -EMFILE;
  const unlimited = (flags & N.FAN_UNLIMITED_QUEUE) !== 0;
  const group: FanGroup = {
    uid,
    flags,
    eventFlags: eventFlags | F.O_LARGEFILE,
    maxEvents: unlimited ? Number.POSITIVE_INFINITY : notify.maxFanotifyEvents,
    queue: [],
    waiters: new WaitQueueHead(),
    marks: [],
  };
  const nonblock = (flags & N.FAN_NONBLOCK) !== 0 ? F.O_NONBLOCK : 0;
  const fd = installAnon(k, 'anon_inode:[fanotify]', fanotifyOps, group, F.O_RDWR | nonblock, (flags & N.FAN_CLOEXEC) !== 0);
  if (fd >= 0) notify.fanotify.push(group);
  return fd;
}

/** What a mark of these flags is on. */
function objectOf(path: Path, flags: number): { kind: FanMark['kind']; object: Inode | Mount | SuperBlock } {
  if ((flags & N.FAN_MARK_MOUNT) !== 0) return { kind: 'mount', object: path.mnt };
  if ((flags & N.FAN_MARK_FILESYSTEM) !== 0) return { kind: 'sb', object: path.mnt.sb };
  return { kind: 'inode', object: path.dentry.inode };
}
const KIND_OF_TYPE: ReadonlyMap<number, FanMark['kind']> = new Map([
  [0, 'inode'],
  [N.FAN_MARK_MOUNT, 'mount'],
  [N.FAN_MARK_FILESYSTEM, 'sb'],
]);
/** fanotify_mark(2): checks come in Linux's order. `lookup` finds what is marked. */
export function fanotifyMark(k: Kernel, file: File | null, flags: number, wideMask: bigint, lookup: (flags: number) => Path | number): number {
  const mask = Number(wideMask & 0xffff_ffffn);
  if (wideMask >> 32n !== 0n || (flags & ~MARK_FLAGS) !== 0) return -EINVAL;
  const kind = KIND_OF_TYPE.get(flags & MARK_TYPE);
  const cmd = flags & MARK_CMD;
  if (kind === undefined) return -EINVAL;
  if (cmd === N.FAN_MARK_FLUSH) {
    if ((flags & ~(MARK_TYPE | N.FAN_MARK_FLUSH)) !== 0) return -EINVAL;
  } else if ((cmd !== N.FAN_MARK_ADD && cmd !== N.FAN_MARK_REMOVE) || mask === 0) return -EINVAL;
  if ((mask & ~(N.FAN_PATH_EVENTS | N.FAN_FID_EVENTS | N.FAN_PERM_EVENTS | EVENT_FLAGS)) !== 0) return -EINVAL;
  const ignore = flags & (N.FAN_MARK_IGNORED_MASK | N.FAN_MARK_IGNORE);
  if (ignore === (N.FAN_MARK_IGNORED_MASK | N.FAN_MARK_IGNORE)) return -EINVAL;
  if (file === null) return -EBADF;
  if (file.op !== fanotifyOps) return -EINVAL;
  const group = file.data as FanGroup;
  if ((mask & N.FAN_PERM_EVENTS) !== 0) {
    if ((group.flags & N.FAN_CLASS) === N.FAN_CLASS_NOTIF) return -EINVAL;
    return notThere(k, 'permission events are');
  }
  if ((flags & N.FAN_MARK_EVICTABLE) !== 0 && kind !== 'inode') return -EINVAL;
  // Events about names want file handles.
  if ((mask & N.FAN_FID_EVENTS) !== 0) return -EINVAL;
  if (cmd === N.FAN_MARK_FLUSH) {
    for (let i = group.marks.length - 1; i >= 0; i--) if (group.marks[i].kind === kind) group.marks.splice(i, 1);
    return 0;
  }
  const path = lookup(flags);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  const denied = inodePermission(k.current, inode, MAY_READ);
  if (denied < 0) return denied;
  // Without FAN_MARK_IGNORED_SURV_MODIFY the new way of ignoring is for files alone.
  if (ignore === N.FAN_MARK_IGNORE && (flags & N.FAN_MARK_IGNORED_SURV_MODIFY) === 0) {
    if (kind !== 'inode') return -EINVAL;
    if (isDir(inode)) return -EISDIR;
  }
  const wanted = kind !== 'inode' || !isDir(inode) ? mask & ~N.FAN_EVENT_ON_CHILD : mask;
  const at = group.marks.findIndex((m) => m.object === objectOf(path, flags).object && m.kind === kind);
  return cmd === N.FAN_MARK_ADD ? addMark(k, group, path, flags, wanted, at) : removeMark(group, flags, mask, at);
}
/** inode_is_open_for_write. */
const openForWrite = (path: Path) => path.dentry.inode.writers > 0;
function addMark(k: Kernel, group: FanGroup, path: Path, flags: number, mask: number, at: number): number {
  const ignore = (flags & (N.FAN_MARK_IGNORED_MASK | N.FAN_MARK_IGNORE)) !== 0;
  const survives = (flags & N.FAN_MARK_IGNORED_SURV_MODIFY) !== 0;
  // A file that is being written would end the ignoring at once.
  if ((flags & (MARK_TYPE | N.FAN_MARK_IGNORED_MASK)) === N.FAN_MARK_IGNORED_MASK && !survives && openForWrite(path)) return 0;
  let mark = group.marks[at];
  if (mark === undefined) {
    const { notify } = k.vfs;
    const used = notify.fanotify.reduce((sum, g) => (g.uid === group.uid ? sum + g.marks.length : sum), 0);
    if ((group.flags & N.FAN_UNLIMITED_MARKS) === 0 && used >= notify.maxFanotifyMarks) return -ENOSPC;
    mark = { ...objectOf(path, flags), mask: 0, ignored: 0, survives: false, ignoreFlags: false };
    group.marks.push(mark);
  } else if (ignore && mark.ignored !== 0) {
    // The two ways of ignoring do not mix, and what survives modification stays so.
    if (mark.ignoreFlags !== ((flags & N.FAN_MARK_IGNORE) !== 0)) return -EEXIST;
    if ((flags & N.FAN_MARK_IGNORE) !== 0 && mark.survives && !survives) return -EEXIST;
  }
  if (!ignore) mark.mask |= mask;
  else {
    mark.ignored |= mask;
    mark.ignoreFlags = (flags & N.FAN_MARK_IGNORE) !== 0;
    if (survives) mark.survives = true;
  }
  return 0;
}
function removeMark(group: FanGroup, flags: number, mask: number, at: number): number {
  if (at < 0) return -ENOENT;
  const mark = group.marks[at];
  if ((flags & (N.FAN_MARK_IGNORED_MASK | N.FAN_MARK_IGNORE)) !== 0) mark.ignored &= ~mask;
  else mark.mask &= ~mask;
  if (((mark.mask | mark.ignored) & ~EVENT_FLAGS) === 0) group.marks.splice(at, 1);
  return 0;
}

/** A descriptor for the event's object, opened by the reader; events do not come of it (create_fd). */
function createFd(k: Kernel, group: FanGroup, path: Path): number {
  const { files, signal } = k.current;
  const fd = files.allocFd(0, signal.rlimit(7));
  if (fd < 0) return fd;
  const { notify } = k.vfs;
  notify.muted = true;
  const file = openPath(k, path, group.eventFlags);
  notify.muted = false;
  if (typeof file === 'number') return file;
  file.silent = true;
  files.install(fd, file, (group.eventFlags & F.O_CLOEXEC) !== 0);
  return fd;
}
function encode(k: Kernel, event: FanEvent, fd: number): Uint8Array {
  const bytes = new Uint8Array(N.FAN_METADATA.sizeof);
  const v = new DataView(bytes.buffer);
  v.setUint32(N.FAN_METADATA.event_len, bytes.length, true);
  v.setUint8(N.FAN_METADATA.vers, N.FANOTIFY_METADATA_VERSION);
  v.setUint16(N.FAN_METADATA.metadata_len, bytes.length, true);
  v.setUint32(N.FAN_METADATA.mask, event.mask >>> 0, true);
  v.setInt32(N.FAN_METADATA.fd, fd, true);
  v.setInt32(N.FAN_METADATA.pid, pidVnr(k, event.pid), true);
  return bytes;
}
const fanotifyOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const group = file.data as FanGroup;
    let total = 0;
    for (let e = group.queue.at(0); e !== undefined; e = group.queue.at(0)) {
      if (iter.count < N.FAN_METADATA.sizeof) return total > 0 ? total : -EINVAL;
      const fd = e.path === null ? N.FAN_NOFD : createFd(k, group, e.path);
      // The event is lost when it cannot be told, as in Linux.
      group.queue.shift();
      putEvent(k, e);
      if (fd < 0 && e.path !== null && (group.flags & N.FAN_REPORT_FD_ERROR) === 0) return total > 0 ? total : fd;
      const n = iter.copyTo(k, encode(k, e, fd));
      if (n < N.FAN_METADATA.sizeof) {
        if (fd >= 0) k.current.files.close(k, fd);
        return total > 0 ? total : -EFAULT;
      }
      total += n;
    }
    if (total > 0) return total;
    return (file.flags & F.O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, group.waiters);
  },
  /** Answers to permission events, of which there are none. */
  write(k, _file, iter) {
    if (iter.count < N.FAN_RESPONSE_SIZE) return -EINVAL;
    const bytes = iter.copyFrom(k, N.FAN_RESPONSE_SIZE);
    if (typeof bytes === 'number' || bytes.length < N.FAN_RESPONSE_SIZE) return -EFAULT;
    const v = new DataView(bytes.buffer, bytes.byteOffset);
    const answer = v.getUint32(4, true);
    return v.getInt32(0, true) < 0 || (answer !== N.FAN_ALLOW && answer !== N.FAN_DENY) ? -EINVAL : -ENOENT;
  },
  poll(_k, file, table) {
    const group = file.data as FanGroup;
    table?.add(group.waiters);
    return group.queue.length > 0 ? F.POLLIN | F.POLLRDNORM : 0;
  },
  ioctl(k, file, cmd, arg) {
    return cmd === FIONREAD ? putUser32(k, arg, (file.data as FanGroup).queue.length * N.FAN_METADATA.sizeof) : -ENOTTY;
  },
  release(k, file) {
    const group = file.data as FanGroup;
    for (const e of group.queue.splice(0)) putEvent(k, e);
    const { fanotify } = k.vfs.notify;
    fanotify.splice(fanotify.indexOf(group), 1);
  },
  showFdinfo(_k, file) {
    const group = file.data as FanGroup;
    const head = `fanotify flags:${hex(group.flags)} event-flags:${hex(group.eventFlags)}\n`;
    return head + [...group.marks].reverse().map(showMark).join('');
  },
};
function showMark(m: FanMark): string {
  const flags = (m.survives ? N.FAN_MARK_IGNORED_SURV_MODIFY : 0) | (m.ignoreFlags ? N.FAN_MARK_IGNORE : 0);
  const masks = `mflags:${hex(flags)} mask:${hex(m.mask >>> 0)} ignored_mask:${hex(m.ignored >>> 0)}`;
  if (m.kind === 'mount') return `fanotify mnt_id:${hex((m.object as Mount).id)} ${masks}\n`;
  if (m.kind === 'sb') return `fanotify sdev:${hex((m.object as SuperBlock).dev)} ${masks}\n`;
  const inode = m.object as Inode;
  const handle = fileHandleOf(inode);
  const bytes = [...handle.bytes].map((b) => hex(b, 2)).join('');
  return `fanotify ino:${hex(inode.ino)} sdev:${hex(inode.sb.dev)} ${masks} fhandle-bytes:${hex(handle.bytes.length)} fhandle-type:${hex(handle.type)} f_handle:${bytes}\n`;
}
