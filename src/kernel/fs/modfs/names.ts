import type { Kernel } from '../../kernel.ts';
import { runSteps } from '../../module/steps.ts';
import { BLOCKED } from '../../sched/wait.ts';

/** A change of names in a module's file system that the current call has begun: its result or BLOCKED; undefined: there is none. */
export function nameOpGoing(k: Kernel): number | undefined {
  if (k.current.restart?.['nameOp'] !== true) return undefined;
  const r = runSteps(k, () => 0);
  if (r !== BLOCKED) k.current.restart = { ...k.current.restart, nameOp: undefined };
  return r;
}
