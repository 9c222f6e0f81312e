import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../abi/fs.ts';
import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { BUSYBOX_APPLETS } from './applets.ts';
import { DIRECTORIES, ETC_FILES, INIT_SCRIPT } from './base_files.ts';
import { cachePath, writeAtomically } from './cache.ts';
import { configureInGuest, configureScript } from './configure.ts';
import { type ContentEntry, packageContent, type PackageContent } from './content.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { debFiles } from './deb.ts';
import { openLayer } from './layer.ts';
import { fetchPinned, type Progress } from './mirror.ts';
import { type Pin, pinned } from './pins.ts';
import { BlobWriter, type FileNode, ImageTreeBuilder, newDir } from './tree.ts';

/** Changes with the recipe, so that stale images are rebuilt. */
const RECIPE = 3;
const MODULES = `usr/lib/modules/${UTS_RELEASE}`;
const text = (s: string) => Buffer.from(s, 'utf8');
const dirMode = (d: string) => (d === 'tmp' || d === 'var/tmp' ? 0o1777 : d === 'root' ? 0o700 : 0o755);

function imagePath(name: string, suffix: string, parts: readonly unknown[]): string {
  const key = createHash('sha256').update(JSON.stringify([RECIPE, INIT_SCRIPT, ETC_FILES, DIRECTORIES, ...parts])).digest('hex').slice(0, 12);
  return cachePath('images', `${name}-${key}.${suffix}`);
}
/** Applets as links in /usr. */
const applets = BUSYBOX_APPLETS.map((a) => (a.startsWith('usr/') ? a : `usr/${a}`)).filter((a) => a.split('/').length > 2 && a !== 'usr/bin/busybox');

/** Image `base`: BusyBox alone, as a plain initramfs. Its path in the cache. */
export async function buildBase(progress: Progress): Promise<string> {
  const pin = pinned('busybox-static');
  const path = imagePath('base', 'cpio', [pin]);
  if (existsSync(path)) return path;
  const entries = new Map<string, CpioEntry>();
  const put = (name: string, mode: number, data: Uint8Array) => entries.set(name, { name, mode, data });
  for (const d of ['bin', 'lib', 'sbin']) put(d, S_IFLNK | 0o777, text(`usr/${d}`));
  for (const d of [...DIRECTORIES.filter((x) => !x.startsWith('lib/')), 'usr/lib/modules', MODULES]) put(d, S_IFDIR | dirMode(d), new Uint8Array(0));
  const deb = await fetchPinned(pin, progress);
  progress(`unpacking ${pin.name}`);
  for (const e of await debFiles(deb)) if (e.name === 'usr/bin/busybox') put(e.name, S_IFREG | e.mode, e.data);
  for (const a of applets) put(a, S_IFLNK | 0o777, text('/usr/bin/busybox'));
  for (const [file, contents] of Object.entries(ETC_FILES)) put(file, S_IFREG | 0o644, text(contents));
  put('init', S_IFREG | 0o755, text(INIT_SCRIPT));
  progress('writing image base');
  // Directories come before what they hold.
  const ordered = [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  writeAtomically(path, writeCpio(ordered));
  return path;
}

/** An image of Debian packages and BusyBox: an index over the unpacked packages in the cache. Its path. */
export async function buildLayered(name: string, packages: readonly Pin[], progress: Progress, warn: (text: string) => void): Promise<string> {
  const pins = [pinned('busybox-static'), ...packages.filter((p) => p.name !== 'busybox-static')];
  const path = imagePath(name, 'limg', [pins, configureScript([])]);
  if (existsSync(path)) return path;
  const tree = new ImageTreeBuilder();
  const own = new BlobWriter();
  const contents: PackageContent[] = [];
  for (const [i, pin] of pins.entries()) contents.push(await packageContent(pin, (t) => progress(`[${i + 1}/${pins.length}] ${t}`)));
  progress(`putting image ${name} together`);
  skeleton(tree);
  for (const c of contents) addPackage(tree, c);
  const has = (package_: string) => pins.some((p) => p.name === package_);
  for (const [file, data] of Object.entries(ETC_FILES)) {
    // A Debian system's own account files and profile come from its packages.
    const theirs = has('base-passwd') && /passwd|group/.test(file);
    if (!theirs && tree.find(file) === undefined) tree.put(file, own.file(0o644, text(data)));
  }
  tree.put('init', own.file(0o755, text(INIT_SCRIPT)));
  const order = dpkgDatabase(tree, own, contents);
  if (has('dpkg') && has('dash')) {
    // The scripts run in a first version of the image; what they make goes into a blob of its own.
    own.finish(tree);
    const made = new BlobWriter();
    // Accounts come first: other scripts give files to them.
    const first = order.filter((p) => p === 'base-passwd');
    configureInGuest(openLayer(Buffer.from(tree.encode())), tree, made, [...first, ...order], progress, warn);
    made.finish(tree);
    addApplets(tree);
  } else {
    addApplets(tree);
    own.finish(tree);
  }
  progress(`writing image ${name}`);
  writeAtomically(path, tree.encode());
  return path;
}

function skeleton(tree: ImageTreeBuilder): void {
  tree.mkdir('usr', newDir(0o755));
  for (const d of ['bin', 'lib', 'sbin']) {
    tree.mkdir(`usr/${d}`, newDir(0o755));
    tree.put(d, { kind: 'symlink', uid: 0, gid: 0, mtime: 0, target: `usr/${d}` });
  }
  for (const d of [...DIRECTORIES, MODULES]) tree.mkdir(d, newDir(dirMode(d)));
}
function addPackage(tree: ImageTreeBuilder, c: PackageContent): void {
  tree.blob(c.blob, c.size);
  const busybox = c.pin.name === 'busybox-static';
  for (const e of c.entries) {
    if (busybox && e.name !== 'usr/bin/busybox') continue;
    const owner = { uid: e.uid, gid: e.gid, mtime: e.mtime };
    if (e.type === 'dir') tree.mkdir(e.name, { ...newDir(e.mode), ...owner });
    else if (e.type === 'symlink') addSymlink(tree, e, owner);
    else if (e.type === 'file') tree.put(e.name, { kind: 'file', mode: e.mode, ...owner, at: [c.blob, e.offset, e.size] });
    else {
      const target = tree.find(e.link);
      if (target !== undefined) tree.put(e.name, target as FileNode);
    }
  }
}
function addSymlink(tree: ImageTreeBuilder, e: ContentEntry, owner: { uid: number; gid: number; mtime: number }): void {
  // base-files brings bin -> usr/bin and its like, which are there.
  if (tree.find(e.name)?.kind === 'dir') return;
  tree.put(e.name, { kind: 'symlink', ...owner, target: e.link });
}
function addApplets(tree: ImageTreeBuilder): void {
  for (const a of applets) if (tree.find(a) === undefined) tree.put(a, { kind: 'symlink', uid: 0, gid: 0, mtime: 0, target: '/usr/bin/busybox' });
}

/** /var/lib/dpkg as dpkg keeps it, so that dpkg -l, update-alternatives and maintainer scripts find themselves. The packages' names in info/. */
function dpkgDatabase(tree: ImageTreeBuilder, own: BlobWriter, contents: readonly PackageContent[]): string[] {
  const order: string[] = [];
  const status: string[] = [];
  for (const d of ['info', 'alternatives', 'parts', 'triggers', 'updates']) tree.mkdir(`var/lib/dpkg/${d}`, newDir(0o755));
  for (const c of contents) {
    const control = (c.control['control'] ?? '').trimEnd();
    const same = /^Multi-Arch: same$/m.test(control);
    const arch = /^Architecture: (\S+)$/m.exec(control)?.[1] ?? 'riscv64';
    const stem = same ? `${c.pin.name}:${arch}` : c.pin.name;
    order.push(stem);
    status.push(control.replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed'));
    for (const [file, data] of Object.entries(c.control)) {
      if (file === 'control') continue;
      tree.put(`var/lib/dpkg/info/${stem}.${file}`, own.file(/^(pre|post)(inst|rm)$|^config$/.test(file) ? 0o755 : 0o644, Buffer.from(data, 'latin1')));
    }
    const list = ['/.', ...c.entries.map((e) => `/${e.name}`)].join('\n');
    tree.put(`var/lib/dpkg/info/${stem}.list`, own.file(0o644, Buffer.from(`${list}\n`, 'latin1')));
  }
  tree.put('var/lib/dpkg/status', own.file(0o644, Buffer.from(`${status.join('\n\n')}\n`, 'latin1')));
  for (const f of ['available', 'diversions', 'statoverride', 'lock', 'lock-frontend']) tree.put(`var/lib/dpkg/${f}`, own.file(0o640, new Uint8Array(0)));
  tree.put('var/lib/dpkg/arch-native', own.file(0o644, text('riscv64\n')));
  return order;
}
