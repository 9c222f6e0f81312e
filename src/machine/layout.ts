/**
 * The fixed map of physical memory below the guest's RAM: state that translated code reaches at constant addresses.
 * The guest's page tables never map it.
 */

/** Register file of the running hart: 32 u64, slot 0 = pc, slot i = x_i (the order of Linux's struct pt_regs). */
export const STATE_X = 0x1000;
/** f0..f31, u64 each, then fcsr (u32) as in struct __riscv_d_ext_state. */
export const STATE_F = STATE_X + 256;
export const STATE_FCSR = STATE_F + 256;
/** u32: 0 = U mode, 1 = S mode. */
export const STATE_MODE = STATE_FCSR + 8;
/** u64 sstatus (SIE bit 1, SPP bit 8, FS bits 13-14, SUM bit 18). */
export const STATE_SSTATUS = STATE_MODE + 8;
/** u64: instructions retired since boot by all harts. */
export const STATE_INSTRET = STATE_SSTATUS + 8;
/** u64: the slice ends at the first backward or indirect transfer at which instret >= limit. */
export const STATE_LIMIT = STATE_INSTRET + 8;
/** Why `run` came back: see trap.ts. i32 cause, u64 tval. */
export const STATE_CAUSE = STATE_LIMIT + 8;
export const STATE_TVAL = STATE_CAUSE + 8;
/** LR/SC reservation: u64 physical address, all ones = none. */
export const STATE_RESERVATION = STATE_TVAL + 8;
/** The machine's own area goes on (TLBs, jump cache, RVC table) up to here. */
export const RAM_BASE = 0x20_0000;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
