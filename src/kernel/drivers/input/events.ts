import { EINVAL } from '../../../abi/errno.ts';
import * as I from '../../../abi/input.ts';
import { input_absinfo as ABS, input_dev as IDEV, input_handle as HANDLE, input_handler as HANDLER, timer_list as TIMER } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load16, load32, load64, load8, store16, store32, store64, store8 } from '../../lib/guest_memory.ts';
import { before, type Step, stepAction } from '../../module/steps.ts';
import { modTimer, timerDelete } from '../../time/timer.ts';
import { handlesOf, testBit } from './input.ts';

// Events on their way from a device to its listeners (drivers/input/input.c): what changes nothing is dropped, the rest is kept until SYN_REPORT.

const IGNORE = 0;
const TO_HANDLERS = 1;
const TO_DEVICE = 2;
const FLUSH = 8;
const TO_ALL = TO_HANDLERS | TO_DEVICE;
const ABS_MT_SLOT = 0x2f;
const ABS_MT_FIRST = 0x30;
const ABS_MT_LAST = 0x3d;
/** Type, place of the bits of its codes, highest code. */
export const CODES: ReadonlyMap<number, readonly [bits: number, max: number]> = new Map([
  [I.EV_KEY, [IDEV.keybit, I.KEY_MAX]],
  [I.EV_REL, [IDEV.relbit, I.REL_MAX]],
  [I.EV_ABS, [IDEV.absbit, I.ABS_MAX]],
  [I.EV_MSC, [IDEV.mscbit, I.MSC_MAX]],
  [I.EV_SW, [IDEV.swbit, I.SW_MAX]],
  [I.EV_LED, [IDEV.ledbit, I.LED_MAX]],
  [I.EV_SND, [IDEV.sndbit, I.SND_MAX]],
]);
const STATES: ReadonlyMap<number, number> = new Map([
  [I.EV_KEY, IDEV.key],
  [I.EV_SW, IDEV.sw],
  [I.EV_LED, IDEV.led],
  [I.EV_SND, IDEV.snd],
]);
function setBit(k: Kernel, bits: number, n: number, on: boolean): void {
  const byte = load8(k, bits + (n >> 3));
  store8(k, bits + (n >> 3), on ? byte | (1 << (n & 7)) : byte & ~(1 << (n & 7)));
}
/** input_defuzz_abs_event: small movements are smoothed. */
function defuzz(value: number, old: number, fuzz: number): number {
  if (fuzz === 0) return value;
  if (value > old - fuzz / 2 && value < old + fuzz / 2) return old;
  if (value > old - fuzz && value < old + fuzz) return Math.trunc((old * 3 + value) / 4);
  if (value > old - fuzz * 2 && value < old + fuzz * 2) return Math.trunc((old + value) / 2);
  return value;
}
/** input_get_disposition: who is told, and the value that is told. */
function disposition(k: Kernel, dev: number, type: number, code: number, given: number): { to: number; value: number } {
  let value = given;
  const none = { to: IGNORE, value };
  const codes = CODES.get(type);
  if (codes !== undefined && (code > codes[1] || !testBit(k, dev + codes[0], code))) return none;
  const state = STATES.get(type);
  switch (type) {
    case I.EV_SYN:
      if (code === I.SYN_CONFIG) return { to: TO_ALL, value };
      return code === I.SYN_REPORT ? { to: TO_HANDLERS | FLUSH, value } : code === I.SYN_MT_REPORT ? { to: TO_HANDLERS, value } : none;
    case I.EV_KEY:
      // Repetition says nothing new of the key.
      if (value === 2) return { to: TO_HANDLERS, value };
      if (testBit(k, dev + IDEV.key, code) === (value !== 0)) return none;
      setBit(k, dev + IDEV.key, code, value !== 0);
      return { to: TO_HANDLERS, value };
    case I.EV_SW:
    case I.EV_LED:
    case I.EV_SND:
      if (state === undefined || testBit(k, dev + state, code) === (value !== 0)) return type === I.EV_SND ? { to: TO_ALL, value } : none;
      setBit(k, dev + state, code, value !== 0);
      return { to: type === I.EV_SW ? TO_HANDLERS : TO_ALL, value };
    case I.EV_ABS: {
      if (code === ABS_MT_SLOT || (code >= ABS_MT_FIRST && code <= ABS_MT_LAST && load64(k, dev + IDEV.mt) !== 0)) return { to: TO_HANDLERS, value };
      const info = load64(k, dev + IDEV.absinfo) + code * ABS.sizeof;
      const old = load32(k, info + ABS.value) | 0;
      const bypass = code >= ABS_MT_FIRST && code <= ABS_MT_LAST;
      value = bypass ? value : defuzz(value, old, load32(k, info + ABS.fuzz) | 0);
      if (!bypass && value === old) return { to: IGNORE, value };
      store32(k, info + ABS.value, value);
      return { to: TO_HANDLERS, value };
    }
    case I.EV_REL:
      return value === 0 ? none : { to: TO_HANDLERS, value };
    case I.EV_MSC:
      return { to: TO_ALL, value };
    case I.EV_REP:
      if (code > I.REP_MAX || value < 0 || (load32(k, dev + IDEV.rep + code * 4) | 0) === value) return none;
      store32(k, dev + IDEV.rep + code * 4, value);
      return { to: TO_ALL, value };
    case I.EV_FF:
      return value >= 0 ? { to: TO_ALL, value } : none;
    case I.EV_PWR:
      return { to: TO_ALL, value };
  }
  return none;
}
/** input_event as steps. */
export function eventSteps(k: Kernel, dev: number, type: number, code: number, value: number): Step[] {
  if (type > I.EV_MAX || !testBit(k, dev + IDEV.evbit, type)) return [];
  // A device that is inhibited says nothing.
  if (load8(k, dev + IDEV.inhibited) !== 0) return [];
  const { to, value: told } = disposition(k, dev, type, code, value);
  if (to === IGNORE) return [];
  const steps: Step[] = (to & TO_DEVICE) === 0 ? [] : [{ call: load64(k, dev + IDEV.event), args: [dev, type, code, told] }];
  return [...steps, { act: 'input_event', data: { dev, type, code, value: told, to } }];
}
stepAction('input_event', (k, data, state) => {
  const [dev, to] = [data['dev'] as number, data['to'] as number];
  if ((to & TO_HANDLERS) !== 0) push(k, dev, data['type'] as number, data['code'] as number, data['value'] as number);
  const count = load32(k, dev + IDEV.num_vals);
  if ((to & FLUSH) !== 0) {
    // A packet of nothing but its end says nothing.
    if (count >= 2) before(state, ...passSteps(k, dev));
    else store32(k, dev + IDEV.num_vals, 0);
  } else if (count >= load32(k, dev + IDEV.max_vals) - 2) {
    push(k, dev, I.EV_SYN, I.SYN_REPORT, 1);
    before(state, ...passSteps(k, dev));
  }
});
function push(k: Kernel, dev: number, type: number, code: number, value: number): void {
  const count = load32(k, dev + IDEV.num_vals);
  const at = load64(k, dev + IDEV.vals) + count * I.INPUT_VALUE;
  store16(k, at, type);
  store16(k, at + 2, code);
  store32(k, at + 4, value);
  store32(k, dev + IDEV.num_vals, count + 1);
}
/** input_pass_values: to who has grabbed the device, or to all that opened it, one after the other. */
function passSteps(k: Kernel, dev: number): Step[] {
  const grab = load64(k, dev + IDEV.grab);
  const vals = load64(k, dev + IDEV.vals);
  const handles = grab !== 0 ? [grab] : handlesOf(k, dev).filter((h) => load32(k, h + HANDLE.open) !== 0);
  const steps = handles.map((handle): Step => ({ act: 'input_pass', data: { dev, handle, vals } }));
  return [...steps, { act: 'input_passed', data: { dev, vals } }];
}
stepAction('input_pass', (k, data, state) => {
  const [dev, handle, vals] = [data['dev'] as number, data['handle'] as number, data['vals'] as number];
  const count = load32(k, dev + IDEV.num_vals);
  if (count === 0) return;
  const handler = load64(k, handle + HANDLE.handler);
  const [filter, event, events] = [HANDLER.filter, HANDLER.event, HANDLER.events].map((at) => load64(k, handler + at));
  if (events !== 0 && filter === 0 && event === 0) {
    before(state, { call: events, args: [handle, vals, count] });
    return;
  }
  if (filter !== 0) {
    before(state, { act: 'input_filter', data: { dev, handle, vals, fn: filter, count, index: 0, kept: 0 } });
    return;
  }
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const at = vals + i * I.INPUT_VALUE;
    steps.push({ call: event, args: [handle, load16(k, at), load16(k, at + 2), load32(k, at + 4) | 0] });
  }
  before(state, ...steps);
});
/** input_handle_events_filter: what its function takes does not reach those behind it. */
stepAction('input_filter', (k, data, state) => {
  const { dev, handle, vals, fn, count, index } = data as Readonly<Record<string, number>>;
  let kept = data['kept'] as number;
  if (index > 0 && (state.result & 0xff) === 0) {
    if (kept !== index - 1) store64(k, vals + kept * I.INPUT_VALUE, load64(k, vals + (index - 1) * I.INPUT_VALUE));
    kept++;
  }
  if (index === count) {
    store32(k, dev + IDEV.num_vals, kept);
    return;
  }
  const at = vals + index * I.INPUT_VALUE;
  before(
    state,
    { call: fn, args: [handle, load16(k, at), load16(k, at + 2), load32(k, at + 4) | 0] },
    { act: 'input_filter', data: { ...data, kept, index: index + 1 } },
  );
});
stepAction('input_passed', (k, data) => {
  const [dev, vals] = [data['dev'] as number, data['vals'] as number];
  const count = load32(k, dev + IDEV.num_vals);
  store32(k, dev + IDEV.num_vals, 0);
  for (let at = 0; at < 3; at++) store64(k, dev + IDEV.timestamp + at * 8, 0);
  if (!testBit(k, dev + IDEV.evbit, I.EV_REP) || !testBit(k, dev + IDEV.evbit, I.EV_KEY)) return;
  for (let i = 0; i < count; i++) {
    const at = vals + i * I.INPUT_VALUE;
    if (load16(k, at) !== I.EV_KEY || load32(k, at + 4) === 2) continue;
    if (load32(k, at + 4) === 0) timerDelete(k, dev + IDEV.timer);
    else startRepeat(k, dev, load16(k, at + 2));
  }
});
/** input_start_autorepeat: only when a timer function is there, and delay and period are not 0. */
function startRepeat(k: Kernel, dev: number, code: number): void {
  const [delay, period] = [load32(k, dev + IDEV.rep), load32(k, dev + IDEV.rep + 4)];
  if (delay === 0 || period === 0 || load64(k, dev + IDEV.timer + TIMER.function) === 0) return;
  store32(k, dev + IDEV.repeat_key, code);
  modTimer(k, dev + IDEV.timer, k.time.jiffies + Math.ceil(delay / MS_PER_JIFFY));
}
const MS_PER_JIFFY = 4;
/** input_repeat_key, the timer's function: the key again, and the timer for the next time. */
export function repeatSteps(k: Kernel, timer: number): Step[] {
  const dev = timer - IDEV.timer;
  const code = load32(k, dev + IDEV.repeat_key);
  if (!testBit(k, dev + IDEV.key, code) || !testBit(k, dev + IDEV.keybit, code)) return [];
  const period = load32(k, dev + IDEV.rep + 4);
  if (period !== 0) modTimer(k, timer, k.time.jiffies + Math.ceil(period / MS_PER_JIFFY));
  push(k, dev, I.EV_KEY, code, 2);
  push(k, dev, I.EV_SYN, I.SYN_REPORT, 1);
  return passSteps(k, dev);
}

// Keymaps that the driver gave as an array (input_default_getkeycode).

function keymapIndex(k: Kernel, dev: number, entry: number): number {
  const max = load32(k, dev + IDEV.keycodemax);
  let index: number;
  if ((load8(k, entry + I.KeymapEntry.flags) & I.INPUT_KEYMAP_BY_INDEX) !== 0) index = load16(k, entry + I.KeymapEntry.index);
  else {
    const scalar = scancode(k, entry);
    if (scalar === null) return -EINVAL;
    index = scalar;
  }
  return index >= max ? -EINVAL : index;
}
/** input_scancode_to_scalar; null: of no size that a number has. */
export function scancode(k: Kernel, entry: number): number | null {
  const at = entry + I.KeymapEntry.scancode;
  switch (load8(k, entry + I.KeymapEntry.len)) {
    case 1:
      return load8(k, at);
    case 2:
      return load16(k, at);
    case 4:
      return load32(k, at);
  }
  return null;
}
function keycodeAt(k: Kernel, dev: number, index: number): number {
  const [size, table] = [load32(k, dev + IDEV.keycodesize), load64(k, dev + IDEV.keycode)];
  return size === 1 ? load8(k, table + index) : size === 2 ? load16(k, table + index * 2) : load32(k, table + index * 4);
}
export function defaultGetKeycode(k: Kernel, dev: number, entry: number): number {
  if (load32(k, dev + IDEV.keycodesize) === 0) return -EINVAL;
  const index = keymapIndex(k, dev, entry);
  if (index < 0) return index;
  store32(k, entry + I.KeymapEntry.keycode, keycodeAt(k, dev, index));
  store16(k, entry + I.KeymapEntry.index, index);
  store8(k, entry + I.KeymapEntry.len, 4);
  store32(k, entry + I.KeymapEntry.scancode, index);
  return 0;
}
export function defaultSetKeycode(k: Kernel, dev: number, entry: number, oldAt: number): number {
  const size = load32(k, dev + IDEV.keycodesize);
  if (size === 0) return -EINVAL;
  const index = keymapIndex(k, dev, entry);
  if (index < 0) return index;
  const code = load32(k, entry + I.KeymapEntry.keycode);
  if (size < 4 && code >= 2 ** (size * 8)) return -EINVAL;
  const old = keycodeAt(k, dev, index);
  store32(k, oldAt, old);
  const table = load64(k, dev + IDEV.keycode);
  if (size === 1) store8(k, table + index, code);
  else if (size === 2) store16(k, table + index * 2, code);
  else store32(k, table + index * 4, code);
  if (old <= I.KEY_MAX) {
    setBit(k, dev + IDEV.keybit, old, false);
    for (let i = 0; i < load32(k, dev + IDEV.keycodemax); i++) if (keycodeAt(k, dev, i) === old) setBit(k, dev + IDEV.keybit, old, true);
  }
  setBit(k, dev + IDEV.keybit, code, true);
  return 0;
}
