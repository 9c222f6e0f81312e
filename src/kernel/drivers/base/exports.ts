import { EINVAL, ENOMEM } from '../../../abi/errno.ts';
import { device as DEV } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { load, size, store, text, writeText } from '../../lib/access.ts';
import { callArguments, vaListArguments } from '../../lib/va_list.ts';
import { vsnprintf } from '../../lib/vsprintf.ts';
import { pointerArray } from '../../lib/list.ts';
import { physToVirt, virtToPhys } from '../../mm/address.ts';
import { writeKernel64 } from '../../mm/maccess.ts';
import { callGuest } from '../../module/call.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { runSteps, type Step } from '../../module/steps.ts';
import { warnInExport } from '../../traps.ts';
import { busEachSteps, deviceAttachSteps, driverAttachSteps, busRegister, busUnregister, driverRegister, driverUnregisterSteps } from './bus.ts';
import {
  classCreate,
  classRegister,
  classUnregisterSteps,
  createSteps,
  deviceInitialize,
  deviceReleaseSteps,
  findDevice,
  registerSteps,
  unregisterSteps,
} from './device.ts';
import { deviceName } from './dev_printk.ts';
import { addDevres, releaseSteps, takeDevres } from './devres.ts';
import {
  createFile,
  kobjectGet,
  kobjectSetName,
  pointer,
  putStep,
  removeFile,
  removeGroups,
} from './kobject.ts';
import { groupsOperation } from './kobject_exports.ts';

// What drivers/base exports: devices, classes, buses, drivers and managed resources.

const GFP_ZERO = 0x100;

function formatted(k: Kernel, fmt: number, first: number): string {
  return vsnprintf(k, text(k, fmt, 4096), callArguments(k, first));
}
/** Memory that goes with the device: guest address, 0 = none. */
function devmAlloc(k: Kernel, dev: number, bytes: number, zero: boolean): number {
  if (bytes === 0) return 16; // ZERO_SIZE_PTR
  const pa = bytes < 0 ? 0 : k.mm.slab.kmalloc(bytes, zero);
  if (pa === 0) return 0;
  const at = physToVirt(pa);
  addDevres(k, dev, { data: at, memory: at, release: 0, action: false });
  return at;
}
function devmText(k: Kernel, dev: number, value: string): number {
  const at = devmAlloc(k, dev, value.length + 1, true);
  if (at !== 0) writeText(k, at, value);
  return at;
}
/** Children of a device, oldest first. */
function children(k: Kernel, parent: number): number[] {
  return [...k.drivers.model.devices.values()].filter((d) => d.added && pointer(k, d.addr + DEV.parent) === parent).map((d) => d.addr);
}
function handleOf(k: Kernel, kind: 'classes' | 'buses' | 'drivers', addr: number): number {
  return k.drivers.model[kind].get(addr)?.kobj ?? 0;
}
/** A file of a class, bus or driver. */
function fileIn(k: Kernel, kind: 'classes' | 'buses' | 'drivers', addr: number, attr: number): number {
  const kobj = handleOf(k, kind, addr);
  return kobj === 0 ? -EINVAL : createFile(k, kobj, attr);
}
function noFileIn(k: Kernel, kind: 'classes' | 'buses' | 'drivers', addr: number, attr: number): undefined {
  const kobj = handleOf(k, kind, addr);
  if (kobj !== 0) removeFile(k, kobj, attr);
}
/** One call of a list of calls whose progress is kept; null = not yet. */
function matchCall(k: Kernel, call: number, dev: number, data: number): number | null {
  const r = callGuest(k, call, dev, data);
  if (r === null) return null;
  k.current.calls = [];
  k.current.callIndex = 0;
  return r | 0;
}
const asVoid = (k: Kernel, begin: () => readonly Step[]) => runSteps(k, begin);

export const baseExports: readonly FunctionExport[] = [
  internal('device_release', (k, dev) => runSteps(k, () => deviceReleaseSteps(dev))),
  internal('device_create_release', (k, dev) => {
    kfree(k, dev);
    return undefined;
  }),
  internal('class_create_release', (k, cls) => {
    kfree(k, cls);
    return undefined;
  }),

  fn('device_initialize', (k, dev) => {
    deviceInitialize(k, dev);
    return undefined;
  }),
  fn('device_add', (k, dev) => runSteps(k, () => [{ act: 'device_add', data: { dev } }])),
  fn('device_register', (k, dev) => runSteps(k, () => registerSteps(k, dev))),
  fn('device_del', (k, dev) => asVoid(k, () => [{ act: 'device_del', data: { dev } }])),
  fn('device_unregister', (k, dev) => asVoid(k, () => unregisterSteps(dev))),
  fn('get_device', kobjectGet),
  fn('put_device', (k, dev) => (dev === 0 ? 0 : asVoid(k, () => [putStep(dev)]))),
  fn('dev_set_name', (k, dev, fmt) => kobjectSetName(k, dev, formatted(k, fmt, 2))),
  fn('device_create', (k, cls, parent, devt, drvdata, fmt) =>
    runSteps(k, () => createSteps(k, cls, parent, devt >>> 0, drvdata, 0, formatted(k, fmt, 5))),
  ),
  fn('device_create_with_groups', (k, cls, parent, devt, drvdata, groups, fmt) =>
    runSteps(k, () => createSteps(k, cls, parent, devt >>> 0, drvdata, groups, formatted(k, fmt, 6))),
  ),
  fn('device_destroy', (k, cls, devt) => {
    const dev = k.current.restart?.['steps'] === undefined ? findDevice(k, cls, devt >>> 0) : 0;
    return asVoid(k, () => (dev === 0 ? [] : unregisterSteps(dev)));
  }),
  fn('device_create_file', (k, dev, attr) => (dev === 0 ? 0 : createFile(k, dev, attr))),
  fn('device_remove_file', (k, dev, attr) => {
    if (dev !== 0) removeFile(k, dev, attr);
    return undefined;
  }),
  fn('device_create_bin_file', (k, dev, attr) => (dev === 0 ? -EINVAL : createFile(k, dev, attr, true))),
  fn('device_remove_bin_file', (k, dev, attr) => {
    if (dev !== 0) removeFile(k, dev, attr);
    return undefined;
  }),
  fn('device_add_groups', (k, dev, groups) => groupsOperation(k, dev, pointerArray(k, groups))),
  fn('device_remove_groups', (k, dev, groups) => {
    removeGroups(k, dev, groups);
    return undefined;
  }),
  partial('devm_device_add_group', 'the group stays until the device goes', (k, dev, group) => groupsOperation(k, dev, [group])),
  fn('device_find_child', (k, parent, data, match) => {
    const state = k.current.restart;
    const list = (state?.['children'] as number[] | undefined) ?? children(k, parent);
    for (;;) {
      const child = list[0];
      if (child === undefined) return 0;
      k.current.restart = { children: list };
      const r = matchCall(k, match, child, data);
      if (r === null) return BLOCKED;
      if (r !== 0) return kobjectGet(k, child);
      list.shift();
    }
  }),
  fn('device_for_each_child', (k, parent, data, call) => {
    const list = (k.current.restart?.['children'] as number[] | undefined) ?? children(k, parent);
    for (;;) {
      const child = list[0];
      if (child === undefined) return 0;
      k.current.restart = { children: list };
      const r = matchCall(k, call, child, data);
      if (r === null) return BLOCKED;
      if (r !== 0) return r;
      list.shift();
    }
  }),
  fn('__root_device_register', (k, name, owner) => {
    void owner;
    const dev = kzalloc(k, DEV.sizeof);
    if (dev === 0) return -ENOMEM;
    return runSteps(k, () => {
      kobjectSetName(k, dev, text(k, name, 256));
      writeKernel64(k, dev + DEV.release, k.modules.symbols.get('device_create_release')?.addr ?? 0);
      return [...registerSteps(k, dev), { act: 'value', data: { value: dev } }];
    });
  }),
  fn('root_device_unregister', (k, dev) => asVoid(k, () => unregisterSteps(dev))),

  fn('class_register', classRegister),
  fn('class_create', classCreate),
  fn('class_unregister', (k, cls) => asVoid(k, () => classUnregisterSteps(k, cls))),
  fn('class_destroy', (k, cls) => (cls === 0 || (cls < 0 && cls >= -4095) ? 0 : asVoid(k, () => classUnregisterSteps(k, cls)))),
  partial('class_create_file_ns', 'no name spaces', (k, cls, attr) => fileIn(k, 'classes', cls, attr)),
  partial('class_remove_file_ns', 'no name spaces', (k, cls, attr) => noFileIn(k, 'classes', cls, attr)),

  fn('bus_register', (k, bus) => busRegister(k, bus)),
  fn('bus_unregister', (k, bus) => {
    busUnregister(k, bus);
    return undefined;
  }),
  fn('bus_create_file', (k, bus, attr) => fileIn(k, 'buses', bus, attr)),
  fn('bus_remove_file', (k, bus, attr) => noFileIn(k, 'buses', bus, attr)),
  fn('driver_attach', (k, drv) => runSteps(k, () => driverAttachSteps(k, drv))),
  fn('device_attach', (k, dev) => runSteps(k, () => deviceAttachSteps(k, dev))),
  fn('device_bind_driver', (k, dev) => runSteps(k, () => [{ act: 'bind_driver', data: { dev } }])),
  fn('device_release_driver', (k, dev) => asVoid(k, () => [{ act: 'release_driver', data: { dev } }])),
  fn('bus_for_each_dev', (k, bus, start, data, call) => runSteps(k, () => busEachSteps(k, bus, false, start, data, call))),
  fn('bus_for_each_drv', (k, bus, start, data, call) => runSteps(k, () => busEachSteps(k, bus, true, start, data, call))),
  fn('driver_register', (k, drv) => runSteps(k, () => driverRegister(k, drv))),
  fn('driver_unregister', (k, drv) => asVoid(k, () => driverUnregisterSteps(k, drv))),
  fn('driver_create_file', (k, drv, attr) => fileIn(k, 'drivers', drv, attr)),
  fn('driver_remove_file', (k, drv, attr) => noFileIn(k, 'drivers', drv, attr)),
  fn('driver_find', (k, name, bus) => {
    const wanted = text(k, name, 256);
    return k.drivers.model.buses.get(bus)?.drvs.find((d) => d.name === wanted)?.addr ?? 0;
  }),
  fn('device_match_name', (k, dev, name) => (deviceName(k, dev) === text(k, name, 256) ? 1 : 0)),
  fn('device_match_any', () => 1),

  fn('devm_kmalloc', (k, dev, n, flags) => devmAlloc(k, dev, n, (flags & GFP_ZERO) !== 0)),
  fn('devm_kfree', (k, dev, p) => {
    if (p === 0 || p === 16) return;
    const r = takeDevres(k, dev, p, 0);
    if (r === null) warnInExport(k, '');
    else kfree(k, r.memory);
  }),
  fn('devm_kmemdup', (k, dev, from, n) => {
    const at = devmAlloc(k, dev, n, false);
    if (at !== 0) store(k, at, load(k, from, size(n)));
    return at;
  }),
  fn('devm_kstrdup', (k, dev, s) => (s === 0 ? 0 : devmText(k, dev, text(k, s)))),
  fn('devm_kasprintf', (k, dev, _flags, fmt) => devmText(k, dev, formatted(k, fmt, 3))),
  fn('devm_krealloc', (k, dev, p, n, flags) => {
    if (p === 0 || p === 16) return devmAlloc(k, dev, n, (flags & GFP_ZERO) !== 0);
    const had = k.mm.slab.ksize(virtToPhys(p));
    if (n <= had) return p;
    const at = devmAlloc(k, dev, n, (flags & GFP_ZERO) !== 0);
    if (at === 0) return 0;
    store(k, at, load(k, p, had));
    const r = takeDevres(k, dev, p, 0);
    if (r !== null) kfree(k, r.memory);
    return at;
  }),
  fn('__devm_add_action', (k, dev, action, data) => {
    addDevres(k, dev, { data, memory: 0, release: action, action: true });
    return 0;
  }),
  fn('devm_release_action', (k, dev, action, data) => {
    const r = k.current.restart?.['steps'] === undefined ? takeDevres(k, dev, data, action) : null;
    return asVoid(k, () => (r === null ? [] : releaseSteps(dev, r)));
  }),
  // struct devres: its header is ours; the module gets the data behind it.
  fn('__devres_alloc_node', (k, release, n) => {
    const at = n < 0 ? 0 : kzalloc(k, n + 8);
    if (at === 0) return 0;
    writeKernel64(k, at, release);
    return at + 8;
  }),
  fn('devres_free', (k, data) => {
    if (data !== 0) kfree(k, data - 8);
    return undefined;
  }),
  fn('devres_add', (k, dev, data) => {
    addDevres(k, dev, { data, memory: data - 8, release: pointer(k, data - 8), action: false });
    return undefined;
  }),
  fn('dev_vprintk_emit', (k, level, _dev, fmt, args) => {
    const message = vsnprintf(k, text(k, fmt, 4096), vaListArguments(k, args));
    k.printk.emit(0, level & 7, message);
    return message.length;
  }),
];
