import { EAGAIN, EBADF, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTTY } from '../../../abi/errno.ts';
import { AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_NONBLOCK, POLLIN, POLLRDNORM } from '../../../abi/fs.ts';
import {
  IN_ALL_EVENTS,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
  INOTIFY_EVENT_SIZE,
} from '../../../abi/inotify.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { hex } from '../../lib/seq_file.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { WaitQueueHead, waitInterruptible } from '../../sched/wait.ts';
import { installAnon, noopLlseek } from '../anon_inodes.ts';
import { fileHandleOf } from '../exportfs.ts';
import { inodePermission, MAY_READ } from '../namei.ts';
import type { File, FileOperations, Path } from '../types.ts';
import { addMark, destroyMark, type NotifyEvent, type NotifyGroup, type NotifyMark } from './fsnotify.ts';

// The inotify calls and what reads of their descriptor give (fs/notify/inotify/inotify_user.c, fs/notify/fdinfo.c).

const FIONREAD = 0x541b;
const ARGUMENT_BITS =
  IN_ALL_EVENTS |
  IN_UNMOUNT |
  IN_Q_OVERFLOW |
  IN_IGNORED |
  IN_ONLYDIR |
  IN_DONT_FOLLOW |
  IN_EXCL_UNLINK |
  IN_MASK_ADD |
  IN_MASK_CREATE |
  IN_ISDIR |
  IN_ONESHOT;

/** Names are padded with zeros to a multiple of the event's size. */
const nameLength = (e: NotifyEvent) => (e.name === '' ? 0 : Math.ceil((e.name.length + 1) / INOTIFY_EVENT_SIZE) * INOTIFY_EVENT_SIZE);
const eventSize = (e: NotifyEvent) => INOTIFY_EVENT_SIZE + nameLength(e);
function encode(e: NotifyEvent): Uint8Array {
  const bytes = new Uint8Array(eventSize(e));
  const v = new DataView(bytes.buffer);
  v.setInt32(0, e.wd, true);
  v.setUint32(4, e.mask >>> 0, true);
  v.setUint32(8, e.cookie, true);
  v.setUint32(12, nameLength(e), true);
  bytes.set(bytesOf(e.name), INOTIFY_EVENT_SIZE);
  return bytes;
}

const inotifyOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const { queue, waiters } = file.data as NotifyGroup;
    let total = 0;
    for (let e = queue.at(0); e !== undefined; e = queue.at(0)) {
      if (eventSize(e) > iter.count) return total > 0 ? total : -EINVAL;
      const n = iter.copyTo(k, encode(e));
      // The event is lost when the buffer is bad, as in Linux.
      queue.shift();
      if (n < eventSize(e)) return n < 0 && total === 0 ? n : total;
      total += n;
    }
    if (total > 0) return total;
    return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, waiters);
  },
  poll(_k, file, table) {
    const group = file.data as NotifyGroup;
    table?.add(group.waiters);
    return group.queue.length > 0 ? POLLIN | POLLRDNORM : 0;
  },
  ioctl(k, file, cmd, arg) {
    if (cmd !== FIONREAD) return -ENOTTY;
    let bytes = 0;
    for (const e of (file.data as NotifyGroup).queue) bytes += eventSize(e);
    return putUser32(k, arg, bytes);
  },
  release(k, file) {
    const group = file.data as NotifyGroup;
    for (const mark of [...group.marks.values()]) destroyMark(k, mark);
    k.vfs.notify.user(group.uid).instances--;
  },
  showFdinfo(_k, file) {
    let text = '';
    // The newest mark comes first.
    for (const mark of [...(file.data as NotifyGroup).marks.values()].reverse()) text += showMark(mark);
    return text;
  },
};
function showMark(mark: NotifyMark): string {
  const { inode } = mark;
  const flags = (mark.exclUnlink ? IN_EXCL_UNLINK : 0) | (mark.oneshot ? IN_ONESHOT : 0);
  const mask = ((mark.mask & IN_ALL_EVENTS) | flags) >>> 0;
  const head = `inotify wd:${hex(mark.wd)} ino:${hex(inode.ino)} sdev:${hex(inode.sb.dev)} mask:${hex(mask)} ignored_mask:0 `;
  const handle = fileHandleOf(inode);
  const bytes = [...handle.bytes].map((b) => hex(b, 2)).join('');
  return `${head}fhandle-bytes:${hex(handle.bytes.length)} fhandle-type:${hex(handle.type)} f_handle:${bytes}\n`;
}

export function inotifyInit(k: Kernel, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const uid = k.current.cred.uid;
  const user = k.vfs.notify.user(uid);
  if (user.instances >= k.vfs.notify.maxUserInstances) return -EMFILE;
  const group: NotifyGroup = {
    id: k.vfs.notify.nextGroup++,
    uid,
    queue: [],
    waiters: new WaitQueueHead(),
    marks: new Map(),
    lastWd: 0,
    maxEvents: k.vfs.notify.maxQueuedEvents,
  };
  const fd = installAnon(k, 'anon_inode:inotify', inotifyOps, group, flags & O_NONBLOCK, (flags & O_CLOEXEC) !== 0);
  if (fd >= 0) user.instances++;
  return fd;
}
/** The group behind a descriptor that the caller has looked up, or -errno. */
function groupOf(file: File | null): NotifyGroup | number {
  if (file === null) return -EBADF;
  return file.op === inotifyOps ? (file.data as NotifyGroup) : -EINVAL;
}
export function inotifyAddWatch(
  k: Kernel,
  file: File | null,
  lookup: (flags: number, directory: boolean) => Path | number,
  mask: number,
): number {
  if ((mask & ~ARGUMENT_BITS) !== 0 || (mask & ARGUMENT_BITS) === 0) return -EINVAL;
  if (file === null) return -EBADF;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -EINVAL;
  const group = groupOf(file);
  if (typeof group === 'number') return group;
  const path = lookup((mask & IN_DONT_FOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0, (mask & IN_ONLYDIR) !== 0);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  const denied = inodePermission(k.current, inode, MAY_READ);
  if (denied < 0) return denied;
  const wanted = (mask & IN_ALL_EVENTS) | IN_UNMOUNT;
  const old = inode.marks?.find((m) => m.group === group);
  if (old !== undefined) {
    if ((mask & IN_MASK_CREATE) !== 0) return -EEXIST;
    const add = (mask & IN_MASK_ADD) !== 0;
    old.mask = add ? old.mask | wanted : wanted;
    old.oneshot = (mask & IN_ONESHOT) !== 0 || (add && old.oneshot);
    old.exclUnlink = (mask & IN_EXCL_UNLINK) !== 0 || (add && old.exclUnlink);
    return old.wd;
  }
  const wd = ++group.lastWd; // used up even when the limit refuses it
  if (k.vfs.notify.user(group.uid).watches >= k.vfs.notify.maxUserWatches) return -ENOSPC;
  const mark: NotifyMark = {
    group,
    inode,
    wd,
    mask: wanted,
    oneshot: (mask & IN_ONESHOT) !== 0,
    exclUnlink: (mask & IN_EXCL_UNLINK) !== 0,
    dnotify: null,
  };
  addMark(k, mark);
  return wd;
}
export function inotifyRmWatch(k: Kernel, file: File | null, wd: number): number {
  const group = groupOf(file);
  if (typeof group === 'number') return group;
  const mark = group.marks.get(wd);
  if (mark === undefined) return -EINVAL;
  destroyMark(k, mark);
  return 0;
}
