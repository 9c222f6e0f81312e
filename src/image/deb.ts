import { gunzipSync } from 'node:zlib';
import { decompress as unzstd } from 'fzstd';
import xz from 'xz-decompress';

// Debian packages (deb(5)): an ar archive with control.tar.* and data.tar.*.

export interface TarEntry {
  /** Without a leading ./ or slash. */
  readonly name: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'hardlink' | 'other';
  readonly mode: number;
  readonly link: string;
  readonly data: Uint8Array;
}

/** A malformed package. */
export class DebError extends Error {}

const ascii = (b: Uint8Array) => Buffer.from(b.buffer, b.byteOffset, b.length).toString('latin1');

/** Members of an ar archive. @throws DebError */
export function readAr(bytes: Uint8Array): Map<string, Uint8Array> {
  if (ascii(bytes.subarray(0, 8)) !== '!<arch>\n') throw new DebError('not an ar archive');
  const members = new Map<string, Uint8Array>();
  let at = 8;
  while (at + 60 <= bytes.length) {
    const name = ascii(bytes.subarray(at, at + 16))
      .trim()
      .replace(/\/$/, '');
    const size = Number.parseInt(ascii(bytes.subarray(at + 48, at + 58)).trim(), 10);
    if (!(size >= 0) || at + 60 + size > bytes.length) throw new DebError(`ar member ${name} is cut off`);
    members.set(name, bytes.subarray(at + 60, at + 60 + size));
    at += 60 + size + (size & 1);
  }
  return members;
}

async function unxz(bytes: Uint8Array): Promise<Uint8Array> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const parts: Uint8Array[] = [];
  const reader = new xz.XzReadableStream(source as never).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(parts);
    parts.push(value as Uint8Array);
  }
}

/** Entries of a tar archive (ustar, GNU long names, pax paths). @throws DebError */
export function readTar(bytes: Uint8Array): TarEntry[] {
  const entries: TarEntry[] = [];
  let at = 0;
  let longName: string | null = null;
  let longLink: string | null = null;
  const text = (from: number, length: number): string => {
    const s = ascii(bytes.subarray(from, from + length));
    const end = s.indexOf('\0');
    return end < 0 ? s : s.slice(0, end);
  };
  while (at + 512 <= bytes.length && bytes[at] !== 0) {
    const size = Number.parseInt(text(at + 124, 12).trim() || '0', 8);
    if (!(size >= 0) || at + 512 + size > bytes.length) throw new DebError('tar entry is cut off');
    const type = String.fromCharCode(bytes[at + 156]);
    const data = bytes.subarray(at + 512, at + 512 + size);
    const prefix = text(at + 345, 155);
    const raw =
      longName ?? (prefix !== '' && ascii(bytes.subarray(at + 257, at + 262)) === 'ustar' ? `${prefix}/${text(at, 100)}` : text(at, 100));
    const link = longLink ?? text(at + 157, 100);
    at += 512 + Math.ceil(size / 512) * 512;
    if (type === 'L') {
      longName = ascii(data).replace(/\0+$/, '');
      continue;
    }
    if (type === 'K') {
      longLink = ascii(data).replace(/\0+$/, '');
      continue;
    }
    if (type === 'x' || type === 'g') {
      const path = /\d+ path=([^\n]*)\n/.exec(Buffer.from(data).toString('utf8'));
      if (path !== null && type === 'x') longName = path[1];
      continue;
    }
    longName = null;
    longLink = null;
    const name = raw.replace(/^(\.?\/)+/, '').replace(/\/$/, '');
    if (name === '' || name === '.') continue;
    if (name.split('/').includes('..')) throw new DebError(`tar entry ${name} leaves the archive`);
    const kind =
      type === '0' || type === '\0' ? 'file' : type === '5' ? 'dir' : type === '2' ? 'symlink' : type === '1' ? 'hardlink' : 'other';
    entries.push({
      name,
      type: kind,
      mode: modeOf(bytes, at, size),
      link: kind === 'hardlink' ? link.replace(/^(\.?\/)+/, '') : link,
      data,
    });
  }
  return entries;
}
// The header of the entry that was just passed.
function modeOf(bytes: Uint8Array, next: number, size: number): number {
  const header = next - 512 - Math.ceil(size / 512) * 512;
  return Number.parseInt(ascii(bytes.subarray(header + 100, header + 108)).replace(/[\0 ]+$/, ''), 8) & 0o7777;
}

/** The files of a .deb. @throws DebError */
export async function debFiles(bytes: Uint8Array): Promise<TarEntry[]> {
  for (const [name, data] of readAr(bytes)) {
    if (!name.startsWith('data.tar')) continue;
    if (name.endsWith('.xz')) return readTar(await unxz(data));
    if (name.endsWith('.zst')) return readTar(unzstd(data));
    if (name.endsWith('.gz')) return readTar(gunzipSync(data));
    if (name === 'data.tar') return readTar(data);
    throw new DebError(`unknown compression of ${name}`);
  }
  throw new DebError('a package without data.tar');
}
