import { FMODE_WRITE, O_PATH } from '../../../abi/fs.ts';
import {
  IN_ACCESS,
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_OPEN,
  IN_UNMOUNT,
} from '../../../abi/inotify.ts';
import type { Kernel } from '../../kernel.ts';
import { WaitQueueHead } from '../../sched/wait.ts';
import { POLL_MSG } from '../../../abi/signal.ts';
import { sendSigio } from '../fasync.ts';
import { isDir } from '../namei.ts';
import type { Dentry, File, Inode, SuperBlock } from '../types.ts';
import { FAN_OPEN_EXEC } from '../../../abi/fanotify.ts';
import { fanotifyFile, fanotifyForget, type FanGroup } from './fanotify.ts';
import { inotifyHandleEvent, inotifyIgnored } from './inotify.ts';

// Marks on inodes and the hooks of the VFS (fs/notify/fsnotify.c, include/linux/fsnotify.h).

/** An event in an inotify queue. */
export interface NotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}
/** What one descriptor listens with (struct fsnotify_group). */
export interface NotifyGroup {
  /** Order of creation: groups hear of an event in this order. */
  readonly id: number;
  readonly uid: number;
  readonly queue: NotifyEvent[];
  readonly waiters: WaitQueueHead;
  /** By watch descriptor, in the order in which they came. */
  readonly marks: Map<number, NotifyMark>;
  lastWd: number;
  /** max_queued_events at creation. */
  readonly maxEvents: number;
}
/** A group's interest in one inode (struct fsnotify_mark). */
export interface NotifyMark {
  readonly group: NotifyGroup;
  readonly inode: Inode;
  readonly wd: number;
  /** Events wanted; IN_UNMOUNT always. */
  mask: number;
  oneshot: boolean;
  exclUnlink: boolean;
  /** F_NOTIFY: the directory's file, which gets a signal. */
  readonly dnotify: { readonly file: File; readonly fd: number } | null;
}
export interface NotifyUser {
  instances: number;
  watches: number;
}
/** All of it (on the Vfs). */
export class Notify {
  /** Marks in the system: 0 makes every hook free. */
  marks = 0;
  /** /proc/sys/fs/inotify. */
  maxQueuedEvents = 16384;
  maxUserInstances = 128;
  maxUserWatches = 8192;
  /** All of dnotify is one group that nobody reads. */
  readonly dnotifyGroup: NotifyGroup = { id: 0, uid: 0, queue: [], waiters: new WaitQueueHead(), marks: new Map(), lastWd: 0, maxEvents: 0 };
  /** /proc/sys/fs/dir-notify-enable. */
  dirNotify = 1;
  /** The groups of fanotify, and /proc/sys/fs/fanotify. */
  readonly fanotify: FanGroup[] = [];
  maxFanotifyEvents = 16384;
  maxFanotifyGroups = 128;
  maxFanotifyMarks = 8192;
  /** fanotify opens an event's file: that is no event. */
  muted = false;
  nextGroup = 1;
  nextCookie = 1;
  readonly users = new Map<number, NotifyUser>();
  user(uid: number): NotifyUser {
    let u = this.users.get(uid);
    if (u === undefined) this.users.set(uid, (u = { instances: 0, watches: 0 }));
    return u;
  }
}

export function addMark(k: Kernel, mark: NotifyMark): void {
  mark.inode.marks ??= [];
  mark.inode.marks.push(mark);
  mark.inode.marks.sort((a, b) => a.group.id - b.group.id);
  k.vfs.notify.marks++;
  if (mark.dnotify !== null) return;
  mark.group.marks.set(mark.wd, mark);
  k.vfs.notify.user(mark.group.uid).watches++;
}
/** Takes a mark away; the group is told that the watch is gone (IN_IGNORED). */
export function destroyMark(k: Kernel, mark: NotifyMark): void {
  const { inode, group } = mark;
  if (mark.dnotify === null ? !group.marks.delete(mark.wd) : inode.marks?.includes(mark) !== true) return;
  const rest = (inode.marks ?? []).filter((m) => m !== mark);
  inode.marks = rest.length > 0 ? rest : null;
  k.vfs.notify.marks--;
  if (mark.dnotify !== null) return;
  k.vfs.notify.user(group.uid).watches--;
  inotifyIgnored(k, mark);
}

function wants(mark: NotifyMark, mask: number, unlinked: boolean): boolean {
  return (mark.mask & mask & (IN_ALL_EVENTS | IN_UNMOUNT | FS_RENAME)) !== 0 && !(mark.exclUnlink && unlinked);
}
function handle(k: Kernel, mark: NotifyMark, mask: number, name: string, cookie: number): void {
  if (mark.dnotify === null) {
    inotifyHandleEvent(k, mark, mask, name, cookie);
    return;
  }
  sendSigio(k, mark.dnotify.file, mark.dnotify.fd, POLL_MSG);
  if (mark.oneshot) destroyMark(k, mark);
}
/** An event on `inode` (null: only its directory hears), which `dir`, when given, sees under `name`. */
function send(k: Kernel, inode: Inode | null, dir: Inode | null, name: string, mask: number, cookie = 0, unlinked = false): void {
  const own = inode?.marks ?? [];
  const above = dir?.marks ?? [];
  if (own.length === 0 && above.length === 0) return;
  for (const mark of [...above]) {
    if (wants(mark, mask, unlinked)) handle(k, mark, mask, name, cookie);
    for (const mine of own) if (mine.group === mark.group && wants(mine, mask, unlinked)) handle(k, mine, mask, '', cookie);
  }
  for (const mark of [...own])
    if (!above.some((m) => m.group === mark.group) && wants(mark, mask, unlinked)) handle(k, mark, mask, '', cookie);
}
/** A name changed inside a directory: only dnotify tells of it as such (FS_DN_RENAME). */
export const FS_RENAME = 0x1000_0000;
const dirBit = (inode: Inode) => (isDir(inode) ? IN_ISDIR : 0);

/** Something happened to what `dentry` names (fsnotify_dentry): its directory and itself hear. */
export function fsnotifyDentry(k: Kernel, dentry: Dentry, mask: number): void {
  if (k.vfs.notify.marks === 0) return;
  const { inode, parent } = dentry;
  send(k, inode, parent === dentry ? null : parent.inode, dentry.name, mask | dirBit(inode), 0, dentry.deleted);
}
function fsnotifyInode(k: Kernel, inode: Inode, mask: number): void {
  if (k.vfs.notify.marks === 0) return;
  send(k, inode, null, '', mask | dirBit(inode));
}
function fsnotifyFile(k: Kernel, file: File, mask: number): void {
  const { notify } = k.vfs;
  if ((notify.marks === 0 && notify.fanotify.length === 0) || (file.flags & O_PATH) !== 0 || file.silent || notify.muted) return;
  if (notify.fanotify.length > 0) fanotifyFile(k, file, mask);
  fsnotifyDentry(k, file.path.dentry, mask & IN_ALL_EVENTS);
}
/** `exec`: to run it. */
export const fsnotifyOpen = (k: Kernel, file: File, exec = false): void => fsnotifyFile(k, file, exec ? IN_OPEN | FAN_OPEN_EXEC : IN_OPEN);
export const fsnotifyAccess = (k: Kernel, file: File): void => fsnotifyFile(k, file, IN_ACCESS);
export const fsnotifyModify = (k: Kernel, file: File): void => fsnotifyFile(k, file, IN_MODIFY);
export const fsnotifyClose = (k: Kernel, file: File): void =>
  fsnotifyFile(k, file, (file.mode & FMODE_WRITE) !== 0 ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
export const fsnotifyAttrib = (k: Kernel, dentry: Dentry): void => fsnotifyDentry(k, dentry, IN_ATTRIB);
/** The number of an inode's links changed. */
export const fsnotifyLinkCount = (k: Kernel, inode: Inode): void => fsnotifyInode(k, inode, IN_ATTRIB);

/** A name appeared in `dir`. */
export function fsnotifyCreate(k: Kernel, dir: Inode, dentry: Dentry): void {
  if (k.vfs.notify.marks !== 0) send(k, null, dir, dentry.name, IN_CREATE | dirBit(dentry.inode));
}
/** A name went from `dir`. */
export function fsnotifyDelete(k: Kernel, dir: Inode, dentry: Dentry): void {
  if (k.vfs.notify.marks !== 0) send(k, null, dir, dentry.name, IN_DELETE | dirBit(dentry.inode));
}
/** `dentry` has its new name and place; it was `oldName` in `oldDir`. `target`: what the new name meant before. */
export function fsnotifyMove(k: Kernel, oldDir: Inode, oldName: string, dentry: Dentry, target: Inode | null): void {
  if (k.vfs.notify.marks === 0) return;
  const cookie = k.vfs.notify.nextCookie++;
  const bit = dirBit(dentry.inode);
  if (oldDir === dentry.parent.inode) send(k, null, oldDir, oldName, FS_RENAME);
  send(k, null, oldDir, oldName, IN_MOVED_FROM | bit, cookie);
  send(k, null, dentry.parent.inode, dentry.name, IN_MOVED_TO | bit, cookie);
  if (target !== null) fsnotifyLinkCount(k, target);
  fsnotifyInode(k, dentry.inode, IN_MOVE_SELF);
}
/** The inode is gone: no names, no users. */
export function fsnotifyInodeRemove(k: Kernel, inode: Inode): void {
  if (k.vfs.notify.fanotify.length > 0) fanotifyForget(k, inode);
  if (inode.marks === null) return;
  fsnotifyInode(k, inode, IN_DELETE_SELF);
  for (const mark of [...(inode.marks ?? [])]) destroyMark(k, mark);
}
/** A file system went (fsnotify_sb_delete). */
export function fsnotifySbDelete(k: Kernel, sb: SuperBlock, inodes: Iterable<Inode>): void {
  fanotifyForget(k, sb);
  if (k.vfs.notify.marks === 0) return;
  for (const inode of inodes) {
    if (inode.sb !== sb || inode.marks === null) continue;
    fsnotifyInode(k, inode, IN_UNMOUNT);
    for (const mark of [...(inode.marks ?? [])]) destroyMark(k, mark);
  }
}
