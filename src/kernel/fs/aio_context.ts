import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import type { WaitQueueHead } from '../sched/wait.ts';
import type { File } from './types.ts';

// The state of asynchronous I/O that an address space owns (struct kioctx). The calls are in aio.ts.

export interface AioRequest {
  readonly file: File;
  readonly opcode: number;
  readonly data: bigint;
  /** User address of the iocb. */
  readonly obj: number;
  readonly iter: IovIter;
  readonly pos: number;
  readonly flags: number;
  readonly pollMask: number;
  /** Told of the completion. */
  readonly resfd: File | null;
}
interface AioEvent {
  readonly data: bigint;
  readonly obj: number;
  readonly res: number;
}
export interface AioContext {
  readonly id: number;
  readonly max: number;
  readonly pending: AioRequest[];
  readonly done: AioEvent[];
  readonly queue: WaitQueueHead;
}

export function putRequest(k: Kernel, r: AioRequest): void {
  k.vfs.fput(r.file);
  if (r.resfd !== null) k.vfs.fput(r.resfd);
}
export function killContext(k: Kernel, ctx: AioContext): void {
  for (const r of ctx.pending.splice(0)) putRequest(k, r);
  k.vfs.aioNr -= ctx.max;
}
/** The address space goes (exit_aio): nobody is left to wait. */
export function exitAio(k: Kernel, table: Map<number, AioContext>): void {
  for (const ctx of table.values()) killContext(k, ctx);
  table.clear();
}
