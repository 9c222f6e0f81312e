import * as H from '../abi/hwprobe.ts';
import { TASK_SIZE } from './mm/address.ts';

// What the kernel says of the machine's instruction set, in one place (arch/riscv/kernel/cpufeature.c): /proc/cpuinfo, AT_HWCAP, riscv_hwprobe.

/** The single letters, in ISA order. */
const LETTERS = 'imafdc';
/** The others in the order of Linux's table riscv_isa_ext, with their bits in riscv_hwprobe. Hints are there because they do nothing. */
const EXTENSIONS: readonly (readonly [name: string, probe: bigint])[] = [
  ['zicntr', 0n],
  ['zicond', H.RISCV_HWPROBE_EXT_ZICOND],
  ['zicsr', 0n],
  ['zifencei', 0n],
  ['zihintntl', H.RISCV_HWPROBE_EXT_ZIHINTNTL],
  ['zihintpause', H.RISCV_HWPROBE_EXT_ZIHINTPAUSE],
  ['zca', H.RISCV_HWPROBE_EXT_ZCA],
  ['zcd', H.RISCV_HWPROBE_EXT_ZCD],
  ['zba', H.RISCV_HWPROBE_EXT_ZBA],
  ['zbb', H.RISCV_HWPROBE_EXT_ZBB],
  ['zbs', H.RISCV_HWPROBE_EXT_ZBS],
];

export const ISA_STRING = `rv64${LETTERS}${EXTENSIONS.map(([name]) => `_${name}`).join('')}`;
/** AT_HWCAP: a bit for each letter. */
export const ELF_HWCAP = [...LETTERS].reduce((bits, letter) => bits | (1 << (letter.charCodeAt(0) - 97)), 0);
const HWPROBE_IMA_EXT_0 = EXTENSIONS.reduce((bits, [, probe]) => bits | probe, H.RISCV_HWPROBE_IMA_FD | H.RISCV_HWPROBE_IMA_C);
/** CSR scounteren: user mode may read time, but neither cycle nor instret (drivers/perf/riscv_pmu_sbi.c). */
export const SCOUNTEREN_TM = 2;
/** The time CSR counts nanoseconds, so that it and the kernel's clocks never differ by a part of a tick. */
export const RISCV_TIMEBASE = 1_000_000_000;

/** What riscv_hwprobe(2) says, by key; all CPUs are alike. */
export const HWPROBE_VALUES: ReadonlyMap<bigint, bigint> = new Map(
  (
    [
      [H.RISCV_HWPROBE_KEY_MVENDORID, 0n],
      [H.RISCV_HWPROBE_KEY_MARCHID, 0n],
      [H.RISCV_HWPROBE_KEY_MIMPID, 0n],
      [H.RISCV_HWPROBE_KEY_BASE_BEHAVIOR, H.RISCV_HWPROBE_BASE_BEHAVIOR_IMA],
      [H.RISCV_HWPROBE_KEY_IMA_EXT_0, HWPROBE_IMA_EXT_0],
      [H.RISCV_HWPROBE_KEY_CPUPERF_0, H.RISCV_HWPROBE_MISALIGNED_FAST],
      [H.RISCV_HWPROBE_KEY_ZICBOZ_BLOCK_SIZE, 0n],
      [H.RISCV_HWPROBE_KEY_HIGHEST_VIRT_ADDRESS, BigInt(TASK_SIZE)],
      [H.RISCV_HWPROBE_KEY_TIME_CSR_FREQ, BigInt(RISCV_TIMEBASE)],
      [H.RISCV_HWPROBE_KEY_MISALIGNED_SCALAR_PERF, H.RISCV_HWPROBE_MISALIGNED_FAST],
    ] as const
  ).map(([key, value]) => [BigInt(key), value]),
);
