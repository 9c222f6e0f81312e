import type { NsCommon } from '../ns_common.ts';
import type { Task } from '../sched/task.ts';
import type { UserNamespace } from '../user_namespace.ts';
import type { MqAttr, MqueueState } from './mqueue.ts';
import type { MsgQueue } from './msg.ts';
import type { SemArray, SemUndoList } from './sem.ts';
import type { ShmSegment } from './shm.ts';
import { IpcIds } from './util.ts';

/** An IPC namespace (ipc/namespace.c): objects, and limits that /proc/sys/kernel shows. */
export class IpcNamespace implements NsCommon {
  readonly kind = 'ipc';
  readonly inum: number;
  readonly owner: UserNamespace;
  readonly sems = new IpcIds<SemArray>();
  readonly shms = new IpcIds<ShmSegment>();
  readonly msgs = new IpcIds<MsgQueue>();
  /** SEMMSL, SEMMNS, SEMOPM, SEMMNI. */
  semCtls = [32000, 1024000000, 500, 32000];
  usedSems = 0;
  /** Bytes, pages, segments. The first two are ULONG_MAX - (1 << 24). */
  shmMax = 0xffff_ffff_feff_ffffn;
  shmAll = 0xffff_ffff_feff_ffffn;
  shmMni = 4096;
  shmTotal = 0;
  msgMax = 8192;
  msgMnb = 16384;
  msgMni = 32000;
  /** Lists of semaphore adjustments of processes that have some (sysvsem). */
  readonly undo = new Map<Task, SemUndoList>();
  mqueue!: MqueueState;
  /** What mq_open asks of the queue that it makes. */
  mqAttr: MqAttr | null = null;

  constructor(owner: UserNamespace, inum: number) {
    this.owner = owner;
    this.inum = inum;
  }
}
