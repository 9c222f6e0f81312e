import { EINVAL, ENOENT, ENOEXEC } from '../../abi/errno.ts';
import { SHN_ABS, SHN_COMMON, SHN_UNDEF, STB_WEAK } from '../../abi/elf.ts';
import { kernel_symbol as KS } from '../../abi/layout/structs.ts';
import { TAINT_PROPRIETARY_MODULE } from '../../abi/module.ts';
import type { Kernel } from '../kernel.ts';
import { kernelString, readKernel32, readKernel64 } from '../mm/maccess.ts';
import { findSection, type ModuleElf } from './elf.ts';
import { listModules, type Module, type ModuleExport, tryModuleGet } from './module.ts';
import { checkVersion } from './version.ts';

// Symbols of a module that is being loaded (kernel/module/main.c, simplify_symbols, resolve_symbol, find_symbol).

interface Found {
  readonly addr: number;
  readonly owner: Module | null;
}

/** Gives every symbol its address. 0, or -errno after a line in the log for each that is missing. */
export function simplifySymbols(k: Kernel, elf: ModuleElf, mod: Module): number {
  let result = 0;
  elf.symbols.forEach((s, i) => {
    if (i === 0) return;
    switch (s.shndx) {
      case SHN_COMMON:
        // Common symbols have no place; -fno-common makes none. GCC's __gnu_lto marks are ignored.
        if (s.name.startsWith('__gnu_lto')) return;
        k.printk.log(4, `${mod.name}: please compile with -fno-common`);
        result = -ENOEXEC;
        return;
      case SHN_ABS:
        return;
      case SHN_UNDEF: {
        const found = resolveSymbol(k, elf, mod, s.name);
        if (typeof found !== 'number') {
          s.value = found.addr;
          return;
        }
        if (found === -ENOENT && s.info >> 4 === STB_WEAK) {
          s.value = 0;
          return;
        }
        k.printk.log(4, `${mod.name}: Unknown symbol ${s.name} (err ${found})`);
        result = found;
        return;
      }
      default:
        if (s.shndx < elf.sections.length) s.value += elf.sections[s.shndx].addr;
    }
  });
  return result;
}

/** A symbol of the kernel or of another module, whose user this one becomes; or -errno. */
function resolveSymbol(k: Kernel, elf: ModuleElf, mod: Module, name: string): Found | number {
  const gplOk = (mod.taints & (1 << TAINT_PROPRIETARY_MODULE)) === 0;
  const own = k.modules.symbols.get(name);
  if (own?.exported === true) {
    if (own.gpl && !gplOk) return -ENOENT;
    if (own.gpl) mod.usingGplOnlySymbols = true;
    return checkVersion(k, elf, name, own.crc) ? { addr: own.addr, owner: null } : -EINVAL;
  }
  for (const owner of listModules(k)) {
    if (owner === mod) continue;
    const symbol = owner.exports.get(name);
    if (symbol === undefined) continue;
    if (symbol.gpl && !gplOk) return -ENOENT;
    if (symbol.gpl) mod.usingGplOnlySymbols = true;
    if (!inheritTaint(k, mod, owner, name)) return -ENOENT;
    if (!checkVersion(k, elf, name, symbol.crc)) return -EINVAL;
    if (symbol.namespace !== '' && !mod.importNamespaces.includes(symbol.namespace)) {
      k.printk.log(3, `${mod.name}: module uses symbol (${name}) from namespace ${symbol.namespace}, but does not import it.`);
      return -EINVAL;
    }
    if (!mod.uses.includes(owner)) {
      if (!tryModuleGet(owner)) return -ENOENT;
      mod.uses.push(owner);
      owner.users.unshift(mod);
    }
    return { addr: symbol.value, owner };
  }
  return -ENOENT;
}

/** A user of a proprietary module's symbols is one too; false when it uses symbols that are for GPL modules only. */
function inheritTaint(k: Kernel, mod: Module, owner: Module, name: string): boolean {
  const bit = 1 << TAINT_PROPRIETARY_MODULE;
  if ((owner.taints & bit) === 0) return true;
  if (mod.usingGplOnlySymbols) {
    k.printk.log(3, `${mod.name}: module using GPL-only symbols uses symbols ${name} from proprietary module ${owner.name}.`);
    return false;
  }
  if ((mod.taints & bit) === 0) {
    k.printk.log(4, `${mod.name}: module uses symbols ${name} from proprietary module ${owner.name}, inheriting taint.`);
    mod.taints |= bit;
  }
  return true;
}

/** The symbols in a module's own tables: struct kernel_symbol, with a CRC beside each where there are any. */
export function exportsOf(k: Kernel, elf: ModuleElf): Map<string, ModuleExport> {
  const out = new Map<string, ModuleExport>();
  for (const suffix of ['', '_gpl']) {
    const tab = elf.sections[findSection(elf, `__ksymtab${suffix}`)];
    const crc = elf.sections[findSection(elf, `__kcrctab${suffix}`)];
    if (tab.addr === 0) continue;
    for (let i = 0; i < Math.floor(tab.size / KS.sizeof); i++) {
      const at = tab.addr + i * KS.sizeof;
      const name = kernelString(k, readKernel64(k, at + KS.name) ?? 0, 512);
      if (name === null) continue;
      const namespaceAt = readKernel64(k, at + KS.namespace) ?? 0;
      out.set(name, {
        name,
        value: readKernel64(k, at + KS.value) ?? 0,
        gpl: suffix !== '',
        crc: crc.addr === 0 || i * 4 >= crc.size ? null : readKernel32(k, crc.addr + i * 4),
        namespace: namespaceAt === 0 ? '' : (kernelString(k, namespaceAt, 512) ?? ''),
      });
    }
  }
  return out;
}
