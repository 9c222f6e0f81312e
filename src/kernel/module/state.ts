import type { ExportedSymbol, FunctionExport } from './export.ts';
import type { Module } from './module.ts';
import type { ParamLock } from './param_lock.ts';

/** What the module loader knows: exported symbols of the kernel and the modules (kernel/module/main.c's globals). */
export interface ModuleState {
  /** Where a function that the kernel called returns to. */
  readonly returnStub: number;
  /** Machine code of exported functions begins here, and stubs follow it. */
  readonly textStart: number;
  /** Stub of the first exported function; the others follow at STUB_SIZE. */
  readonly firstStub: number;
  readonly stubs: readonly FunctionExport[];
  /** Functions with machine code of their own, by the addresses of its beginning, and of the ecall at its end. */
  readonly texts: ReadonlyMap<number, FunctionExport>;
  readonly textEcalls: ReadonlyMap<number, FunctionExport>;
  /** The first instruction of each of these, by address (trapAtEntry). */
  readonly entryWords: ReadonlyMap<number, number>;
  /** Symbols of the kernel image by name. */
  readonly symbols: ReadonlyMap<string, ExportedSymbol>;
  /** The same by address, for names of addresses. */
  readonly byAddress: readonly ExportedSymbol[];
  /** Guest address of the head of the list of modules. */
  readonly listHead: number;
  /** Loaded modules by the address of their struct module. What is loaded is what the guest's list says. */
  readonly byAddr: Map<number, Module>;
  /** Name and taint of the module that left last, as an oops shows it. */
  lastUnloaded: string;
  /** /proc/sys/kernel/modules_disabled: no more loading and unloading, for good. */
  disabled: boolean;
  /** "module verification failed" was said. */
  unsignedSaid: boolean;
  /** module.sig_enforce. */
  sigEnforce: boolean;
  /** "no symbol version" was said. */
  noVersionSaid: boolean;
  /** The module being loaded is one that was forced; it gets the taint once it exists. */
  forcedName: string;
  /** Guest addresses of the copies of text that charp parameters point to. */
  readonly charpCopies: Set<number>;
  /** The lock of parameters of what is built in. */
  readonly builtinParams: ParamLock;
}
