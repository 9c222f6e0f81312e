import { led_classdev as LED, led_trigger as TRIGGER } from '../../../abi/layout/structs.ts';
import { EEXIST } from '../../../abi/errno.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load64, store32, store64 } from '../../lib/guest_memory.ts';
import { imageListHead, initListHead, listAddTail, listDel, listNodes } from '../../lib/list.ts';
import { type DataExport, type FunctionExport, fn, partial } from '../../module/export.ts';
import { runSteps, type Step } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';

// Triggers of LEDs (drivers/leds/led-triggers.c): their list, and the LEDs that follow each. LEDs themselves (led_classdev_register) are not there yet, so
// that a trigger has none.

const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);
const triggers = (k: Kernel) => listNodes(k, symbolAddress(k, 'trigger_list')).map((n) => n - TRIGGER.next_trig);

function register(k: Kernel, trigger: number): number {
  const name = text(k, load64(k, trigger + TRIGGER.name));
  initListHead(k, trigger + TRIGGER.led_cdevs);
  if (triggers(k).some((t) => text(k, load64(k, t + TRIGGER.name)) === name)) return -EEXIST;
  listAddTail(k, trigger + TRIGGER.next_trig, symbolAddress(k, 'trigger_list'));
  return 0;
}
function unregister(k: Kernel, trigger: number): void {
  // Not registered, or not any more.
  if (load64(k, trigger + TRIGGER.next_trig) === 0 || !triggers(k).includes(trigger)) return;
  listDel(k, trigger + TRIGGER.next_trig);
  initListHead(k, trigger + TRIGGER.next_trig);
}
export const ledExports: readonly FunctionExport[] = [
  fn('led_trigger_register', register),
  fn('led_trigger_unregister', unregister),
  // led_trigger_register_simple(name, &trigger): NULL when it cannot be.
  fn('led_trigger_register_simple', (k, name, at) => {
    const trigger = kzalloc(k, TRIGGER.sizeof);
    if (trigger !== 0) store64(k, trigger + TRIGGER.name, name);
    const err = trigger === 0 ? 0 : register(k, trigger);
    if (err < 0) {
      k.printk.log(4, `LED trigger ${text(k, name)} failed to register (${err})`);
      kfree(k, trigger);
    }
    store64(k, at, trigger === 0 || err < 0 ? 0 : trigger);
  }),
  fn('led_trigger_unregister_simple', (k, trigger) => {
    if (trigger === 0) return;
    unregister(k, trigger);
    kfree(k, trigger);
  }),
  partial('led_trigger_event', 'there are no LEDs', (k, trigger, brightness) =>
    quiet(
      runSteps(k, () => {
        if (trigger === 0) return [];
        store32(k, trigger + TRIGGER.brightness, brightness);
        return listNodes(k, trigger + TRIGGER.led_cdevs).map((node): Step => ({ call: load64(k, node - LED.trig_list + LED.brightness_set), args: [node - LED.trig_list, brightness] }));
      }),
    ),
  ),
];
export const ledDataExports: readonly DataExport[] = [{ name: 'trigger_list', internal: true, place: imageListHead }];
