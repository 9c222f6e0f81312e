import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BLOCKED } from '../sched/wait.ts';
import { copyToUser } from '../mm/uaccess.ts';
import { bytesOf } from '../lib/bytes.ts';
import { fsSyscalls } from '../syscalls/fs.ts';
import { selectSyscalls } from '../syscalls/select.ts';
import { stubKernel } from './testing/stub_kernel.ts';

// Whatever the arguments are, a call answers: a result, an errno or "blocked". It never throws.

const NAMES = [
  '/',
  '.',
  '..',
  'a',
  'a/b',
  'a/b/',
  '/x',
  'x/../y',
  'l',
  '',
  'proc',
  'tmpfs',
  'user.a',
  'mode=7,size=1%',
  'size=99999999999g',
  '\xff\xfe',
];

describe('system calls on files with random arguments', () => {
  it('never throw and return integers', () => {
    const stub = stubKernel(32 << 20);
    const { k, userBase } = stub;
    let s = 12345;
    const next = (n: number) => {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      return s % n;
    };
    const places = NAMES.map((name, i) => {
      const at = userBase + i * 64;
      copyToUser(k, at, bytesOf(`${name}\0`));
      return at;
    });
    const scratch = userBase + 4096;
    const edges = [
      0,
      1,
      -1,
      -100,
      7,
      8,
      64,
      4096,
      65536,
      0x7fff_ffff,
      0xffff_ffff,
      -0x8000_0000,
      2 ** 31,
      2 ** 38 - 1,
      2 ** 38,
      2 ** 53,
      -(2 ** 53),
      2 ** 63,
      -(2 ** 63),
      userBase + (1 << 20) - 4,
    ];
    const argument = () => {
      switch (next(6)) {
        case 0:
          return next(12);
        case 1:
        case 2:
          return places[next(places.length)];
        case 3:
          return scratch + next(4096);
        case 4:
          return edges[next(edges.length)];
      }
      return next(1 << next(31));
    };
    const rows = [...fsSyscalls, ...selectSyscalls];
    for (let i = 0; i < 60_000; i++) {
      if (i % 50 === 0) {
        const noise = new Uint8Array(4096);
        for (let j = 0; j < noise.length; j++) noise[j] = next(4) === 0 ? next(256) : 0;
        copyToUser(k, scratch, noise);
      }
      const row = rows[next(rows.length)];
      const args = [argument(), argument(), argument(), argument(), argument(), argument()] as const;
      let r: number;
      try {
        r = row.handler(k, ...args);
      } catch (e) {
        throw new Error(`${row.name}(${args.join(', ')})`, { cause: e });
      }
      assert.ok(Number.isInteger(r) && (r >= 0 || r > -4096 || r === BLOCKED), `${row.name}(${args.join(', ')}) = ${r}`);
      if (r === BLOCKED) {
        stub.interrupt(true);
        row.handler(k, ...args);
        stub.interrupt(false);
      }
      k.current.restart = null;
      if (k.current.files.fds.filter((f) => f != null).length > 40) k.current.files.closeAll(k, false);
    }
  });
});
