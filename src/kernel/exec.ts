import { E2BIG, EACCES, EFAULT, ELOOP, ENOEXEC, ENOMEM } from '../abi/errno.ts';
import {
  AT_BASE,
  AT_CLKTCK,
  AT_EGID,
  AT_ENTRY,
  AT_EUID,
  AT_EXECFN,
  AT_FLAGS,
  AT_GID,
  AT_HWCAP,
  AT_NULL,
  AT_PAGESZ,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  AT_RANDOM,
  AT_SECURE,
  AT_UID,
  HWCAP_IMAFDC,
} from '../abi/elf.ts';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../abi/fs.ts';
import { SIG_IGN, SIGCHLD } from '../abi/signal.ts';
import { CAP_FULL_SET, type Cred } from './cred.ts';
import { doExit, dropResources, mmRelease } from './exit.ts';
import { type ElfImage, loadElf, mapElf } from './fs/binfmt_elf.ts';
import { inodePermission, MAY_EXEC, pathWalk } from './fs/namei.ts';
import type { File, Path } from './fs/types.ts';
import type { Kernel } from './kernel.ts';
import { bytesOf } from './lib/bytes.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './mm/address.ts';
import { mmPut } from './mm/memory.ts';
import { insertVma } from './mm/mmap.ts';
import { type MmStruct, mmAlloc, VM_EXEC, VM_GROWSDOWN, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_WRITE } from './mm/mm_struct.ts';
import { AddressSpace } from './mm/filemap.ts';
import { copyToUser } from './mm/uaccess.ts';
import { DEFAULT_ACTION } from './signal.ts';
import { newSigHand } from './fork.ts';
import { publishPriority } from './sched/core.ts';
import { PF_FORKNOEXEC, TASK_RUNNING, type Task } from './sched/task.ts';
import { exitItimers } from './time/posix_timers.ts';
import { VDSO_CODE } from './vdso.ts';

// execve (fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c).

/** Arguments and environment together: a quarter of the stack limit, at most 6 MiB (exec.c, bprm_stack_limits). */
const MAX_ARG_BYTES = 2 * 1024 * 1024;
const MAX_ARG_STRLEN = 32 * PAGE_SIZE;
const INTERP_DEPTH = 5;

interface Program {
  readonly file: File;
  readonly argv: readonly string[];
  readonly execfn: string;
  readonly image: ElfImage;
  readonly interp: { file: File; image: ElfImage } | null;
}

/** Opens for execution: permission, regular file, not on a noexec mount. */
function openExec(k: Kernel, start: Path, name: string): File | number {
  const path = pathWalk(k, start, name, true);
  return typeof path === 'number' ? path : openExecPath(k, path);
}
function openExecPath(k: Kernel, path: Path): File | number {
  const { inode } = path.dentry;
  if ((inode.mode & S_IFMT) !== S_IFREG) return -EACCES;
  const denied = inodePermission(k.current, inode, MAY_EXEC);
  if (denied < 0) return denied;
  if ((path.mnt.flags & 8) !== 0) return -EACCES;
  return k.vfs.newFile(path, inode.fop, 0);
}

/** The first line of a script after #!: interpreter and at most one argument. */
function parseShebang(head: Uint8Array): { interp: string; arg: string | null } | number {
  let end = head.indexOf(10);
  if (end < 0) end = head.length;
  let line = '';
  for (let i = 2; i < end; i++) line += String.fromCharCode(head[i]);
  line = line.replace(/^[ \t]+|[ \t\0]+$/g, '');
  if (line === '') return -ENOEXEC;
  const m = /^([^ \t\0]+)[ \t]*(.*)$/.exec(line);
  if (m === null) return -ENOEXEC;
  return { interp: m[1], arg: m[2] === '' ? null : m[2] };
}

/** Finds out what to run: follows #! lines, loads the ELF headers and those of its interpreter. */
function prepare(k: Kernel, start: Path, name: string, argv: readonly string[], direct: File | null): Program | number {
  let file = direct ?? openExec(k, start, name);
  if (typeof file === 'number') return file;
  let args = argv;
  const execfn = name;
  let scriptName = name;
  for (let depth = 0; ; depth++) {
    const mapping = file.inode.mapping;
    if (mapping === null) {
      k.vfs.fput(file);
      return -EACCES;
    }
    const head = new Uint8Array(Math.min(256, mapping.size));
    mapping.read(k, 0, head);
    if (head[0] === 0x23 && head[1] === 0x21) {
      const line = parseShebang(head);
      k.vfs.fput(file);
      if (typeof line === 'number') return line;
      if (depth >= INTERP_DEPTH) return -ELOOP;
      args = [line.interp, ...(line.arg === null ? [] : [line.arg]), scriptName, ...args.slice(1)];
      scriptName = line.interp;
      file = openExec(k, start, line.interp);
      if (typeof file === 'number') return file;
      continue;
    }
    const image = loadElf(k, file);
    if (typeof image === 'number') {
      k.vfs.fput(file);
      return image;
    }
    let interp: Program['interp'] = null;
    if (image.interp !== null) {
      const ifile = openExec(k, start, image.interp);
      const iimage = typeof ifile === 'number' ? ifile : loadElf(k, ifile);
      if (typeof ifile === 'number' || typeof iimage === 'number') {
        k.vfs.fput(file);
        if (typeof ifile !== 'number') k.vfs.fput(ifile);
        return typeof ifile === 'number' ? ifile : iimage === -ENOEXEC ? -80 : (iimage as number); // ELIBBAD
      }
      interp = { file: ifile, image: iimage };
    }
    return { file, argv: args, execfn, image, interp };
  }
}

/** Deterministic address-space randomisation: pages below 2^bits. */
function randomPages(k: Kernel, task: Task, bits: number): number {
  const off = k.mm.randomizeVaSpace === 0 || (task.personality & 0x40000) !== 0 || k.param('norandmaps') !== null;
  return off ? 0 : (k.random32() & ((1 << bits) - 1)) * PAGE_SIZE;
}

/**
 * Replaces the program of `task` (the caller is `task` itself, or the kernel for a process that has none yet). On success its user
 * registers lie in pt_regs, and in the machine when it is loaded. 0 or -errno (only before the point of no return).
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
  const program = prepare(k, start, name, argv.length === 0 ? [''] : argv, direct);
  if (typeof program === 'number') return program;
  let bytes = 0;
  for (const s of [...program.argv, ...envp]) {
    if (s.length >= MAX_ARG_STRLEN) return drop(k, program, -E2BIG);
    bytes += s.length + 9;
  }
  if (bytes > Math.min(MAX_ARG_BYTES, task.signal.rlimit(3) / 4)) return drop(k, program, -E2BIG);
  const mm = mmAlloc(k);
  if (mm === null) return drop(k, program, -ENOMEM);
  const oldMm = task.mm;
  const saved = k.current;
  // From here uaccess must see the new address space.
  k.current = task;
  task.mm = mm;
  const layout = setupMemory(k, task, mm, program, envp);
  if (typeof layout === 'number') {
    task.mm = oldMm;
    k.current = saved;
    mmPut(k, mm);
    return drop(k, program, layout);
  }
  // The point of no return.
  task.mm = oldMm;
  mmRelease(k, task);
  const survivor = deThread(k, task);
  if (survivor === task) {
    if (oldMm !== null) mmPut(k, oldMm);
  } else {
    becomeLeader(k, task, survivor);
  }
  survivor.mm = mm;
  k.machine.setPageTable(mm.pgd);
  k.current = saved === task ? survivor : saved;
  mm.exeFile = program.file;
  if (program.interp !== null) k.vfs.fput(program.interp.file);
  mm.publish();
  newIdentity(k, survivor, program);
  const { ram } = k;
  ram.fill(survivor.ptRegs, 256);
  ram.write64(survivor.ptRegs, layout.entry);
  ram.write64(survivor.ptRegs + 16, layout.sp);
  ram.fill(survivor.fpState, 264);
  if (k.sched.loaded === survivor) {
    k.machine.regs.load(survivor.ptRegs);
    k.machine.regs.loadFp(survivor.fpState);
  }
  return 0;
}
function drop(k: Kernel, program: Program, errno: number): number {
  k.vfs.fput(program.file);
  if (program.interp !== null) k.vfs.fput(program.interp.file);
  return errno;
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
  // The thread's own end takes its one off again.
  leader.signal.live++;
  doExit(k, task, 0);
  leader.state = TASK_RUNNING;
  k.sched.activate(leader);
}

/** What execve changes about a task besides its memory (begin_new_exec). */
function newIdentity(k: Kernel, task: Task, program: Program): void {
  const base = program.execfn.slice(program.execfn.lastIndexOf('/') + 1);
  task.comm = base;
  task.flags &= ~PF_FORKNOEXEC;
  if (task.sighand.users > 1) {
    task.sighand.users--;
    task.sighand = newSigHand(task.sighand);
  }
  const { action } = task.sighand;
  for (let i = 0; i < action.length; i++) if (action[i].handler !== SIG_IGN) action[i] = DEFAULT_ACTION;
  task.sigaltstack = { sp: 0, flags: 2, size: 0 };
  task.clearChildTid = 0;
  task.robustList = 0;
  task.keepCaps = false;
  exitItimers(k, task.signal, false);
  if (task.files.users > 1) {
    task.files.users--;
    task.files = task.files.dup();
  }
  task.files.closeAll(k, true);
  const inode = program.file.inode;
  const old = task.cred;
  let next: Cred = { ...old, suid: old.euid, sgid: old.egid, fsuid: old.euid, fsgid: old.egid };
  if ((program.file.path.mnt.flags & 2) === 0 && !task.noNewPrivs) {
    if ((inode.mode & S_ISUID) !== 0) next = { ...next, euid: inode.uid, suid: inode.uid, fsuid: inode.uid };
    if ((inode.mode & (S_ISGID | 0o10)) === (S_ISGID | 0o10)) next = { ...next, egid: inode.gid, sgid: inode.gid, fsgid: inode.gid };
  }
  if (next.euid === 0 || next.uid === 0) {
    const all = next.capBounding & CAP_FULL_SET;
    next = { ...next, capPermitted: all, capEffective: next.euid === 0 ? all : 0n };
  } else next = { ...next, capPermitted: next.capAmbient, capEffective: next.capAmbient };
  task.cred = next;
}

/** Maps the program, its interpreter, the stack and the vDSO, and writes the initial stack. */
function setupMemory(
  k: Kernel,
  task: Task,
  mm: MmStruct,
  program: Program,
  envp: readonly string[],
): { entry: number; sp: number } | number {
  const stackTop = TASK_SIZE - randomPages(k, task, 18) - PAGE_SIZE;
  const gap = Math.min(Math.max(task.signal.rlimit(3), 128 * 1024 * 1024), (TASK_SIZE / 6) * 5);
  mm.mmapBase = pageAlign(TASK_SIZE - gap - (1 << 30) - randomPages(k, task, 18));
  insertVma(k, mm, {
    start: stackTop - 34 * PAGE_SIZE,
    end: stackTop,
    flags: VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | (program.image.execStack ? VM_EXEC : 0),
    mapping: null,
    file: null,
    pgoff: 0,
    name: '[stack]',
  });
  const bias = program.image.dynamic
    ? program.interp !== null
      ? pageAlign((TASK_SIZE / 3) * 2) + randomPages(k, task, 18)
      : mm.mmapBase - pageAlign(program.image.end)
    : 0;
  const main = mapElf(k, mm, program.file, program.image, bias);
  if (typeof main === 'number') return main;
  let entry = main.entry;
  let interpBase = 0;
  if (program.interp !== null) {
    const { file, image } = program.interp;
    const span = pageAlign(image.end);
    const at = image.dynamic ? mm.mmapBase - span : 0;
    const r = mapElf(k, mm, file, image, at);
    if (typeof r === 'number') return r;
    mm.mmapBase = image.dynamic ? at : mm.mmapBase;
    interpBase = at;
    entry = r.entry;
  }
  mm.startCode = main.startCode;
  mm.endCode = main.endCode;
  mm.startData = main.startData;
  mm.endData = main.endData;
  mm.startBrk = mm.brk = pageAlign(main.end) + randomPages(k, task, 13);
  mm.vdso = mapVdso(k, mm);
  if (mm.vdso === 0) return -ENOMEM;
  return writeStack(k, task, mm, program, envp, { stackTop, entry, mainEntry: main.entry, phdr: main.phdr, interpBase });
}

function mapVdso(k: Kernel, mm: MmStruct): number {
  const mapping = k.vdsoPages ?? makeVdso(k);
  if (mapping === null) return 0;
  const start = mm.mmapBase - PAGE_SIZE;
  mm.mmapBase = start - 2 * PAGE_SIZE;
  insertVma(k, mm, {
    start,
    end: start + PAGE_SIZE,
    flags: VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYEXEC | VM_MAYWRITE,
    mapping,
    file: null,
    pgoff: 0,
    name: '[vdso]',
  });
  return start;
}
function makeVdso(k: Kernel): AddressSpace | null {
  const mapping = new AddressSpace();
  const code = new Uint8Array(VDSO_CODE.length * 4);
  const v = new DataView(code.buffer);
  VDSO_CODE.forEach((word, i) => v.setUint32(i * 4, word, true));
  if (mapping.write(k, 0, code) !== code.length) return null;
  mapping.size = PAGE_SIZE;
  k.vdsoPages = mapping;
  return mapping;
}

/** Strings, AT_RANDOM bytes, auxiliary vector, envp, argv, argc, from the top down (create_elf_tables). */
function writeStack(
  k: Kernel,
  task: Task,
  mm: MmStruct,
  program: Program,
  envp: readonly string[],
  at: { stackTop: number; entry: number; mainEntry: number; phdr: number; interpBase: number },
): { entry: number; sp: number } | number {
  let p = at.stackTop - 8;
  const failed = { bad: false };
  const put = (bytes: Uint8Array): number => {
    p -= bytes.length;
    if (copyToUser(k, p, bytes) < 0) failed.bad = true;
    return p;
  };
  const cstr = (s: string) => bytesOf(`${s}\0`);
  const execfn = put(cstr(program.execfn));
  const env = [...envp]
    .reverse()
    .map((s) => put(cstr(s)))
    .reverse();
  mm.envEnd = execfn;
  mm.envStart = mm.argEnd = p;
  const argv = [...program.argv]
    .reverse()
    .map((s) => put(cstr(s)))
    .reverse();
  mm.argStart = p;
  p = Math.floor(p / 16) * 16;
  const seed = new Uint8Array(16);
  k.host.entropy(seed);
  const random = put(seed);
  const secure = task.cred.uid !== task.cred.euid || task.cred.gid !== task.cred.egid ? 1 : 0;
  const auxv: readonly (readonly [number, number])[] = [
    [AT_HWCAP, HWCAP_IMAFDC],
    [AT_PAGESZ, PAGE_SIZE],
    [AT_CLKTCK, 100],
    [AT_PHDR, at.phdr],
    [AT_PHENT, 56],
    [AT_PHNUM, program.image.phnum],
    [AT_BASE, at.interpBase],
    [AT_FLAGS, 0],
    [AT_ENTRY, at.mainEntry],
    [AT_UID, task.cred.uid],
    [AT_EUID, task.cred.euid],
    [AT_GID, task.cred.gid],
    [AT_EGID, task.cred.egid],
    [AT_SECURE, secure],
    [AT_RANDOM, random],
    [AT_EXECFN, execfn],
    [AT_NULL, 0],
  ];
  const words = 1 + argv.length + 1 + env.length + 1 + auxv.length * 2;
  const sp = Math.floor((p - words * 8) / 16) * 16;
  const table = new Uint8Array(words * 8);
  const v = new DataView(table.buffer);
  let i = 0;
  const word = (n: number) => {
    v.setBigInt64(i, BigInt(n), true);
    i += 8;
  };
  word(argv.length);
  for (const a of argv) word(a);
  word(0);
  for (const e of env) word(e);
  word(0);
  const auxAt = i;
  for (const [key, value] of auxv) {
    word(key);
    word(value);
  }
  mm.auxv = table.slice(auxAt);
  if (failed.bad || copyToUser(k, sp, table) < 0) return -EFAULT;
  mm.startStack = sp;
  return { entry: at.entry, sp };
}
