import { EINVAL, EISDIR, errnoName } from './abi/errno.ts';
import { O_CREAT, O_NONBLOCK, O_TRUNC, O_WRONLY, S_IFDIR, S_IFMT } from './abi/fs.ts';
import { SI_KERNEL } from './abi/signal.ts';
import { asHost, CommandStreams, type OutputSink, type TerminalSize } from './command.ts';
import { consoleInput, consoleResize } from './kernel/drivers/tty/console.ts';
import { runKernel } from './kernel/entry.ts';
import { mountHostDirectory } from './kernel/fs/hostfs/super.ts';
import { filpOpen } from './kernel/fs/open.ts';
import type { File } from './kernel/fs/types.ts';
import type { Kernel } from './kernel/kernel.ts';
import { sprintSymbol } from './kernel/kallsyms.ts';
import { stringOf } from './kernel/lib/bytes.ts';
import { ioctlInput, ioctlProgram } from './host/ioctl_program.ts';
import { IovIter } from './kernel/lib/iov_iter.ts';
import type { MachineStatistics } from './machine/api.ts';
import { killPgrp, sendSignalTo } from './kernel/signal.ts';
import { kernelSpawn } from './kernel/usermode_helper.ts';

/** Instructions per turn of the host's event loop: some 40 ms of cold code. */
const TURN = 4_000_000;
/** The longest turn: system calls can take long without many instructions. */
const TURN_NSEC = 50_000_000;
const SIGKILL = 9;
const CHUNK = 65536;

const encoder = new TextEncoder();

export interface RunOptions {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** What the command reads before end of file. Default: end of file at once. */
  stdin?: string | Uint8Array;
  /** Milliseconds of host time (of virtual time in a seeded run); the command's process group is killed then. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface ExitInfo {
  /** Exit status as a shell shows it: 128+N after death by signal N. */
  exitCode: number;
  /** The signal's number when it died by one, else null. */
  signal: number | null;
  timedOut: boolean;
  oomKilled: boolean;
  /** The system stopped before the command ended (exitCode is 125). */
  halted?: HaltReason;
}

export interface RunResult extends ExitInfo {
  stdout: string;
  stderr: string;
}

export interface SpawnOptions extends Omit<RunOptions, 'stdin'> {
  onStdout?: OutputSink;
  onStderr?: OutputSink;
  /** Run it on a pseudoterminal of this size (all output goes to onStdout then). Without devpts in the guest it gets pipes. */
  terminal?: TerminalSize;
}

/** A guest command whose streams the caller drives. */
export interface GuestProcess {
  readonly pid: number;
  /** Settles when the command has taken the bytes, or can take none any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** End of file on its standard input. */
  end(): void;
  /** Signals its process group. */
  kill(signal: number): void;
  /** Its terminal has this size now. */
  resize(columns: number, rows: number): void;
  /** Nobody reads its standard output (1) or error (2) any more: further writes get SIGPIPE. */
  closeOutput(fd: 1 | 2): void;
  /** Rejects only when Lintel itself fails. */
  readonly done: Promise<ExitInfo>;
}

export interface LoadedModule {
  readonly name: string;
  /** @throws Error with rmmod's message when the kernel refuses. */
  rmmod(): Promise<void>;
}

/** Why and how a system stopped. */
export type HaltReason = 'poweroff' | 'halt' | 'restart' | 'panic';

interface Running {
  readonly pid: number;
  readonly streams: CommandStreams;
  exit: { code: number; oomKilled: boolean } | null;
  timedOut: boolean;
  /** Virtual ns. */
  readonly deadline: number;
  /** When it was killed for being late (virtual ns). */
  killedAt: number;
  timer: NodeJS.Timeout | null;
  readonly resolve: (info: ExitInfo) => void;
  readonly reject: (error: Error) => void;
}

const DEFAULT_ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  TERM: 'dumb',
  USER: 'root',
  LOGNAME: 'root',
};

/** A running system. Made by `boot`. */
export class Vm {
  /** The kernel inside, for views. Reading is safe; changing anything is not. */
  readonly kernel: Kernel;
  /** Host milliseconds from the call of boot to the first instruction of init. */
  readonly bootMilliseconds: number;
  /** Settles when the system powers off, halts, restarts or panics. */
  readonly halted: Promise<HaltReason>;
  private readonly running: Running[] = [];
  private haltResolve: (reason: HaltReason) => void = () => {};
  private turn: NodeJS.Immediate | NodeJS.Timeout | null = null;
  private readonly idleWaiters: (() => void)[] = [];
  private readonly attached: boolean;
  private readonly onClose: () => void;
  private stopped = false;

  /** @param attached a console session keeps the host process alive while the guest sleeps. */
  constructor(kernel: Kernel, bootMilliseconds: number, attached: boolean, onClose: () => void = () => {}) {
    this.kernel = kernel;
    this.bootMilliseconds = bootMilliseconds;
    this.attached = attached;
    this.onClose = onClose;
    this.halted = new Promise((resolve) => {
      this.haltResolve = resolve;
    });
    this.wake();
  }

  /** Instructions retired so far, by all CPUs. */
  get instructions(): number {
    return this.kernel.machine.instret;
  }
  /** How the machine runs the guest's code: what is translated, and what that takes. */
  get statistics(): MachineStatistics {
    return this.kernel.machine.statistics;
  }
  /** The kernel log as dmesg prints it. */
  dmesg(): string {
    return this.kernel.printk.dmesg();
  }
  /** Bytes typed at the console. */
  type(bytes: Uint8Array): void {
    consoleInput(this.kernel, bytes);
    this.wake();
  }
  resize(columns: number, rows: number): void {
    consoleResize(this.kernel, columns, rows);
    this.wake();
  }
  /** Settles the next time that nothing in the guest wants to run: after boot, when init has settled. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.idleWaiters.push(resolve);
      this.wake();
    });
  }

  /** Runs a command to its end and collects its output (decoded as UTF-8). */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const { stdin, ...rest } = options;
    const child = this.spawn(argv, { ...rest, onStdout: (b) => void out.push(b), onStderr: (b) => void err.push(b) });
    if (stdin !== undefined) void child.write(typeof stdin === 'string' ? encoder.encode(stdin) : stdin);
    child.end();
    const info = await child.done;
    return { stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8'), ...info };
  }

  /** Starts a command. One that cannot be executed ends at once with status 126 or 127 and a message on its standard error. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    const k = this.kernel;
    if (argv.length === 0) throw new TypeError('spawn wants a command');
    if (this.stopped || k.halted !== null) throw new Error('the system is not running');
    const sinks = { stdout: options.onStdout ?? (() => {}), stderr: options.onStderr ?? (() => {}) };
    const streams = new CommandStreams(k, sinks, options.terminal ?? null, () => this.wake());
    const env = Object.entries({ ...DEFAULT_ENV, ...options.env }).map(([name, value]) => toGuest(`${name}=${value}`));
    const request = { argv: argv.map(toGuest), env, cwd: toGuest(options.cwd ?? '/'), ...streams.guest, session: true };
    const pid = kernelSpawn(k, request);
    if (pid < 0) {
      const found = errnoName(pid) !== 'ENOENT';
      sinks.stderr(encoder.encode(`lintel: ${argv[0]}: ${found ? `cannot execute (${errnoName(pid)})` : 'not found'}\n`));
      const info: ExitInfo = { exitCode: found ? 126 : 127, signal: null, timedOut: false, oomKilled: false };
      const none = { write: () => Promise.resolve(), end() {}, kill() {}, resize() {}, closeOutput() {} };
      this.wake(); // what the attempt took is given back
      return { pid: -1, ...none, done: streams.close().then(() => info) };
    }
    return this.watch(pid, streams, options);
  }
  private watch(pid: number, streams: CommandStreams, options: SpawnOptions): GuestProcess {
    const k = this.kernel;
    let resolve: (info: ExitInfo) => void = () => {};
    let reject: (error: Error) => void = () => {};
    const done = new Promise<ExitInfo>((res, rej) => {
      [resolve, reject] = [res, rej];
    });
    done.catch(() => {}); // who does not wait for the command does not hear of its end
    const virtual = k.host.elapsed === null;
    const { timeout, signal } = options;
    const process: Running = {
      pid,
      streams,
      exit: null,
      timedOut: false,
      killedAt: Number.POSITIVE_INFINITY,
      deadline: virtual && timeout !== undefined ? k.time.now() + timeout * 1e6 : Number.POSITIVE_INFINITY,
      timer: null,
      resolve,
      reject,
    };
    if (!virtual && timeout !== undefined) process.timer = setTimeout(() => this.expire(process), timeout);
    const abort = () => this.killSession(pid);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    done.then(
      () => signal?.removeEventListener('abort', abort),
      () => {},
    );
    this.running.push(process);
    this.wake();
    return {
      pid,
      write: (bytes) => streams.write(bytes),
      end: () => streams.end(),
      resize: (columns, rows) => streams.resize({ columns, rows }),
      closeOutput: (fd) => streams.closeOutput(fd),
      kill: (nr) => {
        killPgrp(k, pid, nr);
        this.wake();
      },
      done,
    };
  }
  private expire(p: Running): void {
    if (p.exit !== null || p.timedOut) return;
    p.timedOut = true;
    p.killedAt = this.kernel.time.now();
    this.killSession(p.pid);
    if (this.kernel.host.elapsed !== null) p.timer = setTimeout(() => this.wake(), UNKILLABLE / 1e6);
  }
  /** A command that SIGKILL does not end: code of a module loops, or waits for what does not come. It stays in the system; who ran it is told. */
  private giveUp(p: Running): void {
    const k = this.kernel;
    for (const task of k.sched.tasks.values()) {
      if (task.pid !== p.pid && task.signal.sid !== p.pid) continue;
      if (task.exitState !== 0 || task.isKernelThread) continue;
      const running = k.sched.runQueues.some((rq) => rq.current === task);
      const pc = running ? k.machine.regs.pc : Number(task.kernelContext?.regs[0] ?? 0n);
      k.printk.log(3, `${task.comm}[${task.pid}] does not leave the kernel after SIGKILL: ${running ? 'it runs' : 'it waits'} at ${sprintSymbol(k, pc, 'S')}`);
    }
    p.exit = { code: SIGKILL, oomKilled: false };
  }
  /** SIGKILL for the command and everything in its session. */
  private killSession(sid: number): void {
    const k = this.kernel;
    for (const task of [...k.sched.tasks.values()]) {
      if (task.isLeader && !task.isKernelThread && (task.pid === sid || task.signal.sid === sid))
        sendSignalTo(k, task, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 }, true);
    }
    this.wake();
  }

  /** Writes a file of the guest, making it (mode 0644) or replacing its contents. @throws Error with the errno's name. */
  writeFile(path: string, contents: Uint8Array | string): void {
    const k = this.kernel;
    const bytes = typeof contents === 'string' ? encoder.encode(contents) : contents;
    const file = this.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK);
    asHost(k, () => {
      let n = 1;
      for (let at = 0; at < bytes.length && n > 0; at += n)
        n = file.op.write?.(k, file, IovIter.kernel(bytes.subarray(at, at + CHUNK)), at) ?? noSuchOp(file);
      k.vfs.fput(file);
      if (n <= 0) throw new Error(`cannot write ${path}: ${errnoName(n)}`);
    });
    this.wake();
  }
  /** Mounts a directory that the host shares, by its name; missing directories of `place` are made. 0 or -errno. */
  mountHost(source: string, place: string): number {
    const k = this.kernel;
    return asHost(k, () => mountHostDirectory(k, (k.sched.find(1) ?? k.current).fs.root, source, toGuest(place)));
  }
  /** Reads a whole file of the guest. @throws Error with the errno's name. */
  readFile(path: string): Uint8Array {
    const k = this.kernel;
    const file = this.open(path, O_NONBLOCK);
    const parts: Uint8Array[] = [];
    return asHost(k, () => {
      for (let at = 0; ; ) {
        const buffer = new Uint8Array(CHUNK);
        const n = file.op.read?.(k, file, IovIter.kernel(buffer), at) ?? noSuchOp(file);
        if (n <= 0) {
          k.vfs.fput(file);
          if (n < 0) throw new Error(`cannot read ${path}: ${errnoName(n)}`);
          return Buffer.concat(parts);
        }
        parts.push(buffer.subarray(0, n));
        at += n;
      }
    });
  }
  private open(path: string, flags: number): File {
    const k = this.kernel;
    const { current, sched } = k;
    const { loaded } = sched;
    k.current = sched.find(1) ?? sched.initTask;
    // No task is in the machine for it: devices of modules, whose open runs in the guest, are not opened from here.
    sched.loaded = null;
    const file = filpOpen(k, k.current.fs.root, toGuest(path), flags, 0o644);
    sched.loaded = loaded;
    k.current = current;
    if (typeof file === 'number') throw new Error(`cannot open ${path}: ${errnoName(file)}`);
    return file;
  }

  /** Loads a kernel module from bytes. @throws Error with insmod's message and the end of the log when the kernel refuses. */
  async insmodBytes(
    name: string,
    image: Uint8Array,
    parameters: Readonly<Record<string, string | number | boolean>> = {},
  ): Promise<LoadedModule> {
    const path = `/run/${name}.ko`;
    await this.run(['mkdir', '-p', '/run']);
    this.writeFile(path, image);
    const words = Object.entries(parameters).map(([key, value]) => `${key}=${/\s/.test(String(value)) ? `"${value}"` : value}`);
    const r = await this.run(['insmod', path, ...words]);
    await this.run(['rm', '-f', path]);
    if (r.exitCode !== 0) throw new Error(`insmod ${name}: ${r.stderr.trim() || `status ${r.exitCode}`}`);
    const loaded = name.replaceAll('-', '_');
    return {
      name: loaded,
      rmmod: async () => {
        const u = await this.run(['rmmod', loaded]);
        if (u.exitCode !== 0) throw new Error(`rmmod ${loaded}: ${u.stderr.trim() || `status ${u.exitCode}`}`);
      },
    };
  }

  /**
   * ioctl(2) on a file of the guest, by a process of its own that opens it for reading and writing and closes it again: the result (or -errno), and
   * what became of the buffer. `argument` is the value itself, or bytes to which the driver gets a pointer.
   * @throws Error when the process could not be run
   */
  async ioctl(path: string, request: number, argument: number | bigint | Uint8Array = 0): Promise<{ result: number; data: Uint8Array }> {
    const [program, input, output] = ['/run/lintel-ioctl', '/run/lintel-ioctl.in', '/run/lintel-ioctl.out'];
    await this.run(['mkdir', '-p', '/run']);
    this.writeFile(program, ioctlProgram());
    this.writeFile(input, ioctlInput(toGuest(path), request, argument));
    const r = await this.run(['sh', '-c', `chmod 755 ${program} && ${program} < ${input} > ${output}`]);
    if (r.exitCode !== 0) throw new Error(`ioctl ${path}: ${r.stderr.trim() || `status ${r.exitCode}`}`);
    const answer = this.readFile(output);
    await this.run(['rm', '-f', program, input, output]);
    const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
    return { result: Number(view.getBigInt64(0, true)), data: new Uint8Array(answer.subarray(8)) };
  }

  /** Stops the machine. Pending commands end with status 125. */
  close(): void {
    if (!this.stopped) this.onClose();
    this.stopped = true;
    if (this.turn !== null) {
      clearTimeout(this.turn as NodeJS.Timeout);
      clearImmediate(this.turn as NodeJS.Immediate);
      this.turn = null;
    }
    const halted = this.kernel.halted?.reason;
    for (const p of this.running.splice(0))
      this.settle(p, { exitCode: 125, signal: null, timedOut: p.timedOut, oomKilled: false, ...(halted === undefined ? {} : { halted }) });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Makes sure that a turn comes soon. */
  private wake(): void {
    if (this.stopped) return;
    if (this.turn !== null) clearTimeout(this.turn as NodeJS.Timeout);
    if (this.turn !== null) clearImmediate(this.turn as NodeJS.Immediate);
    this.turn = setImmediate(() => this.step());
  }

  private step(): void {
    this.turn = null;
    try {
      this.turnOver();
    } catch (e) {
      // A defect of Lintel: no guest input may come here (rule 10).
      this.fail(e instanceof Error ? e : new Error(String(e)));
    }
  }
  private fail(error: Error): void {
    const k = this.kernel;
    k.halted ??= { reason: 'panic', message: `internal error: ${error.message}` };
    for (const p of this.running.splice(0)) {
      if (p.timer !== null) clearTimeout(p.timer);
      p.reject(error);
    }
    this.haltResolve('panic');
    this.close();
  }

  private turnOver(): void {
    const k = this.kernel;
    const elapsed = k.host.elapsed;
    // What a seeded run does must not hang on when somebody takes its output: it stands still meanwhile.
    if (elapsed === null && this.running.some((p) => p.streams.held)) return;
    for (const p of this.running) p.streams.feed();
    if (elapsed !== null) {
      k.time.advanceTo(elapsed());
      k.turnEnds = elapsed() + TURN_NSEC;
    }
    const state = runKernel(k, TURN, false);
    const moved = this.collect();
    if (state === 'halted') {
      this.haltResolve((k.halted as { reason: HaltReason }).reason);
      this.close();
      return;
    }
    if (state === 'running' || moved) {
      this.wake();
      return;
    }
    for (const resolve of this.idleWaiters.splice(0)) resolve();
    if (elapsed === null) this.jump(state.idleUntil);
    else if (state.idleUntil !== Number.POSITIVE_INFINITY) {
      // Asleep: the next timer is waited for on the host's clock.
      const ms = Math.min(Math.max(0, (state.idleUntil - elapsed()) / 1e6), 1e9);
      const timer = setTimeout(() => this.step(), ms);
      if (this.running.length === 0 && !this.attached) timer.unref();
      this.turn = timer;
    }
  }
  /** Asleep in virtual time: on to the next timer or deadline. Without a command or a console time stands still. */
  private jump(idleUntil: number): void {
    if (this.running.length === 0 && !this.attached) return;
    const next = this.running.reduce((at, p) => Math.min(at, p.timedOut ? p.killedAt + UNKILLABLE : p.deadline), idleUntil);
    if (next === Number.POSITIVE_INFINITY) return;
    this.kernel.time.advanceTo(next);
    this.wake();
  }

  /** Moves input, output and ends of commands. True when something moved. */
  private collect(): boolean {
    const k = this.kernel;
    let moved = false;
    for (const e of k.exits.splice(0)) {
      const p = this.running.find((r) => r.pid === e.pid);
      if (p !== undefined) p.exit = { code: e.code, oomKilled: e.oomKilled };
      moved = true;
    }
    for (const p of [...this.running]) {
      if (k.time.now() >= p.deadline && p.exit === null && !p.timedOut) {
        this.expire(p);
        moved = true;
      }
      if (p.exit === null && k.time.now() >= p.killedAt + UNKILLABLE) this.giveUp(p);
      if (p.streams.feed()) moved = true;
      if (p.streams.drain(p.exit !== null)) moved = true;
      // Done when the command has ended; output that it left to others in the background is not waited for.
      if (p.exit !== null) {
        const { code, oomKilled } = p.exit;
        const sig = code & 0x7f;
        this.running.splice(this.running.indexOf(p), 1);
        this.settle(p, {
          exitCode: oomKilled ? 128 + SIGKILL : sig !== 0 ? 128 + sig : (code >> 8) & 0xff,
          signal: sig !== 0 ? sig : null,
          timedOut: p.timedOut,
          oomKilled,
        });
        moved = true;
      }
    }
    return moved;
  }
  private settle(p: Running, info: ExitInfo): void {
    if (p.timer !== null) clearTimeout(p.timer);
    p.streams.close().then(() => p.resolve(info));
  }
}

/** So long after SIGKILL (virtual ns) a command that is still there is given up: 100 ms, when a task that leaves the kernel at all has left it. */
const UNKILLABLE = 1e8;
const noSuchOp = (file: File) => ((file.inode.mode & S_IFMT) === S_IFDIR ? -EISDIR : -EINVAL);
/** Text of the host as a guest's byte string (UTF-8, one char per byte). */
function toGuest(text: string): string {
  return stringOf(encoder.encode(text));
}
