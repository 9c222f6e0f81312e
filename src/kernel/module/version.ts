import { modversion_info as MV } from '../../abi/layout/structs.ts';
import { TAINT_FORCED_MODULE } from '../../abi/module.ts';
import { SYMVERS } from '../../abi/symvers.ts';
import type { Kernel } from '../kernel.ts';
import { addTaint, testTaint } from '../panic.ts';
import type { ModuleElf } from './elf.ts';

// Symbol versions (kernel/module/version.c): a module tells the checksum of every symbol it was built against.

/** try_to_force_load: Debian allows it (MODULE_FORCE_LOAD), at the price of a taint. */
export function tryToForceLoad(k: Kernel, name: string, reason: string): boolean {
  if (!testTaint(k, TAINT_FORCED_MODULE)) k.printk.log(4, `${name}: ${reason}: kernel tainted.`);
  addTaint(k, TAINT_FORCED_MODULE, false);
  k.modules.forcedName = name;
  return true;
}
/** Does the module's version of `name` agree with `crc`? */
export function checkVersion(k: Kernel, elf: ModuleElf, name: string, crc: number | null): boolean {
  if (crc === null) return true;
  if (elf.versIndex === 0) return tryToForceLoad(k, elf.name, name);
  const s = elf.sections[elf.versIndex];
  for (let at = s.offset; at + MV.sizeof <= s.offset + s.size; at += MV.sizeof) {
    if (!nameIs(elf.image, at + MV.name, MV.sizeof - MV.name, name)) continue;
    if (elf.view.getUint32(at + MV.crc, true) === crc) return true;
    k.printk.log(4, `${elf.name}: disagrees about version of symbol ${name}`);
    return false;
  }
  if (!k.modules.noVersionSaid) {
    k.modules.noVersionSaid = true;
    k.printk.log(4, `${elf.name}: no symbol version for ${name}`);
  }
  return true;
}
function nameIs(image: Uint8Array, at: number, room: number, name: string): boolean {
  if (name.length >= room) return false;
  for (let i = 0; i < name.length; i++) if (image[at + i] !== name.charCodeAt(i)) return false;
  return image[at + name.length] === 0;
}
/** check_modstruct_version: struct module as this kernel has it. */
export function checkModstructVersion(k: Kernel, elf: ModuleElf): boolean {
  return checkVersion(k, elf, 'module_layout', SYMVERS['module_layout']?.[0] ?? null);
}
