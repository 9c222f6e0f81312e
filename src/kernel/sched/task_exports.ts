import { ESRCH } from '../../abi/errno.ts';
import { cred as CRED, nsproxy as NSPROXY, pid as PID, task_struct as TASK, user_namespace as USERNS } from '../../abi/layout/structs.ts';
import { UTS_RELEASE, UTS_VERSION } from '../../abi/kernel_release.ts';
import { SI_KERNEL } from '../../abi/signal.ts';
import { CAP_FULL_SET, type Cred, publishCred, ROOT_CRED } from '../cred.ts';
import { freeTaskMemory } from '../fork.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { load32, load64, store32, storeBytes } from '../lib/guest_memory.ts';
import { physToVirt, virtToPhys } from '../mm/address.ts';
import { readKernelBig, writeKernel64, writeKernelBytes } from '../mm/maccess.ts';
import { schedShowTask } from '../stacktrace.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject, symbolAddress } from '../module/stubs.ts';
import { setAction, sendSignalTo, dequeueSignal } from '../signal.ts';
import { setCpusAllowed } from './core.ts';
import type { Task } from './task.ts';
import { INIT_INUM } from '../ns_common.ts';
import { pidOf } from './pid.ts';

// What modules ask about tasks and credentials: kernel/pid.c, kernel/cred.c, kernel/user_namespace.c, kernel/capability.c, and signals from kernel code.

const taskAt = (k: Kernel, addr: number): Task | null => k.sched.byAddress(addr);
/** Task of a struct pid, as a thread (0) or as the leader of a process (1). */
function pidTask(k: Kernel, pid: number, type: number): number {
  const node = pid === 0 ? 0 : load64(k, pid + PID.tasks);
  const task = node === 0 ? null : taskAt(k, node - TASK.pid_links);
  return task === null || (type === 1 && !task.isLeader) ? 0 : task.va;
}
function getTask(k: Kernel, addr: number): number {
  if (addr !== 0) store32(k, addr + TASK.usage, load32(k, addr + TASK.usage) + 1);
  return addr;
}
function getPid(k: Kernel, pid: number): number {
  if (pid !== 0) store32(k, pid, load32(k, pid) + 1);
  return pid;
}
function putPid(k: Kernel, pid: number): void {
  if (pid === 0) return;
  const count = load32(k, pid) - 1;
  store32(k, pid, count);
  if (count === 0) k.mm.slab.kfree(virtToPhys(pid));
}
const findVpid = (k: Kernel, nr: number) => {
  const task = k.sched.find(nr);
  return task === undefined || nr <= 0 ? 0 : load64(k, task.va + TASK.thread_pid);
};

// --- credentials ---

function copyCred(k: Kernel, from: Cred): number {
  const pa = k.mm.slab.cacheAlloc(k.caches.cred, true);
  if (pa === 0) return 0;
  publishCred(k, from, pa);
  k.ram.write64(pa + CRED.user_ns, symbolAddress(k, 'init_user_ns'));
  k.ram.write32(pa + CRED.usage, 1);
  return physToVirt(pa);
}
function credFrom(k: Kernel, at: number, base: Cred): Cred {
  const id = (offset: number) => load32(k, at + offset);
  const set = (offset: number) => BigInt.asUintN(64, readKernelBig(k, at + offset) ?? 0n) & CAP_FULL_SET;
  return {
    ...base,
    uid: id(CRED.uid),
    gid: id(CRED.gid),
    suid: id(CRED.suid),
    sgid: id(CRED.sgid),
    euid: id(CRED.euid),
    egid: id(CRED.egid),
    fsuid: id(CRED.fsuid),
    fsgid: id(CRED.fsgid),
    capInheritable: set(CRED.cap_inheritable),
    capPermitted: set(CRED.cap_permitted),
    capEffective: set(CRED.cap_effective),
    capBounding: set(CRED.cap_bset),
    capAmbient: set(CRED.cap_ambient),
  };
}
function dropCred(k: Kernel, at: number): void {
  if (k.mm.slab.cacheAt !== undefined && at !== 0) k.mm.slab.cacheFree(k.caches.cred, virtToPhys(at));
}
const sameNs = (_k: Kernel, _ns: number, id: number) => id >>> 0;
const mapped = (_k: Kernel, _ns: number, id: number) => id >>> 0;

function sendSignal(k: Kernel, task: Task | null, sig: number): number {
  if (task === null || task.exitState !== 0) return -ESRCH;
  if (sig === 0) return 0;
  return sendSignalTo(k, task, { signo: sig, code: SI_KERNEL, pid: 0, uid: 0 }, false);
}

export const taskExports: readonly FunctionExport[] = [
  // __get_task_comm(buffer, size, task)
  fn('__get_task_comm', (k, buffer, size, addr) => {
    const comm = taskAt(k, addr)?.comm ?? '';
    storeBytes(k, buffer, bytesOf(comm.slice(0, Math.max(0, size - 1)).padEnd(size, '\0')));
    return buffer;
  }),
  fn('__put_task_struct', (k, addr) => {
    const task = taskAt(k, addr);
    if (task !== null && task.exitState !== 0) freeTaskMemory(k, task);
  }),
  fn('pid_task', pidTask),
  fn('get_pid_task', (k, pid, type) => getTask(k, pidTask(k, pid, type))),
  fn('get_task_pid', (k, addr) => getPid(k, load64(k, addr + TASK.thread_pid))),
  fn('find_vpid', findVpid),
  fn('find_pid_ns', findVpid),
  fn('find_get_pid', (k, nr) => getPid(k, findVpid(k, nr))),
  fn('find_ge_pid', (k, nr) => {
    const next = [...k.sched.tasks.keys()].filter((pid) => pid >= nr).sort((a, b) => a - b)[0];
    return next === undefined ? 0 : findVpid(k, next);
  }),
  fn('put_pid', putPid),
  fn('pid_vnr', (k, pid) => (pid === 0 ? 0 : pidOf(k, pid))),
  fn('pid_nr_ns', (k, pid) => (pid === 0 ? 0 : pidOf(k, pid))),
  // PIDTYPE_PID 0, _TGID 1, _PGID 2, _SID 3.
  fn('__task_pid_nr_ns', (k, addr, type) => {
    const task = addr === 0 ? k.current : taskAt(k, addr);
    if (task === null) return 0;
    return type === 0 ? task.pid : type === 1 ? task.tgid : type === 2 ? task.signal.pgid : task.signal.sid;
  }),
  fn('task_active_pid_ns', (k) => symbolAddress(k, 'init_pid_ns')),
  fn('kill_pid', (k, pid, sig) => {
    const task = k.sched.find(pidOf(k, pid));
    return task === undefined ? -ESRCH : sig === 0 ? 0 : sendSignalTo(k, task, { signo: sig, code: SI_KERNEL, pid: 0, uid: 0 }, true);
  }),
  fn('send_sig', (k, sig, addr) => sendSignal(k, taskAt(k, addr), sig)),
  fn('send_sig_info', (k, sig, _info, addr) => sendSignal(k, taskAt(k, addr), sig)),
  fn('force_sig', (k, sig) => {
    sendSignal(k, k.current, sig);
  }),
  // allow_signal and disallow_signal: SIG_KTHREAD is 2.
  fn('kernel_sigaction', (k, sig, action) => {
    const old = k.current.sighand.action[sig - 1];
    if (old === undefined) return;
    setAction(k, k.current, sig, { ...old, handler: action });
  }),
  fn('flush_signals', (k) => {
    k.current.pending.queue.length = 0;
    k.current.pending.set = 0n;
    k.current.signal.pending.queue.length = 0;
    k.current.signal.pending.set = 0n;
  }),
  fn('dequeue_signal', (k, mask) => dequeueSignal(k.current, readKernelBig(k, mask) ?? 0n)?.signo ?? 0),

  fn('prepare_creds', (k) => copyCred(k, k.current.cred)),
  fn('prepare_kernel_cred', (k) => copyCred(k, ROOT_CRED)),
  fn('commit_creds', (k, at) => {
    k.current.cred = credFrom(k, at, k.current.cred);
    dropCred(k, at);
    return 0;
  }),
  fn('abort_creds', dropCred),
  fn('__put_cred', dropCred),
  // The caller keeps both; what was in force comes back with revert_creds.
  fn('override_creds', (k, at) => {
    const old = copyCred(k, k.current.cred);
    k.current.cred = credFrom(k, at, k.current.cred);
    return old;
  }),
  fn('revert_creds', (k, at) => {
    k.current.cred = credFrom(k, at, k.current.cred);
    dropCred(k, at);
  }),
  fn('get_task_cred', (k, addr) => {
    const cred = load64(k, addr + TASK.cred);
    store32(k, cred + CRED.usage, load32(k, cred + CRED.usage) + 1);
    return cred;
  }),
  fn('make_kuid', mapped),
  fn('make_kgid', mapped),
  fn('from_kuid', sameNs),
  fn('from_kgid', sameNs),
  fn('from_kuid_munged', sameNs),
  fn('from_kgid_munged', sameNs),
  fn('in_group_p', (k, gid) => (k.current.cred.fsgid === gid >>> 0 || k.current.cred.groups.includes(gid >>> 0) ? 1 : 0)),
  fn('in_egroup_p', (k, gid) => (k.current.cred.egid === gid >>> 0 || k.current.cred.groups.includes(gid >>> 0) ? 1 : 0)),
  fn('capable', (k, cap) => (k.current.capable(cap) ? 1 : 0)),
  fn('ns_capable', (k, _ns, cap) => (k.current.capable(cap) ? 1 : 0)),
  fn('ns_capable_noaudit', (k, _ns, cap) => (k.current.capable(cap) ? 1 : 0)),
  fn('sched_show_task', (k, addr) => {
    const t = taskAt(k, addr);
    if (t !== null) schedShowTask(k, t);
  }),
  fn('current_umask', (k) => k.current.fs.umask),
  fn('set_cpus_allowed_ptr', (k, addr, mask) => {
    const task = taskAt(k, addr);
    const bits = load32(k, mask) & (2 ** k.cpus - 1);
    if (task === null || bits === 0) return -22;
    setCpusAllowed(k, task, bits);
    return 0;
  }),
];

/** struct new_utsname: six texts of 65 bytes. */
const UTS_LENGTH = 65;
/** The names that modules read in init_uts_ns. */
export function publishUts(k: Kernel, uts: { readonly inum: number; readonly hostname: string; readonly domainname: string }): void {
  if (uts.inum !== INIT_INUM.uts) return;
  const at = symbolAddress(k, 'init_uts_ns');
  for (const [i, text] of [[1, uts.hostname] as const, [5, uts.domainname] as const])
    writeKernelBytes(k, at + i * UTS_LENGTH, bytesOf(text.slice(0, UTS_LENGTH - 1).padEnd(UTS_LENGTH, '\0')));
}
const object = (name: string, size: number): DataExport => ({ name, place: (k) => imageObject(k, size, 64) });
export const taskDataExports: readonly DataExport[] = [
  object('init_user_ns', USERNS.sizeof),
  object('init_pid_ns', 256),
  {
    name: 'init_uts_ns',
    place(k) {
      const at = imageObject(k, 512, 64);
      ['Linux', '(none)', UTS_RELEASE, UTS_VERSION, 'riscv64', '(none)'].forEach((text, i) => {
        writeKernelBytes(k, at + i * UTS_LENGTH, bytesOf(text.slice(0, UTS_LENGTH - 1)));
      });
      const ns = imageObject(k, NSPROXY.sizeof, 8);
      writeKernel64(k, ns + NSPROXY.uts_ns, at);
      k.sched.nsproxy = ns;
      for (const task of [k.sched.initTask, ...k.sched.tasks.values()]) writeKernel64(k, task.va + TASK.nsproxy, ns);
      return at;
    },
  },
];
