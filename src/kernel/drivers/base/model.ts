import type { KernfsNode } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';

// What the driver model keeps beside the structures in guest memory (drivers/base, lib/kobject.c): by address of the structure.

/** One managed resource (devres): released by a function, the newest first. */
export interface Devres {
  /** What the module holds: the memory, or the data of the action. */
  readonly data: number;
  /** Memory to free afterwards; 0 = none. */
  readonly memory: number;
  /** Function to call with (device, data) or, for an action, (data). 0 = memory only. */
  readonly release: number;
  readonly action: boolean;
}
export interface DeviceState {
  readonly addr: number;
  /** Managed resources, oldest first. */
  readonly devres: Devres[];
  /** Its /dev entry, '' = none. */
  node: string;
  /** What devnode of its class or type said: name ('' = nothing) and mode (0 = nothing). */
  devnode: { readonly name: string; readonly mode: number };
  /** Directories and links that go with it, besides its own directory. */
  readonly links: KernfsNode[];
  /** device_add is done. */
  added: boolean;
}
export interface ClassState {
  readonly addr: number;
  /** The object in its private part (struct subsys_private), through which its attributes are called. */
  readonly kobj: number;
  readonly name: string;
  readonly dir: KernfsNode;
}
export interface BusState {
  readonly addr: number;
  readonly kobj: number;
  readonly name: string;
  readonly dir: KernfsNode;
  readonly devices: KernfsNode;
  readonly drivers: KernfsNode;
  /** Devices and drivers on it, by address, in order of registration. */
  readonly devs: number[];
  readonly drvs: DriverState[];
}
export interface DriverState {
  readonly addr: number;
  readonly kobj: number;
  readonly name: string;
  readonly bus: BusState;
  readonly dir: KernfsNode;
  readonly moduleLink: KernfsNode | null;
  /** Its devices in the order in which they were bound (klist_devices). */
  readonly bound: number[];
}
/** Guest addresses of the kernel's own structures of the model. */
export interface ModelObjects {
  readonly deviceKtype: number;
  readonly dynamicKtype: number;
  readonly ksetKtype: number;
  readonly driverKtype: number;
  readonly classKtype: number;
  readonly busKtype: number;
  readonly devicesKset: number;
  readonly platformBus: number;
  readonly platformBusType: number;
  readonly miscClass: number;
}
export class DeviceModel {
  /** What events about devices of the kernel's own classes say (dev_uevent), by the name of the class. */
  readonly classVariables = new Map<string, (k: Kernel, device: number) => string[]>();
  /** Directory in sysfs of each kobject that is there. */
  readonly dirs = new Map<number, KernfsNode>();
  readonly devices = new Map<number, DeviceState>();
  readonly classes = new Map<number, ClassState>();
  readonly buses = new Map<number, BusState>();
  readonly drivers = new Map<number, DriverState>();
  /** Ids of platform devices made with PLATFORM_DEVID_AUTO. */
  readonly autoIds = new Set<number>();
  /** /sys/kernel/uevent_seqnum. */
  ueventSeqnum = 0;
  /** What is_visible answered, until the files are made (visibility.ts). */
  readonly modes = new Map<string, number>();
  objects!: ModelObjects;
}
