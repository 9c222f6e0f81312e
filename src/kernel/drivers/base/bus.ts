import { EBUSY, EINVAL, ENODEV, ENOMEM, ENXIO } from '../../../abi/errno.ts';
import {
  bus_type as BUS,
  device as DEV,
  device_driver as DRIVER,
  platform_device as PDEV,
  platform_device_id as PID,
  platform_driver as PDRV,
} from '../../../abi/layout/structs.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { readKernel8, writeKernel64 } from '../../mm/maccess.ts';
import { before, runSteps, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { findModuleAt } from '../../module/module.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { deviceLog, deviceName } from './dev_printk.ts';
import { createGroups, dropHandle, kfreeConst, kobjectName, kobjectUevent, kstrdup, makeHandle, pointer, removeGroups, stringAt } from './kobject.ts';
import type { BusState, DriverState } from './model.ts';

// Buses: which driver serves which device (drivers/base/bus.c, dd.c, and the rules of the platform bus, platform.c).

const EPROBE_DEFER = -517;
/** PLATFORM_NAME_SIZE. */
const ID_NAME = 24;
const IDS_MAX = 256;

/** bus_register. 0 or -errno. */
export function busRegister(k: Kernel, addr: number, own = false): number {
  const { model } = k.drivers;
  const name = stringAt(k, pointer(k, addr + BUS.name));
  if (name === '') return -EINVAL;
  const parent = k.sysfs.mkdirs('bus');
  const dir = own ? k.sysfs.mkdirs(`bus/${name}`) : k.sysfs.mkdir(parent, name, 0o755, addr);
  if (typeof dir === 'number') return dir;
  const kobj = makeHandle(k, model.objects.busKtype, addr, dir);
  if (kobj === 0) return -ENOMEM;
  const sub = (n: string) => k.sysfs.mkdirs(`bus/${name}/${n}`);
  if (!own) kobjectUevent(k, kobj, 'add', null);
  const bus: BusState = { addr, kobj, name, dir, devices: sub('devices'), drivers: sub('drivers'), devs: [], drvs: [] };
  model.buses.set(addr, bus);
  k.sysfs.createFile(dir, 'uevent', 0o200, { store: () => 0 });
  k.sysfs.createFile(dir, 'drivers_probe', 0o200, { store: () => -ENODEV });
  k.sysfs.createFile(dir, 'drivers_autoprobe', 0o644, { show: () => '1\n' });
  return createGroups(k, kobj, pointer(k, addr + BUS.bus_groups));
}
export function busUnregister(k: Kernel, addr: number): void {
  const { model } = k.drivers;
  const bus = model.buses.get(addr);
  if (bus === undefined) return;
  kobjectUevent(k, bus.kobj, 'remove', null);
  k.sysfs.remove(bus.dir);
  model.buses.delete(addr);
  dropHandle(k, bus.kobj);
}
const busOf = (k: Kernel, dev: number) => k.drivers.model.buses.get(pointer(k, dev + DEV.bus)) ?? null;

const modalias: Attribute = { show: (k, node) => `platform:${stringAt(k, pointer(k, (node.data as number) - PDEV.dev + PDEV.name))}\n` };
/** driver_set_override: an empty line takes it away. */
const driverOverride: Attribute = {
  show: (k, node) => `${stringAt(k, pointer(k, (node.data as number) + DEV.driver_override)) || '(null)'}\n`,
  store: (k, node, text) => {
    const at = (node.data as number) + DEV.driver_override;
    const name = text.replace(/\n.*/s, '');
    const copy = name === '' ? 0 : kstrdup(k, name);
    if (name !== '' && copy === 0) return -ENOMEM;
    kfreeConst(k, pointer(k, at));
    writeKernel64(k, at, copy);
    return 0;
  },
};

/** bus_add_device. */
export function busAddDevice(k: Kernel, dev: number, dir: KernfsNode): void {
  const bus = busOf(k, dev);
  if (bus === null) return;
  createGroups(k, dev, pointer(k, bus.addr + BUS.dev_groups));
  if (bus.addr === k.drivers.model.objects.platformBusType) {
    k.sysfs.createFile(dir, 'modalias', 0o444, modalias, dev);
    k.sysfs.createFile(dir, 'driver_override', 0o644, driverOverride, dev);
  }
  k.sysfs.createLink(bus.devices, deviceName(k, dev), dir);
  k.sysfs.createLink(dir, 'subsystem', bus.dir);
  bus.devs.push(dev);
}
export function busRemoveDevice(k: Kernel, dev: number): void {
  const bus = busOf(k, dev);
  if (bus === null) return;
  const link = bus.devices.children.get(kobjectName(k, dev));
  if (link !== undefined) k.sysfs.remove(link);
  const i = bus.devs.indexOf(dev);
  if (i >= 0) bus.devs.splice(i, 1);
}

/** platform_match: an override, the driver's table of ids, or the same name. A bus of a module has its own function, which is called. */
function platformMatch(k: Kernel, dev: number, drv: number): boolean {
  const pdev = dev - PDEV.dev;
  const name = stringAt(k, pointer(k, pdev + PDEV.name));
  const override = pointer(k, dev + DEV.driver_override);
  const driverName = stringAt(k, pointer(k, drv + DRIVER.name));
  if (override !== 0) return stringAt(k, override) === driverName;
  const table = pointer(k, drv - PDRV.driver + PDRV.id_table);
  if (table === 0) return name === driverName;
  for (let i = 0; i < IDS_MAX; i++) {
    const id = table + i * PID.sizeof;
    if ((readKernel8(k, id) ?? 0) === 0) break;
    if (stringAt(k, id).slice(0, ID_NAME) === name) {
      writeKernel64(k, pdev + PDEV.id_entry, id);
      return true;
    }
  }
  return false;
}
/** Steps that find out whether `drv` serves `dev`, and probe it. */
function tryDriver(k: Kernel, dev: number, drv: DriverState): Step[] {
  const { model } = k.drivers;
  const attempt: Step = { act: 'really_probe', data: { dev, drv: drv.addr } };
  if (drv.bus.addr === model.objects.platformBusType) return platformMatch(k, dev, drv.addr) ? [attempt] : [];
  const match = pointer(k, drv.bus.addr + BUS.match);
  return match === 0 ? [attempt] : [{ call: match, args: [dev, drv.addr] }, { act: 'if_matched', data: { dev, drv: drv.addr } }];
}
stepAction('if_matched', (_k, data, state) => {
  if (state.result > 0) before(state, { act: 'really_probe', data });
});
stepAction('bus_probe_device', (k, data, state) => {
  const dev = data['dev'] as number;
  const bus = busOf(k, dev);
  if (bus !== null) before(state, ...bus.drvs.flatMap((drv) => tryDriver(k, dev, drv)));
});
stepAction('really_probe', (k, data, state) => {
  const [dev, drv] = [data['dev'] as number, data['drv'] as number];
  const driver = k.drivers.model.drivers.get(drv);
  if (driver === undefined || pointer(k, dev + DEV.driver) !== 0 || k.drivers.model.devices.get(dev)?.added !== true) return;
  writeKernel64(k, dev + DEV.driver, drv);
  before(state, callProbe(k, dev, drv), { act: 'probed', data });
});
function callProbe(k: Kernel, dev: number, drv: number): Step {
  const { objects } = k.drivers.model;
  const bus = pointer(k, dev + DEV.bus);
  if (bus === objects.platformBusType) return { call: pointer(k, drv - PDRV.driver + PDRV.probe), args: [dev - PDEV.dev] };
  const busProbe = bus === 0 ? 0 : pointer(k, bus + BUS.probe);
  return { call: busProbe || pointer(k, drv + DRIVER.probe), args: [dev] };
}
stepAction('probed', (k, data, state) => {
  const [dev, drv] = [data['dev'] as number, data['drv'] as number];
  const driver = k.drivers.model.drivers.get(drv);
  const r = state.result;
  const dir = k.drivers.model.dirs.get(dev);
  if (r === 0 && driver !== undefined && dir !== undefined) {
    bound(k, dev, driver, dir, state);
    return;
  }
  const name = stringAt(k, pointer(k, drv + DRIVER.name));
  if (r !== 0 && r !== EPROBE_DEFER && r !== -ENODEV && r !== -ENXIO) deviceLog(k, 3, dev, `probe with driver ${name} failed with error ${r}\n`);
  before(state, { act: 'devres_release_all', data: { device: dev } }, { act: 'unbound', data: { dev } });
});
/** driver_bound: links both ways, the driver's groups, the event. */
function bound(k: Kernel, dev: number, driver: DriverState, dir: KernfsNode, state: StepState): void {
  driver.bound.push(dev);
  k.sysfs.createLink(dir, 'driver', driver.dir);
  k.sysfs.createLink(driver.dir, deviceName(k, dev), dir);
  createGroups(k, dev, pointer(k, driver.addr + DRIVER.dev_groups));
  kobjectUevent(k, dev, 'bind', state);
}
/** device_bind_driver: to the driver that dev->driver names, without asking it. */
stepAction('bind_driver', (k, data, state) => {
  const dev = data['dev'] as number;
  const driver = k.drivers.model.drivers.get(pointer(k, dev + DEV.driver));
  const dir = k.drivers.model.dirs.get(dev);
  state.value = driver === undefined || dir === undefined ? -EINVAL : 0;
  if (driver !== undefined && dir !== undefined) bound(k, dev, driver, dir, state);
});
/** driver_attach: every device of the bus that has none. */
export function driverAttachSteps(k: Kernel, drv: number): Step[] {
  const driver = k.drivers.model.drivers.get(drv);
  if (driver === undefined) return [];
  return [...driver.bus.devs.filter((dev) => pointer(k, dev + DEV.driver) === 0).flatMap((dev) => tryDriver(k, dev, driver)), { act: 'value', data: { value: 0 } }];
}
/** device_attach: 1 when it has a driver now, 0 when not. */
export function deviceAttachSteps(k: Kernel, dev: number): Step[] | number {
  const driver = pointer(k, dev + DEV.driver);
  if (driver !== 0) {
    const known = k.drivers.model.drivers.get(driver);
    return known === undefined || known.bound.includes(dev) ? 1 : [{ act: 'bind_driver', data: { dev } }, { act: 'value', data: { value: 1 } }];
  }
  return [{ act: 'bus_probe_device', data: { dev } }, { act: 'attached_value', data: { dev } }];
}
stepAction('attached_value', (k, data, state) => {
  state.value = pointer(k, (data['dev'] as number) + DEV.driver) === 0 ? 0 : 1;
});
/** bus_for_each_dev and bus_for_each_drv from `start` (0: the first) on: fn(object, data) until it is not 0, which is the result. */
export function busEachSteps(k: Kernel, addr: number, drivers: boolean, start: number, data: number, fn: number): Step[] | number {
  const bus = k.drivers.model.buses.get(addr);
  if (bus === undefined) return -EINVAL;
  const objects = drivers ? bus.drvs.map((d) => d.addr) : bus.devs;
  const from = start === 0 ? 0 : objects.indexOf(start);
  return objects.slice(Math.max(0, from)).map((object): Step => ({ act: 'bus_each', data: { object, data, fn } }));
}
stepAction('bus_each', (_k, data, state) => {
  before(state, { call: data['fn'] as number, args: [data['object'] as number, data['data'] as number] }, { act: 'bus_each_result', data: {} });
});
stepAction('bus_each_result', (_k, _data, state) => {
  state.value = state.result;
  if (state.result !== 0) state.steps.length = 0;
});
/** device_release_driver. */
stepAction('release_driver', (k, data, state) => {
  const dev = data['dev'] as number;
  const drv = pointer(k, dev + DEV.driver);
  if (drv === 0) return;
  const driver = k.drivers.model.drivers.get(drv);
  const dir = k.drivers.model.dirs.get(dev);
  const link = dir?.children.get('driver');
  if (link !== undefined) k.sysfs.remove(link);
  const i = driver?.bound.indexOf(dev) ?? -1;
  if (i >= 0) driver?.bound.splice(i, 1);
  const back = driver?.dir.children.get(deviceName(k, dev));
  if (back !== undefined) k.sysfs.remove(back);
  removeGroups(k, dev, pointer(k, drv + DRIVER.dev_groups));
  const { objects } = k.drivers.model;
  const bus = pointer(k, dev + DEV.bus);
  const remove: Step =
    bus === objects.platformBusType
      ? { call: pointer(k, drv - PDRV.driver + PDRV.remove), args: [dev - PDEV.dev] }
      : { call: (bus === 0 ? 0 : pointer(k, bus + BUS.remove)) || pointer(k, drv + DRIVER.remove), args: [dev] };
  before(state, remove, { act: 'devres_release_all', data: { device: dev } }, { act: 'unbound', data: { dev } }, { act: 'unbind_event', data: { dev } });
});
stepAction('unbound', (k, data) => {
  const dev = data['dev'] as number;
  writeKernel64(k, dev + DEV.driver, 0);
  writeKernel64(k, dev + DEV.driver_data, 0);
});

stepAction('unbind_event', (k, data, state) => kobjectUevent(k, data['dev'] as number, 'unbind', state));

/** driver_register as steps, or -errno. */
export function driverRegister(k: Kernel, drv: number): Step[] | number {
  const { model } = k.drivers;
  const bus = model.buses.get(pointer(k, drv + DRIVER.bus));
  const name = stringAt(k, pointer(k, drv + DRIVER.name));
  if (bus === undefined) {
    k.printk.log(3, `Driver '${name}' was unable to register with bus_type '${stringAt(k, pointer(k, pointer(k, drv + DRIVER.bus)))}' because the bus was not initialized.`);
    return -EINVAL;
  }
  if (bus.drvs.some((d) => d.name === name)) {
    k.printk.log(3, `Error: Driver '${name}' is already registered, aborting...`);
    return -EBUSY;
  }
  const dir = k.sysfs.mkdir(bus.drivers, name);
  if (typeof dir === 'number') return dir;
  const kobj = makeHandle(k, model.objects.driverKtype, drv, dir);
  if (kobj === 0) return -ENOMEM;
  const owner = findModuleAt(k, pointer(k, drv + DRIVER.owner));
  let moduleLink: KernfsNode | null = null;
  if (owner?.dir != null) {
    k.sysfs.createLink(dir, 'module', owner.dir);
    const drivers = k.sysfs.mkdirs(`module/${owner.name}/drivers`);
    const link = k.sysfs.createLink(drivers, `${bus.name}:${name}`, dir);
    moduleLink = typeof link === 'number' ? null : link;
  }
  const state: DriverState = { addr: drv, kobj, name, bus, dir, moduleLink, bound: [] };
  model.drivers.set(drv, state);
  bus.drvs.push(state);
  k.sysfs.createFile(dir, 'uevent', 0o200, { store: () => 0 });
  if (readKernel8(k, drv + DRIVER.suppress_bind_attrs) === 0) {
    k.sysfs.createFile(dir, 'unbind', 0o200, null, drv, unbindOps);
    k.sysfs.createFile(dir, 'bind', 0o200, null, drv, bindOps);
  }
  createGroups(k, kobj, pointer(k, bus.addr + BUS.drv_groups));
  const r = createGroups(k, kobj, pointer(k, drv + DRIVER.groups));
  if (r < 0) return r;
  const matches = bus.devs.filter((dev) => pointer(k, dev + DEV.driver) === 0).flatMap((dev) => tryDriver(k, dev, state));
  return [...matches, { act: 'driver_added', data: { kobj } }];
}
stepAction('driver_added', (k, data, state) => kobjectUevent(k, data['kobj'] as number, 'add', state));
/** driver_unregister as steps. */
export function driverUnregisterSteps(k: Kernel, drv: number): Step[] {
  const driver = k.drivers.model.drivers.get(drv);
  if (driver === undefined) return [];
  return [
    ...[...driver.bound].reverse().map((dev): Step => ({ act: 'release_driver', data: { dev } })),
    { act: 'driver_gone', data: { drv } },
  ];
}
stepAction('driver_gone', (k, data) => {
  const { model } = k.drivers;
  const driver = model.drivers.get(data['drv'] as number);
  if (driver === undefined) return;
  kobjectUevent(k, driver.kobj, 'remove', null);
  driver.bus.drvs.splice(driver.bus.drvs.indexOf(driver), 1);
  if (driver.moduleLink !== null) {
    const dir = driver.moduleLink.parent;
    k.sysfs.remove(driver.moduleLink);
    if (dir !== null && dir.children.size === 0) k.sysfs.remove(dir);
  }
  k.sysfs.remove(driver.dir);
  model.drivers.delete(driver.addr);
  dropHandle(k, driver.kobj);
});

/** /sys/bus/X/drivers/Y/bind and unbind. */
export function manualBind(k: Kernel, drv: number, name: string, bind: boolean): { steps: Step[] } | number {
  const driver = k.drivers.model.drivers.get(drv);
  const dev = driver?.bus.devs.find((d) => deviceName(k, d) === name);
  if (driver === undefined || dev === undefined) return -ENODEV;
  const now = pointer(k, dev + DEV.driver);
  if (bind) {
    const steps = now === 0 ? tryDriver(k, dev, driver) : [];
    return steps.length === 0 ? -ENODEV : { steps: [...steps, { act: 'bound_value', data: { dev } }] };
  }
  return now === drv ? { steps: [{ act: 'release_driver', data: { dev } }] } : -ENODEV;
}
stepAction('bound_value', (k, data, state: StepState) => {
  if (pointer(k, (data['dev'] as number) + DEV.driver) === 0) state.value = state.result < 0 ? state.result : -ENODEV;
});

function writeBind(k: Kernel, file: File, iter: IovIter, bind: boolean): number {
  const task = k.current;
  let name = task.restart?.['name'] as string | undefined;
  const count = (task.restart?.['count'] as number | undefined) ?? Math.min(iter.count, 4096);
  if (name === undefined) {
    const bytes = iter.copyFrom(k, count);
    if (typeof bytes === 'number') return bytes;
    name = String.fromCharCode(...bytes).replace(/\n$/, '');
    task.restart = { ...task.restart, name, count };
  }
  const device = name;
  const drv = (file.inode.data as KernfsNode).data as number;
  const r = runSteps(k, () => {
    const work = manualBind(k, drv, device, bind);
    return typeof work === 'number' ? work : work.steps;
  });
  return r === BLOCKED || r < 0 ? r : count;
}
const bindOps: FileOperations = { write: (k, file, iter) => writeBind(k, file, iter, true) };
const unbindOps: FileOperations = { write: (k, file, iter) => writeBind(k, file, iter, false) };
