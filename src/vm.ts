import { EAGAIN, errnoName } from './abi/errno.ts';
import { O_NONBLOCK } from './abi/fs.ts';
import { consoleInput, consoleResize } from './kernel/drivers/tty/console.ts';
import { runKernel } from './kernel/entry.ts';
import { createPipe } from './kernel/fs/pipe.ts';
import { filpOpen } from './kernel/fs/open.ts';
import type { File } from './kernel/fs/types.ts';
import type { Kernel } from './kernel/kernel.ts';
import { stringOf } from './kernel/lib/bytes.ts';
import { IovIter } from './kernel/lib/iov_iter.ts';
import { formatRecord } from './kernel/printk/printk.ts';
import { killPgrp, sendSignalTo } from './kernel/signal.ts';
import { kernelSpawn } from './kernel/usermode_helper.ts';

/** Instructions per turn of the host's event loop: some 40 ms of cold code. */
const TURN = 4_000_000;
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
}

export interface RunResult extends ExitInfo {
  stdout: string;
  stderr: string;
}

export interface SpawnOptions extends RunOptions {
  onStdout?: (bytes: Uint8Array) => void;
  onStderr?: (bytes: Uint8Array) => void;
}

/** A guest command whose streams the caller drives. */
export interface GuestProcess {
  readonly pid: number;
  write(bytes: Uint8Array): void;
  /** End of file on its standard input. */
  end(): void;
  /** Signals its process group. */
  kill(signal: number): void;
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
  stdin: File | null;
  readonly pendingInput: Uint8Array[];
  ending: boolean;
  readonly outputs: { file: File | null; sink: (bytes: Uint8Array) => void }[];
  exit: { code: number; oomKilled: boolean } | null;
  timedOut: boolean;
  readonly deadline: number;
  timer: NodeJS.Timeout | null;
  readonly resolve: (info: ExitInfo) => void;
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
  private stopped = false;

  /** @param attached a console session keeps the host process alive while the guest sleeps. */
  constructor(kernel: Kernel, bootMilliseconds: number, attached: boolean) {
    this.kernel = kernel;
    this.bootMilliseconds = bootMilliseconds;
    this.attached = attached;
    this.halted = new Promise((resolve) => {
      this.haltResolve = resolve;
    });
    this.wake();
  }

  /** Instructions retired so far, by all CPUs. */
  get instructions(): number {
    return this.kernel.machine.instret;
  }
  /** The kernel log as dmesg prints it. */
  dmesg(): string {
    return this.kernel.printk.records.map((r) => `${formatRecord(r)}\n`).join('');
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
    const child = this.spawn(argv, { ...options, onStdout: (b) => out.push(b), onStderr: (b) => err.push(b) });
    if (options.stdin !== undefined) child.write(typeof options.stdin === 'string' ? encoder.encode(options.stdin) : options.stdin);
    child.end();
    const info = await child.done;
    return { stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8'), ...info };
  }

  /** Starts a command. One that cannot be executed ends at once with status 126 or 127 and a message on its standard error. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): GuestProcess {
    const k = this.kernel;
    if (argv.length === 0) throw new TypeError('spawn wants a command');
    if (this.stopped || k.halted !== null) throw new Error('the system is not running');
    const [inRead, inWrite] = createPipe(k, 0);
    const [outRead, outWrite] = createPipe(k, 0);
    const [errRead, errWrite] = createPipe(k, 0);
    for (const f of [inWrite, outRead, errRead]) f.flags |= O_NONBLOCK;
    const env = Object.entries({ ...DEFAULT_ENV, ...options.env }).map(([name, value]) => toGuest(`${name}=${value}`));
    const pid = kernelSpawn(k, {
      argv: argv.map(toGuest),
      env,
      cwd: toGuest(options.cwd ?? '/'),
      files: [inRead, outWrite, errWrite],
      session: true,
    });
    const onStderr = options.onStderr ?? (() => {});
    if (pid < 0) {
      for (const f of [inWrite, outRead, errRead]) k.vfs.fput(f);
      const found = errnoName(pid) !== 'ENOENT';
      onStderr(encoder.encode(`lintel: ${argv[0]}: ${found ? `cannot execute (${errnoName(pid)})` : 'not found'}\n`));
      const info: ExitInfo = { exitCode: found ? 126 : 127, signal: null, timedOut: false, oomKilled: false };
      return { pid: -1, write() {}, end() {}, kill() {}, done: Promise.resolve(info) };
    }
    let resolve: (info: ExitInfo) => void = () => {};
    const done = new Promise<ExitInfo>((r) => {
      resolve = r;
    });
    const virtual = k.host.elapsed === null;
    const process: Running = {
      pid,
      stdin: inWrite,
      pendingInput: [],
      ending: false,
      outputs: [
        { file: outRead, sink: options.onStdout ?? (() => {}) },
        { file: errRead, sink: onStderr },
      ],
      exit: null,
      timedOut: false,
      deadline: virtual && options.timeout !== undefined ? k.time.now() + options.timeout * 1e6 : Number.POSITIVE_INFINITY,
      timer: null,
      resolve,
    };
    const expire = () => {
      if (process.exit !== null) return;
      process.timedOut = true;
      this.killGroup(pid, SIGKILL);
    };
    if (!virtual && options.timeout !== undefined) process.timer = setTimeout(expire, options.timeout);
    options.signal?.addEventListener('abort', () => this.killGroup(pid, SIGKILL), { once: true });
    this.running.push(process);
    this.wake();
    return {
      pid,
      write: (bytes) => {
        process.pendingInput.push(bytes.slice());
        this.wake();
      },
      end: () => {
        process.ending = true;
        this.wake();
      },
      kill: (signal) => this.killGroup(pid, signal),
      done,
    };
  }

  private killGroup(pid: number, signal: number): void {
    const task = this.kernel.sched.find(pid);
    killPgrp(this.kernel, pid, signal);
    if (task !== undefined) sendSignalTo(this.kernel, task, { signo: signal, code: 0x80, pid: 0, uid: 0 }, true);
    this.wake();
  }

  /** Writes a file of the guest, making it (mode 0644) or replacing its contents. @throws Error with the errno's name. */
  writeFile(path: string, contents: Uint8Array | string): void {
    const k = this.kernel;
    const bytes = typeof contents === 'string' ? encoder.encode(contents) : contents;
    const file = this.open(path, 0o1101);
    for (let at = 0; at < bytes.length; ) {
      const n = file.op.write?.(k, file, IovIter.kernel(bytes.subarray(at, at + CHUNK)), at) ?? -1;
      if (n <= 0) {
        k.vfs.fput(file);
        throw new Error(`cannot write ${path}: ${errnoName(n)}`);
      }
      at += n;
    }
    k.vfs.fput(file);
  }
  /** Reads a whole file of the guest. @throws Error with the errno's name. */
  readFile(path: string): Uint8Array {
    const k = this.kernel;
    const file = this.open(path, O_NONBLOCK);
    const parts: Uint8Array[] = [];
    for (let at = 0; ; ) {
      const buffer = new Uint8Array(CHUNK);
      const n = file.op.read?.(k, file, IovIter.kernel(buffer), at) ?? -22;
      if (n <= 0) {
        k.vfs.fput(file);
        if (n < 0) throw new Error(`cannot read ${path}: ${errnoName(n)}`);
        return Buffer.concat(parts);
      }
      parts.push(buffer.subarray(0, n));
      at += n;
    }
  }
  private open(path: string, flags: number): File {
    const k = this.kernel;
    const saved = k.current;
    k.current = k.sched.find(1) ?? k.sched.initTask;
    const file = filpOpen(k, k.current.fs.root, toGuest(path), flags, 0o644);
    k.current = saved;
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

  /** Stops the machine. Pending commands end with status 125. */
  close(): void {
    this.stopped = true;
    if (this.turn !== null) {
      clearTimeout(this.turn as NodeJS.Timeout);
      clearImmediate(this.turn as NodeJS.Immediate);
      this.turn = null;
    }
    for (const p of this.running.splice(0)) this.settle(p, { exitCode: 125, signal: null, timedOut: p.timedOut, oomKilled: false });
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
    const k = this.kernel;
    const elapsed = k.host.elapsed;
    for (const p of this.running) this.feed(p);
    if (elapsed !== null) k.time.advanceTo(elapsed());
    const state = runKernel(k, TURN);
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
    // Asleep. In a seeded run only input can change that; else the next timer is waited for on the host's clock.
    if (elapsed !== null && state.idleUntil !== Number.POSITIVE_INFINITY) {
      const ms = Math.min(Math.max(0, (state.idleUntil - elapsed()) / 1e6), 1e9);
      const timer = setTimeout(() => this.step(), ms);
      if (this.running.length === 0 && !this.attached) timer.unref();
      this.turn = timer;
    }
  }

  /** Pushes waiting input into a command's pipe. */
  private feed(p: Running): void {
    const k = this.kernel;
    while (p.stdin !== null && p.pendingInput.length > 0) {
      const chunk = p.pendingInput[0];
      const n = p.stdin.op.write?.(k, p.stdin, IovIter.kernel(chunk), 0) ?? -1;
      if (n === -EAGAIN) return;
      if (n < 0) {
        p.pendingInput.length = 0;
        break;
      }
      if (n < chunk.length) p.pendingInput[0] = chunk.subarray(n);
      else p.pendingInput.shift();
    }
    if (p.ending && p.pendingInput.length === 0 && p.stdin !== null) {
      k.vfs.fput(p.stdin);
      p.stdin = null;
    }
  }

  /** Takes output and ends of commands. True when something moved. */
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
        p.timedOut = true;
        this.killGroup(p.pid, SIGKILL);
        moved = true;
      }
      for (const o of p.outputs) {
        while (o.file !== null) {
          const buffer = new Uint8Array(CHUNK);
          const n = o.file.op.read?.(k, o.file, IovIter.kernel(buffer), 0) ?? 0;
          if (n > 0) {
            o.sink(buffer.subarray(0, n));
            moved = true;
          } else if (n === 0) {
            k.vfs.fput(o.file);
            o.file = null;
          } else break;
        }
      }
      // Done when the command has ended; output that it left to others in the background is not waited for.
      if (p.exit !== null) {
        const { code, oomKilled } = p.exit;
        const sig = code & 0x7f;
        this.running.splice(this.running.indexOf(p), 1);
        this.settle(p, {
          exitCode: oomKilled ? 137 : sig !== 0 ? 128 + sig : (code >> 8) & 0xff,
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
    const k = this.kernel;
    if (p.timer !== null) clearTimeout(p.timer);
    if (p.stdin !== null) k.vfs.fput(p.stdin);
    for (const o of p.outputs) if (o.file !== null) k.vfs.fput(o.file);
    p.stdin = null;
    for (const o of p.outputs) o.file = null;
    p.resolve(info);
  }
}

/** Text of the host as a guest's byte string (UTF-8, one char per byte). */
function toGuest(text: string): string {
  return stringOf(encoder.encode(text));
}
