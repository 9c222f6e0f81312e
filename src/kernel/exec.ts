import { E2BIG, EACCES, ELOOP, ENOEXEC, ETXTBSY } from '../abi/errno.ts';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../abi/fs.ts';
import { SIG_IGN, SIGCHLD } from '../abi/signal.ts';
import type { Cred } from './cred.ts';
import { doExit, dropResources, maxRssOf, mmRelease } from './exit.ts';
import { newSigHand } from './fork.ts';
import { loadElf } from './fs/binfmt_elf.ts';
import { loadScript } from './fs/binfmt_script.ts';
import { inodePermission, MAY_EXEC, MAY_READ, pathWalk } from './fs/namei.ts';
import { fsnotifyAccess, fsnotifyOpen } from './fs/notify/fsnotify.ts';
import type { File, Path } from './fs/types.ts';
import { MS_NOEXEC, MS_NOSUID } from '../abi/mount.ts';
import { SECBIT_KEEP_CAPS, SECBIT_NOROOT } from './cred.ts';
import type { Kernel } from './kernel.ts';
import { IovIter } from './lib/iov_iter.ts';
import { mmPut } from './mm/memory.ts';
import type { MmStruct } from './mm/mm_struct.ts';
import { forkTimeNs, switchNamespaces } from './nsproxy.ts';
import { ptraceExec, ptraceLink, ptraceUnlink } from './ptrace.ts';
import { fromKid, makeKid } from './user_namespace.ts';
import { publishPriority } from './sched/core.ts';
import { PF_FORKNOEXEC, TASK_RUNNING, type Task } from './sched/task.ts';
import { DEFAULT_ACTION } from './signal.ts';
import { exitItimers } from './time/posix_timers.ts';

// execve (fs/exec.c). Whatever can be refused is refused before the point of no return (beginNewExec); after it, failure kills the task.

/** MAX_ARG_STRLEN: one argument or environment string, with its NUL. */
const MAX_ARG_STRLEN = 131072;
/** All strings and pointers together: a quarter of the stack limit, at most 3/4 of _STK_LIM, at least 128 KiB (bprm_stack_limits). */
const STK_LIM = 8 * 1024 * 1024;
const ARG_MAX = 131072;
const RLIMIT_STACK = 3;
/** BINPRM_BUF_SIZE. */
const BUF_SIZE = 256;
/** How many interpreters may stand behind each other. */
const MAX_INTERPRETERS = 5;
/** Personality bits that a set-user-ID program does not inherit (PER_CLEAR_ON_SETID). */
const PER_CLEAR_ON_SETID = 0x0400_0000 | 0x004_0000 | 0x020_0000 | 0x010_0000;

/** A program on its way to being executed (linux_binprm). */
export interface Bprm {
  /** What runs now: the script at first, its interpreter then. */
  file: File;
  /** As the caller named it: AT_EXECFN. */
  readonly filename: string;
  /** Name of `file`, as the interpreter of a script sees it. */
  interp: string;
  readonly argv: string[];
  readonly envp: readonly string[];
  /** First bytes of the file, zero-padded. */
  buf: Uint8Array;
  /** The file is reachable only through a descriptor that exec closes. */
  readonly pathInaccessible: boolean;
  /** Credentials that the program will have. */
  cred: Cred;
  /** It has more rights than its caller (AT_SECURE). */
  secureexec: boolean;
}

/**
 * Replaces the program of `task`, the current one: `name` from `start`, or the open file `direct` (execveat with AT_EMPTY_PATH, whose
 * reference is taken over). On success the user registers of what is then the current task (the group leader) lie in pt_regs, and in the
 * machine when it is loaded. 0 or -errno.
 */
export function doExecve(
  k: Kernel,
  task: Task,
  start: Path,
  name: string,
  argv: readonly string[],
  envp: readonly string[],
  direct: File | null = null,
): number {
  const file = direct ?? openExecName(k, start, name);
  if (typeof file === 'number') return file;
  const fd = direct === null ? -1 : Number(/^\/dev\/fd\/(\d+)$/.exec(name)?.[1] ?? -1);
  const bprm: Bprm = {
    file,
    filename: name,
    interp: name,
    // A program may rely on argv[0]: an empty list gets one empty string (fs/exec.c since 5.18).
    argv: argv.length === 0 ? [''] : [...argv],
    envp,
    buf: new Uint8Array(BUF_SIZE),
    pathInaccessible: fd >= 0 && task.files.closeOnExec[fd] === true,
    cred: task.cred,
    secureexec: false,
  };
  const denied = direct === null ? 0 : direct.inode.writers > 0 ? -ETXTBSY : mayExec(task, direct.path);
  const r = denied < 0 ? denied : tooBig(task, bprm) ? -E2BIG : execBinprm(k, bprm);
  k.vfs.fput(bprm.file);
  return r;
}

function tooBig(task: Task, bprm: Bprm): boolean {
  const quarter = Math.floor(task.signal.rlimit(RLIMIT_STACK) / 4);
  let left = Math.max(ARG_MAX, Math.min(quarter, (STK_LIM / 4) * 3));
  for (const s of [...bprm.argv, ...bprm.envp]) {
    if (s.length >= MAX_ARG_STRLEN) return true;
    left -= s.length + 1 + 8;
  }
  return left < 0;
}

function openExecName(k: Kernel, start: Path, name: string): File | number {
  const path = pathWalk(k, start, name, true);
  return typeof path === 'number' ? path : openExec(k, path);
}
function mayExec(task: Task, path: Path): number {
  const { inode } = path.dentry;
  if ((inode.mode & S_IFMT) !== S_IFREG || (path.mnt.flags & MS_NOEXEC) !== 0) return -EACCES;
  return inodePermission(task, inode, MAY_EXEC);
}
/** do_open_execat: a regular file with an x bit on a file system that allows it. */
export function openExec(k: Kernel, path: Path): File | number {
  const { inode } = path.dentry;
  const denied = mayExec(k.current, path);
  if (denied < 0) return denied;
  if (inode.writers > 0) return -ETXTBSY; // deny_write_access
  const file = k.vfs.newFile(path, inode.fop, 0);
  const r = inode.fop.open?.(k, inode, file) ?? 0;
  if (r < 0) {
    k.vfs.fput(file);
    return r;
  }
  fsnotifyOpen(k, file, true);
  return file;
}

/** Reads up to `length` bytes at `pos`; shorter at the end of the file. */
export function kernelRead(k: Kernel, file: File, pos: number, length: number): Uint8Array | number {
  const bytes = new Uint8Array(length);
  const n = file.inode.fop.read?.(k, file, IovIter.kernel(bytes), pos) ?? -EACCES;
  if (n > 0) fsnotifyAccess(k, file);
  return n < 0 ? n : bytes.subarray(0, n);
}

/** Follows `#!` lines to the ELF file that will run (search_binary_handler). */
function execBinprm(k: Kernel, bprm: Bprm): number {
  for (let depth = 0; ; depth++) {
    if (depth > MAX_INTERPRETERS) return -ELOOP;
    const head = kernelRead(k, bprm.file, 0, BUF_SIZE);
    if (typeof head === 'number') return head;
    bprm.buf = new Uint8Array(BUF_SIZE);
    bprm.buf.set(head);
    const script = loadScript(bprm);
    if (script === -ENOEXEC) {
      bprmFillUid(k, bprm);
      return loadElf(k, bprm);
    }
    if (script < 0) return script;
    const file = openExecName(k, k.current.fs.pwd, bprm.interp);
    if (typeof file === 'number') return file;
    k.vfs.fput(bprm.file);
    bprm.file = file;
  }
}

/** Set-user-ID and set-group-ID bits, and the capabilities that come with user 0 (bprm_fill_uid, cap_bprm_creds_from_file). */
function bprmFillUid(k: Kernel, bprm: Bprm): void {
  const task = k.current;
  const old = task.cred;
  const { inode, path } = bprm.file;
  let { euid, egid } = old;
  // Numbers that the namespace does not know cannot be taken on.
  const known = fromKid(old.userNs, 'uid', inode.uid) >= 0 && fromKid(old.userNs, 'gid', inode.gid) >= 0;
  const honoured = (path.mnt.flags & MS_NOSUID) === 0 && !task.noNewPrivs && known;
  if (honoured && (inode.mode & S_ISUID) !== 0) euid = inode.uid;
  if (honoured && (inode.mode & S_ISGID) !== 0 && (inode.mode & 0o010) !== 0) egid = inode.gid;
  const changed = euid !== old.euid || egid !== old.egid;
  const capAmbient = changed ? 0n : old.capAmbient;
  const rootId = makeKid(old.userNs, 'uid', 0);
  const noRoot = (old.securebits & SECBIT_NOROOT) !== 0;
  const root = !noRoot && (euid === rootId || old.uid === rootId);
  const capPermitted = root ? old.capInheritable | old.capBounding : capAmbient;
  const capEffective = !noRoot && euid === rootId ? capPermitted : capAmbient;
  bprm.cred = { ...old, euid, egid, suid: euid, sgid: egid, fsuid: euid, fsgid: egid, capAmbient, capPermitted, capEffective, securebits: old.securebits & ~SECBIT_KEEP_CAPS };
  bprm.secureexec = euid !== old.uid || egid !== old.gid;
}

/**
 * All other threads end (de_thread). The task that goes on is the group leader: its pid is the process's. The leader of a caller that is not it
 * loses what it had here and waits for becomeLeader.
 */
function deThread(k: Kernel, task: Task): Task {
  const leader = task.groupLeader;
  for (const t of [...task.threads]) if (t !== task && t !== leader) doExit(k, t, 0);
  if (leader !== task && leader.exitState === 0) dropResources(k, leader);
  return leader;
}
/** The leader takes over what survives execve from the thread that called it, and that thread ends. */
function becomeLeader(k: Kernel, task: Task, leader: Task): void {
  leader.files = task.files;
  leader.files.users++;
  leader.fs = task.fs;
  leader.fs.users++;
  leader.cred = task.cred;
  leader.blocked = task.blocked;
  leader.pending.set = task.pending.set;
  leader.pending.queue.splice(0, leader.pending.queue.length, ...task.pending.queue);
  leader.nice = task.nice;
  leader.policy = task.policy;
  leader.rtPriority = task.rtPriority;
  leader.affinity = task.affinity;
  leader.vruntime = task.vruntime;
  leader.personality = task.personality;
  leader.noNewPrivs = task.noNewPrivs;
  leader.seccomp = task.seccomp;
  leader.timerSlackNs = task.timerSlackNs;
  publishPriority(k, leader);
  leader.exitSignal = SIGCHLD;
  leader.exitState = 0;
  leader.exitCode = 0;
  leader.restart = null;
  leader.inSyscall = false;
  leader.restartCode = 0;
  leader.savedSigmask = null;
  leader.stopReport = 0;
  leader.clearChildTid = 0;
  const p = task.ptrace;
  if (p !== null) {
    ptraceUnlink(k, task);
    ptraceUnlink(k, leader);
    Object.assign(ptraceLink(k, leader, p.tracer, p.seized, p.options), { syscalls: p.syscalls, inCall: p.inCall, origA0: p.origA0 });
  }
  // The thread's own end takes its one off again.
  leader.signal.live++;
  doExit(k, task, 0);
  leader.state = TASK_RUNNING;
  k.sched.activate(leader);
}

/** The point of no return: the new address space becomes the task's, and what the old program set up is undone (begin_new_exec). The current task is the group leader after it. */
export function beginNewExec(k: Kernel, bprm: Bprm, mm: MmStruct): void {
  const caller = k.current;
  const old = caller.mm;
  mmRelease(k, caller);
  const task = deThread(k, caller);
  mm.exeFile = bprm.file;
  bprm.file.refs++;
  if (task === caller) {
    task.signal.maxRss = Math.max(task.signal.maxRss, maxRssOf(task));
    task.mm = mm;
    if (old !== null) mmPut(k, old);
  } else {
    becomeLeader(k, caller, task);
    task.mm = mm;
  }
  k.current = task;
  k.machine.setPageTable(mm.pgd);
  if (task.nsproxy.time !== task.nsproxy.timeForChildren) switchNamespaces(k, task, forkTimeNs(task.nsproxy));

  task.comm = bprm.filename.slice(bprm.filename.lastIndexOf('/') + 1);
  task.flags &= ~PF_FORKNOEXEC;
  if (task.sighand.users > 1) {
    task.sighand.users--;
    task.sighand = newSigHand(task.sighand);
  }
  const { action } = task.sighand;
  for (let i = 0; i < action.length; i++) {
    if (action[i].handler !== SIG_IGN) action[i] = DEFAULT_ACTION;
    else action[i] = { ...DEFAULT_ACTION, handler: SIG_IGN };
  }
  task.sigaltstack = { sp: 0, flags: 2, size: 0 };
  task.clearChildTid = 0;
  task.robustList = 0;
  task.rseq = null;
  task.keyrings = { ...caller.keyrings, thread: null, process: null };
  exitItimers(k, task.signal, false);
  if (task.files.users > 1) {
    task.files.users--;
    task.files = task.files.dup();
  }
  task.files.closeAll(k, true);

  const { cred } = bprm;
  const unlike = cred.euid !== cred.uid || cred.egid !== cred.gid;
  task.dumpable = !unlike && inodePermission(task, bprm.file.inode, MAY_READ) === 0;
  if (bprm.secureexec) task.personality &= ~PER_CLEAR_ON_SETID;
  if (bprm.secureexec || cred.euid !== task.cred.euid) task.pdeathSignal = 0;
  task.cred = cred;
  ptraceExec(k, task, caller.pid);
}

/** Registers of a program at its first instruction (start_thread). */
export function startThread(k: Kernel, pc: number, sp: number): void {
  const task = k.current;
  const { ram } = k;
  ram.fill(task.ptRegs, 256);
  ram.write64(task.ptRegs, pc);
  ram.write64(task.ptRegs + 16, sp);
  ram.fill(task.fpState, 264);
  if (k.sched.loaded === task) {
    k.machine.regs.load(task.ptRegs);
    k.machine.regs.loadFp(task.fpState);
  }
}
