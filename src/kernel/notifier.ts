import { EBUSY, EEXIST, ENOENT } from '../abi/errno.ts';
import { atomic_notifier_head as ATOMIC, blocking_notifier_head as BLOCKING, notifier_block as NB } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';
import { load32, load64, store64 } from './lib/guest_memory.ts';
import { callGuest } from './module/call.ts';
import { type DataExport, type FunctionExport, fn, partial } from './module/export.ts';
import { imageObject } from './module/stubs.ts';
import { warnInExport } from './traps.ts';
import { BLOCKED } from './sched/wait.ts';

// Notifier chains (kernel/notifier.c): lists of notifier_block in guest memory, highest priority first.

const NOTIFY_DONE = 0;
const NOTIFY_STOP_MASK = 0x8000;
const NOTIFY_OK = 1;
const priorityOf = (k: Kernel, nb: number) => load32(k, nb + NB.priority) | 0;

/** Links a block in behind those of its priority. `slot` is the pointer to the first block. */
export function registerNotifier(k: Kernel, slot: number, nb: number, uniquePriority = false): number {
  let at = slot;
  for (let next = load64(k, at); next !== 0; next = load64(k, at)) {
    if (next === nb) {
      warnInExport(k, 'notifier callback already registered');
      return -EEXIST;
    }
    if (priorityOf(k, nb) > priorityOf(k, next)) break;
    if (uniquePriority && priorityOf(k, nb) === priorityOf(k, next)) return -EBUSY;
    at = next + NB.next;
    if (k.current.exitState !== 0) return 0;
  }
  store64(k, nb + NB.next, load64(k, at));
  store64(k, at, nb);
  return 0;
}

export function unregisterNotifier(k: Kernel, slot: number, nb: number): number {
  let at = slot;
  for (let next = load64(k, at); next !== 0; next = load64(k, at)) {
    if (next === nb) {
      store64(k, at, load64(k, nb + NB.next));
      return 0;
    }
    at = next + NB.next;
    if (k.current.exitState !== 0) return 0;
  }
  return -ENOENT;
}
/** notifier_call_chain: the last answer, or null while a callback runs (the call is made again). */
export function callChain(k: Kernel, slot: number, value: number, data: number, max = -1, calls = 0): number | null {
  let result = NOTIFY_DONE;
  let n = 0;
  for (let nb = load64(k, slot); nb !== 0 && n !== max; n++) {
    // Read before the call: a block may take itself out.
    const next = load64(k, nb + NB.next);
    const r = callGuest(k, load64(k, nb + NB.notifier_call), nb, value, data);
    if (r === null) return null;
    if (calls !== 0) store64(k, calls, n + 1);
    result = r | 0;
    if ((result & NOTIFY_STOP_MASK) !== 0) break;
    nb = next;
  }
  return result;
}
const call = (k: Kernel, slot: number, value: number, data: number) => callChain(k, slot, value, data) ?? BLOCKED;
/** *_robust: when one refuses, those that agreed are told `down`. */
function callRobust(k: Kernel, slot: number, up: number, down: number, data: number): number {
  return callBlocksRobust(k, chainCalls(k, slot), up, down, data) ?? BLOCKED;
}

/** The blocks of a chain as they are now, each with its function: a caller that is made again calls the same, whatever they do to the chain. */
export interface ChainCall {
  readonly nb: number;
  readonly fn: number;
}
export function chainCalls(k: Kernel, slot: number): ChainCall[] {
  const calls: ChainCall[] = [];
  for (let nb = load64(k, slot); nb !== 0; nb = load64(k, nb + NB.next)) calls.push({ nb, fn: load64(k, nb + NB.notifier_call) });
  return calls;
}
/** notifier_call_chain over them: the last answer, or null while a callback runs. */
export function callBlocks(k: Kernel, blocks: readonly ChainCall[], value: number, data: number): number | null {
  let result = NOTIFY_DONE;
  for (const { nb, fn: call } of blocks) {
    const r = callGuest(k, call, nb, value, data);
    if (r === null) return null;
    result = r | 0;
    if ((result & NOTIFY_STOP_MASK) !== 0) break;
  }
  return result;
}
/** The same; when one refuses, those before it are told `down`. */
export function callBlocksRobust(k: Kernel, blocks: readonly ChainCall[], up: number, down: number, data: number): number | null {
  let result = NOTIFY_DONE;
  for (const [i, { nb, fn: call }] of blocks.entries()) {
    const r = callGuest(k, call, nb, up, data);
    if (r === null) return null;
    result = r | 0;
    if ((result & NOTIFY_STOP_MASK) === 0) continue;
    return callBlocks(k, blocks.slice(0, i), down, data) === null ? null : result;
  }
  return result;
}
/** notifier_to_errno. */
export function notifierToErrno(result: number): number {
  const r = result & ~NOTIFY_STOP_MASK;
  return r > NOTIFY_OK ? NOTIFY_OK - r : 0;
}

const chain = (kind: string, offset: number): FunctionExport[] => [
  fn(`${kind}_notifier_chain_register`, (k, head, nb) => registerNotifier(k, head + offset, nb)),
  fn(`${kind}_notifier_chain_unregister`, (k, head, nb) => unregisterNotifier(k, head + offset, nb)),
  fn(`${kind}_notifier_call_chain`, (k, head, value, data) => call(k, head + offset, value, data)),
];
/** Chains of the kernel itself that modules join: symbol of the variable, and the pair of functions. */
const own = (register: string, unregister: string, name: string, note = ''): FunctionExport[] => {
  const row = note === '' ? fn : (symbol: string, call: FunctionExport['call']) => partial(symbol, note, call);
  return [
    row(register, (k, nb) => registerNotifier(k, k.notifiers.get(name) ?? 0, nb)),
    row(unregister, (k, nb) => unregisterNotifier(k, k.notifiers.get(name) ?? 0, nb)),
  ];
};
/** Places of the pointers to the first block, made at start. */
export const OWN_CHAINS = ['panic', 'reboot', 'die', 'module', 'netdevice', 'oom', 'pm', 'keyboard', 'memory'] as const;
export function notifierInit(k: Kernel): void {
  for (const name of OWN_CHAINS) if (!k.notifiers.has(name)) k.notifiers.set(name, imageObject(k, 8, 8));
}
export const notifierExports: readonly FunctionExport[] = [
  ...chain('atomic', ATOMIC.head),
  ...chain('blocking', BLOCKING.head),
  ...chain('raw', 0),
  fn('atomic_notifier_chain_register_unique_prio', (k, head, nb) => registerNotifier(k, head + ATOMIC.head, nb, true)),
  fn('blocking_notifier_chain_register_unique_prio', (k, head, nb) => registerNotifier(k, head + BLOCKING.head, nb, true)),
  fn('blocking_notifier_call_chain_robust', (k, head, up, down, data) => callRobust(k, head + BLOCKING.head, up, down, data)),
  fn('raw_notifier_call_chain_robust', callRobust),
  ...own('register_reboot_notifier', 'unregister_reboot_notifier', 'reboot'),
  ...own('register_die_notifier', 'unregister_die_notifier', 'die'),
  ...own('register_module_notifier', 'unregister_module_notifier', 'module'),
  ...own('register_pm_notifier', 'unregister_pm_notifier', 'pm', 'the system never suspends'),
  ...own('register_memory_notifier', 'unregister_memory_notifier', 'memory', 'memory does not come and go'),
];
export const notifierDataExports: readonly DataExport[] = [
  {
    name: 'panic_notifier_list',
    place(k) {
      const head = imageObject(k, ATOMIC.sizeof, 8);
      k.notifiers.set('panic', head + ATOMIC.head);
      return head;
    },
  },
];
