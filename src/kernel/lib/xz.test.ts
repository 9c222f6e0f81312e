import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unxz } from './xz.ts';

// printf 'the same words again and again, the same words again and again, %s\n' $(seq 1 400) | xz --check=crc32 --lzma2=preset=6
const PACKED =
  '/Td6WFoAAAFpIt42AgAhARYAAAB0L+Wj4GnTAc1dADoaCM522XbTk87gbFx15AYKDfYR6Yf2VoDzP1K5kmLSI1LULk5WhPME4HFY2n0DlflFOTZCK3wkqPsdDWTpr8Cd4DMY6masseNS' +
  'xTZkcBMg3ciSrOlD75X31zZJnW+guZTFxc8wDc9zAGjJ7AL9B/u2Ks27xB6CXI2frEBQ0tXUDfV8ndogZp9n4itkI9lqC+OsqTML8RQ474VPa+w80xYFE7t0XVaWaniqzsjqcISJkM7Z' +
  'BYfU9ObNLUfaJMd/l5LF3yN54MZDSTT0gnVJRRu74K878/HY9MFNQqHXLpH3lU/gUPN2qF1N9yV51qt2o6CYDNmCUQYn38SxVHxCyu8R4iVeGHZQkWeTzzDlz0q9kz8qIqWYicxibEeY' +
  'w9fRxIsD4ocpVcHUxYDT8/LfJfT29EQfWTsJ3qVsHtnTg3hxYj8XiKy9nCJUCQHRVeYQYo6xIgrZ1nzYDp+m5wRGjzVXC0iuFOKnetQJDYMY/24CLSHxcYkCNswEJXSaLT/ejCpNstaT' +
  '5Dp4azGG0GJg8qWfpQUx4mQ4twesPFfYoZDvwb/VDsWu8h/NY6WrIblzFx8S35pIX6cl+HF9pK/7UkbmD6k3Y9vjio/lTEgAAAAAANiNX8AAAeUD1NMBANqwnv0+MA2LAgAAAAABWVo=';
const packed = () => new Uint8Array(Buffer.from(PACKED, 'base64'));
const plain = Array.from({ length: 400 }, (_, i) => `the same words again and again, the same words again and again, ${i + 1}\n`).join('');

test('an .xz file is decompressed', () => {
  assert.equal(Buffer.from(unxz(packed()) ?? []).toString(), plain);
});
test('a damaged or cut .xz file is refused, whatever is wrong', () => {
  const good = packed();
  // The index and footer, behind the data, say nothing that is needed.
  const data = good.length - 12 - 12;
  for (let i = 0; i < data; i++) {
    for (const bit of [0, 3, 7]) {
      const bad = packed();
      bad[i] ^= 1 << bit;
      const out = unxz(bad);
      assert.ok(out === null || Buffer.from(out).toString() === plain, `bit ${bit} of byte ${i}`);
    }
    assert.equal(unxz(good.subarray(0, i)), null);
  }
});
