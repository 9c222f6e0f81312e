import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachePath, writeAtomically } from './cache.ts';
import type { Pin } from './pins.ts';

export type Progress = (text: string) => void;

/** The Debian mirror: LINTEL_MIRROR, else the one this machine's apt uses. @throws Error that says how to name one. */
export function mirrorUrl(): string {
  const named = process.env['LINTEL_MIRROR'];
  if (named !== undefined && named !== '') return named.replace(/\/+$/, '');
  const found = aptMirror('/etc/apt');
  if (found !== null) return found;
  throw new Error(
    'no Debian mirror is known on this machine: set LINTEL_MIRROR to one, for example the URL in the sources of a Debian system',
  );
}
/** The first archive that apt's sources name (a security archive has no main pool of its own). */
export function aptMirror(etc: string): string | null {
  const files: string[] = [];
  const dir = join(etc, 'sources.list.d');
  if (existsSync(dir)) for (const f of readdirSync(dir).sort()) files.push(join(dir, f));
  files.push(join(etc, 'sources.list'));
  for (const file of files) {
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    const uris = file.endsWith('.sources')
      ? [...text.matchAll(/^URIs:\s*(\S+)/gm)].map((m) => m[1])
      : [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/gm)].map((m) => m[1]);
    for (const uri of uris) if (/^https?:/.test(uri) && /debian\/?$/.test(uri) && !/security/.test(uri)) return uri.replace(/\/+$/, '');
  }
  return null;
}

/** A pinned package's bytes, from the cache or the mirror. @throws Error when it cannot be had or its hash is wrong. */
export async function fetchPinned(pin: Pin, progress: Progress): Promise<Uint8Array> {
  const path = cachePath('debs', `${pin.name}_${pin.version.replaceAll(':', '%3a')}.deb`);
  if (existsSync(path)) {
    const kept = readFileSync(path);
    if (sha256(kept) === pin.sha256) return kept;
  }
  const bytes = await download(`${mirrorUrl()}/${pin.path}`, pin.size, (share) =>
    progress(`fetching ${pin.name} ${pin.version}: ${share ?? 0}%`),
  );
  const hash = sha256(bytes);
  if (hash !== pin.sha256) throw new Error(`${pin.name} ${pin.version}: the mirror's file has SHA-256 ${hash}, expected ${pin.sha256}`);
  writeAtomically(path, bytes);
  return bytes;
}
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
/**
 * A file of the mirror, tried three times. `size` is the length it must have (null: what the server says). `told` hears the share in per cent
 * (null while the length is unknown) and the bytes so far. @throws Error
 */
export async function download(
  url: string,
  size: number | null,
  told: (percent: number | null, bytes: number) => void,
): Promise<Uint8Array> {
  let last: unknown = null;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const response = await fetch(url);
      if (response.status === 404) throw new Error('gone from the mirror (404); LINTEL_MIRROR can name one that still has it');
      if (!response.ok || response.body === null) throw new Error(`${url}: HTTP ${response.status}`);
      const length = size ?? (Number(response.headers.get('content-length') ?? 0) || null);
      const parts: Uint8Array[] = [];
      let got = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        parts.push(chunk);
        got += chunk.length;
        told(length === null ? null : Math.min(100, Math.floor((got * 100) / length)), got);
      }
      if (length !== null && got !== length) throw new Error(`${url}: ${got} bytes came instead of ${length}`);
      return Buffer.concat(parts);
    } catch (e) {
      last = e;
      if (e instanceof Error && e.message.includes('404')) break;
    }
  }
  throw new Error(
    `cannot fetch ${url}: ${last instanceof Error ? `${last.message}${last.cause instanceof Error ? ` (${last.cause.message})` : ''}` : String(last)}`,
  );
}
