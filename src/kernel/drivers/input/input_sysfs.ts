import { EINVAL } from '../../../abi/errno.ts';
import * as I from '../../../abi/input.ts';
import { device as DEV, input_dev as IDEV, input_handle as HANDLE, input_handler as HANDLER } from '../../../abi/layout/structs.ts';
import type { Attribute, KernfsNode } from '../../fs/sysfs/kernfs.ts';
import { nodePath } from '../../fs/sysfs/kernfs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, load8, loadBig, store8 } from '../../lib/guest_memory.ts';
import { hex } from '../../lib/seq_file.ts';
import { readKernel16 } from '../../mm/maccess.ts';
import { handlesOf, inputDevices, inputHandlers, testBit } from './input.ts';

// Input devices in sysfs, in events and in /proc/bus/input (drivers/input/input.c).

const string = (k: Kernel, at: number) => (at === 0 ? '' : text(k, at, 256));
const id = (k: Kernel, dev: number, at: number) => readKernel16(k, dev + IDEV.id + at) ?? 0;
const ID = ['bustype', 'vendor', 'product', 'version'];
/** input_print_bitmap: words of 64 bits from the highest that is not zero. */
function bitmap(k: Kernel, bits: number, max: number): string {
  const words: string[] = [];
  for (let i = Math.floor(max / 64); i >= 0; i--) {
    const word = BigInt.asUintN(64, loadBig(k, bits + i * 8));
    if (word !== 0n || words.length > 0) words.push(word.toString(16));
  }
  return words.length === 0 ? '0' : words.join(' ');
}
/** Kinds of events with their bits: name, type, place, highest, letter in aliases and the first code that stands there. */
const BITMAPS: readonly (readonly [string, number, number, number, string, number])[] = [
  ['key', I.EV_KEY, IDEV.keybit, I.KEY_MAX, 'k', I.KEY_MIN_INTERESTING],
  ['rel', I.EV_REL, IDEV.relbit, I.REL_MAX, 'r', 0],
  ['abs', I.EV_ABS, IDEV.absbit, I.ABS_MAX, 'a', 0],
  ['msc', I.EV_MSC, IDEV.mscbit, I.MSC_MAX, 'm', 0],
  ['led', I.EV_LED, IDEV.ledbit, I.LED_MAX, 'l', 0],
  ['snd', I.EV_SND, IDEV.sndbit, I.SND_MAX, 's', 0],
  ['ff', I.EV_FF, IDEV.ffbit, I.FF_MAX, 'f', 0],
  ['sw', I.EV_SW, IDEV.swbit, I.SW_MAX, 'w', 0],
];
/** input_print_modalias. */
function modalias(k: Kernel, dev: number): string {
  const four = (at: number) => hex(id(k, dev, at), 4).toUpperCase();
  const codes = (bits: number, from: number, max: number) => {
    let s = '';
    for (let i = from; i <= max; i++) if (testBit(k, bits, i)) s += `${i.toString(16).toUpperCase()},`;
    return s;
  };
  const rest = BITMAPS.map(([, , bits, max, letter, from]) => `${letter}${codes(dev + bits, from, max)}`).join('');
  return `input:b${four(0)}v${four(2)}p${four(4)}e${four(6)}-e${codes(dev + IDEV.evbit, 0, I.EV_MAX)}${rest}`;
}
/** The kinds that it can send. */
const sent = (k: Kernel, dev: number) => BITMAPS.filter(([, type]) => testBit(k, dev + IDEV.evbit, type));
/** input_dev_uevent. */
export function inputVariables(k: Kernel, device: number): string[] {
  if (load64(k, device + DEV.type) === 0) return [];
  const dev = device - IDEV.dev;
  const numbers = [0, 2, 4, 6].map((at) => id(k, dev, at).toString(16)).join('/');
  const named = ([['NAME', IDEV.name], ['PHYS', IDEV.phys], ['UNIQ', IDEV.uniq]] as const).filter(([, at]) => load64(k, dev + at) !== 0);
  return [
    `PRODUCT=${numbers}`,
    ...named.map(([name, at]) => `${name}="${string(k, load64(k, dev + at))}"`),
    `PROP=${bitmap(k, dev + IDEV.propbit, I.INPUT_PROP_MAX)}`,
    `EV=${bitmap(k, dev + IDEV.evbit, I.EV_MAX)}`,
    ...sent(k, dev).map(([name, , bits, max]) => `${name.toUpperCase()}=${bitmap(k, dev + bits, max)}`),
    `MODALIAS=${modalias(k, dev)}`,
  ];
}

const show = (value: (k: Kernel, dev: number) => string): Attribute => ({ show: (k, node) => `${value(k, node.data as number)}\n` });
const FILES: readonly (readonly [string, Attribute])[] = [
  ['name', show((k, dev) => string(k, load64(k, dev + IDEV.name)))],
  ['phys', show((k, dev) => string(k, load64(k, dev + IDEV.phys)))],
  ['uniq', show((k, dev) => string(k, load64(k, dev + IDEV.uniq)))],
  ['modalias', show(modalias)],
  ['properties', show((k, dev) => bitmap(k, dev + IDEV.propbit, I.INPUT_PROP_MAX))],
];
const inhibited: Attribute = {
  ...show((k, dev) => String(load8(k, dev + IDEV.inhibited))),
  store(k, node, value) {
    const on = /^[1yYtT]|^on/.test(value.trim());
    if (!on && !/^[0nNfF]|^off/.test(value.trim())) return -EINVAL;
    store8(k, (node.data as number) + IDEV.inhibited, on ? 1 : 0);
    return 0;
  },
};
/** The files of a device's directory (input_dev_attr_groups). */
export function inputFiles(k: Kernel, dir: KernfsNode, dev: number): void {
  for (const [name, attr] of FILES) k.sysfs.createFile(dir, name, 0o444, attr, dev);
  k.sysfs.createFile(dir, 'inhibited', 0o644, inhibited, dev);
  const ids = k.sysfs.mkdir(dir, 'id');
  if (typeof ids !== 'number') for (const [i, name] of ID.entries()) k.sysfs.createFile(ids, name, 0o444, idFiles[i], dev);
  const capabilities = k.sysfs.mkdir(dir, 'capabilities');
  if (typeof capabilities === 'number') return;
  k.sysfs.createFile(capabilities, 'ev', 0o444, evFile, dev);
  for (const [i, [name]] of BITMAPS.entries()) k.sysfs.createFile(capabilities, name, 0o444, bitFiles[i], dev);
}
const idFiles = ID.map((_, i) => show((k, dev) => hex(id(k, dev, i * 2), 4)));
const evFile = show((k, dev) => bitmap(k, dev + IDEV.evbit, I.EV_MAX));
const bitFiles = BITMAPS.map(([, , bits, max]) => show((k, dev) => bitmap(k, dev + bits, max)));

/** input_devices_seq_show. */
function showDevices(k: Kernel): string {
  let out = '';
  for (const dev of inputDevices(k)) {
    const four = (at: number) => hex(id(k, dev, at), 4);
    const dir = k.drivers.model.dirs.get(dev + IDEV.dev);
    const handlers = handlesOf(k, dev).map((handle) => `${string(k, load64(k, handle + HANDLE.name))} `);
    out += `I: Bus=${four(0)} Vendor=${four(2)} Product=${four(4)} Version=${four(6)}\n`;
    out += `N: Name="${string(k, load64(k, dev + IDEV.name))}"\nP: Phys=${string(k, load64(k, dev + IDEV.phys))}\n`;
    out += `S: Sysfs=${dir === undefined ? '' : nodePath(dir)}\nU: Uniq=${string(k, load64(k, dev + IDEV.uniq))}\nH: Handlers=${handlers.join('')}\n`;
    out += `B: PROP=${bitmap(k, dev + IDEV.propbit, I.INPUT_PROP_MAX)}\nB: EV=${bitmap(k, dev + IDEV.evbit, I.EV_MAX)}\n`;
    out += `${sent(k, dev)
      .map(([name, , bits, max]) => `B: ${name.toUpperCase()}=${bitmap(k, dev + bits, max)}\n`)
      .join('')}\n`;
  }
  return out;
}
/** input_handlers_seq_show. */
function showHandlers(k: Kernel): string {
  return inputHandlers(k)
    .map((handler, i) => {
      const filter = load64(k, handler + HANDLER.filter) === 0 ? '' : ' (filter)';
      const minor = load8(k, handler + HANDLER.legacy_minors) === 0 ? '' : ` Minor=${load32(k, handler + HANDLER.minor)}`;
      return `N: Number=${i} Name=${string(k, load64(k, handler + HANDLER.name))}${filter}${minor}\n`;
    })
    .join('');
}
export function inputProcInit(k: Kernel): void {
  k.procfs.create('bus/input/devices', showDevices);
  k.procfs.create('bus/input/handlers', showHandlers);
}
