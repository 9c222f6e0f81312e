import { ENOENT, ENOTDIR } from '../abi/errno.ts';
import { O_RDWR } from '../abi/fs.ts';
import { doExecve } from './exec.ts';
import { dropResources, reap } from './exit.ts';
import { kernelProcess } from './fork.ts';
import type { File } from './fs/types.ts';
import { pathWalk } from './fs/namei.ts';
import { kernelOpen } from './fs/open.ts';
import type { Kernel } from './kernel.ts';
import { EXIT_ZOMBIE, type Task } from './sched/task.ts';
import { waitKillable, waitUninterruptible, wakeUpAll } from './sched/wait.ts';

/** A process that the kernel starts on behalf of the host (like call_usermodehelper): child of init, reported in Kernel.exits. */
export interface SpawnRequest {
  /** The program: an absolute path, or a name looked up in PATH of `env`. */
  readonly argv: readonly string[];
  /** What the program gets as its arguments, when that is something else. */
  readonly arguments?: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Standard input, output, error; references are taken over. */
  readonly files: readonly File[];
  /** Instead of `files`: a terminal that it opens and that becomes its controlling one. */
  readonly terminal: string | null;
  /** Give it a session of its own. */
  readonly session: boolean;
  /** A program of the kernel's own accord: the number under which its end is reported in Kernel.helperRuns, 0 = nobody asks. */
  readonly helper?: number;
}

/** Starts it. The pid, or -errno of execve (-ENOENT when PATH has no such program). */
export function kernelSpawn(k: Kernel, request: SpawnRequest): number {
  const saved = k.current;
  const parent = k.sched.find(1) ?? k.sched.initTask;
  const task = kernelProcess(k, parent);
  if (typeof task === 'number') return task;
  k.current = task;
  const r = setup(k, task, request);
  k.current = saved;
  // execve looked through the new address space; who asked goes on in his own.
  k.machine.setPageTable(saved.mm?.pgd ?? k.mm.swapperPgDir);
  if (r < 0) {
    for (const f of request.files) k.vfs.fput(f);
    // The program may have got as far as an address space of its own.
    dropResources(k, task);
    task.exitState = EXIT_ZOMBIE;
    reap(k, task);
    return r;
  }
  task.watched = request.helper === undefined;
  task.helper = request.helper ?? 0;
  task.isHelper = request.helper !== undefined;
  task.state = 0;
  k.sched.activate(task);
  return task.pid;
}

function setup(k: Kernel, task: Task, request: SpawnRequest): number {
  task.signal.pgid = task.pid;
  task.signal.sid = request.session ? task.pid : 0;
  const root = k.sched.find(1)?.fs.root ?? task.fs.root;
  task.fs.root = root;
  task.fs.pwd = root;
  const cwd = pathWalk(k, root, request.cwd, true);
  if (typeof cwd === 'number') return cwd;
  task.fs.pwd = cwd;
  const name = request.argv[0];
  const tries = name.includes('/') ? [name] : searchPath(request.env).map((dir) => `${dir}/${name}`);
  let result = -ENOENT;
  for (const path of tries) {
    const r = doExecve(k, task, cwd, path, request.arguments ?? request.argv, request.env);
    if (r === 0) {
      const files = request.terminal === null ? request.files : openTerminal(k, request.terminal);
      if (typeof files === 'number') return files;
      files.forEach((file, fd) => {
        task.files.install(fd, file, false);
      });
      return 0;
    }
    if (r !== -ENOENT && r !== -ENOTDIR) result = r;
  }
  return result;
}
/** Standard input, output and error on the terminal at `path`. */
function openTerminal(k: Kernel, path: string): File[] | number {
  const file = kernelOpen(k, path, O_RDWR);
  if (typeof file === 'number') return file;
  file.refs += 2;
  return [file, file, file];
}
const UMH_NO_WAIT = 0;
const UMH_WAIT_PROC = 2;
const UMH_KILLABLE = 4;
/** call_usermodehelper: what the program's wait status is (UMH_WAIT_PROC), 0 or -errno of starting it. BLOCKED while it runs. */
export function callUsermodeHelper(k: Kernel, path: string, argv: readonly string[], env: readonly string[], wait: number): number {
  const task = k.current;
  let run = task.restart?.['helper'] as number | undefined;
  if (run === undefined) {
    if (path === '') return 0;
    run = (wait & UMH_WAIT_PROC) !== 0 ? ++k.nextHelper : 0;
    const r = kernelSpawn(k, { argv: [path], arguments: argv, env, cwd: '/', files: [], terminal: null, session: true, helper: run });
    if (r < 0) return wait === UMH_NO_WAIT ? 0 : r;
    if (run === 0) return 0;
    task.restart = { ...task.restart, helper: run };
  }
  const status = k.helperRuns.get(run);
  if (status === undefined) return (wait & UMH_KILLABLE) !== 0 ? waitKillable(k, k.helperWait) : waitUninterruptible(k, k.helperWait);
  k.helperRuns.delete(run);
  task.restart = { ...task.restart, helper: undefined };
  return status;
}
/** The end of a helper that somebody waits for. */
export function helperEnded(k: Kernel, run: number, status: number): void {
  k.helperRuns.set(run, status);
  wakeUpAll(k, k.helperWait);
}
function searchPath(env: readonly string[]): string[] {
  const path = env.find((e) => e.startsWith('PATH='))?.slice(5) ?? '/sbin:/usr/sbin:/bin:/usr/bin';
  return path.split(':').map((d) => (d === '' ? '.' : d));
}
