// Sockets and IPC against real Linux: each program of tests/guest/net runs as init; tests/fixtures/net holds what it printed in Linux 6.12
// (tests/guest/net/build.sh made both).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot, sameLines } from './boot_init.mjs';

const fixture = (name) => new URL(`fixtures/net/${name}`, import.meta.url);

/** /proc/sysvipc shows when a set was made, by the wall clock. */
const mask = (line) => line.replace(/^(sem: .*) \d+ (len \d+)$/, '$1 TIME $2');

for (const name of ['unixtest', 'ipctest', 'inettest']) {
  const program = gunzipSync(readFileSync(fixture(`${name}.gz`)));
  const expected = readFileSync(fixture(`${name}.txt`), 'latin1');
  for (const [cpus, seed] of [
    [1, 1],
    [3, 2],
  ]) {
    test(`${name} answers as in real Linux with ${cpus} harts`, () => {
      const { text, halted, k } = boot(program, { cpus, seed });
      sameLines(text, expected, mask);
      assert.equal(halted, 'poweroff');
      // What is closed is gone: connections that are over are TIME_WAITs, and nothing else holds a port.
      const { tcp, udp, raw, ping, backlog, memberships } = k.net;
      const left = [...tcp.established.values(), ...tcp.ports.all()].filter((c) => c.substate === undefined);
      assert.deepEqual([left, [...tcp.listeners], [...tcp.orphans], udp.all(), [...raw], ping.all(), backlog, memberships].flat(), []);
      assert.ok(k.time.timers.filter((t) => t.kind.startsWith('tcp')).length <= 1);
    });
  }
}
