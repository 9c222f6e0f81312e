import { E2BIG, EBADF, EFAULT, EINVAL, ENOENT } from '../../abi/errno.ts';
import * as C from '../../abi/clone.ts';
import { NSIG } from '../../abi/signal.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { type Cgroup, cgroupMayHost } from '../cgroup/cgroup.ts';
import { cgroupOfFile } from '../cgroup/cgroupfs.ts';
import { doClone } from '../fork.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from '../mm/address.ts';
import { copyFromUser, getUser32, viewFromUser } from '../mm/uaccess.ts';
import type { SyscallRow } from './table.ts';

// clone(2), clone3(2): decoding of their arguments (kernel/fork.c).

function sysClone(k: Kernel, flagsArg: number, stack: number, parentTid: number, tls: number, childTid: number): number {
  const flags = Number(BigInt.asUintN(32, BigInt(flagsArg)));
  const pidfd = (flags & C.CLONE_PIDFD) !== 0;
  // Both would be stored at the same place.
  if (pidfd && (flags & (C.CLONE_PARENT_SETTID | C.CLONE_DETACHED)) !== 0) return -EINVAL;
  return doClone(k, {
    flags: (flags & ~C.CSIGNAL) | 0,
    exitSignal: flags & C.CSIGNAL,
    stack,
    tls,
    parentTid,
    childTid,
    pidfd: pidfd ? parentTid : 0,
    setTid: [],
    clearSighand: false,
  });
}

/** Sizes of struct clone_args as it grew. */
const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE_VER2 = 88;
/** MAX_PID_NS_LEVEL. */
const MAX_SET_TID = 32;
const CLONE_LEGACY_FLAGS = 0xffff_ffff;
const CLONE_CLEAR_SIGHAND = 0x1_0000_0000;
const CLONE_INTO_CGROUP = 0x2_0000_0000;

/** A structure that may be older (shorter) or newer (longer, the rest zero) than ours (copy_struct_from_user). */
function readCloneArgs(k: Kernel, ptr: number, size: number): DataView | number {
  if (size > PAGE_SIZE) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  const bytes = copyFromUser(k, ptr, size);
  if (typeof bytes === 'number') return bytes;
  for (let i = CLONE_ARGS_SIZE_VER2; i < size; i++) if (bytes[i] !== 0) return -E2BIG;
  const whole = new Uint8Array(CLONE_ARGS_SIZE_VER2);
  whole.set(bytes.subarray(0, CLONE_ARGS_SIZE_VER2));
  return new DataView(whole.buffer);
}
function sysClone3(k: Kernel, ptr: number, size: number): number {
  const v = readCloneArgs(k, ptr, size);
  if (typeof v === 'number') return v;
  const [flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTidPtr, setTidSize, cgroup] = Array.from(
    { length: CLONE_ARGS_SIZE_VER2 / 8 },
    (_, i) => Number(v.getBigUint64(i * 8, true)),
  );
  if (setTidSize > MAX_SET_TID || (setTidPtr === 0) !== (setTidSize === 0)) return -EINVAL;
  if (exitSignal > NSIG) return -EINVAL;
  const into = Math.floor(flags / CLONE_INTO_CGROUP) % 2 === 1;
  if (into && (cgroup > 0x7fff_ffff || size < CLONE_ARGS_SIZE_VER2)) return -EINVAL;
  const setTid: number[] = [];
  for (let i = 0; i < setTidSize; i++) {
    const tid = getUser32(k, setTidPtr + i * 4);
    if (tid < 0) return -EFAULT;
    setTid.push(tid | 0);
  }
  if (flags > CLONE_LEGACY_FLAGS + CLONE_CLEAR_SIGHAND + CLONE_INTO_CGROUP) return -EINVAL;
  const low = (flags % 0x1_0000_0000) | 0;
  const clearSighand = Math.floor(flags / CLONE_CLEAR_SIGHAND) % 2 === 1;
  if ((low & (C.CLONE_DETACHED | (C.CSIGNAL & ~C.CLONE_NEWTIME))) !== 0) return -EINVAL;
  if (clearSighand && (low & C.CLONE_SIGHAND) !== 0) return -EINVAL;
  if ((low & (C.CLONE_THREAD | C.CLONE_PARENT)) !== 0 && exitSignal !== 0) return -EINVAL;
  if ((stack === 0) !== (stackSize === 0) || stack + stackSize > TASK_SIZE) return -EINVAL;
  let group: Cgroup | null = null;
  if (into) {
    const file = k.current.files.get(cgroup | 0);
    group = file === null ? null : cgroupOfFile(k, file);
    if (group === null) return -EBADF;
    const host = cgroupMayHost(group);
    if (host < 0) return group.dead ? -ENOENT : host;
  }
  if ((low & C.CLONE_PIDFD) !== 0 && viewFromUser(k, pidfd, 4) === -EFAULT) return -EFAULT;
  return doClone(k, {
    flags: low,
    exitSignal,
    stack: stack + stackSize,
    tls,
    parentTid,
    childTid,
    pidfd: (low & C.CLONE_PIDFD) !== 0 ? pidfd : 0,
    setTid,
    clearSighand,
    cgroup: group,
  });
}

export const cloneSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_clone, name: 'clone', handler: sysClone, support: 'full' },
  { nr: NR.NR_clone3, name: 'clone3', handler: sysClone3, support: 'full' },
];
