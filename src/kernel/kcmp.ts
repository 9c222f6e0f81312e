import { EBADF, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import * as P from '../abi/pidfd.ts';
import { epollTarget } from './fs/eventpoll.ts';
import type { Kernel } from './kernel.ts';
import { viewFromUser } from './mm/uaccess.ts';
import { findTaskByVpid } from './pid.ts';
import { ptraceMayAccess } from './ptrace.ts';
import type { Task } from './sched/task.ts';

// kcmp(2) (kernel/kcmp.c): do two processes share an object? The order of objects is that in which kcmp first met them: as stable as Linux's,
// which hides addresses, and no more telling.

const fileOf = (task: Task, fd: number) => (task.exitState !== 0 ? null : task.files.get(fd));

export function kcmp(k: Kernel, pid1: number, pid2: number, type: number, idx1: number, idx2: number): number {
  const a = findTaskByVpid(k, pid1);
  const b = findTaskByVpid(k, pid2);
  if (a === undefined || b === undefined) return -ESRCH;
  if (!ptraceMayAccess(k, a, true) || !ptraceMayAccess(k, b, true)) return -EPERM;
  const compare = (of: (t: Task) => object | null) => k.kcmp.order(of(a), of(b));
  switch (type) {
    case P.KCMP_FILE: {
      const one = fileOf(a, idx1);
      const two = fileOf(b, idx2);
      return one === null || two === null ? -EBADF : k.kcmp.order(one, two);
    }
    case P.KCMP_VM:
      return compare((t) => t.mm);
    case P.KCMP_FILES:
      return compare((t) => (t.exitState !== 0 ? null : t.files));
    case P.KCMP_FS:
      return compare((t) => (t.exitState !== 0 ? null : t.fs));
    case P.KCMP_SIGHAND:
      return compare((t) => t.sighand);
    case P.KCMP_IO:
      return compare((t) => t.ioContext);
    case P.KCMP_SYSVSEM:
      return compare((t) => k.ipc.undo.get(t) ?? null);
    case P.KCMP_EPOLL_TFD: {
      const slot = viewFromUser(k, idx2, 12);
      if (typeof slot === 'number') return slot;
      const one = fileOf(a, idx1);
      const two = fileOf(b, slot.getUint32(0, true));
      if (one === null || two === null) return -EBADF;
      const target = epollTarget(two, slot.getUint32(4, true), slot.getUint32(8, true));
      return typeof target === 'number' ? target : k.kcmp.order(one, target);
    }
    default:
      return -EINVAL;
  }
}
