// Damaged and altered modules, made from good ones: what the loader must refuse, and in which words.

/** Replaces a NUL-terminated string everywhere in the file; the new one may be shorter. */
function replaceString(bytes, from, to) {
  const out = Buffer.from(bytes);
  const find = Buffer.from(`${from}\0`, 'latin1');
  if (to.length > from.length) throw new Error(`'${to}' does not fit over '${from}'`);
  const put = Buffer.from(to.padEnd(from.length + 1, '\0'), 'latin1');
  let found = 0;
  for (let at = out.indexOf(find); at >= 0; at = out.indexOf(find, at + 1)) {
    put.copy(out, at);
    found++;
  }
  if (found === 0) throw new Error(`no '${from}' in the module`);
  return out;
}
function patch(bytes, at, ...values) {
  const out = Buffer.from(bytes);
  for (const [i, v] of values.entries()) out[at + i] = v;
  return out;
}
/** Section headers of an ELF64 file: name, and the offset of the header itself. */
export function sections(bytes) {
  const shoff = Number(bytes.readBigUInt64LE(40));
  const count = bytes.readUInt16LE(60);
  const strings = shoff + bytes.readUInt16LE(62) * 64;
  const names = Number(bytes.readBigUInt64LE(strings + 24));
  return Array.from({ length: count }, (_, i) => {
    const header = shoff + i * 64;
    const at = names + bytes.readUInt32LE(header);
    return {
      name: bytes.toString('latin1', at, bytes.indexOf(0, at)),
      header,
      type: bytes.readUInt32LE(header + 4),
      offset: Number(bytes.readBigUInt64LE(header + 24)),
      size: Number(bytes.readBigUInt64LE(header + 32)),
    };
  });
}
const sectionOf = (bytes, name) => {
  const s = sections(bytes).find((x) => x.name === name);
  if (s === undefined) throw new Error(`no section ${name}`);
  return s;
};
/** Renames a section in the string table of sections (all names that end with it). */
function dropSection(bytes, name) {
  const s = sectionOf(bytes, name);
  return patch(bytes, s.header, 0, 0, 0, 0);
}
/** Changes the stored CRC of an import. */
function wrongCrc(bytes, symbol) {
  const out = Buffer.from(bytes);
  const s = sectionOf(out, '__versions');
  for (let at = s.offset; at < s.offset + s.size; at += 64) {
    if (out.toString('latin1', at + 8, out.indexOf(0, at + 8)) === symbol) {
      out.writeBigUInt64LE(0x12345678n, at);
      return out;
    }
  }
  throw new Error(`no version of ${symbol}`);
}
/** Changes the type of the first relocation of a section. */
function wrongRelocation(bytes, name, type) {
  return patch(bytes, sectionOf(bytes, name).offset + 8, type, 0, 0, 0);
}
/** Same bytes every time: a linear congruential generator. */
function noise(length) {
  const out = Buffer.alloc(length);
  let x = 12345;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    out[i] = x >>> 16;
  }
  return out;
}

const VERMAGIC = '6.12.107+deb13-riscv64 SMP mod_unload modversions riscv';

/** @param {Map<string, Buffer>} good name to bytes of the modules of tests/guest/modules */
export function variants(good) {
  const init = good.get('lt_init');
  const gpl = good.get('lt_gpl');
  return new Map([
    ['empty', Buffer.alloc(0)],
    ['tiny', Buffer.from('x')],
    ['text', Buffer.from('#!/bin/sh\necho this is no module\n'.repeat(20))],
    ['noise', noise(5000)],
    ['head_only', init.subarray(0, 64)],
    ['half', init.subarray(0, init.length >> 1)],
    ['less_one', init.subarray(0, init.length - 1)],
    ['bad_magic', patch(init, 0, 0x7e)],
    ['class32', patch(init, 4, 1)],
    ['x86', patch(init, 18, 62, 0)],
    ['executable', patch(init, 16, 2, 0)],
    ['shentsize', patch(init, 58, 56, 0)],
    ['shoff_far', patch(init, 40, 0xff, 0xff, 0xff, 0x7f)],
    ['shnum_zero', patch(init, 60, 0, 0)],
    ['shstrndx', patch(init, 62, 0xf0, 0)],
    ['section_far', patch(init, sectionOf(init, '.modinfo').header + 24, 0xff, 0xff, 0xff, 0x7f)],
    ['no_modinfo', dropSection(init, '.modinfo')],
    ['no_this_module', dropSection(init, '.gnu.linkonce.this_module')],
    ['short_this_module', patch(init, sectionOf(init, '.gnu.linkonce.this_module').header + 32, 0x40, 0x00)],
    ['other_vermagic', replaceString(init, `vermagic=${VERMAGIC}`, `vermagic=${VERMAGIC.replace('107', '106')}`)],
    ['other_flags', replaceString(init, `vermagic=${VERMAGIC}`, `vermagic=${VERMAGIC.replace('SMP ', '')}`)],
    ['no_vermagic', replaceString(init, `vermagic=${VERMAGIC}`, `vermagix=${VERMAGIC}`)],
    ['wrong_crc', wrongCrc(init, '_printk')],
    ['wrong_layout', wrongCrc(init, 'module_layout')],
    ['unknown_symbol', replaceString(init, '_printk', '_prinxk')],
    ['wrong_relocation', wrongRelocation(init, '.rela.init.text', 99)],
    ['no_licence', replaceString(init, 'license=GPL', 'licence=GPL')],
    ['proprietary', replaceString(init, 'license=GPL', 'license=MIT')],
    ['renamed', replaceString(init, 'lt_init', 'lt_xxxx')],
    ['gpl_proprietary', replaceString(gpl, 'license=Dual MPL/GPL', 'license=Proprietary')],
    ['core_proprietary', replaceString(good.get('lt_core'), 'license=GPL', 'license=P')],
  ]);
}
