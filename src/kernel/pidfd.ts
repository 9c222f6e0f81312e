import { EBADF, EINVAL, EMFILE, ENOTTY, EPERM, ESRCH } from '../abi/errno.ts';
import { O_RDWR, POLLHUP, POLLIN, POLLRDNORM } from '../abi/fs.ts';
import * as P from '../abi/pidfd.ts';
import { NSIG, SI_TKILL, SI_USER } from '../abi/signal.ts';
import { pidfdNamespace } from './fs/nsfs.ts';
import type { File, FileOperations } from './fs/types.ts';
import type { Kernel } from './kernel.ts';
import { findTaskByVpid } from './pid.ts';
import { inPidNs, type PidNamespace, pidNrNs } from './pid_namespace.ts';
import { ptraceMayAccess } from './ptrace.ts';
import type { Task } from './sched/task.ts';
import { WaitQueueHead, wakeUpAll } from './sched/wait.ts';
import { killMatching, mayKill, sendSignalTo } from './signal.ts';
import type { SigInfo } from './signal_types.ts';

// File descriptors that stand for a process or a thread (fs/pidfs.c, kernel/pid.c, pidfd_open(2)).

interface PidFd {
  readonly task: Task;
  /** PIDFD_THREAD. */
  readonly thread: boolean;
}

/** Waited for: nothing has its number any more. */
const isGone = (k: Kernel, task: Task) => k.sched.tasks.get(task.pid) !== task;
/** A process has ended when its last thread has. */
const hasEnded = ({ task, thread }: PidFd) => task.exitState !== 0 && (thread || task.signal.live === 0);

const NAMESPACES = new Map<number, Parameters<typeof pidfdNamespace>[2]>([
  [P.PIDFD_GET_CGROUP_NAMESPACE, 'cgroup'],
  [P.PIDFD_GET_IPC_NAMESPACE, 'ipc'],
  [P.PIDFD_GET_MNT_NAMESPACE, 'mnt'],
  [P.PIDFD_GET_NET_NAMESPACE, 'net'],
  [P.PIDFD_GET_PID_NAMESPACE, 'pid'],
  [P.PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE, 'pid_for_children'],
  [P.PIDFD_GET_TIME_NAMESPACE, 'time'],
  [P.PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE, 'time_for_children'],
  [P.PIDFD_GET_USER_NAMESPACE, 'user'],
  [P.PIDFD_GET_UTS_NAMESPACE, 'uts'],
]);
const pidfdOps: FileOperations = {
  showFdinfo: pidfdInfo,
  ioctl(k, file, cmd, arg) {
    const { task } = file.data as PidFd;
    if (isGone(k, task)) return -ESRCH;
    const kind = NAMESPACES.get(cmd >>> 0);
    if (kind === undefined) return -ENOTTY;
    return arg !== 0 ? -EINVAL : pidfdNamespace(k, task, kind);
  },
  poll(k, file, table) {
    const p = file.data as PidFd;
    p.task.pidfdWait ??= new WaitQueueHead();
    table?.add(p.task.pidfdWait);
    if (isGone(k, p.task)) return POLLIN | POLLRDNORM | POLLHUP;
    return hasEnded(p) ? POLLIN | POLLRDNORM : 0;
  },
};

/** Tells who polls that `task` ended or was waited for (do_notify_pidfd). */
export function notifyPidfd(k: Kernel, task: Task): void {
  if (task.pidfdWait !== null) wakeUpAll(k, task.pidfdWait);
}

/** A descriptor for `task`, not yet installed (pidfd_prepare): the file, or -EINVAL for a thread without PIDFD_THREAD. */
export function pidfdFile(k: Kernel, task: Task, flags: number): File | number {
  const thread = (flags & P.PIDFD_THREAD) !== 0;
  if (!thread && !task.isLeader) return -EINVAL;
  task.pidfsInode ??= k.vfs.newInode(k.vfs.pidfsSb, 0o700, {}, pidfdOps);
  const file = k.vfs.anonFile(task.pidfsInode, `pidfd:[${task.pidfsInode.ino}]`, O_RDWR | (flags & P.PIDFD_NONBLOCK));
  if (thread) file.flags |= P.PIDFD_THREAD;
  const data: PidFd = { task, thread };
  file.data = data;
  return file;
}
export function pidfdInstall(k: Kernel, task: Task, flags: number): number {
  const { files, signal } = k.current;
  const fd = files.allocFd(0, signal.rlimit(7));
  if (fd < 0) return -EMFILE;
  const file = pidfdFile(k, task, flags);
  if (typeof file === 'number') return file;
  files.install(fd, file, true);
  return fd;
}
export function pidfdOpen(k: Kernel, pid: number, flags: number): number {
  if ((flags & ~(P.PIDFD_NONBLOCK | P.PIDFD_THREAD)) !== 0 || pid <= 0) return -EINVAL;
  const task = findTaskByVpid(k, pid);
  return task === undefined ? -ESRCH : pidfdInstall(k, task, flags);
}

/** The task that a pidfd stands for (pidfd_pid), or -EBADF. */
export function pidfdTask(file: File | null): PidFd | number {
  return file !== null && file.op === pidfdOps ? (file.data as PidFd) : -EBADF;
}
/** The same for waitid: PIDFD_NONBLOCK goes with it. */
export function pidfdForWait(file: File | null): { readonly task: Task; readonly nonblock: boolean } | number {
  const p = pidfdTask(file);
  return typeof p === 'number' ? p : { task: p.task, nonblock: ((file as File).flags & P.PIDFD_NONBLOCK) !== 0 };
}
/** The numbers of `task`'s pid, group or session `nr` from the caller's PID namespace down to its own; 0 when the caller cannot see it. */
export function nsNumbers(k: Kernel, task: Task, nr: number): number[] {
  const out: number[] = [];
  const from = k.current.pidNs;
  if (!inPidNs(task.pidNs, from)) return [0];
  for (let ns: PidNamespace | null = task.pidNs; ns !== null; ns = ns.parent) {
    out.unshift(pidNrNs(nr, ns));
    if (ns === from) break;
  }
  return out;
}
/** What fdinfo adds. -1: it was waited for. */
function pidfdInfo(k: Kernel, file: File): string {
  const p = pidfdTask(file);
  if (typeof p === 'number') return '';
  if (isGone(k, p.task)) return 'Pid:\t-1\nNSpid:\t-1\n';
  const numbers = nsNumbers(k, p.task, p.task.pid);
  return `Pid:\t${numbers[0]}\nNSpid:\t${numbers.join('\t')}\n`;
}

/** pidfd_send_signal(2). `info` null = as kill(2) makes it. `task` is what the descriptor stands for. */
export function pidfdSendSignal(k: Kernel, p: PidFd, sig: number, info: SigInfo | null, flags: number): number {
  const { task } = p;
  if (isGone(k, task)) return -ESRCH;
  if (!inPidNs(task.pidNs, k.current.pidNs)) return -EINVAL;
  const scope = flags !== 0 ? flags : p.thread ? P.PIDFD_SIGNAL_THREAD : P.PIDFD_SIGNAL_THREAD_GROUP;
  const me = k.current;
  if (info !== null && task !== me && (info.code >= 0 || info.code === SI_TKILL)) return -EPERM;
  if (sig < 0 || sig > NSIG) return -EINVAL;
  const thread = scope === P.PIDFD_SIGNAL_THREAD;
  if (scope === P.PIDFD_SIGNAL_PROCESS_GROUP) return killMatching(k, sig, (t) => t.signal.pgid === task.pid, info);
  if (!thread && !task.isLeader) return -ESRCH;
  if (!mayKill(k, task, sig)) return -EPERM;
  if (sig === 0) return 0;
  const sent = info ?? { signo: sig, code: thread ? SI_TKILL : SI_USER, pid: me.tgid, uid: me.cred.uid };
  return sendSignalTo(k, task, sent, !thread);
}

/** pidfd_getfd(2): a descriptor of the caller's for the other process's open file `fd`. */
export function pidfdGetfd(k: Kernel, p: PidFd, fd: number): number {
  const { task } = p;
  if (isGone(k, task)) return -ESRCH;
  if (!ptraceMayAccess(k, task, true)) return -EPERM;
  const file = task.exitState !== 0 ? null : task.files.get(fd);
  if (task.exitState !== 0) return -ESRCH;
  if (file === null) return -EBADF;
  const { files, signal } = k.current;
  const own = files.allocFd(0, signal.rlimit(7));
  if (own < 0) return own;
  file.refs++;
  files.install(own, file, true);
  return own;
}
