import type { Kernel } from '../kernel.ts';
import { nodePath } from '../fs/sysfs/kernfs.ts';

// What modules have registered and not taken back. After an unload each of these leads into memory that is gone.

/** Everything that modules have registered now, one line each. */
export function registeredObjects(k: Kernel): string[] {
  const { drivers, procfs, debugfs } = k;
  const { model } = drivers;
  const found: string[] = [];
  for (const r of drivers.regions) found.push(`numbers ${r.major}:${r.baseMinor}-${r.baseMinor + r.count - 1} '${r.name}'`);
  for (const c of drivers.cdevs) found.push(`cdev ${c.dev >>> 20}:${c.dev & 0xfffff}`);
  for (const m of drivers.misc) found.push(`misc device ${m.name}`);
  for (const d of model.devices.values()) {
    const dir = model.dirs.get(d.addr);
    if (d.added && dir !== undefined) found.push(`device ${nodePath(dir)}`);
  }
  for (const c of model.classes.values()) found.push(`class ${c.name}`);
  for (const b of model.buses.values()) found.push(`bus ${b.name}`);
  for (const d of model.drivers.values()) found.push(`driver ${d.name} of bus ${d.bus.name}`);
  for (const e of procfs.moduleEntries.values()) found.push(`/proc entry ${e.entry.name}`);
  for (const d of debugfs.handles.values()) found.push(`debugfs entry ${d.name}`);
  for (const f of drivers.moduleFiles.values()) found.push(`open file ${f.path.dentry.name}`);
  return found;
}
