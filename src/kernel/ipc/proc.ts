import { EINVAL } from '../../abi/errno.ts';
import { type IntRow, sysctlLive } from '../fs/proc/proc_sysctl.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { residentPages } from './shm.ts';
import type { IpcPerm } from './util.ts';

// /proc/sysvipc and the limits in /proc/sys/kernel and /proc/sys/fs/mqueue (ipc/ipc_sysctl.c, ipc/mq_sysctl.c).

const INT_MAX = 0x7fff_ffff;
const pad = (n: number | bigint, width: number) => String(n).padStart(width);
const head = (p: IpcPerm) => `${pad(p.key, 10)} ${pad(p.id, 10)}  ${p.mode.toString(8).padStart(4)} `;
const owners = (p: IpcPerm) => `${pad(p.uid, 5)} ${pad(p.gid, 5)} ${pad(p.cuid, 5)} ${pad(p.cgid, 5)}`;

function showMsg(k: Kernel): string {
  let s = '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n';
  for (const q of k.ipc.msgs.all())
    s += `${head(q.perm)} ${pad(q.cbytes, 10)} ${pad(q.messages.length, 10)} ${pad(q.lspid, 5)} ${pad(q.lrpid, 5)} ${owners(q.perm)} ${pad(q.stime, 10)} ${pad(q.rtime, 10)} ${pad(q.ctime, 10)}\n`;
  return s;
}
function showSem(k: Kernel): string {
  let s = '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n';
  for (const a of k.ipc.sems.all())
    s += `${head(a.perm)}${pad(a.sems.length, 10)} ${owners(a.perm)} ${pad(a.otime, 10)} ${pad(a.ctime, 10)}\n`;
  return s;
}
function showShm(k: Kernel): string {
  let s =
    '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n';
  for (const m of k.ipc.shms.all())
    s += `${head(m.perm)}${pad(m.size, 21)} ${pad(m.cpid, 5)} ${pad(m.lpid, 5)}  ${pad(m.nattch, 5)} ${owners(m.perm)} ${pad(m.atime, 10)} ${pad(m.dtime, 10)} ${pad(m.ctime, 10)} ${pad(residentPages(m) * PAGE_SIZE, 21)} ${pad(m.mapping.swapped.size * PAGE_SIZE, 21)}\n`;
  return s;
}
function nextId(ids: (k: Kernel) => { nextId: number }): IntRow {
  return {
    get: (k) => ids(k).nextId,
    set: (k, n) => {
      ids(k).nextId = n;
    },
    min: 0,
    max: INT_MAX,
  };
}
/** Rows of one number each. */
const ROWS: readonly (readonly [string, IntRow])[] = [
  ['kernel/shmmni', { get: (k) => k.ipc.shmMni, set: (k, n) => (k.ipc.shmMni = n), min: 0, max: 32768 }],
  ['kernel/msgmax', { get: (k) => k.ipc.msgMax, set: (k, n) => (k.ipc.msgMax = n), min: 0, max: INT_MAX }],
  ['kernel/msgmnb', { get: (k) => k.ipc.msgMnb, set: (k, n) => (k.ipc.msgMnb = n), min: 0, max: INT_MAX }],
  ['kernel/msgmni', { get: (k) => k.ipc.msgMni, set: (k, n) => (k.ipc.msgMni = n), min: 0, max: 32768 }],
  ['kernel/msg_next_id', nextId((k) => k.ipc.msgs)],
  ['kernel/sem_next_id', nextId((k) => k.ipc.sems)],
  ['kernel/shm_next_id', nextId((k) => k.ipc.shms)],
  ['fs/mqueue/queues_max', { get: (k) => k.ipc.mqueue.queuesMax, set: (k, n) => (k.ipc.mqueue.queuesMax = n), min: 0, max: INT_MAX }],
  ['fs/mqueue/msg_max', { get: (k) => k.ipc.mqueue.msgMax, set: (k, n) => (k.ipc.mqueue.msgMax = n), min: 1, max: 65536 }],
  ['fs/mqueue/msgsize_max', { get: (k) => k.ipc.mqueue.msgSizeMax, set: (k, n) => (k.ipc.mqueue.msgSizeMax = n), min: 128, max: 16777216 }],
  ['fs/mqueue/msg_default', { get: (k) => k.ipc.mqueue.msgDefault, set: (k, n) => (k.ipc.mqueue.msgDefault = n), min: 1, max: 65536 }],
  [
    'fs/mqueue/msgsize_default',
    { get: (k) => k.ipc.mqueue.msgSizeDefault, set: (k, n) => (k.ipc.mqueue.msgSizeDefault = n), min: 128, max: 16777216 },
  ],
];
function storeBig(set: (k: Kernel, n: bigint) => void): (k: Kernel, text: string) => number {
  return (k, text) => {
    const word = text.trim();
    if (!/^\d{1,20}$/.test(word)) return -EINVAL;
    set(k, BigInt.asUintN(64, BigInt(word)));
    return 0;
  };
}
function storeSem(k: Kernel, text: string): number {
  const words = text.trim().split(/\s+/);
  if (words.length === 0 || words.length > 4 || words.some((w) => !/^\d+$/.test(w))) return -EINVAL;
  words.forEach((w, i) => {
    k.ipc.semCtls[i] = Math.min(Number(w), INT_MAX);
  });
  return 0;
}
export function ipcProcInit(k: Kernel): void {
  const { procfs } = k;
  procfs.create('sysvipc/msg', showMsg);
  procfs.create('sysvipc/sem', showSem);
  procfs.create('sysvipc/shm', showShm);
  for (const [path, row] of ROWS) sysctlLive(k, path, row);
  const strict = { strict: true, mode: 0o644 };
  procfs.create('sys/kernel/shmmax', (kk) => `${kk.ipc.shmMax}\n`, { ...strict, store: storeBig((kk, n) => (kk.ipc.shmMax = n)) });
  procfs.create('sys/kernel/shmall', (kk) => `${kk.ipc.shmAll}\n`, { ...strict, store: storeBig((kk, n) => (kk.ipc.shmAll = n)) });
  procfs.create('sys/kernel/sem', (kk) => `${kk.ipc.semCtls.join('\t')}\n`, { ...strict, store: storeSem });
}
