import { CPIO_MAGIC, CPIO_TRAILER } from '../abi/cpio.ts';

/** One entry of a newc archive to write. `mode` includes the type bits. */
export interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly rdev?: { major: number; minor: number };
}

const EMPTY = new Uint8Array(0);
const hex8 = (n: number) => (n >>> 0).toString(16).toUpperCase().padStart(8, '0');

/** A newc archive; all owners root, all times 0, so that equal contents give equal bytes. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const push = (b: Uint8Array) => {
    parts.push(b);
    length += b.length;
  };
  const pad = () => {
    if (length % 4 !== 0) push(new Uint8Array(4 - (length % 4)));
  };
  const put = (e: CpioEntry, ino: number) => {
    const name = Buffer.from(`${e.name}\0`, 'utf8');
    const nlink = (e.mode & 0o170000) === 0o040000 ? 2 : 1;
    const fields = [ino, e.mode, 0, 0, nlink, 0, e.data.length, 0, 0, e.rdev?.major ?? 0, e.rdev?.minor ?? 0, name.length, 0];
    push(Buffer.from(CPIO_MAGIC + fields.map(hex8).join(''), 'latin1'));
    push(name);
    pad();
    push(e.data);
    pad();
  };
  entries.forEach((e, i) => {
    put(e, i + 1);
  });
  put({ name: CPIO_TRAILER, mode: 0, data: EMPTY }, 0);
  return Buffer.concat(parts);
}
