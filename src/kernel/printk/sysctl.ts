import { EINVAL, EPERM } from '../../abi/errno.ts';
import { CAP_SYS_ADMIN } from '../../abi/sched.ts';
import type { ProcEntry } from '../fs/proc/generic.ts';
import type { Kernel } from '../kernel.ts';
import { kstrtobool } from '../lib/kstrtox.ts';
import { PRINTK_PARAMETERS } from './options.ts';
import { HZ } from '../time/timekeeping.ts';
import type { DevkmsgMode } from './options.ts';

// /proc/sys/kernel/printk* and the two switches of who may see what (kernel/printk/sysctl.c, kernel/sysctl.c).

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
/** Whole numbers as proc_dointvec takes them: decimal, 0x, 0; blanks between. At most `count`, what follows is not looked at. Null: refused. */
export function parseIntVector(text: string, count: number): number[] | null {
  const out: number[] = [];
  const number = /[ \t\n\v\f\r]*(-?)(0x[0-9a-f]+|\d+)(?:[ \t\n]|$)/iy;
  for (let at = 0; out.length < count; at = number.lastIndex) {
    if (out.length > 0 && /^\s*$/.test(text.slice(at))) break;
    number.lastIndex = at;
    const m = number.exec(text);
    if (m === null) return null;
    const octal = /^0\d+$/.test(m[2]);
    const value = (octal ? Number.parseInt(m[2], 8) : Number(m[2])) * (m[1] === '-' ? -1 : 1);
    if (value < INT_MIN || value > INT_MAX) return null;
    out.push(value);
  }
  return out;
}

/** One number: where it is kept, its range, and whether CAP_SYS_ADMIN is needed to change it. */
interface Row {
  readonly name: string;
  readonly get: (k: Kernel) => number;
  readonly set: (k: Kernel, n: number) => void;
  readonly min: number;
  readonly max: number;
  readonly admin: boolean;
}
const ROWS: readonly Row[] = [
  // Kept, but nothing waits: virtual time does not pass while the kernel prints.
  { name: 'printk_delay', get: (k) => k.printk.delay, set: (k, n) => (k.printk.delay = n), min: 0, max: 10000, admin: false },
  {
    name: 'printk_ratelimit',
    get: (k) => Math.trunc(k.printk.limit.interval / HZ),
    set: (k, n) => (k.printk.limit.interval = n * HZ),
    min: INT_MIN,
    max: Math.floor(INT_MAX / HZ),
    admin: false,
  },
  {
    name: 'printk_ratelimit_burst',
    get: (k) => k.printk.limit.burst,
    set: (k, n) => (k.printk.limit.burst = n),
    min: INT_MIN,
    max: INT_MAX,
    admin: false,
  },
  { name: 'dmesg_restrict', get: (k) => k.printk.dmesgRestrict, set: (k, n) => (k.printk.dmesgRestrict = n), min: 0, max: 1, admin: true },
  {
    name: 'kptr_restrict',
    get: (k) => k.pointers.kptrRestrict,
    set: (k, n) => (k.pointers.kptrRestrict = n),
    min: 0,
    max: 2,
    admin: true,
  },
];
const rowOf = (e: ProcEntry) => e.data as Row;
const showRow = (k: Kernel, e: ProcEntry) => `${rowOf(e).get(k)}\n`;
function storeRow(k: Kernel, text: string, e: ProcEntry): number {
  const row = rowOf(e);
  if (row.admin && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const n = parseIntVector(text, 1)?.[0];
  if (n === undefined || n < row.min || n > row.max) return -EINVAL;
  row.set(k, n);
  return 0;
}

const LEVELS = ['consoleLevel', 'defaultMessageLevel', 'minimumConsoleLevel', 'defaultConsoleLevel'] as const;
const showLevels = (k: Kernel) => `${LEVELS.map((name) => k.printk.options[name]).join('\t')}\n`;
/** Values before a bad one are kept. */
function storeLevels(k: Kernel, text: string): number {
  const values = parseIntVector(text, LEVELS.length);
  if (values === null) return -EINVAL;
  values.forEach((n, i) => {
    k.printk.options[LEVELS[i]] = n;
  });
  return 0;
}

/** The word with its newline, nothing less and nothing more. */
function storeDevkmsg(k: Kernel, text: string): number {
  const { options } = k.printk;
  if (options.devkmsgLocked || !/^(on|off|ratelimit)\n$/.test(text)) return -EINVAL;
  options.devkmsg = text.slice(0, -1) as DevkmsgMode;
  return 0;
}

/** /sys/module/printk/parameters: each yes or no. */
export function printkParamsInit(k: Kernel): void {
  const dir = k.sysfs.mkdirs('module/printk/parameters');
  for (const p of PRINTK_PARAMETERS)
    k.sysfs.createFile(dir, p.name, 0o644, {
      show: (kk) => (p.get(kk) ? 'Y\n' : 'N\n'),
      store(kk, _node, text) {
        const on = kstrtobool(text);
        if (typeof on === 'number') return on;
        p.set(kk, on);
        return 0;
      },
    });
}
export function printkSysctlInit(k: Kernel): void {
  const strict = { strict: true, mode: 0o644 };
  k.procfs.create('sys/kernel/printk', showLevels, { ...strict, store: storeLevels });
  k.procfs.create('sys/kernel/printk_devkmsg', (kk) => `${kk.printk.options.devkmsg}\n`, { ...strict, store: storeDevkmsg });
  for (const row of ROWS) k.procfs.create(`sys/kernel/${row.name}`, showRow, { ...strict, store: storeRow, data: row });
}
