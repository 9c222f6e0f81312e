// A driver under test in ordinary CI, without root and without a virtual machine. Build the module first, then run the tests:
//
//   lintel kmod build examples/driver
//   node --test examples/driver
//
// `boot` takes some tens of milliseconds, so every test can have a machine of its own: nothing that one test breaks reaches another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from 'lintel';

const MODULE = new URL('counter.ko', import.meta.url).pathname;
// counter.h: _IOR('C', 1, struct counter_state) and _IO('C', 2).
const COUNTER_GET = (2 << 30) | (12 << 16) | (0x43 << 8) | 1;
const COUNTER_STEP = (0x43 << 8) | 2;
const [EINVAL, ENOTTY] = [22, 25];

/** Boots a machine, loads the driver, and hands both to `body`; afterwards the driver must unload and the kernel have nothing to say. */
async function withDriver(body) {
  const vm = await boot({ seed: 1 });
  try {
    const driver = await vm.insmod(MODULE);
    await body(vm);
    await driver.rmmod();
    assert.doesNotMatch(vm.dmesg(), /Oops|WARNING|BUG/);
  } finally {
    vm.close();
  }
}
async function state(vm) {
  const { result, data } = await vm.ioctl('/dev/counter', COUNTER_GET, new Uint8Array(12));
  assert.equal(result, 0);
  const [reads, writes, step] = new Uint32Array(data.buffer, 0, 3);
  return { reads, writes, step };
}

test('what is written is read back', () =>
  withDriver(async (vm) => {
    const r = await vm.run(['sh', '-c', 'echo hello > /dev/counter; cat /dev/counter']);
    assert.equal(r.stdout, 'hello\n');
  }));

test('a line that is too long is refused, and the old one stays', () =>
  withDriver(async (vm) => {
    const r = await vm.run(['sh', '-c', 'echo old > /dev/counter; head -c 65 /dev/zero > /dev/counter; cat /dev/counter']);
    assert.match(r.stderr, /No space left on device/);
    assert.equal(r.stdout, 'old\n');
  }));

test('ioctl tells the counts and sets the step', () =>
  withDriver(async (vm) => {
    assert.deepEqual(await state(vm), { reads: 0, writes: 0, step: 1 });
    assert.equal((await vm.ioctl('/dev/counter', COUNTER_STEP, 10)).result, 0);
    await vm.run(['sh', '-c', 'echo x > /dev/counter']);
    assert.deepEqual(await state(vm), { reads: 0, writes: 10, step: 10 });
    assert.equal((await vm.ioctl('/dev/counter', COUNTER_STEP, 101)).result, -EINVAL);
    assert.equal((await vm.ioctl('/dev/counter', 0x1234)).result, -ENOTTY);
  }));

test('everybody may use the device', () =>
  withDriver(async (vm) => {
    assert.match((await vm.run(['ls', '-l', '/dev/counter'])).stdout, /^crw-rw-rw-/);
  }));
