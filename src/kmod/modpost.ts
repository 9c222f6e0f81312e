import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { SHN_UNDEF, STB_LOCAL, STB_WEAK, STT_FUNC } from '../abi/elf.ts';
import { cString, type ElfObject } from './elf_object.ts';
import { type Export, ownSymbolCrc } from './symvers.ts';

// The work of scripts/mod/modpost: which symbols a module imports and exports, and the C file that says so (module-abi 2.1).

const EXPORT_MARKER = '__export_symbol_';
/** Licences under which GPL-only symbols may be used (include/linux/license.h). */
const GPL_COMPATIBLE = ['GPL', 'GPL v2', 'GPL and additional rights', 'Dual BSD/GPL', 'Dual MIT/GPL', 'Dual MPL/GPL'];

/** A module's own object, before it is linked with its description. */
export interface ModuleObject {
  readonly name: string;
  readonly elf: ElfObject;
  readonly exports: readonly (Export & { readonly isFunction: boolean })[];
  /** The sum of its sources, where it has a version. */
  readonly srcversion?: string;
}

export function readModuleObject(name: string, elf: ElfObject): ModuleObject {
  const exports: (Export & { isFunction: boolean })[] = [];
  for (const s of elf.symbols) {
    if (!s.name.startsWith(EXPORT_MARKER)) continue;
    const symbol = s.name.slice(EXPORT_MARKER.length);
    // Two strings: the licence the symbol asks for, its namespace.
    const data = elf.sections[s.section].data;
    const licence = cString(data, s.value);
    const namespace = cString(data, s.value + Buffer.byteLength(licence) + 1);
    const defined = elf.symbols.find((d) => d.name === symbol && d.section !== SHN_UNDEF);
    exports.push({
      name: symbol,
      crc: ownSymbolCrc(symbol, UTS_RELEASE),
      module: name,
      gpl: licence === 'GPL',
      namespace,
      isFunction: defined?.type === STT_FUNC,
    });
  }
  return { name, elf, exports };
}

export interface Description {
  /** Text of X.mod.c. */
  readonly source: string;
  readonly depends: readonly string[];
  /** What modpost would refuse, in its words. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** Resolves a module's imports against `known` and describes it in C. */
export function describeModule(module: ModuleObject, known: ReadonlyMap<string, Export>): Description {
  const errors: string[] = [];
  const warnings: string[] = [];
  const { elf, name } = module;
  const licences = elf.modinfo('license');
  if (licences.length === 0) errors.push(`missing MODULE_LICENSE() in ${name}.o`);
  const gplOk = licences.length > 0 && licences.every((l) => GPL_COMPATIBLE.includes(l));
  const namespaces = new Set(elf.modinfo('import_ns'));
  const versions: { crc: number; name: string }[] = [];
  const depends = new Set<string>();
  const imports = elf.symbols.filter((s) => s.section === SHN_UNDEF && s.bind !== STB_LOCAL && s.name !== '' && s.name !== '__this_module');
  for (const s of imports) {
    const found = known.get(s.name);
    if (found === undefined) {
      if (s.bind !== STB_WEAK) errors.push(`"${s.name}" [${name}.ko] undefined!`);
      continue;
    }
    if (found.gpl && !gplOk) errors.push(`GPL-incompatible module ${name}.ko uses GPL-only symbol '${s.name}'`);
    if (found.namespace !== '' && !namespaces.has(found.namespace))
      errors.push(`module ${name} uses symbol ${s.name} from namespace ${found.namespace}, but does not import it.`);
    if (found.module !== 'vmlinux') depends.add(found.module);
    versions.push({ crc: found.crc, name: s.name });
  }
  const layout = known.get('module_layout');
  if (layout !== undefined) versions.push({ crc: layout.crc, name: 'module_layout' });
  const has = (symbol: string) => elf.symbols.some((s) => s.name === symbol && s.section !== SHN_UNDEF);
  if (module.exports.some((e) => !/^[A-Za-z_]\w*$/.test(e.name))) errors.push(`${name}.ko exports a symbol that is not a C name`);
  const source = modSource(module, versions, [...depends].sort(), has('init_module'), has('cleanup_module'));
  return { source, depends: [...depends], errors, warnings };
}

function modSource(
  module: ModuleObject,
  versions: readonly { crc: number; name: string }[],
  depends: readonly string[],
  hasInit: boolean,
  hasExit: boolean,
): string {
  const hex = (n: number) => `0x${n.toString(16).padStart(8, '0')}`;
  const lines = [
    '#define INCLUDE_VERMAGIC',
    '#include <linux/module.h>',
    '#include <linux/export-internal.h>',
    '#include <linux/compiler.h>',
    '#include <linux/build-salt.h>',
    '#include <linux/vermagic.h>',
    'BUILD_SALT;',
    'MODULE_INFO(name, KBUILD_MODNAME);',
    '__visible struct module __this_module __section(".gnu.linkonce.this_module") = {',
    '  .name = KBUILD_MODNAME,',
    hasInit ? '  .init = init_module,' : '',
    '#ifdef CONFIG_MODULE_UNLOAD',
    hasExit ? '  .exit = cleanup_module,' : '',
    '#endif',
    '  .arch = MODULE_ARCH_INIT,',
    '};',
    ...module.exports.map((e) => `KSYMTAB_${e.isFunction ? 'FUNC' : 'DATA'}(${e.name}, "${e.gpl ? '_gpl' : ''}", "${e.namespace}");`),
    ...module.exports.map((e) => `SYMBOL_CRC(${e.name}, ${hex(e.crc)}, "${e.gpl ? '_gpl' : ''}");`),
    'static const struct modversion_info ____versions[] __used __section("__versions") = {',
    ...versions.map((v) => `  { ${hex(v.crc)}, "${v.name}" },`),
    '};',
    `MODULE_INFO(depends, "${depends.join(',')}");`,
    module.srcversion === undefined ? '' : `MODULE_INFO(srcversion, "${module.srcversion}");`,
    'MODULE_INFO(vermagic, VERMAGIC_STRING);',
  ];
  return `${lines.filter((l) => l !== '').join('\n')}\n`;
}
