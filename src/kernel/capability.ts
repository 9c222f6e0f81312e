import { EFAULT, EINVAL, EPERM, ESRCH } from '../abi/errno.ts';
import { CAP_SETPCAP, LINUX_CAPABILITY_VERSION_1, LINUX_CAPABILITY_VERSION_2, LINUX_CAPABILITY_VERSION_3 } from '../abi/sched.ts';
import type { Kernel } from './kernel.ts';
import { copyToUser, putUser32, viewFromUser } from './mm/uaccess.ts';
import { taskByVpid } from './pid.ts';
import { nsCapable } from './nsproxy.ts';

// capget(2), capset(2) (kernel/capability.c).

/** Halves of 32 capabilities in the data structure, by header version; 0 = unknown version. */
function halves(version: number): number {
  if (version === LINUX_CAPABILITY_VERSION_1) return 1;
  return version === LINUX_CAPABILITY_VERSION_2 || version === LINUX_CAPABILITY_VERSION_3 ? 2 : 0;
}

interface Header {
  readonly count: number;
  readonly pid: number;
}
/** Reads the header; tells an unknown version which one we would like. */
function readHeader(k: Kernel, header: number): Header | number {
  const v = viewFromUser(k, header, 8);
  if (typeof v === 'number') return v;
  const count = halves(v.getUint32(0, true));
  if (count !== 0) return { count, pid: v.getInt32(4, true) };
  return putUser32(k, header, LINUX_CAPABILITY_VERSION_3) < 0 ? -EFAULT : -EINVAL;
}

export function capget(k: Kernel, header: number, data: number): number {
  const h = readHeader(k, header);
  // With a null data pointer the call only asks for the version.
  if (typeof h === 'number') return h === -EINVAL && data === 0 ? 0 : h;
  if (data === 0) return 0;
  if (h.pid < 0) return -EINVAL;
  const task = taskByVpid(k, h.pid);
  if (task === undefined) return -ESRCH;
  const bytes = new Uint8Array(h.count * 12);
  const v = new DataView(bytes.buffer);
  const { capEffective, capPermitted, capInheritable } = task.cred;
  [capEffective, capPermitted, capInheritable].forEach((set, i) => {
    for (let half = 0; half < h.count; half++) v.setUint32(half * 12 + i * 4, Number((set >> BigInt(32 * half)) & 0xffff_ffffn), true);
  });
  return copyToUser(k, data, bytes);
}

export function capset(k: Kernel, header: number, data: number): number {
  const h = readHeader(k, header);
  if (typeof h === 'number') return h;
  const task = k.current;
  if (h.pid !== 0 && taskByVpid(k, h.pid) !== task) return -EPERM;
  const v = viewFromUser(k, data, h.count * 12);
  if (typeof v === 'number') return v;
  const set = (i: number): bigint => {
    let bits = 0n;
    for (let half = 0; half < h.count; half++) bits |= BigInt(v.getUint32(half * 12 + i * 4, true)) << BigInt(32 * half);
    return bits & ((1n << 41n) - 1n);
  };
  const effective = set(0);
  const permitted = set(1);
  const inheritable = set(2);
  const old = task.cred;
  if (!nsCapable(task, old.userNs, CAP_SETPCAP) && (inheritable & ~(old.capInheritable | old.capPermitted)) !== 0n) return -EPERM;
  if ((inheritable & ~(old.capInheritable | old.capBounding)) !== 0n) return -EPERM;
  if ((permitted & ~old.capPermitted) !== 0n || (effective & ~permitted) !== 0n) return -EPERM;
  task.cred = {
    ...old,
    capEffective: effective,
    capPermitted: permitted,
    capInheritable: inheritable,
    capAmbient: old.capAmbient & permitted & inheritable,
  };
  return 0;
}
