import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { ImageHeader } from '../abi/image_format.ts';
import type { ImageLayer } from '../kernel/host.ts';
import { cachePath } from './cache.ts';

/** Blobs that are open at a time: many systems in one process must not run out of descriptors. */
const MAX_OPEN = 32;

/** A layer over the blobs in the cache. @throws Error when one of them is missing. */
export function openLayer(index: Buffer): ImageLayer {
  const length = index.readUInt32LE(8);
  const header = JSON.parse(index.toString('latin1', 12, 12 + length)) as ImageHeader;
  const paths = header.blobs.map((b) => cachePath(b.name));
  header.blobs.forEach((b, i) => {
    if (!existsSync(paths[i]) || statSync(paths[i]).size !== b.size)
      throw new Error(`the image's contents ${b.name} are gone from the cache; build the image again`);
  });
  const open = new Map<number, number>();
  return {
    index,
    read(blob, offset, into) {
      let fd = open.get(blob);
      try {
        if (fd === undefined) {
          const oldest = open.entries().next().value;
          if (open.size >= MAX_OPEN && oldest !== undefined) {
            closeSync(oldest[1]);
            open.delete(oldest[0]);
          }
          fd = openSync(paths[blob], 'r');
          open.set(blob, fd);
        }
        let done = 0;
        while (done < into.length) {
          const n = readSync(fd, into, done, into.length - done, offset + done);
          if (n <= 0) return false;
          done += n;
        }
        return true;
      } catch {
        return false;
      }
    },
    name: (blob) => header.blobs[blob]?.name ?? String(blob),
  };
}
