import { readFileSync } from 'node:fs';

// The sum of a module's sources that modpost writes into it where MODULE_VERSION is given (scripts/mod/sumversion.c): MD4 (RFC 1320) of the text without blanks,
// comments and continued lines.

const rotate = (x: number, n: number) => (x << n) | (x >>> (32 - n));
const ROUNDS = [
  { add: 0, order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], shifts: [3, 7, 11, 19], mix: (x: number, y: number, z: number) => (x & y) | (~x & z) },
  { add: 0x5a82_7999, order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], shifts: [3, 5, 9, 13], mix: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z) },
  { add: 0x6ed9_eba1, order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], shifts: [3, 9, 11, 15], mix: (x: number, y: number, z: number) => x ^ y ^ z },
] as const;

/**
 * The four words of the sum. modpost's MD4 is its own: it takes the text's words, and gives the sum's, in network order on machines of either byte order (the
 * length at the end is a word of the machine's).
 */
function sum(data: Uint8Array): number[] {
  const padded = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  // Read below as the rest is: the low word comes first.
  view.setUint32(padded.length - 8, data.length * 8);
  view.setUint32(padded.length - 4, Math.floor(data.length / 2 ** 29));
  const h = Uint32Array.of(0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476);
  for (let at = 0; at < padded.length; at += 64) {
    let [a, b, c, d] = h;
    for (const { add, order, shifts, mix } of ROUNDS) {
      order.forEach((word, i) => {
        const turned = rotate((a + mix(b, c, d) + view.getUint32(at + word * 4) + add) | 0, shifts[i % 4]);
        [a, d, c, b] = [d, c, b, turned];
      });
    }
    [a, b, c, d].forEach((v, i) => {
      h[i] += v;
    });
  }
  const out = new DataView(new ArrayBuffer(16));
  for (const [i, v] of h.entries()) out.setUint32(i * 4, v, true);
  return [0, 4, 8, 12].map((i) => out.getUint32(i));
}

const isSpace = (c: string) => /[ \t\n\v\f\r]/.test(c);
/** What of a source counts. */
export function countedText(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && text[i + 1] === '\n') i++;
    else if (isSpace(c)) continue;
    else if (c === '"') {
      // A string whole, to the next quote that no backslash is before.
      const begin = i++;
      while (i < text.length && !(text[i] === '"' && text[i - 1] !== '\\')) i++;
      out += text.slice(begin, i + 1);
    } else if (c === '/' && text[i + 1] === '*') {
      i += 2;
      while (i < text.length && !(text[i - 1] === '*' && text[i] === '/')) i++;
    } else out += c;
  }
  return out;
}
const DIGITS = 23; // struct module's srcversion: char[25], of which modpost fills one less
/** Of the sources and the headers beside them, in the order in which they were read. */
export function sourceVersion(files: readonly string[]): string {
  const text = files.map((f) => countedText(readFileSync(f, 'latin1'))).join('');
  const words = sum(Buffer.from(text, 'latin1')).map((n) => n.toString(16).toUpperCase().padStart(8, '0'));
  return words.join('').slice(0, DIGITS);
}
