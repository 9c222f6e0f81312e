// Loadable modules: include/linux/module.h, include/uapi/linux/module.h, include/linux/moduleparam.h.

export const MODULE_NAME_LEN = 56;
export const MODULE_STATE_LIVE = 0;
export const MODULE_STATE_COMING = 1;
export const MODULE_STATE_GOING = 2;
export const MODULE_STATE_UNFORMED = 3;

/** finit_module(2). */
export const MODULE_INIT_IGNORE_MODVERSIONS = 1;
export const MODULE_INIT_IGNORE_VERMAGIC = 2;
export const MODULE_INIT_COMPRESSED_FILE = 4;

/** Kinds of memory of a module (enum mod_mem_type), indices of module.mem[]. */
export const MOD_TEXT = 0;
export const MOD_DATA = 1;
export const MOD_RODATA = 2;
export const MOD_RO_AFTER_INIT = 3;
export const MOD_INIT_TEXT = 4;
export const MOD_INIT_DATA = 5;
export const MOD_INIT_RODATA = 6;
export const MOD_MEM_NUM_TYPES = 7;

/** kernel_param_ops.flags: the parameter may stand without a value. */
export const KERNEL_PARAM_OPS_FL_NOARG = 1;
/** kernel_param.flags. */
export const KERNEL_PARAM_FL_UNSAFE = 1;
export const KERNEL_PARAM_FL_HWPARAM = 2;

/** Bits of the kernel's taint (include/linux/panic.h). */
export const TAINT_PROPRIETARY_MODULE = 0;
export const TAINT_FORCED_MODULE = 1;
export const TAINT_FORCED_RMMOD = 3;
export const TAINT_BAD_PAGE = 5;
export const TAINT_USER = 6;
export const TAINT_DIE = 7;
export const TAINT_WARN = 9;
export const TAINT_CRAP = 10;
export const TAINT_OOT_MODULE = 12;
export const TAINT_UNSIGNED_MODULE = 13;
export const TAINT_SOFTLOCKUP = 14;
export const TAINT_LIVEPATCH = 15;
export const TAINT_TEST = 18;

/** Letter when set, letter when not, name, and whether a module can carry it (kernel/panic.c, taint_flags). */
export const TAINT_FLAGS: readonly (readonly [set: string, clear: string, name: string, module: boolean])[] = [
  ['P', 'G', 'PROPRIETARY_MODULE', true],
  ['F', ' ', 'FORCED_MODULE', true],
  ['S', ' ', 'CPU_OUT_OF_SPEC', false],
  ['R', ' ', 'FORCED_RMMOD', false],
  ['M', ' ', 'MACHINE_CHECK', false],
  ['B', ' ', 'BAD_PAGE', false],
  ['U', ' ', 'USER', false],
  ['D', ' ', 'DIE', false],
  ['A', ' ', 'OVERRIDDEN_ACPI_TABLE', false],
  ['W', ' ', 'WARN', false],
  ['C', ' ', 'CRAP', true],
  ['I', ' ', 'FIRMWARE_WORKAROUND', false],
  ['O', ' ', 'OOT_MODULE', true],
  ['E', ' ', 'UNSIGNED_MODULE', true],
  ['L', ' ', 'SOFTLOCKUP', false],
  ['K', ' ', 'LIVEPATCH', true],
  ['X', ' ', 'AUX', true],
  ['T', ' ', 'RANDSTRUCT', true],
  ['N', ' ', 'TEST', true],
];
