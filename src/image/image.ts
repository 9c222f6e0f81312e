import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { UTS_RELEASE } from '../abi/kernel_release.ts';
import { IMAGE_MAGIC } from '../abi/image_format.ts';
import type { ImageLayer } from '../kernel/host.ts';
import { cachePath, writeAtomically } from './cache.ts';
import { openLayer } from './layer.ts';
import type { Progress } from './mirror.ts';
import { packagesIndex } from './packages_index.ts';
import { type Pin, pinned } from './pins.ts';
import { DEV_PINS } from './pins_dev.ts';
import { resolvePackages } from './resolve.ts';

/** What a system boots from. */
export interface BootImage {
  /** A cpio archive for the root file system; empty when the layer has everything. */
  readonly archive: Uint8Array;
  readonly layer?: ImageLayer;
}

const named = (...names: string[]) => names.map(pinned);
const KERNEL = UTS_RELEASE.replace(/-[^-]*$/, '');
const KERNEL_PACKAGES = [`linux-kbuild-${KERNEL}`, `linux-headers-${KERNEL}-common`, `linux-headers-${UTS_RELEASE}`];
/** Images that come with Lintel: pinned packages, so that they are the same everywhere. */
const BUILT_IN: Readonly<Record<string, () => readonly Pin[]>> = {
  base: () => [],
  dev: () => DEV_PINS,
  // What builds modules in the guest as on any Debian system: image `dev` and the headers of this very kernel, whichever kernel the mirror is at. The package
  // linux-image, on which they depend, is left out: the kernel is us.
  kdev: () => [...DEV_PINS, ...named('linux-base', 'pahole', ...KERNEL_PACKAGES)],
  glibc: () =>
    named(
      ...['libc6', 'libgcc-s1', 'libtinfo6', 'bash', 'coreutils', 'libacl1', 'libattr1', 'libcap2', 'libgmp10'],
      ...['libselinux1', 'libpcre2-8-0', 'libssl3t64', 'libsystemd0', 'zlib1g', 'libzstd1'],
    ),
};

/** Packages of a built-in image; null for one that is not. */
export function builtInPackages(name: string): readonly Pin[] | null {
  return BUILT_IN[name]?.() ?? null;
}

/** A user's image: what was asked for, and what it came to when it was built. */
interface Recipe {
  readonly packages: readonly string[];
  readonly pins: readonly Pin[];
}
const recipePath = (name: string) => cachePath('images', `${name}.json`);
function userRecipe(name: string): Recipe | null {
  return existsSync(recipePath(name)) ? (JSON.parse(readFileSync(recipePath(name), 'utf8')) as Recipe) : null;
}

/** The image `what` (a name, or the path of a .cpio, .cpio.gz or .limg file), built first when it has to be. @throws Error */
export async function loadImage(what: string, progress: Progress, warn: (text: string) => void = progress): Promise<BootImage> {
  const isFile = /\.(cpio|cpio\.gz|limg)$/.test(what) || what.includes('/');
  const bytes = readImageFile(isFile ? what : await ensureImage(what, progress, warn));
  if (bytes.subarray(0, 8).toString('latin1') === IMAGE_MAGIC) return { archive: new Uint8Array(0), layer: openLayer(bytes) };
  return { archive: unzipped(what, bytes) };
}

function readImageFile(path: string): Buffer {
  if (!existsSync(path)) throw new Error(`image file ${path} does not exist`);
  if (statSync(path).isDirectory()) throw new Error(`image ${path} is a directory: an image is a name or a .cpio, .cpio.gz or .limg file`);
  try {
    return readFileSync(path);
  } catch (e) {
    throw new Error(`cannot read image ${path}: ${e instanceof Error ? e.message : String(e)}`);
  }
}

/** @throws Error that names the image when it is no whole gzip file. */
function unzipped(what: string, image: Uint8Array): Uint8Array {
  if (image[0] !== 0x1f || image[1] !== 0x8b) return image;
  try {
    return gunzipSync(image);
  } catch (e) {
    throw new Error(`image ${what} is not a whole gzip file: ${e instanceof Error ? e.message : String(e)}`);
  }
}

/** The names that can be booted: the built-in recipes and those that were built. */
export function listImages(): { name: string; built: boolean }[] {
  const dir = cachePath('images');
  const files = existsSync(dir) ? readdirSync(dir) : [];
  const built = new Set(files.flatMap((f) => /^(.*)-[0-9a-f]{12}\.(?:cpio|limg)$/.exec(f)?.[1] ?? []));
  const names = new Set([...Object.keys(BUILT_IN), ...built, ...files.flatMap((f) => /^(.*)\.json$/.exec(f)?.[1] ?? [])]);
  return [...names].sort().map((name) => ({ name, built: built.has(name) }));
}

/** Makes sure that the image is in the cache; its path. @throws Error */
export async function ensureImage(name: string, progress: Progress, warn: (text: string) => void = progress): Promise<string> {
  const pins = BUILT_IN[name]?.() ?? userRecipe(name)?.pins;
  if (pins === undefined) throw new Error(`there is no image '${name}' (lintel image list shows those there are)`);
  const { buildBase, buildLayered } = await import('./build.ts'); // with the unpackers, which a run from the cache never needs
  return name === 'base' ? await buildBase(progress) : await buildLayered(name, pins, progress, warn);
}

/**
 * Resolves `packages` with the mirror's index as it is now, keeps what that came to under `name` and builds it. Essential packages belong to every
 * image, as they do to every Debian system. @throws Error
 */
export async function defineImage(name: string, packages: readonly string[], progress: Progress, warn: (text: string) => void): Promise<string> {
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) throw new Error(`'${name}' is not a name for an image`);
  if (BUILT_IN[name] !== undefined) throw new Error(`image '${name}' is built in; choose another name`);
  const pins = await resolvePins(packages, progress, warn);
  const recipe: Recipe = { packages, pins };
  writeAtomically(recipePath(name), `${JSON.stringify(recipe, null, 1)}\n`);
  return await ensureImage(name, progress, warn);
}
/** What `packages` and the essential ones need, from the mirror's index. */
export async function resolvePins(packages: readonly string[], progress: Progress, warn: (text: string) => void): Promise<Pin[]> {
  const index = await packagesIndex(progress, warn);
  return resolvePackages(index, packages, true).map(({ name, version, path, size, sha256 }) => ({ name, version, path, size, sha256 }));
}
/** Packages that were asked for when an image was made; null for one that cannot be added to. */
export function imagePackages(name: string): readonly string[] | null {
  if (BUILT_IN[name] !== undefined) return null;
  return userRecipe(name)?.packages ?? [];
}
