import type { Kernel } from '../kernel.ts';
import { mqueueInit } from './mqueue.ts';
import { IpcNamespace } from './namespace.ts';
import { ipcProcInit } from './proc.ts';

export function ipcInit(k: Kernel): void {
  k.ipc = new IpcNamespace();
  mqueueInit(k);
  ipcProcInit(k);
}
