import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from '../../../abi/errno.ts';
import { pt_regs as PT } from '../../../abi/layout/structs.ts';
import { dtypeOf, POLLERR, POLLIN, POLLPRI, POLLRDNORM, S_IFDIR, S_IFLNK, S_IFREG } from '../../../abi/fs.ts';
import { cgroupPath } from '../../cgroup/cgroup.ts';
import type { Kernel } from '../../kernel.ts';
import { stringOf } from '../../lib/bytes.ts';
import { seqLseek, seqRead, seqWrite } from '../../lib/seq_file.ts';
import type { MmStruct } from '../../mm/mm_struct.ts';
import { accessRemote } from '../../mm/memory.ts';
import { kstrtoSigned } from '../../lib/kstrtox.ts';
import { oomBadness } from '../../mm/oom_kill.ts';
import { findTaskByVpid, pidVnr } from '../../pid.ts';
import { ptraceMayAccess as mayAccess } from '../../ptrace.ts';
import { EXIT_DEAD, type Task } from '../../sched/task.ts';
import { dPath } from '../d_path.ts';
import type { DirEntry, File, FileOperations, Inode, InodeOperations, Path } from '../types.ts';
import { showLimits, showStat, showStatm, showStatus } from './array.ts';
import { fdDirOps, fdinfoDirOps, openFds } from './fd.ts';
import { nsDirOps, USER_NS_ENTRIES } from './namespaces.ts';
import { procDirOps, procInode, procInodeOps } from './generic.ts';
import { showMountinfo, showMounts, showMountstats } from './proc_namespace.ts';
import { sleepingStack } from '../../stacktrace.ts';
import { showWchan } from './wchan.ts';
import { mapFilesDirOps } from './map_files.ts';
import { auxvOps, mapsOps, memOps, mmTextOps, pagemapOps, smapsRollupOps, vmaTextOps } from './mm_files.ts';
import { showNumaMaps, showSmaps } from './task_mmu.ts';

// The directory of a process and its files (fs/proc/base.c).

const CAP_SYS_RESOURCE = 24;

/** What an inode below /proc/PID belongs to. */
export interface ProcPid {
  readonly task: Task;
  readonly entry: PidEntry | null;
  /** Below /proc/PID/task. */
  readonly thread: boolean;
}
/** One row of the table of files. */
export interface PidEntry {
  readonly name: string;
  readonly mode: number;
  readonly show?: (k: Kernel, task: Task, thread: boolean) => string | number;
  readonly store?: (k: Kernel, task: Task, text: string) => number;
  /** A link to an object. */
  readonly path?: (k: Kernel, task: Task) => Path | number;
  /** A link that is only a text. */
  readonly text?: (k: Kernel, task: Task) => string | number;
  readonly dir?: InodeOperations;
  /** A list of mounts: poll tells of changes. */
  readonly mounts?: boolean;
  readonly fop?: FileOperations;
  /** Needs the right to trace the process. */
  readonly ptrace?: boolean;
}
export const pidOf = (inode: Inode) => inode.data as ProcPid;

export function isAlive(k: Kernel, task: Task): boolean {
  return (task.exitState & EXIT_DEAD) === 0 && k.sched.tasks.get(task.pid) === task;
}
export { ptraceMayAccess as mayAccess } from '../../ptrace.ts';

/** Text between two addresses of a process, NULs included. */
function remoteText(k: Kernel, mm: MmStruct, start: number, end: number): string {
  if (end <= start) return '';
  const bytes = new Uint8Array(Math.min(end - start, 1 << 20));
  return accessRemote(k, mm, start, bytes, false) < 0 ? '' : stringOf(bytes);
}
function showCmdline(k: Kernel, task: Task): string {
  const { mm } = task;
  if (mm === null) return '';
  const args = remoteText(k, mm, mm.argStart, mm.argEnd);
  // setproctitle: without its final NUL the text goes on through the environment up to the first NUL.
  if (args.length === 0 || args.endsWith('\0')) return args;
  const more = args + remoteText(k, mm, mm.envStart, mm.envEnd);
  const end = more.indexOf('\0');
  return end < 0 ? more : more.slice(0, end + 1);
}
function storeComm(k: Kernel, task: Task, text: string): number {
  if (k.current.tgid !== task.tgid) return -EINVAL;
  task.comm = text.split('\0')[0].slice(0, 15);
  return 0;
}
/** kstrtoint of what is left without surrounding space, at most 13 bytes of it. */
function oomNumber(text: string): number | null {
  const n = kstrtoSigned(text.slice(0, PROC_NUMBUF).trim(), 0, 32);
  return typeof n === 'bigint' ? Number(n) : null;
}
function storeOomScoreAdj(k: Kernel, task: Task, text: string): number {
  const n = oomNumber(text);
  if (n === null || n < -1000 || n > 1000) return -EINVAL;
  return setOomAdj(k, task, n, false);
}
/** __set_oom_adj. Processes that share the address space share the fate. */
function setOomAdj(k: Kernel, task: Task, n: number, legacy: boolean): number {
  const { signal } = task;
  const may = k.current.capable(CAP_SYS_RESOURCE);
  if (n < (legacy ? signal.oomScoreAdj : signal.oomScoreAdjMin) && !may) return -EACCES;
  signal.oomScoreAdj = n;
  if (!legacy && may) signal.oomScoreAdjMin = n;
  for (const t of k.sched.tasks.values()) {
    if (!t.isLeader || t.signal === signal || t.mm === null || t.mm !== task.mm || t.pid === 1) continue;
    t.signal.oomScoreAdj = n;
    if (!legacy && may) t.signal.oomScoreAdjMin = n;
  }
  return 0;
}
/** Badness in thousandths of memory, as /proc/PID/oom_score shows it (oom_badness). */
function showOomScore(k: Kernel, task: Task): string {
  const points = oomBadness(k, task.groupLeader);
  const total = k.mm.pages.managedPages + k.mm.swap.total;
  return points === null ? '0\n' : `${Math.trunc(((1000 + Math.trunc((points * 1000) / total)) * 2) / 3)}\n`;
}
const PROC_NUMBUF = 13;
/** Old interface: -17 to 15. */
function showOomAdj(_k: Kernel, task: Task): string {
  const adj = task.signal.oomScoreAdj;
  return `${adj === 1000 ? 15 : Math.trunc((adj * 17) / 1000)}\n`;
}
function storeOomAdj(k: Kernel, task: Task, text: string): number {
  const n = oomNumber(text);
  if (n === null || n < -17 || n > 15) return -EINVAL;
  return setOomAdj(k, task, n === 15 ? 1000 : Math.trunc((n * 1000) / 17), true);
}
function showIo(_k: Kernel, task: Task, thread: boolean): string {
  const sum = { rchar: 0, wchar: 0, syscr: 0, syscw: 0 };
  for (const t of thread ? [task] : task.groupLeader.threads) {
    sum.rchar += t.io.rchar;
    sum.wchar += t.io.wchar;
    sum.syscr += t.io.syscr;
    sum.syscw += t.io.syscw;
  }
  return `rchar: ${sum.rchar}\nwchar: ${sum.wchar}\nsyscr: ${sum.syscr}\nsyscw: ${sum.syscw}\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;
}
/** Empty for a task that runs: what it is doing changes while it is looked at. */
function showStack(k: Kernel, task: Task): string {
  if (task.state === 0) return '';
  return sleepingStack(k, task, showWchan(k, task))
    .map((line) => `[<0>] ${line}\n`)
    .join('');
}
/** The call that the task sleeps in: number, arguments, stack pointer, pc. */
function showSyscall(k: Kernel, task: Task): string {
  if (task.mm === null) return '0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n';
  const self = task === k.current; // it is in the machine, and in a call: this one
  if (!self && (task.state === 0 || k.sched.loaded === task)) return 'running\n';
  if (self) k.machine.regs.save(task.ptRegs);
  const word = (offset: number) => `0x${BigInt.asUintN(64, k.ram.readBig(task.ptRegs + offset)).toString(16)}`;
  if (!self && !task.inSyscall) return `-1 ${word(PT.sp)} ${word(PT.epc)}\n`;
  const args = [PT.a0, PT.a1, PT.a2, PT.a3, PT.a4, PT.a5].map(word);
  return `${task.syscallNr} ${args.join(' ')} ${word(PT.sp)} ${word(PT.epc)}\n`;
}
/** Threads of the process. */
const taskDirOps: InodeOperations = {
  lookup(k, dir, name) {
    if (!/^[1-9][0-9]*$/.test(name)) return null;
    const t = findTaskByVpid(k, Number(name));
    return t !== undefined && t.tgid === pidOf(dir).task.tgid ? pidDirInode(k, t, true) : null;
  },
  entries: (k, dir) =>
    pidOf(dir).task.groupLeader.threads.map((t) => ({
      name: String(pidVnr(k, t.pid)),
      ino: pidDirIno(t, true),
      type: dtypeOf(S_IFDIR),
    })),
};

const exePath = (_k: Kernel, task: Task): Path | number => task.mm?.exeFile?.path ?? -ENOENT;
const zombieHasNone = (task: Task, path: Path): Path | number => (task.exitState !== 0 ? -ENOENT : path);

const NOT_OF_THREADS = ['task', 'map_files'];
/** The files, in Linux's order (tgid_base_stuff). */
const PID_ENTRIES: readonly PidEntry[] = [
  { name: 'task', mode: S_IFDIR | 0o555, dir: taskDirOps },
  { name: 'fd', mode: S_IFDIR | 0o500, dir: fdDirOps },
  { name: 'map_files', mode: S_IFDIR | 0o500, dir: mapFilesDirOps },
  { name: 'fdinfo', mode: S_IFDIR | 0o555, dir: fdinfoDirOps },
  { name: 'ns', mode: S_IFDIR | 0o511, dir: nsDirOps },
  { name: 'net', mode: S_IFDIR | 0o555, dir: procInodeOps },
  { name: 'environ', mode: S_IFREG | 0o400, fop: mmTextOps((k, mm) => remoteText(k, mm, mm.envStart, mm.envEnd)) },
  { name: 'auxv', mode: S_IFREG | 0o400, fop: auxvOps },
  { name: 'status', mode: S_IFREG | 0o444, show: showStatus },
  { name: 'personality', mode: S_IFREG | 0o400, show: (_k, t) => `${t.personality.toString(16).padStart(8, '0')}\n`, ptrace: true },
  { name: 'io', mode: S_IFREG | 0o400, show: showIo, ptrace: true },
  { name: 'syscall', mode: S_IFREG | 0o400, show: showSyscall, ptrace: true },
  { name: 'limits', mode: S_IFREG | 0o444, show: showLimits },
  { name: 'comm', mode: S_IFREG | 0o644, show: (_k, t) => `${t.comm}\n`, store: storeComm },
  { name: 'cmdline', mode: S_IFREG | 0o444, show: showCmdline },
  { name: 'stat', mode: S_IFREG | 0o444, show: showStat },
  { name: 'statm', mode: S_IFREG | 0o444, show: showStatm },
  { name: 'maps', mode: S_IFREG | 0o444, fop: mapsOps },
  { name: 'mem', mode: S_IFREG | 0o600, fop: memOps },
  { name: 'pagemap', mode: S_IFREG | 0o400, fop: pagemapOps },
  { name: 'cwd', mode: S_IFLNK | 0o777, path: (_k, t) => zombieHasNone(t, t.fs.pwd) },
  { name: 'root', mode: S_IFLNK | 0o777, path: (_k, t) => zombieHasNone(t, t.fs.root) },
  { name: 'exe', mode: S_IFLNK | 0o777, path: exePath },
  { name: 'mounts', mode: S_IFREG | 0o444, show: showMounts, mounts: true },
  { name: 'mountinfo', mode: S_IFREG | 0o444, show: showMountinfo, mounts: true },
  { name: 'mountstats', mode: S_IFREG | 0o400, show: showMountstats, mounts: true },
  { name: 'numa_maps', mode: S_IFREG | 0o444, fop: vmaTextOps(showNumaMaps) },
  { name: 'smaps', mode: S_IFREG | 0o444, fop: vmaTextOps(showSmaps) },
  { name: 'smaps_rollup', mode: S_IFREG | 0o444, fop: smapsRollupOps },
  { name: 'stack', mode: S_IFREG | 0o400, show: showStack, ptrace: true },
  { name: 'wchan', mode: S_IFREG | 0o444, show: (k, task) => (mayAccess(k, task) ? showWchan(k, task) : '0') },
  { name: 'schedstat', mode: S_IFREG | 0o444, show: (_k, t) => `${Math.floor(t.utime + t.stime)} 0 ${t.nvcsw + t.nivcsw}\n` },
  { name: 'cpuset', mode: S_IFREG | 0o444, show: () => '/\n' },
  { name: 'cgroup', mode: S_IFREG | 0o444, show: (k, t) => `0::${cgroupPath(t.cgroup, k.current.nsproxy.cgroup.root ?? k.cgroups.root)}\n` },
  { name: 'oom_score', mode: S_IFREG | 0o444, show: showOomScore },
  { name: 'oom_adj', mode: S_IFREG | 0o644, show: showOomAdj, store: storeOomAdj },
  { name: 'oom_score_adj', mode: S_IFREG | 0o644, show: (_k, t) => `${t.signal.oomScoreAdj}\n`, store: storeOomScoreAdj },
  { name: 'loginuid', mode: S_IFREG | 0o644, show: () => '4294967295', store: () => -EPERM },
  { name: 'sessionid', mode: S_IFREG | 0o444, show: () => '4294967295' },
  ...USER_NS_ENTRIES,
  { name: 'coredump_filter', mode: S_IFREG | 0o644, show: () => '00000033\n', store: () => -EPERM },
  { name: 'timerslack_ns', mode: S_IFREG | 0o666, show: (_k, t) => `${t.timerSlackNs}\n`, store: storeTimerSlack },
];
function storeTimerSlack(_k: Kernel, task: Task, text: string): number {
  const n = Number(text.trim());
  if (!Number.isInteger(n) || n < 0 || text.trim() === '') return -EINVAL;
  task.timerSlackNs = n === 0 ? task.defaultTimerSlackNs : n;
  return 0;
}
/** Of a thread (tid_base_stuff). */
const THREAD_ENTRIES = PID_ENTRIES.filter((e) => !NOT_OF_THREADS.includes(e.name));
const entriesOf = (thread: boolean) => (thread ? THREAD_ENTRIES : PID_ENTRIES);

function showPid(k: Kernel, file: File): string | number {
  const { task, entry, thread } = pidOf(file.inode);
  if (!isAlive(k, task)) return -ESRCH;
  return entry?.show?.(k, task, thread) ?? -EINVAL;
}
function storePid(k: Kernel, file: File, text: string): number {
  const { task, entry } = pidOf(file.inode);
  if (!isAlive(k, task)) return -ESRCH;
  return entry?.store?.(k, task, text) ?? -EINVAL;
}
const pidFileOps: FileOperations = {
  open: (k, inode) => {
    const { task, entry } = pidOf(inode);
    return entry?.ptrace !== true || mayAccess(k, task) ? 0 : -EACCES;
  },
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, showPid),
  write: (k, file, iter) => (pidOf(file.inode).entry?.store === undefined ? -EINVAL : seqWrite(k, file, iter, storePid)),
  llseek: seqLseek,
};
/** mounts and its kin: POLLPRI says that they changed since the last look (mounts_poll). */
const mountsFileOps: FileOperations = {
  ...pidFileOps,
  open(k, _inode, file) {
    file.pollEvent = k.vfs.mountQueue.wakes;
    return 0;
  },
  poll(k, file, table) {
    const { mountQueue } = k.vfs;
    table?.add(mountQueue);
    const changed = file.pollEvent !== mountQueue.wakes;
    file.pollEvent = mountQueue.wakes;
    return POLLIN | POLLRDNORM | (changed ? POLLERR | POLLPRI : 0);
  },
};
/** The owner may change, the mode not. */
const pidSetattr: InodeOperations['setattr'] = (_k, _inode, { what }) => (what === 'mode' ? -EPERM : 0);
const pidLinkOps: InodeOperations = {
  setattr: pidSetattr,
  magicLink(k, inode) {
    const { task, entry } = pidOf(inode);
    if (!isAlive(k, task)) return -ESRCH;
    if (!mayAccess(k, task)) return -EACCES;
    return entry?.path?.(k, task) ?? -ENOENT;
  },
  readlink(k, inode) {
    const path = pidLinkOps.magicLink?.(k, inode) ?? -ENOENT;
    return typeof path === 'number' ? path : dPath(k, path);
  },
};
const pidDirOps: InodeOperations = {
  setattr: pidSetattr,
  create: () => -ENOENT,
  symlink: () => -ENOENT,
  lookup(k, dir, name) {
    const { task, thread } = pidOf(dir);
    if (!isAlive(k, task)) return null;
    const i = entriesOf(thread).findIndex((e) => e.name === name);
    if (i < 0) return null;
    const entry = entriesOf(thread)[i];
    if (entry.dir === procInodeOps) return procInode(k, k.procfs.net);
    const op = entry.dir ?? (entry.path !== undefined ? pidLinkOps : { setattr: pidSetattr });
    const fop = entry.dir !== undefined ? procDirOps : (entry.fop ?? (entry.mounts === true ? mountsFileOps : pidFileOps));
    const inode = newPidInode(k, task, entry.mode, { task, entry, thread }, op, fop, dir.ino + 1 + i);
    if (entry.name === 'fd') inode.size = openFds(task).length;
    if (entry.dir === taskDirOps) inode.nlink = 2 + task.groupLeader.threads.length;
    return inode;
  },
  entries(k, dir): DirEntry[] | number {
    const { task, thread } = pidOf(dir);
    if (!isAlive(k, task)) return -ENOENT;
    return entriesOf(thread).map((e, i) => ({ name: e.name, ino: dir.ino + 1 + i, type: dtypeOf(e.mode) }));
  },
};

/** Inode numbers of a process's files: 64 for each directory, apart from those of the static tree. */
export function pidDirIno(task: Task, thread: boolean): number {
  return 0x10000 + (task.serial * 2 + (thread ? 1 : 0)) * 64;
}
/** An inode owned as the task's effective user says (task_dump_owner). */
export function newPidInode(
  k: Kernel,
  task: Task,
  mode: number,
  data: ProcPid,
  op: InodeOperations,
  fop: FileOperations,
  ino: number,
): Inode {
  const base = k.vfs.newInode(k.procfs.sb, mode, op, fop);
  const owned = mode === (S_IFDIR | 0o555) || (task.dumpable && task.mm !== null);
  return { ...base, ino, uid: owned ? task.cred.euid : 0, gid: owned ? task.cred.egid : 0, nlink: (mode & S_IFDIR) !== 0 ? 2 : 1, data };
}
export function pidDirInode(k: Kernel, task: Task, thread: boolean): Inode {
  const inode = newPidInode(k, task, S_IFDIR | 0o555, { task, entry: null, thread }, pidDirOps, procDirOps, pidDirIno(task, thread));
  inode.nlink = 2 + entriesOf(thread).filter((e) => (e.mode & S_IFDIR) !== 0).length;
  return inode;
}
