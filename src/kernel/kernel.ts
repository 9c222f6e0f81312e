import type { MachineApi } from '../machine/api.ts';
import type { Ram } from '../machine/ram.ts';
import type { DriverCore } from './drivers/core.ts';
import type { Vfs } from './fs/vfs.ts';
import type { HostDoors } from './host.ts';
import type { MemoryManager } from './mm/mm.ts';
import type { ModuleState } from './module/state.ts';
import type { Printk } from './printk/printk.ts';
import type { Scheduler } from './sched/core.ts';
import type { Task } from './sched/task.ts';
import type { Timekeeper } from './time/timekeeping.ts';

/**
 * One booted system: the composition of the subsystems' state. Functions of the kernel take it as their first argument
 * where Linux uses globals. `startKernel` (init/main.ts) fills the fields in the order of Linux's start_kernel.
 */
export class Kernel {
  readonly machine: MachineApi;
  readonly ram: Ram;
  readonly host: HostDoors;
  /** The kernel command line, as /proc/cmdline shows it (without the newline). */
  readonly commandLine: string;
  readonly cpus: number;
  /** Seed of everything that is random or scheduled; every run with the same seed and input is the same. */
  readonly seed: number;

  printk!: Printk;
  time!: Timekeeper;
  mm!: MemoryManager;
  sched!: Scheduler;
  vfs!: Vfs;
  drivers!: DriverCore;
  modules!: ModuleState;

  /** The task on the hart that executes now (Linux's `current`). */
  current!: Task;
  /** Index of that hart. */
  cpu = 0;
  /** Set by reboot(2)/panic: the run loop stops. */
  halted: { reason: 'poweroff' | 'halt' | 'restart' | 'panic'; message: string } | null = null;

  constructor(machine: MachineApi, host: HostDoors, options: { commandLine: string; cpus: number; seed: number }) {
    this.machine = machine;
    this.ram = machine.ram;
    this.host = host;
    this.commandLine = options.commandLine;
    this.cpus = options.cpus;
    this.seed = options.seed;
  }
}
