import { mutex as MUTEX } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { mutexInit, mutexLock, mutexUnlock } from '../../locking/mutex.ts';
import type { DataExport } from '../../module/export.ts';
import { imageObject, symbolAddress } from '../../module/stubs.ts';
import { TASK_UNINTERRUPTIBLE } from '../../sched/task.ts';
import { BLOCKED } from '../../sched/wait.ts';

// The lock of all that changes interfaces (net/core/rtnetlink.c: rtnl_mutex), a mutex in guest memory that drivers and the kernel's own calls share.

const rtnlMutex = (k: Kernel) => symbolAddress(k, 'rtnl_mutex');

/** 0 or BLOCKED. */
export function rtnlLock(k: Kernel): number {
  return mutexLock(k, rtnlMutex(k), TASK_UNINTERRUPTIBLE) === BLOCKED ? BLOCKED : 0;
}
export function rtnlRelease(k: Kernel): void {
  mutexUnlock(k, rtnlMutex(k));
}
export const rtnlDataExports: readonly DataExport[] = [
  {
    name: 'rtnl_mutex',
    internal: true,
    place(k) {
      const at = imageObject(k, MUTEX.sizeof, 8);
      mutexInit(k, at);
      return at;
    },
  },
];
