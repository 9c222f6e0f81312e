import { EBUSY, EFAULT, EINVAL, ENODEV, ENOSPC, ENOSYS } from '../../../abi/errno.ts';
import * as I from '../../../abi/input.ts';
import { input_absinfo as ABS, input_dev as IDEV, input_handle as HANDLE, input_handler as HANDLER } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, load8, loadBytes, store32, store64, store8, storeBytes } from '../../lib/guest_memory.ts';
import { initListHead, listAdd, listAddTail, listDel } from '../../lib/list.ts';
import { copyFromUser, copyToUser } from '../../mm/uaccess.ts';
import { type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { classRegister } from '../base/device.ts';
import { kobjectName, kstrdup } from '../base/kobject.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { CODES, defaultGetKeycode, defaultSetKeycode, eventSteps, repeatSteps, scancode } from './events.ts';
import { allocAbsinfo, allocateDevice, freeSteps, matchId, registerHandlerSteps, registerSteps, releaseDevice, testBit, unregisterHandlerSteps, unregisterSteps } from './input.ts';
import { inputProcInit, inputVariables } from './input_sysfs.ts';

// What drivers and handlers of input import (drivers/input/input.c).

const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);

/** input_register_handle: filters hear first. */
function registerHandle(k: Kernel, handle: number): number {
  const [dev, handler] = [load64(k, handle + HANDLE.dev), load64(k, handle + HANDLE.handler)];
  const add = load64(k, handler + HANDLER.filter) !== 0 ? listAdd : listAddTail;
  add(k, handle + HANDLE.d_node, dev + IDEV.h_list);
  listAddTail(k, handle + HANDLE.h_node, handler + HANDLER.h_list);
  const start = load64(k, handler + HANDLER.start);
  return runSteps(k, () => [{ call: start, args: [handle] }, { act: 'value', data: { value: 0 } }]);
}
/** input_open_device: the first opens the device itself. */
function openDevice(k: Kernel, handle: number): number {
  return runSteps(k, () => {
    const dev = load64(k, handle + HANDLE.dev);
    if (load8(k, dev + IDEV.going_away) !== 0) return -ENODEV;
    store32(k, handle + HANDLE.open, load32(k, handle + HANDLE.open) + 1);
    const users = load32(k, dev + IDEV.users);
    store32(k, dev + IDEV.users, users + 1);
    const open = users > 0 || load8(k, dev + IDEV.inhibited) !== 0 ? 0 : load64(k, dev + IDEV.open);
    return open === 0 ? 0 : [{ call: open, args: [dev] }, { act: 'input_opened', data: { dev, handle } }];
  });
}
stepAction('input_opened', (k, data, state) => {
  const [dev, handle] = [data['dev'] as number, data['handle'] as number];
  state.value = state.result;
  if (state.value === 0) return;
  store32(k, dev + IDEV.users, load32(k, dev + IDEV.users) - 1);
  store32(k, handle + HANDLE.open, load32(k, handle + HANDLE.open) - 1);
});
function closeDevice(k: Kernel, handle: number): number {
  return runSteps(k, () => {
    const dev = load64(k, handle + HANDLE.dev);
    if (load64(k, dev + IDEV.grab) === handle) store64(k, dev + IDEV.grab, 0);
    const users = load32(k, dev + IDEV.users) - 1;
    store32(k, dev + IDEV.users, users);
    store32(k, handle + HANDLE.open, load32(k, handle + HANDLE.open) - 1);
    return users > 0 || load8(k, dev + IDEV.inhibited) !== 0 ? [] : [{ call: load64(k, dev + IDEV.close), args: [dev] }];
  });
}
/** input_get_new_minor: one of the old range, or a new one. */
function newMinor(k: Kernel, base: number, count: number, dynamic: boolean): number {
  const { minors } = k.drivers.input;
  const ranges = [...(base >= 0 ? [[base, base + count]] : []), ...(dynamic ? [[I.INPUT_FIRST_DYNAMIC_DEV, I.INPUT_MAX_CHAR_DEVICES]] : [])];
  for (const [from, to] of ranges) {
    for (let minor = from; minor < to; minor++) {
      if (minors.has(minor)) continue;
      minors.add(minor);
      return minor;
    }
  }
  return -ENOSPC;
}
const keycode = (k: Kernel, dev: number, member: number, args: readonly number[]): Step[] => [{ call: load64(k, dev + member), args: [dev, ...args] }, { act: 'input_result', data: {} }];
stepAction('input_result', (_k, _data, state) => {
  state.value = state.result;
});
/** input_set_keycode: a key that is down and that no code leads to any more is let go. */
stepAction('input_keycode_set', (k, data, state) => {
  const [dev, old] = [data['dev'] as number, load32(k, data['old'] as number)];
  const value = state.result;
  if (value < 0 || !testBit(k, dev + IDEV.evbit, I.EV_KEY) || old > I.KEY_MAX || testBit(k, dev + IDEV.keybit, old) || !testBit(k, dev + IDEV.key, old)) {
    state.value = value;
    return;
  }
  before(state, ...eventSteps(k, dev, I.EV_KEY, old, 0), ...eventSteps(k, dev, I.EV_SYN, I.SYN_REPORT, 1), { act: 'value', data: { value } });
});
/** input_get_timestamp: of the packet, in three clocks; set when it is first wanted. */
function timestamp(k: Kernel, dev: number): number {
  const at = dev + IDEV.timestamp;
  if (load64(k, at) === 0) {
    const now = k.time.now();
    const wall = k.time.wall();
    store64(k, at, now);
    store64(k, at + 8, wall.sec * 1e9 + wall.nsec);
    store64(k, at + 16, now);
  }
  return at;
}

export const inputExports: readonly FunctionExport[] = [
  fn('input_allocate_device', (k) => allocateDevice(k)),
  fn('input_free_device', (k, dev) => quiet(runSteps(k, () => freeSteps(dev)))),
  partial('input_register_device', 'no pollers, no force feedback', (k, dev) => runSteps(k, () => registerSteps(k, dev))),
  fn('input_unregister_device', (k, dev) => quiet(runSteps(k, () => unregisterSteps(k, dev)))),
  fn('input_event', (k, dev, type, code, value) => quiet(runSteps(k, () => eventSteps(k, dev, type >>> 0, code >>> 0, value | 0)))),
  fn('input_inject_event', (k, handle, type, code, value) =>
    quiet(
      runSteps(k, () => {
        const dev = load64(k, handle + HANDLE.dev);
        const grab = load64(k, dev + IDEV.grab);
        return grab === 0 || grab === handle ? eventSteps(k, dev, type >>> 0, code >>> 0, value | 0) : [];
      }),
    ),
  ),
  fn('input_register_handler', (k, handler) => runSteps(k, () => registerHandlerSteps(k, handler))),
  fn('input_unregister_handler', (k, handler) => quiet(runSteps(k, () => unregisterHandlerSteps(k, handler)))),
  fn('input_register_handle', (k, handle) => (k.current.restart?.['steps'] === undefined ? registerHandle(k, handle) : runSteps(k, () => 0))),
  fn('input_unregister_handle', (k, handle) => {
    listDel(k, handle + HANDLE.h_node);
    initListHead(k, handle + HANDLE.h_node);
    listDel(k, handle + HANDLE.d_node);
  }),
  fn('input_open_device', openDevice),
  fn('input_close_device', (k, handle) => quiet(closeDevice(k, handle))),
  fn('input_flush_device', (k, handle, file) =>
    runSteps(k, () => {
      const dev = load64(k, handle + HANDLE.dev);
      const flush = load64(k, dev + IDEV.flush);
      return flush === 0 ? 0 : [{ call: flush, args: [dev, file] }, { act: 'input_result', data: {} }];
    }),
  ),
  fn('input_grab_device', (k, handle) => {
    const dev = load64(k, handle + HANDLE.dev);
    if (load64(k, dev + IDEV.grab) !== 0) return -EBUSY;
    store64(k, dev + IDEV.grab, handle);
    return 0;
  }),
  fn('input_release_device', (k, handle) => {
    const dev = load64(k, handle + HANDLE.dev);
    if (load64(k, dev + IDEV.grab) === handle) store64(k, dev + IDEV.grab, 0);
  }),
  fn('input_get_new_minor', (k, base, count, dynamic) => newMinor(k, base | 0, count >>> 0, (dynamic & 0xff) !== 0)),
  fn('input_free_minor', (k, minor) => {
    k.drivers.input.minors.delete(minor);
  }),
  fn('input_match_device_id', (k, dev, id) => (matchId(k, dev, id) ? 1 : 0)),
  fn('input_get_keycode', (k, dev, entry) => runSteps(k, () => keycode(k, dev, IDEV.getkeycode, [entry]))),
  fn('input_set_keycode', (k, dev, entry) =>
    runSteps(k, () => {
      if (load32(k, entry + I.KeymapEntry.keycode) > I.KEY_MAX) return -EINVAL;
      const old = dev + IDEV.repeat_key;
      return [{ call: load64(k, dev + IDEV.setkeycode), args: [dev, entry, old] }, { act: 'input_keycode_set', data: { dev, old } }];
    }),
  ),
  internal('input_default_getkeycode', defaultGetKeycode),
  internal('input_default_setkeycode', defaultSetKeycode),
  fn('input_scancode_to_scalar', (k, entry, at) => {
    const scalar = scancode(k, entry);
    if (scalar === null) return -EINVAL;
    store32(k, at, scalar);
    return 0;
  }),
  fn('input_set_capability', (k, dev, type, code) => setCapability(k, dev, type >>> 0, code >>> 0)),
  fn('input_alloc_absinfo', (k, dev) => {
    allocAbsinfo(k, dev);
  }),
  fn('input_set_abs_params', (k, dev, axis, min, max, fuzz) => {
    const info = allocAbsinfo(k, dev);
    if (info === 0) return;
    const at = info + (axis >>> 0) * ABS.sizeof;
    store32(k, at + ABS.minimum, min);
    store32(k, at + ABS.maximum, max);
    store32(k, at + ABS.fuzz, fuzz);
    store32(k, at + ABS.flat, k.machine.regs.get(15));
    setIn(k, dev + IDEV.evbit, I.EV_ABS);
    setIn(k, dev + IDEV.absbit, axis >>> 0);
  }),
  fn('input_set_timestamp', (k, dev, time) => {
    const wall = k.time.wall();
    store64(k, dev + IDEV.timestamp, time);
    store64(k, dev + IDEV.timestamp + 8, time + wall.sec * 1e9 + wall.nsec - k.time.now());
    store64(k, dev + IDEV.timestamp + 16, time);
  }),
  fn('input_get_timestamp', timestamp),
  fn('input_enable_softrepeat', (k, dev, delay, period) => {
    store32(k, dev + IDEV.rep, delay);
    store32(k, dev + IDEV.rep + 4, period);
  }),
  fn('input_event_from_user', (k, buffer, event) => {
    const bytes = copyFromUser(k, buffer, I.INPUT_EVENT);
    if (typeof bytes === 'number') return -EFAULT;
    storeBytes(k, event, bytes);
    return 0;
  }),
  fn('input_event_to_user', (k, buffer, event) => (copyToUser(k, buffer, loadBytes(k, event, I.INPUT_EVENT).slice()) < 0 ? -EFAULT : 0)),
  // Without input_ff_create no device has effects.
  partial('input_ff_upload', 'no device has force feedback', () => -ENOSYS),
  partial('input_ff_erase', 'no device has force feedback', () => -ENOSYS),
  partial('input_ff_event', 'no device has force feedback', () => 0),
  partial('input_ff_effect_from_user', 'no device has force feedback', () => -ENOSYS),
  internal('input_dev_release', (k, device) => {
    releaseDevice(k, device);
    return undefined;
  }),
  internal('input_repeat_key', (k, timer) => quiet(runSteps(k, () => repeatSteps(k, timer)))),
  // devnode of the class: its nodes lie below /dev/input.
  internal('input_devnode', (k, dev) => kstrdup(k, `input/${kobjectName(k, dev)}`)),
];
function setIn(k: Kernel, bits: number, n: number): void {
  store8(k, bits + (n >> 3), load8(k, bits + (n >> 3)) | (1 << (n & 7)));
}
const CAPABILITY: typeof CODES = new Map([...CODES, [I.EV_FF, [IDEV.ffbit, I.FF_MAX]]]);
function setCapability(k: Kernel, dev: number, type: number, code: number): void {
  const place = CAPABILITY.get(type);
  if (place === undefined ? type !== I.EV_PWR : code > place[1]) {
    k.printk.log(3, place === undefined ? `input_set_capability: unknown type ${type} (code ${code})` : `input_set_capability: invalid code ${code} for type ${type}`);
    return;
  }
  if (type === I.EV_ABS) allocAbsinfo(k, dev);
  if (place !== undefined) setIn(k, dev + place[0], code);
  setIn(k, dev + IDEV.evbit, type);
}
/** input_init: the class, the numbers, /proc/bus/input. */
export function inputInit(k: Kernel): void {
  classRegister(k, symbolAddress(k, 'input_class'));
  k.drivers.model.classVariables.set('input', inputVariables);
  k.drivers.registerRegion(I.INPUT_MAJOR, 0, I.INPUT_MAX_CHAR_DEVICES, 'input');
  inputProcInit(k);
}
