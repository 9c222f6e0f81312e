import { makeDev, S_IFCHR, S_IFDIR } from '../../abi/fs.ts';
import { COMPILER_BANNER, UTS_RELEASE, UTS_VERSION } from '../../abi/kernel_release.ts';
import type { MachineApi } from '../../machine/api.ts';
import { driverInit } from '../drivers/base/init.ts';
import { chrDevInit } from '../drivers/char/mem.ts';
import { kmsgOps } from '../drivers/char/kmsg.ts';
import { DriverCore } from '../drivers/core.ts';
import { ttyInit } from '../drivers/tty/console.ts';
import { doExecve } from '../exec.ts';
import { kernelProcess, linkThread, makeInitTask, taskCachesInit } from '../fork.ts';
import { kernelOpen, vfsMknod } from '../fs/open.ts';
import { procInit } from '../fs/proc/root.ts';
import { sysfsInit } from '../fs/sysfs/sysfs.ts';
import { tmpfsInit } from '../fs/tmpfs.ts';
import { Vfs } from '../fs/vfs.ts';
import type { HostDoors } from '../host.ts';
import { Kernel } from '../kernel.ts';
import { mmInit } from '../mm/mm.ts';
import { Printk } from '../printk/printk.ts';
import { Scheduler } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { Timekeeper } from '../time/timekeeping.ts';
import { unpackToRootfs } from './initramfs.ts';

export interface BootParameters {
  readonly commandLine: string;
  readonly cpus: number;
  readonly seed: number;
  /** A cpio archive (newc), decompressed. */
  readonly initramfs: Uint8Array;
}

/** Boots: everything up to the first instruction of /init, in the order of Linux's start_kernel. */
export function startKernel(machine: MachineApi, host: HostDoors, options: BootParameters): Kernel {
  const k = new Kernel(machine, host, options);
  k.time = new Timekeeper(k);
  machine.readTime = () => Math.floor(k.time.now() / 100);
  k.printk = new Printk(k);
  const log = (text: string, level = 6) => k.printk.log(level, text);
  log(`Linux version ${UTS_RELEASE} ${COMPILER_BANNER} ${UTS_VERSION}`, 5);
  log('Machine model: lintel');
  mmInit(k);
  const end = k.ram.size;
  log('Zone ranges:');
  log(`  DMA32    [mem 0x0000000000200000-0x${(end - 1).toString(16).padStart(16, '0')}]`);
  log('  Normal   empty');
  log('riscv: base ISA extensions acdfim');
  log('riscv: ELF capabilities acdfim');
  log(`Kernel command line: ${k.commandLine}`, 5);
  k.sched = new Scheduler(k);
  k.vfs = new Vfs(k);
  k.caches = taskCachesInit(k);
  log(`Memory: ${k.mm.pages.freePages * 4}K/${k.mm.pages.totalPages * 4}K available`);
  log(`SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=${k.cpus}, Nodes=1`);
  tmpfsInit(k);
  k.sched.initTask = makeInitTask(k);
  k.current = k.sched.initTask;
  k.sched.link(k.sched.initTask);
  linkThread(k, k.sched.initTask);
  k.sched.tasks.delete(0);
  if (k.cpus > 1) log(`smp: Brought up 1 node, ${k.cpus} CPUs`);
  k.drivers = new DriverCore(k);
  chrDevInit(k, kmsgOps);
  ttyInit(k);
  procInit(k);
  sysfsInit(k);
  driverInit(k);
  defaultRootfs(k);
  log('Trying to unpack rootfs image as initramfs...');
  const error = unpackToRootfs(k, options.initramfs);
  if (error !== null) log(`Initramfs unpacking failed: ${error}`, 0);
  log(`Freeing initrd memory: ${Math.ceil(options.initramfs.length / 1024)}K`);
  startInit(k);
  return k;
}

/** The built-in initramfs of every kernel: /dev, /dev/console, /root (usr/default_cpio_list). */
function defaultRootfs(k: Kernel): void {
  const root = { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root };
  const dev = vfsMknod(k, root, 'dev', S_IFDIR | 0o755, 0);
  if (typeof dev !== 'number') vfsMknod(k, { mnt: root.mnt, dentry: dev }, 'console', S_IFCHR | 0o600, makeDev(5, 1));
  vfsMknod(k, root, 'root', S_IFDIR | 0o700, 0);
}

const INIT_ENV = ['HOME=/', 'TERM=linux'];

/** Words of the command line that the kernel does not know go to init: names=values into its environment, others as arguments. */
function initArguments(k: Kernel): { args: string[]; env: string[] } {
  const known =
    /^(console|quiet|debug|loglevel|init|rdinit|norandmaps|panic|ro|rw|root|rootfstype|ignore_loglevel|maxcpus|nr_cpus|mem|printk\.\w+|[a-z_]+\.[a-z_]+)(=|$)/;
  const args: string[] = [];
  const env = [...INIT_ENV];
  let after = false;
  for (const word of k.commandLine.split(/\s+/).filter((w) => w !== '')) {
    if (after) args.push(word);
    else if (word === '--') after = true;
    else if (known.test(word)) continue;
    else if (word.includes('=')) {
      const name = word.slice(0, word.indexOf('=') + 1);
      const i = env.findIndex((e) => e.startsWith(name));
      if (i >= 0) env[i] = word;
      else env.push(word);
    } else args.push(word);
  }
  return { args, env };
}

/** kernel_init: pid 1 with the console on 0, 1 and 2. */
function startInit(k: Kernel): void {
  const task = kernelProcess(k, k.sched.initTask, k.sched.allocPid());
  if (typeof task === 'number') {
    k.panic('Unable to start init');
    return;
  }
  task.signal.pgid = 0;
  k.current = task;
  openConsole(k, task);
  const { args, env } = initArguments(k);
  const ramdisk = k.param('rdinit') ?? '/init';
  const tries = [
    ramdisk,
    ...(k.param('init') !== null ? [k.param('init') as string] : []),
    '/sbin/init',
    '/etc/init',
    '/bin/init',
    '/bin/sh',
  ];
  for (const path of tries) {
    const r = doExecve(k, task, task.fs.pwd, path, [path, ...args], env);
    if (r === 0) {
      k.printk.log(6, `Run ${path} as init process`);
      task.state = 0;
      k.sched.activate(task);
      return;
    }
    if (r !== -2) k.printk.log(3, `Failed to execute ${path} (error ${r})`);
  }
  k.panic('No working init found.  Try passing init= option to kernel. See Linux Documentation/admin-guide/init.rst for guidance.');
}
function openConsole(k: Kernel, task: Task): void {
  const file = kernelOpen(k, '/dev/console', 2);
  if (typeof file === 'number') {
    k.printk.log(4, 'Warning: unable to open an initial console.');
    return;
  }
  for (let fd = 0; fd < 3; fd++) {
    if (fd > 0) file.refs++;
    task.files.install(fd, file, false);
  }
}
