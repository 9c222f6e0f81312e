import { EEXIST, EINVAL, EIO, ENOENT, ENOMEM } from '../../../abi/errno.ts';
import { kobj_attribute as ATTR, kobject as KOBJ, kset as KSET } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import { nodePath } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import { text, writeText } from '../../lib/access.ts';
import { initListHead, listNodes, pointerArray } from '../../lib/list.ts';
import { callArguments } from '../../lib/va_list.ts';
import { vsnprintf } from '../../lib/vsprintf.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { readKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { callGuest } from '../../module/call.ts';
import { type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { runSteps, type Step, stepAction } from '../../module/steps.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { warnInExport } from '../../traps.ts';
import {
  createFile,
  createGroup,
  handleOwner,
  kfreeConst,
  kobjectAdd,
  kobjectGet,
  kobjectInit,
  kobjectName,
  kobjectSetName,
  kobjectUevent,
  pointer,
  putStep,
  removeFile,
  removeGroup,
  removeGroups,
  updateGroup,
} from './kobject.ts';
import { addVariable, UEVENT_ACTIONS, ueventOperation } from './uevent.ts';
import { visibilitySteps } from './visibility.ts';

// What lib/kobject.c and fs/sysfs export, and the show and store functions that stand between a type and its attributes.


function formatted(k: Kernel, fmt: number, first: number): string {
  return vsnprintf(k, text(k, fmt, 4096), callArguments(k, first));
}
/** Calls an attribute's function of (object, attribute, buffer[, count]); without one -EIO. */
function callAttribute(k: Kernel, attr: number, offset: number, ...args: readonly number[]): number {
  const call = pointer(k, attr + offset);
  if (call === 0) return -EIO;
  return callGuest(k, call, ...args) ?? BLOCKED;
}
function attributeFunctions(prefix: string, owner: (k: Kernel, kobj: number) => number, withAttr: boolean): FunctionExport[] {
  return [
    internal(`${prefix}_attr_show`, (k, kobj, attr, buf) =>
      withAttr ? callAttribute(k, attr, ATTR.show, owner(k, kobj), attr, buf) : callAttribute(k, attr, ATTR.show, owner(k, kobj), buf),
    ),
    internal(`${prefix}_attr_store`, (k, kobj, attr, buf, count) =>
      withAttr ? callAttribute(k, attr, ATTR.store, owner(k, kobj), attr, buf, count) : callAttribute(k, attr, ATTR.store, owner(k, kobj), buf, count),
    ),
  ];
}
const self = (_k: Kernel, kobj: number) => kobj;

/** kobject_init_and_add and kobject_add: the name is formatted from argument `first` on. */
function addNamed(k: Kernel, kobj: number, parent: number, fmt: number, first: number): number {
  if (kobjectSetName(k, kobj, formatted(k, fmt, first)) < 0) return -ENOMEM;
  return kobjectAdd(k, kobj, parent);
}
function put(k: Kernel, kobj: number): number {
  return kobj === 0 ? 0 : runSteps(k, () => [putStep(kobj)]);
}
/** kobject_create_and_add: a kobject of its own, or NULL. */
function createAndAdd(k: Kernel, name: string, parent: number, ktype: number, size: number, offset: number): number {
  const made = kzalloc(k, size);
  if (made === 0) return 0;
  const kobj = made + offset;
  kobjectInit(k, kobj, ktype);
  const r = kobjectSetName(k, kobj, name) < 0 ? -ENOMEM : kobjectAdd(k, kobj, parent);
  if (r === 0) return made;
  k.printk.log(4, `${offset === 0 ? 'kobject_create_and_add' : 'kset_create_and_add'}: kobject_add error: ${r}`);
  kfreeConst(k, pointer(k, kobj + KOBJ.name));
  kfree(k, made);
  return 0;
}
function ksetInit(k: Kernel, kset: number): void {
  initListHead(k, kset + KSET.list);
}

function emit(k: Kernel, buf: number, at: number, fmt: number, first: number): number {
  if (buf === 0 || buf % PAGE_SIZE !== 0) {
    warnInExport(k, `invalid sysfs_emit: buf:${buf}`);
    return 0;
  }
  const out = formatted(k, fmt, first).slice(0, Math.max(0, PAGE_SIZE - at - 1));
  writeText(k, buf + at, out);
  return out.length;
}
/** Groups as a whole operation: their functions say first what is visible. */
export function groupsOperation(k: Kernel, kobj: number, groups: readonly number[]): number {
  return runSteps(k, () => [...visibilitySteps(k, kobj, groups), ...groups.map((group): Step => ({ act: 'create_group', data: { kobj, group } }))]);
}
stepAction('create_group', (k, data, state) => {
  if (state.value === 0) state.value = createGroup(k, data['kobj'] as number, data['group'] as number);
});
stepAction('update_group', (k, data, state) => {
  state.value = updateGroup(k, data['kobj'] as number, data['group'] as number);
});
function link(k: Kernel, kobj: number, target: number, name: string): number {
  const dir = kobj === 0 ? k.sysfs.root : k.drivers.model.dirs.get(kobj);
  const to = k.drivers.model.dirs.get(target);
  if (dir === undefined || to === undefined) return dir === undefined ? -EINVAL : -ENOENT;
  const r = k.sysfs.createLink(dir, name, to);
  if (r !== -EEXIST) return 0;
  k.printk.log(4, `sysfs: cannot create duplicate filename '${nodePath(dir)}/${name}'`);
  return r;
}

export const kobjectExports: readonly FunctionExport[] = [
  ...attributeFunctions('kobj', self, true),
  ...attributeFunctions('dev', self, true),
  ...attributeFunctions('class', handleOwner, true),
  ...attributeFunctions('bus', handleOwner, false),
  ...attributeFunctions('drv', handleOwner, false),
  internal('dynamic_kobj_release', (k, kobj) => {
    kfree(k, kobj);
    return undefined;
  }),
  internal('kset_release', (k, kobj) => {
    kfree(k, kobj - KSET.kobj);
    return undefined;
  }),
  // The private parts of classes, buses and drivers go with their owners.
  ...['class_release', 'bus_release', 'driver_release'].map((name) => internal(name, () => undefined)),

  fn('kobject_init', (k, kobj, ktype) => {
    if (kobj === 0 || ktype === 0) {
      k.printk.log(3, `kobject: kobject (${kobj}): ${kobj === 0 ? 'invalid kobject pointer!' : 'must have a ktype to be initialized properly!'}`);
      return undefined;
    }
    kobjectInit(k, kobj, ktype);
    return undefined;
  }),
  fn('kobject_set_name', (k, kobj, fmt) => kobjectSetName(k, kobj, formatted(k, fmt, 2))),
  fn('kobject_add', (k, kobj, parent, fmt) => addNamed(k, kobj, parent, fmt, 3)),
  fn('kobject_init_and_add', (k, kobj, ktype, parent, fmt) => {
    kobjectInit(k, kobj, ktype);
    return addNamed(k, kobj, parent, fmt, 4);
  }),
  fn('kobject_create_and_add', (k, name, parent) =>
    createAndAdd(k, text(k, name, 256), parent, k.drivers.model.objects.dynamicKtype, KOBJ.sizeof, 0),
  ),
  fn('kobject_get', kobjectGet),
  fn('kobject_get_unless_zero', (k, kobj) =>
    kobj !== 0 && (readKernel32(k, kobj + KOBJ.kref) ?? 0) !== 0 ? kobjectGet(k, kobj) : 0,
  ),
  fn('kobject_put', put),
  fn('kobject_del', (k, kobj) => (kobj === 0 ? 0 : runSteps(k, () => [{ act: 'kobject_del', data: { kobj } }]))),
  fn('kobject_uevent', (k, kobj, action) => ueventOperation(k, kobj, UEVENT_ACTIONS[action] ?? '', [])),
  fn('kobject_uevent_env', (k, kobj, action, envp) => ueventOperation(k, kobj, UEVENT_ACTIONS[action] ?? '', pointerArray(k, envp).map((p) => text(k, p, 2048)))),
  fn('add_uevent_var', (k, env, fmt) => addVariable(k, env, formatted(k, fmt, 2))),
  fn('kobject_get_path', (k, kobj) => {
    const node = k.drivers.model.dirs.get(kobj);
    if (node === undefined) return 0;
    const path = nodePath(node);
    const at = kzalloc(k, path.length + 1);
    if (at !== 0) writeText(k, at, path);
    return at;
  }),
  fn('kset_register', (k, kset) => {
    if (kset === 0 || pointer(k, kset + KSET.kobj + KOBJ.ktype) === 0) return -EINVAL;
    ksetInit(k, kset);
    const kobj = kset + KSET.kobj;
    kobjectInit(k, kobj, pointer(k, kobj + KOBJ.ktype));
    const r = kobjectAdd(k, kobj, pointer(k, kobj + KOBJ.parent));
    if (r === 0) kobjectUevent(k, kobj, 'add', null);
    return r;
  }),
  fn('kset_create_and_add', (k, name, ops, parent) => {
    const kset = createAndAdd(k, text(k, name, 256), parent, k.drivers.model.objects.ksetKtype, KSET.sizeof, KSET.kobj);
    if (kset === 0) return 0;
    ksetInit(k, kset);
    writeKernel64(k, kset + KSET.uevent_ops, ops);
    kobjectUevent(k, kset + KSET.kobj, 'add', null);
    return kset;
  }),
  fn('kset_unregister', (k, kset) =>
    kset === 0 ? 0 : runSteps(k, (): Step[] => [{ act: 'kobject_del', data: { kobj: kset + KSET.kobj } }, putStep(kset + KSET.kobj)]),
  ),
  fn('kset_find_obj', (k, kset, name) => {
    const wanted = text(k, name, 256);
    const found = listNodes(k, kset + KSET.list).find((node) => kobjectName(k, node - KOBJ.entry) === wanted);
    return found === undefined ? 0 : kobjectGet(k, found - KOBJ.entry);
  }),

  partial('sysfs_create_file_ns', 'no name spaces', (k, kobj, attr) => createFile(k, kobj, attr)),
  fn('sysfs_create_files', (k, kobj, attrs) => {
    const done: number[] = [];
    for (const attr of pointerArray(k, attrs)) {
      const r = createFile(k, kobj, attr);
      if (r < 0) {
        for (const made of done) removeFile(k, kobj, made);
        return r;
      }
      done.push(attr);
    }
    return 0;
  }),
  partial('sysfs_remove_file_ns', 'no name spaces', (k, kobj, attr) => {
    removeFile(k, kobj, attr);
    return undefined;
  }),
  fn('sysfs_remove_files', (k, kobj, attrs) => {
    for (const attr of pointerArray(k, attrs)) removeFile(k, kobj, attr);
    return undefined;
  }),
  fn('sysfs_create_bin_file', (k, kobj, attr) => createFile(k, kobj, attr, true)),
  fn('sysfs_remove_bin_file', (k, kobj, attr) => {
    removeFile(k, kobj, attr);
    return undefined;
  }),
  fn('sysfs_create_group', (k, kobj, group) => groupsOperation(k, kobj, [group])),
  fn('sysfs_create_groups', (k, kobj, groups) => groupsOperation(k, kobj, pointerArray(k, groups))),
  fn('sysfs_update_group', (k, kobj, group) =>
    runSteps(k, () => [...visibilitySteps(k, kobj, [group], true), { act: 'update_group', data: { kobj, group } }]),
  ),
  fn('sysfs_remove_group', (k, kobj, group) => {
    removeGroup(k, kobj, group);
    return undefined;
  }),
  fn('sysfs_remove_groups', (k, kobj, groups) => {
    removeGroups(k, kobj, groups);
    return undefined;
  }),
  fn('sysfs_create_link', (k, kobj, target, name) => link(k, kobj, target, text(k, name, 256))),
  fn('sysfs_remove_link', (k, kobj, name) => {
    const node = (kobj === 0 ? k.sysfs.root : k.drivers.model.dirs.get(kobj))?.children.get(text(k, name, 256));
    if (node !== undefined) k.sysfs.remove(node);
    return undefined;
  }),
  fn('sysfs_emit', (k, buf, fmt) => emit(k, buf, 0, fmt, 2)),
  fn('sysfs_emit_at', (k, buf, at, fmt) => {
    if (at < 0 || at >= PAGE_SIZE) {
      warnInExport(k, `invalid sysfs_emit_at: buf:${buf} at:${at}`);
      return 0;
    }
    return emit(k, buf, at, fmt, 3);
  }),
  fn('sysfs_streq', (k, a, b) => {
    const [x, y] = [text(k, a), text(k, b)].map((s) => s.replace(/\n$/, ''));
    return x === y ? 1 : 0;
  }),
];
