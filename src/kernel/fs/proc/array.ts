import { SIG_DFL, SIG_IGN } from '../../../abi/signal.ts';
import { effectivePrio, MAX_RT_PRIO } from '../../sched/core.ts';
import { THREAD_SIZE } from '../../sched/task.ts';
import type { Kernel } from '../../kernel.ts';
import { cpuList, hex } from '../../lib/seq_file.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import type { MmStruct } from '../../mm/mm_struct.ts';
import { countUserTables } from '../../mm/pgtable.ts';
import type { Task } from '../../sched/task.ts';
import { taskState } from '../../sched/task_state.ts';
import { pidVnr } from '../../pid.ts';
import { nsNumbers } from '../../pidfd.ts';
import { fromKidMunged, type IdKind } from '../../user_namespace.ts';
import { mayAccess } from './base.ts';

// Text about one task: stat, status, statm, limits (fs/proc/array.c).

/** USER_HZ: clock ticks of user space are 10 ms. */
const NSEC_PER_TICK = 10_000_000;
const ticks = (ns: number) => Math.floor(ns / NSEC_PER_TICK);
/** RSSLIM_INFINITY. */
const RLIM_INFINITY = '18446744073709551615';
const PAGE_KB = PAGE_SIZE / 1024;

const mask64 = (set: bigint) => (set & 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0');

/** Ignored and caught signals as masks. */
function dispositions(task: Task): { ignored: bigint; caught: bigint } {
  let ignored = 0n;
  let caught = 0n;
  task.sighand.action.forEach((a, i) => {
    if (a.handler === SIG_IGN) ignored |= 1n << BigInt(i);
    else if (a.handler !== SIG_DFL) caught |= 1n << BigInt(i);
  });
  return { ignored, caught };
}
/** The process that getppid reports: the parent's group. */
const ppidOf = (task: Task) => (task.pid === 0 ? 0 : (task.groupLeader.parent?.tgid ?? 0));

/** Sums over the threads that live. */
function groupTime(task: Task): { utime: number; stime: number; minFlt: number; majFlt: number } {
  const sum = { utime: 0, stime: 0, minFlt: 0, majFlt: 0 };
  for (const t of task.groupLeader.threads.length > 0 ? task.groupLeader.threads : [task]) {
    sum.utime += t.utime;
    sum.stime += t.stime;
    sum.minFlt += t.minFlt;
    sum.majFlt += t.majFlt;
  }
  return sum;
}

/** The 52 fields of proc_pid_stat(5). */
export function showStat(k: Kernel, task: Task, thread = false): string {
  const { mm, signal } = task;
  const nr = (pid: number) => pidVnr(k, pid);
  const tty = signal.tty;
  const times = thread ? task : groupTime(task);
  const allowed = mayAccess(k, task) && task.exitState === 0;
  const low32 = (set: bigint) => (set & 0x7fff_ffffn).toString();
  const { ignored, caught } = dispositions(task);
  const priority = effectivePrio(task) - MAX_RT_PRIO;
  const at = (n: number) => (mm !== null && allowed ? n : 0);
  const fields: (number | string)[] = [
    nr(task.pid),
    `(${task.comm})`,
    taskState(task)[0],
    nr(ppidOf(task)),
    nr(signal.pgid),
    nr(signal.sid),
    tty?.dev ?? 0,
    tty !== null && tty.pgrp > 0 ? nr(tty.pgrp) : tty !== null ? 0 : -1,
    task.flags >>> 0,
    times.minFlt,
    thread ? 0 : signal.cminFlt,
    times.majFlt,
    thread ? 0 : signal.cmajFlt,
    ticks(times.utime),
    ticks(times.stime),
    thread ? 0 : ticks(signal.cutime),
    thread ? 0 : ticks(signal.cstime),
    priority,
    task.nice,
    task.groupLeader.threads.length,
    0,
    ticks(task.startTime),
    mm === null ? 0 : mm.totalPages * PAGE_SIZE,
    mm === null ? 0 : mm.rss,
    limitText(signal.rlimits[5]?.soft ?? Number.POSITIVE_INFINITY, RLIM_INFINITY),
    mm === null ? 0 : allowed ? mm.startCode : 1,
    mm === null ? 0 : allowed ? mm.endCode : 1,
    at(mm?.startStack ?? 0),
    0,
    0,
    low32(task.pending.set),
    low32(task.blocked),
    low32(ignored),
    low32(caught),
    task.state !== 0 && allowed ? 1 : 0,
    0,
    0,
    task.exitSignal,
    task.cpu,
    task.rtPriority,
    task.policy,
    0,
    0,
    0,
    at(mm?.startData ?? 0),
    at(mm?.endData ?? 0),
    at(mm?.startBrk ?? 0),
    at(mm?.argStart ?? 0),
    at(mm?.argEnd ?? 0),
    at(mm?.envStart ?? 0),
    at(mm?.envEnd ?? 0),
    at(task.exitCode),
  ];
  return `${fields.join(' ')}\n`;
}
function limitText(n: number, infinity: string): string {
  return n === Number.POSITIVE_INFINITY || n >= 2 ** 63 ? infinity : String(n);
}

/** Sizes by kind of area, pages. */
export function mmSizes(mm: MmStruct): { text: number; lib: number; data: number; stack: number; shared: number } {
  const text = Math.ceil(mm.endCode / PAGE_SIZE) - Math.floor(mm.startCode / PAGE_SIZE);
  return { text, lib: Math.max(0, mm.execPages - text), data: mm.dataPages, stack: mm.stackPages, shared: mm.rssFile + mm.rssShmem };
}
export function showStatm(_k: Kernel, task: Task): string {
  const { mm } = task;
  if (mm === null) return '0 0 0 0 0 0 0\n';
  const s = mmSizes(mm);
  return `${mm.totalPages} ${mm.rss} ${s.shared} ${s.text} 0 ${s.data + s.stack} 0\n`;
}

const kb = (name: string, pages: number) => `${name}:\t${String(pages * PAGE_KB).padStart(8)} kB\n`;
function statusMemory(k: Kernel, mm: MmStruct): string {
  const s = mmSizes(mm);
  const { rss } = mm;
  const total = mm.totalPages;
  return (
    kb('VmPeak', Math.max(total, mm.hiwaterVm)) +
    kb('VmSize', total) +
    kb('VmLck', mm.lockedPages) +
    kb('VmPin', 0) +
    kb('VmHWM', Math.max(rss, mm.hiwaterRss)) +
    kb('VmRSS', rss) +
    kb('RssAnon', mm.rssAnon) +
    kb('RssFile', mm.rssFile) +
    kb('RssShmem', mm.rssShmem) +
    kb('VmData', s.data) +
    kb('VmStk', s.stack) +
    kb('VmExe', s.text) +
    kb('VmLib', s.lib) +
    kb('VmPTE', countUserTables(k.ram, mm.pgd)) +
    kb('VmSwap', mm.swapents) +
    kb('HugetlbPages', 0) +
    'CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n'
  );
}
export function showStatus(k: Kernel, task: Task): string {
  const c = task.cred;
  const { mm, signal } = task;
  const { ignored, caught } = dispositions(task);
  const cpus = task.affinity & (2 ** k.cpus - 1);
  let queued = signal.pending.queue.length;
  for (const t of task.groupLeader.threads) queued += t.pending.queue.length;
  const { userNs } = k.current.cred;
  const groups = c.groups.map((g) => `${fromKidMunged(userNs, 'gid', g)} `).join('');
  const nr = (pid: number) => pidVnr(k, pid);
  const numbers = (pid: number) => nsNumbers(k, task, pid).join('\t');
  const ids = (kind: IdKind, list: readonly number[]) => list.map((id) => fromKidMunged(userNs, kind, id)).join('\t');
  return (
    `Name:\t${task.comm.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\nUmask:\t${task.exitState === 0 ? task.fs.umask.toString(8).padStart(4, '0') : '0022'}\nState:\t${taskState(task)}\n` +
    `Tgid:\t${nr(task.tgid)}\nNgid:\t0\nPid:\t${nr(task.pid)}\nPPid:\t${nr(ppidOf(task))}\nTracerPid:\t${nr(task.ptrace?.tracer.tgid ?? 0)}\n` +
    `Uid:\t${ids('uid', [c.uid, c.euid, c.suid, c.fsuid])}\nGid:\t${ids('gid', [c.gid, c.egid, c.sgid, c.fsgid])}\n` +
    `FDSize:\t${task.exitState === 0 ? Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, task.files.fds.length)))) : 0}\nGroups:\t${groups === '' ? ' ' : groups}\n` +
    `NStgid:\t${numbers(task.tgid)}\nNSpid:\t${numbers(task.pid)}\nNSpgid:\t${numbers(signal.pgid)}\nNSsid:\t${numbers(signal.sid)}\nKthread:\t${task.isKernelThread ? 1 : 0}\n` +
    (mm === null ? '' : statusMemory(k, mm)) +
    `Threads:\t${task.groupLeader.threads.length}\nSigQ:\t${queued}/${limitText(signal.rlimits[11].soft, RLIM_INFINITY)}\n` +
    `SigPnd:\t${mask64(task.pending.set)}\nShdPnd:\t${mask64(signal.pending.set)}\nSigBlk:\t${mask64(task.blocked)}\nSigIgn:\t${mask64(ignored)}\nSigCgt:\t${mask64(caught)}\n` +
    `CapInh:\t${mask64(c.capInheritable)}\nCapPrm:\t${mask64(c.capPermitted)}\nCapEff:\t${mask64(c.capEffective)}\nCapBnd:\t${mask64(c.capBounding)}\nCapAmb:\t${mask64(c.capAmbient)}\n` +
    `NoNewPrivs:\t${task.noNewPrivs ? 1 : 0}\nSeccomp:\t${task.seccomp?.mode ?? 0}\nSeccomp_filters:\t${task.seccomp?.filters.length ?? 0}\nSpeculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunsupported\n` +
    `Cpus_allowed:\t${hex(cpus)}\nCpus_allowed_list:\t${cpuList(cpus, k.cpus)}\nMems_allowed:\t1\nMems_allowed_list:\t0\n` +
    `voluntary_ctxt_switches:\t${task.nvcsw}\nnonvoluntary_ctxt_switches:\t${task.nivcsw}\n`
  );
}

/** Names and units, in the order of the RLIMIT numbers (lnames). */
const LIMITS: readonly (readonly [string, string])[] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''],
  ['Max realtime priority', ''],
  ['Max realtime timeout', 'us'],
];
export function showLimits(_k: Kernel, task: Task): string {
  const cell = (n: number) => limitText(n, 'unlimited').padEnd(20);
  let out = `${'Limit'.padEnd(25)} ${'Soft Limit'.padEnd(20)} ${'Hard Limit'.padEnd(20)} ${'Units'.padEnd(10)}\n`;
  LIMITS.forEach(([name, unit], i) => {
    const r = task.signal.rlimits[i];
    out += `${name.padEnd(25)} ${cell(r.soft)} ${cell(r.hard)} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  });
  return out;
}
/** KernelStack of meminfo, kB. */
export const kernelStackKb = (tasks: number) => (tasks * THREAD_SIZE) / 1024;
