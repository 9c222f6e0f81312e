import { EINVAL, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS } from '../../abi/errno.ts';
import {
  kernel_param as KP,
  kernel_param_ops as OPS,
  kparam_array as ARRAY,
  kparam_string as STRING,
} from '../../abi/layout/structs.ts';
import { KERNEL_PARAM_FL_HWPARAM, KERNEL_PARAM_FL_UNSAFE, KERNEL_PARAM_OPS_FL_NOARG, TAINT_USER } from '../../abi/module.ts';
import { addTaint } from '../panic.ts';
import { lockedDown } from '../security/lockdown.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { kstrtobool, kstrtoSigned, kstrtoUnsigned } from '../lib/kstrtox.ts';
import { PAGE_SIZE, physToVirt, virtToPhys } from '../mm/address.ts';
import {
  kernelBytes,
  kernelString,
  readKernel16,
  readKernel32,
  readKernel64,
  readKernel8,
  readKernelBig,
  writeKernel32,
  writeKernel64,
  writeKernelBytes,
} from '../mm/maccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import { asInt, callGuest } from './call.ts';
import { type DataExport, type FunctionExport, fn } from './export.ts';
import { exportAtStub, imageObject, symbolAddress } from './stubs.ts';
import { dyndbgParameter } from './dynamic_debug.ts';
import type { Module } from './module.ts';

// Parameters of modules (kernel/params.c): struct kernel_param in the module's memory, whose operations are the kernel's or the module's own.

const PARAM_MAX = 1024;

/** A struct kernel_param at guest address `kp`, with `arg` in the place of its own argument (elements of an array have theirs). */
export interface Param {
  readonly kp: number;
  readonly arg: number;
}
export function paramAt(k: Kernel, kp: number): Param {
  return { kp, arg: readKernel64(k, kp + KP.arg) ?? 0 };
}
/** A kind of parameter that the kernel knows. */
interface StandardOps {
  /** 0 or -errno; BLOCKED from code of modules below it. */
  readonly set: (k: Kernel, value: string | null, param: Param) => number;
  readonly get: (k: Kernel, param: Param) => string | number;
  readonly free?: (k: Kernel, arg: number) => void;
  readonly noArg?: boolean;
}
const nameOf = (k: Kernel, kp: number) => kernelString(k, readKernel64(k, kp + KP.name) ?? 0, 256) ?? '';

function writeInteger(k: Kernel, at: number, value: bigint, bytes: number): void {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, BigInt.asIntN(64, value), true);
  writeKernelBytes(k, at, new Uint8Array(view.buffer, 0, bytes));
}
function readInteger(k: Kernel, at: number, bytes: number, signed: boolean): bigint {
  const n =
    bytes === 1
      ? BigInt(readKernel8(k, at) ?? 0)
      : bytes === 2
        ? BigInt(readKernel16(k, at) ?? 0)
        : bytes === 4
          ? BigInt(readKernel32(k, at) ?? 0)
          : (readKernelBig(k, at) ?? 0n);
  return signed ? BigInt.asIntN(bytes * 8, n) : BigInt.asUintN(bytes * 8, n);
}
function integerOps(bytes: number, signed: boolean, show: (n: bigint) => string = (n) => `${n}`): StandardOps {
  return {
    set(k, value, { arg }) {
      const n = signed ? kstrtoSigned(value ?? '', 0, bytes * 8) : kstrtoUnsigned(value ?? '', 0, bytes * 8);
      if (typeof n === 'number') return n;
      writeInteger(k, arg, n, bytes);
      return 0;
    },
    get: (k, { arg }) => `${show(readInteger(k, arg, bytes, signed))}\n`,
  };
}
function boolOps(bytes: number, keep: (now: boolean, was: boolean) => boolean | number, show: (raw: bigint) => boolean): StandardOps {
  return {
    set(k, value, { arg }) {
      const now = kstrtobool(value ?? '1');
      if (typeof now === 'number') return now;
      const kept = keep(now, readInteger(k, arg, bytes, false) !== 0n);
      if (typeof kept === 'number') return kept;
      writeInteger(k, arg, kept ? 1n : 0n, bytes);
      return 0;
    },
    get: (k, { arg }) => `${show(readInteger(k, arg, bytes, false)) ? 'Y' : 'N'}\n`,
    noArg: true,
  };
}
/** charp: the variable points to a copy of the text. */
const charpOps: StandardOps = {
  set(k, value, { kp, arg }) {
    const text = value ?? '';
    if (text.length > PARAM_MAX) {
      k.printk.log(3, `${nameOf(k, kp)}: string parameter too long`);
      return -ENOSPC;
    }
    charpFree(k, arg);
    const pa = k.mm.slab.kmalloc(text.length + 1);
    if (pa === 0) return -ENOMEM;
    k.ram.u8.set(bytesOf(text), pa);
    k.ram.u8[pa + text.length] = 0;
    k.modules.charpCopies.add(physToVirt(pa));
    writeKernel64(k, arg, physToVirt(pa));
    return 0;
  },
  get(k, { arg }) {
    const text = readKernel64(k, arg) ?? 0;
    return `${text === 0 ? '(null)' : (kernelString(k, text, PAGE_SIZE) ?? '')}\n`;
  },
  free: charpFree,
};
/** maybe_kfree_parameter: only what charpOps.set made. */
function charpFree(k: Kernel, at: number): void {
  const old = readKernel64(k, at) ?? 0;
  if (k.modules.charpCopies.delete(old)) k.mm.slab.kfree(virtToPhys(old));
}
/** An array of characters of its own (module_param_string). */
const stringOps: StandardOps = {
  set(k, value, { kp, arg }) {
    const max = readKernel32(k, arg + STRING.maxlen) ?? 0;
    const text = value ?? '';
    if (text.length >= max) {
      k.printk.log(3, `${nameOf(k, kp)}: string doesn't fit in ${(max - 1) >>> 0} chars.`);
      return -ENOSPC;
    }
    writeKernelBytes(k, readKernel64(k, arg + STRING.string) ?? 0, bytesOf(`${text}\0`));
    return 0;
  },
  get(k, { arg }) {
    return `${kernelString(k, readKernel64(k, arg + STRING.string) ?? 0, readKernel32(k, arg + STRING.maxlen) ?? 0) ?? ''}\n`;
  },
};
/** Elements of one kind, with their number in `num` when it is wanted. */
const arrayOps: StandardOps = {
  set(k, value, { kp, arg }) {
    const max = readKernel32(k, arg + ARRAY.max) ?? 0;
    const elemSize = readKernel32(k, arg + ARRAY.elemsize) ?? 0;
    const num = readKernel64(k, arg + ARRAY.num) ?? 0;
    const ops = readKernel64(k, arg + ARRAY.ops) ?? 0;
    const elem = readKernel64(k, arg + ARRAY.elem) ?? 0;
    let n = 0;
    const count = (to: number) => {
      n = to;
      if (num !== 0) writeKernel32(k, num, n);
    };
    count(0);
    for (const text of (value ?? '').split(',')) {
      if (n === max) {
        k.printk.log(3, `${nameOf(k, kp)}: can only take ${max} arguments`);
        return -EINVAL;
      }
      const r = setParam(k, ops, text, { kp, arg: elem + n * elemSize });
      if (r !== 0) return r;
      count(n + 1);
    }
    return 0;
  },
  get(k, { kp, arg }) {
    const num = readKernel64(k, arg + ARRAY.num) ?? 0;
    const n = num !== 0 ? (readKernel32(k, num) ?? 0) : (readKernel32(k, arg + ARRAY.max) ?? 0);
    const elemSize = readKernel32(k, arg + ARRAY.elemsize) ?? 0;
    const ops = readKernel64(k, arg + ARRAY.ops) ?? 0;
    const parts: string[] = [];
    const elem = readKernel64(k, arg + ARRAY.elem) ?? 0;
    for (let i = 0; i < n; i++) {
      const text = getParam(k, ops, { kp, arg: elem + i * elemSize });
      if (typeof text === 'number') return text;
      parts.push(text.replace(/\n$/, ''));
    }
    return `${parts.join(',')}\n`;
  },
  free(k, arg) {
    const ops = readKernel64(k, arg + ARRAY.ops) ?? 0;
    const num = readKernel64(k, arg + ARRAY.num) ?? 0;
    const n = num !== 0 ? (readKernel32(k, num) ?? 0) : (readKernel32(k, arg + ARRAY.max) ?? 0);
    for (let i = 0; i < n; i++)
      freeParam(k, ops, (readKernel64(k, arg + ARRAY.elem) ?? 0) + i * (readKernel32(k, arg + ARRAY.elemsize) ?? 0));
  },
};

/** Kinds by the name in param_ops_NAME. */
const KINDS: Readonly<Record<string, StandardOps>> = {
  byte: integerOps(1, false),
  short: integerOps(2, true),
  ushort: integerOps(2, false),
  int: integerOps(4, true),
  uint: integerOps(4, false),
  long: integerOps(8, true),
  ulong: integerOps(8, false),
  ullong: integerOps(8, false),
  hexint: integerOps(4, false, (n) => (n === 0n ? '00000000' : `0x${n.toString(16).padStart(6, '0')}`)),
  charp: charpOps,
  bool: boolOps(
    1,
    (now) => now,
    (raw) => raw !== 0n,
  ),
  bool_enable_only: boolOps(
    1,
    (now, was) => (was && !now ? -EROFS : now),
    (raw) => raw !== 0n,
  ),
  invbool: {
    ...boolOps(
      1,
      (now) => !now,
      (raw) => raw === 0n,
    ),
    noArg: false,
  },
  bint: boolOps(
    4,
    (now) => now,
    (raw) => raw !== 0n,
  ),
  string: stringOps,
  array: arrayOps,
};
const SET_NAMES: Readonly<Record<string, string>> = { string: 'param_set_copystring', array: 'param_array_set' };
/** Kinds that show as another one does have no function of their own for it. */
const GET_NAMES: Readonly<Record<string, string>> = { array: 'param_array_get', bool_enable_only: 'param_get_bool', bint: 'param_get_int' };
const ownGet = (kind: string) => getName(kind).endsWith(`_${kind}`) || kind === 'array';
const setName = (kind: string) => SET_NAMES[kind] ?? `param_set_${kind}`;
const getName = (kind: string) => GET_NAMES[kind] ?? `param_get_${kind}`;
const bySetName = new Map(Object.entries(KINDS).map(([kind, ops]) => [setName(kind), ops]));
const byGetName = new Map(Object.entries(KINDS).filter(([kind]) => ownGet(kind)).map(([kind, ops]) => [getName(kind), ops]));

/** Sets a parameter from text through the operations at `ops`, the module's own included. */
export function setParam(k: Kernel, ops: number, value: string | null, param: Param): number {
  const at = readKernel64(k, ops + OPS.set) ?? 0;
  const own = bySetName.get(exportAtStub(k, at)?.name ?? '');
  if (own !== undefined) return own.set(k, value, param);
  if (at === 0) return -EPERM;
  const lent = lend(k, value, param);
  if (typeof lent === 'number') return lent;
  const r = callGuest(k, at, lent.text === 0 ? 0 : physToVirt(lent.text), physToVirt(lent.param));
  if (r === null) return BLOCKED;
  takeBack(k, lent);
  return asInt(r);
}
export function getParam(k: Kernel, ops: number, param: Param): string | number {
  const at = readKernel64(k, ops + OPS.get) ?? 0;
  const own = byGetName.get(exportAtStub(k, at)?.name ?? '');
  if (own !== undefined) return own.get(k, param);
  if (at === 0) return -EPERM;
  const lent = lend(k, '\0'.repeat(PAGE_SIZE - 1), param);
  if (typeof lent === 'number') return lent;
  const r = callGuest(k, at, physToVirt(lent.text), physToVirt(lent.param));
  if (r === null) return BLOCKED;
  const n = asInt(r);
  const text = n < 0 ? n : (kernelString(k, physToVirt(lent.text), Math.min(n, PAGE_SIZE - 1)) ?? '');
  takeBack(k, lent);
  return text;
}
/** Guest memory for the time of a call that is attempted twice: a text (0 = none) and a struct kernel_param; physical addresses. */
interface Lent {
  readonly text: number;
  readonly param: number;
}
function lend(k: Kernel, value: string | null, { kp, arg }: Param): Lent | number {
  const { slab } = k.mm;
  const task = k.current;
  const before = task.restart?.['lent'] as Lent | undefined;
  if (before !== undefined) return before;
  const param = slab.kmalloc(KP.sizeof);
  const text = value === null || param === 0 ? 0 : slab.kmalloc(value.length + 1);
  if (param === 0 || (text === 0 && value !== null)) {
    if (param !== 0) slab.kfree(param);
    return -ENOMEM;
  }
  const copy = kernelBytes(k, kp, KP.sizeof);
  if (copy !== null) k.ram.u8.set(copy, param);
  k.ram.write64(param + KP.arg, arg);
  if (value !== null) k.ram.u8.set(bytesOf(`${value}\0`), text);
  const lent: Lent = { text, param };
  task.restart = { ...task.restart, lent };
  return lent;
}
function takeBack(k: Kernel, lent: Lent): void {
  const { lent: _done, ...rest } = k.current.restart ?? {};
  if (lent.text !== 0) k.mm.slab.kfree(lent.text);
  k.mm.slab.kfree(lent.param);
  k.current.restart = rest;
}
function freeParam(k: Kernel, ops: number, arg: number): void {
  const set = exportAtStub(k, readKernel64(k, ops + OPS.set) ?? 0);
  if (set !== null) bySetName.get(set.name)?.free?.(k, arg);
}
/** destroy_params. A module's own free operation is not run: nothing could come back from it any more. */
export function destroyParams(k: Kernel, mod: Module): void {
  if (mod.memory[1].size === 0) return;
  for (let i = 0; i < mod.params.count; i++) {
    const kp = mod.params.base + i * KP.sizeof;
    freeParam(k, readKernel64(k, kp + KP.ops) ?? 0, paramAt(k, kp).arg);
  }
}

/** next_arg over the whole text: pairs of name and value (null without "="), up to "--". */
export function splitArgs(args: string): { pairs: (readonly [string, string | null])[]; afterDashes: string | null } {
  const pairs: (readonly [string, string | null])[] = [];
  let at = 0;
  const skip = () => {
    while (at < args.length && ' \t\n\v\f\r'.includes(args[at])) at++;
  };
  skip();
  while (at < args.length) {
    let quoted = false;
    if (args[at] === '"') {
      at++;
      quoted = true;
    }
    let inQuote = quoted;
    let equals = -1;
    let end = at;
    for (; end < args.length; end++) {
      if (' \t\n\v\f\r'.includes(args[end]) && !inQuote) break;
      if (equals < 0 && args[end] === '=') equals = end;
      if (args[end] === '"') inQuote = !inQuote;
    }
    let name = equals >= 0 ? args.slice(at, equals) : args.slice(at, end);
    let value = equals >= 0 ? args.slice(equals + 1, end) : null;
    if (value?.startsWith('"')) value = value.slice(1).replace(/"$/, '');
    if (quoted && value !== null) value = value.replace(/"$/, '');
    else if (quoted) name = name.replace(/"$/, '');
    at = end < args.length ? end + 1 : end;
    skip();
    if (value === null && name === '--') return { pairs, afterDashes: args.slice(at) };
    pairs.push([name, value]);
  }
  return { pairs, afterDashes: null };
}
const sameName = (a: string, b: string) => a.replaceAll('-', '_') === b.replaceAll('-', '_');

/** parse_args over what is left of the module's arguments. 0, -errno, or BLOCKED: to be called again. */
export function parseArgs(k: Kernel, mod: Module): number {
  while (mod.pendingArgs.length > 0) {
    const [name, value] = mod.pendingArgs[0];
    const kp = findParam(k, mod, name);
    if (kp === 0 && dyndbgParameter(k, mod, name, value)) {
      // Done.
    } else if (kp === 0) {
      // Linux's look for "dyndbg" cuts the name at its first dot.
      k.printk.log(4, `${mod.name}: unknown parameter '${name.split('.')[0]}' ignored`);
    } else {
      const ops = readKernel64(k, kp + KP.ops) ?? 0;
      const noArg = ((readKernel32(k, ops + OPS.flags) ?? 0) & KERNEL_PARAM_OPS_FL_NOARG) !== 0;
      const refused = value === null && !noArg;
      const unsafe = !refused && k.current.calls.length === 0 && !checkUnsafe(k, kp);
      const r = refused ? -EINVAL : unsafe ? -EPERM : setParam(k, ops, value, paramAt(k, kp));
      if (r === BLOCKED) return BLOCKED;
      if (r !== 0) {
        paramError(k, mod.name, name, value, r, ops);
        return r;
      }
    }
    mod.pendingArgs = mod.pendingArgs.slice(1);
    k.current.calls = [];
    k.current.callIndex = 0;
  }
  return 0;
}
function paramError(k: Kernel, module: string, name: string, value: string | null, errno: number, ops: number): void {
  // An array's commas were cut from the text while it was read.
  const isArray = exportAtStub(k, readKernel64(k, ops + OPS.set) ?? 0)?.name === 'param_array_set';
  const text = isArray ? (value ?? '').split(',')[0] : (value ?? '');
  if (errno === -ENOENT) k.printk.log(3, `${module}: Unknown parameter \`${name}'`);
  else if (errno === -ENOSPC) k.printk.log(3, `${module}: \`${text}' too large for parameter \`${name}'`);
  else k.printk.log(3, `${module}: \`${text}' invalid for parameter \`${name}'`);
}
function findParam(k: Kernel, mod: Module, name: string): number {
  for (let i = 0; i < mod.params.count; i++) {
    const kp = mod.params.base + i * KP.sizeof;
    if (sameName(nameOf(k, kp), name)) return kp;
  }
  return 0;
}
/** The parameters that show in sysfs: name, mode and guest address of each. */
export function visibleParams(k: Kernel, mod: Module): { name: string; mode: number; kp: number }[] {
  const out: { name: string; mode: number; kp: number }[] = [];
  for (let i = 0; i < mod.params.count; i++) {
    const kp = mod.params.base + i * KP.sizeof;
    const mode = readKernel16(k, kp + KP.perm) ?? 0;
    if (mode !== 0) out.push({ name: nameOf(k, kp), mode, kp });
  }
  return out;
}
/** The module whose parameter it is; null for one that is built in. */
export function paramModule(k: Kernel, kp: number): Module | null {
  return k.modules.byAddr.get(readKernel64(k, kp + KP.mod) ?? 0) ?? null;
}
/** param_check_unsafe: false where it names hardware and the kernel is locked down. Whoever sets a dangerous one is told, and so is who reads the log later. */
export function checkUnsafe(k: Kernel, kp: number): boolean {
  const flags = readKernel8(k, kp + KP.flags) ?? 0;
  if ((flags & KERNEL_PARAM_FL_HWPARAM) !== 0 && lockedDown(k, 'moduleParameters') < 0) return false;
  if ((flags & KERNEL_PARAM_FL_UNSAFE) === 0) return true;
  k.printk.log(5, `Setting dangerous option ${nameOf(k, kp)} - tainting kernel`);
  addTaint(k, TAINT_USER, true);
  return true;
}
export function paramOps(k: Kernel, kp: number): number {
  return readKernel64(k, kp + KP.ops) ?? 0;
}

/** Exported as functions too: module_param_cb's own operations call them. */
export const paramExports: readonly FunctionExport[] = Object.entries(KINDS).flatMap(([kind, ops]) => {
  const hidden = kind === 'array';
  const rows: FunctionExport[] = [
    {
      ...fn(setName(kind), (k, val, kp) => ops.set(k, val === 0 ? null : (kernelString(k, val, PAGE_SIZE) ?? ''), paramAt(k, kp))),
      internal: hidden,
    },
  ];
  if (ownGet(kind))
    rows.push({
      ...fn(getName(kind), (k, buffer, kp) => {
        const text = ops.get(k, paramAt(k, kp));
        if (typeof text === 'number') return text;
        writeKernelBytes(k, buffer, bytesOf(`${text}\0`));
        return text.length;
      }),
      internal: hidden,
    });
  return rows;
});
export const paramDataExports: readonly DataExport[] = Object.entries(KINDS).map(([kind, ops]) => ({
  name: kind === 'array' ? 'param_array_ops' : `param_ops_${kind}`,
  place(k) {
    const addr = imageObject(k, OPS.sizeof, 8);
    writeKernel32(k, addr + OPS.flags, ops.noArg === true ? KERNEL_PARAM_OPS_FL_NOARG : 0);
    writeKernel64(k, addr + OPS.set, symbolAddress(k, setName(kind)));
    writeKernel64(k, addr + OPS.get, symbolAddress(k, getName(kind)));
    return addr;
  },
}));
