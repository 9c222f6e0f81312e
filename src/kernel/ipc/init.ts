import type { Kernel } from '../kernel.ts';
import type { UserNamespace } from '../user_namespace.ts';
import { mqueueInit, newMqueueState } from './mqueue.ts';
import { IpcNamespace } from './namespace.ts';
import { ipcProcInit } from './proc.ts';
import { destroyShms } from './shm.ts';

export function ipcInit(k: Kernel): void {
  mqueueInit(k);
  ipcProcInit(k);
}
/** A new namespace: empty, limits as at boot (copy_ipcs). */
export function copyIpcNs(k: Kernel, owner: UserNamespace, inum: number): IpcNamespace {
  const ns = new IpcNamespace(owner, inum);
  ns.mqueue = newMqueueState(k);
  return ns;
}
/** Nobody is in it any more: its segments give their memory back (free_ipc_ns). */
export function putIpcNs(k: Kernel, ns: IpcNamespace): void {
  destroyShms(k, ns);
}
