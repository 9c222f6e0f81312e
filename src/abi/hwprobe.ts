/** riscv_hwprobe(2): include/uapi/asm/hwprobe.h of arch/riscv. */

export const RISCV_HWPROBE_KEY_MVENDORID = 0;
export const RISCV_HWPROBE_KEY_MARCHID = 1;
export const RISCV_HWPROBE_KEY_MIMPID = 2;
export const RISCV_HWPROBE_KEY_BASE_BEHAVIOR = 3;
export const RISCV_HWPROBE_BASE_BEHAVIOR_IMA = 1n;
export const RISCV_HWPROBE_KEY_IMA_EXT_0 = 4;
export const RISCV_HWPROBE_KEY_CPUPERF_0 = 5;
export const RISCV_HWPROBE_KEY_ZICBOZ_BLOCK_SIZE = 6;
export const RISCV_HWPROBE_KEY_HIGHEST_VIRT_ADDRESS = 7;
export const RISCV_HWPROBE_KEY_TIME_CSR_FREQ = 8;
export const RISCV_HWPROBE_KEY_MISALIGNED_SCALAR_PERF = 9;
export const RISCV_HWPROBE_MAX_KEY = 9;

/** Bits of IMA_EXT_0. */
export const RISCV_HWPROBE_IMA_FD = 1n << 0n;
export const RISCV_HWPROBE_IMA_C = 1n << 1n;
export const RISCV_HWPROBE_EXT_ZBA = 1n << 3n;
export const RISCV_HWPROBE_EXT_ZBB = 1n << 4n;
export const RISCV_HWPROBE_EXT_ZBS = 1n << 5n;
export const RISCV_HWPROBE_EXT_ZIHINTNTL = 1n << 29n;
export const RISCV_HWPROBE_EXT_ZICOND = 1n << 35n;
export const RISCV_HWPROBE_EXT_ZIHINTPAUSE = 1n << 36n;
export const RISCV_HWPROBE_EXT_ZCA = 1n << 43n;
export const RISCV_HWPROBE_EXT_ZCD = 1n << 45n;

export const RISCV_HWPROBE_MISALIGNED_FAST = 3n;

/** Flag: tell which CPUs have the pairs, instead of what the CPUs have. */
export const RISCV_HWPROBE_WHICH_CPUS = 1;
