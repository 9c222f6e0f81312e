import type { Kernel } from '../../kernel.ts';
import { kfree } from '../../fs/module_file.ts';
import { before, type Step, stepAction } from '../../module/steps.ts';
import type { DeviceState, Devres } from './model.ts';

// Resources that a device holds for its driver (drivers/base/devres.c): released, the newest first, when the driver lets go of it or it ends.

/** What is kept about a struct device, from its first use on. */
export function deviceState(k: Kernel, addr: number): DeviceState {
  const { devices } = k.drivers.model;
  let state = devices.get(addr);
  if (state === undefined) {
    state = { addr, devres: [], node: '', devnode: { name: '', mode: 0 }, links: [], added: false };
    devices.set(addr, state);
  }
  return state;
}
export function addDevres(k: Kernel, device: number, resource: Devres): void {
  deviceState(k, device).devres.push(resource);
}
/** Takes out the newest resource of this data; null when there is none. */
export function takeDevres(k: Kernel, device: number, data: number, release: number | null = null): Devres | null {
  const list = k.drivers.model.devices.get(device)?.devres ?? [];
  for (let i = list.length - 1; i >= 0; i--) {
    if (list[i].data === data && (release === null || list[i].release === release)) return list.splice(i, 1)[0];
  }
  return null;
}
export function releaseSteps(device: number, r: Devres): Step[] {
  const steps: Step[] = [];
  if (r.release !== 0) steps.push({ call: r.release, args: r.action ? [r.data] : [device, r.data] });
  if (r.memory !== 0) steps.push({ act: 'kfree', data: { addr: r.memory } });
  return steps;
}
stepAction('kfree', (k, data) => kfree(k, data['addr'] as number));
stepAction('devres_release_all', (k, data, state) => {
  const device = data['device'] as number;
  const list = k.drivers.model.devices.get(device)?.devres.splice(0) ?? [];
  before(state, ...list.reverse().flatMap((r) => releaseSteps(device, r)));
});
