import { EEXIST } from '../../../abi/errno.ts';
import { majorOf, minorOf } from '../../../abi/fs.ts';
import type { KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { sysfsText } from '../../fs/sysfs/sysfs.ts';
import type { Kernel } from '../../kernel.ts';

// Devices of classes and their traces in sysfs and devtmpfs (drivers/base/core.c).

export interface DeviceSpec {
  readonly class: string;
  readonly name: string;
  /** 0 = no device number. */
  readonly dev: number;
  /** Mode of the node in /dev; 0 = the default 0600, not told in uevent. */
  readonly mode?: number;
  /** Path below /sys of the directory of its parent; without one it is virtual. */
  readonly parent?: string;
  /** What `uevent` says beside the number and name. */
  readonly uevent?: string;
  /** Make /dev/NAME too (device_create of a driver; the built-in ones did already). */
  readonly node?: boolean;
}
const octal = (mode: number) => mode.toString(8).padStart(4, '0');

/** class_create: /sys/class/NAME. -EEXIST when there is one. */
export function classCreate(k: Kernel, name: string): KernfsNode | number {
  return k.sysfs.mkdir(k.sysfs.mkdirs('class'), name);
}
export function classDestroy(k: Kernel, name: string): void {
  const node = k.sysfs.find(`class/${name}`);
  if (node !== null) k.sysfs.remove(node);
}

/** device_create: the directory of the device, or -EEXIST. */
export function deviceCreate(k: Kernel, spec: DeviceSpec): KernfsNode | number {
  const { sysfs } = k;
  const classDir = sysfs.mkdirs(`class/${spec.class}`);
  const parent = sysfs.mkdirs(spec.parent !== undefined ? `${spec.parent}/${spec.class}` : `devices/virtual/${spec.class}`);
  const dir = sysfs.mkdir(parent, spec.name);
  if (typeof dir === 'number') return -EEXIST;
  const major = majorOf(spec.dev);
  const minor = minorOf(spec.dev);
  let uevent = '';
  if (spec.dev !== 0) {
    uevent = `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${spec.name.replace(/!/g, '/')}\n${spec.mode !== undefined ? `DEVMODE=${octal(spec.mode)}\n` : ''}`;
    sysfsText(k, dir, 'dev', `${major}:${minor}\n`);
    sysfs.createLink(sysfs.mkdirs('dev/char'), `${major}:${minor}`, dir);
  }
  sysfsText(k, dir, 'uevent', uevent + (spec.uevent ?? ''), 0o644);
  sysfs.createLink(dir, 'subsystem', classDir);
  sysfs.createLink(classDir, spec.name, dir);
  if (spec.node === true && spec.dev !== 0) k.drivers.createNode(spec.name.replace(/!/g, '/'), spec.mode ?? 0o600, spec.dev);
  return dir;
}
/** device_destroy, by the class and name. */
export function deviceDestroy(k: Kernel, className: string, name: string, dev: number): void {
  const { sysfs } = k;
  const link = sysfs.find(`class/${className}/${name}`);
  if (link?.target == null) return;
  if (dev !== 0) {
    const number = sysfs.find(`dev/char/${majorOf(dev)}:${minorOf(dev)}`);
    if (number !== null) sysfs.remove(number);
    k.drivers.removeNode(name.replace(/!/g, '/'));
  }
  sysfs.remove(link.target);
  sysfs.remove(link);
}
