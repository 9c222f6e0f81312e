import { EINVAL, ENOTDIR } from '../../../abi/errno.ts';
import { IN_ACCESS, IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO } from '../../../abi/inotify.ts';
import type { Kernel } from '../../kernel.ts';
import { setOwner } from '../fasync.ts';
import { isDir } from '../namei.ts';
import type { File } from '../types.ts';
import { addMark, destroyMark, FS_RENAME, type NotifyMark } from './fsnotify.ts';

// F_NOTIFY: a signal when something changes in a directory (fs/notify/dnotify/dnotify.c, fcntl(2)).

const DN_MULTISHOT = 0x8000_0000;
const EVENTS: readonly (readonly [bit: number, mask: number])[] = [
  [0x1, IN_ACCESS],
  [0x2, IN_MODIFY],
  [0x4, IN_CREATE | IN_MOVED_TO],
  [0x8, IN_DELETE | IN_MOVED_FROM],
  [0x10, FS_RENAME],
  [0x20, IN_ATTRIB],
];
/** The file is closed by the one who asked (dnotify_flush). */
export function dnotifyFlush(k: Kernel, file: File): void {
  for (const mark of [...(file.inode.marks ?? [])]) if (mark.dnotify?.file === file) destroyMark(k, mark);
}
export function fcntlDirnotify(k: Kernel, fd: number, file: File, arg: number): number {
  if (k.vfs.notify.dirNotify === 0) return -EINVAL;
  if ((arg & ~DN_MULTISHOT) === 0) {
    dnotifyFlush(k, file);
    return 0;
  }
  if (!isDir(file.inode)) return -ENOTDIR;
  let mask = 0;
  for (const [bit, events] of EVENTS) if ((arg & bit) !== 0) mask |= events;
  const oneshot = (arg & DN_MULTISHOT) === 0;
  const old = file.inode.marks?.find((m) => m.dnotify?.file === file);
  if (old !== undefined) {
    old.mask |= mask;
    old.oneshot &&= oneshot;
  } else {
    const mark: NotifyMark = { group: k.vfs.notify.dnotifyGroup, inode: file.inode, wd: 0, mask, oneshot, exclUnlink: false, dnotify: { file, fd } };
    addMark(k, mark);
  }
  return file.owner === null ? setOwner(k, file, k.current.tgid, 1) : 0;
}
