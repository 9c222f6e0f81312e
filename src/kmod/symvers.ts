import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SHN_UNDEF } from '../abi/elf.ts';
import { cString, ElfObject } from './elf_object.ts';
import { BuildError } from './error.ts';

/** One exported symbol: a line of Module.symvers (Documentation/kbuild/modules.rst, "Symbols and CRCs"). */
export interface Export {
  readonly name: string;
  readonly crc: number;
  /** `vmlinux`, or the module that exports it, without directories. */
  readonly module: string;
  readonly gpl: boolean;
  readonly namespace: string;
}

/** Module.symvers: CRC, symbol, module, kind of export, namespace; tabs between. */
export function parseSymvers(text: string): Export[] {
  const exports: Export[] = [];
  for (const line of text.split('\n')) {
    const [crc, name, module, kind, namespace = ''] = line.split('\t');
    if (kind === undefined) continue;
    exports.push({
      name,
      crc: Number(crc) >>> 0,
      module: module.replace(/.*\//, ''),
      gpl: kind.startsWith('EXPORT_SYMBOL_GPL'),
      namespace,
    });
  }
  return exports;
}

/** What a finished .ko exports, from its __ksymtab sections and CRCs. @throws ObjectError */
export function exportsOfModule(module: string, bytes: Uint8Array): Export[] {
  const elf = new ElfObject(bytes);
  const at = (name: string) => elf.symbols.find((s) => s.name === name && s.section !== SHN_UNDEF);
  const exports: Export[] = [];
  for (const s of elf.symbols) {
    if (!s.name.startsWith('__ksymtab_') || s.section === SHN_UNDEF) continue;
    const name = s.name.slice('__ksymtab_'.length);
    const crc = at(`__crc_${name}`);
    const namespace = at(`__kstrtabns_${name}`);
    const crcs = crc === undefined ? undefined : elf.sections[crc.section]?.data;
    exports.push({
      name,
      crc: crcs === undefined || crc === undefined ? 0 : new DataView(crcs.buffer, crcs.byteOffset).getUint32(crc.value, true),
      module,
      gpl: elf.sections[s.section]?.name === '__ksymtab_gpl',
      namespace: namespace === undefined ? '' : cString(elf.sections[namespace.section].data, namespace.value),
    });
  }
  return exports;
}

/** The exports behind a KBUILD_EXTRA_SYMBOLS entry: kbuild's Module.symvers, or, where Lintel built, the .ko files beside it. @throws BuildError */
export function extraSymbols(file: string): Export[] {
  if (existsSync(file)) return parseSymvers(readFileSync(file, 'utf8'));
  const dir = dirname(file);
  const modules = existsSync(dir) ? readdirSync(dir).filter((f) => f.endsWith('.ko')) : [];
  if (modules.length === 0)
    throw new BuildError(`${file}: no such file, and no .ko beside it (KBUILD_EXTRA_SYMBOLS); build that directory first`);
  return modules.sort().flatMap((f) => exportsOfModule(f.slice(0, -3).replaceAll('-', '_'), readFileSync(join(dir, f))));
}

const POLYNOMIAL = 0xedb88320;
/**
 * The CRC under which a symbol of the user's own modules is exported and imported. genksyms, which makes it from the C type, is not here;
 * this one comes from the name and the release alone, so it ties both sides together but does not notice a changed type.
 */
export function ownSymbolCrc(name: string, release: string): number {
  let crc = 0xffff_ffff;
  for (const byte of Buffer.from(`${release}:${name}`)) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return ~crc >>> 0;
}
