/** Reasons for which `Machine.run` returns: scause codes of the RISC-V privileged ISA (table "scause"), and two of ours. */
export const Trap = {
  SLICE_END: -1,
  /** A load or store that a watcher stopped (custom use: 24). */
  WATCHED: 24,
  INSN_MISALIGNED: 0,
  INSN_ACCESS: 1,
  ILLEGAL: 2,
  BREAKPOINT: 3,
  LOAD_MISALIGNED: 4,
  LOAD_ACCESS: 5,
  STORE_MISALIGNED: 6,
  STORE_ACCESS: 7,
  ECALL_U: 8,
  ECALL_S: 9,
  INSN_PAGE_FAULT: 12,
  LOAD_PAGE_FAULT: 13,
  STORE_PAGE_FAULT: 15,
} as const;
export type TrapCause = (typeof Trap)[keyof typeof Trap];
