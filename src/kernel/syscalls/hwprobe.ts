import { EFAULT, EINVAL } from '../../abi/errno.ts';
import * as H from '../../abi/hwprobe.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { HWPROBE_VALUES } from '../cpufeature.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser, getUserBig } from '../mm/uaccess.ts';
import type { SyscallRow } from './table.ts';

// riscv_hwprobe(2): Documentation/arch/riscv/hwprobe.rst, arch/riscv/kernel/sys_hwprobe.c. All CPUs are alike.

/** Bytes of a cpumask: up to 64 CPUs. */
const CPUMASK_SIZE = 8;
const PAIR_SIZE = 16;

/** Keys whose values are sets of bits. */
const BITMASKS: ReadonlySet<bigint> = new Set([
  BigInt(H.RISCV_HWPROBE_KEY_BASE_BEHAVIOR),
  BigInt(H.RISCV_HWPROBE_KEY_IMA_EXT_0),
  BigInt(H.RISCV_HWPROBE_KEY_CPUPERF_0),
]);

/** The online CPUs of the caller's set, as bits, or -EFAULT. */
function cpusOf(k: Kernel, size: number, at: number): number {
  const bytes = copyFromUser(k, at, Math.min(size, CPUMASK_SIZE));
  return typeof bytes === 'number' ? bytes : (bytes[0] ?? 0) & (2 ** k.cpus - 1);
}
function putPair(k: Kernel, at: number, key: bigint, value: bigint): number {
  const pair = new DataView(new ArrayBuffer(PAIR_SIZE));
  pair.setBigInt64(0, key, true);
  pair.setBigUint64(8, value, true);
  return copyToUser(k, at, new Uint8Array(pair.buffer));
}

function getValues(k: Kernel, pairs: number, count: number, size: number, cpus: number): number {
  if (size !== 0 || cpus !== 0) {
    const set = cpusOf(k, size, cpus);
    if (set < 0) return set;
    if (set === 0) return -EINVAL;
  }
  for (let i = 0; i < count; i++) {
    const at = pairs + i * PAIR_SIZE;
    const key = getUserBig(k, at);
    if (key === null) return -EFAULT;
    const value = HWPROBE_VALUES.get(key);
    const r = putPair(k, at, value === undefined ? -1n : key, value ?? 0n);
    if (r < 0) return r;
  }
  return 0;
}
/** Leaves those CPUs in the set that have all the pairs. */
function getCpus(k: Kernel, pairs: number, count: number, size: number, cpus: number): number {
  if (size === 0 || cpus === 0) return -EINVAL;
  const asked = copyFromUser(k, cpus, Math.min(size, CPUMASK_SIZE));
  if (typeof asked === 'number') return asked;
  const all = 2 ** k.cpus - 1;
  let set = asked.every((b) => b === 0) ? all : asked[0] & all;
  let unknown = false;
  for (let i = 0; i < count; i++) {
    const at = pairs + i * PAIR_SIZE;
    const key = getUserBig(k, at);
    const value = getUserBig(k, at + 8);
    if (key === null || value === null) return -EFAULT;
    const ours = HWPROBE_VALUES.get(key);
    if (ours === undefined) {
      unknown = true;
      if (putPair(k, at, -1n, 0n) < 0) return -EFAULT;
      continue;
    }
    const wanted = BigInt.asUintN(64, value);
    if (BITMASKS.has(key) ? (ours & wanted) !== wanted : ours !== wanted) set = 0;
  }
  if (unknown) set = 0;
  const bytes = new Uint8Array(Math.min(size, CPUMASK_SIZE));
  bytes[0] = set;
  return copyToUser(k, cpus, bytes);
}

/** A size_t, or more than anything can be. */
const unsigned = (n: number) => (n < 0 ? Number.POSITIVE_INFINITY : n);
function sysHwprobe(k: Kernel, pairs: number, pairCount: number, cpusetsize: number, cpus: number, flags: number): number {
  const count = unsigned(pairCount);
  const size = unsigned(cpusetsize);
  if (flags >>> 0 === H.RISCV_HWPROBE_WHICH_CPUS) return getCpus(k, pairs, count, size, cpus);
  return flags >>> 0 === 0 ? getValues(k, pairs, count, size, cpus) : -EINVAL;
}

export const hwprobeSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_riscv_hwprobe, name: 'riscv_hwprobe', handler: (k, ...a) => sysHwprobe(k, a[0], a[1], a[2], a[3], a[4]), support: 'full' },
];
