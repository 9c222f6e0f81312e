import { bus_type as BUS, class_struct as CLASS, device as DEV, device_driver as DRIVER } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { callArguments, slotArguments, type VaList } from '../../lib/va_list.ts';
import { vsnprintf } from '../../lib/vsprintf.ts';
import { type FunctionExport, fn } from '../../module/export.ts';
import { readKernel32 } from '../../mm/maccess.ts';
import { debugPrefix } from '../../printk/exports.ts';
import { kobjectName, pointer, stringAt } from './kobject.ts';

// Messages of a device: its driver (or bus, or class) and its name in front (drivers/base/core.c, dev_printk).

const FORMAT_MAX = 4096;

/** dev_name. */
export function deviceName(k: Kernel, dev: number): string {
  const init = pointer(k, dev + DEV.init_name);
  return init !== 0 ? stringAt(k, init) : kobjectName(k, dev);
}
/** dev_driver_string. */
export function driverString(k: Kernel, dev: number): string {
  const driver = pointer(k, dev + DEV.driver);
  if (driver !== 0) return stringAt(k, pointer(k, driver + DRIVER.name));
  const bus = pointer(k, dev + DEV.bus);
  if (bus !== 0) return stringAt(k, pointer(k, bus + BUS.name));
  const cls = pointer(k, dev + DEV.class);
  return cls === 0 ? '' : stringAt(k, pointer(k, cls + CLASS.name));
}
export function deviceLog(k: Kernel, level: number, dev: number, message: string, prefix = ''): void {
  if (dev === 0) {
    k.printk.emit(0, level, `${prefix}(NULL device *): ${message}`);
    return;
  }
  const [bus, cls] = [pointer(k, dev + DEV.bus), pointer(k, dev + DEV.class)];
  const subsystem = cls !== 0 ? stringAt(k, pointer(k, cls + CLASS.name)) : bus !== 0 ? stringAt(k, pointer(k, bus + BUS.name)) : '';
  const devt = readKernel32(k, dev + DEV.devt) ?? 0;
  // set_dev_info: a device number, or +subsystem:name.
  const device = subsystem === '' ? '' : devt >>> 20 !== 0 ? `c${devt >>> 20}:${devt & 0xfffff}` : `+${subsystem}:${deviceName(k, dev)}`;
  k.printk.emit(0, level, `${prefix}${driverString(k, dev)} ${deviceName(k, dev)}: ${message}`, { subsystem, device });
}
function format(k: Kernel, fmt: number, args: VaList): string {
  return vsnprintf(k, text(k, fmt, FORMAT_MAX), args);
}
const at = (level: number) => (k: Kernel, dev: number, fmt: number) => {
  deviceLog(k, level, dev, format(k, fmt, callArguments(k, 2)));
  return undefined;
};

export const devPrintkExports: readonly FunctionExport[] = [
  fn('_dev_emerg', at(0)),
  fn('_dev_alert', at(1)),
  fn('_dev_crit', at(2)),
  fn('_dev_err', at(3)),
  fn('_dev_warn', at(4)),
  fn('_dev_notice', at(5)),
  fn('_dev_info', at(6)),
  // The level is a string as printk's formats begin with: SOH and a digit.
  fn('_dev_printk', (k, level, dev, fmt) => {
    deviceLog(k, text(k, level, 8).charCodeAt(1) & 7, dev, format(k, fmt, callArguments(k, 3)));
    return undefined;
  }),
  fn('__dynamic_dev_dbg', (k, descriptor, dev, fmt) => {
    const message = format(k, fmt, callArguments(k, 3));
    deviceLog(k, 7, dev, message, debugPrefix(k, descriptor));
    return undefined;
  }),
  fn('dev_driver_string', (k, dev) => {
    const driver = pointer(k, dev + DEV.driver);
    const bus = pointer(k, dev + DEV.bus);
    const cls = pointer(k, dev + DEV.class);
    return driver !== 0 ? pointer(k, driver + DRIVER.name) : bus !== 0 ? pointer(k, bus + BUS.name) : cls !== 0 ? pointer(k, cls + CLASS.name) : 0;
  }),
  // dev_err_probe(dev, err, fmt): the error is the result.
  fn('dev_err_probe', (k, dev, err, fmt) => {
    const message = format(k, fmt, callArguments(k, 3));
    const code = vsnprintf(k, '%pe', slotArguments([BigInt(err)]));
    const EPROBE_DEFER = -517;
    if (err !== EPROBE_DEFER && err !== -12) deviceLog(k, 3, dev, `error ${code}: ${message}`);
    return err;
  }),
];
