import { existsSync, readFileSync } from 'node:fs';
import { cachePath, writeAtomically } from './cache.ts';
import { decompressByName } from './deb.ts';
import { download, mirrorUrl, type Progress, sha256 } from './mirror.ts';

// The mirror's index of packages (Debian repository format: InRelease lists the hashes of Packages.xz).

export const SUITE = 'trixie';
const COMPONENT = 'main';
const ARCHITECTURE = 'riscv64';
/** Bytes; more is no index. */
const INDEX_MAX = 64 << 20;

export interface IndexPackage {
  readonly name: string;
  readonly version: string;
  readonly depends: string;
  readonly provides: string;
  readonly essential: boolean;
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Stanzas of a Packages file. Of several versions of one package the last is kept. */
export function parsePackages(text: string): Map<string, IndexPackage> {
  const found = new Map<string, IndexPackage>();
  for (const stanza of text.split('\n\n')) {
    const field = (name: string): string => {
      const at = stanza.startsWith(`${name}: `) ? 0 : stanza.indexOf(`\n${name}: `) + 1;
      if (at === 0 && !stanza.startsWith(`${name}: `)) return '';
      const from = at + name.length + 2;
      const end = stanza.indexOf('\n', from);
      return end < 0 ? stanza.slice(from) : stanza.slice(from, end);
    };
    const name = field('Package');
    if (name === '') continue;
    found.set(name, {
      name,
      version: field('Version'),
      depends: [field('Pre-Depends'), field('Depends')].filter((d) => d !== '').join(', '),
      provides: field('Provides'),
      essential: field('Essential') === 'yes',
      path: field('Filename'),
      size: Number(field('Size')),
      sha256: field('SHA256'),
    });
  }
  return found;
}

/** What InRelease says of the index: size and SHA-256. Null when it does not name it. */
export function releaseEntry(inRelease: string, file: string): { size: number; sha256: string } | null {
  const section = /^SHA256:\n((?: .*\n)*)/m.exec(inRelease)?.[1] ?? '';
  for (const line of section.split('\n')) {
    const [hash, size, path] = line.trim().split(/\s+/);
    if (path === file) return { size: Number(size), sha256: hash };
  }
  return null;
}

/**
 * The packages that the mirror has, from the cache when InRelease has not changed since. An index that is not the one InRelease names (a mirror in
 * the middle of an update) is used with a warning: the packages themselves are still checked against the index, but nothing vouches for it.
 * @throws Error when it cannot be had.
 */
export async function packagesIndex(progress: Progress, warn: (text: string) => void): Promise<Map<string, IndexPackage>> {
  const base = `${mirrorUrl()}/dists/${SUITE}`;
  const file = `${COMPONENT}/binary-${ARCHITECTURE}/Packages.xz`;
  const inRelease = Buffer.from(await download(`${base}/InRelease`, null, () => progress(`fetching ${SUITE}'s InRelease`))).toString('utf8');
  const expected = releaseEntry(inRelease, file);
  if (expected === null) throw new Error(`${SUITE}'s InRelease does not list ${file}`);
  const kept = cachePath('index', `${expected.sha256}.json`);
  if (existsSync(kept)) return new Map((JSON.parse(readFileSync(kept, 'utf8')) as IndexPackage[]).map((p) => [p.name, p]));
  const packed = await download(`${base}/${file}`, null, (share, got) =>
    progress(`fetching the package index: ${share === null ? `${Math.floor(got / 1e6)} MB` : `${share}%`}`),
  );
  if (packed.length > INDEX_MAX) throw new Error('the package index is too large to be one');
  const hash = sha256(packed);
  if (hash !== expected.sha256)
    warn(
      `the mirror's package index does not match ${SUITE}'s InRelease (SHA-256 ${hash.slice(0, 12)}..., InRelease says ${expected.sha256.slice(0, 12)}...): the mirror is out of step with itself; going on with the index as it is`,
    );
  progress('reading the package index');
  const text = await decompressByName(file, packed);
  const packages = parsePackages(Buffer.from(text as Uint8Array).toString('utf8'));
  if (packages.size === 0) throw new Error('the package index is empty');
  // An index that is out of step is not kept: the mirror will come right.
  if (hash === expected.sha256) writeAtomically(kept, JSON.stringify([...packages.values()]));
  return packages;
}
