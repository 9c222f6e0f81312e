import type { Kernel } from '../kernel.ts';

/** A trap taken in S mode, by module code. Owned by the module helper. */
export function handleKernelTrap(k: Kernel, cause: number): void {
  k.panic(`unexpected trap ${cause} in kernel mode`);
}
