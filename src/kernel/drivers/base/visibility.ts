import { attribute_group as GROUP } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { pointerArray } from '../../lib/list.ts';
import { type Step, stepAction } from '../../module/steps.ts';
import { pointer } from './kobject.ts';

// is_visible of attribute groups (fs/sysfs/group.c): which of a group's files there are, and with which mode, a function of the module says. It is asked
// before the group is made, and the answers wait in the model.

/** SYSFS_GROUP_INVISIBLE: nothing of the group, nor its directory. */
const INVISIBLE = 0o20000;
const key = (kobj: number, group: number, attr: number) => `${kobj} ${group} ${attr}`;

/** Steps that ask about groups of `kobj`. `update`: the directory is there, its first file is not asked about first. */
export function visibilitySteps(k: Kernel, kobj: number, groups: readonly number[], update = false): Step[] {
  const steps: Step[] = [];
  for (const group of groups) {
    const ask = (offset: number, attrs: number[]) => {
      const call = pointer(k, group + offset);
      if (call === 0) return;
      const one = (attr: number, i: number): Step[] => [
        { call, args: [kobj, attr, i] },
        { act: 'visible', data: { kobj, group, attr } },
      ];
      // A directory is made only when its first file does not say that all of it is invisible.
      if (offset === GROUP.is_visible && !update && pointer(k, group + GROUP.name) !== 0 && attrs.length > 0) steps.push(...one(attrs[0], 0));
      steps.push(...attrs.flatMap((attr, i) => one(attr, i)));
    };
    ask(GROUP.is_visible, pointerArray(k, pointer(k, group + GROUP.attrs)));
    ask(GROUP.is_bin_visible, pointerArray(k, pointer(k, group + GROUP.bin_attrs)));
  }
  return steps;
}
stepAction('visible', (k, data, state) => {
  k.drivers.model.modes.set(key(data['kobj'] as number, data['group'] as number, data['attr'] as number), state.result & 0xffff);
});
/** The mode that a file was given, 0 = it shall not be; null when nobody was asked. */
export function visibleMode(k: Kernel, kobj: number, group: number, attr: number): number | null {
  const at = key(kobj, group, attr);
  const mode = k.drivers.model.modes.get(at);
  k.drivers.model.modes.delete(at);
  return mode ?? null;
}
/** Whether the first file said that the whole group is invisible. */
export function groupInvisible(k: Kernel, kobj: number, group: number): boolean {
  const first = pointerArray(k, pointer(k, group + GROUP.attrs))[0];
  return first !== undefined && ((k.drivers.model.modes.get(key(kobj, group, first)) ?? 0) & INVISIBLE) !== 0;
}
