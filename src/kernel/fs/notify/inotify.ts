import { IN_IGNORED, IN_ISDIR, IN_DELETE_SELF, IN_MOVE_SELF, IN_Q_OVERFLOW } from '../../../abi/inotify.ts';
import type { Kernel } from '../../kernel.ts';
import { wakeUpAll } from '../../sched/wait.ts';
import { destroyMark, type NotifyEvent, type NotifyGroup, type NotifyMark } from './fsnotify.ts';

// The event queue of an inotify group (fs/notify/inotify/inotify_fsnotify.c, fs/notify/notification.c).

function same(a: NotifyEvent, b: NotifyEvent): boolean {
  return a.mask === b.mask && a.wd === b.wd && a.name === b.name && a.cookie === b.cookie;
}
/** Adds an event unless it repeats the last one or the queue is full (which is told once). */
function enqueue(k: Kernel, group: NotifyGroup, event: NotifyEvent): void {
  const { queue } = group;
  const last = queue.at(-1);
  if (queue.length >= group.maxEvents) {
    if (last?.mask === IN_Q_OVERFLOW) return;
    queue.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
  } else {
    if (last !== undefined && (event.mask & IN_IGNORED) === 0 && same(last, event)) return;
    queue.push(event);
  }
  wakeUpAll(k, group.waiters);
}
export function inotifyHandleEvent(k: Kernel, mark: NotifyMark, mask: number, name: string, cookie: number): void {
  // Events on the object itself never say that it is a directory.
  const shown = (mask & (IN_MOVE_SELF | IN_DELETE_SELF)) !== 0 ? mask & ~IN_ISDIR : mask;
  enqueue(k, mark.group, { wd: mark.wd, mask: shown, cookie, name });
  if (mark.oneshot) destroyMark(k, mark);
}
export function inotifyIgnored(k: Kernel, mark: NotifyMark): void {
  enqueue(k, mark.group, { wd: mark.wd, mask: IN_IGNORED, cookie: 0, name: '' });
}
