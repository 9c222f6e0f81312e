import * as N from '../../../abi/fanotify.ts';
import type { Kernel } from '../../kernel.ts';
import { type WaitQueueHead, wakeUpAll } from '../../sched/wait.ts';
import { isDir } from '../namei.ts';
import type { File, Inode, Mount, Path, SuperBlock } from '../types.ts';

// fanotify groups, their marks and events (fs/notify/fanotify/fanotify.c).

/** Events of one hash bucket that are looked at for one to merge with. */
const MAX_MERGE_EVENTS = 128;

export interface FanEvent {
  /** null: the queue ran over. */
  readonly path: Path | null;
  readonly pid: number;
  readonly dir: boolean;
  mask: number;
}
export interface FanGroup {
  readonly uid: number;
  /** Of fanotify_init, and for the files that reads open. */
  readonly flags: number;
  readonly eventFlags: number;
  readonly maxEvents: number;
  readonly queue: FanEvent[];
  readonly waiters: WaitQueueHead;
  readonly marks: FanMark[];
}
/** A group's interest in an inode, a mount or a file system (struct fsnotify_mark, struct fanotify_mark). */
export interface FanMark {
  readonly object: Inode | Mount | SuperBlock;
  readonly kind: 'inode' | 'mount' | 'sb';
  mask: number;
  ignored: number;
  /** FAN_MARK_IGNORED_SURV_MODIFY: modification does not end the ignoring. */
  survives: boolean;
  /** FAN_MARK_IGNORE: ONDIR and EVENT_ON_CHILD of the ignored mask count. */
  ignoreFlags: boolean;
}

/** Does a mask with its ONDIR and EVENT_ON_CHILD apply (fsnotify_mask_applicable)? */
function applies(mask: number, dir: boolean, parent: boolean): boolean {
  return (!dir || (mask & N.FAN_ONDIR) !== 0) && (!parent || (mask & N.FAN_EVENT_ON_CHILD) !== 0);
}
/** fsnotify_effective_ignore_mask. Without FAN_MARK_IGNORE directories are always ignored, and children as the mark's own mask says. */
function ignoredBy(m: FanMark, dir: boolean, parent: boolean): number {
  const mask = m.ignoreFlags ? m.ignored : m.ignored | N.FAN_ONDIR | (m.mask & N.FAN_EVENT_ON_CHILD);
  return applies(mask, dir, parent) ? m.ignored : 0;
}
/** What of an event a group wants (fanotify_group_event_mask). Marks of the object itself and of its parent directory count. */
function groupMask(group: FanGroup, path: Path, mask: number, dir: boolean): number {
  const { inode, parent } = path.dentry;
  const above = parent === path.dentry ? null : parent.inode;
  let [wanted, ignored] = [0, 0];
  for (const m of group.marks) {
    const onParent = m.kind === 'inode' && m.object !== inode;
    const hit = m.kind === 'inode' ? m.object === inode || m.object === above : m.kind === 'mount' ? m.object === path.mnt : m.object === inode.sb;
    if (!hit) continue;
    if ((mask & N.FAN_MODIFY) !== 0 && !m.survives && m.ignored !== 0) m.ignored = 0;
    ignored |= ignoredBy(m, dir, onParent);
    if (applies(m.mask, dir, onParent)) wanted |= m.mask;
  }
  return mask & wanted & ~ignored & N.FAN_PATH_EVENTS;
}
function enqueue(k: Kernel, group: FanGroup, event: FanEvent): void {
  const { queue } = group;
  const same = (e: FanEvent) =>
    e.path !== null && e.path.mnt === event.path?.mnt && e.path.dentry === event.path.dentry && e.pid === event.pid && e.dir === event.dir;
  if (queue.length >= group.maxEvents) {
    if (queue.at(-1)?.path === null) return;
    queue.push({ path: null, pid: event.pid, dir: false, mask: N.FAN_Q_OVERFLOW });
  } else {
    const old = queue.slice(-MAX_MERGE_EVENTS).findLast(same);
    if (old !== undefined) {
      old.mask |= event.mask;
      return;
    }
    if (event.path !== null) event.path.dentry.inode.openCount++;
    queue.push(event);
  }
  wakeUpAll(k, group.waiters);
}
/** The event's object is not needed any more (path_put). */
export function putEvent(k: Kernel, event: FanEvent): void {
  if (event.path !== null) k.vfs.iput(event.path.dentry.inode);
}
/** Something happened to an open file. */
export function fanotifyFile(k: Kernel, file: File, mask: number): void {
  const dir = isDir(file.inode);
  for (const group of k.vfs.notify.fanotify) {
    const got = groupMask(group, file.path, mask, dir);
    if (got === 0) continue;
    const { current } = k;
    enqueue(k, group, { path: file.path, pid: (group.flags & N.FAN_REPORT_TID) !== 0 ? current.pid : current.tgid, dir, mask: got });
  }
}
/** The object is gone: marks on it go. */
export function fanotifyForget(k: Kernel, object: FanMark['object']): void {
  for (const group of k.vfs.notify.fanotify) {
    for (let i = group.marks.length - 1; i >= 0; i--) if (group.marks[i].object === object) group.marks.splice(i, 1);
  }
}
