import { EBUSY, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { cdev as CDEV, device as DEV, file_operations as FOPS, miscdevice as MISC } from '../../abi/layout/structs.ts';
import { kzalloc } from '../fs/module_file.ts';
import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { initListHead, listAdd, listDel } from '../lib/list.ts';
import { readKernel32, writeKernel32, writeKernel64, writeKernel8 } from '../mm/maccess.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { before, runSteps, type Step, stepAction } from '../module/steps.ts';
import { warnInExport } from '../traps.ts';
import { createSteps, findDevice, unregisterSteps } from './base/device.ts';
import { kobjectGet, kobjectSetName, pointer, stringAt, putStep } from './base/kobject.ts';

// Character devices of modules (fs/char_dev.c, drivers/char/misc.c).

const MINOR_BITS = 20;
const MINOR_MASK = 0xfffff;
const MAJOR_MAX = 511;
const MISC_MAJOR = 10;
const MISC_DYNAMIC_MINOR = 255;
const NAME_MAX = 256;

/** __register_chrdev_region, with what it says of numbers that cannot be. */
function region(k: Kernel, major: number, baseMinor: number, count: number, name: string): number {
  if (major > MAJOR_MAX) {
    k.printk.log(3, `CHRDEV "${name}" major requested (${major}) is greater than the maximum (${MAJOR_MAX})`);
    return -EINVAL;
  }
  if (baseMinor + count - 1 > MINOR_MASK) {
    k.printk.log(
      3,
      `CHRDEV "${name}" minor range requested (${baseMinor}-${baseMinor + count - 1}) is out of range of maximum range (0-${MINOR_MASK}) for a single major`,
    );
    return -EINVAL;
  }
  const r = k.drivers.registerRegion(major, baseMinor, count, name);
  if (r < 0 && major === 0) k.printk.log(3, `CHRDEV "${name}" dynamic allocation region is full`);
  return r;
}
function cdevInit(k: Kernel, cdev: number, fops: number): void {
  for (let i = 0; i < CDEV.sizeof; i += 8) writeKernel64(k, cdev + i, 0);
  initListHead(k, cdev + CDEV.list);
  initListHead(k, cdev + CDEV.kobj_entry);
  writeKernel32(k, cdev + CDEV.kobj_kref, 1);
  writeKernel8(k, cdev + CDEV.kobj_state_initialized, 1);
  writeKernel64(k, cdev + CDEV.ops, fops);
}
function cdevAlloc(k: Kernel): number {
  const cdev = kzalloc(k, CDEV.sizeof);
  if (cdev === 0) return 0;
  cdevInit(k, cdev, 0);
  k.drivers.dynamicCdevs.add(cdev);
  return cdev;
}
function cdevAdd(k: Kernel, cdev: number, dev: number, count: number): number {
  writeKernel32(k, cdev + CDEV.dev, dev);
  writeKernel32(k, cdev + CDEV.count, count);
  k.drivers.cdevs.push({ dev: dev >>> 0, count: count >>> 0, addr: cdev });
  // What it is part of stays as long as a file of it is open.
  kobjectGet(k, pointer(k, cdev + CDEV.kobj_parent));
  return 0;
}
/** The object to put: the parent, when nobody has it open. */
function cdevDel(k: Kernel, cdev: number): number {
  const { cdevs } = k.drivers;
  for (let i = cdevs.length - 1; i >= 0; i--) if (cdevs[i].addr === cdev) cdevs.splice(i, 1);
  return k.drivers.putCdev(cdev);
}
function registerChrdev(k: Kernel, major: number, baseMinor: number, count: number, name: string, fops: number): number {
  const m = region(k, major, baseMinor, count, name);
  if (m < 0) return m;
  const cdev = cdevAlloc(k);
  if (cdev === 0) {
    k.drivers.unregisterRegion(m, baseMinor, count);
    return -ENOMEM;
  }
  writeKernel64(k, cdev + CDEV.owner, pointer(k, fops + FOPS.owner));
  writeKernel64(k, cdev + CDEV.ops, fops);
  kobjectSetName(k, cdev, name);
  cdevAdd(k, cdev, ((m << MINOR_BITS) | baseMinor) >>> 0, count);
  return major === 0 ? m : 0;
}
function unregisterChrdev(k: Kernel, major: number, baseMinor: number, count: number): undefined {
  const dev = ((major << MINOR_BITS) | baseMinor) >>> 0;
  const found = k.drivers.cdevs.find((c) => c.dev === dev && c.count === count >>> 0 && k.drivers.dynamicCdevs.has(c.addr));
  k.drivers.unregisterRegion(major, baseMinor, count);
  if (found !== undefined) cdevDel(k, found.addr);
}

/** misc_register: device number, place in the list, device of class misc, node. */
function miscRegister(k: Kernel, misc: number): Step[] | number {
  const { drivers } = k;
  const asked = readKernel32(k, misc + MISC.minor) ?? 0;
  const name = stringAt(k, pointer(k, misc + MISC.name));
  initListHead(k, misc + MISC.list);
  const minor = drivers.registerMisc(asked, name, null, misc);
  if (minor < 0) return -EBUSY;
  writeKernel32(k, misc + MISC.minor, minor);
  const devt = ((MISC_MAJOR << MINOR_BITS) | minor) >>> 0;
  const steps = createSteps(k, drivers.model.objects.miscClass, pointer(k, misc + MISC.parent), devt, misc, pointer(k, misc + MISC.groups), name);
  if (typeof steps === 'number') {
    drivers.unregisterMisc(minor);
    return steps;
  }
  return [...steps, { act: 'misc_registered', data: { misc, asked, minor } }];
}
stepAction('misc_registered', (k, data, state) => {
  const [misc, asked, minor] = [data['misc'] as number, data['asked'] as number, data['minor'] as number];
  if (state.value < 0 && state.value >= -4095) {
    k.drivers.unregisterMisc(minor);
    writeKernel32(k, misc + MISC.minor, asked);
    return;
  }
  writeKernel64(k, misc + MISC.this_device, state.value);
  listAdd(k, misc + MISC.list, k.modules.symbols.get('misc_list')?.addr ?? misc + MISC.list);
  state.value = 0;
});
function miscDeregister(k: Kernel, misc: number): Step[] {
  const { drivers } = k;
  if (pointer(k, misc + MISC.list) === misc + MISC.list || !drivers.misc.some((m) => m.addr === misc)) {
    warnInExport(k, '');
    return [];
  }
  const minor = readKernel32(k, misc + MISC.minor) ?? 0;
  listDel(k, misc + MISC.list);
  const dev = findDevice(k, drivers.model.objects.miscClass, ((MISC_MAJOR << MINOR_BITS) | minor) >>> 0);
  const gone: Step = { act: 'misc_gone', data: { misc, minor } };
  return dev === 0 ? [gone] : [...unregisterSteps(dev), gone];
}
stepAction('misc_gone', (k, data) => {
  const minor = data['minor'] as number;
  k.drivers.unregisterMisc(minor);
  if (minor > MISC_DYNAMIC_MINOR) writeKernel32(k, (data['misc'] as number) + MISC.minor, MISC_DYNAMIC_MINOR);
});

export const driverExports: readonly FunctionExport[] = [
  fn('__register_chrdev', (k, major, base, count, name, fops) => registerChrdev(k, major >>> 0, base >>> 0, count >>> 0, text(k, name, NAME_MAX), fops)),
  fn('__unregister_chrdev', (k, major, base, count) => unregisterChrdev(k, major >>> 0, base >>> 0, count >>> 0)),
  fn('register_chrdev_region', (k, from, count, name) => {
    const r = region(k, from >>> MINOR_BITS, from & MINOR_MASK, count >>> 0, text(k, name, NAME_MAX));
    return Math.min(r, 0);
  }),
  fn('alloc_chrdev_region', (k, dev, base, count, name) => {
    const m = region(k, 0, base >>> 0, count >>> 0, text(k, name, NAME_MAX));
    if (m < 0) return m;
    writeKernel32(k, dev, (m << MINOR_BITS) | base);
    return 0;
  }),
  fn('unregister_chrdev_region', (k, from, count) => {
    k.drivers.unregisterRegion(from >>> MINOR_BITS, from & MINOR_MASK, count >>> 0);
    return undefined;
  }),
  fn('cdev_init', (k, cdev, fops) => {
    cdevInit(k, cdev, fops);
    return undefined;
  }),
  fn('cdev_alloc', cdevAlloc),
  fn('cdev_add', (k, cdev, dev, count) => cdevAdd(k, cdev, dev, count)),
  fn('cdev_del', (k, cdev) => runSteps(k, () => [putStep(cdevDel(k, cdev))])),
  fn('cdev_set_parent', (k, cdev, kobj) => {
    writeKernel64(k, cdev + CDEV.kobj_parent, kobj);
    return undefined;
  }),
  fn('cdev_device_add', (k, cdev, dev) =>
    runSteps(k, () => {
      const devt = readKernel32(k, dev + DEV.devt) ?? 0;
      if (devt !== 0) {
        writeKernel64(k, cdev + CDEV.kobj_parent, dev);
        cdevAdd(k, cdev, devt, 1);
      }
      return [{ act: 'device_add', data: { dev } }];
    }),
  ),
  fn('cdev_device_del', (k, cdev, dev) =>
    runSteps(k, (): Step[] => [
      { act: 'device_del', data: { dev } },
      { act: 'cdev_del', data: { cdev } },
    ]),
  ),
  fn('misc_register', (k, misc) => runSteps(k, () => miscRegister(k, misc))),
  fn('misc_deregister', (k, misc) => runSteps(k, () => miscDeregister(k, misc))),
];
stepAction('cdev_del', (k, data, state) => before(state, putStep(cdevDel(k, data['cdev'] as number))));
