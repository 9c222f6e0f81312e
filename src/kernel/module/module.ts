import { module as MODULE } from '../../abi/layout/structs.ts';
import { MOD_MEM_NUM_TYPES, MODULE_STATE_COMING, MODULE_STATE_GOING, MODULE_STATE_UNFORMED, TAINT_FLAGS } from '../../abi/module.ts';
import type { KernfsNode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { newParamLock } from './param_lock.ts';
import { readKernel32, readKernel64, writeKernel32, writeKernel64 } from '../mm/maccess.ts';

/** One of a module's memories: guest address and bytes, whole pages. */
export interface ModuleMemory {
  readonly base: number;
  readonly size: number;
}
/** An array in a module's memory. */
export interface Table {
  readonly base: number;
  readonly count: number;
}
export interface ModuleSymbol {
  readonly name: string;
  readonly value: number;
  /** Letter in /proc/kallsyms. */
  readonly type: string;
  readonly size: number;
}
/** A symbol that this module exports. */
export interface ModuleExport {
  readonly name: string;
  readonly value: number;
  readonly gpl: boolean;
  readonly crc: number | null;
  readonly namespace: string;
}
export interface ModuleSection {
  readonly name: string;
  readonly addr: number;
  readonly size: number;
  readonly note: boolean;
}

const EMPTY: Table = { base: 0, count: 0 };

/** View of a struct module in guest RAM, with what the loader keeps beside it. */
export class Module {
  private readonly k: Kernel;
  readonly name: string;
  /** Guest address of its struct module (THIS_MODULE). */
  readonly addr: number;
  readonly memory: ModuleMemory[];
  version: string | null = null;
  srcversion: string | null = null;
  sections: readonly ModuleSection[] = [];
  /** All while it initialises, then those of the memory that stays. */
  symbols: readonly ModuleSymbol[] = [];
  coreSymbols: readonly ModuleSymbol[] = [];
  exports: ReadonlyMap<string, ModuleExport> = new Map();
  usingGplOnlySymbols = false;
  readonly paramLock = newParamLock();
  /** Namespaces it imports. */
  importNamespaces: readonly string[] = [];
  params: Table = EMPTY;
  extable: Table = EMPTY;
  bugTable: Table = EMPTY;
  /** Guest address of its per-CPU data; 0 = none. */
  percpu = 0;
  percpuSize = 0;
  /** Modules that use it (source_list), the newest first, and that it uses. */
  readonly users: Module[] = [];
  readonly uses: Module[] = [];
  /** Its directory in sysfs, once made. */
  dir: KernfsNode | null = null;
  /** The event about its coming was sent. */
  announced = false;
  /** What loading has still to do after a call of module code: parameters from here on. */
  pendingArgs: readonly (readonly [string, string | null])[] = [];
  /** Text of the arguments behind "--". */
  afterDashes: string | null = null;

  constructor(k: Kernel, name: string, addr: number, memory: ModuleMemory[]) {
    this.k = k;
    this.name = name;
    this.addr = addr;
    this.memory = memory;
  }
  private read32(offset: number): number {
    return readKernel32(this.k, this.addr + offset) ?? 0;
  }
  get state(): number {
    return this.read32(MODULE.state);
  }
  set state(value: number) {
    writeKernel32(this.k, this.addr + MODULE.state, value);
  }
  /** TAINT_* bits. */
  get taints(): number {
    return this.read32(MODULE.taints);
  }
  set taints(value: number) {
    writeKernel32(this.k, this.addr + MODULE.taints, value);
  }
  /** module_refcount: references besides the loader's own. */
  get refcount(): number {
    return (this.read32(MODULE.refcnt_counter) | 0) - 1;
  }
  set refcount(value: number) {
    writeKernel32(this.k, this.addr + MODULE.refcnt_counter, value + 1);
  }
  get init(): number {
    return readKernel64(this.k, this.addr + MODULE.init) ?? 0;
  }
  get exit(): number {
    return readKernel64(this.k, this.addr + MODULE.exit) ?? 0;
  }
  get taintLetters(): string {
    const { taints } = this;
    return TAINT_FLAGS.map(([set, , , own], i) => (own && (taints >>> i) & 1 ? set : '')).join('');
  }
  get stateMark(): string {
    return this.state === MODULE_STATE_GOING ? '-' : this.state === MODULE_STATE_COMING ? '+' : '';
  }
  /** Bytes of all its memories (module_total_size). */
  get totalSize(): number {
    return this.memory.reduce((sum, m) => sum + m.size, 0);
  }
  memoryAt(addr: number): number {
    for (let type = 0; type < MOD_MEM_NUM_TYPES; type++) {
      const m = this.memory[type];
      if (m.size > 0 && addr >= m.base && addr < m.base + m.size) return type;
    }
    return -1;
  }
}

/** The modules that the guest's list holds, newest first; those that hid themselves are not there. */
export function listModules(k: Kernel): Module[] {
  const { listHead, byAddr } = k.modules;
  const found: Module[] = [];
  let at = readKernel64(k, listHead) ?? listHead;
  while (at !== listHead && found.length <= byAddr.size) {
    const mod = byAddr.get(at - MODULE.list);
    if (mod === undefined) break;
    found.push(mod);
    at = readKernel64(k, at) ?? listHead;
  }
  return found;
}
export function findModule(k: Kernel, name: string): Module | null {
  return listModules(k).find((m) => m.name === name) ?? null;
}
/** The module whose memory holds `addr` (__module_address). */
export function findModuleAt(k: Kernel, addr: number): Module | null {
  for (const m of k.modules.byAddr.values()) if (m.memoryAt(addr) >= 0) return m;
  return null;
}
/** list_add_rcu to the head of the list of modules. */
export function linkModule(k: Kernel, mod: Module): void {
  const head = k.modules.listHead;
  const node = mod.addr + MODULE.list;
  const next = readKernel64(k, head) ?? head;
  writeKernel64(k, node, next);
  writeKernel64(k, node + 8, head);
  writeKernel64(k, head, node);
  writeKernel64(k, next + 8, node);
  k.modules.byAddr.set(mod.addr, mod);
}
/** list_del, if it is still linked. */
export function unlinkModule(k: Kernel, mod: Module): void {
  const node = mod.addr + MODULE.list;
  const next = readKernel64(k, node);
  const prev = readKernel64(k, node + 8);
  if (next !== null && prev !== null && readKernel64(k, prev) === node && readKernel64(k, next + 8) === node) {
    writeKernel64(k, prev, next);
    writeKernel64(k, next + 8, prev);
  }
  k.modules.byAddr.delete(mod.addr);
}

/** try_module_get: false when it is on its way out. */
export function tryModuleGet(mod: Module): boolean {
  if (mod.state === MODULE_STATE_GOING || mod.refcount < 0) return false;
  mod.refcount += 1;
  return true;
}
export function modulePut(mod: Module): void {
  mod.refcount -= 1;
}
export function isUnformed(mod: Module): boolean {
  return mod.state === MODULE_STATE_UNFORMED;
}
