import { EINVAL, ENOMEM, ENXIO } from '../../../abi/errno.ts';
import { device as DEV, device_driver as DRIVER, platform_device as PDEV, platform_device_info as INFO, platform_driver as PDRV, resource as RES } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { load, store, text, writeText } from '../../lib/access.ts';
import { readKernel32, writeKernel32, writeKernel64, writeKernel8 } from '../../mm/maccess.ts';
import { type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { runSteps, type Step, stepAction } from '../../module/steps.ts';
import { driverRegister, driverUnregisterSteps } from './bus.ts';
import { deviceInitialize } from './device.ts';
import { deviceLog } from './dev_printk.ts';
import { kfreeConst, kobjectSetName, pointer, putStep, stringAt } from './kobject.ts';

// Platform devices (drivers/base/platform.c): devices that no bus can find; who knows of them registers them.

const ID_NONE = -1;
const ID_AUTO = -2;
const IORESOURCE_TYPE_BITS = 0x1f00;
const RESOURCES_MAX = 1024;

/** setup_pdev_dma_masks: 32 bits, unless who made the device says otherwise. */
function setupDmaMasks(k: Kernel, pdev: number): void {
  const MASK_32 = 2 ** 32 - 1;
  if (pointer(k, pdev + PDEV.dev + DEV.coherent_dma_mask) === 0) writeKernel64(k, pdev + PDEV.dev + DEV.coherent_dma_mask, MASK_32);
  if (pointer(k, pdev + PDEV.dev + DEV.dma_mask) !== 0) return;
  writeKernel64(k, pdev + PDEV.platform_dma_mask, MASK_32);
  writeKernel64(k, pdev + PDEV.dev + DEV.dma_mask, pdev + PDEV.platform_dma_mask);
}
/** platform_device_alloc: the name lies behind the structure (struct platform_object). */
function alloc(k: Kernel, name: string, id: number): number {
  const pdev = kzalloc(k, PDEV.sizeof + name.length + 1);
  if (pdev === 0) return 0;
  setupDmaMasks(k, pdev);
  writeText(k, pdev + PDEV.sizeof, name);
  writeKernel64(k, pdev + PDEV.name, pdev + PDEV.sizeof);
  writeKernel32(k, pdev + PDEV.id, id);
  deviceInitialize(k, pdev + PDEV.dev);
  writeKernel64(k, pdev + PDEV.dev + DEV.release, k.modules.symbols.get('platform_device_release')?.addr ?? 0);
  return pdev;
}
/** platform_device_add as steps. */
function addSteps(k: Kernel, pdev: number): Step[] | number {
  const { model } = k.drivers;
  const dev = pdev + PDEV.dev;
  if (pdev === 0) return -EINVAL;
  if (pointer(k, dev + DEV.parent) === 0) writeKernel64(k, dev + DEV.parent, model.objects.platformBus);
  writeKernel64(k, dev + DEV.bus, model.objects.platformBusType);
  const name = stringAt(k, pointer(k, pdev + PDEV.name));
  const id = (readKernel32(k, pdev + PDEV.id) ?? 0) | 0;
  let full = `${name}.${id}`;
  if (id === ID_NONE) full = name;
  if (id === ID_AUTO) {
    let auto = 0;
    while (model.autoIds.has(auto)) auto++;
    model.autoIds.add(auto);
    writeKernel32(k, pdev + PDEV.id, auto);
    writeKernel8(k, pdev + PDEV.id_auto, 1);
    full = `${name}.${auto}.auto`;
  }
  if (kobjectSetName(k, dev, full) < 0) return -ENOMEM;
  return [{ act: 'device_add', data: { dev } }, { act: 'platform_added', data: { pdev } }];
}
stepAction('platform_added', (k, data, state) => {
  if (state.value < 0) forgetId(k, data['pdev'] as number);
});
function forgetId(k: Kernel, pdev: number): void {
  if ((readKernel32(k, pdev + PDEV.id_auto) ?? 0) % 256 === 0) return;
  k.drivers.model.autoIds.delete(readKernel32(k, pdev + PDEV.id) ?? 0);
  writeKernel32(k, pdev + PDEV.id, ID_AUTO);
}
stepAction('platform_forget_id', (k, data) => forgetId(k, data['pdev'] as number));
function unregister(pdev: number): Step[] {
  return [{ act: 'device_del', data: { dev: pdev + PDEV.dev } }, { act: 'platform_forget_id', data: { pdev } }, putStep(pdev + PDEV.dev)];
}
function resources(k: Kernel, pdev: number): number[] {
  const count = Math.min(readKernel32(k, pdev + PDEV.num_resources) ?? 0, RESOURCES_MAX);
  const base = pointer(k, pdev + PDEV.resource);
  return Array.from({ length: base === 0 ? 0 : count }, (_, i) => base + i * RES.sizeof);
}
function resource(k: Kernel, pdev: number, type: number, index: number): number {
  const ofType = resources(k, pdev).filter((r) => (pointer(k, r + RES.flags) & IORESOURCE_TYPE_BITS) === type);
  return ofType[index >>> 0] ?? 0;
}
const IORESOURCE_IRQ = 0x400;
function irqOf(k: Kernel, pdev: number, index: number): number {
  const r = resource(k, pdev, IORESOURCE_IRQ, index);
  return r === 0 ? -ENXIO : pointer(k, r + RES.start);
}
/** kmemdup of data for a device; 0 = no memory. */
function duplicate(k: Kernel, from: number, n: number): number {
  const at = kzalloc(k, n);
  if (at !== 0) store(k, at, load(k, from, n));
  return at;
}

export const platformExports: readonly FunctionExport[] = [
  internal('platform_device_release', (k, dev) => {
    const pdev = dev - PDEV.dev;
    kfreeConst(k, pointer(k, dev + DEV.platform_data));
    kfreeConst(k, pointer(k, pdev + PDEV.resource));
    kfree(k, pdev);
    return undefined;
  }),
  fn('__platform_driver_register', (k, drv, owner) =>
    runSteps(k, () => {
      writeKernel64(k, drv + PDRV.driver + DRIVER.owner, owner);
      writeKernel64(k, drv + PDRV.driver + DRIVER.bus, k.drivers.model.objects.platformBusType);
      return driverRegister(k, drv + PDRV.driver);
    }),
  ),
  fn('platform_driver_unregister', (k, drv) => runSteps(k, () => driverUnregisterSteps(k, drv + PDRV.driver))),
  fn('platform_device_register', (k, pdev) =>
    runSteps(k, () => {
      deviceInitialize(k, pdev + PDEV.dev);
      setupDmaMasks(k, pdev);
      return addSteps(k, pdev);
    }),
  ),
  fn('platform_device_add', (k, pdev) => runSteps(k, () => addSteps(k, pdev))),
  fn('platform_device_del', (k, pdev) => runSteps(k, () => unregister(pdev).slice(0, 2))),
  fn('platform_device_put', (k, pdev) => (pdev === 0 ? 0 : runSteps(k, () => [putStep(pdev + PDEV.dev)]))),
  fn('platform_device_unregister', (k, pdev) => (pdev === 0 || (pdev < 0 && pdev >= -4095) ? 0 : runSteps(k, () => unregister(pdev)))),
  fn('platform_device_alloc', (k, name, id) => alloc(k, text(k, name, 256), id)),
  fn('platform_device_add_data', (k, pdev, data, n) => {
    const at = data === 0 ? 0 : duplicate(k, data, n);
    if (data !== 0 && at === 0) return -ENOMEM;
    kfreeConst(k, pointer(k, pdev + PDEV.dev + DEV.platform_data));
    writeKernel64(k, pdev + PDEV.dev + DEV.platform_data, at);
    return 0;
  }),
  fn('platform_device_add_resources', (k, pdev, res, n) => {
    const at = res === 0 ? 0 : duplicate(k, res, n * RES.sizeof);
    if (res !== 0 && at === 0) return -ENOMEM;
    kfreeConst(k, pointer(k, pdev + PDEV.resource));
    writeKernel64(k, pdev + PDEV.resource, at);
    writeKernel32(k, pdev + PDEV.num_resources, n);
    return 0;
  }),
  partial('platform_device_register_full', 'no firmware node or properties', (k, info) =>
    runSteps(k, () => {
      const pdev = alloc(k, text(k, pointer(k, info + INFO.name), 256), (readKernel32(k, info + INFO.id) ?? 0) | 0);
      if (pdev === 0) return -ENOMEM;
      const mask = pointer(k, info + INFO.dma_mask);
      if (mask !== 0) {
        writeKernel64(k, pdev + PDEV.platform_dma_mask, mask);
        writeKernel64(k, pdev + PDEV.dev + DEV.coherent_dma_mask, mask);
      }
      writeKernel64(k, pdev + PDEV.dev + DEV.parent, pointer(k, info + INFO.parent));
      const count = readKernel32(k, info + INFO.num_res) ?? 0;
      if (count > 0) {
        writeKernel64(k, pdev + PDEV.resource, duplicate(k, pointer(k, info + INFO.res), count * RES.sizeof));
        writeKernel32(k, pdev + PDEV.num_resources, count);
      }
      const data = pointer(k, info + INFO.data);
      if (data !== 0) writeKernel64(k, pdev + PDEV.dev + DEV.platform_data, duplicate(k, data, pointer(k, info + INFO.size_data)));
      const steps = addSteps(k, pdev);
      if (typeof steps === 'number') return steps;
      return [...steps, { act: 'platform_registered', data: { pdev } }];
    }),
  ),
  fn('platform_add_devices', (k, list, n) =>
    runSteps(k, () => {
      const steps: Step[] = [];
      for (let i = 0; i < Math.min(n >>> 0, RESOURCES_MAX); i++) {
        const pdev = pointer(k, list + i * 8);
        deviceInitialize(k, pdev + PDEV.dev);
        const add = addSteps(k, pdev);
        if (typeof add === 'number') return add;
        steps.push(...add);
      }
      return steps;
    }),
  ),
  fn('platform_get_resource', resource),
  fn('platform_get_resource_byname', (k, pdev, type, name) => {
    const wanted = text(k, name, 256);
    return (
      resources(k, pdev).find((r) => (pointer(k, r + RES.flags) & IORESOURCE_TYPE_BITS) === type && stringAt(k, pointer(k, r + RES.name)) === wanted) ?? 0
    );
  }),
  fn('platform_get_irq', (k, pdev, index) => {
    const r = irqOf(k, pdev, index);
    if (r < 0) deviceLog(k, 3, pdev + PDEV.dev, `error -ENXIO: IRQ index ${index >>> 0} not found\n`);
    return r;
  }),
  fn('platform_get_irq_optional', irqOf),
];
stepAction('platform_registered', (_k, data, state) => {
  const pdev = data['pdev'] as number;
  if (state.value < 0) state.steps.unshift(putStep(pdev + PDEV.dev));
  else state.value = pdev;
});
