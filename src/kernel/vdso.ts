/** The page mapped into every process as [vdso]: the return from signal handlers. Offset of __vdso_rt_sigreturn in it. */
export const VDSO_SIGRETURN = 0;
/** li a7, 139; ecall */
export const VDSO_CODE: readonly number[] = [0x08b00893, 0x00000073];
