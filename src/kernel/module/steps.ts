import type { Kernel } from '../kernel.ts';
import { BLOCKED } from '../sched/wait.ts';
import { callGuest } from './call.ts';

// Kernel operations that call several functions of modules, one after the other (unregistering a device: remove, managed resources, release). Such
// an operation is a list of steps; the list is its progress, kept in task.restart while a function of a module runs.

export type Step =
  /** A function in guest memory; 0 is passed over. */
  | { readonly call: number; readonly args: readonly (number | bigint)[] }
  /** One of our own, by name. */
  | { readonly act: string; readonly data: Readonly<Record<string, number | string>> };
export interface StepState {
  readonly steps: Step[];
  /** What the last function returned, as a C int. */
  result: number;
  /** The same as a pointer. */
  pointer: number;
  /** What the whole operation returns. */
  value: number;
}
/** Steps that it puts in front of the list (`before`) are made next. */
export type StepAction = (k: Kernel, data: Readonly<Record<string, number | string>>, state: StepState) => void;
const actions = new Map<string, StepAction>();
/** Registers an action by name (subsystem start). */
export function stepAction(name: string, action: StepAction): void {
  if (actions.has(name)) throw new Error(`two step actions ${name}`);
  actions.set(name, action);
}
/** One action by itself, where no steps are made; what it would put in front is dropped. */
export function actNow(k: Kernel, act: string, data: Readonly<Record<string, number | string>>): void {
  actions.get(act)?.(k, data, { steps: [], result: 0, pointer: 0, value: 0 });
}
export function before(state: StepState, ...steps: readonly Step[]): void {
  state.steps.unshift(...steps);
}

/** Makes the operation whose steps `begin` names, or goes on with it. A number from `begin` is the result without any step. BLOCKED or the value. */
export function runSteps(k: Kernel, begin: () => readonly Step[] | number): number {
  const task = k.current;
  let state = task.restart?.['steps'] as StepState | undefined;
  if (state === undefined) {
    const steps = begin();
    if (typeof steps === 'number') return steps;
    state = { steps: [...steps], result: 0, pointer: 0, value: 0 };
  }
  for (;;) {
    const step = state.steps[0];
    if (step === undefined) break;
    if ('call' in step) {
      if (step.call !== 0) {
        task.restart = { ...task.restart, steps: state };
        const r = callGuest(k, step.call, ...step.args);
        if (r === null) return BLOCKED;
        state.result = r | 0;
        state.pointer = r;
        task.calls = [];
        task.callIndex = 0;
      } else state.result = state.pointer = 0;
      state.steps.shift();
    } else {
      state.steps.shift();
      actions.get(step.act)?.(k, step.data, state);
    }
  }
  if (task.restart?.['steps'] !== undefined) task.restart = { ...task.restart, steps: undefined };
  return state.value;
}
