import { EAGAIN, EINVAL } from '../../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLERR, POLLIN, POLLOUT } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { WaitQueueHead, waitInterruptible, wakeUp } from '../sched/wait.ts';
import { bytesOfBig, installAnon, noopLlseek } from './anon_inodes.ts';
import type { FileOperations } from './types.ts';

// Counters for event notification (fs/eventfd.c, eventfd(2)).

interface EventFd {
  count: bigint;
  readonly semaphore: boolean;
  readonly queue: WaitQueueHead;
}
const EFD_SEMAPHORE = 1;
const ULLONG_MAX = 0xffff_ffff_ffff_ffffn;

const eventfdOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const e = file.data as EventFd;
    if (iter.count < 8) return -EINVAL;
    if (e.count === 0n) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, e.queue);
    const value = e.semaphore ? 1n : e.count;
    e.count -= value;
    wakeUp(k, e.queue);
    return iter.copyTo(k, bytesOfBig(value));
  },
  write(k, file, iter) {
    const e = file.data as EventFd;
    if (iter.count < 8) return -EINVAL;
    const bytes = iter.copyFrom(k, 8);
    if (typeof bytes === 'number') return bytes;
    const add = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
    if (add === ULLONG_MAX) return -EINVAL;
    // The counter goes up to 2^64 - 2.
    if (ULLONG_MAX - e.count <= add) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, e.queue);
    e.count += add;
    wakeUp(k, e.queue);
    return 8;
  },
  poll(_k, file, table) {
    const e = file.data as EventFd;
    table?.add(e.queue);
    let mask = 0;
    if (e.count > 0n) mask |= POLLIN;
    if (e.count === ULLONG_MAX) mask |= POLLERR;
    if (ULLONG_MAX - 1n > e.count) mask |= POLLOUT;
    return mask;
  },
};

export function eventfd2(k: Kernel, count: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE)) !== 0) return -EINVAL;
  const e: EventFd = { count: BigInt(count >>> 0), semaphore: (flags & EFD_SEMAPHORE) !== 0, queue: new WaitQueueHead() };
  return installAnon(k, 'anon_inode:[eventfd]', eventfdOps, e, O_RDWR | (flags & O_NONBLOCK), (flags & O_CLOEXEC) !== 0);
}
