import { existsSync, readFileSync } from 'node:fs';
import { cachePath, writeAtomically } from './cache.ts';
import { debControl, debFiles } from './deb.ts';
import { fetchPinned, type Progress } from './mirror.ts';
import type { Pin } from './pins.ts';

// Unpacked packages, kept by the hash of the .deb: the contents of all its files in one blob, and a list of what is where.

export interface ContentEntry {
  readonly name: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'hardlink';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Target of a link. */
  readonly link: string;
  /** Place in the blob. */
  readonly offset: number;
  readonly size: number;
}
export interface PackageContent {
  readonly pin: Pin;
  /** Name of the blob, below the cache's directory. */
  readonly blob: string;
  readonly size: number;
  readonly entries: readonly ContentEntry[];
  /** Control files by name: control, conffiles, md5sums, maintainer scripts. */
  readonly control: Readonly<Record<string, string>>;
}
/** Changes with what is kept. */
const FORMAT = 1;

/** What images leave out: documentation and translations. */
export const LEFT_OUT = /^usr\/share\/(doc|doc-base|man|locale|info|lintian|bug|initramfs-tools|menu)(\/|$)/;

/** A package's contents, fetched and unpacked first when they are not in the cache. @throws Error */
export async function packageContent(pin: Pin, progress: Progress): Promise<PackageContent> {
  const stem = `${pin.name}-${pin.sha256.slice(0, 16)}`;
  const blob = `content/${stem}.${FORMAT}.bin`;
  const list = cachePath('content', `${stem}.${FORMAT}.json`);
  if (existsSync(list) && existsSync(cachePath(blob))) return JSON.parse(readFileSync(list, 'utf8')) as PackageContent;
  const deb = await fetchPinned(pin, progress);
  progress(`unpacking ${pin.name}`);
  const parts: Uint8Array[] = [];
  const entries: ContentEntry[] = [];
  let size = 0;
  for (const e of await debFiles(deb)) {
    // Packages that are not usr-merged still name bin, lib and sbin at the top.
    const name = e.name.replace(/^(bin|sbin|lib)(?=\/|$)/, 'usr/$1');
    if (e.type === 'other' || LEFT_OUT.test(name)) continue;
    const link = e.type === 'hardlink' ? e.link.replace(/^(bin|sbin|lib)(?=\/|$)/, 'usr/$1') : e.link;
    const length = e.type === 'file' ? e.data.length : 0;
    entries.push({ name, type: e.type, mode: e.mode, uid: e.uid, gid: e.gid, mtime: e.mtime, link, offset: size, size: length });
    if (length > 0) parts.push(e.data);
    size += length;
  }
  const control: Record<string, string> = {};
  for (const e of await debControl(deb)) if (e.type === 'file') control[e.name] = Buffer.from(e.data).toString('latin1');
  const content: PackageContent = { pin, blob, size, entries, control };
  writeAtomically(cachePath(blob), Buffer.concat(parts));
  writeAtomically(list, JSON.stringify(content));
  return content;
}
