import { GFP_COMP, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, gfpNames } from '../../abi/gfp.ts';
import { SLAB_RECLAIM_ACCOUNT } from '../../abi/slab.ts';
import { SI_KERNEL, SIGKILL } from '../../abi/signal.ts';
import { doGroupExit } from '../exit.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import { finishWait } from '../sched/wait.ts';
import { forceSignal } from '../signal.ts';
import { dumpStack } from '../stacktrace.ts';
import { PAGE_SIZE } from './address.ts';
import { type MemCgroup, memcgEvent, NO_LIMIT } from './memcontrol.ts';
import { memoryStat } from './memcontrol_stat.ts';
import { zapRange } from './memory.ts';
import { type MmStruct, VM_LOCKED, VM_PFNMAP } from './mm_struct.ts';
import { countUserTables } from './pgtable.ts';
import { showMem } from './show_mem.ts';

// Out of memory: one process dies so that the others can go on (mm/oom_kill.c).

const KB = PAGE_SIZE / 1024;
const KERN_ERR = 3;
const KERN_WARNING = 4;
const KERN_INFO = 6;
/** oom_score_adj that takes a process out of the choice. */
const OOM_SCORE_ADJ_MIN = -1000;

/** Pages that the end of a process would give back, weighted by oom_score_adj (oom_badness). Null: it must not be killed. */
export function oomBadness(k: Kernel, task: Task, memcg: MemCgroup | null = null): number | null {
  const adj = task.signal.oomScoreAdj;
  if (task.pid === 1 || task.mm === null || adj === OOM_SCORE_ADJ_MIN) return null;
  const points = task.mm.rss + task.mm.swapents + countUserTables(k.ram, task.mm.pgd);
  const all = k.mm.pages.managedPages + k.mm.swap.total;
  return points + adj * Math.floor((memcg === null ? all : Math.min(all, memcg.memory.max)) / 1000);
}

const IN_GROUP = 'Memory cgroup out of memory';

/** What found no memory: GFP_HIGHUSER_MOVABLE | __GFP_COMP, order 0 for a page fault; GFP_KERNEL and order -1 for SysRq f. */
interface OomControl {
  readonly gfp: number;
  readonly order: number;
  /** The group that is over its limit; null = all memory is short. */
  readonly memcg: MemCgroup | null;
}
const PAGE_FAULT: OomControl = { gfp: GFP_HIGHUSER_MOVABLE | GFP_COMP, order: 0, memcg: null };
const SYSRQ: OomControl = { gfp: GFP_KERNEL, order: -1, memcg: null };

/** A page fault of `asker` found no memory: kills the process with the most points. */
export function outOfMemory(k: Kernel, asker: Task): void {
  if (asker.signal.oomKilled) {
    doGroupExit(k, asker, SIGKILL);
    return;
  }
  // What it did is made again after others had their turn.
  asker.needResched = true;
  killOne(k, asker, PAGE_FAULT);
}
/** SysRq f: one process, whether memory is short or not. */
export function manualOom(k: Kernel): void {
  if (!killOne(k, k.current, SYSRQ)) k.printk.log(KERN_INFO, 'sysrq: OOM request ignored. No task eligible');
}
/**
 * A group is over its limit and nothing in it can be reclaimed (mem_cgroup_out_of_memory). The private memory of the victim goes at once, as oom_reaper would take it, unless
 * it is the one that asks. False: nothing came free.
 */
export function memcgOutOfMemory(k: Kernel, memcg: MemCgroup): boolean {
  const asker = k.current;
  const before = memcg.memory.usage;
  if (!killOne(k, asker, { gfp: GFP_KERNEL, order: 0, memcg })) return false;
  for (const t of tasksIn(k, memcg)) if (t.signal.oomKilled && t.mm !== null && t.mm !== asker.mm) reap(k, t.mm);
  return memcg.memory.usage < before;
}
/** __oom_reap_task_mm: what only this process has. */
function reap(k: Kernel, mm: MmStruct): void {
  for (const vma of mm.vmas) if (vma.mapping === null && (vma.flags & (VM_LOCKED | VM_PFNMAP)) === 0) zapRange(k, mm, vma, vma.start, vma.end);
}
/** Leaders of processes in a group and below. */
function tasksIn(k: Kernel, memcg: MemCgroup): Task[] {
  return [...k.sched.tasks.values()].filter((t) => {
    if (!t.isLeader) return false;
    for (let at: MemCgroup | null = t.cgroup.mem; at !== null; at = at.parent) if (at === memcg) return true;
    return false;
  });
}
/** The highest group of the victim's, below the one that is over its limit, whose processes end together (mem_cgroup_get_oom_group). */
function oomGroup(victim: Task, memcg: MemCgroup | null): MemCgroup | null {
  let group: MemCgroup | null = null;
  for (let at: MemCgroup | null = victim.cgroup.mem; at !== null && at.id !== 0; at = at.parent) {
    if (at.oomGroup) group = at;
    if (at === memcg) break;
  }
  return group;
}
/** out_of_memory. False when there is nobody to kill. */
function killOne(k: Kernel, asker: Task, oc: OomControl): boolean {
  const { oom } = k.mm;
  const manual = oc.order === -1;
  let victim: Task | null = null;
  let most = Number.NEGATIVE_INFINITY;
  for (const t of oc.memcg === null ? k.sched.tasks.values() : tasksIn(k, oc.memcg)) {
    if (!t.isLeader) continue;
    // A victim that has not ended yet still has memory to give (oom_evaluate_task).
    if (!manual && t.signal.oomKilled && t.mm !== null && t.exitState === 0) return true;
    const points = oomBadness(k, t, oc.memcg);
    if (points === null || points < most) continue;
    victim = t;
    most = points;
  }
  if (oom.panic !== 0 && !manual && (oc.memcg === null || oom.panic === 2)) {
    dumpHeader(k, asker, oc);
    k.panic(`Out of memory: ${oom.panic === 2 ? 'compulsory' : 'system-wide'} panic_on_oom is enabled`);
    return true;
  }
  const own = asker.groupLeader;
  const immediate = !manual && oc.memcg === null && oom.killAsker !== 0 && oomBadness(k, own) !== null;
  if (immediate) victim = own;
  const mm = victim?.mm ?? null;
  if (victim === null || mm === null) {
    if (manual) return false;
    dumpHeader(k, asker, oc);
    if (oc.memcg !== null) {
      k.printk.log(KERN_WARNING, 'Out of memory and no killable processes...');
      return false;
    }
    k.printk.log(KERN_WARNING, 'Out of memory and no killable processes...');
    k.panic('System is deadlocked on memory');
    return false;
  }
  dumpHeader(k, asker, oc);
  const path = victim.cgroup.mem.path;
  const where =
    oc.memcg === null
      ? `oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=${path}`
      : `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${oc.memcg.path},task_memcg=${path}`;
  k.printk.log(KERN_INFO, `${where},task=${victim.comm},pid=${victim.pid},uid=${victim.cred.uid}`);
  const message = oc.memcg === null ? `Out of memory${immediate ? ' (oom_kill_allocating_task)' : ''}` : IN_GROUP;
  const group = oomGroup(victim, oc.memcg);
  killProcess(k, victim, mm, asker, message);
  if (group !== null) {
    memcgEvent(group, 'oom_group_kill');
    k.printk.log(KERN_INFO, `Tasks in ${group.path} are going to be killed due to memory.oom.group set`);
    for (const t of tasksIn(k, group)) if (t.mm !== null && t.pid !== 1 && t.signal.oomScoreAdj !== OOM_SCORE_ADJ_MIN) killProcess(k, t, t.mm, asker, message);
  }
  return true;
}
/** __oom_kill_process: the line in the log, and the end of all that share its memory. */
function killProcess(k: Kernel, victim: Task, mm: MmStruct, asker: Task, message: string): void {
  const inCharge = message === IN_GROUP;
  const kb = (pages: number) => `${pages * KB}kB`;
  const { uid } = victim.cred;
  k.mm.stat.oomKill++;
  memcgEvent(victim.cgroup.mem, 'oom_kill');
  k.printk.log(
    KERN_ERR,
    `${message}: Killed process ${victim.pid} (${victim.comm}) total-vm:${kb(mm.totalPages)}, anon-rss:${kb(mm.rssAnon)}, file-rss:${kb(mm.rssFile)}, ` +
      `shmem-rss:${kb(mm.rssShmem)}, UID:${uid} pgtables:${kb(countUserTables(k.ram, mm.pgd))} oom_score_adj:${victim.signal.oomScoreAdj}`,
  );
  kill(k, victim, asker, inCharge);
  // Whoever shares its memory goes with it.
  for (const t of [...k.sched.tasks.values()]) if (t.isLeader && t.mm === mm && t.signal !== victim.signal && t.pid !== 1) kill(k, t, asker, inCharge);
}

function kill(k: Kernel, victim: Task, asker: Task, inCharge: boolean): void {
  victim.signal.oomKilled = true;
  // A charge is made in the middle of something: the task ends when that has been given up.
  if (victim === asker.groupLeader && !inCharge) {
    doGroupExit(k, asker, SIGKILL);
    return;
  }
  forceSignal(k, victim, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 });
  if (victim.state === 0) return;
  victim.state = 1;
  k.sched.activate(victim);
  victim.state = 0;
  finishWait(victim);
}

/** What the log says before the choice (dump_header). */
function dumpHeader(k: Kernel, asker: Task, oc: OomControl): void {
  const { stat, oom } = k.mm;
  k.printk.log(
    KERN_WARNING,
    `${asker.comm} invoked oom-killer: gfp_mask=0x${oc.gfp.toString(16)}(${gfpNames(oc.gfp)}), order=${oc.order}, oom_score_adj=${asker.signal.oomScoreAdj}`,
  );
  dumpStack(k, asker);
  if (oc.memcg !== null) showMemcg(k, oc.memcg);
  else showMem(k);
  if (oc.memcg === null && stat.slabUnreclaimable > stat.anonPages + stat.filePages) dumpUnreclaimableSlabs(k);
  if (oom.dumpTasks === 0) return;
  k.printk.log(KERN_INFO, 'Tasks state (memory values in pages):');
  k.printk.log(KERN_INFO, '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name');
  for (const t of oc.memcg === null ? k.sched.tasks.values() : tasksIn(k, oc.memcg)) if (t.isLeader && t.mm !== null && t.pid !== 1) dumpTask(k, t, t.mm);
}
/** mem_cgroup_print_oom_meminfo. */
function showMemcg(k: Kernel, memcg: MemCgroup): void {
  const say = (text: string) => k.printk.log(KERN_INFO, text);
  // A limit that is none: PAGE_COUNTER_MAX, in kB.
  const kb = (pages: number) => (pages === NO_LIMIT ? '9007199254740988' : String(pages * KB));
  for (const [name, c] of [
    ['memory', memcg.memory],
    ['swap', memcg.swap],
  ] as const)
    say(`${name}: usage ${kb(c.usage)}kB, limit ${kb(c.max)}kB, failcnt ${c.failures}`);
  say(`Memory cgroup stats for ${memcg.path}:`);
  for (const line of memoryStat(k, memcg).trimEnd().split('\n')) say(line);
}
/** dump_unreclaimable_slab. */
function dumpUnreclaimableSlabs(k: Kernel): void {
  k.printk.log(KERN_INFO, 'Unreclaimable slab info:');
  k.printk.log(KERN_INFO, 'Name                      Used          Total');
  for (const c of [...k.mm.slab.caches].reverse()) {
    const total = c.totalObjects;
    if ((c.flags & SLAB_RECLAIM_ACCOUNT) !== 0 || total === 0) continue;
    const kb = (objects: number) => `${String(Math.floor((objects * c.size) / 1024)).padStart(10)}KB`;
    k.printk.log(KERN_INFO, `${c.name.padEnd(17)} ${kb(total - k.mm.slab.slub.partialFree(c))} ${kb(total)}`);
  }
}
function dumpTask(k: Kernel, t: Task, mm: MmStruct): void {
  const pad = (n: number, width: number) => String(n).padStart(width);
  k.printk.log(
    KERN_INFO,
    `[${pad(t.pid, 7)}] ${pad(t.cred.uid, 5)} ${pad(t.tgid, 5)} ${pad(mm.totalPages, 8)} ${pad(mm.rss, 8)} ${pad(mm.rssAnon, 8)} ${pad(mm.rssFile, 8)} ${pad(mm.rssShmem, 9)} ${pad(countUserTables(k.ram, mm.pgd) * PAGE_SIZE, 8)} ${pad(mm.swapents, 8)}         ${pad(t.signal.oomScoreAdj, 5)} ${t.comm}`,
  );
}
