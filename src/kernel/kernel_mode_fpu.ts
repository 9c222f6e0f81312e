import type { Kernel } from './kernel.ts';
import { type FunctionExport, fn } from './module/export.ts';

// Floating point in kernel code (arch/riscv/kernel/kernel_mode_fpu.c): between begin and end FP instructions are legal, and user mode's registers rest
// on the task.

const SR_FS = 0x6000;
/** sizeof(struct __riscv_d_ext_state): 32 registers and fcsr. */
const FP_STATE_SIZE = 264;

function begin(k: Kernel): void {
  const { machine, current: task, ram } = k;
  machine.regs.saveFp(task.fpState);
  task.userFpState = ram.u8.slice(task.fpState, task.fpState + FP_STATE_SIZE);
  machine.regs.sstatus |= SR_FS;
}
function end(k: Kernel): void {
  const { machine, current: task, ram } = k;
  machine.regs.sstatus &= ~SR_FS;
  if (task.userFpState === null) return;
  ram.u8.set(task.userFpState, task.fpState);
  machine.regs.loadFp(task.fpState);
  task.userFpState = null;
}
export const fpuExports: readonly FunctionExport[] = [fn('kernel_fpu_begin', begin), fn('kernel_fpu_end', end)];
