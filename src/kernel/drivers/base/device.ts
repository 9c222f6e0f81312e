import { EEXIST, EINVAL, ENOMEM } from '../../../abi/errno.ts';
import { makeDev } from '../../../abi/fs.ts';
import {
  bus_type as BUS,
  class_struct as CLASS,
  device as DEV,
  device_driver as DRIVER,
  device_type as TYPE,
  kobject as KOBJ,
  miscdevice as MISC,
  platform_device as PDEV,
} from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { sysfsText } from '../../fs/sysfs/sysfs.ts';
import type { Kernel } from '../../kernel.ts';
import { initListHead, pointerArray } from '../../lib/list.ts';
import { readKernel16, readKernel32, writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { before, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { dumpStack } from '../../stacktrace.ts';
import { warnInExport } from '../../traps.ts';
import { busAddDevice, busRemoveDevice } from './bus.ts';
import { deviceName } from './dev_printk.ts';
import { deviceState } from './devres.ts';
import {
  createGroups,
  dropHandle,
  kobjectAddIn,
  kobjectDel,
  kobjectGet,
  kobjectInit,
  kobjectName,
  kobjectSetName,
  kfreeConst,
  kobjectUevent,
  makeHandle,
  pointer,
  putStep,
  removeGroups,
  stringAt,
} from './kobject.ts';
import { forgetFirmware } from './firmware_names.ts';
import type { ClassState } from './model.ts';
import { ueventFileOps } from './uevent.ts';
import { visibilitySteps } from './visibility.ts';

// Devices and their classes (drivers/base/core.c, class.c). What a driver sees of them is in guest memory.

const MINOR_BITS = 20;
const POWER: readonly (readonly [string, string])[] = [
  ['async', 'disabled\n'],
  ['autosuspend_delay_ms', ''],
  ['control', 'auto\n'],
  ['runtime_active_kids', '0\n'],
  ['runtime_active_time', '0\n'],
  ['runtime_enabled', 'disabled\n'],
  ['runtime_status', 'unsupported\n'],
  ['runtime_suspended_time', '0\n'],
  ['runtime_usage', '0\n'],
];

/** device_initialize. */
export function deviceInitialize(k: Kernel, dev: number): void {
  const { objects } = k.drivers.model;
  writeKernel64(k, dev + KOBJ.kset, objects.devicesKset);
  kobjectInit(k, dev, objects.deviceKtype);
  for (const list of [DEV.devres_head, DEV.links_suppliers, DEV.links_consumers, DEV.links_defer_sync, DEV.dma_pools]) initListHead(k, dev + list);
  initListHead(k, dev + DEV.mutex_wait_list);
  writeKernel64(k, dev + DEV.mutex_owner, 0);
  writeKernel32(k, dev + DEV.numa_node, -1);
  // A device that was registered before starts anew.
  k.drivers.model.devices.delete(dev);
}
const classOf = (k: Kernel, dev: number) => k.drivers.model.classes.get(pointer(k, dev + DEV.class)) ?? null;

/** get_device_parent: where the directory goes. */
function parentDir(k: Kernel, dev: number): KernfsNode {
  const { sysfs } = k;
  const parent = pointer(k, dev + DEV.parent);
  const cls = classOf(k, dev);
  const above = parent === 0 ? undefined : k.drivers.model.dirs.get(parent);
  if (cls === null) return above ?? sysfs.mkdirs('devices');
  if (above === undefined) return sysfs.mkdirs(`devices/virtual/${cls.name}`);
  if (pointer(k, parent + DEV.class) !== 0) return above;
  const glue = above.children.get(cls.name) ?? sysfs.mkdir(above, cls.name);
  return typeof glue === 'number' ? above : glue;
}
/** What events about a device say of it (dev_uevent), without what functions of modules add. */
export function deviceVariables(k: Kernel, dev: number): string[] {
  const devt = readKernel32(k, dev + DEV.devt) ?? 0;
  const variables: string[] = [];
  if (devt !== 0) {
    const mode = nodeMode(k, dev);
    variables.push(`MAJOR=${devt >>> MINOR_BITS}`, `MINOR=${devt & 0xfffff}`, `DEVNAME=${nodeName(k, dev)}`);
    if (mode !== 0) variables.push(`DEVMODE=${mode.toString(8).padStart(4, '0')}`);
  }
  const type = pointer(k, dev + DEV.type);
  const typeName = type === 0 ? '' : stringAt(k, pointer(k, type + TYPE.name));
  if (typeName !== '') variables.push(`DEVTYPE=${typeName}`);
  const own = k.drivers.model.classVariables.get(classOf(k, dev)?.name ?? '');
  if (own !== undefined) variables.push(...own(k, dev));
  const driver = pointer(k, dev + DEV.driver);
  if (driver !== 0) variables.push(`DRIVER=${stringAt(k, pointer(k, driver + DRIVER.name))}`);
  const { objects } = k.drivers.model;
  if (pointer(k, dev + DEV.bus) === objects.platformBusType) variables.push(`MODALIAS=platform:${stringAt(k, pointer(k, dev - PDEV.dev + PDEV.name))}`);
  return variables;
}
/** Path of the node below /dev: misc devices may name their own. */
function nodeName(k: Kernel, dev: number): string {
  const asked = k.drivers.model.devices.get(dev)?.devnode.name ?? '';
  if (asked !== '') return asked;
  const misc = miscOf(k, dev);
  const own = misc === 0 ? '' : stringAt(k, pointer(k, misc + MISC.nodename));
  return own !== '' ? own : deviceName(k, dev).replace(/!/g, '/');
}
/** struct miscdevice behind a device of class misc; 0 = none. */
function miscOf(k: Kernel, dev: number): number {
  const devt = readKernel32(k, dev + DEV.devt) ?? 0;
  if (devt >>> MINOR_BITS !== 10) return 0;
  return k.drivers.misc.find((m) => m.minor === (devt & 0xfffff))?.addr ?? 0;
}
/** Mode of the node that the driver asked for; 0 = nothing said. */
function nodeMode(k: Kernel, dev: number): number {
  const asked = k.drivers.model.devices.get(dev)?.devnode.mode ?? 0;
  if (asked !== 0) return asked;
  const misc = miscOf(k, dev);
  return misc === 0 ? 0 : (readKernel16(k, misc + MISC.mode) ?? 0);
}

/** Gives the device its name: 0 or -EINVAL. */
function nameDevice(k: Kernel, dev: number): number {
  const init = pointer(k, dev + DEV.init_name);
  if (init !== 0) {
    kobjectSetName(k, dev, stringAt(k, init));
    writeKernel64(k, dev + DEV.init_name, 0);
  }
  if (kobjectName(k, dev) === '') {
    const bus = pointer(k, dev + DEV.bus);
    const prefix = bus === 0 ? '' : stringAt(k, pointer(k, bus + BUS.dev_name));
    if (prefix === '') return -EINVAL;
    kobjectSetName(k, dev, `${prefix}${readKernel32(k, dev + DEV.id) ?? 0}`);
  }
  return 0;
}
/** The groups that a device gets from its class, its type and itself. */
function deviceGroups(k: Kernel, dev: number): number[] {
  const [cls, type] = [classOf(k, dev), pointer(k, dev + DEV.type)];
  return [cls === null ? 0 : pointer(k, cls.addr + CLASS.dev_groups), type === 0 ? 0 : pointer(k, type + TYPE.groups), pointer(k, dev + DEV.groups)];
}
/** Steps before device_add that call functions of modules: devnode of its type or class, and is_visible of its groups. */
function questions(k: Kernel, dev: number): Step[] {
  const [cls, type, bus] = [classOf(k, dev), pointer(k, dev + DEV.type), pointer(k, dev + DEV.bus)];
  const devnode = (type === 0 ? 0 : pointer(k, type + TYPE.devnode)) || (cls === null ? 0 : pointer(k, cls.addr + CLASS.devnode));
  const steps: Step[] = [];
  const mode = devnode === 0 || (readKernel32(k, dev + DEV.devt) ?? 0) === 0 ? 0 : kzalloc(k, 8);
  if (mode !== 0) steps.push({ call: devnode, args: [dev, mode] }, { act: 'devnode', data: { dev, mode } });
  const groups = deviceGroups(k, dev).flatMap((g) => pointerArray(k, g));
  return [...steps, ...visibilitySteps(k, dev, [...groups, ...(bus === 0 ? [] : pointerArray(k, pointer(k, bus + BUS.dev_groups)))])];
}
/** Its result is a string to be freed, or NULL, in `value`: an int does not hold it, so the register is read. */
stepAction('devnode', (k, data, state) => {
  const [dev, mode] = [data['dev'] as number, data['mode'] as number];
  const name = state.pointer;
  deviceState(k, dev).devnode = { name: name === 0 ? '' : stringAt(k, name), mode: (readKernel16(k, mode) ?? 0) & 0o777 };
  kfreeConst(k, name);
  kfree(k, mode);
});
/** device_add behind its name: 0 or -errno. A driver that matches is probed by the steps it puts into `state`. */
function deviceAdd(k: Kernel, dev: number, state: StepState): number {
  const { sysfs } = k;
  const name = kobjectName(k, dev);
  const dir = kobjectAddIn(k, dev, parentDir(k, dev));
  if (typeof dir === 'number') return dir;
  const own = deviceState(k, dev);
  const parent = pointer(k, dev + DEV.parent);
  if (parent !== 0) kobjectGet(k, parent);
  sysfs.createFile(dir, 'uevent', 0o644, null, dev, ueventFileOps);
  const cls = classOf(k, dev);
  if (cls !== null) {
    sysfs.createLink(dir, 'subsystem', cls.dir);
    const above = parent === 0 ? undefined : k.drivers.model.dirs.get(parent);
    if (above !== undefined) sysfs.createLink(dir, 'device', above);
    const link = sysfs.createLink(cls.dir, name, dir);
    if (typeof link !== 'number') own.links.push(link);
  }
  for (const groups of deviceGroups(k, dev)) {
    const r = createGroups(k, dev, groups);
    if (r < 0) {
      deviceUndo(k, dev);
      return r;
    }
  }
  busAddDevice(k, dev, dir);
  const power = sysfs.mkdir(dir, 'power');
  if (typeof power !== 'number') for (const [file, text] of POWER) sysfsText(k, power, file, text, file === 'control' || file === 'async' ? 0o644 : 0o444);
  const devt = readKernel32(k, dev + DEV.devt) ?? 0;
  if (devt >>> MINOR_BITS !== 0) {
    const [major, minor] = [devt >>> MINOR_BITS, devt & 0xfffff];
    sysfsText(k, dir, 'dev', `${major}:${minor}\n`);
    const link = sysfs.createLink(sysfs.mkdirs('dev/char'), `${major}:${minor}`, dir);
    if (typeof link !== 'number') own.links.push(link);
    own.node = nodeName(k, dev);
    k.drivers.createNode(own.node, nodeMode(k, dev) || 0o600, makeDev(major, minor));
  }
  own.added = true;
  if (pointer(k, dev + DEV.bus) !== 0) before(state, { act: 'bus_probe_device', data: { dev } });
  kobjectUevent(k, dev, 'add', state);
  return 0;
}
function deviceUndo(k: Kernel, dev: number): void {
  const own = deviceState(k, dev);
  for (const link of own.links.splice(0)) k.sysfs.remove(link);
  if (own.node !== '') k.drivers.removeNode(own.node);
  own.node = '';
  own.added = false;
}
/** device_del: its driver lets go of it first. */
stepAction('device_del', (k, data, state) => {
  const dev = data['dev'] as number;
  if (k.drivers.model.devices.get(dev)?.added !== true) return;
  before(state, { act: 'release_driver', data: { dev } }, { act: 'device_gone', data: { dev } });
});
stepAction('device_gone', (k, data, state) => {
  const dev = data['dev'] as number;
  const parent = pointer(k, dev + DEV.parent);
  if (parent !== 0) before(state, putStep(parent));
  kobjectUevent(k, dev, 'remove', state);
  busRemoveDevice(k, dev);
  removeGroups(k, dev, pointer(k, dev + DEV.groups));
  const glue = k.drivers.model.dirs.get(dev)?.parent ?? null;
  deviceUndo(k, dev);
  kobjectDel(k, dev, null);
  // The directory that a class has below a parent device goes with its last device.
  if (glue !== null && glue.children.size === 0 && parent !== 0 && k.drivers.model.dirs.get(parent) !== glue) k.sysfs.remove(glue);
});
/** device_release of device_ktype: managed resources, then the release function of the device, its type or its class. */
export function deviceReleaseSteps(dev: number): Step[] {
  return [
    { act: 'devres_release_all', data: { device: dev } },
    { act: 'device_release', data: { dev } },
  ];
}
stepAction('device_release', (k, data, state) => {
  const dev = data['dev'] as number;
  const type = pointer(k, dev + DEV.type);
  const cls = pointer(k, dev + DEV.class);
  const release =
    pointer(k, dev + DEV.release) ||
    (type === 0 ? 0 : pointer(k, type + TYPE.release)) ||
    (cls === 0 ? 0 : pointer(k, cls + CLASS.dev_release));
  k.drivers.model.devices.delete(dev);
  forgetFirmware(k, dev);
  if (release !== 0) before(state, { call: release, args: [dev] });
  else
    warnInExport(
      k,
      `Device '${deviceName(k, dev)}' does not have a release() function, it is broken and must be fixed. See Documentation/core-api/kobject.rst.`,
    );
});
export const unregisterSteps = (dev: number): Step[] => [{ act: 'device_del', data: { dev } }, putStep(dev)];

/** device_register as steps: the value is 0 or -errno. */
export function registerSteps(k: Kernel, dev: number): Step[] {
  deviceInitialize(k, dev);
  return [{ act: 'device_add', data: { dev } }];
}
stepAction('device_add', (k, data, state) => {
  const dev = data['dev'] as number;
  state.value = nameDevice(k, dev);
  if (state.value === 0) before(state, ...questions(k, dev), { act: 'device_add_named', data });
});
stepAction('device_add_named', (k, data, state) => {
  state.value = deviceAdd(k, data['dev'] as number, state);
});

/** class_register: 0 or -errno. */
export function classRegister(k: Kernel, cls: number): number {
  const name = stringAt(k, pointer(k, cls + CLASS.name));
  if (name === '') return -EINVAL;
  const parent = k.sysfs.mkdirs('class');
  const made = parent.children.get(name);
  // Classes of the kernel's own have their directory already; a second one of a module is refused.
  const known = [...k.drivers.model.classes.values()].some((c) => c.name === name);
  if (made !== undefined && (known || made.children.size > 0)) {
    k.printk.log(4, `sysfs: cannot create duplicate filename '/class/${name}'`);
    dumpStack(k, k.current);
    k.printk.log(
      3,
      `kobject: kobject_add_internal failed for ${name} with -EEXIST, don't try to register things with the same name in the same directory.`,
    );
    return -EEXIST;
  }
  const dir = made ?? k.sysfs.mkdir(parent, name, 0o755, cls);
  if (typeof dir === 'number') return dir;
  const kobj = makeHandle(k, k.drivers.model.objects.classKtype, cls, dir);
  if (kobj === 0) return -ENOMEM;
  const state: ClassState = { addr: cls, name, dir, kobj };
  k.drivers.model.classes.set(cls, state);
  if (made === undefined) kobjectUevent(k, kobj, 'add', null);
  return createGroups(k, kobj, pointer(k, cls + CLASS.class_groups));
}
/** class_create: address, or -errno as a pointer. */
export function classCreate(k: Kernel, nameAt: number): number {
  const cls = kzalloc(k, CLASS.sizeof);
  if (cls === 0) return -ENOMEM;
  writeKernel64(k, cls + CLASS.name, nameAt);
  writeKernel64(k, cls + CLASS.class_release, k.modules.symbols.get('class_create_release')?.addr ?? 0);
  const r = classRegister(k, cls);
  if (r < 0) {
    kfree(k, cls);
    return r;
  }
  return cls;
}
/** class_unregister. */
export function classUnregisterSteps(k: Kernel, cls: number): Step[] {
  const { classes } = k.drivers.model;
  const state = classes.get(cls);
  if (state === undefined) return [];
  kobjectUevent(k, state.kobj, 'remove', null);
  k.sysfs.remove(state.dir);
  classes.delete(cls);
  dropHandle(k, state.kobj);
  return [{ call: pointer(k, cls + CLASS.class_release), args: [cls] }];
}

/** device_create_groups_vargs as steps: the value is the address of the device, or -errno as a pointer. */
export function createSteps(k: Kernel, cls: number, parent: number, devt: number, drvdata: number, groups: number, name: string): Step[] | number {
  if (cls === 0 || k.drivers.model.classes.get(cls) === undefined) return -EINVAL;
  const dev = kzalloc(k, DEV.sizeof);
  if (dev === 0) return -ENOMEM;
  deviceInitialize(k, dev);
  writeKernel32(k, dev + DEV.devt, devt);
  writeKernel64(k, dev + DEV.class, cls);
  writeKernel64(k, dev + DEV.parent, parent);
  writeKernel64(k, dev + DEV.groups, groups);
  writeKernel64(k, dev + DEV.driver_data, drvdata);
  writeKernel64(k, dev + DEV.release, k.modules.symbols.get('device_create_release')?.addr ?? 0);
  if (kobjectSetName(k, dev, name) < 0) return -ENOMEM;
  return [{ act: 'device_add', data: { dev } }, { act: 'device_created', data: { dev } }];
}
stepAction('device_created', (_k, data, state) => {
  const dev = data['dev'] as number;
  if (state.value < 0) before(state, putStep(dev));
  else state.value = dev;
});
/** class_find_device_by_devt. */
export function findDevice(k: Kernel, cls: number, devt: number): number {
  for (const { addr, added } of k.drivers.model.devices.values()) {
    if (added && pointer(k, addr + DEV.class) === cls && (readKernel32(k, addr + DEV.devt) ?? 0) === devt >>> 0) return addr;
  }
  return 0;
}
