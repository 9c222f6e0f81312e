import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { fsSyscalls } from '../syscalls/fs.ts';
import { selectSyscalls } from '../syscalls/select.ts';
import { runScript } from './testing/script.ts';

// Scripts of system calls on files against what real Linux answered (tests/guest/fs/README.md).

const fixtures = fileURLToPath(new URL('../../../tests/guest/fs/', import.meta.url));
const rows = [...fsSyscalls, ...selectSyscalls];

for (const name of ['directed', 'xattr', 'random']) {
  describe(`file system calls: ${name}`, () => {
    it('answer as Linux does', () => {
      const script = gunzipSync(readFileSync(`${fixtures}${name}.script.gz`)).toString('latin1');
      const linux = gunzipSync(readFileSync(`${fixtures}${name}.linux.gz`))
        .toString('latin1')
        .trimEnd()
        .split('\n');
      const ours = runScript(script, rows);
      assert.equal(ours.length, linux.length);
      const calls = script
        .split('\n')
        .filter((l) => l !== '' && l !== 'reset' && l !== 'sleep' && !l.startsWith('uid ') && !l.startsWith('#'));
      const wrong = calls.map((call, i) => ({ call, linux: linux[i], ours: ours[i] })).filter((c) => c.linux !== c.ours);
      assert.deepEqual(wrong.slice(0, 5), []);
    });
  });
}
