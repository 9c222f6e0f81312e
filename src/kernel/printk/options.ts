import { kstrtobool } from '../lib/kstrtox.ts';
import {
  CONSOLE_LOGLEVEL_DEBUG,
  CONSOLE_LOGLEVEL_DEFAULT,
  CONSOLE_LOGLEVEL_MIN,
  CONSOLE_LOGLEVEL_QUIET,
  LOG_BUF_LEN,
  MESSAGE_LOGLEVEL_DEFAULT,
} from '../../abi/syslog.ts';
import { splitCommandLine } from '../init/cmdline.ts';
import type { Kernel } from '../kernel.ts';

// What can be set of the log: on the command line, in /proc/sys/kernel, and as parameters of module printk.

export type DevkmsgMode = 'on' | 'off' | 'ratelimit';

export interface PrintkOptions {
  /** The four numbers of /proc/sys/kernel/printk: levels below the first reach the console; a message without level has the second. */
  consoleLevel: number;
  defaultMessageLevel: number;
  minimumConsoleLevel: number;
  defaultConsoleLevel: number;
  /** Everything reaches the console. */
  ignoreLevel: boolean;
  /** Times before lines. */
  time: boolean;
  /** May users write to /dev/kmsg? */
  devkmsg: DevkmsgMode;
  /** printk.devkmsg= was given: /proc/sys cannot change it. */
  devkmsgLocked: boolean;
  /** Bytes of the ring. */
  bufferSize: number;
  consoleSuspend: boolean;
  alwaysKmsgDump: boolean;
  consoleNoAutoVerbose: boolean;
}

const SUFFIX: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
/** The largest log buffer that is believed. */
const BUFFER_MAX = 2 ** 28;
/** log_buf_len: rounded up to a power of two, and never less than the built-in one. */
function parseBufferSize(text: string): number {
  const m = /^(0x[0-9a-f]+|\d+)([kmg]?)/i.exec(text);
  const bytes = m === null ? 0 : Number(m[1]) * (SUFFIX[m[2].toLowerCase()] ?? 1);
  let size = LOG_BUF_LEN;
  while (size < Math.min(bytes, BUFFER_MAX)) size *= 2;
  return size;
}

/** Kernel command line, left to right (Documentation/admin-guide/kernel-parameters.rst). */
export function printkOptions(commandLine: string): PrintkOptions {
  const o: PrintkOptions = {
    consoleLevel: CONSOLE_LOGLEVEL_DEFAULT,
    defaultMessageLevel: MESSAGE_LOGLEVEL_DEFAULT,
    minimumConsoleLevel: CONSOLE_LOGLEVEL_MIN,
    defaultConsoleLevel: CONSOLE_LOGLEVEL_DEFAULT,
    ignoreLevel: false,
    time: true,
    devkmsg: 'ratelimit',
    devkmsgLocked: false,
    bufferSize: LOG_BUF_LEN,
    consoleSuspend: true,
    alwaysKmsgDump: false,
    consoleNoAutoVerbose: false,
  };
  for (const word of splitCommandLine(commandLine)) {
    if (word === '--') break;
    const name = (/^[^=]*/.exec(word)?.[0] ?? '').replaceAll('-', '_');
    const value = word.includes('=') ? word.slice(word.indexOf('=') + 1) : null;
    const flag = value === null || kstrtobool(value) === true;
    if (name === 'debug') o.consoleLevel = CONSOLE_LOGLEVEL_DEBUG;
    else if (name === 'quiet') o.consoleLevel = CONSOLE_LOGLEVEL_QUIET;
    else if (name === 'loglevel' && /^-?\d+$/.test(value ?? '')) o.consoleLevel = Number(value) | 0;
    else if (name === 'ignore_loglevel') o.ignoreLevel = true;
    else if (name === 'log_buf_len' && value !== null) o.bufferSize = parseBufferSize(value);
    else if (name === 'printk.time') o.time = flag;
    else if (name === 'printk.ignore_loglevel') o.ignoreLevel = flag;
    else if (name === 'printk.console_suspend') o.consoleSuspend = flag;
    else if (name === 'printk.always_kmsg_dump') o.alwaysKmsgDump = flag;
    else if (name === 'printk.console_no_auto_verbose') o.consoleNoAutoVerbose = flag;
    else if (name === 'printk.devkmsg' && (value === 'on' || value === 'off' || value === 'ratelimit')) {
      o.devkmsg = value;
      o.devkmsgLocked = true;
    }
  }
  return o;
}

/** Parameters of the built-in module printk, in /sys/module/printk/parameters: all are bools of mode 0644. */
export interface PrintkParameter {
  readonly name: string;
  readonly get: (k: Kernel) => boolean;
  readonly set: (k: Kernel, value: boolean) => void;
}
export const PRINTK_PARAMETERS: readonly PrintkParameter[] = [
  { name: 'always_kmsg_dump', get: (k) => k.printk.options.alwaysKmsgDump, set: (k, v) => (k.printk.options.alwaysKmsgDump = v) },
  {
    name: 'console_no_auto_verbose',
    get: (k) => k.printk.options.consoleNoAutoVerbose,
    set: (k, v) => (k.printk.options.consoleNoAutoVerbose = v),
  },
  { name: 'console_suspend', get: (k) => k.printk.options.consoleSuspend, set: (k, v) => (k.printk.options.consoleSuspend = v) },
  { name: 'ignore_loglevel', get: (k) => k.printk.options.ignoreLevel, set: (k, v) => (k.printk.options.ignoreLevel = v) },
  { name: 'time', get: (k) => k.printk.options.time, set: (k, v) => (k.printk.options.time = v) },
];
