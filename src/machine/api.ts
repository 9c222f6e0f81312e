import type { Ram } from './ram.ts';

/**
 * The registers of the hart that is loaded now. Values are signed numbers as in {@link Ram}: exact for addresses and
 * for |value| < 2^53; the halves and `getBig` are always exact.
 */
export interface RegisterFile {
  pc: number;
  /** x0..x31 (0 reads as 0). */
  get(x: number): number;
  getLo(x: number): number;
  getHi(x: number): number;
  getBig(x: number): bigint;
  set(x: number, value: number): void;
  setBig(x: number, value: bigint): void;
  /** Copies pc and x1..x31 to/from 32 u64 at physical address `pa` (the head of a struct pt_regs). */
  save(pa: number): void;
  load(pa: number): void;
  /** Copies f0..f31 and fcsr to/from a struct __riscv_d_ext_state (264 bytes, 8-aligned) at `pa`. */
  saveFp(pa: number): void;
  loadFp(pa: number): void;
  /** 0 = user, 1 = supervisor. */
  mode: number;
  /** Low 32 bits of sstatus. FS (bits 13-14) 0 makes every FP instruction illegal; the machine sets FS to dirty (3) on FP writes. */
  sstatus: number;
}

/** Access kinds of the MMU. */
export const Access = { READ: 0, WRITE: 1, EXEC: 2 } as const;
export type AccessKind = (typeof Access)[keyof typeof Access];

/** How data accesses of S mode to a page are looked at: not at all; by the page's shadow; all are shown to the watcher. */
export const PageKind = { ORDINARY: 0, SHADOWED: 1, SHOWN: 2 } as const;
/** What the watcher writes down for the machine, so that it is asked only where there is something to say. */
export interface WatchedMemory {
  /** PageKind of each frame. After a change: flushTlbPage. */
  readonly kinds: Uint8Array;
  /**
   * For each 8 bytes of physical memory: bit 8 + i = byte i may not be touched, bit i = it was not written yet. A load is shown that takes a byte that may
   * not be touched, or none that was written; a store, the former: else it makes bytes written ones. What crosses from 8 bytes to others is shown unless all of
   * their bits are 0.
   */
  readonly shadow: Uint16Array;
}
/** Looks at data accesses of S mode (memory checks). What is not watched runs at full speed. */
export interface Watcher {
  /** An access that is to be shown. True: it is not made, and `run` returns Trap.WATCHED at the instruction, with tval = va. */
  access(va: number, size: number, access: AccessKind): boolean;
}

/** What runs how, and what the translations take (for views; times are the host's). */
export interface MachineStatistics {
  /** Instructions retired; of these in translated code, and how often that was entered. */
  readonly instructions: number;
  readonly translated: number;
  readonly entries: number;
  /** Regions that were made (of these full ones), in so many WebAssembly modules, from so many instructions; regions dropped again. */
  readonly regions: number;
  readonly fullRegions: number;
  readonly modules: number;
  readonly translatedInstructions: number;
  readonly dropped: number;
  /** Regions there are now, and the bytes of their modules (bounded). */
  readonly liveRegions: number;
  readonly codeBytes: number;
  /** Milliseconds in the translator, and in the engine for its modules. */
  readonly translateMs: number;
  readonly compileMs: number;
}

/** The computer: RAM, harts' execution, MMU. Knows no Linux. `Machine.create` in machine.ts builds one. */
export interface MachineApi {
  readonly ram: Ram;
  readonly regs: RegisterFile;
  /** Instructions retired since creation, by all harts. */
  readonly instret: number;
  readonly statistics: MachineStatistics;
  /** Set by the last `run` for faults: the faulting virtual address (or the instruction bits for ILLEGAL). Signed number. */
  readonly tval: number;
  /**
   * Runs the loaded hart from regs.pc. Returns Trap.SLICE_END when at least `maxInsns` instructions have retired and a
   * backward or indirect transfer was taken, else an scause code with regs.pc at the instruction that trapped, whose
   * effects have not happened (an ecall leaves pc at the ecall).
   */
  run(maxInsns: number): number;
  /** The same until `instret` is `limit`. */
  runTo(limit: number): number;
  /** satp: physical address of the root page table. Drops cached translations when it changes. */
  setPageTable(rootPa: number): void;
  /** sfence.vma: everything, or one page. The kernel calls these after it narrowed or replaced a PTE that may be cached. */
  flushTlb(): void;
  flushTlbPage(va: number): void;
  /** Code in [pa, pa+length) changed or its frame goes to a new owner: drops translations. Cheap when there are none. */
  invalidateCode(pa: number, length: number): void;
  /** RAM was replaced as a whole (a snapshot restored): drops everything that is derived from it or belongs to another machine. */
  ramReplaced(): void;
  /** Ends the LR/SC reservation (the kernel calls it on every switch of task). */
  clearReservation(): void;
  /**
   * Walks the Sv39 table `rootPa` for `va` as hardware would for `access` in `mode` (1 = S; `sum` allows S on user pages),
   * setting A and D bits. Returns the physical address, or -1 when a page fault would be raised.
   */
  translate(rootPa: number, va: number, access: AccessKind, mode: number, sum: boolean): number;
  /** Null in a machine that was not made for a watcher. */
  readonly watched: WatchedMemory | null;
  /** Null (the start): nothing is shown. */
  watcher: Watcher | null;
  /** The next watched access is made without a question: what goes on after Trap.WATCHED. */
  passOnce(): void;
  /** Where rdtime reads from: called when the guest reads the time CSR; ticks of the 10 MHz time base. */
  readTime: () => number;
  /** CSR scounteren: bits 0, 1, 2 let user mode read cycle, time, instret. */
  scounteren: number;
}
