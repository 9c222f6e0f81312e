import {
  Access,
  type AccessKind,
  type MachineApi,
  type MachineStatistics,
  PageKind,
  type RegisterFile,
  type WatchedMemory,
  type Watcher,
} from './api.ts';
import { FAST_NAMES } from './fpu/fast.ts';
import { hasFusedMadd } from './fpu/probe.ts';
import { fpuExecute } from './fpu/ops.ts';
import { buildInterpreter } from './interpreter/build.ts';
import { SystemOp } from './isa/integer.ts';
import { expandedAt } from './isa/rvc.ts';
import {
  kindsBase,
  PAGE_SIZE,
  shadowBase,
  SLOW_VALUE,
  STATE_CAUSE,
  STATE_CODE_WRITTEN,
  STATE_DISPATCHES,
  STATE_EXEC_GENERATION,
  STATE_F,
  STATE_FAULT,
  STATE_FCSR,
  STATE_INSTRET,
  STATE_LIMIT,
  STATE_MODE,
  STATE_PC,
  STATE_REFILLS,
  STATE_RESERVATION,
  STATE_ROOT,
  STATE_SSTATUS,
  STATE_TRANSLATED,
  STATE_TVAL,
  STATE_USER_TLB_USED,
  STATE_X,
  TLB_BASE,
  TLB_BYTES,
  TLB_EMPTY,
  TLB_ENTRIES,
  TLB_MODE_STRIDE,
  WATCH_TLB,
  watchBytes,
} from './layout.ts';
import { ACCESS_FAULT, PAGE_FAULT, peekCode, walk } from './mmu.ts';
import { Ram } from './ram.ts';
import { CodeCache, type Tier } from './translator/code_cache.ts';
import { Trap } from './trap.ts';

const TWO32 = 0x1_0000_0000;
const SSTATUS_SUM = 1 << 18;
/** Bits of sstatus that software may write: SIE, SPIE, SPP, FS, SUM, MXR. */
const SSTATUS_WRITABLE = 0x000c_6122;
const SSTATUS_FS = 0x6000;

const CSR_FFLAGS = 0x001;
const CSR_FRM = 0x002;
const CSR_FCSR = 0x003;
const CSR_SSTATUS = 0x100;
const CSR_CYCLE = 0xc00;
const CSR_TIME = 0xc01;
const CSR_INSTRET = 0xc02;

/** Indices of words: the state is aligned, so that its words are elements of arrays, which at each entry of the kernel is faster than a DataView. */
const X_WORD = STATE_X / 4;
const PC_WORD = STATE_PC / 4;

class StateRegisters implements RegisterFile {
  private readonly ram: Ram;
  private readonly u32: Uint32Array;
  private readonly i32: Int32Array;
  constructor(ram: Ram) {
    this.ram = ram;
    this.u32 = ram.u32;
    this.i32 = ram.i32;
  }
  get pc(): number {
    return this.i32[PC_WORD + 1] * TWO32 + this.u32[PC_WORD];
  }
  /** Bit 0 does not exist, as in sepc. */
  set pc(value: number) {
    const high = Math.floor(value / TWO32);
    this.u32[PC_WORD] = (value - high * TWO32) & ~1;
    this.i32[PC_WORD + 1] = high;
  }
  get(x: number): number {
    const i = X_WORD + x * 2;
    return this.i32[i + 1] * TWO32 + this.u32[i];
  }
  getLo(x: number): number {
    return this.i32[X_WORD + x * 2];
  }
  getHi(x: number): number {
    return this.i32[X_WORD + x * 2 + 1];
  }
  getBig(x: number): bigint {
    return this.ram.readBig(STATE_X + x * 8);
  }
  set(x: number, value: number): void {
    if (x === 0) return;
    const i = X_WORD + x * 2;
    const high = Math.floor(value / TWO32);
    this.u32[i] = value - high * TWO32;
    this.i32[i + 1] = high;
  }
  setBig(x: number, value: bigint): void {
    if (x !== 0) this.ram.writeBig(STATE_X + x * 8, value);
  }
  save(pa: number): void {
    this.ram.u8.copyWithin(pa, STATE_X, STATE_X + 256);
    this.ram.writeBig(pa, this.ram.readBig(STATE_PC));
  }
  load(pa: number): void {
    this.ram.u8.copyWithin(STATE_X, pa, pa + 256);
    this.ram.writeBig(STATE_PC, this.ram.readBig(pa));
    this.ram.u8[STATE_PC] &= ~1;
    this.ram.write64(STATE_X, 0);
  }
  saveFp(pa: number): void {
    this.ram.u8.copyWithin(pa, STATE_F, STATE_F + 260);
  }
  loadFp(pa: number): void {
    this.ram.u8.copyWithin(STATE_F, pa, pa + 260);
    this.ram.u32[STATE_FCSR >> 2] &= 255;
  }
  get mode(): number {
    return this.u32[STATE_MODE / 4];
  }
  set mode(value: number) {
    this.u32[STATE_MODE / 4] = value;
  }
  get sstatus(): number {
    return this.u32[STATE_SSTATUS / 4];
  }
  set sstatus(value: number) {
    this.ram.write32(STATE_SSTATUS, value);
  }
}

export interface MachineOptions {
  /** Physical memory, a multiple of 64 KiB, below 4 GiB. */
  readonly memoryBytes: number;
  /** When code is translated: `auto` as it gets hot, `cold` never, the others at once (tests). All give the same run. */
  readonly tier?: Tier;
  /** Milliseconds; for statistics only. */
  readonly clock?: () => number;
  /** There will be a watcher: a quarter more memory. */
  readonly watch?: boolean;
}

/** The interpreter compiles once per process, memory size and kind: the module's bytes depend on nothing else. */
const compiled = new Map<string, WebAssembly.Module>();

export class Machine implements MachineApi {
  readonly ram: Ram;
  readonly regs: RegisterFile;
  readTime: () => number = () => 0;
  scounteren = 7;
  /** Counters for views. */
  readonly stats = { tlbMisses: 0, slowAccesses: 0 };
  readonly code: CodeCache;
  private readonly runCode: () => number;
  readonly watched: WatchedMemory | null;
  private watching: Watcher | null = null;
  private pass = false;

  static create(options: MachineOptions): Machine {
    return new Machine(options.memoryBytes, options.tier ?? 'auto', options.clock ?? (() => 0), options.watch ?? false);
  }

  private constructor(memoryBytes: number, tier: Tier, clock: () => number, watch: boolean) {
    this.ram = new Ram(memoryBytes, watch ? watchBytes(memoryBytes) : 0);
    const { buffer } = this.ram.memory;
    this.watched = watch
      ? {
          shadow: new Uint16Array(buffer, shadowBase(memoryBytes), memoryBytes / 8),
          kinds: new Uint8Array(buffer, kindsBase(memoryBytes), memoryBytes / PAGE_SIZE),
        }
      : null;
    this.regs = new StateRegisters(this.ram);
    this.flushTlb();
    this.clearReservation();
    const key = `${memoryBytes}${watch ? ' watched' : ''}`;
    let module = compiled.get(key);
    if (module === undefined) {
      module = new WebAssembly.Module(buildInterpreter(memoryBytes, hasFusedMadd(), watch) as BufferSource);
      compiled.set(key, module);
    }
    const amoAddress = (lo: number, hi: number, size: number, write: number) => this.amoAddress(address(lo, hi), size, write !== 0);
    const fpu = (op: number, rm: number) => fpuExecute(this.ram, op, rm);
    const instance = new WebAssembly.Instance(module, {
      m: {
        m: this.ram.memory,
        fetchMiss: (lo: number, hi: number) => (this.fill(address(lo, hi), Access.EXEC, Trap.INSN_PAGE_FAULT) < 0 ? 0 : 1),
        fetchHigh: (lo: number, hi: number) => this.fetchHigh(address(lo, hi)),
        expand: (half: number) => expandedAt(this.ram, half),
        slowLoad: (lo: number, hi: number, size: number) => this.slowAccess(address(lo, hi), size, Access.READ),
        slowStore: (lo: number, hi: number, size: number) => this.slowAccess(address(lo, hi), size, Access.WRITE),
        amoAddress,
        csr: (insn: number) => this.csr(insn),
        system: (what: number, insn: number) => this.system(what, insn),
        fpu,
        promote: (tag: number, lo: number, hi: number) => this.code.promote(tag >>> 0, address(lo, hi)),
        improve: (tag: number, lo: number, hi: number) => this.code.improve(tag >>> 0, address(lo, hi)),
        guardFailed: (tag: number) => this.code.guardFailed(tag >>> 0),
        profile: (site: number, target: number) => this.code.profile(site >>> 0, target >>> 0),
      },
    });
    this.runCode = instance.exports['run'] as () => number;
    const functions: Record<string, CallableFunction> = {};
    for (const name of [
      'amoAddress',
      'fpu',
      'checkPage',
      'groupPa',
      ...(watch ? ['cleanBytes'] : []),
      'load1',
      'load2',
      'load4',
      'load8',
      'store1',
      'store2',
      'store4',
      'store8',
      ...FAST_NAMES,
    ])
      functions[name] = instance.exports[name] as CallableFunction;
    this.code = new CodeCache(this.ram, { table: instance.exports['t'] as WebAssembly.Table, functions }, tier, {
      newCodePage: (pa) => this.protectPage(pa),
      codePageAt: (va, mode) => this.codePageAt(va, mode),
      clock,
    });
  }

  get watcher(): Watcher | null {
    return this.watching;
  }
  set watcher(watcher: Watcher | null) {
    this.watching = watcher;
    this.flushTlb();
  }
  passOnce(): void {
    this.pass = true;
  }
  private isOrdinary(pa: number): boolean {
    return this.watched === null || this.watched.kinds[Math.floor(pa / PAGE_SIZE)] === PageKind.ORDINARY;
  }
  /** False: the access is not to be made, and the trap is set. It has `inFirst` bytes at `first`, the others at `second`. */
  private allowed(va: number, size: number, access: AccessKind, first: number, inFirst = size, second = 0): boolean {
    if (this.watching === null || this.watched === null || this.regs.mode === 0) return true;
    const inside = inFirst === size && (first % 8) + size <= 8;
    if (inside ? this.passes(first, size, access) : this.clean(first, inFirst) && (inFirst === size || this.clean(second, size - inFirst)))
      return true;
    if (this.pass) {
      this.pass = false;
      return true;
    }
    if (!this.watching.access(va, size, access)) return true;
    this.fault(Trap.WATCHED, va);
    return false;
  }
  /** Whether an access inside of 8 bytes is not to be shown (api.ts, WatchedMemory); what it stores to counts as written then. */
  private passes(pa: number, size: number, access: AccessKind): boolean {
    const { kinds, shadow } = this.watched as WatchedMemory;
    const kind = kinds[Math.floor(pa / PAGE_SIZE)];
    if (kind !== PageKind.SHADOWED) return kind === PageKind.ORDINARY;
    const group = Math.floor(pa / 8);
    const mask = ((1 << size) - 1) << (pa % 8);
    const word = shadow[group];
    if ((word & (mask << 8)) !== 0 || (access === Access.READ && (word & mask) === mask)) return false;
    if (access === Access.WRITE) shadow[group] = word & ~mask;
    return true;
  }
  /** Whether nothing is to be asked of bytes of one page. */
  private clean(pa: number, size: number): boolean {
    const { kinds, shadow } = this.watched as WatchedMemory;
    const kind = kinds[Math.floor(pa / PAGE_SIZE)];
    if (kind !== PageKind.SHADOWED) return kind === PageKind.ORDINARY;
    return shadow[Math.floor(pa / 8)] === 0 && shadow[Math.floor((pa + size - 1) / 8)] === 0;
  }

  get instret(): number {
    const { u32 } = this.ram;
    return u32[STATE_INSTRET / 4 + 1] * TWO32 + u32[STATE_INSTRET / 4];
  }
  private get root(): number {
    return this.ram.read32(STATE_ROOT);
  }
  /** TLB misses that needed no TypeScript; stats.tlbMisses are the others. */
  get tlbRefills(): number {
    return this.ram.read64(STATE_REFILLS);
  }
  /** Instructions that ran in translated code, and how often it was entered. */
  get translated(): { insns: number; entries: number } {
    return { insns: this.ram.read64(STATE_TRANSLATED), entries: this.ram.read64(STATE_DISPATCHES) };
  }
  get statistics(): MachineStatistics {
    const { stats } = this.code;
    return {
      instructions: this.instret,
      translated: this.translated.insns,
      entries: this.translated.entries,
      regions: stats.regions,
      fullRegions: stats.full,
      modules: stats.modules,
      translatedInstructions: stats.insns,
      dropped: stats.dropped,
      liveRegions: stats.live,
      codeBytes: stats.liveBytes,
      translateMs: stats.translateMs,
      compileMs: stats.compileMs,
    };
  }
  get tval(): number {
    return this.ram.read64(STATE_TVAL);
  }

  run(maxInsns: number): number {
    return this.runTo(this.instret + maxInsns);
  }
  runTo(limit: number): number {
    const { u32 } = this.ram;
    u32[STATE_LIMIT / 4] = limit % TWO32;
    u32[STATE_LIMIT / 4 + 1] = limit / TWO32;
    const cause = this.runCode();
    this.pass = false;
    // Linux gives up the reservation on its way back from an exception (arch/riscv/kernel/entry.S).
    if (cause !== Trap.SLICE_END) this.clearReservation();
    return cause === Trap.ECALL_U && this.regs.mode === 1 ? Trap.ECALL_S : cause;
  }

  setPageTable(rootPa: number): void {
    if (rootPa === this.root) return;
    this.ram.write32(STATE_ROOT, rootPa);
    this.execTlbChanged();
    // The S-mode sets hold kernel pages only, which every table maps alike.
    if (this.ram.read32(STATE_USER_TLB_USED) !== 0) this.ram.u8.fill(TLB_EMPTY, TLB_BASE, TLB_BASE + TLB_MODE_STRIDE);
    this.ram.write32(STATE_USER_TLB_USED, 0);
  }
  flushTlb(): void {
    this.ram.u8.fill(TLB_EMPTY, TLB_BASE, this.watched === null ? WATCH_TLB : WATCH_TLB + 2 * TLB_BYTES);
    this.ram.write32(STATE_USER_TLB_USED, 0);
    this.execTlbChanged();
  }
  private execTlbChanged(): void {
    this.ram.write32(STATE_EXEC_GENERATION, this.ram.read32(STATE_EXEC_GENERATION) + 1);
  }
  flushTlbPage(va: number): void {
    const index = Math.floor(va / PAGE_SIZE) & (TLB_ENTRIES - 1);
    for (const set of [2, 5]) if (this.ram.read64(TLB_BASE + set * TLB_BYTES + index * 16) !== TLB_EMPTY) this.execTlbChanged();
    for (let set = 0; set < (this.watched === null ? 6 : 8); set++) this.ram.write64(TLB_BASE + set * TLB_BYTES + index * 16, TLB_EMPTY);
  }
  invalidateCode(pa: number, length: number): void {
    this.code.invalidate(pa, length);
  }
  ramReplaced(): void {
    this.code.reset();
    this.flushTlb();
  }
  clearReservation(): void {
    this.ram.i32[STATE_RESERVATION / 4] = -1;
    this.ram.i32[STATE_RESERVATION / 4 + 1] = -1;
  }
  translate(rootPa: number, va: number, access: AccessKind, mode: number, sum: boolean): number {
    if (mode === 0 && rootPa === this.root && va >= 0) {
      // What the TLB knows, the hart has been allowed already.
      const page = Math.floor(va / PAGE_SIZE);
      const entry = (TLB_BASE + access * TLB_BYTES) / 4 + (page & (TLB_ENTRIES - 1)) * 4;
      const { u32 } = this.ram;
      if (u32[entry] === (page << 12) >>> 0 && u32[entry + 1] === page >>> 20) return (u32[entry + 2] + (va % TWO32)) % TWO32;
    }
    const pa = walk(this.ram, rootPa, va, access, mode, sum);
    return pa < 0 ? -1 : pa;
  }

  private fault(cause: number, va: number): void {
    this.ram.write32(STATE_CAUSE, cause);
    this.ram.write64(STATE_TVAL, va);
    this.ram.write32(STATE_FAULT, 1);
  }

  /** Takes the page out of the write TLBs: stores to it go through slowAccess, which sees that they change code. */
  private protectPage(pa: number): void {
    const { ram } = this;
    const bases = [TLB_BASE + TLB_BYTES, TLB_BASE + TLB_MODE_STRIDE + TLB_BYTES];
    for (const base of this.watched === null ? bases : [...bases, WATCH_TLB + TLB_BYTES]) {
      for (let entry = base; entry < base + TLB_BYTES; entry += 16) {
        if ((ram.read32(entry) & 1) === 0 && (ram.read32(entry) + ram.read32(entry + 8)) >>> 0 === pa) ram.write64(entry, TLB_EMPTY);
      }
    }
  }

  /** Translates and refills the TLB. Negative: a fault was recorded. */
  private fill(va: number, access: AccessKind, pageFaultCause: number): number {
    this.stats.tlbMisses++;
    const mode = this.regs.mode;
    const sum = (this.regs.sstatus & SSTATUS_SUM) !== 0;
    // What only SUM allows is never cached, so that the kernel's short SUM windows (get_user) need no flush.
    let pa = walk(this.ram, this.root, va, access, mode, false);
    let cacheable = true;
    if (pa === PAGE_FAULT && mode === 1 && sum) {
      pa = walk(this.ram, this.root, va, access, mode, true);
      cacheable = false;
    }
    if (pa < 0) {
      // Access-fault causes 1, 5, 7 pair with page-fault causes 12, 13, 15.
      const accessCause = access === Access.EXEC ? Trap.INSN_ACCESS : access === Access.READ ? Trap.LOAD_ACCESS : Trap.STORE_ACCESS;
      this.fault(pa === ACCESS_FAULT ? accessCause : pageFaultCause, va);
      return -1;
    }
    if (!cacheable || (access === Access.WRITE && this.code.hasCode(pa))) return pa;
    if (mode === 1 && access !== Access.EXEC && !this.isOrdinary(pa)) return pa;
    if (mode === 0) this.ram.write32(STATE_USER_TLB_USED, 1);
    const page = Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
    const entry = TLB_BASE + mode * TLB_MODE_STRIDE + access * TLB_BYTES + ((page / PAGE_SIZE) & (TLB_ENTRIES - 1)) * 16;
    this.ram.write64(entry, page);
    this.ram.write32(entry + 8, (pa - (pa % PAGE_SIZE) - page) % TWO32);
    return pa;
  }

  /** Physical page of the page of code at `va`, -1 when it has not been used yet. Changes nothing. */
  private codePageAt(va: number, mode: number): number {
    return peekCode(this.ram, this.root, va, mode);
  }

  private fetchHigh(va: number): number {
    const pa = this.fill(va + 2, Access.EXEC, Trap.INSN_PAGE_FAULT);
    return pa < 0 ? -1 : this.ram.read16(pa);
  }

  private slowAccess(va: number, size: number, access: AccessKind): number {
    this.stats.slowAccesses++;
    const cause = access === Access.READ ? Trap.LOAD_PAGE_FAULT : Trap.STORE_PAGE_FAULT;
    const first = this.fill(va, access, cause);
    if (first < 0) return 0;
    const inFirst = Math.min(size, PAGE_SIZE - (first % PAGE_SIZE));
    let second = 0;
    if (inFirst < size) {
      second = this.fill(va + inFirst, access, cause);
      if (second < 0) return 0;
    }
    if (!this.allowed(va, size, access, first, inFirst, second)) return 0;
    const u8 = this.ram.u8;
    if (access === Access.READ) {
      this.ram.write64(SLOW_VALUE, 0);
      for (let i = 0; i < size; i++) u8[SLOW_VALUE + i] = u8[i < inFirst ? first + i : second + i - inFirst];
    } else {
      for (let i = 0; i < size; i++) u8[i < inFirst ? first + i : second + i - inFirst] = u8[SLOW_VALUE + i];
      let changed = this.code.hasCode(first) && this.code.invalidate(first, inFirst);
      if (inFirst < size && this.code.hasCode(second) && this.code.invalidate(second, size - inFirst)) changed = true;
      if (changed) this.ram.write32(STATE_CODE_WRITTEN, 1);
    }
    return 1;
  }

  private amoAddress(va: number, size: number, write: boolean): number {
    const access = write ? Access.WRITE : Access.READ;
    if (va % size !== 0) {
      this.fault(write ? Trap.STORE_MISALIGNED : Trap.LOAD_MISALIGNED, va);
      return -1;
    }
    const entry = TLB_BASE + this.regs.mode * TLB_MODE_STRIDE + access * TLB_BYTES + (Math.floor(va / PAGE_SIZE) & (TLB_ENTRIES - 1)) * 16;
    const page = Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
    if (this.ram.read64(entry) === page) return (this.ram.readS32(entry + 8) + (va % TWO32)) | 0;
    const pa = this.fill(va, access, write ? Trap.STORE_PAGE_FAULT : Trap.LOAD_PAGE_FAULT);
    if (pa < 0 || !this.allowed(va, size, access, pa)) return -1;
    if (write && this.code.hasCode(pa) && this.code.invalidate(pa, size)) this.ram.write32(STATE_CODE_WRITTEN, 1);
    return pa | 0;
  }

  /** Zicsr: 1 = done, 0 = illegal. Only counters, the FP state and (in S mode) sstatus exist. */
  private csr(insn: number): number {
    const number = insn >>> 20;
    const funct3 = (insn >> 12) & 7;
    const rs1 = (insn >> 15) & 31;
    const rd = (insn >> 7) & 31;
    const immediate = (funct3 & 4) !== 0;
    const writes = (funct3 & 3) === 1 || rs1 !== 0;
    const operand = immediate ? rs1 : this.regs.getLo(rs1) >>> 0;
    const old = this.readCsr(number);
    if (old === null || (writes && number >= 0xc00)) return 0;
    if (writes) {
      const low = old % TWO32;
      const value = (funct3 & 3) === 1 ? operand : (funct3 & 3) === 2 ? (low | operand) >>> 0 : (low & ~operand) >>> 0;
      this.writeCsr(number, value);
    }
    this.regs.set(rd, old);
    return 1;
  }
  private readCsr(number: number): number | null {
    const { ram, regs } = this;
    switch (number) {
      case CSR_FFLAGS:
      case CSR_FRM:
      case CSR_FCSR: {
        if ((regs.sstatus & SSTATUS_FS) === 0) return null;
        const fcsr = ram.read32(STATE_FCSR);
        return number === CSR_FFLAGS ? fcsr & 31 : number === CSR_FRM ? (fcsr >> 5) & 7 : fcsr & 255;
      }
      case CSR_SSTATUS:
        // UXL (bits 33:32) = 2: 64-bit.
        return regs.mode === 1 ? regs.sstatus + 2 * TWO32 : null;
      case CSR_CYCLE:
      case CSR_INSTRET:
      case CSR_TIME:
        if (regs.mode === 0 && ((this.scounteren >> (number - CSR_CYCLE)) & 1) === 0) return null;
        return number === CSR_TIME ? this.readTime() : this.instret;
      default:
        return null;
    }
  }
  private writeCsr(number: number, value: number): void {
    const { ram, regs } = this;
    const fcsr = ram.read32(STATE_FCSR);
    switch (number) {
      case CSR_FFLAGS:
        ram.write32(STATE_FCSR, (fcsr & ~31) | (value & 31));
        break;
      case CSR_FRM:
        ram.write32(STATE_FCSR, (fcsr & ~0xe0) | ((value & 7) << 5));
        break;
      case CSR_FCSR:
        ram.write32(STATE_FCSR, value & 255);
        break;
      default: {
        regs.sstatus = (regs.sstatus & ~SSTATUS_WRITABLE) | (value & SSTATUS_WRITABLE);
        return;
      }
    }
    regs.sstatus |= SSTATUS_FS;
  }

  private system(what: number, _insn: number): number {
    if (what === SystemOp.FENCE_I) return 1;
    if (this.regs.mode !== 1) return 0;
    if (what === SystemOp.SFENCE_VMA) this.flushTlb();
    return 1;
  }
}

/** A signed 64-bit address from its halves. */
function address(lo: number, hi: number): number {
  return hi * TWO32 + (lo >>> 0);
}
