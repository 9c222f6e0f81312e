import { CONTROLLERS } from '../../cgroup/cgroup.ts';
import { showSwaps } from '../../mm/swapfile.ts';
import { COMPILER_BANNER, UTS_RELEASE, UTS_VERSION } from '../../../abi/kernel_release.ts';
import { RAM_BASE } from '../../../machine/layout.ts';
import { ISA_STRING } from '../../cpufeature.ts';
import { hex } from '../../lib/seq_file.ts';
import { KERNEL_IMAGE_SIZE } from '../../mm/address.ts';
import { IMAGE_TEXT_SIZE } from '../../mm/mm.ts';
import { cryptoProcInit } from '../../crypto/proc.ts';
import { sysrqInit } from '../../drivers/tty/sysrq.ts';
import type { Kernel } from '../../kernel.ts';
import { showLocks } from '../locks.ts';
import { TASK_UNINTERRUPTIBLE } from '../../sched/task.ts';

// Small files at the top of /proc: version, uptime, loadavg, stat, cpuinfo and others (fs/proc/*.c, arch/riscv/kernel/cpu.c).

const NSEC_PER_SEC = 1e9;
const CAP_SYS_ADMIN = 21;
/** USER_HZ is 100. */
const NSEC_PER_TICK = 1e7;

const twoDigits = (n: number) => String(n).padStart(2, '0');
/** Seconds with two decimals. */
export function seconds(ns: number): string {
  const centi = Math.floor(ns / NSEC_PER_TICK);
  return `${Math.floor(centi / 100)}.${twoDigits(centi % 100)}`;
}

export const versionText = () => `Linux version ${UTS_RELEASE} ${COMPILER_BANNER} ${UTS_VERSION}\n`;

/** What a processor did not spend on tasks. */
const idleOf = (k: Kernel, rq: { readonly userNs: number; readonly systemNs: number }) =>
  Math.max(0, k.time.now() - rq.userNs - rq.systemNs);

function showUptime(k: Kernel): string {
  let idle = 0;
  for (const rq of k.sched.runQueues) idle += idleOf(k, rq);
  return `${seconds(k.time.now() + k.current.nsproxy.time.offsets.boottime)} ${seconds(idle)}\n`;
}
function showLoadavg(k: Kernel): string {
  const two = (n: number) => {
    const centi = Math.floor(n * 100 + 0.5);
    return `${Math.floor(centi / 100)}.${twoDigits(centi % 100)}`;
  };
  const [a, b, c] = k.sched.loadAvg;
  // The reader runs and is counted.
  let running = 0;
  for (const t of k.sched.tasks.values()) if (t.exitState === 0 && t.state === 0 && t.pid !== 0) running++;
  return `${two(a)} ${two(b)} ${two(c)} ${Math.max(1, running)}/${[...k.sched.tasks.values()].filter((t) => t.pid !== 0).length} ${k.sched.lastAllocatedPid}\n`;
}
function showStat(k: Kernel): string {
  const t = (ns: number) => Math.floor(ns / NSEC_PER_TICK);
  const line = (name: string, user: number, system: number, idle: number) => `${name} ${t(user)} 0 ${t(system)} ${t(idle)} 0 0 0 0 0 0\n`;
  let user = 0;
  let system = 0;
  let idle = 0;
  let cpus = '';
  for (const rq of k.sched.runQueues) {
    user += rq.userNs;
    system += rq.systemNs;
    idle += idleOf(k, rq);
    cpus += line(`cpu${rq.cpu}`, rq.userNs, rq.systemNs, idleOf(k, rq));
  }
  const wall = k.time.wall();
  const boot = Math.floor(wall.sec + wall.nsec / NSEC_PER_SEC - k.time.now() / NSEC_PER_SEC);
  let running = 0;
  let blocked = 0;
  for (const task of k.sched.tasks.values()) {
    if (task.exitState !== 0 || task.pid === 0) continue;
    if (task.state === 0) running++;
    else if ((task.state & TASK_UNINTERRUPTIBLE) !== 0) blocked++;
  }
  return (
    `${line('cpu ', user, system, idle)}${cpus}intr 0\nctxt ${k.sched.switches}\nbtime ${boot}\nprocesses ${k.sched.totalForks}\n` +
    `procs_running ${Math.max(1, running)}\nprocs_blocked ${blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`
  );
}
export function cpuinfoText(cpus: number): string {
  let out = '';
  for (let i = 0; i < cpus; i++) {
    out += `processor\t: ${i}\nhart\t\t: ${i}\nisa\t\t: ${ISA_STRING}\nmmu\t\t: sv39\nmvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: ${ISA_STRING}\n\n`;
  }
  return out;
}
/** The order in which Linux's initcalls register them. */
const FILESYSTEM_ORDER = [
  'sysfs',
  'tmpfs',
  'proc',
  'devtmpfs',
  'debugfs',
  'tracefs',
  'securityfs',
  'sockfs',
  'pipefs',
  'ramfs',
  'hugetlbfs',
  'devpts',
];
/** Controllers, the hierarchy that each is in (0: version 2), and how many groups that one has (proc_cgroupstats_show). */
function showCgroups(k: Kernel): string {
  const n = 1 + k.cgroups.root.descendants;
  return `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${CONTROLLERS.map((c) => `${c}\t0\t${n}\t1\n`).join('')}`;
}
function showFilesystems(k: Kernel): string {
  const rank = (name: string) => (FILESYSTEM_ORDER.includes(name) ? FILESYSTEM_ORDER.indexOf(name) : FILESYSTEM_ORDER.length);
  const types = [...k.vfs.types.values()].sort((a, b) => rank(a.name) - rank(b.name));
  return types.map((t) => `${t.nodev ? 'nodev' : ''}\t${t.name}\n`).join('');
}
/** Where RAM and the console's UART lie; addresses are for root's eyes. */
function showIomem(k: Kernel): string {
  const all = k.current.capable(CAP_SYS_ADMIN);
  const line = (indent: string, from: number, to: number, name: string) =>
    `${indent}${hex(all ? from : 0, 8)}-${hex(all ? to : 0, 8)} : ${name}\n`;
  const text = RAM_BASE + IMAGE_TEXT_SIZE;
  const end = RAM_BASE + KERNEL_IMAGE_SIZE - 1;
  return (
    line('', RAM_BASE, k.ram.size - 1, 'System RAM') +
    line('  ', RAM_BASE, end, 'Kernel image') +
    line('    ', RAM_BASE, text - 1, 'Kernel code') +
    line('    ', text, end, 'Kernel data')
  );
}
function showInterrupts(k: Kernel): string {
  let head = ' '.repeat(11);
  for (let i = 0; i < k.cpus; i++) head += `CPU${i}`.padEnd(11);
  return `${head.trimEnd().padEnd(11 + k.cpus * 11 - 4 + 4)}\n`;
}
function showSoftirqs(k: Kernel): string {
  const names = ['HI', 'TIMER', 'NET_TX', 'NET_RX', 'BLOCK', 'IRQ_POLL', 'TASKLET', 'SCHED', 'HRTIMER', 'RCU'];
  let out = ' '.repeat(20);
  for (let i = 0; i < k.cpus; i++) out += `CPU${i}`.padEnd(11);
  out += '\n';
  for (const n of names) out += `${`${n}:`.padStart(12)}${'0'.padStart(11).repeat(k.cpus)}\n`;
  return out;
}

export function procMiscInit(k: Kernel): void {
  const { procfs } = k;
  procfs.create('version', versionText);
  procfs.create('cmdline', (kk) => `${kk.commandLine}\n`);
  procfs.create('uptime', showUptime);
  procfs.create('loadavg', showLoadavg);
  procfs.create('stat', showStat);
  procfs.create('cpuinfo', (kk) => cpuinfoText(kk.cpus));
  procfs.create('filesystems', showFilesystems);
  procfs.create('cgroups', showCgroups);
  procfs.create('interrupts', showInterrupts);
  procfs.create('iomem', showIomem);
  procfs.create('ioports', () => '');
  procfs.create('softirqs', showSoftirqs);
  sysrqInit(k);
  cryptoProcInit(k);
  procfs.create('swaps', showSwaps);
  procfs.create('diskstats', () => '');
  procfs.create('partitions', () => '');
  procfs.create('locks', showLocks);
  procfs.create('fb', () => '');
  procfs.create('execdomains', () => '0-0\tLinux           \t[kernel]\n');
  procfs.mkdir('fs');
  procfs.mkdir('driver');
  procfs.mkdir('bus');
}
