import { O_RDWR } from '../abi/fs.ts';
import { doExecve } from './exec.ts';
import { dropResources, reap } from './exit.ts';
import { kernelProcess } from './fork.ts';
import type { File } from './fs/types.ts';
import { pathWalk } from './fs/namei.ts';
import { kernelOpen } from './fs/open.ts';
import type { Kernel } from './kernel.ts';
import { EXIT_ZOMBIE, type Task } from './sched/task.ts';

/** A process that the kernel starts on behalf of the host (like call_usermodehelper): child of init, reported in Kernel.exits. */
export interface SpawnRequest {
  /** The program: an absolute path, or a name looked up in PATH of `env`. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Standard input, output, error; references are taken over. */
  readonly files: readonly File[];
  /** Instead of `files`: a terminal that it opens and that becomes its controlling one. */
  readonly terminal: string | null;
  /** Give it a session of its own. */
  readonly session: boolean;
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
  if (r < 0) {
    for (const f of request.files) k.vfs.fput(f);
    // The program may have got as far as an address space of its own.
    dropResources(k, task);
    task.exitState = EXIT_ZOMBIE;
    reap(k, task);
    return r;
  }
  task.watched = true;
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
  let result = -2;
  for (const path of tries) {
    const r = doExecve(k, task, cwd, path, request.argv, request.env);
    if (r === 0) {
      const files = request.terminal === null ? request.files : openTerminal(k, request.terminal);
      if (typeof files === 'number') return files;
      files.forEach((file, fd) => {
        task.files.install(fd, file, false);
      });
      return 0;
    }
    if (r !== -2 && r !== -20) result = r;
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
function searchPath(env: readonly string[]): string[] {
  const path = env.find((e) => e.startsWith('PATH='))?.slice(5) ?? '/sbin:/usr/sbin:/bin:/usr/bin';
  return path.split(':').map((d) => (d === '' ? '.' : d));
}
