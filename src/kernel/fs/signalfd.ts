import { EAGAIN, EBADF, EINVAL } from '../../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN } from '../../abi/fs.ts';
import { SI_TIMER, SIGKILL, SIGSTOP, sigBit } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { waitInterruptible } from '../sched/wait.ts';
import { dequeueSignal } from '../signal.ts';
import type { SigInfo } from '../signal_types.ts';
import { installAnon, noopLlseek } from './anon_inodes.ts';
import type { FileOperations } from './types.ts';

// Signals read from a file descriptor (fs/signalfd.c, signalfd(2)). They are always the reader's own signals.

interface SignalFd {
  mask: bigint;
}
/** sizeof(struct signalfd_siginfo). */
const SIGINFO_SIZE = 128;

function encode(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const v = new DataView(bytes.buffer);
  v.setUint32(0, info.signo, true);
  v.setInt32(4, info.errno ?? 0, true);
  v.setInt32(8, info.code, true);
  if (info.code === SI_TIMER) {
    v.setUint32(24, info.pid ?? 0, true); // ssi_tid
    v.setUint32(32, info.uid ?? 0, true); // ssi_overrun
  } else if (info.band !== undefined) {
    v.setInt32(20, info.fd ?? 0, true);
    v.setUint32(28, info.band, true);
  } else if (info.addr !== undefined) {
    v.setBigInt64(72, BigInt(Math.trunc(info.addr)), true);
  } else {
    v.setUint32(12, info.pid ?? 0, true);
    v.setUint32(16, info.uid ?? 0, true);
  }
  if (info.status !== undefined) {
    v.setInt32(40, info.status, true);
    v.setBigUint64(56, BigInt(info.utime ?? 0), true);
    v.setBigUint64(64, BigInt(info.stime ?? 0), true);
  }
  if (info.value !== undefined) {
    v.setInt32(44, Number(BigInt.asIntN(32, info.value)), true);
    v.setBigInt64(48, info.value, true);
  }
  return bytes;
}

const signalfdOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const { mask } = file.data as SignalFd;
    if (iter.count < SIGINFO_SIZE) return -EINVAL;
    let done = 0;
    while (iter.count >= SIGINFO_SIZE) {
      const info = dequeueSignal(k.current, mask);
      if (info === null) break;
      const n = iter.copyTo(k, encode(info));
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    if (done > 0) return done;
    return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, k.sched.signalfdQueue);
  },
  poll(k, file, table) {
    table?.add(k.sched.signalfdQueue);
    const { pending, signal } = k.current;
    return ((pending.set | signal.pending.set) & (file.data as SignalFd).mask) !== 0n ? POLLIN : 0;
  },
};

/** signalfd4: a new descriptor, or (fd >= 0) a new mask for one. */
export function signalfd4(k: Kernel, fd: number, wanted: bigint, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const mask = wanted & ~(sigBit(SIGKILL) | sigBit(SIGSTOP));
  if (fd !== -1) {
    const file = k.current.files.get(fd);
    if (file === null) return -EBADF;
    if (file.op !== signalfdOps) return -EINVAL;
    (file.data as SignalFd).mask = mask;
    return fd;
  }
  const s: SignalFd = { mask };
  return installAnon(k, 'anon_inode:[signalfd]', signalfdOps, s, O_RDWR | (flags & O_NONBLOCK), (flags & O_CLOEXEC) !== 0);
}
