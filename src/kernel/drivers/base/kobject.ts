import { EEXIST, EINVAL, ENOENT, ENOMEM } from '../../../abi/errno.ts';
import { attribute_group as GROUP, kobj_type as KTYPE, kobject as KOBJ, kset as KSET } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { nodePath } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { initListHead, listAddTail, listDel, pointerArray } from '../../lib/list.ts';
import { hex64 } from '../../lib/seq_file.ts';
import { PAGE_OFFSET } from '../../mm/address.ts';
import { kernelString, readKernel32, readKernel64, readKernel8, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../../mm/maccess.ts';
import { actNow, before, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { dumpStack } from '../../stacktrace.ts';
import { warnInExport } from '../../traps.ts';
import { createAttribute } from './attribute.ts';
import { groupInvisible, visibleMode } from './visibility.ts';

// Kernel objects (lib/kobject.c): names, parents and reference counts in guest memory; directories in sysfs.

const STATE_INITIALIZED = 1;
const STATE_IN_SYSFS = 2;
const STATE_ADD_SENT = 4;
const STATE_REMOVE_SENT = 8;
/** Longest name that is looked at. */
const NAME_MAX = 256;

export const pointer = (k: Kernel, at: number) => readKernel64(k, at) ?? 0;
export const stringAt = (k: Kernel, at: number) => (at === 0 ? '' : (kernelString(k, at, NAME_MAX) ?? ''));
const stateOf = (k: Kernel, kobj: number) => readKernel8(k, kobj + KOBJ.state_initialized) ?? 0;
function setState(k: Kernel, kobj: number, bits: number, on: boolean): void {
  const state = stateOf(k, kobj);
  writeKernel8(k, kobj + KOBJ.state_initialized, on ? state | bits : state & ~bits);
}
export function kobjectName(k: Kernel, kobj: number): string {
  return stringAt(k, pointer(k, kobj + KOBJ.name));
}
/** kstrdup: 0 = no memory. */
export function kstrdup(k: Kernel, text: string): number {
  const at = kzalloc(k, text.length + 1);
  if (at !== 0) writeKernelBytes(k, at, bytesOf(`${text}\0`));
  return at;
}
/** kfree of what is really the start of an allocation; anything else is left alone (kfree_const). */
export function kfreeConst(k: Kernel, addr: number): void {
  const pa = addr - PAGE_OFFSET;
  if (addr === 0 || pa < 0 || pa >= k.ram.size) return;
  const object = k.mm.slab.objectAt(pa);
  if (object !== null && object.start === pa && object.allocated) kfree(k, addr);
}
/** kobject_set_name: slashes become exclamation marks. 0 or -ENOMEM. */
export function kobjectSetName(k: Kernel, kobj: number, name: string): number {
  const at = kstrdup(k, name.replace(/\//g, '!'));
  if (at === 0) return -ENOMEM;
  kfreeConst(k, pointer(k, kobj + KOBJ.name));
  writeKernel64(k, kobj + KOBJ.name, at);
  return 0;
}
export function kobjectInit(k: Kernel, kobj: number, ktype: number): void {
  if ((stateOf(k, kobj) & STATE_INITIALIZED) !== 0) {
    k.printk.log(3, `kobject: kobject (${hex64(kobj)}): tried to init an initialized object, something is seriously wrong.`);
    dumpStack(k, k.current);
  }
  writeKernel32(k, kobj + KOBJ.kref, 1);
  initListHead(k, kobj + KOBJ.entry);
  writeKernel8(k, kobj + KOBJ.state_initialized, STATE_INITIALIZED);
  writeKernel64(k, kobj + KOBJ.ktype, ktype);
}
export function kobjectGet(k: Kernel, kobj: number): number {
  if (kobj === 0) return 0;
  if ((stateOf(k, kobj) & STATE_INITIALIZED) === 0)
    warnInExport(k, `kobject: '${kobjectName(k, kobj) || '(null)'}' (${hex64(kobj)}): is not initialized, yet kobject_get() is being called.`);
  writeKernel32(k, kobj + KOBJ.kref, (readKernel32(k, kobj + KOBJ.kref) ?? 0) + 1);
  return kobj;
}
export const putStep = (kobj: number): Step => ({ act: 'kobject_put', data: { kobj } });

/** sysfs_warn_dup and what kobject_add says. */
function complainDuplicate(k: Kernel, parent: KernfsNode, name: string): void {
  k.printk.log(4, `sysfs: cannot create duplicate filename '${nodePath(parent)}/${name}'`);
  dumpStack(k, k.current);
}
/** create_dir, and the default groups of its type. The directory or -errno. `dir` is the parent's directory. */
export function kobjectAddIn(k: Kernel, kobj: number, dir: KernfsNode): KernfsNode | number {
  const name = kobjectName(k, kobj);
  if (name === '') {
    warnInExport(k, `kobject: (${hex64(kobj)}): attempted to be registered with empty name!`);
    return -EINVAL;
  }
  const node = dir.removed ? -ENOENT : k.sysfs.mkdir(dir, name, 0o755, kobj);
  if (typeof node === 'number') {
    if (node === -EEXIST) {
      complainDuplicate(k, dir, name);
      k.printk.log(
        3,
        `kobject: kobject_add_internal failed for ${name} with -EEXIST, don't try to register things with the same name in the same directory.`,
      );
    } else k.printk.log(3, `kobject: kobject_add_internal failed for ${name} (error: ${node} parent: ${dir.name})`);
    return node;
  }
  setState(k, kobj, STATE_IN_SYSFS, true);
  k.drivers.model.dirs.set(kobj, node);
  const groups = pointer(k, pointer(k, kobj + KOBJ.ktype) + KTYPE.default_groups);
  const r = createGroups(k, kobj, groups);
  return r < 0 ? r : node;
}
/** kobject_add_varg: the parent is given, or the kset's object, or the root of sysfs. 0 or -errno. */
export function kobjectAdd(k: Kernel, kobj: number, parent: number): number {
  const kset = pointer(k, kobj + KOBJ.kset);
  const above = parent !== 0 ? parent : kset !== 0 ? kset + KSET.kobj : 0;
  if (parent !== 0 || above !== 0) writeKernel64(k, kobj + KOBJ.parent, above);
  const dir = above === 0 ? k.sysfs.root : k.drivers.model.dirs.get(above);
  if (dir === undefined) return -EINVAL;
  if (above !== 0) kobjectGet(k, above);
  if (kset !== 0) listAddTail(k, kobj + KOBJ.entry, kset + KSET.list);
  const node = kobjectAddIn(k, kobj, dir);
  if (typeof node !== 'number') return 0;
  if (kset !== 0) listDel(k, kobj + KOBJ.entry);
  return node;
}
/** __kobject_del: out of sysfs; the parent's reference goes with a step of the caller. */
export function kobjectDel(k: Kernel, kobj: number, state: StepState | null): void {
  const { dirs } = k.drivers.model;
  const node = dirs.get(kobj);
  if (node === undefined) return;
  if ((stateOf(k, kobj) & (STATE_ADD_SENT | STATE_REMOVE_SENT)) === STATE_ADD_SENT) kobjectUevent(k, kobj, 'remove', state);
  k.sysfs.remove(node);
  dirs.delete(kobj);
  setState(k, kobj, STATE_IN_SYSFS, false);
  if (pointer(k, kobj + KOBJ.kset) !== 0) listDel(k, kobj + KOBJ.entry);
  const parent = pointer(k, kobj + KOBJ.parent);
  writeKernel64(k, kobj + KOBJ.parent, 0);
  if (parent !== 0 && state !== null) before(state, putStep(parent));
}
/** kobject_put: the last one releases it, with its type's function. */
function put(k: Kernel, data: Readonly<Record<string, number | string>>, state: StepState): void {
  const kobj = data['kobj'] as number;
  if (kobj === 0) return;
  if ((stateOf(k, kobj) & STATE_INITIALIZED) === 0)
    warnInExport(k, `kobject: '${kobjectName(k, kobj) || '(null)'}' (${hex64(kobj)}): is not initialized, yet kobject_put() is being called.`);
  const count = (readKernel32(k, kobj + KOBJ.kref) ?? 0) | 0;
  if (count <= 0) {
    warnInExport(k, 'refcount_t: underflow; use-after-free.');
    return;
  }
  writeKernel32(k, kobj + KOBJ.kref, count - 1);
  if (count > 1) return;
  const release = pointer(k, pointer(k, kobj + KOBJ.ktype) + KTYPE.release);
  const name = pointer(k, kobj + KOBJ.name);
  if (release === 0)
    k.printk.log(7, `kobject: '${stringAt(k, name)}' (${hex64(kobj)}): does not have a release() function, it is broken and must be fixed.`);
  before(state, { call: release, args: [kobj] }, { act: 'kfree_const', data: { addr: name } });
  kobjectDel(k, kobj, state);
}
stepAction('kobject_put', put);
stepAction('kobject_del', (k, data, state) => kobjectDel(k, data['kobj'] as number, state));
stepAction('kfree_const', (k, data) => kfreeConst(k, data['addr'] as number));
stepAction('value', (_k, data, state) => {
  state.value = data['value'] as number;
});

/** The private object of a class, bus or driver: a kobject, and behind it the address of its owner. Without memory 0. */
export function makeHandle(k: Kernel, ktype: number, owner: number, dir: KernfsNode): number {
  const kobj = kzalloc(k, KOBJ.sizeof + 8);
  if (kobj === 0) return 0;
  kobjectInit(k, kobj, ktype);
  writeKernel64(k, kobj + KOBJ.sizeof, owner);
  k.drivers.model.dirs.set(kobj, dir);
  return kobj;
}
export function dropHandle(k: Kernel, kobj: number): void {
  k.drivers.model.dirs.delete(kobj);
  kfree(k, kobj);
}
export const handleOwner = (k: Kernel, kobj: number) => pointer(k, kobj + KOBJ.sizeof);

/** kobject_uevent: the next step of `state`, since functions of modules may add to it; without steps at once, and without them. */
export function kobjectUevent(k: Kernel, kobj: number, action: string, state: StepState | null): void {
  if (action === 'add') setState(k, kobj, STATE_ADD_SENT, true);
  if (action === 'remove') setState(k, kobj, STATE_REMOVE_SENT, true);
  const dir = k.drivers.model.dirs.get(kobj);
  const data = { kobj, action, path: dir === undefined ? '' : nodePath(dir), extra: '' };
  if (state !== null) before(state, { act: 'uevent', data });
  else actNow(k, 'uevent', data);
}

/** sysfs_create_groups of a NULL-terminated array. 0 or -errno. */
export function createGroups(k: Kernel, kobj: number, groups: number): number {
  for (const group of pointerArray(k, groups)) {
    const r = createGroup(k, kobj, group);
    if (r < 0) return r;
  }
  return 0;
}
export function removeGroups(k: Kernel, kobj: number, groups: number): void {
  for (const group of pointerArray(k, groups)) removeGroup(k, kobj, group);
}
/** sysfs_create_group: its files, in a directory of its own when it has a name. is_visible is asked by groupVisibility beforehand. */
export function createGroup(k: Kernel, kobj: number, group: number): number {
  const dir = k.drivers.model.dirs.get(kobj);
  if (dir === undefined) return -EINVAL;
  const name = stringAt(k, pointer(k, group + GROUP.name));
  if (groupInvisible(k, kobj, group)) {
    for (const attr of pointerArray(k, pointer(k, group + GROUP.attrs))) visibleMode(k, kobj, group, attr);
    return 0;
  }
  const at = name === '' ? dir : k.sysfs.mkdir(dir, name);
  if (typeof at === 'number') {
    complainDuplicate(k, dir, name);
    return at;
  }
  for (const attr of pointerArray(k, pointer(k, group + GROUP.attrs))) {
    const mode = visibleMode(k, kobj, group, attr);
    const r = mode === 0 ? 0 : createAttribute(k, at, kobj, attr, false, mode);
    if (r < 0) {
      removeGroup(k, kobj, group);
      return r;
    }
  }
  for (const attr of pointerArray(k, pointer(k, group + GROUP.bin_attrs))) {
    const mode = visibleMode(k, kobj, group, attr);
    const r = mode === 0 ? 0 : createAttribute(k, at, kobj, attr, true, mode);
    if (r < 0) return r;
  }
  return 0;
}
/** sysfs_update_group: its files anew, as is_visible said just now. */
export function updateGroup(k: Kernel, kobj: number, group: number): number {
  const dir = k.drivers.model.dirs.get(kobj);
  if (dir === undefined) return -EINVAL;
  const name = stringAt(k, pointer(k, group + GROUP.name));
  const at = name === '' ? dir : dir.children.get(name);
  if (at === undefined) {
    k.printk.log(4, `Can't update unknown attr grp name: ${kobjectName(k, kobj)}/${name}`);
    return -EINVAL;
  }
  for (const [list, binary] of [[GROUP.attrs, false], [GROUP.bin_attrs, true]] as const) {
    for (const attr of pointerArray(k, pointer(k, group + list))) {
      const mode = visibleMode(k, kobj, group, attr);
      const old = at.children.get(stringAt(k, pointer(k, attr)));
      if (old !== undefined && (mode !== null || !binary)) k.sysfs.remove(old);
      if (mode !== 0) createAttribute(k, at, kobj, attr, binary, mode);
    }
  }
  return 0;
}
export function removeGroup(k: Kernel, kobj: number, group: number): void {
  const dir = k.drivers.model.dirs.get(kobj);
  if (dir === undefined) return;
  const name = stringAt(k, pointer(k, group + GROUP.name));
  if (name !== '') {
    const at = dir.children.get(name);
    if (at !== undefined) k.sysfs.remove(at);
    else
      warnInExport(
        k,
        `sysfs group '${name}' not found for kobject '${kobjectName(k, kobj)}'`,
      );
    return;
  }
  for (const attr of [...pointerArray(k, pointer(k, group + GROUP.attrs)), ...pointerArray(k, pointer(k, group + GROUP.bin_attrs))])
    removeFile(k, kobj, attr);
}
/** sysfs_create_file. 0 or -errno. */
export function createFile(k: Kernel, kobj: number, attr: number, binary = false): number {
  const dir = k.drivers.model.dirs.get(kobj);
  if (dir === undefined || attr === 0) {
    warnInExport(k, '');
    return -EINVAL;
  }
  const r = createAttribute(k, dir, kobj, attr, binary);
  if (r === -EEXIST) complainDuplicate(k, dir, stringAt(k, pointer(k, attr)));
  return r;
}
export function removeFile(k: Kernel, kobj: number, attr: number): void {
  const node = k.drivers.model.dirs.get(kobj)?.children.get(stringAt(k, pointer(k, attr)));
  if (node !== undefined) k.sysfs.remove(node);
}
