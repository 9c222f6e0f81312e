import {
  bus_type as BUS,
  class_struct as CLASS,
  device as DEV,
  kobj_type as KTYPE,
  kobject as KOBJ,
  kset as KSET,
  sysfs_ops as OPS,
} from '../../../abi/layout/structs.ts';
import type { KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { readKernel64, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../../mm/maccess.ts';
import type { DataExport } from '../../module/export.ts';
import { imageObject, symbolAddress } from '../../module/stubs.ts';
import { imageListHead, initListHead } from '../../lib/list.ts';
import { busRegister } from './bus.ts';
import { classRegister } from './device.ts';

// The kernel's own objects of the driver model that structures of modules point to: types, the objects behind /sys/kernel and the like, the platform bus.

export function imageString(k: Kernel, text: string): number {
  const at = imageObject(k, text.length + 1, 1);
  writeKernelBytes(k, at, bytesOf(`${text}\0`));
  return at;
}
/** A struct sysfs_ops over two internal functions. */
function sysfsOps(name: string, show: string, store: string): DataExport {
  return {
    name,
    internal: name !== 'kobj_sysfs_ops',
    place(k) {
      const at = imageObject(k, OPS.sizeof, 8);
      writeKernel64(k, at + OPS.show, symbolAddress(k, show));
      writeKernel64(k, at + OPS.store, symbolAddress(k, store));
      return at;
    },
  };
}
function ktype(name: string, release: string, ops: string): DataExport {
  return {
    name,
    internal: true,
    place(k) {
      const at = imageObject(k, KTYPE.sizeof, 8);
      writeKernel64(k, at + KTYPE.release, symbolAddress(k, release));
      writeKernel64(k, at + KTYPE.sysfs_ops, symbolAddress(k, ops));
      return at;
    },
  };
}
/** A kobject that never goes, and the exported pointer to it. */
function placeKobject(k: Kernel, name: string): number {
  const at = imageObject(k, KOBJ.sizeof, 8);
  writeKernel64(k, at + KOBJ.name, imageString(k, name));
  writeKernel64(k, at + KOBJ.ktype, symbolAddress(k, 'dynamic_kobj_ktype'));
  writeKernel32(k, at + KOBJ.kref, 1);
  writeKernel8(k, at + KOBJ.state_initialized, 3);
  initListHead(k, at + KOBJ.entry);
  return at;
}
function kobjectPointer(name: string, object: string): DataExport {
  return {
    name,
    place(k) {
      const at = imageObject(k, 8, 8);
      writeKernel64(k, at, placeKobject(k, object));
      return at;
    },
  };
}

export const modelDataExports: readonly DataExport[] = [
  sysfsOps('kobj_sysfs_ops', 'kobj_attr_show', 'kobj_attr_store'),
  sysfsOps('dev_sysfs_ops', 'dev_attr_show', 'dev_attr_store'),
  sysfsOps('class_sysfs_ops', 'class_attr_show', 'class_attr_store'),
  sysfsOps('bus_sysfs_ops', 'bus_attr_show', 'bus_attr_store'),
  sysfsOps('driver_sysfs_ops', 'drv_attr_show', 'drv_attr_store'),
  ktype('dynamic_kobj_ktype', 'dynamic_kobj_release', 'kobj_sysfs_ops'),
  ktype('kset_ktype', 'kset_release', 'kobj_sysfs_ops'),
  ktype('device_ktype', 'device_release', 'dev_sysfs_ops'),
  ktype('class_ktype', 'class_release', 'class_sysfs_ops'),
  ktype('bus_ktype', 'bus_release', 'bus_sysfs_ops'),
  ktype('driver_ktype', 'driver_release', 'driver_sysfs_ops'),
  kobjectPointer('kernel_kobj', 'kernel'),
  kobjectPointer('firmware_kobj', 'firmware'),
  kobjectPointer('fs_kobj', 'fs'),
  {
    name: 'devices_kset',
    internal: true,
    place(k) {
      const at = imageObject(k, KSET.sizeof, 8);
      initListHead(k, at + KSET.list);
      writeKernel64(k, at + KSET.kobj + KOBJ.name, imageString(k, 'devices'));
      writeKernel64(k, at + KSET.kobj + KOBJ.ktype, symbolAddress(k, 'kset_ktype'));
      writeKernel32(k, at + KSET.kobj + KOBJ.kref, 1);
      writeKernel8(k, at + KSET.kobj + KOBJ.state_initialized, 3);
      return at;
    },
  },
  {
    name: 'platform_bus_type',
    place(k) {
      const at = imageObject(k, BUS.sizeof, 8);
      writeKernel64(k, at + BUS.name, imageString(k, 'platform'));
      return at;
    },
  },
  {
    name: 'platform_bus',
    place(k) {
      const at = imageObject(k, DEV.sizeof, 8);
      writeKernel64(k, at + DEV.kobj_name, imageString(k, 'platform'));
      writeKernel64(k, at + DEV.kobj_ktype, symbolAddress(k, 'device_ktype'));
      writeKernel32(k, at + DEV.kobj_kref, 1);
      writeKernel8(k, at + DEV.kobj_state_initialized, 3);
      return at;
    },
  },
  {
    name: 'misc_list',
    internal: true,
    place: imageListHead,
  },
  {
    name: 'misc_class',
    internal: true,
    place(k) {
      const at = imageObject(k, CLASS.sizeof, 8);
      writeKernel64(k, at + CLASS.name, imageString(k, 'misc'));
      return at;
    },
  },
];

/** Gives the objects their directories (devices_init, platform_bus_init, misc_init). */
export function modelInit(k: Kernel): void {
  const { model } = k.drivers;
  const at = (name: string) => symbolAddress(k, name);
  model.objects = {
    deviceKtype: at('device_ktype'),
    dynamicKtype: at('dynamic_kobj_ktype'),
    ksetKtype: at('kset_ktype'),
    driverKtype: at('driver_ktype'),
    classKtype: at('class_ktype'),
    busKtype: at('bus_ktype'),
    devicesKset: at('devices_kset'),
    platformBus: at('platform_bus'),
    platformBusType: at('platform_bus_type'),
    miscClass: at('misc_class'),
  };
  const place = (kobj: number, dir: KernfsNode) => model.dirs.set(kobj, dir);
  for (const name of ['kernel', 'firmware', 'fs']) place(readKernel64(k, at(`${name}_kobj`)) ?? 0, k.sysfs.mkdirs(name));
  place(model.objects.devicesKset + KSET.kobj, k.sysfs.mkdirs('devices'));
  place(model.objects.platformBus, k.sysfs.mkdirs('devices/platform'));
  classRegister(k, model.objects.miscClass);
  busRegister(k, model.objects.platformBusType, true);
}
