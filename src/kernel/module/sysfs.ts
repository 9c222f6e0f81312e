import { EPERM } from '../../abi/errno.ts';
import { MOD_INIT_TEXT, MODULE_STATE_COMING, MODULE_STATE_GOING } from '../../abi/module.ts';
import type { Attribute, KernfsNode } from '../fs/sysfs/kernfs.ts';
import { sendUevent } from '../drivers/base/uevent.ts';
import type { Kernel } from '../kernel.ts';
import { kallsymsShowValue } from '../kallsyms.ts';
import { stringOf } from '../lib/bytes.ts';
import { hex64 } from '../lib/seq_file.ts';
import { kernelBytes } from '../mm/maccess.ts';
import type { Module, ModuleSection } from './module.ts';
import { lockParams, unlockParams } from './param_lock.ts';
import { checkUnsafe, getParam, paramAt, paramModule, paramOps, setParam, visibleParams } from './params.ts';
import { BLOCKED } from '../sched/wait.ts';

// /sys/module/NAME (kernel/module/sysfs.c, kernel/params.c).

const moduleOf = (node: KernfsNode) => node.data as Module;
const paramOf = (node: KernfsNode) => node.data as number;

const isInit = (type: number) => type >= MOD_INIT_TEXT;
const sizeOf = (mod: Module, init: boolean) => mod.memory.reduce((sum, m, type) => sum + (isInit(type) === init ? m.size : 0), 0);
const attributes: readonly (readonly [string, number, Attribute])[] = [
  ['coresize', 0o444, { show: (_k, n) => `${sizeOf(moduleOf(n), false)}\n` }],
  ['initsize', 0o444, { show: (_k, n) => `${sizeOf(moduleOf(n), true)}\n` }],
  [
    'initstate',
    0o444,
    {
      show: (_k, n) => {
        const { state } = moduleOf(n);
        return state === MODULE_STATE_COMING ? 'coming\n' : state === MODULE_STATE_GOING ? 'going\n' : 'live\n';
      },
    },
  ],
  ['refcnt', 0o444, { show: (_k, n) => `${moduleOf(n).refcount}\n` }],
  ['taint', 0o444, { show: (_k, n) => `${moduleOf(n).taintLetters}\n` }],
];
const uevent: Attribute = { store: () => 0 };
const text: Attribute = { show: (_k, n) => `${n.data as string}\n` };
/** MODULE_SECT_READ_SIZE: 0x, 16 digits, newline. */
const sectionAddress: Attribute = { size: 19, show: (k, n) => `0x${hex64(kallsymsShowValue(k) ? (n.data as ModuleSection).addr : 0)}\n` };
const note: Attribute = {
  show: (k, n) => {
    const s = n.data as ModuleSection;
    return stringOf(kernelBytes(k, s.addr, s.size) ?? new Uint8Array(0));
  },
};
/** param_attr_show and param_attr_store: one parameter of the module at a time. */
function locked<T extends string | number>(k: Kernel, n: KernfsNode, begin: () => boolean, operation: () => T): T | number {
  const lock = paramModule(k, paramOf(n))?.paramLock ?? k.modules.builtinParams;
  const now = lockParams(k, lock);
  if (now === BLOCKED) return BLOCKED;
  if (now === 'taken' && !begin()) {
    unlockParams(k, lock);
    return -EPERM;
  }
  const r = operation();
  if (r !== BLOCKED) unlockParams(k, lock);
  return r;
}
const readParam = (k: Kernel, n: KernfsNode) =>
  locked(
    k,
    n,
    () => true,
    () => getParam(k, paramOps(k, paramOf(n)), paramAt(k, paramOf(n))),
  );
const writeParam = (k: Kernel, n: KernfsNode, value: string) => {
  const ops = paramOps(k, paramOf(n));
  if (ops === 0) return -EPERM;
  return locked(
    k,
    n,
    () => checkUnsafe(k, paramOf(n)),
    () => setParam(k, ops, value, paramAt(k, paramOf(n))),
  );
};

/** mod_sysfs_setup. */
export function moduleSysfsSetup(k: Kernel, mod: Module): void {
  const { sysfs } = k;
  const dir = sysfs.mkdir(sysfs.mkdirs('module'), mod.name);
  if (typeof dir === 'number') return;
  mod.dir = dir;
  for (const [name, mode, attr] of attributes) sysfs.createFile(dir, name, mode, attr, mod);
  sysfs.createFile(dir, 'uevent', 0o200, uevent, mod);
  if (mod.version !== null) sysfs.createFile(dir, 'version', 0o444, text, mod.version);
  if (mod.srcversion !== null) sysfs.createFile(dir, 'srcversion', 0o444, text, mod.srcversion);
  sysfs.mkdir(dir, 'holders');
  const params = visibleParams(k, mod);
  if (params.length > 0) {
    const at = sysfs.mkdirs(`module/${mod.name}/parameters`);
    for (const p of params) sysfs.createFile(at, p.name, p.mode & 0o777, { show: readParam, store: writeParam }, p.kp);
  }
  const sections = sysfs.mkdirs(`module/${mod.name}/sections`);
  for (const s of mod.sections) sysfs.createFile(sections, s.name, 0o400, sectionAddress, s);
  const notes = mod.sections.filter((s) => s.note);
  if (notes.length > 0) {
    const at = sysfs.mkdirs(`module/${mod.name}/notes`);
    for (const s of notes) sysfs.createFile(at, s.name, 0o444, note, s);
  }
}
/** kobject_uevent of a module. */
export function moduleUevent(k: Kernel, mod: Module, action: 'add' | 'remove'): void {
  const path = `/module/${mod.name}`;
  sendUevent(k, action, path, [`ACTION=${action}`, `DEVPATH=${path}`, 'SUBSYSTEM=module']);
}
export function moduleSysfsTeardown(k: Kernel, mod: Module): void {
  if (mod.dir !== null) {
    // Only those whose init succeeded were announced.
    if (mod.announced) moduleUevent(k, mod, 'remove');
    k.sysfs.remove(mod.dir);
  }
  mod.dir = null;
}
/** A link in `used`/holders to its user (add_usage_links). */
export function addHolder(k: Kernel, used: Module, by: Module): void {
  const holders = used.dir?.children.get('holders');
  if (holders !== undefined && by.dir !== null) k.sysfs.createLink(holders, by.name, by.dir);
}
export function removeHolder(k: Kernel, used: Module, by: Module): void {
  const link = used.dir?.children.get('holders')?.children.get(by.name);
  if (link !== undefined) k.sysfs.remove(link);
}
