import { gunzipSync } from 'node:zlib';
import { decompress as unzstd } from 'fzstd';

// Debian packages (deb(5)): an ar archive with control.tar.* and data.tar.*.

export interface TarEntry {
  /** Without a leading ./ or slash. */
  readonly name: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'hardlink' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
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
  const { default: xz } = await import('xz-decompress');
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
      if (path !== null && type === 'x') longName = Buffer.from(path[1], 'utf8').toString('latin1');
      continue;
    }
    longName = null;
    longLink = null;
    const name = raw.replace(/^(\.?\/)+/, '').replace(/\/$/, '');
    if (name === '' || name === '.') continue;
    if (name.split('/').includes('..')) throw new DebError(`tar entry ${name} leaves the archive`);
    const kind =
      type === '0' || type === '\0' ? 'file' : type === '5' ? 'dir' : type === '2' ? 'symlink' : type === '1' ? 'hardlink' : 'other';
    const header = at - 512 - Math.ceil(size / 512) * 512;
    const octal = (offset: number, length: number) => Number.parseInt(text(header + offset, length).trim() || '0', 8);
    entries.push({
      name,
      type: kind,
      mode: octal(100, 8) & 0o7777,
      uid: octal(108, 8),
      gid: octal(116, 8),
      mtime: octal(136, 12),
      link: kind === 'hardlink' ? link.replace(/^(\.?\/)+/, '') : link,
      data,
    });
  }
  return entries;
}
/** Decompresses by the name's ending; null when it has none that is known. @throws Error on bad data. */
export async function decompressByName(name: string, data: Uint8Array): Promise<Uint8Array | null> {
  if (name.endsWith('.xz')) return await unxz(data);
  if (name.endsWith('.zst')) return unzstd(data);
  if (name.endsWith('.gz')) return gunzipSync(data);
  return null;
}
async function member(bytes: Uint8Array, prefix: string): Promise<TarEntry[]> {
  for (const [name, data] of readAr(bytes)) {
    if (!name.startsWith(prefix)) continue;
    const plain = name === prefix ? data : await decompressByName(name, data);
    if (plain === null) throw new DebError(`unknown compression of ${name}`);
    return readTar(plain);
  }
  throw new DebError(`a package without ${prefix}`);
}

/** The files of a .deb. @throws DebError */
export async function debFiles(bytes: Uint8Array): Promise<TarEntry[]> {
  return await member(bytes, 'data.tar');
}
/** Its control files: control, conffiles, maintainer scripts. @throws DebError */
export async function debControl(bytes: Uint8Array): Promise<TarEntry[]> {
  return await member(bytes, 'control.tar');
}
