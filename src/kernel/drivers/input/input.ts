import { EINVAL, ENODEV, ENOMEM } from '../../../abi/errno.ts';
import * as I from '../../../abi/input.ts';
import { device as DEV, device_type as TYPE, class_struct as CLASS, input_absinfo as ABS, input_dev as IDEV, input_handle as HANDLE, input_handler as HANDLER, timer_list as TIMER } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import { nodePath } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, load8, loadBytes, store32, store64 } from '../../lib/guest_memory.ts';
import { imageListHead, initListHead, listAddTail, listDel, listNodes } from '../../lib/list.ts';
import { mutexInit } from '../../locking/mutex.ts';
import { readKernel16, writeKernel64 } from '../../mm/maccess.ts';
import type { DataExport } from '../../module/export.ts';
import { before, type Step, stepAction } from '../../module/steps.ts';
import { imageObject, symbolAddress } from '../../module/stubs.ts';
import { timerDelete } from '../../time/timer.ts';
import { deviceInitialize } from '../base/device.ts';
import { kobjectSetName, putStep } from '../base/kobject.ts';
import { imageString } from '../base/objects.ts';
import { inputFiles } from './input_sysfs.ts';

// Input devices and who listens to them (drivers/input/input.c). Both kinds are structures of modules; the lists that hold them are the kernel's own,
// in guest memory.

export const inputDevices = (k: Kernel) => listNodes(k, symbolAddress(k, 'input_dev_list')).map((n) => n - IDEV.node);
export const inputHandlers = (k: Kernel) => listNodes(k, symbolAddress(k, 'input_handler_list')).map((n) => n - HANDLER.node);
export const handlesOf = (k: Kernel, dev: number) => listNodes(k, dev + IDEV.h_list).map((n) => n - HANDLE.d_node);
export function testBit(k: Kernel, bits: number, n: number): boolean {
  return (load8(k, bits + (n >> 3)) & (1 << (n & 7))) !== 0;
}
/** input_allocate_device: 0 = no memory. */
export function allocateDevice(k: Kernel): number {
  const dev = kzalloc(k, IDEV.sizeof);
  if (dev === 0) return 0;
  const device = dev + IDEV.dev;
  writeKernel64(k, device + DEV.type, symbolAddress(k, 'input_dev_type'));
  writeKernel64(k, device + DEV.class, symbolAddress(k, 'input_class'));
  deviceInitialize(k, device);
  mutexInit(k, dev + IDEV.mutex);
  initListHead(k, dev + IDEV.h_list);
  initListHead(k, dev + IDEV.node);
  writeKernel64(k, dev + IDEV.timer + TIMER.function, symbolAddress(k, 'input_repeat_key'));
  kobjectSetName(k, device, `input${k.drivers.input.nextNumber++}`);
  return dev;
}
export const freeSteps = (dev: number): Step[] => (dev === 0 ? [] : [putStep(dev + IDEV.dev)]);
/** input_dev_release. */
export function releaseDevice(k: Kernel, device: number): void {
  const dev = device - IDEV.dev;
  for (const at of [IDEV.absinfo, IDEV.vals]) kfree(k, load64(k, dev + at));
  kfree(k, dev);
}

/** input_estimate_events_per_packet: axes and relative movements, one of every other kind, and the end. */
function eventsPerPacket(k: Kernel, dev: number): number {
  let events = 1;
  for (let i = 0; testBit(k, dev + IDEV.evbit, I.EV_ABS) && i <= I.ABS_MAX; i++) if (testBit(k, dev + IDEV.absbit, i)) events++;
  for (let i = 0; testBit(k, dev + IDEV.evbit, I.EV_REL) && i <= I.REL_MAX; i++) if (testBit(k, dev + IDEV.relbit, i)) events++;
  // Room for key and other events.
  return events + 7;
}
const KINDS: readonly (readonly [number, number, number])[] = [
  [I.EV_KEY, IDEV.keybit, 96],
  [I.EV_REL, IDEV.relbit, 8],
  [I.EV_ABS, IDEV.absbit, 8],
  [I.EV_MSC, IDEV.mscbit, 8],
  [I.EV_LED, IDEV.ledbit, 8],
  [I.EV_SND, IDEV.sndbit, 8],
  [I.EV_FF, IDEV.ffbit, 16],
  [I.EV_SW, IDEV.swbit, 8],
];
/** input_register_device as steps: 0 or -errno. */
export function registerSteps(k: Kernel, dev: number): Step[] | number {
  if (testBit(k, dev + IDEV.evbit, I.EV_ABS) && load64(k, dev + IDEV.absinfo) === 0) {
    k.printk.log(3, `${text(k, load64(k, dev + IDEV.dev))}: Absolute device without dev->absinfo, refusing to register`);
    return -EINVAL;
  }
  store32(k, dev + IDEV.evbit, load32(k, dev + IDEV.evbit) | 1);
  store64(k, dev + IDEV.keybit, load64(k, dev + IDEV.keybit) - (load64(k, dev + IDEV.keybit) & 1));
  // input_cleanse_bitmasks: what it cannot send it does not name.
  for (const [type, bits, bytes] of KINDS) if (!testBit(k, dev + IDEV.evbit, type)) for (let i = 0; i < bytes; i += 8) store64(k, dev + bits + i, 0);
  const hint = Math.max(load32(k, dev + IDEV.hint_events_per_packet), eventsPerPacket(k, dev));
  store32(k, dev + IDEV.hint_events_per_packet, hint);
  store32(k, dev + IDEV.max_vals, hint + 2);
  const vals = kzalloc(k, (hint + 2) * I.INPUT_VALUE);
  if (vals === 0) return -ENOMEM;
  store64(k, dev + IDEV.vals, vals);
  if (load32(k, dev + IDEV.rep) === 0 && load32(k, dev + IDEV.rep + 4) === 0) {
    store32(k, dev + IDEV.rep, SOFTREPEAT_DELAY);
    store32(k, dev + IDEV.rep + 4, SOFTREPEAT_PERIOD);
  }
  for (const [at, name] of [[IDEV.getkeycode, 'input_default_getkeycode'], [IDEV.setkeycode, 'input_default_setkeycode']] as const)
    if (load64(k, dev + at) === 0) store64(k, dev + at, symbolAddress(k, name));
  return [{ act: 'device_add', data: { dev: dev + IDEV.dev } }, { act: 'input_added', data: { dev } }];
}
const SOFTREPEAT_DELAY = 250;
const SOFTREPEAT_PERIOD = 33;
stepAction('input_added', (k, data, state) => {
  const dev = data['dev'] as number;
  if (state.value < 0) return;
  const dir = k.drivers.model.dirs.get(dev + IDEV.dev);
  if (dir !== undefined) inputFiles(k, dir, dev);
  const name = load64(k, dev + IDEV.name);
  k.printk.log(6, `input: ${name === 0 ? 'Unspecified device' : text(k, name)} as ${dir === undefined ? 'N/A' : nodePath(dir)}`);
  listAddTail(k, dev + IDEV.node, symbolAddress(k, 'input_dev_list'));
  before(state, ...inputHandlers(k).flatMap((handler) => attachSteps(k, dev, handler)), { act: 'value', data: { value: 0 } });
});
/** input_unregister_device as steps: its listeners let go first. */
export function unregisterSteps(k: Kernel, dev: number): Step[] {
  store32(k, dev + IDEV.going_away, (load32(k, dev + IDEV.going_away) & ~0xff) | 1);
  const gone = handlesOf(k, dev).map((handle): Step => ({ call: load64(k, load64(k, handle + HANDLE.handler) + HANDLER.disconnect), args: [handle] }));
  return [...gone, { act: 'input_gone', data: { dev } }, { act: 'device_del', data: { dev: dev + IDEV.dev } }, ...freeSteps(dev)];
}
stepAction('input_gone', (k, data) => {
  const dev = data['dev'] as number;
  timerDelete(k, dev + IDEV.timer);
  listDel(k, dev + IDEV.node);
  initListHead(k, dev + IDEV.node);
});

// Handlers.

const BITS: readonly (readonly [number, number, number])[] = [
  [I.InputDeviceId.evbit, IDEV.evbit, 1],
  [I.InputDeviceId.keybit, IDEV.keybit, 12],
  [I.InputDeviceId.relbit, IDEV.relbit, 1],
  [I.InputDeviceId.absbit, IDEV.absbit, 1],
  [I.InputDeviceId.mscbit, IDEV.mscbit, 1],
  [I.InputDeviceId.ledbit, IDEV.ledbit, 1],
  [I.InputDeviceId.sndbit, IDEV.sndbit, 1],
  [I.InputDeviceId.ffbit, IDEV.ffbit, 2],
  [I.InputDeviceId.swbit, IDEV.swbit, 1],
  [I.InputDeviceId.propbit, IDEV.propbit, 1],
];
/** input_match_device_id: every bit that the entry has the device has, too. */
export function matchId(k: Kernel, dev: number, id: number): boolean {
  const flags = load64(k, id + I.InputDeviceId.flags);
  const same = (flag: number, at: number, own: number) => (flags & flag) === 0 || readKernel16(k, id + at) === readKernel16(k, dev + IDEV.id + own);
  if (!same(I.INPUT_DEVICE_ID_MATCH_BUS, I.InputDeviceId.bustype, 0) || !same(I.INPUT_DEVICE_ID_MATCH_VENDOR, I.InputDeviceId.vendor, 2)) return false;
  if (!same(I.INPUT_DEVICE_ID_MATCH_PRODUCT, I.InputDeviceId.product, 4) || !same(I.INPUT_DEVICE_ID_MATCH_VERSION, I.InputDeviceId.version, 6)) return false;
  return BITS.every(([at, own, words]) => {
    const [wanted, has] = [loadBytes(k, id + at, words * 8).slice(), loadBytes(k, dev + own, words * 8)];
    return wanted.every((b, i) => (b & ~has[i]) === 0);
  });
}
/** input_attach_handler: the first entry of its table that fits, and that its match function takes. */
function attachSteps(k: Kernel, dev: number, handler: number): Step[] {
  const table = load64(k, handler + HANDLER.id_table);
  return table === 0 ? [] : [{ act: 'input_attach', data: { dev, handler, id: table } }];
}
stepAction('input_attach', (k, data, state) => {
  const [dev, handler] = [data['dev'] as number, data['handler'] as number];
  for (let id = data['id'] as number; ; id += I.InputDeviceId.sizeof) {
    const given = load64(k, id) !== 0 || load64(k, id + I.InputDeviceId.driver_info) !== 0;
    if (!given) return;
    if (!matchId(k, dev, id)) continue;
    const match = load64(k, handler + HANDLER.match);
    if (match === 0) before(state, ...connectSteps(k, dev, handler, id));
    else before(state, { call: match, args: [handler, dev] }, { act: 'input_matched', data: { dev, handler, id } });
    return;
  }
});
stepAction('input_matched', (k, data, state) => {
  const [dev, handler, id] = [data['dev'] as number, data['handler'] as number, data['id'] as number];
  if ((state.result & 0xff) !== 0) before(state, ...connectSteps(k, dev, handler, id));
  else before(state, { act: 'input_attach', data: { dev, handler, id: id + I.InputDeviceId.sizeof } });
});
function connectSteps(k: Kernel, dev: number, handler: number, id: number): Step[] {
  return [{ call: load64(k, handler + HANDLER.connect), args: [handler, dev, id] }, { act: 'input_connected', data: { dev, handler } }];
}
stepAction('input_connected', (k, data, state) => {
  const [dev, handler] = [data['dev'] as number, data['handler'] as number];
  if (state.result === 0 || state.result === -ENODEV) return;
  const name = text(k, load64(k, handler + HANDLER.name));
  k.printk.log(3, `input: failed to attach handler ${name} to device ${text(k, load64(k, dev + IDEV.dev))}, error: ${state.result}`);
});
/** input_register_handler as steps. */
export function registerHandlerSteps(k: Kernel, handler: number): Step[] {
  initListHead(k, handler + HANDLER.h_list);
  listAddTail(k, handler + HANDLER.node, symbolAddress(k, 'input_handler_list'));
  return [...inputDevices(k).flatMap((dev) => attachSteps(k, dev, handler)), { act: 'value', data: { value: 0 } }];
}
export function unregisterHandlerSteps(k: Kernel, handler: number): Step[] {
  const handles = listNodes(k, handler + HANDLER.h_list).map((n) => n - HANDLE.h_node);
  return [
    ...handles.map((handle): Step => ({ call: load64(k, handler + HANDLER.disconnect), args: [handle] })),
    { act: 'input_handler_gone', data: { handler } },
  ];
}
stepAction('input_handler_gone', (k, data) => {
  listDel(k, (data['handler'] as number) + HANDLER.node);
});

/** input_alloc_absinfo: dev->absinfo, made when it is first wanted. */
export function allocAbsinfo(k: Kernel, dev: number): number {
  const known = load64(k, dev + IDEV.absinfo);
  if (known !== 0) return known;
  const made = kzalloc(k, (I.ABS_MAX + 1) * ABS.sizeof);
  store64(k, dev + IDEV.absinfo, made);
  return made;
}

const listHead = (name: string): DataExport => ({ name, internal: true, place: imageListHead });
export const inputDataExports: readonly DataExport[] = [
  listHead('input_dev_list'),
  listHead('input_handler_list'),
  {
    name: 'input_class',
    place(k) {
      const at = imageObject(k, CLASS.sizeof, 8);
      writeKernel64(k, at + CLASS.name, imageString(k, 'input'));
      writeKernel64(k, at + CLASS.devnode, symbolAddress(k, 'input_devnode'));
      return at;
    },
  },
  {
    name: 'input_dev_type',
    internal: true,
    place(k) {
      const at = imageObject(k, TYPE.sizeof, 8);
      writeKernel64(k, at + TYPE.release, symbolAddress(k, 'input_dev_release'));
      return at;
    },
  },
];
