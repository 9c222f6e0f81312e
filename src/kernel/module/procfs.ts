import { MODULE_STATE_COMING, MODULE_STATE_GOING, MOD_TEXT } from '../../abi/module.ts';
import { kallsymsShowValue, showKallsyms } from '../kallsyms.ts';
import type { Kernel } from '../kernel.ts';
import { hex64 } from '../lib/seq_file.ts';
import { moduleFlags } from '../traps.ts';
import { dynamicDebugInit } from './dynamic_debug.ts';
import { isUnformed, listModules, type Module } from './module.ts';

// /proc/modules and /proc/kallsyms (kernel/module/procfs.c).

function line(mod: Module, showAddress: boolean): string {
  const { state } = mod;
  const users = mod.users.map((u) => `${u.name},`).join('') + (mod.init !== 0 && mod.exit === 0 ? '[permanent],' : '');
  const stateName = state === MODULE_STATE_GOING ? 'Unloading' : state === MODULE_STATE_COMING ? 'Loading' : 'Live';
  const flags = moduleFlags(mod);
  const base = showAddress ? mod.memory[MOD_TEXT].base : 0;
  return `${mod.name} ${mod.totalSize} ${mod.refcount} ${users === '' ? '-' : users} ${stateName} 0x${hex64(base)}${mod.taints === 0 ? '' : ` ${flags}`}\n`;
}
function showModules(k: Kernel): string {
  const showAddress = kallsymsShowValue(k);
  return listModules(k)
    .filter((m) => !isUnformed(m))
    .map((m) => line(m, showAddress))
    .join('');
}
export function moduleProcInit(k: Kernel): void {
  k.procfs.create('modules', showModules);
  k.procfs.create('kallsyms', showKallsyms);
  dynamicDebugInit(k);
}
