import { mmSysctlInit } from '../../mm/sysctl.ts';
import { EINVAL, EPERM } from '../../../abi/errno.ts';
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME, UTS_VERSION } from '../../../abi/kernel_release.ts';
import { getRandomBytes } from '../../drivers/char/mem.ts';
import { PTY_MAX, ptyCount } from '../../drivers/tty/pty.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { nsCapable } from '../../nsproxy.ts';
import { printkSysctlInit } from '../../printk/sysctl.ts';
import { roundPipeSize } from '../pipe.ts';
import type { ProcEntry } from './generic.ts';

// /proc/sys (fs/proc/proc_sysctl.c; rows from kernel/sysctl.c and others).

type Show = (k: Kernel, entry: ProcEntry) => string;
type Store = (k: Kernel, text: string, entry: ProcEntry) => number;

/** A whole number in a range, kept somewhere. */
export interface IntRow {
  readonly get: (k: Kernel) => number;
  readonly set: (k: Kernel, n: number) => void;
  readonly min: number;
  readonly max: number;
}
/** One number as proc_dointvec_minmax takes it: leading space, sign, digits; -EINVAL for anything else. */
export function parseSysctlInt(text: string, min: number, max: number): number | null {
  const m = /^\s*([+-]?\d+)(?:\s|\0|$)/.exec(text);
  if (m === null) return null;
  const n = Number(m[1]);
  return n >= min && n <= max ? n : null;
}

function formatUuid(b: Uint8Array): string {
  // Version 4, variant 1 (RFC 4122).
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const h = [...b].map((x) => hex(x, 2)).join('');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}
function newUuid(k: Kernel): string {
  const b = new Uint8Array(16);
  getRandomBytes(k, b);
  return formatUuid(b);
}

const INT_MAX = 0x7fff_ffff;
const KMOD_PATH_LEN = 256;
const lastPid = (k: Kernel) => (k.current.pidNs.parent === null ? k.sched.lastAllocatedPid : k.current.pidNs.lastPid);
function setLastPid(k: Kernel, n: number): void {
  if (k.current.pidNs.parent === null) k.sched.lastAllocatedPid = n;
  else k.current.pidNs.lastPid = n;
}
/** Settings with an effect. */
const LIVE: readonly (readonly [string, IntRow])[] = [
  ['kernel/randomize_va_space', { get: (k) => k.mm.randomizeVaSpace, set: (k, n) => (k.mm.randomizeVaSpace = n), min: -INT_MAX - 1, max: INT_MAX }],
  // One way: no way back to 0.
  ['kernel/modules_disabled', { get: (k) => (k.modules.disabled ? 1 : 0), set: (k) => (k.modules.disabled = true), min: 1, max: 1 }],
  ['kernel/panic', { get: (k) => k.panicTimeout, set: (k, n) => (k.panicTimeout = n), min: -INT_MAX - 1, max: INT_MAX }],
  ['kernel/panic_on_oops', { get: (k) => k.panicOnOops, set: (k, n) => (k.panicOnOops = n), min: 0, max: INT_MAX }],
  ['kernel/panic_on_warn', { get: (k) => k.panicOnWarn, set: (k, n) => (k.panicOnWarn = n), min: 0, max: 1 }],
  ['kernel/tainted', { get: (k) => k.tainted, set: (k, n) => (k.tainted |= n), min: 0, max: INT_MAX }],
  ['kernel/keys/maxkeys', { get: (k) => k.keys.quota.maxKeys, set: (k, n) => (k.keys.quota.maxKeys = n), min: 1, max: INT_MAX }],
  ['kernel/keys/maxbytes', { get: (k) => k.keys.quota.maxBytes, set: (k, n) => (k.keys.quota.maxBytes = n), min: 1, max: INT_MAX }],
  ['kernel/keys/root_maxkeys', { get: (k) => k.keys.quota.rootMaxKeys, set: (k, n) => (k.keys.quota.rootMaxKeys = n), min: 1, max: INT_MAX }],
  ['kernel/keys/root_maxbytes', { get: (k) => k.keys.quota.rootMaxBytes, set: (k, n) => (k.keys.quota.rootMaxBytes = n), min: 1, max: INT_MAX }],
  [
    'debug/exception-trace',
    { get: (k) => (k.showUnhandledSignals ? 1 : 0), set: (k, n) => (k.showUnhandledSignals = n !== 0), min: -INT_MAX, max: INT_MAX },
  ],
  ['fs/nr_open', { get: (k) => k.vfs.nrOpen, set: (k, n) => (k.vfs.nrOpen = n), min: 64, max: INT_MAX }],
  ['kernel/ns_last_pid', { get: lastPid, set: setLastPid, min: 0, max: INT_MAX }],
  ['kernel/pid_max', { get: (k) => k.sched.pidMax, set: (k, n) => (k.sched.pidMax = n), min: 301, max: 4194304 }],
  [
    'fs/inotify/max_queued_events',
    { get: (k) => k.vfs.notify.maxQueuedEvents, set: (k, n) => (k.vfs.notify.maxQueuedEvents = n), min: 0, max: INT_MAX },
  ],
  [
    'fs/inotify/max_user_instances',
    { get: (k) => k.vfs.notify.maxUserInstances, set: (k, n) => (k.vfs.notify.maxUserInstances = n), min: 0, max: INT_MAX },
  ],
  [
    'fs/inotify/max_user_watches',
    { get: (k) => k.vfs.notify.maxUserWatches, set: (k, n) => (k.vfs.notify.maxUserWatches = n), min: 0, max: INT_MAX },
  ],
  ...(['fs/fanotify/max_user_groups', 'user/max_fanotify_groups'] as const).map(
    (path) =>
      [
        path,
        { get: (k: Kernel) => k.vfs.notify.maxFanotifyGroups, set: (k: Kernel, n: number) => (k.vfs.notify.maxFanotifyGroups = n), min: 0, max: INT_MAX },
      ] as const,
  ),
  ...(['fs/fanotify/max_user_marks', 'user/max_fanotify_marks'] as const).map(
    (path) =>
      [path, { get: (k: Kernel) => k.vfs.notify.maxFanotifyMarks, set: (k: Kernel, n: number) => (k.vfs.notify.maxFanotifyMarks = n), min: 0, max: INT_MAX }] as const,
  ),
  [
    'fs/fanotify/max_queued_events',
    { get: (k) => k.vfs.notify.maxFanotifyEvents, set: (k, n) => (k.vfs.notify.maxFanotifyEvents = n), min: 0, max: INT_MAX },
  ],
  // The same again, as limits of the user namespace (kernel/ucount.c).
  [
    'user/max_inotify_instances',
    { get: (k) => k.vfs.notify.maxUserInstances, set: (k, n) => (k.vfs.notify.maxUserInstances = n), min: 0, max: INT_MAX },
  ],
  [
    'user/max_inotify_watches',
    { get: (k) => k.vfs.notify.maxUserWatches, set: (k, n) => (k.vfs.notify.maxUserWatches = n), min: 0, max: INT_MAX },
  ],
  [
    'fs/lease-break-time',
    { get: (k) => k.vfs.locks.leaseBreakTime, set: (k, n) => (k.vfs.locks.leaseBreakTime = n), min: 0, max: INT_MAX },
  ],
  // Rounded up to a power of two of pages (proc_dopipe_max_size).
  ['fs/pipe-max-size', { get: (k) => k.vfs.pipeMaxSize, set: (k, n) => (k.vfs.pipeMaxSize = roundPipeSize(n)), min: 1, max: 2 ** 31 }],
  ['fs/aio-max-nr', { get: (k) => k.vfs.aioMaxNr, set: (k, n) => (k.vfs.aioMaxNr = n), min: 0, max: INT_MAX }],
  ['fs/dir-notify-enable', { get: (k) => k.vfs.notify.dirNotify, set: (k, n) => (k.vfs.notify.dirNotify = n), min: 0, max: INT_MAX }],
];
const USER_NS_KINDS = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'] as const;
/** user/max_*_namespaces (kernel/ucount.c). */
const USER_NS_ROWS = USER_NS_KINDS.map(
  (kind) =>
    [
      `user/max_${kind}_namespaces`,
      { get: (k: Kernel) => k.ucounts.max[kind], set: (k: Kernel, n: number) => (k.ucounts.max[kind] = n), min: 0, max: INT_MAX },
    ] as const,
);
/**
 * Settings of Linux whose subject does not exist here (swap, watchdogs, quotas...) or whose default is what happens: value, and the range that a
 * write must keep. A write changes what reads say.
 */
const STORED: readonly (readonly [string, number, number, number])[] = [
  ['kernel/core_uses_pid', 0, 0, INT_MAX],
  ['kernel/core_pipe_limit', 0, 0, INT_MAX],
  ['kernel/ctrl-alt-del', 1, 0, INT_MAX],
  ['kernel/overflowgid', 65534, 0, 65535],
  ['kernel/overflowuid', 65534, 0, 65535],
  ['kernel/perf_event_paranoid', 3, -INT_MAX, INT_MAX],
  ['kernel/print-fatal-signals', 0, 0, INT_MAX],
  ['kernel/sched_rr_timeslice_ms', 100, -INT_MAX, INT_MAX],
  ['kernel/sched_rt_period_us', 1000000, 1, INT_MAX],
  ['kernel/sched_rt_runtime_us', 950000, -1, INT_MAX],
  ['kernel/sysctl_writes_strict', 1, -1, 1],
  ['kernel/sysrq', 438, 0, INT_MAX],
  ['kernel/unprivileged_bpf_disabled', 2, 0, 2],
  ['kernel/unprivileged_userns_clone', 1, 0, 1],
  ['kernel/yama/ptrace_scope', 0, 0, 3],
  ['kernel/random/urandom_min_reseed_secs', 60, 0, INT_MAX],
  ['kernel/random/write_wakeup_threshold', 256, 0, INT_MAX],
  // No line discipline can be loaded: what it allows is never asked for.
  ['dev/tty/ldisc_autoload', 1, 0, 1],
  ['dev/tty/legacy_tiocsti', 0, 0, 1],
  ['fs/file-max', 0, 0, Number.MAX_SAFE_INTEGER],
  ['fs/leases-enable', 1, 0, INT_MAX],
  ['fs/mount-max', 100000, 1, INT_MAX],
  ['fs/overflowgid', 65534, 0, 65535],
  ['fs/overflowuid', 65534, 0, 65535],
  ['fs/pipe-user-pages-hard', 0, 0, INT_MAX],
  ['fs/pipe-user-pages-soft', 16384, 0, INT_MAX],
  ['fs/protected_fifos', 0, 0, 2],
  ['fs/protected_hardlinks', 1, 0, 1],
  ['fs/protected_regular', 0, 0, 2],
  ['fs/protected_symlinks', 1, 0, 1],
  ['fs/suid_dumpable', 0, 0, 2],
  ['vm/dirty_background_ratio', 10, 0, 100],
  ['vm/dirty_expire_centisecs', 3000, 0, INT_MAX],
  ['vm/dirty_ratio', 20, 0, 100],
  ['vm/dirty_writeback_centisecs', 500, 0, INT_MAX],
  ['vm/laptop_mode', 0, 0, INT_MAX],
  ['vm/mmap_min_addr', 4096, 0, Number.MAX_SAFE_INTEGER],
  ['vm/page-cluster', 3, 0, 31],
  ['vm/stat_interval', 1, 0, INT_MAX],
  ['vm/vfs_cache_pressure', 100, 0, INT_MAX],
  ['vm/watermark_boost_factor', 15000, 0, INT_MAX],
];
/** Numbers and texts that cannot be written. */
const FIXED: readonly (readonly [string, Show])[] = [
  ['kernel/ostype', () => UTS_SYSNAME],
  ['kernel/osrelease', () => UTS_RELEASE],
  ['kernel/version', () => UTS_VERSION],
  ['kernel/arch', () => UTS_MACHINE],
  ['kernel/cap_last_cap', () => '40'],
  ['kernel/ngroups_max', () => '65536'],
  ['kernel/random/uuid', newUuid],
  ['kernel/random/entropy_avail', () => '256'],
  ['kernel/random/poolsize', () => '256'],
  ['kernel/random/boot_id', (_k, e) => e.data as string],
  ['kernel/pty/nr', (k) => String(ptyCount(k))],
  ['kernel/threads-max', (k) => String(threadsMax(k))],
  ['kernel/seccomp/actions_avail', () => 'kill_process kill_thread trap errno user_notif trace log allow'],
  ['crypto/fips_enabled', () => '0'],
  ['crypto/fips_name', () => 'Linux Kernel Cryptographic API'],
  ['crypto/fips_version', () => UTS_RELEASE],
  ['fs/aio-nr', (k) => String(k.vfs.aioNr)],
  ['fs/dentry-state', (k) => `${dentries(k)}\t0\t45\t0\t0\t0`],
  ['fs/file-nr', (k) => `${k.vfs.openFiles}\t0\t${fileMax(k)}`],
  ['fs/inode-nr', (k) => `${dentries(k)}\t0`],
  ['fs/inode-state', (k) => `${dentries(k)}\t0\t0\t0\t0\t0\t0`],
];
const threadsMax = (k: Kernel) => Math.floor(k.mm.pages.totalPages / 32);
/** files_maxfiles_init: a tenth of memory in units of 1 KiB. */
const fileMax = (k: Kernel) => Math.max(8192, Math.floor((k.mm.pages.managedPages * 4) / 10));
function dentries(k: Kernel): number {
  let n = 0;
  const seen = new Set<unknown>();
  const stack = k.vfs.mounts.map((m) => m.sb.root);
  for (let d = stack.pop(); d !== undefined; d = stack.pop()) {
    if (seen.has(d)) continue;
    seen.add(d);
    n++;
    stack.push(...d.children.values());
  }
  return n;
}

function storeName(set: (k: Kernel, text: string) => void): Store {
  return (k, text) => {
    if (!nsCapable(k.current, k.current.nsproxy.uts.owner, 21)) return -EPERM;
    set(k, text.split(/[\n\0]/)[0].slice(0, 64));
    return 0;
  };
}
const showInt: Show = (k, e) => `${(e.data as IntRow).get(k)}\n`;
const storeInt: Store = (k, text, e) => {
  const row = e.data as IntRow;
  const n = parseSysctlInt(text, row.min, row.max);
  if (n === null) return -EINVAL;
  row.set(k, n);
  return 0;
};
/** A stored value: plain data on the entry. */
interface Stored {
  value: number;
  readonly min: number;
  readonly max: number;
}
const showStored: Show = (_k, e) => `${(e.data as Stored).value}\n`;
const storeStored: Store = (_k, text, e) => {
  const row = e.data as Stored;
  const n = parseSysctlInt(text, row.min, row.max);
  if (n === null) return -EINVAL;
  row.value = n;
  return 0;
};
/** Value of a stored setting by its path below /proc/sys. */
export function sysctlValue(k: Kernel, path: string, fallback: number): number {
  const e = k.procfs.find(`sys/${path}`);
  const data = e?.data as Stored | null | undefined;
  return data?.value ?? fallback;
}

/** register_sysctl for one number with an effect; the path is below /proc/sys. */
export function sysctlLive(k: Kernel, path: string, row: IntRow, mode = 0o644): void {
  k.procfs.create(`sys/${path}`, showInt, { strict: true, mode, store: storeInt, data: row });
}
/** The same for one that is only kept. */
export function sysctlStored(k: Kernel, path: string, value: number, min = -INT_MAX - 1, max = INT_MAX, mode = 0o644): void {
  const data: Stored = { value, min, max };
  k.procfs.create(`sys/${path}`, showStored, { strict: true, mode, store: storeStored, data });
}

export function procSysInit(k: Kernel): void {
  const { procfs } = k;
  printkSysctlInit(k);
  mmSysctlInit(k);
  for (const [path, row] of LIVE) procfs.create(`sys/${path}`, showInt, { strict: true, mode: 0o644, store: storeInt, data: row });
  for (const [path, value, min, max] of STORED) {
    const data: Stored = { value: path === 'fs/file-max' ? fileMax(k) : value, min, max };
    procfs.create(`sys/${path}`, showStored, { strict: true, mode: 0o644, store: storeStored, data });
  }
  for (const kind of USER_NS_KINDS) k.ucounts.max[kind] = Math.floor(threadsMax(k) / 2);
  for (const [path, row] of USER_NS_ROWS) sysctlLive(k, path, row);
  for (const [path, show] of FIXED) {
    const data = path === 'kernel/random/boot_id' ? newUuid(k) : show;
    procfs.create(`sys/${path}`, path === 'kernel/random/boot_id' ? (_k, e) => `${e.data as string}\n` : showFixed, {
      strict: true,
      mode: 0o444,
      data,
    });
  }
  procfs.create('sys/kernel/hostname', (kk) => `${kk.current.nsproxy.uts.hostname}\n`, {
    strict: true,
    mode: 0o644,
    store: storeName((kk, s) => (kk.current.nsproxy.uts.hostname = s)),
  });
  procfs.create('sys/kernel/domainname', (kk) => `${kk.current.nsproxy.uts.domainname}\n`, {
    strict: true,
    mode: 0o644,
    store: storeName((kk, s) => (kk.current.nsproxy.uts.domainname = s)),
  });
  procfs.create('sys/kernel/core_pattern', () => 'core\n', { strict: true });
  procfs.create('sys/kernel/modprobe', (kk) => `${kk.modprobePath}\n`, {
    strict: true,
    mode: 0o644,
    store(kk, text) {
      kk.modprobePath = text.split(/[\n\0]/)[0].slice(0, KMOD_PATH_LEN - 1);
      return 0;
    },
  });
  procfs.create('sys/kernel/poweroff_cmd', () => '/sbin/poweroff\n', { strict: true });
  procfs.create('sys/kernel/pty/max', () => `${PTY_MAX}\n`, { strict: true });
  procfs.create('sys/kernel/pty/reserve', () => '1024\n', { strict: true });
}
const showFixed: Show = (k, e) => `${(e.data as Show)(k, e)}\n`;
