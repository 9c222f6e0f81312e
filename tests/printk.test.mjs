// syslog(2), /proc/kmsg and /dev/kmsg against real Linux: syslogtest (tests/guest/printk) prints the result of every call;
// tests/fixtures/printk/syslogtest.txt is what it printed in Linux 6.12.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { boot } from '../dist/index.js';

const fixture = (name) => readFileSync(new URL(`fixtures/printk/${name}`, import.meta.url));

test('the log answers every call as in real Linux', async (t) => {
  const vm = await boot({ seed: 1, memory: '64M', append: 'loglevel=1' });
  t.after(() => vm[Symbol.asyncDispose]());
  const script = 'cat > /syslogtest; chmod 755 /syslogtest; exec /syslogtest';
  const r = await vm.run(['sh', '-c', script], { stdin: fixture('syslogtest') });
  assert.equal(r.stderr, '');
  assert.deepEqual(r.stdout.split('\n'), fixture('syslogtest.txt').toString().split('\n'));
  assert.equal(r.exitCode, 0);
});
