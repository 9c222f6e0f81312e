import type { Kernel } from '../../kernel.ts';

// Which firmware each device asked for (the cache of drivers/base/firmware_loader, which keeps it for the way back from suspend).

export function rememberFirmware(k: Kernel, dev: number, name: string): void {
  k.drivers.firmwareNames.set(dev, new Set(k.drivers.firmwareNames.get(dev)).add(name));
}
export function knowsFirmware(k: Kernel, dev: number, name: string): boolean {
  return k.drivers.firmwareNames.get(dev)?.has(name) ?? false;
}
/** The device is gone. */
export function forgetFirmware(k: Kernel, dev: number): void {
  k.drivers.firmwareNames.delete(dev);
}
