import { ENOENT } from '../../abi/errno.ts';
import { makeDev, S_IFCHR, S_IFDIR } from '../../abi/fs.ts';
import { COMPILER_BANNER, UTS_RELEASE, UTS_VERSION } from '../../abi/kernel_release.ts';
import type { MachineApi } from '../../machine/api.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { SCOUNTEREN_TM } from '../cpufeature.ts';
import { driverInit } from '../drivers/base/init.ts';
import { chrDevInit } from '../drivers/char/mem.ts';
import { kmsgOps } from '../drivers/char/kmsg.ts';
import { DriverCore } from '../drivers/core.ts';
import { ttyInit } from '../drivers/tty/console.ts';
import { doExecve } from '../exec.ts';
import { forkIdle, kernelProcess, linkThread, makeInitTask, taskCachesInit } from '../fork.ts';
import { pathWalk } from '../fs/namei.ts';
import { kernelOpen, vfsMknod } from '../fs/open.ts';
import { putMounts } from '../fs/modfs/super.ts';
import { hostfsInit } from '../fs/hostfs/super.ts';
import { overlayInit } from '../fs/overlayfs/super.ts';
import { procInit } from '../fs/proc/root.ts';
import { debugfsInit } from '../fs/debugfs/debugfs.ts';
import { cgroupInit } from '../cgroup/cgroupfs.ts';
import { sysfsInit } from '../fs/sysfs/sysfs.ts';
import { tmpfsInit } from '../fs/tmpfs.ts';
import { Vfs } from '../fs/vfs.ts';
import type { HostDoors, ImageLayer } from '../host.ts';
import { Kernel } from '../kernel.ts';
import { hex64 } from '../lib/seq_file.ts';
import { KERNEL_IMAGE_SIZE, PAGE_SIZE } from '../mm/address.ts';
import { IMAGE_TEXT_SIZE, mmInit } from '../mm/mm.ts';
import { kswapdInit } from '../mm/vmscan.ts';
import { ipcInit } from '../ipc/init.ts';
import { netSysfsInit } from '../net/core/dev_proc.ts';
import { notifierInit } from '../notifier.ts';
import { netInit } from '../net/init.ts';
import { kprobesDebugfsInit } from '../kprobes/debugfs.ts';
import { PerCpu } from '../mm/percpu.ts';
import { beginAt, kthreaddInit } from '../kthread.ts';
import { exportInit } from '../module/exports.ts';
import { moduleProcInit } from '../module/procfs.ts';
import { printkParamsInit } from '../printk/sysctl.ts';
import { Printk, printkOptionsNotice } from '../printk/printk.ts';
import { Scheduler } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { Timekeeper } from '../time/timekeeping.ts';
import { timersInit } from '../time/timer.ts';
import { hungTaskInit } from '../hung_task.ts';
import { lockdownParam, securityfsInit } from '../security/lockdown.ts';
import { tracefsInit } from '../trace/tracefs.ts';
import { watchdogSysctlInit } from '../watchdog.ts';
import { builtinParamsInit, sysctlParamsInit } from './boot_params.ts';
import { initArguments } from './cmdline.ts';
import { graftImage } from './image_layer.ts';
import { unpackToRootfs } from './initramfs.ts';

export interface BootParameters {
  readonly commandLine: string;
  readonly cpus: number;
  readonly seed: number;
  /** A cpio archive (newc), decompressed. */
  readonly initramfs: Uint8Array;
  /** What the root file system holds besides; the archive is unpacked over it. */
  readonly image?: ImageLayer;
}

/** Boots: everything up to the first instruction of /init, in the order of Linux's start_kernel. The log says what is true of this machine. */
export function startKernel(machine: MachineApi, host: HostDoors, options: BootParameters): Kernel {
  const k = new Kernel(machine, host, options);
  k.time = new Timekeeper(k);
  machine.scounteren = SCOUNTEREN_TM;
  machine.readTime = () => Math.floor(k.time.now());
  k.printk = new Printk(k);
  const log = (text: string, level = 6) => k.printk.log(level, text);
  log(`Linux version ${UTS_RELEASE} ${COMPILER_BANNER} ${UTS_VERSION}`, 5);
  log('random: crng init done', 5);
  log('Machine model: lintel');
  printkOptionsNotice(k);
  setupArch(k);
  log(`Kernel command line: ${k.commandLine}`, 5);
  const { unknown } = initArguments(k);
  if (unknown.length > 0) log(`Unknown kernel command line parameters "${unknown.join(' ')}", will be passed to user space.`, 5);
  log(`Built 1 zonelists, mobility grouping ${k.mm.pages.mobility ? 'on' : 'off'}.  Total pages: ${k.mm.pages.totalPages}`);
  log(`SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=${k.cpus}, Nodes=1`);
  k.sched = new Scheduler(k);
  k.vfs = new Vfs(k);
  k.caches = taskCachesInit(k);
  log('sched_clock: 64 bits at 1000MHz, resolution 1ns, wraps every 4398046511103ns');
  log('Calibrating delay loop (skipped), value calculated using timer frequency.. 2000.00 BogoMIPS (lpj=4000000)');
  log('pid_max: default: 32768 minimum: 301');
  lockdownParam(k);
  log('LSM: initializing lsm=lockdown,capability');
  tmpfsInit(k);
  k.sched.initTask = makeInitTask(k);
  k.current = k.sched.initTask;
  k.sched.link(k.sched.initTask);
  linkThread(k, k.sched.initTask);
  k.sched.tasks.delete(0);
  k.sched.idle.push(k.sched.initTask);
  for (let cpu = 1; cpu < k.cpus; cpu++) k.sched.idle.push(forkIdle(k, cpu));
  log('smp: Bringing up secondary CPUs ...');
  log(`smp: Brought up 1 node, ${k.cpus} CPU${k.cpus > 1 ? 's' : ''}`);
  k.percpu = new PerCpu(k);
  exportInit(k);
  timersInit(k);
  notifierInit(k);
  for (const idle of k.sched.idle) {
    idle.isIdle = true;
    beginAt(k, idle, k.modules.returnStub);
  }
  logMemory(k);
  k.drivers = new DriverCore(k);
  log('devtmpfs: initialized');
  chrDevInit(k, kmsgOps);
  procInit(k);
  k.vfs.putModuleMounts = putMounts;
  hostfsInit(k);
  overlayInit(k);
  netInit(k);
  ipcInit(k);
  sysfsInit(k);
  cgroupInit(k);
  debugfsInit(k);
  kprobesDebugfsInit(k);
  tracefsInit(k);
  securityfsInit(k);
  moduleProcInit(k);
  watchdogSysctlInit(k);
  log('clocksource: Switched to clocksource riscv_clocksource');
  defaultRootfs(k);
  if (options.image !== undefined) {
    const wrong = graftImage(k, options.image);
    if (wrong !== null) log(`Root image: ${wrong}`, 0);
  }
  log('Trying to unpack rootfs image as initramfs...');
  const error = unpackToRootfs(k, options.initramfs);
  if (error !== null) log(`Initramfs unpacking failed: ${error}`, 0);
  log(`Freeing initrd memory: ${Math.ceil(options.initramfs.length / 1024)}K`);
  ttyInit(k);
  driverInit(k);
  netSysfsInit(k);
  printkParamsInit(k);
  builtinParamsInit(k);
  log('printk: legacy console [ttyS0] enabled');
  sysctlParamsInit(k);
  startInit(k);
  return k;
}

/** setup_arch: memory and what the processor can do. */
function setupArch(k: Kernel): void {
  const log = (text: string) => k.printk.log(6, text);
  mmInit(k);
  const range = (to: number) => `[mem 0x${hex64(RAM_BASE)}-0x${hex64(to - 1)}]`;
  const all = range(k.ram.size);
  log('Zone ranges:');
  log(`  DMA32    ${all}`);
  log('  Normal   empty');
  log('Movable zone start for each node');
  log('Early memory node ranges');
  log(`  node   0: ${all}`);
  log(`Initmem setup node 0 ${all}`);
  log('riscv: base ISA extensions acdfim');
  log('riscv: ELF capabilities acdfim');
}

/** mem_init_print_info. */
function logMemory(k: Kernel): void {
  const kib = PAGE_SIZE / 1024;
  const { pages } = k.mm;
  const image = KERNEL_IMAGE_SIZE / 1024;
  k.printk.log(
    6,
    `Memory: ${pages.freePages * kib}K/${pages.totalPages * kib}K available (${IMAGE_TEXT_SIZE / 1024}K kernel code, ${image - IMAGE_TEXT_SIZE / 1024}K rwdata, 0K rodata, 0K init, 0K bss, ${(pages.totalPages - pages.freePages) * kib}K reserved, 0K cma-reserved)`,
  );
}

/** The built-in initramfs of every kernel: /dev, /dev/console, /root (usr/default_cpio_list). */
function defaultRootfs(k: Kernel): void {
  const root = { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root };
  const dev = vfsMknod(k, root, 'dev', S_IFDIR | 0o755, 0);
  if (typeof dev !== 'number') vfsMknod(k, { mnt: root.mnt, dentry: dev }, 'console', S_IFCHR | 0o600, makeDev(5, 1));
  vfsMknod(k, root, 'root', S_IFDIR | 0o700, 0);
}

/** kernel_init: pid 1 with the console on 0, 1 and 2. */
function startInit(k: Kernel): void {
  const task = kernelProcess(k, k.sched.initTask, k.sched.allocPid());
  if (typeof task === 'number') {
    k.panic('Unable to start init');
    return;
  }
  task.signal.pgid = 0;
  kthreaddInit(k);
  hungTaskInit(k);
  kswapdInit(k);
  k.current = task;
  openConsole(k, task);
  const rdinit = k.param('rdinit') ?? '/init';
  if (typeof pathWalk(k, task.fs.root, rdinit, true) !== 'number') {
    const r = runInitProcess(k, task, rdinit);
    if (r === 0) return;
    k.printk.log(3, `Failed to execute ${rdinit} (error ${r})`);
  }
  const requested = k.param('init');
  if (requested !== null) {
    const r = runInitProcess(k, task, requested);
    if (r !== 0) k.panic(`Requested init ${requested} failed (error ${r}).`);
    return;
  }
  for (const path of ['/sbin/init', '/etc/init', '/bin/init', '/bin/sh']) {
    const r = runInitProcess(k, task, path);
    if (r === 0) return;
    if (r !== -ENOENT) k.printk.log(3, `Starting init: ${path} exists but couldn't execute it (error ${r})`);
  }
  k.panic('No working init found.  Try passing init= option to kernel. See Linux Documentation/admin-guide/init.rst for guidance.');
}
function runInitProcess(k: Kernel, task: Task, path: string): number {
  const { args, env } = initArguments(k);
  const argv = [path, ...args];
  k.printk.log(6, `Run ${path} as init process`);
  k.printk.log(7, '  with arguments:');
  for (const a of argv) k.printk.log(7, `    ${a}`);
  k.printk.log(7, '  with environment:');
  for (const e of env) k.printk.log(7, `    ${e}`);
  const r = doExecve(k, task, task.fs.pwd, path, argv, env);
  if (r !== 0) return r;
  task.state = 0;
  k.sched.activate(task);
  return 0;
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
