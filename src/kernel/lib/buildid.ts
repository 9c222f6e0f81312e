import { Ehdr, ELF_MAGIC, Phdr, PT_NOTE } from '../../abi/elf.ts';
import type { Kernel } from '../kernel.ts';
import type { AddressSpace } from '../mm/filemap.ts';
import { IovIter } from './iov_iter.ts';

// The build id of an ELF file: the note GNU, type 3 (lib/buildid.c).

const NT_GNU_BUILD_ID = 3;
const NOTE_HEADER = 12;
const BUILD_ID_SIZE_MAX = 20;
const MAX_PHDRS = 256;
const MAX_NOTES = 65536;
const align4 = (n: number) => (n + 3) & ~3;

function inNotes(notes: Uint8Array): Uint8Array | null {
  const v = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
  for (let at = 0; at + NOTE_HEADER <= notes.length; ) {
    const [nameSize, size, type] = [v.getUint32(at, true), v.getUint32(at + 4, true), v.getUint32(at + 8, true)];
    const name = at + NOTE_HEADER;
    const desc = name + align4(nameSize);
    if (desc + size > notes.length || nameSize > notes.length) return null;
    const isGnu = nameSize === 4 && String.fromCharCode(...notes.subarray(name, name + 4)) === 'GNU\0';
    if (type === NT_GNU_BUILD_ID && isGnu && size > 0 && size <= BUILD_ID_SIZE_MAX) return notes.slice(desc, desc + size);
    at = desc + align4(size);
  }
  return null;
}
/** Exactly `n` bytes of the page cache at `pos`; null when there are not so many. */
function readExact(k: Kernel, mapping: AddressSpace, pos: number, n: number): Uint8Array | null {
  if (pos + n > mapping.size) return null;
  const bytes = new Uint8Array(n);
  return mapping.readTo(k, pos, IovIter.kernel(bytes), n) === n ? bytes : null;
}
/** build_id_parse: null when the file has none. */
export function buildIdOf(k: Kernel, mapping: AddressSpace): Uint8Array | null {
  const head = readExact(k, mapping, 0, Ehdr.sizeof);
  if (head === null) return null;
  const v = new DataView(head.buffer);
  if (v.getUint32(0, true) !== ELF_MAGIC) return null;
  const count = v.getUint16(Ehdr.e_phnum, true);
  if (count > MAX_PHDRS) return null;
  const table = readExact(k, mapping, Number(v.getBigUint64(Ehdr.e_phoff, true)), count * Phdr.sizeof);
  if (table === null) return null;
  const rows = new DataView(table.buffer);
  for (let at = 0; at < table.length; at += Phdr.sizeof) {
    if (rows.getUint32(at + Phdr.p_type, true) !== PT_NOTE) continue;
    const size = Math.min(Number(rows.getBigUint64(at + Phdr.p_filesz, true)), MAX_NOTES);
    const notes = readExact(k, mapping, Number(rows.getBigUint64(at + Phdr.p_offset, true)), size);
    const id = notes === null ? null : inNotes(notes);
    if (id !== null) return id;
  }
  return null;
}
