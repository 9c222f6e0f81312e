import type { Kernel } from '../../kernel.ts';
import { makeDev } from '../../../abi/fs.ts';

// /proc/devices, misc, consoles and /proc/tty.

function showDevices(k: Kernel): string {
  const rows = new Map<string, number>();
  const sorted = [...k.drivers.regions].sort((a, b) => a.major - b.major || a.baseMinor - b.baseMinor);
  for (const r of sorted) rows.set(`${String(r.major).padStart(3)} ${r.name}\n`, r.major);
  return `Character devices:\n${[...rows.keys()].join('')}\nBlock devices:\n`;
}
function showMisc(k: Kernel): string {
  return [...k.drivers.misc]
    .reverse()
    .map((d) => `${String(d.minor).padStart(3)} ${d.name}\n`)
    .join('');
}
function showConsoles(): string {
  return `${'ttyS0'.padEnd(21)}-W- (EC  p a)    4:64\n`;
}
/** name, /dev name, major, minors, type (drivers/tty show_tty_range). */
const TTY_DRIVERS: readonly (readonly [string, string, number, string, string])[] = [
  ['/dev/tty', '/dev/tty', 5, '0', 'system:/dev/tty'],
  ['/dev/console', '/dev/console', 5, '1', 'system:console'],
  ['/dev/ptmx', '/dev/ptmx', 5, '2', 'system'],
  ['/dev/vc/0', '/dev/vc/0', 4, '0', 'system:vtmaster'],
  ['serial', '/dev/ttyS', 4, '64-67', 'serial'],
  ['pty_slave', '/dev/pts', 136, '0-1048575', 'pty:slave'],
  ['pty_master', '/dev/ptm', 128, '0-1048575', 'pty:master'],
  ['unknown', '/dev/tty', 4, '1-63', 'console'],
];
function showTtyDrivers(): string {
  return TTY_DRIVERS.map(
    ([name, dev, major, minors, type]) =>
      `${name.padEnd(20)} ${dev.padEnd(10)} ${String(major).padStart(5)} ${minors.padStart(minors.includes('-') ? 0 : 7)} ${type}\n`,
  ).join('');
}
function showSerial(k: Kernel): string {
  const t = k.drivers.ttys.get(makeDev(4, 64));
  return (
    `serinfo:1.0 driver revision:\n0: uart:16550A mmio:0x10000000 irq:13 tx:${t?.tx ?? 0} rx:${t?.rx ?? 0} RTS|CTS|DTR|DSR|CD\n` +
    '1: uart:unknown port:00000000 irq:0\n2: uart:unknown port:00000000 irq:0\n3: uart:unknown port:00000000 irq:0\n'
  );
}
export function procDevicesInit(k: Kernel): void {
  const { procfs } = k;
  procfs.create('devices', showDevices);
  procfs.create('misc', showMisc);
  procfs.create('consoles', showConsoles);
  procfs.create('tty/drivers', showTtyDrivers);
  procfs.create('tty/ldiscs', () => 'n_tty       0\n', { mode: 0o444 });
  procfs.create('tty/driver/serial', showSerial, { mode: 0o444 });
}
