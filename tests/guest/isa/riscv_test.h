/*
 * Environment for the RISC-V ISA tests (riscv-tests/isa) as Linux processes: a test that passes exits with 0, one that fails with the
 * number of the case that failed. scripts/isa-tests.mjs builds with it.
 */
#ifndef LINTEL_RISCV_TEST_H
#define LINTEL_RISCV_TEST_H

#define SYS_exit 93

#define TESTNUM gp

#define RVTEST_RV64U .macro init; li TESTNUM, 0; .endm
/* fcsr is 0 when a process starts, and the kernel turns the unit on. */
#define RVTEST_RV64UF RVTEST_RV64U

#define RVTEST_CODE_BEGIN                                               \
        .text;                                                          \
        .globl _start;                                                  \
_start: init;

#define RVTEST_CODE_END                                                 \
        unimp

#define RVTEST_PASS                                                     \
        li a0, 0;                                                       \
        li a7, SYS_exit;                                                \
        ecall

#define RVTEST_FAIL                                                     \
        mv a0, TESTNUM;                                                 \
        li a7, SYS_exit;                                                \
        ecall

#define EXTRA_DATA
#define RVTEST_DATA_BEGIN .align 4
#define RVTEST_DATA_END .align 4

#ifdef __ASSEMBLER__
/* GNU as before 2.41 does not know Zicond. */
.macro czero.eqz rd, rs1, rs2
        .insn r 0x33, 5, 7, \rd, \rs1, \rs2
.endm
.macro czero.nez rd, rs1, rs2
        .insn r 0x33, 7, 7, \rd, \rs1, \rs2
.endm
#endif

#endif
