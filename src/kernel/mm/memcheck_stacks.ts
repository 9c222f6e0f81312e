import { task_struct as TASK } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { sprintSymbol } from '../kallsyms.ts';
import { findModuleAt, type Module } from '../module/module.ts';
import type { Task } from '../sched/task.ts';
import { visitStack } from '../stacktrace.ts';

// The stacks of allocations and frees (lib/stackdepot.c): the same path of calls by the same task has one record, found by walking a tree of return addresses.

/** Where something happened: who did it and the functions of its stack, innermost first. */
export interface StackRecord {
  readonly pid: number;
  readonly comm: string;
  readonly stack: readonly string[];
  /** The module whose code called. */
  readonly owner: Module | null;
}
/** A return address under those that lead to it. */
interface Frame {
  readonly pc: number;
  readonly callee: Frame | null;
  readonly callers: Map<number, Frame>;
  /** The caller that was looked for last. */
  last: Frame | null;
  /** The last record of a stack that ends here, its task, and the first words of the task's name. */
  record: StackRecord | null;
  task: Task | null;
  readonly comm: Uint32Array;
}
const COMM_WORDS = 4;

function newFrame(pc: number, callee: Frame | null): Frame {
  return { pc, callee, callers: new Map(), last: null, record: null, task: null, comm: new Uint32Array(COMM_WORDS) };
}

export class CallStacks {
  private readonly k: Kernel;
  private root = newFrame(0, null);
  private at = this.root;
  private readonly names = new Map<number, string>();

  constructor(k: Kernel) {
    this.k = k;
  }
  /** Modules came or went: addresses have other names now. */
  forget(): void {
    this.root = newFrame(0, null);
    this.names.clear();
  }
  /** Names are taken when the call is made: code of init sections is gone later. */
  nameOf(pc: number): string {
    let name = this.names.get(pc);
    if (name === undefined) {
      name = sprintSymbol(this.k, pc, 'S');
      this.names.set(pc, name);
    }
    return name;
  }
  private readonly step = (pc: number): void => {
    const { at } = this;
    let next = at.last;
    if (next === null || next.pc !== pc) {
      next = at.callers.get(pc) ?? null;
      if (next === null) {
        next = newFrame(pc, at);
        at.callers.set(pc, next);
      }
      at.last = next;
    }
    this.at = next;
  };
  /** The stack of the call of an exported function. */
  record(): StackRecord {
    const { k } = this;
    const { ram, current: task } = k;
    this.at = this.root;
    const inKernel = k.machine.regs.mode !== 0;
    if (inKernel) visitStack(k, task, this.step);
    const { at } = this;
    const name = (task.addr + TASK.comm) / 4;
    let same = at.record !== null && at.task === task && at.record.pid === task.pid;
    for (let i = 0; i < COMM_WORDS && same; i++) same = at.comm[i] === ram.u32[name + i];
    if (same && at.record !== null) return at.record;
    const stack: string[] = [];
    for (let f: Frame | null = at; f !== null && f.callee !== null; f = f.callee) stack.push(this.nameOf(f.pc));
    const owner = inKernel ? findModuleAt(k, k.machine.regs.get(1)) : null;
    at.record = { pid: task.pid, comm: task.comm, stack: stack.reverse(), owner };
    at.task = task;
    at.comm.set(ram.u32.subarray(name, name + COMM_WORDS));
    return at.record;
  }
}
