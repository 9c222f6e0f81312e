import { SI_KERNEL, SIGKILL } from '../../abi/signal.ts';
import { doGroupExit } from '../exit.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import { finishWait } from '../sched/wait.ts';
import { forceSignal } from '../signal.ts';
import { dumpStack } from '../stacktrace.ts';
import { PAGE_SIZE } from './address.ts';
import type { MmStruct } from './mm_struct.ts';
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
export function oomBadness(k: Kernel, task: Task): number | null {
  const adj = task.signal.oomScoreAdj;
  if (task.pid === 1 || task.mm === null || adj === OOM_SCORE_ADJ_MIN) return null;
  const points = task.mm.rss + countUserTables(k.ram, task.mm.pgd);
  return points + Math.trunc((adj * k.mm.pages.managedPages) / 1000);
}

/** Kills the process with the most points; `asker` needed the page. */
export function outOfMemory(k: Kernel, asker: Task): void {
  let victim: Task | null = null;
  let worst = 0;
  for (const t of k.sched.tasks.values()) {
    const points = t.isLeader ? oomBadness(k, t) : null;
    if (points !== null && (victim === null || points > worst)) {
      victim = t;
      worst = points;
    }
  }
  dumpHeader(k, asker);
  const mm = victim?.mm ?? null;
  if (victim === null || mm === null) {
    k.panic('System is deadlocked on memory');
    return;
  }
  k.mm.stat.oomKill++;
  const kb = (pages: number) => `${pages * KB}kB`;
  const uid = victim.cred.uid;
  k.printk.log(
    KERN_INFO,
    `oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=${victim.comm},pid=${victim.pid},uid=${uid}`,
  );
  k.printk.log(
    KERN_ERR,
    `Out of memory: Killed process ${victim.pid} (${victim.comm}) total-vm:${kb(mm.totalPages)}, anon-rss:${kb(mm.rssAnon)}, file-rss:${kb(mm.rssFile)}, shmem-rss:${kb(mm.rssShmem)}, UID:${uid} pgtables:${kb(countUserTables(k.ram, mm.pgd))} oom_score_adj:${victim.signal.oomScoreAdj}`,
  );
  kill(k, victim, asker);
}

function kill(k: Kernel, victim: Task, asker: Task): void {
  victim.signal.oomKilled = true;
  if (victim === asker.groupLeader) {
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

/** What the log says before the choice (dump_header, __show_mem). */
function dumpHeader(k: Kernel, asker: Task): void {
  const say = (text: string) => k.printk.log(KERN_WARNING, text);
  say(
    `${asker.comm} invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=${asker.signal.oomScoreAdj}`,
  );
  dumpStack(k, asker);
  showMem(k);
  k.printk.log(KERN_INFO, 'Tasks state (memory values in pages):');
  k.printk.log(KERN_INFO, '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name');
  for (const t of k.sched.tasks.values()) if (t.isLeader && t.mm !== null && t.pid !== 1) dumpTask(k, t, t.mm);
}
function dumpTask(k: Kernel, t: Task, mm: MmStruct): void {
  const pad = (n: number, width: number) => String(n).padStart(width);
  k.printk.log(
    KERN_INFO,
    `[${pad(t.pid, 7)}] ${pad(t.cred.uid, 5)} ${pad(t.tgid, 5)} ${pad(mm.totalPages, 8)} ${pad(mm.rss, 8)} ${pad(mm.rssAnon, 8)} ${pad(mm.rssFile, 8)} ${pad(mm.rssShmem, 9)} ${pad(countUserTables(k.ram, mm.pgd) * PAGE_SIZE, 8)} ${pad(0, 8)}         ${pad(t.signal.oomScoreAdj, 5)} ${t.comm}`,
  );
}
