import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unzstd, zstdContentSize } from './zstd.ts';

// for i in 0..59: "firmware line I of the packed file, sum HEX" (HEX = I*I*7919), a file of its own, packed with zstd -19: four Huffman streams, tables of its own.
const PACKED =
  'KLUv/WQxCvULAJbYPRiAK2wDACaGw4UlMgEG5k56ZXe3SiDGWME8ADUANQDaadMZ8Uzeu7xbphFKqLyLl4pYhnWa+RsjpKVT+gFFDg4GCSQDoYkgFfgoSBo0SCdIkYQgGEhanMdhQeiL' +
  'uWV08waV3+eYrWjQYV0LUGozFiA9VhTtob2qaPWisqxZtJhmlErRyq4ydOROR3/KKO9WJZ1qCl1jnRpnC4wFWVBQGvuIX3zdy4qWz5qO0XPi0Uo9WLfI1geZ65Nrxqq69E/PVsxZpqUD' +
  'ABX03vnysubeoOkacy3OfhpBHhkPVv5QOQ1vpUXv3LEfufGpvND0S/lemTtOp66sfTp2qCGIJxDa7t8BcClKkgMR/AmIFr4cdQOFpYhhX+szZpPAxFpDx1CGEpkUO09sEhKscQWGjMoL' +
  '7EAjNLrBagoHokSEcqW5IyN+CJtAyL54IaFiaK1MSKgYIKuTKqPi2BheSKDzB6nGEvmrjKhmMWixcO4Doy5aF20RL7dcYBjMgdWAXwWZjAX0';
const plain = Array.from({ length: 60 }, (_, i) => `firmware line ${i} of the packed file, sum ${(i * i * 7919).toString(16)}\n`).join('');
const packed = () => new Uint8Array(Buffer.from(PACKED, 'base64'));
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
// Frames by hand (RFC 8878 3.1.1): magic, one segment of N bytes, last block.
const frame = (size: number, ...block: number[]) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, size, ...block);

test('a frame is decompressed, and says its size', () => {
  assert.equal(text(unzstd(packed(), 1 << 20)), plain);
  assert.equal(zstdContentSize(packed()), plain.length);
  assert.equal(unzstd(packed(), plain.length - 1), null);
});
test('raw and repeated blocks, skippable frames, several frames', () => {
  const raw = frame(3, 0x19, 0, 0, 0x61, 0x62, 0x63);
  const rle = frame(5, 0x2b, 0, 0, 0x78);
  const skipped = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2);
  assert.equal(text(unzstd(Uint8Array.of(...raw, ...skipped, ...rle), 100)), 'abcxxxxx');
  assert.equal(unzstd(frame(4, 0x19, 0, 0, 0x61, 0x62, 0x63), 100), null);
});
test('what is damaged or cut is refused, or is the same', () => {
  const good = packed();
  for (let i = 0; i < good.length; i++) {
    for (const bit of [0, 2, 5, 7]) {
      const bad = packed();
      bad[i] ^= 1 << bit;
      const out = text(unzstd(bad, 1 << 20));
      assert.ok(out === null || out === plain, `bit ${bit} of byte ${i}`);
    }
    if (i > 0) assert.equal(unzstd(good.subarray(0, i), 1 << 20), null);
  }
});
