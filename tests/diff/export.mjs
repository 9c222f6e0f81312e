// Writes an image's tree into a directory of the host, for the oracle.
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadImage } from '../../dist/image/image.js';

export async function exportImage(name, dir) {
  const { layer } = await loadImage(name, () => {});
  if (layer === undefined) throw new Error(`image ${name} is an archive`);
  const length = layer.index.readUInt32LE(8);
  const base = 12 + length;
  const header = JSON.parse(layer.index.toString('latin1', 12, base));
  const links = new Map();
  const walk = (listing, path) => {
    mkdirSync(path, { recursive: true });
    for (const e of JSON.parse(layer.index.toString('latin1', base + listing[0], base + listing[0] + listing[1]))) {
      const at = join(path, Buffer.from(e.n, 'latin1').toString());
      if (e.d !== undefined) {
        walk(e.d, at);
        chmodSync(at, e.m & 0o7777);
      } else if (e.l !== undefined) symlinkSync(e.l, at);
      else if (links.has(e.h?.[0])) linkSync(links.get(e.h[0]), at);
      else {
        const bytes = Buffer.alloc(e.f[2]);
        if (!layer.read(e.f[0], e.f[1], bytes)) throw new Error(`cannot read ${at}`);
        writeFileSync(at, bytes);
        chmodSync(at, e.m & 0o7777);
        if (e.h !== undefined) links.set(e.h[0], at);
      }
    }
  };
  walk(header.root, dir);
}
