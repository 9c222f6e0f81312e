import { RISCV_HWPROBE_MAX_KEY } from '../../abi/hwprobe.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { CLOCK_TAI, NSEC_PER_SEC } from '../../abi/time.ts';
import { VVAR } from './datapage.ts';

// The functions of the vDSO (vdso(7); arch/riscv/kernel/vdso and lib/vdso in Linux). They are leaves that use no stack, so at each of their
// instructions the caller's frame is what it was at the call: sp is the CFA and ra the return address.

/** The order in which they lie; the first must be the return from signal handlers (unwinders look before it). */
export const VDSO_FUNCTIONS = [
  '__vdso_rt_sigreturn',
  '__vdso_clock_gettime',
  '__vdso_gettimeofday',
  '__vdso_clock_getres',
  '__vdso_getcpu',
  '__vdso_flush_icache',
  '__vdso_riscv_hwprobe',
] as const;

/** Names that VDSO_SOURCE uses. `vvar` is where the data page lies, seen from the image's start. */
export const VDSO_CONSTANTS: Readonly<Record<string, number>> = {
  SEQ: VVAR.seq,
  GRANULE: VVAR.clock.granule,
  SEC: VVAR.clock.sec,
  NSEC: VVAR.clock.nsec,
  RES: VVAR.clock.resolution,
  CLOCK_SHIFT: Math.log2(VVAR.clock.sizeof),
  MINUTESWEST: VVAR.minuteswest,
  DSTTIME: VVAR.dsttime,
  HWPROBE: VVAR.hwprobe,
  CLOCK_TAI,
  NSEC_PER_SEC,
  HWPROBE_MAX_KEY: RISCV_HWPROBE_MAX_KEY,
  NR_rt_sigreturn: NR.NR_rt_sigreturn,
  NR_clock_gettime: NR.NR_clock_gettime,
  NR_gettimeofday: NR.NR_gettimeofday,
  NR_clock_getres: NR.NR_clock_getres,
  NR_getcpu: NR.NR_getcpu,
  NR_riscv_flush_icache: NR.NR_riscv_flush_icache,
  NR_riscv_hwprobe: NR.NR_riscv_hwprobe,
};

/**
 * A clock is its value at time 0 of the time CSR, which counts nanoseconds, plus that CSR, cut to the clock's granule; granule 0 says that only
 * the kernel knows it now. The sequence number changes with the data, as that of Linux's seqcount does, but is never seen odd: the kernel's
 * writes are not interrupted.
 */
export const VDSO_SOURCE = `
__vdso_rt_sigreturn:
  li a7, NR_rt_sigreturn
  ecall
  nop

# a0 clock, a1 struct timespec *
__vdso_clock_gettime:
  li t0, CLOCK_TAI
  bltu t0, a0, gettime_syscall
  la a3, vvar
  slli a4, a0, CLOCK_SHIFT
  add a4, a4, a3
gettime_again:
  lw t1, SEQ(a3)
  fence r,r
  ld t2, GRANULE(a4)
  ld t3, SEC(a4)
  ld t4, NSEC(a4)
  rdtime t5
  fence r,r
  lw t6, SEQ(a3)
  bne t6, t1, gettime_again
  beqz t2, gettime_syscall
  add t5, t5, t4
  li t6, 1
  beq t2, t6, gettime_fine
  remu t6, t5, t2
  sub t5, t5, t6
gettime_fine:
  li t6, NSEC_PER_SEC
  divu t1, t5, t6
  mul t6, t1, t6
  sub t5, t5, t6
  add t3, t3, t1
  sd t3, 0(a1)
  sd t5, 8(a1)
  li a0, 0
  ret
gettime_syscall:
  li a7, NR_clock_gettime
  ecall
  sext.w a0, a0
  ret

# a0 struct timeval *, a1 struct timezone *
__vdso_gettimeofday:
  la a3, vvar
  beqz a0, timezone
timeofday_again:
  lw t1, SEQ(a3)
  fence r,r
  ld t2, GRANULE(a3)
  ld t3, SEC(a3)
  ld t4, NSEC(a3)
  rdtime t5
  fence r,r
  lw t6, SEQ(a3)
  bne t6, t1, timeofday_again
  beqz t2, timeofday_syscall
  add t5, t5, t4
  li t6, NSEC_PER_SEC
  divu t1, t5, t6
  mul t6, t1, t6
  sub t5, t5, t6
  add t3, t3, t1
  li t6, 1000
  divu t5, t5, t6
  sd t3, 0(a0)
  sd t5, 8(a0)
timezone:
  beqz a1, timeofday_done
  lw t1, MINUTESWEST(a3)
  lw t2, DSTTIME(a3)
  sw t1, 0(a1)
  sw t2, 4(a1)
timeofday_done:
  li a0, 0
  ret
timeofday_syscall:
  li a7, NR_gettimeofday
  ecall
  sext.w a0, a0
  ret

# a0 clock, a1 struct timespec * or NULL
__vdso_clock_getres:
  li t0, CLOCK_TAI
  bltu t0, a0, getres_syscall
  la a3, vvar
  slli a4, a0, CLOCK_SHIFT
  add a4, a4, a3
  ld t1, RES(a4)
  beqz t1, getres_syscall
  beqz a1, getres_done
  sd zero, 0(a1)
  sd t1, 8(a1)
getres_done:
  li a0, 0
  ret
getres_syscall:
  li a7, NR_clock_getres
  ecall
  sext.w a0, a0
  ret

__vdso_getcpu:
  li a7, NR_getcpu
  ecall
  ret

__vdso_flush_icache:
  li a7, NR_riscv_flush_icache
  ecall
  ret

# a0 pairs, a1 how many, a2 bytes of the set of CPUs, a3 the set (all CPUs are alike), a4 flags
__vdso_riscv_hwprobe:
  bnez a4, hwprobe_syscall
  la t0, vvar
  addi t0, t0, HWPROBE
  slli a1, a1, 4
  add a1, a1, a0
  li t4, HWPROBE_MAX_KEY
hwprobe_next:
  bgeu a0, a1, hwprobe_done
  ld t1, 0(a0)
  bltu t4, t1, hwprobe_unknown
  slli t2, t1, 3
  add t2, t2, t0
  ld t3, 0(t2)
  sd t3, 8(a0)
  addi a0, a0, 16
  j hwprobe_next
hwprobe_unknown:
  li t1, -1
  sd t1, 0(a0)
  sd zero, 8(a0)
  addi a0, a0, 16
  j hwprobe_next
hwprobe_done:
  li a0, 0
  ret
hwprobe_syscall:
  li a7, NR_riscv_hwprobe
  ecall
  sext.w a0, a0
  ret
`;
