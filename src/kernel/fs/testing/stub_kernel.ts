import { TICK_NSEC } from '../../time/timekeeping.ts';
import { Machine } from '../../../machine/machine.ts';
import type { Cred } from '../../cred.ts';
import { FilesStruct, FsStruct } from '../file_table.ts';
import { Kernel } from '../../kernel.ts';
import { mmInit } from '../../mm/mm.ts';
import { mmAlloc } from '../../mm/mm_struct.ts';
import { doMmap, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../mm/mmap.ts';
import { finishWait } from '../../sched/wait.ts';
import { IpcNamespace } from '../../ipc/namespace.ts';
import { INIT_INUM } from '../../ns_common.ts';
import { initNsProxy } from '../../nsproxy.ts';
import type { MntNamespace } from '../mnt_namespace.ts';
import { INIT_USER_NS } from '../../user_namespace.ts';
import type { Task } from '../../sched/task.ts';
import { SigPending } from '../../signal_types.ts';
import { tmpfsInit } from '../tmpfs.ts';
import { Vfs } from '../vfs.ts';

const CAP_FULL_SET = (1n << 41n) - 1n;

// A kernel with a machine, memory management and the VFS but no scheduler: one task whose system calls are called directly. For tests.

export interface StubKernel {
  readonly k: Kernel;
  /** Base of the task's user memory, 1 MiB, read-write. */
  readonly userBase: number;
  /** Signals sent to the task since the last look. */
  readonly signals: number[];
  /** Moves the clock on. */
  advance(ns: number): void;
  setUid(uid: number): void;
  /** A signal comes for a blocked task; afterwards it is gone again. */
  interrupt(pending: boolean): void;
}

function rootCred(): Cred {
  return {
    uid: 0,
    gid: 0,
    suid: 0,
    sgid: 0,
    euid: 0,
    egid: 0,
    fsuid: 0,
    fsgid: 0,
    groups: [],
    capEffective: CAP_FULL_SET,
    capPermitted: CAP_FULL_SET,
    capInheritable: 0n,
    capBounding: CAP_FULL_SET,
    capAmbient: 0n,
    securebits: 0,
    userNs: INIT_USER_NS,
  };
}

export function stubKernel(memoryBytes = 48 << 20): StubKernel {
  const machine = Machine.create({ memoryBytes });
  const k = new Kernel(
    machine,
    { consoleWrite() {}, entropy: (b) => b.fill(7), bootTime: () => ({ sec: 1_700_000_000, nsec: 0 }), elapsed: null },
    {
      commandLine: '',
      cpus: 1,
      seed: 1,
    },
  );
  let now = 0;
  const signals: number[] = [];
  const loose = k as unknown as Record<string, unknown>;
  const wall = (ns: number) => ({ sec: 1_700_000_000 + Math.floor(ns / 1e9), nsec: ns % 1e9 });
  loose['time'] = { now: () => now, wall: () => wall(now), coarseWall: () => wall(now - (now % TICK_NSEC)) };
  loose['printk'] = { log() {} };
  loose['drivers'] = { openTarget: () => null, chrdevOps: () => null };
  mmInit(k);
  k.vfs = new Vfs(k);
  let cred = rootCred();
  const task = {
    pid: 1,
    tgid: 1,
    comm: 'test',
    state: 0,
    exitState: 0,
    flags: 0,
    io: { rchar: 0, wchar: 0, syscr: 0, syscw: 0 },
    files: new FilesStruct(),
    restart: null,
    waitEntries: [],
    timeout: Number.POSITIVE_INFINITY,
    timedOut: false,
    blocked: 0n,
    savedSigmask: null,
    pending: new SigPending(),
    mm: null,
    get cred() {
      return cred;
    },
    set cred(c: Cred) {
      cred = c;
    },
    capable: (n: number) => (cred.capEffective & (1n << BigInt(n))) !== 0n,
    signal: { pending: new SigPending(), pgid: 1, sid: 1, rlimit: (n: number) => (n === 7 ? 1024 : Number.POSITIVE_INFINITY) },
  };
  const current = task as unknown as Task;
  loose['sched'] = { tasks: new Map([[1, current]]), sendSignal: (_t: Task, n: number) => signals.push(n) };
  loose['modprobePath'] = ''; // as with an empty kernel.modprobe: it cannot start a program
  k.current = current;
  tmpfsInit(k);
  const root = { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root };
  current.fs = new FsStruct(root, root, 0o022);
  const mntNs: MntNamespace = { kind: 'mnt', inum: INIT_INUM.mnt, owner: INIT_USER_NS, root: k.vfs.rootMount };
  current.nsproxy = initNsProxy(mntNs, new IpcNamespace(INIT_USER_NS, INIT_INUM.ipc));
  current.pidNs = current.nsproxy.pidForChildren;
  const mm = mmAlloc(k);
  if (mm === null) throw new Error('no memory for the test');
  current.mm = mm;
  const userBase = doMmap(k, mm, null, 0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
  return {
    k,
    userBase,
    signals,
    advance(ns) {
      now += ns;
    },
    setUid(uid) {
      cred = { ...cred, euid: uid, egid: uid, fsuid: uid, fsgid: uid, capEffective: uid === 0 ? CAP_FULL_SET : 0n };
    },
    interrupt(pending) {
      finishWait(current);
      current.state = 0;
      task.pending.set = pending ? 1n : 0n;
      if (!pending) current.restart = null;
    },
  };
}
