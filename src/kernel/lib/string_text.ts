import type { ExportText } from '../module/export.ts';

// The memory and string functions that module code calls most, as machine code of the kernel image (arch/riscv/lib): a call of TypeScript costs more than the work.
// What wants more than LIMIT bytes, or overlaps so that it must go backwards, is left to the exported function in TypeScript.

const LIMIT = 0x10_0000;

const MEMSET = `
  li   t0, limit
  bltu t0, a2, slow
# The byte eight times.
  andi t1, a1, 255
  slli t2, t1, 8
  or   t1, t1, t2
  slli t2, t1, 16
  or   t1, t1, t2
  slli t2, t1, 32
  or   t1, t1, t2
  addi t3, a0, 0
  add  t4, a0, a2
  andi t5, a2, -8
  add  t5, t5, a0
  bgeu t3, t5, rest
words:
  sd   t1, 0(t3)
  addi t3, t3, 8
  bltu t3, t5, words
rest:
  bgeu t3, t4, done
bytes:
  sb   t1, 0(t3)
  addi t3, t3, 1
  bltu t3, t4, bytes
done:
  ret
slow:
  ecall`;

/** memcpy and memmove: forwards, unless that would overwrite what is still to be read. */
const MEMMOVE = `
  li   t0, limit
  bltu t0, a2, slow
  sub  t0, a0, a1
  bltu t0, a2, slow
  addi t3, a0, 0
  addi t6, a1, 0
  add  t4, a0, a2
  andi t5, a2, -8
  add  t5, t5, a0
  bgeu t3, t5, rest
words:
  ld   t1, 0(t6)
  sd   t1, 0(t3)
  addi t6, t6, 8
  addi t3, t3, 8
  bltu t3, t5, words
rest:
  bgeu t3, t4, done
bytes:
  lbu  t1, 0(t6)
  sb   t1, 0(t3)
  addi t6, t6, 1
  addi t3, t3, 1
  bltu t3, t4, bytes
done:
  ret
slow:
  ecall`;

const MEMCMP = `
  li   t0, limit
  bltu t0, a2, slow
  addi t3, a0, 0
  addi t6, a1, 0
  add  t4, a0, a2
  andi t5, a2, -8
  add  t5, t5, a0
  bgeu t3, t5, rest
words:
  ld   t1, 0(t3)
  ld   t2, 0(t6)
  bne  t1, t2, rest
  addi t3, t3, 8
  addi t6, t6, 8
  bltu t3, t5, words
rest:
  bgeu t3, t4, equal
bytes:
  lbu  t1, 0(t3)
  lbu  t2, 0(t6)
  bne  t1, t2, differ
  addi t3, t3, 1
  addi t6, t6, 1
  bltu t3, t4, bytes
equal:
  li   a0, 0
  ret
differ:
  sub  a0, t1, t2
  ret
slow:
  ecall`;

const STRLEN = `
  addi t0, a0, 0
next:
  lbu  t1, 0(t0)
  addi t0, t0, 1
  bnez t1, next
  sub  a0, t0, a0
  addi a0, a0, -1
  ret
  ecall`;

const STRCMP = `
  addi t3, a0, 0
  addi t6, a1, 0
next:
  lbu  t1, 0(t3)
  lbu  t2, 0(t6)
  addi t3, t3, 1
  addi t6, t6, 1
  bne  t1, t2, differ
  bnez t1, next
  li   a0, 0
  ret
differ:
  bltu t1, t2, less
  li   a0, 1
  ret
less:
  li   a0, -1
  ret
  ecall`;

const text = (source: string): ExportText => ({ source, constants: () => ({ limit: LIMIT }) });
export const memsetText = text(MEMSET);
export const memmoveText = text(MEMMOVE);
export const memcmpText = text(MEMCMP);
export const strlenText = text(STRLEN);
export const strcmpText = text(STRCMP);
