import { die_args as ARGS, notifier_block as NB, pt_regs as REGS } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';
import { kfree, kzalloc } from './fs/module_file.ts';
import { writeText } from './lib/access.ts';
import { readKernel64, writeKernel32, writeKernel64, writeKernelBig } from './mm/maccess.ts';
import { enterGuest } from './module/call.ts';
import { continuation } from './module/continuation.ts';
import type { Task } from './sched/task.ts';

// Notifier chains of a kernel in trouble: die (an oops) and panic. Who reports the trouble stands deep in TypeScript, and cannot be made again: the blocks are
// called one after the other with named continuations, and the last one goes on with what follows the chain.

const NOTIFY_STOP_MASK = 0x8000;
const CHAIN_MAX = 1000;
const SIGSEGV = 11;
/** riscv: DIE_UNUSED, DIE_TRAP, DIE_OOPS. */
const DIE_OOPS = 2;

interface Notifying {
  /** Blocks still to be called. */
  readonly blocks: readonly number[];
  readonly value: number;
  readonly data: number;
  /** Name of what follows, and its data. */
  readonly next: string;
  readonly nextData: Readonly<Record<string, unknown>>;
  /** Guest memory to free. */
  readonly memory: readonly number[];
}
export type AfterChain = (k: Kernel, task: Task, data: Readonly<Record<string, unknown>>) => void;
const afterChain = new Map<string, AfterChain>();
/** Registers what follows a chain. */
export function followsChain(name: string, fn: AfterChain): void {
  afterChain.set(name, fn);
}

function blocksOf(k: Kernel, chain: string): number[] {
  const blocks: number[] = [];
  const slot = k.notifiers.get(chain) ?? 0;
  for (let nb = slot === 0 ? 0 : (readKernel64(k, slot) ?? 0); nb !== 0 && blocks.length < CHAIN_MAX; nb = readKernel64(k, nb + NB.next) ?? 0) blocks.push(nb);
  return blocks;
}
/** Whether code of modules can run on this task now. */
const mayRun = (k: Kernel, task: Task) => k.sched.loaded === task && task.exitState === 0 && !task.notifying;

function notify(k: Kernel, task: Task, n: Notifying): void {
  const [block, ...blocks] = n.blocks;
  const fn = readKernel64(k, block + NB.notifier_call) ?? 0;
  enterGuest(k, task, fn, [block, n.value, n.data], 'fatal_chain', { ...n, blocks });
}
continuation('fatal_chain', (k, task, result, data) => {
  const n = data as unknown as Notifying;
  if (n.blocks.length > 0 && (Number(BigInt.asIntN(32, result)) & NOTIFY_STOP_MASK) === 0) {
    notify(k, task, n);
    return;
  }
  task.notifying = false;
  for (const at of n.memory) kfree(k, at);
  afterChain.get(n.next)?.(k, task, n.nextData);
});

/** notify_die(DIE_OOPS, ...). False when nobody is to be told: the caller goes on itself. */
export function notifyDie(k: Kernel, task: Task, text: string, cause: number, next: string, nextData: Readonly<Record<string, unknown>>): boolean {
  const blocks = blocksOf(k, 'die');
  if (blocks.length === 0 || !mayRun(k, task)) return false;
  const args = kzalloc(k, ARGS.sizeof);
  const regs = kzalloc(k, REGS.sizeof);
  const name = kzalloc(k, text.length + 1);
  if (args === 0 || regs === 0 || name === 0) return false;
  const machine = k.machine.regs;
  writeKernel64(k, regs, machine.pc);
  for (let i = 1; i < 32; i++) writeKernelBig(k, regs + i * 8, machine.getBig(i));
  writeKernel64(k, regs + REGS.cause, cause);
  writeText(k, name, text);
  writeKernel64(k, args + ARGS.regs, regs);
  writeKernel64(k, args + ARGS.str, name);
  writeKernel32(k, args + ARGS.trapnr, cause);
  writeKernel32(k, args + ARGS.signr, SIGSEGV);
  task.notifying = true;
  notify(k, task, { blocks, value: DIE_OOPS, data: args, next, nextData, memory: [args, regs, name] });
  return true;
}
/** The chain of panic. False when it has nobody, or when the task that panics runs no code of modules any more. */
export function notifyPanic(k: Kernel, message: string): boolean {
  const blocks = blocksOf(k, 'panic');
  if (blocks.length === 0 || !mayRun(k, k.current)) return false;
  const text = kzalloc(k, message.length + 1);
  if (text === 0) return false;
  writeText(k, text, message);
  k.current.notifying = true;
  notify(k, k.current, { blocks, value: 0, data: text, next: 'panic', nextData: { message }, memory: [] });
  return true;
}
