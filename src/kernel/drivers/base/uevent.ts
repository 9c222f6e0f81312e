import { EAGAIN, EINVAL, ENOMEM } from '../../../abi/errno.ts';
import {
  bus_type as BUS,
  class_struct as CLASS,
  device as DEV,
  device_type as TYPE,
  kobj_uevent_env as ENV,
  kobject as KOBJ,
  kset as KSET,
} from '../../../abi/layout/structs.ts';
import { NETLINK_KOBJECT_UEVENT } from '../../../abi/netlink.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import { kernfsRemoved, type KernfsNode, nodePath } from '../../fs/sysfs/kernfs.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf } from '../../lib/bytes.ts';
import type { IovIter } from '../../lib/iov_iter.ts';
import { seqLseek } from '../../lib/seq_file.ts';
import { text, writeText } from '../../lib/access.ts';
import { readKernel32, writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { before, runSteps, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { netlinkBroadcast } from '../../net/netlink/af_netlink.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { warnInExport } from '../../traps.ts';
import { deviceLog } from './dev_printk.ts';
import { deviceVariables } from './device.ts';
import { kobjectName, pointer, stringAt } from './kobject.ts';

// Events about kernel objects (lib/kobject_uevent.c, dev_uevent of drivers/base/core.c): variables gathered, by functions of modules too, and sent to who
// listens on NETLINK_KOBJECT_UEVENT.

export const UEVENT_ACTIONS = ['add', 'remove', 'change', 'move', 'online', 'offline', 'bind', 'unbind'];
const ENVP_MAX = 64;
const BUFFER_MAX = 2048;
const PARENTS_MAX = 64;
/** Variables between the steps of one event. */
const SEPARATOR = '\0';

/** kobject_uevent_net_broadcast, and the number of the event. */
export function sendUevent(k: Kernel, action: string, path: string, variables: readonly string[]): void {
  const seqnum = ++k.drivers.model.ueventSeqnum;
  const message = [`${action}@${path}`, ...variables, `SEQNUM=${seqnum}`];
  netlinkBroadcast(k, NETLINK_KOBJECT_UEVENT, 1, bytesOf(message.map((v) => `${v}\0`).join('')));
}

/** The kset whose rules hold for an object: its own or the next parent's. 0 = none. */
function ksetOf(k: Kernel, kobj: number): number {
  let at = kobj;
  for (let i = 0; i < PARENTS_MAX && at !== 0; i++) {
    const kset = pointer(k, at + KOBJ.kset);
    if (kset !== 0) return kset;
    at = pointer(k, at + KOBJ.parent);
  }
  return 0;
}
/** SUBSYSTEM of an object of the kernel's own kinds; null when its kset decides, '' when no event is due. */
function ownSubsystem(k: Kernel, kobj: number): string | null {
  const { model } = k.drivers;
  const ktype = pointer(k, kobj + KOBJ.ktype);
  if (ktype === model.objects.classKtype) return 'class';
  if (ktype === model.objects.busKtype) return 'bus';
  if (ktype === model.objects.driverKtype) return 'drivers';
  if (ktype !== model.objects.deviceKtype) return null;
  const cls = pointer(k, kobj + DEV.class);
  const bus = pointer(k, kobj + DEV.bus);
  if (bus !== 0) return stringAt(k, pointer(k, bus + BUS.name));
  return cls === 0 ? '' : stringAt(k, pointer(k, cls + CLASS.name));
}
/** Functions of modules that add variables, each called with (object, env). */
function callbacks(k: Kernel, kobj: number): number[] {
  const { objects } = k.drivers.model;
  if (pointer(k, kobj + KOBJ.ktype) !== objects.deviceKtype) {
    const kset = ksetOf(k, kobj);
    const ops = kset === 0 ? 0 : pointer(k, kset + KSET.uevent_ops);
    // struct kset_uevent_ops: filter, name, uevent.
    return [ops === 0 ? 0 : pointer(k, ops + 16)];
  }
  const [bus, cls, type] = [pointer(k, kobj + DEV.bus), pointer(k, kobj + DEV.class), pointer(k, kobj + DEV.type)];
  return [bus === 0 || bus === objects.platformBusType ? 0 : pointer(k, bus + BUS.uevent), cls === 0 ? 0 : pointer(k, cls + CLASS.dev_uevent), type === 0 ? 0 : pointer(k, type + TYPE.uevent)];
}

/** A struct kobj_uevent_env with these variables: guest address, 0 = no memory. */
function makeEnv(k: Kernel, variables: readonly string[]): number {
  const env = kzalloc(k, ENV.sizeof);
  if (env !== 0) for (const v of variables) addVariable(k, env, v);
  return env;
}
/** add_uevent_var. */
export function addVariable(k: Kernel, env: number, value: string): number {
  const index = readKernel32(k, env + ENV.envp_idx) ?? 0;
  const used = readKernel32(k, env + ENV.buflen) ?? 0;
  if (index >= ENVP_MAX || used + value.length + 1 > BUFFER_MAX) {
    warnInExport(k, index >= ENVP_MAX ? 'add_uevent_var: too many keys' : 'add_uevent_var: buffer size too small');
    return -ENOMEM;
  }
  writeText(k, env + ENV.buf + used, value);
  writeKernel64(k, env + ENV.envp + index * 8, env + ENV.buf + used);
  writeKernel32(k, env + ENV.envp_idx, index + 1);
  writeKernel32(k, env + ENV.buflen, used + value.length + 1);
  return 0;
}
function readEnv(k: Kernel, env: number): string[] {
  const count = Math.min(readKernel32(k, env + ENV.envp_idx) ?? 0, ENVP_MAX);
  return Array.from({ length: count }, (_, i) => text(k, pointer(k, env + ENV.envp + i * 8), BUFFER_MAX));
}
/** Steps that let functions of modules add to `variables`, and then `then`, which finds the result of the last of them and the env. */
function gather(k: Kernel, kobj: number, variables: readonly string[], then: (env: number) => Step): Step[] | null {
  const calls = callbacks(k, kobj).filter((fn) => fn !== 0);
  if (calls.length === 0) return null;
  const env = makeEnv(k, variables);
  if (env === 0) return null;
  return [...calls.flatMap((call): Step[] => [{ call, args: [kobj, env] }, { act: 'uevent_added', data: { env } }]), then(env)];
}
/** A function refused: those after it are not asked. */
stepAction('uevent_added', (_k, data, state) => {
  if (state.result === 0) return;
  while (state.steps.length > 0 && !('act' in state.steps[0] && state.steps[0].data['env'] === data['env'] && state.steps[0].act !== 'uevent_added')) state.steps.shift();
});

/** kobject_uevent_env. `path` and `extra` (variables of the caller) were taken when the event was due; value = what kobject_uevent returns. */
stepAction('uevent', (k, data, state) => {
  const { kobj, action, path, extra } = data as { kobj: number; action: string; path: string; extra: string };
  const own = ownSubsystem(k, kobj);
  const kset = own === null ? ksetOf(k, kobj) : 0;
  if (own === null && kset === 0) {
    state.result = -EINVAL;
    return;
  }
  state.result = 0;
  if (own === '') return;
  const subsystem = own ?? kobjectName(k, kset + KSET.kobj);
  const isDevice = pointer(k, kobj + KOBJ.ktype) === k.drivers.model.objects.deviceKtype;
  const variables = [
    `ACTION=${action}`,
    `DEVPATH=${path}`,
    `SUBSYSTEM=${subsystem}`,
    ...extra.split(SEPARATOR).filter((v) => v !== ''),
    ...(isDevice ? deviceVariables(k, kobj) : []),
  ];
  const steps = gather(k, kobj, variables, (env) => ({ act: 'uevent_send', data: { action, path, env } }));
  if (steps !== null) before(state, ...steps);
  else sendUevent(k, action, path, withoutModalias(action, variables));
});
/** zap_modalias_env: the device is matched anew. */
function withoutModalias(action: string, variables: string[]): string[] {
  return action === 'unbind' ? variables.filter((v) => !v.startsWith('MODALIAS=')) : variables;
}
stepAction('uevent_send', (k, data, state) => {
  const { action, path, env } = data as { action: string; path: string; env: number };
  if (state.result === 0) sendUevent(k, action, path, withoutModalias(action, readEnv(k, env)));
  kfree(k, env);
});
/** The result of the event becomes the operation's. */
stepAction('uevent_value', (_k, _data, state: StepState) => {
  state.value = state.result;
});
/** kobject_uevent_env as the whole operation. */
export function ueventOperation(k: Kernel, kobj: number, action: string, extra: readonly string[]): number {
  return runSteps(k, (): Step[] => {
    const dir = k.drivers.model.dirs.get(kobj);
    const data = { kobj, action, path: dir === undefined ? '' : nodePath(dir), extra: extra.join(SEPARATOR) };
    return [{ act: 'uevent', data }, { act: 'uevent_value', data: {} }];
  });
}

// The file `uevent` of a device: what an event would say; writing sends one.

const deviceOf = (file: File) => (file.inode.data as KernfsNode).data as number;
function read(k: Kernel, file: File, iter: IovIter, pos: number): number {
  if (kernfsRemoved(file)) return -19;
  if (file.data === null || pos === 0) {
    const dev = deviceOf(file);
    const env = runSteps(k, (): Step[] => {
      const variables = deviceVariables(k, dev);
      return gather(k, dev, variables, (at) => ({ act: 'uevent_show', data: { env: at } })) ?? [{ act: 'uevent_plain', data: { dev } }];
    });
    if (env === BLOCKED) return BLOCKED;
    file.data = bytesOf(env === 0 ? '' : readEnv(k, env).map((v) => `${v}\n`).join(''));
    kfree(k, env);
  }
  const shown = file.data as Uint8Array;
  return pos >= shown.length ? 0 : iter.copyTo(k, shown.subarray(pos, pos + iter.count));
}
stepAction('uevent_plain', (k, data, state) => {
  state.value = makeEnv(k, deviceVariables(k, data['dev'] as number));
});
stepAction('uevent_show', (k, data, state) => {
  const env = data['env'] as number;
  if (state.result === 0) state.value = env;
  else kfree(k, env);
});
const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
/** kobject_action_args: what follows the action. The variables, or null when it cannot be read. */
function synthArguments(rest: string): string[] | null {
  const words = rest.split(' ').filter((w) => w !== '');
  if (words.length === 0) return ['SYNTH_UUID=0'];
  if (!UUID.test(words[0])) return null;
  const pairs = words.slice(1);
  if (pairs.some((p) => !/^[0-9A-Za-z]+=[0-9A-Za-z]+$/.test(p))) return null;
  return [`SYNTH_UUID=${words[0]}`, ...pairs.map((p) => `SYNTH_ARG_${p}`)];
}
function write(k: Kernel, file: File, iter: IovIter): number {
  const task = k.current;
  if (kernfsRemoved(file)) return -19;
  let line = task.restart?.['line'] as string | undefined;
  const count = line === undefined ? Math.min(iter.count, 4096) : (task.restart?.['count'] as number);
  if (line === undefined) {
    const bytes = iter.copyFrom(k, count);
    if (typeof bytes === 'number') return bytes;
    line = String.fromCharCode(...bytes).replace(/\n$/, '');
    task.restart = { ...task.restart, line, count };
  }
  const dev = deviceOf(file);
  const [action, ...rest] = line.split(' ');
  const variables = synthArguments(rest.join(' '));
  const complain = (why: string, error: number) => {
    const dir = k.drivers.model.dirs.get(dev);
    k.printk.log(4, `synth uevent: ${dir === undefined ? '' : nodePath(dir)}: ${why}`);
    deviceLog(k, 3, dev, `uevent: failed to send synthetic uevent: ${error}\n`);
    return error;
  };
  if (!UEVENT_ACTIONS.includes(action)) return complain('unknown uevent action string', -EINVAL);
  if (variables === null) return complain('incorrect uevent action arguments', -EINVAL);
  const r = ueventOperation(k, dev, action, variables);
  if (r === BLOCKED) return BLOCKED;
  return r === 0 ? count : complain('failed to send uevent', r | 0 || -EAGAIN);
}
export const ueventFileOps: FileOperations = { read, write, llseek: seqLseek };
