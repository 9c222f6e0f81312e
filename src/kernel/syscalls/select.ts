import { EBADF, EFAULT, EINVAL, ERESTARTNOHAND } from '../../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { endPollRound } from '../fs/module_poll.ts';
import { PollTable } from '../fs/select.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, getUserBig, viewFromUser } from '../mm/uaccess.ts';
import { setBlocked, signalPending } from '../signal.ts';
import { BLOCKED, finishWait, waitInterruptible } from '../sched/wait.ts';
import type { SyscallRow } from './table.ts';
import { fdGet } from './fs_args.ts';
import { nsOf, readTimespec } from '../time/time.ts';

// ppoll and pselect6 (fs/select.c). A call that must sleep is made again after each wake-up; deadline and mask survive in task.restart.

const DEFAULT_MASK = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

export function pollFile(k: Kernel, file: File, table: PollTable | null): number {
  return file.op.poll?.(k, file, table) ?? DEFAULT_MASK;
}

/** First pass of a sleeping call: reads the timeout, swaps the signal mask. Negative errno, else 0. */
function begin(k: Kernel, timeout: number, sigmask: number, size: number): number {
  const task = k.current;
  if (task.restart !== null) {
    // A signal without a handler gave the old mask back: the call, made again, swaps it once more.
    return sigmask !== 0 && task.savedSigmask === null ? swapMask(k, sigmask, size) : 0;
  }
  let deadline = Number.POSITIVE_INFINITY;
  if (timeout !== 0) {
    const t = readTimespec(k, timeout);
    if (typeof t === 'number') return t;
    deadline = k.time.now() + nsOf(t);
  }
  if (sigmask !== 0) {
    const r = swapMask(k, sigmask, size);
    if (r < 0) return r;
  }
  task.restart = { deadline };
  return 0;
}
function swapMask(k: Kernel, sigmask: number, size: number): number {
  const task = k.current;
  if (size !== 8) return -EINVAL;
  const b = getUserBig(k, sigmask);
  if (b === null) return -EFAULT;
  task.savedSigmask = task.blocked;
  setBlocked(task, BigInt.asUintN(64, b));
  return 0;
}
function end(k: Kernel, result: number): number {
  const task = k.current;
  finishWait(task);
  if (result !== -ERESTARTNOHAND && task.savedSigmask !== null) {
    task.blocked = task.savedSigmask;
    task.savedSigmask = null;
  }
  return result;
}
/** Sleeps on the queues already collected, up to the deadline. */
function sleep(k: Kernel): number {
  const task = k.current;
  endPollRound(task);
  if (signalPending(task)) return -ERESTARTNOHAND;
  const r = waitInterruptible(k, null);
  k.sched.scheduleTimeout(task, task.restart?.['deadline'] as number);
  return r;
}
const expired = (k: Kernel) => k.time.now() >= (k.current.restart?.['deadline'] as number);

function sysPpoll(k: Kernel, fds: number, nfds: number, timeout: number, sigmask: number, size: number): number {
  if (nfds < 0 || nfds > k.current.signal.rlimit(7)) return -EINVAL;
  const r = begin(k, timeout, sigmask, size);
  if (r < 0) return r;
  const bytes = copyFromUser(k, fds, nfds * 8);
  if (typeof bytes === 'number') return end(k, bytes);
  const v = new DataView(bytes.buffer);
  const table = expired(k) ? null : new PollTable(k);
  let ready = 0;
  for (let i = 0; i < nfds; i++) {
    const fd = v.getInt32(i * 8, true);
    const events = v.getUint16(i * 8 + 4, true);
    let mask = 0;
    if (fd >= 0) {
      const file = fdGet(k, fd);
      const all = file === null ? POLLNVAL : pollFile(k, file, ready === 0 ? table : null);
      if (all === BLOCKED) return BLOCKED;
      mask = all & (events | POLLERR | POLLHUP | POLLNVAL);
    }
    v.setUint16(i * 8 + 6, mask, true);
    if (mask !== 0) ready++;
  }
  if (ready > 0 || expired(k)) return end(k, copyToUser(k, fds, bytes) < 0 ? -EFAULT : ready);
  const s = sleep(k);
  return s === -ERESTARTNOHAND ? end(k, s) : s;
}

const IN_SET = POLLRDNORM | POLLIN | POLLHUP | POLLERR;
const OUT_SET = POLLWRNORM | POLLOUT | POLLERR;
const EX_SET = POLLPRI;
function sysPselect6(k: Kernel, n: number, inp: number, outp: number, exp: number, timeout: number, sig: number): number {
  if ((n | 0) < 0) return -EINVAL;
  let sigmask = 0;
  let size = 8;
  if (sig !== 0) {
    const v = viewFromUser(k, sig, 16);
    if (typeof v === 'number') return v;
    sigmask = Number(v.getBigInt64(0, true));
    size = Number(v.getBigInt64(8, true));
  }
  const r = begin(k, timeout, sigmask, size);
  if (r < 0) return r;
  const count = Math.min(n | 0, Math.max(k.current.files.fds.length, 64));
  const length = Math.ceil(count / 64) * 8;
  const table = expired(k) ? null : new PollTable(k);
  const sets = [inp, outp, exp];
  const masks = [IN_SET, OUT_SET, EX_SET];
  const wanted: (Uint8Array | null)[] = [];
  for (const ptr of sets) {
    if (ptr === 0) wanted.push(null);
    else {
      const b = copyFromUser(k, ptr, length);
      if (typeof b === 'number') return end(k, b);
      wanted.push(b);
    }
  }
  const results = wanted.map((w) => (w === null ? null : new Uint8Array(length)));
  let ready = 0;
  for (let fd = 0; fd < count; fd++) {
    const bit = 1 << (fd & 7);
    if (!wanted.some((w) => w !== null && (w[fd >> 3] & bit) !== 0)) continue;
    const file = fdGet(k, fd);
    if (file === null) return end(k, -EBADF);
    const mask = pollFile(k, file, ready === 0 ? table : null);
    if (mask === BLOCKED) return BLOCKED;
    for (let s = 0; s < 3; s++) {
      const w = wanted[s];
      const out = results[s];
      if (w !== null && out !== null && (w[fd >> 3] & bit) !== 0 && (mask & masks[s]) !== 0) {
        out[fd >> 3] |= bit;
        ready++;
      }
    }
  }
  if (ready > 0 || expired(k)) {
    for (let s = 0; s < 3; s++) {
      const out = results[s];
      if (out !== null && copyToUser(k, sets[s], out) < 0) return end(k, -EFAULT);
    }
    return end(k, ready);
  }
  const s = sleep(k);
  return s === -ERESTARTNOHAND ? end(k, s) : s;
}

export const selectSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_ppoll, name: 'ppoll', handler: sysPpoll, support: 'full' },
  { nr: NR.NR_pselect6, name: 'pselect6', handler: sysPselect6, support: 'full' },
];
