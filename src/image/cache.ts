import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where fetched packages and built images are kept: $LINTEL_CACHE, else $XDG_CACHE_HOME/lintel, else ~/.cache/lintel. */
export function cacheDir(): string {
  return process.env['LINTEL_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'lintel');
}
export function cachePath(...parts: readonly string[]): string {
  return join(cacheDir(), ...parts);
}
/** mkdir -p. (Node's own recursive mkdir never returns for a place below /proc.) */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  try {
    mkdirSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
  }
}
/** Writes a file so that it appears whole or not at all. @throws Error that names the path (full disk, no permission). */
export function writeAtomically(path: string, contents: Uint8Array | string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    makeDirectory(dirname(path));
    writeFileSync(temporary, contents);
    renameSync(temporary, path);
  } catch (e) {
    if (existsSync(temporary)) rmSync(temporary, { force: true });
    throw new Error(`cannot write ${path}: ${e instanceof Error ? e.message : String(e)}`);
  }
}
