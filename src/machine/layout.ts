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

/** Operands (A, B, C) and result (R) of a call of the soft-float helper, u64 each. */
export const FPU_A = STATE_RESERVATION + 8;
export const FPU_B = FPU_A + 8;
export const FPU_C = FPU_B + 8;
export const FPU_R = FPU_C + 8;
/** u64 pc of the running hart while x[0]'s slot stays zero for the interpreter; RegisterFile.save puts it in slot 0. */
export const STATE_PC = FPU_R + 8;
/** u64 result of a slow load; u32 that is not 0 after an access faulted. */
export const SLOW_VALUE = STATE_PC + 8;
export const STATE_FAULT = SLOW_VALUE + 8;
/** u32 (in the same u64 as STATE_FAULT): a store changed translated code, so the running region must be left. */
export const STATE_CODE_WRITTEN = STATE_FAULT + 4;
/** u32: jumps to a target before it is translated. */
export const STATE_HEAT_LIMIT = STATE_FAULT + 8;
/** u64: instructions that retired in translated code (for statistics), and entries into it. */
export const STATE_TRANSLATED = STATE_HEAT_LIMIT + 8;
export const STATE_DISPATCHES = STATE_TRANSLATED + 8;
/** u32 physical address of the root page table; u32 set when a user TLB has entries; u64 refills that the machine's code did by itself. */
export const STATE_ROOT = STATE_DISPATCHES + 8;
export const STATE_USER_TLB_USED = STATE_ROOT + 4;
export const STATE_REFILLS = STATE_ROOT + 8;
/**
 * u32 that changes whenever entries may have left the execute TLB; i32 what a region left of its budget; u32 physical pc of its indirect exit,
 * i32 how far that went.
 */
export const STATE_EXEC_GENERATION = STATE_REFILLS + 8;
export const STATE_BUDGET = STATE_EXEC_GENERATION + 4;
export const STATE_SITE = STATE_BUDGET + 4;
export const STATE_DISTANCE = STATE_SITE + 4;

/** Software TLBs: for each mode (U, S) and access (read, write, execute) TLB_ENTRIES of {u64 tag = page VA, u32 pa - va, pad}. */
export const TLB_ENTRIES = 1024;
export const TLB_BYTES = TLB_ENTRIES * 16;
export const TLB_BASE = 0x1_0000;
/** Offset of the S-mode set from the U-mode one. */
export const TLB_MODE_STRIDE = TLB_BYTES * 3;
/** Behind the S-mode set in a machine with a watcher: the pages of S mode that are shadowed, for read and write. */
export const WATCH_TLB = TLB_BASE + 2 * TLB_MODE_STRIDE;
/** Tag of an empty entry (both halves): no page address has all bits set. */
export const TLB_EMPTY = -1;
/** u32 for each of the 65536 halfwords: the 32-bit instruction that a compressed one stands for; 0 = illegal, or not met yet. */
export const RVC_TABLE = 0x4_0000;

/** i32 for each index of the function table: instructions that may retire in its region before the translator hears of it (`improve`). */
export const FUEL = 0x8_0000;
/**
 * Jump cache of the translator: JUMP_CACHE_ENTRIES of {u32 tag = physical pc | mode, u32 function table index, 0 = interpret it}, indexed by
 * physical pc / 2. Then counters (u32) of jump targets that have no translation yet, indexed alike.
 */
export const JUMP_CACHE = 0x10_0000;
export const JUMP_CACHE_ENTRIES = 0x1_0000;
export const HEAT = 0x18_0000;
export const HEAT_ENTRIES = 0x8000;
/** One bit for each physical page: it has translations, so stores to it must be seen. Room for 4 GiB. */
export const CODE_MAP = 0x1a_0000;
export const CODE_MAP_BYTES = 0x2_0000;
/** For each index of the function table, under what circumstances its region's guards held last (region.ts), u64. */
export const GUARDS = 0x1c_0000;
export const GUARD_ENTRIES = 0x6000;
/** Indirect exits of regions: PROFILE_ENTRIES of {u32 site, i32 distance of the target, u32 count, pad}. */
export const PROFILE = 0x1f_0000;
export const PROFILE_ENTRIES = 0x1000;

/**
 * A machine with a watcher has more memory behind physical memory (of `ram` bytes): a u16 for each 8 bytes of it (WatchedMemory.shadow), then a u8 for each
 * page (its PageKind).
 */
export const shadowBase = (ram: number) => ram;
export const kindsBase = (ram: number) => ram + ram / 4;
export const watchBytes = (ram: number) => Math.ceil((ram / 4 + ram / PAGE_SIZE) / 65536) * 65536;
