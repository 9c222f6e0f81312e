import { Machine, type MachineOptions } from '../../machine/machine.ts';
import type { File } from '../fs/types.ts';
import { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import { mmInit } from './mm.ts';
import { type MmStruct, mmAlloc } from './mm_struct.ts';

// A kernel with memory management and nothing else, for unit tests. The current task has limits, a personality and an address space.

export interface MmTestKit {
  readonly k: Kernel;
  readonly mm: MmStruct;
  readonly log: string[];
  readonly limits: number[];
}

/** @param megabytes size of RAM. */
export function mmTestKit(megabytes = 32, commandLine = 'norandmaps', cpus = 1, tier: MachineOptions['tier'] = 'auto'): MmTestKit {
  const machine = Machine.create({ memoryBytes: megabytes * 2 ** 20, tier });
  const host = {
    consoleWrite() {},
    entropy(into: Uint8Array) {
      into.fill(0x5a);
    },
    bootTime: () => ({ sec: 0, nsec: 0 }),
    elapsed: null,
  };
  const k = new Kernel(machine, host, { commandLine, cpus, seed: 1 });
  const log: string[] = [];
  const limits = new Array<number>(16).fill(Number.POSITIVE_INFINITY);
  limits[3] = 8 * 1024 * 1024;
  const task = { comm: 'test', pid: 1, mm: null, minFlt: 0, majFlt: 0, signal: { rlimit: (n: number) => limits[n] }, capable: () => true };
  k.current = task as unknown as Task;
  k.printk = { log: (_level: number, text: string) => void log.push(text) } as Kernel['printk'];
  k.vfs = {
    fput(file: File) {
      file.refs--;
    },
  } as unknown as Kernel['vfs'];
  mmInit(k);
  const mm = mmAlloc(k);
  if (mm === null) throw new Error('no memory for the test address space');
  k.current.mm = mm;
  machine.setPageTable(mm.pgd);
  return { k, mm, log, limits };
}
