import {
  RISCV_HWPROBE_EXT_ZBA,
  RISCV_HWPROBE_EXT_ZBB,
  RISCV_HWPROBE_EXT_ZBS,
  RISCV_HWPROBE_EXT_ZCA,
  RISCV_HWPROBE_EXT_ZCD,
  RISCV_HWPROBE_EXT_ZICOND,
  RISCV_HWPROBE_EXT_ZIHINTNTL,
  RISCV_HWPROBE_EXT_ZIHINTPAUSE,
  RISCV_HWPROBE_IMA_C,
  RISCV_HWPROBE_IMA_FD,
} from '../abi/hwprobe.ts';

// What the kernel says of the machine's instruction set, in one place (arch/riscv/kernel/cpufeature.c): /proc/cpuinfo, AT_HWCAP, riscv_hwprobe.

/** The single letters, in ISA order. */
const LETTERS = 'imafdc';
/** The others in the order of Linux's table riscv_isa_ext, with their bits in riscv_hwprobe. Hints are there because they do nothing. */
const EXTENSIONS: readonly (readonly [name: string, probe: bigint])[] = [
  ['zicntr', 0n],
  ['zicond', RISCV_HWPROBE_EXT_ZICOND],
  ['zicsr', 0n],
  ['zifencei', 0n],
  ['zihintntl', RISCV_HWPROBE_EXT_ZIHINTNTL],
  ['zihintpause', RISCV_HWPROBE_EXT_ZIHINTPAUSE],
  ['zca', RISCV_HWPROBE_EXT_ZCA],
  ['zcd', RISCV_HWPROBE_EXT_ZCD],
  ['zba', RISCV_HWPROBE_EXT_ZBA],
  ['zbb', RISCV_HWPROBE_EXT_ZBB],
  ['zbs', RISCV_HWPROBE_EXT_ZBS],
];

export const ISA_STRING = `rv64${LETTERS}${EXTENSIONS.map(([name]) => `_${name}`).join('')}`;
/** AT_HWCAP: a bit for each letter. */
export const ELF_HWCAP = [...LETTERS].reduce((bits, letter) => bits | (1 << (letter.charCodeAt(0) - 97)), 0);
export const HWPROBE_IMA_EXT_0 = EXTENSIONS.reduce((bits, [, probe]) => bits | probe, RISCV_HWPROBE_IMA_FD | RISCV_HWPROBE_IMA_C);
/** CSR scounteren: user mode may read time, but neither cycle nor instret (drivers/perf/riscv_pmu_sbi.c). */
export const SCOUNTEREN_TM = 2;
