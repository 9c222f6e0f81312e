import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { BUSYBOX_APPLETS } from './applets.ts';
import { DIRECTORIES, ETC_FILES, INIT_SCRIPT } from './base_files.ts';
import { cachePath, writeAtomically } from './cache.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { debFiles } from './deb.ts';
import { fetchPinned, type Progress } from './mirror.ts';
import { pinned } from './pins.ts';

/** A named root file system: BusyBox and these packages. */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  glibc: [
    'libc6',
    'libgcc-s1',
    'libtinfo6',
    'bash',
    'coreutils',
    'libacl1',
    'libattr1',
    'libcap2',
    'libgmp10',
    'libselinux1',
    'libpcre2-8-0',
    'libssl3t64',
    'libsystemd0',
    'zlib1g',
    'libzstd1',
  ],
};
/** Changes with the recipe, so that stale images are rebuilt. */
const RECIPE = 2;

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const text = (s: string) => Buffer.from(s, 'utf8');

/** The archive of image `what` (a name, or the path of a .cpio or .cpio.gz file), built first when it has to be. @throws Error */
export async function imageBytes(what: string, progress: Progress): Promise<Uint8Array> {
  if (/\.cpio(\.gz)?$/.test(what) || what.includes('/')) {
    if (!existsSync(what)) throw new Error(`image file ${what} does not exist`);
    return readFileSync(what);
  }
  const path = await ensureImage(what, progress);
  return readFileSync(path);
}

/** The names that can be booted: the built-in recipes and those that were built. */
export function listImages(): { name: string; built: boolean }[] {
  const dir = cachePath('images');
  const built = existsSync(dir)
    ? readdirSync(dir)
        .filter((f) => f.endsWith('.cpio'))
        .map((f) => f.replace(/\.cpio$/, ''))
    : [];
  const names = new Set([...Object.keys(IMAGES), ...built.map((b) => b.replace(/-[0-9a-f]{12}$/, ''))]);
  return [...names].sort().map((name) => ({ name, built: built.some((b) => b.replace(/-[0-9a-f]{12}$/, '') === name) }));
}

/** Makes sure that the image is in the cache; its path. */
export async function ensureImage(name: string, progress: Progress): Promise<string> {
  const packages = IMAGES[name] ?? userImage(name);
  if (packages === null) throw new Error(`there is no image '${name}' (lintel image list shows those there are)`);
  return await buildImage(name, packages, progress);
}
function userImage(name: string): readonly string[] | null {
  const recipe = cachePath('images', `${name}.packages`);
  return existsSync(recipe)
    ? readFileSync(recipe, 'utf8')
        .split('\n')
        .filter((l) => l !== '')
    : null;
}
/** Records and builds an image of BusyBox and `packages`. */
export async function defineImage(name: string, packages: readonly string[], progress: Progress): Promise<string> {
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) throw new Error(`'${name}' is not a name for an image`);
  if (IMAGES[name] !== undefined && packages.length > 0) throw new Error(`image '${name}' is built in`);
  for (const p of packages) pinned(p);
  if (IMAGES[name] === undefined) writeAtomically(cachePath('images', `${name}.packages`), `${packages.join('\n')}\n`);
  return await ensureImage(name, progress);
}
/** Packages of an image that can be added to. */
export function imagePackages(name: string): readonly string[] {
  return userImage(name) ?? IMAGES[name] ?? [];
}

async function buildImage(name: string, packages: readonly string[], progress: Progress): Promise<string> {
  const pins = [pinned('busybox-static'), ...packages.map(pinned)];
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, INIT_SCRIPT, ETC_FILES, DIRECTORIES, pins]))
    .digest('hex')
    .slice(0, 12);
  const path = cachePath('images', `${name}-${key}.cpio`);
  if (existsSync(path)) return path;
  const entries = new Map<string, CpioEntry>();
  const put = (entryName: string, mode: number, data: Uint8Array) => entries.set(entryName, { name: entryName, mode, data });
  for (const d of ['usr', 'usr/bin', 'usr/lib', 'usr/sbin']) put(d, S_IFDIR | 0o755, new Uint8Array(0));
  for (const d of ['bin', 'lib', 'sbin']) put(d, S_IFLNK | 0o777, text(`usr/${d}`));
  for (const d of DIRECTORIES)
    if (!d.startsWith('lib/'))
      put(d, S_IFDIR | (d === 'tmp' || d === 'var/tmp' ? 0o1777 : d === 'root' ? 0o700 : 0o755), new Uint8Array(0));
  put('usr/lib/modules', S_IFDIR | 0o755, new Uint8Array(0));
  put(`usr/lib/modules/${UTS_RELEASE}`, S_IFDIR | 0o755, new Uint8Array(0));
  for (const pin of pins) {
    const deb = await fetchPinned(pin, progress);
    progress(`unpacking ${pin.name}`);
    const busybox = pin.name === 'busybox-static';
    for (const e of await debFiles(deb)) {
      // Packages that are not usr-merged still name bin, lib and sbin at the top.
      const at = e.name.replace(/^(bin|sbin|lib)(?=\/|$)/, 'usr/$1');
      if (/^usr\/share\/(doc|man|locale|info|lintian|bug|initramfs-tools|menu)(\/|$)/.test(at) || (busybox && at !== 'usr/bin/busybox'))
        continue;
      if (e.type === 'dir') {
        if (!entries.has(at)) put(at, S_IFDIR | e.mode, new Uint8Array(0));
      } else if (e.type === 'file') put(at, S_IFREG | e.mode, e.data);
      else if (e.type === 'symlink') put(at, S_IFLNK | 0o777, text(e.link));
      else if (e.type === 'hardlink') {
        const target = entries.get(e.link.replace(/^(bin|sbin|lib)(?=\/|$)/, 'usr/$1'));
        if (target !== undefined) put(at, target.mode, target.data);
      }
    }
    if (busybox) for (const applet of BUSYBOX_APPLETS) addApplet(entries, applet);
  }
  for (const [file, contents] of Object.entries(ETC_FILES)) put(file, S_IFREG | 0o644, text(contents));
  put('init', S_IFREG | 0o755, text(INIT_SCRIPT));
  progress(`writing image ${name}`);
  // Directories come before what they hold.
  const ordered = [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  writeAtomically(path, writeCpio(ordered));
  return path;
}
function addApplet(entries: Map<string, CpioEntry>, applet: string): void {
  const at = applet.startsWith('usr/') ? applet : `usr/${applet}`;
  if (entries.has(at) || at === 'usr/bin/busybox' || at.split('/').length < 3) return;
  entries.set(at, { name: at, mode: S_IFLNK | 0o777, data: text('/usr/bin/busybox') });
}
