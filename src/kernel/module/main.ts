import { EBUSY, EEXIST, EINVAL, ENOENT, ENOEXEC, ENOMEM, EPERM, EWOULDBLOCK } from '../../abi/errno.ts';
import * as ELF from '../../abi/elf.ts';
import { VERMAGIC } from '../../abi/kernel_release.ts';
import { bug_entry as BUG, exception_table_entry as EX, kernel_param as KP, module as MODULE } from '../../abi/layout/structs.ts';
import * as M from '../../abi/module.ts';
import type { Kernel } from '../kernel.ts';
import { scanForLeaks } from '../mm/memcheck_leaks.ts';
import { readKernel64, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../mm/maccess.ts';
import { pageAlign } from '../mm/address.ts';
import { percpuModuleAlloc, percpuModuleFree } from '../mm/percpu.ts';
import { PAGE_KERNEL, PAGE_KERNEL_READ, PAGE_KERNEL_READ_EXEC } from '../mm/pgtable.ts';
import { callBlocks, callBlocksRobust, type ChainCall, chainCalls, notifierToErrno } from '../notifier.ts';
import { kprobesModuleGone } from '../kprobes/kprobes.ts';
import { tracePrintkModule } from '../trace/trace_printk.ts';
import { addTaint, testTaint } from '../panic.ts';
import { dumpStack } from '../stacktrace.ts';
import { BLOCKED } from '../sched/wait.ts';
import { asInt, callGuest } from './call.ts';
import { type ElfError, findSection, getModinfo, type ModuleElf, parseModule } from './elf.ts';
import { layoutModule, type ModuleLayout, symbolType } from './layout.ts';
import {
  findModule,
  linkModule,
  listModules,
  Module,
  type ModuleMemory,
  type Table,
  unlinkModule,
} from './module.ts';
import { addModuleSites } from './jump_label.ts';
import { patchText } from './patch.ts';
import { destroyParams, parseArgs, splitArgs } from './params.ts';
import { applyRelocateAdd } from './relocate.ts';
import { exportsOf, simplifySymbols } from './symbols.ts';
import { moduleSigCheck } from './signing.ts';
import { moduleSysfsSetup, moduleSysfsTeardown, moduleUevent, addHolder, removeHolder } from './sysfs.ts';
import { checkModstructVersion, tryToForceLoad } from './version.ts';

// Loading and unloading (kernel/module/main.c): load_module, do_init_module, delete_module.

const O_TRUNC = 0o1000;
const MODULE_CALLER = 'load_module';

/** The call whose code of the module has returned, made again: goes on where it was. Null when this is the first attempt. */
export function resumeLoading(k: Kernel): number | null {
  const { restart } = k.current;
  const loading = restart?.['loading'];
  if (loading === undefined) return null;
  const mod = k.modules.byAddr.get(loading as number);
  return mod === undefined ? -EINVAL : continueLoading(k, mod, restart?.['step'] as string);
}
/** init_module(2) and finit_module(2) from an image that is in hand. 0, -errno or BLOCKED. */
export function loadModule(k: Kernel, file: Uint8Array, args: string, flags: number): number {
  const signed = moduleSigCheck(k, file, flags);
  if (typeof signed === 'number') return signed;
  const elf = parseModule(signed.file);
  if ('errno' in elf) return refuse(k, elf);
  if (isBlacklisted(k, elf.name)) {
    k.printk.log(3, `Module ${elf.name} is blacklisted`);
    return -EPERM;
  }
  if ((flags & M.MODULE_INIT_IGNORE_MODVERSIONS) !== 0) elf.versIndex = 0;
  if (!checkModstructVersion(k, elf)) return -ENOEXEC;
  const r = checkModinfo(k, elf, flags);
  if (r < 0) return r;
  const clash = findModule(k, elf.name);
  if (clash !== null) return clash.state === M.MODULE_STATE_LIVE ? -EEXIST : -EBUSY;
  const made = layoutAndAllocate(k, elf);
  if (typeof made === 'number') return made;
  const { mod, layout } = made;
  const failed = prepare(k, elf, mod, layout, args, signed.good);
  if (failed < 0) {
    freeModule(k, mod);
    return failed;
  }
  return continueLoading(k, mod, 'coming');
}
/** module_blacklist= on the command line: names, exactly as they are, between commas. */
function isBlacklisted(k: Kernel, name: string): boolean {
  return k.param('module_blacklist')?.split(',').includes(name) === true;
}
function refuse(k: Kernel, error: ElfError): number {
  if (error.text !== null) k.printk.log(3, error.text);
  return error.errno;
}

/** check_modinfo: is it a module of this kernel? With symbol versions the release itself does not count. */
function checkModinfo(k: Kernel, elf: ModuleElf, flags: number): number {
  const magic = (flags & M.MODULE_INIT_IGNORE_VERMAGIC) !== 0 ? null : getModinfo(elf, 'vermagic');
  if (magic === null) return tryToForceLoad(k, elf.name, 'bad vermagic') ? 0 : -ENOEXEC;
  const rest = (text: string) => (elf.versIndex !== 0 ? text.slice(text.indexOf(' ')) : text);
  if (rest(magic) !== rest(VERMAGIC)) {
    k.printk.log(3, `${elf.name}: version magic '${magic}' should be '${VERMAGIC}'`);
    return -ENOEXEC;
  }
  return 0;
}

/** Memories of the module, with the sections' contents in them. */
function layoutAndAllocate(k: Kernel, elf: ModuleElf): { mod: Module; layout: ModuleLayout } | number {
  const layout = layoutModule(elf);
  const memory: ModuleMemory[] = [];
  const undo = () => {
    for (const m of memory) if (m.size > 0) k.mm.modules.free(k, m.base);
  };
  for (const size of layout.size) {
    const bytes = pageAlign(size);
    const base = bytes === 0 ? 0 : k.mm.modules.alloc(k, bytes, { prot: PAGE_KERNEL, caller: MODULE_CALLER });
    if (bytes > 0 && base === 0) {
      undo();
      return -ENOMEM;
    }
    memory.push({ base, size: bytes });
  }
  for (let i = 1; i < elf.sections.length; i++) {
    const s = elf.sections[i];
    const at = layout.place[i];
    if (at === undefined) continue;
    s.addr = memory[at.type].base + at.offset;
    if (s.type === ELF.SHT_NOBITS) continue;
    if (!writeKernelBytes(k, s.addr, elf.image.subarray(s.offset, s.offset + s.size))) {
      undo();
      return -ENOEXEC;
    }
  }
  const mod = new Module(k, elf.name, elf.sections[elf.modIndex].addr, memory);
  return { mod, layout };
}

/** From a module in memory to one whose code can run. 0 or -errno; the caller frees it then. */
function prepare(k: Kernel, elf: ModuleElf, mod: Module, layout: ModuleLayout, args: string, signed: boolean): number {
  const { addr } = mod;
  mod.state = M.MODULE_STATE_UNFORMED;
  linkModule(k, mod);
  k.mm.check?.stacks.forget();
  augmentTaints(k, elf, mod, signed);
  if (elf.pcpuIndex !== 0) {
    const s = elf.sections[elf.pcpuIndex];
    const at = percpuModuleAlloc(k, s.size, s.align, elf.image.subarray(s.offset, s.offset + s.size));
    if (at === 0) {
      k.printk.log(4, `${mod.name}: Could not allocate ${s.size} bytes percpu data`);
      return -ENOMEM;
    }
    mod.percpu = at;
    mod.percpuSize = s.size;
    s.addr = at;
    writeKernel64(k, addr + MODULE.percpu, at);
    writeKernel32(k, addr + MODULE.percpu_size, s.size);
  }
  for (const list of [MODULE.source_list, MODULE.target_list]) {
    writeKernel64(k, addr + list, addr + list);
    writeKernel64(k, addr + list + 8, addr + list);
  }
  mod.refcount = 1; // held while it initialises
  findSections(k, elf, mod);
  mod.version = getModinfo(elf, 'version');
  mod.srcversion = getModinfo(elf, 'srcversion');
  mod.importNamespaces = elf.modinfo.filter(([key]) => key === 'import_ns').map(([, value]) => value);
  const unresolved = simplifySymbols(k, elf, mod);
  if (unresolved < 0) return unresolved;
  for (const s of elf.sections) {
    if (s.type !== ELF.SHT_RELA || s.info >= elf.sections.length) continue;
    const target = elf.sections[s.info];
    if (target.addr === 0) continue;
    if (s.link !== elf.symIndex || target.type === ELF.SHT_NOBITS) return -ENOEXEC;
    const r = applyRelocateAdd(k, elf, s, (text) => k.printk.log(3, `${mod.name}: ${text}`));
    if (r < 0) return r;
  }
  const symbol = (i: number) => {
    const s = elf.symbols[i];
    return { name: s.name, value: s.value, type: symbolType(elf, s), size: s.size };
  };
  mod.coreSymbols = layout.coreSymbols.filter((i) => i > 0).map(symbol);
  mod.symbols = elf.symbols.map((_s, i) => symbol(i)).filter((s) => s.type !== 'U');
  mod.sections = elf.sections
    .filter((s) => (s.flags & ELF.SHF_ALLOC) !== 0 && s.size > 0)
    .map((s) => ({ name: s.name, addr: s.addr, size: s.size, note: s.type === ELF.SHT_NOTE }));
  mod.exports = exportsOf(k, elf);
  addModuleSites(k, mod);
  ftraceModuleInit(k, mod);
  const formed = completeFormation(k, mod);
  if (formed < 0) return formed;
  const split = splitArgs(args);
  mod.pendingArgs = split.pairs;
  mod.afterDashes = split.afterDashes;
  return 0;
}

/** module_augment_kernel_taints, set_license. */
function augmentTaints(k: Kernel, elf: ModuleElf, mod: Module, signed: boolean): void {
  const { printk } = k;
  const wasProprietary = testTaint(k, M.TAINT_PROPRIETARY_MODULE);
  const taint = (flag: number, lockdepOk = true) => {
    addTaint(k, flag, lockdepOk);
    mod.taints |= 1 << flag;
  };
  if (testTaint(k, M.TAINT_FORCED_MODULE) && k.modules.forcedName === mod.name) mod.taints |= 1 << M.TAINT_FORCED_MODULE;
  k.modules.forcedName = '';
  if (getModinfo(elf, 'intree') === null) {
    if (!testTaint(k, M.TAINT_OOT_MODULE)) printk.log(4, `${mod.name}: loading out-of-tree module taints kernel.`);
    taint(M.TAINT_OOT_MODULE);
  }
  if (getModinfo(elf, 'staging') !== null) {
    taint(M.TAINT_CRAP);
    printk.log(4, `${mod.name}: module is from the staging directory, the quality is unknown, you have been warned.`);
  }
  const license = getModinfo(elf, 'license') ?? 'unspecified';
  if (!isGplCompatible(license)) {
    if (!testTaint(k, M.TAINT_PROPRIETARY_MODULE)) printk.log(4, `${mod.name}: module license '${license}' taints kernel.`);
    taint(M.TAINT_PROPRIETARY_MODULE, false);
  }
  if (getModinfo(elf, 'test') !== null) {
    if (!testTaint(k, M.TAINT_TEST)) printk.log(4, `${mod.name}: loading test module taints kernel.`);
    taint(M.TAINT_TEST);
  }
  writeKernel8(k, mod.addr + MODULE.sig_ok, signed ? 1 : 0);
  if (!signed) {
    if (!k.modules.unsignedSaid) {
      k.modules.unsignedSaid = true;
      printk.log(5, `${mod.name}: module verification failed: signature and/or required key missing - tainting kernel`);
    }
    taint(M.TAINT_UNSIGNED_MODULE);
  }
  if (!wasProprietary && testTaint(k, M.TAINT_PROPRIETARY_MODULE)) printk.log(4, `${mod.name}: module license taints kernel.`);
}
/** include/linux/license.h. */
export function isGplCompatible(license: string): boolean {
  return ['GPL', 'GPL v2', 'GPL and additional rights', 'Dual BSD/GPL', 'Dual MIT/GPL', 'Dual MPL/GPL'].includes(license);
}

/** find_module_sections: tables in the module's memory, also told in struct module. */
function findSections(k: Kernel, elf: ModuleElf, mod: Module): void {
  const { addr } = mod;
  const table = (name: string, size: number): Table => {
    const s = elf.sections[findSection(elf, name)];
    return s.addr === 0 || s.type === ELF.SHT_NULL ? { base: 0, count: 0 } : { base: s.addr, count: Math.floor(s.size / size) };
  };
  mod.params = table('__param', KP.sizeof);
  writeKernel64(k, addr + MODULE.kp, mod.params.base);
  writeKernel32(k, addr + MODULE.num_kp, mod.params.count);
  mod.extable = table('__ex_table', EX.sizeof);
  writeKernel64(k, addr + MODULE.extable, mod.extable.base);
  writeKernel32(k, addr + MODULE.num_exentries, mod.extable.count);
  mod.bugTable = table('__bug_table', BUG.sizeof);
  writeKernel64(k, addr + MODULE.bug_table, mod.bugTable.base);
  writeKernel32(k, addr + MODULE.num_bugs, mod.bugTable.count);
  const syms = table('__ksymtab', 24);
  writeKernel64(k, addr + MODULE.syms, syms.base);
  writeKernel32(k, addr + MODULE.num_syms, syms.count);
  const gpl = table('__ksymtab_gpl', 24);
  writeKernel64(k, addr + MODULE.gpl_syms, gpl.base);
  writeKernel32(k, addr + MODULE.num_gpl_syms, gpl.count);
  mod.memory.forEach((m, type) => {
    writeKernel64(k, addr + MODULE.mem + type * 72, m.base);
    writeKernel32(k, addr + MODULE.mem + type * 72 + 8, m.size);
  });
}

const RISCV_NOP4 = 0x13;
/** ftrace_module_init: the compiler's four compressed nops at each function become two long ones (ftrace_make_nop). */
function ftraceModuleInit(k: Kernel, mod: Module): void {
  const table = mod.sections.find((s) => s.name === '__patchable_function_entries');
  if (table === undefined) return;
  for (let at = table.addr; at + 8 <= table.addr + table.size; at += 8) {
    const site = readKernel64(k, at) ?? 0;
    if (mod.memoryAt(site) < 0 || mod.memoryAt(site + 7) < 0) continue;
    patchText(k, site, RISCV_NOP4);
    patchText(k, site + 4, RISCV_NOP4);
  }
}

/** complete_formation: no symbol twice; code becomes executable, constants read-only. */
function completeFormation(k: Kernel, mod: Module): number {
  for (const symbol of mod.exports.values()) {
    const owner = findExporter(k, symbol.name, mod);
    if (owner !== null) {
      k.printk.log(3, `${mod.name}: exports duplicate symbol ${symbol.name} (owned by ${owner})`);
      return -ENOEXEC;
    }
  }
  for (const type of [M.MOD_TEXT, M.MOD_INIT_TEXT]) protect(k, mod, type, PAGE_KERNEL_READ_EXEC);
  for (const type of [M.MOD_RODATA, M.MOD_INIT_RODATA]) protect(k, mod, type, PAGE_KERNEL_READ);
  mod.state = M.MODULE_STATE_COMING;
  return 0;
}
function protect(k: Kernel, mod: Module, type: number, prot: number): void {
  const m = mod.memory[type];
  if (m.size > 0) k.mm.modules.protect(k, m.base, m.base + m.size, prot);
}
function findExporter(k: Kernel, name: string, except: Module): string | null {
  if (k.modules.symbols.has(name)) return 'kernel';
  for (const m of listModules(k)) if (m !== except && m.exports.has(name)) return m.name;
  return null;
}

/** Calls of code of modules begin anew: what was remembered of those before is forgotten. */
function nextStep(k: Kernel, progress: Readonly<Record<string, unknown>>): void {
  k.current.restart = progress;
  k.current.calls = [];
  k.current.callIndex = 0;
}
/** The blocks that hear of a module in this step: as they were when it began. */
function listeners(k: Kernel, progress: Readonly<Record<string, unknown>>): readonly ChainCall[] {
  const kept = k.current.restart?.['blocks'];
  if (kept !== undefined) return kept as ChainCall[];
  const blocks = chainCalls(k, k.notifiers.get('module') ?? 0);
  nextStep(k, { ...progress, blocks });
  return blocks;
}

/** The part of loading that runs code of modules, and may therefore be made again: who hears of it, parameters, its init function, who hears of that. */
function continueLoading(k: Kernel, mod: Module, from: string): number {
  let step = from;
  for (;;) {
    const next = loadingStep(k, mod, step);
    if (typeof next === 'number') return next;
    step = next;
    nextStep(k, { loading: mod.addr, step });
  }
}
/** One step: the name of the next, or the result of all. "undo-ERRNO": the module has failed, and goes. */
function loadingStep(k: Kernel, mod: Module, step: string): string | number {
  switch (step) {
    case 'coming': {
      if (k.current.restart?.['step'] === undefined && mod.sections.some((s) => s.name === '__trace_printk_fmt')) tracePrintkModule(k);
      const r = callBlocksRobust(k, listeners(k, { loading: mod.addr, step }), M.MODULE_STATE_COMING, M.MODULE_STATE_GOING, mod.addr);
      if (r === null) return BLOCKED;
      const errno = notifierToErrno(r);
      if (errno === 0) return 'params';
      mod.state = M.MODULE_STATE_GOING;
      freeModule(k, mod);
      return errno;
    }
    case 'params': {
      const r = parseArgs(k, mod);
      if (r === BLOCKED) return BLOCKED;
      if (r < 0) {
        mod.state = M.MODULE_STATE_GOING;
        return `undo${r}`;
      }
      if (mod.afterDashes !== null) k.printk.log(4, `${mod.name}: parameters '${mod.afterDashes}' after \`--' ignored`);
      moduleSysfsSetup(k, mod);
      for (const used of mod.uses) addHolder(k, used, mod);
      return 'init';
    }
    case 'init':
      return doInitModule(k, mod);
    case 'live':
      if (callBlocks(k, listeners(k, { loading: mod.addr, step }), M.MODULE_STATE_LIVE, mod.addr) === null) return BLOCKED;
      return initDone(k, mod);
    default:
      if (callBlocks(k, listeners(k, { loading: mod.addr, step }), M.MODULE_STATE_GOING, mod.addr) === null) return BLOCKED;
      freeModule(k, mod);
      return Number(step.slice('undo'.length));
  }
}

/** do_init_module up to its first news. */
function doInitModule(k: Kernel, mod: Module): string | number {
  if (mod.init !== 0) {
    const result = callGuest(k, mod.init);
    if (result === null) return BLOCKED;
    const r = asInt(result);
    if (r < 0) {
      mod.state = M.MODULE_STATE_GOING;
      mod.refcount -= 1;
      return `undo${r}`;
    }
    if (r > 0) {
      k.printk.log(
        4,
        `do_init_module: '${mod.name}'->init suspiciously returned ${r}, it should follow 0/-E convention\ndo_init_module: loading module anyway...`,
      );
      dumpStack(k, k.current);
    }
  }
  mod.state = M.MODULE_STATE_LIVE;
  return 'live';
}
function initDone(k: Kernel, mod: Module): number {
  kprobesModuleGone(k, mod, true);
  moduleUevent(k, mod, 'add');
  mod.announced = true;
  mod.symbols = mod.coreSymbols;
  protect(k, mod, M.MOD_RO_AFTER_INIT, PAGE_KERNEL_READ);
  for (const type of [M.MOD_INIT_TEXT, M.MOD_INIT_DATA, M.MOD_INIT_RODATA]) freeMemory(k, mod, type);
  mod.refcount -= 1;
  return 0;
}
function freeMemory(k: Kernel, mod: Module, type: number): void {
  const m = mod.memory[type];
  if (m.size > 0) k.mm.modules.free(k, m.base);
  mod.memory[type] = { base: 0, size: 0 };
  if (mod.memory[M.MOD_DATA].size > 0) {
    writeKernel64(k, mod.addr + MODULE.mem + type * 72, 0);
    writeKernel32(k, mod.addr + MODULE.mem + type * 72 + 8, 0);
  }
}

/** free_module. */
function freeModule(k: Kernel, mod: Module): void {
  kprobesModuleGone(k, mod, false);
  moduleSysfsTeardown(k, mod);
  destroyParams(k, mod);
  unlinkModule(k, mod);
  for (const used of mod.uses) {
    const i = used.users.indexOf(mod);
    if (i >= 0) used.users.splice(i, 1);
    used.refcount -= 1;
    removeHolder(k, used, mod);
  }
  mod.uses.length = 0;
  if (mod.percpu !== 0) percpuModuleFree(k, mod.percpu);
  for (let type = M.MOD_MEM_NUM_TYPES - 1; type >= 0; type--) if (type !== M.MOD_DATA) freeMemory(k, mod, type);
  freeMemory(k, mod, M.MOD_DATA);
  if (k.mm.check !== null) {
    k.mm.check.stacks.forget();
    scanForLeaks(k, k.mm.check, mod);
  }
}

/** delete_module(2). */
export function deleteModule(k: Kernel, name: string, flags: number): number {
  const going = k.current.restart?.['unloading'];
  if (going === undefined) {
    const mod = findModule(k, name);
    if (mod === null) return -ENOENT;
    if (mod.users.length > 0) return -EWOULDBLOCK;
    if (mod.state !== M.MODULE_STATE_LIVE) return -EBUSY;
    const force = (flags & O_TRUNC) !== 0;
    if (force) addTaint(k, M.TAINT_FORCED_RMMOD, false);
    if (mod.init !== 0 && mod.exit === 0 && !force) return -EBUSY;
    if (mod.refcount !== 0 && !force) return -EWOULDBLOCK;
    // try_release_module_ref: the loader's own.
    if (mod.refcount === 0) mod.refcount = -1;
    mod.state = M.MODULE_STATE_GOING;
    nextStep(k, { unloading: mod.addr, step: mod.exit !== 0 ? 'exit' : 'going' });
  }
  const mod = k.modules.byAddr.get((going ?? k.current.restart?.['unloading']) as number);
  if (mod === undefined) return -ENOENT;
  if (k.current.restart?.['step'] === 'exit') {
    if (callGuest(k, mod.exit) === null) return BLOCKED;
    nextStep(k, { unloading: mod.addr, step: 'going' });
  }
  if (callBlocks(k, listeners(k, { unloading: mod.addr, step: 'going' }), M.MODULE_STATE_GOING, mod.addr) === null) return BLOCKED;
  const letters = mod.taintLetters;
  k.modules.lastUnloaded = `${mod.name}${letters === '' ? '' : `(${letters})`}`;
  freeModule(k, mod);
  return 0;
}
