import type { Kernel } from '../kernel.ts';

// What memory cgroups pay for (mm/memcontrol.c).

/** The memory controller of a cgroup. */
export interface MemCgroup {
  /** Number of its LRU lists, and in the array of owners of frames. */
  readonly id: number;
}
const ROOT: MemCgroup = { id: 0 };
/** `target` and the groups below it; null = all. */
export function memcgsBelow(_k: Kernel, _target: MemCgroup | null): MemCgroup[] {
  return [ROOT];
}
/** What may be scanned of a list with so many pages; null: the group is protected. */
export function memcgProtection(_cg: MemCgroup, _target: MemCgroup | null): ((size: number) => number) | null {
  return (size) => size;
}

/** A frame for user memory or a file, charged to the group of the current task. 0 = no memory, or the group may have no more. */
export function frameForUser(k: Kernel, zero: boolean): number {
  return k.mm.pages.allocUser(0, zero);
}
